//! The second half of signing in, for those with a second factor. Who stands here has shown the right password and is
//! not signed in: nothing but this page knows of it, and not for long.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tower_sessions::{Expiry, Session, cookie::time};

use super::{again, login::remember, with_next};
use crate::{
    accounts::{
        Account, SecondFactors,
        second_factor::{Checked, LONGEST_CODE},
    },
    clock::Clock,
    error::{AppError, FieldErrors},
    ids::{TokenHash, UserId},
    web::{
        chrome::Chrome,
        components::Field,
        form::Form,
        session::{self, Door},
        visitor::Visitor,
    },
};

const HALF_WAY: &str = "half_way";
/// Time to find the phone.
const LIFE: SignedDuration = SignedDuration::from_mins(5);
const TRIES: u8 = 5;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct HalfWay {
    user: UserId,
    email: String,
    /// Of the password that was right: after a change it is asked for again.
    mark: TokenHash,
    next: String,
    since: Timestamp,
    wrong: u8,
}

impl HalfWay {
    async fn read(session: &Session, now: Timestamp) -> Result<Option<Self>, AppError> {
        let half: Option<Self> = session.get(HALF_WAY).await.map_err(session::broken)?;
        Ok(half.filter(|half| now.duration_since(half.since) < LIFE))
    }

    async fn write(&self, session: &Session) -> Result<(), AppError> {
        session.insert(HALF_WAY, self).await.map_err(session::broken)?;
        session.set_expiry(Some(Expiry::OnInactivity(time::Duration::seconds(LIFE.as_secs()))));
        Ok(())
    }

    async fn forget(session: &Session) -> Result<(), AppError> {
        session.remove_value(HALF_WAY).await.map(drop).map_err(session::broken)
    }
}

/// The password was right: now for the code.
pub(super) async fn ask(
    door: &Door,
    session: &Session,
    account: Account,
    next: &str,
    now: Timestamp,
) -> Result<Response, AppError> {
    door.make_way().await?;
    let half = HalfWay {
        user: account.user,
        email: account.email,
        mark: account.password,
        next: next.to_owned(),
        since: now,
        wrong: 0,
    };
    half.write(session).await?;
    Ok(Redirect::to("/login/code").into_response())
}

#[derive(Template)]
#[template(path = "accounts/code.html")]
struct CodePage {
    chrome: Chrome,
    login: String,
    /// No more tries in this sign-in.
    is_over: bool,
    errors: FieldErrors,
}

pub async fn code(
    State(clock): State<Clock>,
    session: Session,
    chrome: Chrome,
) -> Result<Response, AppError> {
    let Some(half) = HalfWay::read(&session, clock.now()).await? else {
        return Ok(Redirect::to("/login").into_response());
    };
    let page = CodePage {
        chrome,
        login: with_next("/login", &half.next),
        is_over: false,
        errors: FieldErrors::default(),
    };
    Ok(Html(page.render()?).into_response())
}

#[derive(Deserialize)]
pub struct CodeForm {
    code: SecretString,
}

pub async fn check_code(
    State(clock): State<Clock>,
    State(factors): State<SecondFactors>,
    session: Session,
    door: Door,
    visitor: Visitor,
    chrome: Chrome,
    Form(form): Form<CodeForm>,
) -> Result<Response, AppError> {
    let Some(half) = HalfWay::read(&session, clock.now()).await? else {
        return Ok(Redirect::to("/login").into_response());
    };
    let typed = form.code.expose_secret();
    let checked =
        if typed.len() > LONGEST_CODE { Checked::Wrong } else { factors.check(half.user, typed).await? };
    if checked.is_right() {
        return come_in(&factors, &session, &door, &visitor, half, checked).await;
    }
    let wrong = half.wrong.saturating_add(1);
    let is_over = wrong >= TRIES || checked == Checked::Absent;
    let login = with_next("/login", &half.next);
    if is_over {
        HalfWay::forget(&session).await?;
    } else {
        HalfWay { wrong, ..half }.write(&session).await?;
    }
    again(CodePage { chrome, login, is_over, errors: FieldErrors::one("code", checked.message()) })
}

async fn come_in(
    factors: &SecondFactors,
    session: &Session,
    door: &Door,
    visitor: &Visitor,
    half: HalfWay,
    checked: Checked,
) -> Result<Response, AppError> {
    HalfWay::forget(session).await?;
    let Some(account) = factors.still(half.user, &half.email, half.mark).await? else {
        return Ok(Redirect::to("/login").into_response());
    };
    let known = visitor.welcome(account.known());
    remember(door, account).await?;
    door.second_factor_proved().await?;
    let next = match checked {
        // Somebody without their app should see how many ways in are left.
        Checked::RightByRecovery(_) => with_next("/account/second-factor", &half.next),
        _ => half.next,
    };
    Ok((known, Redirect::to(&next)).into_response())
}
