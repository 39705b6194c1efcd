//! SQL of calls that may be repeated, see migration 0017.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::{Call, Standing};
use crate::db::{System, Tx};

/// What is known of a key.
pub struct Row {
    pub call_hash: Vec<u8>,
    /// Sealed.
    pub answer: Option<Vec<u8>>,
    pub locked_until: Timestamp,
    pub expires_at: Timestamp,
}

pub enum Begun {
    /// Whoever asked does the work now.
    Mine,
    /// Somebody else's, and what they answered, if they have.
    Theirs(Standing, Vec<u8>),
}

/// `None`: the key is new, and now it is this call's. Otherwise its row, locked until the end of the transaction.
pub async fn insert(
    tx: &mut Tx<System>,
    call: &Call,
    locked_until: Timestamp,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<Option<Row>, sqlx::Error> {
    // A sweep may take the row away between the two statements.
    loop {
        let done = sqlx::query!(
            "insert into idempotency_keys (key_hash, call_hash, owner, locked_until, created_at, expires_at)
             values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
            call.key_hash.as_slice(),
            call.call_hash.as_slice(),
            call.owner,
            locked_until.to_sqlx() as _,
            now.to_sqlx() as _,
            expires_at.to_sqlx() as _,
        )
        .execute(&mut **tx)
        .await?;
        if done.rows_affected() == 1 {
            return Ok(None);
        }
        let row = sqlx::query!(
            r#"select call_hash, answer, locked_until as "locked_until: jiff_sqlx::Timestamp",
                      expires_at as "expires_at: jiff_sqlx::Timestamp"
                 from idempotency_keys where key_hash = $1 for update"#,
            call.key_hash.as_slice(),
        )
        .fetch_optional(&mut **tx)
        .await?;
        if let Some(row) = row {
            return Ok(Some(Row {
                call_hash: row.call_hash,
                answer: row.answer,
                locked_until: row.locked_until.to_jiff(),
                expires_at: row.expires_at.to_jiff(),
            }));
        }
    }
}

/// After [`insert`] has locked it.
pub async fn take_over(
    tx: &mut Tx<System>,
    call: &Call,
    locked_until: Timestamp,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update idempotency_keys
            set call_hash = $2, owner = $3, locked_until = $4, created_at = $5, expires_at = $6, state = 'running', answer = null
          where key_hash = $1",
        call.key_hash.as_slice(),
        call.call_hash.as_slice(),
        call.owner,
        locked_until.to_sqlx() as _,
        now.to_sqlx() as _,
        expires_at.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Only of whoever still works on it.
pub async fn finish(tx: &mut Tx<System>, call: &Call, answer: &[u8]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update idempotency_keys set state = 'done', answer = $3 where key_hash = $1 and owner = $2",
        call.key_hash.as_slice(),
        call.owner,
        answer,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn delete(tx: &mut Tx<System>, call: &Call) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "delete from idempotency_keys where key_hash = $1 and owner = $2",
        call.key_hash.as_slice(),
        call.owner,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn delete_expired(tx: &mut Tx<System>, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from idempotency_keys where expires_at <= $1", now.to_sqlx() as _)
        .execute(&mut **tx)
        .await
        .map(drop)
}
