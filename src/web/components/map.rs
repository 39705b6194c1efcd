//! Maps without a map service: the world is drawn from its airports, one dot for a cell that has some. Equirectangular,
//! cropped to the route; routes over the Pacific are centred on their own middle.

use std::{collections::BTreeMap, fmt::Write, sync::LazyLock};

use maud::html;

use crate::{
    airports::Airports,
    itinerary::{Airport, Slice},
    web::components::Fragment,
};

const MOST_DOTS: usize = 900;
/// Cells with this many airports get the large dot.
const BUSY: usize = 3;
const STEPS: u32 = 20;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    lat: f64,
    lon: f64,
}

impl Point {
    fn of(airport: &Airport) -> Self {
        Self { lat: f64::from(airport.lat_micro) / 1e6, lon: f64::from(airport.lon_micro) / 1e6 }
    }

    fn vector(self) -> [f64; 3] {
        let (lat, lon) = (self.lat.to_radians(), self.lon.to_radians());
        [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
    }
}

/// The great circle from one point to another, with longitudes that never jump: they may leave ±180°.
fn great_circle(from: Point, to: Point) -> Vec<Point> {
    let (a, b) = (from.vector(), to.vector());
    let angle = a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>().clamp(-1.0, 1.0).acos();
    let mut last = from.lon;
    (0..=STEPS)
        .map(|step| {
            let t = f64::from(step) / f64::from(STEPS);
            let (wa, wb) = if angle.sin().abs() < 1e-9 {
                (1.0 - t, t)
            } else {
                (((1.0 - t) * angle).sin() / angle.sin(), (t * angle).sin() / angle.sin())
            };
            let [x, y, z] = [0, 1, 2].map(|axis| wa * a[axis] + wb * b[axis]);
            last = nearest_turn(y.atan2(x).to_degrees(), last);
            Point { lat: z.atan2(x.hypot(y)).to_degrees(), lon: last }
        })
        .collect()
}

/// The same longitude, a whole number of turns away, as close to `near` as possible.
fn nearest_turn(lon: f64, near: f64) -> f64 {
    lon + ((near - lon) / 360.0).round() * 360.0
}

/// A window on the world and its scale.
#[derive(Clone, Copy, Debug)]
struct View {
    west: f64,
    north: f64,
    /// Pixels for a degree of longitude, and of latitude.
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl View {
    /// Around all points with some room, neither flat nor endless.
    fn around(points: &[Point], width: f64) -> Self {
        const TRUE_AT: f64 = 38.0;
        let stretch = 1.0 / TRUE_AT.to_radians().cos();
        let range = |of: fn(&Point) -> f64| {
            let low = points.iter().map(of).fold(f64::INFINITY, f64::min);
            let high = points.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
            (low, high)
        };
        let (south, north) = range(|point| point.lat);
        let (west, east) = range(|point| point.lon);
        // A short hop is drawn large enough for its ends to be two.
        let span = (north - south).max((east - west) / stretch);
        let room = (4.0 + span).clamp(5.0, 15.0);
        let mut lat_span = north - south + 2.0 * room;
        let mut lon_span = (east - west + 2.0 * room).max((14.0 + 4.0 * span).min(56.0));
        let (lowest, highest) = (0.42 * width, 0.62 * width);
        let height = |lat_span: f64, lon_span: f64| width / lon_span * stretch * lat_span;
        if height(lat_span, lon_span) > highest {
            lon_span = (width * stretch * lat_span / highest).min(360.0);
        }
        if height(lat_span, lon_span) < lowest {
            lat_span = lowest * lon_span / (width * stretch);
        }
        let x = width / lon_span;
        Self {
            west: f64::midpoint(west, east) - lon_span / 2.0,
            north: f64::midpoint(south, north) + lat_span / 2.0,
            x,
            y: x * stretch,
            width,
            height: (x * stretch * lat_span).min(highest),
        }
    }

    fn world() -> Self {
        let (width, true_at) = (1200.0, 30.0_f64);
        let x = width / 360.0;
        let y = x / true_at.to_radians().cos();
        let (north, south) = (72.0, -56.0);
        Self { west: -169.0, north, x, y, width, height: (north - south) * y }
    }

    fn place(&self, point: Point) -> (f64, f64) {
        ((point.lon - self.west) * self.x, (self.north - point.lat) * self.y)
    }

    fn holds(&self, (x, y): (f64, f64)) -> bool {
        (0.0..=self.width).contains(&x) && (0.0..=self.height).contains(&y)
    }
}

/// Airports counted in the cells of a hexagonal grid, by row and column.
struct Dots {
    cells: BTreeMap<(i32, i32), usize>,
    step: f64,
}

impl Dots {
    fn new(view: &View, airports: &[Point], mut step: f64) -> Self {
        loop {
            let dots = Self::at(view, airports, step);
            if dots.cells.len() <= MOST_DOTS {
                return dots;
            }
            step *= 1.15;
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "cells of a drawing of a few hundred pixels")]
    fn at(view: &View, airports: &[Point], step: f64) -> Self {
        let mut cells = BTreeMap::new();
        let middle = view.west + view.width / view.x / 2.0;
        for airport in airports {
            let lon = nearest_turn(airport.lon, middle);
            let (x, y) = view.place(Point { lat: airport.lat, lon });
            if view.holds((x, y)) {
                let row = (y / (step * 0.866)).round() as i32;
                let column = (x / step - shift(row)).round() as i32;
                *cells.entry((row, column)).or_default() += 1;
            }
        }
        Self { cells, step }
    }

