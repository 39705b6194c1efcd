//! What the agency's own systems are told of: written down in the transaction of the fact, carried out later by `hooks`.
//!
//! Never names, addresses or documents of passengers: whoever may know them looks the booking up by its reference.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;

use crate::{
    db::{System, Tx},
    ids::{BookingId, HookEventId},
    outbox::{Job, push},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FactKind {
    /// The airline has issued the tickets.
    BookingConfirmed,
    /// It ended because somebody wanted it to.
    BookingCancelled,
    /// Nobody paid in time.
    BookingExpired,
    /// Paid, but no ticket: the money goes back.
    BookingFailed,
    /// The airline has other times for its flights, or does not fly them.
    BookingChanged,
    PaymentCaptured,
    RefundSucceeded,
    /// It came back, or never left.
    RefundFailed,
    /// It had failed, and a person has paid it another way.
    RefundSettled,
    DisputeOpened,
    DisputeClosed,
    /// Staff try whether an endpoint hears us.
    Ping,
}

impl FactKind {
    pub const ALL: [Self; 12] = [
        Self::BookingConfirmed,
        Self::BookingCancelled,
        Self::BookingExpired,
        Self::BookingFailed,
        Self::BookingChanged,
        Self::PaymentCaptured,
        Self::RefundSucceeded,
        Self::RefundFailed,
        Self::RefundSettled,
        Self::DisputeOpened,
        Self::DisputeClosed,
        Self::Ping,
    ];

    pub const fn code(self) -> &'static str {
        match self {
            Self::BookingConfirmed => "booking.confirmed",
            Self::BookingCancelled => "booking.cancelled",
            Self::BookingExpired => "booking.expired",
            Self::BookingFailed => "booking.failed",
            Self::BookingChanged => "booking.changed",
            Self::PaymentCaptured => "payment.captured",
            Self::RefundSucceeded => "refund.succeeded",
            Self::RefundFailed => "refund.failed",
            Self::RefundSettled => "refund.settled",
            Self::DisputeOpened => "dispute.opened",
            Self::DisputeClosed => "dispute.closed",
            Self::Ping => "ping",
        }
    }

    /// For the developer who receives it.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::BookingConfirmed => "The airline has issued the tickets.",
            Self::BookingCancelled => {
                "It was given up before anybody paid, or its tickets were cancelled. A refund is told of on its own."
            }
            Self::BookingExpired => {
                "Nobody paid in time, so the seats went back. Money that comes late may still confirm it."
            }
            Self::BookingFailed => "It was paid, but there are no tickets. The money goes back.",
            Self::BookingChanged => {
                "The airline has new times for the flights, flies others or fewer, or none of them: change.kind is rescheduled, replaced or cancelled."
            }
            Self::PaymentCaptured => "The money was taken.",
            Self::RefundSucceeded => "The money has left us. Banks take days to show it.",
            Self::RefundFailed => {
                "The money came back to us, or never left. It may come days after refund.succeeded."
            }
            Self::RefundSettled => {
                "A refund that had failed was paid by hand, past Stripe: out of the agency's own bank account or till."
            }
            Self::DisputeOpened => "The cardholder asked their bank for the money back.",
            Self::DisputeClosed => "The bank has decided. Stripe's dashboard says how.",
            Self::Ping => "A member of staff pressed the test button.",
        }
    }
}

/// Tells it once for each `cause`, the id of what is behind it. Where nobody listens nothing is kept.
pub async fn tell(
    tx: &mut Tx<System>,
    kind: FactKind,
    booking: BookingId,
    cause: &str,
    data: &Value,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let id = HookEventId::new();
    let told = sqlx::query!(
        "insert into hook_events (id, kind, once_key, booking_id, data, happened_at)
         select $1, $2, $3, $4, $5, $6 where exists (select from hook_endpoints)
         on conflict (once_key) do nothing",
        id.0,
        kind.code(),
        format!("{}:{cause}", kind.code()),
        booking.0,
        data,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    if told.rows_affected() == 1 {
        push(tx, &Job::SpreadEvent(id), now, now).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_code_of_its_own() {
        let codes: std::collections::BTreeSet<&str> = FactKind::ALL.into_iter().map(FactKind::code).collect();
        assert_eq!(codes.len(), FactKind::ALL.len());
    }
}
