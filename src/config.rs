//! The environment, read once and typed. Everything that is wrong with it is said at once, in words that name the variable.

pub mod smtp;
mod selling;
mod stripe;
mod telling;
mod vars;

use std::{
    cell::RefCell,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

pub use self::selling::{DuffelConfig, SupplierChoice};
pub use self::stripe::StripeConfig;
pub use self::telling::{LogFormat, TraceConfig};
use self::{smtp::SmtpServer, vars::Vars};
use crate::vault::Vault;

/// Every variable that Jetbridge reads. `DEPLOYMENT.md` explains each, and a test compares the two.
pub const VARIABLES: [&str; 33] = [
    "BASE_URL",
    "BIND_ADDR",
    "DATABASE_MAX_CONNECTIONS",
    "DATABASE_URL",
    "DATA_DIR",
    "DOCUMENT_RETENTION_DAYS",
    "DUFFEL_API_URL",
    "DUFFEL_TOKEN",
    "DUFFEL_WEBHOOK_SECRETS",
    "ENCRYPTION_KEYS",
    "FREE_CANCEL_DAYS_AHEAD",
    "FREE_CANCEL_HOURS",
    "JETBRIDGE_ALLOW_TEST_MODE",
    "JETBRIDGE_MODE",
    "LOG_FORMAT",
    "MAIL_FROM",
    "METRICS_TOKEN",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "PG_BIN_DIR",
    "PORT",
    "RUST_LOG",
    "SELLER_ADDRESS",
    "SELLER_EMAIL",
    "SELLER_NAME",
    "SITE_NAME",
    "SMTP_URL",
    "STAFF_EMAIL",
    "STRIPE_API_URL",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRETS",
    "SUPPLIER",
    "TRUSTED_PROXY_HOPS",
];

const DEFAULT_SELLER_EMAIL: &str = "help@jetbridge.example";

#[derive(Clone, Debug)]
pub struct Config {
    pub mode: Mode,
    /// Where the site listens. Demo mode listens on loopback only.
    pub bind: SocketAddr,
    /// The address that travellers see: links in mails, the way back from Stripe, the cookie's security.
    pub base_url: Url,
    /// How many proxies of ours stand between visitors and this process: that many of the last entries in X-Forwarded-For
    /// are believed.
    pub trusted_proxy_hops: usize,
    pub database: DatabaseConfig,
    /// Where demo mode keeps its PostgreSQL and its staff password.
    pub data_dir: PathBuf,
    /// Seals what the database must not tell. `None`: demo mode makes its own and keeps it in `data_dir`.
    pub encryption_keys: Option<SecretString>,
    /// How many days after the journey passports are deleted.
    pub document_retention_days: u16,
    /// For so many hours after the tickets are issued cancelling costs the traveller nothing, whatever the fare says: what
    /// the airline keeps is then the agency's. None by default.
    pub free_cancel_hours: u16,
    /// That promise holds only so many days before the first departure.
    pub free_cancel_days_ahead: u16,
    /// `None`: the sandbox that demo mode starts itself.
    pub stripe: Option<StripeConfig>,
    pub mail: MailConfig,
    pub supplier: SupplierChoice,
    pub site: Site,
    /// Who shows it may read `/metrics`. `None`: nothing is counted, and the address does not exist.
    pub metrics_token: Option<SecretString>,
    /// Where spans go. `None`: there are none.
    pub traces: Option<TraceConfig>,
    pub log_format: LogFormat,
    /// What is logged, in the syntax of `RUST_LOG`.
    pub log_filter: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The default: nothing is real, everything needed is started here.
    Demo,
    /// Production's parts with Stripe's test keys: nobody can be charged, so the timetable may sell.
    Rehearsal,
    Production,
}

#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// `None`: the private PostgreSQL that demo mode starts itself.
    pub url: Option<SecretString>,
    /// How many connections one process keeps at most.
    pub max_connections: u32,
    /// Where `initdb` and `postgres` are, if not in a usual place.
    pub bin_dir: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub struct MailConfig {
    /// `None`: the mailbox that demo mode starts itself.
    pub smtp_url: Option<SecretString>,
    /// What stands in "From".
    pub from: String,
    /// Who is told that money needs a person.
    pub staff: String,
}

/// Who sells: stands in the footer of every page and in every mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    pub name: String,
    /// Legal name of the seller.
    pub seller_name: String,
    pub seller_address: String,
    /// Where travellers get help.
    pub seller_email: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub variable: &'static str,
    pub problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.variable, self.problem)
    }
}

impl Mode {
    /// No flight and no money is real: every page says so.
    pub const fn is_pretend(self) -> bool {
        matches!(self, Self::Demo | Self::Rehearsal)
    }
}

