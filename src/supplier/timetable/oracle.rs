//! The engine against the simplest thing that could find the same: every flight against every flight, instants by jiff,
//! and the rules written once more, from their words.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Span, civil, tz::TimeZone};

use super::{
    airlines::connects,
    engine::{self, Question},
    network::mix,
    offers,
    world::{Flight, World},
};

/// A way as flights, and when it leaves and lands.
type Found = (Vec<u32>, i64, i64);

#[derive(Clone, Copy)]
struct Leg {
    at: u32,
    flight: Flight,
    from: u16,
    departs: i64,
    lands: i64,
}

struct Naive<'a> {
    world: &'a World,
    /// The airports of a city, or one.
    from: &'a [u16],
    to: &'a [u16],
    day: i32,
    of_origin: Vec<Vec<u32>>,
    leaving: HashMap<u16, Vec<Leg>>,
}

impl<'a> Naive<'a> {
    fn new(world: &'a World, [from, to]: [&'a [u16]; 2], date: civil::Date) -> Self {
        let mut of_origin = vec![Vec::new(); world.nodes.len()];
        for flight in 0..u32::try_from(world.flights.len()).unwrap() {
            of_origin[usize::from(world.origin_of(flight))].push(flight);
        }
        Self { world, from, to, day: offers::day_of(date), of_origin, leaving: HashMap::new() }
    }

    fn leaving(&self, origin: u16, day: i32) -> Vec<Leg> {
        let zone = TimeZone::get(&self.world.airports.all()[usize::from(origin)].zone).unwrap();
        let midnight = civil::date(1970, 1, 1).checked_add(Span::new().days(day)).unwrap();
        let weekday = midnight.weekday().to_monday_zero_offset();
        // Winter's week stands above summer's, which lasts from the last Sunday of March to the last of October.
        let last_sunday = |month| {
            let last = civil::date(midnight.year(), month, 31);
            last - Span::new().days(i64::from(last.weekday().to_sunday_zero_offset()))
        };
        let is_winter = midnight < last_sunday(3) || midnight >= last_sunday(10);
        let bit = weekday + if is_winter { 7 } else { 0 };
        let mut legs = Vec::new();
        for &at in &self.of_origin[usize::from(origin)] {
            let flight = self.world.flights[at as usize];
            if flight.days >> bit & 1 == 1 {
                let local = midnight.at(0, 0, 0, 0) + SignedDuration::from_mins(i64::from(flight.departs));
                let departs = zone.to_timestamp(local).unwrap().as_second() / 60;
                legs.push(Leg {
                    at,
                    flight,
                    from: origin,
                    departs,
                    lands: departs + i64::from(flight.block),
                });
            }
        }
        legs
    }

    /// All flights of some days, by time.
    fn later(&mut self, origin: u16) -> Vec<Leg> {
        if let Some(known) = self.leaving.get(&origin) {
            return known.clone();
        }
        let mut legs: Vec<Leg> =
            (self.day - 1..=self.day + 4).flat_map(|day| self.leaving(origin, day)).collect();
        legs.sort_by_key(|leg| (leg.departs, leg.at));
        self.leaving.insert(origin, legs.clone());
        legs
    }

    fn fits(&self, first: &Leg, second: &Leg) -> bool {
        let node = |at: u16| &self.world.nodes[usize::from(at)];
        let (from, stop, to) = (node(first.from), node(second.from), node(second.flight.to));
        let same = first.flight.carrier == second.flight.carrier;
        let least = 35
            + i64::from(stop.size.max(3) - 3) * 5
            + if from.country == stop.country && stop.country == to.country { 0 } else { 15 }
            + if same { 0 } else { 10 };
        let wait = second.departs - first.lands;
        first.flight.to == second.from
            && connects(first.flight.carrier, second.flight.carrier)
            && (least..=600).contains(&wait)
    }

    fn within(&self, [a, b]: [u16; 2], km: u32, per_cent: u32, more: u32) -> bool {
        km <= u32::from(self.world.km(a, b)) * per_cent / 100 + more
    }

    /// Nobody changes planes in the city that they leave from or go to.
    fn is_at_either_end(&self, stop: u16) -> bool {
        self.from.contains(&stop) || self.to.contains(&stop)
    }

    fn up_to_one_change(&mut self, pair: [u16; 2]) -> Vec<Vec<Leg>> {
        let [a, b] = pair;
        let mut found = Vec::new();
        for first in self.leaving(a, self.day) {
            let stop = first.flight.to;
            if stop == b {
                found.push(vec![first]);
                continue;
            }
            let km = u32::from(first.flight.km) + u32::from(self.world.km(stop, b));
            if self.is_at_either_end(stop)
                || self.world.edge(stop, b).is_none()
                || !self.within(pair, km, 125, 200)
            {
                continue;
            }
            let onward = self.later(stop);
            let fits = onward.iter().filter(|leg| leg.flight.to == b && self.fits(&first, leg));
            found.extend(fits.take(2).map(|second| vec![first, *second]));
        }
        found
    }

    fn two_changes(&mut self, pair: [u16; 2], fewer: &[Vec<Leg>]) -> Vec<Vec<Leg>> {
        let [a, b] = pair;
        let enough: BTreeSet<u16> =
            fewer.iter().filter(|legs| legs.len() == 2).map(|legs| legs[1].from).collect();
        let minutes = |legs: &[Leg]| legs[legs.len() - 1].lands - legs[0].departs;
        let quickest = fewer.iter().map(|legs| minutes(legs)).min();
        let mut found = Vec::new();
        for first in self.leaving(a, self.day) {
            let x = first.flight.to;
            // By last flight, the best: landing, kilometres, then the flights themselves.
            let mut best: BTreeMap<u32, (i64, u32, [u32; 2], Vec<Leg>)> = BTreeMap::new();
            if self.is_at_either_end(x) || enough.contains(&x) {
                continue;
            }
            let short = u32::from(first.flight.km) + u32::from(self.world.km(x, b));
            if !self.within(pair, short, 400, 1_200) {
                continue;
            }
            for second in self.later(x) {
                let y = second.flight.to;
                if self.is_at_either_end(y) || enough.contains(&y) || !self.fits(&first, &second) {
                    continue;
                }
                if self.world.edge(y, b).is_none() {
                    continue;
                }
                for last in self.later(y) {
                    if last.flight.to != b || !self.fits(&second, &last) {
                        continue;
                    }
                    let km = [first, second, last].iter().map(|leg| u32::from(leg.flight.km)).sum();
                    let legs = vec![first, second, last];
                    let beaten = fewer.iter().any(|other| {
                        other[0].departs >= first.departs && other[other.len() - 1].lands <= last.lands
                    });
                    let too_long = quickest.is_some_and(|quickest| minutes(&legs) > quickest * 3 / 2 + 180);
                    let straight = u32::from(self.world.km(a, b));
                    if beaten || too_long || km > straight * 4 / 3 + 400 {
                        continue;
                    }
                    let key = (last.lands, km, [second.at, last.at], legs);
                    let known = best.entry(last.at).or_insert_with(|| key.clone());
                    if (key.0, key.1, key.2) < (known.0, known.1, known.2) {
                        *known = key;
                    }
                }
            }
            let mut best: Vec<_> = best.into_values().collect();
            best.sort_by_key(|(lands, km, flights, _)| (*lands, *km, *flights));
            found.extend(best.into_iter().take(2).map(|(.., legs)| legs));
        }
        found
    }

    fn all(mut self) -> BTreeSet<Found> {
        let to = self.to;
        let pairs = self.from.iter().flat_map(|a| to.iter().map(|b| [*a, *b])).filter(|[a, b]| a != b);
        let pairs: Vec<[u16; 2]> = pairs.collect();
        let fewer: Vec<Vec<Leg>> = pairs.iter().flat_map(|pair| self.up_to_one_change(*pair)).collect();
        let more: Vec<Vec<Leg>> = pairs.iter().flat_map(|pair| self.two_changes(*pair, &fewer)).collect();
        let found = fewer.into_iter().chain(more);
        let way = |legs: Vec<Leg>| {
            (legs.iter().map(|leg| leg.at).collect(), legs[0].departs, legs[legs.len() - 1].lands)
        };
        found.map(way).collect()
    }
}

