//! The engine without its books, for the benchmark.

use jiff::Timestamp;

use super::{
    days::{cheapest_of_days, follows},
    engine, offers,
    switches::Switches,
    ways::{Market, ways},
    world::{Flight, World},
};
use crate::{airports::Airports, itinerary::SearchQuery};

/// One flight on one day, for whoever keeps them otherwise.
pub struct Departure {
    /// Places of the airports in the directory.
    pub from: u16,
    pub to: u16,
    pub carrier: u8,
    /// UTC minutes.
    pub departs: i64,
    pub arrives: i64,
}

pub struct Survey {
    world: World,
    switches: Switches,
}

impl Survey {
    /// Builds a world of its own, as a start does, with `density` times the flights.
    pub fn build(density: u16) -> Self {
        Self { world: World::build(Airports::world(), density), switches: Switches::default() }
    }

    /// On an average day of the year: 31 of its weeks are summer, 21 winter.
    pub fn departures_per_day(&self) -> u32 {
        let [summer, winter] = self.world.flights_per_day();
        (31 * summer + 21 * winter) / 52
    }

    pub fn flights(&self) -> usize {
        self.world.flights.len()
    }

    pub fn index_bytes(&self) -> usize {
        self.world.bytes()
    }

    /// All that leaves on a day, by the clocks of the airports.
    pub fn departures(&self, date: jiff::civil::Date) -> Vec<Departure> {
        let (world, day) = (&self.world, offers::day_of(date));
        let one = |(at, flight): (u32, &Flight)| {
            let from = world.origin_of(at);
            let leg = engine::leg(world, at, flight, from, day)?;
            let (departs, arrives) = (leg.departs, leg.arrives);
            Some(Departure { from, to: flight.to, carrier: flight.carrier, departs, arrives })
        };
        (0..).zip(&world.flights).filter_map(one).collect()
    }

    /// Everything that a search does before it asks for seats; how many ways are worth asking for.
    pub fn search(&self, query: &SearchQuery, now: Timestamp) -> usize {
        let market = Market::new(&self.world, &self.switches, query, now);
        query.slices.iter().map(|slice| ways(&market, slice).len()).sum()
    }

    /// The price calendar: on how many of the days after the query's date there is something.
    pub fn calendar(&self, query: &SearchQuery, days: i32, now: Timestamp) -> usize {
        let market = Market::new(&self.world, &self.switches, query, now);
        let days_of = |slice| cheapest_of_days(&market, slice, 0..=days - 1).iter().flatten().count();
        query.slices.iter().map(days_of).sum()
    }

    /// The pairs of dates around a return's own: how many of them the cheapest ways of their days make.
    pub fn pairs(&self, query: &SearchQuery, around: i32, now: Timestamp) -> usize {
        let market = Market::new(&self.world, &self.switches, query, now);
        let [out, back] = query.slices.as_slice() else { return 0 };
        let [out, back] = [out, back].map(|slice| cheapest_of_days(&market, slice, -around..=around));
        let pairs =
            out.iter().flatten().flat_map(|there| back.iter().flatten().map(move |home| (there, home)));
        pairs.filter(|(there, home)| follows(there, home)).count()
    }
}
