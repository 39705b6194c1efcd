//! SQL of refunds.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::payouts::payout;
use crate::{
    checkout::{Attempt, RefundLine, RefundRow, lifecycle::RefundState},
    db::{Principal, System, Tx},
    error::AppError,
    ids::{AttemptId, BookingId, RefundId},
    money::Money,
};

pub async fn bump_refund_epoch(tx: &mut Tx<System>, refund: &RefundRow) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update refunds set try_epoch = try_epoch + 1 where id = $1 and try_epoch = $2",
        refund.id.0,
        refund.try_epoch,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// A refund of ours, not yet asked for. The database refuses more than was captured.
pub async fn insert_refund(
    tx: &mut Tx<System>,
    id: RefundId,
    attempt: &Attempt,
    amount: Money,
    reason: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    put_refund(tx, id, attempt, amount, (reason, "ours", None), now).await
}

/// One that somebody made in Stripe's dashboard.
pub async fn insert_foreign_refund(
    tx: &mut Tx<System>,
    id: RefundId,
    attempt: &Attempt,
    amount: Money,
    stripe_id: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    put_refund(tx, id, attempt, amount, ("dashboard", "dashboard", Some(stripe_id)), now).await
}

async fn put_refund(
    tx: &mut Tx<System>,
    id: RefundId,
    attempt: &Attempt,
    amount: Money,
    (reason, origin, stripe_id): (&str, &str, Option<&str>),
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into refunds (id, booking_id, attempt_id, amount_minor, currency, reason, created_at, origin, stripe_refund_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        id.0,
        attempt.booking.0,
        attempt.id.0,
        amount.minor,
        amount.currency.code(),
        reason,
        now.to_sqlx() as _,
        origin,
        stripe_id,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// What of an attempt's captured money is neither returned, nor on its way back, nor given back by a bank.
pub async fn unrefunded<P: Principal>(tx: &mut Tx<P>, attempt: &Attempt) -> Result<Money, AppError> {
    let refunded = sqlx::query_scalar!(
        r#"select (select coalesce(sum(amount_minor), 0) from refunds where attempt_id = $1 and state <> 'failed')::bigint
                + (select coalesce(sum(amount_minor), 0) from disputes
                    where attempt_id = $1 and state = 'lost' and not is_inquiry)::bigint as "sum!""#,
        attempt.id.0,
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(attempt.captured.checked_sub(Money::new(refunded, attempt.amount.currency))?)
}

/// What a bank would not take of an attempt's money, while a person is at it.
pub async fn failed_in_hand(tx: &mut Tx<System>, attempt: AttemptId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select coalesce(sum(r.amount_minor), 0)::bigint as "sum!" from refunds r
            where r.attempt_id = $1 and r.state = 'failed'
              and exists (select from attention_items i
                           where i.kind = 'refund_failed' and i.subject = r.id::text and i.resolved_at is null)"#,
        attempt.0,
    )
    .fetch_one(&mut **tx)
    .await
}

/// Promised, and as far as we know not made by Stripe.
pub async fn unmade_refunds(tx: &mut Tx<System>, attempt: AttemptId) -> Result<Vec<RefundId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select id as "id: RefundId" from refunds
            where attempt_id = $1 and state in ('requested', 'submit_unknown') order by id"#,
        attempt.0,
    )
    .fetch_all(&mut **tx)
    .await
}

/// The attempt and amount of a refund, if there is one of this id.
pub async fn refund_of(tx: &mut Tx<System>, id: RefundId) -> Result<Option<(AttemptId, i64)>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select attempt_id as "attempt_id: AttemptId", amount_minor from refunds where id = $1"#,
        id.0,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| (row.attempt_id, row.amount_minor)))
}

