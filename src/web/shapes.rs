//! The words of travel as JSON. Their shape is a promise to programs: members are added, none is renamed or taken away. So
//! they are not what the database keeps, which may change with us.

use jiff::{SignedDuration, Timestamp, civil};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    error::FieldErrors,
    itinerary,
    money::{self, MoneyError},
};

pub use crate::itinerary::{Cabin, PassengerKind};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Money {
    /// In the smallest unit of the currency: 41260 of EUR, 41260 of JPY.
    #[schema(example = 41260)]
    pub minor: i64,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    pub currency: &'static str,
    /// The same for people: "412.60", "41260".
    #[schema(example = "412.60")]
    pub amount: String,
}

impl From<money::Money> for Money {
    fn from(money: money::Money) -> Self {
        // Programs read it as a number: no separators, and the plain sign.
        let amount = money.amount().replace(',', "").replace('−', "-");
        Self { minor: money.minor, currency: money.currency.code(), amount }
    }
}

/// An amount that a program names.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sum {
    #[schema(example = 41260)]
    minor: i64,
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: String,
}

impl Sum {
    pub fn check(&self, errors: &mut FieldErrors, field: &str) -> Option<money::Money> {
        match self.currency.parse() {
            Ok(currency) => Some(money::Money::new(self.minor, currency)),
            Err(_) => {
                errors.add(format!("{field}.currency"), "A currency that we sell in, like EUR");
                None
            }
        }
    }
}

/// An instant, and what the clock on the airport's wall shows then.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LocalTime {
    pub at: Timestamp,
    #[schema(value_type = String, example = "2026-12-14T09:55:00")]
    pub local: civil::DateTime,
}

impl From<itinerary::LocalTime> for LocalTime {
    fn from(time: itinerary::LocalTime) -> Self {
        Self { at: time.at, local: time.local }
    }
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Airport {
    #[schema(pattern = "^[A-Z]{3}$", example = "LIS")]
    pub code: String,
    #[schema(example = "Lisbon Portela Airport")]
    pub name: String,
    #[schema(example = "Lisbon")]
    pub city: String,
    /// ISO 3166-1 alpha-2.
    #[schema(pattern = "^[A-Z]{2}$", example = "PT")]
    pub country: String,
    /// IANA time zone.
    #[schema(example = "Europe/Lisbon")]
    pub zone: String,
}

impl From<&itinerary::Airport> for Airport {
    fn from(airport: &itinerary::Airport) -> Self {
        Self {
            code: airport.code.to_string(),
            name: airport.name.clone(),
            city: airport.city.clone(),
            country: airport.country.clone(),
            zone: airport.zone.clone(),
        }
    }
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Carrier {
    #[schema(example = "HX")]
    pub code: String,
    #[schema(example = "Halcyon Air")]
    pub name: String,
}

impl From<&itinerary::Carrier> for Carrier {
    fn from(carrier: &itinerary::Carrier) -> Self {
        Self { code: carrier.code.clone(), name: carrier.name.clone() }
    }
}

/// One flight number, one take-off, one landing.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Segment {
    pub carrier: Carrier,
    #[schema(example = 118)]
    pub number: u16,
    /// Who flies, where that is not who sells.
    #[schema(required)]
    pub operated_by: Option<Carrier>,
    pub origin: Airport,
    pub destination: Airport,
    pub departs: LocalTime,
    pub arrives: LocalTime,
    #[schema(example = 165)]
    pub duration_minutes: i64,
    #[schema(example = "Airbus A320")]
    pub aircraft: String,
    pub cabin: Cabin,
    #[schema(example = "YLWOW")]
    pub fare_basis: String,
}

impl From<&itinerary::Segment> for Segment {
    fn from(segment: &itinerary::Segment) -> Self {
        Self {
            carrier: (&segment.carrier).into(),
            number: segment.number,
            operated_by: segment.operated_by.as_ref().map(Carrier::from),
            origin: (&segment.from).into(),
            destination: (&segment.to).into(),
            departs: segment.departs.into(),
            arrives: segment.arrives.into(),
            duration_minutes: minutes(segment.duration()),
            aircraft: segment.aircraft.clone(),
            cabin: segment.cabin,
            fare_basis: segment.fare_basis.clone(),
        }
    }
}

/// One origin to one destination.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Slice {
    /// Airport code.
    #[schema(pattern = "^[A-Z]{3}$", example = "LIS")]
    pub origin: String,
    #[schema(pattern = "^[A-Z]{3}$", example = "LHR")]
    pub destination: String,
    pub departs: LocalTime,
    pub arrives: LocalTime,
    #[schema(example = 165)]
    pub duration_minutes: i64,
    #[schema(example = 0)]
    pub stops: usize,
    pub segments: Vec<Segment>,
}

