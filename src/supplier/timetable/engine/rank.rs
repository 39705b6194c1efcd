//! Of many ways, those worth showing.

use crate::itinerary::Party;

/// What ways are compared by: the cents of the whole party. Instants are UTC minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Merit {
    pub departs: i64,
    pub arrives: i64,
    pub cents: i64,
}

impl Merit {
    pub(in super::super) fn minutes(&self) -> i64 {
        self.arrives - self.departs
    }

    /// Cents and minutes, as they are weighed against each other: everybody's minutes count.
    pub(in super::super) fn cost(&self, party: Party) -> (i64, i64) {
        (self.cents, self.minutes() * i64::from(party.seats()))
    }

    /// Nobody would choose what leaves no later, lands no earlier and hardly costs less.
    fn makes_pointless(&self, other: &Self) -> bool {
        self.departs >= other.departs
            && self.arrives <= other.arrives
            && self.minutes() < other.minutes()
            && self.cents * 100 <= other.cents * 102
    }
}

/// Drops what nobody would choose beside the others; never the cheapest, which a calendar may have promised.
pub(in super::super) fn without_pointless<T>(mut items: Vec<T>, merit: impl Fn(&T) -> Merit) -> Vec<T> {
    let all: Vec<Merit> = items.iter().map(&merit).collect();
    let cheapest = all.iter().map(|merit| merit.cents).min();
    items.retain(|item| {
        let merit = merit(item);
        Some(merit.cents) == cheapest || !all.iter().any(|better| better.makes_pointless(&merit))
    });
    items
}

/// Of many, the ones worth showing: the best by price and time together, the cheapest, the fastest.
pub(in super::super) fn worthwhile<T>(
    items: Vec<T>,
    limit: usize,
    cost: impl Fn(&T) -> (i64, i64),
) -> Vec<T> {
    if items.len() <= limit {
        return items;
    }
    // Half an hour of a seat is worth ten euros here.
    let orders: [fn((i64, i64)) -> i64; 3] =
        [|(cents, minutes)| cents + minutes * 33, |(cents, _)| cents, |(_, minutes)| minutes];
    let mut keep = vec![false; items.len()];
    for (order, share) in orders.into_iter().zip([limit / 2, limit / 4, limit / 4]) {
        let mut ranks: Vec<(i64, usize)> =
            items.iter().enumerate().map(|(at, item)| (order(cost(item)), at)).collect();
        ranks.sort_unstable();
        ranks.iter().filter(|(_, at)| !std::mem::replace(&mut keep[*at], true)).take(share).for_each(drop);
    }
    items.into_iter().zip(keep).filter_map(|(item, keep)| keep.then_some(item)).collect()
}
