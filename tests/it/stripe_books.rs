//! Stripe's own books: events that no webhook brought, and every cent of its balance held against the ledger.

use jetbridge::sandbox::stripe::{Endpoint, Fault, Mode, Movement};
use jiff::SignedDuration;

use crate::{
    attention,
    helpers::{app::TestApp, story::GOOD_CARD},
};

/// Everything that Stripe has to say is lost on the way.
fn lose_all(app: &TestApp) {
    for event in app.stripe.held() {
        app.stripe.discard(&event.id);
    }
}

#[tokio::test]
async fn u4_what_no_webhook_brought_is_read_from_stripes_list_of_events_once() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.sweep().await;
    let reference = app.confirmed(&alice).await;
    app.stripe.set_delivery(Mode::Held);
    let intent = app.stripe.intents()[0].id.clone();
    app.stripe.refund_in_dashboard(&intent, Some(1_000)).unwrap();
    lose_all(&app);
    app.advance(SignedDuration::from_mins(20)).await;
    app.run_jobs().await;
    assert_eq!(app.count("refunds").await, 0);

    app.sweep().await;
    app.run_jobs().await;
    assert_eq!(
        app.texts("select concat_ws(' ', origin, amount_minor, state) from refunds").await,
        ["dashboard 1000 succeeded"]
    );
    assert_eq!(app.attention().await, ["webhook_silent"]);
    let events = app.count("stripe_events").await;
    for _ in 0..3 {
        app.advance(SignedDuration::from_mins(6)).await;
        app.sweep().await;
        app.run_jobs().await;
    }
    assert_eq!(app.count("stripe_events").await, events);
    assert_eq!(app.count("refunds").await, 1);
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    app.finish().await;
}

#[tokio::test]
async fn u25_webhooks_that_our_clock_refuses_are_read_from_the_list_and_somebody_is_told_of_the_clock() {
    let app = TestApp::start().await;
    app.sweep().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.set_delivery(Mode::Held);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    let event = app.stripe.held()[0].id.clone();
    let (body, signature) = app.stripe.signed(&event).unwrap();
    // To us Stripe's signatures are of twenty minutes ago.
    app.clock.advance(SignedDuration::from_mins(20));
    let guest = app.guest();
    guest.set_header("stripe-signature", &signature);
    let refused = guest.post("/webhooks/stripe", "application/json", body).await;
    assert!(refused.status.is_client_error(), "{}", refused.status);
    lose_all(&app);
    app.sweep().await;
    app.run_jobs().await;
    lose_all(&app);
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    assert_eq!(app.attention().await, ["clock_skew", "webhook_silent"]);
    app.finish().await;
}

#[tokio::test]
async fn a_stripe_that_is_down_is_read_when_it_is_back_and_nothing_is_left_out() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.sweep().await;
    app.confirmed(&alice).await;
    app.stripe.set_delivery(Mode::Held);
    let intent = app.stripe.intents()[0].id.clone();
    app.stripe.refund_in_dashboard(&intent, Some(700)).unwrap();
    lose_all(&app);
    app.stripe.outage(Some(Fault::Status(503)));
    for _ in 0..5 {
        app.advance(SignedDuration::from_hours(2)).await;
        app.try_to_sweep().await;
    }
    app.stripe.outage(None);
    app.advance(SignedDuration::from_mins(10)).await;
    app.sweep().await;
    app.settle().await;
    assert_eq!(app.count("refunds").await, 1);
    app.finish().await;
}

/// All that Stripe has moved has been held against the books.
async fn has_compared(app: &TestApp) -> bool {
    let moved = i64::try_from(app.stripe.statement().len()).unwrap();
    let since = app.stripe.statement().iter().map(|movement| movement.created).max().unwrap();
    let read = format!(
        "stripe_readings where what = 'movements' and complete_at >= to_timestamp({since}) + interval '1 hour'"
    );
    app.count("stripe_movements").await == moved && app.count(&read).await == 1
}

async fn night(app: &TestApp) {
    app.advance(SignedDuration::from_hours(24)).await;
    app.settle().await;
    app.sweep().await;
    app.settle().await;
}

