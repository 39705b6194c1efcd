//! The mail page of demo mode: what the shop sent, as the traveller would find it. Anywhere else it does not exist.

pub mod pages;

pub use pages::{
    Catcher, DemoCatcher,
    console::{Console, DemoConsole},
};

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use jiff::{Timestamp, tz::TimeZone};

use crate::{
    error::AppError,
    ids::MailId,
    sandbox::mailbox::{Mail, Mailbox},
    web::{chrome::Chrome, form::Path},
};

/// The preview is a stranger's document: no script, no request, no origin of its own. Its links open in a new tab.
const PREVIEW_POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; \
     style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'self'";

/// There only in demo mode.
#[derive(Clone)]
pub struct DemoMailbox(pub Option<Mailbox>);

impl DemoMailbox {
    fn open(self) -> Result<Mailbox, AppError> {
        self.0.ok_or(AppError::NotFound)
    }

    fn mail(self, id: &str) -> Result<Mail, AppError> {
        let id: MailId = id.parse().map_err(|_| AppError::NotFound)?;
        self.open()?.get(id).ok_or(AppError::NotFound)
    }
}

#[derive(Template)]
#[template(path = "demo/mails.html")]
struct MailsPage {
    chrome: Chrome,
    mails: Vec<Line>,
}

struct Line {
    id: MailId,
    at: String,
    to: String,
    subject: String,
}

#[derive(Template)]
#[template(path = "demo/mail.html")]
struct MailPage {
    chrome: Chrome,
    id: MailId,
    subject: String,
    from: String,
    to: String,
    at: String,
    text: Option<String>,
    links: Vec<String>,
    has_html: bool,
    attachments: Vec<String>,
}

pub async fn mails(State(mailbox): State<DemoMailbox>, chrome: Chrome) -> Result<Response, AppError> {
    let mails = mailbox.open()?.list().into_iter().map(Line::from).collect();
    Ok(Html(MailsPage { chrome, mails }.render()?).into_response())
}

pub async fn mail(
    State(mailbox): State<DemoMailbox>,
    chrome: Chrome,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    let mail = mailbox.mail(&id)?;
    let page = MailPage {
        chrome,
        id: mail.id,
        subject: subject(&mail),
        at: moment(mail.envelope.received),
        links: mail.text.as_deref().map(links).unwrap_or_default(),
        from: mail.from,
        to: mail.envelope.to.join(", "),
        text: mail.text,
        has_html: mail.html.is_some(),
        attachments: mail.attachments.into_iter().map(|file| file.name).collect(),
    };
    Ok(Html(page.render()?).into_response())
}

/// The mail's own document, for the frame in [`mail`].
pub async fn preview(
    State(mailbox): State<DemoMailbox>,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    let html = mailbox.mail(&id)?.html.ok_or(AppError::NotFound)?;
    Ok(framed(&html))
}

/// A mail's document, that may do nothing but be looked at.
pub fn framed(html: &str) -> Response {
    let mut response = Html(in_new_tabs(html)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PREVIEW_POLICY));
    response
}

impl From<Mail> for Line {
    fn from(mail: Mail) -> Self {
        Self {
            id: mail.id,
            at: moment(mail.envelope.received),
            subject: subject(&mail),
            to: mail.envelope.to.join(", "),
        }
    }
}

fn subject(mail: &Mail) -> String {
    if mail.subject.trim().is_empty() { "No subject".to_owned() } else { mail.subject.clone() }
}

fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%-d %b %Y %H:%M UTC").to_string()
}

/// A mail's links would open inside the frame, where our pages refuse to be.
fn in_new_tabs(html: &str) -> String {
    let base = "<base target=\"_blank\">";
    match html.find("<head>") {
        Some(place) => {
            let (before, after) = html.split_at(place + "<head>".len());
            format!("{before}{base}{after}")
        }
        None => html.to_owned(),
    }
}

/// The addresses in a text, once each.
fn links(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let start = word.find("https://").or_else(|| word.find("http://"));
        let link = start
            .and_then(|start| word.get(start..))
            .map(|link| link.trim_end_matches(['.', ',', ')', '>', ';']));
        if let Some(link) = link.filter(|link| url::Url::parse(link).is_ok())
            && !found.iter().any(|known| known == link)
        {
            found.push(link.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_once_each_and_without_the_sentence_around_them() {
        let text = "See http://127.0.0.1:3000/bookings/K7WQ4M. Again (http://127.0.0.1:3000/bookings/K7WQ4M), \
                    javascript:alert(1) http:// <https://a.example/?b=c>";
        assert_eq!(links(text), ["http://127.0.0.1:3000/bookings/K7WQ4M", "https://a.example/?b=c"]);
    }

    #[test]
    fn a_previewed_mail_opens_its_links_in_new_tabs() {
        assert_eq!(
            in_new_tabs("<!doctype html><html><head><title>é</title>"),
            "<!doctype html><html><head><base target=\"_blank\"><title>é</title>"
        );
        assert_eq!(in_new_tabs("<p>hi"), "<p>hi");
    }
}
