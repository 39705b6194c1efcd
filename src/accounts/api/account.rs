//! The account itself: its address and its password.

use axum::{Json as Answer, extract::State, http::StatusCode};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Taken, check_mailed, check_new_password, check_password, sign_in::check_code, taken};
use crate::{
    accounts::{Accounts, SecondFactors},
    error::{AppError, FieldErrors},
    web::{
        bearer::{ApiUser, CalledBy},
        form,
        json::Json,
        scopes::AccountWrite,
        visitor::Visitor,
    },
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EmailAddress)]
pub struct Address {
    #[serde(default)]
    #[schema(required, format = Email, max_length = 254, example = "maria@example.com")]
    email: String,
}

/// Ask for a new password
///
/// Mails a link to the address if it has an account. The answer is the same if it has none.
#[utoipa::path(
    post,
    path = "/api/auth/password-reset",
    operation_id = "requestPasswordReset",
    tag = "Account",
    request_body = Address,
    responses(
        (status = 202, description = "Taken. What comes of it comes by mail.", body = Taken),
        (status = 429, description = "too_many_requests"),
    ),
)]
pub async fn ask_for_reset(
    State(accounts): State<Accounts>,
    visitor: Visitor,
    Json(asked): Json<Address>,
) -> Result<(StatusCode, Answer<Taken>), AppError> {
    let mut errors = FieldErrors::default();
    let email = form::email(&mut errors, "email", &asked.email).ok_or(AppError::Invalid(errors))?;
    accounts.request_password_reset(&email, &visitor).await?;
    Ok(taken(
        "If this address has an account, a link for a new password is on its way. It works for 30 minutes.",
    ))
}

/// Not [`Clone`]: used once.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// The last part of the link that was mailed.
    #[serde(default)]
    #[schema(required, min_length = 1)]
    token: String,
    #[serde(default)]
    #[schema(required, value_type = String, format = Password, min_length = 10, max_length = 1024, example = "another cabinet ozone lattice")]
    password: SecretString,
}

/// Set a new password
///
/// By the token of a mailed link. Everything that was signed in with the old one ends, and the address counts as proven.
#[utoipa::path(
    post,
    path = "/api/auth/password-reset/confirm",
    operation_id = "resetPassword",
    tag = "Account",
    request_body = NewPassword,
    responses(
        (status = 204, description = "The new password counts from now on."),
        (status = 410, description = "link_is_dead"),
        (status = 429, description = "too_many_requests"),
        (status = 503, description = "busy"),
    ),
)]
pub async fn reset(
    State(accounts): State<Accounts>,
    Json(asked): Json<NewPassword>,
) -> Result<StatusCode, AppError> {
    let mut errors = FieldErrors::default();
    check_mailed(&mut errors, &asked.token);
    check_new_password(&mut errors, "password", &asked.password);
    if !errors.is_empty() {
        return Err(AppError::Invalid(errors));
    }
    accounts.reset_password(&asked.token, asked.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MailedToken)]
pub struct Proof {
    /// The last part of the link that was mailed.
    #[serde(default)]
    #[schema(required, min_length = 1)]
    token: String,
}

impl Proof {
    fn checked(&self) -> Result<&str, AppError> {
        let mut errors = FieldErrors::default();
        check_mailed(&mut errors, &self.token);
        if errors.is_empty() { Ok(&self.token) } else { Err(AppError::Invalid(errors)) }
    }
}

