//! Slows down guessing: after some failed sign-ins an address has to wait, whether or not it has an account. Kept in
//! this process: a restart forgives, and a second process doubles what a guesser gets, which is still next to nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use crate::error::{AppError, TooMany};

const ALLOWED: u32 = 10;
const WINDOW: SignedDuration = SignedDuration::from_mins(15);
/// More addresses than this within one window is an attack on our memory: then all are forgotten.
const REMEMBERED: usize = 50_000;

#[derive(Clone, Default)]
pub struct Tries(Arc<Mutex<HashMap<String, Window>>>);

struct Window {
    since: Timestamp,
    count: u32,
}

impl Tries {
    /// Counts a try before it is made, so that many at once get no further than many in a row.
    pub fn begin(&self, email: &str, now: Timestamp) -> Result<(), AppError> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= REMEMBERED {
            windows.retain(|_, window| now.duration_since(window.since) < WINDOW);
            if windows.len() >= REMEMBERED {
                windows.clear();
            }
        }
        let window = windows.entry(key(email)).or_insert(Window { since: now, count: 0 });
        let age = now.duration_since(window.since);
        if age >= WINDOW {
            *window = Window { since: now, count: 0 };
        } else if window.count >= ALLOWED {
            let left = (WINDOW - age).as_secs();
            return Err(AppError::TooMany(TooMany {
                retry_after_seconds: u32::try_from(left).unwrap_or(1).max(1),
                detail: "There were several tries with a wrong password.",
                quota: None,
            }));
        }
        window.count += 1;
        Ok(())
    }

    /// The right password: the person is here.
    pub fn forget(&self, email: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key(email));
    }
}

fn key(email: &str) -> String {
    email.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_tries_then_a_wait_and_the_right_password_starts_anew() {
        let tries = Tries::default();
        let start: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        for _ in 0..ALLOWED {
            tries.begin("maria@example.com", start).unwrap();
        }
        let late = start + SignedDuration::from_mins(14);
        let refused = tries.begin("Maria@Example.com", late).unwrap_err();
        assert!(matches!(refused, AppError::TooMany(TooMany { retry_after_seconds: 60, .. })));
        tries.begin("joao@example.com", late).unwrap();
        tries.begin("maria@example.com", start + WINDOW).unwrap();
        for _ in 0..3 * ALLOWED {
            tries.begin("ana@example.com", start).unwrap();
            tries.forget("ana@example.com");
        }
    }
}
