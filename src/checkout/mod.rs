//! Paying: re-price, hold, CheckoutSession, and afterwards Stripe's truth. What pages and API both call is [`Checkout`].
//!
//! Charged only when ticketed, and only what was accepted: money is authorised here, captured by a job once the
//! supplier has issued the tickets, and released or refunded when it has not.

pub mod api;
mod attempt;
pub mod cancel;
pub mod disputes;
pub mod facts;
mod foreign_refunds;
pub mod inbox;
mod intake;
pub mod invariants;
pub mod jobs;
mod late_tickets;
pub mod ledger;
pub mod lifecycle;
pub mod pages;
pub mod payouts;
mod people;
pub mod price_lines;
pub mod quarantine;
pub mod reconcile;
pub mod refunds;
pub mod replay;
mod seats;
pub mod staff_refund;
pub mod store;
pub mod truth;
pub mod unpaid;
pub mod webhook;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{
    bookings::{
        self, Actor, Booking, Bookings,
        lifecycle::{BookingEvent, BookingState},
    },
    clock::Clock,
    db::{Db, System, Traveller, Tx},
    error::{AppError, Refusal},
    ids::{AttemptId, BookingId, BookingReference},
    itinerary::Offer,
    money::Money,
    outbox::{self, Job},
    payments::{PaymentError, Payments},
    supplier::Hold,
};
pub use attempt::{Asked, Attempt, LetGo, RefundLine, RefundRow, Returned, Returning, Standing};
pub use intake::Intake;
use lifecycle::{AttemptEvent, AttemptState};

/// Stripe takes nothing under 30 minutes; the rest leaves time for asking again when it did not answer.
const SESSION_LIFE: SignedDuration = SignedDuration::from_mins(35);
/// Somebody who has not paid is reminded so long before the seats go: time enough to find a card.
const REMIND_BEFORE: SignedDuration = SignedDuration::from_mins(20);
/// A session that Stripe did not confirm is tried again for so long, then a new one takes its place.
const SILENT_ATTEMPT_LIFE: SignedDuration = SignedDuration::from_mins(2);
const POLL_EVERY: SignedDuration = SignedDuration::from_mins(2);

/// What the traveller has seen and pressed.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// Fingerprint of the quote on the page.
    pub quote_hash: String,
    /// The box beside a price that went up.
    pub accepts_raise: bool,
    /// The network address that it came from: a bank asks for it when the charge is disputed.
    pub from: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Paying {
    /// Go and pay there.
    At(String),
    /// The quote on the page is not what would be paid: show the review again.
    LookAgain,
    /// Names or contact are missing.
    PassengersMissing,
    /// Nothing to pay any more: show the booking.
    NothingToPay,
    /// Stripe does not answer; until then the seats stay held, or the tickets can be paid.
    StripeSilent { held_until: Timestamp },
}

#[derive(Clone)]
pub struct Checkout {
    pub db: Db,
    pub clock: Clock,
    pub bookings: Bookings,
    pub payments: Payments,
    pub intake: Intake,
    /// Without a slash at its end.
    pub base_url: String,
    /// When cancelling costs nothing, whatever the fare says.
    pub free_cancel: cancel::terms::FreeWindow,
    /// Real money. Stripe's facts must say the same.
    pub livemode: bool,
}

impl Checkout {
    pub async fn standing(
        &self,
        traveller: Traveller,
        reference: &BookingReference,
    ) -> Result<Standing, AppError> {
        let file = self.bookings.file(traveller, reference).await?;
        let mut tx = self.db.begin(traveller).await?;
        let attempts = store::attempts_of(&mut tx, file.booking.id).await?;
        let cancellation = match file.booking.state {
            BookingState::Cancelling | BookingState::Cancelled => {
                cancel::store::accepted(&mut tx, file.booking.id).await?
            }
            _ => None,
        };
        drop(tx);
        let mut standing = Standing { file, attempts, cancellation, disputed: false, returned: Vec::new() };
        let is_cancelled =
            standing.cancellation.is_some() && standing.file.booking.state == BookingState::Cancelled;
        let is_returned = standing.may_have_returned();
        if is_cancelled || is_returned {
            // Disputes, and what needs a person, are nobody's rows but the agency's.
            let (mut tx, id) = (self.db.begin(System).await?, standing.file.booking.id);
            if is_cancelled {
                standing.disputed = store::busy_with(&mut tx, id).await?.disputed;
            }
            if is_returned {
                standing.returned = store::returned(&mut tx, id, &standing.attempts).await?;
            }
        }
        Ok(standing)
    }

    /// Oldest first.
    pub async fn refunds_of(
        &self,
        traveller: Traveller,
        booking: BookingId,
    ) -> Result<Vec<RefundLine>, AppError> {
        let mut tx = self.db.begin(traveller).await?;
        store::refunds_of(&mut tx, booking).await
    }

