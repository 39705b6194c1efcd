//! The real application on a port of its own, with a database of its own, a clock that tests move, and stand-ins for the
//! outside world that can be told to fail.

use std::{
    cell::Cell,
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::extract::FromRef;
use jetbridge::{
    accounts::{
        self, Accounts, Passwords,
        tokens::{self, Issued},
    },
    app::{App, Parts},
    checkout::{
        Checkout,
        invariants::{self, Breach},
    },
    clock::Clock,
    config::{Config, SupplierChoice},
    courier::{Courier, Own},
    db::{Db, System},
    demo::Console,
    error::AppError,
    ids::{TokenHash, UserId},
    meters::{self, Meters},
    payments::{Payments, StripeSettings},
    sandbox::{Sandbox, mailbox::Mailbox, stripe},
    supplier::{
        SharedSupplier,
        duffel::{Duffel, DuffelSettings, Patience},
        timetable::{Switches, Timetable},
    },
    vault::{self, Vault},
    web::scopes::Scopes,
    worker::Worker,
};
use jiff::{SignedDuration, Timestamp};
use metrics::LocalRecorderGuard;
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::subscriber::DefaultGuard;
use url::Url;

use super::{browser::Browser, cluster::Database, post::Post, statements::Statements};

/// A Monday morning in winter. Every test starts at this instant.
pub const START: &str = "2026-11-23T09:00:00Z";

pub const ALICE: &str = "alice@example.com";
pub const BOB: &str = "bob@example.com";
pub const CAROL: &str = "carol@example.com";
pub const PASSWORD: &str = "plover cabinet tundra seven";

pub struct TestApp {
    /// The feature's face, for what no page shows.
    pub accounts: Accounts,
    pub(super) checkout: Checkout,
    pub clock: Clock,
    pub db: Db,
    pub config: Config,
    pub vault: Vault,
    /// What the pages asked of PostgreSQL. Shared by everything on this test's thread.
    pub statements: Statements,
    /// Stripe as tests see it: pay, decline, break, hold events back.
    pub stripe: stripe::Handle,
    pub mailbox: Mailbox,
    post: Post,
    /// The supplier as tests see it: dearer, sold out, silent.
    pub switches: Arc<Switches>,
    worker: Worker,
    pub url: Url,
    database: Option<Database>,
    stop: CancellationToken,
    finished: Cell<bool>,
    may_leave_jobs: Cell<bool>,
    _listening: DefaultGuard,
    _counting: Option<LocalRecorderGuard<'static>>,
}

/// The webhook secret that takes over when Stripe's is rotated: the app knows both.
pub const NEXT_SECRET: &str = "whsec_the_next_one";

/// Production's parts with Stripe's test keys, behind an https address.
pub const REHEARSAL: [(&str, &str); 11] = [
    ("JETBRIDGE_MODE", "production"),
    ("JETBRIDGE_ALLOW_TEST_MODE", "1"),
    ("BASE_URL", "https://fly.example.com"),
    ("DATABASE_URL", "postgres://unused@localhost/unused"),
    ("STRIPE_SECRET_KEY", "sk_test_unused"),
    ("STRIPE_WEBHOOK_SECRETS", "whsec_unused"),
    ("SMTP_URL", "smtps://unused@localhost"),
    ("MAIL_FROM", "Fly <fly@example.com>"),
    ("SUPPLIER", "timetable"),
    ("ENCRYPTION_KEYS", "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
    ("TRUSTED_PROXY_HOPS", "1"),
];

/// A supplier that hangs is given up after a moment, not after a minute; of a search that is later than the page.
const SHORT_PATIENCE: Patience = Patience {
    search: Duration::from_millis(3_500),
    look: Duration::from_millis(1_500),
    deed: Duration::from_millis(1_500),
};

/// A second process. It ends when it is dropped; end it before the test's own app.
pub struct Twin {
    pub url: Url,
    _stop: DropGuard,
}

impl Twin {
    /// The same browser, whose next request happens to reach this process.
    pub fn browser(&self, of: &Browser) -> Browser {
        of.at(&self.url)
    }
}

/// What an app is given besides its database.
struct Outside {
    stripe: stripe::Handle,
    mailbox: Mailbox,
    post: Post,
    vault: Vault,
    meters: Option<Meters>,
}

impl Outside {
    fn app(&self, config: &Config, db: &Db, clock: &Clock) -> (App, Arc<Switches>) {
        let settings = StripeSettings {
            secret_key: self.stripe.secret_key(),
            api_url: Some(self.stripe.base_url().parse().expect("a URL")),
            webhook_secrets: vec![self.stripe.webhook_secret(), NEXT_SECRET.into()],
        };
        let timetable = Arc::new(Timetable::new(db.clone(), clock.clone()));
        let switches = timetable.switches();
        let supplier: SharedSupplier = match &config.supplier {
            SupplierChoice::Timetable => timetable,
            SupplierChoice::Duffel(duffel) => {
                let settings = DuffelSettings {
                    token: duffel.token.clone(),
                    api_url: duffel.api_url.clone(),
                    patience: SHORT_PATIENCE,
                };
                Arc::new(Duffel::new(&settings, db.clone(), clock.clone()).expect("a client"))
            }
        };
        let app = App::new(Parts {
            config: config.clone(),
            db: db.clone(),
            clock: clock.clone(),
            payments: Payments::new(&settings, clock.clone()).expect("a Stripe client"),
            supplier,
            mailer: self.post.mailer(self.mailbox.port(), &config.mail.from, clock),
            vault: self.vault.clone(),
            meters: self.meters.clone(),
            courier: Courier::new(Own::Loopback).expect("a courier"),
            checkout_origin: self.stripe.base_url().to_owned(),
        })
        .expect("an app");
        let console = Console::new(self.stripe.clone(), Arc::clone(&switches), None);
        (app.with_mailbox(self.mailbox.clone()).with_console(console), switches)
    }
}

async fn listen() -> (TcpListener, Url) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, format!("http://{address}/").parse().expect("a URL"))
}

