//! `DELETE /api/bookings/{reference}`: exactly what was quoted, once, however often and by however many it is asked for at once.

use jetbridge::sandbox::stripe::Paid;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::Value;

use crate::helpers::{
    api::{code, pointers, program, program_with},
    app::{ALICE, BOB, PASSWORD, TestApp},
    browser::Browser,
    page::Page,
    story::GOOD_CARD,
};

/// Alice's program, and the address of a booking of hers with tickets. The agency's free time makes every fare quotable.
async fn ticketed() -> (TestApp, Browser, String) {
    let app = TestApp::start_with(&[("FREE_CANCEL_HOURS", "24"), ("FREE_CANCEL_DAYS_AHEAD", "7")]).await;
    let reference = app.confirmed(&app.alice().await).await;
    let (program, _) = program(&app, ALICE, PASSWORD).await;
    (app, program, reference)
}

async fn delete(program: &Browser, reference: &str, query: &str) -> Page {
    program.request(Method::DELETE, &format!("/api/bookings/{reference}{query}")).await
}

async fn desk(program: &Browser, reference: &str) -> Value {
    program.get(&format!("/api/bookings/{reference}/cancel-quote")).await.expect(200).json()
}

async fn quoted(program: &Browser, reference: &str) -> (String, Value) {
    let quote = desk(program, reference).await["quote"].clone();
    (format!("?quote={}", quote["id"].as_str().expect("an id")), quote)
}

#[tokio::test]
async fn a_ticketed_booking_is_cancelled_by_the_quote_that_was_seen_and_the_money_goes_back() {
    let (app, alice, reference) = ticketed().await;
    // Looking changes nothing, and looked at again it is the same quote.
    let seen = desk(&alice, &reference).await;
    assert_eq!((seen["outcome"].as_str(), &seen["obstacle"]), (Some("quote"), &Value::Null));
    assert_eq!(desk(&alice, &reference).await, seen);
    let unseen = delete(&alice, &reference, "").await.expect(409);
    assert_eq!((code(&unseen).as_str(), &unseen.json()["about"]["quote"]), ("quote_needed", &seen["quote"]));
    assert_eq!(app.state(&reference).await.booking, "confirmed");

    let (query, quote) = quoted(&alice, &reference).await;
    let begun = delete(&alice, &reference, &query).await.expect(202).json();
    assert_eq!((begun["state"].as_str(), &begun["cancellation"]), (Some("cancelling"), &quote));
    // Called again before and after the airline has answered: nothing more is done.
    assert_eq!(delete(&alice, &reference, &query).await.expect(202).json(), begun);
    assert_eq!(code(&delete(&alice, &reference, "").await.expect(409)), "cancelling");
    app.settle().await;
    let ended = delete(&alice, &reference, &query).await.expect(200).json();
    assert_eq!(
        (ended["state"].as_str(), &ended["refunds"][0]["amount"]),
        (Some("cancelled"), &quote["back"])
    );
    assert_eq!(app.count("refunds").await, 1);
    assert_eq!(app.count("booking_events where kind = 'cancel_accepted'").await, 1);
    let desk = desk(&alice, &reference).await;
    assert_eq!((desk["outcome"].as_str(), desk["obstacle"].as_str()), (Some("not_now"), Some("ended")));
    assert_eq!(code(&delete(&alice, &reference, "").await.expect(409)), "ended");
    app.finish().await;
}

