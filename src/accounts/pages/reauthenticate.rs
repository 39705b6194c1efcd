//! "Is it still you?": before what is grave, the password or, where there is a second factor, a code.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{again, check_length, safe_next};
use crate::{
    accounts::{Accounts, SecondFactors, second_factor::LONGEST_CODE},
    error::{AppError, FieldErrors},
    web::{
        again::typed_again,
        chrome::Chrome,
        components::Field,
        form::{Form, Query},
        principal::SignedIn,
        session::Door,
    },
};

#[derive(Deserialize)]
pub struct ReauthenticateQuery {
    #[serde(default)]
    next: String,
}

#[derive(Template)]
#[template(path = "accounts/reauthenticate.html")]
struct ReauthenticatePage {
    chrome: Chrome,
    email: String,
    next: String,
    by_code: bool,
    errors: FieldErrors,
}

pub async fn reauthenticate(
    State(factors): State<SecondFactors>,
    who: SignedIn,
    chrome: Chrome,
    Query(query): Query<ReauthenticateQuery>,
) -> Result<Html<String>, AppError> {
    let by_code = factors.of(who.user).await?.is_some();
    let next = safe_next(&query.next);
    let page = ReauthenticatePage { chrome, email: who.email, next, by_code, errors: FieldErrors::default() };
    Ok(Html(page.render()?))
}

/// One of the two is asked for; the other is not even looked at.
#[derive(Deserialize)]
pub struct ProofForm {
    #[serde(default)]
    password: Option<SecretString>,
    #[serde(default)]
    code: Option<SecretString>,
    #[serde(default)]
    next: String,
}

pub async fn prove(
    State(accounts): State<Accounts>,
    State(factors): State<SecondFactors>,
    who: SignedIn,
    door: Door,
    chrome: Chrome,
    Form(form): Form<ProofForm>,
) -> Result<Response, AppError> {
    let by_code = factors.of(who.user).await?.is_some();
    let next = safe_next(&form.next);
    let mut errors = FieldErrors::default();
    if by_code {
        let typed = form.code.as_ref().map(ExposeSecret::expose_secret);
        let typed = typed.filter(|typed| typed.len() <= LONGEST_CODE).unwrap_or_default();
        let checked = factors.check(who.user, typed).await?;
        if checked.is_right() {
            door.second_factor_proved().await?;
        } else {
            errors.add("code", checked.message());
        }
    } else {
        let password = form.password.unwrap_or_default();
        check_length(&mut errors, &password);
        let fits = match errors.is_empty() {
            true => accounts.is_password_of(who.user, password).await,
            false => Ok(false),
        };
        match fits {
            Ok(true) => door.password_proved().await?,
            Ok(false) => errors.add("password", "That is not your password"),
            Err(error) => {
                return typed_again(error, |errors| ReauthenticatePage {
                    chrome,
                    email: who.email,
                    next,
                    by_code,
                    errors,
                });
            }
        }
    }
    if errors.is_empty() {
        return Ok(Redirect::to(&next).into_response());
    }
    again(ReauthenticatePage { chrome, email: who.email, next, by_code, errors })
}
