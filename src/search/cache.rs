//! The search cache: one spelling for equal searches, the process's memory over the table, and one question to the supplier
//! for however many ask it at once, here or in another process.
//!
//! An answer is fresh for some minutes. After that it is still served, as long as all its offers hold, while somebody asks
//! again behind the page. Whoever finds nothing waits for the one who asks, but not longer than a page may take.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::{sync::watch, time};
use tracing::Instrument;

use crate::{
    clock::Clock,
    db::Db,
    error::AppError,
    itinerary::{Offer, SearchQuery},
    meters,
    money::Money,
    search::{prices::AROUND, store},
    supplier::{Found, SharedSupplier},
};

/// How long an answer is fresh.
const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// The same, where seats go fast: in the last days before departure. And for an empty answer, which may be a hiccup.
const FRESH_SHORT: SignedDuration = SignedDuration::from_mins(2);
const LAST_DAYS: SignedDuration = SignedDuration::from_hours(3 * 24);
/// How long beyond that it may be served while it is asked for anew.
const STALE: SignedDuration = SignedDuration::from_mins(10);
/// A page answers within three seconds, with what there is.
pub const PATIENCE: Duration = Duration::from_millis(2_700);
const PATIENCE_FOR_DAYS: Duration = Duration::from_millis(2_000);
/// Longer than any supplier is waited for: whoever has claimed a question and not answered it by then is gone.
const CLAIM: SignedDuration = SignedDuration::from_secs(30);
/// How often the table is looked at while another process asks.
const LOOK_AGAIN: Duration = Duration::from_millis(150);
/// So many offers are kept in memory: some tens of megabytes.
const MOST_OFFERS: u64 = 20_000;

/// What these mean for whoever asked.
pub const SILENT: &str =
    "We asked for flights and got no answer. This says nothing about whether there are any.";
pub const LATE: &str = "The airlines have not answered yet. This says nothing about whether there are any flights. We go on \
                        asking: look again in a few seconds.";

pub type Key = [u8; 32];

/// What was found, and when: whole offers, or of a journey of several slices the ways of each.
#[derive(Clone, Debug)]
pub struct Answer {
    pub offers: Vec<Offer>,
    /// As in [`crate::supplier::Found`].
    pub ways: Vec<Vec<Offer>>,
    /// Offers that the supplier made and that we cannot show.
    pub left_out: u32,
    pub asked_at: Timestamp,
    pub fresh_until: Timestamp,
    /// No offer in it is past its time before this.
    pub expires_at: Timestamp,
    /// What the days around cost, where the supplier tells that.
    pub days: Option<DaysAround>,
}

/// The lowest totals of the search moved by [`AROUND`] days and less, told with an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaysAround {
    pub asked_at: Timestamp,
    pub totals: Vec<Option<Money>>,
}

impl Answer {
    pub const fn is_empty(&self) -> bool {
        self.offers.is_empty() && self.ways.is_empty()
    }

    fn parts(&self) -> usize {
        self.offers.len() + self.ways.iter().map(Vec::len).sum::<usize>()
    }
}

/// What is asked, in one spelling, and its hash.
pub struct Canonical {
    pub params: serde_json::Value,
    pub key: Key,
}

impl Canonical {
    /// Who is asked belongs to it: an agency may change its supplier.
    pub fn of(query: &SearchQuery, supplier: &str) -> Result<Self, AppError> {
        // Objects of serde_json are sorted by key, so equal searches have equal text.
        let params = serde_json::to_value(query)?;
        let key = Sha256::digest(format!("{supplier} {params}")).into();
        Ok(Self { params, key })
    }
}

/// Why there is nothing to show.
#[derive(Debug)]
pub enum NoAnswer {
    /// It is still being asked. What it says is there for whoever looks a little later.
    Late,
    /// It does not answer, or nothing that can be read.
    Silent(String),
    Ours(AppError),
}

impl From<AppError> for NoAnswer {
    fn from(error: AppError) -> Self {
        Self::Ours(error)
    }
}

