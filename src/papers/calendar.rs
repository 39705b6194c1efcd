//! The flights as a calendar (RFC 5545): one entry for each segment, at the wall clocks of its two airports. Every zone
//! that is named is defined as well, from the same zone rules as everything else here, so that no program has to guess.

use std::{collections::BTreeSet, fmt::Write};

use jiff::{
    SignedDuration, Timestamp, civil,
    tz::{Offset, TimeZone},
};

use crate::{
    itinerary::{self, Airport, LocalTime, Segment, Slice},
    papers::{Papers, Validity},
    web::components::words,
};

/// Longer lines are folded; counted in bytes.
const LONGEST_LINE: usize = 75;
/// Zones are defined from this long before the first departure to this long after the last landing.
const MARGIN: SignedDuration = SignedDuration::from_hours(48);

pub fn write(papers: &Papers) -> String {
    let mut out = Lines::default();
    out.line("BEGIN:VCALENDAR");
    out.line("VERSION:2.0");
    out.line("PRODID:-//Jetbridge//Flights//EN");
    out.line("CALSCALE:GREGORIAN");
    out.line("METHOD:PUBLISH");
    let segments: Vec<&Segment> =
        papers.sold.iter().chain(&papers.offer.slices).flat_map(Slice::segments).collect();
    let ends = segments
        .iter()
        .flat_map(|segment| [(&segment.from, &segment.departs), (&segment.to, &segment.arrives)]);
    let times = || ends.clone().map(|(_, time)| time.at);
    let zones: BTreeSet<&str> = ends.clone().map(|(airport, _)| airport.zone.as_str()).collect();
    if let (Some(first), Some(last)) = (times().min(), times().max()) {
        for zone in zones {
            define(&mut out, zone, first - MARGIN, last + MARGIN);
        }
    }
    // A flight keeps its number, so that the entry of one that is not flown any more is struck where it stands.
    let fates = itinerary::fates(&papers.sold, &papers.offer.slices);
    for (place, (old, new)) in fates.into_iter().enumerate() {
        match (old, new) {
            (_, Some(segment)) => event(&mut out, papers, papers.validity, place, segment),
            (Some(segment), None) => event(&mut out, papers, Validity::NotFlown, place, segment),
            (None, None) => {}
        }
    }
    out.line("END:VCALENDAR");
    out.0
}

fn event(out: &mut Lines, papers: &Papers, validity: Validity, place: usize, segment: &Segment) {
    let Segment { from, to, departs, arrives, .. } = segment;
    out.line("BEGIN:VEVENT");
    out.line(&format!("UID:{}-{}@{}", papers.booking, place + 1, papers.issuer.host));
    out.line(&format!("DTSTAMP:{}", utc(papers.changed_at)));
    out.line(&format!("LAST-MODIFIED:{}", utc(papers.changed_at)));
    out.line(&format!("SEQUENCE:{}", papers.version));
    out.time("DTSTART", from, departs);
    out.time("DTEND", to, arrives);
    let title = format!("{} {} to {}", segment.flight(), from.city, to.city);
    let title = match validity {
        Validity::NotTicketed => format!("Not ticketed: {title}"),
        Validity::NotFlown => format!("Cancelled by the airline: {title}"),
        _ => title,
    };
    out.text("SUMMARY", &title);
    out.text("LOCATION", &format!("{} {}, {}", from.city, from.code, from.name));
    out.line(&format!("GEO:{};{}", degrees(from.lat_micro), degrees(from.lon_micro)));
    out.text("DESCRIPTION", &description(papers, validity, segment));
    out.line(&format!("URL:{}/bookings/{}", papers.issuer.base_url, papers.reference));
    out.line(match validity {
        Validity::Valid | Validity::BeingCancelled => "STATUS:CONFIRMED",
        Validity::NotTicketed => "STATUS:TENTATIVE",
        Validity::NotFlown | Validity::Ended => "STATUS:CANCELLED",
    });
    out.line("TRANSP:OPAQUE");
    out.line("END:VEVENT");
}

fn description(papers: &Papers, validity: Validity, segment: &Segment) -> String {
    let Segment { from, to, departs, arrives, .. } = segment;
    let end = |time: &LocalTime, airport: &Airport| {
        let (day, clock) = (words::day(time.local.date()), words::clock(time.local));
        format!("{clock} {} time, {day}, {} {}", airport.city, airport.code, airport.name)
    };
    let mut lines = Vec::new();
    if papers.issuer.demo {
        lines.push("Demo. Nothing here is real: no airline, no seat, no money.".to_owned());
    }
    lines.extend(validity.warning().map(str::to_owned));
    lines.push(format!("Leaves {}", end(departs, from)));
    lines.push(format!("Lands {}", end(arrives, to)));
    let operated = segment.operated_by.as_ref().map(|by| format!(", operated by {}", by.name));
    let flight = format!("{} {}{}", segment.carrier.name, segment.flight(), operated.unwrap_or_default());
    lines.push(format!("{flight}, {}, {}", segment.cabin.name(), words::duration(segment.duration())));
    lines.push(format!("Booking reference {}", papers.reference));
    lines.extend(papers.pnr.as_ref().map(|pnr| format!("Airline reference {pnr}")));
    lines.join("\n").replace('\u{a0}', " ")
}

