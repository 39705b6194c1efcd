//! `/.well-known/`: where programs look for what every site has.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};
use jiff::SignedDuration;

use crate::{clock::Clock, config::Config};

/// How long readers may rely on what it says.
const SECURITY_TXT_HOLDS: SignedDuration = SignedDuration::from_hours(24 * 180);

/// RFC 9116: whom to tell about a hole.
pub async fn security_txt(State(config): State<Arc<Config>>, State(clock): State<Clock>) -> Response {
    let expires = (clock.now() + SECURITY_TXT_HOLDS).strftime("%Y-%m-%dT%H:%M:%SZ");
    let text = format!(
        "Contact: mailto:{}\nExpires: {expires}\nPreferred-Languages: en\nCanonical: {}\n",
        config.site.seller_email,
        config.link("/.well-known/security.txt"),
    );
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400")),
    ];
    (headers, text).into_response()
}

/// Password managers lead their people here.
pub async fn change_password() -> Redirect {
    Redirect::to("/account/password")
}
