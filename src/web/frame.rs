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
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};
use tower_sessions::{Session, SessionManagerLayer, SessionStore};
use tracing::Instrument;

use crate::{
    clock::Clock,
    config::Config,
    db::{self, Db},
    error::AppError,
    ids::{self, RequestId},
    meters,
    web::{
        chrome::SiteSettings,
        host,
        problem::{self, Problem},
        security,
        session::{self, SessionUser},
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

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

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
            request: RequestId::random(),
            nonce: ids::random_nonce(),
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
        }
    }

    pub fn of(extensions: &Extensions) -> Result<&Self, AppError> {
        let frame = extensions.get::<Arc<Self>>().map(AsRef::as_ref);
        frame.ok_or_else(|| AppError::broken("the route stands outside web::frame::around"))
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
            request: RequestId::random(),
            nonce: ids::random_nonce(),
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

/// What the layers know of the shop.
pub struct House {
    pub site: Arc<SiteSettings>,
    pub config: Arc<Config>,
    pub db: Db,
    pub clock: Clock,
}

/// All layers around every route, the outermost first. All at once: the router boxes whatever it is given, and each layer
/// made of a function clones and boxes all that is inside of it for each request. So there are few of both.
pub fn around<S>(
    router: Router<S>,
    house: House,
    sessions: SessionManagerLayer<impl SessionStore + Clone>,
) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let csrf = security::csrf(&house.site);
    let house = Arc::new(house);
    router.layer((
        CompressionLayer::new(),
        middleware::from_fn_with_state(Arc::clone(&house), outside),
        sessions,
        middleware::from_fn_with_state(house, inside),
        CatchPanicLayer::custom(problem::from_panic),
        csrf,
        middleware::from_fn(whole_body),
    ))
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

/// The outer ring, around the session layer and everything else: names the request, opens its span, and gives whatever comes
/// of it the words and the headers that every answer has.
async fn outside(State(house): State<Arc<House>>, mut request: Request, next: Next) -> Response {
    let frame = Arc::new(Frame::new(Arc::clone(&house.site), &request));
    // The route's pattern, never the address itself: that may hold a reference, a name or a token.
    let route = request.extensions().get::<MatchedPath>().map_or("none", |path| path.as_str()).to_owned();
    let span = tracing::info_span!("request", id = %frame.request, method = %frame.method, route = route.as_str(), answer = tracing::field::Empty);
    request.extensions_mut().insert(Arc::clone(&frame));
    let began = Instant::now();
    async move {
        let (response, statements) = match host::turned_away(&house.config, &request) {
            Some(elsewhere) => (elsewhere, 0),
            None => db::counting(next.run(request)).await,
        };
        let mut response = problem::render(&frame, None, response);
        security::set_headers(&frame, &mut response);
        if let Ok(id) = HeaderValue::try_from(frame.request.to_string()) {
            response.headers_mut().insert(&REQUEST_ID, id);
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

/// The inner ring, inside the session layer, so that error pages greet the visitor as all others do.
async fn inside(State(house): State<Arc<House>>, session: Session, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if let Err(error) = session::keep_time(&house.db, &session, house.clock.now(), path).await {
        return error.into_response();
    }
    let frame = request.extensions().get::<Arc<Frame>>().cloned();
    let response = match tokio::time::timeout(TIME_LIMIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    let Some(frame) = frame.filter(|_| problem::needs_rendering(&response)) else { return response };
    // An error page must not fail for want of a name in its header.
    let user = SessionUser::read(&session).await.ok().flatten();
    problem::render(&frame, user, response)
}
