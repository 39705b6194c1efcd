//! The list of offers.

use askama::Template;
use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use jiff::Timestamp;

use crate::{
    airports::Airports,
    error::{AppError, FieldErrors},
    itinerary::{Offer, SearchQuery, SliceQuery},
    limits::Rule,
    money::Currency,
    search::{
        Search,
        cache::Answer,
        form::SearchForm,
        order::{self, Order, travel_time},
        pages::{
            card::{Surroundings, card},
            filters::{FilterPanel, Panelled},
            home::home_again,
            nothing::nothing,
            recent::RecentCookie,
            silent::silent,
            strip::{Around, Strip},
        },
        prices::Lowest,
        sent::Sent,
        view::{View, ViewForm},
    },
    web::{
        chrome::Chrome,
        components::{Fragment, Tone, error_summary_of, notice, offer_card, pager, words},
        visitor::Visitor,
    },
};

const PAGE: usize = 20;

#[derive(Template)]
#[template(path = "search/flights.html")]
struct FlightsPage {
    chrome: Chrome,
    canonical: String,
    wrong: bool,
    summary: Fragment,
    asked: Asked,
    strip: Option<Strip>,
    sorts: Vec<SortLink>,
    panel: FilterPanel,
    /// What of the answer is not in the list.
    missing: Option<Fragment>,
    cards: Vec<Fragment>,
    found: usize,
    all: usize,
    pager: Fragment,
    /// Where nothing fits the filters: address and words of what would.
    less: Vec<(String, String)>,
    why: String,
}

/// What was asked, in words.
pub struct Asked {
    pub title: String,
    pub dates: String,
    pub party: String,
    pub cabin: &'static str,
    pub change: String,
    /// Of several flights the month of each alone: address and words.
    pub apart: Vec<(String, String)>,
}

struct SortLink {
    href: String,
    name: &'static str,
    /// What stands first in that order.
    first: String,
    current: bool,
}

/// GET /flights?…
pub async fn flights(
    chrome: Chrome,
    State(search): State<Search>,
    visitor: Visitor,
    recent: RecentCookie,
    RawQuery(query): RawQuery,
) -> Result<Response, AppError> {
    let sent = Sent::read(query.as_deref().unwrap_or_default());
    let (mut bad, mut errors) = (FieldErrors::default(), FieldErrors::default());
    let form = SearchForm::read(&sent, &mut bad).with_defaults();
    let typed = ViewForm::read(&sent, &mut errors);
    let view = View::read(&typed, &mut errors);
    let now = search.clock.now();
    let asked = match search.checked(&form, bad).await {
        Ok(asked) => asked,
        Err(bad) => return home_again(chrome, &search, &form, bad),
    };
    visitor.take_either(Rule::SearchAddress, Rule::SearchAccount).await?;
    let (answer, lowest) = match form.is_multi() {
        true => (search.offers(&asked).await, None),
        false => search.offers_and_days(&asked).await,
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(none) => return silent(chrome, &search, (&form, &view, &asked), lowest, none),
    };
    let list =
        List { form: &form, typed: &typed, view: &view, errors: &errors, query: &asked, answer: &answer };
    let html = if answer.is_empty() {
        nothing(chrome, &search, &list, lowest.as_ref()).await?
    } else {
        list.page(chrome, search.airports, lowest.as_ref(), now)?.render()?
    };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok((status, recent.with(&search, &asked), Html(html)).into_response())
}

/// A search, its answer, and how it is looked at.
pub struct List<'a> {
    pub form: &'a SearchForm,
    pub typed: &'a ViewForm,
    pub view: &'a View,
    /// What of the view does not fit.
    pub errors: &'a FieldErrors,
    pub query: &'a SearchQuery,
    pub answer: &'a Answer,
}