#[tokio::test]
async fn a_quote_that_has_lapsed_or_was_never_hers_cancels_nothing_and_the_present_one_is_told() {
    let (app, alice, reference) = ticketed().await;
    let (stale, old) = quoted(&alice, &reference).await;
    app.advance(SignedDuration::from_mins(31)).await;
    let (alice, _) = program(&app, ALICE, PASSWORD).await;
    for query in [stale.as_str(), "?quote=01900000-0000-7000-8000-000000000000"] {
        let refused = delete(&alice, &reference, query).await.expect(409);
        let now = refused.json()["about"]["quote"].clone();
        assert_eq!((code(&refused).as_str(), &now["back"]), ("quote_changed", &old["back"]));
        assert_ne!(now["id"], old["id"]);
    }
    for (query, place) in [("?quote=x", "/quote"), ("?qoute=x", "/qoute"), ("?quote=a&quote=b", "/quote")] {
        assert_eq!(pointers(&delete(&alice, &reference, query).await.expect(422)), [place]);
    }
    // Of another booking of her own.
    let another = app.confirmed(&app.sign_in(ALICE).await).await;
    let (foreign, _) = quoted(&alice, &another).await;
    assert_eq!(code(&delete(&alice, &reference, &foreign).await.expect(409)), "quote_changed");
    for reference in [&reference, &another] {
        assert_eq!(app.state(reference).await.booking, "confirmed");
    }
    assert_eq!(app.count("cancel_quotes where accepted_at is not null").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn two_at_once_and_the_same_key_again_cancel_once() {
    let (app, alice, reference) = ticketed().await;
    let (query, _) = quoted(&alice, &reference).await;
    let (one, two) = tokio::join!(delete(&alice, &reference, &query), delete(&alice, &reference, &query));
    assert_eq!(one.expect(202).json(), two.expect(202).json());
    assert_eq!(app.count("booking_events where kind = 'cancel_accepted'").await, 1);

    // With a key the answer is that of the first time, whatever has become of the booking since.
    let keyed = alice.copy();
    keyed.set_header("idempotency-key", "cancel-1");
    let first = delete(&keyed, &reference, &query).await.expect(202);
    app.settle().await;
    let again = delete(&keyed, &reference, &query).await.expect(202);
    assert_eq!((again.header("idempotency-replayed"), &again.body), (Some("true"), &first.body));
    // The key stands for this quote, not for any.
    let other = delete(&keyed, &reference, "?quote=01900000-0000-7000-8000-000000000000").await.expect(422);
    assert_eq!(code(&other), "idempotency_key_reused");
    assert_eq!(app.count("refunds").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn what_is_not_paid_is_given_up_and_can_be_paid_by_nobody() {
    let app = TestApp::start().await;
    let browser = app.alice().await;
    let (alice, _) = program(&app, ALICE, PASSWORD).await;
    let draft = app.draft(&browser).await;
    assert_eq!(desk(&alice, &draft).await["outcome"], "give_up");
    let unpaid = delete(&alice, &draft, "?quote=01900000-0000-7000-8000-000000000000").await.expect(409);
    assert_eq!(code(&unpaid), "not_paid");
    // A quote that is empty is a program's mistake, and no word to give anything up.
    for query in ["?quote=", "?quote", "?quote=&", "?&"] {
        assert_eq!(pointers(&delete(&alice, &draft, query).await.expect(422)), ["/quote"], "{query}");
    }
    assert_eq!(app.state(&draft).await.booking, "draft");
    let (one, two) = tokio::join!(delete(&alice, &draft, ""), delete(&alice, &draft, ""));
    for answer in [one, two, delete(&alice, &draft, "").await] {
        let booking = answer.expect(200).json();
        assert_eq!(
            (booking["state"].as_str(), booking["ended_reason"].as_str()),
            (Some("cancelled"), Some("dropped"))
        );
    }

    // Somebody stands on the payment page: it is closed first.
    let held = app.draft(&browser).await;
    let session = app.press_pay(&browser, &held).await;
    delete(&alice, &held, "").await.expect(200);
    assert_eq!(app.stripe.pay(&session.id, GOOD_CARD).expect("an answer"), Paid::Closed);
    app.settle().await;
    assert_eq!(app.count("ledger_entries").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_card_that_was_accepted_first_wins_and_the_booking_is_not_given_up() {
    let app = TestApp::start().await;
    let browser = app.alice().await;
    let (alice, _) = program(&app, ALICE, PASSWORD).await;
    let held = app.draft(&browser).await;
    let session = app.press_pay(&browser, &held).await;
    app.stripe.pay(&session.id, GOOD_CARD).expect("pays");
    // Stripe's word has not come yet, and here it comes while DELETE asks.
    let (answer, ()) = tokio::join!(delete(&alice, &held, ""), app.settle());
    let told = code(&answer.expect(409));
    assert!(
        ["cannot_drop", "being_booked", "quote_needed", "airline_decides"].contains(&told.as_str()),
        "{told}"
    );
    app.settle().await;
    assert_eq!(app.state(&held).await.booking, "confirmed");
    assert_eq!(app.state(&held).await.attempts, ["captured"]);
    app.finish().await;
}

#[tokio::test]
async fn a_quote_taken_while_the_money_is_being_charged_gives_back_what_was_charged() {
    let app = TestApp::start_with(&[("FREE_CANCEL_HOURS", "24"), ("FREE_CANCEL_DAYS_AHEAD", "7")]).await;
    let browser = app.alice().await;
    let (alice, _) = program(&app, ALICE, PASSWORD).await;
    for _ in 0..3 {
        let reference = app.draft(&browser).await;
        let session = app.press_pay(&browser, &reference).await;
        app.stripe.pay(&session.id, GOOD_CARD).expect("pays");
        let racing = async {
            // As soon as there are tickets there is a quote: before the capture it releases, after it it refunds.
            for _ in 0..200 {
                let quote = desk(&alice, &reference).await["quote"].clone();
                let Some(id) = quote["id"].as_str() else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let answer = delete(&alice, &reference, &format!("?quote={id}")).await;
                if answer.status == 202 || answer.status == 200 {
                    return;
                }
                assert_eq!(code(&answer), "quote_changed");
            }
        };
        tokio::join!(racing, app.settle());
        let state = app.state(&reference).await;
        if state.booking == "confirmed" {
            let (query, _) = quoted(&alice, &reference).await;
            delete(&alice, &reference, &query).await.expect(202);
        }
        app.settle().await;
        assert_eq!(app.state(&reference).await.booking, "cancelled");
    }
    // All of it is back with alice; what the airline keeps is the agency's promise.
    let open = app.balances().await;
    let ours = |line: &String| line.starts_with("agency_revenue") || line.starts_with("supplier_payable");
    assert!(open.iter().all(ours), "{open:?}");
    app.finish().await;
}

#[tokio::test]
async fn nobody_else_quotes_or_cancels_it() {
    let (app, alice, reference) = ticketed().await;
    let (query, _) = quoted(&alice, &reference).await;
    app.bob().await;
    let (bob, _) = program(&app, BOB, PASSWORD).await;
    let (_, guests) = app.dora().await;
    let reader = program_with(&app, ALICE, "bookings:read").await;
    for tail in ["", &query, "?quote=x"] {
        let foreign = delete(&bob, &reference, tail).await.expect(404);
        let never = delete(&bob, "ACDEFG", tail).await.expect(404);
        let without_id = |page: &Page| page.body.replace(page.header("x-request-id").unwrap(), "");
        assert_eq!(without_id(&foreign), without_id(&never));
        delete(&app.guest(), &reference, tail).await.expect(401);
        delete(&alice, &guests, tail).await.expect(404);
        assert_eq!(code(&delete(&reader, &reference, tail).await.expect(403)), "insufficient_scope");
    }
    bob.get(&format!("/api/bookings/{reference}/cancel-quote")).await.expect(404);
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    app.finish().await;
}
