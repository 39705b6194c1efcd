//! SQL of bookings, their passengers and their events.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;

use crate::{
    bookings::{
        Actor, Booking, BookingLine, Draft, Event, documents,
        lifecycle::{BookingState, SupplierState},
    },
    db::{Principal, System, Traveller, Tx},
    error::{AppError, InternalError},
    ids::{AttemptId, BookingId, BookingReference, UserId},
    itinerary::{Contact, Offer, Passenger, PassengerKind, Sex, Slice},
    money::Money,
    supplier::{AirlineChange, Flights, Hold, HoldId, Order},
};

struct BookingRow {
    id: BookingId,
    booking_reference: String,
    user_id: Option<UserId>,
    booking_status: String,
    supplier_status: String,
    quote: Value,
    quote_hash: String,
    amount_minor: i64,
    currency: String,
    contact_email: Option<String>,
    contact_phone: Option<String>,
    hold_id: Option<String>,
    hold_expires_at: Option<jiff_sqlx::Timestamp>,
    supplier: String,
    pnr: Option<String>,
    airline_change: Option<Value>,
    supplier_total_minor: Option<i64>,
    raised_from_minor: Option<i64>,
    terms_accepted_at: Option<jiff_sqlx::Timestamp>,
    secured_by: Option<AttemptId>,
    confirmed_at: Option<jiff_sqlx::Timestamp>,
    pay_by: Option<jiff_sqlx::Timestamp>,
    ended_reason: Option<String>,
    created_at: jiff_sqlx::Timestamp,
}

/// One select list for all readers; the tail says which row and whether to lock it.
macro_rules! booking_row {
    ($tx:expr, $tail:literal, $arg:expr) => {
        sqlx::query_as!(
            BookingRow,
            r#"select id as "id: BookingId", booking_reference, user_id as "user_id: UserId", booking_status,
                      supplier_status, quote, quote_hash, amount_minor, currency, contact_email, contact_phone,
                      hold_id, hold_expires_at as "hold_expires_at: jiff_sqlx::Timestamp", supplier, pnr, airline_change,
                      supplier_total_minor,
                      raised_from_minor, terms_accepted_at as "terms_accepted_at: jiff_sqlx::Timestamp",
                      secured_by as "secured_by: AttemptId",
                      confirmed_at as "confirmed_at: jiff_sqlx::Timestamp",
                      pay_by as "pay_by: jiff_sqlx::Timestamp", ended_reason,
                      created_at as "created_at: jiff_sqlx::Timestamp"
                 from bookings "#
                + $tail,
            $arg
        )
        .fetch_optional(&mut **$tx)
        .await
    };
}

impl TryFrom<BookingRow> for Booking {
    type Error = AppError;

    fn try_from(row: BookingRow) -> Result<Self, AppError> {
        let currency = row.currency.parse()?;
        let unreadable = |what: &str| AppError::broken(format!("booking {}: {what}", row.id));
        let contact = match (row.contact_email, row.contact_phone) {
            (Some(email), Some(phone)) => Some(Contact { email, phone }),
            _ => None,
        };
        let airline_change: Option<AirlineChange> =
            row.airline_change.map(serde_json::from_value).transpose()?;
        let mut offer: Offer = serde_json::from_value(row.quote)?;
        let sold = offer.slices.clone();
        offer.slices = flights_now(offer.slices, airline_change.as_ref());
        let hold = match (row.hold_id, row.hold_expires_at) {
            (Some(id), Some(at)) => Some(Hold { id: HoldId(id), expires_at: at.to_jiff() }),
            _ => None,
        };
        Ok(Self {
            reference: row.booking_reference.parse().map_err(|_| unreadable("reference"))?,
            user: row.user_id,
            state: row.booking_status.parse().map_err(|_| unreadable("booking status"))?,
            supplier_state: row.supplier_status.parse().map_err(|_| unreadable("supplier status"))?,
            offer,
            sold,
            airline_change,
            quote_hash: row.quote_hash,
            amount: Money::new(row.amount_minor, currency),
            raised_from: row.raised_from_minor.map(|minor| Money::new(minor, currency)),
            contact,
            hold,
            supplier: row.supplier,
            pnr: row.pnr,
            supplier_total: row.supplier_total_minor.map(|minor| Money::new(minor, currency)),
            terms_accepted_at: row.terms_accepted_at.map(|at| at.to_jiff()),
            secured_by: row.secured_by,
            confirmed_at: row.confirmed_at.map(|at| at.to_jiff()),
            pay_by: row.pay_by.map(|at| at.to_jiff()),
            ended_reason: row.ended_reason,
            created_at: row.created_at.to_jiff(),
            id: row.id,
        })
    }
}

/// The flights as they are: as they were sold, unless the airline has changed them.
pub fn flights_now(sold: Vec<Slice>, change: Option<&AirlineChange>) -> Vec<Slice> {
    match change.map(|change| &change.flights) {
        Some(Flights::Rescheduled(slices) | Flights::Replaced(slices)) => slices.clone(),
        Some(Flights::Cancelled) | None => sold,
    }
}

