//! Everything that is known of one booking, read in one transaction.

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    admin::{
        Cancellation, DisputeRow, RefundRow, cancellation, mask_email, mask_name, mask_phone,
        returns::{disputes, refunds},
    },
    bookings::documents::DocumentNote,
    db::{Staff, Tx},
    error::AppError,
    ids::{BookingReference, PassengerId},
};

/// Jobs shown of one booking; older ones are done and told by the events.
const JOBS: i64 = 50;

#[derive(Debug)]
pub struct BookingRecord {
    pub reference: String,
    pub state: String,
    pub supplier_state: String,
    pub quote: Value,
    pub quote_hash: String,
    pub amount_minor: i64,
    pub currency: String,
    pub origin: String,
    pub destination: String,
    pub departs_at: Timestamp,
    pub supplier: String,
    pub order: Option<String>,
    pub pnr: Option<String>,
    pub hold_expires_at: Option<Timestamp>,
    /// Tickets without money can be paid again until then.
    pub pay_by: Option<Timestamp>,
    pub confirmed_at: Option<Timestamp>,
    pub ended_reason: Option<String>,
    pub created_at: Timestamp,
    pub has_account: bool,
    /// Masked.
    pub email: Option<String>,
    pub phone: Option<String>,
    pub passengers: Vec<PassengerRow>,
    pub attempts: Vec<AttemptRow>,
    pub refunds: Vec<RefundRow>,
    pub disputes: Vec<DisputeRow>,
    pub cancellations: Vec<Cancellation>,
    pub events: Vec<EventRow>,
    pub ledger: Vec<LedgerRow>,
    pub balances: Vec<Balance>,
    pub inbox: Vec<InboxRow>,
    pub mails: Vec<MailRow>,
    pub jobs: Vec<JobRow>,
    pub attention: Vec<AttentionRow>,
}

#[derive(Debug)]
pub struct PassengerRow {
    pub kind: String,
    pub name: String,
    pub ticket: Option<String>,
    /// Masked.
    pub document: Option<String>,
}

#[derive(Debug)]
pub struct AttemptRow {
    pub id: Uuid,
    pub state: String,
    pub amount_minor: i64,
    pub captured_minor: i64,
    pub currency: String,
    pub session: Option<String>,
    pub intent: Option<String>,
    pub card: Option<String>,
    pub failure: Option<String>,
    pub quarantined: Option<String>,
    pub updated_at: Timestamp,
}

#[derive(Debug)]
pub struct EventRow {
    pub at: Timestamp,
    pub kind: String,
    pub actor: String,
    pub data: Value,
}

