//! What of a list is shown. A filter that asks for something of the fare (a bag, a refund) does not throw a flight away
//! whose lowest fare lacks it: it shows the lowest fare that has it.

use jiff::{SignedDuration, civil};

use crate::{
    itinerary::{Offer, PlaceCode, Slice},
    search::order::most_stops,
};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    pub stops: Option<usize>,
    /// Codes of those who sell, all segments by one of them.
    pub airlines: Vec<String>,
    pub alliances: Vec<String>,
    /// Where to change planes: whoever asks for it does not mean what is direct all the way.
    pub via: Vec<PlaceCode>,
    /// Number of the slice, from 0, and when it may leave.
    pub departs: Vec<(usize, Window)>,
    pub arrives: Vec<(usize, Window)>,
    /// Number of the slice, from 0, and the airport of its city that it may begin at.
    pub starts: Vec<(usize, PlaceCode)>,
    pub ends: Vec<(usize, PlaceCode)>,
    /// The longest that any slice may take.
    pub hours: Option<usize>,
    /// The highest total, in whole units of the currency.
    pub max: Option<usize>,
    pub bag: bool,
    pub refund: bool,
    pub change: bool,
}

/// A quarter of the day, by the clock of the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Window {
    Night,
    Morning,
    Afternoon,
    Evening,
}

impl Window {
    pub const ALL: [Self; 4] = [Self::Night, Self::Morning, Self::Afternoon, Self::Evening];

    pub const fn code(self) -> &'static str {
        match self {
            Self::Night => "night",
            Self::Morning => "morning",
            Self::Afternoon => "afternoon",
            Self::Evening => "evening",
        }
    }

    pub const fn hours(self) -> &'static str {
        match self {
            Self::Night => "00:00 to 06:00",
            Self::Morning => "06:00 to 12:00",
            Self::Afternoon => "12:00 to 18:00",
            Self::Evening => "18:00 to 24:00",
        }
    }

    pub fn read(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.code() == code)
    }

    pub fn of(at: civil::DateTime) -> Self {
        match at.hour() {
            ..6 => Self::Night,
            6..12 => Self::Morning,
            12..18 => Self::Afternoon,
            _ => Self::Evening,
        }
    }
}

impl Filters {
    pub fn is_set(&self) -> bool {
        *self != Self::default()
    }

    /// Whether more is asked than what each slice can be judged by alone.
    pub fn binds_slices(&self) -> bool {
        let of_the_fare = self.bag || self.refund || self.change || self.max.is_some();
        of_the_fare || !self.via.is_empty() || self.alliances.len() > 1
    }

    /// Whether the slices of an offer fit, the first of which is the journey's slice of this number.
    pub fn fits_way(&self, offer: &Offer, first: usize) -> bool {
        let stops = self.stops.is_none_or(|stops| most_stops(offer) <= stops);
        let airlines = self.airlines.is_empty()
            || offer.segments().all(|segment| self.airlines.contains(&segment.carrier.code));
        let alliance = self.alliances.is_empty()
            || offer.alliance.as_ref().is_some_and(|alliance| self.alliances.contains(alliance));
        let via =
            self.via.is_empty() || offer.slices.iter().flat_map(changes).all(|code| self.via.contains(&code));
        let hours = self.hours.and_then(|hours| i64::try_from(hours).ok()).map(SignedDuration::from_hours);
        let hours = hours.is_none_or(|hours| offer.slices.iter().all(|slice| slice.duration() <= hours));
        let leaves = |slice: &Slice| Window::of(slice.first().departs.local);
        let lands = |slice: &Slice| Window::of(slice.last().arrives.local);
        stops
            && airlines
            && alliance
            && via
            && hours
            && is_named(&self.departs, (offer, first), leaves)
            && is_named(&self.arrives, (offer, first), lands)
            && is_named(&self.starts, (offer, first), begins_at)
            && is_named(&self.ends, (offer, first), ends_at)
    }
}

/// Slices of which nothing is named are free.
fn is_named<T: PartialEq>(
    named: &[(usize, T)],
    (offer, first): (&Offer, usize),
    of: impl Fn(&Slice) -> T,
) -> bool {
    offer.slices.iter().enumerate().all(|(nth, slice)| {
        let mut named = named.iter().filter(|(of, _)| *of == first + nth).peekable();
        named.peek().is_none() || named.any(|(_, named)| *named == of(slice))
    })
}

/// The airport that a slice begins at.
pub fn begins_at(slice: &Slice) -> PlaceCode {
    slice.first().from.code
}

pub fn ends_at(slice: &Slice) -> PlaceCode {
    slice.last().to.code
}

