//! From a configuration to a running site: the private parts of demo mode or the given ones, checked before anything is
//! served, and everything stopped in the reverse order.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_sessions::ExpiredDeletion;

use crate::{
    accounts::{self, Passwords},
    app::{App, Parts},
    clock::Clock,
    config::{self, Config, Mode},
    courier::{Courier, Own},
    db::Db,
    demo::Console,
    embedded::{Cluster, ClusterSettings, EmbeddedError, Profile},
    error::AppError,
    ids,
    mailer::{MailSettings, Mailer, MailerError},
    meters::{MeterError, Meters},
    payments::{PaymentError, Payments, StripeSettings},
    sandbox::{self, Sandbox},
    supplier::{self, Opened},
    vault::{self, KeyError, Vault},
    web::principal::StaffRole,
};

/// The member of staff that demo mode makes.
pub const DEMO_STAFF: &str = "staff@jetbridge.example";
/// How long after the word to stop the worker may still be finishing what it has in hand. Requests have had theirs by then
/// (`app`), and all of it together is over within 10 seconds: that is what hosts wait before they kill.
const LAST_JOBS: Duration = Duration::from_secs(7);
/// How long connections in use are waited for before the database is closed under them.
const LAST_QUERIES: Duration = Duration::from_secs(1);
const DATABASE: &str = "jetbridge";
/// How far the demo's clock has been moved, in seconds.
const CLOCK: &str = "clock-ahead";

