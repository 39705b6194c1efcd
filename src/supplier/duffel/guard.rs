//! What keeps us from asking somebody who cannot answer: a circuit breaker, and a limit of our own under Duffel's.
//! Pure but for the clock, so that a test can let a minute pass.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;

/// So many silences one after the other, and nobody is asked for a while.
const SILENCES: u32 = 5;
const PAUSE: SignedDuration = SignedDuration::from_secs(30);
const WINDOW: SignedDuration = SignedDuration::from_secs(60);
/// Until Duffel names its own limit.
const CALLS_PER_WINDOW: u32 = 120;
/// Nobody is kept waiting longer than this by a limit, whatever its header says.
const LONGEST_REST: SignedDuration = SignedDuration::from_mins(5);

/// Looking around leaves a part of the limit to those who have paid. Anybody may ask what a text means, as often as they type:
/// that is a small part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    Naming,
    Looking,
    Buying,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Shut {
    #[error("Duffel has not answered several times; it is asked again in half a minute")]
    Breaker,
    #[error("Duffel takes no more calls from us until {0}")]
    TheirLimit(Timestamp),
    #[error("our own limit of calls to Duffel is reached")]
    OwnLimit,
}

/// What an answer says of Duffel's limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub limit: Option<u32>,
    pub remaining: Option<u32>,
    pub reset: Option<Timestamp>,
}

pub(super) struct Guard {
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    silences: u32,
    shut_until: Option<Timestamp>,
    rest_until: Option<Timestamp>,
    window_began: Timestamp,
    calls: u32,
    most: u32,
}

impl Guard {
    pub fn new(clock: Clock) -> Self {
        let window_began = clock.now();
        let state = State {
            silences: 0,
            shut_until: None,
            rest_until: None,
            window_began,
            calls: 0,
            most: CALLS_PER_WINDOW,
        };
        Self { clock, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be asked before each call.
    pub fn enter(&self, errand: Errand) -> Result<(), Shut> {
        let now = self.clock.now();
        let mut state = self.state();
        if let Some(until) = state.rest_until.filter(|until| *until > now) {
            return Err(Shut::TheirLimit(until));
        }
        if state.shut_until.is_some_and(|until| until > now) {
            return Err(Shut::Breaker);
        }
        if state.shut_until.is_some() {
            // One tries; the others wait for what becomes of it.
            state.shut_until = Some(now + PAUSE);
        }
        if now.duration_since(state.window_began) >= WINDOW {
            state.window_began = now;
            state.calls = 0;
        }
        let most = match errand {
            Errand::Naming => state.most / 6,
            Errand::Looking => state.most - state.most / 4,
            Errand::Buying => state.most,
        };
        if state.calls >= most {
            return Err(Shut::OwnLimit);
        }
        state.calls += 1;
        Ok(())
    }

    /// Somebody is there, whatever was said.
    pub fn answered(&self, told: Told) {
        let now = self.clock.now();
        let mut state = self.state();
        state.silences = 0;
        state.shut_until = None;
        if let Some(limit) = told.limit.filter(|limit| *limit > 0) {
            state.most = limit;
        }
        if told.remaining == Some(0) {
            let until = told.reset.unwrap_or(now + WINDOW).min(now + LONGEST_REST);
            state.rest_until = Some(until);
        }
    }

    pub fn silent(&self) {
        let now = self.clock.now();
        let mut state = self.state();
        state.silences = state.silences.saturating_add(1);
        if state.silences >= SILENCES {
            state.shut_until = Some(now + PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> (Clock, Guard) {
        let clock = Clock::manual("2026-11-23T09:00:00Z".parse().unwrap());
        (clock.clone(), Guard::new(clock))
    }

    #[test]
    fn after_five_silences_nobody_is_asked_and_then_one_tries() {
        let (clock, guard) = guard();
        for _ in 0..SILENCES {
            assert_eq!(guard.enter(Errand::Looking), Ok(()));
            guard.silent();
        }
        assert_eq!(guard.enter(Errand::Buying), Err(Shut::Breaker));
        clock.advance(PAUSE);
        assert_eq!(guard.enter(Errand::Looking), Ok(()));
        assert_eq!(guard.enter(Errand::Looking), Err(Shut::Breaker), "one tries, not all");
        guard.silent();
        assert_eq!(guard.enter(Errand::Looking), Err(Shut::Breaker));
        clock.advance(PAUSE);
        assert_eq!(guard.enter(Errand::Looking), Ok(()));
        guard.answered(Told::default());
        assert_eq!(guard.enter(Errand::Looking), Ok(()));
        assert_eq!(guard.enter(Errand::Looking), Ok(()));
    }

    #[test]
    fn one_answer_in_between_keeps_the_breaker_closed() {
        let (_, guard) = guard();
        for _ in 0..20 {
            guard.silent();
            guard.answered(Told::default());
        }
        assert_eq!(guard.enter(Errand::Looking), Ok(()));
    }

    #[test]
    fn looking_around_leaves_room_for_buying() {
        let (clock, guard) = guard();
        guard.answered(Told { limit: Some(8), ..Told::default() });
        for _ in 0..6 {
            assert_eq!(guard.enter(Errand::Looking), Ok(()));
        }
        assert_eq!(guard.enter(Errand::Looking), Err(Shut::OwnLimit));
        for _ in 0..2 {
            assert_eq!(guard.enter(Errand::Buying), Ok(()));
        }
        assert_eq!(guard.enter(Errand::Buying), Err(Shut::OwnLimit));
        clock.advance(WINDOW);
        assert_eq!(guard.enter(Errand::Looking), Ok(()));
    }

    #[test]
    fn what_texts_mean_is_asked_seldom() {
        let (clock, guard) = guard();
        for _ in 0..CALLS_PER_WINDOW / 6 {
            assert_eq!(guard.enter(Errand::Naming), Ok(()));
        }
        assert_eq!(guard.enter(Errand::Naming), Err(Shut::OwnLimit));
        clock.advance(WINDOW);
        assert_eq!(guard.enter(Errand::Naming), Ok(()));
    }

    #[test]
    fn a_limit_of_theirs_is_kept_until_it_ends_and_never_for_hours() {
        let (clock, guard) = guard();
        let reset = clock.now() + SignedDuration::from_secs(20);
        guard.answered(Told { remaining: Some(0), reset: Some(reset), limit: None });
        assert_eq!(guard.enter(Errand::Buying), Err(Shut::TheirLimit(reset)));
        clock.advance(SignedDuration::from_secs(20));
        assert_eq!(guard.enter(Errand::Buying), Ok(()));
        let never = clock.now() + SignedDuration::from_hours(24 * 365);
        guard.answered(Told { remaining: Some(0), reset: Some(never), limit: None });
        clock.advance(LONGEST_REST);
        assert_eq!(guard.enter(Errand::Buying), Ok(()));
    }
}
