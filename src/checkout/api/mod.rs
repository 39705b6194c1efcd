//! `/api/bookings` and below: the traveller's way from an offer to the ticket, for programs. The same faces and rules as the
//! pages; whose booking it is, row-level security says.

pub mod cancel;
pub mod shapes;

use axum::{
    Json as Answer,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    bookings::{
        api::{ContactGiven, PassengerGiven, People},
        passengers::{PassengerForm, Wanted},
    },
    checkout::{
        Acceptance, Checkout, Paying, Standing,
        api::shapes::{Booking, PaymentAttempt, Quote, Refund, Refunds},
    },
    clock::Clock,
    db::Traveller,
    error::{AppError, FieldErrors, Refusal},
    ids::BookingReference,
    itinerary::{OfferId, Passenger},
    limits::Rule,
    money::Money,
    web::{
        bearer::ApiUser,
        client::ClientAddress,
        form::Path,
        json::Json,
        problem::Problem,
        scopes::{BookingsRead, BookingsWrite},
        shapes::Sum,
        visitor::Visitor,
    },
};

/// How long to wait before asking a silent Stripe again.
const RETRY_SECONDS: u32 = 20;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBooking {
    /// The id of an offer that has not lapsed.
    #[serde(default)]
    #[schema(required, max_length = 2000)]
    offer: String,
    /// All of them, adults first, then children, then infants; with `contact`. Or neither, to be written later.
    #[schema(nullable = false)]
    passengers: Option<Vec<PassengerGiven>>,
    #[schema(nullable = false)]
    contact: Option<ContactGiven>,
}

/// Begin a booking
///
/// From an offer. Nothing is held or charged yet. Without passengers and contact it waits for them (PATCH) for a day.
#[utoipa::path(
    post,
    path = "/api/bookings",
    operation_id = "createBooking",
    tag = "Bookings",
    request_body = NewBooking,
    responses(
        (status = 201, description = "Begun. Location is its address.", body = Booking),
        (status = 410, description = "offer_expired sold_out offer_gone"),
        (status = 429, description = "too_many_requests"),
        (status = 503, description = "upstream_unavailable"),
    ),
    security(("bearer" = ["bookings:write"]), ("session" = [])),
)]
pub async fn create(
    State(checkout): State<Checkout>,
    who: ApiUser<BookingsWrite>,
    visitor: Visitor,
    Json(asked): Json<NewBooking>,
) -> Result<Response, AppError> {
    let bookings = &checkout.bookings;
    let id = OfferId(asked.offer);
    if !(1..=2_000).contains(&id.0.len()) || !id.0.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(AppError::Invalid(FieldErrors::one("offer", "The id of an offer, as a search gives it")));
    }
    visitor.take_for(who.user, Rule::BookingAddress, Rule::BookingAccount).await?;
    let offer = bookings.sellable_offer(&id).await?;
    let people = People { passengers: asked.passengers, contact: asked.contact };
    // Before anything is made: a call that is refused leaves nothing behind.
    let given = if people.is_empty() {
        None
    } else {
        let wanted = Wanted::of_offer(&offer, today(&checkout.clock));
        let wanted = wanted.ok_or_else(|| AppError::broken("an offer without flights"))?;
        Some(people.check(PassengerForm::default(), &wanted).map_err(AppError::Invalid)?)
    };
    let reference = bookings.draft_of(who.user, offer, given.as_ref()).await?;
    let booking = load(&checkout, who.traveller(), &reference).await?;
    let address = [(header::LOCATION, format!("/api/bookings/{reference}"))];
    Ok((StatusCode::CREATED, address, Answer(booking)).into_response())
}

fn today(clock: &Clock) -> jiff::civil::Date {
    clock.now().to_zoned(TimeZone::UTC).date()
}

async fn load(
    checkout: &Checkout,
    traveller: Traveller,
    reference: &BookingReference,
) -> Result<Booking, AppError> {
    let standing = checkout.standing(traveller, reference).await?;
    let refunds = checkout.refunds_of(traveller, standing.file.booking.id).await?;
    Booking::new(&standing, refunds, checkout.clock.now())
}

