//! The audit log, for those who answer for the others.

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;
use url::form_urlencoded;

use super::{events::facts, in_words, second};
use crate::{
    admin::trail::{self, Entry, Trail, Wanted},
    db::Db,
    error::{AppError, FieldErrors},
    web::{
        chrome::Chrome,
        components::{Field, Fragment, pager},
        form::Query,
        powers::{May, SeeAudit},
    },
};

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct TrailQuery {
    actor: String,
    booking: String,
    older: String,
}

#[derive(Template)]
#[template(path = "admin/trail.html")]
struct TrailPage {
    chrome: Chrome,
    actor: String,
    booking: String,
    entries: Vec<EntryView>,
    pager: Fragment,
    errors: FieldErrors,
}

struct EntryView {
    at: String,
    actor: String,
    action: String,
    reference: Option<String>,
    subject: String,
    facts: String,
}

pub async fn trail(
    State(db): State<Db>,
    _: May<SeeAudit>,
    chrome: Chrome,
    Query(query): Query<TrailQuery>,
) -> Result<Response, AppError> {
    let (status, trail, errors) = match Wanted::read(&query.actor, &query.booking) {
        Ok(wanted) => {
            // A page that has lost its key shows the newest: there is nothing to correct in it.
            let before = query.older.parse().ok().filter(|id: &i64| *id > 0);
            (StatusCode::OK, trail::read(&db, &wanted, before).await?, FieldErrors::default())
        }
        Err(errors) => (StatusCode::UNPROCESSABLE_ENTITY, Trail::default(), errors),
    };
    let shown = match trail.entries.len() {
        0 => String::new(),
        count => format!("{count} shown, newest first"),
    };
    let older = trail.older.map(|id| older_link(&query, id));
    let printable = |text: &str| text.chars().filter(|c| !c.is_control()).collect();
    let page = TrailPage {
        chrome,
        actor: printable(&query.actor),
        booking: printable(&query.booking),
        entries: trail.entries.into_iter().map(EntryView::from).collect(),
        pager: pager("Pages", &shown, None, older.as_deref().map(|href| (href, "Older"))),
        errors,
    };
    Ok((status, Html(page.render()?)).into_response())
}

fn older_link(query: &TrailQuery, id: i64) -> String {
    let id = id.to_string();
    let pairs = [("actor", query.actor.as_str()), ("booking", &query.booking), ("older", &id)];
    let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    format!("/admin/audit?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish())
}

impl From<Entry> for EntryView {
    fn from(mut entry: Entry) -> Self {
        // The subject says which refund it is, and the booking's page which attempt.
        if let Some(facts) = entry.data.as_object_mut() {
            facts.retain(|name, value| !["refund", "attempt"].contains(&name.as_str()) && value != "");
        }
        let total = entry.data["amount_minor"].as_i64().zip(entry.data["currency"].as_str());
        let total = total.map(|(minor, currency)| super::amount(minor, currency));
        Self {
            at: second(entry.at),
            actor: entry.actor,
            action: in_words(&entry.action),
            reference: entry.reference,
            subject: entry.subject,
            facts: super::joined([total, Some(facts(&entry.data, &[]))]),
        }
    }
}
