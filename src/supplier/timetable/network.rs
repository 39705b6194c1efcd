//! Which airports have flights between them, and how many: a gravity model over real airports. Pure whole-number rules, so
//! that the same world comes out on every machine.

use std::collections::HashSet;

use super::{
    airlines::{AIRLINES, region},
    seasons::{Season, season_of},
    sphere::{Point, Ruler},
};
use crate::airports::Airports;

/// Pull of an airport by size class, on short ways and on long ones.
const PULL: [u32; 7] = [0, 3, 8, 20, 48, 130, 300];
const PULL_FAR: [u32; 7] = [0, 0, 0, 1, 6, 60, 520];
/// Where a network airline lives, its long routes begin.
const PULL_FAR_BASE: u32 = 120;
const FAR_KM: u16 = 4_200;
const LONGEST_ROUTE_KM: u16 = 15_600;
const HUB: u8 = 5;

/// What the generator knows of an airport.
pub(super) struct Node {
    pub point: Point,
    pub size: u8,
    pub region: u8,
    pub country: [u8; 2],
    /// A network airline lives here.
    pub base: bool,
    /// Minutes that the sun is ahead of Greenwich: close enough to the wall clock to avoid landings at night.
    pub sun: i32,
    /// In whole degrees.
    pub lat: i32,
    /// From the code, so that it survives additions to the directory.
    pub hash: u64,
}

/// A pair with flights both ways, every day's number of them times ten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub a: u16,
    pub b: u16,
    pub km: u16,
    pub daily_tenths: u16,
    pub season: Season,
}

pub(super) fn nodes(airports: &Airports) -> Vec<Node> {
    let mut regions = std::collections::HashMap::new();
    let bases: HashSet<&str> = AIRLINES.iter().flat_map(|airline| airline.hubs.split_whitespace()).collect();
    let all = airports.all().iter().enumerate();
    all.map(|(at, airport)| Node {
        point: Point::new(airport.lat_micro, airport.lon_micro),
        size: airports.size(at),
        base: bases.contains(&airport.code.as_str()),
        region: *regions.entry(airport.country.as_str()).or_insert_with(|| region(&airport.country)),
        country: airport.country.as_bytes().try_into().unwrap_or_default(),
        sun: airport.lon_micro / 250_000,
        lat: airport.lat_micro / 1_000_000,
        hash: mix(airport.code.as_str().bytes().fold(0, |sum, byte| sum * 31 + u64::from(byte))),
    })
    .collect()
}

/// Scatters bits evenly (the finaliser of SplitMix64).
pub(super) fn mix(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

pub(super) fn routes(nodes: &[Node], ruler: &Ruler) -> Vec<Route> {
    let hubs: Vec<usize> = (0..nodes.len()).filter(|at| nodes[*at].size >= HUB).collect();
    let hub_points: Vec<(Point, usize)> = hubs.iter().map(|hub| (nodes[*hub].point, *hub)).collect();
    let mut routes = Vec::with_capacity(24_000);
    for (at, node) in nodes.iter().enumerate() {
        if node.size >= HUB {
            let later = hubs.iter().copied().filter(|hub| *hub > at);
            routes.extend(later.filter_map(|hub| route(nodes, ruler, at, hub)));
        } else {
            spokes(nodes, ruler, &hub_points, at, &mut routes);
        }
    }
    routes
}

/// The hubs that a smaller airport is joined to: those that pull most, and always one.
fn spokes(nodes: &[Node], ruler: &Ruler, hubs: &[(Point, usize)], at: usize, routes: &mut Vec<Route>) {
    let node = &nodes[at];
    let (most, reach_km) = match node.size {
        4 => (24, 9_000),
        3 => (8, 3_600),
        2 => (4, 2_400),
        _ => (2, 1_600),
    };
    let reach = ruler.chord_squared(reach_km);
    let mut nearest = (i64::MAX, usize::MAX);
    let mut near = Vec::with_capacity(64);
    for &(point, hub) in hubs {
        let chord = node.point.chord_squared(point);
        if chord < nearest.0 {
            nearest = (chord, hub);
        }
        if chord <= reach {
            near.push(hub);
        }
    }
    let mut found: Vec<Route> = near.into_iter().filter_map(|hub| route(nodes, ruler, at, hub)).collect();
    found.sort_unstable_by_key(|route| (u16::MAX - route.daily_tenths, route.b));
    found.truncate(most);
    if found.is_empty() && nearest.1 != usize::MAX {
        let km = ruler.km(node.point, nodes[nearest.1].point);
        found.push(Route { a: index(at), b: index(nearest.1), km, daily_tenths: 4, season: Season::AllYear });
    }
    if (3..=4).contains(&node.size) {
        for (rank, route) in found.iter_mut().enumerate() {
            route.season = season_of(rank, node, &nodes[usize::from(route.b)]);
        }
    }
    routes.extend(found);
}

fn route(nodes: &[Node], ruler: &Ruler, a: usize, b: usize) -> Option<Route> {
    let (from, to) = (&nodes[a], &nodes[b]);
    let km = ruler.km(from.point, to.point);
    // Between large neighbours one takes the train.
    let least_km = if from.size.min(to.size) >= 4 { 120 } else { 60 };
    if !(least_km..=LONGEST_ROUTE_KM).contains(&km) {
        return None;
    }
    let pull = |node: &Node| match (km > FAR_KM, node.base) {
        (true, true) => PULL_FAR[usize::from(node.size)].max(PULL_FAR_BASE),
        (true, false) => PULL_FAR[usize::from(node.size)],
        (false, _) => PULL[usize::from(node.size)],
    };
    let mut tenths = pull(from) * pull(to) * 9 / 2 / (u32::from(km) + 1_100);
    if from.country != to.country {
        tenths = tenths * 6 / 10;
    }
    if from.region != to.region && km <= FAR_KM {
        tenths = tenths * 8 / 10;
    }
    // Two places of equal weight are not alike: some pairs have history, some have none.
    let character = 60 + mix(from.hash ^ to.hash) % 80;
    tenths = tenths * u32::try_from(character).unwrap_or(100) / 100;
    let least = if from.size < HUB { 3 } else { 8 };
    let daily_tenths = u16::try_from(tenths.min(220)).unwrap_or(220);
    (tenths >= least).then_some(Route { a: index(a), b: index(b), km, daily_tenths, season: Season::AllYear })
}

pub(super) fn index(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}
