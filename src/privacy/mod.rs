//! What a person may ask of us about their data: to have it all in one file, and to leave.
//!
//! **Leaving** ends in one transaction that keeps what happened and forgets who it was.
//!
//! Kept, because the law wants the books for ten years and because a dispute may reach us for months: bookings with
//! their itinerary and price, the ledger, attempts (brand and last four digits of the card), refunds, events, ticket
//! numbers and the airline's reference; that a mail of some kind went out, and when; what members of the agency did. Of
//! the people in them remains the kind of passenger and the year of birth, which the fare is judged by. The ids tie
//! these rows together and lead to nobody.
//!
//! Forgotten: the address, name, phone, birth and nationality of the account, saved travellers, the names, days of birth
//! and documents of passengers, contacts of bookings, recipients of mails, links that were mailed, sessions, devices and
//! API tokens. A mail that is still to be sent keeps its recipient until it is sent (trigger `mails_forget_recipient`).
//! Stripe's events are kept without people from the beginning (`payments::event`); Stripe and the airline have records
//! of their own, and obligations of their own. Old copies of the database go when their time is over.
//!
//! Whoever signs up again with the same address is somebody new.

pub mod api;
mod export;
pub mod pages;
mod store;
mod words;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use secrecy::SecretString;

pub use export::Export;

use crate::{
    accounts::Accounts,
    bookings::{self, Actor, lifecycle::BookingEvent},
    db::{System, Traveller, Tx},
    error::AppError,
    ids::{BookingReference, UserId},
    itinerary::Offer,
    outbox::{self, About, MailKind},
};

/// Why an account cannot be deleted now: one booking, and what is open about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hindrance {
    pub reference: BookingReference,
    pub why: Open,
}

/// What is not over yet about a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    Held,
    Ticketing,
    Cancelling,
    /// A payment may still come, or is set aside on a card.
    Payment,
    Refund,
    /// Money of it lies with us.
    Money,
    /// A person has to look at it.
    Attention,
    /// The journey ends on this day.
    Travel(Date),
}

/// How an attempt to leave ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaving {
    Left,
    Hindered(Vec<Hindrance>),
    /// An owner takes the role away first, so that no agency is left without its people by one click.
    Staff,
}

/// What decides about a booking, as it stands.
#[derive(Debug)]
struct Standing {
    id: crate::ids::BookingId,
    reference: BookingReference,
    state: bookings::lifecycle::BookingState,
    supplier_state: bookings::lifecycle::SupplierState,
    offer: Offer,
    paying: bool,
    refunding: bool,
    has_money: bool,
    needs_person: bool,
}

/// Somebody who has just shown their password.
#[derive(Debug)]
pub struct Proven {
    user: UserId,
    password_hash: String,
}

#[derive(Clone)]
pub struct Privacy {
    pub accounts: Accounts,
}

impl Privacy {
    /// The password, before anything else is told or done. A wrong one is a message beside the field; guesses are counted.
    pub async fn prove(&self, user: UserId, password: SecretString) -> Result<Proven, AppError> {
        Ok(Proven { user, password_hash: self.accounts.prove_password(user, password).await? })
    }

    /// Everything that we keep about a person, read as that person.
    pub async fn export(&self, who: &Proven) -> Result<Export, AppError> {
        let mut tx = self.accounts.db.begin(Traveller::Account(who.user)).await?;
        Export::gather(&mut tx, self.accounts.clock.now()).await
    }

    /// What stands in the way of leaving. Nothing: the password is all that is needed.
    pub async fn hindrances(&self, user: UserId) -> Result<Vec<Hindrance>, AppError> {
        let mut tx = self.accounts.db.begin(System).await?;
        let standings = store::standings(&mut tx, user).await?;
        Ok(hindrances(&standings, self.accounts.clock.now()))
    }

