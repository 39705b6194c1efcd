//! The letter about what an airline has changed: old times, new times, and what can be done.

use jiff::civil;

use crate::{
    emails::facts::{Brief, Fact},
    itinerary::{self, Segment, Slice},
    supplier::{AirlineChange, Flights},
    web::components::words,
};

#[derive(Clone, Debug)]
pub struct AirlineChanged {
    /// With the flights as they are now.
    pub booking: Brief,
    /// As they were until then.
    pub before: Vec<Slice>,
    pub flights: Flights,
}

impl AirlineChanged {
    pub fn of(booking: Brief, before: Vec<Slice>, change: &AirlineChange) -> Self {
        Self { booking, before, flights: change.flights.clone() }
    }

    pub const fn headline(&self) -> &'static str {
        match self.flights {
            Flights::Cancelled => "The airline has cancelled your flights",
            Flights::Rescheduled(_) | Flights::Replaced(_) => "The airline has changed your flights",
        }
    }

    pub fn news(&self) -> String {
        let (reference, route) = (&self.booking.reference, self.booking.route());
        match self.flights {
            Flights::Cancelled => format!(
                "The airline does not fly the flights of booking {reference}, {route}. You cannot travel with these tickets."
            ),
            Flights::Replaced(_) => format!(
                "The airline does not fly all flights of booking {reference}, {route}, as you bought them. What is flown now stands below."
            ),
            Flights::Rescheduled(_) => format!(
                "The airline has new times for the flights of booking {reference}, {route}. Your tickets are good for them."
            ),
        }
    }

    /// What the reader can do.
    pub const fn way_out(&self) -> &'static str {
        match self.flights {
            Flights::Cancelled => {
                "You need do nothing for it: a person of ours asks the airline for other flights or for all of your money, \
                 and writes to you. Do not cancel the booking yourself; that would go by the conditions of the fare."
            }
            Flights::Replaced(_) => {
                "A person of ours sees that your tickets are good for what is flown now, and writes to you. If it does not suit you, write to the address at the end of this mail before the first flight leaves: \
                 a change by the airline need not go by the conditions of the fare. We ask it for another flight, or for your money back."
            }
            Flights::Rescheduled(_) => {
                "If the new times suit you, you need do nothing. If they do not, write to the address at the end of this mail before the first flight leaves: \
                 a change by the airline need not go by the conditions of the fare. We ask it for another flight, or for your money back."
            }
        }
    }

    /// Each flight that is not as it was.
    pub fn facts(&self) -> Vec<Fact> {
        let now: &[Slice] = match self.flights {
            Flights::Cancelled => &[],
            Flights::Rescheduled(_) | Flights::Replaced(_) => &self.booking.offer.slices,
        };
        itinerary::fates(&self.before, now).into_iter().filter_map(|(old, new)| fact(old, new)).collect()
    }
}

/// `None`: it leaves and lands as before.
fn fact(old: Option<&Segment>, new: Option<&Segment>) -> Option<Fact> {
    let mut lines: Vec<String> = match (old, new) {
        (Some(old), Some(new)) if (old.departs.at, old.arrives.at) == (new.departs.at, new.arrives.at) => {
            return None;
        }
        (Some(old), Some(new)) => vec![format!("Until now: {}", times(old)), format!("New: {}", times(new))],
        (Some(old), None) => vec![format!("Not flown: {}", times(old))],
        (None, Some(new)) => vec![format!("New: {}", times(new))],
        (None, None) => return None,
    };
    let flight = old.or(new)?;
    lines.insert(0, format!("{} to {}", flight.from.city, flight.to.city));
    Some(Fact { label: flight.flight().into(), lines })
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
