//! A month of a search: which one, and for a return how long the stay is, the same from every day.

use jiff::{Span, civil::Date};

use crate::{
    error::{AppError, FieldErrors},
    itinerary::SearchQuery,
    search::{
        form::DAYS_AHEAD,
        prices::{Lowest, Prices},
    },
};

/// Longer stays are not looked for by the month.
const MOST_NIGHTS: i32 = 90;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Month {
    pub first: Date,
    /// Of a return.
    pub nights: Option<i32>,
    /// The search as on the first of the month.
    query: SearchQuery,
}

impl Month {
    /// What does not fit counts as not sent, and has a message.
    pub fn read(
        errors: &mut FieldErrors,
        (month, nights): (&str, &str),
        query: &SearchQuery,
        today: Date,
    ) -> Self {
        let leave = query.slices.first().map_or(today, |slice| slice.date);
        let month = match month.trim() {
            "" => leave.first_of_month(),
            typed => read_month(typed).filter(|first| is_sold(*first, today)).unwrap_or_else(|| {
                errors.add("month", "A month in which airlines sell, like 2027-03");
                leave.first_of_month()
            }),
        };
        let typed = nights.trim();
        let nights = query.slices.get(1).map(|back| {
            let asked = i32::try_from(back.date.duration_since(leave).as_hours() / 24).unwrap_or(0);
            match typed {
                "" => asked.min(MOST_NIGHTS),
                typed => read_nights(typed).unwrap_or_else(|| {
                    errors.add("nights", format!("A number of nights from 0 to {MOST_NIGHTS}"));
                    asked.min(MOST_NIGHTS)
                }),
            }
        });
        if nights.is_none() && !typed.is_empty() {
            errors.add("nights", "Nights are those of a return: leave this empty for one way");
        }
        let mut query = query.clone();
        for (slice, days) in query.slices.iter_mut().zip([0, nights.unwrap_or(0)]) {
            slice.date = month.saturating_add(Span::new().days(days));
        }
        Self { first: month, nights, query }
    }

    pub fn days(&self) -> i32 {
        i32::from(self.first.days_in_month())
    }

    /// The search that this day begins.
    pub fn on(&self, by: i32) -> (Date, Option<Date>) {
        let leave = self.first.saturating_add(Span::new().days(by));
        (leave, self.nights.map(|nights| leave.saturating_add(Span::new().days(nights))))
    }

    /// Whether airlines sell that day's search already, and still.
    pub fn is_sold(&self, by: i32, today: Date) -> bool {
        let (leave, back) = self.on(by);
        leave >= today && back.unwrap_or(leave) <= last_day(today)
    }

    /// The months before and after in which anything is sold.
    pub fn neighbours(&self, today: Date) -> [Option<Date>; 2] {
        [-1, 1].map(|by| {
            let first = self.first.checked_add(Span::new().months(by)).ok()?;
            is_sold(first, today).then_some(first)
        })
    }

    pub async fn prices(&self, prices: &Prices) -> Result<Lowest, AppError> {
        prices.around(&self.query, 0..=self.days() - 1).await
    }
}

pub fn last_day(today: Date) -> Date {
    today.saturating_add(Span::new().days(DAYS_AHEAD))
}

fn is_sold(first: Date, today: Date) -> bool {
    (today.first_of_month()..=last_day(today)).contains(&first)
}

fn read_month(typed: &str) -> Option<Date> {
    let (year, month) = typed.split_once('-')?;
    let digits = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(year, 4) || !digits(month, 2) {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()
}

fn read_nights(typed: &str) -> Option<i32> {
    let is_number = typed.len() <= 3 && typed.bytes().all(|b| b.is_ascii_digit());
    let nights: i32 = if is_number { typed.parse().ok()? } else { return None };
    (0..=MOST_NIGHTS).contains(&nights).then_some(nights)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::itinerary::{Cabin, Party, SliceQuery};

    const TODAY: Date = date(2026, 11, 22);

    fn query(dates: &[Date]) -> SearchQuery {
        let [from, to] = ["LIS", "JFK"].map(|code| code.parse().unwrap());
        let slices = dates.iter().map(|date| SliceQuery { from, to, date: *date });
        let party = Party::new(1, 0, 0).unwrap();
        SearchQuery { slices: slices.collect(), party, cabin: Cabin::Economy }
    }

    fn read(month: &str, nights: &str) -> (Month, Vec<String>) {
        let mut errors = FieldErrors::default();
        let query = query(&[date(2027, 3, 12), date(2027, 3, 26)]);
        let month = Month::read(&mut errors, (month, nights), &query, TODAY);
        (month, errors.iter().map(|(field, _)| field.to_owned()).collect())
    }

    #[test]
    fn the_month_is_that_of_the_search_unless_another_is_named() {
        let (usual, wrong) = read("", "");
        assert_eq!((usual.first, usual.nights, wrong.len()), (date(2027, 3, 1), Some(14), 0));
        assert_eq!(usual.on(30), (date(2027, 3, 31), Some(date(2027, 4, 14))));
        let (other, wrong) = read("2027-02", "3");
        assert_eq!(
            (other.first, other.nights, other.days(), wrong.len()),
            (date(2027, 2, 1), Some(3), 28, 0)
        );
        assert_eq!(other.query.slices[1].date, date(2027, 2, 4));
        let mut errors = FieldErrors::default();
        let one_way = Month::read(&mut errors, ("", "7"), &query(&[date(2027, 3, 12)]), TODAY);
        assert_eq!((one_way.nights, errors.get("nights").is_some()), (None, true));
    }

    #[test]
    fn months_and_nights_that_do_not_fit_have_a_message() {
        for month in [
            "2026-10",
            "2027-11",
            "2027-13",
            "2027-00",
            "march",
            "2027-3",
            "-001-03",
            "2027-03-01",
            "\u{fffd}",
        ] {
            assert_eq!(read(month, "").1, ["month"], "{month}");
        }
        for nights in ["-1", "91", "many", "1.5", "99999999999999999999"] {
            assert_eq!(read("", nights).1, ["nights"], "{nights}");
        }
    }

    #[test]
    fn one_goes_back_to_this_month_and_on_to_the_last_that_is_sold() {
        assert_eq!(read("2026-11", "").0.neighbours(TODAY), [None, Some(date(2026, 12, 1))]);
        assert_eq!(read("2027-10", "").0.neighbours(TODAY), [Some(date(2027, 9, 1)), None]);
        let (first, _) = read("2026-11", "14");
        assert!(!first.is_sold(20, TODAY) && first.is_sold(21, TODAY));
        let (last, _) = read("2027-10", "14");
        assert!(last.is_sold(3, TODAY) && !last.is_sold(4, TODAY), "the way back counts as well");
    }
}
