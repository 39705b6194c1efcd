-- Cancelling a ticketed booking: what the traveller was quoted, whether they took it, and what the supplier gave back.

create table cancel_quotes (
    id                 uuid primary key,
    booking_id         uuid not null references bookings (id),
    attempt_id         uuid not null references attempts (id),
    terms              text not null constraint cancel_quotes_terms_known check (terms in ('window', 'free', 'fee', 'nothing')),
    charged            boolean not null,
    paid_minor         bigint not null constraint cancel_quotes_paid_positive check (paid_minor > 0),
    returned_minor     bigint not null constraint cancel_quotes_returned_not_negative check (returned_minor >= 0),
    kept_minor         bigint not null constraint cancel_quotes_kept_not_negative check (kept_minor >= 0),
    back_minor         bigint not null constraint cancel_quotes_back_not_negative check (back_minor >= 0),
    currency           text not null constraint cancel_quotes_currency_form check (currency ~ '^[A-Z]{3}$'),
    hash               text not null constraint cancel_quotes_hash_form check (hash ~ '^[0-9a-f]{64}$'),
    made_at            timestamptz not null,
    expires_at         timestamptz not null,
    accepted_at        timestamptz,
    asked_at           timestamptz,
    refused_at         timestamptz,
    done_at            timestamptz,
    credit_minor       bigint constraint cancel_quotes_credit_not_negative check (credit_minor >= 0),
    constraint cancel_quotes_adds_up check (paid_minor = returned_minor + kept_minor + back_minor),
    constraint cancel_quotes_expires_later check (expires_at > made_at),
    constraint cancel_quotes_accepted_in_time check (accepted_at < expires_at),
    constraint cancel_quotes_asked_after_accepted check (asked_at is null or accepted_at is not null),
    constraint cancel_quotes_one_end check (num_nonnulls(refused_at, done_at) <= 1),
    constraint cancel_quotes_ends_after_asked check ((refused_at is null and done_at is null) or asked_at is not null),
    constraint cancel_quotes_done_with_credit check ((done_at is null) = (credit_minor is null))
);
comment on table cancel_quotes is 'What cancelling a booking would give back, as a traveller was shown it. An accepted row is the promise, and never changes.';
comment on column cancel_quotes.attempt_id is 'The payment that the booking lives on.';
comment on column cancel_quotes.terms is 'By which rule: the agency''s free window, or the fare''s own condition.';
comment on column cancel_quotes.charged is 'Whether the money had been taken. If not, what goes back is released, and only what is kept is taken.';
comment on column cancel_quotes.returned_minor is 'What had gone back before.';
comment on column cancel_quotes.hash is 'SHA-256 of all that was quoted, without the times: the same figures are the same quote.';
comment on column cancel_quotes.accepted_at is 'When the traveller confirmed it. From then on the supplier is asked to cancel.';
comment on column cancel_quotes.asked_at is 'When the supplier was first asked. Whoever finds it set asks what became of it before asking again.';
comment on column cancel_quotes.refused_at is 'When the supplier said no: the tickets stand, and nothing of this quote came about.';
comment on column cancel_quotes.done_at is 'When the supplier said that the tickets are cancelled.';
comment on column cancel_quotes.credit_minor is 'What the supplier takes off our debt for the cancelled tickets.';

create index cancel_quotes_booking_id on cancel_quotes (booking_id, made_at);
create index cancel_quotes_attempt_id on cancel_quotes (attempt_id);
create unique index cancel_quotes_accepted_once on cancel_quotes (booking_id) where accepted_at is not null and refused_at is null;

create function guard_cancel_quote() returns trigger
    language plpgsql
as $$
begin
    if (to_jsonb(new) - array['accepted_at', 'asked_at', 'refused_at', 'done_at', 'credit_minor'])
       is distinct from (to_jsonb(old) - array['accepted_at', 'asked_at', 'refused_at', 'done_at', 'credit_minor'])
       or (old.accepted_at is not null and new.accepted_at is distinct from old.accepted_at)
       or (old.asked_at is not null and new.asked_at is distinct from old.asked_at)
       or num_nonnulls(old.refused_at, old.done_at) > 0
    then
        raise exception 'a cancel quote is not changed afterwards'
            using errcode = 'check_violation', constraint = 'cancel_quotes_fixed';
    end if;
    return new;
end
$$;
comment on function guard_cancel_quote is 'Trigger: figures of a quote are fixed, and each thing that happens to it happens once.';
create trigger cancel_quotes_guard before update on cancel_quotes for each row execute function guard_cancel_quote();

create function guard_accepted_quote() returns trigger
    language plpgsql
as $$
begin
    if old.accepted_at is not null then
        raise exception 'an accepted cancel quote is kept'
            using errcode = 'check_violation', constraint = 'cancel_quotes_kept';
    end if;
    return old;
end
$$;
comment on function guard_accepted_quote is 'Trigger: only a quote that nobody took is deleted.';
create trigger cancel_quotes_guard_accepted before delete on cancel_quotes for each row execute function guard_accepted_quote();

alter table cancel_quotes enable row level security;
alter table cancel_quotes force row level security;
grant select on cancel_quotes to jetbridge_traveller, jetbridge_guest, jetbridge_staff;
grant select, insert, update (accepted_at, asked_at, refused_at, done_at, credit_minor), delete on cancel_quotes to jetbridge_system;
create policy cancel_quotes_own on cancel_quotes for select to jetbridge_traveller
    using (booking_id in (select b.id from bookings b where b.user_id = app_user_id()));
create policy cancel_quotes_by_link on cancel_quotes for select to jetbridge_guest
    using (booking_id = (select app_link_booking()));
create policy cancel_quotes_staff on cancel_quotes for select to jetbridge_staff using (true);
create policy cancel_quotes_system on cancel_quotes to jetbridge_system using (true) with check (true);

-- The demo supplier's side of it.
alter table timetable.orders
    add column on_cancel    text constraint orders_on_cancel_known
               check (on_cancel in ('refused', 'unavailable', 'timeout_before', 'timeout_after')),
    add column cancelled_at timestamptz,
    add column credit_minor bigint constraint orders_credit_range check (credit_minor between 0 and total_minor),
    add constraint orders_cancelled_with_credit check ((cancelled_at is null) = (credit_minor is null));
comment on column timetable.orders.on_cancel is 'What a cancellation runs into, by the magic name of a passenger.';
comment on column timetable.orders.cancelled_at is 'When its tickets were cancelled and its seats given back.';
comment on column timetable.orders.credit_minor is 'What of the total is not owed any more since then.';
