//! Space is kept in names. Whoever corrects one pays for a ticket in the new name, or for none.

use jetbridge::sandbox::stripe::Paid;
use jiff::SignedDuration;
use serde_json::Value;
use sqlx::Connection;

use super::{Duffel, start};
use crate::helpers::{
    app::TestApp,
    browser::Browser,
    duffel::Fault,
    story::{GOOD_CARD, passenger, state},
};

async fn rename(browser: &Browser, reference: &str, family_name: &str) {
    let page = browser.get(&format!("/bookings/{reference}/passengers")).await.expect(200);
    page.says("a payment page that you have opened is closed");
    let saved = browser.submit(&page, "form#who", &[("p1_family", family_name)]).await;
    assert_eq!(saved.redirect(), format!("/bookings/{reference}/review"));
}

/// Of each order in the order asked: kind and name.
fn asked(duffel: &Duffel) -> Vec<String> {
    let told = |data: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        format!("{} {}", text(&data["type"]), text(&data["passengers"][0]["family_name"]))
    };
    duffel.calls("order").iter().map(|call| told(&call.body["data"])).collect()
}

/// Whether each order stands, in the order made.
fn standing(duffel: &Duffel) -> Vec<bool> {
    duffel.orders().iter().map(|order| order["cancelled_at"].is_null()).collect()
}

fn status(app: &TestApp, session: &str) -> String {
    app.stripe.session(session).unwrap().status
}

#[tokio::test]
async fn a_name_corrected_while_the_payment_page_is_open_is_the_name_that_is_paid_for() {
    let (app, duffel) = start().await;
    let (alice, reference, first) = app.at_stripe("Duarte").await;
    rename(&alice, &reference, "Silva").await;
    // Nobody can pay for the old name any more, and the seats are not lost over it.
    assert_eq!(status(&app, &first.id), "expired");
    assert_eq!(app.stripe.pay(&first.id, GOOD_CARD).unwrap(), Paid::Closed);
    assert_eq!(app.state(&reference).await, state("held", "none", &["expired"]));
    assert_eq!(standing(&duffel), [true]);
    let second = app.press_pay(&alice, &reference).await;
    assert_eq!(asked(&duffel), ["hold Duarte", "hold Silva"]);
    assert_eq!(standing(&duffel), [false, true]);
    app.stripe.pay(&second.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["expired", "captured"]));
    let paid = &duffel.calls("pay")[0].body["data"]["order_id"];
    assert_eq!((paid, duffel.calls("pay").len()), (&duffel.orders()[1]["id"], 1));
    assert_eq!(app.stripe.intents().iter().map(|intent| intent.received).sum::<i64>(), 12_050);
    app.finish().await;
}

#[tokio::test]
async fn another_contact_is_the_airlines_too_and_what_is_known_already_changes_nothing() {
    let (app, duffel) = start().await;
    let (alice, reference, first) = app.at_stripe("Duarte").await;
    rename(&alice, &reference, "Duarte").await;
    assert_eq!(status(&app, &first.id), "open");
    assert_eq!(app.press_pay(&alice, &reference).await.id, first.id);
    assert_eq!((asked(&duffel).len(), duffel.calls("quote").len()), (1, 0), "the same space");
    let mut typed = passenger("Duarte");
    typed[7] = ("phone", "+351 911 111 111");
    alice.post_form(&format!("/bookings/{reference}/passengers"), &typed).await.redirect();
    assert_eq!(status(&app, &first.id), "expired");
    let second = app.press_pay(&alice, &reference).await;
    app.stripe.pay(&second.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["expired", "captured"]));
    let person = &duffel.calls("order")[1].body["data"]["passengers"][0];
    assert_eq!(person["phone_number"], "+351911111111");
    app.finish().await;
}

/// Whatever becomes of giving the old space back: a press later the seats are kept in the new name.
#[tokio::test]
async fn space_in_the_old_name_that_cannot_be_given_back_is_not_paid_for_either() {
    for (what, fault) in [
        ("quote", Fault::Says(503, "service_unavailable")),
        ("cancel", Fault::Says(503, "service_unavailable")),
        ("cancel", Fault::GarbageAfter),
    ] {
        let (app, duffel) = start().await;
        let (alice, reference, _) = app.at_stripe("Duarte").await;
        rename(&alice, &reference, "Silva").await;
        duffel.next(what, &[fault]);
        let refused = app.submit_pay(&alice, &reference).await.expect(503);
        refused.says("The airline system does not answer just now. Nothing was charged.");
        let session = app.press_pay(&alice, &reference).await;
        assert_eq!(asked(&duffel), ["hold Duarte", "hold Silva"], "{what} {fault:?}");
        app.stripe.pay(&session.id, GOOD_CARD).unwrap();
        app.settle().await;
        assert_eq!(app.state(&reference).await.booking, "confirmed", "{what} {fault:?}");
        assert_eq!(standing(&duffel), [false, true], "{what} {fault:?}");
        app.finish().await;
    }
}

/// The second guard: names that changed past everything that closes the payment page.
#[tokio::test]
async fn space_that_is_kept_in_other_names_is_given_back_and_the_tickets_are_bought_in_the_right_ones() {
    let (app, duffel) = start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    let mut sql = app.sql().await;
    let renamed = sqlx::query("update passengers set family_name = 'Silva'").execute(&mut sql).await;
    assert_eq!(renamed.unwrap().rows_affected(), 1);
    sql.close().await.unwrap();
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("ticketing", "ordering", &["authorised"]));
    app.advance(SignedDuration::from_secs(30)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    assert_eq!(asked(&duffel), ["hold Duarte", "instant Silva"]);
    assert_eq!((standing(&duffel), duffel.calls("pay").len()), (vec![false, true], 0));
    // Kept for as long as it is needed.
    assert_eq!(app.count("duffel_orders where party is not null").await, 0);
    app.finish().await;
}