#[derive(Debug)]
pub struct LedgerRow {
    pub transaction: i64,
    pub at: Timestamp,
    pub kind: String,
    pub account: String,
    /// A debit is positive, a credit negative.
    pub amount_minor: i64,
    pub currency: String,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Balance {
    pub account: String,
    pub amount_minor: i64,
    pub currency: String,
}

#[derive(Debug)]
pub struct InboxRow {
    pub id: String,
    pub kind: String,
    pub state: String,
    pub received_at: Timestamp,
}

#[derive(Debug)]
pub struct MailRow {
    pub id: Uuid,
    pub kind: String,
    pub to: String,
    pub state: String,
    pub last_error: Option<String>,
    pub created_at: Timestamp,
    pub sent_at: Option<Timestamp>,
}

#[derive(Debug)]
pub struct JobRow {
    pub kind: String,
    pub state: String,
    pub due_at: Timestamp,
    pub tries: i32,
    pub last_error: Option<String>,
}

#[derive(Debug)]
pub struct AttentionRow {
    pub id: i64,
    pub kind: String,
    pub detail: String,
    pub raised_at: Timestamp,
}

pub async fn load(tx: &mut Tx<Staff>, reference: &BookingReference) -> Result<BookingRecord, AppError> {
    let row = sqlx::query!(
        r#"select id, booking_reference, booking_status, supplier_status, quote, airline_change, quote_hash, amount_minor, currency, origin,
                  destination, departs_at as "departs_at: jiff_sqlx::Timestamp", supplier, supplier_order_id, pnr,
                  hold_expires_at as "hold_expires_at: jiff_sqlx::Timestamp", pay_by as "pay_by: jiff_sqlx::Timestamp",
                  confirmed_at as "confirmed_at: jiff_sqlx::Timestamp", ended_reason, contact_email, contact_phone,
                  user_id is not null as "has_account!", created_at as "created_at: jiff_sqlx::Timestamp"
             from bookings where booking_reference = $1"#,
        reference.as_str(),
    )
    .fetch_optional(&mut **tx)
    .await?
    .ok_or(AppError::NotFound)?;
    let attempts = attempts(tx, row.id).await?;
    let refunds = refunds(tx, row.id).await?;
    let disputes = disputes(tx, row.id).await?;
    let inbox = inbox(tx, &attempts).await?;
    let mails = mails(tx, row.id).await?;
    let mut subjects = vec![row.id.to_string()];
    subjects.extend(attempts.iter().map(|attempt| attempt.id.to_string()));
    subjects.extend(refunds.iter().map(|refund| refund.id.to_string()));
    subjects.extend(mails.iter().map(|mail| mail.id.to_string()));
    subjects.extend(inbox.iter().map(|event| event.id.clone()));
    let ledger = ledger(tx, row.id).await?;
    Ok(BookingRecord {
        passengers: passengers(tx, row.id).await?,
        events: events(tx, row.id).await?,
        cancellations: cancellation::of_booking(tx, row.id).await?,
        jobs: jobs(tx, &subjects).await?,
        attention: attention(tx, row.id).await?,
        balances: balances(&ledger),
        ledger,
        attempts,
        refunds,
        disputes,
        inbox,
        mails,
        reference: row.booking_reference,
        state: row.booking_status,
        supplier_state: row.supplier_status,
        quote: flights_now(row.quote, row.airline_change),
        quote_hash: row.quote_hash,
        amount_minor: row.amount_minor,
        currency: row.currency,
        origin: row.origin,
        destination: row.destination,
        departs_at: row.departs_at.to_jiff(),
        supplier: row.supplier,
        order: row.supplier_order_id,
        pnr: row.pnr,
        hold_expires_at: row.hold_expires_at.map(jiff_sqlx::Timestamp::to_jiff),
        pay_by: row.pay_by.map(jiff_sqlx::Timestamp::to_jiff),
        confirmed_at: row.confirmed_at.map(jiff_sqlx::Timestamp::to_jiff),
        ended_reason: row.ended_reason,
        created_at: row.created_at.to_jiff(),
        has_account: row.has_account,
        email: row.contact_email.as_deref().map(mask_email),
        phone: row.contact_phone.as_deref().map(mask_phone),
    })
}

async fn passengers(tx: &mut Tx<Staff>, booking: Uuid) -> Result<Vec<PassengerRow>, AppError> {
    let rows = sqlx::query!(
        r#"select p.id as "id: PassengerId", p.kind, p.given_names, p.family_name, p.ticket_number,
                  d.last_two as "last_two?", d.country as "country?", d.expires_on as "expires_on?: jiff_sqlx::Date"
             from passengers p left join travel_documents d on d.passenger_id = p.id
            where p.booking_id = $1 order by p.position"#,
        booking,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let known = row.last_two.zip(row.country).zip(row.expires_on);
            let document = known.map(|((last_two, country), expires_on)| {
                DocumentNote { passenger: row.id, last_two, country, expires_on: expires_on.to_jiff() }
                    .in_words()
            });
            let name = mask_name(&row.given_names, &row.family_name);
            PassengerRow { kind: row.kind, name, ticket: row.ticket_number, document }
        })
        .collect())
}

async fn attempts(tx: &mut Tx<Staff>, booking: Uuid) -> Result<Vec<AttemptRow>, AppError> {
    let rows = sqlx::query!(
        r#"select id, state, amount_minor, captured_minor, currency, checkout_session_id, payment_intent_id, card_brand,
                  card_last4, failure_code, quarantined, updated_at as "updated_at: jiff_sqlx::Timestamp"
             from attempts where booking_id = $1 order by created_at, id"#,
        booking,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| AttemptRow {
            id: row.id,
            state: row.state,
            amount_minor: row.amount_minor,
            captured_minor: row.captured_minor,
            currency: row.currency,
            session: row.checkout_session_id,
            intent: row.payment_intent_id,
            card: row.card_brand.zip(row.card_last4).map(|(brand, last4)| format!("{brand} {last4}")),
            failure: row.failure_code,
            quarantined: row.quarantined,
            updated_at: row.updated_at.to_jiff(),
        })
        .collect())
}

async fn events(tx: &mut Tx<Staff>, booking: Uuid) -> Result<Vec<EventRow>, AppError> {
    let rows = sqlx::query!(
        r#"select at as "at: jiff_sqlx::Timestamp", kind, actor, data from booking_events where booking_id = $1 order by id"#,
        booking,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| EventRow { at: row.at.to_jiff(), kind: row.kind, actor: row.actor, data: row.data })
        .collect())
}

async fn ledger(tx: &mut Tx<Staff>, booking: Uuid) -> Result<Vec<LedgerRow>, AppError> {
    let rows = sqlx::query!(
        r#"select t.id, t.at as "at: jiff_sqlx::Timestamp", t.kind, e.account, e.amount_minor, e.currency
             from ledger_transactions t join ledger_entries e on e.transaction_id = t.id
            where t.booking_id = $1 order by t.id, e.id"#,
        booking,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| LedgerRow {
            transaction: row.id,
            at: row.at.to_jiff(),
            kind: row.kind,
            account: row.account,
            amount_minor: row.amount_minor,
            currency: row.currency,
        })
        .collect())
}

