//! Letters about a refund that was promised before: it has left us, it came back, or we have paid it another way.

use jiff::Timestamp;

use crate::{
    checkout::payouts::{Payout, Way},
    emails::{
        facts::{Brief, Fact, Payment},
        letters::Sender,
    },
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

/// A person has paid it, past Stripe.
#[derive(Clone, Debug)]
pub struct RefundPaidByHand {
    pub booking: Brief,
    pub payment: Payment,
    pub payout: Payout,
    pub at: Timestamp,
    pub number: String,
}

impl RefundPaidByHand {
    pub const fn by(&self) -> &'static str {
        self.payout.way.by()
    }

    /// "21 November 2026".
    pub fn day(&self) -> String {
        self.payout.paid_on.strftime("%-d %B %Y").to_string()
    }

    pub const fn until_it_shows(&self) -> &'static str {
        match self.payout.way {
            Way::BankTransfer => "Banks usually show a transfer within 1 to 3 working days.",
            Way::Cash | Way::Other => "Keep this mail with what you were given for it.",
        }
    }

    pub fn facts(&self, sender: &Sender) -> Vec<Fact> {
        let (booking, payment) = (&self.booking, &self.payment);
        let mut facts = facts("Paid to you", booking, payment, self.at, &self.number, sender);
        let own = [
            Fact::new("How", self.payout.way.in_words()),
            Fact::new("On", self.day()),
            Fact::new("Reference", self.payout.proof.as_str()),
        ];
        facts.retain(|fact| fact.label != "Date");
        facts.splice(1..1, own);
        facts
    }
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
