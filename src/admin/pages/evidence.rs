//! The evidence of a charge as one download.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};

use crate::{
    admin::evidence,
    checkout::Checkout,
    config::Config,
    error::AppError,
    ids::BookingReference,
    papers::Issuer,
    web::{
        form::Path,
        powers::{May, RefundMoney},
    },
};

/// By a button, not a link: it names people in full, and each time is written down.
pub async fn take(
    State(checkout): State<Checkout>,
    State(config): State<Arc<Config>>,
    staff: May<RefundMoney>,
    Path(reference): Path<BookingReference>,
) -> Result<Response, AppError> {
    let pack = evidence::pack(&checkout, Issuer::from(&*config), staff.user, &reference).await?;
    let headers: [(HeaderName, String); 2] = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", pack.name)),
    ];
    Ok((headers, pack.bytes).into_response())
}
