//! How a booking is spoken of, the same on every page that shows one.

use jiff::{Timestamp, civil::Date};

use crate::{
    bookings::lifecycle::BookingState,
    itinerary::{Offer, Slice},
    web::components::{Tone, words},
};

/// The place whose clock a booking's pages read: where the journey begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    pub zone: String,
    /// "Lisbon time".
    pub name: String,
}

impl Here {
    pub fn of(offer: &Offer) -> Self {
        match offer.slices.first().map(|slice| &slice.first().from) {
            Some(airport) => Self { zone: airport.zone.clone(), name: format!("{} time", airport.city) },
            None => Self { zone: "UTC".to_owned(), name: "UTC".to_owned() },
        }
    }

    /// "17:32 Lisbon time"; with its date when that is not today's.
    pub fn tell(&self, at: Timestamp, now: Timestamp) -> String {
        let moment = words::moment(at, &self.zone);
        let today = words::moment(now, &self.zone);
        let day = |text: &str| text.rsplit_once(' ').map(|(day, _)| day.to_owned());
        if day(&moment) == day(&today) {
            format!("{} {}", words::moment_clock(at, &self.zone), self.name)
        } else {
            format!("{moment} {}", self.name)
        }
    }
}

/// "Lisbon to New York and back", "Lisbon to New York, then Boston to Lisbon".
pub fn route(slices: &[Slice]) -> String {
    let ends = |slice: &Slice| (slice.first().from.city.clone(), slice.last().to.city.clone());
    let pairs: Vec<(String, String)> = slices.iter().map(ends).collect();
    match pairs.as_slice() {
        [(from, to), (again, home)] if from == home && to == again => format!("{from} to {to} and back"),
        pairs => pairs.iter().map(|(from, to)| format!("{from} to {to}")).collect::<Vec<_>>().join(", then "),
    }
}

/// "12 Mar 2027", or from the first day to the last: "12 to 27 Mar 2027".
pub fn dates(slices: &[Slice]) -> String {
    let (Some(first), Some(last)) = (slices.first(), slices.last()) else { return String::new() };
    let leaves = first.first().departs.local.date();
    let full = |date: Date| date.strftime("%-d %b %Y").to_string();
    if slices.len() == 1 {
        return full(leaves);
    }
    let lands = last.last().arrives.local.date();
    if (leaves.year(), leaves.month()) == (lands.year(), lands.month()) {
        format!("{} to {}", leaves.day(), full(lands))
    } else if leaves.year() == lands.year() {
        format!("{} to {}", leaves.strftime("%-d %b"), full(lands))
    } else {
        format!("{} to {}", full(leaves), full(lands))
    }
}

/// One line for each slice: "LIS 10:35 to JFK 13:45, Fri 12 Mar".
pub fn in_short(slices: &[Slice]) -> Vec<String> {
    let line = |slice: &Slice| {
        let (first, last) = (slice.first(), slice.last());
        let (leaves, lands) = (first.departs.local, last.arrives.local);
        let later = match lands.date().duration_since(leaves.date()).as_hours() / 24 {
            0 => String::new(),
            days => format!(" {days:+}").replace('-', "−"),
        };
        format!(
            "{} {} to {} {}{later}, {}",
            first.from.code,
            words::clock(leaves),
            last.to.code,
            words::clock(lands),
            words::day(leaves.date()),
        )
    };
    slices.iter().map(line).collect()
}

/// Who sells the seats and answers for them: the airline of the first flight number.
pub fn airline(slices: &[Slice]) -> &str {
    slices.first().map_or("The airline", |slice| &slice.first().carrier.name)
}

/// Who carries the traveller, each airline once: "Halcyon Air and Norrland".
pub fn carriers(slices: &[Slice]) -> String {
    together(&carrier_names(slices))
}

pub fn carrier_names(slices: &[Slice]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for segment in slices.iter().flat_map(Slice::segments) {
        let carrier = segment.operated_by.as_ref().unwrap_or(&segment.carrier);
        if !names.contains(&carrier.name.as_str()) {
            names.push(&carrier.name);
        }
    }
    names
}

/// "A", "A and B", "A, B and C".
pub fn together(names: &[&str]) -> String {
    match names {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        names => names.concat(),
    }
}

pub const fn badge_of(state: BookingState) -> (Tone, &'static str) {
    match state {
        BookingState::Draft => (Tone::Off, "Not booked yet"),
        BookingState::Held => (Tone::Warn, "Not paid"),
        BookingState::Ticketing => (Tone::Now, "Booking your seats"),
        BookingState::Confirmed => (Tone::Good, "Confirmed"),
        BookingState::Cancelling => (Tone::Now, "Cancelling"),
        BookingState::Cancelled => (Tone::Off, "Cancelled"),
        BookingState::Expired => (Tone::Off, "Expired"),
        BookingState::Failed => (Tone::Bad, "Not booked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::components::samples::{direct, lisbon, new_york, overnight, plain, segment};

    fn back() -> Slice {
        let leg = segment(&new_york(), &lisbon(), "2027-03-27T00:40:00Z", "2027-03-27T12:20:00Z");
        Slice::try_from(vec![leg]).unwrap()
    }

    #[test]
    fn a_route_says_and_back_only_when_it_leads_back() {
        assert_eq!(route(&[direct()]), "Lisbon to New York");
        assert_eq!(route(&[direct(), back()]), "Lisbon to New York and back");
        assert_eq!(route(&[direct(), direct()]), "Lisbon to New York, then Lisbon to New York");
    }

    #[test]
    fn dates_are_as_short_as_they_can_be_without_losing_the_year() {
        assert_eq!(dates(&[overnight()]), "12 Mar 2027");
        assert_eq!(dates(&[direct(), back()]), "12 to 27 Mar 2027");
    }

    #[test]
    fn a_slice_in_short_has_local_times_and_the_day_after() {
        assert_eq!(
            in_short(&[overnight(), back()]),
            ["LIS 19:40 to JFK 13:55 +1, Fri 12 Mar", "JFK 20:40 to LIS 12:20 +1, Fri 26 Mar"]
        );
    }

    #[test]
    fn a_time_names_its_place_and_its_date_when_it_is_not_today() {
        let here = Here::of(&plain());
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(here.tell(at("2026-11-22T17:32:00Z"), at("2026-11-22T16:50:00Z")), "17:32 Lisbon time");
        assert_eq!(
            here.tell(at("2026-11-23T00:10:00Z"), at("2026-11-22T23:50:00Z")),
            "23 Nov 00:10 Lisbon time"
        );
    }

    #[test]
    fn airlines_are_named_once_each() {
        assert_eq!(carriers(&[overnight(), back()]), "Halcyon Air");
        assert_eq!(together(&["A", "B", "C"]), "A, B and C");
    }
}
