//! The inbox of Stripe's events as staff see it: what came, what became of it, and applying one again.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::{Value, json};
use sqlx::{FromRow, Postgres, QueryBuilder};

use crate::{
    admin::{From, PAGE, Turn},
    audit,
    checkout::{Checkout, replay},
    db::{Db, Staff, System},
    error::{AppError, FieldErrors},
    ids::{BookingId, UserId},
    outbox,
};

/// Shown under these codes. One that was received is dealt with a moment later.
pub const STATES: [&str; 6] = ["received", "applied", "ignored", "parked", "unreadable", "abandoned"];
const LONGEST_KIND: usize = 120;
const LONGEST_NAME: usize = 255;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub state: Option<&'static str>,
    /// The beginning of an event's type: "charge." has all of them.
    pub kind: Option<String>,
}

impl Filter {
    pub fn read(state: &str, kind: &str) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let known = STATES.into_iter().find(|known| *known == state);
        if known.is_none() && !state.is_empty() {
            errors.add("state", "There is no such state");
        }
        let kind = kind.trim();
        let is_plain = |c: char| c.is_ascii_lowercase() || matches!(c, '.' | '_');
        if kind.len() > LONGEST_KIND || !kind.chars().all(is_plain) {
            errors.add("kind", "A type of Stripe's, like charge.refunded, or its beginning");
        }
        let kind = Some(kind.to_owned()).filter(|kind| !kind.is_empty());
        if errors.is_empty() { Ok(Self { state: known, kind }) } else { Err(errors) }
    }
}

/// A place in the list, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    received_at: Timestamp,
    id: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.received_at.as_microsecond(), self.id)
    }
}

impl FromStr for Place {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (micros, id) = text.split_once('_').ok_or(())?;
        let received_at = micros.parse().ok().and_then(|micros| Timestamp::from_microsecond(micros).ok());
        // PostgreSQL's calendar is shorter than ours.
        let received_at = received_at.filter(|at| *at >= Timestamp::UNIX_EPOCH).ok_or(())?;
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let id = Some(id).filter(|id| (1..=210).contains(&id.len()) && id.bytes().all(is_plain));
        Ok(Self { received_at, id: id.ok_or(())?.to_owned() })
    }
}

#[derive(Debug, FromRow)]
struct Row {
    id: String,
    kind: String,
    state: String,
    received_at: jiff_sqlx::Timestamp,
    booking_reference: Option<String>,
}

#[derive(Debug)]
pub struct Line {
    pub place: Place,
    pub id: String,
    pub kind: String,
    pub state: String,
    pub received_at: Timestamp,
    pub reference: Option<String>,
}

