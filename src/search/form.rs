//! From what a person typed to a checked [`SearchQuery`], or to a message beside each field that does not fit.

use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{
    airports::{Airports, Resolved, Suggestion},
    error::FieldErrors,
    itinerary::{Cabin, Party, PartyError, PlaceCode, SearchQuery, SliceQuery},
};

/// Airlines sell about this far ahead.
pub const DAYS_AHEAD: i32 = 330;
/// No place, date or number is longer than this.
const LONGEST: usize = 120;

/// The search as typed, and as it stands in the address of every page about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SearchForm {
    /// "return" or "oneway"; nothing means whatever `back` says.
    pub trip: String,
    pub from: String,
    pub to: String,
    pub leave: String,
    pub back: String,
    pub adults: String,
    pub children: String,
    pub infants: String,
    pub cabin: String,
}

/// What is wrong with a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadSearch {
    pub errors: FieldErrors,
    /// For a place that means several: the field and what to choose from.
    pub choices: Vec<(&'static str, Vec<Suggestion>)>,
}

impl SearchForm {
    /// Values that the form starts with and that a hand-written address may leave out.
    pub fn with_defaults(mut self) -> Self {
        let fill = |field: &mut String, value: &str| {
            if field.trim().is_empty() {
                value.clone_into(field);
            }
        };
        let trip = if self.back.trim().is_empty() { "oneway" } else { "return" };
        fill(&mut self.trip, trip);
        fill(&mut self.adults, "1");
        fill(&mut self.children, "0");
        fill(&mut self.infants, "0");
        fill(&mut self.cabin, Cabin::Economy.code());
        self
    }

    /// The search of which an offer was an answer, or another one after editing.
    pub fn of(query: &SearchQuery, airports: &Airports) -> Self {
        let place = |code: PlaceCode| airports.place(code).map_or(code.to_string(), |place| place.label());
        let count = |kind| query.party.count(kind).to_string();
        let [first, rest @ ..] = query.slices.as_slice() else { return Self::default() };
        let [adults, children, infants] = crate::itinerary::PassengerKind::ALL.map(count);
        Self {
            trip: if rest.is_empty() { "oneway" } else { "return" }.to_owned(),
            from: place(first.from),
            to: place(first.to),
            leave: first.date.to_string(),
            back: rest.first().map(|slice| slice.date.to_string()).unwrap_or_default(),
            adults,
            children,
            infants,
            cabin: query.cabin.code().to_owned(),
        }
    }

    pub fn is_return(&self) -> bool {
        self.trip != "oneway"
    }

    /// The same search with one field changed.
    pub fn with(&self, field: &str, value: &str) -> Self {
        let mut form = self.clone();
        match field {
            "from" => value.clone_into(&mut form.from),
            "to" => value.clone_into(&mut form.to),
            "leave" => value.clone_into(&mut form.leave),
            "back" => value.clone_into(&mut form.back),
            _ => {}
        }
        form
    }

    /// Every field by name, in the order of the form; what the kind of journey does not use is left out.
    pub fn fields(&self) -> Vec<(&'static str, &str)> {
        let mut fields = vec![
            ("trip", self.trip.as_str()),
            ("from", &self.from),
            ("to", &self.to),
            ("leave", &self.leave),
        ];
        if self.is_return() {
            fields.push(("back", &self.back));
        }
        fields.extend([
            ("adults", self.adults.as_str()),
            ("children", &self.children),
            ("infants", &self.infants),
            ("cabin", &self.cabin),
        ]);
        fields
    }

    /// "trip=return&from=Lisbon+LIS&…", for links.
    pub fn address(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(self.fields()).finish()
    }

    pub fn check(&self, airports: &Airports, now: Timestamp) -> Result<SearchQuery, BadSearch> {
        let mut bad = BadSearch::default();
        let from = place(&mut bad, airports, "from", &self.from);
        let to = place(&mut bad, airports, "to", &self.to);
        if let (Some(from), Some(to)) = (from, to)
            && airports.members(from).iter().any(|airport| airports.members(to).contains(airport))
        {
            bad.errors.add("to", "This is where you leave from. Choose another place");
        }
        let today = today(airports, from, now);
        let leave = date(&mut bad.errors, "leave", &self.leave, today);
        let back = if self.is_return() { date(&mut bad.errors, "back", &self.back, today) } else { None };
        if let (Some(leave), Some(back)) = (leave, back)
            && back < leave
        {
            bad.errors.add("back", "You would return before you leave");
        }
        let party = party(&mut bad.errors, [&self.adults, &self.children, &self.infants]);
        let cabin = self.cabin.parse::<Cabin>().ok();
        if cabin.is_none() {
            bad.errors.add("cabin", "Choose a cabin from the list");
        }
        if !matches!(self.trip.as_str(), "return" | "oneway") {
            bad.errors.add("trip", "Choose return or one-way");
        }
        match (from, to, leave, party, cabin) {
            (Some(from), Some(to), Some(leave), Some(party), Some(cabin)) if bad.errors.is_empty() => {
                let mut slices = vec![SliceQuery { from, to, date: leave }];
                slices.extend(back.map(|date| SliceQuery { from: to, to: from, date }));
                Ok(SearchQuery { slices, party, cabin })
            }
            _ => Err(bad),
        }
    }
}

