//! Changing what somebody signs in with, by somebody who is signed in and still has to know the password: an unlocked
//! screen is not enough to take an account over.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    accounts::{
        Accounts, Purpose, User, cause, devices,
        mail_tokens::{self, link_is_dead},
        store::{self, Credentials},
    },
    db::{System, Tx},
    error::{AppError, FieldErrors, Refusal},
    ids::{DeviceId, TokenHash, UserId},
    limits::{Rule, Subject},
    outbox::{self, About, MailKind},
    personal::personal,
};

/// Another address for the account, until it is confirmed.
#[derive(Clone, PartialEq, Eq)]
pub struct PendingEmail {
    pub email: String,
    pub until: Timestamp,
    /// The mail with the link could not be delivered.
    pub is_unreachable: bool,
}

personal!(PendingEmail { until });

impl Accounts {
    /// `keep`: the browser that asks stays signed in; every other one and every API token ends.
    pub async fn change_password(
        &self,
        user: UserId,
        current: SecretString,
        new: SecretString,
        keep: Option<DeviceId>,
    ) -> Result<(), AppError> {
        let is_same = current.expose_secret() == new.expose_secret();
        let known = self.prove(user, "current_password", current).await?;
        if is_same {
            return Err(AppError::Invalid(FieldErrors::one(
                "password",
                "This is the password that you have already",
            )));
        }
        let hash = self.strong_hash(new, vec![known.name, known.email.clone()]).await?;
        self.limits.take(Rule::ChangeAccount, &Subject::user(user)).await?;
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        if !store::replace_password(&mut tx, user, &known.password_hash, &hash, now).await? {
            return Err(overtaken());
        }
        devices::end_everything(&mut tx, user, keep).await?;
        self.tell_password_changed(&mut tx, user, &known.email, now).await?;
        tx.commit().await?;
        tracing::info!(%user, "password changed");
        Ok(())
    }

    /// Asks the new address whether it is theirs, and tells the old one. Whether the new one has an account is not told: only
    /// who reads its mail learns that.
    pub async fn request_email_change(
        &self,
        user: UserId,
        password: SecretString,
        new_email: &str,
    ) -> Result<(), AppError> {
        let known = self.prove(user, "password", password).await?;
        self.ask_new_address(user, &known, new_email).await
    }

    /// For whoever has proved everything that the account asks for.
    pub(super) async fn ask_new_address(
        &self,
        user: UserId,
        known: &Credentials,
        new_email: &str,
    ) -> Result<(), AppError> {
        if known.email.eq_ignore_ascii_case(new_email) {
            return Err(AppError::Invalid(FieldErrors::one(
                "email",
                "This is the address that you have already",
            )));
        }
        // Each makes mails, one of them to whomever the account likes: counted, and never given back.
        self.limits.take(Rule::ChangeAccount, &Subject::user(user)).await?;
        self.limits.take(Rule::ChangeAddress, &Subject::email(new_email)).await?;
        let now = self.clock.now();
        let cause = cause(user, now);
        let mut tx = self.db.begin(System).await?;
        let about = About::User(user);
        outbox::owe_mail(&mut tx, MailKind::EmailChange, about, new_email, &cause, now).await?;
        outbox::owe_mail(&mut tx, MailKind::EmailChangeNotice, about, &known.email, &cause, now).await?;
        tx.commit().await?;
        tracing::info!(%user, "another address asked for");
        Ok(())
    }

    /// The address that was asked for and has not answered yet.
    pub async fn pending_email(&self, user: UserId) -> Result<Option<PendingEmail>, AppError> {
        let life = Purpose::EmailChange.lifetime();
        let mut tx = self.db.begin(System).await?;
        let asked = store::asked_address(&mut tx, user, self.clock.now() - life).await?;
        Ok(asked.map(|asked| PendingEmail {
            email: asked.email,
            until: asked.asked_at + life,
            is_unreachable: asked.is_unreachable,
        }))
    }

