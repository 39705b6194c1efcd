//! The cookie with the last searches of this browser, and the button that forgets them.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderName, HeaderValue, header, request::Parts},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use tower_sessions::cookie::time;

use crate::{
    config::Config,
    itinerary::SearchQuery,
    search::{
        Search,
        form::SearchForm,
        pages::flights::in_words,
        recent::{self, Recent},
        shelf::Written,
    },
};

const DAYS: i64 = 60;

type SetCookie = AppendHeaders<[(HeaderName, HeaderValue); 1]>;

/// As the browser sent it.
pub struct RecentCookie {
    value: String,
    https: bool,
}

/// A search to go back to.
pub struct Again {
    pub href: String,
    pub title: String,
    pub detail: String,
}

impl RecentCookie {
    fn read(&self, search: &Search) -> Recent {
        Recent::read(&self.value, search.airports, search.clock.now())
    }

    /// For the first page.
    pub fn again(&self, search: &Search) -> Vec<Again> {
        let again = |query: &SearchQuery| {
            let form = SearchForm::of(query, search.airports);
            let asked = in_words(query, search.airports, &form);
            Again {
                href: format!("/flights?{}", form.address()),
                title: asked.title,
                detail: format!("{}, {}, {}", asked.dates, asked.party, asked.cabin),
            }
        };
        self.read(search).searches().iter().map(again).collect()
    }

    /// The cookie with one more search, if that changes it.
    pub fn with(&self, search: &Search, query: &SearchQuery) -> Option<SetCookie> {
        let value = self.read(search).with(query).write(search.airports);
        if value == self.value { None } else { set(&self.line(value, time::Duration::days(DAYS))) }
    }

    /// The same for a list that was written out before.
    pub fn with_written(&self, search: &Search, written: &Written) -> Option<SetCookie> {
        if self.value.is_empty() {
            let line = || self.line(written.remembered.clone(), time::Duration::days(DAYS));
            return set(written.cookie.get_or_init(line));
        }
        // Whoever looks again at what they searched for last has it first already.
        let first = self.value.split(recent::BETWEEN).next();
        if first == Some(&written.remembered) { None } else { self.with(search, &written.query) }
    }

    fn line(&self, value: String, life: time::Duration) -> String {
        let cookie = Cookie::build((cookie_name(self.https), value))
            .path("/")
            .secure(self.https)
            .http_only(true)
            .same_site(SameSite::Lax)
            .max_age(life)
            .build();
        cookie.encoded().to_string()
    }
}

fn set(line: &str) -> Option<SetCookie> {
    HeaderValue::from_str(line).ok().map(|line| AppendHeaders([(header::SET_COOKIE, line)]))
}

const fn cookie_name(https: bool) -> &'static str {
    if https { "__Host-searches" } else { "searches" }
}

impl<S: Send + Sync> FromRequestParts<S> for RecentCookie
where
    Arc<Config>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let https = Arc::<Config>::from_ref(state).is_https();
        let jar = CookieJar::from_headers(&parts.headers);
        let value = jar.get(cookie_name(https)).map_or(String::new(), |cookie| cookie.value().to_owned());
        Ok(Self { value, https })
    }
}

/// POST /searches/forget
pub async fn forget(recent: RecentCookie) -> Response {
    (set(&recent.line(String::new(), time::Duration::ZERO)), Redirect::to("/")).into_response()
}
