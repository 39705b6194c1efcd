//! A refund as `submit_refund` asks for it: after silence again under the same key, after Stripe's own failure under a new
//! one, and never before a look at what has been made.

use jetbridge::checkout::lifecycle::{RefundEvent, RefundState};

use super::{
    super::{
        outside::{Answer, RefundKey},
        world::{Rules, World},
    },
    At, Go, Luck,
};

pub(super) fn begin(world: &mut World, rules: &Rules, r: u8) -> Go {
    let refund = &world.refunds[usize::from(r)];
    let epoch = refund.epoch;
    match refund.state {
        RefundState::Requested if world.is_disputed(refund.attempt) => Go::Again,
        RefundState::Requested => Go::On(At::AskRefund { r, epoch }),
        RefundState::Succeeded | RefundState::Failed => Go::Done,
        state => match listed(world, rules, r) {
            Some(event) => Go::On(At::WriteRefund { r, event }),
            None if state != RefundState::SubmitUnknown => Go::Again,
            None if rules.silence_keeps_the_key => Go::On(At::AskRefund { r, epoch }),
            None => Go::On(At::AskRefund { r, epoch: bump(world, r, epoch) }),
        },
    }
}

fn listed(world: &World, rules: &Rules, r: u8) -> Option<RefundEvent> {
    let mut made = world.payment(world.refunds[usize::from(r)].attempt).refunds.iter();
    made.find(|made| made.key.refund == r).filter(|_| rules.refunds_are_listed).map(|made| made.status)
}

fn bump(world: &mut World, r: u8, epoch: u8) -> u8 {
    let refund = &mut world.refunds[usize::from(r)];
    if refund.epoch == epoch {
        refund.epoch += 1;
    }
    epoch + 1
}

pub(super) fn ask_for(world: &mut World, r: u8, epoch: u8, luck: Luck) -> Go {
    let (a, amount) = (world.refunds[usize::from(r)].attempt, world.refunds[usize::from(r)].amount);
    let status = if luck == Luck::Slow { RefundEvent::Pending } else { RefundEvent::Succeeded };
    let key = RefundKey { refund: r, epoch };
    let mut ask = || world.payment_mut(a).refund(key, amount, status, luck == Luck::Broken);
    let event = match luck {
        Luck::LostBefore => RefundEvent::NoAnswer,
        Luck::LostAfter => {
            ask();
            RefundEvent::NoAnswer
        }
        Luck::Refused => RefundEvent::Failed,
        _ => match ask() {
            Answer::Yes(status) => status,
            Answer::No => RefundEvent::Failed,
            Answer::Broken => return Go::On(At::RefundBroke { r, epoch }),
            // Nothing more of it goes back through Stripe.
            Answer::ChargedBack if world.is_lost(a) => RefundEvent::Failed,
            // Asked again later under a new key, which is as if this one had not been used.
            Answer::ChargedBack => return Go::Again,
        },
    };
    Go::On(At::WriteRefund { r, event })
}

pub(super) fn broke(world: &mut World, rules: &Rules, r: u8, epoch: u8) -> Go {
    let event = listed(world, rules, r).unwrap_or_else(|| {
        bump(world, r, epoch);
        RefundEvent::NoAnswer
    });
    Go::On(At::WriteRefund { r, event })
}
