-- Passports: sealed by the application before they come here, gone when they are no longer needed.

-- A document names passenger and booking; together they have to be a pair that exists.
alter table passengers add constraint passengers_id_in_booking unique (id, booking_id);

create table travel_documents (
    passenger_id uuid primary key,
    booking_id   uuid not null,
    sealed       bytea not null constraint travel_documents_sealed_length check (length(sealed) between 40 and 120),
    sealed_with  text not null generated always as (encode(substring(sealed from 2 for get_byte(sealed, 0)), 'escape')) stored,
    last_two     text not null constraint travel_documents_last_two_form check (last_two ~ '^[A-Z0-9]{2}$'),
    country      text not null constraint travel_documents_country_form check (country ~ '^[A-Z]{2}$'),
    expires_on   date not null constraint travel_documents_expires_on_range check (expires_on between '2000-01-01' and '2200-01-01'),
    travel_ends  date not null,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    constraint travel_documents_of_passenger foreign key (passenger_id, booking_id)
        references passengers (id, booking_id) on delete cascade
);
comment on table travel_documents is 'Passports of passengers, where the airline asks for them. Deleted some days after travel, and at once when a booking ends without a ticket.';
comment on column travel_documents.sealed is 'The number, encrypted by the application and bound to the passenger''s id. Nothing here opens it.';
comment on column travel_documents.sealed_with is 'Name of the key that sealed it, from ENCRYPTION_KEYS: shows what is left of an old key.';
comment on column travel_documents.last_two is 'The end of the number: what owner and staff see of it.';
comment on column travel_documents.country is 'Who issued it, ISO 3166-1 alpha-2.';
comment on column travel_documents.travel_ends is 'Last day of the journey, from which the days until deletion count.';

create index travel_documents_booking_id on travel_documents (booking_id);
create index travel_documents_travel_ends on travel_documents (travel_ends);
create index travel_documents_sealed_with on travel_documents (sealed_with);
create trigger travel_documents_touch before update on travel_documents for each row execute function touch_updated_at();
-- As names: once money is on its way, documents are what is sent to the airline.
create trigger travel_documents_guard before insert or update or delete on travel_documents
    for each row execute function guard_passengers();

alter table travel_documents enable row level security;
alter table travel_documents force row level security;
-- Who writes a number may not read it back, not even sealed.
grant select (passenger_id, booking_id, last_two, country, expires_on, travel_ends, created_at), delete,
      insert (passenger_id, booking_id, sealed, last_two, country, expires_on, travel_ends, created_at),
      update (sealed, last_two, country, expires_on, travel_ends)
    on travel_documents to jetbridge_traveller, jetbridge_guest;
grant select (passenger_id, booking_id, sealed_with, last_two, country, expires_on, travel_ends, created_at)
    on travel_documents to jetbridge_staff;
grant select, insert, update, delete on travel_documents to jetbridge_system;
create policy travel_documents_own on travel_documents to jetbridge_traveller
    using (booking_id in (select b.id from bookings b where b.user_id = app_user_id()))
    with check (booking_id in (select b.id from bookings b where b.user_id = app_user_id()));
create policy travel_documents_by_link on travel_documents to jetbridge_guest
    using (booking_id = (select app_link_booking())) with check (booking_id = (select app_link_booking()));
create policy travel_documents_staff on travel_documents for select to jetbridge_staff using (true);
create policy travel_documents_system on travel_documents to jetbridge_system using (true) with check (true);

-- Nobody of the agency sees a number without leaving a trace: the sealed bytes leave this table only for a transaction that
-- has written so into the audit log, under the name of whoever asks.
create function reveal_documents(wanted uuid) returns table (passenger_id uuid, sealed bytea)
    language sql stable security definer set search_path = pg_catalog, public
begin atomic
    select d.passenger_id, d.sealed
      from travel_documents d join passengers p on p.id = d.passenger_id
     where d.booking_id = wanted
       and exists (select from audit_log a
                    where a.action = 'document_revealed' and a.booking_id = wanted
                      and a.subject = d.passenger_id::text and a.actor_id = app_user_id()
                      and a.xmin = pg_current_xact_id()::xid)
     order by p.position;
end;
comment on function reveal_documents is 'Sealed passports of a booking, those only whose audit row the present transaction has written. Callable by Staff.';
grant create on schema public to jetbridge_system;
alter function reveal_documents(uuid) owner to jetbridge_system;
revoke create on schema public from jetbridge_system;
revoke all on function reveal_documents(uuid) from public;
grant execute on function reveal_documents(uuid) to jetbridge_staff;
