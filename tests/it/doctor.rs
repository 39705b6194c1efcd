//! `jetbridge doctor` as an operator runs it: the real program, over a healthy world and over one with each fault in it.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::Stdio,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use jetbridge::{
    clock::Clock,
    sandbox::mailbox::{self, Mailbox, Stage},
};
use sqlx::{ConnectOptions, Connection};
use tokio::process::Command;

use crate::helpers::{
    cluster::Database,
    duffel::{Duffel, Fault, TOKEN},
};

const VERSION: &str = "2026-09-30.endive";
const KEY: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_BYTES: &str = "k1:AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_NAME: &str = "k2:AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const SECRETS: [&str; 4] = ["sk_test_hunter2", "whsec_hunter3", "AAECAw", "hunter4"];

/// Stripe as far as the doctor asks it, in whatever mood.
#[derive(Clone)]
struct Mood {
    status: u16,
    date: String,
    endpoints: Option<serde_json::Value>,
    hangs: bool,
}

struct Stripe {
    url: String,
    mood: Arc<Mutex<Mood>>,
}

impl Stripe {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mood = Arc::new(Mutex::new(Mood {
            status: 200,
            date: date(0),
            endpoints: Some(endpoint("enabled", Some(VERSION), &["*"])),
            hangs: false,
        }));
        let theirs = Arc::clone(&mood);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mood = theirs.lock().unwrap().clone();
                std::thread::spawn(move || answer(stream, &mood));
            }
        });
        Self { url, mood }
    }

    fn set(&self, change: impl FnOnce(&mut Mood)) {
        change(&mut self.mood.lock().unwrap());
    }
}

fn answer(mut stream: TcpStream, mood: &Mood) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let asked = lines.next().unwrap().unwrap();
    let headers: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    assert!(
        headers.iter().any(|line| line.to_lowercase() == format!("stripe-version: {VERSION}")),
        "{headers:?}"
    );
    if mood.hangs {
        std::thread::sleep(Duration::from_secs(60));
    }
    let (status, body) = if !asked.contains("webhook_endpoints") {
        (mood.status, serde_json::json!({"data": []}))
    } else if let Some(endpoint) = &mood.endpoints {
        (200, serde_json::json!({"data": [endpoint]}))
    } else {
        (403, serde_json::json!({}))
    };
    let body = body.to_string();
    let _ = write!(
        stream,
        "HTTP/1.1 {status} As told\r\nDate: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        mood.date,
        body.len()
    );
}

fn endpoint(status: &str, version: Option<&str>, events: &[&str]) -> serde_json::Value {
    serde_json::json!({
        "url": "https://fly.example.com/webhooks/stripe",
        "status": status, "api_version": version, "enabled_events": events,
    })
}

fn date(seconds_ahead: i64) -> String {
    let then = Clock::system().now() + jiff::SignedDuration::from_secs(seconds_ahead);
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&then).unwrap()
}

/// All that a rehearsal needs, healthy.
struct World {
    database: Database,
    stripe: Stripe,
    mailbox: Mailbox,
}

struct Said {
    code: Option<i32>,
    text: String,
    took: Duration,
}

impl World {
    async fn new() -> Self {
        let database = Database::fresh().await;
        let settings = mailbox::Settings {
            clock: Clock::system(),
            port: 0,
            directory: None,
            door: mailbox::Door::default(),
        };
        let world =
            Self { database, stripe: Stripe::start(), mailbox: Mailbox::start(settings).await.unwrap() };
        let owner = "insert into auth.users (id, email, password_hash, staff_role)
                     values (gen_random_uuid(), 'o@example.com', '$argon2id$x', 'owner')";
        world.execute(owner).await;
        world
    }

    async fn execute(&self, statement: &str) {
        let mut sql = self.database.superuser().await;
        sqlx::raw_sql(statement)
            .execute(&mut sql)
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
        sql.close().await.unwrap();
    }

