//! The second factor of an account: set it up, replace it, get new recovery codes, remove it.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{again, check_length, safe_next};
use crate::{
    accounts::{
        Accounts, SecondFactors,
        second_factor::{LONGEST_CODE, Setup},
    },
    error::{AppError, FieldErrors},
    web::{
        chrome::Chrome,
        components::{Field, Fragment, qr},
        form::{Form, Query},
        principal::SignedIn,
        proof::Proved,
        session::Door,
    },
};

#[derive(Deserialize)]
pub struct SecondFactorQuery {
    /// Where a sign-in with a recovery code was going.
    #[serde(default)]
    next: String,
}

#[derive(Template)]
#[template(path = "accounts/second_factor.html")]
struct SecondFactorPage {
    chrome: Chrome,
    /// Since when, and how many recovery codes are left.
    factor: Option<(String, usize)>,
    next: Option<String>,
    is_staff: bool,
    /// Nobody has proven the address: then there is none to be had.
    is_unproven: bool,
    errors: FieldErrors,
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
    page.next = (!query.next.is_empty()).then(|| safe_next(&query.next));
    Ok(Html(page.render()?))
}

impl SecondFactorPage {
    async fn load(factors: &SecondFactors, who: &SignedIn, chrome: Chrome) -> Result<Self, AppError> {
        let factor = factors.of(who.user).await?.map(|factor| {
            let since = TimeZone::UTC.to_datetime(factor.since).strftime("%-d %B %Y").to_string();
            (since, factor.codes_left)
        });
        let is_staff = who.staff.is_some();
        Ok(Self { chrome, factor, next: None, is_staff, is_unproven: false, errors: FieldErrors::default() })
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

#[derive(Template)]
#[template(path = "accounts/recovery_codes.html")]
struct RecoveryCodesPage {
    chrome: Chrome,
    codes: Vec<SecretString>,
    /// The same as a file.
    file: SecretString,
    /// After a setup; otherwise the app stays what it was.
    is_set_up: bool,
}

pub async fn set_up(
    State(factors): State<SecondFactors>,
    who: Proved,
    door: Door,
    chrome: Chrome,
    Form(form): Form<SetupForm>,
) -> Result<Response, AppError> {
    let Some(setup) = factors.resume(who.user, &who.email, form.setup.expose_secret())? else {
        // The form is older than its secret may be: a new one is made.
        return Ok(Redirect::to("/account/second-factor/setup").into_response());
    };
    let typed = Some(form.code.expose_secret()).filter(|typed| typed.len() <= LONGEST_CODE);
    match factors.confirm(who.user, who.device, &setup, typed.unwrap_or_default()).await? {
        Some(codes) => {
            door.second_factor_proved().await?;
            Ok(Html(RecoveryCodesPage::new(chrome, codes, true).render()?).into_response())
        }
        None => {
            let message = "That code is not right. Take the one that the app shows now, for the account that you just added";
            let errors = FieldErrors::one("code", message);
            let page = SecondFactorSetupPage::new(chrome, setup, who.has_second_factor);
            again(SecondFactorSetupPage { errors, ..page })
        }
    }
}

impl RecoveryCodesPage {
    fn new(chrome: Chrome, codes: Vec<SecretString>, is_set_up: bool) -> Self {
        let lines: Vec<&str> = codes.iter().map(|code| code.expose_secret()).collect();
        let text = format!("Recovery codes for {}\r\n{}\r\n", chrome.site.name, lines.join("\r\n"));
        let file: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let file = format!("data:text/plain;charset=utf-8,{}", file.replace('+', "%20")).into();
        Self { chrome, codes, file, is_set_up }
    }
}

pub async fn renew_codes(
    State(factors): State<SecondFactors>,
    who: Proved,
    chrome: Chrome,
) -> Result<Response, AppError> {
    match factors.renew_codes(who.user).await? {
        Some(codes) => Ok(Html(RecoveryCodesPage::new(chrome, codes, false).render()?).into_response()),
        None => Ok(Redirect::to("/account/second-factor").into_response()),
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
    Ok(Redirect::to("/account/second-factor").into_response())
}
