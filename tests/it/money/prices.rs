//! A price that moves is accepted first or never charged.

use jiff::SignedDuration;

use crate::helpers::{
    app::TestApp,
    story::{GOOD_CARD, state},
};

#[tokio::test]
async fn u6_a_price_that_went_up_before_paying_must_be_accepted_first() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    app.supplier().set_price_up(10);
    app.submit_pay(&alice, &reference).await.expect(409);
    assert_eq!(app.count("attempts").await, 0);
    let review = alice.get(&format!("/bookings/{reference}/review")).await.expect(200);
    let unticked = alice.submit(&review, "form[action$='/pay']", &[]).await.expect(422);
    assert!(unticked.has("[name=accept][aria-invalid=true]"));
    let to = alice.submit(&review, "form[action$='/pay']", &[("accept", "yes")]).await.redirect();
    let session = app.stripe.session(to.rsplit('/').next().unwrap()).unwrap();
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    assert_eq!(app.texts("select amount_minor::text from bookings").await, [session.amount.to_string()]);
    app.finish().await;
}

#[tokio::test]
async fn u7_a_price_that_goes_up_after_paying_is_never_charged() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Priceup").await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("failed", "refused", &["released"]));
    assert_eq!(app.texts("select ended_reason from bookings").await, ["price_up"]);
    assert!(app.balances().await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn u7_a_price_that_goes_up_after_money_was_taken_sends_all_of_it_back() {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Priceup").await;
    app.stripe.tamper_session(&session.id, |session| session.capture_method = "automatic".to_owned());
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("failed", "refused", &["captured"]));
    let intent = &app.stripe.intents()[0];
    let refunds = app.stripe.refunds();
    assert_eq!(refunds.iter().map(|refund| refund.amount).collect::<Vec<_>>(), [intent.received]);
    assert_eq!(app.texts("select reason || ' ' || state from refunds").await, ["not_needed succeeded"]);
    assert!(app.balances().await.is_empty());
    assert!(app.mails().await.contains(&"not_ticketed".to_owned()));
    alice.get(&format!("/bookings/{reference}")).await.expect(200).says("We never charge more than that");
    app.finish().await;
}

#[tokio::test]
async fn what_is_held_is_what_is_ordered_although_the_offer_lapsed_before_paying() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    app.advance(SignedDuration::from_mins(35)).await;
    let session = app.press_pay(&alice, &reference).await;
    app.supplier().set_price_up(10);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    app.finish().await;
}

#[tokio::test]
async fn a_price_that_goes_up_while_the_payment_page_is_open_changes_nothing() {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Duarte").await;
    app.supplier().set_price_up(10);
    let again = app.press_pay(&alice, &reference).await;
    assert_eq!((again.id.as_str(), again.amount), (session.id.as_str(), session.amount));
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    assert_eq!(app.texts("select amount_minor::text from bookings").await, [session.amount.to_string()]);
    app.finish().await;
}
