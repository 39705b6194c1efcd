//! When each periodic round of the worker was last done: one that fails again and again must not do so in silence, for
//! rounds are what forgets what the law wants forgotten.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::db::{System, Tx};

/// A round that was never done counts from the first time that somebody tried.
pub async fn round_begun(tx: &mut Tx<System>, name: &str, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into rounds (name, done_at) values ($1, $2) on conflict (name) do nothing",
        name,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn round_done(tx: &mut Tx<System>, name: &str, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into rounds (name, done_at) values ($1, $2)
         on conflict (name) do update set done_at = greatest(rounds.done_at, excluded.done_at)",
        name,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn round_done_at(tx: &mut Tx<System>, name: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    let at = sqlx::query_scalar!(
        r#"select done_at as "at: jiff_sqlx::Timestamp" from rounds where name = $1"#,
        name,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(at.map(jiff_sqlx::Timestamp::to_jiff))
}
