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
                Some(day) if follows(&day) && has_room(&day, &books, query) => {
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
        let of_slice = |slice: &SliceQuery| {
            let day = offers::day_of(slice.date);
            let (from, to) = (market.places(slice.from), market.places(slice.to));
            calendar::cheapest(&market, [&from, &to], day + moves.start()..=day + moves.end())
        };
        let mut slices: Vec<_> = query.slices.iter().map(|slice| of_slice(slice).into_iter()).collect();
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

/// Whether each slice leaves after the one before has landed.
fn follows(day: &Day) -> bool {
    day.windows(2).all(|pair| pair[1].0.merit.departs >= pair[0].0.merit.arrives + BETWEEN_SLICES_MINUTES)
}

fn has_room(day: &Day, books: &Books, query: &SearchQuery) -> bool {
    let seats = u16::from(query.party.seats());
    day.iter().flat_map(|(_, found)| found).all(|found| {
        let taken = books.of(&Line::of(found));
        taken.capacity >= taken.sold + taken.held + seats
    })
}

fn moved(query: &SearchQuery, by: i32) -> SearchQuery {
    let date = |slice: &SliceQuery| slice.date.saturating_add(Span::new().days(by));
    let slices = query.slices.iter().map(|slice| SliceQuery { date: date(slice), ..*slice });
    SearchQuery { slices: slices.collect(), ..query.clone() }
}
