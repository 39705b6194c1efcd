//! SQL of what staff read: endpoints without their secrets, deliveries, and how each try went.

use std::str::FromStr;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;

use crate::{
    db::{Principal, Staff, Tx},
    ids::{HookDeliveryId, HookEndpointId, HookEventId},
};

#[derive(Clone, Debug)]
pub struct Endpoint {
    pub id: HookEndpointId,
    pub url: String,
    pub note: String,
    /// `None`: it is active.
    pub paused_for: Option<String>,
    pub old_secret_until: Option<Timestamp>,
    pub failures: i32,
    pub failing_since: Option<Timestamp>,
    pub succeeded_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub queued: i64,
    /// Given up, or held back.
    pub missed: i64,
}

pub async fn endpoints<P: Principal>(
    tx: &mut Tx<P>,
    id: Option<HookEndpointId>,
) -> Result<Vec<Endpoint>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select h.id as "id: HookEndpointId", h.url, h.note, h.paused_for, h.failures,
                  h.old_secret_until as "old_secret_until: jiff_sqlx::Timestamp",
                  h.failing_since as "failing_since: jiff_sqlx::Timestamp",
                  h.succeeded_at as "succeeded_at: jiff_sqlx::Timestamp",
                  h.created_at as "created_at: jiff_sqlx::Timestamp",
                  (select count(*) from hook_deliveries d where d.endpoint_id = h.id and d.state = 'queued') as "queued!",
                  (select count(*) from hook_deliveries d where d.endpoint_id = h.id and d.state in ('dead', 'held')) as "missed!"
             from hook_endpoints h where $1::uuid is null or h.id = $1 order by h.created_at, h.id"#,
        id.map(|id| id.0)
    )
    .fetch_all(&mut **tx)
    .await?;
    let jiff = |at: jiff_sqlx::Timestamp| at.to_jiff();
    Ok(rows
        .into_iter()
        .map(|row| Endpoint {
            id: row.id,
            url: row.url,
            note: row.note,
            paused_for: row.paused_for,
            old_secret_until: row.old_secret_until.map(jiff),
            failures: row.failures,
            failing_since: row.failing_since.map(jiff),
            succeeded_at: row.succeeded_at.map(jiff),
            created_at: row.created_at.to_jiff(),
            queued: row.queued,
            missed: row.missed,
        })
        .collect())
}

/// Where a page of the log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub created_at: Timestamp,
    pub id: HookDeliveryId,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_{}", self.created_at.as_microsecond(), self.id)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at, id) = text.split_once('_').ok_or(())?;
        let at = at.parse().map_err(drop)?;
        Ok(Self { created_at: Timestamp::from_microsecond(at).map_err(drop)?, id: id.parse().map_err(drop)? })
    }
}

/// One delivery with its last try.
#[derive(Clone, Debug)]
pub struct Line {
    pub place: Place,
    pub kind: String,
    pub reference: Option<String>,
    pub state: String,
    pub tries: i64,
    pub due_at: Option<Timestamp>,
    pub last: Option<Tried>,
}

#[derive(Clone, Debug)]
pub struct Tried {
    pub at: Timestamp,
    pub status: Option<i16>,
    pub took_ms: Option<i32>,
    pub error: Option<String>,
}

pub async fn lines(
    tx: &mut Tx<Staff>,
    endpoint: HookEndpointId,
    state: Option<&str>,
    before: Option<Place>,
    limit: i64,
) -> Result<Vec<Line>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select d.id as "id: HookDeliveryId", d.created_at as "created_at: jiff_sqlx::Timestamp", d.state,
                  d.due_at as "due_at: jiff_sqlx::Timestamp", e.kind, b.booking_reference as "reference?",
                  (select count(*) from hook_tries t where t.delivery_id = d.id) as "tries!",
                  t.begun_at as "begun_at?: jiff_sqlx::Timestamp", t.status_code, t.took_ms, t.error
             from hook_deliveries d
             join hook_events e on e.id = d.event_id
             left join bookings b on b.id = e.booking_id
             left join lateral (select * from hook_tries where delivery_id = d.id order by id desc limit 1) t on true
            where d.endpoint_id = $1 and ($2::text is null or d.state = $2)
              and ($3::timestamptz is null or (d.created_at, d.id) < ($3, $4))
            order by d.created_at desc, d.id desc limit $5"#,
        endpoint.0,
        state,
        before.map(|place| place.created_at.to_sqlx()) as _,
        before.map(|place| place.id.0),
        limit,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Line {
            place: Place { created_at: row.created_at.to_jiff(), id: row.id },
            kind: row.kind,
            reference: row.reference,
            state: row.state,
            tries: row.tries,
            due_at: row.due_at.map(|at| at.to_jiff()),
            last: row.begun_at.map(|at| Tried {
                at: at.to_jiff(),
                status: row.status_code,
                took_ms: row.took_ms,
                error: row.error,
            }),
        })
        .collect())
}

#[derive(Clone, Debug)]
pub struct Delivery {
    pub endpoint: HookEndpointId,
    pub event: HookEventId,
    pub kind: String,
    pub data: Value,
    pub happened_at: Timestamp,
    pub reference: Option<String>,
    pub state: String,
    pub due_at: Option<Timestamp>,
    /// Newest first.
    pub tries: Vec<Tried>,
}

pub async fn delivery(tx: &mut Tx<Staff>, id: HookDeliveryId) -> Result<Option<Delivery>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select d.endpoint_id as "endpoint: HookEndpointId", e.id as "event: HookEventId", e.kind, e.data, e.happened_at as "happened_at: jiff_sqlx::Timestamp",
                  b.booking_reference as "reference?", d.state, d.due_at as "due_at: jiff_sqlx::Timestamp"
             from hook_deliveries d join hook_events e on e.id = d.event_id left join bookings b on b.id = e.booking_id
            where d.id = $1"#,
        id.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let tries = sqlx::query!(
        r#"select begun_at as "begun_at: jiff_sqlx::Timestamp", status_code, took_ms, error
             from hook_tries where delivery_id = $1 order by id desc limit 100"#,
        id.0
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(Some(Delivery {
        endpoint: row.endpoint,
        event: row.event,
        kind: row.kind,
        data: row.data,
        happened_at: row.happened_at.to_jiff(),
        reference: row.reference,
        state: row.state,
        due_at: row.due_at.map(|at| at.to_jiff()),
        tries: tries
            .into_iter()
            .map(|row| Tried {
                at: row.begun_at.to_jiff(),
                status: row.status_code,
                took_ms: row.took_ms,
                error: row.error,
            })
            .collect(),
    }))
}
