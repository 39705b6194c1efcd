//! Signing up, in and out, and the tokens in between.

use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Taken, check_new_password, check_password, taken};
use crate::{
    accounts::{
        Account, Accounts, NewAccount, SecondFactors, devices,
        second_factor::LONGEST_CODE,
        tokens::{self, Issued},
    },
    error::{AppError, FieldErrors, Refusal},
    ids::UserId,
    limits::Rule,
    web::{
        bearer::{self, ApiUser},
        form,
        json::Json,
        problem::Problem,
        scopes::{AccountWrite, Scopes},
        session::Door,
        user_agent,
        visitor::Visitor,
    },
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    /// As we may call you.
    #[serde(default)]
    #[schema(required, min_length = 1, max_length = 200, example = "Maria Duarte")]
    name: String,
    #[serde(default)]
    #[schema(required, format = Email, max_length = 254, example = "maria@example.com")]
    email: String,
    /// One that is hard to guess: what is weak is refused with advice.
    #[serde(default)]
    #[schema(required, value_type = String, format = Password, min_length = 10, max_length = 1024, example = "plover cabinet tundra seven")]
    password: SecretString,
}

/// Make an account
///
/// A link that proves the address comes by mail. If the address has an account already, its owner is told by mail instead;
/// the answer is the same.
#[utoipa::path(
    post,
    path = "/api/auth/signup",
    operation_id = "signUp",
    tag = "Account",
    request_body = SignUp,
    responses(
        (status = 202, description = "Taken. What comes of it comes by mail.", body = Taken),
        (status = 429, description = "too_many_requests"),
        (status = 503, description = "busy"),
    ),
)]
pub async fn sign_up(
    State(accounts): State<Accounts>,
    visitor: Visitor,
    Json(asked): Json<SignUp>,
) -> Result<(StatusCode, Answer<Taken>), AppError> {
    let mut errors = FieldErrors::default();
    let name = form::text(&mut errors, "name", &asked.name, 200, "Write your name");
    let email = form::email(&mut errors, "email", &asked.email);
    check_new_password(&mut errors, "password", &asked.password);
    let (Some(name), Some(email), true) = (name, email, errors.is_empty()) else {
        return Err(AppError::Invalid(errors));
    };
    accounts.sign_up(NewAccount { name, email, password: asked.password }, &visitor).await?;
    Ok(taken("We have sent a mail to this address. If it had no account, it has one now: sign in."))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SignIn)]
pub struct Login {
    #[serde(default)]
    #[schema(required, format = Email, max_length = 254, example = "maria@example.com")]
    email: String,
    #[serde(default)]
    #[schema(required, value_type = String, format = Password, min_length = 1, example = "plover cabinet tundra seven")]
    password: SecretString,
    /// The present code of the second factor, or a recovery code, from those who have one.
    #[serde(default)]
    #[schema(value_type = String, example = "")]
    code: SecretString,
    /// With spaces between; all without it.
    #[schema(example = "account:read bookings:read bookings:write")]
    scope: Option<String>,
}

/// As RFC 6749, 5.1 has it.
#[derive(Serialize, ToSchema)]
pub struct Tokens {
    /// Goes into `Authorization: Bearer …`.
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the access token ends.
    #[schema(minimum = 0, maximum = 900, example = 900)]
    expires_in: i64,
    /// For new tokens, once.
    refresh_token: String,
    /// What the tokens may do, with spaces between.
    #[schema(example = "account:read bookings:read bookings:write")]
    scope: String,
}

impl From<Issued> for Tokens {
    fn from(issued: Issued) -> Self {
        Self {
            access_token: issued.access.expose().to_owned(),
            token_type: "Bearer",
            expires_in: issued.expires_in,
            refresh_token: issued.refresh.expose().to_owned(),
            scope: issued.scopes.to_string(),
        }
    }
}

