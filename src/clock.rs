//! The only "now". Production reads the system clock; tests and the demo console move a manual one.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use jiff::{SignedDuration, Timestamp};

#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until it is moved. All clones move together.
    pub fn manual(at: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(at.as_microsecond()))))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one home of now()")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            // PostgreSQL keeps microseconds: an instant must survive the way there and back.
            Source::System => {
                let now = Timestamp::now();
                Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
            }
            Source::Manual(micros) => {
                Timestamp::from_microsecond(micros.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// Moves a manual clock forward. The system clock cannot be moved, so there it does nothing.
    pub fn advance(&self, by: SignedDuration) {
        if let Source::Manual(micros) = &self.0 {
            let step = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
            micros.fetch_add(step, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_still_until_moved_and_clones_move_together() {
        let start: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let clock = Clock::manual(start);
        let twin = clock.clone();
        assert_eq!(clock.now(), start);
        twin.advance(SignedDuration::from_mins(31));
        assert_eq!(clock.now(), start + SignedDuration::from_mins(31));
    }
}
