//! Giving money back, in the two steps of the page: what and why, which answers what that would mean; then the decision on
//! exactly that. Sent twice, it is one refund.

use axum::{
    Json as Answer,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::lines::{self, LineAsked, RefundLine};
use crate::{
    checkout::{
        Checkout,
        price_lines::{check_lines, sum_of},
        staff_refund::{LONGEST_NOTE, Reason, RefundDesk, RefundOrder, Refundable, check_amount},
    },
    error::{AppError, FieldErrors},
    ids::{AttemptId, BookingReference, RefundId},
    money,
    web::{
        form::{self, Path},
        json::Json,
        proof::MoneyPower,
        shapes::{Money, Sum},
    },
};

/// What is to go back of which payment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundAsked {
    #[schema(value_type = AttemptId)]
    attempt: Option<AttemptId>,
    /// Without it, what the lines come to; without lines, all that is left. Of a booking that ended without tickets only all
    /// of it goes.
    #[schema(nullable = false)]
    amount: Option<Sum>,
    /// Of which lines of the price how much goes back: they are among the booking's `price_lines`.
    #[serde(default)]
    #[schema(max_items = 99)]
    lines: Vec<LineAsked>,
    /// One of `goodwill`, `schedule_change`, `not_provided`, `charged_twice`, `airline_refund` and `other`.
    #[serde(default)]
    #[schema(required, example = "goodwill")]
    reason: String,
    /// Needed with `other`.
    #[serde(default)]
    #[schema(max_length = 300, example = "a long wait")]
    note: String,
}

/// What the refund would mean. Nothing has moved: POST …/refunds with `id`, `attempt`, `amount`, `lines`, `left`, `reason` and
/// `note` decides it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefundQuote {
    id: RefundId,
    attempt: AttemptId,
    amount: Money,
    lines: Vec<RefundLine>,
    /// Of this payment, before the refund.
    left: Money,
    left_after: Money,
    /// Where it goes: brand and last four digits.
    #[schema(required, example = "visa 4242")]
    card: Option<String>,
    /// The last of the money behind tickets that can still be flown. A person is told.
    leaves_live_ticket: bool,
    /// The traveller gets a mail about it.
    tells_traveller: bool,
    #[schema(example = "goodwill")]
    reason: &'static str,
    #[schema(example = "a long wait")]
    note: String,
}

/// Ask what a refund would mean
///
/// Nothing moves. The answer holds what the decision has to say.
#[utoipa::path(
    post,
    path = "/api/admin/bookings/{reference}/refund-quote",
    operation_id = "quoteRefund",
    tag = "Staff",
    params(("reference" = String, Path, description = "Six letters and digits.")),
    request_body = RefundAsked,
    responses(
        (status = 200, description = "What it would mean.", body = RefundQuote),
        (status = 403, description = "forbidden role_may_not no_tokens_here second_factor_missing proof_too_old"),
        (status = 409, description = "quarantined disputed refunded_elsewhere not_captured nothing_left in_flight returning"),
    ),
    security(("session" = [])),
)]
pub async fn quote(
    State(checkout): State<Checkout>,
    staff: MoneyPower,
    Path(reference): Path<BookingReference>,
    Json(asked): Json<RefundAsked>,
) -> Result<Answer<RefundQuote>, AppError> {
    let desk = checkout.refund_desk(staff.user, &reference).await?;
    let (refundable, order) = asked.check(&desk)?;
    if let Some(refusal) = &refundable.obstacle {
        return Err(AppError::Conflict(refusal.clone()));
    }
    check_amount(&desk.booking, order.amount, refundable.left).map_err(AppError::Invalid)?;
    if !order.parts.is_empty() {
        check_lines(desk.lines_of(refundable), &order.parts, order.amount).map_err(AppError::Invalid)?;
    }
    let card = refundable.attempt.card.as_ref();
    Ok(Answer(RefundQuote {
        id: order.id,
        attempt: order.attempt,
        amount: order.amount.into(),
        lines: order.parts.iter().map(RefundLine::of).collect(),
        left: refundable.left.into(),
        left_after: refundable.left.checked_sub(order.amount)?.into(),
        card: card.map(|(brand, last4)| format!("{brand} {last4}")),
        leaves_live_ticket: desk.leaves_live_ticket(refundable, order.amount),
        tells_traveller: desk.booking.contact.is_some(),
        reason: order.reason.code(),
        note: order.note,
    }))
}

