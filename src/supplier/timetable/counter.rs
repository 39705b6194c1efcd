//! The refunds counter: tickets given back, and what the airline takes off the agency's debt for them.

use super::{
    Timetable,
    desk::unknown,
    key::OfferKey,
    offers::{self, Found},
    seats::{self, Sale},
    switches::Fault,
    unavailable,
};
use crate::{
    db::System,
    itinerary::{Condition, OfferId},
    money::Money,
    supplier::{CancelRequest, Cancellation, SupplierError},
};

impl Timetable {
    pub(super) async fn cancel_tickets(
        &self,
        request: &CancelRequest,
    ) -> Result<Cancellation, SupplierError> {
        let mut tx = self.db.begin(System).await.map_err(unavailable)?;
        let sale = seats::lock_sale(&mut tx, request.booking).await.map_err(unavailable)?;
        let sale = sale.ok_or(SupplierError::Gone)?;
        let fault = self.switches.cancel_fault(sale.on_cancel);
        let is_first =
            |fault| fault == Fault::TimeoutAfter && self.switches.first_cancel(request.booking, fault);
        if let Some(credit) = sale.credit {
            return Ok(Cancellation { credit });
        }
        match fault {
            Some(Fault::Refused) => {
                return Err(SupplierError::Refused("the airline does not take these tickets back".into()));
            }
            Some(Fault::Unavailable | Fault::SoldOut | Fault::PriceUp) => {
                return Err(SupplierError::Unavailable("the refunds counter is closed".into()));
            }
            Some(Fault::TimeoutBefore)
                if self.switches.first_cancel(request.booking, Fault::TimeoutBefore) =>
            {
                return Err(SupplierError::OutcomeUnknown("no answer in time".into()));
            }
            None | Some(Fault::TimeoutBefore | Fault::TimeoutAfter) => {}
        }
        let credit = self.credit(&sale)?;
        seats::cancel_sale(&mut tx, request.booking, credit, self.clock.now()).await.map_err(unavailable)?;
        tx.commit().await.map_err(unknown)?;
        if fault.is_some_and(is_first) {
            return Err(SupplierError::OutcomeUnknown("no answer in time".into()));
        }
        Ok(Cancellation { credit })
    }

    /// What the fare's own condition leaves of the price, until the first flight has left. Where it says nothing, the
    /// airline decides: here, for a half.
    fn credit(&self, sale: &Sale) -> Result<Money, SupplierError> {
        let key = OfferKey::parse(&OfferId(sale.offer_id.clone())).ok_or(SupplierError::Gone)?;
        let located = offers::locate(self.world, &key).ok_or(SupplierError::Gone)?;
        let has_left = |found: &Found| found.leg.departs <= offers::minute_of(self.clock.now());
        if located.iter().flatten().next().is_some_and(has_left) {
            return Err(SupplierError::Refused("the first flight has left".into()));
        }
        let offer = offers::offer(self.world, &key).ok_or(SupplierError::Gone)?;
        let party = i64::try_from(key.party.kinds().count()).unwrap_or(i64::MAX);
        let left = match offer.fare.conditions.refund {
            Condition::Free => sale.total.minor,
            Condition::Fee(fee) => sale.total.minor.saturating_sub(fee.minor.saturating_mul(party)),
            Condition::No => 0,
            Condition::Unknown => sale.total.minor / 2,
        };
        Ok(Money::new(left.max(0), sale.total.currency))
    }
}
