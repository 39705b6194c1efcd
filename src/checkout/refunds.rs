//! Captured money on its way back: owed, asked for, and followed until it has arrived or a person must help.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{
    bookings::{self, Actor, lifecycle::Step, told},
    checkout::{
        Attempt, Checkout, RefundRow,
        ledger::{self, Posting},
        lifecycle::{RefundEffect, RefundEvent, RefundState, next_refund},
        store, upstream,
    },
    db::{System, Tx},
    error::AppError,
    ids::{AttemptId, RefundId},
    outbox::{self, About, Attention, FactKind, Job, MailKind, Outcome},
    payments::{NewRefund, PaymentError, Refund, RefundStatus},
};

const FOLLOW_EVERY: SignedDuration = SignedDuration::from_hours(1);

impl Checkout {
    /// Owes back what was taken for an attempt that the booking does not live on.
    pub(super) async fn owe_refund(&self, id: AttemptId) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let attempt = store::lock_attempt(&mut tx, id).await?;
        let amount = store::unrefunded(&mut tx, &attempt).await?;
        if amount.minor <= 0 {
            return Ok(());
        }
        let refund = RefundId::new();
        store::insert_refund(&mut tx, refund, &attempt, amount, "not_needed", now).await?;
        ledger::post(&mut tx, attempt.booking, &Posting::RefundPromised { refund, amount }, now).await?;
        let booking = bookings::store::find_by_id(&mut tx, attempt.booking).await?;
        // An unticketed booking's own mail tells of its own money; this is about money that came besides.
        if let Some(booking) = booking.filter(|booking| booking.secured_by != Some(id))
            && let Some(contact) = &booking.contact
        {
            let (kind, cause) = (MailKind::MoneyReturned, id.to_string());
            outbox::owe_mail(&mut tx, kind, About::Booking(booking.id), &contact.email, &cause, now).await?;
        }
        outbox::push(&mut tx, &Job::SubmitRefund(refund), now, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Asks Stripe to pay back, once, and follows the refund until it has arrived or failed.
    pub async fn submit_refund(&self, id: RefundId) -> Result<Outcome, AppError> {
        let refund = self.refund(id).await?;
        let epoch = match refund.state {
            RefundState::Requested => refund.try_epoch,
            RefundState::SubmitUnknown | RefundState::Submitted | RefundState::Pending => {
                let told = self.payments.refunds_of(&refund.payment_intent).await;
                let told = told.map_err(|error| upstream(&error))?;
                if let Some(told) = told.iter().find(|told| told.refund == Some(id)) {
                    self.move_refund(id, refund_event(&told.status), Some(&told.id)).await?;
                    return self.until_settled(id).await;
                }
                if refund.state != RefundState::SubmitUnknown {
                    return Ok(Outcome::Again(self.clock.now() + FOLLOW_EVERY));
                }
                // Certainly not made. Stripe keeps even a failure under its key, so the next question gets a new one.
                let mut tx = self.db.begin(System).await?;
                store::bump_refund_epoch(&mut tx, &refund).await?;
                tx.commit().await?;
                refund.try_epoch + 1
            }
            RefundState::Succeeded | RefundState::Failed => return Ok(Outcome::Done),
        };
        let request = NewRefund {
            refund: id,
            booking: refund.booking,
            payment_intent: refund.payment_intent.clone(),
            amount: refund.amount,
            idempotency_key: format!("refund:{id}:{epoch}"),
        };
        match self.payments.refund(&request).await {
            Ok(answer) => {
                self.move_refund(id, refund_event(&answer.status), Some(&answer.id)).await?;
                self.until_settled(id).await
            }
            Err(PaymentError::Refused { .. }) => {
                self.move_refund(id, RefundEvent::Failed, None).await?;
                Ok(Outcome::Done)
            }
            Err(error) => {
                self.move_refund(id, RefundEvent::NoAnswer, None).await?;
                Err(upstream(&error))
            }
        }
    }

    /// Banks take days, and the webhook that would tell may be lost.
    async fn until_settled(&self, id: RefundId) -> Result<Outcome, AppError> {
        Ok(match self.refund(id).await?.state {
            RefundState::Succeeded | RefundState::Failed => Outcome::Done,
            _ => Outcome::Again(self.clock.now() + FOLLOW_EVERY),
        })
    }

    async fn refund(&self, id: RefundId) -> Result<RefundRow, AppError> {
        let mut tx = self.db.begin(System).await?;
        store::lock_refund(&mut tx, id).await
    }

    /// What Stripe says of the refunds of an attempt, ours by their metadata or id.
    pub async fn apply_refunds(&self, attempt: &Attempt) -> Result<(), AppError> {
        let Some(intent) = &attempt.payment_intent else { return Ok(()) };
        for told in self.payments.refunds_of(intent).await.map_err(|error| upstream(&error))? {
            let id = match told.refund {
                Some(id) => Some(id),
                None => {
                    let mut tx = self.db.begin(System).await?;
                    store::refund_by_stripe_id(&mut tx, &told.id).await?
                }
            };
            match id {
                Some(id) => self.move_refund(id, refund_event(&told.status), Some(&told.id)).await?,
                None => self.raise_foreign_refund(attempt, &told).await?,
            }
        }
        Ok(())
    }

    async fn raise_foreign_refund(&self, attempt: &Attempt, told: &Refund) -> Result<(), AppError> {
        let mut tx = self.db.begin(System).await?;
        let detail = format!("{} was refunded in Stripe's dashboard, outside of this ledger", told.amount);
        let kind = Attention::RefundNotOurs;
        outbox::raise(&mut tx, kind, &told.id, Some(attempt.booking), &detail, self.clock.now()).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn move_refund(
        &self,
        id: RefundId,
        event: RefundEvent,
        stripe_id: Option<&str>,
    ) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let refund = store::lock_refund(&mut tx, id).await?;
        if let Step::Move { to, effects } = next_refund(refund.state, event) {
            store::set_refund_state(&mut tx, id, to, stripe_id).await?;
            let data = json!({
                "refund": id,
                "attempt": refund.attempt,
                "amount_minor": refund.amount.minor,
                "currency": refund.amount.currency,
            });
            let kind = format!("refund_{}", to.code());
            bookings::store::record(&mut tx, refund.booking, &kind, Actor::Stripe, &data, now).await?;
            tell_of_refund(&mut tx, &refund, to, now).await?;
            for effect in effects {
                refund_effect(&mut tx, &refund, effect, now).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }
}

async fn refund_effect(
    tx: &mut Tx<System>,
    refund: &RefundRow,
    effect: RefundEffect,
    now: Timestamp,
) -> Result<(), AppError> {
    let (booking, amount) = (refund.booking, refund.amount);
    match effect {
        RefundEffect::PostPaid => {
            tell(tx, refund, MailKind::RefundPaid, now).await?;
            ledger::post(tx, booking, &Posting::RefundPaid { refund: refund.id, amount }, now).await?;
        }
        RefundEffect::PostReturned => {
            ledger::post(tx, booking, &Posting::RefundReturned { refund: refund.id, amount }, now).await?;
        }
        RefundEffect::RaiseFailed => {
            ledger::post(tx, booking, &Posting::RefundFailed { refund: refund.id, amount }, now).await?;
            let detail = format!("{amount} is owed to the traveller and did not arrive");
            let (kind, subject) = (Attention::RefundFailed, refund.id.to_string());
            outbox::raise(tx, kind, &subject, Some(booking), &detail, now).await?;
            tell(tx, refund, MailKind::RefundFailed, now).await?;
        }
    }
    Ok(())
}

async fn tell_of_refund(
    tx: &mut Tx<System>,
    refund: &RefundRow,
    state: RefundState,
    now: Timestamp,
) -> Result<(), AppError> {
    let kind = match state {
        RefundState::Succeeded => FactKind::RefundSucceeded,
        RefundState::Failed => FactKind::RefundFailed,
        _ => return Ok(()),
    };
    let Some(booking) = bookings::store::find_by_id(tx, refund.booking).await? else { return Ok(()) };
    let data = json!({
        "booking": told::name_of(&booking),
        "refund": { "id": refund.id, "amount_minor": refund.amount.minor, "currency": refund.amount.currency },
        "payment": { "id": refund.attempt },
    });
    outbox::tell(tx, kind, refund.booking, &refund.id.to_string(), &data, now).await?;
    Ok(())
}

/// Whoever waits for money hears where it is.
async fn tell(
    tx: &mut Tx<System>,
    refund: &RefundRow,
    kind: MailKind,
    now: Timestamp,
) -> Result<(), AppError> {
    let booking = bookings::store::find_by_id(tx, refund.booking).await?;
    if let Some(contact) = booking.and_then(|booking| booking.contact) {
        let (about, cause) = (About::Booking(refund.booking), refund.id.to_string());
        outbox::owe_mail(tx, kind, about, &contact.email, &cause, now).await?;
    }
    Ok(())
}

fn refund_event(status: &RefundStatus) -> RefundEvent {
    match status {
        RefundStatus::Pending | RefundStatus::RequiresAction => RefundEvent::Pending,
        RefundStatus::Succeeded => RefundEvent::Succeeded,
        RefundStatus::Failed | RefundStatus::Canceled => RefundEvent::Failed,
        // It exists; more is not known yet.
        RefundStatus::Unknown(_) => RefundEvent::Accepted,
    }
}
