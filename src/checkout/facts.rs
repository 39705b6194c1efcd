//! What Stripe says of an attempt, how it reads, and whether it is about this attempt's money at all. Pure.

use crate::{
    bookings::{Booking, lifecycle::BookingState},
    checkout::{Attempt, lifecycle::AttemptEvent},
    payments::{IntentStatus, PaymentIntent, Session, SessionStatus},
};

/// What Stripe says of an attempt at this moment.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub session: Option<Session>,
    pub intent: Option<PaymentIntent>,
}

impl From<Session> for Facts {
    fn from(mut session: Session) -> Self {
        let intent = session.payment_intent.take();
        Self { session: Some(session), intent }
    }
}

impl From<PaymentIntent> for Facts {
    fn from(intent: PaymentIntent) -> Self {
        Self { session: None, intent: Some(intent) }
    }
}

/// How the facts read. The PaymentIntent decides: under manual capture a complete session still says "unpaid".
pub fn reading(facts: &Facts) -> Option<AttemptEvent> {
    let session = facts.session.as_ref().map(|session| &session.status);
    let by_session = |session: Option<&SessionStatus>| match session {
        Some(SessionStatus::Open) => Some(AttemptEvent::SessionOpen),
        Some(SessionStatus::Expired) => Some(AttemptEvent::SessionExpired),
        // Complete, and its intent wants another payment method: a slow method came to nothing.
        Some(SessionStatus::Complete) if facts.intent.is_some() => Some(AttemptEvent::PaymentFailed),
        Some(SessionStatus::Complete | SessionStatus::Unknown(_)) | None => None,
    };
    match facts.intent.as_ref().map(|intent| &intent.status) {
        Some(IntentStatus::RequiresCapture) => Some(AttemptEvent::Authorised),
        Some(IntentStatus::Succeeded) => Some(AttemptEvent::Captured),
        Some(IntentStatus::Processing) => Some(AttemptEvent::Processing),
        Some(IntentStatus::Canceled) if session == Some(&SessionStatus::Expired) => {
            Some(AttemptEvent::SessionExpired)
        }
        Some(IntentStatus::Canceled) => Some(AttemptEvent::Canceled),
        // A voucher or a transfer that is still to be paid.
        Some(IntentStatus::RequiresConfirmation | IntentStatus::RequiresAction)
            if session == Some(&SessionStatus::Complete) =>
        {
            Some(AttemptEvent::Processing)
        }
        Some(
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction,
        )
        | None => by_session(session),
        Some(IntentStatus::Unknown(_)) => None,
    }
}

/// Why the facts are not about this attempt's money, if so.
pub fn mismatch(attempt: &Attempt, booking: &Booking, facts: &Facts) -> Option<&'static str> {
    let session = facts.session.as_ref();
    let intent = facts.intent.as_ref();
    let livemodes = session.map(|s| s.livemode).into_iter().chain(intent.map(|i| i.livemode));
    let amounts = session.map(|s| s.amount).into_iter().chain(intent.map(|i| Some(i.amount)));
    let attempts = session.map(|s| s.attempt).into_iter().chain(intent.map(|i| i.attempt));
    let hashes = session.map(|s| &s.quote_hash).into_iter().chain(intent.map(|i| &i.quote_hash));
    let references = session.map(|s| &s.reference).into_iter().chain(intent.map(|i| &i.reference));

    if livemodes.into_iter().any(|livemode| livemode != attempt.livemode) {
        Some("livemode")
    } else if attempts.into_iter().any(|named| named != Some(attempt.id)) {
        Some("attempt")
    } else if references.into_iter().any(|named| named.as_deref() != Some(booking.reference.as_str())) {
        Some("reference")
    } else if hashes.into_iter().any(|named| named.as_ref() != Some(&attempt.quote_hash)) {
        Some("quote_hash")
    } else if amounts.clone().flatten().any(|amount| amount.currency != attempt.amount.currency) {
        Some("currency")
    } else if amounts.into_iter().any(|amount| amount != Some(attempt.amount))
        || intent.is_some_and(|intent| is_other_than_accepted(intent, attempt, booking))
    {
        Some("amount")
    } else {
        None
    }
}

/// Never a cent more. Less is right where it is what a cancelled booking keeps, or goes back anyway; it buys nothing.
fn is_other_than_accepted(intent: &PaymentIntent, attempt: &Attempt, booking: &Booking) -> bool {
    use BookingState::{Draft, Expired, Held, Ticketing};
    let is_to_buy = booking.pay_by.is_some() || matches!(booking.state, Draft | Held | Ticketing | Expired);
    let is_short = intent.status == IntentStatus::Succeeded && intent.received < attempt.amount.minor;
    intent.received > attempt.amount.minor || (is_to_buy && is_short)
}

