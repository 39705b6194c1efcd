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
//! Tests have [`Switches`] as well.

mod airlines;
mod engine;
mod fleet;
mod key;
mod network;
mod offers;
mod price;
mod seats;
mod sphere;
mod switches;
#[cfg(test)]
mod tests;
mod world;
mod zones;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

pub use switches::{Fault, Switches};

use self::{
    airlines::AIRLINES,
    engine::Way,
    key::{OfferKey, SegmentKey},
    offers::Found,
    seats::{Books, Line, Seats},
    world::World,
};
use super::{Hold, HoldId, HoldRequest, Order, OrderRequest, Supplier, SupplierError};
use crate::{
    airports::Airports,
    clock::Clock,
    db::{Db, System},
    ids::{self, BookingId},
    itinerary::{Offer, OfferId, SearchQuery, SliceQuery},
    money::Money,
};

/// How far ahead one may fly, and how shortly before departure one may buy.
const HORIZON: SignedDuration = SignedDuration::from_hours(330 * 24);
const LATEST_SALE_MINUTES: i64 = 120;
/// Offers in one answer, and ways of each slice that are combined into them.
const MOST_OFFERS: usize = 60;
const MOST_WAYS: usize = 140;
const MOST_COMBINED: usize = 40;
/// Between landing and the next slice's departure.
const BETWEEN_SLICES_MINUTES: i64 = 120;

pub struct Timetable {
    db: Db,
    clock: Clock,
    world: &'static World,
    switches: Arc<Switches>,
}

/// A way and what one adult pays for it.
#[derive(Clone, Copy)]
struct Priced {
    way: Way,
    cents: i64,
}

impl Timetable {
    /// There is one directory, so there is one world: `airports` says which the caller has in hand.
    pub fn new(db: Db, clock: Clock, _airports: &'static Airports) -> Self {
        Self { db, clock, world: World::shared(), switches: Arc::default() }
    }

    /// Numbers for the benchmark: departures a day, and bytes of the flight index.
    pub fn size(&self) -> (u32, usize) {
        (self.world.flights_per_day(), self.world.bytes())
    }

    pub fn switches(&self) -> Arc<Switches> {
        self.switches.clone()
    }

    /// Good ways for one slice with seats for everyone, by what the timetable alone knows.
    fn ways(&self, slice: &SliceQuery, query: &SearchQuery, now: Timestamp) -> Vec<Priced> {
        let day = offers::day_of(slice.date);
        let minute = offers::minute_of(now);
        let today = i32::try_from(minute.div_euclid(1_440)).unwrap_or(0);
        let horizon = i32::try_from(HORIZON.as_hours() / 24).unwrap_or(330);
        if !(today - 1..=today + horizon).contains(&day) {
            return Vec::new();
        }
        let places = |code| -> Vec<u16> {
            let members = self.world.airports.members(code).iter();
            members.filter_map(|code| self.world.airports.index(*code)).map(network::index).collect()
        };
        let ways = engine::find(
            self.world,
            &places(slice.from),
            &places(slice.to),
            day,
            minute + LATEST_SALE_MINUTES,
        );
        let seats = u16::from(query.party.seats());
        let fits = |way: &Way| {
            let mut wanted = false;
            let room = way.legs().all(|leg| {
                let flight = &self.world.flights[leg.flight as usize];
                let cabin = offers::cabin_on(flight, query.cabin);
                wanted |= cabin == query.cabin;
                price::for_sale(flight, leg.day, cabin) >= seats
                    && !self.switches.sold_out(AIRLINES[usize::from(flight.carrier)].code, flight.number)
            });
            room && wanted
        };
        let priced: Vec<Priced> = ways
            .into_iter()
            .filter(fits)
            .map(|way| Priced { way, cents: offers::quick_cents(self.world, &way, query.cabin, today) })
            .collect();
        engine::worthwhile(priced, MOST_WAYS, |priced| (priced.cents, priced.way.minutes()))
    }

