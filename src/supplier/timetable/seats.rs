//! Seats, holds and orders in PostgreSQL. Locks are always taken in the same order (order row, booking, hold rows, then
//! flights by their key), so nobody waits for another in a ring; the table itself refuses to sell a seat twice.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::{
    airlines::AIRLINES,
    offers::Found,
    price,
    switches::{self, Fault},
};
use crate::{
    db::{Db, System, Tx},
    ids::{BookingId, BookingReference},
    money::{Currency, Money},
    supplier::Order,
};

/// A flight on a day in a cabin: what a row of the inventory is about. Sorts as the table does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Line {
    pub carrier: &'static str,
    pub number: u16,
    /// Days since 1970.
    pub day: i32,
    pub cabin: &'static str,
    /// Seats for sale before anybody came.
    pub capacity: u16,
}

/// Seats for sale, and those of them that are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub capacity: u16,
    pub sold: u16,
    pub held: u16,
}

/// What the books know of each line; a line they do not know has all its seats.
#[derive(Default)]
pub(super) struct Books(HashMap<Line, Taken>);

impl Books {
    pub(super) fn of(&self, line: &Line) -> Taken {
        let untouched = Taken { capacity: line.capacity, sold: 0, held: 0 };
        self.0.get(line).copied().unwrap_or(untouched)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seats {
    Taken,
    SoldOut,
}

/// What `order` writes down.
pub(super) struct NewOrder<'a> {
    pub booking: BookingId,
    pub reference: &'a BookingReference,
    pub offer_id: &'a str,
    pub pnr: String,
    pub tickets: Vec<String>,
    pub total: Money,
    pub on_cancel: Option<&'static str>,
    pub on_check: Option<&'static str>,
}

/// What was sold, as far as giving it back needs it.
pub(super) struct Sale {
    pub offer_id: String,
    pub total: Money,
    pub on_cancel: Option<Fault>,
    /// Once it is cancelled.
    pub credit: Option<Money>,
}

impl Line {
    pub(super) fn of(found: &Found) -> Self {
        Self {
            carrier: AIRLINES[usize::from(found.flight.carrier)].code,
            number: found.flight.number,
            day: found.leg.day,
            cabin: found.cabin.code(),
            capacity: price::for_sale(&found.flight, found.leg.day, found.cabin),
        }
    }
}

/// Lines as the columns that a statement takes.
struct Columns {
    carriers: Vec<String>,
    numbers: Vec<i32>,
    days: Vec<i32>,
    cabins: Vec<String>,
    capacities: Vec<i32>,
}

impl Columns {
    fn of(lines: &[Line]) -> Self {
        Self {
            carriers: lines.iter().map(|line| line.carrier.to_owned()).collect(),
            numbers: lines.iter().map(|line| i32::from(line.number)).collect(),
            days: lines.iter().map(|line| line.day).collect(),
            cabins: lines.iter().map(|line| line.cabin.to_owned()).collect(),
            capacities: lines.iter().map(|line| i32::from(line.capacity)).collect(),
        }
    }
}

/// Sold and held seats of all lines in one query. A hold past its time does not count, swept or not.
pub(super) async fn look_up(db: &Db, lines: &[Line], now: Timestamp) -> Result<Books, sqlx::Error> {
    if lines.is_empty() {
        return Ok(Books::default());
    }
    let columns = Columns::of(lines);
    let mut tx = db.begin(System).await?;
    let rows = sqlx::query!(
        r#"select wanted.nth as "nth!", i.capacity, i.sold,
                  (i.held - coalesce((
                      select sum(l.seats) from timetable.hold_lines l join timetable.holds h using (booking_id)
                       where l.carrier = i.carrier and l.number = i.number and l.departs_on = i.departs_on and l.cabin = i.cabin
                         and h.expires_at <= $5), 0))::int as "held!"
             from unnest($1::text[], $2::int[], $3::int[], $4::text[]) with ordinality as wanted(carrier, number, day, cabin, nth)
             join timetable.inventory i
               on i.carrier = wanted.carrier and i.number = wanted.number and i.departs_on = date '1970-01-01' + wanted.day and i.cabin = wanted.cabin"#,
        &columns.carriers,
        &columns.numbers,
        &columns.days,
        &columns.cabins,
        now.to_sqlx() as _,
    )
    .fetch_all(&mut *tx)
    .await?;
    let seats = |count: i32| u16::try_from(count).unwrap_or(0);
    let known = rows.into_iter().filter_map(|row| {
        let line = lines.get(usize::try_from(row.nth - 1).ok()?)?;
        Some((*line, Taken { capacity: seats(row.capacity), sold: seats(row.sold), held: seats(row.held) }))
    });
    Ok(Books(known.collect()))
}

/// Makes the rows of flights that nobody wanted before. In a transaction of its own: a row being made blocks whoever makes
/// the same one, and must not do so while other locks are held.
pub(super) async fn open(db: &Db, lines: &[Line]) -> Result<(), sqlx::Error> {
    let columns = Columns::of(lines);
    let mut tx = db.begin(System).await?;
    sqlx::query!(
        "insert into timetable.inventory (carrier, number, departs_on, cabin, capacity)
         select carrier, number, date '1970-01-01' + day, cabin, capacity
           from unnest($1::text[], $2::int[], $3::int[], $4::text[], $5::int[]) as wanted(carrier, number, day, cabin, capacity)
          order by carrier, number, day, cabin
             on conflict do nothing",
        &columns.carriers,
        &columns.numbers,
        &columns.days,
        &columns.cabins,
        &columns.capacities,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// A booking's hold, if it has one.
pub(super) struct Held {
    pub expires_at: Timestamp,
    pub offer_id: String,
}

/// One at a time for each booking, also while it has no hold yet: a row that does not exist cannot be locked.
pub(super) async fn lock_hold(tx: &mut Tx<System>, booking: BookingId) -> Result<Option<Held>, sqlx::Error> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended($1, 0))", booking.to_string())
        .execute(&mut **tx)
        .await?;
    let row = sqlx::query!(
        r#"select expires_at as "expires_at: jiff_sqlx::Timestamp", offer_id
             from timetable.holds where booking_id = $1 for update"#,
        booking.0,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| Held { expires_at: row.expires_at.to_jiff(), offer_id: row.offer_id }))
}

