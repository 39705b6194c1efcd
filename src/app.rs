//! The whole application as one value: its pieces, its one route table, its layers, its server.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRef},
    middleware,
    routing::{MethodRouter, delete, get, post, put},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_sessions::{SessionManagerLayer, cookie::SameSite};

use crate::{
    accounts::{self, Accounts, Passwords, SecondFactors},
    admin,
    airports::Airports,
    bookings::{self, Bookings, webhook::DuffelDoor},
    checkout::{self, Checkout, cancel::terms::FreeWindow},
    clock::Clock,
    config::{Config, Mode},
    courier::Courier,
    db::Db,
    demo::{self, Catcher, Console, DemoCatcher, DemoConsole, DemoMailbox},
    emails::{self, Emails},
    error::AppError,
    hooks::{self, Hooks},
    limits::Limits,
    mailer::Mailer,
    meters::Meters,
    openapi::{self, Document},
    papers,
    payments::Payments,
    privacy::{self, Privacy},
    sandbox::mailbox::Mailbox,
    search::{self, Search},
    supplier::SharedSupplier,
    vault::Vault,
    vitals::{self, Vitals, Watch},
    web::{
        assets,
        chrome::SiteSettings,
        crowd::Crowd,
        frame, host,
        idempotency::{self, Calls},
        negotiate,
        probes::{self, Stopping},
        server::{self, Parting},
        session,
        session_cache::Sessions,
        well_known,
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

#[derive(Clone)]
pub struct App {
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
                app.$piece.clone()
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
        Ok(Self {
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
        })
    }

    /// Runs the jobs that requests leave behind.
    pub fn worker(&self) -> Worker {
        Worker {
            db: self.db.clone(),
            clock: self.clock.clone(),
            bookings: self.bookings.clone(),
            checkout: self.checkout.clone(),
            emails: self.emails.clone(),
            hooks: self.hooks.clone(),
        }
    }

    /// Shows what the demo's mailbox has got.
    pub fn with_mailbox(self, mailbox: Mailbox) -> Self {
        Self { mailbox: DemoMailbox(Some(mailbox)), ..self }
    }

    /// Has the demo's levers. In any other mode there are none, whoever offers them.
    pub fn with_console(self, console: Console) -> Self {
        let is_demo = self.config.mode == Mode::Demo;
        Self { console: DemoConsole(Some(console).filter(|_| is_demo)), ..self }
    }

    /// Every address of the site.
    fn routes() -> Router<Self> {
        Router::new()
            .route("/", get(search::pages::home))
            .route("/airports", get(search::pages::airports))
            .route("/searches/forget", post(search::pages::forget))
            .route("/flights", get(search::pages::flights))
            .route("/flights/calendar", get(search::pages::calendar))
            .route("/flights/matrix", get(search::pages::matrix))
            .route("/offers/{id}", get(search::pages::offer))
            .route("/bookings", get(bookings::pages::list::list).post(bookings::pages::start::start))
            .route("/bookings/claim", post(bookings::pages::claim::claim))
            .route("/bookings/{reference}", get(checkout::pages::booking::booking))
            .route(
                "/bookings/{reference}/passengers",
                get(bookings::pages::passengers::passengers).post(bookings::pages::passengers::save),
            )
            .route("/bookings/{reference}/review", get(checkout::pages::review::review))
            .route(
                "/bookings/{reference}/pay",
                get(checkout::pages::review::pay_again).post(checkout::pages::review::pay),
            )
            .route("/bookings/{reference}/return", get(checkout::pages::after::returned))
            .route("/bookings/{reference}/itinerary", get(papers::pages::itinerary))
            .route("/bookings/{reference}/itinerary.pdf", get(papers::pages::itinerary_pdf))
            .route("/bookings/{reference}/receipt.pdf", get(papers::pages::receipt_pdf))
            .route("/bookings/{reference}/calendar.ics", get(papers::pages::calendar))
            .route("/bookings/{reference}/cancelled", get(checkout::pages::after::cancelled))
            .route(
                "/bookings/{reference}/cancel",
                get(checkout::pages::cancel::cancel).post(checkout::pages::cancel::confirm),
            )
            .route("/bookings/{reference}/drop", post(checkout::pages::after::drop_booking))
            .route("/find", get(bookings::pages::find::find).post(bookings::pages::find::ask))
            .route("/booking-link/{token}", get(bookings::pages::find::open))
            .route("/webhooks/stripe", stripe_webhook())
            .route("/webhooks/duffel", duffel_webhook())
            .route("/api/payment/webhook", stripe_webhook())
            .route("/signup", get(accounts::pages::signup::signup).post(accounts::pages::signup::sign_up))
            .route("/login", get(accounts::pages::login::login).post(accounts::pages::login::log_in))
            .route("/logout", post(accounts::pages::login::log_out))
            .route("/logout/everywhere", post(accounts::pages::login::log_out_everywhere))
            .route("/signup/sent", get(accounts::pages::signup::sent))
            .route(
                "/verify/{token}",
                get(accounts::pages::verify::verify).post(accounts::pages::verify::prove),
            )
            .route("/reset", get(accounts::pages::reset::reset).post(accounts::pages::reset::ask))
            .route("/reset/sent", get(accounts::pages::reset::sent))
            .route(
                "/reset/{token}",
                get(accounts::pages::reset::new_password).post(accounts::pages::reset::set_password),
            )
            .route("/email/{token}", get(accounts::pages::email::confirm).post(accounts::pages::email::take))
            .route("/account", get(accounts::pages::account::account))
            .route("/login/code", get(accounts::pages::code::code).post(accounts::pages::code::check_code))
            .route(
                "/reauthenticate",
                get(accounts::pages::reauthenticate::reauthenticate)
                    .post(accounts::pages::reauthenticate::prove),
            )
            .route("/account/second-factor", get(accounts::pages::second_factor::second_factor))
            .route(
                "/account/second-factor/setup",
                get(accounts::pages::second_factor::setup).post(accounts::pages::second_factor::set_up),
            )
            .route(
                "/account/second-factor/codes",
                get(accounts::pages::recovery_codes::recovery_codes)
                    .post(accounts::pages::recovery_codes::renew),
            )
            .route("/account/second-factor/codes/kept", post(accounts::pages::recovery_codes::have_kept))
            .route("/account/second-factor/remove", post(accounts::pages::second_factor::remove))
            .route("/account/verification", post(accounts::pages::account::verify_again))
            .route(
                "/account/profile",
                get(accounts::pages::profile::profile).post(accounts::pages::profile::save),
            )
            .route(
                "/account/travellers",
                get(accounts::pages::travellers::travellers).post(accounts::pages::travellers::add),
            )
            .route(
                "/account/travellers/{id}",
                get(accounts::pages::travellers::traveller).post(accounts::pages::travellers::change),
            )
            .route("/account/travellers/{id}/remove", post(accounts::pages::travellers::remove))
            .route(
                "/account/password",
                get(accounts::pages::password::password).post(accounts::pages::password::change),
            )
            .route("/account/email", get(accounts::pages::email::email).post(accounts::pages::email::change))
            .route("/account/email/again", post(accounts::pages::email::send_again))
            .route("/account/email/withdraw", post(accounts::pages::email::withdraw))
            .route(
                "/account/devices",
                get(accounts::pages::devices::devices).post(accounts::pages::devices::end_others),
            )
            .route("/account/devices/{id}/end", post(accounts::pages::devices::end))
            .route("/account/programs/{id}/end", post(accounts::pages::devices::end_program))
            .route("/account/export", get(privacy::pages::export).post(privacy::pages::take_along))
            .route("/account/delete", get(privacy::pages::delete).post(privacy::pages::leave))
            .route("/account/deleted", get(privacy::pages::deleted))
            .route("/.well-known/change-password", get(well_known::change_password))
            .route("/.well-known/security.txt", get(well_known::security_txt))
            .route("/api/auth/signup", post(accounts::api::sign_in::sign_up))
            .route("/api/auth/login", post(accounts::api::sign_in::log_in))
            .route("/api/auth/refresh", post(accounts::api::sign_in::refresh))
            .route("/api/auth/logout", post(accounts::api::sign_in::log_out))
            .route("/api/auth/logout-everywhere", post(accounts::api::sign_in::log_out_everywhere))
            .route("/api/auth/password-reset", post(accounts::api::account::ask_for_reset))
            .route("/api/auth/password-reset/confirm", post(accounts::api::account::reset))
            .route("/api/auth/verify", post(accounts::api::account::verify))
            .route("/api/auth/verify/request", post(accounts::api::account::ask_to_verify))
            .route("/api/auth/email", post(accounts::api::account::ask_to_change_email))
            .route("/api/auth/email/confirm", post(accounts::api::account::change_email))
            .route("/api/auth/password", post(accounts::api::account::change_password))
            .route(
                "/api/auth/me",
                get(accounts::api::people::me)
                    .patch(accounts::api::people::change_me)
                    .delete(privacy::api::leave),
            )
            .route("/api/auth/export", post(privacy::api::export))
            .route(
                "/api/auth/travellers",
                get(accounts::api::people::travellers).post(accounts::api::people::add_traveller),
            )
            .route(
                "/api/auth/travellers/{id}",
                put(accounts::api::people::change_traveller).delete(accounts::api::people::forget_traveller),
            )
            .route("/api/auth/devices", get(accounts::api::people::devices))
            .route("/api/auth/devices/{id}", delete(accounts::api::people::end_device))
            .route("/api/auth/programs", get(accounts::api::people::programs))
            .route("/api/auth/programs/{id}", delete(accounts::api::people::end_program))
            .route("/api/openapi.json", get(openapi::document))
            .route("/api/docs", get(openapi::pages::docs))
            .route("/api/airports", get(search::api::airports))
            .route("/api/flights", get(search::api::flights))
            .route("/api/flights/calendar", get(search::api::calendar::calendar))
            .route("/api/flights/matrix", get(search::api::matrix::matrix))
            .route("/api/offers/{id}", get(search::api::offer))
            .route("/api/bookings", get(bookings::api::list).post(checkout::api::create))
            .route(
                "/api/bookings/{reference}",
                get(checkout::api::show).patch(checkout::api::change).delete(checkout::api::cancel::cancel),
            )
            .route("/api/bookings/{reference}/cancel-quote", get(checkout::api::cancel::quote))
            .route("/api/bookings/{reference}/checkout", post(checkout::api::check_out))
            .route("/api/bookings/{reference}/refunds", get(checkout::api::refunds))
            .route("/admin", get(admin::pages::index))
            .route("/api/admin/bookings", get(admin::api::list))
            .route("/api/admin/bookings/{reference}", get(admin::api::show))
            .route("/api/admin/bookings/{reference}/refund-quote", post(admin::api::refund::quote))
            .route("/api/admin/bookings/{reference}/refunds", post(admin::api::refund::refund))
            .route("/admin/bookings", get(admin::pages::bookings))
            .route("/admin/bookings/{reference}", get(admin::pages::booking))
            .route(
                "/admin/bookings/{reference}/refund",
                get(admin::pages::refund::refund).post(admin::pages::refund::review),
            )
            .route("/admin/bookings/{reference}/refund/confirm", post(admin::pages::refund::confirm))
            .route("/admin/bookings/{reference}/evidence", post(admin::pages::evidence::take))
            .route("/admin/attention", get(admin::pages::attention::attention))
            .route("/admin/attention/{id}", get(admin::pages::attention::item))
            .route("/admin/attention/{id}/resolve", post(admin::pages::attention::resolve))
            .route("/admin/attention/{id}/act", post(admin::pages::attention::act))
            .route("/admin/attention/{id}/accept", post(admin::pages::attention::accept))
            .route("/admin/attention/{id}/give-back", post(admin::pages::attention::give_back))
            .route("/admin/events", get(admin::pages::inbox::events))
            .route("/admin/events/{id}", get(admin::pages::inbox::event))
            .route("/admin/events/{id}/replay", post(admin::pages::inbox::replay))
            .route("/admin/mails", get(admin::pages::mails::mails))
            .route("/admin/mails/{id}", get(admin::pages::mails::mail))
            .route("/admin/mails/{id}/html", get(admin::pages::mails::html))
            .route("/admin/mails/{id}/resend", post(admin::pages::mails::resend))
            .route("/admin/staff", get(admin::pages::people::people).post(admin::pages::people::add))
            .route("/admin/staff/{id}", get(admin::pages::people::person))
            .route("/admin/staff/{id}/role", post(admin::pages::people::change_role))
            .route("/admin/staff/{id}/remove", post(admin::pages::people::remove))
            .route("/admin/hooks", get(hooks::pages::hooks).post(hooks::pages::add))
            .route("/admin/hooks/{id}", get(hooks::pages::log::endpoint))
            .route("/admin/hooks/{id}/pause", post(hooks::pages::pause))
            .route("/admin/hooks/{id}/resume", post(hooks::pages::resume))
            .route("/admin/hooks/{id}/test", post(hooks::pages::send_test))
            .route("/admin/hooks/{id}/secret", post(hooks::pages::show_secret))
            .route("/admin/hooks/{id}/rotate", post(hooks::pages::rotate))
            .route("/admin/hooks/{id}/replay", post(hooks::pages::replay_missed))
            .route("/admin/hooks/{id}/delete", post(hooks::pages::delete))
            .route("/admin/hooks/deliveries/{id}", get(hooks::pages::log::delivery))
            .route("/admin/hooks/deliveries/{id}/replay", post(hooks::pages::log::replay))
            .route("/admin/audit", get(admin::pages::trail::trail))
            .route(
                "/admin/bookings/{reference}/documents/reveal",
                get(admin::pages::documents::reveal_again).post(admin::pages::documents::reveal_documents),
            )
            .route("/demo/mail", get(demo::mails))
            .route("/demo/mail/{id}", get(demo::mail))
            .route("/demo/mail/{id}/html", get(demo::preview))
            .route("/demo/hooks", get(demo::pages::hooks).post(demo::pages::catch))
            .route("/demo/console", get(demo::pages::console::console).post(demo::pages::console::put))
            .route("/demo/letters", get(emails::pages::letters))
            .route("/demo/letters/{name}", get(emails::pages::letter))
            .route("/demo/letters/{name}/html", get(emails::pages::document))
            .route("/static/{file}", get(assets::serve))
            .route("/healthz", get(probes::healthz))
            .route("/readyz", get(probes::readyz))
            .route("/metrics", get(vitals::api::metrics))
            .fallback(nothing_here)
    }

    pub fn router(self) -> Router {
        let site = Arc::clone(&self.site);
        let sessions = self.session_layer();
        let calls = Calls { db: self.db.clone(), clock: self.clock.clone(), vault: self.vault.clone() };
        let routes = Self::routes()
            .layer(middleware::from_fn(negotiate::tell_limits))
            .layer(middleware::from_fn_with_state(calls, idempotency::once))
            .layer(middleware::from_fn(negotiate::negotiate));
        let router = frame::inside(routes, &site)
            .layer(middleware::from_fn_with_state(self.clone(), session::keep_time))
            .layer(sessions)
            .layer(middleware::from_fn_with_state(self.clone(), host::one_host));
        frame::outside(router, &site).with_state(self)
    }

    /// Serves until `stop`, goes on for a moment for those who have not heard of it, then lets the requests in flight finish.
    pub async fn serve(mut self, listener: TcpListener, stop: CancellationToken) {
        self.stopping = Stopping(stop.clone());
        tokio::spawn(self.sessions.clone().hear(stop.clone()));
        let crowd = Crowd::new(self.config.trusted_proxy_hops);
        // Nobody stands before a demo.
        let notice = if self.config.mode == Mode::Demo { Duration::ZERO } else { NOTICE };
        server::serve(listener, self.router(), crowd, stop, Parting { notice, grace: GRACE }).await;
    }

    fn session_layer(&self) -> SessionManagerLayer<Sessions> {
        SessionManagerLayer::new(self.sessions.clone())
            .with_name(session::cookie_name(self.config.is_https()))
            .with_secure(self.config.is_https())
            .with_http_only(true)
            .with_same_site(SameSite::Lax)
            .with_path("/")
    }
}

/// Events may be longer than any form of ours.
fn stripe_webhook() -> MethodRouter<App> {
    post(checkout::webhook::stripe).layer(DefaultBodyLimit::max(frame::WEBHOOK_LIMIT))
}

fn duffel_webhook() -> MethodRouter<App> {
    post(bookings::webhook::duffel).layer(DefaultBodyLimit::max(frame::WEBHOOK_LIMIT))
}

async fn nothing_here() -> AppError {
    AppError::NotFound
}
