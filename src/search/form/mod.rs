//! The search as a person typed it, and as it stands in the address of every page about it.

mod check;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    airports::Airports,
    error::FieldErrors,
    itinerary::{Cabin, PlaceCode, SearchQuery, SliceQuery},
    search::sent::Sent,
};

pub use self::check::{BadSearch, DAYS_AHEAD, today};

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
}

/// From the city of arrival to the city of departure, whichever of their airports.
fn is_way_back(airports: &Airports, out: &SliceQuery, back: &SliceQuery) -> bool {
    let city = |code| airports.place(code).map(|place| (place.name().to_owned(), place.country().to_owned()));
    let same = |a: PlaceCode, b: PlaceCode| a == b || city(a).is_some_and(|name| city(b) == Some(name));
    same(out.to, back.from) && same(out.from, back.to)
}
