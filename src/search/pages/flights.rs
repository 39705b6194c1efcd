//! The list of offers.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Response},
};
use jiff::{Span, Timestamp};
use serde::Deserialize;

use crate::{
    airports::Airports,
    clock::Clock,
    db::Db,
    error::AppError,
    itinerary::{Offer, SearchQuery, SliceQuery},
    limits::Rule,
    money::Currency,
    search::{
        self,
        form::SearchForm,
        near::near,
        order::{self, Order, most_stops, travel_time},
        pages::{
            card::{Surroundings, card},
            home::home_again,
        },
    },
    supplier::SharedSupplier,
    web::{
        chrome::Chrome,
        components::{Fragment, offer_card, pager, words},
        form::Query,
        visitor::Visitor,
    },
};

const PAGE: usize = 20;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FlightsQuery {
    #[serde(flatten)]
    form: SearchForm,
    sort: String,
    stops: String,
    page: String,
}

/// How the list is looked at. Nonsense in it is the usual view, not an error: it changes nothing but the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct View {
    order: Order,
    stops: Option<usize>,
    page: usize,
}

impl View {
    fn read(query: &FlightsQuery) -> Self {
        Self {
            order: Order::read(&query.sort),
            stops: query.stops.parse().ok().filter(|stops| *stops <= 1),
            page: query.page.parse().unwrap_or(1).clamp(1, 10_000),
        }
    }

    fn address(self, form: &SearchForm) -> String {
        let mut address = format!("/flights?{}", form.address());
        if self.order != Order::default() {
            address.push_str(&format!("&sort={}", self.order.code()));
        }
        if let Some(stops) = self.stops {
            address.push_str(&format!("&stops={stops}"));
        }
        if self.page > 1 {
            address.push_str(&format!("&page={}", self.page));
        }
        address
    }
}

#[derive(Template)]
#[template(path = "search/flights.html")]
struct FlightsPage {
    chrome: Chrome,
    asked: Asked,
    sorts: Vec<SortLink>,
    filters: Filters,
    cards: Vec<Fragment>,
    found: usize,
    all: usize,
    pager: Fragment,
    /// "EUR 20 for each hour".
    hour: String,
}

#[derive(Template)]
#[template(path = "search/nothing.html")]
struct NothingPage {
    chrome: Chrome,
    asked: Asked,
    /// Address and words of what might find more.
    less: Vec<(String, String)>,
}

/// What was asked, in words.
struct Asked {
    from: String,
    to: String,
    dates: String,
    party: String,
    cabin: &'static str,
    change: String,
}

struct SortLink {
    href: String,
    name: &'static str,
    /// What stands first in that order.
    first: String,
    current: bool,
}

