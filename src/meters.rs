//! What the process counts of itself, for Prometheus. Every name stands here once; labels are kinds, states and patterns
//! of routes, never ids, names or addresses, so that their number is bounded by the code. Where no recorder is installed
//! (no METRICS_TOKEN), counting is a look at an empty place and nothing else.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use metrics::{Label, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use tracing::Instrument;

use crate::db;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

pub const BUILD: &str = "jetbridge_build_info";
pub const REQUESTS: &str = "jetbridge_http_request_seconds";
pub const STATEMENTS: &str = "jetbridge_http_request_statements";
pub const JOBS: &str = "jetbridge_job_seconds";
pub const CALLS: &str = "jetbridge_call_seconds";
pub const SEARCHES: &str = "jetbridge_searches_total";
pub const SESSIONS: &str = "jetbridge_session_loads_total";
pub const CONNECTIONS: &str = "jetbridge_database_connections";
pub const MOST_CONNECTIONS: &str = "jetbridge_database_connections_max";
pub const PASSWORDS: &str = "jetbridge_password_queue";
pub const DATABASE: &str = "jetbridge_database_up";
pub const OUTBOX: &str = "jetbridge_outbox_jobs";
pub const OUTBOX_AGE: &str = "jetbridge_outbox_overdue_seconds";
pub const BOOKINGS: &str = "jetbridge_bookings";
pub const ATTEMPTS: &str = "jetbridge_attempts";
pub const REFUNDS: &str = "jetbridge_refunds";
pub const MAILS: &str = "jetbridge_mails";
pub const MAIL_AGE: &str = "jetbridge_mail_oldest_queued_seconds";
pub const ATTENTION: &str = "jetbridge_attention_open";
pub const EVENTS: &str = "jetbridge_stripe_events_unsettled";
pub const LEDGER: &str = "jetbridge_ledger_balance_minor";
pub const BREACHES: &str = "jetbridge_invariant_breaches";
pub const SWEPT: &str = "jetbridge_sweep_success_timestamp_seconds";

/// All there are, and what they say.
pub const ALL: [(&str, Kind, &str); 23] = [
    (BUILD, Kind::Gauge, "1, with the version of the program."),
    (
        REQUESTS,
        Kind::Histogram,
        "Requests by method, pattern of the route and class of the status, and how long they took.",
    ),
    (STATEMENTS, Kind::Histogram, "SQL statements of a request, by pattern of the route."),
    (
        JOBS,
        Kind::Histogram,
        "Jobs by kind and how they ended (done, again, failed, dead), and how long they took.",
    ),
    (CALLS, Kind::Histogram, "Calls to others by service and what was asked, and how long they took."),
    (SEARCHES, Kind::Counter, "Flight searches, from the cache or not."),
    (SESSIONS, Kind::Counter, "Sessions looked up, from memory or not."),
    (CONNECTIONS, Kind::Gauge, "Connections of this process to PostgreSQL, busy or idle."),
    (MOST_CONNECTIONS, Kind::Gauge, "How many of them it may have."),
    (PASSWORDS, Kind::Gauge, "Passwords being hashed, or waiting for it."),
    (DATABASE, Kind::Gauge, "1 if the figures below could be read just now; at 0 they are old."),
    (OUTBOX, Kind::Gauge, "Jobs that are not done, by kind and state."),
    (OUTBOX_AGE, Kind::Gauge, "For how long the oldest job of a kind has been due."),
    (BOOKINGS, Kind::Gauge, "Bookings by status."),
    (ATTEMPTS, Kind::Gauge, "Attempts to pay by state."),
    (REFUNDS, Kind::Gauge, "Refunds by state."),
    (MAILS, Kind::Gauge, "Mails by state."),
    (MAIL_AGE, Kind::Gauge, "For how long the oldest mail has been waiting."),
    (ATTENTION, Kind::Gauge, "Things that need a person, by kind."),
    (EVENTS, Kind::Gauge, "Stripe's events that have not been dealt with."),
    (LEDGER, Kind::Gauge, "Balance of a ledger account in minor units, by currency."),
    (
        BREACHES,
        Kind::Gauge,
        "Rows that break an invariant of money, by invariant. Anything but 0 is an alarm.",
    ),
    (SWEPT, Kind::Gauge, "When the worker of this process last made a round, by round."),
];

/// A page that asks the database nothing takes one, the slowest call of ours 30.
const SECONDS: [f64; 12] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
const STATEMENT_COUNTS: [f64; 9] = [0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 20.0, 40.0];

/// The way to what was counted.
#[derive(Clone)]
pub struct Meters(Arc<PrometheusHandle>);

impl Meters {
    /// For the whole process; it can be done once. Until then nothing is counted.
    pub fn install() -> Result<Self, MeterError> {
        let recorder = recorder()?;
        let meters = Self::of(&recorder);
        metrics::set_global_recorder(recorder).map_err(|_| MeterError::Twice)?;
        describe();
        Ok(meters)
    }

