//! The staff's pages. The list of bookings and one booking stand here and change nothing.

pub mod attention;
mod cancellation;
mod disputes;
pub mod documents;
mod events;
pub mod evidence;
pub mod inbox;
pub mod mails;
pub mod people;
pub mod refund;
mod refund_lines;
pub mod said;
pub mod trail;

use std::{fmt, str::FromStr};

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use jiff::{Timestamp, tz::TimeZone};
use maud::html;
use serde::Deserialize;
use url::form_urlencoded;
use uuid::Uuid;

use self::cancellation::CancellationView;
use crate::{
    accounts::SecondFactors,
    admin::{self, BookingRecord, Filter, From, LedgerRow, Line, List, Turn, reveal::Reason},
    bookings::lifecycle::BookingState,
    db::Db,
    error::{AppError, FieldErrors},
    ids::BookingReference,
    itinerary::Offer,
    money::{Currency, Money},
    web::{
        chrome::Chrome,
        components::{Field, Fragment, Tone, badge, choice, error_summary, itinerary, log, pager, words},
        form::{Path, Query},
        powers::{May, Power, SeeBookings},
        principal::SignedInStaff,
    },
};

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct ListQuery {
    q: String,
    state: String,
    older: String,
    newer: String,
}

#[derive(Template)]
#[template(path = "admin/bookings.html")]
struct BookingsPage {
    chrome: Chrome,
    errors: FieldErrors,
    query: String,
    states: Fragment,
    lines: Vec<LineView>,
    pager: Fragment,
    /// May move money, but has no second factor to do it with.
    lacks_second_factor: bool,
}

struct LineView {
    reference: String,
    made: String,
    state: Fragment,
    payment: Fragment,
    supplier: String,
    itinerary: String,
    leaves: String,
    passenger: String,
    total: String,
}

/// Staff who type the shortest address want their list.
pub async fn index() -> Redirect {
    Redirect::to("/admin/bookings")
}

pub async fn bookings(
    State(db): State<Db>,
    State(factors): State<SecondFactors>,
    staff: May<SeeBookings>,
    chrome: Chrome,
    Query(query): Query<ListQuery>,
) -> Result<Response, AppError> {
    let (status, list, errors) = match Filter::read(&query.state, &query.q) {
        Ok(filter) => {
            let list = admin::list(&db, staff.user, &filter, place(&query.older, &query.newer)).await?;
            (StatusCode::OK, list, FieldErrors::default())
        }
        Err(errors) => (StatusCode::UNPROCESSABLE_ENTITY, List::default(), errors),
    };
    let lacks_second_factor = staff.may(Power::RefundMoney)
        && staff.second_factor_at.is_none()
        && factors.of(staff.user).await?.is_none();
    let page = BookingsPage {
        chrome,
        lacks_second_factor,
        states: state_choice(&query.state, &errors),
        pager: turn(
            "/admin/bookings",
            &[("q", &query.q), ("state", &query.state)],
            list.lines.len(),
            list.turn,
        ),
        lines: list.lines.into_iter().map(LineView::from).collect(),
        query: query.q.chars().filter(|c| !c.is_control()).collect(),
        errors,
    };
    Ok((status, Html(page.render()?)).into_response())
}

/// An address that has lost its place shows the newest: there is nothing to correct in it.
fn place<P: FromStr>(older: &str, newer: &str) -> From<P> {
    match (older.parse(), newer.parse()) {
        (Ok(place), _) => From::OlderThan(place),
        (_, Ok(place)) => From::NewerThan(place),
        _ => From::Newest,
    }
}

fn state_choice(chosen: &str, errors: &FieldErrors) -> Fragment {
    let words: Vec<(&str, String)> =
        BookingState::ALL.iter().map(|state| (state.code(), in_words(state.code()))).collect();
    let mut options = vec![("", "Any")];
    options.extend(words.iter().map(|(code, words)| (*code, words.as_str())));
    choice("state", "State", &options, chosen, errors)
}

