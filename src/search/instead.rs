//! Where a search finds nothing: what does have something, near it in time, in space and in the cabin. Each of these was asked
//! for just now, with the total that it would have. Where the supplier does not tell, nothing is promised.

use crate::{
    error::AppError,
    itinerary::{Cabin, PlaceCode, SearchQuery, SliceQuery},
    money::Money,
    search::{
        Search,
        choices::Choices,
        filter::Filters,
        form::{self, LEGS, SearchForm},
        month::last_day,
        near::near,
        order::Order,
        pairs::{Pairs, Standing},
        prices::{Lowest, Source, moved_by},
    },
};

/// How far other days may lie.
const DAYS: i32 = 10;
/// How far apart from each other the dates of a return may move.
const PAIRS: i32 = 5;
const MOST_DAYS: usize = 4;
const MOST_PLACES: usize = 2;
/// Journeys of several flights are searched for whole, so only so many of them.
const MOST_SEARCHED: usize = 8;
/// Of each of several flights so many other days are tried with those of the others.
const MOST_DAYS_EACH: usize = 3;

/// What may be had instead.
#[derive(Debug)]
pub struct Instead {
    pub form: SearchForm,
    pub what: Changed,
    /// Nothing where it was not asked for.
    pub total: Option<Money>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// By how many days each flight's date is moved.
    Days(Vec<i32>),
    /// The end of a flight, a field of the search; the airport, and how far it is.
    Place {
        field: &'static str,
        airport: PlaceCode,
        km: u32,
    },
    Cabin(Cabin),
}

impl Changed {
    /// Whether it moves some of these flights and no other.
    fn moves_less_than(&self, moves: &[i32]) -> bool {
        let Self::Days(own) = self else { return false };
        let mut pairs = own.iter().zip(moves).map(|(own, other)| (*own != 0, *other != 0));
        own.len() == moves.len()
            && pairs.clone().any(|(own, other)| other && !own)
            && pairs.all(|(own, other)| other || !own)
    }
}

#[derive(Debug)]
pub struct Offered {
    pub days: Vec<Instead>,
    pub places: Vec<Instead>,
    pub cabins: Vec<Instead>,
    /// Of several flights those that have nothing on their day, whatever the others have; by number, from 0.
    pub lacking: Vec<usize>,
    /// Nobody told us, so these are guesses at what may help.
    pub untold: bool,
}

/// What is asked, and how it was typed.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub search: &'a Search,
    pub form: &'a SearchForm,
    pub query: &'a SearchQuery,
}

