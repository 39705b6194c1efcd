//! What papers and letters tell alike: the route, who flies, the fare and what it allows, how it was paid.

use std::borrow::Cow;

use jiff::{Timestamp, civil, tz::TimeZone};

use crate::{
    itinerary::{ComesBack, Condition, Fare, Offer, Passenger, PassengerKind, Slice},
    money::{Money, MoneyError},
    web::components::words,
};

/// "Lisbon to New York and back".
pub fn route(slices: &[Slice]) -> String {
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

/// "12 March to 26 March 2027": when each slice leaves.
pub fn days(slices: &[Slice]) -> String {
    let mut days: Vec<civil::Date> = slices.iter().map(|slice| slice.first().departs.local.date()).collect();
    days.dedup();
    let last_year = days.last().map(|day| day.year());
    let words = days.iter().enumerate().map(|(place, day)| {
        let year_follows = place + 1 < days.len() && Some(day.year()) == last_year;
        day.strftime(if year_follows { "%-d %B" } else { "%-d %B %Y" }).to_string()
    });
    words.collect::<Vec<_>>().join(" to ")
}

/// "22 Nov 2026, 16:41 (Lisbon time)": the traveller most likely reads it where the first flight leaves.
pub fn moment(slices: &[Slice], at: Timestamp) -> String {
    let from = slices.first().map(|slice| &slice.first().from);
    let zone = from.and_then(|airport| TimeZone::get(&airport.zone).ok());
    match (from, zone) {
        (Some(airport), Some(zone)) => {
            let local = zone.to_datetime(at).strftime("%-d %b %Y, %H:%M");
            format!("{local} ({} time)", airport.city)
        }
        _ => TimeZone::UTC.to_datetime(at).strftime("%-d %b %Y, %H:%M UTC").to_string(),
    }
}

/// One line for each kind of passenger, then each tax once for all of them.
pub fn price_lines(offer: &Offer) -> Result<Vec<(String, Money)>, MoneyError> {
    let mut fares = Vec::new();
    let mut taxes: Vec<(String, Money)> = Vec::new();
    for price in &offer.prices {
        let count = i64::from(price.count);
        let whose = if price.whole_party { offer.party.in_words() } else { people(price.kind, price.count) };
        fares.push((format!("Fare, {whose}"), price.fare.checked_mul(count)?));
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
    pub fn in_words(&self) -> String {
        let Passenger { given_names, family_name, kind, .. } = &self.passenger;
        let kind = match kind {
            PassengerKind::Adult => String::new(),
            kind => format!(" ({})", kind.code()),
        };
        let ticket = self.number().map(|number| format!(", ticket\u{a0}{number}"));
        let name = words::one_line(&format!("{given_names} {family_name}"));
        format!("{name}{kind}{}", ticket.unwrap_or_default())
    }

    /// "999 1234567890": the airline's figures, then the ticket's.
    pub fn number(&self) -> Option<String> {
        self.ticket.as_deref().map(|number| match number.split_at_checked(3) {
            Some((airline, serial)) => format!("{airline}\u{a0}{serial}"),
            None => number.to_owned(),
        })
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

/// A name and what stands beside it, line by line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub label: Cow<'static, str>,
    pub lines: Vec<String>,
}

impl Fact {
    pub fn new(label: &'static str, line: impl Into<String>) -> Self {
        Self { label: label.into(), lines: vec![line.into()] }
    }
}

pub fn passenger_fact(passengers: &[Ticketed]) -> Fact {
    let label = if passengers.len() == 1 { "Passenger" } else { "Passengers" };
    Fact { label: label.into(), lines: passengers.iter().map(Ticketed::in_words).collect() }
}

pub fn fare_facts(offer: &Offer) -> [Fact; 4] {
    let Fare { brand, cabin_bag_kg, checked_bags, conditions } = &offer.fare;
    let checked = match checked_bags {
        0 => "no checked bag".to_owned(),
        bags if !offer.fare.tells_weights() => {
            words::plural(usize::from(*bags), "checked bag", "checked bags")
        }
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
    let refund = match offer.comes_back() {
        ComesBack::InFull => "Yes, in full until departure".to_owned(),
        ComesBack::Less(fee) => format!("Yes, until departure, less {} each", words::round(fee)),
        ComesBack::FeeTakesAll(fee) => format!("No: the fee of {} each takes all of it", words::round(fee)),
        ComesBack::No => "No".to_owned(),
        ComesBack::Unknown => "Unknown. Ask us first".to_owned(),
    };
    let bags = if offer.fare.tells_weights() {
        format!("Cabin bag of {cabin_bag_kg}\u{a0}kg, {checked}{each}")
    } else {
        format!("Cabin bag as the airline allows, {checked}{each}")
    };
    [
        Fact::new("Fare", format!("{brand}, {}", offer.cabin.name())),
        Fact::new("Bags", bags),
        Fact::new("Change", change),
        Fact::new("Refund", refund),
    ]
}
