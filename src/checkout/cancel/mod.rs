//! Cancelling a ticketed booking: a quote, the traveller's word on exactly that quote, the supplier's yes, and then the
//! money that was quoted. What pages and API both call is here; what comes back is reckoned in [`terms`].

mod job;
mod settle;
pub mod store;
pub mod terms;

use jiff::Timestamp;
use serde_json::json;

use crate::{
    bookings::{
        self, Actor, Booking,
        lifecycle::{BookingEvent, BookingState, SupplierEvent},
        ordering,
    },
    checkout::{
        Attempt, Checkout, Standing,
        cancel::terms::{Case, Figures, Terms, Verdict, judge},
        lifecycle::AttemptState,
        store as money,
    },
    db::{System, Traveller, Tx},
    error::{AppError, Refusal},
    ids::{AttemptId, BookingReference, CancelQuoteId},
    money::Money,
    outbox::{self, Attention, Job},
};

/// What was shown to the traveller, and what has become of it.
#[derive(Clone, Debug)]
pub struct CancelQuote {
    pub id: CancelQuoteId,
    /// The payment that the booking lives on.
    pub attempt: AttemptId,
    pub figures: Figures,
    pub hash: String,
    pub accepted_at: Option<Timestamp>,
    /// The supplier may have been asked already.
    pub asked_before: bool,
    /// The supplier would not cancel.
    pub is_refused: bool,
    /// What the supplier gave back for the tickets, once they are cancelled.
    pub credit: Option<Money>,
}

/// A booking, and what cancelling it would mean at this moment.
#[derive(Debug)]
pub struct CancelDesk {
    pub standing: Standing,
    pub answer: Answer,
}

#[derive(Debug)]
pub enum Answer {
    Quote(CancelQuote),
    /// The fare does not say what comes back, so a person asks the airline.
    AirlineDecides {
        asked: bool,
    },
    No(Refusal),
}

/// What became of the traveller's word.
#[derive(Debug)]
pub enum Confirming {
    Begun(Box<CancelQuote>),
    /// The same word again: nothing more was done.
    Replayed(Box<CancelQuote>),
    /// The quote has lapsed or says something else by now. Nothing was cancelled.
    LookAgain(Box<CancelDesk>),
}

/// What the rules say, before anything is written down.
enum Weighed {
    Quote(AttemptId, Figures),
    AirlineDecides,
    No(Refusal),
}

impl Checkout {
    /// What cancelling would give back now. A quote is written down, so that the traveller can take exactly this one.
    pub async fn cancel_desk(
        &self,
        traveller: Traveller,
        reference: &BookingReference,
    ) -> Result<CancelDesk, AppError> {
        let standing = self.standing(traveller, reference).await?;
        if standing.file.booking.state != BookingState::Confirmed {
            let answer = Answer::No(not_cancellable(standing.file.booking.state));
            return Ok(CancelDesk { standing, answer });
        }
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let booking = bookings::store::lock(&mut tx, standing.file.booking.id).await?;
        let answer = match self.weigh(&mut tx, &booking, now).await? {
            Weighed::No(refusal) => Answer::No(refusal),
            Weighed::AirlineDecides => {
                Answer::AirlineDecides { asked: store::is_with_a_person(&mut tx, booking.id).await? }
            }
            Weighed::Quote(attempt, figures) => {
                store::forget_lapsed(&mut tx, booking.id, now).await?;
                let known = store::standing(&mut tx, booking.id, attempt, &figures.hash(), now).await?;
                Answer::Quote(match known {
                    Some(quote) => quote,
                    None => store::insert(&mut tx, booking.id, attempt, &figures, now).await?,
                })
            }
        };
        tx.commit().await?;
        Ok(CancelDesk { standing, answer })
    }

