-- Disputes, and Stripe's own books, to hold ours against.

create table disputes (
    id                uuid primary key,
    booking_id        uuid not null references bookings (id),
    attempt_id        uuid not null references attempts (id),
    stripe_dispute_id text not null constraint disputes_stripe_dispute_unique unique
                      constraint disputes_stripe_dispute_form check (stripe_dispute_id ~ '^(dp|du|pdp)_[A-Za-z0-9_]{1,200}$'),
    state             text not null default 'needs_response' constraint disputes_state_known
                      check (state in ('needs_response', 'under_review', 'won', 'lost')),
    is_inquiry        boolean not null,
    amount_minor      bigint not null constraint disputes_amount_positive check (amount_minor > 0),
    currency          text not null constraint disputes_currency_form check (currency ~ '^[A-Z]{3}$'),
    reason            text not null constraint disputes_reason_form check (reason ~ '^[a-z0-9_]{1,60}$'),
    answer_by         timestamptz,
    opened_at         timestamptz not null,
    closed_at         timestamptz,
    updated_at        timestamptz not null default now(),
    constraint disputes_closed check ((state in ('won', 'lost')) = (closed_at is not null))
);
comment on table disputes is 'Payments that a traveller''s bank takes back, or asks about. Stripe''s word, kept for the ledger and for whoever answers.';
comment on column disputes.is_inquiry is 'Only asked about so far: no money has been taken back.';
comment on column disputes.answer_by is 'Evidence must be with Stripe by then; without it the dispute is lost. NULL: there is nothing to answer any more.';
create index disputes_booking_id on disputes (booking_id, opened_at);
create index disputes_attempt_id on disputes (attempt_id);

insert into booking_transitions (machine, from_state, to_state) values
    ('dispute', 'needs_response', 'under_review'),
    ('dispute', 'needs_response', 'won'),
    ('dispute', 'needs_response', 'lost'),
    ('dispute', 'under_review', 'won'),
    ('dispute', 'under_review', 'lost');
create trigger disputes_guard before update of state on disputes
    for each row execute function guard_transition('dispute', 'state');
create trigger disputes_touch before update on disputes for each row execute function touch_updated_at();

alter table disputes enable row level security;
alter table disputes force row level security;
grant select on disputes to jetbridge_staff;
grant select, insert, update on disputes to jetbridge_system;
create policy disputes_staff on disputes for select to jetbridge_staff using (true);
create policy disputes_system on disputes to jetbridge_system using (true) with check (true);

create table stripe_movements (
    id             text primary key constraint stripe_movements_id_form check (id ~ '^txn_[A-Za-z0-9_]{1,100}$'),
    kind           text not null constraint stripe_movements_kind_form check (kind ~ '^[a-z_]{1,60}$'),
    source         text constraint stripe_movements_source_length check (length(source) between 1 and 200),
    payment_intent text constraint stripe_movements_payment_intent_length check (length(payment_intent) between 1 and 200),
    attempt_id     uuid references attempts (id),
    amount_minor   bigint not null,
    currency       text not null constraint stripe_movements_currency_form check (currency ~ '^[A-Z]{3}$'),
    fee_minor      bigint not null,
    fee_currency   text not null constraint stripe_movements_fee_currency_form check (fee_currency ~ '^[A-Z]{3}$'),
    moved_at       timestamptz not null,
    taken_in_at    timestamptz not null
);
comment on table stripe_movements is 'Stripe''s balance transactions: what really came in and went out. The nightly reconciliation holds the ledger against them.';
comment on column stripe_movements.source is 'The charge, refund or dispute that moved it, by Stripe''s name.';
comment on column stripe_movements.attempt_id is 'The attempt whose payment it is, if it is one of ours.';
comment on column stripe_movements.amount_minor is 'In the currency that the traveller paid in; negative where it went out. Without the fee.';
comment on column stripe_movements.fee_minor is 'What Stripe took for it, in the currency that it settles in.';
create index stripe_movements_attempt_id on stripe_movements (attempt_id);
create index stripe_movements_moved_at on stripe_movements (moved_at);

alter table stripe_movements enable row level security;
alter table stripe_movements force row level security;
grant select on stripe_movements to jetbridge_staff;
grant select, insert, update (attempt_id) on stripe_movements to jetbridge_system;
create policy stripe_movements_staff on stripe_movements for select to jetbridge_staff using (true);
create policy stripe_movements_system on stripe_movements to jetbridge_system using (true) with check (true);

create table stripe_readings (
    what       text primary key constraint stripe_readings_what_known check (what in ('events', 'movements')),
    seen_until timestamptz not null,
    read_at    timestamptz not null
);
comment on table stripe_readings is 'How far Stripe''s lists have been read, by Stripe''s clock.';
comment on column stripe_readings.seen_until is 'Everything that Stripe made before this is in our rows.';
comment on column stripe_readings.read_at is 'When somebody last began to read, by our clock: of several processes one reads.';

alter table stripe_readings enable row level security;
alter table stripe_readings force row level security;
grant select on stripe_readings to jetbridge_staff;
grant select, insert, update on stripe_readings to jetbridge_system;
create policy stripe_readings_staff on stripe_readings for select to jetbridge_staff using (true);
create policy stripe_readings_system on stripe_readings to jetbridge_system using (true) with check (true);
