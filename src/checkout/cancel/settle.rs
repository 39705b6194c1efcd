//! The money of a cancelled booking, once the supplier has said that its tickets are void: what was quoted goes back, what
//! was kept stays, and the books are closed over both in one transaction.

use jiff::SignedDuration;

use crate::{
    bookings::Actor,
    bookings::{self, Booking},
    checkout::{
        Attempt, Checkout, POLL_EVERY,
        cancel::{CancelQuote, store, terms::Terms},
        facts::Facts,
        jobs::payment_intent,
        ledger::{self, Posting},
        lifecycle::AttemptState,
        store as money, unpaid,
    },
    db::{System, Tx},
    error::AppError,
    ids::RefundId,
    money::Money,
    outbox::{self, Attention, Job, Outcome},
    payments::PaymentError,
};

/// A dispute or an odd payment is with people; we look again in the meantime.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(1);

impl Checkout {
    /// Of the payment that a cancelled booking had lived on.
    pub(in crate::checkout) async fn settle_cancelled(
        &self,
        booking: &Booking,
        attempt: Attempt,
    ) -> Result<Outcome, AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let quote = store::accepted(&mut tx, booking.id).await?;
        let quote = quote.ok_or_else(|| AppError::broken("a cancelled booking without a quote"))?;
        let busy = money::busy_with(&mut tx, booking.id).await?;
        drop(tx);
        if quote.figures.terms == Terms::Unpaid {
            // There was no money; what the airline keeps was written off with its answer.
            return Ok(Outcome::Done);
        }
        if attempt.quarantined.is_some() || busy.disputed || busy.refunded_elsewhere {
            // Whoever decides there decides what is left to go back here.
            return Ok(Outcome::Again(now + LOOK_AGAIN));
        }
        if attempt.state == AttemptState::Authorised
            && let Some(wait) = self.keep_and_release(&attempt, quote.figures.kept).await?
        {
            return Ok(Outcome::Again(now + wait));
        }
        self.close_books(booking, &attempt, &quote).await
    }

    /// Nothing was taken yet: what is kept is taken, and with it the bank lets the rest go. How long to wait, if it is not
    /// done.
    async fn keep_and_release(
        &self,
        attempt: &Attempt,
        kept: Money,
    ) -> Result<Option<SignedDuration>, AppError> {
        let Some(attempt) = &self.still_authorised(attempt.clone()).await? else { return Ok(None) };
        let intent = payment_intent(attempt)?;
        let done = match kept.minor {
            0 => self.payments.release(intent, &attempt.key("release")).await,
            _ => self.payments.capture(intent, kept, &attempt.key("capture_kept")).await,
        };
        match done {
            Ok(intent) => {
                self.apply_facts(attempt, &Facts::from(intent), Actor::System).await?;
            }
            Err(PaymentError::Refused { code, .. }) => {
                self.apply_remote_truth(attempt.id, None, Actor::System).await?;
                if self.attempt(attempt.id).await?.state == AttemptState::Authorised {
                    self.raise_kept(attempt, kept, &code).await?;
                    return Ok(Some(LOOK_AGAIN));
                }
            }
            Err(error) => return Err(self.lost_answer(attempt, &error).await),
        }
        let is_open = self.attempt(attempt.id).await?.state == AttemptState::Authorised;
        Ok(is_open.then_some(POLL_EVERY))
    }

    async fn raise_kept(&self, attempt: &Attempt, kept: Money, code: &str) -> Result<(), AppError> {
        let mut tx = self.db.begin(System).await?;
        let detail =
            format!("cancelled with {kept} to keep, but Stripe neither takes nor releases it: {code}");
        let (kind, subject) = (Attention::CaptureFailed, attempt.id.to_string());
        outbox::raise(&mut tx, kind, &subject, Some(attempt.booking), &detail, self.clock.now()).await?;
        money::bump_epoch(&mut tx, attempt).await?;
        tx.commit().await?;
        Ok(())
    }

    /// All that is left of the payment, less what is kept, goes back; the rest is the supplier's and ours.
    async fn close_books(
        &self,
        booking: &Booking,
        attempt: &Attempt,
        quote: &CancelQuote,
    ) -> Result<Outcome, AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        bookings::store::lock(&mut tx, booking.id).await?;
        let attempt = money::lock_attempt(&mut tx, attempt.id).await?;
        let left = money::unrefunded(&mut tx, &attempt).await?;
        let standing = money::standing_in_ledger(&mut tx, &attempt).await?;
        let cost = booking.supplier_total.unwrap_or(quote.figures.paid);
        let credit = quote.credit.ok_or_else(|| AppError::broken("cancelled without a credit"))?;
        let kept = quote.figures.kept;
        let refunded = Money::new((left.minor - kept.minor).max(0), left.currency);
        // Where nothing was sold, the supplier is owed nothing yet but what it keeps.
        let supplier = if standing.is_sold { credit } else { credit.checked_sub(cost)? };
        // The bank may have let go before what is kept was taken: then some of what the supplier keeps is nobody's to pay.
        let is_short = attempt.captured.minor < kept.minor;
        let uncovered = refunded.checked_sub(standing.deposits)?.checked_sub(supplier)?;
        let lost = Money::new(if is_short { uncovered.minor.max(0) } else { 0 }, uncovered.currency);
        let posting = Posting::Cancelled {
            attempt: attempt.id,
            deposits: standing.deposits,
            supplier: supplier.checked_add(lost)?,
            refunded,
        };
        if ledger::is_posted(&mut tx, &posting).await? {
            return Ok(Outcome::Done);
        }
        ledger::post(&mut tx, booking.id, &posting, now).await?;
        if is_short {
            unpaid::write_off(&mut tx, booking, lost, now).await?;
            self.tell_of_lost_fee(&mut tx, &attempt, kept).await?;
        }
        if refunded.minor > 0 {
            let refund = RefundId::new();
            money::insert_refund(&mut tx, refund, &attempt, refunded, "cancelled", now).await?;
            outbox::push(&mut tx, &Job::SubmitRefund(refund), now, now).await?;
        }
        tx.commit().await?;
        Ok(Outcome::Done)
    }

    /// "It is tried again" is true no more.
    async fn tell_of_lost_fee(
        &self,
        tx: &mut Tx<System>,
        attempt: &Attempt,
        kept: Money,
    ) -> Result<(), AppError> {
        let (now, subject) = (self.clock.now(), attempt.id.to_string());
        let because = "The bank has let go of it: nothing can be taken any more";
        outbox::settle_about(tx, Attention::CaptureFailed, &subject, because, now).await?;
        let taken = match attempt.captured.minor {
            0 => "any of it".to_owned(),
            _ => format!("more than {}", attempt.captured),
        };
        let detail = format!(
            "cancelled with {kept} to keep, and the bank let go of it before {taken} was taken: nobody is charged for the rest"
        );
        let kind = Attention::AuthorisationLost;
        outbox::raise(tx, kind, &subject, Some(attempt.booking), &detail, now).await?;
        Ok(())
    }
}
