//! What a browser is told to allow, and what it may keep.

use crate::helpers::app::{REHEARSAL, TestApp};

#[tokio::test]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let app = TestApp::start().await;
    for path in ["/", "/login", "/airports?q=lis", "/nothing", "/static/nothing.css", "/healthz", "/account"]
    {
        let page = app.get(path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(page.header(name), Some(value), "{path}");
        }
        let policy = page.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
        {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(page.header("x-request-id").is_some(), "{path}");
        assert!(page.header("server").is_none() && page.header("x-powered-by").is_none(), "{path}");
    }
    app.finish().await;
}

#[tokio::test]
async fn the_next_page_of_a_search_may_be_fetched_ahead_and_no_page_that_is_somebodys() {
    let app = TestApp::start().await;
    let page = app.get("/").await.expect(200);
    let rules = page.header("speculation-rules").expect("rules").trim_matches('"').to_owned();
    let rules = app.get(&rules).await.expect(200);
    assert_eq!(rules.header("content-type"), Some("application/speculationrules+json"));
    let allowed = &rules.json()["prefetch"][0]["where"]["href_matches"];
    assert_eq!(allowed, &serde_json::json!(["/flights", "/flights/*", "/offers/*"]));
    let personal = app.alice().await.get("/bookings").await.expect(200);
    assert!(personal.header("speculation-rules").is_none());
    app.finish().await;
}

#[tokio::test]
async fn a_nonce_is_never_used_twice() {
    let app = TestApp::start().await;
    let policy =
        |page: crate::helpers::page::Page| page.header("content-security-policy").unwrap().to_owned();
    let (one, two) = (policy(app.get("/").await), policy(app.get("/").await));
    assert!(one.contains("'nonce-") && one != two);
    app.finish().await;
}

#[tokio::test]
async fn behind_https_cookies_are_bound_to_the_host_and_browsers_stay_on_https() {
    let app = TestApp::start_with(&REHEARSAL).await;
    let alice = app.alice().await;
    let mut names = alice.cookie_names();
    names.sort_unstable();
    assert_eq!(names, ["__Host-known", "__Host-session"]);
    let login = app.guest();
    let form = [("email", crate::helpers::app::ALICE), ("password", crate::helpers::app::PASSWORD)];
    let page = login.post_form("/login", &form).await;
    for name in ["__Host-session", "__Host-known"] {
        let cookie = page.set_cookie(name);
        assert!(cookie.contains("Secure") && cookie.contains("HttpOnly"), "{cookie}");
    }
    let page = app.get("/").await.expect(200);
    assert!(page.header("strict-transport-security").is_some_and(|value| value.contains("max-age=")));
    app.finish().await;
}

#[tokio::test]
async fn personal_pages_are_kept_by_nobody() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    for path in ["/account", "/bookings", "/login"] {
        let kept = alice.get(path).await.header("cache-control").unwrap().to_owned();
        assert!(kept.contains("no-store"), "{path}: {kept}");
    }
    app.finish().await;
}

#[tokio::test]
async fn nothing_may_be_framed_sniffed_or_embedded_even_when_it_is_an_asset() {
    let app = TestApp::start().await;
    let page = app.get("/").await.expect(200);
    for address in page.attrs("link[rel=stylesheet]", "href") {
        let style = app.get(&address).await.expect(200);
        assert!(style.header("content-type").unwrap().starts_with("text/css"));
        assert_eq!(style.header("x-content-type-options"), Some("nosniff"));
    }
    app.finish().await;
}

#[tokio::test]
async fn a_strangers_name_that_leads_here_is_not_answered() {
    let app = TestApp::start().await;
    let port = app.url.port().unwrap();
    for host in
        ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "localhost@evil.example", ""]
    {
        let guest = app.guest();
        guest.set_header("host", host);
        guest.set_header("origin", &format!("http://{host}"));
        let page = guest.get("/login").await.expect(421);
        assert!(page.has("main h1") && page.header("x-frame-options").is_some(), "{host}");
        guest.post_form("/login", &[("email", "a@b.example"), ("password", "x")]).await.expect(421);
        guest.get("/healthz").await.expect(200);
        guest.get("/readyz").await.expect(200);
    }
    for host in ["127.0.0.1", "127.0.0.1:9", "[::1]:3000"] {
        let guest = app.guest();
        guest.set_header("host", host);
        guest.get("/login").await.expect(200);
    }
    let guest = app.guest();
    guest.set_header("host", &format!("LocalHost:{port}"));
    assert_eq!(
        guest.get("/login?next=%2F").await.location(),
        app.url.join("/login?next=%2F").unwrap().as_str()
    );
    app.finish().await;
}

#[tokio::test]
async fn in_production_only_the_public_name_is_answered() {
    let app = TestApp::start_with(&REHEARSAL).await;
    for (host, status) in
        [("fly.example.com", 200), ("FLY.example.com:443", 200), ("localhost", 421), ("127.0.0.1", 421)]
    {
        let guest = app.guest();
        guest.set_header("host", host);
        guest.get("/login").await.expect(status);
        guest.get("/healthz").await.expect(200);
    }
    app.finish().await;
}
