//! From what a person types to a place.

use std::{cmp::Reverse, collections::HashMap};

use super::{Airports, City, Place, cities::FIRST_OF_NAME};
use crate::itinerary::{Airport, PlaceCode};

/// Longer input than any place's label is not a place.
const LONGEST: usize = 120;
/// So many of the airports around are suggested beside the place that was meant, if they are so close and so large.
const MOST_AROUND: usize = 3;
const AROUND_KM: f64 = 100.0;
const SIZE_AROUND: u8 = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    pub code: PlaceCode,
    /// "Lisbon LIS", "London, all airports LON".
    pub label: String,
    /// Airport's name and country; first how far it is, where it only is close to the place that was meant.
    pub detail: String,
    /// From the place that was meant.
    pub distance_km: Option<u32>,
}

/// What typed text means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    One(PlaceCode),
    /// Best first.
    Many(Vec<Suggestion>),
    None,
}

/// One place as the search sees it; all text folded.
pub(super) struct Entry {
    code: PlaceCode,
    city: String,
    /// " lis lisbon portugal humberto delgado": each word after a space, so that " lis" finds the start of a word.
    words: String,
    /// Airport size, one more for a whole city.
    weight: u8,
    /// Before others of the same name and weight.
    leads: bool,
}

pub(super) fn index(
    airports: &[Airport],
    sizes: &[u8],
    cities: &[City],
    countries: &HashMap<&'static str, &'static str>,
) -> Vec<Entry> {
    let country = |code: &str| fold(countries.get(code).copied().unwrap_or(code));
    let of_cities = cities.iter().map(|city| {
        let name = fold(city.name);
        let words = format!(" {} {name} {} all airports", fold(city.code.as_str()), country(&city.country));
        Entry { code: city.code, city: name, words, weight: 7, leads: false }
    });
    // An airport whose code is also its city's is found through the city.
    let of_airports =
        airports.iter().zip(sizes).filter(|(airport, _)| cities.iter().all(|c| c.code != airport.code)).map(
            |(airport, size)| {
                let city = fold(&airport.city);
                let words = format!(
                    " {} {city} {} {}",
                    fold(airport.code.as_str()),
                    country(&airport.country),
                    fold(&airport.name)
                );
                Entry { code: airport.code, city, words, weight: *size, leads: leads(airport.code) }
            },
        );
    of_cities.chain(of_airports).collect()
}

/// Every name once, in the order of the alphabet. Where a name has ä, ö or ü, people write ae, oe and ue as well.
pub(super) fn other_names(told: &'static str) -> Vec<(String, PlaceCode)> {
    let of_line = |line: &'static str| {
        let (code, names) = line.split_once('\t')?;
        let code: PlaceCode = code.parse().ok()?;
        Some(names.split(", ").map(move |name| (name, code)))
    };
    let mut names = Vec::with_capacity(1_000);
    for (name, code) in told.lines().filter_map(of_line).flatten() {
        let spelled = name.to_lowercase().replace('ä', "ae").replace(['ö', 'ø'], "oe").replace('ü', "ue");
        names.extend([fold(name), fold(&spelled)].map(|name| (name, code)));
    }
    names.sort_unstable();
    names.dedup();
    names
}

impl Airports {
    /// Code first, then city, then name; accents and case do not matter.
    pub fn suggest(&self, typed: &str, limit: usize) -> Vec<Suggestion> {
        let Some(typed) = folded(typed) else { return Vec::new() };
        let found = self.ranked(&typed, limit);
        let mut suggestions: Vec<Suggestion> =
            found.iter().map(|entry| self.suggestion(entry.code)).collect();
        if suggestions.is_empty() {
            suggestions = self.suggest_told(&typed);
            suggestions.truncate(limit);
        }
        // Only where the text leaves no doubt: half a word is close to nothing yet.
        if let Some(best) = found.first().filter(|best| best.words[1..4] == *typed || best.city == typed) {
            let around = self.around(best.code, SIZE_AROUND, AROUND_KM).into_iter();
            let new = around.filter(|(airport, _)| found.iter().all(|known| known.code != airport.code));
            let room = MOST_AROUND.min(limit - suggestions.len());
            suggestions.extend(new.take(room).map(|(airport, km)| self.beside(airport, km, best.code)));
        }
        suggestions
    }

