//! Before an attempt: the airline's price of this moment, and its seats for as long as somebody pays.

use jiff::SignedDuration;
use serde_json::json;

use crate::{
    bookings::{self, Actor, Booking},
    checkout::{Checkout, Paying, Standing, store},
    db::System,
    error::{AppError, Refusal},
    itinerary::Offer,
    supplier::{Hold, HoldRequest, SupplierError},
};

/// Longer than the session, so that nobody pays for seats that are already gone.
const HOLD_LIFE: SignedDuration = SignedDuration::from_mins(45);

impl Checkout {
    /// The seats, at today's price and in today's names. `Err`: what there is to do before.
    pub(super) async fn keep_seats(
        &self,
        standing: &Standing,
    ) -> Result<Result<(Offer, Hold), Paying>, AppError> {
        let booking = &standing.file.booking;
        let mut is_again = false;
        loop {
            let Some(offer) = self.reprice(booking).await? else { return Ok(Err(Paying::LookAgain)) };
            if !standing.file.is_complete_for(&offer) {
                // The supplier asks for documents since today. Kept with the quote, so that the form asks for them too.
                self.keep_rule(booking, &offer).await?;
                return Ok(Err(Paying::PassengersMissing));
            }
            match self.hold(standing, &offer).await? {
                Ok(hold) => return Ok(Ok((offer, hold))),
                // Space in other names was given back, and the offer went with it: there may be another of the same.
                Err(SupplierError::Expired(_)) if !is_again => is_again = true,
                Err(error) => return Err(unsellable(&error)),
            }
        }
    }

    /// The supplier's price of this moment. A lower one is applied; anything else that differs is written down and has
    /// to be looked at first, which `None` says.
    async fn reprice(&self, booking: &Booking) -> Result<Option<Offer>, AppError> {
        let fresh = match self.bookings.supplier.reprice(&booking.offer).await {
            Ok(fresh) => fresh,
            Err(SupplierError::PriceUp(fresh) | SupplierError::Expired(fresh)) => *fresh,
            Err(error) => return Err(unsellable(&error)),
        };
        if fresh.sum_of_prices(fresh.total.currency)? != fresh.total {
            return Err(unsellable(&SupplierError::Unavailable("the price does not add up".to_owned())));
        }
        if fresh.accepted_hash()? == booking.quote_hash {
            return Ok(Some(fresh));
        }
        let same_currency = fresh.total.currency == booking.amount.currency;
        let is_raised = same_currency && fresh.total.minor > booking.amount.minor;
        let is_better = same_currency
            && fresh.total.minor <= booking.amount.minor
            && fresh.slices == booking.offer.slices
            && fresh.fare == booking.offer.fare;
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let locked = bookings::store::lock(&mut tx, booking.id).await?;
        let attempts = store::attempts_of(&mut tx, booking.id).await?;
        // Somebody may be paying the present terms at this moment: they stay what they are.
        let is_being_paid = attempts.iter().any(|attempt| attempt.state.is_payable());
        if !locked.is_open() || locked.quote_hash != booking.quote_hash || is_being_paid {
            return Ok(None);
        }
        let raised_from = is_raised.then(|| booking.raised_from.unwrap_or(booking.amount));
        bookings::store::set_quote(&mut tx, booking.id, &fresh, raised_from).await?;
        let data = json!({
            "from_minor": booking.amount.minor,
            "to_minor": fresh.total.minor,
            "currency": fresh.total.currency,
        });
        bookings::store::record(&mut tx, booking.id, "price_changed", Actor::Supplier, &data, now).await?;
        tx.commit().await?;
        Ok(is_better.then_some(fresh))
    }

    async fn keep_rule(&self, booking: &Booking, offer: &Offer) -> Result<(), AppError> {
        let mut tx = self.db.begin(System).await?;
        let locked = bookings::store::lock(&mut tx, booking.id).await?;
        if locked.is_open() && locked.quote_hash == offer.accepted_hash()? {
            let asking = Offer { documents: offer.documents, ..locked.offer };
            bookings::store::set_quote(&mut tx, locked.id, &asking, locked.raised_from).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn hold(
        &self,
        standing: &Standing,
        offer: &Offer,
    ) -> Result<Result<Hold, SupplierError>, AppError> {
        let booking = &standing.file.booking;
        let contact = booking.contact.clone();
        let request = HoldRequest {
            booking: booking.id,
            reference: booking.reference.clone(),
            offer: offer.clone(),
            passengers: standing.file.passengers.iter().map(|(passenger, _)| passenger.clone()).collect(),
            contact: contact.ok_or_else(|| AppError::broken("a complete booking without a contact"))?,
            until: self.clock.now() + HOLD_LIFE,
        };
        Ok(self.bookings.supplier.hold(&request).await)
    }
}

/// The supplier will not sell this now. Said before any money moved.
fn unsellable(error: &SupplierError) -> AppError {
    let refused = |code, title, detail: &str| {
        AppError::Conflict(Refusal { code, title, detail: format!("{detail} Nothing was charged.") })
    };
    match error {
        SupplierError::SoldOut => {
            refused("seats_gone", "Sold out", "The last seats of these flights went to someone else. Search again for others.")
        }
        SupplierError::Gone | SupplierError::Refused(_) => {
            refused("flights_gone", "These flights are no longer sold", "Search again to see what there is.")
        }
        SupplierError::PriceUp(_) | SupplierError::Expired(_) => {
            refused("price_changed", "The price has changed", "Go back to the review page to see today's price.")
        }
        SupplierError::Unavailable(reason) | SupplierError::OutcomeUnknown(reason) => AppError::Upstream {
            service: "supplier",
            reason: reason.clone(),
            detail: "The airline system does not answer just now. Nothing was charged. Try again in a few minutes."
                .to_owned(),
        },
    }
}
