//! The words of travel. An [`Offer`] is self-contained: kept as a booking's quote, it still says everything
//! years later, when the timetable, the airport directory and even the airline have changed.

mod document;
mod fare;
mod people;

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

pub use document::{Document, DocumentNumber, DocumentRule, NotADocumentNumber};
pub use fare::{ComesBack, Condition, Conditions, Fare, OtherFare, PassengerPrice, Tax};
pub use people::{Contact, Party, PartyError, Passenger, PassengerKind, Sex};

use crate::money::{Currency, Money, MoneyError};

/// Three capital letters: an airport ("LHR") or a city with several airports ("LON").
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlaceCode([u8; 3]);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a place code has three letters")]
pub struct NotAPlaceCode;

impl PlaceCode {
    pub fn as_str(&self) -> &str {
        // Only capital ASCII letters get in, so this never falls back.
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl FromStr for PlaceCode {
    type Err = NotAPlaceCode;
    fn from_str(text: &str) -> Result<Self, NotAPlaceCode> {
        let bytes: [u8; 3] = text.as_bytes().try_into().map_err(|_| NotAPlaceCode)?;
        let upper = bytes.map(|byte| byte.to_ascii_uppercase());
        if upper.iter().all(u8::is_ascii_uppercase) { Ok(Self(upper)) } else { Err(NotAPlaceCode) }
    }
}

impl TryFrom<String> for PlaceCode {
    type Error = NotAPlaceCode;
    fn try_from(text: String) -> Result<Self, NotAPlaceCode> {
        text.parse()
    }
}

impl From<PlaceCode> for String {
    fn from(code: PlaceCode) -> String {
        code.as_str().to_owned()
    }
}

impl fmt::Display for PlaceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PlaceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Airport {
    pub code: PlaceCode,
    pub name: String,
    pub city: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// IANA zone, "Europe/Lisbon".
    pub zone: String,
    /// Millionths of a degree: exact, so that a quote's hash is the same on every machine.
    pub lat_micro: i32,
    pub lon_micro: i32,
}

/// An instant and what the clock on the airport's wall shows then. Both are kept: zone rules may change after the sale,
/// the time on the ticket does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalTime {
    pub at: Timestamp,
    pub local: civil::DateTime,
}

impl LocalTime {
    pub fn new(at: Timestamp, zone: &TimeZone) -> Self {
        Self { at, local: zone.to_datetime(at) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carrier {
    /// Two characters, "HX".
    pub code: String,
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cabin {
    Economy,
    PremiumEconomy,
    Business,
    First,
}

impl Cabin {
    pub const ALL: [Self; 4] = [Self::Economy, Self::PremiumEconomy, Self::Business, Self::First];

    /// As in URLs and JSON.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Economy => "economy",
            Self::PremiumEconomy => "premium_economy",
            Self::Business => "business",
            Self::First => "first",
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Economy => "Economy",
            Self::PremiumEconomy => "Premium economy",
            Self::Business => "Business",
            Self::First => "First",
        }
    }
}

impl FromStr for Cabin {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|cabin| cabin.code() == text || cabin.name() == text).ok_or(())
    }
}

/// One flight number, one take-off, one landing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    pub carrier: Carrier,
    pub number: u16,
    /// Who flies, where that is not who sells.
    pub operated_by: Option<Carrier>,
    pub from: Airport,
    pub to: Airport,
    pub departs: LocalTime,
    pub arrives: LocalTime,
    pub aircraft: String,
    pub cabin: Cabin,
    pub fare_basis: String,
}

impl Segment {
    pub fn duration(&self) -> SignedDuration {
        self.arrives.at.duration_since(self.departs.at)
    }

    /// "HX 118".
    pub fn flight(&self) -> String {
        format!("{}\u{a0}{}", self.carrier.code, self.number)
    }

    /// "HX 118 LIS JFK": the flight, whenever it leaves.
    pub fn leg(&self) -> String {
        format!("{} {} {}", self.flight(), self.from.code, self.to.code)
    }
}

/// One origin to one destination, of at least one segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Segment>", into = "Vec<Segment>")]
pub struct Slice(Vec<Segment>);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a slice has at least one segment, each leaving after the one before has landed")]
pub struct NotASlice;

