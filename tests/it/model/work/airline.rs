//! What the jobs do with tickets: ask the airline, and look up what became of a question before it is put again.

use jetbridge::{
    bookings::lifecycle::{BookingState, SupplierEvent, SupplierState},
    checkout::lifecycle::AttemptState,
};

use super::{
    super::{
        outside::Tickets,
        world::{Attention, Rules, World},
    },
    At, Go, Luck, Word,
};

pub(super) fn step(world: &mut World, rules: &Rules, at: At, luck: Luck) -> Go {
    match at {
        At::FindOrder { is_secured } => Go::On(match (luck, world.tickets) {
            (Luck::Fine, Tickets::Issued) => At::WriteOrder(Word::Yes),
            // "None is a fact", so an airline that is still at it must not say it.
            (Luck::Fine, Tickets::Coming) | (Luck::LostBefore, _) => At::WriteOrder(Word::Unknown),
            _ if is_secured => At::NoteAsked,
            _ => At::WriteOrder(Word::No),
        }),
        At::NoteAsked => {
            world.hear_supplier(rules, SupplierEvent::Asked);
            // Somebody else may have settled it meanwhile, while this worker was hanging.
            if world.supplier == SupplierState::Ordering { Go::On(At::AskOrder) } else { Go::Done }
        }
        At::AskOrder => Go::On(At::WriteOrder(ask_order(world, luck))),
        At::WriteOrder(word) => {
            let event = match word {
                Word::Yes => SupplierEvent::Ordered,
                Word::No => SupplierEvent::Refused,
                Word::Unknown if rules.orders_are_looked_up => SupplierEvent::NoAnswer,
                Word::Unknown => SupplierEvent::Refused,
            };
            world.hear_supplier(rules, event);
            if event == SupplierEvent::NoAnswer { Go::Again } else { Go::Done }
        }
        At::FindCancellation => Go::On(match world.tickets {
            Tickets::Cancelled => At::WriteCancel(Word::Yes),
            Tickets::Going => At::WriteCancel(Word::Unknown),
            _ => At::AskCancel,
        }),
        At::AskCancel => Go::On(At::WriteCancel(ask_cancel(world, luck))),
        At::WriteCancel(word) => write_cancel(world, rules, word),
        _ => unreachable!("a step of money"),
    }
}

pub(super) fn begin_order(world: &mut World, rules: &Rules) -> Go {
    if world.booking != BookingState::Ticketing {
        return Go::Done;
    }
    let state = world.secured_by.map(|a| world.attempt(a).state);
    let is_secured = matches!(state, Some(AttemptState::Authorised | AttemptState::Captured));
    if world.supplier != SupplierState::None {
        return Go::On(At::FindOrder { is_secured });
    }
    if !is_secured {
        return Go::On(At::WriteOrder(Word::No));
    }
    // Written before the airline is called: whoever finds this after a crash looks the order up first.
    world.hear_supplier(rules, SupplierEvent::Asked);
    Go::On(At::AskOrder)
}

fn ask_order(world: &mut World, luck: Luck) -> Word {
    if world.tickets != Tickets::None {
        // Again with the same booking: the same order, also after it was cancelled.
        if world.tickets == Tickets::Coming {
            world.tickets = Tickets::Issued;
        }
        return if matches!(luck, Luck::Fine | Luck::Refused) { Word::Yes } else { Word::Unknown };
    }
    match luck {
        Luck::Fine | Luck::LostAfter => world.tickets = Tickets::Issued,
        Luck::Late => world.tickets = Tickets::Coming,
        _ => {}
    }
    match luck {
        Luck::Fine | Luck::Slow => Word::Yes,
        Luck::Refused => Word::No,
        _ => Word::Unknown,
    }
}

pub(super) fn begin_cancel(world: &mut World) -> Go {
    if world.booking != BookingState::Cancelling {
        return Go::Done;
    }
    let quote = world.quote.as_mut().unwrap();
    match std::mem::replace(&mut quote.was_asked, true) {
        true => Go::On(At::FindCancellation),
        false => Go::On(At::AskCancel),
    }
}

/// Again with the same booking: the same answer.
fn ask_cancel(world: &mut World, luck: Luck) -> Word {
    let is_settled = world.will_not_cancel || matches!(world.tickets, Tickets::Going | Tickets::Cancelled);
    match luck {
        _ if world.will_not_cancel => {}
        _ if is_settled => world.tickets = Tickets::Cancelled,
        Luck::Fine | Luck::Slow | Luck::LostAfter => world.tickets = Tickets::Cancelled,
        Luck::Late => world.tickets = Tickets::Going,
        Luck::Refused => world.will_not_cancel = true,
        Luck::LostBefore | Luck::Broken => {}
    }
    match luck {
        Luck::LostBefore | Luck::LostAfter | Luck::Late => Word::Unknown,
        _ if world.will_not_cancel => Word::No,
        _ => Word::Yes,
    }
}

fn write_cancel(world: &mut World, rules: &Rules, word: Word) -> Go {
    if word == Word::Unknown {
        return Go::Again;
    }
    if world.booking == BookingState::Cancelling {
        let is_yes = word == Word::Yes;
        let event = if is_yes { SupplierEvent::Cancelled } else { SupplierEvent::CancelRefused };
        let is_unpaid = world.quote.as_ref().is_some_and(|quote| quote.is_unpaid);
        if is_yes && is_unpaid {
            world.settle_lost_money();
        }
        if !is_yes {
            world.attention.extend(is_unpaid.then_some(Attention::CancelRefused));
            world.is_written_off |= is_unpaid;
            world.quote = None;
        }
        world.hear_supplier(rules, event);
    }
    Go::Done
}
