-- The demo supplier's own books: seats, holds and orders of invented airlines. It stands in for a company elsewhere, so
-- nothing here refers to our bookings table, and none of our principals but the system may look inside.

create schema timetable;
comment on schema timetable is 'Books of the embedded demo supplier.';
grant usage on schema timetable to jetbridge_system;

create table timetable.inventory (
    carrier    text not null constraint inventory_carrier_form check (carrier ~ '^[A-Z0-9]{2}$'),
    number     integer not null constraint inventory_number_form check (number between 1 and 9999),
    departs_on date not null,
    cabin      text not null constraint inventory_cabin_known check (cabin in ('economy', 'premium_economy', 'business', 'first')),
    capacity   integer not null constraint inventory_capacity_not_negative check (capacity >= 0),
    held       integer not null default 0 constraint inventory_held_not_negative check (held >= 0),
    sold       integer not null default 0 constraint inventory_sold_not_negative check (sold >= 0),
    primary key (carrier, number, departs_on, cabin),
    constraint inventory_never_oversold check (held + sold <= capacity)
);
comment on table timetable.inventory is 'Seats of a flight on a day in a cabin. A row is made when somebody first wants a seat; until then all of capacity is free.';
comment on column timetable.inventory.capacity is 'Seats for sale here; what the rest of the world bought is already taken off.';
comment on column timetable.inventory.departs_on is 'Date on the wall of the airport of departure.';

create table timetable.holds (
    booking_id uuid primary key,
    offer_id   text not null constraint holds_offer_id_length check (length(offer_id) between 1 and 400),
    seats      integer not null constraint holds_seats_form check (seats between 1 and 9),
    expires_at timestamptz not null,
    created_at timestamptz not null
);
comment on table timetable.holds is 'Live holds, one for each booking. A hold past its time is swept by whoever next wants its seats; until then it is counted out.';
create index holds_expires_at on timetable.holds (expires_at);

create table timetable.hold_lines (
    booking_id uuid not null references timetable.holds (booking_id) on delete cascade,
    carrier    text not null,
    number     integer not null,
    departs_on date not null,
    cabin      text not null,
    seats      integer not null constraint hold_lines_seats_form check (seats between 1 and 9),
    primary key (booking_id, carrier, number, departs_on, cabin),
    foreign key (carrier, number, departs_on, cabin) references timetable.inventory (carrier, number, departs_on, cabin)
);
comment on table timetable.hold_lines is 'The seats of a hold, flight by flight: together they are inventory.held.';
create index hold_lines_flight on timetable.hold_lines (carrier, number, departs_on, cabin);

create table timetable.orders (
    booking_id        uuid primary key,
    id                text not null constraint orders_id_unique unique constraint orders_id_form check (id ~ '^tt_[0-9a-f-]{36}$'),
    booking_reference text not null,
    pnr               text not null constraint orders_pnr_unique unique constraint orders_pnr_form check (pnr ~ '^[A-Z0-9]{6}$'),
    tickets           text[] not null constraint orders_tickets_some check (cardinality(tickets) between 1 and 9),
    total_minor       bigint not null constraint orders_total_positive check (total_minor > 0),
    currency          text not null constraint orders_currency_form check (currency ~ '^[A-Z]{3}$'),
    offer_id          text not null,
    created_at        timestamptz not null
);
comment on table timetable.orders is 'What was bought. One for each booking, whatever happens to the answer.';

create table timetable.order_lines (
    booking_id uuid not null references timetable.orders (booking_id),
    carrier    text not null,
    number     integer not null,
    departs_on date not null,
    cabin      text not null,
    seats      integer not null constraint order_lines_seats_form check (seats between 1 and 9),
    primary key (booking_id, carrier, number, departs_on, cabin),
    foreign key (carrier, number, departs_on, cabin) references timetable.inventory (carrier, number, departs_on, cabin)
);
comment on table timetable.order_lines is 'The seats of an order, flight by flight: together they are inventory.sold.';
create index order_lines_flight on timetable.order_lines (carrier, number, departs_on, cabin);

do $$
declare
    name text;
begin
    foreach name in array array['inventory', 'holds', 'hold_lines', 'orders', 'order_lines'] loop
        execute format('alter table timetable.%I enable row level security', name);
        execute format('alter table timetable.%I force row level security', name);
        execute format('grant select, insert, update, delete on timetable.%I to jetbridge_system', name);
        execute format('create policy %I on timetable.%I to jetbridge_system using (true) with check (true)', name || '_system', name);
    end loop;
end
$$;
