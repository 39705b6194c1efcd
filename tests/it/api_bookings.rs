//! `/api/bookings`: a program's whole way from an offer to the ticket, and what somebody else gets of it.

use jetbridge::supplier::timetable::Fault;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{
    api::{call, code, patch, pointers, post, program, program_with},
    app::{ALICE, BOB, PASSWORD, TestApp},
    browser::Browser,
    story::{GOOD_CARD, SEARCH},
};

fn people() -> Value {
    json!({
        "passengers": [
            { "given_names": "Maria Inês", "family_name": "Duarte", "born_on": "1986-12-04", "sex": "f" },
        ],
        "contact": { "email": "maria@example.com", "phone": "+351 900 000 000" },
    })
}

/// Alice's program, and an offer.
async fn alice(app: &TestApp) -> (Browser, String) {
    app.alice().await;
    let (program, _) = program(app, ALICE, PASSWORD).await;
    let offer = offer(app, &program).await;
    (program, offer)
}

async fn offer(_: &TestApp, program: &Browser) -> String {
    let found = program.get(&format!("/api{SEARCH}")).await.expect(200).json();
    found["items"][0]["id"].as_str().expect("an id").to_owned()
}

async fn booked(program: &Browser, offer: &str) -> Value {
    let mut body = people();
    body["offer"] = offer.into();
    post(program, "/api/bookings", body).await.expect(201).json()
}

fn address(booking: &Value) -> String {
    format!("/api/bookings/{}", booking["reference"].as_str().expect("a reference"))
}

fn accepting(booking: &Value) -> Value {
    let total = &booking["quote"]["total"];
    json!({
        "quote_hash": booking["quote"]["hash"],
        "total": { "minor": total["minor"], "currency": total["currency"] },
    })
}

fn session_of(url: &str) -> &str {
    url.rsplit('/').next().expect("a session id")
}