    fn environment(&self) -> Vec<(String, String)> {
        let database = self.database.options().to_url_lossy().to_string();
        let own = [
            ("JETBRIDGE_MODE", "production"),
            ("JETBRIDGE_ALLOW_TEST_MODE", "1"),
            ("BASE_URL", "https://fly.example.com"),
            ("DATABASE_URL", &database),
            ("STRIPE_SECRET_KEY", "sk_test_hunter2"),
            ("STRIPE_WEBHOOK_SECRETS", "whsec_hunter3hunter3hunter3hunter3hunter3"),
            ("STRIPE_API_URL", &self.stripe.url),
            ("SMTP_URL", &self.mailbox.smtp_url()),
            ("MAIL_FROM", "Fly <fly@flyltd.com>"),
            ("SUPPLIER", "timetable"),
            ("ENCRYPTION_KEYS", KEY),
            ("TRUSTED_PROXY_HOPS", "1"),
            ("SELLER_NAME", "Fly Ltd"),
            ("SELLER_ADDRESS", "1 Road"),
            ("SELLER_EMAIL", "help@flyltd.com"),
        ];
        own.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    async fn see(&self, changes: &[(&str, &str)]) -> Said {
        let environment = self.environment();
        let changed: Vec<(&str, &str)> = environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain(changes.iter().copied())
            .collect();
        see(&changed, &[]).await
    }

    async fn end(self) {
        self.database.drop().await;
    }
}

/// The later of two values counts.
async fn see(environment: &[(&str, &str)], arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jetbridge"));
    command.arg("doctor").args(arguments).env_clear().stdin(Stdio::null());
    for name in ["PATH", "HOME", "PG_BIN_DIR", "TMPDIR", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(environment.iter().copied());
    let begin = Instant::now();
    let output = command.output().await.unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} was printed: {text}");
    }
    Said { code: output.status.code(), text, took: begin.elapsed() }
}

impl Said {
    /// A line of this state that names the check and says this, and the exit code that belongs to it.
    #[track_caller]
    fn expect(&self, state: &str, check: &str, says: &str) {
        let line = self
            .text
            .lines()
            .find(|line| line.starts_with(state) && line.contains(check) && line.contains(says));
        assert!(line.is_some(), "no line: {state} {check} {says}\n{}", self.text);
        assert_eq!(self.code, Some(i32::from(state == "broken")), "{}", self.text);
    }
}

#[tokio::test]
async fn a_healthy_world_is_all_ok() {
    let world = World::new().await;
    let said = world.see(&[]).await;
    assert_eq!(said.code, Some(0), "{}", said.text);
    let (last, lines) = said.text.trim_end().rsplit_once('\n').unwrap();
    let _ = last;
    assert!(lines.ends_with("ok, 0 warnings, 0 broken"), "{}", said.text);
    for check in [
        "configuration",
        "database",
        "database login",
        "row-level security",
        "migrations",
        "encryption keys",
        "staff",
        "clock (database)",
        "clock (Stripe)",
        "Stripe key",
        "Stripe webhook",
        "STRIPE_WEBHOOK_SECRETS",
        "mail",
        "supplier",
        "TRUSTED_PROXY_HOPS",
        "DATA_DIR",
    ] {
        said.expect("ok", check, "");
    }
    assert!(!said.text.contains("broken  ") && !said.text.contains("->"), "{}", said.text);
    world.end().await;
}

