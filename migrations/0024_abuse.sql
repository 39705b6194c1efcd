-- What keeps abuse small: delays that follow the network, caps on what one account may pile up, links that end by
-- themselves, rounds of the worker that are missed when they stop, and definers that nobody can lead astray.

-- An address is slowed down for each network alone, so a proof by mail has to find all of its rows.
alter table sign_in_delays
    add column account bytea constraint sign_in_delays_account_is_hmac check (octet_length(account) = 32);
comment on column sign_in_delays.account is 'Keyed hash of the address, where the row is about one: a new password by mail ends the delays of all networks. NULL: a known browser''s row.';
comment on column sign_in_delays.subject is 'Keyed hash of an address at one network, of an address at all of them, or of a known browser. An address without an account has its rows as well.';
comment on table sign_in_delays is 'Tries to sign in since the last that succeeded: for each address by unknown browsers of one network, a short one by all networks, and for each known browser alone.';
create index sign_in_delays_account on sign_in_delays (account);

-- Who signs in rightly again and again fills no table: the one used longest ago gives way.
create function auth.keep_newest_devices() returns trigger
    language plpgsql
as $$
begin
    delete from auth.devices
     where id in (select d.id from auth.devices d where d.user_id = new.user_id order by d.seen_at desc, d.id desc offset 50);
    return null;
end
$$;
comment on function auth.keep_newest_devices is 'Trigger: a user has 50 devices at most. The one seen longest ago is signed out.';
revoke all on function auth.keep_newest_devices() from public;
create trigger devices_keep_newest after insert on auth.devices
    for each row execute function auth.keep_newest_devices();

create function auth.keep_newest_families() returns trigger
    language plpgsql
as $$
begin
    delete from auth.token_families
     where id in (select f.id from auth.token_families f where f.user_id = new.user_id order by f.created_at desc, f.id desc offset 50);
    return null;
end
$$;
comment on function auth.keep_newest_families is 'Trigger: a user has 50 programs signed in at most. The one that signed in longest ago is signed out.';
revoke all on function auth.keep_newest_families() from public;
create trigger token_families_keep_newest after insert on auth.token_families
    for each row execute function auth.keep_newest_families();

create index mails_to_address on mails (lower(to_address), kind, created_at);
comment on index mails_to_address is 'How many mails of a kind an address has had lately.';

create table rounds (
    name    text primary key constraint rounds_name_form check (name ~ '^[a-z-]{1,40}$'),
    done_at timestamptz not null
);
comment on table rounds is 'When each periodic round of the worker was last done without an error. One that falls behind is raised to a person.';
alter table rounds enable row level security;
alter table rounds force row level security;
grant select, insert, update on rounds to jetbridge_system;
create policy rounds_system on rounds to jetbridge_system using (true) with check (true);

-- A link ends at its hour, whether or not the worker has come to delete it. `app.now` is the clock of the process; one of
-- the version before this does not tell it.
create or replace function app_link_booking() returns uuid
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
begin atomic
    select b.id from booking_links l join bookings b on b.id = l.booking_id
     where l.token_hash = app_link() and b.user_id is null
       and l.expires_at > coalesce(nullif(current_setting('app.now', true), '')::timestamptz, now());
end;
comment on column booking_links.expires_at is 'From when on it opens nothing: 30 days after the last day of travel, or after the booking has ended. The worker deletes it then.';

create or replace function auth.forget_recipient() returns trigger
    language plpgsql security definer set search_path = pg_catalog, public, auth, pg_temp
as $$
begin
    if exists (
        select from auth.users u
         where u.deleted_at is not null
           and u.id = coalesce(new.user_id, (select b.user_id from public.bookings b where b.id = new.booking_id))
    ) then
        new.to_address := 'deleted@deleted.invalid';
    end if;
    return new;
end
$$;

-- Unless it is named, a session's own temporary schema is searched before all others: whoever can make a temporary table
-- could slip it under a definer. It comes last, and nobody needs temporary tables.
do $$
declare
    definer record;
begin
    for definer in
        select p.oid::regprocedure as name, substr(setting, length('search_path=') + 1) as path
          from pg_proc p, unnest(p.proconfig) as setting
         where p.prosecdef and p.pronamespace::regnamespace::text in ('public', 'auth', 'tower_sessions')
           and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
           and setting like 'search\_path=%' and setting not like '%pg\_temp'
    loop
        execute format('alter function %s set search_path = %s, pg_temp', definer.name, definer.path);
    end loop;
    execute format('revoke temporary on database %I from public', current_database());
end
$$;
