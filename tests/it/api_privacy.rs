//! Taking one's data along, and leaving, as a program does it. What the file holds and what is forgotten is told in `privacy`.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{
    api::{call, code, pointers, post, program, program_with},
    app::{ALICE, BOB, CAROL, PASSWORD, TestApp},
    browser::Browser,
    page::Page,
};

const EXPORT: &str = "/api/auth/export";
const WRONG: &str = "not my password at all";

async fn leave(program: &Browser, body: Value) -> Page {
    call(program, Method::DELETE, "/api/auth/me", body).await
}

fn proof() -> Value {
    json!({ "password": PASSWORD })
}

#[tokio::test]
async fn a_program_takes_along_what_the_page_gives_and_only_for_the_password() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    app.bob().await;
    let (program, _) = program(&app, ALICE, PASSWORD).await;
    for wrong in [json!({}), json!({ "password": "" }), json!({ "password": WRONG })] {
        let refused = post(&program, EXPORT, wrong).await.expect(422);
        assert_eq!(pointers(&refused), ["/password"]);
    }
    let told = post(&program, EXPORT, proof()).await.expect(200);
    assert_eq!(told.header("cache-control"), Some("private, no-store"));
    assert_eq!(told.header("content-type"), Some("application/json"));
    let page = alice.post_form("/account/export", &[("password", PASSWORD)]).await.expect(200);
    assert_eq!(told.json(), page.json());
    assert_eq!(told.json()["account"]["email"], ALICE);
    assert_eq!(told.json()["bookings"].as_array().map(Vec::len), Some(1));
    assert!(!told.body.contains(BOB));
    // The browser has the same by its cookie.
    assert_eq!(post(&alice, EXPORT, proof()).await.expect(200).json(), page.json());
    post(&app.guest(), EXPORT, proof()).await.expect(401);
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn the_export_is_told_once_and_no_key_keeps_a_copy_of_it() {
    let app = TestApp::start().await;
    app.alice().await;
    let (program, _) = program(&app, ALICE, PASSWORD).await;
    program.set_header("idempotency-key", "one");
    for _ in 0..2 {
        let told = post(&program, EXPORT, proof()).await.expect(200);
        assert_eq!(told.header("idempotency-replayed"), None);
        assert_eq!(app.count("idempotency_keys").await, 0);
    }
    app.finish().await;
}

