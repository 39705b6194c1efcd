//! One booking, with everything that was ever heard, sent, posted and decided about it.

use askama::Template;
use axum::{extract::State, response::Html};
use maud::html;
use uuid::Uuid;

use super::{
    RowView, amount,
    cancellation::{self, CancellationView},
    day, disputes, events, in_words, joined, mails, moment, said, second, state_badge,
};
use crate::{
    admin::{self, BookingRecord, LedgerRow, reveal::Reason},
    db::Db,
    error::{AppError, FieldErrors},
    ids::BookingReference,
    itinerary::Offer,
    web::{
        chrome::Chrome,
        components::{Fragment, choice, error_summary, itinerary, log, words},
        form::{Path, Query},
        powers::{May, Power, SeeBookings},
        principal::SignedInStaff,
    },
};

#[derive(Template)]
#[template(path = "admin/booking.html")]
pub(super) struct BookingPage {
    chrome: Chrome,
    said: Option<Fragment>,
    headline: String,
    state: Fragment,
    supplier: Fragment,
    total: String,
    made: String,
    hold: Option<String>,
    pay_by: Option<String>,
    confirmed: Option<String>,
    itinerary: Option<Fragment>,
    attempts: Vec<AttemptView>,
    refunds: Vec<RefundView>,
    disputes: Vec<disputes::DisputeView>,
    cancellations: Vec<CancellationView>,
    timeline: Fragment,
    ledger: Vec<EntryView>,
    balances: Vec<EntryView>,
    inbox: Vec<RowView>,
    /// With the mail's id.
    mails: Vec<(RowView, Uuid)>,
    jobs: Vec<RowView>,
    /// What it is, the detail, and its id.
    attention: Vec<(String, String, i64)>,
    may_refund: bool,
    /// Something was charged, which a bank may ask about.
    may_prove: bool,
    may_see_audit: bool,
    /// Why somebody wants to see the passports in full; for who may, where there are any.
    reveal: Option<Fragment>,
    /// Nobody said why.
    asks_why: bool,
    booking: BookingRecord,
}

struct AttemptView {
    number: usize,
    state: Fragment,
    amounts: String,
    stripe: String,
    note: String,
    at: String,
}

struct RefundView {
    state: Fragment,
    amount: String,
    reason: String,
    /// Whose what, and how much of it.
    parts: Vec<String>,
    /// Why it waits or failed, and how a person has paid it.
    notes: Vec<String>,
    /// Where it is recorded as paid by hand; for who may, where it failed.
    payout: Option<String>,
    stripe: String,
    at: String,
}

struct EntryView {
    transaction: String,
    at: String,
    why: String,
    account: String,
    debit: String,
    credit: String,
}

pub async fn booking(
    State(db): State<Db>,
    staff: May<SeeBookings>,
    chrome: Chrome,
    Path(reference): Path<String>,
    Query(query): Query<said::Done>,
) -> Result<Html<String>, AppError> {
    let reference: BookingReference = reference.parse().map_err(|_| AppError::NotFound)?;
    let record = admin::booking(&db, staff.user, &reference).await?;
    let page = BookingPage::new(chrome, &staff, record, &FieldErrors::default());
    Ok(Html(BookingPage { said: query.said(), ..page }.render()?))
}

