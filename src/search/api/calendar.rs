//! The month for programs: what each day costs at the least.

use axum::{extract::State, response::IntoResponse};
use jiff::{Timestamp, civil};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ASK_AGAIN, Answer, SearchAsked, told};
use crate::{
    error::{AppError, FieldErrors},
    limits::Rule,
    money,
    search::{
        Search,
        form::{self, SearchForm},
        month::Month,
        prices,
    },
    web::{
        params::Params,
        shapes::{Cabin, Money},
        visitor::Visitor,
    },
};

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct CalendarParams {
    #[serde(flatten)]
    form: SearchForm,
    #[serde(default)]
    month: String,
    #[serde(default)]
    nights: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CalendarMonth {
    /// As it was understood.
    search: SearchAsked,
    #[schema(pattern = "^[0-9]{4}-[0-9]{2}$", example = "2027-03")]
    month: String,
    /// Of a return: how long the stay is, from whichever day.
    #[schema(required, example = 14)]
    nights: Option<i32>,
    source: Source,
    /// When the prices were asked for.
    asked_at: Timestamp,
    /// Every day of the month.
    days: Vec<CalendarDay>,
}

/// Who knew the prices.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A day without a total has nothing for sale.
    Supplier,
    /// What was searched for here some minutes ago: a day without a total was not asked about.
    Searches,
}

impl From<prices::Source> for Source {
    fn from(source: prices::Source) -> Self {
        match source {
            prices::Source::Supplier => Self::Supplier,
            prices::Source::Searches => Self::Searches,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CalendarDay {
    leave: civil::Date,
    #[schema(required)]
    back: Option<civil::Date>,
    /// The lowest for the whole party, taxes included.
    #[schema(required)]
    total: Option<Money>,
}

/// See what the days of a month cost
///
/// The lowest total of each day of departure, one way or for a stay of so many nights. Never guessed.
#[utoipa::path(
    get,
    path = "/api/flights/calendar",
    operation_id = "calendar",
    tag = "Search",
    params(
        ("trip" = Option<String>, Query, description = "`return` or `oneway`. Without it, whatever `back` says.", example = "oneway"),
        ("from" = String, Query, description = "A code or a name, of an airport or a city.", max_length = 120, example = "LIS"),
        ("to" = String, Query, description = "Likewise.", max_length = 120, example = "LHR"),
        ("leave" = civil::Date, Query, description = "A day of the search; its month is shown unless `month` names another.", example = "2027-03-12"),
        ("back" = Option<civil::Date>, Query, description = "For a return."),
        ("adults" = Option<u8>, Query, description = "As in a search for flights.", minimum = 1, maximum = 9),
        ("children" = Option<u8>, Query, description = "Likewise.", maximum = 8),
        ("infants" = Option<u8>, Query, description = "Likewise.", maximum = 4),
        ("cabin" = Option<Cabin>, Query, description = "Economy without it."),
        ("month" = Option<String>, Query, description = "Year and month.", pattern = "^[0-9]{4}-[0-9]{2}$", example = "2027-03"),
        ("nights" = Option<u32>, Query, description = "Of a return alone, 90 at most. Without it, those between `leave` and `back`.", maximum = 90, example = 14),
    ),
    responses(
        (status = 200, description = "The days.", body = CalendarMonth),
        (status = 422, description = "invalid"),
        (status = 429, description = "too_many_requests"),
        (status = 503, description = "upstream_unavailable"),
    ),
)]
pub async fn calendar(
    State(search): State<Search>,
    visitor: Visitor,
    Params(asked): Params<CalendarParams>,
) -> Result<impl IntoResponse, AppError> {
    let form = asked.form.with_defaults();
    let now = search.clock.now();
    let mut checked = search.checked(&form, FieldErrors::default()).await;
    if form.is_multi() {
        let mut bad = checked.err().unwrap_or_default();
        bad.errors.add("trip", "A month of prices is told for one-way and return");
        checked = Err(bad);
    }
    let query = checked.map_err(|bad| AppError::Invalid(told(&bad)))?;
    let today = form::today(search.airports, query.slices.first().map(|slice| slice.from), now);
    let mut errors = FieldErrors::default();
    let month = Month::read(&mut errors, (&asked.month, &asked.nights), &query, today);
    if !errors.is_empty() {
        return Err(AppError::Invalid(errors));
    }
    visitor.take_either(Rule::SearchAddress, Rule::SearchAccount).await?;
    let lowest = month.prices(&search.prices).await?;
    let day = |(by, total): &(i32, Option<money::Money>)| {
        let (leave, back) = month.on(*by);
        CalendarDay { leave, back, total: total.filter(|_| month.is_sold(*by, today)).map(Money::from) }
    };
    let answer = CalendarMonth {
        search: (&query).into(),
        month: month.first.strftime("%Y-%m").to_string(),
        nights: month.nights,
        source: lowest.source.into(),
        asked_at: lowest.asked_at,
        days: lowest.days.iter().map(day).collect(),
    };
    Ok((ASK_AGAIN, Answer(answer)))
}
