-- Outgoing webhooks: what the agency's own systems are told, where it goes, and how each delivery went.

create table hook_endpoints (
    id               uuid primary key,
    url              text not null constraint hook_endpoints_url_form check (length(url) between 10 and 500 and url ~ '^https?://[^\s#]+$'),
    note             text not null default '' constraint hook_endpoints_note_length check (length(note) <= 100),
    state            text not null default 'active' constraint hook_endpoints_state_known check (state in ('active', 'paused')),
    paused_for       text constraint hook_endpoints_paused_for_known check (paused_for in ('by_hand', 'failing', 'gone')),
    secret           bytea not null constraint hook_endpoints_secret_sealed check (length(secret) between 40 and 200),
    old_secret       bytea constraint hook_endpoints_old_secret_sealed check (length(old_secret) between 40 and 200),
    old_secret_until timestamptz,
    failures         integer not null default 0 constraint hook_endpoints_failures_positive check (failures >= 0),
    failing_since    timestamptz,
    succeeded_at     timestamptz,
    rest_until       timestamptz,
    created_at       timestamptz not null,
    created_by       uuid not null references auth.users (id),
    constraint hook_endpoints_paused_for_a_reason check ((state = 'paused') = (paused_for is not null)),
    constraint hook_endpoints_old_secret_ends check ((old_secret is null) = (old_secret_until is null)),
    constraint hook_endpoints_failing_together check ((failures > 0) = (failing_since is not null))
);
comment on table hook_endpoints is 'Addresses of the agency''s own systems that are told what happens to bookings and money.';
comment on column hook_endpoints.url is 'May hold a secret of the receiver in its path or query: staff who manage it see it, logs never do.';
comment on column hook_endpoints.paused_for is 'Why nothing is sent: somebody paused it, nothing arrived for three days, or it answered 410.';
comment on column hook_endpoints.secret is 'Signs what is sent. Sealed by the agency''s keys for this endpoint: a copy of the row forges nothing.';
comment on column hook_endpoints.old_secret is 'The secret before the last rotation, which signs as well until old_secret_until.';
comment on column hook_endpoints.failures is 'Tries without an answer of 2xx since the last one with.';
comment on column hook_endpoints.rest_until is 'Nothing is sent before this: a worker is at it, or the last try failed.';
create index hook_endpoints_created_by on hook_endpoints (created_by);

alter table hook_endpoints enable row level security;
alter table hook_endpoints force row level security;
grant select (id, url, note, state, paused_for, old_secret_until, failures, failing_since, succeeded_at, created_at, created_by)
    on hook_endpoints to jetbridge_staff;
grant select, insert, update, delete on hook_endpoints to jetbridge_system;
create policy hook_endpoints_staff on hook_endpoints for select to jetbridge_staff using (true);
create policy hook_endpoints_system on hook_endpoints to jetbridge_system using (true) with check (true);

create table hook_events (
    id          uuid primary key,
    kind        text not null constraint hook_events_kind_form check (kind ~ '^[a-z]{1,20}(\.[a-z]{1,20})?$'),
    once_key    text not null constraint hook_events_once_key_unique unique constraint hook_events_once_key_length check (length(once_key) between 3 and 200),
    booking_id  uuid references bookings (id),
    data        jsonb not null,
    happened_at timestamptz not null
);
comment on table hook_events is 'What the agency''s systems are told, written in the transaction of the fact itself. No names, addresses or documents of people.';
comment on column hook_events.once_key is 'Kind and cause: the same fact is told once.';
comment on column hook_events.data is 'As it stood when it happened; a later try sends the same.';
create index hook_events_booking_id on hook_events (booking_id);
create index hook_events_happened_at on hook_events (happened_at);

alter table hook_events enable row level security;
alter table hook_events force row level security;
grant select on hook_events to jetbridge_staff;
grant select, insert, delete on hook_events to jetbridge_system;
create policy hook_events_staff on hook_events for select to jetbridge_staff using (true);
create policy hook_events_system on hook_events to jetbridge_system using (true) with check (true);

create table hook_deliveries (
    id          uuid primary key,
    endpoint_id uuid not null references hook_endpoints (id) on delete cascade,
    event_id    uuid not null references hook_events (id),
    state       text not null constraint hook_deliveries_state_known check (state in ('queued', 'delivered', 'dead', 'held')),
    tries       integer not null default 0 constraint hook_deliveries_tries_positive check (tries >= 0),
    created_at  timestamptz not null,
    queued_at   timestamptz not null,
    due_at      timestamptz,
    finished_at timestamptz,
    constraint hook_deliveries_once unique (endpoint_id, event_id),
    constraint hook_deliveries_due check ((state = 'queued') = (due_at is not null)),
    constraint hook_deliveries_finished check ((state in ('delivered', 'dead')) = (finished_at is not null))
);
comment on table hook_deliveries is 'One event on its way to one endpoint.';
comment on column hook_deliveries.state is 'held: its endpoint is paused, and it goes nowhere until staff replay it.';
comment on column hook_deliveries.tries is 'Since it was queued last.';
comment on column hook_deliveries.queued_at is 'When it began to be tried: at first, or when staff replayed it. It is tried for three days from here.';
create index hook_deliveries_due on hook_deliveries (endpoint_id, due_at, id) where state = 'queued';
create index hook_deliveries_event_id on hook_deliveries (event_id);
create index hook_deliveries_newest on hook_deliveries (endpoint_id, created_at desc, id desc);

alter table hook_deliveries enable row level security;
alter table hook_deliveries force row level security;
grant select on hook_deliveries to jetbridge_staff;
grant select, insert, update, delete on hook_deliveries to jetbridge_system;
create policy hook_deliveries_staff on hook_deliveries for select to jetbridge_staff using (true);
create policy hook_deliveries_system on hook_deliveries to jetbridge_system using (true) with check (true);

create table hook_tries (
    id          bigint generated always as identity primary key,
    delivery_id uuid not null references hook_deliveries (id) on delete cascade,
    begun_at    timestamptz not null,
    status_code smallint constraint hook_tries_status_code_range check (status_code between 100 and 999),
    took_ms     integer constraint hook_tries_took_positive check (took_ms >= 0),
    error       text constraint hook_tries_error_length check (length(error) <= 300)
);
comment on table hook_tries is 'How each try of a delivery went. Without a status, a time and an error: the process ended in the middle of it, or it is under way.';
comment on column hook_tries.error is 'In our words. Nothing that the receiver says is kept.';
create index hook_tries_delivery_id on hook_tries (delivery_id, id);

alter table hook_tries enable row level security;
alter table hook_tries force row level security;
grant select on hook_tries to jetbridge_staff;
grant select, insert, update, delete on hook_tries to jetbridge_system;
create policy hook_tries_staff on hook_tries for select to jetbridge_staff using (true);
create policy hook_tries_system on hook_tries to jetbridge_system using (true) with check (true);
