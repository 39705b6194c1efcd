//! What letters tell in more than one place: the booking in brief, and what becomes of money. What papers tell as well
//! stands in `papers::facts`.

use jiff::{Timestamp, civil};

pub use crate::papers::facts::{Fact, Payment, Ticketed, fare_facts, passenger_fact};
use crate::{
    ids::{BookingReference, Token},
    itinerary::Offer,
    money::{Money, MoneyError},
    papers::facts::{days, moment, price_lines, route},
};

/// What every letter knows of its booking.
#[derive(Clone, Debug)]
pub struct Brief {
    pub reference: BookingReference,
    pub offer: Offer,
    /// Fares and taxes, which add up to the offer's total.
    pub price_lines: Vec<(String, Money)>,
    /// What opens it. `None`: the account that it belongs to.
    pub link: Option<Token>,
}

impl Brief {
    pub fn new(reference: &BookingReference, offer: &Offer) -> Result<Self, MoneyError> {
        let (reference, price_lines) = (reference.clone(), price_lines(offer)?);
        Ok(Self { reference, price_lines, offer: offer.clone(), link: None })
    }

    /// "Lisbon to New York and back".
    pub fn route(&self) -> String {
        route(&self.offer.slices)
    }

    fn first_day(&self) -> Option<civil::Date> {
        self.offer.slices.first().map(|slice| slice.first().departs.local.date())
    }

    /// "12 March".
    pub fn day(&self) -> String {
        self.first_day().map(|day| day.strftime("%-d %B").to_string()).unwrap_or_default()
    }

    /// "12 March to 26 March 2027": when each slice leaves.
    pub fn days(&self) -> String {
        days(&self.offer.slices)
    }

    /// "22 Nov 2026, 16:41 (Lisbon time)".
    pub(super) fn moment(&self, at: Timestamp) -> String {
        moment(&self.offer.slices, at)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// It was only set aside.
    Release,
    /// It was taken.
    Refund,
    /// A part of what was taken, or all that was left of it: the payment names the part.
    Part,
}

impl Return {
    /// What happens to the money, and what the bank will show.
    pub fn in_words(self, payment: &Payment) -> String {
        let (amount, place) = (payment.amount, payment.place());
        match self {
            Self::Release => format!(
                "{amount} total was set aside on {place}. It was never charged, and all of it is released. Your bank may \
                 show it as pending for up to 7 days; after that it disappears."
            ),
            Self::Refund => format!(
                "{amount} total was charged to {place}. All of it is refunded to the same place. Banks usually show a \
                 refund within 5 to 10 working days."
            ),
            Self::Part => format!(
                "{amount} of what you paid is refunded to {place}. Banks usually show a refund within 5 to 10 working days."
            ),
        }
    }
}
