//! The airport finder: what a suggestion list would show, as a page.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;

use crate::{
    airports::Suggestion,
    error::{AppError, FieldErrors},
    search::Search,
    web::{chrome::Chrome, form::Query},
};

const MOST: usize = 20;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AirportsQuery {
    q: String,
}

#[derive(Template)]
#[template(path = "search/airports.html")]
struct AirportsPage {
    chrome: Chrome,
    q: String,
    none: FieldErrors,
    found: Vec<Found>,
}

struct Found {
    label: String,
    detail: String,
    from: String,
    to: String,
}

/// GET /airports?q=
pub async fn airports(
    chrome: Chrome,
    State(search): State<Search>,
    Query(query): Query<AirportsQuery>,
) -> Result<Response, AppError> {
    let q: String = query.q.trim().chars().take(120).collect();
    let found = search.suggest(&q, MOST).await.into_iter().map(found).collect();
    let page = AirportsPage { chrome, q, none: FieldErrors::default(), found };
    Ok(Html(page.render()?).into_response())
}

fn found(suggestion: Suggestion) -> Found {
    let label: String = url::form_urlencoded::byte_serialize(suggestion.label.as_bytes()).collect();
    Found {
        from: format!("/?from={label}"),
        to: format!("/?to={label}"),
        label: suggestion.label,
        detail: suggestion.detail,
    }
}