impl From<&itinerary::Slice> for Slice {
    fn from(slice: &itinerary::Slice) -> Self {
        let SliceInShort { origin, destination, departs, arrives, duration_minutes, stops } = slice.into();
        let segments = slice.segments().iter().map(Segment::from).collect();
        Self { origin, destination, departs, arrives, duration_minutes, stops, segments }
    }
}

/// For a line of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SliceInShort {
    /// Airport code.
    #[schema(pattern = "^[A-Z]{3}$", example = "LIS")]
    pub origin: String,
    #[schema(pattern = "^[A-Z]{3}$", example = "LHR")]
    pub destination: String,
    pub departs: LocalTime,
    pub arrives: LocalTime,
    #[schema(example = 165)]
    pub duration_minutes: i64,
    #[schema(example = 0)]
    pub stops: usize,
}

impl From<&itinerary::Slice> for SliceInShort {
    fn from(slice: &itinerary::Slice) -> Self {
        Self {
            origin: slice.first().from.code.to_string(),
            destination: slice.last().to.code.to_string(),
            departs: slice.first().departs.into(),
            arrives: slice.last().arrives.into(),
            duration_minutes: minutes(slice.duration()),
            stops: slice.stops(),
        }
    }
}

fn minutes(duration: SignedDuration) -> i64 {
    duration.as_mins()
}

/// What may be done with a ticket before departure, per passenger.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Condition {
    pub rule: ConditionRule,
    /// With `fee` only. Of a refund it is what the airline keeps.
    #[schema(required)]
    pub fee: Option<Money>,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConditionRule {
    Free,
    Fee,
    No,
    /// The airline does not say.
    Unknown,
}

