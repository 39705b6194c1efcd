//! The traveller's pages from the last look before paying to the ticket.

pub mod after;
mod ahead;
pub mod booking;
pub mod cancel;
mod flown;
pub mod money;
pub mod news;
pub mod passengers;
pub mod review;
pub mod timeline;

use crate::{bookings::Booking, itinerary::PassengerKind};

/// A booking's own address; every form and redirect of these pages starts with it.
fn address(booking: &Booking) -> String {
    format!("/bookings/{}", booking.reference)
}

const fn kind_in_words(kind: PassengerKind) -> &'static str {
    match kind {
        PassengerKind::Adult => "Adult",
        PassengerKind::Child => "Child",
        PassengerKind::Infant => "Infant",
    }
}

#[cfg(test)]
pub mod samples {
    //! A booking in any state, with any attempts and events.

    use jiff::{SignedDuration, Timestamp};
    use jiff_sqlx::ToSqlx;
    use serde_json::Value;

    use crate::{
        bookings::{
            Booking, BookingFile, Event,
            lifecycle::{BookingState, SupplierState},
        },
        checkout::{
            Attempt, Returned, Returning, Standing,
            cancel::{
                CancelQuote,
                terms::{Figures, Terms},
            },
            lifecycle::{AttemptState, DisputeState, RefundState},
        },
        ids::{AttemptId, BookingId, CancelQuoteId, UserId},
        itinerary::{Contact, Party, Passenger, PassengerKind, Sex},
        money::Money,
        supplier::{Hold, HoldId},
        web::components::samples::{eur, plain},
    };

    pub fn noon() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    pub fn standing(state: BookingState) -> Standing {
        let mut offer = plain();
        offer.party = Party::new(1, 0, 0).unwrap();
        let maria = Passenger {
            kind: PassengerKind::Adult,
            given_names: "Maria Inês".to_owned(),
            family_name: "Duarte".to_owned(),
            born_on: jiff::civil::date(1986, 12, 4),
            sex: Sex::F,
        };
        let hold = Hold { id: HoldId("h1".to_owned()), expires_at: noon() + SignedDuration::from_mins(45) };
        let booking = Booking {
            id: BookingId::new(),
            reference: "K7WQ4M".parse().unwrap(),
            user: Some(UserId::new()),
            state,
            supplier_state: SupplierState::None,
            quote_hash: offer.accepted_hash().unwrap(),
            amount: offer.total,
            sold: offer.slices.clone(),
            offer,
            raised_from: None,
            contact: Some(Contact {
                email: "maria@example.com".to_owned(),
                phone: "+351 900 000 000".to_owned(),
            }),
            hold: (state != BookingState::Draft).then_some(hold),
            supplier: "timetable".to_owned(),
            pnr: None,
            airline_change: None,
            supplier_total: None,
            terms_accepted_at: None,
            secured_by: None,
            confirmed_at: None,
            pay_by: None,
            ended_reason: None,
            created_at: noon(),
        };
        let file = BookingFile {
            booking,
            passengers: vec![(maria, None)],
            documents: Vec::new(),
            events: Vec::new(),
        };
        Standing { file, attempts: Vec::new(), cancellation: None, disputed: false, returned: Vec::new() }
    }

    impl Standing {
        /// With one more attempt of EUR 800.00.
        pub fn with(mut self, state: AttemptState) -> Self {
            let captured =
                if state == AttemptState::Captured { eur(80_000) } else { Money::zero(eur(0).currency) };
            self.attempts.push(Attempt {
                id: AttemptId::new(),
                booking: self.file.booking.id,
                state,
                amount: eur(80_000),
                captured,
                quote_hash: self.file.booking.quote_hash.clone(),
                livemode: false,
                try_epoch: 1,
                session: None,
                payment_intent: None,
                url: None,
                session_expires_at: noon() + SignedDuration::from_mins(35),
                card: Some(("visa".to_owned(), "4242".to_owned())),
                failure: None,
                quarantined: None,
                given_back_at: None,
                let_go: None,
                created_at: noon(),
            });
            self
        }

        /// The booking lives on the attempt that was added last.
        pub fn living_on_it(mut self) -> Self {
            self.file.booking.secured_by = self.attempts.last().map(|attempt| attempt.id);
            self
        }

        /// Cancelled by a quote of EUR 800.00, of which so much was kept.
        pub fn cancelled_for(mut self, charged: bool, kept: i64) -> Self {
            let attempt = self.attempts.last().unwrap().id;
            let figures = Figures {
                terms: Terms::Fee,
                charged,
                paid: eur(80_000),
                returned: eur(0),
                kept: eur(kept),
                back: eur(80_000 - kept),
                expires_at: noon() + SignedDuration::from_mins(30),
            };
            self.file.booking.confirmed_at = Some(noon());
            self.cancellation = Some(CancelQuote {
                id: CancelQuoteId::new(),
                attempt,
                figures,
                hash: figures.hash(),
                accepted_at: Some(noon()),
                asked_before: true,
                is_refused: false,
                credit: Some(eur(80_000 - kept)),
            });
            self
        }

        fn its(&mut self) -> &mut Returned {
            let attempt = self.attempts.last().unwrap().id;
            if self.returned.iter().all(|returned| returned.attempt != attempt) {
                let (refunds, disputes) = (Vec::new(), Vec::new());
                self.returned.push(Returned { attempt, refunds, disputes, unpromised: eur(0) });
            }
            self.returned.iter_mut().find(|returned| returned.attempt == attempt).unwrap()
        }

        /// With a refund of the attempt that was added last. One that failed is owed.
        pub fn refund(mut self, state: RefundState, minor: i64) -> Self {
            let its = self.its();
            its.refunds.push(Returning { state, amount: eur(minor), pending_reason: None });
            its.unpromised.minor += if state == RefundState::Failed { minor } else { 0 };
            self
        }

        pub fn dispute(mut self, state: DisputeState, minor: i64) -> Self {
            self.its().disputes.push((state, eur(minor)));
            self
        }

        pub fn told(mut self, kind: &str, data: Value) -> Self {
            let event =
                Event { at: noon().to_sqlx(), kind: kind.to_owned(), actor: "system".to_owned(), data };
            self.file.events.push(event);
            self
        }
    }
}
