//! Buying the tickets once the money is secured: ask, and where the answer is lost, look up before asking again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::time::timeout;

use crate::{
    bookings::{
        Actor, Booking, Bookings, apply,
        documents::{self, ForOrder},
        lifecycle::{BookingState, Step, SupplierEvent, SupplierState, next_supplier},
        store,
    },
    db::{System, Tx},
    error::AppError,
    ids::BookingId,
    outbox::{self, Attention, Claim, Job, Outcome},
    supplier::{Order, OrderRequest, SupplierError},
};

/// How long a supplier may stay silent before a person is asked.
pub const SILENCE_ALARM: SignedDuration = SignedDuration::from_mins(15);
/// How long we go on asking a supplier that says "not now", before the money goes back.
pub const PATIENCE: SignedDuration = SignedDuration::from_mins(45);
const ASK_AGAIN: SignedDuration = SignedDuration::from_secs(20);
/// After a no: whether there are tickets all the same.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_mins(15);

/// Why a booking fails whose order never became the one that was wanted.
const NOT_AS_ASKED: &str = "not_as_asked";

/// Two of them fit into what a job may take.
const LONGEST_CALL: Duration = Duration::from_secs(60);

struct Begun {
    booking: Booking,
    /// Somebody may have asked for the order already.
    asked_before: bool,
    /// The money is still there.
    is_secured: bool,
}

/// What is known about the order after asking.
enum Answer {
    Made(Order),
    No(&'static str),
    NotNow(String),
    Lost(String),
    /// There is an order, but not the one that was wanted. Tickets may still be added to it.
    Odd(String),
}

impl Bookings {
    /// The job behind "authorised, booking your seats".
    pub async fn order_at_supplier(&self, id: BookingId, claim: &Claim) -> Result<Outcome, AppError> {
        let Some(Begun { booking, asked_before, is_secured }) = self.begin_order(id).await? else {
            return Ok(Outcome::Done);
        };
        let answer = match self.look_up(&booking, asked_before).await {
            Some(answer) => answer,
            None if !is_secured => Answer::No("authorisation_lost"),
            None => {
                // Somebody else may have settled it while this worker hung: then nothing is bought any more.
                if asked_before && self.note(id, SupplierEvent::Asked).await? != SupplierState::Ordering {
                    return Ok(Outcome::Done);
                }
                self.ask(&booking).await?
            }
        };
        let now = self.clock.now();
        let waited = now.duration_since(claim.pushed_at);
        match answer {
            Answer::Made(order) => self.settle(id, Ok(&order)).await,
            Answer::No(reason) => self.settle(id, Err(reason)).await,
            Answer::NotNow(_) if waited >= PATIENCE => self.settle(id, Err("supplier_unavailable")).await,
            Answer::NotNow(why) => {
                if waited >= SILENCE_ALARM {
                    self.raise_silence(id, &why, now).await?;
                }
                Ok(Outcome::Again(now + ASK_AGAIN))
            }
            // Nothing but what was accepted is charged: it goes back to the airline, and the money to the traveller.
            Answer::Odd(_) if waited >= PATIENCE => self.settle(id, Err(NOT_AS_ASKED)).await,
            Answer::Lost(why) | Answer::Odd(why) => {
                self.note(id, SupplierEvent::NoAnswer).await?;
                if waited >= SILENCE_ALARM {
                    self.raise_silence(id, &why, now).await?;
                }
                Ok(Outcome::Again(now + ASK_AGAIN))
            }
        }
    }

    /// The booking, if it still wants an order.
    async fn begin_order(&self, id: BookingId) -> Result<Option<Begun>, AppError> {
        let mut tx = self.db.begin(System).await?;
        let booking = store::lock(&mut tx, id).await?;
        if booking.state != BookingState::Ticketing {
            return Ok(None);
        }
        let asked_before = booking.supplier_state != SupplierState::None;
        let is_secured = store::is_secured(&mut tx, id).await?;
        if !asked_before && is_secured {
            // Written before the supplier is called: whoever finds this after a crash looks the order up first.
            step(&mut tx, booking.id, booking.supplier_state, SupplierEvent::Asked, self.clock.now()).await?;
            tx.commit().await?;
        }
        Ok(Some(Begun { booking, asked_before, is_secured }))
    }

