//! The letter about what an airline has changed: old times, new times, and what can be done.

use jiff::civil;

use crate::{
    emails::facts::{Brief, Fact},
    itinerary::{Segment, Slice},
    supplier::{AirlineChange, Flights},
    web::components::words,
};

#[derive(Clone, Debug)]
pub struct AirlineChanged {
    /// With the flights as they are now.
    pub booking: Brief,
    /// As they were until then.
    pub before: Vec<Slice>,
    pub is_cancelled: bool,
}

impl AirlineChanged {
    pub fn of(booking: Brief, before: Vec<Slice>, change: &AirlineChange) -> Self {
        Self { booking, before, is_cancelled: change.flights == Flights::Cancelled }
    }

    pub const fn headline(&self) -> &'static str {
        match self.is_cancelled {
            true => "The airline has cancelled your flights",
            false => "The airline has changed your flights",
        }
    }

    pub fn news(&self) -> String {
        let (reference, route) = (&self.booking.reference, self.booking.route());
        match self.is_cancelled {
            true => format!(
                "The airline does not fly the flights of booking {reference}, {route}. You cannot travel with these tickets."
            ),
            false => format!(
                "The airline has new times for the flights of booking {reference}, {route}. Your tickets are good for them."
            ),
        }
    }

    /// What the reader can do.
    pub const fn way_out(&self) -> &'static str {
        match self.is_cancelled {
            true => {
                "You need do nothing for it: a person of ours asks the airline for other flights or for all of your money, \
                 and writes to you. Do not cancel the booking yourself; that would go by the conditions of the fare."
            }
            false => {
                "If the new times suit you, you need do nothing. If they do not, write to the address at the end of this mail before the first flight leaves: \
                 a change by the airline need not go by the conditions of the fare. We ask it for another flight, or for your money back."
            }
        }
    }

    /// Each flight whose times are others, and where none is flown, each flight.
    pub fn facts(&self) -> Vec<Fact> {
        let before = self.before.iter().flat_map(Slice::segments);
        let now = self.booking.offer.slices.iter().flat_map(Slice::segments);
        let pairs = before.zip(now).filter(|(old, new)| {
            self.is_cancelled || old.departs.at != new.departs.at || old.arrives.at != new.arrives.at
        });
        pairs.map(|(old, new)| self.fact(old, new)).collect()
    }

    fn fact(&self, old: &Segment, new: &Segment) -> Fact {
        let route = format!("{} to {}", old.from.city, old.to.city);
        let lines = match self.is_cancelled {
            true => vec![route, format!("Not flown: {}", times(old))],
            false => vec![route, format!("Until now: {}", times(old)), format!("New: {}", times(new))],
        };
        Fact { label: old.flight().into(), lines }
    }
}

/// "Sat 12 Dec, 09:10 to 13:45": the clocks on the walls of the two airports.
fn times(segment: &Segment) -> String {
    let day = |at: civil::DateTime| words::day(at.date());
    let (from, to) = (segment.departs.local, segment.arrives.local);
    let landing = match from.date() == to.date() {
        true => words::clock(to),
        false => format!("{}, {}", day(to), words::clock(to)),
    };
    format!("{}, {} to {landing}", day(from), words::clock(from))
}