impl From<NoAnswer> for AppError {
    fn from(none: NoAnswer) -> Self {
        let (reason, detail) = match none {
            NoAnswer::Ours(error) => return error,
            NoAnswer::Late => ("no answer within the page's time".to_owned(), LATE),
            NoAnswer::Silent(reason) => (reason, SILENT),
        };
        Self::Upstream { service: "supplier", reason, detail: detail.to_owned() }
    }
}

/// The same for all who wait for one question.
#[derive(Clone, Debug)]
enum Silence {
    Supplier(String),
    Ours(String),
}

impl From<Silence> for NoAnswer {
    fn from(silence: Silence) -> Self {
        match silence {
            Silence::Supplier(reason) => Self::Silent(reason),
            Silence::Ours(reason) => Self::Ours(AppError::broken(reason)),
        }
    }
}

type Outcome = Option<Result<Arc<Answer>, Silence>>;

#[derive(Clone)]
pub struct Cache {
    db: Db,
    clock: Clock,
    supplier: SharedSupplier,
    patience: Duration,
    memory: moka::future::Cache<Key, Arc<Answer>>,
    asking: Arc<Mutex<HashMap<Key, watch::Receiver<Outcome>>>>,
}

impl Cache {
    pub fn new(db: Db, clock: Clock, supplier: SharedSupplier, patience: Duration) -> Self {
        let weight = |_: &Key, answer: &Arc<Answer>| u32::try_from(answer.parts() + 1).unwrap_or(u32::MAX);
        let memory = moka::future::Cache::builder()
            .max_capacity(MOST_OFFERS)
            .weigher(weight)
            // What may be served is decided by the clock; this only empties the memory of what nobody asks for any more.
            .time_to_live((FRESH + STALE).unsigned_abs())
            .build();
        Self { db, clock, supplier, patience, memory, asking: Arc::default() }
    }

    /// All offers for the query, none of them past its time.
    pub async fn look(&self, query: &SearchQuery) -> Result<Arc<Answer>, NoAnswer> {
        self.look_around(query, &[]).await.0
    }

    /// The same, and where the table was asked for it, the lowest totals that it has of these other searches.
    pub async fn look_around(
        &self,
        query: &SearchQuery,
        others: &[SearchQuery],
    ) -> (Result<Arc<Answer>, NoAnswer>, Option<Vec<Option<Money>>>) {
        let canonical = match Canonical::of(query, self.supplier.name()) {
            Ok(canonical) => canonical,
            Err(error) => return (Err(error.into()), None),
        };
        let now = self.clock.now();
        if let Some(answer) = self.remembered(&canonical.key, now).await {
            return (self.answer(canonical, query, Some(answer), now).await, None);
        }
        match self.written_around(&canonical.key, others, now).await {
            Ok((kept, seen)) => (self.answer(canonical, query, kept, now).await, Some(seen)),
            Err(error) => (Err(error.into()), None),
        }
    }

    /// What is kept, or else what the supplier says.
    async fn answer(
        &self,
        canonical: Canonical,
        query: &SearchQuery,
        kept: Option<Arc<Answer>>,
        now: Timestamp,
    ) -> Result<Arc<Answer>, NoAnswer> {
        meters::searched(kept.is_some());
        if let Some(answer) = kept {
            if answer.fresh_until <= now {
                // Nobody waits for it: the next to ask finds it.
                self.ask(canonical, query);
            }
            return Ok(answer);
        }
        let mut outcome = self.ask(canonical, query);
        let waited = time::timeout(self.patience, outcome.wait_for(Option::is_some)).await;
        match waited {
            Ok(Ok(outcome)) => match outcome.clone() {
                Some(answer) => Ok(answer?),
                None => Err(AppError::broken("a search without an outcome").into()),
            },
            Ok(Err(_)) => Err(AppError::broken("a search was given up").into()),
            Err(_) => Err(NoAnswer::Late),
        }
    }

