//! A booking with its money, as JSON: what its pages show.

use jiff::{Timestamp, civil};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    bookings::lifecycle::BookingState,
    checkout::{
        Attempt, LetGo, RefundLine, Standing,
        api::cancel::CancelQuote,
        lifecycle::{AttemptState, RefundState},
        pages::{
            news::{Next, news},
            timeline::{Told, told},
        },
        payouts::Payout,
    },
    error::AppError,
    ids::{AttemptId, BookingReference, RefundId},
    itinerary::{PassengerKind, Sex},
    web::shapes::{Money, Offer},
};

#[derive(Debug, Serialize, ToSchema)]
pub struct Booking {
    #[schema(value_type = String, example = "K7WQ4M")]
    reference: BookingReference,
    state: BookingState,
    /// The news of it, for people.
    #[schema(example = "Ready to check and pay")]
    headline: String,
    /// What that means for seats and money.
    #[schema(example = "Nothing is booked or charged, and no seats are held before you press pay.")]
    sentence: String,
    next: NextStep,
    created_at: Timestamp,
    #[schema(required)]
    confirmed_at: Option<Timestamp>,
    /// Until when the seats are kept.
    #[schema(required)]
    held_until: Option<Timestamp>,
    /// Tickets are issued, and the money behind them was lost before it was taken: until when they can be paid again.
    #[schema(required)]
    pay_until: Option<Timestamp>,
    /// Why it came to nothing, as a code.
    #[schema(required, example = "dropped")]
    ended_reason: Option<String>,
    /// The airline's own record locator.
    #[schema(required, example = "9XKQ2P")]
    airline_reference: Option<String>,
    quote: Quote,
    /// As it was quoted. `total` is what is or will be paid.
    offer: Offer,
    #[schema(required)]
    contact: Option<Contact>,
    passengers: Vec<Passenger>,
    /// Oldest first.
    timeline: Vec<Happened>,
    /// Oldest first.
    attempts: Vec<PaymentAttempt>,
    /// Oldest first.
    refunds: Vec<Refund>,
    /// The quote that it is being, or was, cancelled by.
    #[schema(required)]
    cancellation: Option<CancelQuote>,
}

/// What paying would accept.
#[derive(Debug, Serialize, ToSchema)]
pub struct Quote {
    /// Stands for flights, fare, conditions, party and every price line.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    hash: String,
    total: Money,
    /// The total before it went up, while the higher one is not accepted.
    #[schema(required)]
    raised_from: Option<Money>,
}

impl From<&Standing> for Quote {
    fn from(standing: &Standing) -> Self {
        let booking = &standing.file.booking;
        Self {
            hash: booking.quote_hash.clone(),
            total: booking.amount.into(),
            raised_from: booking.raised_from.map(Money::from),
        }
    }
}

/// What can be done now.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NextStep {
    /// Write who travels.
    Name,
    /// Check and pay, or change names.
    Pay,
    /// Pay for tickets whose money was lost before it was taken. Names are fixed.
    PayAgain,
    /// Nothing: money or tickets are on their way.
    Wait,
    Travel,
    /// It came to nothing.
    SearchAgain,
}