/// The way to the pages before and after, with the same filter.
fn turn<P: fmt::Display>(address: &str, filter: &[(&str, &str)], shown: usize, turn: Turn<P>) -> Fragment {
    let link = |name: &str, place: String| {
        let pairs = filter.iter().copied().chain([(name, place.as_str())]);
        let given = pairs.filter(|(_, value)| !value.is_empty());
        format!("{address}?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish())
    };
    let newer = turn.newer.map(|place| link("newer", place.to_string()));
    let older = turn.older.map(|place| link("older", place.to_string()));
    let shown = match shown {
        0 => String::new(),
        count => format!("{count} shown, newest first"),
    };
    pager(
        "Pages",
        &shown,
        newer.as_deref().map(|href| (href, "Newer")),
        older.as_deref().map(|href| (href, "Older")),
    )
}

impl std::convert::From<Line> for LineView {
    fn from(line: Line) -> Self {
        Self {
            made: moment(line.place.created_at),
            state: state_badge(&line.state),
            payment: line.payment.as_deref().map_or_else(|| badge(Tone::Off, "None"), state_badge),
            supplier: line.pnr.unwrap_or_else(|| in_words(&line.supplier_state).to_lowercase()),
            itinerary: format!("{}–{}", line.origin, line.destination),
            leaves: day(line.departs_at),
            passenger: line.passenger.unwrap_or_else(|| "not given".to_owned()),
            total: amount(line.amount_minor, &line.currency),
            reference: line.reference,
        }
    }
}

#[derive(Template)]
#[template(path = "admin/booking.html")]
struct BookingPage {
    chrome: Chrome,
    said: Option<Fragment>,
    headline: String,
    state: Fragment,
    supplier: Fragment,
    total: String,
    made: String,
    hold: Option<String>,
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

/// A line of what was heard, sent or is to be done.
struct RowView {
    what: String,
    about: String,
    state: Fragment,
    at: String,
    note: String,
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
    fn new(chrome: Chrome, staff: &SignedInStaff, booking: BookingRecord, errors: &FieldErrors) -> Self {
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
            confirmed: booking.confirmed_at.map(moment),
            itinerary: offer.map(|offer| itinerary(&offer.slices)),
            attempts: attempts(&booking),
            refunds: refunds(&booking),
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

fn refunds(booking: &BookingRecord) -> Vec<RefundView> {
    let view = |refund: &admin::RefundRow| RefundView {
        state: state_badge(&refund.state),
        amount: amount(refund.amount_minor, &refund.currency),
        reason: in_words(&refund.reason),
        parts: refund.parts.iter().map(|part| part_in_words(booking, part, &refund.currency)).collect(),
        stripe: refund.stripe_id.clone().unwrap_or_default(),
        at: moment(refund.updated_at),
    };
    booking.refunds.iter().map(view).collect()
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

impl std::convert::From<&LedgerRow> for EntryView {
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

/// A currency that this version does not sell is shown in its smallest unit rather than guessed.
fn amount(minor: i64, currency: &str) -> String {
    match currency.parse::<Currency>() {
        Ok(known) => Money::new(minor, known).to_string(),
        Err(_) => format!("{currency} {minor} (smallest unit)"),
    }
}

pub fn state_badge(code: &str) -> Fragment {
    badge(tone(code), &in_words(code))
}

fn tone(code: &str) -> Tone {
    match code {
        "confirmed" | "captured" | "ordered" | "succeeded" | "sent" | "applied" | "delivered" => Tone::Good,
        "won" => Tone::Good,
        "lost" => Tone::Bad,
        "needs_response" | "under_review" => Tone::Warn,
        "held" | "open" | "authorised" | "pending" | "queued" | "parked" | "changed_by_airline" => Tone::Warn,
        "failed" | "refused" | "order_unknown" | "create_unknown" | "submit_unknown" | "dead"
        | "unreadable" | "abandoned" => Tone::Bad,
        "ticketing" | "cancelling" | "processing" | "ordering" | "creating" | "running" | "requested"
        | "submitted" => Tone::Now,
        _ => Tone::Off,
    }
}

/// The form again, with what is wrong.
pub fn again(page: impl Template) -> Result<Response, AppError> {
    Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
}

/// "order_unknown" → "Order unknown".
pub fn in_words(code: &str) -> String {
    let text = code.replace('_', " ");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn joined(parts: impl IntoIterator<Item = Option<String>>) -> String {
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Staff see UTC: one clock for the traveller's day, Stripe's and the log's.
pub fn moment(at: Timestamp) -> String {
    TimeZone::UTC.to_datetime(at).strftime("%-d %b %H:%M").to_string()
}

pub fn second(at: Timestamp) -> String {
    TimeZone::UTC.to_datetime(at).strftime("%-d %b %H:%M:%S").to_string()
}

fn day(at: Timestamp) -> String {
    TimeZone::UTC.to_datetime(at).strftime("%-d %b %Y").to_string()
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
    fn codes_and_amounts_are_put_into_words() {
        assert_eq!(in_words("order_unknown"), "Order unknown");
        assert_eq!(in_words(""), "");
        assert_eq!(amount(57_140, "EUR"), "EUR\u{a0}571.40");
        assert_eq!(amount(5, "XTS"), "XTS 5 (smallest unit)");
        assert_eq!(sides(-500, "EUR"), (String::new(), "EUR\u{a0}5.00".to_owned()));
    }

    #[test]
    fn every_state_of_a_booking_has_a_shape_of_its_meaning() {
        for state in BookingState::ALL {
            let expected = match state {
                BookingState::Confirmed => Tone::Good,
                BookingState::Held => Tone::Warn,
                BookingState::Failed => Tone::Bad,
                BookingState::Ticketing | BookingState::Cancelling => Tone::Now,
                BookingState::Draft | BookingState::Cancelled | BookingState::Expired => Tone::Off,
            };
            assert_eq!(tone(state.code()), expected, "{state:?}");
        }
    }
}
