//! What is open about a booking, for the page and for programs.

use super::Open;
use crate::web::components::words::day_and_year;

/// Behind the reference of a booking.
pub fn in_words(why: Open) -> String {
    match why {
        Open::Held => "seats are held for you. Pay or give the booking up.".to_owned(),
        Open::Ticketing => "the airline is issuing your tickets. This takes minutes.".to_owned(),
        Open::Cancelling => "the airline is cancelling your tickets.".to_owned(),
        Open::Payment => "a payment is on its way. Nothing is left to do but wait.".to_owned(),
        Open::Refund => "a refund is on its way to your card.".to_owned(),
        Open::Money => "money of yours is still with us. It goes back first.".to_owned(),
        Open::Attention => "one of us has to look at this booking first.".to_owned(),
        Open::Travel(until) => {
            format!("you travel until {}, and we have to reach you until then.", day_and_year(until))
        }
    }
}

/// For programs: stable.
pub const fn code(why: Open) -> &'static str {
    match why {
        Open::Held => "held",
        Open::Ticketing => "ticketing",
        Open::Cancelling => "cancelling",
        Open::Payment => "payment",
        Open::Refund => "refund",
        Open::Money => "money",
        Open::Attention => "attention",
        Open::Travel(_) => "travel",
    }
}
