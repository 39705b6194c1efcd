//! From what a person typed to a checked [`SearchQuery`], or to a message beside each field that does not fit.

use std::collections::BTreeMap;

use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{
    airports::{Airports, Resolved, Suggestion},
    error::FieldErrors,
    itinerary::{Cabin, Party, PartyError, PlaceCode, SearchQuery, SliceQuery},
    search::sent::Sent,
};

/// Airlines sell about this far ahead.
pub const DAYS_AHEAD: i32 = 330;
/// No place, date or number is longer than this.
const LONGEST: usize = 120;
/// The fields of each flight of a journey of several; the first are those of any search.
pub const LEGS: [[&str; 3]; 6] = [
    ["from", "to", "leave"],
    ["from2", "to2", "leave2"],
    ["from3", "to3", "leave3"],
    ["from4", "to4", "leave4"],
    ["from5", "to5", "leave5"],
    ["from6", "to6", "leave6"],
];
/// What every search has beside its flights.
const OTHERS: [&str; 6] = ["trip", "back", "adults", "children", "infants", "cabin"];

/// The search as typed, and as it stands in the address of every page about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct SearchForm {
    /// "return", "oneway" or "multi"; nothing means whatever the other fields say.
    pub trip: String,
    pub from: String,
    pub to: String,
    pub leave: String,
    pub back: String,
    pub adults: String,
    pub children: String,
    pub infants: String,
    pub cabin: String,
    /// The flights after the first, of a journey of several; five at most.
    pub more: Vec<LegForm>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LegForm {
    pub from: String,
    pub to: String,
    pub leave: String,
}

impl LegForm {
    pub fn is_empty(&self) -> bool {
        [&self.from, &self.to, &self.leave].into_iter().all(|value| value.trim().is_empty())
    }
}

/// What is wrong with a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadSearch {
    pub errors: FieldErrors,
    /// For a place that means several: the field and what to choose from.
    pub choices: Vec<(&'static str, Vec<Suggestion>)>,
}

impl From<BTreeMap<String, String>> for SearchForm {
    fn from(mut values: BTreeMap<String, String>) -> Self {
        Self::of_values(|name| values.remove(name).unwrap_or_default())
    }
}

impl From<SearchForm> for BTreeMap<String, String> {
    fn from(form: SearchForm) -> Self {
        let names = OTHERS.into_iter().chain(LEGS.into_iter().flatten());
        names.map(|name| (name.to_owned(), form.value(name).to_owned())).collect()
    }
}

impl SearchForm {
    /// From the address of a page, with a message for what stands there twice or too often.
    pub fn read(sent: &Sent, errors: &mut FieldErrors) -> Self {
        let form = Self::of_values(|name| sent.one(errors, name));
        let is_one_more = |name: &str| {
            let digits = name.trim_start_matches(|c: char| c.is_ascii_lowercase());
            let stem = &name[..name.len() - digits.len()];
            LEGS[0].contains(&stem) && digits.parse::<usize>().is_ok_and(|nth| nth > LEGS.len())
        };
        if sent.names().any(is_one_more) {
            errors.add("trip", format!("At most {} flights in one journey", LEGS.len()));
        }
        form
    }

    fn of_values(mut value: impl FnMut(&str) -> String) -> Self {
        let [trip, back, adults, children, infants, cabin] = OTHERS.map(&mut value);
        let mut legs = LEGS.map(|names| names.map(&mut value)).into_iter();
        let [from, to, leave] = legs.next().unwrap_or_default();
        let mut more: Vec<LegForm> = legs.map(|[from, to, leave]| LegForm { from, to, leave }).collect();
        let filled = more.iter().rposition(|leg| !leg.is_empty()).map_or(0, |last| last + 1);
        more.truncate(filled);
        Self { trip, from, to, leave, back, adults, children, infants, cabin, more }
    }

