-- Signed-in browsers that their owner can see and end, and the tokens by which programs sign in.

-- Every process keeps sessions in memory for a moment. It hears of each that has changed or ended by a notification, which
-- names the session by its hash: whoever may LISTEN must not learn an id, which is a key.
create function tower_sessions.tell_change() returns trigger
    language plpgsql
as $$
begin
    if tg_op = 'TRUNCATE' then
        perform pg_notify('session_changed', '');
    else
        perform pg_notify('session_changed', encode(sha256(convert_to(old.id, 'UTF8')), 'hex'));
    end if;
    return null;
end
$$;
comment on function tower_sessions.tell_change is 'Trigger: names the session that changed or ended, by its SHA-256; nothing means all.';

create trigger session_tell_change after update or delete on tower_sessions.session
    for each row execute function tower_sessions.tell_change();
create trigger session_tell_truncate after truncate on tower_sessions.session
    for each statement execute function tower_sessions.tell_change();

create table auth.devices (
    id         uuid primary key,
    user_id    uuid not null references auth.users (id),
    session_id text constraint devices_session_id_unique unique
               references tower_sessions.session (id) on delete set null,
    user_agent text not null constraint devices_user_agent_length check (length(user_agent) between 1 and 60),
    created_at timestamptz not null,
    seen_at    timestamptz not null
);
comment on table auth.devices is 'One row per signed-in browser. Deleting it signs that browser out.';
comment on column auth.devices.session_id is 'The key to the session, which its owner need not know: only the system reads it. NULL while the session changes its id, and after its end.';
comment on column auth.devices.user_agent is 'Browser and system in words, such as "Firefox on Linux"; never the whole header.';
comment on column auth.devices.created_at is 'When it signed in.';
comment on column auth.devices.seen_at is 'When it was last used, to within some minutes.';
create index devices_user_id on auth.devices (user_id, seen_at);
create index devices_without_session on auth.devices (seen_at) where session_id is null;

alter table auth.devices enable row level security;
alter table auth.devices force row level security;
grant usage on schema auth to jetbridge_traveller;
grant select (id, user_id, user_agent, created_at, seen_at), delete on auth.devices to jetbridge_traveller;
grant select, insert, update (session_id, seen_at), delete on auth.devices to jetbridge_system;
create policy devices_own_seen on auth.devices for select to jetbridge_traveller using (user_id = app_user_id());
create policy devices_own_ended on auth.devices for delete to jetbridge_traveller using (user_id = app_user_id());
create policy devices_system on auth.devices to jetbridge_system using (true) with check (true);

-- The device is what counts: a session can get a new id, and is refused one once its device is gone.
create function auth.end_session() returns trigger
    language plpgsql security definer set search_path = pg_catalog, tower_sessions
as $$
begin
    delete from tower_sessions.session where id = old.session_id;
    return null;
end
$$;
comment on function auth.end_session is 'Trigger: a device that is deleted takes its session along.';
grant usage on schema tower_sessions to jetbridge_system;
grant select (id), delete on tower_sessions.session to jetbridge_system;
grant create on schema auth to jetbridge_system;
alter function auth.end_session() owner to jetbridge_system;
revoke create on schema auth from jetbridge_system;
revoke all on function auth.end_session() from public;
create trigger devices_end_session after delete on auth.devices
    for each row execute function auth.end_session();

create table auth.token_families (
    id         uuid primary key,
    user_id    uuid not null references auth.users (id),
    scopes     text[] not null
               constraint token_families_scopes_known
               check (scopes <@ array['account:read', 'account:write', 'bookings:read', 'bookings:write']
                      and cardinality(scopes) > 0 and array_position(scopes, null) is null),
    created_at timestamptz not null,
    expires_at timestamptz not null constraint token_families_expires_later check (expires_at > created_at)
);
comment on table auth.token_families is 'One sign-in of a program, and all tokens that grew from it. Deleting it ends them all.';
comment on column auth.token_families.scopes is 'What the program may do; each of its tokens may do exactly this.';
comment on column auth.token_families.expires_at is 'When even a program in daily use has to sign in again.';
create index token_families_user_id on auth.token_families (user_id);

create table auth.tokens (
    hash       bytea primary key constraint tokens_hash_is_sha256 check (length(hash) = 32),
    family_id  uuid not null references auth.token_families (id) on delete cascade,
    kind       text not null constraint tokens_kind_known check (kind in ('access', 'refresh')),
    created_at timestamptz not null,
    expires_at timestamptz not null constraint tokens_expires_later check (expires_at > created_at),
    used_at    timestamptz constraint tokens_only_refresh_is_used check (used_at is null or kind = 'refresh')
);
comment on table auth.tokens is 'API tokens by their hash only.';
comment on column auth.tokens.hash is 'SHA-256 of the token, which is 256 random bits.';
comment on column auth.tokens.used_at is 'When a refresh token was exchanged. A second use ends the family: one of the two users stole it.';
create index tokens_family_id on auth.tokens (family_id);
create index tokens_expires_at on auth.tokens (expires_at);

alter table auth.token_families enable row level security;
alter table auth.token_families force row level security;
alter table auth.tokens enable row level security;
alter table auth.tokens force row level security;
grant select, delete on auth.token_families to jetbridge_traveller;
grant select, insert, delete on auth.token_families to jetbridge_system;
-- Locking a family, so that two exchanges of one token come one after the other, needs the right to update something.
grant update (expires_at) on auth.token_families to jetbridge_system;
grant select, insert, update (used_at), delete on auth.tokens to jetbridge_system;
create policy token_families_own_seen on auth.token_families for select to jetbridge_traveller using (user_id = app_user_id());
create policy token_families_own_ended on auth.token_families for delete to jetbridge_traveller using (user_id = app_user_id());
create policy token_families_system on auth.token_families to jetbridge_system using (true) with check (true);
create policy tokens_system on auth.tokens to jetbridge_system using (true) with check (true);
