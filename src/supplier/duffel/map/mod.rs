//! From Duffel's words to ours. Nothing is guessed: what cannot be said in our words is an error that names the part, and
//! the offer is left out.

#[cfg(test)]
mod tests;

use jiff::{Timestamp, civil, tz::TimeZone};

use super::{client::shortened, wire};
use crate::{
    airports::Airports,
    itinerary::{
        Airport, Cabin, Carrier, Condition, Conditions, DocumentRule, Fare, LocalTime, Offer, OfferId, Party,
        PassengerKind, PassengerPrice, PlaceCode, Segment, Slice, Tax,
    },
    money::{Currency, Money},
};

/// The part that we have no words for, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {why}")]
pub(super) struct Unfit {
    pub part: &'static str,
    pub why: String,
}

fn unfit(part: &'static str, why: impl Into<String>) -> Unfit {
    Unfit { part, why: shortened(&why.into()) }
}

type Fits<T> = Result<T, Unfit>;

/// An amount, exactly, by its currency's decimals.
pub(super) fn money(part: &'static str, amount: &str, currency: &str) -> Fits<Money> {
    let known: Currency = currency.parse().map_err(|_| unfit(part, format!("currency {currency}")))?;
    let (whole, decimals) = amount.split_once('.').unwrap_or((amount, ""));
    let most = known.decimals() as usize;
    // "100.00" is how some airlines write a hundred yen; "100.50" is no amount of them.
    let (kept, rest) = decimals.split_at_checked(most.min(decimals.len())).unwrap_or((decimals, ""));
    if rest.bytes().any(|digit| digit != b'0') {
        return Err(unfit(part, "more decimals than the currency has"));
    }
    let exact = if kept.is_empty() { whole.to_owned() } else { format!("{whole}.{kept}") };
    let exact = Money::read(&exact, known);
    exact.map_err(|error| unfit(part, error.to_string()))
}

pub(super) fn instant(part: &'static str, text: &str) -> Fits<Timestamp> {
    text.parse().map_err(|_| unfit(part, "not an instant"))
}

pub(super) fn offer(told: &wire::Offer, airports: &Airports, now: Timestamp) -> Fits<Offer> {
    let party = party(&told.passengers)?;
    let slices: Vec<Slice> =
        told.slices.iter().map(|slice| self::slice(slice, airports)).collect::<Fits<_>>()?;
    let first = slices.first().ok_or_else(|| unfit("slices", "none"))?;
    let cabin = first.first().cabin;
    let in_order = slices.windows(2).all(|pair| pair[0].last().arrives.at < pair[1].first().departs.at);
    if !in_order {
        return Err(unfit("slices", "they overlap"));
    }
    let total = money("total_amount", &told.total_amount, &told.total_currency)?;
    if total.minor <= 0 {
        return Err(unfit("total_amount", "nothing"));
    }
    if !total.is_on_step() {
        return Err(unfit("total_amount", "cannot be charged to the last digit"));
    }
    if !is_id(&told.id, "off_") {
        return Err(unfit("id", "not an id"));
    }
    Ok(Offer {
        id: OfferId(told.id.clone()),
        slices,
        party,
        cabin,
        fare: fare(told, party, total)?,
        prices: vec![price(told, party, total)],
        total,
        alliance: None,
        other_fares: Vec::new(),
        quoted_at: now,
        expires_at: instant("expires_at", &told.expires_at)?,
        co2_grams: told.total_emissions_kg.as_deref().and_then(|kg| grams_each(kg, party)),
        documents: if told.passenger_identity_documents_required {
            DocumentRule::Asked
        } else {
            DocumentRule::NotAsked
        },
    })
}

/// Ids go into addresses, ours and Duffel's: only what an id is made of passes.
pub(super) fn is_id(text: &str, prefix: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.strip_prefix(prefix).is_some_and(|rest| (1..=60).contains(&rest.len()) && rest.bytes().all(plain))
}

pub(super) const fn kind_code(kind: PassengerKind) -> &'static str {
    match kind {
        PassengerKind::Adult => "adult",
        PassengerKind::Child => "child",
        PassengerKind::Infant => "infant_without_seat",
    }
}

pub(super) fn kind_of(passenger: &wire::Passenger) -> Option<PassengerKind> {
    PassengerKind::ALL.into_iter().find(|kind| passenger.kind.as_deref() == Some(kind_code(*kind)))
}

fn party(passengers: &[wire::Passenger]) -> Fits<Party> {
    let mut counts = [0_u8; 3];
    for passenger in passengers {
        let kind = kind_of(passenger).ok_or_else(|| unfit("passengers", "of an unknown type"))?;
        let at = PassengerKind::ALL.iter().position(|known| *known == kind).unwrap_or_default();
        counts[at] = counts[at].saturating_add(1);
    }
    Party::new(counts[0], counts[1], counts[2]).map_err(|error| unfit("passengers", error.to_string()))
}

