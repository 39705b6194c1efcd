//! The HTTP side of the API: who asks, in which version, under which key, and what goes wrong.

use std::sync::{Arc, PoisonError};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, uri::Authority},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use serde_json::Value;
use subtle::ConstantTimeEq;

use super::{
    Call, Inner,
    account::{Answer, new_id},
    faults::{Endpoint, Fault},
    form::Params,
    page,
    refusal::ApiRefusal,
    render,
    requests::{self, Failure},
    wire::Cut,
};

const LARGEST_BODY: usize = 64 * 1024;

pub fn routes(inner: Arc<Inner>) -> Router {
    Router::new()
        .route("/v1/{*path}", any(call))
        .route("/pay/{session}", get(page::show).post(page::submit))
        .route("/pay/{session}/authenticate", get(page::challenge).post(page::answer_challenge))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn(by_own_name))
        .with_state(inner)
}

/// Asked by another site's name that leads here (DNS rebinding), this would be that site's to read. It has no name but
/// those of this machine.
async fn by_own_name(headers: HeaderMap, request: axum::extract::Request, next: Next) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let is_ours = host.is_some_and(|host| matches!(host.host(), "127.0.0.1" | "localhost" | "[::1]"));
    if is_ours { next.run(request).await } else { StatusCode::MISDIRECTED_REQUEST.into_response() }
}

struct Request {
    method: Method,
    path: String,
    params: Params,
    key: Option<String>,
}

struct Reply {
    status: u16,
    body: Value,
    replayed: bool,
}

impl From<ApiRefusal> for Reply {
    fn from(refusal: ApiRefusal) -> Self {
        Self { status: refusal.status, body: refusal.body(), replayed: false }
    }
}

pub async fn call(
    State(inner): State<Arc<Inner>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = match read(&inner, method, &uri, &headers, &body) {
        Ok(request) => request,
        Err(refusal) => return respond(refusal.into(), None),
    };
    let key = request.key.clone();
    let path: Vec<&str> = request.path.split('/').collect();
    let endpoint = Endpoint::of(request.method.as_str(), &path);
    inner.calls.lock().unwrap_or_else(PoisonError::into_inner).push(Call {
        endpoint,
        path: request.path.clone(),
        idempotency_key: key.clone(),
    });
    let Some(_turn) = Turn::take(&inner, key.clone()) else {
        let message = "There is currently another in-progress request using this Idempotent Key.";
        let refusal = ApiRefusal {
            code: Some("idempotency_key_in_use"),
            ..ApiRefusal::plain(409, "idempotency_error", message)
        };
        return respond(refusal.into(), key);
    };
    let fault = inner.faults.take(endpoint);
    match fault {
        Some(Fault::Status(status)) => return respond(outage(status).into(), key),
        Some(Fault::TimeoutBefore) => return lost(&cut),
        Some(Fault::Slow(pause)) => tokio::time::sleep(pause).await,
        Some(Fault::StickyStatus(_) | Fault::TimeoutAfter) | None => {}
    }
    let reply = answer(&inner, &request, &path, fault);
    if fault == Some(Fault::TimeoutAfter) {
        return lost(&cut);
    }
    respond(reply, key)
}

/// One request at a time for one idempotency key, as Stripe has it.
struct Turn {
    inner: Arc<Inner>,
    key: Option<String>,
}

impl Turn {
    fn take(inner: &Arc<Inner>, key: Option<String>) -> Option<Self> {
        let mut busy = inner.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let free = key.as_ref().is_none_or(|key| busy.insert(key.clone()));
        free.then(|| Self { inner: Arc::clone(inner), key })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.inner.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        }
    }
}

fn read(
    inner: &Inner,
    method: Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Request, ApiRefusal> {
    let text_of = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text_of("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let Some(key) = bearer else {
        let message =
            "You did not provide an API key. Send it in the Authorization header, as a bearer token.";
        return Err(ApiRefusal::plain(401, "invalid_request_error", message));
    };
    if !bool::from(key.as_bytes().ct_eq(inner.secret_key.as_bytes())) {
        return Err(ApiRefusal::plain(401, "invalid_request_error", "Invalid API Key provided."));
    }
    if let Some(version) = text_of("stripe-version").filter(|version| *version != render::api_version()) {
        let message = format!("Invalid Stripe API version: {version}");
        return Err(ApiRefusal::plain(400, "invalid_request_error", message));
    }
    let key = text_of("idempotency-key").filter(|_| method == Method::POST).map(str::to_owned);
    if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > 255) {
        let message = "Idempotency keys have between 1 and 255 characters.";
        return Err(ApiRefusal::plain(400, "invalid_request_error", message));
    }
    let form =
        if method == Method::POST { std::str::from_utf8(body) } else { Ok(uri.query().unwrap_or_default()) };
    let form = form.map_err(|_| ApiRefusal::plain(400, "invalid_request_error", "Invalid request body."))?;
    let path = uri.path().trim_start_matches("/v1/").to_owned();
    Ok(Request { params: Params::parse(form), method, path, key })
}

fn answer(inner: &Arc<Inner>, request: &Request, path: &[&str], fault: Option<Fault>) -> Reply {
    let Request { method, params, key, .. } = request;
    let fingerprint = format!("{method} {} {}", request.path, params.fingerprint());
    inner.work(*method == Method::POST, |account, now| {
        if let Some(earlier) = key.as_ref().and_then(|key| account.answer(key)) {
            if earlier.request == fingerprint {
                return Reply { status: earlier.status, body: earlier.body.clone(), replayed: true };
            }
            let message = "Keys for idempotent requests can only be used with the same parameters they were first used with.";
            return ApiRefusal::plain(400, "idempotency_error", message).into();
        }
        let result = match fault {
            Some(Fault::StickyStatus(status)) => Err(Failure::Refused(outage(status))),
            _ => requests::perform(account, method.as_str(), path, params.clone(), now),
        };
        let (reply, remember) = match result {
            Ok(body) => (Reply { status: 200, body, replayed: false }, true),
            Err(Failure::Refused(refusal)) => (refusal.into(), true),
            Err(Failure::Invalid(refusal)) => (Reply::from(refusal), false),
        };
        if let Some(key) = key.clone().filter(|_| remember) {
            let (status, body, at) = (reply.status, reply.body.clone(), now.as_second());
            account.keep_answer(Answer { key, request: fingerprint, status, body, at });
        }
        reply
    })
}

fn outage(status: u16) -> ApiRefusal {
    match status {
        429 => ApiRefusal {
            code: Some("rate_limit"),
            ..ApiRefusal::plain(429, "invalid_request_error", "Too many requests, try again later.")
        },
        _ => ApiRefusal::plain(status, "api_error", "An error occurred in the sandbox, as ordered."),
    }
}

fn lost(cut: &Cut) -> Response {
    cut.now();
    StatusCode::NO_CONTENT.into_response()
}

fn respond(reply: Reply, key: Option<String>) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(reply.body)).into_response();
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set("request-id", &new_id("req", 14));
    set("stripe-version", &render::api_version());
    if let Some(key) = key {
        set("idempotency-key", &key);
    }
    if reply.replayed {
        set("idempotent-replayed", "true");
    }
    response
}
