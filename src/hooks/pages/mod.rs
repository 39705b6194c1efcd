//! The agency's endpoints: the list, one of them, and what is done with it. For owners.

pub mod log;

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use jiff::{Timestamp, tz::TimeZone};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::{
    admin::pages::{again, moment},
    config::{Config, Mode},
    error::{AppError, FieldErrors},
    hooks::{Endpoint, Hooks, NewEndpoint, place_of},
    ids::HookEndpointId,
    web::{
        chrome::Chrome,
        components::{Field, Fragment, Tone, badge, words},
        form::{self, Form, Path},
        powers::{ManageHooks, May},
        proof::Proved,
    },
};

const LONGEST_NOTE: usize = 100;

#[derive(Template)]
#[template(path = "hooks/hooks.html")]
struct HooksPage {
    chrome: Chrome,
    endpoints: Vec<EndpointView>,
    url: String,
    note: String,
    /// What the demo can be tried with.
    own: Option<String>,
    errors: FieldErrors,
}

/// One endpoint as it is shown.
pub struct EndpointView {
    pub id: HookEndpointId,
    pub server: String,
    pub url: String,
    pub note: String,
    pub is_active: bool,
    pub state: Fragment,
    pub story: String,
    pub queued: i64,
    pub missed: i64,
    pub old_secret_until: Option<String>,
    pub made: String,
}

impl From<Endpoint> for EndpointView {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            server: place_of(&endpoint.url),
            state: match &endpoint.paused_for {
                None if endpoint.failures > 0 => badge(Tone::Warn, "Failing"),
                None => badge(Tone::Good, "Active"),
                Some(_) => badge(Tone::Off, "Paused"),
            },
            is_active: endpoint.paused_for.is_none(),
            story: story(&endpoint),
            old_secret_until: endpoint.old_secret_until.map(moment),
            made: moment(endpoint.created_at),
            id: endpoint.id,
            url: endpoint.url,
            note: endpoint.note,
            queued: endpoint.queued,
            missed: endpoint.missed,
        }
    }
}

/// Why it stands as it does.
fn story(endpoint: &Endpoint) -> String {
    let tries = usize::try_from(endpoint.failures).unwrap_or_default();
    let failing = endpoint.failing_since.map(|since| {
        format!("{} in a row since {}", words::plural(tries, "failed try", "failed tries"), moment(since))
    });
    match (endpoint.paused_for.as_deref(), failing, endpoint.succeeded_at) {
        (Some("gone"), _, _) => "it answered 410 Gone".to_owned(),
        (Some("failing"), _, _) => "nothing arrived for three days".to_owned(),
        (Some(_), _, _) => "by hand".to_owned(),
        (None, Some(failing), _) => failing,
        (None, None, Some(at)) => format!("last heard us {}", moment(at)),
        (None, None, None) => "nothing sent yet".to_owned(),
    }
}

pub async fn hooks(
    State(hooks): State<Hooks>,
    State(config): State<Arc<Config>>,
    staff: May<ManageHooks>,
    chrome: Chrome,
) -> Result<Html<String>, AppError> {
    let (empty, errors) = (AddForm::default(), FieldErrors::default());
    let page = HooksPage::load(&hooks, &config, &staff, chrome, &empty, errors).await?;
    Ok(Html(page.render()?))
}

