//! Disputes: a traveller's bank takes a payment back, hears both sides and decides. While it has the money nothing more is
//! paid; whoever has to answer is told in time; and what the bank decides is written to the books.

pub mod store;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{
    bookings::{self, Actor, Booking, lifecycle::Step},
    checkout::{
        Attempt, Checkout,
        ledger::{self, Posting},
        lifecycle::{DisputeEffect, DisputeEvent, DisputeState, next_dispute},
        refunds::{owe_rest, withdraw},
        store as money, upstream,
    },
    db::{System, Tx},
    error::AppError,
    ids::{AttemptId, BookingId, DisputeId},
    money::Money,
    outbox::{self, Attention, Job, Outcome},
    payments::{Dispute, DisputeStatus, PaymentError},
};

/// How long before the deadline somebody who has not answered is told again.
const REMIND_BEFORE: SignedDuration = SignedDuration::from_hours(72);
/// Banks decide in months; a webhook that would tell may be lost.
const FOLLOW_EVERY: SignedDuration = SignedDuration::from_hours(12);

#[derive(Clone, Debug)]
pub struct DisputeRow {
    pub id: DisputeId,
    pub stripe_id: String,
    pub booking: BookingId,
    pub attempt: AttemptId,
    pub state: DisputeState,
    pub is_inquiry: bool,
    pub amount: Money,
    pub answer_by: Option<Timestamp>,
}

impl Checkout {
    /// What Stripe says of a dispute at this moment, into our rows. `false`: it knows of none by that name.
    pub async fn apply_dispute(&self, attempt: &Attempt, stripe_id: &str) -> Result<bool, AppError> {
        let told = match self.payments.dispute(stripe_id).await {
            Ok(told) => told,
            Err(PaymentError::NotFound) => return Ok(false),
            Err(error) => return Err(upstream(&error)),
        };
        self.write_dispute(attempt.booking, attempt.id, &told).await?;
        Ok(true)
    }

