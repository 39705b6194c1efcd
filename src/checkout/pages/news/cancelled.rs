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
            format!("By the conditions that you accepted, no money comes back.{}", all_kept(standing, quote))
        }
        _ => format!("{}{}", money.details(), kept(standing, quote, &money)),
    };
    let besides = match Whereabouts::besides(standing) {
        none if none.is_empty() => String::new(),
        money => format!(" A second payment: {}", money.details()),
    };
    News::new(booking, headline, format!("{seats} {told}{besides}"), Next::SearchAgain)
}

/// All that was only set aside is kept, so it is charged after all.
fn all_kept(standing: &Standing, quote: &CancelQuote) -> String {
    let Figures { kept, charged, .. } = quote.figures;
    let its = standing.attempts.iter().find(|attempt| attempt.id == quote.attempt);
    match its.map(|attempt| attempt.state) {
        Some(AttemptState::Authorised) if !charged => {
            format!(" The {kept} that your bank has set aside is being charged.")
        }
        Some(AttemptState::Captured) if !charged => {
            format!(" The {kept} that your bank had set aside was charged.")
        }
        _ => String::new(),
    }
}

/// What the airline keeps, less what somebody has given back of it all the same.
fn kept(standing: &Standing, quote: &CancelQuote, money: &Whereabouts) -> String {
    let Figures { kept, charged, .. } = quote.figures;
    let its = standing.attempts.iter().find(|attempt| attempt.id == quote.attempt);
    let Some(attempt) = its.filter(|attempt| attempt.quarantined.is_none()) else { return String::new() };
    let left = match attempt.state {
        AttemptState::Captured => money.left_of(attempt.captured),
        AttemptState::Authorised => kept,
        _ if kept.minor == 0 => return String::new(),
        // The bank let go of all of it before anything was taken.
        _ => return format!(" The {kept} that you had accepted was never charged, and you owe nothing."),
    };
    let verb = if charged { "was kept" } else { "of it is charged" };
    match left.minor {
        0 => String::new(),
        _ if left == kept => format!(" {kept} {verb}, as you accepted."),
        _ => format!(" {left} {verb}; you had accepted {kept}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bookings::lifecycle::BookingState,
        checkout::{lifecycle::DisputeState, pages::samples::standing},
    };

    /// "headline | sentence" of tickets cancelled by a quote that keeps so much.
    fn told(standing: &Standing) -> String {
        let quote = standing.cancellation.as_ref().unwrap();
        let news = by(standing, quote);
        format!("{} | {}", news.headline, news.sentence).replace('\u{a0}', " ")
    }

    fn done(state: AttemptState, charged: bool, kept: i64) -> Standing {
        standing(BookingState::Cancelled).with(state).living_on_it().cancelled_for(charged, kept)
    }

    #[test]
    fn the_heading_is_about_the_money_only_while_some_is_owed_or_back() {
        let quiet = "This booking is cancelled | ";
        for (standing, heading) in [
            (done(AttemptState::Released, false, 0), quiet),
            (done(AttemptState::Authorised, false, 15_000), quiet),
            (done(AttemptState::Captured, true, 15_000).dispute(DisputeState::UnderReview, 80_000), quiet),
            (done(AttemptState::Authorised, false, 0), "You are not charged | "),
            (done(AttemptState::Captured, true, 15_000), "You get back EUR 650.00 | "),
        ] {
            let text = told(&standing);
            assert!(text.starts_with(heading), "{text}");
        }
    }

    #[test]
    fn what_is_kept_is_told_wherever_money_is_or_is_to_be_taken_and_nothing_kept_is_no_sum() {
        let authorised = told(&done(AttemptState::Authorised, false, 15_000));
        assert!(authorised.ends_with(" EUR 150.00 of it is charged, as you accepted."), "{authorised}");
        let all_of_it = told(&done(AttemptState::Authorised, false, 80_000));
        assert!(!all_of_it.contains("EUR 0.00"), "{all_of_it}");
        let nothing = told(&done(AttemptState::Captured, true, 0));
        assert!(!nothing.contains("kept") && !nothing.contains("A second payment"), "{nothing}");
    }

    #[test]
    fn a_payment_that_is_not_known_here_is_not_called_lost() {
        let mut unknown = done(AttemptState::Captured, true, 15_000);
        unknown.attempts.clear();
        assert!(!told(&unknown).contains("no money comes back"), "{}", told(&unknown));
    }

    #[test]
    fn while_a_bank_decides_what_the_quote_gives_back_waits_for_its_word() {
        let mut disputed = done(AttemptState::Captured, true, 15_000);
        disputed.disputed = true;
        let text = told(&disputed);
        assert!(text.contains("If the issuer leaves it with us, EUR 650.00 goes back"), "{text}");
        assert!(!text.contains("on its way back"), "{text}");
        // Its row says the same, once.
        let twice = told(&disputed.dispute(DisputeState::NeedsResponse, 80_000));
        assert_eq!(twice.matches("Your payment is disputed").count(), 1, "{twice}");
        // Of what is only set aside no bank takes anything back.
        let mut set_aside = done(AttemptState::Authorised, false, 0);
        set_aside.disputed = true;
        assert!(!told(&set_aside).contains("disputed"), "{}", told(&set_aside));
    }

    #[test]
    fn nobody_owes_anything_for_tickets_that_were_not_paid() {
        let unpaid = || {
            let mut unpaid = done(AttemptState::Released, false, 0);
            unpaid.cancellation.as_mut().unwrap().figures.terms = Terms::Unpaid;
            unpaid
        };
        let lines = |standing: Standing| {
            let cancelling = asked(&standing).sentence.replace('\u{a0}', " ");
            [cancelling, told(&standing)]
        };
        for text in lines(unpaid()) {
            assert!(text.ends_with(" Nothing was charged, and you owe nothing."), "{text}");
        }
        for text in lines(unpaid().with(AttemptState::Released)) {
            assert!(text.contains("and you owe nothing. Another payment: The EUR 800.00 that"), "{text}");
        }
        for text in lines(unpaid().with(AttemptState::Captured)) {
            assert!(!text.contains("Nothing was charged"), "{text}");
            assert!(
                text.contains("You owe nothing. Another payment: All of your EUR 800.00 is on"),
                "{text}"
            );
        }
    }
}
