-- Duffel, the real supplier: what we have asked of it, written down before it is asked, and the inbox of its events.

create table duffel_orders (
    booking_id uuid primary key references bookings (id),
    offer_id   text not null constraint duffel_orders_offer_id_form check (offer_id ~ '^off_[A-Za-z0-9_]{1,60}$'),
    order_id   text constraint duffel_orders_order_id_unique unique
               constraint duffel_orders_order_id_form check (order_id ~ '^[a-z]{3}_[A-Za-z0-9_]{1,60}$'),
    state      text not null constraint duffel_orders_state_known check (state in
               ('holding', 'held', 'released', 'asked', 'accepted', 'broken', 'made', 'refused')),
    detail     text not null default '' constraint duffel_orders_detail_length check (length(detail) <= 600),
    asked_at   timestamptz not null,
    changed_at timestamptz not null,
    constraint duffel_orders_made_is_named check (state not in ('held', 'made') or order_id is not null)
);
comment on table duffel_orders is 'What was asked of Duffel for a booking. Written before each call that makes something there, so that whoever finds a lost answer knows that there may be an order.';
comment on column duffel_orders.offer_id is 'The offer that the order was asked for: Duffel finds orders by it.';
comment on column duffel_orders.state is 'holding: space was asked for; held: an order without payment keeps it; asked: tickets were asked for; accepted: Duffel answered 202 and tells by an event what became of it; broken: Duffel answered 500 or 502 and forbids asking again.';
comment on column duffel_orders.detail is 'Duffel''s own words and the request by which its support finds them. Nothing personal.';
comment on column duffel_orders.asked_at is 'When the call that this state is about was made.';

alter table duffel_orders enable row level security;
alter table duffel_orders force row level security;
grant select, insert, update, delete on duffel_orders to jetbridge_system;
create policy duffel_orders_system on duffel_orders to jetbridge_system using (true) with check (true);

create table supplier_events (
    id          text primary key constraint supplier_events_id_form check (id ~ '^wev_[A-Za-z0-9_]{1,200}$'),
    kind        text not null constraint supplier_events_kind_length check (length(kind) between 1 and 120),
    order_id    text constraint supplier_events_order_id_length check (length(order_id) between 1 and 200),
    names_booking uuid,
    booking_id  uuid references bookings (id),
    received_at timestamptz not null,
    settled_at  timestamptz not null
);
comment on table supplier_events is 'Inbox: every verified event of the supplier lands here in the transaction that acts on it, once, under the supplier''s own id. Only what it points at is kept: facts are asked for.';
comment on column supplier_events.names_booking is 'The booking that the event''s object names in its metadata; it need not be ours.';
comment on column supplier_events.booking_id is 'The booking that it turned out to concern. None: it is about nothing of ours, or nothing that we act on.';
create index supplier_events_booking_id on supplier_events (booking_id);

alter table supplier_events enable row level security;
alter table supplier_events force row level security;
grant select on supplier_events to jetbridge_staff;
grant select, insert on supplier_events to jetbridge_system;
create policy supplier_events_staff on supplier_events for select to jetbridge_staff using (true);
create policy supplier_events_system on supplier_events to jetbridge_system using (true) with check (true);
