//! Other names, or another contact, while a payment page stands open or the airline keeps seats.
//!
//! The page goes first, and only Stripe's word counts that it is closed. The seats stay where they are until somebody pays:
//! then the supplier keeps them in the new names, and what it keeps in others it gives back.

use crate::{
    bookings::Given,
    checkout::{Checkout, Standing},
    db::Traveller,
    error::AppError,
    ids::BookingReference,
};

impl Checkout {
    /// Keeps who travels and where to write. What is known already closes nothing.
    pub async fn save_passengers(
        &self,
        traveller: Traveller,
        reference: &BookingReference,
        given: &Given,
    ) -> Result<(), AppError> {
        let standing = self.standing(traveller, reference).await?;
        if needs_closing(&standing, given) {
            // What it could not close, or has found paid, is seen under the booking's lock.
            self.close_attempts(standing.file.booking.id).await.map_err(not_closed)?;
        }
        self.bookings.save_passengers(traveller, reference, given).await
    }
}

fn needs_closing(standing: &Standing, given: &Given) -> bool {
    let file = &standing.file;
    file.booking.is_open()
        && !standing.is_frozen()
        && standing.payable().is_some()
        && !given.is_known(file.booking.contact.as_ref(), &file.passengers)
}

fn not_closed(error: AppError) -> AppError {
    match error {
        AppError::Upstream { service, reason, .. } => AppError::Upstream {
            service,
            reason,
            detail: "A payment page is open for the names that there are, and Stripe does not answer just now, so it cannot be \
                     closed. No name was changed. Try again in a few minutes."
                .to_owned(),
        },
        other => other,
    }
}
