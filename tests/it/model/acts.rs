//! Everything that can happen next in the model, and what it does.

use jetbridge::{
    bookings::lifecycle::{BookingEvent, BookingState, SupplierEvent},
    checkout::lifecycle::{AttemptEvent, AttemptState, DisputeEvent, RefundEvent},
};

use super::{
    outside::{IntentIs, PRICE, SessionIs, TakenBack, Tickets},
    work::{Job, Luck, Work},
    world::{Quote, Rules, World},
};

const WORKERS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    Start(Job, Luck),
    /// The same webhook, delivered once more.
    StartTwice(Job),
    Step(usize, Luck),
    Crash(usize),
    /// The worker hangs for so long that somebody else takes its job, and then goes on.
    LeaseLapses(usize),
    LoseEvent(u8),
    Pay,
    /// The attempt that Stripe keeps silent about makes room for a new one.
    Replace(u8),
    HoldIsOver,
    SessionEnds(u8),
    PaysByCard(u8),
    PaysAtOnce(u8),
    PaysSlowly(u8),
    SlowPaymentArrives(u8),
    SlowPaymentFails(u8),
    BankLetsGo(u8),
    /// Stripe will not open a session for this request, however often it is put.
    WillNotOpen(u8),
    ReturnPage(u8),
    GiveUp,
    AirlineCatchesUp,
    AcceptCancelQuote {
        kept: u8,
    },
    StaffRefund {
        a: u8,
        amount: u8,
    },
    RefundArrives(u8, usize),
    RefundComesBack(u8, usize),
    BankTakesBack(u8),
    BankIsAnswered(u8),
    BankDecides(u8, DisputeEvent),
}

/// What the workers may do next.
pub fn ours(world: &World, acts: &mut Vec<Act>) {
    let faults = world.budget.faults;
    if world.work.len() < WORKERS {
        for &job in &world.jobs {
            let work = Work::new(job);
            let lucks = work.lucks(world).iter().copied().filter(|luck| work.cost(*luck) <= faults);
            acts.extend(lucks.map(|luck| Act::Start(job, luck)));
            if faults > 0 && matches!(job, Job::Event(_)) {
                acts.push(Act::StartTwice(job));
            }
        }
    }
    for (i, work) in world.work.iter().enumerate() {
        let lucks = work.lucks(world).iter().copied().filter(|luck| work.cost(*luck) <= faults);
        acts.extend(lucks.map(|luck| Act::Step(i, luck)));
        if faults > 0 {
            acts.push(Act::Crash(i));
        }
        if world.budget.leases > 0 && work.has_lease && !work.job.is_page() {
            acts.push(Act::LeaseLapses(i));
        }
    }
}

/// What Stripe, the bank, the airline and the clock may do next.
pub fn theirs(world: &World, acts: &mut Vec<Act>) {
    if !world.hold_is_over && world.is_open() {
        acts.push(Act::HoldIsOver);
    }
    if matches!(world.tickets, Tickets::Coming | Tickets::Going) {
        acts.push(Act::AirlineCatchesUp);
    }
    for (a, payment) in (0_u8..).zip(&world.payments) {
        if payment.session == Some(SessionIs::Open) {
            acts.push(Act::SessionEnds(a));
        }
        if payment.session.is_none() && !payment.is_refused && world.budget.faults > 0 {
            acts.push(Act::WillNotOpen(a));
        }
        match payment.intent {
            Some(IntentIs::Processing) => {
                acts.extend([Act::SlowPaymentArrives(a), Act::SlowPaymentFails(a)]);
            }
            Some(IntentIs::RequiresCapture) if world.budget.bank > 0 => acts.push(Act::BankLetsGo(a)),
            _ => {}
        }
        // While the poller looks by itself; of the rest Stripe goes on telling for three days, and has a list of it.
        if world.attempt(a).state.is_live()
            && world.jobs.contains(&Job::Event(a))
            && world.has_job(Job::Check(a))
            && payment.dispute.is_none()
        {
            acts.push(Act::LoseEvent(a));
        }
        match payment.dispute.map(|dispute| dispute.word) {
            None if world.budget.disputes > 0 && payment.net() > 0 => acts.push(Act::BankTakesBack(a)),
            Some(word @ (DisputeEvent::NeedsResponse | DisputeEvent::UnderReview)) => {
                let ends = [DisputeEvent::Won, DisputeEvent::Lost];
                acts.extend(ends.map(|word| Act::BankDecides(a, word)));
                acts.extend((word == DisputeEvent::NeedsResponse).then_some(Act::BankIsAnswered(a)));
            }
            _ => {}
        }
        for (i, refund) in payment.refunds.iter().enumerate() {
            match refund.status {
                RefundEvent::Pending => acts.push(Act::RefundArrives(a, i)),
                RefundEvent::Succeeded if world.budget.bank > 0 => acts.push(Act::RefundComesBack(a, i)),
                _ => {}
            }
        }
    }
}

