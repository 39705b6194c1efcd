//! `GET /api/docs`: the document as a page, without a script.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::State;

use super::Document;
use crate::web::chrome::Chrome;

#[derive(Template, WebTemplate)]
#[template(path = "openapi/docs.html")]
pub struct DocsPage {
    chrome: Chrome,
}

/// The document as a page
#[utoipa::path(
    get,
    path = "/api/docs",
    operation_id = "getDocsPage",
    tag = "Reference",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html")),
)]
pub async fn docs(State(_document): State<Document>, chrome: Chrome) -> DocsPage {
    DocsPage { chrome }
}
