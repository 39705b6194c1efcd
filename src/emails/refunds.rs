//! Letters about a refund that was promised before: it has left us, or it came back.

use jiff::Timestamp;

use crate::emails::{
    facts::{Brief, Fact, Payment},
    letters::Sender,
};

/// Stripe has paid it out.
#[derive(Clone, Debug)]
pub struct RefundPaid {
    pub booking: Brief,
    /// The refund's amount, and where the money had come from.
    pub payment: Payment,
    pub at: Timestamp,
    /// The payment's name at Stripe, for questions about it.
    pub number: String,
}

/// The bank would not have it: the debt stands.
#[derive(Clone, Debug)]
pub struct RefundFailed {
    pub booking: Brief,
    pub payment: Payment,
    pub at: Timestamp,
    pub number: String,
}

impl RefundPaid {
    pub fn facts(&self, sender: &Sender) -> Vec<Fact> {
        facts("Refunded", &self.booking, &self.payment, self.at, &self.number, sender)
    }
}

impl RefundFailed {
    pub fn facts(&self, sender: &Sender) -> Vec<Fact> {
        facts("Owed to you", &self.booking, &self.payment, self.at, &self.number, sender)
    }
}

fn facts(
    label: &'static str,
    booking: &Brief,
    payment: &Payment,
    at: Timestamp,
    number: &str,
    sender: &Sender,
) -> Vec<Fact> {
    let seller = &sender.site;
    vec![
        Fact::new(label, payment.amount.to_string()),
        Fact::new("Date", booking.moment(at)),
        Fact::new("Paid with", payment.form()),
        Fact::new("For", format!("Air tickets, {}, {}", booking.route(), booking.days())),
        Fact::new("Booking", booking.reference.as_str()),
        Fact::new("Payment", number),
        Fact {
            label: "Sold by".into(),
            lines: vec![seller.seller_name.clone(), seller.seller_address.clone()],
        },
    ]
}