fn place(bad: &mut BadSearch, airports: &Airports, field: &'static str, typed: &str) -> Option<PlaceCode> {
    let typed = typed.trim();
    if typed.is_empty() {
        bad.errors.add(field, "Write a city or a three-letter airport code");
        return None;
    }
    if typed.chars().count() > LONGEST {
        bad.errors.add(field, "No place has a name as long as this");
        return None;
    }
    match airports.resolve(typed) {
        Resolved::One(code) => Some(code),
        Resolved::Many(choices) => {
            bad.errors.add(field, format!("Which “{typed}”? Choose one"));
            bad.choices.push((field, choices));
            None
        }
        Resolved::None => {
            bad.errors.add(field, format!("Nothing found for “{typed}”. Try a city or a three-letter code"));
            None
        }
    }
}

/// The date on the calendar of the place that the journey starts from. Where that is unknown, the earliest on Earth.
fn today(airports: &Airports, from: Option<PlaceCode>, now: Timestamp) -> Date {
    let zone = from
        .and_then(|code| airports.members(code).first().copied())
        .and_then(|code| airports.airport(code))
        .and_then(|airport| TimeZone::get(&airport.zone).ok())
        .unwrap_or(TimeZone::fixed(jiff::tz::offset(-12)));
    zone.to_datetime(now).date()
}

fn date(errors: &mut FieldErrors, field: &'static str, typed: &str, today: Date) -> Option<Date> {
    let typed = typed.trim();
    if typed.is_empty() {
        errors.add(field, "Choose a date");
        return None;
    }
    let Some(date) =
        Some(typed).filter(|typed| typed.len() == 10).and_then(|typed| typed.parse::<Date>().ok())
    else {
        errors.add(field, "Write the date like 2027-03-12");
        return None;
    };
    if date < today {
        errors.add(field, "This day has passed");
        return None;
    }
    let last = today.saturating_add(Span::new().days(DAYS_AHEAD));
    if date > last {
        errors.add(
            field,
            format!("Airlines sell {DAYS_AHEAD} days ahead, until {}", last.strftime("%-d %b %Y")),
        );
        return None;
    }
    Some(date)
}

