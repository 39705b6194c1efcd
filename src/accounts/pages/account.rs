//! The account, at a glance.

use askama::Template;
use axum::{extract::State, response::Html};

use crate::{
    accounts::Accounts,
    error::AppError,
    web::{chrome::Chrome, principal::SignedIn},
};

#[derive(Template)]
#[template(path = "accounts/account.html")]
struct AccountPage {
    chrome: Chrome,
    email: String,
    name: String,
    role: Option<&'static str>,
}

pub async fn account(
    State(accounts): State<Accounts>,
    who: SignedIn,
    chrome: Chrome,
) -> Result<Html<String>, AppError> {
    let name = accounts.profile(who.user).await?.name;
    let page = AccountPage { chrome, email: who.email, name, role: who.staff.map(|role| role.code()) };
    Ok(Html(page.render()?))
}
