//! Where the traveller's money is once a booking has ended, told in sentences. Pure.

use serde_json::Value;

use crate::{
    bookings::Event,
    checkout::{
        Attempt, Standing,
        cancel::{CancelQuote, terms::Figures},
        lifecycle::AttemptState,
    },
    money::Money,
};

/// Why a refund waits, as far as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// The payment itself is not settled yet.
    ForThePayment,
    /// We have too little at the payment service.
    ForOurBalance,
    /// Nothing in particular.
    ForTheBank,
}

impl Waits {
    pub fn of(pending: &Value) -> Self {
        match pending.get("pending_reason").and_then(Value::as_str) {
            Some("charge_pending") => Self::ForThePayment,
            Some("insufficient_funds") => Self::ForOurBalance,
            _ => Self::ForTheBank,
        }
    }

    pub const fn in_words(self) -> &'static str {
        match self {
            Self::ForThePayment => {
                "The bank has not taken it yet: your payment has to be settled there first. It goes on by itself."
            }
            Self::ForOurBalance => {
                "The bank has not taken it yet: our account at the payment service has to be filled up first. That is our task, and it goes on by itself."
            }
            Self::ForTheBank => {
                "The bank has not taken it yet: it is still being worked on. It goes on by itself."
            }
        }
    }
}

/// In rising order of what the traveller most needs to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoneyIs {
    /// Never anywhere but with the traveller.
    Untouched,
    Released(Money),
    Refunded(Money),
    Releasing(Money),
    Refunding(Money),
    /// It is handed over, and not taken yet.
    Waiting(Money, Waits),
    OnItsWay(Money),
    RefundFailed(Money),
    /// What the bank did not take was paid another way.
    PaidByHand(Money),
    /// It would go back, but the bank has taken the payment back itself, and decides.
    Disputed(Money),
    /// The bank has decided, and given it back itself.
    ReturnedByBank(Money),
    /// It does not fit what was accepted, and a person looks.
    Checked(Money),
}

impl MoneyIs {
    const fn rank(self) -> u8 {
        match self {
            Self::Untouched => 0,
            Self::Released(_) => 1,
            Self::Refunded(_) | Self::ReturnedByBank(_) | Self::PaidByHand(_) => 2,
            Self::Releasing(_) => 3,
            Self::Refunding(_) | Self::Waiting(..) => 4,
            Self::OnItsWay(_) => 5,
            Self::RefundFailed(_) => 6,
            Self::Disputed(_) => 7,
            Self::Checked(_) => 8,
        }
    }

    /// The money of an attempt that its booking does not live on (any more). `refund` is the last word about a refund.
    fn of(attempt: &Attempt, refund: Option<&Event>) -> Self {
        let amount = attempt.amount;
        if attempt.quarantined.is_some() {
            return Self::Checked(amount);
        }
        match attempt.state {
            AttemptState::Authorised => Self::Releasing(amount),
            AttemptState::Released => Self::Released(amount),
            AttemptState::Processing => Self::OnItsWay(amount),
            AttemptState::Captured => match refund.map(|event| event.kind.as_str()) {
                Some("refund_pending") => {
                    let waits = refund.map_or(Waits::ForTheBank, |event| Waits::of(&event.data));
                    Self::Waiting(attempt.captured, waits)
                }
                Some("refund_paid_by_hand") => Self::PaidByHand(attempt.captured),
                Some("refund_succeeded") => Self::Refunded(attempt.captured),
                Some("refund_failed") => Self::RefundFailed(attempt.captured),
                Some("dispute_lost") => Self::ReturnedByBank(attempt.captured),
                Some("dispute_opened" | "dispute_under_review") => Self::Disputed(attempt.captured),
                _ => Self::Refunding(attempt.captured),
            },
            AttemptState::Creating
            | AttemptState::CreateUnknown
            | AttemptState::Open
            | AttemptState::Failed
            | AttemptState::Expired
            | AttemptState::Superseded => Self::Untouched,
        }
    }

    /// Of all attempts besides the one that the booking lives on.
    pub fn besides(standing: &Standing) -> Self {
        let secured_by = standing.file.booking.secured_by;
        Self::worst(standing, |attempt| Some(attempt.id) != secured_by)
    }

    /// Of the payment behind tickets that were cancelled: what its quote gives back, and how far that has come.
    pub fn quoted(standing: &Standing, quote: &CancelQuote) -> Self {
        let Figures { back, charged, .. } = quote.figures;
        let Some(attempt) = standing.attempts.iter().find(|attempt| attempt.id == quote.attempt) else {
            return Self::Untouched;
        };
        let is_partly_taken = !charged && attempt.captured.minor == quote.figures.kept.minor;
        let refund = last_refund(standing, attempt);
        let waits = standing.disputed && refund.is_none() && attempt.state == AttemptState::Captured;
        match Self::of(attempt, refund) {
            Self::Checked(amount) => Self::Checked(amount),
            _ if back.minor == 0 => Self::Untouched,
            _ if waits && !is_partly_taken => Self::Disputed(back),
            Self::Refunding(_) if is_partly_taken => Self::Released(back),
            Self::Refunding(_) => Self::Refunding(back),
            Self::Waiting(_, waits) => Self::Waiting(back, waits),
            Self::PaidByHand(_) => Self::PaidByHand(back),
            Self::Refunded(_) => Self::Refunded(back),
            Self::RefundFailed(_) => Self::RefundFailed(back),
            Self::Disputed(_) => Self::Disputed(back),
            Self::Released(_) => Self::Released(back),
            Self::Releasing(_) => Self::Releasing(back),
            other => other,
        }
    }

