//! The normal way, with all that may be said twice, early, late or never on it.

use jetbridge::sandbox::stripe::{Endpoint, Fault, Mode};
use jiff::SignedDuration;

use super::endpoints;
use crate::helpers::{
    app::TestApp,
    story::{DECLINED_CARD, GOOD_CARD, state},
};

const DIRECT_DEBIT: &str = "AT32 1904 3002 3547 3204";
const UNPAID_DIRECT_DEBIT: &str = "AT86 1904 3002 3547 3202";

#[tokio::test]
async fn a_card_is_charged_after_the_tickets_are_issued_and_exactly_the_accepted_total() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    assert_eq!(app.state(&reference).await, state("draft", "none", &[]));

    let session = app.press_pay(&alice, &reference).await;
    assert_eq!(app.state(&reference).await, state("held", "none", &["open"]));

    app.stripe.set_delivery(Mode::Held);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.stripe.deliver_held().await;
    assert!(!endpoints(&app).contains(&Endpoint::Capture), "nothing is charged before the tickets");
    assert!(app.balances().await.is_empty(), "set aside is nobody's money yet");

    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    let intent = &app.stripe.intents()[0];
    assert_eq!((intent.status.as_str(), intent.received), ("succeeded", session.amount));
    let amount = session.amount;
    assert_eq!(
        app.balances().await,
        [format!("stripe_clearing {amount} EUR"), format!("supplier_payable -{amount} EUR")]
    );
    assert_eq!(app.mails().await, ["booking_confirmation", "payment_receipt"]);
    app.finish().await;
}

#[tokio::test]
async fn a_declined_card_can_be_followed_by_a_good_one() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.pay(&session.id, DECLINED_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("held", "none", &["open"]));

    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    app.finish().await;
}

#[tokio::test]
async fn u2_the_same_event_fifty_times_at_once_has_one_effect() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.set_delivery(Mode::Held);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    let events: Vec<String> = app.stripe.held().iter().map(|event| event.id.clone()).collect();

    for event in &events {
        let mut deliveries = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (stripe, event) = (app.stripe.clone(), event.clone());
            deliveries.spawn(async move { stripe.deliver(&event).await });
        }
        assert!(deliveries.join_all().await.iter().all(|status| *status == Some(200)));
    }
    assert_eq!(app.count("stripe_events").await, i64::try_from(events.len()).unwrap());
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    assert_eq!(app.mails().await, ["booking_confirmation", "payment_receipt"]);
    assert_eq!(app.count("timetable.orders").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn u3_a_webhook_that_comes_before_the_session_id_was_saved_is_understood() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    app.stripe.fault(Endpoint::CreateSession, Fault::TimeoutAfter);
    app.submit_pay(&alice, &reference).await.expect(503);
    assert_eq!(app.state(&reference).await, state("held", "none", &["create_unknown"]));

    let session = &app.stripe.sessions()[0];
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    app.finish().await;
}

#[tokio::test]
async fn u4_without_any_webhook_the_return_page_finishes_the_booking() {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.set_delivery(Mode::Held);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    for event in app.stripe.held() {
        app.stripe.discard(&event.id);
    }
    alice.get(&format!("/bookings/{reference}/return")).await.expect(200).says("Booking your seats");
    assert_eq!(app.state(&reference).await, state("ticketing", "none", &["authorised"]));
    app.run_jobs().await;
    let done = alice.get(&format!("/bookings/{reference}/return")).await.redirect();
    assert_eq!(done, format!("/bookings/{reference}"));
    assert_eq!(app.count("stripe_events").await, 0);
    for event in app.stripe.held() {
        app.stripe.discard(&event.id);
    }
    app.finish().await;
}

#[tokio::test]
async fn u4_without_webhook_and_return_page_the_poller_finishes_the_booking() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.set_delivery(Mode::Held);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.advance(SignedDuration::from_mins(3)).await;
    app.run_jobs().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    // The events arrive after all, days late and in the wrong order: nothing moves.
    app.advance(SignedDuration::from_hours(48)).await;
    let late: Vec<String> = app.stripe.held().iter().rev().map(|event| event.id.clone()).collect();
    for event in late {
        assert_eq!(app.stripe.deliver(&event).await, Some(200));
    }
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    app.finish().await;
}

#[tokio::test]
async fn u5_a_closed_tab_is_finished_by_the_webhook_and_told_by_mail() {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Duarte").await;
    drop(alice);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    let mail = app.mailbox.list().into_iter().find(|mail| mail.subject.contains(&reference)).expect("a mail");
    let text = mail.text.expect("a text part");
    assert!(text.contains(&format!("{}bookings/{reference}", app.url)), "{text}");
    app.finish().await;
}

#[tokio::test]
async fn pay_pressed_twice_at_once_opens_one_session() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let (one, two) = tokio::join!(app.submit_pay(&alice, &reference), app.submit_pay(&alice, &reference));
    let led: Vec<String> =
        [one, two].iter().filter(|page| page.status == 303).map(|page| page.location()).collect();
    assert!(!led.is_empty());
    assert!(led.iter().all(|to| *to == led[0]), "{led:?}");
    assert_eq!(app.count("attempts").await, 1);
    assert_eq!(app.stripe.sessions().len(), 1);
    app.stripe.pay(&app.stripe.sessions()[0].id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    app.finish().await;
}

#[tokio::test]
async fn a_completed_session_whose_payment_is_still_to_be_made_elsewhere_is_on_its_way_and_not_failed() {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.set_delivery(Mode::Held);
    // A voucher: the page is done, the money is still to come.
    app.stripe.pay(&session.id, "4000 0025 0000 3155").unwrap();
    app.stripe.tamper_session(&session.id, |session| session.status = "complete".to_owned());
    alice.get(&format!("/bookings/{reference}/return")).await.expect(200);
    assert_eq!(app.stripe.intents()[0].status, "requires_action");
    assert_eq!(app.state(&reference).await, state("held", "none", &["processing"]));
    app.stripe.tamper_session(&session.id, |session| session.status = "open".to_owned());
    app.stripe.authenticate(&session.id, true).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    app.finish().await;
}

/// Of the kinds that only slow methods have.
async fn told_of_slow_methods(app: &TestApp) -> Vec<String> {
    app.texts("select kind from stripe_events where kind like '%async%' order by kind").await
}

#[tokio::test]
async fn a_direct_debit_is_on_its_way_and_buys_the_tickets_once_it_has_arrived() {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.pay(&session.id, DIRECT_DEBIT).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("held", "none", &["processing"]));
    alice.get(&format!("/bookings/{reference}")).await.expect(200).says("on its way");
    assert!(app.balances().await.is_empty() && app.mails().await.is_empty());
    app.advance(SignedDuration::from_mins(4)).await;
    app.stripe.sweep();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    assert_eq!(told_of_slow_methods(&app).await, ["checkout.session.async_payment_succeeded"]);
    assert_eq!(app.mails().await, ["booking_confirmation", "payment_receipt"]);
    app.finish().await;
}

#[tokio::test]
async fn a_direct_debit_that_the_bank_does_not_pay_charges_nothing_and_the_seats_can_be_paid_anew() {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.pay(&session.id, UNPAID_DIRECT_DEBIT).unwrap();
    app.settle().await;
    app.advance(SignedDuration::from_mins(4)).await;
    app.stripe.sweep();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("held", "none", &["failed"]));
    assert_eq!(told_of_slow_methods(&app).await, ["checkout.session.async_payment_failed"]);
    let again = app.press_pay(&alice, &reference).await;
    app.stripe.pay(&again.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["failed", "captured"]));
    app.finish().await;
}