/// What the traveller and the staff may do next.
pub fn people(world: &World, acts: &mut Vec<Act>) {
    let budget = &world.budget;
    if budget.attempts > 0 && (world.is_open() || world.to_pay) && !world.any_payable() {
        acts.push(Act::Pay);
    }
    let may_drop = budget.drops > 0 && world.is_open() && world.work.len() < WORKERS;
    if may_drop {
        acts.push(Act::GiveUp);
    }
    for (a, attempt) in (0_u8..).zip(&world.attempts) {
        let payment = world.payment(a);
        if budget.attempts > 0 && attempt.state == AttemptState::CreateUnknown {
            acts.push(Act::Replace(a));
        }
        if payment.session == Some(SessionIs::Open) {
            acts.push(Act::PaysByCard(a));
            acts.extend(budget.at_once.then_some(Act::PaysAtOnce(a)));
            acts.extend(budget.slow.then_some(Act::PaysSlowly(a)));
        }
        if budget.looks > 0 && attempt.state.is_live() && world.work.len() < WORKERS {
            acts.push(Act::ReturnPage(a));
        }
        if budget.staff_refunds > 0 && world.staff_may_refund(a) {
            acts.extend((1..=world.unrefunded(a)).map(|amount| Act::StaffRefund { a, amount }));
        }
    }
    if let Some(a) = world.secured_by
        && budget.cancels > 0
        && world.booking == BookingState::Confirmed
        && !(0..).zip(&world.attempts).any(|(a, _)| world.is_disputed(a))
    {
        let most_kept = match world.attempt(a).state {
            AttemptState::Authorised => Some(1),
            AttemptState::Captured => Some(world.unrefunded(a).min(1)),
            _ => None,
        };
        acts.extend(
            most_kept.into_iter().flat_map(|most| 0..=most).map(|kept| Act::AcceptCancelQuote { kept }),
        );
    }
}

pub fn take(world: &mut World, rules: &Rules, act: Act) {
    match act {
        Act::Start(job, luck) => {
            world.jobs.remove(&job);
            run(world, rules, Work::new(job), luck);
        }
        Act::StartTwice(job) => {
            world.budget.faults -= 1;
            run(world, rules, Work::new(job), Luck::Fine);
        }
        Act::Step(i, luck) => {
            let work = world.work.remove(i);
            run(world, rules, work, luck);
        }
        Act::Crash(i) => {
            world.budget.faults -= 1;
            let work = world.work.remove(i);
            if work.has_lease && !work.job.is_page() {
                world.jobs.insert(work.job);
            }
        }
        Act::LeaseLapses(i) => {
            world.budget.leases -= 1;
            world.work[i].has_lease = false;
            let job = world.work[i].job;
            world.jobs.insert(job);
        }
        Act::LoseEvent(a) => {
            world.jobs.remove(&Job::Event(a));
        }
        Act::Pay => {
            world.budget.attempts -= 1;
            if !world.to_pay {
                world.hear_booking(rules, BookingEvent::HoldPlaced);
            }
            world.pay();
        }
        Act::WillNotOpen(a) => {
            world.budget.faults -= 1;
            world.payment_mut(a).is_refused = true;
        }
        Act::Replace(a) => world.hear_attempt(rules, a, AttemptEvent::Replaced, 0),
        Act::HoldIsOver => world.hold_is_over = true,
        Act::ReturnPage(a) => {
            world.budget.looks -= 1;
            run(world, rules, Work::new(Job::Look(a)), Luck::Fine);
        }
        Act::GiveUp => {
            world.budget.drops -= 1;
            run(world, rules, Work::new(Job::Drop), Luck::Fine);
        }
        Act::AcceptCancelQuote { kept } => {
            world.budget.cancels -= 1;
            world.quote = Some(Quote { kept, was_asked: false, is_unpaid: false, is_settled: false });
            world.hear_booking(rules, BookingEvent::CancelAccepted);
            world.hear_supplier(rules, SupplierEvent::CancelAsked);
            world.jobs.insert(Job::Cancel);
        }
        Act::StaffRefund { a, amount } => {
            world.budget.staff_refunds -= 1;
            world.owe(a, amount);
        }
        act => happen(world, act),
    }
}

