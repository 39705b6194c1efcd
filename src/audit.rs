//! What members of the agency did, and which personal data they looked at: written in the transaction that does it.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;

use crate::{
    db::{Staff, Tx},
    ids::BookingId,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Looked at a travel document unmasked.
    DocumentRevealed,
}

impl Action {
    pub const fn code(self) -> &'static str {
        match self {
            Self::DocumentRevealed => "document_revealed",
        }
    }
}

/// Who did it is whoever the transaction belongs to; `subject` is the id of what it was done to.
pub async fn record(
    tx: &mut Tx<Staff>,
    action: Action,
    booking: Option<BookingId>,
    subject: &str,
    data: &Value,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into audit_log (at, actor_id, action, booking_id, subject, data)
         values ($1, app_user_id(), $2, $3, $4, $5)",
        now.to_sqlx() as _,
        action.code(),
        booking.map(|id| id.0),
        subject,
        data,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}