    fn found(&self, way: &Way, query: &SearchQuery) -> Vec<Found> {
        let found = way.legs().map(|leg| {
            let flight = self.world.flights[leg.flight as usize];
            let from = self.world.origin_of(leg.flight);
            Found { flight, from, leg, cabin: offers::cabin_on(&flight, query.cabin), load: 0 }
        });
        found.collect()
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
        let now = self.clock.now();
        let ways: Vec<Vec<Priced>> = query.slices.iter().map(|slice| self.ways(slice, query, now)).collect();
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

    fn quoted(&self, id: &OfferId) -> Option<Money> {
        let key = OfferKey::parse(id)?;
        offers::offer(self.world, &key).map(|offer| offer.total)
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
        let key = OfferKey::parse(&request.offer.id).ok_or(SupplierError::Gone)?;
        let located = offers::locate(self.world, &key).ok_or(SupplierError::Gone)?;
        let now = self.clock.now();
        self.still_for_sale(&located, now)?;
        match self.switches.hold_fault() {
            None => {}
            Some(Fault::SoldOut) => return Err(SupplierError::SoldOut),
            Some(Fault::Refused) => {
                return Err(SupplierError::Refused("the airline does not hold seats".into()));
            }
            Some(Fault::PriceUp) => return Err(SupplierError::PriceUp(Box::new(self.dearer(&key).await?))),
            Some(_) => return Err(SupplierError::Unavailable("the timetable does not answer".into())),
        }
        let lines = lines(&located);
        let seats = key.party.seats();
        seats::open(&self.db, &lines).await.map_err(unavailable)?;
        let mut tx = self.db.begin(System).await.map_err(unavailable)?;
        let held = seats::lock_hold(&mut tx, request.booking).await.map_err(unavailable)?;
        let hold = Hold { id: HoldId(request.booking.to_string()), expires_at: request.until };
        if held.is_some_and(|held| held.offer_id == request.offer.id.0 && held.expires_at > now) {
            seats::renew(&mut tx, request.booking, request.until).await.map_err(unavailable)?;
            tx.commit().await.map_err(unknown)?;
            return Ok(hold);
        }
        if !self.is_live(&key) {
            drop(tx);
            return Err(SupplierError::Expired(Box::new(self.fresh(&key).await?)));
        }
        if lines.iter().any(|line| self.switches.sold_out(line.carrier, line.number)) {
            return Err(SupplierError::SoldOut);
        }
        seats::free(&mut tx, request.booking, &lines, now).await.map_err(unavailable)?;
        let id = &request.offer.id.0;
        match seats::hold(&mut tx, request.booking, id, &lines, seats, request.until, now)
            .await
            .map_err(unavailable)?
        {
            // Dropped, the transaction gives back even what this booking held before.
            Seats::SoldOut => Err(SupplierError::SoldOut),
            Seats::Taken => {
                tx.commit().await.map_err(unknown)?;
                Ok(hold)
            }
        }
    }

    async fn release(&self, hold: &HoldId) -> Result<(), SupplierError> {
        let Ok(booking) = hold.0.parse::<BookingId>() else { return Ok(()) };
        let mut tx = self.db.begin(System).await.map_err(unavailable)?;
        if seats::lock_hold(&mut tx, booking).await.map_err(unavailable)?.is_some() {
            seats::free(&mut tx, booking, &[], self.clock.now()).await.map_err(unavailable)?;
            tx.commit().await.map_err(unavailable)?;
        }
        Ok(())
    }

    async fn order(&self, request: &OrderRequest) -> Result<Order, SupplierError> {
        let fault = self.switches.order_fault(&request.passengers);
        if let Some(order) = self.find_order(request.booking).await? {
            return Ok(order);
        }
        let key = OfferKey::parse(&request.offer.id).ok_or(SupplierError::Gone)?;
        match fault {
            None | Some(Fault::TimeoutAfter) => {}
            Some(Fault::SoldOut) => return Err(SupplierError::SoldOut),
            Some(Fault::PriceUp) => return Err(SupplierError::PriceUp(Box::new(self.dearer(&key).await?))),
            Some(Fault::Refused) => {
                return Err(SupplierError::Refused("the airline does not accept these passengers".into()));
            }
            Some(Fault::Unavailable) => {
                return Err(SupplierError::Unavailable("the timetable is closed".into()));
            }
            Some(Fault::TimeoutBefore) if self.switches.first_time(request.booking, Fault::TimeoutBefore) => {
                return Err(SupplierError::OutcomeUnknown("no answer in time".into()));
            }
            Some(Fault::TimeoutBefore) => {}
        }
        let order = self.buy(request, &key).await?;
        if fault == Some(Fault::TimeoutAfter)
            && self.switches.first_time(request.booking, Fault::TimeoutAfter)
        {
            return Err(SupplierError::OutcomeUnknown("no answer in time".into()));
        }
        Ok(order)
    }

    async fn find_order(&self, booking: BookingId) -> Result<Option<Order>, SupplierError> {
        let mut tx = self.db.begin(System).await.map_err(unavailable)?;
        seats::find_order(&mut tx, booking).await.map_err(unavailable)
    }
}

impl Timetable {
    /// A tenth above the offer, for the fault that says so.
    async fn dearer(&self, key: &OfferKey) -> Result<Offer, SupplierError> {
        let fresh = self.fresh(key).await?;
        let mut dearer = OfferKey::parse(&fresh.id).ok_or(SupplierError::Gone)?;
        dearer.uplift = dearer.uplift.max(key.uplift).saturating_add(10);
        offers::offer(self.world, &dearer).ok_or(SupplierError::Gone)
    }

