//! Things that need a person, one open item per kind and subject.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;

use crate::{
    db::{System, Tx},
    ids::{BookingId, UserId},
    outbox::{Job, push},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// Stripe's facts about a payment do not fit what was accepted.
    PaymentQuarantined,
    /// Two facts about one payment cannot both be true.
    PaymentContradiction,
    /// An event about something that is not ours, for 3 days.
    EventUnmatched,
    /// Authentic, but not understood.
    EventUnreadable,
    /// Stripe's clock and ours differ by more than a signature may be old: its webhooks are refused.
    ClockSkew,
    /// Paid, and no answer from the supplier.
    SupplierUnknown,
    /// Tickets exist for a booking that has ended.
    TicketWithoutBooking,
    /// The ticket stands, the money is gone.
    AuthorisationLost,
    CaptureFailed,
    RefundFailed,
    /// A refund that Stripe could not be asked for in three days.
    RefundUnsent,
    /// Somebody refunded in Stripe's dashboard, and by our books it cannot be.
    RefundNotOurs,
    /// All of the money went back by our own doing, and the ticket can still be flown.
    RefundedTicketLive,
    /// Somebody has asked their bank for the money back.
    Dispute,
    /// The bank wants an answer soon, and has none.
    DisputeDue,
    /// Tickets that nobody pays for cost us something.
    TicketsLost,
    /// Stripe's balance and our ledger differ.
    LedgerDrift,
    /// Events come by asking only.
    WebhookSilent,
    /// A traveller wants to cancel, and only the airline knows what comes back.
    CancelAsked,
    /// The airline does not cancel what a traveller was quoted.
    CancelRefused,
    /// The supplier gives less for cancelled tickets than the fare says.
    CancelCredit,
    /// A machine met an event that must not happen.
    IllegalStep,
    JobDead,
    MailLate,
    /// The mail server and we cannot do business: login, sender or certificate. No mail goes out at all.
    MailServer,
    /// Something sealed that no key of ours opens.
    SealedUnreadable,
    /// A periodic round of the worker has failed for a day.
    RoundLate,
    InvariantBroken,
    /// The airline has other times for flights that were sold, or does not fly them.
    AirlineChange,
    /// The agency's own system did not take an event for three days.
    HookDead,
    /// Nothing more is sent to one of the agency's own systems.
    HookPaused,
}

impl Attention {
    pub const fn code(self) -> &'static str {
        match self {
            Self::PaymentQuarantined => "payment_quarantined",
            Self::PaymentContradiction => "payment_contradiction",
            Self::EventUnmatched => "event_unmatched",
            Self::EventUnreadable => "event_unreadable",
            Self::ClockSkew => "clock_skew",
            Self::SupplierUnknown => "supplier_unknown",
            Self::TicketWithoutBooking => "ticket_without_booking",
            Self::AuthorisationLost => "authorisation_lost",
            Self::CaptureFailed => "capture_failed",
            Self::RefundFailed => "refund_failed",
            Self::RefundUnsent => "refund_unsent",
            Self::RefundNotOurs => "refund_not_ours",
            Self::RefundedTicketLive => "refunded_ticket_live",
            Self::Dispute => "dispute",
            Self::DisputeDue => "dispute_due",
            Self::TicketsLost => "tickets_lost",
            Self::LedgerDrift => "ledger_drift",
            Self::WebhookSilent => "webhook_silent",
            Self::CancelAsked => "cancel_asked",
            Self::CancelRefused => "cancel_refused",
            Self::CancelCredit => "cancel_credit",
            Self::IllegalStep => "illegal_step",
            Self::JobDead => "job_dead",
            Self::MailLate => "mail_late",
            Self::MailServer => "mail_server",
            Self::SealedUnreadable => "sealed_unreadable",
            Self::RoundLate => "round_late",
            Self::InvariantBroken => "invariant_broken",
            Self::AirlineChange => "airline_change",
            Self::HookDead => "hook_dead",
            Self::HookPaused => "hook_paused",
        }
    }
}