    /// Values that the form starts with and that a hand-written address may leave out.
    pub fn with_defaults(mut self) -> Self {
        let fill = |field: &mut String, value: &str| {
            if field.trim().is_empty() {
                value.clone_into(field);
            }
        };
        let trip = match (self.more.is_empty(), self.back.trim().is_empty()) {
            (false, _) => "multi",
            (true, true) => "oneway",
            (true, false) => "return",
        };
        fill(&mut self.trip, trip);
        fill(&mut self.adults, "1");
        fill(&mut self.children, "0");
        fill(&mut self.infants, "0");
        fill(&mut self.cabin, Cabin::Economy.code());
        self
    }

    /// The search of which an offer was an answer, or another one after editing.
    pub fn of(query: &SearchQuery, airports: &Airports) -> Self {
        Self::spelled(query, airports, |code| {
            airports.place(code).map_or(code.to_string(), |place| place.label())
        })
    }

    /// The same in as few letters as possible: equal searches have equal addresses.
    pub fn in_short(query: &SearchQuery, airports: &Airports) -> Self {
        Self::spelled(query, airports, |code| code.to_string())
    }

    fn spelled(query: &SearchQuery, airports: &Airports, place: impl Fn(PlaceCode) -> String) -> Self {
        let count = |kind| query.party.count(kind).to_string();
        let [first, rest @ ..] = query.slices.as_slice() else { return Self::default() };
        let [adults, children, infants] = crate::itinerary::PassengerKind::ALL.map(count);
        let (trip, back, rest) = match rest {
            [] => ("oneway", String::new(), rest),
            [back] if is_way_back(airports, first, back) => ("return", back.date.to_string(), &rest[1..]),
            _ => ("multi", String::new(), rest),
        };
        let leg = |slice: &SliceQuery| LegForm {
            from: place(slice.from),
            to: place(slice.to),
            leave: slice.date.to_string(),
        };
        Self {
            trip: trip.to_owned(),
            from: place(first.from),
            to: place(first.to),
            leave: first.date.to_string(),
            back,
            adults,
            children,
            infants,
            cabin: query.cabin.code().to_owned(),
            more: rest.iter().map(leg).collect(),
        }
    }

    pub fn is_return(&self) -> bool {
        self.trip != "oneway" && !self.is_multi()
    }

    pub fn is_multi(&self) -> bool {
        self.trip == "multi"
    }

    fn place_of(&self, name: &str) -> Option<(usize, usize)> {
        let at = LEGS.iter().flatten().position(|known| *known == name)?;
        Some((at / 3, at % 3))
    }

    pub fn value(&self, name: &str) -> &str {
        if let Some((leg, part)) = self.place_of(name).filter(|(leg, _)| *leg > 0) {
            let leg = self.more.get(leg - 1);
            return leg.map_or("", |leg| [&leg.from, &leg.to, &leg.leave][part]);
        }
        match name {
            "trip" => &self.trip,
            "from" => &self.from,
            "to" => &self.to,
            "leave" => &self.leave,
            "back" => &self.back,
            "adults" => &self.adults,
            "children" => &self.children,
            "infants" => &self.infants,
            "cabin" => &self.cabin,
            _ => "",
        }
    }

    /// The same search with one field of its flights changed.
    pub fn with(&self, field: &str, value: &str) -> Self {
        let mut form = self.clone();
        match (field, self.place_of(field)) {
            ("back", _) => value.clone_into(&mut form.back),
            (_, Some((0, part))) => {
                value.clone_into([&mut form.from, &mut form.to, &mut form.leave][part]);
            }
            (_, Some((leg, part))) => {
                if let Some(leg) = form.more.get_mut(leg - 1) {
                    value.clone_into([&mut leg.from, &mut leg.to, &mut leg.leave][part]);
                }
            }
            (_, None) => {}
        }
        form
    }

    /// With so many flights; a new one starts where the one before it lands.
    pub fn with_flights(mut self, count: usize) -> Self {
        let rest = count.clamp(2, LEGS.len()) - 1;
        self.more.truncate(rest);
        while self.more.len() < rest {
            let from = self.more.last().map_or_else(|| self.to.clone(), |leg| leg.to.clone());
            self.more.push(LegForm { from, ..LegForm::default() });
        }
        self
    }

