//! The door of the inbox. Stripe sends many events at once and waits for each answer; those that stand here together are
//! written in one transaction, by whichever of their requests comes first.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::oneshot;

use crate::{
    checkout::{Checkout, store},
    db::System,
    error::AppError,
    outbox::{self, Attention},
    payments::Event,
};

/// Events of one transaction. Each may be as long as a body may be.
const MOST: usize = 64;

#[derive(Clone, Debug, Default)]
pub struct Intake(Arc<Door>);

#[derive(Debug, Default)]
struct Door {
    waiting: Mutex<Vec<Waiting>>,
    /// Whose turn it is to write.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Waiting {
    event: Arc<Event>,
    is_new: oneshot::Sender<bool>,
}

impl Door {
    fn wait(&self, event: Arc<Event>) -> oneshot::Receiver<bool> {
        let (is_new, heard) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(Waiting { event, is_new });
        heard
    }

    fn next(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let many = waiting.len().min(MOST);
        let rest = waiting.split_off(many);
        mem::replace(&mut *waiting, rest)
    }
}

impl Checkout {
    /// Takes a verified event into the inbox, together with the job that deals with it. Again: nothing, and `false`.
    pub async fn receive(&self, event: Event) -> Result<bool, AppError> {
        let event = Arc::new(event);
        let door = &self.intake.0;
        let mut heard = door.wait(Arc::clone(&event));
        let turn = door.turn.lock().await;
        loop {
            match heard.try_recv() {
                Ok(is_new) => return Ok(is_new),
                Err(oneshot::error::TryRecvError::Empty) => {}
                // Whoever wrote for it could not, or was cut off: it is written alone, and answers for itself alone.
                Err(oneshot::error::TryRecvError::Closed) => break,
            }
            let waiting = door.next();
            let events: Vec<&Event> = waiting.iter().map(|waiting| &*waiting.event).collect();
            if let Ok(mut new) = self.write(&events).await {
                for Waiting { event, is_new } in waiting {
                    // Of the same event twice in one transaction, the first is new.
                    let _ = is_new.send(new.remove(&event.id));
                }
            }
        }
        drop(turn);
        Ok(self.write(&[&event]).await?.contains(&event.id))
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
