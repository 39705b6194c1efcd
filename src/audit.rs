//! What members of the agency did, and which personal data they looked at: written in the transaction that does it.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;

use crate::{
    db::{Staff, System, Tx},
    ids::{BookingId, UserId},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Looked at a travel document unmasked.
    DocumentRevealed,
    RefundRequested,
    /// Wrote down how a refund that had failed was paid another way.
    RefundPaidByHand,
    AttentionResolved,
    /// Took the next step of something that needs a person.
    NextStepTaken,
    /// A payment that was in quarantine fits after all.
    PaymentAccepted,
    /// A payment that was in quarantine goes back.
    PaymentGivenBack,
    /// Took what answers a dispute: papers, letters and addresses of a booking.
    EvidenceTaken,
    /// An event of Stripe's was applied again.
    EventReplayed,
    /// Read what a mail said, which names people in full.
    MailRead,
    MailSentAgain,
    StaffAdded,
    RoleChanged,
    StaffRemoved,
    HookAdded,
    HookPaused,
    HookResumed,
    HookSecretShown,
    HookSecretRotated,
    HookDeleted,
    HookTested,
    /// Events that had been sent, or had not arrived, were sent again.
    HookReplayed,
}

impl Action {
    pub const fn code(self) -> &'static str {
        match self {
            Self::DocumentRevealed => "document_revealed",
            Self::RefundRequested => "refund_requested",
            Self::RefundPaidByHand => "refund_paid_by_hand",
            Self::AttentionResolved => "attention_resolved",
            Self::NextStepTaken => "next_step_taken",
            Self::PaymentAccepted => "payment_accepted",
            Self::PaymentGivenBack => "payment_given_back",
            Self::EvidenceTaken => "evidence_taken",
            Self::EventReplayed => "event_replayed",
            Self::MailRead => "mail_read",
            Self::MailSentAgain => "mail_sent_again",
            Self::StaffAdded => "staff_added",
            Self::RoleChanged => "role_changed",
            Self::StaffRemoved => "staff_removed",
            Self::HookAdded => "hook_added",
            Self::HookPaused => "hook_paused",
            Self::HookResumed => "hook_resumed",
            Self::HookSecretShown => "hook_secret_shown",
            Self::HookSecretRotated => "hook_secret_rotated",
            Self::HookDeleted => "hook_deleted",
            Self::HookTested => "hook_tested",
            Self::HookReplayed => "hook_replayed",
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

/// For what staff may not write themselves and the system does in their name: money, and who is staff.
pub async fn record_for(
    tx: &mut Tx<System>,
    actor: UserId,
    action: Action,
    booking: Option<BookingId>,
    subject: &str,
    data: &Value,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into audit_log (at, actor_id, action, booking_id, subject, data) values ($1, $2, $3, $4, $5, $6)",
        now.to_sqlx() as _,
        actor.0,
        action.code(),
        booking.map(|id| id.0),
        subject,
        data,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}
