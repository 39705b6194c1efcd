//! The mails that we owe: gathered from present data, composed, sent. A mail never delays or fails a booking.
//!
//! `gather` reads the database and makes a typed [`Letter`]; `compose` is pure; what is drawn in HTML stands in
//! `parts`, what is set in plain text in `plain`. The prose is in `email_templates/`, one directory for each kind.

mod account;
mod alarm;
mod cancel;
mod change;
mod facts;
mod gather;
mod gather_account;
mod hook;
mod letters;
mod look;
mod parts;
mod plain;
pub mod pages;
mod refunds;
mod samples;
#[cfg(test)]
mod tests;
mod unpaid;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub use letters::{Composed, Letter, Sender};

use crate::{
    accounts::mail_tokens::Purpose,
    admin,
    clock::Clock,
    db::{Db, System, Tx},
    error::AppError,
    ids::MailId,
    mailer::{Attachment, MailError, Mailer, OutgoingMail},
    outbox::{self, About, Attention, Claim, Copy, Mail, MailKind, Outcome},
    papers::{Paper, Papers},
    vault::Vault,
};

/// What a mail said is kept for questions about it, and no longer.
const KEEP_COPIES: SignedDuration = SignedDuration::from_hours(24 * 30);

/// After this a person is told that a mail does not go out, whatever keeps it.
const LATE: SignedDuration = SignedDuration::from_hours(6);

#[derive(Clone)]
pub struct Emails {
    db: Db,
    clock: Clock,
    mailer: Mailer,
    /// Signs the links that are proofs.
    vault: Vault,
    sender: Arc<Sender>,
}

/// A mail as it goes out.
struct Written {
    letter: Composed,
    attachments: Vec<Attachment>,
}

impl Emails {
    pub fn new(db: Db, clock: Clock, mailer: Mailer, vault: Vault, sender: Sender) -> Self {
        Self { db, clock, mailer, vault, sender: Arc::new(sender) }
    }

    /// The job that sends one mail. An error means: try again later.
    pub async fn send(&self, id: MailId, claim: &Claim) -> Result<Outcome, AppError> {
        let mut tx = self.db.begin(System).await?;
        let Some(mail) = outbox::mail(&mut tx, id).await? else { return Ok(Outcome::Done) };
        // A mail that somebody sends again has its whole time again.
        let time = worth_sending(mail.kind);
        let is_over = self.clock.now().duration_since(claim.pushed_at) >= time;
        let alarm = || Some(format!("not delivered within {}; it is not tried again", in_words(time)));
        let result = match self.write(tx, &mail).await {
            Ok(Some(composed)) => self.hand_over(&mail, composed).await,
            Ok(None) => {
                let tx = self.db.begin(System).await?;
                let why = "overtaken: what it would tell is no longer so";
                let (why, alarm) = if is_over { (None, alarm()) } else { (Some(why), None) };
                return self.give_up(tx, &mail, why, alarm).await;
            }
            Err(error) => Err(error),
        };
        match result {
            Err(error) if is_over => {
                let tx = self.db.begin(System).await?;
                // What the mail server said is noted already.
                let is_noted = matches!(error, AppError::Upstream { .. });
                let why = without_addresses(&error.to_string());
                self.give_up(tx, &mail, (!is_noted).then_some(why.as_str()), alarm()).await
            }
            other => other,
        }
    }

    /// `None`: by now it would tell something untrue.
    async fn write(&self, mut tx: Tx<System>, mail: &Mail) -> Result<Option<Written>, AppError> {
        let letter = gather::gather(&mut tx, mail, &self.vault, self.clock.now()).await?;
        let papers = gather::papers(&mut tx, mail, &self.sender).await?;
        // A link must be known before anybody can click it.
        tx.commit().await?;
        let Some(letter) = letter else { return Ok(None) };
        let attachments = papers.map(|papers| attachments(mail.kind, &papers)).transpose()?;
        Ok(Some(Written {
            letter: letter.compose(&self.sender)?,
            attachments: attachments.unwrap_or_default(),
        }))
    }

