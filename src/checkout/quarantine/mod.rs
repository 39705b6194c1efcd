//! A payment that does not fit what was accepted lies frozen until a person decides: it fits by now and the booking goes on,
//! or it goes back. What is possible, Stripe's word of that moment says; nothing that differs from what was accepted is ever
//! accepted for it.

mod judge;

use jiff::Timestamp;
use serde_json::json;

pub use judge::Compared;
use judge::{Gone, compared, is_ours_to_refund, money_in_words, no_accept, no_return};

use crate::{
    audit,
    bookings::{
        self, Actor, Booking,
        lifecycle::{BookingState, Step},
    },
    checkout::{
        Attempt, Checkout, LetGo, POLL_EVERY, disputes,
        facts::Facts,
        foreign_refunds::take_in_others,
        ledger::{self, Posting},
        lifecycle::{AttemptEvent, next_attempt},
        store, truth, upstream,
    },
    db::{System, Tx},
    error::{AppError, Refusal},
    ids::{AttemptId, BookingId, UserId},
    money::Money,
    outbox::{self, About, Attention, Job, MailKind, Outcome},
    payments::{IntentStatus, PaymentError, Refund, RefundStatus, SessionStatus},
};

/// Everything that a decision about a frozen payment needs.
#[derive(Debug)]
pub struct Frozen {
    pub attempt: Attempt,
    pub compared: Vec<Compared>,
    /// Where its money is, in a sentence.
    pub money: String,
    /// Why it cannot be accepted, if so.
    pub no_accept: Option<Refusal>,
    /// Why it cannot be given back, if so.
    pub no_return: Option<Refusal>,
}

/// What somebody decided, and why.
#[derive(Debug)]
pub struct Decision {
    pub staff: UserId,
    /// The item of the attention list that it settles.
    pub item: i64,
    pub attempt: AttemptId,
    pub reason: String,
}

/// Stripe's word, and what has gone back already.
struct Heard {
    facts: Facts,
    refunds: Vec<Refund>,
    /// Of money that our books cannot hold: nothing else is known of it.
    foreign: Option<String>,
}

impl Heard {
    /// In the currency of the payment.
    fn refunded(&self) -> i64 {
        let Some(intent) = &self.facts.intent else { return 0 };
        let is_back = |refund: &&Refund| {
            refund.status == RefundStatus::Succeeded && refund.amount.currency == intent.amount.currency
        };
        let back = self.refunds.iter().filter(is_back);
        back.fold(0, |sum, refund| sum.saturating_add(refund.amount.minor))
    }

    async fn gone(&self, tx: &mut Tx<System>, attempt: AttemptId) -> Result<Gone, AppError> {
        let stands = self.refunds.iter().filter(|refund| refund.status != RefundStatus::Failed);
        let refunded = stands.fold(0_i64, |sum, refund| sum.saturating_add(refund.amount.minor));
        let is_disputed = disputes::store::is_open_of(tx, attempt).await?
            || disputes::store::is_lost_of(tx, attempt).await?;
        Ok(Gone { refunded, is_disputed, is_foreign: self.foreign.is_some() })
    }
}

impl Checkout {
    /// `None`: it is not frozen, or not any more.
    pub async fn frozen(&self, id: AttemptId) -> Result<Option<Frozen>, AppError> {
        let mut tx = self.db.begin(System).await?;
        let Some(attempt) = store::attempt(&mut tx, id).await?.filter(|a| a.quarantined.is_some()) else {
            return Ok(None);
        };
        let booking = bookings::store::find_by_id(&mut tx, attempt.booking).await?;
        let booking = booking.ok_or(AppError::NotFound)?;
        drop(tx);
        let heard = self.hear(&attempt).await?;
        let mut tx = self.db.begin(System).await?;
        let gone = heard.gone(&mut tx, attempt.id).await?;
        drop(tx);
        Ok(Some(Frozen {
            compared: compared(&attempt, &booking, &heard.facts),
            money: money_in_words(&heard.facts, heard.foreign.as_deref()),
            no_accept: no_accept(&attempt, &booking, &heard.facts, gone),
            no_return: no_return(&attempt, &booking, &heard.facts, heard.refunded()),
            attempt,
        }))
    }