/// Where a slice changes planes.
pub fn changes(slice: &Slice) -> impl Iterator<Item = PlaceCode> {
    slice.segments().windows(2).flat_map(|pair| [pair[0].to.code, pair[1].from.code])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        itinerary::{Condition, Fare, OfferId, OtherFare},
        search::{
            choices::{Choices, Pick},
            order::Order,
        },
        web::components::samples::{direct, eur, offer, overnight},
    };

    fn offers() -> Vec<Offer> {
        let mut quick = offer("quick", 51_200, vec![direct()]);
        quick.alliance = Some("Compass".to_owned());
        let flex = Fare { checked_bags: 1, brand: "Flex".to_owned(), ..quick.fare.clone() };
        let flex = Fare {
            conditions: crate::itinerary::Conditions { refund: Condition::Free, ..flex.conditions },
            ..flex
        };
        quick.other_fares = vec![OtherFare {
            id: OfferId("quick-flex".to_owned()),
            fare: flex,
            fare_bases: vec!["YFLEX".to_owned()],
            prices: quick.prices.clone(),
            total: eur(70_000),
        }];
        vec![offer("slow", 38_900, vec![overnight()]), quick]
    }

    fn shown(change: impl FnOnce(&mut Filters)) -> Vec<String> {
        let mut filters = Filters::default();
        change(&mut filters);
        found(&filters).into_iter().map(|(id, _)| id).collect()
    }

    /// Ids and totals, in the order of the list that they are from.
    fn found(filters: &Filters) -> Vec<(String, i64)> {
        let axes = [offers()];
        let choices = Choices::among(&axes);
        let mut picks = choices.picks(filters, Order::Cheapest).first;
        assert_eq!(choices.count(filters), Some(picks.len()));
        picks.sort_by_key(|pick| pick.ways.clone());
        let at_fare = |pick: &Pick| {
            let offer = choices.parts(&pick.ways)[0];
            let id = pick.fare.checked_sub(1).map_or(&offer.id, |other| &offer.other_fares[other].id);
            (id.0.clone(), pick.total.minor)
        };
        picks.iter().map(at_fare).collect()
    }

    #[test]
    fn each_filter_keeps_what_fits_it() {
        type Change = fn(&mut Filters);
        let cases: [(Change, &[&str]); 21] = [
            (|_| (), &["slow", "quick"]),
            (|f| f.stops = Some(0), &["quick"]),
            (|f| f.stops = Some(1), &["slow", "quick"]),
            (|f| f.airlines = vec!["HX".into()], &["slow", "quick"]),
            (|f| f.airlines = vec!["NO".into()], &[]),
            (|f| f.alliances = vec!["Compass".into()], &["quick"]),
            (|f| f.via = vec!["MAD".parse().unwrap()], &["slow"]),
            (|f| f.via = vec!["CDG".parse().unwrap()], &[]),
            (|f| f.departs = vec![(0, Window::Evening)], &["slow"]),
            (|f| f.departs = vec![(0, Window::Evening), (0, Window::Morning)], &["slow", "quick"]),
            (|f| f.departs = vec![(1, Window::Evening)], &["slow", "quick"]),
            (|f| f.arrives = vec![(0, Window::Night)], &[]),
            (|f| f.starts = vec![(0, "LIS".parse().unwrap())], &["slow", "quick"]),
            (|f| f.starts = vec![(0, "OPO".parse().unwrap())], &[]),
            (|f| f.ends = vec![(0, "EWR".parse().unwrap()), (0, "JFK".parse().unwrap())], &["slow", "quick"]),
            (|f| f.ends = vec![(0, "EWR".parse().unwrap())], &[]),
            (|f| f.ends = vec![(1, "EWR".parse().unwrap())], &["slow", "quick"]),
            (|f| f.hours = Some(9), &["quick"]),
            (|f| f.max = Some(389), &["slow"]),
            (|f| f.max = Some(388), &[]),
            (|f| f.change = true, &["slow", "quick"]),
        ];
        for (place, (change, ids)) in cases.into_iter().enumerate() {
            assert_eq!(shown(change), ids, "case {place}");
        }
    }

    #[test]
    fn a_bag_or_a_refund_is_found_in_the_lowest_fare_that_has_it_at_its_own_price() {
        assert_eq!(shown(|f| f.bag = true), ["quick-flex"]);
        assert_eq!(shown(|f| f.refund = true), ["quick-flex"]);
        let filters = Filters { bag: true, max: Some(699), ..Filters::default() };
        assert_eq!(found(&filters), [], "the price is that of the fare with the bag");
        let filters = Filters { bag: true, max: Some(700), ..Filters::default() };
        assert_eq!(found(&filters), [("quick-flex".to_owned(), 70_000)]);
    }

    #[test]
    fn a_refund_of_which_the_fee_leaves_nothing_is_none() {
        // Three travel for 512.00.
        let refundable = |fee| {
            let mut offer = offers().remove(1);
            offer.other_fares.clear();
            offer.fare.conditions.refund = Condition::Fee(eur(fee));
            let axes = [vec![offer]];
            Choices::among(&axes).count(&Filters { refund: true, ..Filters::default() })
        };
        assert_eq!(refundable(17_066), Some(1), "two cents come back");
        assert_eq!(refundable(17_067), Some(0));
    }
}