impl TestApp {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With this environment; the database, Stripe and mail are the test's own all the same.
    pub async fn start_with(vars: &[(&str, &str)]) -> Self {
        Self::start_on(vars, 8, Post::default()).await
    }

    /// With another way to hand mail in.
    pub async fn start_mailing(post: Post) -> Self {
        Self::start_on(&[], 8, post).await
    }

    /// Everybody shares a single connection: whoever leaves something behind on it leaves it to the next, and a
    /// transaction that is begun inside another waits for ever.
    pub async fn on_one_connection() -> Self {
        Self::start_on(&[], 1, Post::default()).await
    }

    /// With another supplier, that shares the clock.
    pub async fn start_selling(clock: Clock, supplier: SupplierChoice) -> Self {
        Self::start_by(clock, Some(supplier), &[], 8, Post::default()).await
    }

    async fn start_on(vars: &[(&str, &str)], connections: u32, post: Post) -> Self {
        let clock = Clock::manual(START.parse().expect("an instant"));
        Self::start_by(clock, None, vars, connections, post).await
    }

    async fn start_by(
        clock: Clock,
        supplier: Option<SupplierChoice>,
        vars: &[(&str, &str)],
        connections: u32,
        post: Post,
    ) -> Self {
        crypto();
        let (statements, listening) = Statements::listen();
        let database = Database::fresh().await;
        let (listener, url) = listen().await;
        let given =
            |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let own = |name: &str| (name == "BASE_URL").then(|| url.to_string());
        let mut config =
            Config::from_vars(|name| given(name).or_else(|| own(name))).expect("a configuration");
        if let Some(supplier) = supplier {
            config.supplier = supplier;
        }
        let db =
            Db::connect(database.options(), connections).await.expect("a pool").with_clock(clock.clone());
        let Sandbox { stripe, mailbox } =
            Sandbox::start(clock.clone(), post.door.clone()).await.expect("a sandbox");
        stripe.set_webhook_url(url.join("/webhooks/stripe").expect("a URL"));
        let keys = config.encryption_keys.clone().unwrap_or_else(|| vault::new_key("test"));
        let (meters, counting) = config.metrics_token.is_some().then(count).unzip();
        let vault = Vault::new(&keys).expect("keys");
        let outside = Outside { stripe, mailbox, post, vault, meters };
        let (app, switches) = outside.app(&config, &db, &clock);
        let worker = app.worker();
        let (accounts, checkout) = (Accounts::from_ref(&app), Checkout::from_ref(&app));
        let stop = CancellationToken::new();
        tokio::spawn(app.serve(listener, stop.clone()));
        Self {
            accounts,
            checkout,
            clock,
            db,
            config,
            vault: outside.vault,
            statements,
            stripe: outside.stripe,
            mailbox: outside.mailbox,
            post: outside.post,
            switches,
            worker,
            url,
            database: Some(database),
            stop,
            finished: Cell::new(false),
            may_leave_jobs: Cell::new(false),
            _listening: listening,
            _counting: counting,
        }
    }

