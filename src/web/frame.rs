//! The two rings of layers around every route, and what they know of a request.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::{DefaultBodyLimit, FromRequest, MatchedPath, Request, State},
    http::{Extensions, HeaderName, HeaderValue, Method, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer, timeout::TimeoutLayer};
use tower_sessions::Session;
use tracing::Instrument;

use crate::{
    db,
    error::AppError,
    ids::{self, RequestId},
    meters,
    web::{
        chrome::SiteSettings,
        problem::{self, Problem},
        security,
        session::SessionUser,
    },
};

/// Forms are small. A route that takes more (the webhook) says so with a `DefaultBodyLimit` of its own.
pub const BODY_LIMIT: usize = 64 * 1024;
/// What a webhook may take.
pub const WEBHOOK_LIMIT: usize = 1024 * 1024;
/// Longer than any gateway's own time-out, so that this one only ends what hangs.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// How long a visitor may take to send a form. Far below the limit above, which is for our own slowness.
const BODY_TIME: Duration = Duration::from_secs(10);

/// What is known of a request before anything is done with it. Lives in the request's extensions.
#[derive(Clone, Debug)]
pub struct Frame {
    pub site: Arc<SiteSettings>,
    pub request: RequestId,
    pub nonce: String,
    pub method: Method,
    pub path: String,
    /// Where to come back to after signing in: the page itself, or for a form the page that it stood on.
    pub return_to: String,
}

impl Frame {
    fn new(site: Arc<SiteSettings>, request: &Request) -> Self {
        Self {
            return_to: return_to(&site, request),
            site,
            request: RequestId::new(),
            nonce: ids::random_secret(),
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
        }
    }

    pub fn of(extensions: &Extensions) -> Result<&Self, AppError> {
        let frame = extensions.get::<Arc<Self>>().map(AsRef::as_ref);
        frame.ok_or_else(|| AppError::broken("the route stands outside web::frame::outside"))
    }

    #[cfg(test)]
    pub fn for_tests(path: &str) -> Self {
        let site = SiteSettings {
            name: "Jetbridge".to_owned(),
            legal_name: "Jetbridge Travel Lda".to_owned(),
            address: "Rua do Demo 1, Lisbon".to_owned(),
            public_origin: "http://127.0.0.1:3000".to_owned(),
            checkout_origins: vec!["https://checkout.stripe.com".to_owned()],
            demo: true,
            https: false,
            show_causes: false,
            has_mailbox: true,
        };
        Self {
            site: Arc::new(site),
            request: RequestId::new(),
            nonce: ids::random_secret(),
            method: Method::GET,
            path: path.to_owned(),
            return_to: path.to_owned(),
        }
    }
}

fn return_to(site: &SiteSettings, request: &Request) -> String {
    let own = |uri: &axum::http::Uri| uri.path_and_query().map_or("/".to_owned(), ToString::to_string);
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return own(request.uri());
    }
    let referer = request.headers().get(axum::http::header::REFERER).and_then(|value| value.to_str().ok());
    referer
        .and_then(|referer| referer.strip_prefix(&site.public_origin))
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or("/")
        .to_owned()
}

/// The inner ring: inside the session layer, so that error pages greet the visitor as all others do. The first is outermost.
/// All at once: the router boxes whatever it is given, and each box is made anew for each request by all around it.
pub fn inside<S: Clone + Send + Sync + 'static>(router: Router<S>, site: &Arc<SiteSettings>) -> Router<S> {
    router.layer((
        middleware::from_fn(render_inside),
        CatchPanicLayer::custom(problem::from_panic),
        TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIME_LIMIT),
        security::csrf(site),
        middleware::from_fn(whole_body),
    ))
}

/// The outer ring: around the session layer and everything else.
pub fn outside<S: Clone + Send + Sync + 'static>(router: Router<S>, site: &Arc<SiteSettings>) -> Router<S> {
    router.layer((CompressionLayer::new(), middleware::from_fn_with_state(Arc::clone(site), frame)))
}

/// Has the whole body before anything is done with it, so that a visitor who never finishes is told so (408) and is not
/// taken for a failure of ours (503).
async fn whole_body(request: Request, next: Next) -> Response {
    if HttpBody::is_end_stream(request.body()) {
        return next.run(request).await;
    }
    let limit = if security::is_webhook(request.uri().path()) { WEBHOOK_LIMIT } else { BODY_LIMIT };
    if HttpBody::size_hint(request.body()).lower() > limit as u64 {
        // Too long by its own word: not a byte of it is read.
        return Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE).into_response();
    }
    let (parts, body) = request.into_parts();
    let mut sent = Request::new(body);
    DefaultBodyLimit::max(limit).apply(&mut sent);
    match tokio::time::timeout(BODY_TIME, Bytes::from_request(sent, &())).await {
        Ok(Ok(bytes)) => {
            let mut whole = Request::from_parts(parts, Body::from(bytes));
            DefaultBodyLimit::max(BODY_LIMIT).apply(&mut whole);
            next.run(whole).await
        }
        Ok(Err(refused)) => Problem::of_status(refused.status()).into_response(),
        Err(_) => Problem::of_status(StatusCode::REQUEST_TIMEOUT).into_response(),
    }
}

async fn render_inside(request: Request, next: Next) -> Response {
    let frame = request.extensions().get::<Arc<Frame>>().cloned();
    let session = request.extensions().get::<Session>().cloned();
    let response = next.run(request).await;
    let Some(frame) = frame.filter(|_| problem::needs_rendering(&response)) else { return response };
    let user = match session {
        // An error page must not fail for want of a name in its header.
        Some(session) => SessionUser::read(&session).await.ok().flatten(),
        None => None,
    };
    problem::render(&frame, user, response)
}

async fn frame(State(site): State<Arc<SiteSettings>>, mut request: Request, next: Next) -> Response {
    let frame = Arc::new(Frame::new(site, &request));
    // The route's pattern, never the address itself: that may hold a reference, a name or a token.
    let route = request.extensions().get::<MatchedPath>().map_or("none", |path| path.as_str()).to_owned();
    let span = tracing::info_span!("request", id = %frame.request, method = %frame.method, route = route.as_str(), answer = tracing::field::Empty);
    request.extensions_mut().insert(Arc::clone(&frame));
    let began = Instant::now();
    async move {
        let (response, statements) = db::counting(next.run(request)).await;
        let mut response = problem::render(&frame, None, response);
        security::set_headers(&frame, &mut response);
        if let Ok(id) = HeaderValue::from_str(&frame.request.to_string()) {
            response.headers_mut().insert(HeaderName::from_static("x-request-id"), id);
        }
        let status = response.status().as_u16();
        meters::answered(frame.method.as_str(), &route, status, began.elapsed(), statements);
        tracing::Span::current().record("answer", status);
        tracing::info!(status, "answered");
        response
    }
    .instrument(span)
    .await
}
