//! The account, at a glance.

use askama::Template;
use axum::{extract::State, response::Html};

use crate::{
    accounts,
    db::Db,
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

pub async fn account(State(db): State<Db>, who: SignedIn, chrome: Chrome) -> Result<Html<String>, AppError> {
    let name = accounts::name_of(&db, who.user).await?;
    let page = AccountPage { chrome, email: who.email, name, role: who.staff.map(|role| role.code()) };
    Ok(Html(page.render()?))
}
