//! The one way in which things go wrong. Whatever fails, a handler, an extractor, a layer or a panic, becomes a response
//! with a [`Problem`] in its extensions; one function renders it, as `error.html` or as `application/problem+json`.

mod page;

use std::{any::Any, error::Error, fmt::Write, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    db,
    error::{AppError, FieldErrors, InternalError, Quota, Refusal},
    web::{
        chrome::Chrome,
        codes::{self, ErrorAt, PROBLEM_JSON, ProblemBody},
        frame::Frame,
        security,
        session::SessionUser,
    },
};

/// What a person or a program is told. Public: nothing in it comes from inside a 5xx.
#[derive(Clone, Debug)]
pub struct Problem {
    pub status: StatusCode,
    /// Stable, for programs.
    pub code: &'static str,
    pub title: String,
    pub detail: String,
    pub errors: FieldErrors,
    pub retry_after_seconds: Option<u32>,
    /// Which limit was reached.
    quota: Option<Quota>,
    /// Facts that a program can act on.
    about: Option<Value>,
    cause: Option<Arc<AppError>>,
}

const UNSAVED: &str =
    "You are not signed in any more, so nothing of the form was saved. Sign in, then fill it in again.";

/// Marks a response that has been rendered, so that the outer ring leaves it alone.
#[derive(Clone, Copy)]
struct Rendered;

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &str, detail: &str) -> Self {
        Self {
            status,
            code,
            title: title.to_owned(),
            detail: detail.to_owned(),
            errors: FieldErrors::default(),
            retry_after_seconds: None,
            quota: None,
            about: None,
            cause: None,
        }
    }

    /// With facts that a program can act on.
    pub fn about(mut self, facts: Value) -> Self {
        self.about = Some(facts);
        self
    }

    /// Asking again makes sense after a while.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    pub fn refusal(status: StatusCode, refusal: &Refusal) -> Self {
        Self::new(status, refusal.code, refusal.title, &refusal.detail)
    }

    /// For answers that carry a status and nothing else: those of the router, of extractors and of layers.
    pub fn of_status(status: StatusCode) -> Self {
        let (code, title, detail) = match status {
            StatusCode::BAD_REQUEST => {
                ("bad_request", "That request made no sense to us", "Part of it could not be read.")
            }
            StatusCode::UNAUTHORIZED => {
                ("unauthenticated", "Sign in first", "This is for people with an account.")
            }
            StatusCode::FORBIDDEN => (
                "forbidden",
                "This is not for your account",
                "You are signed in, but this page is for others.",
            ),
            StatusCode::NOT_FOUND => (
                "not_found",
                "There is nothing at this address",
                "It was mistyped, or it belongs to another account. Both look the same from here.",
            ),
            StatusCode::NOT_ACCEPTABLE => (
                "not_acceptable",
                "There is nothing here of the kind that you take",
                "Answers of the API are application/json, its page is text/html. Name that in Accept, or leave it out.",
            ),
            StatusCode::METHOD_NOT_ALLOWED => (
                "method_not_allowed",
                "This address does not take that",
                "It was asked in a way it does not know.",
            ),
            StatusCode::REQUEST_TIMEOUT => (
                "request_timeout",
                "Your request did not arrive in time",
                "Only a part of it reached us, and nothing was done with that. Send it again.",
            ),
            StatusCode::MISDIRECTED_REQUEST => (
                "misdirected",
                "This site is not at that address",
                "The request named another site than this one. Type the address that you were given.",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => (
                "too_large",
                "That was too much at once",
                "The form was larger than we read. Shorten it and send it again.",
            ),
            StatusCode::URI_TOO_LONG => {
                ("uri_too_long", "That address is too long", "Search again from the first page.")
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => (
                "unsupported_media_type",
                "We cannot read that kind of content",
                "Send it from the form on our page.",
            ),
            StatusCode::UNPROCESSABLE_ENTITY => (
                "unprocessable",
                "Part of the form was missing or sent twice",
                "Go back, look at the form once more and send it again.",
            ),
            StatusCode::TOO_MANY_REQUESTS => {
                ("too_many_requests", "Please wait a little", "There were too many requests from your side.")
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => (
                "unavailable",
                "This took too long",
                "Something we depend on did not answer in time. Try again in a minute.",
            ),
            other if other.is_client_error() => {
                ("refused", "That was refused", "The request could not be taken.")
            }
            _ => (
                "internal",
                "Something broke on our side",
                "It is not your fault. It has been written down and we will look.",
            ),
        };
        Self::new(status, code, title, detail)
    }

    /// PostgreSQL does not answer. Whether the last word before that was kept, nobody can say now.
    fn away() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Our books are closed for a moment",
            "We cannot reach the records of bookings, so nothing can be shown or done. Try again in a minute. If you sent something, look whether it arrived before you send it again.",
        )
    }

    /// The same for whoever sends bodies rather than forms. What a handler has said in words of its own stays.
    fn for_programs(self) -> Self {
        let Some((title, detail)) = codes::words_for_programs(self.code) else { return self };
        let page = Self::of_status(self.status);
        let has_own = self.code != "invalid" && self.detail != page.detail;
        Self {
            title: title.to_owned(),
            detail: if has_own { self.detail } else { detail.to_owned() },
            ..self
        }
    }

    fn with_errors(mut self, errors: FieldErrors) -> Self {
        self.errors = errors;
        self
    }
}

