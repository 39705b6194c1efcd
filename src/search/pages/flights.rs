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
    itinerary::{SearchQuery, SliceQuery},
    limits::Rule,
    money::Currency,
    search::{
        Search,
        cache::Answer,
        choices::{Choices, Pick, Picks},
        filter::Filters,
        form::SearchForm,
        order::{self, Order, led_by},
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
        shelf::{Place, Written},
        view::{View, ViewForm},
    },
    supplier::Co2Method,
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
    /// What of the answer is not in the list, and that it has no such page.
    notes: Vec<Fragment>,
    cards: Vec<Fragment>,
    /// The moments whose age the cards tell.
    told: Vec<Timestamp>,
    found: String,
    /// How many are in the list, and of how many.
    listed: usize,
    pager: Fragment,
    /// Where nothing fits the filters: address and words of what would.
    less: Vec<(String, String)>,
    why: String,
    co2_method: Co2Method,
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
    let query = query.unwrap_or_default();
    let place = Place::of(&query, chrome.onlooker());
    if let Some(written) = search.written(&place).await {
        visitor.take_either(Rule::SearchAddress, Rule::SearchAccount).await?;
        return Ok(page_of(&written, &chrome, &recent, &search));
    }
    let sent = Sent::read(&query);
    let (mut bad, mut errors) = (FieldErrors::default(), FieldErrors::default());
    let form = SearchForm::read(&sent, &mut bad).with_defaults();
    let typed = ViewForm::read(&sent, &mut errors);
    let view = View::read(&typed, &mut errors);
    let now = search.clock.now();
    let asked = match search.checked(&form, bad).await {
        Ok(asked) => asked,
        Err(bad) => return home_again(chrome, &search, &form, bad),
    };
    let view = view.of_slices(asked.slices.len(), &mut errors);
    visitor.take_either(Rule::SearchAddress, Rule::SearchAccount).await?;
    let (answer, lowest) = match form.is_multi() {
        true => (search.offers(&asked).await, None),
        false => search.offers_and_days(&asked).await,
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(none) => return silent(chrome, &search, (&form, &view, &asked), lowest, none),
    };
    if let Some(written) = search.written_of(&place, &answer, lowest.as_ref()).await {
        return Ok(page_of(&written, &chrome, &recent, &search));
    }
    let list =
        List { form: &form, typed: &typed, view: &view, errors: &errors, query: &asked, answer: &answer };
    if answer.is_empty() {
        let html = nothing(chrome, &search, &list, lowest.as_ref()).await?;
        return Ok((status(&errors), recent.with(&search, &asked), Html(html)).into_response());
    }
    if !errors.is_empty() {
        let html = list.page(chrome, &search, lowest.as_ref(), now)?.render()?;
        return Ok((status(&errors), recent.with(&search, &asked), Html(html)).into_response());
    }
    let mut told = Vec::new();
    let text = chrome.for_all(|chrome| {
        let page = list.page(chrome, &search, lowest.as_ref(), now)?;
        told.clone_from(&page.told);
        Ok::<_, AppError>(page.render()?)
    })?;
    let written = search.keep_written(place, text, &asked, (&answer, lowest), (&told, now)).await?;
    Ok(page_of(&written, &chrome, &recent, &search))
}

fn status(errors: &FieldErrors) -> StatusCode {
    if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
}

