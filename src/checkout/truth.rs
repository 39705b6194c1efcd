//! The one way in for Stripe's facts. Webhook, return page, poller and our own calls all end here: the object is fetched
//! afresh, checked against what was accepted, and moves the attempt forward or not at all.

use jiff::Timestamp;
use serde_json::json;

use crate::{
    bookings::{
        self, Actor, Booking,
        lifecycle::{BookingEvent, BookingState, Step},
        told,
    },
    checkout::{
        Attempt, Checkout,
        facts::{Facts, mismatch, reading},
        ledger::{self, Posting},
        lifecycle::{AttemptEffect, AttemptEvent, AttemptState, next_attempt},
        store, unpaid, upstream,
    },
    db::{System, Tx},
    error::AppError,
    ids::AttemptId,
    money::Money,
    outbox::{self, About, Attention, FactKind, Job, MailKind},
    payments::PaymentError,
};

impl Checkout {
    /// Asks Stripe how the attempt stands and brings our rows up to it. `session` helps where an event named a session
    /// whose id we have not saved yet.
    pub async fn apply_remote_truth(
        &self,
        id: AttemptId,
        session: Option<&str>,
        actor: Actor,
    ) -> Result<(), AppError> {
        let mut tx = self.db.begin(System).await?;
        let attempt = store::attempt(&mut tx, id).await?.ok_or(AppError::NotFound)?;
        drop(tx);
        let facts = match (attempt.session.as_deref().or(session), &attempt.payment_intent) {
            (Some(session), _) => self.payments.session(session).await.map(Facts::from),
            (None, Some(intent)) => self.payments.payment_intent(intent).await.map(Facts::from),
            (None, None) => return Ok(()),
        };
        match facts {
            Ok(facts) => self.apply_facts(&attempt, &facts, actor).await,
            Err(PaymentError::ForeignCurrency(code)) => self.freeze_foreign(&attempt, &code).await,
            Err(error) => Err(upstream(&error)),
        }
    }

    /// Our books cannot hold it, and nothing will ever be bought with it: a person has to send it back at Stripe.
    async fn freeze_foreign(&self, attempt: &Attempt, code: &str) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let booking = bookings::store::lock(&mut tx, attempt.booking).await?;
        let attempt = store::lock_attempt(&mut tx, attempt.id).await?;
        if attempt.given_back_at.is_some() {
            return Ok(());
        }
        let detail = format!(
            "Stripe has it in {code}, which is not sold here: release or refund it in Stripe's dashboard"
        );
        let (kind, subject) = (Attention::PaymentQuarantined, attempt.id.to_string());
        outbox::raise(&mut tx, kind, &subject, Some(booking.id), &detail, now).await?;
        quarantine(&mut tx, &attempt, &Facts::default(), "currency", now).await?;
        tx.commit().await?;
        Ok(())
    }

    pub async fn apply_facts(&self, attempt: &Attempt, facts: &Facts, actor: Actor) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let mut booking = bookings::store::lock(&mut tx, attempt.booking).await?;
        let attempt = store::lock_attempt(&mut tx, attempt.id).await?;
        if attempt.given_back_at.is_some() {
            // A person has decided about it. What is done with it is in `quarantine`, whatever else is heard.
        } else if let Some(why) = mismatch(&attempt, &booking, facts) {
            quarantine(&mut tx, &attempt, facts, why, now).await?;
        } else if attempt.quarantined.is_some() {
            post_unexplained(&mut tx, &attempt, facts, now).await?;
        } else {
            // What was in quarantine once is let out by a person, not by a later fact that happens to fit.
            advance(&mut tx, &mut booking, &attempt, facts, actor, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// An event that no remote object tells: we asked and got no answer, or a definite no.
    pub async fn note_event(
        &self,
        attempt: &Attempt,
        event: AttemptEvent,
        failure: Option<&str>,
    ) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let mut booking = bookings::store::lock(&mut tx, attempt.booking).await?;
        let attempt = store::lock_attempt(&mut tx, attempt.id).await?;
        if let Some(code) = failure {
            store::set_failure(&mut tx, attempt.id, code).await?;
        }
        step(&mut tx, &mut booking, &attempt, event, attempt.captured, Actor::System, now).await?;
        tx.commit().await?;
        Ok(())
    }
}