impl List<'_> {
    fn page(
        &self,
        chrome: Chrome,
        airports: &'static Airports,
        lowest: Option<&Lowest>,
        now: Timestamp,
    ) -> Result<FlightsPage, AppError> {
        let fitting = self.view.filters.of(self.answer);
        let mut shown: Vec<&Offer> = fitting.iter().map(AsRef::as_ref).collect();
        order::sort(&mut shown, self.view.order);
        let all: Vec<&Offer> = self.answer.iter().collect();
        let any = order::best(&all, Order::Cheapest).ok_or_else(|| AppError::broken("an empty list"))?;
        let pages = shown.len().div_ceil(PAGE).max(1);
        let view = self.view.at_page(self.view.page.min(pages));
        let first = (view.page - 1) * PAGE;
        let cards = self.cards(&shown, first, now);
        Ok(FlightsPage {
            chrome,
            canonical: view.address(self.form),
            wrong: !self.errors.is_empty(),
            summary: error_summary_of(self.errors, label),
            asked: in_words(self.query, airports, self.form),
            strip: lowest.map(|lowest| self.strip(lowest, airports, now)),
            sorts: sorts(self.form, &view, &shown),
            panel: self.panel(airports),
            pager: pages_of(self.form, &view, pages, (first, cards.len(), shown.len())),
            found: shown.len(),
            all: self.answer.len(),
            less: if shown.is_empty() { self.without_each_filter() } else { Vec::new() },
            cards,
            missing: missing(self.answer.left_out),
            why: why(view.order, any.total.currency),
        })
    }

    fn panel(&self, airports: &'static Airports) -> FilterPanel {
        let Self { form, typed, view, errors, query, answer } = *self;
        Panelled { form, typed, view, errors, query, all: answer, airports }.panel()
    }

    fn cards(&self, shown: &[&Offer], first: usize, now: Timestamp) -> Vec<Fragment> {
        let leads = order::leads(shown);
        let Some(cheapest) = order::best(shown, Order::Cheapest) else { return Vec::new() };
        let around = Surroundings { cheapest, now };
        let drawn = |(place, offer): (usize, &&Offer)| {
            let reasons = leads.get(&offer.id).map(Vec::as_slice).unwrap_or_default();
            offer_card(&card(offer, reasons, place + 1, &around))
        };
        shown.iter().skip(first).take(PAGE).enumerate().map(drawn).collect()
    }

    pub fn strip(&self, lowest: &Lowest, airports: &Airports, now: Timestamp) -> Strip {
        let own = self.answer.iter().map(|offer| offer.total).min_by_key(|total| total.minor);
        Around { form: self.form, view: self.view, query: self.query, own, airports, now }.strip(lowest)
    }

    /// What each filter alone leaves out.
    fn without_each_filter(&self) -> Vec<(String, String)> {
        let set = self.view.at_page(1).fields().into_iter().filter(|(name, _)| *name != "sort");
        let mut less = Vec::new();
        for (name, value) in set {
            let without = self.view.without(self.typed, name);
            let count = without.filters.count(self.answer);
            if count > 0 {
                let offers = words::plural(count, "offer", "offers");
                let filter = format!("“{}: {}”", label(name), value.replace(',', ", "));
                less.push((without.address(self.form), format!("Without {filter}: {offers}")));
            }
        }
        less.push((
            self.view.unfiltered().address(self.form),
            format!("Without any filter: {}", words::plural(self.answer.len(), "offer", "offers")),
        ));
        less
    }
}

/// A part of an answer says that it is a part.
fn missing(left_out: u32) -> Option<Fragment> {
    let count = usize::try_from(left_out).ok().filter(|count| *count > 0)?;
    let fact = format!("{} could not be shown", words::plural(count, "offer", "offers"));
    let meaning =
        "The airline system made them in words that we cannot read safely. The list is without them.";
    Some(notice(Tone::Plain, &fact, meaning))
}

pub fn label(field: &str) -> &'static str {
    match field {
        "sort" => "Order",
        "stops" => "Stops",
        "airline" => "Airline",
        "alliance" => "Alliance",
        "via" => "Change planes in",
        "start" => "Leaves from",
        "end" => "Lands at",
        "dep" => "Leaves",
        "arr" => "Lands",
        "hours" => "Longest way, in hours",
        "max" => "Highest total",
        "bag" => "Checked bag",
        "refund" => "Refundable",
        "change" => "Changeable",
        "page" => "Page",
        _ => "",
    }
}

/// The same words for everybody.
fn why(order: Order, currency: Currency) -> String {
    let first = match order {
        Order::Balance => format!(
            "“Best balance” weighs total and hours: {} for each hour and seat, all ways together.",
            worth_in_words(currency)
        ),
        Order::Cheapest => "By the total with all taxes; of equal totals the quicker way first.".to_owned(),
        Order::Shortest => "By the hours of all ways together; of equal ones the cheaper first.".to_owned(),
        Order::First => {
            "By the hour at which the journey begins; of equal ones the cheaper first.".to_owned()
        }
        Order::LeastCo2 => {
            "By the CO₂ of each passenger with a seat; what the airline does not tell stands last.".to_owned()
        }
    };
    format!("{first} The list is the same for everybody, and nobody pays for a place in it.")
}

