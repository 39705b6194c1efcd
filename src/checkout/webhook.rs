//! `POST /webhooks/stripe`: verify, put into the inbox, answer. Everything else is a job.

use axum::http::StatusCode;
use axum::{body::Bytes, extract::State, http::HeaderMap, response::IntoResponse};

use crate::{
    checkout::Checkout,
    error::{AppError, FieldErrors, Refusal},
    limits::{Limits, Rule},
    payments::EventError,
    web::client::ClientAddress,
};

/// Deliver an event of Stripe
///
/// For Stripe alone. 200 only after the event is safely ours; anything else makes Stripe deliver it again.
#[utoipa::path(
    post,
    path = "/api/payment/webhook",
    operation_id = "receiveStripeEvent",
    tag = "Stripe",
    request_body(content_type = "application/json", description = "The event, as it was signed. At most 1 MiB."),
    responses(
        (status = 200, description = "Taken in."),
        (status = 422, description = "bad_signature invalid"),
        (status = 429, description = "too_many_requests"),
    ),
    security(("stripe" = [])),
)]
pub async fn stripe(
    State(checkout): State<Checkout>,
    State(limits): State<Limits>,
    from: ClientAddress,
    headers: HeaderMap,
    body: Bytes,
) -> Result<impl IntoResponse, AppError> {
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    let event = match checkout.payments.read_event(&body, signature) {
        Ok(event) => event,
        // Only these are counted: however many of them come, what Stripe has signed is taken in.
        Err(error) => {
            if let EventError::TooOld { signed_at } = error {
                checkout.note_clock_skew(signed_at).await?;
            }
            limits.take(Rule::WebhookBadSignature, &from.network()).await?;
            return Err(refused(error));
        }
    };
    checkout.receive(event).await?;
    Ok(StatusCode::OK)
}

fn refused(error: EventError) -> AppError {
    tracing::warn!(%error, "webhook refused");
    match error {
        EventError::NoSignature | EventError::BadSignature | EventError::TooOld { .. } => {
            AppError::Refused(Refusal {
                code: "bad_signature",
                title: "Not signed by Stripe",
                detail: "The signature is missing, foreign or too old. Nothing was taken in.".to_owned(),
            })
        }
        EventError::Malformed => AppError::Invalid(FieldErrors::one("body", "This is not an event")),
    }
}
