//! Money that goes back by another hand before we are done with it.

use jetbridge::sandbox::stripe::{Endpoint, Fault, Mode};
use jiff::SignedDuration;

use crate::helpers::{
    app::{ALICE, TestApp},
    page::Page,
    story::{GOOD_CARD, euros, state},
};

async fn page(app: &TestApp, reference: &str) -> Page {
    app.sign_in(ALICE).await.get(&format!("/bookings/{reference}")).await.expect(200)
}

/// Charged at once, and the airline does not answer yet.
async fn charged_without_tickets() -> (TestApp, String, i64, String) {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.tamper_session(&session.id, |session| session.capture_method = "automatic".to_owned());
    app.supplier().set_order_fault(Some(jetbridge::supplier::timetable::Fault::Unavailable));
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("ticketing", "ordering", &["captured"]));
    let intent = app.stripe.intents()[0].id.clone();
    (app, reference, session.amount, intent)
}

async fn the_airline_answers(app: &TestApp) {
    app.supplier().set_order_fault(None);
    app.advance(SignedDuration::from_mins(2)).await;
    app.settle().await;
}

#[tokio::test]
async fn no_ticket_is_bought_with_money_that_has_gone_back_and_somebody_is_called() {
    let (app, reference, amount, intent) = charged_without_tickets().await;
    app.stripe.refund_in_dashboard(&intent, None).unwrap();
    app.settle().await;
    assert_eq!(app.attention().await, ["refunded_ticket_live"]);
    let gone = format!("EUR {} went back to", euros(amount));
    page(&app, &reference).await.says(&format!("{gone} where you paid from"));
    the_airline_answers(&app).await;
    assert_eq!(app.state(&reference).await, state("failed", "refused", &["captured"]));
    assert_eq!(app.count("timetable.orders").await, 0);
    assert!(app.balances().await.is_empty());
    page(&app, &reference).await.says(&format!("{gone} you"));
    app.finish().await;
}

#[tokio::test]
async fn no_ticket_is_bought_with_money_that_a_bank_has_taken_back() {
    let (app, reference, amount, intent) = charged_without_tickets().await;
    let dispute = app.stripe.dispute(&intent, None).unwrap();
    app.settle().await;
    the_airline_answers(&app).await;
    assert_eq!(app.state(&reference).await, state("failed", "refused", &["captured"]));
    assert_eq!(app.count("timetable.orders").await, 0);
    app.stripe.close_dispute(&dispute, false).unwrap();
    app.settle().await;
    assert!(app.balances().await.is_empty(), "{amount} went back by the bank");
    app.finish().await;
}

#[tokio::test]
async fn what_went_back_before_the_ticket_is_ours_to_bear_and_overdraws_no_deposit() {
    let (app, reference, amount, intent) = charged_without_tickets().await;
    app.stripe.refund_in_dashboard(&intent, Some(700)).unwrap();
    app.settle().await;
    the_airline_answers(&app).await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    assert_eq!(
        app.balances().await,
        [
            "agency_revenue 700 EUR".to_owned(),
            format!("stripe_clearing {} EUR", amount - 700),
            format!("supplier_payable -{amount} EUR"),
        ]
    );
    app.finish().await;
}

#[tokio::test]
async fn a_part_that_the_dashboard_charged_buys_no_ticket() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.supplier().set_order_fault(Some(jetbridge::supplier::timetable::Fault::Unavailable));
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    let intent = app.stripe.intents()[0].id.clone();
    app.stripe.capture_in_dashboard(&intent, Some(100)).unwrap();
    app.settle().await;
    assert_eq!(app.attention().await, ["payment_quarantined"]);
    the_airline_answers(&app).await;
    assert_eq!(app.state(&reference).await.booking, "failed");
    assert_eq!(app.count("timetable.orders").await, 0);
    assert_eq!(app.balances().await, ["stripe_clearing 100 EUR", "suspense -100 EUR"]);
    app.finish().await;
}

