//! The account itself: its address and its password.

use axum::{extract::State, http::StatusCode, response::Response};
use secrecy::SecretString;
use serde::Deserialize;

use super::{check_password, taken};
use crate::{
    accounts::Accounts,
    error::{AppError, FieldErrors},
    web::{
        bearer::{ApiUser, CalledBy},
        form,
        json::Json,
        scopes::AccountWrite,
        visitor::Visitor,
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    #[serde(default)]
    email: String,
}

pub async fn ask_for_reset(
    State(accounts): State<Accounts>,
    visitor: Visitor,
    Json(asked): Json<Address>,
) -> Result<Response, AppError> {
    let mut errors = FieldErrors::default();
    let email = form::email(&mut errors, "email", &asked.email).ok_or(AppError::Invalid(errors))?;
    accounts.request_password_reset(&email, &visitor).await?;
    Ok(taken(
        "If this address has an account, a link for a new password is on its way. It works for 30 minutes.",
    ))
}

/// Not [`Clone`]: used once.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    #[serde(default)]
    token: String,
    #[serde(default)]
    password: SecretString,
}

pub async fn reset(
    State(accounts): State<Accounts>,
    Json(asked): Json<NewPassword>,
) -> Result<StatusCode, AppError> {
    let mut errors = FieldErrors::default();
    check_password(&mut errors, "password", &asked.password);
    if !errors.is_empty() {
        return Err(AppError::Invalid(errors));
    }
    accounts.reset_password(&asked.token, asked.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    #[serde(default)]
    token: String,
}

pub async fn verify(
    State(accounts): State<Accounts>,
    Json(asked): Json<Proof>,
) -> Result<StatusCode, AppError> {
    accounts.verify_email(&asked.token).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn ask_to_verify(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountWrite>,
) -> Result<Response, AppError> {
    accounts.request_verification(who.user).await?;
    Ok(taken("Unless your address is confirmed already, a link is on its way to it."))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAddress {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: SecretString,
}

pub async fn ask_to_change_email(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountWrite>,
    Json(asked): Json<NewAddress>,
) -> Result<Response, AppError> {
    let mut errors = FieldErrors::default();
    let email = form::email(&mut errors, "email", &asked.email);
    check_password(&mut errors, "password", &asked.password);
    let Some(email) = email.filter(|_| errors.is_empty()) else { return Err(AppError::Invalid(errors)) };
    accounts.request_email_change(who.user, asked.password, &email).await?;
    Ok(taken("The new address has a mail with a link now. Nothing changes until it is used."))
}

pub async fn change_email(
    State(accounts): State<Accounts>,
    Json(asked): Json<Proof>,
) -> Result<StatusCode, AppError> {
    accounts.confirm_email_change(&asked.token).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangedPassword {
    #[serde(default)]
    current_password: SecretString,
    #[serde(default)]
    password: SecretString,
}

/// Every program is signed out by it, the caller as well; a browser that asks stays.
pub async fn change_password(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountWrite>,
    Json(asked): Json<ChangedPassword>,
) -> Result<StatusCode, AppError> {
    let mut errors = FieldErrors::default();
    check_password(&mut errors, "current_password", &asked.current_password);
    check_password(&mut errors, "password", &asked.password);
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
