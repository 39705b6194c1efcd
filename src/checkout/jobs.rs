//! The work behind paying: each is a call to Stripe with its own stable key, followed by Stripe's truth.

use jiff::{SignedDuration, Timestamp};

use crate::{
    bookings::{
        self, Actor, Booking,
        lifecycle::{BookingEvent, BookingState},
    },
    checkout::{
        Attempt, Checkout, POLL_EVERY, REMIND_BEFORE,
        facts::Facts,
        lifecycle::{AttemptEvent, AttemptState},
        store, truth, unpaid, upstream,
    },
    db::System,
    error::AppError,
    ids::{AttemptId, BookingId},
    outbox::{self, About, Attention, Claim, MailKind, Outcome},
    payments::{NewSession, PaymentError},
};

/// A charge that Stripe refuses although the amount is set aside is tried again, while a person looks at it.
const CAPTURE_AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// Then it is let go, so that the traveller can pay in another way while the tickets can still be voided.
const CAPTURE_PATIENCE: SignedDuration = SignedDuration::from_hours(6);
/// So is a release.
const RELEASE_AGAIN: SignedDuration = SignedDuration::from_hours(1);

impl Checkout {
    /// Creates the attempt's session. Asking again with the same key is how a lost answer is found.
    pub async fn open_session(&self, id: AttemptId) -> Result<Outcome, AppError> {
        let mut tx = self.db.begin(System).await?;
        let attempt = store::attempt(&mut tx, id).await?.ok_or(AppError::NotFound)?;
        let booking = bookings::store::find_by_id(&mut tx, attempt.booking).await?;
        drop(tx);
        if !matches!(attempt.state, AttemptState::Creating | AttemptState::CreateUnknown) {
            return Ok(Outcome::Done);
        }
        if attempt.session_expires_at <= self.clock.now() {
            // Nobody was ever sent to it, and if Stripe has it after all, its time is over there too.
            self.note_event(&attempt, AttemptEvent::SessionExpired, None).await?;
            return Ok(Outcome::Done);
        }
        let booking = booking.ok_or(AppError::NotFound)?;
        let request = self.session_request(&booking, &attempt)?;
        match self.payments.open_session(&request).await {
            Ok(session) => {
                self.apply_facts(&attempt, &Facts::from(session), Actor::System).await?;
                Ok(Outcome::Done)
            }
            Err(PaymentError::Refused { code, .. }) => {
                self.note_event(&attempt, AttemptEvent::CreationRefused, Some(&code)).await?;
                Ok(Outcome::Done)
            }
            Err(error) => {
                tracing::warn!(attempt = %id, %error, "session not created yet");
                self.note_event(&attempt, AttemptEvent::NoAnswer, None).await?;
                Ok(Outcome::Again(self.clock.now() + SignedDuration::from_secs(20)))
            }
        }
    }

    fn session_request(&self, booking: &Booking, attempt: &Attempt) -> Result<NewSession, AppError> {
        let contact = booking.contact.as_ref();
        let contact = contact.ok_or_else(|| AppError::broken("an attempt without a contact"))?;
        let page = |name: &str| format!("{}/bookings/{}/{name}", self.base_url, booking.reference);
        Ok(NewSession {
            attempt: attempt.id,
            booking: booking.id,
            reference: booking.reference.clone(),
            amount: attempt.amount,
            quote_hash: attempt.quote_hash.clone(),
            title: title(booking),
            email: contact.email.clone(),
            success_url: page("return"),
            cancel_url: page("cancelled"),
            expires_at: attempt.session_expires_at,
            idempotency_key: attempt.key("session"),
        })
    }

    /// The poller: looks again until nothing more can happen to the attempt.
    pub async fn check_attempt(&self, id: AttemptId) -> Result<Outcome, AppError> {
        match self.apply_remote_truth(id, None, Actor::Stripe).await {
            Ok(()) | Err(AppError::Upstream { .. }) => {}
            Err(error) => return Err(error),
        }
        let mut tx = self.db.begin(System).await?;
        let attempt = store::attempt(&mut tx, id).await?;
        Ok(match attempt {
            Some(attempt) if attempt.state.is_live() && attempt.quarantined.is_none() => {
                Outcome::Again(self.clock.now() + POLL_EVERY)
            }
            Some(_) | None => Outcome::Done,
        })
    }

