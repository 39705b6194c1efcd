//! A refund that failed, recorded as paid another way: the twin of its page.

use axum::{
    Json as Answer,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    admin::pages::payout::read,
    checkout::{Checkout, api::shapes::PaidByHand},
    error::AppError,
    ids::{BookingReference, RefundId},
    web::{form::Path, json::Json, proof::MoneyPower, shapes::Money},
};

/// How it was paid. The amount is the refund's own.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PayoutAsked {
    /// One of `bank_transfer`, `cash` and `other`.
    #[serde(default)]
    #[schema(required, example = "bank_transfer")]
    way: String,
    /// The day on which the money left.
    #[serde(default)]
    #[schema(required, value_type = jiff::civil::Date, example = "2026-11-21")]
    paid_on: String,
    /// What it can be found by: the bank's number of the transfer, or the number of the receipt. The traveller reads it.
    #[serde(default)]
    #[schema(required, min_length = 1, max_length = 200, example = "FT26325-0041")]
    proof: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PayoutMade {
    refund: RefundId,
    amount: Money,
    paid_by_hand: PaidByHand,
}

/// Record a failed refund as paid by hand
///
/// No money moves: that has happened past Stripe. By somebody whose role may refund, who has a second factor and has shown a
/// code of it in the last five minutes. It closes the refund for good, and the traveller gets a mail. The same words of the
/// same person again record nothing more.
#[utoipa::path(
    post,
    path = "/api/admin/bookings/{reference}/refunds/{refund}/payout",
    operation_id = "recordPayout",
    tag = "Staff",
    params(
        ("reference" = String, Path, description = "Six letters and digits."),
        ("refund" = RefundId, Path, description = "Of the booking's `refunds`, one that failed."),
    ),
    request_body = PayoutAsked,
    responses(
        (status = 201, description = "Recorded, and in the ledger. Location is the booking.", body = PayoutMade),
        (status = 403, description = "forbidden role_may_not no_tokens_here second_factor_missing proof_too_old"),
        (status = 409, description = "paid_already not_failed not_owed quarantined disputed refunded_elsewhere not_captured nothing_left in_flight returning"),
    ),
    security(("session" = [])),
)]
pub async fn record(
    State(checkout): State<Checkout>,
    staff: MoneyPower,
    Path((reference, refund)): Path<(BookingReference, RefundId)>,
    Json(asked): Json<PayoutAsked>,
) -> Result<Response, AppError> {
    // A refund that is not there is told before what is wrong with the body.
    let desk = checkout.payout_desk(&reference, refund).await?;
    let payout = read(&asked.way, &asked.paid_on, &asked.proof).map_err(AppError::Invalid)?;
    checkout.pay_by_hand(staff.user, &reference, refund, &payout).await?;
    let address = [(header::LOCATION, format!("/api/admin/bookings/{reference}"))];
    let made = PayoutMade { refund, amount: desk.refund.amount.into(), paid_by_hand: payout.into() };
    Ok((StatusCode::CREATED, address, Answer(made)).into_response())
}