pub(super) fn slice(told: &wire::Slice, airports: &Airports) -> Fits<Slice> {
    let segments: Vec<Segment> =
        told.segments.iter().map(|segment| self::segment(segment, airports)).collect::<Fits<_>>()?;
    Slice::try_from(segments).map_err(|error| unfit("segments", error.to_string()))
}

fn segment(told: &wire::Segment, airports: &Airports) -> Fits<Segment> {
    let from = airport("origin", &told.origin, airports)?;
    let to = airport("destination", &told.destination, airports)?;
    let departs = local_time("departing_at", &told.departing_at, &from)?;
    let arrives = local_time("arriving_at", &told.arriving_at, &to)?;
    if arrives.at <= departs.at {
        return Err(unfit("arriving_at", "before departing_at"));
    }
    let carrier = carrier(&told.marketing_carrier)
        .ok_or_else(|| unfit("marketing_carrier", "without a code of two characters"))?;
    let operated_by = told.operating_carrier.as_ref().and_then(self::carrier);
    let number = told.marketing_carrier_flight_number.parse::<u16>().ok().filter(|number| *number > 0);
    let traveller = told.passengers.first();
    Ok(Segment {
        operated_by: operated_by.filter(|other| other.code != carrier.code),
        carrier,
        number: number.ok_or_else(|| unfit("marketing_carrier_flight_number", "not a number"))?,
        from,
        to,
        departs,
        arrives,
        aircraft: told.aircraft.as_ref().map_or_else(String::new, |aircraft| shortened(&aircraft.name)),
        cabin: cabin(traveller.and_then(|traveller| traveller.cabin_class.as_deref()))?,
        fare_basis: traveller
            .and_then(|traveller| traveller.fare_basis_code.as_deref())
            .map_or_else(String::new, shortened),
    })
}

fn cabin(told: Option<&str>) -> Fits<Cabin> {
    let told = told.ok_or_else(|| unfit("cabin_class", "missing"))?;
    Cabin::ALL
        .into_iter()
        .find(|cabin| cabin.code() == told)
        .ok_or_else(|| unfit("cabin_class", told.to_owned()))
}

fn carrier(told: &wire::Airline) -> Option<Carrier> {
    let code = told.iata_code.as_deref()?;
    let is_code = code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    is_code.then(|| Carrier { code: code.to_owned(), name: shortened(&told.name) })
}

/// Ours where we know it, so that its names are those of the search; the zone is Duffel's, because so are the times.
pub(super) fn airport(part: &'static str, told: &wire::Place, airports: &Airports) -> Fits<Airport> {
    let code: PlaceCode = told.iata_code.parse().map_err(|_| unfit(part, "no airport's code"))?;
    let zone = told.time_zone.clone().filter(|zone| TimeZone::get(zone).is_ok());
    if let Some(known) = airports.airport(code) {
        return Ok(Airport { zone: zone.unwrap_or_else(|| known.zone.clone()), ..known.clone() });
    }
    let zone = zone.ok_or_else(|| unfit(part, format!("{code} without a time zone")))?;
    let name =
        told.name.as_deref().map(shortened).ok_or_else(|| unfit(part, format!("{code} has no name")))?;
    let country = told.iata_country_code.clone().filter(|country| airports.is_country(country));
    Ok(Airport {
        code,
        city: told.city_name.as_deref().map_or_else(|| name.clone(), shortened),
        name,
        country: country.ok_or_else(|| unfit(part, format!("{code} in no country that we know")))?,
        zone,
        lat_micro: micro(told.latitude, 90.0).ok_or_else(|| unfit(part, format!("{code} is nowhere")))?,
        lon_micro: micro(told.longitude, 180.0).ok_or_else(|| unfit(part, format!("{code} is nowhere")))?,
    })
}

#[expect(clippy::cast_possible_truncation, reason = "at most 180 million")]
fn micro(degrees: Option<f64>, most: f64) -> Option<i32> {
    degrees.filter(|degrees| degrees.abs() <= most).map(|degrees| (degrees * 1e6).round() as i32)
}

/// The wall clock's time stands on the ticket. Where it shows an hour twice, the first is meant; where it skips one, the
/// clock has been put forward by then.
fn local_time(part: &'static str, text: &str, at: &Airport) -> Fits<LocalTime> {
    let local: civil::DateTime = text.parse().map_err(|_| unfit(part, "not a local time"))?;
    let zone = TimeZone::get(&at.zone).map_err(|_| unfit(part, "in an unknown zone"))?;
    let instant = zone.to_timestamp(local).map_err(|_| unfit(part, "out of range"))?;
    Ok(LocalTime { at: instant, local })
}