async fn resolve_drift(app: &TestApp) {
    let item = attention::open_item(app, "ledger_drift").await;
    app.staff("finance").await.post_form(&format!("{item}/resolve"), &attention::WHY).await.redirect();
}

#[tokio::test]
async fn every_night_the_ledger_agrees_with_stripes_balance_and_its_fees_are_booked_once() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    app.sweep().await;
    let intent = app.stripe.intents().remove(0);
    app.stripe.refund_in_dashboard(&intent.id, Some(1_000)).unwrap();
    let dispute = app.stripe.dispute(&intent.id, Some(2_000)).unwrap();
    app.stripe.close_dispute(&dispute, true).unwrap();
    app.settle().await;
    let fees: i64 = app.stripe.statement().iter().map(|movement| movement.fee).sum();
    assert!(fees > 2_000);
    for _ in 0..2 {
        night(&app).await;
        assert_eq!(
            app.balances().await,
            [
                "agency_revenue 1000 EUR".to_owned(),
                format!("stripe_clearing {} EUR", intent.received - 1_000 - fees),
                format!("stripe_fees {fees} EUR"),
                format!("supplier_payable -{} EUR", intent.received),
            ]
        );
    }
    assert_eq!(app.count("stripe_movements").await, 4);
    assert!(app.attention().await.is_empty());
    // What Stripe owes us by its own account is what the books say it does.
    let net: i64 = app.stripe.statement().iter().map(|movement| movement.amount - movement.fee).sum();
    assert!(app.balances().await.contains(&format!("stripe_clearing {net} EUR")));
    app.finish().await;
}

#[tokio::test]
async fn an_account_in_a_currency_that_is_not_sold_here_is_compared_all_the_same() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    let paid = app.stripe.intents()[0].received;
    // As Stripe tells it to an agency in Sweden: its balance in kronor, the charge behind it in euros.
    app.stripe.tamper_statement(|lines| {
        (lines[0].currency, lines[0].amount, lines[0].fee) = ("sek".to_owned(), paid * 11, 9_900);
    });
    night(&app).await;
    assert_eq!(app.attention().await, [""; 0]);
    assert!(has_compared(&app).await);
    assert_eq!(
        app.balances().await,
        [
            "stripe_clearing -9900 SEK".to_owned(),
            format!("stripe_clearing {paid} EUR"),
            "stripe_fees 9900 SEK".to_owned(),
            format!("supplier_payable -{paid} EUR"),
        ]
    );
    // Staff see it in its own currency.
    let carol = app.carol().await;
    let reference = app.texts("select booking_reference from bookings").await.remove(0);
    carol.get(&format!("/admin/bookings/{reference}")).await.expect(200).says("SEK 9900");
    app.finish().await;
}

#[tokio::test]
async fn a_cent_that_differs_is_named_with_its_booking_and_its_payment() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    app.confirmed(&app.bob().await).await;
    let charge = app.stripe.statement()[0].source.clone();
    app.stripe.tamper_statement(|lines| lines[0].amount -= 1);
    night(&app).await;
    let told = app
        .texts(
            "select concat_ws(' ', i.kind, b.booking_reference, i.detail) from attention_items i
               join bookings b on b.id = i.booking_id where i.resolved_at is null",
        )
        .await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with(&format!("ledger_drift {reference} {charge}: ")), "{told:?}");
    assert!(told[0].contains("-1 apart"), "{told:?}");
    resolve_drift(&app).await;
    night(&app).await;
    assert_eq!(app.attention().await, [""; 0]);
    // More of it is something else.
    app.stripe.tamper_statement(|lines| {
        lines.push(Movement { id: "txn_more".to_owned(), amount: -2, fee: 0, ..lines[0].clone() });
    });
    night(&app).await;
    assert_eq!(app.attention().await, ["ledger_drift"]);
    app.finish().await;
}

