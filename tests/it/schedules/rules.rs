//! What must hold after each step, and once the world has come to rest.

use std::collections::HashMap;

use jetbridge::{checkout::invariants::Breach, ids::BookingId, sandbox::stripe::Intent};
use sqlx::{FromRow, PgConnection};

use super::world::World;

/// After no story may anybody be called for these: they would be mistakes of ours. But where no worker was there for an hour,
/// I10 calls somebody with good reason; and a refund from the dashboard that our books cannot take in is in Stripe's only.
const NEVER: &str = "select kind || ' ' || subject || ': ' || detail from attention_items
                      where kind in ('illegal_step', 'invariant_broken', 'job_dead', 'ledger_drift', 'event_unreadable')
                        and detail not like 'I10 %'
                        and not (kind = 'ledger_drift' and exists (select from attention_items other
                                  where other.kind = 'refund_not_ours' and other.booking_id = attention_items.booking_id
                                    and other.resolved_at is null))";

/// What a booking went through that is named in a failure, and what is still to be done about it.
const STORY: &str = "
    select concat_ws(' ', b.booking_reference, to_char(s.at, 'DD HH24:MI:SS'), s.what) from bookings b
      join (select booking_id, at, concat_ws(' ', kind, actor, data) as what from booking_events
            union all
            select booking_id, raised_at, concat_ws(' ', 'called a person:', kind, detail) from attention_items
            union all
            select case when subject ~ '^[0-9a-f-]{36}$' then subject::uuid end, due_at, concat_ws(' ', 'job', state, kind, 'pushed', to_char(created_at, 'DD HH24:MI:SS'))
              from outbox
            union all
            select booking_id, coalesce(cancelled_at, created_at), case when cancelled_at is null then 'has tickets' else 'had tickets' end
              from timetable.orders) s on s.booking_id = b.id
     where strpos($1, b.booking_reference) > 0 or strpos($1, b.id::text) > 0
     order by b.id, s.at";

/// Everything that is not at its end, and that neither a job nor a person will take further.
const FORGOTTEN: [(&str, &str); 4] = [
    (
        "a booking waits for nothing",
        "select b.booking_reference || ' ' || b.booking_status from bookings b
          where b.booking_status in ('draft', 'held', 'ticketing', 'cancelling')
            and not exists (select from outbox o where o.subject = b.id::text and o.state in ('ready', 'running'))
            and not exists (select from attention_items i where i.booking_id = b.id and i.resolved_at is null
                               and i.kind in ('payment_quarantined', 'payment_contradiction', 'supplier_unknown', 'cancel_refused'))",
    ),
    (
        "a booking is on its way after every deadline",
        "select b.booking_reference || ' ' || b.booking_status from bookings b
          where b.booking_status in ('held', 'ticketing', 'cancelling')
            and not exists (select from attention_items i where i.booking_id = b.id and i.resolved_at is null
                               and i.kind in ('payment_quarantined', 'payment_contradiction', 'supplier_unknown', 'cancel_refused'))",
    ),
    (
        "an attempt waits for nothing",
        "select a.id || ' ' || a.state from attempts a
          where a.state in ('creating', 'create_unknown', 'open', 'processing', 'authorised')
            and not exists (select from outbox o
                             where o.subject in (a.id::text, a.booking_id::text) and o.state in ('ready', 'running'))
            and not exists (select from attention_items i
                             where i.booking_id = a.booking_id and i.resolved_at is null
                               and i.kind in ('payment_quarantined', 'payment_contradiction', 'capture_failed', 'supplier_unknown'))",
    ),
    (
        "a refund waits for nothing",
        "select r.id || ' ' || r.state from refunds r
          where r.state in ('requested', 'submitted', 'submit_unknown', 'pending')
            and not exists (select from outbox o where o.subject = r.id::text and o.state in ('ready', 'running'))
            and not exists (select from attention_items i
                             where i.booking_id = r.booking_id and i.resolved_at is null
                               and i.kind in ('refund_unsent', 'refund_failed', 'dispute'))",
    ),
];

/// Whoever is called for one of these looks at the booking's money.
const MONEY: &str = "payment_quarantined payment_contradiction supplier_unknown ticket_without_booking authorisation_lost
                     capture_failed refund_failed refund_unsent refund_not_ours tickets_lost cancel_refused cancel_credit";

