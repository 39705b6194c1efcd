//! The cache of supplier answers in `flight_searches`.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use serde::Deserialize;

use crate::{
    db::{Db, Guest, System, Tx},
    error::AppError,
    itinerary::Offer,
    money::{Currency, Money},
    search::{
        cache::{Answer, Canonical, DaysAround, Key},
        choices::Choices,
        filter::Filters,
        order::Order,
    },
};

/// The table keeps microseconds.
const SAME_MOMENT: SignedDuration = SignedDuration::from_millis(1);

/// Two round trips: BEGIN with the role, and this. Nothing is written, so there is nothing to commit. Of the other searches
/// the lowest total, as far as they are in the cache and nobody has told what they cost.
pub async fn find(
    db: &Db,
    key: &Key,
    others: &[Key],
    now: Timestamp,
) -> Result<(Option<Answer>, HashMap<Vec<u8>, Money>), AppError> {
    let keys: Vec<Vec<u8>> = others.iter().chain([key]).map(|key| key.to_vec()).collect();
    let mut tx = db.begin(Guest).await?;
    let rows = sqlx::query!(
        r#"select key, case when key = $1 then results end as results, left_out, days,
                  created_at as "created_at: jiff_sqlx::Timestamp", fresh_until as "fresh_until: jiff_sqlx::Timestamp",
                  expires_at as "expires_at: jiff_sqlx::Timestamp", lowest.minor as "minor?", lowest.currency as "currency?"
             from flight_searches kept left join lateral (
                  select (total->>'minor')::bigint as minor, total->>'currency' as currency
                    from jsonb_path_query(kept.results, '$[*].total') total
                   where kept.key <> $1 and total->>'minor' is not null
                     and not exists (select from flight_searches own where own.key = $1 and own.expires_at > $3 and own.days is not null)
                   order by 1 limit 1) lowest on true
            where key = any($2) and expires_at > $3"#,
        &key[..],
        &keys,
        now.to_sqlx() as _,
    )
    .fetch_all(&mut *tx)
    .await?;
    let (mut answer, mut seen) = (None, HashMap::new());
    for row in rows {
        let Some(results) = row.results else {
            let total = row.minor.zip(row.currency).and_then(|(minor, currency)| money(minor, &currency));
            seen.extend(total.map(|total| (row.key, total)));
            continue;
        };
        let (asked_at, expires_at) = (row.created_at.to_jiff(), row.expires_at.to_jiff());
        let days = row.days.and_then(|days| serde_json::from_value::<DaysAround>(days).ok());
        // Kept by another version of this program, in a shape that this one does not read: as good as not kept.
        let kept = serde_json::from_value(results).ok().map(|kept| match kept {
            Kept::Offers(offers) => (offers, Vec::new()),
            Kept::Ways([kept]) => (Vec::new(), kept.ways),
        });
        answer = kept.map(|(offers, ways)| Answer {
            offers,
            ways,
            left_out: u32::try_from(row.left_out).unwrap_or_default(),
            asked_at,
            fresh_until: row.fresh_until.map_or(expires_at, |fresh| fresh.to_jiff()),
            expires_at,
            // An older version renews the answer and leaves the days of the one before beside it.
            days: days.filter(|days| days.asked_at.duration_since(asked_at).abs() < SAME_MOMENT),
        });
    }
    Ok((answer, seen))
}

/// Whole offers, or as the only element the ways of each slice. Both have the lowest total where SQL looks for it, at
/// `$[*].total`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Kept {
    Offers(Vec<Offer>),
    Ways([KeptWays; 1]),
}

#[derive(Deserialize)]
struct KeptWays {
    ways: Vec<Vec<Offer>>,
}

fn results_of(answer: &Answer) -> Result<serde_json::Value, AppError> {
    if answer.ways.is_empty() {
        return Ok(serde_json::to_value(&answer.offers)?);
    }
    let cheapest = Choices::of(answer).picks(&Filters::default(), Order::Cheapest).first.into_iter().next();
    Ok(serde_json::json!([{ "total": cheapest.map(|pick| pick.total), "ways": answer.ways }]))
}

fn money(minor: i64, currency: &str) -> Option<Money> {
    Some(Money::new(minor, currency.parse::<Currency>().ok()?))
}

/// Whether this process is the one to ask. A claim that nobody has settled lapses.
pub async fn claim(db: &Db, key: &Key, now: Timestamp, until: Timestamp) -> Result<bool, AppError> {
    let mut tx = db.begin(System).await?;
    let claimed = sqlx::query!(
        "insert into flight_search_claims as claim (key, until) values ($1, $2)
         on conflict (key) do update set until = excluded.until where claim.until <= $3",
        &key[..],
        until.to_sqlx() as _,
        now.to_sqlx() as _,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(claimed.rows_affected() == 1)
}

/// Writes the answer down, if there is one that holds, and gives the claim back, unless it has lapsed and is another's now.
pub async fn settle(
    db: &Db,
    canonical: &Canonical,
    claimed_until: Timestamp,
    answer: Option<&Answer>,
) -> Result<(), AppError> {
    let mut tx = db.begin(System).await?;
    if let Some(answer) = answer {
        sqlx::query!(
            "with kept as (
             insert into flight_searches (key, params, results, left_out, created_at, fresh_until, expires_at, days)
             values ($1, $2, $3, $4, $5, $6, $7, $8)
             on conflict (key) do update
             set results = excluded.results, left_out = excluded.left_out, created_at = excluded.created_at,
                 fresh_until = excluded.fresh_until, expires_at = excluded.expires_at, days = excluded.days)
             delete from flight_search_claims where key = $1 and until = $9",
            &canonical.key[..],
            canonical.params,
            results_of(answer)?,
            i32::try_from(answer.left_out).unwrap_or(i32::MAX),
            answer.asked_at.to_sqlx() as _,
            answer.fresh_until.to_sqlx() as _,
            answer.expires_at.to_sqlx() as _,
            answer.days.as_ref().map(serde_json::to_value).transpose()?,
            claimed_until.to_sqlx() as _,
        )
        .execute(&mut *tx)
        .await?;
    } else {
        sqlx::query!(
            "delete from flight_search_claims where key = $1 and until = $2",
            &canonical.key[..],
            claimed_until.to_sqlx() as _,
        )
        .execute(&mut *tx)
        .await?;
    }
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
    Ok(rows.into_iter().filter_map(|row| Some((row.key, money(row.minor, &row.currency)?))).collect())
}

pub async fn delete_expired(tx: &mut Tx<System>, now: Timestamp) -> Result<i64, AppError> {
    sqlx::query!("delete from flight_search_claims where until <= $1", now.to_sqlx() as _)
        .execute(&mut **tx)
        .await?;
    let gone = sqlx::query_scalar!("select delete_expired_searches($1)", now.to_sqlx() as _)
        .fetch_one(&mut **tx)
        .await?;
    Ok(gone.unwrap_or_default())
}
