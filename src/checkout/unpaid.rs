//! Tickets whose money was lost before it was taken: the bank let go of what it had set aside, or Stripe would not charge it.
//! The traveller may pay the same total again until a deadline. Then the tickets are cancelled, and what the airline keeps
//! is our loss.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{
    bookings::{self, Actor, Booking, lifecycle::BookingState},
    checkout::{
        Acceptance, Attempt, Checkout, POLL_EVERY, Paying, Standing, cancel,
        ledger::{self, Posting},
        store,
    },
    db::{System, Traveller, Tx},
    error::AppError,
    ids::{AttemptId, BookingId},
    money::Money,
    outbox::{self, About, Attention, Job, MailKind, Outcome},
};

/// What a traveller gets who cannot be told any shorter time.
const TIME_TO_PAY: SignedDuration = SignedDuration::from_hours(24);
/// Airlines void tickets for nothing on the day after they were issued. This leaves an hour to ask.
const VOID_WINDOW: SignedDuration = SignedDuration::from_hours(23);
/// Of the void window there must be so much left, for people who do not sit beside their mail.
const LEAST_OF_VOID_WINDOW: SignedDuration = SignedDuration::from_hours(4);
/// So long before the first flight an airline still cancels.
const BEFORE_DEPARTURE: SignedDuration = SignedDuration::from_hours(3);
/// Nobody pays in less.
const LEAST_TIME: SignedDuration = SignedDuration::from_mins(30);
/// A payment that does not fit is with a person; we look again in the meantime.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// Until when tickets can be paid again, if there is any time. Never after departure; so long before it that the airline
/// still cancels, unless that is too near: then whoever travels may at least pay.
fn pay_until(now: Timestamp, issued_at: Timestamp, departs_at: Timestamp) -> Option<Timestamp> {
    let void = issued_at + VOID_WINDOW;
    let wanted = if void >= now + LEAST_OF_VOID_WINDOW { void } else { now + TIME_TO_PAY };
    let until = wanted.min(departs_at - BEFORE_DEPARTURE);
    let until = if until >= now + LEAST_TIME { until } else { departs_at.min(wanted) };
    Some(until).filter(|until| *until > now)
}

/// The tickets stand, and no money is behind them any more. Hearing it again changes nothing.
pub(super) async fn ask_to_pay(
    tx: &mut Tx<System>,
    booking: &mut Booking,
    attempt: &Attempt,
    now: Timestamp,
) -> Result<(), AppError> {
    let is_new = booking.state == BookingState::Confirmed && booking.pay_by.is_none();
    if !is_new || !booking.lives_on(attempt.id) || is_written_off(tx, booking).await? {
        return Ok(());
    }
    let departs_at = booking.offer.slices.first().map(|slice| slice.first().departs.at);
    let departs_at = departs_at.ok_or_else(|| AppError::broken("a booking without a flight"))?;
    let issued_at = booking.confirmed_at.unwrap_or(booking.created_at);
    let Some(until) = pay_until(now, issued_at, departs_at) else {
        // They have flown, or are about to: an airline that is asked now gives nothing back.
        return write_off(tx, booking, cost_of(booking), now).await;
    };
    store::set_pay_by(tx, booking.id, Some(until)).await?;
    booking.pay_by = Some(until);
    let data = json!({
        "attempt": attempt.id,
        "until": until,
        "amount_minor": booking.amount.minor,
        "currency": booking.amount.currency,
    });
    bookings::store::record(tx, booking.id, "pay_again", Actor::System, &data, now).await?;
    outbox::push(tx, &Job::CancelUnpaid(booking.id), until, now).await?;
    if let Some(contact) = &booking.contact {
        let (kind, cause) = (MailKind::PayAgain, attempt.id.to_string());
        outbox::owe_mail(tx, kind, About::Booking(booking.id), &contact.email, &cause, now).await?;
    }
    Ok(())
}

/// New money is there, and the booking lives on it: nobody needs to look after it any more.
pub(super) async fn paid_again(
    tx: &mut Tx<System>,
    booking: &mut Booking,
    now: Timestamp,
) -> Result<(), AppError> {
    store::set_pay_by(tx, booking.id, None).await?;
    booking.pay_by = None;
    let kinds = [Attention::AuthorisationLost, Attention::CaptureFailed];
    outbox::settle(tx, &kinds, booking.id, "The traveller has paid again.", now).await?;
    Ok(())
}