    /// Makes sure that nobody can pay this booking any more: `/expire` first, and only Stripe's word counts. `false`: Stripe
    /// has not said so yet. Whether somebody has paid meanwhile, the booking tells under its lock.
    pub async fn close_attempts(&self, booking: BookingId) -> Result<bool, AppError> {
        for attempt in self.attempts(booking).await? {
            if !attempt.state.is_payable() {
                continue;
            }
            // A session that may or may not exist is found by asking for it again.
            self.open_session(attempt.id).await?;
            let attempt = self.attempt(attempt.id).await?;
            let Some(session) = attempt.session.as_deref().filter(|_| attempt.state.is_payable()) else {
                continue;
            };
            match self.payments.expire_session(session, &attempt.key("expire")).await {
                Ok(session) => self.apply_facts(&attempt, &Facts::from(session), Actor::System).await?,
                // Complete or expired already: what it is now tells which.
                Err(PaymentError::Refused { .. } | PaymentError::NotFound) => {
                    self.apply_remote_truth(attempt.id, None, Actor::System).await?;
                }
                Err(error) => return Err(self.lost_answer(&attempt, &error).await),
            }
        }
        Ok(!self.attempts(booking).await?.iter().any(|attempt| attempt.state.is_payable()))
    }

    /// Before the seats go: a mail to somebody who certainly has not paid.
    pub async fn remind_of_hold(&self, id: BookingId) -> Result<Outcome, AppError> {
        let now = self.clock.now();
        let Some((booking, until)) = self.unpaid_hold(id).await? else { return Ok(Outcome::Done) };
        if until - REMIND_BEFORE > now {
            // Pressing pay again has renewed it.
            return Ok(Outcome::Again(until - REMIND_BEFORE));
        }
        for attempt in self.attempts(id).await?.iter().filter(|attempt| attempt.state.is_live()) {
            match self.apply_remote_truth(attempt.id, None, Actor::System).await {
                Ok(()) => {}
                // Who cannot ask must not write "not paid".
                Err(AppError::Upstream { .. }) => return Ok(Outcome::Again(now + POLL_EVERY)),
                Err(error) => return Err(error),
            }
        }
        let is_unpaid = |attempt: &Attempt| {
            use AttemptState::{Authorised, Captured, Processing};
            attempt.quarantined.is_none() && !matches!(attempt.state, Processing | Authorised | Captured)
        };
        let Some((_, until)) = self.unpaid_hold(id).await? else { return Ok(Outcome::Done) };
        if !self.attempts(id).await?.iter().all(is_unpaid) {
            return Ok(Outcome::Done);
        }
        if let Some(contact) = &booking.contact {
            let (kind, cause) = (MailKind::HoldLapsing, format!("{id}:{}", until.as_second()));
            let mut tx = self.db.begin(System).await?;
            outbox::owe_mail(&mut tx, kind, About::Booking(id), &contact.email, &cause, now).await?;
            tx.commit().await?;
        }
        Ok(Outcome::Done)
    }

    async fn unpaid_hold(&self, id: BookingId) -> Result<Option<(Booking, Timestamp)>, AppError> {
        let mut tx = self.db.begin(System).await?;
        let booking = bookings::store::find_by_id(&mut tx, id).await?;
        let booking = booking.filter(|booking| booking.state == BookingState::Held);
        Ok(booking.and_then(|booking| {
            let until = booking.hold.as_ref().map(|hold| hold.expires_at)?;
            (until > self.clock.now()).then_some((booking, until))
        }))
    }

    /// The timer of a hold, and of a draft that nobody took further.
    pub async fn lapse_hold(&self, id: BookingId) -> Result<Outcome, AppError> {
        let mut tx = self.db.begin(System).await?;
        let booking = bookings::store::find_by_id(&mut tx, id).await?;
        drop(tx);
        let now = self.clock.now();
        let Some(booking) = booking.filter(Booking::is_open) else { return Ok(Outcome::Done) };
        if let Some(hold) = booking.hold.as_ref().filter(|hold| hold.expires_at > now) {
            return Ok(Outcome::Again(hold.expires_at));
        }
        if self.attempts(id).await?.iter().any(|attempt| attempt.quarantined.is_some()) {
            // A person has been called and decides.
            return Ok(Outcome::Done);
        }
        if !self.close_attempts(id).await? {
            return Ok(Outcome::Again(now + POLL_EVERY));
        }
        let mut tx = self.db.begin(System).await?;
        let mut booking = bookings::store::lock(&mut tx, id).await?;
        let attempts = store::attempts_of(&mut tx, id).await?;
        if !booking.is_open() || attempts.iter().any(|attempt| attempt.quarantined.is_some()) {
            // Paid at the last moment, or in a way that a person decides about. Money for other terms than the booking has
            // keeps no seats.
            return Ok(Outcome::Done);
        }
        let renewed = booking.hold.as_ref().is_some_and(|hold| hold.expires_at > now);
        if renewed || attempts.iter().any(|attempt| attempt.state.is_payable()) {
            return Ok(Outcome::Again(now + POLL_EVERY));
        }
        let reason = Some("hold_lapsed");
        bookings::apply(&mut tx, &mut booking, BookingEvent::HoldLapsed, Actor::System, reason, now).await?;
        tx.commit().await?;
        Ok(Outcome::Done)
    }

