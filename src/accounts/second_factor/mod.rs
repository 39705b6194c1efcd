//! The second factor: an authenticator app (TOTP, RFC 6238: SHA-1, 6 digits, 30 seconds, which all apps speak) and ten
//! recovery codes for the day on which it is lost. Everybody may have one; staff need one before they move money.

mod codes;
mod store;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

pub use self::codes::{Setup, TypedCode};
use crate::{
    accounts::{self, Account},
    clock::Clock,
    db::{Db, Guest, System, Tx},
    error::{AppError, Refusal},
    ids::{DeviceId, TokenHash, UserId},
    outbox::{self, About, Attention, MailKind},
    vault::{Sample, Vault},
};

/// Longer than any code with its spaces and hyphens; what is longer is not even read.
pub const LONGEST_CODE: usize = 40;
/// Secrets that one round of the worker seals again at most; the next round goes on.
const RENEWED_AT_ONCE: i64 = 200;
/// How many recovery codes somebody gets.
pub const RECOVERY_CODES: usize = 10;
/// Wrong codes in a row that cost nothing but the try.
const FREE_TRIES: i32 = 5;
/// The sixth wrong code makes the next try wait for so long, each further one twice as long.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(30);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);

/// What is known of somebody's second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondFactor {
    pub since: Timestamp,
    /// Recovery codes that have not been used.
    pub codes_left: usize,
    /// When the present recovery codes were made: tells one set from the next.
    pub codes_made_at: Timestamp,
}

/// Recovery codes on their way to the one page that shows them.
#[derive(Clone, Debug)]
pub struct NewCodes {
    pub codes: Vec<SecretString>,
    pub made_at: Timestamp,
}

/// What came of a code that was typed to prove a new app.
#[derive(Clone, Debug)]
pub enum Confirmed {
    Done(NewCodes),
    /// By the same form a moment ago: a second press, or the page sent again. Its recovery codes stay what they are.
    Before,
    Wrong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    Right,
    /// A recovery code, which is used up by this. So many are left.
    RightByRecovery(usize),
    Wrong,
    /// It was right, but has been used before: somebody may have looked over a shoulder.
    UsedBefore,
    /// Too many wrong ones: not even looked at.
    Wait(SignedDuration),
    /// This person has no second factor.
    Absent,
}

impl Checked {
    pub const fn is_right(self) -> bool {
        matches!(self, Self::Right | Self::RightByRecovery(_))
    }

    /// What to say beside the field.
    pub fn message(self) -> String {
        match self {
            Self::Right | Self::RightByRecovery(_) => String::new(),
            Self::Wrong => "That code is not right. Take the one that the app shows now".to_owned(),
            Self::UsedBefore => "That code was used before. Wait for the next one".to_owned(),
            Self::Wait(left) => {
                format!("Too many wrong codes. Wait {} seconds, then try again", left.as_secs().max(1))
            }
            Self::Absent => "There is no second factor any more. Sign in again".to_owned(),
        }
    }
}

#[derive(Clone)]
pub struct SecondFactors {
    pub db: Db,
    pub clock: Clock,
    pub vault: Vault,
    /// What the app calls us.
    pub issuer: String,
}

impl SecondFactors {
    pub async fn of(&self, user: UserId) -> Result<Option<SecondFactor>, AppError> {
        let mut tx = self.db.begin(System).await?;
        store::find(&mut tx, user).await
    }

    /// A new secret, which counts for nothing until a code from the app has proven it. Not for an address that nobody has
    /// proven: a stranger's second factor would keep its owner out.
    pub async fn begin(&self, user: UserId, email: &str) -> Result<Setup, AppError> {
        let mut tx = self.db.begin(System).await?;
        accounts::proven_email(&mut tx, user).await?.ok_or_else(unproven)?;
        drop(tx);
        Setup::new(&self.vault, &self.issuer, user, email, self.clock.now())
    }

    /// The same secret again, from the form that it was shown on. `None`: the form is too old, or somebody else's.
    pub fn resume(&self, user: UserId, email: &str, sealed: &str) -> Result<Option<Setup>, AppError> {
        Setup::open(&self.vault, &self.issuer, user, email, sealed, self.clock.now())
    }

