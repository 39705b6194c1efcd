//! What every call of the API has in common as HTTP: what a caller takes, what a caller has read before, which methods there are,
//! what is left of a limit, and bodies that are meant to break the reader.

use reqwest::Method;
use serde_json::json;

use crate::helpers::{
    api::{call, code, post, program},
    app::{ALICE, BOB, PASSWORD, REHEARSAL, TestApp},
    browser::Browser,
    contract::CONTRACT,
    page::Page,
    story::SEARCH,
};

/// Every documented call, with something in place of what an address names.
fn calls() -> Vec<(Method, String)> {
    let paths = CONTRACT.document["paths"].as_object().expect("paths");
    let all = paths.iter().filter(|(path, _)| !path.ends_with("/webhook")).flat_map(|(path, item)| {
        let target =
            path.replace("{id}", "00000000-0000-7000-8000-000000000000").replace("{reference}", "ACDEFG");
        let methods = item.as_object().expect("an object").keys();
        methods.map(move |method| (method.to_uppercase().parse().expect("a method"), target.clone()))
    });
    all.collect()
}

fn with(program: &Browser, name: &'static str, value: &str) -> Browser {
    let program = program.copy();
    program.set_header(name, value);
    program
}

async fn alice(app: &TestApp) -> Browser {
    app.alice().await;
    program(app, ALICE, PASSWORD).await.0
}

#[tokio::test]
async fn whoever_takes_no_json_is_told_so_by_every_address_before_anything_is_done() {
    let app = TestApp::start().await;
    let alice = alice(&app).await;
    app.execute("truncate rate_limits, sign_in_delays").await;
    for (method, target) in calls() {
        let is_page = target == "/api/docs";
        let wrong = if is_page { "application/json" } else { "text/html, application/json;q=0" };
        for caller in [&alice, &app.guest()] {
            let refused = call(&with(caller, "accept", wrong), method.clone(), &target, json!({})).await;
            assert_eq!(code(&refused.expect(406)), "not_acceptable", "{method} {target}");
        }
    }
    // Nothing was counted, kept or changed by it.
    for table in ["rate_limits", "idempotency_keys", "bookings"] {
        assert_eq!(app.count(table).await, 0, "{table}");
    }
    for accept in [
        "application/json",
        "application/problem+json",
        "*/*",
        "text/html, */*;q=0.1",
        "",
        "ä",
        ";;,,q=",
        "*/*;q=nan",
    ] {
        let me = with(&alice, "accept", accept).get("/api/auth/me").await;
        assert_eq!(me.status, 200, "{accept:?}");
    }
    let long = "a/b,".repeat(1_500);
    assert_eq!(code(&with(&alice, "accept", &long).get("/api/auth/me").await.expect(406)), "not_acceptable");
    // What is nowhere is told as such.
    assert_eq!(code(&with(&alice, "accept", "text/html").get("/api/nothing").await.expect(404)), "not_found");
    app.finish().await;
}

