//! Giving money back, in two steps: say what and why, then read what it means and decide.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{again, refund_lines};
use crate::{
    checkout::{
        Checkout,
        price_lines::{LinePart, sum_of},
        staff_refund::{LONGEST_NOTE, Reason, RefundDesk, RefundOrder, Refundable, check_amount},
    },
    error::{AppError, FieldErrors},
    ids::{AttemptId, BookingReference, RefundId},
    money::Money,
    web::{
        chrome::Chrome,
        components::{Field, Fragment, choice, error_summary_of, picks},
        form::{self, Form, Path, Query},
        proof::{MoneyPower, prove_and_go_to},
    },
};

/// As typed. Step 1 sends it, and step 2 sends it on with what was seen.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RefundForm {
    pub(super) attempt: String,
    pub(super) how: String,
    amount: String,
    pub(super) reason: String,
    pub(super) note: String,
    /// The page of the lines was seen.
    pub(super) lines: String,
    /// Only of step 2.
    refund: String,
    seen_left: String,
    /// How much of each line, by the line's own field.
    #[serde(flatten)]
    pub(super) parts: BTreeMap<String, String>,
}

#[derive(Template)]
#[template(path = "admin/refund.html")]
struct RefundPage {
    chrome: Chrome,
    reference: BookingReference,
    /// Number, card and what is left, of those that can be refunded.
    choices: Vec<(String, String)>,
    attempts: Option<Fragment>,
    /// Why the others cannot.
    obstacles: Vec<(String, String)>,
    how: Fragment,
    reasons: Fragment,
    only_in_full: bool,
    /// Step 2 asked for a new proof, which takes no form along.
    interrupted: bool,
    form: RefundForm,
    errors: FieldErrors,
}

#[derive(Deserialize)]
pub struct RefundQuery {
    #[serde(default)]
    interrupted: String,
}

/// Each message after the name of its field.
fn summary(errors: &FieldErrors) -> Fragment {
    error_summary_of(errors, |field| match field {
        "attempt" => "Payment",
        "how" => "How much",
        "amount" => "Amount",
        "reason" => "Reason",
        "note" => "Note",
        _ => "",
    })
}

pub async fn refund(
    State(checkout): State<Checkout>,
    staff: MoneyPower,
    chrome: Chrome,
    Path(reference): Path<String>,
    Query(query): Query<RefundQuery>,
) -> Result<Html<String>, AppError> {
    let desk = open_desk(&checkout, &staff, &reference).await?;
    let form = RefundForm { how: "part".to_owned(), ..RefundForm::default() };
    let page = RefundPage::new(chrome, &desk, form, FieldErrors::default());
    Ok(Html(RefundPage { interrupted: query.interrupted == "1", ..page }.render()?))
}

async fn open_desk(checkout: &Checkout, staff: &MoneyPower, reference: &str) -> Result<RefundDesk, AppError> {
    let reference: BookingReference = reference.parse().map_err(|_| AppError::NotFound)?;
    checkout.refund_desk(staff.user, &reference).await
}

impl RefundPage {
    fn new(chrome: Chrome, desk: &RefundDesk, form: RefundForm, errors: FieldErrors) -> Self {
        let named = |(place, refundable): (usize, &Refundable)| {
            (format!("Attempt {}", place + 1), refundable.attempt.id.to_string(), refundable.left, place)
        };
        let all = || desk.attempts.iter().enumerate().map(named).zip(&desk.attempts);
        let choices: Vec<(String, String)> = all()
            .filter(|(_, refundable)| refundable.obstacle.is_none())
            .map(|((name, id, left, _), refundable)| {
                (id, format!("{name}, {}: {left} left", paid_with(refundable)))
            })
            .collect();
        let obstacles = all()
            .filter_map(|((name, ..), refundable)| {
                let refusal = refundable.obstacle.as_ref()?;
                Some((name, format!("{}. {}", refusal.title, refusal.detail)))
            })
            .collect();
        let options: Vec<(&str, &str)> =
            choices.iter().map(|(id, words)| (id.as_str(), words.as_str())).collect();
        let chosen =
            if form.attempt.is_empty() { options.first().map_or("", |(id, _)| *id) } else { &form.attempt };
        let attempts =
            (options.len() > 1).then(|| picks("attempt", "Which payment", &options, chosen, &errors));
        let mut reasons: Vec<(&str, &str)> = vec![("", "Choose")];
        reasons.extend(Reason::ALL.iter().map(|reason| (reason.code(), reason.in_words())));
        let mut hows = vec![("all", "All that is left"), ("part", "This much")];
        if desk.attempts.iter().any(|known| known.obstacle.is_none() && !desk.lines_of(known).is_empty()) {
            hows.push((refund_lines::HOW, "By passenger and line, on the next page"));
        }
        let only_in_full = desk.only_in_full();
        Self {
            chrome,
            reference: desk.booking.reference.clone(),
            attempts,
            obstacles,
            how: picks("how", "How much", &hows, &form.how, &errors),
            reasons: choice("reason", "Reason", &reasons, &form.reason, &errors),
            only_in_full,
            interrupted: false,
            form: RefundForm {
                amount: form.amount.chars().filter(|c| !c.is_control()).collect(),
                note: form.note.chars().filter(|c| !c.is_control()).collect(),
                ..form
            },
            choices,
            errors,
        }
    }
}