    async fn hear(&self, attempt: &Attempt) -> Result<Heard, AppError> {
        let facts = match (&attempt.session, &attempt.payment_intent) {
            (Some(session), _) => self.payments.session(session).await.map(Facts::from),
            (None, Some(intent)) => self.payments.payment_intent(intent).await.map(Facts::from),
            (None, None) => Ok(Facts::default()),
        };
        let (facts, foreign) = match facts {
            Ok(facts) => (facts, None),
            Err(PaymentError::ForeignCurrency(code)) => (Facts::default(), Some(code)),
            Err(error) => return Err(upstream(&error)),
        };
        let taken = facts.intent.as_ref().filter(|intent| intent.received > 0);
        let refunds = match taken {
            Some(intent) => self.payments.refunds_of(&intent.id).await.map_err(|error| upstream(&error))?,
            None => Vec::new(),
        };
        Ok(Heard { facts, refunds, foreign })
    }

    /// It fits by now: Stripe's facts move the attempt again, as if they had always fitted.
    pub async fn accept_frozen(&self, decision: &Decision) -> Result<(), AppError> {
        let heard = self.hear(&self.attempt(decision.attempt).await?).await?;
        let now = self.clock.now();
        let actor = Actor::Staff(decision.staff);
        let mut tx = self.db.begin(System).await?;
        let (mut booking, mut attempt) = self.lock_frozen(&mut tx, decision.attempt).await?;
        let gone = heard.gone(&mut tx, attempt.id).await?;
        if let Some(refusal) = no_accept(&attempt, &booking, &heard.facts, gone) {
            return Err(AppError::Conflict(refusal));
        }
        explain(&mut tx, &attempt, now).await?;
        store::lift_quarantine(&mut tx, attempt.id).await?;
        let why = attempt.quarantined.take();
        let data = json!({ "attempt": attempt.id, "why": why });
        bookings::store::record(&mut tx, booking.id, "payment_accepted", actor, &data, now).await?;
        truth::advance(&mut tx, &mut booking, &attempt, &heard.facts, actor, now).await?;
        go_on(&mut tx, &booking, &attempt, now).await?;
        self.settle_item(&mut tx, decision, audit::Action::PaymentAccepted, &attempt, now).await?;
        tx.commit().await?;
        tracing::info!(attempt = %decision.attempt, staff = %decision.staff, "payment accepted by staff");
        Ok(())
    }

    /// It goes back, by a job. Until it has, the booking stays as it is.
    pub async fn give_frozen_back(&self, decision: &Decision) -> Result<(), AppError> {
        let heard = self.hear(&self.attempt(decision.attempt).await?).await?;
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let (booking, attempt) = self.lock_frozen(&mut tx, decision.attempt).await?;
        if let Some(refusal) = no_return(&attempt, &booking, &heard.facts, heard.refunded()) {
            return Err(AppError::Conflict(refusal));
        }
        store::mark_given_back(&mut tx, attempt.id, now).await?;
        let data = json!({ "attempt": attempt.id, "why": attempt.quarantined });
        let actor = Actor::Staff(decision.staff);
        bookings::store::record(&mut tx, booking.id, "payment_given_back", actor, &data, now).await?;
        outbox::push(&mut tx, &Job::ReturnMoney(booking.id), now, now).await?;
        self.settle_item(&mut tx, decision, audit::Action::PaymentGivenBack, &attempt, now).await?;
        tx.commit().await?;
        tracing::info!(attempt = %decision.attempt, staff = %decision.staff, "payment given back by staff");
        Ok(())
    }

    /// The booking first, then its attempt, as everywhere.
    async fn lock_frozen(&self, tx: &mut Tx<System>, id: AttemptId) -> Result<(Booking, Attempt), AppError> {
        let attempt = store::attempt(tx, id).await?.ok_or(AppError::NotFound)?;
        let booking = bookings::store::lock(tx, attempt.booking).await?;
        let attempt = store::lock_attempt(tx, id).await?;
        match (&attempt.quarantined, attempt.given_back_at) {
            (Some(_), None) => Ok((booking, attempt)),
            _ => Err(decided_already()),
        }
    }

    async fn settle_item(
        &self,
        tx: &mut Tx<System>,
        decision: &Decision,
        action: audit::Action,
        attempt: &Attempt,
        now: Timestamp,
    ) -> Result<(), AppError> {
        if !outbox::resolve(tx, decision.item, decision.staff, &decision.reason, now).await? {
            return Err(decided_already());
        }
        let data = json!({
            "attempt": attempt.id,
            "amount_minor": attempt.amount.minor,
            "currency": attempt.amount.currency,
            "reason": decision.reason,
        });
        let (subject, booking) = (decision.item.to_string(), Some(attempt.booking));
        audit::record_for(tx, decision.staff, action, booking, &subject, &data, now).await?;
        Ok(())
    }