    /// Every field by name, in the order of the form; what the kind of journey does not use is left out.
    pub fn fields(&self) -> Vec<(&'static str, &str)> {
        let legs = if self.is_multi() { self.more.len() + 1 } else { 1 };
        let mut names = vec!["trip"];
        names.extend(LEGS.into_iter().take(legs).flatten());
        if self.is_return() {
            names.push("back");
        }
        names.extend(["adults", "children", "infants", "cabin"]);
        names.into_iter().map(|name| (name, self.value(name))).collect()
    }

    /// "trip=return&from=Lisbon+LIS&…", for links.
    pub fn address(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(self.fields()).finish()
    }

    /// Checked, together with what reading it had to say.
    pub fn checked(
        &self,
        read: FieldErrors,
        airports: &Airports,
        now: Timestamp,
    ) -> Result<SearchQuery, BadSearch> {
        let found = match self.check(airports, now) {
            Ok(query) if read.is_empty() => return Ok(query),
            Ok(_) => BadSearch::default(),
            Err(bad) => bad,
        };
        let mut errors = read;
        for (field, message) in found.errors.iter() {
            errors.add(field, message);
        }
        Err(BadSearch { errors, ..found })
    }

    pub fn check(&self, airports: &Airports, now: Timestamp) -> Result<SearchQuery, BadSearch> {
        let mut bad = BadSearch::default();
        let slices = if self.is_multi() {
            self.flights(&mut bad, airports, now)
        } else {
            self.there_and_back(&mut bad, airports, now)
        };
        let party = party(&mut bad.errors, [&self.adults, &self.children, &self.infants]);
        let cabin = self.cabin.parse::<Cabin>().ok();
        if cabin.is_none() {
            bad.errors.add("cabin", "Choose a cabin from the list");
        }
        if !matches!(self.trip.as_str(), "return" | "oneway" | "multi") {
            bad.errors.add("trip", "Choose return, one-way or several flights");
        }
        match (slices, party, cabin) {
            (Some(slices), Some(party), Some(cabin)) if bad.errors.is_empty() => {
                Ok(SearchQuery { slices, party, cabin })
            }
            _ => Err(bad),
        }
    }

    fn there_and_back(
        &self,
        bad: &mut BadSearch,
        airports: &Airports,
        now: Timestamp,
    ) -> Option<Vec<SliceQuery>> {
        let (from, to) = self.ends(bad, airports, LEGS[0]);
        let today = today(airports, from, now);
        let leave = date(&mut bad.errors, "leave", &self.leave, today);
        let back = if self.is_return() { date(&mut bad.errors, "back", &self.back, today) } else { None };
        if let (Some(leave), Some(back)) = (leave, back)
            && back < leave
        {
            bad.errors.add("back", "You would return before you leave");
        }
        let (from, to) = (from?, to?);
        let mut slices = vec![SliceQuery { from, to, date: leave? }];
        slices.extend(back.map(|date| SliceQuery { from: to, to: from, date }));
        Some(slices)
    }

    /// A journey of several flights has two at least, in the order of their days.
    fn flights(&self, bad: &mut BadSearch, airports: &Airports, now: Timestamp) -> Option<Vec<SliceQuery>> {
        let mut slices: Vec<Option<SliceQuery>> = Vec::new();
        let mut first_day = None;
        let mut before: Option<Date> = None;
        for names in LEGS.into_iter().take(self.more.len().max(1) + 1) {
            let (from, to) = self.ends(bad, airports, names);
            let today = *first_day.get_or_insert_with(|| today(airports, from, now));
            let leave = date(&mut bad.errors, names[2], self.value(names[2]), today);
            if let (Some(before), Some(leave)) = (before, leave)
                && leave < before
            {
                bad.errors.add(names[2], "You would leave before the flight above");
            }
            before = leave.or(before);
            let slice = from.zip(to).zip(leave);
            slices.push(slice.map(|((from, to), date)| SliceQuery { from, to, date }));
        }
        slices.into_iter().collect()
    }

