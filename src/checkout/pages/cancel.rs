//! `/bookings/{ref}/cancel`: what would come back, and the word that takes it.

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use crate::{
    bookings::{
        lifecycle::BookingState,
        pages::{
            holder::Holder,
            words::{Here, airline, route},
        },
    },
    checkout::{
        Checkout,
        cancel::{
            Answer, CancelDesk, CancelQuote, Confirming,
            terms::{Figures, FreeWindow, Terms},
        },
        pages::{address, news::card},
    },
    error::{AppError, FieldErrors},
    web::{
        chrome::Chrome,
        components::{Fragment, Tone, facts_list, notice, words},
        form::Form,
    },
};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CancelForm {
    quote: String,
    understood: String,
    /// Instead of a quote: have a person ask the airline.
    ask: String,
}

#[derive(Template)]
#[template(path = "checkout/cancel.html")]
struct CancelPage {
    chrome: Chrome,
    reference: String,
    route: String,
    headline: String,
    until: String,
    changed: Option<Fragment>,
    fare: String,
    currency: &'static str,
    lines: Vec<(String, String)>,
    sum: &'static str,
    back: String,
    facts: Fragment,
    quote: String,
    understand: String,
    button: String,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "checkout/cancel_ask.html")]
struct CancelAskPage {
    chrome: Chrome,
    reference: String,
    route: String,
    headline: String,
    sentence: String,
    can_ask: bool,
}

pub async fn cancel(
    State(checkout): State<Checkout>,
    holder: Holder,
    chrome: Chrome,
) -> Result<Response, AppError> {
    let desk = checkout.cancel_desk(holder.traveller, &holder.reference).await?;
    if desk.standing.file.booking.state != BookingState::Confirmed {
        // Not paid, being booked or ended: the booking's own page has the news and what can be done.
        return Ok(Redirect::to(&address(&desk.standing.file.booking)).into_response());
    }
    shown(&checkout, chrome, &desk, None, FieldErrors::default())
}

