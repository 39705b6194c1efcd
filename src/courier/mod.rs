//! Carries what we sign to servers that somebody else has named. It resolves a name itself, goes only where nobody but a
//! public server can be, stays with the address that it has checked, follows nothing, and listens to no more than the answer's
//! first line.

mod places;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1,
    header::{self, HeaderName, HeaderValue},
};
use hyper_util::rt::TokioIo;
use rustls::{RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::outgoing;

/// From the look-up of the name to the answer's first line. A receiver that has more to do does it later.
pub const PATIENCE: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(4);
/// An answer whose head is longer than this is no answer.
const LONGEST_HEAD: usize = 16 * 1024;
pub const LONGEST_URL: usize = 500;

/// Which addresses besides public ones may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// None.
    Nothing,
    /// This one: the demo's own page for what was sent.
    Only(SocketAddr),
    /// Any port of this machine. For tests.
    Loopback,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("is not an address like https://example.com/hooks")]
    Form,
    #[error("has to begin with https://")]
    NotHttps,
    #[error("must not hold a user name or password")]
    UserInfo,
    #[error("must not hold a #")]
    Fragment,
    #[error("leads to an address inside a network")]
    Internal,
    #[error("is longer than {LONGEST_URL} characters")]
    Long,
}

/// Why nothing arrived. In our words: what a foreign server says goes into no log of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CourierError {
    #[error("the name was not found")]
    NoSuchName,
    #[error("the name leads to an address inside a network")]
    Internal,
    #[error("nobody answers at that address")]
    Unreachable,
    #[error("the certificate does not hold, or there is no TLS")]
    Tls,
    #[error("the connection broke before there was an answer")]
    Broken,
    #[error("no answer within {} seconds", PATIENCE.as_secs())]
    Late,
    #[error("the address may no longer be called")]
    Refused(#[from] UrlError),
}

#[derive(Clone)]
pub struct Courier {
    own: Own,
    tls: TlsConnector,
}

