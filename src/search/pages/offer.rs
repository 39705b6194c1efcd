//! One offer: its segments, its fares side by side, what is possible with each, and how its total is made up.

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

use crate::{
    airports::Airports,
    error::AppError,
    itinerary::{Offer, OfferId, Slice},
    limits::Rule,
    money::Money,
    search::{
        self, Fares, Search,
        closest::{Close, MOST_CLOSE, closest, query_of},
        form::SearchForm,
    },
    supplier::Co2Method,
    web::{
        chrome::Chrome,
        components::{
            Fragment, OfferCard, Tone, conditions_table, direction, fares, itinerary_by_day, journey,
            kilometres, legs, notice, offer_card, other_airports, price, price_table, route_map, warnings,
            words,
        },
        form::Path,
        visitor::Visitor,
    },
};

#[derive(Template)]
#[template(path = "search/offer.html")]
struct OfferPage {
    chrome: Chrome,
    journey: String,
    party: String,
    cabin: &'static str,
    airlines: String,
    seen: String,
    valid_until: String,
    all: String,
    /// What the flights one by one do not tell.
    warnings: Vec<String>,
    slices: Vec<SlicePart>,
    map: Fragment,
    distance: String,
    co2: String,
    co2_method: Co2Method,
    fares: Fragment,
    /// Per fare: name, conditions, price lines, total.
    parts: Vec<FarePart>,
}

struct SlicePart {
    direction: String,
    date: String,
    length: String,
    legs: Fragment,
}

struct FarePart {
    brand: String,
    conditions: Fragment,
    lines: Fragment,
    total: Fragment,
}

#[derive(Template)]
#[template(path = "search/offer_lapsed.html")]
struct OfferLapsedPage {
    chrome: Chrome,
    journey: String,
    party: String,
    cabin: &'static str,
    itinerary: Fragment,
    price: Fragment,
    difference: Fragment,
    fresh: String,
    close: Vec<Fragment>,
    co2_method: Co2Method,
    all: String,
}

#[derive(Template)]
#[template(path = "search/offer_sold_out.html")]
struct OfferSoldOutPage {
    chrome: Chrome,
    journey: String,
    party: String,
    cabin: &'static str,
    /// It has left, or leaves too soon; otherwise somebody took the last seats.
    is_closed: bool,
    itinerary: Fragment,
    was: String,
    close: Vec<Fragment>,
    co2_method: Co2Method,
    all: String,
}

/// GET /offers/{id}
pub async fn offer(
    chrome: Chrome,
    State(search): State<Search>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    visitor.take_either(Rule::SearchAddress, Rule::SearchAccount).await?;
    let html = match search::fares(&search.supplier, &OfferId(id)).await? {
        Fares::Open { offers, chosen } => {
            let page = open(chrome, &offers, chosen, &search)?;
            return Ok(Html(page.render()?).into_response());
        }
        Fares::Lapsed { was, now } => {
            let close = close_to(&search, was.as_deref().unwrap_or(&now)).await;
            lapsed(chrome, was.as_deref(), &now, close, &search).render()?
        }
        Fares::SoldOut { was: Some(was) } => {
            let close = close_to(&search, &was).await;
            sold_out(chrome, (&was, false), close, &search).render()?
        }
        Fares::Closed { was } => {
            let close = close_to(&search, &was).await;
            sold_out(chrome, (&was, true), close, &search).render()?
        }
        Fares::SoldOut { was: None } => return Err(search::sold_out()),
    };
    Ok((StatusCode::GONE, Html(html)).into_response())
}

/// What is most like an offer that is gone. Where nobody answers, the page says what it knows.
async fn close_to(search: &Search, gone: &Offer) -> Vec<Fragment> {
    let close = closest(search, gone, MOST_CLOSE).await.unwrap_or_default();
    let now = search.clock.now();
    let card = |(place, close): (usize, &Close)| {
        offer_card(&OfferCard {
            offer: &close.offer,
            id: format!("close-{place}"),
            href: format!("/offers/{}", close.offer.id),
            reason: later_in_words(close),
            why: close.more.map(more_in_words).unwrap_or_default(),
            warnings: warnings(&close.offer.slices),
            seen: words::seen(close.offer.quoted_at, now),
            leading: false,
        })
    };
    close.iter().enumerate().map(card).collect()
}

fn later_in_words(close: &Close) -> String {
    match close.later.as_mins() {
        0 => "Leaves at the same time".to_owned(),
        1.. => format!("Leaves {} later", words::duration(close.later)),
        _ => format!("Leaves {} earlier", words::duration(close.later.abs())),
    }
}

fn more_in_words(more: Money) -> String {
    match more.minor {
        0 => "The same total as your offer had.".to_owned(),
        1.. => format!("{more} more than your offer was."),
        _ => format!("{} less than your offer was.", Money::new(more.minor.saturating_neg(), more.currency)),
    }
}