/// What the supplier takes for the tickets.
pub(super) fn cost_of(booking: &Booking) -> Money {
    booking.supplier_total.unwrap_or(booking.amount)
}

/// What the supplier is owed for tickets that nobody has paid for.
pub(super) async fn write_off(
    tx: &mut Tx<System>,
    booking: &Booking,
    lost: Money,
    now: Timestamp,
) -> Result<(), AppError> {
    lose_tickets(tx, booking.id, booking.pnr.as_deref().unwrap_or_default(), lost, now).await
}

/// Tickets may also be there without their booking's knowing of them (`late_tickets`).
pub(super) async fn lose_tickets(
    tx: &mut Tx<System>,
    id: BookingId,
    pnr: &str,
    lost: Money,
    now: Timestamp,
) -> Result<(), AppError> {
    ledger::post(tx, id, &Posting::TicketsLost { booking: id, amount: lost }, now).await?;
    if lost.minor > 0 {
        let detail = format!("the airline keeps {lost} for {pnr}, which nobody has paid");
        outbox::raise(tx, Attention::TicketsLost, &id.to_string(), Some(id), &detail, now).await?;
    }
    Ok(())
}

async fn is_written_off(tx: &mut Tx<System>, booking: &Booking) -> Result<bool, sqlx::Error> {
    let lost = Posting::TicketsLost { booking: booking.id, amount: booking.amount };
    ledger::is_posted(tx, &lost).await
}

/// Ends the time to pay now. `false`: nobody is asked to pay for these tickets.
pub async fn cancel_now(tx: &mut Tx<System>, id: BookingId, now: Timestamp) -> Result<bool, AppError> {
    let booking = bookings::store::lock(tx, id).await?;
    let Some(until) = booking.pay_by else { return Ok(false) };
    store::set_pay_by(tx, id, Some(until.min(now))).await?;
    outbox::push(tx, &Job::CancelUnpaid(id), now, now).await?;
    Ok(true)
}

impl Checkout {
    /// The button "Pay" of tickets without money: the accepted total, and no word with the airline.
    pub(super) async fn pay_for_tickets(
        &self,
        traveller: Traveller,
        standing: &Standing,
        acceptance: &Acceptance,
    ) -> Result<Paying, AppError> {
        let booking = &standing.file.booking;
        if !booking.can_be_paid_again(self.clock.now()) || standing.is_frozen() {
            return Ok(Paying::NothingToPay);
        }
        if acceptance.quote_hash != booking.quote_hash {
            return Ok(Paying::LookAgain);
        }
        if let Some(attempt) = standing.payable()
            && let Some(paying) = self.resume(attempt, booking).await?
        {
            return Ok(paying);
        }
        let from = acceptance.from.as_deref();
        match self.open_ticket_attempt(traveller, booking.id, from).await? {
            Some(attempt) => self.send_to_stripe(attempt).await,
            None => Ok(Paying::NothingToPay),
        }
    }

