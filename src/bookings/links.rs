//! SQL of links: each opens one booking that belongs to no account. Only their hashes are here.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;

use crate::{
    db::{System, Traveller, Tx},
    ids::{BookingId, BookingReference, MailId, TokenHash},
};

/// How long a link outlives the journey, or a booking that came to nothing.
pub const AFTERLIFE: SignedDuration = SignedDuration::from_hours(24 * 30);

/// A link, as it is written down.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub hash: TokenHash,
    pub booking: BookingId,
    /// The mail that carries it, or the browser in which the booking was made.
    pub mail: Option<MailId>,
    pub expires_at: Timestamp,
}

/// `false`: the booking belongs to an account by now, which is then the only way in. The booking's row is locked, so that
/// a link is never made behind the back of whoever is taking the booking over.
pub async fn insert(tx: &mut Tx<System>, link: &Link, now: Timestamp) -> Result<bool, sqlx::Error> {
    let made = sqlx::query_scalar!(
        r#"with open as (select id from bookings where id = $2 and user_id is null for share),
                made as (
                    insert into booking_links (token_hash, booking_id, mail_id, created_at, expires_at)
                    select $1, id, $3, $4, $5 from open
                    on conflict (token_hash) do nothing)
           select exists (select from open) as "open!""#,
        link.hash.as_bytes(),
        link.booking.0,
        link.mail.map(|mail| mail.0),
        now.to_sqlx() as _,
        link.expires_at.to_sqlx() as _,
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(made)
}

/// Whether this principal's link opens the booking of this reference.
pub async fn opens(tx: &mut Tx<Traveller>, reference: &BookingReference) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (select from bookings where booking_reference = $1) as "opens!""#,
        reference.as_str(),
    )
    .fetch_one(&mut **tx)
    .await
}

/// Whoever presents a link learns which booking it opens; for a dead one, nothing.
pub async fn opened(tx: &mut Tx<Traveller>) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!("select booking_reference from bookings where id = app_link_booking()")
        .fetch_optional(&mut **tx)
        .await
}

pub async fn revoke(tx: &mut Tx<System>, bookings: &[BookingId]) -> Result<(), sqlx::Error> {
    let ids: Vec<uuid::Uuid> = bookings.iter().map(|id| id.0).collect();
    sqlx::query!("delete from booking_links where booking_id = any($1)", &ids)
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// Deletes what has expired. Links to a booking that has ended live for [`AFTERLIFE`] from the round that finds it so.
pub async fn sweep(tx: &mut Tx<System>, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update booking_links l set expires_at = $1
           from bookings b
          where b.id = l.booking_id and b.booking_status in ('cancelled', 'expired', 'failed')
            and l.expires_at > $1",
        (now + AFTERLIFE).to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!("delete from booking_links where expires_at <= $1", now.to_sqlx() as _)
        .execute(&mut **tx)
        .await
        .map(drop)
}
