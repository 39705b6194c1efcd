//! The embedded supplier of demo mode and tests: a whole world of flights by invented airlines between real airports.
//!
//! The timetable is computed at start, the same on every machine, and kept in memory; only seats are rows. Its prices are
//! functions of what an offer's id says, so an offer holds for its half hour without anyone remembering it.
//!
//! For demonstrations and tests an order fails when a passenger's family name is one of these (any case):
//!
//! | family name | what happens |
//! |---|---|
//! | Soldout | the last seats went a moment ago |
//! | Priceup | the price went up after it was accepted |
//! | Refused | the airline says no |
//! | Down | the supplier is not available; nothing was done |
//! | Timeoutbefore | no answer the first time, and nothing was done |
//! | Timeoutafter | no answer the first time, but the order exists |
//!
//! and a cancellation, which finds out by the name that the order was made with:
//!
//! | family name | what happens |
//! |---|---|
//! | Cancelrefused | the airline does not cancel; the tickets stay good |
//! | Canceldown | the supplier is not available; nothing was done |
//! | Canceltimeoutbefore | no answer the first time, and nothing was done |
//! | Canceltimeoutafter | no answer the first time, but the tickets are cancelled |
//!
//! After the tickets were issued, the next look at the flights of an order finds by the same way:
//!
//! | family name | what happens |
//! |---|---|
//! | Rescheduled | everything leaves 65 minutes later |
//! | Lastcancelled | the last of several flights is not flown |
//! | Flightcancelled | the airline does not fly |
//!
//! Flights that cross certain borders need a passport from each passenger; the airline refuses the number REFUSED99.
//!
//! Tests have [`Switches`] as well.

mod airlines;
mod calendar;
mod changes;
mod counter;
mod days;
mod desk;
mod engine;
mod fleet;
mod key;
mod network;
mod offers;
mod pairs;
mod passports;
mod price;
mod search;
mod seasons;
mod seats;
mod sphere;
mod survey;
mod switches;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
mod ways;
mod world;
mod zones;

use std::{ops::RangeInclusive, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;

pub use changes::Change;
pub use survey::{Departure, Survey};
pub use switches::{Fault, Switches};

use self::{
    key::{OfferKey, SegmentKey},
    offers::Found,
    seats::{Books, Line},
    world::World,
};
use super::{
    AirlineChange, CancelRequest, Cancellation, Co2Method, Hold, HoldId, HoldRequest, Order, OrderRequest,
    Supplier, SupplierError,
};
use crate::{
    clock::Clock,
    db::{Db, System},
    ids::BookingId,
    itinerary::{Offer, OfferId, SearchQuery},
    money::Money,
};

/// How shortly before departure one may buy.
const LATEST_SALE_MINUTES: i64 = 120;

pub struct Timetable {
    db: Db,
    clock: Clock,
    world: &'static World,
    switches: Arc<Switches>,
}

impl Timetable {
    /// All timetables of a process show the same world; each has its own levers.
    pub fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock, world: World::shared(), switches: Arc::default() }
    }

    pub fn switches(&self) -> Arc<Switches> {
        self.switches.clone()
    }

    /// The key of new offers of these flights: the load is today's.
    fn segment_key(&self, found: &Found, books: &Books) -> SegmentKey {
        let sold = books.of(&Line::of(found)).sold;
        SegmentKey {
            carrier: found.flight.carrier,
            number: found.flight.number,
            day: found.leg.day,
            load: price::load(&found.flight, found.leg.day, found.cabin, sold),
        }
    }

    /// The same flights, brand and party at the price of now.
    async fn fresh(&self, key: &OfferKey) -> Result<Offer, SupplierError> {
        let located = offers::locate(self.world, key).ok_or(SupplierError::Gone)?;
        let now = self.clock.now();
        self.still_for_sale(&located, now)?;
        let books = self.look_up(&located.concat(), now).await?;
        self.has_room(&located, &books, key)?;
        let slices =
            located.iter().map(|legs| legs.iter().map(|found| self.segment_key(found, &books)).collect());
        let fresh = OfferKey {
            quoted_at: now.as_second(),
            uplift: self.switches.price_up_percent(),
            slices: slices.collect(),
            ..key.clone()
        };
        offers::offer(self.world, &fresh).ok_or(SupplierError::Gone)
    }

    fn still_for_sale(&self, located: &[Vec<Found>], now: Timestamp) -> Result<(), SupplierError> {
        let first = located.first().and_then(|legs| legs.first()).ok_or(SupplierError::Gone)?;
        let last_call = offers::minute_of(now) + LATEST_SALE_MINUTES;
        if first.leg.departs < last_call { Err(SupplierError::Gone) } else { Ok(()) }
    }

    /// Seats that were sold count here, seats that are held do not: they may be the asker's own. Holding decides.
    fn has_room(&self, located: &[Vec<Found>], books: &Books, key: &OfferKey) -> Result<(), SupplierError> {
        let seats = u16::from(key.party.seats());
        let room = located.iter().flatten().all(|found| {
            let line = Line::of(found);
            let taken = books.of(&line);
            taken.capacity >= taken.sold + seats && !self.switches.sold_out(line.carrier, line.number)
        });
        if room { Ok(()) } else { Err(SupplierError::SoldOut) }
    }

    async fn look_up(&self, found: &[Found], now: Timestamp) -> Result<Books, SupplierError> {
        let mut lines: Vec<Line> = found.iter().map(Line::of).collect();
        lines.sort_unstable();
        lines.dedup();
        seats::look_up(&self.db, &lines, now).await.map_err(unavailable)
    }

    fn answering(&self) -> Result<(), SupplierError> {
        if self.switches.search_down() {
            return Err(SupplierError::Unavailable("the timetable does not answer".into()));
        }
        Ok(())
    }

    fn is_live(&self, key: &OfferKey) -> bool {
        let now = self.clock.now().as_second();
        (key.quoted_at - 300..key.quoted_at + offers::LIFE.as_secs()).contains(&now)
    }
}