    fn ends(
        &self,
        bad: &mut BadSearch,
        airports: &Airports,
        [from_name, to_name, _]: [&'static str; 3],
    ) -> (Option<PlaceCode>, Option<PlaceCode>) {
        let from = place(bad, airports, from_name, self.value(from_name));
        let to = place(bad, airports, to_name, self.value(to_name));
        if let (Some(from), Some(to)) = (from, to)
            && airports.members(from).iter().any(|airport| airports.members(to).contains(airport))
        {
            bad.errors.add(to_name, "This is where you leave from. Choose another place");
        }
        (from, to)
    }
}

/// From the city of arrival to the city of departure, whichever of their airports.
fn is_way_back(airports: &Airports, out: &SliceQuery, back: &SliceQuery) -> bool {
    let city = |code| airports.place(code).map(|place| (place.name().to_owned(), place.country().to_owned()));
    let same = |a: PlaceCode, b: PlaceCode| a == b || city(a).is_some_and(|name| city(b) == Some(name));
    same(out.to, back.from) && same(out.from, back.to)
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
pub fn today(airports: &Airports, from: Option<PlaceCode>, now: Timestamp) -> Date {
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
            more: Vec::new(),
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
            (|form| form.trip = "circle".into(), "trip"),
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

    fn several() -> SearchForm {
        let leg = |from: &str, to: &str, leave: &str| LegForm {
            from: from.into(),
            to: to.into(),
            leave: leave.into(),
        };
        let more = vec![leg("JFK", "SFO", "2027-03-16"), leg("SFO", "Lisbon", "2027-03-16")];
        SearchForm { trip: "multi".into(), back: "garbage".into(), more, ..good() }
    }

    #[test]
    fn several_flights_are_checked_each_and_in_their_order() {
        let query = several().check(Airports::world(), now()).unwrap();
        assert_eq!(query.slices.len(), 3);
        let again = SearchForm::of(&query, Airports::world());
        assert_eq!((again.trip.as_str(), again.more.len()), ("multi", 2));
        assert_eq!(again.check(Airports::world(), now()), Ok(query));
        let blamed = |change: fn(&mut SearchForm)| {
            let mut form = several();
            change(&mut form);
            let bad = form.check(Airports::world(), now()).unwrap_err();
            bad.errors.iter().map(|(field, _)| field.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(blamed(|form| form.more.clear()), ["from2", "to2", "leave2"]);
        assert_eq!(blamed(|form| form.more[0] = LegForm::default()), ["from2", "to2", "leave2"]);
        assert_eq!(blamed(|form| form.more[1].leave = "2027-03-15".into()), ["leave3"]);
        assert_eq!(blamed(|form| form.more[1].to = "SFO".into()), ["to3"]);
        assert_eq!(blamed(|form| form.more[0].from = "San Jose".into()), ["from2"]);
    }

    #[test]
    fn a_journey_grows_to_six_flights_and_no_further() {
        let form = several().with_flights(9);
        assert_eq!(form.more.len(), LEGS.len() - 1);
        assert_eq!(form.more[2].from, "Lisbon", "from where the flight before lands");
        assert_eq!(form.with_flights(0).more.len(), 1);
        for (query, is_wrong) in [
            ("from6=a", false),
            ("from7=a", true),
            ("leave70=", true),
            ("to0=", false),
            ("é7=&from=b", false),
        ] {
            let mut errors = FieldErrors::default();
            SearchForm::read(&Sent::read(query), &mut errors);
            assert_eq!(errors.get("trip").is_some(), is_wrong, "{query}");
        }
    }

    #[test]
    fn there_and_back_between_airports_of_the_same_cities_is_a_return() {
        let mut query = good().check(Airports::world(), now()).unwrap();
        query.slices[0].to = "LHR".parse().unwrap();
        query.slices[1].from = "LGW".parse().unwrap();
        assert_eq!(SearchForm::of(&query, Airports::world()).trip, "return");
        query.slices[1].from = "CDG".parse().unwrap();
        let form = SearchForm::in_short(&query, Airports::world());
        assert_eq!((form.trip.as_str(), form.value("from2"), form.value("to2")), ("multi", "CDG", "LIS"));
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
