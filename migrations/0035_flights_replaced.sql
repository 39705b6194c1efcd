-- An airline may fly other flights than those that were sold, or fewer of them.

comment on column bookings.airline_change is 'What the airline has made of the flights since they were sold, as it was heard last: new times, other or fewer flights, or that none is flown. The quote stays as it was accepted.';

-- The demo supplier's side of it.
alter table timetable.orders drop constraint orders_on_check_known;
alter table timetable.orders
    add constraint orders_on_check_known check (on_check in ('rescheduled', 'last_dropped', 'cancelled'));
