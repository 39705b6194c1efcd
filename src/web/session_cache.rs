//! Sessions kept in process for a moment, so that a page of a signed-in person asks the database nothing for them.

use std::time::Duration;

use async_trait::async_trait;
use moka::future::Cache;
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
    session_store,
};

/// A sign-out counts at once in the process that took it, and within this time in every other one.
const KEPT: Duration = Duration::from_secs(30);
const MOST: u64 = 10_000;

#[derive(Clone, Debug)]
pub struct SessionCache(Cache<Id, Record>);

impl Default for SessionCache {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MOST).time_to_live(KEPT).build())
    }
}

#[async_trait]
impl SessionStore for SessionCache {
    /// The store behind has already found an id that nobody uses.
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        self.save(record).await
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        self.0.insert(record.id, record.clone()).await;
        Ok(())
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        Ok(self.0.get(id).await)
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        self.0.invalidate(id).await;
        Ok(())
    }
}
