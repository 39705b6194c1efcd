//! The command line.

use std::{
    error::Error,
    fmt,
    io::{self, IsTerminal, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::ExitCode,
    thread,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use jetbridge::{
    accounts::{self, MadeStaff, Passwords, second_factor},
    clock::Clock,
    config::Config,
    doctor,
    error::AppError,
    health, ids,
    launch::{Database, Site, Stopping, Welcome},
    logging, smoke,
    traces::{TraceSettings, Traces},
    web::principal::StaffRole,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::util::SubscriberInitExt;
use url::Url;

/// Each answer is put together out of thousands of small pieces of memory, by every thread at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Jetbridge, a flight-booking storefront.
///
/// Without any setting it runs as a demo on this machine alone: it starts a private PostgreSQL, a stand-in for Stripe and
/// a mailbox, invents airlines, and prints where to go. Nothing is real, nothing needs an account anywhere.
///
/// With JETBRIDGE_MODE=production it uses the database, Stripe and mail server that the environment names, and refuses
/// to start if one is missing or only pretends. DEPLOYMENT.md lists the variables.
#[derive(Parser)]
#[command(name = "jetbridge", version, verbatim_doc_comment)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Site(SiteCommand),
    /// Looks at everything that a start needs, changes nothing, and says what is broken and how to mend it. Ends with 1 if
    /// something is broken, with 0 otherwise
    Doctor {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Makes a traveller's journey through a site that runs: signs up, searches, books, pays with a test card, reads the
    /// mail, and deletes the account. Never pays with real money. Ends with 1 if a step fails
    Smoke(SmokeOrders),
    /// Asks the site that runs beside it, with the same settings, whether it answers. Ends with 1 if not. For the health
    /// check of an image that holds no other program
    Health {
        /// Whether it can serve, not only whether it answers: /readyz instead of /healthz
        #[arg(long)]
        ready: bool,
    },
}

#[derive(Args)]
struct SmokeOrders {
    /// Where the site is, as travellers type it
    #[arg(long)]
    base_url: Url,
    /// Where the journey's mails go: a mark is put in, as in you+smoke-abc@example.com. Without it, to nobody
    #[arg(long)]
    email: Option<String>,
    /// How many seconds a ticket or a mail may take
    #[arg(long, default_value_t = 60)]
    patience: u64,
    /// The site's log, if it is a file that can be read here: it must have each request, and nobody's name
    #[arg(long)]
    log_file: Option<PathBuf>,
}

/// What is done with a configuration that is right.
#[derive(Subcommand)]
enum SiteCommand {
    /// Runs the site until Ctrl-C (this is what happens without a command)
    Serve,
    /// Brings the database up to date and ends. `serve` does the same first
    Migrate,
    /// Makes a member of staff, or gives an existing account a role and a new password
    CreateStaff(NewStaff),
    /// Takes the second factor away from somebody who has lost their app and all recovery codes, and signs them out
    /// everywhere. Make sure first that it is really them who asks
    ResetSecondFactor {
        /// The e-mail address that they sign in with
        email: String,
    },
}

#[derive(Args)]
struct NewStaff {
    /// Their e-mail address: they sign in with it
    #[arg(long)]
    email: String,
    /// viewer, agent, finance or owner
    #[arg(long)]
    role: StaffRole,
    /// Read the password from standard input. Otherwise one is made and printed
    #[arg(long)]
    password_stdin: bool,
}

/// What a task on a thread of the pool may still take once everything is over.
const LAST_THREADS: Duration = Duration::from_millis(500);
/// What is stopped in this time after a second signal is stopped properly.
const LAST_CHANCE: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("no threads could be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    // The panic has been told by then. Unwinding through the runtime would drop it here and now.
    let code = catch_unwind(AssertUnwindSafe(|| runtime.block_on(run()))).unwrap_or(ExitCode::FAILURE);
    // Dropping it would wait for as long as a blocking task pleases.
    runtime.shutdown_timeout(LAST_THREADS);
    code
}

async fn run() -> ExitCode {
    let command = CommandLine::parse().command.unwrap_or(Command::Site(SiteCommand::Serve));
    // One library for all TLS of the process; it can be set only once, and here nobody else has.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match command {
        Command::Site(command) => run_site(command).await,
        Command::Doctor { json } => see_doctor(json).await,
        Command::Smoke(orders) => see_smoke(orders).await,
        Command::Health { ready } => see_health(ready),
    }
}

async fn run_site(command: SiteCommand) -> ExitCode {
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(errors) => {
            complain("Jetbridge cannot start. Please correct:");
            for error in errors {
                complain(format_args!("  {error}"));
            }
            return ExitCode::from(78); // EX_CONFIG
        }
    };
    let traces = match start_logging(&config) {
        Ok(traces) => traces,
        Err(error) => {
            complain(chain(error.as_ref()));
            return ExitCode::from(78);
        }
    };
    let done = match command {
        SiteCommand::Serve => serve(config).await,
        SiteCommand::Migrate => migrate(&config).await,
        SiteCommand::CreateStaff(staff) => create_staff(&config, staff).await,
        SiteCommand::ResetSecondFactor { email } => reset_second_factor(&config, &email).await,
    };
    if let Some(traces) = traces {
        traces.finish().await;
    }
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// To standard output, which may be closed: `jetbridge | head` is no reason to fall over, as `println!` would.
fn say(what: impl fmt::Display) {
    let _ = writeln!(io::stdout(), "{what}");
}

fn complain(what: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{what}");
}

async fn serve(config: Config) -> Result<(), Box<dyn Error>> {
    let stopping = Stopping::default();
    heed_signals(stopping.clone())?;
    let preparing = Site::prepare(config);
    let site = tokio::select! {
        site = preparing => site?,
        // Dropping a half-started site stops what it had started.
        () = stopping.asked.cancelled() => return Ok(()),
    };
    if let Some(welcome) = &site.welcome {
        print_welcome(welcome);
    }
    site.serve(stopping.clone()).await;
    if stopping.at_once.is_cancelled() {
        Err("Stopped without waiting for what was under way".into())
    } else {
        Ok(())
    }
}

/// The first Ctrl-C or SIGTERM asks, the second does not wait. On a thread of its own, so that they are heard whatever
/// the others are stuck in.
fn heed_signals(stopping: Stopping) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let mut next = async move || {
        tokio::select! {
            _ = interrupt.recv() => SignalKind::interrupt(),
            _ = terminate.recv() => SignalKind::terminate(),
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(next());
        tracing::info!("stopping");
        stopping.asked.cancel();
        let second = runtime.block_on(next());
        stopping.at_once.cancel();
        thread::sleep(LAST_CHANCE);
        std::process::exit(128 + second.as_raw_value());
    })?;
    Ok(())
}

fn print_welcome(welcome: &Welcome) {
    let Welcome { url, staff_email, staff_password } = welcome;
    say(format_args!(
        "
  Jetbridge is running as a demo. Nothing in it is real.

    Shop     {url}
    Card     4242 4242 4242 4242 (4000 0000 0000 0002 is declined)
    Mail     {url}demo/mail
    Staff    {url}admin/bookings
             {staff_email}  {password}

  Ctrl-C stops it. Your data is kept for the next time.
",
        password = staff_password.expose_secret(),
    ));
}

async fn migrate(config: &Config) -> Result<(), Box<dyn Error>> {
    let database = Database::open(config).await?;
    let done = database.db.migrate().await;
    database.close().await;
    done?;
    say("The database is up to date.");
    Ok(())
}

async fn create_staff(config: &Config, staff: NewStaff) -> Result<(), Box<dyn Error>> {
    let password = if staff.password_stdin { read_password()? } else { made_password() };
    let database = Database::open(config).await?;
    let made = async {
        database.db.migrate().await?;
        let passwords = Passwords::new()?;
        let (clock, role) = (Clock::system(), staff.role.code());
        let made =
            accounts::make_staff(&database.db, &clock, &passwords, &staff.email, password.clone(), role);
        Ok::<MadeStaff, Box<dyn Error>>(made.await?)
    };
    let made = made.await;
    database.close().await;
    let made = made?;
    say(format_args!("{} can sign in as {}.", staff.email, staff.role));
    if made.second_factor_removed {
        say(
            "The second factor that this account had is gone, for nobody knows here whose it was. Set up another.",
        );
    }
    if !staff.password_stdin {
        say(format_args!("Password, shown this once: {}", password.expose_secret()));
    }
    Ok(())
}

async fn see_doctor(json: bool) -> ExitCode {
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let report = doctor::examine(&environment).await;
    if json {
        match serde_json::to_string_pretty(&report) {
            Ok(text) => say(text),
            Err(error) => complain(error),
        }
    } else {
        say(&report);
    }
    if report.worst() == doctor::State::Broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

async fn see_smoke(orders: SmokeOrders) -> ExitCode {
    let settings = smoke::Settings {
        base_url: orders.base_url,
        email: orders.email,
        patience: Duration::from_secs(orders.patience),
        log_file: orders.log_file,
        metrics_token: std::env::var("METRICS_TOKEN").ok().filter(|token| !token.is_empty()).map(Into::into),
    };
    if smoke::run(settings, |line| say(line)).await { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn see_health(ready: bool) -> ExitCode {
    // What else is wrong with the settings is not the question.
    let (config, _) = Config::examine(|name| std::env::var(name).ok());
    match health::ask(config.bind, if ready { "/readyz" } else { "/healthz" }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn reset_second_factor(config: &Config, email: &str) -> Result<(), Box<dyn Error>> {
    let database = Database::open(config).await?;
    let reset = async {
        database.db.migrate().await?;
        Ok::<_, Box<dyn Error>>(
            second_factor::reset(&database.db, email, jetbridge::clock::Clock::system().now()).await?,
        )
    };
    let reset = reset.await;
    database.close().await;
    match reset? {
        Some(user) => {
            say(format_args!(
                "The second factor of account {user} is gone. Sign in with the password and set up another."
            ));
            Ok(())
        }
        None => Err("No account with this address has a second factor".into()),
    }
}

fn made_password() -> SecretString {
    SecretString::from(ids::random_text(b"abcdefghjkmnpqrstuvwxyz23456789", 16))
}

fn read_password() -> io::Result<SecretString> {
    if io::stdin().is_terminal() {
        complain("Type the password, then Ctrl-D:");
    }
    let mut text = String::new();
    io::stdin().take(4096).read_to_string(&mut text)?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

fn start_logging(config: &Config) -> Result<Option<Traces>, Box<dyn Error>> {
    let ansi = io::stderr().is_terminal();
    let settings = config.traces.as_ref().map(|traces| TraceSettings {
        endpoint: traces.endpoint.clone(),
        headers: traces.headers.clone(),
        service: "jetbridge".to_owned(),
    });
    let traces = settings.as_ref().map(Traces::start).transpose()?;
    let (format, filter) = (config.log_format, config.log_filter.as_str());
    let subscriber = match &traces {
        Some(traces) => logging::subscriber_beside(traces.layer(), format, filter, ansi, io::stderr),
        None => logging::subscriber(format, filter, ansi, io::stderr),
    };
    subscriber.map_err(|error| format!("RUST_LOG cannot be understood: {error}"))?.init();
    Ok(traces)
}

/// What went wrong and why, outermost first. A form's errors are told one by one.
fn chain(error: &(dyn Error + 'static)) -> String {
    if let Some(AppError::Invalid(errors)) = error.downcast_ref() {
        return errors
            .iter()
            .map(|(field, message)| format!("{field}: {message}"))
            .collect::<Vec<_>>()
            .join("\n");
    }
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        // A transparent error repeats its source.
        let line = source.to_string();
        if !text.ends_with(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        next = source.source();
    }
    text
}
