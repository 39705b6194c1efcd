//! SQL of the list. Its conditions are put together here, because a condition that is always in the statement ("or the
//! parameter is null") would keep PostgreSQL from choosing the index that fits.

use jiff_sqlx::ToSqlx;
use sqlx::{FromRow, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::{
    admin::{Filter, From, Line, Place, mask_name},
    db::{Staff, Tx},
    error::AppError,
};

#[derive(FromRow)]
struct Row {
    id: Uuid,
    created_at: jiff_sqlx::Timestamp,
    booking_reference: String,
    booking_status: String,
    supplier_status: String,
    payment: Option<String>,
    pnr: Option<String>,
    origin: String,
    destination: String,
    departs_at: jiff_sqlx::Timestamp,
    given_names: Option<String>,
    family_name: Option<String>,
    amount_minor: i64,
    currency: String,
}

/// The page is cut first: what is shown beside a booking is then looked up for its few lines alone.
const BEFORE: &str = "
    select b.id, b.created_at, b.booking_reference, b.booking_status, b.supplier_status, b.pnr, b.origin, b.destination,
           b.departs_at, b.amount_minor, b.currency, a.state as payment, p.given_names, p.family_name
      from (select * from bookings b where true";
const AFTER: &str = ") b
      left join lateral (select state from attempts where booking_id = b.id order by created_at desc, id desc limit 1) a on true
      left join lateral (select given_names, family_name from passengers where booking_id = b.id order by position limit 1) p on true";

pub async fn lines(
    tx: &mut Tx<Staff>,
    filter: &Filter,
    from: From,
    limit: usize,
) -> Result<Vec<Line>, AppError> {
    let mut query = QueryBuilder::<Postgres>::new(BEFORE);
    if let Some(state) = filter.state {
        query.push(" and b.booking_status = ").push_bind(state.code());
    }
    if let Some(wanted) = &filter.wanted {
        query.push(" and (lower(b.contact_email) = ").push_bind(wanted.email.clone());
        if let Some(reference) = &wanted.reference {
            query.push(" or b.booking_reference = ").push_bind(reference.as_str().to_owned());
        }
        query.push(")");
    }
    push_turn(&mut query, "b", from, limit, AFTER);
    let rows: Vec<Row> = query.build_query_as().fetch_all(&mut **tx).await?;
    Ok(rows.into_iter().map(Line::from).collect())
}

/// Begins at the place, cuts the page, and looks up what stands beside its few lines, in one order inside and outside.
pub(super) fn push_turn(
    query: &mut QueryBuilder<'_, Postgres>,
    table: &str,
    from: From,
    limit: usize,
    beside: &str,
) {
    let (side, order) = match from {
        From::Newest => (None, "desc"),
        From::OlderThan(place) => (Some(("<", place)), "desc"),
        From::NewerThan(place) => (Some((">", place)), "asc"),
    };
    if let Some((side, place)) = side {
        query.push(format!(" and ({table}.created_at, {table}.id) {side} ("));
        query.push_bind(place.created_at.to_sqlx()).push(", ").push_bind(place.id).push(")");
    }
    let order = format!(" order by {table}.created_at {order}, {table}.id {order}");
    query.push(&order).push(" limit ").push_bind(i64::try_from(limit).unwrap_or(1));
    query.push(beside).push(&order);
}

impl std::convert::From<Row> for Line {
    fn from(row: Row) -> Self {
        let passenger = row.given_names.zip(row.family_name);
        Self {
            place: Place { created_at: row.created_at.to_jiff(), id: row.id },
            reference: row.booking_reference,
            state: row.booking_status,
            supplier_state: row.supplier_status,
            payment: row.payment,
            pnr: row.pnr,
            origin: row.origin,
            destination: row.destination,
            departs_at: row.departs_at.to_jiff(),
            passenger: passenger.map(|(given, family)| mask_name(&given, &family)),
            amount_minor: row.amount_minor,
            currency: row.currency,
        }
    }
}
