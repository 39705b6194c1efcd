//! What is told in which state.

use jiff::SignedDuration;
use serde_json::json;

use super::*;
use crate::{
    checkout::{
        LetGo,
        lifecycle::{DisputeState, RefundState},
        pages::samples::{noon, standing},
    },
    web::components::samples::eur,
};

/// Every state of a booking with every state of the attempt that it has, and whether it lives on it.
fn everything() -> Vec<(String, Standing)> {
    let mut cases = Vec::new();
    for &state in BookingState::ALL {
        cases.push((format!("{} without attempt", state.code()), standing(state)));
        for &attempt in AttemptState::ALL {
            let name = format!("{} with {}", state.code(), attempt.code());
            cases.push((name.clone(), standing(state).with(attempt)));
            if matches!(attempt, AttemptState::Authorised | AttemptState::Captured | AttemptState::Released) {
                cases.push((format!("{name}, secured"), standing(state).with(attempt).living_on_it()));
            }
        }
    }
    cases
}

/// Those that the machines can reach; the others are tested to be honest all the same.
fn is_possible(standing: &Standing) -> bool {
    let booking = &standing.file.booking;
    let states: Vec<AttemptState> = standing.attempts.iter().map(|attempt| attempt.state).collect();
    match booking.state {
        BookingState::Draft => states.is_empty(),
        BookingState::Held => booking.secured_by.is_none(),
        BookingState::Ticketing | BookingState::Confirmed | BookingState::Cancelling => {
            booking.secured_by.is_some()
        }
        BookingState::Failed => booking.secured_by.is_some(),
        BookingState::Cancelled | BookingState::Expired => booking.secured_by.is_none(),
    }
}

fn told(standing: &Standing) -> String {
    let news = news(standing, noon());
    format!("[{}] {} | {}", news.badge, news.headline, news.sentence)
}

#[test]
fn the_news_of_every_state_is_as_written_down() {
    let mut cases = everything();
    cases.retain(|(_, standing)| is_possible(standing));
    let table: String =
        cases.iter().map(|(name, standing)| format!("{name}: {}\n", told(standing))).collect();
    let table = table.replace('\u{a0}', " ");
    assert_eq!(table, include_str!("news_table.txt"), "{table}");
}

#[test]
fn no_page_says_that_nothing_was_charged_while_money_is_taken() {
    for (name, standing) in everything() {
        let is_taken = standing.attempts.iter().any(|attempt| attempt.state == AttemptState::Captured);
        let text = told(&standing);
        assert!(!(is_taken && text.contains("Nothing was charged")), "{name}: {text}");
        let is_paid_for = standing.file.booking.secured_by.is_some();
        let says_paid = text.contains("Your card was charged") || text.contains("You have paid");
        assert!(!says_paid || (is_taken && is_paid_for), "{name}: {text}");
    }
}

#[test]
fn nobody_is_asked_to_pay_while_a_payment_is_on_its_way_or_being_checked() {
    for (name, mut standing) in everything() {
        let busy = |attempt: &Attempt| attempt.state == AttemptState::Processing;
        let is_open = standing.file.booking.state == BookingState::Held;
        if is_open && standing.attempts.iter().any(busy) {
            assert_eq!(news(&standing, noon()).next, Next::Wait, "{name}");
        }
        if let Some(attempt) = standing.attempts.first_mut().filter(|_| is_open) {
            attempt.quarantined = Some("amount".to_owned());
            let news = news(&standing, noon());
            assert_eq!(news.next, Next::Wait, "{name}");
            assert!(news.sentence.contains("Please do not pay again"), "{name}: {}", news.sentence);
        }
    }
}

#[test]
fn a_declined_card_is_told_with_its_reason_and_the_seats() {
    for (code, words) in [("insufficient_funds", "not enough money"), ("stolen_card", "did not say why")] {
        let mut standing = standing(BookingState::Held).with(AttemptState::Open);
        standing.attempts[0].failure = Some(code.to_owned());
        let text = told(&standing);
        assert!(text.starts_with("[Card declined] Your card was declined"), "{text}");
        assert!(text.contains(words) && text.contains("held until 12:45 Lisbon time"), "{text}");
        assert!(!text.contains("stolen"), "{text}");
    }
}

