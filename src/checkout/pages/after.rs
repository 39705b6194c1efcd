//! Back from Stripe: `/return`, `/cancelled`, and giving a booking up. All of them tell what Stripe itself says, and a
//! hundred reloads change nothing.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    bookings::{
        lifecycle::BookingState,
        pages::{holder::Holder, words::Here},
    },
    checkout::{
        Checkout, Standing,
        pages::{
            address,
            news::{News, Next, news},
            timeline::timeline,
        },
    },
    error::AppError,
    web::{
        chrome::Chrome,
        components::{Fragment, badge, log},
        form::Query,
    },
};

/// The page looks again after so many seconds; after the last of them it promises a mail instead.
const LOOKS: [u8; 4] = [3, 5, 10, 20];

#[derive(Deserialize)]
pub struct ReturnQuery {
    /// How often the page has looked already.
    #[serde(default)]
    n: usize,
}

#[derive(Template)]
#[template(path = "checkout/return.html")]
struct ReturnPage {
    chrome: Chrome,
    reference: String,
    headline: String,
    sentence: String,
    email: String,
    again: Option<Again>,
    stop: String,
    now: String,
    log: Fragment,
    total: String,
}

struct Again {
    seconds: u8,
    href: String,
}

#[derive(Template)]
#[template(path = "checkout/cancelled.html")]
struct CancelledPage {
    chrome: Chrome,
    reference: String,
    headline: String,
    badge: Fragment,
    sentence: String,
    log: Fragment,
    zone: String,
}

pub async fn returned(
    State(checkout): State<Checkout>,
    holder: Holder,
    chrome: Chrome,
    Query(query): Query<ReturnQuery>,
) -> Result<Response, AppError> {
    let asked = checkout.ask_stripe(holder.traveller, &holder.reference).await?;
    let now = checkout.clock.now();
    let news = news(&asked.standing, now);
    if asked.stripe_is_silent && matches!(news.next, Next::Pay | Next::PayAgain) {
        return waiting(chrome, &asked.standing, unsure(news), query.n, now);
    }
    after(chrome, &asked.standing, news, query.n, now)
}

/// Stripe sends people here who turned back; whether they had paid after all is asked all the same.
pub async fn cancelled(
    State(checkout): State<Checkout>,
    holder: Holder,
    chrome: Chrome,
) -> Result<Response, AppError> {
    let asked = checkout.ask_stripe(holder.traveller, &holder.reference).await?;
    let now = checkout.clock.now();
    let news = news(&asked.standing, now);
    after(chrome, &asked.standing, news, 0, now)
}

pub async fn drop_booking(State(checkout): State<Checkout>, holder: Holder) -> Result<Redirect, AppError> {
    checkout.drop_booking(holder.traveller, &holder.reference).await?;
    Ok(Redirect::to(&format!("/bookings/{}", holder.reference)))
}

fn after(
    chrome: Chrome,
    standing: &Standing,
    news: News,
    looked: usize,
    now: Timestamp,
) -> Result<Response, AppError> {
    let booking = &standing.file.booking;
    match (booking.state, news.next) {
        (BookingState::Ticketing | BookingState::Held, Next::Wait) => {
            waiting(chrome, standing, news, looked, now)
        }
        (BookingState::Held, _) => unpaid(chrome, standing, news, now),
        // Confirmed, ended, or never sent to Stripe: the booking's own page has the news.
        _ => Ok(Redirect::to(&address(booking)).into_response()),
    }
}

/// A page that cannot ask must not claim that nobody has paid.
fn unsure(news: News) -> News {
    let then = if news.next == Next::Pay { " and then book your seats" } else { "" };
    News {
        headline: "We could not ask Stripe yet".to_owned(),
        sentence: format!(
            "If you have paid, nothing is lost: we ask again by ourselves{then}. If you have not, nothing was charged."
        ),
        ..news
    }
}

fn waiting(
    chrome: Chrome,
    standing: &Standing,
    news: News,
    looked: usize,
    now: Timestamp,
) -> Result<Response, AppError> {
    let booking = &standing.file.booking;
    let page = address(booking);
    let again = LOOKS.get(looked).map(|seconds| Again {
        seconds: *seconds,
        href: format!("{page}/return?n={}", looked.saturating_add(1)),
    });
    let here = Here::of(&booking.offer);
    let page = ReturnPage {
        chrome,
        reference: booking.reference.to_string(),
        headline: news.headline,
        sentence: news.sentence,
        email: booking.contact.as_ref().map(|contact| contact.email.clone()).unwrap_or_default(),
        again,
        stop: format!("{page}/return?n={}", LOOKS.len()),
        now: here.tell(now, now),
        log: log(&timeline(standing, now)),
        total: booking.amount.to_string(),
    };
    Ok(Html(page.render()?).into_response())
}

fn unpaid(chrome: Chrome, standing: &Standing, news: News, now: Timestamp) -> Result<Response, AppError> {
    let booking = &standing.file.booking;
    let page = CancelledPage {
        chrome,
        reference: booking.reference.to_string(),
        headline: news.headline,
        badge: badge(news.tone, &news.badge),
        sentence: news.sentence,
        log: log(&timeline(standing, now)),
        zone: Here::of(&booking.offer).name,
    };
    Ok(Html(page.render()?).into_response())
}
