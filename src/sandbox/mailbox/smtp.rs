//! The conversation: as much of RFC 5321 as a mail program needs, with a bound on everything a stranger can send.

use std::{io, pin::Pin, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{Encryption, Fault, Inner, Stage};

const CONNECTIONS: usize = 64;
const COMMAND_BYTES: usize = 2_048;
const MAIL_BYTES: usize = 10 * 1024 * 1024;
const RECIPIENTS: usize = 100;
/// After so many mistakes the other side is not a mail program.
const MISTAKES: u32 = 20;
const IDLE: Duration = Duration::from_secs(120);

pub async fn serve(listener: TcpListener, inner: Arc<Inner>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        // Too many at once: the connection closes, and a mail program comes again.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (inner, stop) = (Arc::clone(&inner), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                // An error is a connection that the other side gave up.
                _ = converse(stream, inner) => {}
            }
            drop(place);
        });
    }
}

trait Wire: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Wire for T {}

type Stream = Pin<Box<dyn Wire>>;

async fn converse(stream: TcpStream, inner: Arc<Inner>) -> io::Result<()> {
    let encryption = inner.door.encryption.clone();
    let plain: Stream = Box::pin(stream);
    match &encryption {
        Encryption::None => Talk::new(plain, inner, true).run(true).await.map(drop),
        Encryption::Implicit(config) => {
            let stream = encrypted(plain, config).await?;
            Talk::new(stream, inner, true).run(true).await.map(drop)
        }
        Encryption::StartTls(config) => {
            let mut talk = Talk::new(plain, Arc::clone(&inner), false);
            if let Next::Encrypt = talk.run(true).await? {
                // What was said too early goes with the reader's buffer: nobody vouches for it.
                let stream = encrypted(talk.stream.into_inner(), config).await?;
                Talk::new(stream, inner, true).run(false).await?;
            }
            Ok(())
        }
    }
}

async fn encrypted(stream: Stream, config: &Arc<ServerConfig>) -> io::Result<Stream> {
    Ok(Box::pin(TlsAcceptor::from(Arc::clone(config)).accept(stream).await?))
}

/// What to do after a command.
enum Next {
    Go,
    Encrypt,
    Close,
}

struct Talk {
    stream: BufReader<Stream>,
    inner: Arc<Inner>,
    /// Nothing more private is to come.
    is_safe: bool,
    greeted: bool,
    is_known: bool,
    from: Option<String>,
    to: Vec<String>,
    mistakes: u32,
}

impl Talk {
    fn new(stream: Stream, inner: Arc<Inner>, is_safe: bool) -> Self {
        let is_known = inner.door.login.is_none();
        let stream = BufReader::new(stream);
        let (from, to) = (None, Vec::new());
        Self { stream, inner, is_safe, greeted: false, is_known, from, to, mistakes: 0 }
    }

    async fn run(&mut self, greets: bool) -> io::Result<Next> {
        if greets {
            if !self.stage(Stage::Connect).await? {
                return Ok(Next::Close);
            }
            self.say("220 sandbox.jetbridge ESMTP, delivers to nobody").await?;
        }
        loop {
            let Some(line) = self.line(COMMAND_BYTES).await? else { return Ok(Next::Close) };
            let Ok(line) = std::str::from_utf8(&line) else {
                self.mistake("500 5.5.2 That is not text").await?;
                continue;
            };
            let line = line.to_owned();
            match self.command(&line).await? {
                Next::Go => {}
                end => return Ok(end),
            }
            if self.mistakes >= MISTAKES {
                self.say("421 4.7.0 Too many mistakes").await?;
                return Ok(Next::Close);
            }
        }
    }

