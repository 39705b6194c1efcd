//! Who asks, as far as limits are concerned: from which network, as whom if they are signed in, and in which browser.

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use tower_sessions::cookie::time;

use crate::{
    config::Config,
    error::AppError,
    ids::UserId,
    limits::{KNOWN_FOR, Known, KnownBrowser, Limits, Rule, Subject},
    web::{client::ClientAddress, principal::MaybeSignedIn},
};

pub struct Visitor {
    limits: Limits,
    network: Subject,
    user: Option<UserId>,
    known: KnownBrowser,
    https: bool,
}

impl Visitor {
    pub const fn network(&self) -> &Subject {
        &self.network
    }

    pub const fn browser(&self) -> &KnownBrowser {
        &self.known
    }

    /// Counts one for the network, and one for the account if there is one.
    pub async fn take(&self, by_network: Rule, by_account: Rule) -> Result<(), AppError> {
        self.limits.take(by_network, &self.network).await?;
        match self.user {
            Some(user) => self.limits.take(by_account, &Subject::user(user)).await,
            None => Ok(()),
        }
    }

    /// The same for somebody who may have come by a token.
    pub async fn take_for(&self, user: UserId, by_network: Rule, by_account: Rule) -> Result<(), AppError> {
        self.limits.take(by_network, &self.network).await?;
        self.limits.take(by_account, &Subject::user(user)).await
    }

    /// Counts one for the account, or for the network of somebody who is not signed in: where many share an address, those
    /// who are known are not held to what the others do.
    pub async fn take_either(&self, by_network: Rule, by_account: Rule) -> Result<(), AppError> {
        match self.user {
            Some(user) => self.limits.take(by_account, &Subject::user(user)).await,
            None => self.limits.take(by_network, &self.network).await,
        }
    }

    /// The cookie of somebody who has just signed in, with all that it takes: this browser is known to the account from now on.
    pub fn welcome(&self, account: Known) -> CookieJar {
        let value = self.limits.recognise(&self.known, account).write();
        let cookie = Cookie::build((cookie_name(self.https), value))
            .path("/")
            .secure(self.https)
            .http_only(true)
            .same_site(SameSite::Lax)
            .max_age(time::Duration::seconds(KNOWN_FOR.as_secs()));
        CookieJar::new().add(cookie)
    }
}

const fn cookie_name(https: bool) -> &'static str {
    if https { "__Host-known" } else { "known" }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor
where
    Arc<Config>: FromRef<S>,
    Limits: FromRef<S>,
{
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AppError> {
        let address = ClientAddress::from_request_parts(parts, state).await?;
        let MaybeSignedIn(who) = MaybeSignedIn::from_request_parts(parts, state).await?;
        let https = Arc::<Config>::from_ref(state).is_https();
        let jar = CookieJar::from_headers(&parts.headers);
        let known = jar.get(cookie_name(https)).map(|cookie| KnownBrowser::read(cookie.value()));
        Ok(Self {
            limits: Limits::from_ref(state),
            network: address.network(),
            user: who.map(|who| who.user),
            known: known.unwrap_or_default(),
            https,
        })
    }
}
