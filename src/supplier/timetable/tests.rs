//! What the demo world promises, checked against independent reckonings.

use std::collections::BTreeSet;

use jiff::{Timestamp, civil, tz::TimeZone};

use super::{
    airlines::AIRLINES,
    calendar,
    engine::{self, Leg, Merit, Question, Way},
    key::{OfferKey, SegmentKey},
    network::mix,
    offers, price, seasons,
    switches::Switches,
    ways::{Market, Priced},
    world::{Flight, World},
};
use crate::itinerary::{Cabin, Condition, Offer, Party, PassengerKind, SearchQuery, SliceQuery};

fn world() -> &'static World {
    World::shared()
}

fn at(code: &str) -> u16 {
    u16::try_from(world().airports.index(code.parse().unwrap()).unwrap()).unwrap()
}

const DAY: civil::Date = civil::date(2027, 3, 12);

fn key(legs: &[Leg], cabin: Cabin, brand: u8, party: Party) -> OfferKey {
    let legs = legs.iter().map(|leg| {
        let flight = world().flights[leg.flight as usize];
        let load = price::load(&flight, leg.day, cabin, 0);
        SegmentKey { carrier: flight.carrier, number: flight.number, day: leg.day, load }
    });
    let quoted_at = "2026-11-22T12:00:00Z".parse::<Timestamp>().unwrap().as_second();
    OfferKey { quoted_at, cabin, brand, party, uplift: 0, slices: vec![legs.collect()] }
}

fn ways_between(from: &[u16], to: &[u16], date: civil::Date) -> Vec<Vec<Leg>> {
    let question = Question { from, to, day: offers::day_of(date), earliest: i64::MIN };
    let found = engine::find(world(), question, |_: &Flight, _| true);
    found.ways.iter().map(|way| found.legs_of(*way)).collect()
}

fn ways(from: &str, to: &str, date: civil::Date) -> Vec<Vec<Leg>> {
    ways_between(&[at(from)], &[at(to)], date)
}

fn market(from: &str, to: &str, cabin: Cabin, set: impl Fn(&Switches)) -> Market<'static> {
    let switches: &'static Switches = Box::leak(Box::default());
    set(switches);
    let slices = vec![SliceQuery { from: from.parse().unwrap(), to: to.parse().unwrap(), date: DAY }];
    let query = SearchQuery { slices, party: Party::new(2, 1, 0).unwrap(), cabin };
    Market::new(world(), switches, &query, "2026-11-23T09:00:00Z".parse().unwrap())
}

fn minutes(legs: &[Leg]) -> i64 {
    legs[legs.len() - 1].arrives - legs[0].departs
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
    let [summer, winter] = world.flights_per_day();
    for daily in [summer, winter] {
        assert!((95_000..105_000).contains(&daily), "{daily}");
    }
}

#[test]
fn some_routes_are_flown_only_in_the_summer_of_their_hemisphere_and_no_airport_is_cut_off() {
    let world = world();
    let days = [civil::date(2027, 7, 7), civil::date(2027, 1, 13)].map(offers::day_of);
    let is_flown = |flights: &[Flight], day: i32| {
        let week = (day..day + 7).fold(0, |week, day| week | seasons::bit(day));
        flights.iter().any(|flight| flight.days & week != 0)
    };
    let (mut summer_only, mut winter_only) = (0, 0);
    for from in 0..world.nodes.len() {
        let from = u16::try_from(from).unwrap();
        let mut all_year = 0;
        for edge in world.edges(from) {
            let (_, flights) = world.flights_of(edge);
            let lats = [from, edge.to].map(|at| world.nodes[usize::from(at)].lat);
            let sunny = if lats[0].abs() < lats[1].abs() { lats[0] } else { lats[1] };
            match days.map(|day| is_flown(flights, day)) {
                [true, true] => all_year += 1,
                [true, false] => {
                    assert!(sunny >= 0, "{lats:?}");
                    summer_only += 1;
                }
                [false, true] => {
                    assert!(sunny < 0, "{lats:?}");
                    winter_only += 1;
                }
                [false, false] => panic!("never flown"),
            }
            let back = world.edge(edge.to, from).unwrap();
            let (_, home) = world.flights_of(&back);
            assert_eq!(
                days.map(|day| is_flown(flights, day)),
                days.map(|day| is_flown(home, day)),
                "and back"
            );
        }
        assert!(all_year > 0, "{from} is cut off in one season");
    }
    assert!(summer_only > 200 && winter_only > 40, "{summer_only} {winter_only}");
}

#[test]
fn hub_pairs_have_many_ways_and_every_way_is_sensible() {
    let found = ways("LHR", "JFK", DAY);
    assert!(found.iter().filter(|legs| legs.len() == 1).count() >= 3);
    assert!(found.iter().filter(|legs| legs.len() == 2).count() >= 20);
    for legs in &found {
        assert!((5 * 60..36 * 60).contains(&minutes(legs)), "{legs:?}");
    }
    assert!(ways_between(&[at("LIS")], &[at("LIS")], DAY).is_empty());
}