    /// After a lost answer or a crash: is there an order of ours? `None` means certainly not.
    async fn look_up(&self, booking: &Booking, asked_before: bool) -> Option<Answer> {
        if !asked_before {
            return None;
        }
        let party = booking.offer.party.kinds().count();
        match timeout(LONGEST_CALL, self.supplier.find_order(booking.id)).await {
            Ok(Ok(found)) => found.map(|order| judged(order, booking, party)),
            Ok(Err(error)) => Some(Answer::Lost(error.to_string())),
            Err(_) => Some(Answer::Lost("no answer to the look-up".to_owned())),
        }
    }

    async fn ask(&self, booking: &Booking) -> Result<Answer, AppError> {
        let request = match self.order_request(booking).await? {
            Ok(request) => request,
            Err(answer) => return Ok(answer),
        };
        let Ok(answer) = timeout(LONGEST_CALL, self.supplier.order(&request)).await else {
            return Ok(Answer::Lost("no answer to the order".to_owned()));
        };
        Ok(match answer {
            Ok(order) => judged(order, booking, request.passengers.len()),
            Err(SupplierError::SoldOut) => Answer::No("sold_out"),
            Err(SupplierError::Gone) => Answer::No("offer_gone"),
            Err(SupplierError::PriceUp(_) | SupplierError::Expired(_)) => Answer::No("price_up"),
            Err(SupplierError::Refused(_)) => Answer::No("refused"),
            Err(SupplierError::Unavailable(why)) => Answer::NotNow(why),
            Err(SupplierError::OutcomeUnknown(why)) => Answer::Lost(why),
        })
    }

    /// What is asked of the supplier, or the answer where nothing can be asked.
    async fn order_request(&self, booking: &Booking) -> Result<Result<OrderRequest, Answer>, AppError> {
        let mut tx = self.db.begin(System).await?;
        let passengers = store::passengers(&mut tx, booking.id).await?;
        let documents = if booking.offer.documents.is_asked() {
            documents::for_order(&mut tx, &self.vault, booking.id, self.clock.now()).await?
        } else {
            ForOrder::All(Vec::new())
        };
        tx.commit().await?;
        let documents = match documents {
            ForOrder::All(documents) => documents,
            // A booking that came back after it had ended: its documents are deleted, so its money goes back.
            ForOrder::Missing => return Ok(Err(Answer::No("documents_missing"))),
            ForOrder::Unreadable => return Ok(Err(Answer::NotNow("a passport cannot be opened".to_owned()))),
        };
        let contact = booking.contact.clone();
        Ok(Ok(OrderRequest {
            booking: booking.id,
            reference: booking.reference.clone(),
            offer: booking.offer.clone(),
            hold: booking.hold.as_ref().map(|hold| hold.id.clone()),
            passengers: passengers.into_iter().map(|(passenger, _)| passenger).collect(),
            documents,
            contact: contact.ok_or_else(|| AppError::broken("a paid booking without a contact"))?,
        }))
    }

    /// The supplier's definite word, and all that follows from it.
    async fn settle(&self, id: BookingId, word: Result<&Order, &'static str>) -> Result<Outcome, AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let mut booking = store::lock(&mut tx, id).await?;
        if is_ordered(booking.supplier_state) {
            // Settled by somebody else, and told already.
            return Ok(Outcome::Done);
        }
        let event = if word.is_ok() { SupplierEvent::Ordered } else { SupplierEvent::Refused };
        let booking_events = step(&mut tx, id, booking.supplier_state, event, now).await?;
        if let Ok(order) = word {
            store::set_order(&mut tx, id, order, now).await?;
            let data = json!({ "order": order.id, "pnr": order.pnr });
            store::record(&mut tx, id, "tickets_issued", Actor::Supplier, &data, now).await?;
        }
        for event in booking_events {
            apply(&mut tx, &mut booking, event, Actor::Supplier, word.err(), now).await?;
        }
        let kinds = [Attention::SupplierUnknown];
        outbox::settle(&mut tx, &kinds, id, "The airline’s answer is known.", now).await?;
        if word.is_err() && booking.supplier_state != SupplierState::None {
            // It was asked once, and an airline may be slow: tickets that turn up later are given back.
            let at = if word.err() == Some(NOT_AS_ASKED) { now } else { now + LOOK_AGAIN };
            outbox::push(&mut tx, &Job::VoidTickets(id), at, now).await?;
        }
        tx.commit().await?;
        Ok(Outcome::Done)
    }

