//! What may happen next, to which of the bookings, and what goes wrong in it.

use jetbridge::{
    sandbox::stripe::{Endpoint, Fault},
    supplier::timetable,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// So many bookings live through one plan at once. Each is a schedule of its own, on common ground.
pub const BOOKINGS: usize = 12;
/// Of each kind of day.
const STEPS: usize = 4 * BOOKINGS;

#[derive(Clone, Debug)]
pub struct Plan {
    /// The agency lets everybody cancel for nothing for a day.
    pub free_cancel: bool,
    /// Which fare each booking has.
    pub fares: Vec<u8>,
    pub steps: Vec<Step>,
    /// How the banks decide that have not decided by the end.
    pub bank_gives_in: bool,
}

/// What goes wrong while our code works.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trouble {
    /// The process ends after so many answers of the database.
    pub cut: Option<u8>,
    pub stripe: Option<(Endpoint, Fault)>,
    pub supplier: Option<timetable::Fault>,
}

#[derive(Clone, Debug)]
pub enum Step {
    /// The button "Pay".
    Press(usize, Trouble),
    /// On Stripe's page, with this card, by a method that is charged at once or not.
    Pay {
        at: usize,
        card: Card,
        at_once: bool,
    },
    /// Stripe takes the payment of a session that it had told us to be over.
    PayLate(usize),
    Return(usize, Trouble),
    GiveUp(usize, Trouble),
    Cancel(usize, Trouble),
    /// The worker does what is due.
    Work(Trouble),
    /// The same, and none of it is interrupted, by a process that has just started.
    Restart,
    /// What stands alone elsewhere, all at the same time. In which order it comes is PostgreSQL's to say, so of a schedule with
    /// this step the seed draws the same steps again, and not always the same story.
    AtOnce {
        at: usize,
        event: usize,
        gives_up: bool,
    },
    /// The worker's rounds.
    Sweep,
    Clock(i64),
    /// One of the events under way arrives, so many times.
    Deliver {
        event: usize,
        times: u8,
        cut: Option<u8>,
    },
    /// An old event arrives again.
    DeliverAgain(usize),
    LoseEvent(usize),
    MailFails,
    Price(bool),
    /// Tickets that nobody waits for any more.
    LateTickets(usize),
    /// Staff give back so many per cent of what is left.
    Refund(usize, i64),
    RefundInDashboard(usize, i64),
    /// All of it, or so many per cent.
    CaptureInDashboard(usize, Option<i64>),
    /// The bank lets go of what was set aside.
    Lapse(usize),
    RefundWord(usize, RefundWord),
    Dispute(usize),
    Evidence(usize),
    BankDecides(usize, bool),
    /// Stripe's facts do not fit what was accepted, or fit again.
    Askew(usize, bool),
    /// Staff press the button of what waits for a person.
    Act(usize),
    Accept(usize),
    GiveBack(usize),
}