    /// Zero-length strokes with round caps, each relative to the last: a few bytes for a dot.
    #[expect(clippy::cast_possible_truncation, reason = "pixels of a drawing")]
    fn path(&self, busy: bool) -> String {
        let mut path = String::new();
        let mut last = (0, 0);
        for ((row, column), count) in &self.cells {
            if (*count >= BUSY) != busy {
                continue;
            }
            let x = ((f64::from(*column) + shift(*row)) * self.step).round() as i32;
            let y = (f64::from(*row) * self.step * 0.866).round() as i32;
            let letter = if path.is_empty() { 'M' } else { 'm' };
            let _ = write!(path, "{letter}{} {}h0", x - last.0, y - last.1);
            last = (x, y);
        }
        path
    }
}

/// Odd rows stand half a cell to the right.
fn shift(row: i32) -> f64 {
    if row.rem_euclid(2) == 1 { 0.5 } else { 0.0 }
}

fn arc_path(view: &View, points: &[Point]) -> String {
    let mut path = String::new();
    for (place, point) in points.iter().enumerate() {
        let (x, y) = view.place(*point);
        let _ = write!(path, "{}{x:.1} {y:.1}", if place == 0 { 'M' } else { 'L' });
    }
    path
}

struct Stop {
    code: String,
    at: (f64, f64),
}

/// Half a label's size, at the large type of a phone.
const HALF: (f64, f64) = (30.0, 13.0);

/// Where a code is written beside its stop: where it covers least of other stops, of labels and of lines, and all of it is on the
/// map.
fn label(view: &View, stops: &[Stop], line: &[(f64, f64)], taken: &[(f64, f64)], stop: &Stop) -> (f64, f64) {
    /// Below, above and beside it first, then across.
    const AROUND: [(f64, f64); 8] = [
        (0.0, 29.0),
        (0.0, -24.0),
        (46.0, 0.0),
        (-46.0, 0.0),
        (40.0, 25.0),
        (-40.0, 25.0),
        (40.0, -22.0),
        (-40.0, -22.0),
    ];
    let is_near = |(x, y): (f64, f64), at: &(f64, f64), room: (f64, f64)| {
        (at.0 - x).abs() < room.0 && (at.1 - y).abs() < room.1
    };
    let count =
        |all: usize, each: u32| f64::from(u32::try_from(all).unwrap_or(u32::MAX).saturating_mul(each));
    let cost = |place: (f64, f64)| {
        let on = |points: &[(f64, f64)], room| points.iter().filter(|at| is_near(place, at, room)).count();
        let round: Vec<(f64, f64)> = stops.iter().map(|stop| stop.at).collect();
        count(on(&round, (HALF.0 + 9.0, HALF.1 + 9.0)), 100)
            + count(on(taken, (2.0 * HALF.0 + 2.0, 2.0 * HALF.1)), 100)
            + count(on(line, HALF), 3)
    };
    let inside = |(x, y): (f64, f64)| {
        (x.clamp(HALF.0, view.width - HALF.0), y.clamp(HALF.1 + 2.0, view.height - HALF.1 - 2.0))
    };
    let places = AROUND.map(|(x, y)| inside((stop.at.0 + x, stop.at.1 + y)));
    let mut best = (f64::INFINITY, places[0]);
    for place in places {
        let cost = cost(place);
        if cost < best.0 {
            best = (cost, place);
        }
    }
    best.1
}

/// Points of the lines as they are drawn, close enough to each other for a label not to slip between.
fn drawn(view: &View, arcs: &[Vec<Point>]) -> Vec<(f64, f64)> {
    const BETWEEN: u32 = 4;
    let between = |pair: &[Point]| {
        let (from, to) = (view.place(pair[0]), view.place(pair[1]));
        (0..BETWEEN).map(move |step| {
            let t = f64::from(step) / f64::from(BETWEEN);
            (from.0 + (to.0 - from.0) * t, from.1 + (to.1 - from.1) * t)
        })
    };
    arcs.iter().flat_map(|arc| arc.windows(2).flat_map(between)).collect()
}

/// All segments of an itinerary on one map.
pub fn route_map(slices: &[Slice]) -> Fragment {
    let segments: Vec<(&Airport, &Airport)> =
        slices.iter().flat_map(Slice::segments).map(|segment| (&segment.from, &segment.to)).collect();
    let Some((first, _)) = segments.first() else { return Fragment::default() };
    let mut here = Point::of(first);
    let mut arcs: Vec<Vec<Point>> = Vec::new();
    let mut known: Vec<(&Airport, Point)> = vec![(first, here)];
    for (from, to) in &segments {
        let start = Point::of(from);
        here = Point { lon: nearest_turn(start.lon, here.lon), ..start };
        let arc = great_circle(here, Point::of(to));
        let there = arc.last().copied().unwrap_or(here);
        for (airport, point) in [(from, here), (to, there)] {
            if !known.iter().any(|(other, _)| other.code == airport.code) {
                known.push((airport, point));
            }
        }
        here = there;
        arcs.push(arc);
    }
    let view = View::around(&arcs.concat(), 640.0);
    let dots = Dots::new(&view, &AIRPORTS, 10.6);
    let stops: Vec<Stop> = known
        .iter()
        .map(|(airport, point)| Stop { code: airport.code.to_string(), at: view.place(*point) })
        .collect();
    let mut labels = Vec::new();
    let line = drawn(&view, &arcs);
    for stop in &stops {
        labels.push(label(&view, &stops, &line, &labels, stop));
    }
    // There and back over the same cities is one line on the map.
    let mut path = String::new();
    for (place, arc) in arcs.iter().enumerate() {
        let (from, to) = segments[place];
        let seen = segments[..place].iter().any(|(a, b)| (a.code, b.code) == (to.code, from.code));
        if !seen {
            path.push_str(&arc_path(&view, arc));
        }
    }
    html! {
        svg.map viewBox=(format!("0 0 {:.0} {:.0}", view.width, view.height)) role="img" aria-label=(spoken(slices)) {
            path.dots stroke-width="3" d=(dots.path(false)) {}
            path.dots stroke-width="4.9" d=(dots.path(true)) {}
            path.arc stroke-width="3" d=(path) {}
            @for stop in &stops {
                circle.stop stroke-width="4" r="7" cx=(format!("{:.0}", stop.at.0)) cy=(format!("{:.0}", stop.at.1)) {}
            }
            @for (stop, (x, y)) in stops.iter().zip(&labels) {
                text x=(format!("{x:.0}")) y=(format!("{y:.0}")) text-anchor="middle" dominant-baseline="central" { (stop.code) }
            }
        }
    }
    .into()
}

/// The great-circle length of all segments, to the nearest kilometre.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no route is longer than a few Earths"
)]
pub fn kilometres(slices: &[Slice]) -> u32 {
    const EARTH: f64 = 6_371.0;
    let length = |from: Point, to: Point| {
        let dot: f64 = from.vector().iter().zip(to.vector()).map(|(a, b)| a * b).sum();
        dot.clamp(-1.0, 1.0).acos() * EARTH
    };
    let segments = slices.iter().flat_map(Slice::segments);
    segments.map(|segment| length(Point::of(&segment.from), Point::of(&segment.to))).sum::<f64>().round()
        as u32
}

fn spoken(slices: &[Slice]) -> String {
    let told: Vec<String> = slices
        .iter()
        .map(|slice| {
            let mut cities = vec![slice.first().from.city.as_str()];
            cities.extend(slice.segments().iter().map(|segment| segment.to.city.as_str()));
            cities.join(", then ")
        })
        .collect();
    format!("Map: {}", told.join("; back from "))
}

/// Every airport we know, for the first page.
pub fn world_map() -> Fragment {
    static WORLD: LazyLock<Fragment> = LazyLock::new(|| {
        let view = View::world();
        let dots = Dots::new(&view, &AIRPORTS, 17.0);
        html! {
            svg.map.world viewBox=(format!("0 0 {:.0} {:.0}", view.width, view.height)) preserveAspectRatio="xMidYMid slice"
                role="img" aria-label="Map of the world, drawn from its airports" {
                path.dots stroke-width="4.9" d=(dots.path(false)) {}
                path.dots stroke-width="8.9" d=(dots.path(true)) {}
            }
        }
        .into()
    });
    WORLD.clone()
}

static AIRPORTS: LazyLock<Vec<Point>> =
    LazyLock::new(|| Airports::world().all().iter().map(Point::of).collect());

#[cfg(test)]
mod tests;
