//! The clock on an airport's wall over a few days: looked up once, read for every flight.

use std::ops::RangeInclusive;

use super::{
    super::{seasons, world::World, zones::ZoneRules},
    LONGEST_LAYOVER, SHORTEST_LAYOVER,
};

pub(super) struct Wall<'a> {
    pub airport: u16,
    zone: &'a ZoneRules,
    /// The first so many of them.
    days: [Day; MOST_DAYS],
    count: usize,
}

/// What the longest way takes: see [`Search::all_last_legs`](super::Search).
const MOST_DAYS: usize = 5;

#[derive(Clone, Copy, Default)]
pub(super) struct Day {
    /// Since 1970.
    pub day: i32,
    /// Its bit in [`Flight::days`](super::Flight::days).
    pub weekday: u16,
    /// Minutes ahead of UTC, all day long; none on the days when that changes.
    offset: Option<i64>,
}

impl<'a> Wall<'a> {
    pub(super) fn new(world: &'a World, airport: u16, days: RangeInclusive<i32>) -> Self {
        let zone = world.zone(airport);
        let mut wall = Self { airport, zone, days: Default::default(), count: 0 };
        for (place, day) in wall.days.iter_mut().zip(days) {
            *place = Day { day, weekday: seasons::bit(day), offset: zone.offset_on(day) };
            wall.count += 1;
        }
        wall
    }

    /// The days of the flights that somebody who lands between the two instants may change to.
    pub(super) fn after(world: &'a World, airport: u16, lands: &RangeInclusive<i64>) -> Self {
        let zone = world.zone(airport);
        let day = |utc| i32::try_from(zone.to_local(utc).div_euclid(1_440)).unwrap_or(i32::MAX);
        let (first, last) = (day(lands.start() + SHORTEST_LAYOVER), day(lands.end() + LONGEST_LAYOVER));
        Self::new(world, airport, first..=last)
    }

    pub(super) fn days(&self) -> &[Day] {
        &self.days[..self.count]
    }

    pub(super) fn to_utc(&self, day: &Day, minute: u16) -> i64 {
        let local = i64::from(day.day) * 1_440 + i64::from(minute);
        day.offset.map_or_else(|| self.zone.to_utc(local), |offset| local - offset)
    }
}
