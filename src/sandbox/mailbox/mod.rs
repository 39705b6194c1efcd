//! A small real SMTP server on loopback that keeps what it gets, so that demo mode and tests can read it.
//! It delivers to nobody. Tests make it fail at any stage through [`Mailbox::fault`].

mod smtp;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use mail_parser::{MessageParser, MimeHeaders as _};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{clock::Clock, ids::MailId};

/// Older mail makes room for newer.
const KEPT: usize = 500;
const ENVELOPE: &str = "X-Sandbox-Envelope: ";

#[derive(Clone, Debug)]
pub struct Settings {
    pub clock: Clock,
    /// 0 takes any free port.
    pub port: u16,
    /// Keeps each mail as an `.eml` file; `None` forgets at the end.
    pub directory: Option<PathBuf>,
    pub door: Door,
}

/// How a mail program gets in. By default as over loopback: everybody, unencrypted.
#[derive(Clone, Debug, Default)]
pub struct Door {
    pub encryption: Encryption,
    /// User and password; nobody else hands mail in. Offered only once the talk is as encrypted as it gets.
    pub login: Option<(String, String)>,
    /// The only mechanism on offer; `None`: PLAIN and LOGIN.
    pub mechanism: Option<&'static str>,
}

#[derive(Clone, Debug, Default)]
pub enum Encryption {
    #[default]
    None,
    /// Offers STARTTLS and takes no mail before it.
    StartTls(Arc<ServerConfig>),
    /// TLS from the first byte.
    Implicit(Arc<ServerConfig>),
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the mailbox cannot listen on 127.0.0.1:{port}: {error}")]
    Listen { port: u16, error: io::Error },
    #[error("the mailbox's directory {}: {error}", path.display())]
    Directory { path: PathBuf, error: io::Error },
}

/// A running mailbox. It stops when the last handle is gone.
#[derive(Clone)]
pub struct Mailbox {
    inner: Arc<Inner>,
    _stop: Arc<DropGuard>,
}

struct Inner {
    clock: Clock,
    port: u16,
    directory: Option<PathBuf>,
    door: Door,
    /// Oldest first.
    mails: Mutex<VecDeque<Stored>>,
    faults: Mutex<VecDeque<(Stage, Fault)>>,
}

#[derive(Clone, Debug)]
struct Stored {
    id: MailId,
    envelope: Envelope,
    raw: Vec<u8>,
}

/// What was said outside the mail itself: this is where it really goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    pub received: Timestamp,
    pub from: String,
    pub to: Vec<String>,
}

/// A mail as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    pub id: MailId,
    pub envelope: Envelope,
    pub subject: String,
    pub from: String,
    pub to: Vec<String>,
    pub date: Option<Timestamp>,
    pub message_id: Option<String>,
    pub text: Option<String>,
    pub html: Option<String>,
    pub attachments: Vec<Attachment>,
    pub raw: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub name: String,
    pub bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Connect,
    Hello,
    /// Whether the connection is still good.
    Noop,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// After the whole mail has come in.
    Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers with this status, 4xx or 5xx. Nothing is kept.
    Answer(u16),
    /// Drops the connection. Nothing is kept.
    Drop,
    /// Says nothing for this long, then drops the connection.
    Hang(Duration),
    /// Thinks for this long, then goes on as if nothing were wrong.
    Slow(Duration),
    /// Keeps the mail, and drops the connection before saying so. Only at [`Stage::Body`].
    KeepThenDrop,
    /// Somebody on the way says more than the server does, before it is encrypted. Only at [`Stage::StartTls`].
    SlipIn,
    /// Says yes, and loses the mail. Only at [`Stage::Body`].
    Lose,
}

