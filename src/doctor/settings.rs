//! The environment: what is missing, wrong, or odd.

use std::{fs, path::Path};

use secrecy::{ExposeSecret, SecretString};

use super::{Patient, Report};
use crate::{
    config::{Config, Mode, VARIABLES},
    logging,
};

/// A variable that begins so is probably meant for us.
const OURS: [&str; 13] = [
    "BASE_URL",
    "BIND_",
    "DATABASE_",
    "DOCUMENT_",
    "ENCRYPTION_",
    "JETBRIDGE_",
    "MAIL_",
    "METRICS_",
    "SELLER_",
    "SMTP_",
    "STRIPE_",
    "SUPPLIER",
    "TRUSTED_",
];
/// Signing secrets of Stripe's are longer.
const SHORTEST_SIGNING_SECRET: usize = 32;

pub(super) fn examine(patient: &Patient, environment: &[(String, String)]) -> Report {
    let mut report = Report::default();
    let config = &patient.config;
    for error in &patient.errors {
        report.broken(error.variable, error.problem.clone(), "DEPLOYMENT.md explains each variable");
    }
    let is_set =
        |name: &&str| environment.iter().any(|(known, value)| known == name && !value.trim().is_empty());
    if patient.errors.is_empty() {
        let (set, all) = (VARIABLES.iter().filter(|name| is_set(name)).count(), VARIABLES.len());
        report.ok(
            "configuration",
            format!("{}: {set} of {all} variables set, all understood", mode(config.mode)),
        );
    }
    for (name, _) in environment.iter().filter(|(name, _)| is_misspelt(name)) {
        report.warn(name, "is no variable of Jetbridge", "correct its name, or unset it");
    }
    address(patient, &mut report);
    hops(patient, &mut report);
    signing_secrets(config, &mut report);
    logs(config, &mut report);
    let is_shown = |name: &str| is_set(&name);
    seller(config, is_shown, &mut report);
    data_dir(config, &mut report);
    report
}

const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Demo => "demo",
        Mode::Rehearsal => "rehearsal (production's parts, Stripe's test keys)",
        Mode::Production => "production",
    }
}

/// Names that differ from ours by a letter are never noticed otherwise: what is not set has a default, or is off.
fn is_misspelt(name: &str) -> bool {
    !VARIABLES.contains(&name) && OURS.iter().any(|prefix| name.starts_with(prefix))
}

fn address(patient: &Patient, report: &mut Report) {
    let config = &patient.config;
    if patient.is_demo() || !patient.understands(&["BASE_URL"]) {
        return;
    }
    let host = config.base_url.host_str().unwrap_or_default();
    let is_local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok();
    if is_local {
        let fix = "set BASE_URL to the name that travellers type; links in mails lead there";
        report.warn("BASE_URL", format!("{host} is no public name"), fix);
    } else {
        report.ok("BASE_URL", config.base_url.as_str());
    }
}

fn hops(patient: &Patient, report: &mut Report) {
    if patient.is_demo() || !patient.understands(&["TRUSTED_PROXY_HOPS"]) {
        return;
    }
    let hops = patient.config.trusted_proxy_hops;
    let fix = "count the proxies between visitors and this process: 1 on Railway or behind Caddy, one more for each \
               CDN before it";
    match hops {
        0 => report.warn("TRUSTED_PROXY_HOPS", "is 0: all visitors behind a proxy share one limit", fix),
        1..=3 => report.ok("TRUSTED_PROXY_HOPS", format!("{hops} of X-Forwarded-For believed")),
        _ => {
            let found = format!("is {hops}: with fewer proxies than that, anybody can invent an address");
            report.warn("TRUSTED_PROXY_HOPS", found, fix);
        }
    }
}

fn signing_secrets(config: &Config, report: &mut Report) {
    let Some(stripe) = &config.stripe else { return };
    let secrets: Vec<&str> = stripe.webhook_secrets.iter().map(ExposeSecret::expose_secret).collect();
    let is_whole = |secret: &&str| {
        secret.len() >= SHORTEST_SIGNING_SECRET && secret.bytes().all(|b| b.is_ascii_graphic())
    };
    if secrets.is_empty() {
        return;
    }
    let check = "STRIPE_WEBHOOK_SECRETS";
    if !secrets.iter().all(is_whole) {
        let fix = "copy the signing secret of the endpoint (Stripe: Developers, Webhooks) whole";
        report.warn(check, "one of them is shorter than Stripe makes them", fix);
    } else if secrets.len() > 2 {
        let found = format!("{} secrets are believed", secrets.len());
        report.warn(check, found, "remove those that Stripe has let lapse");
    } else {
        report.ok(check, format!("{} of the right form", secrets.len()));
    }
}

