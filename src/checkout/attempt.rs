//! The rows of money as values.

use jiff::Timestamp;

use crate::{
    bookings::BookingFile,
    checkout::{
        cancel::CancelQuote,
        lifecycle::{AttemptState, DisputeState, RefundState},
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
    /// It did not fit, and went back.
    pub let_go: Option<LetGo>,
    pub created_at: Timestamp,
}

/// A payment out of quarantine as it stood at Stripe when it was let go.
#[derive(Clone, Copy, Debug)]
pub struct LetGo {
    pub amount: Money,
    /// It had been charged. Otherwise it was only set aside.
    pub was_taken: bool,
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

/// What has become of an attempt's taken money, by its rows.
#[derive(Clone, Debug)]
pub struct Returned {
    pub attempt: AttemptId,
    /// Oldest first.
    pub refunds: Vec<Returning>,
    /// Those in which a bank has taken money back, or had.
    pub disputes: Vec<(DisputeState, Money)>,
    /// What the traveller is to get of it, and no refund is on its way for; told only where one has failed.
    pub unpromised: Money,
}

impl Returned {
    /// The sum of all refunds in these states, in the smallest unit.
    pub fn refunds_in(&self, states: &[RefundState]) -> i64 {
        let its = self.refunds.iter().filter(|refund| states.contains(&refund.state));
        its.map(|refund| refund.amount.minor).sum()
    }

    pub fn disputes_in(&self, counts: fn(DisputeState) -> bool) -> i64 {
        let its = self.disputes.iter().filter(|(state, _)| counts(*state));
        its.map(|(_, amount)| amount.minor).sum()
    }

    /// Why the last of those that wait does, in Stripe's words.
    pub fn waits_for(&self) -> Option<&str> {
        let waits = self.refunds.iter().rfind(|refund| refund.state == RefundState::Pending);
        waits.and_then(|refund| refund.pending_reason.as_deref())
    }
}

#[derive(Clone, Debug)]
pub struct Returning {
    pub state: RefundState,
    pub amount: Money,
    pub pending_reason: Option<String>,
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
    /// Of attempts whose money has gone back, goes back, or is to.
    pub returned: Vec<Returned>,
}

impl Standing {
    pub fn returned_of(&self, attempt: &Attempt) -> Option<&Returned> {
        self.returned.iter().find(|returned| returned.attempt == attempt.id)
    }

    /// Taken money that the booking does not need, or of which some has moved since. Most bookings have none.
    pub(super) fn may_have_returned(&self) -> bool {
        let file = &self.file;
        let has_moved = |kind: &str| kind.starts_with("refund_") || kind.starts_with("dispute_");
        let moved = file.events.iter().any(|event| has_moved(&event.kind));
        let is_taken = |attempt: &Attempt| attempt.captured.minor > 0;
        self.attempts.iter().any(|attempt| is_taken(attempt) && (moved || !file.booking.needs(attempt.id)))
    }

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        bookings::lifecycle::BookingState, checkout::pages::samples::standing, web::components::samples::eur,
    };

    #[test]
    fn a_question_to_stripe_has_a_key_of_its_own_for_each_attempt_and_each_new_try() {
        let mut attempt = standing(BookingState::Held).with(AttemptState::Open).attempts.remove(0);
        let first = attempt.key("capture");
        assert_eq!(first, format!("capture:{}:1", attempt.id));
        assert_ne!(attempt.key("release"), first);
        attempt.try_epoch = 2;
        assert_eq!(attempt.key("capture"), format!("capture:{}:2", attempt.id));
    }

    #[test]
    fn what_went_back_is_summed_by_the_state_it_is_in() {
        let back = standing(BookingState::Failed)
            .with(AttemptState::Captured)
            .refund(RefundState::Succeeded, 700)
            .refund(RefundState::Succeeded, 20)
            .refund(RefundState::Pending, 1)
            .refund(RefundState::Pending, 2)
            .refund(RefundState::Failed, 4_000)
            .dispute(DisputeState::Lost, 50_000)
            .dispute(DisputeState::Won, 600_000);
        let mut its = back.returned_of(&back.attempts[0]).unwrap().clone();
        assert_eq!(its.refunds_in(&[RefundState::Succeeded]), 720);
        assert_eq!(its.refunds_in(&[RefundState::Pending, RefundState::Failed]), 4_003);
        assert_eq!(its.disputes_in(|state| state == DisputeState::Lost), 50_000);
        assert_eq!(its.disputes_in(DisputeState::has_ended), 650_000);
        assert_eq!(its.waits_for(), None);
        // Of several that wait the last is told of, whatever came after it.
        for (refund, reason) in its.refunds.iter_mut().zip(["a", "b", "first", "last", "e"]) {
            refund.pending_reason = Some(reason.to_owned());
        }
        assert_eq!(its.waits_for(), Some("last"));
    }

    #[test]
    fn what_came_back_belongs_to_its_own_attempt() {
        let two = standing(BookingState::Failed)
            .with(AttemptState::Captured)
            .refund(RefundState::Succeeded, 700)
            .with(AttemptState::Captured);
        assert!(two.returned_of(&two.attempts[0]).is_some() && two.returned_of(&two.attempts[1]).is_none());
    }

    #[test]
    fn rows_of_returned_money_are_asked_for_wherever_there_may_be_any() {
        let paid = |state| standing(state).with(AttemptState::Captured);
        let lives = || paid(BookingState::Confirmed).living_on_it();
        assert!(!lives().may_have_returned(), "all of it buys the ticket");
        assert!(!lives().told("payment_captured", json!({})).may_have_returned());
        assert!(lives().told("refund_requested", json!({})).may_have_returned());
        assert!(lives().told("dispute_opened", json!({})).may_have_returned());
        assert!(paid(BookingState::Confirmed).may_have_returned(), "it buys nothing");
        assert!(paid(BookingState::Cancelled).living_on_it().may_have_returned(), "the booking has ended");
        let none = standing(BookingState::Expired).with(AttemptState::Released);
        assert!(!none.told("refund_requested", json!({})).may_have_returned(), "nothing was taken");
        let mut cent = lives().told("refund_requested", json!({}));
        cent.attempts[0].captured = eur(1);
        assert!(cent.may_have_returned());
    }

    #[test]
    fn of_several_attempts_the_last_that_is_open_is_paid_and_the_one_it_lives_on_secures() {
        let standing = standing(BookingState::Held)
            .with(AttemptState::Open)
            .with(AttemptState::Processing)
            .living_on_it()
            .with(AttemptState::Expired);
        assert_eq!(standing.payable().map(|attempt| attempt.state), Some(AttemptState::Processing));
        assert_eq!(standing.secured().map(|attempt| attempt.state), Some(AttemptState::Processing));
        assert!(!standing.is_frozen());
        let mut frozen = standing;
        frozen.attempts[2].quarantined = Some("amount".to_owned());
        assert!(frozen.is_frozen());
        frozen.file.booking.secured_by = None;
        assert!(frozen.secured().is_none());
    }
}
