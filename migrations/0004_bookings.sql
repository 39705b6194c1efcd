-- Bookings, their passengers, and what happened to them.

create table bookings (
    id                uuid primary key,
    booking_reference text not null constraint bookings_booking_reference_unique unique
                      constraint bookings_booking_reference_form check (booking_reference ~ '^[ACDEFGHJKMNPQRTWXY34679]{6}$'),
    user_id           uuid references auth.users (id),
    booking_status    text not null default 'draft' constraint bookings_booking_status_known
                      check (booking_status in ('draft', 'held', 'ticketing', 'confirmed', 'cancelling', 'cancelled', 'expired', 'failed')),
    supplier_status   text not null default 'none' constraint bookings_supplier_status_known
                      check (supplier_status in ('none', 'ordering', 'order_unknown', 'ordered', 'refused', 'cancelling', 'cancelled', 'changed_by_airline')),
    quote             jsonb not null constraint bookings_quote_form check (jsonb_typeof(quote) = 'object'),
    quote_hash        text not null constraint bookings_quote_hash_form check (quote_hash ~ '^[0-9a-f]{64}$'),
    amount_minor      bigint not null constraint bookings_amount_positive check (amount_minor > 0),
    currency          text not null constraint bookings_currency_form check (currency ~ '^[A-Z]{3}$'),
    origin            text not null constraint bookings_origin_form check (origin ~ '^[A-Z]{3}$'),
    destination       text not null constraint bookings_destination_form check (destination ~ '^[A-Z]{3}$'),
    departs_at        timestamptz not null,
    contact_email     text constraint bookings_contact_email_form check (length(contact_email) between 3 and 254 and contact_email ~ '^[^@\s]+@[^@\s]+$'),
    contact_phone     text constraint bookings_contact_phone_form check (contact_phone ~ '^\+?[0-9 ()./-]{4,30}$'),
    hold_id           text constraint bookings_hold_id_length check (length(hold_id) between 1 and 200),
    hold_expires_at   timestamptz,
    supplier          text not null constraint bookings_supplier_form check (supplier ~ '^[a-z_]{1,32}$'),
    supplier_total_minor bigint constraint bookings_supplier_total_positive check (supplier_total_minor > 0),
    supplier_order_id text constraint bookings_supplier_order_unique unique constraint bookings_supplier_order_id_length check (length(supplier_order_id) between 1 and 200),
    pnr               text constraint bookings_pnr_form check (pnr ~ '^[A-Z0-9]{5,8}$'),
    raised_from_minor bigint constraint bookings_raised_from_lower check (raised_from_minor > 0 and raised_from_minor < amount_minor),
    terms_accepted_at timestamptz,
    confirmed_at      timestamptz,
    ended_reason      text constraint bookings_ended_reason_form check (ended_reason ~ '^[a-z_]{1,40}$'),
    created_at        timestamptz not null default now(),
    updated_at        timestamptz not null default now(),
    constraint bookings_hold_is_whole check ((hold_id is null) = (hold_expires_at is null)),
    constraint bookings_held_has_hold check (booking_status <> 'held' or hold_id is not null),
    constraint bookings_confirmed_has_order check (
        booking_status <> 'confirmed' or (supplier_order_id is not null and pnr is not null and confirmed_at is not null)),
    constraint bookings_confirmed_is_ordered check (
        booking_status <> 'confirmed' or supplier_status in ('ordered', 'changed_by_airline'))
);
comment on table bookings is 'One itinerary for one party, from the first choice to the end. Never deleted: cancelling is a state.';
comment on column bookings.user_id is 'The traveller it belongs to. NULL is reserved for guests.';
comment on column bookings.quote is 'The whole offer as the traveller saw it: flights, fare, conditions, price lines.';
comment on column bookings.quote_hash is 'SHA-256 of what is accepted in the quote. Payment counts only for this hash.';
comment on column bookings.amount_minor is 'Total of the quote in minor units; nothing above it is ever charged.';
comment on column bookings.hold_expires_at is 'Until when the supplier keeps the seats.';
comment on column bookings.supplier_total_minor is 'What the supplier takes for the tickets; the rest of the amount is ours.';
comment on column bookings.pnr is 'The airline''s record locator; ours is booking_reference.';
comment on column bookings.raised_from_minor is 'The total before the price went up, while the traveller has not yet accepted the higher one.';
comment on column bookings.terms_accepted_at is 'When the traveller pressed pay on this quote.';
comment on column bookings.ended_reason is 'Why it is cancelled, expired or failed, as a code.';

