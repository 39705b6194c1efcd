//! Where every cent is told to be.

use proptest::prelude::*;

use super::*;
use crate::{
    bookings::lifecycle::BookingState, checkout::pages::samples::standing, money::Currency,
    web::components::samples::eur,
};

/// EUR 800.00 taken, and refunds in every state and a lost and a won dispute: each sum a bit of its own.
fn everywhere() -> Standing {
    let states = [
        RefundState::Succeeded,
        RefundState::PaidByHand,
        RefundState::Requested,
        RefundState::SubmitUnknown,
        RefundState::Submitted,
        RefundState::Pending,
        RefundState::Failed,
    ];
    let taken = standing(BookingState::Confirmed).with(AttemptState::Captured).living_on_it();
    let bits = states.into_iter().zip((0..).map(|place| 1 << place));
    bits.fold(taken, |taken, (state, bit)| taken.refund(state, bit))
        .dispute(DisputeState::Lost, 128)
        .dispute(DisputeState::Won, 256)
}

fn back(standing: &Standing) -> Vec<MoneyIs> {
    Whereabouts::back_of(standing, &standing.attempts[0]).parts
}

#[test]
fn of_a_payment_that_buys_a_ticket_only_what_was_given_back_is_elsewhere() {
    use MoneyIs::{PaidByHand, RefundFailed, Refunded, Refunding, ReturnedByBank, Waiting};
    let mut given = everywhere();
    let parts = [
        Refunded(eur(1)),
        PaidByHand(eur(2)),
        ReturnedByBank(eur(128)),
        Refunding(eur(4 + 8 + 16)),
        Waiting(eur(32), Waits::ForTheBank),
        RefundFailed(eur(64)),
    ];
    assert_eq!(back(&given), parts);
    let left = Whereabouts::back_of(&given, &given.attempts[0]).left_of(eur(80_000));
    assert_eq!(left, eur(80_000 - 255));
    // Some of what failed has gone by another refund since.
    given.returned[0].unpromised = eur(10);
    assert_eq!(back(&given).last(), Some(&RefundFailed(eur(10))));
    assert_eq!(back(&standing(BookingState::Confirmed).with(AttemptState::Captured)), []);
}

#[test]
fn of_a_payment_that_buys_nothing_the_rest_goes_back_too() {
    let failed = everywhere();
    let all = Whereabouts::altogether(&failed);
    assert!(all.parts.contains(&MoneyIs::Refunding(eur(80_000 - 1 - 2 - 128 - 32 - 64))), "{all:?}");
    assert_eq!(all.left_of(eur(80_000)), eur(0));
    assert_eq!(all.left_of(eur(70_000)), eur(0), "never less than nothing");
    assert_eq!(all.left_of(eur(80_001)), eur(1));
    assert!(!all.is_settled() && !all.is_let_go() && !all.is_disputed());
    assert_eq!(all.headline().replace('\u{a0}', " "), "EUR 798.69 still comes back to you");
}

#[test]
fn while_a_bank_decides_only_what_stripe_has_made_already_is_on_its_way() {
    use MoneyIs::{Disputed, Refunding};
    let disputed = everywhere().dispute(DisputeState::UnderReview, 512);
    let of = |parts: Vec<MoneyIs>| parts.into_iter().filter(|part| part.rank() == 5 || part.rank() >= 8);
    let ticket = of(back(&disputed)).collect::<Vec<_>>();
    assert_eq!(ticket, [Refunding(eur(16)), Disputed(Some(eur(512)), eur(4 + 8 + 64))]);
    let left = Whereabouts::back_of(&disputed, &disputed.attempts[0]).left_of(eur(80_000));
    assert_eq!(left, eur(80_000 - 255), "as without the bank");
    let nothing = Whereabouts::altogether(&disputed);
    assert!(nothing.is_disputed());
    let waits = 80_000 - 1 - 2 - 128 - 16 - 32;
    assert_eq!(nothing.parts.last(), Some(&Disputed(Some(eur(512)), eur(waits))));
    // All of it, of which nothing was promised: that it is all is not said as a sum.
    let whole = standing(BookingState::Confirmed)
        .with(AttemptState::Captured)
        .living_on_it()
        .dispute(DisputeState::NeedsResponse, 80_000);
    assert_eq!(back(&whole), [Disputed(None, eur(0))]);
    let told = Whereabouts::back_of(&whole, &whole.attempts[0]).told();
    assert!(told.contains("has taken it back from us") && !told.contains("If the issuer"), "{told}");
}

