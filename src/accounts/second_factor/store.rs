//! SQL of second factors and recovery codes. Only the system reads them: what they guard is the way to being somebody.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{
    accounts::second_factor::SecondFactor,
    db::{System, Tx},
    error::AppError,
    ids::{TokenHash, UserId},
};

/// A second factor whose row is locked.
pub struct Locked {
    pub secret: Vec<u8>,
    pub last_step: i64,
    pub wrong_tries: i32,
    pub wrong_at: Option<Timestamp>,
}

pub async fn find(tx: &mut Tx<System>, user: UserId) -> Result<Option<SecondFactor>, AppError> {
    let row = sqlx::query!(
        r#"select f.confirmed_at as "confirmed_at: jiff_sqlx::Timestamp",
                  (select count(*) from auth.recovery_codes c
                    where c.user_id = f.user_id and c.used_at is null) as "codes_left!",
                  coalesce((select max(c.created_at) from auth.recovery_codes c where c.user_id = f.user_id),
                           f.confirmed_at) as "codes_made_at!: jiff_sqlx::Timestamp"
             from auth.second_factors f where f.user_id = $1"#,
        user.0,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| SecondFactor {
        since: row.confirmed_at.to_jiff(),
        codes_left: usize::try_from(row.codes_left).unwrap_or_default(),
        codes_made_at: row.codes_made_at.to_jiff(),
    }))
}

pub async fn lock(tx: &mut Tx<System>, user: UserId) -> Result<Option<Locked>, AppError> {
    let row = sqlx::query!(
        r#"select secret, last_step, wrong_tries, wrong_at as "wrong_at: jiff_sqlx::Timestamp"
             from auth.second_factors where user_id = $1 for update"#,
        user.0,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| Locked {
        secret: row.secret,
        last_step: row.last_step,
        wrong_tries: row.wrong_tries,
        wrong_at: row.wrong_at.map(jiff_sqlx::Timestamp::to_jiff),
    }))
}

/// The code that proved the new secret is used by that.
pub async fn replace(
    tx: &mut Tx<System>,
    user: UserId,
    sealed: &[u8],
    step: i64,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into auth.second_factors (user_id, secret, confirmed_at, last_step) values ($1, $2, $3, $4)
         on conflict (user_id) do update
            set secret = excluded.secret, confirmed_at = excluded.confirmed_at, last_step = excluded.last_step,
                wrong_tries = 0, wrong_at = null",
        user.0,
        sealed,
        now.to_sqlx() as _,
        step,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn replace_codes(
    tx: &mut Tx<System>,
    user: UserId,
    hashes: &[TokenHash],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from auth.recovery_codes where user_id = $1", user.0).execute(&mut **tx).await?;
    let hashes: Vec<Vec<u8>> = hashes.iter().map(|hash| hash.as_bytes().to_vec()).collect();
    sqlx::query!(
        "insert into auth.recovery_codes (user_id, hash, created_at) select $1, hash, $3 from unnest($2::bytea[]) as hash",
        user.0,
        &hashes[..],
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn use_step(
    tx: &mut Tx<System>,
    user: UserId,
    step: i64,
    renewed_secret: Option<&[u8]>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update auth.second_factors
            set last_step = $2, secret = coalesce($3, secret), wrong_tries = 0, wrong_at = null
          where user_id = $1",
        user.0,
        step,
        renewed_secret,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// False: there is no such code, or it was used before.
pub async fn use_code(
    tx: &mut Tx<System>,
    user: UserId,
    hash: &TokenHash,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let used = sqlx::query!(
        "update auth.recovery_codes set used_at = $3 where user_id = $1 and hash = $2 and used_at is null",
        user.0,
        hash.as_bytes(),
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(used.rows_affected() == 1)
}

pub async fn codes_left(tx: &mut Tx<System>, user: UserId) -> Result<usize, sqlx::Error> {
    let left = sqlx::query_scalar!(
        r#"select count(*) as "left!" from auth.recovery_codes where user_id = $1 and used_at is null"#,
        user.0,
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(usize::try_from(left).unwrap_or_default())
}

pub async fn count_wrong(tx: &mut Tx<System>, user: UserId, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update auth.second_factors set wrong_tries = least(wrong_tries, 1000) + 1, wrong_at = $2 where user_id = $1",
        user.0,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn forget_wrong(tx: &mut Tx<System>, user: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!("update auth.second_factors set wrong_tries = 0, wrong_at = null where user_id = $1", user.0)
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub async fn remove(tx: &mut Tx<System>, user: UserId) -> Result<bool, AppError> {
    let removed =
        sqlx::query!("delete from auth.second_factors where user_id = $1", user.0).execute(&mut **tx).await?;
    Ok(removed.rows_affected() == 1)
}

/// Sealed with another key than this one, whose name stands at the beginning of the bytes. Those that a person has been
/// told of are not tried again and again.
pub async fn stale(
    tx: &mut Tx<System>,
    newest: &str,
    limit: i64,
) -> Result<Vec<(UserId, Vec<u8>)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select user_id as "user: UserId", secret from auth.second_factors f
            where encode(substring(secret from 2 for get_byte(secret, 0)), 'escape') <> $1
              and not exists (select from attention_items i
                               where i.kind = 'sealed_unreadable' and i.subject = f.user_id::text
                                 and i.resolved_at is null)
            order by user_id limit $2"#,
        newest,
        limit,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.user, row.secret)).collect())
}

/// One row of each key.
pub async fn samples(tx: &mut Tx<System>) -> Result<Vec<(String, i64, UserId, Vec<u8>)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"with keyed as (
               select user_id, secret, encode(substring(secret from 2 for get_byte(secret, 0)), 'escape') as key
                 from auth.second_factors)
           select distinct on (key) key as "key!", user_id as "user: UserId", secret,
                  count(*) over (partition by key) as "rows!"
             from keyed order by key"#
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.key, row.rows, row.user, row.secret)).collect())
}

pub async fn count_stale(tx: &mut Tx<System>, newest: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from auth.second_factors
            where encode(substring(secret from 2 for get_byte(secret, 0)), 'escape') <> $1"#,
        newest,
    )
    .fetch_one(&mut **tx)
    .await
}

/// Nothing if the secret has been changed meanwhile.
pub async fn reseal(
    tx: &mut Tx<System>,
    user: UserId,
    before: &[u8],
    sealed: &[u8],
) -> Result<u64, sqlx::Error> {
    sqlx::query!(
        "update auth.second_factors set secret = $3 where user_id = $1 and secret = $2",
        user.0,
        before,
        sealed
    )
    .execute(&mut **tx)
    .await
    .map(|done| done.rows_affected())
}

/// The account of this address, if it has a second factor.
pub async fn owner(tx: &mut Tx<System>, email: &str) -> Result<Option<UserId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select u.id as "id: UserId" from auth.users u join auth.second_factors f on f.user_id = u.id
            where u.email = $1::text::citext"#,
        email,
    )
    .fetch_optional(&mut **tx)
    .await
}
