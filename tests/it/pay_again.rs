//! U27: the airline has issued the tickets, and the money behind them is lost before it is taken. The traveller pays again,
//! or the tickets are cancelled; nobody is charged twice, and the books have what the airline keeps.

use jetbridge::sandbox::stripe::{Endpoint, Fault, Mode, Session};
use jiff::SignedDuration;
use serde_json::json;

use crate::{
    attention::open_item,
    guests::mailed_links,
    helpers::{
        api::{code, post, program},
        app::{ALICE, BOB, PASSWORD, TestApp},
        browser::Browser,
        page::Page,
        story::{DECLINED_CARD, GOOD_CARD, state},
    },
};

const PAY: &str = "form[action$='/pay']";

/// The session is paid, the tickets are issued, and then the bank lets go of what it had set aside.
async fn lose(app: &TestApp, session: &Session) {
    app.stripe.fault(Endpoint::Capture, Fault::TimeoutBefore);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    let intent = app.stripe.session(&session.id).unwrap().payment_intent.unwrap();
    app.stripe.lapse(&intent);
    app.settle().await;
}

/// Alice's tickets, and no money behind them.
async fn unpaid(family_name: &str) -> (TestApp, Browser, String) {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe(family_name).await;
    lose(&app, &session).await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["released"]));
    (app, alice, reference)
}

async fn page(browser: &Browser, reference: &str) -> Page {
    browser.get(&format!("/bookings/{reference}")).await.expect(200)
}

/// Presses "Pay" on the booking's page and lands on Stripe's.
async fn press(app: &TestApp, browser: &Browser, reference: &str) -> Session {
    let page = page(browser, reference).await;
    let to = browser.submit(&page, PAY, &[]).await.redirect();
    app.stripe.session(to.rsplit('/').next().unwrap()).unwrap_or_else(|| panic!("{to} is no session"))
}

async fn number(app: &TestApp, query: &str) -> i64 {
    app.texts(query).await[0].parse().unwrap()
}

/// What the airline did not give back of the tickets, as the books should have it.
async fn books_have_the_loss(app: &TestApp) -> i64 {
    let lost = "select (total_minor - coalesce(credit_minor, 0))::text from timetable.orders";
    let lost = number(app, lost).await;
    let books = match lost {
        0 => Vec::new(),
        lost => vec![format!("loss {lost} EUR"), format!("supplier_payable -{lost} EUR")],
    };
    assert_eq!(app.balances().await, books);
    lost
}

/// To the traveller; the agency has its alarms besides.
async fn written(app: &TestApp) -> Vec<String> {
    app.texts("select kind from mails where kind <> 'staff_alarm' order by created_at, id").await
}

async fn resolutions(app: &TestApp) -> Vec<String> {
    app.texts(
        "select resolved_reason from attention_items where resolved_at is not null and resolved_by is null",
    )
    .await
}

