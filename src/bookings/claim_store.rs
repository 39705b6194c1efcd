//! SQL of bookings that become part of an account.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{
    bookings::claims::Claimable,
    db::{System, Traveller, Tx},
    ids::{BookingId, BookingReference, TokenHash, UserId},
};

pub async fn claimable(tx: &mut Tx<Traveller>) -> Result<Claimable, sqlx::Error> {
    let count = sqlx::query_scalar!("select claimable_bookings()").fetch_one(&mut **tx).await?;
    Ok(count.map_or(Claimable::Unproven, Claimable::Bookings))
}

/// Always in the same order, so that two who take the same bookings wait for each other and not in a circle.
pub async fn lock_by_contact(
    tx: &mut Tx<System>,
    email: &str,
) -> Result<Vec<(BookingId, String)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select id as "id: BookingId", booking_reference from bookings
            where user_id is null and lower(contact_email) = lower($1) order by id for no key update"#,
        email,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.booking_reference)).collect())
}

pub async fn lock_by_links_and_contact(
    tx: &mut Tx<System>,
    links: &[TokenHash],
    email: &str,
) -> Result<Vec<(BookingId, String)>, sqlx::Error> {
    let hashes: Vec<Vec<u8>> = links.iter().map(|link| link.as_bytes().to_vec()).collect();
    let rows = sqlx::query!(
        r#"select b.id as "id: BookingId", b.booking_reference from bookings b
            where b.user_id is null and lower(b.contact_email) = lower($2)
              and exists (select from booking_links l where l.booking_id = b.id and l.token_hash = any($1))
            order by b.id for no key update"#,
        &hashes[..],
        email,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.booking_reference)).collect())
}

pub async fn lock_by_link(
    tx: &mut Tx<System>,
    link: TokenHash,
    reference: &BookingReference,
) -> Result<Option<BookingId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select b.id as "id: BookingId" from bookings b
            where b.booking_reference = $2 and b.user_id is null
              and exists (select from booking_links l where l.booking_id = b.id and l.token_hash = $1)
              for no key update"#,
        link.as_bytes(),
        reference.as_str(),
    )
    .fetch_optional(&mut **tx)
    .await
}

pub async fn set_user(tx: &mut Tx<System>, bookings: &[BookingId], user: UserId) -> Result<(), sqlx::Error> {
    let ids: Vec<uuid::Uuid> = bookings.iter().map(|id| id.0).collect();
    sqlx::query!("update bookings set user_id = $2 where id = any($1) and user_id is null", &ids, user.0)
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// What became part of the account at that moment, and has stayed with it.
pub async fn claimed_at(
    tx: &mut Tx<System>,
    user: UserId,
    at: Timestamp,
) -> Result<Vec<BookingId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select b.id as "id: BookingId" from bookings b join booking_events e on e.booking_id = b.id
            where b.user_id = $1 and e.kind = 'claimed' and e.at = $2 order by b.id"#,
        user.0,
        at.to_sqlx() as _,
    )
    .fetch_all(&mut **tx)
    .await
}
