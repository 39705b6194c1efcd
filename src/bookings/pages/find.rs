//! `/find`: somebody without an account gets back to a booking, by mail. `/booking-link/{token}`: the link in that mail.

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, Method, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use tower_sessions::Session;

use crate::{
    bookings::{Bookings, find::Wanted},
    error::{AppError, FieldErrors},
    ids::{BookingReference, TokenHash},
    limits::{Limits, Rule, Subject},
    web::{
        again::typed_again,
        chrome::Chrome,
        client::ClientAddress,
        components::Field,
        form::{self, Form, Path, Query},
        links::HeldLinks,
    },
};

#[derive(Deserialize)]
pub struct FindQuery {
    /// Set by a form that has just been taken.
    #[serde(default)]
    sent: String,
}

#[derive(Deserialize, Default)]
pub struct FindForm {
    reference: String,
    family: String,
    email: String,
}

#[derive(Template)]
#[template(path = "bookings/find.html")]
struct FindPage {
    chrome: Chrome,
    form: FindForm,
    errors: FieldErrors,
    /// The form was taken. What came of it, this page does not know.
    is_sent: bool,
    /// Comes from a link that opens nothing.
    is_dead: bool,
    /// Bookings that this browser opens by itself.
    held: Vec<String>,
}

pub async fn find(
    session: Session,
    chrome: Chrome,
    Query(query): Query<FindQuery>,
) -> Result<Html<String>, AppError> {
    let page = FindPage::new(chrome, &session).await?;
    Ok(Html(FindPage { is_sent: query.sent == "1", ..page }.render()?))
}

pub async fn ask(
    State(bookings): State<Bookings>,
    State(limits): State<Limits>,
    from: ClientAddress,
    session: Session,
    chrome: Chrome,
    Form(form): Form<FindForm>,
) -> Result<Response, AppError> {
    let outcome = match check(&form) {
        Ok(wanted) => ask_within_limits(&bookings, &limits, from, &wanted).await,
        Err(errors) => Err(AppError::Invalid(errors)),
    };
    match outcome {
        Ok(()) => Ok(Redirect::to("/find?sent=1").into_response()),
        Err(error) => {
            let page = FindPage::new(chrome, &session).await?;
            typed_again(error, |errors| FindPage { form, errors, ..page })
        }
    }
}

async fn ask_within_limits(
    bookings: &Bookings,
    limits: &Limits,
    from: ClientAddress,
    wanted: &Wanted,
) -> Result<(), AppError> {
    limits.take(Rule::FindAddress, &from.network()).await?;
    limits.take(Rule::FindBooking, &Subject::booking(&wanted.reference, &wanted.email)).await?;
    bookings.ask_to_find(wanted).await
}

/// The browser keeps what the link opens and goes on to the booking, so that the secret leaves the address bar. Programs
/// that only look (a HEAD, a prefetch) change nothing.
pub async fn open(
    State(bookings): State<Bookings>,
    session: Session,
    chrome: Chrome,
    method: Method,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> Result<Response, AppError> {
    let link = TokenHash::of(&token);
    let Some(reference) = bookings.opened_by(link).await? else {
        let page = FindPage { is_dead: true, ..FindPage::new(chrome, &session).await? };
        return Ok((StatusCode::NOT_FOUND, UNTOLD, Html(page.render()?)).into_response());
    };
    if is_prefetch(&headers) {
        return Ok((StatusCode::NO_CONTENT, UNTOLD).into_response());
    }
    if method != Method::HEAD {
        HeldLinks::hold(&session, reference.clone(), link).await?;
    }
    Ok((UNTOLD, Redirect::to(&format!("/bookings/{reference}"))).into_response())
}

/// The address is the secret: no page learns where the visitor came from.
const UNTOLD: [(header::HeaderName, &str); 1] = [(header::REFERRER_POLICY, "no-referrer")];

fn is_prefetch(headers: &HeaderMap) -> bool {
    let says = |name: &str| headers.get(name).is_some_and(|value| value.as_bytes().starts_with(b"prefetch"));
    says("sec-purpose") || says("purpose")
}

fn check(form: &FindForm) -> Result<Wanted, FieldErrors> {
    let mut errors = FieldErrors::default();
    let reference = reference(&mut errors, &form.reference);
    let family_name =
        form::text(&mut errors, "family", &form.family, 60, "Write the family name of a passenger");
    let email = form::email(&mut errors, "email", &form.email);
    match (reference, family_name, email) {
        (Some(reference), Some(family_name), Some(email)) => Ok(Wanted { reference, family_name, email }),
        _ => Err(errors),
    }
}

fn reference(errors: &mut FieldErrors, raw: &str) -> Option<BookingReference> {
    let text = form::text(errors, "reference", raw, 40, "Write the booking reference")?;
    let reference = text.parse().ok();
    if reference.is_none() {
        errors.add("reference", "A reference looks like K7WQ4M: six letters and digits, never 0, 1, 2, 5, 8, B, I, L, O, S, U, V or Z");
    }
    reference
}

impl FindPage {
    async fn new(chrome: Chrome, session: &Session) -> Result<Self, AppError> {
        let held = HeldLinks::read(session).await?;
        Ok(Self {
            chrome,
            form: FindForm::default(),
            errors: FieldErrors::default(),
            is_sent: false,
            is_dead: false,
            held: held.references().map(ToString::to_string).collect(),
        })
    }
}