#[test]
fn several_payments_in_one_place_are_one_sum_and_of_another_currency_another() {
    let two = || standing(BookingState::Held).with(AttemptState::Released).with(AttemptState::Released);
    let money = Whereabouts::altogether(&two());
    assert_eq!(money.parts, [MoneyIs::Released(eur(160_000))]);
    assert_eq!(money.single(), None, "it is of two payments");
    assert!(money.is_settled() && money.is_let_go() && !money.is_empty());
    assert!(money.told().starts_with("Nothing was charged. The EUR\u{a0}1,600.00 that"), "{}", money.told());
    let mut foreign = two();
    foreign.attempts[1].amount = Money::new(500, Currency::Usd);
    assert_eq!(Whereabouts::altogether(&foreign).parts.len(), 2);
    let one = standing(BookingState::Held).with(AttemptState::Released).with(AttemptState::Open);
    assert_eq!(Whereabouts::altogether(&one).single(), Some(MoneyIs::Released(eur(80_000))));
    assert_eq!(Whereabouts::altogether(&standing(BookingState::Held)).single(), None);
}

#[test]
fn what_is_told_beside_a_booking_leaves_out_its_own_payment_or_those_that_are_still_open() {
    let three = standing(BookingState::Confirmed)
        .with(AttemptState::Captured)
        .living_on_it()
        .with(AttemptState::Processing)
        .with(AttemptState::Released);
    let ranks = |money: Whereabouts| money.parts.iter().map(|part| part.rank()).collect::<Vec<_>>();
    let (released, refunding, on_its_way) = (0, 5, 7);
    assert_eq!(ranks(Whereabouts::altogether(&three)), [released, refunding, on_its_way]);
    assert_eq!(ranks(Whereabouts::besides(&three)), [released, on_its_way]);
    assert_eq!(ranks(Whereabouts::of_the_past(&three)), [released, refunding]);
}

#[test]
fn sums_are_added_up_for_the_heading_in_one_currency_only() {
    let money = |parts: Vec<MoneyIs>| Whereabouts::new(parts, false).headline().replace('\u{a0}', " ");
    let usd = Money::new(500, Currency::Usd);
    assert_eq!(
        money(vec![MoneyIs::Refunded(eur(700)), MoneyIs::PaidByHand(eur(20))]),
        "EUR 7.20 went back to you"
    );
    assert_eq!(
        money(vec![MoneyIs::Refunding(eur(700)), MoneyIs::RefundFailed(eur(20))]),
        "You get back EUR 7.20"
    );
    assert_eq!(money(vec![MoneyIs::Refunded(eur(700)), MoneyIs::Refunded(usd)]), "EUR 7.00 went back to you");
    assert_eq!(money(vec![MoneyIs::Releasing(eur(700))]), "You are not charged");
    assert_eq!(
        money(vec![MoneyIs::Refunded(eur(20)), MoneyIs::Releasing(eur(700))]),
        "EUR 0.20 went back to you"
    );
    assert_eq!(money(Vec::new()), "Nothing was charged");
    assert_eq!(Whereabouts::default().told(), "Nothing was charged.");
}

#[test]
fn what_is_being_released_is_no_charge_and_not_yet_free() {
    let releasing = Whereabouts::altogether(&standing(BookingState::Failed).with(AttemptState::Authorised));
    assert!(releasing.is_let_go() && !releasing.is_settled());
    assert!(releasing.told().starts_with("You are not charged. The EUR\u{a0}800.00"), "{}", releasing.told());
    assert_eq!(releasing.nothing_charged(), releasing.details());
    let refunding = Whereabouts::altogether(&standing(BookingState::Failed).with(AttemptState::Captured));
    assert!(
        refunding.told().starts_with("All of your EUR\u{a0}800.00 is on its way"),
        "{}",
        refunding.told()
    );
    let free = Whereabouts::altogether(&standing(BookingState::Failed).with(AttemptState::Released));
    assert_eq!(free.nothing_charged(), "Nothing was charged.");
}

proptest! {
    #[test]
    fn every_cent_of_a_payment_that_buys_nothing_is_told_of_once(
        sums in prop::collection::vec((prop::sample::select(RefundState::ALL), 1..10_000_i64), 0..8),
        lost in 0..10_000_i64,
    ) {
        let mut failed = standing(BookingState::Failed).with(AttemptState::Captured);
        for (state, sum) in sums {
            failed = failed.refund(state, sum);
        }
        failed = failed.dispute(DisputeState::Lost, lost);
        let parts = Whereabouts::altogether(&failed).parts;
        prop_assert_eq!(parts.iter().map(|part| part.amount().minor).sum::<i64>(), 80_000);
        prop_assert!(parts.iter().all(|part| part.amount().minor > 0));
        prop_assert!(parts.is_sorted_by_key(|part| part.rank()));
    }
}
