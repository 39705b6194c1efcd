//! SQL of passports. Travellers and staff never select the sealed bytes: their roles may not.

use jiff::{Timestamp, civil};
use jiff_sqlx::ToSqlx;

use crate::{
    bookings::documents::{DocumentNote, GivenDocument},
    db::{Principal, Staff, System, Traveller, Tx},
    ids::{BookingId, PassengerId},
};

pub struct NewRow<'a> {
    pub booking: BookingId,
    pub passenger: PassengerId,
    pub sealed: &'a [u8],
    pub last_two: &'a str,
}

pub struct SealedRow {
    pub passenger: PassengerId,
    pub sealed: Vec<u8>,
    pub country: String,
    pub expires_on: civil::Date,
}

pub struct StaleRow {
    pub passenger: PassengerId,
    pub booking: BookingId,
    pub sealed: Vec<u8>,
}

/// One for each passenger, in their order.
pub async fn notes<P: Principal>(
    tx: &mut Tx<P>,
    booking: BookingId,
) -> Result<Vec<Option<DocumentNote>>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select p.id as "passenger: PassengerId", d.last_two as "last_two?", d.country as "country?",
                  d.expires_on as "expires_on?: jiff_sqlx::Date"
             from passengers p left join travel_documents d on d.passenger_id = p.id
            where p.booking_id = $1 order by p.position"#,
        booking.0,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let expires_on = row.expires_on?.to_jiff();
            Some(DocumentNote {
                passenger: row.passenger,
                last_two: row.last_two?,
                country: row.country?,
                expires_on,
            })
        })
        .collect())
}

pub async fn put(
    tx: &mut Tx<Traveller>,
    row: &NewRow<'_>,
    document: &GivenDocument,
    travel_ends: civil::Date,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    // Not "on conflict": that would read the sealed bytes, which this role may not.
    delete(tx, row.passenger).await?;
    sqlx::query!(
        "insert into travel_documents (passenger_id, booking_id, sealed, last_two, country, expires_on, travel_ends, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        row.passenger.0,
        row.booking.0,
        row.sealed,
        row.last_two,
        document.country,
        document.expires_on.to_sqlx() as _,
        travel_ends.to_sqlx() as _,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Country and date, where the number stays.
pub async fn mend(
    tx: &mut Tx<Traveller>,
    passenger: PassengerId,
    document: &GivenDocument,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update travel_documents set country = $2, expires_on = $3 where passenger_id = $1",
        passenger.0,
        document.country,
        document.expires_on.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn delete(tx: &mut Tx<Traveller>, passenger: PassengerId) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from travel_documents where passenger_id = $1", passenger.0)
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// One for each passenger, in their order.
pub async fn sealed(tx: &mut Tx<System>, booking: BookingId) -> Result<Vec<Option<SealedRow>>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select p.id as "passenger: PassengerId", d.sealed as "sealed?", d.country as "country?",
                  d.expires_on as "expires_on?: jiff_sqlx::Date"
             from passengers p left join travel_documents d on d.passenger_id = p.id
            where p.booking_id = $1 order by p.position"#,
        booking.0,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let expires_on = row.expires_on?.to_jiff();
            Some(SealedRow {
                passenger: row.passenger,
                sealed: row.sealed?,
                country: row.country?,
                expires_on,
            })
        })
        .collect())
}

/// The sealed bytes for a member of the agency. The database hands out only those whose looking-at this very transaction
/// has written into the audit log.
pub async fn revealed(
    tx: &mut Tx<Staff>,
    booking: BookingId,
) -> Result<Vec<(PassengerId, Vec<u8>)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select passenger_id as "passenger!: PassengerId", sealed as "sealed!" from reveal_documents($1)"#,
        booking.0,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.passenger, row.sealed)).collect())
}

/// A booking that has ended without a journey needs no passports.
pub async fn delete_of(tx: &mut Tx<System>, booking: BookingId) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from travel_documents where booking_id = $1", booking.0)
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub async fn delete_old(tx: &mut Tx<System>, ended_before: civil::Date) -> Result<u64, sqlx::Error> {
    sqlx::query!(
        "delete from travel_documents d using bookings b
          where b.id = d.booking_id
            and (d.travel_ends < $1 or b.booking_status in ('cancelled', 'expired', 'failed'))",
        ended_before.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(|done| done.rows_affected())
}

/// The airline has moved the journey.
pub async fn set_travel_ends(
    tx: &mut Tx<System>,
    booking: BookingId,
    travel_ends: civil::Date,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update travel_documents set travel_ends = $2 where booking_id = $1",
        booking.0,
        travel_ends.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Sealed with another key than this one. Those that a person has been told of are not tried again and again.
pub async fn stale(tx: &mut Tx<System>, newest: &str, limit: i64) -> Result<Vec<StaleRow>, sqlx::Error> {
    sqlx::query_as!(
        StaleRow,
        r#"select passenger_id as "passenger: PassengerId", booking_id as "booking: BookingId", sealed
             from travel_documents d
            where sealed_with <> $1
              and not exists (select from attention_items i
                               where i.kind = 'sealed_unreadable' and i.subject = d.passenger_id::text
                                 and i.resolved_at is null)
            order by passenger_id limit $2"#,
        newest,
        limit,
    )
    .fetch_all(&mut **tx)
    .await
}

/// Nothing if somebody has written another number meanwhile.
pub async fn reseal(tx: &mut Tx<System>, row: &StaleRow, sealed: &[u8]) -> Result<u64, sqlx::Error> {
    sqlx::query!(
        "update travel_documents set sealed = $3 where passenger_id = $1 and sealed = $2",
        row.passenger.0,
        row.sealed,
        sealed,
    )
    .execute(&mut **tx)
    .await
    .map(|done| done.rows_affected())
}

/// One row of each key.
pub async fn samples(tx: &mut Tx<System>) -> Result<Vec<(String, i64, PassengerId, Vec<u8>)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select distinct on (sealed_with) sealed_with as "key!", passenger_id as "passenger: PassengerId", sealed,
                  count(*) over (partition by sealed_with) as "rows!"
             from travel_documents order by sealed_with"#
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.key, row.rows, row.passenger, row.sealed)).collect())
}

/// How many are not sealed with this key.
pub async fn count_stale(tx: &mut Tx<System>, newest: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from travel_documents where sealed_with <> $1"#,
        newest
    )
    .fetch_one(&mut **tx)
    .await
}
