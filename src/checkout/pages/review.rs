//! `/bookings/{ref}/review` and its button: everything once more, then Stripe.

use askama::Template;
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    bookings::{
        documents::DocumentNote,
        pages::{
            holder::Holder,
            words::{self, Here},
        },
    },
    checkout::{
        Acceptance, Checkout, Paying, Standing,
        lifecycle::AttemptState,
        pages::{address, kind_in_words},
    },
    error::{AppError, FieldErrors},
    ids::BookingReference,
    itinerary::Passenger,
    money::Money,
    web::{
        chrome::Chrome,
        client::ClientAddress,
        components::{Fragment, Tone, conditions_list, itinerary_by_day, notice, price, price_table},
        form::{Form, Path},
    },
};

/// How long to wait before asking a silent Stripe again.
const RETRY_SECONDS: &str = "20";

#[derive(Template)]
#[template(path = "checkout/review.html")]
struct ReviewPage {
    chrome: Chrome,
    reference: String,
    held: Option<String>,
    /// Other names, or another total: the page that was open at Stripe is not any more.
    was_closed: bool,
    changed: Option<Fragment>,
    raise: Option<Raise>,
    errors: FieldErrors,
    itinerary: Fragment,
    passengers: Vec<Traveller>,
    email: String,
    phone: String,
    brand: String,
    conditions: Fragment,
    prices: Fragment,
    /// "Halcyon Air carries you".
    carried: String,
    quote_hash: String,
    price: Fragment,
    total: String,
}

struct Traveller {
    kind: &'static str,
    name: String,
    born: String,
    passport: Option<String>,
}

/// A price above the one that was chosen: needs a tick of its own.
struct Raise {
    by: String,
    from: String,
    to: String,
}

pub async fn review(
    State(checkout): State<Checkout>,
    holder: Holder,
    chrome: Chrome,
) -> Result<Response, AppError> {
    let standing = checkout.standing(holder.traveller, &holder.reference).await?;
    if let Some(elsewhere) = not_to_be_paid(&standing) {
        return Ok(elsewhere);
    }
    let page = ReviewPage::new(chrome, &standing, None, FieldErrors::default(), checkout.clock.now())?;
    Ok(Html(page.render()?).into_response())
}

#[derive(Deserialize)]
pub struct PayForm {
    quote_hash: String,
    /// The box beside a price that went up; a browser sends nothing for an empty one.
    #[serde(default)]
    accept: String,
}

pub async fn pay(
    State(checkout): State<Checkout>,
    holder: Holder,
    chrome: Chrome,
    from: ClientAddress,
    Form(form): Form<PayForm>,
) -> Result<Response, AppError> {
    let acceptance = Acceptance {
        quote_hash: form.quote_hash,
        accepts_raise: form.accept == "yes",
        from: Some(from.written()),
    };
    let Holder { traveller, reference, .. } = holder;
    let to = |page: &str| Redirect::to(&format!("/bookings/{reference}{page}")).into_response();
    Ok(match checkout.pay(traveller, &reference, &acceptance).await? {
        Paying::At(url) => Redirect::to(&url).into_response(),
        Paying::PassengersMissing => to("/passengers"),
        Paying::NothingToPay => to(""),
        Paying::LookAgain => {
            let standing = checkout.standing(traveller, &reference).await?;
            look_again(chrome, &standing, &acceptance, checkout.clock.now())?
        }
        Paying::StripeSilent { held_until } => {
            let standing = checkout.standing(traveller, &reference).await?;
            stripe_silent(chrome, &standing, held_until, checkout.clock.now())?
        }
    })
}

/// Whoever reloads the address of the button looks at everything once more.
pub async fn pay_again(Path(reference): Path<BookingReference>) -> Redirect {
    Redirect::to(&format!("/bookings/{reference}/review"))
}

fn not_to_be_paid(standing: &Standing) -> Option<Response> {
    let booking = &standing.file.booking;
    if !booking.is_open() {
        Some(Redirect::to(&address(booking)).into_response())
    } else if !standing.file.is_complete() {
        Some(Redirect::to(&format!("{}/passengers", address(booking))).into_response())
    } else {
        None
    }
}

/// The review again: the box was left empty, or the quote is no longer the one that the traveller looked at.
fn look_again(
    chrome: Chrome,
    standing: &Standing,
    acceptance: &Acceptance,
    now: Timestamp,
) -> Result<Response, AppError> {
    if let Some(elsewhere) = not_to_be_paid(standing) {
        return Ok(elsewhere);
    }
    let booking = &standing.file.booking;
    let saw_it = acceptance.quote_hash == booking.quote_hash;
    let (status, changed, errors) = if saw_it && booking.raised_from.is_some() {
        let message = "Tick that you accept the new total, or look for another flight";
        (StatusCode::UNPROCESSABLE_ENTITY, None, FieldErrors::one("accept", message))
    } else {
        // A raise has a note of its own on the page.
        let changed = booking.raised_from.is_none().then(|| what_changed(standing));
        (StatusCode::CONFLICT, changed, FieldErrors::default())
    };
    let page = ReviewPage::new(chrome, standing, changed, errors, now)?;
    Ok((status, Html(page.render()?)).into_response())
}

