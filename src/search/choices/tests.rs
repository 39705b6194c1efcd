//! The choices against all combinations, tried one by one.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::{
    itinerary::{Condition, OfferId, OtherFare, Slice},
    search::filter::Window,
    web::components::samples::{eur, lisbon, madrid, new_york, offer, segment},
};

/// Minutes after the day's beginning, minutes on the way, cents, whether by Madrid, alliance, fee of the refund.
type Way = (i64, i64, i64, bool, u8, i64);

fn way() -> impl Strategy<Value = Way> {
    (0..1_200_i64, 300..900_i64, 5_000..90_000_i64, any::<bool>(), 0..3_u8, 0..30_000_i64)
}

fn part(nth: usize, at: usize, (leaves, minutes, cents, stops, alliance, fee): Way) -> Offer {
    let day: Timestamp = "2027-03-12T00:00:00Z".parse().unwrap();
    let minute = |minutes| (day + SignedDuration::from_mins(minutes)).to_string();
    // Half a day later each: some follow one another, some do not.
    let leaves = leaves + i64::try_from(nth).unwrap() * 720;
    let lands = leaves + minutes;
    let slice = if stops {
        vec![
            segment(&lisbon(), &madrid(), &minute(leaves), &minute(leaves + 80)),
            segment(&madrid(), &new_york(), &minute(leaves + 140), &minute(lands)),
        ]
    } else {
        vec![segment(&lisbon(), &new_york(), &minute(leaves), &minute(lands))]
    };
    let mut part = offer(&format!("{nth}-{at}"), cents, vec![Slice::try_from(slice).unwrap()]);
    part.co2_grams = Some(u32::try_from(minutes).unwrap() * 7);
    part.alliance = [None, Some("Compass"), Some("Meridian")][usize::from(alliance)].map(str::to_owned);
    let mut flex = part.fare.clone();
    flex.checked_bags = 1;
    flex.conditions.refund = Condition::Fee(eur(fee));
    part.other_fares = vec![OtherFare {
        id: OfferId(format!("{nth}-{at}-flex")),
        fare: flex,
        fare_bases: Vec::new(),
        prices: part.prices.clone(),
        total: eur(cents + 4_000),
    }];
    part
}

/// Everything that fits, found without any of the shortcuts: ways and total.
fn naive(axes: &[Vec<Offer>], filters: &Filters) -> Vec<(Vec<usize>, i64)> {
    let mut all: Vec<Vec<usize>> = vec![Vec::new()];
    for axis in axes {
        all =
            all.iter().flat_map(|ways| (0..axis.len()).map(|at| [ways.as_slice(), &[at]].concat())).collect();
    }
    let fits = |ways: &Vec<usize>| {
        let parts: Vec<&Offer> = axes.iter().zip(ways).map(|(axis, at)| &axis[*at]).collect();
        let lands = |part: &Offer| part.slices[0].last().arrives.at;
        let leaves = |part: &Offer| part.slices[0].first().departs.at;
        let chained =
            parts.windows(2).all(|pair| leaves(pair[1]) >= lands(pair[0]) + SignedDuration::from_mins(120));
        let alliance = parts[0]
            .alliance
            .clone()
            .filter(|own| parts.iter().all(|part| part.alliance.as_ref() == Some(own)));
        let allied =
            filters.alliances.is_empty() || alliance.is_some_and(|own| filters.alliances.contains(&own));
        let stops = parts.iter().filter(|part| part.slices[0].stops() > 0).count();
        let direct = filters.stops != Some(0) || stops == 0;
        let via = filters.via.is_empty() || stops > 0;
        let early = filters
            .departs
            .iter()
            .all(|(nth, window)| Window::of(parts[*nth].slices[0].first().departs.local) == *window);
        let light: i64 = parts.iter().map(|part| part.total.minor).sum();
        let flex: i64 = parts.iter().map(|part| part.other_fares[0].total.minor).sum();
        let fee = parts.iter().map(|part| match part.other_fares[0].fare.conditions.refund {
            Condition::Fee(fee) => fee.minor,
            _ => unreachable!(),
        });
        let refunded = fee.max().unwrap() * 3 < flex;
        let total = if !filters.bag && !filters.refund {
            Some(light)
        } else {
            Some(flex).filter(|_| !filters.refund || refunded)
        };
        let most = filters.max.map_or(i64::MAX, |max| i64::try_from(max).unwrap() * 100);
        let total = total.filter(|total| *total <= most)?;
        (chained && allied && direct && via && early).then(|| (ways.clone(), total))
    };
    all.iter().filter_map(fits).collect()
}

