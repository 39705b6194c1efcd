//! How the site is, for Prometheus: what the process has counted (`meters`), and what the database says of jobs, bookings,
//! money and mail. The database is asked at most every few seconds, with one question and a short time for it.

pub mod api;
mod store;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    accounts::Passwords,
    clock::Clock,
    db::Db,
    meters::{self, Meters},
};

/// Several Prometheus servers, or an impatient one, cost no more than this.
const FRESH: SignedDuration = SignedDuration::from_secs(5);
/// Whoever asks must get what the process has counted even while the database hangs.
const PATIENCE: Duration = Duration::from_secs(3);

/// Who may read the figures, and where they are counted.
#[derive(Clone)]
pub struct Watch {
    pub meters: Meters,
    pub token: SecretString,
}

#[derive(Clone)]
pub struct Vitals {
    pub db: Db,
    pub clock: Clock,
    pub passwords: Passwords,
    /// `None`: nobody watches, and the address does not exist.
    pub watch: Option<Watch>,
    pub board: Arc<Mutex<Board>>,
}

/// What was shown last.
#[derive(Debug, Default)]
pub struct Board {
    read_at: Option<Timestamp>,
    shown: BTreeSet<Series>,
}

/// A gauge and its labels' values; which labels, its name says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    name: &'static str,
    one: String,
    two: String,
}

impl Watch {
    /// Takes as long for a token that is nearly right as for any other.
    fn admits(&self, token: &str) -> bool {
        let (given, wanted) = (Sha256::digest(token), Sha256::digest(self.token.expose_secret()));
        given.ct_eq(&wanted).into()
    }
}

impl Vitals {
    /// All figures as text. `None`: not with this token.
    async fn read(&self, watch: &Watch, token: &str) -> Option<String> {
        if !watch.admits(token) {
            return None;
        }
        meters::pool(self.db.pool_state());
        let (working, waiting) = self.passwords.crowd();
        meters::passwords(working, waiting);
        if self.is_due() {
            let is_read =
                match tokio::time::timeout(PATIENCE, store::gauges(&self.db, self.clock.now())).await {
                    Ok(Ok(gauges)) => {
                        self.show(gauges);
                        true
                    }
                    Ok(Err(error)) => {
                        tracing::warn!(%error, "the figures of the database could not be read");
                        false
                    }
                    Err(_) => {
                        tracing::warn!("the figures of the database could not be read in time");
                        false
                    }
                };
            meters::set(meters::DATABASE, &[], f64::from(u8::from(is_read)));
        }
        Some(watch.meters.render())
    }

    /// Marks the moment, so that two who ask at once ask the database once.
    fn is_due(&self) -> bool {
        let now = self.clock.now();
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = board.read_at.is_none_or(|at| now.duration_since(at).abs() >= FRESH);
        if is_due {
            board.read_at = Some(now);
        }
        is_due
    }

    /// What was there before and is not any more is 0, not what it was.
    fn show(&self, gauges: Vec<(Series, f64)>) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let present: BTreeSet<Series> = gauges.iter().map(|(series, _)| series.clone()).collect();
        board.shown.difference(&present).for_each(|gone| gone.set(0.0));
        gauges.iter().for_each(|(series, value)| series.set(*value));
        board.shown.extend(present);
    }
}

impl Series {
    fn set(&self, value: f64) {
        let (one, two) = (self.one.as_str(), self.two.as_str());
        match self.name {
            meters::OUTBOX => meters::set(self.name, &[("kind", one), ("state", two)], value),
            meters::OUTBOX_AGE | meters::ATTENTION => meters::set(self.name, &[("kind", one)], value),
            meters::BOOKINGS => meters::set(self.name, &[("status", one)], value),
            meters::LEDGER => meters::set(self.name, &[("account", one), ("currency", two)], value),
            meters::MAIL_AGE | meters::EVENTS => meters::set(self.name, &[], value),
            _ => meters::set(self.name, &[("state", one)], value),
        }
    }
}