    /// The button "Pay": today's price, the seats, an attempt, and Stripe's page.
    pub async fn pay(
        &self,
        traveller: Traveller,
        reference: &BookingReference,
        acceptance: &Acceptance,
    ) -> Result<Paying, AppError> {
        let standing = self.standing(traveller, reference).await?;
        let booking = &standing.file.booking;
        if booking.pay_by.is_some() {
            return self.pay_for_tickets(traveller, &standing, acceptance).await;
        }
        if !booking.is_open() || standing.is_frozen() {
            return Ok(Paying::NothingToPay);
        }
        if !standing.file.is_complete() {
            return Ok(Paying::PassengersMissing);
        }
        if acceptance.quote_hash != booking.quote_hash
            || (booking.raised_from.is_some() && !acceptance.accepts_raise)
        {
            return Ok(Paying::LookAgain);
        }
        if let Some(attempt) = standing.payable()
            && let Some(paying) = self.resume(attempt, booking).await?
        {
            return Ok(paying);
        }
        let (offer, hold) = match self.keep_seats(&standing).await? {
            Ok(kept) => kept,
            Err(instead) => return Ok(instead),
        };
        let from = acceptance.from.as_deref();
        match self.open_attempt(traveller, &standing, &offer, &hold, from).await? {
            Ok(attempt) => self.send_to_stripe(attempt).await,
            Err(instead) => Ok(instead),
        }
    }

    /// Goes on with an attempt that stands already. `None`: it is out of the way, a new one may be made.
    async fn resume(&self, attempt: &Attempt, booking: &Booking) -> Result<Option<Paying>, AppError> {
        if attempt.quote_hash != booking.quote_hash {
            // The terms changed while a session was open: nobody may pay the old ones any more.
            let is_closed = self.close_attempts(booking.id).await?;
            return Ok((!is_closed).then_some(Paying::NothingToPay));
        }
        let paying = self.send_to_stripe(attempt.id).await?;
        let waited = self.clock.now().duration_since(attempt.created_at);
        if matches!(paying, Paying::StripeSilent { .. }) && waited > SILENT_ATTEMPT_LIFE {
            // Whatever Stripe made of it, its address never left Stripe: nobody can pay there.
            self.note_event(attempt, AttemptEvent::Replaced, None).await?;
            // Unless Stripe has answered somebody else meanwhile.
            let paying = self.send_to_stripe(attempt.id).await?;
            return Ok(Some(paying).filter(|paying| matches!(paying, Paying::At(_))));
        }
        Ok(Some(paying))
    }

    /// One attempt at a time: whoever comes second to the lock finds the first one's. `Err`: the booking has moved on.
    async fn open_attempt(
        &self,
        traveller: Traveller,
        standing: &Standing,
        offer: &Offer,
        hold: &Hold,
        from: Option<&str>,
    ) -> Result<Result<AttemptId, Paying>, AppError> {
        let now = self.clock.now();
        let file = &standing.file;
        let id = file.booking.id;
        let mut tx = self.db.begin(System).await?;
        let mut booking = bookings::store::lock(&mut tx, id).await?;
        if !booking.is_open() || booking.quote_hash != offer.accepted_hash()? {
            return Ok(Err(Paying::NothingToPay));
        }
        let people = bookings::store::passengers(&mut tx, id).await?;
        if (&booking.contact, &people) != (&file.booking.contact, &file.passengers) {
            // Written anew while the airline was asked: the seats are kept in names that are not those of now.
            return Ok(Err(Paying::LookAgain));
        }
        let earlier = store::attempts_of(&mut tx, id).await?;
        if let Some(attempt) = earlier.iter().rev().find(|attempt| attempt.state.is_payable()) {
            let is_same = attempt.quote_hash == booking.quote_hash;
            return Ok(if is_same { Ok(attempt.id) } else { Err(Paying::NothingToPay) });
        }
        // The same terms under the id of the moment: this offer is held, so this one will be ordered. Amount and all are
        // written from the supplier's own word, whatever the draft said.
        bookings::store::set_quote(&mut tx, id, offer, None).await?;
        booking.offer = offer.clone();
        booking.amount = offer.total;
        bookings::store::set_hold(&mut tx, id, hold, now).await?;
        let actor = Actor::of(traveller);
        bookings::apply(&mut tx, &mut booking, BookingEvent::HoldPlaced, actor, None, now).await?;
        let attempt = self.new_attempt(&booking, now);
        self.begin_attempt(&mut tx, &attempt, actor, from, now).await?;
        let remind_at = hold.expires_at - REMIND_BEFORE;
        outbox::push(&mut tx, &Job::RemindOfHold(id), remind_at.max(now), now).await?;
        outbox::push(&mut tx, &Job::LapseHold(id), hold.expires_at, now).await?;
        tx.commit().await?;
        Ok(Ok(attempt.id))
    }

    fn new_attempt(&self, booking: &Booking, now: Timestamp) -> Attempt {
        Attempt {
            id: AttemptId::new(),
            booking: booking.id,
            state: AttemptState::Creating,
            amount: booking.amount,
            captured: Money::zero(booking.amount.currency),
            quote_hash: booking.quote_hash.clone(),
            livemode: self.livemode,
            try_epoch: 1,
            session: None,
            payment_intent: None,
            url: None,
            session_expires_at: now + SESSION_LIFE,
            card: None,
            failure: None,
            quarantined: None,
            given_back_at: None,
            let_go: None,
            created_at: now,
        }
    }