/// What our books say of a payment. Who was called for its money looks at it; a person who looks at a dispute, or at a mail, does
/// not. What was frozen, let go, or contradicts itself is the only money that our books have otherwise than Stripe.
const PAYMENTS: &str = "
    select a.id::text as attempt, b.id::text as booking, b.booking_reference as reference, b.booking_status as state,
           b.secured_by is not distinct from a.id as is_behind, b.confirmed_at is not null as was_ticketed,
           a.amount_minor as amount, a.captured_minor as captured,
           (select q.kept_minor from cancel_quotes q where q.attempt_id = a.id and q.done_at is not null) as kept,
           exists (select from timetable.orders o where o.booking_id = b.id and o.cancelled_at is null) as has_tickets,
           b.pay_by is not null as is_to_pay,
           exists (select from attention_items i
                    where i.booking_id = b.id and i.resolved_at is null
                      and i.kind = any (regexp_split_to_array($1, '\\s+')))
               as has_person,
           a.quarantined is not null or a.let_go_minor is not null
               or exists (select from attention_items i
                           where i.kind = 'payment_contradiction' and i.subject = a.id::text and i.resolved_at is null)
               as is_apart
      from attempts a join bookings b on b.id = a.booking_id";

const TICKETS: &str = "
    select b.booking_reference || ' ' || b.booking_status from bookings b
     where (b.booking_status = 'confirmed')
           <> exists (select from timetable.orders o where o.booking_id = b.id and o.cancelled_at is null)
       and not exists (select from attention_items i
                        where i.booking_id = b.id and i.resolved_at is null
                          and i.kind in ('supplier_unknown', 'ticket_without_booking', 'cancel_refused', 'tickets_lost'))";

#[derive(FromRow, Debug)]
struct Payment {
    attempt: String,
    booking: String,
    reference: String,
    state: String,
    is_behind: bool,
    was_ticketed: bool,
    amount: i64,
    captured: i64,
    kept: Option<i64>,
    has_tickets: bool,
    /// The bank let go of it behind tickets, and there is still time to pay again.
    is_to_pay: bool,
    has_person: bool,
    is_apart: bool,
}

/// Of a payment at Stripe: what was taken and stayed taken.
#[derive(Debug)]
struct Money {
    received: i64,
    /// Below nothing where a bank took back, by one more dispute, what had gone back before: a loss of ours, never our doing.
    net: i64,
    lost: i64,
    is_set_aside: bool,
}

