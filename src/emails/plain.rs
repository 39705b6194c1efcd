//! Plain text that reads well in 76 columns, set like a timetable: names left, values in a column of their own.

use crate::{
    emails::{
        facts::Fact,
        parts::{legs, way},
    },
    itinerary::{Airport, LocalTime, Slice},
    money::Money,
    web::components::{direction, words},
};

pub(super) const WIDTH: usize = 76;
/// Where values begin.
const COLUMN: usize = 20;

pub(super) use crate::web::components::words::one_line;

/// A rendered template as it goes out: long lines wrapped, never more than one empty line, one line end at the end.
pub(super) fn set(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        let indent = line.len() - line.trim_start().len();
        let is_second_gap = line.is_empty() && lines.last().is_none_or(String::is_empty);
        if !is_second_gap {
            lines.extend(wrapped(line.trim_start(), indent, indent));
        }
    }
    let mut set = lines.join("\n").trim_end().to_owned();
    set.push('\n');
    set
}

/// Breaks at spaces only, so that no-break spaces and addresses hold together.
fn wrapped(text: &str, first_indent: usize, indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = " ".repeat(first_indent);
    let mut is_fresh = true;
    for word in text.split(' ') {
        let needed = line.chars().count() + usize::from(!is_fresh) + word.chars().count();
        if !is_fresh && needed > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            is_fresh = true;
        }
        if !is_fresh {
            line.push(' ');
        }
        line.push_str(word);
        is_fresh = false;
    }
    lines.push(line.trim_end().to_owned());
    lines
}

pub(super) fn rule() -> String {
    "-".repeat(WIDTH)
}

pub(super) fn facts(facts: &[Fact]) -> String {
    let mut lines = Vec::new();
    for fact in facts {
        for (place, value) in fact.lines.iter().enumerate() {
            let label = if place == 0 { fact.label.as_ref() } else { "" };
            let mut set = wrapped(value, COLUMN, COLUMN);
            if let Some(first) = set.first_mut() {
                *first = format!("{label:<COLUMN$}{}", first.trim_start_matches(' '));
            }
            lines.extend(set);
        }
    }
    lines.join("\n")
}

pub(super) fn slices(slices: &[Slice]) -> String {
    let told: Vec<String> =
        slices.iter().enumerate().map(|(place, slice)| one_slice(slice, &direction(place, slices))).collect();
    told.join("\n\n")
}

fn one_slice(slice: &Slice, direction: &str) -> String {
    let (first, last) = (slice.first(), slice.last());
    let leaves = first.departs.local.date();
    let stop = |time: &LocalTime, airport: &Airport| {
        let date = time.local.date();
        let on = if date == leaves { String::new() } else { format!(", {}", words::day(date)) };
        format!("  {}  {} {}, {}{on}", words::clock(time.local), airport.code, airport.city, airport.name)
    };
    let mut lines = vec![
        format!("{direction}, {}", words::day_and_year(leaves)),
        stop(&first.departs, &first.from),
        stop(&last.arrives, &last.to),
    ];
    lines.extend(wrapped(&way(slice), 2, 2));
    lines.extend(legs(slice).iter().flat_map(|leg| wrapped(leg, 2, 4)));
    lines.join("\n")
}

/// Amounts end in one column, so that the eye can add them up.
pub(super) fn prices(lines: &[(String, Money)], total: &Money) -> String {
    let total_line = ("Total, all taxes included".to_owned(), *total);
    let all = || lines.iter().chain(std::iter::once(&total_line));
    let widest = |texts: &mut dyn Iterator<Item = String>| {
        texts.map(|text| text.chars().count()).max().unwrap_or_default()
    };
    let names = widest(&mut all().map(|(name, _)| name.clone())).min(50);
    let amounts = widest(&mut all().map(|(_, amount)| amount.to_string()));
    let set: Vec<String> =
        all().map(|(name, amount)| format!("{name:<names$}   {:>amounts$}", amount.to_string())).collect();
    let (sum, parts) = set.split_last().map_or(("", &[][..]), |(sum, parts)| (sum.as_str(), parts));
    format!("{}\n{}\n{sum}", parts.join("\n"), "-".repeat(names + 3 + amounts))
}
