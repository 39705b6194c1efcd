//! Whom we depend on: Stripe, the mail server, the supplier.

use secrecy::ExposeSecret;

use super::{Patient, Report, State};
use crate::{
    config::{DuffelConfig, Mode, StripeConfig, SupplierChoice},
    mailer::{MailSettings, Mailer},
    payments::{
        StripeSettings,
        probe::{self, Endpoint, Heard, Probe},
    },
    supplier::duffel,
};

const MAIL_PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

pub(super) async fn stripe(patient: &Patient) -> Report {
    let mut report = Report::default();
    let Some(stripe) = &patient.config.stripe else {
        report.ok("Stripe", "a stand-in of the demo's own: nobody can be charged");
        return report;
    };
    if !patient.understands(&["STRIPE_SECRET_KEY", "STRIPE_API_URL"]) {
        return report;
    }
    let key = stripe.secret_key.expose_secret();
    let mode =
        if patient.config.takes_real_money() { "live: real money" } else { "test: nobody can be charged" };
    let kind = if key.starts_with("rk_") { "restricted key" } else { "secret key" };
    report.ok("Stripe key", format!("{kind}, {mode}"));
    let settings = StripeSettings {
        secret_key: stripe.secret_key.clone(),
        api_url: stripe.api_url.clone(),
        webhook_secrets: stripe.webhook_secrets.clone(),
    };
    let probe = match Probe::new(&settings) {
        Ok(probe) => probe,
        Err(error) => {
            report.broken(
                "Stripe",
                format!("cannot be asked: {error}"),
                "see that TLS works on this machine",
            );
            return report;
        }
    };
    let heard = probe.ask().await;
    let ours = patient.clock.now();
    let is_reached = the_answer(&heard, stripe, &mut report);
    if let Heard::Answer(Some(theirs)) = heard {
        report.clocks("clock (Stripe)", "Stripe", ours, theirs);
    }
    if is_reached {
        the_webhook(patient, probe.endpoints().await, &mut report);
    }
    report
}

fn the_answer(heard: &Heard, stripe: &StripeConfig, report: &mut Report) -> bool {
    let place = stripe.api_url.as_ref().map_or("api.stripe.com", |url| url.host_str().unwrap_or_default());
    match heard {
        Heard::Answer(_) => {
            report.ok("Stripe", format!("{place} answers, in version {}", probe::api_version()));
            return true;
        }
        Heard::WrongKey => report.broken(
            "Stripe",
            "does not know STRIPE_SECRET_KEY",
            "copy the key again (Stripe: Developers, API keys); a rolled key ends after its overlap",
        ),
        Heard::NotAllowed => report.broken(
            "Stripe",
            "the key may not read refunds",
            "give the restricted key write on Checkout Sessions, PaymentIntents, Charges and Refunds",
        ),
        Heard::Status(status) => report.broken(
            "Stripe",
            format!("answers {status}"),
            "see status.stripe.com; 400 means that this API version is not spoken there",
        ),
        Heard::Silence(why) => report.broken(
            "Stripe",
            format!("{place} is not reached: {why}"),
            "let this machine make connections to api.stripe.com, port 443",
        ),
    }
    false
}

fn the_webhook(patient: &Patient, endpoints: Option<Vec<Endpoint>>, report: &mut Report) {
    let check = "Stripe webhook";
    let wanted = patient.config.link("/webhooks/stripe");
    let also = patient.config.link("/api/payment/webhook");
    let Some(endpoints) = endpoints else {
        // Only somebody with the dashboard can see it then: said, but nothing to mend.
        report.ok(check, "this key may not see webhooks; the poller finds out what was paid without them");
        return;
    };
    let ours: Vec<&Endpoint> =
        endpoints.iter().filter(|endpoint| endpoint.url == wanted || endpoint.url == also).collect();
    let Some(endpoint) = ours.iter().find(|endpoint| endpoint.status == "enabled").or_else(|| ours.first())
    else {
        let fix = format!("add one at Stripe (Developers, Webhooks) for {wanted}");
        report.warn(check, "no endpoint leads here: payments are noticed late", fix);
        return;
    };
    let version = probe::api_version();
    if endpoint.status != "enabled" {
        report.warn(check, "the endpoint is disabled", "enable it at Stripe: Developers, Webhooks");
    } else if endpoint.api_version.as_ref() != Some(&version) {
        let theirs = endpoint.api_version.as_deref().unwrap_or("the account's default");
        let fix = format!("make the endpoint anew with API version {version}");
        report.warn(check, format!("events come in version {theirs}"), fix);
    } else if !endpoint.missing().is_empty() {
        let fix = "add these events to the endpoint";
        report.warn(check, format!("does not send {}", endpoint.missing().join(", ")), fix);
    } else {
        report.ok(check, format!("enabled, with all events, in version {version}"));
    }
}

