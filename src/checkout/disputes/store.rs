//! SQL of disputes.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::DisputeRow;
use crate::{
    checkout::lifecycle::DisputeState,
    db::{System, Tx},
    error::AppError,
    ids::{AttemptId, BookingId, DisputeId},
    money::Money,
};

struct Row {
    id: DisputeId,
    stripe_dispute_id: String,
    booking_id: BookingId,
    attempt_id: AttemptId,
    state: String,
    is_inquiry: bool,
    amount_minor: i64,
    currency: String,
    answer_by: Option<jiff_sqlx::Timestamp>,
}

macro_rules! dispute_rows {
    ($tail:literal, $($arg:expr),+) => {
        sqlx::query_as!(
            Row,
            r#"select id as "id: DisputeId", stripe_dispute_id, booking_id as "booking_id: BookingId",
                      attempt_id as "attempt_id: AttemptId", state, is_inquiry, amount_minor, currency,
                      answer_by as "answer_by: jiff_sqlx::Timestamp"
                 from disputes "#
                + $tail,
            $($arg),+
        )
    };
}

impl TryFrom<Row> for DisputeRow {
    type Error = AppError;

    fn try_from(row: Row) -> Result<Self, AppError> {
        Ok(Self {
            id: row.id,
            stripe_id: row.stripe_dispute_id,
            booking: row.booking_id,
            attempt: row.attempt_id,
            state: row.state.parse().map_err(|_| AppError::broken("a dispute state of another form"))?,
            is_inquiry: row.is_inquiry,
            amount: Money::new(row.amount_minor, row.currency.parse()?),
            answer_by: row.answer_by.map(jiff_sqlx::Timestamp::to_jiff),
        })
    }
}

/// After the locks of booking and attempt.
pub async fn lock(tx: &mut Tx<System>, stripe_id: &str) -> Result<Option<DisputeRow>, AppError> {
    let row = dispute_rows!("where stripe_dispute_id = $1 for no key update", stripe_id);
    row.fetch_optional(&mut **tx).await?.map(DisputeRow::try_from).transpose()
}

pub async fn find(tx: &mut Tx<System>, id: DisputeId) -> Result<Option<DisputeRow>, AppError> {
    let row = dispute_rows!("where id = $1", id.0);
    row.fetch_optional(&mut **tx).await?.map(DisputeRow::try_from).transpose()
}

pub async fn insert(
    tx: &mut Tx<System>,
    row: &DisputeRow,
    reason: &str,
    opened_at: Timestamp,
) -> Result<(), sqlx::Error> {
    let is_code = |text: &str| {
        (1..=60).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    sqlx::query!(
        "insert into disputes (id, booking_id, attempt_id, stripe_dispute_id, state, is_inquiry, amount_minor, currency,
                               reason, answer_by, opened_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        row.id.0,
        row.booking.0,
        row.attempt.0,
        row.stripe_id,
        row.state.code(),
        row.is_inquiry,
        row.amount.minor,
        row.amount.currency.code(),
        if is_code(reason) { reason } else { "general" },
        row.answer_by.map(|at| at.to_sqlx()) as _,
        opened_at.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn note(
    tx: &mut Tx<System>,
    id: DisputeId,
    is_inquiry: bool,
    answer_by: Option<Timestamp>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update disputes set is_inquiry = $2, answer_by = $3
          where id = $1 and (is_inquiry, answer_by) is distinct from ($2, $3)",
        id.0,
        is_inquiry,
        answer_by.map(|at| at.to_sqlx()) as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn set_state(
    tx: &mut Tx<System>,
    id: DisputeId,
    state: DisputeState,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update disputes set state = $2, closed_at = $3 where id = $1",
        id.0,
        state.code(),
        state.has_ended().then(|| now.to_sqlx()) as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// A bank has this payment and has not decided. One that only asks has taken nothing: money may go back while it does.
pub async fn is_open_of(tx: &mut Tx<System>, attempt: AttemptId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (select from disputes
                           where attempt_id = $1 and state in ('needs_response', 'under_review')
                             and not is_inquiry) as "open!""#,
        attempt.0,
    )
    .fetch_one(&mut **tx)
    .await
}

/// What banks have given to the traveller for good, of this payment.
pub async fn lost_of(tx: &mut Tx<System>, attempt: AttemptId) -> Result<Vec<(DisputeId, Money)>, AppError> {
    let rows = sqlx::query!(
        r#"select id as "id: DisputeId", amount_minor, currency from disputes
            where attempt_id = $1 and state = 'lost' and not is_inquiry order by id"#,
        attempt.0,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(|row| Ok((row.id, Money::new(row.amount_minor, row.currency.parse()?)))).collect()
}

/// A bank has given this payment, or a part of it, to the traveller for good.
pub async fn is_lost_of(tx: &mut Tx<System>, attempt: AttemptId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (select from disputes
                           where attempt_id = $1 and state = 'lost' and not is_inquiry) as "lost!""#,
        attempt.0,
    )
    .fetch_one(&mut **tx)
    .await
}