impl Step {
    /// What happens elsewhere, or nowhere yet, changes nothing in our books.
    pub fn is_ours(&self) -> bool {
        matches!(
            self,
            Self::Press(..)
                | Self::Return(..)
                | Self::GiveUp(..)
                | Self::Cancel(..)
                | Self::Work(_)
                | Self::Restart
                | Self::AtOnce { .. }
                | Self::Sweep
                | Self::Deliver { .. }
                | Self::DeliverAgain(_)
                | Self::Refund(..)
                | Self::Act(_)
                | Self::Accept(_)
                | Self::GiveBack(_)
        )
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Card {
    Good,
    Declined,
    /// Its owner has to be there, and is or is not.
    Checked(bool),
    /// Disputed as soon as it is charged.
    Disputed,
}

#[derive(Clone, Copy, Debug)]
pub enum RefundWord {
    Pending,
    Failed,
    Succeeded,
}

pub fn plans() -> impl Strategy<Value = Plan> {
    let fares = vec(0..12_u8, BOOKINGS);
    let openings: Vec<_> = (0..BOOKINGS).map(opening).collect();
    let steps = (openings, vec(step(), STEPS), vec(later(), STEPS));
    let steps = steps.prop_map(|(openings, steps, later)| [openings.concat(), steps, later].concat());
    (any::<bool>(), fares, steps, any::<bool>()).prop_map(|(free_cancel, fares, steps, bank_gives_in)| Plan {
        free_cancel,
        fares,
        steps,
        bank_gives_in,
    })
}

/// How a booking begins: most are paid, for of the others there is little to tell.
fn opening(at: usize) -> impl Strategy<Value = Vec<Step>> {
    let press = trouble().prop_map(move |trouble| Step::Press(at, trouble));
    let again = option::weighted(0.3, trouble().prop_map(move |trouble| Step::Press(at, trouble)));
    let pay = option::weighted(0.8, (card(), prop::bool::weighted(0.15)));
    let pay = pay.prop_map(move |how| how.map(|(card, at_once)| Step::Pay { at, card, at_once }));
    (press, again, pay, vec(meanwhile(), 0..3)).prop_map(|(press, again, pay, meanwhile)| {
        let begun = [Some(press), again, pay];
        begun.into_iter().flatten().chain(meanwhile).collect()
    })
}

fn card() -> impl Strategy<Value = Card> {
    prop_oneof![
        9 => Just(Card::Good),
        1 => Just(Card::Declined),
        1 => any::<bool>().prop_map(Card::Checked),
        1 => Just(Card::Disputed),
    ]
}

/// What goes on by itself while travellers make up their minds.
fn meanwhile() -> impl Strategy<Value = Step> {
    let any_of = || 0..1_000_usize;
    prop_oneof![
        5 => (any_of(), 1..3_u8, cut()).prop_map(|(event, times, cut)| Step::Deliver { event, times, cut }),
        1 => any_of().prop_map(Step::LoseEvent),
        4 => trouble().prop_map(Step::Work),
        2 => (0..BOOKINGS, any_of(), prop::bool::weighted(0.2))
            .prop_map(|(at, event, gives_up)| Step::AtOnce { at, event, gives_up }),
        2 => (0..BOOKINGS, trouble()).prop_map(|(at, trouble)| Step::Return(at, trouble)),
        1 => select(vec![1, 2, 4]).prop_map(Step::Clock),
    ]
}

/// While the first of them are on their way.
fn step() -> impl Strategy<Value = Step> {
    let at = || 0..BOOKINGS;
    prop_oneof![
        12 => meanwhile(),
        3 => (at(), trouble()).prop_map(|(at, trouble)| Step::Press(at, trouble)),
        3 => (at(), card(), prop::bool::weighted(0.15))
            .prop_map(|(at, card, at_once)| Step::Pay { at, card, at_once }),
        1 => select(vec![4, 12, 25]).prop_map(Step::Clock),
        3 => (at(), trouble()).prop_map(|(at, trouble)| Step::Cancel(at, trouble)),
        2 => (at(), 1..=100_i64).prop_map(|(at, share)| Step::Refund(at, share)),
        4 => other(),
    ]
}

/// After hours and days.
fn later() -> impl Strategy<Value = Step> {
    let clock = select(vec![25, 50, 90, 600, 1_500]).prop_map(Step::Clock);
    prop_oneof![9 => step(), 1 => clock]
}

/// What is rarer.
fn other() -> impl Strategy<Value = Step> {
    let at = || 0..BOOKINGS;
    let any_of = || 0..1_000_usize;
    let word = select(vec![RefundWord::Pending, RefundWord::Failed, RefundWord::Succeeded]);
    let staff = prop_oneof![
        any_of().prop_map(Step::Act),
        any_of().prop_map(Step::Accept),
        any_of().prop_map(Step::GiveBack),
    ];
    let banks = prop_oneof![
        at().prop_map(Step::Lapse),
        (any_of(), word).prop_map(|(at, word)| Step::RefundWord(at, word)),
        at().prop_map(Step::Dispute),
        any_of().prop_map(Step::Evidence),
        (any_of(), any::<bool>()).prop_map(|(at, won)| Step::BankDecides(at, won)),
    ];
    let dashboard = prop_oneof![
        (at(), 1..=100_i64).prop_map(|(at, share)| Step::RefundInDashboard(at, share)),
        (at(), option::weighted(0.4, 1..100_i64)).prop_map(|(at, share)| Step::CaptureInDashboard(at, share)),
        (at(), prop::bool::weighted(0.4)).prop_map(|(at, is_askew)| Step::Askew(at, is_askew)),
        at().prop_map(Step::PayLate),
    ];
    let rest = prop_oneof![
        (at(), trouble()).prop_map(|(at, trouble)| Step::GiveUp(at, trouble)),
        Just(Step::Restart),
        Just(Step::Sweep),
        any_of().prop_map(Step::DeliverAgain),
        Just(Step::MailFails),
        any::<bool>().prop_map(Step::Price),
        at().prop_map(Step::LateTickets),
    ];
    prop_oneof![4 => staff, 6 => banks, 4 => dashboard, 6 => rest]
}

fn cut() -> impl Strategy<Value = Option<u8>> {
    option::weighted(0.3, 1..90_u8)
}

/// Nothing, most of the time.
fn trouble() -> impl Strategy<Value = Trouble> {
    let endpoint = select(vec![
        Endpoint::CreateSession,
        Endpoint::ReadSession,
        Endpoint::ExpireSession,
        Endpoint::ReadIntent,
        Endpoint::Capture,
        Endpoint::Cancel,
        Endpoint::CreateRefund,
        Endpoint::ListRefunds,
        Endpoint::ListMovements,
        Endpoint::Other,
    ]);
    let fault = select(vec![
        Fault::TimeoutBefore,
        Fault::TimeoutAfter,
        Fault::Status(500),
        Fault::Status(429),
        Fault::StickyStatus(500),
    ]);
    let supplier = select(vec![
        timetable::Fault::SoldOut,
        timetable::Fault::PriceUp,
        timetable::Fault::Refused,
        timetable::Fault::Unavailable,
        timetable::Fault::TimeoutBefore,
        timetable::Fault::TimeoutAfter,
    ]);
    (cut(), option::weighted(0.25, (endpoint, fault)), option::weighted(0.2, supplier))
        .prop_map(|(cut, stripe, supplier)| Trouble { cut, stripe, supplier })
}