impl Asked<'_> {
    pub async fn offered(self) -> Result<Offered, AppError> {
        let alone = if self.form.is_multi() { self.each_alone().await } else { Vec::new() };
        let around = match self.form.is_multi() {
            true => alone.first().and_then(Option::as_ref).cloned(),
            false => self.search.prices.around(self.query, -DAYS..=DAYS).await.ok(),
        };
        let untold = around.as_ref().is_none_or(|around| around.source == Source::Searches);
        let lacking = |(nth, days): (usize, &Option<Lowest>)| {
            let days = &days.as_ref().filter(|_| !untold)?.days;
            days.iter().any(|(by, total)| *by == 0 && total.is_none()).then_some(nth)
        };
        let lacking: Vec<usize> = alone.iter().enumerate().filter_map(lacking).collect();
        let days = match (self.form.is_multi(), &around) {
            (true, _) if untold => Vec::new(),
            (true, _) => self.days_of_several(&alone).await?,
            (false, around) => self.days(around.as_ref()).await?,
        };
        Ok(Offered {
            days,
            places: self.places(&lacking, untold).await?,
            cabins: if untold { Vec::new() } else { self.cabins().await? },
            lacking,
            untold,
        })
    }

    fn instead(self, moves: Vec<i32>, total: Money) -> Instead {
        let day = |slice: &SliceQuery, by| moved_by(slice.date, by).to_string();
        let mut form = self.form.clone();
        for (nth, (slice, by)) in self.query.slices.iter().zip(&moves).enumerate() {
            let field = if nth > 0 && self.form.is_return() { "back" } else { LEGS[nth][2] };
            form = form.with(field, &day(slice, *by));
        }
        Instead { form, what: Changed::Days(moves), total: Some(total) }
    }

    /// The nearest days, the earlier first where two are equally near. Of a return both dates moved alike, one of them alone, or
    /// where that does not help each by its own number.
    async fn days(self, around: Option<&Lowest>) -> Result<Vec<Instead>, AppError> {
        let today = self.today();
        let is_return = self.query.slices.len() == 2;
        let mut known: Vec<([i32; 2], Money)> = around
            .iter()
            .flat_map(|around| &around.days)
            .filter_map(|(by, total)| Some(([*by; 2], (*total)?)))
            .collect();
        known.retain(|(by, _)| is_sold(self.query, by[0], today));
        if let Some(pairs) = Pairs::of(self.query, today)
            && let Ok(lowest) = self.search.prices.pairs(self.query, PAIRS).await
        {
            let sold = lowest.days.into_iter().filter(|(pair, _)| pairs.standing(*pair) == Standing::Sold);
            let apart = sold.filter(|((out, back), _)| out != back);
            known.extend(apart.filter_map(|((out, back), total)| Some(([out, back], total?))));
        }
        known.retain(|(by, _)| *by != [0, 0]);
        // Where one date alone helps, nobody has to move both apart from each other.
        let is_one = |by: &[i32; 2]| by.contains(&0);
        if known.iter().any(|(by, _)| is_one(by)) {
            known.retain(|(by, _)| is_one(by) || by[0] == by[1]);
        }
        known
            .sort_by_key(|([out, back], _)| (out.abs() + back.abs(), out.abs().max(back.abs()), *out, *back));
        let kinds: [fn(&[i32; 2]) -> bool; 4] =
            [|[out, back]| out == back, |[_, back]| *back == 0, |[out, _]| *out == 0, |_| true];
        let each = if is_return { MOST_DAYS / 2 } else { MOST_DAYS };
        let mut left = kinds.map(|_| each);
        known.retain(|(by, _)| {
            let kind = kinds.iter().position(|is_one| is_one(by)).unwrap_or_default();
            let fits = left[kind] > 0;
            left[kind] -= usize::from(fits);
            fits
        });
        let moves = |by: [i32; 2]| by.into_iter().take(self.query.slices.len()).collect();
        Ok(known.into_iter().map(|(by, total)| self.instead(moves(by), total)).collect())
    }

    /// What each of several flights would cost on the days around its own, bought alone.
    async fn each_alone(self) -> Vec<Option<Lowest>> {
        let mut all = Vec::new();
        for slice in &self.query.slices {
            let alone = SearchQuery { slices: vec![*slice], ..self.query.clone() };
            all.push(self.search.prices.around(&alone, -DAYS..=DAYS).await.ok());
        }
        all
    }

    /// Of several flights: whole journeys, each of whose flights has something on its day, searched for until enough are found.
    async fn days_of_several(self, alone: &[Option<Lowest>]) -> Result<Vec<Instead>, AppError> {
        let today = self.today();
        let mut journeys: Vec<Vec<i32>> = vec![Vec::new()];
        for days in alone {
            let days = days.iter().flat_map(|days| &days.days);
            let mut days: Vec<i32> = days.filter_map(|(by, total)| total.map(|_| *by)).collect();
            days.sort_by_key(|by| (by.abs(), *by));
            days.truncate(MOST_DAYS_EACH);
            let and = |so_far: &Vec<i32>| {
                let with = |by: &i32| [so_far.as_slice(), &[*by]].concat();
                days.iter().map(with).collect::<Vec<_>>()
            };
            journeys = journeys.iter().flat_map(and).collect();
        }
        journeys.retain(|moves| moves.iter().any(|by| *by != 0) && is_in_order(self.query, moves, today));
        journeys.sort_by_key(|moves| {
            let moved = moves.iter().filter(|by| **by != 0).count();
            (moves.iter().map(|by| by.abs()).sum::<i32>(), moved, moves.clone())
        });
        let (mut found, mut searched) = (Vec::<Instead>::new(), 0);
        for moves in journeys {
            // Where one flight on another day is enough, nobody moves a second one as well.
            if found.iter().any(|known| known.what.moves_less_than(&moves)) {
                continue;
            }
            searched += 1;
            if searched > MOST_SEARCHED {
                break;
            }
            let mut query = self.query.clone();
            for (slice, by) in query.slices.iter_mut().zip(&moves) {
                slice.date = moved_by(slice.date, *by);
            }
            if let Some(total) = self.cheapest(&query).await {
                found.push(self.instead(moves, total));
            }
            if found.len() == MOST_DAYS {
                break;
            }
        }
        Ok(found)
    }

    /// The larger airports close by, if there is something from or to them. Of several flights those of the flights that lack.
    async fn places(self, lacking: &[usize], untold: bool) -> Result<Vec<Instead>, AppError> {
        let mut places = Vec::new();
        // Each flight has seats; other airports would not make them follow one another.
        if self.form.is_multi() && !untold && lacking.is_empty() {
            return Ok(places);
        }
        for (nth, slice) in self.query.slices.iter().enumerate() {
            let is_way_back = nth > 0 && self.form.is_return();
            if is_way_back || !(lacking.is_empty() || lacking.contains(&nth)) {
                continue;
            }
            for (field, place) in [(LEGS[nth][0], slice.from), (LEGS[nth][1], slice.to)] {
                if places.len() >= 2 * MOST_PLACES {
                    break;
                }
                for (airport, km) in near(self.search.airports, place, MOST_PLACES) {
                    let form = self.form.with(field, &format!("{} {}", airport.city, airport.code));
                    let Some(total) = self.lowest(&form, untold).await? else { continue };
                    let what = Changed::Place { field, airport: airport.code, km };
                    places.push(Instead { form, what, total });
                }
            }
        }
        Ok(places)
    }

    async fn cabins(self) -> Result<Vec<Instead>, AppError> {
        let mut cabins = Vec::new();
        for cabin in Cabin::ALL.into_iter().filter(|cabin| *cabin != self.query.cabin) {
            let form = SearchForm { cabin: cabin.code().to_owned(), ..self.form.clone() };
            if let Some(total) = self.lowest(&form, false).await? {
                cabins.push(Instead { form, what: Changed::Cabin(cabin), total });
            }
        }
        Ok(cabins)
    }

    /// `None`: there is nothing; an unknown total: nobody told.
    async fn lowest(self, form: &SearchForm, untold: bool) -> Result<Option<Option<Money>>, AppError> {
        let Ok(query) = form.check(self.search.airports, self.search.clock.now()) else { return Ok(None) };
        let lowest = match (form.is_multi(), untold) {
            (true, true) => None,
            (true, false) => self.cheapest(&query).await,
            (false, _) => {
                self.search.prices.around(&query, 0..=0).await.ok().and_then(|lowest| lowest.cheapest())
            }
        };
        Ok(if lowest.is_some() || untold { Some(lowest) } else { None })
    }

    /// Of the list that this search would show.
    async fn cheapest(self, query: &SearchQuery) -> Option<Money> {
        let answer = self.search.offers(query).await.ok()?;
        let choices = Choices::of(&answer);
        choices.picks(&Filters::default(), Order::Cheapest).first.first().map(|pick| pick.total)
    }

    fn today(self) -> jiff::civil::Date {
        let from = self.query.slices.first().map(|slice| slice.from);
        form::today(self.search.airports, from, self.search.clock.now())
    }
}

