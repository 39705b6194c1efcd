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
            "on your statement in 5 to 10 working days"
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{checkout::pages::samples::noon, web::components::samples::eur};

    /// Of EUR 800.00, of which EUR 20.00 has gone back before.
    fn figures(terms: Terms, charged: bool, kept: i64) -> Figures {
        Figures {
            terms,
            charged,
            paid: eur(80_000),
            returned: eur(2_000),
            kept: eur(kept),
            back: eur(78_000 - kept),
            expires_at: noon(),
        }
    }

    #[test]
    fn the_headline_and_the_button_say_what_comes_back_and_how() {
        for (charged, kept, wanted, pressed) in [
            (true, 15_000, "You would get back EUR 630.00", "Cancel and refund EUR 630.00"),
            (true, 0, "You would get back EUR 780.00", "Cancel and refund EUR 780.00"),
            (true, 78_000, "Nothing would come back", "Cancel without a refund"),
            (false, 78_000, "Nothing would come back", "Cancel without a refund"),
            (false, 0, "You would not be charged", "Cancel and release EUR 780.00"),
            (
                false,
                15_000,
                "You would be charged EUR 150.00 instead of EUR 800.00",
                "Cancel and release EUR 630.00",
            ),
        ] {
            let figures = figures(Terms::Fee, charged, kept);
            assert_eq!(headline(&figures).replace('\u{a0}', " "), wanted);
            assert_eq!(button(&figures).replace('\u{a0}', " "), pressed);
        }
    }

    #[test]
    fn the_lines_lead_from_what_was_paid_to_what_comes_back() {
        let of = |figures: &Figures| -> Vec<String> {
            let lines = lines(figures, "Halcyon Air", "Jetbridge");
            lines.into_iter().map(|(what, amount)| format!("{what}: {amount}")).collect()
        };
        assert_eq!(
            of(&figures(Terms::Fee, true, 15_000)),
            [
                "You paid: 800.00",
                "Went back to you before: − 20.00",
                "Halcyon Air keeps, as in the conditions: − 150.00",
                "Jetbridge keeps: 0.00",
            ]
        );
        let window = Figures { returned: eur(0), back: eur(80_000), ..figures(Terms::Window, false, 0) };
        assert_eq!(
            of(&window),
            [
                "Your bank has set aside: 800.00",
                "Halcyon Air keeps, nothing within our free time: 0.00",
                "Jetbridge keeps: 0.00",
            ]
        );
    }

    #[test]
    fn where_the_money_goes_is_told_only_if_some_comes_back() {
        let window = FreeWindow { hours: 24, days_ahead: 7 };
        let told = |figures: &Figures, place| facts(figures, place, window);
        let said = |facts: &[(String, String)], name: &str| {
            facts.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone())
        };
        let some = told(&figures(Terms::Fee, true, 15_000), Some("Visa ending 4242, the card you paid with"));
        assert_eq!(said(&some, "To").unwrap(), "Visa ending 4242, the card you paid with");
        assert_eq!(said(&some, "Seen").unwrap(), "on your statement in 5 to 10 working days");
        let released = told(&figures(Terms::Free, false, 0), None);
        assert_eq!(said(&released, "To").unwrap(), "the account that you paid from");
        assert!(said(&released, "Seen").unwrap().starts_with("at your bank within 1 to 7 days"));
        let none = told(&figures(Terms::Nothing, true, 78_000), None);
        assert_eq!(none.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["Why", "Seats"]);
        let free = told(&figures(Terms::Window, true, 0), None);
        let why = said(&free, "Why").unwrap();
        assert!(why.starts_with("You cancel within 24 hours of booking and at least 7 days before"), "{why}");
    }

    #[test]
    fn whoever_gives_up_seats_for_nothing_says_so() {
        let (some, none) = (figures(Terms::Fee, true, 15_000), figures(Terms::Nothing, true, 78_000));
        assert_eq!(understand(&some, 1), "I give up my seats");
        assert_eq!(understand(&some, 2), "I give up my seats on both ways");
        assert_eq!(
            understand(&none, 3),
            "I give up my seats on all flights, and I understand that nothing comes back"
        );
    }
}
