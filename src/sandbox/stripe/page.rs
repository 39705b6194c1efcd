//! The hosted page, in our own words: what a traveller sees between "Pay" and coming back.

use std::sync::Arc;

use askama::Template;
use axum::{
    Form,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use url::Url;

use super::{Inner, account::Session, cards, moves::Paid, refusal::ApiRefusal};
use crate::{
    ids::random_secret,
    money::{Currency, Money},
};

#[derive(Template)]
#[template(path = "sandbox/pay.html")]
struct PayPage<'a> {
    nonce: &'a str,
    pay_url: String,
    session: &'a Session,
    total: String,
    cancel_url: &'a str,
    field_error: Option<&'a str>,
    declined: Option<&'a str>,
    typed: &'a str,
}

#[derive(Template)]
#[template(path = "sandbox/challenge.html")]
struct ChallengePage<'a> {
    nonce: &'a str,
    challenge_url: String,
    session: &'a Session,
    total: String,
}

#[derive(Template)]
#[template(path = "sandbox/closed.html")]
struct ClosedPage<'a> {
    nonce: &'a str,
    title: &'a str,
    detail: &'a str,
    back_url: Option<&'a str>,
}

#[derive(Deserialize)]
pub struct CardForm {
    #[serde(default)]
    number: String,
}

#[derive(Deserialize)]
pub struct ChallengeForm {
    #[serde(default)]
    verdict: String,
}

pub async fn show(State(inner): State<Arc<Inner>>, Path(id): Path<String>) -> Response {
    match look(&inner, &id) {
        Some(session) if session.status == "open" => pay_page(&session, StatusCode::OK, None, None, ""),
        session => closed_page(session.as_ref()),
    }
}

pub async fn submit(
    State(inner): State<Arc<Inner>>,
    Path(id): Path<String>,
    Form(form): Form<CardForm>,
) -> Response {
    let Some(session) = look(&inner, &id).filter(|session| session.status == "open") else {
        return closed_page(look(&inner, &id).as_ref());
    };
    let Ok((card, last4)) = cards::find(&form.number) else {
        let wrong = "Type the whole card number, as on the card, or a test IBAN from the list.";
        // A card number is never sent back into a page, except one that cannot be a card.
        let typed: String = form.number.chars().filter(|c| !c.is_control()).take(40).collect();
        return pay_page(&session, StatusCode::UNPROCESSABLE_ENTITY, Some(wrong), None, &typed);
    };
    let paid = inner.change(|account, now| account.pay(&id, card, &last4, now));
    after(&inner, &session, paid)
}

pub async fn challenge(State(inner): State<Arc<Inner>>, Path(id): Path<String>) -> Response {
    match look(&inner, &id) {
        Some(session) if waits(&inner, &session) => challenge_page(&session),
        Some(session) if session.status == "open" => Redirect::to(&format!("/pay/{id}")).into_response(),
        session => closed_page(session.as_ref()),
    }
}

pub async fn answer_challenge(
    State(inner): State<Arc<Inner>>,
    Path(id): Path<String>,
    Form(form): Form<ChallengeForm>,
) -> Response {
    let Some(session) = look(&inner, &id) else { return closed_page(None) };
    let paid = inner.change(|account, now| account.authenticate(&id, form.verdict == "pass", now));
    after(&inner, &session, paid)
}

/// The session as it is now: a look is also when time does its part.
fn look(inner: &Arc<Inner>, id: &str) -> Option<Session> {
    inner.work(false, |account, now| {
        account.sweep(now);
        account.sessions.get(id).cloned()
    })
}

fn waits(inner: &Inner, session: &Session) -> bool {
    let intent = session.payment_intent.as_ref().and_then(|id| inner.lock().intents.get(id).cloned());
    session.status == "open" && intent.is_some_and(|intent| intent.status == "requires_action")
}

fn after(inner: &Arc<Inner>, session: &Session, paid: Result<Paid, ApiRefusal>) -> Response {
    match paid {
        Ok(Paid::Complete) => {
            let back = session.success_url.replace("{CHECKOUT_SESSION_ID}", &session.id);
            Redirect::to(&back).into_response()
        }
        Ok(Paid::Authenticate) => Redirect::to(&format!("/pay/{}/authenticate", session.id)).into_response(),
        Ok(Paid::Declined(message)) => {
            pay_page(session, StatusCode::PAYMENT_REQUIRED, None, Some(&message), "")
        }
        Ok(Paid::Closed) | Err(_) => closed_page(look(inner, &session.id).as_ref()),
    }
}

fn pay_page(
    session: &Session,
    status: StatusCode,
    field_error: Option<&str>,
    declined: Option<&str>,
    typed: &str,
) -> Response {
    let nonce = random_secret();
    let page = PayPage {
        nonce: &nonce,
        pay_url: format!("/pay/{}", session.id),
        total: total(session),
        cancel_url: session.cancel_url.as_deref().unwrap_or_default(),
        session,
        field_error,
        declined,
        typed,
    };
    html(&page, status, &nonce, Some(session))
}

fn challenge_page(session: &Session) -> Response {
    let nonce = random_secret();
    let challenge_url = format!("/pay/{}/authenticate", session.id);
    let page = ChallengePage { nonce: &nonce, challenge_url, total: total(session), session };
    html(&page, StatusCode::OK, &nonce, Some(session))
}

fn closed_page(session: Option<&Session>) -> Response {
    let nonce = random_secret();
    let (status, title, detail, back_url) = match session {
        Some(session) if session.status == "complete" => (
            StatusCode::OK,
            "This payment is done",
            "The card was accepted. It is not asked twice.",
            Some(session.success_url.replace("{CHECKOUT_SESSION_ID}", &session.id)),
        ),
        Some(session) => (
            StatusCode::GONE,
            "This payment page has expired",
            "Nothing was paid here. Start the payment again in the shop.",
            session.cancel_url.clone(),
        ),
        None => (
            StatusCode::NOT_FOUND,
            "There is no such payment page",
            "The address may be incomplete, or the sandbox was started anew. Nothing was paid here.",
            None,
        ),
    };
    let page = ClosedPage { nonce: &nonce, title, detail, back_url: back_url.as_deref() };
    html(&page, status, &nonce, None)
}

fn total(session: &Session) -> String {
    match session.currency.parse::<Currency>() {
        Ok(currency) => Money::new(session.amount, currency).to_string(),
        Err(_) => format!("{} {}", session.currency.to_uppercase(), session.amount),
    }
}

fn html(page: &impl Template, status: StatusCode, nonce: &str, session: Option<&Session>) -> Response {
    let Ok(text) = page.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let mut response = (status, axum::response::Html(text)).into_response();
    // Browsers hold a form's redirect to `form-action` as well, so the shop's origin must stand in it.
    let back = session.and_then(|session| Url::parse(&session.success_url).ok());
    let shop = back.map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self' {shop}; base-uri 'none'; frame-ancestors 'none'"
    );
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
