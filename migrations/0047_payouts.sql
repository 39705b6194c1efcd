-- A refund that failed and was paid by hand, with its proof; and why a refund waits.

alter table refunds
    drop constraint refunds_state_known,
    add constraint refunds_state_known
        check (state in ('requested', 'submitted', 'submit_unknown', 'pending', 'succeeded', 'failed', 'paid_by_hand')),
    add column pending_reason text constraint refunds_pending_reason_form check (pending_reason ~ '^[a-z0-9_]{1,80}$');
comment on column refunds.state is 'paid_by_hand: Stripe could not, so a person paid it another way; refund_payouts has the proof. It counts like one that succeeded, and nothing follows.';
comment on column refunds.pending_reason is 'Why Stripe has not paid it yet, in Stripe''s word. Of a refund that waits no more it means nothing.';
comment on column refunds.failure_code is 'Why it failed, in Stripe''s word: of the bank that sent it back, or of Stripe''s refusal.';

insert into booking_transitions (machine, from_state, to_state) values ('refund', 'failed', 'paid_by_hand');

alter table ledger_entries
    drop constraint ledger_entries_account_known,
    add constraint ledger_entries_account_known
        check (account in ('stripe_clearing', 'customer_deposits', 'supplier_payable', 'agency_revenue',
                           'refunds_payable', 'stripe_fees', 'dispute_hold', 'loss', 'suspense', 'agency_bank'));
comment on column ledger_entries.account is 'agency_bank: what the agency paid travellers out of its own pocket, past Stripe. A credit there is money that left its bank or its till; Stripe still owes it to us in stripe_clearing.';

create table refund_payouts (
    refund_id   uuid primary key references refunds (id),
    way         text not null constraint refund_payouts_way_known check (way in ('bank_transfer', 'cash', 'other')),
    paid_on     date not null,
    proof       text not null constraint refund_payouts_proof_form
                check (length(proof) between 1 and 200 and proof !~ '[[:cntrl:]]' and proof = btrim(proof)),
    recorded_by uuid not null references auth.users (id),
    recorded_at timestamptz not null
);
comment on table refund_payouts is 'How a failed refund was paid by hand: once, by whom, and what proves it. Append-only. The amount is the refund''s own.';
comment on column refund_payouts.paid_on is 'The day on which the money left, as the person says who recorded it.';
comment on column refund_payouts.proof is 'What the payment can be found by: the bank''s number of the transfer, or of the receipt. The traveller reads it too.';
create index refund_payouts_recorded_by on refund_payouts (recorded_by);

create trigger refund_payouts_append_only before update or delete on refund_payouts for each row execute function refuse_change();
create trigger refund_payouts_no_truncate before truncate on refund_payouts for each statement execute function refuse_change();

create function check_refund_payout() returns trigger
    language plpgsql
as $$
declare
    refund uuid := coalesce(to_jsonb(new) ->> 'refund_id', to_jsonb(new) ->> 'id')::uuid;
begin
    if (select r.state = 'paid_by_hand' from public.refunds r where r.id = refund)
       is distinct from exists (select from public.refund_payouts p where p.refund_id = refund) then
        raise exception 'refund % is paid by hand and has its proof, or neither', refund
            using errcode = 'check_violation', constraint = 'refund_payouts_proof';
    end if;
    return null;
end
$$;
comment on function check_refund_payout is 'Constraint trigger at commit: a refund that was paid by hand has its proof, and no other has one.';
create constraint trigger refund_payouts_proof after insert on refund_payouts
    deferrable initially deferred for each row execute function check_refund_payout();
create constraint trigger refunds_payout_proof after insert or update of state on refunds
    deferrable initially deferred for each row execute function check_refund_payout();

create function guard_paid_lines() returns trigger
    language plpgsql
as $$
begin
    -- As where lines are written: whoever pays by the same lines queues up here.
    perform from public.bookings b where b.id = new.booking_id for no key update;
    if exists (
        select from public.refund_lines l
          join public.price_lines p
            on p.booking_id = l.booking_id and p.passenger = l.passenger and p.item = l.item
         where l.refund_id = new.id
           and p.amount_minor < l.amount_minor + (
               select coalesce(sum(o.amount_minor), 0)
                 from public.refund_lines o join public.refunds r on r.id = o.refund_id
                where o.booking_id = l.booking_id and o.passenger = l.passenger and o.item = l.item
                  and r.id <> new.id and r.state <> 'failed')
    ) then
        raise exception 'refund % would give back more of a line than it cost', new.id
            using errcode = 'check_violation', constraint = 'refund_lines_within_price';
    end if;
    return new;
end
$$;
comment on function guard_paid_lines is 'Trigger: a refund that failed gave nothing back of its lines. Paid by hand after all, it counts again, and must still fit.';
create trigger refunds_guard_lines before update of state on refunds
    for each row when (old.state = 'failed' and new.state <> 'failed') execute function guard_paid_lines();

alter table refund_payouts enable row level security;
alter table refund_payouts force row level security;
grant select on refund_payouts to jetbridge_staff;
-- Who of the agency it was is not the traveller's business.
grant select (refund_id, way, paid_on, proof, recorded_at) on refund_payouts to jetbridge_traveller, jetbridge_guest;
grant select, insert on refund_payouts to jetbridge_system;
create policy refund_payouts_own on refund_payouts for select to jetbridge_traveller
    using (refund_id in (select r.id from refunds r join bookings b on b.id = r.booking_id where b.user_id = app_user_id()));
create policy refund_payouts_by_link on refund_payouts for select to jetbridge_guest
    using (refund_id in (select r.id from refunds r where r.booking_id = (select app_link_booking())));
create policy refund_payouts_staff on refund_payouts for select to jetbridge_staff using (true);
create policy refund_payouts_system on refund_payouts to jetbridge_system using (true) with check (true);
