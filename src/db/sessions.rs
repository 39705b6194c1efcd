//! Session rows. As the crate's own store, but a session that has ended stays ended: a request that was under way when
//! somebody signed out would otherwise write the row again.

use async_trait::async_trait;
use sqlx::postgres::PgPool;
use tower_sessions::{
    ExpiredDeletion, SessionStore,
    session::{Id, Record},
    session_store::{self, Error},
};
use tower_sessions_sqlx_store::PostgresStore;

#[derive(Clone, Debug)]
pub struct SessionRows {
    pool: PgPool,
    rows: PostgresStore,
}

impl SessionRows {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { rows: PostgresStore::new(pool.clone()), pool }
    }
}

#[async_trait]
impl SessionStore for SessionRows {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        self.rows.create(record).await
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        let data = rmp_serde::to_vec(record).map_err(|error| Error::Encode(error.to_string()))?;
        sqlx::query!(
            "update tower_sessions.session set data = $2, expiry_date = $3 where id = $1",
            record.id.to_string(),
            data,
            record.expiry_date,
        )
        .execute(&self.pool)
        .await
        .map_err(|error| Error::Backend(error.to_string()))?;
        Ok(())
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        self.rows.load(id).await
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        self.rows.delete(id).await
    }
}

#[async_trait]
impl ExpiredDeletion for SessionRows {
    async fn delete_expired(&self) -> session_store::Result<()> {
        self.rows.delete_expired().await
    }
}
