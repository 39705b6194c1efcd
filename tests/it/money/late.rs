//! Money that comes late, twice, or for something else than was accepted.

use jetbridge::sandbox::stripe::{Endpoint, Fault, Mode};
use jiff::SignedDuration;
use sqlx::Connection;

use super::endpoints;
use crate::helpers::{
    app::{ALICE, TestApp},
    story::{DECLINED_CARD, GOOD_CARD, state},
};

#[tokio::test]
async fn u1_paid_in_time_but_heard_of_only_when_the_hold_lapses_is_still_ticketed() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.set_delivery(Mode::Held);
    app.advance(SignedDuration::from_mins(30)).await;
    app.stripe.outage(Some(Fault::TimeoutBefore));
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.advance(SignedDuration::from_mins(20)).await;
    app.run_jobs().await;
    assert_eq!(
        app.state(&reference).await,
        state("held", "none", &["open"]),
        "Stripe has not said that it is over"
    );

    app.stripe.outage(None);
    app.advance(SignedDuration::from_mins(10)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    app.finish().await;
}

#[tokio::test]
async fn u1_paid_after_the_booking_was_dropped_is_released_and_told() {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Duarte").await;
    alice.post_form(&format!("/bookings/{reference}/drop"), &[]).await.redirect();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("cancelled", "none", &["expired"]));

    // Stripe would not take this payment any more; a race on its side might.
    app.stripe.tamper_session(&session.id, |session| session.status = "open".to_owned());
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("cancelled", "none", &["released"]));
    assert_eq!(app.stripe.intents()[0].status, "canceled");
    assert_eq!(app.mails().await, ["money_returned"]);
    app.finish().await;
}

#[tokio::test]
async fn u1_paid_after_the_hold_had_lapsed_gets_the_seats_if_they_are_still_there() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.advance(SignedDuration::from_mins(50)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("expired", "none", &["expired"]));

    app.stripe.tamper_session(&session.id, |session| {
        session.status = "open".to_owned();
        session.expires_at += 3_600;
    });
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    app.finish().await;
}

#[tokio::test]
async fn u1_paid_after_the_hold_had_lapsed_goes_back_where_the_seats_are_gone_or_dearer() {
    for (name, reason) in [("Soldout", "sold_out"), ("Priceup", "price_up")] {
        let app = TestApp::start().await;
        let (alice, reference, session) = app.at_stripe(name).await;
        app.advance(SignedDuration::from_mins(50)).await;
        app.settle().await;
        assert_eq!(app.state(&reference).await, state("expired", "none", &["expired"]));

        app.stripe.tamper_session(&session.id, |session| {
            session.status = "open".to_owned();
            session.expires_at += 3_600;
        });
        app.stripe.pay(&session.id, GOOD_CARD).unwrap();
        app.settle().await;
        assert_eq!(app.state(&reference).await, state("failed", "refused", &["released"]));
        assert_eq!(app.texts("select ended_reason from bookings").await, [reason]);
        let intent = &app.stripe.intents()[0];
        assert_eq!((intent.status.as_str(), intent.received), ("canceled", 0));
        assert_eq!(app.mails().await, ["hold_expired", "not_ticketed"]);
        assert!(app.balances().await.is_empty());
        alice.get(&format!("/bookings/{reference}")).await.expect(200).says("was released");
        app.finish().await;
    }
}

#[tokio::test]
async fn a_hold_that_nobody_pays_lapses_and_gives_the_seats_back() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    app.press_pay(&alice, &reference).await;
    assert_eq!(app.texts("select held::text from timetable.inventory").await, ["1"]);
    app.advance(SignedDuration::from_mins(50)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("expired", "none", &["expired"]));
    assert_eq!(app.texts("select held::text from timetable.inventory").await, ["0"]);
    assert_eq!(app.mails().await, ["hold_expired"]);
    alice.get(&format!("/bookings/{reference}")).await.expect(200).says("Nothing was charged");
    app.finish().await;
}

