//! Each pair of dates around a return's own, and what it costs at the least.

use askama::Template;
use axum::{
    extract::{RawQuery, State},
    response::{Html, IntoResponse, Response},
};
use jiff::Timestamp;

use crate::{
    error::{AppError, FieldErrors},
    limits::Rule,
    money::Money,
    search::{
        Search,
        form::{self, SearchForm},
        pages::{
            flights::{Asked, in_words},
            home::home_again,
            strip,
        },
        pairs::{Pairs, Standing},
        prices::{AROUND, Lowest, Pair, Source},
        sent::Sent,
    },
    web::{
        chrome::Chrome,
        components::{Fragment, PairTable, PricedPair, pair_table, words},
        visitor::Visitor,
    },
};

/// Pairs of the lowest total that are told in words.
const MOST_TOLD: usize = 4;

#[derive(Template)]
#[template(path = "search/matrix.html")]
struct MatrixPage {
    chrome: Chrome,
    canonical: String,
    asked: Asked,
    /// ", in EUR".
    currency: String,
    table: Fragment,
    /// Where the cheapest pairs lead, and their words.
    cheapest: Vec<(String, String)>,
    note: String,
    list: String,
    calendar: String,
}

/// GET /flights/matrix?…
pub async fn matrix(
    chrome: Chrome,
    State(search): State<Search>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, AppError> {
    let sent = Sent::read(query.as_deref().unwrap_or_default());
    let mut bad = FieldErrors::default();
    let form = SearchForm::read(&sent, &mut bad).with_defaults();
    if !form.is_return() {
        bad.add("trip", "Pairs of dates are shown for a return");
    }
    let now = search.clock.now();
    let asked = match search.checked(&form, bad).await {
        Ok(asked) => asked,
        Err(bad) => return home_again(chrome, &search, &form, bad),
    };
    let today = form::today(search.airports, asked.slices.first().map(|slice| slice.from), now);
    let pairs = Pairs::of(&asked, today).ok_or_else(|| AppError::broken("a return without a way back"))?;
    visitor.take_either(Rule::SearchAddress, Rule::SearchAccount).await?;
    let lowest = pairs.prices(&search.prices).await?;
    let asked = in_words(&asked, search.airports, &form);
    let page = Shown { form: &form, pairs: &pairs, lowest: &lowest, now }.page(chrome, asked);
    Ok(Html(page.render()?).into_response())
}

struct Shown<'a> {
    form: &'a SearchForm,
    pairs: &'a Pairs<'a>,
    lowest: &'a Lowest<Pair>,
    now: Timestamp,
}

impl Shown<'_> {
    fn page(&self, chrome: Chrome, asked: Asked) -> MatrixPage {
        let currency =
            self.lowest.cheapest().map_or(String::new(), |total| format!(", in {}", total.currency));
        let own = self.form.address();
        MatrixPage {
            chrome,
            canonical: format!("/flights/matrix?{own}"),
            table: self.table(&format!("Lowest total for each day of leaving and of coming back{currency}")),
            currency,
            cheapest: self.cheapest(),
            note: self.note(),
            list: format!("/flights?{own}"),
            calendar: format!("/flights/calendar?{own}"),
            asked,
        }
    }

    fn on(&self, pair: Pair) -> String {
        let (leave, back) = self.pairs.dates(pair);
        let form = self.form.with("leave", &leave.to_string()).with("back", &back.to_string());
        format!("/flights?{}", form.address())
    }

    fn table(&self, caption: &str) -> Fragment {
        let moved = -AROUND..=AROUND;
        let pair = |(pair, total): &(Pair, Option<Money>)| {
            let standing = self.pairs.standing(*pair);
            let leads = total.is_some() || standing == Standing::Sold && self.is_from_searches();
            PricedPair {
                total: *total,
                href: leads.then(|| self.on(*pair)),
                blank: match standing {
                    Standing::BackBeforeLeaving => None,
                    _ => Some(strip::blank(self.lowest.source, standing == Standing::Sold)),
                },
            }
        };
        pair_table(&PairTable {
            caption,
            leave: moved.clone().map(|by| self.pairs.dates((by, 0)).0).collect(),
            back: moved.map(|by| self.pairs.dates((0, by)).1).collect(),
            own: self.pairs.dates((0, 0)),
            pairs: self.lowest.days.iter().map(pair).collect(),
        })
    }

    fn is_from_searches(&self) -> bool {
        self.lowest.source == Source::Searches
    }

    fn cheapest(&self) -> Vec<(String, String)> {
        let lowest = self.lowest.cheapest();
        let pairs = self.lowest.days.iter().filter(|(_, total)| total.is_some() && *total == lowest);
        let told = |(pair, total): &(Pair, Option<Money>)| {
            let (leave, back) = self.pairs.dates(*pair);
            let total = (*total)?;
            let dates = format!("{} to {}, {total} total", words::day(leave), words::day(back));
            Some((self.on(*pair), dates))
        };
        pairs.filter_map(told).take(MOST_TOLD).collect()
    }

    fn note(&self) -> String {
        let told = strip::source_in_words(self.lowest, self.now);
        let mut note = match self.lowest.source {
            Source::Supplier => format!("{told} Prices are asked for again when you open a pair."),
            Source::Searches => format!("Our supplier does not tell the prices of pairs of dates. {told}"),
        };
        // Only what stands in this table.
        let are = |standing| {
            self.lowest.days.iter().filter(move |(pair, _)| self.pairs.standing(*pair) == standing)
        };
        if !self.is_from_searches() && are(Standing::Sold).any(|(_, total)| total.is_none()) {
            note.push_str(" “none”: no seats for this party.");
        }
        if are(Standing::NotSold).next().is_some() {
            note.push_str(" “not sold”: the day has passed, or airlines do not sell it yet.");
        }
        if are(Standing::BackBeforeLeaving).next().is_some() {
            note.push_str(" “–”: you would be back before you leave.");
        }
        note
    }
}