#[tokio::test]
async fn a_part_that_the_dashboard_charged_for_tickets_that_stand_calls_somebody() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.fault(Endpoint::Capture, Fault::Status(402));
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["authorised"]));
    let intent = app.stripe.intents()[0].id.clone();
    app.stripe.capture_in_dashboard(&intent, Some(100)).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    let amount = session.amount;
    assert_eq!(
        app.balances().await,
        [
            format!("agency_revenue {} EUR", amount - 100),
            "stripe_clearing 100 EUR".to_owned(),
            format!("supplier_payable -{amount} EUR"),
        ]
    );
    assert!(app.attention().await.contains(&"payment_contradiction".to_owned()));
    app.finish().await;
}

#[tokio::test]
async fn a_dashboard_that_is_quicker_than_our_refund_is_taken_in_for_it_and_the_rest_is_asked_for_anew() {
    for by_hand in [None, Some(700)] {
        let (app, reference, amount, intent) = charged_without_tickets().await;
        // The airline never answers, so everything is owed back; and Stripe cannot be asked for it just now.
        app.stripe.fault(Endpoint::CreateRefund, Fault::TimeoutBefore);
        app.advance(SignedDuration::from_mins(50)).await;
        app.run_jobs().await;
        assert_eq!(app.state(&reference).await, state("failed", "refused", &["captured"]));
        app.stripe.set_delivery(Mode::Held);
        app.stripe.refund_in_dashboard(&intent, by_hand).unwrap();
        app.stripe.deliver_held().await;
        for _ in 0..4 {
            app.advance(SignedDuration::from_mins(61)).await;
            app.stripe.deliver_held().await;
            app.settle().await;
        }
        let refunds = "select concat_ws(' ', origin, amount_minor, state) from refunds order by origin, id";
        let ours = format!("ours {amount} failed");
        let expected = match by_hand {
            None => vec![format!("dashboard {amount} succeeded"), ours],
            Some(part) => {
                let rest = format!("ours {} succeeded", amount - part);
                vec![format!("dashboard {part} succeeded"), ours, rest]
            }
        };
        assert_eq!(app.texts(refunds).await, expected);
        assert!(app.balances().await.is_empty());
        let kinds = app.attention().await;
        assert!(!kinds.iter().any(|kind| kind.starts_with("refund")), "{kinds:?}");
        assert!(!app.mails().await.contains(&"refund_failed".to_owned()));
        let page = page(&app, &reference).await;
        page.says(&format!("EUR {} went back to you", euros(amount)));
        page.says("Refund not sent").says("Our payment desk was quicker and sent money itself");
        app.finish().await;
    }
}

#[tokio::test]
async fn a_refund_whose_event_is_the_first_that_is_heard_of_a_payment_is_taken_in_at_once() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.supplier().set_order_fault(Some(jetbridge::supplier::timetable::Fault::Unavailable));
    app.stripe.set_delivery(Mode::Held);
    app.stripe.tamper_session(&session.id, |session| session.capture_method = "automatic".to_owned());
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.stripe.refund_in_dashboard(&app.stripe.intents()[0].id, Some(700)).unwrap();
    let (told, unheard): (Vec<_>, Vec<_>) =
        app.stripe.held().into_iter().partition(|event| event.kind == "charge.refunded");
    assert_eq!((told.len(), unheard.is_empty()), (1, false));
    app.stripe.deliver(&told[0].id).await;
    app.run_jobs().await;
    assert_eq!(app.state(&reference).await, state("ticketing", "ordering", &["captured"]));
    assert_eq!(app.texts("select origin || ' ' || amount_minor from refunds").await, ["dashboard 700"]);
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn what_the_dashboard_charges_while_a_release_has_no_answer_goes_back() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Soldout").await;
    app.stripe.fault(Endpoint::Cancel, Fault::TimeoutBefore);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("failed", "refused", &["authorised"]));
    let intent = app.stripe.intents().remove(0).id;
    app.stripe.set_delivery(Mode::Held);
    app.stripe.capture_in_dashboard(&intent, None).unwrap();
    for event in app.stripe.held() {
        app.stripe.discard(&event.id);
    }
    app.advance(SignedDuration::from_mins(1)).await;
    app.run_jobs().await;
    assert_eq!(app.state(&reference).await, state("failed", "refused", &["captured"]));
    assert_eq!(app.texts("select reason || ' ' || state from refunds").await, ["not_needed succeeded"]);
    assert!(app.balances().await.is_empty());
    app.finish().await;
}
