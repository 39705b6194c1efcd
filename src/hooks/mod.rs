//! Outgoing webhooks: the agency's own systems are told what happens to bookings and money. Which facts are told stands in
//! `outbox::FactKind`; here is where they go, how they are signed, and what became of each.

mod delivery;
mod log_store;
pub mod pages;
pub mod signature;
mod store;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

pub use self::{
    delivery::{API_VERSION, Message, place_of},
    log_store::{Delivery, Endpoint, Line, Place, Tried},
};
use crate::{
    audit::{self, Action},
    clock::Clock,
    config::Config,
    courier::Courier,
    db::{Db, Staff, System, Tx},
    error::{AppError, FieldErrors, Refusal},
    ids::{HookDeliveryId, HookEndpointId, HookEventId, UserId},
    outbox::{self, About, Attention, FactKind, Job, MailKind},
    vault::{Sample, Vault, VaultError},
};
use signature::Secret;
use store::Locked;

/// How long one delivery is tried.
pub const KEEP_TRYING: SignedDuration = SignedDuration::from_hours(72);
/// How long the secret before the last rotation signs as well.
pub const OLD_SECRET_LIFE: SignedDuration = SignedDuration::from_hours(24);
/// How long deliveries can be looked up and replayed.
pub const KEPT: SignedDuration = SignedDuration::from_hours(24 * 30);
/// An agency has a handful of systems; every event is written once for each endpoint.
pub const MOST_ENDPOINTS: i64 = 20;
/// Lines of one page of the log.
const PAGE: usize = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PausedFor {
    ByHand,
    /// Nothing arrived for as long as one delivery is tried.
    Failing,
    /// It answered 410: it wants nothing more.
    Gone,
}

impl PausedFor {
    pub const fn code(self) -> &'static str {
        match self {
            Self::ByHand => "by_hand",
            Self::Failing => "failing",
            Self::Gone => "gone",
        }
    }
}

/// As somebody typed it, and all right.
pub struct NewEndpoint {
    pub url: Url,
    pub note: String,
}

#[derive(Clone)]
pub struct Hooks {
    pub db: Db,
    pub clock: Clock,
    pub courier: Courier,
    pub vault: Vault,
    /// Who hears by mail that an endpoint was paused.
    pub staff: String,
}

impl Hooks {
    pub fn new(db: Db, clock: Clock, courier: Courier, vault: Vault, config: &Config) -> Self {
        Self { db, clock, courier, vault, staff: config.mail.staff.clone() }
    }

    pub async fn add(&self, by: UserId, new: &NewEndpoint) -> Result<HookEndpointId, AppError> {
        let (id, now) = (HookEndpointId::new(), self.clock.now());
        let sealed = self.seal(id, &Secret::random())?;
        let mut tx = self.db.begin(System).await?;
        if store::count_endpoints(&mut tx).await? >= MOST_ENDPOINTS {
            let message = format!("There are {MOST_ENDPOINTS} already. Delete one that is not needed");
            return Err(AppError::Invalid(FieldErrors::one("url", message)));
        }
        store::insert_endpoint(&mut tx, id, new, &sealed, by, now).await?;
        let data = json!({ "server": place_of(new.url.as_str()) });
        self.note(&mut tx, by, Action::HookAdded, id, &data).await?;
        tx.commit().await?;
        Ok(id)
    }

