//! The flights of every day, in memory: built once from the network, laid out by origin and destination.

use std::sync::OnceLock;

use super::{
    airlines::{AIRLINES, Airline, Kind},
    fleet,
    network::{self, Node, Route, mix},
    seasons,
    sphere::Ruler,
    zones::ZoneRules,
};
use crate::airports::Airports;

/// One flight number on the days of its pattern. Times are the origin's wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    pub to: u16,
    /// Minute of the day.
    pub departs: u16,
    /// Minutes from gate to gate.
    pub block: u16,
    pub number: u16,
    pub km: u16,
    pub carrier: u8,
    pub aircraft: u8,
    /// Of a week in summer, then of one in winter ([`seasons::flown`]).
    pub days: u16,
}

/// All flights of one origin to one destination: a range of [`World::flights`], by departure.
#[derive(Clone, Copy)]
pub(super) struct Edge {
    pub to: u16,
    pub km: u16,
    start: u32,
    count: u16,
}

pub(super) struct World {
    pub airports: &'static Airports,
    pub nodes: Vec<Node>,
    pub flights: Vec<Flight>,
    edges: Vec<Edge>,
    /// Where each origin's edges start; one more than there are airports.
    origins: Vec<u32>,
    /// Flight by carrier and number; `u32::MAX` is none.
    by_number: Vec<Vec<u32>>,
    zone_of: Vec<u16>,
    zones: Vec<(String, OnceLock<ZoneRules>)>,
    pub ruler: Ruler,
}

impl World {
    /// The one world of this process.
    pub(super) fn shared() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(|| Self::build(Airports::world(), 1))
    }

    /// With every flight `density` times a day: 1, but where the benchmark asks how the engine grows.
    pub(super) fn build(airports: &'static Airports, density: u16) -> Self {
        let ruler = Ruler::new();
        let nodes = network::nodes(airports);
        let routes = network::routes(&nodes, &ruler);
        let mut planner = Planner::new(airports, &nodes, density);
        for route in &routes {
            planner.fly(route);
        }
        let Planner { next_number, planned, .. } = planner;
        let (zone_of, zones) = zones(airports);
        let mut world = Self {
            airports,
            flights: Vec::with_capacity(planned.len()),
            edges: Vec::with_capacity(routes.len() * 2),
            origins: Vec::with_capacity(nodes.len() + 1),
            by_number: next_number.iter().map(|next| vec![u32::MAX; usize::from(*next)]).collect(),
            nodes,
            zone_of,
            zones,
            ruler,
        };
        world.lay_out(planned);
        world
    }

    fn lay_out(&mut self, mut planned: Vec<(u16, Flight)>) {
        let key = |(from, flight): &(u16, Flight)| {
            u64::from(*from) << 48
                | u64::from(flight.to) << 32
                | u64::from(flight.departs) << 16
                | u64::from(flight.number)
        };
        planned.sort_unstable_by_key(key);
        let mut last = None;
        for (at, (from, flight)) in (0_u32..).zip(planned) {
            while self.origins.len() <= usize::from(from) {
                self.origins.push(count(self.edges.len()));
            }
            if last != Some((from, flight.to)) {
                self.edges.push(Edge { to: flight.to, km: flight.km, start: at, count: 0 });
                last = Some((from, flight.to));
            }
            if let Some(edge) = self.edges.last_mut() {
                edge.count += 1;
            }
            self.by_number[usize::from(flight.carrier)][usize::from(flight.number)] = at;
            self.flights.push(flight);
        }
        while self.origins.len() <= self.nodes.len() {
            self.origins.push(count(self.edges.len()));
        }
    }

    /// Where one can fly from here, by index of the destination.
    pub(super) fn edges(&self, from: u16) -> &[Edge] {
        let from = usize::from(from);
        &self.edges[self.origins[from] as usize..self.origins[from + 1] as usize]
    }

    /// Flights of the edge, as index of the first and the flights themselves.
    pub(super) fn flights_of(&self, edge: &Edge) -> (u32, &[Flight]) {
        let start = edge.start as usize;
        (edge.start, &self.flights[start..start + usize::from(edge.count)])
    }

    pub(super) fn edge(&self, from: u16, to: u16) -> Option<Edge> {
        let edges = self.edges(from);
        edges.binary_search_by_key(&to, |edge| edge.to).ok().map(|at| edges[at])
    }

    pub(super) fn km(&self, a: u16, b: u16) -> u16 {
        self.ruler.km(self.nodes[usize::from(a)].point, self.nodes[usize::from(b)].point)
    }

    pub(super) fn origin_of(&self, flight: u32) -> u16 {
        let edge = self.edges.partition_point(|edge| edge.start <= flight).saturating_sub(1);
        network::index(self.origins.partition_point(|start| *start as usize <= edge).saturating_sub(1))
    }

    pub(super) fn by_number(&self, carrier: u8, number: u16) -> Option<u32> {
        let flight = *self.by_number.get(usize::from(carrier))?.get(usize::from(number))?;
        (flight != u32::MAX).then_some(flight)
    }

    pub(super) fn zone(&self, airport: u16) -> &ZoneRules {
        let (name, rules) = &self.zones[usize::from(self.zone_of[usize::from(airport)])];
        rules.get_or_init(|| ZoneRules::load(name))
    }

    /// Bytes of the flight index itself.
    pub(super) fn bytes(&self) -> usize {
        let numbers: usize = self.by_number.iter().map(|numbers| size_of_val(numbers.as_slice())).sum();
        size_of_val(self.flights.as_slice())
            + size_of_val(self.edges.as_slice())
            + size_of_val(self.origins.as_slice())
            + numbers
    }

    /// Departures on an average day of a summer, and of a winter.
    pub(super) fn flights_per_day(&self) -> [u32; 2] {
        let weekly = self.flights.iter().map(|flight| seasons::weekly_flights(flight.days));
        let (summer, winter) = weekly.fold((0, 0), |sum, week| (sum.0 + week.0, sum.1 + week.1));
        [summer / 7, winter / 7]
    }
}

