//! The pages of an account.

pub mod account;
pub mod code;
pub mod devices;
pub mod email;
pub mod login;
pub mod password;
pub mod profile;
pub mod recovery_codes;
pub mod reauthenticate;
pub mod reset;
pub mod said;
pub mod second_factor;
pub mod signup;
pub mod travellers;
pub mod verify;

use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use crate::{
    accounts::{
        Accounts, Purpose, User,
        mail_tokens::{link_is_dead, of_another_account},
        password as rules,
    },
    error::{AppError, FieldErrors},
    web::principal::SignedIn,
};

/// Where signing in leads when nothing else was asked for.
const HOME: &str = "/bookings";

/// The form again, with what is wrong.
fn again(page: impl Template) -> Result<Response, AppError> {
    Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
}

/// Whether passwords are typed in plain sight (see `components::reveal`).
#[derive(Debug, Default, Deserialize)]
pub struct Sight {
    /// The button was pressed.
    #[serde(default)]
    show: String,
    /// How the form stands.
    #[serde(default)]
    shown: String,
}

impl Sight {
    /// What the button asks for; the form is not sent for anything else then.
    pub fn asked(&self) -> Option<bool> {
        match self.show.as_str() {
            "1" => Some(true),
            "0" => Some(false),
            _ => None,
        }
    }

    pub fn is_on(&self) -> bool {
        self.shown == "1"
    }
}

fn check_length(errors: &mut FieldErrors, given: &SecretString) {
    check_length_of(errors, "password", given);
}

fn check_length_of(errors: &mut FieldErrors, field: &str, given: &SecretString) {
    match given.expose_secret().len() {
        0 => errors.add(field, "Write the password"),
        1..=rules::LONGEST => {}
        _ => errors.add(field, format!("At most {} bytes", rules::LONGEST)),
    }
}

/// 410 for a link that opens nothing (any more), before anything else is said.
async fn dead_unless(accounts: &Accounts, token: &str, purpose: Purpose) -> Result<User, AppError> {
    accounts.get_user_by_token(token, purpose).await?.ok_or_else(link_is_dead)
}

/// The same for a link that counts only in a session of its own account: others are asked to sign in, or told.
async fn own_unless(
    accounts: &Accounts,
    token: &str,
    purpose: Purpose,
    who: Option<SignedIn>,
) -> Result<SignedIn, AppError> {
    let owner = dead_unless(accounts, token, purpose).await?;
    let who = who.ok_or(AppError::Unauthenticated)?;
    if who.user == owner.id { Ok(who) } else { Err(of_another_account()) }
}

/// What to say to somebody who came to the sign-in by such a link.
fn why_sign_in(next: &str) -> Option<said::Said> {
    let by_link = [Purpose::VerifyEmail, Purpose::EmailChange]
        .into_iter()
        .any(|purpose| next.strip_prefix(purpose.path()).is_some_and(|rest| rest.starts_with('/')));
    by_link.then_some((
        "Sign in first, then confirm the address",
        "The link counts for the account that it was mailed for, and for nobody else. You have none? Then do nothing.",
    ))
}

fn with_next(path: &str, next: &str) -> String {
    let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    format!("{path}?next={next}")
}

/// Where to go after signing in: a page of this site, or [`HOME`]. What browsers would read as another site's address
/// (`//evil`, `/\evil`, a tab in between) is none of ours.
pub fn safe_next(raw: &str) -> String {
    let looks_local = raw.starts_with('/')
        && !raw.starts_with("//")
        && raw.len() <= 2_000
        && !raw.chars().any(|c| c == '\\' || c.is_control() || c.is_whitespace());
    let ours = Url::parse("https://ours.invalid/").ok();
    let target = ours.as_ref().filter(|_| looks_local).and_then(|ours| ours.join(raw).ok());
    match (target, ours) {
        (Some(target), Some(ours)) if target.origin() == ours.origin() && !leads_back(target.path()) => {
            let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
            format!("{}{query}", target.path())
        }
        _ => HOME.to_owned(),
    }
}

fn leads_back(path: &str) -> bool {
    path.starts_with("//")
        || ["/login", "/login/code", "/signup", "/signup/sent", "/logout", "/reauthenticate"].contains(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_only_pages_of_this_site_are_gone_to() {
        let cases = [
            ("/bookings/K7WQ4M", "/bookings/K7WQ4M"),
            ("/flights?from=LIS&to=LON&name=S%C3%A3o", "/flights?from=LIS&to=LON&name=S%C3%A3o"),
            ("/offers/a#fares", "/offers/a"),
            ("/", "/"),
            ("", HOME),
            ("bookings", HOME),
            ("//evil.example", HOME),
            ("/\\evil.example", HOME),
            ("/\t/evil.example", HOME),
            ("/\n/evil.example", HOME),
            ("/ /evil.example", HOME),
            ("/..//evil.example", HOME),
            ("/.//evil.example", HOME),
            ("https://evil.example/", HOME),
            ("javascript:alert(1)", HOME),
            ("/login?next=/login", HOME),
            ("/logout", HOME),
            ("/login/code", HOME),
            ("/reauthenticate?next=/admin", HOME),
        ];
        for (raw, expected) in cases {
            assert_eq!(safe_next(raw), expected, "{raw:?}");
            assert_eq!(safe_next(&safe_next(raw)), expected, "twice: {raw:?}");
        }
        assert_eq!(safe_next(&format!("/{}", "x".repeat(3_000))), HOME);
    }

    #[test]
    fn an_address_survives_the_way_through_next() {
        let target = "/flights?from=LIS&to=S%C3%A3o+Paulo&adults=2";
        let link = Url::parse("https://ours.invalid/").unwrap().join(&with_next("/login", target)).unwrap();
        let (_, next) = link.query_pairs().next().unwrap();
        assert_eq!(safe_next(&next), target);
    }
}
