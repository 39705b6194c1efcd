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
    /// So many microseconds ahead of the system's.
    Ahead(Arc<AtomicI64>),
    Manual(Arc<AtomicI64>),
}

impl Clock {
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// The system clock, so far ahead, and to be moved further: for the demo. All clones move together.
    pub fn ahead_by(by: SignedDuration) -> Self {
        Self(Source::Ahead(Arc::new(AtomicI64::new(micros(by)))))
    }

    /// How far a clock has been moved that goes by the system's.
    pub fn ahead(&self) -> Option<SignedDuration> {
        match &self.0 {
            Source::Ahead(micros) => Some(SignedDuration::from_micros(micros.load(Ordering::SeqCst))),
            Source::System | Source::Manual(_) => None,
        }
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
            Source::Ahead(micros) => {
                let now = Timestamp::now().as_microsecond().saturating_add(micros.load(Ordering::SeqCst));
                Timestamp::from_microsecond(now).unwrap_or(Timestamp::MAX)
            }
            Source::Manual(micros) => {
                Timestamp::from_microsecond(micros.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// Moves a manual clock forward, or the demo's. The system clock cannot be moved, so there it does nothing.
    pub fn advance(&self, by: SignedDuration) {
        if let Source::Manual(at) | Source::Ahead(at) = &self.0 {
            at.fetch_add(micros(by), Ordering::SeqCst);
        }
    }
}

fn micros(by: SignedDuration) -> i64 {
    i64::try_from(by.as_micros()).unwrap_or(i64::MAX)
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

    #[test]
    fn the_demos_clock_goes_by_the_systems_and_the_systems_own_cannot_be_moved() {
        let (system, demo) = (Clock::system(), Clock::ahead_by(SignedDuration::from_hours(24)));
        system.advance(SignedDuration::from_hours(1_000));
        demo.advance(SignedDuration::from_hours(1));
        let ahead = demo.now().duration_since(system.now());
        assert!((24 * 60..=25 * 60 + 1).contains(&ahead.as_mins()), "{ahead}");
        assert_eq!((demo.ahead(), system.ahead()), (Some(SignedDuration::from_hours(25)), None));
    }
}