    /// Another process of the same site: the same database, clock and outside world, and a memory of its own.
    pub async fn twin(&self) -> Twin {
        let (listener, url) = listen().await;
        let database = self.database.as_ref().expect("not finished");
        let db = Db::connect(database.options(), 4).await.expect("a pool").with_clock(self.clock.clone());
        let (app, _) = self.outside(self.post.clone()).app(&self.config, &db, &self.clock);
        let stop = CancellationToken::new();
        tokio::spawn(app.serve(listener, stop.clone()));
        Twin { url, _stop: stop.drop_guard() }
    }

    fn outside(&self, post: Post) -> Outside {
        let (stripe, mailbox) = (self.stripe.clone(), self.mailbox.clone());
        Outside { stripe, mailbox, post, vault: self.vault.clone(), meters: None }
    }

    /// A worker of the same site with other mail settings: after somebody has mended them, say.
    pub fn worker_mailing(&self, post: Post) -> Worker {
        self.outside(post).app(&self.config, &self.db, &self.clock).0.worker()
    }

    /// For a test that runs it as production does.
    pub fn worker(&self) -> Worker {
        self.worker.clone()
    }

    /// Somebody new, not signed in.
    pub fn guest(&self) -> Browser {
        let browser = Browser::new(&self.url);
        if self.config.base_url != self.url {
            // As a proxy passes it on.
            browser.set_header("host", self.config.base_url.authority());
        }
        browser
    }

    /// What no browser would send, and everything that comes back until the server hangs up.
    pub async fn send_raw(&self, request: &str) -> String {
        let address = self.url.socket_addrs(|| None).expect("an address")[0];
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Shorthand for what a guest sees.
    pub async fn get(&self, path: &str) -> super::page::Page {
        self.guest().get(path).await
    }

    /// The cast: alice owns things, bob is another traveller, carol is staff. Each call is another browser of theirs.
    pub async fn alice(&self) -> Browser {
        self.traveller(ALICE).await
    }

    pub async fn bob(&self) -> Browser {
        self.traveller(BOB).await
    }

    pub async fn carol(&self) -> Browser {
        self.member_of_staff(CAROL, "owner").await
    }

    /// Somebody of the agency who has this role.
    pub async fn staff(&self, role: &str) -> Browser {
        self.member_of_staff(&format!("{role}@example.com"), role).await
    }

    async fn member_of_staff(&self, email: &str, role: &str) -> Browser {
        self.make_staff(email, PASSWORD, role).await;
        self.sign_in(email).await
    }

    /// As the command line does.
    pub async fn make_staff(&self, email: &str, password: &str, role: &str) {
        /// As slow to make as a password is to check.
        static PASSWORDS: LazyLock<Passwords> = LazyLock::new(|| Passwords::new().expect("a hasher"));
        let made =
            accounts::make_staff(&self.db, &self.clock, &PASSWORDS, email, password.into(), role).await;
        made.expect("a member of staff");
    }

    /// Dora has no account: a browser, the booking that she made in it, and nobody knows more of her than that.
    pub async fn dora(&self) -> (Browser, String) {
        let dora = self.guest();
        let draft = self.draft(&dora).await;
        (dora, draft)
    }

    pub async fn traveller(&self, email: &str) -> Browser {
        let form = [("name", "Test Traveller"), ("email", email), ("password", PASSWORD)];
        self.guest().post_form("/signup", &form).await.redirect();
        self.forget_account_mails().await;
        self.sign_in(email).await
    }

    /// Most tests are about something else than the mails that a sign-up and a second factor owe.
    pub(super) async fn forget_account_mails(&self) {
        self.execute(
            "with gone as (
                 delete from mails where kind in ('verify_email', 'account_exists', 'second_factor_set', 'second_factor_replaced')
                    and state = 'queued' returning id)
             delete from outbox where kind = 'send_mail' and subject in (select id::text from gone)",
        )
        .await;
    }

    /// Names the password of this moment.
    pub async fn password_of(&self, user: UserId) -> TokenHash {
        let hash = format!("select password_hash from auth.users where id = '{user}'");
        TokenHash::of(&self.texts(&hash).await.remove(0))
    }

    /// A program signs in for this user.
    pub async fn issue(&self, user: UserId, scopes: Scopes) -> Result<Issued, AppError> {
        let password = self.password_of(user).await;
        let program = "A program".to_owned();
        tokens::issue(&self.db, &self.clock, tokens::Newcomer { user, scopes, password, program }).await
    }

