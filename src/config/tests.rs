//! Which environments are taken, and what is said of the others.

use std::collections::BTreeSet;

use super::*;

type Pairs = &'static [(&'static str, &'static str)];

const PRODUCTION: [(&str, &str); 9] = [
    ("JETBRIDGE_MODE", "production"),
    ("BASE_URL", "https://fly.example.com"),
    ("DATABASE_URL", "postgres://app:hunter2@db.example.com/jetbridge"),
    ("STRIPE_SECRET_KEY", "sk_live_abc"),
    ("STRIPE_WEBHOOK_SECRETS", "whsec_one, whsec_two"),
    ("SMTP_URL", "smtps://user:hunter2@mail.example.com"),
    ("MAIL_FROM", "Fly <fly@example.com>"),
    ("ENCRYPTION_KEYS", "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
    ("TRUSTED_PROXY_HOPS", "1"),
];
const SELLER: [(&str, &str); 3] =
    [("SELLER_NAME", "Fly Ltd"), ("SELLER_ADDRESS", "1 Road"), ("SELLER_EMAIL", "help@example.com")];

fn read(vars: &[(&str, &str)]) -> Result<Config, Vec<&'static str>> {
    // The last wins, so that a case can change one variable of a good set.
    let lookup =
        |name: &str| vars.iter().rev().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
    Config::from_vars(lookup).map_err(|errors| errors.into_iter().map(|error| error.variable).collect())
}

fn rehearsal(changes: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let staged = [("JETBRIDGE_ALLOW_TEST_MODE", "1"), ("STRIPE_SECRET_KEY", "sk_test_abc")];
    [&PRODUCTION[..], &staged, changes].concat()
}

#[test]
fn with_nothing_set_it_is_a_demo_on_loopback() {
    let config = read(&[]).unwrap();
    assert_eq!(config.mode, Mode::Demo);
    assert_eq!(config.bind.to_string(), "127.0.0.1:3000");
    assert_eq!(config.link("/login"), "http://127.0.0.1:3000/login");
    assert!(config.stripe.is_none() && config.database.url.is_none() && config.mail.smtp_url.is_none());
}

#[test]
fn every_wrong_variable_is_named_at_once() {
    let wrong = read(&[
        ("PORT", "http"),
        ("BIND_ADDR", "0.0.0.0"),
        ("LOG_FORMAT", "xml"),
        ("DATABASE_URL", "mysql://x"),
    ]);
    assert_eq!(wrong.unwrap_err(), ["BIND_ADDR", "PORT", "DATABASE_URL", "LOG_FORMAT"]);
}

#[test]
fn a_rehearsal_has_every_part_of_production_but_cannot_charge() {
    let config = read(&rehearsal(&[])).unwrap();
    assert_eq!(config.mode, Mode::Rehearsal);
    assert!(config.mode.is_pretend() && config.is_https());
    assert_eq!(config.stripe.unwrap().webhook_secrets.len(), 2);
    assert_eq!(read(&rehearsal(&[("STRIPE_SECRET_KEY", "sk_live_abc")])).unwrap_err(), ["STRIPE_SECRET_KEY"]);
}

