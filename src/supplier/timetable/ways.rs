//! From a question to priced ways: what the timetable alone knows, before the books are asked for seats.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::{
    LATEST_SALE_MINUTES,
    airlines::AIRLINES,
    engine::{self, Leg, Merit, Question, Search, Way},
    network,
    offers::{self, LegPrice},
    price,
    switches::{self, Switches},
    world::{Flight, World},
};
use crate::itinerary::{Cabin, Party, PassengerKind, PlaceCode, SearchQuery, SliceQuery};

/// How far ahead one may fly.
const HORIZON: SignedDuration = SignedDuration::from_hours(330 * 24);
/// Good ways of one slice that the books are asked about.
const MOST_WAYS: usize = 320;

/// A way and what the party pays for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Priced {
    pub legs: Vec<Leg>,
    pub merit: Merit,
}

/// What each leg of a search costs, reckoned once.
#[derive(Default)]
pub(super) struct LegPrices(Vec<Option<LegPrice>>);

/// What is for sale to one party in one cabin at one moment, by the timetable alone.
pub(super) struct Market<'a> {
    pub world: &'a World,
    /// As it was when the search began: thousands of flights are looked at, and each look at the levers is a lock.
    sold_out: HashSet<String>,
    pub cabin: Cabin,
    pub party: Party,
    seats: u16,
    uplift: u8,
    /// UTC minute before which nothing may leave any more.
    pub earliest: i64,
    /// Days since 1970.
    pub today: i32,
}

impl<'a> Market<'a> {
    pub(super) fn new(world: &'a World, switches: &Switches, query: &SearchQuery, now: Timestamp) -> Self {
        let minute = offers::minute_of(now);
        Self {
            world,
            sold_out: switches.all_sold_out(),
            cabin: query.cabin,
            party: query.party,
            seats: u16::from(query.party.seats()),
            uplift: switches.price_up_percent(),
            earliest: minute + LATEST_SALE_MINUTES,
            today: i32::try_from(minute.div_euclid(1_440)).unwrap_or(0),
        }
    }

    /// The airports that a code stands for.
    pub(super) fn places(&self, code: PlaceCode) -> Vec<u16> {
        let members = self.world.airports.members(code).iter();
        members.filter_map(|code| self.world.airports.index(*code)).map(network::index).collect()
    }

    pub(super) fn is_open(&self, day: i32) -> bool {
        let horizon = i32::try_from(HORIZON.as_hours() / 24).unwrap_or(330);
        // Somewhere it is still yesterday.
        (self.today - 1..=self.today + horizon).contains(&day)
    }

    pub(super) fn sells(&self, flight: &Flight, day: i32) -> bool {
        price::for_sale(flight, day, offers::cabin_on(flight, self.cabin)) >= self.seats
            && (self.sold_out.is_empty() || !self.sold_out.contains(&name(flight)))
    }

    /// All ways that were found, priced.
    pub(super) fn price<S>(&self, found: &Search<'_, S>) -> Vec<(Way, Merit)> {
        self.price_with(&mut LegPrices::default(), found).collect()
    }

    /// The same, one after the other, with a list to write on that was written on before.
    pub(super) fn price_with<'s, S>(
        &'s self,
        known: &'s mut LegPrices,
        found: &'s Search<'_, S>,
    ) -> impl Iterator<Item = (Way, Merit)> {
        known.0.clear();
        // Most legs that were looked at are part of no way.
        known.0.resize(found.legs.len(), None);
        let suits = |way: &&Way| {
            self.cabin == Cabin::Economy || way.places().any(|leg| self.has_cabin(&found.legs[leg]))
        };
        let merit = |way: &Way| {
            let legs = way.changes() + 1;
            let mut price = |(nth, leg): (usize, usize)| {
                let known = known.0[leg].get_or_insert_with(|| {
                    offers::leg_price(self.world, &found.legs[leg], self.cabin, self.today, nth == 0)
                });
                self.cents(known, legs)
            };
            let cents = way.places().enumerate().map(&mut price).sum();
            let [departs, arrives] = found.ends(*way);
            (*way, Merit { departs, arrives, cents })
        };
        found.ways.iter().filter(suits).map(merit)
    }

    /// What the party pays at the least for one of these legs, each the first of so many.
    pub(super) fn least_of_first(&self, first: &[Leg], legs: usize) -> i64 {
        let price = |leg| offers::leg_price(self.world, leg, self.cabin, self.today, true);
        first.iter().map(|leg| self.cents(&price(leg), legs)).min().unwrap_or(i64::MAX)
    }

    /// What the whole party pays for a leg of so many, at the lowest brand: children and infants pay parts of a fare, and
    /// infants no taxes, so what is cheapest for one adult need not be so for all.
    fn cents(&self, leg: &LegPrice, legs: usize) -> i64 {
        let brand = price::brands(self.cabin).start;
        let fares = PassengerKind::ALL.map(|kind| match i64::from(self.party.count(kind)) {
            0 => 0,
            count => count * price::fare(leg.base, leg.cabin, brand, legs, self.uplift, kind),
        });
        fares.into_iter().sum::<i64>() + leg.taxes * i64::from(self.seats)
    }

    fn has_cabin(&self, leg: &Leg) -> bool {
        let flight = &self.world.flights[leg.flight as usize];
        offers::cabin_on(flight, self.cabin) == self.cabin
    }
}

fn name(flight: &Flight) -> String {
    switches::name(AIRLINES[usize::from(flight.carrier)].code, flight.number)
}

/// Good ways for one slice with seats for everyone.
pub(super) fn ways(market: &Market<'_>, slice: &SliceQuery) -> Vec<Priced> {
    let day = offers::day_of(slice.date);
    if !market.is_open(day) {
        return Vec::new();
    }
    let (from, to) = (market.places(slice.from), market.places(slice.to));
    let question = Question { from: &from, to: &to, day, earliest: market.earliest };
    let found = engine::find(market.world, question, |flight: &Flight, day| market.sells(flight, day));
    let good = engine::worthwhile(market.price(&found), MOST_WAYS, |(_, merit)| merit.cost(market.party));
    let good = engine::without_pointless(good, |(_, merit)| *merit);
    good.into_iter().map(|(way, merit)| Priced { legs: found.legs_of(way), merit }).collect()
}
