//! What a booking was cancelled by: the quote that the traveller took, and what the supplier said to it.

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    db::{Staff, Tx},
    error::AppError,
};

/// One word of the traveller. Where the supplier refused, there may be another one later.
#[derive(Debug)]
pub struct Cancellation {
    /// By which rule, as its database word.
    pub terms: String,
    /// Whether the money had been taken by then.
    pub charged: bool,
    pub paid_minor: i64,
    pub returned_minor: i64,
    pub kept_minor: i64,
    pub back_minor: i64,
    pub currency: String,
    pub accepted_at: Timestamp,
    /// When the supplier was first asked, and how it ended.
    pub asked_at: Option<Timestamp>,
    pub refused_at: Option<Timestamp>,
    pub done_at: Option<Timestamp>,
    /// What the supplier takes off our debt.
    pub credit_minor: Option<i64>,
}

/// Oldest first.
pub async fn of_booking(tx: &mut Tx<Staff>, booking: Uuid) -> Result<Vec<Cancellation>, AppError> {
    let rows = sqlx::query!(
        r#"select terms, charged, paid_minor, returned_minor, kept_minor, back_minor, currency, credit_minor,
                  accepted_at as "accepted_at!: jiff_sqlx::Timestamp", asked_at as "asked_at: jiff_sqlx::Timestamp",
                  refused_at as "refused_at: jiff_sqlx::Timestamp", done_at as "done_at: jiff_sqlx::Timestamp"
             from cancel_quotes where booking_id = $1 and accepted_at is not null order by accepted_at"#,
        booking,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Cancellation {
            terms: row.terms,
            charged: row.charged,
            paid_minor: row.paid_minor,
            returned_minor: row.returned_minor,
            kept_minor: row.kept_minor,
            back_minor: row.back_minor,
            currency: row.currency,
            accepted_at: row.accepted_at.to_jiff(),
            asked_at: row.asked_at.map(jiff_sqlx::Timestamp::to_jiff),
            refused_at: row.refused_at.map(jiff_sqlx::Timestamp::to_jiff),
            done_at: row.done_at.map(jiff_sqlx::Timestamp::to_jiff),
            credit_minor: row.credit_minor,
        })
        .collect())
}
