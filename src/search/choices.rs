//! All that an answer offers: each whole offer, or of a journey of several slices each combination of their ways. What is left
//! out, ordered and counted is judged over all of them; only what a page shows is made into offers.

mod facts;

use std::{cmp::Ordering, collections::HashMap};

use jiff::SignedDuration;

use crate::{
    itinerary::Offer,
    money::{Currency, Money},
    search::{
        cache::Answer,
        choices::facts::{Begun, Facts, Fares, follows},
        filter::{Filters, changes},
        order::{Merits, Order, travel_time},
    },
};

/// Combinations that are looked at one by one. Two slices have fewer; more slices than two may have many millions.
const MOST_LOOKED_AT: usize = 40_000;
/// How many of the beginnings of a journey are then gone on with: so many of its offers are surely the first in their order.
const MOST_KEPT: usize = 500;

/// One of the choices: which way of each slice, at which of their fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    pub ways: Vec<usize>,
    /// 0 is the lowest.
    pub fare: usize,
    pub total: Money,
    pub merits: Merits,
}

impl Pick {
    pub fn travel_time(&self) -> SignedDuration {
        SignedDuration::from_mins(self.merits.minutes)
    }
}

/// What fits, in order.
#[derive(Debug, Default)]
pub struct Picks {
    pub first: Vec<Pick>,
    /// These are not all that fit: they are the first of more.
    pub is_cut: bool,
}

pub struct Choices<'a> {
    axes: Vec<Axis<'a>>,
    currency: Currency,
    seats: u8,
    people: i64,
}

/// Whole offers, or the ways of one slice.
struct Axis<'a> {
    offers: &'a [Offer],
    facts: Vec<Facts>,
}

/// What the rest of a journey can do at the best: whoever cannot go on with it need not be looked at.
struct Rest {
    /// Its first flight leaves then at the latest.
    leaves: i64,
    lowest: i64,
    changes: bool,
}

impl<'a> Choices<'a> {
    pub fn of(answer: &'a Answer) -> Self {
        let whole = std::slice::from_ref(&answer.offers);
        Self::among(if answer.ways.is_empty() { whole } else { &answer.ways })
    }