#[test]
fn production_refuses_whatever_is_missing_or_pretend() {
    let full = [&PRODUCTION[..], &SELLER[..]].concat();
    let cases: [(Pairs, &[&str]); 21] = [
        (&[], &["SUPPLIER"]),
        (&[("SUPPLIER", "timetable")], &["SUPPLIER"]),
        (&[("SUPPLIER", "duffel")], &["DUFFEL_TOKEN"]),
        (&[("SUPPLIER", "duffel"), ("DUFFEL_TOKEN", "duffel_test_x")], &["DUFFEL_TOKEN"]),
        (&[("DUFFEL_TOKEN", "duffel_live_x")], &["SUPPLIER", "DUFFEL_TOKEN"]),
        (
            &[
                ("SUPPLIER", "duffel"),
                ("DUFFEL_TOKEN", "duffel_live_x"),
                ("DUFFEL_API_URL", "http://127.0.0.1:1"),
            ],
            &["DUFFEL_API_URL"],
        ),
        (&[("BASE_URL", "http://fly.example.com")], &["BASE_URL", "SUPPLIER"]),
        (&[("BASE_URL", "https://fly.example.com/shop")], &["BASE_URL", "SUPPLIER"]),
        (&[("TRUSTED_PROXY_HOPS", "")], &["TRUSTED_PROXY_HOPS", "SUPPLIER"]),
        (&[("TRUSTED_PROXY_HOPS", "11")], &["TRUSTED_PROXY_HOPS", "SUPPLIER"]),
        (&[("TRUSTED_PROXY_HOPS", "-1")], &["TRUSTED_PROXY_HOPS", "SUPPLIER"]),
        (&[("DATABASE_URL", "")], &["DATABASE_URL", "SUPPLIER"]),
        (&[("ENCRYPTION_KEYS", "")], &["ENCRYPTION_KEYS", "SUPPLIER"]),
        (&[("ENCRYPTION_KEYS", "k1:AAAA")], &["ENCRYPTION_KEYS", "SUPPLIER"]),
        (&[("STRIPE_SECRET_KEY", "sk_test_abc")], &["STRIPE_SECRET_KEY", "SUPPLIER"]),
        (&[("STRIPE_SECRET_KEY", "pk_live_abc")], &["STRIPE_SECRET_KEY", "SUPPLIER"]),
        (&[("STRIPE_WEBHOOK_SECRETS", "sk_live_abc")], &["STRIPE_WEBHOOK_SECRETS", "SUPPLIER"]),
        (&[("STRIPE_API_URL", "http://127.0.0.1:4000")], &["STRIPE_API_URL", "SUPPLIER"]),
        (&[("SMTP_URL", "smtp://mail.example.com?tls=opportunistic")], &["SMTP_URL", "SUPPLIER"]),
        (&[("SELLER_NAME", " ")], &["SUPPLIER", "SELLER_NAME"]),
        (&[("STAFF_EMAIL", "Till <till@example.com>")], &["STAFF_EMAIL", "SUPPLIER"]),
    ];
    for (changes, expected) in cases {
        assert_eq!(read(&[&full[..], changes].concat()).unwrap_err(), expected, "{changes:?}");
    }
}

#[test]
fn production_sells_with_a_live_token_and_a_rehearsal_with_a_test_token() {
    let selling = [("SUPPLIER", "duffel"), ("DUFFEL_TOKEN", "duffel_live_hunter2")];
    let config = read(&[&PRODUCTION[..], &SELLER[..], &selling].concat()).unwrap();
    assert!(matches!(config.supplier, SupplierChoice::Duffel(_)));
    assert!(!format!("{config:?}").contains("hunter2"));
    let wrong = rehearsal(&selling);
    assert_eq!(read(&wrong).unwrap_err(), ["DUFFEL_TOKEN"]);
    let right = rehearsal(&[("SUPPLIER", "duffel"), ("DUFFEL_TOKEN", "duffel_test_x")]);
    assert!(read(&right).is_ok());
}

#[test]
fn what_is_real_is_refused_in_demo_mode_rather_than_ignored() {
    let real = [
        ("STRIPE_SECRET_KEY", "sk_live_abc"),
        ("SMTP_URL", "smtps://mail.example.com"),
        ("SUPPLIER", "duffel"),
        ("DUFFEL_TOKEN", "duffel_live_abc"),
    ];
    assert_eq!(read(&real).unwrap_err(), ["STRIPE_SECRET_KEY", "SMTP_URL", "SUPPLIER", "DUFFEL_TOKEN"]);
}

#[test]
fn no_secret_shows_in_debug() {
    let shown = format!("{:?}", read(&rehearsal(&[])).unwrap());
    for secret in ["hunter2", "sk_test_abc", "whsec_", "AAECAw"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[test]
fn the_list_of_variables_is_what_is_really_read() {
    let mut asked = BTreeSet::new();
    let selling = [("SUPPLIER", "duffel"), ("DUFFEL_TOKEN", "duffel_live_x")];
    for set in [&[][..], &rehearsal(&[]), &[&PRODUCTION[..], &SELLER[..], &selling].concat()] {
        let lookup = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
        let vars = Vars { lookup: &lookup, errors: RefCell::default(), asked: RefCell::default() };
        super::read(&vars);
        asked.extend(vars.asked.into_inner());
    }
    assert_eq!(asked, VARIABLES.into_iter().collect());
}
