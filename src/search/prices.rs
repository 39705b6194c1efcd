//! What days cost at the least: for the strip above a list, for the month, and where a search found nothing. The supplier
//! is asked where it can tell; otherwise what searches of the last minutes have shown. What nobody knows stays unknown.

use std::{
    collections::HashMap,
    ops::RangeInclusive,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Span, Timestamp, civil::Date};

use crate::{
    clock::Clock,
    db::Db,
    error::AppError,
    itinerary::{SearchQuery, SliceQuery},
    meters,
    money::Money,
    search::{cache::Canonical, store, unavailable},
    supplier::SharedSupplier,
};

/// Days before and after a search's own that are shown beside it.
pub const AROUND: i32 = 3;
/// How long an answer is shown again; what is opened is asked afresh in any case.
const KEEP: SignedDuration = SignedDuration::from_mins(10);
/// Answers in memory, some hundred bytes each.
const MOST_KEPT: usize = 4_000;

/// Who knew it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Supplier,
    /// Searches that somebody made here some minutes ago.
    Searches,
}

/// By day, or by pair of days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lowest<By = i32> {
    /// By how many days the dates are moved, and the lowest total then.
    pub days: Vec<(By, Option<Money>)>,
    pub asked_at: Timestamp,
    pub source: Source,
}

/// Of a return by how many days the way out is moved, and the way back.
pub type Pair = (i32, i32);

impl<By> Lowest<By> {
    pub fn cheapest(&self) -> Option<Money> {
        self.days.iter().filter_map(|(_, total)| *total).min_by_key(|total| total.minor)
    }
}

#[derive(Clone)]
pub struct Prices {
    db: Db,
    clock: Clock,
    supplier: SharedSupplier,
    days: Kept<i32>,
    pairs: Kept<Pair>,
}

impl Prices {
    pub fn new(db: Db, clock: Clock, supplier: SharedSupplier) -> Self {
        Self { db, clock, supplier, days: Kept::default(), pairs: Kept::default() }
    }

    /// The lowest total of the search with all its dates moved by each of these numbers of days.
    pub async fn around(&self, query: &SearchQuery, moves: RangeInclusive<i32>) -> Result<Lowest, AppError> {
        let question = (query.clone(), *moves.start(), *moves.end());
        if let Some(kept) = self.days.get(&question, self.clock.now()) {
            return Ok(kept);
        }
        let asking = self.supplier.lowest_totals(query, moves.clone());
        let told = meters::call("supplier", "lowest_totals", asking).await.map_err(unavailable)?;
        let places: Vec<i32> = moves.collect();
        let searches = places.iter().map(|by| moved(query, [*by; 2])).collect();
        let lowest = self.lowest(places, told, searches).await?;
        self.days.keep(question, &lowest);
        Ok(lowest)
    }

    /// The lowest total of a return with each of its dates moved by up to so many days either way.
    pub async fn pairs(&self, query: &SearchQuery, around: i32) -> Result<Lowest<Pair>, AppError> {
        let question = (query.clone(), -around, around);
        if let Some(kept) = self.pairs.get(&question, self.clock.now()) {
            return Ok(kept);
        }
        let asking = self.supplier.lowest_of_pairs(query, -around..=around);
        let told = meters::call("supplier", "lowest_of_pairs", asking).await.map_err(unavailable)?;
        let places: Vec<Pair> =
            (-around..=around).flat_map(|back| (-around..=around).map(move |out| (out, back))).collect();
        let searches = places.iter().map(|(out, back)| moved(query, [*out, *back])).collect();
        let lowest = self.lowest(places, told, searches).await?;
        self.pairs.keep(question, &lowest);
        Ok(lowest)
    }

    /// What was told, or else what these searches have shown.
    async fn lowest<By>(
        &self,
        places: Vec<By>,
        told: Option<Vec<Option<Money>>>,
        searches: Result<Vec<SearchQuery>, AppError>,
    ) -> Result<Lowest<By>, AppError> {
        let asked_at = self.clock.now();
        let (totals, source) = match told {
            Some(totals) => (totals, Source::Supplier),
            None => (self.seen(&searches?, asked_at).await?, Source::Searches),
        };
        Ok(Lowest { days: places.into_iter().zip(totals).collect(), asked_at, source })
    }

    async fn seen(&self, searches: &[SearchQuery], now: Timestamp) -> Result<Vec<Option<Money>>, AppError> {
        let key = |query| Ok(Canonical::of(query, self.supplier.name())?.key.to_vec());
        let keys: Vec<Vec<u8>> = searches.iter().map(key).collect::<Result<_, AppError>>()?;
        let seen = store::lowest(&self.db, &keys, now).await?;
        Ok(keys.iter().map(|key| seen.get(key).copied()).collect())
    }
}

type Question = (SearchQuery, i32, i32);

/// What the supplier has told in the last minutes.
#[derive(Clone)]
struct Kept<By>(Arc<Mutex<HashMap<Question, Lowest<By>>>>);

impl<By> Default for Kept<By> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<By: Clone> Kept<By> {
    fn get(&self, question: &Question, now: Timestamp) -> Option<Lowest<By>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(question).filter(|lowest| is_fresh(lowest, now)).cloned()
    }

    /// Not what searches have shown: that changes with the next of them.
    fn keep(&self, question: Question, lowest: &Lowest<By>) {
        if lowest.source == Source::Searches {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_KEPT {
            kept.retain(|_, known| is_fresh(known, lowest.asked_at));
        }
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(question, lowest.clone());
    }
}

fn is_fresh<By>(lowest: &Lowest<By>, now: Timestamp) -> bool {
    now.duration_since(lowest.asked_at) < KEEP
}

pub fn moved_by(date: Date, days: i32) -> Date {
    date.saturating_add(Span::new().days(days))
}

/// The same search with its first date and all later ones moved.
pub fn moved(query: &SearchQuery, [first, rest]: [i32; 2]) -> Result<SearchQuery, AppError> {
    let day = |date: Date, by| {
        date.checked_add(Span::new().days(by)).map_err(|error| AppError::broken(error.to_string()))
    };
    let slice = |(nth, slice): (usize, &SliceQuery)| {
        Ok(SliceQuery { date: day(slice.date, if nth == 0 { first } else { rest })?, ..*slice })
    };
    let slices = query.slices.iter().enumerate().map(slice);
    Ok(SearchQuery { slices: slices.collect::<Result<_, AppError>>()?, ..query.clone() })
}
