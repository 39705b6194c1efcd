//! What Duffel tells by itself: believed only when signed, taken in once, and acted upon at once.

use jiff::SignedDuration;
use serde_json::json;

use super::{paid, start};
use crate::helpers::{
    app::TestApp,
    duffel::{SECRET, sign},
    page::Page,
};

async fn post(app: &TestApp, body: &str, signature: Option<&str>) -> Page {
    let duffel = app.guest();
    if let Some(signature) = signature {
        duffel.set_header("x-duffel-signature", signature);
    }
    duffel.post_from_elsewhere_raw("/webhooks/duffel", "application/json", body.to_owned()).await
}

const CHANGED: &str = "order.airline_initiated_change_detected";

#[tokio::test]
async fn a_change_by_the_airline_is_told_at_once_and_once() {
    let (app, duffel) = start().await;
    let (alice, reference, _) = paid(&app).await;
    app.settle().await;
    duffel.change(Some(SignedDuration::from_mins(65)));
    let order = duffel.orders()[0]["id"].clone();
    let (signature, body) = duffel.event("wev_change", CHANGED, json!({ "id": "aic_1", "order_id": order }));
    for _ in 0..3 {
        post(&app, &body, Some(&signature)).await.expect(200);
    }
    app.settle().await;
    assert_eq!(app.state(&reference).await.supplier, "changed_by_airline");
    assert_eq!(app.mails().await.iter().filter(|kind| *kind == "airline_change").count(), 1);
    assert_eq!(duffel.calls("changes").len(), 1);
    assert_eq!(app.count("supplier_events where booking_id is not null").await, 1);
    alice.get(&format!("/bookings/{reference}")).await.expect(200).says("11:30");
    app.finish().await;
}

#[tokio::test]
async fn flights_that_the_airline_does_not_fly_are_told_too() {
    let (app, duffel) = start().await;
    let (alice, reference, _) = paid(&app).await;
    app.settle().await;
    duffel.change(None);
    let order = duffel.orders()[0]["id"].clone();
    let (signature, body) = duffel.event("wev_change", CHANGED, json!({ "id": "aic_1", "order_id": order }));
    post(&app, &body, Some(&signature)).await.expect(200);
    app.settle().await;
    alice.get(&format!("/bookings/{reference}")).await.expect(200).says("Airline cancelled your flights");
    app.finish().await;
}

#[tokio::test]
async fn what_duffel_has_not_signed_for_us_just_now_is_refused() {
    let (app, duffel) = start().await;
    let (good, body) = duffel.event("wev_forged", CHANGED, json!({}));
    let (time, mac) = good.split_once(",v1=").unwrap();
    let old = sign(SECRET, app.now() - SignedDuration::from_secs(301), &body);
    let early = sign(SECRET, app.now() + SignedDuration::from_secs(301), &body);
    let cases = [
        ("missing", None),
        ("empty", Some(String::new())),
        ("no mac", Some(time.to_owned())),
        ("moved in time", Some(format!("t=1,v1={mac}"))),
        ("truncated", Some(good[..good.len() - 1].to_owned())),
        ("of another scheme", Some(format!("{time},v0={mac}"))),
        ("with another secret", Some(sign("whs_foreign", app.now(), &body))),
        ("of another body", Some(sign(SECRET, app.now(), "{}"))),
        ("too old", Some(old)),
        ("of the future", Some(early)),
    ];
    for (case, signature) in cases {
        let answer = post(&app, &body, signature.as_deref()).await;
        assert_eq!(answer.status.as_u16(), 422, "{case}");
    }
    assert_eq!(app.count("supplier_events").await, 0);
    for nonsense in ["", "null", "[1]", "{\"id\":7}", "\u{0}"] {
        let answer = post(&app, nonsense, Some(&sign(SECRET, app.now(), nonsense))).await;
        assert_eq!(answer.status.as_u16(), 422, "{nonsense:?}");
    }
    app.finish().await;
}

#[tokio::test]
async fn an_event_about_nothing_of_ours_is_kept_and_a_person_is_told() {
    let (app, duffel) = start().await;
    let (signature, body) = duffel.event("wev_foreign", CHANGED, json!({ "order_id": "ord_foreign" }));
    post(&app, &body, Some(&signature)).await.expect(200);
    let (signature, body) = duffel.event("wev_ping", "ping.triggered", json!({}));
    post(&app, &body, Some(&signature)).await.expect(200);
    assert_eq!(app.count("supplier_events where booking_id is null").await, 2);
    assert_eq!(app.attention().await, ["event_unmatched"]);
    app.finish().await;
}

#[tokio::test]
async fn without_duffel_there_is_no_such_address() {
    let app = TestApp::start().await;
    let body = "{}";
    let answer = post(&app, body, Some(&sign(SECRET, app.now(), body))).await;
    assert_eq!(answer.status.as_u16(), 404);
    app.finish().await;
}
