//! Our rows, and what a transaction does to them: the pure machines of production decide, and their effects are carried
//! out as `bookings::apply`, `checkout::truth` and `checkout::refunds` do.

use std::collections::BTreeSet;

use jetbridge::{
    bookings::lifecycle::{
        BookingEffect, BookingEvent, BookingState, BookingStep, Step, SupplierEvent, SupplierState,
        SupplierStep,
    },
    checkout::lifecycle::{
        AttemptEffect, AttemptEvent, AttemptState, AttemptStep, DisputeEffect, DisputeEvent, DisputeState,
        DisputeStep, RefundEffect, RefundEvent, RefundState, RefundStep,
    },
};

use super::{
    outside::{IntentIs, PRICE, Payment, Question, SessionIs, TakenBack, Tickets},
    work::{Job, Work},
};

/// The machines under check: production's, or one of them broken on purpose.
#[derive(Clone, Copy)]
pub struct Rules {
    pub booking: fn(BookingState, BookingEvent) -> BookingStep,
    pub supplier: fn(SupplierState, SupplierEvent) -> SupplierStep,
    pub attempt: fn(AttemptState, AttemptEvent) -> AttemptStep,
    pub refund: fn(RefundState, RefundEvent) -> RefundStep,
    pub dispute: fn(DisputeState, DisputeEvent) -> DisputeStep,
    /// A refund is asked for again only after listing what has been made, as `submit_refund` does.
    pub refunds_are_listed: bool,
    /// After silence it is asked for under the same key.
    pub silence_keeps_the_key: bool,
    /// An unanswered order is looked up before it is refused.
    pub orders_are_looked_up: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    pub state: AttemptState,
    pub captured: u8,
    pub epoch: u8,
    /// In the ledger its money has bought the ticket.
    pub is_sold: bool,
    pub dispute: Option<Dispute>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dispute {
    pub amount: u8,
    pub state: DisputeState,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refund {
    pub attempt: u8,
    pub amount: u8,
    pub state: RefundState,
    pub epoch: u8,
}

/// The cancel quote that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quote {
    pub kept: u8,
    pub was_asked: bool,
    /// Nobody took it: the tickets were not paid.
    pub is_unpaid: bool,
    pub is_settled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Attention {
    IllegalStep,
    PaymentContradiction,
    AuthorisationLost,
    CaptureFailed,
    RefundFailed,
    TicketWithoutBooking,
    RefundedTicketLive,
    CancelRefused,
}

/// How often each kind of trouble may still happen, and what the traveller may still do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Lost answers, crashes, refusals without a reason, doubled webhooks.
    pub faults: u8,
    /// Workers that hang until somebody else has taken their job.
    pub leases: u8,
    pub attempts: u8,
    pub looks: u8,
    pub drops: u8,
    pub cancels: u8,
    pub staff_refunds: u8,
    /// An authorisation that the bank lets go, a refund that it sends back.
    pub bank: u8,
    /// Payments that a bank takes back until it has decided.
    pub disputes: u8,
    pub at_once: bool,
    pub slow: bool,
    /// Begin with two sessions that can both be paid, of which we have given one up.
    pub two_tabs: bool,
    /// Begin with tickets that are issued and charged.
    pub is_charged: bool,
    /// Begin with tickets that are issued, and the money behind them lost.
    pub is_lost: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub booking: BookingState,
    pub supplier: SupplierState,
    pub secured_by: Option<u8>,
    pub hold_is_over: bool,
    /// The money behind the tickets was lost, and they can be paid again.
    pub to_pay: bool,
    /// Nobody has paid for the tickets, and the airline does not take them back.
    pub is_written_off: bool,
    pub attempts: Vec<Attempt>,
    pub refunds: Vec<Refund>,
    pub quote: Option<Quote>,
    pub jobs: BTreeSet<Job>,
    pub attention: BTreeSet<Attention>,
    pub work: Vec<Work>,
    pub payments: Vec<Payment>,
    pub tickets: Tickets,
    /// The airline says no to a cancellation, and says it again.
    pub will_not_cancel: bool,
    pub budget: Budget,
}

impl World {
    pub fn new(budget: Budget) -> Self {
        Self {
            booking: BookingState::Draft,
            supplier: SupplierState::None,
            secured_by: None,
            hold_is_over: false,
            to_pay: false,
            is_written_off: false,
            attempts: Vec::new(),
            refunds: Vec::new(),
            quote: None,
            // A draft that nobody takes further ends by itself.
            jobs: BTreeSet::from([Job::Lapse]),
            attention: BTreeSet::new(),
            work: Vec::new(),
            payments: Vec::new(),
            tickets: Tickets::None,
            will_not_cancel: false,
            budget,
        }
    }

    /// The answer about the first session was lost for so long that a second one was made.
    pub fn open_two_tabs(&mut self) {
        self.booking = BookingState::Held;
        for state in [AttemptState::Superseded, AttemptState::Open] {
            self.pay();
            self.attempts.last_mut().unwrap().state = state;
            self.payments.last_mut().unwrap().session = Some(SessionIs::Open);
        }
        self.budget.attempts = 0;
        self.jobs = BTreeSet::from([Job::Check(1), Job::Lapse]);
    }

