//! What is told in which state.

use jiff::SignedDuration;
use serde_json::json;

use super::*;
use crate::checkout::pages::samples::{noon, standing};

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
        BookingState::Held => {
            booking.secured_by.is_none()
                && states != [AttemptState::Authorised]
                && states != [AttemptState::Captured]
        }
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
        let busy = |attempt: &Attempt| {
            matches!(
                attempt.state,
                AttemptState::Processing | AttemptState::Authorised | AttemptState::Captured
            )
        };
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
fn seats_whose_time_is_over_are_not_called_held() {
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

#[test]
fn a_refund_is_on_its_way_then_done_or_looked_after() {
    let failed = || standing(BookingState::Failed).with(AttemptState::Captured).living_on_it();
    assert!(told(&failed()).contains("is on its way back"));
    let done = failed().told("refund_submitted", json!({})).told("refund_succeeded", json!({}));
    assert!(told(&done).contains("went back to the card"));
    let bounced = done.told("refund_failed", json!({}));
    assert!(told(&bounced).contains("a person looks after it"));
    let paid = told(&bounced.told("refund_paid_by_hand", json!({})));
    assert!(paid.contains("went back to you") && paid.contains("we paid another way"), "{paid}");
    let waits = told(&failed().told("refund_pending", json!({ "pending_reason": "insufficient_funds" })));
    assert!(waits.contains("The bank has not taken it yet: our account at the payment service"), "{waits}");
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
    partly.attempts[0].captured = crate::web::components::samples::eur(15_000);
    let mut odd = captured();
    odd.attempts[0].quarantined = Some("amount".to_owned());
    for (standing, words) in [
        (
            captured(),
            "EUR 650.00 is on its way back to where you paid from. Banks show this within 5 to 10 days. EUR 150.00 was kept",
        ),
        (captured().told("refund_succeeded", json!({})), "[Cancelled] EUR 650.00 went back to you |"),
        (captured().told("refund_failed", json!({})), "a person looks after it"),
        (
            captured().told("refund_pending", json!({})),
            "EUR 650.00 goes back to where you paid from. The bank has not taken it yet",
        ),
        (
            captured().told("refund_failed", json!({})).told("refund_paid_by_hand", json!({})),
            "EUR 650.00 was paid back to you. What your bank did not take we paid another way",
        ),
        (done(AttemptState::Captured, true, 0), "You get back EUR 800.00"),
        (done(AttemptState::Captured, true, 80_000), "no money comes back"),
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
fn why_the_airline_did_not_sell_is_told_for_every_reason() {
    for reason in ["sold_out", "price_up", "offer_gone", "refused", "supplier_unavailable", "not_as_asked"] {
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