/// Takes the booking's own hold and every lapsed hold on these lines out of the books. Locks all flights concerned, in order.
pub(super) async fn free(
    tx: &mut Tx<System>,
    booking: BookingId,
    lines: &[Line],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let columns = Columns::of(lines);
    // A lapsed hold that someone else is sweeping right now is left to them.
    let mut ended: Vec<uuid::Uuid> = sqlx::query_scalar!(
        "select h.booking_id from timetable.holds h
          where h.expires_at <= $5 and h.booking_id <> $6
            and exists (select from timetable.hold_lines l
                         join unnest($1::text[], $2::int[], $3::int[], $4::text[]) as wanted(carrier, number, day, cabin)
                           on l.carrier = wanted.carrier and l.number = wanted.number
                          and l.departs_on = date '1970-01-01' + wanted.day and l.cabin = wanted.cabin
                        where l.booking_id = h.booking_id)
            for update of h skip locked",
        &columns.carriers,
        &columns.numbers,
        &columns.days,
        &columns.cabins,
        now.to_sqlx() as _,
        booking.0,
    )
    .fetch_all(&mut **tx)
    .await?;
    ended.push(booking.0);
    sqlx::query!(
        "select 1 as one from timetable.inventory i
          where exists (select from timetable.hold_lines l
                         where l.booking_id = any($5) and l.carrier = i.carrier and l.number = i.number
                           and l.departs_on = i.departs_on and l.cabin = i.cabin)
             or (i.carrier, i.number, i.departs_on, i.cabin) in (
                    select carrier, number, date '1970-01-01' + day, cabin
                      from unnest($1::text[], $2::int[], $3::int[], $4::text[]) as wanted(carrier, number, day, cabin))
          order by i.carrier, i.number, i.departs_on, i.cabin
            for update",
        &columns.carriers,
        &columns.numbers,
        &columns.days,
        &columns.cabins,
        &ended,
    )
    .fetch_all(&mut **tx)
    .await?;
    sqlx::query!(
        "update timetable.inventory i set held = i.held - gone.seats
           from (select carrier, number, departs_on, cabin, sum(seats)::int as seats
                   from timetable.hold_lines where booking_id = any($1) group by 1, 2, 3, 4) as gone
          where i.carrier = gone.carrier and i.number = gone.number and i.departs_on = gone.departs_on and i.cabin = gone.cabin",
        &ended,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!("delete from timetable.holds where booking_id = any($1)", &ended).execute(&mut **tx).await?;
    Ok(())
}

/// Holds `seats` on each line, all of them or none. The flights are locked already.
pub(super) async fn hold(
    tx: &mut Tx<System>,
    booking: BookingId,
    offer_id: &str,
    lines: &[Line],
    seats: u8,
    until: Timestamp,
    now: Timestamp,
) -> Result<Seats, sqlx::Error> {
    let columns = Columns::of(lines);
    let taken = sqlx::query!(
        "update timetable.inventory i set held = i.held + $5
           from unnest($1::text[], $2::int[], $3::int[], $4::text[]) as wanted(carrier, number, day, cabin)
          where i.carrier = wanted.carrier and i.number = wanted.number and i.departs_on = date '1970-01-01' + wanted.day
            and i.cabin = wanted.cabin and i.held + i.sold + $5 <= i.capacity",
        &columns.carriers,
        &columns.numbers,
        &columns.days,
        &columns.cabins,
        i32::from(seats),
    )
    .execute(&mut **tx)
    .await?;
    if taken.rows_affected() < lines.len() as u64 {
        return Ok(Seats::SoldOut);
    }
    sqlx::query!(
        "insert into timetable.holds (booking_id, offer_id, seats, expires_at, created_at) values ($1, $2, $3, $4, $5)",
        booking.0,
        offer_id,
        i32::from(seats),
        until.to_sqlx() as _,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "insert into timetable.hold_lines (booking_id, carrier, number, departs_on, cabin, seats)
         select $5, carrier, number, date '1970-01-01' + day, cabin, $6
           from unnest($1::text[], $2::int[], $3::int[], $4::text[]) as wanted(carrier, number, day, cabin)",
        &columns.carriers,
        &columns.numbers,
        &columns.days,
        &columns.cabins,
        booking.0,
        i32::from(seats),
    )
    .execute(&mut **tx)
    .await?;
    Ok(Seats::Taken)
}

pub(super) async fn renew(
    tx: &mut Tx<System>,
    booking: BookingId,
    until: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update timetable.holds set expires_at = $2 where booking_id = $1",
        booking.0,
        until.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Writes the order down unless the booking has one: then nothing changes and the answer is false. The id is made of the
/// booking, so either of the two keys may be the first to notice.
pub(super) async fn claim_order(
    tx: &mut Tx<System>,
    order: &NewOrder<'_>,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let made = sqlx::query!(
        "insert into timetable.orders (booking_id, id, booking_reference, pnr, tickets, total_minor, currency, offer_id, created_at, on_cancel, on_check)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing",
        order.booking.0,
        format!("tt_{}", order.booking),
        order.reference.as_str(),
        order.pnr,
        &order.tickets,
        order.total.minor,
        order.total.currency.code(),
        order.offer_id,
        now.to_sqlx() as _,
        order.on_cancel,
        order.on_check,
    )
    .execute(&mut **tx)
    .await?;
    Ok(made.rows_affected() == 1)
}

/// Sells `seats` on each line, all of them or none. The flights are locked already.
pub(super) async fn sell(
    tx: &mut Tx<System>,
    booking: BookingId,
    lines: &[Line],
    seats: u8,
) -> Result<Seats, sqlx::Error> {
    let columns = Columns::of(lines);
    let sold = sqlx::query!(
        "update timetable.inventory i set sold = i.sold + $5
           from unnest($1::text[], $2::int[], $3::int[], $4::text[]) as wanted(carrier, number, day, cabin)
          where i.carrier = wanted.carrier and i.number = wanted.number and i.departs_on = date '1970-01-01' + wanted.day
            and i.cabin = wanted.cabin and i.held + i.sold + $5 <= i.capacity",
        &columns.carriers,
        &columns.numbers,
        &columns.days,
        &columns.cabins,
        i32::from(seats),
    )
    .execute(&mut **tx)
    .await?;
    if sold.rows_affected() < lines.len() as u64 {
        return Ok(Seats::SoldOut);
    }
    sqlx::query!(
        "insert into timetable.order_lines (booking_id, carrier, number, departs_on, cabin, seats)
         select $5, carrier, number, date '1970-01-01' + day, cabin, $6
           from unnest($1::text[], $2::int[], $3::int[], $4::text[]) as wanted(carrier, number, day, cabin)",
        &columns.carriers,
        &columns.numbers,
        &columns.days,
        &columns.cabins,
        booking.0,
        i32::from(seats),
    )
    .execute(&mut **tx)
    .await?;
    Ok(Seats::Taken)
}

pub(super) async fn find_order(
    tx: &mut Tx<System>,
    booking: BookingId,
) -> Result<Option<Order>, sqlx::Error> {
    let row = sqlx::query!(
        "select id, pnr, tickets, total_minor, currency from timetable.orders where booking_id = $1",
        booking.0,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| {
        let currency = row.currency.parse::<Currency>().unwrap_or(price::CURRENCY);
        Order { id: row.id, pnr: row.pnr, tickets: row.tickets, total: Money::new(row.total_minor, currency) }
    }))
}

