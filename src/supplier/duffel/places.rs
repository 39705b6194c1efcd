//! What a text may mean by Duffel's own directory of places.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{Duffel, client::Trouble, guard::Errand, map, wire};
use crate::{itinerary::Airport, supplier::SupplierError};

/// Somebody has made a mistake in a form and waits to be told which.
const PATIENCE: Duration = Duration::from_millis(1_500);
const MOST: usize = 8;

/// An airport, or a city with its airports.
#[derive(Debug, Deserialize)]
struct Suggested {
    #[serde(flatten)]
    place: wire::Place,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    airports: Option<Vec<wire::Place>>,
}

impl Suggested {
    fn airports(self) -> Vec<wire::Place> {
        match self.kind.as_str() {
            "airport" => vec![self.place],
            _ => self.airports.unwrap_or_default(),
        }
    }
}

impl Duffel {
    pub(super) async fn suggest_places(&self, typed: &str) -> Result<Vec<Airport>, SupplierError> {
        let query: String = url::form_urlencoded::byte_serialize(typed.as_bytes()).collect();
        let path = format!("/places/suggestions?query={query}");
        let answer = self.places.get::<Vec<Value>>("places", &path, Errand::Naming, PATIENCE).await;
        let told = answer.map_err(Trouble::of_a_question)?.data;
        let mut found: Vec<Airport> = Vec::new();
        // What does not read, or has no code, zone or place on Earth, cannot be flown to from here.
        let places = told.into_iter().filter_map(|value| serde_json::from_value::<Suggested>(value).ok());
        for place in places.flat_map(Suggested::airports) {
            let airport = map::airport("place", &place, self.airports);
            found.extend(airport.ok().filter(|new| found.iter().all(|known| known.code != new.code)));
        }
        found.truncate(MOST);
        Ok(found)
    }
}
