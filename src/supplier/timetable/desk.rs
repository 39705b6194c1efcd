//! The sales desk: seats held, given back, and sold as tickets.

use super::{
    Timetable,
    airlines::AIRLINES,
    changes,
    key::OfferKey,
    offers::{self, Found},
    passports,
    seats::{self, Line, Seats},
    switches::{self, Fault},
    unavailable,
};
use crate::{
    db::System,
    ids::{self, BookingId},
    itinerary::Offer,
    supplier::{Hold, HoldId, HoldRequest, Order, OrderRequest, Supplier, SupplierError},
};

impl Timetable {
    pub(super) async fn hold_seats(&self, request: &HoldRequest) -> Result<Hold, SupplierError> {
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

    pub(super) async fn release_seats(&self, hold: &HoldId) -> Result<(), SupplierError> {
        let Ok(booking) = hold.0.parse::<BookingId>() else { return Ok(()) };
        let mut tx = self.db.begin(System).await.map_err(unavailable)?;
        if seats::lock_hold(&mut tx, booking).await.map_err(unavailable)?.is_some() {
            seats::free(&mut tx, booking, &[], self.clock.now()).await.map_err(unavailable)?;
            tx.commit().await.map_err(unavailable)?;
        }
        Ok(())
    }

    pub(super) async fn sell_tickets(&self, request: &OrderRequest) -> Result<Order, SupplierError> {
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
        passports::check(request)?;
        let order = self.buy(request, &key).await?;
        if fault == Some(Fault::TimeoutAfter)
            && self.switches.first_time(request.booking, Fault::TimeoutAfter)
        {
            return Err(SupplierError::OutcomeUnknown("no answer in time".into()));
        }
        Ok(order)
    }

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
            on_cancel: switches::cancel_word(&request.passengers),
            on_check: changes::change_word(&request.passengers),
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

/// A commit whose answer was lost may have happened.
pub(super) fn unknown(error: sqlx::Error) -> SupplierError {
    SupplierError::OutcomeUnknown(error.to_string())
}
