//! What the airline has made of flights that were sold, at the top of the booking's own page.

use jiff::civil::DateTime;
use maud::html;

use crate::{
    bookings::{changes, lifecycle::BookingState, pages::words::in_short},
    checkout::Standing,
    itinerary::Slice,
    supplier::Flights,
    web::components::{Fragment, words},
};

/// `None`: everything is flown as it was sold, or nobody is to fly it.
pub fn banner(standing: &Standing) -> Option<Fragment> {
    let booking = &standing.file.booking;
    let change = booking.airline_change.as_ref()?;
    if booking.state != BookingState::Confirmed {
        return None;
    }
    Some(match &change.flights {
        Flights::Cancelled => html! {
            div.note data-is="bad" role="alert" {
                b { "What happens now" }
                p { "A person of ours asks the airline for other flights, or for your money, and writes to you. You need not do anything. If you would rather not wait, cancel below: the page says first what comes back." }
            }
        }
        .into(),
        Flights::Replaced(slices) => html! {
            div.note data-is="warn" role="status" {
                b { "The airline flies something else than it sold you" }
                ul { @for line in in_short(slices) { li { (line) } } }
                p { "A person of ours sees that your tickets are good for these flights, and writes to you. If they do not suit you, write to us before you cancel: after such a change the airline may give more back than the fare says." }
            }
        }
        .into(),
        Flights::Rescheduled(slices) => {
            let before = before(standing, &change.id);
            html! {
                div.note data-is="warn" role="status" {
                    b { "The airline has changed your flights" }
                    ul {
                        @for (at, slice) in slices.iter().enumerate() {
                            @for line in lines(before.get(at), slice) { li { (line) } }
                        }
                    }
                    p { "Your tickets are good for the new times, which stand on this page, in the itinerary and in the calendar. If they do not suit you, write to us before you cancel: after such a change the airline may give more back than the fare says." }
                }
            }
            .into()
        }
    })
}

/// The flights as they were before this change.
fn before(standing: &Standing, change: &str) -> Vec<Slice> {
    let its = |event: &&crate::bookings::Event| {
        event.kind == changes::EVENT && event.data["change"]["id"].as_str() == Some(change)
    };
    let event = standing.file.events.iter().rev().find(its);
    event.and_then(|event| serde_json::from_value(event.data["before"].clone()).ok()).unwrap_or_default()
}

/// "Lisbon to London leaves Mon 14 Dec 11:40, was 10:35".
fn lines(before: Option<&Slice>, now: &Slice) -> Vec<String> {
    let route = format!("{} to {}", now.first().from.city, now.last().to.city);
    let Some(before) = before else {
        return vec![format!("{route} leaves {}", moment(now.first().departs.local))];
    };
    let line = |verb: &str, was: DateTime, is: DateTime| {
        let old = if was.date() == is.date() { words::clock(was) } else { moment(was) };
        (was != is).then(|| format!("{route} {verb} {}, was {old}", moment(is)))
    };
    let leaves = line("leaves", before.first().departs.local, now.first().departs.local);
    let lands = line("lands", before.last().arrives.local, now.last().arrives.local);
    leaves.into_iter().chain(lands).collect()
}

fn moment(at: DateTime) -> String {
    format!("{} {}", words::day(at.date()), words::clock(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checkout::{lifecycle::AttemptState, pages::samples::standing},
        supplier::AirlineChange,
    };

    #[test]
    fn only_somebody_who_is_to_fly_is_told() {
        for state in BookingState::ALL {
            let mut standing = standing(*state).with(AttemptState::Captured).living_on_it();
            assert!(banner(&standing).is_none());
            standing.file.booking.airline_change =
                Some(AirlineChange { id: "x".to_owned(), flights: Flights::Cancelled });
            assert_eq!(banner(&standing).is_some(), *state == BookingState::Confirmed, "{state:?}");
        }
    }

    #[test]
    fn old_and_new_times_stand_side_by_side_and_what_has_not_changed_is_not_told() {
        let slice = &standing(BookingState::Confirmed).file.booking.offer.slices[0];
        assert!(lines(Some(slice), slice).is_empty());
        assert_eq!(lines(None, slice).len(), 1);
    }
}