fn what_changed(standing: &Standing) -> Fragment {
    let booking = &standing.file.booking;
    let mut events = standing.file.events.iter().rev();
    let last = events.find(|event| event.kind == "price_changed").map(|event| &event.data);
    let minor = |field: &str| last.and_then(|data| data.get(field)).and_then(serde_json::Value::as_i64);
    let (fact, meaning) = match (minor("from_minor"), minor("to_minor")) {
        (Some(from), Some(to)) if to < from => {
            let less = Money::new(from.saturating_sub(to), booking.amount.currency);
            (
                format!("The price went down by {less}"),
                "Look at everything once more. Nothing has been charged.",
            )
        }
        _ => (
            "This offer has changed since you looked at it".to_owned(),
            "Flights, conditions or parts of the price are not the same any more. Look at everything once more. Nothing has been charged.",
        ),
    };
    notice(Tone::Warn, &fact, meaning)
}

impl ReviewPage {
    fn new(
        chrome: Chrome,
        standing: &Standing,
        changed: Option<Fragment>,
        errors: FieldErrors,
        now: Timestamp,
    ) -> Result<Self, AppError> {
        let booking = &standing.file.booking;
        let offer = &booking.offer;
        let contact = booking.contact.as_ref();
        let contact = contact.ok_or_else(|| AppError::broken("a review without a contact"))?;
        let held = booking.hold.as_ref().filter(|hold| hold.expires_at > now);
        let raise = booking.raised_from.map(|from| Raise::new(from, booking.amount)).transpose()?;
        let last = standing.attempts.last().map(|attempt| attempt.state);
        let note = match &raise {
            Some(raise) => format!("total, was {}", raise.from),
            None => format!("total, {}", offer.party.in_words()),
        };
        Ok(Self {
            chrome,
            reference: booking.reference.to_string(),
            held: held.map(|hold| Here::of(offer).tell(hold.expires_at, now)),
            was_closed: matches!(last, Some(AttemptState::Expired | AttemptState::Superseded)),
            changed,
            raise,
            errors,
            itinerary: itinerary_by_day(&offer.slices),
            passengers: standing
                .file
                .passengers
                .iter()
                .enumerate()
                .map(|(at, (passenger, _))| Traveller::new(passenger, standing.file.document(at)))
                .collect(),
            email: contact.email.clone(),
            phone: contact.phone.clone(),
            brand: offer.fare.brand.clone(),
            conditions: conditions_list(offer),
            prices: price_table(offer)?,
            carried: carried(&words::carrier_names(&offer.slices)),
            quote_hash: booking.quote_hash.clone(),
            price: price(booking.amount, &[&note]),
            total: booking.amount.to_string(),
        })
    }
}

fn carried(names: &[&str]) -> String {
    let verb = if names.len() == 1 {
        "carries you: your contract of carriage is with it"
    } else {
        "carry you: your contract of carriage is with them"
    };
    format!("{} {verb}", words::together(names))
}

impl Traveller {
    fn new(passenger: &Passenger, document: Option<&DocumentNote>) -> Self {
        Self {
            passport: document.map(DocumentNote::in_words),
            kind: kind_in_words(passenger.kind),
            name: passenger.full_name(),
            born: passenger.born_on.strftime("%-d %b %Y").to_string(),
        }
    }
}

impl Raise {
    fn new(from: Money, to: Money) -> Result<Self, AppError> {
        Ok(Self { by: to.checked_sub(from)?.to_string(), from: from.to_string(), to: to.to_string() })
    }
}

#[derive(Template)]
#[template(path = "checkout/silent.html")]
struct SilentPage {
    chrome: Chrome,
    reference: String,
    route: String,
    total: String,
    held_until: String,
    /// They are issued: there is time to pay, and nothing to hold.
    has_tickets: bool,
    now: String,
    quote_hash: String,
}

/// The seats are held and the attempt is written down: trying again finds the same one.
fn stripe_silent(
    chrome: Chrome,
    standing: &Standing,
    held_until: Timestamp,
    now: Timestamp,
) -> Result<Response, AppError> {
    let booking = &standing.file.booking;
    let here = Here::of(&booking.offer);
    let page = SilentPage {
        chrome,
        reference: booking.reference.to_string(),
        route: words::route(&booking.offer.slices),
        total: booking.amount.to_string(),
        held_until: here.tell(held_until, now),
        has_tickets: booking.pay_by.is_some(),
        now: here.tell(now, now),
        quote_hash: booking.quote_hash.clone(),
    };
    let headers = [(header::RETRY_AFTER, RETRY_SECONDS)];
    Ok((StatusCode::SERVICE_UNAVAILABLE, headers, Html(page.render()?)).into_response())
}
