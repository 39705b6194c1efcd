//! Duffel's webhooks: is it from Duffel, is it fresh, and whom does it concern. An event only says where to look.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;

use super::{client::shortened, map::is_id};
use crate::{clock::Clock, ids::BookingId};

/// Further from our clock, and it is a replay, or one of the clocks is wrong.
const TOLERANCE_SECONDS: i64 = 300;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The airline has changed the flights of an order.
    Changed,
    /// An order that was accepted has been made.
    Created,
    /// An order that was accepted could not be made.
    CreationFailed,
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: String,
    /// As Duffel calls it.
    pub name: String,
    pub kind: EventKind,
    pub order: Option<String>,
    /// From the order's metadata, where the event brings them.
    pub booking: Option<BookingId>,
    pub live: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    #[error("no signature")]
    NoSignature,
    #[error("the signature is not Duffel's")]
    BadSignature,
    #[error("the signature is too old")]
    TooOld,
    #[error("not an event")]
    Malformed,
}

#[derive(Deserialize)]
struct Told {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    live_mode: bool,
    #[serde(default)]
    data: Value,
}

/// The secrets of our endpoint; several, so that one can be replaced without losing an event.
#[derive(Clone, Debug)]
pub struct Signing {
    secrets: Vec<SecretString>,
    clock: Clock,
}

impl Signing {
    pub fn new(secrets: Vec<SecretString>, clock: Clock) -> Self {
        Self { secrets, clock }
    }

    pub fn read(&self, body: &[u8], signature: Option<&str>) -> Result<Event, EventError> {
        let signature = signature.ok_or(EventError::NoSignature)?;
        self.verify(body, signature)?;
        from_body(body)
    }

    fn verify(&self, body: &[u8], signature: &str) -> Result<(), EventError> {
        let parts = || signature.split(',').filter_map(|part| part.trim().split_once('='));
        let time = parts().find(|(name, _)| *name == "t").map(|(_, time)| time);
        let time = time.ok_or(EventError::BadSignature)?;
        let signed: Vec<Vec<u8>> =
            parts().filter(|(name, _)| *name == "v1").filter_map(|(_, mac)| hex::decode(mac).ok()).collect();
        let is_ours = self.secrets.iter().any(|secret| {
            let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
                return false;
            };
            let mac = mac.chain_update(time).chain_update(".").chain_update(body);
            // In constant time.
            signed.iter().any(|theirs| mac.clone().verify_slice(theirs).is_ok())
        });
        if !is_ours {
            return Err(EventError::BadSignature);
        }
        let at: i64 = time.parse().map_err(|_| EventError::BadSignature)?;
        let apart = at.saturating_sub(self.clock.now().as_second()).saturating_abs();
        if apart > TOLERANCE_SECONDS { Err(EventError::TooOld) } else { Ok(()) }
    }
}

fn from_body(body: &[u8]) -> Result<Event, EventError> {
    let told: Told = serde_json::from_slice(body).map_err(|_| EventError::Malformed)?;
    let is_named = (1..=120).contains(&told.kind.len()) && !told.kind.contains('\0');
    if !is_event_id(&told.id) || !is_named {
        return Err(EventError::Malformed);
    }
    let kind = match told.kind.as_str() {
        "order.airline_initiated_change_detected" => EventKind::Changed,
        "order.created" => EventKind::Created,
        "order.creation_failed" => EventKind::CreationFailed,
        _ => EventKind::Other,
    };
    let text = |pointer: &str| told.data.pointer(pointer).and_then(Value::as_str);
    let order = [text("/object/order_id"), text("/object/id")];
    let order = order.into_iter().flatten().find(|id| is_id(id, "ord_")).map(str::to_owned);
    let booking = text("/object/metadata/booking_id").and_then(|id| id.parse().ok());
    Ok(Event { id: told.id, name: shortened(&told.kind), kind, order, booking, live: told.live_mode })
}

/// As the inbox keeps it.
fn is_event_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    id.strip_prefix("wev_").is_some_and(|rest| (1..=200).contains(&rest.len()) && rest.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use serde_json::json;

    use super::*;

    fn sign(secret: &str, at: Timestamp, body: &str) -> Option<String> {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        let time = at.as_second().to_string();
        let mac = mac.chain_update(&time).chain_update(".").chain_update(body);
        Some(format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes())))
    }

    fn signing() -> Signing {
        let clock = Clock::manual("2026-11-23T09:00:00Z".parse().unwrap());
        Signing::new(vec!["whs_old".into(), "whs_new".into()], clock)
    }

    fn body() -> String {
        json!({
            "id": "wev_0000A4tQSmKyqOrcySrGbo", "api_version": "v2", "live_mode": false,
            "type": "order.airline_initiated_change_detected", "idempotency_key": "aic_1",
            "data": { "object": { "id": "aic_1", "order_id": "ord_1" } },
        })
        .to_string()
    }

    #[test]
    fn either_secret_is_good_and_nothing_else_is() {
        let (signing, body) = (signing(), body());
        let now = signing.clock.now();
        for secret in ["whs_old", "whs_new"] {
            let event = signing.read(body.as_bytes(), sign(secret, now, &body).as_deref()).unwrap();
            assert_eq!((event.kind, event.order.as_deref()), (EventKind::Changed, Some("ord_1")));
        }
        let good = sign("whs_new", now, &body).unwrap();
        let (time, mac) = good.split_once(",v1=").unwrap();
        for bad in [
            String::new(),
            "t=,v1=".to_owned(),
            time.to_owned(),
            format!("v1={mac}"),
            format!("t=1,v1={mac}"),
            format!("{time},v0={mac}"),
            format!("{time},v1={}", &mac[1..]),
            format!("{time},v1=zz"),
            sign("whs_foreign", now, &body).unwrap(),
            sign("whs_new", now, "{}").unwrap(),
        ] {
            assert_eq!(signing.read(body.as_bytes(), Some(&bad)), Err(EventError::BadSignature), "{bad}");
        }
        assert_eq!(signing.read(body.as_bytes(), None), Err(EventError::NoSignature));
    }

    #[test]
    fn a_signature_ages() {
        let (signing, body) = (signing(), body());
        for (seconds, is_fresh) in [(-300, true), (300, true), (-301, false), (301, false)] {
            let at = signing.clock.now() + SignedDuration::from_secs(seconds);
            let read = signing.read(body.as_bytes(), sign("whs_new", at, &body).as_deref());
            assert_eq!(read.is_ok(), is_fresh, "{seconds}: {read:?}");
        }
    }

    #[test]
    fn what_is_signed_but_no_event_is_refused_without_a_panic() {
        let signing = signing();
        let long = format!("{{\"id\":\"wev_1\",\"type\":\"{}\"}}", "x".repeat(121));
        for body in [
            "",
            "null",
            "[]",
            "{}",
            "{\"id\":\"wev_1\"}",
            "{\"id\":\"evt_1\",\"type\":\"x\"}",
            "{\"id\":7}",
            &long,
        ] {
            let signature = sign("whs_new", signing.clock.now(), body);
            assert_eq!(
                signing.read(body.as_bytes(), signature.as_deref()),
                Err(EventError::Malformed),
                "{body}"
            );
        }
    }
}