impl From<&AppError> for Problem {
    fn from(error: &AppError) -> Self {
        match error {
            AppError::Unauthenticated => Self::of_status(StatusCode::UNAUTHORIZED),
            AppError::Forbidden => Self::of_status(StatusCode::FORBIDDEN),
            AppError::Barred(refusal) => Self::refusal(StatusCode::FORBIDDEN, refusal),
            AppError::NotFound => Self::of_status(StatusCode::NOT_FOUND),
            AppError::Invalid(errors) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                "Please correct what you sent",
                "Some of it does not fit. Go back, correct it and send it again.",
            )
            .with_errors(errors.clone()),
            AppError::Refused(refusal) => Self::refusal(StatusCode::UNPROCESSABLE_ENTITY, refusal),
            AppError::Conflict(refusal) => Self::refusal(StatusCode::CONFLICT, refusal),
            AppError::Gone(refusal) => Self::refusal(StatusCode::GONE, refusal),
            AppError::TooMany(too_many) => Self {
                detail: too_many.detail.to_owned(),
                retry_after_seconds: Some(too_many.retry_after_seconds),
                quota: too_many.quota,
                ..Self::of_status(StatusCode::TOO_MANY_REQUESTS)
            },
            AppError::Busy { retry_after_seconds } => Self {
                retry_after_seconds: Some(*retry_after_seconds),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "busy",
                    "Too many people at the door",
                    "More people sign in at this moment than we can check at once, so nothing was done. The rest of the site works.",
                )
            },
            AppError::Upstream { service, detail, .. } => {
                let title = format!("{} does not answer", upstream_name(service));
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "upstream_unavailable", &title, detail)
            }
            AppError::Internal(InternalError::Database(error)) if db::is_away(error) => Self::away(),
            AppError::Internal(_) => Self::of_status(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

fn upstream_name(service: &str) -> &str {
    match service {
        "stripe" | "payments" => "The payment service",
        "supplier" => "The airline system",
        "mail" => "The mail service",
        _ => "A service that we need",
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let mut problem = Problem::from(&self);
        problem.cause = Some(Arc::new(self));
        problem.into_response()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        response.extensions_mut().insert(self);
        response
    }
}

pub fn from_panic(panic: Box<dyn Any + Send + 'static>) -> Response<Body> {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&'static str>().copied())
        .unwrap_or("without words");
    AppError::broken(format!("panic: {what}")).into_response()
}

/// An error that nobody has put into words yet. A page of its own (a form again, with its errors) is left alone.
pub fn needs_rendering(response: &Response) -> bool {
    if response.extensions().get::<Rendered>().is_some() {
        return false;
    }
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_bare = content_type.is_none_or(|kind| kind.starts_with("text/plain"));
    response.extensions().get::<Problem>().is_some() || (is_error && is_bare)
}

/// It was put into words before.
pub fn leave_alone(response: &mut Response) {
    response.extensions_mut().insert(Rendered);
}

