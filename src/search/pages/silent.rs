//! Nobody answered in time, or nothing that can be read: what was asked, who did not answer, what is known all the same, and
//! how to go on.

use askama::Template;
use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use crate::{
    error::AppError,
    itinerary::SearchQuery,
    search::{
        Search,
        cache::{LATE, NoAnswer, SILENT},
        form::SearchForm,
        pages::{
            flights::{Asked, in_words},
            strip::{Around, Strip},
        },
        prices::Lowest,
        view::View,
    },
    web::chrome::Chrome,
};

/// In seconds.
const SOON: u32 = 5;
const LATER: u32 = 20;

#[derive(Template)]
#[template(path = "search/silent.html")]
struct SilentPage {
    chrome: Chrome,
    asked: Asked,
    title: &'static str,
    meaning: &'static str,
    strip: Option<Strip>,
    /// The same search again.
    again: String,
    is_late: bool,
}

pub fn silent(
    chrome: Chrome,
    search: &Search,
    (form, view, query): (&SearchForm, &View, &SearchQuery),
    lowest: Option<Lowest>,
    none: NoAnswer,
) -> Result<Response, AppError> {
    let (title, meaning, wait) = match &none {
        NoAnswer::Ours(_) => return Err(none.into()),
        NoAnswer::Late => ("The airline system has not answered yet", LATE, SOON),
        NoAnswer::Silent(reason) => {
            tracing::error!(reason, "no answer to a search");
            ("The airline system does not answer", SILENT, LATER)
        }
    };
    let known = lowest.filter(|lowest| lowest.cheapest().is_some());
    let (airports, now) = (search.airports, search.clock.now());
    let around = Around { form, view, query, own: None, airports, now };
    let page = SilentPage {
        chrome,
        asked: in_words(query, airports, form),
        title,
        meaning,
        strip: known.map(|lowest| around.strip(&lowest)),
        again: view.address(form),
        is_late: matches!(none, NoAnswer::Late),
    };
    let headers =
        [(header::RETRY_AFTER, wait.to_string()), (header::CACHE_CONTROL, "private, no-store".to_owned())];
    Ok((StatusCode::SERVICE_UNAVAILABLE, headers, Html(page.render()?)).into_response())
}