#[tokio::test]
async fn what_was_read_before_is_not_sent_again_and_what_is_another_persons_is() {
    let app = TestApp::start().await;
    let alice = alice(&app).await;
    let found = alice.get(&format!("/api{SEARCH}")).await.expect(200).json();
    let offer = found["items"][0]["id"].as_str().expect("an offer");
    let booking = post(&alice, "/api/bookings", json!({ "offer": offer })).await.expect(201).json();
    let one = format!("/api/bookings/{}", booking["reference"].as_str().expect("a reference"));
    let vary = |page: &Page| page.header("vary").unwrap_or_default().contains("authorization");
    for (target, caching) in [
        ("/api/airports?q=lis".to_owned(), "private, max-age=3600"),
        (format!("/api{SEARCH}"), "private, no-cache"),
        (format!("/api/offers/{offer}"), "private, no-cache"),
        ("/api/openapi.json".to_owned(), "private, no-cache"),
        ("/api/bookings".to_owned(), "private, no-store"),
        (one.clone(), "private, no-store"),
        (format!("{one}/refunds"), "private, no-store"),
        ("/api/auth/me".to_owned(), "private, no-store"),
    ] {
        let first = alice.get(&target).await.expect(200);
        let tag = first.header("etag").expect("an ETag").to_owned();
        assert_eq!((first.header("cache-control"), vary(&first)), (Some(caching), true), "{target}");
        let head = alice.request(Method::HEAD, &target).await.expect(200);
        assert_eq!((head.header("etag"), head.body.as_str()), (Some(tag.as_str()), ""), "{target}");
        for known in [tag.clone(), format!("\"x\", {tag}"), "*".to_owned(), tag.replace("W/", "")] {
            for method in [Method::GET, Method::HEAD] {
                let again = with(&alice, "if-none-match", &known).request(method, &target).await.expect(304);
                assert_eq!((again.body.as_str(), again.header("etag")), ("", Some(tag.as_str())), "{target}");
                assert_eq!((again.header("cache-control"), vary(&again)), (Some(caching), true), "{target}");
            }
        }
        for other in ["\"x\"", "nonsense", "", "W/\"\"", &"\"x\", ".repeat(500)] {
            with(&alice, "if-none-match", other).get(&target).await.expect(200);
        }
    }
    // A change is another tag; somebody else's tag opens nothing, and a refusal has none.
    let tag = alice.get(&one).await.expect(200).header("etag").expect("a tag").to_owned();
    app.bob().await;
    let (bob, _) = program(&app, BOB, PASSWORD).await;
    for known in [tag.as_str(), "*"] {
        let foreign = with(&bob, "if-none-match", known).get(&one).await.expect(404);
        assert!(foreign.header("etag").is_none());
        assert_eq!(foreign.header("cache-control"), Some("private, no-store"));
        with(&app.guest(), "if-none-match", known).get(&one).await.expect(401);
    }
    alice.request(Method::DELETE, &one).await.expect(200);
    let changed = with(&alice, "if-none-match", &tag).get(&one).await.expect(200);
    assert_ne!(changed.header("etag"), Some(tag.as_str()));
    app.finish().await;
}

