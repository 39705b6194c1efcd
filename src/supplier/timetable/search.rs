//! From a question to offers: ways by the timetable, seats by the books, the best of their combinations.

use jiff::{SignedDuration, Timestamp};

use super::{
    LATEST_SALE_MINUTES, Timetable,
    airlines::AIRLINES,
    engine::{self, Way},
    key::{OfferKey, SegmentKey},
    network,
    offers::{self, Found},
    price,
    seats::Line,
    switches::Switches,
    world::World,
};
use crate::{
    itinerary::{Offer, SearchQuery, SliceQuery},
    supplier::SupplierError,
};

/// How far ahead one may fly.
const HORIZON: SignedDuration = SignedDuration::from_hours(330 * 24);
/// Offers in one answer, and ways of each slice that are combined into them.
const MOST_OFFERS: usize = 60;
const MOST_WAYS: usize = 320;
const MOST_COMBINED: usize = 40;
/// Between landing and the next slice's departure.
const BETWEEN_SLICES_MINUTES: i64 = 120;

/// A way and what one adult pays for it.
#[derive(Clone, Copy)]
pub(super) struct Priced {
    pub way: Way,
    pub cents: i64,
}

/// Good ways for one slice with seats for everyone, by what the timetable alone knows.
pub(super) fn ways(
    world: &World,
    switches: &Switches,
    slice: &SliceQuery,
    query: &SearchQuery,
    now: Timestamp,
) -> Vec<Priced> {
    let day = offers::day_of(slice.date);
    let minute = offers::minute_of(now);
    let today = i32::try_from(minute.div_euclid(1_440)).unwrap_or(0);
    let horizon = i32::try_from(HORIZON.as_hours() / 24).unwrap_or(330);
    // Somewhere it is still yesterday.
    if !(today - 1..=today + horizon).contains(&day) {
        return Vec::new();
    }
    let places = |code| -> Vec<u16> {
        let members = world.airports.members(code).iter();
        members.filter_map(|code| world.airports.index(*code)).map(network::index).collect()
    };
    let (from, to) = (places(slice.from), places(slice.to));
    let ways = engine::find(world, &from, &to, day, minute + LATEST_SALE_MINUTES);
    let seats = u16::from(query.party.seats());
    let fits = |way: &Way| {
        let mut wanted = false;
        let room = way.legs().all(|leg| {
            let flight = &world.flights[leg.flight as usize];
            let cabin = offers::cabin_on(flight, query.cabin);
            wanted |= cabin == query.cabin;
            price::for_sale(flight, leg.day, cabin) >= seats
                && !switches.sold_out(AIRLINES[usize::from(flight.carrier)].code, flight.number)
        });
        room && wanted
    };
    let priced: Vec<Priced> = ways
        .into_iter()
        .filter(fits)
        .map(|way| Priced { way, cents: offers::quick_cents(world, &way, query.cabin, today) })
        .collect();
    let good = engine::worthwhile(priced, MOST_WAYS, |priced| (priced.cents, priced.way.minutes()));
    engine::without_pointless(good, |priced| (priced.way, priced.cents))
}

impl Timetable {
    pub(super) async fn find_offers(&self, query: &SearchQuery) -> Result<Vec<Offer>, SupplierError> {
        let now = self.clock.now();
        let ways: Vec<Vec<Priced>> =
            query.slices.iter().map(|slice| ways(self.world, &self.switches, slice, query, now)).collect();
        if ways.is_empty() || ways.iter().any(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let located: Vec<Vec<(Priced, Vec<Found>)>> = ways
            .into_iter()
            .map(|ways| ways.into_iter().map(|priced| (priced, self.found(&priced.way, query))).collect())
            .collect();
        let all: Vec<Found> = located.iter().flatten().flat_map(|(_, found)| found.iter().copied()).collect();
        let books = self.look_up(&all, now).await?;
        let seats = u16::from(query.party.seats());
        let has_room = |found: &Found| {
            let taken = books.of(&Line::of(found));
            taken.capacity >= taken.sold + taken.held + seats
        };
        let slices: Vec<Vec<(Priced, Vec<SegmentKey>)>> = located
            .into_iter()
            .map(|ways| {
                let free = ways.into_iter().filter(|(_, found)| found.iter().all(has_room));
                free.map(|(priced, found)| {
                    (priced, found.iter().map(|f| self.segment_key(f, &books)).collect())
                })
                .collect()
            })
            .collect();
        let offers = combine(slices).into_iter().filter_map(|slices| {
            let key = OfferKey {
                quoted_at: now.as_second(),
                cabin: query.cabin,
                brand: price::brands(query.cabin).start,
                party: query.party,
                uplift: self.switches.price_up_percent(),
                slices,
            };
            offers::offer(self.world, &key)
        });
        Ok(offers.collect())
    }

    fn found(&self, way: &Way, query: &SearchQuery) -> Vec<Found> {
        let found = way.legs().map(|leg| {
            let flight = self.world.flights[leg.flight as usize];
            let from = self.world.origin_of(leg.flight);
            Found { flight, from, leg, cabin: offers::cabin_on(&flight, query.cabin), load: 0 }
        });
        found.collect()
    }
}

/// The best of all sensible combinations, slice by slice.
fn combine(slices: Vec<Vec<(Priced, Vec<SegmentKey>)>>) -> Vec<Vec<Vec<SegmentKey>>> {
    struct Chosen {
        cents: i64,
        minutes: i64,
        lands: i64,
        slices: Vec<Vec<SegmentKey>>,
    }
    let mut chosen = vec![Chosen { cents: 0, minutes: 0, lands: i64::MIN, slices: Vec::new() }];
    let several = slices.len() > 1;
    for ways in slices {
        let most = if several { MOST_COMBINED } else { MOST_OFFERS };
        let ways = engine::worthwhile(ways, most, |(priced, _)| (priced.cents, priced.way.minutes()));
        let mut next = Vec::with_capacity(chosen.len() * ways.len());
        for before in &chosen {
            for (priced, keys) in &ways {
                if before.slices.is_empty() || priced.way.departs() >= before.lands + BETWEEN_SLICES_MINUTES {
                    let mut slices = before.slices.clone();
                    slices.push(keys.clone());
                    next.push(Chosen {
                        cents: before.cents + priced.cents,
                        minutes: before.minutes + priced.way.minutes(),
                        lands: priced.way.arrives(),
                        slices,
                    });
                }
            }
        }
        chosen = engine::worthwhile(next, MOST_OFFERS, |chosen| (chosen.cents, chosen.minutes));
    }
    chosen.into_iter().map(|chosen| chosen.slices).collect()
}