    async fn hand_over(&self, mail: &Mail, written: Written) -> Result<Outcome, AppError> {
        let Written { letter: Composed { subject, text, html }, attachments } = written;
        let (to, told) = (mail.to.clone(), subject.clone());
        let outgoing = OutgoingMail { id: mail.id, to, subject: told, text, html, attachments };
        let sent = self.mailer.send(&outgoing).await;
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let copy = Copy { subject: &subject, text: &outgoing.text, html: &outgoing.html };
        outbox::keep_copy(&mut tx, mail.id, copy, now).await?;
        match sent {
            Ok(()) => {
                outbox::mark_mail_sent(&mut tx, mail.id, &subject, now).await?;
                tx.commit().await?;
                Ok(Outcome::Done)
            }
            Err(MailError::Rejected(why)) => {
                let alarm = "the mail server refuses it; it is not tried again".to_owned();
                self.give_up(tx, mail, Some(&without_addresses(&why)), Some(alarm)).await
            }
            Err(MailError::Temporary(why)) => self.put_off(tx, mail, &without_addresses(&why), false).await,
            Err(MailError::Estranged(why)) => self.put_off(tx, mail, &without_addresses(&why), true).await,
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

    async fn give_up(
        &self,
        mut tx: Tx<System>,
        mail: &Mail,
        why: Option<&str>,
        alarm: Option<String>,
    ) -> Result<Outcome, AppError> {
        outbox::give_up_mail(&mut tx, mail.id, why).await?;
        if let Some(alarm) = alarm {
            let (kind, subject) = (Attention::MailLate, mail.id.to_string());
            let detail = format!("{}: {alarm}", mail.kind.code());
            let now = self.clock.now();
            outbox::raise(&mut tx, kind, &subject, mail.about.booking(), &detail, now).await?;
        }
        tx.commit().await?;
        Ok(Outcome::Done)
    }

    async fn put_off(
        &self,
        mut tx: Tx<System>,
        mail: &Mail,
        why: &str,
        is_estranged: bool,
    ) -> Result<Outcome, AppError> {
        outbox::note_mail_error(&mut tx, mail.id, why).await?;
        if is_estranged {
            // One item for all the mails that meet the same closed door.
            outbox::raise(&mut tx, Attention::MailServer, "smtp", None, why, self.clock.now()).await?;
        }
        tx.commit().await?;
        Err(AppError::Upstream {
            service: "smtp",
            reason: why.to_owned(),
            detail: "A mail could not be sent yet. The booking is not affected.".to_owned(),
        })
    }

    /// The alarm goes by the clock, not by a try: it also tells of a mail that nobody gets round to.
    pub async fn sweep(&self, tx: &mut Tx<System>, now: Timestamp) -> Result<(), AppError> {
        outbox::forget_copies_before(tx, now - KEEP_COPIES).await?;
        for late in outbox::late_mails(tx, now - LATE).await? {
            let detail = format!("{}: not delivered for {}; tries go on", late.kind, in_words(LATE));
            let subject = late.id.to_string();
            outbox::raise(tx, Attention::MailLate, &subject, late.booking, &detail, now).await?;
        }
        Ok(())
    }
}

/// How long somebody waits for it. A link is worth nothing once it opens nothing.
fn worth_sending(kind: MailKind) -> SignedDuration {
    match kind {
        MailKind::VerifyEmail => Purpose::VerifyEmail.lifetime(),
        MailKind::PasswordReset => Purpose::PasswordReset.lifetime(),
        MailKind::EmailChange => Purpose::EmailChange.lifetime(),
        // Asked for by somebody who sits in front of the screen.
        MailKind::BookingLink | MailKind::AccountExists => SignedDuration::from_hours(24),
        _ => SignedDuration::from_hours(72),
    }
}

fn in_words(time: SignedDuration) -> String {
    match (time.as_hours(), time.as_mins()) {
        (0, minutes) => format!("{minutes} minutes"),
        (hours, _) => format!("{hours} hours"),
    }
}

/// What goes with the letter, for the calendar and the file.
fn attachments(kind: MailKind, papers: &Papers) -> Result<Vec<Attachment>, AppError> {
    let files = match kind {
        MailKind::BookingConfirmation | MailKind::AirlineChange => {
            vec![papers.itinerary()?, papers.calendar_file()]
        }
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
