//! Session rows. A row is known by the SHA-256 of its session's id, and says the id nowhere: whoever reads the table, or an
//! old copy of it, gets into no session. And a session that has ended stays ended: a request that was under way when
//! somebody signed out would otherwise write the row again.

use async_trait::async_trait;
use sqlx::postgres::PgPool;
use tower_sessions::{
    ExpiredDeletion, SessionStore,
    session::{Id, Record},
    session_store::{self, Error},
};
use tower_sessions_sqlx_store::PostgresStore;

use super::{counting::count, is_away};
use crate::ids::TokenHash;

#[derive(Clone, Debug)]
pub struct SessionRows {
    pool: PgPool,
    /// The crate's own store knows rows by their ids, so only what looks at no id is left to it.
    ended: PostgresStore,
}

impl SessionRows {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { ended: PostgresStore::new(pool.clone()), pool }
    }

    /// The first question of most requests: a connection that has died in the pool is noticed here, and another one asked.
    async fn data(&self, key: &str) -> Result<Option<Vec<u8>>, sqlx::Error> {
        let mut left = self.pool.options().get_max_connections();
        loop {
            let mut connection = self.pool.acquire().await?;
            let row = sqlx::query_scalar!(
                "select data from tower_sessions.session where id = $1 and expiry_date > now()",
                key,
            )
            .fetch_optional(&mut *connection)
            .await;
            match row {
                Err(error) if left > 0 && is_away(&error) => left -= 1,
                row => return row,
            }
        }
    }
}

/// What the row is known by; notifications and devices name it so too.
pub fn session_key(id: &Id) -> String {
    hex::encode(TokenHash::of(&id.to_string()).as_bytes())
}

#[async_trait]
impl SessionStore for SessionRows {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        count(1);
        let made = sqlx::query!(
            "insert into tower_sessions.session (id, data, expiry_date) values ($1, $2, $3) on conflict do nothing",
            session_key(&record.id),
            encode(record)?,
            record.expiry_date,
        )
        .execute(&self.pool)
        .await
        .map_err(backend)?;
        // 128 random bits do not come twice.
        if made.rows_affected() == 1 {
            Ok(())
        } else {
            Err(Error::Backend("a session id came twice".to_owned()))
        }
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        count(1);
        sqlx::query!(
            "update tower_sessions.session set data = $2, expiry_date = $3 where id = $1",
            session_key(&record.id),
            encode(record)?,
            record.expiry_date,
        )
        .execute(&self.pool)
        .await
        .map_err(backend)?;
        Ok(())
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        count(1);
        let row = self.data(&session_key(id)).await.map_err(backend)?;
        let Some(data) = row else { return Ok(None) };
        let record: Record =
            rmp_serde::from_slice(&data).map_err(|error| Error::Decode(error.to_string()))?;
        Ok(Some(Record { id: *id, ..record }))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        count(1);
        sqlx::query!("delete from tower_sessions.session where id = $1", session_key(id))
            .execute(&self.pool)
            .await
            .map_err(backend)?;
        Ok(())
    }
}

#[async_trait]
impl ExpiredDeletion for SessionRows {
    async fn delete_expired(&self) -> session_store::Result<()> {
        self.ended.delete_expired().await
    }
}

/// Without its id, which only the cookie has.
fn encode(record: &Record) -> session_store::Result<Vec<u8>> {
    let nameless = Record { id: Id(0), ..record.clone() };
    rmp_serde::to_vec(&nameless).map_err(|error| Error::Encode(error.to_string()))
}

fn backend(error: sqlx::Error) -> Error {
    Error::Backend(error.to_string())
}
