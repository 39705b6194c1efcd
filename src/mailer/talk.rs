//! One conversation with the mail server, step by step: what a refusal means depends on the step that is refused, and each
//! step has its time. lettre speaks the protocol; when to speak, and what an answer is worth, is decided here.

use std::{error::Error as _, future::Future, io, time::Duration};

use lettre::{
    Address, Message,
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        commands::{Data, Mail, Noop, Quit, Rcpt},
        extension::{ClientId, Extension, MailParameter},
    },
};
use secrecy::ExposeSecret;
use tokio::{net::TcpStream, sync::Mutex};

use super::{MailError, line::LineByLine};
use crate::config::smtp::{Guard, Login, SmtpServer};

/// Connections that wait for the next mail: a crowd of mails shares a few log-ins.
const IDLE: usize = 2;
const GOODBYE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// Up to the server's greeting, TLS included.
    connect: Duration,
    command: Duration,
    /// For the mail itself: servers look for viruses before they answer.
    body: Duration,
    /// For everything together, however slowly it drips. Under the time that a job has.
    whole: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let [connect, command, body, whole] = [20, 20, 60, 90].map(Duration::from_secs);
        Self { connect, command, body, whole }
    }
}

impl Patience {
    pub(super) fn of(whole: Duration) -> Self {
        let Self { connect, command, body, .. } = Self::default();
        Self { connect: connect.min(whole), command: command.min(whole), body: body.min(whole), whole }
    }

    pub(super) async fn with_all_of<T>(
        self,
        work: impl Future<Output = Result<T, MailError>>,
    ) -> Result<T, MailError> {
        tokio::time::timeout(self.whole, work).await.unwrap_or_else(|_| Err(silent(Step::Whole)))
    }
}

/// Where the server is, how it proves that it is the one, and who we are to it.
pub(super) struct Way {
    server: SmtpServer,
    tls: Option<TlsParameters>,
    name: ClientId,
    idle: Mutex<Vec<AsyncSmtpConnection>>,
}

impl Way {
    pub(super) fn new(server: SmtpServer, name: &str, authorities: &[Vec<u8>]) -> Result<Self, Error> {
        let tls = match server.guard {
            Guard::Nothing => None,
            Guard::Tls | Guard::StartTls => {
                let mut tls = TlsParameters::builder(server.host.clone());
                for authority in authorities {
                    tls = tls.add_root_certificate(Certificate::from_der(authority.clone())?);
                }
                Some(tls.build()?)
            }
        };
        Ok(Self { server, tls, name: ClientId::Domain(name.to_owned()), idle: Mutex::default() })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Connect,
    Encrypt,
    LogIn,
    Sender,
    Recipient,
    Data,
    Body,
    Whole,
}

impl Step {
    const fn in_words(self) -> &'static str {
        match self {
            Self::Connect => "on connecting",
            Self::Encrypt => "on STARTTLS",
            Self::LogIn => "on logging in",
            Self::Sender => "on MAIL FROM",
            Self::Recipient => "on RCPT TO",
            Self::Data => "on DATA",
            Self::Body => "after the mail",
            Self::Whole => "in time",
        }
    }
}

pub(super) struct Talk<'a> {
    way: &'a Way,
    patience: Patience,
    connection: AsyncSmtpConnection,
}

impl<'a> Talk<'a> {
    /// The whole way of one mail. After the server's yes the connection waits for the next.
    pub(super) async fn deliver(
        way: &'a Way,
        patience: Patience,
        message: &Message,
    ) -> Result<(), MailError> {
        let mut talk = match Self::resume(way, patience).await {
            Some(talk) => talk,
            None => Self::begin(way, patience).await?,
        };
        let sent = talk.hand_over(message).await;
        match &sent {
            Ok(()) => talk.rest().await,
            Err(_) => talk.leave().await,
        }
        sent
    }

    /// A connection that is still good. The server may have closed it meanwhile, which is no mail's fault.
    async fn resume(way: &'a Way, patience: Patience) -> Option<Self> {
        loop {
            let mut connection = way.idle.lock().await.pop()?;
            let there = tokio::time::timeout(patience.command, connection.command(Noop)).await;
            if matches!(there, Ok(Ok(_))) {
                return Some(Self { way, patience, connection });
            }
        }
    }

    async fn begin(way: &'a Way, patience: Patience) -> Result<Self, MailError> {
        let connection = within(patience.connect, Step::Connect, connect(way, patience)).await?;
        let mut talk = Self { way, patience, connection };
        if let Some(tls) = way.tls.clone().filter(|_| way.server.guard == Guard::StartTls) {
            talk.encrypt(tls).await?;
        }
        if let Some(login) = &way.server.login {
            talk.log_in(login).await?;
        }
        Ok(talk)
    }

    /// As far as a mail would go without one.
    pub(super) async fn try_out(way: &'a Way, patience: Patience) -> Result<(), MailError> {
        Self::begin(way, patience).await?.leave().await;
        Ok(())
    }

