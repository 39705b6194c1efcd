//! From where somebody asks, as far as that can be known. Only what our own proxies wrote is believed.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, HeaderName, request::Parts},
};

use crate::{config::Config, error::AppError, limits::Subject};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of the connection. Put into each request's extensions by the server.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// The visitor's own address: the peer, or what our proxies say they were asked by. Personal data: it is counted by, and
/// never logged. It is kept in one place, beside what somebody accepted to pay.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    pub fn network(&self) -> Subject {
        Subject::network(self.0)
    }

    /// As evidence of who accepted something.
    pub fn written(&self) -> String {
        self.0.to_canonical().to_string()
    }
}

impl fmt::Debug for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAddress(…)")
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress
where
    Arc<Config>: FromRef<S>,
{
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AppError> {
        let Some(Peer(peer)) = parts.extensions.get() else {
            return Err(AppError::broken("the request did not come in through web::server"));
        };
        let hops = Arc::<Config>::from_ref(state).trusted_proxy_hops;
        Ok(Self(seen_by_proxies(&parts.headers, hops).unwrap_or(*peer)))
    }
}

/// Each proxy appends the address that it was asked by, so the last `hops` entries are ours, and the first of these is who
/// asked the outermost proxy. Everything before it is hearsay. `None`: nothing there that a proxy of ours would write.
pub fn seen_by_proxies(headers: &HeaderMap, hops: usize) -> Option<IpAddr> {
    let back = hops.checked_sub(1)?;
    let lines = headers.get_all(FORWARDED_FOR);
    // From the right, as bytes: what a stranger wrote before our entries need not even be text.
    let mut entries = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    let entry = str::from_utf8(entries.nth(back)?).ok()?;
    address(entry.trim()).map(|address| address.to_canonical())
}

/// With or without a port.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn seen(lines: &[&str], hops: usize) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        seen_by_proxies(&headers, hops).map(|address| address.to_string())
    }

    #[test]
    fn only_what_our_own_proxies_wrote_is_believed() {
        let cases: [(&[&str], usize, Option<&str>); 25] = [
            // Without proxies the header is anybody's invention.
            (&["192.0.2.1"], 0, None),
            (&[], 0, None),
            // One proxy: the last entry is its own.
            (&["192.0.2.1"], 1, Some("192.0.2.1")),
            (&["6.6.6.6, 192.0.2.1"], 1, Some("192.0.2.1")),
            (&["6.6.6.6", "192.0.2.1"], 1, Some("192.0.2.1")),
            (&["127.0.0.1, 10.0.0.1 ,192.0.2.1"], 1, Some("192.0.2.1")),
            (&["  192.0.2.1  "], 1, Some("192.0.2.1")),
            (&["192.0.2.1:4711"], 1, Some("192.0.2.1")),
            (&["2001:db8::1"], 1, Some("2001:db8::1")),
            (&["[2001:db8::1]"], 1, Some("2001:db8::1")),
            (&["[2001:db8::1]:443"], 1, Some("2001:db8::1")),
            (&["::ffff:192.0.2.1"], 1, Some("192.0.2.1")),
            // Two proxies: the last is the inner one's, about the outer one.
            (&["192.0.2.1, 10.0.0.1"], 2, Some("192.0.2.1")),
            (&["6.6.6.6, 192.0.2.1", "10.0.0.1"], 2, Some("192.0.2.1")),
            // Fewer entries than proxies: somebody came around them.
            (&["192.0.2.1"], 2, None),
            (&[], 1, None),
            (&[""], 1, None),
            // What no proxy would write.
            (&["192.0.2.1,"], 1, None),
            (&["unknown"], 1, None),
            (&["192.0.2.1, ' or 1=1 --"], 1, None),
            (&["192.0.2.256"], 1, None),
            (&["fe80::1%eth0"], 1, None),
            (&["192.0.2.1, \u{1f4a9}"], 1, None),
            (&["\u{1f4a9}, 192.0.2.1"], 1, Some("192.0.2.1")),
            (&["0192.0.2.1"], 1, None),
        ];
        for (lines, hops, expected) in cases {
            assert_eq!(seen(lines, hops).as_deref(), expected, "{lines:?} behind {hops}");
        }
        let endless = "1.2.3.4,".repeat(5_000) + "192.0.2.1";
        assert_eq!(seen(&[&endless], 1).as_deref(), Some("192.0.2.1"));
        assert_eq!(seen(&["192.0.2.1"], usize::MAX), None);
    }
}
