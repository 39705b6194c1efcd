//! What stops a refund by a person, and how much may go.

use super::*;
use crate::{
    checkout::{
        pages::samples::{noon, standing},
        price_lines::Item,
    },
    money::Currency,
    web::components::samples::eur,
};

/// A booking in this state and the EUR 800.00 behind it.
fn paid_for(state: BookingState) -> (Booking, Attempt) {
    let mut standing = standing(state).with(AttemptState::Captured).living_on_it();
    (standing.file.booking, standing.attempts.remove(0))
}

#[test]
fn no_more_goes_back_than_is_left_and_only_as_stripe_moves_it() {
    let (booking, _) = paid_for(BookingState::Confirmed);
    let (bhd, usd) = (|minor| Money::new(minor, Currency::Bhd), |minor| Money::new(minor, Currency::Usd));
    for (amount, left, why) in [
        (eur(1), eur(800), None),
        (eur(800), eur(800), None),
        (bhd(10), bhd(800), None),
        (eur(0), eur(800), Some("More than nothing, in EUR")),
        (eur(-1), eur(800), Some("More than nothing, in EUR")),
        (usd(1), eur(800), Some("More than nothing, in EUR")),
        (eur(801), eur(800), Some("At most EUR\u{a0}8.00 is left of this payment")),
        (bhd(15), bhd(800), Some("In BHD the last digit has to be 0: Stripe moves no smaller steps")),
    ] {
        let refused = check_amount(&booking, amount, left).err();
        assert_eq!(refused.as_ref().and_then(|errors| errors.get("amount")), why, "{amount} of {left}");
    }
}

#[test]
fn of_a_booking_that_ended_without_tickets_all_goes_back_or_nothing() {
    for &state in BookingState::ALL {
        let (mut booking, _) = paid_for(state);
        let may_go = |booking: &Booking, amount| check_amount(booking, amount, eur(800)).is_ok();
        assert!(may_go(&booking, eur(800)), "{state:?}");
        assert_eq!(may_go(&booking, eur(799)), !state.has_ended(), "{state:?}");
        booking.confirmed_at = Some(noon());
        assert!(may_go(&booking, eur(799)), "{state:?}, with tickets");
    }
}

/// Why nothing goes back of a ticket's payment, after something about it was changed.
fn hindered(
    change: impl FnOnce(&mut Booking, &mut Attempt, &mut Money, &mut store::Standing, &mut store::Busy),
) -> Option<&'static str> {
    let (mut booking, mut attempt) = paid_for(BookingState::Confirmed);
    let (mut left, mut in_ledger) = (eur(80_000), store::Standing { deposits: eur(0), is_sold: true });
    let mut busy = store::Busy { returning: false, disputed: false, refunded_elsewhere: false };
    change(&mut booking, &mut attempt, &mut left, &mut in_ledger, &mut busy);
    let all = [attempt.clone()];
    obstacle(&booking, &all, &attempt, left, &in_ledger, &busy).map(|refusal| refusal.code)
}

#[test]
fn money_goes_back_by_a_person_only_where_nobody_else_decides_about_it() {
    assert_eq!(hindered(|_, _, _, _, _| ()), None);
    assert_eq!(hindered(|_, _, left, _, _| *left = eur(1)), None);
    assert_eq!(hindered(|_, _, left, _, _| *left = eur(0)), Some("nothing_left"));
    assert_eq!(hindered(|_, _, _, _, busy| busy.disputed = true), Some("disputed"));
    assert_eq!(hindered(|_, _, _, _, busy| busy.refunded_elsewhere = true), Some("refunded_elsewhere"));
    assert_eq!(hindered(|_, _, _, _, busy| busy.returning = true), Some("returning"));
    for &state in AttemptState::ALL {
        let wanted = (state != AttemptState::Captured).then_some("not_captured");
        assert_eq!(hindered(|_, attempt, _, _, _| attempt.state = state), wanted, "{state:?}");
    }
    for &state in BookingState::ALL {
        let is_asking = matches!(state, BookingState::Ticketing | BookingState::Cancelling);
        let wanted = is_asking.then_some("in_flight");
        assert_eq!(hindered(|booking, _, _, _, _| booking.state = state), wanted, "{state:?}");
    }
}

