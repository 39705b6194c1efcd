//! What a seat costs: whole cents, from facts that an offer's id carries, so that the same id is the same price.

use super::{
    airlines::{AIRLINES, Kind},
    fleet::{self, aircraft},
    network::mix,
    world::{Flight, World},
};
use crate::{
    itinerary::{Cabin, Condition, Conditions, Fare, PassengerKind, Tax},
    money::{Currency, Money},
    supplier::Co2Method,
};

pub(super) const CURRENCY: Currency = Currency::Eur;
pub(super) const BRANDS: [&str; 3] = ["Light", "Classic", "Flex"];
const LONG_KM: u16 = 4_200;

/// Everything that the price of a flight depends on.
#[derive(Clone, Copy)]
pub(super) struct Seat<'a> {
    pub flight: &'a Flight,
    pub from: u16,
    /// Days since 1970.
    pub day: i32,
    pub cabin: Cabin,
    /// Eighths of the cabin that were sold when the price was made.
    pub load: u8,
    /// Days between quoting and flying.
    pub lead: i32,
}

pub(super) const fn euros(cents: i64) -> Money {
    Money::new(cents, CURRENCY)
}

/// Brands sold in a cabin, cheapest first.
pub(super) fn brands(cabin: Cabin) -> std::ops::Range<u8> {
    if cabin == Cabin::Economy { 0..3 } else { 1..3 }
}

/// Seats for sale here: the rest of the world has bought the others, more on some days than on others.
pub(super) fn for_sale(flight: &Flight, day: i32, cabin: Cabin) -> u16 {
    let seats = aircraft(flight.aircraft).seats_in(cabin);
    let seed =
        mix(u64::from(flight.carrier) << 40 | u64::from(flight.number) << 20 | u64::from(day.unsigned_abs()))
            ^ fleet::cabin_index(cabin) as u64;
    let taken = LEAST_TAKEN + mix(seed) % 800;
    seats - u16::try_from(u64::from(seats) * taken / 1_000).unwrap_or(seats)
}

/// Of a thousand seats, on any day.
const LEAST_TAKEN: u64 = 150;

/// Eighths of the cabin that are sold, elsewhere and here.
pub(super) fn load(flight: &Flight, day: i32, cabin: Cabin, sold_here: u16) -> u8 {
    eighths(aircraft(flight.aircraft).seats_in(cabin), for_sale(flight, day, cabin).saturating_sub(sold_here))
}

fn eighths(seats: u16, free: u16) -> u8 {
    let (seats, free) = (u32::from(seats).max(1), u32::from(free));
    u8::try_from((seats - free.min(seats)) * 8 / seats).unwrap_or(7).min(7)
}

/// What the load makes of a fare at the least, per mille, whatever the day.
pub(super) fn least_load_factor(flight: &Flight, cabin: Cabin) -> i64 {
    let seats = aircraft(flight.aircraft).seats_in(cabin);
    let taken = u64::from(seats) * LEAST_TAKEN / 1_000;
    LOADS[usize::from(eighths(seats, seats - u16::try_from(taken).unwrap_or(seats)))]
}

/// The cheapest fare of one adult in cents, without taxes.
pub(super) fn base_fare(world: &World, seat: &Seat<'_>) -> i64 {
    let factors = [
        day_factor(seat.day, seat.lead),
        LOADS[usize::from(seat.load.min(7))],
        cabin_factor(seat.cabin, seat.flight.km),
    ];
    factors
        .into_iter()
        .fold(flight_fare(world, seat.flight, seat.from), |cents, factor| cents * factor / 1_000)
}

/// What a flight costs before the day and the seat are known.
pub(super) fn flight_fare(world: &World, flight: &Flight, from: u16) -> i64 {
    let km = i64::from(flight.km);
    let cents = 1_900 + km.min(2_000) * 5 + (km - 2_000).clamp(0, 4_000) * 4 + (km - 6_000).max(0) * 6;
    let route = world.nodes[usize::from(from)].hash ^ world.nodes[usize::from(flight.to)].hash;
    let own = mix(u64::from(flight.carrier) << 32 | u64::from(flight.number));
    let airline = match AIRLINES[usize::from(flight.carrier)].kind {
        Kind::LowCost => 680,
        Kind::Feeder => 1_080,
        Kind::Network => 1_000,
    };
    let factors = [
        airline,
        per_mille(850, mix(route) % 350),
        per_mille(900, own % 220),
        if (480..1_260).contains(&flight.departs) { 1_000 } else { 930 },
    ];
    factors.into_iter().fold(cents, |cents, factor| cents * factor / 1_000)
}

/// Weekday, season and how early one buys, per mille.
pub(super) fn day_factor(day: i32, lead: i32) -> i64 {
    let weekday = WEEKDAYS[usize::try_from((day + 3).rem_euclid(7)).unwrap_or(0)];
    weekday * SEASONS[month(day)] / 1_000 * lead_factor(lead) / 1_000
}

