-- Money: attempts to pay, refunds, the ledger, and the inbox of Stripe's events.

create table attempts (
    id                  uuid primary key,
    booking_id          uuid not null references bookings (id),
    state               text not null default 'creating' constraint attempts_state_known
                        check (state in ('creating', 'create_unknown', 'open', 'processing', 'authorised', 'captured',
                                         'failed', 'expired', 'released', 'superseded')),
    amount_minor        bigint not null constraint attempts_amount_positive check (amount_minor > 0),
    currency            text not null constraint attempts_currency_form check (currency ~ '^[A-Z]{3}$'),
    quote_hash          text not null constraint attempts_quote_hash_form check (quote_hash ~ '^[0-9a-f]{64}$'),
    livemode            boolean not null,
    try_epoch           integer not null default 1 constraint attempts_try_epoch_positive check (try_epoch > 0),
    checkout_session_id text constraint attempts_checkout_session_unique unique
                        constraint attempts_checkout_session_form check (checkout_session_id ~ '^cs_[A-Za-z0-9_]{1,200}$'),
    payment_intent_id   text constraint attempts_payment_intent_unique unique
                        constraint attempts_payment_intent_form check (payment_intent_id ~ '^pi_[A-Za-z0-9_]{1,200}$'),
    checkout_url        text constraint attempts_checkout_url_length check (length(checkout_url) <= 2000),
    session_expires_at  timestamptz not null,
    card_brand          text constraint attempts_card_brand_form check (card_brand ~ '^[a-z_]{1,30}$'),
    card_last4          text constraint attempts_card_last4_form check (card_last4 ~ '^[0-9]{4}$'),
    failure_code        text constraint attempts_failure_code_form check (failure_code ~ '^[a-z0-9_]{1,80}$'),
    captured_minor      bigint not null default 0 constraint attempts_captured_range check (captured_minor between 0 and amount_minor),
    quarantined         text constraint attempts_quarantined_form check (quarantined ~ '^[a-z_]{1,40}$'),
    created_at          timestamptz not null default now(),
    updated_at          timestamptz not null default now(),
    constraint attempts_captured_has_money check ((state = 'captured') = (captured_minor > 0)),
    constraint attempts_open_has_session check (state in ('creating', 'create_unknown', 'failed', 'superseded', 'expired') or checkout_session_id is not null)
);
comment on table attempts is 'One CheckoutSession of a booking; a booking may have many.';
comment on column attempts.quote_hash is 'What the traveller accepted when this session was opened.';
comment on column attempts.try_epoch is 'Part of the idempotency key: the same epoch always asks Stripe the same question.';
comment on column attempts.captured_minor is 'What was really taken; at most what was accepted.';
comment on column attempts.quarantined is 'Why Stripe''s facts do not fit this attempt. Such money is fulfilled by nobody but a person.';

alter table bookings add column secured_by uuid constraint bookings_secured_by_unique unique
    constraint bookings_secured_by_fkey references attempts (id);
alter table bookings add constraint bookings_paid_states_are_secured
    check (booking_status not in ('ticketing', 'confirmed', 'cancelling') or secured_by is not null);
comment on column bookings.secured_by is 'The attempt whose money this booking lives on. Money of any other attempt goes back.';

create index attempts_booking_id on attempts (booking_id, created_at);

insert into booking_transitions (machine, from_state, to_state) values
    ('attempt', 'creating', 'create_unknown'),
    ('attempt', 'creating', 'open'),
    ('attempt', 'creating', 'failed'),
    ('attempt', 'creating', 'processing'),
    ('attempt', 'creating', 'authorised'),
    ('attempt', 'creating', 'captured'),
    ('attempt', 'creating', 'expired'),
    ('attempt', 'creating', 'superseded'),
    ('attempt', 'creating', 'released'),
    ('attempt', 'create_unknown', 'open'),
    ('attempt', 'create_unknown', 'failed'),
    ('attempt', 'create_unknown', 'processing'),
    ('attempt', 'create_unknown', 'authorised'),
    ('attempt', 'create_unknown', 'captured'),
    ('attempt', 'create_unknown', 'expired'),
    ('attempt', 'create_unknown', 'superseded'),
    ('attempt', 'create_unknown', 'released'),
    ('attempt', 'open', 'processing'),
    ('attempt', 'open', 'authorised'),
    ('attempt', 'open', 'captured'),
    ('attempt', 'open', 'expired'),
    ('attempt', 'open', 'released'),
    ('attempt', 'processing', 'open'),
    ('attempt', 'processing', 'authorised'),
    ('attempt', 'processing', 'captured'),
    ('attempt', 'processing', 'failed'),
    ('attempt', 'processing', 'expired'),
    ('attempt', 'processing', 'released'),
    ('attempt', 'authorised', 'captured'),
    ('attempt', 'authorised', 'released'),
    ('attempt', 'expired', 'authorised'),
    ('attempt', 'expired', 'captured'),
    ('attempt', 'expired', 'released'),
    ('attempt', 'superseded', 'authorised'),
    ('attempt', 'superseded', 'captured'),
    ('attempt', 'superseded', 'released');

