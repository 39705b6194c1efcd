//! Times, spans and amounts as this house writes them.

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

use crate::{
    itinerary::{LocalTime, Slice},
    money::Money,
};

/// "10:35".
pub fn clock(at: civil::DateTime) -> String {
    at.strftime("%H:%M").to_string()
}

/// "Fri 12 Mar".
pub fn day(date: civil::Date) -> String {
    date.strftime("%a %-d %b").to_string()
}

/// "Fri 12 Mar 2027".
pub fn day_and_year(date: civil::Date) -> String {
    date.strftime("%a %-d %b %Y").to_string()
}

/// "3 May 2018": a day on which nobody travels needs no weekday.
pub fn date(date: civil::Date) -> String {
    date.strftime("%-d %b %Y").to_string()
}

/// "22 Nov 16:41", in the zone of the place that the page talks about; UTC where the zone is unknown.
pub fn moment(at: Timestamp, zone: &str) -> String {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    zone.to_datetime(at).strftime("%-d %b %H:%M").to_string()
}

/// "17:32", likewise.
pub fn moment_clock(at: Timestamp, zone: &str) -> String {
    clock(TimeZone::get(zone).unwrap_or(TimeZone::UTC).to_datetime(at))
}

/// "8 h 10", kept together; "45 min" below an hour.
pub fn duration(span: SignedDuration) -> String {
    let minutes = span.as_mins().max(0);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes}\u{a0}min"),
        (hours, minutes) => format!("{hours}\u{a0}h\u{a0}{minutes:02}"),
    }
}

/// "seen 4 min ago".
pub fn seen(at: Timestamp, now: Timestamp) -> String {
    let age = now.duration_since(at);
    match age.as_mins() {
        ..1 => "seen just now".to_owned(),
        1..60 => format!("seen {}\u{a0}min ago", age.as_mins()),
        _ => format!("seen {}\u{a0}h ago", age.as_hours()),
    }
}

/// "EUR 90" for whole amounts, "EUR 90.50" for others: for conditions, where cents are noise.
pub fn round(money: Money) -> String {
    let text = money.to_string();
    match text.rsplit_once('.') {
        Some((whole, part)) if part.bytes().all(|digit| digit == b'0') => whole.to_owned(),
        _ => text,
    }
}

/// "573" for 572.01: without currency and cents, and never less than it is.
pub fn whole(money: Money) -> String {
    let unit = 10_i64.pow(money.currency.decimals());
    thousands(money.minor.div_euclid(unit) + i64::from(money.minor.rem_euclid(unit) > 0))
}

/// "4,406".
pub fn thousands(number: impl std::fmt::Display) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Control characters and line breaks become spaces, runs of spaces one.
pub fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// How long to wait before trying again.
pub fn wait(seconds: u32) -> String {
    match seconds {
        ..=90 => plural(usize::try_from(seconds.max(1)).unwrap_or(90), "second", "seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

pub fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// "direct", "1 stop".
pub fn stops(slice: &Slice) -> String {
    match slice.stops() {
        0 => "direct".to_owned(),
        stops => plural(stops, "stop", "stops"),
    }
}

/// The `datetime` attribute: the wall clock with its offset from UTC.
pub fn machine(time: &LocalTime) -> String {
    let wall = TimeZone::UTC.to_timestamp(time.local).unwrap_or(time.at);
    let offset = wall.duration_since(time.at).as_mins();
    let sign = if offset < 0 { '-' } else { '+' };
    let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
    format!("{}{sign}{hours:02}:{minutes:02}", time.local.strftime("%Y-%m-%dT%H:%M"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;

    #[test]
    fn spans_and_ages_read_as_people_say_them() {
        assert_eq!(duration(SignedDuration::from_mins(490)), "8\u{a0}h\u{a0}10");
        assert_eq!(duration(SignedDuration::from_mins(125)), "2\u{a0}h\u{a0}05");
        assert_eq!(duration(SignedDuration::from_mins(45)), "45\u{a0}min");
        assert_eq!(duration(SignedDuration::from_mins(-5)), "0\u{a0}min");
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        assert_eq!(seen(now, now), "seen just now");
        assert_eq!(seen(now - SignedDuration::from_secs(299), now), "seen 4\u{a0}min ago");
        assert_eq!(seen(now - SignedDuration::from_hours(3), now), "seen 3\u{a0}h ago");
        assert_eq!(seen(now + SignedDuration::from_hours(3), now), "seen just now");
    }

    #[test]
    fn whole_amounts_lose_their_zeros_and_others_keep_their_cents() {
        assert_eq!(round(Money::new(9_000, Currency::Eur)), "EUR\u{a0}90");
        assert_eq!(round(Money::new(9_050, Currency::Eur)), "EUR\u{a0}90.50");
        assert_eq!(round(Money::new(9_000, Currency::Jpy)), "JPY\u{a0}9,000");
        assert_eq!(round(Money::new(9_000, Currency::Bhd)), "BHD\u{a0}9");
    }

    #[test]
    fn a_whole_amount_is_never_less_than_the_exact_one() {
        for (minor, currency, text) in [
            (38_900, Currency::Eur, "389"),
            (38_901, Currency::Eur, "390"),
            (112_599, Currency::Eur, "1,126"),
            (9_000, Currency::Jpy, "9,000"),
            (9_001, Currency::Bhd, "10"),
        ] {
            assert_eq!(whole(Money::new(minor, currency)), text);
        }
    }

    #[test]
    fn large_numbers_are_grouped() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1_005, "1,005"), (12_508, "12,508"), (1_000_000, "1,000,000")]
        {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn the_machine_readable_time_has_the_offset_of_the_place() {
        let at: Timestamp = "2027-03-12T18:45:00Z".parse().unwrap();
        for (zone, text) in [
            ("America/New_York", "2027-03-12T13:45-05:00"),
            ("Asia/Kolkata", "2027-03-13T00:15+05:30"),
            ("UTC", "2027-03-12T18:45+00:00"),
        ] {
            assert_eq!(machine(&LocalTime::new(at, &TimeZone::get(zone).unwrap())), text);
        }
    }
}
