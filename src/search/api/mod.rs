//! `/api/airports`, `/api/flights` and `/api/offers`: what the pages of the same names show, for programs.

pub mod calendar;
pub mod matrix;

use axum::{
    Json as Answer,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::{Timestamp, civil};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    airports::{Airports, Place, Suggestion},
    error::{AppError, FieldErrors, Refusal},
    itinerary::{self, OfferId, SearchQuery},
    limits::Rule,
    money,
    search::{
        self, Fares, Search,
        choices::Choices,
        closest::{Close, MOST_CLOSE, closest},
        filter::Filters,
        form::{BadSearch, SearchForm},
        view::{View, ViewForm},
    },
    web::{
        form::{self, Path},
        params::Params,
        problem::Problem,
        shapes::{Cabin, Money, Offer, Party},
        visitor::Visitor,
    },
};

const MOST_PLACES: usize = 20;
const LONGEST_TEXT: usize = 120;
const PER_PAGE: usize = 20;

/// The airports of the world change with our versions, not within a day. Not for caches that many share: any answer may renew
/// the cookie of whoever asked.
const FOR_AN_HOUR: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "private, max-age=3600")];
/// Prices may be looked at again by whoever asked, after asking whether they still hold.
const ASK_AGAIN: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "private, no-cache")];

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct AirportsParams {
    q: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Places {
    /// Best first.
    items: Vec<PlaceFound>,
}

/// An airport, or a city with several. Its code means it in `from` and `to` of a search.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Place)]
pub struct PlaceFound {
    #[schema(pattern = "^[A-Z]{3}$", example = "LON")]
    code: String,
    kind: PlaceKind,
    #[schema(example = "London, all airports LON")]
    label: String,
    /// The airport's name, or the city's airports, and the country.
    #[schema(example = "LHR, LGW, STN, LTN, LCY, SEN, United Kingdom")]
    detail: String,
    #[schema(example = "London")]
    city: String,
    /// ISO 3166-1 alpha-2.
    #[schema(pattern = "^[A-Z]{2}$", example = "GB")]
    country: String,
    /// Codes of the city's airports, or the one airport's own.
    #[schema(example = json!(["LHR", "LGW"]))]
    airports: Vec<String>,
    /// It was not asked for, but is so close to the first place.
    #[serde(skip_serializing_if = "Option::is_none")]
    distance_km: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlaceKind {
    Airport,
    City,
}

/// Find airports and cities
///
/// By code, city or name, in any spelling.
#[utoipa::path(
    get,
    path = "/api/airports",
    operation_id = "findAirports",
    tag = "Search",
    params(("q" = String, Query, description = "A code, or a part of a name.", min_length = 1, max_length = 120, example = "london")),
    responses(
        (status = 200, description = "The best 20.", body = Places),
        (status = 422, description = "invalid"),
    ),
)]
pub async fn airports(
    State(search): State<Search>,
    Params(asked): Params<AirportsParams>,
) -> Result<impl IntoResponse, AppError> {
    let mut errors = FieldErrors::default();
    let q = form::text(&mut errors, "q", &asked.q, LONGEST_TEXT, "Write a part of a name, or a code");
    let q = q.ok_or(AppError::Invalid(errors))?;
    let found = search.suggest(&q, MOST_PLACES).await.into_iter();
    let items = found.filter_map(|suggestion| PlaceFound::of(search.airports, suggestion)).collect();
    Ok((FOR_AN_HOUR, Answer(Places { items })))
}

