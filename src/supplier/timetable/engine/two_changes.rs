//! With two changes, where that is worth it: never at a place where one change is enough, and never beside a way with fewer
//! that leaves as late and lands as early. For each first flight the earliest landings are looked for, and a branch is left
//! as soon as even a flight in a straight line would land too late.

use std::{collections::HashMap, ops::Range, rc::Rc};

use super::{
    super::world::{Edge, Flight},
    Firsts, LONGEST_LAYOVER, Leg, Question, SHORTEST_LAYOVER, Search, Way,
    changes::{Change, connection_minutes, is_sensible},
    wall::Wall,
};

/// Ways with two changes for each first flight, by different last flights: one may be full tomorrow.
pub(in super::super) const LANDINGS_EACH: usize = 2;

/// One may take half as long again as the quickest with fewer changes, and three hours.
pub(in super::super) fn longest_beside(quickest: i64) -> i64 {
    quickest * 3 / 2 + 180
}

/// What ways with fewer changes already reach.
pub(super) struct Beaten {
    /// Departures, ascending, each with the earliest landing of those that leave then or later.
    steps: Vec<(i64, i64)>,
    /// Minutes that a way may take; none where nothing else is known.
    longest: Option<i64>,
    /// By airport: one change there is enough, so nobody changes twice because of it.
    enough: Vec<bool>,
}

impl Beaten {
    pub(super) fn by<S>(search: &Search<'_, S>) -> Self {
        let mut enough = vec![false; search.world.nodes.len()];
        for second in search.ways.iter().filter_map(|way| way.places().nth(1)) {
            enough[usize::from(search.legs[second].from)] = true;
        }
        let ends = search.ways.iter().map(|way| search.ends(*way));
        let mut steps: Vec<(i64, i64)> = ends.map(|[departs, lands]| (departs, lands)).collect();
        let quickest = steps.iter().map(|(departs, lands)| lands - departs).min();
        let longest = quickest.map(longest_beside);
        steps.sort_unstable();
        let mut earliest = i64::MAX;
        for (_, lands) in steps.iter_mut().rev() {
            earliest = earliest.min(*lands);
            *lands = earliest;
        }
        Self { steps, longest, enough }
    }

    const fn is_nothing(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whoever leaves at `departs` has to land before this.
    fn before(&self, departs: i64) -> i64 {
        let later = self.steps.partition_point(|(known, _)| *known < departs);
        let lands = self.steps.get(later).map_or(i64::MAX, |(_, lands)| *lands);
        self.longest.map_or(lands, |longest| lands.min(departs + longest + 1))
    }
}

/// A way from one first flight. The order is that of merit: landing, then distance, then what makes it a total order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Landing {
    arrives: i64,
    km: u32,
    flights: [u32; 2],
    legs: [usize; 2],
}

/// A first flight, and what was found for it.
struct Start {
    leg: usize,
    arrives: i64,
    before: i64,
    best: Vec<Landing>,
}

impl Start {
    /// Landing later than this is of no use.
    fn latest(&self) -> i64 {
        match self.best.get(LANDINGS_EACH - 1) {
            Some(worst) => worst.arrives,
            None => self.before - 1,
        }
    }

    fn offer(&mut self, landing: Landing) {
        if landing.arrives >= self.before {
            return;
        }
        match self.best.iter_mut().find(|known| known.flights[1] == landing.flights[1]) {
            Some(known) => *known = landing.min(*known),
            None => self.best.push(landing),
        }
        self.best.sort_unstable();
        self.best.truncate(LANDINGS_EACH);
    }
}

/// The places one flight before the end.
struct Inward<'a> {
    edges: &'a [Edge],
    /// Airport to one more than its place in `edges`; 0: has no flight there.
    place: Vec<u16>,
    /// Beside `edges`: minutes from landing there to the end, at the least.
    minutes: Vec<i64>,
    /// Beside `edges`: the flights from there to the end, once somebody asked.
    flights: Vec<Option<Range<usize>>>,
}

