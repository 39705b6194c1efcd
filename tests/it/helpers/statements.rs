//! Counts the SQL statements of a page, and how often a password was hashed for it. A test and its app share one thread, so a subscriber of that thread hears
//! exactly this app's queries, however many tests run beside it.

use std::sync::{Arc, LazyLock, Mutex};

use tokio::sync::watch;

use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::DefaultGuard,
};

/// Says so each time that a password is hashed or checked.
const HASHING: &str = "jetbridge::accounts::password";

#[derive(Clone, Default)]
pub struct Statements(Arc<Mutex<Heard>>);

#[derive(Default)]
struct Heard {
    statements: Vec<String>,
    hashes: usize,
    count: watch::Sender<usize>,
}

impl Statements {
    /// Hears the queries of this thread until the guard is dropped.
    pub fn listen() -> (Self, DefaultGuard) {
        // With one subscriber in the process, tracing decides about a new call site by asking the thread that met it first,
        // which may be one that hears nothing. A second subscriber makes it ask all.
        static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Ear(Statements::default())));
        LazyLock::force(&ANOTHER);
        let statements = Self::default();
        let guard = tracing::subscriber::set_default(Ear(statements.clone()));
        (statements, guard)
    }

    /// The statements since the last time.
    pub fn take(&self) -> Vec<String> {
        self.take_all().0
    }

    /// The same, and how many passwords were hashed since then.
    pub fn take_all(&self) -> (Vec<String>, usize) {
        let mut heard = self.0.lock().expect("not poisoned");
        (std::mem::take(&mut heard.statements), std::mem::take(&mut heard.hashes))
    }

    /// Until so many more have been answered.
    pub async fn pass(&self, many: usize) {
        let mut count = self.0.lock().expect("not poisoned").count.subscribe();
        let enough = *count.borrow() + many;
        // The sender lives in `self`, so waiting cannot fail.
        let _ = count.wait_for(|count| *count >= enough).await;
    }
}

struct Ear(Statements);

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        matches!(metadata.target(), "sqlx::query" | HASHING)
    }

    fn event(&self, event: &Event<'_>) {
        let mut words = Words(String::new());
        event.record(&mut words);
        let mut heard = self.0.0.lock().expect("not poisoned");
        if event.metadata().target() == HASHING {
            heard.hashes += 1;
        } else {
            heard.statements.push(words.0);
            heard.count.send_modify(|count| *count += 1);
        }
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Words(String);

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "summary" {
            self.0.push_str(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
