//! What the demo world promises, checked against independent reckonings.

use std::collections::BTreeSet;

use jiff::{Timestamp, civil, tz::TimeZone};

use super::{
    airlines::{AIRLINES, connects},
    engine::{self, Way},
    key::{OfferKey, SegmentKey},
    network::mix,
    offers, price,
    world::World,
};
use crate::itinerary::{Cabin, Condition, Offer, Party, PassengerKind};

fn world() -> &'static World {
    World::shared()
}

fn at(code: &str) -> u16 {
    u16::try_from(world().airports.index(code.parse().unwrap()).unwrap()).unwrap()
}

const DAY: civil::Date = civil::date(2027, 3, 12);

fn key(way: &Way, cabin: Cabin, brand: u8, party: Party) -> OfferKey {
    let legs = way.legs().map(|leg| {
        let flight = world().flights[leg.flight as usize];
        let load = price::load(&flight, leg.day, cabin, 0);
        SegmentKey { carrier: flight.carrier, number: flight.number, day: leg.day, load }
    });
    let quoted_at = "2026-11-22T12:00:00Z".parse::<Timestamp>().unwrap().as_second();
    OfferKey { quoted_at, cabin, brand, party, uplift: 0, slices: vec![legs.collect()] }
}

fn ways(from: &str, to: &str, date: civil::Date) -> Vec<Way> {
    engine::find(world(), &[at(from)], &[at(to)], offers::day_of(date), i64::MIN)
}

#[test]
fn every_airport_is_joined_to_a_hub_and_no_number_flies_twice() {
    let world = world();
    let mut numbers = BTreeSet::new();
    for from in 0..world.nodes.len() {
        let from = u16::try_from(from).unwrap();
        let edges = world.edges(from);
        assert!(edges.iter().any(|edge| world.nodes[usize::from(edge.to)].size >= 5), "{from}");
        assert!(edges.windows(2).all(|pair| pair[0].to < pair[1].to));
        for edge in edges {
            assert!(world.edge(edge.to, from).is_some(), "flown both ways");
            let (start, flights) = world.flights_of(edge);
            for (at, flight) in (start..).zip(flights) {
                assert_eq!(flight.to, edge.to);
                assert!(flight.days != 0 && flight.block >= 15 && flight.block < 1_300, "{flight:?}");
                assert!((360..1_425).contains(&flight.departs), "nobody leaves at night: {flight:?}");
                assert!(numbers.insert((flight.carrier, flight.number)), "{flight:?}");
                assert_eq!(world.by_number(flight.carrier, flight.number), Some(at));
                assert_eq!(world.origin_of(at), from);
            }
        }
    }
    let daily = world.flights_per_day();
    assert!((60_000..120_000).contains(&daily), "{daily}");
}

/// The simplest thing that could find the same: every flight of the day against every flight of three days.
fn naive(from: &str, to: &str, date: civil::Date) -> BTreeSet<(u32, Option<u32>, i64)> {
    let (world, a, b, day) = (world(), at(from), at(to), offers::day_of(date));
    let mut of_origin = vec![Vec::new(); world.nodes.len()];
    for flight in 0..u32::try_from(world.flights.len()).unwrap() {
        of_origin[usize::from(world.origin_of(flight))].push(flight);
    }
    let leaving = |origin: u16, day: i32| {
        let zone = TimeZone::get(&world.airports.all()[usize::from(origin)].zone).unwrap();
        let midnight = civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(day)).unwrap();
        let mut legs = Vec::new();
        for &flight_at in &of_origin[usize::from(origin)] {
            let flight = world.flights[flight_at as usize];
            let weekday = u8::try_from(midnight.weekday().to_monday_zero_offset()).unwrap();
            if flight.days >> weekday & 1 == 1 {
                let local =
                    midnight.at(0, 0, 0, 0) + jiff::SignedDuration::from_mins(i64::from(flight.departs));
                let departs = zone.to_timestamp(local).unwrap().as_second() / 60;
                legs.push((flight_at, flight, departs, departs + i64::from(flight.block)));
            }
        }
        legs
    };
    let mut found = BTreeSet::new();
    let mut onward = std::collections::HashMap::new();
    for (first_at, first, departs, lands) in leaving(a, day) {
        if first.to == b {
            found.insert((first_at, None, departs));
            continue;
        }
        let stop = first.to;
        if world.edge(stop, b).is_none()
            || !engine::sensible(world.km(a, b), world.km(a, stop), world.km(stop, b))
        {
            continue;
        }
        let later = onward.entry(stop).or_insert_with(|| {
            let mut legs: Vec<_> = (day - 1..=day + 3).flat_map(|day| leaving(stop, day)).collect();
            legs.retain(|(_, flight, ..)| flight.to == b);
            legs.sort_by_key(|(at, _, departs, _)| (*departs, *at));
            legs
        });
        let feasible = later.iter().filter(|(_, second, departs, _)| {
            let wait = departs - lands;
            let same = first.carrier == second.carrier;
            connects(first.carrier, second.carrier)
                && wait >= engine::connection_minutes(world, a, stop, b, same)
                && wait <= engine::LONGEST_LAYOVER
        });
        found.extend(feasible.take(2).map(|(second_at, ..)| (first_at, Some(*second_at), departs)));
    }
    found
}

