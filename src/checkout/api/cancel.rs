//! Cancelling for programs: what it would give back, and `DELETE`, which takes exactly that. A booking that is not paid is
//! given up without a quote: nothing of anybody's is at stake.

use axum::{
    Json as Answer,
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::load;
use crate::{
    bookings::lifecycle::BookingState,
    checkout::{
        Checkout, Standing,
        api::shapes::Booking,
        cancel::{self, CancelDesk, Confirming, terms::Terms},
    },
    db::Traveller,
    error::{AppError, FieldErrors, Refusal},
    ids::{BookingReference, CancelQuoteId},
    web::{
        bearer::ApiUser,
        form::Path,
        params::Params,
        problem::Problem,
        scopes::{BookingsRead, BookingsWrite},
        shapes::Money,
    },
};

/// What cancelling gives back, to the cent.
#[derive(Debug, Serialize, ToSchema)]
pub struct CancelQuote {
    id: CancelQuoteId,
    /// By which rule: the agency's free time, or the fare.
    terms: Terms,
    /// Whether the card was charged. If not, what comes back is released.
    charged: bool,
    paid: Money,
    /// What had gone back before.
    returned: Money,
    /// What the airline keeps.
    kept: Money,
    back: Money,
    /// Until then it can be taken, as long as nothing changes what it says.
    expires_at: Timestamp,
}

impl From<&cancel::CancelQuote> for CancelQuote {
    fn from(quote: &cancel::CancelQuote) -> Self {
        let figures = quote.figures;
        Self {
            id: quote.id,
            terms: figures.terms,
            charged: figures.charged,
            paid: figures.paid.into(),
            returned: figures.returned.into(),
            kept: figures.kept.into(),
            back: figures.back.into(),
            expires_at: figures.expires_at,
        }
    }
}

/// What cancelling would mean at this moment. Nothing is cancelled by asking.
#[derive(Debug, Serialize, ToSchema)]
pub struct Cancelling {
    outcome: Outcome,
    /// With the outcome `quote`.
    #[schema(required)]
    quote: Option<CancelQuote>,
    /// The code of what stands against it, with the outcomes `airline_decides` and `not_now`.
    #[schema(required, example = "departed")]
    obstacle: Option<&'static str>,
    /// What that means, for people.
    #[schema(example = "Nothing is booked or charged. It can be given up at once.")]
    detail: String,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CancelOutcome)]
pub enum Outcome {
    /// DELETE with the quote's id cancels by it.
    Quote,
    /// It is not paid: DELETE gives it up.
    GiveUp,
    /// The fare does not say what comes back, so a person has to ask the airline.
    AirlineDecides,
    /// Not in the state in which it is.
    NotNow,
}

impl From<&CancelDesk> for Cancelling {
    fn from(desk: &CancelDesk) -> Self {
        let standing = &desk.standing;
        let (outcome, quote, obstacle, detail) = match &desk.answer {
            cancel::Answer::Quote(quote) => (Outcome::Quote, Some(quote.into()), None, in_words(quote)),
            cancel::Answer::No(_) if standing.file.booking.is_open() && !standing.is_frozen() => {
                let detail = "Nothing is booked or charged. It can be given up at once.".to_owned();
                (Outcome::GiveUp, None, None, detail)
            }
            cancel::Answer::AirlineDecides { .. } => {
                let Refusal { code, detail, .. } = airline_decides();
                (Outcome::AirlineDecides, None, Some(code), detail)
            }
            cancel::Answer::No(refusal) => {
                (Outcome::NotNow, None, Some(refusal.code), refusal.detail.clone())
            }
        };
        Self { outcome, quote, obstacle, detail }
    }
}

