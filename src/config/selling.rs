//! Where seats come from.

use secrecy::SecretString;
use url::Url;

use super::{Mode, vars::Vars};

#[derive(Clone, Debug)]
pub enum SupplierChoice {
    /// The embedded world of invented airlines.
    Timetable,
    /// Airlines' own seats.
    Duffel(DuffelConfig),
}

#[derive(Clone, Debug)]
pub struct DuffelConfig {
    pub token: SecretString,
    /// Several, so that a secret can be changed without losing an event. None: no event is believed, and what airlines
    /// change is found out once a day.
    pub webhook_secrets: Vec<SecretString>,
    /// Instead of `https://api.duffel.com`; only a rehearsal may set it.
    pub api_url: Option<Url>,
}

const OF_DUFFEL: [&str; 3] = ["DUFFEL_TOKEN", "DUFFEL_WEBHOOK_SECRETS", "DUFFEL_API_URL"];

pub(super) fn read_supplier(vars: &Vars<'_>, mode: Mode) -> SupplierChoice {
    let choice = vars.get("SUPPLIER");
    match (choice.as_deref(), mode) {
        (Some("duffel"), Mode::Rehearsal | Mode::Production) => return read_duffel(vars, mode),
        (Some("duffel"), Mode::Demo) => vars.wrong(
            "SUPPLIER",
            "is duffel, which demo mode never asks: set JETBRIDGE_MODE=production and JETBRIDGE_ALLOW_TEST_MODE=1",
        ),
        (None | Some("timetable"), Mode::Demo | Mode::Rehearsal) => {}
        (Some("timetable"), Mode::Production) => {
            vars.wrong("SUPPLIER", "is timetable, whose airlines are invented: it never sells for real money");
        }
        (None, Mode::Production) => vars.wrong("SUPPLIER", "is missing: duffel, with DUFFEL_TOKEN"),
        (Some(_), _) => vars.wrong("SUPPLIER", "must be duffel or timetable"),
    }
    for name in OF_DUFFEL {
        vars.unwanted(name, "has no meaning without SUPPLIER=duffel");
    }
    SupplierChoice::Timetable
}

fn read_duffel(vars: &Vars<'_>, mode: Mode) -> SupplierChoice {
    let token = vars.get("DUFFEL_TOKEN");
    match (mode, token.as_deref()) {
        (_, None) => vars.wrong("DUFFEL_TOKEN", "is missing: an access token of Duffel's dashboard"),
        (Mode::Production, Some(token)) if !token.starts_with("duffel_live_") => {
            vars.wrong(
                "DUFFEL_TOKEN",
                "must be a live token (duffel_live_…): tickets of a test token are not real",
            );
        }
        (_, Some(token)) if mode != Mode::Production && !token.starts_with("duffel_test_") => {
            vars.wrong("DUFFEL_TOKEN", "must be a test token (duffel_test_…): a rehearsal buys nothing");
        }
        _ => {}
    }
    let secrets = vars.get("DUFFEL_WEBHOOK_SECRETS").unwrap_or_default();
    let secrets = secrets.split(',').map(str::trim).filter(|secret| !secret.is_empty());
    if mode == Mode::Production {
        vars.unwanted(
            "DUFFEL_API_URL",
            "is refused in production: tickets come from Duffel itself or nowhere",
        );
    }
    SupplierChoice::Duffel(DuffelConfig {
        token: SecretString::from(token.unwrap_or_default()),
        webhook_secrets: secrets.map(|secret| SecretString::from(secret.to_owned())).collect(),
        api_url: vars.url("DUFFEL_API_URL", &["https", "http"]),
    })
}
