//! `GET /metrics`, for those who have the token.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::Vitals;
use crate::error::AppError;

const FORMAT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const UNKNOWN: &str = r#"{"title":"These figures are for those who have the token","status":401}"#;

pub async fn metrics(State(vitals): State<Vitals>, headers: HeaderMap) -> Result<Response, AppError> {
    let watch = vitals.watch.as_ref().ok_or(AppError::NotFound)?;
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = given.strip_prefix("Bearer ").unwrap_or_default();
    let private = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(match vitals.read(watch, token).await {
        Some(text) => ([(header::CONTENT_TYPE, FORMAT), private], text).into_response(),
        None => {
            let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
            let ask = (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            (StatusCode::UNAUTHORIZED, [kind, ask, private], UNKNOWN).into_response()
        }
    })
}