fn page_of(written: &Written, chrome: &Chrome, recent: &RecentCookie, search: &Search) -> Response {
    (recent.with_written(search, written), Html(chrome.fill(&written.text))).into_response()
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
        search: &Search,
        lowest: Option<&Lowest>,
        now: Timestamp,
    ) -> Result<FlightsPage, AppError> {
        let airports = search.airports;
        let choices = Choices::of(self.answer);
        let picks = choices.picks(&self.view.filters, self.view.order);
        let leaders = choices.leaders(&self.view.filters, &picks);
        let pages = picks.first.len().div_ceil(PAGE).max(1);
        let view = self.view.at_page(self.view.page.min(pages));
        let first = (view.page - 1) * PAGE;
        let (told, cards) = self.cards(search, &choices, (&picks, &leaders), (first, now))?;
        let all = choices.count(&Filters::default());
        Ok(FlightsPage {
            chrome,
            canonical: view.address(self.form),
            wrong: !self.errors.is_empty(),
            summary: error_summary_of(self.errors, label),
            asked: in_words(self.query, airports, self.form),
            strip: lowest.map(|lowest| self.strip(lowest, airports, now)),
            sorts: sorts(self.form, &view, &choices, &leaders),
            panel: self.panel(&choices, airports),
            pager: pages_of(self.form, &view, pages, (first, cards.len(), picks.first.len())),
            found: found(&picks, choices.count(&self.view.filters), all),
            listed: picks.first.len(),
            less: if picks.first.is_empty() { self.without_each_filter(&choices) } else { Vec::new() },
            cards,
            told,
            notes: [missing(self.answer.left_out), no_page(self.view.page, pages)]
                .into_iter()
                .flatten()
                .collect(),
            why: why(view.order, choices.currency()),
            co2_method: search.supplier.co2_method(),
        })
    }

    fn panel(&self, choices: &Choices<'_>, airports: &'static Airports) -> FilterPanel {
        let Self { form, typed, view, errors, query, answer: _ } = *self;
        Panelled { form, typed, view, errors, query, choices, airports }.panel()
    }

    fn cards(
        &self,
        search: &Search,
        choices: &Choices<'_>,
        (picks, leaders): (&Picks, &[(Order, Pick)]),
        (first, now): (usize, Timestamp),
    ) -> Result<(Vec<Timestamp>, Vec<Fragment>), AppError> {
        let Some((_, cheapest)) = leaders.iter().find(|(order, _)| *order == Order::Cheapest) else {
            return Ok(Default::default());
        };
        let around = Surroundings { cheapest, now };
        let mut cards = Vec::new();
        for (place, pick) in picks.first.iter().skip(first).take(PAGE).enumerate() {
            let offer = search.offer_of(choices, pick)?;
            let card = offer_card(&card(&offer, &led_by(pick, leaders), place + 1, &around));
            cards.push((offer.quoted_at, card));
        }
        Ok(cards.into_iter().unzip())
    }

    pub fn strip(&self, lowest: &Lowest, airports: &Airports, now: Timestamp) -> Strip {
        let choices = Choices::of(self.answer);
        let cheapest = choices.picks(&Filters::default(), Order::Cheapest).first.into_iter().next();
        let own = cheapest.map(|pick| pick.total);
        Around { form: self.form, view: self.view, query: self.query, own, airports, now }.strip(lowest)
    }

    /// What each filter alone leaves out.
    fn without_each_filter(&self, choices: &Choices<'_>) -> Vec<(String, String)> {
        let set = self.view.at_page(1).fields().into_iter().filter(|(name, _)| *name != "sort");
        let mut less = Vec::new();
        let offers = |count: Option<usize>| match count {
            Some(count) => words::plural(count, "offer", "offers"),
            None => "many offers".to_owned(),
        };
        for (name, value) in set {
            let without = self.view.without(self.typed, name);
            let without = without.of_slices(self.query.slices.len(), &mut FieldErrors::default());
            let count = choices.count(&without.filters);
            if count != Some(0) {
                let filter = format!("“{}: {}”", label(name), value.replace(',', ", "));
                less.push((without.address(self.form), format!("Without {filter}: {}", offers(count))));
            }
        }
        let all = offers(choices.count(&Filters::default()));
        less.push((self.view.unfiltered().address(self.form), format!("Without any filter: {all}")));
        less
    }
}

