//! `/api/airports`, `/api/flights` and `/api/offers`: what the pages of the same names show, for programs.

use axum::{
    Json as Answer,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::civil;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    airports::{Airports, Place, Suggestion},
    clock::Clock,
    db::Db,
    error::{AppError, FieldErrors, Refusal},
    itinerary::{self, OfferId, SearchQuery},
    limits::Rule,
    money,
    search::{
        self, Fares,
        form::{BadSearch, SearchForm},
        order::{self, Order, most_stops},
    },
    supplier::SharedSupplier,
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
    State(airports): State<&'static Airports>,
    Params(asked): Params<AirportsParams>,
) -> Result<impl IntoResponse, AppError> {
    let mut errors = FieldErrors::default();
    let q = form::text(&mut errors, "q", &asked.q, LONGEST_TEXT, "Write a part of a name, or a code");
    let q = q.ok_or(AppError::Invalid(errors))?;
    let found = airports.suggest(&q, MOST_PLACES);
    let items = found.into_iter().filter_map(|suggestion| PlaceFound::of(airports, suggestion)).collect();
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
#[serde(default)]
pub struct FlightsParams {
    #[serde(flatten)]
    form: SearchForm,
    sort: String,
    stops: String,
    page: String,
}

/// How the list is looked at. Unlike the page, which has links for it, a program is told what it mistyped.
struct View {
    order: Order,
    stops: Option<usize>,
    page: usize,
}

impl View {
    fn read(errors: &mut FieldErrors, asked: &FlightsParams) -> Self {
        let order = match asked.sort.as_str() {
            "" => Some(Order::default()),
            code => Order::ALL.into_iter().find(|order| order.code() == code),
        };
        if order.is_none() {
            errors.add("sort", "One of balance, cheapest, shortest, first");
        }
        let stops = match asked.stops.as_str() {
            "" => None,
            "0" => Some(0),
            "1" => Some(1),
            _ => {
                errors.add("stops", "0 for direct flights, 1 for at most one stop, or nothing");
                None
            }
        };
        let page = if asked.page.is_empty() { Some(1) } else { asked.page.parse().ok() };
        let page = page.filter(|page| (1..=10_000).contains(page));
        if page.is_none() {
            errors.add("page", "A number from 1");
        }
        Self { order: order.unwrap_or_default(), stops, page: page.unwrap_or(1) }
    }

    fn address(&self, form: &SearchForm, page: usize) -> String {
        let stops = self.stops.map(|stops| format!("&stops={stops}")).unwrap_or_default();
        format!("/api/flights?{}&sort={}{stops}&page={page}", form.address(), self.order.code())
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Flights {
    /// As it was understood.
    search: Search,
    #[schema(example = "balance")]
    sort: &'static str,
    /// How many offers there are in all, after leaving out those with more stops than asked for.
    found: usize,
    /// One for each itinerary, at its lowest fare.
    items: Vec<Offer>,
    /// The address of what follows.
    #[schema(
        required,
        example = "/api/flights?trip=oneway&from=LIS&to=LHR&leave=2026-12-14&sort=balance&page=2"
    )]
    next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Search {
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

impl From<&SearchQuery> for Search {
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
/// One way or there and back. Answers are kept for some minutes, so sorting and paging ask nobody twice.
#[utoipa::path(
    get,
    path = "/api/flights",
    operation_id = "searchFlights",
    tag = "Search",
    params(
        ("trip" = Option<String>, Query, description = "`return` or `oneway`. Without it, whatever `back` says.", example = "oneway"),
        ("from" = String, Query, description = "A code or a name, of an airport or a city.", max_length = 120, example = "LIS"),
        ("to" = String, Query, description = "Likewise.", max_length = 120, example = "LHR"),
        ("leave" = civil::Date, Query, description = "On the calendar of the place of departure; at most 330 days ahead.", example = "2027-03-12"),
        ("back" = Option<civil::Date>, Query, description = "For a return."),
        ("adults" = Option<u8>, Query, description = "12 years or older on the last day of travel. 1 without it; nine passengers at most in all.", minimum = 1, maximum = 9),
        ("children" = Option<u8>, Query, description = "2 to 11 years.", maximum = 8),
        ("infants" = Option<u8>, Query, description = "Under 2 years, each on an adult's lap.", maximum = 4),
        ("cabin" = Option<Cabin>, Query, description = "Economy without it."),
        ("sort" = Option<String>, Query, description = "`balance` of price and time, `cheapest`, `shortest`, or `first` to leave.", example = "balance"),
        ("stops" = Option<String>, Query, description = "`0` for direct flights, `1` for at most one stop.", example = "1"),
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
    State(db): State<Db>,
    State(clock): State<Clock>,
    State(supplier): State<SharedSupplier>,
    State(airports): State<&'static Airports>,
    visitor: Visitor,
    Params(mut asked): Params<FlightsParams>,
) -> Result<impl IntoResponse, AppError> {
    asked.form = asked.form.with_defaults();
    let checked = asked.form.check(airports, clock.now());
    let mut errors = checked.as_ref().err().map(told).unwrap_or_default();
    let view = View::read(&mut errors, &asked);
    let Ok(query) = checked else { return Err(AppError::Invalid(errors)) };
    if !errors.is_empty() {
        return Err(AppError::Invalid(errors));
    }
    visitor.take_either(Rule::SearchAddress, Rule::SearchAccount).await?;
    let offers = search::search(&db, &clock, &supplier, &query).await?;
    let fits = |offer: &&itinerary::Offer| view.stops.is_none_or(|stops| most_stops(offer) <= stops);
    let mut shown: Vec<&itinerary::Offer> = offers.iter().filter(fits).collect();
    order::sort(&mut shown, view.order);
    let page = shown.iter().skip((view.page - 1) * PER_PAGE).take(PER_PAGE);
    let goes_on = shown.len() > view.page * PER_PAGE;
    let answer = Flights {
        search: (&query).into(),
        sort: view.order.code(),
        found: shown.len(),
        items: page.map(|offer| Offer::try_from(*offer)).collect::<Result<_, _>>()?,
        next: goes_on.then(|| view.address(&asked.form, view.page + 1)),
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
        (status = 410, description = "offer_expired sold_out"),
        (status = 429, description = "too_many_requests"),
        (status = 503, description = "upstream_unavailable"),
    ),
)]
pub async fn offer(
    State(supplier): State<SharedSupplier>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    visitor.take_either(Rule::SearchAddress, Rule::SearchAccount).await?;
    match search::fares(&supplier, &OfferId(id)).await? {
        Fares::Open { offers, chosen } => {
            let fares: Vec<Offer> = offers.iter().map(Offer::try_from).collect::<Result<_, _>>()?;
            let offer = fares.get(chosen).cloned().ok_or_else(|| AppError::broken("no fare is chosen"))?;
            Ok((ASK_AGAIN, Answer(OfferFares { offer, fares })).into_response())
        }
        Fares::Lapsed { was, now } => Ok(lapsed(was, &now).into_response()),
        Fares::SoldOut => Err(AppError::Gone(Refusal {
            code: "sold_out",
            title: "Sold out",
            detail: "Somebody took the last seats of this offer. Other flights on these days may have some."
                .to_owned(),
        })),
    }
}

/// Beside the words, the same flights at today's price.
fn lapsed(was: Option<money::Money>, fresh: &itinerary::Offer) -> Problem {
    let refusal = Refusal {
        code: "offer_expired",
        title: "This offer has lapsed",
        detail: format!("Prices are kept for 30 minutes. The same flights cost {} now.", fresh.total),
    };
    let same_flights = json!({ "id": fresh.id, "total": Money::from(fresh.total) });
    Problem::refusal(StatusCode::GONE, &refusal)
        .about(json!({ "offer": same_flights, "was": was.map(Money::from) }))
}