#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("{0} is taken by another program (perhaps another Jetbridge). Stop that one, or choose another port: PORT={next}", next = .0.port().wrapping_add(1).max(1024))]
    PortTaken(SocketAddr),
    #[error("could not listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    #[error("could not use {0}")]
    DataDir(PathBuf, #[source] io::Error),
    #[error(
        "another Jetbridge uses this directory: {0}. Stop that one, or choose another directory: DATA_DIR=other"
    )]
    DataDirTaken(PathBuf),
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    #[error("the database does not answer")]
    Database(#[from] sqlx::Error),
    #[error("the database could not be brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error(
        "the database login may not become the roles jetbridge_guest, _traveller, _staff and _system, or one of them \
         bypasses row-level security: nothing would keep one traveller's bookings from another's eyes"
    )]
    CannotSwitchRole,
    #[error(transparent)]
    Sandbox(#[from] sandbox::StartError),
    /// The configuration does not let this happen: production names both, and demo mode has the sandbox.
    #[error("{0} is not set up")]
    Incomplete(&'static str),
    #[error("ENCRYPTION_KEYS")]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Mailer(#[from] MailerError),
    #[error(transparent)]
    Payments(#[from] PaymentError),
    #[error("the supplier cannot be asked")]
    Supplier(#[from] supplier::OpenError),
    #[error("TLS")]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Meters(#[from] MeterError),
    #[error(transparent)]
    App(#[from] AppError),
}

/// The database of a configuration; the private server is held as long as this lives.
pub struct Database {
    pub db: Db,
    cluster: Option<Cluster>,
}

impl Database {
    pub async fn open(config: &Config) -> Result<Self, LaunchError> {
        let (options, cluster) = match &config.database.url {
            Some(url) => (url.expose_secret().parse::<PgConnectOptions>()?, None),
            None => {
                let cluster = Cluster::start(&ClusterSettings {
                    dir: config.data_dir.join("postgres"),
                    bin_dir: config.database.bin_dir.clone(),
                    profile: Profile::Lasting,
                })
                .await?;
                cluster.create_database(DATABASE, None).await?;
                (cluster.options(DATABASE), Some(cluster))
            }
        };
        let db = Db::connect(options, config.database.max_connections).await?;
        Ok(Self { db, cluster })
    }

    pub async fn close(self) {
        // A connection that never comes back must not keep the process.
        let _ = tokio::time::timeout(LAST_QUERIES, self.db.close()).await;
        if let Some(cluster) = self.cluster {
            cluster.stop();
        }
    }
}

/// How a site is told to end.
#[derive(Clone, Default)]
pub struct Stopping {
    /// Take nothing new, finish what is in hand.
    pub asked: CancellationToken,
    /// Do not wait for it any longer.
    pub at_once: CancellationToken,
}

/// A site that is ready to be served.
pub struct Site {
    app: App,
    listener: TcpListener,
    database: Database,
    meters: Option<Meters>,
    pub welcome: Option<Welcome>,
    /// Held as long as the site runs: its last handle ends it.
    sandbox: Option<Sandbox>,
    /// The last to go, so that the next site finds everything at rest.
    _data_dir: Option<File>,
}

struct Assembled {
    app: App,
    meters: Option<Meters>,
    welcome: Option<Welcome>,
    sandbox: Option<Sandbox>,
}

/// What whoever started a demo wants to know.
pub struct Welcome {
    pub url: String,
    pub staff_email: &'static str,
    pub staff_password: SecretString,
}

impl Site {
    pub async fn prepare(mut config: Config) -> Result<Self, LaunchError> {
        // First of all, so that a second start by mistake ends here and touches nothing.
        let listener = listen(config.bind).await?;
        if config.bind.port() == 0 {
            config.bind = listener.local_addr().map_err(|error| LaunchError::Listen(config.bind, error))?;
            config.base_url = config::local_url(config.bind);
        }
        let data_dir = match config.mode {
            Mode::Demo => Some(lock(&config.data_dir).await?),
            Mode::Rehearsal | Mode::Production => None,
        };
        let database = Database::open(&config).await?;
        match Self::assemble(config, &database.db).await {
            Ok(Assembled { app, meters, welcome, sandbox }) => {
                Ok(Self { app, listener, database, meters, welcome, sandbox, _data_dir: data_dir })
            }
            Err(error) => {
                database.close().await;
                Err(error)
            }
        }
    }

    async fn assemble(config: Config, db: &Db) -> Result<Assembled, LaunchError> {
        db.migrate().await?;
        if !db.login_rights().await?.can_switch {
            return Err(LaunchError::CannotSwitchRole);
        }
        let clock = clock(&config);
        let outside = Outside::of(&config, &clock).await?;
        let payments = Payments::new(&outside.stripe, clock.clone())?;
        let welcome =
            if config.mode == Mode::Demo { Some(welcome(&config, db, &clock).await?) } else { None };
        let Opened { supplier, switches } = supplier::open(&config.supplier, db, &clock)?;
        let kept_clock = config.data_dir.join(CLOCK);
        let mailer = Mailer::new(&outside.mail, clock.clone())?;
        let vault = open_vault(&config)?;
        let meters = if config.metrics_token.is_some() { Some(Meters::install()?) } else { None };
        let checkout_origin = outside.checkout_origin;
        let webhook = config.link("/webhooks/stripe");
        let courier = Courier::new(own_address(&config))?;
        let mut app = App::new(Parts {
            config,
            db: db.clone(),
            clock,
            payments,
            supplier,
            mailer,
            vault,
            meters: meters.clone(),
            courier,
            checkout_origin,
        })?;
        if let Some(sandbox) = &outside.sandbox {
            sandbox.stripe.set_webhook_url(webhook);
            app = app.with_mailbox(sandbox.mailbox.clone());
            if let Some(switches) = switches {
                app = app.with_console(Console::new(sandbox.stripe.clone(), switches, Some(kept_clock)));
            }
        }
        Ok(Assembled { app, meters, welcome, sandbox: outside.sandbox })
    }

    /// Serves until it is to stop, then ends everything that was started here.
    pub async fn serve(self, stopping: Stopping) {
        let Stopping { asked: stop, at_once } = stopping;
        let worker = tokio::spawn(self.app.worker().run(stop.clone()));
        let asked = stop.clone();
        let last_jobs = async move {
            asked.cancelled().await;
            tokio::time::sleep(LAST_JOBS).await;
        };
        let out_of_time = tokio::spawn(last_jobs);
        tokio::spawn(forget_old_sessions(self.database.db.clone(), stop.clone()));
        if let Some(meters) = self.meters {
            tokio::spawn(tidy(meters, stop.clone()));
        }
        tokio::select! {
            () = self.app.serve(self.listener, stop.clone()) => {}
            () = at_once.cancelled() => {}
        }
        stop.cancel();
        // A job that hangs is taken up again by the next start: its lease runs out.
        tokio::select! {
            _ = worker => {}
            _ = out_of_time => tracing::warn!("a job was still running at the end"),
            () = at_once.cancelled() => {}
        }
        drop(self.sandbox);
        self.database.close().await;
    }
}

/// A demo's clock can be moved, and stays where it was moved to.
fn clock(config: &Config) -> Clock {
    if config.mode != Mode::Demo {
        return Clock::system();
    }
    let kept = fs::read_to_string(config.data_dir.join(CLOCK)).ok();
    let ahead = kept.and_then(|seconds| seconds.trim().parse().ok()).filter(|seconds: &i64| *seconds >= 0);
    Clock::ahead_by(SignedDuration::from_secs(ahead.unwrap_or_default()))
}

/// The demo's webhooks may reach the demo's own page. In production nothing inside is reached.
fn own_address(config: &Config) -> Own {
    let address = config.base_url.socket_addrs(|| None).ok().and_then(|found| found.into_iter().next());
    match (config.mode, address) {
        (Mode::Demo, Some(address)) if address.ip().is_loopback() => Own::Only(address),
        _ => Own::Nothing,
    }
}

/// Ended sessions open nothing any more; their rows are swept out now and then.
async fn forget_old_sessions(db: Db, stop: CancellationToken) {
    let store = db.session_store();
    let mut hours = tokio::time::interval(Duration::from_secs(3600));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = hours.tick() => {}
        }
        if let Err(error) = store.delete_expired().await {
            tracing::warn!(%error, "old sessions could not be swept out");
        }
    }
}

async fn tidy(meters: Meters, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(Duration::from_secs(10));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => meters.tidy(),
        }
    }
}

