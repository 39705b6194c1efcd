//! Whatever goes wrong is told in the site's own frame, with the right status, and tells nothing of the inside.

use reqwest::Method;

use crate::helpers::app::TestApp;

#[tokio::test]
async fn an_unknown_address_is_a_404_in_the_frame() {
    let app = TestApp::start().await;
    for path in [
        "/nothing",
        "/bookings/../../etc/passwd",
        "/%00",
        "/offers",
        "/static/no-such-file.css",
        "/admin/nothing",
    ] {
        let page = app.get(path).await.expect(404);
        assert!(page.is_html() && page.has("header") && page.has("footer"), "{path}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_wrong_method_is_a_405_that_says_which_is_right() {
    let app = TestApp::start().await;
    let page = app.guest().request(Method::DELETE, "/healthz").await.expect(405);
    assert!(page.header("allow").unwrap().contains("GET"));
    app.finish().await;
}

#[tokio::test]
async fn an_anonymous_page_touches_no_session_and_the_probes_answer() {
    let app = TestApp::start().await;
    app.get("/healthz").await.expect(200);
    app.get("/readyz").await.expect(200);
    let page = app.get("/nothing").await.expect(404);
    assert!(page.header("set-cookie").is_none());
    assert_eq!(app.count("tower_sessions.session").await, 0);
    app.finish().await;
}
