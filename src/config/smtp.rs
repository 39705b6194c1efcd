//! `SMTP_URL`: where mail is handed in, how the way there is guarded, and as whom.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::Url;

const IMPLICIT_TLS_PORT: u16 = 465;
const SUBMISSION_PORT: u16 = 587;
const LOCAL_PORT: u16 = 25;

#[derive(Clone, Debug)]
pub struct SmtpServer {
    /// A name or an address, without brackets.
    pub host: String,
    pub port: u16,
    pub guard: Guard,
    pub login: Option<Login>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// TLS from the first byte.
    Tls,
    /// TLS before anything of ours is said. A server that does not offer it gets nothing.
    StartTls,
    /// To this very machine, whose loopback nobody else hears.
    Nothing,
}

#[derive(Clone, Debug)]
pub struct Login {
    pub user: String,
    pub password: SecretString,
}

impl SmtpServer {
    /// The text of an error completes "`SMTP_URL` …" and repeats nothing of the URL, which holds a password.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text.trim()).map_err(|_| {
            "must be an address, such as smtps://user:password@host (what is special in a password is percent-encoded)"
        })?;
        let host =
            url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let address: Option<IpAddr> = host.parse().ok();
        let is_name = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
        if host.is_empty() || (address.is_none() && !is_name) {
            return Err("must name a host after the @");
        }
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err("must end after the host and its port");
        }
        let is_here = host.eq_ignore_ascii_case("localhost") || address.is_some_and(|ip| ip.is_loopback());
        let guard = guard(&url, is_here)?;
        let port = match guard {
            Guard::Tls => IMPLICIT_TLS_PORT,
            Guard::StartTls => SUBMISSION_PORT,
            Guard::Nothing => LOCAL_PORT,
        };
        Ok(Self { host, port: url.port().unwrap_or(port), guard, login: login(&url)? })
    }
}

fn guard(url: &Url, is_here: bool) -> Result<Guard, &'static str> {
    let options: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    // What earlier versions asked for; by now it goes without saying anywhere but on this machine.
    let is_required = match options.as_slice() {
        [] => false,
        [(name, value)] if name == "tls" && value == "required" => true,
        _ => return Err("takes no option but tls=required: mail is never sent unencrypted"),
    };
    match url.scheme() {
        "smtps" => Ok(Guard::Tls),
        "smtp" if is_here && !is_required => Ok(Guard::Nothing),
        "smtp" => Ok(Guard::StartTls),
        _ => Err("must start with smtps:// (TLS) or smtp:// (STARTTLS)"),
    }
}

fn login(url: &Url) -> Result<Option<Login>, &'static str> {
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8().map_err(|_| "has a login that is not UTF-8")?;
        // A zero byte parts the words of AUTH PLAIN, and a line end would start another command.
        if text.chars().any(char::is_control) {
            return Err("has a control character in its login");
        }
        Ok(text.into_owned())
    };
    let (user, password) = (decoded(url.username())?, decoded(url.password().unwrap_or_default())?);
    match (user.is_empty(), password.is_empty()) {
        (true, true) => Ok(None),
        (true, false) => Err("has a password, but no user before it"),
        (false, _) => Ok(Some(Login { user, password: password.into() })),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read(url: &str) -> (String, u16, Guard, Option<(String, String)>) {
        let server = SmtpServer::parse(url).unwrap_or_else(|problem| panic!("{url} {problem}"));
        let login = server.login.map(|login| (login.user, login.password.expose_secret().to_owned()));
        (server.host, server.port, server.guard, login)
    }

    #[test]
    fn the_scheme_says_how_the_way_is_guarded_and_only_loopback_may_go_without() {
        let login = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        for (url, host, port, guard, expected) in [
            (
                "smtps://resend:re_1@smtp.resend.com",
                "smtp.resend.com",
                465,
                Guard::Tls,
                login("resend", "re_1"),
            ),
            ("smtps://a:b@mail.example.com:2465/", "mail.example.com", 2465, Guard::Tls, login("a", "b")),
            ("smtp://a:b@mail.example.com", "mail.example.com", 587, Guard::StartTls, login("a", "b")),
            ("smtp://mail.example.com:25?tls=required", "mail.example.com", 25, Guard::StartTls, None),
            ("smtp://10.0.0.7", "10.0.0.7", 587, Guard::StartTls, None),
            ("smtp://127.0.0.1", "127.0.0.1", 25, Guard::Nothing, None),
            ("smtp://[::1]:1025", "::1", 1025, Guard::Nothing, None),
            ("smtp://localhost?tls=required", "localhost", 587, Guard::StartTls, None),
            // The provider's token as the user, and nothing after it.
            ("smtps://token@mail.example.com", "mail.example.com", 465, Guard::Tls, login("token", "")),
        ] {
            assert_eq!(read(url), (host.to_owned(), port, guard, expected), "{url}");
        }
    }

    #[test]
    fn a_login_is_percent_decoded_and_never_printed() {
        let url = "smtps://hello%40fly.example:p%40ss%3Aw%2F%C3%A9+%25@mail.example.com";
        let (_, _, _, login) = read(url);
        assert_eq!(login, Some(("hello@fly.example".to_owned(), "p@ss:w/é+%".to_owned())));
        let printed = format!("{:?}", SmtpServer::parse(url).unwrap());
        assert!(!printed.contains("p@ss") && !printed.contains("p%40ss"), "{printed}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_being_repeated() {
        for url in [
            "",
            "mail.example.com",
            "http://mail.example.com",
            "smtps://",
            "smtps://a:b@",
            "smtps://a:b@mail.example.com/me",
            "smtps://a:b@mail.example.com#x",
            "smtp://a:b@mail.example.com?tls=opportunistic",
            "smtp://a:b@mail.example.com?tls=none",
            "smtps://a:b@mail.example.com?verify=no",
            "smtps://:hunter2@mail.example.com",
            "smtps://a:hunter2%00x@mail.example.com",
            "smtps://a:hunter2%0d%0aQUIT@mail.example.com",
            "smtps://a:hunter2%ff@mail.example.com",
            "smtps://a:hunter2@mail example.com",
            "smtps://a:hunter2@mail%20example.com",
            "smtps://a:hunter/2@mail.example.com",
        ] {
            let problem = SmtpServer::parse(url).expect_err(url);
            assert!(!problem.contains("hunter"), "{problem}");
        }
    }
}