impl From<itinerary::Condition> for Condition {
    fn from(condition: itinerary::Condition) -> Self {
        let (rule, fee) = match condition {
            itinerary::Condition::Free => (ConditionRule::Free, None),
            itinerary::Condition::Fee(fee) => (ConditionRule::Fee, Some(fee.into())),
            itinerary::Condition::No => (ConditionRule::No, None),
            itinerary::Condition::Unknown => (ConditionRule::Unknown, None),
        };
        Self { rule, fee }
    }
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Fare {
    /// Fare family: "Light", "Classic".
    #[schema(example = "Classic")]
    pub brand: String,
    /// Null where the airline tells no weights.
    #[schema(example = 8)]
    pub cabin_bag_kg: Option<u8>,
    /// For each passenger with a seat; of 23 kg where weights are told.
    #[schema(example = 1)]
    pub checked_bags: u8,
    pub change: Condition,
    pub refund: Condition,
}

impl From<&itinerary::Fare> for Fare {
    fn from(fare: &itinerary::Fare) -> Self {
        Self {
            brand: fare.brand.clone(),
            cabin_bag_kg: fare.tells_weights().then_some(fare.cabin_bag_kg),
            checked_bags: fare.checked_bags,
            change: fare.conditions.change.into(),
            refund: fare.conditions.refund.into(),
        }
    }
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Tax {
    #[schema(example = "YP")]
    pub code: String,
    #[schema(example = "Passenger service charge")]
    pub name: String,
    pub amount: Money,
}

/// All passengers of a kind.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PassengerPrice {
    pub kind: PassengerKind,
    #[schema(example = 1)]
    pub count: u8,
    /// Of one passenger, without taxes.
    pub fare: Money,
    /// Of one passenger.
    pub taxes: Vec<Tax>,
    pub each: Money,
    pub all: Money,
    /// The airline tells one price for the whole party: then this is the only line, whatever its kind and count say.
    #[schema(example = false)]
    pub whole_party: bool,
}

impl TryFrom<&itinerary::PassengerPrice> for PassengerPrice {
    type Error = MoneyError;
    fn try_from(price: &itinerary::PassengerPrice) -> Result<Self, MoneyError> {
        let tax = |tax: &itinerary::Tax| Tax {
            code: tax.code.clone(),
            name: tax.name.clone(),
            amount: tax.amount.into(),
        };
        Ok(Self {
            kind: price.kind,
            count: price.count,
            fare: price.fare.into(),
            taxes: price.taxes.iter().map(tax).collect(),
            each: price.each()?.into(),
            all: price.all()?.into(),
            whole_party: price.whole_party,
        })
    }
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Party {
    #[schema(example = 2)]
    pub adults: u8,
    #[schema(example = 1)]
    pub children: u8,
    /// Each on an adult's lap.
    #[schema(example = 0)]
    pub infants: u8,
}

impl From<itinerary::Party> for Party {
    fn from(party: itinerary::Party) -> Self {
        let [adults, children, infants] = itinerary::PassengerKind::ALL.map(|kind| party.count(kind));
        Self { adults, children, infants }
    }
}

/// A priced itinerary.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Offer {
    /// Names it in a booking. Good until `expires_at`.
    pub id: String,
    pub slices: Vec<Slice>,
    pub party: Party,
    pub cabin: Cabin,
    pub fare: Fare,
    pub prices: Vec<PassengerPrice>,
    /// What everybody pays together, taxes included.
    pub total: Money,
    pub quoted_at: Timestamp,
    pub expires_at: Timestamp,
    /// For each passenger with a seat, where the airline says.
    #[schema(required, example = 128000)]
    pub co2_grams: Option<u32>,
    /// Whether the booking needs the passport of each passenger.
    pub needs_passports: bool,
}

impl TryFrom<&itinerary::Offer> for Offer {
    type Error = MoneyError;
    fn try_from(offer: &itinerary::Offer) -> Result<Self, MoneyError> {
        Ok(Self {
            id: offer.id.to_string(),
            slices: offer.slices.iter().map(Slice::from).collect(),
            party: offer.party.into(),
            cabin: offer.cabin,
            fare: (&offer.fare).into(),
            prices: offer.prices.iter().map(PassengerPrice::try_from).collect::<Result<_, _>>()?,
            total: offer.total.into(),
            quoted_at: offer.quoted_at,
            expires_at: offer.expires_at,
            co2_grams: offer.co2_grams,
            needs_passports: offer.documents.is_asked(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        money::Currency,
        web::components::samples::{eur, plain},
    };

    #[test]
    fn an_amount_is_told_in_minor_units_and_as_a_number_that_programs_read() {
        let told = |minor, currency| Money::from(money::Money::new(minor, currency)).amount;
        assert_eq!(told(112_600, Currency::Eur), "1126.00");
        assert_eq!(told(-5, Currency::Eur), "-0.05");
        assert_eq!(told(1_234_567, Currency::Jpy), "1234567");
        assert_eq!(told(1_234_567, Currency::Bhd), "1234.567");
    }

    #[test]
    fn an_offer_keeps_its_sums_its_times_and_its_conditions() {
        let offer = plain();
        let told = serde_json::to_value(Offer::try_from(&offer).unwrap()).unwrap();
        assert_eq!(told["total"]["minor"], offer.total.minor);
        let sum: i64 =
            told["prices"].as_array().unwrap().iter().map(|p| p["all"]["minor"].as_i64().unwrap()).sum();
        assert_eq!(eur(sum), offer.sum_of_prices(Currency::Eur).unwrap());
        let (slice, segment) = (&told["slices"][0], &told["slices"][0]["segments"][0]);
        assert_eq!(slice["origin"], segment["origin"]["code"]);
        assert_eq!(slice["departs"]["local"].as_str().unwrap().len(), "2027-03-12T09:55:00".len());
        assert!(slice["departs"]["at"].as_str().unwrap().ends_with('Z'));
        assert!(["free", "fee", "no", "unknown"].contains(&told["fare"]["refund"]["rule"].as_str().unwrap()));
    }
}
