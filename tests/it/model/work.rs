//! The programs of production's jobs, cut where others can come between: each step is one transaction, or one call to
//! Stripe or the airline. What a worker read in one step may be old in the next.

use jetbridge::{
    bookings::lifecycle::{BookingEvent, BookingState, SupplierEvent, SupplierState},
    checkout::lifecycle::{AttemptEvent, AttemptState, RefundEvent, RefundState},
};

use super::{
    outside::{PRICE, Question, RefundKey, Tickets, Told},
    world::{Attention, Rules, World},
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
    Lapse,
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
    /// Stripe's word, with its refunds where an event asked for them, on its way into our rows.
    Write {
        a: u8,
        told: Told,
        refunds: Vec<(u8, RefundEvent)>,
        then: Then,
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
    BumpRefund {
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
        use Luck::{Fine, Late, LostAfter, LostBefore, Refused, Slow};
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
            At::AskRefund { .. } => &[Fine, Slow, LostBefore, LostAfter, Refused],
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
            At::Write { a, told, refunds, then } => {
                if let Some(event) = told.reading() {
                    world.hear_attempt(rules, a, event, told.received);
                }
                for (r, event) in refunds {
                    world.hear_refund(rules, r, event);
                }
                after(then)
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
            At::BumpRefund { r, epoch } => {
                let refund = &mut world.refunds[usize::from(r)];
                if refund.epoch == epoch {
                    refund.epoch += 1;
                }
                Go::On(At::AskRefund { r, epoch: epoch + 1 })
            }
            At::AskRefund { r, epoch } => ask_refund(world, r, epoch, luck),
            At::WriteRefund { r, event } => {
                world.hear_refund(rules, r, event);
                match world.refunds[usize::from(r)].state {
                    RefundState::Succeeded | RefundState::Failed => Go::Done,
                    _ => Go::Again,
                }
            }
            at => self.airline(world, rules, at, luck),
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
                let refunds = world.payment(a).refunds.iter().map(|made| (made.key.refund, made.status));
                let refunds = refunds.collect();
                Go::On(At::Write { a, told: world.payment(a).told(), refunds, then: Then::Done })
            }
            Job::Lapse if !world.is_open() => Go::Done,
            Job::Lapse if !world.hold_is_over => Go::Again,
            Job::Lapse => Go::On(At::Close(0)),
            Job::Drop if world.is_open() => Go::On(At::Close(0)),
            Job::Drop => Go::Done,
            Job::Capture => match world.secured_by {
                Some(a) if world.booking == BookingState::Confirmed => {
                    if world.attempt(a).state == AttemptState::Captured {
                        world.sell(a);
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
            Job::Refund(r) => begin_refund(world, rules, r),
            Job::Order => begin_order(world, rules),
            Job::Cancel => begin_cancel(world),
        }
    }

    fn airline(&self, world: &mut World, rules: &Rules, at: At, luck: Luck) -> Go {
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
                Go::On(At::AskOrder)
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
}

fn write(a: u8, told: Told, then: Then) -> Go {
    Go::On(At::Write { a, told, refunds: Vec::new(), then })
}

/// Asks Stripe how an attempt stands, if its session is known.
fn look(world: &mut World, a: u8, then: Then) -> Go {
    let is_known = !matches!(world.attempt(a).state, AttemptState::Creating | AttemptState::CreateUnknown);
    match is_known && world.payment(a).session.is_some() {
        true => write(a, world.payment(a).told(), then),
        false => read(world, then),
    }
}

/// A call that answers yes (`Some(Some)`), no (`Some(None)`) or not at all.
fn ask<T>(luck: Luck, call: impl FnOnce() -> Option<T>) -> Option<Option<T>> {
    match luck {
        Luck::Refused => Some(None),
        Luck::LostBefore => None,
        Luck::LostAfter | Luck::Late => {
            call();
            None
        }
        Luck::Fine | Luck::Slow => Some(call()),
    }
}

fn answered(a: u8, epoch: u8, told: Option<Option<Told>>, yes: Then, no: Then) -> Go {
    match told {
        Some(Some(told)) => write(a, told, yes),
        Some(None) => Go::On(At::Refetch { a, then: no }),
        None => Go::On(At::Lost { a, epoch }),
    }
}

fn bump(world: &mut World, a: u8, epoch: u8) {
    let attempt = world.attempt_mut(a);
    if attempt.epoch == epoch {
        attempt.epoch += 1;
    }
}

/// Stripe will not do what it could: a person looks, and the next question gets a new key.
fn with_a_person(world: &mut World, a: u8) {
    world.attention.insert(Attention::CaptureFailed);
    let epoch = world.attempt(a).epoch;
    bump(world, a, epoch);
}

fn create(world: &mut World, a: u8, luck: Luck, then: Then) -> Go {
    Go::On(match ask(luck, || world.payment_mut(a).create()) {
        Some(Some(told)) => At::Write { a, told, refunds: Vec::new(), then },
        Some(None) => At::Note { a, event: AttemptEvent::CreationRefused, then },
        None => {
            let then = if then == Then::Done { Then::Again } else { then };
            At::Note { a, event: AttemptEvent::NoAnswer, then }
        }
    })
}

fn expire(world: &mut World, a: u8, luck: Luck) -> Go {
    let (state, epoch) = (world.attempt(a).state, world.attempt(a).epoch);
    let is_known = !matches!(state, AttemptState::Creating | AttemptState::CreateUnknown);
    if !state.is_payable() || !is_known {
        return Go::On(At::Close(a + 1));
    }
    let told = ask(luck, || world.payment_mut(a).expire());
    answered(a, epoch, told, Then::Close(a + 1), Then::Close(a + 1))
}

fn end_booking(world: &mut World, rules: &Rules, job: Job) -> Go {
    let is_renewed = job == Job::Lapse && !world.hold_is_over;
    if is_renewed || world.any_payable() {
        return Go::Again;
    }
    if job == Job::Lapse {
        world.hear_booking(rules, BookingEvent::HoldLapsed);
    } else if world.is_open() {
        world.hear_booking(rules, BookingEvent::Dropped);
    }
    Go::Done
}

fn after(then: Then) -> Go {
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
fn read(world: &mut World, then: Then) -> Go {
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
fn still_authorised(world: &mut World, a: u8, then: Then) -> Go {
    if world.attempt(a).epoch > 1 { Go::On(At::Refetch { a, then }) } else { read(world, then) }
}

fn return_money(world: &mut World, a: u8, seen: Seen) -> Go {
    let Some(&(state, epoch)) = seen.attempts.get(usize::from(a)) else {
        return if seen.again { Go::Again } else { Go::Done };
    };
    let is_lost = epoch > 1;
    if seen.booking == BookingState::Cancelled && seen.secured_by == Some(a) {
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

fn close_books(world: &mut World, a: u8) {
    let left = world.unrefunded(a);
    let quote = world.quote.as_mut().unwrap();
    if !std::mem::replace(&mut quote.is_settled, true) {
        let back = left.saturating_sub(quote.kept);
        if back > 0 {
            world.owe(a, back);
        }
    }
}

fn begin_refund(world: &World, rules: &Rules, r: u8) -> Go {
    let refund = &world.refunds[usize::from(r)];
    let epoch = refund.epoch;
    match refund.state {
        RefundState::Requested => Go::On(At::AskRefund { r, epoch }),
        RefundState::Succeeded | RefundState::Failed => Go::Done,
        state => {
            let mut made = world.payment(refund.attempt).refunds.iter();
            match made.find(|made| made.key.refund == r).filter(|_| rules.refunds_are_listed) {
                Some(made) => Go::On(At::WriteRefund { r, event: made.status }),
                None if state == RefundState::SubmitUnknown => Go::On(At::BumpRefund { r, epoch }),
                None => Go::Again,
            }
        }
    }
}

fn ask_refund(world: &mut World, r: u8, epoch: u8, luck: Luck) -> Go {
    let (a, amount) = (world.refunds[usize::from(r)].attempt, world.refunds[usize::from(r)].amount);
    let status = if luck == Luck::Slow { RefundEvent::Pending } else { RefundEvent::Succeeded };
    let key = RefundKey { refund: r, epoch };
    let event = match ask(luck, || world.payment_mut(a).refund(key, amount, status)) {
        Some(Some(status)) => status,
        Some(None) => RefundEvent::Failed,
        None => RefundEvent::NoAnswer,
    };
    Go::On(At::WriteRefund { r, event })
}

fn begin_order(world: &mut World, rules: &Rules) -> Go {
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
    if matches!(world.tickets, Tickets::Coming | Tickets::Issued) {
        // Again with the same booking: the same order.
        world.tickets = Tickets::Issued;
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

fn begin_cancel(world: &mut World) -> Go {
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
        Luck::LostBefore => {}
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
        if !is_yes {
            world.quote = None;
        }
        world.hear_supplier(rules, event);
    }
    Go::Done
}
