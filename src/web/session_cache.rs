//! Sessions kept in process for a moment, so that a page of a signed-in person asks the database nothing for them. The
//! database tells of each session that changed or ended, whichever process did it; while it cannot be heard, nothing is
//! kept and every session is asked for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use moka::future::Cache;
use tokio_util::sync::CancellationToken;
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
    session_store,
};

use crate::{
    db::{Db, SessionRows},
    ids::TokenHash,
    meters,
    web::session,
};

/// The trigger of migration 0009 speaks on it.
const CHANNEL: &str = "session_changed";
/// The last resort, should a notification ever be lost.
const KEPT: Duration = Duration::from_secs(30);
const MOST: u64 = 10_000;
/// How long to wait before listening again.
const RETRY: Duration = Duration::from_millis(500);

/// The sessions of all processes, with what this one remembers of them.
#[derive(Clone, Debug)]
pub struct Sessions {
    db: Db,
    rows: SessionRows,
    kept: Kept,
}

impl Sessions {
    pub fn new(db: Db) -> Self {
        Self { rows: db.session_store(), db, kept: Kept::default() }
    }

    /// Hears until `stop` what other processes change. Whoever serves runs this; without it sessions work, unkept.
    pub async fn hear(self, stop: CancellationToken) {
        let mut was_heard = true;
        while !stop.is_cancelled() {
            let lost = tokio::select! {
                () = stop.cancelled() => None,
                error = self.listen() => Some(error),
            };
            let is_heard = self.kept.close();
            // Once for each silence, not at every try.
            if let Some(error) = lost.filter(|_| was_heard || is_heard) {
                tracing::warn!(%error, "changes of sessions are not heard: each session is asked for until they are");
            }
            was_heard = is_heard;
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    /// Until the connection is lost.
    async fn listen(&self) -> sqlx::Error {
        let mut listener = match self.db.listen(CHANNEL).await {
            Ok(listener) => listener,
            Err(error) => return error,
        };
        self.kept.open();
        loop {
            match listener.next().await {
                Ok(changed) => self.kept.forget(hash_of(&changed)).await,
                Err(error) => return error,
            }
        }
    }
}

/// `None`, which is no session, is all of them.
fn hash_of(payload: &str) -> Option<TokenHash> {
    hex::decode(payload).ok()?.try_into().ok().map(TokenHash)
}

fn key(id: &Id) -> TokenHash {
    TokenHash::of(&id.to_string())
}

#[async_trait]
impl SessionStore for Sessions {
    /// A new id, at sign-in or when it is renewed.
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        self.rows.create(record).await?;
        let given = session::give_to_device(&self.db, record).await;
        if given.is_err() {
            self.rows.delete(&record.id).await?;
        }
        given
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        self.rows.save(record).await?;
        self.kept.forget(Some(key(&record.id))).await;
        Ok(())
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let key = key(id);
        let kept = self.kept.get(key).await;
        meters::session_loaded(kept.is_some());
        if let Some(record) = kept {
            return Ok(Some(record));
        }
        let moment = self.kept.moment();
        let record = self.rows.load(id).await?;
        if let Some(record) = &record {
            self.kept.keep(key, record, moment).await;
        }
        Ok(record)
    }

    /// Here it counts at once; other processes hear of it.
    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        self.rows.delete(id).await?;
        self.kept.forget(Some(key(id))).await;
        Ok(())
    }
}

#[derive(Clone, Debug)]
struct Kept(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    records: Cache<TokenHash, Record>,
    /// Changes are heard.
    is_open: AtomicBool,
    /// How many changes were heard, so that what was read before one is not kept after it.
    changes: AtomicU64,
}

/// A moment between two changes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Moment(u64);

impl Default for Kept {
    fn default() -> Self {
        let records = Cache::builder().max_capacity(MOST).time_to_live(KEPT).build();
        Self(Arc::new(Inner { records, is_open: AtomicBool::new(false), changes: AtomicU64::new(0) }))
    }
}

impl Kept {
    fn open(&self) {
        // What was read before we listened may have changed unheard.
        self.0.changes.fetch_add(1, SeqCst);
        self.0.is_open.store(true, SeqCst);
    }

    /// Says whether it was open.
    fn close(&self) -> bool {
        let was_open = self.0.is_open.swap(false, SeqCst);
        self.0.changes.fetch_add(1, SeqCst);
        self.0.records.invalidate_all();
        was_open
    }

    fn moment(&self) -> Moment {
        Moment(self.0.changes.load(SeqCst))
    }

    fn is_still(&self, moment: Moment) -> bool {
        self.0.is_open.load(SeqCst) && self.moment() == moment
    }

    async fn get(&self, key: TokenHash) -> Option<Record> {
        if !self.0.is_open.load(SeqCst) {
            return None;
        }
        self.0.records.get(&key).await
    }

    /// Keeps what was read after `moment`, unless something changed since: it may have been this.
    async fn keep(&self, key: TokenHash, record: &Record, moment: Moment) {
        if self.is_still(moment) {
            self.0.records.insert(key, record.clone()).await;
        }
        if !self.is_still(moment) {
            self.0.records.invalidate(&key).await;
        }
    }

    async fn forget(&self, key: Option<TokenHash>) {
        self.0.changes.fetch_add(1, SeqCst);
        match key {
            Some(key) => self.0.records.invalidate(&key).await,
            None => self.0.records.invalidate_all(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> (TokenHash, Record) {
        let expiry_date = tower_sessions::cookie::time::OffsetDateTime::UNIX_EPOCH;
        let record = Record { id: Id(7), data: Default::default(), expiry_date };
        (key(&record.id), record)
    }

    #[tokio::test]
    async fn nothing_is_kept_while_changes_are_not_heard() {
        let (kept, (key, record)) = (Kept::default(), record());
        kept.keep(key, &record, kept.moment()).await;
        assert_eq!(kept.get(key).await, None);
        kept.open();
        kept.keep(key, &record, kept.moment()).await;
        assert_eq!(kept.get(key).await, Some(record));
        kept.close();
        assert_eq!(kept.get(key).await, None);
        kept.open();
        assert_eq!(kept.get(key).await, None, "kept over a time of deafness");
    }

    #[tokio::test]
    async fn what_was_read_before_a_change_is_not_kept_after_it() {
        let (kept, (key, record)) = (Kept::default(), record());
        let before_listening = kept.moment();
        kept.open();
        kept.keep(key, &record, before_listening).await;
        assert_eq!(kept.get(key).await, None);
        let before_change = kept.moment();
        kept.forget(Some(key)).await;
        kept.keep(key, &record, before_change).await;
        assert_eq!(kept.get(key).await, None);
    }

    #[tokio::test]
    async fn a_change_makes_forgotten_what_it_names_and_one_that_names_nothing_all() {
        let (kept, (key, record)) = (Kept::default(), record());
        kept.open();
        for payload in [hex::encode(key.as_bytes()), String::new(), "nonsense".to_owned()] {
            kept.keep(key, &record, kept.moment()).await;
            kept.forget(Some(TokenHash::of("another"))).await;
            assert!(kept.get(key).await.is_some());
            kept.forget(hash_of(&payload)).await;
            assert_eq!(kept.get(key).await, None, "{payload:?}");
        }
    }
}
