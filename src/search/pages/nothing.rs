//! No seats are for sale on the days asked for: what is for sale near them, in time, in space and in the cabin, with its total.

use askama::Template;

use crate::{
    airports::Airports,
    error::AppError,
    itinerary::SearchQuery,
    money::Money,
    search::{
        Search,
        form::{LEGS, SearchForm},
        instead::{self, Changed, Instead, Offered},
        pages::{
            flights::{Asked, List, in_words, label},
            strip::Strip,
        },
        prices::{Lowest, moved_by},
    },
    web::{chrome::Chrome, components::words},
};

#[derive(Template)]
#[template(path = "search/nothing.html")]
struct NothingPage {
    chrome: Chrome,
    asked: Asked,
    /// What of the view does not fit; there is nothing here that it could change.
    wrong: Vec<(&'static str, String)>,
    several_days: bool,
    /// Of several flights, which of them is the trouble.
    lacking: Vec<String>,
    strip: Option<Strip>,
    days: Vec<Line>,
    places: Vec<Line>,
    cabins: Vec<Line>,
    /// Nobody told us, so these are guesses at what may help.
    untold: bool,
    several_flights: bool,
}

impl NothingPage {
    /// What there is: id, heading, what is said of all of them, and each.
    fn offered(&self) -> impl Iterator<Item = (&'static str, &'static str, &'static str, &[Line])> {
        let seats = if self.untold { "not asked yet" } else { "that have seats" };
        let days =
            if self.several_flights { "whole journeys, searched for just now" } else { "that have seats" };
        let all = [
            ("days-h", "Nearest days", days, self.days.as_slice()),
            ("places-h", "Airports close by", seats, self.places.as_slice()),
            ("cabins-h", "Another cabin", "on the same dates", self.cabins.as_slice()),
        ];
        all.into_iter().filter(|(_, _, _, lines)| !lines.is_empty())
    }
}

struct Line {
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
    let asked = instead::Asked { search, form: list.form, query: list.query };
    let offered = asked.offered().await?;
    let told = Told { form: list.form, query: list.query, airports: search.airports };
    let lines = |all: &[Instead]| {
        let line = |one: &Instead| Line {
            href: list.view.at_page(1).address(&one.form),
            words: told.in_words(&one.what),
            total: one.total,
        };
        all.iter().map(line).collect::<Vec<_>>()
    };
    let page = NothingPage {
        chrome,
        asked: in_words(list.query, search.airports, list.form),
        wrong: list.errors.iter().map(|(field, told)| (label(field), told.to_owned())).collect(),
        several_days: list.query.slices.iter().any(|slice| slice.date != list.query.slices[0].date),
        lacking: told.lacking(&offered),
        strip: lowest.map(|lowest| list.strip(lowest, search.airports, search.clock.now())),
        days: lines(&offered.days),
        places: lines(&offered.places),
        cabins: lines(&offered.cabins),
        untold: offered.untold,
        several_flights: list.form.is_multi(),
    };
    Ok(page.render()?)
}

/// What was asked, to tell what is different.
struct Told<'a> {
    form: &'a SearchForm,
    query: &'a SearchQuery,
    airports: &'a Airports,
}

