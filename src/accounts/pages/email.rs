//! `/account/email` and `/email/{token}`: another address to sign in with.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use secrecy::SecretString;
use serde::Deserialize;

use super::{Sight, account, check_length_of, own_unless};
use crate::{
    accounts::{Accounts, Purpose},
    airports::Airports,
    db::Db,
    error::{AppError, FieldErrors},
    web::{
        again::typed_again,
        chrome::Chrome,
        components::Field,
        form::{self, Form, Path},
        principal::{MaybeSignedIn, SignedIn},
        proof::ProvedByCode,
        session::Door,
    },
};

#[derive(Template)]
#[template(path = "accounts/email.html")]
struct EmailPage {
    chrome: Chrome,
    present: String,
    email: String,
    shown: bool,
    errors: FieldErrors,
}

pub async fn email(who: ProvedByCode, chrome: Chrome) -> Result<Html<String>, AppError> {
    let (email, errors) = (String::new(), FieldErrors::default());
    Ok(Html(EmailPage { chrome, present: who.email.clone(), email, shown: false, errors }.render()?))
}

#[derive(Deserialize)]
pub struct EmailForm {
    email: String,
    password: SecretString,
    #[serde(flatten)]
    sight: Sight,
}

/// Whether the new address has an account is told to nobody here: only who reads its mail can go on.
pub async fn change(
    State(accounts): State<Accounts>,
    who: ProvedByCode,
    chrome: Chrome,
    Form(form): Form<EmailForm>,
) -> Result<Response, AppError> {
    let mut errors = FieldErrors::default();
    let shown = form.sight.is_on();
    let page = |email, shown, errors| EmailPage { chrome, present: who.email.clone(), email, shown, errors };
    if let Some(shown) = form.sight.asked() {
        return Ok(Html(page(form.email, shown, errors).render()?).into_response());
    }
    let new = form::email(&mut errors, "email", &form.email);
    check_length_of(&mut errors, "password", &form.password);
    let outcome = match new.filter(|_| errors.is_empty()) {
        Some(new) => accounts.request_email_change(who.user, form.password, &new).await,
        None => Err(AppError::Invalid(errors)),
    };
    match outcome {
        Ok(()) => Ok(Redirect::to("/account?done=email").into_response()),
        Err(error) => typed_again(error, |errors| page(form.email, shown, errors)),
    }
}

/// The link once more, for somebody who is still waiting for the mail.
pub async fn send_again(
    State(accounts): State<Accounts>,
    State(airports): State<&'static Airports>,
    State(db): State<Db>,
    who: SignedIn,
    chrome: Chrome,
) -> Result<Response, AppError> {
    let done = match accounts.ask_new_address_again(who.user).await {
        Ok(true) => "/account?done=email_again",
        Ok(false) => "/account",
        Err(error) => return account::refused(error, &accounts, airports, &db, who, chrome).await,
    };
    Ok(Redirect::to(done).into_response())
}

pub async fn withdraw(State(accounts): State<Accounts>, who: SignedIn) -> Result<Redirect, AppError> {
    accounts.withdraw_email_change(who.user).await?;
    Ok(Redirect::to("/account?done=email_withdrawn"))
}

#[derive(Template)]
#[template(path = "accounts/confirm_email.html")]
struct ConfirmEmailPage {
    chrome: Chrome,
}

/// As with proving an address: opening the link does nothing yet, and it counts for its own account alone.
pub async fn confirm(
    State(accounts): State<Accounts>,
    MaybeSignedIn(who): MaybeSignedIn,
    chrome: Chrome,
    Path(token): Path<String>,
) -> Result<Html<String>, AppError> {
    own_unless(&accounts, &token, Purpose::EmailChange, who).await?;
    Ok(Html(ConfirmEmailPage { chrome }.render()?))
}

pub async fn take(
    State(accounts): State<Accounts>,
    door: Door,
    MaybeSignedIn(who): MaybeSignedIn,
    Path(token): Path<String>,
) -> Result<Redirect, AppError> {
    let who = own_unless(&accounts, &token, Purpose::EmailChange, who).await?;
    let user = accounts.confirm_email_change(who.user, &token).await?;
    door.renew(|known| {
        known.email.clone_from(&user.email);
        known.verified = true;
    })
    .await?;
    Ok(Redirect::to("/account?done=new_email"))
}
