//! The first page: the search, the world, and how money moves here.

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use jiff::{Span, civil::Date, tz::TimeZone};

use crate::{
    airports::Airports,
    clock::Clock,
    error::AppError,
    search::{
        form::{BadSearch, SearchForm},
        pages::plate::plate,
    },
    web::{
        chrome::Chrome,
        components::{Fragment, error_summary_of, words, world_map},
        form::Query,
    },
};

#[derive(Template)]
#[template(path = "search/home.html")]
pub struct HomePage {
    chrome: Chrome,
    wrong: bool,
    summary: Fragment,
    which: Vec<Which>,
    plate: Fragment,
    map: Fragment,
    airports: String,
    countries: usize,
}

/// A place that means several: "Which Santiago?".
struct Which {
    typed: String,
    /// Address of the same search with this choice, its name, and what helps to choose.
    choices: Vec<(String, String, String)>,
}

/// GET /?… The fields of a search may stand in the address: then the plate is filled in.
pub async fn home(
    chrome: Chrome,
    State(clock): State<Clock>,
    State(airports): State<&'static Airports>,
    Query(form): Query<SearchForm>,
) -> Result<Response, AppError> {
    let today = TimeZone::UTC.to_datetime(clock.now()).date();
    let form = if form.leave.is_empty() { in_some_weeks(form, today) } else { form };
    page(chrome, &form.with_defaults(), BadSearch::default(), airports, today)
}

/// The search again, with what does not fit beside its field.
pub fn home_again(
    chrome: Chrome,
    clock: &Clock,
    airports: &'static Airports,
    form: &SearchForm,
    bad: BadSearch,
) -> Result<Response, AppError> {
    let today = TimeZone::UTC.to_datetime(clock.now()).date();
    page(chrome, form, bad, airports, today)
}

fn page(
    chrome: Chrome,
    form: &SearchForm,
    bad: BadSearch,
    airports: &'static Airports,
    today: Date,
) -> Result<Response, AppError> {
    let status = if bad.errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let mut countries: Vec<&str> = airports.all().iter().map(|airport| airport.country.as_str()).collect();
    countries.sort_unstable();
    countries.dedup();
    let page = HomePage {
        chrome,
        wrong: !bad.errors.is_empty(),
        summary: error_summary_of(&bad.errors, label),
        plate: plate(form, &bad.errors, today),
        which: which(form, bad),
        map: world_map(),
        airports: words::thousands(airports.all().len()),
        countries: countries.len(),
    };
    Ok((status, Html(page.render()?)).into_response())
}

fn label(field: &str) -> &'static str {
    match field {
        "trip" => "Kind of journey",
        "from" => "From",
        "to" => "To",
        "leave" => "Leave",
        "back" => "Back",
        "adults" => "Adults",
        "children" => "Children",
        "infants" => "Infants",
        "cabin" => "Cabin",
        _ => "",
    }
}

fn which(form: &SearchForm, bad: BadSearch) -> Vec<Which> {
    let typed = |field| if field == "from" { form.from.trim() } else { form.to.trim() };
    bad.choices
        .into_iter()
        .map(|(field, choices)| Which {
            typed: typed(field).to_owned(),
            choices: choices
                .into_iter()
                .map(|choice| {
                    let address = format!("/flights?{}", form.with(field, &choice.label).address());
                    (address, choice.label, choice.detail)
                })
                .collect(),
        })
        .collect()
}

/// Most people look some weeks ahead; a filled date shows how dates are written.
fn in_some_weeks(mut form: SearchForm, today: Date) -> SearchForm {
    let after = |days: i32| today.saturating_add(Span::new().days(days)).to_string();
    form.leave = after(28);
    if form.trip != "oneway" {
        form.back = after(42);
    }
    form
}
