//! One connection that hears notifications. It is not of the pool: it is never given back, and a pool of one would be empty.

use std::time::Duration;

use sqlx::{
    ConnectOptions, Executor,
    postgres::{PgListener, PgPoolOptions},
};

use super::Db;

/// A connection may die without a word; after this much silence it is asked.
const SILENCE: Duration = Duration::from_millis(400);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_millis(400);

pub struct Listener(PgListener);

impl Db {
    pub async fn listen(&self, channel: &str) -> Result<Listener, sqlx::Error> {
        let options = self.pool.connect_options().as_ref().clone();
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(5))
            .max_lifetime(None)
            .idle_timeout(None)
            // Its heartbeat is no query that anybody wants to read about.
            .connect_with(options.application_name("jetbridge listener").disable_statement_logging())
            .await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        // Whoever listens must know of the gap before new notifications come in.
        listener.eager_reconnect(false);
        listener.listen(channel).await?;
        Ok(Listener(listener))
    }
}

impl Listener {
    /// The payload of the next notification. After an error some may have been missed: listen anew.
    pub async fn next(&mut self) -> Result<String, sqlx::Error> {
        loop {
            match tokio::time::timeout(SILENCE, self.0.try_recv()).await {
                Ok(Ok(Some(heard))) => return Ok(heard.payload().to_owned()),
                Ok(Ok(None)) => return Err(lost()),
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    let answer = (&mut self.0).execute("select 1");
                    tokio::time::timeout(PATIENCE, answer).await.map_err(|_| lost())??;
                }
            }
        }
    }
}

fn lost() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::ConnectionAborted.into())
}