#[tokio::test]
async fn money_that_moved_for_nothing_of_ours_calls_a_person_and_a_payout_does_not() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    app.sweep().await;
    let line = app.stripe.statement().remove(0);
    app.stripe.tamper_statement(|lines| {
        lines.push(Movement {
            id: "txn_foreign".to_owned(),
            source: "ch_foreign".to_owned(),
            ..line.clone()
        });
        let kind = "payout".to_owned();
        lines.push(Movement {
            id: "txn_payout".to_owned(),
            source: "po_1".to_owned(),
            kind,
            amount: -5,
            ..line
        });
    });
    night(&app).await;
    let told =
        "select concat_ws(' ', kind, subject, booking_id) from attention_items where resolved_at is null";
    assert_eq!(app.texts(told).await, ["ledger_drift txn_foreign"]);
    night(&app).await;
    assert_eq!(app.texts(told).await.len(), 1, "once");
    // Another shop on the same account, say.
    resolve_drift(&app).await;
    night(&app).await;
    assert_eq!(app.texts(told).await, [""; 0], "what was resolved comes back every night");
    app.finish().await;
}

#[tokio::test]
async fn a_charge_that_never_reached_the_books_is_found_at_night() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    // A line that our books have and Stripe has not.
    app.stripe.tamper_statement(Vec::clear);
    night(&app).await;
    let told = app
        .texts(
            "select concat_ws(' ', b.booking_reference, i.detail) from attention_items i join bookings b on b.id = i.booking_id",
        )
        .await;
    assert!(
        told.len() == 1 && told[0].starts_with(&format!("{reference} not in Stripe: 0 in Stripe")),
        "{told:?}"
    );
    app.finish().await;
}

#[tokio::test]
async fn what_was_heard_of_after_a_day_without_us_is_in_the_books_before_they_are_compared() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    app.confirmed(&app.bob().await).await;
    app.stripe.set_delivery(Mode::Held);
    let disputed = app.stripe.intents().remove(0);
    app.stripe.dispute(&disputed.id, Some(2_000)).unwrap();
    lose_all(&app);
    app.clock.advance(SignedDuration::from_hours(36));
    // The list of events is read now, and what it tells has not been done yet. Of another booking a cent is missing.
    app.stripe.tamper_statement(|lines| {
        let other = |line: &&mut Movement| {
            line.kind == "charge" && Some(&line.source) != disputed.latest_charge.as_ref()
        };
        lines.iter_mut().find(other).unwrap().amount -= 1;
    });
    app.sweep().await;
    assert!(has_compared(&app).await);
    assert_eq!(app.attention().await, ["webhook_silent", "ledger_drift"]);
    resolve_drift(&app).await;
    app.settle().await;
    night(&app).await;
    assert!(has_compared(&app).await);
    assert_eq!(app.attention().await, ["webhook_silent", "dispute"]);
    app.finish().await;
}

#[tokio::test]
async fn the_first_reading_begins_before_the_first_payment_however_late_that_was_heard_of() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.set_delivery(Mode::Held);
    app.stripe.tamper_session(&session.id, |session| session.capture_method = "automatic".to_owned());
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.clock.advance(SignedDuration::from_mins(28));
    app.stripe.deliver_held().await;
    app.settle().await;
    app.sweep().await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    app.stripe.set_delivery(Mode::Auto);
    night(&app).await;
    assert!(has_compared(&app).await);
    assert_eq!(app.attention().await, [""; 0]);
    app.finish().await;
}

#[tokio::test]
async fn a_payment_in_quarantine_is_known_at_night_as_the_booking_it_was_for() {
    let frozen = attention::Frozen::paid("automatic", attention::wrong_hash).await;
    let app = &frozen.app;
    for _ in 0..2 {
        night(app).await;
    }
    assert!(has_compared(app).await);
    assert_eq!(app.attention().await, ["payment_quarantined"]);
    frozen.app.finish().await;
}

#[tokio::test]
async fn a_night_in_which_stripe_does_not_answer_is_made_up_for_in_the_morning() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    app.stripe.tamper_statement(|lines| lines[0].amount -= 1);
    app.advance(SignedDuration::from_hours(20)).await;
    app.settle().await;
    app.stripe.fault(Endpoint::ListMovements, Fault::Status(503));
    app.try_to_sweep().await;
    assert_eq!(app.attention().await, [""; 0]);
    app.advance(SignedDuration::from_mins(6)).await;
    app.sweep().await;
    assert_eq!(app.attention().await, ["ledger_drift"]);
    app.finish().await;
}
