//! What the jobs do with a payment: ask Stripe, and write down what it said.

use jetbridge::{
    bookings::lifecycle::{BookingEvent, BookingState, SupplierEvent},
    checkout::lifecycle::{AttemptEvent, AttemptState},
};

use super::{
    super::{
        outside::Told,
        world::{Attention, Quote, Rules, World},
    },
    At, Go, Job, Luck, Seen, Then,
};

pub(super) fn write(a: u8, told: Told, then: Then) -> Go {
    Go::On(At::Write { a, told, then })
}

/// Asks Stripe how an attempt stands, if its session is known.
pub(super) fn look(world: &mut World, a: u8, then: Then) -> Go {
    let is_known = !matches!(world.attempt(a).state, AttemptState::Creating | AttemptState::CreateUnknown);
    match is_known && world.payment(a).session.is_some() {
        true => write(a, world.payment(a).told(), then),
        false => read(world, then),
    }
}

/// A call that answers yes (`Some(Some)`), no (`Some(None)`) or not at all.
pub(super) fn ask<T>(luck: Luck, call: impl FnOnce() -> Option<T>) -> Option<Option<T>> {
    match luck {
        Luck::Refused | Luck::Broken => Some(None),
        Luck::LostBefore => None,
        Luck::LostAfter | Luck::Late => {
            call();
            None
        }
        Luck::Fine | Luck::Slow => Some(call()),
    }
}

pub(super) fn answered(a: u8, epoch: u8, told: Option<Option<Told>>, yes: Then, no: Then) -> Go {
    match told {
        Some(Some(told)) => write(a, told, yes),
        Some(None) => Go::On(At::Refetch { a, then: no }),
        None => Go::On(At::Lost { a, epoch }),
    }
}

pub(super) fn bump(world: &mut World, a: u8, epoch: u8) {
    let attempt = world.attempt_mut(a);
    if attempt.epoch == epoch {
        attempt.epoch += 1;
    }
}

/// Stripe will not do what it could: a person looks, and the next question gets a new key.
pub(super) fn with_a_person(world: &mut World, a: u8) {
    world.attention.insert(Attention::CaptureFailed);
    let epoch = world.attempt(a).epoch;
    bump(world, a, epoch);
}

pub(super) fn create(world: &mut World, a: u8, luck: Luck, then: Then) -> Go {
    Go::On(match ask(luck, || world.payment_mut(a).create()) {
        Some(Some(told)) => At::Write { a, told, then },
        Some(None) => At::Note { a, event: AttemptEvent::CreationRefused, then },
        None => {
            let then = if then == Then::Done { Then::Again } else { then };
            At::Note { a, event: AttemptEvent::NoAnswer, then }
        }
    })
}

pub(super) fn expire(world: &mut World, a: u8, luck: Luck) -> Go {
    let (state, epoch) = (world.attempt(a).state, world.attempt(a).epoch);
    let is_known = !matches!(state, AttemptState::Creating | AttemptState::CreateUnknown);
    if !state.is_payable() || !is_known {
        return Go::On(At::Close(a + 1));
    }
    let told = ask(luck, || world.payment_mut(a).expire());
    answered(a, epoch, told, Then::Close(a + 1), Then::Close(a + 1))
}

pub(super) fn end_booking(world: &mut World, rules: &Rules, job: Job) -> Go {
    let is_renewed = job == Job::Lapse && !world.hold_is_over;
    if is_renewed || world.any_payable() {
        return Go::Again;
    }
    if job == Job::CancelUnpaid {
        if std::mem::take(&mut world.to_pay) {
            world.quote = Some(Quote { kept: 0, was_asked: false, is_unpaid: true, is_settled: true });
            world.hear_booking(rules, BookingEvent::Unpaid);
            world.hear_supplier(rules, SupplierEvent::CancelAsked);
            world.jobs.insert(Job::Cancel);
        }
    } else if job == Job::Lapse {
        world.hear_booking(rules, BookingEvent::HoldLapsed);
    } else if world.is_open() {
        world.hear_booking(rules, BookingEvent::Dropped);
    }
    Go::Done
}