/// Look at a booking
///
/// Its state, itinerary, passengers, price, timeline, payments and refunds. To watch it, ask again with If-None-Match.
#[utoipa::path(
    get,
    path = "/api/bookings/{reference}",
    operation_id = "getBooking",
    tag = "Bookings",
    params(("reference" = String, Path, description = "Six letters and digits.")),
    responses((status = 200, description = "The booking.", body = Booking)),
    security(("bearer" = ["bookings:read"]), ("session" = [])),
)]
pub async fn show(
    State(checkout): State<Checkout>,
    who: ApiUser<BookingsRead>,
    Path(reference): Path<BookingReference>,
) -> Result<Answer<Booking>, AppError> {
    load(&checkout, who.traveller(), &reference).await.map(Answer)
}

/// Write or change who travels
///
/// Until it is paid: names, dates of birth, passports and the contact. What is not sent stays as it is. The first time, all of
/// it is needed. Another name or contact closes a payment page that is open: check out again after it. Flights and price are
/// fixed by the offer: for others, begin another booking.
#[utoipa::path(
    patch,
    path = "/api/bookings/{reference}",
    operation_id = "changeBooking",
    tag = "Bookings",
    params(("reference" = String, Path, description = "Six letters and digits.")),
    request_body = People,
    responses(
        (status = 200, description = "The booking as it is now.", body = Booking),
        (status = 409, description = "passengers_fixed being_paid"),
        (status = 503, description = "upstream_unavailable"),
    ),
    security(("bearer" = ["bookings:write"]), ("session" = [])),
)]
pub async fn change(
    State(checkout): State<Checkout>,
    who: ApiUser<BookingsWrite>,
    Path(reference): Path<BookingReference>,
    Json(people): Json<People>,
) -> Result<Answer<Booking>, AppError> {
    let bookings = &checkout.bookings;
    let file = bookings.file(who.traveller(), &reference).await?;
    let wanted = Wanted::of(&file, today(&bookings.clock));
    let wanted = wanted.ok_or_else(|| AppError::broken("a booking without a last day"))?;
    let kept: Vec<Passenger> = file.passengers.iter().map(|(passenger, _)| passenger.clone()).collect();
    let kept = PassengerForm::filled(&kept, &file.documents, file.booking.contact.as_ref());
    match people.check(kept, &wanted) {
        Ok(given) => checkout.save_passengers(who.traveller(), &reference, &given).await?,
        // Of a paid booking, that it is fixed is the news, not what is wrong with the change.
        Err(_) if !file.booking.is_open() => return Err(crate::bookings::passengers_fixed()),
        Err(errors) => return Err(AppError::Invalid(errors)),
    }
    load(&checkout, who.traveller(), &reference).await.map(Answer)
}

/// What the caller has seen and accepts: `quote` of the booking.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    #[serde(default)]
    #[schema(required, example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    quote_hash: String,
    #[schema(value_type = Sum)]
    total: Option<Sum>,
}

#[derive(Serialize, ToSchema)]
pub struct ToBePaid {
    /// Where the card is entered, by the traveller.
    #[schema(example = "https://checkout.stripe.com/c/pay/cs_test_a1")]
    checkout_url: String,
    attempt: PaymentAttempt,
    /// Until when the seats are kept. Of tickets that are paid again: until when they can be.
    #[schema(required)]
    held_until: Option<jiff::Timestamp>,
}