pub async fn confirm(
    State(checkout): State<Checkout>,
    holder: Holder,
    chrome: Chrome,
    Form(form): Form<CancelForm>,
) -> Result<Response, AppError> {
    let page = format!("/bookings/{}", holder.reference);
    if form.ask == "yes" {
        checkout.ask_airline_to_cancel(holder.traveller, &holder.reference).await?;
        return Ok(Redirect::to(&format!("{page}/cancel")).into_response());
    }
    let is_understood = form.understood == "yes";
    let desk = match form.quote.parse().ok().filter(|_| is_understood) {
        Some(quote) => match checkout.confirm_cancel(holder.traveller, &holder.reference, quote).await? {
            Confirming::Begun(_) | Confirming::Replayed(_) => return Ok(Redirect::to(&page).into_response()),
            Confirming::LookAgain(desk) => *desk,
        },
        None => checkout.cancel_desk(holder.traveller, &holder.reference).await?,
    };
    if let Answer::No(refusal) = desk.answer {
        return Err(AppError::Conflict(refusal));
    }
    if is_understood {
        let meaning = "What you saw has lapsed or is different by now. Nothing was cancelled. This is what holds at this moment.";
        let changed = Some(notice(Tone::Warn, "Here is a new quote", meaning));
        let page = shown(&checkout, chrome, &desk, changed, FieldErrors::default())?;
        return Ok((StatusCode::CONFLICT, page).into_response());
    }
    let errors = FieldErrors::one("understood", "Tick this first. Nothing was cancelled");
    let page = shown(&checkout, chrome, &desk, None, errors)?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

fn shown(
    checkout: &Checkout,
    chrome: Chrome,
    desk: &CancelDesk,
    changed: Option<Fragment>,
    errors: FieldErrors,
) -> Result<Response, AppError> {
    let booking = &desk.standing.file.booking;
    let (headline, sentence, can_ask) = match &desk.answer {
        Answer::Quote(quote) => {
            let page = CancelPage::new(checkout, chrome, desk, quote, changed, errors);
            return Ok(Html(page.render()?).into_response());
        }
        Answer::AirlineDecides { asked: false } => {
            let sentence = format!(
                "Your fare does not say what comes back when you cancel. {} decides, and we do not guess. Nothing has been cancelled.",
                airline(&booking.offer.slices)
            );
            ("What comes back is unknown", sentence, true)
        }
        Answer::AirlineDecides { asked: true } => {
            let sentence = "You have asked us to find out what comes back. A person is at it and writes to you. Nothing has been \
                            cancelled, and your tickets stay good.";
            ("We are asking the airline", sentence.to_owned(), false)
        }
        Answer::No(refusal) => (refusal.title, refusal.detail.clone(), false),
    };
    let page = CancelAskPage {
        chrome,
        reference: booking.reference.to_string(),
        route: route(&booking.offer.slices),
        headline: headline.to_owned(),
        sentence,
        can_ask,
    };
    Ok(Html(page.render()?).into_response())
}

impl CancelPage {
    fn new(
        checkout: &Checkout,
        chrome: Chrome,
        desk: &CancelDesk,
        quote: &CancelQuote,
        changed: Option<Fragment>,
        errors: FieldErrors,
    ) -> Self {
        let booking = &desk.standing.file.booking;
        let offer = &booking.offer;
        let figures = &quote.figures;
        let (here, now) = (Here::of(offer), checkout.clock.now());
        let people = offer.party.kinds().count();
        let keeper = airline(&offer.slices);
        let seller = &chrome.site.name;
        let lines = lines(figures, keeper, seller);
        Self {
            reference: booking.reference.to_string(),
            route: route(&offer.slices),
            headline: headline(figures),
            until: here.tell(figures.expires_at, now),
            changed,
            fare: format!("{}, {} fare", words::plural(people, "passenger", "passengers"), offer.fare.brand),
            currency: figures.back.currency.code(),
            lines,
            sum: if figures.charged { "Refund, total" } else { "Released, total" },
            back: figures.back.amount(),
            facts: facts_list(&facts(figures, place(desk).as_deref(), checkout.free_cancel)),
            quote: quote.id.to_string(),
            understand: understand(figures, offer.slices.len()),
            button: button(figures),
            errors,
            chrome,
        }
    }
}

/// "Visa ending 4242, the card you paid with".
fn place(desk: &CancelDesk) -> Option<String> {
    let card = desk.standing.secured().and_then(card)?;
    Some(format!("{card}, the card you paid with"))
}

fn headline(figures: &Figures) -> String {
    let Figures { back, kept, charged, .. } = *figures;
    match (back.minor, charged, kept.minor) {
        (0, ..) => "Nothing would come back".to_owned(),
        (_, true, _) => format!("You would get back {back}"),
        (_, false, 0) => "You would not be charged".to_owned(),
        (_, false, _) => format!("You would be charged {kept} instead of {}", figures.paid),
    }
}

fn lines(figures: &Figures, airline: &str, seller: &str) -> Vec<(String, String)> {
    let minus = |minor: i64, amount: String| if minor > 0 { format!("− {amount}") } else { amount };
    let paid = if figures.charged { "You paid" } else { "Your bank has set aside" };
    let mut lines = vec![(paid.to_owned(), figures.paid.amount())];
    if figures.returned.minor > 0 {
        let before = minus(figures.returned.minor, figures.returned.amount());
        lines.push(("Went back to you before".to_owned(), before));
    }
    let why = match figures.terms {
        Terms::Window => "nothing within our free time",
        Terms::Free | Terms::Fee | Terms::Nothing | Terms::Unpaid => "as in the conditions",
    };
    let kept = minus(figures.kept.minor, figures.kept.amount());
    lines.push((format!("{airline} keeps, {why}"), kept));
    lines.push((format!("{seller} keeps"), crate::money::Money::zero(figures.kept.currency).amount()));
    lines
}

fn facts(figures: &Figures, place: Option<&str>, window: FreeWindow) -> Vec<(String, String)> {
    let place = place.unwrap_or("the account that you paid from").to_owned();
    let why = match figures.terms {
        Terms::Window => format!(
            "You cancel within {} of booking and at least {} before the flight. Then nothing is kept, whatever the fare says.",
            words::plural(usize::from(window.hours), "hour", "hours"),
            words::plural(usize::from(window.days_ahead), "day", "days"),
        ),
        Terms::Free => "Your fare gives everything back until departure.".to_owned(),
        Terms::Fee => "Your fare keeps a fee for each passenger.".to_owned(),
        Terms::Nothing => "Your fare gives nothing back. You may cancel all the same.".to_owned(),
        Terms::Unpaid => "Nobody has paid for these tickets.".to_owned(),
    };
    let mut facts = vec![("Why".to_owned(), why)];
    if figures.back.minor > 0 {
        let seen = if figures.charged {
            "on your statement in 5 to 10 bank days"
        } else {
            "at your bank within 1 to 7 days; until then it may show as pending"
        };
        facts.push(("To".to_owned(), place));
        facts.push((
            "Sent".to_owned(),
            "as soon as the airline has cancelled, usually within 5 minutes".to_owned(),
        ));
        facts.push(("Seen".to_owned(), seen.to_owned()));
    }
    facts.push(("Seats".to_owned(), "are given up at once. This cannot be undone.".to_owned()));
    facts
}

fn understand(figures: &Figures, slices: usize) -> String {
    let seats = match slices {
        1 => "I give up my seats",
        2 => "I give up my seats on both ways",
        _ => "I give up my seats on all flights",
    };
    match figures.back.minor {
        0 => format!("{seats}, and I understand that nothing comes back"),
        _ => seats.to_owned(),
    }
}

fn button(figures: &Figures) -> String {
    match (figures.back.minor, figures.charged) {
        (0, _) => "Cancel without a refund".to_owned(),
        (_, true) => format!("Cancel and refund {}", figures.back),
        (_, false) => format!("Cancel and release {}", figures.back),
    }
}
