//! Webhooks: is it from Stripe, is it fresh, and whom does it concern.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stripe_webhook::{Webhook, WebhookError};

use crate::ids::AttemptId;

/// An event that is certainly Stripe's. It only says where to look: facts are asked from Stripe, never taken from here.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: String,
    pub kind: String,
    pub created: Timestamp,
    pub livemode: bool,
    /// Without what it says about people.
    pub payload: Value,
    pub attempt: Option<AttemptId>,
    pub session: Option<String>,
    pub payment_intent: Option<String>,
    /// `false`: authentic and of a known kind, but not in the form we know. Nothing of it may be lost nevertheless.
    pub readable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    #[error("no signature")]
    NoSignature,
    #[error("the signature is not Stripe's")]
    BadSignature,
    /// Signed by Stripe, but not within five minutes of our clock: a replay, or one of the clocks is wrong.
    #[error("the signature is too old")]
    TooOld {
        /// Stripe's clock when it signed, in seconds since 1970.
        signed_at: i64,
    },
    /// Not even text, so nothing that Stripe signs.
    #[error("not an event")]
    Malformed,
}

pub(super) fn read(
    body: &[u8],
    signature: Option<&str>,
    secrets: &[SecretString],
    now: Timestamp,
) -> Result<Event, EventError> {
    let signature = signature.ok_or(EventError::NoSignature)?;
    let text = std::str::from_utf8(body).map_err(|_| EventError::Malformed)?;
    let mut answer = Err(EventError::BadSignature);
    for secret in secrets {
        // The crate checks the signature before it parses, so whatever comes after a bad parse is authentic.
        let verdict =
            Webhook::construct_event_with_timestamp(text, signature, secret.expose_secret(), now.as_second());
        match verdict {
            Ok(_) => return Ok(from_text(text, true, now)),
            Err(WebhookError::BadParse(_)) => return Ok(from_text(text, false, now)),
            Err(WebhookError::BadTimestamp(signed_at)) => answer = Err(EventError::TooOld { signed_at }),
            Err(WebhookError::BadSignature | WebhookError::BadKey | WebhookError::BadHeader(_)) => {}
        }
    }
    answer
}

fn from_text(text: &str, readable: bool, now: Timestamp) -> Event {
    match serde_json::from_str(text) {
        Ok(payload) => from_value(payload, readable, now),
        Err(_) => Event { payload: json!({ "bytes": text.len() }), ..nameless(text.as_bytes(), false, now) },
    }
}

/// From a webhook whose signature has been checked, or from Stripe's own list. Whatever it is, nothing of it gets lost.
pub(super) fn from_value(payload: Value, readable: bool, now: Timestamp) -> Event {
    // The people in it are nobody's to keep, also where it says nothing that we know.
    let kept = keepable(payload);
    let event = named(&kept, readable).unwrap_or_else(|| {
        let livemode = kept.get("livemode").and_then(Value::as_bool).unwrap_or_default();
        nameless(kept.to_string().as_bytes(), livemode, now)
    });
    Event { payload: kept, ..event }
}

/// Stripe's word, but none that says which event it is. The same words again are the same one.
fn nameless(words: &[u8], livemode: bool, now: Timestamp) -> Event {
    Event {
        id: format!("evt_nameless_{}", hex::encode(&Sha256::digest(words)[..16])),
        kind: "nameless".to_owned(),
        created: now,
        livemode,
        payload: Value::Null,
        attempt: None,
        session: None,
        payment_intent: None,
        readable: false,
    }
}

/// All but the payload itself.
fn named(payload: &Value, readable: bool) -> Option<Event> {
    let text_at = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let id = text_at("/id").filter(|id| is_event_id(id))?;
    let kind = text_at("/type").filter(|kind| (1..=120).contains(&kind.len()))?;
    let created =
        payload.get("created").and_then(Value::as_i64).and_then(|s| Timestamp::from_second(s).ok())?;
    let livemode = payload.get("livemode").and_then(Value::as_bool)?;

    let object = text_at("/data/object/object");
    let own_id = text_at("/data/object/id");
    let (session, payment_intent) = match object.as_deref() {
        Some("checkout.session") => (own_id, intent_of(payload)),
        Some("payment_intent") => (None, own_id),
        _ => (None, intent_of(payload)),
    };
    let attempt = ["/data/object/client_reference_id", "/data/object/metadata/attempt_id"]
        .into_iter()
        .find_map(|pointer| text_at(pointer)?.parse().ok());
    let payload = Value::Null;
    Some(Event { id, kind, created, livemode, attempt, session, payment_intent, readable, payload })
}

/// Who paid is Stripe's to know. We keep events for their facts about money, and for longer than people stay with us.
const PEOPLE: [&str; 11] = [
    "customer_details",
    "customer_email",
    "billing_details",
    "receipt_email",
    "shipping",
    "shipping_details",
    "collected_information",
    "email",
    "phone",
    "name",
    "address",
];

/// Without the people in it, and without NUL, which PostgreSQL's JSON does not take.
fn keepable(node: Value) -> Value {
    match node {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(name, _)| !PEOPLE.contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (without_nul(name), keepable(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(keepable).collect()),
        Value::String(text) => Value::String(without_nul(text)),
        plain => plain,
    }
}

fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// As the inbox keeps it.
fn is_event_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    id.strip_prefix("evt_").is_some_and(|rest| (1..=200).contains(&rest.len()) && rest.bytes().all(plain))
}

/// The intent as an id, or expanded.
fn intent_of(payload: &Value) -> Option<String> {
    let intent = payload.pointer("/data/object/payment_intent")?;
    intent.as_str().or_else(|| intent.get("id")?.as_str()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_kept_without_the_people_in_it_at_whatever_depth() {
        let told = json!({
            "id": "evt_1",
            "data": { "object": {
                "amount": 41260,
                "customer_email": "maria@example.com",
                "customer_details": { "name": "Maria Duarte" },
                "charges": [{ "billing_details": { "phone": "+351" }, "last4": "4242", "owner": { "email": "m@x.pt" } }],
            } },
        });
        let kept = json!({
            "id": "evt_1",
            "data": { "object": { "amount": 41260, "charges": [{ "last4": "4242", "owner": {} }] } },
        });
        assert_eq!(keepable(told), kept);
    }

    #[test]
    fn what_postgresql_cannot_keep_is_replaced_wherever_it_stands() {
        let told = json!({ "a\0": ["\0b", { "c": "d\0\0" }], "e": 1 });
        assert_eq!(
            keepable(told),
            json!({ "a\u{fffd}": ["\u{fffd}b", { "c": "d\u{fffd}\u{fffd}" }], "e": 1 })
        );
    }
}