#[test]
fn a_ticket_whose_sale_is_not_in_the_books_yet_keeps_the_payment_behind_it_and_no_other() {
    assert_eq!(hindered(|_, _, _, in_ledger, _| in_ledger.is_sold = false), Some("in_flight"));
    let besides = hindered(|booking, _, _, in_ledger, _| {
        (booking.secured_by, in_ledger.is_sold) = (Some(AttemptId::new()), false);
    });
    assert_eq!(besides, None);
    let given_up = hindered(|booking, _, _, in_ledger, _| {
        (booking.state, in_ledger.is_sold) = (BookingState::Cancelled, false);
    });
    assert_eq!(given_up, None);
}

#[test]
fn a_payment_in_quarantine_keeps_all_money_of_its_booking() {
    let (booking, attempt) = paid_for(BookingState::Confirmed);
    let frozen = Attempt { id: AttemptId::new(), quarantined: Some("amount".to_owned()), ..attempt.clone() };
    let in_ledger = store::Standing { deposits: eur(0), is_sold: true };
    let busy = store::Busy { returning: false, disputed: false, refunded_elsewhere: false };
    let all = [attempt, frozen];
    for attempt in &all {
        let refusal = obstacle(&booking, &all, attempt, eur(1), &in_ledger, &busy);
        assert_eq!(refusal.map(|refusal| refusal.code), Some("quarantined"));
    }
}

#[test]
fn the_desk_gives_lines_and_warnings_to_the_payment_behind_the_ticket_only() {
    let (booking, attempt) = paid_for(BookingState::Confirmed);
    let line = PriceLine {
        id: LineId { passenger: 1, item: Item::Fare },
        name: "Fare".to_owned(),
        amount: eur(80_000),
        left: eur(80_000),
    };
    let of = |attempt: Attempt| Refundable { attempt, left: eur(80_000), obstacle: None };
    let besides = Attempt { id: AttemptId::new(), ..attempt.clone() };
    let attempts = vec![of(attempt.clone()), of(besides.clone())];
    let mut desk = RefundDesk { booking, attempts, lines: vec![line], passengers: Vec::new() };
    let (first, second) = (desk.of(attempt.id).unwrap(), desk.of(besides.id).unwrap());
    assert_eq!((first.attempt.id, second.attempt.id), (attempt.id, besides.id));
    assert!(desk.of(AttemptId::new()).is_none());
    assert_eq!((desk.lines_of(first).len(), desk.lines_of(second).len()), (1, 0));
    assert!(desk.leaves_live_ticket(first, eur(80_000)));
    assert!(!desk.leaves_live_ticket(first, eur(79_999)), "some of it is left");
    assert!(!desk.leaves_live_ticket(second, eur(80_000)), "it bought nothing");
    assert!(!desk.only_in_full());
    desk.booking.state = BookingState::Cancelled;
    assert!(!desk.leaves_live_ticket(&desk.attempts[0], eur(80_000)), "nobody can fly any more");
    assert!(desk.only_in_full());
}

#[test]
fn a_refusal_says_that_nothing_was_refunded_and_a_line_names_what_goes_back_of_it() {
    let refusal = Refusal { code: "disputed", title: "", detail: "The bank decides.".to_owned() };
    assert_eq!(nothing_refunded(refusal).detail, "The bank decides. Nothing was refunded.");
    let part = LinePart { line: LineId { passenger: 2, item: Item::Tax(1) }, amount: eur(500) };
    let wanted = json!({ "passenger": 2, "item": "tax_1", "amount_minor": 500 });
    assert_eq!(part_as_told(&part), wanted);
}

#[test]
fn the_same_lines_in_another_order_are_the_same_refund() {
    let part =
        |passenger, minor| LinePart { line: LineId { passenger, item: Item::Fare }, amount: eur(minor) };
    assert_eq!(sorted(&[part(2, 5), part(1, 7)]), sorted(&[part(1, 7), part(2, 5)]));
    assert_ne!(sorted(&[part(1, 7), part(2, 5)]), sorted(&[part(1, 7), part(2, 6)]));
    assert_ne!(sorted(&[part(1, 7), part(2, 5)]), sorted(&[part(1, 7)]));
}

#[test]
fn every_reason_reads_back_and_fits_its_column() {
    for reason in Reason::ALL {
        assert_eq!(Reason::from_code(reason.code()), Some(reason));
        assert!(
            reason.code().len() <= 40 && reason.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        );
    }
    assert_eq!(Reason::from_code("because"), None);
    let words = Reason::ALL.map(Reason::in_words);
    assert_eq!(
        words.map(|text| text.split(' ').next().unwrap()),
        ["Goodwill", "The", "Something", "Charged", "The", "Other:"]
    );
    assert_ne!(words[1], words[4]);
}