#[tokio::test]
async fn u27_lost_money_is_paid_again_once_and_the_item_closes_itself() {
    let (app, alice, reference) = unpaid("Duarte").await;
    let total = number(&app, "select amount_minor::text from bookings").await;
    assert_eq!(app.attention().await, ["authorisation_lost"]);
    assert_eq!(written(&app).await, ["booking_confirmation", "pay_again"]);
    let mail = app
        .mailbox
        .list()
        .into_iter()
        .find(|mail| mail.text.as_ref().is_some_and(|t| t.contains("not paid")));
    let text = mail.and_then(|mail| mail.text).expect("the mail");
    for told in ["Nothing was charged", "until 24 Nov 2026", &format!("/bookings/{reference}")] {
        assert!(text.contains(told), "{told}: {text}");
    }
    let shown = page(&alice, &reference).await;
    shown.says("Your tickets are issued, but not paid").says("Nothing was charged");
    assert!(!shown.has("a[href$='/cancel']"), "there is nothing to cancel for money");
    let record = format!("/admin/bookings/{reference}");
    let viewer = app.staff("viewer").await;
    viewer.get(&record).await.expect(200).says("To be paid by").says("24 Nov");

    let session = press(&app, &alice, &reference).await;
    assert_eq!(session.amount, total, "what was accepted");
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    alice.get(&format!("/bookings/{reference}/return")).await.redirect();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["released", "captured"]));
    let received: Vec<i64> = app.stripe.intents().iter().map(|intent| intent.received).collect();
    assert_eq!(received.iter().sum::<i64>(), total, "charged once");
    assert_eq!(written(&app).await, ["booking_confirmation", "pay_again", "payment_receipt"]);
    assert!(app.attention().await.is_empty());
    assert_eq!(resolutions(&app).await, ["The traveller has paid again."]);
    assert_eq!(app.count("ledger_transactions where kind = 'sold'").await, 1);
    assert!(!viewer.get(&record).await.expect(200).words().contains("To be paid by"));
    let shown = page(&alice, &reference).await;
    shown.says("Your card was charged");
    assert!(!shown.has(PAY));

    let books = app.balances().await;
    app.advance(SignedDuration::from_hours(48)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["released", "captured"]));
    assert_eq!(app.balances().await, books);
    app.finish().await;
}

#[tokio::test]
async fn u27_tickets_that_nobody_pays_for_in_time_are_cancelled_and_told() {
    let (app, alice, reference) = unpaid("Duarte").await;
    app.advance(SignedDuration::from_hours(22)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["released"]), "there is time");
    app.advance(SignedDuration::from_hours(1)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("cancelled", "cancelled", &["released"]));
    assert_eq!(app.texts("select ended_reason from bookings").await, ["unpaid"]);
    let lost = books_have_the_loss(&app).await;
    let calls: &[&str] = if lost == 0 { &[] } else { &["tickets_lost"] };
    assert_eq!(app.attention().await, calls);
    assert_eq!(resolutions(&app).await, ["The airline has cancelled the tickets."]);
    assert_eq!(written(&app).await, ["booking_confirmation", "pay_again", "booking_cancelled"]);
    let told = app.mailbox.list().into_iter().filter_map(|mail| mail.text).any(|text| {
        text.contains("Not paid in time") && text.contains("Nothing was charged, and you owe nothing")
    });
    assert!(told, "what happened to their money");
    page(&alice, &reference).await.says("This booking was not paid").says("you owe nothing");
    alice.post_form(&format!("/bookings/{reference}/pay"), &[("quote_hash", "x")]).await.redirect();
    assert_eq!(app.count("attempts").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn u27_an_airline_that_keeps_unpaid_tickets_calls_a_person_and_the_loss_is_in_the_books() {
    let (app, alice, reference) = unpaid("Cancelrefused").await;
    app.advance(SignedDuration::from_hours(24)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["released"]));
    assert_eq!(app.attention().await, ["authorisation_lost", "cancel_refused", "tickets_lost"]);
    assert!(books_have_the_loss(&app).await > 0);
    assert_eq!(written(&app).await, ["booking_confirmation", "pay_again"], "a person writes about it");
    let shown = page(&alice, &reference).await;
    shown.says("a person of ours writes to you about paying");
    assert!(!shown.has(PAY));
    // Once a person has taken care of it, nothing calls for one again.
    app.execute("update attention_items set resolved_at = now()").await;
    for _ in 0..2 {
        app.advance(SignedDuration::from_hours(25)).await;
        app.sweep().await;
        app.settle().await;
    }
    assert!(app.attention().await.is_empty());
    assert!(app.breaches().await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn u27_a_charge_that_stripe_refuses_for_hours_is_let_go_and_paid_again() {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Duarte").await;
    for _ in 0..7 {
        app.stripe.fault(Endpoint::Capture, Fault::Status(400));
    }
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    for hour in 0..=6 {
        app.settle().await;
        let expected = if hour < 6 { "authorised" } else { "released" };
        assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &[expected]), "after {hour} h");
        app.advance(SignedDuration::from_mins(61)).await;
    }
    assert_eq!(app.attention().await, ["capture_failed", "authorisation_lost"]);
    assert_eq!(written(&app).await, ["booking_confirmation", "pay_again"]);
    let session = press(&app, &alice, &reference).await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["released", "captured"]));
    assert!(app.attention().await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn u27_paid_at_the_very_deadline_counts_and_paid_after_it_goes_back() {
    // Stripe has the money when the time is over, and nobody has told us.
    let (app, alice, reference) = unpaid("Duarte").await;
    app.advance(SignedDuration::from_mins(22 * 60 + 40)).await;
    let session = press(&app, &alice, &reference).await;
    app.stripe.set_delivery(Mode::Held);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    for event in app.stripe.held() {
        app.stripe.discard(&event.id);
    }
    app.advance(SignedDuration::from_mins(20)).await;
    app.run_jobs().await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["released", "captured"]));
    assert!(app.attention().await.is_empty());
    app.finish().await;

    let (app, alice, reference) = unpaid("Duarte").await;
    app.advance(SignedDuration::from_mins(22 * 60 + 40)).await;
    let session = press(&app, &alice, &reference).await;
    app.advance(SignedDuration::from_mins(20)).await;
    app.settle().await;
    assert_eq!(app.stripe.session(&session.id).unwrap().status, "expired", "before the airline is asked");
    assert_eq!(app.state(&reference).await, state("cancelled", "cancelled", &["released", "expired"]));
    // Stripe would not take this payment any more; a race on its side might.
    app.stripe.tamper_session(&session.id, |session| session.status = "open".to_owned());
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("cancelled", "cancelled", &["released", "released"]));
    assert_eq!(written(&app).await.last().unwrap(), "money_returned");
    page(&alice, &reference).await.says("you owe nothing");
    app.finish().await;
}