fn logs(config: &Config, report: &mut Report) {
    let filter = config.log_filter.as_str();
    if let Err(error) = logging::subscriber(config.log_format, filter, false, std::io::sink) {
        report.broken(
            "RUST_LOG",
            format!("cannot be understood: {error}"),
            "unset it, or write warn,jetbridge=info",
        );
    } else if filter.contains("debug") || filter.contains("trace") {
        let fix = "unset it when you have found what you look for";
        report.warn("RUST_LOG", "asks for more than production needs: logs grow fast", fix);
    } else {
        report.ok("RUST_LOG", filter);
    }
}

fn seller(config: &Config, is_set: impl Fn(&str) -> bool, report: &mut Report) {
    if config.mode == Mode::Demo {
        return;
    }
    for name in ["SELLER_NAME", "SELLER_ADDRESS", "SELLER_EMAIL"] {
        if config.mode == Mode::Rehearsal && !is_set(name) {
            report.warn(
                name,
                "is not set: pages and mails show an invented one",
                "set it; production needs it",
            );
        }
    }
    if config.mail.from.trim_end_matches('>').ends_with(".example") {
        report.warn("MAIL_FROM", "is an address that nobody can have", "set it to one of your own domain");
    }
}

fn data_dir(config: &Config, report: &mut Report) {
    if config.mode != Mode::Demo {
        report.ok("DATA_DIR", "not needed: nothing is kept in files");
        return;
    }
    let shown = config.data_dir.display().to_string();
    let fix = "choose a directory of your own: DATA_DIR=…";
    match fs::metadata(&config.data_dir) {
        Ok(found) if !found.is_dir() => report.broken("DATA_DIR", format!("{shown} is no directory"), fix),
        Ok(_) => match nix::unistd::access(&config.data_dir, nix::unistd::AccessFlags::W_OK) {
            Ok(()) => report.ok("DATA_DIR", shown),
            Err(error) => report.broken("DATA_DIR", format!("{shown} cannot be written: {error}"), fix),
        },
        Err(_) if can_make(&config.data_dir) => {
            report.ok("DATA_DIR", format!("{shown} is made by the first start"))
        }
        Err(error) => report.broken("DATA_DIR", format!("{shown} cannot be made: {error}"), fix),
    }
}

/// Some directory above it is there, and lets us write.
fn can_make(directory: &Path) -> bool {
    let above = directory
        .ancestors()
        .skip(1)
        .map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above });
    let nearest = above.into_iter().find(|above| above.exists());
    nearest.is_some_and(|above| {
        above.is_dir() && nix::unistd::access(above, nix::unistd::AccessFlags::W_OK).is_ok()
    })
}

/// The keys of a configuration, or those that a demo has made. `None`: none yet.
pub(super) fn keys(config: &Config) -> Option<SecretString> {
    config.encryption_keys.clone().or_else(|| {
        let kept = fs::read_to_string(config.data_dir.join("encryption-keys")).ok()?;
        Some(SecretString::from(kept.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_almost_ours_is_noticed_and_a_strangers_is_not() {
        for name in ["STRIPE_WEBHOOK_SECRET", "SMTP_ULR", "DATABASE_URI", "JETBRIDGE_MODUS"] {
            assert!(is_misspelt(name), "{name}");
        }
        for name in ["PATH", "DATABASE_URL", "RAILWAY_PUBLIC_DOMAIN", "PGPASSWORD"] {
            assert!(!is_misspelt(name), "{name}");
        }
    }

    #[test]
    fn a_directory_is_possible_where_something_above_it_can_be_written() {
        let here = std::env::temp_dir();
        assert!(can_make(&here.join("not-there/at-all")));
        assert!(!can_make(Path::new("/dev/null/not-there")));
    }
}
