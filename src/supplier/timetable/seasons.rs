//! The two seasons of timetables, the same all over the world: summer begins on the last Sunday of March, winter on the last of
//! October. Most flights are flown in both; some routes to the sun only in the summer of their hemisphere.

use super::{
    network::Node,
    price::{APRIL, OCTOBER, month},
};

/// Whether, and when, a route is flown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Season {
    AllYear,
    /// Of the northern timetable.
    Summer,
    Winter,
}

/// Of a week in summer bits 0 (Monday) to 6, of a week in winter bits 7 to 13.
const WEEK: u32 = 7;

/// Days of the week as the days of a timetable year.
pub(super) fn flown(days: u8, season: Season) -> u16 {
    let days = u16::from(days);
    match season {
        Season::AllYear => days | days << WEEK,
        Season::Summer => days,
        Season::Winter => days << WEEK,
    }
}

/// The bit of a day. 1 January 1970 was a Thursday.
pub(super) fn bit(day: i32) -> u16 {
    let weekday = 1 << (day + 3).rem_euclid(7);
    if is_summer(day) { weekday } else { weekday << WEEK }
}

/// Up to the Sunday that begins the other season, the Sunday after a day lies in the same season's months.
fn is_summer(day: i32) -> bool {
    let next_sunday = day + 7 - (day + 4).rem_euclid(7);
    (APRIL..=OCTOBER).contains(&month(next_sunday))
}

/// Days of a week in summer, and of one in winter.
pub(super) fn weekly_flights(days: u16) -> (u32, u32) {
    let summer = days & ((1 << WEEK) - 1);
    (summer.count_ones(), (days >> WEEK).count_ones())
}

/// Best of all routes an airport keeps this many all year round.
const ALWAYS: usize = 2;
/// Of the others, every so many that lead to the sun.
const EVERY: u64 = 2;
/// Degrees that the sun's end lies nearer to the equator, and where it still is warm.
const TOWARDS_THE_SUN: i32 = 8;
const WARM: i32 = 45;

/// The season of a route from a smaller airport to a hub; `rank` is its place among the airport's routes.
pub(super) fn season_of(rank: usize, airport: &Node, hub: &Node) -> Season {
    let leads_to_the_sun = airport.lat.abs() <= WARM && hub.lat.abs() >= airport.lat.abs() + TOWARDS_THE_SUN;
    if rank < ALWAYS || !leads_to_the_sun || !(airport.hash ^ hub.hash).is_multiple_of(EVERY) {
        return Season::AllYear;
    }
    if airport.lat >= 0 { Season::Summer } else { Season::Winter }
}

#[cfg(test)]
mod tests {
    use jiff::{Span, civil};

    use super::*;

    #[test]
    fn seasons_change_on_the_last_sundays_of_march_and_october() {
        let epoch = civil::date(1970, 1, 1);
        let last_sunday = |year: i16, month: i8| {
            let last = civil::date(year, month, 31);
            last - Span::new().days(i64::from(last.weekday().to_sunday_zero_offset()))
        };
        for day in 18_000..40_000 {
            let date = epoch + Span::new().days(day);
            let (begins, ends) = (last_sunday(date.year(), 3), last_sunday(date.year(), 10));
            assert_eq!(is_summer(day), (begins..ends).contains(&date), "{date}");
            let weekday = 1_u16 << date.weekday().to_monday_zero_offset();
            assert_eq!(bit(day), if is_summer(day) { weekday } else { weekday << 7 });
        }
    }

    #[test]
    fn a_flight_of_one_season_has_no_day_in_the_other() {
        let days = 0b010_0101;
        assert_eq!(flown(days, Season::AllYear), flown(days, Season::Summer) | flown(days, Season::Winter));
        assert_eq!(flown(days, Season::Summer) & flown(days, Season::Winter), 0);
        assert_eq!(weekly_flights(flown(days, Season::Winter)), (0, 3));
    }
}