/// Whether airlines sell the search with all its dates moved by so many days.
pub fn is_sold(query: &SearchQuery, by: i32, today: jiff::civil::Date) -> bool {
    is_in_order(query, &vec![by; query.slices.len()], today)
}

/// Whether airlines sell all these days, and each comes no earlier than the one before.
fn is_in_order(query: &SearchQuery, moves: &[i32], today: jiff::civil::Date) -> bool {
    let days: Vec<_> = query.slices.iter().zip(moves).map(|(slice, by)| moved_by(slice.date, *by)).collect();
    let sold = |day: &jiff::civil::Date| (today..=last_day(today)).contains(day);
    days.is_sorted() && days.iter().all(sold)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::itinerary::Party;

    #[test]
    fn who_moves_one_flight_moves_less_than_who_moves_it_and_another() {
        let one = Changed::Days(vec![0, 2, 0]);
        for (moves, is_less) in [
            ([1, 1, 0], true),
            ([0, 1, 0], false),
            ([1, 0, 0], false),
            ([0, 0, 0], false),
            ([-1, 3, 5], true),
        ] {
            assert_eq!(one.moves_less_than(&moves), is_less, "{moves:?}");
        }
    }

    #[test]
    fn moved_days_are_sold_and_stay_in_their_order() {
        let [from, to] = ["LIS", "JFK"].map(|code| code.parse().unwrap());
        let today = date(2026, 11, 22);
        let days = [today, date(2026, 11, 24), date(2026, 11, 24)];
        let slices = days.map(|date| SliceQuery { from, to, date }).to_vec();
        let query = SearchQuery {
            slices,
            party: Party::new(1, 0, 0).unwrap(),
            cabin: crate::itinerary::Cabin::Economy,
        };
        for (moves, fits) in [
            ([0, 0, 0], true),
            ([2, 0, 0], true),
            ([3, 0, 0], false),
            ([0, 1, 0], false),
            ([0, 0, 1], true),
            ([-1, 0, 0], false),
            ([0, 0, 400], false),
        ] {
            assert_eq!(is_in_order(&query, &moves, today), fits, "{moves:?}");
        }
        assert!(is_sold(&query, 1, today) && !is_sold(&query, -1, today));
    }
}
