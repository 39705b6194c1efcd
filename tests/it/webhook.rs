//! The webhook believes only what Stripe has signed just now, takes it once, and answers nonsense with a 4xx.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::helpers::{app::TestApp, page::Page};

const ADDRESSES: [&str; 2] = ["/webhooks/stripe", "/api/payment/webhook"];

fn event(id: &str) -> Value {
    json!({
        "id": id, "object": "event", "type": "jetbridge.unknown", "created": 1_795_424_400, "livemode": false,
        "api_version": "2026-09-30.endive", "pending_webhooks": 1, "request": null,
        "data": { "object": { "object": "customer", "id": "cus_1" } }
    })
}

/// Posts as Stripe does: no cookie, no origin.
async fn post(app: &TestApp, address: &str, body: impl Into<String>, signature: Option<&str>) -> Page {
    let guest = app.guest();
    if let Some(signature) = signature {
        guest.set_header("stripe-signature", signature);
    }
    guest.post_from_elsewhere_raw(address, "application/json", body.into()).await
}

#[tokio::test]
async fn a_signed_event_is_taken_in_once_however_often_it_comes() {
    let app = TestApp::start().await;
    let body = event("evt_once").to_string();
    for address in ADDRESSES {
        for _ in 0..3 {
            post(&app, address, &body, Some(&app.stripe.sign(&body))).await.expect(200);
        }
    }
    assert_eq!(app.count("stripe_events").await, 1);
    app.run_jobs().await;
    assert_eq!(app.count("stripe_events where settled_at is null").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn an_event_that_cannot_be_written_holds_up_none_of_those_that_come_with_it() {
    let app = TestApp::start().await;
    app.execute("alter table stripe_events add constraint broken check (id <> 'evt_3')").await;
    let http = jetbridge::outgoing::client().build().unwrap();
    let mut posts = tokio::task::JoinSet::new();
    // Each of them twice.
    for n in (0..12).chain(0..12) {
        let body = event(&format!("evt_{n}")).to_string();
        let signature = app.stripe.sign(&body);
        let request =
            http.post(app.url.join(ADDRESSES[n % 2]).unwrap()).header("stripe-signature", signature);
        let request = request.header("content-type", "application/json").body(body);
        posts.spawn(async move { (n, request.send().await.unwrap().status().as_u16()) });
    }
    for (n, status) in posts.join_all().await {
        assert_eq!(status, if n == 3 { 500 } else { 200 }, "evt_{n}");
    }
    assert_eq!(app.count("stripe_events").await, 11);
    assert_eq!(app.count("outbox where kind = 'apply_event'").await, 11);
    app.execute("alter table stripe_events drop constraint broken").await;
    let body = event("evt_3").to_string();
    post(&app, ADDRESSES[0], &body, Some(&app.stripe.sign(&body))).await.expect(200);
    app.settle().await;
    assert_eq!(app.count("stripe_events where settled_at is not null").await, 12);
    app.finish().await;
}

#[tokio::test]
async fn what_stripe_has_not_signed_for_us_is_refused() {
    let app = TestApp::start().await;
    let body = event("evt_forged").to_string();
    let good = app.stripe.sign(&body);
    let other_body = app.stripe.sign("{}");
    let foreign =
        stripe_webhook::Webhook::generate_test_header(&body, "whsec_foreign", Some(app.now().as_second()));
    let (time, mac) = good.split_once(",v1=").unwrap();
    let cases = [
        ("missing", None),
        ("empty", Some(String::new())),
        ("nonsense", Some("nonsense".to_owned())),
        ("no mac", Some(time.to_owned())),
        ("of another body", Some(other_body)),
        ("with another secret", Some(foreign)),
        ("moved in time", Some(format!("t=1,v1={mac}"))),
        ("truncated", Some(good[..good.len() - 1].to_owned())),
        ("of another scheme", Some(format!("{time},v0={mac}"))),
        ("very long", Some("v1=".to_owned() + &"a".repeat(6_000))),
    ];
    for address in ADDRESSES {
        for (name, signature) in &cases {
            let page = post(&app, address, &body, signature.as_deref()).await;
            assert!(page.status.is_client_error(), "{name}: {}", page.status);
            assert_eq!(page.header("content-type"), Some("application/problem+json"), "{name}");
        }
    }
    assert_eq!(app.count("stripe_events").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn an_old_signature_and_one_from_the_future_are_refused() {
    let app = TestApp::start().await;
    let body = event("evt_old").to_string();
    let signature = app.stripe.sign(&body);
    app.clock.advance(SignedDuration::from_secs(301));
    let page = post(&app, ADDRESSES[0], &body, Some(&signature)).await;
    assert!(page.status.is_client_error(), "{}", page.status);
    post(&app, ADDRESSES[0], &body, Some(&app.stripe.sign(&body))).await.expect(200);
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn what_is_signed_but_makes_no_sense_is_kept_calls_a_person_and_never_blocks_the_next() {
    let app = TestApp::start().await;
    let with = |key: &str, value: Value| {
        let mut event = event("evt_odd");
        event[key] = value;
        event.to_string()
    };
    let bodies = [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "{".to_owned(),
        "{}".to_owned(),
        "\u{0}".to_owned(),
        with("id", json!("evt with spaces")),
        with("id", json!("x".repeat(10_000))),
        with("id", json!(17)),
        with("type", json!("")),
        with("type", json!("x".repeat(1_000))),
        with("created", json!(i64::MAX)),
        with("livemode", json!("yes")),
        with("livemode", json!(null)),
    ];
    for body in &bodies {
        for _ in 0..2 {
            post(&app, ADDRESSES[0], body, Some(&app.stripe.sign(body))).await.expect(200);
        }
    }
    let kept = i64::try_from(bodies.len()).unwrap();
    assert_eq!(app.count("stripe_events where state = 'unreadable'").await, kept);
    app.run_jobs().await;
    assert_eq!(app.attention().await, vec!["event_unreadable"; bodies.len()]);
    let good = event("evt_good").to_string();
    post(&app, ADDRESSES[0], &good, Some(&app.stripe.sign(&good))).await.expect(200);
    app.run_jobs().await;
    assert_eq!(app.count("stripe_events where id = 'evt_good' and state = 'ignored'").await, 1);
    let agent = app.staff("agent").await;
    agent.get("/admin/events?state=unreadable").await.expect(200).says("nameless");
    app.finish().await;
}

#[tokio::test]
async fn an_event_may_say_whatever_it_likes_about_its_object() {
    let app = TestApp::start().await;
    let data = [
        json!({ "object": { "object": "customer", "name": "a\u{0}b", "description": "c\u{0}" } }),
        json!({ "object": { "object": "payment_intent", "id": "pi\u{0}" } }),
        json!(null),
        json!({ "object": "x".repeat(200_000) }),
    ];
    for (place, data) in data.iter().enumerate() {
        let mut event = event(&format!("evt_{place}"));
        event["data"] = data.clone();
        let body = event.to_string();
        post(&app, ADDRESSES[0], &body, Some(&app.stripe.sign(&body))).await.expect(200);
    }
    app.run_jobs().await;
    assert_eq!(app.count("stripe_events").await, 4);
    assert_eq!(app.count("stripe_events where state = 'received'").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn known_events_about_things_that_are_not_ours_are_parked_not_lost() {
    let app = TestApp::start().await;
    for kind in [
        "checkout.session.completed",
        "payment_intent.succeeded",
        "charge.refunded",
        "charge.dispute.created",
    ] {
        let object = kind.rsplit_once('.').unwrap().0;
        let mut event = event(&format!("evt_{}", kind.replace('.', "_")));
        event["type"] = json!(kind);
        event["data"]["object"] = json!({ "object": object, "id": "xx_1" });
        let body = event.to_string();
        post(&app, ADDRESSES[0], &body, Some(&app.stripe.sign(&body))).await.expect(200);
    }
    app.run_jobs().await;
    assert_eq!(app.count("stripe_events").await, 4);
    assert_eq!(app.count("bookings").await, 0);
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn only_posts_of_a_sensible_size_are_read() {
    let app = TestApp::start().await;
    app.get(ADDRESSES[0]).await.expect(405);
    let huge = "x".repeat(3_000_000);
    post(&app, ADDRESSES[0], huge, Some("t=1,v1=00")).await.expect(413);
    app.finish().await;
}
