//! Programs: who calls the API, by the session's cookie or by `Authorization: Bearer` (RFC 6750).

use std::marker::PhantomData;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{
    clock::Clock,
    db::{Db, System, Traveller},
    error::{AppError, Refusal},
    ids::{DeviceId, FamilyId, TokenHash, UserId},
    web::{
        principal::SignedIn,
        scopes::{InScope, Scope, Scopes},
    },
};

/// Only here does a token count: a page is for people, who have a cookie.
const API: &str = "/api/";

/// Whoever calls the API and may do `S`: the traveller on our own page, or a program in their name. Never as staff,
/// whatever the account's role.
#[derive(Clone, Debug)]
pub struct ApiUser<S> {
    pub user: UserId,
    pub by: CalledBy,
    scope: PhantomData<fn() -> S>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalledBy {
    /// The browser of a signed-in person, who may do everything.
    Device(DeviceId),
    /// A program with a token of this family.
    Program(FamilyId),
}

/// Whom a token speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenOwner {
    pub user: UserId,
    pub family: FamilyId,
    pub scopes: Scopes,
}

impl<S> ApiUser<S> {
    pub const fn traveller(&self) -> Traveller {
        Traveller::Account(self.user)
    }
}

impl<N: InScope, S: Send + Sync> FromRequestParts<S> for ApiUser<N>
where
    Db: FromRef<S>,
    Clock: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        // A program that brings a token means that token: a cookie beside it counts for nothing.
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            let known = SignedIn::from_request_parts(parts, state).await;
            let known = known.map_err(|error| challenge(error, ""))?;
            return Ok(Self { user: known.user, by: CalledBy::Device(known.device), scope: PhantomData });
        }
        let token = token(&parts.headers).filter(|_| parts.uri.path().starts_with(API));
        let token = token.ok_or_else(|| challenge(AppError::Unauthenticated, ""))?;
        let now = Clock::from_ref(state).now();
        let owner = token_owner(&Db::from_ref(state), token, now).await.map_err(AppError::into_response)?;
        let owner =
            owner.ok_or_else(|| challenge(AppError::Unauthenticated, r#", error="invalid_token""#))?;
        if !owner.scopes.contains(N::SCOPE) {
            return Err(out_of_scope(N::SCOPE));
        }
        Ok(Self { user: owner.user, by: CalledBy::Program(owner.family), scope: PhantomData })
    }
}

/// The token of `Authorization: Bearer …`, if there is exactly one such header.
pub fn token(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (only, another) = (all.next()?, all.next());
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    (another.is_none() && scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim_start_matches(' '))
}

pub async fn token_owner(db: &Db, access: &str, now: Timestamp) -> Result<Option<TokenOwner>, AppError> {
    let hash = TokenHash::of(access);
    let mut tx = db.begin(System).await?;
    let row = sqlx::query!(
        "select f.id, f.user_id, f.scopes from auth.tokens t join auth.token_families f on f.id = t.family_id
          where t.hash = $1 and t.kind = 'access' and t.expires_at > $2",
        hash.as_bytes(),
        now.to_sqlx() as _,
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.and_then(|row| {
        let scopes = Scopes::from_codes(&row.scopes)?;
        Some(TokenOwner { user: UserId(row.user_id), family: FamilyId(row.id), scopes })
    }))
}

/// A 401 says how to prove oneself (RFC 9110, 15.5.2); other errors are none of a token's affair.
fn challenge(error: AppError, why: &str) -> Response {
    let is_401 = matches!(error, AppError::Unauthenticated);
    let mut response = error.into_response();
    if is_401 {
        say(&mut response, why);
    }
    response
}

fn out_of_scope(scope: Scope) -> Response {
    let code = scope.code();
    let refusal = Refusal {
        code: "insufficient_scope",
        title: "This token may not do that",
        detail: format!("It needs the scope {code}. Sign in again and ask for it."),
    };
    let mut response = AppError::Barred(refusal).into_response();
    say(&mut response, &format!(r#", error="insufficient_scope", scope="{code}""#));
    response
}

fn say(response: &mut Response, why: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!(r#"Bearer realm="api"{why}"#)) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn the_token_is_what_follows_the_scheme() {
        for value in ["Bearer abc", "bearer abc", "BEARER abc", "Bearer  abc"] {
            assert_eq!(token(&headers(&[value])), Some("abc"), "{value:?}");
        }
    }

    #[test]
    fn another_scheme_a_second_header_and_a_bare_word_are_no_token() {
        let cases: [&[&str]; 5] = [&[], &["Basic abc"], &["abc"], &["Bearer"], &["Bearer abc", "Bearer abc"]];
        for values in cases {
            assert_eq!(token(&headers(values)), None, "{values:?}");
        }
    }
}
