//! `jetbridge smoke`: what a traveller does, over HTTP and without JavaScript, against a site that runs: signs up, searches,
//! books, pays with a test card, reads the mail, and leaves. It knows the site only from outside. It never pays with real
//! money: where a site does not say that it is a demo, it stops before the button.

mod html;
mod journey;
mod traces;
mod visitor;

use std::{
    fmt,
    path::PathBuf,
    time::{Duration, Instant},
};

use secrecy::SecretString;
use url::Url;

use self::journey::Journey;

/// What to look at, and how.
pub struct Settings {
    pub base_url: Url,
    /// Where the mails of the journey go; a mark is put into it (`you+smoke-…@example.com`). `None`: nobody's address.
    pub email: Option<String>,
    /// How long the worker may take to issue a ticket, or to send a mail.
    pub patience: Duration,
    /// The site's log, if it is a file that can be read here.
    pub log_file: Option<PathBuf>,
    pub metrics_token: Option<SecretString>,
}

/// What went wrong, in words.
#[derive(Debug)]
pub struct Fault(pub String);

/// How a step went well.
pub enum Went {
    Well(String),
    /// Not tried, and why.
    Skipped(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes the journey and tells of each step as it ends. `true`: all went well.
pub async fn run(settings: Settings, mut tell: impl FnMut(&str)) -> bool {
    let mut journey = match Journey::new(settings) {
        Ok(journey) => journey,
        Err(fault) => {
            tell(&line("FAILED", Duration::ZERO, "start", &fault.0));
            return false;
        }
    };
    let mut failed = None;
    macro_rules! step {
        ($name:literal, $step:ident) => {
            if failed.is_none() {
                let began = Instant::now();
                let went = journey.$step().await;
                if went.is_err() {
                    failed = Some($name);
                }
                tell(&told($name, began.elapsed(), went));
            }
        };
    }
    step!("health", health);
    step!("security headers", security_headers);
    step!("sign up", sign_up);
    step!("search", search);
    step!("offer", offer);
    step!("booking", book);
    step!("payment", pay);
    step!("ticket", ticket);
    step!("mail", mail);
    step!("figures", figures);
    step!("log", log);
    // Also where something failed: what was begun is not left lying about.
    let began = Instant::now();
    let went = journey.clean_up().await;
    let is_clean = went.is_ok();
    tell(&told("clean-up", began.elapsed(), went));
    match failed {
        Some(step) => tell(&format!("FAILED at: {step}")),
        None if !is_clean => tell("FAILED at: clean-up"),
        None => tell("All went well."),
    }
    failed.is_none() && is_clean
}

fn told(name: &str, took: Duration, went: Result<Went, Fault>) -> String {
    match went {
        Ok(Went::Well(found)) => line("ok", took, name, &found),
        Ok(Went::Skipped(why)) => line("skipped", took, name, &why),
        Err(fault) => line("FAILED", took, name, &fault.0),
    }
}

fn line(state: &str, took: Duration, name: &str, found: &str) -> String {
    let found = found.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{state:<8} {:>7.3} s  {name:<17} {found}", took.as_secs_f64())
}
