-- What airlines change after the tickets were issued.

alter table bookings
    add column airline_change jsonb,
    add constraint bookings_airline_change_form check (airline_change is null or jsonb_typeof(airline_change) = 'object');
comment on column bookings.airline_change is 'What the airline has made of the flights since they were sold, as it was heard last: new times, or that they are not flown. The quote stays as it was accepted.';

create index bookings_flights_ahead on bookings (departs_at, id) where booking_status = 'confirmed';

-- The demo supplier's side of it.
alter table timetable.orders
    add column on_check text constraint orders_on_check_known check (on_check in ('rescheduled', 'cancelled'));
comment on column timetable.orders.on_check is 'What the airline makes of the flights, by the magic name of a passenger.';