impl BookingPage {
    pub(super) fn new(
        chrome: Chrome,
        staff: &SignedInStaff,
        booking: BookingRecord,
        errors: &FieldErrors,
    ) -> Self {
        let may_reveal = staff.may(Power::RevealDocuments);
        let total = amount(booking.amount_minor, &booking.currency);
        let passenger =
            booking.passengers.first().map(|passenger| format!(", {}", passenger.name)).unwrap_or_default();
        // A quote from an older version that no longer reads is still money and states: only the drawing is left out.
        let offer = serde_json::from_value::<Offer>(booking.quote.clone()).ok();
        Self {
            chrome,
            said: None,
            may_refund: staff.may(Power::RefundMoney) && has_money(&booking),
            may_prove: staff.may(Power::RefundMoney)
                && booking.attempts.iter().any(|attempt| attempt.captured_minor > 0),
            may_see_audit: staff.may(Power::SeeAudit),
            headline: format!(
                "{}–{}, {}{passenger}, {total}",
                booking.origin,
                booking.destination,
                day(booking.departs_at)
            ),
            state: state_badge(&booking.state),
            supplier: state_badge(&booking.supplier_state),
            total,
            made: moment(booking.created_at),
            hold: booking.hold_expires_at.map(moment),
            pay_by: booking.pay_by.map(moment),
            confirmed: booking.confirmed_at.map(moment),
            itinerary: offer.map(|offer| itinerary(&offer.slices)),
            attempts: attempts(&booking),
            refunds: refunds(&booking, staff.may(Power::RefundMoney)),
            disputes: disputes::of(&booking),
            cancellations: cancellation::views(&booking),
            timeline: log(&booking
                .events
                .iter()
                .map(|event| events::entry(event, &booking.attempts))
                .collect::<Vec<_>>()),
            ledger: booking.ledger.iter().map(EntryView::from).collect(),
            balances: balances(&booking),
            inbox: inbox(&booking),
            mails: mails::of_booking(&booking),
            jobs: jobs(&booking),
            attention: booking
                .attention
                .iter()
                .map(|item| (in_words(&item.kind), item.detail.clone(), item.id))
                .collect(),
            reveal: (may_reveal && has_documents(&booking)).then(|| reasons(errors)),
            asks_why: !errors.is_empty(),
            booking,
        }
    }
}

/// Taken and not given back yet; what is on its way back is decided.
fn has_money(booking: &BookingRecord) -> bool {
    let taken: i64 = booking.attempts.iter().map(|attempt| attempt.captured_minor).sum();
    let returned = booking.refunds.iter().filter(|refund| refund.state != "failed");
    taken > returned.map(|refund| refund.amount_minor).sum()
}

fn has_documents(booking: &BookingRecord) -> bool {
    booking.passengers.iter().any(|passenger| passenger.document.is_some())
}

fn reasons(errors: &FieldErrors) -> Fragment {
    let mut options = vec![("", "Choose")];
    options.extend(Reason::ALL.map(|reason| (reason.code(), reason.in_words())));
    html! {
        (error_summary(errors))
        (choice("reason", "Why you need the full numbers", &options, "", errors))
    }
    .into()
}

fn attempts(booking: &BookingRecord) -> Vec<AttemptView> {
    let view = |(place, attempt): (usize, &admin::AttemptRow)| AttemptView {
        number: place + 1,
        state: state_badge(&attempt.state),
        amounts: match attempt.captured_minor {
            0 => amount(attempt.amount_minor, &attempt.currency),
            captured => format!(
                "{}, captured {}",
                amount(attempt.amount_minor, &attempt.currency),
                amount(captured, &attempt.currency)
            ),
        },
        stripe: joined([attempt.session.clone(), attempt.intent.clone()]),
        note: joined([
            attempt.card.clone(),
            attempt.failure.as_deref().map(|code| failure(&attempt.state, code)),
            attempt.quarantined.as_deref().map(|why| format!("quarantined: {}", in_words(why))),
        ]),
        at: moment(attempt.updated_at),
    };
    booking.attempts.iter().enumerate().map(view).collect()
}

/// A card may be declined and the next one pay: then the reason is history, not the standing of the attempt.
fn failure(state: &str, code: &str) -> String {
    match state {
        "processing" | "authorised" | "captured" => {
            format!("declined before: {}", in_words(code).to_lowercase())
        }
        _ => in_words(code),
    }
}