    pub async fn pause(&self, by: UserId, id: HookEndpointId) -> Result<(), AppError> {
        let (mut tx, endpoint) = self.take(id).await?;
        if endpoint.is_active {
            store::pause(&mut tx, id, PausedFor::ByHand).await?;
            self.note(&mut tx, by, Action::HookPaused, id, &json!({})).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// What happens from now on goes there again. What was missed goes when somebody wants it.
    pub async fn resume(&self, by: UserId, id: HookEndpointId) -> Result<(), AppError> {
        let (mut tx, endpoint) = self.take(id).await?;
        if !endpoint.is_active {
            store::resume(&mut tx, id).await?;
            self.note(&mut tx, by, Action::HookResumed, id, &json!({})).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    pub async fn delete(&self, by: UserId, id: HookEndpointId) -> Result<(), AppError> {
        let (mut tx, endpoint) = self.take(id).await?;
        store::delete_endpoint(&mut tx, id).await?;
        let data = json!({ "server": place_of(&endpoint.url) });
        self.note(&mut tx, by, Action::HookDeleted, id, &data).await?;
        tx.commit().await?;
        Ok(())
    }

    /// For the receiver's settings. Who looked is written down.
    pub async fn show_secret(&self, by: UserId, id: HookEndpointId) -> Result<SecretString, AppError> {
        let (mut tx, endpoint) = self.take(id).await?;
        let secret = self.open(id, &endpoint.secret).map_err(|error| unreadable(&error))?;
        self.note(&mut tx, by, Action::HookSecretShown, id, &json!({})).await?;
        tx.commit().await?;
        Ok(secret.shown())
    }

    /// A new secret; the one until now signs as well for a day. A third within that day ends the first.
    pub async fn rotate_secret(&self, by: UserId, id: HookEndpointId) -> Result<(), AppError> {
        let (mut tx, endpoint) = self.take(id).await?;
        let sealed = self.seal(id, &Secret::random())?;
        let old = (endpoint.secret.as_slice(), self.clock.now() + OLD_SECRET_LIFE);
        store::set_secrets(&mut tx, id, &sealed, Some(old)).await?;
        self.note(&mut tx, by, Action::HookSecretRotated, id, &json!({})).await?;
        tx.commit().await?;
        Ok(())
    }

    /// An event that tells of nothing, to this endpoint alone.
    pub async fn send_test(&self, by: UserId, id: HookEndpointId) -> Result<(), AppError> {
        let now = self.clock.now();
        let (mut tx, endpoint) = self.take(id).await?;
        refuse_paused(&endpoint)?;
        let event = HookEventId::new();
        let data = json!({ "message": "A test. Nothing has happened." });
        store::insert_ping(&mut tx, event, FactKind::Ping.code(), &data, now).await?;
        store::insert_delivery(&mut tx, id, event, true, now).await?;
        outbox::push(&mut tx, &Job::ServeEndpoint(id), now, now).await?;
        self.note(&mut tx, by, Action::HookTested, id, &json!({ "event": event })).await?;
        tx.commit().await?;
        Ok(())
    }

    /// One event again, under the same id: a receiver that has it already knows it.
    pub async fn replay(&self, by: UserId, delivery: HookDeliveryId) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let id = store::endpoint_of(&mut tx, delivery).await?.ok_or(AppError::NotFound)?;
        let endpoint = store::lock(&mut tx, id).await?.ok_or(AppError::NotFound)?;
        refuse_paused(&endpoint)?;
        store::queue_again(&mut tx, delivery, now).await?;
        outbox::push(&mut tx, &Job::ServeEndpoint(id), now, now).await?;
        self.note(&mut tx, by, Action::HookReplayed, id, &json!({ "delivery": delivery })).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Everything since then that did not arrive.
    pub async fn replay_missed(
        &self,
        by: UserId,
        id: HookEndpointId,
        since: Timestamp,
    ) -> Result<u64, AppError> {
        let now = self.clock.now();
        let (mut tx, endpoint) = self.take(id).await?;
        refuse_paused(&endpoint)?;
        let count = store::queue_missed(&mut tx, id, since, now).await?;
        outbox::push(&mut tx, &Job::ServeEndpoint(id), now, now).await?;
        let data = json!({ "since": since, "events": count });
        self.note(&mut tx, by, Action::HookReplayed, id, &data).await?;
        tx.commit().await?;
        Ok(count)
    }

    pub async fn endpoints(&self, staff: UserId) -> Result<Vec<Endpoint>, AppError> {
        let mut tx = self.db.begin(Staff(staff)).await?;
        Ok(log_store::endpoints(&mut tx, None).await?)
    }

    pub async fn endpoint(&self, staff: UserId, id: HookEndpointId) -> Result<Endpoint, AppError> {
        let mut tx = self.db.begin(Staff(staff)).await?;
        log_store::endpoints(&mut tx, Some(id)).await?.pop().ok_or(AppError::NotFound)
    }

    /// Newest first, with whether there are older ones.
    pub async fn log(
        &self,
        staff: UserId,
        id: HookEndpointId,
        state: Option<&str>,
        before: Option<Place>,
    ) -> Result<(Vec<Line>, bool), AppError> {
        let mut tx = self.db.begin(Staff(staff)).await?;
        let limit = i64::try_from(PAGE + 1).unwrap_or(1);
        let mut lines = log_store::lines(&mut tx, id, state, before, limit).await?;
        let goes_on = lines.len() > PAGE;
        lines.truncate(PAGE);
        Ok((lines, goes_on))
    }

    pub async fn delivery(&self, staff: UserId, id: HookDeliveryId) -> Result<Delivery, AppError> {
        let mut tx = self.db.begin(Staff(staff)).await?;
        log_store::delivery(&mut tx, id).await?.ok_or(AppError::NotFound)
    }

    async fn take(&self, id: HookEndpointId) -> Result<(Tx<System>, Locked), AppError> {
        let mut tx = self.db.begin(System).await?;
        let endpoint = store::lock(&mut tx, id).await?.ok_or(AppError::NotFound)?;
        Ok((tx, endpoint))
    }

    async fn note(
        &self,
        tx: &mut Tx<System>,
        by: UserId,
        action: Action,
        id: HookEndpointId,
        data: &Value,
    ) -> Result<(), sqlx::Error> {
        audit::record_for(tx, by, action, None, &id.to_string(), data, self.clock.now()).await
    }

    /// Nothing more is sent there until somebody has looked.
    async fn stop(
        &self,
        tx: &mut Tx<System>,
        id: HookEndpointId,
        url: &str,
        why: PausedFor,
        now: Timestamp,
    ) -> Result<(), AppError> {
        store::pause(tx, id, why).await?;
        let why = match why {
            PausedFor::Gone => "it answered 410 Gone",
            PausedFor::Failing | PausedFor::ByHand => "nothing arrived for three days",
        };
        let detail = format!("nothing more is sent to {}: {why}", place_of(url));
        outbox::raise(tx, Attention::HookPaused, &id.to_string(), None, &detail, now).await?;
        let cause = format!("{id}:{}", now.as_second());
        outbox::owe_mail(tx, MailKind::HookPaused, About::Agency, &self.staff, &cause, now).await?;
        Ok(())
    }

    fn seal(&self, id: HookEndpointId, secret: &Secret) -> Result<Vec<u8>, AppError> {
        let sealed = self.vault.seal(&purpose(id), secret.as_bytes());
        sealed.map_err(|error| AppError::broken(format!("a webhook secret: {error}")))
    }

    fn open(&self, id: HookEndpointId, sealed: &[u8]) -> Result<Secret, VaultError> {
        self.vault.open(&purpose(id), sealed).map(Secret::from_bytes)
    }

    /// Those that sign now, the newest first.
    fn open_secrets(
        &self,
        id: HookEndpointId,
        endpoint: &Locked,
        now: Timestamp,
    ) -> Result<Vec<Secret>, VaultError> {
        let old = endpoint.old_secret.as_ref().filter(|(_, until)| *until > now).map(|(sealed, _)| sealed);
        let sealed = std::iter::once(&endpoint.secret).chain(old);
        sealed.map(|sealed| self.open(id, sealed)).collect()
    }

    /// The worker's round: what is old is forgotten, and what an older key has sealed is sealed with the newest.
    pub async fn sweep(&self) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        store::forget_before(&mut tx, now - KEPT).await?;
        store::forget_old_secrets(&mut tx, now).await?;
        for id in store::stale(&mut tx, self.vault.newest()).await? {
            let Some(endpoint) = store::lock(&mut tx, id).await? else { continue };
            match self.renew(id, &endpoint) {
                Ok((secret, old)) => {
                    let old = old.as_ref().map(|(sealed, until)| (sealed.as_slice(), *until));
                    store::set_secrets(&mut tx, id, &secret, old).await?;
                }
                Err(error) => {
                    let detail = format!("the secret of a webhook endpoint cannot be opened: {error}");
                    let kind = Attention::SealedUnreadable;
                    outbox::raise(&mut tx, kind, &id.to_string(), None, &detail, now).await?;
                }
            }
        }
        tx.commit().await?;
        Ok(())
    }

    fn renew(&self, id: HookEndpointId, endpoint: &Locked) -> Result<Renewed, VaultError> {
        let renew = |sealed: &[u8]| self.vault.renew(&purpose(id), sealed);
        let old = endpoint.old_secret.as_ref();
        let old = old.map(|(sealed, until)| renew(sealed).map(|sealed| (sealed, *until))).transpose()?;
        Ok((renew(&endpoint.secret)?, old))
    }
}

/// The secret, and the one before it with its end.
type Renewed = (Vec<u8>, Option<(Vec<u8>, Timestamp)>);

/// What an endpoint's secret is sealed for: the row of another endpoint does not open it.
fn purpose(id: HookEndpointId) -> String {
    format!("hook-secret:{id}")
}

fn unreadable(error: &VaultError) -> AppError {
    AppError::broken(format!("the secret of a webhook endpoint: {error}"))
}

fn refuse_paused(endpoint: &Locked) -> Result<(), AppError> {
    if endpoint.is_active {
        return Ok(());
    }
    Err(AppError::Conflict(Refusal {
        code: "endpoint_paused",
        title: "This endpoint is paused",
        detail: "Nothing is sent to it. Resume it first, then send again.".to_owned(),
    }))
}

/// What is posted, for the page about it.
pub fn example() -> Result<String, AppError> {
    let id = "019aafd1-3c00-7c4e-9d6b-2f6f7b0f5a11";
    let data = json!({
        "booking": { "id": "019aafc8-90d2-7b11-8a3c-5d1f0c7e2b94", "reference": "K7WQ4M" },
        "refund": {
            "id": "019aafd1-2f10-7e0a-b6a4-91c3d0a8e7f2",
            "amount_minor": 12_340,
            "currency": "EUR",
        },
        "payment": { "id": "019aafc9-0b7e-7d35-9f21-0e4c6a8b1d53" },
    });
    let message = Message {
        id: id.parse().map_err(|_| AppError::broken("the example's id"))?,
        r#type: FactKind::RefundSucceeded.code(),
        api_version: API_VERSION,
        created_at: Timestamp::from_second(1_795_427_100)
            .map_err(|_| AppError::broken("the example's time"))?,
        data: &data,
    };
    Ok(serde_json::to_string_pretty(&message)?)
}

/// One sealed secret of each key, to try the key by.
pub async fn samples(tx: &mut Tx<System>) -> Result<Vec<Sample>, sqlx::Error> {
    let rows = store::samples(tx).await?.into_iter();
    Ok(rows.map(|(key, rows, id, sealed)| Sample { key, rows, purpose: purpose(id), sealed }).collect())
}

/// For the letter about it: where nothing is sent any more, and why. `None`: it is again, or it is gone.
pub async fn paused(
    tx: &mut Tx<System>,
    id: HookEndpointId,
) -> Result<Option<(Endpoint, PausedFor)>, sqlx::Error> {
    let endpoint = log_store::endpoints(tx, Some(id)).await?.pop();
    Ok(endpoint.and_then(|endpoint| {
        let why = match endpoint.paused_for.as_deref()? {
            "gone" => PausedFor::Gone,
            "failing" => PausedFor::Failing,
            _ => return None,
        };
        Some((endpoint, why))
    }))
}
