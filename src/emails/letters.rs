//! The five letters, each with everything that it says. A letter that exists can be written: nothing in it is optional
//! that its words need. Pure.

use askama::Template;
use jiff::{Timestamp, civil, tz::TimeZone};

use crate::{
    config::{Config, Site},
    emails::{look, parts, plain},
    ids::BookingReference,
    itinerary::{Condition, Fare, Offer, Passenger, PassengerKind},
    money::{Money, MoneyError},
    web::components::words,
};

/// Mail programs cut long subjects; ours end before that.
const LONGEST_SUBJECT: usize = 120;

/// Who writes.
#[derive(Clone, Debug)]
pub struct Sender {
    pub site: Site,
    /// Without a slash at its end.
    pub base_url: String,
    /// The first line says that nothing is real.
    pub demo: bool,
}

impl From<&Config> for Sender {
    fn from(config: &Config) -> Self {
        Self { site: config.site.clone(), base_url: config.link(""), demo: config.mode.is_pretend() }
    }
}

impl Sender {
    pub fn booking_link(&self, reference: &BookingReference) -> String {
        format!("{}/bookings/{reference}", self.base_url)
    }

    pub fn search_link(&self) -> String {
        format!("{}/", self.base_url)
    }
}

#[derive(Clone, Debug)]
pub enum Letter {
    BookingConfirmation(BookingConfirmation),
    PaymentReceipt(PaymentReceipt),
    NotTicketed(NotTicketed),
    HoldExpired(HoldExpired),
    MoneyReturned(MoneyReturned),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    pub subject: String,
    pub text: String,
    pub html: String,
}

impl Letter {
    pub fn compose(&self, sender: &Sender) -> Result<Composed, askama::Error> {
        match self {
            Self::BookingConfirmation(letter) => letter.compose(sender),
            Self::PaymentReceipt(letter) => letter.compose(sender),
            Self::NotTicketed(letter) => letter.compose(sender),
            Self::HoldExpired(letter) => letter.compose(sender),
            Self::MoneyReturned(letter) => letter.compose(sender),
        }
    }
}

/// Three templates for each letter, and none of them without its letter.
macro_rules! written_by {
    ($($letter:ident: $subject:tt $text:tt $html:tt;)+) => {$(
        impl $letter {
            fn compose(&self, sender: &Sender) -> Result<Composed, askama::Error> {
                #[derive(Template)]
                #[template(path = $subject)]
                struct SubjectLine<'a> {
                    letter: &'a $letter,
                }
                #[derive(Template)]
                #[template(path = $text)]
                struct TextBody<'a> {
                    sender: &'a Sender,
                    letter: &'a $letter,
                }
                #[derive(Template)]
                #[template(path = $html)]
                struct HtmlBody<'a> {
                    sender: &'a Sender,
                    subject: &'a str,
                    letter: &'a $letter,
                }
                let subject = subject_line(&SubjectLine { letter: self }.render()?);
                let text = plain::set(&TextBody { sender, letter: self }.render()?);
                let html = HtmlBody { sender, subject: &subject, letter: self }.render()?;
                Ok(Composed { subject, text, html })
            }
        }
    )+};
}

written_by! {
    BookingConfirmation: "booking_confirmation/subject.txt" "booking_confirmation/body.txt" "booking_confirmation/body.html";
    PaymentReceipt: "payment_receipt/subject.txt" "payment_receipt/body.txt" "payment_receipt/body.html";
    NotTicketed: "not_ticketed/subject.txt" "not_ticketed/body.txt" "not_ticketed/body.html";
    HoldExpired: "hold_expired/subject.txt" "hold_expired/body.txt" "hold_expired/body.html";
    MoneyReturned: "money_returned/subject.txt" "money_returned/body.txt" "money_returned/body.html";
}

/// One line of plain characters: a header can neither be broken nor grow without end.
pub(super) fn subject_line(text: &str) -> String {
    plain::one_line(text).replace('\u{a0}', " ").chars().take(LONGEST_SUBJECT).collect()
}

/// What every letter knows of its booking.
#[derive(Clone, Debug)]
pub struct Brief {
    pub reference: BookingReference,
    pub offer: Offer,
    /// Fares and taxes, which add up to the offer's total.
    pub price_lines: Vec<(String, Money)>,
}

impl Brief {
    pub fn new(reference: &BookingReference, offer: &Offer) -> Result<Self, MoneyError> {
        Ok(Self { reference: reference.clone(), price_lines: price_lines(offer)?, offer: offer.clone() })
    }