    /// The app works: from now on it is asked for, in place of whatever was before. Whoever came in without it is out, people
    /// and programs, except the browser `keep`.
    pub async fn confirm(
        &self,
        user: UserId,
        keep: DeviceId,
        setup: &Setup,
        typed: &str,
    ) -> Result<Confirmed, AppError> {
        let now = self.clock.now();
        let Some(TypedCode::App(code)) = TypedCode::read(typed) else { return Ok(Confirmed::Wrong) };
        let Some(step) = codes::step_of(setup.secret(), &code, now)? else { return Ok(Confirmed::Wrong) };
        let sealed = self.seal(user, setup.secret())?;
        let mut tx = self.db.begin(System).await?;
        accounts::proven_email(&mut tx, user).await?.ok_or_else(unproven)?;
        let before = store::lock(&mut tx, user).await?;
        if let Some(factor) = &before
            && factor.last_step >= step
            && self.vault.open(&purpose(user), &factor.secret).is_ok_and(|secret| *secret == setup.secret())
        {
            return Ok(Confirmed::Before);
        }
        store::replace(&mut tx, user, &sealed, step, now).await?;
        let codes = new_codes(&mut tx, user, now).await?;
        let kind = if before.is_some() { MailKind::SecondFactorReplaced } else { MailKind::SecondFactorSet };
        tell(&mut tx, user, kind, now).await?;
        accounts::devices::end_everything(&mut tx, user, Some(keep)).await?;
        tx.commit().await?;
        tracing::info!(user = %user, "second factor set up");
        Ok(Confirmed::Done(codes))
    }

    /// Whether the typed code opens: the app's, or a recovery code. Each opens once. Wrong ones are counted under the lock
    /// of the row, so that many at once get no further than many in a row.
    pub async fn check(&self, user: UserId, typed: &str) -> Result<Checked, AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let Some(factor) = store::lock(&mut tx, user).await? else { return Ok(Checked::Absent) };
        let typed = TypedCode::read(typed);
        let is_recovery = matches!(typed, Some(TypedCode::Recovery(_)));
        let checked = match typed {
            // Nobody guesses 113 bits: the wait for wrong codes must not shut out who has lost the app.
            Some(TypedCode::Recovery(code)) => self.check_recovery(&mut tx, user, &code, now).await?,
            _ if factor.wait(now).is_some() => Checked::Wait(factor.wait(now).unwrap_or_default()),
            Some(TypedCode::App(code)) => self.check_app(&mut tx, user, &factor, &code, now).await?,
            None => Checked::Wrong,
        };
        match checked {
            // Nobody guesses one, so wrong ones say nothing of the app's codes.
            Checked::Wrong if is_recovery => {}
            Checked::Wrong | Checked::UsedBefore => store::count_wrong(&mut tx, user, now).await?,
            Checked::RightByRecovery(_) => store::forget_wrong(&mut tx, user).await?,
            Checked::Right | Checked::Wait(_) | Checked::Absent => {}
        }
        tx.commit().await?;
        tracing::info!(user = %user, right = checked.is_right(), "second factor asked for");
        Ok(checked)
    }

    async fn check_app(
        &self,
        tx: &mut Tx<System>,
        user: UserId,
        factor: &store::Locked,
        code: &str,
        now: Timestamp,
    ) -> Result<Checked, AppError> {
        let secret = self.vault.open(&purpose(user), &factor.secret);
        let secret = secret.map_err(|error| AppError::broken(format!("a second factor: {error}")))?;
        let Some(step) = codes::step_of(&secret, code, now)? else { return Ok(Checked::Wrong) };
        if step <= factor.last_step {
            return Ok(Checked::UsedBefore);
        }
        // A secret under an older key moves to the newest when it is used.
        let renewed =
            if self.vault.is_current(&factor.secret) { None } else { Some(self.seal(user, &secret)?) };
        store::use_step(tx, user, step, renewed.as_deref()).await?;
        Ok(Checked::Right)
    }

    async fn check_recovery(
        &self,
        tx: &mut Tx<System>,
        user: UserId,
        code: &SecretString,
        now: Timestamp,
    ) -> Result<Checked, AppError> {
        if store::use_code(tx, user, &TokenHash::of(code.expose_secret()), now).await? {
            Ok(Checked::RightByRecovery(store::codes_left(tx, user).await?))
        } else {
            Ok(Checked::Wrong)
        }
    }

    /// The account again, if it has kept its password since.
    pub async fn still(
        &self,
        user: UserId,
        email: &str,
        password: TokenHash,
    ) -> Result<Option<Account>, AppError> {
        let mut tx = self.db.begin(Guest).await?;
        let login = accounts::store::find_login(&mut tx, email).await?;
        Ok(login.filter(|login| login.user == user && login.mark() == password).map(Account::from))
    }

    /// Ten new recovery codes in place of those that were made at this moment; they open nothing any more. `None`: there
    /// are newer ones already (the form was sent twice), or there is no second factor.
    pub async fn renew_codes(&self, user: UserId, of: Timestamp) -> Result<Option<NewCodes>, AppError> {
        let mut tx = self.db.begin(System).await?;
        store::lock(&mut tx, user).await?;
        if store::find(&mut tx, user).await?.is_none_or(|factor| factor.codes_made_at != of) {
            return Ok(None);
        }
        let codes = new_codes(&mut tx, user, self.clock.now()).await?;
        tx.commit().await?;
        Ok(Some(codes))
    }

    /// False: there was none.
    pub async fn remove(&self, user: UserId) -> Result<bool, AppError> {
        let mut tx = self.db.begin(System).await?;
        let was = remove(&mut tx, user).await?;
        if was {
            tell(&mut tx, user, MailKind::SecondFactorRemoved, self.clock.now()).await?;
        }
        tx.commit().await?;
        tracing::info!(user = %user, was, "second factor removed");
        Ok(was)
    }

    fn seal(&self, user: UserId, secret: &[u8]) -> Result<Vec<u8>, AppError> {
        let sealed = self.vault.seal(&purpose(user), secret);
        sealed.map_err(|error| AppError::broken(format!("a second factor: {error}")))
    }
}

