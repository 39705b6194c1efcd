//! From what a person typed to a checked [`SearchQuery`], or to a message beside each field that does not fit.

use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};

use super::{LEGS, SearchForm};
use crate::{
    airports::{Airports, Resolved, Suggestion},
    error::FieldErrors,
    itinerary::{Cabin, Party, PartyError, PlaceCode, SearchQuery, SliceQuery},
};

/// Airlines sell about this far ahead.
pub const DAYS_AHEAD: i32 = 330;
/// No place, date or number is longer than this.
const LONGEST: usize = 120;

/// What is wrong with a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadSearch {
    pub errors: FieldErrors,
    /// For a place that means several: the field and what to choose from.
    pub choices: Vec<(&'static str, Vec<Suggestion>)>,
    /// Fields with a place that our own list does not have.
    pub unknown: Vec<&'static str>,
}

impl SearchForm {
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
            bad.errors
                .add("cabin", format!("“{}” is no cabin. Choose one from the list", shown(&self.cabin)));
        }
        if !matches!(self.trip.as_str(), "return" | "oneway" | "multi") {
            let typed = shown(&self.trip);
            bad.errors.add("trip", format!("“{typed}” is no kind of journey. Choose one of these"));
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

/// So much of what was typed as a message can carry.
fn shown(typed: &str) -> String {
    typed.trim().chars().take(20).collect()
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
            bad.unknown.push(field);
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

/// Each count that is wrong has its own message, whatever the others are.
fn party(errors: &mut FieldErrors, typed: [&String; 3]) -> Option<Party> {
    let mut counts = [None; 3];
    for (place, field) in ["adults", "children", "infants"].into_iter().enumerate() {
        match typed[place].trim().parse::<u8>() {
            Ok(count) if count <= Party::LARGEST => counts[place] = Some(count),
            Ok(_) => errors.add(field, "At most 9 passengers in one booking"),
            Err(_) => errors.add(field, "Choose a number from the list"),
        }
    }
    let [adults, children, infants] = counts;
    if adults == Some(0) {
        errors.add("adults", "At least one adult must travel");
    }
    if adults.zip(infants).is_some_and(|(adults, infants)| infants > adults) {
        errors.add("infants", "Each infant sits on an adult’s lap: there are more infants than adults");
    }
    match Party::new(adults?, children?, infants?) {
        Ok(party) => Some(party),
        Err(PartyError::TooMany) => {
            errors.add("adults", "At most 9 passengers in one booking");
            None
        }
        // Said above, beside what is to be changed.
        Err(PartyError::NoAdult | PartyError::InfantsWithoutAdults) => None,
    }
}