#[tokio::test]
async fn a_program_books_pays_and_reads_the_ticket() {
    let app = TestApp::start().await;
    let (alice, offer) = alice(&app).await;
    let made = post(&alice, "/api/bookings", {
        let mut body = people();
        body["offer"] = offer.as_str().into();
        body
    })
    .await
    .expect(201);
    let booking = made.json();
    let address = address(&booking);
    assert_eq!(made.header("location"), Some(address.as_str()));
    assert_eq!((booking["state"].as_str(), booking["next"].as_str()), (Some("draft"), Some("pay")));
    assert_eq!(booking["passengers"][0]["given_names"], "Maria Inês");

    let paying = post(&alice, &format!("{address}/checkout"), accepting(&booking)).await.expect(200).json();
    let url = paying["checkout_url"].as_str().unwrap().to_owned();
    assert_eq!(paying["attempt"]["state"], "open");
    // Again: the same page, no second attempt.
    let again = post(&alice, &format!("{address}/checkout"), accepting(&booking)).await.expect(200).json();
    assert_eq!(
        (again["checkout_url"].as_str(), &again["attempt"]["id"]),
        (Some(url.as_str()), &paying["attempt"]["id"])
    );
    assert_eq!(alice.get(&address).await.expect(200).json()["state"], "held");

    app.stripe.pay(session_of(&url), GOOD_CARD).expect("pays");
    app.settle().await;
    let booking = alice.get(&address).await.expect(200).json();
    assert_eq!((booking["state"].as_str(), booking["next"].as_str()), (Some("confirmed"), Some("travel")));
    assert!(
        booking["airline_reference"].is_string() && booking["passengers"][0]["ticket_number"].is_string()
    );
    let attempt = &booking["attempts"][0];
    assert_eq!((attempt["state"].as_str(), attempt["card"].as_str()), (Some("captured"), Some("visa 4242")));
    assert_eq!(attempt["charged"], booking["quote"]["total"]);
    let kinds: Vec<&str> =
        booking["timeline"].as_array().unwrap().iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert!(
        kinds.contains(&"offer_chosen")
            && kinds.contains(&"tickets_issued")
            && kinds.contains(&"payment_captured"),
        "{kinds:?}"
    );
    assert_eq!(alice.get(&format!("{address}/refunds")).await.expect(200).json(), json!({ "items": [] }));
    // Nothing to pay, and names are fixed.
    let paid = post(&alice, &format!("{address}/checkout"), accepting(&booking)).await.expect(409);
    assert_eq!(code(&paid), "nothing_to_pay");
    for change in [json!({}), people(), json!({ "contact": { "phone": "x" } })] {
        assert_eq!(code(&patch(&alice, &address, change).await.expect(409)), "passengers_fixed");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_booking_is_begun_first_and_named_later_member_by_member() {
    let app = TestApp::start().await;
    let (alice, offer) = alice(&app).await;
    let booking = post(&alice, "/api/bookings", json!({ "offer": offer })).await.expect(201).json();
    let address = address(&booking);
    assert_eq!((booking["next"].as_str(), &booking["contact"]), (Some("name"), &Value::Null));
    let early = post(&alice, &format!("{address}/checkout"), accepting(&booking)).await.expect(409);
    assert_eq!(code(&early), "passengers_missing");
    // The first time all of it is needed.
    let half = patch(&alice, &address, json!({ "contact": people()["contact"] })).await.expect(422);
    assert_eq!(
        pointers(&half),
        ["given_names", "family_name", "born_on", "sex"].map(|name| format!("/passengers/0/{name}"))
    );
    patch(&alice, &address, people()).await.expect(200);
    let changed = patch(&alice, &address, json!({ "contact": { "phone": "+351 911 111 111" } }))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (changed["contact"]["phone"].as_str(), changed["contact"]["email"].as_str()),
        (Some("+351 911 111 111"), Some("maria@example.com"))
    );
    let changed = patch(&alice, &address, json!({ "passengers": [{ "family_name": "Duarte Silva" }] }))
        .await
        .expect(200)
        .json();
    assert_eq!(changed["passengers"][0]["family_name"], "Duarte Silva");
    assert_eq!(changed["passengers"][0]["born_on"], "1986-12-04");
    assert_eq!(
        patch(&alice, &address, json!({})).await.expect(200).json()["passengers"],
        changed["passengers"]
    );
    // What is not theirs to change.
    for (body, place) in [
        (json!({ "state": "confirmed" }), "/state"),
        (json!({ "quote": { "total": { "minor": 1, "currency": "EUR" } } }), "/quote"),
        (json!({ "passengers": [{ "ticket_number": "1" }] }), "/passengers/0/ticket_number"),
        (json!({ "passengers": [{}, {}] }), "/passengers"),
        (json!({ "passengers": [{ "kind": "infant" }] }), "/passengers/0/kind"),
        (json!({ "passengers": [{ "passport": { "number": "CA123456" } }] }), "/passengers/0/passport"),
        (json!({ "passengers": [{ "born_on": "1886-12-04" }] }), "/passengers/0/born_on"),
        (json!({ "passengers": [{ "given_names": "Ma\u{0}ria" }] }), "/passengers/0/given_names"),
        (json!({ "contact": { "email": "maria" } }), "/contact/email"),
    ] {
        let refused = patch(&alice, &address, body.clone()).await.expect(422);
        assert_eq!(pointers(&refused), [place], "{body}");
    }
    assert_eq!(alice.get(&address).await.expect(200).json()["passengers"], changed["passengers"]);
    app.finish().await;
}

#[tokio::test]
async fn a_refused_booking_leaves_nothing_behind() {
    let app = TestApp::start().await;
    let (alice, offer) = alice(&app).await;
    let mut wrong = people();
    wrong["offer"] = offer.as_str().into();
    wrong["passengers"][0]["born_on"] = "4.12.1986".into();
    wrong["contact"]["email"] = "".into();
    let refused = post(&alice, "/api/bookings", wrong).await.expect(422);
    assert_eq!(pointers(&refused), ["/passengers/0/born_on", "/contact/email"]);
    for (body, place) in [
        (json!({}), "/offer"),
        (json!({ "offer": "" }), "/offer"),
        (json!({ "offer": "ö" }), "/offer"),
        (json!({ "offer": "x".repeat(3_000) }), "/offer"),
        (json!({ "offer": 7 }), "/offer"),
        (json!({ "offer": offer, "user": "x" }), "/user"),
        (json!({ "offer": offer, "passengers": "x" }), "/passengers"),
    ] {
        assert_eq!(
            pointers(&post(&alice, "/api/bookings", body.clone()).await.expect(422)),
            [place],
            "{body}"
        );
    }
    assert_eq!(
        code(&post(&alice, "/api/bookings", json!({ "offer": "nonsense" })).await.expect(410)),
        "offer_gone"
    );
    app.clock.advance(SignedDuration::from_mins(31));
    let (alice, _) = program(&app, ALICE, PASSWORD).await;
    assert_eq!(
        code(&post(&alice, "/api/bookings", json!({ "offer": offer })).await.expect(410)),
        "offer_expired"
    );
    assert_eq!(app.count("bookings").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn nobody_else_finds_reads_changes_or_pays_it() {
    let app = TestApp::start().await;
    let (alice, offer) = alice(&app).await;
    let booking = booked(&alice, &offer).await;
    let address = address(&booking);
    app.bob().await;
    let (bob, _) = program(&app, BOB, PASSWORD).await;
    let (dora, draft) = app.dora().await;
    let missing = "/api/bookings/ACDEFG";
    let without_chance =
        |page: &crate::helpers::page::Page| page.body.replace(page.header("x-request-id").unwrap(), "");
    for (method, tail, body) in [
        (Method::GET, "", Value::Null),
        (Method::GET, "/refunds", Value::Null),
        (Method::PATCH, "", people()),
        (Method::PATCH, "", json!({})),
        (Method::POST, "/checkout", accepting(&booking)),
        (Method::POST, "/checkout", json!({})),
    ] {
        let foreign = call(&bob, method.clone(), &format!("{address}{tail}"), body.clone()).await.expect(404);
        let never = call(&bob, method.clone(), &format!("{missing}{tail}"), body.clone()).await.expect(404);
        assert_eq!(without_chance(&foreign), without_chance(&never), "{method} {tail}");
        // A link opens pages, not the API; and the account's API does not open what belongs to no account.
        call(&dora, method.clone(), &format!("/api/bookings/{draft}{tail}"), body.clone()).await.expect(401);
        call(&alice, method.clone(), &format!("/api/bookings/{draft}{tail}"), body.clone()).await.expect(404);
        call(&app.guest(), method, &format!("{address}{tail}"), body).await.expect(401);
    }
    assert_eq!(bob.get("/api/bookings").await.expect(200).json()["items"], json!([]));
    for odd in ["nonsense", "%00", "..%2f", "ACDEF", &"A".repeat(5_000)] {
        assert_eq!(code(&alice.get(&format!("/api/bookings/{odd}")).await.expect(404)), "not_found");
    }
    let spoken = booking["reference"].as_str().unwrap().to_lowercase();
    assert_eq!(
        alice.get(&format!("/api/bookings/{spoken}")).await.expect(200).json()["reference"],
        booking["reference"]
    );
    // The browser of its owner does as well as the program.
    app.sign_in(ALICE).await.get(&address).await.expect(200);
    let reader = program_with(&app, ALICE, "bookings:read").await;
    reader.get(&address).await.expect(200);
    assert_eq!(code(&patch(&reader, &address, json!({})).await.expect(403)), "insufficient_scope");
    assert_eq!(
        code(&post(&reader, "/api/bookings", json!({ "offer": offer })).await.expect(403)),
        "insufficient_scope"
    );
    let writer = program_with(&app, ALICE, "bookings:write").await;
    writer.get("/api/bookings").await.expect(403);
    app.finish().await;
}

#[tokio::test]
async fn the_list_goes_on_by_its_cursor_and_stays_true_while_bookings_are_added() {
    let app = TestApp::start().await;
    let (alice, offer) = alice(&app).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(
            post(&alice, "/api/bookings", json!({ "offer": offer })).await.expect(201).json()["reference"]
                .clone(),
        );
        app.clock.advance(SignedDuration::from_secs(1));
    }
    made.reverse();
    let mut found = Vec::new();
    let mut next = "/api/bookings?limit=2".to_owned();
    loop {
        let page = alice.get(&next).await.expect(200).json();
        found.extend(page["items"].as_array().unwrap().iter().map(|line| line["reference"].clone()));
        if found.len() == 2 {
            post(&alice, "/api/bookings", json!({ "offer": offer })).await.expect(201);
        }
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("/api/bookings?limit=2&cursor={cursor}");
    }
    assert_eq!(found, made);
    for (query, told) in [
        ("?limit=0", &["/limit"][..]),
        ("?limit=101&cursor=x", &["/cursor", "/limit"]),
        ("?limit=-1", &["/limit"]),
        ("?before=x", &["/before"]),
        ("?cursor=1.2", &["/cursor"]),
        ("?cursor=9223372036854775807.00000000-0000-0000-0000-000000000000", &["/cursor"]),
    ] {
        let answer = alice.get(&format!("/api/bookings{query}")).await.expect(422);
        assert_eq!(pointers(&answer), told, "{query}");
    }
    app.finish().await;
}

#[tokio::test]
async fn only_what_was_accepted_is_paid() {
    let app = TestApp::start().await;
    let (alice, offer) = alice(&app).await;
    let booking = booked(&alice, &offer).await;
    let checkout = format!("{}/checkout", address(&booking));
    for (body, told) in [
        (json!({}), vec!["/quote_hash", "/total"]),
        (json!({ "quote_hash": "x" }), vec!["/total"]),
        (json!({ "quote_hash": "x", "total": { "minor": 1, "currency": "XXX" } }), vec!["/total/currency"]),
        (json!({ "quote_hash": "x", "total": { "minor": 1.5, "currency": "EUR" } }), vec!["/total/minor"]),
        (json!({ "quote_hash": "x", "total": { "minor": 1, "currency": "EUR" }, "x": 1 }), vec!["/x"]),
    ] {
        assert_eq!(pointers(&post(&alice, &checkout, body.clone()).await.expect(422)), told, "{body}");
    }
    let good = accepting(&booking);
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for body in [
        with("quote_hash", "0".repeat(64).into()),
        with("total", json!({ "minor": 1, "currency": "EUR" })),
        with("total", json!({ "minor": good["total"]["minor"], "currency": "JPY" })),
    ] {
        let refused = post(&alice, &checkout, body.clone()).await.expect(409);
        assert_eq!(code(&refused), "price_changed", "{body}");
        assert_eq!(refused.json()["about"]["quote"], booking["quote"]);
    }
    // The airline asks for more: nothing is held until the new total is accepted.
    app.supplier().set_price_up(10);
    let raised = post(&alice, &checkout, good.clone()).await.expect(409).json();
    let quote = &raised["about"]["quote"];
    assert_eq!(quote["raised_from"], booking["quote"]["total"]);
    assert_eq!(code(&post(&alice, &checkout, good.clone()).await.expect(409)), "price_changed");
    assert_eq!(app.count("attempts").await, 0);
    let paying = post(&alice, &checkout, accepting(&json!({ "quote": quote }))).await.expect(200).json();
    assert_eq!(paying["attempt"]["amount"], quote["total"]);
    // Two at once find one attempt.
    let (one, two) = tokio::join!(
        post(&alice, &checkout, accepting(&json!({ "quote": quote }))),
        post(&alice, &checkout, accepting(&json!({ "quote": quote }))),
    );
    assert_eq!(one.expect(200).json()["checkout_url"], two.expect(200).json()["checkout_url"]);
    assert_eq!(app.count("attempts").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn seats_that_are_gone_and_a_silent_stripe_are_told() {
    let app = TestApp::start().await;
    let (alice, offer) = alice(&app).await;
    let booking = booked(&alice, &offer).await;
    let checkout = format!("{}/checkout", address(&booking));
    app.supplier().set_hold_fault(Some(Fault::SoldOut));
    assert_eq!(code(&post(&alice, &checkout, accepting(&booking)).await.expect(409)), "seats_gone");
    app.supplier().set_hold_fault(Some(Fault::Unavailable));
    assert_eq!(code(&post(&alice, &checkout, accepting(&booking)).await.expect(503)), "upstream_unavailable");
    app.supplier().set_hold_fault(None);
    post(&alice, &checkout, accepting(&booking)).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn passports_are_taken_and_only_their_end_is_told() {
    let app = TestApp::start().await;
    app.alice().await;
    let (alice, _) = program(&app, ALICE, PASSWORD).await;
    let far = SEARCH.replace("to=LHR", "to=JFK");
    let found = alice.get(&format!("/api{far}")).await.expect(200).json();
    let asking = found["items"].as_array().unwrap().iter().find(|offer| offer["needs_passports"] == true);
    let mut body = people();
    body["offer"] = asking.expect("an offer that needs passports")["id"].clone();
    let missing = post(&alice, "/api/bookings", body.clone()).await.expect(422);
    assert_eq!(
        pointers(&missing),
        ["number", "country", "expires_on"].map(|name| format!("/passengers/0/passport/{name}"))
    );
    body["passengers"][0]["passport"] =
        json!({ "number": "ca 123 442", "country": "PT", "expires_on": "2031-04-30" });
    let made = post(&alice, "/api/bookings", body).await.expect(201);
    assert!(!made.body.contains("123442"), "{}", made.body);
    let booking = made.json();
    assert_eq!(
        booking["passengers"][0]["passport"],
        json!({ "ends_in": "42", "country": "PT", "expires_on": "2031-04-30" })
    );
    // It stays with the person, and not with another.
    let address = address(&booking);
    let renewed =
        patch(&alice, &address, json!({ "passengers": [{ "passport": { "expires_on": "2032-04-30" } }] }))
            .await
            .expect(200);
    assert_eq!(renewed.json()["passengers"][0]["passport"]["ends_in"], "42");
    let another =
        patch(&alice, &address, json!({ "passengers": [{ "family_name": "Silva" }] })).await.expect(422);
    assert_eq!(pointers(&another), ["/passengers/0/passport/number"]);
    app.finish().await;
}

#[tokio::test]
async fn beginning_very_many_bookings_has_to_wait_whatever_the_network() {
    let app = TestApp::start().await;
    let (alice, offer) = alice(&app).await;
    post(&alice, "/api/bookings", json!({ "offer": offer })).await.expect(201);
    app.execute("update rate_limits set spent_to = '2026-11-23T11:00:00Z' where rule = 'booking-account'")
        .await;
    let refused = post(&alice, "/api/bookings", json!({ "offer": offer })).await.expect(429);
    assert_eq!(code(&refused), "too_many_requests");
    assert_eq!(app.count("bookings").await, 1);
    app.finish().await;
}