#[test]
fn what_a_bank_says_of_a_declined_card_is_told_in_words_of_ours() {
    for (codes, words) in [
        (&["expired_card"][..], "expired"),
        (&["incorrect_cvc", "invalid_cvc"], "security code"),
        (&["incorrect_number", "invalid_number"], "card number"),
        (&["invalid_expiry_month", "invalid_expiry_year"], "expiry date"),
        (&["authentication_required", "payment_intent_authentication_failure"], "make sure that it is you"),
        (&["card_velocity_exceeded", "withdrawal_count_limit_exceeded"], "limit"),
        (&["currency_not_supported"], "currency"),
        (&["processing_error", "issuer_not_available", "try_again_later"], "A moment later"),
        (&["lost_card", "stolen_card", "fraudulent", "pickup_card"], "did not say why"),
    ] {
        for code in codes {
            assert!(declined(code).contains(words), "{code}: {}", declined(code));
        }
    }
}

#[test]
fn a_second_payment_is_told_by_where_it_is() {
    use RefundState::{PaidByHand, Succeeded};
    let with = |second: fn(Standing) -> Standing| {
        let ticketed = standing(BookingState::Confirmed).with(AttemptState::Captured).living_on_it();
        told(&second(ticketed)).replace('\u{a0}', " ")
    };
    let checked = |ticketed: Standing| {
        let mut both = ticketed.with(AttemptState::Authorised);
        both.attempts[1].quarantined = Some("amount".to_owned());
        both
    };
    for (text, words) in [
        (with(|it| it.with(AttemptState::Released)), "EUR 800.00 was not needed and was released in full."),
        (
            with(|it| it.with(AttemptState::Captured).refund(Succeeded, 80_000)),
            "EUR 800.00 was not needed and was refunded in full.",
        ),
        (
            with(|it| it.with(AttemptState::Captured).refund(PaidByHand, 80_000)),
            "EUR 800.00 was not needed and was paid back to you in full.",
        ),
        (
            with(|it| it.with(AttemptState::Captured).refund(Succeeded, 700)),
            "Another payment: EUR 7.00 went back to where you paid from.",
        ),
        (with(checked), "A second payment is being looked at by a person."),
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn a_card_is_named_by_its_brand() {
    let mut attempt = standing(BookingState::Held).with(AttemptState::Open).attempts.remove(0);
    for (brand, name) in [
        ("visa", "Visa"),
        ("mastercard", "Mastercard"),
        ("amex", "American Express"),
        ("discover", "Discover"),
        ("diners", "Diners Club"),
        ("jcb", "JCB"),
        ("unionpay", "UnionPay"),
        ("eftpos_au", "Card"),
    ] {
        attempt.card = Some((brand.to_owned(), "4242".to_owned()));
        assert_eq!(card(&attempt), Some(format!("{name} ending 4242")));
    }
    attempt.card = None;
    assert_eq!(card(&attempt), None);
}

#[test]
fn seats_whose_time_is_over_are_not_called_held() {
    let sharp = news(&standing(BookingState::Held), noon() + SignedDuration::from_mins(45));
    assert!(sharp.sentence.contains("That time is over"), "{}", sharp.sentence);
    let later = noon() + SignedDuration::from_mins(46);
    let news = news(&standing(BookingState::Held), later);
    assert!(
        news.sentence.contains("were held until 12:45 Lisbon time. That time is over"),
        "{}",
        news.sentence
    );
}

#[test]
fn tickets_without_money_are_to_be_paid_until_a_time_and_only_where_that_is_wanted() {
    let unpaid = || {
        let mut standing = standing(BookingState::Confirmed).with(AttemptState::Released).living_on_it();
        standing.file.booking.pay_by = Some(noon() + SignedDuration::from_mins(30));
        standing
    };
    let told_with =
        |standing: &Standing| (news(standing, noon()).next, told(standing).replace('\u{a0}', " "));
    let (next, text) = told_with(&unpaid());
    assert_eq!(next, Next::PayAgain);
    assert!(text.starts_with("[Not paid] Your tickets are issued, but not paid"), "{text}");
    assert!(text.contains("Nothing was charged. Please pay EUR 800.00 until 12:30 Lisbon time."), "{text}");

    let mut declined = unpaid().with(AttemptState::Open);
    declined.attempts[1].failure = Some("insufficient_funds".to_owned());
    let (next, text) = told_with(&declined);
    assert!(next == Next::PayAgain && text.contains("not enough money") && text.contains("12:30"), "{text}");

    let (next, text) = told_with(&unpaid().with(AttemptState::Processing));
    assert!(next == Next::Wait && text.contains("Please do not pay again"), "{text}");
    let mut frozen = unpaid().with(AttemptState::Authorised);
    frozen.attempts[1].quarantined = Some("amount".to_owned());
    let (next, text) = told_with(&frozen);
    assert!(next == Next::Wait && text.contains("Please do not pay again"), "{text}");

    let late = news(&unpaid(), noon() + SignedDuration::from_mins(30));
    assert!(late.next == Next::Wait && late.sentence.contains("you owe nothing"), "{late:?}");
    let mut not_flown = unpaid();
    not_flown.file.booking.airline_change =
        Some(crate::supplier::AirlineChange { id: "x".to_owned(), flights: Flights::Cancelled });
    assert_eq!(news(&not_flown, noon()).next, Next::Travel, "nobody pays for flights that are not flown");
}

#[test]
fn a_second_payment_beside_a_ticket_is_told() {
    let standing = standing(BookingState::Confirmed)
        .with(AttemptState::Captured)
        .living_on_it()
        .with(AttemptState::Authorised);
    assert!(
        told(&standing).contains("A second payment of EUR\u{a0}800.00 is not needed"),
        "{}",
        told(&standing)
    );
}

/// Charged, and without tickets.
fn failed() -> Standing {
    standing(BookingState::Failed).with(AttemptState::Captured).living_on_it()
}

#[test]
fn a_refund_is_on_its_way_then_done_or_looked_after() {
    use RefundState::{Failed, PaidByHand, Pending, Submitted, Succeeded};
    assert!(told(&failed()).contains("is on its way back"));
    assert!(told(&failed().refund(Submitted, 80_000)).contains("is on its way back"));
    assert!(told(&failed().refund(Succeeded, 80_000)).contains("went back to the card"));
    assert!(told(&failed().refund(Failed, 80_000)).contains("a person looks after it"));
    let paid = told(&failed().refund(PaidByHand, 80_000));
    assert!(paid.contains("went back to you") && paid.contains("we paid another way"), "{paid}");
    let mut waits = failed().refund(Pending, 80_000);
    waits.returned[0].refunds[0].pending_reason = Some("insufficient_funds".to_owned());
    let waits = told(&waits);
    assert!(waits.contains("The bank has not taken it yet: our account at the payment service"), "{waits}");
}

#[test]
fn each_sum_is_told_by_itself_whatever_happened_last() {
    use RefundState::{Failed, Requested, Submitted, Succeeded};
    let of = |standing: &Standing| told(standing).replace('\u{a0}', " ");
    let cancelled = || {
        standing(BookingState::Cancelled)
            .with(AttemptState::Captured)
            .living_on_it()
            .cancelled_for(true, 15_000)
    };
    for (standing, says, never) in [
        // The bank took a part, and what it left did not arrive.
        (
            failed().dispute(DisputeState::Lost, 700).refund(Failed, 79_300),
            vec![
                "EUR 793.00 still comes back to you |",
                "given you back EUR 7.00 itself",
                "EUR 793.00 is still owed to you",
            ],
            "800.00",
        ),
        (
            failed().refund(Succeeded, 700).refund(Requested, 79_300),
            vec!["EUR 7.00 went back to where you paid from", "EUR 793.00 is on its way back"],
            "All of your",
        ),
        // By hand in the dashboard, and the rest by ours.
        (
            failed().refund(Succeeded, 700).refund(Succeeded, 79_300),
            vec!["All of your EUR 800.00 went back"],
            "7.00",
        ),
        // Some of it goes back another way after the quote's own refund has failed.
        (
            {
                let mut standing = cancelled().refund(Failed, 65_000).refund(Succeeded, 100);
                standing.returned[0].unpromised = eur(64_900);
                standing
            },
            vec![
                "EUR 649.00 still comes back to you |",
                "EUR 1.00 went back to where you paid from",
                "EUR 649.00 is still owed to you",
                "EUR 150.00 was kept, as you accepted.",
            ],
            "EUR 650.00",
        ),
        // Some of what was kept goes back all the same.
        (
            cancelled().refund(Succeeded, 65_000).refund(Succeeded, 100),
            vec!["EUR 651.00 went back to you |", "EUR 149.00 was kept; you had accepted EUR 150.00."],
            "owed",
        ),
        // Goodwill from before the cancellation arrives after it.
        (
            cancelled().refund(Succeeded, 2_000).refund(Submitted, 63_000),
            vec![
                "EUR 20.00 went back to where",
                "EUR 630.00 is on its way back",
                "EUR 150.00 was kept, as you",
            ],
            "EUR 650.00",
        ),
        (
            failed().dispute(DisputeState::UnderReview, 700).refund(Requested, 80_000),
            vec!["has taken EUR 7.00 of it back from us", "EUR 800.00 goes back to where you paid from"],
            "on its way back",
        ),
        // A failed one that went by another since is owed no more.
        (
            {
                let mut standing = failed().refund(Failed, 80_000).refund(Succeeded, 80_000);
                standing.returned[0].unpromised = eur(0);
                standing
            },
            vec!["All of your EUR 800.00 went back to the card"],
            "owed",
        ),
        // Before there are tickets.
        (
            standing(BookingState::Ticketing)
                .with(AttemptState::Captured)
                .living_on_it()
                .refund(Succeeded, 80_000),
            vec!["You have paid EUR 800.00. EUR 800.00 went back to where you paid from"],
            "all of it goes back",
        ),
        (
            standing(BookingState::Confirmed)
                .with(AttemptState::Captured)
                .living_on_it()
                .refund(Succeeded, 2_000),
            vec!["Your card was charged EUR 800.00 in total. EUR 20.00 went back to where you paid from"],
            "on its way",
        ),
    ] {
        let text = of(&standing);
        assert!(!text.contains(never), "{never}: {text}");
        for words in says {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}

#[test]
fn a_payment_that_did_not_fit_is_told_as_it_stood_at_stripe() {
    for (was_taken, words) in [
        (true, "[Not paid] EUR 799.00 went back to you | All of your EUR 799.00 went back to the card"),
        (
            false,
            "[Not paid] You have not paid | Nothing was charged. The EUR 799.00 that your bank had set aside was released",
        ),
    ] {
        let mut standing = standing(BookingState::Held).with(AttemptState::Released);
        standing.attempts[0].let_go = Some(LetGo { amount: eur(79_900), was_taken });
        let text = told(&standing).replace('\u{a0}', " ");
        assert!(text.contains(words), "{text}");
        // Whoever pays anew and is declined still reads it.
        let mut again = standing.with(AttemptState::Open);
        again.attempts[1].failure = Some("insufficient_funds".to_owned());
        assert_eq!(told(&again).contains("Nothing was charged"), !was_taken, "{}", told(&again));
    }
}

#[test]
fn a_cancellation_on_its_way_says_what_comes_back() {
    let asked = |charged, kept| {
        standing(BookingState::Cancelling)
            .with(AttemptState::Captured)
            .living_on_it()
            .cancelled_for(charged, kept)
    };
    assert!(told(&asked(true, 15_000)).contains("Then EUR\u{a0}650.00 is refunded to you"));
    assert!(
        told(&asked(false, 15_000))
            .contains("Then EUR\u{a0}650.00 of what your bank has set aside is released")
    );
    assert!(told(&asked(true, 80_000)).contains("no money comes back"));
}

#[test]
fn a_cancelled_ticket_tells_what_was_kept_and_where_the_rest_is() {
    let done = |attempt, charged, kept| {
        standing(BookingState::Cancelled).with(attempt).living_on_it().cancelled_for(charged, kept)
    };
    let captured = || done(AttemptState::Captured, true, 15_000);
    let mut partly = done(AttemptState::Captured, false, 15_000);
    partly.attempts[0].captured = eur(15_000);
    let mut odd = captured();
    odd.attempts[0].quarantined = Some("amount".to_owned());
    for (standing, words) in [
        (
            captured(),
            "EUR 650.00 is on its way back to where you paid from. Banks show this within 5 to 10 working days. EUR 150.00 was kept",
        ),
        (captured().refund(RefundState::Succeeded, 65_000), "[Cancelled] EUR 650.00 went back to you |"),
        (captured().refund(RefundState::Failed, 65_000), "a person looks after it"),
        (
            captured().refund(RefundState::Pending, 65_000),
            "EUR 650.00 goes back to where you paid from. The bank has not taken it yet",
        ),
        (
            captured().refund(RefundState::PaidByHand, 65_000),
            "EUR 650.00 was paid back to you. What did not arrive by card we paid another way",
        ),
        (done(AttemptState::Captured, true, 0), "You get back EUR 800.00"),
        (done(AttemptState::Captured, true, 80_000), "no money comes back"),
        (
            done(AttemptState::Authorised, false, 80_000),
            "no money comes back. The EUR 800.00 that your bank has set aside is being charged",
        ),
        (
            done(AttemptState::Released, false, 15_000),
            "EUR 800.00 that your bank had set aside was released. Banks show this within 1 to 7 days. The EUR 150.00 that you had accepted was never charged",
        ),
        (
            done(AttemptState::Authorised, false, 0),
            "EUR 800.00 that your bank has set aside is being released",
        ),
        (done(AttemptState::Released, false, 0), "EUR 800.00 that your bank had set aside was released"),
        (
            partly,
            "EUR 650.00 that your bank had set aside was released. Banks show this within 1 to 7 days. EUR 150.00 of it is charged",
        ),
        (odd, "does not fit what you accepted"),
        (captured().with(AttemptState::Released), "A second payment: The EUR 800.00"),
    ] {
        let text = told(&standing).replace('\u{a0}', " ");
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn whoever_wanted_to_cancel_reads_that_the_airline_did_not() {
    let asked = || {
        let confirmed = standing(BookingState::Confirmed).with(AttemptState::Captured).living_on_it();
        confirmed.told("cancel_accepted", json!({}))
    };
    assert!(!told(&asked()).contains("You wanted to cancel"));
    let refused = asked().told("cancel_refused", json!({}));
    assert!(told(&refused).contains("You wanted to cancel, and the airline did not"));
    assert!(!told(&refused.told("cancel_accepted", json!({}))).contains("You wanted to cancel"));
    // Nobody had asked for it: the tickets were not paid.
    let unpaid = standing(BookingState::Confirmed).with(AttemptState::Released).living_on_it();
    let unpaid = unpaid.told("unpaid", json!({})).told("cancel_refused", json!({}));
    assert!(!told(&unpaid).contains("You wanted to cancel"));
}

#[test]
fn why_the_airline_did_not_sell_is_told_for_every_reason() {
    for reason in [
        "sold_out",
        "price_up",
        "offer_gone",
        "refused",
        "authorisation_lost",
        "supplier_unavailable",
        "not_as_asked",
    ] {
        assert_ne!(not_ticketed(Some(reason)), not_ticketed(None), "{reason}");
    }
}

#[test]
fn a_journey_is_ahead_under_way_or_over() {
    let headline = |at: &str| news(&standing(BookingState::Confirmed), at.parse().unwrap()).headline;
    assert_eq!(headline("2027-03-12T10:34:00Z"), "You fly on 12 March 2027");
    assert_eq!(headline("2027-03-12T10:35:00Z"), "You are on your way");
    assert_eq!(headline("2027-03-12T18:45:00Z"), "You flew on 12 March 2027");
}
