//! Sign up, sign in, sign out, the account page.

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use secrecy::SecretString;
use serde::Deserialize;
use tower_sessions::Session;
use url::{Url, form_urlencoded};

use crate::{
    accounts::{self, Account, NewAccount, Passwords, Tries, password},
    clock::Clock,
    db::Db,
    error::{AppError, FieldErrors},
    web::{
        chrome::Chrome,
        components::Field,
        form::{self, Form, Query},
        principal::{MaybeSignedIn, SignedIn},
        session::SessionUser,
    },
};

/// Where signing in leads when nothing else was asked for.
const HOME: &str = "/bookings";

#[derive(Deserialize)]
pub struct LoginQuery {
    #[serde(default)]
    next: String,
    /// Set by a sign-up that has just been taken.
    #[serde(default)]
    new: String,
}

#[derive(Template)]
#[template(path = "accounts/login.html")]
struct LoginPage {
    chrome: Chrome,
    email: String,
    next: String,
    signup: String,
    /// Comes from a sign-up, and is told what that means.
    is_new: bool,
    refused: bool,
    errors: FieldErrors,
}

pub async fn login(
    chrome: Chrome,
    MaybeSignedIn(who): MaybeSignedIn,
    Query(query): Query<LoginQuery>,
) -> Result<Response, AppError> {
    let next = safe_next(&query.next);
    if who.is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    let page = LoginPage::new(chrome, next, String::new());
    Ok(Html(LoginPage { is_new: query.new == "1", ..page }.render()?).into_response())
}

#[derive(Deserialize)]
pub struct LoginForm {
    email: String,
    password: SecretString,
    #[serde(default)]
    next: String,
}

pub async fn log_in(
    State(db): State<Db>,
    State(clock): State<Clock>,
    State(passwords): State<Passwords>,
    State(tries): State<Tries>,
    session: Session,
    chrome: Chrome,
    Form(form): Form<LoginForm>,
) -> Result<Response, AppError> {
    let mut errors = FieldErrors::default();
    let email = form::email(&mut errors, "email", &form.email);
    check_length(&mut errors, &form.password);
    let page = LoginPage::new(chrome, safe_next(&form.next), form.email);
    let Some(email) = email.filter(|_| errors.is_empty()) else {
        return again(LoginPage { errors, ..page });
    };
    match accounts::sign_in(&db, &clock, &passwords, &tries, &email, form.password).await? {
        Some(account) => {
            remember(&session, account).await?;
            Ok(Redirect::to(&page.next).into_response())
        }
        None => again(LoginPage { refused: true, ..page }),
    }
}

impl LoginPage {
    fn new(chrome: Chrome, next: String, email: String) -> Self {
        let signup = with_next("/signup", &next);
        Self { chrome, email, next, signup, is_new: false, refused: false, errors: FieldErrors::default() }
    }
}

#[derive(Template)]
#[template(path = "accounts/signup.html")]
struct SignupPage {
    chrome: Chrome,
    name: String,
    email: String,
    next: String,
    login: String,
    errors: FieldErrors,
}

pub async fn signup(
    chrome: Chrome,
    MaybeSignedIn(who): MaybeSignedIn,
    Query(query): Query<LoginQuery>,
) -> Result<Response, AppError> {
    let next = safe_next(&query.next);
    if who.is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    let login = with_next("/login", &next);
    let page = SignupPage {
        chrome,
        name: String::new(),
        email: String::new(),
        next,
        login,
        errors: FieldErrors::default(),
    };
    Ok(Html(page.render()?).into_response())
}

#[derive(Deserialize)]
pub struct SignupForm {
    name: String,
    email: String,
    password: SecretString,
    #[serde(default)]
    next: String,
}

pub async fn sign_up(
    State(db): State<Db>,
    State(passwords): State<Passwords>,
    chrome: Chrome,
    Form(form): Form<SignupForm>,
) -> Result<Response, AppError> {
    let next = safe_next(&form.next);
    let outcome = match check(&form) {
        Ok(new) => accounts::sign_up(&db, &passwords, new).await,
        Err(errors) => Err(AppError::Invalid(errors)),
    };
    let login = with_next("/login", &next);
    match outcome {
        // The same for a new address and for one that has an account: see the module.
        Ok(()) => Ok(Redirect::to(&format!("{login}&new=1")).into_response()),
        Err(AppError::Invalid(errors)) => {
            again(SignupPage { chrome, name: form.name, email: form.email, next, login, errors })
        }
        Err(other) => Err(other),
    }
}

fn check(form: &SignupForm) -> Result<NewAccount, FieldErrors> {
    let mut errors = FieldErrors::default();
    let name = form::text(&mut errors, "name", &form.name, 200, "Write your name");
    let email = form::email(&mut errors, "email", &form.email);
    check_length(&mut errors, &form.password);
    match (name, email) {
        (Some(name), Some(email)) if errors.is_empty() => {
            Ok(NewAccount { name, email, password: form.password.clone() })
        }
        _ => Err(errors),
    }
}

pub async fn log_out(session: Session) -> Result<Redirect, AppError> {
    session.flush().await.map_err(session_broken)?;
    Ok(Redirect::to("/"))
}

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

/// A new id at every sign-in: one that somebody planted in this browser before leads nowhere.
async fn remember(session: &Session, account: Account) -> Result<(), AppError> {
    session.cycle_id().await.map_err(session_broken)?;
    let user = SessionUser { user: account.user, email: account.email, staff: account.staff };
    user.write(session).await
}

fn session_broken(error: tower_sessions::session::Error) -> AppError {
    AppError::broken(format!("session: {error}"))
}

/// The form again, with what is wrong.
fn again(page: impl Template) -> Result<Response, AppError> {
    Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
}

fn check_length(errors: &mut FieldErrors, given: &SecretString) {
    use secrecy::ExposeSecret;
    match given.expose_secret().len() {
        0 => errors.add("password", "Write a password"),
        1..=password::LONGEST => {}
        _ => errors.add("password", format!("At most {} bytes", password::LONGEST)),
    }
}

fn with_next(path: &str, next: &str) -> String {
    let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    format!("{path}?next={next}")
}

/// Where to go after signing in: a page of this site, or [`HOME`]. What browsers would read as another site's address
/// (`//evil`, `/\evil`, a tab in between) is none of ours.
fn safe_next(raw: &str) -> String {
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
    path.starts_with("//") || ["/login", "/signup", "/logout"].contains(&path)
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

    #[test]
    fn a_password_never_shows_in_debug() {
        let form =
            NewAccount { name: String::new(), email: String::new(), password: "plover cabinet".into() };
        assert!(!format!("{form:?}").contains("plover"));
    }
}