    /// Charges the card of a confirmed booking: exactly what was accepted.
    pub async fn capture_money(&self, id: BookingId, claim: &Claim) -> Result<Outcome, AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let mut booking = bookings::store::lock(&mut tx, id).await?;
        let Some(secured_by) = booking.secured_by.filter(|_| booking.state == BookingState::Confirmed) else {
            return Ok(Outcome::Done);
        };
        let attempt = store::lock_attempt(&mut tx, secured_by).await?;
        if attempt.state == AttemptState::Captured {
            // A method that is charged at once was captured before there was a ticket.
            truth::sell(&mut tx, &booking, attempt.id, attempt.captured, now).await?;
            tx.commit().await?;
            return Ok(Outcome::Done);
        }
        if attempt.state == AttemptState::Released {
            // Lost while the airline was still at it.
            unpaid::ask_to_pay(&mut tx, &mut booking, &attempt, now).await?;
            tx.commit().await?;
            return Ok(Outcome::Done);
        }
        drop(tx);
        let Some(attempt) = self.still_authorised(attempt).await? else { return Ok(Outcome::Done) };
        let intent = payment_intent(&attempt)?;
        match self.payments.capture(intent, attempt.amount, &attempt.key("capture")).await {
            Ok(intent) => {
                self.apply_facts(&attempt, &Facts::from(intent), Actor::System).await?;
                Ok(Outcome::Done)
            }
            Err(PaymentError::Refused { code, .. }) => self.capture_refused(&attempt, &code, claim).await,
            Err(error) => Err(self.lost_answer(&attempt, &error).await),
        }
    }

    /// After a lost answer Stripe is asked what became of it before the question is put again.
    pub(super) async fn still_authorised(&self, attempt: Attempt) -> Result<Option<Attempt>, AppError> {
        let attempt = if attempt.try_epoch > 1 {
            self.apply_remote_truth(attempt.id, None, Actor::System).await?;
            self.attempt(attempt.id).await?
        } else {
            attempt
        };
        let is_good = attempt.state == AttemptState::Authorised && attempt.quarantined.is_none();
        Ok(Some(attempt).filter(|_| is_good))
    }

    /// Stripe keeps even a failure under its key, so the next question gets a new one. That is safe for capture, release
    /// and expiry: each can happen only once to its object.
    pub(super) async fn lost_answer(&self, attempt: &Attempt, error: &PaymentError) -> AppError {
        let bumped = async {
            let mut tx = self.db.begin(System).await?;
            store::bump_epoch(&mut tx, attempt).await?;
            tx.commit().await
        };
        match bumped.await {
            Ok(()) => upstream(error),
            Err(error) => error.into(),
        }
    }

    /// Captured already, or gone: Stripe's present word tells which, and a ticket without money is a person's matter.
    async fn capture_refused(
        &self,
        attempt: &Attempt,
        code: &str,
        claim: &Claim,
    ) -> Result<Outcome, AppError> {
        self.apply_remote_truth(attempt.id, None, Actor::System).await?;
        let now_is = self.attempt(attempt.id).await?;
        if now_is.state == AttemptState::Authorised {
            if self.clock.now().duration_since(claim.pushed_at) >= CAPTURE_PATIENCE {
                return self.release(now_is).await;
            }
            let mut tx = self.db.begin(System).await?;
            let detail = format!("Stripe will not charge the card: {code}");
            let (kind, subject) = (Attention::CaptureFailed, attempt.id.to_string());
            let now = self.clock.now();
            outbox::raise(&mut tx, kind, &subject, Some(attempt.booking), &detail, now).await?;
            store::bump_epoch(&mut tx, attempt).await?;
            tx.commit().await?;
            return Ok(Outcome::Again(now + CAPTURE_AGAIN));
        }
        Ok(Outcome::Done)
    }

    /// Sends back the money of every attempt that the booking does not live on: a release before the charge, a refund after.
    pub async fn return_money(&self, id: BookingId) -> Result<Outcome, AppError> {
        let mut tx = self.db.begin(System).await?;
        let Some(booking) = bookings::store::find_by_id(&mut tx, id).await? else { return Ok(Outcome::Done) };
        drop(tx);
        if let Outcome::Again(at) = self.give_back_frozen(id).await? {
            return Ok(Outcome::Again(at));
        }
        let mut outcome = Outcome::Done;
        for attempt in self.attempts(id).await? {
            if booking.state == BookingState::Cancelled && booking.lives_on(attempt.id) {
                // It had bought tickets: its quote says what of it goes back.
                outcome = sooner(outcome, self.settle_cancelled(&booking, attempt).await?);
                continue;
            }
            match attempt.state {
                AttemptState::Authorised if !booking.needs(attempt.id) => {
                    outcome = sooner(outcome, self.release_unneeded(attempt).await?);
                }
                AttemptState::Captured if !booking.needs(attempt.id) => self.owe_refund(&attempt).await?,
                _ => {}
            }
        }
        Ok(outcome)
    }

    /// Whoever sends us here has looked without a lock: by now the booking may live on it. Once it is set aside and not needed,
    /// it is never needed again.
    async fn release_unneeded(&self, attempt: Attempt) -> Result<Outcome, AppError> {
        let mut tx = self.db.begin(System).await?;
        let booking = bookings::store::lock(&mut tx, attempt.booking).await?;
        drop(tx);
        if booking.needs(attempt.id) { Ok(Outcome::Done) } else { self.release(attempt).await }
    }

    async fn release(&self, attempt: Attempt) -> Result<Outcome, AppError> {
        let id = attempt.id;
        let Some(attempt) = &self.still_authorised(attempt).await? else {
            // Somebody may have charged it while we had no answer.
            let attempt = self.attempt(id).await?;
            if attempt.state == AttemptState::Captured && attempt.quarantined.is_none() {
                self.owe_refund(&attempt).await?;
            }
            return Ok(Outcome::Done);
        };
        let intent = payment_intent(attempt)?;
        match self.payments.release(intent, &attempt.key("release")).await {
            Ok(intent) => self.apply_facts(attempt, &Facts::from(intent), Actor::System).await?,
            Err(PaymentError::Refused { code, .. }) => return self.release_refused(attempt, &code).await,
            Err(error) => return Err(self.lost_answer(attempt, &error).await),
        }
        Ok(Outcome::Done)
    }

    /// Captured meanwhile: then it is a refund. Still set aside: then a person looks, and the job goes on asking.
    async fn release_refused(&self, attempt: &Attempt, code: &str) -> Result<Outcome, AppError> {
        self.apply_remote_truth(attempt.id, None, Actor::System).await?;
        match self.attempt(attempt.id).await?.state {
            AttemptState::Captured => self.owe_refund(attempt).await?,
            AttemptState::Authorised => {
                let now = self.clock.now();
                let mut tx = self.db.begin(System).await?;
                let detail =
                    format!("nothing is bought with this money, but Stripe will not release it: {code}");
                let (kind, subject) = (Attention::CaptureFailed, attempt.id.to_string());
                outbox::raise(&mut tx, kind, &subject, Some(attempt.booking), &detail, now).await?;
                store::bump_epoch(&mut tx, attempt).await?;
                tx.commit().await?;
                return Ok(Outcome::Again(now + RELEASE_AGAIN));
            }
            _ => {}
        }
        Ok(Outcome::Done)
    }

    async fn attempts(&self, booking: BookingId) -> Result<Vec<Attempt>, AppError> {
        let mut tx = self.db.begin(System).await?;
        store::attempts_of(&mut tx, booking).await
    }

    pub(super) async fn attempt(&self, id: AttemptId) -> Result<Attempt, AppError> {
        let mut tx = self.db.begin(System).await?;
        store::attempt(&mut tx, id).await?.ok_or(AppError::NotFound)
    }
}