impl Config {
    pub fn from_env() -> Result<Self, Vec<ConfigError>> {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<ConfigError>> {
        let (config, errors) = Self::examine(lookup);
        if errors.is_empty() { Ok(config) } else { Err(errors) }
    }

    /// As much as can be understood, and everything that is wrong: for whoever looks for faults. What is wrong or missing
    /// has some value in it all the same, so nothing may be started with it.
    pub fn examine(lookup: impl Fn(&str) -> Option<String>) -> (Self, Vec<ConfigError>) {
        let vars = Vars { lookup: &lookup, errors: RefCell::default(), asked: RefCell::default() };
        let config = read(&vars);
        (config, vars.errors.into_inner())
    }

    /// Secure cookies work over https only; demo mode is plain http on loopback.
    pub fn is_https(&self) -> bool {
        self.base_url.scheme() == "https"
    }

    /// Whether Stripe's answers must be about real money.
    pub fn takes_real_money(&self) -> bool {
        self.stripe.as_ref().is_some_and(|stripe| stripe::is_live_key(stripe.secret_key.expose_secret()))
    }

    /// An absolute address on this site.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.base_url.as_str().trim_end_matches('/'))
    }
}

fn read(vars: &Vars<'_>) -> Config {
    let mode = read_mode(vars);
    let bind = read_bind(vars, mode);
    Config {
        mode,
        bind,
        base_url: read_base_url(vars, mode, bind),
        trusted_proxy_hops: read_hops(vars, mode),
        database: read_database(vars, mode),
        data_dir: vars.get("DATA_DIR").map_or_else(|| PathBuf::from("data"), PathBuf::from),
        encryption_keys: read_encryption_keys(vars, mode),
        document_retention_days: read_retention(vars),
        free_cancel_hours: read_at_most(vars, "FREE_CANCEL_HOURS", 0, 720),
        free_cancel_days_ahead: read_at_most(vars, "FREE_CANCEL_DAYS_AHEAD", 7, 365),
        stripe: stripe::read(vars, mode),
        mail: read_mail(vars, mode),
        supplier: selling::read_supplier(vars, mode),
        site: read_site(vars, mode),
        metrics_token: telling::read_metrics_token(vars),
        traces: telling::read_traces(vars),
        log_format: telling::read_log_format(vars, mode),
        log_filter: vars.get("RUST_LOG").unwrap_or_else(|| "warn,jetbridge=info".to_owned()),
    }
}

fn read_mode(vars: &Vars<'_>) -> Mode {
    let allow_test = match vars.get("JETBRIDGE_ALLOW_TEST_MODE").as_deref() {
        None | Some("0") => false,
        Some("1") => true,
        Some(_) => {
            vars.wrong("JETBRIDGE_ALLOW_TEST_MODE", "must be 1 or 0");
            false
        }
    };
    match vars.get("JETBRIDGE_MODE").as_deref() {
        None | Some("demo") => Mode::Demo,
        Some("production") if allow_test => Mode::Rehearsal,
        Some("production") => Mode::Production,
        Some(_) => {
            vars.wrong("JETBRIDGE_MODE", "must be demo (the default) or production");
            Mode::Demo
        }
    }
}

fn read_bind(vars: &Vars<'_>, mode: Mode) -> SocketAddr {
    let default = if mode == Mode::Demo { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
    let ip = vars.parsed("BIND_ADDR", IpAddr::V4(default), "an IP address without a port, such as 0.0.0.0");
    if mode == Mode::Demo && !ip.is_loopback() {
        vars.wrong(
            "BIND_ADDR",
            "must be a loopback address in demo mode: its sandbox believes anybody who can reach it",
        );
    }
    SocketAddr::new(ip, vars.parsed("PORT", 3000, "a number from 0 to 65535"))
}

fn read_base_url(vars: &Vars<'_>, mode: Mode, bind: SocketAddr) -> Url {
    let own = local_url(bind);
    let given = vars.url("BASE_URL", &["https", "http"]);
    match (mode, given) {
        (Mode::Demo, given) => given.unwrap_or(own),
        (_, None) => {
            if vars.get("BASE_URL").is_none() {
                vars.wrong("BASE_URL", "is missing: the https address that travellers see");
            }
            own
        }
        (_, Some(url)) => {
            if url.scheme() != "https" {
                vars.wrong("BASE_URL", "must start with https:// in production");
            }
            if url.path() != "/"
                || url.query().is_some()
                || url.fragment().is_some()
                || !url.username().is_empty()
            {
                vars.wrong("BASE_URL", "must be scheme and host only");
            }
            url
        }
    }
}

/// Production is always behind something that ends TLS, and taking that for every visitor would hold them all to the limits
/// of one: so it has to be said.
fn read_hops(vars: &Vars<'_>, mode: Mode) -> usize {
    let wanted = "a number from 0 to 10";
    if mode != Mode::Demo && vars.get("TRUSTED_PROXY_HOPS").is_none() {
        vars.wrong("TRUSTED_PROXY_HOPS", "is missing: how many proxies stand in front (1 on Railway)");
    }
    let hops = vars.parsed("TRUSTED_PROXY_HOPS", 0, wanted);
    if hops > 10 {
        vars.wrong("TRUSTED_PROXY_HOPS", format!("must be {wanted}"));
    }
    hops
}

/// The address of a site that listens here.
#[expect(
    clippy::unwrap_used,
    reason = "an IP address and a port always make an address; the tests start from it"
)]
pub fn local_url(at: SocketAddr) -> Url {
    Url::parse(&format!("http://{at}/")).unwrap()
}

