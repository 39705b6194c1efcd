//! Finding ways: non-stop and with one change, on one date, between airports or whole cities.

use super::{
    airlines::connects,
    world::{Flight, World},
};

/// A flight on a day. Instants are UTC minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leg {
    pub flight: u32,
    /// Days since 1970 of the departure on the origin's wall.
    pub day: i32,
    pub departs: i64,
    pub arrives: i64,
}

/// One leg, or two with a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub first: Leg,
    pub second: Option<Leg>,
}

impl Way {
    pub(super) fn legs(&self) -> impl Iterator<Item = Leg> {
        std::iter::once(self.first).chain(self.second)
    }

    pub(super) fn departs(&self) -> i64 {
        self.first.departs
    }

    pub(super) fn arrives(&self) -> i64 {
        self.second.unwrap_or(self.first).arrives
    }

    pub(super) fn minutes(&self) -> i64 {
        self.arrives() - self.departs()
    }
}

/// Longest wait that still counts as one journey.
pub(super) const LONGEST_LAYOVER: i64 = 10 * 60;
/// Later connections than this many feasible ones are only longer waits.
const CONNECTIONS_EACH: usize = 2;

/// All sensible ways that leave on `day`, not before the UTC minute `earliest`.
pub(super) fn find(world: &World, from: &[u16], to: &[u16], day: i32, earliest: i64) -> Vec<Way> {
    let mut ways = Vec::new();
    for &a in from {
        for &b in to {
            if a != b {
                direct(world, a, b, day, earliest, &mut ways);
                one_stop(world, a, b, day, earliest, &mut ways);
            }
        }
    }
    // Nobody changes planes in the city that they leave from or go to.
    ways.retain(|way| way.second.is_none() || !is_at_either_end(world, way, from, to));
    ways
}

fn is_at_either_end(world: &World, way: &Way, from: &[u16], to: &[u16]) -> bool {
    let stop = world.flights[way.first.flight as usize].to;
    from.contains(&stop) || to.contains(&stop)
}

pub(super) fn leg(world: &World, at: u32, flight: &Flight, from: u16, day: i32) -> Option<Leg> {
    if !operates(flight, day) {
        return None;
    }
    let departs = world.zone(from).to_utc(i64::from(day) * 1_440 + i64::from(flight.departs));
    Some(Leg { flight: at, day, departs, arrives: departs + i64::from(flight.block) })
}

/// 1 January 1970 was a Thursday; bit 0 is Monday.
pub(super) fn operates(flight: &Flight, day: i32) -> bool {
    flight.days & (1 << (day + 3).rem_euclid(7)) != 0
}

fn direct(world: &World, a: u16, b: u16, day: i32, earliest: i64, ways: &mut Vec<Way>) {
    let Some(edge) = world.edge(a, b) else { return };
    let (start, flights) = world.flights_of(&edge);
    let legs = (start..).zip(flights).filter_map(|(at, flight)| leg(world, at, flight, a, day));
    ways.extend(legs.filter(|leg| leg.departs >= earliest).map(|first| Way { first, second: None }));
}

fn one_stop(world: &World, a: u16, b: u16, day: i32, earliest: i64, ways: &mut Vec<Way>) {
    let straight = world.km(a, b);
    // Every route is flown both ways, so those that reach b are those that b reaches.
    let (mut outward, mut inward) = (world.edges(a), world.edges(b));
    while let ([x, rest_out @ ..], [y, rest_in @ ..]) = (outward, inward) {
        if x.to < y.to {
            outward = rest_out;
        } else if y.to < x.to {
            inward = rest_in;
        } else {
            let stop = x.to;
            if sensible(straight, world.km(a, stop), world.km(stop, b))
                && let Some(onward) = world.edge(stop, b)
            {
                let (start, first) = world.flights_of(x);
                let first = (start..).zip(first).filter_map(|(at, flight)| leg(world, at, flight, a, day));
                let (onward_start, onward) = world.flights_of(&onward);
                for first in first.filter(|leg| leg.departs >= earliest) {
                    connect(world, first, [a, stop, b], onward_start, onward, ways);
                }
            }
            (outward, inward) = (rest_out, rest_in);
        }
    }
}