#[tokio::test]
async fn every_address_says_which_methods_it_takes_and_which_bodies() {
    let app = TestApp::start().await;
    let alice = alice(&app).await;
    let paths = CONTRACT.document["paths"].as_object().expect("paths");
    for (path, item) in paths {
        let target =
            path.replace("{id}", "00000000-0000-7000-8000-000000000000").replace("{reference}", "ACDEFG");
        let reads = item.get("get").is_some();
        for odd in ["OPTIONS", "TRACE", "PROPFIND"] {
            let refused = alice.request(odd.parse().expect("a method"), &target).await.expect(405);
            let allowed = refused.header("allow").unwrap_or_default().to_owned();
            assert_eq!(allowed.contains("HEAD"), reads, "{odd} {path}: {allowed}");
        }
        if path == "/api/docs" {
            continue;
        }
        let head = alice.request(Method::HEAD, &target).await;
        assert_eq!(head.status == 405, !reads, "HEAD {path}: {}", head.status);
        assert_eq!(head.body, "", "HEAD {path}");
        for (method, operation) in item.as_object().expect("an object") {
            let takes = operation["requestBody"]["content"].as_object();
            if takes.is_none_or(|kinds| !kinds.contains_key("application/json"))
                || target.ends_with("/webhook")
            {
                continue;
            }
            let caller = if target.starts_with("/api/admin/") { continue } else { &alice };
            app.execute("truncate rate_limits, sign_in_delays").await;
            for kind in [
                "text/plain",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
                "application/jsonp",
                "",
            ] {
                let refused = caller
                    .call(method.to_uppercase().parse().expect("it"), &target, kind, "{}".to_owned())
                    .await;
                let told = (refused.status.as_u16(), code(&refused));
                let missing = target.contains("ACDEFG") && refused.status == 404;
                assert!(
                    missing || told == (415, "unsupported_media_type".to_owned()),
                    "{method} {path} as {kind:?}: {told:?}"
                );
            }
        }
    }
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn what_is_left_of_a_limit_is_told_before_it_is_reached() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let search = format!("/api{SEARCH}");
    let left = |page: &Page, name: &str| -> u32 {
        let all = page.header("ratelimit").expect("RateLimit").to_owned();
        let own =
            all.split(", ").find(|one| one.starts_with(&format!("\"{name}\";"))).expect("it").to_owned();
        own.split(";r=")
            .nth(1)
            .and_then(|rest| rest.split(';').next())
            .and_then(|rest| rest.parse().ok())
            .expect("a number")
    };
    // One after the other, over the tokens that a process takes at once.
    for spent in 1..=25 {
        let page = guest.get(&search).await.expect(200);
        assert_eq!(page.header("ratelimit-policy"), Some("\"search\";q=300;w=150"));
        assert_eq!(left(&page, "search"), 300 - spent);
    }
    // Whoever is known has a limit of their own.
    let alice = alice(&app).await;
    let offer = guest.get(&search).await.expect(200).json()["items"][0]["id"].clone();
    let made = post(&alice, "/api/bookings", json!({ "offer": offer })).await.expect(201);
    assert_eq!((left(&made, "booking"), left(&made, "booking-account")), (59, 39));
    let keyed = with(&alice, "idempotency-key", "one");
    let made = post(&keyed, "/api/bookings", json!({ "offer": offer })).await.expect(201);
    assert_eq!(left(&made, "booking-account"), 38);
    // An answer told again counts nothing, so it says nothing.
    let again = post(&keyed, "/api/bookings", json!({ "offer": offer })).await.expect(201);
    assert!(again.header("ratelimit").is_none());
    // How often others have asked about an address is nobody's business.
    let asked = post(&guest, "/api/auth/password-reset", json!({ "email": BOB })).await;
    assert!(asked.status.is_success(), "{}", asked.body);
    assert!(!asked.header("ratelimit").unwrap_or_default().contains("reset-address"));
    assert!(guest.get("/api/airports?q=lis").await.expect(200).header("ratelimit").is_none());
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn what_broke_inside_is_told_in_development_alone() {
    for (vars, is_development) in [(&[][..], true), (&REHEARSAL[..], false)] {
        let app = TestApp::start_with(vars).await;
        app.execute("alter table flight_searches rename to gone_missing").await;
        let broken = app.guest().get(&format!("/api{SEARCH}")).await.expect(500);
        assert_eq!(code(&broken), "internal");
        let told = broken.json();
        if is_development {
            // The whole chain, down to what PostgreSQL said.
            let cause = told["cause"].as_str().expect("a cause");
            assert!(cause.starts_with("database: ") && cause.contains("flight_searches"), "{cause}");
        } else {
            assert!(told.get("cause").is_none(), "{told}");
            for inside in ["flight_searches", "relation", "sqlx", "database", "src/", "backtrace"] {
                assert!(!broken.body.contains(inside), "{inside} is told: {}", broken.body);
            }
        }
        app.execute("alter table gone_missing rename to flight_searches").await;
        app.finish().await;
    }
}

#[tokio::test]
async fn deep_endless_and_broken_bodies_are_refused_and_change_nothing() {
    let app = TestApp::start().await;
    let alice = alice(&app).await;
    let deep =
        |open: &str, close: &str, times: usize| format!("{}{}", open.repeat(times), close.repeat(times));
    let inside = |value: String| format!("{{\"offer\":{value}}}");
    for body in [
        deep("[", "]", 20_000),
        "[".repeat(60_000),
        deep("{\"a\":", "}", 5_000),
        inside(deep("[", "]", 20_000)),
        inside(deep("{\"a\":", "}", 5_000)),
        format!("{{\"x\":{}}}", deep("[", "]", 10_000)),
        "{\"offer\":\"a\",\"offer\":\"b\"}".to_owned(),
        inside("9".repeat(10_000)),
        inside("1e999999".to_owned()),
        inside("\"\\ud800\"".to_owned()),
        inside("\"a\u{0}\"".to_owned()),
        "\u{feff}{}".to_owned(),
        String::new(),
    ] {
        let refused = alice.call(Method::POST, "/api/bookings", "application/json", body.clone()).await;
        // No JSON, or JSON of another shape: which of them is found first is all the same.
        let told = (refused.status.as_u16(), code(&refused));
        let start: String = body.chars().take(40).collect();
        assert!(
            told == (400, "not_json".to_owned()) || told == (422, "invalid".to_owned()),
            "{start}…: {told:?}"
        );
    }
    let long = alice.call(Method::POST, "/api/bookings", "application/json", "x".repeat(70_000)).await;
    assert_eq!(code(&long.expect(413)), "too_large");
    assert_eq!(app.count("bookings").await, 0);
    app.finish().await;
}
