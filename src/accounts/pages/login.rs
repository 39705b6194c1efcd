//! Signing in and out.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use secrecy::SecretString;
use serde::Deserialize;
use tower_sessions::Session;

use super::{again, check_length, safe_next, session_broken, with_next};
use crate::{
    accounts::{self, Account, Passwords, Tries},
    clock::Clock,
    db::Db,
    error::{AppError, FieldErrors},
    web::{
        chrome::Chrome,
        components::Field,
        form::{self, Form, Query},
        principal::MaybeSignedIn,
        session::SessionUser,
    },
};

#[derive(Deserialize)]
pub struct LoginQuery {
    #[serde(default)]
    pub(super) next: String,
    /// Set by a sign-up that has just been taken.
    #[serde(default)]
    new: String,
}

#[derive(Template)]
#[template(path = "accounts/login.html")]
struct LoginPage {
    chrome: Chrome,
    email: String,
    next: String,
    signup: String,
    /// Comes from a sign-up, and is told what that means.
    is_new: bool,
    refused: bool,
    errors: FieldErrors,
}

pub async fn login(
    chrome: Chrome,
    MaybeSignedIn(who): MaybeSignedIn,
    Query(query): Query<LoginQuery>,
) -> Result<Response, AppError> {
    let next = safe_next(&query.next);
    if who.is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    let page = LoginPage::new(chrome, next, String::new());
    Ok(Html(LoginPage { is_new: query.new == "1", ..page }.render()?).into_response())
}

#[derive(Deserialize)]
pub struct LoginForm {
    email: String,
    password: SecretString,
    #[serde(default)]
    next: String,
}

pub async fn log_in(
    State(db): State<Db>,
    State(clock): State<Clock>,
    State(passwords): State<Passwords>,
    State(tries): State<Tries>,
    session: Session,
    chrome: Chrome,
    Form(form): Form<LoginForm>,
) -> Result<Response, AppError> {
    let mut errors = FieldErrors::default();
    let email = form::email(&mut errors, "email", &form.email);
    check_length(&mut errors, &form.password);
    let page = LoginPage::new(chrome, safe_next(&form.next), form.email);
    let Some(email) = email.filter(|_| errors.is_empty()) else {
        return again(LoginPage { errors, ..page });
    };
    match accounts::sign_in(&db, &clock, &passwords, &tries, &email, form.password).await? {
        Some(account) => {
            remember(&session, account).await?;
            Ok(Redirect::to(&page.next).into_response())
        }
        None => again(LoginPage { refused: true, ..page }),
    }
}

impl LoginPage {
    fn new(chrome: Chrome, next: String, email: String) -> Self {
        let signup = with_next("/signup", &next);
        Self { chrome, email, next, signup, is_new: false, refused: false, errors: FieldErrors::default() }
    }
}

pub async fn log_out(session: Session) -> Result<Redirect, AppError> {
    session.flush().await.map_err(session_broken)?;
    Ok(Redirect::to("/"))
}

/// A new id at every sign-in: one that somebody planted in this browser before leads nowhere.
async fn remember(session: &Session, account: Account) -> Result<(), AppError> {
    session.cycle_id().await.map_err(session_broken)?;
    let user = SessionUser { user: account.user, email: account.email, staff: account.staff };
    user.write(session).await
}
