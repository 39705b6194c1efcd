//! The rules of MDN's HTTP Observatory, held against every kind of page: what it would take off, and what it gives.
//! Rules and figures: <https://developer.mozilla.org/en-US/observatory/docs/tests_and_scoring> (as of 2026). It adds what it
//! gives only where it takes off next to nothing, and 100 is its best grade.

use std::collections::{BTreeMap, BTreeSet};

use cookie::{Cookie, SameSite};

use crate::helpers::{
    app::{ALICE, PASSWORD, REHEARSAL, TestApp},
    page::Page,
};

type Policy = BTreeMap<String, BTreeSet<String>>;

fn policy(page: &Page) -> Policy {
    let text = page.header("content-security-policy").unwrap_or_default();
    text.split(';')
        .filter_map(|directive| directive.trim().split_once(' ').or(Some((directive.trim(), ""))))
        .map(|(name, sources)| (name.to_owned(), sources.split_whitespace().map(str::to_owned).collect()))
        .collect()
}

const BROAD: [&str; 7] = ["ftp:", "http:", "https:", "*", "http://*", "https://*", "'unsafe-inline'"];

fn content_security_policy(page: &Page) -> i32 {
    let policy = policy(page);
    let sources = |name: &str| policy.get(name).or_else(|| policy.get("default-src")).cloned();
    let (Some(scripts), Some(objects), Some(styles)) =
        (sources("script-src"), sources("object-src"), sources("style-src"))
    else {
        return -25;
    };
    let broad = |set: &BTreeSet<String>| BROAD.iter().any(|source| set.contains(*source));
    if broad(&scripts) || broad(&objects) || scripts.contains("data:") {
        return -20;
    }
    let is_plain = |source: &String| source.starts_with("http:") || source.starts_with("ftp:");
    let active = policy.iter().filter(|(name, _)| !matches!(name.as_str(), "img-src" | "media-src"));
    if active.flat_map(|(_, set)| set).any(is_plain) {
        return -20;
    }
    if scripts.contains("'unsafe-eval'") || styles.contains("'unsafe-eval'") || broad(&styles) {
        return -10;
    }
    let only_none = |set: &BTreeSet<String>| set.len() == 1 && set.contains("'none'");
    if policy.get("default-src").is_some_and(only_none) { 10 } else { 5 }
}

fn cookies(page: &Page) -> i32 {
    let set: Vec<Cookie<'_>> = page
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|value| Cookie::parse(value.to_str().unwrap().to_owned()).unwrap())
        .collect();
    if set.is_empty() {
        return 0;
    }
    let all = |holds: fn(&Cookie<'_>) -> bool| set.iter().all(holds);
    if !all(|cookie| cookie.secure() == Some(true)) {
        return -40;
    }
    if !all(|cookie| cookie.http_only() == Some(true)) {
        return -30;
    }
    let is_same_site =
        |cookie: &Cookie<'_>| matches!(cookie.same_site(), Some(SameSite::Lax | SameSite::Strict));
    if all(is_same_site) { 5 } else { 0 }
}

fn strict_transport_security(page: &Page) -> i32 {
    let value = page.header("strict-transport-security").unwrap_or_default();
    let seconds = value.split(';').find_map(|part| part.trim().strip_prefix("max-age="));
    match seconds.and_then(|seconds| seconds.parse::<u64>().ok()) {
        Some(15_768_000..) => 0,
        Some(_) => -10,
        None => -20,
    }
}

fn scripts(page: &Page) -> i32 {
    let foreign = page
        .attrs("script[src]", "src")
        .into_iter()
        .any(|source| page.url.join(&source).is_ok_and(|address| address.origin() != page.url.origin()));
    if foreign { -5 } else { 0 }
}

fn frames(page: &Page) -> i32 {
    let ancestors = policy(page).remove("frame-ancestors");
    match (ancestors, page.header("x-frame-options")) {
        (Some(set), _) if !BROAD.iter().any(|source| set.contains(*source)) => 5,
        (_, Some("DENY" | "SAMEORIGIN")) => 0,
        _ => -20,
    }
}

fn others(page: &Page) -> i32 {
    let sniffing = if page.header("x-content-type-options") == Some("nosniff") { 0 } else { -5 };
    let sharing = if page.header("access-control-allow-origin").is_none() { 0 } else { -50 };
    sniffing + sharing
}