create trigger attempts_guard before update of state on attempts
    for each row execute function guard_transition('attempt', 'state');
create trigger attempts_touch before update on attempts for each row execute function touch_updated_at();

alter table attempts enable row level security;
alter table attempts force row level security;
grant select on attempts to jetbridge_traveller, jetbridge_staff;
grant select, insert, update on attempts to jetbridge_system;
create policy attempts_own on attempts for select to jetbridge_traveller
    using (booking_id in (select b.id from bookings b where b.user_id = app_user_id()));
create policy attempts_staff on attempts for select to jetbridge_staff using (true);
create policy attempts_system on attempts to jetbridge_system using (true) with check (true);

create table refunds (
    id               uuid primary key,
    booking_id       uuid not null references bookings (id),
    attempt_id       uuid not null references attempts (id),
    state            text not null default 'requested' constraint refunds_state_known
                     check (state in ('requested', 'submitted', 'submit_unknown', 'pending', 'succeeded', 'failed')),
    amount_minor     bigint not null constraint refunds_amount_positive check (amount_minor > 0),
    currency         text not null constraint refunds_currency_form check (currency ~ '^[A-Z]{3}$'),
    reason           text not null constraint refunds_reason_form check (reason ~ '^[a-z_]{1,40}$'),
    origin           text not null default 'ours' constraint refunds_origin_known check (origin in ('ours', 'dashboard')),
    try_epoch        integer not null default 1 constraint refunds_try_epoch_positive check (try_epoch > 0),
    stripe_refund_id text constraint refunds_stripe_refund_unique unique
                     constraint refunds_stripe_refund_form check (stripe_refund_id ~ '^(re|pyr)_[A-Za-z0-9_]{1,200}$'),
    failure_code     text constraint refunds_failure_code_form check (failure_code ~ '^[a-z0-9_]{1,80}$'),
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now()
);
comment on table refunds is 'Captured money on its way back. Authorised money is released instead and has no row here.';
comment on column refunds.origin is 'Who asked: we, or somebody in Stripe''s dashboard.';

create index refunds_booking_id on refunds (booking_id, created_at);
create index refunds_attempt_id on refunds (attempt_id);

insert into booking_transitions (machine, from_state, to_state) values
    ('refund', 'requested', 'submitted'),
    ('refund', 'requested', 'submit_unknown'),
    ('refund', 'requested', 'pending'),
    ('refund', 'requested', 'succeeded'),
    ('refund', 'requested', 'failed'),
    ('refund', 'submit_unknown', 'submitted'),
    ('refund', 'submit_unknown', 'pending'),
    ('refund', 'submit_unknown', 'succeeded'),
    ('refund', 'submit_unknown', 'failed'),
    ('refund', 'submitted', 'pending'),
    ('refund', 'submitted', 'succeeded'),
    ('refund', 'submitted', 'failed'),
    ('refund', 'pending', 'succeeded'),
    ('refund', 'pending', 'failed'),
    ('refund', 'succeeded', 'failed');

create trigger refunds_guard before update of state on refunds
    for each row execute function guard_transition('refund', 'state');
create trigger refunds_touch before update on refunds for each row execute function touch_updated_at();

create function guard_refund_sum() returns trigger
    language plpgsql
as $$
declare
    captured bigint;
    refunded bigint;
begin
    -- The lock makes two refunds at once queue up here, so that each sees the other.
    select a.captured_minor into captured from public.attempts a where a.id = new.attempt_id for no key update;
    select coalesce(sum(r.amount_minor), 0) into refunded
      from public.refunds r where r.attempt_id = new.attempt_id and r.state <> 'failed' and r.id <> new.id;
    if new.state <> 'failed' and refunded + new.amount_minor > captured then
        raise exception 'refunds of % would exceed the % captured', refunded + new.amount_minor, captured
            using errcode = 'check_violation', constraint = 'refunds_within_captured';
    end if;
    return new;
end
$$;
comment on function guard_refund_sum is 'Trigger: the refunds of an attempt never add up to more than was captured.';
create trigger refunds_guard_sum before insert or update of amount_minor, state on refunds
    for each row execute function guard_refund_sum();

alter table refunds enable row level security;
alter table refunds force row level security;
grant select on refunds to jetbridge_traveller, jetbridge_staff;
grant select, insert, update on refunds to jetbridge_system;
create policy refunds_own on refunds for select to jetbridge_traveller
    using (booking_id in (select b.id from bookings b where b.user_id = app_user_id()));
create policy refunds_staff on refunds for select to jetbridge_staff using (true);
create policy refunds_system on refunds to jetbridge_system using (true) with check (true);

create table ledger_transactions (
    id          bigint generated always as identity primary key,
    posting_key text not null constraint ledger_transactions_posting_key_unique unique
                constraint ledger_transactions_posting_key_form check (posting_key ~ '^[a-z_]{1,40}:[A-Za-z0-9_:-]{1,120}$'),
    kind        text not null constraint ledger_transactions_kind_form check (kind ~ '^[a-z_]{1,40}$'),
    booking_id  uuid not null references bookings (id),
    at          timestamptz not null default now()
);
comment on table ledger_transactions is 'One thing that happened to money, made of entries that sum to zero.';
comment on column ledger_transactions.posting_key is 'Kind and subject: the same fact is posted once, however often it is heard.';
create index ledger_transactions_booking_id on ledger_transactions (booking_id, id);