fn party(errors: &mut FieldErrors, typed: [&String; 3]) -> Option<Party> {
    let mut counts = [0_u8; 3];
    for (place, field) in ["adults", "children", "infants"].into_iter().enumerate() {
        match typed[place].trim().parse::<u8>() {
            Ok(count) if count <= Party::LARGEST => counts[place] = count,
            Ok(_) => errors.add(field, "At most 9 passengers in one booking"),
            Err(_) => errors.add(field, "Choose a number from the list"),
        }
    }
    let [adults, children, infants] = counts;
    match Party::new(adults, children, infants) {
        Ok(party) => Some(party),
        Err(PartyError::TooMany) => {
            errors.add("adults", "At most 9 passengers in one booking");
            None
        }
        Err(PartyError::NoAdult) => {
            errors.add("adults", "At least one adult must travel");
            None
        }
        Err(PartyError::InfantsWithoutAdults) => {
            errors.add("infants", "Each infant sits on an adult’s lap: there are more infants than adults");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn good() -> SearchForm {
        SearchForm {
            trip: "return".into(),
            from: "lisbon".into(),
            to: "JFK".into(),
            leave: "2027-03-12".into(),
            back: "2027-03-26".into(),
            adults: "2".into(),
            children: "1".into(),
            infants: "1".into(),
            cabin: "economy".into(),
        }
    }

    fn wrong(change: impl FnOnce(&mut SearchForm)) -> Vec<String> {
        let mut form = good();
        change(&mut form);
        match form.check(Airports::world(), now()) {
            Ok(_) => Vec::new(),
            Err(bad) => bad.errors.iter().map(|(field, _)| field.to_owned()).collect(),
        }
    }

    #[test]
    fn a_good_form_becomes_a_query_and_reads_back_as_itself() {
        let query = good().check(Airports::world(), now()).unwrap();
        assert_eq!(query.slices.len(), 2);
        assert_eq!(query.slices[0].from.as_str(), "LIS");
        assert_eq!(query.slices[1].to.as_str(), "LIS");
        assert_eq!(query.party.in_words(), "2 adults, 1 child and 1 infant");
        let again = SearchForm::of(&query, Airports::world());
        assert_eq!(again.check(Airports::world(), now()), Ok(query));
    }

    #[test]
    fn one_way_ignores_the_return_date_whatever_it_is() {
        let mut form = good();
        form.trip = "oneway".into();
        form.back = "garbage".into();
        assert_eq!(form.check(Airports::world(), now()).unwrap().slices.len(), 1);
        assert!(!form.address().contains("garbage"));
    }

    #[test]
    fn each_kind_of_nonsense_is_a_message_beside_its_field() {
        type Change = fn(&mut SearchForm);
        let cases: [(Change, &str); 22] = [
            (|form| form.from = String::new(), "from"),
            (|form| form.from = "Lodnon".into(), "from"),
            (|form| form.from = "XQZ".into(), "from"),
            (|form| form.from = "a".repeat(100_000), "from"),
            (|form| form.from = "\0\u{fffd}\u{202e}".into(), "from"),
            (|form| form.to = "Lisbon".into(), "to"),
            (
                |form| {
                    form.from = "London".into();
                    form.to = "LHR".into()
                },
                "to",
            ),
            (
                |form| {
                    form.from = "LGW".into();
                    form.to = "London, all airports LON".into()
                },
                "to",
            ),
            (|form| form.leave = String::new(), "leave"),
            (|form| form.leave = "12/03/2027".into(), "leave"),
            (|form| form.leave = "2027-02-29".into(), "leave"),
            (|form| form.leave = "2026-11-21".into(), "leave"),
            (|form| form.back = "2027-03-11".into(), "back"),
            (|form| form.back = "2027-10-19".into(), "back"),
            (|form| form.back = String::new(), "back"),
            (|form| form.adults = "0".into(), "adults"),
            (|form| form.adults = "9".into(), "adults"),
            (|form| form.adults = "-1".into(), "adults"),
            (|form| form.children = "10".into(), "children"),
            (|form| form.infants = "3".into(), "infants"),
            (|form| form.cabin = "cargo".into(), "cabin"),
            (|form| form.trip = "multi".into(), "trip"),
        ];
        for (place, (change, field)) in cases.into_iter().enumerate() {
            assert_eq!(wrong(change), [field], "case {place}");
        }
    }

    #[test]
    fn today_is_the_day_at_the_place_of_departure() {
        // 12:00 UTC on the 22nd: already the 23rd on Kiritimati, still the 22nd in Lisbon.
        assert_eq!(wrong(|form| form.leave = "2026-11-22".into()), Vec::<String>::new());
        let at_midnight = "2026-11-22T23:30:00Z".parse().unwrap();
        let mut form = good();
        form.leave = "2026-11-22".into();
        form.from = "SIN".into();
        assert!(form.check(Airports::world(), at_midnight).is_err());
        form.from = "JFK".into();
        form.to = "LIS".into();
        assert!(form.check(Airports::world(), at_midnight).is_ok());
    }

    #[test]
    fn a_place_that_means_several_offers_the_choice() {
        let mut form = good();
        form.from = "birmingham".into();
        let bad = form.check(Airports::world(), now()).unwrap_err();
        let (field, choices) = &bad.choices[0];
        assert_eq!(*field, "from");
        assert!(choices.len() > 1);
        let chosen = form.with(field, &choices[0].label);
        assert!(chosen.check(Airports::world(), now()).is_ok());
    }

    #[test]
    fn a_sparse_address_is_filled_with_what_most_people_mean() {
        let form = SearchForm {
            from: "LIS".into(),
            to: "OPO".into(),
            leave: "2027-03-12".into(),
            ..SearchForm::default()
        };
        let query = form.with_defaults().check(Airports::world(), now()).unwrap();
        assert_eq!(query.slices.len(), 1);
        assert_eq!(query.party.in_words(), "1 adult");
        assert_eq!(query.cabin, Cabin::Economy);
    }

    proptest! {
        #[test]
        fn no_text_whatsoever_breaks_the_check(from in ".{0,40}", to in ".{0,40}", leave in ".{0,12}", adults in ".{0,4}") {
            let form = SearchForm { from, to, leave, adults, ..good() };
            let _ = form.check(Airports::world(), now());
            prop_assert!(!form.address().contains('\0'));
        }
    }
}
