//! Refunds that somebody made in Stripe's dashboard: facts that our books take in, once, whatever tells of them first.

use jiff::Timestamp;
use serde_json::json;

use crate::{
    bookings::{self, Actor, Booking, lifecycle::BookingState},
    checkout::{
        Attempt, Checkout,
        ledger::{self, Posting},
        lifecycle::{AttemptState, RefundEvent},
        refunds::{Word, refund_event, step_refund},
        store,
    },
    db::{System, Tx},
    error::AppError,
    ids::{AttemptId, RefundId},
    money::Money,
    outbox::{self, Attention, Job},
    payments::Refund,
};

impl Checkout {
    pub(super) async fn take_in_refund(&self, attempt: &Attempt, told: &Refund) -> Result<(), AppError> {
        let mut tx = self.db.begin(System).await?;
        let booking = bookings::store::lock(&mut tx, attempt.booking).await?;
        take_in(&mut tx, &booking, attempt.id, told, self.clock.now()).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// All of a payment that our books do not have: those made while a person had still to decide about it, or before ours
/// was asked for. Under the booking's lock. Returns how much of it they are.
pub(super) async fn take_in_others(
    tx: &mut Tx<System>,
    booking: &Booking,
    attempt: AttemptId,
    told: &[Refund],
    now: Timestamp,
) -> Result<i64, AppError> {
    let mut gone = 0_i64;
    // Oldest first: the one that does not fit any more is the last one.
    for told in told.iter().rev() {
        if known(tx, attempt, told).await?.is_none() {
            take_in(tx, booking, attempt, told, now).await?;
            let has_moved = refund_event(&told.status) != RefundEvent::Failed;
            gone = gone.saturating_add(if has_moved { told.amount.minor } else { 0 });
        }
    }
    Ok(gone)
}

/// None but ours, and what has been taken in; one that failed has moved nothing.
pub(super) async fn are_all_known(
    tx: &mut Tx<System>,
    attempt: AttemptId,
    told: &[Refund],
) -> Result<bool, AppError> {
    for told in told.iter().filter(|told| refund_event(&told.status) != RefundEvent::Failed) {
        if known(tx, attempt, told).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Ours by its metadata or its id?
pub(super) async fn known(
    tx: &mut Tx<System>,
    attempt: AttemptId,
    told: &Refund,
) -> Result<Option<RefundId>, AppError> {
    if let Some(id) = told.refund
        && store::refund_of(tx, id).await?.is_some_and(|(of, _)| of == attempt)
    {
        return Ok(Some(id));
    }
    Ok(store::refund_by_stripe_id(tx, &told.id).await?)
}

async fn take_in(
    tx: &mut Tx<System>,
    booking: &Booking,
    attempt: AttemptId,
    told: &Refund,
    now: Timestamp,
) -> Result<(), AppError> {
    let event = refund_event(&told.status);
    let attempt = store::lock_attempt(tx, attempt).await?;
    // Under the lock: whoever came first has written it. One that failed has moved nothing.
    if store::refund_by_stripe_id(tx, &told.id).await?.is_some() || event == RefundEvent::Failed {
        return Ok(());
    }
    let left = store::unrefunded(tx, &attempt).await?;
    let amount = told.amount;
    let fits = attempt.quarantined.is_none()
        && attempt.state == AttemptState::Captured
        && amount.currency == left.currency
        && (1..=left.minor).contains(&amount.minor);
    if !fits {
        let detail = format!(
            "{amount} was refunded in Stripe's dashboard ({}); by our books {left} were left",
            told.id
        );
        let kind = Attention::RefundNotOurs;
        outbox::raise(tx, kind, &told.id, Some(booking.id), &detail, now).await?;
        return Ok(());
    }
    let refund = RefundId::new();
    let deposits = store::standing_in_ledger(tx, &attempt).await?.deposits;
    let from_deposits = Money::new(deposits.minor.clamp(0, amount.minor), amount.currency);
    store::insert_foreign_refund(tx, refund, &attempt, amount, &told.id, now).await?;
    let posting = Posting::RefundGranted { refund, amount, from_deposits };
    ledger::post(tx, booking.id, &posting, now).await?;
    let data = json!({
        "refund": refund,
        "attempt": attempt.id,
        "amount_minor": amount.minor,
        "currency": amount.currency,
        "stripe_refund": told.id,
    });
    bookings::store::record(tx, booking.id, "refund_taken_in", Actor::Stripe, &data, now).await?;
    step_refund(tx, refund, Word::of(told), now).await?;
    outbox::settle_about(tx, Attention::RefundNotOurs, &told.id, "Taken into our books by now", now).await?;
    // One that is still being issued is live soon enough.
    let is_behind_ticket = matches!(booking.state, BookingState::Ticketing | BookingState::Confirmed)
        && booking.lives_on(attempt.id);
    if is_behind_ticket && amount == left {
        let detail =
            format!("{amount} was refunded in Stripe's dashboard, and the tickets can still be flown");
        let (kind, subject) = (Attention::RefundedTicketLive, booking.id.to_string());
        outbox::raise(tx, kind, &subject, Some(booking.id), &detail, now).await?;
    }
    outbox::push(tx, &Job::SubmitRefund(refund), now, now).await?;
    Ok(())
}