    pub fn of(recorder: &PrometheusRecorder) -> Self {
        Self(Arc::new(recorder.handle()))
    }

    /// As Prometheus reads it.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// To be called now and then: what nobody reads would pile up.
    pub fn tidy(&self) {
        self.0.run_upkeep();
    }
}

#[derive(Debug, thiserror::Error)]
pub enum MeterError {
    #[error("the figures of this process are counted already")]
    Twice,
    #[error("the counters could not be made")]
    Build(#[from] BuildError),
}

pub fn recorder() -> Result<PrometheusRecorder, MeterError> {
    let builder = PrometheusBuilder::new()
        .set_buckets(&SECONDS)?
        .set_buckets_for_metric(Matcher::Full(STATEMENTS.to_owned()), &STATEMENT_COUNTS)?;
    Ok(builder.build_recorder())
}

pub fn describe() {
    for (name, kind, help) in ALL {
        match kind {
            Kind::Counter => describe_counter!(name, help),
            Kind::Gauge => describe_gauge!(name, help),
            Kind::Histogram => describe_histogram!(name, help),
        }
    }
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// `method` and `status` in few words, so that nobody can make up new ones; `route` is the pattern.
pub fn answered(method: &str, route: &str, status: u16, took: Duration, statements: u32) {
    let method = match method {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "other",
    };
    let status = match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    };
    histogram!(REQUESTS, "method" => method, "route" => route.to_owned(), "status" => status).record(took);
    histogram!(STATEMENTS, "route" => route.to_owned()).record(statements);
}

pub fn job_ended(kind: &'static str, outcome: &'static str, took: Duration) {
    histogram!(JOBS, "kind" => kind, "outcome" => outcome).record(took);
}

/// Asks somebody outside: with a span of its own, and measured.
pub async fn call<T, E>(
    service: &'static str,
    what: &'static str,
    asking: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let began = Instant::now();
    let answer = Box::pin(asking).instrument(tracing::info_span!("call", service, what)).await;
    let outcome = if answer.is_ok() { "ok" } else { "error" };
    histogram!(CALLS, "service" => service, "call" => what, "outcome" => outcome).record(began.elapsed());
    answer
}

pub fn searched(is_kept: bool) {
    counter!(SEARCHES, "cache" => hit_or_miss(is_kept)).increment(1);
}

pub fn session_loaded(is_kept: bool) {
    counter!(SESSIONS, "cache" => hit_or_miss(is_kept)).increment(1);
}

const fn hit_or_miss(is_hit: bool) -> &'static str {
    if is_hit { "hit" } else { "miss" }
}

/// How many rows break each invariant.
pub fn asked(breaches: &[(&'static str, usize)]) {
    for (invariant, rows) in breaches {
        set(BREACHES, &[("invariant", invariant)], count(*rows));
    }
}

pub fn round_made(round: &'static str, at: jiff::Timestamp) {
    set(SWEPT, &[("round", round)], at.as_duration().as_secs_f64());
}

pub fn pool(state: db::PoolState) {
    set(CONNECTIONS, &[("state", "idle")], count(state.idle));
    set(CONNECTIONS, &[("state", "busy")], count(state.busy));
    set(MOST_CONNECTIONS, &[], f64::from(state.most));
}

pub fn passwords(working: usize, waiting: usize) {
    set(PASSWORDS, &[("state", "working")], count(working));
    set(PASSWORDS, &[("state", "waiting")], count(waiting));
}

pub fn set(name: &'static str, labels: &[(&'static str, &str)], value: f64) {
    let labels: Vec<Label> =
        labels.iter().map(|(key, value)| Label::new(*key, (*value).to_owned())).collect();
    gauge!(name, labels).set(value);
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^52")]
const fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_stands_there_once_and_says_its_unit() {
        let names: BTreeSet<&str> = ALL.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names.len(), ALL.len());
        for (name, kind, help) in ALL {
            assert!(name.starts_with("jetbridge_") && help.ends_with('.'), "{name}");
            assert_eq!(kind == Kind::Counter, name.ends_with("_total"), "{name}");
        }
    }

    #[test]
    fn a_made_up_method_makes_no_new_series() {
        let recorder = recorder().unwrap();
        metrics::with_local_recorder(&recorder, || {
            for method in ["GET", "BREW", "MELT"] {
                answered(method, "/", 200, Duration::from_millis(3), 2);
            }
        });
        let text = Meters::of(&recorder).render();
        assert!(text.contains(r#"method="other",route="/",status="2xx"} 2"#), "{text}");
        assert!(!text.contains("BREW"), "{text}");
        assert!(text.contains(r#"jetbridge_http_request_statements_bucket{route="/",le="2"} 3"#), "{text}");
    }

    #[test]
    fn without_a_recorder_counting_is_no_error() {
        searched(true);
        asked(&[("I1", 0)]);
        round_made("searches", jiff::Timestamp::UNIX_EPOCH);
    }
}