impl Courier {
    /// Believes the certificates that browsers believe.
    pub fn new(own: Own) -> Result<Self, rustls::Error> {
        Self::believing(own, RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
    }

    pub fn believing(own: Own, roots: RootCertStore) -> Result<Self, rustls::Error> {
        Ok(Self { own, tls: TlsConnector::from(Arc::new(outgoing::tls(roots)?)) })
    }

    /// Reads an address as somebody typed it. Where its name leads is found out at every call.
    pub fn read_url(&self, typed: &str) -> Result<Url, UrlError> {
        let typed = typed.trim();
        if typed.len() > LONGEST_URL {
            return Err(UrlError::Long);
        }
        let url: Url = typed.parse().map_err(|_| UrlError::Form)?;
        self.check_url(&url)?;
        Ok(url)
    }

    fn check_url(&self, url: &Url) -> Result<(), UrlError> {
        let host = url.host().ok_or(UrlError::Form)?;
        if url.as_str().len() > LONGEST_URL {
            return Err(UrlError::Long);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(UrlError::Fragment);
        }
        let literal = literal(&host);
        let port = url.port_or_known_default().ok_or(UrlError::NotHttps)?;
        let is_own = literal.is_some_and(|ip| self.is_own(SocketAddr::new(ip, port)));
        match url.scheme() {
            "https" => {}
            "http" if is_own => {}
            _ => return Err(UrlError::NotHttps),
        }
        if literal.is_some_and(|ip| !self.may_reach(SocketAddr::new(ip, port))) || is_local_name(&host) {
            return Err(UrlError::Internal);
        }
        Ok(())
    }

    fn is_own(&self, address: SocketAddr) -> bool {
        match self.own {
            Own::Nothing => false,
            Own::Only(own) => own == address,
            Own::Loopback => address.ip().is_loopback(),
        }
    }

    fn may_reach(&self, address: SocketAddr) -> bool {
        places::is_public(address.ip()) || self.is_own(address)
    }

    /// Posts a body and returns the status of the answer. What else the server says is not read.
    pub async fn post(
        &self,
        url: &Url,
        headers: &[(HeaderName, HeaderValue)],
        body: Vec<u8>,
    ) -> Result<StatusCode, CourierError> {
        // Kept rows outlive the rules that they were typed under.
        self.check_url(url)?;
        let until = Instant::now() + PATIENCE;
        timeout_at(until, self.carry(url, headers, body)).await.unwrap_or(Err(CourierError::Late))
    }

    async fn carry(
        &self,
        url: &Url,
        headers: &[(HeaderName, HeaderValue)],
        body: Vec<u8>,
    ) -> Result<StatusCode, CourierError> {
        let host = url.host().ok_or(CourierError::Refused(UrlError::Form))?;
        let request = request(url, headers, body).ok_or(CourierError::Refused(UrlError::Form))?;
        let stream = self.connect(&host, url.port_or_known_default().unwrap_or(443)).await?;
        if url.scheme() == "http" {
            return ask(stream, request).await;
        }
        let name = match &host {
            Host::Domain(name) => ServerName::try_from((*name).to_owned()).map_err(|_| CourierError::Tls)?,
            Host::Ipv4(ip) => ServerName::from(IpAddr::V4(*ip)),
            Host::Ipv6(ip) => ServerName::from(IpAddr::V6(*ip)),
        };
        let stream = self.tls.connect(name, stream).await.map_err(|_| CourierError::Tls)?;
        ask(stream, request).await
    }

    /// To an address that was checked just now, and to no other: what the name says a moment later counts for nothing.
    async fn connect(&self, host: &Host<&str>, port: u16) -> Result<TcpStream, CourierError> {
        let addresses: Vec<SocketAddr> = match host {
            Host::Domain(name) => {
                lookup_host((*name, port)).await.map_err(|_| CourierError::NoSuchName)?.collect()
            }
            Host::Ipv4(ip) => vec![SocketAddr::new((*ip).into(), port)],
            Host::Ipv6(ip) => vec![SocketAddr::new((*ip).into(), port)],
        };
        self.connect_to_one(&addresses).await
    }

    /// A name with an inner address among its addresses is no public server's: none of them is called.
    async fn connect_to_one(&self, addresses: &[SocketAddr]) -> Result<TcpStream, CourierError> {
        if addresses.iter().any(|address| !self.may_reach(*address)) {
            return Err(CourierError::Internal);
        }
        for address in addresses.iter().take(4) {
            let until = Instant::now() + CONNECT;
            if let Ok(Ok(stream)) = timeout_at(until, TcpStream::connect(address)).await {
                // The kernel is asked where we really are.
                let is_there = stream.peer_addr().is_ok_and(|peer| peer == *address);
                return if is_there { Ok(stream) } else { Err(CourierError::Internal) };
            }
        }
        Err(if addresses.is_empty() { CourierError::NoSuchName } else { CourierError::Unreachable })
    }
}

fn literal(host: &Host<&str>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(ip) => Some((*ip).into()),
        Host::Ipv6(ip) => Some((*ip).into()),
    }
}

/// Names that mean something inside a network only: told at once, rather than at the first delivery.
fn is_local_name(host: &Host<&str>) -> bool {
    let Host::Domain(name) = host else { return false };
    let name = name.trim_end_matches('.');
    let last = name.rsplit('.').next().unwrap_or_default();
    !name.contains('.')
        || matches!(last, "localhost" | "local" | "internal" | "lan" | "home" | "corp" | "arpa")
}

fn request(url: &Url, headers: &[(HeaderName, HeaderValue)], body: Vec<u8>) -> Option<Request<Full<Bytes>>> {
    let host = url.host_str()?;
    let authority = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut request = Request::post(path)
        .header(header::HOST, authority)
        .header(header::USER_AGENT, concat!("Jetbridge/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .header(header::CONTENT_LENGTH, body.len());
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(Full::new(Bytes::from(body))).ok()
}

/// Sends the request and waits for the head of the answer. Its body, however long or slow, is left where it is.
async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<StatusCode, CourierError> {
    let broken = |_| CourierError::Broken;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(LONGEST_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    let answer = tokio::select! {
        answer = &mut answer => answer,
        // It may end in the same moment in which the answer comes.
        _ = connection => answer.await,
    };
    answer.map(|answer| answer.status()).map_err(broken)
}

#[cfg(test)]
mod tests;
