//! Why an offer stands where it does, in words.

use jiff::Timestamp;

use crate::{
    itinerary::Offer,
    search::{
        choices::Pick,
        order::{Order, most_stops, travel_time},
    },
    web::components::{OfferCard, is_return, night_in, warnings, words},
};

pub struct Surroundings<'a> {
    pub cheapest: &'a Pick,
    pub now: Timestamp,
}

pub fn card<'a>(offer: &'a Offer, leads: &[Order], place: usize, around: &Surroundings<'_>) -> OfferCard<'a> {
    let way = way(offer);
    let compared = compared(offer, around.cheapest);
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
    if let Some(city) = night_in(&offer.slices) {
        return format!("With a night in {city}");
    }
    let both = is_return(&offer.slices);
    let several = offer.slices.len() > 1 && !both;
    let stops: Vec<usize> = offer.slices.iter().map(|slice| slice.stops()).collect();
    match most_stops(offer) {
        0 if both => "Direct both ways".to_owned(),
        0 if several => "Each flight direct".to_owned(),
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
        most if several => format!("Up to {} on a flight", words::plural(most, "stop", "stops")),
        most => words::plural(most, "stop", "stops"),
    }
}

fn compared(offer: &Offer, cheapest: &Pick) -> String {
    if offer.total == cheapest.total {
        return "The lowest total of this list.".to_owned();
    }
    let Ok(above) = offer.total.checked_sub(cheapest.total) else { return String::new() };
    let (mine, theirs) = (travel_time(offer), cheapest.travel_time());
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
    use crate::{
        itinerary::Slice,
        search::choices::Choices,
        web::components::samples::{direct, lisbon, new_york, offer, overnight, segment},
    };

    #[test]
    fn a_card_says_its_reasons_its_shape_and_its_distance_from_the_cheapest() {
        let cheapest = offer("a", 38_900, vec![overnight()]);
        let quick = offer("b", 51_230, vec![direct()]);
        let axes = [vec![cheapest.clone()]];
        let lowest = Choices::among(&axes).pick_of(&[0], 0).unwrap();
        let around = Surroundings { cheapest: &lowest, now: cheapest.quoted_at };
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
    fn co2_keeps_its_capitals_among_other_reasons() {
        assert_eq!(names(&[Order::Cheapest, Order::LeastCo2]), "Cheapest and least CO₂");
    }

    fn home() -> Slice {
        let leg = segment(&new_york(), &lisbon(), "2027-03-20T10:35:00Z", "2027-03-20T18:45:00Z");
        Slice::try_from(vec![leg]).unwrap()
    }

    #[test]
    fn both_ways_are_told_apart_where_they_differ() {
        let cases = [
            (vec![direct(), home()], "Direct both ways"),
            (vec![direct()], "Direct"),
            (vec![direct(), direct()], "Each flight direct"),
        ];
        for (slices, words) in cases {
            assert_eq!(way(&offer("a", 1, slices)), words);
        }
    }
}
