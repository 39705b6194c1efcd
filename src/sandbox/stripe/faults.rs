//! What can go wrong between a shop and Stripe, on demand.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    CreateSession,
    ReadSession,
    ExpireSession,
    ReadIntent,
    Capture,
    Cancel,
    CreateRefund,
    ListRefunds,
    ListMovements,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answered with this status before anything is done; the next try with the same key starts afresh.
    Status(u16),
    /// The deed fails with this status, and the same key gets that answer again, as Stripe does with a 500.
    StickyStatus(u16),
    /// The connection drops, nothing is done.
    TimeoutBefore,
    /// It is done, and then the connection drops.
    TimeoutAfter,
    /// It is done, but late.
    Slow(Duration),
}

#[derive(Debug, Default)]
pub struct Faults {
    queue: Mutex<VecDeque<(Endpoint, Fault)>>,
    outage: Mutex<Option<Fault>>,
}

impl Endpoint {
    pub fn of(method: &str, path: &[&str]) -> Self {
        match (method, path) {
            ("POST", ["checkout", "sessions"]) => Self::CreateSession,
            ("GET", ["checkout", "sessions", _]) => Self::ReadSession,
            ("POST", ["checkout", "sessions", _, "expire"]) => Self::ExpireSession,
            ("GET", ["payment_intents", _]) => Self::ReadIntent,
            ("GET", ["balance_transactions"]) => Self::ListMovements,
            ("POST", ["payment_intents", _, "capture"]) => Self::Capture,
            ("POST", ["payment_intents", _, "cancel"]) => Self::Cancel,
            ("POST", ["refunds"]) => Self::CreateRefund,
            ("GET", ["refunds"]) => Self::ListRefunds,
            _ => Self::Other,
        }
    }
}

impl Faults {
    /// The next call of this endpoint fails so, once. Several queue up.
    pub fn push(&self, endpoint: Endpoint, fault: Fault) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back((endpoint, fault));
    }

    /// Every call fails so until it is lifted.
    pub fn outage(&self, fault: Option<Fault>) {
        *self.outage.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    pub fn clear(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.outage(None);
    }

    pub fn take(&self, endpoint: Endpoint) -> Option<Fault> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let place = queue.iter().position(|(at, _)| *at == endpoint);
        let queued = place.and_then(|place| queue.remove(place)).map(|(_, fault)| fault);
        queued.or(*self.outage.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