#[async_trait]
impl Supplier for Timetable {
    fn name(&self) -> &'static str {
        "timetable"
    }

    async fn search(&self, query: &SearchQuery) -> Result<Vec<Offer>, SupplierError> {
        self.answering()?;
        self.find_offers(query).await
    }

    async fn look(&self, query: &SearchQuery) -> Result<super::Found, SupplierError> {
        self.answering()?;
        self.find_all(query).await
    }

    async fn lowest_totals(
        &self,
        query: &SearchQuery,
        moves: RangeInclusive<i32>,
    ) -> Result<Option<Vec<Option<Money>>>, SupplierError> {
        self.answering()?;
        self.lowest_of_days(query, moves).await.map(Some)
    }

    async fn lowest_of_pairs(
        &self,
        query: &SearchQuery,
        moves: RangeInclusive<i32>,
    ) -> Result<Option<Vec<Option<Money>>>, SupplierError> {
        self.answering()?;
        let [out, back] = query.slices.as_slice() else { return Ok(None) };
        self.lowest_of_all_pairs(query, [out, back], moves).await.map(Some)
    }

    fn co2_method(&self) -> Co2Method {
        price::CO2_METHOD
    }

    async fn fares(&self, id: &OfferId) -> Result<Vec<Offer>, SupplierError> {
        self.answering()?;
        let key = OfferKey::parse(id).ok_or(SupplierError::Gone)?;
        if !self.is_live(&key) {
            return Err(SupplierError::Expired(Box::new(self.fresh(&key).await?)));
        }
        let located = offers::locate(self.world, &key).ok_or(SupplierError::Gone)?;
        let now = self.clock.now();
        self.still_for_sale(&located, now)?;
        let books = self.look_up(&located.concat(), now).await?;
        self.has_room(&located, &books, &key)?;
        let families = price::brands(key.cabin).map(|brand| OfferKey { brand, ..key.clone() });
        families.map(|key| offers::offer(self.world, &key).ok_or(SupplierError::Gone)).collect()
    }

    fn quoted(&self, id: &OfferId) -> Option<Offer> {
        offers::offer(self.world, &OfferKey::parse(id)?)
    }

    fn together(&self, ways: &[&OfferId]) -> Option<Offer> {
        let mut keys = ways.iter().map(|id| OfferKey::parse(id));
        let mut whole = keys.next()??;
        for key in keys {
            whole.slices.extend(key?.slices);
        }
        offers::offer(self.world, &whole)
    }

    async fn reprice(&self, offer: &Offer) -> Result<Offer, SupplierError> {
        self.answering()?;
        let key = OfferKey::parse(&offer.id).ok_or(SupplierError::Gone)?;
        let fresh = self.fresh(&key).await?;
        if self.is_live(&key) && key.uplift >= self.switches.price_up_percent() {
            return offers::offer(self.world, &key).ok_or(SupplierError::Gone);
        }
        Ok(fresh)
    }

    async fn hold(&self, request: &HoldRequest) -> Result<Hold, SupplierError> {
        self.hold_seats(request).await
    }

    async fn release(&self, hold: &HoldId) -> Result<(), SupplierError> {
        self.release_seats(hold).await
    }

    async fn order(&self, request: &OrderRequest) -> Result<Order, SupplierError> {
        self.sell_tickets(request).await
    }

    async fn find_order(&self, booking: BookingId) -> Result<Option<Order>, SupplierError> {
        let mut tx = self.db.begin(System).await.map_err(unavailable)?;
        seats::find_order(&mut tx, booking).await.map_err(unavailable)
    }

    async fn cancel(&self, request: &CancelRequest) -> Result<Cancellation, SupplierError> {
        self.cancel_tickets(request).await
    }

    async fn find_cancellation(&self, booking: BookingId) -> Result<Option<Cancellation>, SupplierError> {
        let mut tx = self.db.begin(System).await.map_err(unavailable)?;
        let sale = seats::lock_sale(&mut tx, booking).await.map_err(unavailable)?;
        Ok(sale.and_then(|sale| sale.credit).map(|credit| Cancellation { credit }))
    }

    async fn find_change(&self, booking: BookingId) -> Result<Option<AirlineChange>, SupplierError> {
        self.look_for_change(booking).await
    }
}

/// Nothing was done, or what was done rolled back.
fn unavailable(error: sqlx::Error) -> SupplierError {
    SupplierError::Unavailable(error.to_string())
}
