//! Whose a job is: a worker's that works, however slowly; another's when it is dead or frozen; and never two's that write.

use std::time::{Duration, Instant};

use jetbridge::{
    db::{self, Db, Held, System},
    outbox::{self, Claim, Job},
    sandbox::{
        mailbox::{Fault, Stage},
        stripe,
    },
};
use jiff::{SignedDuration, Timestamp};
use nix::sys::signal::Signal;

use crate::helpers::{
    app::TestApp,
    cluster::Database,
    proxy::Proxy,
    site::{self, Site, browser, until},
    story::GOOD_CARD,
};

async fn claim(db: &Db, at: Timestamp) -> Option<Claim> {
    let mut tx = db.begin(System).await.unwrap();
    let claim = outbox::claim(&mut tx, None, at).await.unwrap();
    tx.commit().await.unwrap();
    claim
}

async fn renew(db: &Db, claim: &Claim, at: Timestamp) -> bool {
    let mut tx = db.begin(System).await.unwrap();
    let is_ours = outbox::renew(&mut tx, claim, at).await.unwrap();
    tx.commit().await.unwrap();
    is_ours
}

fn held(claim: &Claim) -> Held {
    Held { job: claim.id, run: claim.tries }
}

#[tokio::test]
async fn a_job_passes_on_half_a_minute_after_the_last_word_and_from_then_on_the_first_worker_writes_nothing()
{
    let app = TestApp::start().await;
    let (db, mut now) = (&app.db, app.clock.now());
    let mut tx = db.begin(System).await.unwrap();
    outbox::push(&mut tx, &Job::ApplyEvent("evt_1".to_owned()), now, now).await.unwrap();
    tx.commit().await.unwrap();
    let first = claim(db, now).await.unwrap();
    for _ in 0..10 {
        now += SignedDuration::from_secs(25);
        assert!(claim(db, now).await.is_none(), "it is alive");
        assert!(renew(db, &first, now).await);
    }

    now += SignedDuration::from_secs(31);
    // Not while it writes: what it has begun as its owner it ends as its owner.
    let writing = db::holding(held(&first), db.begin(System)).await.unwrap();
    assert!(claim(db, now).await.is_none());
    assert!(renew(db, &first, now - SignedDuration::from_secs(31)).await, "its own news get by");
    writing.commit().await.unwrap();

    let second = claim(db, now).await.expect("it has been silent");
    assert_eq!((second.id, second.tries), (first.id, first.tries + 1));
    assert!(db::holding(held(&first), db.begin(System)).await.is_err());
    assert!(db::holding(held(&second), db.begin(System)).await.is_ok());
    assert!(!renew(db, &first, now).await);
    let mut tx = db.begin(System).await.unwrap();
    outbox::done(&mut tx, &first, now).await.unwrap();
    outbox::again(&mut tx, &first, now, Some("late"), now).await.unwrap();
    assert!(!outbox::dead(&mut tx, &first, "late", now).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(app.texts("select concat_ws(' ', state, tries, last_error) from outbox").await, ["running 2"]);

    // Patience is not counted as a try, and all the same no number comes twice.
    let mut tx = db.begin(System).await.unwrap();
    outbox::again(&mut tx, &second, now, None, now).await.unwrap();
    tx.commit().await.unwrap();
    let third = claim(db, now).await.unwrap();
    assert!(third.tries > first.tries);
    assert!(db::holding(held(&first), db.begin(System)).await.is_err());
    app.execute("delete from outbox").await;
    app.finish().await;
}

/// As long as it takes: longer than a lease.
#[tokio::test]
async fn a_slow_worker_that_lives_keeps_its_job() {
    let database = Database::fresh().await;
    let world = Site::on(database.options()).await;
    let first = world.start().await;
    let second = world.start().await;
    world.outside.mailbox.fault(Stage::Body, Fault::Slow(Duration::from_secs(36)));
    let begin = Instant::now();
    site::sign_up(&browser(&first.url()), "bob@example.com").await;
    until(&database, "mails where state = 'sent'", 1).await;
    assert!(begin.elapsed() > Duration::from_secs(35), "it did not have to wait");
    until(&database, "outbox where kind = 'send_mail' and state = 'done' and tries = 1", 1).await;
    assert_eq!(world.outside.mailbox.list().len(), 1);
    first.end().await;
    second.end().await;
    database.drop().await;
}

#[tokio::test]
async fn a_frozen_worker_is_followed_by_another_and_does_no_harm_when_it_wakes_up() {
    let database = Database::fresh().await;
    let world = Site::on(database.options()).await;
    let frozen = world.start().await;
    let stripe = &world.outside.stripe;
    let (proxy, front, _stop) = Proxy::start(frozen.address()).await;
    stripe.set_webhook_url(front.join("/webhooks/stripe").unwrap());
    let dora = browser(&frozen.url());
    let reference = site::draft(&dora).await;
    let session = site::press_pay(&dora, &reference).await;
    // Charged, and the answer reaches a process that has stood still for half a minute.
    stripe.fault(stripe::Endpoint::Capture, stripe::Fault::Slow(Duration::from_secs(4)));
    stripe.pay(&session, GOOD_CARD).unwrap();
    until(&database, "outbox where kind = 'capture_money' and state = 'running'", 1).await;
    frozen.signal(Signal::SIGSTOP);
    let living = world.start().await;
    proxy.lead_to(&living);
    until(&database, "attempts where state = 'captured'", 1).await;
    until(&database, "outbox where kind = 'capture_money' and state = 'done'", 1).await;
    until(&database, "mails where state = 'queued'", 0).await;
    let kept = "select to_jsonb(t)::text from outbox t where state = 'done'";
    let before = site::texts(&database, kept).await;

    frozen.signal(Signal::SIGCONT);
    until(
        &database,
        "pg_stat_activity where datname = current_database() and state = 'idle in transaction'",
        0,
    )
    .await;
    // It ends only after what it has in hand.
    frozen.end().await;
    let after = site::texts(&database, kept).await;
    assert!(
        before.iter().all(|job| after.contains(job)),
        "what was done is another now: {before:#?} {after:#?}"
    );
    let intents = stripe.intents();
    assert!(intents.len() == 1 && intents[0].received == intents[0].amount);
    let mut ids: Vec<_> = world.outside.mailbox.list().into_iter().map(|mail| mail.message_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2);
    world.holds().await;
    living.end().await;
    database.drop().await;
}
