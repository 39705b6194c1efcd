//! Finding ways: non-stop, with one change and with two, on one date, between airports or whole cities.

mod changes;
mod rank;
mod two_changes;
mod wall;

use std::ops::{Range, RangeInclusive};

pub(super) use self::{
    changes::{Path, paths},
    rank::{Merit, without_pointless, worthwhile},
};
use self::{
    two_changes::{Beaten, Detours},
    wall::Wall,
};
use super::{
    seasons,
    world::{Edge, Flight, World},
};

/// A flight on a day. Instants are UTC minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leg {
    pub flight: u32,
    pub from: u16,
    /// Days since 1970 of the departure on the origin's wall.
    pub day: i32,
    pub departs: i64,
    pub arrives: i64,
}

/// One leg, two with a change, three with two: places in [`Search::legs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way([u32; 3]);

const NO_LEG: u32 = u32::MAX;

impl Way {
    fn of(legs: &[usize]) -> Self {
        let mut way = [NO_LEG; 3];
        for (place, leg) in way.iter_mut().zip(legs) {
            *place = u32::try_from(*leg).unwrap_or(NO_LEG);
        }
        Self(way)
    }

    pub(super) fn places(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().filter(|leg| *leg != NO_LEG).map(|leg| leg as usize)
    }

    pub(super) fn changes(self) -> usize {
        self.places().count() - 1
    }
}

/// Longest wait that still counts as one journey.
pub(super) const LONGEST_LAYOVER: i64 = 10 * 60;
/// Nowhere is a change quicker.
const SHORTEST_LAYOVER: i64 = 35;

/// What is asked: ways that leave on `day`, not before the UTC minute `earliest`.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub from: &'a [u16],
    pub to: &'a [u16],
    pub day: i32,
    pub earliest: i64,
}

impl Question<'_> {
    /// Nobody changes planes in the city that they leave from or go to.
    fn is_at_either_end(&self, stop: u16) -> bool {
        self.from.contains(&stop) || self.to.contains(&stop)
    }
}

/// One search: every leg that was looked at stands once, so that a seat or a price is reckoned once.
pub(super) struct Search<'a, S> {
    world: &'a World,
    /// Whether a flight has room on a day.
    sells: S,
    pub legs: Vec<Leg>,
    pub ways: Vec<Way>,
    detours: Detours,
}

pub(super) fn find<'a, S: Fn(&Flight, i32) -> bool>(
    world: &'a World,
    question: Question<'_>,
    sells: S,
) -> Search<'a, S> {
    let mut search = Search::new(world, sells);
    search.all(question);
    search
}

/// The day's departures of one airport, beside its edges: most lead somewhere else, and are never looked at.
struct Firsts<'a> {
    wall: Wall<'a>,
    legs: Vec<Option<Range<usize>>>,
}

impl<'a> Firsts<'a> {
    fn new(world: &'a World, airport: u16, day: i32) -> Self {
        let legs = vec![None; world.edges(airport).len()];
        Self { wall: Wall::new(world, airport, day..=day), legs }
    }
}

impl<'a, S: Fn(&Flight, i32) -> bool> Search<'a, S> {
    pub(super) fn new(world: &'a World, sells: S) -> Self {
        let (legs, ways) = (Vec::with_capacity(512), Vec::with_capacity(512));
        Self { world, sells, legs, ways, detours: Detours::default() }
    }

    /// All sensible ways, and none of an earlier question.
    ///
    /// With up to one change: each first flight with the next flights onward. With two changes only what is worth them.
    pub(super) fn all(&mut self, question: Question<'_>) {
        self.legs.clear();
        self.ways.clear();
        let firsts = |from: &u16| Firsts::new(self.world, *from, question.day);
        let mut firsts: Vec<Firsts<'_>> = question.from.iter().map(firsts).collect();
        for (a, firsts) in question.from.iter().zip(&mut firsts) {
            for b in question.to.iter().filter(|b| *b != a) {
                self.up_to_one_change(question, [*a, *b], firsts);
            }
        }
        let beaten = Beaten::by(self);
        for (a, firsts) in question.from.iter().zip(&mut firsts) {
            for b in question.to.iter().filter(|b| *b != a) {
                self.two_changes(question, [*a, *b], firsts, &beaten);
            }
        }
    }

