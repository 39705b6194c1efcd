//! The letter about tickets whose money was lost before it was taken.

use jiff::Timestamp;

use crate::emails::facts::{Brief, Payment};

#[derive(Clone, Debug)]
pub struct PayAgain {
    pub booking: Brief,
    /// What had been set aside.
    pub payment: Payment,
    pub pay_by: Timestamp,
}

impl PayAgain {
    pub fn until(&self) -> String {
        self.booking.moment(self.pay_by)
    }

    pub fn what_happened(&self) -> String {
        let (amount, place) = (self.payment.amount, self.payment.place());
        format!("The {amount} that was set aside on {place} for them could not be charged any more.")
    }
}