/// Oldest first; whatever the principal may see.
pub async fn refunds_of<P: Principal>(
    tx: &mut Tx<P>,
    booking: BookingId,
) -> Result<Vec<RefundLine>, AppError> {
    let rows = sqlx::query!(
        r#"select r.id as "id: RefundId", r.attempt_id as "attempt: AttemptId", r.state, r.amount_minor, r.currency,
                  r.pending_reason, r.failure_code,
                  p.way as "way?", p.paid_on as "paid_on?: jiff_sqlx::Date", p.proof as "proof?",
                  r.created_at as "created_at: jiff_sqlx::Timestamp", r.updated_at as "updated_at: jiff_sqlx::Timestamp"
             from refunds r left join refund_payouts p on p.refund_id = r.id
            where r.booking_id = $1 order by r.created_at, r.id"#,
        booking.0,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            let state = row.state.parse().map_err(|_| AppError::broken("a refund state of another form"))?;
            Ok(RefundLine {
                id: row.id,
                attempt: row.attempt,
                state,
                amount: Money::new(row.amount_minor, row.currency.parse()?),
                pending_reason: row.pending_reason.filter(|_| state == RefundState::Pending),
                failure: row.failure_code,
                payout: payout(row.way, row.paid_on, row.proof)?,
                created_at: row.created_at.to_jiff(),
                updated_at: row.updated_at.to_jiff(),
            })
        })
        .collect()
}

pub async fn lock_refund(tx: &mut Tx<System>, id: RefundId) -> Result<RefundRow, AppError> {
    let row = sqlx::query!(
        r#"select r.state, r.amount_minor, r.currency, r.reason, r.booking_id as "booking_id: BookingId", r.try_epoch,
                  r.attempt_id as "attempt_id: AttemptId", r.created_at as "created_at: jiff_sqlx::Timestamp",
                  a.payment_intent_id, r.origin = 'ours' as "is_ours!", r.stripe_refund_id, r.pending_reason, r.failure_code
             from refunds r join attempts a on a.id = r.attempt_id
            where r.id = $1 for no key update of r"#,
        id.0,
    )
    .fetch_optional(&mut **tx)
    .await?
    .ok_or_else(|| AppError::broken(format!("refund {id} is missing")))?;
    Ok(RefundRow {
        id,
        booking: row.booking_id,
        attempt: row.attempt_id,
        state: row.state.parse().map_err(|_| AppError::broken("a refund state of another form"))?,
        amount: Money::new(row.amount_minor, row.currency.parse()?),
        reason: row.reason,
        try_epoch: row.try_epoch,
        created_at: row.created_at.to_jiff(),
        is_ours: row.is_ours,
        stripe_id: row.stripe_refund_id,
        pending_reason: row.pending_reason,
        failure: row.failure_code,
        payment_intent: row
            .payment_intent_id
            .ok_or_else(|| AppError::broken("a refund of an attempt without a payment intent"))?,
    })
}

pub async fn refund_by_stripe_id(
    tx: &mut Tx<System>,
    stripe_id: &str,
) -> Result<Option<RefundId>, sqlx::Error> {
    sqlx::query_scalar!(r#"select id as "id: RefundId" from refunds where stripe_refund_id = $1"#, stripe_id)
        .fetch_optional(&mut **tx)
        .await
}

pub async fn set_refund_state(
    tx: &mut Tx<System>,
    id: RefundId,
    state: RefundState,
    stripe_id: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update refunds set state = $2, stripe_refund_id = coalesce(stripe_refund_id, $3) where id = $1",
        id.0,
        state.code(),
        stripe_id,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Why it waits, and why it failed. What is not told again about a failure stays as it was.
pub async fn set_refund_reasons(
    tx: &mut Tx<System>,
    id: RefundId,
    pending: Option<&str>,
    failure: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update refunds set pending_reason = $2, failure_code = coalesce($3, failure_code)
          where id = $1 and (pending_reason is distinct from $2 or coalesce($3, failure_code) is distinct from failure_code)",
        id.0,
        pending,
        failure,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}
