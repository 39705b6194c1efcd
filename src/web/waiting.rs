//! What waits in the session for the page that shows it: sealed, and not for long. The row of a session is read by whoever
//! reads the database, and what waits here is more than it should learn.

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tower_sessions::Session;

use crate::{clock::Clock, error::AppError, vault::Vault, web::session};

/// A place for one thing. The next one takes its place.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    name: &'static str,
    life: SignedDuration,
}

/// Time to find a password, or to set a new one.
pub const KEPT_FORM: Slot = Slot { name: "kept_form", life: SignedDuration::from_hours(1) };
/// Time to find a pen, or a printer.
pub const RECOVERY_CODES: Slot = Slot { name: "recovery_codes", life: SignedDuration::from_mins(15) };
const SLOTS: [Slot; 2] = [KEPT_FORM, RECOVERY_CODES];

#[derive(Clone, Debug)]
pub struct Waiting {
    session: Session,
    vault: Vault,
    clock: Clock,
}

/// As it lies in the session.
#[derive(Debug, Serialize, Deserialize)]
struct Sealed {
    /// In base64.
    form: String,
    since: Timestamp,
}

impl Waiting {
    /// `purpose` is what it opens for: with a user in it, it opens for that one alone.
    pub async fn put<T: Serialize + Sync>(
        &self,
        slot: Slot,
        purpose: &str,
        value: &T,
    ) -> Result<(), AppError> {
        let sealed = self.vault.seal(purpose, &serde_json::to_vec(value)?);
        let sealed = sealed.map_err(|error| AppError::broken(format!("{}: {error}", slot.name)))?;
        let sealed = Sealed { form: BASE64.encode(sealed), since: self.clock.now() };
        self.session.insert(slot.name, sealed).await.map_err(session::broken)
    }

    pub const fn vault(&self) -> &Vault {
        &self.vault
    }

    /// What an earlier version has kept, another key has sealed or another purpose wanted is nothing.
    pub async fn look<T: DeserializeOwned>(&self, slot: Slot, purpose: &str) -> Result<Option<T>, AppError> {
        let kept = self.session.get_value(slot.name).await.map_err(session::broken)?;
        let kept = kept.and_then(|value| serde_json::from_value::<Sealed>(value).ok());
        let open = |kept: Sealed| {
            let sealed = BASE64.decode(&kept.form).ok().filter(|_| !slot.is_over(&kept, self.clock.now()))?;
            serde_json::from_slice(&self.vault.open(purpose, &sealed).ok()?).ok()
        };
        Ok(kept.and_then(open))
    }

    /// The same, for the last time.
    pub async fn take<T: DeserializeOwned>(&self, slot: Slot, purpose: &str) -> Result<Option<T>, AppError> {
        let kept = self.look(slot, purpose).await?;
        self.forget(slot).await?;
        Ok(kept)
    }

    pub async fn forget(&self, slot: Slot) -> Result<(), AppError> {
        forget(&self.session, slot).await
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Waiting
where
    Vault: FromRef<S>,
    Clock: FromRef<S>,
{
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AppError> {
        let session = parts
            .extensions
            .get::<Session>()
            .cloned()
            .ok_or_else(|| AppError::broken("the route stands outside the session layer"))?;
        Ok(Self { session, vault: Vault::from_ref(state), clock: Clock::from_ref(state) })
    }
}

impl Slot {
    fn is_over(self, kept: &Sealed, now: Timestamp) -> bool {
        now.duration_since(kept.since) >= self.life
    }
}

/// Before every handler: what nobody came back for is dropped.
pub async fn drop_old(session: &Session, now: Timestamp) -> Result<(), AppError> {
    for slot in SLOTS {
        let Some(kept) = session.get_value(slot.name).await.map_err(session::broken)? else { continue };
        if !serde_json::from_value(kept).is_ok_and(|kept: Sealed| !slot.is_over(&kept, now)) {
            forget(session, slot).await?;
        }
    }
    Ok(())
}

async fn forget(session: &Session, slot: Slot) -> Result<(), AppError> {
    if session.get_value(slot.name).await.map_err(session::broken)?.is_some() {
        session.remove_value(slot.name).await.map_err(session::broken)?;
    }
    Ok(())
}
