//! Heads of requests as no browser writes them.

use super::inputs::inputs;
use crate::helpers::app::TestApp;

/// Headers that something of ours reads.
const READ: [&str; 20] = [
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "Expect",
    "Forwarded",
    "If-None-Match",
    "Origin",
    "Range",
    "Referer",
    "Sec-Fetch-Mode",
    "Sec-Fetch-Site",
    "Stripe-Signature",
    "Upgrade",
    "User-Agent",
    "X-Forwarded-For",
    "X-Request-Id",
];

async fn status_of(app: &TestApp, request: &str) -> u16 {
    let answer = app.send_raw(request).await;
    assert!(!answer.to_ascii_lowercase().contains("\nx-injected:"), "{request:.200}: a header came through");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    // Nothing at all: the connection was closed on what is no HTTP.
    status.unwrap_or(400)
}

#[tokio::test]
async fn every_header_that_is_read_takes_anything() {
    let app = TestApp::start().await;
    for header in READ {
        for (name, input) in inputs() {
            // A line end would be the next header, which is the sender's right; a bare NUL ends nothing.
            let value: String = input.chars().filter(|c| !matches!(c, '\r' | '\n')).take(3_000).collect();
            let request = format!(
                "GET /login?next=%2F HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}: {value}\r\nConnection: close\r\n\r\n"
            );
            let status = status_of(&app, &request).await;
            assert!(status < 500, "{header} with {name}: {status}");
        }
    }
    app.get("/").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn every_cookie_takes_anything_and_is_a_guest() {
    let app = TestApp::start().await;
    for cookie in ["session", "__Host-session", "known", "__Host-known", "recent", ""] {
        for (name, input) in inputs() {
            let value: String = input.chars().filter(|c| !matches!(c, '\r' | '\n')).take(3_000).collect();
            let request = format!(
                "GET /account HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}={value}; {value}\r\nConnection: close\r\n\r\n"
            );
            let status = status_of(&app, &request).await;
            assert!(matches!(status, 303 | 400), "{cookie} with {name}: {status}");
        }
    }
    assert_eq!(app.count("tower_sessions.session").await, 0, "a stranger's cookie became a session");
    app.finish().await;
}

#[tokio::test]
async fn every_part_of_a_path_takes_anything() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let carol = app.carol().await;
    let routes = include_str!("../../../src/app/routes.rs").split(".route(").skip(1);
    let with_parts = routes.filter_map(|rest| rest.split('"').nth(1)).filter(|route| route.contains('{'));
    for route in with_parts {
        for (name, input) in inputs() {
            let part: String = input.chars().take(700).collect();
            let part: String = url::form_urlencoded::byte_serialize(part.as_bytes()).collect();
            let (before, after) = route.split_once('{').expect("a part");
            let (_, after) = after.split_once('}').expect("the end of a part");
            let path = format!("{before}{}{after}", part.replace('+', "%20"));
            for browser in [&alice, &carol] {
                let status = browser.get(&path).await.status;
                assert!(!status.is_server_error(), "{route} with {name}: {status}");
            }
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn request_lines_that_are_none_are_refused() {
    let app = TestApp::start().await;
    for line in [
        "",
        "GET",
        "GET /",
        "GET / HTTP/9.9",
        "TRACE / HTTP/1.1",
        "CONNECT evil.example:80 HTTP/1.1",
        "GET http://evil.example/ HTTP/1.1",
        "GET /\u{7f} HTTP/1.1",
        "PRI * HTTP/2.0",
        "G\u{0}T / HTTP/1.1",
        "OPTIONS * HTTP/1.1",
    ] {
        let request = format!("{line}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        let status = status_of(&app, &request).await;
        assert!((400..500).contains(&status), "{line:?}: {status}");
    }
    for smuggled in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked, identity",
        "Content-Length: -1",
        "Content-Length: 18446744073709551616",
    ] {
        let request = format!(
            "POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\n{smuggled}\r\nConnection: close\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        );
        let answer = app.send_raw(&request).await;
        assert!(!answer.contains("200 OK"), "{smuggled}: {answer}");
    }
    app.finish().await;
}