impl From<Next> for NextStep {
    fn from(next: Next) -> Self {
        match next {
            Next::Name => Self::Name,
            Next::Pay => Self::Pay,
            Next::PayAgain => Self::PayAgain,
            Next::Wait => Self::Wait,
            Next::Travel => Self::Travel,
            Next::SearchAgain => Self::SearchAgain,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Contact {
    #[schema(example = "maria@example.com")]
    email: String,
    #[schema(example = "+351 900 000 000")]
    phone: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Passenger {
    kind: PassengerKind,
    #[schema(example = "Maria Inês")]
    given_names: String,
    #[schema(example = "Duarte")]
    family_name: String,
    born_on: civil::Date,
    sex: Sex,
    /// Once there is one.
    #[schema(required, example = "9992400118773")]
    ticket_number: Option<String>,
    /// Where the offer needs it. The number is never shown again.
    #[schema(required)]
    passport: Option<Passport>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Passport {
    /// The last two characters.
    #[schema(example = "42")]
    ends_in: String,
    /// ISO 3166-1 alpha-2.
    #[schema(example = "PT")]
    country: String,
    expires_on: civil::Date,
}

/// A line of the timeline.
#[derive(Debug, Serialize, ToSchema)]
pub struct Happened {
    at: Timestamp,
    /// For programs; more may be added.
    #[schema(example = "offer_chosen")]
    kind: String,
    #[schema(example = "Offer chosen")]
    title: String,
    #[schema(example = "Halcyon Air, Classic.")]
    text: String,
    /// With a sign where money moved.
    #[schema(required, example = "EUR 412.60")]
    amount: Option<String>,
}

impl From<Told> for Happened {
    fn from(told: Told) -> Self {
        let Told { at, kind, title, text, amount } = told;
        Self {
            at,
            kind,
            title: title.to_owned(),
            text,
            amount: amount.map(|amount| amount.replace('\u{a0}', " ")),
        }
    }
}

/// One visit to the payment page.
#[derive(Debug, Serialize, ToSchema)]
pub struct PaymentAttempt {
    id: AttemptId,
    state: AttemptState,
    amount: Money,
    /// What was really taken. Of a payment that is being checked, nothing is told yet.
    charged: Money,
    /// Brand and last four digits, once known.
    #[schema(required, example = "visa 4242")]
    card: Option<String>,
    /// Why the last card was declined, or why the page did not open.
    #[schema(required, example = "card_declined")]
    failure: Option<String>,
    created_at: Timestamp,
    /// When the payment page closes.
    expires_at: Timestamp,
}

impl From<&Attempt> for PaymentAttempt {
    fn from(attempt: &Attempt) -> Self {
        Self {
            id: attempt.id,
            state: attempt.state,
            amount: attempt.amount.into(),
            charged: taken(attempt).into(),
            card: attempt.card.as_ref().map(|(brand, last4)| format!("{brand} {last4}")),
            failure: attempt.failure.clone(),
            created_at: attempt.created_at,
            expires_at: attempt.session_expires_at,
        }
    }
}

/// What did not fit was never in our books, and has gone back.
fn taken(attempt: &Attempt) -> crate::money::Money {
    match attempt.let_go {
        Some(LetGo { amount, was_taken: true }) => amount,
        _ => attempt.captured,
    }
}

/// Charged money on its way back.
#[derive(Debug, Serialize, ToSchema)]
pub struct Refund {
    id: RefundId,
    attempt: AttemptId,
    state: RefundState,
    amount: Money,
    /// Why the bank has not taken it yet, while it waits: Stripe's `processing`, `insufficient_funds` (ours at Stripe) or
    /// `charge_pending`.
    #[schema(required, example = "charge_pending")]
    pending_reason: Option<String>,
    /// Why it failed, in Stripe's word.
    #[schema(required, example = "lost_or_stolen_card")]
    failure_reason: Option<String>,
    /// How it was paid past Stripe, after it had failed.
    #[schema(required)]
    paid_by_hand: Option<PaidByHand>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// A refund that Stripe could not pay, paid by the agency itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct PaidByHand {
    /// `bank_transfer`, `cash` or `other`.
    #[schema(example = "bank_transfer")]
    way: &'static str,
    /// When the money left.
    paid_on: civil::Date,
    /// What it can be found by.
    #[schema(example = "FT26325-0041")]
    proof: String,
}

impl From<Payout> for PaidByHand {
    fn from(payout: Payout) -> Self {
        Self { way: payout.way.code(), paid_on: payout.paid_on, proof: payout.proof }
    }
}

impl From<RefundLine> for Refund {
    fn from(line: RefundLine) -> Self {
        Self {
            id: line.id,
            attempt: line.attempt,
            state: line.state,
            amount: line.amount.into(),
            pending_reason: line.pending_reason,
            failure_reason: line.failure,
            paid_by_hand: line.payout.map(PaidByHand::from),
            created_at: line.created_at,
            updated_at: line.updated_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Refunds {
    /// Oldest first.
    pub items: Vec<Refund>,
}

impl Booking {
    pub const fn state(&self) -> BookingState {
        self.state
    }

    pub fn new(standing: &Standing, refunds: Vec<RefundLine>, now: Timestamp) -> Result<Self, AppError> {
        let news = news(standing, now);
        let booking = &standing.file.booking;
        let contact = booking.contact.as_ref();
        Ok(Self {
            reference: booking.reference.clone(),
            state: booking.state,
            headline: news.headline,
            sentence: news.sentence,
            next: news.next.into(),
            created_at: booking.created_at,
            confirmed_at: booking.confirmed_at,
            held_until: booking.hold.as_ref().map(|hold| hold.expires_at),
            pay_until: booking.pay_by,
            ended_reason: booking.ended_reason.clone(),
            airline_reference: booking.pnr.clone(),
            quote: standing.into(),
            offer: (&booking.offer).try_into()?,
            contact: contact
                .map(|contact| Contact { email: contact.email.clone(), phone: contact.phone.clone() }),
            passengers: passengers(standing),
            timeline: told(standing).into_iter().map(Happened::from).collect(),
            attempts: standing.attempts.iter().map(PaymentAttempt::from).collect(),
            refunds: refunds.into_iter().map(Refund::from).collect(),
            cancellation: standing.cancellation.as_ref().map(CancelQuote::from),
        })
    }
}

fn passengers(standing: &Standing) -> Vec<Passenger> {
    let people = standing.file.passengers.iter().enumerate();
    let one = people.map(|(at, (passenger, ticket))| Passenger {
        kind: passenger.kind,
        given_names: passenger.given_names.clone(),
        family_name: passenger.family_name.clone(),
        born_on: passenger.born_on,
        sex: passenger.sex,
        ticket_number: ticket.clone(),
        passport: standing.file.document(at).map(|note| Passport {
            ends_in: note.last_two.clone(),
            country: note.country.clone(),
            expires_on: note.expires_on,
        }),
    });
    one.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{checkout::pages::samples::standing, web::components::samples::eur};

    #[test]
    fn what_was_charged_is_what_stood_at_stripe_even_where_it_did_not_fit() {
        let mut attempt = standing(BookingState::Held).with(AttemptState::Captured).attempts.remove(0);
        assert_eq!(taken(&attempt), eur(80_000));
        attempt.captured = eur(15_000);
        assert_eq!(taken(&attempt), eur(15_000), "what was kept of it");
        for (was_taken, charged) in [(true, 79_900), (false, 0)] {
            attempt.captured = eur(0);
            attempt.let_go = Some(LetGo { amount: eur(79_900), was_taken });
            assert_eq!(taken(&attempt), eur(charged));
        }
    }
}
