//! `/admin/bookings/{ref}/documents/reveal`: passports in full, once, for who may and says why.

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use crate::{
    admin::{
        self,
        pages::booking::BookingPage,
        reveal::{self, Reason, Revealed},
    },
    clock::Clock,
    db::Db,
    error::{AppError, FieldErrors},
    ids::BookingReference,
    vault::Vault,
    web::{
        chrome::Chrome,
        components::words::day_and_year,
        form::{Form, Path},
        powers::{May, RevealDocuments},
        proof::Proved,
    },
};

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct RevealForm {
    reason: String,
}

#[derive(Template)]
#[template(path = "admin/documents.html")]
struct DocumentsPage {
    chrome: Chrome,
    reference: String,
    reason: &'static str,
    documents: Vec<DocumentView>,
}

struct DocumentView {
    passenger: String,
    /// Unless no key of ours opens it.
    number: Option<String>,
    country: String,
    expires: String,
}

#[expect(clippy::too_many_arguments, reason = "each is a part of the request that it needs")]
pub async fn reveal_documents(
    State(db): State<Db>,
    State(vault): State<Vault>,
    State(clock): State<Clock>,
    staff: May<RevealDocuments>,
    _: Proved,
    chrome: Chrome,
    Path(reference): Path<BookingReference>,
    Form(form): Form<RevealForm>,
) -> Result<Response, AppError> {
    let Some(reason) = Reason::read(&form.reason) else {
        let errors =
            FieldErrors::one("reason", "Choose why you need the number. It is written down with your name");
        let record = admin::booking(&db, staff.user, &reference).await?;
        let page = BookingPage::new(chrome, &staff, record, &errors);
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response());
    };
    let revealed = reveal::reveal(&db, &vault, staff.user, &reference, reason, clock.now()).await?;
    let page = DocumentsPage {
        chrome,
        reference: reference.to_string(),
        reason: reason.in_words(),
        documents: revealed.into_iter().map(DocumentView::from).collect(),
    };
    Ok(Html(page.render()?).into_response())
}

/// Whoever reloads the address of the button presses it again, with a reason.
pub async fn reveal_again(Path(reference): Path<BookingReference>) -> Redirect {
    Redirect::to(&format!("/admin/bookings/{reference}#passengers-h"))
}

impl From<Revealed> for DocumentView {
    fn from(revealed: Revealed) -> Self {
        Self {
            passenger: revealed.passenger,
            number: revealed.number.ok().map(|number| number.expose().to_owned()),
            country: revealed.country,
            expires: day_and_year(revealed.expires_on),
        }
    }
}
