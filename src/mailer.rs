//! Sends mail over SMTP. It tells "never" from "not now": the outbox tries again only what can still succeed.

mod line;
mod talk;

use std::{sync::Arc, time::Duration};

use lettre::{
    Address, Message,
    message::{
        self, Mailbox, MultiPart,
        header::{ContentType, Header, HeaderName, HeaderValue},
    },
};
use secrecy::{ExposeSecret, SecretString};

use self::talk::{Patience, Talk, Way};
use crate::personal::personal;
use crate::{clock::Clock, config::smtp::SmtpServer, ids::MailId, meters};

#[derive(Clone, Debug)]
pub struct MailSettings {
    /// As [`SmtpServer::parse`] reads it.
    pub smtp_url: SecretString,
    /// `Jetbridge <hello@jetbridge.example>`
    pub from: String,
}

#[derive(Clone)]
pub struct OutgoingMail {
    pub id: MailId,
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub attachments: Vec<Attachment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub name: String,
    /// `application/pdf`
    pub kind: &'static str,
    pub bytes: Vec<u8>,
}

personal!(OutgoingMail { id });

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The server will never take this mail, or there is no such address.
    #[error("rejected: {0}")]
    Rejected(String),
    /// Not now: the same mail may go later.
    #[error("not sent: {0}")]
    Temporary(String),
    /// The server and we cannot do business, whatever the mail: it refuses our login or our sender, or it cannot prove who it
    /// is. With the settings mended the mail will go, so it is kept.
    #[error("no mail is sent: {0}")]
    Estranged(String),
}

#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    #[error("SMTP_URL {0}")]
    Url(&'static str),
    #[error("TLS: {0}")]
    Tls(#[from] lettre::transport::smtp::Error),
    #[error("the sender {0:?} is not a mail address")]
    From(String),
}

/// The name of a mail among all mails of the world: made from its id and the sender's domain, the same at every try.
/// `None`: `from` is no address.
pub fn message_id(from: &str, id: MailId) -> Option<String> {
    from.parse().ok().map(|from: Mailbox| name_of(&from, id))
}

fn name_of(from: &Mailbox, id: MailId) -> String {
    format!("<{id}@{}>", from.email.domain())
}

#[derive(Clone)]
pub struct Mailer {
    way: Arc<Way>,
    from: Arc<Mailbox>,
    clock: Clock,
    patience: Patience,
}

impl Mailer {
    /// Connects only when there is something to send.
    pub fn new(settings: &MailSettings, clock: Clock) -> Result<Self, MailerError> {
        Self::trusting(settings, clock, &[])
    }

    /// Also trusts a server whose certificate one of these signed (DER).
    pub fn trusting(
        settings: &MailSettings,
        clock: Clock,
        authorities: &[Vec<u8>],
    ) -> Result<Self, MailerError> {
        let from: Mailbox = settings.from.parse().map_err(|_| MailerError::From(settings.from.clone()))?;
        let server = SmtpServer::parse(settings.smtp_url.expose_secret()).map_err(MailerError::Url)?;
        let way = Way::new(server, from.email.domain(), authorities)?;
        Ok(Self { way: Arc::new(way), from: Arc::new(from), clock, patience: Patience::default() })
    }

    /// Gives up on one mail after this time.
    pub fn with_patience(self, whole: Duration) -> Self {
        Self { patience: Patience::of(whole), ..self }
    }

    /// Again with the same id it is the same mail: its Message-ID lets a mailbox see the double.
    pub async fn send(&self, mail: &OutgoingMail) -> Result<(), MailError> {
        let message = self.compose(mail)?;
        let delivering = self.patience.with_all_of(Talk::deliver(&self.way, self.patience, &message));
        meters::call("smtp", "send", delivering).await
    }

    /// As far as a mail would go without one: connects, proves who the server is, logs in.
    pub async fn check(&self) -> Result<(), MailError> {
        self.patience.with_all_of(Talk::try_out(&self.way, self.patience)).await
    }

    fn compose(&self, mail: &OutgoingMail) -> Result<Message, MailError> {
        let unusable = |what: &str| MailError::Rejected(format!("{what} cannot be used in a mail"));
        let to: Address = mail.to.parse().map_err(|_| unusable("the recipient"))?;
        // A header is one line; whatever would start another is left out.
        let subject: String = mail.subject.chars().filter(|c| !c.is_control()).collect();
        let mut body = MultiPart::mixed()
            .multipart(MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone()));
        for Attachment { name, kind, bytes } in &mail.attachments {
            let kind = ContentType::parse(kind).map_err(|_| unusable("the kind of an attachment"))?;
            body = body.singlepart(message::Attachment::new(name.clone()).body(bytes.clone(), kind));
        }
        let message = Message::builder()
            .message_id(Some(name_of(&self.from, mail.id)))
            .date(self.clock.now().into())
            .from(Mailbox::clone(&self.from))
            .to(Mailbox::new(None, to))
            .subject(subject)
            .header(AutoSubmitted);
        let message = if mail.attachments.is_empty() {
            message.multipart(MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone()))
        } else {
            message.multipart(body)
        };
        message.map_err(|error| MailError::Rejected(error.to_string()))
    }
}

/// Tells holiday responders and lists to stay silent (RFC 3834). There is no List-Unsubscribe: each of our mails tells one
/// person of their own booking or account, nobody subscribes to them, and who could unsubscribe would miss a refund.
#[derive(Clone, Copy, Debug)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
