//! Offers of the last searches as they were quoted, in memory: Duffel tells nothing of an offer that is gone, and whoever comes
//! back to one wants to know what has changed. Where the process has forgotten, the page says that it does not know.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

/// Some kilobytes each.
const MOST: usize = 2_000;

#[derive(Clone)]
pub(super) struct Quoted<O>(Arc<Mutex<Known<O>>>);

struct Known<O> {
    offers: HashMap<String, Arc<O>>,
    /// The oldest first.
    order: VecDeque<String>,
}

impl<O> Default for Quoted<O> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Known { offers: HashMap::new(), order: VecDeque::new() })))
    }
}

impl<O> Quoted<O> {
    /// By Duffel's own id.
    pub(super) fn keep(&self, id: &str, offer: O) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.offers.insert(id.to_owned(), Arc::new(offer)).is_some() {
            return;
        }
        known.order.push_back(id.to_owned());
        while known.order.len() > MOST {
            if let Some(oldest) = known.order.pop_front() {
                known.offers.remove(&oldest);
            }
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<O>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).offers.get(id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first_and_the_last_word_counts() {
        let quoted = Quoted::default();
        for nth in 0..=MOST {
            quoted.keep(&format!("off_{nth}"), 100);
        }
        assert_eq!(quoted.get("off_0"), None);
        quoted.keep("off_1", 200);
        assert_eq!(quoted.get("off_1"), Some(Arc::new(200)));
        assert_eq!(quoted.get("off_2"), Some(Arc::new(100)), "nobody had to go for it");
    }
}
