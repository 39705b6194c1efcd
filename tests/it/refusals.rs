//! Every way in which paying or dropping is refused: each says why, charges nothing, and leaves the booking as it was.

use jetbridge::{
    sandbox::stripe::{Endpoint, Fault as StripeFault, Mode},
    supplier::timetable::Fault,
};
use jiff::SignedDuration;
use serde_json::json;

use crate::helpers::{
    app::TestApp,
    browser::Browser,
    page::Page,
    story::{GOOD_CARD, SEARCH},
};

/// An offer chosen, nobody named yet.
async fn nameless_draft(browser: &Browser) -> String {
    let found = browser.get(SEARCH).await.expect(200);
    let offer = browser.get(&found.attr("a[href^='/offers/']", "href")).await.expect(200);
    let to = browser.submit(&offer, "form[action='/bookings']", &[]).await.redirect();
    to.split('/').nth(2).unwrap().to_owned()
}

async fn pay(browser: &Browser, reference: &str, hash: &str) -> Page {
    browser.post_form(&format!("/bookings/{reference}/pay"), &[("quote_hash", hash)]).await
}

#[tokio::test]
async fn a_supplier_that_cannot_hold_the_seats_charges_nothing_and_says_why() {
    let cases = [
        (Fault::SoldOut, 409, "Sold out"),
        (Fault::Unavailable, 503, "does not answer"),
        (Fault::TimeoutBefore, 503, "does not answer"),
    ];
    for (fault, status, says) in cases {
        let app = TestApp::start().await;
        let alice = app.alice().await;
        let reference = app.draft(&alice).await;
        app.supplier().set_hold_fault(Some(fault));
        let page = app.submit_pay(&alice, &reference).await.expect(status);
        page.says(says).says("Nothing was charged");
        assert_eq!(
            (app.count("attempts").await, app.state(&reference).await.booking.as_str()),
            (0, "draft"),
            "{fault:?}"
        );
        app.supplier().set_hold_fault(None);
        app.press_pay(&alice, &reference).await;
        app.finish().await;
    }
}

#[tokio::test]
async fn a_supplier_that_is_down_makes_no_draft_and_no_payment() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let found = alice.get(SEARCH).await.expect(200);
    let offer = alice.get(&found.attr("a[href^='/offers/']", "href")).await.expect(200);
    app.supplier().set_search_down(true);
    alice.submit(&offer, "form[action='/bookings']", &[]).await.expect(503).says("nothing was charged");
    app.submit_pay(&alice, &reference).await.expect(503).says("Nothing was charged");
    assert_eq!((app.count("bookings").await, app.count("attempts").await), (1, 0));
    app.finish().await;
}

#[tokio::test]
async fn a_price_that_went_down_is_shown_and_then_paid() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.supplier().set_price_up(20);
    let reference = app.draft(&alice).await;
    let dear: i64 = app.texts("select amount_minor::text from bookings").await[0].parse().unwrap();
    app.supplier().set_price_up(0);
    app.clock.advance(SignedDuration::from_mins(40));
    let page = app.submit_pay(&alice, &reference).await;
    let page = if page.status == 303 { page } else { app.submit_pay(&alice, &reference).await };
    let session = app.stripe.session(page.redirect().rsplit('/').next().unwrap()).unwrap();
    assert!(session.amount < dear, "{} is not below {dear}", session.amount);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    assert_eq!(app.texts("select captured_minor::text from attempts").await, [session.amount.to_string()]);
    app.finish().await;
}

#[tokio::test]
async fn nobody_pays_without_passengers() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = nameless_draft(&alice).await;
    let review = alice.get(&format!("/bookings/{reference}/review")).await;
    assert_eq!(review.redirect(), format!("/bookings/{reference}/passengers"));
    assert_eq!(pay(&alice, &reference, "x").await.redirect(), format!("/bookings/{reference}/passengers"));
    alice.get(&format!("/bookings/{reference}")).await.expect(200).says("Who travels");
    assert_eq!(app.count("attempts").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_forged_or_old_quote_is_shown_again_instead_of_paid() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    for hash in ["", "x", &"0".repeat(64), &"9".repeat(9_000)] {
        pay(&alice, &reference, hash).await.expect(409);
    }
    alice.post_form(&format!("/bookings/{reference}/pay"), &[]).await.expect(422);
    assert_eq!(app.count("attempts").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_confirmed_booking_is_neither_paid_again_nor_dropped() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    assert_eq!(pay(&alice, &reference, "x").await.redirect(), format!("/bookings/{reference}"));
    let page = alice.post_form(&format!("/bookings/{reference}/drop"), &[]).await.expect(409);
    page.says("cannot be dropped");
    assert_eq!(app.state(&reference).await.attempts, ["captured"]);
    app.finish().await;
}

#[tokio::test]
async fn a_booking_that_was_paid_a_moment_ago_is_not_dropped() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let session = app.press_pay(&alice, &reference).await;
    app.stripe.set_delivery(Mode::Held);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    alice.post_form(&format!("/bookings/{reference}/drop"), &[]).await.expect(409);
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    app.finish().await;
}

