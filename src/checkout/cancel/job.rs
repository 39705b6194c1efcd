//! Asking the supplier to cancel. Its silence settles nothing: it is asked what became of the question before the question
//! is put again, and until it has answered the tickets stay good and no money moves.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::time::timeout;

use crate::{
    bookings::{
        self, Actor, Booking,
        lifecycle::{BookingState, SupplierEvent},
        ordering,
    },
    checkout::{
        Checkout,
        cancel::{CancelQuote, store, terms::Terms},
        unpaid,
    },
    db::{System, Tx},
    error::AppError,
    ids::BookingId,
    itinerary::Condition,
    money::Money,
    outbox::{self, About, Attention, Claim, MailKind, Outcome},
    supplier::{CancelRequest, Cancellation, SupplierError},
};

const LONGEST_CALL: Duration = Duration::from_secs(60);
/// How long a supplier may stay silent before a person is asked.
const SILENCE_ALARM: SignedDuration = SignedDuration::from_mins(15);
const ASK_AGAIN: SignedDuration = SignedDuration::from_secs(20);
/// After the alarm: a person is at it, and we go on listening.
const ASK_AGAIN_LATER: SignedDuration = SignedDuration::from_mins(5);

struct Begun {
    booking: Booking,
    quote: CancelQuote,
    request: CancelRequest,
}

/// What is known of the cancellation after asking.
enum Word {
    Yes(Cancellation),
    No(String),
    NotYet(String),
}

impl Checkout {
    /// The job behind "the airline has been asked to cancel".
    pub async fn cancel_at_supplier(&self, id: BookingId, claim: &Claim) -> Result<Outcome, AppError> {
        let Some(begun) = self.begin_cancel(id).await? else { return Ok(Outcome::Done) };
        let word = match self.look_up_cancel(&begun).await {
            Some(word) => word,
            None => self.ask_to_cancel(&begun.request).await,
        };
        match word {
            Word::Yes(cancellation) => self.tickets_cancelled(id, cancellation).await,
            Word::No(why) => self.cancel_refused(id, &why).await,
            Word::NotYet(why) => self.wait_for_supplier(&begun, &why, claim).await,
        }
    }

    /// The booking, if it still waits for the supplier. That it is asked is written down before it is asked.
    async fn begin_cancel(&self, id: BookingId) -> Result<Option<Begun>, AppError> {
        let mut tx = self.db.begin(System).await?;
        let booking = bookings::store::lock(&mut tx, id).await?;
        if booking.state != BookingState::Cancelling {
            return Ok(None);
        }
        let quote = accepted(&mut tx, id).await?;
        let order = store::supplier_order(&mut tx, id).await?;
        let order = order.ok_or_else(|| AppError::broken("tickets without a supplier's order"))?;
        if !quote.asked_before {
            store::note_asked(&mut tx, quote.id, self.clock.now()).await?;
        }
        tx.commit().await?;
        let request = CancelRequest { booking: id, order, idempotency_key: format!("cancel:{}", quote.id) };
        Ok(Some(Begun { booking, quote, request }))
    }

    /// After a lost answer or a crash: are the tickets cancelled? `None` means certainly not.
    async fn look_up_cancel(&self, begun: &Begun) -> Option<Word> {
        if !begun.quote.asked_before {
            return None;
        }
        let found = self.bookings.supplier.find_cancellation(begun.request.booking);
        match timeout(LONGEST_CALL, found).await {
            Ok(Ok(found)) => found.map(Word::Yes),
            Ok(Err(error)) => Some(Word::NotYet(error.to_string())),
            Err(_) => Some(Word::NotYet("no answer to the look-up".to_owned())),
        }
    }

    async fn ask_to_cancel(&self, request: &CancelRequest) -> Word {
        match timeout(LONGEST_CALL, self.bookings.supplier.cancel(request)).await {
            Ok(Ok(cancellation)) => Word::Yes(cancellation),
            Ok(Err(SupplierError::Refused(why))) => Word::No(why),
            // Nothing but a plain no is a no: the tickets may be gone all the same.
            Ok(Err(error)) => Word::NotYet(error.to_string()),
            Err(_) => Word::NotYet("no answer to the cancellation".to_owned()),
        }
    }