    /// The row, what was accepted with it, and the jobs that see to it whatever becomes of this process.
    async fn begin_attempt(
        &self,
        tx: &mut Tx<System>,
        attempt: &Attempt,
        actor: Actor,
        from: Option<&str>,
        now: Timestamp,
    ) -> Result<(), AppError> {
        store::insert_attempt(tx, attempt, from).await?;
        let accepted = json!({
            "attempt": attempt.id,
            "amount_minor": attempt.amount.minor,
            "currency": attempt.amount.currency,
            "quote_hash": attempt.quote_hash,
        });
        bookings::store::record(tx, attempt.booking, "terms_accepted", actor, &accepted, now).await?;
        outbox::push(tx, &Job::OpenSession(attempt.id), now + SignedDuration::from_secs(20), now).await?;
        outbox::push(tx, &Job::CheckAttempt(attempt.id), now + POLL_EVERY, now).await?;
        Ok(())
    }

    /// Creates the session if that is still to do, and says where to pay.
    async fn send_to_stripe(&self, id: AttemptId) -> Result<Paying, AppError> {
        self.open_session(id).await?;
        let mut tx = self.db.begin(System).await?;
        let attempt = store::attempt(&mut tx, id).await?.ok_or(AppError::NotFound)?;
        let booking = bookings::store::find_by_id(&mut tx, attempt.booking).await?;
        let held_until =
            booking.and_then(|booking| booking.pay_by.or(booking.hold.map(|hold| hold.expires_at)));
        Ok(match (attempt.state, attempt.url, held_until) {
            (AttemptState::Open | AttemptState::Processing, Some(url), _) => Paying::At(url),
            (AttemptState::Creating | AttemptState::CreateUnknown, _, Some(held_until)) => {
                Paying::StripeSilent { held_until }
            }
            (AttemptState::Failed, _, _) => {
                return Err(AppError::Upstream {
                    service: "stripe",
                    reason: attempt.failure.unwrap_or_default(),
                    detail: "The payment page could not be opened. Nothing was charged. The booking says until when \
                             you can pay: go back to it and press pay again."
                        .to_owned(),
                });
            }
            _ => Paying::NothingToPay,
        })
    }

    /// The return page asks Stripe itself. A silent Stripe changes nothing: the page says what is known.
    pub async fn ask_stripe(
        &self,
        traveller: Traveller,
        reference: &BookingReference,
    ) -> Result<Asked, AppError> {
        let standing = self.standing(traveller, reference).await?;
        let live = standing.attempts.iter().filter(|attempt| attempt.state.is_live());
        let asked: Vec<AttemptId> = live.map(|attempt| attempt.id).collect();
        if asked.is_empty() {
            return Ok(Asked { standing, stripe_is_silent: false });
        }
        let mut stripe_is_silent = false;
        for id in asked {
            match self.apply_remote_truth(id, None, Actor::of(traveller)).await {
                Ok(()) => {}
                Err(AppError::Upstream { .. }) => stripe_is_silent = true,
                Err(error) => return Err(error),
            }
        }
        Ok(Asked { standing: self.standing(traveller, reference).await?, stripe_is_silent })
    }

    /// Gives up a booking that is not paid: nobody can pay any more, then the seats go back.
    pub async fn drop_booking(
        &self,
        traveller: Traveller,
        reference: &BookingReference,
    ) -> Result<(), AppError> {
        let standing = self.standing(traveller, reference).await?;
        let booking = &standing.file.booking;
        if !booking.is_open() || standing.is_frozen() {
            return Err(too_late_to_drop(booking.state));
        }
        if !self.close_attempts(booking.id).await? {
            return Err(too_late_to_drop(BookingState::Ticketing));
        }
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let mut booking = bookings::store::lock(&mut tx, booking.id).await?;
        let attempts = store::attempts_of(&mut tx, booking.id).await?;
        let is_in_the_way = |attempt: &Attempt| attempt.state.is_payable() || attempt.quarantined.is_some();
        if !booking.is_open() || attempts.iter().any(is_in_the_way) {
            return Err(too_late_to_drop(booking.state));
        }
        let actor = Actor::of(traveller);
        bookings::apply(&mut tx, &mut booking, BookingEvent::Dropped, actor, Some("dropped"), now).await?;
        tx.commit().await?;
        Ok(())
    }
}

fn too_late_to_drop(state: BookingState) -> AppError {
    AppError::Conflict(Refusal {
        code: "cannot_drop",
        title: "This booking cannot be dropped now",
        detail: format!(
            "It is {} by now, or a payment is on its way. Nothing was changed. The booking page shows how it stands.",
            state.code()
        ),
    })
}

/// A call to Stripe that did not work out, for jobs to retry and pages to be honest about.
fn upstream(error: &PaymentError) -> AppError {
    AppError::Upstream {
        service: "stripe",
        reason: error.to_string(),
        detail: "Stripe does not answer just now. What you have paid or not paid has not changed; we ask again by ourselves."
            .to_owned(),
    }
}
