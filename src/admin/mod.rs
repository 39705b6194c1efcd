//! What staff see and do: all bookings and everything that is known of one, what needs a person, who is staff, and the log
//! of what they did. Personal data comes out masked.

pub mod api;
pub mod attention;
mod cancellation;
pub mod evidence;
pub mod inbox;
pub mod mails;
pub mod pages;
pub mod people;
mod record;
mod returns;
pub mod reveal;
mod store;
pub mod trail;

use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;

pub use self::cancellation::Cancellation;
pub use self::record::{
    AttemptRow, AttentionRow, Balance, BookingRecord, EventRow, InboxRow, JobRow, LedgerRow, MailRow,
    PassengerRow,
};
pub use self::returns::{DisputeRow, RefundPart, RefundRow};
use crate::{
    bookings::lifecycle::BookingState,
    db::{Db, Staff},
    error::{AppError, FieldErrors},
    ids::{BookingReference, UserId},
    personal::personal,
};

/// Lines of one page.
const PAGE: usize = 50;
const LONGEST_QUERY: usize = 254;
/// No reference and no address is shorter.
const SHORTEST_QUERY: usize = 3;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub state: Option<BookingState>,
    pub wanted: Option<Wanted>,
}

/// A typed text is a reference or an address. The whole of it: addresses come out masked, and whoever could ask for their
/// beginnings would read them letter by letter.
#[derive(Clone, PartialEq, Eq)]
pub struct Wanted {
    pub reference: Option<BookingReference>,
    /// In lower case, as typed otherwise.
    pub email: String,
}

personal!(Wanted { reference });

impl Filter {
    pub fn read(state: &str, query: &str) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let state = match state.trim() {
            "" => None,
            code => code.parse().map_err(|_| errors.add("state", "There is no such state")).ok(),
        };
        let query = query.trim();
        let wanted = match query.chars().count() {
            0 => None,
            _ if query.chars().any(char::is_control) => {
                errors.add("q", "There is a character in it that cannot be printed. Type it again");
                None
            }
            SHORTEST_QUERY..=LONGEST_QUERY => {
                Some(Wanted { reference: query.parse().ok(), email: query.to_lowercase() })
            }
            _ => {
                errors.add("q", format!("{SHORTEST_QUERY} to {LONGEST_QUERY} characters"));
                None
            }
        };
        if errors.is_empty() { Ok(Self { state, wanted }) } else { Err(errors) }
    }
}

/// A place in a list, newest first: it stays true while rows are added above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub created_at: Timestamp,
    pub id: Uuid,
}

/// As in an address: microseconds and id.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.created_at.as_microsecond(), self.id.simple())
    }
}

impl std::str::FromStr for Place {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (micros, id) = text.split_once('_').ok_or(())?;
        let created_at = micros.parse().ok().and_then(|micros| Timestamp::from_microsecond(micros).ok());
        // No booking is older than the epoch, and PostgreSQL's calendar is shorter than ours.
        let created_at = created_at.filter(|at| *at >= Timestamp::UNIX_EPOCH);
        Ok(Self { created_at: created_at.ok_or(())?, id: Uuid::try_parse(id).map_err(|_| ())? })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From<P = Place> {
    Newest,
    OlderThan(P),
    NewerThan(P),
}

#[derive(Clone, Debug)]
pub struct Line {
    pub place: Place,
    pub reference: String,
    pub state: String,
    pub supplier_state: String,
    pub payment: Option<String>,
    pub pnr: Option<String>,
    pub origin: String,
    pub destination: String,
    pub departs_at: Timestamp,
    /// Masked.
    pub passenger: Option<String>,
    pub amount_minor: i64,
    pub currency: String,
}

/// Where the pages before and after this one begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn<P = Place> {
    pub newer: Option<P>,
    pub older: Option<P>,
}

impl<P> Default for Turn<P> {
    fn default() -> Self {
        Self { newer: None, older: None }
    }
}