fn sorts(form: &SearchForm, view: &View, shown: &[&Offer]) -> Vec<SortLink> {
    let told = |order: Order| {
        order::best(shown, order).map_or_else(String::new, |offer| match order {
            Order::First => {
                let leaves = offer.slices.first().map(|slice| words::clock(slice.first().departs.local));
                format!("{}, {}", leaves.unwrap_or_default(), offer.total)
            }
            Order::LeastCo2 => match offer.co2_grams {
                Some(grams) => {
                    format!("{}\u{a0}kg, {}", words::thousands(grams.div_ceil(1_000)), offer.total)
                }
                None => "unknown".to_owned(),
            },
            _ => format!("{}, {}", offer.total, words::duration(travel_time(offer))),
        })
    };
    Order::ALL
        .into_iter()
        .map(|order| SortLink {
            href: view.in_order(order).address(form),
            name: order.name(),
            first: told(order),
            current: order == view.order,
        })
        .collect()
}

fn pages_of(
    form: &SearchForm,
    view: &View,
    pages: usize,
    (first, here, all): (usize, usize, usize),
) -> Fragment {
    if pages < 2 {
        return Fragment::default();
    }
    let shown = format!("{} to {} of {all} offers", first + 1, first + here);
    let before = (view.page > 1).then(|| view.at_page(view.page - 1).address(form));
    let after = (view.page < pages).then(|| view.at_page(view.page + 1).address(form));
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

pub fn in_words(query: &SearchQuery, airports: &Airports, form: &SearchForm) -> Asked {
    Asked {
        title: way_in_words(query, airports, form.is_multi()),
        dates: dates(&query.slices),
        party: query.party.in_words(),
        cabin: query.cabin.name(),
        change: format!("/?{}", form.address()),
        apart: if form.is_multi() { months_apart(query, airports) } else { Vec::new() },
    }
}

fn months_apart(query: &SearchQuery, airports: &Airports) -> Vec<(String, String)> {
    let month = |slice: &SliceQuery| {
        let alone = SearchQuery { slices: vec![*slice], ..query.clone() };
        let form = SearchForm::of(&alone, airports);
        (format!("/flights/calendar?{}", form.address()), way_in_words(&alone, airports, false))
    };
    query.slices.iter().map(month).collect()
}

/// "Fri 12 Mar to Fri 26 Mar 2027".
fn dates(slices: &[SliceQuery]) -> String {
    match slices {
        [out, back] if out.date == back.date && out.from == back.to => {
            format!("{}, there and back", words::day_and_year(out.date))
        }
        [out, back] if out.date.year() == back.date.year() => {
            format!("{} to {}", words::day(out.date), words::day_and_year(back.date))
        }
        [first, .., last] if first.date != last.date => {
            format!("{} to {}", words::day_and_year(first.date), words::day_and_year(last.date))
        }
        slices => slices.first().map_or(String::new(), |slice| words::day_and_year(slice.date)),
    }
}

/// "Lisbon to New York"; of several flights every place: "Lisbon, New York, San Francisco".
fn way_in_words(query: &SearchQuery, airports: &Airports, is_multi: bool) -> String {
    let name = |code| airports.place(code).map_or(String::new(), |place| place.name().to_owned());
    let Some(first) = query.slices.first() else { return String::new() };
    if !is_multi {
        return format!("{} to {}", name(first.from), name(first.to));
    }
    let mut places = vec![name(first.from)];
    for slice in &query.slices {
        for place in [name(slice.from), name(slice.to)] {
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
    }
    places.join(", ")
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Date, date};

    use super::*;

    #[test]
    fn the_dates_of_a_search_are_told_once_each() {
        let told = |days: &[Date]| {
            let slice = |(nth, date): (usize, &Date)| {
                let [from, to] = ["LIS", "OPO"].map(|code| code.parse().unwrap());
                let (from, to) = if nth % 2 == 0 { (from, to) } else { (to, from) };
                SliceQuery { from, to, date: *date }
            };
            dates(&days.iter().enumerate().map(slice).collect::<Vec<_>>())
        };
        let day = date(2026, 12, 20);
        assert_eq!(told(&[day]), "Sun 20 Dec 2026");
        assert_eq!(told(&[day, day]), "Sun 20 Dec 2026, there and back");
        assert_eq!(told(&[day, date(2026, 12, 23)]), "Sun 20 Dec to Wed 23 Dec 2026");
        assert_eq!(told(&[day, date(2027, 1, 3)]), "Sun 20 Dec 2026 to Sun 3 Jan 2027");
    }
}
