//! Any bytes as the head of a request: cookies, addresses that proxies name, tokens, the name of a browser.

#![no_main]

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum_extra::extract::cookie::CookieJar;
use jetbridge::{
    accounts::pages::safe_next,
    ids::{TokenHash, UserId},
    limits::KnownBrowser,
    vault::{Vault, new_key},
    web::{bearer, client, kept::KeptForm, user_agent},
};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

static VAULT: LazyLock<Vault> = LazyLock::new(|| Vault::new(&new_key("fuzz")).expect("a key"));

fuzz_target!(|bytes: &[u8]| {
    let lines: Vec<HeaderValue> =
        bytes.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let mut headers = HeaderMap::new();
    for name in [header::COOKIE, header::AUTHORIZATION, HeaderName::from_static("x-forwarded-for")] {
        for value in &lines {
            headers.append(name.clone(), value.clone());
        }
    }
    for cookie in CookieJar::from_headers(&headers).iter() {
        let known = KnownBrowser::read(cookie.value());
        // Nobody but us can write one that counts.
        assert_eq!(known.id(&VAULT, UserId::new(), Timestamp::UNIX_EPOCH), None);
        let (once, twice) = (known.write(), KnownBrowser::read(&known.write()).write());
        assert_eq!(once, twice);
    }
    if let Some(token) = bearer::token(&headers) {
        let _ = TokenHash::of(token);
    }
    for hops in 0..4 {
        let _ = client::seen_by_proxies(&headers, hops);
    }
    let Ok(text) = str::from_utf8(bytes) else { return };
    assert!(user_agent::in_words(text).len() < 100);
    let home = url::Url::parse("https://jetbridge.example/login").expect("an address");
    let there = home.join(&safe_next(text)).expect("an address");
    assert_eq!(there.origin(), home.origin());
    let _ = KeptForm::sent("/bookings/K7WQ4M/passengers", text);
});