    /// Until a statement waits for a row that another transaction has locked, or long enough.
    pub async fn until_somebody_waits(&self) {
        let waiting = "pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
        for _ in 0..500 {
            if self.count(waiting).await > 0 {
                break;
            }
        }
    }

    /// As if the link in its mail had been used.
    pub async fn prove_address(&self, email: &str) {
        let now = self.now();
        let prove = "update auth.users set email_verified_at = coalesce(email_verified_at,";
        self.execute(&format!("{prove} '{now}') where email = '{email}'")).await;
    }

    /// A new browser in which this person is signed in.
    pub async fn sign_in(&self, email: &str) -> Browser {
        let browser = self.guest();
        browser.post_form("/login", &[("email", email), ("password", PASSWORD)]).await.redirect();
        browser
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Runs everything that is due now, and says how many jobs that were.
    pub async fn run_jobs(&self) -> usize {
        self.worker.run_due().await.expect("the outbox answers")
    }

    pub async fn execute(&self, statement: &str) {
        let mut sql = self.sql().await;
        sqlx::raw_sql(statement)
            .execute(&mut sql)
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
        sql.close().await.expect("closes");
    }

    /// Moves the clock and runs what became due by it.
    pub async fn advance(&self, by: SignedDuration) {
        self.clock.advance(by);
        self.run_jobs().await;
    }

    /// The worker's periodic rounds.
    pub async fn sweep(&self) {
        self.worker.sweep().await.expect("the rounds are made");
    }

    /// The same, for a test in which one of them cannot be made.
    pub async fn try_to_sweep(&self) {
        self.worker.sweep().await.expect_err("a round fails");
    }

    /// For a test that leaves due jobs behind on purpose.
    pub fn abandon_jobs(&self) {
        self.may_leave_jobs.set(true);
    }

    /// As superuser, whom no policy stops: for setting a scene and for seeing what really is there.
    pub async fn sql(&self) -> PgConnection {
        self.database.as_ref().expect("not finished").superuser().await
    }

    /// As another process has it.
    pub async fn another_pool(&self) -> Db {
        let database = self.database.as_ref().expect("not finished");
        Db::connect(database.options(), 4).await.expect("a pool").with_clock(self.clock.clone())
    }

    /// Until the query finds so many rows.
    pub async fn until_count(&self, from: &str, rows: i64) {
        while self.count(from).await != rows {
            tokio::task::yield_now().await;
        }
    }

    pub fn superuser_options(&self) -> PgConnectOptions {
        self.database.as_ref().expect("not finished").superuser_options()
    }

    /// How many rows the query finds.
    pub async fn count(&self, from: &str) -> i64 {
        let mut sql = self.sql().await;
        let query = format!("select count(*) from {from}");
        let count = sqlx::query_scalar(&query).fetch_one(&mut sql).await;
        sql.close().await.expect("closes");
        count.unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    pub async fn breaches(&self) -> Vec<Breach> {
        let mut tx = self.db.begin(System).await.expect("a transaction");
        invariants::breaches(&mut tx, self.now()).await.expect("the invariants can be asked")
    }

    /// The end of every test: nothing is left to do, and every invariant holds.
    pub async fn finish(mut self) {
        self.finished.set(true);
        if !self.may_leave_jobs.get() {
            // What Stripe says of a test's last deed comes when it comes: no test leaves that behind.
            let left = format!(
                "outbox where state = 'ready' and due_at <= '{}' and kind <> 'apply_event'",
                self.clock.now()
            );
            assert_eq!(self.count(&left).await, 0, "jobs are left that are due now");
            self.stripe.settled().await;
            self.run_jobs().await;
        }
        let broken = self.breaches().await;
        assert!(broken.is_empty(), "invariants are broken: {broken:#?}");
        if !self.may_leave_jobs.get() && self.stripe.held().is_empty() {
            self.pages_tell_the_truth().await;
        }
        self.stop.cancel();
        self.db.close().await;
        self.database.take().expect("only once").drop().await;
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop.cancel();
        assert!(
            self.finished.get() || std::thread::panicking(),
            "end the test with app.finish().await: it checks the invariants and that no job is left"
        );
    }
}

/// Counts what happens on this thread, where a test has all of its app.
fn count() -> (Meters, LocalRecorderGuard<'static>) {
    let recorder = Box::leak(Box::new(meters::recorder().expect("a recorder")));
    let guard = metrics::set_default_local_recorder(recorder);
    meters::describe();
    (Meters::of(recorder), guard)
}

pub fn crypto() {
    // Once per process; the second time is no error.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
