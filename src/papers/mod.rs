//! The papers of a booking: the itinerary receipt as a page and as PDF, the receipt of what was paid, and the calendar. All
//! are drawn from one description of the booking, so that they cannot contradict each other. Pure, but for `pages`.

mod calendar;
mod face;
pub mod facts;
mod itinerary;
pub mod pages;
mod receipt;
mod sheet;

use std::sync::LazyLock;

use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use crate::{
    bookings::{Booking, Event, lifecycle::BookingState},
    checkout::{Standing, payouts::Way},
    config::{Config, Site},
    error::AppError,
    ids::{AttemptId, BookingId, BookingReference},
    itinerary::{Offer, Slice},
    money::{Money, MoneyError},
    supplier::Flights,
};
use face::Face;
use facts::{Payment, Ticketed};

static FACE: LazyLock<Option<Face>> = LazyLock::new(Face::load);

/// Events that change what a calendar or a receipt says. Each makes the next version of both.
const TURNS: [&str; 6] = ["confirmed", "changed_by_airline", "cancelling", "cancelled", "expired", "failed"];

/// Who issues papers, and where the booking is found.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub site: Site,
    /// Without a slash at its end.
    pub base_url: String,
    /// The name that calendar entries belong to.
    pub host: String,
    /// The first line says that nothing is real.
    pub demo: bool,
}

impl Issuer {
    pub fn new(site: Site, base_url: &str, demo: bool) -> Self {
        let host = Url::parse(base_url).ok().and_then(|url| url.host_str().map(str::to_owned));
        Self {
            site,
            base_url: base_url.to_owned(),
            host: host.unwrap_or_else(|| "localhost".to_owned()),
            demo,
        }
    }
}

impl From<&Config> for Issuer {
    fn from(config: &Config) -> Self {
        Self::new(config.site.clone(), &config.link(""), config.mode.is_pretend())
    }
}

/// Whether the airline lets somebody board with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    Valid,
    NotTicketed,
    BeingCancelled,
    /// The airline does not fly.
    NotFlown,
    Ended,
}

impl Validity {
    fn of(booking: &Booking) -> Self {
        let is_flown =
            booking.airline_change.as_ref().is_none_or(|change| change.flights != Flights::Cancelled);
        match booking.state {
            BookingState::Confirmed if !is_flown => Self::NotFlown,
            BookingState::Confirmed => Self::Valid,
            BookingState::Draft | BookingState::Held | BookingState::Ticketing => Self::NotTicketed,
            BookingState::Cancelling => Self::BeingCancelled,
            BookingState::Cancelled | BookingState::Expired | BookingState::Failed => Self::Ended,
        }
    }

    /// `None`: there is nothing to warn of.
    pub const fn warning(self) -> Option<&'static str> {
        match self {
            Self::Valid => None,
            Self::NotTicketed => {
                Some("Not valid for travel. No ticket has been issued for this booking yet.")
            }
            Self::BeingCancelled => Some("Not valid for travel. This booking is being cancelled."),
            Self::NotFlown => Some("Not valid for travel. The airline does not fly these flights."),
            Self::Ended => Some("Not valid for travel. This booking has ended."),
        }
    }
}

/// Money that was taken, or given back.
#[derive(Clone, Debug)]
pub struct Movement {
    pub at: Timestamp,
    pub what: &'static str,
    /// "Visa ending 4242", "Bank transfer".
    pub by: String,
    /// The payment's name at Stripe, or what it can be found by where it went past Stripe.
    pub number: String,
    /// Money that went back is negative.
    pub amount: Money,
}

/// Everything that any of the papers says.
#[derive(Clone, Debug)]
pub struct Papers {
    pub issuer: Issuer,
    pub booking: BookingId,
    pub reference: BookingReference,
    pub validity: Validity,
    pub pnr: Option<String>,
    /// When the tickets were issued.
    pub issued_at: Option<Timestamp>,
    pub offer: Offer,
    /// The flights as they were sold.
    pub sold: Vec<Slice>,
    pub passengers: Vec<Ticketed>,
    /// Fares and taxes, which add up to the total.
    pub price_lines: Vec<(String, Money)>,
    /// Oldest first.
    pub movements: Vec<Movement>,
    /// How often what they say has changed, and when it did last.
    pub version: usize,
    pub changed_at: Timestamp,
}

impl Papers {
    pub fn of(standing: &Standing, issuer: Issuer) -> Result<Self, MoneyError> {
        let file = &standing.file;
        let booking = &file.booking;
        let turns: Vec<&Event> =
            file.events.iter().filter(|event| TURNS.contains(&event.kind.as_str())).collect();
        let passengers = file.passengers.iter().cloned();
        Ok(Self {
            issuer,
            booking: booking.id,
            reference: booking.reference.clone(),
            validity: Validity::of(booking),
            pnr: booking.pnr.clone(),
            issued_at: booking.confirmed_at,
            price_lines: facts::price_lines(&booking.offer)?,
            offer: booking.offer.clone(),
            sold: booking.sold.clone(),
            passengers: passengers.map(|(passenger, ticket)| Ticketed { passenger, ticket }).collect(),
            movements: movements(standing),
            version: turns.len(),
            changed_at: turns.last().map_or(booking.created_at, |event| event.at.to_jiff()),
        })
    }