impl Told<'_> {
    fn in_words(&self, what: &Changed) -> String {
        match what {
            Changed::Days(moves) => self.days(moves),
            Changed::Place { field, airport, km } => {
                let nth = LEGS.iter().position(|names| names.contains(field)).unwrap_or_default();
                let end = if LEGS[nth][0] == *field { "From" } else { "To" };
                let end = match self.form.is_multi() {
                    true => format!("Flight {} {}", nth + 1, end.to_lowercase()),
                    false => end.to_owned(),
                };
                let city = self.airports.place(*airport).map_or(String::new(), |place| place.label());
                format!("{end} {city}, {}\u{a0}km away", words::thousands(*km))
            }
            Changed::Cabin(cabin) => cabin.name().to_owned(),
        }
    }

    fn days(&self, moves: &[i32]) -> String {
        let dates = self.query.slices.iter().zip(moves).map(|(slice, by)| moved_by(slice.date, *by));
        let dates: Vec<_> = dates.collect();
        if self.form.is_multi() {
            let changed = moves.iter().enumerate().filter(|(_, by)| **by != 0);
            let one = |(nth, by): (usize, &i32)| {
                format!("Flight {}, {}: {}", nth + 1, away(*by), words::day(dates[nth]))
            };
            return changed.map(one).collect::<Vec<_>>().join("; ");
        }
        match (moves, dates.as_slice()) {
            ([0, by], [_, back]) => format!("Back {}, {}", away(*by), words::day(*back)),
            ([by, 0], [out, _]) => format!("Out {}, {}", away(*by), words::day(*out)),
            ([there, home], [out, back]) if there != home => format!(
                "Out {}, {}; back {}, {}",
                away(*there),
                words::day(*out),
                away(*home),
                words::day(*back)
            ),
            ([by, ..], [out, back]) if out == back => format!("Both {}, {}", away(*by), words::day(*out)),
            ([by, ..], [out, back]) => {
                format!("Both {}, {} to {}", away(*by), words::day(*out), words::day(*back))
            }
            ([by, ..], [out, ..]) => {
                let mut told = format!("{}, {}", away(*by), words::day(*out));
                told[..1].make_ascii_uppercase();
                told
            }
            _ => String::new(),
        }
    }

    fn lacking(&self, offered: &Offered) -> Vec<String> {
        if !self.form.is_multi() || offered.untold {
            return Vec::new();
        }
        if offered.lacking.is_empty() {
            return vec![
                "Each flight alone has seats on its day, but none of them leaves in time after the one before."
                    .to_owned(),
            ];
        }
        let name = |code| self.airports.place(code).map_or(String::new(), |place| place.name().to_owned());
        let one = |nth: &usize| {
            let slice = self.query.slices.get(*nth)?;
            let (from, to) = (name(slice.from), name(slice.to));
            Some(format!("Flight {}, {from} to {to}: nothing on {}.", nth + 1, words::day(slice.date)))
        };
        offered.lacking.iter().filter_map(one).collect()
    }
}

/// "2 days later".
fn away(by: i32) -> String {
    let days = words::plural(usize::try_from(by.abs()).unwrap_or(0), "day", "days");
    format!("{days} {}", if by < 0 { "earlier" } else { "later" })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::itinerary::{Cabin, Party, SliceQuery};

    fn told(trip: &str, moves: &[i32]) -> String {
        let [from, to] = ["LIS", "JFK"].map(|code| code.parse().unwrap());
        let slices = (0..).zip(moves).map(|(nth, _)| SliceQuery { from, to, date: date(2027, 3, 12 + nth) });
        let query = SearchQuery {
            slices: slices.collect(),
            party: Party::new(1, 0, 0).unwrap(),
            cabin: Cabin::Economy,
        };
        let form = SearchForm { trip: trip.to_owned(), ..SearchForm::default() };
        let told = Told { form: &form, query: &query, airports: Airports::world() };
        told.in_words(&Changed::Days(moves.to_vec()))
    }

    #[test]
    fn what_is_moved_is_named_and_what_stays_is_not() {
        assert_eq!(told("oneway", &[-1]), "1 day earlier, Thu 11 Mar");
        assert_eq!(told("return", &[2, 2]), "Both 2 days later, Sun 14 Mar to Mon 15 Mar");
        assert_eq!(told("return", &[0, 1]), "Back 1 day later, Sun 14 Mar");
        assert_eq!(told("return", &[-2, 0]), "Out 2 days earlier, Wed 10 Mar");
        assert_eq!(told("return", &[1, 0]), "Out 1 day later, Sat 13 Mar");
        assert_eq!(told("return", &[-1, 2]), "Out 1 day earlier, Thu 11 Mar; back 2 days later, Mon 15 Mar");
        assert_eq!(
            told("multi", &[-1, 0, 1]),
            "Flight 1, 1 day earlier: Thu 11 Mar; Flight 3, 1 day later: Mon 15 Mar"
        );
    }
}
