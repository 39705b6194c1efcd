//! No seats are for sale on the days asked for: what is for sale near them, in time and in space, with its price. Each of
//! these was asked for just now; where the supplier does not tell, nothing is promised.

use askama::Template;

use crate::{
    error::AppError,
    itinerary::SearchQuery,
    money::Money,
    search::{
        Search,
        form::{self, SearchForm},
        near::near,
        pages::{
            flights::{Asked, List, in_words, label},
            strip::{self, Strip},
        },
        prices::{Lowest, Source},
    },
    web::{chrome::Chrome, components::words},
};

/// How far other days may lie.
const DAYS: i32 = 10;
const MOST_DAYS: usize = 4;
const MOST_PLACES: usize = 2;

#[derive(Template)]
#[template(path = "search/nothing.html")]
struct NothingPage {
    chrome: Chrome,
    asked: Asked,
    /// What of the view does not fit; there is nothing here that it could change.
    wrong: Vec<(&'static str, String)>,
    several_days: bool,
    strip: Option<Strip>,
    days: Vec<Instead>,
    places: Vec<Instead>,
    /// Nobody told us, so these are guesses at what may help.
    untold: bool,
}

/// What may be had instead.
struct Instead {
    href: String,
    words: String,
    /// Nothing where it was not asked for.
    total: Option<Money>,
}

pub async fn nothing(
    chrome: Chrome,
    search: &Search,
    list: &List<'_>,
    lowest: Option<&Lowest>,
) -> Result<String, AppError> {
    let now = search.clock.now();
    let around = match list.form.is_multi() {
        false => search.prices.around(list.query, -DAYS..=DAYS).await.ok(),
        true => None,
    };
    let untold = around.as_ref().is_none_or(|around| around.source == Source::Searches);
    let days = around.map(|around| other_days(search, list, &around)).unwrap_or_default();
    let page = NothingPage {
        chrome,
        asked: in_words(list.query, search.airports, list.form),
        wrong: list.errors.iter().map(|(field, told)| (label(field), told.to_owned())).collect(),
        several_days: list.query.slices.iter().any(|slice| slice.date != list.query.slices[0].date),
        strip: lowest.map(|lowest| list.strip(lowest, search.airports, now)),
        days,
        places: other_places(search, list, untold).await?,
        untold,
    };
    Ok(page.render()?)
}

/// The nearest days with something, the earlier first where two are equally near.
fn other_days(search: &Search, list: &List<'_>, around: &Lowest) -> Vec<Instead> {
    let from = list.query.slices.first().map(|slice| slice.from);
    let today = form::today(search.airports, from, search.clock.now());
    let mut days: Vec<(i32, Money)> =
        around.days.iter().filter_map(|(by, total)| Some((*by, (*total)?))).collect();
    days.retain(|(by, _)| *by != 0 && strip::is_sold(list.query, *by, today));
    days.sort_by_key(|(by, _)| (by.abs(), *by));
    days.truncate(MOST_DAYS);
    let instead = |(by, total): (i32, Money)| {
        let form = strip::form_on(list.form, list.query, by);
        let away = words::plural(usize::try_from(by.abs()).unwrap_or(0), "day", "days");
        let direction = if by < 0 { "earlier" } else { "later" };
        Instead {
            href: list.view.at_page(1).address(&form),
            words: format!("{away} {direction}, {}", day_in_words(list.query, by)),
            total: Some(total),
        }
    };
    days.into_iter().map(instead).collect()
}

fn day_in_words(query: &SearchQuery, by: i32) -> String {
    let day = |date: jiff::civil::Date| words::day(date.saturating_add(jiff::Span::new().days(by)));
    match query.slices.as_slice() {
        [out, back] if out.date != back.date => format!("{} to {}", day(out.date), day(back.date)),
        [out, ..] => day(out.date),
        [] => String::new(),
    }
}

/// The larger airports close by, if there is something from or to them.
async fn other_places(search: &Search, list: &List<'_>, untold: bool) -> Result<Vec<Instead>, AppError> {
    let Some(slice) = list.query.slices.first().filter(|_| !list.form.is_multi()) else {
        return Ok(Vec::new());
    };
    let mut places = Vec::new();
    for (field, word, place) in [("from", "From", slice.from), ("to", "To", slice.to)] {
        for (airport, km) in near(search.airports, place, MOST_PLACES) {
            let form = list.form.with(field, &format!("{} {}", airport.city, airport.code));
            let Some(total) = lowest_of(search, &form, untold).await? else { continue };
            let away = words::thousands(km);
            places.push(Instead {
                href: list.view.at_page(1).address(&form),
                words: format!("{word} {} {}, {away}\u{a0}km away", airport.city, airport.code),
                total,
            });
        }
    }
    Ok(places)
}

/// `None`: there is nothing; an unknown total: nobody told.
async fn lowest_of(
    search: &Search,
    form: &SearchForm,
    untold: bool,
) -> Result<Option<Option<Money>>, AppError> {
    let Ok(query) = form.check(search.airports, search.clock.now()) else { return Ok(None) };
    let lowest = search.prices.around(&query, 0..=0).await.ok().and_then(|lowest| lowest.cheapest());
    Ok(if lowest.is_some() || untold { Some(lowest) } else { None })
}
