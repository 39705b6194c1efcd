-- Roles, extensions and helper functions that every later table leans on.

create extension if not exists citext;

-- Roles belong to the whole cluster, and two databases may migrate at once: creating one twice is no error.
do $$
declare
    role_name text;
begin
    foreach role_name in array array['jetbridge_guest', 'jetbridge_traveller', 'jetbridge_staff', 'jetbridge_system'] loop
        begin
            execute format('create role %I nologin noinherit', role_name);
        exception when duplicate_object or unique_violation then
            null;
        end;
        -- The login must be able to become each of them; a superuser already can.
        begin
            execute format('grant %I to current_user', role_name);
        exception when unique_violation then
            null;
        end;
    end loop;
end
$$;

create schema auth;
comment on schema auth is 'Who may sign in. Only security definer functions and the system read it.';

revoke all on schema public from public;
grant usage on schema public to jetbridge_guest, jetbridge_traveller, jetbridge_staff, jetbridge_system;

create function app_user_id() returns uuid
    language sql stable parallel safe
    return nullif(current_setting('app.user_id', true), '')::uuid;
comment on function app_user_id is 'The signed-in user of this transaction. Unset (NULL, or '''' after an earlier transaction) means nobody, so policies match no row.';

create function touch_updated_at() returns trigger
    language plpgsql
as $$
begin
    new.updated_at := now();
    return new;
end
$$;
comment on function touch_updated_at is 'Trigger: keeps updated_at true without trusting the writer.';

create function refuse_change() returns trigger
    language plpgsql
as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'integrity_constraint_violation';
end
$$;
comment on function refuse_change is 'Trigger: an append-only table refuses update, delete and truncate, whoever asks.';