#[tokio::test]
async fn u17_a_second_attempt_that_is_paid_too_is_released_and_the_booking_is_untouched() {
    let app = TestApp::start().await;
    let (alice, reference, first) = app.at_stripe("Duarte").await;
    app.advance(SignedDuration::from_mins(36)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("held", "none", &["expired"]));
    let second = app.press_pay(&alice, &reference).await;
    app.stripe.pay(&second.id, GOOD_CARD).unwrap();
    app.settle().await;
    app.stripe.tamper_session(&first.id, |session| {
        session.status = "open".to_owned();
        session.expires_at += 7_200;
    });
    app.stripe.pay(&first.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["released", "captured"]));
    let told = ["hold_lapsing", "booking_confirmation", "payment_receipt", "money_returned"];
    assert_eq!(app.mails().await, told);
    app.finish().await;
}

#[tokio::test]
async fn u18_a_late_failure_of_an_old_attempt_touches_that_attempt_only() {
    let app = TestApp::start().await;
    let (alice, reference, first) = app.at_stripe("Duarte").await;
    app.stripe.set_delivery(Mode::Held);
    app.stripe.pay(&first.id, DECLINED_CARD).unwrap();
    let declined: Vec<String> = app.stripe.held().iter().map(|event| event.id.clone()).collect();
    app.advance(SignedDuration::from_mins(36)).await;
    app.run_jobs().await;
    let second = app.press_pay(&alice, &reference).await;
    app.stripe.pay(&second.id, GOOD_CARD).unwrap();
    app.run_jobs().await;
    alice.get(&format!("/bookings/{reference}/return")).await;
    app.run_jobs().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["expired", "captured"]));
    for event in declined {
        assert_eq!(app.stripe.deliver(&event).await, Some(200));
    }
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["expired", "captured"]));
    app.finish().await;
}

#[tokio::test]
async fn u19_a_payment_that_differs_from_what_was_accepted_is_quarantined_and_fulfils_nothing() {
    type Change = fn(&mut jetbridge::sandbox::stripe::Intent);
    let changes: [(&str, Change); 5] = [
        ("amount", |intent| intent.amount += 1),
        ("currency", |intent| intent.currency = "usd".to_owned()),
        ("livemode", |intent| intent.livemode = true),
        ("quote_hash", |intent| {
            intent.metadata.insert("quote_hash".to_owned(), "0".repeat(64));
        }),
        ("reference", |intent| {
            intent.metadata.insert("booking_reference".to_owned(), "AAAAAA".to_owned());
        }),
    ];
    for (why, change) in changes {
        let app = TestApp::start().await;
        let (_, reference, session) = app.at_stripe("Duarte").await;
        app.stripe.set_delivery(Mode::Held);
        app.stripe.pay(&session.id, GOOD_CARD).unwrap();
        let intent = app.stripe.intents()[0].id.clone();
        app.stripe.tamper_intent(&intent, change);
        app.settle().await;
        assert_eq!(app.state(&reference).await, state("held", "none", &["open"]), "{why}");
        assert_eq!(app.texts("select quarantined from attempts").await, [why]);
        assert_eq!(app.attention().await, ["payment_quarantined"]);
        assert_eq!(app.count("timetable.orders").await, 0);
        assert!(!endpoints(&app).contains(&Endpoint::Capture));

        // Until a person has looked, the booking is frozen: it neither lapses nor can be paid or dropped.
        app.advance(SignedDuration::from_mins(50)).await;
        app.settle().await;
        assert_eq!(app.state(&reference).await, state("held", "none", &["open"]), "{why}");
        let alice = app.sign_in(ALICE).await;
        app.submit_pay(&alice, &reference).await.redirect();
        assert_eq!(app.count("attempts").await, 1, "{why}");
        alice.post_form(&format!("/bookings/{reference}/drop"), &[]).await.expect(409);
        app.finish().await;
    }
}

