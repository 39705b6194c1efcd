//! Which airports are close to a place.

use super::Airports;
use crate::itinerary::{Airport, PlaceCode};

impl Airports {
    /// The airports around a place with at least this size, the nearest first, with their distance in kilometres. Never one
    /// of the place's own.
    pub fn around(&self, place: PlaceCode, size: u8, farthest_km: f64) -> Vec<(&Airport, u32)> {
        let members = self.members(place);
        let Some(here) = members.first().and_then(|code| self.airport(*code)) else { return Vec::new() };
        let mut found: Vec<(&Airport, f64)> = self
            .airports
            .iter()
            .zip(&self.sizes)
            .filter(|(airport, own)| **own >= size && !members.contains(&airport.code))
            .map(|(airport, _)| (airport, kilometres(here, airport)))
            .filter(|(_, distance)| *distance <= farthest_km)
            .collect();
        found.sort_by(|a, b| a.1.total_cmp(&b.1));
        found.into_iter().map(|(airport, distance)| (airport, whole(distance))).collect()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and half way round the world"
)]
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
    fn around_a_city_are_the_airports_that_are_not_its_own_nearest_first() {
        let found = Airports::world().around("LON".parse().unwrap(), 3, 200.0);
        assert!(found.is_sorted_by_key(|(_, km)| *km));
        assert!(found.iter().any(|(airport, km)| airport.code.as_str() == "BHX" && (140..190).contains(km)));
        assert!(found.iter().all(|(airport, _)| airport.code.as_str() != "LGW"));
    }
}
