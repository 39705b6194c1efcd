//! `jetbridge doctor`: looks at everything that a start needs, changes nothing, and says of each thing how it stands and,
//! where it does not stand well, what to do. No secret is printed, and no answer is waited for longer than some seconds.

mod database;
mod outside;
mod settings;
mod store;

use std::{fmt, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    clock::Clock,
    config::{Config, ConfigError, Mode},
};

/// Whoever asks for help must get an answer; every part has a shorter time of its own.
const LONGEST: Duration = Duration::from_secs(40);
/// A clock that is this far off is worth a word.
const NOTICEABLE: SignedDuration = SignedDuration::from_secs(3);
/// Further off, codes of authenticator apps do not fit, and soon no signature of Stripe's does (5 minutes).
const HARMFUL: SignedDuration = SignedDuration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ok,
    /// It works, and somebody should know.
    Warning,
    /// It does not work, or not safely.
    Broken,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Broken => "broken",
        })
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub check: String,
    pub state: State,
    pub found: String,
    /// What to do about it. Empty where all is well.
    pub fix: String,
}

/// What was found, in the order in which it was looked at.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub findings: Vec<Finding>,
}

impl Report {
    pub fn worst(&self) -> State {
        self.findings.iter().map(|finding| finding.state).max().unwrap_or(State::Ok)
    }

    fn ok(&mut self, check: impl Into<String>, found: impl Into<String>) {
        self.add(check, State::Ok, found, "");
    }

    fn warn(&mut self, check: impl Into<String>, found: impl Into<String>, fix: impl Into<String>) {
        self.add(check, State::Warning, found, fix);
    }

    fn broken(&mut self, check: impl Into<String>, found: impl Into<String>, fix: impl Into<String>) {
        self.add(check, State::Broken, found, fix);
    }

    fn add(
        &mut self,
        check: impl Into<String>,
        state: State,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.findings.push(Finding {
            check: check.into(),
            state,
            found: one_line(found.into()),
            fix: one_line(fix.into()),
        });
    }

    /// How far apart two clocks are.
    fn clocks(&mut self, check: &str, whose: &str, ours: Timestamp, theirs: Timestamp) {
        let apart = ours.duration_since(theirs);
        let (seconds, side) =
            (apart.abs().as_secs(), if apart.is_negative() { "behind" } else { "ahead of" });
        if apart.abs() < NOTICEABLE {
            self.ok(check, format!("agrees with {whose}"));
            return;
        }
        let found = format!("this machine is {seconds} s {side} {whose}");
        let fix = "let NTP set the clock of this machine (timedatectl set-ntp true), and of the other one";
        let state = if apart.abs() < HARMFUL { State::Warning } else { State::Broken };
        self.add(check, state, found, fix);
    }

    fn append(&mut self, other: Self) {
        self.findings.extend(other.findings);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { check, state, found, fix } in &self.findings {
            writeln!(f, "{state:<8} {check:<26} {found}")?;
            if !fix.is_empty() {
                writeln!(f, "{:<8} {:<26} -> {fix}", "", "")?;
            }
        }
        let count = |state| self.findings.iter().filter(|finding| finding.state == state).count();
        let (warnings, broken) = (count(State::Warning), count(State::Broken));
        write!(f, "{} ok, {warnings} warnings, {broken} broken", count(State::Ok))
    }
}

/// What is examined: the environment as far as it can be understood.
struct Patient {
    config: Config,
    errors: Vec<ConfigError>,
    clock: Clock,
}

impl Patient {
    /// Nothing is wrong with these variables, so what they lead to can be tried.
    fn understands(&self, variables: &[&str]) -> bool {
        !self.errors.iter().any(|error| variables.contains(&error.variable))
    }

    fn is_demo(&self) -> bool {
        self.config.mode == Mode::Demo
    }
}

/// `environment`: names and values, as the process was given them.
pub async fn examine(environment: &[(String, String)]) -> Report {
    let lookup = |name: &str| environment.iter().find(|(known, _)| known == name).map(|(_, v)| v.clone());
    let (config, errors) = Config::examine(lookup);
    let patient = Patient { config, errors, clock: Clock::system() };
    let mut report = settings::examine(&patient, environment);
    let parts = async {
        tokio::join!(
            database::examine(&patient),
            outside::stripe(&patient),
            outside::mail(&patient),
            outside::supplier(&patient)
        )
    };
    match tokio::time::timeout(LONGEST, parts).await {
        Ok((database, stripe, mail, supplier)) => {
            [database, stripe, mail, supplier].into_iter().for_each(|part| report.append(part))
        }
        Err(_) => report.broken(
            "doctor",
            "not everything could be looked at in time",
            "see what above did not answer, and ask again",
        ),
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_differ_are_told_with_the_side_they_are_on() {
        let ours: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let compared = |seconds: i64| {
            let mut report = Report::default();
            report.clocks("clock", "Stripe", ours, ours - SignedDuration::from_secs(seconds));
            report.findings.remove(0)
        };
        assert_eq!(compared(-2).state, State::Ok);
        assert_eq!((compared(5).state, compared(-29).state), (State::Warning, State::Warning));
        assert_eq!((compared(31).state, compared(-400).state), (State::Broken, State::Broken));
        assert!(compared(31).found.contains("31 s ahead of Stripe"));
        assert!(compared(-400).found.contains("400 s behind Stripe"));
    }

    #[test]
    fn the_worst_finding_decides_and_no_finding_has_two_lines() {
        let mut report = Report::default();
        assert_eq!(report.worst(), State::Ok);
        report.ok("a", "fine");
        report.warn("b", "odd\nin two lines", "mend");
        assert_eq!(report.worst(), State::Warning);
        assert_eq!(report.to_string().lines().count(), 4);
        report.broken("c", "gone", "mend");
        assert_eq!(report.worst(), State::Broken);
    }
}