pub(super) async fn mail(patient: &Patient) -> Report {
    let mut report = Report::default();
    let config = &patient.config;
    if config.mode == Mode::Demo {
        report.ok("mail", "a mailbox of the demo's own: nothing leaves this machine");
        return report;
    }
    let (Some(smtp_url), true) = (&config.mail.smtp_url, patient.understands(&["SMTP_URL", "MAIL_FROM"]))
    else {
        return report;
    };
    let settings = MailSettings { smtp_url: smtp_url.clone(), from: config.mail.from.clone() };
    let fix = "see that SMTP_URL names host, port, user and password (a % in a password is written %25), and that this \
               machine may make connections there; many hosts shut port 25";
    match Mailer::new(&settings, patient.clock.clone()) {
        Ok(mailer) => match mailer.with_patience(MAIL_PATIENCE).check().await {
            Ok(()) => report.ok("mail", "the server takes our login"),
            Err(error) => {
                report.broken("mail", without_password(smtp_url.expose_secret(), &error.to_string()), fix)
            }
        },
        Err(error) => {
            report.broken("mail", without_password(smtp_url.expose_secret(), &error.to_string()), fix)
        }
    }
    report
}

fn without_password(url: &str, text: &str) -> String {
    let parsed = url::Url::parse(url).ok();
    let password = parsed.as_ref().and_then(url::Url::password).filter(|password| !password.is_empty());
    let text = text.replace(url, "SMTP_URL");
    password.map_or(text.clone(), |password| text.replace(password, "…"))
}

pub(super) async fn supplier(patient: &Patient) -> Report {
    let mut report = Report::default();
    if patient.understands(&["SUPPLIER", "DUFFEL_TOKEN", "DUFFEL_API_URL"]) {
        match &patient.config.supplier {
            SupplierChoice::Timetable => {
                report.add("supplier", State::Ok, "timetable: invented airlines, needs no token", "");
            }
            SupplierChoice::Duffel(config) => the_duffel(patient, config, &mut report).await,
        }
    }
    report
}

async fn the_duffel(patient: &Patient, config: &DuffelConfig, report: &mut Report) {
    let is_live = config.token.expose_secret().starts_with("duffel_live_");
    let mode = if is_live { "live: real tickets" } else { "test: no ticket is real" };
    match duffel::probe(&config.token, config.api_url.as_ref(), patient.clock.clone()).await {
        duffel::Heard::Answer => report.ok("supplier", format!("duffel answers our token, {mode}")),
        duffel::Heard::WrongToken => report.broken(
            "supplier",
            "duffel does not know DUFFEL_TOKEN",
            "make a token with read and write at Duffel (Developers, Access tokens)",
        ),
        duffel::Heard::Trouble(why) => report.broken(
            "supplier",
            format!("duffel is not reached: {why}"),
            "let this machine make connections to api.duffel.com, port 443",
        ),
    }
    if config.webhook_secrets.is_empty() {
        let fix = format!(
            "add a webhook at Duffel (Developers, Webhooks) for {} and set DUFFEL_WEBHOOK_SECRETS",
            patient.config.link("/webhooks/duffel")
        );
        report.warn("supplier webhook", "what airlines change is found out once a day only", fix);
    } else {
        report.ok("supplier webhook", "its events are believed with DUFFEL_WEBHOOK_SECRETS");
    }
}
