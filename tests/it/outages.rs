//! PostgreSQL stops at once, with everything in flight, and comes back. Nobody restarts the program.

use crate::helpers::{
    cluster::Database,
    gate::{self, Gate},
    proxy::Proxy,
    site::{self, Site, browser, until},
    story::GOOD_CARD,
};

/// The airline has issued, and nothing of that is written.
#[tokio::test]
async fn u23_a_database_that_stops_at_once_after_the_tickets_loses_nothing_and_pages_say_so() {
    let ordered = "new.supplier_status = 'ordered' and old.supplier_status <> 'ordered'";
    stopped_before("ordered", ("bookings", ordered)).await;
}

/// Stripe has charged, and nothing of that is written.
#[tokio::test]
async fn u23_a_database_that_stops_at_once_after_the_charge_loses_nothing_and_pages_say_so() {
    let captured = "new.state = 'captured' and old.state <> 'captured'";
    stopped_before("captured", ("attempts", captured)).await;
}

/// Three have paid: the first stands at the step, the others are wherever they are.
async fn stopped_before(name: &str, (table, when): (&str, &str)) {
    let mut database = Database::apart(name).await;
    let world = Site::on(database.options()).await;
    let process = world.start().await;
    let (_proxy, front, _stop) = Proxy::start(process.address()).await;
    world.outside.stripe.set_webhook_url(front.join("/webhooks/stripe").unwrap());
    let mut buyers = Vec::new();
    for _ in 0..3 {
        let buyer = browser(&process.url());
        let reference = site::draft(&buyer).await;
        let session = site::press_pay(&buyer, &reference).await;
        buyers.push((buyer, reference, session));
    }
    let _gate = Gate::before(&database, &[(table, "update", when.to_owned())]).await;
    for (_, _, session) in &buyers {
        world.outside.stripe.pay(session, GOOD_CARD).unwrap();
    }
    gate::waiting(&database, 1).await;
    database.stop_at_once().await;

    let (buyer, reference, _) = &buyers[1];
    let page = buyer.get(&format!("/bookings/{reference}")).await.expect(503);
    page.says("Our books are closed for a moment").says("You are charged only for confirmed seats.");
    page.says("What you have paid is not lost.");
    assert_eq!(page.header("retry-after"), Some("20"));
    assert_eq!(process.health(&["--ready"]).await, Some(1));
    assert_eq!(process.health(&[]).await, Some(0));

    database.start_again().await;
    // Not one of the connections that died is ever a visitor's.
    for (buyer, reference, _) in buyers.iter().cycle().take(12) {
        buyer.get(&format!("/bookings/{reference}")).await.expect(200);
    }
    until(&database, "bookings where booking_status = 'confirmed'", 3).await;
    until(&database, "attempts where state = 'captured'", 3).await;
    until(&database, "mails where state = 'queued'", 0).await;
    let intents = world.outside.stripe.intents();
    assert!(intents.len() == 3 && intents.iter().all(|intent| intent.received == intent.amount));
    assert!(world.outside.stripe.refunds().is_empty());
    assert_eq!(site::texts(&database, "select count(*)::text from timetable.orders").await, ["3"]);
    world.holds().await;
    process.end().await;
}
