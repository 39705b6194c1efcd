//! A booking's papers by their addresses: for whoever may open the booking, and for nobody else.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderName, header},
    response::{Html, IntoResponse, Response},
};

use crate::{
    bookings::pages::holder::Holder,
    checkout::Checkout,
    config::Config,
    error::AppError,
    money::Money,
    papers::{
        Issuer, Paper, Papers,
        facts::{self, Fact},
    },
    web::{
        chrome::Chrome,
        components::{Fragment, itinerary_by_day, money_lines, words},
    },
};

#[derive(Template)]
#[template(path = "papers/itinerary.html")]
struct ItineraryPage {
    chrome: Chrome,
    papers: Papers,
    route: String,
    days: String,
    issued: Option<String>,
    itinerary: Fragment,
    fare: [Fact; 4],
    prices: Fragment,
    form_of_payment: String,
    total: Money,
}

impl ItineraryPage {
    /// Flight, who operates it, cabin with aircraft, and fare basis of each segment.
    fn coupons(&self) -> Vec<[String; 4]> {
        let segments = self.papers.offer.slices.iter().flat_map(|slice| slice.segments());
        segments
            .map(|segment| {
                let by = segment.operated_by.as_ref().unwrap_or(&segment.carrier);
                let day = words::day(segment.departs.local.date());
                [
                    format!("{} {}, {day}", segment.carrier.name, segment.flight()),
                    by.name.clone(),
                    format!("{}, {}", segment.cabin.name(), segment.aircraft),
                    segment.fare_basis.clone(),
                ]
            })
            .collect()
    }
}

pub async fn itinerary(
    State(checkout): State<Checkout>,
    State(config): State<Arc<Config>>,
    holder: Holder,
    chrome: Chrome,
) -> Result<Html<String>, AppError> {
    let papers = papers(&checkout, &config, &holder).await?;
    let slices = &papers.offer.slices;
    let page = ItineraryPage {
        chrome,
        route: facts::route(slices),
        days: facts::days(slices),
        issued: papers.issued_at.map(|at| facts::moment(slices, at)),
        itinerary: itinerary_by_day(slices),
        fare: facts::fare_facts(&papers.offer),
        prices: money_lines("Price", "Fares and taxes", &papers.price_lines, papers.offer.total),
        form_of_payment: papers.form_of_payment(),
        total: papers.offer.total,
        papers,
    };
    Ok(Html(page.render()?))
}

pub async fn itinerary_pdf(
    State(checkout): State<Checkout>,
    State(config): State<Arc<Config>>,
    holder: Holder,
) -> Result<Response, AppError> {
    Ok(sent(papers(&checkout, &config, &holder).await?.itinerary()?))
}

pub async fn receipt_pdf(
    State(checkout): State<Checkout>,
    State(config): State<Arc<Config>>,
    holder: Holder,
) -> Result<Response, AppError> {
    Ok(sent(papers(&checkout, &config, &holder).await?.receipt()?))
}

pub async fn calendar(
    State(checkout): State<Checkout>,
    State(config): State<Arc<Config>>,
    holder: Holder,
) -> Result<Response, AppError> {
    Ok(sent(papers(&checkout, &config, &holder).await?.calendar_file()))
}

async fn papers(checkout: &Checkout, config: &Config, holder: &Holder) -> Result<Papers, AppError> {
    let standing = checkout.standing(holder.traveller, &holder.reference).await?;
    Ok(Papers::of(&standing, Issuer::from(config))?)
}

fn sent(paper: Paper) -> Response {
    let headers: [(HeaderName, String); 2] = [
        (header::CONTENT_TYPE, paper.kind.to_owned()),
        (header::CONTENT_DISPOSITION, format!("inline; filename=\"{}\"", paper.name)),
    ];
    (headers, paper.bytes).into_response()
}
