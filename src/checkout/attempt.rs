//! The rows of money as values.

use jiff::Timestamp;

use crate::{
    bookings::BookingFile,
    checkout::{
        cancel::CancelQuote,
        lifecycle::{AttemptState, RefundState},
        payouts::Payout,
    },
    ids::{AttemptId, BookingId, RefundId},
    money::Money,
};

#[derive(Clone, Debug)]
pub struct Attempt {
    pub id: AttemptId,
    pub booking: BookingId,
    pub state: AttemptState,
    pub amount: Money,
    pub captured: Money,
    pub quote_hash: String,
    pub livemode: bool,
    pub try_epoch: i32,
    pub session: Option<String>,
    pub payment_intent: Option<String>,
    pub url: Option<String>,
    pub session_expires_at: Timestamp,
    /// Brand and last four digits.
    pub card: Option<(String, String)>,
    /// Why the last card was declined, or why Stripe would not open the session.
    pub failure: Option<String>,
    /// Why it is frozen: nothing happens by itself until a person has decided.
    pub quarantined: Option<String>,
    /// The person has decided: it goes back.
    pub given_back_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

impl Attempt {
    /// The same question has the same key for ever, so that Stripe answers it once.
    pub(super) fn key(&self, question: &str) -> String {
        format!("{question}:{}:{}", self.id, self.try_epoch)
    }
}

#[derive(Clone, Debug)]
pub struct RefundRow {
    pub id: RefundId,
    pub booking: BookingId,
    pub attempt: AttemptId,
    pub state: RefundState,
    pub amount: Money,
    pub reason: String,
    pub try_epoch: i32,
    pub payment_intent: String,
    pub created_at: Timestamp,
    /// Otherwise somebody made it in Stripe's dashboard, and it is never asked for.
    pub is_ours: bool,
    pub stripe_id: Option<String>,
    /// Why it waits, while it does, and why it failed, in Stripe's words.
    pub pending_reason: Option<String>,
    pub failure: Option<String>,
}

/// A refund as its traveller sees it.
#[derive(Clone, Debug)]
pub struct RefundLine {
    pub id: RefundId,
    pub attempt: AttemptId,
    pub state: RefundState,
    pub amount: Money,
    /// Why it waits, while it does, and why it failed, in Stripe's words.
    pub pending_reason: Option<String>,
    pub failure: Option<String>,
    /// How a person has paid it, where Stripe could not.
    pub payout: Option<Payout>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A booking with everything about its money that the traveller may see.
#[derive(Debug)]
pub struct Standing {
    pub file: BookingFile,
    pub attempts: Vec<Attempt>,
    /// The quote that it is being, or was, cancelled by.
    pub cancellation: Option<CancelQuote>,
    /// The traveller's bank has taken the payment back, or wants to: what a cancellation gives back waits for its word.
    pub disputed: bool,
}

impl Standing {
    /// The attempt that can still be paid, if any.
    pub fn payable(&self) -> Option<&Attempt> {
        self.attempts.iter().rev().find(|attempt| attempt.state.is_payable())
    }

    /// A payment of this booking does not fit: nothing happens by itself until a person has looked.
    pub fn is_frozen(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.quarantined.is_some())
    }

    /// The attempt whose money the booking lives on.
    pub fn secured(&self) -> Option<&Attempt> {
        let secured_by = self.file.booking.secured_by?;
        self.attempts.iter().find(|attempt| attempt.id == secured_by)
    }
}

/// A standing after asking Stripe, and whether it answered.
#[derive(Debug)]
pub struct Asked {
    pub standing: Standing,
    /// The standing may be older than what the traveller has just done: a page must not say "you have not paid".
    pub stripe_is_silent: bool,
}
