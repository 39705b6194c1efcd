//! What this process knows without asking: tokens that it has taken in advance, and refusals that still stand. Both only
//! ever make it stricter than the database.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use super::{Rule, subject::Key};

/// Beyond this many subjects the idle ones are forgotten; what they had in advance is lost to them.
const REMEMBERED: usize = 50_000;
const IDLE: SignedDuration = SignedDuration::from_mins(1);

#[derive(Clone, Debug, Default)]
pub struct Local(Arc<Mutex<HashMap<(Rule, Key), Known>>>);

#[derive(Clone, Copy, Debug)]
struct Known {
    left: u32,
    /// What the database had left when it was asked.
    beyond: u32,
    refused_until: Timestamp,
    used_at: Timestamp,
}

/// What can be said without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// And so many more there may be, as was known when the database was asked.
    Taken(u32),
    /// Until then.
    Refused(Timestamp),
    Unknown,
}

impl Local {
    pub fn take(&self, rule: Rule, subject: Key, now: Timestamp) -> Answer {
        let mut all = self.lock();
        let Some(known) = all.get_mut(&(rule, subject)) else { return Answer::Unknown };
        known.used_at = now;
        if known.left > 0 {
            known.left -= 1;
            Answer::Taken(known.left.saturating_add(known.beyond))
        } else if known.refused_until > now {
            Answer::Refused(known.refused_until)
        } else {
            Answer::Unknown
        }
    }

    /// The database gave `tokens` more than the one that was asked for.
    pub fn keep(&self, rule: Rule, subject: Key, tokens: u32, beyond: u32, now: Timestamp) {
        if tokens > 0 {
            self.change(rule, subject, now, |known| {
                known.left = known.left.saturating_add(tokens);
                known.beyond = beyond;
            });
        }
    }

    pub fn refuse(&self, rule: Rule, subject: Key, until: Timestamp, now: Timestamp) {
        self.change(rule, subject, now, |known| known.refused_until = until);
    }

    fn change(&self, rule: Rule, subject: Key, now: Timestamp, change: impl FnOnce(&mut Known)) {
        let mut all = self.lock();
        if all.len() >= REMEMBERED {
            all.retain(|_, known| now.duration_since(known.used_at) < IDLE);
            if all.len() >= REMEMBERED {
                all.clear();
            }
        }
        let nothing = Known { left: 0, beyond: 0, refused_until: now, used_at: now };
        change(all.entry((rule, subject)).or_insert(nothing));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Rule, Key), Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_spent_before_a_refusal_counts_and_a_refusal_ends_by_itself() {
        let (local, rule, who) = (Local::default(), Rule::SearchAddress, [7; 32]);
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let until = now + SignedDuration::from_secs(3);
        assert_eq!(local.take(rule, who, now), Answer::Unknown);
        local.keep(rule, who, 2, 7, now);
        local.refuse(rule, who, until, now);
        assert_eq!(local.take(rule, who, now), Answer::Taken(8));
        assert_eq!(local.take(rule, who, now), Answer::Taken(7));
        assert_eq!(local.take(rule, who, now), Answer::Refused(until));
        assert_eq!(local.take(rule, who, until), Answer::Unknown);
        assert_eq!(local.take(rule, [8; 32], now), Answer::Unknown);
    }

    #[test]
    fn a_flood_of_subjects_fills_no_memory() {
        let local = Local::default();
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        for number in 0..REMEMBERED as u64 + 10 {
            let mut who = [0; 32];
            who[..8].copy_from_slice(&number.to_le_bytes());
            local.keep(Rule::SearchAddress, who, 1, 0, now);
        }
        assert!(local.lock().len() <= REMEMBERED);
    }
}