    async fn encrypt(&mut self, tls: TlsParameters) -> Result<(), MailError> {
        if !self.connection.can_starttls() {
            return Err(MailError::Estranged("the mail server does not offer STARTTLS".to_owned()));
        }
        within(self.patience.command, Step::Encrypt, self.connection.starttls(tls, &self.way.name)).await
    }

    async fn log_in(&mut self, login: &Login) -> Result<(), MailError> {
        if self.connection.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
            return Err(MailError::Estranged("the mail server offers no login that we know".to_owned()));
        }
        let credentials = Credentials::new(login.user.clone(), login.password.expose_secret().to_owned());
        let answer = self.connection.auth(DEFAULT_MECHANISMS, &credentials);
        within(self.patience.command, Step::LogIn, answer).await.map(drop)
    }

    async fn hand_over(&mut self, message: &Message) -> Result<(), MailError> {
        let envelope = message.envelope();
        let mut options = Vec::new();
        if envelope.from().into_iter().chain(envelope.to()).any(is_foreign) {
            if !self.connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                let why = "the mail server takes no address with letters beyond ASCII";
                return Err(MailError::Rejected(why.to_owned()));
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        let command = self.patience.command;
        let sender = self.connection.command(Mail::new(envelope.from().cloned(), options));
        within(command, Step::Sender, sender).await?;
        for to in envelope.to() {
            let recipient = self.connection.command(Rcpt::new(to.clone(), Vec::new()));
            within(command, Step::Recipient, recipient).await?;
        }
        within(command, Step::Data, self.connection.command(Data)).await?;
        let body = message.formatted();
        within(self.patience.body, Step::Body, self.connection.message(&body)).await.map(drop)
    }

    async fn rest(self) {
        let mut idle = self.way.idle.lock().await;
        if idle.len() < IDLE {
            idle.push(self.connection);
        } else {
            drop(idle);
            self.leave().await;
        }
    }

    async fn leave(mut self) {
        let _ = tokio::time::timeout(GOODBYE, self.connection.command(Quit)).await;
    }
}

async fn connect(way: &Way, patience: Patience) -> Result<AsyncSmtpConnection, Broken> {
    let server = (way.server.host.as_str(), way.server.port);
    if way.server.guard == Guard::Tls {
        let (limit, tls) = (Some(patience.connect), way.tls.clone());
        return Ok(AsyncSmtpConnection::connect_tokio1(server, limit, &way.name, tls, None).await?);
    }
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    Ok(AsyncSmtpConnection::connect_with_transport(Box::new(LineByLine::new(stream)), &way.name).await?)
}

fn is_foreign(address: &Address) -> bool {
    !address.user().is_ascii() || !address.domain().is_ascii()
}

fn silent(step: Step) -> MailError {
    MailError::Temporary(format!("the mail server did not answer {}", step.in_words()))
}

/// What ends a step.
enum Broken {
    Smtp(Error),
    Network(io::Error),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Smtp(error)
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Network(error)
    }
}

async fn within<T, E: Into<Broken>>(
    limit: Duration,
    step: Step,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, MailError> {
    match tokio::time::timeout(limit, work).await {
        Ok(answer) => answer.map_err(|error| match error.into() {
            Broken::Smtp(error) => judge(step, &error),
            Broken::Network(error) => MailError::Temporary(format!("{}: {error}", step.in_words())),
        }),
        Err(_) => Err(silent(step)),
    }
}

/// 4xx and a broken connection pass. 5xx are for ever, and it is the step that tells for whom: before the recipient is
/// named it is we who are refused, and all our mails with us.
fn judge(step: Step, error: &Error) -> MailError {
    if let Some(why) = distrust(error) {
        return MailError::Estranged(format!("the mail server's TLS cannot be trusted: {why}"));
    }
    let Some(code) = error.status().map(u16::from) else {
        return MailError::Temporary(format!("{}: {error}", step.in_words()));
    };
    // What a server says to a failed login may repeat the login.
    let said = if step == Step::LogIn { String::new() } else { format!(": {}", words(error)) };
    let told = format!("the mail server said {code} {}{said}", step.in_words());
    match (code, step) {
        // 530, 534, 535 and 538 ask for another login than ours, at whatever step.
        (530 | 534 | 535 | 538, _) => MailError::Estranged(told),
        // Too large is this mail's fault alone.
        (552, Step::Sender) => MailError::Rejected(told),
        (500.., Step::Connect | Step::Encrypt | Step::LogIn | Step::Sender | Step::Whole) => {
            MailError::Estranged(told)
        }
        (500.., Step::Recipient | Step::Data | Step::Body) => MailError::Rejected(told),
        _ => MailError::Temporary(told),
    }
}

/// What the server said with its status.
fn words(error: &Error) -> String {
    let text = error.source().map(ToString::to_string).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What TLS has against the server, if that is the trouble: a certificate that is not its own does not get better by waiting.
fn distrust(error: &Error) -> Option<String> {
    let mut cause = error.source();
    while let Some(next) = cause {
        let inner = next.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(tls) = inner.or_else(|| next.downcast_ref()) {
            return Some(tls.to_string());
        }
        cause = next.source();
    }
    None
}
