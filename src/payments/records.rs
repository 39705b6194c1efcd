//! What Stripe says, in our words. A status that is new to us is kept by name instead of failing the whole answer.

use std::collections::HashMap;

use jiff::Timestamp;
use stripe_types::Expandable;

use super::PaymentError;
use crate::{
    ids::{AttemptId, RefundId},
    money::{Currency, Money},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    Open,
    Complete,
    Expired,
    Unknown(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntentStatus {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    RequiresCapture,
    Succeeded,
    Canceled,
    Unknown(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefundStatus {
    Pending,
    RequiresAction,
    Succeeded,
    Failed,
    Canceled,
    Unknown(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: String,
    /// Where to pay; gone once the session is complete or expired.
    pub url: Option<String>,
    pub status: SessionStatus,
    pub attempt: Option<AttemptId>,
    pub amount: Option<Money>,
    pub livemode: bool,
    pub expires_at: Timestamp,
    pub quote_hash: Option<String>,
    pub reference: Option<String>,
    /// Stripe makes the intent when a card is first tried. Only [`super::Payments::session`] brings it.
    pub payment_intent: Option<PaymentIntent>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentIntent {
    pub id: String,
    pub status: IntentStatus,
    pub amount: Money,
    /// Minor units that can still be captured.
    pub capturable: i64,
    /// Minor units captured.
    pub received: i64,
    pub livemode: bool,
    pub attempt: Option<AttemptId>,
    pub quote_hash: Option<String>,
    pub reference: Option<String>,
    /// Why the last card was declined: the issuer's reason, or else Stripe's code.
    pub last_error: Option<String>,
    pub card: Option<Card>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    pub brand: String,
    pub last4: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    pub id: String,
    pub status: RefundStatus,
    pub amount: Money,
    pub payment_intent: Option<String>,
    /// Our refund; none if somebody made it in Stripe's dashboard.
    pub refund: Option<RefundId>,
    pub created: Timestamp,
    pub failure: Option<String>,
    pub pending_reason: Option<String>,
}

impl From<&str> for SessionStatus {
    fn from(name: &str) -> Self {
        match name {
            "open" => Self::Open,
            "complete" => Self::Complete,
            "expired" => Self::Expired,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

impl From<&str> for IntentStatus {
    fn from(name: &str) -> Self {
        match name {
            "requires_payment_method" => Self::RequiresPaymentMethod,
            "requires_confirmation" => Self::RequiresConfirmation,
            "requires_action" => Self::RequiresAction,
            "processing" => Self::Processing,
            "requires_capture" => Self::RequiresCapture,
            "succeeded" => Self::Succeeded,
            "canceled" => Self::Canceled,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

impl From<&str> for RefundStatus {
    fn from(name: &str) -> Self {
        match name {
            "pending" => Self::Pending,
            "requires_action" => Self::RequiresAction,
            "succeeded" => Self::Succeeded,
            "failed" => Self::Failed,
            "canceled" => Self::Canceled,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

impl Session {
    pub(super) fn read(from: stripe_shared::CheckoutSession) -> Result<Self, PaymentError> {
        let metadata = from.metadata.unwrap_or_default();
        let amount = from.amount_total.zip(from.currency);
        let intent = from.payment_intent.and_then(Expandable::into_object);
        Ok(Self {
            id: from.id.to_string(),
            url: from.url,
            status: from.status.map_or_else(
                || SessionStatus::Unknown("none".into()),
                |status| SessionStatus::from(status.as_str()),
            ),
            attempt: from
                .client_reference_id
                .as_deref()
                .and_then(|id| id.parse().ok())
                .or(attempt(&metadata)),
            amount: amount.map(|(minor, currency)| money(minor, &currency)).transpose()?,
            livemode: from.livemode,
            expires_at: timestamp(from.expires_at)?,
            quote_hash: metadata.get("quote_hash").cloned(),
            reference: metadata.get("booking_reference").cloned(),
            payment_intent: intent.map(PaymentIntent::read).transpose()?,
        })
    }
}

impl PaymentIntent {
    pub(super) fn read(from: stripe_shared::PaymentIntent) -> Result<Self, PaymentError> {
        let error = from.last_payment_error.map(|error| *error);
        Ok(Self {
            id: from.id.to_string(),
            status: from.status.as_str().into(),
            amount: money(from.amount, &from.currency)?,
            capturable: from.amount_capturable,
            received: from.amount_received,
            livemode: from.livemode,
            attempt: attempt(&from.metadata),
            quote_hash: from.metadata.get("quote_hash").cloned(),
            reference: from.metadata.get("booking_reference").cloned(),
            last_error: error
                .and_then(|error| error.decline_code.or(error.code.map(|code| code.as_str().to_owned()))),
            card: from.latest_charge.and_then(Expandable::into_object).and_then(card),
        })
    }
}

impl Refund {
    pub(super) fn read(from: stripe_shared::Refund) -> Result<Self, PaymentError> {
        let metadata = from.metadata.unwrap_or_default();
        Ok(Self {
            id: from.id.to_string(),
            status: from
                .status
                .as_deref()
                .map_or_else(|| RefundStatus::Unknown("none".into()), RefundStatus::from),
            amount: money(from.amount, &from.currency)?,
            payment_intent: from.payment_intent.map(|intent| intent.id().to_string()),
            refund: metadata.get("refund_id").and_then(|id| id.parse().ok()),
            created: timestamp(from.created)?,
            failure: from.failure_reason,
            pending_reason: from.pending_reason.map(|reason| reason.as_str().to_owned()),
        })
    }
}

fn card(charge: stripe_shared::Charge) -> Option<Card> {
    let card = charge.payment_method_details?.card?;
    Some(Card { brand: card.brand?, last4: card.last4? })
}

fn attempt(metadata: &HashMap<String, String>) -> Option<AttemptId> {
    metadata.get("attempt_id").and_then(|id| id.parse().ok())
}

fn timestamp(seconds: i64) -> Result<Timestamp, PaymentError> {
    Timestamp::from_second(seconds).map_err(|error| PaymentError::Unreadable(error.to_string()))
}

fn money(minor: i64, currency: &stripe_types::Currency) -> Result<Money, PaymentError> {
    let code = currency.to_string();
    match code.parse::<Currency>() {
        Ok(known) => Ok(Money::new(minor, known)),
        Err(_) => Err(PaymentError::ForeignCurrency(code.to_ascii_uppercase())),
    }
}

/// Some currencies (BHD) are unknown to the client; it passes them on by name.
pub(super) fn currency_for(currency: Currency) -> stripe_types::Currency {
    match currency.code().to_ascii_lowercase().parse() {
        Ok(theirs) => theirs,
    }
}
