//! What is not ours: Stripe and the airline, as far as money and tickets go. Both keep their own books, and answer once
//! for each key or booking.

use jetbridge::{
    bookings::lifecycle::SupplierState,
    checkout::{
        facts::{Facts, reading},
        lifecycle::{AttemptEvent, DisputeEvent, RefundEvent},
    },
    money::{Currency, Money},
    payments::{IntentStatus, PaymentIntent, Session, SessionStatus},
};
use jiff::Timestamp;

/// What was accepted for the booking, in the model's money.
pub const PRICE: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SessionIs {
    Open,
    Complete,
    Expired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IntentIs {
    WantsMethod,
    Processing,
    RequiresCapture,
    Succeeded,
    Canceled,
}

/// Stripe's word on a payment at the moment it was given. It may be read much later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Told {
    pub session: Option<SessionIs>,
    pub intent: Option<IntentIs>,
    pub received: u8,
}

impl Told {
    /// As production reads it.
    pub fn reading(self) -> Option<AttemptEvent> {
        let session = self.session.map(|is| Session {
            id: String::new(),
            url: None,
            status: match is {
                SessionIs::Open => SessionStatus::Open,
                SessionIs::Complete => SessionStatus::Complete,
                SessionIs::Expired => SessionStatus::Expired,
            },
            attempt: None,
            amount: None,
            livemode: false,
            expires_at: Timestamp::UNIX_EPOCH,
            quote_hash: None,
            reference: None,
            payment_intent: None,
        });
        let intent = self.intent.map(|is| PaymentIntent {
            id: String::new(),
            status: match is {
                IntentIs::WantsMethod => IntentStatus::RequiresPaymentMethod,
                IntentIs::Processing => IntentStatus::Processing,
                IntentIs::RequiresCapture => IntentStatus::RequiresCapture,
                IntentIs::Succeeded => IntentStatus::Succeeded,
                IntentIs::Canceled => IntentStatus::Canceled,
            },
            amount: Money::new(i64::from(PRICE), Currency::Eur),
            capturable: 0,
            received: i64::from(self.received),
            livemode: false,
            attempt: None,
            quote_hash: None,
            reference: None,
            last_error: None,
            card: None,
        });
        reading(&Facts { session, intent })
    }
}

/// A question that Stripe answers once: what, and the try that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    Capture(u8),
    CaptureKept(u8),
    Release(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefundKey {
    pub refund: u8,
    pub epoch: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PaidBack {
    pub key: RefundKey,
    pub amount: u8,
    pub status: RefundEvent,
}

/// A payment that the traveller's bank has taken back, and its word on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TakenBack {
    pub amount: u8,
    pub word: DisputeEvent,
}

/// One session of Stripe's with its intent, its refunds and its dispute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Payment {
    pub session: Option<SessionIs>,
    /// Stripe will not make a session of this request.
    pub is_refused: bool,
    pub intent: Option<IntentIs>,
    pub received: u8,
    /// The question that was answered with yes.
    pub answered: Option<Question>,
    pub refunds: Vec<PaidBack>,
    /// Keys under which Stripe has failed: it keeps that answer as it keeps every other.
    pub broken: Vec<RefundKey>,
    pub dispute: Option<TakenBack>,
}

/// Stripe's word on a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Yes(RefundEvent),
    No,
    Broken,
    /// Not while the bank has the money, and not after it has kept it.
    ChargedBack,
}

impl Payment {
    pub fn told(&self) -> Told {
        Told { session: self.session, intent: self.intent, received: self.received }
    }

    fn told_of_intent(&self) -> Told {
        Told { session: None, ..self.told() }
    }

    /// The same key, so the same answer, however the session stands by now. `None` is a refusal, here and below.
    pub fn create(&mut self) -> Option<Told> {
        if self.is_refused {
            return None;
        }
        self.session.get_or_insert(SessionIs::Open);
        Some(Told { session: Some(SessionIs::Open), intent: None, received: 0 })
    }

    pub fn expire(&mut self) -> Option<Told> {
        if self.session != Some(SessionIs::Open) {
            return None;
        }
        self.session = Some(SessionIs::Expired);
        Some(self.told())
    }

    pub fn capture(&mut self, question: Question, amount: u8) -> Option<Told> {
        if self.answered != Some(question) {
            if self.intent != Some(IntentIs::RequiresCapture) {
                return None;
            }
            (self.intent, self.received) = (Some(IntentIs::Succeeded), amount);
            self.answered = Some(question);
        }
        Some(self.told_of_intent())
    }

    pub fn release(&mut self, question: Question) -> Option<Told> {
        if self.answered != Some(question) {
            if self.intent != Some(IntentIs::RequiresCapture) {
                return None;
            }
            self.intent = Some(IntentIs::Canceled);
            self.answered = Some(question);
        }
        Some(self.told_of_intent())
    }

    /// Which of our refunds it has made, and what has become of them.
    pub fn told_of_refunds(&self) -> Vec<(u8, RefundEvent)> {
        self.refunds.iter().map(|made| (made.key.refund, made.status)).collect()
    }

    /// What has gone back, or is on its way.
    pub fn paid_back(&self) -> u8 {
        self.refunds.iter().filter(|refund| refund.status != RefundEvent::Failed).map(|r| r.amount).sum()
    }

    /// What the bank has, or has given the traveller for good.
    pub fn charged_back(&self) -> u8 {
        self.dispute.filter(|dispute| dispute.word != DisputeEvent::Won).map_or(0, |dispute| dispute.amount)
    }

    /// What the traveller is out of pocket, once the bank has decided.
    pub fn net(&self) -> u8 {
        let lost = self.dispute.filter(|dispute| dispute.word == DisputeEvent::Lost);
        self.received.saturating_sub(self.paid_back() + lost.map_or(0, |dispute| dispute.amount))
    }

    pub fn refund(&mut self, key: RefundKey, amount: u8, status: RefundEvent, breaks: bool) -> Answer {
        if let Some(made) = self.refunds.iter().find(|made| made.key == key) {
            return Answer::Yes(made.status);
        }
        if breaks && !self.broken.contains(&key) {
            self.broken.push(key);
        }
        if self.broken.contains(&key) {
            return Answer::Broken;
        }
        if self.charged_back() > 0 {
            return Answer::ChargedBack;
        }
        if amount > self.net() {
            return Answer::No;
        }
        self.refunds.push(PaidBack { key, amount, status });
        Answer::Yes(status)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tickets {
    None,
    /// Asked for, not answered, and still on its way through the airline's machinery.
    Coming,
    Issued,
    /// A cancellation is on its way through the airline's machinery.
    Going,
    Cancelled,
}

impl Tickets {
    /// Somebody can fly, or will be able to.
    pub fn can_be_flown(self) -> bool {
        matches!(self, Self::Issued | Self::Coming)
    }
}

/// What our row of the supplier says of tickets that can be flown.
pub fn is_ticketed(state: SupplierState) -> bool {
    matches!(state, SupplierState::Ordered | SupplierState::ChangedByAirline)
}
