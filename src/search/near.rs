//! Larger airports close by: where a place has nothing, the next one may.

use crate::{
    airports::Airports,
    itinerary::{Airport, PlaceCode},
};

/// Sizes from here on have flights to many places.
const LARGE: u8 = 4;
const FARTHEST_KM: f64 = 600.0;

/// The nearest airports that are large, and larger than the place itself, with their distance.
pub fn near(airports: &Airports, place: PlaceCode, most: usize) -> Vec<(&Airport, u32)> {
    let size = |code: &PlaceCode| airports.index(*code).map_or(0, |index| airports.size(index));
    let own = airports.members(place).iter().map(size).max().unwrap_or_default();
    let mut found = airports.around(place, LARGE.max(own + 1), FARTHEST_KM);
    found.truncate(most);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_large_airports_come_first_and_never_the_place_itself() {
        let airports = Airports::world();
        let found = near(airports, "VGO".parse().unwrap(), 3);
        assert!(found.iter().any(|(airport, km)| airport.code.as_str() == "OPO" && (100..130).contains(km)));
        assert!(found.is_sorted_by_key(|(_, km)| *km));
        assert!(found.iter().all(|(airport, _)| airport.code.as_str() != "VGO"));
    }

    #[test]
    fn from_one_of_the_largest_there_is_nowhere_larger() {
        assert!(near(Airports::world(), "LON".parse().unwrap(), 5).is_empty());
    }

    #[test]
    fn an_unknown_place_has_no_neighbours() {
        assert!(near(Airports::world(), "QQQ".parse().unwrap(), 3).is_empty());
    }
}
