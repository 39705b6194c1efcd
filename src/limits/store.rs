//! SQL of limits: two small tables behind two functions, see migrations 0013, 0024 and 0026.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;

use super::{Limit, subject::Key};
use crate::db::{System, Tx};

pub struct Taken {
    pub tokens: u32,
    /// What the bucket holds without them.
    pub left: u32,
    /// Zero if there was at least one token.
    pub wait: SignedDuration,
}

/// Up to a block, but at least nothing.
pub async fn take(
    tx: &mut Tx<System>,
    limit: &Limit,
    subject: &Key,
    now: Timestamp,
) -> Result<Taken, sqlx::Error> {
    let row = sqlx::query!(
        r#"select taken as "taken!", rest as "rest!", (extract(epoch from wait) * 1000000)::bigint as "wait!"
             from take_from_bucket($1, $2, $3, $4, $5, $6)"#,
        limit.name,
        subject.as_slice(),
        small(limit.block),
        small(limit.burst),
        limit.every as _,
        now.to_sqlx() as _,
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(Taken {
        tokens: u32::try_from(row.taken).unwrap_or(0),
        left: u32::try_from(row.rest).unwrap_or(0),
        wait: SignedDuration::from_micros(row.wait),
    })
}

pub async fn give_back(tx: &mut Tx<System>, limit: &Limit, subject: &Key) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update rate_limits set spent_to = spent_to - $3::interval where rule = $1 and subject = $2",
        limit.name,
        subject.as_slice(),
        limit.every as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// How slowly one account may be tried.
pub struct Slowness {
    pub free: u32,
    pub first: Duration,
    pub longest: Duration,
    pub forgotten_after: Duration,
}

/// How long to wait first; zero: the try is counted and may be made.
pub async fn begin_sign_in(
    tx: &mut Tx<System>,
    subject: &Key,
    slowness: &Slowness,
    now: Timestamp,
) -> Result<SignedDuration, sqlx::Error> {
    let wait = sqlx::query_scalar!(
        r#"select (extract(epoch from begin_sign_in($1, $2, $3, $4, $5, $6)) * 1000000)::bigint as "wait!""#,
        subject.as_slice(),
        small(slowness.free),
        slowness.first as _,
        slowness.longest as _,
        slowness.forgotten_after as _,
        now.to_sqlx() as _,
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(SignedDuration::from_micros(wait))
}

/// Says which address a row is about, and how often it was tried there.
pub async fn tries_at(tx: &mut Tx<System>, subject: &Key, account: &Key) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar!(
        "update sign_in_delays set account = $2 where subject = $1 returning tries",
        subject.as_slice(),
        account.as_slice(),
    )
    .fetch_one(&mut **tx)
    .await
}

pub async fn forget_sign_ins(tx: &mut Tx<System>, subject: &Key) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from sign_in_delays where subject = $1", subject.as_slice())
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// In all networks and over all of them.
pub async fn forget_account(tx: &mut Tx<System>, account: &Key) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from sign_in_delays where account = $1 or subject = $1", account.as_slice())
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// Drops what says nothing any more.
pub async fn sweep(tx: &mut Tx<System>, now: Timestamp, tried_before: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from rate_limits where spent_to <= $1", now.to_sqlx() as _)
        .execute(&mut **tx)
        .await?;
    sqlx::query!("delete from sign_in_delays where tried_at <= $1", tried_before.to_sqlx() as _)
        .execute(&mut **tx)
        .await
        .map(drop)
}

fn small(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
