//! `/verify/{token}`: the link that proves an address. Opening it does nothing yet: programs that look into mails open
//! every link, and they must not prove anything for their owner. Pressing the button does it.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, Redirect},
};

use super::{dead_unless, said};
use crate::{
    accounts::{Accounts, Purpose},
    error::AppError,
    web::{chrome::Chrome, form::Path, session::Door},
};

#[derive(Template)]
#[template(path = "accounts/verify.html")]
struct VerifyPage {
    chrome: Chrome,
}

pub async fn verify(
    State(accounts): State<Accounts>,
    chrome: Chrome,
    Path(token): Path<String>,
) -> Result<Html<String>, AppError> {
    dead_unless(&accounts, &token, Purpose::VerifyEmail).await?;
    Ok(Html(VerifyPage { chrome }.render()?))
}

/// Leads to the account, by way of signing in where nobody is.
pub async fn prove(
    State(accounts): State<Accounts>,
    door: Door,
    who: crate::web::principal::MaybeSignedIn,
    Path(token): Path<String>,
) -> Result<Redirect, AppError> {
    let user = accounts.verify_email(&token).await?;
    if who.0.is_some_and(|who| who.user == user.id) {
        door.renew(|known| known.verified = true).await?;
    }
    Ok(Redirect::to(&said::then("/login", "verified", "/account")))
}
