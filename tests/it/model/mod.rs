//! A model check of the booking, attempt, supplier and refund machines together. Every order of events is walked through,
//! up to a bound: two workers, pages, webhooks and poller against a Stripe and an airline whose answers are lost, late or
//! doubled, with crashes between a call and its commit. The machines are production's own `next_*` functions, and Stripe's
//! words are read by production's `reading`; the programs of the jobs are written again in `work`, step for step.

mod acts;
mod outside;
mod rules;
mod work;
mod world;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Mutex,
};

use jetbridge::bookings::lifecycle::{BookingEffect, BookingEvent, BookingState, Step};
use stateright::{Checker as _, HasDiscoveries, Model, Property};

use acts::{Act, ours, people, take, theirs};
use world::{Budget, Rules, World};

use crate::helpers::tally;

/// One story to walk through in every order.
struct Story {
    rules: Rules,
    budget: Budget,
    /// Of every step that was taken: from where to where, and where everything is settled.
    map: Mutex<Map>,
}

#[derive(Default)]
struct Map {
    back: HashMap<u64, Vec<u64>>,
    ends: Vec<u64>,
}

fn mark(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

impl Model for Story {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        let mut world = World::new(self.budget.clone());
        if self.budget.two_tabs {
            world.open_two_tabs();
        }
        if self.budget.is_charged {
            world.budget.attempts = 0;
            world.have_charged();
        }
        if self.budget.is_lost {
            world.have_lost();
        }
        vec![world]
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        ours(world, acts);
        theirs(world, acts);
        people(world, acts);
    }

    fn next_state(&self, world: &World, act: Act) -> Option<World> {
        let mut next = world.clone();
        take(&mut next, &self.rules, act);
        next.work.sort_by_key(|work| (work.job, work.has_lease));
        let (from, to) = (mark(world), mark(&next));
        let mut map = self.map.lock().unwrap();
        let known = map.back.entry(to).or_default();
        if known.is_empty() && rules::is_at_rest(&next) {
            map.ends.push(to);
        }
        map.back.get_mut(&to).unwrap().push(from);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        rules::all()
    }
}

/// How much there was to walk through: what can be, and every way from one to the next.
#[derive(Clone, Copy, Debug, Default)]
struct Walked {
    states: usize,
    acts: usize,
}

/// Walks through every order of a story. How much that was, or what is wrong and how it comes about.
fn walk(rules: Rules, budget: Budget) -> Result<Walked, String> {
    let story = Story { rules, budget, map: Mutex::default() };
    let checker = story.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let walked = Walked { states: checker.unique_state_count(), acts: checker.state_count() };
    let found = checker.discoveries();
    let mut wrong = Vec::new();
    for property in rules::all() {
        match (property.expectation.discovery_is_failure(), found.get(property.name)) {
            (true, Some(path)) => {
                let acts: Vec<String> =
                    path.clone().into_actions().iter().map(|act| format!("  {act:?}")).collect();
                wrong.push(format!("{}:\n{}\n{:#?}", property.name, acts.join("\n"), path.last_state()));
            }
            (false, None) => wrong.push(format!("{}: never seen", property.name)),
            _ => {}
        }
    }
    if wrong.is_empty() || found.is_empty() {
        let stuck = stuck(&checker.model().map.lock().unwrap());
        if !stuck.is_empty() {
            let way = way_to(checker.model(), &stuck);
            wrong.push(format!("{} states from which nothing is ever settled:\n{way}", stuck.len()));
        }
    }
    if wrong.is_empty() { Ok(walked) } else { Err(wrong.join("\n")) }
}

/// The states that reach no state of rest, whatever happens.
fn stuck(map: &Map) -> HashSet<u64> {
    let mut is_saved: HashSet<u64> = map.ends.iter().copied().collect();
    let mut queue: VecDeque<u64> = map.ends.iter().copied().collect();
    while let Some(state) = queue.pop_front() {
        for &before in map.back.get(&state).into_iter().flatten() {
            if is_saved.insert(before) {
                queue.push_back(before);
            }
        }
    }
    map.back.keys().copied().filter(|state| !is_saved.contains(state)).collect()
}

/// The shortest way to one of them.
fn way_to(story: &Story, states: &HashSet<u64>) -> String {
    let mut seen = HashSet::new();
    let mut queue: VecDeque<(World, Vec<Act>)> =
        story.init_states().into_iter().map(|world| (world, Vec::new())).collect();
    while let Some((world, acts)) = queue.pop_front() {
        if states.contains(&mark(&world)) {
            let acts: Vec<String> = acts.iter().map(|act| format!("  {act:?}")).collect();
            return format!("{}\n{world:#?}", acts.join("\n"));
        }
        for (act, next) in story.next_steps(&world) {
            if seen.insert(mark(&next)) {
                queue.push_back((next, acts.iter().cloned().chain([act]).collect()));
            }
        }
    }
    "not found again".to_owned()
}

