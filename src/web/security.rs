//! What a browser is told about trust: where things may come from, where forms may go, who may keep a copy.

use std::sync::LazyLock;

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use tower_http::csrf::{CsrfLayer, ProtectionError};

use crate::{
    error::Refusal,
    web::{assets::asset, chrome::SiteSettings, frame::Frame, problem::Problem},
};

/// Where the rules of prefetching stand, as a header tells it.
static PREFETCH: LazyLock<Option<HeaderValue>> =
    LazyLock::new(|| HeaderValue::from_str(&format!("\"{}\"", asset("prefetch.json"))).ok());

type Refuse = fn(ProtectionError) -> Response<Body>;

/// A form counts only when our own page sent it. Judged by the browser's own Sec-Fetch-Site and Origin, so pages carry no
/// token. Webhooks come from elsewhere by nature and prove themselves by a signature.
pub fn csrf(site: &SiteSettings) -> CsrfLayer<Refuse> {
    // Behind a proxy the Host may not be the public one. An origin that does not parse trusts nobody.
    let layer = CsrfLayer::new().add_trusted_origin(&site.public_origin).unwrap_or_else(|_| CsrfLayer::new());
    layer
        .with_insecure_bypass(|_: &Method, uri: &Uri| is_webhook(uri.path()))
        .with_rejection_response(refuse_foreign as Refuse)
}

pub fn is_webhook(path: &str) -> bool {
    path.starts_with("/webhooks/") || path == "/api/payment/webhook"
}

fn refuse_foreign(_: ProtectionError) -> Response<Body> {
    let refusal = Refusal {
        code: "foreign_origin",
        title: "This form did not come from our pages",
        detail: "Another site tried to send it for you, so nothing was done. Open the page here and send it again."
            .to_owned(),
    };
    Problem::refusal(StatusCode::FORBIDDEN, &refusal).into_response()
}

/// Pages that show or take personal data are kept by nobody, not even by the back button of a shared computer.
const PERSONAL: [&str; 14] = [
    "/bookings",
    "/booking-link",
    "/find",
    "/account",
    "/admin",
    "/login",
    "/logout",
    "/signup",
    "/reauthenticate",
    "/verify",
    "/reset",
    "/email",
    "/demo",
    "/api",
];

pub fn set_headers(frame: &Frame, response: &mut Response) {
    let personal = PERSONAL.iter().any(|prefix| frame.path.starts_with(prefix));
    let headers = response.headers_mut();
    // All at once, instead of growing from one to the next.
    headers.reserve(2 * FIXED.len());
    if !headers.contains_key(header::CACHE_CONTROL) {
        let cache = if personal { "private, no-store" } else { "private, no-cache" };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    }
    // A route with a policy of its own (the mail preview) keeps it.
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY)
        && let Ok(policy) = HeaderValue::try_from(content_security_policy(frame))
    {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    // Lists lead to lists and offers: the next page is fetched while the finger is still down, without script.
    let is_search = frame.path == "/" || frame.path.starts_with("/flights");
    if is_search && let Some(rules) = PREFETCH.as_ref() {
        headers.insert(&SPECULATION_RULES, rules.clone());
    }
    for (name, value) in &FIXED {
        // What a route says more strictly of itself stands.
        headers.entry(name).or_insert_with(|| value.clone());
    }
    if frame.site.https {
        let value = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
}

static FIXED: [(HeaderName, HeaderValue); 7] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("origin-agent-cluster"), HeaderValue::from_static("?1")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(
            "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), \
             microphone=(), midi=(), payment=(), usb=()",
        ),
    ),
];
static SPECULATION_RULES: HeaderName = HeaderName::from_static("speculation-rules");

fn content_security_policy(frame: &Frame) -> String {
    let nonce = &frame.nonce;
    let mut form_action = vec!["'self'"];
    // Browsers hold redirects to this as well, and only a booking's pages lead to the payment page.
    if frame.path.starts_with("/bookings/") {
        form_action.extend(frame.site.checkout_origins.iter().map(String::as_str));
    }
    let upgrade = if frame.site.https { "; upgrade-insecure-requests" } else { "" };
    // The pages of one mail frame what it says; no other page frames anything.
    let is_mail = ["/demo/mail/", "/admin/mails/"].iter().any(|prefix| frame.path.starts_with(prefix));
    // Where places are typed, they are suggested.
    let suggests = frame.path == "/" || frame.path.starts_with("/flights");
    let connections = if suggests { "; connect-src 'self'" } else { "" };
    let frames = if is_mail { "; frame-src 'self'" } else { "" };
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; \
         form-action {}; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'{frames}{connections}{upgrade}",
        form_action.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_allows_our_own_style_the_pages_nonce_and_for_bookings_the_checkout_and_nothing_else() {
        let elsewhere = content_security_policy(&Frame::for_tests("/"));
        assert!(elsewhere.contains("form-action 'self';"));
        assert!(elsewhere.contains("connect-src 'self'"));
        let frame = Frame::for_tests("/bookings/K7WQ4M/review");
        let policy = content_security_policy(&frame);
        assert!(policy.starts_with("default-src 'none'"));
        assert!(policy.contains(&format!("script-src 'nonce-{}'", frame.nonce)));
        assert!(policy.contains("form-action 'self' https://checkout.stripe.com;"));
        assert!(!policy.contains("unsafe") && !policy.contains("connect-src"));
        assert!(!policy.contains('*'));
    }

    #[test]
    fn personal_pages_are_stored_by_nobody_and_public_ones_are_asked_again() {
        let cases = [("/bookings/K7WQ4M", "private, no-store"), ("/flights", "private, no-cache")];
        for (path, expected) in cases {
            let mut response = Response::new(Body::empty());
            set_headers(&Frame::for_tests(path), &mut response);
            assert_eq!(response.headers()[header::CACHE_CONTROL], expected);
            assert!(!response.headers().contains_key(header::STRICT_TRANSPORT_SECURITY));
        }
    }

    #[test]
    fn only_webhooks_may_come_from_elsewhere() {
        assert!(is_webhook("/webhooks/stripe"));
        assert!(is_webhook("/api/payment/webhook"));
        for path in ["/webhooks", "/bookings", "/api/payment/webhook/x", "/api/bookings"] {
            assert!(!is_webhook(path), "{path}");
        }
    }
}
