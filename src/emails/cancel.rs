//! Letters about a cancellation: the airline takes its time, has done it, or would not.

use crate::{
    checkout::cancel::terms::{Figures, Terms},
    emails::facts::{Brief, Fact, Payment},
};

/// The airline has been asked and has not answered yet.
#[derive(Clone, Debug)]
pub struct CancellationStarted {
    pub booking: Brief,
    pub figures: Figures,
    pub payment: Payment,
}

impl CancellationStarted {
    /// What comes back if all goes well.
    pub fn outlook(&self) -> String {
        let Figures { back, .. } = self.figures;
        match back.minor {
            0 => "By the conditions that you accepted, no money comes back.".to_owned(),
            _ => format!("When it has, {back} comes back to {}.", self.payment.place()),
        }
    }
}

/// The tickets are void.
#[derive(Clone, Debug)]
pub struct BookingCancelled {
    pub booking: Brief,
    pub figures: Figures,
    pub payment: Payment,
    /// Nothing goes back while the card's issuer decides.
    pub disputed: bool,
}

impl BookingCancelled {
    /// Nobody's money was ever taken for it.
    pub fn is_unpaid(&self) -> bool {
        self.figures.terms == Terms::Unpaid
    }

    /// Of money that comes back.
    pub fn is_told_of_money(&self) -> bool {
        self.figures.back.minor > 0 && !self.is_unpaid()
    }

    pub fn headline(&self) -> String {
        match self.figures.back.minor {
            0 => "Your booking is cancelled".to_owned(),
            _ if self.is_unpaid() => "Not paid in time, so your booking is cancelled".to_owned(),
            _ if self.disputed => "Your booking is cancelled".to_owned(),
            _ => format!("Cancelled, and {} comes back to you", self.figures.back),
        }
    }

    pub fn money(&self) -> String {
        let Figures { back, kept, charged, .. } = self.figures;
        let place = self.payment.place();
        match (back.minor, charged, kept.minor) {
            _ if self.is_unpaid() => {
                "Nothing was charged, and you owe nothing. Nobody had paid for the tickets again by the time that we told you."
                    .to_owned()
            }
            (0, ..) => "By the conditions that you accepted, no money comes back.".to_owned(),
            _ if self.disputed => format!(
                "Your payment is disputed: the card's issuer has taken it back from us and decides whose it is. Nothing more \
                 is paid until then. If the issuer leaves it with us, {back} comes back to {place}."
            ),
            (_, true, _) => {
                format!(
                    "{back} is refunded to {place}. Banks usually show a refund within 5 to 10 working days."
                )
            }
            (_, false, 0) => format!(
                "{back} was set aside on {place}. It was never charged, and all of it is released. Your bank may show it as \
                 pending for up to 7 days."
            ),
            (_, false, _) => format!(
                "Of what was set aside on {place}, {kept} is charged and {back} is released. Your bank may show it as \
                 pending for up to 7 days."
            ),
        }
    }

    /// How the figure is made up.
    pub fn facts(&self) -> Vec<Fact> {
        let Figures { terms, paid, returned, kept, back, charged, .. } = self.figures;
        if self.is_unpaid() {
            return vec![Fact::new("Charged", "Nothing"), Fact::new("Price", format!("{paid} total"))];
        }
        let mut facts =
            vec![Fact::new(if charged { "You paid" } else { "Set aside" }, format!("{paid} total"))];
        if returned.minor > 0 {
            facts.push(Fact::new("Back before", returned.to_string()));
        }
        let why = match terms {
            Terms::Window => ", because you cancelled soon after booking",
            Terms::Free => ", as the fare's conditions say",
            Terms::Fee => " by the airline, as the fare's conditions say",
            Terms::Nothing => " by the airline: the fare gives nothing back",
            Terms::Unpaid => "",
        };
        facts.push(Fact::new(
            "Kept",
            format!("{}{why}", if kept.minor > 0 { kept.to_string() } else { "Nothing".to_owned() }),
        ));
        facts.push(Fact::new("Comes back", format!("{back} total")));
        facts
    }
}

/// The airline said no: everything is as it was.
#[derive(Clone, Debug)]
pub struct CancellationRefused {
    pub booking: Brief,
}

pub(super) mod samples {
    use super::*;
    use crate::{emails::letters::Letter, money::Money};

    /// Each letter, under the name of its file, about a booking of more than EUR 620.00.
    pub fn letters(booking: &Brief, payment: &Payment) -> Option<Vec<(&'static str, Letter)>> {
        let total = booking.offer.total;
        let expires_at = "2026-11-22T17:20:00Z".parse().ok()?;
        let eur = |minor| Money::new(minor, total.currency);
        let figures = |terms, charged, kept: i64| Figures {
            terms,
            charged,
            paid: total,
            returned: eur(0),
            kept: eur(kept),
            back: eur(total.minor - kept),
            expires_at,
        };
        let cancelled = |figures| {
            let (booking, payment) = (booking.clone(), payment.clone());
            Letter::BookingCancelled(BookingCancelled { booking, figures, payment, disputed: false })
        };
        let started = |figures| {
            let (booking, payment) = (booking.clone(), payment.clone());
            Letter::CancellationStarted(CancellationStarted { booking, figures, payment })
        };
        let given = Figures {
            returned: eur(2_000),
            back: eur(total.minor - 62_000),
            ..figures(Terms::Fee, true, 60_000)
        };
        Some(vec![
            ("cancellation_started", started(figures(Terms::Fee, true, 60_000))),
            ("cancellation_started_for_nothing", started(figures(Terms::Nothing, true, total.minor))),
            ("booking_cancelled", cancelled(given)),
            ("booking_cancelled_for_nothing", cancelled(figures(Terms::Nothing, true, total.minor))),
            ("booking_cancelled_unpaid", cancelled(Figures::of_unpaid(total, expires_at))),
            ("booking_cancelled_released", cancelled(figures(Terms::Window, false, 0))),
            ("booking_cancelled_part_charged", cancelled(figures(Terms::Fee, false, 60_000))),
            (
                "cancellation_refused",
                Letter::CancellationRefused(CancellationRefused { booking: booking.clone() }),
            ),
        ])
    }
}