    async fn wait_for_supplier(&self, begun: &Begun, why: &str, claim: &Claim) -> Result<Outcome, AppError> {
        let (now, booking) = (self.clock.now(), &begun.booking);
        let waited = now.duration_since(claim.pushed_at);
        let mut tx = self.db.begin(System).await?;
        if begun.quote.figures.terms != Terms::Unpaid {
            owe(&mut tx, booking, MailKind::CancellationStarted, &begun.quote, now).await?;
        }
        if waited >= SILENCE_ALARM {
            let detail = format!("to be cancelled, and the supplier has not told the outcome: {why}");
            let (kind, subject) = (Attention::SupplierUnknown, booking.id.to_string());
            outbox::raise(&mut tx, kind, &subject, Some(booking.id), &detail, now).await?;
        }
        tx.commit().await?;
        let pause = if waited >= SILENCE_ALARM { ASK_AGAIN_LATER } else { ASK_AGAIN };
        Ok(Outcome::Again(now + pause))
    }

    /// The supplier's yes. The money follows by its own job, in the same commit.
    async fn tickets_cancelled(&self, id: BookingId, told: Cancellation) -> Result<Outcome, AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let mut booking = bookings::store::lock(&mut tx, id).await?;
        if booking.state != BookingState::Cancelling {
            return Ok(Outcome::Done);
        }
        let quote = accepted(&mut tx, id).await?;
        let cost = booking.supplier_total.unwrap_or(quote.figures.paid);
        let credit = creditable(told.credit, cost);
        let expected = expected_credit(&booking, cost);
        let is_unpaid = quote.figures.terms == Terms::Unpaid;
        if is_unpaid {
            unpaid::write_off(&mut tx, &booking, cost.checked_sub(credit)?, now).await?;
            let kinds = [Attention::AuthorisationLost, Attention::CaptureFailed];
            outbox::settle(&mut tx, &kinds, id, "The airline has cancelled the tickets.", now).await?;
        } else if credit != told.credit || expected.is_some_and(|expected| credit.minor < expected.minor) {
            let detail = format!("the supplier gives {} for cancelled tickets of {cost}", told.credit);
            let (kind, subject) = (Attention::CancelCredit, id.to_string());
            outbox::raise(&mut tx, kind, &subject, Some(id), &detail, now).await?;
        }
        store::note_done(&mut tx, quote.id, credit, now).await?;
        let events =
            ordering::step(&mut tx, id, booking.supplier_state, SupplierEvent::Cancelled, now).await?;
        for event in events {
            let reason = if is_unpaid { "unpaid" } else { "by_traveller" };
            bookings::apply(&mut tx, &mut booking, event, Actor::Supplier, Some(reason), now).await?;
        }
        owe(&mut tx, &booking, MailKind::BookingCancelled, &quote, now).await?;
        tx.commit().await?;
        Ok(Outcome::Done)
    }

    /// The supplier's no: the tickets stand, and so does the booking.
    async fn cancel_refused(&self, id: BookingId, why: &str) -> Result<Outcome, AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let mut booking = bookings::store::lock(&mut tx, id).await?;
        if booking.state != BookingState::Cancelling {
            return Ok(Outcome::Done);
        }
        let quote = accepted(&mut tx, id).await?;
        store::note_refused(&mut tx, quote.id, now).await?;
        let data = json!({ "quote": quote.id });
        bookings::store::record(&mut tx, id, "cancel_refused", Actor::Supplier, &data, now).await?;
        let events =
            ordering::step(&mut tx, id, booking.supplier_state, SupplierEvent::CancelRefused, now).await?;
        for event in events {
            bookings::apply(&mut tx, &mut booking, event, Actor::Supplier, None, now).await?;
        }
        let (kind, subject) = (Attention::CancelRefused, id.to_string());
        if quote.figures.terms == Terms::Unpaid {
            let detail =
                format!("nobody has paid for the tickets, and the supplier refuses to cancel: {why}");
            outbox::raise(&mut tx, kind, &subject, Some(id), &detail, now).await?;
            unpaid::write_off(&mut tx, &booking, unpaid::cost_of(&booking), now).await?;
        } else {
            let detail = format!("the traveller took a cancel quote, and the supplier refuses: {why}");
            outbox::raise(&mut tx, kind, &subject, Some(id), &detail, now).await?;
            owe(&mut tx, &booking, MailKind::CancellationRefused, &quote, now).await?;
        }
        tx.commit().await?;
        Ok(Outcome::Done)
    }
}

