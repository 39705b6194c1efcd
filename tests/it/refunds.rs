//! Money that was charged before there was a ticket: methods that cannot be authorised first, and second payments.

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
    for fault in [Fault::TimeoutBefore, Fault::TimeoutAfter, Fault::Status(500), Fault::Status(429)] {
        let app = TestApp::start().await;
        let alice = app.alice().await;
        let reference = app.draft_for(&alice, "Soldout").await;
        app.stripe.fault(Endpoint::CreateRefund, fault);
        pay_at_once(&app, &alice, &reference).await;
        app.settle().await;
        // Where it was done after all, its own event settles it before we ask.
        let settled = if fault == Fault::TimeoutAfter { "succeeded" } else { "submit_unknown" };
        assert_eq!(app.texts("select state from refunds").await, [settled], "{fault:?}");
        app.advance(SignedDuration::from_mins(5)).await;
        app.settle().await;
        assert_eq!(app.texts("select state from refunds").await, ["succeeded"], "{fault:?}");
        assert_eq!(app.stripe.refunds().len(), 1, "{fault:?}");
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
async fn u14_a_refund_made_in_stripes_dashboard_calls_a_person() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    let intent = app.stripe.intents()[0].id.clone();
    app.stripe.refund_in_dashboard(&intent, Some(1_000)).unwrap();
    app.settle().await;
    assert_eq!(app.attention().await, ["refund_not_ours"]);
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    app.finish().await;
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
