//! Accounts: who may sign in, and the life of what they sign in with. Whether an address has an account is told to nobody
//! who cannot read its mail or sign in to it: every sign-up, failed sign-in and forgotten password answers with the same
//! words, status and work, whatever the address. What is different is in the mail to its owner.

pub mod api;
mod credentials;
pub mod devices;
pub mod mail_tokens;
pub mod pages;
pub mod password;
mod people;
mod people_store;
mod recovery;
pub mod second_factor;
mod store;
pub mod tokens;

use jiff::Timestamp;
use secrecy::SecretString;

pub use self::{
    credentials::PendingEmail,
    mail_tokens::Purpose,
    password::Passwords,
    people::{Profile, ProfileForm, SavedTraveller, TravellerForm},
    recovery::Recovered,
    second_factor::SecondFactors,
};
use crate::{
    clock::Clock,
    db::{Db, Guest, System, Tx},
    error::{AppError, FieldErrors},
    ids::{TokenHash, UserId},
    limits::{Known, Limits, Rule, Subject},
    outbox::{self, About, MailKind},
    personal::personal,
    web::visitor::Visitor,
};

/// What pages and API call.
#[derive(Clone)]
pub struct Accounts {
    pub db: Db,
    pub clock: Clock,
    pub passwords: Passwords,
    pub limits: Limits,
}

/// Who has just signed in.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    pub user: UserId,
    pub email: String,
    /// As its database word.
    pub staff: Option<String>,
    /// The address was proven to be theirs.
    pub verified: bool,
    /// Of the password that was right: what begins with this proof begins only while it is still theirs.
    pub password: TokenHash,
}

personal!(Account { user, staff });

impl Account {
    const fn known(&self) -> Known {
        Known { user: self.user, password: self.password }
    }
}

/// An account as its owner sees it.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub email: String,
    /// When they proved that the address is theirs.
    pub email_verified_at: Option<Timestamp>,
    pub password_changed_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

personal!(User { id });

impl User {
    pub const fn is_verified(&self) -> bool {
        self.email_verified_at.is_some()
    }
}

/// Name and address are checked; the password's strength by [`Accounts::sign_up`], which has the time for it.
#[derive(Clone)]
pub struct NewAccount {
    pub name: String,
    pub email: String,
    pub password: SecretString,
}

personal!(NewAccount {});

impl Accounts {
    /// Makes an account if the address has none, and mails a link that proves the address. If it has one, its owner is told
    /// by mail. The caller cannot tell which.
    pub async fn sign_up(&self, new: NewAccount, visitor: &Visitor) -> Result<(), AppError> {
        self.passwords.has_room()?;
        self.limits.take(Rule::SignUpAddress, visitor.network()).await?;
        self.limits.take(Rule::SignUpAccount, &Subject::email(&new.email)).await?;
        let about = vec![new.name.clone(), new.email.clone()];
        let hash = self.strong_hash(new.password, about).await?;
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let owner = store::sign_up(&mut tx, UserId::new(), &new.email, &hash, &new.name, now).await?;
        let kind = if owner.is_new { MailKind::VerifyEmail } else { MailKind::AccountExists };
        let cause = cause(owner.user, now);
        outbox::owe_mail(&mut tx, kind, About::User(owner.user), &owner.email, &cause, now).await?;
        tx.commit().await?;
        tracing::info!(made = owner.is_new, "sign-up");
        Ok(())
    }