fn by_the_engine(world: &World, [from, to]: [&[u16]; 2], date: civil::Date) -> BTreeSet<Found> {
    let question = Question { from, to, day: offers::day_of(date), earliest: i64::MIN };
    let found = engine::find(world, question, |_: &Flight, _| true);
    let way = |way: &engine::Way| {
        let [departs, lands] = found.ends(*way);
        (found.legs_of(*way).iter().map(|leg| leg.flight).collect(), departs, lands)
    };
    let all: BTreeSet<Found> = found.ways.iter().map(way).collect();
    assert_eq!(all.len(), found.ways.len(), "nothing twice");
    all
}

/// How many ways of each number of changes both have found.
fn compared(asked: &[([Vec<u16>; 2], civil::Date)]) -> [usize; 3] {
    let world = World::shared();
    let mut changes = [0; 3];
    for ([from, to], date) in asked {
        let places = [from.as_slice(), to.as_slice()];
        let found = by_the_engine(world, places, *date);
        let names = places
            .map(|all| all.iter().map(|at| world.airports.all()[usize::from(*at)].code).collect::<Vec<_>>());
        assert_eq!(found, Naive::new(world, places, *date).all(), "{names:?} {date}");
        found.iter().for_each(|(flights, ..)| changes[flights.len() - 1] += 1);
    }
    changes
}

