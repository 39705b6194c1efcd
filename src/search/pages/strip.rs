//! What the days around a search cost, as links to the same search on those days.

use jiff::{Span, Timestamp, civil::Date};

use crate::{
    airports::Airports,
    itinerary::SearchQuery,
    money::Money,
    search::{
        form::{self, SearchForm},
        instead::is_sold,
        prices::{Lowest, Source},
        view::View,
    },
    web::components::{Fragment, PricedDay, price_strip, words},
};

/// The days around, and what their prices are.
pub struct Strip {
    pub days: Fragment,
    pub heading: String,
    pub note: String,
    pub calendar: String,
    /// Of a return.
    pub pairs: Option<String>,
}

/// What a strip is drawn from.
pub struct Around<'a> {
    pub form: &'a SearchForm,
    pub view: &'a View,
    pub query: &'a SearchQuery,
    /// What the list itself knows of its own day.
    pub own: Option<Money>,
    pub airports: &'a Airports,
    pub now: Timestamp,
}

impl Around<'_> {
    pub fn strip(&self, lowest: &Lowest) -> Strip {
        let Self { form, view, query, own, airports, now } = *self;
        let today = form::today(airports, query.slices.first().map(|slice| slice.from), now);
        let usual = view.at_page(1);
        let days = days(lowest, query, today, own, |by| usual.address(&form_on(form, query, by)));
        let currency = days.iter().filter_map(|day| day.total).map(|total| total.currency.code()).next();
        let currency = currency.map(|code| format!(" in {code}")).unwrap_or_default();
        let nights = nights(query).map(|nights| format!(", {nights}")).unwrap_or_default();
        let filters = if view.filters.is_set() { " Filters are not counted in." } else { "" };
        Strip {
            heading: format!("Lowest totals three days either side{currency}{nights}"),
            note: format!(
                "Lowest totals{currency} for {}{nights}, all taxes. {}{filters}",
                query.party.in_words(),
                source_in_words(lowest, now)
            ),
            calendar: format!("/flights/calendar?{}", form.address()),
            pairs: form.is_return().then(|| format!("/flights/matrix?{}", form.address())),
            days: price_strip(&days),
        }
    }
}

/// On the way out, and where it is a return the day of coming back: both move together.
pub fn form_on(form: &SearchForm, query: &SearchQuery, by: i32) -> SearchForm {
    let day = |date: Date| date.saturating_add(Span::new().days(by)).to_string();
    let mut moved = form.clone();
    if let Some(first) = query.slices.first() {
        moved = moved.with("leave", &day(first.date));
    }
    if let Some(back) = query.slices.get(1).filter(|_| form.is_return()) {
        moved = moved.with("back", &day(back.date));
    }
    moved
}

/// The days around the search. What the list itself knows of its own day stands above what the calendar says.
pub fn days(
    lowest: &Lowest,
    query: &SearchQuery,
    today: Date,
    own: Option<Money>,
    address: impl Fn(i32) -> String,
) -> Vec<PricedDay> {
    let Some(first) = query.slices.first() else { return Vec::new() };
    let day = |(by, total): &(i32, Option<Money>)| {
        let sold = is_sold(query, *by, today);
        let total = if *by == 0 { own.or(*total) } else { *total }.filter(|_| sold);
        // Where the supplier says that there is nothing, there is no use in looking.
        let leads = sold && (*by == 0 || total.is_some() || lowest.source == Source::Searches);
        PricedDay {
            date: first.date.saturating_add(Span::new().days(*by)),
            total,
            href: leads.then(|| address(*by)),
            blank: blank(lowest.source, sold),
            chosen: *by == 0,
        }
    };
    lowest.days.iter().map(day).collect()
}

pub const fn blank(source: Source, sold: bool) -> &'static str {
    match (source, sold) {
        (_, false) => "not sold",
        (Source::Supplier, true) => "none",
        (Source::Searches, true) => "no data",
    }
}

/// "14 nights"; for one way nothing.
pub fn nights(query: &SearchQuery) -> Option<String> {
    let [out, back] = query.slices.as_slice() else { return None };
    let days = back.date.duration_since(out.date).as_hours() / 24;
    Some(words::plural(usize::try_from(days).unwrap_or(0), "night", "nights"))
}

/// Whose word the prices are, and of when.
pub fn source_in_words<By>(lowest: &Lowest<By>, now: Timestamp) -> String {
    match lowest.source {
        Source::Supplier => format!("Asked for {}.", words::seen(lowest.asked_at, now).replace("seen ", "")),
        Source::Searches => {
            "From searches of the last minutes. A blank day has no price that we have seen: we do not guess."
                .to_owned()
        }
    }
}