/// The page is cut first, as in the other lists; the booking is looked up for its few lines alone.
const BEFORE: &str = "
    select e.id, e.kind, e.state, e.received_at, b.booking_reference
      from (select * from stripe_events e where true";
const AFTER: &str = ") e
      left join attempts a on a.id = e.attempt_id
      left join bookings b on b.id = a.booking_id";

pub async fn list(
    db: &Db,
    staff: UserId,
    filter: &Filter,
    from: From<Place>,
) -> Result<(Vec<Line>, Turn<Place>), AppError> {
    let mut tx = db.begin(Staff(staff)).await?;
    let mut query = QueryBuilder::<Postgres>::new(BEFORE);
    if let Some(state) = filter.state {
        query.push(" and e.state = ").push_bind(state);
    }
    if let Some(kind) = &filter.kind {
        query.push(" and starts_with(e.kind, ").push_bind(kind.clone()).push(")");
    }
    let (side, order) = match &from {
        From::Newest => (None, "desc"),
        From::OlderThan(place) => (Some(("<", place)), "desc"),
        From::NewerThan(place) => (Some((">", place)), "asc"),
    };
    if let Some((side, place)) = side {
        query.push(format!(" and (e.received_at, e.id) {side} ("));
        query.push_bind(place.received_at.to_sqlx()).push(", ").push_bind(place.id.clone()).push(")");
    }
    let order = format!(" order by e.received_at {order}, e.id {order}");
    query.push(&order).push(" limit ").push_bind(i64::try_from(PAGE + 1).unwrap_or(1));
    query.push(AFTER).push(&order);
    let rows: Vec<Row> = query.build_query_as().fetch_all(&mut *tx).await?;
    let lines = rows.into_iter().map(Line::from).collect();
    Ok(Turn::cut(lines, &from, |line: &Line| line.place.clone()))
}

impl std::convert::From<Row> for Line {
    fn from(row: Row) -> Self {
        let received_at = row.received_at.to_jiff();
        Self {
            place: Place { received_at, id: row.id.clone() },
            id: row.id,
            kind: row.kind,
            state: row.state,
            received_at,
            reference: row.booking_reference,
        }
    }
}

/// One event with what became of it.
#[derive(Debug)]
pub struct EventRecord {
    pub id: String,
    pub kind: String,
    pub state: String,
    pub livemode: bool,
    pub created: Timestamp,
    pub received_at: Timestamp,
    pub settled_at: Option<Timestamp>,
    pub reference: Option<String>,
    pub session: Option<String>,
    pub payment_intent: Option<String>,
    /// Masked.
    pub body: Value,
    /// When a parked one is looked at next.
    pub next_look: Option<Timestamp>,
    /// Why the last look failed, if it did.
    pub last_error: Option<String>,
    /// An open item that asks somebody to look at it.
    pub attention: Option<i64>,
}

/// What cannot be the name of an event names none.
fn check_name(id: &str) -> Result<(), AppError> {
    let is_name = (1..=LONGEST_NAME).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    is_name.then_some(()).ok_or(AppError::NotFound)
}

pub async fn event(db: &Db, staff: UserId, id: &str) -> Result<EventRecord, AppError> {
    check_name(id)?;
    let mut tx = db.begin(Staff(staff)).await?;
    let row = sqlx::query!(
        r#"select e.kind, e.state, e.livemode, e.created as "created: jiff_sqlx::Timestamp",
                  e.received_at as "received_at: jiff_sqlx::Timestamp", e.settled_at as "settled_at: jiff_sqlx::Timestamp",
                  e.payload, e.names_session, e.names_payment_intent, b.booking_reference as "reference?",
                  j.due_at as "next_look?: jiff_sqlx::Timestamp", j.last_error as "last_error?",
                  (select i.id from attention_items i
                    where i.kind in ('event_unmatched', 'event_unreadable') and i.subject = e.id
                      and i.resolved_at is null limit 1) as attention
             from stripe_events e
             left join attempts a on a.id = e.attempt_id
             left join bookings b on b.id = a.booking_id
             left join lateral (
                 select due_at, last_error from outbox
                  where kind = 'apply_event' and subject = e.id and state in ('ready', 'running')
                  order by id desc limit 1) j on true
            where e.id = $1"#,
        id,
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(AppError::NotFound)?;
    Ok(EventRecord {
        id: id.to_owned(),
        kind: row.kind,
        state: row.state,
        livemode: row.livemode,
        created: row.created.to_jiff(),
        received_at: row.received_at.to_jiff(),
        settled_at: row.settled_at.map(jiff_sqlx::Timestamp::to_jiff),
        reference: row.reference,
        session: row.names_session,
        payment_intent: row.names_payment_intent,
        body: masked(row.payload),
        next_look: row.next_look.map(jiff_sqlx::Timestamp::to_jiff),
        last_error: row.last_error,
        attention: row.attention,
    })
}

/// Applies it again in the name of whoever wants it. An item that asked for it is closed with that.
pub async fn replay_event(checkout: &Checkout, staff: UserId, id: &str) -> Result<(), AppError> {
    check_name(id)?;
    let now = checkout.clock.now();
    let mut tx = checkout.db.begin(System).await?;
    replay::replay(&mut tx, id, now).await?;
    let items = sqlx::query_scalar!(
        "select id from attention_items
          where kind in ('event_unmatched', 'event_unreadable') and subject = $1 and resolved_at is null",
        id
    )
    .fetch_all(&mut *tx)
    .await?;
    for item in items {
        outbox::resolve(&mut tx, item, staff, "Applied the event again.", now).await?;
    }
    let booking = sqlx::query_scalar!(
        r#"select a.booking_id as "id: BookingId" from stripe_events e join attempts a on a.id = e.attempt_id
            where e.id = $1"#,
        id
    )
    .fetch_optional(&mut *tx)
    .await?;
    let action = audit::Action::EventReplayed;
    audit::record_for(&mut tx, staff, action, booking, id, &json!({ "event": id }), now).await?;
    tx.commit().await?;
    Ok(())
}

/// Texts that are shown as they came: ids, states and codes. Any other text is covered, because Stripe puts people, and
/// addresses that open pages, where we do not expect them. Numbers, yes and no are facts about money.
const SHOWN: [&str; 36] = [
    "id",
    "object",
    "type",
    "api_version",
    "status",
    "currency",
    "payment_intent",
    "latest_charge",
    "charge",
    "refund",
    "balance_transaction",
    "client_reference_id",
    "attempt_id",
    "booking_id",
    "booking_reference",
    "quote_hash",
    "refund_id",
    "capture_method",
    "confirmation_method",
    "payment_status",
    "mode",
    "code",
    "decline_code",
    "reason",
    "failure_code",
    "failure_reason",
    "pending_reason",
    "brand",
    "last4",
    "country",
    "funding",
    "network",
    "cancellation_reason",
    "outcome",
    "network_status",
    "risk_level",
];
const COVERED: &str = "•••";

fn masked(node: Value) -> Value {
    match node {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| {
                    let value = match value {
                        Value::String(text) if !SHOWN.contains(&name.as_str()) && !text.is_empty() => {
                            Value::String(COVERED.to_owned())
                        }
                        other => masked(other),
                    };
                    (name, value)
                })
                .collect(),
        ),
        // What stands in a list has no name of its own.
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|item| if item.is_string() { Value::String(COVERED.to_owned()) } else { masked(item) })
                .collect(),
        ),
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_states_and_codes_of_a_body_are_shown() {
        let body = json!({
            "id": "evt_1",
            "request": { "idempotency_key": "secret" },
            "data": { "object": {
                "amount": 41260, "status": "succeeded", "description": "Maria Duarte", "url": "https://pay.example/x",
                "client_secret": "pi_1_secret_2", "livemode": false, "nothing": null,
                "metadata": { "attempt_id": "a", "note": "call Maria" }, "lines": ["Maria", { "id": "li_1" }],
            } },
        });
        let shown = json!({
            "id": "evt_1",
            "request": { "idempotency_key": COVERED },
            "data": { "object": {
                "amount": 41260, "status": "succeeded", "description": COVERED, "url": COVERED,
                "client_secret": COVERED, "livemode": false, "nothing": null,
                "metadata": { "attempt_id": "a", "note": COVERED }, "lines": [COVERED, { "id": "li_1" }],
            } },
        });
        assert_eq!(masked(body), shown);
    }

    #[test]
    fn what_is_chosen_becomes_a_filter_or_a_message() {
        let read = |state, kind| Filter::read(state, kind).map_err(|errors| errors.len());
        assert_eq!(read("", " "), Ok(Filter::default()));
        let filter = read("parked", "charge.").unwrap();
        assert_eq!((filter.state, filter.kind.as_deref()), (Some("parked"), Some("charge.")));
        assert_eq!(read("lost", "%' or 1=1"), Err(2));
        assert_eq!(read("", &"x".repeat(200)), Err(1));
    }

    #[test]
    fn a_place_reads_back_and_nonsense_is_none() {
        let place =
            Place { received_at: "2026-11-22T16:41:00.123456Z".parse().unwrap(), id: "evt_1_b".to_owned() };
        assert_eq!(place.to_string().parse(), Ok(place));
        for text in ["", "_", "1", "1_", "x_evt_1", "-5_evt_1", "1_evt'", "99999999999999999999_evt_1"] {
            assert_eq!(text.parse::<Place>(), Err(()), "{text:?}");
        }
    }
}