impl HooksPage {
    async fn load(
        hooks: &Hooks,
        config: &Config,
        staff: &May<ManageHooks>,
        chrome: Chrome,
        form: &AddForm,
        errors: FieldErrors,
    ) -> Result<Self, AppError> {
        let printable = |text: &str| text.chars().filter(|c| !c.is_control()).collect();
        Ok(Self {
            chrome,
            endpoints: hooks.endpoints(staff.user).await?.into_iter().map(EndpointView::from).collect(),
            url: printable(&form.url),
            note: printable(&form.note),
            own: (config.mode == Mode::Demo).then(|| config.link("/demo/hooks")),
            errors,
        })
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct AddForm {
    url: String,
    note: String,
}

pub async fn add(
    State(hooks): State<Hooks>,
    State(config): State<Arc<Config>>,
    staff: May<ManageHooks>,
    _: Proved,
    chrome: Chrome,
    Form(form): Form<AddForm>,
) -> Result<Response, AppError> {
    let added = match form.read(&hooks) {
        Ok(new) => hooks.add(staff.user, &new).await,
        Err(errors) => Err(AppError::Invalid(errors)),
    };
    match added {
        Ok(id) => Ok(Redirect::to(&address(id)).into_response()),
        Err(AppError::Invalid(errors)) => {
            again(HooksPage::load(&hooks, &config, &staff, chrome, &form, errors).await?)
        }
        Err(other) => Err(other),
    }
}

impl AddForm {
    fn read(&self, hooks: &Hooks) -> Result<NewEndpoint, FieldErrors> {
        let mut errors = FieldErrors::default();
        let url = match hooks.courier.read_url(&self.url) {
            Ok(url) => Some(url),
            Err(error) => {
                errors.add("url", format!("The address {error}"));
                None
            }
        };
        let note = form::optional_text(&mut errors, "note", &self.note, LONGEST_NOTE);
        match (url, note) {
            (Some(url), Some(note)) => Ok(NewEndpoint { url, note }),
            _ => Err(errors),
        }
    }
}

fn address(id: HookEndpointId) -> String {
    format!("/admin/hooks/{id}")
}

pub async fn pause(
    State(hooks): State<Hooks>,
    staff: May<ManageHooks>,
    Path(id): Path<HookEndpointId>,
) -> Result<Redirect, AppError> {
    hooks.pause(staff.user, id).await?;
    Ok(Redirect::to(&address(id)))
}

pub async fn resume(
    State(hooks): State<Hooks>,
    staff: May<ManageHooks>,
    Path(id): Path<HookEndpointId>,
) -> Result<Redirect, AppError> {
    hooks.resume(staff.user, id).await?;
    Ok(Redirect::to(&address(id)))
}

pub async fn send_test(
    State(hooks): State<Hooks>,
    staff: May<ManageHooks>,
    Path(id): Path<HookEndpointId>,
) -> Result<Redirect, AppError> {
    hooks.send_test(staff.user, id).await?;
    Ok(Redirect::to(&address(id)))
}

pub async fn rotate(
    State(hooks): State<Hooks>,
    staff: May<ManageHooks>,
    _: Proved,
    Path(id): Path<HookEndpointId>,
) -> Result<Redirect, AppError> {
    hooks.rotate_secret(staff.user, id).await?;
    Ok(Redirect::to(&address(id)))
}

pub async fn delete(
    State(hooks): State<Hooks>,
    staff: May<ManageHooks>,
    _: Proved,
    Path(id): Path<HookEndpointId>,
) -> Result<Redirect, AppError> {
    hooks.delete(staff.user, id).await?;
    Ok(Redirect::to("/admin/hooks"))
}

#[derive(Template)]
#[template(path = "hooks/secret.html")]
struct SecretPage {
    chrome: Chrome,
    endpoint: EndpointView,
    secret: SecretString,
}

/// The page is the answer to a form: it stands under no address that a browser would keep.
pub async fn show_secret(
    State(hooks): State<Hooks>,
    staff: May<ManageHooks>,
    _: Proved,
    chrome: Chrome,
    Path(id): Path<HookEndpointId>,
) -> Result<Html<String>, AppError> {
    let endpoint = hooks.endpoint(staff.user, id).await?.into();
    let secret = hooks.show_secret(staff.user, id).await?;
    Ok(Html(SecretPage { chrome, endpoint, secret }.render()?))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct MissedForm {
    since: String,
}

pub async fn replay_missed(
    State(hooks): State<Hooks>,
    staff: May<ManageHooks>,
    chrome: Chrome,
    Path(id): Path<HookEndpointId>,
    Form(form): Form<MissedForm>,
) -> Result<Response, AppError> {
    let Some(since) = day(&form.since) else {
        let errors = FieldErrors::one("since", "Write a day like 2026-11-20");
        let query = log::LogQuery::default();
        return again(log::EndpointPage::load(&hooks, &staff, chrome, id, &query, errors).await?);
    };
    hooks.replay_missed(staff.user, id, since).await?;
    Ok(Redirect::to(&address(id)).into_response())
}

/// The first moment of a day, UTC.
fn day(typed: &str) -> Option<Timestamp> {
    let day: jiff::civil::Date = typed.trim().parse().ok()?;
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