/// By eighths of the cabin that are sold.
const LOADS: [i64; 8] = [820, 860, 910, 970, 1_050, 1_160, 1_320, 1_560];

/// Monday first.
const WEEKDAYS: [i64; 7] = [1_020, 930, 930, 980, 1_110, 1_000, 1_110];
/// January first.
const SEASONS: [i64; 12] = [900, 900, 960, 1_020, 1_000, 1_100, 1_220, 1_220, 1_040, 980, 880, 1_130];

fn per_mille(least: i64, more: u64) -> i64 {
    least + i64::try_from(more).unwrap_or(0)
}

fn lead_factor(days: i32) -> i64 {
    match days {
        ..=2 => 1_850,
        3..=6 => 1_520,
        7..=13 => 1_270,
        14..=29 => 1_090,
        30..=59 => 960,
        60..=119 => 900,
        _ => 940,
    }
}

pub(super) fn cabin_factor(cabin: Cabin, km: u16) -> i64 {
    match cabin {
        Cabin::Economy => 1_000,
        Cabin::PremiumEconomy => 1_850,
        Cabin::Business if km > LONG_KM => 3_700,
        Cabin::Business => 2_500,
        Cabin::First => 6_400,
    }
}

pub(super) const APRIL: usize = 3;
pub(super) const OCTOBER: usize = 9;

/// Month of a day since 1970, January 0 (after the civil calendar of the Gregorian era).
pub(super) fn month(day: i32) -> usize {
    let day_of_era = (day + 719_468).rem_euclid(146_097);
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    usize::try_from(((5 * day_of_year + 2) / 153 + 2) % 12).unwrap_or(0)
}

/// A change of planes is sold cheaper than its flights apart.
pub(super) fn through(base: i64, legs: usize) -> i64 {
    if legs > 1 { base * 720 / 1_000 } else { base }
}

/// Fare of one passenger for one flight in a brand.
pub(super) fn fare(
    base: i64,
    cabin: Cabin,
    brand: u8,
    legs: usize,
    uplift_percent: u8,
    kind: PassengerKind,
) -> i64 {
    let (factor, extra) = match (cabin, brand) {
        (_, 0) => (1_000, 0),
        (Cabin::Economy, 1) => (1_120, 2_400),
        (Cabin::Economy, _) => (1_420, 4_900),
        (_, 1) => (1_000, 0),
        _ => (1_260, 6_000),
    };
    let adult = (through(base, legs) * factor / 1_000 + extra) * (100 + i64::from(uplift_percent)) / 100;
    match kind {
        PassengerKind::Adult => adult,
        PassengerKind::Child => adult * 3 / 4,
        PassengerKind::Infant => adult / 10,
    }
}

/// Code, name and cents of a tax.
type Charge = (&'static str, &'static str, i64);

/// Taxes and charges of one passenger with a seat for one flight; `starts` where the slice begins.
fn charges(world: &World, seat: &Seat<'_>, starts: bool) -> [Option<Charge>; 4] {
    let node = &world.nodes[usize::from(seat.from)];
    let abroad = node.country != world.nodes[usize::from(seat.flight.to)].country;
    let own = i64::try_from(node.hash % 280).unwrap_or(0);
    let size = i64::from(node.size);
    let departing = if starts { 420 + size * 210 } else { 260 + size * 60 };
    let surcharge =
        seat.flight.km > LONG_KM && AIRLINES[usize::from(seat.flight.carrier)].kind == Kind::Network;
    let duty = if starts { duty(node.country) } else { None };
    let band = usize::from(seat.flight.km > 3_200) + usize::from(seat.flight.km > 8_800);
    [
        Some(("XA", "Airport charge", departing + own + if abroad { 380 } else { 0 })),
        Some(("XS", "Security charge", 310 + own / 2)),
        surcharge
            .then(|| ("YQ", "Carrier surcharge", if seat.cabin == Cabin::Economy { 6_800 } else { 17_500 })),
        duty.map(|(code, name, bands)| (code, name, bands[band])),
    ]
}

pub(super) fn taxes(world: &World, seat: &Seat<'_>, starts: bool) -> impl Iterator<Item = Tax> + use<> {
    charges(world, seat, starts).into_iter().flatten().map(|(code, name, cents)| Tax {
        code: code.into(),
        name: name.into(),
        amount: euros(cents),
    })
}

/// Their sum, in cents.
pub(super) fn tax_cents(world: &World, seat: &Seat<'_>, starts: bool) -> i64 {
    charges(world, seat, starts).into_iter().flatten().map(|(_, _, cents)| cents).sum()
}