/// Ask what cancelling gives back
///
/// A quote is kept for 30 minutes, or until the agency's free time or the flight ends it; asked again, it is the same one. To
/// cancel, send its id with DELETE.
#[utoipa::path(
    get,
    path = "/api/bookings/{reference}/cancel-quote",
    operation_id = "quoteCancelling",
    tag = "Bookings",
    params(("reference" = String, Path, description = "Six letters and digits.")),
    responses((status = 200, description = "What it would mean now.", body = Cancelling)),
    security(("bearer" = ["bookings:read"]), ("session" = [])),
)]
pub async fn quote(
    State(checkout): State<Checkout>,
    who: ApiUser<BookingsRead>,
    Path(reference): Path<BookingReference>,
) -> Result<Answer<Cancelling>, AppError> {
    let desk = checkout.cancel_desk(who.traveller(), &reference).await?;
    Ok(Answer(Cancelling::from(&desk)))
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Asked {
    quote: String,
}

/// Cancel a booking
///
/// One with tickets by a quote that was seen: without one, or with one that has lapsed or says something else by now, nothing
/// happens, and `about.quote` is what holds. Then the airline is asked, and once it has cancelled the money goes back. One
/// that is not paid is given up at once, without a quote. Called again, it answers how the booking stands.
#[utoipa::path(
    delete,
    path = "/api/bookings/{reference}",
    operation_id = "cancelBooking",
    tag = "Bookings",
    params(
        ("reference" = String, Path, description = "Six letters and digits."),
        ("quote" = Option<CancelQuoteId>, Query, description = "The id of the quote that is taken.", nullable = false),
    ),
    responses(
        (status = 200, description = "It is cancelled or given up. The booking tells where its money is.", body = Booking),
        (status = 202, description = "The airline is being asked. The booking tells how it goes on.", body = Booking),
        (status = 409, description = "quote_needed quote_changed airline_decides not_paid being_booked cancelling ended departed disputed payment_checked cannot_drop"),
        (status = 422, description = "invalid"),
        (status = 503, description = "upstream_unavailable"),
    ),
    security(("bearer" = ["bookings:write"]), ("session" = [])),
)]
pub async fn cancel(
    State(checkout): State<Checkout>,
    who: ApiUser<BookingsWrite>,
    Path(reference): Path<BookingReference>,
    RawQuery(query): RawQuery,
    Params(asked): Params<Asked>,
) -> Result<Response, AppError> {
    let traveller = who.traveller();
    // An empty quote is a program's mistake, and no word to give a booking up.
    if query.is_none_or(|query| query.is_empty()) {
        return give_up(&checkout, traveller, &reference).await;
    }
    // A booking that is not there is told before what is wrong with the quote.
    checkout.bookings.file(traveller, &reference).await?;
    let quote = asked.quote.parse().map_err(|_| not_a_quote())?;
    match checkout.confirm_cancel(traveller, &reference, quote).await? {
        Confirming::Begun(_) | Confirming::Replayed(_) => {
            standing_now(&checkout, traveller, &reference).await
        }
        Confirming::LookAgain(desk) => unconfirmed(&desk, "quote_changed"),
    }
}

async fn give_up(
    checkout: &Checkout,
    traveller: Traveller,
    reference: &BookingReference,
) -> Result<Response, AppError> {
    let standing = checkout.standing(traveller, reference).await?;
    if was_given_up(&standing) {
        return standing_now(checkout, traveller, reference).await;
    }
    if !standing.file.booking.is_open() {
        return unconfirmed(&checkout.cancel_desk(traveller, reference).await?, "quote_needed");
    }
    match checkout.drop_booking(traveller, reference).await {
        // Of two at once, the second comes too late for what the first has done.
        Err(AppError::Conflict(refusal)) => match checkout.standing(traveller, reference).await? {
            standing if was_given_up(&standing) => standing_now(checkout, traveller, reference).await,
            _ => Err(AppError::Conflict(refusal)),
        },
        Err(error) => Err(error),
        Ok(()) => standing_now(checkout, traveller, reference).await,
    }
}

fn was_given_up(standing: &Standing) -> bool {
    let booking = &standing.file.booking;
    booking.state == BookingState::Cancelled && booking.ended_reason.as_deref() == Some("dropped")
}

async fn standing_now(
    checkout: &Checkout,
    traveller: Traveller,
    reference: &BookingReference,
) -> Result<Response, AppError> {
    let booking = load(checkout, traveller, reference).await?;
    let is_over = booking.state() == BookingState::Cancelled;
    let status = if is_over { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Answer(booking)).into_response())
}

fn not_a_quote() -> AppError {
    AppError::Invalid(FieldErrors::one("quote", "The id of a quote, as GET …/cancel-quote answers it"))
}

/// Nothing was cancelled, and this is what cancelling would mean.
fn unconfirmed(desk: &CancelDesk, code: &'static str) -> Result<Response, AppError> {
    let quote = match &desk.answer {
        cancel::Answer::No(refusal) => return Err(AppError::Conflict(refusal.clone())),
        cancel::Answer::AirlineDecides { .. } => return Err(AppError::Conflict(airline_decides())),
        cancel::Answer::Quote(quote) => quote,
    };
    let title = match code {
        "quote_changed" => "The quote has lapsed or changed",
        _ => "Confirm what comes back",
    };
    let detail = format!("{} Nothing was cancelled: send the id of this quote to cancel.", in_words(quote));
    let refusal = Refusal { code, title, detail };
    let about = json!({ "quote": CancelQuote::from(quote) });
    Ok(Problem::refusal(StatusCode::CONFLICT, &refusal).about(about).into_response())
}

fn in_words(quote: &cancel::CancelQuote) -> String {
    let figures = &quote.figures;
    let coming = if figures.charged { "come back" } else { "be released" };
    format!("{} of {} would {coming}.", figures.back, figures.paid).replace('\u{a0}', " ")
}

fn airline_decides() -> Refusal {
    Refusal {
        code: "airline_decides",
        title: "What comes back is unknown",
        detail: "The fare does not say it, so a person has to ask the airline: the booking's page has a button for that. \
                 Nothing was cancelled."
            .to_owned(),
    }
}