async fn listen(at: SocketAddr) -> Result<TcpListener, LaunchError> {
    // A process that was killed a moment ago may still be on its way out.
    for _ in 0..10 {
        match TcpListener::bind(at).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(LaunchError::Listen(at, error)),
        }
    }
    Err(LaunchError::PortTaken(at))
}

/// Keeps a second demo out of the directory: mails and payments live there in files that one process writes. The kernel
/// lets go of the lock even after `kill -9`. Commands beside a running site need only its database and take no lock.
async fn lock(directory: &Path) -> Result<File, LaunchError> {
    let failed = |error| LaunchError::DataDir(directory.to_owned(), error);
    fs::create_dir_all(directory).map_err(failed)?;
    let path = directory.join("site.lock");
    let file =
        OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(path).map_err(failed)?;
    for _ in 0..10 {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // As with the port: it may be on its way out.
            Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    Err(LaunchError::DataDirTaken(directory.to_owned()))
}

/// Stripe and the mail server as the configuration names them, or the stand-ins of demo mode.
struct Outside {
    stripe: StripeSettings,
    checkout_origin: String,
    mail: MailSettings,
    sandbox: Option<Sandbox>,
}

impl Outside {
    async fn of(config: &Config, clock: &Clock) -> Result<Self, LaunchError> {
        let sandbox = match config.mode {
            Mode::Demo => Some(start_sandbox(config, clock).await?),
            Mode::Rehearsal | Mode::Production => None,
        };
        let stripe = match (&config.stripe, &sandbox) {
            (Some(stripe), _) => StripeSettings {
                secret_key: stripe.secret_key.clone(),
                api_url: stripe.api_url.clone(),
                webhook_secrets: stripe.webhook_secrets.clone(),
            },
            (None, Some(sandbox)) => StripeSettings {
                secret_key: sandbox.stripe.secret_key(),
                api_url: sandbox.stripe.base_url().parse().ok(),
                webhook_secrets: vec![sandbox.stripe.webhook_secret()],
            },
            (None, None) => return Err(LaunchError::Incomplete("Stripe")),
        };
        let smtp_url = match (&config.mail.smtp_url, &sandbox) {
            (Some(url), _) => url.clone(),
            (None, Some(sandbox)) => sandbox.mailbox.smtp_url().into(),
            (None, None) => return Err(LaunchError::Incomplete("mail")),
        };
        let origin = stripe.api_url.as_ref().map(|url| url.origin().ascii_serialization());
        Ok(Self {
            checkout_origin: origin.unwrap_or_else(|| "https://checkout.stripe.com".to_owned()),
            mail: MailSettings { smtp_url, from: config.mail.from.clone() },
            stripe,
            sandbox,
        })
    }
}

async fn start_sandbox(config: &Config, clock: &Clock) -> Result<Sandbox, LaunchError> {
    // Beside our own port, so that a payment page is still there after a restart.
    let port = match config.bind.port() {
        0 => 0,
        own => own.checked_add(1).unwrap_or(0),
    };
    let directory = config.data_dir.join("sandbox");
    Ok(Sandbox::start_in(&directory, clock.clone(), port, 0).await?)
}

async fn welcome(config: &Config, db: &Db, clock: &Clock) -> Result<Welcome, LaunchError> {
    let path = config.data_dir.join("staff-password");
    let password = kept_secret(&path, || ids::random_text(b"abcdefghjkmnpqrstuvwxyz23456789", 16).into())
        .map_err(|error| LaunchError::DataDir(path, error))?;
    let role = StaffRole::Owner.code();
    accounts::make_staff(db, clock, &Passwords::new()?, DEMO_STAFF, password.clone(), role).await?;
    Ok(Welcome { url: config.link("/"), staff_email: DEMO_STAFF, staff_password: password })
}

/// The configured keys; a demo makes its own.
fn open_vault(config: &Config) -> Result<Vault, LaunchError> {
    let keys = match &config.encryption_keys {
        Some(keys) => keys.clone(),
        None => {
            let path = config.data_dir.join("encryption-keys");
            kept_secret(&path, || vault::new_key("demo"))
                .map_err(|error| LaunchError::DataDir(path, error))?
        }
    };
    Ok(Vault::new(&keys)?)
}

/// Made at the first start, the same at every later one.
fn kept_secret(path: &Path, make: impl FnOnce() -> SecretString) -> io::Result<SecretString> {
    if let Some(kept) = fs::read_to_string(path).ok().filter(|kept| !kept.trim().is_empty()) {
        return Ok(SecretString::from(kept.trim()));
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let made = make();
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{}", made.expose_secret())?;
    Ok(made)
}
