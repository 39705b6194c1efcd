//! The pairs of dates around a return's own: every day there with every day back.

use jiff::{Span, civil::Date};

use crate::{
    error::AppError,
    itinerary::SearchQuery,
    search::{
        month::last_day,
        prices::{AROUND, Lowest, Pair, Prices},
    },
};

/// Whether anybody could sell a pair of dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Sold,
    /// The first date has passed, or the last is too far ahead.
    NotSold,
    BackBeforeLeaving,
}

pub struct Pairs<'a> {
    query: &'a SearchQuery,
    leave: Date,
    back: Date,
    today: Date,
}

impl<'a> Pairs<'a> {
    /// Nothing, where there is no way back.
    pub fn of(query: &'a SearchQuery, today: Date) -> Option<Self> {
        let [out, back] = query.slices.as_slice() else { return None };
        Some(Self { query, leave: out.date, back: back.date, today })
    }

    pub fn dates(&self, (out, back): Pair) -> (Date, Date) {
        let moved = |date: Date, by| date.saturating_add(Span::new().days(by));
        (moved(self.leave, out), moved(self.back, back))
    }

    pub fn standing(&self, pair: Pair) -> Standing {
        let (leave, back) = self.dates(pair);
        if back < leave {
            Standing::BackBeforeLeaving
        } else if leave < self.today || back > last_day(self.today) {
            Standing::NotSold
        } else {
            Standing::Sold
        }
    }

    /// Of each pair, and of none that nobody sells.
    pub async fn prices(&self, prices: &Prices) -> Result<Lowest<Pair>, AppError> {
        let mut lowest = prices.pairs(self.query, AROUND).await?;
        for (pair, total) in &mut lowest.days {
            *total = total.filter(|_| self.standing(*pair) == Standing::Sold);
        }
        Ok(lowest)
    }
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
        SearchQuery { slices: slices.collect(), party: Party::new(1, 0, 0).unwrap(), cabin: Cabin::Economy }
    }

    #[test]
    fn a_pair_is_sold_from_today_until_the_last_day_and_never_backwards() {
        use Standing::{BackBeforeLeaving, NotSold, Sold};
        let first = query(&[TODAY, date(2026, 11, 23)]);
        let pairs = Pairs::of(&first, TODAY).unwrap();
        for (pair, standing) in [
            ((0, 0), Sold),
            ((1, 0), Sold),
            ((2, 0), BackBeforeLeaving),
            ((-1, 0), NotSold),
            ((-3, -3), NotSold),
            ((3, 3), Sold),
        ] {
            assert_eq!(pairs.standing(pair), standing, "{pair:?}");
        }
        let last = last_day(TODAY);
        let end = query(&[date(2027, 10, 1), last]);
        let pairs = Pairs::of(&end, TODAY).unwrap();
        assert_eq!((pairs.standing((3, 0)), pairs.standing((0, 1))), (Sold, NotSold));
        assert_eq!(pairs.dates((-1, 2)), (date(2027, 9, 30), last.saturating_add(Span::new().days(2))));
    }

    #[test]
    fn without_a_way_back_there_are_no_pairs() {
        assert!(Pairs::of(&query(&[TODAY]), TODAY).is_none());
        assert!(Pairs::of(&query(&[TODAY; 3]), TODAY).is_none());
    }
}
