//! What needs a person, as a queue, and one item of it.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{again, amount, in_words, moment, said::Done, state_badge};
use crate::{
    admin::attention::{self, Act, Item, Queue, Urgency, Way},
    checkout::{
        Checkout,
        quarantine::{Compared, Decision, Frozen},
    },
    clock::Clock,
    db::Db,
    error::{AppError, FieldErrors},
    web::{
        chrome::Chrome,
        components::{Field, Fragment, Tone, badge},
        form::{self, Form, Path, Query},
        powers::{May, Power, ResolveAttention, SeeBookings},
        principal::SignedInStaff,
        proof::MoneyPower,
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
    /// What all of it together puts at stake, by currency.
    at_stake: String,
    /// So many more than a page holds.
    left_out: usize,
    may_act: bool,
    /// Heading, and the items below it.
    groups: Vec<(&'static str, Vec<ItemView>)>,
}

struct ItemView {
    id: i64,
    badge: Fragment,
    reference: Option<String>,
    detail: String,
    next: &'static str,
    act: Option<Act>,
    /// Where the next step is taken, and what the way there is called.
    page: Option<(String, &'static str)>,
    /// The mail or event that it is about.
    about: Option<(String, &'static str)>,
    /// How the booking stands by now.
    stands: Option<Fragment>,
    since: String,
    amount: Option<String>,
    resolved: Option<String>,
}

pub async fn attention(
    State(db): State<Db>,
    staff: May<SeeBookings>,
    chrome: Chrome,
    Query(query): Query<AttentionQuery>,
) -> Result<Html<String>, AppError> {
    let shows_open = query.show != "resolved";
    let Queue { items, count } = attention::list(&db, shows_open).await?;
    let headline = match (shows_open, count) {
        (true, 0) => "Nothing needs a person".to_owned(),
        (true, 1) => "1 needs a person".to_owned(),
        (true, many) => format!("{many} need a person"),
        (false, _) => "Resolved".to_owned(),
    };
    let left_out = count.saturating_sub(items.len());
    let at_stake = if shows_open { at_stake(&items) } else { String::new() };
    let groups = match shows_open {
        true => grouped(items),
        false => vec![("Last first", items.into_iter().map(ItemView::from).collect())],
    };
    let may_act = staff.may(Power::ResolveAttention);
    Ok(Html(AttentionPage { chrome, headline, shows_open, at_stake, left_out, may_act, groups }.render()?))
}

/// "EUR 412.60, JPY 9,000": of what puts money at risk, each booking once.
fn at_stake(items: &[Item]) -> String {
    let mut counted: Vec<&str> = Vec::new();
    let mut sums: Vec<(&str, i64)> = Vec::new();
    for item in items.iter().filter(|item| Urgency::of(&item.kind) == Urgency::MoneyAtRisk) {
        let Some((minor, currency)) = &item.amount else { continue };
        let about = item.reference.as_deref().unwrap_or(&item.subject);
        if counted.contains(&about) {
            continue;
        }
        counted.push(about);
        match sums.iter_mut().find(|(known, _)| known == currency) {
            Some((_, sum)) => *sum = sum.saturating_add(*minor),
            None => sums.push((currency, *minor)),
        }
    }
    sums.into_iter().map(|(currency, minor)| amount(minor, currency)).collect::<Vec<_>>().join(", ")
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
            let by = resolved.by.as_deref().unwrap_or("itself");
            format!(
                "{} by {by}: {}",
                moment(resolved.at),
                resolved.reason.as_deref().unwrap_or("no reason kept")
            )
        });
        let (act, page) = match attention::way(&item) {
            Way::Act(act) => (Some(act), None),
            Way::Page(href, words) => (None, Some((href, words))),
            Way::ByHand => (None, None),
        };
        Self {
            id: item.id,
            badge: badge(tone, &in_words(&item.kind)),
            next: attention::next_step(&item.kind),
            act,
            page,
            about: match item.kind.as_str() {
                "mail_late" => Some((format!("/admin/mails/{}", item.subject), "Open the mail")),
                "event_unmatched" | "event_unreadable" => {
                    Some((format!("/admin/events/{}", item.subject), "Open the event"))
                }
                _ => None,
            },
            stands: item.booking_state.as_deref().map(state_badge),
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
    may_act: bool,
    may_resolve: bool,
    frozen: Option<FrozenView>,
    reason: String,
    errors: FieldErrors,
    said: Option<Fragment>,
}

/// A payment in quarantine, as Stripe has it at this moment.
struct FrozenView {
    money: String,
    compared: Vec<Compared>,
    no_accept: Option<String>,
    no_return: Option<String>,
    /// Money moves only by somebody who may refund.
    may_decide: bool,
    /// Stripe did not answer: nothing can be decided now.
    is_silent: bool,
}

impl FrozenView {
    fn of(frozen: Frozen, may_decide: bool) -> Self {
        Self {
            money: frozen.money,
            compared: frozen.compared,
            no_accept: frozen.no_accept.map(|no| format!("{}. {}", no.title, no.detail)),
            no_return: frozen.no_return.map(|no| format!("{}. {}", no.title, no.detail)),
            may_decide,
            is_silent: false,
        }
    }

    fn silent(may_decide: bool) -> Self {
        Self {
            money: String::new(),
            compared: Vec::new(),
            no_accept: None,
            no_return: None,
            may_decide,
            is_silent: true,
        }
    }
}

impl AttentionItemPage {
    async fn load(
        checkout: &Checkout,
        chrome: Chrome,
        staff: &SignedInStaff,
        id: i64,
    ) -> Result<Self, AppError> {
        let item = attention::item(&checkout.db, id).await?;
        let is_open = item.resolved.is_none();
        let frozen = match item.subject.parse() {
            Ok(attempt) if is_open && item.kind == "payment_quarantined" => {
                let may_decide = staff.may(Power::RefundMoney);
                match checkout.frozen(attempt).await {
                    Ok(frozen) => frozen.map(|frozen| FrozenView::of(frozen, may_decide)),
                    Err(AppError::Upstream { .. }) => Some(FrozenView::silent(may_decide)),
                    Err(error) => return Err(error),
                }
            }
            _ => None,
        };
        Ok(Self {
            chrome,
            title: in_words(&item.kind),
            may_act: is_open && staff.may(Power::ResolveAttention),
            may_resolve: is_open && staff.may(Power::ResolveAttention) && frozen.is_none(),
            item: item.into(),
            frozen,
            reason: String::new(),
            errors: FieldErrors::default(),
            said: None,
        })
    }
}

pub async fn item(
    State(checkout): State<Checkout>,
    staff: May<SeeBookings>,
    chrome: Chrome,
    Path(id): Path<i64>,
    Query(query): Query<Done>,
) -> Result<Html<String>, AppError> {
    let page = AttentionItemPage::load(&checkout, chrome, &staff, id).await?;
    Ok(Html(AttentionItemPage { said: query.said(), ..page }.render()?))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct ResolveForm {
    reason: String,
}

impl ResolveForm {
    fn read(&self) -> Result<String, FieldErrors> {
        let mut errors = FieldErrors::default();
        let missing = "Say what you did, so that the next one need not ask";
        form::text(&mut errors, "reason", &self.reason, LONGEST_REASON, missing).ok_or(errors)
    }

    fn printable(&self) -> String {
        self.reason.chars().filter(|c| !c.is_control()).collect()
    }
}

pub async fn resolve(
    State(checkout): State<Checkout>,
    State(clock): State<Clock>,
    State(db): State<Db>,
    staff: May<ResolveAttention>,
    chrome: Chrome,
    Path(id): Path<i64>,
    Form(form): Form<ResolveForm>,
) -> Result<Response, AppError> {
    match form.read() {
        Ok(reason) => {
            attention::resolve(&db, &clock, staff.user, id, &reason).await?;
            Ok(done(id, "resolved"))
        }
        Err(errors) => {
            let page = AttentionItemPage::load(&checkout, chrome, &staff, id).await?;
            again(AttentionItemPage { reason: form.printable(), errors, ..page })
        }
    }
}

/// The one button of an item.
pub async fn act(
    State(checkout): State<Checkout>,
    staff: May<ResolveAttention>,
    Path(id): Path<i64>,
) -> Result<Response, AppError> {
    let act = attention::act(&checkout, staff.user, id).await?;
    Ok(done(id, act.done()))
}

pub async fn accept(
    state: State<Checkout>,
    staff: MoneyPower,
    chrome: Chrome,
    id: Path<i64>,
    form: Form<ResolveForm>,
) -> Result<Response, AppError> {
    decide(state, staff, chrome, id, form, false).await
}

pub async fn give_back(
    state: State<Checkout>,
    staff: MoneyPower,
    chrome: Chrome,
    id: Path<i64>,
    form: Form<ResolveForm>,
) -> Result<Response, AppError> {
    decide(state, staff, chrome, id, form, true).await
}

async fn decide(
    State(checkout): State<Checkout>,
    staff: MoneyPower,
    chrome: Chrome,
    Path(id): Path<i64>,
    Form(form): Form<ResolveForm>,
    gives_back: bool,
) -> Result<Response, AppError> {
    let reason = match form.read() {
        Ok(reason) => reason,
        Err(errors) => {
            let page = AttentionItemPage::load(&checkout, chrome, &staff, id).await?;
            return again(AttentionItemPage { reason: form.printable(), errors, ..page });
        }
    };
    let attempt = attention::frozen_attempt(&checkout.db, id).await?;
    let decision = Decision { staff: staff.user, item: id, attempt, reason };
    if gives_back {
        checkout.give_frozen_back(&decision).await?;
        return Ok(done(id, "given_back"));
    }
    checkout.accept_frozen(&decision).await?;
    Ok(done(id, "accepted"))
}

fn done(id: i64, code: &str) -> Response {
    Redirect::to(&format!("/admin/attention/{id}?done={code}")).into_response()
}