    /// Whether this is the answer that is in memory, and still holds.
    pub async fn has(&self, key: &Key, answer: &Weak<Answer>, now: Timestamp) -> bool {
        let known = self.remembered(key, now).await;
        let is_it = known.is_some_and(|known| std::ptr::eq(Arc::as_ptr(&known), answer.as_ptr()));
        if is_it {
            meters::searched(true);
        }
        is_it
    }

    async fn remembered(&self, key: &Key, now: Timestamp) -> Option<Arc<Answer>> {
        self.memory.get(key).await.filter(|answer| answer.expires_at > now)
    }

    async fn written(&self, key: &Key, now: Timestamp) -> Result<Option<Arc<Answer>>, AppError> {
        Ok(self.written_around(key, &[], now).await?.0)
    }

    async fn written_around(
        &self,
        key: &Key,
        others: &[SearchQuery],
        now: Timestamp,
    ) -> Result<(Option<Arc<Answer>>, Vec<Option<Money>>), AppError> {
        let others: Vec<Key> = others
            .iter()
            .map(|query| Ok(Canonical::of(query, self.supplier.name())?.key))
            .collect::<Result<_, AppError>>()?;
        let (answer, seen) = store::find(&self.db, key, &others, now).await?;
        let answer = answer.map(Arc::new);
        if let Some(answer) = &answer {
            self.memory.insert(*key, answer.clone()).await;
        }
        Ok((answer, others.iter().map(|key| seen.get(&key[..]).copied()).collect()))
    }

    /// A list without them is better than none: they are not waited for as long.
    async fn days_around(&self, query: &SearchQuery) -> Option<Vec<Option<Money>>> {
        if !has_days(query) {
            return None;
        }
        let asking = self.supplier.lowest_totals(query, -AROUND..=AROUND);
        let asking = meters::call("supplier", "lowest_totals", asking);
        time::timeout(PATIENCE_FOR_DAYS, asking).await.ok()?.ok()?
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Key, watch::Receiver<Outcome>>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, unless somebody here is asking the same. It goes on when the page that wanted it has gone.
    fn ask(&self, canonical: Canonical, query: &SearchQuery) -> watch::Receiver<Outcome> {
        let key = canonical.key;
        let mut running = self.running();
        let place = match running.entry(key) {
            Entry::Occupied(asked) => return asked.get().clone(),
            Entry::Vacant(place) => place,
        };
        let (tell, outcome) = watch::channel(None);
        place.insert(outcome.clone());
        drop(running);
        let done = Asking { cache: self.clone(), key };
        let query = query.clone();
        let asking = async move {
            let answer = done.cache.ask_as_one(&canonical, &query).await;
            tell.send_replace(Some(answer));
        };
        tokio::spawn(asking.in_current_span());
        outcome
    }

    /// Of all processes one asks; the others wait for what it writes down.
    async fn ask_as_one(&self, canonical: &Canonical, query: &SearchQuery) -> Result<Arc<Answer>, Silence> {
        let ours = |error: AppError| Silence::Ours(error.to_string());
        let key = &canonical.key;
        let claim = loop {
            let now = self.clock.now();
            let until = now + CLAIM;
            let is_claimed = store::claim(&self.db, key, now, until).await.map_err(ours)?;
            if !is_claimed {
                time::sleep(LOOK_AGAIN).await;
            }
            // The one who asked before us may have answered since we looked.
            let now = self.clock.now();
            let kept = self.written(key, now).await.map_err(ours)?;
            let fresh = kept.filter(|answer| answer.fresh_until > now);
            match (is_claimed, fresh) {
                (true, Some(answer)) => {
                    store::settle(&self.db, canonical, until, None).await.map_err(ours)?;
                    return Ok(answer);
                }
                (true, None) => break until,
                (false, Some(answer)) => return Ok(answer),
                (false, None) => {}
            }
        };
        let asking = meters::call("supplier", "search", self.supplier.look(query));
        let (found, totals) = tokio::join!(asking, self.days_around(query));
        let now = self.clock.now();
        let answer = match found {
            Ok(found) => {
                let Found { mut offers, mut ways, left_out } = found;
                let parts: Vec<&Offer> = offers.iter().chain(ways.iter().flatten()).collect();
                let (fresh_until, expires_at) = lives(query, &parts, now);
                for list in std::iter::once(&mut offers).chain(&mut ways) {
                    list.retain(|offer| offer.expires_at > now);
                }
                Ok(Arc::new(Answer {
                    offers,
                    ways,
                    left_out,
                    asked_at: now,
                    fresh_until,
                    expires_at,
                    days: totals.map(|totals| DaysAround { asked_at: now, totals }),
                }))
            }
            Err(error) => Err(Silence::Supplier(error.to_string())),
        };
        let kept = answer.as_ref().ok().filter(|answer| answer.expires_at > now);
        if let Some(answer) = kept {
            self.memory.insert(canonical.key, (*answer).clone()).await;
        }
        // The answer is good even where it cannot be written down.
        if let Err(error) = store::settle(&self.db, canonical, claim, kept.map(Arc::as_ref)).await {
            tracing::warn!(%error, "a search was not kept");
        }
        answer
    }
}

/// Whether days around are shown for it: one way, or there and back.
fn has_days(query: &SearchQuery) -> bool {
    match query.slices.as_slice() {
        [_] => true,
        [out, back] => (out.from, out.to) == (back.to, back.from),
        _ => false,
    }
}

/// Whatever becomes of the asking, the next may ask again.
struct Asking {
    cache: Cache,
    key: Key,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.cache.running().remove(&self.key);
    }
}

