//! Every airport of the world with scheduled service, and the cities that have several. Built once, never changed;
//! beside them what a supplier has told of others.
//! Where the data is from, and by which rules, is told in `README.md` beside this file.

mod cities;
mod find;
mod near;
mod told;

use std::{collections::HashMap, sync::OnceLock};

pub use find::{Resolved, Suggestion};

use crate::itinerary::{Airport, PlaceCode};

const AIRPORTS: &str = include_str!("airports.tsv");
/// Code, and what else people call the place: in other languages, in its own letters, as it was called before.
const EXONYMS: &str = include_str!("exonyms.tsv");
const COUNTRIES: &str = include_str!("countries.tsv");

pub struct Airports {
    airports: Vec<Airport>,
    /// 1 a small field … 6 one of the fifty busiest of the world; beside `airports`.
    sizes: Vec<u8>,
    cities: Vec<City>,
    by_code: HashMap<PlaceCode, usize>,
    city_by_code: HashMap<PlaceCode, usize>,
    countries: HashMap<&'static str, &'static str>,
    index: Vec<find::Entry>,
    /// Folded, in the order of the alphabet.
    other_names: Vec<(String, PlaceCode)>,
    told: told::Told,
}

/// A city with several airports, the most important first.
pub struct City {
    pub code: PlaceCode,
    pub name: &'static str,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    pub airports: Vec<PlaceCode>,
}

/// What a place code means.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    Airport(&'a Airport),
    City(&'a City),
}

impl Place<'_> {
    pub fn code(&self) -> PlaceCode {
        match self {
            Self::Airport(airport) => airport.code,
            Self::City(city) => city.code,
        }
    }

    /// The city, in a word: "Lisbon".
    pub fn name(&self) -> &str {
        match self {
            Self::Airport(airport) => &airport.city,
            Self::City(city) => city.name,
        }
    }

    /// "Lisbon LIS" or "London, all airports LON". Typed into the search, it means this place again.
    pub fn label(&self) -> String {
        match self {
            Self::Airport(airport) => format!("{} {}", airport.city, airport.code),
            Self::City(city) => format!("{}, all airports {}", city.name, city.code),
        }
    }

    /// ISO 3166-1 alpha-2.
    pub fn country(&self) -> &str {
        match self {
            Self::Airport(airport) => &airport.country,
            Self::City(city) => &city.country,
        }
    }
}

impl Airports {
    pub fn world() -> &'static Self {
        static WORLD: OnceLock<Airports> = OnceLock::new();
        WORLD.get_or_init(Self::read)
    }

    /// All airports, in the order of their codes. A place in this slice is an airport's index.
    pub fn all(&self) -> &[Airport] {
        &self.airports
    }

    pub fn index(&self, code: PlaceCode) -> Option<usize> {
        self.by_code.get(&code).copied()
    }

    /// 1 a small field … 6 one of the fifty busiest of the world; 0 for an unknown index.
    pub fn size(&self, index: usize) -> u8 {
        self.sizes.get(index).copied().unwrap_or(0)
    }

    /// The airport itself, even where its code also names its whole city. One that only a supplier has told of has no index.
    pub fn airport(&self, code: PlaceCode) -> Option<&Airport> {
        match self.index(code) {
            Some(at) => Some(&self.airports[at]),
            None => self.told.airport(code),
        }
    }

    pub fn place(&self, code: PlaceCode) -> Option<Place<'_>> {
        match self.city_by_code.get(&code) {
            Some(at) => Some(Place::City(&self.cities[*at])),
            None => self.airport(code).map(Place::Airport),
        }
    }

    /// The airports of a city, or the one airport itself. Empty: unknown.
    pub fn members(&self, code: PlaceCode) -> &[PlaceCode] {
        match self.place(code) {
            Some(Place::City(city)) => &city.airports,
            Some(Place::Airport(airport)) => std::slice::from_ref(&airport.code),
            None => &[],
        }
    }

    /// Airports of one city, whatever town they stand in: JFK and Newark are New York's.
    pub fn serve_one_city(&self, one: PlaceCode, other: PlaceCode) -> bool {
        let serves = |city: &City| city.airports.contains(&one) && city.airports.contains(&other);
        one == other || self.cities.iter().any(serves)
    }

    /// The English name of a country; an unknown code is its own name.
    pub fn country<'a>(&self, code: &'a str) -> &'a str {
        self.countries.get(code).copied().unwrap_or(code)
    }

    pub fn is_country(&self, code: &str) -> bool {
        self.countries.contains_key(code)
    }

    /// All countries as (code, name), in the order of their names.
    pub fn countries(&self) -> Vec<(&'static str, &'static str)> {
        let mut countries: Vec<_> = self.countries.iter().map(|(code, name)| (*code, *name)).collect();
        countries.sort_by_cached_key(|(_, name)| find::fold(name));
        countries
    }

    fn read() -> Self {
        let mut airports = Vec::with_capacity(4_500);
        let mut sizes = Vec::with_capacity(4_500);
        for line in AIRPORTS.lines() {
            // The file is part of the program and a test reads it whole: a line that does not parse cannot ship.
            if let Some((airport, size)) = read_airport(line) {
                airports.push(airport);
                sizes.push(size);
            }
        }
        let by_code: HashMap<_, _> =
            airports.iter().enumerate().map(|(at, airport)| (airport.code, at)).collect();
        let cities: Vec<City> = cities::CITIES
            .iter()
            .filter_map(|(code, name, members)| {
                let members: Vec<PlaceCode> =
                    members.split(' ').filter_map(|code| code.parse().ok()).collect();
                let first = by_code.get(members.first()?)?;
                Some(City {
                    code: code.parse().ok()?,
                    name,
                    country: airports[*first].country.clone(),
                    airports: members,
                })
            })
            .collect();
        let city_by_code = cities.iter().enumerate().map(|(at, city)| (city.code, at)).collect();
        let countries: HashMap<_, _> = COUNTRIES.lines().filter_map(|line| line.split_once('\t')).collect();
        let other_names = find::other_names(EXONYMS);
        let index = find::index(&airports, &sizes, &cities, &countries);
        Self {
            airports,
            sizes,
            cities,
            by_code,
            city_by_code,
            countries,
            index,
            other_names,
            told: told::Told::default(),
        }
    }
}

