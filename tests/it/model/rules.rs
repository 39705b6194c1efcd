//! What must be true of every state that can be reached, and what must be reached for the check to mean anything.

use jetbridge::{
    bookings::lifecycle::{BookingState, SupplierState},
    checkout::lifecycle::{AttemptState, DisputeState, RefundState},
};
use stateright::Property;

use super::{
    Story,
    outside::{IntentIs, PRICE, Question, Tickets, is_ticketed},
    work::Job,
    world::{Attention, World},
};

pub fn all() -> Vec<Property<Story>> {
    vec![
        Property::always("whoever is charged has a ticket, or a job or a person is at it", |_, w: &World| {
            attempts(w).all(|a| w.payment(a).net() == 0 || is_covered(w, a))
        }),
        Property::always("at most one charge stands, unless a job or a person is at it", |_, w: &World| {
            attempts(w).filter(|&a| w.unrefunded(a) > 0).count() <= 1
                || w.has_job(Job::Return)
                || needs_person(w)
        }),
        Property::always(
            "an ended booking without tickets keeps no money, unless a job or a person is at it",
            |_, w: &World| {
                !w.booking.has_ended()
                    || attempts(w)
                        .filter(|&a| !is_kept(w, a))
                        .all(|a| w.attempt(a).state != AttemptState::Authorised && w.unrefunded(a) == 0)
                    || w.has_job(Job::Return)
                    || needs_person(w)
            },
        ),
        Property::always(
            "confirmed means ordered, and authorised or captured, or to be paid again by a time, or written off",
            |_, w: &World| {
                w.booking != BookingState::Confirmed
                    || (is_ticketed(w.supplier)
                        && w.tickets == Tickets::Issued
                        && (has_money(w) || is_asked_for(w) || w.is_written_off))
                    || needs_person(w)
            },
        ),
        Property::always("a card is charged only behind tickets", |_, w: &World| {
            attempts(w).all(|a| !matches!(w.payment(a).answered, Some(Question::Capture(_))))
                || !matches!(w.tickets, Tickets::None | Tickets::Coming)
        }),
        Property::always("nobody is charged more than was accepted", |_, w: &World| {
            attempts(w).all(|a| w.payment(a).received <= PRICE && w.attempt(a).captured <= PRICE)
        }),
        Property::always("refunds never exceed what was charged", |_, w: &World| {
            attempts(w).all(|a| {
                let promised = w.refunds.iter().filter(|r| r.attempt == a && r.state != RefundState::Failed);
                let promised = promised.map(|r| r.amount).sum::<u8>();
                let payment = w.payment(a);
                promised + lost(w, a) <= w.attempt(a).captured
                    && payment.paid_back() + payment.charged_back() <= payment.received
            })
        }),
        Property::always("a refund is made once", |_, w: &World| {
            attempts(w).all(|a| {
                let made = &w.payment(a).refunds;
                made.iter()
                    .all(|one| made.iter().filter(|other| other.key.refund == one.key.refund).count() == 1)
            })
        }),
        Property::always(
            "a bank that gives back the money of live tickets calls a person",
            |_, w: &World| {
                w.booking != BookingState::Confirmed
                    || w.secured_by.is_none_or(|a| lost(w, a) == 0)
                    || w.attention.contains(&Attention::RefundedTicketLive)
            },
        ),
        Property::always("no machine hears what it calls illegal", |_, w: &World| {
            !w.attention.contains(&Attention::IllegalStep)
                && !w.attention.contains(&Attention::PaymentContradiction)
        }),
        Property::always("at rest money, tickets and books agree, or a person is at it", |_, w: &World| {
            !is_at_rest(w) || is_settled(w) || needs_person(w)
        }),
    ]
}

fn attempts(world: &World) -> impl Iterator<Item = u8> {
    (0_u8..).zip(&world.attempts).map(|(a, _)| a)
}

/// Somebody looks at money that may be askew. What a bank gives back of live tickets is no such thing, and what it lets go of
/// behind them settles itself: it is paid again, or the tickets are cancelled.
fn needs_person(world: &World) -> bool {
    let by_itself = [Attention::RefundedTicketLive, Attention::AuthorisationLost];
    world.attention.iter().any(|what| !by_itself.contains(what))
}

/// The tickets can be paid again until a job ends that; or the job that asks for it is on its way.
fn is_asked_for(world: &World) -> bool {
    let is_lost = world.secured_by.is_some_and(|a| world.attempt(a).state == AttemptState::Released);
    (world.to_pay && world.has_job(Job::CancelUnpaid)) || (is_lost && world.has_job(Job::Capture))
}

fn lost(world: &World, a: u8) -> u8 {
    let dispute = world.attempt(a).dispute.as_ref();
    dispute.filter(|dispute| dispute.state == DisputeState::Lost).map_or(0, |dispute| dispute.amount)
}

/// The payment of a cancelled booking: its quote says what of it stays.
fn is_kept(world: &World, a: u8) -> bool {
    world.booking == BookingState::Cancelled
        && world.supplier == SupplierState::Cancelled
        && world.secured_by == Some(a)
}

fn has_money(world: &World) -> bool {
    let state = world.secured_by.map(|a| world.attempt(a).state);
    matches!(state, Some(AttemptState::Authorised | AttemptState::Captured))
}

fn is_covered(world: &World, a: u8) -> bool {
    let is_behind_ticket = world.secured_by == Some(a)
        && matches!(world.booking, BookingState::Confirmed | BookingState::Cancelling)
        && world.tickets != Tickets::None;
    let is_settled_by_quote = is_kept(world, a)
        && world.quote.as_ref().is_some_and(|quote| quote.is_settled && world.unrefunded(a) <= quote.kept);
    let jobs = [Job::Return, Job::Check(a), Job::Event(a), Job::Open(a), Job::Watch(a)];
    let refunds = (0_u8..).zip(&world.refunds).filter(|(_, refund)| refund.attempt == a);
    let is_ours = world.secured_by == Some(a) && world.has_job(Job::Order);
    is_behind_ticket
        || is_settled_by_quote
        || is_ours
        || jobs.into_iter().any(|job| world.has_job(job))
        || refunds.into_iter().any(|(r, _)| world.has_job(Job::Refund(r)))
        || needs_person(world)
}

/// Nothing is left to do for anybody but people.
pub fn is_at_rest(world: &World) -> bool {
    world.jobs.is_empty()
        && world.work.is_empty()
        && !matches!(world.tickets, Tickets::Coming | Tickets::Going)
}

fn is_settled(world: &World) -> bool {
    attempts(world).all(|a| {
        let payment = world.payment(a);
        let is_secured = world.secured_by == Some(a);
        let fits = match world.booking {
            BookingState::Confirmed if is_secured => world.attempt(a).is_sold,
            BookingState::Cancelled if is_kept(world, a) => {
                world.quote.as_ref().is_some_and(|quote| payment.net() <= quote.kept)
            }
            _ => payment.net() == 0,
        };
        let is_waiting = matches!(payment.intent, Some(IntentIs::RequiresCapture | IntentIs::Processing));
        fits && !is_waiting && payment.net() == world.unrefunded(a)
    }) && match world.booking {
        BookingState::Confirmed => world.tickets == Tickets::Issued,
        BookingState::Cancelled | BookingState::Expired | BookingState::Failed => {
            !world.tickets.can_be_flown()
        }
        _ => false,
    }
}