/// The changes of a zone's clock that matter to these days: the one that was in force before them, and those within.
fn define(out: &mut Lines, name: &str, from: Timestamp, until: Timestamp) {
    let Ok(zone) = TimeZone::get(name) else { return };
    out.line("BEGIN:VTIMEZONE");
    out.line(&format!("TZID:{name}"));
    let before = zone.preceding(from).next();
    let within = zone.following(from).take_while(|change| change.timestamp() <= until);
    let changes: Vec<_> = before.into_iter().chain(within).collect();
    if changes.is_empty() {
        let offset = zone.to_offset(from);
        observance(out, false, "", civil::date(1970, 1, 1).at(0, 0, 0, 0), offset, offset);
    }
    for change in changes {
        let old = zone.to_offset(change.timestamp() - SignedDuration::from_nanos(1));
        let onset = old.to_datetime(change.timestamp());
        observance(out, change.dst().is_dst(), change.abbreviation(), onset, old, change.offset());
    }
    out.line("END:VTIMEZONE");
}

fn observance(
    out: &mut Lines,
    is_summer: bool,
    name: &str,
    onset: civil::DateTime,
    from: Offset,
    to: Offset,
) {
    let kind = if is_summer { "DAYLIGHT" } else { "STANDARD" };
    out.line(&format!("BEGIN:{kind}"));
    out.line(&format!("DTSTART:{}", onset.strftime("%Y%m%dT%H%M%S")));
    out.line(&format!("TZOFFSETFROM:{}", offset(from)));
    out.line(&format!("TZOFFSETTO:{}", offset(to)));
    if !name.is_empty() {
        out.text("TZNAME", name);
    }
    out.line(&format!("END:{kind}"));
}

/// "+0530"; with seconds where a clock of the past had them.
fn offset(offset: Offset) -> String {
    let seconds = offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes, rest) = (seconds.abs() / 3600, seconds.abs() / 60 % 60, seconds.abs() % 60);
    let rest = if rest == 0 { String::new() } else { format!("{rest:02}") };
    format!("{sign}{hours:02}{minutes:02}{rest}")
}

