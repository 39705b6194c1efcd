//! One process takes over from another, and a process that is told to stop. With `JETBRIDGE_PREVIOUS=PROGRAM` the first of them
//! is that program, as on the day of a release.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use jetbridge::sandbox::mailbox::{Fault, Stage};
use nix::sys::signal::Signal;
use sqlx::Connection;

use crate::helpers::{
    cluster::Database,
    proxy::Proxy,
    site::{self, Process, Site, browser},
    story::GOOD_CARD,
};

/// What hosts give a process between SIGTERM and SIGKILL.
const LIMIT: Duration = Duration::from_secs(10);
const LOGIN_HEAD: &str = "POST /login HTTP/1.1\r\nHost: fly.example.com\r\nContent-Length: 9\r\n\
     Content-Type: application/x-www-form-urlencoded\r\n\r\n";

/// Ends the old process while the new one serves, with a request on its way into the old one.
async fn take_over(proxy: &Proxy, mut old: Process, new: &Process, is_proxy_late: bool) {
    // A host leads visitors to the new one first. Some hear of it late.
    if !is_proxy_late {
        proxy.lead_to(new);
    }
    let under_way = old.talk(&[LOGIN_HEAD, "email=bob"], Duration::from_millis(600));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begin = Instant::now();
    old.signal(Signal::SIGTERM);
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(old.health(&["--ready"]).await, Some(1), "it says that it can serve while it stops");
    assert_eq!(old.health(&[]).await, Some(0), "it is gone before anybody could know");
    proxy.lead_to(new);
    let answer = tokio::task::spawn_blocking(|| under_way.join().unwrap()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 4"), "a request under way was dropped: {answer}");
    assert!(answer.to_lowercase().contains("\r\nconnection: close\r\n"), "{answer}");
    let (status, took) = old.ended(begin).await;
    assert!(status.success() && took < LIMIT, "{status} after {took:?}");
}

/// The release before this one, where its program is at hand; otherwise this one again.
fn previous() -> PathBuf {
    std::env::var_os("JETBRIDGE_PREVIOUS").map_or_else(site::program, PathBuf::from)
}

#[tokio::test]
async fn one_process_takes_over_from_another_and_nobody_notices() {
    // The older one makes its tables, the newer one migrates them below it.
    let database = Database::empty().await;
    let world = Site::on(database.options()).await;
    let first = world.start_as(Command::new(previous())).await;
    let (proxy, url, _stop) = Proxy::start(first.address()).await;
    world.outside.stripe.set_webhook_url(url.join("/webhooks/stripe").unwrap());
    // Six people stand on Stripe's page; bob is signed in and looks around all the time.
    let mut sessions = Vec::new();
    for number in 0..6 {
        sessions.push(site::at_stripe(&browser(&url), &format!("alice{number}@example.com")).await);
    }
    let bob = browser(&url);
    site::sign_up(&bob, "bob@example.com").await;

    let changing = async {
        let mut old = first;
        for (is_proxy_late, paying) in [(false, &sessions[..3]), (true, &sessions[3..])] {
            let new = world.start().await;
            for session in paying {
                world.outside.stripe.pay(session, GOOD_CARD).unwrap();
            }
            take_over(&proxy, old, &new, is_proxy_late).await;
            old = new;
        }
        old
    };
    let mut looks = 0;
    let looking = async {
        loop {
            bob.get("/account").await.expect(200).says("bob@example.com");
            browser(&url).get("/").await.expect(200);
            looks += 2;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let last = tokio::select! {
        last = changing => last,
        () = looking => unreachable!("they look for ever"),
    };
    assert!(looks >= 10, "{looks}");

    site::until(&database, "bookings where booking_status = 'confirmed'", 6).await;
    site::until(&database, "mails where state = 'queued'", 0).await;
    let failures = proxy.failures();
    assert!(failures.is_empty(), "{failures:#?}");
    // Nothing was done twice: not the money, not the seats, not the letters.
    let intents = world.outside.stripe.intents();
    assert!(intents.len() == 6 && intents.iter().all(|intent| intent.status == "succeeded"));
    assert!(world.outside.stripe.refunds().is_empty());
    let sent = world.outside.mailbox.list();
    let ids: BTreeSet<String> = sent.iter().filter_map(|mail| mail.message_id.clone()).collect();
    assert_eq!(ids.len(), sent.len(), "a mail was sent twice");
    let repeated = "mails where booking_id is not null group by booking_id, kind having count(*) > 1";
    assert!(site::texts(&database, &format!("select kind from {repeated}")).await.is_empty());
    world.holds().await;
    last.end().await;
    database.drop().await;
}

#[tokio::test]
async fn even_with_a_job_that_hangs_and_a_visitor_who_dawdles_it_ends_within_ten_seconds() {
    let database = Database::fresh().await;
    let world = Site::on(database.options()).await;
    let mut process = world.start().await;
    world.outside.mailbox.fault(Stage::Mail, Fault::Hang(Duration::from_secs(60)));
    site::sign_up(&browser(&process.url()), "bob@example.com").await;
    site::until(&database, "outbox where kind = 'send_mail' and state = 'running'", 1).await;
    let dawdling = process.talk(&[LOGIN_HEAD, "half"], Duration::from_millis(50));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begin = Instant::now();
    process.signal(Signal::SIGTERM);
    let (status, took) = process.ended(begin).await;
    assert!(status.success() && took < LIMIT, "{status} after {took:?}");
    tokio::task::spawn_blocking(|| dawdling.join().unwrap()).await.unwrap();
    // The mail is not lost: another process takes it up when the lease of the first has run out.
    assert_eq!(site::texts(&database, "select state from mails").await, ["queued"]);
    database.drop().await;
}

#[tokio::test]
async fn a_version_that_was_taken_back_starts_on_what_the_newer_one_has_migrated() {
    let database = Database::fresh().await;
    let mut sql = database.superuser().await;
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                 values (900000, 'of a newer version', true, 'x', 1)";
    sqlx::raw_sql(newer).execute(&mut sql).await.unwrap();
    sql.close().await.unwrap();
    let world = Site::on(database.options()).await;
    let process = world.start().await;
    browser(&process.url()).get("/").await.expect(200);
    process.end().await;
    database.drop().await;
}