#[tokio::test]
async fn a_booking_is_not_dropped_while_stripe_cannot_say_whether_it_is_paid() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    app.press_pay(&alice, &reference).await;
    app.stripe.outage(Some(StripeFault::Status(500)));
    let page = alice.post_form(&format!("/bookings/{reference}/drop"), &[]).await;
    assert!(page.status == 503 || page.status == 409, "{}", page.status);
    assert_eq!(app.state(&reference).await.booking, "held");
    app.stripe.outage(None);
    alice.post_form(&format!("/bookings/{reference}/drop"), &[]).await.redirect();
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "cancelled");
    app.finish().await;
}

#[tokio::test]
async fn a_session_that_stripe_refuses_is_told_and_can_be_tried_again() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    app.stripe.fault(Endpoint::CreateSession, StripeFault::Status(400));
    app.submit_pay(&alice, &reference).await.expect(503).says("Nothing was charged");
    let session = app.press_pay(&alice, &reference).await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    assert_eq!(app.state(&reference).await.attempts, ["failed", "captured"]);
    app.finish().await;
}

#[tokio::test]
async fn a_capture_that_stripe_refuses_calls_a_person_and_keeps_the_ticket() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let session = app.press_pay(&alice, &reference).await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.stripe.fault(Endpoint::Capture, StripeFault::Status(400));
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    assert_eq!(app.attention().await, ["capture_failed"]);
    assert_eq!(app.state(&reference).await.attempts, ["authorised"]);
    app.advance(SignedDuration::from_mins(61)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await.attempts, ["captured"]);
    assert!(app.attention().await.is_empty(), "what it asked for has come");
    app.finish().await;
}

#[tokio::test]
async fn a_release_that_stripe_refuses_calls_a_person_and_is_tried_again() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Soldout").await;
    app.stripe.fault(Endpoint::Cancel, StripeFault::Status(400));
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "failed");
    assert_eq!(app.state(&reference).await.attempts, ["authorised"]);
    assert_eq!(app.attention().await, ["capture_failed"]);
    app.advance(SignedDuration::from_mins(61)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await.attempts, ["released"]);
    assert!(app.attention().await.is_empty(), "what it asked for has come");
    app.finish().await;
}

#[tokio::test]
async fn an_event_in_live_mode_about_a_test_payment_is_quarantined() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let session = app.press_pay(&alice, &reference).await;
    app.stripe.set_delivery(Mode::Held);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    let mut event = app.stripe.held()[0].payload.clone();
    event["livemode"] = json!(true);
    event["id"] = json!("evt_live");
    let body = event.to_string();
    let guest = app.guest();
    let signature = app.stripe.sign(&body);
    guest.set_header("stripe-signature", &signature);
    guest.post_from_elsewhere_raw("/webhooks/stripe", "application/json", body).await.expect(200);
    app.run_jobs().await;
    assert_eq!(app.texts("select quarantined from attempts").await, ["livemode"]);
    app.settle().await;
    assert_ne!(app.state(&reference).await.booking, "confirmed");
    assert!(!app.attention().await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn changing_passengers_while_a_session_is_open_never_ends_in_two_charges() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let first = app.press_pay(&alice, &reference).await;
    let address = format!("/bookings/{reference}/passengers");
    alice.post_form(&address, &crate::helpers::story::passenger("Novak")).await.redirect();
    let second = app.press_pay(&alice, &reference).await;
    app.stripe.pay(&second.id, GOOD_CARD).unwrap();
    let _ = app.stripe.pay(&first.id, GOOD_CARD);
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    assert_eq!(app.count("attempts where state = 'captured'").await, 1);
    app.finish().await;
}