/// In place of those before, and later than them: the moment tells the sets apart.
async fn new_codes(tx: &mut Tx<System>, user: UserId, now: Timestamp) -> Result<NewCodes, AppError> {
    let before = store::find(tx, user).await?.map(|factor| factor.codes_made_at);
    // As finely as PostgreSQL counts.
    let now = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
    let made_at = before.map_or(now, |before| now.max(before + SignedDuration::from_micros(1)));
    let codes = codes::recovery_codes();
    store::replace_codes(tx, user, &hashes(&codes), made_at).await?;
    Ok(NewCodes { codes, made_at })
}

/// Whoever deletes an account, or helps somebody whose app and codes are gone, takes it away in their own transaction.
pub async fn remove(tx: &mut Tx<System>, user: UserId) -> Result<bool, AppError> {
    store::remove(tx, user).await
}

/// For somebody who has lost the app and all recovery codes: takes the factor away and signs them out everywhere. For the
/// command line only: it trusts its caller. `None`: no such account, or it has none.
pub async fn reset(db: &Db, email: &str, now: Timestamp) -> Result<Option<UserId>, AppError> {
    let mut tx = db.begin(System).await?;
    let Some(user) = store::owner(&mut tx, email).await? else { return Ok(None) };
    store::remove(&mut tx, user).await?;
    accounts::devices::end_everything(&mut tx, user, None).await?;
    tell(&mut tx, user, MailKind::SecondFactorRemoved, now).await?;
    tx.commit().await?;
    tracing::warn!(user = %user, "second factor reset from the command line");
    Ok(Some(user))
}

