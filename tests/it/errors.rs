//! Whatever goes wrong is told in the site's own frame, with the right status, and tells nothing of the inside.

use reqwest::Method;
use sqlx::Executor;

use crate::helpers::{
    app::{REHEARSAL, TestApp},
    page::Page,
};

const SEARCH: &str = "/flights?from=LIS&to=JFK&leave=2027-03-12";

#[track_caller]
fn in_the_frame(page: &Page) {
    assert!(page.is_html() && page.has("header a[href='/']") && page.has("footer") && page.has("main h1"));
    // Each error page says whether money moved, and what to do next.
    page.says("Money");
    assert!(page.has("main a[href]"), "{}: leads nowhere", page.url);
    assert!(page.header("cache-control").unwrap().contains("no-store"));
}

#[tokio::test]
async fn an_unknown_address_is_a_404_in_the_frame() {
    let app = TestApp::start().await;
    let long = format!("/{}", "x".repeat(6_000));
    for path in [
        "/nothing",
        "/bookings/../../etc/passwd",
        "/%00",
        "/%ff%fe",
        "/offers",
        "/static/no-such-file.css",
        "/static/..%2f..%2fCargo.toml",
        "/admin/nothing",
        &long,
    ] {
        in_the_frame(&app.get(path).await.expect(404));
    }
    app.finish().await;
}

#[tokio::test]
async fn a_wrong_method_is_a_405_that_says_which_is_right() {
    let app = TestApp::start().await;
    for path in ["/healthz", "/login", "/"] {
        let page = app.guest().request(Method::DELETE, path).await.expect(405);
        assert!(page.header("allow").unwrap().contains("GET"));
    }
    in_the_frame(&app.guest().request(Method::PUT, "/login").await.expect(405));
    app.finish().await;
}

#[tokio::test]
async fn too_much_is_a_413_and_the_wrong_kind_a_415_in_the_frame() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let form = "application/x-www-form-urlencoded";
    in_the_frame(&guest.post("/signup", form, "x".repeat(1_000_000)).await.expect(413));
    in_the_frame(&guest.post("/signup", "text/xml", "<x/>").await.expect(415));
    app.finish().await;
}

#[tokio::test]
async fn when_the_database_breaks_the_page_says_sorry_and_nothing_of_the_inside() {
    let app = TestApp::start_with(&REHEARSAL).await;
    app.sql().await.execute("alter table flight_searches rename to gone_missing").await.unwrap();
    let page = app.get(SEARCH).await.expect(500);
    in_the_frame(&page);
    for inside in ["flight_searches", "relation", "select", "sqlx", "database", "PgDatabaseError"] {
        assert!(!page.words().contains(inside), "the page tells of {inside}");
    }
    let request = page.header("x-request-id").unwrap();
    assert!(page.words().contains(request), "the page does not name its request");
    app.sql().await.execute("alter table gone_missing rename to flight_searches").await.unwrap();
    app.get(SEARCH).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn when_the_supplier_does_not_answer_it_is_a_503_that_says_so() {
    let app = TestApp::start().await;
    app.supplier().set_search_down(true);
    let page = app.get(SEARCH).await.expect(503);
    page.says("The airline system does not answer").says("no money moved");
    assert!(page.has("main a.btn") && page.has("footer"), "nothing to do next: {}", page.body);
    app.supplier().set_search_down(false);
    app.get(SEARCH).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn not_ready_without_its_tables_but_alive() {
    let app = TestApp::start().await;
    app.get("/readyz").await.expect(200);
    app.sql().await.execute("update _sqlx_migrations set success = false").await.unwrap();
    app.get("/readyz").await.expect(503);
    app.get("/healthz").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn programs_get_their_errors_as_json() {
    let app = TestApp::start().await;
    let page = app.get("/api/nothing").await.expect(404);
    assert_eq!(page.header("content-type"), Some("application/problem+json"));
    let problem = page.json();
    assert_eq!((problem["status"].as_u64(), problem["code"].as_str()), (Some(404), Some("not_found")));
    assert!(problem["request_id"].is_string() && problem["title"].is_string());
    app.finish().await;
}

#[tokio::test]
async fn a_form_that_never_ends_is_the_senders_fault() {
    let app = TestApp::start().await;
    let answer = app
        .send_raw(
            "POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: 50\r\n\r\nemail=",
        )
        .await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("<h1"), "{answer}");
    app.finish().await;
}

#[tokio::test]
async fn a_request_whose_head_never_ends_is_not_waited_for() {
    let app = TestApp::start().await;
    let begin = std::time::Instant::now();
    let answer = app.send_raw("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Never: end").await;
    assert!(!answer.contains(" 200 "), "{answer}");
    assert!(begin.elapsed() < std::time::Duration::from_secs(20));
    app.finish().await;
}
