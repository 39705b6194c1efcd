//! What we have asked of Duffel for a booking: written down before it is asked.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{
    db::{Db, System},
    ids::BookingId,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Holding,
    Held,
    Released,
    Asked,
    Accepted,
    Broken,
    Made,
    Refused,
}

/// Of space that was not kept because Duffel has sold the search behind the offer.
pub(super) const USED: &str = "something of the same search was ordered before";

impl State {
    const ALL: [Self; 8] = [
        Self::Holding,
        Self::Held,
        Self::Released,
        Self::Asked,
        Self::Accepted,
        Self::Broken,
        Self::Made,
        Self::Refused,
    ];

    const fn code(self) -> &'static str {
        match self {
            Self::Holding => "holding",
            Self::Held => "held",
            Self::Released => "released",
            Self::Asked => "asked",
            Self::Accepted => "accepted",
            Self::Broken => "broken",
            Self::Made => "made",
            Self::Refused => "refused",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub offer: String,
    pub order: Option<String>,
    pub state: State,
    pub detail: String,
    /// In whose names space was asked for.
    pub party: Option<String>,
    pub asked_at: Timestamp,
}

/// A state with what belongs to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note<'a> {
    pub offer: &'a str,
    pub order: Option<&'a str>,
    pub party: &'a str,
    pub state: State,
}

pub(super) async fn find(db: &Db, booking: BookingId) -> Result<Option<Entry>, sqlx::Error> {
    let mut tx = db.begin(System).await?;
    let row = sqlx::query!(
        r#"select offer_id, order_id, state, detail, party, asked_at as "asked_at: jiff_sqlx::Timestamp"
             from duffel_orders where booking_id = $1"#,
        booking.0,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let state = State::ALL.into_iter().find(|state| state.code() == row.state);
    let state = state.ok_or_else(|| sqlx::Error::Decode(format!("state {}", row.state).into()))?;
    Ok(Some(Entry {
        offer: row.offer_id,
        order: row.order_id,
        state,
        detail: row.detail,
        party: row.party,
        asked_at: row.asked_at.to_jiff(),
    }))
}

/// Before a call: something may exist at Duffel from here on. `false`: the book is not any more what was read in it, so
/// another worker is asking, or has asked, and nothing may be asked beside it.
pub(super) async fn begin(
    db: &Db,
    booking: BookingId,
    read: Option<&Entry>,
    note: Note<'_>,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let mut tx = db.begin(System).await?;
    let begun = sqlx::query!(
        "insert into duffel_orders as book (booking_id, offer_id, order_id, state, asked_at, changed_at, party)
         values ($1, $2, $3, $4, $5, $5, $8)
         on conflict (booking_id) do update
         set offer_id = excluded.offer_id, order_id = excluded.order_id, state = excluded.state, detail = '',
             asked_at = excluded.asked_at, changed_at = excluded.changed_at, party = excluded.party
         where book.state = $6 and book.asked_at = $7",
        booking.0,
        note.offer,
        note.order,
        note.state.code(),
        now.to_sqlx() as _,
        read.map(|entry| entry.state.code()),
        read.map(|entry| entry.asked_at.to_sqlx()) as _,
        note.party,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(begun.rows_affected() == 1)
}

/// After a call: what became of it. `order` stays what it was where none is named; in whose names, as long as it matters.
pub(super) async fn note(
    db: &Db,
    booking: BookingId,
    order: Option<&str>,
    state: State,
    detail: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let detail: String = detail.chars().take(500).collect();
    let mut tx = db.begin(System).await?;
    sqlx::query!(
        "update duffel_orders set order_id = coalesce($2, order_id), state = $3, detail = $4, changed_at = $5,
                party = case when $3 in ('holding', 'held', 'asked') then party end
          where booking_id = $1",
        booking.0,
        order,
        state.code(),
        detail,
        now.to_sqlx() as _,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Whether an order of this offer was given back, or refused because of one: Duffel sells each search once.
pub(super) async fn is_used(db: &Db, offer: &str) -> Result<bool, sqlx::Error> {
    let mut tx = db.begin(System).await?;
    sqlx::query_scalar!(
        r#"select exists (
               select from duffel_orders
                where offer_id = $1 and state = 'released' and (order_id is not null or detail = $2)) as "used!""#,
        offer,
        USED,
    )
    .fetch_one(&mut *tx)
    .await
}
