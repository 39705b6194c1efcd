//! Tickets that turn up after we had given up on them and sent the money back: the airline is asked to void them, and what
//! it keeps is written down as what it is, our loss.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use tokio::time::timeout;

use crate::{
    bookings::{self, Actor, lifecycle::SupplierState},
    checkout::{
        Checkout,
        ledger::{self, Posting},
        unpaid,
    },
    db::System,
    error::AppError,
    ids::BookingId,
    money::Money,
    outbox::{self, Attention, Claim, Outcome},
    supplier::{CancelRequest, Order, SupplierError},
};

const LONGEST_CALL: Duration = Duration::from_secs(60);
/// A supplier that is silent about it is asked again.
const ASK_AGAIN: SignedDuration = SignedDuration::from_mins(5);
/// After a refusal that was said in time, tickets are looked for again: an airline's machinery may be slow.
const LOOK_AT: [SignedDuration; 2] = [SignedDuration::from_hours(2), SignedDuration::from_hours(24)];

impl Checkout {
    /// The job behind an order that was given up. Most of the time there is nothing to be found.
    pub async fn void_tickets(&self, id: BookingId, claim: &Claim) -> Result<Outcome, AppError> {
        let mut tx = self.db.begin(System).await?;
        let booking = bookings::store::find_by_id(&mut tx, id).await?.ok_or(AppError::NotFound)?;
        drop(tx);
        if !booking.state.has_ended() || booking.supplier_state != SupplierState::Refused {
            return Ok(Outcome::Done);
        }
        let now = self.clock.now();
        let again = Ok(Outcome::Again(now + ASK_AGAIN));
        let found = match timeout(LONGEST_CALL, self.bookings.supplier.find_order(id)).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) | Err(_) => return again,
        };
        let Some(order) = found else {
            let next = LOOK_AT.into_iter().map(|after| claim.pushed_at + after).find(|at| *at > now);
            return Ok(next.map_or(Outcome::Done, Outcome::Again));
        };
        self.raise_late(id, &order).await?;
        let request =
            CancelRequest { booking: id, order: order.id.clone(), idempotency_key: format!("void:{id}") };
        match timeout(LONGEST_CALL, self.bookings.supplier.cancel(&request)).await {
            Ok(Ok(cancellation)) => self.write_off(id, &order, Some(cancellation.credit)).await,
            Ok(Err(SupplierError::Refused(_))) => self.write_off(id, &order, None).await,
            // Voided or not: asked again, the answer is the same.
            Ok(Err(_)) | Err(_) => again,
        }
    }

    async fn raise_late(&self, id: BookingId, order: &Order) -> Result<(), AppError> {
        let mut tx = self.db.begin(System).await?;
        let detail = format!(
            "the airline has issued {} for a booking that has ended; it is asked to void it",
            order.pnr
        );
        let (kind, subject) = (Attention::TicketWithoutBooking, id.to_string());
        outbox::raise(&mut tx, kind, &subject, Some(id), &detail, self.clock.now()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// What of the tickets is owed all the same. A whole void leaves nothing; without any credit they are not void, and a
    /// person still has to see to them.
    async fn write_off(
        &self,
        id: BookingId,
        order: &Order,
        credit: Option<Money>,
    ) -> Result<Outcome, AppError> {
        let now = self.clock.now();
        let credited =
            credit.filter(|credit| credit.currency == order.total.currency).map_or(0, |credit| credit.minor);
        let lost = Money::new(order.total.minor - credited.clamp(0, order.total.minor), order.total.currency);
        let mut tx = self.db.begin(System).await?;
        bookings::store::lock(&mut tx, id).await?;
        if credit.is_some() {
            let kinds = [Attention::TicketWithoutBooking];
            outbox::settle(&mut tx, &kinds, id, "The airline has voided the tickets.", now).await?;
        }
        let posting = Posting::TicketsLost { booking: id, amount: lost };
        if !ledger::is_posted(&mut tx, &posting).await? {
            unpaid::lose_tickets(&mut tx, id, &order.pnr, lost, now).await?;
            let data = json!({
                "order": order.id,
                "pnr": order.pnr,
                "lost_minor": lost.minor,
                "currency": lost.currency,
            });
            bookings::store::record(&mut tx, id, "late_tickets", Actor::Supplier, &data, now).await?;
        }
        tx.commit().await?;
        Ok(Outcome::Done)
    }
}
