//! Talking to Duffel: one bearer, one version, bodies under `data`. It says what was heard, and keeps "no" apart from
//! "not now", and both from "nobody knows".

use std::{sync::Arc, time::Duration};

use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{Method, RequestBuilder, Response, StatusCode, header, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use url::Url;

use super::{
    guard::{Errand, Guard, Told},
    wire,
};
use crate::{clock::Clock, ids, meters, outgoing, supplier::SupplierError};

pub const API_URL: &str = "https://api.duffel.com";
const VERSION: &str = "v2";
const CONNECT: Duration = Duration::from_secs(3);
/// Two hundred offers are some megabytes. What is longer is no answer.
const LONGEST_ANSWER: usize = 32 * 1024 * 1024;
/// After the first try, and only where asking twice does no harm.
const MORE_TRIES: u32 = 2;
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// What is kept of words that others chose.
const LONGEST_WORDS: usize = 200;

/// Why there is no answer to be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// Nothing was done. Asking again later is safe.
    #[error("{0}")]
    NotNow(String),
    /// It may have been done: the answer was lost on its way, or nobody can read it.
    #[error("{0}")]
    Lost(String),
    /// 500 or 502: it may have been done at the airline, and Duffel forbids asking again.
    #[error("{0}")]
    Broken(String),
    /// A definite no.
    #[error("{words}")]
    No { status: u16, code: String, words: String },
}

impl Trouble {
    /// For questions that change nothing.
    pub fn of_a_question(self) -> SupplierError {
        match self {
            Self::No { words, .. } => SupplierError::Refused(words),
            Self::NotNow(words) | Self::Lost(words) | Self::Broken(words) => {
                SupplierError::Unavailable(words)
            }
        }
    }

    pub fn is_not_there(&self) -> bool {
        matches!(self, Self::No { status: 404 | 410, .. })
    }
}

pub(super) struct Answer {
    pub status: StatusCode,
    body: Vec<u8>,
}

impl Answer {
    /// The answer's `data`. What does not fit is named by its path.
    pub fn read<T: DeserializeOwned>(&self) -> Result<wire::Envelope<T>, Trouble> {
        read(&self.body).map_err(|why| {
            tracing::warn!(supplier = "duffel", %why, "unreadable answer");
            Trouble::Lost(format!("Duffel's answer cannot be read: {why}"))
        })
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let mut parser = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut parser).map_err(|error| {
        // The path is ours to name; the words around it are the parser's, cut short.
        shortened(&format!("{} at {}", error.inner(), error.path()))
    })
}

/// One line, not too long, without control characters.
pub(super) fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_WORDS).collect()
}

#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    token: SecretString,
    guard: Arc<Guard>,
}

impl Client {
    pub fn new(token: SecretString, url: Option<&Url>, clock: Clock) -> Result<Self, reqwest::Error> {
        let http = outgoing::client()
            .connect_timeout(CONNECT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("jetbridge/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let base = url.map_or(API_URL, Url::as_str).trim_end_matches('/').to_owned();
        Ok(Self { http, base, token, guard: Arc::new(Guard::new(clock)) })
    }

    /// A question: harmless to put again.
    pub async fn get<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &str,
        errand: Errand,
        patience: Duration,
    ) -> Result<wire::Envelope<T>, Trouble> {
        let asking = self.patiently(|| self.request(Method::GET, path, None), errand);
        let answer = meters::call("duffel", what, within(patience, asking)).await?;
        answer.read()
    }

    /// A search: it makes something at Duffel, but nothing that anybody has to pay.
    pub async fn look<T: DeserializeOwned>(
        &self,
        path: &str,
        data: &Value,
        patience: Duration,
    ) -> Result<wire::Envelope<T>, Trouble> {
        let asking = self.patiently(|| self.request(Method::POST, path, Some(data)), Errand::Looking);
        let answer = meters::call("duffel", "search", within(patience, asking)).await?;
        answer.read()
    }

    /// A deed: asked once, whatever comes of it.
    pub async fn act(
        &self,
        what: &'static str,
        path: &str,
        data: &Value,
        patience: Duration,
    ) -> Result<Answer, Trouble> {
        let asking = self.once(self.request(Method::POST, path, Some(data)), Errand::Buying);
        meters::call("duffel", what, within(patience, asking)).await
    }

    fn request(&self, method: Method, path: &str, data: Option<&Value>) -> RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(self.token.expose_secret())
            .header("duffel-version", VERSION)
            .header(header::ACCEPT, "application/json");
        match data {
            None => request,
            Some(data) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(json!({ "data": data }).to_string()),
        }
    }

