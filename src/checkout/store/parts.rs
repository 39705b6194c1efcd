//! SQL of refunds by passenger and line.

use crate::{
    bookings::Booking,
    checkout::price_lines::{Item, LineId, LinePart, lines_of},
    db::{Principal, System, Tx},
    error::AppError,
    ids::{BookingId, RefundId},
};

/// Of what a refund gives back how much. With the first one, what the price is made of is written down for good. The database
/// refuses more of a line than it cost, and lines that do not come to the refund's amount.
pub async fn insert_refund_parts(
    tx: &mut Tx<System>,
    refund: RefundId,
    booking: &Booking,
    parts: &[LinePart],
) -> Result<(), sqlx::Error> {
    let lines = lines_of(booking);
    let (passengers, items, amounts) =
        columns(lines.iter().map(|line| LinePart { line: line.id, amount: line.amount }));
    sqlx::query!(
        "insert into price_lines (booking_id, passenger, item, amount_minor)
         select $1, l.passenger, l.item, l.amount_minor
           from unnest($2::smallint[], $3::text[], $4::bigint[]) as l (passenger, item, amount_minor)
         on conflict do nothing",
        booking.id.0,
        &passengers,
        &items,
        &amounts,
    )
    .execute(&mut **tx)
    .await?;
    let (passengers, items, amounts) = columns(parts.iter().copied());
    sqlx::query!(
        "insert into refund_lines (refund_id, booking_id, passenger, item, amount_minor)
         select $1, $2, l.passenger, l.item, l.amount_minor
           from unnest($3::smallint[], $4::text[], $5::bigint[]) as l (passenger, item, amount_minor)",
        refund.0,
        booking.id.0,
        &passengers,
        &items,
        &amounts,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

fn columns(parts: impl Iterator<Item = LinePart>) -> (Vec<i16>, Vec<String>, Vec<i64>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for LinePart { line, amount } in parts {
        columns.0.push(i16::from(line.passenger));
        columns.1.push(line.item.to_string());
        columns.2.push(amount.minor);
    }
    columns
}

/// What of each line has gone back or is on its way; lines of which nothing has are not told.
pub async fn parts_back<P: Principal>(
    tx: &mut Tx<P>,
    booking: BookingId,
) -> Result<Vec<(LineId, i64)>, AppError> {
    let rows = sqlx::query!(
        r#"select l.passenger, l.item, sum(l.amount_minor)::bigint as "minor!"
             from refund_lines l join refunds r on r.id = l.refund_id
            where l.booking_id = $1 and r.state <> 'failed' group by l.passenger, l.item"#,
        booking.0,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(|row| Ok((line_id(row.passenger, &row.item)?, row.minor))).collect()
}

/// By passenger and line.
pub async fn refund_parts<P: Principal>(
    tx: &mut Tx<P>,
    refund: RefundId,
) -> Result<Vec<(LineId, i64)>, AppError> {
    let rows = sqlx::query!(
        "select passenger, item, amount_minor from refund_lines where refund_id = $1",
        refund.0,
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut parts = rows
        .into_iter()
        .map(|row| Ok((line_id(row.passenger, &row.item)?, row.amount_minor)))
        .collect::<Result<Vec<_>, AppError>>()?;
    parts.sort_unstable();
    Ok(parts)
}

fn line_id(passenger: i16, item: &str) -> Result<LineId, AppError> {
    let passenger = u8::try_from(passenger).ok();
    let item: Option<Item> = item.parse().ok();
    let id = passenger.zip(item).map(|(passenger, item)| LineId { passenger, item });
    id.ok_or_else(|| AppError::broken("a line of a price of another form"))
}
