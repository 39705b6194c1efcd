//! What the agency's own systems hear of a booking.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    bookings::{Booking, lifecycle::BookingState},
    db::{System, Tx},
    outbox::{self, FactKind},
};

/// Whether a move is told of. What never held seats was nobody's business yet.
fn kind_of(from: BookingState, to: BookingState) -> Option<FactKind> {
    use BookingState as In;
    match (from, to) {
        (In::Ticketing, In::Confirmed) => Some(FactKind::BookingConfirmed),
        (In::Held | In::Cancelling, In::Cancelled) => Some(FactKind::BookingCancelled),
        (In::Held, In::Expired) => Some(FactKind::BookingExpired),
        (In::Ticketing, In::Failed) => Some(FactKind::BookingFailed),
        _ => None,
    }
}

/// Tells of the move that this booking has just made.
pub async fn tell_of_move(
    tx: &mut Tx<System>,
    booking: &Booking,
    from: BookingState,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let Some(kind) = kind_of(from, booking.state) else { return Ok(()) };
    let data = json!({ "booking": state_of(booking, reason) });
    outbox::tell(tx, kind, booking.id, &booking.id.to_string(), &data, now).await
}

/// Which booking something else is about.
pub fn name_of(booking: &Booking) -> Value {
    json!({ "id": booking.id, "reference": booking.reference.as_str() })
}

/// How it stands. Nobody who flies is named here, and not the airline's reference, which with a name opens the booking at
/// the airline.
pub fn state_of(booking: &Booking, reason: Option<&str>) -> Value {
    let (first, last) = (booking.offer.slices.first(), booking.offer.slices.last());
    json!({
        "id": booking.id,
        "reference": booking.reference.as_str(),
        "status": booking.state,
        "reason": reason,
        "amount_minor": booking.amount.minor,
        "currency": booking.amount.currency,
        "origin": first.map(|slice| slice.first().from.code.as_str()),
        "destination": first.map(|slice| slice.last().to.code.as_str()),
        "departs_at": first.map(|slice| slice.first().departs.at),
        "returns_at": last.map(|slice| slice.last().arrives.at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_of_a_paid_or_held_booking_is_told_of_and_no_draft_is() {
        for &from in BookingState::ALL {
            for &to in BookingState::ALL {
                let told = kind_of(from, to).is_some();
                assert!(!told || from != BookingState::Draft);
                assert!(!told || to == BookingState::Confirmed || to.has_ended(), "{from:?} {to:?}");
            }
        }
        // An airline that would not cancel confirms nothing new.
        assert_eq!(kind_of(BookingState::Cancelling, BookingState::Confirmed), None);
    }
}