    /// "2026-11-22, 16:41 (Lisbon time)".
    fn moment(&self, at: Timestamp) -> String {
        facts::moment(&self.offer.slices, at)
    }

    /// What was taken and has not gone back.
    pub fn paid(&self) -> Result<Money, MoneyError> {
        Money::sum(self.offer.total.currency, self.movements.iter().map(|movement| movement.amount))
    }

    /// "Visa ending 4242", or what is so before anything was paid.
    pub fn form_of_payment(&self) -> String {
        let charged = self.movements.iter().filter(|movement| movement.amount.minor > 0);
        let forms: Vec<String> = charged.map(|movement| movement.by.clone()).collect();
        if forms.is_empty() { "Nothing has been charged yet".to_owned() } else { forms.join(", ") }
    }

    pub fn itinerary_pdf(&self) -> Result<Vec<u8>, AppError> {
        itinerary::draw(self, face()?).ok_or_else(|| AppError::broken("an itinerary could not be drawn"))
    }

    pub fn receipt_pdf(&self) -> Result<Vec<u8>, AppError> {
        let paid = self.paid()?;
        receipt::draw(self, paid, face()?).ok_or_else(|| AppError::broken("a receipt could not be drawn"))
    }

    pub fn calendar(&self) -> String {
        calendar::write(self)
    }

    /// The foot of every sheet.
    fn foot(&self) -> String {
        let Site { seller_name, seller_address, seller_email, .. } = &self.issuer.site;
        let reference = &self.reference;
        format!(
            "Booking {reference}. Times are local to each airport. Sold by {seller_name}, {seller_address}. \
             Questions: {seller_email}."
        )
    }
}

fn face() -> Result<Face, AppError> {
    FACE.clone().ok_or_else(|| AppError::broken("the type of papers cannot be read"))
}

fn movements(standing: &Standing) -> Vec<Movement> {
    let movement = |event: &Event| {
        let (what, sign) = match event.kind.as_str() {
            "payment_captured" => ("Charged", 1),
            "refund_succeeded" => ("Refunded", -1),
            "refund_paid_by_hand" => ("Paid back to you", -1),
            // The bank has sent it back.
            "refund_failed" if was_paid(standing, event) => ("Refund returned", 1),
            _ => return None,
        };
        let attempt = text(&event.data, "attempt")?.parse::<AttemptId>().ok()?;
        let attempt = standing.attempts.iter().find(|known| known.id == attempt)?;
        let currency = text(&event.data, "currency")?.parse().ok()?;
        let minor = match event.kind.as_str() {
            "payment_captured" => attempt.captured.minor,
            _ => event.data.get("amount_minor")?.as_i64()?,
        };
        let amount = Money::new(minor.checked_mul(sign)?, currency);
        let way = text(&event.data, "way").and_then(Way::from_code);
        let by = match way {
            Some(way) => way.in_words().to_owned(),
            None => Payment { amount, card: attempt.card.clone() }.form(),
        };
        let number = text(&event.data, "proof").filter(|_| way.is_some()).map(str::to_owned);
        let number = number.or_else(|| attempt.payment_intent.clone());
        let number = number.unwrap_or_else(|| attempt.id.to_string());
        Some(Movement { at: event.at.to_jiff(), what, by, number, amount })
    };
    standing.file.events.iter().filter_map(movement).collect()
}

/// A refund that failed before it was paid moved nothing.
fn was_paid(standing: &Standing, failed: &Event) -> bool {
    let refund = text(&failed.data, "refund");
    let paid = |event: &Event| event.kind == "refund_succeeded" && text(&event.data, "refund") == refund;
    refund.is_some() && standing.file.events.iter().any(paid)
}

fn text<'a>(data: &'a Value, name: &str) -> Option<&'a str> {
    data.get(name)?.as_str()
}

/// A file as it is sent: by whom a booking may be opened is decided before.
#[derive(Clone, Debug)]
pub struct Paper {
    pub name: String,
    pub kind: &'static str,
    pub bytes: Vec<u8>,
}

pub const PDF: &str = "application/pdf";
pub const CALENDAR: &str = "text/calendar; charset=utf-8; method=PUBLISH";

impl Papers {
    pub fn itinerary(&self) -> Result<Paper, AppError> {
        let name = format!("itinerary-{}.pdf", self.reference);
        Ok(Paper { name, kind: PDF, bytes: self.itinerary_pdf()? })
    }

    pub fn receipt(&self) -> Result<Paper, AppError> {
        let name = format!("receipt-{}.pdf", self.reference);
        Ok(Paper { name, kind: PDF, bytes: self.receipt_pdf()? })
    }

    pub fn calendar_file(&self) -> Paper {
        let name = format!("flights-{}.ics", self.reference);
        Paper { name, kind: CALENDAR, bytes: self.calendar().into_bytes() }
    }
}