/// Confirmed bookings whose flights are ahead and were not looked at since then, the next to leave first.
pub async fn unchecked_flights(
    tx: &mut Tx<System>,
    now: Timestamp,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<BookingId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select b.id as "id: BookingId" from bookings b
            where b.booking_status = 'confirmed' and b.departs_at > $1
              and not exists (select from outbox o where o.kind = 'check_flights' and o.subject = b.id::text
                                 and (o.created_at > $2 or o.state in ('ready', 'running')))
            order by b.departs_at, b.id limit $3"#,
        now.to_sqlx() as _,
        since.to_sqlx() as _,
        limit,
    )
    .fetch_all(&mut **tx)
    .await
}

pub async fn set_airline_change(
    tx: &mut Tx<System>,
    id: BookingId,
    change: &AirlineChange,
) -> Result<(), AppError> {
    sqlx::query!(
        "update bookings set airline_change = $2 where id = $1",
        id.0,
        serde_json::to_value(change)?
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub async fn insert_draft<P: Principal>(tx: &mut Tx<P>, draft: &Draft) -> Result<(), AppError> {
    let Some(outbound) = draft.offer.slices.first() else {
        return Err(AppError::broken("an offer without slices"));
    };
    sqlx::query!(
        "insert into bookings (id, booking_reference, user_id, quote, quote_hash, amount_minor, currency,
                               origin, destination, departs_at, supplier, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        draft.id.0,
        draft.reference.as_str(),
        draft.user.map(|user| user.0),
        serde_json::to_value(&draft.offer)?,
        draft.offer.accepted_hash()?,
        draft.offer.total.minor,
        draft.offer.total.currency.code(),
        outbound.first().from.code.as_str(),
        outbound.last().to.code.as_str(),
        outbound.first().departs.at.to_sqlx() as _,
        draft.supplier,
        draft.created_at.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whatever the principal may see under this reference.
pub async fn find<P: Principal>(
    tx: &mut Tx<P>,
    reference: &BookingReference,
) -> Result<Option<Booking>, AppError> {
    booking_row!(tx, "where booking_reference = $1", reference.as_str())?.map(Booking::try_from).transpose()
}

/// The same, for whoever changes it: nobody else does until the end of the transaction.
pub async fn lock_own(
    tx: &mut Tx<Traveller>,
    reference: &BookingReference,
) -> Result<Option<Booking>, AppError> {
    booking_row!(tx, "where booking_reference = $1 for no key update", reference.as_str())?
        .map(Booking::try_from)
        .transpose()
}

pub async fn find_by_id(tx: &mut Tx<System>, id: BookingId) -> Result<Option<Booking>, AppError> {
    booking_row!(tx, "where id = $1", id.0)?.map(Booking::try_from).transpose()
}

/// Every change of state begins here: whoever holds the row decides next, everyone else waits. (Not `for update`: rows
/// that merely refer to the booking, such as its events, need not wait.)
pub async fn lock(tx: &mut Tx<System>, id: BookingId) -> Result<Booking, AppError> {
    let row = booking_row!(tx, "where id = $1 for no key update", id.0)?;
    row.ok_or_else(|| AppError::broken(format!("booking {id} is missing")))?.try_into()
}

pub async fn list_own(
    tx: &mut Tx<Traveller>,
    before: Option<(Timestamp, BookingId)>,
    limit: i64,
) -> Result<Vec<BookingLine>, AppError> {
    let (at, id) = before.unzip();
    // Without a place, a place above all: "or there is none" would let the index begin at the newest each time.
    let rows = sqlx::query!(
        r#"select id as "id: BookingId", booking_reference, booking_status, amount_minor, currency, quote,
                  airline_change, created_at as "created_at: jiff_sqlx::Timestamp"
             from bookings
            where user_id = app_user_id()
              and (created_at, id) < (coalesce($1::timestamptz, 'infinity'),
                                      coalesce($2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
            order by created_at desc, id desc
            limit $3"#,
        at.map(|at| at.to_sqlx()) as _,
        id.map(|id| id.0),
        limit,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            let change: Option<AirlineChange> = row.airline_change.map(serde_json::from_value).transpose()?;
            let mut offer: Offer = serde_json::from_value(row.quote)?;
            offer.slices = flights_now(offer.slices, change.as_ref());
            Ok(BookingLine {
                id: row.id,
                reference: row
                    .booking_reference
                    .parse()
                    .map_err(|_| AppError::broken("a booking reference of another form"))?,
                state: row
                    .booking_status
                    .parse()
                    .map_err(|_| AppError::broken("a booking status of another form"))?,
                amount: Money::new(row.amount_minor, row.currency.parse()?),
                offer,
                created_at: row.created_at.to_jiff(),
            })
        })
        .collect()
}

pub async fn set_state(
    tx: &mut Tx<System>,
    id: BookingId,
    state: BookingState,
    ended_reason: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update bookings set booking_status = $2, ended_reason = coalesce($3, ended_reason) where id = $1",
        id.0,
        state.code(),
        ended_reason,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn set_supplier_state(
    tx: &mut Tx<System>,
    id: BookingId,
    state: SupplierState,
) -> Result<(), sqlx::Error> {
    sqlx::query!("update bookings set supplier_status = $2 where id = $1", id.0, state.code())
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// Before [`set_state`]: a paid state without the attempt behind it is refused by the database.
pub async fn set_secured_by(
    tx: &mut Tx<System>,
    id: BookingId,
    attempt: AttemptId,
) -> Result<(), sqlx::Error> {
    sqlx::query!("update bookings set secured_by = $2 where id = $1", id.0, attempt.0)
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub async fn set_quote(
    tx: &mut Tx<System>,
    id: BookingId,
    offer: &Offer,
    raised_from: Option<Money>,
) -> Result<(), AppError> {
    sqlx::query!(
        "update bookings set quote = $2, quote_hash = $3, amount_minor = $4, currency = $5, raised_from_minor = $6
          where id = $1",
        id.0,
        serde_json::to_value(offer)?,
        offer.accepted_hash()?,
        offer.total.minor,
        offer.total.currency.code(),
        raised_from.map(|money| money.minor),
    )
    .execute(&mut **tx)
    .await?;
    if offer.documents.is_asked()
        && let Some(last) = offer.slices.last()
    {
        documents::store::set_travel_ends(tx, id, last.last().arrives.local.date()).await?;
    }
    Ok(())
}

pub async fn set_hold(
    tx: &mut Tx<System>,
    id: BookingId,
    hold: &Hold,
    terms_accepted_at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update bookings set hold_id = $2, hold_expires_at = $3, terms_accepted_at = $4, raised_from_minor = null
          where id = $1",
        id.0,
        hold.id.0,
        hold.expires_at.to_sqlx() as _,
        terms_accepted_at.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// The order and one ticket number per passenger, in their order.
pub async fn set_order(
    tx: &mut Tx<System>,
    id: BookingId,
    order: &Order,
    confirmed_at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update bookings set supplier_order_id = $2, pnr = $3, supplier_total_minor = $4, confirmed_at = $5
          where id = $1",
        id.0,
        order.id,
        order.pnr,
        order.total.minor,
        confirmed_at.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "update passengers p set ticket_number = t.number
           from unnest($2::text[]) with ordinality as t(number, position)
          where p.booking_id = $1 and p.position = t.position",
        id.0,
        &order.tickets,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// The booking lives on money that is really there: not given back meanwhile, and no bank has taken it.
pub async fn is_secured(tx: &mut Tx<System>, id: BookingId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (
               select from bookings b join attempts a on a.id = b.secured_by
                where b.id = $1 and a.state in ('authorised', 'captured') and a.quarantined is null
                  and (a.state = 'authorised'
                       or a.captured_minor > (select coalesce(sum(r.amount_minor), 0) from refunds r
                                               where r.attempt_id = a.id and r.state <> 'failed'))
                  and not exists (select from disputes d
                                   where d.attempt_id = a.id and d.state <> 'won' and not d.is_inquiry)) as "secured!""#,
        id.0,
    )
    .fetch_one(&mut **tx)
    .await
}

/// Passengers in their order, each with the ticket number once there is one.
pub async fn passengers<P: Principal>(
    tx: &mut Tx<P>,
    booking: BookingId,
) -> Result<Vec<(Passenger, Option<String>)>, AppError> {
    let rows = sqlx::query!(
        r#"select kind, given_names, family_name, born_on as "born_on: jiff_sqlx::Date", sex, ticket_number
             from passengers where booking_id = $1 order by position"#,
        booking.0,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            let kind = PassengerKind::ALL.into_iter().find(|kind| kind.code() == row.kind);
            let sex = Sex::from_code(&row.sex);
            let (Some(kind), Some(sex)) = (kind, sex) else {
                return Err(AppError::broken("a passenger of another form"));
            };
            let passenger = Passenger {
                kind,
                given_names: row.given_names,
                family_name: row.family_name,
                born_on: row.born_on.to_jiff(),
                sex,
            };
            Ok((passenger, row.ticket_number))
        })
        .collect()
}

pub async fn record(
    tx: &mut Tx<System>,
    booking: BookingId,
    kind: &str,
    actor: Actor,
    data: &Value,
    now: Timestamp,
) -> Result<(), InternalError> {
    sqlx::query!(
        "insert into booking_events (booking_id, at, kind, actor, actor_id, data) values ($1, $2, $3, $4, $5, $6)",
        booking.0,
        now.to_sqlx() as _,
        kind,
        actor.code(),
        actor.user().map(|user| user.0),
        data,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub async fn events<P: Principal>(tx: &mut Tx<P>, booking: BookingId) -> Result<Vec<Event>, sqlx::Error> {
    sqlx::query_as!(
        Event,
        r#"select at as "at: jiff_sqlx::Timestamp", kind, actor, data
             from booking_events where booking_id = $1 order by id"#,
        booking.0,
    )
    .fetch_all(&mut **tx)
    .await
}
