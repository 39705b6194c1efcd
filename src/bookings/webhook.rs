//! `POST /webhooks/duffel`: verify, take in, answer. Whatever follows is a job.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};

use crate::{
    bookings::Bookings,
    clock::Clock,
    config::SupplierChoice,
    error::{AppError, FieldErrors, Refusal},
    limits::{Limits, Rule},
    supplier::duffel::{EventError, Signing},
    web::client::ClientAddress,
};

/// How Duffel's events are known. Without Duffel there are none.
#[derive(Clone)]
pub struct DuffelDoor(Option<Signing>);

impl DuffelDoor {
    pub fn new(choice: &SupplierChoice, clock: &Clock) -> Self {
        Self(match choice {
            SupplierChoice::Timetable => None,
            SupplierChoice::Duffel(duffel) => {
                Some(Signing::new(duffel.webhook_secrets.clone(), clock.clone()))
            }
        })
    }
}

pub async fn duffel(
    State(DuffelDoor(signing)): State<DuffelDoor>,
    State(bookings): State<Bookings>,
    State(limits): State<Limits>,
    from: ClientAddress,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, AppError> {
    let signing = signing.ok_or(AppError::NotFound)?;
    let signature = headers.get("x-duffel-signature").and_then(|value| value.to_str().ok());
    let event = match signing.read(&body, signature) {
        Ok(event) => event,
        // Only these are counted: however many of them come, what Duffel has signed is taken in.
        Err(error) => {
            limits.take(Rule::WebhookBadSignature, &from.network()).await?;
            return Err(refused(error));
        }
    };
    bookings.receive(&event).await?;
    Ok(StatusCode::OK)
}

fn refused(error: EventError) -> AppError {
    tracing::warn!(%error, "webhook refused");
    match error {
        EventError::NoSignature | EventError::BadSignature | EventError::TooOld => {
            AppError::Refused(Refusal {
                code: "bad_signature",
                title: "Not signed by Duffel",
                detail: "The signature is missing, foreign or too old. Nothing was taken in.".to_owned(),
            })
        }
        EventError::Malformed => AppError::Invalid(FieldErrors::one("body", "This is not an event")),
    }
}
