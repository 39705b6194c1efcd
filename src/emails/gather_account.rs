//! Letters about an account, from what is so when they go out.

use jiff::{SignedDuration, Timestamp};

use crate::{
    accounts::{
        self, Purpose,
        mail_tokens::{self, Carrier},
    },
    bookings,
    db::{System, Tx},
    emails::{
        account::{
            AccountDeleted, AccountExists, BookingsClaimed, EmailChange, EmailChangeNotice, EmailChanged,
            FactorChange, Link, PasswordChanged, PasswordReset, SecondFactorChanged, VerifyEmail,
        },
        facts::Brief,
        letters::Letter,
    },
    error::AppError,
    ids::UserId,
    outbox::{self, Mail, MailKind},
    vault::Vault,
};

/// Between two mails that say the same thing about the same account.
const QUIET: SignedDuration = SignedDuration::from_hours(1);

pub(super) async fn gather(
    tx: &mut Tx<System>,
    mail: &Mail,
    user: UserId,
    vault: &Vault,
    now: Timestamp,
) -> Result<Option<Letter>, AppError> {
    let at = mail.owed_since;
    if mail.kind == MailKind::AccountDeleted {
        return Ok(Some(Letter::AccountDeleted(AccountDeleted { at })));
    }
    let Some(present) = accounts::present_email(tx, user).await? else { return Ok(None) };
    let factor = |change| Letter::SecondFactorChanged(SecondFactorChanged { at, change });
    Ok(match mail.kind {
        MailKind::VerifyEmail => link(tx, mail, user, Purpose::VerifyEmail, vault, now)
            .await?
            .map(|link| Letter::VerifyEmail(VerifyEmail { at, link })),
        MailKind::PasswordReset => {
            let link = link(tx, mail, user, Purpose::PasswordReset, vault, now).await?;
            link.map(|link| Letter::PasswordReset(PasswordReset { at, link }))
        }
        MailKind::EmailChange => {
            let link = link(tx, mail, user, Purpose::EmailChange, vault, now).await?;
            link.map(|link| Letter::EmailChange(EmailChange { at, link }))
        }
        // Whoever tries an address again and again must not fill its mailbox by us.
        MailKind::AccountExists if outbox::follows_another(tx, mail.id, QUIET).await? => None,
        MailKind::AccountExists => Some(Letter::AccountExists(AccountExists { at })),
        MailKind::PasswordChanged => Some(Letter::PasswordChanged(PasswordChanged { at })),
        MailKind::EmailChangeNotice => {
            let new = outbox::address_of(tx, MailKind::EmailChange, &mail.cause).await?;
            new.map(|new| Letter::EmailChangeNotice(EmailChangeNotice { at, new }))
        }
        MailKind::EmailChanged => {
            let is_new = mail.to.eq_ignore_ascii_case(&present);
            Some(Letter::EmailChanged(EmailChanged { at, new: present, is_new }))
        }
        MailKind::SecondFactorSet => Some(factor(FactorChange::Set)),
        MailKind::SecondFactorReplaced => Some(factor(FactorChange::Replaced)),
        MailKind::SecondFactorRemoved => Some(factor(FactorChange::Removed)),
        MailKind::BookingsClaimed => {
            let bookings = claimed(tx, user, at).await?;
            (!bookings.is_empty()).then(|| Letter::BookingsClaimed(BookingsClaimed { at, bookings }))
        }
        _ => return Err(AppError::broken(format!("mail {}: it is about a booking, not a person", mail.id))),
    })
}

/// Reference and route of each booking that became part of the account at that moment.
async fn claimed(
    tx: &mut Tx<System>,
    user: UserId,
    at: Timestamp,
) -> Result<Vec<(String, String)>, AppError> {
    let mut claimed = Vec::new();
    for id in bookings::claim_store::claimed_at(tx, user, at).await? {
        if let Some(booking) = bookings::store::find_by_id(tx, id).await? {
            let brief = Brief::new(&booking.reference, &booking.offer)?;
            claimed.push((booking.reference.to_string(), format!("{}, {}", brief.route(), brief.days())));
        }
    }
    Ok(claimed)
}

/// `None`: by now it would open nothing.
async fn link(
    tx: &mut Tx<System>,
    mail: &Mail,
    user: UserId,
    purpose: Purpose,
    vault: &Vault,
    now: Timestamp,
) -> Result<Option<Link>, AppError> {
    let carrier = Carrier { mail: mail.id, user, to: &mail.to, owed_since: mail.owed_since };
    let token = mail_tokens::issue(tx, vault, purpose, carrier, now).await?;
    Ok(token.map(|token| Link { token, purpose, until: mail.owed_since + purpose.lifetime() }))
}
