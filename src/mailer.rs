//! Sends mail over SMTP. It tells "never" from "not now": the outbox tries again only what can still succeed.

use std::{sync::Arc, time::Duration};

use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        self, Mailbox, MultiPart,
        header::{ContentType, Header, HeaderName, HeaderValue},
    },
    transport::smtp::PoolConfig,
};
use secrecy::{ExposeSecret, SecretString};

use crate::personal::personal;
use crate::{clock::Clock, ids::MailId};

const PATIENCE: Duration = Duration::from_secs(30);
const CONNECTIONS: u32 = 4;

#[derive(Clone, Debug)]
pub struct MailSettings {
    /// `smtp://host:port`, `smtps://user:password@host`, `smtp://…?tls=required` for STARTTLS.
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
}

#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    #[error("the mail server's address: {0}")]
    Url(#[from] lettre::transport::smtp::Error),
    #[error("the sender {0:?} is not a mail address")]
    From(String),
}

#[derive(Clone)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Arc<Mailbox>,
    clock: Clock,
    patience: Duration,
}

impl Mailer {
    /// Connects only when there is something to send.
    pub fn new(settings: &MailSettings, clock: Clock) -> Result<Self, MailerError> {
        let from = settings.from.parse().map_err(|_| MailerError::From(settings.from.clone()))?;
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(settings.smtp_url.expose_secret())?
            .timeout(Some(PATIENCE))
            .pool_config(PoolConfig::new().max_size(CONNECTIONS))
            .build();
        Ok(Self { transport, from: Arc::new(from), clock, patience: PATIENCE })
    }

    /// Gives up on one mail after this time.
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Again with the same id it is the same mail: its Message-ID lets a mailbox see the double.
    pub async fn send(&self, mail: &OutgoingMail) -> Result<(), MailError> {
        let message = self.compose(mail)?;
        match tokio::time::timeout(self.patience, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(judge(&error)),
            Err(_) => Err(MailError::Temporary("the mail server did not answer in time".into())),
        }
    }

    /// Connects and signs in, and sends nothing.
    pub async fn check(&self) -> Result<(), MailError> {
        match tokio::time::timeout(self.patience, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(MailError::Temporary("the mail server hung up".into())),
            Ok(Err(error)) => Err(judge(&error)),
            Err(_) => Err(MailError::Temporary("the mail server did not answer in time".into())),
        }
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
            .message_id(Some(format!("<{}@{}>", mail.id, self.from.email.domain())))
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

/// Tells holiday responders and lists to stay silent (RFC 3834).
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

fn judge(error: &lettre::transport::smtp::Error) -> MailError {
    // 530, 534, 535 and 538 refuse us, not the mail: with the login mended it will go.
    let code = error.status().map(u16::from);
    if error.is_permanent() && !matches!(code, Some(530 | 534 | 535 | 538)) {
        MailError::Rejected(error.to_string())
    } else {
        MailError::Temporary(error.to_string())
    }
}