#[tokio::test]
async fn the_export_holds_bookings_too_so_a_token_needs_the_scopes_of_both() {
    let app = TestApp::start().await;
    app.alice().await;
    for scope in ["account:read account:write", "bookings:read bookings:write account:write"] {
        let narrow = program_with(&app, ALICE, scope).await;
        let refused = post(&narrow, EXPORT, proof()).await.expect(403);
        assert_eq!(code(&refused), "insufficient_scope");
    }
    let reader = program_with(&app, ALICE, "account:read bookings:read").await;
    post(&reader, EXPORT, proof()).await.expect(200);
    assert_eq!(code(&leave(&reader, proof()).await.expect(403)), "insufficient_scope");
    assert_eq!(app.count("auth.users where deleted_at is null").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn guesses_of_the_password_are_counted_with_those_on_the_pages() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let (program, _) = program(&app, ALICE, PASSWORD).await;
    let mut last = post(&program, EXPORT, json!({ "password": WRONG })).await;
    for _ in 0..20 {
        if last.status == 429 {
            break;
        }
        last = leave(&program, json!({ "password": WRONG })).await;
    }
    assert_eq!(code(&last.expect(429)), "too_many_requests");
    alice.post_form("/account/delete", &[("password", PASSWORD)]).await.expect(429);
    assert_eq!(app.count("auth.users where deleted_at is null").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn a_program_deletes_the_account_and_every_device_and_program_ends() {
    let app = TestApp::start().await;
    let (browser, bob) = (app.alice().await, app.bob().await);
    let draft = app.draft(&browser).await;
    let (program, tokens) = program(&app, ALICE, PASSWORD).await;
    let other = program_with(&app, ALICE, "account:read").await;
    for wrong in [json!({}), json!({ "password": WRONG })] {
        assert_eq!(pointers(&leave(&program, wrong).await.expect(422)), ["/password"]);
    }
    other.get("/api/auth/me").await.expect(200);
    assert_eq!(leave(&program, proof()).await.expect(204).body, "");
    for gone in [&program, &other, &browser] {
        gone.get("/api/auth/me").await.expect(401);
    }
    leave(&program, proof()).await.expect(401);
    let again = json!({ "refresh_token": tokens["refresh_token"] });
    post(&app.guest(), "/api/auth/refresh", again).await.expect(401);
    let login = json!({ "email": ALICE, "password": PASSWORD });
    post(&app.guest(), "/api/auth/login", login).await.expect(401);
    assert_eq!(app.state(&draft).await.booking, "cancelled");
    bob.get("/api/auth/me").await.expect(200);
    assert_eq!(app.count("auth.devices").await, 1);
    assert_eq!(app.count("auth.token_families").await, 0);
    app.run_jobs().await;
    let told = |to: &str| {
        let mails = app.mailbox.list().into_iter();
        mails.filter(|mail| mail.envelope.to == [to] && mail.subject.contains("deleted")).count()
    };
    assert_eq!((told(ALICE), told(BOB)), (1, 0));
    assert_eq!(
        app.texts(&format!("select to_address from mails where to_address = '{ALICE}'")).await,
        [""; 0]
    );
    app.finish().await;
}

#[tokio::test]
async fn a_browser_may_delete_by_its_cookie_and_no_other_site_may() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    alice.set_header("sec-fetch-site", "cross-site");
    assert_eq!(code(&leave(&alice, proof()).await.expect(403)), "foreign_origin");
    alice.set_header("sec-fetch-site", "same-origin");
    leave(&alice, proof()).await.expect(204);
    alice.get("/account").await.redirect();
    assert_eq!(app.count("auth.users where deleted_at is null").await, 0);
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn nobody_leaves_while_money_is_open_and_the_answer_says_which_and_why() {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Duarte").await;
    let (program, _) = program(&app, ALICE, PASSWORD).await;
    let why = async |expected: &str, says: &str| {
        let refused = leave(&program, proof()).await.expect(409);
        assert_eq!(code(&refused), "bookings_open");
        let told = refused.json();
        assert_eq!(told["about"], json!({ "open": [{ "reference": reference, "why": expected }] }));
        let detail = told["detail"].as_str().expect("a detail");
        assert!(detail.starts_with("Nothing was deleted.") && detail.contains(&reference), "{detail}");
        assert!(detail.contains(says), "{detail}");
        assert_eq!(app.count("auth.users where deleted_at is null").await, 1);
    };
    why("held", "seats are held").await;
    app.stripe.pay(&session.id, crate::helpers::story::GOOD_CARD).expect("pays");
    app.settle().await;
    why("travel", "you travel until Mon 14 Dec 2026").await;
    // Not for whoever does not know the password.
    leave(&program, json!({ "password": WRONG })).await.expect(422);
    drop(alice);
    app.finish().await;
}

#[tokio::test]
async fn whoever_has_a_second_factor_shows_a_fresh_code_for_both() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let phone = app.second_factor(&alice).await;
    let with = |code: &str| json!({ "password": PASSWORD, "code": code });
    assert_eq!(code(&post(&alice, EXPORT, proof()).await.expect(403)), "second_factor_required");
    assert_eq!(code(&leave(&alice, proof()).await.expect(403)), "second_factor_required");
    assert_eq!(pointers(&post(&alice, EXPORT, with("000 000")).await.expect(422)), ["/code"]);
    assert_eq!(pointers(&leave(&alice, with("no code")).await.expect(422)), ["/code"]);
    // A wrong password is told first, and spends no code.
    let fresh = app.fresh_code(&phone);
    let wrong = json!({ "password": WRONG, "code": fresh });
    assert_eq!(pointers(&post(&alice, EXPORT, wrong).await.expect(422)), ["/password"]);
    post(&alice, EXPORT, with(&fresh)).await.expect(200);
    // A code counts once.
    assert_eq!(pointers(&leave(&alice, with(&fresh)).await.expect(422)), ["/code"]);
    app.clock.advance(SignedDuration::from_mins(2));
    leave(&alice, with(&phone.recovery_codes[0])).await.expect(204);
    assert_eq!(app.count("auth.second_factors").await, 0);
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn a_member_of_the_agency_is_removed_by_an_owner_first() {
    let app = TestApp::start().await;
    app.carol().await;
    let (carol, _) = program(&app, CAROL, PASSWORD).await;
    assert_eq!(code(&leave(&carol, proof()).await.expect(409)), "staff_account");
    assert_eq!(app.count(&format!("auth.users where email = '{CAROL}'")).await, 1);
    app.finish().await;
}

#[tokio::test]
async fn the_address_that_is_asked_for_is_told_until_it_counts_or_runs_out() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let pending = async || {
        let me = alice.get("/api/auth/me").await.expect(200).json();
        (me["email"].clone(), me["pending_email"].clone())
    };
    assert_eq!(pending().await, (json!(ALICE), Value::Null));
    let ask = json!({ "email": "alice@elsewhere.example", "password": PASSWORD });
    post(&alice, "/api/auth/email", ask.clone()).await.expect(202);
    assert_eq!(pending().await, (json!(ALICE), json!("alice@elsewhere.example")));
    alice.post_form("/account/email/withdraw", &[]).await.redirect();
    assert_eq!(pending().await, (json!(ALICE), Value::Null));
    app.run_jobs().await;
    app.finish().await;
}
