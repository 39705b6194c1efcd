//! The whole application as one value: its pieces, its layers, its server.

mod routes;

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::FromRef, middleware};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_sessions::{SessionManagerLayer, cookie::SameSite};

use crate::{
    accounts::{Accounts, Passwords, SecondFactors},
    airports::Airports,
    bookings::{Bookings, webhook::DuffelDoor},
    checkout::{Checkout, Intake, cancel::terms::FreeWindow},
    clock::Clock,
    config::{Config, Mode},
    courier::Courier,
    db::Db,
    demo::{Catcher, Console, DemoCatcher, DemoConsole, DemoMailbox},
    emails::Emails,
    error::AppError,
    hooks::Hooks,
    limits::Limits,
    mailer::Mailer,
    meters::Meters,
    openapi::Document,
    payments::Payments,
    privacy::Privacy,
    sandbox::mailbox::Mailbox,
    search::Search,
    supplier::SharedSupplier,
    vault::Vault,
    vitals::{Vitals, Watch},
    web::{
        chrome::SiteSettings,
        crowd::Crowd,
        frame::{self, House},
        idempotency::{self, Calls},
        negotiate,
        probes::Stopping,
        server::{self, Parting},
        session,
        session_cache::Sessions,
    },
    worker::Worker,
};

/// How long requests in flight may take to finish once we are told to stop.
const GRACE: Duration = Duration::from_secs(4);
/// What a proxy may take to hear that it is to send nobody here any more.
const NOTICE: Duration = Duration::from_secs(2);

/// What the application is made of. Tests put in a manual clock and the sandbox's addresses.
pub struct Parts {
    pub config: Config,
    pub db: Db,
    pub clock: Clock,
    pub payments: Payments,
    pub supplier: SharedSupplier,
    pub mailer: Mailer,
    pub vault: Vault,
    /// Where the process counts, if anybody is to read it.
    pub meters: Option<Meters>,
    /// Carries what the agency's own systems are told.
    pub courier: Courier,
    /// Where the payment page is: the only foreign address that our forms may lead to.
    pub checkout_origin: String,
}

/// One pointer: each layer and each request takes the whole of it along.
#[derive(Clone)]
pub struct App(Arc<Pieces>);

#[derive(Clone)]
struct Pieces {
    config: Arc<Config>,
    site: Arc<SiteSettings>,
    db: Db,
    clock: Clock,
    airports: &'static Airports,
    supplier: SharedSupplier,
    search: Search,
    bookings: Bookings,
    checkout: Checkout,
    emails: Emails,
    hooks: Hooks,
    accounts: Accounts,
    factors: SecondFactors,
    privacy: Privacy,
    mailbox: DemoMailbox,
    catcher: DemoCatcher,
    console: DemoConsole,
    vault: Vault,
    sessions: Sessions,
    limits: Limits,
    document: Document,
    vitals: Vitals,
    stopping: Stopping,
    duffel: DuffelDoor,
}

/// Handlers take the piece that they need, never the whole.
macro_rules! pieces {
    ($($piece:ident: $kind:ty),+ $(,)?) => {$(
        impl FromRef<App> for $kind {
            fn from_ref(app: &App) -> Self {
                app.0.$piece.clone()
            }
        }
    )+};
}

pieces! {
    config: Arc<Config>,
    site: Arc<SiteSettings>,
    db: Db,
    clock: Clock,
    airports: &'static Airports,
    supplier: SharedSupplier,
    search: Search,
    bookings: Bookings,
    checkout: Checkout,
    hooks: Hooks,
    accounts: Accounts,
    factors: SecondFactors,
    privacy: Privacy,
    mailbox: DemoMailbox,
    catcher: DemoCatcher,
    console: DemoConsole,
    vault: Vault,
    limits: Limits,
    document: Document,
    vitals: Vitals,
    stopping: Stopping,
    duffel: DuffelDoor,
}