#[cfg(test)]
pub mod samples {
    //! What Stripe says of an attempt whose facts all fit.

    use jiff::Timestamp;

    use super::Facts;
    use crate::{
        bookings::Booking,
        checkout::Attempt,
        payments::{IntentStatus, PaymentIntent, Session, SessionStatus},
    };

    pub fn fitting(attempt: &Attempt, booking: &Booking) -> Facts {
        let session = Session {
            id: "cs_1".to_owned(),
            url: None,
            status: SessionStatus::Complete,
            attempt: Some(attempt.id),
            amount: Some(attempt.amount),
            livemode: attempt.livemode,
            expires_at: Timestamp::UNIX_EPOCH,
            quote_hash: Some(attempt.quote_hash.clone()),
            reference: Some(booking.reference.to_string()),
            payment_intent: None,
        };
        let intent = PaymentIntent {
            id: "pi_1".to_owned(),
            status: IntentStatus::RequiresCapture,
            amount: attempt.amount,
            capturable: attempt.amount.minor,
            received: 0,
            livemode: attempt.livemode,
            attempt: Some(attempt.id),
            quote_hash: Some(attempt.quote_hash.clone()),
            reference: Some(booking.reference.to_string()),
            last_error: None,
            card: None,
        };
        Facts { session: Some(session), intent: Some(intent) }
    }
}

#[cfg(test)]
mod tests {
    use super::{samples::fitting, *};
    use crate::{
        bookings::lifecycle::BookingState,
        checkout::{lifecycle::AttemptState, pages::samples::standing},
        ids::AttemptId,
        money::{Currency, Money},
    };

    fn the_one() -> (Attempt, Booking, Facts) {
        let mut standing = standing(BookingState::Held).with(AttemptState::Open);
        let (attempt, booking) = (standing.attempts.remove(0), standing.file.booking);
        let facts = fitting(&attempt, &booking);
        (attempt, booking, facts)
    }

    #[test]
    fn facts_of_this_attempt_fit_whoever_of_the_two_tells_them() {
        let (attempt, booking, facts) = the_one();
        let Facts { session, intent } = facts.clone();
        for facts in
            [facts, Facts { session, intent: None }, Facts { session: None, intent }, Facts::default()]
        {
            assert_eq!(mismatch(&attempt, &booking, &facts), None, "{facts:?}");
        }
    }

    #[test]
    fn whatever_differs_in_either_of_the_two_is_named() {
        let (attempt, booking, facts) = the_one();
        let (more, dollars) = (
            Money::new(attempt.amount.minor + 1, Currency::Eur),
            Money::new(attempt.amount.minor, Currency::Usd),
        );
        let other = AttemptId::new();
        let session = |change: &dyn Fn(&mut Session)| {
            let mut facts = facts.clone();
            change(facts.session.as_mut().unwrap());
            mismatch(&attempt, &booking, &facts)
        };
        let intent = |change: &dyn Fn(&mut PaymentIntent)| {
            let mut facts = facts.clone();
            change(facts.intent.as_mut().unwrap());
            mismatch(&attempt, &booking, &facts)
        };
        for named in [Some(other), None] {
            assert_eq!(session(&|it| it.attempt = named), Some("attempt"));
            assert_eq!(intent(&|it| it.attempt = named), Some("attempt"));
        }
        assert_eq!(session(&|it| it.livemode = true), Some("livemode"));
        assert_eq!(intent(&|it| it.livemode = true), Some("livemode"));
        assert_eq!(session(&|it| it.reference = Some("K7WQ4N".to_owned())), Some("reference"));
        assert_eq!(intent(&|it| it.reference = Some("K7WQ4N".to_owned())), Some("reference"));
        assert_eq!(session(&|it| it.quote_hash = Some("0".repeat(64))), Some("quote_hash"));
        assert_eq!(intent(&|it| it.quote_hash = Some("0".repeat(64))), Some("quote_hash"));
        assert_eq!(session(&|it| it.amount = Some(dollars)), Some("currency"));
        assert_eq!(intent(&|it| it.amount = dollars), Some("currency"));
        assert_eq!(session(&|it| it.amount = Some(more)), Some("amount"));
        assert_eq!(intent(&|it| it.amount = more), Some("amount"));
        // All of it was sent along by us: what Stripe does not say any more, somebody has taken out.
        assert_eq!(session(&|it| it.reference = None), Some("reference"));
        assert_eq!(intent(&|it| it.reference = None), Some("reference"));
        assert_eq!(session(&|it| it.quote_hash = None), Some("quote_hash"));
        assert_eq!(intent(&|it| it.quote_hash = None), Some("quote_hash"));
        assert_eq!(session(&|it| it.amount = None), Some("amount"));
    }

