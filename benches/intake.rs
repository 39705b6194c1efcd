//! What it costs to take one of Stripe's events in: `cargo bench --bench intake`. The real program on a PostgreSQL that
//! keeps what it says, beside nothing but the raw `INSERT … ON CONFLICT` of the same events into the same table, in pairs that
//! change places. Both have as many connections to PostgreSQL; Stripe, which sends a burst at once, has more to the program.
//! The jobs that the events ask for wait. `PROGRAM` measures another build.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may panic")]

#[path = "../tests/it/helpers/mod.rs"]
mod helpers;

use std::{
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use helpers::site::{self, HOST, Site};
use jetbridge::{
    clock::Clock,
    embedded::{Cluster, ClusterSettings, Profile},
};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const PAIRS: usize = 7;
/// To PostgreSQL.
const CONNECTIONS: usize = 10;
/// To the program.
const SENDERS: usize = 40;
/// In each half of a pair.
const EVENTS: usize = 4_000;
/// As the issue of the program has it.
const GOAL: f64 = 0.6;

/// Of the length that Stripe's have.
fn event(id: &str) -> Value {
    json!({
        "id": id, "object": "event", "type": "jetbridge.bench", "created": Clock::system().now().as_second(),
        "livemode": false, "api_version": "2026-09-30.endive", "pending_webhooks": 1, "request": null,
        "data": { "object": { "object": "customer", "id": "cus_1", "description": "x".repeat(2_000) } }
    })
}

/// The requests of one sender, signed before anybody looks at the clock.
fn requests(site: &Site, name: &str) -> Vec<String> {
    let one = |n| {
        let body = event(&format!("evt_{name}_{n}")).to_string();
        let signature = site.outside.stripe.sign(&body);
        format!(
            "POST /webhooks/stripe HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\nx-forwarded-for: 198.51.100.7\r\n\
             stripe-signature: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    (0..EVENTS / SENDERS).map(one).collect()
}

async fn send(to: SocketAddr, requests: Vec<String>) {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answer = vec![0; 8_192];
    for request in requests {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut read = 0;
        // It has no body: the empty line ends it.
        while !answer[..read].ends_with(b"\r\n\r\n") {
            let more = stream.read(&mut answer[read..]).await.unwrap();
            assert!(more > 0, "hung up after {}", String::from_utf8_lossy(&answer[..read]));
            read += more;
        }
        let answer = String::from_utf8_lossy(&answer[..read]);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("content-length: 0"), "{answer}");
    }
}

async fn through_the_program(site: &Site, to: SocketAddr, round: usize) -> Duration {
    let all: Vec<Vec<String>> =
        (0..SENDERS).map(|sender| requests(site, &format!("in_{round}_{sender}"))).collect();
    let began = Instant::now();
    let senders: Vec<_> = all.into_iter().map(|requests| tokio::spawn(send(to, requests))).collect();
    for sender in senders {
        sender.await.unwrap();
    }
    began.elapsed()
}

async fn insert(mut sql: PgConnection, events: Vec<(String, Value)>) -> PgConnection {
    for (id, payload) in events {
        sqlx::query(
            "insert into stripe_events (id, kind, livemode, created, received_at, payload, state)
             values ($1, 'jetbridge.bench', false, now(), now(), $2, 'received') on conflict (id) do nothing",
        )
        .bind(id)
        .bind(payload)
        .execute(&mut sql)
        .await
        .unwrap();
    }
    sql
}

async fn raw(connections: &mut Vec<PgConnection>, round: usize) -> Duration {
    let of = |sender| {
        let id = |n| format!("evt_raw_{round}_{sender}_{n}");
        (0..EVENTS / CONNECTIONS).map(|n| (id(n), event(&id(n)))).collect::<Vec<_>>()
    };
    let all: Vec<_> = (0..CONNECTIONS).map(of).collect();
    let began = Instant::now();
    let senders: Vec<_> =
        connections.drain(..).zip(all).map(|(sql, events)| tokio::spawn(insert(sql, events))).collect();
    for sender in senders {
        connections.push(sender.await.unwrap());
    }
    began.elapsed()
}

#[tokio::main]
async fn main() {
    let dir = std::env::temp_dir().join(format!("jetbridge-intake-{}", std::process::id()));
    let settings = ClusterSettings {
        dir: dir.clone(),
        bin_dir: std::env::var_os("PG_BIN_DIR").map(Into::into),
        profile: Profile::Lasting,
    };
    let cluster = Cluster::start(&settings).await.unwrap();
    cluster.create_database("intake", None).await.unwrap();
    let site = Site::on(cluster.options("intake")).await;
    let mut command = Command::new(std::env::var_os("PROGRAM").map_or_else(site::program, Into::into));
    command.env("DATABASE_MAX_CONNECTIONS", CONNECTIONS.to_string());
    let process = site.start_as(command).await;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(PgConnection::connect_with(&cluster.superuser_options("intake")).await.unwrap());
    }
    sqlx::raw_sql(
        "create function wait() returns trigger language plpgsql as
             $$ begin new.due_at := new.due_at + interval '1 day'; return new; end $$;
         create trigger wait before insert on outbox for each row execute function wait();",
    )
    .execute(&mut connections[0])
    .await
    .unwrap();

    let rate = |took: Duration| EVENTS as f64 / took.as_secs_f64();
    println!("{:>5}{:>16}{:>16}{:>8}", "pair", "intake, 1/s", "INSERT, 1/s", "ratio");
    let mut ratios = Vec::new();
    // The first of them warms both up.
    for round in 0..=PAIRS {
        let (intake, insert) = if round % 2 == 0 {
            let intake = through_the_program(&site, process.address(), round).await;
            (intake, raw(&mut connections, round).await)
        } else {
            let insert = raw(&mut connections, round).await;
            (through_the_program(&site, process.address(), round).await, insert)
        };
        if round > 0 {
            let ratio = rate(intake) / rate(insert);
            println!("{round:>5}{:>16.0}{:>16.0}{ratio:>8.2}", rate(intake), rate(insert));
            ratios.push(ratio);
        }
    }
    ratios.sort_by(f64::total_cmp);
    println!("median of the ratios: {:.2} (goal {GOAL})", ratios[PAIRS / 2]);
    drop(connections);
    process.end().await;
    cluster.stop();
    std::fs::remove_dir_all(&dir).unwrap();
}