    /// "Lisbon to New York and back".
    pub fn route(&self) -> String {
        let slices = &self.offer.slices;
        let ends: Vec<(&str, &str)> = slices
            .iter()
            .map(|slice| (slice.first().from.city.as_str(), slice.last().to.city.as_str()))
            .collect();
        match ends.as_slice() {
            [(from, to), (back_from, home)] if to == back_from && from == home => {
                format!("{from} to {to} and back")
            }
            ends => ends.iter().map(|(from, to)| format!("{from} to {to}")).collect::<Vec<_>>().join(", "),
        }
    }

    fn first_day(&self) -> Option<civil::Date> {
        self.offer.slices.first().map(|slice| slice.first().departs.local.date())
    }

    /// "12 March".
    pub fn day(&self) -> String {
        self.first_day().map(|day| day.strftime("%-d %B").to_string()).unwrap_or_default()
    }

    /// "12 March 2027".
    pub fn day_and_year(&self) -> String {
        self.first_day().map(|day| day.strftime("%-d %B %Y").to_string()).unwrap_or_default()
    }

    /// "22 Nov 2026, 16:41 (Lisbon time)": the traveller most likely reads it where the first flight leaves.
    fn moment(&self, at: Timestamp) -> String {
        let from = self.offer.slices.first().map(|slice| &slice.first().from);
        let zone = from.and_then(|airport| TimeZone::get(&airport.zone).ok());
        match (from, zone) {
            (Some(airport), Some(zone)) => {
                let local = zone.to_datetime(at).strftime("%-d %b %Y, %H:%M");
                format!("{local} ({} time)", airport.city)
            }
            _ => TimeZone::UTC.to_datetime(at).strftime("%-d %b %Y, %H:%M UTC").to_string(),
        }
    }
}

/// One line for each kind of passenger, then each tax once for all of them.
fn price_lines(offer: &Offer) -> Result<Vec<(String, Money)>, MoneyError> {
    let mut fares = Vec::new();
    let mut taxes: Vec<(String, Money)> = Vec::new();
    for price in &offer.prices {
        let count = i64::from(price.count);
        fares.push((format!("Fare, {}", people(price.kind, price.count)), price.fare.checked_mul(count)?));
        for tax in &price.taxes {
            let amount = tax.amount.checked_mul(count)?;
            match taxes.iter_mut().find(|(name, _)| *name == tax.name) {
                Some((_, sum)) => *sum = sum.checked_add(amount)?,
                None => taxes.push((tax.name.clone(), amount)),
            }
        }
    }
    fares.extend(taxes);
    Ok(fares)
}

fn people(kind: PassengerKind, count: u8) -> String {
    let (one, many) = match kind {
        PassengerKind::Adult => ("adult", "adults"),
        PassengerKind::Child => ("child", "children"),
        PassengerKind::Infant => ("infant", "infants"),
    };
    words::plural(usize::from(count), one, many)
}

/// A passenger and the ticket.
#[derive(Clone, Debug)]
pub struct Ticketed {
    pub passenger: Passenger,
    pub ticket: Option<String>,
}

impl Ticketed {
    /// "Maria Inês Duarte, ticket 999 1234567890".
    fn in_words(&self) -> String {
        let Passenger { given_names, family_name, kind, .. } = &self.passenger;
        let kind = match kind {
            PassengerKind::Adult => String::new(),
            kind => format!(" ({})", kind.code()),
        };
        let ticket = self.ticket.as_deref().map(|number| match number.split_at_checked(3) {
            Some((airline, serial)) => format!(", ticket\u{a0}{airline}\u{a0}{serial}"),
            None => format!(", ticket\u{a0}{number}"),
        });
        let name = plain::one_line(&format!("{given_names} {family_name}"));
        format!("{name}{kind}{}", ticket.unwrap_or_default())
    }
}

/// Money of one attempt.
#[derive(Clone, Debug)]
pub struct Payment {
    pub amount: Money,
    /// Brand, as Stripe spells it, and last four digits.
    pub card: Option<(String, String)>,
}

impl Payment {
    /// "Visa ending 4242".
    pub fn form(&self) -> String {
        match &self.card {
            Some((brand, last4)) => format!("{} ending {last4}", brand_name(brand)),
            None => "Online payment through Stripe".to_owned(),
        }
    }