    /// Takes the traveller's word on the quote that they have seen. From here on the supplier is asked.
    pub async fn confirm_cancel(
        &self,
        traveller: Traveller,
        reference: &BookingReference,
        quote: CancelQuoteId,
    ) -> Result<Confirming, AppError> {
        let standing = self.standing(traveller, reference).await?;
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let mut booking = bookings::store::lock(&mut tx, standing.file.booking.id).await?;
        let seen = store::find(&mut tx, booking.id, quote).await?;
        if let Some(taken) = seen.as_ref().filter(|seen| seen.accepted_at.is_some() && !seen.is_refused) {
            return Ok(Confirming::Replayed(Box::new(taken.clone())));
        }
        let weighed = self.weigh(&mut tx, &booking, now).await?;
        let still_stands = |seen: &CancelQuote| match &weighed {
            Weighed::Quote(attempt, figures) => {
                seen.accepted_at.is_none()
                    && seen.figures.expires_at > now
                    && seen.attempt == *attempt
                    && seen.hash == figures.hash()
            }
            Weighed::AirlineDecides | Weighed::No(_) => false,
        };
        match (seen.filter(still_stands), weighed) {
            (Some(seen), _) => {
                begin(&mut tx, &mut booking, &seen, Actor::of(traveller), now).await?;
                tx.commit().await?;
                tracing::info!(booking = %booking.id, quote = %seen.id, back = seen.figures.back.minor, "cancelling");
                Ok(Confirming::Begun(Box::new(seen)))
            }
            (None, Weighed::No(refusal)) => Err(AppError::Conflict(refusal)),
            (None, _) => {
                drop(tx);
                Ok(Confirming::LookAgain(Box::new(self.cancel_desk(traveller, reference).await?)))
            }
        }
    }

