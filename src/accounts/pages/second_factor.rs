//! The second factor of an account: set it up, replace it, remove it.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    again, check_length, recovery_codes, safe_next,
    said::{self, Said},
};
use crate::{
    accounts::{
        Accounts, SecondFactors,
        second_factor::{Confirmed, LONGEST_CODE, Setup},
    },
    error::{AppError, FieldErrors},
    web::{
        chrome::Chrome,
        components::{Field, Fragment, qr},
        form::{Form, Query},
        principal::SignedIn,
        proof::Proved,
        session::Door,
        waiting::Waiting,
    },
};

#[derive(Deserialize)]
pub struct SecondFactorQuery {
    /// Where a sign-in with a recovery code was going.
    #[serde(default)]
    next: String,
    #[serde(default)]
    done: String,
}

#[derive(Template)]
#[template(path = "accounts/second_factor.html")]
struct SecondFactorPage {
    chrome: Chrome,
    said: Option<Said>,
    factor: Option<Factor>,
    next: Option<String>,
    is_staff: bool,
    /// Nobody has proven the address: then there is none to be had.
    is_unproven: bool,
    errors: FieldErrors,
}

struct Factor {
    since: String,
    codes_left: usize,
    /// Which recovery codes new ones are to take the place of.
    codes: i64,
}

pub async fn second_factor(
    State(accounts): State<Accounts>,
    State(factors): State<SecondFactors>,
    who: SignedIn,
    chrome: Chrome,
    Query(query): Query<SecondFactorQuery>,
) -> Result<Html<String>, AppError> {
    let mut page = SecondFactorPage::load(&factors, &who, chrome).await?;
    page.is_unproven = !accounts.user(who.user).await?.is_verified();
    page.said = said::of(&query.done);
    page.next = (!query.next.is_empty()).then(|| safe_next(&query.next));
    Ok(Html(page.render()?))
}

impl SecondFactorPage {
    async fn load(factors: &SecondFactors, who: &SignedIn, chrome: Chrome) -> Result<Self, AppError> {
        let factor = factors.of(who.user).await?.map(|factor| {
            let since = TimeZone::UTC.to_datetime(factor.since).strftime("%-d %B %Y").to_string();
            Factor { since, codes_left: factor.codes_left, codes: factor.codes_made_at.as_microsecond() }
        });
        let is_staff = who.staff.is_some();
        let errors = FieldErrors::default();
        Ok(Self { chrome, said: None, factor, next: None, is_staff, is_unproven: false, errors })
    }
}

#[derive(Template)]
#[template(path = "accounts/second_factor_setup.html")]
struct SecondFactorSetupPage {
    chrome: Chrome,
    qr: Fragment,
    setup: Setup,
    replaces: bool,
    errors: FieldErrors,
}

impl SecondFactorSetupPage {
    fn new(chrome: Chrome, setup: Setup, replaces: bool) -> Self {
        let qr = qr(setup.link().expose_secret(), "QR code for your authenticator app");
        Self { chrome, qr, setup, replaces, errors: FieldErrors::default() }
    }
}

pub async fn setup(
    State(factors): State<SecondFactors>,
    who: Proved,
    chrome: Chrome,
) -> Result<Html<String>, AppError> {
    let setup = factors.begin(who.user, &who.email).await?;
    Ok(Html(SecondFactorSetupPage::new(chrome, setup, who.has_second_factor).render()?))
}

#[derive(Deserialize)]
pub struct SetupForm {
    setup: SecretString,
    code: SecretString,
}

pub async fn set_up(
    State(factors): State<SecondFactors>,
    who: Proved,
    door: Door,
    waiting: Waiting,
    chrome: Chrome,
    Form(form): Form<SetupForm>,
) -> Result<Response, AppError> {
    let Some(setup) = factors.resume(who.user, &who.email, form.setup.expose_secret())? else {
        // The form is older than its secret may be: a new one is made.
        return Ok(Redirect::to("/account/second-factor/setup").into_response());
    };
    let typed = Some(form.code.expose_secret()).filter(|typed| typed.len() <= LONGEST_CODE);
    match factors.confirm(who.user, who.device, &setup, typed.unwrap_or_default()).await? {
        Confirmed::Done(codes) => {
            door.second_factor_proved().await?;
            recovery_codes::keep(&waiting, who.user, codes, true).await?;
            Ok(Redirect::to(recovery_codes::PAGE).into_response())
        }
        Confirmed::Before => Ok(Redirect::to(recovery_codes::PAGE).into_response()),
        Confirmed::Wrong => {
            let message = "That code is not right. Take the one that the app shows now, for the account that you just added";
            let errors = FieldErrors::one("code", message);
            let page = SecondFactorSetupPage::new(chrome, setup, who.has_second_factor);
            again(SecondFactorSetupPage { errors, ..page })
        }
    }
}

#[derive(Deserialize)]
pub struct RemoveForm {
    password: SecretString,
    code: SecretString,
}

pub async fn remove(
    State(accounts): State<Accounts>,
    State(factors): State<SecondFactors>,
    who: SignedIn,
    door: Door,
    chrome: Chrome,
    Form(form): Form<RemoveForm>,
) -> Result<Response, AppError> {
    let mut errors = FieldErrors::default();
    check_length(&mut errors, &form.password);
    if errors.is_empty() && !accounts.is_password_of(who.user, form.password).await? {
        errors.add("password", "That is not your password");
    }
    // A code opens once: it is not spent on a wrong password.
    if errors.is_empty() {
        let typed = Some(form.code.expose_secret()).filter(|typed| typed.len() <= LONGEST_CODE);
        let checked = factors.check(who.user, typed.unwrap_or_default()).await?;
        if !checked.is_right() {
            errors.add("code", checked.message());
        }
    }
    if !errors.is_empty() {
        let page = SecondFactorPage::load(&factors, &who, chrome).await?;
        return again(SecondFactorPage { errors, ..page });
    }
    factors.remove(who.user).await?;
    door.renew(|known| known.second_factor_at = None).await?;
    Ok(Redirect::to("/account/second-factor?done=factor_off").into_response())
}
