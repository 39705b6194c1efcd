//! What else happens to the money of a cancelled booking.

use jetbridge::sandbox::stripe::{Endpoint, Fault as StripeFault, Mode};
use jiff::SignedDuration;

use super::{Ticketed, euros, has_fee, is_free};
use crate::helpers::{
    app::TestApp,
    story::{GOOD_CARD, state},
};

#[tokio::test]
async fn a_dispute_that_comes_in_between_freezes_the_refund_until_it_is_settled() {
    let booked = Ticketed::new(has_fee).await;
    booked.cancel().await;
    booked.attention("dispute").await;
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelled", "cancelled", &["captured"]));
    assert!(booked.refunds().await.is_empty(), "it could be paid twice");
    let page = booked.page().await;
    page.says("the card’s issuer has taken it back from us").says("Nothing more is paid until then");
    assert!(!page.words().contains("on its way back"), "{}", page.words());
    let viewer = booked.app.staff("viewer").await;
    let record = format!("/admin/bookings/{}", booked.reference);
    viewer.get(&record).await.expect(200).says("Cancellation").says("In dispute").says("We owe it");
    booked.app.execute("update attention_items set resolved_at = now()").await;
    booked.app.advance(SignedDuration::from_mins(61)).await;
    booked.app.settle().await;
    assert_eq!(booked.refunds().await, [format!("{} cancelled succeeded", booked.back())]);
    booked.books_are_closed(booked.fee, booked.fee).await;
    booked.page().await.says("went back to where you paid from");
    let viewer = booked.app.sign_in("viewer@example.com").await;
    viewer.get(&record).await.expect(200).says("Accepted 23 Nov 09:").says("Succeeded Refund of");
    booked.app.finish().await;
}

#[tokio::test]
async fn what_did_not_arrive_stays_owed_on_the_page_whatever_else_of_the_payment_goes_back() {
    let booked = Ticketed::new(has_fee).await;
    booked.cancel().await;
    booked.app.settle().await;
    let refund = booked.app.stripe.refunds().remove(0);
    booked.app.stripe.settle_refund(&refund.id, "failed").unwrap();
    booked.app.settle().await;
    let owed = euros(booked.back());
    booked.tells(&format!("You get back {owed}")).await;
    // Somebody sends a part of it in the dashboard: by our books that is of what is owed.
    booked.app.stripe.refund_in_dashboard(&refund.payment_intent, Some(100)).unwrap();
    booked.app.settle().await;
    assert_eq!(booked.app.attention().await, ["refund_failed"]);
    let rest = euros(booked.back() - 100);
    booked.tells(&format!("{rest} still comes back to you")).await;
    let page = booked.page().await;
    page.says("EUR 1.00 went back to where you paid from").says(&format!("{rest} is still owed to you"));
    page.says(&format!("{} was kept, as you accepted", euros(booked.fee)));
    booked.app.finish().await;
}

/// Cancelled, and Stripe has not been asked for the refund yet.
async fn cancelled_while_stripe_is_down() -> (Ticketed, String) {
    let booked = Ticketed::new(is_free).await;
    let intent = booked.app.stripe.intents().remove(0).id;
    booked.cancel().await;
    booked.app.stripe.set_delivery(Mode::Held);
    booked.app.stripe.fault(Endpoint::CreateRefund, StripeFault::TimeoutBefore);
    booked.app.settle().await;
    assert_eq!(booked.refunds().await, [format!("{} cancelled submit_unknown", booked.back())]);
    (booked, intent)
}

#[tokio::test]
async fn u14_a_part_that_the_dashboard_returns_first_is_taken_in_and_the_rest_of_the_quote_is_returned() {
    let (booked, intent) = cancelled_while_stripe_is_down().await;
    booked.app.stripe.refund_in_dashboard(&intent, Some(700)).unwrap();
    for _ in 0..3 {
        booked.app.advance(SignedDuration::from_mins(61)).await;
        booked.app.settle().await;
    }
    let back = booked.back();
    let mut refunds = booked.refunds().await;
    refunds.sort();
    let mut expected = [
        format!("{back} cancelled failed"),
        "700 dashboard succeeded".to_owned(),
        format!("{} cancelled succeeded", back - 700),
    ];
    expected.sort();
    assert_eq!(refunds, expected);
    booked.books_are_closed(0, 0).await;
    booked.app.finish().await;
}

