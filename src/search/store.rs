//! The cache of supplier answers in `flight_searches`.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{
    db::{Db, Guest, System, Tx},
    error::AppError,
    itinerary::Offer,
    money::{Currency, Money},
};

/// Two round trips: BEGIN with the role, and this. Nothing is written, so there is nothing to commit.
pub async fn find(db: &Db, key: &[u8], now: Timestamp) -> Result<Option<Vec<Offer>>, AppError> {
    let mut tx = db.begin(Guest).await?;
    let results = sqlx::query_scalar!(
        "select results from flight_searches where key = $1 and expires_at > $2",
        key,
        now.to_sqlx() as _,
    )
    .fetch_optional(&mut *tx)
    .await?;
    // Kept by another version of this program, in a shape that this one does not read: as good as not kept.
    Ok(results.and_then(|results| serde_json::from_value(results).ok()))
}

/// Two visitors may ask the same at once: the later answer stays.
pub async fn keep(
    db: &Db,
    key: &[u8],
    params: &serde_json::Value,
    offers: &[Offer],
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), AppError> {
    let results = serde_json::to_value(offers)?;
    let mut tx = db.begin(System).await?;
    sqlx::query!(
        "insert into flight_searches (key, params, results, created_at, expires_at) values ($1, $2, $3, $4, $5)
         on conflict (key) do update
         set results = excluded.results, created_at = excluded.created_at, expires_at = excluded.expires_at",
        key,
        params,
        results,
        now.to_sqlx() as _,
        expires_at.to_sqlx() as _,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// The lowest total of each of these searches, as far as they are in the cache.
pub async fn lowest(db: &Db, keys: &[Vec<u8>], now: Timestamp) -> Result<HashMap<Vec<u8>, Money>, AppError> {
    let mut tx = db.begin(Guest).await?;
    let rows = sqlx::query!(
        r#"select distinct on (key) key, (offer->'total'->>'minor')::bigint as "minor!", offer->'total'->>'currency' as "currency!"
             from flight_searches, jsonb_path_query(results, '$[*]') offer
            where key = any($1) and expires_at > $2 and offer->'total'->>'minor' is not null
            order by key, (offer->'total'->>'minor')::bigint"#,
        keys,
        now.to_sqlx() as _,
    )
    .fetch_all(&mut *tx)
    .await?;
    let money = |minor, currency: &str| Some(Money::new(minor, currency.parse::<Currency>().ok()?));
    Ok(rows.into_iter().filter_map(|row| Some((row.key, money(row.minor, &row.currency)?))).collect())
}

pub async fn delete_expired(tx: &mut Tx<System>, now: Timestamp) -> Result<i64, AppError> {
    let gone = sqlx::query_scalar!("select delete_expired_searches($1)", now.to_sqlx() as _)
        .fetch_one(&mut **tx)
        .await?;
    Ok(gone.unwrap_or_default())
}
