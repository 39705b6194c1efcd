//! Non-stop and with one change.

use std::ops::{Range, RangeInclusive};

use super::{
    super::{
        airlines::connects,
        world::{Edge, Flight, World},
    },
    Firsts, LONGEST_LAYOVER, Question, SHORTEST_LAYOVER, Search, Way,
    wall::Wall,
};

/// A flight, or two with a change, without a time.
#[derive(Clone, Copy)]
pub(in super::super) struct Path {
    from: u16,
    first: Edge,
    onward: Option<Edge>,
}

impl Path {
    pub(in super::super) const fn legs(&self) -> usize {
        if self.onward.is_some() { 2 } else { 1 }
    }

    /// Each with where it begins.
    pub(in super::super) fn edges(&self) -> impl Iterator<Item = (u16, &Edge)> {
        let onward = self.onward.as_ref().map(|onward| (self.first.to, onward));
        std::iter::once((self.from, &self.first)).chain(onward)
    }
}

/// Every path from one airport to another with at most one change, and the place of its first edge among the airport's.
fn for_each_path(
    world: &World,
    from: &[u16],
    to: &[u16],
    [a, b]: [u16; 2],
    mut found: impl FnMut(usize, Path),
) {
    let straight = world.km(a, b);
    // Every route is flown both ways, so those that reach b are those that b reaches.
    let mut inward = world.edges(b);
    for (place, edge) in world.edges(a).iter().enumerate() {
        if edge.to == b {
            found(place, Path { from: a, first: *edge, onward: None });
            continue;
        }
        let skip = inward.partition_point(|back| back.to < edge.to);
        inward = &inward[skip..];
        let Some(back) = inward.first().filter(|back| back.to == edge.to) else { continue };
        // Nobody changes planes in the city that they leave from or go to.
        let at_either_end = from.contains(&edge.to) || to.contains(&edge.to);
        if !at_either_end
            && is_sensible(straight, &[edge.km, back.km])
            && let Some(onward) = world.edge(edge.to, b)
        {
            found(place, Path { from: a, first: *edge, onward: Some(onward) });
        }
    }
}

/// Every path from some airports to others with at most one change.
pub(in super::super) fn paths(world: &World, from: &[u16], to: &[u16]) -> Vec<Path> {
    let mut paths = Vec::new();
    for a in from {
        for b in to.iter().filter(|b| *b != a) {
            for_each_path(world, from, to, [*a, *b], |_, path| paths.push(path));
        }
    }
    paths
}

/// Later connections than this many feasible ones are only longer waits.
pub(in super::super) const CONNECTIONS_EACH: usize = 2;

impl<S: Fn(&Flight, i32) -> bool> Search<'_, S> {
    pub(super) fn up_to_one_change(
        &mut self,
        question: Question<'_>,
        [a, b]: [u16; 2],
        firsts: &mut Firsts<'_>,
    ) {
        for_each_path(self.world, question.from, question.to, [a, b], |place, path| {
            let firsts = self.first_legs(firsts, place, question);
            if !firsts.is_empty() {
                self.along(&path, firsts);
            }
        });
    }

    pub(super) fn along(&mut self, path: &Path, firsts: Range<usize>) {
        match path.onward {
            None => self.ways.extend(firsts.map(|first| Way::of(&[first]))),
            Some(onward) => self.change_at([path.from, path.first.to, onward.to], firsts, &onward),
        }
    }

    fn change_at(&mut self, [a, stop, b]: [u16; 3], firsts: Range<usize>, onward: &Edge) {
        let Some(lands) = self.landings(firsts.clone()) else { return };
        let wall = Wall::after(self.world, stop, &lands);
        let between = lands.start() + SHORTEST_LAYOVER..=lands.end() + LONGEST_LAYOVER;
        let seconds = self.departures(&wall, onward, between);
        let seconds = self.only_with_room(seconds);
        let change = Change::new(self.world, [a, stop, b]);
        for first in firsts {
            let fits = seconds.clone().filter(|second| change.fits(self, first, *second));
            let ways: [Option<usize>; CONNECTIONS_EACH] = first_of(fits);
            self.ways.extend(ways.into_iter().flatten().map(|second| Way::of(&[first, second])));
        }
    }

    /// When the first and the last of them land.
    pub(super) fn landings(&self, legs: Range<usize>) -> Option<RangeInclusive<i64>> {
        let lands = || self.legs[legs.clone()].iter().map(|leg| leg.arrives);
        Some(lands().min()?..=lands().max()?)
    }
}

fn first_of<const N: usize>(mut items: impl Iterator<Item = usize>) -> [Option<usize>; N] {
    std::array::from_fn(|_| items.next())
}

/// A way may be a quarter longer than the straight line with one change, a third with two; and a little on top, for short
/// hops.
pub(in super::super) fn is_sensible(straight: u16, legs_km: &[u16]) -> bool {
    let straight = u32::from(straight);
    let most = match legs_km.len() {
        0..=2 => straight * 5 / 4 + 200,
        _ => straight * 4 / 3 + 400,
    };
    legs_km.iter().map(|km| u32::from(*km)).sum::<u32>() <= most
}

/// A change of planes at one place, on the way from one to another.
pub(super) struct Change {
    /// Within one airline.
    minutes: i64,
}

impl Change {
    pub(super) fn new(world: &World, [a, stop, b]: [u16; 3]) -> Self {
        Self { minutes: connection_minutes(world, a, stop, b, true) }
    }

    pub(super) fn fits<S>(&self, search: &Search<'_, S>, first: usize, second: usize) -> bool {
        let (first, second) = (&search.legs[first], &search.legs[second]);
        let wait = second.departs - first.arrives;
        if !(self.minutes..=LONGEST_LAYOVER).contains(&wait) {
            return false;
        }
        let carrier = |flight: u32| search.world.flights[flight as usize].carrier;
        let (first, second) = (carrier(first.flight), carrier(second.flight));
        connects(first, second) && (first == second || wait >= self.minutes + OTHER_AIRLINE)
    }
}

const OTHER_AIRLINE: i64 = 10;

/// Minimum connection time: more at large airports, across borders and between airlines.
pub(in super::super) fn connection_minutes(
    world: &World,
    a: u16,
    stop: u16,
    b: u16,
    same_airline: bool,
) -> i64 {
    let node = |at: u16| &world.nodes[usize::from(at)];
    let abroad = node(a).country != node(stop).country || node(stop).country != node(b).country;
    let large = i64::from(node(stop).size.saturating_sub(3)) * 5;
    SHORTEST_LAYOVER + large + if abroad { 15 } else { 0 } + if same_airline { 0 } else { OTHER_AIRLINE }
}
