//! Search: from a form to offers. Answers of the supplier are kept for some minutes under the canonical form of what was
//! asked, so that sorting, filtering and paging ask nobody twice.

pub mod api;
pub mod cache;
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

use std::sync::Arc;

use jiff::Timestamp;

use self::{
    cache::{Answer, Cache, NoAnswer},
    prices::Prices,
};
use crate::{
    airports::Airports,
    clock::Clock,
    db::{Db, System, Tx},
    error::{AppError, Refusal},
    itinerary::{Offer, OfferId, SearchQuery},
    supplier::{SharedSupplier, SupplierError},
};

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
    cache: Cache,
}

impl Search {
    pub fn new(db: Db, clock: Clock, supplier: SharedSupplier) -> Self {
        let prices = Prices::new(db.clone(), clock.clone(), supplier.clone());
        let cache = Cache::new(db.clone(), clock.clone(), supplier.clone(), cache::PATIENCE);
        Self { db, clock, supplier, airports: Airports::world(), prices, cache }
    }

    /// All offers for the query: from the cache, or fresh from the supplier. None is past its time.
    pub async fn offers(&self, query: &SearchQuery) -> Result<Arc<Answer>, NoAnswer> {
        let answer = self.cache.look(query).await?;
        if answer.is_empty() && answer.left_out > 0 {
            // "Nothing is for sale" would be untrue.
            return Err(NoAnswer::Silent(format!("none of {} offers can be shown", answer.left_out)));
        }
        Ok(answer)
    }
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
    AppError::Gone(all_taken())
}

pub fn all_taken() -> Refusal {
    Refusal {
        code: "sold_out",
        title: "Sold out",
        detail: "Somebody took the last seats of this offer. Other flights on these days may have some."
            .to_owned(),
    }
}

fn unavailable(error: SupplierError) -> AppError {
    NoAnswer::Silent(error.to_string()).into()
}

/// Empties the cache of what no longer holds. Run now and then by the worker.
pub async fn sweep(tx: &mut Tx<System>, now: Timestamp) -> Result<i64, AppError> {
    store::delete_expired(tx, now).await
}