impl TryFrom<Vec<Segment>> for Slice {
    type Error = NotASlice;
    fn try_from(segments: Vec<Segment>) -> Result<Self, NotASlice> {
        let in_order = segments.windows(2).all(|pair| pair[0].arrives.at < pair[1].departs.at);
        if segments.is_empty() || !in_order { Err(NotASlice) } else { Ok(Self(segments)) }
    }
}

impl From<Slice> for Vec<Segment> {
    fn from(slice: Slice) -> Self {
        slice.0
    }
}

impl Slice {
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    pub fn first(&self) -> &Segment {
        &self.0[0]
    }

    pub fn last(&self) -> &Segment {
        &self.0[self.0.len() - 1]
    }

    pub fn stops(&self) -> usize {
        self.0.len() - 1
    }

    pub fn duration(&self) -> SignedDuration {
        self.last().arrives.at.duration_since(self.first().departs.at)
    }
}

/// A flight as it was, and as it is; one of them is missing where it is not flown any more, or flown instead.
pub type Fate<'a> = (Option<&'a Segment>, Option<&'a Segment>);

/// What has become of each flight, in the order of old; then what is new.
pub fn fates<'a>(old: &'a [Slice], new: &'a [Slice]) -> Vec<Fate<'a>> {
    let mut left: Vec<&Segment> = new.iter().flat_map(Slice::segments).collect();
    let mut fates = Vec::new();
    for before in old.iter().flat_map(Slice::segments) {
        let found = left.iter().position(|now| now.leg() == before.leg());
        fates.push((Some(before), found.map(|at| left.remove(at))));
    }
    fates.extend(left.into_iter().map(|now| (None, Some(now))));
    fates
}

/// The supplier's name for an offer. Opaque to everyone else; safe in a URL path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OfferId(pub String);

impl fmt::Display for OfferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A priced itinerary, good until `expires_at`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    pub id: OfferId,
    pub slices: Vec<Slice>,
    pub party: Party,
    pub cabin: Cabin,
    pub fare: Fare,
    pub prices: Vec<PassengerPrice>,
    pub total: Money,
    pub quoted_at: Timestamp,
    pub expires_at: Timestamp,
    /// Per passenger with a seat, in grams; unknown where the supplier does not say.
    pub co2_grams: Option<u32>,
    /// Whether passports are needed to buy it. Quotes from before this was asked do not say.
    #[serde(default)]
    pub documents: DocumentRule,
    /// Of which all airlines that sell it are members.
    #[serde(default)]
    pub alliance: Option<String>,
    /// Known only of offers in a list, and only where the supplier tells them with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_fares: Vec<OtherFare>,
}

impl Offer {
    /// The total as its own parts make it.
    pub fn sum_of_prices(&self, currency: Currency) -> Result<Money, MoneyError> {
        let mut sum = Money::zero(currency);
        for price in &self.prices {
            sum = sum.checked_add(price.all()?)?;
        }
        Ok(sum)
    }

    /// The same flights at another of their fares.
    pub fn at(&self, other: &OtherFare) -> Self {
        let mut bases = other.fare_bases.iter();
        let mut slices = self.slices.clone();
        for segment in slices.iter_mut().flat_map(|slice| slice.0.iter_mut()) {
            if let Some(basis) = bases.next() {
                basis.clone_into(&mut segment.fare_basis);
            }
        }
        Self {
            id: other.id.clone(),
            slices,
            fare: other.fare.clone(),
            prices: other.prices.clone(),
            total: other.total,
            other_fares: Vec::new(),
            ..self.clone()
        }
    }

    pub fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.slices.iter().flat_map(|slice| slice.segments())
    }

    /// Fingerprint of what a traveller accepts: flights, fare, conditions, party and every price line, but not the
    /// offer's id or its times of quoting and lapsing, which change with each look at the same thing.
    pub fn accepted_hash(&self) -> Result<String, serde_json::Error> {
        let terms = serde_json::to_vec(&(
            &self.slices,
            &self.party,
            &self.cabin,
            &self.fare,
            &self.prices,
            &self.total,
        ))?;
        Ok(hex::encode(Sha256::digest(terms)))
    }
}

/// One leg of a search: a place may be an airport or a city.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SliceQuery {
    pub from: PlaceCode,
    pub to: PlaceCode,
    pub date: civil::Date,
}

/// What is asked of a supplier, already checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SearchQuery {
    pub slices: Vec<SliceQuery>,
    pub party: Party,
    pub cabin: Cabin,
}
