//! Refunds that somebody made in Stripe's dashboard: facts that our books take in, once, whatever tells of them first.

use serde_json::json;

use crate::{
    bookings::{self, Actor, lifecycle::BookingState},
    checkout::{
        Attempt, Checkout,
        ledger::{self, Posting},
        lifecycle::{AttemptState, RefundEvent},
        refunds::{refund_event, step_refund},
        store,
    },
    db::System,
    error::AppError,
    ids::RefundId,
    money::Money,
    outbox::{self, Attention, Job},
    payments::Refund,
};

impl Checkout {
    pub(super) async fn take_in_refund(&self, attempt: &Attempt, told: &Refund) -> Result<(), AppError> {
        let now = self.clock.now();
        let event = refund_event(&told.status);
        let mut tx = self.db.begin(System).await?;
        let booking = bookings::store::lock(&mut tx, attempt.booking).await?;
        let attempt = store::lock_attempt(&mut tx, attempt.id).await?;
        // Under the lock: whoever came first has written it. One that failed has moved nothing.
        if store::refund_by_stripe_id(&mut tx, &told.id).await?.is_some() || event == RefundEvent::Failed {
            return Ok(());
        }
        let left = store::unrefunded(&mut tx, &attempt).await?;
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
            outbox::raise(&mut tx, kind, &told.id, Some(booking.id), &detail, now).await?;
            tx.commit().await?;
            return Ok(());
        }
        let refund = RefundId::new();
        let deposits = store::standing_in_ledger(&mut tx, &attempt).await?.deposits;
        let from_deposits = Money::new(deposits.minor.clamp(0, amount.minor), amount.currency);
        store::insert_foreign_refund(&mut tx, refund, &attempt, amount, &told.id, now).await?;
        let posting = Posting::RefundGranted { refund, amount, from_deposits };
        ledger::post(&mut tx, booking.id, &posting, now).await?;
        let data = json!({
            "refund": refund,
            "attempt": attempt.id,
            "amount_minor": amount.minor,
            "currency": amount.currency,
            "stripe_refund": told.id,
        });
        bookings::store::record(&mut tx, booking.id, "refund_taken_in", Actor::Stripe, &data, now).await?;
        step_refund(&mut tx, refund, event, Some(&told.id), now).await?;
        let is_behind_ticket = booking.state == BookingState::Confirmed && booking.lives_on(attempt.id);
        if is_behind_ticket && amount == left {
            let detail =
                format!("{amount} was refunded in Stripe's dashboard, and the tickets can still be flown");
            let (kind, subject) = (Attention::RefundedTicketLive, booking.id.to_string());
            outbox::raise(&mut tx, kind, &subject, Some(booking.id), &detail, now).await?;
        }
        outbox::push(&mut tx, &Job::SubmitRefund(refund), now, now).await?;
        tx.commit().await?;
        Ok(())
    }
}
