//! The real program, killed for good in the middle of things: with the airline's or Stripe's yes in its hands and nothing of it
//! written down. Another one takes up where it fell.

use jetbridge::sandbox::stripe;
use nix::sys::signal::Signal;
use sqlx::{Connection, PgConnection};

use crate::helpers::{
    cluster::Database,
    site::{self, Process, Site, browser, until},
    story::GOOD_CARD,
};

/// Whoever writes one of these stands still before the commit, for as long as the test holds the lock.
const GATE: i64 = 4_711;

/// A state on the way from "paid" to "charged", and where it is written.
const STEPS: [(&str, &str, &str); 6] = [
    ("attempts", "state", "authorised"),
    ("bookings", "booking_status", "ticketing"),
    ("bookings", "supplier_status", "ordering"),
    ("bookings", "supplier_status", "ordered"),
    ("bookings", "booking_status", "confirmed"),
    ("attempts", "state", "captured"),
];

/// The superuser's hand on the gate.
struct Gate(PgConnection);

impl Gate {
    async fn before(database: &Database, (table, column, state): (&str, &str, &str)) -> Self {
        let mut sql = database.superuser().await;
        let trigger = format!(
            "create function stand_still() returns trigger language plpgsql security definer as $$
             begin perform pg_advisory_xact_lock_shared({GATE}); return new; end $$;
             create trigger stand_still before update on {table} for each row
                 when (new.{column} = '{state}' and old.{column} <> '{state}') execute function stand_still();
             select pg_advisory_lock({GATE});"
        );
        sqlx::raw_sql(&trigger).execute(&mut sql).await.unwrap();
        Self(sql)
    }

    async fn open(mut self, table: &str) {
        let open = format!(
            "select pg_advisory_unlock({GATE}); drop trigger stand_still on {table}; drop function stand_still();"
        );
        sqlx::raw_sql(&open).execute(&mut self.0).await.unwrap();
        self.0.close().await.unwrap();
    }
}

async fn waiting_at_the_gate(database: &Database) {
    until(database, "pg_locks where locktype = 'advisory' and not granted", 1).await;
}

/// The next process: what the dead one had claimed is free again once its lease has run out.
async fn another(database: &Database, world: &Site) -> Process {
    let mut sql = database.superuser().await;
    let later = "update outbox set lease_until = now() - interval '1 second' where state = 'running'";
    sqlx::raw_sql(later).execute(&mut sql).await.unwrap();
    sql.close().await.unwrap();
    world.start().await
}

#[tokio::test]
async fn killed_before_any_commit_between_paid_and_charged_it_loses_and_doubles_nothing() {
    for step in STEPS {
        let database = Database::fresh().await;
        let world = Site::on(database.options()).await;
        let mut first = world.start().await;
        world.outside.stripe.set_webhook_url(first.url().join("/webhooks/stripe").unwrap());
        let session = site::at_stripe(&browser(&first.url()), "alice@example.com").await;
        let gate = Gate::before(&database, step).await;
        world.outside.stripe.pay(&session, GOOD_CARD).unwrap();
        waiting_at_the_gate(&database).await;
        first.signal(Signal::SIGKILL);
        let begin = std::time::Instant::now();
        let (status, _) = first.ended(begin).await;
        assert!(!status.success(), "{step:?}");
        gate.open(step.0).await;

        let second = another(&database, &world).await;
        world.outside.stripe.set_webhook_url(second.url().join("/webhooks/stripe").unwrap());
        until(&database, "bookings where booking_status = 'confirmed'", 1).await;
        until(&database, "attempts where state = 'captured'", 1).await;
        until(&database, "mails where state = 'queued'", 0).await;
        charged_once(&world, &database, step).await;
        second.end().await;
        database.drop().await;
    }
}

async fn charged_once(world: &Site, database: &Database, step: (&str, &str, &str)) {
    let intents: Vec<stripe::Intent> = world.outside.stripe.intents();
    assert!(intents.len() == 1 && intents[0].status == "succeeded", "{step:?}: {intents:#?}");
    assert!(world.outside.stripe.refunds().is_empty(), "{step:?}");
    for (counted, wanted) in [("timetable.orders", "1"), ("mails where kind = 'booking_confirmation'", "1")] {
        let found = site::texts(database, &format!("select count(*)::text from {counted}")).await;
        assert_eq!(found, [wanted], "{step:?}: {counted}");
    }
    world.holds().await;
}