/// One job for several payments comes back when the first of them wants it to.
fn sooner(one: Outcome, other: Outcome) -> Outcome {
    match (one, other) {
        (Outcome::Again(one), Outcome::Again(other)) => Outcome::Again(one.min(other)),
        (Outcome::Done, outcome) | (outcome, Outcome::Done) => outcome,
    }
}

pub(super) fn payment_intent(attempt: &Attempt) -> Result<&str, AppError> {
    let intent = attempt.payment_intent.as_deref();
    intent.ok_or_else(|| AppError::broken(format!("attempt {} has money but no payment intent", attempt.id)))
}

/// What Stripe's page and the bank statement call it: "Lisbon to New York, 12 Mar 2027", "Lisbon to London and back, …",
/// "Lisbon to London and on, …".
fn title(booking: &Booking) -> String {
    match booking.offer.slices.as_slice() {
        [slice, others @ ..] => {
            let (from, to) = (&slice.first().from.city, &slice.last().to.city);
            let and = match others {
                [] => "",
                [back] if back.last().to.city == *from => " and back",
                _ => " and on",
            };
            format!("{from} to {to}{and}, {}", slice.first().departs.local.strftime("%-d %b %Y"))
        }
        [] => booking.reference.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_for_several_payments_comes_back_for_the_first_and_is_done_when_all_are() {
        let at = |minutes| Outcome::Again(Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes));
        assert_eq!(sooner(Outcome::Done, Outcome::Done), Outcome::Done);
        for (one, other) in [(at(1), Outcome::Done), (Outcome::Done, at(1)), (at(1), at(2)), (at(2), at(1))] {
            assert_eq!(sooner(one, other), at(1), "{one:?}, {other:?}");
        }
    }
}