/// A change may cost a quarter more way, and a little on top for short hops.
pub(super) fn sensible(straight: u16, first: u16, second: u16) -> bool {
    u32::from(first) + u32::from(second) <= u32::from(straight) * 5 / 4 + 200
}

fn connect(world: &World, first: Leg, places: [u16; 3], start: u32, onward: &[Flight], ways: &mut Vec<Way>) {
    let [a, stop, b] = places;
    let carrier = world.flights[first.flight as usize].carrier;
    let local = world.zone(stop).to_local(first.arrives);
    let today = i32::try_from(local.div_euclid(1_440)).unwrap_or(i32::MAX);
    let mut found = 0;
    for day in [today, today + 1] {
        for (at, flight) in (start..).zip(onward) {
            // Already gone on the wall: saves the conversion.
            if day == today && i64::from(flight.departs) < local.rem_euclid(1_440) - 120 {
                continue;
            }
            if !connects(carrier, flight.carrier) {
                continue;
            }
            let Some(second) = leg(world, at, flight, stop, day) else { continue };
            let wait = second.departs - first.arrives;
            if wait > LONGEST_LAYOVER {
                return;
            }
            if wait >= connection_minutes(world, a, stop, b, carrier == flight.carrier) {
                ways.push(Way { first, second: Some(second) });
                found += 1;
                if found == CONNECTIONS_EACH {
                    return;
                }
            }
        }
    }
}

/// Minimum connection time: more at large airports, across borders and between airlines.
pub(super) fn connection_minutes(world: &World, a: u16, stop: u16, b: u16, same_airline: bool) -> i64 {
    let node = |at: u16| &world.nodes[usize::from(at)];
    let abroad = node(a).country != node(stop).country || node(stop).country != node(b).country;
    let large = i64::from(node(stop).size.saturating_sub(3)) * 5;
    35 + large + if abroad { 15 } else { 0 } + if same_airline { 0 } else { 10 }
}

/// Drops what nobody would choose: a way that leaves no later, lands no earlier and hardly costs less than another.
pub(super) fn without_pointless<T>(items: Vec<T>, of: impl Fn(&T) -> (Way, i64)) -> Vec<T> {
    let known: Vec<(Way, i64)> = items.iter().map(&of).collect();
    let beats = |(way, cents): &(Way, i64), (other, others): &(Way, i64)| {
        let within = way.departs() >= other.departs() && way.arrives() <= other.arrives();
        within && way.minutes() < other.minutes() && cents * 100 <= others * 102
    };
    let keeps = |item: &T| !known.iter().any(|better| beats(better, &of(item)));
    items.into_iter().filter(keeps).collect()
}

/// Of many, the ones worth showing: the best by price and time together, the cheapest, the fastest.
pub(super) fn worthwhile<T>(items: Vec<T>, limit: usize, cost: impl Fn(&T) -> (i64, i64)) -> Vec<T> {
    if items.len() <= limit {
        return items;
    }
    // Half an hour is worth ten euros here.
    let orders: [fn((i64, i64)) -> i64; 3] =
        [|(cents, minutes)| cents + minutes * 33, |(cents, _)| cents, |(_, minutes)| minutes];
    let mut keep = vec![false; items.len()];
    for (order, share) in orders.into_iter().zip([limit / 2, limit / 4, limit / 4]) {
        let mut ranks: Vec<(i64, usize)> =
            items.iter().enumerate().map(|(at, item)| (order(cost(item)), at)).collect();
        ranks.sort_unstable();
        ranks.iter().filter(|(_, at)| !std::mem::replace(&mut keep[*at], true)).take(share).for_each(drop);
    }
    items.into_iter().zip(keep).filter_map(|(item, keep)| keep.then_some(item)).collect()
}
