//! What pages cost in statements, and what Stripe's webhooks cost. `cargo test --test it statements -- --nocapture` prints the table.

use crate::helpers::{app::TestApp, browser::Browser, story::SEARCH};

/// Opens the page, prints what it cost, and holds it to its budget. BEGIN and ROLLBACK travel with other messages and are
/// not counted; reading the session is.
async fn open(app: &TestApp, browser: &Browser, what: &str, address: &str, most: usize) {
    // The first look fills caches: the session, the prepared statements.
    browser.get(address).await.expect(200);
    app.statements.take();
    browser.get(address).await.expect(200);
    let statements = app.statements.take();
    println!("{:>3} of {most}  {what}", statements.len());
    assert!(statements.len() <= most, "{what}: {statements:#?}");
}

#[tokio::test]
async fn statements_of_each_page_stay_within_budget() {
    let app = TestApp::start().await;
    let (guest, alice) = (app.guest(), app.alice().await);
    let draft = app.draft(&alice).await;
    let confirmed = app.confirmed(&alice).await;
    let (dora, doras) = app.dora().await;
    let carol = app.carol().await;
    let offer = guest.get(SEARCH).await.expect(200).attr("a[href^='/offers/']", "href");

    open(&app, &guest, "home, anonymous", "/", 0).await;
    open(&app, &guest, "airports", "/airports?q=lis", 0).await;
    open(&app, &guest, "sign in", "/login", 0).await;
    open(&app, &guest, "flights from memory", SEARCH, 0).await;
    open(&app, &guest, "an offer", &offer, 3).await;
    open(&app, &alice, "home, signed in", "/", 1).await;
    open(&app, &alice, "bookings", "/bookings", 3).await;
    open(&app, &alice, "a draft", &format!("/bookings/{draft}"), 6).await;
    open(&app, &alice, "passengers", &format!("/bookings/{draft}/passengers"), 6).await;
    open(&app, &alice, "review", &format!("/bookings/{draft}/review"), 6).await;
    open(&app, &alice, "a confirmed booking", &format!("/bookings/{confirmed}"), 6).await;
    open(&app, &dora, "a guest's draft", &format!("/bookings/{doras}"), 7).await;
    open(&app, &carol, "the staff's list", "/admin/bookings", 3).await;
    open(&app, &carol, "a booking for staff", &format!("/admin/bookings/{confirmed}"), 13).await;
    app.finish().await;
}

/// Stripe waits for the answer: all but keeping the event is left to jobs.
#[tokio::test]
async fn a_webhook_costs_two_statements_whatever_it_says() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    app.stripe.set_delivery(jetbridge::sandbox::stripe::Mode::Held);
    let intent = app.stripe.intents().remove(0).id;
    app.stripe.refund_in_dashboard(&intent, Some(700)).unwrap();
    for event in app.stripe.held() {
        for again in [false, true] {
            app.statements.take();
            assert_eq!(app.stripe.deliver(&event.id).await, Some(200));
            let statements = app.statements.take();
            println!("{:>3} of 2  {}, again: {again}", statements.len(), event.kind);
            assert!(statements.len() <= 2, "{}: {statements:#?}", event.kind);
        }
    }
    app.settle().await;
    app.finish().await;
}
