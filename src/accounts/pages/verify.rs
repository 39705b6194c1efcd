//! `/verify/{token}`: the link that proves an address. Opening it does nothing yet: programs that look into mails open
//! every link, and they must not prove anything for their owner. Pressing the button does it, for whoever is signed in to
//! the account that the link was mailed for: anybody may have signed up with this address.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, Redirect},
};

use super::own_unless;
use crate::{
    accounts::{Accounts, Purpose},
    error::AppError,
    web::{chrome::Chrome, form::Path, principal::MaybeSignedIn, session::Door},
};

#[derive(Template)]
#[template(path = "accounts/verify.html")]
struct VerifyPage {
    chrome: Chrome,
    email: String,
}

pub async fn verify(
    State(accounts): State<Accounts>,
    MaybeSignedIn(who): MaybeSignedIn,
    chrome: Chrome,
    Path(token): Path<String>,
) -> Result<Html<String>, AppError> {
    let who = own_unless(&accounts, &token, Purpose::VerifyEmail, who).await?;
    Ok(Html(VerifyPage { chrome, email: who.email }.render()?))
}

pub async fn prove(
    State(accounts): State<Accounts>,
    door: Door,
    MaybeSignedIn(who): MaybeSignedIn,
    Path(token): Path<String>,
) -> Result<Redirect, AppError> {
    let who = own_unless(&accounts, &token, Purpose::VerifyEmail, who).await?;
    accounts.verify_email(who.user, &token).await?;
    door.renew(|known| known.verified = true).await?;
    Ok(Redirect::to("/account?done=verified"))
}
