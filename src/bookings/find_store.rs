//! SQL of what somebody typed to find a booking.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{
    bookings::find::Wanted,
    db::{System, Tx},
    error::AppError,
    ids::{BookingId, FindId},
    outbox::MailKind,
};

pub async fn insert(
    tx: &mut Tx<System>,
    id: FindId,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into booking_finds (id, reference, family_name, email, created_at) values ($1, $2, $3, $4, $5)",
        id.0,
        wanted.reference.as_str(),
        wanted.family_name,
        wanted.email,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Nothing of it is kept.
pub async fn take(tx: &mut Tx<System>, id: FindId) -> Result<Option<Wanted>, AppError> {
    let row =
        sqlx::query!("delete from booking_finds where id = $1 returning reference, family_name, email", id.0)
            .fetch_optional(&mut **tx)
            .await?;
    row.map(|row| {
        let reference = row.reference.parse();
        Ok(Wanted {
            reference: reference.map_err(|_| AppError::broken("a booking reference of another form"))?,
            family_name: row.family_name,
            email: row.email,
        })
    })
    .transpose()
}

pub async fn delete_before(tx: &mut Tx<System>, at: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from booking_finds where created_at < $1", at.to_sqlx() as _)
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// How many links this booking's contact has been sent.
pub async fn mails_since(
    tx: &mut Tx<System>,
    booking: BookingId,
    since: Timestamp,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from mails where booking_id = $1 and kind = $2 and created_at > $3"#,
        booking.0,
        MailKind::BookingLink.code(),
        since.to_sqlx() as _,
    )
    .fetch_one(&mut **tx)
    .await
}
