//! SQL of what has become of taken money.

use super::standing_in_ledger;
use crate::{
    checkout::{Attempt, Returned, Returning, lifecycle::RefundState},
    db::{System, Tx},
    error::AppError,
    ids::{AttemptId, BookingId},
    money::Money,
};

/// Of each of these attempts of one booking. A bank that only asks has taken nothing.
pub async fn returned(
    tx: &mut Tx<System>,
    booking: BookingId,
    attempts: &[Attempt],
) -> Result<Vec<Returned>, AppError> {
    let of = |attempt: &Attempt| Returned {
        attempt: attempt.id,
        refunds: Vec::new(),
        disputes: Vec::new(),
        unpromised: Money::zero(attempt.amount.currency),
    };
    let mut all: Vec<Returned> = attempts.iter().map(of).collect();
    let rows = sqlx::query!(
        r#"select attempt_id as "attempt!: AttemptId", true as "is_refund!", state as "state!", amount_minor as "minor!",
                  currency as "currency!", pending_reason, created_at as "at!: jiff_sqlx::Timestamp"
             from refunds where booking_id = $1
           union all
           select attempt_id, false, state, amount_minor, currency, null, opened_at
             from disputes where booking_id = $1 and not is_inquiry
            order by 7"#,
        booking.0,
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        let Some(its) = all.iter_mut().find(|returned| returned.attempt == row.attempt) else { continue };
        let amount = Money::new(row.minor, row.currency.parse()?);
        let unreadable = || AppError::broken("a refund or dispute state of another form");
        if row.is_refund {
            let state = row.state.parse().map_err(|_| unreadable())?;
            let pending_reason = row.pending_reason.filter(|_| state == RefundState::Pending);
            its.refunds.push(Returning { state, amount, pending_reason });
        } else {
            its.disputes.push((row.state.parse().map_err(|_| unreadable())?, amount));
        }
    }
    for (returned, attempt) in all.iter_mut().zip(attempts) {
        if returned.refunds.iter().any(|refund| refund.state == RefundState::Failed) {
            returned.unpromised = standing_in_ledger(tx, attempt).await?.deposits;
        }
    }
    Ok(all)
}
