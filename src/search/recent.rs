//! The last searches of a browser, kept by the browser alone, in a cookie that scripts cannot read. What comes back is read
//! as an address would be: what is no search, or a search for a day that has passed, is left out.

use jiff::Timestamp;

use crate::{
    airports::Airports,
    error::FieldErrors,
    itinerary::SearchQuery,
    search::{form::SearchForm, sent::Sent},
};

const MOST: usize = 4;
/// Four journeys of six flights are shorter.
const LONGEST: usize = 3_000;
/// In no query that we write.
pub const BETWEEN: char = '|';

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recent(Vec<SearchQuery>);

impl Recent {
    pub fn read(cookie: &str, airports: &Airports, now: Timestamp) -> Self {
        if cookie.len() > LONGEST {
            return Self::default();
        }
        let search = |part: &str| {
            let mut errors = FieldErrors::default();
            let form = SearchForm::read(&Sent::read(part), &mut errors);
            form.checked(errors, airports, now).ok()
        };
        Self(cookie.split(BETWEEN).take(MOST).filter_map(search).collect())
    }

    /// The newest first, each once.
    pub fn with(mut self, query: &SearchQuery) -> Self {
        self.0.retain(|known| known != query);
        self.0.insert(0, query.clone());
        self.0.truncate(MOST);
        self
    }

    pub fn write(&self, airports: &Airports) -> String {
        let searches = self.0.iter().map(|query| SearchForm::in_short(query, airports).address());
        searches.collect::<Vec<_>>().join(&BETWEEN.to_string())
    }

    pub fn searches(&self) -> &[SearchQuery] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn query(to: &str) -> SearchQuery {
        let sent = Sent::read(&format!("from=LIS&to={to}&leave=2027-03-12"));
        let form = SearchForm::read(&sent, &mut FieldErrors::default()).with_defaults();
        form.check(Airports::world(), now()).unwrap()
    }

    #[test]
    fn the_newest_stands_first_once_and_the_oldest_is_forgotten() {
        let airports = Airports::world();
        let mut recent = Recent::default();
        for to in ["OPO", "MAD", "CDG", "OPO", "LON", "JFK"] {
            recent = recent.with(&query(to));
        }
        let places: Vec<&str> = recent.searches().iter().map(|query| query.slices[0].to.as_str()).collect();
        assert_eq!(places, ["JFK", "LON", "OPO", "CDG"]);
        let cookie = recent.write(airports);
        assert_eq!(Recent::read(&cookie, airports, now()), recent);
        assert!(cookie.bytes().all(|b| b.is_ascii_graphic() && !b"\";,\\".contains(&b)), "{cookie}");
    }

    #[test]
    fn what_is_no_search_or_over_is_left_out() {
        let airports = Airports::world();
        let good = Recent::default().with(&query("OPO")).write(airports);
        for cookie in ["", "|", "x", "from=LIS&to=LIS&leave=2027-03-12", "%ff|<script>", &good.repeat(200)] {
            assert_eq!(Recent::read(cookie, airports, now()), Recent::default(), "{cookie:.40}");
        }
        assert_eq!(Recent::read(&format!("x|{good}|y"), airports, now()).searches().len(), 1);
        let later = "2027-03-13T12:00:00Z".parse().unwrap();
        assert_eq!(Recent::read(&good, airports, later), Recent::default());
    }
}