    async fn patiently(
        &self,
        request: impl Fn() -> RequestBuilder,
        errand: Errand,
    ) -> Result<Answer, Trouble> {
        let mut wait = FIRST_WAIT;
        for _ in 0..MORE_TRIES {
            match self.once(request(), errand).await {
                // Nobody there, or nobody just now: a moment often helps. A limit, a closed door and a 500 it does not.
                Err(Trouble::Lost(_)) => {}
                Err(Trouble::NotNow(words)) if words.starts_with(BUSY) => {}
                other => return other,
            }
            sleep(wait + jitter(wait)).await;
            wait *= 2;
        }
        self.once(request(), errand).await
    }

    async fn once(&self, request: RequestBuilder, errand: Errand) -> Result<Answer, Trouble> {
        self.guard.enter(errand).map_err(|shut| Trouble::NotNow(shut.to_string()))?;
        let unless_heard = Silence(Some(&self.guard));
        let response = request.send().await.map_err(|error| {
            let words = cause(&error);
            if error.is_connect() {
                Trouble::NotNow(format!("{BUSY}: {words}"))
            } else {
                Trouble::Lost(words)
            }
        })?;
        let status = response.status();
        let told = told(&response);
        let body = body_of(response).await?;
        unless_heard.heard(status, told);
        if status.is_success() { Ok(Answer { status, body }) } else { Err(refusal(status, &body)) }
    }
}

/// The beginning of what is said where a second try may help.
const BUSY: &str = "Duffel does not answer";

/// A call that is given up, by whomever, counts as a silence.
struct Silence<'a>(Option<&'a Guard>);

impl Silence<'_> {
    fn heard(mut self, status: StatusCode, told: Told) {
        let limited = status == StatusCode::TOO_MANY_REQUESTS;
        let told = if limited { Told { remaining: Some(0), ..told } } else { told };
        if matches!(status.as_u16(), 503 | 504) {
            return;
        }
        if let Some(guard) = self.0.take() {
            guard.answered(told);
        }
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        if let Some(guard) = self.0 {
            guard.silent();
        }
    }
}

async fn within(
    patience: Duration,
    asking: impl Future<Output = Result<Answer, Trouble>>,
) -> Result<Answer, Trouble> {
    match timeout(patience, asking).await {
        Ok(answer) => answer,
        Err(_) => Err(Trouble::Lost("Duffel has not answered in time".to_owned())),
    }
}

async fn body_of(mut response: Response) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| Trouble::Lost(cause(&error)))? {
        if body.len() + part.len() > LONGEST_ANSWER {
            return Err(Trouble::Lost("Duffel's answer is too long".to_owned()));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

fn refusal(status: StatusCode, body: &[u8]) -> Trouble {
    let errors = read::<wire::Errors>(body).ok();
    let first = errors.as_ref().and_then(|errors| errors.errors.first());
    let (code, title) = first.map_or((String::new(), String::new()), |problem| {
        (shortened(&problem.code), shortened(&problem.title))
    });
    let request = errors.as_ref().and_then(|errors| errors.meta.request_id.as_deref()).unwrap_or("unknown");
    // With the name under which Duffel's support finds it; what it says about a passenger's fields stays out.
    let words = format!("Duffel says {} {code} ({title}), request {}", status.as_u16(), shortened(request));
    tracing::warn!(supplier = "duffel", status = status.as_u16(), code, request, "refused");
    match status.as_u16() {
        401 | 403 | 429 => Trouble::NotNow(words),
        503 => Trouble::NotNow(format!("{BUSY}: {words}")),
        // Said to have no side effects, unlike every other 502.
        502 if code == "order_not_created" => Trouble::No { status: 502, code, words },
        500 | 502 => Trouble::Broken(words),
        500..=599 => Trouble::Lost(words),
        status => Trouble::No { status, code, words },
    }
}

fn told(response: &Response) -> Told {
    let text = |name: &str| response.headers().get(name)?.to_str().ok();
    let number = |name: &str| text(name)?.trim().parse::<u32>().ok();
    let reset = text("ratelimit-reset").and_then(|text| {
        let date = rfc2822::parse(text).map(|zoned| zoned.timestamp());
        date.or_else(|_| text.parse::<Timestamp>()).ok()
    });
    Told { limit: number("ratelimit-limit"), remaining: number("ratelimit-remaining"), reset }
}

/// Up to half of the wait again, so that those who failed together do not come back together.
fn jitter(wait: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    ids::random_bytes(&mut byte);
    wait * u32::from(byte[0]) / 512
}

/// The innermost cause says most ("connection refused"), and names no address.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    shortened(&innermost.to_string())
}
