//! Places that the directory does not have and a supplier has told of: kept while the process runs, a bounded number. What the
//! directory has is changed by nobody.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use super::{
    Airports, Place, Suggestion,
    find::{Resolved, fold},
};
use crate::itinerary::{Airport, PlaceCode};

/// Some hundred bytes each.
const MOST_AIRPORTS: usize = 2_000;
const MOST_TEXTS: usize = 10_000;

#[derive(Default)]
pub(super) struct Told(RwLock<Known>);

#[derive(Default)]
struct Known {
    /// They live as long as the directory, which is for ever.
    airports: HashMap<PlaceCode, &'static Airport>,
    /// Folded.
    texts: HashMap<String, Vec<PlaceCode>>,
}

impl Told {
    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn airport(&self, code: PlaceCode) -> Option<&'static Airport> {
        self.known().airports.get(&code).copied()
    }
}

impl Airports {
    /// What a supplier understands by a text that the directory has nothing for.
    pub fn learn(&self, typed: &str, meant: Vec<Airport>) {
        let mut codes = Vec::with_capacity(meant.len());
        for airport in meant {
            let code = airport.code;
            if self.place(code).is_none() {
                let mut known = self.told.0.write().unwrap_or_else(PoisonError::into_inner);
                if known.airports.len() >= MOST_AIRPORTS {
                    continue;
                }
                known.airports.entry(code).or_insert_with(|| Box::leak(Box::new(airport)));
            }
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        let mut known = self.told.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.texts.len() >= MOST_TEXTS {
            known.texts.clear();
        }
        if !codes.is_empty() {
            known.texts.insert(fold(typed), codes);
        }
    }

    /// For a text that the directory has nothing for. A name is never taken for what it was understood as without asking.
    pub(super) fn resolve_told(&self, text: &str) -> Resolved {
        let is_meant = |airport: &&&Airport| {
            fold(&Place::Airport(airport).label()) == text || fold(airport.code.as_str()) == text
        };
        let exact = self.told.known().airports.values().find(is_meant).map(|airport| airport.code);
        match exact {
            Some(code) => Resolved::One(code),
            None => match self.suggest_told(text) {
                none if none.is_empty() => Resolved::None,
                many => Resolved::Many(many),
            },
        }
    }

    pub(super) fn suggest_told(&self, text: &str) -> Vec<Suggestion> {
        let codes = self.told.known().texts.get(text).cloned().unwrap_or_default();
        codes.into_iter().map(|code| self.suggestion(code)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(code: &str, city: &str) -> Airport {
        Airport {
            code: code.parse().unwrap(),
            name: "Field".to_owned(),
            city: city.to_owned(),
            country: "DE".to_owned(),
            zone: "Europe/Berlin".to_owned(),
            lat_micro: 50_000_000,
            lon_micro: 9_000_000,
        }
    }

    #[test]
    fn what_a_supplier_tells_is_a_choice_and_then_a_place_and_changes_nothing_that_is_known() {
        // A directory of its own: the world is shared by all tests.
        let world = Airports::read();
        let text = "Quellenstadt am Berg";
        assert_eq!(world.resolve(text), Resolved::None);
        let lisbon = field("LIS", "Another Lisbon");
        world.learn(text, vec![field("QQX", "Quellenstadt"), lisbon, field("QQX", "Twice")]);
        let Resolved::Many(choice) = world.resolve("quellenstadt  AM berg") else { panic!("a choice") };
        let labels: Vec<&str> = choice.iter().map(|one| one.label.as_str()).collect();
        assert_eq!(labels, ["Quellenstadt QQX", "Lisbon LIS"]);
        assert_eq!(world.suggest(text, 20), choice);
        let code: PlaceCode = "QQX".parse().unwrap();
        for typed in ["QQX", "Quellenstadt QQX", "quellenstadt qqx"] {
            assert_eq!(world.resolve(typed), Resolved::One(code), "{typed}");
        }
        assert_eq!(world.place(code).map(|place| place.label()).as_deref(), Some("Quellenstadt QQX"));
        assert_eq!(world.members(code), [code]);
        assert!(world.index(code).is_none(), "no part of the directory");
        assert_eq!(world.resolve("Quellenstadt"), Resolved::None, "nobody has asked for that");
    }
}