impl PlaceFound {
    fn of(airports: &Airports, suggestion: Suggestion) -> Option<Self> {
        let Suggestion { code, label, detail, distance_km } = suggestion;
        let place = airports.place(code)?;
        Some(Self {
            code: code.to_string(),
            kind: if matches!(place, Place::City(_)) { PlaceKind::City } else { PlaceKind::Airport },
            label,
            detail,
            city: place.name().to_owned(),
            country: place.country().to_owned(),
            airports: airports.members(code).iter().map(ToString::to_string).collect(),
            distance_km,
        })
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct FlightsParams {
    #[serde(flatten)]
    form: SearchForm,
    #[serde(flatten)]
    view: ViewForm,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Flights {
    /// As it was understood.
    search: SearchAsked,
    #[schema(example = "balance")]
    sort: &'static str,
    /// How many offers the list has, on all its pages.
    found: usize,
    /// How many offers fit. Of a journey of several flights there may be more than the list has: then it has the first 500, in the
    /// order asked for. `null`: too many to count.
    #[schema(required)]
    fitting: Option<usize>,
    /// How many there are before anything is left out. `null`: too many to count.
    #[schema(required)]
    all: Option<usize>,
    /// Offers that the airlines made and that cannot be shown: the list is without them.
    #[schema(example = 0)]
    left_out: u32,
    /// When the airlines were asked.
    asked_at: Timestamp,
    /// One for each itinerary, at its lowest fare that fits.
    items: Vec<Offer>,
    /// The address of what follows.
    #[schema(required, example = "/api/flights?trip=oneway&from=LIS&to=LHR&leave=2026-12-14&page=2")]
    next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Search)]
struct SearchAsked {
    slices: Vec<SliceAsked>,
    party: Party,
    cabin: Cabin,
}

#[derive(Debug, Serialize, ToSchema)]
struct SliceAsked {
    /// Of an airport or of a city.
    #[schema(pattern = "^[A-Z]{3}$", example = "LIS")]
    from: String,
    #[schema(pattern = "^[A-Z]{3}$", example = "LHR")]
    to: String,
    date: civil::Date,
}

impl From<&SearchQuery> for SearchAsked {
    fn from(query: &SearchQuery) -> Self {
        let slices = query.slices.iter().map(|slice| SliceAsked {
            from: slice.from.to_string(),
            to: slice.to.to_string(),
            date: slice.date,
        });
        Self { slices: slices.collect(), party: query.party.into(), cabin: query.cabin }
    }
}

/// Search for flights
///
/// One way, there and back, or up to six flights. Answers are kept for some minutes, so sorting, filtering and paging ask nobody
/// twice.
#[utoipa::path(
    get,
    path = "/api/flights",
    operation_id = "searchFlights",
    tag = "Search",
    params(
        ("trip" = Option<String>, Query, description = "`return`, `oneway` or `multi`. Without it, whatever the other fields say.", example = "oneway"),
        ("from" = String, Query, description = "A code or a name, of an airport or a city.", max_length = 120, example = "LIS"),
        ("to" = String, Query, description = "Likewise.", max_length = 120, example = "LHR"),
        ("leave" = civil::Date, Query, description = "On the calendar of the place of departure; at most 330 days ahead.", example = "2027-03-12"),
        ("back" = Option<civil::Date>, Query, description = "For a return."),
        ("from2" = Option<String>, Query, description = "The second flight of `multi`, and likewise `from3` to `from6`.", max_length = 120),
        ("to2" = Option<String>, Query, description = "Likewise.", max_length = 120),
        ("leave2" = Option<civil::Date>, Query, description = "Likewise, not before the flight above."),
        ("adults" = Option<u8>, Query, description = "12 years or older on the last day of travel. 1 without it; nine passengers at most in all.", minimum = 1, maximum = 9),
        ("children" = Option<u8>, Query, description = "2 to 11 years.", maximum = 8),
        ("infants" = Option<u8>, Query, description = "Under 2 years, each on an adult's lap.", maximum = 4),
        ("cabin" = Option<Cabin>, Query, description = "Economy without it."),
        ("sort" = Option<String>, Query, description = "`balance` of price and time, `cheapest`, `shortest`, `first` to leave, or least `co2`.", example = "balance"),
        ("stops" = Option<String>, Query, description = "`0` for direct flights, `1` for at most one stop each way.", example = "1"),
        ("airline" = Option<String>, Query, description = "Codes with commas between: sold by these airlines all the way.", example = "0T,9B"),
        ("alliance" = Option<String>, Query, description = "Names with commas between: sold by members of one of them all the way."),
        ("via" = Option<String>, Query, description = "Airport codes with commas between: with changes of planes, and only there.", example = "MAD,OPO"),
        ("dep" = Option<String>, Query, description = "Number of the flight and when it may leave, `night`, `morning`, `afternoon` or `evening`, with commas between.", example = "1-morning,1-afternoon"),
        ("arr" = Option<String>, Query, description = "Likewise, when it may land.", example = "1-evening"),
        ("start" = Option<String>, Query, description = "Number of the flight and the airport that it may leave from, with commas between, where the city has several.", example = "1-LGW"),
        ("end" = Option<String>, Query, description = "Likewise, where it may land.", example = "1-LHR,1-LCY"),
        ("hours" = Option<u32>, Query, description = "The longest that any way may take.", minimum = 1, maximum = 99),
        ("max" = Option<u32>, Query, description = "The highest total, in whole units of the currency.", minimum = 1, maximum = 9_999_999),
        ("bag" = Option<String>, Query, description = "`1`: the lowest fare with a checked bag.", example = "1"),
        ("refund" = Option<String>, Query, description = "`1`: the lowest fare of which something comes back after its fee.", example = "1"),
        ("change" = Option<String>, Query, description = "`1`: the lowest fare that can be changed.", example = "1"),
        ("page" = Option<u32>, Query, description = "Twenty offers each.", minimum = 1, maximum = 10_000),
    ),
    responses(
        (status = 200, description = "The offers.", body = Flights),
        (status = 422, description = "invalid"),
        (status = 429, description = "too_many_requests"),
        (status = 503, description = "upstream_unavailable"),
    ),
)]
pub async fn flights(
    State(search): State<Search>,
    visitor: Visitor,
    Params(asked): Params<FlightsParams>,
) -> Result<impl IntoResponse, AppError> {
    let form = asked.form.with_defaults();
    let checked = search.checked(&form, FieldErrors::default()).await;
    let mut errors = checked.as_ref().err().map(told).unwrap_or_default();
    let view = View::read(&asked.view, &mut errors);
    let Ok(query) = checked else { return Err(AppError::Invalid(errors)) };
    let view = view.of_slices(query.slices.len(), &mut errors);
    if !errors.is_empty() {
        return Err(AppError::Invalid(errors));
    }
    visitor.take_either(Rule::SearchAddress, Rule::SearchAccount).await?;
    let offers = search.offers(&query).await?;
    let choices = Choices::of(&offers);
    let picks = choices.picks(&view.filters, view.order);
    let page = picks.first.iter().skip((view.page - 1) * PER_PAGE).take(PER_PAGE);
    let goes_on = picks.first.len() > view.page * PER_PAGE;
    let shown = |pick| -> Result<Offer, AppError> { Ok(Offer::try_from(&search.offer_of(&choices, pick)?)?) };
    let answer = Flights {
        search: (&query).into(),
        sort: view.order.code(),
        found: picks.first.len(),
        fitting: choices.count(&view.filters),
        all: choices.count(&Filters::default()),
        left_out: offers.left_out,
        asked_at: offers.asked_at,
        items: page.map(shown).collect::<Result<_, _>>()?,
        next: goes_on.then(|| format!("/api{}", view.at_page(view.page + 1).address(&form))),
    };
    Ok((ASK_AGAIN, Answer(answer)))
}

