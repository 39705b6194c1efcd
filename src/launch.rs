//! From a configuration to a running site: the private parts of demo mode or the given ones, checked before anything is
//! served, and everything stopped in the reverse order.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    accounts::{self, Passwords},
    app::{App, Parts},
    clock::Clock,
    config::{self, Config, Mode},
    db::Db,
    embedded::{Cluster, ClusterSettings, EmbeddedError, Profile},
    error::AppError,
    ids,
    payments::{PaymentError, Payments, StripeSettings},
    web::principal::StaffRole,
};

/// The member of staff that demo mode makes.
pub const DEMO_STAFF: &str = "staff@jetbridge.example";
const DATABASE: &str = "jetbridge";

#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("{0} is taken by another program (perhaps another Jetbridge). Stop that one, or choose another port: PORT={next}", next = .0.port().wrapping_add(1).max(1024))]
    PortTaken(SocketAddr),
    #[error("could not listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    #[error("could not use {0}")]
    DataDir(PathBuf, #[source] io::Error),
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
    Payments(#[from] PaymentError),
    #[error(transparent)]
    App(#[from] AppError),
    #[error("the server failed")]
    Serve(#[source] io::Error),
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
        self.db.close().await;
        if let Some(cluster) = self.cluster {
            cluster.stop();
        }
    }
}

/// A site that is ready to be served.
pub struct Site {
    app: App,
    listener: TcpListener,
    database: Database,
    pub welcome: Option<Welcome>,
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
            config.bind = listener.local_addr().map_err(LaunchError::Serve)?;
            config.base_url = config::local_url(config.bind);
        }
        let database = Database::open(&config).await?;
        match Self::assemble(config, &database.db).await {
            Ok((app, welcome)) => Ok(Self { app, listener, database, welcome }),
            Err(error) => {
                database.close().await;
                Err(error)
            }
        }
    }

    async fn assemble(config: Config, db: &Db) -> Result<(App, Option<Welcome>), LaunchError> {
        db.migrate().await?;
        if !db.login_rights().await?.can_switch {
            return Err(LaunchError::CannotSwitchRole);
        }
        let clock = Clock::system();
        let (stripe, checkout_origin) = stripe(&config);
        let payments = Payments::new(&stripe, clock.clone())?;
        let welcome = if config.mode == Mode::Demo { Some(welcome(&config, db).await?) } else { None };
        let app = App::new(Parts { config, db: db.clone(), clock, payments, checkout_origin })?;
        Ok((app, welcome))
    }

    /// Serves until `stop`, then ends everything that was started here.
    pub async fn serve(self, stop: CancellationToken) -> Result<(), LaunchError> {
        let served = self.app.serve(self.listener, stop.clone()).await;
        stop.cancel();
        self.database.close().await;
        served.map_err(LaunchError::Serve)
    }
}

async fn listen(at: SocketAddr) -> Result<TcpListener, LaunchError> {
    TcpListener::bind(at).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => LaunchError::PortTaken(at),
        _ => LaunchError::Listen(at, error),
    })
}

fn stripe(config: &Config) -> (StripeSettings, String) {
    let checkout = "https://checkout.stripe.com".to_owned();
    let Some(stripe) = &config.stripe else {
        let nowhere = StripeSettings {
            secret_key: SecretString::from("sk_test_sandbox"),
            api_url: Some(config.base_url.clone()),
            webhook_secrets: vec![SecretString::from(ids::random_secret())],
        };
        return (nowhere, checkout);
    };
    let settings = StripeSettings {
        secret_key: stripe.secret_key.clone(),
        api_url: stripe.api_url.clone(),
        webhook_secrets: stripe.webhook_secrets.clone(),
    };
    let origin = stripe.api_url.as_ref().map_or(checkout, |url| url.origin().ascii_serialization());
    (settings, origin)
}

async fn welcome(config: &Config, db: &Db) -> Result<Welcome, LaunchError> {
    let path = config.data_dir.join("staff-password");
    let password = kept_password(&path).map_err(|error| LaunchError::DataDir(path, error))?;
    accounts::make_staff(db, &Passwords::new()?, DEMO_STAFF, password.clone(), StaffRole::Owner.code())
        .await?;
    Ok(Welcome { url: config.link("/"), staff_email: DEMO_STAFF, staff_password: password })
}

/// Made at the first start, the same at every later one.
fn kept_password(path: &Path) -> io::Result<SecretString> {
    if let Some(kept) = fs::read_to_string(path).ok().filter(|kept| !kept.trim().is_empty()) {
        return Ok(SecretString::from(kept.trim()));
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let made = ids::random_text(b"abcdefghjkmnpqrstuvwxyz23456789", 16);
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{made}")?;
    Ok(SecretString::from(made))
}
