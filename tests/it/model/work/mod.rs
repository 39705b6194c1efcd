//! The programs of production's jobs, cut where others can come between: each step is one transaction, or one call to
//! Stripe or the airline. What a worker read in one step may be old in the next.

mod airline;
mod payments;
mod refunds;

use jetbridge::{
    bookings::lifecycle::BookingState,
    checkout::lifecycle::{AttemptEvent, AttemptState, DisputeEvent, RefundEvent, RefundState},
};

use super::{
    outside::{PRICE, Question, TakenBack, Told},
    world::{Rules, World},
};
use payments::{
    after, answered, ask, bump, close_books, create, end_booking, expire, look, read, return_money,
    still_authorised, write,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Job {
    Open(u8),
    /// The poller.
    Check(u8),
    /// A webhook, on the wire or in the inbox.
    Event(u8),
    /// The return page: no row, so nobody repeats it.
    Look(u8),
    Order,
    Capture,
    Return,
    Refund(u8),
    /// Looks how an open dispute stands.
    Watch(u8),
    Lapse,
    /// The time to pay again for tickets is over.
    CancelUnpaid,
    /// The page "give it up": no row either.
    Drop,
    Cancel,
}

impl Job {
    pub fn is_page(self) -> bool {
        matches!(self, Self::Look(_) | Self::Drop)
    }
}

/// How a call to somebody else's server goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Luck {
    Fine,
    /// Yes, but not at once: a refund that is pending.
    Slow,
    /// No answer, and nothing was done.
    LostBefore,
    /// No answer, but it was done.
    LostAfter,
    /// No answer, and it is done later.
    Late,
    Refused,
    /// Stripe's own failure, which it keeps under the key and says again.
    Broken,
}

/// What `return_money` has read before it begins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    booking: BookingState,
    secured_by: Option<u8>,
    attempts: Vec<(AttemptState, u8)>,
    /// Something has to be looked at again.
    again: bool,
}

impl Seen {
    fn needs(&self, a: u8) -> bool {
        self.secured_by == Some(a) && !self.booking.has_ended()
    }
}

/// Where a worker goes on after it has written down what Stripe said.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Then {
    Done,
    Again,
    /// The poller asks again for as long as the attempt lives.
    IfLive(u8),
    Expire(u8),
    Close(u8),
    Capture(u8),
    CaptureWasRefused(u8),
    Release(u8, Seen),
    ReleaseWasRefused(u8, Seen),
    Next(u8, Seen),
    Keep(u8, Seen),
    Kept {
        a: u8,
        refused: bool,
        seen: Seen,
    },
}

