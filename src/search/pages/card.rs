//! Why an offer stands where it does, in words.

use jiff::Timestamp;

use crate::{
    itinerary::Offer,
    search::order::{Order, most_stops, travel_time},
    web::components::{OfferCard, warnings, words},
};

pub struct Surroundings<'a> {
    pub cheapest: &'a Offer,
    pub now: Timestamp,
}

pub fn card<'a>(offer: &'a Offer, leads: &[Order], place: usize, around: &Surroundings<'_>) -> OfferCard<'a> {
    let way = way(offer);
    let compared = format!("{}{}", compared(offer, around.cheapest), other_airport(offer));
    let (reason, why) =
        if leads.is_empty() { (way, compared) } else { (names(leads), format!("{way}. {compared}")) };
    OfferCard {
        offer,
        id: format!("offer-{place}"),
        href: format!("/offers/{}", offer.id),
        reason,
        why,
        warnings: warnings(&offer.slices),
        seen: words::seen(offer.quoted_at, around.now),
        leading: place == 1,
    }
}

/// "Best balance, cheapest and shortest".
fn names(orders: &[Order]) -> String {
    let names: Vec<String> = orders
        .iter()
        .enumerate()
        .map(|(place, order)| if place == 0 { order.name().to_owned() } else { uncapitalised(order.name()) })
        .collect();
    match names.as_slice() {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

fn uncapitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or(String::new(), |first| first.to_lowercase().chain(letters).collect())
}

/// The shape of the journey in a few words.
fn way(offer: &Offer) -> String {
    if let Some(city) = night_in(offer) {
        return format!("With a night in {city}");
    }
    let both = offer.slices.len() == 2;
    let stops: Vec<usize> = offer.slices.iter().map(|slice| slice.stops()).collect();
    match most_stops(offer) {
        0 if both => "Direct both ways".to_owned(),
        0 => "Direct".to_owned(),
        most if both && stops.iter().all(|stops| *stops == most) => {
            format!("{} each way", words::plural(most, "stop", "stops"))
        }
        _ if both && stops[0] == 0 => {
            format!("Direct out, {} back", words::plural(stops[1], "stop", "stops"))
        }
        _ if both && stops[1] == 0 => {
            format!("{} out, direct back", words::plural(stops[0], "stop", "stops"))
        }
        most if both => format!("Up to {most} stops each way"),
        most => words::plural(most, "stop", "stops"),
    }
}

/// Where the local date changes while waiting.
fn night_in(offer: &Offer) -> Option<&str> {
    offer.slices.iter().flat_map(|slice| slice.segments().windows(2)).find_map(|pair| {
        let overnight = pair[0].arrives.local.date() != pair[1].departs.local.date();
        overnight.then_some(pair[0].to.city.as_str())
    })
}

/// A return that starts where the way out did not end: easily missed, and dear if it is.
fn other_airport(offer: &Offer) -> String {
    match offer.slices.as_slice() {
        [out, back] if out.last().to.code != back.first().from.code => {
            format!(" You land at {} and go on from {}.", out.last().to.code, back.first().from.code)
        }
        _ => String::new(),
    }
}

fn compared(offer: &Offer, cheapest: &Offer) -> String {
    if offer.total == cheapest.total {
        return "The lowest total of this list.".to_owned();
    }
    let Ok(above) = offer.total.checked_sub(cheapest.total) else { return String::new() };
    let (mine, theirs) = (travel_time(offer), travel_time(cheapest));
    let in_all = if offer.slices.len() > 1 { " in all" } else { "" };
    if mine < theirs {
        format!("{above} above the cheapest, {} shorter{in_all}.", words::duration(theirs - mine))
    } else if mine > theirs {
        format!("{above} above the cheapest, {} longer{in_all}.", words::duration(mine - theirs))
    } else {
        format!("{above} above the cheapest.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::components::samples::{direct, offer, overnight};

    #[test]
    fn a_card_says_its_reasons_its_shape_and_its_distance_from_the_cheapest() {
        let cheapest = offer("a", 38_900, vec![overnight()]);
        let quick = offer("b", 51_230, vec![direct()]);
        let around = Surroundings { cheapest: &cheapest, now: cheapest.quoted_at };
        let first = card(&quick, &[Order::Balance, Order::Shortest], 1, &around);
        assert_eq!(first.reason, "Best balance and shortest");
        assert_eq!(first.why, "Direct. EUR\u{a0}123.30 above the cheapest, 15\u{a0}h\u{a0}05 shorter.");
        assert!(first.leading);
        let second = card(&cheapest, &[], 2, &around);
        assert_eq!(second.reason, "With a night in Madrid");
        assert_eq!(second.why, "The lowest total of this list.");
        assert!(!second.leading);
    }

    #[test]
    fn a_return_from_another_airport_is_said() {
        let mixed = offer("a", 1, vec![direct(), overnight()]);
        assert_eq!(other_airport(&mixed), " You land at JFK and go on from LIS.");
        assert_eq!(other_airport(&offer("a", 1, vec![direct()])), "");
    }

    #[test]
    fn co2_keeps_its_capitals_among_other_reasons() {
        assert_eq!(names(&[Order::Cheapest, Order::LeastCo2]), "Cheapest and least CO₂");
    }

    #[test]
    fn both_ways_are_told_apart_where_they_differ() {
        let cases = [(vec![direct(), direct()], "Direct both ways"), (vec![direct()], "Direct")];
        for (slices, words) in cases {
            assert_eq!(way(&offer("a", 1, slices)), words);
        }
    }
}
