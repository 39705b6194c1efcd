//! Proof that it is still them: what is grave is done only by somebody who has just shown a password or a code, and money
//! moves only by somebody who has shown a code of their second factor.

use std::ops::Deref;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{Method, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use jiff::{SignedDuration, Timestamp};
use url::form_urlencoded;

use crate::{
    clock::Clock,
    db::{Db, System},
    error::{AppError, Refusal},
    ids::UserId,
    web::{
        frame::Frame,
        powers::{May, RefundMoney},
        principal::{SignedIn, SignedInStaff},
    },
};

/// How long a proof is fresh.
pub const FRESH: SignedDuration = SignedDuration::from_mins(5);

/// Somebody who has just proved who they are; by a code, if they have a second factor: a password stands for no code. Others
/// are asked, and come back.
#[derive(Clone, Debug)]
pub struct Proved {
    who: SignedIn,
    pub has_second_factor: bool,
}

/// Somebody who has just shown a code, if they have a second factor. Whoever has none is asked for the password by the form
/// itself.
#[derive(Clone, Debug)]
pub struct ProvedByCode(SignedIn);

/// A member of the agency who may move money and has just proved who they are by their second factor.
#[derive(Clone, Debug)]
pub struct MoneyPower(May<RefundMoney>);

impl Deref for Proved {
    type Target = SignedIn;
    fn deref(&self) -> &SignedIn {
        &self.who
    }
}

impl Deref for ProvedByCode {
    type Target = SignedIn;
    fn deref(&self) -> &SignedIn {
        &self.0
    }
}

impl Deref for MoneyPower {
    type Target = SignedInStaff;
    fn deref(&self) -> &SignedInStaff {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Proved
where
    Db: FromRef<S>,
    Clock: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let who = SignedIn::from_request_parts(parts, state).await.map_err(AppError::into_response)?;
        let has_second_factor =
            has_second_factor(&Db::from_ref(state), who.user).await.map_err(AppError::into_response)?;
        let proved_at = if has_second_factor { who.second_factor_at } else { Some(who.password_at) };
        if !is_fresh(proved_at, Clock::from_ref(state).now()) {
            return Err(ask_again(parts));
        }
        Ok(Self { who, has_second_factor })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ProvedByCode
where
    Db: FromRef<S>,
    Clock: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let who = SignedIn::from_request_parts(parts, state).await.map_err(AppError::into_response)?;
        if is_fresh(who.second_factor_at, Clock::from_ref(state).now()) {
            return Ok(Self(who));
        }
        match has_second_factor(&Db::from_ref(state), who.user).await {
            Ok(true) => Err(ask_again(parts)),
            Ok(false) => Ok(Self(who)),
            Err(error) => Err(error.into_response()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for MoneyPower
where
    Db: FromRef<S>,
    Clock: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let staff = May::from_request_parts(parts, state).await.map_err(AppError::into_response)?;
        let proved = Proved::from_request_parts(parts, state).await?;
        if proved.has_second_factor { Ok(Self(staff)) } else { Err(no_second_factor().into_response()) }
    }
}

fn is_fresh(proved_at: Option<Timestamp>, now: Timestamp) -> bool {
    proved_at.is_some_and(|at| now.duration_since(at) < FRESH)
}

/// A form is not sent on behind the question: its page says that nothing was done yet.
fn ask_again(parts: &Parts) -> Response {
    if parts.uri.path().starts_with("/api/") {
        return proof_too_old().into_response();
    }
    let page = Frame::of(&parts.extensions).map_or("/", |frame| frame.return_to.as_str());
    if matches!(parts.method, Method::GET | Method::HEAD) {
        return prove_and_go_to(page).into_response();
    }
    let page = page.split(['?', '#']).next().unwrap_or("/");
    prove_and_go_to(&format!("{page}?done=again")).into_response()
}

pub fn prove_and_go_to(next: &str) -> Redirect {
    let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    Redirect::to(&format!("/reauthenticate?next={next}"))
}

fn proof_too_old() -> AppError {
    AppError::Barred(Refusal {
        code: "proof_too_old",
        title: "Prove once more that it is you",
        detail:
            "Open /reauthenticate in this browser, then call again within five minutes. Nothing was changed."
                .to_owned(),
    })
}

fn no_second_factor() -> AppError {
    AppError::Barred(Refusal {
        code: "second_factor_missing",
        title: "Set up a second factor first",
        detail: "Money moves only by somebody who signs in with a code besides the password. It takes two minutes and an \
                 authenticator app. Nothing was changed."
            .to_owned(),
    })
}

async fn has_second_factor(db: &Db, user: UserId) -> Result<bool, AppError> {
    let mut tx = db.begin(System).await?;
    let has = sqlx::query_scalar!(
        r#"select exists (select from auth.second_factors where user_id = $1) as "has!""#,
        user.0
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_fresh_for_five_minutes() {
        let at: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        assert!(is_fresh(Some(at), at));
        assert!(is_fresh(Some(at), at + FRESH - SignedDuration::from_secs(1)));
        assert!(!is_fresh(Some(at), at + FRESH));
        assert!(!is_fresh(None, at));
    }
}