/// The worker's round: secrets that an older key has sealed are sealed with the newest. What no key opens is told to a
/// person once, and left alone.
pub async fn renew_sealed(db: &Db, vault: &Vault, now: Timestamp) -> Result<(), AppError> {
    let mut tx = db.begin(System).await?;
    let stale = store::stale(&mut tx, vault.newest(), RENEWED_AT_ONCE).await?;
    if stale.is_empty() {
        return Ok(());
    }
    let mut renewed = 0;
    for (user, secret) in stale {
        match vault.renew(&purpose(user), &secret) {
            Ok(sealed) => renewed += store::reseal(&mut tx, user, &secret, &sealed).await?,
            Err(error) => {
                let detail = format!("a second factor cannot be opened: {error}");
                let subject = user.to_string();
                outbox::raise(&mut tx, Attention::SealedUnreadable, &subject, None, &detail, now).await?;
            }
        }
    }
    let left = store::count_stale(&mut tx, vault.newest()).await?;
    tx.commit().await?;
    tracing::info!(key = vault.newest(), renewed, left, "second factors sealed again");
    Ok(())
}

/// One sealed second factor of each key, to try the key by.
pub async fn samples(tx: &mut Tx<System>) -> Result<Vec<Sample>, sqlx::Error> {
    let rows = store::samples(tx).await?.into_iter();
    Ok(rows.map(|(key, rows, user, sealed)| Sample { key, rows, purpose: purpose(user), sealed }).collect())
}

/// Whoever owns the account hears of it, whoever did it.
async fn tell(tx: &mut Tx<System>, user: UserId, kind: MailKind, now: Timestamp) -> Result<(), AppError> {
    if let Some(email) = accounts::present_email(tx, user).await? {
        let cause = accounts::cause(user, now);
        outbox::owe_mail(tx, kind, About::User(user), &email, &cause, now).await?;
    }
    Ok(())
}

/// Of one person and for one thing: a secret copied to another row does not open.
fn purpose(user: UserId) -> String {
    format!("second-factor:{user}")
}

fn unproven() -> AppError {
    AppError::Refused(Refusal {
        code: "address_not_verified",
        title: "Confirm your address first",
        detail: "A second factor is for the owner of the address. Open the link that we mailed to it, or ask for another one \
                 on the page of your account. Nothing was changed."
            .to_owned(),
    })
}

fn hashes(codes: &[SecretString]) -> Vec<TokenHash> {
    codes
        .iter()
        .filter_map(|code| match TypedCode::read(code.expose_secret()) {
            Some(TypedCode::Recovery(code)) => Some(TokenHash::of(code.expose_secret())),
            _ => None,
        })
        .collect()
}

impl store::Locked {
    /// How long the next try has to wait, if it does.
    fn wait(&self, now: Timestamp) -> Option<SignedDuration> {
        let beyond = u32::try_from(self.wrong_tries - FREE_TRIES).ok().filter(|beyond| *beyond > 0)?;
        let wait = FIRST_WAIT * 2_i32.saturating_pow((beyond - 1).min(10));
        let left = wait.min(LONGEST_WAIT) - now.duration_since(self.wrong_at?);
        left.is_positive().then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_codes_make_the_next_try_wait_longer_and_longer_up_to_an_hour() {
        let start: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let wait = |wrong_tries: i32, seconds: i64| {
            let locked =
                store::Locked { secret: Vec::new(), last_step: 0, wrong_tries, wrong_at: Some(start) };
            locked.wait(start + SignedDuration::from_secs(seconds)).map(|left| left.as_secs())
        };
        assert_eq!([wait(0, 0), wait(5, 0)], [None, None]);
        assert_eq!([wait(6, 0), wait(6, 29), wait(6, 30)], [Some(30), Some(1), None]);
        assert_eq!([wait(7, 0), wait(8, 0), wait(9, 0)], [Some(60), Some(120), Some(240)]);
        assert_eq!([wait(13, 0), wait(40, 0), wait(i32::MAX, 0)], [Some(3_600); 3]);
    }

    #[test]
    fn every_recovery_code_that_is_shown_has_a_hash_of_its_own() {
        let codes = codes::recovery_codes();
        let mut hashes = hashes(&codes);
        assert_eq!((codes.len(), hashes.len()), (RECOVERY_CODES, RECOVERY_CODES));
        hashes.sort_unstable_by_key(|hash| hash.0);
        hashes.dedup();
        assert_eq!(hashes.len(), RECOVERY_CODES);
    }
}