#[test]
fn the_engine_finds_what_a_naive_join_finds() {
    let mut pairs = vec![
        ("LIS", "JFK", DAY),
        ("BRS", "FNC", civil::date(2027, 3, 28)),
        ("GKA", "SYD", civil::date(2027, 4, 4)),
    ];
    let all = world().airports.all();
    for seed in 0..3_u64 {
        let pick = |salt: u64| all[usize::try_from(mix(seed * 2 + salt)).unwrap() % all.len()].code.as_str();
        pairs.push((pick(0), pick(1), civil::date(2026, 11, 1)));
    }
    for (from, to, date) in pairs {
        let found: BTreeSet<_> = ways(from, to, date)
            .iter()
            .map(|way| (way.first.flight, way.second.map(|leg| leg.flight), way.departs()))
            .collect();
        assert_eq!(found, naive(from, to, date), "{from} {to} {date}");
    }
}

#[test]
fn hub_pairs_have_many_ways_and_every_way_is_sensible() {
    let found = ways("LHR", "JFK", DAY);
    assert!(found.iter().filter(|way| way.second.is_none()).count() >= 3);
    assert!(found.iter().filter(|way| way.second.is_some()).count() >= 20);
    for way in &found {
        assert!((5 * 60..36 * 60).contains(&way.minutes()), "{way:?}");
    }
    assert!(engine::find(world(), &[at("LIS")], &[at("LIS")], 20_000, 0).is_empty());
}

#[test]
fn what_nobody_would_choose_is_left_out() {
    let found = ways("LIS", "JFK", DAY);
    let priced = found.iter().map(|way| (*way, offers::quick_cents(world(), way, Cabin::Economy, 20_779)));
    let kept = engine::without_pointless(priced.collect(), |item| *item);
    assert!(!kept.is_empty() && kept.len() < found.len());
    for (way, cents) in &kept {
        let better = |(other, others): &&(Way, i64)| {
            other.departs() >= way.departs()
                && other.arrives() <= way.arrives()
                && other.minutes() < way.minutes()
                && others <= cents
        };
        assert_eq!(kept.iter().find(better), None);
    }
    let city = [at("LHR"), at("LGW"), at("STN"), at("LTN"), at("LCY")];
    for way in engine::find(world(), &city, &[at("JFK")], offers::day_of(DAY), i64::MIN) {
        assert!(way.second.is_none() || !city.contains(&world().flights[way.first.flight as usize].to));
    }
}

