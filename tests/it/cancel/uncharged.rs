//! Cancelled before the charge: it is released, and only what is kept is charged.

use jetbridge::{
    itinerary::Condition,
    sandbox::stripe::{Endpoint, Fault as StripeFault},
    supplier::timetable::Fault,
};
use jiff::SignedDuration;

use super::{Ticketed, euros, has_fee, is_free, is_nothing};
use crate::helpers::{app::TestApp, story::state};

/// Tickets, and a charge that Stripe has refused for now: the money is only set aside.
async fn uncharged(wanted: fn(&Condition) -> bool) -> Ticketed {
    let booked = Ticketed::at_stripe(TestApp::start().await, wanted, "Duarte").await;
    booked.app.stripe.fault(Endpoint::Capture, StripeFault::Status(402));
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("confirmed", "ordered", &["authorised"]));
    assert_eq!(booked.app.attention().await, ["capture_failed"]);
    booked
}

#[tokio::test]
async fn before_the_charge_everything_is_released_and_nothing_refunded() {
    let booked = uncharged(is_free).await;
    let quote = booked.quote().await;
    quote.says("You would not be charged").says("Your bank has set aside");
    booked.confirm(&quote).await.redirect();
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelled", "cancelled", &["released"]));
    assert!(booked.refunds().await.is_empty() && booked.app.balances().await.is_empty());
    booked.page().await.says("was released");
    assert_eq!(booked.app.mails().await, ["booking_confirmation", "booking_cancelled"]);
    booked.app.finish().await;
}

#[tokio::test]
async fn before_the_charge_only_what_is_kept_is_charged() {
    let booked = uncharged(has_fee).await;
    let quote = booked.quote().await;
    quote.says(&format!("You would be charged {} instead of {}", euros(booked.fee), euros(booked.paid)));
    booked.confirm(&quote).await.redirect();
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelled", "cancelled", &["captured"]));
    assert_eq!(booked.app.stripe.intents()[0].received, booked.fee);
    assert!(booked.refunds().await.is_empty());
    booked.books_are_closed(booked.fee, booked.fee).await;
    booked.page().await.says("was released").says(&format!("{} of it is charged", euros(booked.fee)));
    booked.app.finish().await;
}

#[tokio::test]
async fn before_the_charge_a_fare_that_gives_nothing_back_is_charged_in_full() {
    let booked = uncharged(is_nothing).await;
    booked.cancel().await;
    booked.app.settle().await;
    assert_eq!(booked.app.stripe.intents()[0].received, booked.paid);
    booked.books_are_closed(booked.paid, booked.paid).await;
    booked.app.finish().await;
}

#[tokio::test]
async fn a_charge_that_crosses_the_cancellation_is_refunded_as_quoted() {
    for wanted in [is_free, has_fee] {
        let booked = uncharged(wanted).await;
        booked.cancel().await;
        // Asked for before, and done by Stripe only now.
        let intent = booked.app.stripe.intents()[0].id.clone();
        booked.app.stripe.capture_in_dashboard(&intent, None).unwrap();
        booked.app.settle().await;
        assert_eq!(booked.state().await, state("cancelled", "cancelled", &["captured"]));
        assert_eq!(booked.refunds().await, [format!("{} cancelled succeeded", booked.back())]);
        booked.books_are_closed(booked.fee, booked.fee).await;
        booked.app.finish().await;
    }
}

#[tokio::test]
async fn stripes_silence_at_the_release_or_the_charge_is_settled_by_asking() {
    for wanted in [is_free, has_fee] {
        for fault in [StripeFault::TimeoutBefore, StripeFault::TimeoutAfter, StripeFault::Status(500)] {
            let booked = uncharged(wanted).await;
            booked.cancel().await;
            let endpoint = if booked.fee > 0 { Endpoint::Capture } else { Endpoint::Cancel };
            booked.app.stripe.fault(endpoint, fault);
            booked.app.settle().await;
            booked.app.advance(SignedDuration::from_mins(10)).await;
            booked.app.settle().await;
            let attempt = if booked.fee > 0 { "captured" } else { "released" };
            assert_eq!(booked.state().await, state("cancelled", "cancelled", &[attempt]), "{fault:?}");
            booked.books_are_closed(booked.fee, booked.fee).await;
            booked.app.finish().await;
        }
    }
}

#[tokio::test]
async fn what_stripe_neither_takes_nor_releases_calls_a_person_and_is_tried_again() {
    let booked = uncharged(has_fee).await;
    booked.app.execute("delete from attention_items").await;
    booked.cancel().await;
    booked.app.stripe.fault(Endpoint::Capture, StripeFault::Status(402));
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelled", "cancelled", &["authorised"]));
    assert_eq!(booked.app.attention().await, ["capture_failed"]);
    booked.page().await.says("is being released");
    booked.app.advance(SignedDuration::from_mins(61)).await;
    booked.app.settle().await;
    booked.books_are_closed(booked.fee, booked.fee).await;
    booked.app.finish().await;
}

#[tokio::test]
async fn a_fee_that_the_bank_lets_go_of_before_it_was_taken_is_our_loss_and_is_not_called_charged() {
    let booked = uncharged(has_fee).await;
    booked.cancel().await;
    booked.app.stripe.fault(Endpoint::Capture, StripeFault::Status(402));
    booked.app.settle().await;
    assert_eq!(booked.app.attention().await, ["capture_failed"]);
    booked.app.stripe.lapse(&booked.app.stripe.intents()[0].id);
    booked.app.advance(SignedDuration::from_mins(61)).await;
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelled", "cancelled", &["released"]));
    assert_eq!(
        booked.app.balances().await,
        [format!("loss {} EUR", booked.fee), format!("supplier_payable -{} EUR", booked.fee)]
    );
    assert_eq!(booked.app.attention().await, ["tickets_lost", "authorisation_lost"]);
    let page = booked.page().await;
    page.says("Nothing was charged");
    assert!(!page.body.contains("is charged, as you accepted"));
    let queue = booked.app.staff("finance").await.get("/admin/attention").await.expect(200);
    queue.says(&euros(booked.fee));
    assert!(!queue.words().contains(&euros(booked.paid)), "what went back is not at stake");
    booked.app.finish().await;
}

#[tokio::test]
async fn a_refused_cancellation_charges_what_had_waited_for_the_answer() {
    let booked = uncharged(has_fee).await;
    booked.app.supplier().set_cancel_fault(Some(Fault::Refused));
    booked.cancel().await;
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("confirmed", "ordered", &["captured"]));
    assert_eq!(booked.app.stripe.intents()[0].received, booked.paid);
    assert_eq!(
        booked.app.balances().await,
        [format!("stripe_clearing {} EUR", booked.paid), format!("supplier_payable -{} EUR", booked.paid)]
    );
    booked.app.finish().await;
}
