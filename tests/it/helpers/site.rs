//! The real program as a host runs it: processes of a rehearsal on one database, with Stripe and mail beside them.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use jetbridge::{
    checkout::invariants,
    clock::Clock,
    db::{Db, System},
    sandbox::{Sandbox, mailbox::Door},
};
use jiff::{ToSpan, tz::TimeZone};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use secrecy::ExposeSecret;
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::net::{TcpListener, UnixStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use super::{
    app::{self, PASSWORD},
    browser::Browser,
    cluster::{Apart, Database},
    story::passenger,
};

/// The name of the site, which every request has to know.
pub const HOST: &str = "fly.example.com";
pub const KEY: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_jetbridge").into()
}

/// Everything around the processes of one site.
pub struct Site {
    pub database: PgConnectOptions,
    pub outside: Sandbox,
}

impl Site {
    pub async fn on(database: PgConnectOptions) -> Self {
        app::crypto();
        let outside = Sandbox::start(Clock::system(), Door::default()).await.expect("a sandbox");
        Self { database, outside }
    }

    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let stripe = &self.outside.stripe;
        let mut settings = vec![
            ("DATABASE_URL", self.database.to_url_lossy().to_string()),
            ("STRIPE_SECRET_KEY", stripe.secret_key().expose_secret().to_owned()),
            ("STRIPE_WEBHOOK_SECRETS", stripe.webhook_secret().expose_secret().to_owned()),
            ("STRIPE_API_URL", stripe.base_url().to_owned()),
            ("SMTP_URL", self.outside.mailbox.smtp_url()),
            ("BASE_URL", format!("https://{HOST}")),
        ];
        let plain = [
            ("JETBRIDGE_MODE", "production"),
            ("JETBRIDGE_ALLOW_TEST_MODE", "1"),
            ("BIND_ADDR", "127.0.0.1"),
            ("DATABASE_MAX_CONNECTIONS", "4"),
            ("MAIL_FROM", "Fly <fly@flyltd.com>"),
            ("SUPPLIER", "timetable"),
            ("ENCRYPTION_KEYS", KEY),
            ("TRUSTED_PROXY_HOPS", "1"),
            ("SELLER_NAME", "Fly Ltd"),
            ("SELLER_ADDRESS", "1 Road"),
            ("SELLER_EMAIL", "help@flyltd.com"),
            ("LOG_FORMAT", "json"),
        ];
        settings.extend(plain.map(|(name, value)| (name, value.to_owned())));
        settings
    }

    /// Starts one and waits until it can serve.
    pub async fn start(&self) -> Process {
        self.start_as(Command::new(program())).await
    }

    /// The same with more around the program; what stands in its environment already goes before.
    pub async fn start_as(&self, mut command: Command) -> Process {
        let port = free_port();
        let own: Vec<_> =
            command.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
        command.env_clear().envs(self.settings()).env("PORT", port.to_string());
        for (name, value) in own {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        keep_profile(&mut command);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut process = Process { child: child.expect("it starts"), port };
        let limit = Instant::now() + Duration::from_secs(60);
        while process.health(&["--ready"]).await != Some(0) {
            let gone = process.child.try_wait().expect("a child");
            assert!(Instant::now() < limit && gone.is_none(), "it does not serve: {gone:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        process
    }

    pub async fn holds(&self) {
        let db = Db::connect(self.database.clone(), 1).await.expect("a pool");
        let mut tx = db.begin(System).await.expect("a transaction");
        let broken = invariants::breaches(&mut tx, Clock::system().now()).await.expect("an answer");
        drop(tx);
        db.close().await;
        assert!(broken.is_empty(), "{broken:#?}");
    }
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

/// A database, to look into it from outside.
pub trait Seen {
    fn as_superuser(&self) -> PgConnectOptions;
}

impl Seen for Database {
    fn as_superuser(&self) -> PgConnectOptions {
        self.superuser_options()
    }
}

impl Seen for Apart {
    fn as_superuser(&self) -> PgConnectOptions {
        self.superuser_options()
    }
}

pub async fn texts(database: &impl Seen, query: &str) -> Vec<String> {
    let mut sql = PgConnection::connect_with(&database.as_superuser()).await.expect("a connection");
    let found = sqlx::query_scalar(query).fetch_all(&mut sql).await;
    sql.close().await.expect("it closes");
    found.unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// Until the query counts so many, in real time: the worker is in a process of its own.
pub async fn until(database: &impl Seen, counted: &str, wanted: i64) {
    let limit = Instant::now() + Duration::from_secs(60);
    let query = format!("select count(*)::text from {counted}");
    loop {
        let found = texts(database, &query).await;
        if found == [wanted.to_string()] {
            return;
        }
        assert!(Instant::now() < limit, "{counted}: {found:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Where coverage is measured, a program of ours adds to it.
fn keep_profile(command: &mut Command) {
    if let Some(profile) = std::env::var_os("LLVM_PROFILE_FILE") {
        command.env("LLVM_PROFILE_FILE", profile);
    }
}

pub struct Process {
    child: Child,
    port: u16,
}

impl Process {
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    pub fn url(&self) -> Url {
        format!("http://{}/", self.address()).parse().expect("a URL")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("it is there");
    }

    /// `jetbridge health` beside it.
    pub async fn health(&self, arguments: &[&str]) -> Option<i32> {
        let mut command = Command::new(program());
        command.arg("health").args(arguments).env_clear().env("PORT", self.port.to_string());
        keep_profile(&mut command);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        // Whoever looks on in the same test goes on meanwhile.
        tokio::process::Command::from(command).status().await.expect("it runs").code()
    }

    /// Waits for the end, and says how long after `begin` it came.
    pub async fn ended(&mut self, begin: Instant) -> (ExitStatus, Duration) {
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return (status, begin.elapsed());
            }
            assert!(begin.elapsed() < Duration::from_secs(30), "it does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn end(mut self) {
        self.signal(Signal::SIGTERM);
        let (status, _) = self.ended(Instant::now()).await;
        assert!(status.success(), "{status}");
    }

    /// Sends what is given and reads until the other side hangs up; on a thread, for both may take their time.
    pub fn talk(&self, parts: &'static [&'static str], pause: Duration) -> std::thread::JoinHandle<String> {
        let mut stream = TcpStream::connect(self.address()).expect("a connection");
        std::thread::spawn(move || {
            for part in parts {
                stream.write_all(part.as_bytes()).expect("sent");
                std::thread::sleep(pause);
            }
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer);
            answer
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A database behind a socket file, for a program that can only reach it by TCP.
pub async fn by_tcp(database: &PgConnectOptions) -> (PgConnectOptions, DropGuard) {
    let socket = database.get_socket().expect("a socket").join(format!(".s.PGSQL.{}", database.get_port()));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let stop = CancellationToken::new();
    tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let socket = socket.clone();
            tokio::spawn(async move {
                let mut far = UnixStream::connect(socket).await.expect("PostgreSQL");
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    }));
    let options = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username(database.get_username())
        .database(database.get_database().expect("a name"))
        .ssl_mode(sqlx::postgres::PgSslMode::Disable);
    (options, stop.drop_guard())
}

/// A browser that comes by way of a proxy, or stands for one.
pub fn browser(url: &Url) -> Browser {
    let browser = Browser::new(url);
    browser.set_header("host", HOST);
    browser
}

/// Three weeks from today, as the program's own clock has it.
pub fn search() -> String {
    let day = Clock::system().now().to_zoned(TimeZone::UTC).date() + 21.days();
    format!("/flights?trip=oneway&from=LIS&to=LHR&leave={day}&adults=1&children=0&infants=0&cabin=economy")
}

pub async fn sign_up(browser: &Browser, email: &str) {
    let form = [("name", "Test Traveller"), ("email", email), ("password", PASSWORD)];
    browser.post_form("/signup", &form).await.redirect();
    browser.post_form("/login", &form[1..]).await.redirect();
}

/// Signs up and books, up to the button on Stripe's page. The payment's session.
pub async fn at_stripe(browser: &Browser, email: &str) -> String {
    sign_up(browser, email).await;
    let reference = draft(browser).await;
    press_pay(browser, &reference).await
}

/// Searches, takes the first offer and names the passenger: a draft that is ready to be paid, with or without an account.
pub async fn draft(browser: &Browser) -> String {
    draft_for(browser, "Duarte").await
}

pub async fn draft_for(browser: &Browser, family_name: &str) -> String {
    let found = browser.get(&search()).await.expect(200);
    let offer = browser.get(&found.attr("a[href^='/offers/']", "href")).await.expect(200);
    let draft = browser.submit(&offer, "form[action='/bookings']", &[]).await.redirect();
    let passengers = browser.get(&draft).await.expect(200);
    let saved = browser.submit(&passengers, "form[action$='/passengers']", &passenger(family_name)).await;
    let review = saved.redirect();
    review.trim_start_matches("/bookings/").split('/').next().expect("a reference").to_owned()
}

/// Up to Stripe's page. The payment's session.
pub async fn press_pay(browser: &Browser, reference: &str) -> String {
    let review = browser.get(&format!("/bookings/{reference}/review")).await.expect(200);
    let to = browser.submit(&review, "form[action$='/pay']", &[]).await.redirect();
    to.rsplit('/').next().expect("a session").to_owned()
}
