//! PostgreSQL stops at once, with everything in flight, and comes back. Nobody restarts the program.

use std::process::Command;

use crate::helpers::{
    cluster::Database,
    gate::{self, Gate},
    proxy::Proxy,
    site::{self, Site, browser, until},
    story::GOOD_CARD,
};

#[tokio::test]
async fn u23_a_database_that_stops_at_once_between_paid_and_charged_loses_nothing_and_pages_say_so() {
    let mut database = Database::apart("outage").await;
    let world = Site::on(database.options()).await;
    let mut command = Command::new(site::program());
    // Three jobs stand at the gate, each in a transaction, and pages want some as well.
    command.env("DATABASE_MAX_CONNECTIONS", "10");
    let process = world.start_as(command).await;
    let (_proxy, front, _stop) = Proxy::start(process.address()).await;
    world.outside.stripe.set_webhook_url(front.join("/webhooks/stripe").unwrap());
    let mut buyers = Vec::new();
    for _ in 0..3 {
        let buyer = browser(&process.url());
        let reference = site::draft(&buyer).await;
        let session = site::press_pay(&buyer, &reference).await;
        buyers.push((buyer, reference, session));
    }
    // Each is caught at another step: heard of, ordered at the airline, charged at Stripe; nothing of it written.
    let of = |number: usize| {
        let reference: &String = &buyers[number].1;
        format!("(select id from bookings where booking_reference = '{reference}')")
    };
    let ids =
        site::texts(&database, &format!("select unnest(array[{}, {}, {}])::text", of(0), of(1), of(2))).await;
    let state = |column, word, id| format!("new.{column} = '{word}' and old.{column} <> '{word}' and {id}");
    let gates = [
        ("attempts", state("state", "authorised", format!("new.booking_id = '{}'", ids[0]))),
        ("bookings", state("supplier_status", "ordered", format!("new.id = '{}'", ids[1]))),
        ("attempts", state("state", "captured", format!("new.booking_id = '{}'", ids[2]))),
    ];
    let _gate = Gate::before(&database, &gates).await;
    for (_, _, session) in &buyers {
        world.outside.stripe.pay(session, GOOD_CARD).unwrap();
    }
    gate::waiting(&database, 3).await;
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