    /// After "on" or "to": "your Visa ending 4242".
    pub fn place(&self) -> String {
        match &self.card {
            Some(_) => format!("your {}", self.form()),
            None => "the account that you paid from".to_owned(),
        }
    }
}

fn brand_name(code: &str) -> String {
    match code {
        "amex" => "American Express".to_owned(),
        "mastercard" => "Mastercard".to_owned(),
        "diners" => "Diners Club".to_owned(),
        "jcb" => "JCB".to_owned(),
        "unionpay" => "UnionPay".to_owned(),
        "eftpos_au" => "eftpos".to_owned(),
        "cartes_bancaires" => "Cartes Bancaires".to_owned(),
        "" | "unknown" => "card".to_owned(),
        other => {
            let mut letters = other.chars();
            letters
                .next()
                .map(|first| first.to_uppercase().to_string() + letters.as_str())
                .unwrap_or_default()
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// It was only set aside.
    Release,
    /// It was taken.
    Refund,
}

impl Return {
    /// What happens to the money, and what the bank will show.
    pub fn in_words(self, payment: &Payment) -> String {
        let (amount, place) = (payment.amount, payment.place());
        match self {
            Self::Release => format!(
                "{amount} total was set aside on {place}. It was never charged, and all of it is released. Your bank may \
                 show it as pending for up to 7 days; after that it disappears."
            ),
            Self::Refund => format!(
                "{amount} total was charged to {place}. All of it is refunded to the same place. Banks usually show a \
                 refund within 5 to 10 working days."
            ),
        }
    }
}

/// A name and what stands beside it, line by line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub label: &'static str,
    pub lines: Vec<String>,
}

impl Fact {
    fn new(label: &'static str, line: impl Into<String>) -> Self {
        Self { label, lines: vec![line.into()] }
    }
}

fn passenger_fact(passengers: &[Ticketed]) -> Fact {
    let label = if passengers.len() == 1 { "Passenger" } else { "Passengers" };
    Fact { label, lines: passengers.iter().map(Ticketed::in_words).collect() }
}

fn fare_facts(offer: &Offer) -> [Fact; 4] {
    let Fare { brand, cabin_bag_kg, checked_bags, conditions } = &offer.fare;
    let checked = match checked_bags {
        0 => "no checked bag".to_owned(),
        1 => "1 checked bag of 23\u{a0}kg".to_owned(),
        bags => format!("{bags} checked bags of 23\u{a0}kg each"),
    };
    let each = if offer.party.seats() > 1 { ", for each seat" } else { "" };
    let change = match conditions.change {
        Condition::Free => "Yes, until departure, for any price difference".to_owned(),
        Condition::Fee(fee) => {
            format!("Yes, until departure, for {} each and any price difference", words::round(fee))
        }
        Condition::No => "No".to_owned(),
        Condition::Unknown => "Unknown. Ask us first".to_owned(),
    };
    let refund = match conditions.refund {
        Condition::Free => "Yes, in full until departure".to_owned(),
        Condition::Fee(fee) => format!("Yes, until departure, less {} each", words::round(fee)),
        Condition::No => "No".to_owned(),
        Condition::Unknown => "Unknown. Ask us first".to_owned(),
    };
    [
        Fact::new("Fare", format!("{brand}, {}", offer.cabin.name())),
        Fact::new("Bags", format!("Cabin bag of {cabin_bag_kg}\u{a0}kg, {checked}{each}")),
        Fact::new("Change", change),
        Fact::new("Refund", refund),
    ]
}

/// The airline has issued the tickets.
#[derive(Clone, Debug)]
pub struct BookingConfirmation {
    pub booking: Brief,
    pub pnr: String,
    pub passengers: Vec<Ticketed>,
    pub payment: Payment,
    /// The charge follows the ticket by seconds; the mail may come in between.
    pub is_charged: bool,
}

impl BookingConfirmation {
    /// After "The airline has".
    pub fn seats(&self) -> &'static str {
        if self.booking.offer.party.seats() == 1 { "your seat" } else { "your seats" }
    }

    pub fn charge(&self) -> String {
        let (amount, form) = (self.payment.amount, self.payment.place());
        match (self.is_charged, &self.payment.card) {
            (true, Some(_)) => format!("{amount} total was charged to {form}."),
            (true, None) => format!("You paid {amount} total."),
            (false, _) => format!("{amount} total is now charged to {form}; the receipt follows."),
        }
    }

    pub fn facts(&self) -> Vec<Fact> {
        let mut facts =
            vec![passenger_fact(&self.passengers), Fact::new("Airline reference", self.pnr.clone())];
        facts.extend(fare_facts(&self.booking.offer));
        facts
    }
}