    pub async fn leave(&self, who: &Proven) -> Result<Leaving, AppError> {
        let user = who.user;
        let now = self.accounts.clock.now();
        let mut tx = self.accounts.db.begin(System).await?;
        store::lock(&mut tx, user).await?;
        // Twice at once: the second finds nobody. The same for a password that was changed between two statements.
        let person =
            store::person(&mut tx, user, &who.password_hash).await?.ok_or(AppError::Unauthenticated)?;
        if person.is_staff {
            return Ok(Leaving::Staff);
        }
        let standings = store::standings(&mut tx, user).await?;
        let hindrances = hindrances(&standings, now);
        if !hindrances.is_empty() {
            return Ok(Leaving::Hindered(hindrances));
        }
        for standing in &standings {
            close_draft(&mut tx, standing, user, now).await?;
        }
        store::forget(&mut tx, user, self.accounts.passwords.unusable(), now).await?;
        let about = About::User(user);
        let cause = user.to_string();
        outbox::owe_mail(&mut tx, MailKind::AccountDeleted, about, &person.email, &cause, now).await?;
        tx.commit().await?;
        tracing::info!(%user, "account deleted");
        Ok(Leaving::Left)
    }
}

/// A choice that nobody paid for ends with its account.
async fn close_draft(
    tx: &mut Tx<System>,
    standing: &Standing,
    user: UserId,
    now: Timestamp,
) -> Result<(), AppError> {
    if standing.state != bookings::lifecycle::BookingState::Draft {
        return Ok(());
    }
    let mut booking = bookings::store::lock(tx, standing.id).await?;
    let actor = Actor::Traveller(Some(user));
    bookings::apply(tx, &mut booking, BookingEvent::Dropped, actor, Some("account_deleted"), now).await
}

fn hindrances(standings: &[Standing], now: Timestamp) -> Vec<Hindrance> {
    let open = |standing: &Standing| {
        let why = standing.open(now)?;
        Some(Hindrance { reference: standing.reference.clone(), why })
    };
    standings.iter().filter_map(open).collect()
}

impl Standing {
    fn open(&self, now: Timestamp) -> Option<Open> {
        use bookings::lifecycle::{BookingState as State, SupplierState as Supplier};
        match self.state {
            State::Held => return Some(Open::Held),
            State::Ticketing => return Some(Open::Ticketing),
            State::Cancelling => return Some(Open::Cancelling),
            State::Draft | State::Confirmed | State::Cancelled | State::Expired | State::Failed => {}
        }
        if matches!(self.supplier_state, Supplier::Ordering | Supplier::OrderUnknown | Supplier::Cancelling) {
            Some(Open::Ticketing)
        } else if self.paying {
            Some(Open::Payment)
        } else if self.refunding {
            Some(Open::Refund)
        } else if self.has_money {
            Some(Open::Money)
        } else if self.needs_person {
            Some(Open::Attention)
        } else if self.state == State::Confirmed {
            travels_until(&self.offer, now).map(Open::Travel)
        } else {
            None
        }
    }
}

/// The last day of travel, while it is that day or an earlier one at the place of arrival.
fn travels_until(offer: &Offer, now: Timestamp) -> Option<Date> {
    let arrives = offer.slices.last()?.last().arrives;
    let wall = |at: Timestamp| at.to_zoned(TimeZone::UTC).datetime();
    // The clock there, by its distance from ours on that day.
    let ahead = arrives.local.duration_since(wall(arrives.at));
    let there = wall(now).checked_add(ahead).ok()?.date();
    (there <= arrives.local.date()).then(|| arrives.local.date())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::components::samples::{direct, offer};

    #[test]
    fn a_journey_is_over_when_its_last_day_is_over_at_the_place_of_arrival() {
        let mut journey = offer("x", 10_000, vec![direct()]);
        let arrives = "2026-12-14T23:30:00Z".parse().unwrap();
        let slice = journey.slices.pop().unwrap();
        let mut segments: Vec<_> = slice.into();
        let last = segments.last_mut().unwrap();
        // Auckland, 13 hours ahead: already the 15th there.
        last.arrives.at = arrives;
        last.arrives.local = jiff::civil::date(2026, 12, 15).at(12, 30, 0, 0);
        let last = segments.pop().unwrap();
        journey.slices.push(vec![last].try_into().unwrap());
        let until = |now: &str| travels_until(&journey, now.parse().unwrap());
        let day = Some(jiff::civil::date(2026, 12, 15));
        assert_eq!(until("2026-11-23T09:00:00Z"), day);
        assert_eq!(until("2026-12-15T10:59:59Z"), day);
        assert_eq!(until("2026-12-15T11:00:00Z"), None);
    }
}