    /// All ways on one path and no others, unless its first flights, once they are known, are not worth it.
    pub(super) fn along_only(
        &mut self,
        question: Question<'_>,
        path: &Path,
        is_worth_it: impl FnOnce(&[Leg]) -> bool,
    ) {
        self.legs.clear();
        self.ways.clear();
        let Some((from, edge)) = path.edges().next() else { return };
        let wall = Wall::new(self.world, from, question.day..=question.day);
        let firsts = self.departures(&wall, edge, question.earliest..=i64::MAX);
        let firsts = self.only_with_room(firsts);
        if is_worth_it(&self.legs[firsts.clone()]) {
            self.along(path, firsts);
        }
    }
}

impl<S> Search<'_, S> {
    pub(super) fn legs_of(&self, way: Way) -> Vec<Leg> {
        way.places().map(|leg| self.legs[leg]).collect()
    }

    /// When it leaves and when it lands.
    pub(super) fn ends(&self, way: Way) -> [i64; 2] {
        let first = way.places().next().map_or(0, |leg| self.legs[leg].departs);
        [first, way.places().last().map_or(0, |leg| self.legs[leg].arrives)]
    }
}

impl<S: Fn(&Flight, i32) -> bool> Search<'_, S> {
    /// Those by one edge of the airport.
    fn first_legs(&mut self, firsts: &mut Firsts<'_>, place: usize, question: Question<'_>) -> Range<usize> {
        if let Some(known) = &firsts.legs[place] {
            return known.clone();
        }
        let edge = self.world.edges(firsts.wall.airport)[place];
        let all = self.departures(&firsts.wall, &edge, question.earliest..=i64::MAX);
        let legs = self.only_with_room(all);
        firsts.legs[place] = Some(legs.clone());
        legs
    }

    /// Flights of one edge between two instants, by time; full ones too.
    fn departures(&mut self, wall: &Wall<'_>, edge: &Edge, between: RangeInclusive<i64>) -> Range<usize> {
        let begin = self.legs.len();
        let (start, flights) = self.world.flights_of(edge);
        for day in wall.days() {
            for (at, flight) in (start..).zip(flights) {
                if flight.days & day.weekday != 0 {
                    let departs = wall.to_utc(day, flight.departs);
                    if between.contains(&departs) {
                        let arrives = departs + i64::from(flight.block);
                        self.legs.push(Leg {
                            flight: at,
                            from: wall.airport,
                            day: day.day,
                            departs,
                            arrives,
                        });
                    }
                }
            }
        }
        // On the night when the clock goes back they are not in order yet.
        if !self.legs[begin..].is_sorted_by_key(|leg| leg.departs) {
            self.legs[begin..].sort_by_key(|leg| leg.departs);
        }
        begin..self.legs.len()
    }

    /// Of the newest legs.
    fn only_with_room(&mut self, legs: Range<usize>) -> Range<usize> {
        let mut kept = legs.start;
        for leg in legs.clone() {
            if self.has_room(leg) {
                self.legs.swap(kept, leg);
                kept += 1;
            }
        }
        self.legs.truncate(kept);
        legs.start..kept
    }

    fn has_room(&self, leg: usize) -> bool {
        let leg = &self.legs[leg];
        (self.sells)(&self.world.flights[leg.flight as usize], leg.day)
    }
}

pub(super) fn leg(world: &World, at: u32, flight: &Flight, from: u16, day: i32) -> Option<Leg> {
    if flight.days & seasons::bit(day) == 0 {
        return None;
    }
    let departs = world.zone(from).to_utc(i64::from(day) * 1_440 + i64::from(flight.departs));
    Some(Leg { flight: at, from, day, departs, arrives: departs + i64::from(flight.block) })
}
