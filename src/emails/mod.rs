//! The mails that we owe: gathered from present data, composed, sent. A mail never delays or fails a booking.
//!
//! `gather` reads the database and makes a typed [`Letter`]; `compose` is pure; what is drawn in HTML stands in
//! `parts`, what is set in plain text in `plain`. The prose is in `email_templates/`, one directory for each kind.

mod account;
mod alarm;
mod facts;
mod gather;
mod gather_account;
mod letters;
mod look;
mod parts;
mod plain;
pub mod pages;
mod refunds;
mod samples;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub use letters::{Composed, Letter, Sender};

use crate::{
    admin,
    clock::Clock,
    db::{Db, System},
    error::AppError,
    ids::MailId,
    mailer::{Attachment, MailError, Mailer, OutgoingMail},
    outbox::{self, About, Attention, Claim, Mail, MailKind, Outcome},
    papers::{Paper, Papers},
    vault::Vault,
};

/// After this a person is told that a mail does not go out.
const LATE: SignedDuration = SignedDuration::from_hours(6);
/// After this nobody waits for it any more.
const TOO_LATE: SignedDuration = SignedDuration::from_hours(72);

#[derive(Clone)]
pub struct Emails {
    db: Db,
    clock: Clock,
    mailer: Mailer,
    /// Signs the links that are proofs.
    vault: Vault,
    sender: Arc<Sender>,
}

impl Emails {
    pub fn new(db: Db, clock: Clock, mailer: Mailer, vault: Vault, sender: Sender) -> Self {
        Self { db, clock, mailer, vault, sender: Arc::new(sender) }
    }

    /// The job that sends one mail. An error means: try again later.
    pub async fn send(&self, id: MailId, claim: &Claim) -> Result<Outcome, AppError> {
        let mut tx = self.db.begin(System).await?;
        let Some(mail) = outbox::mail(&mut tx, id).await? else { return Ok(Outcome::Done) };
        let Some(letter) = gather::gather(&mut tx, &mail, &self.vault, self.clock.now()).await? else {
            outbox::give_up_mail(&mut tx, id, "overtaken: what it would tell is no longer so").await?;
            tx.commit().await?;
            return Ok(Outcome::Done);
        };
        let papers = gather::papers(&mut tx, &mail, &self.sender).await?;
        // A link must be known before anybody can click it.
        tx.commit().await?;
        let Composed { subject, text, html } = letter.compose(&self.sender)?;
        let attachments = match papers {
            Some(papers) => attachments(mail.kind, &papers)?,
            None => Vec::new(),
        };
        let (to, told) = (mail.to.clone(), subject.clone());
        let outgoing = OutgoingMail { id, to, subject: told, text, html, attachments };
        let sent = self.mailer.send(&outgoing).await;
        let now = self.clock.now();
        // A mail that somebody sends again has its whole time again.
        let waited = now.duration_since(claim.pushed_at);
        match sent {
            Ok(()) => {
                let mut tx = self.db.begin(System).await?;
                outbox::mark_mail_sent(&mut tx, id, &subject, now).await?;
                tx.commit().await?;
                Ok(Outcome::Done)
            }
            Err(MailError::Rejected(why)) => {
                self.give_up(&mail, "the mail server refuses it", &why, now).await
            }
            Err(MailError::Temporary(why)) if waited >= TOO_LATE => {
                self.give_up(&mail, "not delivered within 72 hours", &why, now).await
            }
            Err(MailError::Temporary(why)) => self.put_off(&mail, &why, waited, now).await,
        }
    }

    /// The job behind everything that asks for a person: one mail for all that has come together, and none where it was
    /// told before.
    pub async fn sound_alarm(&self) -> Result<Outcome, AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let open = admin::attention::money_at_risk(&mut tx).await?;
        if let Some(newest) = open.iter().map(|item| item.id).max() {
            let (kind, to, cause) = (MailKind::StaffAlarm, &self.sender.staff, newest.to_string());
            outbox::owe_mail(&mut tx, kind, About::Agency, to, &cause, now).await?;
        }
        tx.commit().await?;
        Ok(Outcome::Done)
    }

    async fn give_up(&self, mail: &Mail, what: &str, why: &str, now: Timestamp) -> Result<Outcome, AppError> {
        let mut tx = self.db.begin(System).await?;
        outbox::give_up_mail(&mut tx, mail.id, &without_addresses(why)).await?;
        let detail = format!("{}: {what}; it is not tried again", mail.kind.code());
        let (kind, subject) = (Attention::MailLate, mail.id.to_string());
        outbox::raise(&mut tx, kind, &subject, mail.about.booking(), &detail, now).await?;
        tx.commit().await?;
        Ok(Outcome::Done)
    }

    async fn put_off(
        &self,
        mail: &Mail,
        why: &str,
        waited: SignedDuration,
        now: Timestamp,
    ) -> Result<Outcome, AppError> {
        let why = without_addresses(why);
        let mut tx = self.db.begin(System).await?;
        outbox::note_mail_error(&mut tx, mail.id, &why).await?;
        if waited >= LATE {
            let detail = format!("{}: not delivered for 6 hours; tries go on", mail.kind.code());
            let (kind, subject) = (Attention::MailLate, mail.id.to_string());
            outbox::raise(&mut tx, kind, &subject, mail.about.booking(), &detail, now).await?;
        }
        tx.commit().await?;
        Err(AppError::Upstream {
            service: "smtp",
            reason: why,
            detail: "A mail could not be sent yet. The booking is not affected.".to_owned(),
        })
    }
}

/// What goes with the letter, for the calendar and the file.
fn attachments(kind: MailKind, papers: &Papers) -> Result<Vec<Attachment>, AppError> {
    let files = match kind {
        MailKind::BookingConfirmation => vec![papers.itinerary()?, papers.calendar_file()],
        MailKind::PaymentReceipt => vec![papers.receipt()?],
        _ => Vec::new(),
    };
    Ok(files.into_iter().map(|Paper { name, kind, bytes }| Attachment { name, kind, bytes }).collect())
}

/// Mail servers like to repeat the recipient in what they say, and this goes into logs.
fn without_addresses(text: &str) -> String {
    let words = text.split_whitespace().map(|word| if word.contains('@') { "(address)" } else { word });
    let clean = words.collect::<Vec<_>>().join(" ");
    clean.chars().take(300).collect()
}
