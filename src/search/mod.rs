//! Search: from a form to offers. Answers of the supplier are kept for some minutes under the canonical form of what was
//! asked, so that sorting, filtering and paging ask nobody twice.

pub mod api;
pub mod closest;
pub mod filter;
pub mod form;
pub mod month;
pub mod near;
pub mod order;
pub mod pages;
pub mod prices;
pub mod recent;
pub mod sent;
mod store;
pub mod view;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use self::prices::Prices;
use crate::{
    airports::Airports,
    clock::Clock,
    db::{Db, System, Tx},
    error::{AppError, Refusal},
    itinerary::{Offer, OfferId, SearchQuery},
    meters,
    supplier::{SharedSupplier, SupplierError},
};

/// How long an answer is served again.
const KEEP: SignedDuration = SignedDuration::from_mins(10);
/// The same, where seats go fast: in the last days before departure. And for an empty answer, which may be a hiccup.
const KEEP_SHORT: SignedDuration = SignedDuration::from_mins(2);
const LAST_DAYS: SignedDuration = SignedDuration::from_hours(3 * 24);
/// No supplier's id is longer; what is, is not asked for.
const LONGEST_ID: usize = 2_000;

/// What the pages and the API of search ask.
#[derive(Clone)]
pub struct Search {
    pub db: Db,
    pub clock: Clock,
    pub supplier: SharedSupplier,
    pub airports: &'static Airports,
    pub prices: Prices,
}

impl Search {
    pub fn new(db: Db, clock: Clock, supplier: SharedSupplier) -> Self {
        let prices = Prices::new(db.clone(), clock.clone(), supplier.clone());
        Self { db, clock, supplier, airports: Airports::world(), prices }
    }

    /// All offers for the query.
    pub async fn offers(&self, query: &SearchQuery) -> Result<Vec<Offer>, AppError> {
        search(&self.db, &self.clock, &self.supplier, query).await
    }
}

/// What is asked, in one spelling, and its hash.
struct Canonical {
    params: serde_json::Value,
    key: Vec<u8>,
}

impl Canonical {
    fn of(query: &SearchQuery) -> Result<Self, AppError> {
        // Objects of serde_json are sorted by key, so equal searches have equal text.
        let params = serde_json::to_value(query)?;
        let key = Sha256::digest(params.to_string()).to_vec();
        Ok(Self { params, key })
    }
}

/// All offers for the query: from the cache, or fresh from the supplier. None is past its time.
pub async fn search(
    db: &Db,
    clock: &Clock,
    supplier: &SharedSupplier,
    query: &SearchQuery,
) -> Result<Vec<Offer>, AppError> {
    let canonical = Canonical::of(query)?;
    let kept = store::find(db, &canonical.key, clock.now()).await?;
    meters::searched(kept.is_some());
    if let Some(offers) = kept {
        return Ok(offers);
    }
    let offers = meters::call("supplier", "search", supplier.search(query)).await.map_err(unavailable)?;
    let now = clock.now();
    let expires_at = keep_until(query, &offers, now);
    if expires_at > now {
        store::keep(db, &canonical.key, &canonical.params, &offers, now, expires_at).await?;
    }
    Ok(offers.into_iter().filter(|offer| offer.expires_at > now).collect())
}

/// Never longer than the shortest-lived offer in it.
fn keep_until(query: &SearchQuery, offers: &[Offer], now: Timestamp) -> Timestamp {
    let soon = query.slices.first().is_some_and(|slice| {
        let start =
            jiff::tz::TimeZone::UTC.to_timestamp(slice.date.to_datetime(jiff::civil::Time::midnight()));
        start.is_ok_and(|start| start.duration_since(now) < LAST_DAYS)
    });
    let keep = if soon || offers.is_empty() { KEEP_SHORT } else { KEEP };
    let latest = now.saturating_add(keep).unwrap_or(now);
    offers.iter().map(|offer| offer.expires_at).min().map_or(latest, |lapses| lapses.min(latest))
}

