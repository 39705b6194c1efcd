//! The pairs of dates around a return for programs: what each costs at the least.

use axum::{extract::State, response::IntoResponse};
use jiff::{Timestamp, civil};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ASK_AGAIN, Answer, SearchAsked, calendar::Source, told};
use crate::{
    error::{AppError, FieldErrors},
    limits::Rule,
    search::{
        Search,
        form::{self, SearchForm},
        pairs::{Pairs, Standing},
    },
    web::{
        params::Params,
        shapes::{Cabin, Money},
        visitor::Visitor,
    },
};

#[derive(Debug, Serialize, ToSchema)]
pub struct DatePairs {
    /// As it was understood.
    search: SearchAsked,
    source: Source,
    /// When the prices were asked for.
    asked_at: Timestamp,
    /// Each day there with each day back that is not before it, by day back.
    pairs: Vec<DatePair>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DatePair {
    leave: civil::Date,
    back: civil::Date,
    /// The lowest for the whole party, taxes included.
    #[schema(required)]
    total: Option<Money>,
}

/// See what the pairs of dates around a return cost
///
/// The lowest total of each day there with each day back, three days either side of those asked for. Never guessed.
#[utoipa::path(
    get,
    path = "/api/flights/matrix",
    operation_id = "datePairs",
    tag = "Search",
    params(
        ("trip" = Option<String>, Query, description = "`return`.", example = "return"),
        ("from" = String, Query, description = "A code or a name, of an airport or a city.", max_length = 120, example = "LIS"),
        ("to" = String, Query, description = "Likewise.", max_length = 120, example = "LHR"),
        ("leave" = civil::Date, Query, description = "The day there, in the middle of those told.", example = "2027-03-12"),
        ("back" = civil::Date, Query, description = "The day back, likewise.", example = "2027-03-19"),
        ("adults" = Option<u8>, Query, description = "As in a search for flights.", minimum = 1, maximum = 9),
        ("children" = Option<u8>, Query, description = "Likewise.", maximum = 8),
        ("infants" = Option<u8>, Query, description = "Likewise.", maximum = 4),
        ("cabin" = Option<Cabin>, Query, description = "Economy without it."),
    ),
    responses(
        (status = 200, description = "The pairs.", body = DatePairs),
        (status = 422, description = "invalid"),
        (status = 429, description = "too_many_requests"),
        (status = 503, description = "upstream_unavailable"),
    ),
)]
pub async fn matrix(
    State(search): State<Search>,
    visitor: Visitor,
    Params(asked): Params<SearchForm>,
) -> Result<impl IntoResponse, AppError> {
    let form = asked.with_defaults();
    let now = search.clock.now();
    let mut checked = search.checked(&form, FieldErrors::default()).await;
    if !form.is_return() {
        let mut bad = checked.err().unwrap_or_default();
        bad.errors.add("trip", "Pairs of dates are told for a return");
        checked = Err(bad);
    }
    let query = checked.map_err(|bad| AppError::Invalid(told(&bad)))?;
    let today = form::today(search.airports, query.slices.first().map(|slice| slice.from), now);
    let pairs = Pairs::of(&query, today).ok_or_else(|| AppError::broken("a return without a way back"))?;
    visitor.take_either(Rule::SearchAddress, Rule::SearchAccount).await?;
    let lowest = pairs.prices(&search.prices).await?;
    let told = lowest.days.iter().filter(|(pair, _)| pairs.standing(*pair) != Standing::BackBeforeLeaving);
    let answer = DatePairs {
        search: (&query).into(),
        source: lowest.source.into(),
        asked_at: lowest.asked_at,
        pairs: told
            .map(|(pair, total)| {
                let (leave, back) = pairs.dates(*pair);
                DatePair { leave, back, total: total.map(Money::from) }
            })
            .collect(),
    };
    Ok((ASK_AGAIN, Answer(answer)))
}