#[tokio::test]
async fn what_is_wrong_with_the_settings_is_named_and_the_rest_is_looked_at_all_the_same() {
    let world = World::new().await;
    let said =
        world.see(&[("BASE_URL", "http://x"), ("SUPPLIER", "duffel"), ("STRIPE_WEBHOOK_SECRET", "x")]).await;
    said.expect("broken", "BASE_URL", "https");
    said.expect("broken", "DUFFEL_TOKEN", "missing");
    assert!(
        said.text.lines().any(|l| l.starts_with("warning") && l.contains("STRIPE_WEBHOOK_SECRET ")),
        "{}",
        said.text
    );
    assert!(
        said.text.lines().any(|l| l.starts_with("ok") && l.contains("row-level security")),
        "{}",
        said.text
    );
    world.see(&[("RUST_LOG", "jetbridge=loud=x")]).await.expect("broken", "RUST_LOG", "understood");
    world.see(&[("RUST_LOG", "trace")]).await.expect("warning", "RUST_LOG", "more than production needs");
    world.see(&[("TRUSTED_PROXY_HOPS", "0")]).await.expect(
        "warning",
        "TRUSTED_PROXY_HOPS",
        "share one limit",
    );
    world.see(&[("TRUSTED_PROXY_HOPS", "9")]).await.expect(
        "warning",
        "TRUSTED_PROXY_HOPS",
        "invent an address",
    );
    world.see(&[("SELLER_NAME", "")]).await.expect("warning", "SELLER_NAME", "invented");
    world.see(&[("STRIPE_WEBHOOK_SECRETS", "whsec_cut")]).await.expect(
        "warning",
        "STRIPE_WEBHOOK_SECRETS",
        "shorter",
    );
    world.see(&[("STRIPE_SECRET_KEY", "sk_live_x")]).await.expect("broken", "STRIPE_SECRET_KEY", "test-mode");
    world.end().await;
}

#[tokio::test]
async fn a_database_that_is_not_there_or_not_as_it_should_be_is_broken() {
    let world = World::new().await;
    let nobody = "postgres://app:hunter4@127.0.0.1:1/jetbridge";
    world.see(&[("DATABASE_URL", nobody)]).await.expect("broken", "database", "refused");

    world.execute("alter table bookings no force row level security").await;
    world.see(&[]).await.expect("broken", "row-level security", "public.bookings");
    world.execute("alter table bookings force row level security").await;

    world.execute("insert into _sqlx_migrations select 99999, 'x', now(), true, '', 1").await;
    world.see(&[]).await.expect("warning", "migrations", "99999 came with a newer version");
    world.execute("delete from _sqlx_migrations where version = 99999").await;

    world.execute("create table kept as select * from _sqlx_migrations where version = 15").await;
    world
        .execute("alter table kept enable row level security; alter table kept force row level security")
        .await;
    world.execute("update _sqlx_migrations set checksum = 'x' where version = 15").await;
    world.see(&[]).await.expect("broken", "migrations", "0015 ran here in another wording");
    world.execute("delete from _sqlx_migrations where version = 15").await;
    world.see(&[]).await.expect("warning", "migrations", "0015 have not run");
    world.execute("insert into _sqlx_migrations select * from kept; drop table kept").await;

    world.execute("update auth.users set staff_role = 'agent'").await;
    world.see(&[]).await.expect("warning", "staff", "nobody is owner");
    world.end().await;
}

#[tokio::test]
async fn a_login_that_may_not_become_the_roles_is_broken_and_one_above_them_is_told() {
    let world = World::new().await;
    let options = world.database.options();
    // The cluster lets in nobody else, so the login becomes them as it connects. Roles are of the whole cluster: these two
    // are this test's own.
    let login = |name: &str| {
        let mut url = options.to_url_lossy();
        url.query_pairs_mut().append_pair("options[role]", name);
        url.to_string()
    };
    let make = "create role doctor_weak; create role doctor_strong superuser; grant doctor_weak, doctor_strong to %US%;
                grant select on _sqlx_migrations to doctor_weak";
    world.execute(&make.replace("%US%", options.get_username())).await;
    let weak = world.see(&[("DATABASE_URL", &login("doctor_weak"))]).await;
    weak.expect("broken", "database login", "doctor_weak may not become jetbridge_system");
    assert!(weak.text.contains("grant jetbridge_system to doctor_weak"), "{}", weak.text);
    let strong = world.see(&[("DATABASE_URL", &login("doctor_strong"))]).await;
    strong.expect("warning", "database login", "above row-level security");
    let gone = "drop owned by doctor_weak; drop role doctor_weak; drop role doctor_strong";
    world.execute(gone).await;
    world.end().await;
}