/// Sign in
///
/// Answers with an access token for the next 15 minutes and a refresh token. No token ever speaks for a member of staff.
#[utoipa::path(
    post,
    path = "/api/auth/login",
    operation_id = "signIn",
    tag = "Account",
    request_body = Login,
    responses(
        (status = 200, description = "The tokens. They are shown here and never again.", body = Tokens),
        (status = 401, description = "wrong_credentials"),
        (status = 403, description = "second_factor_required"),
        (status = 429, description = "too_many_requests"),
        (status = 503, description = "busy"),
    ),
)]
pub async fn log_in(
    State(accounts): State<Accounts>,
    State(factors): State<SecondFactors>,
    visitor: Visitor,
    headers: HeaderMap,
    Json(asked): Json<Login>,
) -> Result<Response, AppError> {
    let mut errors = FieldErrors::default();
    let email = form::email(&mut errors, "email", &asked.email);
    check_password(&mut errors, "password", &asked.password);
    let scopes = asked.scope.as_deref().map_or(Ok(Scopes::ALL), str::parse);
    if scopes.is_err() {
        errors.add("scope", "Some of account:read, account:write, bookings:read, bookings:write");
    }
    let (Some(email), Ok(scopes), true) = (email, scopes, errors.is_empty()) else {
        return Err(AppError::Invalid(errors));
    };
    let Some(account) = accounts.sign_in(&email, asked.password, &visitor).await? else {
        return Ok(unproven(Refusal {
            code: "wrong_credentials",
            title: "This address and this password do not belong together",
            detail: "One of the two is mistyped, or there is no such account.".to_owned(),
        }));
    };
    check_code(&factors, account.user, &asked.code).await?;
    let Account { user, password, .. } = account;
    let newcomer = tokens::Newcomer { user, scopes, password, program: user_agent::program(&headers) };
    let issued = tokens::issue(&accounts.db, &accounts.clock, newcomer).await?;
    Ok(Answer(Tokens::from(issued)).into_response())
}

/// A token is worth as much as a browser that is signed in, so it asks for as much.
pub async fn check_code(factors: &SecondFactors, user: UserId, code: &SecretString) -> Result<(), AppError> {
    if factors.of(user).await?.is_none() {
        return Ok(());
    }
    let typed = code.expose_secret();
    if typed.is_empty() {
        return Err(AppError::Barred(Refusal {
            code: "second_factor_required",
            title: "This account has a second factor",
            detail: "Send the code that the app shows now, or a recovery code, as `code`.".to_owned(),
        }));
    }
    let checked = factors.check(user, if typed.len() <= LONGEST_CODE { typed } else { "" }).await?;
    if checked.is_right() {
        Ok(())
    } else {
        Err(AppError::Invalid(FieldErrors::one("code", checked.message())))
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    #[serde(default)]
    #[schema(required, value_type = String)]
    refresh_token: SecretString,
}

/// Exchange the refresh token
///
/// For a new pair, once. A refresh token that comes a second time ends every token of that sign-in: one of the two who used
/// it is a thief. So keep the new pair before you go on, and never refresh from two places.
#[utoipa::path(
    post,
    path = "/api/auth/refresh",
    operation_id = "refreshTokens",
    tag = "Account",
    request_body = Refresh,
    responses(
        (status = 200, description = "The new tokens.", body = Tokens),
        (status = 401, description = "refresh_token_dead"),
        (status = 429, description = "too_many_requests"),
    ),
)]
pub async fn refresh(
    State(accounts): State<Accounts>,
    visitor: Visitor,
    Json(asked): Json<Refresh>,
) -> Result<Response, AppError> {
    accounts.limits.take(Rule::TokenRefresh, visitor.network()).await?;
    let presented = asked.refresh_token.expose_secret();
    match tokens::refresh(&accounts.db, &accounts.clock, presented).await? {
        Some(issued) => Ok(Answer(Tokens::from(issued)).into_response()),
        None => Ok(unproven(Refusal {
            code: "refresh_token_dead",
            title: "This token does nothing any more",
            detail: "It was used already, it is too old, or it was never ours. Sign in again.".to_owned(),
        })),
    }
}

/// Sign out
///
/// Ends every token of this sign-in, or the browser's session. Whoever is not signed in is not afterwards either.
#[utoipa::path(
    post,
    path = "/api/auth/logout",
    operation_id = "signOut",
    tag = "Account",
    responses((status = 204, description = "Signed out.")),
    security((), ("bearer" = []), ("session" = [])),
)]
pub async fn log_out(
    State(accounts): State<Accounts>,
    headers: HeaderMap,
    door: Door,
) -> Result<StatusCode, AppError> {
    match bearer::token(&headers) {
        Some(token) => tokens::revoke(&accounts.db, token).await?,
        None => door.sign_out().await?,
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Sign out everywhere
///
/// Every browser and every program of the account, the caller as well.
#[utoipa::path(
    post,
    path = "/api/auth/logout-everywhere",
    operation_id = "signOutEverywhere",
    tag = "Account",
    responses((status = 204, description = "Signed out everywhere.")),
    security(("bearer" = ["account:write"]), ("session" = [])),
)]
pub async fn log_out_everywhere(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountWrite>,
) -> Result<StatusCode, AppError> {
    devices::end_all(&accounts.db, who.user, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A 401 says how to prove oneself otherwise (RFC 9110, 15.5.2).
fn unproven(refusal: Refusal) -> Response {
    let problem = Problem::refusal(StatusCode::UNAUTHORIZED, &refusal);
    ([(header::WWW_AUTHENTICATE, r#"Bearer realm="api""#)], problem).into_response()
}