fn members(world: &World, code: &str) -> Vec<u16> {
    let codes = world.airports.members(code.parse().unwrap()).iter();
    codes.map(|code| u16::try_from(world.airports.index(*code).unwrap()).unwrap()).collect()
}

#[test]
fn the_engine_finds_what_a_naive_join_finds() {
    let world = World::shared();
    let at = |code: &str| world.airports.index(code.parse().unwrap()).unwrap();
    let size =
        |size: u8| (0..world.nodes.len()).filter(|at| world.nodes[*at].size == size).collect::<Vec<_>>();
    let day = civil::date(2027, 3, 12);
    let mut asked = vec![
        (at("LIS"), at("JFK"), day),
        (at("BRS"), at("FNC"), civil::date(2027, 3, 28)),
        (at("GKA"), at("SYD"), civil::date(2027, 4, 4)),
    ];
    for (places, pairs) in [(size(6), 4), (size(4), 6), (size(2), 8), (size(1), 8)] {
        for nth in 0..pairs {
            let pick =
                |salt: u64| places[usize::try_from(mix(nth * 2 + salt) % 1_000_003).unwrap() % places.len()];
            let date = civil::date(2026, 11, 1) + Span::new().days(i64::try_from(nth * 37 % 300).unwrap());
            asked.push((pick(0), pick(1), date));
        }
    }
    let one = |at: usize| vec![u16::try_from(at).unwrap()];
    let asked: Vec<_> = asked.into_iter().map(|(a, b, date)| ([one(a), one(b)], date)).collect();
    let changes = compared(&asked);
    assert!(changes.iter().all(|found| *found > 10), "all kinds were compared: {changes:?}");
}

#[test]
fn a_city_of_several_airports_has_all_their_ways_and_no_change_of_planes_within_it() {
    let world = World::shared();
    let asked = [
        ("LON", "NYC", civil::date(2027, 3, 12)),
        // The night on which Europe's clocks go back.
        ("LON", "TYO", civil::date(2026, 10, 25)),
        ("VGO", "LON", civil::date(2027, 5, 2)),
        ("STO", "KUG", civil::date(2027, 2, 1)),
        ("NYC", "GKA", civil::date(2027, 4, 4)),
        ("LON", "PPT", civil::date(2027, 3, 12)),
    ];
    let asked = asked.map(|(from, to, date)| ([members(world, from), members(world, to)], date));
    assert!(asked.iter().all(|(ends, _)| ends.iter().any(|airports| airports.len() > 1)));
    let changes = compared(&asked);
    assert!(changes.iter().all(|found| *found > 10), "all kinds were compared: {changes:?}");
}

#[test]
fn the_two_weeks_around_a_change_of_season_are_found_as_they_are_flown() {
    let world = World::shared();
    let ends = [members(world, "FAO"), members(world, "STO")];
    let days = [(2027, 3, 26), (2027, 3, 27), (2027, 3, 28), (2026, 10, 24), (2026, 10, 25), (2026, 10, 31)];
    let asked = days.map(|(year, month, day)| (ends.clone(), civil::date(year, month, day)));
    compared(&asked);
}
