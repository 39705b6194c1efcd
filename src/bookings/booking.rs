//! A booking as its row tells it, and what follows from that alone.

use jiff::{Timestamp, civil};

use crate::{
    bookings::lifecycle::{BookingState, SupplierState},
    ids::{AttemptId, BookingId, BookingReference, UserId},
    itinerary::{Contact, Offer, Slice},
    money::Money,
    supplier::{AirlineChange, Flights, Hold},
};

#[derive(Clone, Debug)]
pub struct Booking {
    pub id: BookingId,
    pub reference: BookingReference,
    pub user: Option<UserId>,
    pub state: BookingState,
    pub supplier_state: SupplierState,
    /// The quote: exactly what the traveller saw, but with the flights as the airline has changed them since.
    pub offer: Offer,
    /// The flights as they were sold.
    pub sold: Vec<Slice>,
    pub quote_hash: String,
    pub amount: Money,
    /// The total before it went up, while the higher one is not yet accepted.
    pub raised_from: Option<Money>,
    pub contact: Option<Contact>,
    pub hold: Option<Hold>,
    pub supplier: String,
    pub pnr: Option<String>,
    /// What the airline has made of the flights since they were sold.
    pub airline_change: Option<AirlineChange>,
    /// What the supplier takes for the tickets.
    pub supplier_total: Option<Money>,
    pub terms_accepted_at: Option<Timestamp>,
    /// The attempt whose money this booking lives on.
    pub secured_by: Option<AttemptId>,
    pub confirmed_at: Option<Timestamp>,
    /// Its tickets are issued, and the money behind them was lost before it was taken: until then they can be paid again.
    pub pay_by: Option<Timestamp>,
    pub ended_reason: Option<String>,
    pub created_at: Timestamp,
}

impl Booking {
    /// Names and dates may still change.
    pub fn is_open(&self) -> bool {
        matches!(self.state, BookingState::Draft | BookingState::Held)
    }

    /// Its tickets want money, and there is time. For flights that the airline does not fly nobody is asked to pay.
    pub fn can_be_paid_again(&self, now: Timestamp) -> bool {
        let is_flown = self.airline_change.as_ref().is_none_or(|change| change.flights != Flights::Cancelled);
        is_flown && self.pay_by.is_some_and(|until| until > now)
    }

    /// It is this attempt's money.
    pub fn lives_on(&self, attempt: AttemptId) -> bool {
        self.secured_by == Some(attempt)
    }

    /// It still lives on this attempt's money: that neither goes back nor is let go.
    pub fn needs(&self, attempt: AttemptId) -> bool {
        self.lives_on(attempt) && !self.state.has_ended()
    }

    /// Nothing was bought with any of its money.
    pub fn ended_without_ticket(&self) -> bool {
        self.state.has_ended() && self.confirmed_at.is_none()
    }

    /// On this date everybody's age is counted.
    pub fn last_day(&self) -> Option<civil::Date> {
        self.offer.slices.last().map(|slice| slice.last().arrives.local.date())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checkout::pages::samples::{noon, standing},
        supplier::Flights,
    };

    /// The states of a booking of which this is so.
    fn states(is: impl Fn(&Booking) -> bool) -> Vec<&'static str> {
        let all = BookingState::ALL.iter().map(|state| standing(*state).file.booking);
        all.filter(is).map(|booking| booking.state.code()).collect()
    }

    #[test]
    fn a_payment_is_needed_until_the_booking_that_lives_on_it_has_ended() {
        let (its, other) = (AttemptId::new(), AttemptId::new());
        let paid = |booking: &Booking| Booking { secured_by: Some(its), ..booking.clone() };
        let lives = ["draft", "held", "ticketing", "confirmed", "cancelling"];
        assert_eq!(states(|booking| paid(booking).needs(its)), lives);
        assert_eq!(states(|booking| paid(booking).needs(other)).len(), 0);
        assert_eq!(states(|booking| booking.needs(its)).len(), 0);
        assert_eq!(states(|booking| paid(booking).lives_on(its)).len(), BookingState::ALL.len());
        assert_eq!(states(|booking| paid(booking).lives_on(other)).len(), 0);
    }

    #[test]
    fn a_booking_that_ended_without_tickets_was_never_confirmed() {
        let confirmed = |booking: &Booking| Booking { confirmed_at: Some(noon()), ..booking.clone() };
        assert_eq!(states(Booking::ended_without_ticket), ["cancelled", "expired", "failed"]);
        assert_eq!(states(|booking| confirmed(booking).ended_without_ticket()).len(), 0);
        assert_eq!(states(Booking::is_open), ["draft", "held"]);
    }

    #[test]
    fn tickets_are_paid_again_before_their_time_is_over_and_only_if_they_are_flown() {
        let with = |pay_by, flights: Option<Flights>| {
            let change = flights.map(|flights| AirlineChange { id: "x".to_owned(), flights });
            let booking = standing(BookingState::Confirmed).file.booking;
            Booking { pay_by, airline_change: change, ..booking }.can_be_paid_again(noon())
        };
        let second = jiff::SignedDuration::from_secs(1);
        assert!(with(Some(noon() + second), None));
        assert!(with(Some(noon() + second), Some(Flights::Rescheduled(Vec::new()))));
        assert!(!with(Some(noon() + second), Some(Flights::Cancelled)));
        assert!(!with(Some(noon()), None) && !with(None, None));
    }

    #[test]
    fn ages_are_counted_on_the_day_of_the_last_arrival() {
        let mut booking = standing(BookingState::Held).file.booking;
        assert_eq!(booking.last_day(), Some(civil::date(2027, 3, 12)));
        booking.offer.slices.clear();
        assert_eq!(booking.last_day(), None);
    }
}
