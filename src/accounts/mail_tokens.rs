//! Links in mails. The mail's id is signed, the signature is the token, and the database knows its hash: a mail that is
//! sent again has the same link, and a copy of the database opens nothing.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;

use crate::{
    db::{System, Tx},
    error::{AppError, Refusal},
    ids::{MailId, Token, TokenHash, UserId},
    outbox::MailKind,
    vault::Vault,
};

/// What the link does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    VerifyEmail,
    PasswordReset,
    EmailChange,
}

impl Purpose {
    pub const ALL: [Self; 3] = [Self::VerifyEmail, Self::PasswordReset, Self::EmailChange];

    /// The mail that carries it.
    pub const fn mail(self) -> MailKind {
        match self {
            Self::VerifyEmail => MailKind::VerifyEmail,
            Self::PasswordReset => MailKind::PasswordReset,
            Self::EmailChange => MailKind::EmailChange,
        }
    }

    /// From the wish, not from the mail's way through the world.
    pub const fn lifetime(self) -> SignedDuration {
        match self {
            Self::VerifyEmail | Self::EmailChange => SignedDuration::from_hours(24),
            Self::PasswordReset => SignedDuration::from_mins(30),
        }
    }

    /// The page that takes the token as the last part of its path.
    pub const fn path(self) -> &'static str {
        match self {
            Self::VerifyEmail => "/verify",
            Self::PasswordReset => "/reset",
            Self::EmailChange => "/email",
        }
    }

    const fn code(self) -> &'static str {
        self.mail().code()
    }
}

/// A mail that is about to carry a token.
#[derive(Clone, Copy, Debug)]
pub struct Carrier<'a> {
    pub mail: MailId,
    pub user: UserId,
    pub to: &'a str,
    pub owed_since: Timestamp,
}

/// What a link that still opens something is known by.
#[derive(Clone, Debug)]
pub struct Found {
    pub user: UserId,
    pub mail: MailId,
    pub sent_to: String,
}

/// The token of a mail, written down by its hash. `None`: by now the link would open nothing.
pub async fn issue(
    tx: &mut Tx<System>,
    vault: &Vault,
    purpose: Purpose,
    carrier: Carrier<'_>,
    now: Timestamp,
) -> Result<Option<Token>, AppError> {
    let token = Token::from_bytes(vault.sign("mail-token", carrier.mail.0.as_bytes()));
    let hash = token.hash();
    sqlx::query!(
        "insert into auth.mail_tokens (token_hash, purpose, user_id, mail_id, sent_to, created_at, expires_at)
         values ($1, $2, $3, $4, $5::text::citext, $6, $7)
         on conflict (mail_id) do update set token_hash = excluded.token_hash",
        hash.as_bytes(),
        purpose.code(),
        carrier.user.0,
        carrier.mail.0,
        carrier.to,
        carrier.owed_since.to_sqlx() as _,
        (carrier.owed_since + purpose.lifetime()).to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    let opens = find(tx, hash, purpose, now).await?;
    Ok(opens.map(|_| token))
}

pub async fn find(
    tx: &mut Tx<System>,
    hash: TokenHash,
    purpose: Purpose,
    now: Timestamp,
) -> Result<Option<Found>, AppError> {
    let found = sqlx::query_as!(
        Found,
        r#"select t.user_id as "user: UserId", t.mail_id as "mail: MailId", t.sent_to::text as "sent_to!"
             from auth.mail_tokens t
            where t.token_hash = $1 and t.purpose = $2 and auth.opens(t, $3)"#,
        hash.as_bytes(),
        purpose.code(),
        now.to_sqlx() as _,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found)
}

/// As [`use_up`], for the account that the link was mailed for and for no other.
pub async fn use_up_own(
    tx: &mut Tx<System>,
    user: UserId,
    hash: TokenHash,
    purpose: Purpose,
    now: Timestamp,
) -> Result<Found, AppError> {
    let used = use_up(tx, hash, purpose, now).await?.ok_or_else(link_is_dead)?;
    // An error ends the transaction, and the link stays as it was.
    if used.user == user { Ok(used) } else { Err(of_another_account()) }
}

/// Of many who come with one link at once, one gets through: the others wait for its row and then find it used.
pub async fn use_up(
    tx: &mut Tx<System>,
    hash: TokenHash,
    purpose: Purpose,
    now: Timestamp,
) -> Result<Option<Found>, AppError> {
    let used = sqlx::query_as!(
        Found,
        r#"update auth.mail_tokens t set used_at = $3
            where t.token_hash = $1 and t.purpose = $2 and t.used_at is null and auth.opens(t, $3)
        returning t.user_id as "user: UserId", t.mail_id as "mail: MailId", t.sent_to::text as "sent_to!""#,
        hash.as_bytes(),
        purpose.code(),
        now.to_sqlx() as _,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(used)
}

/// One answer for every link that opens nothing: used, old, overtaken, and never made look the same.
pub(super) fn link_is_dead() -> AppError {
    AppError::Gone(Refusal {
        code: "link_is_dead",
        title: "This link does nothing any more",
        detail: "It was used already, it is too old, or a newer one took its place. Ask for a new one."
            .to_owned(),
    })
}

/// Whoever has the link is told: they read the mail that it came in.
pub(super) fn of_another_account() -> AppError {
    AppError::Barred(Refusal {
        code: "link_of_another_account",
        title: "This link is for another account",
        detail: "You are signed in, but not to the account that it was mailed for. If that one is yours too, sign out, sign \
                 in to it and open the link again. If you know of none, do nothing. Nothing was changed."
            .to_owned(),
    })
}

/// Forgets links that have opened nothing for long.
pub async fn delete_expired_before(tx: &mut Tx<System>, at: Timestamp) -> Result<u64, AppError> {
    let gone = sqlx::query!("delete from auth.mail_tokens where expires_at < $1", at.to_sqlx() as _)
        .execute(&mut **tx)
        .await?;
    Ok(gone.rows_affected())
}