fn zones(airports: &Airports) -> (Vec<u16>, Vec<(String, OnceLock<ZoneRules>)>) {
    let mut known = std::collections::HashMap::new();
    let mut zones = Vec::new();
    let of = airports.all().iter().map(|airport| {
        *known.entry(airport.zone.as_str()).or_insert_with(|| {
            zones.push((airport.zone.clone(), OnceLock::new()));
            network::index(zones.len() - 1)
        })
    });
    (of.collect(), zones)
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Gives routes to airlines, and flights their numbers and times.
struct Planner<'a> {
    nodes: &'a [Node],
    /// Bit set of the network airlines with a hub at each airport.
    hub_of: Vec<u64>,
    next_number: Vec<u16>,
    last_number: u16,
    density: u16,
    planned: Vec<(u16, Flight)>,
}

const FIRST_NUMBER: u16 = 100;
const LAST_NUMBER: u16 = 9_998;

impl<'a> Planner<'a> {
    fn new(airports: &Airports, nodes: &'a [Node], density: u16) -> Self {
        let mut hub_of = vec![0_u64; nodes.len()];
        for (carrier, airline) in AIRLINES.iter().enumerate() {
            for hub in airline.hubs.split_whitespace().filter_map(|hub| airports.index(hub.parse().ok()?)) {
                hub_of[hub] |= 1 << carrier;
            }
        }
        Self {
            nodes,
            hub_of,
            next_number: vec![FIRST_NUMBER; AIRLINES.len()],
            // Nobody prints the numbers of a denser world.
            last_number: if density == 1 { LAST_NUMBER } else { u16::MAX - 3 },
            density,
            planned: Vec::with_capacity(60_000),
        }
    }

    fn fly(&mut self, route: &Route) {
        let carriers = self.carriers(route);
        let share = route.daily_tenths.div_ceil(u16::try_from(carriers.len()).unwrap_or(1).max(1));
        for carrier in carriers {
            let seed = mix(self.nodes[usize::from(route.a)].hash
                ^ self.nodes[usize::from(route.b)].hash
                ^ u64::from(carrier));
            let aircraft = aircraft_for(route, share, AIRLINES[usize::from(carrier)].kind, self.nodes);
            let (each_day, days) = frequency(share, seed);
            let each_day = each_day * self.density;
            for nth in 0..each_day {
                self.pair(route, carrier, aircraft, days, nth, each_day);
            }
        }
    }

    /// There and back: an odd number out, the even one after it home.
    fn pair(&mut self, route: &Route, carrier: u8, aircraft: u8, days: u8, nth: u16, each_day: u16) {
        let next = &mut self.next_number[usize::from(carrier)];
        if *next > self.last_number {
            return;
        }
        let number = *next + 1;
        *next += 2;
        let days = seasons::flown(days, route.season);
        for (from, to, number) in [(route.a, route.b, number - 1), (route.b, route.a, number)] {
            let block = self.block(from, to, route.km, aircraft);
            let departs = self.departure(from, to, block, nth, each_day, number, carrier);
            self.planned
                .push((from, Flight { to, departs, block, number, km: route.km, carrier, aircraft, days }));
        }
    }

