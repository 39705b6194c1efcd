//! SQL of endpoints, and of events on their way to them. What staff read stands in `log_store`.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;

use crate::{
    db::{System, Tx},
    hooks::{NewEndpoint, PausedFor},
    ids::{HookDeliveryId, HookEndpointId, HookEventId, UserId},
};

/// An endpoint as a worker needs it.
pub struct Locked {
    pub url: String,
    pub is_active: bool,
    pub secret: Vec<u8>,
    /// The one before it, while it still signs.
    pub old_secret: Option<(Vec<u8>, Timestamp)>,
    pub failures: i32,
    pub succeeded_at: Option<Timestamp>,
    pub rest_until: Option<Timestamp>,
}

pub async fn lock(tx: &mut Tx<System>, id: HookEndpointId) -> Result<Option<Locked>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select url, state, secret, old_secret, failures,
                  old_secret_until as "old_secret_until: jiff_sqlx::Timestamp",
                  succeeded_at as "succeeded_at: jiff_sqlx::Timestamp",
                  rest_until as "rest_until: jiff_sqlx::Timestamp"
             from hook_endpoints where id = $1 for update"#,
        id.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| Locked {
        url: row.url,
        is_active: row.state == "active",
        secret: row.secret,
        old_secret: row.old_secret.zip(row.old_secret_until.map(|at| at.to_jiff())),
        failures: row.failures,
        succeeded_at: row.succeeded_at.map(|at| at.to_jiff()),
        rest_until: row.rest_until.map(|at| at.to_jiff()),
    }))
}