    /// Part of the job that returns money: every payment of the booking that somebody has decided to give back.
    pub(super) async fn give_back_frozen(&self, id: BookingId) -> Result<Outcome, AppError> {
        let mut tx = self.db.begin(System).await?;
        let attempts = store::attempts_of(&mut tx, id).await?;
        drop(tx);
        let goes_back = |a: &&Attempt| a.quarantined.is_some() && a.given_back_at.is_some();
        for attempt in attempts.iter().filter(goes_back) {
            if let Outcome::Again(at) = self.give_back(attempt).await? {
                return Ok(Outcome::Again(at));
            }
        }
        Ok(Outcome::Done)
    }

    async fn give_back(&self, attempt: &Attempt) -> Result<Outcome, AppError> {
        let heard = self.hear(attempt).await?;
        let intent = heard.facts.intent.as_ref();
        let session = heard.facts.session.as_ref().filter(|session| session.status == SessionStatus::Open);
        let event = match intent.map(|intent| (&intent.status, intent)) {
            Some((IntentStatus::RequiresCapture, intent)) => {
                match self.payments.release(&intent.id, &attempt.key("release")).await {
                    Ok(_) => AttemptEvent::Canceled,
                    Err(error) => return Err(self.lost_answer(attempt, &error).await),
                }
            }
            Some((IntentStatus::Succeeded, intent)) => {
                let received = Money::new(intent.received, intent.amount.currency);
                return self.give_taken_back(attempt, received, &heard).await;
            }
            Some((IntentStatus::Processing, _)) => return Ok(Outcome::Again(self.clock.now() + POLL_EVERY)),
            Some((IntentStatus::Canceled, _)) => AttemptEvent::Canceled,
            _ => match session {
                Some(session) => {
                    match self.payments.expire_session(&session.id, &attempt.key("expire")).await {
                        Ok(_) => AttemptEvent::SessionExpired,
                        // Paid at this very moment: the next look sees it.
                        Err(PaymentError::Refused { .. }) => {
                            return Ok(Outcome::Again(self.clock.now() + POLL_EVERY));
                        }
                        Err(error) => return Err(self.lost_answer(attempt, &error).await),
                    }
                }
                None => AttemptEvent::SessionExpired,
            },
        };
        let was_paid = intent.filter(|intent| intent.status == IntentStatus::RequiresCapture);
        let gone = was_paid.map(|intent| LetGo { amount: intent.amount, was_taken: false });
        self.let_go(attempt, event, gone).await?;
        Ok(Outcome::Done)
    }