#[tokio::test]
async fn an_empty_database_says_what_comes_next() {
    let world = World::new().await;
    let empty = Database::empty().await;
    let url = empty.options().to_url_lossy().to_string();
    let said = world.see(&[("DATABASE_URL", &url)]).await;
    said.expect("warning", "migrations", "none has run");
    assert!(said.text.contains("jetbridge migrate"), "{}", said.text);
    empty.drop().await;
    world.end().await;
}

#[tokio::test]
async fn a_key_that_is_missing_or_is_another_than_its_name_says_is_found_by_trying_it() {
    let world = World::new().await;
    let vault = jetbridge::vault::Vault::new(&KEY.into()).unwrap();
    let user = "00000000-0000-7000-8000-000000000001";
    let sealed = vault.seal(&format!("second-factor:{user}"), &[7; 20]).unwrap();
    let sealed: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
    let person =
        "insert into auth.users (id, email, password_hash) values ('%U', 'f@example.com', '$argon2id$x');
                  insert into auth.second_factors (user_id, secret, last_step, confirmed_at)
                  values ('%U', '\\x%S', 1, now())";
    world.execute(&person.replace("%U", user).replace("%S", &sealed)).await;
    world.see(&[]).await.expect("ok", "encryption keys", "1 sealed rows can be opened");
    let missing = world.see(&[("ENCRYPTION_KEYS", OTHER_NAME)]).await;
    missing.expect("broken", "encryption keys", "1 second factors are sealed with key k1, which is not here");
    let another = world.see(&[("ENCRYPTION_KEYS", OTHER_BYTES)]).await;
    another.expect("broken", "encryption keys", "key k1 does not open");
    world.end().await;
}

#[tokio::test]
async fn stripe_is_broken_where_it_does_not_take_the_key_and_odd_where_the_webhook_is() {
    let world = World::new().await;
    for (status, says) in [(401, "does not know"), (403, "may not read"), (500, "answers 500")] {
        world.stripe.set(|mood| mood.status = status);
        world.see(&[]).await.expect("broken", "Stripe", says);
    }
    world.stripe.set(|mood| mood.status = 200);
    world.see(&[("STRIPE_API_URL", "http://127.0.0.1:1")]).await.expect("broken", "Stripe", "is not reached");

    world.stripe.set(|mood| mood.date = date(-10));
    world.see(&[]).await.expect("warning", "clock (Stripe)", "ahead of Stripe");
    world.stripe.set(|mood| mood.date = date(600));
    world.see(&[]).await.expect("broken", "clock (Stripe)", "behind Stripe");
    world.stripe.set(|mood| mood.date = date(0));

    let odd = [
        (endpoint("disabled", Some(VERSION), &["*"]), "disabled"),
        (endpoint("enabled", Some("2020-08-27"), &["*"]), "version 2020-08-27"),
        (endpoint("enabled", None, &["*"]), "account's default"),
        (
            endpoint("enabled", Some(VERSION), &["charge.refunded"]),
            "does not send checkout.session.completed",
        ),
        (
            serde_json::json!({"url": "https://x.example", "status": "enabled", "api_version": null, "enabled_events": []}),
            "no endpoint leads here",
        ),
    ];
    for (endpoint, says) in odd {
        world.stripe.set(|mood| {
            mood.endpoints = Some(endpoint);
            mood.date = date(0);
        });
        world.see(&[]).await.expect("warning", "Stripe webhook", says);
    }
    world.stripe.set(|mood| mood.endpoints = None);
    world.see(&[]).await.expect("ok", "Stripe webhook", "may not see webhooks");
    world.end().await;
}

