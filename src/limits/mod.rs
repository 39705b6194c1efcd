//! How often somebody may do something: counted in PostgreSQL, so that it holds for any number of processes, about
//! subjects that are kept as keyed hashes only. Whoever asks too often is told how long to wait; nobody is made to wait
//! inside a request, and nobody can lock somebody else out.

mod known;
mod local;
mod rules;
pub mod spent;
mod store;
mod subject;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

pub use self::{
    known::{KNOWN_FOR, Known, KnownBrowser},
    rules::{InDoubt, Limit, Rule},
    subject::Subject,
};
use self::{
    local::{Answer, Local},
    spent::Left,
    store::Slowness,
    subject::Key,
};
use crate::{
    clock::Clock,
    db::{Db, System, Tx},
    error::{AppError, TooMany},
    vault::Vault,
};

/// Of one address in one network: five tries are free, then 1, 2, 4 … seconds, at most a quarter of an hour. Guessing gets
/// some hundred tries a day at one account; a person who mistypes waits for seconds.
const SIGN_IN: Slowness = Slowness {
    free: 5,
    first: Duration::from_secs(1),
    longest: Duration::from_secs(15 * 60),
    forgotten_after: Duration::from_secs(24 * 3600),
};

/// Of one address by everybody who is past [`FIRST_TRIES`]: many networks that guess together share a try every few seconds.
const EVERYWHERE: Slowness =
    Slowness { free: 20, first: Duration::from_secs(1), longest: Duration::from_secs(8), ..SIGN_IN };
/// Whatever others do, a network has these, and nothing done elsewhere takes them away: the owner at a new device, a
/// program that holds the right password.
const FIRST_TRIES: i32 = 3;

#[derive(Clone)]
pub struct Limits {
    db: Db,
    clock: Clock,
    vault: Vault,
    local: Local,
}

impl Limits {
    pub fn new(db: Db, clock: Clock, vault: Vault) -> Self {
        Self { db, clock, vault, local: Local::default() }
    }

    /// Counts one, or says how long to wait. For a network, the whole site that it lies in counts as well.
    pub async fn take(&self, rule: Rule, subject: &Subject) -> Result<(), AppError> {
        let mut left = self.take_of(rule, rule.limit(), subject).await?;
        if let Some(site) = subject.site() {
            left = left.min(self.take_of(rule, rule.limit().of_site(), &site).await?);
        }
        // Of an address of e-mail nobody is told how often others have asked about it.
        if let Some(left) = left.filter(|_| subject.is_the_callers()) {
            spent::note(Left::of(&rule.limit(), left));
        }
        Ok(())
    }

    /// How many more there may be. `None`: nobody knows.
    async fn take_of(&self, rule: Rule, limit: Limit, subject: &Subject) -> Result<Option<u32>, AppError> {
        let now = self.clock.now();
        let key = subject.key(&self.vault);
        match self.local.take(rule, key, now) {
            Answer::Taken(left) => return Ok(Some(left)),
            Answer::Refused(until) => return Err(too_many(&limit, until.duration_since(now))),
            Answer::Unknown => {}
        }
        match self.ask(rule, &limit, &key, now).await {
            Ok(answer) => answer,
            Err(error) if limit.in_doubt == InDoubt::Allow => {
                tracing::error!(rule = limit.name, %error, "a limit could not be counted: going on without");
                Ok(None)
            }
            Err(error) => Err(uncounted(&error)),
        }
    }

    async fn ask(
        &self,
        rule: Rule,
        limit: &Limit,
        key: &Key,
        now: Timestamp,
    ) -> Result<Result<Option<u32>, AppError>, sqlx::Error> {
        let mut tx = self.db.begin(System).await?;
        let taken = store::take(&mut tx, limit, key, now).await?;
        tx.commit().await?;
        if taken.tokens > 0 {
            let in_advance = taken.tokens - 1;
            self.local.keep(rule, *key, in_advance, taken.left, now);
            return Ok(Ok(Some(in_advance.saturating_add(taken.left))));
        }
        self.local.refuse(rule, *key, now + taken.wait, now);
        tracing::warn!(rule = limit.name, "limit reached");
        Ok(Err(too_many(limit, taken.wait)))
    }

