//! The next step of an item where it is ours to take: what its button does. Each does what some job does anyway, so pressing
//! it twice, or by two at once, comes to the same.

use jiff::Timestamp;
use serde_json::json;

use crate::{
    admin::{attention::resolved_already, mails},
    audit,
    bookings::{self, lifecycle::BookingState},
    checkout::{Checkout, invariants, replay, unpaid},
    db::{System, Tx},
    error::{AppError, Refusal},
    ids::{AttemptId, BookingId, MailId, UserId},
    outbox::{self, Job},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Give a dead job all its tries again.
    RunJob,
    /// Send a late mail now, or a dead one again.
    SendMail,
    /// Apply an event of Stripe's once more.
    ReplayEvent,
    /// Ask the supplier now what became of the tickets.
    AskSupplier,
    /// Charge, or release, what Stripe had refused to.
    AskForMoney,
    /// End the time to pay for tickets without money, and have them cancelled.
    CancelTickets,
    /// Ask Stripe how a payment stands.
    AskStripe,
    /// Ask whether an invariant still does not hold.
    AskBooks,
}

impl Act {
    pub const ALL: [Self; 8] = [
        Self::RunJob,
        Self::SendMail,
        Self::ReplayEvent,
        Self::AskSupplier,
        Self::AskForMoney,
        Self::CancelTickets,
        Self::AskStripe,
        Self::AskBooks,
    ];

    pub fn of(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.kinds().contains(&kind))
    }

    const fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::RunJob => &["job_dead"],
            Self::SendMail => &["mail_late"],
            Self::ReplayEvent => &["event_unmatched", "event_unreadable"],
            Self::AskSupplier => &["supplier_unknown"],
            Self::AskForMoney => &["capture_failed"],
            Self::CancelTickets => &["authorisation_lost"],
            Self::AskStripe => &["payment_contradiction"],
            Self::AskBooks => &["invariant_broken"],
        }
    }

    /// On the button.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::RunJob => "Run it again",
            Self::SendMail => "Send it again",
            Self::ReplayEvent => "Apply it again",
            Self::AskSupplier => "Ask the airline again",
            Self::AskForMoney => "Try Stripe again",
            Self::CancelTickets => "Cancel the tickets now",
            Self::AskStripe => "Ask Stripe again",
            Self::AskBooks => "Check again",
        }
    }

    /// What the page says afterwards, as its code.
    pub const fn done(self) -> &'static str {
        match self {
            Self::RunJob => "ran",
            Self::SendMail => "sent",
            Self::ReplayEvent => "replayed",
            Self::AskSupplier | Self::AskForMoney | Self::CancelTickets | Self::AskStripe => "asked",
            Self::AskBooks => "holds",
        }
    }

    /// Why the item is resolved by it, where it is: the others have an answer to wait for.
    const fn settles(self) -> Option<&'static str> {
        match self {
            Self::RunJob => Some("Gave the job all its tries again."),
            Self::SendMail => Some("Sent the mail again."),
            Self::ReplayEvent => Some("Applied the event again."),
            Self::AskBooks => Some("Asked the books: it holds again."),
            Self::AskSupplier | Self::AskForMoney | Self::CancelTickets | Self::AskStripe => None,
        }
    }
}

struct Subject {
    kind: String,
    subject: String,
    detail: String,
    booking: Option<BookingId>,
}

/// Takes the next step of an open item. The whole of it is one transaction, and whoever comes second to its row is told so.
pub async fn act(checkout: &Checkout, staff: UserId, id: i64) -> Result<Act, AppError> {
    let now = checkout.clock.now();
    let mut tx = checkout.db.begin(System).await?;
    let item = open_item(&mut tx, id).await?;
    let act = Act::of(&item.kind).ok_or_else(|| {
        no(
            "no_next_step",
            "There is no button for this",
            "Only a person can take the next step, and the item says which.",
        )
    })?;
    match act {
        Act::RunJob => run_job(&mut tx, &item, now).await?,
        Act::SendMail => send_mail(&mut tx, staff, &item, now).await?,
        Act::ReplayEvent => replay::replay(&mut tx, &item.subject, now).await?,
        Act::AskSupplier | Act::AskForMoney => ask_by_job(&mut tx, act, &item, now).await?,
        Act::CancelTickets => cancel_tickets(&mut tx, &item, now).await?,
        Act::AskStripe => {
            let attempt: AttemptId = item.subject.parse().map_err(|_| AppError::NotFound)?;
            outbox::push(&mut tx, &Job::CheckAttempt(attempt), now, now).await?;
        }
        Act::AskBooks => ask_books(&mut tx, &item, now).await?,
    }
    if let Some(reason) = act.settles()
        && !outbox::resolve(&mut tx, id, staff, reason, now).await?
    {
        return Err(resolved_already());
    }
    let (action, data) = match act {
        Act::ReplayEvent => (audit::Action::EventReplayed, json!({ "event": item.subject })),
        _ => (audit::Action::NextStepTaken, json!({ "kind": item.kind, "step": act.in_words() })),
    };
    audit::record_for(&mut tx, staff, action, item.booking, &id.to_string(), &data, now).await?;
    tx.commit().await?;
    Ok(act)
}