    async fn buy(&self, request: &OrderRequest, key: &OfferKey) -> Result<Order, SupplierError> {
        let located = offers::locate(self.world, key).ok_or(SupplierError::Gone)?;
        let now = self.clock.now();
        let kinds: Vec<_> = request.passengers.iter().map(|passenger| passenger.kind).collect();
        if !key.party.kinds().eq(kinds) {
            return Err(SupplierError::Refused("the passengers are not those of the offer".into()));
        }
        // The price of the offer stands while it lives or while its seats are held; afterwards today's counts.
        let quoted = offers::offer(self.world, key).ok_or(SupplierError::Gone)?;
        let today = if self.is_live(key) {
            quoted.clone()
        } else {
            self.fresh_or_held(request, key, &quoted).await?
        };
        if today.total.currency != request.offer.total.currency
            || today.total.minor > request.offer.total.minor
        {
            return Err(SupplierError::PriceUp(Box::new(today)));
        }
        let lines = lines(&located);
        seats::open(&self.db, &lines).await.map_err(unavailable)?;
        let mut tx = self.db.begin(System).await.map_err(unavailable)?;
        let order = seats::NewOrder {
            booking: request.booking,
            reference: &request.reference,
            offer_id: &request.offer.id.0,
            pnr: ids::random_text(b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789", 6),
            tickets: request.passengers.iter().map(|_| ticket(&located)).collect(),
            total: today.total,
        };
        if seats::claim_order(&mut tx, &order, now).await.map_err(unavailable)? {
            seats::lock_hold(&mut tx, request.booking).await.map_err(unavailable)?;
            seats::free(&mut tx, request.booking, &lines, now).await.map_err(unavailable)?;
            let sold = seats::sell(&mut tx, request.booking, &lines, key.party.seats())
                .await
                .map_err(unavailable)?;
            if sold == Seats::SoldOut
                || lines.iter().any(|line| self.switches.sold_out(line.carrier, line.number))
            {
                return Err(SupplierError::SoldOut);
            }
        }
        let made = seats::find_order(&mut tx, request.booking).await.map_err(unavailable)?;
        tx.commit().await.map_err(unknown)?;
        made.ok_or_else(|| SupplierError::OutcomeUnknown("the order is not in the books".into()))
    }

    async fn fresh_or_held(
        &self,
        request: &OrderRequest,
        key: &OfferKey,
        quoted: &Offer,
    ) -> Result<Offer, SupplierError> {
        let mut tx = self.db.begin(System).await.map_err(unavailable)?;
        let held = seats::lock_hold(&mut tx, request.booking).await.map_err(unavailable)?;
        drop(tx);
        match held {
            Some(held) if held.offer_id == request.offer.id.0 && held.expires_at > self.clock.now() => {
                Ok(quoted.clone())
            }
            _ => self.fresh(key).await,
        }
    }
}

fn lines(located: &[Vec<Found>]) -> Vec<Line> {
    let mut lines: Vec<Line> = located.iter().flatten().map(Line::of).collect();
    lines.sort_unstable();
    lines
}

/// Three digits of the airline, ten of the document.
fn ticket(located: &[Vec<Found>]) -> String {
    let carrier = located.first().and_then(|legs| legs.first()).map_or(0, |found| found.flight.carrier);
    format!("{}{}", AIRLINES[usize::from(carrier)].ticket_prefix, ids::random_text(b"0123456789", 10))
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

/// Nothing was done, or what was done rolled back.
fn unavailable(error: sqlx::Error) -> SupplierError {
    SupplierError::Unavailable(error.to_string())
}

/// A commit whose answer was lost may have happened.
fn unknown(error: sqlx::Error) -> SupplierError {
    SupplierError::OutcomeUnknown(error.to_string())
}
