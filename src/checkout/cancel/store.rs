//! SQL of cancel quotes. Whoever writes one holds the booking's lock.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{
    checkout::cancel::{CancelQuote, terms::Figures},
    db::{Principal, System, Tx},
    error::AppError,
    ids::{AttemptId, BookingId, CancelQuoteId},
    money::Money,
};

struct QuoteRow {
    id: CancelQuoteId,
    attempt_id: AttemptId,
    terms: String,
    charged: bool,
    paid_minor: i64,
    returned_minor: i64,
    kept_minor: i64,
    back_minor: i64,
    currency: String,
    hash: String,
    expires_at: jiff_sqlx::Timestamp,
    accepted_at: Option<jiff_sqlx::Timestamp>,
    asked_at: Option<jiff_sqlx::Timestamp>,
    refused_at: Option<jiff_sqlx::Timestamp>,
    credit_minor: Option<i64>,
}

/// One select list for all readers; the tail says which row.
macro_rules! quote_row {
    ($tx:expr, $tail:literal, $($arg:expr),+) => {
        sqlx::query_as!(
            QuoteRow,
            r#"select id as "id: CancelQuoteId", attempt_id as "attempt_id: AttemptId", terms, charged, paid_minor,
                      returned_minor, kept_minor, back_minor, currency, hash,
                      expires_at as "expires_at: jiff_sqlx::Timestamp",
                      accepted_at as "accepted_at: jiff_sqlx::Timestamp",
                      asked_at as "asked_at: jiff_sqlx::Timestamp",
                      refused_at as "refused_at: jiff_sqlx::Timestamp", credit_minor
                 from cancel_quotes "#
                + $tail,
            $($arg),+
        )
        .fetch_optional(&mut **$tx)
        .await?
        .map(CancelQuote::try_from)
        .transpose()
    };
}

impl TryFrom<QuoteRow> for CancelQuote {
    type Error = AppError;

    fn try_from(row: QuoteRow) -> Result<Self, AppError> {
        let currency = row.currency.parse()?;
        let money = |minor| Money::new(minor, currency);
        Ok(Self {
            id: row.id,
            attempt: row.attempt_id,
            figures: Figures {
                terms: row.terms.parse().map_err(|_| AppError::broken("cancel terms of another form"))?,
                charged: row.charged,
                paid: money(row.paid_minor),
                returned: money(row.returned_minor),
                kept: money(row.kept_minor),
                back: money(row.back_minor),
                expires_at: row.expires_at.to_jiff(),
            },
            hash: row.hash,
            accepted_at: row.accepted_at.map(|at| at.to_jiff()),
            asked_before: row.asked_at.is_some(),
            is_refused: row.refused_at.is_some(),
            credit: row.credit_minor.map(money),
        })
    }
}

pub async fn insert(
    tx: &mut Tx<System>,
    booking: BookingId,
    attempt: AttemptId,
    figures: &Figures,
    now: Timestamp,
) -> Result<CancelQuote, AppError> {
    let (id, hash) = (CancelQuoteId::new(), figures.hash());
    sqlx::query!(
        "insert into cancel_quotes (id, booking_id, attempt_id, terms, charged, paid_minor, returned_minor, kept_minor,
                                    back_minor, currency, hash, made_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        id.0,
        booking.0,
        attempt.0,
        figures.terms.code(),
        figures.charged,
        figures.paid.minor,
        figures.returned.minor,
        figures.kept.minor,
        figures.back.minor,
        figures.paid.currency.code(),
        hash,
        now.to_sqlx() as _,
        figures.expires_at.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(CancelQuote {
        id,
        attempt,
        figures: *figures,
        hash,
        accepted_at: None,
        asked_before: false,
        is_refused: false,
        credit: None,
    })
}

/// A quote of these very figures that still has time: looking again makes no new one.
pub async fn standing(
    tx: &mut Tx<System>,
    booking: BookingId,
    attempt: AttemptId,
    hash: &str,
    now: Timestamp,
) -> Result<Option<CancelQuote>, AppError> {
    quote_row!(
        tx,
        "where booking_id = $1 and attempt_id = $2 and hash = $3 and expires_at > $4 and accepted_at is null
         order by expires_at desc limit 1",
        booking.0,
        attempt.0,
        hash,
        now.to_sqlx() as _
    )
}

pub async fn find(
    tx: &mut Tx<System>,
    booking: BookingId,
    id: CancelQuoteId,
) -> Result<Option<CancelQuote>, AppError> {
    quote_row!(tx, "where booking_id = $1 and id = $2", booking.0, id.0)
}

/// The one that the booking is, or was, cancelled by.
pub async fn accepted<P: Principal>(
    tx: &mut Tx<P>,
    booking: BookingId,
) -> Result<Option<CancelQuote>, AppError> {
    quote_row!(tx, "where booking_id = $1 and accepted_at is not null and refused_at is null", booking.0)
}

/// Nobody took them in time.
pub async fn forget_lapsed(
    tx: &mut Tx<System>,
    booking: BookingId,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "delete from cancel_quotes where booking_id = $1 and accepted_at is null and expires_at <= $2",
        booking.0,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn accept(tx: &mut Tx<System>, id: CancelQuoteId, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!("update cancel_quotes set accepted_at = $2 where id = $1", id.0, now.to_sqlx() as _)
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub async fn note_asked(tx: &mut Tx<System>, id: CancelQuoteId, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!("update cancel_quotes set asked_at = $2 where id = $1", id.0, now.to_sqlx() as _)
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub async fn note_refused(tx: &mut Tx<System>, id: CancelQuoteId, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!("update cancel_quotes set refused_at = $2 where id = $1", id.0, now.to_sqlx() as _)
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub async fn note_done(
    tx: &mut Tx<System>,
    id: CancelQuoteId,
    credit: Money,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update cancel_quotes set done_at = $2, credit_minor = $3 where id = $1",
        id.0,
        now.to_sqlx() as _,
        credit.minor,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// A person has been asked to settle it with the airline, and has not said yet that it is settled.
pub async fn is_with_a_person(tx: &mut Tx<System>, booking: BookingId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (select from attention_items where kind = 'cancel_asked' and booking_id = $1
                             and resolved_at is null) as "asked!""#,
        booking.0,
    )
    .fetch_one(&mut **tx)
    .await
}

/// The supplier's own name of what it sold.
pub async fn supplier_order(tx: &mut Tx<System>, booking: BookingId) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!("select supplier_order_id from bookings where id = $1", booking.0)
        .fetch_one(&mut **tx)
        .await
}