fn run(world: &mut World, rules: &Rules, work: Work, luck: Luck) {
    world.budget.faults -= work.cost(luck);
    let before: Vec<_> = world.payments.clone();
    work.run(world, rules, luck);
    // Whatever changes at Stripe is told by a webhook.
    for (a, payment) in (0_u8..).zip(&before) {
        if world.payment(a) != payment {
            world.jobs.insert(Job::Event(a));
        }
    }
}

/// What happens at Stripe or at the airline without us.
fn happen(world: &mut World, act: Act) {
    let mut told = None;
    let mut move_intent = |world: &mut World, a: u8, intent, received| {
        let payment = world.payment_mut(a);
        payment.session = Some(SessionIs::Complete);
        (payment.intent, payment.received) = (Some(intent), received);
        told = Some(a);
    };
    match act {
        Act::PaysByCard(a) => move_intent(world, a, IntentIs::RequiresCapture, 0),
        Act::PaysAtOnce(a) | Act::SlowPaymentArrives(a) => move_intent(world, a, IntentIs::Succeeded, PRICE),
        Act::PaysSlowly(a) => move_intent(world, a, IntentIs::Processing, 0),
        Act::SlowPaymentFails(a) => move_intent(world, a, IntentIs::WantsMethod, 0),
        Act::BankLetsGo(a) => {
            world.budget.bank -= 1;
            move_intent(world, a, IntentIs::Canceled, 0);
        }
        Act::SessionEnds(a) => {
            world.payment_mut(a).session = Some(SessionIs::Expired);
            told = Some(a);
        }
        Act::RefundArrives(a, i) => {
            world.payment_mut(a).refunds[i].status = RefundEvent::Succeeded;
            told = Some(a);
        }
        Act::RefundComesBack(a, i) => {
            world.budget.bank -= 1;
            world.payment_mut(a).refunds[i].status = RefundEvent::Failed;
            told = Some(a);
        }
        Act::BankTakesBack(a) => {
            world.budget.disputes -= 1;
            let amount = world.payment(a).net();
            world.payment_mut(a).dispute = Some(TakenBack { amount, word: DisputeEvent::NeedsResponse });
            told = Some(a);
        }
        Act::BankIsAnswered(a) => told = say_of_dispute(world, a, DisputeEvent::UnderReview),
        Act::BankDecides(a, word) => told = say_of_dispute(world, a, word),
        Act::AirlineCatchesUp if world.tickets == Tickets::Coming => world.tickets = Tickets::Issued,
        Act::AirlineCatchesUp => world.tickets = Tickets::Cancelled,
        act => unreachable!("{act:?} is ours"),
    }
    world.jobs.extend(told.map(Job::Event));
}

fn say_of_dispute(world: &mut World, a: u8, word: DisputeEvent) -> Option<u8> {
    world.payment_mut(a).dispute.as_mut()?.word = word;
    Some(a)
}
