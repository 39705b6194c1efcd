-- Bookings without an account: whoever holds a link opens one booking and nothing else.

comment on column bookings.user_id is 'The account it belongs to. NULL: made without one, and opened by its links.';

create table booking_links (
    token_hash bytea primary key constraint booking_links_token_hash_is_sha256 check (octet_length(token_hash) = 32),
    booking_id uuid not null references bookings (id),
    mail_id    uuid references mails (id),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    constraint booking_links_expires_later check (expires_at > created_at)
);
comment on table booking_links is 'Capabilities: each opens one booking that belongs to no account. Deleted when revoked or expired, so a row that is there counts.';
comment on column booking_links.token_hash is 'SHA-256 of the secret in the link. The secret itself is kept nowhere.';
comment on column booking_links.mail_id is 'The mail that carries the link. NULL: given to the browser that made the booking.';
comment on column booking_links.expires_at is 'When the worker deletes it: 30 days after the last day of travel, or after the booking has ended.';

create index booking_links_booking_id on booking_links (booking_id);
create index booking_links_mail_id on booking_links (mail_id);
create index booking_links_expires_at on booking_links (expires_at);

alter table booking_links enable row level security;
alter table booking_links force row level security;
grant select, insert, update (expires_at), delete on booking_links to jetbridge_system;
create policy booking_links_system on booking_links to jetbridge_system using (true) with check (true);

create table booking_finds (
    id          uuid primary key,
    reference   text not null constraint booking_finds_reference_form check (reference ~ '^[ACDEFGHJKMNPQRTWXY34679]{6}$'),
    family_name text not null constraint booking_finds_family_name_length check (length(family_name) between 1 and 100),
    email       text not null constraint booking_finds_email_form check (length(email) between 3 and 254 and email ~ '^[^@\s]+@[^@\s]+$'),
    created_at  timestamptz not null
);
comment on table booking_finds is 'What somebody typed to find a booking, until a job has looked, seconds later. The page that takes it looks at nothing, so it can tell nothing.';
comment on column booking_finds.email is 'Compared with the address on file, and never written to.';

alter table booking_finds enable row level security;
alter table booking_finds force row level security;
grant select, insert, delete on booking_finds to jetbridge_system;
create policy booking_finds_system on booking_finds to jetbridge_system using (true) with check (true);

create function app_link_booking() returns uuid
    language sql stable security definer set search_path = pg_catalog, public
begin atomic
    select b.id from booking_links l join bookings b on b.id = l.booking_id
     where l.token_hash = app_link() and b.user_id is null;
end;
comment on function app_link_booking is 'The booking that this transaction''s link opens. NULL for no link, a dead one, and a booking that belongs to an account.';

-- A link that was mailed to an address which is no longer the contact may be in a stranger's hands.
create function revoke_mailed_links() returns trigger
    language plpgsql security definer set search_path = pg_catalog, public
as $$
begin
    delete from public.booking_links where booking_id = new.id and mail_id is not null;
    return null;
end
$$;
comment on function revoke_mailed_links is 'Trigger: a new contact address ends the links that were mailed to the old one.';
create trigger bookings_revoke_mailed_links after update of contact_email on bookings
    for each row when (lower(old.contact_email) is distinct from lower(new.contact_email))
    execute function revoke_mailed_links();

-- As in 0002: definers that pass FORCEd row-level security because the system role does.
grant create on schema public to jetbridge_system;
alter function app_link_booking() owner to jetbridge_system;
alter function revoke_mailed_links() owner to jetbridge_system;
revoke create on schema public from jetbridge_system;
revoke all on function app_link_booking(), revoke_mailed_links() from public;
grant execute on function app_link_booking() to jetbridge_guest;

-- The holder of a link may do with the one booking what a traveller may do with theirs. Making one is the system's.
grant select, update (contact_email, contact_phone) on bookings to jetbridge_guest;
grant select, delete, insert (id, booking_id, position, kind, given_names, family_name, born_on, sex),
      update (kind, given_names, family_name, born_on, sex) on passengers to jetbridge_guest;
grant select on booking_events, attempts, refunds to jetbridge_guest;
create policy bookings_by_link on bookings to jetbridge_guest
    using (id = (select app_link_booking())) with check (id = (select app_link_booking()));
create policy passengers_by_link on passengers to jetbridge_guest
    using (booking_id = (select app_link_booking())) with check (booking_id = (select app_link_booking()));
create policy booking_events_by_link on booking_events for select to jetbridge_guest
    using (booking_id = (select app_link_booking()));
create policy attempts_by_link on attempts for select to jetbridge_guest
    using (booking_id = (select app_link_booking()));
create policy refunds_by_link on refunds for select to jetbridge_guest
    using (booking_id = (select app_link_booking()));

create function claimable_bookings() returns bigint
    language sql stable security definer set search_path = pg_catalog, public, auth
begin atomic
    select (select count(*) from bookings b where b.user_id is null and lower(b.contact_email) = lower(u.email::text))
      from auth.users u
     where u.id = app_user_id() and u.email_verified_at is not null and u.deleted_at is null;
end;
comment on function claimable_bookings is 'How many bookings without an account have the signed-in user''s proven address as contact. NULL: the address is not proven, and nothing is told of it.';
grant create on schema public to jetbridge_system;
alter function claimable_bookings() owner to jetbridge_system;
revoke create on schema public from jetbridge_system;
revoke all on function claimable_bookings() from public;
grant execute on function claimable_bookings() to jetbridge_traveller;
