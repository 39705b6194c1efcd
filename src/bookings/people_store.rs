//! SQL of who travels and where to write.

use jiff_sqlx::ToSqlx;

use crate::{
    db::{Traveller, Tx},
    ids::{BookingId, PassengerId},
    itinerary::{Contact, Passenger},
};

/// Somebody may be paying, or has paid in a way that a person decides about. Asked under the booking's lock, which every
/// new payment takes first.
pub async fn is_being_paid(tx: &mut Tx<Traveller>, id: BookingId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (
               select from attempts where booking_id = $1
                  and (state in ('creating', 'create_unknown', 'open', 'processing') or quarantined is not null)) as "paid!""#,
        id.0,
    )
    .fetch_one(&mut **tx)
    .await
}

/// `false` once money is on its way: the contact is then what was sent to the airline.
pub async fn set_contact(
    tx: &mut Tx<Traveller>,
    id: BookingId,
    contact: &Contact,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "update bookings set contact_email = $2, contact_phone = $3
          where id = $1 and booking_status in ('draft', 'held')",
        id.0,
        contact.email,
        contact.phone,
    )
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// All passengers at once: the form always holds the whole party, whose size the offer fixes. A place keeps its id, for
/// what hangs from it.
pub async fn put_passengers(
    tx: &mut Tx<Traveller>,
    booking: BookingId,
    passengers: &[Passenger],
) -> Result<Vec<PassengerId>, sqlx::Error> {
    let mut ids = Vec::with_capacity(passengers.len());
    for (position, passenger) in (1_i16..).zip(passengers) {
        let id = sqlx::query_scalar!(
            r#"insert into passengers (id, booking_id, position, kind, given_names, family_name, born_on, sex)
               values ($1, $2, $3, $4, $5, $6, $7, $8)
               on conflict (booking_id, position) do update
               set kind = excluded.kind, given_names = excluded.given_names, family_name = excluded.family_name,
                   born_on = excluded.born_on, sex = excluded.sex
               returning id as "id: PassengerId""#,
            PassengerId::new().0,
            booking.0,
            position,
            passenger.kind.code(),
            passenger.given_names,
            passenger.family_name,
            passenger.born_on.to_sqlx() as _,
            passenger.sex.code(),
        )
        .fetch_one(&mut **tx)
        .await?;
        ids.push(id);
    }
    Ok(ids)
}