    pub fn among(axes: &'a [Vec<Offer>]) -> Self {
        let mut alliances: HashMap<&'a str, usize> = HashMap::new();
        let mut facts = |offer: &'a Offer| Facts {
            leaves: offer.slices.first().map_or(i64::MAX, |slice| slice.first().departs.at.as_second()),
            lands: offer.slices.last().map_or(i64::MIN, |slice| slice.last().arrives.at.as_second()),
            minutes: travel_time(offer).as_mins(),
            co2: offer.co2_grams.map(i64::from),
            alliance: offer.alliance.as_deref().map(|name| {
                let next = alliances.len();
                *alliances.entry(name).or_insert(next)
            }),
            changes: offer.slices.iter().any(|slice| changes(slice).next().is_some()),
            fares: Fares::of(offer),
        };
        let axis = |offers: &'a Vec<Offer>| Axis { offers, facts: offers.iter().map(&mut facts).collect() };
        let any = axes.iter().flatten().next();
        Self {
            currency: any.map_or(Currency::Eur, |offer| offer.total.currency),
            seats: any.map_or(1, |offer| offer.party.seats()),
            people: any.map_or(1, |offer| i64::try_from(offer.party.kinds().count()).unwrap_or(1)),
            axes: axes.iter().map(axis).collect(),
        }
    }

    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// What a choice of these ways is made of.
    pub fn parts(&self, ways: &[usize]) -> Vec<&'a Offer> {
        self.axes.iter().zip(ways).filter_map(|(axis, at)| axis.offers.get(*at)).collect()
    }

    /// How many there are. `None`: more than are looked at.
    pub fn count(&self, filters: &Filters) -> Option<usize> {
        let fitting = self.fitting(filters);
        if !filters.binds_slices() {
            return Some(self.chains(&fitting));
        }
        let (found, is_cut) = self.look(filters, &fitting, Order::Cheapest);
        (!is_cut).then_some(found.len())
    }

    pub fn picks(&self, filters: &Filters, order: Order) -> Picks {
        let (found, is_cut) = self.look(filters, &self.fitting(filters), order);
        let mut first: Vec<Pick> = found.iter().filter_map(|begun| self.pick(begun, filters)).collect();
        first.sort_by(|a, b| before(order, a, b));
        if is_cut {
            first.truncate(MOST_KEPT);
        }
        Picks { first, is_cut }
    }

    /// What stands first in each order, where anything fits.
    pub fn leaders(&self, filters: &Filters, sorted: &Picks) -> Vec<(Order, Pick)> {
        let best = |order: Order| {
            if sorted.is_cut {
                return Some((order, self.picks(filters, order).first.into_iter().next()?));
            }
            let before = |a: &&Pick, b: &&Pick| before(order, a, b);
            Some((order, sorted.first.iter().min_by(before)?.clone()))
        };
        Order::ALL.into_iter().filter_map(best).collect()
    }

    /// Of each axis what there is to choose from.
    pub fn axes(&self) -> impl Iterator<Item = &'a [Offer]> {
        self.axes.iter().map(|axis| axis.offers)
    }

    /// The choice of these ways at this fare, or the lowest where they do not have it; nothing if they do not follow one another.
    pub fn pick_of(&self, ways: &[usize], fare: usize) -> Option<Pick> {
        let mut begun: Option<Begun> = None;
        for (axis, at) in self.axes.iter().zip(ways) {
            let facts = axis.facts.get(*at)?;
            begun = Some(match begun {
                None => Begun::with(*at, facts),
                Some(before) => before.and((*at, facts), 0, false)?,
            });
        }
        let begun = begun?;
        let fare = if fare < begun.fares.count { fare } else { 0 };
        let merits = self.merits(&begun, fare);
        Some(Pick { ways: ways.to_vec(), fare, total: merits.total, merits })
    }

    /// Places of the parts that fit what is asked of each slice.
    fn fitting(&self, filters: &Filters) -> Vec<Vec<usize>> {
        let of_axis = |(nth, axis): (usize, &Axis<'a>)| {
            let fits = |(_, offer): &(usize, &Offer)| filters.fits_way(offer, nth);
            axis.offers.iter().enumerate().filter(fits).map(|(at, _)| at).collect()
        };
        self.axes.iter().enumerate().map(of_axis).collect()
    }

    /// How many combinations there are of which each slice leaves after the one before has landed.
    fn chains(&self, fitting: &[Vec<usize>]) -> usize {
        let mut before: Vec<(i64, usize)> = vec![(i64::MIN / 2, 1)];
        for (axis, places) in self.axes.iter().zip(fitting) {
            before.sort_unstable();
            let sums: Vec<usize> = before
                .iter()
                .scan(0_usize, |sum, (_, count)| {
                    *sum = sum.saturating_add(*count);
                    Some(*sum)
                })
                .collect();
            let chains = |at: &usize| {
                let facts = &axis.facts[*at];
                let earlier = before.partition_point(|(lands, _)| follows(*lands, facts.leaves));
                (facts.lands, earlier.checked_sub(1).map_or(0, |last| sums[last]))
            };
            before = places.iter().map(chains).collect();
        }
        before.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// All that fit, or of too many those that are surely among the first of this order.
    fn look(&self, filters: &Filters, fitting: &[Vec<usize>], order: Order) -> (Vec<Begun>, bool) {
        let rests = self.rests(fitting);
        let mut begun: Vec<Begun> = Vec::new();
        let mut is_cut = false;
        let most = self.most(filters);
        let same = !filters.alliances.is_empty();
        for (nth, (axis, places)) in self.axes.iter().zip(fitting).enumerate() {
            if nth > 0 && begun.len().saturating_mul(places.len()) > MOST_LOOKED_AT {
                is_cut = true;
                begun.sort_by_cached_key(|begun| (self.key(begun, order, filters), begun.ways));
                begun.truncate(MOST_KEPT);
            }
            let rest = rests.get(nth + 1);
            let goes_on = |begun: &Begun| {
                let within = most.is_none_or(|most| {
                    let lowest = begun.fares.lowest(filters, None).map(|at| begun.fares.totals[at]);
                    lowest.is_some_and(|own| own.saturating_add(rest.map_or(0, |rest| rest.lowest)) <= most)
                });
                let changes =
                    filters.via.is_empty() || begun.changes || rest.is_some_and(|rest| rest.changes);
                within && changes && rest.is_none_or(|rest| follows(begun.lands, rest.leaves))
            };
            let parts = places.iter().map(|at| (*at, &axis.facts[*at]));
            let next = if nth == 0 {
                parts.map(|(at, facts)| Begun::with(at, facts)).filter(goes_on).collect()
            } else {
                let after = |before: &Begun| {
                    let next = parts.clone().filter_map(|part| before.and(part, nth, same));
                    next.filter(goes_on).collect::<Vec<_>>()
                };
                begun.iter().flat_map(after).collect()
            };
            begun = next;
        }
        begun.retain(|begun| self.fare(begun, filters).is_some());
        (begun, is_cut)
    }

    fn rests(&self, fitting: &[Vec<usize>]) -> Vec<Rest> {
        let mut rests: Vec<Rest> = Vec::new();
        for (axis, places) in self.axes.iter().zip(fitting).rev() {
            let after = rests.last();
            let facts = || places.iter().map(|at| &axis.facts[*at]);
            let goes_on = |facts: &&Facts| after.is_none_or(|rest| follows(facts.lands, rest.leaves));
            let own = facts().map(|facts| facts.fares.totals[0]).min().unwrap_or(0);
            rests.push(Rest {
                leaves: facts().filter(goes_on).map(|facts| facts.leaves).max().unwrap_or(i64::MIN),
                lowest: own.saturating_add(after.map_or(0, |rest| rest.lowest)),
                changes: facts().any(|facts| facts.changes) || after.is_some_and(|rest| rest.changes),
            });
        }
        rests.reverse();
        rests
    }

    fn key(&self, begun: &Begun, order: Order, filters: &Filters) -> (i64, i64) {
        let fare = begun.fares.lowest(filters, None).unwrap_or(0);
        order.key(&self.merits(begun, fare))
    }

    fn merits(&self, begun: &Begun, fare: usize) -> Merits {
        Merits {
            total: Money::new(begun.fares.totals[fare], self.currency),
            minutes: begun.minutes,
            leaves: begun.leaves,
            co2: begun.co2,
            seats: self.seats,
        }
    }

    fn pick(&self, begun: &Begun, filters: &Filters) -> Option<Pick> {
        let fare = self.fare(begun, filters)?;
        let merits = self.merits(begun, fare);
        let ways = begun.ways.iter().take(self.axes.len()).map(|at| usize::from(*at)).collect();
        Some(Pick { ways, fare, total: merits.total, merits })
    }

    fn fare(&self, begun: &Begun, filters: &Filters) -> Option<usize> {
        let fare = begun.fares.lowest(filters, Some(self.people))?;
        self.most(filters).is_none_or(|most| begun.fares.totals[fare] <= most).then_some(fare)
    }

    fn most(&self, filters: &Filters) -> Option<i64> {
        let unit = 10_i64.pow(self.currency.decimals());
        filters.max.map(|max| i64::try_from(max).unwrap_or(i64::MAX).saturating_mul(unit))
    }
}

/// Places end every tie, so that pages never overlap.
fn before(order: Order, a: &Pick, b: &Pick) -> Ordering {
    order.key(&a.merits).cmp(&order.key(&b.merits)).then_with(|| a.ways.cmp(&b.ways))
}

#[cfg(test)]
mod tests;