/// What became of an offer that somebody wants to see.
pub enum Fares {
    /// All fares of the same flights, and which of them was asked for.
    Open { offers: Vec<Offer>, chosen: usize },
    /// Its time is over. What it was, if that is known, and what the same flights cost now.
    Lapsed { was: Option<Box<Offer>>, now: Box<Offer> },
    /// What it was, if that is known.
    SoldOut { was: Option<Box<Offer>> },
}

pub async fn fares(supplier: &SharedSupplier, id: &OfferId) -> Result<Fares, AppError> {
    if id.0.len() > LONGEST_ID || !id.0.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(AppError::NotFound);
    }
    let was = || supplier.quoted(id).map(Box::new);
    match supplier.fares(id).await {
        Ok(offers) if offers.is_empty() => Ok(Fares::SoldOut { was: was() }),
        Ok(offers) => {
            let chosen = offers.iter().position(|offer| offer.id == *id).unwrap_or_default();
            Ok(Fares::Open { offers, chosen })
        }
        Err(SupplierError::Expired(now) | SupplierError::PriceUp(now)) => {
            Ok(Fares::Lapsed { was: was(), now })
        }
        Err(SupplierError::SoldOut) => Ok(Fares::SoldOut { was: was() }),
        Err(SupplierError::Gone) => Err(AppError::NotFound),
        Err(error) => Err(unavailable(error)),
    }
}

pub fn sold_out() -> AppError {
    AppError::Gone(Refusal {
        code: "sold_out",
        title: "Sold out",
        detail: "Somebody took the last seats of this offer. Other flights on these days may have some."
            .to_owned(),
    })
}

fn unavailable(error: SupplierError) -> AppError {
    AppError::Upstream {
        service: "supplier",
        reason: error.to_string(),
        detail: "We asked for flights and got no answer. This says nothing about whether there are any."
            .to_owned(),
    }
}

/// Empties the cache of what no longer holds. Run now and then by the worker.
pub async fn sweep(tx: &mut Tx<System>, now: Timestamp) -> Result<i64, AppError> {
    store::delete_expired(tx, now).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        search::form::SearchForm,
        web::components::samples::{direct, offer},
    };

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn query(from: &str, leave: &str) -> SearchQuery {
        let form =
            SearchForm { from: from.into(), to: "JFK".into(), leave: leave.into(), ..SearchForm::default() };
        form.with_defaults().check(Airports::world(), now()).unwrap()
    }

    #[test]
    fn equal_searches_share_a_key_however_they_were_typed() {
        let key = |from, leave| Canonical::of(&query(from, leave)).unwrap().key;
        let one = key("lisbon", "2027-03-12");
        assert_eq!(one.len(), 32);
        assert_eq!(one, key("  LIS ", "2027-03-12"));
        assert_ne!(one, key("OPO", "2027-03-12"));
        assert_ne!(one, key("LIS", "2027-03-13"));
    }

    #[test]
    fn an_answer_is_kept_no_longer_than_its_shortest_lived_offer() {
        let far = query("LIS", "2027-03-12");
        let mut offers = vec![offer("a", 100, vec![direct()]), offer("b", 100, vec![direct()])];
        assert_eq!(keep_until(&far, &offers, now()), now() + KEEP);
        offers[1].expires_at = now() + SignedDuration::from_mins(3);
        assert_eq!(keep_until(&far, &offers, now()), now() + SignedDuration::from_mins(3));
        offers[1].expires_at = now() - SignedDuration::from_mins(3);
        assert!(keep_until(&far, &offers, now()) < now());
    }

    #[test]
    fn close_departures_and_empty_answers_are_asked_again_soon() {
        let near = query("LIS", "2026-11-24");
        assert_eq!(keep_until(&near, &[offer("a", 100, vec![direct()])], now()), now() + KEEP_SHORT);
        assert_eq!(keep_until(&query("LIS", "2027-03-12"), &[], now()), now() + KEEP_SHORT);
    }
}