impl Inward<'_> {
    /// Over which places to go on from one that is so far, if it takes less than `slack`: first what may land soonest, so
    /// that most of the others are left at once.
    fn onward(&self, from: &[Edge], [straight, km]: [u16; 2], slack: i64) -> Rc<[Onward]> {
        let after = |middle: &Edge| {
            let place = usize::from(self.place[usize::from(middle.to)]).checked_sub(1)?;
            Some(Onward { middle: *middle, place, rest: least_minutes(middle.km) + self.minutes[place] })
        };
        let is_worth_it = |onward: &Onward| {
            let last = &self.edges[onward.place];
            onward.rest < slack && is_sensible(straight, &[km, onward.middle.km, last.km])
        };
        let mut all: Vec<Onward> = from.iter().filter_map(after).filter(is_worth_it).collect();
        all.sort_unstable_by_key(|onward| onward.rest);
        all.into()
    }
}

/// From the first change over the second to the end.
struct Onward {
    middle: Edge,
    /// Of the last stretch, in [`Inward::edges`].
    place: usize,
    /// Minutes, at the least.
    rest: i64,
}

/// How to go on, by start, end and first change, where nothing with fewer changes is known: then it is the same on every day.
#[derive(Default)]
pub(super) struct Detours(HashMap<[u16; 3], Rc<[Onward]>>);

/// Minutes from gate to gate, at the least: no aircraft of the fleet is faster, even with the wind.
fn least_minutes(km: u16) -> i64 {
    i64::from(km) * 8 / 125 + if km < 140 { 20 } else { 28 }
}