    /// Alice has paid, has her tickets, and her card is charged.
    pub fn have_charged(&mut self) {
        self.booking = BookingState::Confirmed;
        self.supplier = SupplierState::Ordered;
        self.tickets = Tickets::Issued;
        self.secured_by = Some(0);
        self.pay();
        let attempt = self.attempt_mut(0);
        (attempt.state, attempt.captured, attempt.is_sold) = (AttemptState::Captured, PRICE, true);
        let payment = self.payment_mut(0);
        payment.session = Some(SessionIs::Complete);
        (payment.intent, payment.received) = (Some(IntentIs::Succeeded), PRICE);
        payment.answered = Some(Question::Capture(1));
        self.jobs.clear();
    }

    /// Alice has paid and has her tickets, and her bank has let go of the money before it was taken.
    pub fn have_lost(&mut self) {
        self.have_charged();
        let attempt = self.attempt_mut(0);
        (attempt.state, attempt.captured, attempt.is_sold) = (AttemptState::Released, 0, false);
        let payment = self.payment_mut(0);
        (payment.intent, payment.received, payment.answered) = (Some(IntentIs::Canceled), 0, None);
        self.attention.insert(Attention::AuthorisationLost);
        self.ask_to_pay(0);
    }

    pub fn attempt(&self, a: u8) -> &Attempt {
        &self.attempts[usize::from(a)]
    }

    pub fn attempt_mut(&mut self, a: u8) -> &mut Attempt {
        &mut self.attempts[usize::from(a)]
    }

    pub fn payment(&self, a: u8) -> &Payment {
        &self.payments[usize::from(a)]
    }

    pub fn payment_mut(&mut self, a: u8) -> &mut Payment {
        &mut self.payments[usize::from(a)]
    }

    pub fn is_open(&self) -> bool {
        matches!(self.booking, BookingState::Draft | BookingState::Held)
    }

    pub fn any_payable(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.state.is_payable())
    }

    /// Waiting, or taken by a worker that still has its lease.
    pub fn has_job(&self, job: Job) -> bool {
        self.jobs.contains(&job) || self.work.iter().any(|work| work.job == job && work.has_lease)
    }

    pub fn unrefunded(&self, a: u8) -> u8 {
        let gone = self.refunds.iter().filter(|r| r.attempt == a && r.state != RefundState::Failed);
        let lost = self.attempt(a).dispute.as_ref().filter(|dispute| dispute.state == DisputeState::Lost);
        let gone = gone.map(|refund| refund.amount).chain(lost.map(|dispute| dispute.amount));
        self.attempt(a).captured.saturating_sub(gone.sum())
    }

    /// A bank has this payment and has not decided.
    pub fn is_disputed(&self, a: u8) -> bool {
        self.attempt(a).dispute.as_ref().is_some_and(|dispute| !dispute.state.has_ended())
    }

    /// A bank has decided for the traveller, as far as we have heard.
    pub fn is_lost(&self, a: u8) -> bool {
        self.attempt(a).dispute.as_ref().is_some_and(|dispute| dispute.state == DisputeState::Lost)
    }

    pub fn pay(&mut self) {
        let a = u8::try_from(self.attempts.len()).unwrap();
        let state = AttemptState::Creating;
        self.attempts.push(Attempt { state, captured: 0, epoch: 1, is_sold: false, dispute: None });
        self.payments.push(Payment::default());
        self.jobs.extend([Job::Open(a), Job::Check(a)]);
        if !self.to_pay {
            self.hold_is_over = false;
            self.jobs.insert(Job::Lapse);
        }
    }

    /// The tickets stand, and no money is behind them any more (`unpaid::ask_to_pay`).
    pub fn ask_to_pay(&mut self, a: u8) {
        if self.booking == BookingState::Confirmed && self.secured_by == Some(a) && !self.is_written_off {
            self.to_pay = true;
            self.jobs.insert(Job::CancelUnpaid);
        }
    }

    /// What a person was called for about the lost money has settled itself.
    pub fn settle_lost_money(&mut self) {
        self.attention.remove(&Attention::AuthorisationLost);
        self.attention.remove(&Attention::CaptureFailed);
    }

    /// A machine's word: where it goes is written down, what it must not hear calls a person.
    fn take<S, E>(&mut self, step: Step<S, E>, wrong: Attention, write: impl FnOnce(&mut Self, S)) -> Vec<E> {
        match step {
            Step::Move { to, effects } => {
                write(self, to);
                effects
            }
            Step::Stay { effects } => effects,
            Step::Replay => Vec::new(),
            Step::Illegal => {
                self.attention.insert(wrong);
                Vec::new()
            }
        }
    }

