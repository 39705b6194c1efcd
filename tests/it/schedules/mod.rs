//! Random schedules: webhooks that come late, twice or never, buttons, timers, faults of everybody around and ends of the process,
//! drawn in any order, against the real app on a real PostgreSQL. Every plan has a seed; a failure prints it, and
//! `SCHEDULE_SEED=<seed> cargo test --test it schedules -- --include-ignored --nocapture` walks it again and makes it shorter.

mod rules;
mod steps;
mod world;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Mutex, PoisonError},
    thread,
    time::Instant,
};

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sqlx::Connection;

use self::{
    steps::{BOOKINGS, Card, Plan, Step, Trouble, plans},
    world::World,
};
use crate::helpers::tally;

/// In every run of the tests. A schedule is the life of one booking; so many live in each plan.
const PLANS: u64 = 4;
/// By hand, unless `SCHEDULE_PLANS` says otherwise.
const MANY_PLANS: u64 = 840;
/// A whole world in one task, neither optimised nor without the counters of coverage, does not fit into a test's two megabytes.
const STACK: usize = 16 << 20;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|value| value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

/// What has been walked through, for whoever wants to know whether it is worth anything.
#[derive(Default)]
struct Walked {
    steps: usize,
    /// How bookings, payments, refunds and disputes end, and how often: a walk that buys nothing shows nothing.
    ends: BTreeMap<String, i64>,
}

type Seen = Mutex<Walked>;

/// Walks the plan that this seed draws.
fn walk(seed: u64, most_shrinks: u32, seen: &Seen) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config =
        Config { cases: 1, failure_persistence: None, max_shrink_iters: most_shrinks, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let walked = TestRunner::new_with_rng(config, rng).run(&plans(), |plan| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(take(&plan, seen));
        Ok(())
    });
    if let Err(error) = walked {
        panic!("SCHEDULE_SEED={seed}: {error}");
    }
}

async fn take(plan: &Plan, seen: &Seen) {
    let mut world = World::new(plan).await;
    for (place, step) in plan.steps.iter().enumerate() {
        world.take(step).await;
        if step.is_ours() {
            rules::hold_always(&mut world, &format!("after step {place}, {step:?}")).await;
        }
    }
    world.come_to_rest(plan.bank_gives_in).await;
    rules::hold_at_rest(&mut world).await;
    let ends = rules::ends(&mut world).await;
    {
        let mut walked = seen.lock().unwrap_or_else(PoisonError::into_inner);
        walked.steps += plan.steps.len();
        for (end, many) in ends {
            *walked.ends.entry(end).or_default() += many;
        }
    }
    let World { app, sql, .. } = world;
    sql.close().await.expect("closes");
    app.finish().await;
}

fn with_a_deep_stack(walk: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let walker = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, walk).expect("a thread");
        if let Err(panic) = walker.join() {
            resume_unwind(panic);
        }
    });
}

fn walk_all(first: u64, plans: u64) {
    if let Some(seed) = from_environment("SCHEDULE_SEED") {
        return walk(seed, 200, &Seen::default());
    }
    let (began, seen) = (Instant::now(), Seen::default());
    let failed: Vec<u64> = (first..first + plans)
        .filter(|seed| catch_unwind(AssertUnwindSafe(|| walk(*seed, 0, &seen))).is_err())
        .collect();
    let (schedules, took) = (plans * BOOKINGS as u64, began.elapsed().as_secs());
    let Walked { steps, ends } = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally::note(&format!(
        "random schedules, seeds {first} to {}: {schedules} in {plans} plans, {steps} steps, {took} s",
        first + plans - 1
    ));
    for (end, many) in ends {
        tally::note(&format!("random schedules, at the end, {end}: {many}"));
    }
    assert!(failed.is_empty(), "SCHEDULE_SEED, one of: {failed:?}");
}

#[test]
fn whatever_happens_in_whatever_order_money_and_tickets_agree() {
    with_a_deep_stack(|| walk_all(1, PLANS));
}

#[test]
#[ignore = "ten thousand of them take minutes"]
fn whatever_happens_in_many_more_schedules_money_and_tickets_agree() {
    let first = from_environment("SCHEDULE_FIRST").unwrap_or(1_000);
    let plans = from_environment("SCHEDULE_PLANS").unwrap_or(MANY_PLANS);
    with_a_deep_stack(|| walk_all(first, plans));
}

#[test]
#[should_panic(expected = "our books and Stripe's")]
fn a_cent_that_our_books_do_not_have_is_noticed() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let pay = Step::Pay { at: 0, card: Card::Good, at_once: false };
        let steps = vec![Step::Press(0, Trouble::default()), pay];
        let plan = Plan { free_cancel: false, fares: vec![0], steps, bank_gives_in: false };
        let mut world = World::new(&plan).await;
        for step in &plan.steps {
            world.take(step).await;
        }
        world.come_to_rest(false).await;
        let intent = world.app.stripe.intents().remove(0);
        world.app.stripe.tamper_intent(&intent.id, |intent| intent.received -= 1);
        rules::hold_at_rest(&mut world).await;
    });
}
