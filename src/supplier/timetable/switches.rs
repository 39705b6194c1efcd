//! The demo's levers: what goes wrong, and when. Production code never touches them; tests and the demo do.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::changes::Change;
use crate::{ids::BookingId, itinerary::Passenger};

/// What an order or a cancellation runs into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The last seats went a moment ago.
    SoldOut,
    /// The price went up by a tenth.
    PriceUp,
    /// The airline says no.
    Refused,
    /// The supplier is down; nothing is done.
    Unavailable,
    /// The answer is lost before anything is done, once for each booking.
    TimeoutBefore,
    /// The order is made, but its answer is lost, once for each booking.
    TimeoutAfter,
}

#[derive(Default)]
pub struct Switches(Mutex<Levers>);

#[derive(Default)]
struct Levers {
    price_up_percent: u8,
    sold_out: HashSet<String>,
    order_fault: Option<Fault>,
    hold_fault: Option<Fault>,
    cancel_fault: Option<Fault>,
    change: Option<Change>,
    search_down: bool,
    lost_once: HashSet<(BookingId, Fault)>,
    lost_cancel_once: HashSet<(BookingId, Fault)>,
}

impl Switches {
    /// Prices made from now on are higher, and offers in their life are repriced to it.
    pub fn set_price_up(&self, percent: u8) {
        self.levers().price_up_percent = percent;
    }

    /// The flight ("9B 118" or "9B118") has no seat left on any day.
    pub fn set_sold_out(&self, flight: &str, sold_out: bool) {
        let flight = plain(flight);
        let mut levers = self.levers();
        if sold_out {
            levers.sold_out.insert(flight)
        } else {
            levers.sold_out.remove(&flight)
        };
    }

    /// Every order from now on runs into this.
    pub fn set_order_fault(&self, fault: Option<Fault>) {
        self.levers().order_fault = fault;
    }

    /// Every hold from now on runs into this; a time-out before or after counts as not available.
    pub fn set_hold_fault(&self, fault: Option<Fault>) {
        self.levers().hold_fault = fault;
    }

    /// Every cancellation from now on runs into this.
    pub fn set_cancel_fault(&self, fault: Option<Fault>) {
        self.levers().cancel_fault = fault;
    }

    /// What the next look at the flights of any order finds.
    pub fn set_change(&self, change: Option<Change>) {
        self.levers().change = change;
    }

    /// Search, fares and repricing do not answer.
    pub fn set_search_down(&self, down: bool) {
        self.levers().search_down = down;
    }

    pub(super) fn price_up_percent(&self) -> u8 {
        self.levers().price_up_percent
    }

    pub(super) fn sold_out(&self, carrier: &str, number: u16) -> bool {
        let levers = self.levers();
        !levers.sold_out.is_empty() && levers.sold_out.contains(&name(carrier, number))
    }

    /// By their [`name`]s.
    pub(super) fn all_sold_out(&self) -> HashSet<String> {
        self.levers().sold_out.clone()
    }

    pub(super) fn hold_fault(&self) -> Option<Fault> {
        self.levers().hold_fault
    }

    pub(super) fn change(&self) -> Option<Change> {
        self.levers().change
    }

    pub(super) fn search_down(&self) -> bool {
        self.levers().search_down
    }

    /// What this order runs into: by lever, or by a passenger's magic name.
    pub(super) fn order_fault(&self, passengers: &[Passenger]) -> Option<Fault> {
        self.levers()
            .order_fault
            .or_else(|| passengers.iter().find_map(|passenger| magic(&passenger.family_name)))
    }

    /// True the first time for a booking and a fault.
    pub(super) fn first_time(&self, booking: BookingId, fault: Fault) -> bool {
        self.levers().lost_once.insert((booking, fault))
    }

    /// What this cancellation runs into: by lever, or by what the order's names had said.
    pub(super) fn cancel_fault(&self, by_name: Option<Fault>) -> Option<Fault> {
        self.levers().cancel_fault.or(by_name)
    }

    pub(super) fn first_cancel(&self, booking: BookingId, fault: Fault) -> bool {
        self.levers().lost_cancel_once.insert((booking, fault))
    }

    fn levers(&self) -> MutexGuard<'_, Levers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn name(carrier: &str, number: u16) -> String {
    format!("{carrier}{number}")
}

fn plain(flight: &str) -> String {
    flight
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric())
        .map(|letter| letter.to_ascii_uppercase())
        .collect()
}

/// The faults of cancelling, by the names that bring them about and as the books spell them.
const CANCEL_FAULTS: [(&str, &str, Fault); 4] = [
    ("cancelrefused", "refused", Fault::Refused),
    ("canceldown", "unavailable", Fault::Unavailable),
    ("canceltimeoutbefore", "timeout_before", Fault::TimeoutBefore),
    ("canceltimeoutafter", "timeout_after", Fault::TimeoutAfter),
];

/// What the books write down of the passengers' names.
pub(super) fn cancel_word(passengers: &[Passenger]) -> Option<&'static str> {
    passengers.iter().find_map(|passenger| {
        let name = passenger.family_name.trim();
        CANCEL_FAULTS.iter().find(|(magic, ..)| name.eq_ignore_ascii_case(magic)).map(|(_, word, _)| *word)
    })
}

pub(super) fn cancel_fault_of(word: &str) -> Option<Fault> {
    CANCEL_FAULTS.iter().find(|(_, known, _)| *known == word).map(|(.., fault)| *fault)
}

fn magic(family_name: &str) -> Option<Fault> {
    let faults = [
        ("soldout", Fault::SoldOut),
        ("priceup", Fault::PriceUp),
        ("refused", Fault::Refused),
        ("down", Fault::Unavailable),
        ("timeoutbefore", Fault::TimeoutBefore),
        ("timeoutafter", Fault::TimeoutAfter),
    ];
    let named = |(name, _): &&(&str, Fault)| family_name.trim().eq_ignore_ascii_case(name);
    faults.iter().find(named).map(|(_, fault)| *fault)
}
