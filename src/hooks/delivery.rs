//! The two jobs: an event goes to every endpoint's queue, and an endpoint is served from its queue, one event at a time.
//!
//! An endpoint is served by one worker at once and rests after a failure, so that a slow one holds up neither the others nor
//! anything else. Order is not promised: what failed comes later than what followed it.

use std::time::Instant;

use hyper::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use url::Url;

use super::{
    Hooks, KEEP_TRYING, PausedFor,
    signature::{self, Secret},
    store::{self, Due, Locked},
};
use crate::{
    courier::CourierError,
    db::{System, Tx},
    error::AppError,
    ids::{HookDeliveryId, HookEndpointId, HookEventId},
    outbox::{self, Attention, Job, Outcome},
};

/// The form of the body. It changes only with a new value here, and then old fields stay.
pub const API_VERSION: &str = "2026-11-01";

/// Longer than one try takes, also one whose worker was followed by another (`outbox::lease`).
const TRY_LEASE: SignedDuration = SignedDuration::from_secs(60);
const FIRST_PAUSE_MS: i64 = 10_000;
const LONGEST_PAUSE_MS: i64 = 6 * 3_600_000;
const LONGEST_REST: SignedDuration = SignedDuration::from_secs(60);
/// A secret that cannot be opened is a person's matter.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_mins(30);

/// What is sent.
#[derive(Serialize)]
pub struct Message<'a> {
    pub id: HookEventId,
    pub r#type: &'a str,
    pub api_version: &'a str,
    pub created_at: Timestamp,
    pub data: &'a Value,
}

/// One try that is under way.
struct Try {
    id: i64,
    due: Due,
    url: String,
    secrets: Vec<Secret>,
}

enum Next {
    Send(Box<Try>),
    Wait(Timestamp),
    Nothing,
}

