//! Money that was charged before there was a ticket: methods that cannot be authorised first, and second payments.

use std::collections::BTreeSet;

use jetbridge::sandbox::stripe::{Endpoint, Fault, Mode, Session};
use jiff::SignedDuration;

use super::helpers::{app::TestApp, browser::Browser, story::GOOD_CARD};

/// Presses pay, and the method turns out to be one that is charged at once.
async fn pay_at_once(app: &TestApp, browser: &Browser, reference: &str) -> Session {
    let session = app.press_pay(browser, reference).await;
    app.stripe.tamper_session(&session.id, |session| session.capture_method = "automatic".to_owned());
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    session
}

/// Of every request for a refund, in the order in which they came in.
fn refund_keys(app: &TestApp) -> Vec<String> {
    let calls = app.stripe.calls().into_iter().filter(|call| call.endpoint == Endpoint::CreateRefund);
    calls.filter_map(|call| call.idempotency_key).collect()
}

#[tokio::test]
async fn u21_a_refund_waits_for_a_stripe_that_is_down_and_after_three_days_calls_a_person() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft_for(&alice, "Soldout").await;
    app.stripe.fault(Endpoint::CreateRefund, Fault::TimeoutBefore);
    pay_at_once(&app, &alice, &reference).await;
    app.settle().await;
    app.stripe.outage(Some(Fault::Status(503)));
    for hour in 0..71 {
        app.advance(SignedDuration::from_hours(1)).await;
        app.run_jobs().await;
        assert_eq!(app.texts("select state from refunds").await, ["submit_unknown"], "{hour}");
    }
    assert!(app.attention().await.is_empty());
    alice.get(&format!("/bookings/{reference}")).await.expect(200).says("on its way back");
    app.advance(SignedDuration::from_hours(2)).await;
    app.run_jobs().await;
    assert_eq!(app.attention().await, ["refund_unsent"]);

    app.advance(SignedDuration::from_hours(30)).await;
    app.run_jobs().await;
    app.stripe.outage(None);
    app.advance(SignedDuration::from_hours(2)).await;
    app.settle().await;
    assert_eq!(app.texts("select state from refunds").await, ["succeeded"]);
    assert_eq!(app.stripe.refunds().len(), 1);
    assert_eq!(app.attention().await, ["refund_unsent"], "once");
    app.finish().await;
}

#[tokio::test]
async fn a_method_that_is_charged_at_once_is_a_deposit_until_the_tickets_are_issued() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft_for(&alice, "Timeoutbefore").await;
    let session = pay_at_once(&app, &alice, &reference).await;
    app.settle().await;
    let amount = session.amount;
    assert_eq!(
        app.balances().await,
        [format!("customer_deposits -{amount} EUR"), format!("stripe_clearing {amount} EUR")]
    );
    app.advance(SignedDuration::from_secs(30)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    assert_eq!(
        app.balances().await,
        [format!("stripe_clearing {amount} EUR"), format!("supplier_payable -{amount} EUR")]
    );
    assert_eq!(app.mails().await, ["booking_confirmation", "payment_receipt"]);
    app.finish().await;
}

#[tokio::test]
async fn a_charge_without_a_ticket_is_refunded_in_full() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft_for(&alice, "Soldout").await;
    pay_at_once(&app, &alice, &reference).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "failed");
    assert_eq!(app.texts("select state from refunds").await, ["succeeded"]);
    assert!(app.balances().await.is_empty(), "nothing is left anywhere");
    assert_eq!(app.mails().await, ["not_ticketed", "refund_paid"]);
    alice.get(&format!("/bookings/{reference}")).await.expect(200).says("refund");
    app.finish().await;
}

