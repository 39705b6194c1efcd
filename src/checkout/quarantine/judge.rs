//! What of a frozen payment fits, where its money is, and why a decision about it is not possible. Pure.

use crate::{
    bookings::Booking,
    checkout::{
        Attempt,
        truth::{Facts, mismatch},
    },
    error::Refusal,
    money::Money,
    payments::IntentStatus,
};

/// One fact as it was accepted and as Stripe has it.
#[derive(Debug)]
pub struct Compared {
    pub what: &'static str,
    pub accepted: String,
    pub stripe: Option<String>,
    pub fits: bool,
}

pub(super) fn is_ours_to_refund(attempt: &Attempt, received: Money) -> bool {
    received.currency == attempt.amount.currency && received.minor <= attempt.amount.minor
}

pub(super) fn no_accept(attempt: &Attempt, booking: &Booking, facts: &Facts) -> Option<Refusal> {
    let why = if facts.session.is_none() && facts.intent.is_none() {
        "Stripe knows nothing of it".to_owned()
    } else {
        format!("Its {} differs from what was accepted", mismatch(attempt, booking, facts)?.replace('_', " "))
    };
    Some(Refusal {
        code: "differs_still",
        title: "Stripe's facts do not fit",
        detail: format!(
            "{why}. A traveller is charged exactly what they accepted, so this cannot be accepted for them. If it is only \
             the metadata in Stripe that is wrong, mend it there and come back."
        ),
    })
}

pub(super) fn no_return(
    attempt: &Attempt,
    booking: &Booking,
    facts: &Facts,
    refunded: i64,
) -> Option<Refusal> {
    let no = |code, title, detail: String| Some(Refusal { code, title, detail });
    let intent = facts.intent.as_ref();
    let received = intent.map(|intent| Money::new(intent.received, intent.amount.currency));
    if booking.secured_by == Some(attempt.id) && !booking.state.has_ended() {
        no(
            "money_is_needed",
            "The booking lives on this payment",
            format!(
                "It is {}. Accept the payment, or cancel the booking first: then what is due goes back by itself.",
                booking.state.code()
            ),
        )
    } else if intent.is_some_and(|intent| intent.status == IntentStatus::Processing) {
        no(
            "payment_under_way",
            "The bank has not decided about it",
            "A payment that is on its way can neither be released nor refunded. Wait until it has arrived."
                .to_owned(),
        )
    } else if let Some(received) =
        received.filter(|received| received.minor > refunded && !is_ours_to_refund(attempt, *received))
    {
        no(
            "refund_at_stripe",
            "Refund it in Stripe's dashboard first",
            format!(
                "Stripe took {received}, which is more than was accepted or in another currency, so our books cannot refund \
                 it. Refund all of it there, then come back and close it here."
            ),
        )
    } else {
        None
    }
}

pub(super) fn money_in_words(facts: &Facts) -> String {
    let Some(intent) = &facts.intent else {
        return "No card was tried. Nothing was charged, and nothing is set aside.".to_owned();
    };
    match &intent.status {
        IntentStatus::RequiresCapture => {
            let amount = Money::new(intent.capturable, intent.amount.currency);
            format!("{amount} is set aside on the card. Nothing was charged.")
        }
        IntentStatus::Succeeded => {
            let amount = Money::new(intent.received, intent.amount.currency);
            format!("{amount} was taken.")
        }
        IntentStatus::Processing => "It is on its way: the bank has not decided.".to_owned(),
        IntentStatus::Canceled => "It was released. Nothing was charged.".to_owned(),
        _ => "Nothing was charged, and nothing is set aside.".to_owned(),
    }
}

pub(super) fn compared(attempt: &Attempt, booking: &Booking, facts: &Facts) -> Vec<Compared> {
    let (session, intent) = (facts.session.as_ref(), facts.intent.as_ref());
    // Of both, whichever differs is shown.
    let row = |what, accepted: String, told: [Option<String>; 2]| {
        let differs = told.iter().flatten().find(|told| **told != accepted).cloned();
        let stripe = differs.clone().or_else(|| told.into_iter().flatten().next());
        Compared { what, fits: differs.is_none() && stripe.is_some(), accepted, stripe }
    };
    let mode = |livemode: bool| if livemode { "live" } else { "test" }.to_owned();
    let short = |hash: &String| hash.chars().take(12).collect::<String>();
    vec![
        row(
            "Total",
            attempt.amount.to_string(),
            [
                intent.map(|intent| intent.amount.to_string()),
                session.and_then(|session| session.amount).map(|amount| amount.to_string()),
            ],
        ),
        row(
            "Mode",
            mode(attempt.livemode),
            [intent.map(|intent| mode(intent.livemode)), session.map(|session| mode(session.livemode))],
        ),
        row(
            "Booking",
            booking.reference.to_string(),
            [
                intent.and_then(|intent| intent.reference.clone()),
                session.and_then(|session| session.reference.clone()),
            ],
        ),
        row(
            "Quote",
            short(&attempt.quote_hash),
            [
                intent.and_then(|intent| intent.quote_hash.as_ref()).map(short),
                session.and_then(|session| session.quote_hash.as_ref()).map(short),
            ],
        ),
        row(
            "Attempt",
            attempt.id.to_string(),
            [
                intent.and_then(|intent| intent.attempt).map(|id| id.to_string()),
                session.and_then(|session| session.attempt).map(|id| id.to_string()),
            ],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bookings::lifecycle::BookingState,
        checkout::{lifecycle::AttemptState, pages::samples::standing},
        money::Currency,
    };

    #[test]
    fn only_what_fits_in_our_books_is_refunded_by_them() {
        let attempt = standing(BookingState::Held).with(AttemptState::Open).attempts.remove(0);
        let of = |minor, currency| is_ours_to_refund(&attempt, Money::new(minor, currency));
        assert!(of(attempt.amount.minor, Currency::Eur) && of(1, Currency::Eur));
        assert!(!of(attempt.amount.minor + 1, Currency::Eur) && !of(1, Currency::Usd));
    }

    #[test]
    fn a_payment_of_which_stripe_knows_nothing_is_not_accepted() {
        let standing = standing(BookingState::Held).with(AttemptState::Open);
        let refusal = no_accept(&standing.attempts[0], &standing.file.booking, &Facts::default());
        assert_eq!(refusal.map(|refusal| refusal.code), Some("differs_still"));
    }
}
