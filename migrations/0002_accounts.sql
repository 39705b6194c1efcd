-- Accounts: who signs in (auth.users), what we know of them (profiles), and their browser sessions.

create table auth.users (
    id            uuid primary key,
    email         citext not null constraint users_email_unique unique
                  constraint users_email_form check (length(email::text) between 3 and 254 and email::text ~ '^[^@\s]+@[^@\s]+$'),
    password_hash text not null constraint users_password_hash_form check (password_hash like '$argon2id$%'),
    staff_role    text constraint users_staff_role_known check (staff_role in ('viewer', 'agent', 'finance', 'owner')),
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now()
);
comment on table auth.users is 'One row per person who can sign in.';
comment on column auth.users.password_hash is 'Argon2id in PHC form.';
comment on column auth.users.staff_role is 'NULL: a traveller. Otherwise a member of the agency and what they may do.';

create trigger users_touch before update on auth.users for each row execute function touch_updated_at();

alter table auth.users enable row level security;
alter table auth.users force row level security;
grant usage on schema auth to jetbridge_system;
grant select, insert, update on auth.users to jetbridge_system;
create policy users_system on auth.users to jetbridge_system using (true) with check (true);

create table profiles (
    user_id    uuid primary key references auth.users (id),
    full_name  text not null default '' constraint profiles_full_name_length check (length(full_name) <= 200),
    phone      text not null default '' constraint profiles_phone_form check (phone = '' or phone ~ '^\+?[0-9 ()./-]{4,30}$'),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table profiles is 'Personal data of a user, one row each.';

create trigger profiles_touch before update on profiles for each row execute function touch_updated_at();

alter table profiles enable row level security;
alter table profiles force row level security;
grant select, insert (user_id, full_name, phone), update (full_name, phone) on profiles to jetbridge_traveller;
grant select on profiles to jetbridge_staff;
grant select, insert, update on profiles to jetbridge_system;
create policy profiles_own on profiles to jetbridge_traveller
    using (user_id = app_user_id()) with check (user_id = app_user_id());
create policy profiles_staff on profiles for select to jetbridge_staff using (true);
create policy profiles_system on profiles to jetbridge_system using (true) with check (true);

-- The store of tower-sessions, in the shape that it expects. It is read by the login role, outside any principal:
-- the random id in the cookie is the only key to a row.
create schema tower_sessions;
comment on schema tower_sessions is 'Browser sessions, kept by the tower-sessions crate.';
create table tower_sessions.session (
    id          text primary key,
    data        bytea not null,
    expiry_date timestamptz not null
);
comment on table tower_sessions.session is 'Signed-in browsers. Anonymous visitors have no row.';
create index session_expiry on tower_sessions.session (expiry_date);

-- Signing in happens before there is a user, so Guest reaches exactly one row through these functions and nothing else.
create function auth.find_login(wanted citext)
    returns table (user_id uuid, password_hash text, staff_role text)
    language sql stable security definer set search_path = pg_catalog, public, auth
begin atomic
    select u.id, u.password_hash, u.staff_role from auth.users u where u.email = wanted;
end;
comment on function auth.find_login is 'What a log-in needs to check a password. Callable by Guest.';

create function auth.sign_up(new_id uuid, new_email citext, new_hash text, new_name text)
    returns boolean
    language plpgsql security definer set search_path = pg_catalog, public, auth
as $$
begin
    insert into auth.users (id, email, password_hash) values (new_id, new_email, new_hash)
        on conflict (email) do nothing;
    if not found then
        return false;
    end if;
    insert into public.profiles (user_id, full_name) values (new_id, new_name);
    return true;
end
$$;
comment on function auth.sign_up is 'Makes a traveller''s account; false if the address has one already. Callable by Guest.';

-- A definer that does not own these rows as a superuser still has to pass FORCEd row-level security: the functions
-- belong to the system role, whose policies let it through.
grant create on schema auth to jetbridge_system;
alter function auth.find_login(citext) owner to jetbridge_system;
alter function auth.sign_up(uuid, citext, text, text) owner to jetbridge_system;
revoke create on schema auth from jetbridge_system;
revoke all on function auth.find_login(citext), auth.sign_up(uuid, citext, text, text) from public;
grant usage on schema auth to jetbridge_guest;
grant execute on function auth.find_login(citext), auth.sign_up(uuid, citext, text, text) to jetbridge_guest;