#[tokio::test]
async fn u27_a_card_that_is_declined_leaves_the_tickets_and_the_next_one_pays() {
    let (app, alice, reference) = unpaid("Duarte").await;
    let session = press(&app, &alice, &reference).await;
    let _ = app.stripe.pay(&session.id, DECLINED_CARD);
    app.settle().await;
    let back = alice.get(&format!("/bookings/{reference}/cancelled")).await;
    alice.follow(back).await.expect(200).says("Your card was declined").says("has issued your tickets");
    // Two tabs: the same page at Stripe.
    let (one, other) = tokio::join!(press(&app, &alice, &reference), press(&app, &alice, &reference));
    assert_eq!((&one.id, &other.id), (&session.id, &session.id));
    assert_eq!(app.count("attempts").await, 2);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["released", "captured"]));
    app.finish().await;
}

#[tokio::test]
async fn u27_of_two_payments_for_lost_money_one_stays_and_a_second_loss_asks_again() {
    let (app, alice, reference) = unpaid("Duarte").await;
    let first = press(&app, &alice, &reference).await;
    app.advance(SignedDuration::from_mins(36)).await;
    app.settle().await;
    let second = press(&app, &alice, &reference).await;
    assert_ne!(first.id, second.id, "the first has run out");
    app.stripe.pay(&second.id, GOOD_CARD).unwrap();
    app.settle().await;
    app.stripe.tamper_session(&first.id, |session| {
        session.status = "open".to_owned();
        session.expires_at += 7_200;
    });
    app.stripe.pay(&first.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(
        app.state(&reference).await,
        state("confirmed", "ordered", &["released", "released", "captured"])
    );
    assert_eq!(written(&app).await.last().unwrap(), "money_returned");
    app.finish().await;

    let (app, alice, reference) = unpaid("Duarte").await;
    let session = press(&app, &alice, &reference).await;
    lose(&app, &session).await;
    assert_eq!(app.attention().await, ["authorisation_lost"]);
    assert_eq!(written(&app).await, ["booking_confirmation", "pay_again", "pay_again"]);
    let session = press(&app, &alice, &reference).await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(
        app.state(&reference).await,
        state("confirmed", "ordered", &["released", "released", "captured"])
    );
    app.finish().await;
}

#[tokio::test]
async fn a_guest_pays_again_by_the_link_in_the_mail_and_nobody_else_does() {
    let app = TestApp::start().await;
    let (dora, reference) = app.dora().await;
    let session = app.press_pay(&dora, &reference).await;
    lose(&app, &session).await;
    let link = mailed_links(&app).pop().expect("a link in the mail");
    let elsewhere = app.guest();
    let opened = elsewhere.get(&link).await;
    elsewhere.follow(opened).await.expect(200).says("Your tickets are issued, but not paid");
    let pay = format!("/bookings/{reference}/pay");
    let hash = app.texts("select quote_hash from bookings").await.remove(0);
    let bob = app.bob().await;
    bob.post_form(&pay, &[("quote_hash", &hash)]).await.expect(404);
    app.guest().post_form(&pay, &[("quote_hash", &hash)]).await.expect(401);
    assert_eq!(app.count("attempts").await, 1);
    let session = press(&app, &elsewhere, &reference).await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["released", "captured"]));
    app.finish().await;
}