/// Until when an answer is fresh, and until when it may be served at all: never longer than its shortest-lived offer.
fn lives(query: &SearchQuery, offers: &[&Offer], now: Timestamp) -> (Timestamp, Timestamp) {
    let soon = query.slices.first().is_some_and(|slice| {
        let start =
            jiff::tz::TimeZone::UTC.to_timestamp(slice.date.to_datetime(jiff::civil::Time::midnight()));
        start.is_ok_and(|start| start.duration_since(now) < LAST_DAYS)
    });
    let fresh = now + if soon || offers.is_empty() { FRESH_SHORT } else { FRESH };
    // An empty answer holds nothing that could be bought: it is never served late.
    let latest = if offers.is_empty() { fresh } else { fresh + STALE };
    let expires =
        offers.iter().map(|offer| offer.expires_at).min().map_or(latest, |lapses| lapses.min(latest));
    (fresh.min(expires), expires)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        airports::Airports,
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
        let key = |from, leave| Canonical::of(&query(from, leave), "timetable").unwrap().key;
        let one = key("lisbon", "2027-03-12");
        assert_eq!(one, key("  LIS ", "2027-03-12"));
        assert_ne!(one, key("OPO", "2027-03-12"));
        assert_ne!(one, key("LIS", "2027-03-13"));
    }

    #[test]
    fn an_answer_lives_no_longer_than_its_shortest_lived_offer() {
        let far = query("LIS", "2027-03-12");
        let minutes = |count| now() + SignedDuration::from_mins(count);
        let mut offers = vec![offer("a", 100, vec![direct()]), offer("b", 100, vec![direct()])];
        let lives = |offers: &[Offer]| lives(&far, &offers.iter().collect::<Vec<_>>(), now());
        assert_eq!(lives(&offers), (minutes(10), minutes(20)));
        offers[1].expires_at = minutes(3);
        assert_eq!(lives(&offers), (minutes(3), minutes(3)));
        offers[1].expires_at = minutes(-3);
        assert!(lives(&offers).1 < now());
    }

    #[test]
    fn close_departures_and_empty_answers_are_asked_again_soon() {
        let near = query("LIS", "2026-11-24");
        let minutes = |count| now() + SignedDuration::from_mins(count);
        assert_eq!(lives(&near, &[&offer("a", 100, vec![direct()])], now()), (minutes(2), minutes(12)));
        assert_eq!(lives(&query("LIS", "2027-03-12"), &[], now()), (minutes(2), minutes(2)));
    }
}
