//! `/reset`: a forgotten password. Nothing on these pages tells whether an address has an account, nor whose link it is.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use secrecy::SecretString;
use serde::Deserialize;

use super::{Sight, check_length, dead_unless, said};
use crate::{
    accounts::{Accounts, Purpose},
    error::{AppError, FieldErrors},
    web::{
        again::typed_again,
        chrome::Chrome,
        components::Field,
        form::{self, Form, Path},
        visitor::Visitor,
    },
};

#[derive(Template)]
#[template(path = "accounts/reset.html")]
struct ResetPage {
    chrome: Chrome,
    email: String,
    errors: FieldErrors,
}

pub async fn reset(chrome: Chrome) -> Result<Html<String>, AppError> {
    let page = ResetPage { chrome, email: String::new(), errors: FieldErrors::default() };
    Ok(Html(page.render()?))
}

#[derive(Deserialize)]
pub struct ResetForm {
    email: String,
}

pub async fn ask(
    State(accounts): State<Accounts>,
    visitor: Visitor,
    chrome: Chrome,
    Form(form): Form<ResetForm>,
) -> Result<Response, AppError> {
    let mut errors = FieldErrors::default();
    let outcome = match form::email(&mut errors, "email", &form.email) {
        Some(email) => accounts.request_password_reset(&email, &visitor).await,
        None => Err(AppError::Invalid(errors)),
    };
    match outcome {
        Ok(()) => Ok(Redirect::to("/reset/sent").into_response()),
        Err(error) => typed_again(error, |errors| ResetPage { chrome, email: form.email, errors }),
    }
}

#[derive(Template)]
#[template(path = "accounts/reset_sent.html")]
struct ResetSentPage {
    chrome: Chrome,
}

pub async fn sent(chrome: Chrome) -> Result<Html<String>, AppError> {
    Ok(Html(ResetSentPage { chrome }.render()?))
}

#[derive(Template)]
#[template(path = "accounts/new_password.html")]
struct NewPasswordPage {
    chrome: Chrome,
    shown: bool,
    errors: FieldErrors,
}

pub async fn new_password(
    State(accounts): State<Accounts>,
    chrome: Chrome,
    Path(token): Path<String>,
) -> Result<Html<String>, AppError> {
    dead_unless(&accounts, &token, Purpose::PasswordReset).await?;
    let page = NewPasswordPage { chrome, shown: false, errors: FieldErrors::default() };
    Ok(Html(page.render()?))
}

#[derive(Deserialize)]
pub struct NewPasswordForm {
    #[serde(default)]
    password: SecretString,
    #[serde(flatten)]
    sight: Sight,
}

/// The link works once. Who was signed in with the old password is not any more, this browser included: signing in with the
/// new one is the first thing that it is good for.
pub async fn set_password(
    State(accounts): State<Accounts>,
    chrome: Chrome,
    Path(token): Path<String>,
    Form(form): Form<NewPasswordForm>,
) -> Result<Response, AppError> {
    let page = NewPasswordPage { chrome, shown: form.sight.is_on(), errors: FieldErrors::default() };
    if let Some(shown) = form.sight.asked() {
        dead_unless(&accounts, &token, Purpose::PasswordReset).await?;
        return Ok(Html(NewPasswordPage { shown, ..page }.render()?).into_response());
    }
    let mut errors = FieldErrors::default();
    check_length(&mut errors, &form.password);
    let outcome = if errors.is_empty() {
        accounts.reset_password(&token, form.password).await
    } else {
        dead_unless(&accounts, &token, Purpose::PasswordReset).await?;
        Err(AppError::Invalid(errors))
    };
    match outcome {
        Ok(recovered) => {
            let done = if recovered.is_first_proof { "reset_first" } else { "reset" };
            Ok(Redirect::to(&said::then("/login", done, super::HOME)).into_response())
        }
        Err(error) => typed_again(error, |errors| NewPasswordPage { errors, ..page }),
    }
}