#[tokio::test]
async fn u16_what_a_bank_leaves_of_a_cancelled_payment_is_still_owed_and_a_person_pays_it() {
    let (booked, intent) = cancelled_while_stripe_is_down().await;
    let dispute = booked.app.stripe.dispute(&intent, Some(700)).unwrap();
    booked.app.settle().await;
    booked.app.stripe.close_dispute(&dispute, false).unwrap();
    for _ in 0..3 {
        booked.app.settle().await;
        booked.app.advance(SignedDuration::from_mins(61)).await;
    }
    // Stripe pays nothing back of what a bank has decided about.
    let rest = booked.back() - 700;
    assert!(
        booked.refunds().await.contains(&format!("{rest} cancelled failed")),
        "{:?}",
        booked.refunds().await
    );
    let owed = booked.app.texts("select detail from attention_items where kind = 'refund_failed'").await;
    assert_eq!(owed.len(), 1);
    assert!(owed[0].replace('\u{a0}', " ").contains(&euros(rest)), "{owed:?}");
    booked.tells(&format!("{} still comes back to you", euros(rest))).await;
    let page = booked.page().await;
    page.says("given you back EUR 7.00 itself").says(&format!("{} is still owed to you", euros(rest)));
    page.says("Refund not sent").says("Your bank has given you money of this payment itself");
    booked.app.finish().await;
}

#[tokio::test]
async fn u17_a_second_payment_after_the_cancellation_goes_back_in_full_and_what_was_kept_stays() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let (reference, paid, fee) = Ticketed::draft(&app, &alice, has_fee, "Duarte").await;
    let first = app.press_pay(&alice, &reference).await;
    app.advance(SignedDuration::from_mins(36)).await;
    app.settle().await;
    let second = app.press_pay(&alice, &reference).await;
    app.stripe.pay(&second.id, GOOD_CARD).unwrap();
    app.settle().await;
    let booked = Ticketed { app, alice, reference, paid, fee };
    booked.cancel().await;
    booked.app.settle().await;
    assert_eq!(booked.refunds().await.len(), 1);
    booked.app.stripe.tamper_session(&first.id, |session| {
        session.status = "open".to_owned();
        session.expires_at += 7_200;
        session.capture_method = "automatic".to_owned();
    });
    booked.app.stripe.pay(&first.id, GOOD_CARD).unwrap();
    booked.app.settle().await;
    assert_eq!(
        booked.refunds().await,
        [format!("{} cancelled succeeded", booked.back()), format!("{paid} not_needed succeeded")]
    );
    booked.books_are_closed(booked.fee, booked.fee).await;
    booked.page().await.says("A second payment");
    booked.app.finish().await;
}

#[tokio::test]
async fn u12_u13_the_refund_of_a_cancellation_takes_the_road_of_all_refunds() {
    let booked = Ticketed::new(has_fee).await;
    booked.app.stripe.fault(Endpoint::CreateRefund, StripeFault::TimeoutBefore);
    booked.cancel().await;
    booked.app.settle().await;
    assert_eq!(booked.refunds().await, [format!("{} cancelled submit_unknown", booked.back())]);
    booked.page().await.says("is on its way back");
    booked.app.advance(SignedDuration::from_mins(5)).await;
    booked.app.settle().await;
    let refund = booked.app.stripe.refunds()[0].id.clone();
    booked.app.stripe.settle_refund(&refund, "failed").unwrap();
    booked.app.settle().await;
    assert_eq!(booked.app.attention().await, ["refund_failed"]);
    booked.page().await.says("a person looks after it");
    assert_eq!(booked.balance("customer_deposits").await, -booked.back());
    booked.app.finish().await;
}

#[tokio::test]
async fn staff_see_what_was_accepted_and_what_became_of_it() {
    let booked = Ticketed::new(has_fee).await;
    booked.cancel().await;
    booked.app.settle().await;
    let viewer = booked.app.staff("viewer").await;
    let page = viewer.get(&format!("/admin/bookings/{}", booked.reference)).await.expect(200);
    page.says("Cancel accepted").says("Cancelled").says(&euros(booked.back()));
    booked.app.finish().await;
}