impl App {
    pub fn new(parts: Parts) -> Result<Self, AppError> {
        let site = SiteSettings::new(&parts.config, parts.checkout_origin);
        let Parts { config, db, clock, payments, supplier, mailer, vault, meters, courier, .. } = parts;
        let emails = Emails::new(db.clone(), clock.clone(), mailer, vault.clone(), (&config).into());
        let hooks = Hooks::new(db.clone(), clock.clone(), courier, vault.clone(), &config);
        let limits = Limits::new(db.clone(), clock.clone(), vault.clone());
        let accounts = Accounts {
            db: db.clone(),
            clock: clock.clone(),
            passwords: Passwords::new()?,
            limits: limits.clone(),
        };
        let bookings = Bookings {
            db: db.clone(),
            clock: clock.clone(),
            supplier: supplier.clone(),
            vault: vault.clone(),
            keep_documents_days: config.document_retention_days,
        };
        let checkout = Checkout {
            db: db.clone(),
            clock: clock.clone(),
            bookings: bookings.clone(),
            payments,
            intake: Intake::default(),
            base_url: config.link("").trim_end_matches('/').to_owned(),
            free_cancel: FreeWindow {
                hours: config.free_cancel_hours,
                days_ahead: config.free_cancel_days_ahead,
            },
            livemode: config.takes_real_money(),
        };
        let search = Search::new(db.clone(), clock.clone(), supplier.clone());
        let factors = SecondFactors {
            db: db.clone(),
            clock: clock.clone(),
            vault: vault.clone(),
            issuer: config.site.name.clone(),
        };
        let watch = meters.zip(config.metrics_token.clone()).map(|(meters, token)| Watch { meters, token });
        let vitals = Vitals {
            db: db.clone(),
            clock: clock.clone(),
            passwords: accounts.passwords.clone(),
            watch,
            board: Arc::default(),
        };
        Ok(Self(Arc::new(Pieces {
            vitals,
            stopping: Stopping::default(),
            duffel: DuffelDoor::new(&config.supplier, &clock),
            limits,
            factors,
            site: Arc::new(site),
            document: Document::new(&config)?,
            catcher: DemoCatcher((config.mode == Mode::Demo).then(Catcher::default)),
            config: Arc::new(config),
            sessions: Sessions::new(db.clone()),
            db,
            clock,
            airports: Airports::world(),
            search,
            supplier,
            bookings,
            checkout,
            emails,
            hooks,
            privacy: Privacy { accounts: accounts.clone() },
            accounts,
            mailbox: DemoMailbox(None),
            console: DemoConsole(None),
            vault,
        })))
    }

    /// Runs the jobs that requests leave behind.
    pub fn worker(&self) -> Worker {
        Worker {
            db: self.0.db.clone(),
            clock: self.0.clock.clone(),
            bookings: self.0.bookings.clone(),
            checkout: self.0.checkout.clone(),
            emails: self.0.emails.clone(),
            hooks: self.0.hooks.clone(),
        }
    }

    /// Shows what the demo's mailbox has got.
    pub fn with_mailbox(mut self, mailbox: Mailbox) -> Self {
        self.pieces().mailbox = DemoMailbox(Some(mailbox));
        self
    }

    /// Has the demo's levers. In any other mode there are none, whoever offers them.
    pub fn with_console(mut self, console: Console) -> Self {
        let is_demo = self.0.config.mode == Mode::Demo;
        self.pieces().console = DemoConsole(Some(console).filter(|_| is_demo));
        self
    }

    /// Before anybody else has them.
    fn pieces(&mut self) -> &mut Pieces {
        Arc::make_mut(&mut self.0)
    }

    pub fn router(self) -> Router {
        let Pieces { site, config, db, clock, .. } = (*self.0).clone();
        let sessions = self.session_layer();
        let calls = Calls { db: self.0.db.clone(), clock: self.0.clock.clone(), vault: self.0.vault.clone() };
        let api = routes::api().layer((
            middleware::from_fn(negotiate::negotiate),
            middleware::from_fn_with_state(calls, idempotency::once),
            middleware::from_fn(negotiate::tell_limits),
        ));
        let house = House { site, config, db, clock };
        frame::around(routes::routes().merge(api), house, sessions).with_state(self)
    }

    /// Serves until `stop`, goes on for a moment for those who have not heard of it, then lets the requests in flight finish.
    pub async fn serve(mut self, listener: TcpListener, stop: CancellationToken) {
        self.pieces().stopping = Stopping(stop.clone());
        tokio::spawn(self.0.sessions.clone().hear(stop.clone()));
        let crowd = Crowd::new(self.0.config.trusted_proxy_hops);
        // Nobody stands before a demo.
        let notice = if self.0.config.mode == Mode::Demo { Duration::ZERO } else { NOTICE };
        server::serve(listener, self.router(), crowd, stop, Parting { notice, grace: GRACE }).await;
    }

    fn session_layer(&self) -> SessionManagerLayer<Sessions> {
        SessionManagerLayer::new(self.0.sessions.clone())
            .with_name(session::cookie_name(self.0.config.is_https()))
            .with_secure(self.0.config.is_https())
            .with_http_only(true)
            .with_same_site(SameSite::Lax)
            .with_path("/")
    }
}