pub(super) async fn advance(
    tx: &mut Tx<System>,
    booking: &mut Booking,
    attempt: &Attempt,
    facts: &Facts,
    actor: Actor,
    now: Timestamp,
) -> Result<(), AppError> {
    store::note_facts(tx, attempt.id, facts).await?;
    let declined = facts.intent.as_ref().and_then(|intent| intent.last_error.as_deref());
    if let Some(code) = declined.filter(|code| attempt.failure.as_deref() != Some(code)) {
        let data = json!({ "attempt": attempt.id, "code": code });
        bookings::store::record(tx, booking.id, "card_declined", actor, &data, now).await?;
    }
    let Some(event) = reading(facts) else { return Ok(()) };
    let received = facts.intent.as_ref().map_or(0, |intent| intent.received);
    let captured = Money::new(received, attempt.amount.currency);
    step(tx, booking, attempt, event, captured, actor, now).await
}

/// One event on a locked attempt, its state, its audit line and all that follows.
pub(super) async fn step(
    tx: &mut Tx<System>,
    booking: &mut Booking,
    attempt: &Attempt,
    event: AttemptEvent,
    captured: Money,
    actor: Actor,
    now: Timestamp,
) -> Result<(), AppError> {
    let effects = match next_attempt(attempt.state, event) {
        Step::Move { to, effects } => {
            let captured = if event == AttemptEvent::Captured { captured } else { attempt.captured };
            store::set_attempt_state(tx, attempt.id, to, captured).await?;
            let kind = format!("payment_{}", to.code());
            let amount = if event == AttemptEvent::Captured { captured } else { attempt.amount };
            let data = json!({
                "attempt": attempt.id,
                "amount_minor": amount.minor,
                "currency": amount.currency,
            });
            bookings::store::record(tx, booking.id, &kind, actor, &data, now).await?;
            settle_refused(tx, booking, attempt, to, now).await?;
            effects
        }
        Step::Stay { effects } => effects,
        Step::Replay => return Ok(()),
        Step::Illegal => {
            let detail = format!("payment is {}, but Stripe says {event:?}", attempt.state.code());
            let subject = attempt.id.to_string();
            let kind = Attention::PaymentContradiction;
            outbox::raise(tx, kind, &subject, Some(booking.id), &detail, now).await?;
            return Ok(());
        }
    };
    for effect in effects {
        match effect {
            AttemptEffect::SecureBooking => secure(tx, booking, attempt, actor, now).await?,
            AttemptEffect::PostCapture => {
                let posting = Posting::Captured { attempt: attempt.id, amount: captured };
                ledger::post(tx, booking.id, &posting, now).await?;
                tell_of_capture(tx, booking, attempt.id, captured, now).await?;
                sell(tx, booking, attempt.id, captured, now).await?;
            }
            AttemptEffect::AuthorisationLost => lost(tx, booking, attempt, now).await?,
        }
    }
    Ok(())
}

/// What Stripe had refused at first has come: the charge, or the release of what nobody needs.
async fn settle_refused(
    tx: &mut Tx<System>,
    booking: &Booking,
    attempt: &Attempt,
    to: AttemptState,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let is_as_asked = match to {
        AttemptState::Captured => true,
        AttemptState::Released => !booking.needs(attempt.id),
        _ => false,
    };
    if is_as_asked {
        let (kind, subject) = (Attention::CaptureFailed, attempt.id.to_string());
        outbox::settle_about(tx, kind, &subject, "Stripe has done it since.", now).await?;
    }
    Ok(())
}

async fn tell_of_capture(
    tx: &mut Tx<System>,
    booking: &Booking,
    attempt: AttemptId,
    captured: Money,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let payment = json!({ "id": attempt, "amount_minor": captured.minor, "currency": captured.currency });
    let data = json!({ "booking": told::name_of(booking), "payment": payment });
    outbox::tell(tx, FactKind::PaymentCaptured, booking.id, &attempt.to_string(), &data, now).await
}

/// The money is there: the booking lives on this attempt, unless another came first, or has come and gone.
async fn secure(
    tx: &mut Tx<System>,
    booking: &mut Booking,
    attempt: &Attempt,
    actor: Actor,
    now: Timestamp,
) -> Result<(), AppError> {
    let is_unpaid = booking.pay_by.is_some();
    let is_open = is_unpaid || matches!(booking.state, BookingState::Held | BookingState::Expired);
    if is_open && attempt.quote_hash != booking.quote_hash {
        // Paid, but for other terms than the booking has now: nobody accepted these with this money.
        let detail = "the money was accepted for other terms than the booking has, and goes back";
        let (kind, subject) = (Attention::PaymentContradiction, attempt.id.to_string());
        outbox::raise(tx, kind, &subject, Some(booking.id), detail, now).await?;
        outbox::push(tx, &Job::ReturnMoney(booking.id), now, now).await?;
        return Ok(());
    }
    if is_open {
        bookings::store::set_secured_by(tx, booking.id, attempt.id).await?;
        booking.secured_by = Some(attempt.id);
    }
    if is_unpaid {
        unpaid::paid_again(tx, booking, now).await?;
    }
    let event = if is_unpaid { BookingEvent::PaidAgain } else { BookingEvent::MoneySecured };
    bookings::apply(tx, booking, event, actor, None, now).await
}