    /// Of all attempts, for a booking that needs none of them.
    pub fn altogether(standing: &Standing) -> Self {
        Self::worst(standing, |_| true)
    }

    fn worst(standing: &Standing, counts: impl Fn(&Attempt) -> bool) -> Self {
        let attempts = standing.attempts.iter().filter(|attempt| counts(attempt));
        attempts
            .map(|attempt| Self::of(attempt, last_refund(standing, attempt)))
            .max_by_key(|money| money.rank())
            .unwrap_or(Self::Untouched)
    }

    /// The whole truth in a line or two.
    pub fn told(self) -> String {
        match self {
            Self::Untouched => "Nothing was charged.".to_owned(),
            Self::Released(_) => format!("Nothing was charged. {}", self.details()),
            Self::Releasing(_) => format!("You are not charged. {}", self.details()),
            _ => self.details(),
        }
    }

    /// The same, below a heading that has said the first of it.
    pub fn details(self) -> String {
        match self {
            Self::Untouched => String::new(),
            Self::Released(amount) => {
                format!(
                    "The {amount} that your bank had set aside was released in full. Banks show this within 1 to 7 days."
                )
            }
            Self::Refunded(amount) => {
                format!(
                    "All of your {amount} went back to the card you paid with. Banks show this within 5 to 10 days."
                )
            }
            Self::Releasing(amount) => format!(
                "The {amount} that your bank has set aside is being released in full. Banks show this within 1 to 7 days."
            ),
            Self::Refunding(amount) => format!(
                "All of your {amount} is on its way back to the card you paid with. Banks show this within 5 to 10 days."
            ),
            Self::Waiting(amount, waits) => {
                format!("All of your {amount} goes back to the card you paid with. {}", waits.in_words())
            }
            Self::PaidByHand(amount) => format!(
                "All of your {amount} has been paid back to you. What your bank did not take we paid another way: how and when stands below."
            ),
            Self::OnItsWay(amount) => {
                format!(
                    "A payment of {amount} is still on its way. When it arrives, all of it goes back to you."
                )
            }
            Self::RefundFailed(amount) => format!(
                "You get back all of your {amount}. Your bank did not take it at the first try, so a person looks after it and writes to you."
            ),
            Self::Disputed(amount) => format!(
                "Your payment is disputed: the card’s issuer has taken it back from us and decides whose it is. Nothing more is paid until then. If the issuer leaves it with us, {amount} goes back to where you paid from."
            ),
            Self::ReturnedByBank(amount) => {
                format!("Your bank has decided the dispute and given you back your {amount} itself.")
            }
            Self::Checked(amount) => format!(
                "A payment of {amount} does not fit what you accepted. It is not lost: a person looks at it and writes to you. Please do not pay again."
            ),
        }
    }

    /// The traveller has, or never lost, the use of all of it.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Untouched | Self::Released(_))
    }

    /// Short enough for a heading.
    pub fn headline(self) -> String {
        match self {
            Self::Untouched | Self::Released(_) => "Nothing was charged".to_owned(),
            Self::Releasing(_) => "You are not charged".to_owned(),
            Self::Refunded(amount) | Self::ReturnedByBank(amount) | Self::PaidByHand(amount) => {
                format!("{amount} went back to you")
            }
            Self::Refunding(amount) | Self::Waiting(amount, _) | Self::RefundFailed(amount) => {
                format!("You get back {amount}")
            }
            Self::Disputed(_) => "Your bank decides about this payment".to_owned(),
            Self::OnItsWay(_) | Self::Checked(_) => "We look after your payment".to_owned(),
        }
    }
}

/// The last word about a refund or a dispute of this attempt. A question of the bank, and its leaving the money with us,
/// change nothing about where it is.
fn last_refund<'a>(standing: &'a Standing, attempt: &Attempt) -> Option<&'a Event> {
    // Events of an older version do not say of which attempt they are: they are everybody's.
    let is_its = |event: &Event| match event.data.get("attempt").and_then(Value::as_str) {
        Some(id) => id == attempt.id.to_string(),
        None => true,
    };
    let is_asked = |event: &Event| event.data.get("is_inquiry").and_then(Value::as_bool) == Some(true);
    let counts = |event: &&Event| {
        let is_refund = event.kind.starts_with("refund_") && event.kind != "refund_withdrawn";
        let is_dispute = event.kind.starts_with("dispute_") && !is_asked(event);
        (is_refund || is_dispute) && is_its(event)
    };
    let mut last = standing.file.events.iter().rev().filter(counts);
    match last.next() {
        Some(event) if event.kind == "dispute_won" => last.find(|event| event.kind.starts_with("refund_")),
        last => last,
    }
}
