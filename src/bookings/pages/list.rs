//! `GET /bookings`: the traveller's bookings, newest first.

use askama::Template;
use axum::{extract::State, response::Html};
use jiff::Timestamp;
use serde::Deserialize;
use tower_sessions::Session;

use crate::{
    bookings::{
        BookingLine, Bookings,
        pages::{
            claim,
            words::{self, badge_of},
        },
    },
    error::AppError,
    ids::BookingId,
    web::{
        chrome::Chrome,
        components::{Fragment, badge, pager},
        form::Query,
        principal::SignedIn,
    },
};

const ON_A_PAGE: u8 = 20;

#[derive(Deserialize)]
pub struct ListQuery {
    #[serde(default)]
    before: String,
}

#[derive(Template)]
#[template(path = "bookings/list.html")]
struct ListPage {
    chrome: Chrome,
    lines: Vec<Line>,
    /// Nothing at all, rather than nothing older.
    is_new: bool,
    pager: Option<Fragment>,
    /// Bookings made without an account that could be added.
    claim: Option<Fragment>,
}

struct Line {
    reference: String,
    route: String,
    dates: String,
    badge: Fragment,
    total: String,
}

pub async fn list(
    State(bookings): State<Bookings>,
    session: Session,
    who: SignedIn,
    chrome: Chrome,
    Query(query): Query<ListQuery>,
) -> Result<Html<String>, AppError> {
    let before = read_key(&query.before)?;
    claim::adopt(&bookings, &session, &who).await?;
    let mut found = bookings.list(who.user, before, ON_A_PAGE).await?;
    let has_older = found.len() > usize::from(ON_A_PAGE);
    found.truncate(usize::from(ON_A_PAGE));
    let older = found.last().filter(|_| has_older).map(|last| format!("/bookings?before={}", key(last)));
    let newest = before.is_some().then_some(("/bookings", "Newest"));
    let older = older.as_deref().map(|href| (href, "Older"));
    let pager = (newest.is_some() || older.is_some())
        .then(|| pager("Pages of bookings", "Newest first", newest, older));
    let lines = found.iter().map(Line::from).collect();
    let claim = claim::offer(bookings.claimable(who.user).await?);
    Ok(Html(ListPage { chrome, lines, is_new: before.is_none(), pager, claim }.render()?))
}

impl From<&BookingLine> for Line {
    fn from(line: &BookingLine) -> Self {
        let (tone, word) = badge_of(line.state);
        Self {
            reference: line.reference.to_string(),
            route: words::route(&line.offer.slices),
            dates: words::dates(&line.offer.slices),
            badge: badge(tone, word),
            total: line.amount.to_string(),
        }
    }
}

/// Where the next page begins: the last line's time in microseconds and its id.
pub fn key(line: &BookingLine) -> String {
    format!("{}.{}", line.created_at.as_microsecond(), line.id)
}

pub fn read_key(text: &str) -> Result<Option<(Timestamp, BookingId)>, AppError> {
    if text.is_empty() {
        return Ok(None);
    }
    let read = || {
        let (at, id) = text.split_once('.')?;
        // No booking is older than the epoch, and PostgreSQL's calendar is shorter than ours.
        let at =
            Timestamp::from_microsecond(at.parse().ok()?).ok().filter(|at| *at >= Timestamp::UNIX_EPOCH)?;
        Some((at, id.parse().ok()?))
    };
    read().map(Some).ok_or(AppError::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bookings::lifecycle::BookingState, web::components::samples::plain};

    #[test]
    fn the_key_of_a_line_reads_back_exactly_and_nothing_else_does() {
        let line = BookingLine {
            id: BookingId::new(),
            reference: "K7WQ4M".parse().unwrap(),
            state: BookingState::Held,
            amount: plain().total,
            offer: plain(),
            created_at: "2026-11-22T16:41:09.123456Z".parse().unwrap(),
        };
        assert_eq!(read_key(&key(&line)).unwrap(), Some((line.created_at, line.id)));
        assert_eq!(read_key("").unwrap(), None);
        for text in ["x", "1.2", "9223372036854775807.00000000-0000-0000-0000-000000000000", "1.'; --"] {
            assert!(matches!(read_key(text), Err(AppError::NotFound)), "{text}");
        }
    }
}