/// "Visa ending 4242".
pub(super) fn paid_with(refundable: &Refundable) -> String {
    paid_with_card(refundable.attempt.card.as_ref())
}

pub(super) fn paid_with_card(card: Option<&(String, String)>) -> String {
    match card {
        Some((brand, last4)) => format!("{} ending {last4}", super::in_words(brand)),
        None => "paid without a card".to_owned(),
    }
}

#[derive(Template)]
#[template(path = "admin/refund_review.html")]
struct RefundReviewPage {
    chrome: Chrome,
    reference: BookingReference,
    amount: Money,
    left: Money,
    left_after: Money,
    place: String,
    /// The traveller gets a mail about it.
    has_contact: bool,
    leaves_live_ticket: bool,
    is_ended: bool,
    /// Whose what, how much of it, and the field that says so.
    parts: Vec<(String, Money, String)>,
    order: RefundOrder,
}

pub async fn review(
    State(checkout): State<Checkout>,
    staff: MoneyPower,
    chrome: Chrome,
    Path(reference): Path<String>,
    Form(form): Form<RefundForm>,
) -> Result<Response, AppError> {
    let desk = open_desk(&checkout, &staff, &reference).await?;
    let by_lines = refund_lines::asked_for(&desk, &form);
    let (refundable, order) = match read(&desk, &form) {
        Ok((refundable, _)) if by_lines.is_some() && form.lines.is_empty() => {
            return Ok(Html(refund_lines::page(chrome, &desk, refundable, form).render()?).into_response());
        }
        Ok(read) => read,
        Err(errors) => match by_lines {
            Some(refundable) if !form.lines.is_empty() => {
                return again(refund_lines::page(chrome, &desk, refundable, form).with(errors));
            }
            _ => return again(RefundPage::new(chrome, &desk, form, errors)),
        },
    };
    let left_after = refundable.left.checked_sub(order.amount)?;
    let page = RefundReviewPage {
        chrome,
        reference: desk.booking.reference.clone(),
        amount: order.amount,
        left: refundable.left,
        left_after,
        place: paid_with(refundable),
        has_contact: desk.booking.contact.is_some(),
        leaves_live_ticket: desk.leaves_live_ticket(refundable, order.amount),
        is_ended: desk.only_in_full(),
        parts: refund_lines::in_words(&desk, &order.parts),
        order,
    };
    Ok(Html(page.render()?).into_response())
}

/// What was typed as an order, at the figures of this moment.
fn read<'a>(desk: &'a RefundDesk, form: &RefundForm) -> Result<(&'a Refundable, RefundOrder), FieldErrors> {
    let mut errors = FieldErrors::default();
    let refundable = form.attempt.parse().ok().and_then(|id| desk.of(id));
    let Some(refundable) = refundable.filter(|refundable| refundable.obstacle.is_none()) else {
        errors.add("attempt", "Choose a payment that can be refunded");
        return Err(errors);
    };
    let left = refundable.left;
    let (amount, parts) = how_much(desk, refundable, form, &mut errors);
    let reason = Reason::from_code(&form.reason);
    if reason.is_none() {
        errors.add("reason", "Choose a reason");
    }
    let note = form::optional_text(&mut errors, "note", &form.note, LONGEST_NOTE);
    if reason == Some(Reason::Other) && note.as_deref() == Some("") {
        errors.add("note", "Say what the reason is");
    }
    match (amount, reason, note) {
        (Some(amount), Some(reason), Some(note)) if errors.is_empty() => {
            let (id, attempt) = (RefundId::new(), refundable.attempt.id);
            Ok((refundable, RefundOrder { id, attempt, amount, seen_left: left, reason, note, parts }))
        }
        _ => Err(errors),
    }
}