fn referrer(page: &Page) -> i32 {
    match page.header("referrer-policy") {
        Some("no-referrer" | "same-origin" | "strict-origin" | "strict-origin-when-cross-origin") => 5,
        None => 0,
        Some(_) => -5,
    }
}

fn embedding(page: &Page) -> i32 {
    match page.header("cross-origin-resource-policy") {
        Some("same-origin" | "same-site") => 10,
        _ => 0,
    }
}

type Rule = (&'static str, fn(&Page) -> i32);

const RULES: [Rule; 8] = [
    ("content security policy", content_security_policy),
    ("cookies", cookies),
    ("strict transport security", strict_transport_security),
    ("scripts from elsewhere", scripts),
    ("framing", frames),
    ("sniffing and sharing", others),
    ("referrer policy", referrer),
    ("embedding", embedding),
];

/// All that a page without a cookie can have.
const BEST_WITHOUT_COOKIE: i32 = 100 + 10 + 5 + 5 + 10;

#[track_caller]
fn score(page: &Page) -> i32 {
    let given: Vec<(&str, i32)> = RULES.iter().map(|(name, rule)| (*name, rule(page))).collect();
    for (name, points) in &given {
        assert!(*points >= 0, "{}: {name} takes {points}", page.url);
    }
    100 + given.iter().map(|(_, points)| points).sum::<i32>()
}

#[tokio::test]
async fn every_kind_of_page_has_the_best_grade() {
    let app = TestApp::start_with(&REHEARSAL).await;
    let alice = app.alice().await;
    let booking = app.draft(&alice).await;
    let carol = app.carol().await;
    let guest = app.guest();
    for path in ["/", "/airports?q=lis", "/login", "/signup", "/nothing", "/healthz"] {
        assert_eq!(score(&guest.get(path).await), BEST_WITHOUT_COOKIE, "{path}");
    }
    // It remembers the search in a cookie, and a good cookie is worth more than none.
    let flights = guest.get("/flights?from=LIS&to=LHR&leave=2026-12-14").await;
    assert_eq!(score(&flights), BEST_WITHOUT_COOKIE + 5);
    for path in ["/account", "/bookings"] {
        assert_eq!(score(&alice.get(path).await), BEST_WITHOUT_COOKIE, "{path}");
    }
    assert_eq!(score(&carol.get("/admin/bookings").await), BEST_WITHOUT_COOKIE);
    // The address of a form that leads to the payment page is the sandbox's here, and that is plain http.
    let review = alice.get(&format!("/bookings/{booking}/review")).await.expect(200);
    assert!(policy(&review)["form-action"].contains(app.stripe.base_url()));
    let form = [("email", ALICE), ("password", PASSWORD)];
    let signed_in = app.guest().post_form("/login", &form).await;
    assert!(signed_in.header("set-cookie").is_some());
    assert_eq!(score(&signed_in), BEST_WITHOUT_COOKIE + 5);
    app.finish().await;
}

#[test]
fn a_page_that_is_careless_loses_points() {
    let page = |headers: &[(&'static str, &'static str)]| {
        let mut map = reqwest::header::HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, reqwest::header::HeaderValue::from_static(value));
        }
        let url = "https://fly.example.com/".parse().unwrap();
        Page::new(reqwest::StatusCode::OK, map, url, b"<!doctype html><p>")
    };
    let csp = |value: &'static str| content_security_policy(&page(&[("content-security-policy", value)]));
    assert_eq!(csp(""), -25);
    assert_eq!(csp("default-src 'self' 'unsafe-inline'"), -20);
    assert_eq!(csp("default-src 'none'; form-action http://x.example"), -20);
    assert_eq!(csp("default-src 'none'; script-src 'unsafe-eval'"), -10);
    assert_eq!(csp("default-src 'self'"), 5);
    let cookie = |value: &'static str| cookies(&page(&[("set-cookie", value)]));
    assert_eq!(cookie("a=b; HttpOnly; SameSite=Lax"), -40);
    assert_eq!(cookie("a=b; Secure; SameSite=Lax"), -30);
    assert_eq!(cookie("a=b; Secure; HttpOnly"), 0);
    assert_eq!(strict_transport_security(&page(&[("strict-transport-security", "max-age=100")])), -10);
    assert_eq!(frames(&page(&[])), -20);
    assert_eq!(others(&page(&[("access-control-allow-origin", "*")])), -55);
    assert_eq!(referrer(&page(&[("referrer-policy", "unsafe-url")])), -5);
}