impl Mailbox {
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let port = settings.port;
        let listener = TcpListener::bind(("127.0.0.1", port)).await;
        let listener = listener.map_err(|error| StartError::Listen { port, error })?;
        let port = listener.local_addr().map_err(|error| StartError::Listen { port, error })?.port();
        let mails = match &settings.directory {
            Some(path) => load(path).map_err(|error| StartError::Directory { path: path.clone(), error })?,
            None => VecDeque::new(),
        };
        let inner = Arc::new(Inner {
            clock: settings.clock,
            port,
            directory: settings.directory,
            door: settings.door,
            mails: Mutex::new(mails),
            faults: Mutex::default(),
        });
        let stop = CancellationToken::new();
        tokio::spawn(smtp::serve(listener, Arc::clone(&inner), stop.clone()));
        Ok(Self { inner, _stop: Arc::new(stop.drop_guard()) })
    }

    pub fn smtp_url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.inner.port)
    }

    pub fn port(&self) -> u16 {
        self.inner.port
    }

    /// Every mail kept, newest first.
    pub fn list(&self) -> Vec<Mail> {
        self.inner.lock().iter().rev().map(read).collect()
    }

    pub fn get(&self, id: MailId) -> Option<Mail> {
        self.inner.lock().iter().find(|stored| stored.id == id).map(read)
    }

    /// The next time this stage is reached, it fails so, once. Several queue up.
    pub fn fault(&self, stage: Stage, fault: Fault) {
        self.inner.faults.lock().unwrap_or_else(PoisonError::into_inner).push_back((stage, fault));
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Stored>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_fault(&self, stage: Stage) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let place = faults.iter().position(|(at, _)| *at == stage)?;
        faults.remove(place).map(|(_, fault)| fault)
    }

    /// On disk first: a mail that was taken is there after a restart.
    fn keep(&self, from: String, to: Vec<String>, raw: Vec<u8>) -> io::Result<()> {
        let envelope = Envelope { received: self.clock.now(), from, to };
        let stored = Stored { id: MailId::new(), envelope, raw };
        if let Some(directory) = &self.directory {
            save(directory, &stored)?;
        }
        let mut mails = self.lock();
        if mails.len() >= KEPT
            && let Some(old) = mails.pop_front()
            && let Some(directory) = &self.directory
        {
            fs::remove_file(file_of(directory, old.id))?;
        }
        mails.push_back(stored);
        Ok(())
    }
}

fn read(stored: &Stored) -> Mail {
    let parsed = MessageParser::default().parse(&stored.raw);
    let message = parsed.as_ref();
    let addresses = |list: Option<&mail_parser::Address<'_>>| -> Vec<String> {
        list.into_iter().flat_map(|list| list.iter().map(written)).collect()
    };
    Mail {
        id: stored.id,
        envelope: stored.envelope.clone(),
        subject: message.and_then(|message| message.subject()).unwrap_or_default().to_owned(),
        from: addresses(message.and_then(|message| message.from())).join(", "),
        to: addresses(message.and_then(|message| message.to())),
        date: message
            .and_then(|message| message.date())
            .and_then(|date| Timestamp::from_second(date.to_timestamp()).ok()),
        message_id: message.and_then(|message| message.message_id()).map(str::to_owned),
        text: message
            .filter(|message| !message.text_body.is_empty())
            .and_then(|message| message.body_text(0))
            .map(|text| text.into_owned()),
        html: message
            .filter(|message| !message.html_body.is_empty())
            .and_then(|message| message.body_html(0))
            .map(|html| html.into_owned()),
        attachments: message.into_iter().flat_map(|message| message.attachments().map(attachment)).collect(),
        raw: stored.raw.clone(),
    }
}

fn written(address: &mail_parser::Addr<'_>) -> String {
    match (address.name(), address.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (name, address) => address.or(name).unwrap_or_default().to_owned(),
    }
}

fn attachment(part: &mail_parser::MessagePart<'_>) -> Attachment {
    Attachment { name: part.attachment_name().unwrap_or("unnamed").to_owned(), bytes: part.len() }
}

fn file_of(directory: &Path, id: MailId) -> PathBuf {
    directory.join(format!("{id}.eml"))
}

/// The envelope stands in front as one header of our own, so that the file is still a mail.
fn save(directory: &Path, stored: &Stored) -> io::Result<()> {
    let Envelope { received, from, to } = &stored.envelope;
    let mut text = format!("{ENVELOPE}{received} <{from}> {}\r\n", to.join(" ")).into_bytes();
    text.extend_from_slice(&stored.raw);
    let path = file_of(directory, stored.id);
    let beside = path.with_extension("new");
    fs::write(&beside, text)?;
    fs::rename(beside, path)
}

/// What lies in the directory and is not one of ours is left alone.
fn load(directory: &Path) -> io::Result<VecDeque<Stored>> {
    fs::create_dir_all(directory)?;
    let mut mails = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let id = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".eml")?.parse().ok());
        if let Some(id) = id {
            mails.extend(parse(id, &fs::read(&path)?));
        }
    }
    // The ids are time-ordered.
    mails.sort_by_key(|stored| stored.id);
    let surplus = mails.len().saturating_sub(KEPT);
    Ok(mails.into_iter().skip(surplus).collect())
}

fn parse(id: MailId, file: &[u8]) -> Option<Stored> {
    let end = file.windows(2).position(|pair| pair == b"\r\n")?;
    let line = std::str::from_utf8(file.get(..end)?).ok()?.strip_prefix(ENVELOPE)?;
    let mut words = line.split(' ');
    let received = words.next()?.parse().ok()?;
    let from = words.next()?.trim_matches(['<', '>']).to_owned();
    let to = words.filter(|word| !word.is_empty()).map(str::to_owned).collect();
    Some(Stored { id, envelope: Envelope { received, from, to }, raw: file.get(end + 2..)?.to_vec() })
}
