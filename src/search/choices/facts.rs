//! What of an offer is compared, added and asked for, and the same of a journey as far as it has been put together.

use crate::{
    itinerary::{Condition, Fare, Offer},
    money::Currency,
    search::filter::Filters,
};

const MOST_SLICES: usize = 6;
/// Fare families that are told apart.
const MOST_FARES: usize = 4;
/// Between landing and the next slice's departure.
const BETWEEN_SLICES_SECONDS: i64 = 120 * 60;

/// What of an offer is compared, added and asked for.
pub(super) struct Facts {
    pub(super) leaves: i64,
    pub(super) lands: i64,
    pub(super) minutes: i64,
    pub(super) co2: Option<i64>,
    pub(super) alliance: Option<usize>,
    pub(super) changes: bool,
    pub(super) fares: Fares,
}

/// By fare family, the lowest first.
#[derive(Clone, Copy)]
pub(super) struct Fares {
    pub(super) count: usize,
    pub(super) totals: [i64; MOST_FARES],
    /// What each passenger loses of a refund; nothing comes back of the largest.
    pub(super) kept_back: [i64; MOST_FARES],
    pub(super) bag: u8,
    pub(super) change: u8,
}

impl Fares {
    pub(super) fn of(offer: &Offer) -> Self {
        let mut fares =
            Self { count: 0, totals: [0; MOST_FARES], kept_back: [0; MOST_FARES], bag: 0, change: 0 };
        let own = std::iter::once((&offer.fare, offer.total));
        let others = offer.other_fares.iter().map(|other| (&other.fare, other.total));
        for (at, (fare, total)) in own.chain(others).take(MOST_FARES).enumerate() {
            fares.count = at + 1;
            fares.totals[at] = total.minor;
            fares.kept_back[at] = kept_back(fare, total.currency);
            fares.bag |= u8::from(fare.checked_bags > 0) << at;
            let changes = matches!(fare.conditions.change, Condition::Free | Condition::Fee(_));
            fares.change |= u8::from(changes) << at;
        }
        fares
    }

    /// Two parts of one journey, at the same family: the sum of both, and the narrower of each promise.
    pub(super) fn and(mut self, other: &Self) -> Self {
        self.count = self.count.min(other.count);
        for at in 0..MOST_FARES {
            self.totals[at] = self.totals[at].saturating_add(other.totals[at]);
            self.kept_back[at] = self.kept_back[at].max(other.kept_back[at]);
        }
        self.bag &= other.bag;
        self.change &= other.change;
        self
    }

    /// The lowest that has what is asked of a fare. Of a part of a journey, where nobody knows yet what all of it costs, without
    /// the number of people.
    pub(super) fn lowest(&self, filters: &Filters, people: Option<i64>) -> Option<usize> {
        let has = |mask: u8, at: usize| mask & (1 << at) != 0;
        let fits = |at: &usize| {
            (!filters.bag || has(self.bag, *at))
                && (!filters.change || has(self.change, *at))
                && (!filters.refund || self.is_refunded(*at, people))
        };
        let fitting = (0..self.count).filter(fits);
        fitting.min_by_key(|at| (self.totals[*at], *at))
    }

    /// Whether anything comes back: a fee as high as the total is no refund.
    fn is_refunded(&self, at: usize, people: Option<i64>) -> bool {
        match people {
            Some(people) => self.kept_back[at].saturating_mul(people) < self.totals[at],
            None => self.kept_back[at] < i64::MAX,
        }
    }
}

fn kept_back(fare: &Fare, currency: Currency) -> i64 {
    match fare.conditions.refund {
        Condition::Free => 0,
        Condition::Fee(fee) if fee.currency == currency => fee.minor,
        Condition::Fee(_) | Condition::No | Condition::Unknown => i64::MAX,
    }
}

/// The beginning of a journey, or all of it.
#[derive(Clone)]
pub(super) struct Begun {
    pub(super) ways: [u16; MOST_SLICES],
    pub(super) fares: Fares,
    pub(super) leaves: i64,
    pub(super) lands: i64,
    pub(super) minutes: i64,
    pub(super) co2: Option<i64>,
    pub(super) alliance: Option<usize>,
    pub(super) changes: bool,
}

pub(super) const fn follows(lands: i64, leaves: i64) -> bool {
    leaves >= lands.saturating_add(BETWEEN_SLICES_SECONDS)
}

impl Begun {
    pub(super) fn with(at: usize, facts: &Facts) -> Self {
        let mut ways = [0; MOST_SLICES];
        ways[0] = u16::try_from(at).unwrap_or(u16::MAX);
        Self {
            ways,
            fares: facts.fares,
            leaves: facts.leaves,
            lands: facts.lands,
            minutes: facts.minutes,
            co2: facts.co2,
            alliance: facts.alliance,
            changes: facts.changes,
        }
    }

    /// Nothing where the one cannot be reached from the other.
    pub(super) fn and(&self, (at, facts): (usize, &Facts), nth: usize, same_alliance: bool) -> Option<Self> {
        let other = same_alliance && self.alliance != facts.alliance;
        if other || !follows(self.lands, facts.leaves) {
            return None;
        }
        let mut ways = self.ways;
        *ways.get_mut(nth)? = u16::try_from(at).ok()?;
        Some(Self {
            ways,
            fares: self.fares.and(&facts.fares),
            leaves: self.leaves,
            lands: facts.lands,
            minutes: self.minutes.saturating_add(facts.minutes),
            co2: self.co2.zip(facts.co2).map(|(a, b)| a.saturating_add(b)),
            alliance: self.alliance,
            changes: self.changes || facts.changes,
        })
    }
}
