//! The cheapest way of each of many days. What a search for one day looks at whole is cut short here: paths are looked at in
//! the order of what they cost at the least, until none that is left can be cheaper.

use std::ops::RangeInclusive;

use super::{
    engine::{self, Path, Question, Search},
    offers, price,
    ways::{Market, Priced},
    world::{Edge, Flight},
};
use crate::itinerary::{Party, PassengerKind};

/// No part of a price is rounded up by more than this on its way through the factors.
const ROUNDING_CENTS: i64 = 4;

/// Of an adult's fare, in fortieths: adult, child, infant.
const SHARES: [i64; 3] = [40, 30, 4];

/// A path, and what the party pays on it at the least.
struct Bounded {
    path: Path,
    /// One adult's fares of its flights, before day and load are known.
    fares: i64,
    /// Of one seat.
    taxes: i64,
    party: Party,
}

impl Bounded {
    fn of(market: &Market<'_>, path: Path) -> Self {
        let legs = path.edges().count();
        let (mut fares, mut taxes) = (0, 0);
        for (nth, (from, edge)) in path.edges().enumerate() {
            let (fare, tax) = least(market, from, edge, nth == 0);
            fares += price::through(fare, legs) - ROUNDING_CENTS;
            taxes += tax;
        }
        Self { path, fares, taxes, party: market.party }
    }

    fn cents(&self, factor: i64) -> i64 {
        let adult = self.fares * factor / 1_000 * price::LEAST_LOAD / 1_000;
        let count = |kind| i64::from(self.party.count(kind));
        let passengers = PassengerKind::ALL.map(count);
        let share: i64 = passengers.iter().zip(SHARES).map(|(count, share)| count * share).sum();
        let rounding = ROUNDING_CENTS * passengers.iter().sum::<i64>();
        adult * share / SHARES[0] + self.taxes * i64::from(self.party.seats()) - rounding
    }
}

/// The lowest fare and the lowest taxes of any flight between two airports.
fn least(market: &Market<'_>, from: u16, edge: &Edge, starts: bool) -> (i64, i64) {
    let (_, flights) = market.world.flights_of(edge);
    let of = |flight: &Flight| {
        let cabin = offers::cabin_on(flight, market.cabin);
        let seat = price::Seat { flight, from, day: 0, cabin, load: 0, lead: 0 };
        let fare =
            price::flight_fare(market.world, flight, from) * price::cabin_factor(cabin, flight.km) / 1_000;
        (fare, price::tax_cents(market.world, &seat, starts))
    };
    flights.iter().map(of).fold((i64::MAX, i64::MAX), |(a, b), (fare, tax)| (a.min(fare), b.min(tax)))
}

/// The cheapest way of each day, exactly what a search for that day has as its cheapest; `None`: there is none. Ways with two
/// changes are asked for only where there is no other.
pub(super) fn cheapest(
    market: &Market<'_>,
    [from, to]: [&[u16]; 2],
    days: RangeInclusive<i32>,
) -> Vec<Option<Priced>> {
    let paths = engine::paths(market.world, from, to);
    let mut paths: Vec<Bounded> = paths.into_iter().map(|path| Bounded::of(market, path)).collect();
    paths.sort_by_key(|bounded| bounded.cents(1_000));
    days.map(|day| {
        let question = Question { from, to, day, earliest: market.earliest };
        if !market.is_open(day) { None } else { cheapest_on(market, question, &paths) }
    })
    .collect()
}

fn cheapest_on(market: &Market<'_>, question: Question<'_>, paths: &[Bounded]) -> Option<Priced> {
    // Onward flights may leave a day or two later, when the day is cheaper.
    let factor = |days: i32| {
        let day = question.day + days;
        price::day_factor(day, day - market.today)
    };
    let least_factor = (0..=2).map(factor).min().unwrap_or(0);
    let sells = |flight: &Flight, day| market.sells(flight, day);
    let mut best: Option<Priced> = None;
    for bounded in paths {
        if best.as_ref().is_some_and(|best| bounded.cents(least_factor) > best.merit.cents) {
            continue;
        }
        take_cheapest(market, &engine::find_along(market.world, question, &bounded.path, sells), &mut best);
    }
    if best.is_none() {
        take_cheapest(market, &engine::find(market.world, question, sells), &mut best);
    }
    best
}

/// Of equal prices the quicker way, then the earlier.
fn take_cheapest<S>(market: &Market<'_>, found: &Search<'_, S>, best: &mut Option<Priced>) {
    for (way, merit) in market.price(found) {
        let order = |merit: &engine::Merit| (merit.cents, merit.minutes(), merit.departs);
        if best.as_ref().is_none_or(|best| order(&merit) < order(&best.merit)) {
            *best = Some(Priced { legs: found.legs_of(way), merit });
        }
    }
}