#[tokio::test]
async fn u16_a_dispute_calls_a_person() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    let intent = app.stripe.intents()[0].id.clone();
    let body = serde_json::json!({
        "id": "evt_dispute", "object": "event", "type": "charge.dispute.created", "livemode": false,
        "created": app.now().as_second(), "api_version": "2026-09-30.endive", "pending_webhooks": 1,
        "data": { "object": { "id": "dp_1", "object": "dispute", "payment_intent": intent } },
    })
    .to_string();
    let guest = app.guest();
    guest.set_header("stripe-signature", &app.stripe.sign(&body));
    guest.post("/webhooks/stripe", "application/json", body).await.expect(200);
    app.settle().await;
    assert!(app.attention().await.contains(&"dispute".to_owned()));
    app.finish().await;
}

#[tokio::test]
async fn an_event_about_nothing_of_ours_is_parked_for_three_days_and_then_shown_to_staff() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    app.stripe.set_delivery(Mode::Held);
    let session = app.press_pay(&alice, &reference).await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    let event = app.stripe.held()[0].id.clone();
    let (body, _) = app.stripe.signed(&event).unwrap();
    let attempt = app.texts("select id::text from attempts").await.remove(0);
    let body = body
        .replace(&attempt, "01900000-0000-7000-8000-000000000000")
        .replace(&session.id, "cs_test_somebodyelse")
        .replace(&app.stripe.intents()[0].id, "pi_somebodyelse")
        .replace(&event, "evt_somebodyelse");
    let guest = app.guest();
    guest.set_header("stripe-signature", &app.stripe.sign(&body));
    guest.post("/webhooks/stripe", "application/json", body).await.expect(200);
    app.settle().await;
    let of_it = "select state from stripe_events where id = 'evt_somebodyelse'";
    assert_eq!(app.texts(of_it).await, ["parked"]);
    app.advance(SignedDuration::from_hours(73)).await;
    app.settle().await;
    assert_eq!(app.texts(of_it).await, ["abandoned"]);
    assert_eq!(app.attention().await, ["event_unmatched"]);
    app.finish().await;
}

/// Whoever sends money back reads the booking and its payments one after the other, and in between the booking may come to
/// live on one of them. Staged by hand: the payments are locked, and what a late payment does is done meanwhile.
#[tokio::test]
async fn u1_money_that_a_booking_takes_while_it_is_about_to_go_back_stays() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.advance(SignedDuration::from_mins(50)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("expired", "none", &["expired"]));
    app.stripe.set_delivery(Mode::Held);
    app.stripe.tamper_session(&session.id, |session| {
        session.status = "open".to_owned();
        session.expires_at += 3_600;
    });
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    let intent = app.stripe.intents().remove(0).id;
    app.execute(
        "insert into outbox (kind, subject, due_at) select 'return_money', id::text, '2026-11-23' from bookings",
    )
    .await;

    let mut sql = app.sql().await;
    let mut payments = sql.begin().await.unwrap();
    sqlx::raw_sql("lock table attempts in access exclusive mode").execute(&mut *payments).await.unwrap();
    let late = async {
        app.until_somebody_waits().await;
        let take = format!(
            "set local session_replication_role = replica;
             update attempts set state = 'authorised', payment_intent_id = '{intent}';
             update bookings set booking_status = 'ticketing', ended_reason = null,
                                 secured_by = (select id from attempts)"
        );
        sqlx::raw_sql(&take).execute(&mut *payments).await.unwrap();
        payments.commit().await.unwrap();
    };
    tokio::join!(app.run_jobs(), late);
    assert_eq!(app.count("outbox where kind = 'return_money' and state = 'done'").await, 1);
    assert_eq!(app.stripe.intents()[0].status, "requires_capture", "nothing was let go");
    assert_eq!(app.state(&reference).await, state("ticketing", "none", &["authorised"]));
    app.abandon_jobs();
    app.finish().await;
}