fn open(chrome: Chrome, offers: &[Offer], chosen: usize, search: &Search) -> Result<OfferPage, AppError> {
    let offer = offers.get(chosen).ok_or_else(|| AppError::broken("no fare is chosen"))?;
    let lapses = offers.iter().map(|offer| offer.expires_at).min().unwrap_or(offer.expires_at);
    let from = offer.slices.first().map_or("", |slice| slice.first().from.city.as_str());
    let zone = offer.slices.first().map_or("UTC", |slice| slice.first().from.zone.as_str());
    let mut parts = Vec::new();
    for offer in offers {
        parts.push(FarePart {
            brand: offer.fare.brand.clone(),
            conditions: conditions_table(offer),
            lines: price_table(offer)?,
            total: price(offer.total, &[&format!("total, {}, {}", offer.party.in_words(), offer.fare.brand)]),
        });
    }
    Ok(OfferPage {
        chrome,
        valid_until: format!("{} {from} time", words::moment_clock(lapses, zone)),
        journey: journey(&offer.slices),
        warnings: other_airports(&offer.slices),
        party: offer.party.in_words(),
        cabin: offer.cabin.name(),
        airlines: airlines(offer),
        seen: words::seen(offer.quoted_at, search.clock.now()),
        all: search_address(offer, search.airports),
        slices: slice_parts(&offer.slices),
        map: route_map(&offer.slices),
        distance: format!("{}\u{a0}km in all", words::thousands(kilometres(&offer.slices))),
        co2: co2(offer),
        co2_method: search.supplier.co2_method(),
        fares: fares(offers, chosen),
        parts,
    })
}

fn lapsed(
    chrome: Chrome,
    was: Option<&Offer>,
    fresh: &Offer,
    close: Vec<Fragment>,
    search: &Search,
) -> OfferLapsedPage {
    OfferLapsedPage {
        chrome,
        journey: journey(&fresh.slices),
        party: fresh.party.in_words(),
        cabin: fresh.cabin.name(),
        itinerary: itinerary_by_day(&fresh.slices),
        price: price(fresh.total, &["total, all taxes", "asked just now"]),
        difference: difference(was.map(|was| was.total), fresh.total),
        fresh: format!("/offers/{}", fresh.id),
        close,
        co2_method: search.supplier.co2_method(),
        all: search_address(fresh, search.airports),
    }
}

fn sold_out(
    chrome: Chrome,
    (was, is_closed): (&Offer, bool),
    close: Vec<Fragment>,
    search: &Search,
) -> OfferSoldOutPage {
    OfferSoldOutPage {
        chrome,
        journey: journey(&was.slices),
        party: was.party.in_words(),
        cabin: was.cabin.name(),
        is_closed,
        itinerary: itinerary_by_day(&was.slices),
        was: was.total.to_string(),
        close,
        co2_method: search.supplier.co2_method(),
        all: search_address(was, search.airports),
    }
}

fn difference(was: Option<Money>, now: Money) -> Fragment {
    let Some((was, more)) = was.and_then(|was| now.checked_sub(was).ok().map(|more| (was, more))) else {
        return notice(
            Tone::Plain,
            "Compare it with the price that you saw",
            "We do not know the old total any more.",
        );
    };
    let less = Money::new(more.minor.saturating_neg(), more.currency);
    match more.minor {
        0 => notice(Tone::Good, "The total is the same", format!("{was} total before, {now} total now.")),
        1.. => notice(
            Tone::Warn,
            &format!("The total went up by {more}"),
            format!("{was} total before, {now} total now."),
        ),
        _ => notice(
            Tone::Good,
            &format!("The total went down by {less}"),
            format!("{was} total before, {now} total now."),
        ),
    }
}

fn airlines(offer: &Offer) -> String {
    let mut names: Vec<&str> = Vec::new();
    for segment in offer.segments() {
        if !names.contains(&segment.carrier.name.as_str()) {
            names.push(&segment.carrier.name);
        }
    }
    names.join(", ")
}

fn slice_parts(slices: &[Slice]) -> Vec<SlicePart> {
    slices
        .iter()
        .enumerate()
        .map(|(place, slice)| SlicePart {
            direction: direction(place, slices),
            date: words::day_and_year(slice.first().departs.local.date()),
            length: format!("{}, {}", words::duration(slice.duration()), words::stops(slice)),
            legs: legs(slice),
        })
        .collect()
}

fn co2(offer: &Offer) -> String {
    match offer.co2_grams {
        Some(grams) => {
            format!("{}\u{a0}kg CO₂ for each passenger with a seat.", words::thousands(grams.div_ceil(1_000)))
        }
        None => "CO₂ unknown.".to_owned(),
    }
}

/// The list that the offer is from, asked again.
fn search_address(offer: &Offer, airports: &'static Airports) -> String {
    format!("/flights?{}", SearchForm::of(&query_of(offer), airports).address())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::components::samples::{eur, plain};

    #[test]
    fn the_difference_is_told_up_down_equal_and_unknown() {
        let told = |was: Option<i64>| difference(was.map(eur), eur(51_240)).to_string();
        assert!(told(Some(50_000)).contains("went up by EUR\u{a0}12.40"));
        assert!(told(Some(52_000)).contains("went down by EUR\u{a0}7.60"));
        assert!(told(Some(51_240)).contains("the same"));
        assert!(told(None).contains("We do not know"));
    }

    #[test]
    fn the_way_back_to_the_list_asks_for_the_same_journey() {
        let address = search_address(&plain(), Airports::world());
        assert!(address.starts_with("/flights?trip=oneway&from=Lisbon+LIS"), "{address}");
        assert!(
            address.ends_with("&leave=2027-03-12&adults=2&children=0&infants=1&cabin=economy"),
            "{address}"
        );
    }
}