pub async fn insert_endpoint(
    tx: &mut Tx<System>,
    id: HookEndpointId,
    new: &NewEndpoint,
    sealed: &[u8],
    by: UserId,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into hook_endpoints (id, url, note, secret, created_at, created_by) values ($1, $2, $3, $4, $5, $6)",
        id.0,
        new.url.as_str(),
        new.note,
        sealed,
        now.to_sqlx() as _,
        by.0,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn count_endpoints(tx: &mut Tx<System>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from hook_endpoints"#).fetch_one(&mut **tx).await
}

pub async fn delete_endpoint(tx: &mut Tx<System>, id: HookEndpointId) -> Result<bool, sqlx::Error> {
    let gone = sqlx::query!("delete from hook_endpoints where id = $1", id.0).execute(&mut **tx).await?;
    Ok(gone.rows_affected() == 1)
}

/// Nothing more goes there; what is on its way waits for staff.
pub async fn pause(tx: &mut Tx<System>, id: HookEndpointId, why: PausedFor) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update hook_endpoints set state = 'paused', paused_for = $2 where id = $1",
        id.0,
        why.code()
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "update hook_deliveries set state = 'held', due_at = null where endpoint_id = $1 and state = 'queued'",
        id.0
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// As if it had never failed.
pub async fn resume(tx: &mut Tx<System>, id: HookEndpointId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update hook_endpoints set state = 'active', paused_for = null, failures = 0, failing_since = null, rest_until = null
          where id = $1",
        id.0
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn set_secrets(
    tx: &mut Tx<System>,
    id: HookEndpointId,
    secret: &[u8],
    old: Option<(&[u8], Timestamp)>,
) -> Result<(), sqlx::Error> {
    let (old_secret, until) = old.unzip();
    sqlx::query!(
        "update hook_endpoints set secret = $2, old_secret = $3, old_secret_until = $4 where id = $1",
        id.0,
        secret,
        old_secret,
        until.map(|at| at.to_sqlx()) as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// A worker is at it, or it rests after a failure.
pub async fn rest(tx: &mut Tx<System>, id: HookEndpointId, until: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!("update hook_endpoints set rest_until = $2 where id = $1", id.0, until.to_sqlx() as _)
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub async fn note_success(
    tx: &mut Tx<System>,
    id: HookEndpointId,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update hook_endpoints set failures = 0, failing_since = null, succeeded_at = $2, rest_until = null where id = $1",
        id.0,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn note_failure(
    tx: &mut Tx<System>,
    id: HookEndpointId,
    rest_until: Timestamp,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update hook_endpoints set failures = least(failures, 1000000) + 1, failing_since = coalesce(failing_since, $3), rest_until = $2
          where id = $1",
        id.0,
        rest_until.to_sqlx() as _,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// An event of an endpoint's own, which tells of no booking.
pub async fn insert_ping(
    tx: &mut Tx<System>,
    id: HookEventId,
    kind: &str,
    data: &Value,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into hook_events (id, kind, once_key, data, happened_at) values ($1, $2, $3, $4, $5)",
        id.0,
        kind,
        format!("{kind}:{id}"),
        data,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Every endpoint with whether it is active, locked against a pause in the same moment.
pub async fn endpoints(tx: &mut Tx<System>) -> Result<Vec<(HookEndpointId, bool)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select id as "id: HookEndpointId", state from hook_endpoints order by id for no key update"#
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.state == "active")).collect())
}

pub async fn event_exists(tx: &mut Tx<System>, id: HookEventId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"select exists (select from hook_events where id = $1) as "it!""#, id.0)
        .fetch_one(&mut **tx)
        .await
}

/// Once for each endpoint; `false`: it was there already.
pub async fn insert_delivery(
    tx: &mut Tx<System>,
    endpoint: HookEndpointId,
    event: HookEventId,
    is_active: bool,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let made = sqlx::query!(
        "insert into hook_deliveries (id, endpoint_id, event_id, state, created_at, queued_at, due_at)
         values ($1, $2, $3, $4, $5, $5, $6) on conflict (endpoint_id, event_id) do nothing",
        HookDeliveryId::new().0,
        endpoint.0,
        event.0,
        if is_active { "queued" } else { "held" },
        now.to_sqlx() as _,
        is_active.then(|| now.to_sqlx()) as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(made.rows_affected() == 1)
}

/// What is sent next.
pub struct Due {
    pub id: HookDeliveryId,
    pub event: HookEventId,
    pub kind: String,
    pub data: Value,
    pub happened_at: Timestamp,
}

pub async fn next_due(
    tx: &mut Tx<System>,
    endpoint: HookEndpointId,
    now: Timestamp,
) -> Result<Option<Due>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select d.id as "id: HookDeliveryId", e.id as "event: HookEventId", e.kind, e.data,
                  e.happened_at as "happened_at: jiff_sqlx::Timestamp"
             from hook_deliveries d join hook_events e on e.id = d.event_id
            where d.endpoint_id = $1 and d.state = 'queued' and d.due_at <= $2
            order by d.due_at, d.id limit 1"#,
        endpoint.0,
        now.to_sqlx() as _,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| Due {
        id: row.id,
        event: row.event,
        kind: row.kind,
        data: row.data,
        happened_at: row.happened_at.to_jiff(),
    }))
}

/// When the endpoint's next event is due, if one waits.
pub async fn due_at(tx: &mut Tx<System>, endpoint: HookEndpointId) -> Result<Option<Timestamp>, sqlx::Error> {
    let at = sqlx::query_scalar!(
        r#"select min(due_at) as "at: jiff_sqlx::Timestamp" from hook_deliveries
            where endpoint_id = $1 and state = 'queued'"#,
        endpoint.0
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(at.map(|at| at.to_jiff()))
}

/// Written before anything is sent: whoever finds this after a crash sees that it may have arrived.
pub async fn begin_try(tx: &mut Tx<System>, id: HookDeliveryId, now: Timestamp) -> Result<i64, sqlx::Error> {
    sqlx::query!("update hook_deliveries set tries = tries + 1 where id = $1", id.0)
        .execute(&mut **tx)
        .await?;
    sqlx::query_scalar!(
        "insert into hook_tries (delivery_id, begun_at) values ($1, $2) returning id",
        id.0,
        now.to_sqlx() as _,
    )
    .fetch_one(&mut **tx)
    .await
}

pub async fn end_try(
    tx: &mut Tx<System>,
    id: i64,
    status: Option<i16>,
    took_ms: i32,
    error: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update hook_tries set status_code = $2, took_ms = $3, error = $4 where id = $1",
        id,
        status,
        took_ms,
        error
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// How a delivery stands, while it still waits to be sent.
pub struct Waiting {
    pub tries: i32,
    pub queued_at: Timestamp,
}

pub async fn waiting(tx: &mut Tx<System>, id: HookDeliveryId) -> Result<Option<Waiting>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select tries, queued_at as "queued_at: jiff_sqlx::Timestamp" from hook_deliveries
            where id = $1 and state = 'queued'"#,
        id.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| Waiting { tries: row.tries, queued_at: row.queued_at.to_jiff() }))
}

pub async fn put_off(tx: &mut Tx<System>, id: HookDeliveryId, due: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!("update hook_deliveries set due_at = $2 where id = $1", id.0, due.to_sqlx() as _)
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// `delivered` or `dead`.
pub async fn finish(
    tx: &mut Tx<System>,
    id: HookDeliveryId,
    state: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update hook_deliveries set state = $2, due_at = null, finished_at = $3 where id = $1",
        id.0,
        state,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Begins anew with one delivery, whatever became of it.
pub async fn queue_again(tx: &mut Tx<System>, id: HookDeliveryId, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update hook_deliveries set state = 'queued', tries = 0, queued_at = $2, due_at = $2, finished_at = null
          where id = $1",
        id.0,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn endpoint_of(
    tx: &mut Tx<System>,
    id: HookDeliveryId,
) -> Result<Option<HookEndpointId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select endpoint_id as "id: HookEndpointId" from hook_deliveries where id = $1"#,
        id.0
    )
    .fetch_optional(&mut **tx)
    .await
}

/// Begins anew with everything since then that did not arrive, and says how much that is.
pub async fn queue_missed(
    tx: &mut Tx<System>,
    endpoint: HookEndpointId,
    since: Timestamp,
    now: Timestamp,
) -> Result<u64, sqlx::Error> {
    let queued = sqlx::query!(
        "update hook_deliveries set state = 'queued', tries = 0, queued_at = $3, due_at = $3, finished_at = null
          where endpoint_id = $1 and created_at >= $2 and state in ('dead', 'held')",
        endpoint.0,
        since.to_sqlx() as _,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(queued.rows_affected())
}

pub async fn forget_before(tx: &mut Tx<System>, at: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "delete from hook_deliveries where state <> 'queued' and created_at < $1 and queued_at < $1",
        at.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "delete from hook_events e where e.happened_at < $1
            and not exists (select from hook_deliveries d where d.event_id = e.id)
            and not exists (select from outbox o
                             where o.kind = 'spread_event' and o.subject = e.id::text and o.state in ('ready', 'running'))",
        at.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn forget_old_secrets(tx: &mut Tx<System>, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update hook_endpoints set old_secret = null, old_secret_until = null where old_secret_until <= $1",
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Endpoints with a secret that another key than the newest has sealed, and of which nobody has been told.
pub async fn stale(tx: &mut Tx<System>, newest: &str) -> Result<Vec<HookEndpointId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select id as "id: HookEndpointId" from hook_endpoints h
            where (encode(substring(secret from 2 for get_byte(secret, 0)), 'escape') <> $1
                   or encode(substring(old_secret from 2 for get_byte(old_secret, 0)), 'escape') <> $1)
              and not exists (select from attention_items i
                               where i.kind = 'sealed_unreadable' and i.subject = h.id::text and i.resolved_at is null)
            order by id"#,
        newest
    )
    .fetch_all(&mut **tx)
    .await
}

/// One sealed secret of each key, with how many it has sealed.
pub async fn samples(
    tx: &mut Tx<System>,
) -> Result<Vec<(String, i64, HookEndpointId, Vec<u8>)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"with keyed as (
               select id, secret, encode(substring(secret from 2 for get_byte(secret, 0)), 'escape') as key
                 from hook_endpoints)
           select distinct on (key) key as "key!", id as "id: HookEndpointId", secret,
                  count(*) over (partition by key) as "rows!"
             from keyed order by key"#
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.key, row.rows, row.id, row.secret)).collect())
}
