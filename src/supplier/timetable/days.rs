//! The lowest total of each of many days: the calendar's ways, with the seats that the books have left. Where those of the
//! cheapest way are gone, that day is searched whole.

use std::ops::RangeInclusive;

use jiff::{Span, Timestamp};

use super::{
    Timetable, calendar,
    offers::{self, Found},
    search::BETWEEN_SLICES_MINUTES,
    seats::{Books, Line},
    ways::{Market, Priced},
};
use crate::{
    itinerary::{SearchQuery, SliceQuery},
    money::Money,
    supplier::SupplierError,
};

/// The cheapest way of each slice, and its flights.
type Day = Vec<(Priced, Vec<Found>)>;

impl Timetable {
    pub(super) async fn lowest_of_days(
        &self,
        query: &SearchQuery,
        moves: RangeInclusive<i32>,
    ) -> Result<Vec<Option<Money>>, SupplierError> {
        let now = self.clock.now();
        let days = self.cheapest_ways(query, moves.clone(), now);
        let all = days.iter().flatten().flatten().flat_map(|(_, found)| found.iter().copied());
        let books = self.look_up(&all.collect::<Vec<_>>(), now).await?;
        let mut totals = Vec::with_capacity(days.len());
        for (by, day) in moves.zip(days) {
            totals.push(match day {
                None => None,
                Some(day) if fits(&day) && day.iter().all(|(_, found)| has_room(found, &books, query)) => {
                    let slices = day.iter().map(|(_, found)| {
                        found.iter().map(|found| self.segment_key(found, &books)).collect()
                    });
                    let key = self.lowest_key(query, slices.collect(), now);
                    offers::offer(self.world, &key).map(|offer| offer.total)
                }
                Some(_) => {
                    let found = self.find_offers(&moved(query, by)).await?;
                    found.into_iter().map(|offer| offer.total).min_by_key(|total| total.minor)
                }
            });
        }
        Ok(totals)
    }

    fn cheapest_ways(
        &self,
        query: &SearchQuery,
        moves: RangeInclusive<i32>,
        now: Timestamp,
    ) -> Vec<Option<Day>> {
        let market = Market::new(self.world, &self.switches, query, now);
        let of_slice = |slice| cheapest_of_days(&market, slice, moves.clone()).into_iter();
        let mut slices: Vec<_> = query.slices.iter().map(of_slice).collect();
        let with_flights = |priced: Priced| {
            let found = self.found(&priced.legs, query);
            (priced, found)
        };
        moves
            .clone()
            .map(|_| {
                // Each slice gives its next day, whether or not the others have something on theirs.
                let day: Vec<Option<Priced>> = slices.iter_mut().map(|days| days.next().flatten()).collect();
                day.into_iter().map(|priced| priced.map(with_flights)).collect()
            })
            .collect()
    }
}

/// The cheapest way of a slice on each of its days.
pub(super) fn cheapest_of_days(
    market: &Market<'_>,
    slice: &SliceQuery,
    moves: RangeInclusive<i32>,
) -> Vec<Option<Priced>> {
    let day = offers::day_of(slice.date);
    let (from, to) = (market.places(slice.from), market.places(slice.to));
    calendar::cheapest(market, [&from, &to], day + moves.start()..=day + moves.end())
}

/// Whether each slice leaves after the one before has landed.
fn fits(day: &Day) -> bool {
    day.windows(2).all(|pair| follows(&pair[0].0, &pair[1].0))
}

pub(super) fn follows(before: &Priced, after: &Priced) -> bool {
    after.merit.departs >= before.merit.arrives + BETWEEN_SLICES_MINUTES
}

pub(super) fn has_room(way: &[Found], books: &Books, query: &SearchQuery) -> bool {
    let seats = u16::from(query.party.seats());
    way.iter().all(|found| {
        let taken = books.of(&Line::of(found));
        taken.capacity >= taken.sold + taken.held + seats
    })
}

fn moved(query: &SearchQuery, by: i32) -> SearchQuery {
    let slices = query.slices.iter().map(|slice| on(slice, by));
    SearchQuery { slices: slices.collect(), ..query.clone() }
}

pub(super) fn on(slice: &SliceQuery, by: i32) -> SliceQuery {
    SliceQuery { date: slice.date.saturating_add(Span::new().days(by)), ..*slice }
}
