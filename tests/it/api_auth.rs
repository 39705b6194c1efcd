//! `/api/auth`, as a program sees it: the same rules as the pages, one shape of error, and no word about who has an account.

use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{
    api::{call, pointers, post, program},
    app::{ALICE, BOB, PASSWORD, TestApp},
};
use crate::sessions::soon;

const NEW: &str = "another cabinet ozone lattice";

fn link(app: &TestApp, path: &str, to: &str) -> String {
    let start = format!("{}{path}/", app.config.link(""));
    let mails = app.mailbox.list().into_iter().filter(|mail| mail.envelope.to == [to]);
    let found = mails.filter_map(|mail| {
        let text = mail.text.unwrap_or_default();
        Some((mail.id.0, text.split(&start).nth(1)?.split_whitespace().next()?.to_owned()))
    });
    found.max_by_key(|(id, _)| *id).expect("a mail with a link").1
}

#[tokio::test]
async fn a_program_signs_up_verifies_signs_in_refreshes_and_signs_out() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let new = json!({ "name": "Alice Archer", "email": ALICE, "password": PASSWORD });
    post(&guest, "/api/auth/signup", new).await.expect(202);
    app.run_jobs().await;
    let (alice, tokens) = program(&app, ALICE, PASSWORD).await;
    post(&alice, "/api/auth/verify", json!({ "token": link(&app, "/verify", ALICE) })).await.expect(204);
    assert_eq!((tokens["token_type"].as_str(), tokens["expires_in"].as_i64()), (Some("Bearer"), Some(900)));
    let me = alice.get("/api/auth/me").await.expect(200);
    assert_eq!(me.header("cache-control"), Some("private, no-store"));
    assert_eq!(me.json()["email"], ALICE);
    assert_eq!(me.json()["email_verified"], true);
    let again = json!({ "refresh_token": tokens["refresh_token"] });
    let fresh = post(&guest, "/api/auth/refresh", again.clone()).await.expect(200).json();
    assert_ne!(fresh["access_token"], tokens["access_token"]);
    // A second use ends the family.
    let dead = post(&guest, "/api/auth/refresh", again).await.expect(401);
    assert_eq!(dead.json()["code"], "refresh_token_dead");
    assert!(dead.header("www-authenticate").unwrap().starts_with("Bearer"));
    alice.get("/api/auth/me").await.expect(401);

    let (alice, _) = program(&app, ALICE, PASSWORD).await;
    let (other, _) = program(&app, ALICE, PASSWORD).await;
    post(&alice, "/api/auth/logout", json!({})).await.expect(204);
    alice.get("/api/auth/me").await.expect(401);
    other.get("/api/auth/me").await.expect(200);
    let browser = app.sign_in(ALICE).await;
    post(&other, "/api/auth/logout-everywhere", json!({})).await.expect(204);
    other.get("/api/auth/me").await.expect(401);
    browser.get("/api/auth/me").await.expect(401);
    app.finish().await;
}

