//! Places that our own list does not have: the supplier is asked what is meant. It is not waited for long, nobody is asked
//! the same again for an hour, and where it does not answer, our own list is all there is.

use std::time::Duration;

use crate::{
    airports::Airports,
    itinerary::PlaceCode,
    meters,
    supplier::{SharedSupplier, SupplierError},
};

const KEEP: Duration = Duration::from_secs(3_600);
const MOST_KEPT: u64 = 5_000;
const SHORTEST: usize = 2;
const LONGEST: usize = 60;

#[derive(Clone)]
pub struct Places {
    supplier: SharedSupplier,
    airports: &'static Airports,
    asked: moka::future::Cache<String, ()>,
}

impl Places {
    pub fn new(supplier: SharedSupplier, airports: &'static Airports) -> Self {
        let asked = moka::future::Cache::builder().max_capacity(MOST_KEPT).time_to_live(KEEP).build();
        Self { supplier, airports, asked }
    }

    /// Has the supplier's answer learned, if there is one.
    pub async fn ask(&self, typed: &str) {
        let text = typed.trim().to_lowercase();
        let is_name = text.chars().any(char::is_alphabetic) && !text.chars().any(char::is_control);
        if !is_name || !(SHORTEST..=LONGEST).contains(&text.chars().count()) {
            return;
        }
        let asking = async {
            let meant = meters::call("supplier", "places", self.supplier.places(sought(typed))).await?;
            self.airports.learn(typed, meant);
            Ok::<(), SupplierError>(())
        };
        // What failed is kept by nobody: the next one asks again.
        if let Err(error) = self.asked.try_get_with(text, asking).await {
            tracing::info!(%error, "places were not told");
        }
    }
}

/// Of "Lisbon LIS" the code: a label of ours that another process has made.
fn sought(typed: &str) -> &str {
    let typed = typed.trim();
    let last = typed.rsplit(' ').next().unwrap_or(typed);
    let is_code = last.bytes().all(|byte| byte.is_ascii_uppercase()) && last.parse::<PlaceCode>().is_ok();
    if is_code { last } else { typed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_asked_for_by_its_code_and_a_name_as_it_is() {
        for (typed, asked) in [
            ("Quelle QQX", "QQX"),
            ("QQX", "QQX"),
            (" New Town ", "New Town"),
            ("Bad Orb", "Bad Orb"),
            ("", ""),
        ] {
            assert_eq!(sought(typed), asked, "{typed}");
        }
    }
}