    /// Counts a try at a password before it is made, so that many at once get no further than many in a row. The delay grows
    /// with each: for a known browser by its own tries alone, for unknown ones by those of their network, and, once these are
    /// several, a little by everybody's. A success ([`Limits::signed_in`]) ends it.
    /// `account`: that of this address, if there is one. An address without is treated in the same way.
    pub async fn begin_sign_in(
        &self,
        email: &str,
        account: Option<Known>,
        browser: &KnownBrowser,
        network: &Subject,
    ) -> Result<SignInTry, AppError> {
        let now = self.clock.now();
        let known =
            account.and_then(|of| browser.id(&self.vault, of, now).map(|id| Subject::browser(of.user, &id)));
        let everybody = known.is_none().then(|| Subject::email(email).key(&self.vault));
        let whose = known.unwrap_or_else(|| Subject::email_at(email, network));
        let key = whose.key(&self.vault);
        match self.count_sign_in(&key, everybody.as_ref(), now).await {
            Ok(SignedDuration::ZERO) => {
                // Of those that succeed as well, so that nobody wears us down with a password of their own.
                self.take(Rule::SignInAccount, &whose).await?;
                Ok(SignInTry(key))
            }
            Ok(wait) => Err(AppError::TooMany(TooMany {
                retry_after_seconds: seconds(wait),
                detail: "There were several tries with a wrong password, so the next one has to wait.",
                quota: None,
            })),
            Err(error) => Err(uncounted(&error)),
        }
    }

    /// Zero: it is counted. Otherwise nothing is.
    async fn count_sign_in(
        &self,
        key: &Key,
        account: Option<&Key>,
        now: Timestamp,
    ) -> Result<SignedDuration, sqlx::Error> {
        let mut tx = self.db.begin(System).await?;
        let mut wait = store::begin_sign_in(&mut tx, key, &SIGN_IN, now).await?;
        if let Some(account) = account.filter(|_| wait.is_zero())
            && store::tries_at(&mut tx, key, account).await? > FIRST_TRIES
        {
            wait = store::begin_sign_in(&mut tx, account, &EVERYWHERE, now).await?;
        }
        if wait.is_zero() {
            tx.commit().await?;
        }
        Ok(wait)
    }

    /// The right password: the person is here, and their network did nothing wrong.
    pub async fn signed_in(&self, begun: SignInTry, network: &Subject) -> Result<(), AppError> {
        let mut tx = self.db.begin(System).await?;
        store::forget_sign_ins(&mut tx, &begun.0).await?;
        self.give_back_in(&mut tx, Rule::SignInAddress, network).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The address was proven to be theirs by mail: whatever was tried at it before does not count.
    pub async fn forget_sign_ins(&self, email: &str) -> Result<(), AppError> {
        let mut tx = self.db.begin(System).await?;
        store::forget_account(&mut tx, &Subject::email(email).key(&self.vault)).await?;
        tx.commit().await?;
        Ok(())
    }

    /// What was taken did no harm.
    pub async fn give_back(&self, rule: Rule, subject: &Subject) -> Result<(), AppError> {
        let mut tx = self.db.begin(System).await?;
        self.give_back_in(&mut tx, rule, subject).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn give_back_in(
        &self,
        tx: &mut Tx<System>,
        rule: Rule,
        subject: &Subject,
    ) -> Result<(), sqlx::Error> {
        store::give_back(tx, &rule.limit(), &subject.key(&self.vault)).await?;
        match subject.site() {
            Some(site) => store::give_back(tx, &rule.limit().of_site(), &site.key(&self.vault)).await,
            None => Ok(()),
        }
    }

    /// The browser is known to this account from now on.
    pub fn recognise(&self, browser: &KnownBrowser, account: Known) -> KnownBrowser {
        browser.with(&self.vault, account, self.clock.now())
    }
}

/// A try that is counted and may be made.
pub struct SignInTry(Key);

/// Empties the tables of what says nothing any more. Run now and then by the worker.
pub async fn sweep(tx: &mut Tx<System>, now: Timestamp) -> Result<(), AppError> {
    let tried_before = now.saturating_sub(SIGN_IN.forgotten_after).unwrap_or(now);
    Ok(store::sweep(tx, now, tried_before).await?)
}

fn too_many(limit: &Limit, wait: SignedDuration) -> AppError {
    let quota = Some(limit.quota());
    AppError::TooMany(TooMany { retry_after_seconds: seconds(wait), detail: limit.told, quota })
}

/// Nobody gets past a guard that cannot count.
fn uncounted(error: &sqlx::Error) -> AppError {
    AppError::Upstream {
        service: "limits",
        reason: error.to_string(),
        detail: "We cannot check this at the moment, so nothing was done.".to_owned(),
    }
}

/// Whole seconds, rounded up: whoever waits that long is not refused again for a fraction.
fn seconds(wait: SignedDuration) -> u32 {
    let whole = wait.as_secs() + i64::from(wait.subsec_nanos() > 0);
    u32::try_from(whole).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_whole_seconds_that_suffice() {
        for (micros, told) in
            [(0, 1), (1, 1), (999_999, 1), (1_000_000, 1), (1_000_001, 2), (899_500_000, 900)]
        {
            assert_eq!(seconds(SignedDuration::from_micros(micros)), told, "{micros}");
        }
    }
}