    /// Says how the order stands afterwards.
    async fn note(&self, id: BookingId, event: SupplierEvent) -> Result<SupplierState, AppError> {
        let mut tx = self.db.begin(System).await?;
        let booking = store::lock(&mut tx, id).await?;
        step(&mut tx, id, booking.supplier_state, event, self.clock.now()).await?;
        tx.commit().await?;
        Ok(match next_supplier(booking.supplier_state, event) {
            Step::Move { to, .. } => to,
            _ => booking.supplier_state,
        })
    }

    async fn raise_silence(&self, id: BookingId, why: &str, now: Timestamp) -> Result<(), AppError> {
        let mut tx = self.db.begin(System).await?;
        let detail = format!("paid, and the supplier has not told the outcome: {why}");
        outbox::raise(&mut tx, Attention::SupplierUnknown, &id.to_string(), Some(id), &detail, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The job that gives seats back. The supplier forgives asking twice.
    pub async fn release_hold(&self, id: BookingId) -> Result<Outcome, AppError> {
        let mut tx = self.db.begin(System).await?;
        let booking = store::find_by_id(&mut tx, id).await?;
        drop(tx);
        let Some(booking) = booking.filter(|booking| booking.state.has_ended()) else {
            return Ok(Outcome::Done);
        };
        if let Some(hold) = &booking.hold {
            self.supplier.release(&hold.id).await.map_err(|error| AppError::Upstream {
                service: "supplier",
                reason: error.to_string(),
                detail: "Seats of an ended booking could not be given back yet.".to_owned(),
            })?;
        }
        Ok(Outcome::Done)
    }
}

/// Tickets exist, or existed.
fn is_ordered(state: SupplierState) -> bool {
    use SupplierState::{Cancelled, Cancelling, ChangedByAirline, Ordered};
    matches!(state, Ordered | ChangedByAirline | Cancelling | Cancelled)
}

/// An order counts only if it is the one that we wanted: a ticket for everybody, at no more than was accepted.
fn judged(order: Order, booking: &Booking, party: usize) -> Answer {
    let fits = order.total.currency == booking.amount.currency && order.total.minor <= booking.amount.minor;
    if fits && order.tickets.len() == party {
        Answer::Made(order)
    } else {
        Answer::Odd(format!("order {} is not what was asked for", order.id))
    }
}

/// Moves the supplier machine and returns what the booking machine has to hear. What must not happen moves nothing and
/// calls a person.
pub async fn step(
    tx: &mut Tx<System>,
    id: BookingId,
    state: SupplierState,
    event: SupplierEvent,
    now: Timestamp,
) -> Result<Vec<crate::bookings::lifecycle::BookingEvent>, AppError> {
    match next_supplier(state, event) {
        Step::Move { to, effects } => {
            store::set_supplier_state(tx, id, to).await?;
            Ok(effects)
        }
        Step::Stay { effects } => Ok(effects),
        Step::Replay => Ok(Vec::new()),
        Step::Illegal => {
            let detail = format!("supplier order is {}, but heard {event:?}", state.code());
            outbox::raise(tx, Attention::IllegalStep, &id.to_string(), Some(id), &detail, now).await?;
            Ok(Vec::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checkout::pages::samples::standing,
        money::{Currency, Money},
        web::components::samples::eur,
    };

    #[test]
    fn an_order_counts_only_at_what_was_accepted_or_less_and_with_a_ticket_for_everybody() {
        let booking = standing(BookingState::Ticketing).file.booking;
        let accepted = booking.amount.minor;
        let counts = |total: Money, tickets: usize| {
            let tickets = vec!["9992400118773".to_owned(); tickets];
            let order = Order { id: "ord_1".to_owned(), pnr: "9XKQ2P".to_owned(), tickets, total };
            matches!(judged(order, &booking, 2), Answer::Made(_))
        };
        assert!(counts(eur(accepted), 2) && counts(eur(accepted - 1), 2));
        assert!(!counts(eur(accepted + 1), 2), "dearer");
        assert!(!counts(Money::new(accepted, Currency::Usd), 2), "in another currency");
        assert!(!counts(eur(accepted), 1) && !counts(eur(accepted), 3), "for others");
    }

    #[test]
    fn tickets_exist_from_the_order_on_also_while_and_after_they_are_cancelled() {
        let ordered: Vec<&str> =
            SupplierState::ALL.iter().filter(|state| is_ordered(**state)).map(|state| state.code()).collect();
        assert_eq!(ordered, ["ordered", "cancelling", "cancelled", "changed_by_airline"]);
    }
}
