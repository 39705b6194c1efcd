//! What went back to the traveller of one booking, and what a bank took back.

use jiff::Timestamp;
use serde::Deserialize;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{
    checkout::{
        lifecycle::RefundState,
        payouts::{Payout, Way},
    },
    db::{Staff, Tx},
    error::AppError,
};

#[derive(Debug)]
pub struct RefundRow {
    pub id: Uuid,
    pub state: String,
    pub amount_minor: i64,
    pub currency: String,
    pub reason: String,
    /// Of which lines of the price, where it is not an amount only.
    pub parts: Vec<RefundPart>,
    pub stripe_id: Option<String>,
    /// Why it waits, while it does, and why it failed, in Stripe's words.
    pub pending_reason: Option<String>,
    pub failure: Option<String>,
    /// How a person has paid it, where Stripe could not, and when that was written down.
    pub payout: Option<(Payout, Timestamp)>,
    pub updated_at: Timestamp,
}

/// How much of a line of the price. Passenger 0 is everybody together.
#[derive(Clone, Debug, Deserialize)]
pub struct RefundPart {
    pub passenger: u8,
    pub item: String,
    pub amount_minor: i64,
}

#[derive(Debug)]
pub struct DisputeRow {
    pub state: String,
    pub is_inquiry: bool,
    pub amount_minor: i64,
    pub currency: String,
    pub reason: String,
    pub stripe_id: String,
    pub answer_by: Option<Timestamp>,
    pub opened_at: Timestamp,
}

pub(super) async fn refunds(tx: &mut Tx<Staff>, booking: Uuid) -> Result<Vec<RefundRow>, AppError> {
    let rows = sqlx::query!(
        r#"select r.id, r.state, r.amount_minor, r.currency, r.reason, r.stripe_refund_id, r.pending_reason, r.failure_code,
                  r.updated_at as "updated_at: jiff_sqlx::Timestamp", p.way as "way?",
                  p.paid_on as "paid_on?: jiff_sqlx::Date", p.proof as "proof?",
                  p.recorded_at as "recorded_at?: jiff_sqlx::Timestamp",
                  (select coalesce(jsonb_agg(l order by l.passenger, l.item), '[]') from refund_lines l
                    where l.refund_id = r.id) as "parts!: Json<Vec<RefundPart>>"
             from refunds r left join refund_payouts p on p.refund_id = r.id
            where r.booking_id = $1 order by r.created_at, r.id"#,
        booking,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| RefundRow {
            id: row.id,
            pending_reason: row.pending_reason.filter(|_| row.state == RefundState::Pending.code()),
            failure: row.failure_code,
            payout: payout(row.way, row.paid_on, row.proof)
                .zip(row.recorded_at.map(jiff_sqlx::Timestamp::to_jiff)),
            state: row.state,
            amount_minor: row.amount_minor,
            currency: row.currency,
            reason: row.reason,
            parts: row.parts.0,
            stripe_id: row.stripe_refund_id,
            updated_at: row.updated_at.to_jiff(),
        })
        .collect())
}

/// A way that a newer version wrote is shown as another one rather than not at all.
fn payout(way: Option<String>, paid_on: Option<jiff_sqlx::Date>, proof: Option<String>) -> Option<Payout> {
    let way = Way::from_code(&way?).unwrap_or(Way::Other);
    Some(Payout { way, paid_on: paid_on?.to_jiff(), proof: proof? })
}

pub(super) async fn disputes(tx: &mut Tx<Staff>, booking: Uuid) -> Result<Vec<DisputeRow>, AppError> {
    let rows = sqlx::query!(
        r#"select stripe_dispute_id, state, is_inquiry, amount_minor, currency, reason,
                  answer_by as "answer_by: jiff_sqlx::Timestamp", opened_at as "opened_at: jiff_sqlx::Timestamp"
             from disputes where booking_id = $1 order by opened_at, id"#,
        booking,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| DisputeRow {
            state: row.state,
            is_inquiry: row.is_inquiry,
            amount_minor: row.amount_minor,
            currency: row.currency,
            reason: row.reason,
            stripe_id: row.stripe_dispute_id,
            answer_by: row.answer_by.map(jiff_sqlx::Timestamp::to_jiff),
            opened_at: row.opened_at.to_jiff(),
        })
        .collect())
}