    async fn write_dispute(
        &self,
        booking: BookingId,
        attempt: AttemptId,
        told: &Dispute,
    ) -> Result<(), AppError> {
        if told.status == Some(DisputeStatus::Lost) {
            // What Stripe has not made by now it does not make any more: whatever we never heard of is known first.
            self.apply_refunds(&self.attempt(attempt).await?).await?;
        }
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let booking = bookings::store::lock(&mut tx, booking).await?;
        let attempt = money::lock_attempt(&mut tx, attempt).await?;
        let row = match store::lock(&mut tx, &told.id).await? {
            Some(row) => row,
            None => open(&mut tx, &booking, &attempt, told, now).await?,
        };
        // What began as a question is in earnest now.
        let is_inquiry = row.is_inquiry && told.is_inquiry;
        store::note(&mut tx, row.id, is_inquiry, told.answer_by).await?;
        if !is_inquiry {
            let posting = Posting::DisputeOpened { dispute: row.id, amount: row.amount };
            ledger::post(&mut tx, row.booking, &posting, now).await?;
        }
        if let Some(status) = told.status {
            step(&mut tx, &booking, &DisputeRow { is_inquiry, ..row }, event_of(status), now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The job of an open dispute: asks how it stands, and calls somebody while there is still time to answer.
    pub async fn watch_dispute(&self, id: DisputeId) -> Result<Outcome, AppError> {
        let Some(row) = self.open_dispute(id).await? else { return Ok(Outcome::Done) };
        match self.payments.dispute(&row.stripe_id).await {
            Ok(told) => self.write_dispute(row.booking, row.attempt, &told).await?,
            // The deadline comes nearer whether Stripe answers or not.
            Err(error) => tracing::warn!(dispute = %id, %error, "dispute not looked at"),
        }
        let Some(row) = self.open_dispute(id).await? else { return Ok(Outcome::Done) };
        let now = self.clock.now();
        let Some(answer_by) = row.answer_by.filter(|_| row.state == DisputeState::NeedsResponse) else {
            return Ok(Outcome::Again(now + FOLLOW_EVERY));
        };
        let remind_at = answer_by - REMIND_BEFORE;
        if remind_at > now {
            return Ok(Outcome::Again(remind_at.min(now + FOLLOW_EVERY)));
        }
        let detail = format!(
            "{}: nobody has answered yet. Without an answer by {}, {} is lost.",
            row.stripe_id,
            in_words(answer_by),
            row.amount
        );
        let mut tx = self.db.begin(System).await?;
        let (kind, subject) = (Attention::DisputeDue, row.stripe_id.as_str());
        outbox::raise(&mut tx, kind, subject, Some(row.booking), &detail, now).await?;
        tx.commit().await?;
        Ok(Outcome::Again(now + FOLLOW_EVERY))
    }

    async fn open_dispute(&self, id: DisputeId) -> Result<Option<DisputeRow>, AppError> {
        let mut tx = self.db.begin(System).await?;
        let row = store::find(&mut tx, id).await?;
        Ok(row.filter(|row| !row.state.has_ended()))
    }
}

async fn open(
    tx: &mut Tx<System>,
    booking: &Booking,
    attempt: &Attempt,
    told: &Dispute,
    now: Timestamp,
) -> Result<DisputeRow, AppError> {
    let row = DisputeRow {
        id: DisputeId::new(),
        stripe_id: told.id.clone(),
        booking: booking.id,
        attempt: attempt.id,
        state: DisputeState::NeedsResponse,
        is_inquiry: told.is_inquiry,
        amount: told.amount,
        answer_by: told.answer_by,
    };
    store::insert(tx, &row, &told.reason, told.created).await?;
    bookings::store::record(tx, booking.id, "dispute_opened", Actor::Stripe, &data(&row), now).await?;
    let what = if told.is_inquiry { "asks about" } else { "has taken back" };
    let until = told
        .answer_by
        .map(|at| format!(" Evidence has to be with Stripe by {}.", in_words(at)))
        .unwrap_or_default();
    let detail = format!("{}: the bank {what} {} ({}).{until}", row.stripe_id, row.amount, told.reason);
    outbox::raise(tx, Attention::Dispute, &row.stripe_id, Some(booking.id), &detail, now).await?;
    outbox::push(tx, &Job::WatchDispute(row.id), now + FOLLOW_EVERY, now).await?;
    Ok(row)
}

async fn step(
    tx: &mut Tx<System>,
    booking: &Booking,
    row: &DisputeRow,
    event: DisputeEvent,
    now: Timestamp,
) -> Result<(), AppError> {
    let (to, effects) = match next_dispute(row.state, event) {
        Step::Move { to, effects } => (to, effects),
        Step::Stay { .. } | Step::Replay => return Ok(()),
        Step::Illegal => {
            let detail = format!("{} is {}, but Stripe says {event:?}", row.stripe_id, row.state.code());
            let kind = Attention::PaymentContradiction;
            outbox::raise(tx, kind, &row.stripe_id, Some(row.booking), &detail, now).await?;
            return Ok(());
        }
    };
    store::set_state(tx, row.id, to, now).await?;
    let kind = format!("dispute_{}", to.code());
    bookings::store::record(tx, row.booking, &kind, Actor::Stripe, &data(row), now).await?;
    settle_calls(tx, row, to, now).await?;
    for effect in effects {
        match effect {
            // Nothing was taken back for a question.
            DisputeEffect::PostWon | DisputeEffect::PostLost if row.is_inquiry => {}
            DisputeEffect::PostWon => {
                let posting = Posting::DisputeWon { dispute: row.id, amount: row.amount };
                ledger::post(tx, row.booking, &posting, now).await?;
            }
            DisputeEffect::PostLost => lost(tx, booking, row, now).await?,
        }
    }
    Ok(())
}

/// Nobody is pressed for an answer that was given, or asked for one when all is decided.
async fn settle_calls(
    tx: &mut Tx<System>,
    row: &DisputeRow,
    to: DisputeState,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let (kinds, because): (&[Attention], _) = match to {
        DisputeState::NeedsResponse => return Ok(()),
        DisputeState::UnderReview => (&[Attention::DisputeDue], "The bank has been answered."),
        DisputeState::Won | DisputeState::Lost => {
            (&[Attention::Dispute, Attention::DisputeDue], "The bank has decided.")
        }
    };
    for kind in kinds {
        outbox::settle_about(tx, *kind, &row.stripe_id, because, now).await?;
    }
    Ok(())
}

/// The traveller has the money from their bank: what we owed them out of this payment is paid with it, the rest is ours to
/// bear.
async fn lost(
    tx: &mut Tx<System>,
    booking: &Booking,
    row: &DisputeRow,
    now: Timestamp,
) -> Result<(), AppError> {
    let attempt = money::lock_attempt(tx, row.attempt).await?;
    let mut withdrawn = Vec::new();
    for refund in money::unmade_refunds(tx, row.attempt).await? {
        withdrawn.extend(withdraw(tx, refund, "bank", now).await?);
    }
    let deposits = money::standing_in_ledger(tx, &attempt).await?.deposits;
    let from_deposits = Money::new(deposits.minor.clamp(0, row.amount.minor), row.amount.currency);
    let posting = Posting::DisputeLost { dispute: row.id, amount: row.amount, from_deposits };
    ledger::post(tx, row.booking, &posting, now).await?;
    let mut gone = row.amount.minor;
    for refund in withdrawn {
        owe_rest(tx, &refund, gone, now).await?;
        gone = (gone - refund.amount.minor).max(0);
    }
    // One that is still being issued, or that an airline will not take back, is live soon enough.
    if booking.needs(row.attempt) {
        let detail = format!(
            "the bank has given {} back to the traveller, and the tickets can still be flown",
            row.amount
        );
        let (kind, subject) = (Attention::RefundedTicketLive, booking.id.to_string());
        outbox::raise(tx, kind, &subject, Some(booking.id), &detail, now).await?;
    }
    Ok(())
}

fn in_words(at: Timestamp) -> String {
    at.strftime("%-d %b %Y, %H:%M UTC").to_string()
}

fn data(row: &DisputeRow) -> serde_json::Value {
    json!({
        "dispute": row.stripe_id,
        "attempt": row.attempt,
        "amount_minor": row.amount.minor,
        "currency": row.amount.currency,
        "is_inquiry": row.is_inquiry,
    })
}

const fn event_of(status: DisputeStatus) -> DisputeEvent {
    match status {
        DisputeStatus::NeedsResponse => DisputeEvent::NeedsResponse,
        DisputeStatus::UnderReview => DisputeEvent::UnderReview,
        DisputeStatus::Won => DisputeEvent::Won,
        DisputeStatus::Lost => DisputeEvent::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_banks_decision_is_heard_as_it_was_made() {
        let statuses = [
            DisputeStatus::NeedsResponse,
            DisputeStatus::UnderReview,
            DisputeStatus::Won,
            DisputeStatus::Lost,
        ];
        assert_eq!(statuses.map(event_of), *DisputeEvent::ALL);
    }
}