    fn beside(&self, airport: &Airport, km: u32, of: PlaceCode) -> Suggestion {
        let from = self.place(of).map(|place| place.name().to_owned()).unwrap_or_default();
        Suggestion {
            code: airport.code,
            label: Place::Airport(airport).label(),
            detail: format!("{km} km from {from}, {}, {}", airport.name, self.country(&airport.country)),
            distance_km: Some(km),
        }
    }

    /// One place if the text leaves no doubt, otherwise the choice.
    pub fn resolve(&self, typed: &str) -> Resolved {
        let Some(text) = folded(typed) else { return Resolved::None };
        if let Some(place) = self.by_typed_code(typed.trim(), &text) {
            return Resolved::One(place);
        }
        if let Some((_, code)) = self.called(&text).iter().find(|(name, _)| *name == text) {
            return Resolved::One(*code);
        }
        let found = self.ranked(&text, 8);
        let exact: Vec<&Entry> = found.iter().copied().filter(|entry| entry.city == text).collect();
        let choice = if exact.is_empty() { &found } else { &exact };
        match choice.as_slice() {
            [] => self.resolve_told(&text),
            [only] => Resolved::One(only.code),
            // "london" is not the one in Ontario, and "dubai" not its second airport.
            [best, second, ..] if !exact.is_empty() && best.weight >= second.weight + 2 => {
                Resolved::One(best.code)
            }
            [best, rest @ ..] if !exact.is_empty() && self.is_city_of(best.code, rest) => {
                Resolved::One(best.code)
            }
            many => Resolved::Many(many.iter().map(|entry| self.suggestion(entry.code)).collect()),
        }
    }

    fn is_city_of(&self, code: PlaceCode, others: &[&Entry]) -> bool {
        match self.place(code) {
            Some(Place::City(city)) => {
                others.iter().all(|entry| city.airports.contains(&entry.code) || entry.weight < 4)
            }
            _ => false,
        }
    }

    /// "LIS", or a last word that is a code which the other words agree with: "Lisbon LIS", "new york jfk".
    fn by_typed_code(&self, typed: &str, text: &str) -> Option<PlaceCode> {
        let (rest, last) = text.rsplit_once(' ').unwrap_or(("", text));
        let code: PlaceCode = last.parse().ok()?;
        let entry = self.index.iter().find(|entry| entry.code == code)?;
        if rest.is_empty() {
            // "goa" is a city and Genoa's code: only capitals mean the code then.
            let city_too =
                self.index.iter().any(|other| other.code != code && other.city == text && other.weight >= 4);
            let shouted = typed.bytes().all(|byte| byte.is_ascii_uppercase());
            return (shouted || !city_too).then_some(code);
        }
        has_all(entry, rest).then_some(code)
    }

    /// The other names that begin so.
    fn called(&self, text: &str) -> &[(String, PlaceCode)] {
        let first = self.other_names.partition_point(|(name, _)| name.as_str() < text);
        let rest = &self.other_names[first..];
        &rest[..rest.partition_point(|(name, _)| name.starts_with(text))]
    }