    /// `None`: no such address, or another password.
    pub async fn sign_in(
        &self,
        email: &str,
        password: SecretString,
        visitor: &Visitor,
    ) -> Result<Option<Account>, AppError> {
        self.passwords.has_room()?;
        let network = visitor.network();
        self.limits.take(Rule::SignInAddress, network).await?;
        self.limits.take(Rule::SignInWork, network).await?;
        let mut tx = self.db.begin(Guest).await?;
        let login = store::find_login(&mut tx, email).await?;
        drop(tx);
        let known = login.as_ref().map(|login| Known { user: login.user, password: login.mark() });
        let begun = self.limits.begin_sign_in(email, known, visitor.browser(), network).await?;
        // Without an account there is a hash to check all the same, so that time tells nothing.
        let hash = login.as_ref().map(|login| login.password_hash.clone());
        let fits = self.passwords.verify(password, hash).await?;
        let account = login.filter(|_| fits).map(Account::from);
        if account.is_some() {
            self.limits.signed_in(begun, network).await?;
        }
        tracing::info!(fits = account.is_some(), "sign-in");
        Ok(account)
    }

    pub async fn user(&self, user: UserId) -> Result<User, AppError> {
        let mut tx = self.db.begin(System).await?;
        store::user(&mut tx, user).await?.ok_or(AppError::Unauthenticated)
    }

    /// What is too easy to guess is refused before anything is hashed for it.
    async fn check_strength(&self, password: &SecretString, about: &[String]) -> Result<(), AppError> {
        match self.passwords.weakness_of(password.clone(), about.to_vec()).await? {
            None => Ok(()),
            Some(advice) => Err(AppError::Invalid(FieldErrors::one("password", advice))),
        }
    }

    /// The hash, or a message beside the password field.
    async fn strong_hash(&self, password: SecretString, about: Vec<String>) -> Result<String, AppError> {
        match self.passwords.hash_if_strong(password, about).await? {
            Ok(hash) => Ok(hash),
            Err(advice) => Err(AppError::Invalid(FieldErrors::one("password", advice))),
        }
    }
}

/// Where mail about the account goes; `None` once it is deleted.
pub async fn present_email(tx: &mut Tx<System>, user: UserId) -> Result<Option<String>, AppError> {
    Ok(store::user(tx, user).await?.map(|user| user.email))
}

/// The address, if it is proven to be theirs. It stays so until the end of the caller's transaction.
pub async fn proven_email(tx: &mut Tx<System>, user: UserId) -> Result<Option<String>, AppError> {
    Ok(store::proven_email(tx, user).await?)
}

/// Names one wish of one user: the same wish at the same instant makes one mail.
pub(crate) fn cause(user: UserId, now: Timestamp) -> String {
    format!("{user}:{}", now.as_microsecond())
}

/// What [`make_staff`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MadeStaff {
    /// There was one, which may have been anybody's.
    pub second_factor_removed: bool,
}

/// Makes a member of the agency, or gives an existing account this role and password. No way in that somebody had before
/// is left: it is signed out everywhere, links that were mailed are dead, and a second factor is gone. For the command line
/// only: it trusts its caller, also that the address is theirs.
pub async fn make_staff(
    db: &Db,
    clock: &Clock,
    passwords: &Passwords,
    email: &str,
    password: SecretString,
    role: &str,
) -> Result<MadeStaff, AppError> {
    let mut tx = db.begin(Guest).await?;
    let login = store::find_login(&mut tx, email).await?;
    drop(tx);
    // A demo says the same again at every start: nothing changes, and nobody is signed out.
    if let Some(login) = login.filter(|login| login.staff_role.as_deref() == Some(role))
        && passwords.verify(password.clone(), Some(login.password_hash)).await?
    {
        return Ok(MadeStaff { second_factor_removed: false });
    }
    let hash = match passwords.hash_if_strong(password, vec![email.to_owned()]).await? {
        Ok(hash) => hash,
        Err(advice) => return Err(AppError::Invalid(FieldErrors::one("password", advice))),
    };
    let mut tx = db.begin(System).await?;
    let user = store::make_staff(&mut tx, UserId::new(), email, &hash, role, clock.now()).await?;
    let second_factor_removed = second_factor::remove(&mut tx, user).await?;
    devices::end_everything(&mut tx, user, None).await?;
    tx.commit().await?;
    Ok(MadeStaff { second_factor_removed })
}