pub(super) fn after(then: Then) -> Go {
    match then {
        Then::Done => Go::Done,
        Then::Again => Go::Again,
        Then::Expire(a) => Go::On(At::Expire(a)),
        Then::Close(a) => Go::On(At::Close(a)),
        Then::Next(a, seen) => Go::On(At::Return { a, seen }),
        then => Go::On(At::Read(then)),
    }
}

/// A look at our own rows, after which the worker knows how to go on.
pub(super) fn read(world: &mut World, then: Then) -> Go {
    let is_authorised = |world: &World, a: u8| world.attempt(a).state == AttemptState::Authorised;
    match then {
        Then::IfLive(a) => match world.attempt(a).state.is_live() {
            true => Go::Again,
            false => Go::Done,
        },
        Then::Capture(a) if is_authorised(world, a) => {
            Go::On(At::Capture { a, epoch: world.attempt(a).epoch })
        }
        Then::CaptureWasRefused(a) if is_authorised(world, a) => {
            with_a_person(world, a);
            Go::Again
        }
        Then::Capture(_) | Then::CaptureWasRefused(_) => Go::Done,
        Then::Release(a, seen) if is_authorised(world, a) => {
            Go::On(At::Release { a, epoch: world.attempt(a).epoch, seen })
        }
        Then::ReleaseWasRefused(a, seen) if world.attempt(a).state == AttemptState::Captured => {
            Go::On(At::Owe { a, seen })
        }
        Then::Keep(a, seen) if is_authorised(world, a) => {
            let kept = world.quote.as_ref().unwrap().kept;
            Go::On(At::Keep { a, epoch: world.attempt(a).epoch, kept, seen })
        }
        Then::ReleaseWasRefused(a, mut seen) if is_authorised(world, a) => {
            with_a_person(world, a);
            seen.again = true;
            Go::On(At::Return { a: a + 1, seen })
        }
        Then::Release(a, seen) | Then::ReleaseWasRefused(a, seen) => Go::On(At::Return { a: a + 1, seen }),
        Then::Kept { a, refused, mut seen } if is_authorised(world, a) => {
            if refused {
                with_a_person(world, a);
            }
            seen.again = true;
            Go::On(At::Return { a: a + 1, seen })
        }
        Then::Keep(a, seen) | Then::Kept { a, seen, .. } => Go::On(At::CloseBooks { a, seen }),
        then => after(then),
    }
}

/// Stripe is asked first where an answer has been lost before.
pub(super) fn still_authorised(world: &mut World, a: u8, then: Then) -> Go {
    if world.attempt(a).epoch > 1 { Go::On(At::Refetch { a, then }) } else { read(world, then) }
}

pub(super) fn return_money(world: &mut World, a: u8, seen: Seen) -> Go {
    let Some(&(state, epoch)) = seen.attempts.get(usize::from(a)) else {
        return if seen.again { Go::Again } else { Go::Done };
    };
    let is_lost = epoch > 1;
    if seen.booking == BookingState::Cancelled && seen.secured_by == Some(a) {
        if world.is_disputed(a) {
            // The bank decides first.
            return Go::On(At::Return { a: a + 1, seen: Seen { again: true, ..seen } });
        }
        let kept = world.quote.as_ref().unwrap().kept;
        return Go::On(match state {
            AttemptState::Authorised if is_lost => At::Refetch { a, then: Then::Keep(a, seen) },
            AttemptState::Authorised => At::Keep { a, epoch, kept, seen },
            _ => At::CloseBooks { a, seen },
        });
    }
    Go::On(match state {
        AttemptState::Authorised if !seen.needs(a) && is_lost => {
            At::Refetch { a, then: Then::Release(a, seen) }
        }
        AttemptState::Authorised if !seen.needs(a) => At::Release { a, epoch, seen },
        AttemptState::Captured if !seen.needs(a) => At::Owe { a, seen },
        _ => At::Return { a: a + 1, seen },
    })
}

pub(super) fn close_books(world: &mut World, a: u8) {
    let left = world.unrefunded(a);
    let quote = world.quote.as_mut().unwrap();
    if !std::mem::replace(&mut quote.is_settled, true) {
        let back = left.saturating_sub(quote.kept);
        if back > 0 {
            world.owe(a, back);
        }
    }
}