create index bookings_user_id on bookings (user_id, created_at desc, id desc);
create index bookings_booking_status on bookings (booking_status, created_at desc, id desc);
create index bookings_created_at on bookings (created_at desc, id desc);
-- Staff search by the beginning of an address; the operator class serves LIKE in every locale.
create index bookings_contact_email on bookings (lower(contact_email) text_pattern_ops);
create index bookings_hold_expires_at on bookings (hold_expires_at) where booking_status = 'held';

create table booking_transitions (
    machine    text not null,
    from_state text not null,
    to_state   text not null,
    primary key (machine, from_state, to_state)
);
comment on table booking_transitions is 'Every move that the four machines know. The guard triggers refuse all others; a test keeps it equal to lifecycle.rs.';
alter table booking_transitions enable row level security;
alter table booking_transitions force row level security;
-- Triggers run as whoever writes, so each role that may write reads this list.
grant select on booking_transitions to jetbridge_traveller, jetbridge_staff, jetbridge_system;
create policy booking_transitions_read on booking_transitions for select to jetbridge_traveller, jetbridge_staff, jetbridge_system using (true);
-- The list is written by migrations only. Their login need not be a superuser, and as owner it is held to policies as well.
create policy booking_transitions_owner on booking_transitions to current_user using (true) with check (true);
insert into booking_transitions (machine, from_state, to_state) values
    ('booking', 'draft', 'held'),
    ('booking', 'draft', 'cancelled'),
    ('booking', 'draft', 'expired'),
    ('booking', 'held', 'ticketing'),
    ('booking', 'held', 'cancelled'),
    ('booking', 'held', 'expired'),
    ('booking', 'expired', 'ticketing'),
    ('booking', 'ticketing', 'confirmed'),
    ('booking', 'ticketing', 'failed'),
    ('booking', 'confirmed', 'cancelling'),
    ('booking', 'cancelling', 'cancelled'),
    ('booking', 'cancelling', 'confirmed'),
    ('supplier', 'none', 'ordering'),
    ('supplier', 'none', 'refused'),
    ('supplier', 'ordering', 'order_unknown'),
    ('supplier', 'ordering', 'ordered'),
    ('supplier', 'ordering', 'refused'),
    ('supplier', 'order_unknown', 'ordering'),
    ('supplier', 'order_unknown', 'ordered'),
    ('supplier', 'order_unknown', 'refused'),
    ('supplier', 'ordered', 'cancelling'),
    ('supplier', 'ordered', 'changed_by_airline'),
    ('supplier', 'cancelling', 'cancelled'),
    ('supplier', 'cancelling', 'ordered'),
    ('supplier', 'changed_by_airline', 'cancelling');

create function guard_transition() returns trigger
    language plpgsql
as $$
declare
    this_machine text := tg_argv[0];
    old_state text := to_jsonb(old) ->> tg_argv[1];
    new_state text := to_jsonb(new) ->> tg_argv[1];
begin
    if old_state = new_state then
        return new;
    end if;
    if not exists (
        select from public.booking_transitions t
         where t.machine = this_machine and t.from_state = old_state and t.to_state = new_state
    ) then
        raise exception '% cannot go from % to %', this_machine, old_state, new_state
            using errcode = 'check_violation', constraint = tg_table_name || '_' || this_machine || '_transition';
    end if;
    return new;
end
$$;
comment on function guard_transition is 'Trigger (machine, column): refuses a move that booking_transitions does not list.';

create trigger bookings_guard_booking before update of booking_status on bookings
    for each row execute function guard_transition('booking', 'booking_status');
create trigger bookings_guard_supplier before update of supplier_status on bookings
    for each row execute function guard_transition('supplier', 'supplier_status');
create trigger bookings_touch before update on bookings for each row execute function touch_updated_at();

alter table bookings enable row level security;
alter table bookings force row level security;
-- A traveller makes drafts and mends the contact. Status, amount and quote afterwards belong to the system alone.
grant select on bookings to jetbridge_traveller, jetbridge_staff;
grant insert (id, booking_reference, user_id, quote, quote_hash, amount_minor, currency, origin, destination, departs_at, supplier, created_at)
    on bookings to jetbridge_traveller;
