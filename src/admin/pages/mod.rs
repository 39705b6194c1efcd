//! The staff's pages, and the words and shapes that they share.

pub mod attention;
pub mod booking;
pub mod bookings;
mod cancellation;
mod disputes;
pub mod documents;
mod events;
pub mod evidence;
pub mod inbox;
pub mod mails;
pub mod payout;
pub mod people;
pub mod refund;
mod refund_lines;
pub mod said;
pub mod trail;

use std::{fmt, str::FromStr};

use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use jiff::{Timestamp, tz::TimeZone};
use url::form_urlencoded;

use crate::{
    admin::{From, Turn},
    error::AppError,
    money::{Currency, Money},
    web::components::{Fragment, Tone, badge, pager},
};

/// A line of what was heard, sent or is to be done.
struct RowView {
    what: String,
    about: String,
    state: Fragment,
    at: String,
    note: String,
}

/// An address that has lost its place shows the newest: there is nothing to correct in it.
fn place<P: FromStr>(older: &str, newer: &str) -> From<P> {
    match (older.parse(), newer.parse()) {
        (Ok(place), _) => From::OlderThan(place),
        (_, Ok(place)) => From::NewerThan(place),
        _ => From::Newest,
    }
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
        "won" | "paid_by_hand" => Tone::Good,
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
    use crate::bookings::lifecycle::BookingState;

    #[test]
    fn codes_and_amounts_are_put_into_words() {
        assert_eq!(in_words("order_unknown"), "Order unknown");
        assert_eq!(in_words(""), "");
        assert_eq!(amount(57_140, "EUR"), "EUR\u{a0}571.40");
        assert_eq!(amount(5, "XTS"), "XTS 5 (smallest unit)");
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