    /// Mails the link once more to the address that was asked for with the password, and counts as asking does. Only the
    /// newest link works. False: nothing is asked for any more.
    pub async fn ask_new_address_again(&self, user: UserId) -> Result<bool, AppError> {
        let Some(pending) = self.pending_email(user).await? else { return Ok(false) };
        self.limits.take(Rule::ChangeAccount, &Subject::user(user)).await?;
        self.limits.take(Rule::ChangeAddress, &Subject::email(&pending.email)).await?;
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        // Taken back or confirmed meanwhile: then there is nothing to send.
        store::lock(&mut tx, user).await?;
        let asked = store::asked_address(&mut tx, user, now - Purpose::EmailChange.lifetime()).await?;
        let Some(asked) = asked.filter(|asked| asked.email == pending.email) else { return Ok(false) };
        let cause = cause(user, now);
        outbox::owe_mail(&mut tx, MailKind::EmailChange, About::User(user), &asked.email, &cause, now)
            .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Whatever was asked for until now opens nothing any more. Never refused for being asked often: it is what stops
    /// somebody else's wish.
    pub async fn withdraw_email_change(&self, user: UserId) -> Result<(), AppError> {
        let mut tx = self.db.begin(System).await?;
        store::withdraw_email_change(&mut tx, user, self.clock.now()).await?;
        tx.commit().await?;
        tracing::info!(%user, "another address taken back");
        Ok(())
    }

    /// The link that went to the new address, used by whoever is signed in to the account that asked: a mistyped address
    /// hands nothing over. Both addresses are told.
    pub async fn confirm_email_change(&self, user: UserId, token: &str) -> Result<User, AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let used =
            mail_tokens::use_up_own(&mut tx, user, TokenHash::of(token), Purpose::EmailChange, now).await?;
        let before = store::user(&mut tx, used.user).await?.ok_or_else(link_is_dead)?;
        store::set_email(&mut tx, used.user, &used.sent_to, now).await.map_err(taken)?;
        for (place, to) in [("old", &before.email), ("new", &used.sent_to)] {
            let cause = format!("{}:{place}", used.mail);
            outbox::owe_mail(&mut tx, MailKind::EmailChanged, About::User(used.user), to, &cause, now)
                .await?;
        }
        let user = store::user(&mut tx, used.user).await?.ok_or_else(link_is_dead)?;
        tx.commit().await?;
        tracing::info!(user = %user.id, "address changed");
        Ok(user)
    }

    /// For what a signed-in person has to confirm.
    pub async fn is_password_of(&self, user: UserId, password: SecretString) -> Result<bool, AppError> {
        match self.prove(user, "password", password).await {
            Ok(_) => Ok(true),
            Err(AppError::Invalid(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The same for what other features let nobody do without the password. Answers with the hash that it fits: whoever acts
    /// on the proof in a transaction of their own can see there that it still is the one.
    pub async fn prove_password(&self, user: UserId, password: SecretString) -> Result<String, AppError> {
        Ok(self.prove(user, "password", password).await?.password_hash)
    }

    /// The present password, or a message beside `field`. Guesses are counted.
    pub(super) async fn prove(
        &self,
        user: UserId,
        field: &str,
        password: SecretString,
    ) -> Result<Credentials, AppError> {
        let mut tx = self.db.begin(System).await?;
        let known = store::credentials(&mut tx, user).await?.ok_or(AppError::Unauthenticated)?;
        drop(tx);
        let guesses = Subject::user(user);
        self.limits.take(Rule::PasswordAgain, &guesses).await?;
        self.limits.take(Rule::PasswordWork, &guesses).await?;
        if !self.passwords.verify(password, Some(known.password_hash.clone())).await? {
            return Err(AppError::Invalid(FieldErrors::one(field, "This is not your password")));
        }
        self.limits.give_back(Rule::PasswordAgain, &guesses).await?;
        Ok(known)
    }

    pub(super) async fn tell_password_changed(
        &self,
        tx: &mut Tx<System>,
        user: UserId,
        email: &str,
        now: Timestamp,
    ) -> Result<(), AppError> {
        let cause = cause(user, now);
        outbox::owe_mail(tx, MailKind::PasswordChanged, About::User(user), email, &cause, now).await?;
        Ok(())
    }
}

fn overtaken() -> AppError {
    AppError::Conflict(Refusal {
        code: "password_changed_meanwhile",
        title: "Your password was changed meanwhile",
        detail: "Somebody changed it between two of your clicks. Nothing was done now. If it was not you, ask for a new one."
            .to_owned(),
    })
}

/// Only who has proven that the address is theirs gets to hear this.
fn taken(error: AppError) -> AppError {
    if error.constraint() != Some("users_email_unique") {
        return error;
    }
    AppError::Conflict(Refusal {
        code: "email_taken",
        title: "This address has an account of its own",
        detail: "Nothing was changed. Sign in with this address, or use another one here.".to_owned(),
    })
}
