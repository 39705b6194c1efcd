//! What the airline changes after the tickets were issued. The flights of every confirmed booking are asked for once a day
//! until they leave; what is new is written down, told to the traveller and to staff, and shown from then on.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{
    bookings::{
        Actor, Booking, Bookings,
        lifecycle::{BookingState, SupplierEvent},
        ordering, store,
        told::state_of,
    },
    db::{System, Tx},
    error::AppError,
    ids::BookingId,
    itinerary::{Segment, Slice},
    outbox::{self, About, Attention, FactKind, Job, MailKind, Outcome},
    supplier::{AirlineChange, Flights},
};

/// How long a look at the flights lasts.
const EVERY: SignedDuration = SignedDuration::from_hours(24);
/// Nobody waits for it: whatever else is due goes first.
const SOON: SignedDuration = SignedDuration::from_secs(30);
/// So many are looked at in one round of a minute.
const AT_ONCE: i64 = 100;
/// The kind of the timeline's line.
pub const EVENT: &str = "changed_by_airline";

/// The worker's round: whose flights were not looked at for a day.
pub async fn sweep(tx: &mut Tx<System>, now: Timestamp) -> Result<(), sqlx::Error> {
    for id in store::unchecked_flights(tx, now, now - EVERY, AT_ONCE).await? {
        outbox::push(tx, &Job::CheckFlights(id), now + SOON, now).await?;
    }
    Ok(())
}

/// Names a change of one booking: heard twice, it is told once.
pub fn cause(id: BookingId, change: &AirlineChange) -> String {
    format!("{id}/{}", change.id)
}

impl Bookings {
    /// The job that asks how the flights stand.
    pub async fn check_flights(&self, id: BookingId) -> Result<Outcome, AppError> {
        let mut tx = self.db.begin(System).await?;
        let booking = store::find_by_id(&mut tx, id).await?;
        drop(tx);
        if !booking.is_some_and(|booking| is_ahead(&booking, self.clock.now())) {
            return Ok(Outcome::Done);
        }
        let change = self.supplier.find_change(id).await.map_err(|error| AppError::Upstream {
            service: "supplier",
            reason: error.to_string(),
            detail: "How the flights stand could not be asked.".to_owned(),
        })?;
        if let Some(change) = change {
            self.take_change(id, change).await?;
        }
        Ok(Outcome::Done)
    }