impl Hooks {
    /// The job behind every event.
    pub async fn spread(&self, event: HookEventId) -> Result<Outcome, AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        if store::event_exists(&mut tx, event).await? {
            for (endpoint, is_active) in store::endpoints(&mut tx).await? {
                let is_new = store::insert_delivery(&mut tx, endpoint, event, is_active, now).await?;
                if is_new && is_active {
                    outbox::push(&mut tx, &Job::ServeEndpoint(endpoint), now, now).await?;
                }
            }
        }
        tx.commit().await?;
        Ok(Outcome::Done)
    }

    /// The job behind every endpoint's queue: one event, and a wish for the next.
    pub async fn serve(&self, endpoint: HookEndpointId) -> Result<Outcome, AppError> {
        let current = match self.begin(endpoint).await? {
            Next::Send(current) => current,
            Next::Wait(until) => return Ok(Outcome::Again(until)),
            Next::Nothing => return Ok(Outcome::Done),
        };
        let begun = Instant::now();
        let answer = self.send(&current).await?;
        let took_ms = i32::try_from(begun.elapsed().as_millis()).unwrap_or(i32::MAX);
        self.settle(endpoint, &current, answer, took_ms).await?;
        Ok(Outcome::Done)
    }

    async fn begin(&self, id: HookEndpointId) -> Result<Next, AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let Some(endpoint) = store::lock(&mut tx, id).await?.filter(|endpoint| endpoint.is_active) else {
            return Ok(Next::Nothing);
        };
        if let Some(until) = endpoint.rest_until.filter(|until| *until > now) {
            return Ok(Next::Wait(until));
        }
        let Some(due) = store::next_due(&mut tx, id, now).await? else {
            return Ok(store::due_at(&mut tx, id).await?.map_or(Next::Nothing, Next::Wait));
        };
        let secrets = match self.open_secrets(id, &endpoint, now) {
            Ok(secrets) => secrets,
            Err(error) => {
                let detail = format!("the secret of a webhook endpoint cannot be opened: {error}");
                let kind = Attention::SealedUnreadable;
                outbox::raise(&mut tx, kind, &id.to_string(), None, &detail, now).await?;
                tx.commit().await?;
                return Ok(Next::Wait(now + LOOK_AGAIN));
            }
        };
        store::rest(&mut tx, id, now + TRY_LEASE).await?;
        let number = store::begin_try(&mut tx, due.id, now).await?;
        tx.commit().await?;
        Ok(Next::Send(Box::new(Try { id: number, due, url: endpoint.url, secrets })))
    }

    async fn send(&self, current: &Try) -> Result<Result<StatusCode, CourierError>, AppError> {
        let due = &current.due;
        let body = serde_json::to_string(&Message {
            id: due.event,
            r#type: &due.kind,
            api_version: API_VERSION,
            created_at: due.happened_at,
            data: &due.data,
        })?;
        let url: Url = current.url.parse().map_err(|_| AppError::broken("an endpoint's address"))?;
        let headers = signature::headers(due.event, &current.secrets, &body, self.clock.now())
            .ok_or_else(|| AppError::broken("the headers of a webhook"))?;
        Ok(self.courier.post(&url, &headers, body.into_bytes()).await)
    }

    async fn settle(
        &self,
        id: HookEndpointId,
        current: &Try,
        answer: Result<StatusCode, CourierError>,
        took_ms: i32,
    ) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        // Deleted meanwhile, with everything that went there.
        let Some(endpoint) = store::lock(&mut tx, id).await? else { return Ok(()) };
        let status = answer.as_ref().ok().copied();
        let code = status.and_then(|status| i16::try_from(status.as_u16()).ok());
        let error = answer.err().map(|error| error.to_string());
        store::end_try(&mut tx, current.id, code, took_ms, error.as_deref()).await?;
        if status.is_some_and(|status| status.is_success()) {
            store::finish(&mut tx, current.due.id, "delivered", now).await?;
            store::note_success(&mut tx, id, now).await?;
        } else {
            store::note_failure(&mut tx, id, now + rest_after(endpoint.failures + 1), now).await?;
            self.missed(&mut tx, id, &endpoint, current, status, now).await?;
        }
        if let Some(due) = store::due_at(&mut tx, id).await? {
            outbox::push(&mut tx, &Job::ServeEndpoint(id), due.max(now), now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// It did not arrive: later, never, or nothing at all for this endpoint.
    async fn missed(
        &self,
        tx: &mut Tx<System>,
        id: HookEndpointId,
        endpoint: &Locked,
        current: &Try,
        status: Option<StatusCode>,
        now: Timestamp,
    ) -> Result<(), AppError> {
        let delivery = current.due.id;
        let Some(waiting) = store::waiting(tx, delivery).await? else { return Ok(()) };
        if status == Some(StatusCode::GONE) {
            return self.stop(tx, id, &current.url, PausedFor::Gone, now).await;
        }
        let end = waiting.queued_at + KEEP_TRYING;
        if now < end {
            let due = now + pause_after(waiting.tries, delivery);
            store::put_off(tx, delivery, due.min(end)).await?;
            return Ok(());
        }
        store::finish(tx, delivery, "dead", now).await?;
        let detail = format!("{} did not arrive at {}", current.due.kind, place_of(&current.url));
        outbox::raise(tx, Attention::HookDead, &id.to_string(), None, &detail, now).await?;
        // In all the time of this one nothing else has arrived either.
        if endpoint.succeeded_at.is_none_or(|at| at < waiting.queued_at) {
            self.stop(tx, id, &current.url, PausedFor::Failing, now).await?;
        }
        Ok(())
    }
}

/// The server alone: the rest of the address may be a secret.
pub fn place_of(url: &str) -> String {
    url.parse::<Url>().ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

/// Doubling up to six hours, and up to a quarter more. The more comes from the delivery and the try, so that what failed
/// together does not return together.
fn pause_after(tries: i32, delivery: HookDeliveryId) -> SignedDuration {
    let doubled = FIRST_PAUSE_MS.saturating_mul(1 << tries.clamp(1, 20) >> 1).min(LONGEST_PAUSE_MS);
    let place =
        delivery.0.as_bytes().iter().fold(i64::from(tries), |sum, byte| sum * 31 % 9_973 + i64::from(*byte));
    SignedDuration::from_millis(doubled + place.rem_euclid(101) * doubled / 400)
}

/// How long an endpoint is left alone after so many failures in a row.
fn rest_after(failures: i32) -> SignedDuration {
    SignedDuration::from_secs(1 << failures.clamp(1, 7).saturating_sub(1)).min(LONGEST_REST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_six_hours_and_a_quarter_and_a_crowd_comes_apart() {
        let id = HookDeliveryId::new();
        for (tries, least) in
            [(0, 10), (1, 10), (2, 20), (3, 40), (10, 5_120), (12, 20_480), (13, 21_600), (i32::MAX, 21_600)]
        {
            let seconds = pause_after(tries, id).as_secs();
            assert!((least..=least * 5 / 4).contains(&seconds), "try {tries}: {seconds}");
        }
        let different: std::collections::BTreeSet<i128> =
            (0..100).map(|_| pause_after(4, HookDeliveryId::new()).as_millis()).collect();
        assert!(different.len() > 40, "{} times for 100", different.len());
    }

    #[test]
    fn an_endpoint_rests_longer_the_longer_it_fails_but_not_for_long() {
        let rests: Vec<i64> = [0, 1, 2, 3, 6, 7, 50, i32::MAX].map(|n| rest_after(n).as_secs()).to_vec();
        assert_eq!(rests, [1, 1, 2, 4, 32, 60, 60, 60]);
    }

    #[test]
    fn only_the_server_of_an_address_is_told() {
        assert_eq!(place_of("https://hooks.example.com:8443/secret?token=x"), "hooks.example.com");
        assert_eq!(place_of("nonsense"), "");
    }
}
