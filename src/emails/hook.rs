//! The letter to the agency when nothing more is sent to one of its own systems.

use jiff::Timestamp;

use crate::{
    emails::{account::moment, facts::Fact},
    hooks::{Endpoint, PausedFor, place_of},
    ids::HookEndpointId,
};

#[derive(Clone, Debug)]
pub struct HookPaused {
    pub endpoint: HookEndpointId,
    /// The rest of its address may be a secret.
    pub server: String,
    pub note: String,
    pub why: PausedFor,
    pub at: Timestamp,
    /// What did not arrive so far.
    pub missed: i64,
}

impl HookPaused {
    pub fn of(endpoint: Endpoint, why: PausedFor, at: Timestamp) -> Self {
        Self {
            endpoint: endpoint.id,
            server: place_of(&endpoint.url),
            note: endpoint.note,
            why,
            at,
            missed: endpoint.missed,
        }
    }

    pub const fn why_in_words(&self) -> &'static str {
        match self.why {
            PausedFor::Gone => "It answered 410 Gone, which says that it wants nothing more.",
            PausedFor::Failing | PausedFor::ByHand => {
                "Nothing that we sent has arrived there for three days."
            }
        }
    }

    pub fn facts(&self) -> Vec<Fact> {
        let mut facts = vec![Fact::new("Server", self.server.clone())];
        if !self.note.is_empty() {
            facts.push(Fact::new("Note", self.note.clone()));
        }
        facts.push(Fact::new("Paused", moment(self.at)));
        facts.push(Fact::new("Not arrived", self.missed.to_string()));
        facts
    }
}
