//! SQL of devices. Deleting one deletes its session by a trigger, and every process hears of that.

use super::Device;
use crate::{
    db::{Traveller, Tx},
    error::AppError,
    ids::{DeviceId, UserId},
};

pub async fn list(tx: &mut Tx<Traveller>) -> Result<Vec<Device>, AppError> {
    let rows = sqlx::query!(
        r#"select id, user_agent, created_at as "created_at: jiff_sqlx::Timestamp",
                  seen_at as "seen_at: jiff_sqlx::Timestamp"
             from auth.devices order by seen_at desc, id desc"#
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Device {
            id: DeviceId(row.id),
            user_agent: row.user_agent,
            signed_in_at: row.created_at.to_jiff(),
            seen_at: row.seen_at.to_jiff(),
        })
        .collect())
}

pub async fn end(tx: &mut Tx<Traveller>, device: DeviceId) -> Result<bool, AppError> {
    let ended = sqlx::query!("delete from auth.devices where id = $1", device.0).execute(&mut **tx).await?;
    Ok(ended.rows_affected() == 1)
}

pub async fn end_others<P>(tx: &mut Tx<P>, user: UserId, keep: Option<DeviceId>) -> Result<u64, AppError> {
    let ended = sqlx::query!(
        "delete from auth.devices where user_id = $1 and ($2::uuid is null or id <> $2)",
        user.0,
        keep.map(|device| device.0),
    )
    .execute(&mut **tx)
    .await?;
    Ok(ended.rows_affected())
}