/// What is known of an order or a cancellation after asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    Yes,
    No,
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum At {
    Begin,
    /// Stripe's word, on its way into our rows.
    Write {
        a: u8,
        told: Told,
        then: Then,
    },
    /// The same with refunds and a dispute, where an event or an open dispute asked for them.
    WriteAll {
        a: u8,
        told: Option<Told>,
        refunds: Vec<(u8, RefundEvent)>,
        dispute: Option<TakenBack>,
    },
    Note {
        a: u8,
        event: AttemptEvent,
        then: Then,
    },
    /// No answer: the next question gets a new key.
    Lost {
        a: u8,
        epoch: u8,
    },
    Refetch {
        a: u8,
        then: Then,
    },
    Read(Then),
    Expire(u8),
    Close(u8),
    EndBooking,
    Capture {
        a: u8,
        epoch: u8,
    },
    Release {
        a: u8,
        epoch: u8,
        seen: Seen,
    },
    Keep {
        a: u8,
        epoch: u8,
        kept: u8,
        seen: Seen,
    },
    Return {
        a: u8,
        seen: Seen,
    },
    Owe {
        a: u8,
        seen: Seen,
    },
    CloseBooks {
        a: u8,
        seen: Seen,
    },
    /// Stripe has failed twice under this key. What it did all the same is in its list.
    RefundBroke {
        r: u8,
        epoch: u8,
    },
    AskRefund {
        r: u8,
        epoch: u8,
    },
    WriteRefund {
        r: u8,
        event: RefundEvent,
    },
    FindOrder {
        is_secured: bool,
    },
    NoteAsked,
    AskOrder,
    WriteOrder(Word),
    FindCancellation,
    AskCancel,
    WriteCancel(Word),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Work {
    pub job: Job,
    /// Without it somebody else may do the same job, and how this run ends no longer counts.
    pub has_lease: bool,
    pub at: At,
}

/// How a step ends.
enum Go {
    On(At),
    Done,
    Again,
}

impl Work {
    pub fn new(job: Job) -> Self {
        Self { job, has_lease: true, at: At::Begin }
    }

    /// Everything that may happen at this step.
    pub fn lucks(&self, world: &World) -> &'static [Luck] {
        use Luck::{Broken, Fine, Late, LostAfter, LostBefore, Refused, Slow};
        let is_new =
            |a: u8| matches!(world.attempt(a).state, AttemptState::Creating | AttemptState::CreateUnknown);
        match &self.at {
            At::Begin => match self.job {
                Job::Open(a) if is_new(a) => &[Fine, LostBefore, LostAfter],
                _ => &[Fine],
            },
            At::Close(a) if usize::from(*a) < world.attempts.len() && is_new(*a) => {
                &[Fine, LostBefore, LostAfter]
            }
            At::Expire(a) if world.attempt(*a).state.is_payable() => &[Fine, LostBefore, LostAfter],
            At::Capture { .. } | At::Release { .. } | At::Keep { .. } => {
                &[Fine, LostBefore, LostAfter, Refused]
            }
            At::AskRefund { .. } => &[Fine, Slow, LostBefore, LostAfter, Refused, Broken],
            At::FindOrder { .. } => &[Fine, LostBefore],
            At::AskOrder | At::AskCancel => &[Fine, LostBefore, LostAfter, Late, Refused],
            _ => &[Fine],
        }
    }

    /// An airline may say no whenever it likes; a bank is slow. The rest is trouble.
    pub fn cost(&self, luck: Luck) -> u8 {
        let is_airline = matches!(self.at, At::AskOrder | At::AskCancel);
        match luck {
            Luck::Fine | Luck::Slow => 0,
            Luck::Refused if is_airline => 0,
            _ => 1,
        }
    }

    /// Does the step, and puts the worker back if there is more.
    pub fn run(mut self, world: &mut World, rules: &Rules, luck: Luck) {
        match self.step(world, rules, luck) {
            Go::On(at) => {
                self.at = at;
                world.work.push(self);
            }
            Go::Again if self.has_lease && !self.job.is_page() => {
                world.jobs.insert(self.job);
            }
            Go::Done | Go::Again => {}
        }
    }

    fn step(&mut self, world: &mut World, rules: &Rules, luck: Luck) -> Go {
        match std::mem::replace(&mut self.at, At::Begin) {
            At::Begin => self.begin(world, rules, luck),
            At::Write { a, told, then } => {
                if let Some(event) = told.reading() {
                    world.hear_attempt(rules, a, event, told.received);
                }
                after(then)
            }
            At::WriteAll { a, told, refunds, dispute } => {
                if let Some(told) = told
                    && let Some(event) = told.reading()
                {
                    world.hear_attempt(rules, a, event, told.received);
                }
                for (r, event) in refunds {
                    world.hear_refund(rules, r, event);
                }
                if let Some(told) = dispute {
                    world.hear_dispute(rules, a, told);
                }
                if self.job == Job::Watch(a) && world.is_disputed(a) { Go::Again } else { Go::Done }
            }
            At::Note { a, event, then } => {
                let captured = world.attempt(a).captured;
                world.hear_attempt(rules, a, event, captured);
                after(then)
            }
            At::Lost { a, epoch } => {
                bump(world, a, epoch);
                Go::Again
            }
            At::Refetch { a, then } => write(a, world.payment(a).told(), then),
            At::Read(then) => read(world, then),
            At::Close(a) if usize::from(a) == world.attempts.len() => {
                let any = |test: fn(AttemptState) -> bool| world.attempts.iter().any(|a| test(a.state));
                if any(AttemptState::is_payable) {
                    Go::Again
                } else if self.job == Job::CancelUnpaid {
                    // Money that it does not live on goes back by its own job.
                    Go::On(At::EndBooking)
                } else if any(|s| matches!(s, AttemptState::Authorised | AttemptState::Captured)) {
                    Go::Done
                } else {
                    Go::On(At::EndBooking)
                }
            }
            At::Close(a) => match world.attempt(a).state {
                AttemptState::Creating | AttemptState::CreateUnknown => {
                    create(world, a, luck, Then::Expire(a))
                }
                state if state.is_payable() => Go::On(At::Expire(a)),
                _ => Go::On(At::Close(a + 1)),
            },
            At::Expire(a) => expire(world, a, luck),
            At::EndBooking => end_booking(world, rules, self.job),
            At::Capture { a, epoch } => {
                let question = Question::Capture(epoch);
                let told = ask(luck, || world.payment_mut(a).capture(question, PRICE));
                answered(a, epoch, told, Then::Done, Then::CaptureWasRefused(a))
            }
            At::Release { a, epoch, seen } => {
                let told = ask(luck, || world.payment_mut(a).release(Question::Release(epoch)));
                let next = Then::Next(a + 1, seen.clone());
                answered(a, epoch, told, next, Then::ReleaseWasRefused(a, seen))
            }
            At::Keep { a, epoch, kept, seen } => {
                let told = ask(luck, || match kept {
                    0 => world.payment_mut(a).release(Question::Release(epoch)),
                    _ => world.payment_mut(a).capture(Question::CaptureKept(epoch), kept),
                });
                let kept = |refused| Then::Kept { a, refused, seen: seen.clone() };
                answered(a, epoch, told, kept(false), kept(true))
            }
            At::Return { a, seen } => return_money(world, a, seen),
            At::Owe { a, seen } => {
                let left = world.unrefunded(a);
                if left > 0 {
                    world.owe(a, left);
                }
                Go::On(At::Return { a: a + 1, seen })
            }
            At::CloseBooks { a, seen } => {
                close_books(world, a);
                Go::On(At::Return { a: a + 1, seen })
            }
            At::RefundBroke { r, epoch } => refunds::broke(world, rules, r, epoch),
            At::AskRefund { r, epoch } => refunds::ask_for(world, r, epoch, luck),
            At::WriteRefund { r, event } => {
                world.hear_refund(rules, r, event);
                match world.refunds[usize::from(r)].state {
                    RefundState::Succeeded | RefundState::Failed => Go::Done,
                    _ => Go::Again,
                }
            }
            at => airline::step(world, rules, at, luck),
        }
    }

    /// What a job reads first. Where the first call depends on nothing else, it is made in the same breath.
    fn begin(&self, world: &mut World, rules: &Rules, luck: Luck) -> Go {
        match self.job {
            Job::Open(a) => match world.attempt(a).state {
                AttemptState::Creating | AttemptState::CreateUnknown => create(world, a, luck, Then::Done),
                _ => Go::Done,
            },
            Job::Check(a) => look(world, a, Then::IfLive(a)),
            Job::Look(a) => look(world, a, Then::Done),
            Job::Event(a) => {
                let payment = world.payment(a);
                let (told, refunds) = (Some(payment.told()), payment.told_of_refunds());
                Go::On(At::WriteAll { a, told, refunds, dispute: payment.dispute })
            }
            Job::Watch(a) if !world.is_disputed(a) => Go::Done,
            Job::Watch(a) => {
                // What was paid back is asked for only when the bank has decided for the traveller.
                let dispute = world.payment(a).dispute;
                let is_lost = dispute.is_some_and(|dispute| dispute.word == DisputeEvent::Lost);
                let refunds = if is_lost { world.payment(a).told_of_refunds() } else { Vec::new() };
                Go::On(At::WriteAll { a, told: None, refunds, dispute })
            }
            Job::Lapse if !world.is_open() => Go::Done,
            Job::Lapse if !world.hold_is_over => Go::Again,
            Job::Lapse => Go::On(At::Close(0)),
            Job::CancelUnpaid if !world.to_pay => Go::Done,
            Job::CancelUnpaid => Go::On(At::Close(0)),
            Job::Drop if world.is_open() => Go::On(At::Close(0)),
            Job::Drop => Go::Done,
            Job::Capture => match world.secured_by {
                Some(a) if world.booking == BookingState::Confirmed => {
                    if world.attempt(a).state == AttemptState::Captured {
                        world.sell(a);
                        Go::Done
                    } else if world.attempt(a).state == AttemptState::Released {
                        world.ask_to_pay(a);
                        Go::Done
                    } else {
                        still_authorised(world, a, Then::Capture(a))
                    }
                }
                _ => Go::Done,
            },
            Job::Return => {
                let attempts = world.attempts.iter().map(|a| (a.state, a.epoch)).collect();
                let (booking, secured_by) = (world.booking, world.secured_by);
                Go::On(At::Return { a: 0, seen: Seen { booking, secured_by, attempts, again: false } })
            }
            Job::Refund(r) => refunds::begin(world, rules, r),
            Job::Order => airline::begin_order(world, rules),
            Job::Cancel => airline::begin_cancel(world),
        }
    }
}