fn read_database(vars: &Vars<'_>, mode: Mode) -> DatabaseConfig {
    let url = vars.get("DATABASE_URL");
    // Kept as written: a socket directory in ?host= or a percent sign in a password must arrive unchanged.
    let understood = |url: &String| {
        (url.starts_with("postgres://") || url.starts_with("postgresql://"))
            && url.parse::<sqlx::postgres::PgConnectOptions>().is_ok()
    };
    if url.as_ref().is_some_and(|url| !understood(url)) {
        vars.wrong("DATABASE_URL", "must be postgres://user:password@host/database");
    }
    if mode != Mode::Demo && url.is_none() {
        vars.wrong("DATABASE_URL", "is missing: the PostgreSQL of this site");
    }
    let max_connections = vars.parsed("DATABASE_MAX_CONNECTIONS", 10, "a number from 2 to 1000");
    if !(2..=1000).contains(&max_connections) {
        vars.wrong("DATABASE_MAX_CONNECTIONS", "must be a number from 2 to 1000");
    }
    DatabaseConfig {
        url: url.map(SecretString::from),
        max_connections,
        bin_dir: vars.get("PG_BIN_DIR").map(PathBuf::from),
    }
}

fn read_encryption_keys(vars: &Vars<'_>, mode: Mode) -> Option<SecretString> {
    let keys = vars.get("ENCRYPTION_KEYS").map(SecretString::from);
    match keys.as_ref().map(Vault::new) {
        None if mode == Mode::Demo => {}
        None => vars
            .wrong("ENCRYPTION_KEYS", "is missing: name:base64 of 32 random bytes (openssl rand -base64 32)"),
        Some(Err(error)) => vars.wrong("ENCRYPTION_KEYS", error.to_string()),
        Some(Ok(_)) => {}
    }
    keys
}

/// Airlines and authorities may ask for a while after the journey; what is kept longer can only be stolen.
fn read_retention(vars: &Vars<'_>) -> u16 {
    let days = vars.parsed("DOCUMENT_RETENTION_DAYS", 30, "a number from 0 to 365");
    if days > 365 {
        vars.wrong("DOCUMENT_RETENTION_DAYS", "must be a number from 0 to 365");
    }
    days
}

fn read_at_most(vars: &Vars<'_>, name: &'static str, default: u16, most: u16) -> u16 {
    let wanted = format!("a number from 0 to {most}");
    let number = vars.parsed(name, default, &wanted);
    if number > most {
        vars.wrong(name, format!("must be {wanted}"));
    }
    number
}

fn read_mail(vars: &Vars<'_>, mode: Mode) -> MailConfig {
    let from = vars.get("MAIL_FROM");
    let smtp = if mode == Mode::Demo {
        vars.unwanted(
            "SMTP_URL",
            "has no meaning in demo mode, whose mail goes to a page and to nobody else: unset it",
        );
        None
    } else {
        if vars.get("SMTP_URL").is_none() {
            vars.wrong("SMTP_URL", "is missing: smtps://user:password@host, the server that sends our mail");
        }
        if from.is_none() {
            vars.wrong("MAIL_FROM", "is missing: the address that our mail comes from");
        }
        vars.get("SMTP_URL")
    };
    if let Some(Err(problem)) = smtp.as_deref().map(SmtpServer::parse) {
        vars.wrong("SMTP_URL", problem);
    }
    let from = from.unwrap_or_else(|| "Jetbridge <bookings@jetbridge.example>".to_owned());
    if !from.contains('@') || from.chars().any(char::is_control) {
        vars.wrong("MAIL_FROM", "must be an address, such as Jetbridge <bookings@example.com>");
    }
    let seller = vars.get("SELLER_EMAIL").unwrap_or_else(|| DEFAULT_SELLER_EMAIL.to_owned());
    let staff = vars.get("STAFF_EMAIL");
    if staff.as_ref().is_some_and(|staff| !is_plain_address(staff)) {
        vars.wrong("STAFF_EMAIL", "must be a plain address, such as money@example.com");
    }
    let staff = staff.unwrap_or(seller);
    MailConfig { smtp_url: smtp.map(SecretString::from), from, staff }
}

fn is_plain_address(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c == '@');
    text.len() <= 254 && text.split_once('@').is_some_and(|(name, host)| is_part(name) && is_part(host))
}

fn read_site(vars: &Vars<'_>, mode: Mode) -> Site {
    if mode == Mode::Production {
        for name in ["SELLER_NAME", "SELLER_ADDRESS", "SELLER_EMAIL"] {
            if vars.get(name).is_none() {
                vars.wrong(name, "is missing: travellers must see who sells to them");
            }
        }
    }
    Site {
        name: vars.text("SITE_NAME", "Jetbridge"),
        seller_name: vars.text("SELLER_NAME", "Jetbridge Travel Lda"),
        seller_address: vars.text("SELLER_ADDRESS", "Rua do Demo 1, Lisbon"),
        seller_email: vars.text("SELLER_EMAIL", DEFAULT_SELLER_EMAIL),
    }
}

#[cfg(test)]
mod tests;