/// What stands on each account of this booking, in the order in which they first appear.
fn balances(ledger: &[LedgerRow]) -> Vec<Balance> {
    let mut balances: Vec<Balance> = Vec::new();
    for row in ledger {
        match balances.iter_mut().find(|known| known.account == row.account && known.currency == row.currency)
        {
            Some(known) => known.amount_minor = known.amount_minor.saturating_add(row.amount_minor),
            None => balances.push(Balance {
                account: row.account.clone(),
                amount_minor: row.amount_minor,
                currency: row.currency.clone(),
            }),
        }
    }
    balances
}

async fn inbox(tx: &mut Tx<Staff>, attempts: &[AttemptRow]) -> Result<Vec<InboxRow>, AppError> {
    let ids: Vec<Uuid> = attempts.iter().map(|attempt| attempt.id).collect();
    let rows = sqlx::query!(
        r#"select id, kind, state, received_at as "received_at: jiff_sqlx::Timestamp"
             from stripe_events where attempt_id = any($1) order by received_at, id"#,
        &ids,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| InboxRow {
            id: row.id,
            kind: row.kind,
            state: row.state,
            received_at: row.received_at.to_jiff(),
        })
        .collect())
}

async fn mails(tx: &mut Tx<Staff>, booking: Uuid) -> Result<Vec<MailRow>, AppError> {
    let rows = sqlx::query!(
        r#"select id, kind, to_address, state, last_error, created_at as "created_at: jiff_sqlx::Timestamp",
                  sent_at as "sent_at: jiff_sqlx::Timestamp"
             from mails where booking_id = $1 order by created_at, id"#,
        booking,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| MailRow {
            id: row.id,
            kind: row.kind,
            to: mask_email(&row.to_address),
            state: row.state,
            last_error: row.last_error,
            created_at: row.created_at.to_jiff(),
            sent_at: row.sent_at.map(jiff_sqlx::Timestamp::to_jiff),
        })
        .collect())
}

async fn jobs(tx: &mut Tx<Staff>, subjects: &[String]) -> Result<Vec<JobRow>, AppError> {
    let rows = sqlx::query!(
        r#"select kind, state, due_at as "due_at: jiff_sqlx::Timestamp", tries, last_error
             from outbox where subject = any($1) order by id desc limit $2"#,
        subjects,
        JOBS,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| JobRow {
            kind: row.kind,
            state: row.state,
            due_at: row.due_at.to_jiff(),
            tries: row.tries,
            last_error: row.last_error,
        })
        .collect())
}

async fn attention(tx: &mut Tx<Staff>, booking: Uuid) -> Result<Vec<AttentionRow>, AppError> {
    let rows = sqlx::query!(
        r#"select id, kind, detail, raised_at as "raised_at: jiff_sqlx::Timestamp"
             from attention_items where booking_id = $1 and resolved_at is null order by raised_at"#,
        booking,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| AttentionRow {
            id: row.id,
            kind: row.kind,
            detail: row.detail,
            raised_at: row.raised_at.to_jiff(),
        })
        .collect())
}

/// The quote with the flights as the airline has changed them since.
fn flights_now(mut quote: Value, change: Option<Value>) -> Value {
    let slices = change.as_ref().and_then(|change| {
        let flights = change.get("flights")?;
        flights.get("rescheduled").or_else(|| flights.get("replaced"))
    });
    if let Some((slices, quote)) = slices.cloned().zip(quote.as_object_mut()) {
        quote.insert("slices".to_owned(), slices);
    }
    quote
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_is_the_sum_of_an_account_in_one_currency() {
        let row = |account: &str, amount_minor, currency: &str| LedgerRow {
            transaction: 1,
            at: Timestamp::UNIX_EPOCH,
            kind: "captured".to_owned(),
            account: account.to_owned(),
            amount_minor,
            currency: currency.to_owned(),
        };
        let rows = [row("a", 500, "EUR"), row("b", -500, "EUR"), row("a", -200, "EUR"), row("a", 7, "JPY")];
        let sums: Vec<(String, i64, String)> =
            balances(&rows).into_iter().map(|sum| (sum.account, sum.amount_minor, sum.currency)).collect();
        let expected = [("a", 300, "EUR"), ("b", -500, "EUR"), ("a", 7, "JPY")];
        assert_eq!(
            sums,
            expected.map(|(account, minor, currency)| (account.to_owned(), minor, currency.to_owned()))
        );
    }
}