fn read_airport(line: &str) -> Option<(Airport, u8)> {
    let mut fields = line.split('\t');
    let mut next = || fields.next();
    let airport = Airport {
        code: next()?.parse().ok()?,
        name: next()?.to_owned(),
        city: next()?.to_owned(),
        country: next()?.to_owned(),
        lat_micro: micro(next()?)?,
        lon_micro: micro(next()?)?,
        zone: next()?.to_owned(),
    };
    Some((airport, next()?.parse().ok()?))
}

/// "-0.48139" → -481390: digits are read as written, so no float comes near.
fn micro(text: &str) -> Option<i32> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, part) = digits.split_once('.')?;
    let value =
        whole.parse::<i32>().ok()? * 1_000_000 + format!("{part:0<6}").get(..6)?.parse::<i32>().ok()?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> PlaceCode {
        text.parse().unwrap()
    }

    #[test]
    fn airports_of_one_city_are_known_whatever_town_they_stand_in() {
        let same = |one, other| Airports::world().serve_one_city(code(one), code(other));
        assert!(same("JFK", "EWR") && same("LHR", "LTN") && same("LIS", "LIS"));
        assert!(!same("JFK", "LAX") && !same("LIS", "OPO"));
    }

    #[test]
    fn every_line_of_the_directory_is_read_and_every_zone_loads() {
        let world = Airports::world();
        assert_eq!(world.all().len(), AIRPORTS.lines().count());
        assert!(world.all().windows(2).all(|pair| pair[0].code < pair[1].code), "sorted, no code twice");
        for airport in world.all() {
            assert!(jiff::tz::TimeZone::get(&airport.zone).is_ok(), "{} {}", airport.code, airport.zone);
            assert!(world.countries.contains_key(airport.country.as_str()), "{}", airport.country);
            assert!(airport.lat_micro.abs() <= 90_000_000 && airport.lon_micro.abs() <= 180_000_000);
            assert!(!airport.name.is_empty() && !airport.city.is_empty());
            assert!((1..=6).contains(&world.size(world.index(airport.code).unwrap())));
        }
    }

    #[test]
    fn every_city_code_has_its_airports() {
        let world = Airports::world();
        assert_eq!(world.cities.len(), cities::CITIES.len());
        for city in &world.cities {
            assert!(city.airports.len() > 1, "{}", city.code);
            for member in &city.airports {
                assert!(world.airport(*member).is_some(), "{member} of {}", city.code);
            }
        }
        for code in cities::FIRST_OF_NAME {
            assert!(world.airport(code.parse().unwrap()).is_some(), "{code}");
        }
    }

    #[test]
    fn a_code_is_an_airport_a_city_or_nothing() {
        let world = Airports::world();
        assert_eq!(world.place(code("LIS")).unwrap().label(), "Lisbon LIS");
        assert_eq!(world.place(code("LON")).unwrap().label(), "London, all airports LON");
        assert_eq!(world.members(code("LIS")), [code("LIS")]);
        assert_eq!(world.members(code("NYC")), [code("JFK"), code("EWR"), code("LGA")]);
        assert!(world.members(code("QQQ")).is_empty());
        // Hongqiao's own code names all of Shanghai when searched, and the airport when drawn.
        assert!(matches!(world.place(code("SHA")), Some(Place::City(_))));
        assert_eq!(world.airport(code("SHA")).unwrap().code, code("SHA"));
    }

    #[test]
    fn positions_are_read_digit_by_digit() {
        assert_eq!(micro("38.77004"), Some(38_770_040));
        assert_eq!(micro("-0.48139"), Some(-481_390));
        assert_eq!(micro("12"), None);
    }
}
