//! The engine without its books, for the benchmark.

use jiff::Timestamp;

use super::{search, switches::Switches, world::World};
use crate::{airports::Airports, itinerary::SearchQuery};

pub struct Survey {
    world: World,
    switches: Switches,
}

impl Survey {
    /// Builds a world of its own, as a start does.
    pub fn build() -> Self {
        Self { world: World::build(Airports::world()), switches: Switches::default() }
    }

    pub fn departures_per_day(&self) -> u32 {
        self.world.flights_per_day()
    }

    pub fn flights(&self) -> usize {
        self.world.flights.len()
    }

    pub fn index_bytes(&self) -> usize {
        self.world.bytes()
    }

    /// Everything that a search does before it asks for seats; how many ways are worth asking for.
    pub fn search(&self, query: &SearchQuery, now: Timestamp) -> usize {
        query
            .slices
            .iter()
            .map(|slice| search::ways(&self.world, &self.switches, slice, query, now).len())
            .sum()
    }
}
