//! `GET /api/docs`: the document as a page, without a script.

use std::sync::Arc;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::State;
use jiff::SignedDuration;

use super::{Document, Written, parts};
use crate::{
    accounts::tokens,
    courier,
    error::AppError,
    hooks,
    web::{chrome::Chrome, components::Fragment, session},
};

/// What is the same for every reader.
pub struct Drawn {
    contents: Fragment,
    chapters: Vec<Fragment>,
    shapes: Fragment,
    scopes: Fragment,
    codes: Fragment,
    limits: Fragment,
}

impl Drawn {
    pub fn of(outline: &super::outline::Outline) -> Self {
        Self {
            contents: parts::contents(outline),
            chapters: outline.chapters.iter().map(parts::chapter).collect(),
            shapes: parts::shapes(&outline.shapes),
            scopes: parts::scopes(),
            codes: parts::all_codes(),
            limits: parts::limits(),
        }
    }
}

#[derive(Template, WebTemplate)]
#[template(path = "openapi/docs.html")]
pub struct DocsPage {
    chrome: Chrome,
    written: Arc<Written>,
    cookie: &'static str,
    access_minutes: i64,
    refresh_days: i64,
    family_days: i64,
    hook_example: String,
    patience_seconds: u64,
}

/// The document as a page
#[utoipa::path(
    get,
    path = "/api/docs",
    operation_id = "getDocsPage",
    tag = "Reference",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html")),
)]
pub async fn docs(State(Document(written)): State<Document>, chrome: Chrome) -> Result<DocsPage, AppError> {
    Ok(DocsPage {
        cookie: session::cookie_name(chrome.site.https),
        access_minutes: tokens::ACCESS.as_mins(),
        refresh_days: days(tokens::REFRESH_IDLE),
        family_days: days(tokens::REFRESH_AT_MOST),
        hook_example: hooks::example()?,
        patience_seconds: courier::PATIENCE.as_secs(),
        written,
        chrome,
    })
}

const fn days(span: SignedDuration) -> i64 {
    span.as_hours() / 24
}
