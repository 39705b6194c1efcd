//! One endpoint with what was sent to it, and one delivery with all its tries.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, Redirect},
};
use jiff::tz::TimeZone;
use serde::Deserialize;
use url::form_urlencoded;

use super::{EndpointView, address};
use crate::{
    admin::pages::{in_words, moment, second, state_badge},
    error::{AppError, FieldErrors},
    hooks::{API_VERSION, Delivery, Hooks, KEPT, Line, Message, Place, Tried},
    ids::{HookDeliveryId, HookEndpointId},
    web::{
        chrome::Chrome,
        components::{Field, Fragment, choice, pager},
        form::{Path, Query},
        powers::{ManageHooks, May},
    },
};

const STATES: [&str; 4] = ["queued", "delivered", "dead", "held"];

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct LogQuery {
    state: String,
    older: String,
}

#[derive(Template)]
#[template(path = "hooks/endpoint.html")]
pub struct EndpointPage {
    chrome: Chrome,
    endpoint: EndpointView,
    states: Fragment,
    lines: Vec<LineView>,
    pager: Fragment,
    since: String,
    errors: FieldErrors,
}

struct LineView {
    id: HookDeliveryId,
    kind: String,
    reference: Option<String>,
    at: String,
    state: Fragment,
    tries: i64,
    last: String,
}

impl From<Line> for LineView {
    fn from(line: Line) -> Self {
        let next = line.due_at.map(|at| format!("next {}", moment(at)));
        let last = line.last.as_ref().map(answer);
        Self {
            id: line.place.id,
            kind: line.kind,
            reference: line.reference,
            at: second(line.place.created_at),
            state: state_badge(&line.state),
            tries: line.tries,
            last: [last, next].into_iter().flatten().collect::<Vec<_>>().join(", "),
        }
    }
}

/// "200 in 84 ms".
fn answer(tried: &Tried) -> String {
    let what = match (tried.status, &tried.error) {
        (Some(status), _) => status.to_string(),
        (None, Some(error)) => error.clone(),
        (None, None) => return "no result: under way, or we stopped in the middle of it".to_owned(),
    };
    match tried.took_ms {
        Some(took) => format!("{what} in {took} ms"),
        None => what,
    }
}

pub async fn endpoint(
    State(hooks): State<Hooks>,
    staff: May<ManageHooks>,
    chrome: Chrome,
    Path(id): Path<HookEndpointId>,
    Query(query): Query<LogQuery>,
) -> Result<Html<String>, AppError> {
    let page = EndpointPage::load(&hooks, &staff, chrome, id, &query, FieldErrors::default());
    Ok(Html(page.await?.render()?))
}

impl EndpointPage {
    /// A filter or a place that is no more shows the newest: there is nothing to correct in it.
    pub async fn load(
        hooks: &Hooks,
        staff: &May<ManageHooks>,
        chrome: Chrome,
        id: HookEndpointId,
        query: &LogQuery,
        errors: FieldErrors,
    ) -> Result<Self, AppError> {
        let endpoint = hooks.endpoint(staff.user, id).await?;
        let state = STATES.into_iter().find(|state| *state == query.state);
        let before: Option<Place> = query.older.parse().ok();
        let (lines, goes_on) = hooks.log(staff.user, id, state, before).await?;
        let older = lines.last().filter(|_| goes_on).map(|line| {
            let place = line.place.to_string();
            let pairs = [("state", state.unwrap_or_default()), ("older", place.as_str())];
            let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
            format!("{}?{query}", address(id))
        });
        let shown = match lines.len() {
            0 => String::new(),
            count => format!("{count} shown, newest first"),
        };
        let since = TimeZone::UTC.to_datetime(hooks.clock.now() - KEPT).date().to_string();
        Ok(Self {
            chrome,
            endpoint: endpoint.into(),
            states: state_choice(state, &errors),
            pager: pager("Pages", &shown, None, older.as_deref().map(|href| (href, "Older"))),
            lines: lines.into_iter().map(LineView::from).collect(),
            since,
            errors,
        })
    }
}

fn state_choice(chosen: Option<&str>, errors: &FieldErrors) -> Fragment {
    let words = STATES.map(in_words);
    let mut options = vec![("", "Any")];
    options.extend(STATES.into_iter().zip(words.iter().map(String::as_str)));
    choice("state", "State", &options, chosen.unwrap_or_default(), errors)
}

#[derive(Template)]
#[template(path = "hooks/delivery.html")]
struct DeliveryPage {
    chrome: Chrome,
    endpoint: EndpointView,
    id: HookDeliveryId,
    kind: String,
    event: String,
    reference: Option<String>,
    happened: String,
    state: Fragment,
    next: Option<String>,
    body: String,
    /// When, and how it went.
    tries: Vec<(String, String)>,
}

pub async fn delivery(
    State(hooks): State<Hooks>,
    staff: May<ManageHooks>,
    chrome: Chrome,
    Path(id): Path<HookDeliveryId>,
) -> Result<Html<String>, AppError> {
    let found = hooks.delivery(staff.user, id).await?;
    let endpoint = hooks.endpoint(staff.user, found.endpoint).await?;
    let page = DeliveryPage {
        chrome,
        endpoint: endpoint.into(),
        id,
        event: found.event.to_string(),
        happened: second(found.happened_at),
        state: state_badge(&found.state),
        next: found.due_at.map(second),
        body: body(&found)?,
        tries: found.tries.iter().map(|tried| (second(tried.at), answer(tried))).collect(),
        kind: found.kind,
        reference: found.reference,
    };
    Ok(Html(page.render()?))
}

/// What is sent, with room to read it.
fn body(delivery: &Delivery) -> Result<String, AppError> {
    Ok(serde_json::to_string_pretty(&Message {
        id: delivery.event,
        r#type: &delivery.kind,
        api_version: API_VERSION,
        created_at: delivery.happened_at,
        data: &delivery.data,
    })?)
}

pub async fn replay(
    State(hooks): State<Hooks>,
    staff: May<ManageHooks>,
    Path(id): Path<HookDeliveryId>,
) -> Result<Redirect, AppError> {
    hooks.replay(staff.user, id).await?;
    Ok(Redirect::to(&format!("/admin/hooks/deliveries/{id}")))
}