/// Open the payment page
///
/// Asks the airline for today's price, holds the seats and opens a page at Stripe. If what would be paid is not what was
/// accepted, nothing happens: look at the booking again. Called again, it answers the page that is open. The card is charged
/// only after the airline has confirmed the seats. Where tickets are issued and `next` is `pay_again`, only the page is opened.
#[utoipa::path(
    post,
    path = "/api/bookings/{reference}/checkout",
    operation_id = "checkOut",
    tag = "Bookings",
    params(("reference" = String, Path, description = "Six letters and digits.")),
    request_body = Accepted,
    responses(
        (status = 200, description = "Pay there.", body = ToBePaid),
        (status = 409, description = "price_changed passengers_missing nothing_to_pay seats_gone flights_gone"),
        (status = 503, description = "upstream_unavailable"),
    ),
    security(("bearer" = ["bookings:write"]), ("session" = [])),
)]
pub async fn check_out(
    State(checkout): State<Checkout>,
    who: ApiUser<BookingsWrite>,
    from: ClientAddress,
    Path(reference): Path<BookingReference>,
    Json(accepted): Json<Accepted>,
) -> Result<Response, AppError> {
    let traveller = who.traveller();
    let standing = checkout.standing(traveller, &reference).await?;
    let total = accepted.check()?;
    if total != standing.file.booking.amount {
        return Ok(price_changed(&standing).into_response());
    }
    // The total that was sent is the raised one, if it was raised.
    let from = Some(from.written());
    let acceptance = Acceptance { quote_hash: accepted.quote_hash, accepts_raise: true, from };
    match checkout.pay(traveller, &reference, &acceptance).await? {
        Paying::At(url) => {
            let standing = checkout.standing(traveller, &reference).await?;
            let attempt = standing.payable().ok_or_else(nothing_to_pay)?;
            let booking = &standing.file.booking;
            let held_until = booking.pay_by.or(booking.hold.as_ref().map(|hold| hold.expires_at));
            Ok(Answer(ToBePaid { checkout_url: url, attempt: attempt.into(), held_until }).into_response())
        }
        Paying::LookAgain => {
            Ok(price_changed(&checkout.standing(traveller, &reference).await?).into_response())
        }
        Paying::PassengersMissing => Err(AppError::Conflict(Refusal {
            code: "passengers_missing",
            title: "Who travels is still missing",
            detail: "Write passengers and contact first. Nothing was held or charged.".to_owned(),
        })),
        Paying::NothingToPay => Err(nothing_to_pay()),
        Paying::StripeSilent { held_until } => {
            let error = AppError::Upstream {
                service: "stripe",
                reason: "no answer to the new session".to_owned(),
                detail: format!(
                    "It can be paid until {held_until}. Nothing was charged. Call this again in a moment."
                ),
            };
            Ok(Problem::from(&error).retry_after(RETRY_SECONDS).into_response())
        }
    }
}

impl Accepted {
    fn check(&self) -> Result<Money, AppError> {
        let mut errors = FieldErrors::default();
        if self.quote_hash.is_empty() {
            errors.add("quote_hash", "Send `quote.hash` of the booking");
        }
        let total = match &self.total {
            Some(sum) => sum.check(&mut errors, "total"),
            None => {
                errors.add("total", "Send the total that is accepted, like `quote.total`");
                None
            }
        };
        total.filter(|_| errors.is_empty()).ok_or(AppError::Invalid(errors))
    }
}

fn price_changed(standing: &Standing) -> Problem {
    let refusal = Refusal {
        code: "price_changed",
        title: "This is not what would be paid",
        detail: format!(
            "The booking costs {} now, or its flights or conditions have changed. Look at it again and accept what it says. \
             Nothing was held or charged.",
            standing.file.booking.amount
        ),
    };
    Problem::refusal(StatusCode::CONFLICT, &refusal).about(json!({ "quote": Quote::from(standing) }))
}

fn nothing_to_pay() -> AppError {
    AppError::Conflict(Refusal {
        code: "nothing_to_pay",
        title: "There is nothing to pay now",
        detail: "It is paid, it has ended, or a payment is on its way. The booking says which.".to_owned(),
    })
}

/// List the refunds of a booking
#[utoipa::path(
    get,
    path = "/api/bookings/{reference}/refunds",
    operation_id = "listRefunds",
    tag = "Bookings",
    params(("reference" = String, Path, description = "Six letters and digits.")),
    responses((status = 200, description = "All there are. Money that was only set aside is released and has none.", body = Refunds)),
    security(("bearer" = ["bookings:read"]), ("session" = [])),
)]
pub async fn refunds(
    State(checkout): State<Checkout>,
    who: ApiUser<BookingsRead>,
    Path(reference): Path<BookingReference>,
) -> Result<Answer<Refunds>, AppError> {
    let file = checkout.bookings.file(who.traveller(), &reference).await?;
    let lines = checkout.refunds_of(who.traveller(), file.booking.id).await?;
    Ok(Answer(Refunds { items: lines.into_iter().map(Refund::from).collect() }))
}