    /// One at a time: whoever comes second to the lock finds the first one's.
    async fn open_ticket_attempt(
        &self,
        traveller: Traveller,
        id: BookingId,
        from: Option<&str>,
    ) -> Result<Option<AttemptId>, AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let booking = bookings::store::lock(&mut tx, id).await?;
        if !booking.can_be_paid_again(now) {
            return Ok(None);
        }
        let earlier = store::attempts_of(&mut tx, id).await?;
        if let Some(attempt) = earlier.iter().rev().find(|attempt| attempt.state.is_payable()) {
            return Ok(Some(attempt.id).filter(|_| attempt.quote_hash == booking.quote_hash));
        }
        let attempt = self.new_attempt(&booking, now);
        self.begin_attempt(&mut tx, &attempt, Actor::of(traveller), from, now).await?;
        tx.commit().await?;
        Ok(Some(attempt.id))
    }

    /// The timer of tickets without money: nobody can pay any more, then the airline is asked to cancel them.
    pub async fn cancel_unpaid(&self, id: BookingId) -> Result<Outcome, AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let booking = bookings::store::find_by_id(&mut tx, id).await?;
        let attempts = store::attempts_of(&mut tx, id).await?;
        drop(tx);
        match booking.and_then(|booking| booking.pay_by) {
            None => return Ok(Outcome::Done),
            Some(until) if until > now => return Ok(Outcome::Again(until)),
            Some(_) if is_frozen(&attempts) => return Ok(Outcome::Again(now + LOOK_AGAIN)),
            Some(_) => {}
        }
        self.close_attempts(id).await?;
        let mut tx = self.db.begin(System).await?;
        let mut booking = bookings::store::lock(&mut tx, id).await?;
        let attempts = store::attempts_of(&mut tx, id).await?;
        let Some(until) = booking.pay_by else {
            // Paid at the very last moment.
            return Ok(Outcome::Done);
        };
        if until > now || is_frozen(&attempts) || attempts.iter().any(|attempt| attempt.state.is_payable()) {
            return Ok(Outcome::Again(now + POLL_EVERY));
        }
        let lost = attempts.iter().find(|attempt| booking.lives_on(attempt.id));
        let lost = lost.ok_or_else(|| AppError::broken("tickets that nobody ever paid for"))?;
        store::set_pay_by(&mut tx, id, None).await?;
        booking.pay_by = None;
        cancel::begin_unpaid(&mut tx, &mut booking, lost, now).await?;
        tx.commit().await?;
        Ok(Outcome::Done)
    }
}

fn is_frozen(attempts: &[Attempt]) -> bool {
    attempts.iter().any(|attempt| attempt.quarantined.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checkout::{lifecycle::AttemptState, pages::samples::standing},
        web::components::samples::eur,
    };

    #[test]
    fn tickets_cost_what_the_supplier_takes_and_nobody_is_asked_to_pay_twice_while_a_payment_is_frozen() {
        let mut standing =
            standing(BookingState::Confirmed).with(AttemptState::Released).with(AttemptState::Open);
        assert_eq!(cost_of(&standing.file.booking), eur(80_000));
        standing.file.booking.supplier_total = Some(eur(79_000));
        assert_eq!(cost_of(&standing.file.booking), eur(79_000));
        assert!(!is_frozen(&standing.attempts));
        standing.attempts[1].quarantined = Some("amount".to_owned());
        assert!(is_frozen(&standing.attempts));
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_time_to_pay_ends_in_the_void_window_before_departure_and_never_in_the_past() {
        let now = at("2026-11-23T12:00:00Z");
        let table = [
            // Issued just now, long before the flight: an hour of the void window is left.
            ("2026-11-23T12:00:00Z", "2026-12-14T10:00:00Z", Some("2026-11-24T11:00:00Z")),
            ("2026-11-22T17:00:00Z", "2026-12-14T10:00:00Z", Some("2026-11-23T16:00:00Z")),
            // Too little of it is left, or nothing.
            ("2026-11-22T16:59:00Z", "2026-12-14T10:00:00Z", Some("2026-11-24T12:00:00Z")),
            ("2026-11-01T12:00:00Z", "2026-12-14T10:00:00Z", Some("2026-11-24T12:00:00Z")),
            // The flight comes first, and the airline has to be asked before it.
            ("2026-11-23T12:00:00Z", "2026-11-23T22:00:00Z", Some("2026-11-23T19:00:00Z")),
            ("2026-11-23T12:00:00Z", "2026-11-23T15:30:00Z", Some("2026-11-23T12:30:00Z")),
            // Too near for that.
            ("2026-11-23T12:00:00Z", "2026-11-23T15:29:00Z", Some("2026-11-23T15:29:00Z")),
            ("2026-11-23T12:00:00Z", "2026-11-23T12:01:00Z", Some("2026-11-23T12:01:00Z")),
            ("2026-11-23T12:00:00Z", "2026-11-23T12:00:00Z", None),
            ("2026-11-01T12:00:00Z", "2026-11-20T12:00:00Z", None),
        ];
        for (issued, departs, until) in table {
            assert_eq!(pay_until(now, at(issued), at(departs)), until.map(at), "{issued} {departs}");
        }
    }
}
