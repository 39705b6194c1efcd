//! Making an account.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use secrecy::SecretString;
use serde::Deserialize;

use super::{Sight, check_length, login::LoginQuery, safe_next, with_next};
use crate::{
    accounts::{Accounts, NewAccount},
    error::{AppError, FieldErrors},
    web::{
        again::typed_again,
        chrome::Chrome,
        components::Field,
        form::{self, Form, Query},
        principal::MaybeSignedIn,
        visitor::Visitor,
    },
};

#[derive(Template)]
#[template(path = "accounts/signup.html")]
struct SignupPage {
    chrome: Chrome,
    name: String,
    email: String,
    next: String,
    login: String,
    shown: bool,
    errors: FieldErrors,
}

pub async fn signup(
    chrome: Chrome,
    MaybeSignedIn(who): MaybeSignedIn,
    Query(query): Query<LoginQuery>,
) -> Result<Response, AppError> {
    let next = safe_next(&query.next);
    if who.is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    let login = with_next("/login", &next);
    let page = SignupPage {
        chrome,
        name: String::new(),
        email: String::new(),
        next,
        login,
        shown: false,
        errors: FieldErrors::default(),
    };
    Ok(Html(page.render()?).into_response())
}

#[derive(Deserialize)]
pub struct SignupForm {
    name: String,
    email: String,
    password: SecretString,
    #[serde(default)]
    next: String,
    #[serde(flatten)]
    sight: Sight,
}

pub async fn sign_up(
    State(accounts): State<Accounts>,
    visitor: Visitor,
    chrome: Chrome,
    Form(form): Form<SignupForm>,
) -> Result<Response, AppError> {
    let next = safe_next(&form.next);
    let login = with_next("/login", &next);
    if let Some(shown) = form.sight.asked() {
        let errors = FieldErrors::default();
        let page = SignupPage { chrome, name: form.name, email: form.email, next, login, shown, errors };
        return Ok(Html(page.render()?).into_response());
    }
    let outcome = match check(&form) {
        Ok(new) => accounts.sign_up(new, &visitor).await,
        Err(errors) => Err(AppError::Invalid(errors)),
    };
    match outcome {
        // The same for a new address and for one that has an account: see the module.
        Ok(()) => Ok(Redirect::to(&with_next("/signup/sent", &next)).into_response()),
        Err(error) => typed_again(error, |errors| {
            let shown = form.sight.is_on();
            SignupPage { chrome, name: form.name, email: form.email, next, login, shown, errors }
        }),
    }
}

#[derive(Template)]
#[template(path = "accounts/signup_sent.html")]
struct SignupSentPage {
    chrome: Chrome,
    login: String,
}

pub async fn sent(chrome: Chrome, Query(query): Query<LoginQuery>) -> Result<Html<String>, AppError> {
    let login = with_next("/login", &safe_next(&query.next));
    Ok(Html(SignupSentPage { chrome, login }.render()?))
}

fn check(form: &SignupForm) -> Result<NewAccount, FieldErrors> {
    let mut errors = FieldErrors::default();
    let name = form::text(&mut errors, "name", &form.name, 200, "Write your name");
    let email = form::email(&mut errors, "email", &form.email);
    check_length(&mut errors, &form.password);
    match (name, email) {
        (Some(name), Some(email)) if errors.is_empty() => {
            Ok(NewAccount { name, email, password: form.password.clone() })
        }
        _ => Err(errors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_shows_in_debug() {
        let form =
            NewAccount { name: String::new(), email: String::new(), password: "plover cabinet".into() };
        assert!(!format!("{form:?}").contains("plover"));
    }
}
