//! From a question to offers: ways by the timetable, seats by the books, the best of their combinations.

use jiff::Timestamp;

use super::{
    Timetable,
    days::has_room,
    engine::{self, Leg},
    key::{OfferKey, SegmentKey},
    offers::{self, Found},
    price,
    ways::{Market, Priced, ways},
};
use crate::{
    itinerary::{Offer, Party, SearchQuery},
    supplier::{Found as SupplierFound, SupplierError},
};

/// Whole offers in one answer, and ways of each slice that are combined into them.
const MOST_OFFERS: usize = 60;
const MOST_COMBINED: usize = 40;
/// Between landing and the next slice's departure.
pub(super) const BETWEEN_SLICES_MINUTES: i64 = 120;

/// The ways of a slice that have seats for everyone, with the keys of their flights.
pub(super) type Free = Vec<(Priced, Vec<SegmentKey>)>;

impl Timetable {
    /// The best of whole offers, the cheapest among them.
    pub(super) async fn find_offers(&self, query: &SearchQuery) -> Result<Vec<Offer>, SupplierError> {
        let now = self.clock.now();
        let slices = self.free(query, now).await?;
        let combined = combine(slices, query.party).into_iter();
        Ok(combined.filter_map(|slices| self.with_fares(query, slices, now)).collect())
    }

    /// All ways of each slice that have seats for everyone.
    pub(super) async fn find_all(&self, query: &SearchQuery) -> Result<SupplierFound, SupplierError> {
        let now = self.clock.now();
        let slices = self.free(query, now).await?;
        if !is_chain(&slices) {
            return Ok(SupplierFound::default());
        }
        let alone = |free: Free| -> Vec<Offer> {
            free.into_iter().filter_map(|(_, keys)| self.with_fares(query, vec![keys], now)).collect()
        };
        let mut ways: Vec<Vec<Offer>> = slices.into_iter().map(alone).collect();
        Ok(match ways.len() {
            1 => SupplierFound { offers: ways.remove(0), ..SupplierFound::default() },
            _ => SupplierFound { ways, ..SupplierFound::default() },
        })
    }

    fn with_fares(&self, query: &SearchQuery, slices: Vec<Vec<SegmentKey>>, now: Timestamp) -> Option<Offer> {
        let key = self.lowest_key(query, slices, now);
        let offer = offers::offer(self.world, &key)?;
        Some(Offer { other_fares: offers::others(self.world, &key), ..offer })
    }

    async fn free(&self, query: &SearchQuery, now: Timestamp) -> Result<Vec<Free>, SupplierError> {
        let market = Market::new(self.world, &self.switches, query, now);
        let ways: Vec<Vec<Priced>> = query.slices.iter().map(|slice| ways(&market, slice)).collect();
        if ways.iter().any(Vec::is_empty) {
            return Ok(Vec::new());
        }
        self.with_seats(query, ways, now).await
    }

    /// Of each slice's ways those that have seats for everyone, with the keys of their flights.
    pub(super) async fn with_seats(
        &self,
        query: &SearchQuery,
        ways: Vec<Vec<Priced>>,
        now: Timestamp,
    ) -> Result<Vec<Free>, SupplierError> {
        let located: Vec<Vec<(Priced, Vec<Found>)>> = ways
            .into_iter()
            .map(|ways| {
                let found: Vec<_> = ways.iter().map(|priced| self.found(&priced.legs, query)).collect();
                ways.into_iter().zip(found).collect()
            })
            .collect();
        let all: Vec<Found> = located.iter().flatten().flat_map(|(_, found)| found.iter().copied()).collect();
        let books = self.look_up(&all, now).await?;
        let free = |ways: Vec<(Priced, Vec<Found>)>| {
            let free = ways.into_iter().filter(|(_, found)| has_room(found, &books, query));
            free.map(|(priced, found)| (priced, found.iter().map(|f| self.segment_key(f, &books)).collect()))
                .collect()
        };
        Ok(located.into_iter().map(free).collect())
    }

    /// Of these flights at the lowest fare.
    pub(super) fn lowest_key(
        &self,
        query: &SearchQuery,
        slices: Vec<Vec<SegmentKey>>,
        now: Timestamp,
    ) -> OfferKey {
        OfferKey {
            quoted_at: now.as_second(),
            cabin: query.cabin,
            brand: price::brands(query.cabin).start,
            party: query.party,
            uplift: self.switches.price_up_percent(),
            slices,
        }
    }

    pub(super) fn found(&self, legs: &[Leg], query: &SearchQuery) -> Vec<Found> {
        let found = legs.iter().map(|leg| {
            let flight = self.world.flights[leg.flight as usize];
            Found {
                flight,
                from: leg.from,
                leg: *leg,
                cabin: offers::cabin_on(&flight, query.cabin),
                load: 0,
            }
        });
        found.collect()
    }
}

/// Whether some way of each slice leaves after one of the slice before has landed.
fn is_chain(slices: &[Free]) -> bool {
    let mut earliest = Some(i64::MIN / 2);
    for ways in slices {
        let reached = |lands: i64| {
            let merits = ways.iter().map(|(priced, _)| priced.merit);
            let after = merits.filter(|merit| merit.departs >= lands + BETWEEN_SLICES_MINUTES);
            after.map(|merit| merit.arrives).min()
        };
        earliest = earliest.and_then(reached);
    }
    !slices.is_empty() && earliest.is_some()
}

/// The best of all sensible combinations, slice by slice.
pub(super) fn combine(slices: Vec<Free>, party: Party) -> Vec<Vec<Vec<SegmentKey>>> {
    struct Chosen {
        cents: i64,
        minutes: i64,
        lands: i64,
        slices: Vec<Vec<SegmentKey>>,
    }
    let mut chosen = vec![Chosen { cents: 0, minutes: 0, lands: i64::MIN, slices: Vec::new() }];
    if slices.is_empty() {
        return Vec::new();
    }
    let several = slices.len() > 1;
    for ways in slices {
        let most = if several { MOST_COMBINED } else { ways.len() };
        let ways = engine::worthwhile(ways, most, |(priced, _)| priced.merit.cost(party));
        let mut next = Vec::with_capacity(chosen.len() * ways.len());
        for before in &chosen {
            for (priced, keys) in &ways {
                if before.slices.is_empty() || priced.merit.departs >= before.lands + BETWEEN_SLICES_MINUTES {
                    let mut slices = before.slices.clone();
                    slices.push(keys.clone());
                    next.push(Chosen {
                        cents: before.cents + priced.merit.cents,
                        minutes: before.minutes + priced.merit.cost(party).1,
                        lands: priced.merit.arrives,
                        slices,
                    });
                }
            }
        }
        let most = if several { MOST_OFFERS } else { next.len() };
        chosen = engine::worthwhile(next, most, |chosen| (chosen.cents, chosen.minutes));
    }
    chosen.into_iter().map(|chosen| chosen.slices).collect()
}
