//! Accounts: who may sign in. Whether an address has an account is told to nobody who cannot sign in to it: a failed
//! sign-in and every sign-up answer with the same words, status and work, whatever the address.

pub mod devices;
pub mod pages;
pub mod password;
pub mod second_factor;
mod store;
pub mod tokens;
mod tries;

use secrecy::SecretString;

pub use self::{password::Passwords, second_factor::SecondFactors, tries::Tries};
use crate::{
    clock::Clock,
    db::{Db, Guest, System, Traveller},
    error::{AppError, FieldErrors},
    ids::UserId,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub user: UserId,
    pub email: String,
    /// As its database word.
    pub staff: Option<String>,
}

/// Checked by [`NewAccount::check`]; the password's strength by [`sign_up`], which has the time for it.
#[derive(Clone, Debug)]
pub struct NewAccount {
    pub name: String,
    pub email: String,
    pub password: SecretString,
}

/// Makes an account if the address has none. The caller cannot tell: who chose the password learns it by signing in.
/// Without a proof that the address is theirs (a mail with a link) no other answer would be both honest and discreet.
pub async fn sign_up(db: &Db, passwords: &Passwords, new: NewAccount) -> Result<(), AppError> {
    let about = vec![new.name.clone(), new.email.clone()];
    let hash = match passwords.hash_if_strong(new.password, about).await? {
        Ok(hash) => hash,
        Err(advice) => return Err(AppError::Invalid(FieldErrors::one("password", advice))),
    };
    let mut tx = db.begin(Guest).await?;
    let made = store::sign_up(&mut tx, UserId::new(), &new.email, &hash, &new.name).await?;
    tx.commit().await?;
    tracing::info!(made, "sign-up");
    Ok(())
}

/// `None`: no such address, or another password.
pub async fn sign_in(
    db: &Db,
    clock: &Clock,
    passwords: &Passwords,
    tries: &Tries,
    email: &str,
    password: SecretString,
) -> Result<Option<Account>, AppError> {
    tries.begin(email, clock.now())?;
    let mut tx = db.begin(Guest).await?;
    let login = store::find_login(&mut tx, email).await?;
    drop(tx);
    // Without an account there is a hash to check all the same, so that time tells nothing.
    let hash = login.as_ref().map(|login| login.password_hash.clone());
    let fits = passwords.verify(password, hash).await?;
    let account = login.filter(|_| fits).map(|login| Account {
        user: login.user,
        email: email.to_owned(),
        staff: login.staff_role,
    });
    if account.is_some() {
        tries.forget(email);
    }
    tracing::info!(fits = account.is_some(), "sign-in");
    Ok(account)
}

/// Makes a member of the agency, or gives an existing account this role and password, which signs it out everywhere. For
/// the command line only: it trusts its caller.
pub async fn make_staff(
    db: &Db,
    passwords: &Passwords,
    email: &str,
    password: SecretString,
    role: &str,
) -> Result<(), AppError> {
    let mut tx = db.begin(Guest).await?;
    let login = store::find_login(&mut tx, email).await?;
    drop(tx);
    // A demo says the same again at every start: nothing changes, and nobody is signed out.
    if let Some(login) = login.filter(|login| login.staff_role.as_deref() == Some(role))
        && passwords.verify(password.clone(), Some(login.password_hash)).await?
    {
        return Ok(());
    }
    let hash = match passwords.hash_if_strong(password, vec![email.to_owned()]).await? {
        Ok(hash) => hash,
        Err(advice) => return Err(AppError::Invalid(FieldErrors::one("password", advice))),
    };
    let mut tx = db.begin(System).await?;
    let user = store::make_staff(&mut tx, UserId::new(), email, &hash, role).await?;
    devices::end_everything(&mut tx, user, None).await?;
    tx.commit().await?;
    Ok(())
}

pub async fn name_of(db: &Db, user: UserId) -> Result<String, AppError> {
    let mut tx = db.begin(Traveller::Account(user)).await?;
    store::name_of(&mut tx).await
}