    pub fn hear_booking(&mut self, rules: &Rules, event: BookingEvent) {
        let effects = self.take((rules.booking)(self.booking, event), Attention::IllegalStep, |world, to| {
            world.booking = to;
        });
        for effect in effects {
            match effect {
                BookingEffect::OrderAtSupplier => self.jobs.insert(Job::Order),
                BookingEffect::CaptureMoney => self.jobs.insert(Job::Capture),
                BookingEffect::ReturnMoney => self.jobs.insert(Job::Return),
                BookingEffect::RaiseTicketWithoutBooking => {
                    self.attention.insert(Attention::TicketWithoutBooking)
                }
                // Seats and letters are not money.
                BookingEffect::ReleaseHold
                | BookingEffect::MailConfirmation
                | BookingEffect::MailNotTicketed
                | BookingEffect::MailExpired => true,
            };
        }
    }

    pub fn hear_supplier(&mut self, rules: &Rules, event: SupplierEvent) {
        let events =
            self.take((rules.supplier)(self.supplier, event), Attention::IllegalStep, |world, to| {
                world.supplier = to;
            });
        for event in events {
            self.hear_booking(rules, event);
        }
    }

    pub fn hear_attempt(&mut self, rules: &Rules, a: u8, event: AttemptEvent, received: u8) {
        let effects = {
            let step = (rules.attempt)(self.attempt(a).state, event);
            self.take(step, Attention::PaymentContradiction, |world, to| {
                world.attempt_mut(a).state = to;
                if event == AttemptEvent::Captured {
                    world.attempt_mut(a).captured = received;
                }
            })
        };
        for effect in effects {
            match effect {
                AttemptEffect::SecureBooking => {
                    let is_unpaid = std::mem::take(&mut self.to_pay);
                    if is_unpaid || matches!(self.booking, BookingState::Held | BookingState::Expired) {
                        self.secured_by = Some(a);
                    }
                    if is_unpaid {
                        self.settle_lost_money();
                        self.hear_booking(rules, BookingEvent::PaidAgain);
                    } else {
                        self.hear_booking(rules, BookingEvent::MoneySecured);
                    }
                }
                AttemptEffect::PostCapture => self.sell(a),
                AttemptEffect::AuthorisationLost => {
                    if self.secured_by == Some(a) && !self.booking.has_ended() {
                        self.attention.insert(Attention::AuthorisationLost);
                        self.ask_to_pay(a);
                    }
                }
            }
        }
    }

    pub fn sell(&mut self, a: u8) {
        if self.booking == BookingState::Confirmed && self.secured_by == Some(a) {
            self.attempt_mut(a).is_sold = true;
        }
    }

    pub fn hear_refund(&mut self, rules: &Rules, r: u8, event: RefundEvent) {
        let refund = &mut self.refunds[usize::from(r)];
        let Step::Move { to, effects } = (rules.refund)(refund.state, event) else { return };
        refund.state = to;
        if effects.contains(&RefundEffect::RaiseFailed) {
            self.attention.insert(Attention::RefundFailed);
        }
    }

    pub fn hear_dispute(&mut self, rules: &Rules, a: u8, told: TakenBack) {
        let attempt = self.attempt_mut(a);
        let is_new = attempt.dispute.is_none();
        let opened = Dispute { amount: told.amount, state: DisputeState::NeedsResponse };
        let row = attempt.dispute.get_or_insert(opened);
        let step = (rules.dispute)(row.state, told.word);
        if let Step::Move { to, .. } = step {
            row.state = to;
        }
        self.jobs.extend(is_new.then_some(Job::Watch(a)));
        match step {
            Step::Move { effects, .. } if effects.contains(&DisputeEffect::PostLost) => self.lose(a),
            Step::Illegal => {
                self.attention.insert(Attention::PaymentContradiction);
            }
            _ => {}
        }
    }

    /// The traveller has the money from the bank: what we promised and had not paid is paid with it.
    fn lose(&mut self, a: u8) {
        let promised = |refund: &&mut Refund| {
            refund.attempt == a && matches!(refund.state, RefundState::Requested | RefundState::SubmitUnknown)
        };
        for refund in self.refunds.iter_mut().filter(promised) {
            refund.state = RefundState::Failed;
        }
        if self.secured_by == Some(a) && !self.booking.has_ended() {
            self.attention.insert(Attention::RefundedTicketLive);
        }
    }

    /// The row and the job, in one transaction.
    pub fn owe(&mut self, a: u8, amount: u8) {
        let r = u8::try_from(self.refunds.len()).unwrap();
        self.refunds.push(Refund { attempt: a, amount, state: RefundState::Requested, epoch: 1 });
        self.jobs.insert(Job::Refund(r));
    }

    /// Whether staff may give something of this payment back (`staff_refund::obstacle`).
    pub fn staff_may_refund(&self, a: u8) -> bool {
        let attempt = self.attempt(a);
        let is_behind_ticket = self.secured_by == Some(a) && self.booking == BookingState::Confirmed;
        attempt.state == AttemptState::Captured
            && self.unrefunded(a) > 0
            && !matches!(self.booking, BookingState::Ticketing | BookingState::Cancelling)
            && (!is_behind_ticket || attempt.is_sold)
            && !self.has_job(Job::Return)
            && !(0..).zip(&self.attempts).any(|(a, _)| self.is_disputed(a))
    }
}
