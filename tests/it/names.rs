//! Names and contact that are changed while somebody may be paying: the payment page is closed first, or nothing changes.

use jetbridge::sandbox::stripe::{Endpoint, Fault, Mode, Paid};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::helpers::{
    api::{code, patch, post, program},
    app::{ALICE, PASSWORD, TestApp},
    browser::Browser,
    page::Page,
    story::{GOOD_CARD, passenger, state},
};

/// The bank says later whether it pays.
const DIRECT_DEBIT: &str = "AT32 1904 3002 3547 3204";
const UNPAID_DIRECT_DEBIT: &str = "AT86 1904 3002 3547 3202";

async fn rename(browser: &Browser, reference: &str) -> Page {
    browser.post_form(&format!("/bookings/{reference}/passengers"), &passenger("Silva")).await
}

async fn names(app: &TestApp) -> Vec<String> {
    app.texts("select family_name from passengers").await
}

#[tokio::test]
async fn a_payment_that_is_made_already_keeps_its_names() {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.set_delivery(Mode::Held);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    assert_eq!(app.state(&reference).await, state("held", "none", &["open"]), "nobody has told us");
    rename(&alice, &reference).await.expect(409).says("its names can no longer be changed here");
    assert_eq!(names(&app).await, ["Duarte"]);
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    app.finish().await;
}

#[tokio::test]
async fn a_payment_on_its_way_keeps_its_names_until_it_has_come_to_nothing() {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.pay(&session.id, UNPAID_DIRECT_DEBIT).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("held", "none", &["processing"]));
    rename(&alice, &reference).await.expect(409).says("A payment is under way").says("Nothing was changed");
    assert_eq!(names(&app).await, ["Duarte"]);
    // What is known already is no change.
    let page = alice.get(&format!("/bookings/{reference}/passengers")).await.expect(200);
    alice.submit(&page, "form#who", &[]).await.redirect();
    app.advance(SignedDuration::from_mins(4)).await;
    app.stripe.sweep();
    app.settle().await;
    rename(&alice, &reference).await.redirect();
    assert_eq!(names(&app).await, ["Silva"]);
    app.finish().await;
}

#[tokio::test]
async fn while_stripe_does_not_say_that_its_page_is_closed_no_name_changes() {
    for fault in [Fault::TimeoutBefore, Fault::TimeoutAfter, Fault::StickyStatus(500)] {
        let app = TestApp::start().await;
        let (alice, reference, session) = app.at_stripe("Duarte").await;
        app.stripe.fault(Endpoint::ExpireSession, fault);
        rename(&alice, &reference).await.expect(503).says("No name was changed");
        assert_eq!(names(&app).await, ["Duarte"], "{fault:?}");
        rename(&alice, &reference).await.redirect();
        assert_eq!(names(&app).await, ["Silva"], "{fault:?}");
        assert_eq!(app.stripe.pay(&session.id, GOOD_CARD).unwrap(), Paid::Closed, "{fault:?}");
        let again = app.press_pay(&alice, &reference).await;
        app.stripe.pay(&again.id, GOOD_CARD).unwrap();
        app.settle().await;
        assert_eq!(
            app.state(&reference).await,
            state("confirmed", "ordered", &["expired", "captured"]),
            "{fault:?}"
        );
        app.finish().await;
    }
}

/// Nobody was sent to the page yet, but it may be there, with the address of the contact on it.
#[tokio::test]
async fn a_payment_page_that_stripe_has_not_confirmed_keeps_its_names_too() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    app.stripe.outage(Some(Fault::TimeoutAfter));
    app.submit_pay(&alice, &reference).await;
    rename(&alice, &reference).await.expect(409).says("A payment is under way");
    app.stripe.outage(None);
    rename(&alice, &reference).await.redirect();
    assert_eq!(names(&app).await, ["Silva"]);
    assert_eq!(app.state(&reference).await, state("held", "none", &["expired"]));
    app.settle().await;
    app.finish().await;
}

#[tokio::test]
async fn a_program_that_changes_a_name_has_to_check_out_again() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    let (alice, _) = program(&app, ALICE, PASSWORD).await;
    let address = format!("/api/bookings/{reference}");
    let booking = alice.get(&address).await.expect(200).json();
    let total = &booking["quote"]["total"];
    let accepted = json!({
        "quote_hash": booking["quote"]["hash"],
        "total": { "minor": total["minor"], "currency": total["currency"] },
    });
    let url_of = |answer: Value| answer["checkout_url"].as_str().unwrap().to_owned();
    let checkout = format!("{address}/checkout");
    let first = url_of(post(&alice, &checkout, accepted.clone()).await.expect(200).json());
    assert!(first.ends_with(&session.id));
    let same = json!({ "passengers": [{ "family_name": "Duarte" }] });
    patch(&alice, &address, same).await.expect(200);
    assert_eq!(url_of(post(&alice, &checkout, accepted.clone()).await.expect(200).json()), first);
    let other = json!({ "passengers": [{ "family_name": "Silva" }] });
    app.stripe.fault(Endpoint::ExpireSession, Fault::TimeoutBefore);
    let silent = patch(&alice, &address, other.clone()).await.expect(503);
    assert_eq!(code(&silent), "upstream_unavailable");
    let changed = patch(&alice, &address, other).await.expect(200).json();
    assert_eq!(changed["passengers"][0]["family_name"], "Silva");
    assert_eq!(changed["attempts"][0]["state"], "expired");
    let second = url_of(post(&alice, &checkout, accepted).await.expect(200).json());
    assert_ne!(second, first);
    app.stripe.pay(second.rsplit('/').next().unwrap(), DIRECT_DEBIT).unwrap();
    app.settle().await;
    let contact = json!({ "contact": { "phone": "+351 911 111 111" } });
    assert_eq!(code(&patch(&alice, &address, contact).await.expect(409)), "being_paid");
    app.advance(SignedDuration::from_mins(4)).await;
    app.stripe.sweep();
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    app.finish().await;
}
