//! `/account/export` and `/account/delete`.

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use secrecy::SecretString;
use serde::Deserialize;

use super::{Hindrance, Leaving, Privacy, words::in_words};
use crate::{
    accounts::pages::Sight,
    error::{AppError, FieldErrors},
    web::{
        again::typed_again, chrome::Chrome, components::Field, form::Form, principal::SignedIn,
        proof::ProvedByCode, session::Door,
    },
};

#[derive(Template)]
#[template(path = "privacy/export.html")]
struct ExportPage {
    chrome: Chrome,
    email: String,
    shown: bool,
    errors: FieldErrors,
}

impl ExportPage {
    fn new(who: &SignedIn, chrome: Chrome) -> Self {
        Self { chrome, email: who.email.clone(), shown: false, errors: FieldErrors::default() }
    }
}

pub async fn export(who: ProvedByCode, chrome: Chrome) -> Result<Html<String>, AppError> {
    Ok(Html(ExportPage::new(&who, chrome).render()?))
}

#[derive(Deserialize)]
pub struct ExportForm {
    #[serde(default)]
    password: SecretString,
    #[serde(flatten)]
    sight: Sight,
}

/// Everything about a person in one file is more than an unlocked screen may give away, so the password is asked for. A
/// file to keep: nothing on the way keeps another copy.
pub async fn take_along(
    State(privacy): State<Privacy>,
    who: ProvedByCode,
    chrome: Chrome,
    Form(form): Form<ExportForm>,
) -> Result<Response, AppError> {
    let page = ExportPage { shown: form.sight.is_on(), ..ExportPage::new(&who, chrome) };
    if let Some(shown) = form.sight.asked() {
        return Ok(Html(ExportPage { shown, ..page }.render()?).into_response());
    }
    let proven = match privacy.prove(who.user, form.password).await {
        Ok(proven) => proven,
        Err(error) => return typed_again(error, |errors| ExportPage { errors, ..page }),
    };
    let export = privacy.export(&proven).await?;
    let disposition = format!("attachment; filename=\"{}\"", export.file_name());
    let disposition =
        HeaderValue::from_str(&disposition).map_err(|_| AppError::broken("a file name of another form"))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
    ];
    Ok((headers, export.to_json()?).into_response())
}

#[derive(Template)]
#[template(path = "privacy/delete.html")]
struct DeletePage {
    chrome: Chrome,
    email: String,
    hindrances: Vec<Line>,
    is_staff: bool,
    /// The button was pressed, and this is the answer to it.
    hindered_now: bool,
    shown: bool,
    errors: FieldErrors,
}

struct Line {
    reference: String,
    why: String,
}

impl DeletePage {
    async fn new(privacy: &Privacy, who: &SignedIn, chrome: Chrome) -> Result<Self, AppError> {
        let hindrances = privacy.hindrances(who.user).await?;
        Ok(Self {
            chrome,
            email: who.email.clone(),
            hindrances: hindrances.into_iter().map(Line::from).collect(),
            is_staff: who.staff.is_some(),
            hindered_now: false,
            shown: false,
            errors: FieldErrors::default(),
        })
    }
}

impl From<Hindrance> for Line {
    fn from(hindrance: Hindrance) -> Self {
        Self { reference: hindrance.reference.to_string(), why: in_words(hindrance.why) }
    }
}

pub async fn delete(
    State(privacy): State<Privacy>,
    who: ProvedByCode,
    chrome: Chrome,
) -> Result<Html<String>, AppError> {
    Ok(Html(DeletePage::new(&privacy, &who, chrome).await?.render()?))
}

#[derive(Deserialize)]
pub struct DeleteForm {
    #[serde(default)]
    password: SecretString,
    #[serde(flatten)]
    sight: Sight,
}

pub async fn leave(
    State(privacy): State<Privacy>,
    door: Door,
    who: ProvedByCode,
    chrome: Chrome,
    Form(form): Form<DeleteForm>,
) -> Result<Response, AppError> {
    let page = DeletePage::new(&privacy, &who, chrome).await?;
    if let Some(shown) = form.sight.asked() {
        return Ok(Html(DeletePage { shown, ..page }.render()?).into_response());
    }
    let page = DeletePage { shown: form.sight.is_on(), ..page };
    let refused = |page: DeletePage| -> Result<Response, AppError> {
        let page = DeletePage { hindered_now: true, ..page };
        Ok((StatusCode::CONFLICT, Html(page.render()?)).into_response())
    };
    let proven = match privacy.prove(who.user, form.password).await {
        Ok(proven) => proven,
        Err(error) => return typed_again(error, |errors| DeletePage { errors, ..page }),
    };
    match privacy.leave(&proven).await? {
        Leaving::Left => {
            door.sign_out().await?;
            Ok(Redirect::to("/account/deleted").into_response())
        }
        Leaving::Hindered(hindrances) => {
            refused(DeletePage { hindrances: hindrances.into_iter().map(Line::from).collect(), ..page })
        }
        Leaving::Staff => refused(DeletePage { is_staff: true, ..page }),
    }
}

#[derive(Template)]
#[template(path = "privacy/deleted.html")]
struct DeletedPage {
    chrome: Chrome,
}

pub async fn deleted(chrome: Chrome) -> Result<Html<String>, AppError> {
    Ok(Html(DeletedPage { chrome }.render()?))
}
