//! Links that were mailed: proving an address, and a new password for somebody who has forgotten theirs.

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use crate::{
    accounts::{
        Accounts, Purpose, User, cause, devices,
        mail_tokens::{self, link_is_dead},
        second_factor, store,
    },
    db::{System, Tx},
    error::{AppError, FieldErrors, TooMany},
    ids::{TokenHash, UserId},
    limits::{Rule, Subject},
    outbox::{self, About, MailKind},
    web::visitor::Visitor,
};

/// Between two mails that ask whether an address is somebody's.
const VERIFY_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// Who has a new password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    pub user: User,
    /// Nobody had proven the address before.
    pub is_first_proof: bool,
}

impl Accounts {
    /// Mails another link that proves the address; nothing where it is proven already.
    pub async fn request_verification(&self, user: UserId) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let Some(owner) = unproven(&mut tx, user, now).await? else { return Ok(()) };
        drop(tx);
        self.limits.take(Rule::VerifyAccount, &Subject::email(&owner.email)).await?;
        let mut tx = self.db.begin(System).await?;
        // Of many who ask at once, one gets through: the others wait for its row and then find its mail.
        store::lock(&mut tx, user).await?;
        let Some(owner) = unproven(&mut tx, user, now).await? else { return Ok(()) };
        let cause = cause(user, now);
        outbox::owe_mail(&mut tx, MailKind::VerifyEmail, About::User(user), &owner.email, &cause, now)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Whoever has the link reads the mail, and whoever is signed in knows the password: together they prove that the
    /// address is the account's. The link alone would let somebody with a stranger's account prove it for the stranger.
    pub async fn verify_email(&self, user: UserId, token: &str) -> Result<User, AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        mail_tokens::use_up_own(&mut tx, user, TokenHash::of(token), Purpose::VerifyEmail, now).await?;
        store::mark_verified(&mut tx, user, now).await?;
        let user = store::user(&mut tx, user).await?.ok_or_else(link_is_dead)?;
        tx.commit().await?;
        tracing::info!(user = %user.id, "address verified");
        Ok(user)
    }

    /// Mails a link for a new password to whoever has an account with this address. The caller cannot tell whether anybody
    /// has.
    pub async fn request_password_reset(&self, email: &str, visitor: &Visitor) -> Result<(), AppError> {
        self.limits.take(Rule::ResetAddress, visitor.network()).await?;
        self.limits.take(Rule::ResetAccount, &Subject::email(email)).await?;
        let mut tx = self.db.begin(System).await?;
        outbox::owe_mail_to_owner(&mut tx, MailKind::PasswordReset, email, self.clock.now()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Whose link this is, without using it up. `None`: it is used, too old, overtaken by a newer one, or was never ours.
    pub async fn get_user_by_token(&self, token: &str, purpose: Purpose) -> Result<Option<User>, AppError> {
        let mut tx = self.db.begin(System).await?;
        let found = mail_tokens::find(&mut tx, TokenHash::of(token), purpose, self.clock.now()).await?;
        match found {
            Some(found) => store::user(&mut tx, found.user).await,
            None => Ok(None),
        }
    }

    /// A new password for the owner of the link. Everything that was signed in with the old one ends. Where nobody had
    /// proven the address before, whoever had the account until now may be anybody: what they have put into it goes.
    pub async fn reset_password(&self, token: &str, new: SecretString) -> Result<Recovered, AppError> {
        let user = self.get_user_by_token(token, Purpose::PasswordReset).await?.ok_or_else(link_is_dead)?;
        let mut tx = self.db.begin(System).await?;
        let known = store::credentials(&mut tx, user.id).await?.ok_or_else(link_is_dead)?;
        drop(tx);
        self.limits.take(Rule::ResetLink, &Subject::link(TokenHash::of(token))).await?;
        let about = vec![known.name, user.email.clone()];
        self.check_strength(&new, &about).await?;
        if self.passwords.verify(new.clone(), Some(known.password_hash.clone())).await? {
            return Err(AppError::Invalid(FieldErrors::one(
                "password",
                "This is the password that you have already",
            )));
        }
        let hash = self.strong_hash(new, about).await?;
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let used = mail_tokens::use_up(&mut tx, TokenHash::of(token), Purpose::PasswordReset, now).await?;
        used.ok_or_else(link_is_dead)?;
        store::set_password(&mut tx, user.id, &hash, now).await?;
        devices::end_everything(&mut tx, user.id, None).await?;
        // They read the mail.
        let is_first_proof = store::mark_verified(&mut tx, user.id, now).await?;
        // Whom the command line made staff has been vouched for, and their second factor is more than a mail.
        if is_first_proof && !store::is_staff(&mut tx, user.id).await? {
            second_factor::remove(&mut tx, user.id).await?;
            store::forget_belongings(&mut tx, user.id).await?;
        }
        self.tell_password_changed(&mut tx, user.id, &user.email, now).await?;
        tx.commit().await?;
        // Whoever guesses at the account must not make its owner wait now.
        self.limits.forget_sign_ins(&user.email).await?;
        tracing::info!(user = %user.id, "password reset");
        Ok(Recovered { user: self.user(user.id).await?, is_first_proof })
    }
}

/// Whose address a mail may ask about now. `None`: it is proven already.
async fn unproven(tx: &mut Tx<System>, user: UserId, now: Timestamp) -> Result<Option<User>, AppError> {
    let owner = store::user(tx, user).await?.ok_or(AppError::Unauthenticated)?;
    if owner.is_verified() {
        return Ok(None);
    }
    let last = outbox::last_mail_at(tx, MailKind::VerifyEmail, user).await?;
    let left = last.map(|at| (at + VERIFY_AGAIN).duration_since(now)).filter(|left| left.is_positive());
    let Some(left) = left else { return Ok(Some(owner)) };
    Err(AppError::TooMany(TooMany {
        retry_after_seconds: u32::try_from(left.as_secs()).unwrap_or(u32::MAX).max(1),
        detail: "We have just sent a mail to this address. Look there first.",
        quota: None,
    }))
}
