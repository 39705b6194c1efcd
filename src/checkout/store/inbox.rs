//! SQL of the inbox of Stripe's events.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{
    db::{System, Tx},
    ids::AttemptId,
    outbox::Job,
    payments::Event,
};

/// The inbox takes each event once, and with it the job that deals with it, in one statement: Stripe waits for the answer.
/// The ids of those that were not here before.
pub async fn receive_events(
    tx: &mut Tx<System>,
    events: &[&Event],
    now: Timestamp,
) -> Result<HashSet<String>, sqlx::Error> {
    let texts = |of: fn(&Event) -> &str| events.iter().map(|event| of(event).to_owned()).collect::<Vec<_>>();
    let named =
        |of: fn(&Event) -> &Option<String>| events.iter().map(|event| of(event).clone()).collect::<Vec<_>>();
    let job = Job::ApplyEvent(String::new());
    let new = sqlx::query_scalar!(
        r#"with event as (
               insert into stripe_events (id, kind, livemode, created, received_at, payload, state,
                                          names_attempt, names_session, names_payment_intent)
               select e.id, e.kind, e.livemode, to_timestamp(e.created), $1, e.payload::jsonb, e.state, e.attempt, e.session, e.intent
                 from unnest($2::text[], $3::text[], $4::boolean[], $5::bigint[], $6::text[], $7::text[], $8::uuid[],
                             $9::text[], $10::text[])
                   as e (id, kind, livemode, created, payload, state, attempt, session, intent)
               on conflict (id) do nothing
               returning id),
           job as (
               insert into outbox (kind, subject, due_at, created_at) select $11, id, $1, $1 from event
               on conflict (kind, subject) where state = 'ready' do nothing)
           select id as "id!" from event"#,
        now.to_sqlx() as _,
        &texts(|event| &event.id),
        &texts(|event| &event.kind),
        &events.iter().map(|event| event.livemode).collect::<Vec<_>>(),
        // Stripe counts in whole seconds.
        &events.iter().map(|event| event.created.as_second()).collect::<Vec<_>>(),
        &events.iter().map(|event| event.payload.to_string()).collect::<Vec<_>>(),
        &texts(|event| if event.readable { "received" } else { "unreadable" }),
        &events.iter().map(|event| event.attempt.map(|id| id.0)).collect::<Vec<_>>() as _,
        &named(|event| &event.session) as _,
        &named(|event| &event.payment_intent) as _,
        job.kind(),
    )
    .fetch_all(&mut **tx)
    .await?;
    if !new.is_empty() {
        tx.wake_worker_on_commit(job.lane());
    }
    Ok(new.into_iter().collect())
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