fn part_in_words(booking: &BookingRecord, part: &admin::RefundPart, currency: &str) -> String {
    let whose = usize::from(part.passenger).checked_sub(1).and_then(|place| booking.passengers.get(place));
    let whose = whose.map_or("Everybody together", |passenger| passenger.name.as_str());
    format!("{whose}: {} {}", part.item.replace('_', " "), amount(part.amount_minor, currency))
}

fn refunds(booking: &BookingRecord, may_refund: bool) -> Vec<RefundView> {
    let view = |refund: &admin::RefundRow| RefundView {
        state: state_badge(&refund.state),
        amount: amount(refund.amount_minor, &refund.currency),
        reason: in_words(&refund.reason),
        parts: refund.parts.iter().map(|part| part_in_words(booking, part, &refund.currency)).collect(),
        notes: refund_notes(refund),
        payout: (may_refund && refund.state == "failed")
            .then(|| format!("/admin/bookings/{}/refunds/{}/payout", booking.reference, refund.id)),
        stripe: refund.stripe_id.clone().unwrap_or_default(),
        at: moment(refund.updated_at),
    };
    booking.refunds.iter().map(view).collect()
}

fn refund_notes(refund: &admin::RefundRow) -> Vec<String> {
    let reason = |what: &str, code: &str| format!("{what}: {}", in_words(code).to_lowercase());
    let notes = [
        refund.pending_reason.as_deref().map(|code| reason("Stripe waits", code)),
        refund.failure.as_deref().map(|code| reason("Failed", code)),
        refund
            .payout
            .as_ref()
            .map(|(payout, at)| format!("Paid {}. Recorded {}", payout.in_words(), moment(*at))),
    ];
    notes.into_iter().flatten().collect()
}

fn balances(booking: &BookingRecord) -> Vec<EntryView> {
    let view = |balance: &admin::Balance| {
        let (debit, credit) = sides(balance.amount_minor, &balance.currency);
        EntryView {
            transaction: String::new(),
            at: String::new(),
            why: String::new(),
            account: balance.account.clone(),
            debit,
            credit,
        }
    };
    booking.balances.iter().map(view).collect()
}

fn inbox(booking: &BookingRecord) -> Vec<RowView> {
    let view = |event: &admin::InboxRow| RowView {
        what: event.kind.clone(),
        about: event.id.clone(),
        state: state_badge(&event.state),
        at: moment(event.received_at),
        note: String::new(),
    };
    booking.inbox.iter().map(view).collect()
}

fn jobs(booking: &BookingRecord) -> Vec<RowView> {
    let view = |job: &admin::JobRow| RowView {
        what: in_words(&job.kind),
        about: words::plural(usize::try_from(job.tries).unwrap_or_default(), "try", "tries"),
        state: state_badge(&job.state),
        at: moment(job.due_at),
        note: job.last_error.clone().unwrap_or_default(),
    };
    booking.jobs.iter().map(view).collect()
}

impl From<&LedgerRow> for EntryView {
    fn from(row: &LedgerRow) -> Self {
        let (debit, credit) = sides(row.amount_minor, &row.currency);
        Self {
            transaction: row.transaction.to_string(),
            at: second(row.at),
            why: in_words(&row.kind).to_lowercase(),
            account: row.account.clone(),
            debit,
            credit,
        }
    }
}

fn sides(minor: i64, currency: &str) -> (String, String) {
    let text = amount(minor.saturating_abs(), currency);
    if minor < 0 { (String::new(), text) } else { (text, String::new()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decline_that_another_card_followed_is_told_as_history() {
        assert_eq!(failure("captured", "generic_decline"), "declined before: generic decline");
        assert_eq!(failure("open", "generic_decline"), "Generic decline");
    }

    #[test]
    fn money_stands_on_the_side_of_its_sign() {
        assert_eq!(sides(-500, "EUR"), (String::new(), "EUR\u{a0}5.00".to_owned()));
        assert_eq!(sides(500, "EUR"), ("EUR\u{a0}5.00".to_owned(), String::new()));
    }
}