async fn open_item(tx: &mut Tx<System>, id: i64) -> Result<Subject, AppError> {
    let row = sqlx::query!(
        r#"select kind, subject, detail, booking_id as "booking: BookingId", resolved_at is not null as "is_resolved!"
             from attention_items where id = $1"#,
        id,
    )
    .fetch_optional(&mut **tx)
    .await?
    .ok_or(AppError::NotFound)?;
    if row.is_resolved {
        return Err(resolved_already());
    }
    Ok(Subject { kind: row.kind, subject: row.subject, detail: row.detail, booking: row.booking })
}

async fn run_job(tx: &mut Tx<System>, item: &Subject, now: Timestamp) -> Result<(), AppError> {
    let (kind, subject) = item.subject.split_once(':').unwrap_or_default();
    if outbox::run_again(tx, kind, subject, now).await? {
        return Ok(());
    }
    Err(no(
        "job_not_dead",
        "This job is not given up",
        "It was run again already, or this version does not know it. The item can be resolved.",
    ))
}

/// One that is still tried is tried now. One that was given up is owed again, as on its own page.
async fn send_mail(
    tx: &mut Tx<System>,
    staff: UserId,
    item: &Subject,
    now: Timestamp,
) -> Result<(), AppError> {
    let id: MailId = item.subject.parse().map_err(|_| AppError::NotFound)?;
    let state = sqlx::query_scalar!("select state from mails where id = $1", id.0)
        .fetch_optional(&mut **tx)
        .await?
        .ok_or(AppError::NotFound)?;
    match state.as_str() {
        "queued" => outbox::push(tx, &Job::SendMail(id), now, now).await?,
        "dead" => drop(mails::owe_again(tx, staff, id, now).await?),
        _ => {
            return Err(no(
                "mail_sent",
                "This mail has been sent meanwhile",
                "Nothing was sent again. The item can be resolved.",
            ));
        }
    }
    Ok(())
}

/// The job that asks is there already and waits for its time: it is given the present moment.
async fn ask_by_job(tx: &mut Tx<System>, act: Act, item: &Subject, now: Timestamp) -> Result<(), AppError> {
    let id = item.booking.ok_or(AppError::NotFound)?;
    let booking = bookings::store::find_by_id(tx, id).await?.ok_or(AppError::NotFound)?;
    let job = match (act, booking.state) {
        (Act::AskSupplier, BookingState::Ticketing) => Job::OrderAtSupplier(id),
        (Act::AskSupplier, BookingState::Cancelling) => Job::CancelAtSupplier(id),
        (Act::AskForMoney, BookingState::Confirmed) => Job::CaptureMoney(id),
        (Act::AskForMoney, state) if state.has_ended() => Job::ReturnMoney(id),
        (_, state) => {
            return Err(AppError::Conflict(Refusal {
                code: "nothing_to_ask",
                title: "There is nothing to ask any more",
                detail: format!("The booking is {} by now. The item can be resolved.", state.code()),
            }));
        }
    };
    outbox::push(tx, &job, now, now).await?;
    Ok(())
}

/// The job that waits for the end of the time to pay is given the present moment. A page where somebody could still pay is
/// closed first.
async fn cancel_tickets(tx: &mut Tx<System>, item: &Subject, now: Timestamp) -> Result<(), AppError> {
    let id = item.booking.ok_or(AppError::NotFound)?;
    if unpaid::cancel_now(tx, id, now).await? {
        return Ok(());
    }
    Err(no(
        "nothing_to_ask",
        "There is nothing to ask any more",
        "Nobody is asked to pay for these tickets. They are paid, or they are being cancelled, or the airline has refused. The booking says which.",
    ))
}

async fn ask_books(tx: &mut Tx<System>, item: &Subject, now: Timestamp) -> Result<(), AppError> {
    let broken = invariants::breaches(tx, now).await?;
    if broken.iter().any(|breach| breach.subject == item.subject && breach.invariant == item.detail) {
        return Err(no(
            "still_broken",
            "It still does not hold",
            "The books were asked just now. The item stays open.",
        ));
    }
    Ok(())
}

fn no(code: &'static str, title: &'static str, detail: &str) -> AppError {
    AppError::Conflict(Refusal { code, title, detail: detail.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_kind_has_at_most_one_button() {
        let kinds: Vec<&str> = Act::ALL.into_iter().flat_map(Act::kinds).copied().collect();
        assert_eq!(kinds.iter().collect::<HashSet<_>>().len(), kinds.len());
        for kind in kinds {
            assert!(Act::of(kind).is_some_and(|act| act.kinds().contains(&kind)), "{kind}");
        }
        assert_eq!(Act::of("dispute"), None);
    }
}