create table ledger_entries (
    id             bigint generated always as identity primary key,
    transaction_id bigint not null references ledger_transactions (id),
    account        text not null constraint ledger_entries_account_known
                   check (account in ('stripe_clearing', 'customer_deposits', 'supplier_payable', 'agency_revenue',
                                      'refunds_payable', 'stripe_fees', 'dispute_hold', 'loss', 'suspense')),
    amount_minor   bigint not null constraint ledger_entries_amount_not_zero check (amount_minor <> 0),
    currency       text not null constraint ledger_entries_currency_form check (currency ~ '^[A-Z]{3}$')
);
comment on table ledger_entries is 'Double entry in signed minor units: a debit is positive, a credit is negative. Append-only.';
create index ledger_entries_transaction_id on ledger_entries (transaction_id);

create function check_ledger_balance() returns trigger
    language plpgsql
as $$
begin
    if exists (
        select from public.ledger_entries e where e.transaction_id = new.transaction_id
         group by e.currency having sum(e.amount_minor) <> 0
    ) then
        raise exception 'ledger transaction % does not balance', new.transaction_id
            using errcode = 'check_violation', constraint = 'ledger_entries_balance';
    end if;
    return null;
end
$$;
comment on function check_ledger_balance is 'Constraint trigger at commit: a transaction sums to zero in each currency.';
create constraint trigger ledger_entries_balance after insert on ledger_entries
    deferrable initially deferred for each row execute function check_ledger_balance();

create function check_ledger_has_entries() returns trigger
    language plpgsql
as $$
begin
    if (select count(*) from public.ledger_entries e where e.transaction_id = new.id) < 2 then
        raise exception 'ledger transaction % has no two sides', new.id
            using errcode = 'check_violation', constraint = 'ledger_transactions_two_sides';
    end if;
    return null;
end
$$;
comment on function check_ledger_has_entries is 'Constraint trigger at commit: no transaction without entries.';
create constraint trigger ledger_transactions_two_sides after insert on ledger_transactions
    deferrable initially deferred for each row execute function check_ledger_has_entries();

create trigger ledger_transactions_append_only before update or delete on ledger_transactions for each row execute function refuse_change();
create trigger ledger_transactions_no_truncate before truncate on ledger_transactions for each statement execute function refuse_change();
create trigger ledger_entries_append_only before update or delete on ledger_entries for each row execute function refuse_change();
create trigger ledger_entries_no_truncate before truncate on ledger_entries for each statement execute function refuse_change();

alter table ledger_transactions enable row level security;
alter table ledger_transactions force row level security;
alter table ledger_entries enable row level security;
alter table ledger_entries force row level security;
grant select on ledger_transactions, ledger_entries to jetbridge_staff;
grant select, insert on ledger_transactions, ledger_entries to jetbridge_system;
create policy ledger_transactions_staff on ledger_transactions for select to jetbridge_staff using (true);
create policy ledger_transactions_system on ledger_transactions to jetbridge_system using (true) with check (true);
create policy ledger_entries_staff on ledger_entries for select to jetbridge_staff using (true);
create policy ledger_entries_system on ledger_entries to jetbridge_system using (true) with check (true);

create table stripe_events (
    id          text primary key constraint stripe_events_id_form check (id ~ '^evt_[A-Za-z0-9_]{1,200}$'),
    kind        text not null constraint stripe_events_kind_length check (length(kind) between 1 and 120),
    livemode    boolean not null,
    created     timestamptz not null,
    received_at timestamptz not null default now(),
    payload     jsonb not null,
    state       text not null default 'received' constraint stripe_events_state_known
                check (state in ('received', 'applied', 'ignored', 'parked', 'unreadable', 'abandoned')),
    names_attempt        uuid,
    names_session        text,
    names_payment_intent text,
    attempt_id  uuid references attempts (id),
    settled_at  timestamptz,
    constraint stripe_events_settled check ((state in ('applied', 'ignored', 'abandoned')) = (settled_at is not null))
);
comment on table stripe_events is 'Inbox: every verified event lands here before anything else happens, once, under Stripe''s own id.';
comment on column stripe_events.state is 'parked: its object is not ours yet, asked again for 3 days; unreadable: authentic, but not understood.';
comment on column stripe_events.names_attempt is 'The attempt that the event''s object names; it need not be ours, or not yet.';
comment on column stripe_events.attempt_id is 'The attempt that it turned out to concern.';
create index stripe_events_unsettled on stripe_events (received_at) where settled_at is null;
create index stripe_events_attempt_id on stripe_events (attempt_id);

alter table stripe_events enable row level security;
alter table stripe_events force row level security;
grant select on stripe_events to jetbridge_staff;
grant select, insert, update on stripe_events to jetbridge_system;
create policy stripe_events_staff on stripe_events for select to jetbridge_staff using (true);
create policy stripe_events_system on stripe_events to jetbridge_system using (true) with check (true);