#[test]
fn what_nobody_would_choose_is_left_out() {
    let market = market("LIS", "JFK", Cabin::Economy, |_| ());
    let (from, to) = ([at("LIS")], [at("JFK")]);
    let question = Question { from: &from, to: &to, day: offers::day_of(DAY), earliest: i64::MIN };
    let found = market.price(&engine::find(world(), question, |_: &Flight, _| true));
    let kept = engine::without_pointless(found.clone(), |(_, merit)| *merit);
    assert!(!kept.is_empty() && kept.len() < found.len());
    let cheapest = |of: &[(Way, Merit)]| of.iter().map(|(_, merit)| merit.cents).min();
    assert_eq!(cheapest(&kept), cheapest(&found), "the cheapest stays, whatever else it is");
    for (_, merit) in kept.iter().filter(|(_, merit)| Some(merit.cents) != cheapest(&found)) {
        let better = |(_, other): &&(Way, Merit)| {
            other.departs >= merit.departs
                && other.arrives <= merit.arrives
                && other.minutes() < merit.minutes()
                && other.cents <= merit.cents
        };
        assert_eq!(kept.iter().find(better), None);
    }
    let city = [at("LHR"), at("LGW"), at("STN"), at("LTN"), at("LCY")];
    for legs in ways_between(&city, &[at("JFK")], DAY) {
        assert!(legs[1..].iter().all(|leg| !city.contains(&leg.from)));
    }
}

#[test]
fn local_times_hold_on_the_days_when_clocks_change() {
    // The last Sunday of March: Europe springs forward. The first Sunday of November: America falls back.
    for (from, to, date) in
        [("LIS", "CDG", civil::date(2027, 3, 28)), ("JFK", "LHR", civil::date(2026, 11, 1))]
    {
        for legs in ways(from, to, date) {
            let offer =
                offers::offer(world(), &key(&legs, Cabin::Economy, 0, Party::new(1, 0, 0).unwrap())).unwrap();
            for (segment, leg) in offer.segments().zip(&legs) {
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
    for legs in ways(from, to, DAY) {
        for cabin in [Cabin::Economy, Cabin::Business] {
            for brand in price::brands(cabin) {
                made.push(offers::offer(world(), &key(&legs, cabin, brand, party)).unwrap());
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
    let legs = ways("LIS", "JFK", DAY).swap_remove(0);
    let families: Vec<Offer> = price::brands(Cabin::Economy)
        .map(|brand| offers::offer(world(), &key(&legs, Cabin::Economy, brand, party)).unwrap())
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
    let legs = ways("LIS", "JFK", DAY).into_iter().find(|legs| legs.len() == 1).unwrap();
    let offer = offers::offer(world, &key(&legs, Cabin::Economy, 0, Party::new(1, 0, 0).unwrap())).unwrap();
    let segment = &offer.slices[0].segments()[0];
    let shown = format!(
        "{}{} {} {} {}",
        AIRLINES[usize::from(world.flights[legs[0].flight as usize].carrier)].code,
        segment.number,
        segment.departs.local,
        segment.arrives.local,
        offer.total.minor
    );
    assert_eq!(
        (shown.as_str(), sum),
        ("3A4289 2027-03-12T11:30:00 2027-03-12T13:30:00 31490", 5_888_499_218_402_253_682)
    );
}

#[test]
fn the_calendar_has_the_cheapest_way_of_each_day() {
    let pairs = [
        ("LIS", "JFK"),
        ("LHR", "SIN"),
        ("FRA", "MAD"),
        ("BRS", "FNC"),
        ("GKA", "SYD"),
        ("FNC", "YYC"),
        // Across the date line, where a flight onward may leave on the day before.
        ("AKL", "LAX"),
        ("SYD", "JFK"),
    ];
    for (from, to) in pairs {
        for cabin in [Cabin::Economy, Cabin::PremiumEconomy, Cabin::Business, Cabin::First] {
            let market = market(from, to, cabin, |switches| switches.set_sold_out("3A4289", true));
            let (from, to) = ([at(from)], [at(to)]);
            let days = offers::day_of(DAY)..=offers::day_of(DAY) + 30;
            let calendar = calendar::cheapest(&market, [&from, &to], days.clone());
            assert_eq!(calendar.len(), 31);
            for (day, cheapest) in days.zip(calendar) {
                let question = Question { from: &from, to: &to, day, earliest: market.earliest };
                let found = engine::find(world(), question, |flight: &Flight, day| market.sells(flight, day));
                let mut all = market.price(&found);
                if all.iter().any(|(way, _)| way.changes() < 2) {
                    all.retain(|(way, _)| way.changes() < 2);
                }
                let order = |merit: &Merit| (merit.cents, merit.minutes(), merit.departs);
                let least = all.iter().map(|(_, merit)| order(merit)).min();
                assert_eq!(cheapest.as_ref().map(|Priced { merit, .. }| order(merit)), least, "{day}");
            }
        }
    }
}