pub fn render(frame: &Frame, user: Option<SessionUser>, mut response: Response) -> Response {
    if !needs_rendering(&response) || is_probe(&frame.path) {
        return response;
    }
    let mut problem = response
        .extensions_mut()
        .remove::<Problem>()
        .unwrap_or_else(|| Problem::of_status(response.status()));
    let is_program = frame.path.starts_with("/api/") || security::is_webhook(&frame.path);
    if is_program {
        problem = problem.for_programs();
    }
    if problem.status == StatusCode::UNAUTHORIZED && frame.method == Method::POST && !is_program {
        // A session that ended over a long form: whoever comes back must not think that the form is kept.
        UNSAVED.clone_into(&mut problem.detail);
    }
    log(&problem);
    let chrome = Chrome::new(frame, user);
    let mut rendered = if is_program {
        as_json(frame, &problem)
    } else if problem.status == StatusCode::UNAUTHORIZED && matches!(frame.method, Method::GET | Method::HEAD)
    {
        to_login(frame)
    } else {
        page::as_page(frame, chrome, &problem)
    };
    // What a layer said besides the status stays true: Allow of a 405, Retry-After, cookies.
    for (name, value) in response.headers() {
        if !matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH) {
            rendered.headers_mut().append(name, value.clone());
        }
    }
    if is_program && problem.status == StatusCode::UNAUTHORIZED {
        // Whatever refused, a 401 says how to prove oneself (RFC 9110, 15.5.2).
        let challenge = HeaderValue::from_static(r#"Bearer realm="api""#);
        rendered.headers_mut().entry(header::WWW_AUTHENTICATE).or_insert(challenge);
    }
    if let Some(seconds) = problem.retry_after_seconds.or_else(|| usual_wait(problem.status)) {
        rendered.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        if let Some(quota) = problem.quota.filter(|_| is_program) {
            tell_limit(rendered.headers_mut(), quota, seconds);
        }
    }
    rendered.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    leave_alone(&mut rendered);
    rendered
}

/// What does not answer now is worth another try, but not at once.
fn usual_wait(status: StatusCode) -> Option<u32> {
    (status == StatusCode::SERVICE_UNAVAILABLE).then_some(20)
}

/// The limit that was reached, as drafted by the IETF (draft-ietf-httpapi-ratelimit-headers): nothing remains, and when
/// something will.
fn tell_limit(headers: &mut HeaderMap, quota: Quota, seconds: u32) {
    for (header, value) in [("ratelimit-policy", quota.policy()), ("ratelimit", quota.left(0, seconds))] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(header, value);
        }
    }
}

/// Health probes answer a machine that reads the status alone.
fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

fn log(problem: &Problem) {
    let cause = problem.cause.as_deref().map(causes).unwrap_or_default();
    if problem.code == "busy" {
        tracing::warn!("turned away: the queue is full");
    } else if problem.status.is_server_error() {
        tracing::error!(status = problem.status.as_u16(), code = problem.code, cause, "failed");
    } else {
        tracing::debug!(status = problem.status.as_u16(), code = problem.code, "refused");
    }
}

/// In development only: what is inside of a 5xx is nobody's outside.
fn shows_cause(frame: &Frame, problem: &Problem) -> bool {
    frame.site.show_causes && problem.status.is_server_error()
}

/// The whole chain, outermost first.
fn causes(error: &AppError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let _ = write!(text, ": {source}");
        next = source.source();
    }
    text
}

fn as_json(frame: &Frame, problem: &Problem) -> Response {
    let errors = problem.errors.iter();
    let body = ProblemBody {
        kind: "about:blank",
        title: &problem.title,
        status: problem.status.as_u16(),
        detail: &problem.detail,
        code: problem.code,
        errors: errors.map(|(field, detail)| ErrorAt { pointer: pointer(field), detail }).collect(),
        request_id: frame.request,
        about: problem.about.as_ref(),
        cause: problem.cause.as_deref().filter(|_| shows_cause(frame, problem)).map(causes),
    };
    let kind = HeaderValue::from_static(PROBLEM_JSON);
    (problem.status, [(header::CONTENT_TYPE, kind)], json!(body).to_string()).into_response()
}

/// RFC 6901: the whole body is the empty pointer. What begins with a slash is a pointer already.
fn pointer(field: &str) -> String {
    if field.is_empty() || field.starts_with('/') {
        field.to_owned()
    } else {
        format!("/{}", field.replace('.', "/"))
    }
}

fn to_login(frame: &Frame) -> Response {
    let location = login_address(&frame.return_to);
    match HeaderValue::from_str(&location) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(_) => StatusCode::UNAUTHORIZED.into_response(),
    }
}

fn login_address(return_to: &str) -> String {
    let next: String = url::form_urlencoded::byte_serialize(return_to.as_bytes()).collect();
    format!("/login?next={next}")
}

#[cfg(test)]
mod tests;
