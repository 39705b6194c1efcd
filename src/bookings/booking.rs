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
