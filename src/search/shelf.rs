//! Lists of offers as they were written out, kept for the minute in which nothing on them changes: to whoever asks the same,
//! the same is said. What is kept is a page for anybody. It knows of nobody who they are, and has gaps for what belongs to
//! one answer alone (see [`Chrome::for_all`]).

use std::{
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    error::AppError,
    itinerary::SearchQuery,
    search::{
        Search,
        cache::{Answer, Canonical, Key},
        prices::{Lowest, Source},
        recent::Recent,
    },
    web::chrome::{Gaps, Onlooker},
};

/// How much is kept, in bytes: some hundreds of lists.
const MOST_BYTES: u64 = 32 * 1024 * 1024;
/// What a list weighs besides its text.
const EACH: usize = 1_024;
/// A query that is longer is none of ours.
const LONGEST_QUERY: usize = 1_000;
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// What was asked, letter by letter, and what may be known of whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    query: String,
    onlooker: Onlooker,
}

impl Place {
    pub fn of(query: &str, onlooker: Onlooker) -> Self {
        Self { query: query.to_owned(), onlooker }
    }
}

/// A list that was written out.
#[derive(Debug)]
pub struct Written {
    pub text: Gaps,
    pub query: SearchQuery,
    /// The query as a browser that has searched for nothing else remembers it.
    pub remembered: String,
    /// The cookie that tells such a browser so, once one was told.
    pub cookie: OnceLock<String>,
    key: Key,
    /// It is shown only while this is what the cache would answer.
    answer: Weak<Answer>,
    lowest: Option<Lowest>,
    from: Timestamp,
    until: Timestamp,
}

impl Written {
    /// Days around that come from searches may be told better by the next search.
    fn is_settled(&self) -> bool {
        self.lowest.as_ref().is_none_or(|lowest| lowest.source == Source::Supplier)
    }

    fn shows(&self, answer: &Arc<Answer>, lowest: Option<&Lowest>) -> bool {
        let days = |lowest: &Lowest| (lowest.source, lowest.days.clone());
        std::ptr::eq(self.answer.as_ptr(), Arc::as_ptr(answer))
            && self.lowest.as_ref().map(days) == lowest.map(days)
    }
}

#[derive(Clone)]
pub struct Shelf(moka::future::Cache<Place, Arc<Written>>);

impl Default for Shelf {
    fn default() -> Self {
        let weight = |place: &Place, written: &Arc<Written>| {
            u32::try_from(EACH + place.query.len() + written.text.bytes()).unwrap_or(u32::MAX)
        };
        let pages = moka::future::Cache::builder()
            .max_capacity(MOST_BYTES)
            .weigher(weight)
            // What may be shown is decided by the clock; this only makes room.
            .time_to_live(Duration::from_secs(60))
            .build();
        Self(pages)
    }
}

impl Search {
    /// The list as it was written out before, if nothing about it has changed. Asks nobody.
    pub async fn written(&self, place: &Place) -> Option<Arc<Written>> {
        let written = self.on_the_shelf(place).await.filter(|written| written.is_settled())?;
        let is_current = self.cache.has(&written.key, &written.answer, self.clock.now()).await;
        is_current.then_some(written)
    }

    /// The same, where the answer and the days around had to be asked for.
    pub async fn written_of(
        &self,
        place: &Place,
        answer: &Arc<Answer>,
        lowest: Option<&Lowest>,
    ) -> Option<Arc<Written>> {
        self.on_the_shelf(place).await.filter(|written| written.shows(answer, lowest))
    }

    async fn on_the_shelf(&self, place: &Place) -> Option<Arc<Written>> {
        let now = self.clock.now();
        self.shelf.0.get(place).await.filter(|written| (written.from..written.until).contains(&now))
    }

    /// `told` are the moments whose age the list tells.
    pub async fn keep_written(
        &self,
        place: Place,
        text: Gaps,
        query: &SearchQuery,
        (answer, lowest): (&Arc<Answer>, Option<Lowest>),
        (told, now): (&[Timestamp], Timestamp),
    ) -> Result<Arc<Written>, AppError> {
        let key = Canonical::of(query, self.supplier.name())?.key;
        let asked_at = lowest.iter().filter(|lowest| lowest.source == Source::Supplier);
        let told = told.iter().copied().chain(asked_at.map(|lowest| lowest.asked_at));
        let until = told.map(|at| next_minute(at, now)).min();
        // A day begins everywhere with a minute.
        let day = next_minute(Timestamp::UNIX_EPOCH, now);
        let until = until.map_or(day, |until| until.min(day)).min(answer.fresh_until).min(answer.expires_at);
        let is_short = place.query.len() <= LONGEST_QUERY;
        let remembered = Recent::default().with(query).write(self.airports);
        let (query, answer) = (query.clone(), Arc::downgrade(answer));
        let cookie = OnceLock::new();
        let written = Written { text, query, remembered, cookie, key, answer, lowest, from: now, until };
        let written = Arc::new(written);
        if is_short && now < until {
            self.shelf.0.insert(place, written.clone()).await;
        }
        Ok(written)
    }
}

/// When the age of that moment is a minute more.
fn next_minute(at: Timestamp, now: Timestamp) -> Timestamp {
    let age = now.duration_since(at).as_secs().div_euclid(60);
    at.saturating_add(MINUTE.saturating_mul(i32::try_from(age + 1).unwrap_or(i32::MAX))).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_changes_with_each_minute_of_its_own() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let quoted = at("2026-11-22T12:00:20Z");
        for (now, then) in [
            ("2026-11-22T12:00:20Z", "2026-11-22T12:01:20Z"),
            ("2026-11-22T12:01:19.999Z", "2026-11-22T12:01:20Z"),
            ("2026-11-22T12:01:20Z", "2026-11-22T12:02:20Z"),
            ("2026-11-22T12:00:00Z", "2026-11-22T12:00:20Z"),
            ("2026-11-22T11:00:00Z", "2026-11-22T11:00:20Z"),
        ] {
            assert_eq!(next_minute(quoted, at(now)), at(then), "{now}");
        }
        assert_eq!(
            next_minute(Timestamp::UNIX_EPOCH, at("2026-11-22T23:59:59.5Z")),
            at("2026-11-23T00:00:00Z")
        );
    }
}