/// What is wrong, with the codes of those that a place may mean.
fn told(bad: &BadSearch) -> FieldErrors {
    let mut errors = FieldErrors::default();
    for (field, message) in bad.errors.iter() {
        let choices = bad.choices.iter().find(|(of, _)| *of == field);
        let codes = choices.map(|(_, places)| {
            let labels: Vec<&str> = places.iter().map(|place| place.label.as_str()).collect();
            format!(": {}", labels.join("; "))
        });
        errors.add(field, format!("{message}{}", codes.unwrap_or_default()));
    }
    errors
}

#[derive(Debug, Serialize, ToSchema)]
pub struct OfferFares {
    offer: Offer,
    /// All fares of the same flights, cheapest first, each an offer of its own.
    fares: Vec<Offer>,
}

/// Look at an offer
///
/// With all fares of the same flights, at the price of this moment.
#[utoipa::path(
    get,
    path = "/api/offers/{id}",
    operation_id = "getOffer",
    tag = "Search",
    params(("id" = String, Path, description = "As a search gave it.")),
    responses(
        (status = 200, description = "It can be booked.", body = OfferFares),
        (status = 410, description = "offer_closed offer_expired sold_out"),
        (status = 429, description = "too_many_requests"),
        (status = 503, description = "upstream_unavailable"),
    ),
)]
pub async fn offer(
    State(search): State<Search>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    visitor.take_either(Rule::SearchAddress, Rule::SearchAccount).await?;
    match search::fares(&search.supplier, &OfferId(id)).await? {
        Fares::Open { offers, chosen } => {
            let fares: Vec<Offer> = offers.iter().map(Offer::try_from).collect::<Result<_, _>>()?;
            let offer = fares.get(chosen).cloned().ok_or_else(|| AppError::broken("no fare is chosen"))?;
            Ok((ASK_AGAIN, Answer(OfferFares { offer, fares })).into_response())
        }
        Fares::Lapsed { was, now } => {
            let close = close_to(&search, was.as_deref().unwrap_or(&now)).await;
            Ok(lapsed(was.map(|was| was.total), &now, &close).into_response())
        }
        Fares::SoldOut { was: Some(was) } => {
            let close = close_to(&search, &was).await;
            let about = json!({ "was": Money::from(was.total), "close": close });
            Ok(Problem::refusal(StatusCode::GONE, &search::all_taken()).about(about).into_response())
        }
        Fares::Closed { was } => {
            let close = close_to(&search, &was).await;
            let about = json!({ "was": Money::from(was.total), "close": close });
            Ok(Problem::refusal(StatusCode::GONE, &search::closed()).about(about).into_response())
        }
        Fares::SoldOut { was: None } => Err(search::sold_out()),
    }
}

/// As on the page: what is most like an offer that is gone, and what it costs more. Where nobody answers, nothing.
async fn close_to(search: &Search, gone: &itinerary::Offer) -> Vec<Value> {
    let close = closest(search, gone, MOST_CLOSE).await.unwrap_or_default();
    let told = |close: &Close| {
        json!({
            "id": close.offer.id,
            "total": Money::from(close.offer.total),
            "more": close.more.map(Money::from),
            "later_minutes": close.later.as_mins(),
        })
    };
    close.iter().map(told).collect()
}

/// Beside the words, the same flights at today's price, and others like them.
fn lapsed(was: Option<money::Money>, fresh: &itinerary::Offer, close: &[Value]) -> Problem {
    let refusal = Refusal {
        code: "offer_expired",
        title: "This offer has lapsed",
        detail: format!("Prices are kept for 30 minutes. The same flights cost {} now.", fresh.total),
    };
    let same_flights = json!({ "id": fresh.id, "total": Money::from(fresh.total) });
    let more = was.and_then(|was| fresh.total.checked_sub(was).ok());
    Problem::refusal(StatusCode::GONE, &refusal).about(json!({
        "offer": same_flights,
        "was": was.map(Money::from),
        "more": more.map(Money::from),
        "close": close,
    }))
}
