//! Whose account takes the money.

use secrecy::SecretString;
use url::Url;

use super::{Mode, vars::Vars};

#[derive(Clone, Debug)]
pub struct StripeConfig {
    pub secret_key: SecretString,
    /// Several, so that a secret can be changed without losing an event.
    pub webhook_secrets: Vec<SecretString>,
    /// Instead of `https://api.stripe.com`; only a rehearsal may set it.
    pub api_url: Option<Url>,
}

pub(super) fn read(vars: &Vars<'_>, mode: Mode) -> Option<StripeConfig> {
    if mode == Mode::Demo {
        let why = "has no meaning in demo mode, which never talks to Stripe: set JETBRIDGE_MODE=production, or unset it";
        for name in ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRETS", "STRIPE_API_URL"] {
            vars.unwanted(name, why);
        }
        return None;
    }
    if mode == Mode::Production {
        vars.unwanted("STRIPE_API_URL", "is refused in production: money goes to Stripe itself or nowhere");
    }
    Some(StripeConfig {
        secret_key: read_key(vars, mode),
        webhook_secrets: read_secrets(vars),
        api_url: vars.url("STRIPE_API_URL", &["https", "http"]),
    })
}

fn read_key(vars: &Vars<'_>, mode: Mode) -> SecretString {
    let key = vars.get("STRIPE_SECRET_KEY");
    match (mode, key.as_deref()) {
        (_, None) => vars.wrong("STRIPE_SECRET_KEY", "is missing"),
        (Mode::Production, Some(key)) if is_test_key(key) => vars.wrong(
            "STRIPE_SECRET_KEY",
            "is a test-mode key, so nobody would be charged: set JETBRIDGE_ALLOW_TEST_MODE=1 if this is a rehearsal",
        ),
        (Mode::Rehearsal, Some(key)) if !is_test_key(key) => vars
            .wrong("STRIPE_SECRET_KEY", "is not a test-mode key (sk_test_…), and JETBRIDGE_ALLOW_TEST_MODE=1 allows no other"),
        (Mode::Production, Some(key)) if !is_live_key(key) => {
            vars.wrong("STRIPE_SECRET_KEY", "must be a live secret or restricted key (sk_live_… or rk_live_…)");
        }
        _ => {}
    }
    SecretString::from(key.unwrap_or_default())
}

fn read_secrets(vars: &Vars<'_>) -> Vec<SecretString> {
    let secrets = vars.get("STRIPE_WEBHOOK_SECRETS");
    let list: Vec<&str> =
        secrets.as_deref().unwrap_or_default().split(',').map(str::trim).filter(|s| !s.is_empty()).collect();
    if list.is_empty() {
        vars.wrong(
            "STRIPE_WEBHOOK_SECRETS",
            "is missing: one signing secret, or several with commas between",
        );
    } else if list.iter().any(|secret| !secret.starts_with("whsec_")) {
        vars.wrong("STRIPE_WEBHOOK_SECRETS", "must be signing secrets that start with whsec_");
    }
    list.into_iter().map(SecretString::from).collect()
}

fn is_test_key(key: &str) -> bool {
    key.starts_with("sk_test_") || key.starts_with("rk_test_")
}

pub(super) fn is_live_key(key: &str) -> bool {
    key.starts_with("sk_live_") || key.starts_with("rk_live_")
}