async fn accepted(tx: &mut Tx<System>, id: BookingId) -> Result<CancelQuote, AppError> {
    let quote = store::accepted(tx, id).await?;
    quote.ok_or_else(|| AppError::broken(format!("booking {id} is cancelled without a quote")))
}

/// Once for each quote, to whoever is to be written to.
async fn owe(
    tx: &mut Tx<System>,
    booking: &Booking,
    kind: MailKind,
    quote: &CancelQuote,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    match &booking.contact {
        Some(contact) => {
            let (about, cause) = (About::Booking(booking.id), quote.id.to_string());
            outbox::owe_mail(tx, kind, about, &contact.email, &cause, now).await
        }
        None => Ok(()),
    }
}

/// Nothing is believed above what the tickets cost, or in another currency.
fn creditable(told: Money, cost: Money) -> Money {
    let minor = if told.currency == cost.currency { told.minor.clamp(0, cost.minor) } else { 0 };
    Money::new(minor, cost.currency)
}

/// What the fare promises. Below it the difference is our loss, and somebody should ask why.
fn expected_credit(booking: &Booking, cost: Money) -> Option<Money> {
    let party = i64::try_from(booking.offer.party.kinds().count()).ok()?;
    match booking.offer.fare.conditions.refund {
        Condition::Free => Some(cost),
        Condition::Fee(fee) if fee.currency == cost.currency => {
            let kept = fee.checked_mul(party).ok()?;
            Some(Money::new(cost.minor.saturating_sub(kept.minor).max(0), cost.currency))
        }
        Condition::Fee(_) | Condition::No | Condition::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bookings::lifecycle::BookingState, checkout::pages::samples::standing, itinerary::Party,
        money::Currency, web::components::samples::eur,
    };

    #[test]
    fn a_fare_promises_its_cost_less_a_fee_for_each_passenger_or_promises_nothing() {
        let mut booking = standing(BookingState::Cancelling).file.booking;
        booking.offer.party = Party::new(2, 1, 0).unwrap();
        for (condition, promised) in [
            (Condition::Free, Some(9_000)),
            (Condition::Fee(eur(1_000)), Some(6_000)),
            (Condition::Fee(eur(3_000)), Some(0)),
            (Condition::Fee(eur(3_001)), Some(0)),
            (Condition::Fee(eur(i64::MAX)), None),
            (Condition::Fee(Money::new(1_000, Currency::Usd)), None),
            (Condition::No, None),
            (Condition::Unknown, None),
        ] {
            booking.offer.fare.conditions.refund = condition;
            assert_eq!(expected_credit(&booking, eur(9_000)), promised.map(eur), "{condition:?}");
        }
    }

    #[test]
    fn a_credit_is_never_below_nothing_above_the_cost_or_of_another_currency() {
        for (told, believed) in [
            (eur(5_000), 5_000),
            (eur(0), 0),
            (eur(-1), 0),
            (eur(9_001), 9_000),
            (Money::new(5_000, Currency::Usd), 0),
        ] {
            assert_eq!(creditable(told, eur(9_000)), eur(believed), "{told}");
        }
    }
}