grant update (contact_email, contact_phone) on bookings to jetbridge_traveller;
grant select, insert, update on bookings to jetbridge_system;
create policy bookings_own on bookings to jetbridge_traveller
    using (user_id = app_user_id()) with check (user_id = app_user_id());
create policy bookings_staff on bookings for select to jetbridge_staff using (true);
create policy bookings_system on bookings to jetbridge_system using (true) with check (true);

create table passengers (
    id            uuid primary key,
    booking_id    uuid not null references bookings (id),
    position      smallint not null constraint passengers_position_range check (position between 1 and 9),
    kind          text not null constraint passengers_kind_known check (kind in ('adult', 'child', 'infant')),
    given_names   text not null constraint passengers_given_names_length check (length(given_names) between 1 and 100),
    family_name   text not null constraint passengers_family_name_length check (length(family_name) between 1 and 100),
    born_on       date not null constraint passengers_born_on_range check (born_on between '1900-01-01' and '2100-01-01'),
    sex           text not null constraint passengers_sex_known check (sex in ('f', 'm', 'x')),
    ticket_number text constraint passengers_ticket_number_form check (ticket_number ~ '^[0-9]{13}$'),
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now(),
    constraint passengers_position_once unique (booking_id, position)
);
comment on table passengers is 'Who flies, as on the passport.';
comment on column passengers.ticket_number is 'E-ticket number, once the airline has issued it.';

create trigger passengers_touch before update on passengers for each row execute function touch_updated_at();

create function guard_passengers() returns trigger
    language plpgsql
as $$
declare
    status text;
begin
    if current_user = 'jetbridge_system' then
        return coalesce(new, old);
    end if;
    select b.booking_status into status from public.bookings b where b.id = coalesce(new.booking_id, old.booking_id);
    if status is distinct from 'draft' and status is distinct from 'held' then
        raise exception 'passengers of a % booking are fixed', status
            using errcode = 'check_violation', constraint = 'passengers_fixed';
    end if;
    return coalesce(new, old);
end
$$;
comment on function guard_passengers is 'Trigger: once money is on its way, names are what was sent to the airline.';
create trigger passengers_guard before insert or update or delete on passengers
    for each row execute function guard_passengers();

alter table passengers enable row level security;
alter table passengers force row level security;
grant select, delete on passengers to jetbridge_traveller;
grant insert (id, booking_id, position, kind, given_names, family_name, born_on, sex),
      update (kind, given_names, family_name, born_on, sex) on passengers to jetbridge_traveller;
grant select on passengers to jetbridge_staff;
grant select, insert, update, delete on passengers to jetbridge_system;
-- The booking's own policy decides: the subquery sees only the traveller's bookings.
create policy passengers_own on passengers to jetbridge_traveller
    using (booking_id in (select b.id from bookings b where b.user_id = app_user_id()))
    with check (booking_id in (select b.id from bookings b where b.user_id = app_user_id()));
create policy passengers_staff on passengers for select to jetbridge_staff using (true);
create policy passengers_system on passengers to jetbridge_system using (true) with check (true);

create table booking_events (
    id         bigint generated always as identity primary key,
    booking_id uuid not null references bookings (id),
    at         timestamptz not null default now(),
    kind       text not null constraint booking_events_kind_form check (kind ~ '^[a-z_]{1,60}$'),
    actor      text not null constraint booking_events_actor_known check (actor in ('traveller', 'staff', 'system', 'stripe', 'supplier')),
    actor_id   uuid,
    data       jsonb not null default '{}' constraint booking_events_data_form check (jsonb_typeof(data) = 'object')
);
comment on table booking_events is 'What happened to a booking, oldest first; append-only. The traveller''s timeline is drawn from it.';
comment on column booking_events.data is 'Facts in ids, codes and amounts; never names or addresses.';

create index booking_events_booking_id on booking_events (booking_id, id);
create trigger booking_events_append_only before update or delete on booking_events
    for each row execute function refuse_change();
create trigger booking_events_no_truncate before truncate on booking_events
    for each statement execute function refuse_change();

alter table booking_events enable row level security;
alter table booking_events force row level security;
grant select on booking_events to jetbridge_traveller, jetbridge_staff;
grant select, insert on booking_events to jetbridge_system;
create policy booking_events_own on booking_events for select to jetbridge_traveller
    using (booking_id in (select b.id from bookings b where b.user_id = app_user_id()));
create policy booking_events_staff on booking_events for select to jetbridge_staff using (true);
create policy booking_events_system on booking_events to jetbridge_system using (true) with check (true);