async fn texts(sql: &mut PgConnection, query: &str) -> Vec<String> {
    sqlx::query_scalar(query).fetch_all(sql).await.unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// After each step. Who lets an hour pass without a worker has no right to ask whether it worked.
pub async fn hold_always(world: &mut World, after: &str) {
    let broken = world.app.breaches().await;
    invariants_hold(world, after, broken.into_iter().filter(|breach| breach.code() != "I10")).await;
}

async fn invariants_hold(world: &mut World, after: &str, broken: impl Iterator<Item = Breach>) {
    let broken: Vec<String> =
        broken.map(|breach| format!("{}: {}", breach.invariant, breach.subject)).collect();
    if !broken.is_empty() {
        tell(world, after, &broken).await;
    }
}

pub async fn hold_at_rest(world: &mut World) {
    let broken = world.app.breaches().await;
    invariants_hold(world, "at rest", broken.into_iter()).await;
    let ours = texts(&mut world.sql, NEVER).await;
    if !ours.is_empty() {
        tell(world, "called for a mistake of ours", &ours).await;
    }
    were_compared(world).await;
    for (what, query) in FORGOTTEN {
        let found = texts(&mut world.sql, query).await;
        if !found.is_empty() {
            tell(world, what, &found).await;
        }
    }
    let askew = texts(&mut world.sql, TICKETS).await;
    if !askew.is_empty() {
        tell(world, "tickets and booking differ", &askew).await;
    }
    let payments: Vec<Payment> =
        sqlx::query_as(PAYMENTS).bind(MONEY).fetch_all(&mut world.sql).await.expect("the payments");
    let by_attempt: HashMap<String, Intent> = world
        .app
        .stripe
        .intents()
        .into_iter()
        .filter_map(|intent| Some((intent.metadata.get("attempt_id")?.clone(), intent)))
        .collect();
    assert_eq!(by_attempt.len(), world.app.stripe.intents().len(), "two payments of one attempt");
    for payment in &payments {
        let intent = by_attempt.get(&payment.attempt);
        let money = money(world, intent);
        if let Some(disagreement) = disagreement(payment, &money) {
            tell(world, "a payment", &[disagreement]).await;
        }
        if let Some(intent) = intent.filter(|intent| intent.received > 0) {
            was_accepted(world, payment, intent);
        }
    }
}

async fn tell(world: &mut World, what: &str, found: &[String]) -> ! {
    let story: Vec<String> =
        sqlx::query_scalar(STORY).bind(found.join(" ")).fetch_all(&mut world.sql).await.expect("the story");
    panic!("{what}: {found:#?}\n{}", story.join("\n"));
}

/// No drift is worth something only where both books have been held against each other.
async fn were_compared(world: &mut World) {
    let lines = world.app.stripe.statement();
    let Some(last) = lines.iter().map(|line| line.created).max() else { return };
    let (read, at): (i64, i64) = sqlx::query_as(
        "select (select count(*) from stripe_movements),
                coalesce(extract(epoch from (select complete_at from stripe_readings where what = 'movements'))::bigint, 0)",
    )
    .fetch_one(&mut world.sql)
    .await
    .expect("the readings");
    assert_eq!(
        usize::try_from(read).expect("a count"),
        lines.len(),
        "lines of Stripe's balance that were read"
    );
    assert!(at > last, "nothing was compared after the last money had moved");
}

fn money(world: &World, intent: Option<&Intent>) -> Money {
    let Some(intent) = intent else { return Money { received: 0, net: 0, lost: 0, is_set_aside: false } };
    let stripe = &world.app.stripe;
    let back: i64 = stripe
        .refunds()
        .iter()
        .filter(|refund| {
            refund.payment_intent == intent.id && !matches!(refund.status.as_str(), "failed" | "canceled")
        })
        .map(|refund| refund.amount)
        .sum();
    let lost: i64 = stripe
        .disputes()
        .iter()
        .filter(|dispute| dispute.payment_intent == intent.id && dispute.status == "lost")
        .map(|dispute| dispute.amount)
        .sum();
    Money {
        received: intent.received,
        net: intent.received - back - lost,
        lost,
        is_set_aside: intent.status == "requires_capture",
    }
}

/// Our books are Stripe's, whoever was called; charged if and only if ticketed, as far as nobody looks at the money.
fn disagreement(payment: &Payment, money: &Money) -> Option<String> {
    let is_wrong = |broken: bool, what: &str| broken.then(|| format!("{what}: {money:?}, {payment:?}"));
    is_wrong(payment.captured != money.received && !payment.is_apart, "our books and Stripe's")
        .or_else(|| is_wrong(money.net < 0 && money.lost == 0, "more went back than was taken"))
        .or_else(|| if payment.has_person { None } else { unlooked_at(payment, money, &is_wrong) })
}

fn unlooked_at(
    payment: &Payment,
    money: &Money,
    is_wrong: &dyn Fn(bool, &str) -> Option<String>,
) -> Option<String> {
    let at_its_end = match payment.state.as_str() {
        "confirmed" if payment.is_behind && payment.is_to_pay => {
            is_wrong(money.net > 0, "charged, and asked to pay again")
        }
        "confirmed" if payment.is_behind => is_wrong(!payment.has_tickets, "charged without tickets")
            .or_else(|| is_wrong(money.received != payment.amount, "not what was accepted")),
        "cancelled" if payment.is_behind && payment.was_ticketed => {
            is_wrong(money.net > payment.kept.unwrap_or(0), "more stays than was quoted")
        }
        _ => is_wrong(money.net > 0, "charged for nothing"),
    };
    is_wrong(money.is_set_aside, "set aside for ever").or(at_its_end)
}

/// Only under a quote whose button was pressed, or for less.
fn was_accepted(world: &World, payment: &Payment, intent: &Intent) {
    let id: BookingId = payment.booking.parse().expect("an id");
    let made = world.bookings.iter().find(|made| made.id == id).expect("one of ours");
    let most = made.accepted.values().map(|total| total.minor).max().unwrap_or(0);
    assert!(
        intent.received <= most,
        "{} taken where {most} was accepted: {}",
        intent.received,
        payment.reference
    );
    assert!(intent.received <= payment.amount, "{} taken: {payment:?}", intent.received);
}

const ENDS: &str = "
    select 'payment, of which a person looks at the money', count(*) from attempts a
     where exists (select from attention_items i where i.booking_id = a.booking_id and i.resolved_at is null
                      and i.kind = any (regexp_split_to_array($1, '\\s+')))
    union all select 'booking ' || booking_status || ', ' || supplier_status, count(*) from bookings group by 1
    union all select 'attempt ' || state, count(*) from attempts group by 1
    union all select 'refund ' || origin || ' ' || state, count(*) from refunds group by 1
    union all select 'dispute ' || state, count(*) from disputes group by 1
    union all select 'person for ' || kind, count(*) from attention_items group by 1
    union all select 'job cut short', count(*) from outbox where tries > 1";

pub async fn ends(world: &mut World) -> Vec<(String, i64)> {
    sqlx::query_as(ENDS).bind(MONEY).fetch_all(&mut world.sql).await.expect("the ends")
}