#[test]
fn local_times_hold_on_the_days_when_clocks_change() {
    // The last Sunday of March: Europe springs forward. The first Sunday of November: America falls back.
    for (from, to, date) in
        [("LIS", "CDG", civil::date(2027, 3, 28)), ("JFK", "LHR", civil::date(2026, 11, 1))]
    {
        for way in ways(from, to, date) {
            let offer =
                offers::offer(world(), &key(&way, Cabin::Economy, 0, Party::new(1, 0, 0).unwrap())).unwrap();
            for (segment, leg) in offer.segments().zip(way.legs()) {
                let flight = world().flights[leg.flight as usize];
                let minute =
                    i32::from(segment.departs.local.hour()) * 60 + i32::from(segment.departs.local.minute());
                assert_eq!(minute, i32::from(flight.departs), "the wall shows what the timetable says");
                assert_eq!(segment.duration().as_mins(), i64::from(flight.block));
                let zone = TimeZone::get(&segment.to.zone).unwrap();
                assert_eq!(zone.to_datetime(segment.arrives.at), segment.arrives.local);
            }
            assert_eq!(offer.slices[0].first().departs.local.date(), date);
        }
    }
}

fn every_offer(from: &str, to: &str, party: Party) -> Vec<Offer> {
    let mut made = Vec::new();
    for way in ways(from, to, DAY) {
        for cabin in [Cabin::Economy, Cabin::Business] {
            for brand in price::brands(cabin) {
                made.push(offers::offer(world(), &key(&way, cabin, brand, party)).unwrap());
            }
        }
    }
    made
}

#[test]
fn a_total_is_the_sum_of_its_lines_and_dearer_brands_promise_more() {
    let party = Party::new(2, 1, 1).unwrap();
    for offer in every_offer("LIS", "JFK", party) {
        assert_eq!(offer.total, offer.sum_of_prices(price::CURRENCY).unwrap());
        assert_eq!(offer.prices.len(), 3);
        let [adult, child, infant] = offer.prices.as_slice() else { panic!("three kinds") };
        assert_eq!(
            (adult.kind, child.kind, infant.kind),
            (PassengerKind::Adult, PassengerKind::Child, PassengerKind::Infant)
        );
        assert!(adult.fare.minor > child.fare.minor && child.fare.minor > infant.fare.minor);
        assert!(adult.taxes.len() >= 2 && infant.taxes.is_empty());
        assert!(adult.taxes.iter().all(|tax| tax.amount.minor > 0 && !tax.name.is_empty()));
        assert!((2_000..2_000_000).contains(&adult.each().unwrap().minor), "{offer:?}");
        let again = offers::offer(world(), &OfferKey::parse(&offer.id).unwrap()).unwrap();
        assert_eq!(again, offer, "the id alone says it all");
    }
    let way = ways("LIS", "JFK", DAY)[0];
    let families: Vec<Offer> = price::brands(Cabin::Economy)
        .map(|brand| offers::offer(world(), &key(&way, Cabin::Economy, brand, party)).unwrap())
        .collect();
    assert!(families.windows(2).all(|pair| pair[0].total.minor < pair[1].total.minor));
    assert_eq!(families[2].fare.conditions.change, Condition::Free);
}

#[test]
fn the_world_is_the_same_on_every_machine() {
    let world = world();
    let mut sum = 0_u64;
    for (at, flight) in world.flights.iter().enumerate().step_by(97) {
        sum = mix(sum
            ^ u64::from(flight.departs) << 32
            ^ u64::from(flight.block) << 16
            ^ u64::from(flight.number)
            ^ at as u64);
    }
    let way = ways("LIS", "JFK", DAY).into_iter().find(|way| way.second.is_none()).unwrap();
    let offer = offers::offer(world, &key(&way, Cabin::Economy, 0, Party::new(1, 0, 0).unwrap())).unwrap();
    let segment = &offer.slices[0].segments()[0];
    let shown = format!(
        "{}{} {} {} {}",
        AIRLINES[usize::from(world.flights[way.first.flight as usize].carrier)].code,
        segment.number,
        segment.departs.local,
        segment.arrives.local,
        offer.total.minor
    );
    assert_eq!(
        (shown.as_str(), sum),
        ("0T2055 2027-03-12T18:50:00 2027-03-12T20:50:00 30346", 15_000_344_821_109_522_007)
    );
}