impl<P> Turn<P> {
    /// One line more than a page holds shows whether the list goes on.
    fn cut<T>(mut lines: Vec<T>, from: &From<P>, place: impl Fn(&T) -> P) -> (Vec<T>, Self) {
        let goes_on = lines.len() > PAGE;
        lines.truncate(PAGE);
        if matches!(from, From::NewerThan(_)) {
            lines.reverse();
        }
        let (has_newer, has_older) = match from {
            From::Newest => (false, goes_on),
            From::OlderThan(_) => (true, goes_on),
            From::NewerThan(_) => (goes_on, true),
        };
        let newer = lines.first().filter(|_| has_newer).map(&place);
        let older = lines.last().filter(|_| has_older).map(&place);
        (lines, Self { newer, older })
    }
}

#[derive(Clone, Debug, Default)]
pub struct List {
    pub lines: Vec<Line>,
    pub turn: Turn,
}

pub async fn list(db: &Db, staff: UserId, filter: &Filter, from: From) -> Result<List, AppError> {
    let mut tx = db.begin(Staff(staff)).await?;
    let lines = store::lines(&mut tx, filter, from, PAGE + 1).await?;
    let (lines, turn) = Turn::cut(lines, &from, |line| line.place);
    Ok(List { lines, turn })
}

pub async fn booking(
    db: &Db,
    staff: UserId,
    reference: &BookingReference,
) -> Result<BookingRecord, AppError> {
    let mut tx = db.begin(Staff(staff)).await?;
    record::load(&mut tx, reference).await
}

/// "Maria Inês Duarte" → "M*** Duarte": enough to find somebody on the phone.
pub fn mask_name(given: &str, family: &str) -> String {
    match given.trim().chars().next() {
        Some(initial) => format!("{initial}*** {family}"),
        None => family.to_owned(),
    }
}

/// "maria@example.com" → "m***@example.com".
pub fn mask_email(address: &str) -> String {
    match (address.chars().next(), address.rsplit_once('@')) {
        (Some(initial), Some((_, domain))) => format!("{initial}***@{domain}"),
        _ => "***".to_owned(),
    }
}

/// "+351 900 000 007" → "*** 07".
pub fn mask_phone(number: &str) -> String {
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    format!("*** {}", digits[digits.len().saturating_sub(2)..].iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_staff_type_becomes_a_filter_or_a_message() {
        let read = |state, query| Filter::read(state, query).map_err(|errors| errors.len());
        assert_eq!(read("", "  "), Ok(Filter::default()));
        assert_eq!(read("held", "").unwrap().state, Some(BookingState::Held));
        let wanted = read("", " k7w-q4m ").unwrap().wanted.unwrap();
        assert_eq!(wanted.reference.unwrap().as_str(), "K7WQ4M");
        let wanted = read("", "Maria@").unwrap().wanted.unwrap();
        assert_eq!((wanted.reference, wanted.email.as_str()), (None, "maria@"));
        assert!(read("", "'; drop table bookings; --").is_ok());
        for (state, query, faults) in
            [("paid", "", 1), ("", "ab", 1), ("", "a\0b", 1), ("' or 1=1", "x", 2), ("", &"x".repeat(300), 1)]
        {
            assert_eq!(read(state, query), Err(faults), "{state:?} {query:?}");
        }
    }

    #[test]
    fn a_place_reads_back_and_nonsense_is_none() {
        let place = Place { created_at: "2026-11-22T16:41:00.123456Z".parse().unwrap(), id: Uuid::max() };
        assert_eq!(place.to_string().parse(), Ok(place));
        for text in
            ["", "_", "1", "1_", "x_00000000000000000000000000000000", "99999999999999999999_0", "1_zz"]
        {
            assert_eq!(text.parse::<Place>(), Err(()), "{text:?}");
        }
    }

    #[test]
    fn masks_keep_what_helps_and_hide_the_rest() {
        assert_eq!(mask_name("Maria Inês", "Duarte"), "M*** Duarte");
        assert_eq!(mask_name("Émile", "Zola"), "É*** Zola");
        assert_eq!(mask_email("maria@example.com"), "m***@example.com");
        assert_eq!(mask_email("nonsense"), "***");
        assert_eq!(mask_phone("+351 900 000 007"), "*** 07");
        assert_eq!(mask_phone(""), "*** ");
    }
}
