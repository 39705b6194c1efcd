//! A browser without JavaScript: cookies, the headers that browsers send, redirects followed by hand.

use std::{collections::BTreeMap, time::Duration};

use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, COOKIE, HeaderMap, LOCATION, ORIGIN, SET_COOKIE},
    redirect,
};
use url::{Url, form_urlencoded};

use super::{
    Fault,
    html::{self, Form},
};
use crate::outgoing;

/// A page that takes longer than this is a fault.
const PATIENCE: Duration = Duration::from_secs(35);
const MOST_REDIRECTS: usize = 8;

pub struct Visitor {
    http: reqwest::Client,
    home: Url,
    cookies: BTreeMap<String, String>,
    /// The ids of the requests that our site has answered, for the look into its log.
    pub request_ids: Vec<String>,
}

pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub url: Url,
    pub body: String,
}

impl Page {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Or what came instead, in few words.
    pub fn expect(self, status: u16) -> Result<Self, Fault> {
        if self.status.as_u16() == status { Ok(self) } else { Err(Fault(self.told())) }
    }

    pub fn told(&self) -> String {
        let request = self.header("x-request-id").map(|id| format!(", request {id}")).unwrap_or_default();
        let title = self.body.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
        let title = title.map(|(title, _)| format!(" \"{}\"", title.trim())).unwrap_or_default();
        format!("{} answers {}{title}{request}", self.url.path(), self.status.as_u16())
    }

    pub fn link(&self, start: &str) -> Result<String, Fault> {
        let first = html::links(&self.body, start).into_iter().next();
        first.ok_or_else(|| Fault(format!("{} has no link to {start}…", self.url.path())))
    }

    pub fn form(&self, is_wanted: impl Fn(&str) -> bool, what: &str) -> Result<Form, Fault> {
        html::form(&self.body, is_wanted)
            .ok_or_else(|| Fault(format!("{} has no form for {what}", self.url.path())))
    }

    pub fn says(&self, words: &str) -> bool {
        html::text(&self.body).contains(words)
    }

    /// Where it sends us.
    pub fn leads_to(&self) -> Result<Url, Fault> {
        let to = self
            .headers
            .get(LOCATION)
            .and_then(|to| to.to_str().ok())
            .filter(|_| self.status.is_redirection());
        to.and_then(|to| self.url.join(to).ok()).ok_or_else(|| Fault(self.told()))
    }
}

impl Visitor {
    pub fn new(home: Url) -> Result<Self, Fault> {
        let http = outgoing::client()
            .redirect(redirect::Policy::none())
            .timeout(PATIENCE)
            .user_agent(concat!("jetbridge-smoke/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Fault(format!("no request can be made from here: {error}")))?;
        Ok(Self { http, home, cookies: BTreeMap::new(), request_ids: Vec::new() })
    }

    pub fn is_home(&self, url: &Url) -> bool {
        url.origin() == self.home.origin()
    }

    pub async fn get(&mut self, path: &str) -> Result<Page, Fault> {
        let url = self.at(path)?;
        self.send(Method::GET, url, None, None).await
    }

    pub async fn get_with_token(&mut self, path: &str, token: &str) -> Result<Page, Fault> {
        let url = self.at(path)?;
        self.send(Method::GET, url, None, Some(token)).await
    }

    pub async fn open(&mut self, url: Url) -> Result<Page, Fault> {
        self.send(Method::GET, url, None, None).await
    }

    /// Presses the form's button.
    pub async fn submit(&mut self, page: &Page, form: Form) -> Result<Page, Fault> {
        let target = page.url.join(&form.action).map_err(|_| Fault("a form leads nowhere".to_owned()))?;
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form.fields).finish();
        if form.is_post {
            return self.send(Method::POST, target, Some(encoded), None).await;
        }
        let mut target = target;
        target.set_query(Some(&encoded));
        self.send(Method::GET, target, None, None).await
    }

    /// Until something is shown, or another site begins.
    pub async fn follow(&mut self, mut page: Page) -> Result<Page, Fault> {
        for _ in 0..MOST_REDIRECTS {
            if !page.status.is_redirection() {
                return Ok(page);
            }
            let to = page.leads_to()?;
            page = self.open(to).await?;
        }
        Err(Fault(format!("{} leads in circles", page.url.path())))
    }

    fn at(&self, path: &str) -> Result<Url, Fault> {
        self.home.join(path).map_err(|error| Fault(format!("{path}: {error}")))
    }

    async fn send(
        &mut self,
        method: Method,
        url: Url,
        body: Option<String>,
        token: Option<&str>,
    ) -> Result<Page, Fault> {
        let is_home = self.is_home(&url);
        let mut request = self
            .http
            .request(method, url.clone())
            .header(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("sec-fetch-site", "same-origin")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document");
        if is_home && !self.cookies.is_empty() {
            let cookies: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(COOKIE, cookies.join("; "));
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request
                .header(ORIGIN, url.origin().ascii_serialization())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(body);
        }
        let place = format!("{}{}", url.authority(), url.path());
        let answer =
            request.send().await.map_err(|error| Fault(format!("{place}: {}", innermost(&error))))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.text().await.map_err(|error| Fault(format!("{place}: {}", innermost(&error))))?;
        let page = Page { status, headers, url, body };
        if is_home {
            self.keep(&page.headers);
            self.request_ids.extend(page.header("x-request-id").map(str::to_owned));
        }
        Ok(page)
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let mut parts = cookie.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            if parts.any(|part| part.eq_ignore_ascii_case("max-age=0")) {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// The cause that says most ("connection refused"), without the address and what may stand in it.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if error.is_timeout() { "no answer in time".to_owned() } else { cause.to_string() }
}
