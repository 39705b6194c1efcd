//! The real program, killed for good in the middle of things: with somebody else's yes in its hands and nothing of it
//! written down. Another one takes up where it fell, as soon as the lease of its job has run out.

mod hooks;
mod intake;
mod paid;
mod refund;

use std::time::Instant;

use nix::sys::signal::Signal;
use tokio::task::{JoinSet, LocalSet};

use crate::helpers::{
    cluster::Database,
    gate::{self, Gate},
    site::{self, Process, until},
    tally,
};

/// A commit that never comes: the change that is made just before it.
#[derive(Clone, Copy, Debug)]
struct Commit {
    table: &'static str,
    /// `insert` or `update`.
    deed: &'static str,
    when: &'static str,
}

const fn insert(table: &'static str) -> Commit {
    Commit { table, deed: "insert", when: "true" }
}

const fn update(table: &'static str, when: &'static str) -> Commit {
    Commit { table, deed: "update", when }
}

impl Commit {
    async fn gate(&self, database: &Database) -> Gate {
        Gate::before(database, &[(self.table, self.deed, self.when.to_owned())]).await
    }
}

/// All ends of one story at once, for most of it is waiting.
async fn all_at_once<S, F>(name: &str, steps: impl IntoIterator<Item = S>, story: impl Fn(S) -> F)
where
    F: Future<Output = ()> + 'static,
{
    let ends = async {
        let mut ends = JoinSet::new();
        for step in steps {
            ends.spawn_local(story(step));
        }
        let many = ends.len();
        while let Some(end) = ends.join_next().await {
            end.unwrap();
        }
        tally::note(&format!("killed for good, {name}: {many} ends"));
    };
    LocalSet::new().run_until(ends).await;
}

/// Without a word of farewell, while it stands at the gate; then the gate is gone.
async fn kill(process: &mut Process, gate: Gate, database: &Database) {
    gate::waiting(database, 1).await;
    kill_now(process).await;
    gate.open().await;
}

async fn kill_now(process: &mut Process) {
    process.signal(Signal::SIGKILL);
    let (status, _) = process.ended(Instant::now()).await;
    assert!(!status.success());
}

/// As if two minutes had gone by: the leases of what was killed have run out.
async fn minutes_pass(database: &Database) {
    for later in [
        "update outbox set due_at = due_at - interval '2 minutes', lease_until = lease_until - interval '2 minutes'
          where state in ('ready', 'running') returning 'moved'",
        "update hook_endpoints set rest_until = rest_until - interval '2 minutes' returning 'moved'",
        "update hook_deliveries set due_at = due_at - interval '2 minutes' returning 'moved'",
    ] {
        site::texts(database, later).await;
    }
}

/// Nothing is due any more, and nobody waits for a letter.
async fn at_rest(database: &Database) {
    until(database, "outbox where state in ('ready', 'running') and due_at <= now()", 0).await;
    until(database, "mails where state = 'queued'", 0).await;
}
