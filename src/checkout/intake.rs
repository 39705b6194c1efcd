//! The door of the inbox. Stripe sends many events at once and waits for each answer; those that stand here together are
//! written in one transaction.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;
use tracing::Instrument;

use crate::{
    checkout::{Checkout, store},
    db::System,
    error::AppError,
    outbox::{self, Attention},
    payments::Event,
};

/// Events of one transaction. Each may be as long as a body may be.
const MOST: usize = 64;
/// Transactions at a time: while PostgreSQL writes one to its disk, the next is put together.
const WRITERS: usize = 2;

#[derive(Clone, Debug, Default)]
pub struct Intake(Arc<Mutex<Door>>);

#[derive(Debug, Default)]
struct Door {
    waiting: Vec<Waiting>,
    writers: usize,
}

#[derive(Debug)]
struct Waiting {
    event: Arc<Event>,
    is_new: oneshot::Sender<bool>,
}

/// Writes until nobody waits any more.
struct Writer(Intake);

impl Intake {
    fn door(&self) -> MutexGuard<'_, Door> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With a writer to be set to work, unless enough of them are.
    fn wait(&self, event: Arc<Event>) -> (oneshot::Receiver<bool>, Option<Writer>) {
        let (is_new, heard) = oneshot::channel();
        let mut door = self.door();
        door.waiting.push(Waiting { event, is_new });
        let is_wanted = door.writers < WRITERS;
        door.writers += usize::from(is_wanted);
        (heard, is_wanted.then(|| Writer(self.clone())))
    }
}

impl Writer {
    fn next(&self) -> Vec<Waiting> {
        let mut door = self.0.door();
        let many = door.waiting.len().min(MOST);
        let rest = door.waiting.split_off(many);
        let mut next = mem::replace(&mut door.waiting, rest);
        // Two transactions with the same events in another order would wait for each other.
        next.sort_unstable_by(|a, b| a.event.id.cmp(&b.event.id));
        next
    }
}

impl Drop for Writer {
    /// Whoever came after the last look, or before a panic, is let go, and writes alone.
    fn drop(&mut self) {
        let mut door = self.0.door();
        door.writers -= 1;
        door.waiting.clear();
    }
}

impl Checkout {
    /// Takes a verified event into the inbox, together with the job that deals with it. Again: nothing, and `false`.
    pub async fn receive(&self, event: Event) -> Result<bool, AppError> {
        let event = Arc::new(event);
        let (heard, writer) = self.intake.wait(Arc::clone(&event));
        if let Some(writer) = writer {
            // On its own: a sender that hangs up must not take the others' answer along.
            tokio::spawn(self.clone().write_waiting(writer).in_current_span());
        }
        match heard.await {
            Ok(is_new) => Ok(is_new),
            // Its transaction could not be: it is written alone, and answers for itself alone.
            Err(_) => Ok(self.write(&[&event]).await?.contains(&event.id)),
        }
    }

    async fn write_waiting(self, writer: Writer) {
        loop {
            let waiting = writer.next();
            if waiting.is_empty() {
                return;
            }
            let events: Vec<&Event> = waiting.iter().map(|waiting| &*waiting.event).collect();
            if let Ok(mut new) = self.write(&events).await {
                for Waiting { event, is_new } in waiting {
                    // Of the same event twice in one transaction, the first is new.
                    let _ = is_new.send(new.remove(&event.id));
                }
            }
        }
    }

    /// The ids of those that were not here before.
    async fn write(&self, events: &[&Event]) -> Result<HashSet<String>, AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let new = store::receive_events(&mut tx, events, now).await?;
        for event in events.iter().filter(|event| !event.readable && new.contains(&event.id)) {
            let detail = format!("{} could not be read", event.kind);
            outbox::raise(&mut tx, Attention::EventUnreadable, &event.id, None, &detail, now).await?;
        }
        tx.commit().await?;
        Ok(new)
    }
}