/// Departure taxes by distance: short, middle, long; in cents.
fn duty(country: [u8; 2]) -> Option<(&'static str, &'static str, [i64; 3])> {
    Some(match &country {
        b"GB" => ("GB", "Air passenger duty", [1_500, 10_200, 10_600]),
        b"DE" => ("DE", "Air transport tax", [1_553, 3_933, 7_083]),
        b"AT" => ("AT", "Air transport levy", [1_200, 1_200, 1_200]),
        b"FR" => ("FR", "Solidarity tax", [740, 1_500, 4_000]),
        b"NL" => ("NL", "Air passenger tax", [2_940, 2_940, 2_940]),
        b"US" => ("US", "Transportation tax", [1_950, 2_140, 2_140]),
        b"AU" => ("AU", "Passenger movement charge", [4_100, 4_100, 4_100]),
        _ => return None,
    })
}

/// What one airline grants in a brand.
pub(super) fn terms(flight: &Flight, cabin: Cabin, brand: u8) -> Fare {
    use Condition::{Fee, Free, No, Unknown};
    let long = flight.km > LONG_KM;
    let kind = AIRLINES[usize::from(flight.carrier)].kind;
    let fee = |short: i64, far: i64| Fee(euros(if long { far } else { short }));
    let (change, refund) = match (brand, kind) {
        (0, Kind::Network) => (No, No),
        (0, Kind::LowCost) => (fee(4_500, 9_000), No),
        (0, Kind::Feeder) => (Unknown, No),
        (1, Kind::Network) => (fee(6_000, 12_000), fee(8_000, 16_000)),
        (1, Kind::LowCost) => (fee(2_500, 5_000), No),
        (1, Kind::Feeder) => (fee(5_000, 9_000), Unknown),
        (_, Kind::LowCost) => (Free, fee(2_500, 5_000)),
        _ => (Free, Free),
    };
    let checked_bags = match (cabin, brand) {
        (Cabin::Economy, 0) => 0,
        (Cabin::Economy, _) => 1,
        (Cabin::First, _) => 3,
        _ => 2,
    };
    let cabin_bag_kg = if cabin == Cabin::Economy && kind != Kind::Network { 7 } else { 10 };
    let brand = BRANDS[usize::from(brand.min(2))].to_owned();
    Fare { brand, cabin_bag_kg, checked_bags, conditions: Conditions { change, refund } }
}

/// Two airlines on one ticket: the narrower of each promise.
pub(super) fn narrower(a: Fare, b: &Fare) -> Fare {
    Fare {
        brand: a.brand,
        cabin_bag_kg: a.cabin_bag_kg.min(b.cabin_bag_kg),
        checked_bags: a.checked_bags.min(b.checked_bags),
        conditions: Conditions {
            change: stricter(a.conditions.change, b.conditions.change),
            refund: stricter(a.conditions.refund, b.conditions.refund),
        },
    }
}

fn stricter(a: Condition, b: Condition) -> Condition {
    let rank = |condition: &Condition| match condition {
        Condition::Free => (0, 0),
        Condition::Fee(fee) => (1, fee.minor),
        Condition::Unknown => (2, 0),
        Condition::No => (3, 0),
    };
    if rank(&a) >= rank(&b) { a } else { b }
}

pub(super) const CO2_METHOD: Co2Method = Co2Method {
    name: "ICAO Carbon Emissions Calculator Methodology, simplified",
    told: "The great-circle distance of each flight, plus 50, 100 or 125\u{a0}km for climb and detours, times the fuel that the \
           type of aircraft burns for each seat and kilometre, times 3.16: these numbers are ICAO’s. We leave out what it takes \
           from airlines’ own returns: every seat counts as taken, and freight carries nothing. A seat in another cabin \
           counts by the room that it takes: 1.5 in premium economy, 2.6 in business, 4 in first. Only CO₂ is counted, not what \
           else flying does to the climate.",
};

/// What ICAO adds to the great circle, in kilometres.
const fn detour(km: u16) -> u64 {
    match km {
        ..550 => 50,
        550..=5_500 => 100,
        _ => 125,
    }
}

/// Grams of CO₂ for one seat, by [`CO2_METHOD`].
pub(super) fn co2_grams(flight: &Flight, cabin: Cabin) -> u32 {
    let room = [10, 15, 26, 40][fleet::cabin_index(cabin)];
    let burn = u64::from(aircraft(flight.aircraft).burn);
    let grams = burn * (u64::from(flight.km) + detour(flight.km)) * 316 * room / (100 * 100 * 10);
    u32::try_from(grams).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_those_of_the_calendar() {
        let epoch = jiff::civil::date(1970, 1, 1);
        for days in (0..40_000).step_by(3) {
            let date = epoch.checked_add(jiff::Span::new().days(days)).unwrap();
            assert_eq!(month(days), usize::try_from(date.month() - 1).unwrap(), "{date}");
        }
    }

    #[test]
    fn the_stricter_condition_of_two_airlines_counts() {
        let fee = |cents| Condition::Fee(euros(cents));
        assert_eq!(stricter(Condition::Free, fee(10)), fee(10));
        assert_eq!(stricter(fee(20), fee(10)), fee(20));
        assert_eq!(stricter(Condition::Unknown, fee(10)), Condition::Unknown);
        assert_eq!(stricter(Condition::Unknown, Condition::No), Condition::No);
    }
}