/// What an order's tickets are good for, and what its names say of it. `None`: there are no such tickets.
pub(super) struct Sold {
    pub offer: String,
    pub on_check: Option<String>,
}

pub(super) async fn flights_of(tx: &mut Tx<System>, booking: BookingId) -> Result<Option<Sold>, sqlx::Error> {
    sqlx::query_as!(
        Sold,
        "select offer_id as offer, on_check from timetable.orders where booking_id = $1 and cancelled_at is null",
        booking.0,
    )
    .fetch_optional(&mut **tx)
    .await
}

/// The order of a booking, locked, if it has one.
pub(super) async fn lock_sale(tx: &mut Tx<System>, booking: BookingId) -> Result<Option<Sale>, sqlx::Error> {
    let row = sqlx::query!(
        "select offer_id, total_minor, currency, on_cancel, credit_minor
           from timetable.orders where booking_id = $1 for update",
        booking.0,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| {
        let currency = row.currency.parse::<Currency>().unwrap_or(price::CURRENCY);
        Sale {
            offer_id: row.offer_id,
            total: Money::new(row.total_minor, currency),
            on_cancel: row.on_cancel.as_deref().and_then(switches::cancel_fault_of),
            credit: row.credit_minor.map(|minor| Money::new(minor, currency)),
        }
    }))
}

/// Gives the seats of an order back to be sold again. The order is locked and not cancelled yet.
pub(super) async fn cancel_sale(
    tx: &mut Tx<System>,
    booking: BookingId,
    credit: Money,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "select 1 as one from timetable.inventory i join timetable.order_lines l using (carrier, number, departs_on, cabin)
          where l.booking_id = $1 order by i.carrier, i.number, i.departs_on, i.cabin for update of i",
        booking.0,
    )
    .fetch_all(&mut **tx)
    .await?;
    sqlx::query!(
        "with gone as (delete from timetable.order_lines where booking_id = $1 returning *)
         update timetable.inventory i set sold = i.sold - gone.seats from gone
          where i.carrier = gone.carrier and i.number = gone.number and i.departs_on = gone.departs_on and i.cabin = gone.cabin",
        booking.0,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "update timetable.orders set cancelled_at = $2, credit_minor = $3 where booking_id = $1",
        booking.0,
        now.to_sqlx() as _,
        credit.minor,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}