impl RefundAsked {
    fn check<'a>(&self, desk: &'a RefundDesk) -> Result<(&'a Refundable, RefundOrder), AppError> {
        let mut errors = FieldErrors::default();
        let refundable = self.attempt.and_then(|id| desk.of(id));
        if refundable.is_none() {
            errors.add("attempt", "One of the payments of this booking");
        }
        let left = refundable.map(|refundable| refundable.left);
        let parts = lines::check(&self.lines, &mut errors);
        let amount = match &self.amount {
            Some(sum) => sum.check(&mut errors, "amount"),
            None if parts.is_empty() => left,
            None => left.and_then(|left| sum_of(&parts, left).ok()),
        };
        if amount.is_none() && errors.is_empty() {
            errors.add("lines", "Amounts in the currency of the payment");
        }
        let (reason, note) = why(&mut errors, &self.reason, &self.note);
        match (refundable, amount, reason, note) {
            (Some(refundable), Some(amount), Some(reason), Some(note)) if errors.is_empty() => {
                let (id, attempt, seen_left) = (RefundId::new(), refundable.attempt.id, refundable.left);
                Ok((refundable, RefundOrder { id, attempt, amount, seen_left, reason, note, parts }))
            }
            _ => Err(AppError::Invalid(errors)),
        }
    }
}

fn why(errors: &mut FieldErrors, reason: &str, note: &str) -> (Option<Reason>, Option<String>) {
    let reason = Reason::from_code(reason);
    if reason.is_none() {
        let codes: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        errors.add("reason", format!("One of {}", codes.join(", ")));
    }
    let note = form::optional_text(errors, "note", note, LONGEST_NOTE);
    if reason == Some(Reason::Other) && note.as_deref() == Some("") {
        errors.add("note", "Say what the reason is");
    }
    (reason, note)
}

/// The decision on what was seen.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundDecision {
    /// The quote's.
    #[schema(value_type = RefundId)]
    id: Option<RefundId>,
    #[schema(value_type = AttemptId)]
    attempt: Option<AttemptId>,
    #[schema(value_type = Sum)]
    amount: Option<Sum>,
    /// The quote's.
    #[serde(default)]
    #[schema(max_items = 99)]
    lines: Vec<LineAsked>,
    /// `left` of the quote. If it is another by now, nothing is refunded.
    #[schema(value_type = Sum)]
    left: Option<Sum>,
    /// The quote's.
    #[serde(default)]
    #[schema(required, example = "goodwill")]
    reason: String,
    #[serde(default)]
    #[schema(max_length = 300, example = "a long wait")]
    note: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RefundMade {
    id: RefundId,
    attempt: AttemptId,
    amount: Money,
}

impl RefundDecision {
    fn check(&self) -> Result<RefundOrder, AppError> {
        let mut errors = FieldErrors::default();
        for (field, is_missing) in [("id", self.id.is_none()), ("attempt", self.attempt.is_none())] {
            if is_missing {
                errors.add(field, "As the quote has it");
            }
        }
        let mut sum = |field: &str, given: Option<&Sum>| -> Option<money::Money> {
            let Some(sum) = given else {
                errors.add(field, "As the quote has it");
                return None;
            };
            sum.check(&mut errors, field)
        };
        let (amount, seen_left) = (sum("amount", self.amount.as_ref()), sum("left", self.left.as_ref()));
        let parts = lines::check(&self.lines, &mut errors);
        let (reason, note) = why(&mut errors, &self.reason, &self.note);
        match (self.id, self.attempt, amount, seen_left, reason, note) {
            (Some(id), Some(attempt), Some(amount), Some(seen_left), Some(reason), Some(note))
                if errors.is_empty() =>
            {
                Ok(RefundOrder { id, attempt, amount, seen_left, reason, note, parts })
            }
            _ => Err(AppError::Invalid(errors)),
        }
    }
}

/// Give money back
///
/// By somebody whose role may, who has a second factor and has shown a code of it in the last five minutes. It goes back to
/// where it was paid from, and the traveller gets a mail. The same decision sent again is no second refund.
#[utoipa::path(
    post,
    path = "/api/admin/bookings/{reference}/refunds",
    operation_id = "refundBooking",
    tag = "Staff",
    params(("reference" = String, Path, description = "Six letters and digits.")),
    request_body = RefundDecision,
    responses(
        (status = 201, description = "Promised: a job asks Stripe at once. Location is the booking.", body = RefundMade),
        (status = 403, description = "forbidden role_may_not no_tokens_here second_factor_missing proof_too_old"),
        (status = 409, description = "figures_changed quarantined disputed refunded_elsewhere not_captured nothing_left in_flight returning"),
    ),
    security(("session" = [])),
)]
pub async fn refund(
    State(checkout): State<Checkout>,
    staff: MoneyPower,
    Path(reference): Path<BookingReference>,
    Json(decision): Json<RefundDecision>,
) -> Result<Response, AppError> {
    // A booking that is not there is told before what is wrong with the decision.
    let desk = checkout.refund_desk(staff.user, &reference).await?;
    let order = decision.check()?;
    checkout.refund_by_staff(staff.user, &desk.booking.reference, &order).await?;
    let address = [(header::LOCATION, format!("/api/admin/bookings/{}", desk.booking.reference))];
    let made = RefundMade { id: order.id, attempt: order.attempt, amount: order.amount.into() };
    Ok((StatusCode::CREATED, address, Answer(made)).into_response())
}
