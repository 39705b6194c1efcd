//! The conversation: as much of RFC 5321 as a mail program needs, with a bound on everything a stranger can send.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use super::{Fault, Inner, Stage};

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
            let (reader, writer) = stream.into_split();
            let mut talk = Talk::new(BufReader::new(reader), writer, inner);
            tokio::select! {
                () = stop.cancelled() => {}
                // An error is a connection that the other side gave up.
                _ = talk.run() => {}
            }
            drop(place);
        });
    }
}

/// What to do after a command.
enum Next {
    Go,
    Close,
}

struct Talk<R, W> {
    reader: R,
    writer: W,
    inner: Arc<Inner>,
    greeted: bool,
    from: Option<String>,
    to: Vec<String>,
    mistakes: u32,
}

impl<R: AsyncBufRead + Unpin, W: AsyncWrite + Unpin> Talk<R, W> {
    fn new(reader: R, writer: W, inner: Arc<Inner>) -> Self {
        Self { reader, writer, inner, greeted: false, from: None, to: Vec::new(), mistakes: 0 }
    }

    async fn run(&mut self) -> io::Result<()> {
        if !self.stage(Stage::Connect).await? {
            return Ok(());
        }
        self.say("220 sandbox.jetbridge ESMTP, delivers to nobody").await?;
        loop {
            let Some(line) = self.line(COMMAND_BYTES).await? else { return Ok(()) };
            let Ok(line) = std::str::from_utf8(&line) else {
                self.mistake("500 5.5.2 That is not text").await?;
                continue;
            };
            let line = line.to_owned();
            if let Next::Close = self.command(&line).await? {
                return Ok(());
            }
            if self.mistakes >= MISTAKES {
                return self.say("421 4.7.0 Too many mistakes").await;
            }
        }
    }

    async fn command(&mut self, line: &str) -> io::Result<Next> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                self.reset();
                self.greeted = true;
                self.say(&format!(
                    "250-sandbox.jetbridge\r\n250-SIZE {MAIL_BYTES}\r\n250-8BITMIME\r\n250 SMTPUTF8"
                ))
                .await?;
            }
            "HELO" => {
                self.reset();
                self.greeted = true;
                self.say("250 sandbox.jetbridge").await?;
            }
            "MAIL" => return self.mail(rest).await,
            "RCPT" => return self.rcpt(rest).await,
            "DATA" => return self.data().await,
            "RSET" => {
                self.reset();
                self.say("250 2.0.0 Forgotten").await?;
            }
            "NOOP" => self.say("250 2.0.0 Still here").await?,
            "QUIT" => {
                self.say("221 2.0.0 Goodbye").await?;
                return Ok(Next::Close);
            }
            _ => self.mistake("500 5.5.1 Unknown command").await?,
        }
        Ok(Next::Go)
    }

    async fn mail(&mut self, rest: &str) -> io::Result<Next> {
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
            let chunk = match tokio::time::timeout(IDLE, self.reader.fill_buf()).await {
                Ok(chunk) => chunk?,
                Err(_) => return Ok(None),
            };
            if chunk.is_empty() {
                return Ok(None);
            }
            let end = chunk.iter().position(|byte| *byte == b'\n').map(|place| place + 1);
            let taken = end.unwrap_or(chunk.len());
            line.extend_from_slice(chunk.get(..taken).unwrap_or_default());
            self.reader.consume(taken);
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
            Fault::Drop | Fault::KeepThenDrop | Fault::Lose => {}
        }
        Ok(false)
    }

    async fn say(&mut self, line: &str) -> io::Result<()> {
        self.writer.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.writer.flush().await
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

/// `FROM:<address> PARAMETERS`. The address is kept as it came, as long as it is one word.
fn path<'a>(rest: &'a str, keyword: &str) -> Option<(String, &'a str)> {
    let head = rest.get(..keyword.len())?;
    let rest = rest.get(keyword.len()..).filter(|_| head.eq_ignore_ascii_case(keyword))?;
    let (address, parameters) = rest.trim_start().strip_prefix('<')?.split_once('>')?;
    let one_word = !address.contains(|c: char| c.is_whitespace() || c.is_control() || c == '<');
    one_word.then(|| (address.to_owned(), parameters))
}