    /// Nothing of it is anybody's but the traveller's any more, who hears of it if something was paid.
    async fn let_go(
        &self,
        attempt: &Attempt,
        event: AttemptEvent,
        gone: Option<LetGo>,
    ) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let mut booking = bookings::store::lock(&mut tx, attempt.booking).await?;
        let attempt = store::lock_attempt(&mut tx, attempt.id).await?;
        let captured = attempt.captured;
        truth::step(&mut tx, &mut booking, &attempt, event, captured, Actor::System, now).await?;
        explain(&mut tx, &attempt, now).await?;
        store::lift_quarantine(&mut tx, attempt.id).await?;
        if let Some(gone) = &gone {
            store::note_let_go(&mut tx, attempt.id, gone).await?;
        }
        if let Some(contact) = booking.contact.as_ref().filter(|_| gone.is_some()) {
            let (kind, cause) = (MailKind::MoneyReturned, attempt.id.to_string());
            outbox::owe_mail(&mut tx, kind, About::Booking(booking.id), &contact.email, &cause, now).await?;
        }
        go_on(&mut tx, &booking, &attempt, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Taken money gets its own name in the books and is refunded like any other. What our books cannot hold, because it is
    /// more than was accepted or in another currency, a person refunds at Stripe, and here it is only found to be gone.
    async fn give_taken_back(
        &self,
        attempt: &Attempt,
        received: Money,
        heard: &Heard,
    ) -> Result<Outcome, AppError> {
        if !is_ours_to_refund(attempt, received) {
            if heard.refunded() >= received.minor {
                let gone = LetGo { amount: received, was_taken: true };
                self.let_go(attempt, AttemptEvent::Canceled, Some(gone)).await?;
                return Ok(Outcome::Done);
            }
            let now = self.clock.now();
            let mut tx = self.db.begin(System).await?;
            let detail = format!("{received} is still to be refunded in Stripe's dashboard");
            let (kind, subject) = (Attention::PaymentQuarantined, attempt.id.to_string());
            outbox::raise(&mut tx, kind, &subject, Some(attempt.booking), &detail, now).await?;
            tx.commit().await?;
            return Ok(Outcome::Again(now + POLL_EVERY));
        }
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let booking = bookings::store::lock(&mut tx, attempt.booking).await?;
        let attempt = store::lock_attempt(&mut tx, attempt.id).await?;
        // What did not fit was not kept: its refund needs to know of which payment.
        store::note_facts(&mut tx, attempt.id, &heard.facts).await?;
        if let Step::Move { to, .. } = next_attempt(attempt.state, AttemptEvent::Captured) {
            // Its effects are those of a payment that buys something. This one buys nothing.
            explain(&mut tx, &attempt, now).await?;
            store::set_attempt_state(&mut tx, attempt.id, to, received).await?;
            let posting = Posting::Captured { attempt: attempt.id, amount: received };
            ledger::post(&mut tx, attempt.booking, &posting, now).await?;
            let data = json!({
                "attempt": attempt.id,
                "amount_minor": received.minor,
                "currency": received.currency,
            });
            bookings::store::record(&mut tx, booking.id, "payment_captured", Actor::Stripe, &data, now)
                .await?;
            for (dispute, amount) in disputes::store::lost_of(&mut tx, attempt.id).await? {
                ledger::post(&mut tx, attempt.booking, &Posting::DisputeCovered { dispute, amount }, now)
                    .await?;
            }
        }
        store::lift_quarantine(&mut tx, attempt.id).await?;
        take_in_others(&mut tx, &booking, attempt.id, &heard.refunds, now).await?;
        go_on(&mut tx, &booking, &attempt, now).await?;
        tx.commit().await?;
        self.owe_refund(&attempt).await?;
        Ok(Outcome::Done)
    }
}

/// Out of suspense, whatever lay there.
async fn explain(tx: &mut Tx<System>, attempt: &Attempt, now: Timestamp) -> Result<(), AppError> {
    for amount in ledger::in_suspense(tx, attempt.id).await? {
        let posting = Posting::Explained { attempt: attempt.id, amount };
        ledger::post(tx, attempt.booking, &posting, now).await?;
    }
    Ok(())
}

/// Timers and jobs that had stopped at the frozen payment. Each looks at the present state when it runs.
async fn go_on(
    tx: &mut Tx<System>,
    booking: &Booking,
    attempt: &Attempt,
    now: Timestamp,
) -> Result<(), AppError> {
    outbox::push(tx, &Job::CheckAttempt(attempt.id), now + POLL_EVERY, now).await?;
    let job = match booking.state {
        BookingState::Draft | BookingState::Held => Job::LapseHold(booking.id),
        BookingState::Ticketing => Job::OrderAtSupplier(booking.id),
        BookingState::Confirmed => Job::CaptureMoney(booking.id),
        BookingState::Cancelling => Job::CancelAtSupplier(booking.id),
        BookingState::Cancelled | BookingState::Expired | BookingState::Failed => {
            Job::ReturnMoney(booking.id)
        }
    };
    outbox::push(tx, &job, now, now).await?;
    Ok(())
}

fn decided_already() -> AppError {
    AppError::Conflict(Refusal {
        code: "decided_already",
        title: "Somebody has decided about this payment already",
        detail: "Your decision was not kept, and nothing was done by it. The booking shows what was decided."
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checkout::{facts::samples::fitting, lifecycle::AttemptState, pages::samples::standing},
        money::Currency,
        web::components::samples::eur,
    };

    #[test]
    fn only_what_is_back_in_the_currency_of_the_payment_counts_as_refunded() {
        let mut standing = standing(BookingState::Held).with(AttemptState::Open);
        let (attempt, booking) = (standing.attempts.remove(0), standing.file.booking);
        let refund = |status, amount| Refund {
            id: "re_1".to_owned(),
            status,
            amount,
            payment_intent: None,
            refund: None,
            created: Timestamp::UNIX_EPOCH,
            failure: None,
            pending_reason: None,
        };
        let refunds = vec![
            refund(RefundStatus::Succeeded, eur(700)),
            refund(RefundStatus::Succeeded, eur(20)),
            refund(RefundStatus::Succeeded, Money::new(50_000, Currency::Usd)),
            refund(RefundStatus::Pending, eur(4_000)),
            refund(RefundStatus::Failed, eur(8_000)),
        ];
        let mut heard = Heard { facts: fitting(&attempt, &booking), refunds, foreign: None };
        assert_eq!(heard.refunded(), 720);
        heard.facts.intent = None;
        assert_eq!(heard.refunded(), 0);
    }
}
