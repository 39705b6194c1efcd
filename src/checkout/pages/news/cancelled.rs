//! What to tell of tickets that are being, or were, cancelled.

use super::{News, Next};
use crate::checkout::{
    Standing,
    cancel::{
        CancelQuote,
        terms::{Figures, Terms},
    },
    lifecycle::AttemptState,
    pages::money::Whereabouts,
};

pub fn asked(standing: &Standing) -> News {
    let booking = &standing.file.booking;
    if standing.cancellation.as_ref().is_some_and(|quote| quote.figures.terms == Terms::Unpaid) {
        let sentence = format!(
            "Nobody had paid for your tickets in time, so the airline has been asked to cancel them. {}",
            owes_nothing(standing)
        );
        return News::new(booking, "Your tickets are being cancelled", sentence, Next::Wait);
    }
    let asked = "The airline has been asked to cancel. Your tickets stay good until it has answered.";
    let money = match standing.cancellation.as_ref().map(|quote| quote.figures) {
        Some(Figures { back, .. }) if back.minor == 0 => {
            " By the conditions that you accepted, no money comes back.".to_owned()
        }
        Some(Figures { back, charged: true, .. }) => format!(" Then {back} is refunded to you."),
        Some(Figures { back, .. }) => format!(" Then {back} of what your bank has set aside is released."),
        None => String::new(),
    };
    News::new(booking, "Your cancellation is on its way", format!("{asked}{money}"), Next::Wait)
}

/// Of tickets that nobody has paid for; another payment may have come for them all the same.
fn owes_nothing(standing: &Standing) -> String {
    let besides = Whereabouts::besides(standing);
    if besides.is_settled() {
        let besides = besides.details();
        let told = if besides.is_empty() { besides } else { format!(" Another payment: {besides}") };
        format!("Nothing was charged, and you owe nothing.{told}")
    } else {
        format!("You owe nothing. Another payment: {}", besides.details())
    }
}

/// Of a booking that had tickets: what was quoted, and where it is by now.
pub fn by(standing: &Standing, quote: &CancelQuote) -> News {
    let booking = &standing.file.booking;
    if quote.figures.terms == Terms::Unpaid {
        let sentence = format!(
            "Nobody had paid for your tickets in time, so the airline has cancelled them. {}",
            owes_nothing(standing)
        );
        return News::new(booking, "This booking was not paid", sentence, Next::SearchAgain);
    }
    let money = Whereabouts::quoted(standing, quote);
    let is_quiet = money.is_settled() || money.is_disputed();
    // Of what was only set aside, something may be charged for what is kept.
    let is_quiet = is_quiet || (money.is_let_go() && quote.figures.kept.minor > 0);
    let headline = if is_quiet { "This booking is cancelled".to_owned() } else { money.headline() };
    let seats = "Your tickets are cancelled and the seats are given back.";
    let told = match money.is_empty() {
        true if quote.figures.back.minor == 0 => {
            "By the conditions that you accepted, no money comes back.".to_owned()
        }
        _ => format!("{}{}", money.details(), kept(standing, quote, &money)),
    };
    let besides = match Whereabouts::besides(standing) {
        none if none.is_empty() => String::new(),
        money => format!(" A second payment: {}", money.details()),
    };
    News::new(booking, headline, format!("{seats} {told}{besides}"), Next::SearchAgain)
}

/// What the airline keeps, less what somebody has given back of it all the same.
fn kept(standing: &Standing, quote: &CancelQuote, money: &Whereabouts) -> String {
    let Figures { kept, charged, .. } = quote.figures;
    let its = standing.attempts.iter().find(|attempt| attempt.id == quote.attempt);
    let Some(attempt) = its.filter(|attempt| attempt.quarantined.is_none()) else { return String::new() };
    let left = match attempt.state {
        AttemptState::Captured => money.left_of(attempt.captured),
        AttemptState::Authorised => kept,
        // Nothing of it was ever taken.
        _ => return String::new(),
    };
    let verb = if charged { "was kept" } else { "of it is charged" };
    match left.minor {
        0 => String::new(),
        _ if left == kept => format!(" {kept} {verb}, as you accepted."),
        _ => format!(" {left} {verb}; you had accepted {kept}."),
    }
}
