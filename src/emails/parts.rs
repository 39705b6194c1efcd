//! The pieces of an HTML mail: rows of the one column that every mail is. Tables, because mail programs lay out no
//! better; styles from `look`.

use maud::{Markup, html};

use crate::{
    emails::{facts::Fact, look},
    ids::BookingReference,
    itinerary::{Airport, LocalTime, Segment, Slice},
    money::Money,
    web::components::{Fragment, direction, way_in_words, words},
};

/// The orange stub of a confirmed booking, and of no other.
pub(super) fn stub(reference: &BookingReference) -> Fragment {
    html! {
        tr { td.k bgcolor=(look::SIGNAL) style=(look::STUB) {
            "Booking reference" br;
            span style=(look::REFERENCE) { (reference) }
        } }
    }
    .into()
}

pub(super) fn slices(slices: &[Slice]) -> Fragment {
    html! {
        tr { td.s bgcolor=(look::SHEET) style=(look::SHEET_CELL) {
            @for (place, slice) in slices.iter().enumerate() { (one_slice(slice, &direction(place, slices), place)) }
        } }
    }
    .into()
}

fn one_slice(slice: &Slice, direction: &str, place: usize) -> Markup {
    let (first, last) = (slice.first(), slice.last());
    let leaves = first.departs.local.date();
    let day = if place == 0 { look::DAY } else { look::DAY_AFTER };
    html! {
        table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" {
            tr { td.m colspan="3" style=(day) { (direction) ", " (words::day_and_year(leaves)) } }
            tr {
                td.i width="96" valign="top" style=(look::END) { (end(&first.departs, &first.from, false)) }
                td valign="top" style=(look::BETWEEN) { div.l style=(look::LINE) { "\u{a0}" } }
                td.i width="96" valign="top" style=(look::END) {
                    (end(&last.arrives, &last.to, last.arrives.local.date() != leaves))
                }
            }
            tr { td.m colspan="3" style=(look::WAY) { (way(slice)) } }
            @for leg in legs(slice) { tr { td.i colspan="3" style=(look::LEG) { (leg) } } }
        }
    }
}

fn end(time: &LocalTime, airport: &Airport, other_day: bool) -> Markup {
    html! {
        strong style=(look::TIME) { (words::clock(time.local)) } br;
        (airport.code) " " (airport.city)
        @if other_day { br; strong { (words::day(time.local.date())) } }
    }
}

/// "8 h 10, direct. Halcyon Air HX 118."
pub(super) fn way(slice: &Slice) -> String {
    match slice.segments() {
        [segment] => format!("{}. {}.", way_in_words(slice), flight(segment)),
        _ => format!("{}.", way_in_words(slice)),
    }
}

/// "20:40 JFK to 06:30 KEF on Sat 27 Mar, Norrland NO 602": where there is more than one segment, each by itself.
pub(super) fn legs(slice: &Slice) -> Vec<String> {
    if slice.stops() == 0 {
        return Vec::new();
    }
    let mut day = slice.first().departs.local.date();
    let mut stop = |time: &LocalTime, airport: &Airport| {
        let date = time.local.date();
        let on = if date == day { String::new() } else { format!(" on {}", words::day(date)) };
        day = date;
        format!("{} {}{on}", words::clock(time.local), airport.code)
    };
    let segments = slice.segments().iter();
    segments
        .map(|segment| {
            let (from, to) = (stop(&segment.departs, &segment.from), stop(&segment.arrives, &segment.to));
            format!("{from} to {to}, {}", flight(segment))
        })
        .collect()
}

fn flight(segment: &Segment) -> String {
    let by = segment.operated_by.as_ref().map(|by| format!(", operated by {}", by.name));
    format!("{} {}{}", segment.carrier.name, segment.flight(), by.unwrap_or_default())
}

pub(super) fn facts(facts: &[Fact]) -> Fragment {
    html! {
        tr { td style=(look::BLOCK) {
            table width="100%" cellpadding="0" cellspacing="0" border="0" style=(look::TABLE) {
                @for fact in facts { tr {
                    th.m.r scope="row" align="left" width="130" valign="top" style=(look::LABEL) { (fact.label) }
                    td.i.r valign="top" style=(look::VALUE) {
                        @for (place, line) in fact.lines.iter().enumerate() { @if place > 0 { br; } (line) }
                    }
                } }
            }
        } }
    }
    .into()
}

pub(super) fn prices(lines: &[(String, Money)], total: &Money) -> Fragment {
    html! {
        tr { td style=(look::BLOCK) {
            h2.i style=(look::HEADING) { "Price" }
            table width="100%" cellpadding="0" cellspacing="0" border="0" style=(look::TABLE) {
                @for (name, amount) in lines { tr {
                    th.m.r scope="row" align="left" valign="top" style=(look::LABEL) { (name) }
                    td.i.r align="right" valign="top" style=(look::AMOUNT) { (amount) }
                } }
                tr {
                    th.i.l scope="row" align="left" style=(look::TOTAL) { "Total, all taxes included" }
                    td.i.l align="right" style=(look::TOTAL_AMOUNT) { (total) }
                }
            }
        } }
    }
    .into()
}

/// The one thing to do. The address must be absolute.
pub(super) fn button(href: &str, word: &str) -> Fragment {
    html! {
        tr { td style=(look::BLOCK) {
            table role="presentation" cellpadding="0" cellspacing="0" border="0" { tr {
                td.k bgcolor=(look::SIGNAL) style=(look::BUTTON_CELL) { a.k href=(href) style=(look::BUTTON) { (word) } }
            } }
        } }
    }
    .into()
}

pub(super) fn space() -> Fragment {
    html! { tr { td height="24" style="font-size:0;line-height:24px" { "\u{a0}" } } }.into()
}
