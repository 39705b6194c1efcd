//! Mails that we owe: written down in the transaction that causes them, composed and sent later.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{
    db::{System, Tx},
    ids::{BookingId, MailId},
    outbox::{Job, push},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailKind {
    BookingConfirmation,
    PaymentReceipt,
    /// Paid, but no ticket: the money goes back.
    NotTicketed,
    /// Nobody paid in time.
    HoldExpired,
    /// Money came for something that no longer needs it, and goes back.
    MoneyReturned,
}

impl MailKind {
    pub const ALL: [Self; 5] = [
        Self::BookingConfirmation,
        Self::PaymentReceipt,
        Self::NotTicketed,
        Self::HoldExpired,
        Self::MoneyReturned,
    ];

    pub const fn code(self) -> &'static str {
        match self {
            Self::BookingConfirmation => "booking_confirmation",
            Self::PaymentReceipt => "payment_receipt",
            Self::NotTicketed => "not_ticketed",
            Self::HoldExpired => "hold_expired",
            Self::MoneyReturned => "money_returned",
        }
    }

    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// Owes one mail to `to`, once for each `cause`: the id of the booking, attempt or refund behind it.
pub async fn owe_mail(
    tx: &mut Tx<System>,
    kind: MailKind,
    booking: BookingId,
    to: &str,
    cause: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let id = MailId::new();
    let owed = sqlx::query!(
        "insert into mails (id, booking_id, kind, once_key, to_address, created_at) values ($1, $2, $3, $4, $5, $6)
         on conflict (once_key) do nothing",
        id.0,
        booking.0,
        kind.code(),
        format!("{}:{cause}", kind.code()),
        to,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    if owed.rows_affected() == 1 {
        push(tx, &Job::SendMail(id), now, now).await?;
    }
    Ok(())
}
