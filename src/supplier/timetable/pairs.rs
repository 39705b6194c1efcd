//! The lowest total of each pair of dates of a return: the cheapest way of each day there and of each day back, put together,
//! with the seats that the books have left. Where two do not follow one another, or the seats of one are gone, both days are
//! looked at whole.

use std::{
    collections::{BTreeSet, HashMap},
    ops::RangeInclusive,
};

use jiff::Timestamp;

use super::{
    Timetable,
    days::{cheapest_of_days, follows, has_room, on},
    offers::{self, Found},
    price::euros,
    search::{Free, combine},
    seats::Books,
    ways::{Market, Priced, ways},
};
use crate::{
    itinerary::{SearchQuery, SliceQuery},
    money::Money,
    supplier::SupplierError,
};

/// A day's cheapest way, and what it costs; without a total its seats are gone.
struct Way {
    priced: Priced,
    cents: Option<i64>,
}

/// Places among the moves: of the day there, and of the day back.
type Place = [usize; 2];

impl Timetable {
    /// Row by row: all days there for the first day back, then for the next.
    pub(super) async fn lowest_of_all_pairs(
        &self,
        query: &SearchQuery,
        slices: [&SliceQuery; 2],
        moves: RangeInclusive<i32>,
    ) -> Result<Vec<Option<Money>>, SupplierError> {
        let now = self.clock.now();
        let market = Market::new(self.world, &self.switches, query, now);
        let days = slices.map(|slice| cheapest_of_days(&market, slice, moves.clone()));
        let [there, home] = self.on_their_own(query, days, now).await?;
        let moves: Vec<i32> = moves.collect();
        let (mut totals, mut open) = (Vec::with_capacity(moves.len() * moves.len()), Vec::new());
        for (at_home, home) in home.iter().enumerate() {
            for (at_there, there) in there.iter().enumerate() {
                let dates = [on(slices[0], moves[at_there]).date, on(slices[1], moves[at_home]).date];
                let (Some(there), Some(home), true) = (there, home, dates[0] <= dates[1]) else {
                    totals.push(None);
                    continue;
                };
                match there.cents.zip(home.cents).filter(|_| follows(&there.priced, &home.priced)) {
                    Some((there, home)) => totals.push(Some(euros(there + home))),
                    None => {
                        open.push((totals.len(), [at_there, at_home]));
                        totals.push(None);
                    }
                }
            }
        }
        let places: Vec<Place> = open.iter().map(|(_, place)| *place).collect();
        let found = self.looked_at_whole(query, (&market, slices), (&moves, &places), now).await?;
        for ((at, _), total) in open.into_iter().zip(found) {
            totals[at] = total;
        }
        Ok(totals)
    }

    /// What the ways cost, each as if it were bought alone. A return costs the sum of its two.
    async fn on_their_own(
        &self,
        query: &SearchQuery,
        days: [Vec<Option<Priced>>; 2],
        now: Timestamp,
    ) -> Result<[Vec<Option<Way>>; 2], SupplierError> {
        let located = days.map(|days| {
            let with_flights = |priced: Priced| {
                let found = self.found(&priced.legs, query);
                (priced, found)
            };
            days.into_iter().map(|priced| priced.map(with_flights)).collect::<Vec<_>>()
        });
        let all: Vec<Found> =
            located.iter().flatten().flatten().flat_map(|(_, found)| found.iter().copied()).collect();
        let books = self.look_up(&all, now).await?;
        Ok(located.map(|days| {
            let way = |(priced, found): (Priced, Vec<Found>)| {
                let cents = has_room(&found, &books, query).then(|| self.cents(query, &found, &books, now));
                Way { priced, cents: cents.flatten() }
            };
            days.into_iter().map(|day| day.map(way)).collect()
        }))
    }

    fn cents(&self, query: &SearchQuery, found: &[Found], books: &Books, now: Timestamp) -> Option<i64> {
        let keys = found.iter().map(|found| self.segment_key(found, books)).collect();
        let key = self.lowest_key(query, vec![keys], now);
        offers::offer(self.world, &key).map(|offer| offer.total.minor)
    }

    /// What a search for each of these pairs has as its cheapest.
    async fn looked_at_whole(
        &self,
        query: &SearchQuery,
        (market, slices): (&Market<'_>, [&SliceQuery; 2]),
        (moves, places): (&[i32], &[Place]),
        now: Timestamp,
    ) -> Result<Vec<Option<Money>>, SupplierError> {
        let days: BTreeSet<(usize, usize)> =
            places.iter().flat_map(|place| place.iter().copied().enumerate()).collect();
        let all = days.iter().map(|(side, at)| ways(market, &on(slices[*side], moves[*at]))).collect();
        let free = self.with_seats(query, all, now).await?;
        let free: HashMap<(usize, usize), Free> = days.into_iter().zip(free).collect();
        let of = |side, at| free.get(&(side, at)).cloned().unwrap_or_default();
        let lowest = |[there, home]: &Place| {
            let pairs = combine(vec![of(0, *there), of(1, *home)], query.party);
            let keys = pairs.into_iter().map(|slices| self.lowest_key(query, slices, now));
            let offers = keys.filter_map(|key| offers::offer(self.world, &key));
            offers.map(|offer| offer.total).min_by_key(|total| total.minor)
        };
        Ok(places.iter().map(lowest).collect())
    }
}
