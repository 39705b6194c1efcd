//! Where the traveller's money is, told in sentences: each sum by itself, as the rows of payments, refunds and disputes
//! have it. Pure.

use crate::{
    checkout::{
        Attempt, LetGo, Returned, Standing,
        cancel::CancelQuote,
        lifecycle::{AttemptState, DisputeState, RefundState},
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
    pub fn of(pending_reason: Option<&str>) -> Self {
        match pending_reason {
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

/// A sum, and where it is. In rising order of what the traveller most needs to hear, which is also the order of telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoneyIs {
    Released(Money),
    Refunded(Money),
    /// What the bank did not take was paid another way.
    PaidByHand(Money),
    /// The bank has decided, and given it back itself.
    ReturnedByBank(Money),
    Releasing(Money),
    Refunding(Money),
    /// It is handed over, and not taken yet.
    Waiting(Money, Waits),
    OnItsWay(Money),
    RefundFailed(Money),
    /// The bank has taken the payment, or so much of it, back itself, and decides. Then so much would go back.
    Disputed(Option<Money>, Money),
    /// It does not fit what was accepted, and a person looks.
    Checked(Money),
}

impl MoneyIs {
    const fn rank(self) -> u8 {
        match self {
            Self::Released(_) => 0,
            Self::Refunded(_) => 1,
            Self::PaidByHand(_) => 2,
            Self::ReturnedByBank(_) => 3,
            Self::Releasing(_) => 4,
            Self::Refunding(_) => 5,
            Self::Waiting(..) => 6,
            Self::OnItsWay(_) => 7,
            Self::RefundFailed(_) => 8,
            Self::Disputed(..) => 9,
            Self::Checked(_) => 10,
        }
    }

    const fn sum(&mut self) -> &mut Money {
        match self {
            Self::Released(sum)
            | Self::Refunded(sum)
            | Self::PaidByHand(sum)
            | Self::ReturnedByBank(sum)
            | Self::Releasing(sum)
            | Self::Refunding(sum)
            | Self::Waiting(sum, _)
            | Self::OnItsWay(sum)
            | Self::RefundFailed(sum)
            | Self::Disputed(_, sum)
            | Self::Checked(sum) => sum,
        }
    }

    fn amount(mut self) -> Money {
        *self.sum()
    }

    /// The traveller has it.
    const fn is_back(self) -> bool {
        matches!(self, Self::Refunded(_) | Self::PaidByHand(_) | Self::ReturnedByBank(_))
    }

    /// It was taken, and the traveller gets it.
    const fn is_owed(self) -> bool {
        matches!(self, Self::Refunding(_) | Self::Waiting(..) | Self::RefundFailed(_))
    }

    /// The money of an attempt that buys nothing (any more), but for what was kept of it.
    fn of(attempt: &Attempt, returned: Option<&Returned>, kept: i64) -> Vec<Self> {
        if attempt.quarantined.is_some() {
            let mut parts = Self::of_taken(attempt, returned, None);
            parts.retain(|part| part.is_back());
            parts.push(Self::Checked(attempt.amount));
            return parts;
        }
        match (&attempt.let_go, attempt.state) {
            // What stood at Stripe need not be what had been accepted.
            (Some(LetGo { amount, was_taken: true }), _) => vec![Self::Refunded(*amount)],
            (Some(LetGo { amount, was_taken: false }), _) => vec![Self::Released(*amount)],
            (None, AttemptState::Authorised) => vec![Self::Releasing(attempt.amount)],
            (None, AttemptState::Released) => vec![Self::Released(attempt.amount)],
            (None, AttemptState::Processing) => vec![Self::OnItsWay(attempt.amount)],
            (None, AttemptState::Captured) => Self::of_taken(attempt, returned, Some(kept)),
            (
                None,
                AttemptState::Creating
                | AttemptState::CreateUnknown
                | AttemptState::Open
                | AttemptState::Failed
                | AttemptState::Expired
                | AttemptState::Superseded,
            ) => Vec::new(),
        }
    }

    /// What has become of taken money, by its refunds and disputes. `kept`: of an attempt that buys nothing; what is neither
    /// kept nor promised yet goes back too.
    fn of_taken(attempt: &Attempt, returned: Option<&Returned>, kept: Option<i64>) -> Vec<Self> {
        let captured = attempt.captured;
        let money = |minor| Money::new(minor, captured.currency);
        let refunds = |states: &[RefundState]| returned.map_or(0, |returned| returned.refunds_in(states));
        let disputes =
            |counts: fn(DisputeState) -> bool| returned.map_or(0, |returned| returned.disputes_in(counts));
        let refunded = refunds(&[RefundState::Succeeded]);
        let by_hand = refunds(&[RefundState::PaidByHand]);
        let by_bank = disputes(|state| state == DisputeState::Lost);
        let disputed = disputes(|state| !state.has_ended());
        let asked = refunds(&[RefundState::Requested, RefundState::SubmitUnknown]);
        let sent = refunds(&[RefundState::Submitted]);
        let pending = refunds(&[RefundState::Pending]);
        // One that failed may have gone by another refund since: then it lies nowhere any more.
        let unpromised = returned.map_or(0, |returned| returned.unpromised.minor);
        let failed = refunds(&[RefundState::Failed]).min(unpromised);
        let to_come = kept.map_or(asked + sent + pending + failed, |kept| {
            captured.minor - kept - refunded - by_hand - by_bank
        });
        let rest = (to_come - asked - sent - pending - failed).max(0);
        let waits = Waits::of(returned.and_then(Returned::waits_for));
        let mut parts = vec![
            Self::Refunded(money(refunded)),
            Self::PaidByHand(money(by_hand)),
            Self::ReturnedByBank(money(by_bank)),
            Self::Waiting(money(pending), waits),
        ];
        if disputed > 0 {
            // What Stripe has not made yet waits for the bank.
            parts.push(Self::Refunding(money(sent)));
        } else {
            parts.extend([Self::Refunding(money(asked + sent + rest)), Self::RefundFailed(money(failed))]);
        }
        parts.retain(|part| part.amount().minor > 0);
        if disputed > 0 {
            let taken = Some(money(disputed)).filter(|taken| *taken != captured);
            parts.push(Self::Disputed(taken, money((to_come - sent - pending).max(0))));
        }
        parts
    }

    /// As one of several sums.
    fn in_words(self) -> String {
        let shown = "Banks show this within 5 to 10 working days.";
        match self {
            Self::Released(amount) => format!(
                "{amount} that your bank had set aside was released. Banks show this within 1 to 7 days."
            ),
            Self::Refunded(amount) => format!("{amount} went back to where you paid from. {shown}"),
            Self::PaidByHand(amount) => format!(
                "{amount} was paid back to you. What did not arrive by card we paid another way: how and when stands below."
            ),
            Self::ReturnedByBank(amount) => {
                format!("Your bank has decided the dispute and given you back {amount} itself.")
            }
            Self::Releasing(amount) => format!(
                "{amount} that your bank has set aside is being released. Banks show this within 1 to 7 days."
            ),
            Self::Refunding(amount) => format!("{amount} is on its way back to where you paid from. {shown}"),
            Self::Waiting(amount, waits) => {
                format!("{amount} goes back to where you paid from. {}", waits.in_words())
            }
            Self::OnItsWay(amount) => format!(
                "A payment of {amount} is still on its way. When it arrives, all of it goes back to you."
            ),
            Self::RefundFailed(amount) => format!(
                "{amount} is still owed to you. It did not arrive at the first try, so a person looks after it and writes to you."
            ),
            Self::Disputed(taken, then) => {
                let taken = taken.map_or_else(|| "it".to_owned(), |taken| format!("{taken} of it"));
                let then = match then.minor {
                    0 => String::new(),
                    _ => format!(
                        " If the issuer leaves it with us, {then} goes back to where you paid from."
                    ),
                };
                format!(
                    "Your payment is disputed: the card’s issuer has taken {taken} back from us and decides whose it is. Nothing more is paid until then.{then}"
                )
            }
            Self::Checked(_) => "A payment does not fit what you accepted. It is not lost: a person looks at it and writes to you. Please do not pay again.".to_owned(),
        }
    }

    /// As all that there is to tell of a payment.
    fn all_of_it(self) -> String {
        let shown = "Banks show this within 5 to 10 working days.";
        match self {
            Self::Released(amount) => format!(
                "The {amount} that your bank had set aside was released in full. Banks show this within 1 to 7 days."
            ),
            Self::Releasing(amount) => format!(
                "The {amount} that your bank has set aside is being released in full. Banks show this within 1 to 7 days."
            ),
            Self::Refunded(amount) => {
                format!("All of your {amount} went back to the card you paid with. {shown}")
            }
            Self::PaidByHand(amount) => format!(
                "All of your {amount} has been paid back to you. What did not arrive by card we paid another way: how and when stands below."
            ),
            Self::Refunding(amount) => {
                format!("All of your {amount} is on its way back to the card you paid with. {shown}")
            }
            Self::Waiting(amount, waits) => {
                format!("All of your {amount} goes back to the card you paid with. {}", waits.in_words())
            }
            Self::RefundFailed(amount) => format!(
                "You get back all of your {amount}. It did not arrive at the first try, so a person looks after it and writes to you."
            ),
            other => other.in_words(),
        }
    }
}

/// Where the money of some payments is; empty: nowhere but with the traveller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whereabouts {
    parts: Vec<MoneyIs>,
    /// How many payments it is of.
    payments: usize,
    /// One sum is all that there is of them.
    is_whole: bool,
}

impl Whereabouts {
    /// Of all attempts besides the one that the booking lives on.
    pub fn besides(standing: &Standing) -> Self {
        let secured_by = standing.file.booking.secured_by;
        Self::of(standing, |attempt| Some(attempt.id) != secured_by)
    }

    /// Of all attempts, for a booking that needs none of them.
    pub fn altogether(standing: &Standing) -> Self {
        Self::of(standing, |_| true)
    }

    /// Of all attempts that nobody can pay any more.
    pub fn of_the_past(standing: &Standing) -> Self {
        Self::of(standing, |attempt| !attempt.state.is_payable())
    }

    fn of(standing: &Standing, counts: impl Fn(&Attempt) -> bool) -> Self {
        let attempts = standing.attempts.iter().filter(|attempt| counts(attempt));
        let each = attempts.map(|attempt| (attempt, MoneyIs::of(attempt, standing.returned_of(attempt), 0)));
        let each: Vec<_> = each.filter(|(_, parts)| !parts.is_empty()).collect();
        let payments = each.len();
        let is_whole = each.iter().all(|(_, parts)| parts.len() == 1);
        let parts = each.into_iter().flat_map(|(_, parts)| parts);
        Self { payments, ..Self::new(parts, is_whole) }
    }

    /// Of the payment behind tickets that were cancelled: what its quote gives back, and how far that has come.
    pub fn quoted(standing: &Standing, quote: &CancelQuote) -> Self {
        let its = standing.attempts.iter().find(|attempt| attempt.id == quote.attempt);
        let Some(attempt) = its else { return Self::default() };
        let figures = quote.figures;
        let currency = attempt.amount.currency;
        let mut parts = MoneyIs::of(attempt, standing.returned_of(attempt), figures.kept.minor);
        if !figures.charged && attempt.state == AttemptState::Captured && attempt.quarantined.is_none() {
            let released = attempt.amount.minor - attempt.captured.minor;
            parts.extend((released > 0).then_some(MoneyIs::Released(Money::new(released, currency))));
        }
        // What is kept is not let go, but taken.
        for part in &mut parts {
            if let MoneyIs::Releasing(amount) = part {
                *amount = figures.back;
            }
        }
        parts.retain(|part| part.amount().minor > 0 || matches!(part, MoneyIs::Disputed(..)));
        // A bank of which a person has heard, and our rows have not.
        let is_open = parts.iter().any(|part| matches!(part, MoneyIs::Disputed(..)));
        if standing.disputed && !is_open && attempt.state == AttemptState::Captured {
            let waits: Vec<MoneyIs> =
                parts.extract_if(.., |part| matches!(part, MoneyIs::Refunding(_))).collect();
            let then = waits.iter().map(|part| part.amount().minor).sum();
            parts.push(MoneyIs::Disputed(None, Money::new(then, currency)));
        }
        Self::new(parts, false)
    }

    /// What has gone back, or is going, of a payment that still buys something.
    pub fn back_of(standing: &Standing, attempt: &Attempt) -> Self {
        let parts = MoneyIs::of_taken(attempt, standing.returned_of(attempt), None);
        Self::new(parts, false)
    }

    fn new(parts: impl IntoIterator<Item = MoneyIs>, is_whole: bool) -> Self {
        let mut merged: Vec<MoneyIs> = Vec::new();
        for mut part in parts {
            let same = merged.iter_mut().find(|known| {
                known.rank() == part.rank() && known.amount().currency == part.amount().currency
            });
            match same.filter(|_| !matches!(part, MoneyIs::Disputed(..))) {
                Some(known) => known.sum().minor = known.amount().minor.saturating_add(part.sum().minor),
                None => merged.push(part),
            }
        }
        merged.sort_by_key(|part| part.rank());
        Self { is_whole: is_whole && merged.len() == 1, parts: merged, payments: 1 }
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// All of one payment is in one place.
    pub fn single(&self) -> Option<MoneyIs> {
        self.parts.first().copied().filter(|_| self.is_whole && self.payments == 1)
    }

    /// The traveller has, or never lost, the use of all of it.
    pub fn is_settled(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, MoneyIs::Released(_)))
    }

    /// A bank decides about some of it.
    pub fn is_disputed(&self) -> bool {
        matches!(self.parts.last(), Some(MoneyIs::Disputed(..)))
    }

    /// Nothing was taken, and what is set aside is being let go.
    pub fn is_let_go(&self) -> bool {
        let is_let_go = |part: &MoneyIs| matches!(part, MoneyIs::Released(_) | MoneyIs::Releasing(_));
        self.parts.iter().all(is_let_go)
    }

    /// The whole truth in a line or two.
    pub fn told(&self) -> String {
        match self.details() {
            none if none.is_empty() => "Nothing was charged.".to_owned(),
            details if self.is_settled() => format!("Nothing was charged. {details}"),
            details if self.is_let_go() => format!("You are not charged. {details}"),
            details => details,
        }
    }

    /// For a sentence about a payment that came to nothing.
    pub fn nothing_charged(&self) -> String {
        if self.is_settled() { "Nothing was charged.".to_owned() } else { self.details() }
    }

    /// The same, below a heading that has said the first of it.
    pub fn details(&self) -> String {
        let words = |part: &MoneyIs| if self.is_whole { part.all_of_it() } else { part.in_words() };
        self.parts.iter().map(words).collect::<Vec<_>>().join(" ")
    }

    /// Short enough for a heading.
    pub fn headline(&self) -> String {
        let back = self.sum(MoneyIs::is_back);
        match self.parts.last() {
            None | Some(MoneyIs::Released(_)) => "Nothing was charged".to_owned(),
            Some(MoneyIs::Releasing(_)) if back.is_none() => "You are not charged".to_owned(),
            Some(MoneyIs::Disputed(..)) => "Your bank decides about this payment".to_owned(),
            Some(MoneyIs::OnItsWay(_) | MoneyIs::Checked(_)) => "We look after your payment".to_owned(),
            Some(top) => match (self.sum(MoneyIs::is_owed), back) {
                (Some(owed), None) => format!("You get back {owed}"),
                (Some(owed), Some(_)) => format!("{owed} still comes back to you"),
                (None, back) => format!("{} went back to you", back.unwrap_or(top.amount())),
            },
        }
    }

    /// In the currency of the first of them; only money that did not fit was in another.
    fn sum(&self, counts: impl Fn(MoneyIs) -> bool) -> Option<Money> {
        let mut amounts = self.parts.iter().filter(|part| counts(**part)).map(|part| part.amount());
        let first = amounts.next()?;
        Some(amounts.fold(first, |sum, amount| sum.checked_add(amount).unwrap_or(sum)))
    }

    /// So much of what was taken is neither back nor on its way there.
    pub fn left_of(&self, captured: Money) -> Money {
        let moves = |part: MoneyIs| part.is_back() || part.is_owed();
        let going = self.parts.iter().filter(|part| moves(**part)).map(|part| part.amount().minor);
        let then = self.parts.iter().map(|part| match part {
            MoneyIs::Disputed(_, then) => then.minor,
            _ => 0,
        });
        Money::new((captured.minor - going.chain(then).sum::<i64>()).max(0), captured.currency)
    }
}

#[cfg(test)]
mod tests;
