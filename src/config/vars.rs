//! Reading variables one by one.

use std::{cell::RefCell, collections::BTreeSet};

use url::Url;

use super::ConfigError;

/// Reads variables and collects what is wrong. An empty variable counts as unset.
pub(super) struct Vars<'a> {
    pub(super) lookup: &'a dyn Fn(&str) -> Option<String>,
    pub(super) errors: RefCell<Vec<ConfigError>>,
    pub(super) asked: RefCell<BTreeSet<&'static str>>,
}

impl Vars<'_> {
    pub(super) fn get(&self, name: &'static str) -> Option<String> {
        self.asked.borrow_mut().insert(name);
        (self.lookup)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    pub(super) fn wrong(&self, variable: &'static str, problem: impl Into<String>) {
        self.errors.borrow_mut().push(ConfigError { variable, problem: problem.into() });
    }

    pub(super) fn text(&self, name: &'static str, default: &str) -> String {
        let value = self.get(name).unwrap_or_else(|| default.to_owned());
        if value.len() > 200 || value.chars().any(char::is_control) {
            self.wrong(name, "must be one line of at most 200 bytes");
        }
        value
    }

    pub(super) fn parsed<T: std::str::FromStr>(&self, name: &'static str, default: T, wanted: &str) -> T {
        match self.get(name).map(|value| value.parse()) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(_)) => {
                self.wrong(name, format!("must be {wanted}"));
                default
            }
        }
    }

    pub(super) fn url(&self, name: &'static str, schemes: &[&str]) -> Option<Url> {
        let text = self.get(name)?;
        match Url::parse(&text) {
            Ok(url) if schemes.contains(&url.scheme()) && url.host().is_some() => Some(url),
            _ => {
                self.wrong(
                    name,
                    format!("must be an address that starts with {}://", schemes.join(":// or ")),
                );
                None
            }
        }
    }

    /// Refuses a variable that has no business in this mode.
    pub(super) fn unwanted(&self, name: &'static str, why: &str) {
        if self.get(name).is_some() {
            self.wrong(name, why);
        }
    }
}