const NOTHING: Budget = Budget {
    faults: 0,
    leases: 0,
    attempts: 1,
    looks: 0,
    drops: 0,
    cancels: 0,
    staff_refunds: 0,
    bank: 0,
    disputes: 0,
    at_once: false,
    slow: false,
    two_tabs: false,
    is_charged: false,
    is_lost: false,
};

const LOST: Budget = Budget { is_lost: true, ..NOTHING };

const REFUNDS: Budget = Budget { is_charged: true, staff_refunds: 2, leases: 1, faults: 1, ..NOTHING };

const DISPUTE: Budget = Budget { is_charged: true, disputes: 1, staff_refunds: 1, faults: 1, ..NOTHING };

const PRODUCTION: Rules = Rules {
    booking: jetbridge::bookings::lifecycle::next_booking,
    supplier: jetbridge::bookings::lifecycle::next_supplier,
    attempt: jetbridge::checkout::lifecycle::next_attempt,
    refund: jetbridge::checkout::lifecycle::next_refund,
    dispute: jetbridge::checkout::lifecycle::next_dispute,
    refunds_are_listed: true,
    silence_keeps_the_key: true,
    orders_are_looked_up: true,
};

/// Small enough for every run of the tests.
#[test]
fn money_and_tickets_agree_in_every_order_of_events() {
    let stories = [
        ("a slow payment", Budget { slow: true, ..NOTHING }),
        ("a hanging worker", Budget { leases: 1, ..NOTHING }),
        ("a fault", Budget { faults: 1, ..NOTHING }),
        ("a payment charged at once", Budget { at_once: true, bank: 1, ..NOTHING }),
        ("an authorisation that the bank lets go", Budget { bank: 1, ..NOTHING }),
        ("lost money, paid again or not", LOST),
        ("lost money, paid again by a slow payment", Budget { slow: true, ..LOST }),
        ("given up while it is being paid", Budget { drops: 1, ..NOTHING }),
        ("two tabs, both paid", Budget { two_tabs: true, ..NOTHING }),
        ("cancelled", Budget { cancels: 1, ..NOTHING }),
        ("refunds by staff, a hanging worker, a fault", REFUNDS),
        ("a dispute, a refund by staff, a fault", DISPUTE),
        ("a dispute, cancelled", Budget { staff_refunds: 0, faults: 0, cancels: 1, ..DISPUTE }),
        ("charged at once and disputed", Budget { at_once: true, disputes: 1, ..NOTHING }),
    ];
    walk_all(&stories);
}

/// The same with more trouble at once: minutes.
#[test]
#[ignore = "millions of states: for a long run"]
fn money_and_tickets_agree_in_every_order_of_events_with_more_trouble() {
    let stories = [
        ("a slow payment, a hanging worker", Budget { slow: true, leases: 1, ..NOTHING }),
        ("all payments, a fault", Budget { at_once: true, slow: true, faults: 1, ..NOTHING }),
        ("the bank, a fault", Budget { bank: 1, looks: 1, faults: 1, ..NOTHING }),
        ("the bank, paid again", Budget { bank: 1, attempts: 2, ..NOTHING }),
        ("lost money, paid again, lost again", Budget { attempts: 2, bank: 1, ..LOST }),
        ("lost money, paid again, a fault", Budget { at_once: true, faults: 1, ..LOST }),
        ("given up, a fault", Budget { drops: 1, faults: 1, ..NOTHING }),
        ("two tabs, a fault", Budget { two_tabs: true, at_once: true, faults: 1, ..NOTHING }),
        ("two attempts", Budget { attempts: 2, at_once: true, ..NOTHING }),
        ("two attempts, a fault", Budget { attempts: 2, faults: 1, ..NOTHING }),
        ("cancelled, a fault", Budget { cancels: 1, faults: 1, ..NOTHING }),
        ("cancelled, a hanging worker", Budget { cancels: 1, leases: 1, ..NOTHING }),
        ("two refunds by staff, a fault", Budget { staff_refunds: 2, faults: 1, ..NOTHING }),
        ("two faults", Budget { faults: 2, ..NOTHING }),
        (
            "a dispute, two refunds by staff, a hanging worker, a fault",
            Budget { staff_refunds: 2, leases: 1, ..DISPUTE },
        ),
        ("a dispute, refunds that come back, two faults", Budget { bank: 1, faults: 2, ..DISPUTE }),
        (
            "a dispute, cancelled, a hanging worker, a fault",
            Budget { staff_refunds: 0, cancels: 1, leases: 1, ..DISPUTE },
        ),
        (
            "two tabs, charged at once and disputed",
            Budget { two_tabs: true, at_once: true, disputes: 1, ..NOTHING },
        ),
    ];
    walk_all(&stories);
}