fn how_much(
    desk: &RefundDesk,
    refundable: &Refundable,
    form: &RefundForm,
    errors: &mut FieldErrors,
) -> (Option<Money>, Vec<LinePart>) {
    let left = refundable.left;
    let (amount, parts) = match form.how.as_str() {
        "all" => (Some(left), Vec::new()),
        // How much is asked on the next page.
        refund_lines::HOW if desk.lines_of(refundable).is_empty() => {
            errors.add("how", "Only the payment behind the tickets can go back by line");
            return (None, Vec::new());
        }
        // How much is asked on the next page.
        refund_lines::HOW if form.lines.is_empty() => return (Some(left), Vec::new()),
        refund_lines::HOW => {
            let lines = desk.lines_of(refundable);
            let parts = refund_lines::read(lines, form, errors);
            refund_lines::check_left(lines, &parts, errors);
            (sum_of(&parts, left).ok().filter(|_| errors.is_empty()), parts)
        }
        _ => (Money::read(&form.amount, left.currency).ok(), Vec::new()),
    };
    let field = if parts.is_empty() { "amount" } else { "lines" };
    match amount.map(|amount| check_amount(&desk.booking, amount, left)) {
        None if form.how == refund_lines::HOW => {}
        None => errors.add(field, format!("Write it like {}, without commas", left.typed())),
        Some(Err(wrong)) => wrong.iter().for_each(|(_, message)| errors.add(field, message)),
        Some(Ok(())) => {}
    }
    (amount, parts)
}

pub async fn confirm(
    State(checkout): State<Checkout>,
    staff: Result<MoneyPower, Response>,
    Path(reference): Path<BookingReference>,
    Form(form): Form<RefundForm>,
) -> Result<Response, AppError> {
    let staff = match staff {
        Ok(staff) => staff,
        // Whoever is asked for a new proof comes back to step 1, which says that nothing was done.
        Err(refused) if refused.status().is_redirection() => {
            let next = format!("/admin/bookings/{reference}/refund?interrupted=1");
            return Ok(prove_and_go_to(&next).into_response());
        }
        Err(refused) => return Ok(refused),
    };
    let reference = reference.as_str();
    let desk = open_desk(&checkout, &staff, reference).await?;
    let order = decided(&desk, &form).ok_or_else(|| {
        AppError::Invalid(FieldErrors::one("refund", "Part of the decision is missing. Begin again"))
    })?;
    checkout.refund_by_staff(staff.user, &desk.booking.reference, &order).await?;
    Ok(Redirect::to(&format!("/admin/bookings/{reference}?done=refunding")).into_response())
}

/// What step 2 sent. Its figures are those that were seen: whether they still hold is asked under the lock.
fn decided(desk: &RefundDesk, form: &RefundForm) -> Option<RefundOrder> {
    let attempt: AttemptId = form.attempt.parse().ok()?;
    let refundable = desk.of(attempt)?;
    let currency = refundable.left.currency;
    let mut errors = FieldErrors::default();
    let parts = match form.how.as_str() {
        refund_lines::HOW => refund_lines::read(desk.lines_of(refundable), form, &mut errors),
        _ => Vec::new(),
    };
    if !errors.is_empty() || (form.how == refund_lines::HOW && parts.is_empty()) {
        return None;
    }
    let note = form::optional_text(&mut FieldErrors::default(), "note", &form.note, LONGEST_NOTE)?;
    Some(RefundOrder {
        id: form.refund.parse().ok()?,
        attempt,
        amount: Money::read(&form.amount, currency).ok()?,
        seen_left: Money::read(&form.seen_left, currency).ok()?,
        reason: Reason::from_code(&form.reason)?,
        note,
        parts,
    })
}