fn fare(told: &wire::Offer, party: Party, total: Money) -> Fits<Fare> {
    let mut brands: Vec<String> =
        told.slices.iter().filter_map(|slice| slice.fare_brand_name.as_deref()).map(shortened).collect();
    brands.dedup();
    let brand = if brands.is_empty() { "Standard".to_owned() } else { brands.join(" / ") };
    let conditions = told.conditions.as_ref();
    let change = conditions.and_then(|conditions| conditions.change_before_departure.as_ref());
    let refund = conditions.and_then(|conditions| conditions.refund_before_departure.as_ref());
    Ok(Fare {
        brand,
        // Duffel tells how many bags, not how heavy they may be.
        cabin_bag_kg: 0,
        checked_bags: checked_bags(told, party),
        conditions: Conditions {
            change: condition("change_before_departure", change, party, total)?,
            refund: condition("refund_before_departure", refund, party, total)?,
        },
    })
}

/// As many as everybody with a seat has on every flight.
fn checked_bags(told: &wire::Offer, party: Party) -> u8 {
    let infants: Vec<&str> = told
        .passengers
        .iter()
        .filter(|passenger| {
            party.count(PassengerKind::Infant) > 0 && kind_of(passenger) == Some(PassengerKind::Infant)
        })
        .map(|passenger| passenger.id.as_str())
        .collect();
    let seated = told
        .slices
        .iter()
        .flat_map(|slice| &slice.segments)
        .flat_map(|segment| &segment.passengers)
        .filter(|who| who.passenger_id.as_deref().is_none_or(|id| !infants.contains(&id)));
    let bags = seated.map(|who| {
        let checked = who.baggages.iter().filter(|bag| bag.kind == "checked").map(|bag| bag.quantity);
        checked.fold(0, u32::saturating_add)
    });
    bags.min().and_then(|bags| u8::try_from(bags).ok()).unwrap_or(0).min(9)
}

/// A fee is Duffel's for all passengers together, ours is for each: where it does not divide, it is rounded up, so that
/// nobody is promised more back than the airline gives.
fn condition(
    part: &'static str,
    told: Option<&wire::Condition>,
    party: Party,
    total: Money,
) -> Fits<Condition> {
    let Some(told) = told else { return Ok(Condition::Unknown) };
    if !told.allowed {
        return Ok(Condition::No);
    }
    let (Some(amount), Some(currency)) = (&told.penalty_amount, &told.penalty_currency) else {
        return Ok(Condition::Unknown);
    };
    let fee = match money(part, amount, currency) {
        Ok(fee) => fee,
        // Another currency than we sell in: allowed, at a price that we cannot tell.
        Err(_) => return Ok(Condition::Unknown),
    };
    if fee.minor == 0 {
        return Ok(Condition::Free);
    }
    if fee.currency != total.currency {
        return Ok(Condition::Unknown);
    }
    let people = i64::try_from(party.kinds().count()).unwrap_or(1).max(1);
    let each = fee.minor / people + i64::from(fee.minor % people != 0);
    Ok(Condition::Fee(Money::new(each, fee.currency)))
}

/// Duffel tells one price for the whole party. It is shared out only where that is certain: among equals, without a rest.
fn price(told: &wire::Offer, party: Party, total: Money) -> PassengerPrice {
    let tax = told
        .tax_amount
        .as_deref()
        .zip(told.tax_currency.as_deref())
        .and_then(|(amount, currency)| money("tax_amount", amount, currency).ok())
        .filter(|tax| tax.currency == total.currency && (1..=total.minor).contains(&tax.minor));
    let tax_minor = tax.map_or(0, |tax| tax.minor);
    let fare_minor = total.minor - tax_minor;
    let mut kinds: Vec<PassengerKind> = party.kinds().collect();
    let people = i64::try_from(kinds.len()).unwrap_or(1).max(1);
    kinds.dedup();
    let divides = kinds.len() == 1 && fare_minor % people == 0 && tax_minor % people == 0;
    let share = if divides { people } else { 1 };
    let line = |minor: i64| Money::new(minor / share, total.currency);
    let taxes = tax.map(|tax| Tax {
        // What airlines call several taxes in one sum.
        code: "XT".to_owned(),
        name: "Taxes and charges".to_owned(),
        amount: line(tax.minor),
    });
    PassengerPrice {
        kind: PassengerKind::Adult,
        count: u8::try_from(share).unwrap_or(1),
        fare: line(fare_minor),
        taxes: taxes.into_iter().collect(),
        whole_party: !divides,
    }
}

fn grams_each(kilograms: &str, party: Party) -> Option<u32> {
    let (whole, decimals) = kilograms.split_once('.').unwrap_or((kilograms, ""));
    let decimals: String = decimals.chars().chain("000".chars()).take(3).collect();
    let grams = format!("{whole}{decimals}").parse::<u64>().ok()?;
    u32::try_from(grams / u64::from(party.seats().max(1))).ok().filter(|grams| *grams > 0)
}
