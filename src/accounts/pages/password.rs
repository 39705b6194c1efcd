//! `/account/password`: a new password for somebody who still knows the old one.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use secrecy::SecretString;
use serde::Deserialize;

use super::{Sight, check_length, check_length_of};
use crate::{
    accounts::Accounts,
    error::{AppError, FieldErrors},
    web::{
        again::typed_again, chrome::Chrome, components::Field, form::Form, principal::SignedIn, session::Door,
    },
};

#[derive(Template)]
#[template(path = "accounts/password.html")]
struct PasswordPage {
    chrome: Chrome,
    /// For password managers, which keep a password under its address.
    email: String,
    shown: bool,
    errors: FieldErrors,
}

pub async fn password(who: SignedIn, chrome: Chrome) -> Result<Html<String>, AppError> {
    let page = PasswordPage { chrome, email: who.email, shown: false, errors: FieldErrors::default() };
    Ok(Html(page.render()?))
}

#[derive(Deserialize)]
pub struct PasswordForm {
    current_password: SecretString,
    password: SecretString,
    #[serde(flatten)]
    sight: Sight,
}

pub async fn change(
    State(accounts): State<Accounts>,
    door: Door,
    who: SignedIn,
    chrome: Chrome,
    Form(form): Form<PasswordForm>,
) -> Result<Response, AppError> {
    let mut errors = FieldErrors::default();
    let page = PasswordPage { chrome, email: who.email, shown: form.sight.is_on(), errors: errors.clone() };
    if let Some(shown) = form.sight.asked() {
        return Ok(Html(PasswordPage { shown, ..page }.render()?).into_response());
    }
    check_length_of(&mut errors, "current_password", &form.current_password);
    check_length(&mut errors, &form.password);
    let outcome = if errors.is_empty() {
        accounts.change_password(who.user, form.current_password, form.password, Some(who.device)).await
    } else {
        Err(AppError::Invalid(errors))
    };
    match outcome {
        Ok(()) => {
            door.password_proved().await?;
            Ok(Redirect::to("/account?done=password").into_response())
        }
        Err(error) => typed_again(error, |errors| PasswordPage { errors, ..page }),
    }
}
