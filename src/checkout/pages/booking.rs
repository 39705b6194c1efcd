//! `/bookings/{ref}`: how it stands, the ticket, what happened, what can be done.

use askama::Template;
use axum::{extract::State, response::Html};
use jiff::Timestamp;

use crate::{
    bookings::{
        Booking,
        lifecycle::BookingState,
        pages::{holder::Holder, words::Here},
    },
    checkout::{
        Checkout, Standing,
        pages::{
            flown, kind_in_words,
            news::{Next, news},
            timeline::timeline,
        },
    },
    error::AppError,
    itinerary::{Fare, Passenger},
    web::{
        chrome::Chrome,
        components::{
            Fragment, Ticket, badge, conditions_list, itinerary_by_day, log, price_table, route_map, ticket,
            words,
        },
    },
};

#[derive(Template)]
#[template(path = "checkout/booking.html")]
struct BookingPage {
    chrome: Chrome,
    reference: String,
    headline: String,
    badge: Fragment,
    sentence: String,
    /// The airline has other times, or does not fly.
    change: Option<Fragment>,
    /// Once there are tickets.
    ticket: Option<Fragment>,
    /// Before and without them.
    itinerary: Fragment,
    passengers: Vec<(String, String)>,
    email: String,
    next: Next,
    /// It may be cancelled here, or at least asked for.
    can_cancel: bool,
    /// For whoever booked without an account.
    keep: Option<Fragment>,
    total: String,
    quote_hash: String,
    brand: String,
    conditions: Fragment,
    prices: Fragment,
    log: Fragment,
    zone: String,
    map: Fragment,
}

impl BookingPage {
    fn can_be_changed(&self) -> bool {
        matches!(self.next, Next::Name | Next::Pay)
    }
}

pub async fn booking(
    State(checkout): State<Checkout>,
    holder: Holder,
    chrome: Chrome,
) -> Result<Html<String>, AppError> {
    let standing = checkout.standing(holder.traveller, &holder.reference).await?;
    let now = checkout.clock.now();
    let news = news(&standing, now);
    let booking = &standing.file.booking;
    let offer = &booking.offer;
    let page = BookingPage {
        chrome,
        reference: booking.reference.to_string(),
        headline: news.headline,
        badge: badge(news.tone, &news.badge),
        sentence: news.sentence,
        change: flown::banner(&standing),
        ticket: has_ticket(booking).then(|| stub(&standing)),
        itinerary: itinerary_by_day(&offer.slices),
        passengers: passengers(&standing),
        email: booking.contact.as_ref().map(|contact| contact.email.clone()).unwrap_or_default(),
        next: news.next,
        can_cancel: can_cancel(&standing, now),
        keep: holder.keep(""),
        total: booking.amount.to_string(),
        quote_hash: booking.quote_hash.clone(),
        brand: offer.fare.brand.clone(),
        conditions: conditions_list(offer),
        prices: price_table(offer)?,
        log: log(&timeline(&standing, now)),
        zone: Here::of(offer).name,
        map: route_map(&offer.slices),
    };
    Ok(Html(page.render()?))
}

/// What only the staff know may still speak against it; then the page behind the button says so.
fn can_cancel(standing: &Standing, now: Timestamp) -> bool {
    let booking = &standing.file.booking;
    let is_ahead = booking.offer.slices.first().is_some_and(|slice| slice.first().departs.at > now);
    booking.state == BookingState::Confirmed && booking.pay_by.is_none() && is_ahead && !standing.is_frozen()
}

const fn has_ticket(booking: &Booking) -> bool {
    matches!(booking.state, BookingState::Confirmed | BookingState::Cancelling)
}

fn stub(standing: &Standing) -> Fragment {
    let booking = &standing.file.booking;
    let offer = &booking.offer;
    let people = &standing.file.passengers;
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    for (at, (passenger, number)) in people.iter().enumerate() {
        let name = if people.len() == 1 { "Passenger" } else { kind_in_words(passenger.kind) };
        let ticket = number.as_deref().map_or("Ticket number not told yet".to_owned(), spaced);
        let passport = standing.file.document(at).map(|note| format!("\nPassport ends in {}", note.last_two));
        let passport = passport.unwrap_or_default();
        fact(name, format!("{}, {}\n{ticket}{passport}", passenger.family_name, passenger.given_names));
    }
    fact("Fare", format!("{}, {}", offer.fare.brand, offer.cabin.name()));
    fact("Bags", bags(&offer.fare));
    fact("Airline reference", booking.pnr.clone().unwrap_or_else(|| "not told yet".to_owned()));
    ticket(&Ticket { slices: &offer.slices, facts: &facts, reference: &booking.reference })
}

/// "999 2400 118 773": as people read it out.
fn spaced(number: &str) -> String {
    match (number.get(..3), number.get(3..7), number.get(7..10), number.get(10..)) {
        (Some(airline), Some(a), Some(b), Some(c)) => format!("{airline}\u{a0}{a}\u{a0}{b}\u{a0}{c}"),
        _ => number.to_owned(),
    }
}

fn bags(fare: &Fare) -> String {
    if !fare.tells_weights() {
        return match fare.checked_bags {
            0 => "no checked bag".to_owned(),
            count => words::plural(usize::from(count), "checked bag", "checked bags"),
        };
    }
    let cabin = format!("{}\u{a0}kg cabin", fare.cabin_bag_kg);
    match fare.checked_bags {
        0 => cabin,
        1 => format!("{cabin}, 23\u{a0}kg checked"),
        count => format!("{cabin}, {count}\u{a0}×\u{a0}23\u{a0}kg checked"),
    }
}

fn passengers(standing: &Standing) -> Vec<(String, String)> {
    let line = |(at, (passenger, _)): (usize, &(Passenger, Option<String>))| {
        let born = passenger.born_on.strftime("%-d %b %Y");
        let passport = standing.file.document(at).map(|note| format!(", {}", note.in_words()));
        let passport = passport.unwrap_or_default();
        (
            kind_in_words(passenger.kind).to_owned(),
            format!("{}, born {born}{passport}", passenger.full_name()),
        )
    };
    standing.file.passengers.iter().enumerate().map(line).collect()
}
