//! The traveller's pages from the last look before paying to the ticket.

pub mod after;
pub mod booking;
pub mod money;
pub mod news;
pub mod review;
pub mod timeline;

use crate::{
    bookings::Booking,
    itinerary::{Passenger, PassengerKind},
};

/// A booking's own address; every form and redirect of these pages starts with it.
fn address(booking: &Booking) -> String {
    format!("/bookings/{}", booking.reference)
}

const fn kind_in_words(kind: PassengerKind) -> &'static str {
    match kind {
        PassengerKind::Adult => "Adult",
        PassengerKind::Child => "Child",
        PassengerKind::Infant => "Infant",
    }
}

fn full_name(passenger: &Passenger) -> String {
    format!("{} {}", passenger.given_names, passenger.family_name)
}
