//! The cheapest way of each of many days. What a search for one day looks at whole is cut short here: paths are looked at in
//! the order of what they cost at the least, until none that is left can be cheaper.

use std::ops::RangeInclusive;

use super::{
    engine::{self, Merit, Path, Question, Search},
    offers, price,
    ways::{LegPrices, Market, Priced},
    world::{Edge, Flight},
};
use crate::itinerary::PassengerKind;

/// What one passenger pays for a flight is rounded down by no more than this on its way through all factors.
const ROUNDING_CENTS: i64 = 16;

/// Of an adult's fare, in fortieths: adult, child, infant.
const SHARES: [i64; 3] = [40, 30, 4];

/// A path, and what the party pays at the least for its first flight and for the one onward.
struct Bounded {
    path: Path,
    /// Before the day is known.
    fares: [i64; 2],
    taxes: [i64; 2],
}

impl Bounded {
    fn of(market: &Market<'_>, path: Path) -> Self {
        let passengers = PassengerKind::ALL.map(|kind| i64::from(market.party.count(kind)));
        let share: i64 = passengers.iter().zip(SHARES).map(|(count, share)| count * share).sum();
        let rounding = ROUNDING_CENTS * passengers.iter().sum::<i64>();
        let seats = i64::from(market.party.seats());
        let legs = path.legs();
        let (mut fares, mut taxes) = ([0; 2], [0; 2]);
        for (nth, (from, edge)) in path.edges().enumerate() {
            let (fare, tax) = least(market, from, edge, nth == 0);
            fares[nth] = price::through(fare, legs) * share / SHARES[0];
            taxes[nth] = tax * seats - rounding;
        }
        Self { path, fares, taxes }
    }

    /// With the factors of the days on which the two leave.
    fn cents(&self, [first, onward]: [i64; 2]) -> i64 {
        self.fares[0] * first / 1_000 + self.taxes[0] + self.onward_cents(onward)
    }

    fn onward_cents(&self, factor: i64) -> i64 {
        self.fares[1] * factor / 1_000 + self.taxes[1]
    }
}

/// The lowest fare and the lowest taxes of any flight between two airports.
fn least(market: &Market<'_>, from: u16, edge: &Edge, starts: bool) -> (i64, i64) {
    let (_, flights) = market.world.flights_of(edge);
    let of = |flight: &Flight| {
        let cabin = offers::cabin_on(flight, market.cabin);
        let seat = price::Seat { flight, from, day: 0, cabin, load: 0, lead: 0 };
        let factors = [price::cabin_factor(cabin, flight.km), price::least_load_factor(flight, cabin)];
        let fare = price::flight_fare(market.world, flight, from);
        let fare = factors.into_iter().fold(fare, |cents, factor| cents * factor / 1_000);
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
    paths.sort_by_cached_key(|bounded| bounded.cents([1_000; 2]));
    let mut search = Search::new(market.world, |flight: &Flight, day| market.sells(flight, day));
    let mut known = LegPrices::default();
    days.map(|day| {
        let question = Question { from, to, day, earliest: market.earliest };
        if !market.is_open(day) {
            return None;
        }
        let best = cheapest_on(market, question, &paths, (&mut search, &mut known));
        best.or_else(|| {
            search.all(question);
            cheaper(market, &search, &mut known, None)
        })
    })
    .collect()
}

fn cheapest_on<S: Fn(&Flight, i32) -> bool>(
    market: &Market<'_>,
    question: Question<'_>,
    paths: &[Bounded],
    (search, known): (&mut Search<'_, S>, &mut LegPrices),
) -> Option<Priced> {
    let factor = |days: i32| {
        let day = question.day + days;
        price::day_factor(day, day - market.today)
    };
    // Flights onward may leave a day or two later, when the day is cheaper, or beyond the date line a day before.
    let factors = [factor(0), (-1..=2).map(factor).min().unwrap_or(0)];
    let mut best: Option<Priced> = None;
    for bounded in paths {
        let may_be_best = |least: i64| best.as_ref().is_none_or(|best| least <= best.merit.cents);
        if !may_be_best(bounded.cents(factors)) {
            continue;
        }
        let onward = bounded.onward_cents(factors[1]);
        search.along_only(question, &bounded.path, |firsts| {
            may_be_best(market.least_of_first(firsts, bounded.path.legs()).saturating_add(onward))
        });
        best = cheaper(market, search, known, best);
    }
    best
}

/// The cheapest of what was found, if it is better than the best so far: of equal prices the quicker way, then the earlier.
fn cheaper<S>(
    market: &Market<'_>,
    found: &Search<'_, S>,
    known: &mut LegPrices,
    best: Option<Priced>,
) -> Option<Priced> {
    let order = |merit: &Merit| (merit.cents, merit.minutes(), merit.departs);
    let cheapest = market.price_with(known, found).min_by_key(|(_, merit)| order(merit));
    match (cheapest, best) {
        (Some((_, merit)), Some(best)) if order(&merit) >= order(&best.merit) => Some(best),
        (Some((way, merit)), _) => Some(Priced { legs: found.legs_of(way), merit }),
        (None, best) => best,
    }
}