#[tokio::test]
async fn no_answer_tells_whether_an_address_has_an_account() {
    let app = TestApp::start().await;
    app.alice().await;
    let guest = app.guest();
    let cases = [
        ("/api/auth/signup", json!({ "name": "A", "password": NEW })),
        ("/api/auth/password-reset", json!({})),
        ("/api/auth/login", json!({ "password": "not the password at all" })),
    ];
    for (path, body) in cases {
        let mut answers = Vec::new();
        // The first prepares the statements of its kind.
        for email in ["first@example.com", ALICE, "stranger@example.com"] {
            let mut body = body.clone();
            body["email"] = email.into();
            app.statements.take();
            let answer = post(&guest, path, body).await;
            let told = answer.body.replace(answer.header("x-request-id").unwrap(), "");
            answers.push((answer.status, told, app.statements.take()));
        }
        assert_eq!(answers[1], answers[2], "{path}");
    }
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn a_forgotten_password_is_made_new_and_the_link_is_spent() {
    let app = TestApp::start().await;
    app.alice().await;
    let guest = app.guest();
    post(&guest, "/api/auth/password-reset", json!({ "email": ALICE })).await.expect(202);
    app.run_jobs().await;
    let token = link(&app, "/reset", ALICE);
    let confirm = "/api/auth/password-reset/confirm";
    let weak = post(&guest, confirm, json!({ "token": token, "password": "short" })).await.expect(422);
    assert_eq!(pointers(&weak), ["/password"]);
    post(&guest, confirm, json!({ "token": token, "password": NEW })).await.expect(204);
    let spent = post(&guest, confirm, json!({ "token": token, "password": PASSWORD })).await.expect(410);
    assert_eq!(spent.json()["code"], "link_is_dead");
    program(&app, ALICE, NEW).await;
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn a_call_without_its_mailed_token_is_told_so_and_a_dead_one_is_dead() {
    let app = TestApp::start().await;
    app.alice().await;
    let (guest, (alice, _)) = (app.guest(), program(&app, ALICE, PASSWORD).await);
    for path in ["/api/auth/verify", "/api/auth/email/confirm"] {
        assert_eq!(pointers(&post(&alice, path, json!({})).await.expect(422)), ["/token"]);
        post(&alice, path, json!({ "token": "x" })).await.expect(410);
        post(&guest, path, json!({ "token": "x" })).await.expect(401);
    }
    let path = "/api/auth/password-reset/confirm";
    let short = json!({ "password": "short" });
    assert_eq!(pointers(&post(&guest, path, short).await.expect(422)), ["/token", "/password"]);
    post(&guest, path, json!({ "token": "x", "password": NEW })).await.expect(410);
    app.finish().await;
}

#[tokio::test]
async fn password_and_address_are_changed_by_who_knows_the_password() {
    let app = TestApp::start().await;
    app.alice().await;
    let (alice, _) = program(&app, ALICE, PASSWORD).await;
    let to = "alice@elsewhere.example";
    let wrong = json!({ "email": to, "password": "not my password" });
    assert_eq!(pointers(&post(&alice, "/api/auth/email", wrong).await.expect(422)), ["/password"]);
    post(&alice, "/api/auth/email", json!({ "email": to, "password": PASSWORD })).await.expect(202);
    app.run_jobs().await;
    post(&alice, "/api/auth/email/confirm", json!({ "token": link(&app, "/email", to) })).await.expect(204);
    assert_eq!(alice.get("/api/auth/me").await.expect(200).json()["email"], to);
    let wrong = json!({ "current_password": "not my password", "password": NEW });
    assert_eq!(pointers(&post(&alice, "/api/auth/password", wrong).await.expect(422)), ["/current_password"]);
    let right = json!({ "current_password": PASSWORD, "password": NEW });
    post(&alice, "/api/auth/password", right).await.expect(204);
    // Every program is signed out by it.
    alice.get("/api/auth/me").await.expect(401);
    program(&app, to, NEW).await;
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn a_profile_is_patched_member_by_member() {
    let app = TestApp::start().await;
    app.alice().await;
    let (alice, _) = program(&app, ALICE, PASSWORD).await;
    let patch = |body: Value| call(&alice, Method::PATCH, "/api/auth/me", body);
    let all = json!({ "phone": "+351 900 000 000", "born_on": "1986-12-04", "nationality": "PT" });
    let me = patch(all).await.expect(200).json();
    assert_eq!(me["name"], "Test Traveller", "what is not named stays");
    assert_eq!((&me["born_on"], &me["nationality"]), (&json!("1986-12-04"), &json!("PT")));
    let me = patch(json!({ "phone": null, "born_on": null })).await.expect(200).json();
    assert_eq!(
        (&me["phone"], &me["born_on"], &me["nationality"]),
        (&json!(null), &json!(null), &json!("PT"))
    );
    let wrong = json!({ "name": "", "phone": "x", "born_on": "4.12.1986", "nationality": "pt" });
    let mut told = pointers(&patch(wrong).await.expect(422));
    told.sort();
    assert_eq!(told, ["/born_on", "/name", "/nationality", "/phone"]);
    assert_eq!(pointers(&patch(json!({ "email": BOB })).await.expect(422)), ["/email"]);
    let empty = json!({ "phone": "", "nationality": " " });
    assert_eq!(pointers(&patch(empty).await.expect(422)), ["/phone", "/nationality"]);
    app.finish().await;
}

#[tokio::test]
async fn travellers_and_devices_are_those_of_the_caller() {
    let app = TestApp::start().await;
    let browser = app.alice().await;
    app.bob().await;
    let ((alice, _), (bob, _)) = (program(&app, ALICE, PASSWORD).await, program(&app, BOB, PASSWORD).await);
    let tomas =
        json!({ "given_names": "Tomás", "family_name": "Duarte", "born_on": "2025-03-01", "sex": "m" });
    let kept = post(&alice, "/api/auth/travellers", tomas.clone()).await.expect(201).json();
    let path = format!("/api/auth/travellers/{}", kept["id"].as_str().unwrap());
    for method in [Method::PUT, Method::DELETE] {
        call(&bob, method, &path, tomas.clone()).await.expect(404);
    }
    let mut grown = tomas.clone();
    grown["given_names"] = "Tomás João".into();
    call(&alice, Method::PUT, &path, grown).await.expect(200);
    let list = alice.get("/api/auth/travellers").await.expect(200).json();
    assert_eq!(list["items"][0]["given_names"], "Tomás João");
    assert_eq!(bob.get("/api/auth/travellers").await.expect(200).json()["items"], json!([]));
    let mut wrong = pointers(&post(&alice, "/api/auth/travellers", json!({})).await.expect(422));
    wrong.sort();
    assert_eq!(wrong, ["/born_on", "/family_name", "/given_names", "/sex"]);
    call(&alice, Method::DELETE, &path, json!({})).await.expect(204);

    let devices = browser.get("/api/auth/devices").await.expect(200).json();
    assert_eq!(devices["items"][0]["current"], true);
    let path = format!("/api/auth/devices/{}", devices["items"][0]["id"].as_str().unwrap());
    call(&bob, Method::DELETE, &path, json!({})).await.expect(404);
    call(&alice, Method::DELETE, &path, json!({})).await.expect(204);
    soon("the browser is out", async || browser.get("/account").await.status == 303).await;
    app.finish().await;
}

#[tokio::test]
async fn a_token_does_what_its_scope_allows_and_no_more() {
    let app = TestApp::start().await;
    app.alice().await;
    let program = app.guest();
    let ask = json!({ "email": ALICE, "password": PASSWORD, "scope": "account:read" });
    let tokens = post(&program, "/api/auth/login", ask).await.expect(200).json();
    assert_eq!(tokens["scope"], "account:read");
    program.set_header("authorization", &format!("bearer {}", tokens["access_token"].as_str().unwrap()));
    program.get("/api/auth/me").await.expect(200);
    let refused = call(&program, Method::PATCH, "/api/auth/me", json!({ "name": "X" })).await.expect(403);
    assert_eq!(refused.json()["code"], "insufficient_scope");
    let ask = json!({ "email": ALICE, "password": PASSWORD, "scope": "staff" });
    assert_eq!(pointers(&post(&app.guest(), "/api/auth/login", ask).await.expect(422)), ["/scope"]);
    app.finish().await;
}

#[tokio::test]
async fn a_password_alone_gives_no_tokens_to_somebody_with_a_second_factor() {
    let app = TestApp::start().await;
    app.alice().await;
    app.execute(
        "insert into auth.second_factors (user_id, secret, confirmed_at, last_step)
         select id, repeat('x', 40)::bytea, '2026-11-23', 1 from auth.users",
    )
    .await;
    let ask = json!({ "email": ALICE, "password": PASSWORD });
    let refused = post(&app.guest(), "/api/auth/login", ask).await.expect(403);
    assert_eq!(refused.json()["code"], "second_factor_required");
    let ask = json!({ "email": ALICE, "password": PASSWORD, "code": "not a code" });
    assert_eq!(pointers(&post(&app.guest(), "/api/auth/login", ask).await.expect(422)), ["/code"]);
    assert_eq!(app.count("auth.tokens").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn what_is_no_json_too_much_or_of_another_kind_is_told_apart() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let path = "/api/auth/password-reset";
    let send = |kind: &'static str, body: String| guest.call(Method::POST, path, kind, body);
    let good = json!({ "email": ALICE }).to_string();
    send("Application/JSON; Charset=UTF-8", good.clone()).await.expect(202);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let answer = send(kind, good.clone()).await.expect(415);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    assert_eq!(send("application/json", "{".to_owned()).await.expect(400).json()["code"], "not_json");
    send("application/json", format!("\"{}\"", "x".repeat(100_000))).await.expect(413);
    let misfit = send("application/json", json!({ "email": 31415926 }).to_string()).await.expect(422);
    assert!(!misfit.body.contains("31415926"));
    assert_eq!(pointers(&misfit), ["/email"]);
    guest.call(Method::GET, path, "application/json", String::new()).await.expect(405);
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn a_form_may_name_its_kind_in_capitals() {
    let app = TestApp::start().await;
    app.alice().await;
    let body = format!("email={ALICE}&password={}", PASSWORD.replace(' ', "+"));
    let kind = "Application/X-WWW-Form-Urlencoded; charset=UTF-8";
    app.guest().post("/login", kind, body.clone()).await.redirect();
    app.guest().post("/login", "text/plain", body).await.expect(415);
    app.finish().await;
}

#[tokio::test]
async fn a_program_is_told_of_bodies_and_calls_and_never_of_forms_and_pages() {
    let app = TestApp::start().await;
    let program = app.guest();
    let json = "application/json";
    let login = "/api/auth/login";
    for (kind, body, status) in [
        (json, format!("{{\"email\": \"{}\"}}", "a".repeat(70_000)), 413),
        ("application/x-www-form-urlencoded", "email=a".to_owned(), 415),
        ("", String::new(), 415),
        (json, "{}".to_owned(), 422),
        (json, "[]".to_owned(), 422),
        (json, "{\"email\": 1}".to_owned(), 422),
    ] {
        let told = program.call(Method::POST, login, kind, body).await.expect(status).json();
        let told = format!("{} {}", told["title"], told["detail"]).to_lowercase();
        for word in ["form", "page", "go back", "beside"] {
            assert!(!told.contains(word), "{status}: {told}");
        }
    }
    program.request(Method::DELETE, login).await.expect(405).says("Allow");
    // People are told of their form as before.
    let form = [("email", "a"), ("email", "b"), ("password", "c")];
    app.guest().post_form("/login", &form).await.expect(422).says("sent twice");
    app.finish().await;
}
