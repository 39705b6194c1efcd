//! Where the demo's own webhooks can go: a page that takes what is posted to it and shows the last of it.

pub mod console;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use askama::Template;
use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Html,
};
use jiff::{Timestamp, tz::TimeZone};

use crate::{clock::Clock, error::AppError, web::chrome::Chrome};

/// Older ones are forgotten.
const MOST: usize = 50;
const LONGEST: usize = 16 * 1024;
const SHOWN_HEADERS: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];

/// There only in demo mode.
#[derive(Clone, Default)]
pub struct DemoCatcher(pub Option<Catcher>);

#[derive(Clone, Default)]
pub struct Catcher(Arc<Mutex<VecDeque<Caught>>>);

#[derive(Clone)]
struct Caught {
    at: Timestamp,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Catcher {
    fn keep(&self, caught: Caught) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push_front(caught);
        all.truncate(MOST);
    }

    fn all(&self) -> Vec<Caught> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[derive(Template)]
#[template(path = "demo/hooks.html")]
struct HooksPage {
    chrome: Chrome,
    caught: Vec<CaughtView>,
}

struct CaughtView {
    kind: String,
    at: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

pub async fn hooks(
    State(DemoCatcher(catcher)): State<DemoCatcher>,
    chrome: Chrome,
) -> Result<Html<String>, AppError> {
    let caught = catcher.ok_or(AppError::NotFound)?.all().into_iter().map(CaughtView::from).collect();
    Ok(Html(HooksPage { chrome, caught }.render()?))
}

impl From<Caught> for CaughtView {
    fn from(caught: Caught) -> Self {
        let json: serde_json::Value = serde_json::from_str(&caught.body).unwrap_or_default();
        Self {
            kind: json["type"].as_str().unwrap_or("Not one of ours").to_owned(),
            at: TimeZone::UTC.to_datetime(caught.at).strftime("%-d %b %H:%M:%S").to_string(),
            headers: caught.headers,
            body: serde_json::to_string_pretty(&json).unwrap_or(caught.body),
        }
    }
}

pub async fn catch(
    State(DemoCatcher(catcher)): State<DemoCatcher>,
    State(clock): State<Clock>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, AppError> {
    let catcher = catcher.ok_or(AppError::NotFound)?;
    let body: String = String::from_utf8_lossy(&body).chars().take(LONGEST).collect();
    let shown = |name: &'static str| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((name, value.to_owned()))
    };
    let headers = SHOWN_HEADERS.into_iter().filter_map(shown).collect();
    catcher.keep(Caught { at: clock.now(), headers, body });
    Ok(StatusCode::NO_CONTENT)
}