    /// Where the fare says nothing of refunds: a person of ours asks the airline. Nothing is cancelled by it.
    pub async fn ask_airline_to_cancel(
        &self,
        traveller: Traveller,
        reference: &BookingReference,
    ) -> Result<(), AppError> {
        let standing = self.standing(traveller, reference).await?;
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let booking = bookings::store::lock(&mut tx, standing.file.booking.id).await?;
        match self.weigh(&mut tx, &booking, now).await? {
            Weighed::AirlineDecides => {}
            Weighed::No(refusal) => return Err(AppError::Conflict(refusal)),
            Weighed::Quote(..) => return Err(AppError::Conflict(quoted_meanwhile())),
        }
        if store::is_with_a_person(&mut tx, booking.id).await? {
            return Ok(());
        }
        let detail = "the traveller wants to cancel, and the fare does not say what the airline gives back";
        let (kind, subject) = (Attention::CancelAsked, booking.id.to_string());
        outbox::raise(&mut tx, kind, &subject, Some(booking.id), detail, now).await?;
        let actor = Actor::of(traveller);
        bookings::store::record(&mut tx, booking.id, "cancel_asked", actor, &json!({}), now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn weigh(
        &self,
        tx: &mut Tx<System>,
        booking: &Booking,
        now: Timestamp,
    ) -> Result<Weighed, AppError> {
        if booking.state != BookingState::Confirmed {
            return Ok(Weighed::No(not_cancellable(booking.state)));
        }
        if booking.pay_by.is_some() {
            return Ok(Weighed::No(unpaid()));
        }
        let attempts = money::attempts_of(tx, booking.id).await?;
        let busy = money::busy_with(tx, booking.id).await?;
        let is_odd = attempts.iter().any(|attempt| attempt.quarantined.is_some());
        if is_odd || busy.disputed || busy.refunded_elsewhere {
            return Ok(Weighed::No(with_a_person(busy.disputed)));
        }
        let secured = attempts.iter().find(|attempt| booking.lives_on(attempt.id));
        let Some((attempt, paid)) = secured.and_then(|attempt| match attempt.state {
            AttemptState::Captured => Some((attempt, attempt.captured)),
            AttemptState::Authorised => Some((attempt, attempt.amount)),
            _ => None,
        }) else {
            return Ok(Weighed::No(with_a_person(false)));
        };
        let charged = attempt.state == AttemptState::Captured;
        let returned = match charged {
            true => attempt.captured.checked_sub(money::unrefunded(tx, attempt).await?)?,
            false => Money::zero(paid.currency),
        };
        let first = booking.offer.slices.first().map(|slice| slice.first().departs.at);
        let party = booking.offer.party.kinds().count();
        let case = Case {
            paid,
            returned,
            charged,
            condition: booking.offer.fare.conditions.refund,
            passengers: u8::try_from(party).unwrap_or(u8::MAX),
            confirmed_at: booking.confirmed_at.unwrap_or(booking.created_at),
            departs_at: first.ok_or_else(|| AppError::broken("a booking without a flight"))?,
            now,
        };
        Ok(match judge(&case, self.free_cancel)? {
            Verdict::Quote(figures) => Weighed::Quote(attempt.id, figures),
            Verdict::AirlineDecides => Weighed::AirlineDecides,
            Verdict::Departed => Weighed::No(departed()),
        })
    }
}

async fn begin(
    tx: &mut Tx<System>,
    booking: &mut Booking,
    quote: &CancelQuote,
    actor: Actor,
    now: Timestamp,
) -> Result<(), AppError> {
    let figures = &quote.figures;
    let (kind, event) = match figures.terms {
        Terms::Unpaid => ("unpaid", BookingEvent::Unpaid),
        _ => ("cancel_accepted", BookingEvent::CancelAccepted),
    };
    store::accept(tx, quote.id, now).await?;
    let data = json!({
        "quote": quote.id,
        "attempt": quote.attempt,
        "terms": figures.terms,
        "amount_minor": figures.back.minor,
        "kept_minor": figures.kept.minor,
        "currency": figures.back.currency,
    });
    bookings::store::record(tx, booking.id, kind, actor, &data, now).await?;
    bookings::apply(tx, booking, event, actor, None, now).await?;
    ordering::step(tx, booking.id, booking.supplier_state, SupplierEvent::CancelAsked, now).await?;
    outbox::push(tx, &Job::CancelAtSupplier(booking.id), now, now).await?;
    Ok(())
}

/// Of tickets that nobody has paid for again in time. `lost` is the payment that they were bought for.
pub(super) async fn begin_unpaid(
    tx: &mut Tx<System>,
    booking: &mut Booking,
    lost: &Attempt,
    now: Timestamp,
) -> Result<(), AppError> {
    let figures = Figures::of_unpaid(lost.amount, now);
    let quote = store::insert(tx, booking.id, lost.id, &figures, now).await?;
    begin(tx, booking, &quote, Actor::System, now).await
}

fn no(code: &'static str, title: &'static str, detail: &str) -> Refusal {
    Refusal { code, title, detail: format!("{detail} Nothing was changed.") }
}

fn not_cancellable(state: BookingState) -> Refusal {
    match state {
        BookingState::Draft | BookingState::Held => no(
            "not_paid",
            "There is nothing to cancel",
            "This booking is not paid. Give it up on its own page.",
        ),
        BookingState::Ticketing => no(
            "being_booked",
            "The airline is booking your seats",
            "What becomes of the seats is known in a few minutes. Then this booking can be cancelled.",
        ),
        BookingState::Cancelling => no(
            "cancelling",
            "This booking is being cancelled already",
            "The airline has been asked. Its page shows how it stands.",
        ),
        BookingState::Confirmed | BookingState::Cancelled | BookingState::Expired | BookingState::Failed => {
            no("ended", "This booking has ended", "Its page shows what became of the money.")
        }
    }
}

fn unpaid() -> Refusal {
    no(
        "not_paid",
        "These tickets are not paid",
        "Nothing was charged. If nobody pays for them in time, they are cancelled by themselves and you owe nothing.",
    )
}

fn departed() -> Refusal {
    no(
        "departed",
        "The first flight has left",
        "After departure a booking is not cancelled here. If you did not fly, write to us: taxes may come back.",
    )
}

fn with_a_person(disputed: bool) -> Refusal {
    if disputed {
        no(
            "disputed",
            "Your bank is looking at this payment",
            "You or your bank have disputed it, so the bank decides first. Your tickets stay good.",
        )
    } else {
        no(
            "payment_checked",
            "A person is looking at this payment",
            "That has to be settled first. Your tickets stay good. Write to us if it is urgent.",
        )
    }
}

fn quoted_meanwhile() -> Refusal {
    no("quote_available", "What comes back is known by now", "Open the page again to see the quote.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_cannot_cancel_hears_why_and_that_nothing_was_changed() {
        let code = |refusal: &Refusal| {
            assert!(refusal.detail.ends_with(" Nothing was changed."), "{}", refusal.detail);
            refusal.code
        };
        for (state, wanted) in [
            (BookingState::Draft, "not_paid"),
            (BookingState::Held, "not_paid"),
            (BookingState::Ticketing, "being_booked"),
            (BookingState::Cancelling, "cancelling"),
            (BookingState::Cancelled, "ended"),
            (BookingState::Expired, "ended"),
            (BookingState::Failed, "ended"),
        ] {
            assert_eq!(code(&not_cancellable(state)), wanted, "{state:?}");
        }
        assert_eq!(code(&with_a_person(true)), "disputed");
        assert_eq!(code(&with_a_person(false)), "payment_checked");
        assert_eq!([code(&unpaid()), code(&departed())], ["not_paid", "departed"]);
    }
}