/// What comes together is told together.
const ALARM_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// What others say may be long; that must never keep the alarm from being raised.
const LONGEST_DETAIL: usize = 1000;

/// Takes an open item off the list in the name of whoever took care of it. `false`: somebody was faster.
pub async fn resolve(
    tx: &mut Tx<System>,
    id: i64,
    staff: UserId,
    reason: &str,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let resolved = sqlx::query!(
        "update attention_items set resolved_at = $2, resolved_by = $3, resolved_reason = $4
          where id = $1 and resolved_at is null",
        id,
        now.to_sqlx() as _,
        staff.0,
        reason,
    )
    .execute(&mut **tx)
    .await?;
    Ok(resolved.rows_affected() == 1)
}

/// What it was about has come right without anybody.
pub async fn settle_about(
    tx: &mut Tx<System>,
    kind: Attention,
    subject: &str,
    reason: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update attention_items set resolved_at = $3, resolved_reason = $4
          where kind = $1 and subject = $2 and resolved_at is null",
        kind.code(),
        subject,
        now.to_sqlx() as _,
        reason,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Takes the open items of these kinds about a booking off the list: what they ask for has come about by itself.
pub async fn settle(
    tx: &mut Tx<System>,
    kinds: &[Attention],
    booking: BookingId,
    reason: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let kinds: Vec<String> = kinds.iter().map(|kind| kind.code().to_owned()).collect();
    sqlx::query!(
        "update attention_items set resolved_at = $3, resolved_reason = $4
          where booking_id = $1 and kind = any($2) and resolved_at is null",
        booking.0,
        &kinds[..],
        now.to_sqlx() as _,
        reason,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Takes all open items of these kinds about one thing off the list; which they were.
pub async fn resolve_about(
    tx: &mut Tx<System>,
    kinds: &[Attention],
    subject: &str,
    staff: UserId,
    reason: &str,
    now: Timestamp,
) -> Result<Vec<i64>, sqlx::Error> {
    let kinds: Vec<String> = kinds.iter().map(|kind| kind.code().to_owned()).collect();
    sqlx::query_scalar!(
        "update attention_items set resolved_at = $3, resolved_by = $4, resolved_reason = $5
          where kind = any($1) and subject = $2 and resolved_at is null returning id",
        &kinds,
        subject,
        now.to_sqlx() as _,
        staff.0,
        reason,
    )
    .fetch_all(&mut **tx)
    .await
}

/// As [`raise`], for what is found anew at every look: what a person has resolved in these very words stays resolved.
pub async fn raise_unless_resolved(
    tx: &mut Tx<System>,
    kind: Attention,
    subject: &str,
    booking: Option<BookingId>,
    detail: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let is_resolved = sqlx::query_scalar!(
        r#"select exists (select from attention_items
                           where kind = $1 and subject = $2 and detail = $3 and resolved_at is not null) as "is_resolved!""#,
        kind.code(),
        subject,
        shortened(detail),
    )
    .fetch_one(&mut **tx)
    .await?;
    if is_resolved { Ok(()) } else { raise(tx, kind, subject, booking, detail, now).await }
}

fn shortened(detail: &str) -> String {
    detail.chars().take(LONGEST_DETAIL).collect()
}

/// Asks for a person, once per kind and subject until somebody has resolved it.
pub async fn raise(
    tx: &mut Tx<System>,
    kind: Attention,
    subject: &str,
    booking: Option<BookingId>,
    detail: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let detail = shortened(detail);
    tracing::error!(attention = kind.code(), subject, detail, "needs a person");
    let raised = sqlx::query!(
        "insert into attention_items (kind, subject, booking_id, detail, raised_at) values ($1, $2, $3, $4, $5)
         on conflict (kind, subject) where resolved_at is null do nothing",
        kind.code(),
        subject,
        booking.map(|id| id.0),
        detail,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    if raised.rows_affected() == 1 {
        push(tx, &Job::SoundAlarm, now + ALARM_AFTER, now).await?;
    }
    Ok(())
}
