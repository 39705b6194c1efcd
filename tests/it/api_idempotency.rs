//! `Idempotency-Key`: the same call again is answered and not done; another call with its key is refused; nothing that an
//! answer holds lies open in the database; and nothing blocks a key for ever.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::helpers::{
    api::{code, post, program},
    app::{ALICE, BOB, PASSWORD, TestApp},
    browser::Browser,
    page::Page,
    story::SEARCH,
};

const TRAVELLER: &str = "/api/auth/travellers";

fn tom() -> Value {
    json!({ "given_names": "Tom", "family_name": "Archer", "born_on": "2018-05-03", "sex": "m" })
}

async fn alice(app: &TestApp) -> Browser {
    app.alice().await;
    program(app, ALICE, PASSWORD).await.0
}

async fn keyed(program: &Browser, key: &str, path: &str, body: Value) -> Page {
    let program = program.copy();
    program.set_header("idempotency-key", key);
    post(&program, path, body).await
}

fn is_replayed(page: &Page) -> bool {
    page.header("idempotency-replayed") == Some("true")
}

#[tokio::test]
async fn the_same_call_again_gets_the_same_answer_and_does_nothing() {
    let app = TestApp::start().await;
    let alice = alice(&app).await;
    let first = keyed(&alice, "one", TRAVELLER, tom()).await.expect(201);
    assert!(!is_replayed(&first));
    for _ in 0..2 {
        let again = keyed(&alice, "one", TRAVELLER, tom()).await.expect(201);
        assert!(is_replayed(&again));
        assert_eq!((&again.body, again.header("content-type")), (&first.body, first.header("content-type")));
    }
    assert_eq!(app.count("saved_travellers").await, 1);
    let mut ann = tom();
    ann["given_names"] = json!("Ann");
    keyed(&alice, "two", TRAVELLER, ann).await.expect(201);
    assert_eq!(app.count("saved_travellers").await, 2);
    // A refusal is an answer too, told with the id of the request that was refused.
    let refused = keyed(&alice, "three", TRAVELLER, json!({})).await.expect(422);
    let again = keyed(&alice, "three", TRAVELLER, json!({})).await.expect(422);
    assert!(is_replayed(&again));
    assert_eq!(again.body, refused.body);
    // Without a body as well.
    let program = alice.copy();
    program.set_header("idempotency-key", "four");
    let id = first.json()["id"].as_str().unwrap().to_owned();
    program.request(reqwest::Method::DELETE, &format!("{TRAVELLER}/{id}")).await.expect(204);
    let again = program.request(reqwest::Method::DELETE, &format!("{TRAVELLER}/{id}")).await.expect(204);
    assert!(is_replayed(&again));
    app.finish().await;
}