#[tokio::test]
async fn a_program_sees_until_when_and_pays_again() {
    let (app, _, reference) = unpaid("Duarte").await;
    let address = format!("/api/bookings/{reference}");
    let (alice, _) = program(&app, ALICE, PASSWORD).await;
    app.bob().await;
    let (bob, _) = program(&app, BOB, PASSWORD).await;
    let booking = alice.get(&address).await.expect(200).json();
    assert_eq!(booking["next"], "pay_again");
    let until = booking["pay_until"].clone();
    assert!(until.as_str().is_some_and(|until| until.starts_with("2026-11-24T")), "{until}");
    let total = &booking["quote"]["total"];
    let accepted = json!({
        "quote_hash": booking["quote"]["hash"],
        "total": { "minor": total["minor"], "currency": total["currency"] },
    });
    let checkout = format!("{address}/checkout");
    post(&bob, &checkout, accepted.clone()).await.expect(404);
    let wrong = json!({ "quote_hash": "0".repeat(64), "total": accepted["total"] });
    assert_eq!(code(&post(&alice, &checkout, wrong).await.expect(409)), "price_changed");
    let opened = post(&alice, &checkout, accepted.clone()).await.expect(200).json();
    assert_eq!(opened["held_until"], until);
    let url = opened["checkout_url"].as_str().unwrap();
    app.stripe.pay(url.rsplit('/').next().unwrap(), GOOD_CARD).unwrap();
    app.settle().await;
    let booking = alice.get(&address).await.expect(200).json();
    assert_eq!((&booking["next"], &booking["pay_until"]), (&json!("travel"), &json!(null)));
    assert_eq!(code(&post(&alice, &checkout, accepted).await.expect(409)), "nothing_to_pay");
    app.finish().await;
}

#[tokio::test]
async fn staff_cancel_unpaid_tickets_at_once_and_an_open_payment_page_is_closed_first() {
    let (app, alice, reference) = unpaid("Duarte").await;
    let session = press(&app, &alice, &reference).await;
    let item = open_item(&app, "authorisation_lost").await;
    let act = format!("{item}/act");
    let (viewer, agent) = (app.staff("viewer").await, app.staff("agent").await);
    viewer.post_form(&act, &[]).await.expect(403);
    agent.get(&item).await.expect(200).says("Cancel the tickets now");
    agent.post_form(&act, &[]).await.redirect();
    page(&alice, &reference).await.says("Your tickets were not paid");
    app.settle().await;
    assert_eq!(app.stripe.session(&session.id).unwrap().status, "expired");
    assert_eq!(app.state(&reference).await, state("cancelled", "cancelled", &["released", "expired"]));
    assert_eq!(written(&app).await.last().unwrap(), "booking_cancelled");
    agent.post_form(&act, &[]).await.expect(409);
    assert_eq!(app.texts("select action from audit_log order by id").await, ["next_step_taken"]);
    app.finish().await;
}