    async fn take_change(&self, id: BookingId, change: AirlineChange) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let mut booking = store::lock(&mut tx, id).await?;
        let is_known = booking.airline_change.as_ref().is_some_and(|known| known.id == change.id);
        if is_known || !is_ahead(&booking, now) {
            return Ok(());
        }
        let change = AirlineChange { flights: seen_from(&booking.sold, change.flights), ..change };
        let event = SupplierEvent::ChangedByAirline;
        ordering::step(&mut tx, id, booking.supplier_state, event, now).await?;
        let before = booking.offer.slices.clone();
        store::set_airline_change(&mut tx, id, &change).await?;
        let data = json!({ "flights": change.flights.code(), "change": change, "before": before });
        store::record(&mut tx, id, EVENT, Actor::Supplier, &data, now).await?;
        booking.offer.slices = store::flights_now(booking.sold.clone(), Some(&change));
        self.tell_of_change(&mut tx, &booking, &change, now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn tell_of_change(
        &self,
        tx: &mut Tx<System>,
        booking: &Booking,
        change: &AirlineChange,
        now: Timestamp,
    ) -> Result<(), AppError> {
        let (id, cause) = (booking.id, cause(booking.id, change));
        if let Some(contact) = &booking.contact {
            let kind = MailKind::AirlineChange;
            outbox::owe_mail(tx, kind, About::Booking(id), &contact.email, &cause, now).await?;
        }
        let detail = match &change.flights {
            Flights::Rescheduled(_) => "the airline has changed the times of the flights",
            Flights::Replaced(_) => {
                "the airline flies others than the flights that were sold, or fewer of them"
            }
            Flights::Cancelled => "the airline does not fly these flights",
        };
        outbox::raise(tx, Attention::AirlineChange, &id.to_string(), Some(id), detail, now).await?;
        let data = json!({ "booking": state_of(booking, None), "change": { "kind": change.flights.code() } });
        outbox::tell(tx, FactKind::BookingChanged, id, &cause, &data, now).await?;
        Ok(())
    }
}

/// There are tickets, and somebody may still have to be told.
fn is_ahead(booking: &Booking, now: Timestamp) -> bool {
    let leaves = booking.offer.slices.last().map(|slice| slice.first().departs.at);
    booking.state == BookingState::Confirmed && leaves.is_some_and(|at| at > now)
}

/// New times are the same flights at other times; whatever else a supplier calls so is other flights.
fn seen_from(sold: &[Slice], flights: Flights) -> Flights {
    match flights {
        Flights::Cancelled => Flights::Cancelled,
        Flights::Rescheduled(now) | Flights::Replaced(now) if now.is_empty() => Flights::Cancelled,
        Flights::Rescheduled(now) | Flights::Replaced(now) => {
            let names = |slices: &[Slice]| -> Vec<Vec<String>> {
                slices.iter().map(|slice| slice.segments().iter().map(Segment::leg).collect()).collect()
            };
            if names(sold) == names(&now) { Flights::Rescheduled(now) } else { Flights::Replaced(now) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checkout::pages::samples::standing,
        web::components::samples::{direct, lisbon, madrid, new_york, overnight, segment},
    };

    #[test]
    fn a_change_is_named_by_its_booking_and_the_suppliers_name_of_it() {
        let (id, change) =
            (BookingId::new(), AirlineChange { id: "x1".to_owned(), flights: Flights::Cancelled });
        assert_eq!(cause(id, &change), format!("{id}/x1"));
    }

    #[test]
    fn flights_are_asked_for_until_the_last_slice_leaves() {
        let mut booking = standing(BookingState::Confirmed).file.booking;
        let back = segment(&new_york(), &lisbon(), "2027-03-27T00:40:00Z", "2027-03-27T12:20:00Z");
        booking.offer.slices.push(Slice::try_from(vec![back]).unwrap());
        let ahead = |booking: &Booking, now: &str| is_ahead(booking, now.parse().unwrap());
        assert!(ahead(&booking, "2027-03-27T00:39:59Z") && !ahead(&booking, "2027-03-27T00:40:00Z"));
        for &state in BookingState::ALL {
            let other = Booking { state, ..booking.clone() };
            assert_eq!(ahead(&other, "2027-03-01T00:00:00Z"), state == BookingState::Confirmed, "{state:?}");
        }
        booking.offer.slices.clear();
        assert!(!ahead(&booking, "2027-03-01T00:00:00Z"));
    }

    #[test]
    fn what_a_supplier_calls_a_change_is_seen_by_the_flights_themselves() {
        let sold = [direct()];
        let later = segment(&lisbon(), &new_york(), "2027-03-12T12:35:00Z", "2027-03-12T20:45:00Z");
        let later = vec![Slice::try_from(vec![later]).unwrap()];
        let others = vec![overnight()];
        let elsewhere = segment(&lisbon(), &madrid(), "2027-03-12T10:35:00Z", "2027-03-12T12:00:00Z");
        let elsewhere = vec![Slice::try_from(vec![elsewhere]).unwrap()];
        for told in [Flights::Rescheduled, Flights::Replaced] {
            assert_eq!(seen_from(&sold, told(later.clone())), Flights::Rescheduled(later.clone()));
            for other in [&others, &elsewhere] {
                assert_eq!(seen_from(&sold, told(other.clone())), Flights::Replaced(other.clone()));
            }
            assert_eq!(seen_from(&sold, told(Vec::new())), Flights::Cancelled);
        }
        assert_eq!(seen_from(&sold, Flights::Cancelled), Flights::Cancelled);
    }
}