    async fn command(&mut self, line: &str) -> io::Result<Next> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                if !self.stage(Stage::Hello).await? {
                    return Ok(Next::Close);
                }
                self.reset();
                self.greeted = true;
                let offer = self.offer();
                self.say(&offer).await?;
            }
            "HELO" => {
                self.reset();
                self.greeted = true;
                self.say("250 sandbox.jetbridge").await?;
            }
            "STARTTLS" if !self.is_safe => {
                let go = "220 2.0.0 Go ahead";
                match self.inner.take_fault(Stage::StartTls) {
                    None => self.say(go).await?,
                    Some(Fault::SlipIn) => self.say(&format!("{go}\r\n250 2.0.0 Trust me")).await?,
                    Some(fault) => {
                        self.fail(fault).await?;
                        return Ok(Next::Close);
                    }
                }
                return Ok(Next::Encrypt);
            }
            "AUTH" if self.is_safe && self.inner.door.login.is_some() => return self.auth(rest).await,
            "MAIL" => return self.mail(rest).await,
            "RCPT" => return self.rcpt(rest).await,
            "DATA" => return self.data().await,
            "RSET" => {
                self.reset();
                self.say("250 2.0.0 Forgotten").await?;
            }
            "NOOP" => {
                if !self.stage(Stage::Noop).await? {
                    return Ok(Next::Close);
                }
                self.say("250 2.0.0 Still here").await?;
            }
            "QUIT" => {
                self.say("221 2.0.0 Goodbye").await?;
                return Ok(Next::Close);
            }
            _ => self.mistake("500 5.5.1 Unknown command").await?,
        }
        Ok(Next::Go)
    }

    fn offer(&self) -> String {
        let mut lines =
            vec!["sandbox.jetbridge".to_owned(), format!("SIZE {MAIL_BYTES}"), "8BITMIME".to_owned()];
        if !self.is_safe {
            lines.push("STARTTLS".to_owned());
        } else if self.inner.door.login.is_some() {
            lines.push(format!("AUTH {}", self.inner.door.mechanism.unwrap_or("PLAIN LOGIN")));
        }
        lines.push("SMTPUTF8".to_owned());
        let last = lines.len() - 1;
        let line =
            |(place, text): (usize, &String)| format!("250{}{text}", if place == last { ' ' } else { '-' });
        lines.iter().enumerate().map(line).collect::<Vec<_>>().join("\r\n")
    }

    async fn auth(&mut self, rest: &str) -> io::Result<Next> {
        if !self.stage(Stage::Auth).await? {
            return Ok(Next::Close);
        }
        let (mechanism, first) = rest.split_once(' ').unwrap_or((rest, ""));
        let said = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => {
                let words = if first.is_empty() { self.ask("").await? } else { decoded(first.as_bytes()) };
                words.and_then(|words| {
                    let mut words = words.split('\0').skip(1).map(str::to_owned);
                    words.next().zip(words.next())
                })
            }
            "LOGIN" => {
                let user = self.ask("Username:").await?;
                let password = self.ask("Password:").await?;
                user.zip(password)
            }
            _ => {
                self.mistake("504 5.5.4 No such way to log in").await?;
                return Ok(Next::Go);
            }
        };
        self.is_known = said.is_some() && said == self.inner.door.login;
        let answer = if self.is_known { "235 2.7.0 Welcome" } else { "535 5.7.8 Who are you" };
        self.say(answer).await?;
        Ok(Next::Go)
    }

    async fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
        self.say(&format!("334 {}", BASE64.encode(question))).await?;
        Ok(self.line(COMMAND_BYTES).await?.and_then(|line| decoded(&line)))
    }

    async fn mail(&mut self, rest: &str) -> io::Result<Next> {
        if !self.is_safe || !self.is_known {
            self.say("530 5.7.0 Not before you are known, in private").await?;
            return Ok(Next::Go);
        }
        if !self.greeted || self.from.is_some() {
            self.mistake("503 5.5.1 Not now").await?;
            return Ok(Next::Go);
        }
        let Some((from, parameters)) = path(rest, "FROM:") else {
            self.mistake("501 5.5.4 MAIL FROM:<address>").await?;
            return Ok(Next::Go);
        };
        let size = parameters.split(' ').find_map(|word| word.strip_prefix("SIZE=")?.parse::<usize>().ok());
        if size.is_some_and(|size| size > MAIL_BYTES) {
            self.say("552 5.3.4 Too large").await?;
            return Ok(Next::Go);
        }
        if !self.stage(Stage::Mail).await? {
            return Ok(Next::Close);
        }
        self.from = Some(from);
        self.say("250 2.1.0 OK").await?;
        Ok(Next::Go)
    }

    async fn rcpt(&mut self, rest: &str) -> io::Result<Next> {
        let to = path(rest, "TO:").map(|(to, _)| to).filter(|to| !to.is_empty());
        if self.from.is_none() {
            self.mistake("503 5.5.1 MAIL first").await?;
        } else if self.to.len() >= RECIPIENTS {
            self.say("452 4.5.3 Too many recipients").await?;
        } else if let Some(to) = to {
            if !self.stage(Stage::Rcpt).await? {
                return Ok(Next::Close);
            }
            self.to.push(to);
            self.say("250 2.1.5 OK").await?;
        } else {
            self.mistake("501 5.5.4 RCPT TO:<address>").await?;
        }
        Ok(Next::Go)
    }

    async fn data(&mut self) -> io::Result<Next> {
        if self.to.is_empty() {
            self.mistake("503 5.5.1 RCPT first").await?;
            return Ok(Next::Go);
        }
        if !self.stage(Stage::Data).await? {
            return Ok(Next::Close);
        }
        self.say("354 End with <CRLF>.<CRLF>").await?;
        let Some(body) = self.body().await? else { return Ok(Next::Close) };
        let (from, to) = (self.from.take().unwrap_or_default(), std::mem::take(&mut self.to));
        let Some(body) = body else {
            self.say("552 5.3.4 Too large").await?;
            return Ok(Next::Go);
        };
        let fault = self.inner.take_fault(Stage::Body);
        match fault {
            Some(Fault::Lose) => {}
            Some(Fault::Slow(pause)) => {
                tokio::time::sleep(pause).await;
                self.inner.keep(from, to, body)?;
            }
            Some(Fault::KeepThenDrop) => {
                self.inner.keep(from, to, body)?;
                return Ok(Next::Close);
            }
            Some(fault) => {
                return Ok(if self.fail(fault).await? { Next::Go } else { Next::Close });
            }
            None => {
                if let Err(error) = self.inner.keep(from, to, body) {
                    tracing::error!(%error, "the mailbox could not keep a mail");
                    self.say("451 4.3.0 Could not keep it").await?;
                    return Ok(Next::Go);
                }
            }
        }
        self.say("250 2.0.0 Kept").await?;
        Ok(Next::Go)
    }

    /// Reads up to the lone dot. The outer `None` is the end of the connection, the inner one a mail that is too large;
    /// its rest is read and forgotten, so that the conversation can go on.
    async fn body(&mut self) -> io::Result<Option<Option<Vec<u8>>>> {
        let mut body = Vec::new();
        let mut fits = true;
        loop {
            let Some(line) = self.line(MAIL_BYTES).await? else { return Ok(None) };
            if line == b"." {
                return Ok(Some(fits.then_some(body)));
            }
            // A leading dot was doubled by the sender, so that no line of the mail can end it.
            let line = line.strip_prefix(b".").unwrap_or(&line);
            fits = fits && body.len() + line.len() + 2 <= MAIL_BYTES;
            if fits {
                body.extend_from_slice(line);
                body.extend_from_slice(b"\r\n");
            }
        }
    }

    /// One line without its end, or `None` when nothing more comes. Only CRLF ends a line: a lone LF inside a mail must not
    /// smuggle a second one in.
    async fn line(&mut self, most: usize) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            let chunk = match tokio::time::timeout(IDLE, self.stream.fill_buf()).await {
                Ok(chunk) => chunk?,
                Err(_) => return Ok(None),
            };
            if chunk.is_empty() {
                return Ok(None);
            }
            let end = chunk.iter().position(|byte| *byte == b'\n').map(|place| place + 1);
            let taken = end.unwrap_or(chunk.len());
            line.extend_from_slice(chunk.get(..taken).unwrap_or_default());
            self.stream.consume(taken);
            if line.len() > most {
                self.say("500 5.5.2 Line too long").await?;
                return Ok(None);
            }
            if line.ends_with(b"\r\n") {
                line.truncate(line.len() - 2);
                return Ok(Some(line));
            }
        }
    }

    /// Does what a fault at this stage orders; `false` ends the conversation.
    async fn stage(&mut self, stage: Stage) -> io::Result<bool> {
        match self.inner.take_fault(stage) {
            None => Ok(true),
            Some(Fault::Slow(pause)) => {
                tokio::time::sleep(pause).await;
                Ok(true)
            }
            Some(fault) => {
                self.fail(fault).await?;
                Ok(false)
            }
        }
    }

    async fn fail(&mut self, fault: Fault) -> io::Result<bool> {
        match fault {
            Fault::Answer(status) => {
                self.say(&format!("{status} {}.0.0 As ordered", status / 100)).await?;
                return Ok(true);
            }
            Fault::Hang(pause) => tokio::time::sleep(pause).await,
            Fault::Drop | Fault::KeepThenDrop | Fault::Lose | Fault::Slow(_) | Fault::SlipIn => {}
        }
        Ok(false)
    }

    async fn say(&mut self, line: &str) -> io::Result<()> {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.stream.flush().await
    }

    async fn mistake(&mut self, line: &str) -> io::Result<()> {
        self.mistakes += 1;
        self.say(line).await
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }
}

fn decoded(line: &[u8]) -> Option<String> {
    String::from_utf8(BASE64.decode(line).ok()?).ok()
}

/// `FROM:<address> PARAMETERS`. The address is kept as it came, as long as it is one word.
fn path<'a>(rest: &'a str, keyword: &str) -> Option<(String, &'a str)> {
    let head = rest.get(..keyword.len())?;
    let rest = rest.get(keyword.len()..).filter(|_| head.eq_ignore_ascii_case(keyword))?;
    let (address, parameters) = rest.trim_start().strip_prefix('<')?.split_once('>')?;
    let one_word = !address.contains(|c: char| c.is_whitespace() || c.is_control() || c == '<');
    one_word.then(|| (address.to_owned(), parameters))
}
