//! The books of the pretended Stripe account: what exists, and in which state. The moves are in [`super::moves`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{disputes::Dispute, refusal::ApiRefusal, render, statement::Movement};
use crate::ids::random_text;

const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Stripe keeps events for 30 days and idempotency keys for one; here a bound keeps the file small.
const EVENTS_KEPT: usize = 2_000;
const ANSWERS_KEPT: usize = 2_000;

pub type Metadata = BTreeMap<String, String>;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Account {
    pub sessions: BTreeMap<String, Session>,
    pub intents: BTreeMap<String, Intent>,
    pub charges: BTreeMap<String, Charge>,
    /// Oldest first, as are events.
    pub refunds: Vec<Refund>,
    /// Why refunds wait instead of being paid at once, if they do.
    #[serde(skip)]
    pub refunds_wait_for: Option<String>,
    pub events: Vec<Event>,
    /// Also oldest first. States that older versions wrote have none.
    #[serde(default)]
    pub disputes: Vec<Dispute>,
    #[serde(default)]
    pub statement: Vec<Movement>,
    pub answers: Vec<Answer>,
    /// Where the hosted page is. It may change with each start, so links are made when asked for.
    #[serde(skip)]
    pub base: String,
    /// Events that nobody has handed over for delivery yet.
    #[serde(skip)]
    pub fresh: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    pub id: String,
    pub created: i64,
    pub expires_at: i64,
    /// `open`, `complete` or `expired`.
    pub status: String,
    pub amount: i64,
    pub currency: String,
    pub livemode: bool,
    pub client_reference_id: Option<String>,
    pub customer_email: Option<String>,
    pub metadata: Metadata,
    pub title: String,
    pub success_url: String,
    pub cancel_url: Option<String>,
    pub locale: String,
    /// Made when a card is first tried, as Stripe does.
    pub payment_intent: Option<String>,
    pub intent_metadata: Metadata,
    pub intent_description: Option<String>,
    pub capture_method: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Intent {
    pub id: String,
    pub session: String,
    pub created: i64,
    pub amount: i64,
    pub currency: String,
    pub livemode: bool,
    pub status: String,
    pub capture_method: String,
    pub capturable: i64,
    pub received: i64,
    pub metadata: Metadata,
    pub description: Option<String>,
    pub last_error: Option<Value>,
    pub latest_charge: Option<String>,
    pub authorised_at: Option<i64>,
    pub canceled_at: Option<i64>,
    pub cancellation_reason: Option<String>,
    /// The card that waits for its owner to pass 3-D Secure.
    pub pending_card: Option<PendingCard>,
    /// What the bank will say of a direct debit, and when.
    #[serde(default)]
    pub debit: Option<Debit>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Debit {
    pub account: PendingCard,
    pub arrives: bool,
    pub settles_at: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingCard {
    pub brand: String,
    pub last4: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Charge {
    pub id: String,
    pub payment_intent: String,
    pub created: i64,
    pub amount: i64,
    pub captured: i64,
    pub refunded: i64,
    pub currency: String,
    pub livemode: bool,
    pub metadata: Metadata,
    pub brand: String,
    pub last4: String,
    pub failure: Option<(String, String)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refund {
    pub id: String,
    pub payment_intent: String,
    pub charge: String,
    pub created: i64,
    pub amount: i64,
    pub currency: String,
    pub status: String,
    pub metadata: Metadata,
    pub reason: Option<String>,
    pub failure_reason: Option<String>,
    /// Why it is pending, where it is.
    #[serde(default)]
    pub pending_reason: Option<String>,
    /// It waited from the beginning, so that the balance has not paid it yet.
    #[serde(default)]
    pub unpaid: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    pub id: String,
    pub kind: String,
    pub created: i64,
    pub payload: Value,
    pub delivered: bool,
}

/// What an idempotency key was answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    pub key: String,
    pub request: String,
    pub status: u16,
    pub body: Value,
    pub at: i64,
}

pub fn new_id(prefix: &str, length: usize) -> String {
    format!("{prefix}_{}", random_text(ALPHABET, length))
}

impl Account {
    pub fn session(&self, id: &str) -> Result<&Session, ApiRefusal> {
        self.sessions.get(id).ok_or_else(|| ApiRefusal::missing(404, "checkout.session", id, "session"))
    }

    pub fn intent(&self, id: &str) -> Result<&Intent, ApiRefusal> {
        self.intents.get(id).ok_or_else(|| ApiRefusal::missing(404, "payment_intent", id, "intent"))
    }

    pub fn session_mut(&mut self, id: &str) -> Result<&mut Session, ApiRefusal> {
        self.sessions.get_mut(id).ok_or_else(|| ApiRefusal::missing(404, "checkout.session", id, "session"))
    }

    pub fn intent_mut(&mut self, id: &str) -> Result<&mut Intent, ApiRefusal> {
        self.intents.get_mut(id).ok_or_else(|| ApiRefusal::missing(404, "payment_intent", id, "intent"))
    }

    pub fn answer(&self, key: &str) -> Option<&Answer> {
        self.answers.iter().find(|answer| answer.key == key)
    }

    pub fn keep_answer(&mut self, answer: Answer) {
        self.answers.retain(|old| old.at > answer.at - 24 * 3_600 && old.key != answer.key);
        keep_last(&mut self.answers, ANSWERS_KEPT);
        self.answers.push(answer);
    }

    pub fn emit_session(&mut self, kind: &str, id: &str, now: Timestamp) {
        if let Some(object) = self.sessions.get(id).map(|session| render::session(self, session)) {
            self.emit(kind, object, now);
        }
    }

    pub fn emit_intent(&mut self, kind: &str, id: &str, now: Timestamp) {
        if let Some(object) = self.intents.get(id).map(render::intent) {
            self.emit(kind, object, now);
        }
    }

    pub fn emit_charge(&mut self, kind: &str, id: &str, now: Timestamp) {
        if let Some(object) = self.charges.get(id).map(render::charge) {
            self.emit(kind, object, now);
        }
    }

    pub fn emit_refund(&mut self, kind: &str, id: &str, now: Timestamp) {
        if let Some(object) = self.refunds.iter().find(|refund| refund.id == id).map(render::refund) {
            self.emit(kind, object, now);
        }
    }

    /// An event is a snapshot: later changes of the object do not touch it.
    pub fn emit(&mut self, kind: &str, object: Value, now: Timestamp) {
        let id = new_id("evt", 24);
        let livemode = object.get("livemode").and_then(Value::as_bool).unwrap_or(false);
        let payload = json!({
            "id": id,
            "object": "event",
            "api_version": render::api_version(),
            "created": now.as_second(),
            "livemode": livemode,
            "pending_webhooks": 1,
            "request": { "id": null, "idempotency_key": null },
            "type": kind,
            "data": { "object": object },
        });
        keep_last(&mut self.events, EVENTS_KEPT);
        let created = now.as_second();
        self.events.push(Event { id: id.clone(), kind: kind.to_owned(), created, payload, delivered: false });
        self.fresh.push(id);
    }
}

fn keep_last<T>(list: &mut Vec<T>, most: usize) {
    if list.len() >= most {
        list.drain(..list.len() + 1 - most);
    }
}