#[tokio::test]
async fn u13_a_refund_whose_answer_is_lost_is_paid_once() {
    let faults = [
        Fault::TimeoutBefore,
        Fault::TimeoutAfter,
        Fault::Status(500),
        Fault::StickyStatus(500),
        Fault::Status(429),
    ];
    for fault in faults {
        let app = TestApp::start().await;
        let alice = app.alice().await;
        let reference = app.draft_for(&alice, "Soldout").await;
        app.stripe.fault(Endpoint::CreateRefund, fault);
        pay_at_once(&app, &alice, &reference).await;
        app.settle().await;
        // Where it was done after all, its own event settles it before we ask; a failure that Stripe has told, and does not
        // keep, is put right at once.
        let is_done = matches!(fault, Fault::TimeoutAfter | Fault::Status(500));
        let settled = if is_done { "succeeded" } else { "submit_unknown" };
        assert_eq!(app.texts("select state from refunds").await, [settled], "{fault:?}");
        app.advance(SignedDuration::from_mins(5)).await;
        app.settle().await;
        assert_eq!(app.texts("select state from refunds").await, ["succeeded"], "{fault:?}");
        assert_eq!(app.stripe.refunds().len(), 1, "{fault:?}");
        // Only what Stripe keeps under a key is a reason for another one.
        let keys: BTreeSet<String> = refund_keys(&app).into_iter().collect();
        assert_eq!(keys.len(), if fault == Fault::StickyStatus(500) { 2 } else { 1 }, "{fault:?}: {keys:?}");
        assert!(app.balances().await.is_empty());
        app.finish().await;
    }
}

#[tokio::test]
async fn u12_a_refund_that_the_bank_sends_back_is_owed_again_and_calls_a_person() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft_for(&alice, "Soldout").await;
    let session = pay_at_once(&app, &alice, &reference).await;
    app.settle().await;
    let refund = app.stripe.refunds()[0].id.clone();
    app.stripe.settle_refund(&refund, "failed").unwrap();
    app.settle().await;
    assert_eq!(app.texts("select state from refunds").await, ["failed"]);
    assert_eq!(app.attention().await, ["refund_failed"]);
    assert_eq!(app.mails().await, ["not_ticketed", "refund_paid", "refund_failed"]);
    let mail = app.mailbox.list().remove(0);
    assert_eq!(
        mail.subject,
        format!(
            "Your refund did not arrive: EUR {}.{:02}, booking {reference}",
            session.amount / 100,
            session.amount % 100
        )
    );
    assert!(mail.text.unwrap().contains("is still yours"));
    let amount = session.amount;
    assert_eq!(
        app.balances().await,
        [format!("customer_deposits -{amount} EUR"), format!("stripe_clearing {amount} EUR")]
    );
    app.finish().await;
}

#[tokio::test]
async fn u17_a_second_attempt_that_was_charged_is_refunded_and_told() {
    let app = TestApp::start().await;
    let (alice, reference, first) = app.at_stripe("Duarte").await;
    app.advance(SignedDuration::from_mins(36)).await;
    app.settle().await;
    let second = app.press_pay(&alice, &reference).await;
    app.stripe.pay(&second.id, GOOD_CARD).unwrap();
    app.settle().await;
    app.stripe.tamper_session(&first.id, |session| {
        session.status = "open".to_owned();
        session.expires_at += 7_200;
        session.capture_method = "automatic".to_owned();
    });
    app.stripe.pay(&first.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await.attempts, ["captured", "captured"]);
    assert_eq!(app.texts("select state from refunds").await, ["succeeded"]);
    let amount = second.amount;
    assert_eq!(
        app.balances().await,
        [format!("stripe_clearing {amount} EUR"), format!("supplier_payable -{amount} EUR")]
    );
    let told = ["hold_lapsing", "booking_confirmation", "payment_receipt", "money_returned", "refund_paid"];
    assert_eq!(app.mails().await, told);
    app.finish().await;
}

