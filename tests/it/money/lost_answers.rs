//! Stripe, or our own database, falls silent in the middle.

use jetbridge::sandbox::stripe::{Endpoint, Fault, Mode};
use jiff::SignedDuration;

use crate::helpers::{
    app::TestApp,
    story::{GOOD_CARD, state},
};

#[tokio::test]
async fn u20_stripe_down_at_session_creation_charges_nothing_keeps_the_hold_and_says_so() {
    for fault in [Fault::Status(500), Fault::StickyStatus(500), Fault::Status(429), Fault::TimeoutBefore] {
        let app = TestApp::start().await;
        let alice = app.alice().await;
        let reference = app.draft(&alice).await;
        app.stripe.fault(Endpoint::CreateSession, fault);
        let page = app.submit_pay(&alice, &reference).await.expect(503);
        page.says("Nothing was charged");
        assert_eq!(app.state(&reference).await.booking, "held", "{fault:?}");

        app.advance(SignedDuration::from_mins(3)).await;
        let session = app.press_pay(&alice, &reference).await;
        app.stripe.pay(&session.id, GOOD_CARD).unwrap();
        app.settle().await;
        assert_eq!(app.state(&reference).await.booking, "confirmed", "{fault:?}");
        app.advance(SignedDuration::from_mins(60)).await;
        app.settle().await;
        app.finish().await;
    }
}

#[tokio::test]
async fn u23_a_database_that_fails_between_stripes_success_and_our_commit_loses_nothing() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.set_delivery(Mode::Held);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    let event = app.stripe.held()[0].id.clone();

    app.execute("alter table stripe_events add constraint broken check (false) not valid").await;
    assert_eq!(app.stripe.deliver(&event).await, Some(500), "Stripe must know that we do not have it");
    app.execute("alter table stripe_events drop constraint broken").await;
    assert_eq!(app.stripe.deliver(&event).await, Some(200));
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    app.finish().await;
}

#[tokio::test]
async fn a_capture_whose_answer_is_lost_charges_once() {
    for fault in [Fault::TimeoutBefore, Fault::TimeoutAfter, Fault::Status(500), Fault::StickyStatus(500)] {
        let app = TestApp::start().await;
        let (_, reference, session) = app.at_stripe("Duarte").await;
        app.stripe.fault(Endpoint::Capture, fault);
        app.stripe.pay(&session.id, GOOD_CARD).unwrap();
        app.settle().await;
        app.advance(SignedDuration::from_mins(5)).await;
        app.settle().await;
        assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]), "{fault:?}");
        assert_eq!(app.stripe.intents()[0].received, session.amount);
        app.finish().await;
    }
}

#[tokio::test]
async fn a_release_whose_answer_is_lost_happens_once() {
    for fault in [Fault::TimeoutBefore, Fault::TimeoutAfter, Fault::StickyStatus(500)] {
        let app = TestApp::start().await;
        let (_, reference, session) = app.at_stripe("Soldout").await;
        app.stripe.fault(Endpoint::Cancel, fault);
        app.stripe.pay(&session.id, GOOD_CARD).unwrap();
        app.settle().await;
        app.advance(SignedDuration::from_mins(5)).await;
        app.settle().await;
        assert_eq!(app.state(&reference).await, state("failed", "refused", &["released"]), "{fault:?}");
        app.finish().await;
    }
}