impl<S: Fn(&Flight, i32) -> bool> Search<'_, S> {
    pub(super) fn two_changes(
        &mut self,
        question: Question<'_>,
        [a, b]: [u16; 2],
        firsts: &mut Firsts<'_>,
        beaten: &Beaten,
    ) {
        let world = self.world;
        let straight = world.km(a, b);
        let edges = world.edges(b);
        let minutes =
            |edge: &Edge| connection_minutes(world, edge.to, edge.to, b, true) + least_minutes(edge.km);
        let mut inward = Inward {
            edges,
            place: vec![0; world.nodes.len()],
            minutes: edges.iter().map(minutes).collect(),
            flights: vec![None; edges.len()],
        };
        for (place, edge) in (1..).zip(edges) {
            if edge.to != a && !question.is_at_either_end(edge.to) && !beaten.enough[usize::from(edge.to)] {
                inward.place[usize::from(edge.to)] = place;
            }
        }
        for (place, edge) in world.edges(a).iter().enumerate() {
            let enough = edge.to == b || beaten.enough[usize::from(edge.to)];
            if enough || question.is_at_either_end(edge.to) {
                continue;
            }
            let rest = world.km(edge.to, b);
            if !is_sensible(straight, &[edge.km, rest, 0]) {
                continue;
            }
            // Whatever lies between: once more down, and up again.
            let soonest = connection_minutes(world, a, edge.to, edge.to, true)
                + least_minutes(rest)
                + least_minutes(0)
                + SHORTEST_LAYOVER;
            let firsts = self.first_legs(firsts, place, question);
            let starts = self.starts(firsts, soonest, beaten);
            if !starts.is_empty() {
                self.through(question, [a, b], edge, starts, (&mut inward, beaten));
            }
        }
    }

    /// First flights from which the end could still be reached in time.
    fn starts(&self, firsts: Range<usize>, soonest: i64, beaten: &Beaten) -> Vec<Start> {
        let start = |leg: usize| {
            let Leg { departs, arrives, .. } = self.legs[leg];
            let before = beaten.before(departs);
            (arrives + soonest < before).then(|| Start { leg, arrives, before, best: Vec::new() })
        };
        firsts.filter_map(start).collect()
    }

    fn through(
        &mut self,
        question: Question<'_>,
        [a, b]: [u16; 2],
        edge: &Edge,
        mut starts: Vec<Start>,
        (inward, beaten): (&mut Inward<'_>, &Beaten),
    ) {
        let x = edge.to;
        let at_x = connection_minutes(self.world, a, x, x, true);
        let lands = || starts.iter().map(|start| start.arrives);
        let (Some(first), Some(last)) = (lands().min(), lands().max()) else { return };
        let wall = Wall::after(self.world, x, &(first..=last));
        let slack = starts.iter().map(|start| start.before - start.arrives).max().unwrap_or(0) - at_x;
        let (from, km) = (self.world.edges(x), [self.world.km(a, b), edge.km]);
        let onward = match beaten.is_nothing() {
            true => Rc::clone(
                self.detours.0.entry([a, b, x]).or_insert_with(|| inward.onward(from, km, i64::MAX)),
            ),
            false => inward.onward(from, km, slack),
        };
        for Onward { middle, place, rest } in onward.iter() {
            let (place, rest) = (*place, *rest);
            let last = &inward.edges[place];
            let flying = at_x + rest;
            let alive = |start: &Start| start.arrives + flying <= start.latest();
            // Between the first landing and the last moment that leaves time for the rest.
            let alive = starts.iter().filter(|start| alive(start));
            let window = alive.fold((i64::MAX, i64::MIN), |(first, last), start| {
                let latest = (start.latest() - rest).min(start.arrives + LONGEST_LAYOVER);
                (first.min(start.arrives + at_x), last.max(latest))
            });
            if window.0 > window.1 {
                continue;
            }
            let y = middle.to;
            let middles = self.departures(&wall, middle, window.0..=window.1);
            if middles.is_empty() {
                continue;
            }
            let lasts = match inward.flights[place].clone() {
                Some(lasts) => lasts,
                None => {
                    let lasts = self.all_last_legs(question, y, b);
                    inward.flights[place] = Some(lasts.clone());
                    lasts
                }
            };
            let km = u32::from(edge.km) + u32::from(middle.km) + u32::from(last.km);
            let changes = [Change::new(self.world, [a, x, y]), Change::new(self.world, [x, y, b])];
            for start in starts.iter_mut().filter(|start| start.arrives + flying <= start.latest()) {
                self.land(start, km, &changes, middles.clone(), lasts.clone(), least_minutes(last.km));
            }
        }
        for start in starts {
            let ways =
                start.best.iter().map(|landing| Way::of(&[start.leg, landing.legs[0], landing.legs[1]]));
            self.ways.extend(ways);
        }
    }

    /// Flights of the last stretch that anyone who left on the day could still take.
    fn all_last_legs(&mut self, question: Question<'_>, y: u16, b: u16) -> Range<usize> {
        let Some(edge) = self.world.edge(y, b) else { return 0..0 };
        // A day's first flights land up to two days later, and both waits are shorter than half a day.
        let wall = Wall::new(self.world, y, question.day - 1..=question.day + 3);
        self.departures(&wall, &edge, i64::MIN..=i64::MAX)
    }

    fn land(
        &self,
        start: &mut Start,
        km: u32,
        changes: &[Change; 2],
        middles: Range<usize>,
        lasts: Range<usize>,
        last_minutes: i64,
    ) {
        for middle in middles {
            let Leg { arrives, flight, .. } = self.legs[middle];
            if arrives + SHORTEST_LAYOVER + last_minutes > start.latest() {
                continue;
            }
            if !changes[0].fits(self, start.leg, middle) || !self.has_room(middle) {
                continue;
            }
            let skip =
                self.legs[lasts.clone()].partition_point(|leg| leg.departs < arrives + SHORTEST_LAYOVER);
            for last in lasts.start + skip..lasts.end {
                let leg = self.legs[last];
                if leg.departs + last_minutes > start.latest() {
                    break;
                }
                if leg.arrives <= start.latest() && changes[1].fits(self, middle, last) && self.has_room(last)
                {
                    let flights = [flight, leg.flight];
                    start.offer(Landing { arrives: leg.arrives, km, flights, legs: [middle, last] });
                }
            }
        }
    }
}
