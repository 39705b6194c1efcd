//! SQL of attempts and of what stands in the way of moving their money; refunds and the event inbox have rooms of their own.

mod inbox;
mod parts;
mod payouts;
mod refunds;
mod returned;

pub use inbox::{InboxEvent, inbox_event, receive_events, set_event_state};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
pub use parts::{insert_refund_parts, parts_back, refund_parts};
pub use payouts::{insert_payout, payout_of};
pub use refunds::{
    bump_refund_epoch, failed_in_hand, insert_foreign_refund, insert_refund, lock_refund,
    refund_by_stripe_id, refund_of, refunds_of, set_refund_reasons, set_refund_state, unmade_refunds,
    unrefunded,
};
pub use returned::returned;

use crate::{
    checkout::{Attempt, LetGo, facts::Facts, lifecycle::AttemptState},
    db::{Principal, System, Tx},
    error::AppError,
    ids::{AttemptId, BookingId},
    money::Money,
    payments::Card,
};

struct AttemptRow {
    id: AttemptId,
    booking_id: BookingId,
    state: String,
    amount_minor: i64,
    currency: String,
    quote_hash: String,
    livemode: bool,
    try_epoch: i32,
    checkout_session_id: Option<String>,
    payment_intent_id: Option<String>,
    checkout_url: Option<String>,
    session_expires_at: jiff_sqlx::Timestamp,
    card_brand: Option<String>,
    card_last4: Option<String>,
    failure_code: Option<String>,
    captured_minor: i64,
    quarantined: Option<String>,
    given_back_at: Option<jiff_sqlx::Timestamp>,
    let_go_minor: Option<i64>,
    let_go_currency: Option<String>,
    let_go_was_taken: Option<bool>,
    created_at: jiff_sqlx::Timestamp,
}

/// One select list for all readers; the tail says which rows and whether to lock them.
macro_rules! attempt_rows {
    ($tail:literal, $($arg:expr),+) => {
        sqlx::query_as!(
            AttemptRow,
            r#"select id as "id: AttemptId", booking_id as "booking_id: BookingId", state, amount_minor, currency,
                      quote_hash, livemode, try_epoch, checkout_session_id, payment_intent_id, checkout_url,
                      session_expires_at as "session_expires_at: jiff_sqlx::Timestamp", card_brand, card_last4,
                      failure_code, captured_minor, quarantined, given_back_at as "given_back_at: jiff_sqlx::Timestamp",
                      let_go_minor, let_go_currency, let_go_was_taken, created_at as "created_at: jiff_sqlx::Timestamp"
                 from attempts "#
                + $tail,
            $($arg),+
        )
    };
}

impl TryFrom<AttemptRow> for Attempt {
    type Error = AppError;

    fn try_from(row: AttemptRow) -> Result<Self, AppError> {
        let currency = row.currency.parse()?;
        let let_go = match (row.let_go_minor, row.let_go_currency, row.let_go_was_taken) {
            (Some(minor), Some(currency), Some(was_taken)) => {
                Some(LetGo { amount: Money::new(minor, currency.parse()?), was_taken })
            }
            _ => None,
        };
        Ok(Self {
            state: row.state.parse().map_err(|_| AppError::broken("an attempt state of another form"))?,
            id: row.id,
            booking: row.booking_id,
            amount: Money::new(row.amount_minor, currency),
            captured: Money::new(row.captured_minor, currency),
            quote_hash: row.quote_hash,
            livemode: row.livemode,
            try_epoch: row.try_epoch,
            session: row.checkout_session_id,
            payment_intent: row.payment_intent_id,
            url: row.checkout_url,
            session_expires_at: row.session_expires_at.to_jiff(),
            card: row.card_brand.zip(row.card_last4),
            failure: row.failure_code,
            quarantined: row.quarantined,
            given_back_at: row.given_back_at.map(jiff_sqlx::Timestamp::to_jiff),
            let_go,
            created_at: row.created_at.to_jiff(),
        })
    }
}

