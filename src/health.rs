//! `jetbridge health`: asks the site that runs beside it how it is, over its own port. An image without a shell has nobody
//! else who could ask.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// Less than what hosts give a check.
const PATIENCE: Duration = Duration::from_secs(3);
/// The status line is all that is read.
const LONGEST_LINE: u64 = 256;

#[derive(Debug, thiserror::Error)]
pub enum Unwell {
    #[error("{0} does not answer")]
    Silent(SocketAddr, #[source] io::Error),
    #[error("{0} answers \"{1}\"")]
    Answers(SocketAddr, String),
}

/// Whether `path` answers 200 where a site listens that is bound to `bind`.
pub fn ask(bind: SocketAddr, path: &str) -> Result<(), Unwell> {
    let at = SocketAddr::new(reachable(bind.ip()), bind.port());
    let line = status_line(at, path).map_err(|error| Unwell::Silent(at, error))?;
    let status = line.split(' ').nth(1);
    if status == Some("200") { Ok(()) } else { Err(Unwell::Answers(at, line)) }
}

/// Whoever listens everywhere listens on loopback too.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        named => named,
    }
}

fn status_line(at: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // In one piece: whoever answers after the first would cut off the rest.
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST_LINE).read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn site_that_answers(bind: &str, answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind(bind).unwrap();
        let at = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 512]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        at
    }

    #[test]
    fn only_200_is_well() {
        let well = site_that_answers("127.0.0.1:0", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n");
        assert!(ask(well, "/healthz").is_ok());
        for other in ["HTTP/1.1 503 Service Unavailable\r\n\r\n200", "", "200", "HTTP/1.1 2000 OK\r\n\r\n"] {
            assert!(ask(site_that_answers("127.0.0.1:0", other), "/healthz").is_err(), "{other}");
        }
    }

    #[test]
    fn a_site_that_listens_everywhere_is_asked_on_loopback() {
        let port = site_that_answers("0.0.0.0:0", "HTTP/1.1 200 OK\r\n\r\n").port();
        assert!(ask(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port), "/").is_ok());
        assert_eq!(reachable(Ipv6Addr::UNSPECIFIED.into()), IpAddr::from(Ipv6Addr::LOCALHOST));
    }

    #[test]
    fn nobody_there_is_not_well() {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(matches!(ask(gone, "/"), Err(Unwell::Silent(at, _)) if at == gone));
    }
}