    #[test]
    fn a_ticket_is_bought_with_all_that_was_accepted_and_only_what_is_cancelled_keeps_a_part() {
        let (attempt, booking, facts) = the_one();
        let accepted = attempt.amount.minor;
        let taken = |booking: &Booking| {
            [1, accepted - 1, accepted, accepted + 1].map(|received| {
                let mut facts = facts.clone();
                let intent = facts.intent.as_mut().unwrap();
                (intent.status, intent.received) = (IntentStatus::Succeeded, received);
                mismatch(&attempt, booking, &facts).is_some()
            })
        };
        let of = |state| Booking { state, ..booking.clone() };
        for state in [BookingState::Draft, BookingState::Held, BookingState::Ticketing, BookingState::Expired]
        {
            assert_eq!(taken(&of(state)), [true, true, false, true], "{state:?}");
        }
        for state in
            [BookingState::Confirmed, BookingState::Cancelling, BookingState::Cancelled, BookingState::Failed]
        {
            assert_eq!(taken(&of(state)), [false, false, false, true], "{state:?}");
        }
        // Tickets that are to be paid again.
        let unpaid = Booking { pay_by: Some(jiff::Timestamp::UNIX_EPOCH), ..of(BookingState::Confirmed) };
        assert_eq!(taken(&unpaid), [true, true, false, true]);
    }

    #[test]
    fn the_intent_decides_and_the_session_speaks_where_it_says_nothing() {
        use AttemptEvent as Is;
        use IntentStatus as Intent;
        use SessionStatus as Page;
        let (_, _, fitting) = the_one();
        let read = |page: Option<Page>, intent: Option<Intent>| {
            let mut facts = fitting.clone();
            facts.session = facts.session.zip(page).map(|(session, status)| Session { status, ..session });
            facts.intent =
                facts.intent.zip(intent).map(|(intent, status)| PaymentIntent { status, ..intent });
            reading(&facts)
        };
        let pages = [
            None,
            Some(Page::Open),
            Some(Page::Complete),
            Some(Page::Expired),
            Some(Page::Unknown("x".to_owned())),
        ];
        let row = |intent: Option<Intent>| pages.clone().map(|page| read(page, intent.clone()));
        // No page; open, complete, expired; one that is new to us.
        let silent = [None, Some(Is::SessionOpen), None, Some(Is::SessionExpired), None];
        let wanting = [None, Some(Is::SessionOpen), Some(Is::PaymentFailed), Some(Is::SessionExpired), None];
        let voucher = [None, Some(Is::SessionOpen), Some(Is::Processing), Some(Is::SessionExpired), None];
        let canceled = [
            Some(Is::Canceled),
            Some(Is::Canceled),
            Some(Is::Canceled),
            Some(Is::SessionExpired),
            Some(Is::Canceled),
        ];
        for (intent, wanted) in [
            (None, silent),
            (Some(Intent::RequiresPaymentMethod), wanting),
            (Some(Intent::RequiresConfirmation), voucher),
            (Some(Intent::RequiresAction), voucher),
            (Some(Intent::Processing), [Some(Is::Processing); 5]),
            (Some(Intent::RequiresCapture), [Some(Is::Authorised); 5]),
            (Some(Intent::Succeeded), [Some(Is::Captured); 5]),
            (Some(Intent::Canceled), canceled),
            (Some(Intent::Unknown("x".to_owned())), [None; 5]),
        ] {
            assert_eq!(row(intent.clone()), wanted, "{intent:?}");
        }
    }

    #[test]
    fn a_session_brings_its_intent_along() {
        let (_, _, Facts { session, intent }) = the_one();
        let (session, intent) = (session.unwrap(), intent.unwrap());
        let told = Facts::from(Session { payment_intent: Some(intent.clone()), ..session.clone() });
        assert_eq!((told.session, told.intent), (Some(session), Some(intent.clone())));
        let told = Facts::from(intent.clone());
        assert_eq!((told.session, told.intent), (None, Some(intent)));
    }
}
