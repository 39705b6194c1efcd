//! The real program, killed for good in the middle of things: with the airline's or Stripe's yes in its hands and nothing of it
//! written down. Another one takes up where it fell, as soon as the lease of its job has run out.

use std::{collections::BTreeSet, time::Instant};

use nix::sys::signal::Signal;
use tokio::task::{JoinSet, LocalSet};

use crate::helpers::{
    cluster::Database,
    gate::{self, Gate},
    proxy::Proxy,
    site::{self, Site, browser, until},
    story::GOOD_CARD,
};

/// What is written on the way from "paid" to the last mail, and nothing of it was when the end came.
const STEPS: [(&str, &str, &str); 9] = [
    ("attempts", "state", "authorised"),
    ("bookings", "booking_status", "ticketing"),
    ("bookings", "supplier_status", "ordering"),
    // The airline has issued.
    ("bookings", "supplier_status", "ordered"),
    ("bookings", "booking_status", "confirmed"),
    // Stripe has charged.
    ("attempts", "state", "captured"),
    // The mail server has it.
    ("mails", "state", "sent"),
    // All is written but that the job is done.
    ("outbox", "kind", "order_at_supplier"),
    ("outbox", "kind", "capture_money"),
];

fn when((_, column, word): (&str, &str, &str)) -> String {
    match column {
        "kind" => format!("new.kind = '{word}' and new.state = 'done' and old.state <> 'done'"),
        _ => format!("new.{column} = '{word}' and old.{column} <> '{word}'"),
    }
}

/// All at once, for most of it is waiting: half a minute each until the lease of what was killed has run out.
#[tokio::test]
async fn u24_killed_before_any_commit_between_paid_and_mailed_it_loses_and_doubles_nothing() {
    let steps = async {
        let mut steps = JoinSet::new();
        for step in STEPS {
            steps.spawn_local(killed_before(step));
        }
        while let Some(step) = steps.join_next().await {
            step.unwrap();
        }
    };
    LocalSet::new().run_until(steps).await;
}

async fn killed_before(step: (&'static str, &'static str, &'static str)) {
    let database = Database::fresh().await;
    let world = Site::on(database.options()).await;
    let mut first = world.start().await;
    let (proxy, front, _stop) = Proxy::start(first.address()).await;
    world.outside.stripe.set_webhook_url(front.join("/webhooks/stripe").unwrap());
    let dora = browser(&first.url());
    let reference = site::draft(&dora).await;
    let session = site::press_pay(&dora, &reference).await;
    let gate = Gate::before(&database, &[(step.0, when(step))]).await;
    world.outside.stripe.pay(&session, GOOD_CARD).unwrap();
    gate::waiting(&database, 1).await;
    first.signal(Signal::SIGKILL);
    let (status, _) = first.ended(Instant::now()).await;
    assert!(!status.success(), "{step:?}");
    gate.open().await;

    // `until` gives it 60 seconds.
    let second = world.start().await;
    proxy.lead_to(&second);
    until(&database, "(select 1 from bookings b, attempts a where b.booking_status = 'confirmed' and a.state = 'captured') s", 1)
        .await;
    until(&database, "outbox where state in ('ready', 'running') and due_at <= now()", 0).await;
    until(&database, "mails where state = 'queued'", 0).await;
    done_once(&world, &database, step).await;
    second.end().await;
    database.drop().await;
}

async fn done_once(world: &Site, database: &Database, step: (&str, &str, &str)) {
    let intents = world.outside.stripe.intents();
    assert!(intents.len() == 1 && intents[0].status == "succeeded", "{step:?}: {intents:#?}");
    assert_eq!(intents[0].received, intents[0].amount, "{step:?}");
    assert!(world.outside.stripe.refunds().is_empty(), "{step:?}");
    let orders = site::texts(database, "select count(*)::text from timetable.orders").await;
    assert_eq!(orders, ["1"], "{step:?}");
    let owed = site::texts(database, "select kind from mails order by 1").await;
    assert_eq!(owed, ["booking_confirmation", "payment_receipt"], "{step:?}");
    // One may have come twice, where the end came after the server's yes: by its Message-ID it is one mail.
    let ids: BTreeSet<_> = world.outside.mailbox.list().into_iter().map(|mail| mail.message_id).collect();
    assert_eq!(ids.len(), 2, "{step:?}: {ids:?}");
    world.holds().await;
}
