//! What `jetbridge doctor` asks of Stripe: whether it answers this key, what time it is there, and how our webhook stands.
//! Plain HTTP, because the client shows neither headers nor an account's webhooks.

use std::time::Duration;

use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{Response, StatusCode, header};
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::StripeSettings;
use crate::outgoing;

const PATIENCE: Duration = Duration::from_secs(8);

/// The version in whose words the client speaks, and webhooks must too.
pub fn api_version() -> String {
    stripe_shared::version::VERSION.as_str().to_owned()
}

/// The kinds of events that we act on. `DEPLOYMENT.md` lists the same.
pub const EVENTS: [&str; 18] = [
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.amount_capturable_updated",
    "payment_intent.succeeded",
    "payment_intent.processing",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The key is good. The time is Stripe's.
    Answer(Option<Timestamp>),
    /// 401.
    WrongKey,
    /// 403: a restricted key without a right that is needed.
    NotAllowed,
    Status(u16),
    Silence(String),
}

/// A webhook endpoint of the account.
#[derive(Clone, Debug, Deserialize)]
pub struct Endpoint {
    pub url: String,
    pub status: String,
    /// `None`: the account's default, which may be another than ours.
    pub api_version: Option<String>,
    pub enabled_events: Vec<String>,
}

impl Endpoint {
    /// The kinds that we need and that it does not send.
    pub fn missing(&self) -> Vec<&'static str> {
        let sends = |kind: &str| self.enabled_events.iter().any(|sent| sent == "*" || sent == kind);
        EVENTS.into_iter().filter(|kind| !sends(kind)).collect()
    }
}

#[derive(Deserialize)]
struct List {
    data: Vec<Endpoint>,
}

pub struct Probe {
    http: reqwest::Client,
    base: String,
    key: secrecy::SecretString,
}

impl Probe {
    pub fn new(settings: &StripeSettings) -> Result<Self, reqwest::Error> {
        let base = settings.api_url.as_ref().map_or("https://api.stripe.com", |url| url.as_str());
        Ok(Self {
            http: outgoing::client().timeout(PATIENCE).build()?,
            base: base.trim_end_matches('/').to_owned(),
            key: settings.secret_key.clone(),
        })
    }

    /// A list that every key of ours must be allowed to read.
    pub async fn ask(&self) -> Heard {
        match self.get("/v1/refunds?limit=1").await {
            Ok(answer) => match answer.status() {
                StatusCode::OK => Heard::Answer(time_of(&answer)),
                StatusCode::UNAUTHORIZED => Heard::WrongKey,
                StatusCode::FORBIDDEN => Heard::NotAllowed,
                other => Heard::Status(other.as_u16()),
            },
            Err(error) => Heard::Silence(cause(&error)),
        }
    }

    /// The account's webhooks; `None` where the key may not see them, as a restricted one need not.
    pub async fn endpoints(&self) -> Option<Vec<Endpoint>> {
        let answer = self.get("/v1/webhook_endpoints?limit=100").await.ok()?;
        if answer.status() != StatusCode::OK {
            return None;
        }
        let body = answer.text().await.ok()?;
        serde_json::from_str::<List>(&body).ok().map(|list| list.data)
    }

    async fn get(&self, path: &str) -> Result<Response, reqwest::Error> {
        self.http
            .get(format!("{}{path}", self.base))
            .bearer_auth(self.key.expose_secret())
            .header("stripe-version", api_version())
            .send()
            .await
    }
}

fn time_of(answer: &Response) -> Option<Timestamp> {
    let date = answer.headers().get(header::DATE)?.to_str().ok()?;
    Some(rfc2822::parse(date).ok()?.timestamp())
}

/// The innermost cause says most ("connection refused"), and names no address with a key in it.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if error.is_timeout() { "no answer in time".to_owned() } else { innermost.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_says_which_events_it_keeps_from_us() {
        let endpoint = |events: &[&str]| Endpoint {
            url: String::new(),
            status: "enabled".to_owned(),
            api_version: None,
            enabled_events: events.iter().map(|kind| (*kind).to_owned()).collect(),
        };
        assert!(endpoint(&["*"]).missing().is_empty());
        assert!(endpoint(&EVENTS).missing().is_empty());
        assert_eq!(endpoint(&EVENTS[1..]).missing(), ["checkout.session.completed"]);
    }
}