    fn carriers(&self, route: &Route) -> Vec<u8> {
        let (a, b) = (usize::from(route.a), usize::from(route.b));
        let (here, there) = (self.nodes[a].region, self.nodes[b].region);
        let seed = mix(self.nodes[a].hash ^ self.nodes[b].hash ^ 0x5eed);
        let hubs = self.hub_of[a] | self.hub_of[b];
        let serves = |airline: &Airline| airline.regions.contains(&here) && airline.regions.contains(&there);
        let mut carriers: Vec<u8> = Vec::with_capacity(4);
        for (carrier, airline) in (0_u8..).zip(AIRLINES) {
            let flies = match airline.kind {
                Kind::Network => {
                    hubs & (1 << carrier) != 0 && (route.daily_tenths >= 10 || carriers.is_empty())
                }
                Kind::LowCost => {
                    let wanted = mix(seed ^ u64::from(carrier)) % 10 < 4;
                    serves(airline) && route.km < 4_000 && route.daily_tenths >= 12 && wanted
                }
                Kind::Feeder => carriers.is_empty() && airline.regions.contains(&here) && route.km < 1_500,
            };
            if flies && carriers.len() < 4 {
                carriers.push(carrier);
            }
        }
        if carriers.is_empty() {
            // No hub of anyone: the network airlines of the two regions share such routes among them.
            let at_home =
                |airline: &Airline| airline.regions.contains(&here) || airline.regions.contains(&there);
            let network: Vec<u8> = (0_u8..)
                .zip(AIRLINES)
                .filter(|(_, airline)| airline.kind == Kind::Network && at_home(airline))
                .map(|(carrier, _)| carrier)
                .collect();
            let at = seed % u64::try_from(network.len().max(1)).unwrap_or(1);
            carriers.extend(network.get(usize::try_from(at).unwrap_or(0)));
        }
        carriers
    }

    fn block(&self, from: u16, to: u16, km: u16, aircraft: u8) -> u16 {
        let kind = fleet::aircraft(aircraft);
        let mut air = u32::from(km) * 60 / kind.cruise_kmh;
        let east =
            (self.nodes[usize::from(to)].sun - self.nodes[usize::from(from)].sun + 1_440).rem_euclid(1_440);
        if km > 1_500 {
            // The winds of the middle latitudes blow eastward.
            let percent = if (60..720).contains(&east) {
                95
            } else if (720..=1_380).contains(&east) {
                105
            } else {
                100
            };
            air = air * percent / 100;
        }
        u16::try_from((air + kind.overhead).div_ceil(5) * 5).unwrap_or(u16::MAX)
    }

    /// Spread over the day, never in the small hours at either end if that can be helped.
    #[allow(clippy::too_many_arguments)]
    fn departure(&self, from: u16, to: u16, block: u16, nth: u16, of: u16, number: u16, carrier: u8) -> u16 {
        let (first, last): (u64, u64) = if block > 360 { (480, 1_420) } else { (365, 1_290) };
        let shift = self.nodes[usize::from(to)].sun - self.nodes[usize::from(from)].sun;
        let slot = (last - first) / u64::from(of);
        let mut departs = 720;
        for attempt in 0..8_u64 {
            let seed = mix(u64::from(number) << 20 | u64::from(carrier) << 8 | attempt);
            // Later attempts look beyond the flight's own slot.
            let start = if attempt < 4 { first + slot * u64::from(nth) } else { first };
            let width = if attempt < 4 { slot } else { last - first };
            departs = i32::try_from((start + seed % width.max(5)) / 5 * 5).unwrap_or(720);
            let lands = (departs + i32::from(block) + shift).rem_euclid(1_440);
            if !(30..320).contains(&lands) {
                break;
            }
        }
        u16::try_from(departs).unwrap_or(720)
    }
}

/// Flights on each day of operation, and the days.
fn frequency(tenths: u16, seed: u64) -> (u16, u8) {
    if tenths >= 8 {
        return ((tenths + 4) / 10, 0b111_1111);
    }
    let wanted = (u32::from(tenths) * 7 / 10).clamp(2, 6);
    let start = u32::try_from(seed % 7).unwrap_or(0);
    // Spread: with two a week, three or four days lie between them.
    (1, (0..wanted).fold(0_u8, |days, nth| days | 1 << ((start + nth * 7 / wanted) % 7)))
}

fn aircraft_for(route: &Route, tenths: u16, kind: Kind, nodes: &[Node]) -> u8 {
    let smaller = nodes[usize::from(route.a)].size.min(nodes[usize::from(route.b)].size);
    match (kind, route.km, smaller) {
        (_, ..=700, 1) => fleet::FLOATPLANE,
        (_, ..=1_300, 1 | 2) => fleet::TURBOPROP,
        (Kind::LowCost, ..) => fleet::NARROW_DENSE,
        (Kind::Feeder, ..=600, _) => fleet::TURBOPROP,
        (_, ..=3_200, 1..=3) => fleet::REGIONAL_JET,
        (_, ..=5_200, _) => fleet::NARROW,
        (_, _, 6) if tenths >= 15 => fleet::WIDE_LARGE,
        _ => fleet::WIDE,
    }
}