fn utc(at: Timestamp) -> String {
    TimeZone::UTC.to_datetime(at).strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn degrees(micro: i32) -> String {
    let sign = if micro < 0 { "-" } else { "" };
    let micro = micro.unsigned_abs();
    format!("{sign}{}.{:06}", micro / 1_000_000, micro % 1_000_000)
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    /// Folded where it is too long, never inside of a letter.
    fn line(&mut self, text: &str) {
        let mut room = LONGEST_LINE;
        for letter in text.chars() {
            if letter.len_utf8() > room {
                self.0.push_str("\r\n ");
                room = LONGEST_LINE - 1;
            }
            self.0.push(letter);
            room -= letter.len_utf8();
        }
        self.0.push_str("\r\n");
    }

    /// A value in which commas, semicolons and line ends mean nothing.
    fn text(&mut self, name: &str, value: &str) {
        let mut escaped = String::with_capacity(value.len() + 8);
        for letter in value.chars() {
            match letter {
                '\\' | ',' | ';' => escaped.extend(['\\', letter]),
                '\n' => escaped.push_str("\\n"),
                '\u{a0}' => escaped.push(' '),
                letter if letter.is_control() => {}
                letter => escaped.push(letter),
            }
        }
        self.line(&format!("{name}:{escaped}"));
    }

    /// What the clock on the airport's wall shows. Where its zone is not known, the instant.
    fn time(&mut self, name: &str, airport: &Airport, time: &LocalTime) {
        let mut line = String::new();
        let written = if TimeZone::get(&airport.zone).is_ok() {
            write!(line, "{name};TZID={}:{}", airport.zone, time.local.strftime("%Y%m%dT%H%M%S"))
        } else {
            write!(line, "{name}:{}", utc(time.at))
        };
        if written.is_ok() {
            self.line(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use icalendar::parser::{Component, read_calendar, unfold};

    use super::*;
    use crate::{
        airports::Airports, bookings::lifecycle::BookingState, checkout::pages::samples::standing,
        config::Config, itinerary::Slice, papers::Issuer, web::components::samples,
    };

    fn written(flights: &[(&str, &str, &str, &str)]) -> String {
        let airport = |code: &str| Airports::world().airport(code.parse().unwrap()).unwrap();
        let slice = |(from, to, departs, arrives): &(&str, &str, &str, &str)| {
            Slice::try_from(vec![samples::segment(airport(from), airport(to), departs, arrives)]).unwrap()
        };
        let mut standing = standing(BookingState::Confirmed);
        standing.file.booking.offer.slices = flights.iter().map(slice).collect();
        standing.file.booking.sold.clone_from(&standing.file.booking.offer.slices);
        standing.file.booking.pnr = Some("5RT2LP".to_owned());
        let issuer = Issuer::from(&Config::from_vars(|_| None).unwrap());
        Papers::of(&standing, issuer).unwrap().calendar()
    }

    fn value(component: &Component<'_>, name: &str) -> String {
        component.find_prop(name).unwrap_or_else(|| panic!("no {name}")).val.to_string()
    }

    fn civil(text: &str) -> civil::DateTime {
        civil::DateTime::strptime("%Y%m%dT%H%M%S", text).unwrap()
    }

    /// The instant of a wall clock by the calendar's own definition of its zone, as any reader would find it.
    fn instant(calendar: &[Component<'_>], event: &Component<'_>, name: &str) -> Timestamp {
        let property = event.find_prop(name).unwrap();
        let zone = property.params.iter().find(|param| param.key == "TZID").unwrap();
        let zone = zone.val.as_ref().unwrap().to_string();
        let local = civil(property.val.as_ref());
        let mut zones = calendar.iter().filter(|component| component.name == "VTIMEZONE");
        let zone = zones.find(|component| value(component, "TZID") == zone).unwrap();
        let mut changes: Vec<_> = zone
            .components
            .iter()
            .map(|change| (civil(&value(change, "DTSTART")), value(change, "TZOFFSETTO")))
            .collect();
        changes.sort();
        let (_, offset) = changes.into_iter().rfind(|(onset, _)| *onset <= local).unwrap();
        format!("{}{}:{}", local, &offset[..3], &offset[3..5]).parse().unwrap()
    }

    #[test]
    fn wall_clocks_are_right_on_both_sides_of_every_change_of_the_clocks() {
        let flights = [
            // New York springs forward at 07:00 UTC, Lisbon two weeks later at 01:00 UTC.
            ("JFK", "LIS", "2027-03-14T06:30:00Z", "2027-03-14T13:05:00Z"),
            ("LIS", "JFK", "2027-03-28T00:30:00Z", "2027-03-28T08:40:00Z"),
            ("LIS", "JFK", "2027-03-28T01:30:00Z", "2027-03-28T09:40:00Z"),
            // Autumn: the hour that there is twice.
            ("JFK", "LIS", "2027-11-07T05:15:00Z", "2027-11-07T12:00:00Z"),
            // The other half of the world, half hours, and a zone that never changes.
            ("SYD", "DEL", "2027-04-03T15:30:00Z", "2027-04-04T04:15:00Z"),
            ("DEL", "ADL", "2027-10-02T14:00:00Z", "2027-10-03T01:40:00Z"),
            ("HND", "HNL", "2027-04-02T12:15:00Z", "2027-04-02T19:40:00Z"),
        ];
        for flight in flights {
            let text = written(&[flight]);
            let unfolded = unfold(&text);
            let calendar =
                read_calendar(&unfolded).unwrap_or_else(|error| panic!("{error}: {text}")).components;
            let event = calendar.iter().find(|component| component.name == "VEVENT").unwrap();
            assert_eq!(instant(&calendar, event, "DTSTART"), flight.2.parse().unwrap(), "{text}");
            assert_eq!(instant(&calendar, event, "DTEND"), flight.3.parse().unwrap(), "{text}");
        }
    }

    #[test]
    fn lines_are_short_and_values_keep_their_commas() {
        let text = written(&[
            ("LIS", "JFK", "2027-03-12T10:35:00Z", "2027-03-12T18:45:00Z"),
            ("JFK", "LIS", "2027-03-27T00:40:00Z", "2027-03-27T07:20:00Z"),
        ]);
        assert!(text.lines().all(|line| line.trim_end_matches('\r').len() <= LONGEST_LINE), "{text}");
        assert_eq!(text.matches("\r\n").count(), text.matches('\n').count());
        let unfolded = unfold(&text);
        let calendar = read_calendar(&unfolded).unwrap().components;
        let events: Vec<_> = calendar.iter().filter(|component| component.name == "VEVENT").collect();
        assert_eq!(events.len(), 2);
        assert_ne!(value(events[0], "UID"), value(events[1], "UID"));
        let location = value(events[0], "LOCATION");
        assert!(location.starts_with("Lisbon LIS\\, ") || location.starts_with("Lisbon LIS, "), "{location}");
        assert!(unfolded.contains("Booking reference K7WQ4M\\nAirline reference 5RT2LP"), "{unfolded}");
    }

    #[test]
    fn a_zone_that_nobody_knows_leaves_the_instant() {
        let known = Airports::world().airport("LIS".parse().unwrap()).unwrap();
        let lost = Airport { zone: "Mars/Olympus".to_owned(), ..known.clone() };
        let time = LocalTime::new("2027-03-12T10:35:00Z".parse().unwrap(), &TimeZone::UTC);
        let mut out = Lines::default();
        out.time("DTSTART", &lost, &time);
        define(&mut out, &lost.zone, time.at, time.at);
        assert_eq!(out.0, "DTSTART:20270312T103500Z\r\n");
    }
}