    fn ranked(&self, text: &str, limit: usize) -> Vec<&Entry> {
        // By place, and whether the text is only a part of its other name: the whole one stands first.
        let mut called: Vec<(PlaceCode, bool)> =
            self.called(text).iter().map(|(name, code)| (*code, name != text)).collect();
        called.sort_unstable();
        called.dedup_by_key(|(code, _)| *code);
        let is_called = |entry: &Entry| {
            let at = called.binary_search_by_key(&entry.code, |(code, _)| *code).ok()?;
            Some(!called[at].1)
        };
        let mut found: Vec<(u8, &Entry)> = self
            .index
            .iter()
            .filter_map(|entry| {
                let rank = if entry.words[1..4] == *text {
                    0
                } else if entry.city == text || is_called(entry) == Some(true) {
                    1
                } else if entry.city.starts_with(text) || is_called(entry).is_some() {
                    2
                } else if has_all(entry, text) {
                    3
                } else {
                    return None;
                };
                Some((rank, entry))
            })
            .collect();
        let order = |(rank, entry): &(u8, &Entry)| (*rank, Reverse(entry.weight), !entry.leads, entry.code);
        found.sort_unstable_by_key(order);
        found.into_iter().take(limit).map(|(_, entry)| entry).collect()
    }

    pub(super) fn suggestion(&self, code: PlaceCode) -> Suggestion {
        let (label, detail) = match self.place(code) {
            Some(place @ Place::Airport(airport)) => {
                (place.label(), format!("{}, {}", airport.name, self.country(&airport.country)))
            }
            Some(place @ Place::City(city)) => {
                let codes: Vec<&str> = city.airports.iter().map(PlaceCode::as_str).collect();
                (place.label(), format!("{}, {}", codes.join(", "), self.country(&city.country)))
            }
            None => (code.to_string(), String::new()),
        };
        Suggestion { code, label, detail, distance_km: None }
    }
}

fn leads(code: PlaceCode) -> bool {
    FIRST_OF_NAME.contains(&code.as_str())
}

/// Each word typed starts a word of the place.
fn has_all(entry: &Entry, text: &str) -> bool {
    let mut sought = String::with_capacity(16);
    text.split(' ').all(|word| {
        sought.clear();
        sought.push(' ');
        sought.push_str(word);
        entry.words.contains(&sought)
    })
}

fn folded(typed: &str) -> Option<String> {
    if typed.len() > LONGEST {
        return None;
    }
    let text = fold(typed);
    // A number alone means no place, though "Pier 11" has one in its name.
    text.contains(char::is_alphabetic).then_some(text)
}

/// Lower case, accents off, everything that is neither letter nor digit a single space. Letters of other scripts stay
/// and match nothing.
pub(super) fn fold(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars().flat_map(char::to_lowercase) {
        if letter.is_ascii_alphanumeric() {
            plain.push(letter);
        } else if let Some(base) = base_letters(letter) {
            plain.push_str(base);
        } else if letter.is_alphanumeric() {
            plain.push(letter);
        } else if is_silent(letter) {
            // "Xi'an" is typed "xian", and a combining accent belongs to the letter before it.
        } else if !plain.ends_with(' ') {
            plain.push(' ');
        }
    }
    plain.trim().to_owned()
}

fn is_silent(letter: char) -> bool {
    matches!(letter, '\'' | '’' | '‘' | 'ʻ' | '`' | '.' | '\u{300}'..='\u{36f}')
}

fn base_letters(letter: char) -> Option<&'static str> {
    Some(match letter {
        'à'..='å' | 'ā' | 'ă' | 'ą' | 'ǎ' | 'ạ'..='ặ' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' | 'ẹ'..='ệ' | 'ə' => "e",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'ĥ' | 'ħ' => "h",
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' | 'ỉ' | 'ị' => "i",
        'ĵ' => "j",
        'ķ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ò'..='ö' | 'ø' | 'ō' | 'ŏ' | 'ő' | 'ơ' | 'ọ'..='ợ' => "o",
        'œ' => "oe",
        'ŕ' | 'ŗ' | 'ř' => "r",
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => "s",
        'ß' => "ss",
        'ţ' | 'ť' | 'ŧ' | 'ț' => "t",
        'þ' => "th",
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' | 'ư' | 'ụ'..='ự' => "u",
        'ŵ' => "w",
        'ý' | 'ÿ' | 'ŷ' | 'ỳ'..='ỹ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
