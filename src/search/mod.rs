//! Search: from a form to offers. Answers of the supplier are kept for some minutes under the canonical form of what was
//! asked, so that sorting, filtering and paging ask nobody twice.

pub mod api;
pub mod cache;
pub mod choices;
pub mod closest;
pub mod filter;
pub mod form;
pub mod instead;
pub mod month;
pub mod near;
pub mod order;
pub mod pages;
pub mod pairs;
mod places;
pub mod prices;
pub mod recent;
pub mod sent;
pub mod shelf;
mod store;
pub mod view;

use std::{ops::Deref, sync::Arc};

use jiff::Timestamp;

use self::{
    cache::{Answer, Cache, NoAnswer, PATIENCE},
    choices::{Choices, Pick},
    form::{BadSearch, SearchForm},
    places::Places,
    prices::{AROUND, Lowest, Prices, Source, moved},
    shelf::Shelf,
};
use crate::{
    airports::{Airports, Suggestion},
    clock::Clock,
    db::{Db, System, Tx},
    error::{AppError, FieldErrors, Refusal},
    itinerary::{Offer, OfferId, SearchQuery},
    money::Money,
    supplier::{SharedSupplier, SupplierError},
};

/// No supplier's id is longer; what is, is not asked for.
const LONGEST_ID: usize = 2_000;

/// What the pages and the API of search ask: one pointer, which each request takes along.
#[derive(Clone)]
pub struct Search(Arc<Pieces>);

/// Seen through [`Search`].
pub struct Pieces {
    pub db: Db,
    pub clock: Clock,
    pub supplier: SharedSupplier,
    pub airports: &'static Airports,
    pub prices: Prices,
    places: Places,
    cache: Cache,
    shelf: Shelf,
}

impl Deref for Search {
    type Target = Pieces;
    fn deref(&self) -> &Pieces {
        &self.0
    }
}

impl Search {
    pub fn new(db: Db, clock: Clock, supplier: SharedSupplier) -> Self {
        let prices = Prices::new(db.clone(), clock.clone(), supplier.clone());
        let cache = Cache::new(db.clone(), clock.clone(), supplier.clone(), PATIENCE);
        let airports = Airports::world();
        let places = Places::new(supplier.clone(), airports);
        let shelf = Shelf::default();
        Self(Arc::new(Pieces { db, clock, supplier, airports, prices, places, cache, shelf }))
    }

    /// What a text may mean: by our own list, or where that has nothing by the supplier's.
    pub async fn suggest(&self, typed: &str, most: usize) -> Vec<Suggestion> {
        let own = self.airports.suggest(typed, most);
        if !own.is_empty() {
            return own;
        }
        self.places.ask(typed).await;
        self.airports.suggest(typed, most)
    }

    /// The form checked, together with what reading it had to say. Two of the places that our own list does not have are asked
    /// of the supplier: nobody waits for more.
    pub async fn checked(&self, form: &SearchForm, read: FieldErrors) -> Result<SearchQuery, BadSearch> {
        let check = |read| form.checked(read, self.airports, self.clock.now());
        let bad = match check(read.clone()) {
            Err(bad) if !bad.unknown.is_empty() => bad,
            other => return other,
        };
        let mut unknown = bad.unknown.iter().map(|field| form.value(field));
        let ask = async |typed: Option<&str>| {
            if let Some(typed) = typed {
                self.places.ask(typed).await;
            }
        };
        tokio::join!(ask(unknown.next()), ask(unknown.next()));
        check(read)
    }

    /// All offers for the query: from the cache, or fresh from the supplier. None is past its time.
    pub async fn offers(&self, query: &SearchQuery) -> Result<Arc<Answer>, NoAnswer> {
        self.cache.look(query).await.and_then(with_something)
    }

    /// A choice as an offer.
    pub fn offer_of(&self, choices: &Choices<'_>, pick: &Pick) -> Result<Offer, AppError> {
        let parts = choices.parts(&pick.ways);
        let other =
            |offer: &'_ Offer| pick.fare.checked_sub(1).and_then(|at| offer.other_fares.get(at).cloned());
        if let [whole] = parts.as_slice() {
            return Ok(other(whole).map_or_else(|| (*whole).clone(), |other| whole.at(&other)));
        }
        let ids: Vec<OfferId> =
            parts.iter().map(|part| other(part).map_or_else(|| part.id.clone(), |other| other.id)).collect();
        let offer = self.supplier.together(&ids.iter().collect::<Vec<_>>());
        let offer = offer.filter(|offer| offer.total == pick.total);
        offer.ok_or_else(|| AppError::broken("ways of one search are no offer together"))
    }

    /// The same, and what the days around cost, as far as anybody knows: told with the answer, or seen by other searches in
    /// the statement that read it.
    pub async fn offers_and_days(
        &self,
        query: &SearchQuery,
    ) -> (Result<Arc<Answer>, NoAnswer>, Option<Lowest>) {
        let others: Result<Vec<SearchQuery>, AppError> =
            (-AROUND..=AROUND).map(|by| moved(query, [by; 2])).collect();
        let (answer, seen) = match others {
            Ok(others) => self.cache.look_around(query, &others).await,
            Err(error) => (Err(error.into()), None),
        };
        let told = answer.as_ref().ok().and_then(|answer| answer.days.clone());
        let known = |totals: Vec<Option<Money>>, asked_at, source| {
            Some(Lowest { days: (-AROUND..=AROUND).zip(totals).collect(), asked_at, source })
        };
        let days = match (told, seen) {
            (Some(told), _) => known(told.totals, told.asked_at, Source::Supplier),
            (None, Some(seen)) => known(seen, self.clock.now(), Source::Searches),
            // The list was in memory. A strip without its list would be worse than a list without its strip.
            (None, None) => {
                let asking = self.prices.around(query, -AROUND..=AROUND);
                tokio::time::timeout(PATIENCE, asking).await.ok().and_then(Result::ok)
            }
        };
        (answer.and_then(with_something), days)
    }
}

/// "Nothing is for sale" would be untrue of offers that cannot be shown.
fn with_something(answer: Arc<Answer>) -> Result<Arc<Answer>, NoAnswer> {
    if answer.is_empty() && answer.left_out > 0 {
        return Err(NoAnswer::Silent(format!("none of {} offers can be shown", answer.left_out)));
    }
    Ok(answer)
}

/// What became of an offer that somebody wants to see.
pub enum Fares {
    /// All fares of the same flights, and which of them was asked for.
    Open { offers: Vec<Offer>, chosen: usize },
    /// Its time is over. What it was, if that is known, and what the same flights cost now.
    Lapsed { was: Option<Box<Offer>>, now: Box<Offer> },
    /// Its flights have left, or leave too soon to be sold.
    Closed { was: Box<Offer> },
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
        // What we can still read was an offer of ours once: it was not mistyped.
        Err(SupplierError::Gone) => was().map(|was| Fares::Closed { was }).ok_or(AppError::NotFound),
        Err(error) => Err(unavailable(error)),
    }
}

pub fn sold_out() -> AppError {
    AppError::Gone(all_taken())
}

pub fn closed() -> Refusal {
    Refusal {
        code: "offer_closed",
        title: "These flights are no longer sold",
        detail: "They have left, or leave too soon to be booked.".to_owned(),
    }
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
