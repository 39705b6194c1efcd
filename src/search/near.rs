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
    let members = airports.members(place);
    let Some(here) = members.first().and_then(|code| airports.airport(*code)) else { return Vec::new() };
    let size = |code: &PlaceCode| airports.index(*code).map_or(0, |index| airports.size(index));
    let own = members.iter().map(size).max().unwrap_or_default();
    let mut found: Vec<(&Airport, f64)> = airports
        .all()
        .iter()
        .enumerate()
        .filter(|(index, _)| airports.size(*index) >= LARGE.max(own + 1))
        .map(|(_, airport)| (airport, kilometres(here, airport)))
        .filter(|(_, distance)| *distance <= FARTHEST_KM)
        .collect();
    found.sort_by(|a, b| a.1.total_cmp(&b.1));
    found.into_iter().take(most).map(|(airport, distance)| (airport, whole(distance))).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and FARTHEST_KM")]
fn whole(distance: f64) -> u32 {
    distance.round() as u32
}

fn kilometres(a: &Airport, b: &Airport) -> f64 {
    let radians = |micro: i32| (f64::from(micro) / 1e6).to_radians();
    let (lat_a, lat_b) = (radians(a.lat_micro), radians(b.lat_micro));
    let half = |angle: f64| (angle / 2.0).sin().powi(2);
    let h =
        half(lat_b - lat_a) + lat_a.cos() * lat_b.cos() * half(radians(b.lon_micro) - radians(a.lon_micro));
    2.0 * 6_371.0 * h.sqrt().min(1.0).asin()
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
