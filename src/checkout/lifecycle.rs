//! The attempt and refund machines. Pure, and monotone: an older fact that arrives later moves nothing back.

use crate::bookings::lifecycle::{Step, states};

states! {
    /// One CheckoutSession of a booking.
    AttemptState {
        Creating => "creating",
        CreateUnknown => "create_unknown",
        Open => "open",
        Processing => "processing",
        Authorised => "authorised",
        Captured => "captured",
        Failed => "failed",
        Expired => "expired",
        Released => "released",
        Superseded => "superseded",
    }
}

impl AttemptState {
    /// Stripe may still tell news of it.
    pub const fn is_live(self) -> bool {
        matches!(
            self,
            Self::Creating | Self::CreateUnknown | Self::Open | Self::Processing | Self::Authorised
        )
    }

    /// The traveller may still be paying.
    pub const fn is_payable(self) -> bool {
        matches!(self, Self::Creating | Self::CreateUnknown | Self::Open | Self::Processing)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptEvent {
    /// The session can be paid.
    SessionOpen,
    /// Stripe did not answer the request to create it: the same request again will tell.
    NoAnswer,
    /// Stripe will not create it.
    CreationRefused,
    /// A slow method is on its way.
    Processing,
    /// The amount is set aside on the card.
    Authorised,
    /// The amount is taken.
    Captured,
    /// A slow method came to nothing.
    PaymentFailed,
    /// The authorisation is gone: released by us, by the bank or by time.
    Canceled,
    /// Nobody can pay this session any more.
    SessionExpired,
    /// We expired it to make room for a newer attempt.
    Replaced,
}

impl AttemptEvent {
    pub const ALL: &[Self] = &[
        Self::SessionOpen,
        Self::NoAnswer,
        Self::CreationRefused,
        Self::Processing,
        Self::Authorised,
        Self::Captured,
        Self::PaymentFailed,
        Self::Canceled,
        Self::SessionExpired,
        Self::Replaced,
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptEffect {
    /// Tell the booking that its money is there.
    SecureBooking,
    /// Write the taken amount to the ledger.
    PostCapture,
    /// The ticket stands, but the authorisation behind it is gone.
    AuthorisationLost,
}

pub type AttemptStep = Step<AttemptState, AttemptEffect>;

pub fn next_attempt(state: AttemptState, event: AttemptEvent) -> AttemptStep {
    use AttemptEffect as Do;
    use AttemptEvent as On;
    use AttemptState as In;
    let go = |to, effects: &[Do]| Step::Move { to, effects: effects.to_vec() };
    match (state, event) {
        (In::Creating | In::CreateUnknown | In::Processing, On::SessionOpen) => go(In::Open, &[]),
        (In::Creating, On::NoAnswer) => go(In::CreateUnknown, &[]),
        (In::Creating | In::CreateUnknown, On::CreationRefused) => go(In::Failed, &[]),
        (In::Creating | In::CreateUnknown | In::Open, On::Processing) => go(In::Processing, &[]),
        // Whether or not we ever heard that it was on its way: the session is complete, so nobody can pay it again.
        (In::Creating | In::CreateUnknown | In::Open | In::Processing, On::PaymentFailed) => go(In::Failed, &[]),
        (In::Creating | In::CreateUnknown | In::Open | In::Processing, On::SessionExpired) => {
            go(In::Expired, &[])
        }
        (In::Creating | In::CreateUnknown, On::Replaced) => go(In::Superseded, &[]),

        // Money is money, even on an attempt that we had given up.
        (
            In::Creating | In::CreateUnknown | In::Open | In::Processing | In::Expired | In::Superseded,
            On::Authorised,
        ) => go(In::Authorised, &[Do::SecureBooking]),
        (
            In::Creating | In::CreateUnknown | In::Open | In::Processing | In::Expired | In::Superseded,
            On::Captured,
        ) => go(In::Captured, &[Do::PostCapture, Do::SecureBooking]),
        (In::Authorised, On::Captured) => go(In::Captured, &[Do::PostCapture]),

        (In::Authorised, On::Canceled) => go(In::Released, &[Do::AuthorisationLost]),
        (
            In::Creating | In::CreateUnknown | In::Open | In::Processing | In::Expired | In::Superseded,
            On::Canceled,
        ) => go(In::Released, &[]),

        // These cannot both be true of one PaymentIntent. (An authorisation heard of after its release is merely old.)
        (In::Released, On::Captured) | (In::Failed, On::Authorised | On::Captured) | (In::Captured, On::Canceled) => {
            Step::Illegal
        }

        (In::Processing, On::Processing | On::Replaced | On::NoAnswer | On::CreationRefused)
        | (In::CreateUnknown, On::NoAnswer)
        // Somebody else's answer came first: it can be paid, so it is not replaced.
        | (In::Open, On::SessionOpen | On::NoAnswer | On::CreationRefused | On::Replaced)
        | (
            In::Authorised | In::Captured | In::Failed | In::Expired | In::Released | In::Superseded,
            On::SessionOpen
            | On::NoAnswer
            | On::CreationRefused
            | On::Processing
            | On::PaymentFailed
            | On::SessionExpired
            | On::Replaced,
        )
        | (In::Authorised, On::Authorised)
        | (In::Captured, On::Authorised | On::Captured)
        | (In::Released, On::Authorised)
        | (In::Failed | In::Released, On::Canceled) => Step::Replay,
    }
}

states! {
    RefundState {
        Requested => "requested",
        Submitted => "submitted",
        SubmitUnknown => "submit_unknown",
        Pending => "pending",
        Succeeded => "succeeded",
        Failed => "failed",
        /// It failed, and a person has paid it another way.
        PaidByHand => "paid_by_hand",
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefundEvent {
    Accepted,
    NoAnswer,
    Pending,
    Succeeded,
    Failed,
    /// A person has paid it, past Stripe.
    PaidByHand,
}

impl RefundEvent {
    pub const ALL: &[Self] =
        &[Self::Accepted, Self::NoAnswer, Self::Pending, Self::Succeeded, Self::Failed, Self::PaidByHand];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefundEffect {
    /// The money has left our balance.
    PostPaid,
    /// It came back: the debt to the traveller stands again.
    PostReturned,
    /// It never left: nothing was paid, a person must find another way.
    RaiseFailed,
    /// The debt is paid, out of the agency's own pocket.
    PostPaidByHand,
}

pub type RefundStep = Step<RefundState, RefundEffect>;

pub fn next_refund(state: RefundState, event: RefundEvent) -> RefundStep {
    use RefundEffect as Do;
    use RefundEvent as On;
    use RefundState as In;
    let go = |to, effects: &[Do]| Step::Move { to, effects: effects.to_vec() };
    match (state, event) {
        (In::Requested | In::SubmitUnknown, On::Accepted) => go(In::Submitted, &[]),
        (In::Requested, On::NoAnswer) => go(In::SubmitUnknown, &[]),
        (In::Requested | In::SubmitUnknown | In::Submitted, On::Pending) => go(In::Pending, &[]),
        (In::Requested | In::SubmitUnknown | In::Submitted | In::Pending, On::Succeeded) => {
            go(In::Succeeded, &[Do::PostPaid])
        }
        (In::Requested | In::SubmitUnknown | In::Submitted | In::Pending, On::Failed) => {
            go(In::Failed, &[Do::RaiseFailed])
        }
        // Banks send money back days after Stripe had called it done.
        (In::Succeeded, On::Failed) => go(In::Failed, &[Do::PostReturned, Do::RaiseFailed]),
        (In::Failed, On::PaidByHand) => go(In::PaidByHand, &[Do::PostPaidByHand]),
        // Stripe has paid it, or still may: by hand it would be paid twice.
        (In::Requested | In::SubmitUnknown | In::Submitted | In::Pending | In::Succeeded, On::PaidByHand) => {
            Step::Illegal
        }
        (In::Submitted | In::Pending | In::Succeeded | In::Failed | In::PaidByHand, _)
        | (In::SubmitUnknown, On::NoAnswer) => Step::Replay,
    }
}

states! {
    DisputeState {
        NeedsResponse => "needs_response",
        UnderReview => "under_review",
        Won => "won",
        Lost => "lost",
    }
}

impl DisputeState {
    /// The bank has decided.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Won | Self::Lost)
    }
}

/// Stripe's word on a dispute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DisputeEvent {
    NeedsResponse,
    UnderReview,
    Won,
    Lost,
}

impl DisputeEvent {
    pub const ALL: &[Self] = &[Self::NeedsResponse, Self::UnderReview, Self::Won, Self::Lost];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DisputeEffect {
    /// What the bank had taken back is ours again.
    PostWon,
    /// It stays with the traveller.
    PostLost,
}

pub type DisputeStep = Step<DisputeState, DisputeEffect>;

pub fn next_dispute(state: DisputeState, event: DisputeEvent) -> DisputeStep {
    use DisputeEffect as Do;
    use DisputeEvent as On;
    use DisputeState as In;
    let go = |to, effects: &[Do]| Step::Move { to, effects: effects.to_vec() };
    match (state, event) {
        (In::NeedsResponse, On::UnderReview) => go(In::UnderReview, &[]),
        (In::NeedsResponse | In::UnderReview, On::Won) => go(In::Won, &[Do::PostWon]),
        (In::NeedsResponse | In::UnderReview, On::Lost) => go(In::Lost, &[Do::PostLost]),
        (In::NeedsResponse | In::UnderReview | In::Won | In::Lost, On::NeedsResponse)
        | (In::UnderReview | In::Won | In::Lost, On::UnderReview)
        | (In::Won, On::Won)
        | (In::Lost, On::Lost) => Step::Replay,
        // A bank decides once.
        (In::Won, On::Lost) | (In::Lost, On::Won) => Step::Illegal,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bookings::lifecycle::tests::table;

    #[test]
    fn the_whole_attempt_table_is_as_written_down() {
        let table = table(AttemptState::ALL, AttemptEvent::ALL, next_attempt);
        assert_eq!(table, include_str!("attempt_table.txt"), "{table}");
    }

    #[test]
    fn the_whole_refund_table_is_as_written_down() {
        let table = table(RefundState::ALL, RefundEvent::ALL, next_refund);
        assert_eq!(table, include_str!("refund_table.txt"), "{table}");
    }

    #[test]
    fn the_whole_dispute_table_is_as_written_down() {
        let table = table(DisputeState::ALL, DisputeEvent::ALL, next_dispute);
        assert_eq!(table, include_str!("dispute_table.txt"), "{table}");
    }

    proptest! {
        #[test]
        fn whatever_is_heard_of_a_dispute_in_whatever_order_it_is_decided_at_most_once(
            events in prop::collection::vec(prop::sample::select(DisputeEvent::ALL), 0..30)
        ) {
            let (mut state, mut posted) = (DisputeState::NeedsResponse, Vec::new());
            for event in events {
                if let Step::Move { to, effects } = next_dispute(state, event) {
                    state = to;
                    posted.extend(effects);
                }
            }
            let expected: &[DisputeEffect] = match state {
                DisputeState::Won => &[DisputeEffect::PostWon],
                DisputeState::Lost => &[DisputeEffect::PostLost],
                _ => &[],
            };
            prop_assert_eq!(posted, expected);
        }

        #[test]
        fn whatever_arrives_in_whatever_order_money_is_posted_and_secured_at_most_once(
            events in prop::collection::vec(prop::sample::select(AttemptEvent::ALL), 0..40)
        ) {
            let mut state = AttemptState::Creating;
            let (mut secured, mut posted) = (0, 0);
            for event in events {
                if let Step::Move { to, effects } = next_attempt(state, event) {
                    state = to;
                    secured += effects.iter().filter(|e| **e == AttemptEffect::SecureBooking).count();
                    posted += effects.iter().filter(|e| **e == AttemptEffect::PostCapture).count();
                }
            }
            prop_assert!(secured <= 1 && posted <= 1);
            prop_assert_eq!(state == AttemptState::Captured, posted == 1);
        }

        #[test]
        fn a_fact_heard_twice_changes_nothing_the_second_time(
            events in prop::collection::vec(prop::sample::select(AttemptEvent::ALL), 1..20)
        ) {
            let mut state = AttemptState::Creating;
            for event in events {
                if let Step::Move { to, .. } = next_attempt(state, event) {
                    state = to;
                }
                let again = next_attempt(state, event);
                let moved = matches!(again, Step::Move { .. });
                prop_assert!(!moved, "{:?} again: {:?}", event, again);
            }
        }
    }

    #[test]
    fn what_may_still_be_paid_what_is_asked_about_and_what_a_bank_has_decided() {
        let attempts = |is: fn(AttemptState) -> bool| -> Vec<&str> {
            AttemptState::ALL.iter().filter(|&&state| is(state)).map(|state| state.code()).collect()
        };
        assert_eq!(attempts(AttemptState::is_payable), ["creating", "create_unknown", "open", "processing"]);
        let live = ["creating", "create_unknown", "open", "processing", "authorised"];
        assert_eq!(attempts(AttemptState::is_live), live);
        let decided: Vec<&str> =
            DisputeState::ALL.iter().filter(|state| state.has_ended()).map(|state| state.code()).collect();
        assert_eq!(decided, ["won", "lost"]);
    }
}
