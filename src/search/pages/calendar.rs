//! A month, and what each day of it costs at the least.

use askama::Template;
use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use jiff::{Timestamp, civil::Date};

use crate::{
    error::{AppError, FieldErrors},
    itinerary::SearchQuery,
    limits::Rule,
    search::{
        Search,
        form::{self, SearchForm},
        month::Month,
        pages::{
            flights::{Asked, in_words},
            home::home_again,
            strip,
        },
        prices::{Lowest, Source},
        sent::Sent,
    },
    web::{
        chrome::Chrome,
        components::{Fragment, PricedDay, error_summary_of, month_table, words},
        visitor::Visitor,
    },
};

#[derive(Template)]
#[template(path = "search/calendar.html")]
struct CalendarPage {
    chrome: Chrome,
    canonical: String,
    summary: Fragment,
    errors: FieldErrors,
    month: String,
    asked: Asked,
    /// The search itself, as hidden fields of the form about the stay.
    kept: Vec<(&'static str, String)>,
    /// For a return: how long, as typed.
    nights: Option<String>,
    stay: String,
    table: Fragment,
    before: Option<(String, String)>,
    after: Option<(String, String)>,
    cheapest: Vec<(String, String)>,
    note: String,
}

/// GET /flights/calendar?…
pub async fn calendar(
    chrome: Chrome,
    State(search): State<Search>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, AppError> {
    let sent = Sent::read(query.as_deref().unwrap_or_default());
    let (mut bad, mut errors) = (FieldErrors::default(), FieldErrors::default());
    let form = SearchForm::read(&sent, &mut bad).with_defaults();
    if form.is_multi() {
        bad.add("trip", "A month of prices is shown for one-way and return");
    }
    let now = search.clock.now();
    let asked = match search.checked(&form, bad).await {
        Ok(asked) => asked,
        Err(bad) => return home_again(chrome, &search, &form, bad),
    };
    let typed = ["month", "nights"].map(|name| sent.one(&mut errors, name));
    let today = form::today(search.airports, asked.slices.first().map(|slice| slice.from), now);
    let month = Month::read(&mut errors, (&typed[0], &typed[1]), &asked, today);
    visitor.take_either(Rule::SearchAddress, Rule::SearchAccount).await?;
    let lowest = month.prices(&search.prices).await?;
    let shown = Shown { form: &form, asked: &asked, month: &month, lowest: &lowest, today, now };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = shown.page(chrome, &search, errors, &typed[1]);
    Ok((status, Html(page.render()?)).into_response())
}

struct Shown<'a> {
    form: &'a SearchForm,
    asked: &'a SearchQuery,
    month: &'a Month,
    lowest: &'a Lowest,
    today: Date,
    now: Timestamp,
}

impl Shown<'_> {
    fn page(&self, chrome: Chrome, search: &Search, errors: FieldErrors, nights: &str) -> CalendarPage {
        let month = |first: Date| first.strftime("%B %Y").to_string();
        let [before, after] = self
            .month
            .neighbours(self.today)
            .map(|first| first.map(|first| (self.address(first), month(first))));
        let days = self.days();
        let currency =
            self.lowest.cheapest().map_or(String::new(), |total| format!(", in {}", total.currency));
        let stay = self.month.nights.map(|nights| {
            let nights = words::plural(usize::try_from(nights).unwrap_or(0), "night", "nights");
            format!(", back after {nights}")
        });
        let stay = stay.unwrap_or_default();
        let caption =
            format!("Lowest total for each day of departure in {}{stay}{currency}", month(self.month.first));
        let shown = match errors.get("nights") {
            Some(_) => Some(nights.chars().take(10).collect()),
            None => self.month.nights.map(|nights| nights.to_string()),
        };
        CalendarPage {
            chrome,
            canonical: self.address(self.month.first),
            summary: error_summary_of(&errors, label),
            errors,
            month: month(self.month.first),
            asked: in_words(self.asked, search.airports, self.form),
            kept: self.kept(),
            nights: shown,
            stay: format!("{stay}{currency}"),
            table: month_table(&caption, &days),
            before,
            after,
            cheapest: self.cheapest(),
            note: self.note(),
        }
    }

    fn address(&self, first: Date) -> String {
        let nights = self.month.nights.map(|nights| format!("&nights={nights}")).unwrap_or_default();
        format!("/flights/calendar?{}&month={}{nights}", self.form.address(), first.strftime("%Y-%m"))
    }

    fn kept(&self) -> Vec<(&'static str, String)> {
        let fields = self.form.fields().into_iter().map(|(name, value)| (name, value.to_owned()));
        fields.chain([("month", self.month.first.strftime("%Y-%m").to_string())]).collect()
    }

    fn on(&self, by: i32) -> String {
        let (leave, back) = self.month.on(by);
        let mut form = self.form.with("leave", &leave.to_string());
        if let Some(back) = back {
            form = form.with("back", &back.to_string());
        }
        format!("/flights?{}", form.address())
    }

    fn days(&self) -> Vec<PricedDay> {
        let leave = self.asked.slices.first().map(|slice| slice.date);
        let day = |(by, total): &(i32, _)| {
            let sold = self.month.is_sold(*by, self.today);
            let total = Option::filter(*total, |_| sold);
            let leads = sold && (total.is_some() || self.lowest.source == Source::Searches);
            let (date, _) = self.month.on(*by);
            PricedDay {
                date,
                total,
                href: leads.then(|| self.on(*by)),
                blank: strip::blank(self.lowest.source, sold),
                chosen: Some(date) == leave,
            }
        };
        self.lowest.days.iter().map(day).collect()
    }

    /// The days with the lowest total: where they lead, and their words.
    fn cheapest(&self) -> Vec<(String, String)> {
        let days = self.lowest.days.iter().filter(|(by, _)| self.month.is_sold(*by, self.today));
        let days: Vec<_> = days.filter_map(|(by, total)| Some((*by, (*total)?))).collect();
        let Some(lowest) = days.iter().map(|(_, total)| *total).min_by_key(|total| total.minor) else {
            return Vec::new();
        };
        let of_lowest = days.iter().filter(|(_, total)| *total == lowest).take(4);
        of_lowest
            .map(|(by, total)| (self.on(*by), format!("{}, {total} total", words::day(self.month.on(*by).0))))
            .collect()
    }

    fn note(&self) -> String {
        let told = strip::source_in_words(self.lowest, self.now);
        match self.lowest.source {
            Source::Supplier => {
                format!(
                    "{told} Prices are asked for again when you open a day. A day without a price has no seats for this party."
                )
            }
            Source::Searches => format!("Our supplier does not tell the prices of a month. {told}"),
        }
    }
}

fn label(field: &str) -> &'static str {
    match field {
        "month" => "Month",
        "nights" => "Nights",
        _ => "",
    }
}
