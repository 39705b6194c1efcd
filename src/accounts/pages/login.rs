//! Signing in and out.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use secrecy::SecretString;
use serde::Deserialize;
use tower_sessions::Session;

use super::{again, check_length, code, safe_next, with_next};
use crate::{
    accounts::{Account, Accounts, SecondFactors, devices},
    clock::Clock,
    db::Db,
    error::{AppError, FieldErrors},
    web::{
        chrome::Chrome,
        components::Field,
        form::{self, Form, Query},
        principal::{MaybeSignedIn, SignedIn},
        session::{Door, Newcomer},
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
    State(accounts): State<Accounts>,
    State(clock): State<Clock>,
    State(factors): State<SecondFactors>,
    session: Session,
    door: Door,
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
    match accounts.sign_in(&email, form.password).await? {
        Some(account) if factors.of(account.user).await?.is_some() => {
            let mark = factors.mark(&account.email).await?.ok_or(AppError::Unauthenticated)?;
            code::ask(&door, &session, account, mark, &page.next, clock.now()).await
        }
        Some(account) => {
            remember(&door, account).await?;
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

pub async fn log_out(door: Door) -> Result<Redirect, AppError> {
    door.sign_out().await?;
    Ok(Redirect::to("/"))
}

/// Every browser and every program.
pub async fn log_out_everywhere(
    State(db): State<Db>,
    who: SignedIn,
    door: Door,
) -> Result<Redirect, AppError> {
    devices::end_all(&db, who.user).await?;
    door.sign_out().await?;
    Ok(Redirect::to("/login"))
}

pub(super) async fn remember(door: &Door, account: Account) -> Result<(), AppError> {
    let Account { user, email, staff, verified } = account;
    door.sign_in(Newcomer { user, email, staff, verified }).await?;
    Ok(())
}
