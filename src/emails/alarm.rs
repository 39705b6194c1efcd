//! The letter to the agency: what money needs a person for. It names bookings, never people.

use jiff::Timestamp;

use crate::{
    admin::attention::{self, Item},
    emails::{account::moment, facts::Fact},
    web::components::words,
};

/// More than these are a page to open, not a mail to read.
const TOLD: usize = 12;

#[derive(Clone, Debug)]
pub struct StaffAlarm {
    /// Oldest first, and at least one.
    pub open: Vec<Open>,
}

#[derive(Clone, Debug)]
pub struct Open {
    pub kind: String,
    pub detail: String,
    pub since: Timestamp,
    pub booking: Option<String>,
}

impl From<Item> for Open {
    fn from(item: Item) -> Self {
        Self { kind: item.kind, detail: item.detail, since: item.raised_at, booking: item.reference }
    }
}

impl Open {
    /// "Refund failed".
    fn title(&self) -> String {
        let words = self.kind.replace('_', " ");
        let mut letters = words.chars();
        letters.next().map(|first| first.to_uppercase().to_string() + letters.as_str()).unwrap_or_default()
    }

    fn name(&self) -> String {
        self.booking.clone().unwrap_or_else(|| "No booking".to_owned())
    }
}

impl StaffAlarm {
    pub fn headline(&self) -> String {
        let things = words::plural(self.open.len(), "thing", "things");
        let need = if self.open.len() == 1 { "needs" } else { "need" };
        format!("Money at risk: {things} {need} a person")
    }

    /// "Refund failed, booking K7WQ4M": what was raised last, which is why this mail comes now.
    pub fn first(&self) -> String {
        match self.open.last() {
            Some(open) => match &open.booking {
                Some(booking) => format!("{}, booking {booking}", open.title()),
                None => open.title(),
            },
            None => String::new(),
        }
    }

    pub fn facts(&self) -> Vec<Fact> {
        let mut facts: Vec<Fact> = self
            .open
            .iter()
            .take(TOLD)
            .map(|open| Fact {
                label: open.name().into(),
                lines: vec![
                    format!("{}, since {}", open.title(), moment(open.since)),
                    format!("{}.", open.detail.trim_end_matches('.')),
                    attention::next_step(&open.kind).to_owned(),
                ],
            })
            .collect();
        if let Some(more) = self.open.len().checked_sub(TOLD).filter(|more| *more > 0) {
            facts.push(Fact::new("And", format!("{more} more in the queue")));
        }
        facts
    }
}
