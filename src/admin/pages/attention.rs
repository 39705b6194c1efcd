//! What needs a person, as a queue, and one item of it.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{again, amount, in_words, moment, said::Done};
use crate::{
    admin::attention::{self, Item, Urgency},
    clock::Clock,
    db::Db,
    error::{AppError, FieldErrors},
    web::{
        chrome::Chrome,
        components::{Field, Fragment, Tone, badge},
        form::{self, Form, Path, Query},
        powers::{May, Power, ResolveAttention, SeeBookings},
    },
};

const LONGEST_REASON: usize = 500;

#[derive(Deserialize)]
pub struct AttentionQuery {
    #[serde(default)]
    show: String,
}

#[derive(Template)]
#[template(path = "admin/attention.html")]
struct AttentionPage {
    chrome: Chrome,
    headline: String,
    shows_open: bool,
    /// Heading, and the items below it.
    groups: Vec<(&'static str, Vec<ItemView>)>,
}

struct ItemView {
    id: i64,
    badge: Fragment,
    reference: Option<String>,
    detail: String,
    next: &'static str,
    /// Where the next step is taken, and what the way there is called.
    way: Option<(String, &'static str)>,
    since: String,
    amount: Option<String>,
    resolved: Option<String>,
}

pub async fn attention(
    State(db): State<Db>,
    _: May<SeeBookings>,
    chrome: Chrome,
    Query(query): Query<AttentionQuery>,
) -> Result<Html<String>, AppError> {
    let shows_open = query.show != "resolved";
    let items = attention::list(&db, shows_open).await?;
    let headline = match (shows_open, items.len()) {
        (true, 0) => "Nothing needs a person".to_owned(),
        (true, 1) => "1 needs a person".to_owned(),
        (true, many) => format!("{many} need a person"),
        (false, _) => "Resolved".to_owned(),
    };
    let groups = match shows_open {
        true => grouped(items),
        false => vec![("Last first", items.into_iter().map(ItemView::from).collect())],
    };
    Ok(Html(AttentionPage { chrome, headline, shows_open, groups }.render()?))
}

fn grouped(items: Vec<Item>) -> Vec<(&'static str, Vec<ItemView>)> {
    let mut groups: Vec<(&'static str, Vec<ItemView>)> =
        Urgency::ALL.into_iter().map(|urgency| (urgency.in_words(), Vec::new())).collect();
    for item in items {
        let heading = Urgency::of(&item.kind).in_words();
        if let Some((_, group)) = groups.iter_mut().find(|(known, _)| *known == heading) {
            group.push(item.into());
        }
    }
    groups.retain(|(_, group)| !group.is_empty());
    groups
}

impl From<Item> for ItemView {
    fn from(item: Item) -> Self {
        let tone = match (&item.resolved, Urgency::of(&item.kind)) {
            (Some(_), _) => Tone::Off,
            (None, Urgency::MoneyAtRisk) => Tone::Bad,
            (None, Urgency::TravellerWaits) => Tone::Now,
            (None, Urgency::CanWait) => Tone::Warn,
        };
        let resolved = item.resolved.as_ref().map(|resolved| {
            let by = resolved.by.as_deref().unwrap_or("nobody in particular");
            format!(
                "{} by {by}: {}",
                moment(resolved.at),
                resolved.reason.as_deref().unwrap_or("no reason kept")
            )
        });
        Self {
            id: item.id,
            badge: badge(tone, &in_words(&item.kind)),
            next: attention::next_step(&item.kind),
            way: match item.kind.as_str() {
                "mail_late" => Some((format!("/admin/mails/{}", item.subject), "Open the mail")),
                "mail_server" => Some(("/admin/mails?state=queued".to_owned(), "The mails that wait")),
                _ => None,
            },
            since: moment(item.raised_at),
            amount: item.amount.map(|(minor, currency)| amount(minor, &currency)),
            reference: item.reference,
            detail: item.detail,
            resolved,
        }
    }
}

#[derive(Template)]
#[template(path = "admin/attention_item.html")]
struct AttentionItemPage {
    chrome: Chrome,
    title: String,
    item: ItemView,
    may_resolve: bool,
    reason: String,
    errors: FieldErrors,
    said: Option<Fragment>,
}

impl AttentionItemPage {
    async fn load(db: &Db, chrome: Chrome, id: i64, may_resolve: bool) -> Result<Self, AppError> {
        let item = attention::item(db, id).await?;
        Ok(Self {
            chrome,
            title: in_words(&item.kind),
            item: item.into(),
            may_resolve,
            reason: String::new(),
            errors: FieldErrors::default(),
            said: None,
        })
    }
}

pub async fn item(
    State(db): State<Db>,
    staff: May<SeeBookings>,
    chrome: Chrome,
    Path(id): Path<i64>,
    Query(query): Query<Done>,
) -> Result<Html<String>, AppError> {
    let may_resolve = staff.may(Power::ResolveAttention);
    let page = AttentionItemPage::load(&db, chrome, id, may_resolve).await?;
    let said = query.said().filter(|_| page.item.resolved.is_some());
    Ok(Html(AttentionItemPage { said, ..page }.render()?))
}

#[derive(Deserialize)]
pub struct ResolveForm {
    reason: String,
}

pub async fn resolve(
    State(db): State<Db>,
    State(clock): State<Clock>,
    staff: May<ResolveAttention>,
    chrome: Chrome,
    Path(id): Path<i64>,
    Form(form): Form<ResolveForm>,
) -> Result<Response, AppError> {
    let mut errors = FieldErrors::default();
    let missing = "Say what you did, so that the next one need not ask";
    match form::text(&mut errors, "reason", &form.reason, LONGEST_REASON, missing) {
        Some(reason) => {
            attention::resolve(&db, &clock, staff.user, id, &reason).await?;
            Ok(Redirect::to(&format!("/admin/attention/{id}?done=resolved")).into_response())
        }
        None => {
            let page = AttentionItemPage::load(&db, chrome, id, true).await?;
            let reason = form.reason.chars().filter(|c| !c.is_control()).collect();
            again(AttentionItemPage { reason, errors, ..page })
        }
    }
}
