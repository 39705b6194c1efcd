//! Killed between "paid" and the last mail.

use std::collections::BTreeSet;

use super::{Commit, all_at_once, at_rest, kill, update};
use crate::helpers::{
    cluster::Database,
    proxy::Proxy,
    site::{self, Site, browser, until},
    story::GOOD_CARD,
};

/// What is written on the way, and nothing of it was when the end came.
const STEPS: [Commit; 9] = [
    update("attempts", "new.state = 'authorised' and old.state <> 'authorised'"),
    update("bookings", "new.booking_status = 'ticketing' and old.booking_status <> 'ticketing'"),
    update("bookings", "new.supplier_status = 'ordering' and old.supplier_status <> 'ordering'"),
    // The airline has issued.
    update("bookings", "new.supplier_status = 'ordered' and old.supplier_status <> 'ordered'"),
    update("bookings", "new.booking_status = 'confirmed' and old.booking_status <> 'confirmed'"),
    // Stripe has charged.
    update("attempts", "new.state = 'captured' and old.state <> 'captured'"),
    // The mail server has it.
    update("mails", "new.state = 'sent' and old.state <> 'sent'"),
    // All is written but that the job is done.
    update("outbox", "new.kind = 'order_at_supplier' and new.state = 'done' and old.state <> 'done'"),
    update("outbox", "new.kind = 'capture_money' and new.state = 'done' and old.state <> 'done'"),
];

#[tokio::test]
async fn u24_killed_before_any_commit_between_paid_and_mailed_it_loses_and_doubles_nothing() {
    all_at_once("between paid and mailed", STEPS, killed_before).await;
}

async fn killed_before(step: Commit) {
    let database = Database::fresh().await;
    let world = Site::on(database.options()).await;
    let mut first = world.start().await;
    let (proxy, front, _stop) = Proxy::start(first.address()).await;
    world.outside.stripe.set_webhook_url(front.join("/webhooks/stripe").unwrap());
    let dora = browser(&first.url());
    let reference = site::draft(&dora).await;
    let session = site::press_pay(&dora, &reference).await;
    let gate = step.gate(&database).await;
    world.outside.stripe.pay(&session, GOOD_CARD).unwrap();
    kill(&mut first, gate, &database).await;

    // Here the lease runs out by itself: `until` gives it 60 seconds.
    let second = world.start().await;
    proxy.lead_to(&second);
    bought_once(&world, &database, step).await;
    second.end().await;
    database.drop().await;
}

/// Confirmed, charged and told, each of them once.
pub(super) async fn bought_once(world: &Site, database: &Database, step: Commit) {
    let bought = "(select 1 from bookings b, attempts a where b.booking_status = 'confirmed' and a.state = 'captured') s";
    until(database, bought, 1).await;
    at_rest(database).await;
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
