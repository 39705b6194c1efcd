//! Recovery codes: made by a form, shown by a page of their own. Sending the form again, going back or loading the page anew
//! shows the same codes; only somebody who presses the button for it gets others. They wait sealed in the session, for a
//! quarter of an hour or until their owner has kept them; otherwise we know their hashes.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::said::{self, Said};
use crate::{
    accounts::{SecondFactors, second_factor::NewCodes},
    error::AppError,
    ids::UserId,
    web::{
        chrome::Chrome,
        form::{Form, Query},
        principal::SignedIn,
        proof::Proved,
        waiting::{RECOVERY_CODES, Waiting},
    },
};

pub(super) const PAGE: &str = "/account/second-factor/codes";

#[derive(Serialize, Deserialize)]
struct Kept {
    codes: Vec<String>,
    made_at: Timestamp,
    /// After a setup; otherwise the app stays what it was.
    is_set_up: bool,
}

#[derive(Template)]
#[template(path = "accounts/recovery_codes.html")]
struct RecoveryCodesPage {
    chrome: Chrome,
    said: Option<Said>,
    shown: Option<Shown>,
    codes_left: usize,
    /// Which codes new ones are to take the place of.
    of: i64,
}

struct Shown {
    codes: Vec<SecretString>,
    /// The same as a file.
    file: SecretString,
    is_set_up: bool,
}

pub async fn recovery_codes(
    State(factors): State<SecondFactors>,
    who: Proved,
    waiting: Waiting,
    chrome: Chrome,
    Query(query): Query<said::Done>,
) -> Result<Response, AppError> {
    let Some(factor) = factors.of(who.user).await? else {
        return Ok(Redirect::to("/account/second-factor").into_response());
    };
    let kept: Option<Kept> = waiting.look(RECOVERY_CODES, &purpose(who.user)).await?;
    // Those that were made in another browser since have taken their place.
    let kept = kept.filter(|kept| kept.made_at == factor.codes_made_at);
    let shown = kept.map(|kept| Shown::new(&chrome.site.name, kept));
    let of = factor.codes_made_at.as_microsecond();
    let page = RecoveryCodesPage { chrome, said: query.said(), shown, codes_left: factor.codes_left, of };
    Ok(Html(page.render()?).into_response())
}

#[derive(Deserialize)]
pub struct RenewForm {
    /// The codes that the page spoke of, by the microsecond in which they were made.
    #[serde(default)]
    of: String,
}

pub async fn renew(
    State(factors): State<SecondFactors>,
    who: Proved,
    waiting: Waiting,
    Form(form): Form<RenewForm>,
) -> Result<Redirect, AppError> {
    let of = form.of.parse().ok().and_then(|of| Timestamp::from_microsecond(of).ok());
    if let Some(of) = of
        && let Some(codes) = factors.renew_codes(who.user, of).await?
    {
        keep(&waiting, who.user, codes, false).await?;
    }
    Ok(Redirect::to(PAGE))
}

/// They need not wait any longer.
pub async fn have_kept(_: SignedIn, waiting: Waiting) -> Result<Redirect, AppError> {
    waiting.forget(RECOVERY_CODES).await?;
    Ok(Redirect::to("/account/second-factor?done=codes"))
}

pub(super) async fn keep(
    waiting: &Waiting,
    user: UserId,
    new: NewCodes,
    is_set_up: bool,
) -> Result<(), AppError> {
    let codes = new.codes.iter().map(|code| code.expose_secret().to_owned()).collect();
    let kept = Kept { codes, made_at: new.made_at, is_set_up };
    waiting.put(RECOVERY_CODES, &purpose(user), &kept).await
}

/// Whoever signs in to this browser next opens nothing with it.
fn purpose(user: UserId) -> String {
    format!("recovery-codes:{user}")
}

impl Shown {
    fn new(site: &str, kept: Kept) -> Self {
        let text = format!("Recovery codes for {site}\r\n{}\r\n", kept.codes.join("\r\n"));
        let file: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let file = format!("data:text/plain;charset=utf-8,{}", file.replace('+', "%20")).into();
        let codes = kept.codes.into_iter().map(SecretString::from).collect();
        Self { codes, file, is_set_up: kept.is_set_up }
    }
}
