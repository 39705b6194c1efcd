//! Webhooks on their way: signed, posted, tried again, or held back by hand.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;
use stripe_webhook::Webhook;
use tokio::sync::watch;

use crate::outgoing;

/// Stripe tries for three days. A shop on the same machine is back within minutes, or not in this run.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(20),
    Duration::from_secs(60),
    Duration::from_secs(180),
];
const TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// At once, in no promised order, with retries.
    Auto,
    /// Kept until [`super::Handle::deliver`] or [`super::Handle::discard`] decides.
    Held,
}

#[derive(Debug)]
pub struct Delivery {
    client: reqwest::Client,
    settings: Mutex<Settings>,
    under_way: watch::Sender<usize>,
}

#[derive(Debug)]
struct Settings {
    mode: Mode,
    urls: Vec<String>,
    secret: String,
    held: Vec<String>,
}

/// Counts one delivery as under way for as long as it lives.
pub struct UnderWay(Arc<Delivery>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.send_modify(|count| *count -= 1);
    }
}

impl Delivery {
    pub fn new(secret: String) -> Result<Self, reqwest::Error> {
        let client = outgoing::client()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("Stripe/1.0 (Jetbridge sandbox)")
            .no_proxy()
            .build()?;
        let settings = Settings { mode: Mode::Auto, urls: Vec::new(), secret, held: Vec::new() };
        Ok(Self { client, settings: Mutex::new(settings), under_way: watch::Sender::new(0) })
    }

    pub fn set_urls(&self, urls: Vec<String>) {
        self.with(|settings| settings.urls = urls);
    }

    pub fn set_mode(&self, mode: Mode) {
        self.with(|settings| settings.mode = mode);
    }

    pub fn mode(&self) -> Mode {
        self.with(|settings| settings.mode)
    }

    pub fn hold(&self, event: String) {
        self.with(|settings| settings.held.push(event));
    }

    pub fn held(&self) -> Vec<String> {
        self.with(|settings| settings.held.clone())
    }

    pub fn unhold(&self, event: &str) {
        self.with(|settings| settings.held.retain(|held| held != event));
    }

    pub fn secret(&self) -> String {
        self.with(|settings| settings.secret.clone())
    }

    pub fn set_secret(&self, secret: String) {
        self.with(|settings| settings.secret = secret);
    }

    pub fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.send_modify(|count| *count += 1);
        UnderWay(Arc::clone(self))
    }

    /// Waits until nothing is under way.
    pub async fn settled(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.under_way.subscribe().wait_for(|count| *count == 0).await;
    }

    pub fn sign(&self, body: &str, now: Timestamp) -> String {
        Webhook::generate_test_header(body, &self.secret(), Some(now.as_second()))
    }

    /// Posts once to each URL: the worst status, or none where nobody answered.
    pub async fn post(&self, payload: &Value, now: Timestamp) -> Option<u16> {
        let body = payload.to_string();
        let signature = self.sign(&body, now);
        self.post_as(body, signature).await
    }

    pub async fn post_as(&self, body: String, signature: String) -> Option<u16> {
        let mut worst = Some(200);
        for url in self.with(|settings| settings.urls.clone()) {
            let request = self
                .client
                .post(url)
                .header("content-type", "application/json; charset=utf-8")
                .header("stripe-signature", &signature)
                .body(body.clone());
            let status = request.send().await.ok().map(|answer| answer.status().as_u16());
            worst = match (worst, status) {
                (Some(worst), Some(status)) => Some(worst.max(status)),
                _ => None,
            };
        }
        worst
    }

    /// Posts until it is taken, or the pauses run out.
    pub async fn insist(&self, payload: &Value, now: impl Fn() -> Timestamp) -> bool {
        for pause in PAUSES.into_iter().map(Some).chain([None]) {
            if self.post(payload, now()).await.is_some_and(|status| (200..300).contains(&status)) {
                return true;
            }
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => break,
            }
        }
        false
    }

    pub fn has_urls(&self) -> bool {
        self.with(|settings| !settings.urls.is_empty())
    }

    fn with<T>(&self, deed: impl FnOnce(&mut Settings) -> T) -> T {
        deed(&mut self.settings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
