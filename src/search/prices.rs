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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lowest {
    /// By how many days all dates are moved, and the lowest total then.
    pub days: Vec<(i32, Option<Money>)>,
    pub asked_at: Timestamp,
    pub source: Source,
}

impl Lowest {
    pub fn cheapest(&self) -> Option<Money> {
        self.days.iter().filter_map(|(_, total)| *total).min_by_key(|total| total.minor)
    }
}

type Question = (SearchQuery, i32, i32);

#[derive(Clone)]
pub struct Prices {
    db: Db,
    clock: Clock,
    supplier: SharedSupplier,
    kept: Arc<Mutex<HashMap<Question, Lowest>>>,
}

impl Prices {
    pub fn new(db: Db, clock: Clock, supplier: SharedSupplier) -> Self {
        Self { db, clock, supplier, kept: Arc::default() }
    }

    /// The lowest total of the search with all its dates moved by each of these numbers of days.
    pub async fn around(&self, query: &SearchQuery, moves: RangeInclusive<i32>) -> Result<Lowest, AppError> {
        let now = self.clock.now();
        let question = (query.clone(), *moves.start(), *moves.end());
        if let Some(kept) = self.kept(&question, now) {
            return Ok(kept);
        }
        let asking = self.supplier.lowest_totals(query, moves.clone());
        let told = meters::call("supplier", "lowest_totals", asking).await.map_err(unavailable)?;
        let (totals, source) = match told {
            Some(totals) => (totals, Source::Supplier),
            None => (self.seen(query, moves.clone(), now).await?, Source::Searches),
        };
        let lowest = Lowest { days: moves.zip(totals).collect(), asked_at: now, source };
        // What searches have shown changes with the next of them.
        if source == Source::Supplier {
            self.keep(question, lowest.clone(), now);
        }
        Ok(lowest)
    }

    async fn seen(
        &self,
        query: &SearchQuery,
        moves: RangeInclusive<i32>,
        now: Timestamp,
    ) -> Result<Vec<Option<Money>>, AppError> {
        let keys: Vec<Vec<u8>> = moves
            .map(|by| {
                moved(query, by)
                    .and_then(|query| Ok(Canonical::of(&query, self.supplier.name())?.key.to_vec()))
            })
            .collect::<Result<_, _>>()?;
        let seen = store::lowest(&self.db, &keys, now).await?;
        Ok(keys.iter().map(|key| seen.get(key).copied()).collect())
    }

    fn kept(&self, question: &Question, now: Timestamp) -> Option<Lowest> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(question).filter(|lowest| is_fresh(lowest, now)).cloned()
    }

    fn keep(&self, question: Question, lowest: Lowest, now: Timestamp) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_KEPT {
            kept.retain(|_, lowest| is_fresh(lowest, now));
        }
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(question, lowest);
    }
}

fn is_fresh(lowest: &Lowest, now: Timestamp) -> bool {
    now.duration_since(lowest.asked_at) < KEEP
}

/// The same search with all its dates moved.
pub fn moved(query: &SearchQuery, by: i32) -> Result<SearchQuery, AppError> {
    let day =
        |date: Date| date.checked_add(Span::new().days(by)).map_err(|e| AppError::broken(e.to_string()));
    let slices = query.slices.iter().map(|slice| Ok(SliceQuery { date: day(slice.date)?, ..*slice }));
    Ok(SearchQuery { slices: slices.collect::<Result<_, AppError>>()?, ..query.clone() })
}
