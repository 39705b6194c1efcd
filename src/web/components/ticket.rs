//! The ticket of a confirmed booking: the one large orange area of the house. It is earned.

use std::fmt::Write;

use fast_qr::qr::QRBuilder;
use maud::html;

use crate::{
    ids::BookingReference,
    itinerary::Slice,
    web::components::{Fragment, slice::itinerary_by_day},
};

pub struct Ticket<'a> {
    pub slices: &'a [Slice],
    /// Each passenger with their ticket number on a second line, fare, bags, airline reference.
    pub facts: &'a [(String, String)],
    pub reference: &'a BookingReference,
}

pub fn ticket(ticket: &Ticket<'_>) -> Fragment {
    html! {
        section.ticket aria-labelledby="ticket-h" {
            div.ticket-main {
                h2.vh #ticket-h { "Ticket" }
                (itinerary_by_day(ticket.slices))
                dl.facts {
                    @for (name, value) in ticket.facts {
                        div {
                            dt { (name) }
                            dd { @for (place, line) in value.lines().enumerate() { @if place > 0 { br; } (line) } }
                        }
                    }
                }
            }
            div.ticket-stub {
                p { "Booking reference " b.ref { (ticket.reference) } }
                (qr(ticket.reference.as_str(), "QR code with the booking reference"))
            }
        }
    }
    .into()
}

/// The white around a code, in modules: readers find its edge by it (ISO/IEC 18004).
const QUIET: usize = 4;

/// Black on white in every scheme: a reader needs the contrast. Text too long for a code draws nothing.
pub fn qr(text: &str, label: &str) -> Fragment {
    let Ok(code) = QRBuilder::new(text).build() else { return Fragment::default() };
    let mut path = String::new();
    for row in 0..code.size {
        let mut column = 0;
        while column < code.size {
            let run = (column..code.size).take_while(|place| code[row][*place].value()).count();
            if run > 0 {
                let _ = write!(path, "M{column} {row}h{run}v1h-{run}z");
            }
            column += run.max(1);
        }
    }
    html! {
        svg.qr viewBox=(format!("-{QUIET} -{QUIET} {0} {0}", code.size + 2 * QUIET)) shape-rendering="crispEdges" role="img" aria-label=(label) {
            path d=(path) {}
        }
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_covers_exactly_the_dark_modules() {
        let svg = qr("K7WQ4M", "code").to_string();
        let code = QRBuilder::new("K7WQ4M").build().unwrap();
        let dark = (0..code.size)
            .flat_map(|row| code[row][..code.size].iter())
            .filter(|module| module.value())
            .count();
        let drawn: usize = svg
            .split("v1h-")
            .skip(1)
            .map(|rest| rest.split('z').next().unwrap().parse::<usize>().unwrap())
            .sum();
        assert_eq!(drawn, dark);
    }

    #[test]
    fn text_that_fits_no_code_draws_nothing() {
        assert_eq!(qr(&"x".repeat(5_000), "code").to_string(), "");
    }
}
