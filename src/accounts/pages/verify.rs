//! `/verify/{token}`: the link that proves an address. Opening it does nothing yet: programs that look into mails open
//! every link, and they must not prove anything for their owner. Pressing the button does it, for whoever is signed in to
//! the account that the link was mailed for: anybody may have signed up with this address.
//!
//! A link that opens nothing says what that means. To whoever is not signed in it says the same, used, too old or never
//! ours: only the account itself tells whether its address is proven.

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};

use super::{own_unless, with_next};
use crate::{
    accounts::{Accounts, Purpose},
    error::AppError,
    web::{
        chrome::Chrome,
        form::Path,
        principal::{MaybeSignedIn, SignedIn},
        session::Door,
    },
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
) -> Result<Response, AppError> {
    match own_unless(&accounts, &token, Purpose::VerifyEmail, who.clone()).await {
        Ok(who) => Ok(Html(VerifyPage { chrome, email: who.email }.render()?).into_response()),
        Err(AppError::Gone(_)) => opens_nothing(&accounts, who, chrome).await,
        Err(error) => Err(error),
    }
}

/// Pressed twice, the second press finds the link used and the address proven: that is what was wanted.
pub async fn prove(
    State(accounts): State<Accounts>,
    door: Door,
    MaybeSignedIn(who): MaybeSignedIn,
    chrome: Chrome,
    Path(token): Path<String>,
) -> Result<Response, AppError> {
    let proven = match own_unless(&accounts, &token, Purpose::VerifyEmail, who.clone()).await {
        Ok(who) => accounts.verify_email(who.user, &token).await,
        Err(error) => Err(error),
    };
    match proven {
        Ok(_) => {
            door.renew(|known| known.verified = true).await?;
            Ok(Redirect::to("/account?done=verified").into_response())
        }
        Err(AppError::Gone(_)) => opens_nothing(&accounts, who, chrome).await,
        Err(error) => Err(error),
    }
}

#[derive(Template)]
#[template(path = "accounts/verify_over.html")]
struct VerifyOverPage {
    chrome: Chrome,
    /// Of whoever is signed in, and has not proven it.
    email: Option<String>,
    login: String,
}

async fn opens_nothing(
    accounts: &Accounts,
    who: Option<SignedIn>,
    chrome: Chrome,
) -> Result<Response, AppError> {
    let user = match &who {
        Some(who) => Some(accounts.user(who.user).await?),
        None => None,
    };
    if user.as_ref().is_some_and(|user| user.is_verified()) {
        return Ok(Redirect::to("/account?done=verified_before").into_response());
    }
    let page =
        VerifyOverPage { chrome, email: user.map(|user| user.email), login: with_next("/login", "/account") };
    Ok((StatusCode::GONE, Html(page.render()?)).into_response())
}