pub async fn insert_attempt(
    tx: &mut Tx<System>,
    attempt: &Attempt,
    accepted_from: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into attempts (id, booking_id, amount_minor, currency, quote_hash, livemode, session_expires_at, created_at,
                               accepted_from)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        attempt.id.0,
        attempt.booking.0,
        attempt.amount.minor,
        attempt.amount.currency.code(),
        attempt.quote_hash,
        attempt.livemode,
        attempt.session_expires_at.to_sqlx() as _,
        attempt.created_at.to_sqlx() as _,
        accepted_from,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn attempt(tx: &mut Tx<System>, id: AttemptId) -> Result<Option<Attempt>, AppError> {
    let row = attempt_rows!("where id = $1", id.0).fetch_optional(&mut **tx).await?;
    row.map(Attempt::try_from).transpose()
}

/// After the booking's own lock, always in this order.
pub async fn lock_attempt(tx: &mut Tx<System>, id: AttemptId) -> Result<Attempt, AppError> {
    let row = attempt_rows!("where id = $1 for no key update", id.0).fetch_optional(&mut **tx).await?;
    row.ok_or_else(|| AppError::broken(format!("attempt {id} is missing")))?.try_into()
}

/// Oldest first; whatever the principal may see.
pub async fn attempts_of<P: Principal>(tx: &mut Tx<P>, booking: BookingId) -> Result<Vec<Attempt>, AppError> {
    let rows = attempt_rows!("where booking_id = $1 order by created_at, id", booking.0);
    rows.fetch_all(&mut **tx).await?.into_iter().map(Attempt::try_from).collect()
}

/// Whose is this object of Stripe's?
pub async fn attempt_named(
    tx: &mut Tx<System>,
    names_attempt: Option<AttemptId>,
    session: Option<&str>,
    payment_intent: Option<&str>,
) -> Result<Option<Attempt>, AppError> {
    let row = attempt_rows!(
        "where id = $1 or checkout_session_id = $2 or payment_intent_id = $3 limit 1",
        names_attempt.map(|id| id.0),
        session,
        payment_intent
    )
    .fetch_optional(&mut **tx)
    .await?;
    row.map(Attempt::try_from).transpose()
}

pub async fn set_attempt_state(
    tx: &mut Tx<System>,
    id: AttemptId,
    state: AttemptState,
    captured: Money,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update attempts set state = $2, captured_minor = $3 where id = $1",
        id.0,
        state.code(),
        captured.minor,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Names and details that Stripe told, kept once known: a later answer without them takes nothing away.
pub async fn note_facts(tx: &mut Tx<System>, id: AttemptId, facts: &Facts) -> Result<(), sqlx::Error> {
    let session = facts.session.as_ref();
    let intent = facts.intent.as_ref();
    // Only what our columns take: a detail for the page must never keep money from being recognised.
    let card = intent.and_then(|intent| intent.card.as_ref()).filter(|card| is_card(card));
    let url = session.and_then(|session| session.url.as_deref()).filter(|url| url.len() <= 2_000);
    let failure = intent.and_then(|intent| intent.last_error.as_deref()).filter(|code| is_code(code));
    sqlx::query!(
        "update attempts set checkout_session_id = coalesce(checkout_session_id, $2),
                checkout_url = coalesce($3, checkout_url), payment_intent_id = coalesce(payment_intent_id, $4),
                card_brand = coalesce($5, card_brand), card_last4 = coalesce($6, card_last4),
                failure_code = coalesce($7, failure_code)
          where id = $1",
        id.0,
        session.map(|session| session.id.as_str()),
        url,
        intent.map(|intent| intent.id.as_str()),
        card.map(|card| card.brand.as_str()),
        card.map(|card| card.last4.as_str()),
        failure,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Whose money it was that lies in suspense; not where it is known to be another's.
pub async fn note_intent(tx: &mut Tx<System>, id: AttemptId, intent: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update attempts set payment_intent_id = $2
          where id = $1 and payment_intent_id is null
            and not exists (select from attempts other where other.payment_intent_id = $2)",
        id.0,
        intent,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

fn is_card(card: &Card) -> bool {
    let letters = |b: u8| b.is_ascii_lowercase() || b == b'_';
    (1..=30).contains(&card.brand.len())
        && card.brand.bytes().all(letters)
        && card.last4.len() == 4
        && card.last4.bytes().all(|b| b.is_ascii_digit())
}

/// One of the words that Stripe gives for a reason.
pub fn is_code(text: &str) -> bool {
    (1..=80).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

pub async fn set_failure(tx: &mut Tx<System>, id: AttemptId, code: &str) -> Result<(), sqlx::Error> {
    let code = if is_code(code) { code } else { "refused" };
    sqlx::query!("update attempts set failure_code = $2 where id = $1", id.0, code)
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// The next question about this attempt gets a new idempotency key. Two at once bump once.
pub async fn bump_epoch(tx: &mut Tx<System>, attempt: &Attempt) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update attempts set try_epoch = try_epoch + 1 where id = $1 and try_epoch = $2",
        attempt.id.0,
        attempt.try_epoch,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn quarantine(tx: &mut Tx<System>, id: AttemptId, why: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("update attempts set quarantined = $2 where id = $1", id.0, why)
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// Of acceptances that no bank asks about any more.
pub async fn forget_addresses_before(tx: &mut Tx<System>, at: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update attempts set accepted_from = null where accepted_from is not null and created_at < $1",
        at.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// A person has decided: its facts move it again.
pub async fn lift_quarantine(tx: &mut Tx<System>, id: AttemptId) -> Result<(), sqlx::Error> {
    sqlx::query!("update attempts set quarantined = null where id = $1", id.0)
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// A person has decided: it goes back. It stays frozen until it has.
pub async fn mark_given_back(tx: &mut Tx<System>, id: AttemptId, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!("update attempts set given_back_at = $2 where id = $1", id.0, now.to_sqlx() as _)
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub async fn note_let_go(tx: &mut Tx<System>, id: AttemptId, gone: &LetGo) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update attempts set let_go_minor = $2, let_go_currency = $3, let_go_was_taken = $4 where id = $1",
        id.0,
        gone.amount.minor,
        gone.amount.currency.code(),
        gone.was_taken,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Until when tickets without money can be paid; `None` once they are, or once that is over.
pub async fn set_pay_by(
    tx: &mut Tx<System>,
    id: BookingId,
    until: Option<Timestamp>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update bookings set pay_by = $2 where id = $1",
        id.0,
        until.map(|until| until.to_sqlx()) as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// What of an attempt's money lies without a ticket, and whether it has bought one.
pub struct Standing {
    pub deposits: Money,
    pub is_sold: bool,
}

pub async fn standing_in_ledger<P: Principal>(
    tx: &mut Tx<P>,
    attempt: &Attempt,
) -> Result<Standing, AppError> {
    let row = sqlx::query!(
        r#"with its as (
               select t.id, t.kind from ledger_transactions t
                where t.booking_id = $1
                  and split_part(t.posting_key, ':', 2) in
                      (select $2::uuid::text union all select r.id::text from refunds r where r.attempt_id = $2::uuid
                       union all select d.id::text from disputes d where d.attempt_id = $2::uuid))
           select coalesce((select -sum(e.amount_minor) from ledger_entries e join its on its.id = e.transaction_id
                             where e.account = 'customer_deposits'), 0)::bigint as "deposits!",
                  exists (select from its where its.kind = 'sold') as "is_sold!""#,
        attempt.booking.0,
        attempt.id.0,
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(Standing { deposits: Money::new(row.deposits, attempt.amount.currency), is_sold: row.is_sold })
}

/// Jobs or people that are at this booking's money at the moment: a refund of ours would cross theirs.
pub struct Busy {
    pub returning: bool,
    /// In earnest: a bank that only asks has taken nothing.
    pub disputed: bool,
    /// Refunded in Stripe's dashboard, in a way that our books cannot take in.
    pub refunded_elsewhere: bool,
}

pub async fn busy_with<P: Principal>(tx: &mut Tx<P>, booking: BookingId) -> Result<Busy, AppError> {
    let row = sqlx::query!(
        r#"select exists (select from outbox where kind = 'return_money' and subject = $1::uuid::text
                             and state in ('ready', 'running')) as "returning!",
                  exists (select from disputes where booking_id = $1 and state in ('needs_response', 'under_review')
                             and not is_inquiry)
                    or exists (select from attention_items i where i.kind = 'dispute' and i.booking_id = $1
                                  and i.resolved_at is null
                                  and not exists (select from disputes d where d.stripe_dispute_id = i.subject)) as "disputed!",
                  exists (select from attention_items where kind = 'refund_not_ours' and booking_id = $1
                             and resolved_at is null) as "refunded_elsewhere!""#,
        booking.0,
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(Busy { returning: row.returning, disputed: row.disputed, refunded_elsewhere: row.refunded_elsewhere })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_word_of_stripes_is_kept_as_a_reason() {
        for word in ["insufficient_funds", "x", "charge_3ds", &"a".repeat(80)] {
            assert!(is_code(word), "{word}");
        }
        for other in ["", "Insufficient", "two words", "kündigung", "a-b", &"a".repeat(81)] {
            assert!(!is_code(other), "{other}");
        }
    }

    #[test]
    fn only_a_brand_and_four_digits_are_kept_of_a_card() {
        let is =
            |brand: &str, last4: &str| is_card(&Card { brand: brand.to_owned(), last4: last4.to_owned() });
        assert!(is("visa", "4242") && is("american_express", "0005") && is(&"a".repeat(30), "0000"));
        for (brand, last4) in
            [("", "4242"), ("Visa", "4242"), ("visa", "424"), ("visa", "42424"), ("visa", "424x")]
        {
            assert!(!is(brand, last4), "{brand} {last4}");
        }
        assert!(!is(&"a".repeat(31), "4242"));
    }
}