/// A card was charged for issued tickets.
#[derive(Clone, Debug)]
pub struct PaymentReceipt {
    pub booking: Brief,
    pub pnr: String,
    pub passengers: Vec<Ticketed>,
    pub payment: Payment,
    pub charged_at: Timestamp,
    /// The payment's name at Stripe, for questions about it.
    pub number: String,
}

impl PaymentReceipt {
    pub fn facts(&self, sender: &Sender) -> Vec<Fact> {
        let seller = &sender.site;
        let what = format!("Air tickets, {}, {}", self.booking.route(), self.booking.day_and_year());
        vec![
            Fact::new("Charged", format!("{} total", self.payment.amount)),
            Fact::new("Date", self.booking.moment(self.charged_at)),
            Fact::new("Paid with", self.payment.form()),
            Fact::new("For", what),
            passenger_fact(&self.passengers),
            Fact::new("Booking", self.booking.reference.as_str()),
            Fact::new("Airline reference", self.pnr.clone()),
            Fact::new("Payment", self.number.clone()),
            Fact { label: "Sold by", lines: vec![seller.seller_name.clone(), seller.seller_address.clone()] },
        ]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyNoTicket {
    SoldOut,
    Refused,
    PriceUp,
    OfferGone,
    SupplierUnavailable,
    /// A reason that a newer version wrote.
    Other,
}

impl WhyNoTicket {
    pub fn from_code(code: &str) -> Self {
        match code {
            "sold_out" => Self::SoldOut,
            "refused" => Self::Refused,
            "price_up" => Self::PriceUp,
            "offer_gone" => Self::OfferGone,
            "supplier_unavailable" => Self::SupplierUnavailable,
            _ => Self::Other,
        }
    }

    pub const fn in_words(self) -> &'static str {
        match self {
            Self::SoldOut => "The last seats went to someone else before the airline issued your tickets.",
            Self::Refused => "The airline refused to issue your tickets.",
            Self::PriceUp => {
                "The price went up before the airline issued your tickets, and we never charge more than you accepted."
            }
            Self::OfferGone => "The airline no longer sells these flights.",
            Self::SupplierUnavailable => {
                "The airline system did not answer for too long, so we stopped trying."
            }
            Self::Other => "The airline did not issue your tickets.",
        }
    }
}

/// Paid, but the airline did not issue tickets.
#[derive(Clone, Debug)]
pub struct NotTicketed {
    pub booking: Brief,
    pub why: WhyNoTicket,
    pub payment: Payment,
    pub back: Return,
}

impl NotTicketed {
    pub const fn headline(&self) -> &'static str {
        match self.back {
            Return::Release => "No ticket, and no charge",
            Return::Refund => "No ticket, and a full refund",
        }
    }
}

/// Nobody paid in time.
#[derive(Clone, Debug)]
pub struct HoldExpired {
    pub booking: Brief,
    pub held_until: Option<Timestamp>,
}

impl HoldExpired {
    /// After "Your seats were held": " until 22 Nov 2026, 16:41 (Lisbon time)".
    pub fn until(&self) -> String {
        self.held_until.map(|at| format!(" until {}", self.booking.moment(at))).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyReturned {
    /// Another payment came first.
    PaidAlready,
    BookingEnded,
}

/// Money came that the booking does not need.
#[derive(Clone, Debug)]
pub struct MoneyReturned {
    pub booking: Brief,
    pub why: WhyReturned,
    pub payment: Payment,
    pub back: Return,
}

impl MoneyReturned {
    pub fn why_in_words(&self) -> String {
        let reference = &self.booking.reference;
        match self.why {
            WhyReturned::PaidAlready => {
                format!(
                    "Booking {reference} was paid already, and then a second payment came. It is not needed."
                )
            }
            WhyReturned::BookingEnded => {
                format!(
                    "A payment came for booking {reference}, but that booking has ended. Nothing was bought with it."
                )
            }
        }
    }

    pub const fn effect_on_booking(&self) -> &'static str {
        match self.why {
            WhyReturned::PaidAlready => "Your booking is untouched, and so is the payment that it lives on.",
            WhyReturned::BookingEnded => "The booking stays as it is. Search again if you still want to fly.",
        }
    }
}
