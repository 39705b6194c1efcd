//! What of a frozen payment fits, where its money is, and why a decision about it is not possible. Pure.

use crate::{
    bookings::Booking,
    checkout::{
        Attempt,
        facts::{Facts, mismatch},
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

/// What became of taken money before anybody decided about it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gone {
    /// Refunded in Stripe's dashboard, or on its way back.
    pub refunded: i64,
    /// A bank asks about it, or has taken it back.
    pub is_disputed: bool,
    /// In a currency that is not sold here.
    pub is_foreign: bool,
}

pub(super) fn no_accept(attempt: &Attempt, booking: &Booking, facts: &Facts, gone: Gone) -> Option<Refusal> {
    if gone.is_disputed || gone.refunded > 0 {
        let what =
            if gone.is_disputed { "A bank has its hand on it" } else { "Some of it has gone back already" };
        return Some(Refusal {
            code: "money_has_gone",
            title: "This money is not all there any more",
            detail: format!(
                "{what}. A ticket is bought with a whole payment or not at all: give back what is left of this one, and \
                 the traveller can pay anew."
            ),
        });
    }
    let why = if gone.is_foreign {
        "Its currency is not one that is sold here".to_owned()
    } else if facts.session.is_none() && facts.intent.is_none() {
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
    if booking.needs(attempt.id) {
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

pub(super) fn money_in_words(facts: &Facts, foreign: Option<&str>) -> String {
    if let Some(code) = foreign {
        return format!(
            "Stripe has it in {code}, which is not sold here, so our books cannot hold it. Release or refund all of it in \
             Stripe’s dashboard first, then give it back here: that closes it, and asks nothing more of Stripe."
        );
    }
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
        checkout::{facts::samples::fitting, lifecycle::AttemptState, pages::samples::standing},
        ids::AttemptId,
        money::Currency,
        payments::PaymentIntent,
    };

    #[test]
    fn only_what_fits_in_our_books_is_refunded_by_them() {
        let attempt = standing(BookingState::Held).with(AttemptState::Open).attempts.remove(0);
        let of = |minor, currency| is_ours_to_refund(&attempt, Money::new(minor, currency));
        assert!(of(attempt.amount.minor, Currency::Eur) && of(1, Currency::Eur));
        assert!(!of(attempt.amount.minor + 1, Currency::Eur) && !of(1, Currency::Usd));
    }

    fn the_one() -> (Attempt, Booking, Facts) {
        let mut standing = standing(BookingState::Held).with(AttemptState::Open);
        let (attempt, booking) = (standing.attempts.remove(0), standing.file.booking);
        let facts = fitting(&attempt, &booking);
        (attempt, booking, facts)
    }

    fn with(facts: &Facts, change: impl FnOnce(&mut PaymentIntent)) -> Facts {
        let mut facts = facts.clone();
        change(facts.intent.as_mut().unwrap());
        facts
    }

    #[test]
    fn only_what_fits_and_is_known_to_stripe_is_accepted() {
        let (attempt, booking, facts) = the_one();
        let refused = |facts: &Facts| {
            no_accept(&attempt, &booking, facts, Gone::default()).map(|no| (no.code, no.detail))
        };
        let Facts { session, intent } = facts.clone();
        for fits in [facts.clone(), Facts { session, intent: None }, Facts { session: None, intent }] {
            assert_eq!(refused(&fits), None);
        }
        let (code, why) = refused(&Facts::default()).unwrap();
        assert_eq!(code, "differs_still");
        assert!(why.starts_with("Stripe knows nothing of it. "), "{why}");
        let (code, why) = refused(&with(&facts, |it| it.quote_hash = Some("0".repeat(64)))).unwrap();
        assert_eq!(code, "differs_still");
        assert!(why.starts_with("Its quote hash differs from what was accepted. "), "{why}");
    }

    #[test]
    fn money_that_is_not_all_there_is_not_accepted_however_well_it_fits() {
        let (attempt, booking, facts) = the_one();
        let code = |refunded, is_disputed| {
            no_accept(&attempt, &booking, &facts, Gone { refunded, is_disputed, is_foreign: false })
                .map(|no| no.code)
        };
        assert_eq!(code(0, false), None);
        for (refunded, is_disputed) in [(1, false), (0, true), (1, true)] {
            assert_eq!(code(refunded, is_disputed), Some("money_has_gone"));
        }
    }

    #[test]
    fn money_goes_back_unless_the_booking_lives_on_it_or_it_is_not_here_or_not_ours() {
        let (attempt, booking, facts) = the_one();
        let accepted = attempt.amount.minor;
        let refused = |booking: &Booking, facts: &Facts, refunded| {
            no_return(&attempt, booking, facts, refunded).map(|no| no.code)
        };
        assert_eq!(refused(&booking, &Facts::default(), 0), None);
        for state in BookingState::ALL {
            let lives_on = Booking { state: *state, secured_by: Some(attempt.id), ..booking.clone() };
            let wanted = (!state.has_ended()).then_some("money_is_needed");
            assert_eq!(refused(&lives_on, &facts, 0), wanted, "{state:?}");
            let another = Booking { secured_by: Some(AttemptId::new()), ..lives_on };
            assert_eq!(refused(&another, &facts, 0), None, "{state:?}");
        }
        let under_way = with(&facts, |it| it.status = IntentStatus::Processing);
        assert_eq!(refused(&booking, &under_way, 0), Some("payment_under_way"));
        let taken = |received, currency| {
            with(&facts, |it| {
                (it.status, it.received) = (IntentStatus::Succeeded, received);
                it.amount = Money::new(received, currency);
            })
        };
        assert_eq!(refused(&booking, &taken(accepted, Currency::Eur), 0), None);
        for foreign in [taken(accepted + 1, Currency::Eur), taken(accepted, Currency::Usd)] {
            let received = foreign.intent.as_ref().unwrap().received;
            assert_eq!(refused(&booking, &foreign, 0), Some("refund_at_stripe"));
            assert_eq!(refused(&booking, &foreign, received - 1), Some("refund_at_stripe"));
            assert_eq!(refused(&booking, &foreign, received), None, "all of it is back");
        }
    }

    #[test]
    fn whoever_decides_reads_where_the_money_is() {
        let (.., facts) = the_one();
        let said = |status, received, capturable| {
            let facts = with(&facts, |it| {
                (it.status, it.received, it.capturable) = (status, received, capturable);
            });
            money_in_words(&facts, None)
        };
        let foreign = money_in_words(&Facts::default(), Some("SEK"));
        assert!(
            foreign.starts_with("Stripe has it in SEK") && foreign.contains("dashboard first"),
            "{foreign}"
        );
        let none = money_in_words(&Facts { intent: None, ..facts.clone() }, None);
        assert!(none.starts_with("No card was tried. Nothing was charged"), "{none}");
        let set_aside = said(IntentStatus::RequiresCapture, 0, 70_000);
        assert!(set_aside.contains("700.00") && set_aside.contains("set aside"), "{set_aside}");
        let taken = said(IntentStatus::Succeeded, 60_000, 0);
        assert!(taken.contains("600.00") && taken.ends_with("was taken."), "{taken}");
        assert!(said(IntentStatus::Processing, 0, 0).starts_with("It is on its way"));
        assert!(said(IntentStatus::Canceled, 0, 0).starts_with("It was released"));
        assert!(said(IntentStatus::RequiresPaymentMethod, 0, 0).starts_with("Nothing was charged"));
    }

    #[test]
    fn every_fact_stands_beside_what_was_accepted_and_of_both_the_one_that_differs() {
        let (attempt, booking, facts) = the_one();
        let all = |facts: &Facts| compared(&attempt, &booking, facts);
        for fits in
            [facts.clone(), Facts { session: None, ..facts.clone() }, Facts { intent: None, ..facts.clone() }]
        {
            let rows = all(&fits);
            assert_eq!(rows.len(), 5);
            assert!(
                rows.iter().all(|row| row.fits && row.stripe.as_ref() == Some(&row.accepted)),
                "{rows:?}"
            );
        }
        assert!(all(&Facts::default()).iter().all(|row| !row.fits && row.stripe.is_none()));

        let other = AttemptId::new();
        let mut askew = facts.clone();
        let session = askew.session.as_mut().unwrap();
        session.amount = Some(Money::new(1, Currency::Eur));
        session.livemode = true;
        session.reference = Some("K7WQ4N".to_owned());
        session.quote_hash = Some("0123456789abcdef".to_owned());
        session.attempt = Some(other);
        let told: Vec<_> =
            all(&askew).into_iter().map(|row| (row.what, row.fits, row.stripe.unwrap())).collect();
        let other = other.to_string();
        let cent = Money::new(1, Currency::Eur).to_string();
        let wanted = [
            ("Total", cent.as_str()),
            ("Mode", "live"),
            ("Booking", "K7WQ4N"),
            ("Quote", "0123456789ab"),
            ("Attempt", other.as_str()),
        ];
        assert_eq!(told, wanted.map(|(what, stripe)| (what, false, stripe.to_owned())));
    }
}
