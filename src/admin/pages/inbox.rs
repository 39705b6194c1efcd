//! `/admin/events`: the inbox of Stripe's events, one event with its body masked, and applying it again.

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{in_words, moment, place, said::Done, second, state_badge, turn};
use crate::{
    admin::{
        Turn,
        inbox::{self, EventRecord, Filter, Line, STATES},
    },
    checkout::Checkout,
    db::Db,
    error::{AppError, FieldErrors},
    web::{
        chrome::Chrome,
        components::{Field, Fragment, choice},
        form::{Path, Query},
        powers::{May, Power, ResolveAttention, SeeBookings},
    },
};

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct EventsQuery {
    state: String,
    kind: String,
    older: String,
    newer: String,
}

#[derive(Template)]
#[template(path = "admin/events.html")]
struct EventsPage {
    chrome: Chrome,
    errors: FieldErrors,
    states: Fragment,
    kind: String,
    lines: Vec<LineView>,
    pager: Fragment,
}

struct LineView {
    id: String,
    kind: String,
    state: Fragment,
    received: String,
    reference: Option<String>,
}

pub async fn events(
    State(db): State<Db>,
    staff: May<SeeBookings>,
    chrome: Chrome,
    Query(query): Query<EventsQuery>,
) -> Result<Response, AppError> {
    let (status, (lines, pages), errors) = match Filter::read(&query.state, &query.kind) {
        Ok(filter) => {
            let from = place(&query.older, &query.newer);
            (StatusCode::OK, inbox::list(&db, staff.user, &filter, from).await?, FieldErrors::default())
        }
        Err(errors) => (StatusCode::UNPROCESSABLE_ENTITY, (Vec::new(), Turn::default()), errors),
    };
    let words = STATES.map(|code| (code, in_words(code)));
    let mut options = vec![("", "Any")];
    options.extend(words.iter().map(|(code, words)| (*code, words.as_str())));
    let filter = [("state", query.state.as_str()), ("kind", &query.kind)];
    let page = EventsPage {
        chrome,
        states: choice("state", "State", &options, &query.state, &errors),
        pager: turn("/admin/events", &filter, lines.len(), pages),
        lines: lines.into_iter().map(LineView::from).collect(),
        kind: query.kind.chars().filter(|c| !c.is_control()).collect(),
        errors,
    };
    Ok((status, Html(page.render()?)).into_response())
}

impl From<Line> for LineView {
    fn from(line: Line) -> Self {
        Self {
            id: line.id,
            kind: line.kind,
            state: state_badge(&line.state),
            received: second(line.received_at),
            reference: line.reference,
        }
    }
}

#[derive(Template)]
#[template(path = "admin/event.html")]
struct EventPage {
    chrome: Chrome,
    said: Option<Fragment>,
    event: EventRecord,
    state: Fragment,
    /// What its state means.
    meaning: &'static str,
    received: String,
    created: String,
    settled: Option<String>,
    next_look: Option<String>,
    body: String,
    may_replay: bool,
}

pub async fn event(
    State(db): State<Db>,
    staff: May<SeeBookings>,
    chrome: Chrome,
    Path(id): Path<String>,
    Query(query): Query<Done>,
) -> Result<Html<String>, AppError> {
    let event = inbox::event(&db, staff.user, &id).await?;
    let page = EventPage {
        chrome,
        said: query.said(),
        state: state_badge(&event.state),
        meaning: meaning(&event.state),
        received: second(event.received_at),
        created: second(event.created),
        settled: event.settled_at.map(second),
        next_look: event.next_look.map(moment),
        body: serde_json::to_string_pretty(&event.body).unwrap_or_default(),
        may_replay: staff.may(Power::ResolveAttention),
        event,
    };
    Ok(Html(page.render()?))
}

fn meaning(state: &str) -> &'static str {
    match state {
        "received" => "It is in the inbox, and is dealt with in a moment.",
        "applied" => "Its object was asked for at Stripe, and ours was brought up to it.",
        "ignored" => "It is of a type that nothing of ours depends on.",
        "parked" => {
            "Its object is not ours, or not yet. It is looked for again for 3 days, then a person is called."
        }
        "unreadable" => "Stripe signed it, but its form is not known to this version. A person is called.",
        "abandoned" => "For 3 days nothing of ours was found that it is about.",
        _ => "A newer version wrote this state.",
    }
}

pub async fn replay(
    State(checkout): State<Checkout>,
    staff: May<ResolveAttention>,
    Path(id): Path<String>,
) -> Result<Redirect, AppError> {
    inbox::replay_event(&checkout, staff.user, &id).await?;
    Ok(Redirect::to(&format!("/admin/events/{id}?done=replayed")))
}
