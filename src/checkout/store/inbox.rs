//! SQL of the inbox of Stripe's events.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{
    db::{System, Tx},
    ids::AttemptId,
    outbox::Job,
    payments::Event,
};

/// The inbox takes each event once, and with it the job that deals with it, in one statement: Stripe waits for the answer.
/// `false` means that it was here before.
pub async fn receive_event(tx: &mut Tx<System>, event: &Event, now: Timestamp) -> Result<bool, sqlx::Error> {
    let state = if event.readable { "received" } else { "unreadable" };
    let job = Job::ApplyEvent(event.id.clone());
    let is_new = sqlx::query_scalar!(
        r#"with event as (
               insert into stripe_events (id, kind, livemode, created, received_at, payload, state,
                                          names_attempt, names_session, names_payment_intent)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
               on conflict (id) do nothing
               returning id),
           job as (
               insert into outbox (kind, subject, due_at, created_at) select $11, $12, $5, $5 from event
               on conflict (kind, subject) where state = 'ready' do nothing)
           select exists (select from event) as "is_new!""#,
        event.id,
        event.kind,
        event.livemode,
        event.created.to_sqlx() as _,
        now.to_sqlx() as _,
        event.payload,
        state,
        event.attempt.map(|id| id.0),
        event.session,
        event.payment_intent,
        job.kind(),
        job.subject(),
    )
    .fetch_one(&mut **tx)
    .await?;
    if is_new {
        tx.wake_worker_on_commit(job.lane());
    }
    Ok(is_new)
}

/// An event of the inbox, as far as it still has to be dealt with.
#[derive(Debug)]
pub struct InboxEvent {
    pub kind: String,
    pub livemode: bool,
    pub state: String,
    pub received_at: jiff_sqlx::Timestamp,
    pub names_attempt: Option<AttemptId>,
    pub names_session: Option<String>,
    pub names_payment_intent: Option<String>,
    /// What it is about, by Stripe's name.
    pub object: Option<String>,
}

pub async fn inbox_event(tx: &mut Tx<System>, id: &str) -> Result<Option<InboxEvent>, sqlx::Error> {
    sqlx::query_as!(
        InboxEvent,
        r#"select kind, livemode, state, received_at as "received_at: jiff_sqlx::Timestamp",
                  names_attempt as "names_attempt: AttemptId", names_session, names_payment_intent,
                  payload #>> '{data,object,id}' as object
             from stripe_events where id = $1 and settled_at is null"#,
        id,
    )
    .fetch_optional(&mut **tx)
    .await
}

pub async fn set_event_state(
    tx: &mut Tx<System>,
    id: &str,
    state: &str,
    attempt: Option<AttemptId>,
    settled_at: Option<Timestamp>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update stripe_events set state = $2, attempt_id = coalesce($3, attempt_id), settled_at = $4 where id = $1",
        id,
        state,
        attempt.map(|id| id.0),
        settled_at.map(|at| at.to_sqlx()) as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}
