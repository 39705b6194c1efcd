//! An agency's own system that webhooks are posted to: a real server on a port of its own, with every way to misbehave.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};

use super::post::Certificate;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Answer(u16),
    /// Takes the call and says nothing.
    Hang,
    /// Hangs up in the middle.
    Drop,
    /// Leads on to where only we can go.
    Redirect,
    /// Answers, and then goes on talking, a byte now and then.
    SlowBody,
    /// Answers with more than anybody should read.
    HugeBody,
    /// Something else than HTTP.
    Nonsense,
    /// A head without end.
    EndlessHead,
}

#[derive(Clone, Debug)]
pub struct Call {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Call {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("a body of JSON")
    }

    pub fn kind(&self) -> String {
        self.json()["type"].as_str().expect("a type").to_owned()
    }
}

#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    /// For the next calls, one each; after them 204.
    manners: VecDeque<Manner>,
    always: Option<Manner>,
}

impl Receiver {
    pub async fn start() -> Self {
        let (receiver, listener) = Self::listen("http").await;
        let server = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move { server.hear(stream).await });
            }
        });
        receiver
    }

    /// Behind TLS, as a receiver on the internet is.
    pub async fn start_tls(certificate: &Certificate) -> Self {
        let (receiver, listener) = Self::listen("https").await;
        let (server, acceptor) = (receiver.clone(), certificate.acceptor());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, acceptor) = (server.clone(), acceptor.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        server.hear(stream).await;
                    }
                });
            }
        });
        receiver
    }

    async fn listen(scheme: &str) -> (Self, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("{scheme}://{}/hooks?key=k", listener.local_addr().expect("an address"));
        (Self { url, state: Arc::default() }, listener)
    }

    pub fn next(&self, manners: &[Manner]) {
        self.state.lock().expect("a lock").manners.extend(manners);
    }

    pub fn always(&self, manner: Option<Manner>) {
        self.state.lock().expect("a lock").always = manner;
    }

    pub fn calls(&self) -> Vec<Call> {
        self.state.lock().expect("a lock").calls.clone()
    }

    pub fn forget(&self) {
        self.state.lock().expect("a lock").calls.clear();
    }

    pub fn kinds(&self) -> Vec<String> {
        self.calls().iter().map(Call::kind).collect()
    }

    /// Resolves once somebody has called.
    pub async fn called(&self) {
        while self.calls().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    async fn hear(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let Some(call) = read(&mut stream).await else { return };
        let manner = {
            let mut state = self.state.lock().expect("a lock");
            state.calls.push(call);
            let next = state.manners.pop_front();
            next.or(state.always).unwrap_or(Manner::Answer(204))
        };
        let head = |status: &str, rest: &str| format!("HTTP/1.1 {status}\r\n{rest}\r\n");
        let said = match manner {
            Manner::Answer(status) => head(&format!("{status} X"), "content-length: 0\r\n"),
            Manner::Hang => {
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                return;
            }
            Manner::Drop => return,
            Manner::Redirect => {
                head("302 Found", "location: http://127.0.0.1:1/inside\r\ncontent-length: 0\r\n")
            }
            Manner::SlowBody | Manner::HugeBody => head("200 OK", "content-length: 1000000000\r\n"),
            Manner::Nonsense => "220 smtp.example.com ESMTP\r\n".to_owned(),
            Manner::EndlessHead => format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(100_000)),
        };
        let _ = stream.write_all(said.as_bytes()).await;
        match manner {
            Manner::SlowBody => {
                while stream.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            Manner::HugeBody => while stream.write_all(&[b'x'; 65_536]).await.is_ok() {},
            _ => {}
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Call> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse::<usize>().ok()?;
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
    Some(Call { path, headers, body })
}