fn walk_all(stories: &[(&str, Budget)]) {
    let mut all = Walked::default();
    for (name, budget) in stories {
        let began = std::time::Instant::now();
        let Walked { states, acts } =
            walk(PRODUCTION, budget.clone()).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        let took = began.elapsed().as_secs_f32();
        tally::note(&format!("model, {name}: {states} states, {acts} acts, {took:.1} s"));
        all = Walked { states: all.states + states, acts: all.acts + acts };
    }
    let (many, Walked { states, acts }) = (stories.len(), all);
    tally::note(&format!("model, all {many} of these stories: {states} states, {acts} acts"));
}

/// A check that cannot fail says nothing: machines that are broken on purpose are caught.
#[test]
fn rules_that_lose_money_are_caught() {
    let plain = Budget { faults: 1, ..NOTHING };
    let broken: [(&str, Rules, Budget); 9] = [
        (
            "confirmed before it is ordered",
            Rules {
                booking: |state, event| match (state, event) {
                    (BookingState::Held, BookingEvent::MoneySecured) => Step::Move {
                        to: BookingState::Confirmed,
                        effects: vec![BookingEffect::OrderAtSupplier, BookingEffect::CaptureMoney],
                    },
                    _ => (PRODUCTION.booking)(state, event),
                },
                ..PRODUCTION
            },
            NOTHING,
        ),
        (
            "money that comes after the end is forgotten",
            Rules {
                booking: |state, event| match (PRODUCTION.booking)(state, event) {
                    Step::Stay { effects } if effects == [BookingEffect::ReturnMoney] => Step::Replay,
                    step => step,
                },
                ..PRODUCTION
            },
            Budget { two_tabs: true, ..NOTHING },
        ),
        (
            "money of a booking without tickets is kept",
            Rules {
                booking: |state, event| match (state, event) {
                    (BookingState::Ticketing, BookingEvent::NotOrdered) => {
                        Step::Move { to: BookingState::Failed, effects: Vec::new() }
                    }
                    _ => (PRODUCTION.booking)(state, event),
                },
                ..PRODUCTION
            },
            NOTHING,
        ),
        (
            "tickets that are paid again are not charged",
            Rules {
                booking: |state, event| match (state, event) {
                    (BookingState::Confirmed, BookingEvent::PaidAgain) => Step::Replay,
                    _ => (PRODUCTION.booking)(state, event),
                },
                ..PRODUCTION
            },
            LOST,
        ),
        (
            "tickets that nobody pays for again are flown",
            Rules {
                booking: |state, event| match (state, event) {
                    (BookingState::Confirmed, BookingEvent::Unpaid) => Step::Replay,
                    _ => (PRODUCTION.booking)(state, event),
                },
                ..PRODUCTION
            },
            LOST,
        ),
        (
            "a refund is asked for again under a new key, unlisted",
            Rules { refunds_are_listed: false, silence_keeps_the_key: false, ..PRODUCTION },
            Budget { leases: 0, ..REFUNDS },
        ),
        (
            "a refund is asked for again under a new key, although nobody has answered",
            Rules { silence_keeps_the_key: false, ..PRODUCTION },
            REFUNDS,
        ),
        (
            "a lost dispute leaves promised refunds standing",
            Rules {
                dispute: |state, event| match (PRODUCTION.dispute)(state, event) {
                    Step::Move { to, .. } => Step::Move { to, effects: Vec::new() },
                    step => step,
                },
                ..PRODUCTION
            },
            DISPUTE,
        ),
        (
            "a lost answer of the airline is taken for a no",
            Rules { orders_are_looked_up: false, ..PRODUCTION },
            plain,
        ),
    ];
    let many = broken.len();
    for (name, rules, budget) in broken {
        let caught = walk(rules, budget).expect_err(name);
        println!("{name}: caught, {}", caught.lines().next().unwrap_or_default());
    }
    tally::note(&format!("model, rules broken on purpose: {many}, all of them caught"));
}
