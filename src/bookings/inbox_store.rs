//! The inbox of the supplier's events.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{
    db::{System, Tx},
    ids::BookingId,
    supplier::duffel::Event,
};

/// The booking whose order the event is about.
pub async fn booking_of(tx: &mut Tx<System>, event: &Event) -> Result<Option<BookingId>, sqlx::Error> {
    let found = sqlx::query_scalar!(
        "select id from bookings
          where supplier = 'duffel' and (supplier_order_id = $1 or id = $2)
          order by supplier_order_id = $1 desc nulls last
          limit 1",
        event.order,
        event.booking.map(|id| id.0),
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.map(BookingId))
}

/// `false`: it has been taken in before.
pub async fn take(
    tx: &mut Tx<System>,
    event: &Event,
    booking: Option<BookingId>,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query!(
        "insert into supplier_events (id, kind, order_id, names_booking, booking_id, received_at, settled_at)
         values ($1, $2, $3, $4, $5, $6, $6)
         on conflict (id) do nothing",
        event.id,
        event.name,
        event.order,
        event.booking.map(|id| id.0),
        booking.map(|id| id.0),
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(taken.rows_affected() == 1)
}