fn filters() -> impl Strategy<Value = Filters> {
    let set = || proptest::option::weighted(0.3, 0..3_usize);
    let flags = (proptest::bool::weighted(0.2), proptest::bool::weighted(0.3), proptest::bool::weighted(0.2));
    (proptest::option::weighted(0.3, 300..2_500_usize), set(), set(), set(), flags).prop_map(
        |(max, stops, alliances, departs, (bag, refund, via))| Filters {
            max,
            stops: stops.filter(|stops| *stops < 2),
            alliances: [&["Compass"][..], &["Meridian"], &["Compass", "Meridian"]]
                .get(alliances.unwrap_or(9))
                .map(|names| names.iter().map(|name| (*name).to_owned()).collect())
                .unwrap_or_default(),
            departs: departs.map(|at| (0, Window::ALL[at])).into_iter().collect(),
            bag,
            refund,
            via: if via { vec!["MAD".parse().unwrap()] } else { Vec::new() },
            ..Filters::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_is_asked_all_that_fits_is_found_counted_and_in_order(
        ways in proptest::collection::vec(proptest::collection::vec(way(), 1..7), 1..5),
        filters in filters(),
    ) {
        let axes: Vec<Vec<Offer>> = ways
            .into_iter()
            .enumerate()
            .map(|(nth, ways)| ways.into_iter().enumerate().map(|(at, way)| part(nth, at, way)).collect())
            .collect();
        let choices = Choices::among(&axes);
        let naive = naive(&axes, &filters);
        prop_assert_eq!(choices.count(&filters), Some(naive.len()));
        for order in Order::ALL {
            let picks = choices.picks(&filters, order);
            prop_assert!(!picks.is_cut);
            let mut found: Vec<_> = picks.first.iter().map(|pick| (pick.ways.clone(), pick.total.minor)).collect();
            prop_assert!(picks.first.is_sorted_by_key(|pick| order.key(&pick.merits)));
            found.sort();
            prop_assert_eq!(&found, &naive);
        }
    }
}

#[test]
fn of_too_many_the_first_in_every_order_are_surely_the_first() {
    // Four slices of thirty ways are 810,000 combinations; all of them follow one another.
    let ways = |nth: usize| {
        (0..30_usize).map(move |at| {
            let spread = i64::try_from((at * 7919 + nth * 104_729) % 997).unwrap();
            let day = i64::try_from(nth).unwrap() * 2_880;
            part(
                nth,
                at,
                (day + spread, 300 + spread * 31 % 500, 5_000 + spread * 53 % 80_000, at % 3 == 0, 0, 0),
            )
        })
    };
    let axes: Vec<Vec<Offer>> = (0..4).map(|nth| ways(nth).collect()).collect();
    let choices = Choices::among(&axes);
    assert_eq!(choices.count(&Filters::default()), Some(810_000));
    let direct = Filters { stops: Some(0), ..Filters::default() };
    assert_eq!(choices.count(&direct), Some(160_000));
    assert_eq!(choices.count(&Filters { bag: true, ..direct.clone() }), None, "too many to look at each");
    for filters in [Filters::default(), direct] {
        let all = naive(&axes, &filters);
        let mut totals: Vec<i64> = all.iter().map(|(_, total)| *total).collect();
        totals.sort_unstable();
        let picks = choices.picks(&filters, Order::Cheapest);
        assert!(picks.is_cut && picks.first.len() == 500);
        assert_eq!(picks.first.iter().map(|pick| pick.total.minor).collect::<Vec<_>>(), totals[..500]);
        let leaders = choices.leaders(&filters, &picks);
        assert_eq!(leaders.len(), Order::ALL.len());
    }
    // What hardly anything fits is found all the same.
    let lowest: i64 = axes.iter().map(|axis| axis.iter().map(|part| part.total.minor).min().unwrap()).sum();
    let cheap = Filters { max: Some(usize::try_from(lowest / 100 + 1).unwrap()), ..Filters::default() };
    assert!(!choices.picks(&cheap, Order::Shortest).first.is_empty());
}
