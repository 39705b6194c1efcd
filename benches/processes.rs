//! What N processes on one PostgreSQL do, and what a page costs each side: `cargo bench --bench processes`. It starts the real
//! program one, two and four times on a private PostgreSQL, sends each group the same mix of pages for some seconds, and
//! prints requests per second, times, and CPU per request of the processes and of PostgreSQL. The CPU figures hold on a
//! machine that does other things too; the others want it alone. `PROGRAM` measures another build than this one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may panic")]

#[path = "../tests/it/helpers/mod.rs"]
mod helpers;

use std::{
    fs,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use helpers::{
    cluster::Database,
    site::{self, HOST, Process, Site, browser},
};
use sqlx::Connection;

const LASTS: Duration = Duration::from_secs(8);
const VISITORS: usize = 16;
/// The kernel counts a process's time in these.
const TICKS_PER_SECOND: f64 = 100.0;

/// The fields of /proc/PID/stat after the name, which may hold spaces.
fn stat(pid: &str) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

fn ticks(pid: &str) -> f64 {
    let fields = stat(pid).unwrap_or_default();
    // User and system time, and those of children that have ended.
    (11..15).filter_map(|at| fields.get(at)?.parse::<f64>().ok()).sum()
}

/// Of PostgreSQL: the server that is the parent of this connection's process, and all its children.
async fn postgres(database: &Database) -> impl Fn() -> f64 + use<> {
    let mut sql = database.superuser().await;
    let backend: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut sql).await.unwrap();
    let server = stat(&backend.to_string()).unwrap()[1].clone();
    sql.close().await.unwrap();
    move || {
        let all =
            fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let children = all.filter(|pid| stat(pid).is_some_and(|fields| fields[1] == server));
        ticks(&server) + children.map(|pid| ticks(&pid)).sum::<f64>()
    }
}

struct Load {
    name: &'static str,
    path: String,
    cookie: Option<String>,
}

/// Everybody asks one page after the other, each from an address of their own; how long each answer took.
async fn visit(processes: &[Process], loads: &[Load]) -> Vec<Duration> {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let requests: Vec<(String, Option<String>)> = (0..)
        .zip(loads.iter().cycle())
        .take(processes.len() * loads.len())
        .map(|(at, load)| {
            let url = processes[at % processes.len()].url();
            (url.join(&load.path).unwrap().to_string(), load.cookie.clone())
        })
        .collect();
    let requests = Arc::new(requests);
    let until = Instant::now() + LASTS;
    let visitors = (0..VISITORS).map(|visitor| {
        let (http, requests) = (http.clone(), Arc::clone(&requests));
        tokio::spawn(async move {
            let mut took = Vec::new();
            for turn in visitor.. {
                if Instant::now() >= until {
                    break;
                }
                let (url, cookie) = &requests[turn % requests.len()];
                let address = format!("198.51.{}.{}", turn / 250 % 250, turn % 250);
                let mut request = http.get(url).header("host", HOST).header("x-forwarded-for", address);
                if let Some(cookie) = cookie {
                    request = request.header("cookie", cookie);
                }
                let began = Instant::now();
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status(), 200, "{url}");
                answer.bytes().await.unwrap();
                took.push(began.elapsed());
            }
            took
        })
    });
    let mut all = Vec::new();
    for visitor in visitors.collect::<Vec<_>>() {
        all.append(&mut visitor.await.unwrap());
    }
    all.sort();
    all
}

fn memory(process: &Process) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

#[tokio::main]
async fn main() {
    println!(
        "{:<34}{:>4}{:>9}{:>9}{:>9}{:>12}{:>12}{:>8}{:>7}",
        "pages", "N", "req/s", "p50 ms", "p95 ms", "app CPU ms", "PG CPU ms", "MiB", "conns"
    );
    for count in [1, 2, 4] {
        let database = Database::fresh().await;
        let world = Site::on(database.options()).await;
        let mut processes = Vec::new();
        for _ in 0..count {
            let mut command =
                Command::new(std::env::var_os("PROGRAM").map_or_else(site::program, Into::into));
            command.env("DATABASE_MAX_CONNECTIONS", "10");
            processes.push(world.start_as(command).await);
        }
        let alice = browser(&processes[0].url());
        site::at_stripe(&alice, "alice@example.com").await;
        let found = alice.get(&site::search()).await.expect(200);
        let offer = found.attr("a[href^='/offers/']", "href");
        let cookies: Vec<String> = alice
            .cookie_names()
            .into_iter()
            .map(|name| format!("{name}={}", alice.cookie(&name).unwrap_or_default()))
            .collect();
        let cookies = cookies.join("; ");
        let guest = |name, path: &str| Load { name, path: path.to_owned(), cookie: None };
        let own = |name, path: &str| Load { name, path: path.to_owned(), cookie: Some(cookies.clone()) };
        let mixes = [
            vec![guest("home, a guest", "/")],
            vec![guest("flights from the cache, a guest", &site::search())],
            vec![own("own bookings, signed in", "/bookings")],
            vec![
                guest("", "/"),
                guest("", &site::search()),
                guest("", &offer),
                own("all of these and an offer", "/bookings"),
            ],
        ];
        let postgres_ticks = postgres(&database).await;
        for mix in mixes {
            let app_ticks = || processes.iter().map(|process| ticks(&process.pid().to_string())).sum::<f64>();
            let (app, pg, began) = (app_ticks(), postgres_ticks(), Instant::now());
            let took = visit(&processes, &mix).await;
            let (requests, seconds) = (took.len() as f64, began.elapsed().as_secs_f64());
            let per_request = |ticks: f64| ticks / TICKS_PER_SECOND * 1000.0 / requests;
            let at = |part: usize| took[took.len() * part / 100].as_secs_f64() * 1000.0;
            let mut sql = database.superuser().await;
            let connections: i64 = sqlx::query_scalar("select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
                .fetch_one(&mut sql).await.unwrap();
            sql.close().await.unwrap();
            println!(
                "{:<34}{count:>4}{:>9.0}{:>9.1}{:>9.1}{:>12.2}{:>12.2}{:>8.0}{connections:>7}",
                mix.last().unwrap().name,
                requests / seconds,
                at(50),
                at(95),
                per_request(app_ticks() - app),
                per_request(postgres_ticks() - pg),
                memory(&processes[0]),
            );
        }
        for process in processes {
            process.end().await;
        }
        database.drop().await;
    }
}