#[tokio::test]
async fn a_booking_with_its_location_is_made_once() {
    let app = TestApp::start().await;
    let alice = alice(&app).await;
    let found = alice.get(&format!("/api{SEARCH}")).await.expect(200).json();
    let body = json!({ "offer": found["items"][0]["id"] });
    let (one, two) = tokio::join!(
        keyed(&alice, "book", "/api/bookings", body.clone()),
        keyed(&alice, "book", "/api/bookings", body.clone()),
    );
    // Of two at once, one is done; the other is told to wait, or what became of it.
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert!(statuses == [201, 201] || statuses == [201, 409], "{statuses:?}");
    let again = keyed(&alice, "book", "/api/bookings", body).await.expect(201);
    assert!(is_replayed(&again));
    assert_eq!(again.header("location").unwrap().rsplit('/').next(), again.json()["reference"].as_str());
    assert_eq!(app.count("bookings").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn a_key_stands_for_one_call_of_one_person() {
    let app = TestApp::start().await;
    let alice = alice(&app).await;
    app.bob().await;
    let (bob, _) = program(&app, BOB, PASSWORD).await;
    keyed(&alice, "k", TRAVELLER, tom()).await.expect(201);
    let mut other = tom();
    other["given_names"] = "Tim".into();
    for (path, body) in
        [(TRAVELLER, other), ("/api/auth/verify/request", tom()), ("/api/auth/travellers?x=1", tom())]
    {
        assert_eq!(
            code(&keyed(&alice, "k", path, body).await.expect(422)),
            "idempotency_key_reused",
            "{path}"
        );
    }
    assert!(!is_replayed(&keyed(&bob, "k", TRAVELLER, tom()).await.expect(201)));
    // The same person in a browser is the same person.
    assert!(is_replayed(&keyed(&app.sign_in(ALICE).await, "k", TRAVELLER, tom()).await.expect(201)));
    // A guest who knows the key knows nothing.
    keyed(&app.guest(), "k", TRAVELLER, tom()).await.expect(401);
    let thief = app.guest();
    thief.set_header("authorization", "Bearer nonsense");
    keyed(&thief, "k", TRAVELLER, tom()).await.expect(401);
    for bad in ["", "a b", &"k".repeat(256)] {
        assert_eq!(
            code(&keyed(&alice, bad, TRAVELLER, tom()).await.expect(400)),
            "bad_idempotency_key",
            "{bad:.9}"
        );
    }
    // What only reads takes none.
    let reader = alice.copy();
    reader.set_header("idempotency-key", "k");
    assert!(!is_replayed(&reader.get(TRAVELLER).await.expect(200)));
    app.finish().await;
}

#[tokio::test]
async fn a_call_that_was_broken_off_waits_for_its_lock_and_is_done_then() {
    let app = TestApp::start().await;
    let alice = alice(&app).await;
    keyed(&alice, "k", TRAVELLER, tom()).await.expect(201);
    // As a crash would have left it.
    app.execute("update idempotency_keys set state = 'running', answer = null").await;
    let waiting = keyed(&alice, "k", TRAVELLER, tom()).await.expect(409);
    assert_eq!((code(&waiting).as_str(), waiting.header("retry-after")), ("call_in_flight", Some("1")));
    app.clock.advance(SignedDuration::from_mins(2));
    let done = keyed(&alice, "k", TRAVELLER, tom()).await.expect(201);
    assert!(!is_replayed(&done));
    assert!(is_replayed(&keyed(&alice, "k", TRAVELLER, tom()).await.expect(201)));
    app.finish().await;
}

#[tokio::test]
async fn a_failure_of_ours_and_a_limit_are_no_last_word() {
    let app = TestApp::start().await;
    let alice = alice(&app).await;
    let found = alice.get(&format!("/api{SEARCH}")).await.expect(200).json();
    let body = json!({ "offer": found["items"][0]["id"] });
    app.supplier().set_search_down(true);
    keyed(&alice, "k", "/api/bookings", body.clone()).await.expect(503);
    assert_eq!(app.count("idempotency_keys").await, 0);
    app.supplier().set_search_down(false);
    assert!(!is_replayed(&keyed(&alice, "k", "/api/bookings", body.clone()).await.expect(201)));
    app.execute("update rate_limits set spent_to = '2026-11-23T10:19:00Z' where rule = 'booking-account'")
        .await;
    keyed(&alice, "l", "/api/bookings", body.clone()).await.expect(429);
    app.execute("truncate rate_limits").await;
    app.clock.advance(SignedDuration::from_mins(3));
    keyed(&alice, "l", "/api/bookings", body).await.expect(201);
    app.finish().await;
}

#[tokio::test]
async fn what_an_answer_holds_is_sealed_and_strangers_fill_no_table() {
    let app = TestApp::start().await;
    app.alice().await;
    let guest = app.guest();
    let login = json!({ "email": ALICE, "password": PASSWORD });
    let first = keyed(&guest, "login", "/api/auth/login", login.clone()).await.expect(200);
    let again = keyed(&guest, "login", "/api/auth/login", login.clone()).await.expect(200);
    assert!(is_replayed(&again));
    assert_eq!(first.json()["refresh_token"], again.json()["refresh_token"]);
    let rows = app.texts("select encode(answer, 'escape') || k::text from idempotency_keys k").await;
    let token = first.json()["access_token"].as_str().unwrap().to_owned();
    assert!(rows.len() == 1 && !rows[0].contains(&token) && !rows[0].contains("login"), "{rows:?}");
    // Without the password the key alone gives nothing, and refusals of strangers are not kept.
    let wrong = json!({ "email": ALICE, "password": "not the password at all" });
    keyed(&guest, "login", "/api/auth/login", wrong.clone()).await.expect(422);
    keyed(&guest, "guess", "/api/auth/login", wrong.clone()).await.expect(401);
    keyed(&guest, "guess", "/api/auth/login", json!({})).await.expect(422);
    assert_eq!(app.count("idempotency_keys").await, 1);
    // What is read back is held against the row that it was written to.
    app.execute("update idempotency_keys set answer = '\\x00'").await;
    keyed(&guest, "login", "/api/auth/login", login.clone()).await.expect(500);
    app.clock.advance(SignedDuration::from_hours(24));
    app.sweep().await;
    assert_eq!(app.count("idempotency_keys").await, 0);
    keyed(&guest, "login", "/api/auth/login", login).await.expect(200);
    app.finish().await;
}
