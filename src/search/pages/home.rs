//! The first page: the search, the world, and how money moves here.

use askama::Template;
use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use jiff::{Span, civil::Date, tz::TimeZone};

use crate::{
    airports::Airports,
    error::{AppError, FieldErrors},
    search::{
        Search,
        form::{BadSearch, LEGS, SearchForm},
        pages::{
            plate::plate,
            recent::{Again, RecentCookie},
        },
        sent::Sent,
    },
    web::{
        chrome::Chrome,
        components::{Fragment, error_summary_of, words, world_map},
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
    again: Vec<Again>,
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

/// GET /?… The fields of a search may stand in the address: then the plate is filled in. A journey of several flights grows
/// and shrinks here.
pub async fn home(
    chrome: Chrome,
    State(search): State<Search>,
    recent: RecentCookie,
    RawQuery(query): RawQuery,
) -> Result<Response, AppError> {
    let sent = Sent::read(query.as_deref().unwrap_or_default());
    let today = TimeZone::UTC.to_datetime(search.clock.now()).date();
    let mut errors = FieldErrors::default();
    let form = SearchForm::read(&sent, &mut errors);
    let form = if form.leave.is_empty() { in_some_weeks(form, today) } else { form };
    let form = match sent.one(&mut errors, "flights").as_str() {
        "more" => form.with_flights(flights_sent(&sent) + 1),
        "less" => form.with_flights(flights_sent(&sent) - 1),
        _ => form,
    };
    let bad = BadSearch { errors, ..BadSearch::default() };
    page(chrome, &form.with_defaults(), bad, search.airports, today, recent.again(&search))
}

/// How many flights the form showed, filled in or not; two at least.
fn flights_sent(sent: &Sent) -> usize {
    let is_there = |names: &[&str; 3]| sent.names().any(|name| names.contains(&name));
    LEGS.iter().rposition(is_there).map_or(2, |last| last + 1).max(2)
}

/// The search again, with what does not fit beside its field.
pub fn home_again(
    chrome: Chrome,
    search: &Search,
    form: &SearchForm,
    bad: BadSearch,
) -> Result<Response, AppError> {
    let today = TimeZone::UTC.to_datetime(search.clock.now()).date();
    page(chrome, form, bad, search.airports, today, Vec::new())
}

fn page(
    chrome: Chrome,
    form: &SearchForm,
    bad: BadSearch,
    airports: &'static Airports,
    today: Date,
    again: Vec<Again>,
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
        again,
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
        "from2" => "Flight 2, from",
        "to2" => "Flight 2, to",
        "leave2" => "Flight 2, leave",
        "from3" => "Flight 3, from",
        "to3" => "Flight 3, to",
        "leave3" => "Flight 3, leave",
        "from4" => "Flight 4, from",
        "to4" => "Flight 4, to",
        "leave4" => "Flight 4, leave",
        "from5" => "Flight 5, from",
        "to5" => "Flight 5, to",
        "leave5" => "Flight 5, leave",
        "from6" => "Flight 6, from",
        "to6" => "Flight 6, to",
        "leave6" => "Flight 6, leave",
        "back" => "Back",
        "adults" => "Adults",
        "children" => "Children",
        "infants" => "Infants",
        "cabin" => "Cabin",
        _ => "",
    }
}

fn which(form: &SearchForm, bad: BadSearch) -> Vec<Which> {
    bad.choices
        .into_iter()
        .map(|(field, choices)| Which {
            typed: form.value(field).trim().to_owned(),
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
    if form.trip != "oneway" && !form.is_multi() {
        form.back = after(42);
    }
    form
}
