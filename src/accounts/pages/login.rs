//! Signing in and out.

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use secrecy::SecretString;
use serde::Deserialize;
use tower_sessions::Session;

use super::{
    Sight, again, check_length, code, safe_next,
    said::{self, Said},
    why_sign_in, with_next,
};
use crate::{
    accounts::{Account, Accounts, SecondFactors, devices},
    clock::Clock,
    db::Db,
    error::{AppError, FieldErrors},
    web::{
        again::typed_again,
        chrome::Chrome,
        components::Field,
        form::{self, Form, Query},
        kept::{KeptForm, KeptForms},
        principal::{MaybeSignedIn, SignedIn},
        session::{Door, Newcomer},
        visitor::Visitor,
    },
};

#[derive(Deserialize)]
pub struct LoginQuery {
    #[serde(default)]
    pub(super) next: String,
    /// What has just been done, as a code of [`said`].
    #[serde(default)]
    is: String,
}

#[derive(Template)]
#[template(path = "accounts/login.html")]
struct LoginPage {
    chrome: Chrome,
    email: String,
    next: String,
    signup: String,
    said: Option<Said>,
    /// What was typed into the form that this one came between.
    kept: Option<String>,
    /// The session ended over that form.
    interrupted: bool,
    shown: bool,
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
    let said = said::of(&query.is).or_else(|| why_sign_in(&next));
    let page = LoginPage::new(chrome, next, String::new());
    Ok(Html(LoginPage { said, ..page }.render()?).into_response())
}

/// For a form that was typed while its session ended. The page says 401, as it would without the form.
pub fn interrupted(chrome: Chrome, next: &str, typed: Vec<(String, String)>) -> Result<Response, AppError> {
    let Some(kept) = KeptForm::new(next, typed) else { return Err(AppError::Unauthenticated) };
    let page = LoginPage::new(chrome, safe_next(next), String::new());
    let page = LoginPage { kept: Some(kept.to_text()), interrupted: true, ..page };
    Ok((StatusCode::UNAUTHORIZED, Html(page.render()?)).into_response())
}

#[derive(Deserialize)]
pub struct LoginForm {
    email: String,
    password: SecretString,
    #[serde(default)]
    next: String,
    #[serde(default)]
    kept: String,
    #[serde(flatten)]
    sight: Sight,
}

#[expect(clippy::too_many_arguments, reason = "each is a part of the request that it needs")]
pub async fn log_in(
    State(accounts): State<Accounts>,
    State(clock): State<Clock>,
    State(factors): State<SecondFactors>,
    session: Session,
    forms: KeptForms,
    door: Door,
    visitor: Visitor,
    chrome: Chrome,
    Form(form): Form<LoginForm>,
) -> Result<Response, AppError> {
    let mut errors = FieldErrors::default();
    let email = form::email(&mut errors, "email", &form.email);
    check_length(&mut errors, &form.password);
    let next = safe_next(&form.next);
    let kept = KeptForm::sent(&next, &form.kept);
    let page = LoginPage {
        kept: kept.as_ref().map(KeptForm::to_text),
        shown: form.sight.is_on(),
        ..LoginPage::new(chrome, next, form.email)
    };
    if let Some(shown) = form.sight.asked() {
        return Ok(Html(LoginPage { shown, ..page }.render()?).into_response());
    }
    let Some(email) = email.filter(|_| errors.is_empty()) else {
        return again(LoginPage { errors, ..page });
    };
    let account = match accounts.sign_in(&email, form.password, &visitor).await {
        Ok(account) => account,
        Err(error) => return typed_again(error, |errors| LoginPage { errors, ..page }),
    };
    match account {
        Some(account) if factors.of(account.user).await?.is_some() => {
            let user = account.user;
            let answer = code::ask(&door, &session, account, &page.next, clock.now()).await?;
            forms.keep(kept, user).await?;
            Ok(answer)
        }
        Some(account) => {
            let known = visitor.welcome(account.known());
            let user = account.user;
            remember(&door, account).await?;
            forms.keep(kept, user).await?;
            Ok((known, Redirect::to(&page.next)).into_response())
        }
        None => again(LoginPage { refused: true, ..page }),
    }
}

impl LoginPage {
    fn new(chrome: Chrome, next: String, email: String) -> Self {
        let signup = with_next("/signup", &next);
        Self {
            chrome,
            email,
            next,
            signup,
            said: None,
            kept: None,
            interrupted: false,
            shown: false,
            refused: false,
            errors: FieldErrors::default(),
        }
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
    devices::end_all(&db, who.user, None).await?;
    door.sign_out().await?;
    Ok(Redirect::to("/login"))
}

pub(super) async fn remember(door: &Door, account: Account) -> Result<(), AppError> {
    let Account { user, email, staff, verified, password } = account;
    door.sign_in(Newcomer { user, email, staff, verified, password }).await?;
    Ok(())
}