/// Taken money of a confirmed booking belongs to its ticket, and the traveller gets a receipt.
pub(super) async fn sell(
    tx: &mut Tx<System>,
    booking: &Booking,
    attempt: AttemptId,
    captured: Money,
    now: Timestamp,
) -> Result<(), AppError> {
    if booking.state != BookingState::Confirmed || booking.secured_by != Some(attempt) {
        return Ok(());
    }
    let cost = booking.supplier_total.unwrap_or(captured);
    // Less than was charged, where somebody gave some of it back before there was a ticket.
    let paid = store::lock_attempt(tx, attempt).await?;
    let deposits = store::standing_in_ledger(tx, &paid).await?.deposits;
    let posting = Posting::Sold { attempt, deposits, cost };
    ledger::post(tx, booking.id, &posting, now).await?;
    if captured.minor < paid.amount.minor {
        let detail = format!(
            "only {captured} of {} was charged, past us, for tickets that are issued: the bank has let go of the rest",
            paid.amount
        );
        let (kind, subject) = (Attention::PaymentContradiction, attempt.to_string());
        outbox::raise(tx, kind, &subject, Some(booking.id), &detail, now).await?;
    }
    if let Some(contact) = &booking.contact {
        let (kind, cause) = (MailKind::PaymentReceipt, attempt.to_string());
        outbox::owe_mail(tx, kind, About::Booking(booking.id), &contact.email, &cause, now).await?;
    }
    Ok(())
}

/// An authorisation ended without a charge: as we wished, or behind the back of a ticket.
async fn lost(
    tx: &mut Tx<System>,
    booking: &mut Booking,
    attempt: &Attempt,
    now: Timestamp,
) -> Result<(), AppError> {
    if booking.needs(attempt.id) {
        let detail =
            format!("the booking is {}, and the authorisation behind it is gone", booking.state.code());
        let subject = attempt.id.to_string();
        outbox::raise(tx, Attention::AuthorisationLost, &subject, Some(booking.id), &detail, now).await?;
        unpaid::ask_to_pay(tx, booking, attempt, now).await?;
    } else if booking.secured_by != Some(attempt.id)
        && let Some(contact) = &booking.contact
    {
        // The mail about an unticketed booking tells of its own money; this is about money that came besides.
        let (kind, cause) = (MailKind::MoneyReturned, attempt.id.to_string());
        outbox::owe_mail(tx, kind, About::Booking(booking.id), &contact.email, &cause, now).await?;
    }
    Ok(())
}

/// Taken money of a quarantined attempt lies in suspense until a person knows what it is.
async fn post_unexplained(
    tx: &mut Tx<System>,
    attempt: &Attempt,
    facts: &Facts,
    now: Timestamp,
) -> Result<(), AppError> {
    let received = facts.intent.as_ref().filter(|intent| intent.received > 0);
    // What was captured before the quarantine is in the books already.
    if let Some(intent) = received.filter(|_| attempt.captured.minor == 0) {
        let amount = Money::new(intent.received, intent.amount.currency);
        let posting = Posting::Unexplained { attempt: attempt.id, amount };
        ledger::post(tx, attempt.booking, &posting, now).await?;
        store::note_intent(tx, attempt.id, &intent.id).await?;
    }
    Ok(())
}

/// Money that does not fit what was accepted: nothing is fulfilled with it, and a person looks.
pub(super) async fn quarantine(
    tx: &mut Tx<System>,
    attempt: &Attempt,
    facts: &Facts,
    why: &'static str,
    now: Timestamp,
) -> Result<(), AppError> {
    if attempt.given_back_at.is_some() {
        return Ok(());
    }
    if attempt.quarantined.is_none() {
        store::quarantine(tx, attempt.id, why).await?;
        let data = json!({ "attempt": attempt.id, "why": why });
        bookings::store::record(tx, attempt.booking, "payment_quarantined", Actor::Stripe, &data, now)
            .await?;
    }
    post_unexplained(tx, attempt, facts, now).await?;
    let detail = format!("Stripe's {why} differs from what was accepted");
    let subject = attempt.id.to_string();
    let kind = Attention::PaymentQuarantined;
    outbox::raise(tx, kind, &subject, Some(attempt.booking), &detail, now).await?;
    Ok(())
}