struct Filters {
    /// The search itself, as hidden fields.
    kept: Vec<(&'static str, String)>,
    sort: &'static str,
    /// Value, words, and whether it is set.
    stops: Vec<(String, String, bool)>,
    set: &'static str,
    clear: String,
}

/// GET /flights?…
pub async fn flights(
    chrome: Chrome,
    State(db): State<Db>,
    State(clock): State<Clock>,
    State(supplier): State<SharedSupplier>,
    State(airports): State<&'static Airports>,
    visitor: Visitor,
    Query(query): Query<FlightsQuery>,
) -> Result<Response, AppError> {
    let view = View::read(&query);
    let form = query.form.with_defaults();
    let asked = match form.check(airports, clock.now()) {
        Ok(asked) => asked,
        Err(bad) => return home_again(chrome, &clock, airports, &form, bad),
    };
    visitor.take_either(Rule::SearchAddress, Rule::SearchAccount).await?;
    let offers = search::search(&db, &clock, &supplier, &asked).await?;
    let words = in_words(&asked, airports, &form);
    let shown: Vec<&Offer> =
        offers.iter().filter(|offer| view.stops.is_none_or(|stops| most_stops(offer) <= stops)).collect();
    let html = if shown.is_empty() {
        NothingPage { chrome, asked: words, less: less(&form, &asked, view, offers.len(), airports) }
            .render()?
    } else {
        list(chrome, words, &form, view, (&offers, shown), clock.now())?
    };
    Ok(Html(html).into_response())
}

fn list(
    chrome: Chrome,
    asked: Asked,
    form: &SearchForm,
    view: View,
    (all, mut shown): (&[Offer], Vec<&Offer>),
    now: Timestamp,
) -> Result<String, AppError> {
    order::sort(&mut shown, view.order);
    let leads = order::leads(&shown);
    let cheapest = order::best(&shown, Order::Cheapest).ok_or_else(|| AppError::broken("an empty list"))?;
    let around = Surroundings { cheapest, now };
    let pages = shown.len().div_ceil(PAGE);
    let page = view.page.min(pages);
    let first = (page - 1) * PAGE;
    let cards: Vec<Fragment> = shown
        .iter()
        .enumerate()
        .skip(first)
        .take(PAGE)
        .map(|(place, offer)| {
            let reasons = leads.get(&offer.id).map(Vec::as_slice).unwrap_or_default();
            offer_card(&card(offer, reasons, place - first + 1, &around))
        })
        .collect();
    let page = FlightsPage {
        chrome,
        asked,
        sorts: sorts(form, view, &shown),
        filters: filters(form, view, all),
        pager: pages_of(form, View { page, ..view }, pages, (first, cards.len(), shown.len())),
        found: shown.len(),
        all: all.len(),
        cards,
        hour: worth_in_words(cheapest.total.currency),
    };
    Ok(page.render()?)
}

fn sorts(form: &SearchForm, view: View, shown: &[&Offer]) -> Vec<SortLink> {
    let told = |order: Order| {
        order::best(shown, order).map_or_else(String::new, |offer| match order {
            Order::First => {
                let leaves = offer.slices.first().map(|slice| words::clock(slice.first().departs.local));
                format!("{}, {}", leaves.unwrap_or_default(), offer.total)
            }
            _ => format!("{}, {}", offer.total, words::duration(travel_time(offer))),
        })
    };
    Order::ALL
        .into_iter()
        .map(|order| SortLink {
            href: View { order, page: 1, ..view }.address(form),
            name: order.name(),
            first: told(order),
            current: order == view.order,
        })
        .collect()
}

fn filters(form: &SearchForm, view: View, all: &[Offer]) -> Filters {
    let with = |most: usize| all.iter().filter(|offer| most_stops(offer) <= most).count();
    let option = |stops: Option<usize>, words: String| {
        (stops.map(|stops| stops.to_string()).unwrap_or_default(), words, stops == view.stops)
    };
    Filters {
        kept: form.fields().into_iter().map(|(name, value)| (name, value.to_owned())).collect(),
        sort: view.order.code(),
        stops: vec![
            option(None, format!("Any ({})", all.len())),
            option(Some(0), format!("Direct only ({})", with(0))),
            option(Some(1), format!("Up to 1 stop ({})", with(1))),
        ],
        set: match view.stops {
            None => "none set",
            Some(0) => "direct only",
            Some(_) => "up to 1 stop",
        },
        clear: View { stops: None, page: 1, ..view }.address(form),
    }
}

fn pages_of(
    form: &SearchForm,
    view: View,
    pages: usize,
    (first, here, all): (usize, usize, usize),
) -> Fragment {
    if pages < 2 {
        return Fragment::default();
    }
    let shown = format!("{} to {} of {all} offers", first + 1, first + here);
    let before = (view.page > 1).then(|| View { page: view.page - 1, ..view }.address(form));
    let after = (view.page < pages).then(|| View { page: view.page + 1, ..view }.address(form));
    let next = format!("Next {}", PAGE.min(all - first - here));
    let previous = format!("Previous {PAGE}");
    pager(
        "More offers",
        &shown,
        before.as_deref().map(|href| (href, previous.as_str())),
        after.as_deref().map(|href| (href, next.as_str())),
    )
}

fn worth_in_words(currency: Currency) -> String {
    format!("{currency}\u{a0}{}", order::worth_of_an_hour(currency))
}

fn in_words(query: &SearchQuery, airports: &Airports, form: &SearchForm) -> Asked {
    let name = |code| airports.place(code).map_or(String::new(), |place| place.name().to_owned());
    let (from, to) = query.slices.first().map(|slice| (name(slice.from), name(slice.to))).unwrap_or_default();
    Asked {
        from,
        to,
        dates: dates(&query.slices),
        party: query.party.in_words(),
        cabin: query.cabin.name(),
        change: format!("/?{}", form.address()),
    }
}

/// "Fri 12 Mar to Fri 26 Mar 2027".
fn dates(slices: &[SliceQuery]) -> String {
    match slices {
        [out, back] if out.date == back.date => format!("{}, there and back", words::day_and_year(out.date)),
        [out, back] if out.date.year() == back.date.year() => {
            format!("{} to {}", words::day(out.date), words::day_and_year(back.date))
        }
        slices => slices.iter().map(|slice| words::day_and_year(slice.date)).collect::<Vec<_>>().join(" to "),
    }
}

/// What might find more, without promising a price that nobody has asked for.
fn less(
    form: &SearchForm,
    query: &SearchQuery,
    view: View,
    any_stops: usize,
    airports: &Airports,
) -> Vec<(String, String)> {
    let mut less = Vec::new();
    if any_stops > 0 {
        let href = View { stops: None, page: 1, ..view }.address(form);
        less.push((
            href,
            format!("With any number of stops: {}", words::plural(any_stops, "offer", "offers")),
        ));
    }
    if let Some(slice) = query.slices.first() {
        for (days, word) in [(-1, "The day before"), (1, "The day after")] {
            let date = slice.date.saturating_add(Span::new().days(days));
            let mut moved = form.with("leave", &date.to_string());
            if let Some(back) = query.slices.get(1) {
                moved = moved.with("back", &back.date.saturating_add(Span::new().days(days)).to_string());
            }
            let href = View { page: 1, ..view }.address(&moved);
            less.push((href, format!("{word}, {}", words::day(date))));
        }
        for (field, word, place) in [("from", "From", slice.from), ("to", "To", slice.to)] {
            for (airport, km) in near(airports, place, 2) {
                let moved = form.with(field, airport.code.as_str());
                let href = View { page: 1, ..view }.address(&moved);
                less.push((
                    href,
                    format!(
                        "{word} {} {} instead, {}\u{a0}km away",
                        airport.city,
                        airport.code,
                        words::thousands(km)
                    ),
                ));
            }
        }
    }
    less
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_dates_of_a_search_are_told_once_each() {
        let told = |days: &[jiff::civil::Date]| {
            let slice = |date: &jiff::civil::Date| {
                let [from, to] = ["LIS", "OPO"].map(|code| code.parse().unwrap());
                SliceQuery { from, to, date: *date }
            };
            dates(&days.iter().map(slice).collect::<Vec<_>>())
        };
        let day = date(2026, 12, 20);
        assert_eq!(told(&[day]), "Sun 20 Dec 2026");
        assert_eq!(told(&[day, day]), "Sun 20 Dec 2026, there and back");
        assert_eq!(told(&[day, date(2026, 12, 23)]), "Sun 20 Dec to Wed 23 Dec 2026");
        assert_eq!(told(&[day, date(2027, 1, 3)]), "Sun 20 Dec 2026 to Sun 3 Jan 2027");
    }

    #[test]
    fn a_view_is_read_from_anything_and_written_without_what_is_usual() {
        let form = SearchForm { from: "São Paulo".into(), ..SearchForm::default() }.with_defaults();
        let view = |sort: &str, stops: &str, page: &str| {
            let text = |text: &str| text.to_owned();
            View::read(&FlightsQuery {
                form: form.clone(),
                sort: text(sort),
                stops: text(stops),
                page: text(page),
            })
        };
        let usual = View { order: Order::Balance, stops: None, page: 1 };
        for (sort, stops, page) in
            [("", "", ""), ("x", "-1", "0"), ("Cheapest", "7", "-3"), ("\0", "0x0", "99999999999999999999")]
        {
            assert_eq!(view(sort, stops, page), usual, "{sort} {stops} {page}");
        }
        assert!(usual.address(&form).ends_with("cabin=economy"));
        let other = view("cheapest", "0", "3");
        assert!(other.address(&form).ends_with("&sort=cheapest&stops=0&page=3"));
        assert!(other.address(&form).contains("from=S%C3%A3o+Paulo"));
    }
}