#[tokio::test]
async fn a_mail_server_that_is_away_refuses_or_takes_no_login_is_broken() {
    let world = World::new().await;
    world.see(&[("SMTP_URL", "smtp://127.0.0.1:1")]).await.expect("broken", "mail", "");
    world.mailbox.fault(Stage::Connect, mailbox::Fault::Answer(554));
    world.see(&[]).await.expect("broken", "mail", "554");
    let with_login = world.mailbox.smtp_url().replace("smtp://", "smtp://me:hunter4@");
    world.see(&[("SMTP_URL", &with_login)]).await.expect("broken", "mail", "");
    // Over the net only with TLS.
    world.see(&[("SMTP_URL", "smtp://mail.example.com?tls=opportunistic")]).await.expect(
        "broken",
        "SMTP_URL",
        "encrypted",
    );
    world.end().await;
}

#[tokio::test]
async fn whoever_does_not_answer_is_not_waited_for() {
    let world = World::new().await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silence = format!("127.0.0.1:{}", silent.local_addr().unwrap().port());
    world.stripe.set(|mood| mood.hangs = true);
    let said = world
        .see(&[
            ("DATABASE_URL", &format!("postgres://app:hunter4@{silence}/x")),
            ("SMTP_URL", &format!("smtp://{silence}")),
        ])
        .await;
    said.expect("broken", "database", "");
    said.expect("broken", "Stripe", "no answer in time");
    said.expect("broken", "mail", "did not answer");
    assert!(said.took < Duration::from_secs(20), "{:?}", said.took);
    world.end().await;
}

#[tokio::test]
async fn a_demo_that_was_never_started_is_well_and_nothing_is_made_by_asking() {
    let dir = std::env::temp_dir().join(format!("jetbridge-doctor-{}", std::process::id()));
    let said = see(&[("DATA_DIR", dir.to_str().unwrap())], &["--json"]).await;
    assert_eq!(said.code, Some(0), "{}", said.text);
    let report: serde_json::Value = serde_json::from_str(&said.text).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.len() > 4 && findings.iter().all(|finding| finding["state"] == "ok"), "{report:#}");
    assert!(!dir.exists());
    let said = see(&[("DATA_DIR", "/dev/null/nowhere")], &[]).await;
    said.expect("broken", "DATA_DIR", "cannot be made");
}

#[tokio::test]
async fn duffels_token_is_tried_and_its_webhook_is_asked_for() {
    let world = World::new().await;
    let clock = jetbridge::clock::Clock::manual("2026-11-23T09:00:00Z".parse().unwrap());
    let duffel = Duffel::start(clock).await;
    let with = |token: &'static str| [("SUPPLIER", "duffel"), ("DUFFEL_TOKEN", token)];
    let here = [("DUFFEL_API_URL", duffel.url.as_str())];
    let good = world.see(&[&with(TOKEN)[..], &here].concat()).await;
    good.expect("ok", "supplier", "test: no ticket is real");
    good.expect("warning", "supplier webhook", "once a day");
    assert!(!good.text.contains("hunter2"), "{}", good.text);
    let secret = [("DUFFEL_WEBHOOK_SECRETS", "whs_hunter3")];
    let told = world.see(&[&with(TOKEN)[..], &here, &secret].concat()).await;
    told.expect("ok", "supplier webhook", "believed");
    let wrong = world.see(&[&with("duffel_test_wrong")[..], &here].concat()).await;
    wrong.expect("broken", "supplier", "does not know DUFFEL_TOKEN");
    duffel.always("airlines", Some(Fault::Says(500, "internal_server_error")));
    world.see(&[&with(TOKEN)[..], &here].concat()).await.expect("broken", "supplier", "500");
    let nobody = [("DUFFEL_API_URL", "http://127.0.0.1:1")];
    world.see(&[&with(TOKEN)[..], &nobody].concat()).await.expect("broken", "supplier", "not reached");
    world.end().await;
}
