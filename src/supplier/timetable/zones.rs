//! Wall clocks in whole minutes. The engine turns thousands of local times into instants per search; the offers that come
//! out of it are computed by jiff itself, and a test holds the two together.

use jiff::{
    Timestamp,
    tz::{Offset, TimeZone},
};

/// Changes of a zone's offset in the years that can be sold.
pub(super) struct ZoneRules {
    first_offset: i32,
    changes: Vec<Change>,
}

struct Change {
    /// UTC minute from which the offset holds.
    at: i64,
    /// Local minute from which it holds: in the gap and in the doubled hour the offset before still does.
    local: i64,
    offset: i32,
}

impl ZoneRules {
    /// From 2024 to 2045: nothing before or after is ever for sale.
    pub(super) fn load(zone: &str) -> Self {
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
        let start = Timestamp::from_second(1_704_067_200).unwrap_or(Timestamp::MIN);
        let first_offset = minutes(zone.to_offset(start));
        let mut before = first_offset;
        let mut changes = Vec::new();
        for transition in zone.following(start) {
            let at = transition.timestamp().as_second().div_euclid(60);
            if at > 39_450_000 {
                break;
            }
            let offset = minutes(transition.offset());
            if offset != before {
                changes.push(Change { at, local: at + i64::from(offset.max(before)), offset });
                before = offset;
            }
        }
        Self { first_offset, changes }
    }

    /// UTC minute of a local minute. What the clock skips is read an hour later, what it shows twice is the first time.
    pub(super) fn to_utc(&self, local: i64) -> i64 {
        let changes = self.changes.partition_point(|change| change.local <= local);
        local - i64::from(self.offset_after(changes))
    }

    /// The offset of a whole local day (since 1970), if nothing changes within it or beside it.
    pub(super) fn offset_on(&self, day: i32) -> Option<i64> {
        let midnight = i64::from(day) * 1_440;
        let changes = |local: i64| self.changes.partition_point(|change| change.local <= local);
        let before = changes(midnight - 120);
        (before == changes(midnight + 1_560)).then(|| i64::from(self.offset_after(before)))
    }

    pub(super) fn to_local(&self, utc: i64) -> i64 {
        let changes = self.changes.partition_point(|change| change.at <= utc);
        utc + i64::from(self.offset_after(changes))
    }

    fn offset_after(&self, changes: usize) -> i32 {
        changes.checked_sub(1).map_or(self.first_offset, |last| self.changes[last].offset)
    }
}

fn minutes(offset: Offset) -> i32 {
    offset.seconds().div_euclid(60)
}

#[cfg(test)]
mod tests {
    use jiff::{civil, tz::Disambiguation};

    use super::*;

    #[test]
    fn local_times_around_every_change_of_the_clock_agree_with_jiff() {
        for name in [
            "Europe/Lisbon",
            "America/New_York",
            "Australia/Lord_Howe",
            "Asia/Kathmandu",
            "Africa/Casablanca",
            "America/St_Johns",
        ] {
            let rules = ZoneRules::load(name);
            let zone = TimeZone::get(name).unwrap();
            for date in [
                (2027, 3, 14),
                (2027, 3, 28),
                (2026, 10, 25),
                (2026, 11, 1),
                (2027, 4, 4),
                (2026, 10, 4),
                (2027, 7, 1),
            ] {
                let midnight = civil::date(date.0, date.1, date.2).at(0, 0, 0, 0);
                let day = midnight.duration_since(civil::date(1970, 1, 1).at(0, 0, 0, 0)).as_mins();
                for minute in (-120..1_560).step_by(5) {
                    let local = midnight + jiff::SignedDuration::from_mins(minute);
                    let exact = zone
                        .to_ambiguous_zoned(local)
                        .disambiguate(Disambiguation::Compatible)
                        .unwrap()
                        .timestamp()
                        .as_second()
                        / 60;
                    assert_eq!(rules.to_utc(day + minute), exact, "{name} {local}");
                    let back = zone.to_datetime(Timestamp::from_second(exact * 60).unwrap());
                    let back = back.duration_since(civil::date(1970, 1, 1).at(0, 0, 0, 0)).as_mins();
                    assert_eq!(rules.to_local(exact), back, "{name} {local}");
                }
            }
        }
    }
}
