//! A stateful stand-in for Stripe on its own port: the API that our client calls, the hosted page, signed webhooks.
//! It knows nothing of the shop and shares nothing with it but the clock. Demo mode and tests use the same one;
//! tests reach through [`Handle`] for what in the world happens by itself: declines, faults, late and doubled events.

mod account;
mod api;
mod cards;
mod delivery;
mod disk;
mod disputes;
mod faults;
mod form;
mod moves;
mod page;
mod refusal;
mod render;
mod requests;
mod statement;
#[cfg(test)]
mod tests;
mod wire;

use std::{
    collections::HashSet,
    io::ErrorKind,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use account::{Account, Event, Intent, Refund, Session};
pub use delivery::Mode;
pub use disk::DiskError;
pub use disputes::Dispute;
pub use faults::{Endpoint, Fault};
pub use moves::Paid;
pub use refusal::ApiRefusal;
pub use statement::Movement;

use crate::{clock::Clock, ids::random_secret};
use faults::Faults;

/// How often demo mode looks whether time alone has changed something.
const SWEEP: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct Settings {
    pub clock: Clock,
    /// The port to prefer; if it is taken, or 0, any free one.
    pub port: u16,
    /// Remembers over restarts; `None` forgets.
    pub state_file: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the sandbox cannot listen on 127.0.0.1:{port}: {error}")]
    Listen { port: u16, error: std::io::Error },
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("the sandbox's HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// A running stand-in. It stops when the last handle is gone.
#[derive(Clone)]
pub struct Handle {
    inner: Arc<Inner>,
    _stop: Arc<DropGuard>,
}

struct Inner {
    clock: Clock,
    base: String,
    secret_key: String,
    account: Mutex<Account>,
    state_file: Option<PathBuf>,
    faults: Faults,
    /// Idempotency keys of requests that are being worked on right now.
    busy: Mutex<HashSet<String>>,
    calls: Mutex<Vec<Call>>,
    delivery: Arc<delivery::Delivery>,
    runtime: tokio::runtime::Handle,
}

/// One API call as it came in: tests count them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub endpoint: Endpoint,
    pub path: String,
    pub idempotency_key: Option<String>,
}

impl Handle {
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let listener = match TcpListener::bind(("127.0.0.1", settings.port)).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse => TcpListener::bind(("127.0.0.1", 0)).await,
            bound => bound,
        };
        let listener = listener.map_err(|error| StartError::Listen { port: settings.port, error })?;
        let address =
            listener.local_addr().map_err(|error| StartError::Listen { port: settings.port, error })?;
        let mut account = settings.state_file.as_deref().map(disk::load).transpose()?.unwrap_or_default();
        let base = format!("http://{address}");
        account.base.clone_from(&base);
        account.write_up();
        let inner = Arc::new(Inner {
            clock: settings.clock,
            base,
            secret_key: format!("sk_test_{}", random_secret()),
            account: Mutex::new(account),
            state_file: settings.state_file,
            faults: Faults::default(),
            busy: Mutex::default(),
            calls: Mutex::default(),
            delivery: Arc::new(delivery::Delivery::new(format!("whsec_{}", random_secret()))?),
            runtime: tokio::runtime::Handle::current(),
        });
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, Arc::clone(&inner), stop.clone()));
        if inner.state_file.is_some() {
            tokio::spawn(sweep(Arc::clone(&inner), stop.clone()));
        }
        Ok(Self { inner, _stop: Arc::new(stop.drop_guard()) })
    }

    /// `http://127.0.0.1:PORT`: the API under `/v1`, the hosted pages under `/pay`.
    pub fn base_url(&self) -> &str {
        &self.inner.base
    }

    pub fn secret_key(&self) -> SecretString {
        self.inner.secret_key.clone().into()
    }

    pub fn webhook_secret(&self) -> SecretString {
        self.inner.delivery.secret().into()
    }

    /// Signs with another secret from now on, as after a rotation.
    pub fn set_webhook_secret(&self, secret: impl Into<String>) {
        self.inner.delivery.set_secret(secret.into());
    }

    /// Where events go. What an earlier run could not deliver goes out now.
    pub fn set_webhook_url(&self, url: impl Into<String>) {
        self.inner.delivery.set_urls(vec![url.into()]);
        if self.inner.delivery.mode() == Mode::Auto {
            let waiting: Vec<String> = self
                .inner
                .lock()
                .events
                .iter()
                .filter(|event| !event.delivered)
                .map(|e| e.id.clone())
                .collect();
            waiting.into_iter().for_each(|id| self.inner.dispatch(id));
        }
    }

    pub fn set_delivery(&self, mode: Mode) {
        self.inner.delivery.set_mode(mode);
    }

    /// Waits until no webhook is under way.
    pub async fn settled(&self) {
        self.inner.delivery.settled().await;
    }

    /// Every event so far, oldest first.
    pub fn events(&self) -> Vec<Event> {
        self.inner.lock().events.clone()
    }

    /// The held events, oldest first.
    pub fn held(&self) -> Vec<Event> {
        let held = self.inner.delivery.held();
        self.inner.lock().events.iter().filter(|event| held.contains(&event.id)).cloned().collect()
    }

    /// Delivers an event once, held or not, again or not: the shop's status, or none if nobody answered.
    pub async fn deliver(&self, event: &str) -> Option<u16> {
        let payload = self.inner.payload(event)?;
        self.inner.delivery.unhold(event);
        let status = self.inner.delivery.post(&payload, self.inner.clock.now()).await;
        self.inner.note_delivery(event, status.is_some_and(|status| (200..300).contains(&status)));
        status
    }

    /// Delivers all that is held, in the order in which it happened.
    pub async fn deliver_held(&self) -> Vec<Option<u16>> {
        let mut statuses = Vec::new();
        for event in self.held() {
            statuses.push(self.deliver(&event.id).await);
        }
        statuses
    }

    /// An event that never arrives.
    pub fn discard(&self, event: &str) {
        self.inner.delivery.unhold(event);
    }

    /// Delivers an event that somebody changed on the way, under the signature of the original.
    pub async fn deliver_tampered(&self, event: &str, change: impl FnOnce(&mut Value)) -> Option<u16> {
        let (body, signature) = self.signed(event)?;
        let mut payload: Value = serde_json::from_str(&body).ok()?;
        change(&mut payload);
        self.inner.delivery.post_as(payload.to_string(), signature).await
    }

    /// The body and the `Stripe-Signature` with which an event would go out now.
    pub fn signed(&self, event: &str) -> Option<(String, String)> {
        let body = self.inner.payload(event)?.to_string();
        let signature = self.inner.delivery.sign(&body, self.inner.clock.now());
        Some((body, signature))
    }

    /// Signs any text: for payloads that Stripe would never send.
    pub fn sign(&self, body: &str) -> String {
        self.inner.delivery.sign(body, self.inner.clock.now())
    }

    /// The next call of this endpoint fails so, once.
    pub fn fault(&self, endpoint: Endpoint, fault: Fault) {
        self.inner.faults.push(endpoint, fault);
    }

    /// No call fails any more.
    pub fn mend(&self) {
        self.inner.faults.clear();
    }

    /// Every call fails so, until lifted with `None`.
    pub fn outage(&self, fault: Option<Fault>) {
        self.inner.faults.outage(fault);
    }

    pub fn calls(&self) -> Vec<Call> {
        self.inner.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A traveller pays on the hosted page with this card number.
    pub fn pay(&self, session: &str, number: &str) -> Result<Paid, ApiRefusal> {
        let (card, last4) = cards::find(number)
            .map_err(|_| ApiRefusal::invalid("incorrect_number", "number", "Your card number is invalid."))?;
        self.inner.change(|account, now| account.pay(session, card, &last4, now))
    }

    /// The 3-D Secure step of a payment.
    pub fn authenticate(&self, session: &str, passed: bool) -> Result<Paid, ApiRefusal> {
        self.inner.change(|account, now| account.authenticate(session, passed, now))
    }

    /// Somebody refunds in Stripe's dashboard: without our metadata, without our knowledge.
    pub fn refund_in_dashboard(&self, intent: &str, amount: Option<i64>) -> Result<String, ApiRefusal> {
        self.inner.change(|account, now| account.refund(intent, amount, account::Metadata::new(), None, now))
    }

    /// Somebody charges in full what was only set aside.
    pub fn capture_in_dashboard(&self, intent: &str, amount: Option<i64>) -> Result<(), ApiRefusal> {
        self.inner.change(|account, now| account.capture(intent, amount, now))
    }

    /// The bank's later word on a refund: `pending`, `succeeded` or `failed`.
    pub fn settle_refund(&self, refund: &str, status: &str) -> Result<(), ApiRefusal> {
        let reason = if status == "pending" { "processing" } else { "lost_or_stolen_card" };
        self.settle_refund_for(refund, status, reason)
    }

    /// The same, with the reason that Stripe would give for it.
    pub fn settle_refund_for(&self, refund: &str, status: &str, reason: &str) -> Result<(), ApiRefusal> {
        self.inner.change(|account, now| account.settle_refund(refund, status, reason, now))
    }

    /// From now on refunds wait for this (`insufficient_funds`, `charge_pending`) instead of being paid at once. `None`: those
    /// that wait are paid as well.
    pub fn make_refunds_wait(&self, reason: Option<&str>) -> Result<(), ApiRefusal> {
        self.inner.change(|account, now| account.make_refunds_wait(reason, now))
    }

    /// A bank takes a payment back, all of it or a part: the dispute's id.
    pub fn dispute(&self, intent: &str, amount: Option<i64>) -> Result<String, ApiRefusal> {
        self.inner.change(|account, now| account.dispute(intent, amount, false, now))
    }

    /// A bank only asks about a payment.
    pub fn inquire(&self, intent: &str) -> Result<String, ApiRefusal> {
        self.inner.change(|account, now| account.dispute(intent, None, true, now))
    }

    pub fn escalate_inquiry(&self, dispute: &str) -> Result<(), ApiRefusal> {
        self.inner.change(|account, now| account.escalate_inquiry(dispute, now))
    }

    /// Somebody sends evidence in Stripe's dashboard.
    pub fn answer_dispute(&self, dispute: &str) -> Result<(), ApiRefusal> {
        self.inner.change(|account, now| account.answer_dispute(dispute, now))
    }

    /// The bank decides.
    pub fn close_dispute(&self, dispute: &str, won: bool) -> Result<(), ApiRefusal> {
        self.inner.change(|account, now| account.close_dispute(dispute, won, now))
    }

    pub fn disputes(&self) -> Vec<Dispute> {
        self.inner.lock().disputes.clone()
    }

    /// The lines of the balance, oldest first.
    pub fn statement(&self) -> Vec<Movement> {
        self.inner.lock().statement.clone()
    }

    /// Changes the balance behind everybody's back.
    pub fn tamper_statement(&self, change: impl FnOnce(&mut Vec<Movement>)) {
        self.inner.change(|account, _| change(&mut account.statement));
    }

    /// The issuer takes an authorisation back before it is captured.
    pub fn lapse(&self, intent: &str) {
        self.inner.change(|account, now| account.lapse(intent, now));
    }

    /// Lets time do its part now, instead of at the next call.
    pub fn sweep(&self) {
        self.inner.change(Account::sweep);
    }

    pub fn session(&self, id: &str) -> Option<Session> {
        self.inner.lock().sessions.get(id).cloned()
    }

    pub fn sessions(&self) -> Vec<Session> {
        self.inner.lock().sessions.values().cloned().collect()
    }

    pub fn intent(&self, id: &str) -> Option<Intent> {
        self.inner.lock().intents.get(id).cloned()
    }

    pub fn intents(&self) -> Vec<Intent> {
        self.inner.lock().intents.values().cloned().collect()
    }

    pub fn refunds(&self) -> Vec<Refund> {
        self.inner.lock().refunds.clone()
    }

    /// Changes a session behind everybody's back: another amount, currency, mode, reference.
    pub fn tamper_session(&self, id: &str, change: impl FnOnce(&mut Session)) {
        self.inner.change(|account, _| account.sessions.get_mut(id).map(change));
    }

    pub fn tamper_intent(&self, id: &str, change: impl FnOnce(&mut Intent)) {
        self.inner.change(|account, _| account.intents.get_mut(id).map(change));
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn payload(&self, event: &str) -> Option<Value> {
        self.lock().events.iter().find(|known| known.id == event).map(|event| event.payload.clone())
    }

    /// One change as a whole: done, written down, and only then told.
    fn change<T>(self: &Arc<Self>, deed: impl FnOnce(&mut Account, jiff::Timestamp) -> T) -> T {
        self.work(true, deed)
    }

    /// `writes` is false for a look, which is written down only if time changed something on the way.
    fn work<T>(self: &Arc<Self>, writes: bool, deed: impl FnOnce(&mut Account, jiff::Timestamp) -> T) -> T {
        let mut account = self.lock();
        let done = deed(&mut account, self.clock.now());
        let fresh = std::mem::take(&mut account.fresh);
        if writes || !fresh.is_empty() {
            self.save(&account);
        }
        drop(account);
        for event in fresh {
            match self.delivery.mode() {
                Mode::Held => self.delivery.hold(event),
                Mode::Auto => self.dispatch(event),
            }
        }
        done
    }

    fn save(&self, account: &Account) {
        if let Some(path) = &self.state_file
            && let Err(error) = disk::save(path, account)
        {
            tracing::error!(%error, "the sandbox could not write its state; a restart will forget");
        }
    }

    fn dispatch(self: &Arc<Self>, event: String) {
        let Some(payload) = self.payload(&event).filter(|_| self.delivery.has_urls()) else { return };
        let (inner, under_way) = (Arc::clone(self), self.delivery.begin());
        self.runtime.spawn(async move {
            let taken = inner.delivery.insist(&payload, || inner.clock.now()).await;
            if taken {
                inner.note_delivery(&event, true);
            } else {
                tracing::warn!(event, "nobody took this sandbox event");
            }
            drop(under_way);
        });
    }

    fn note_delivery(self: &Arc<Self>, event: &str, taken: bool) {
        self.change(|account, _| {
            if let Some(event) = account.events.iter_mut().find(|known| known.id == event) {
                event.delivered |= taken;
            }
        });
    }
}

async fn serve(listener: TcpListener, inner: Arc<Inner>, stop: CancellationToken) {
    let service = api::routes(inner).into_make_service_with_connect_info::<wire::Cut>();
    let server = axum::serve(wire::Wires(listener), service);
    tokio::select! {
        () = stop.cancelled() => {}
        ended = server.into_future() => {
            if let Err(error) = ended {
                tracing::error!(%error, "the sandbox Stripe stopped");
            }
        }
    }
}

async fn sweep(inner: Arc<Inner>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SWEEP) => inner.work(false, Account::sweep),
        }
    }
}