/// Prove the address
///
/// By the token of the link that a sign-up mails. It counts for the account that it was mailed for, so only while signed in
/// to that one.
#[utoipa::path(
    post,
    path = "/api/auth/verify",
    operation_id = "verifyEmail",
    tag = "Account",
    request_body = Proof,
    responses(
        (status = 204, description = "The address is proven."),
        (status = 403, description = "link_of_another_account"),
        (status = 410, description = "link_is_dead"),
    ),
    security(("bearer" = ["account:write"]), ("session" = [])),
)]
pub async fn verify(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountWrite>,
    Json(asked): Json<Proof>,
) -> Result<StatusCode, AppError> {
    accounts.verify_email(who.user, asked.checked()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask for another link that proves the address
#[utoipa::path(
    post,
    path = "/api/auth/verify/request",
    operation_id = "requestVerification",
    tag = "Account",
    responses(
        (status = 202, description = "Taken. What comes of it comes by mail.", body = Taken),
        (status = 429, description = "too_many_requests"),
    ),
    security(("bearer" = ["account:write"]), ("session" = [])),
)]
pub async fn ask_to_verify(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountWrite>,
) -> Result<(StatusCode, Answer<Taken>), AppError> {
    accounts.request_verification(who.user).await?;
    Ok(taken("Unless your address is confirmed already, a link is on its way to it."))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAddress {
    #[serde(default)]
    #[schema(required, format = Email, max_length = 254, example = "maria@elsewhere.example")]
    email: String,
    /// The present one.
    #[serde(default)]
    #[schema(required, value_type = String, format = Password, min_length = 1)]
    password: SecretString,
    /// The present code of the second factor, or a recovery code, from those who have one.
    #[serde(default)]
    #[schema(value_type = String, example = "")]
    code: SecretString,
}

/// Ask to change the address
///
/// Mails a link to the new address and a notice to the old one. Nothing changes until the link is used.
#[utoipa::path(
    post,
    path = "/api/auth/email",
    operation_id = "requestEmailChange",
    tag = "Account",
    request_body = NewAddress,
    responses(
        (status = 202, description = "Taken. What comes of it comes by mail.", body = Taken),
        (status = 403, description = "second_factor_required"),
        (status = 429, description = "too_many_requests"),
        (status = 503, description = "busy"),
    ),
    security(("bearer" = ["account:write"]), ("session" = [])),
)]
pub async fn ask_to_change_email(
    State(accounts): State<Accounts>,
    State(factors): State<SecondFactors>,
    who: ApiUser<AccountWrite>,
    Json(asked): Json<NewAddress>,
) -> Result<(StatusCode, Answer<Taken>), AppError> {
    let mut errors = FieldErrors::default();
    let email = form::email(&mut errors, "email", &asked.email);
    check_password(&mut errors, "password", &asked.password);
    let Some(email) = email.filter(|_| errors.is_empty()) else { return Err(AppError::Invalid(errors)) };
    let known = accounts.prove(who.user, "password", asked.password).await?;
    check_code(&factors, who.user, &asked.code).await?;
    accounts.ask_new_address(who.user, &known, &email).await?;
    Ok(taken("The new address has a mail with a link now. Nothing changes until it is used."))
}

/// Change the address
///
/// By the token of the link that went to the new address. It counts only while signed in to the account that asked for it.
#[utoipa::path(
    post,
    path = "/api/auth/email/confirm",
    operation_id = "confirmEmailChange",
    tag = "Account",
    request_body = Proof,
    responses(
        (status = 204, description = "The new address counts from now on."),
        (status = 403, description = "link_of_another_account"),
        (status = 409, description = "email_taken"),
        (status = 410, description = "link_is_dead"),
    ),
    security(("bearer" = ["account:write"]), ("session" = [])),
)]
pub async fn change_email(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountWrite>,
    Json(asked): Json<Proof>,
) -> Result<StatusCode, AppError> {
    accounts.confirm_email_change(who.user, asked.checked()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangedPassword {
    #[serde(default)]
    #[schema(required, value_type = String, format = Password, min_length = 1)]
    current_password: SecretString,
    #[serde(default)]
    #[schema(required, value_type = String, format = Password, min_length = 10, max_length = 1024)]
    password: SecretString,
}

/// Change the password
///
/// Every program is signed out by it, the caller as well; a browser that asks stays.
#[utoipa::path(
    post,
    path = "/api/auth/password",
    operation_id = "changePassword",
    tag = "Account",
    request_body = ChangedPassword,
    responses(
        (status = 204, description = "The new password counts from now on."),
        (status = 409, description = "password_changed_meanwhile"),
        (status = 429, description = "too_many_requests"),
        (status = 503, description = "busy"),
    ),
    security(("bearer" = ["account:write"]), ("session" = [])),
)]
pub async fn change_password(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountWrite>,
    Json(asked): Json<ChangedPassword>,
) -> Result<StatusCode, AppError> {
    let mut errors = FieldErrors::default();
    check_password(&mut errors, "current_password", &asked.current_password);
    check_new_password(&mut errors, "password", &asked.password);
    if !errors.is_empty() {
        return Err(AppError::Invalid(errors));
    }
    let keep = match who.by {
        CalledBy::Device(device) => Some(device),
        CalledBy::Program(_) => None,
    };
    accounts.change_password(who.user, asked.current_password, asked.password, keep).await?;
    Ok(StatusCode::NO_CONTENT)
}