#[tokio::test]
async fn u14_a_refund_made_in_stripes_dashboard_is_taken_in_and_all_of_it_calls_for_the_live_ticket() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    let (intent, paid) = (app.stripe.intents()[0].id.clone(), app.stripe.intents()[0].received);
    app.stripe.refund_in_dashboard(&intent, Some(1_000)).unwrap();
    app.settle().await;
    let rows = "select concat_ws(' ', origin, amount_minor, state) from refunds order by amount_minor";
    assert_eq!(app.texts(rows).await, ["dashboard 1000 succeeded"]);
    let books = |back: i64| {
        [
            format!("agency_revenue {back} EUR"),
            format!("stripe_clearing {} EUR", paid - back),
            format!("supplier_payable -{paid} EUR"),
        ]
    };
    assert_eq!(app.balances().await, books(1_000));
    assert!(app.attention().await.is_empty(), "a part may be goodwill");
    assert_eq!(app.mails().await, ["booking_confirmation", "payment_receipt", "refund_paid"]);
    alice.get(&format!("/bookings/{reference}")).await.expect(200).says("Refund made").says("EUR 10.00");

    app.stripe.refund_in_dashboard(&intent, None).unwrap();
    app.settle().await;
    assert_eq!(app.texts(rows).await.len(), 2);
    assert_eq!(app.balances().await.len(), 2, "all of it has left: {:?}", app.balances().await);
    assert_eq!(app.attention().await, ["refunded_ticket_live"]);
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    app.finish().await;
}

#[tokio::test]
async fn u14_a_refund_of_the_dashboard_that_the_bank_sends_back_is_owed_again() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    let intent = app.stripe.intents()[0].id.clone();
    let refund = app.stripe.refund_in_dashboard(&intent, Some(1_000)).unwrap();
    app.settle().await;
    app.stripe.settle_refund(&refund, "failed").unwrap();
    app.settle().await;
    assert_eq!(app.texts("select state from refunds").await, ["failed"]);
    assert_eq!(app.attention().await, ["refund_failed"]);
    assert!(app.balances().await.contains(&"customer_deposits -1000 EUR".to_owned()));
    app.finish().await;
}

#[tokio::test]
async fn u14_a_refund_of_ours_and_one_of_the_dashboard_are_two_whatever_is_heard_first() {
    for reversed in [false, true] {
        let app = TestApp::start().await;
        let (alice, reference, first) = app.at_stripe("Duarte").await;
        app.advance(SignedDuration::from_mins(36)).await;
        app.settle().await;
        let second = app.press_pay(&alice, &reference).await;
        app.stripe.pay(&second.id, GOOD_CARD).unwrap();
        app.settle().await;
        app.stripe.set_delivery(Mode::Held);
        app.stripe.tamper_session(&first.id, |session| {
            session.status = "open".to_owned();
            session.expires_at += 7_200;
            session.capture_method = "automatic".to_owned();
        });
        // Our own refund is made, its answer is lost, and the dashboard refunds of the same day are heard of as well.
        app.stripe.fault(Endpoint::CreateRefund, Fault::TimeoutAfter);
        app.stripe.pay(&first.id, GOOD_CARD).unwrap();
        app.stripe.deliver_held().await;
        app.run_jobs().await;
        let intent = app.stripe.session(&second.id).unwrap().payment_intent.unwrap();
        app.stripe.refund_in_dashboard(&intent, Some(300)).unwrap();
        let mut events: Vec<String> = app.stripe.held().iter().map(|event| event.id.clone()).collect();
        if reversed {
            events.reverse();
        }
        for event in events.iter().chain(&events) {
            assert_eq!(app.stripe.deliver(event).await, Some(200));
            app.run_jobs().await;
        }
        app.advance(SignedDuration::from_mins(5)).await;
        app.settle().await;
        let rows = "select concat_ws(' ', origin, state) from refunds order by origin";
        assert_eq!(app.texts(rows).await, ["dashboard succeeded", "ours succeeded"]);
        assert_eq!(app.stripe.refunds().len(), 2);
        assert!(app.attention().await.is_empty());
        app.finish().await;
    }
}

#[tokio::test]
async fn a_refund_that_stripe_refuses_calls_a_person() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft_for(&alice, "Soldout").await;
    app.stripe.set_delivery(Mode::Held);
    app.stripe.fault(Endpoint::CreateRefund, Fault::Status(402));
    pay_at_once(&app, &alice, &reference).await;
    app.settle().await;
    assert_eq!(app.texts("select state from refunds").await, ["failed"]);
    assert_eq!(app.attention().await, ["refund_failed"]);
    app.finish().await;
}