/// "12 of 60 shown"; of a journey with too many combinations for a list "the first 500 of 125,000".
fn found(picks: &Picks, fitting: Option<usize>, all: Option<usize>) -> String {
    let listed = words::thousands(picks.first.len());
    let count = |count: Option<usize>| count.map(words::thousands);
    match (picks.is_cut, count(fitting), count(all)) {
        (true, Some(fitting), _) => format!("the first {listed} of {fitting} that fit"),
        (true, None, _) => format!("the first {listed} of many that fit"),
        (false, _, Some(all)) => format!("{listed} of {all} shown"),
        (false, _, None) => format!("{listed} shown"),
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

/// Lists grow shorter: an address of yesterday may lead behind the end of today's.
fn no_page(asked: usize, pages: usize) -> Option<Fragment> {
    let fact = format!("There is no page {}", words::thousands(asked));
    let meaning = match pages {
        1 => "The list has one page. This is it.".to_owned(),
        pages => format!("The list has {pages} pages. This is the last."),
    };
    (asked > pages).then(|| notice(Tone::Plain, &fact, meaning))
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
        "refund" => "Refund",
        "change" => "Change",
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

fn sorts(form: &SearchForm, view: &View, choices: &Choices<'_>, leaders: &[(Order, Pick)]) -> Vec<SortLink> {
    let told = |order: Order| {
        let Some((_, first)) = leaders.iter().find(|(of, _)| *of == order) else { return String::new() };
        match order {
            Order::First => {
                let parts = choices.parts(&first.ways);
                let leaves = parts.first().and_then(|part| part.slices.first());
                let leaves = leaves.map(|slice| words::clock(slice.first().departs.local));
                format!("{}, {}", leaves.unwrap_or_default(), first.total)
            }
            Order::LeastCo2 => match first.merits.co2 {
                Some(grams) => {
                    let kilograms = grams.saturating_add(999) / 1_000;
                    format!("{}\u{a0}kg, {}", words::thousands(kilograms), first.total)
                }
                None => "unknown".to_owned(),
            },
            _ => format!("{}, {}", first.total, words::duration(first.travel_time())),
        }
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
    let shown = format!("{} to {} of {} offers", first + 1, first + here, words::thousands(all));
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
        dates: dates(&query.slices, form.is_multi()),
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

/// "Fri 12 Mar to Fri 26 Mar 2027"; of several flights the day of each.
fn dates(slices: &[SliceQuery], is_multi: bool) -> String {
    if is_multi {
        let days: Vec<String> = slices.iter().map(|slice| words::day_and_year(slice.date)).collect();
        return days.join(", ");
    }
    match slices {
        [out, back] if out.date == back.date => {
            format!("{}, there and back", words::day_and_year(out.date))
        }
        [out, back] if out.date.year() == back.date.year() => {
            format!("{} to {}", words::day(out.date), words::day_and_year(back.date))
        }
        [out, back] => format!("{} to {}", words::day_and_year(out.date), words::day_and_year(back.date)),
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
        let told = |days: &[Date], is_multi| {
            let slice = |(nth, date): (usize, &Date)| {
                let [from, to] = ["LIS", "OPO"].map(|code| code.parse().unwrap());
                let (from, to) = if nth % 2 == 0 { (from, to) } else { (to, from) };
                SliceQuery { from, to, date: *date }
            };
            dates(&days.iter().enumerate().map(slice).collect::<Vec<_>>(), is_multi)
        };
        let day = date(2026, 12, 20);
        assert_eq!(told(&[day], false), "Sun 20 Dec 2026");
        assert_eq!(told(&[day, day], false), "Sun 20 Dec 2026, there and back");
        assert_eq!(told(&[day, date(2026, 12, 23)], false), "Sun 20 Dec to Wed 23 Dec 2026");
        assert_eq!(told(&[day, date(2027, 1, 3)], false), "Sun 20 Dec 2026 to Sun 3 Jan 2027");
        let three = [day, date(2026, 12, 23), date(2027, 1, 3)];
        assert_eq!(told(&three, true), "Sun 20 Dec 2026, Wed 23 Dec 2026, Sun 3 Jan 2027");
    }
}
