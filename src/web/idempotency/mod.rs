//! `Idempotency-Key`: a program that lost an answer sends the same call again and gets that answer, and nothing is done
//! twice. A layer around the routes of the API; the answers of 24 hours are kept sealed.
//!
//! The work itself runs in a task of its own: a caller who hangs up ends neither the work nor the keeping of its answer, so
//! whoever asks again finds it. What a crash broke off is free to be done again once its lock has run out.

mod store;

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tower_sessions::Session;
use tracing::Instrument;
use uuid::Uuid;

use self::store::{Begun, Row};
use crate::{
    clock::Clock,
    db::{Db, System, Tx},
    error::{AppError, Refusal},
    ids::RequestId,
    vault::Vault,
    web::{
        bearer,
        frame::{BODY_LIMIT, Frame},
        problem::{self, Problem},
        session::SessionUser,
    },
};

pub const KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

const LONGEST_KEY: usize = 255;
const KEEP: SignedDuration = SignedDuration::from_hours(24);
/// A call that works for longer is given up. Well under [`LOCK`], so that nobody else has begun by then.
const LONGEST_CALL: Duration = Duration::from_secs(90);
const LOCK: SignedDuration = SignedDuration::from_secs(120);
const MOST_KEPT: usize = 512 * 1024;
const PURPOSE: &str = "idempotency";
/// What of an answer is told again. The rest belongs to the moment, or is added by the layers around.
const HEADERS: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::LOCATION, header::WWW_AUTHENTICATE, header::RETRY_AFTER];

/// What the layer needs.
#[derive(Clone)]
pub struct Calls {
    pub db: Db,
    pub clock: Clock,
    pub vault: Vault,
}

/// Around every route of the API. Calls without a key, and those that only read, pass.
pub async fn once(State(calls): State<Calls>, request: Request, next: Next) -> Response {
    // Those of our operations that change something; any other is refused behind us, whatever its key.
    let changes = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH | Method::DELETE);
    if !changes {
        return next.run(request).await;
    }
    let key = match read_key(request.headers()) {
        Ok(None) => return next.run(request).await,
        Ok(Some(key)) => key,
        Err(refused) => return (*refused).into_response(),
    };
    match calls.answer(&key, request, next).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

/// As the program wrote it, in quotes (RFC 9651) or not.
fn read_key(headers: &HeaderMap) -> Result<Option<String>, Box<Problem>> {
    let mut all = headers.get_all(&KEY).iter();
    let Some(only) = all.next() else { return Ok(None) };
    let text = only.to_str().unwrap_or_default();
    let is_good = (1..=LONGEST_KEY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_good && all.next().is_none() {
        return Ok(Some(text.to_owned()));
    }
    let mut problem = Problem::of_status(StatusCode::BAD_REQUEST);
    problem.code = "bad_idempotency_key";
    "This is no Idempotency-Key".clone_into(&mut problem.title);
    problem.detail =
        format!("One header of 1 to {LONGEST_KEY} visible ASCII characters. A random UUID is good.");
    Err(Box::new(problem))
}

/// One call as its key names it.
struct Call {
    key_hash: [u8; 32],
    call_hash: [u8; 32],
    owner: Uuid,
    /// Whoever calls is known, so that what they may be told is worth keeping even if it is a refusal.
    is_known: bool,
}

/// What becomes of a call, once it is known what stands under its key.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing, or what has expired or was broken off: it is done now.
    Free,
    Running,
    Answered,
    /// The key was used for something else.
    Other,
}

impl Row {
    fn standing(&self, is_same_call: bool, now: Timestamp) -> Standing {
        if self.expires_at <= now {
            Standing::Free
        } else if !is_same_call {
            Standing::Other
        } else if self.answer.is_some() {
            Standing::Answered
        } else if self.locked_until <= now {
            Standing::Free
        } else {
            Standing::Running
        }
    }
}

impl Calls {
    async fn answer(self, key: &str, request: Request, next: Next) -> Result<Response, AppError> {
        let frame = Frame::of(request.extensions())?.clone();
        let (parts, body) = request.into_parts();
        // `frame::whole_body` has it in memory already.
        let body = axum::body::to_bytes(body, BODY_LIMIT).await;
        let body = body.map_err(|error| AppError::broken(format!("a body that was read: {error}")))?;
        let who = self.caller(&parts.headers, parts.extensions.get::<Session>()).await?;
        let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
        let message = [parts.method.as_str().as_bytes(), target.as_bytes(), &body].join(&b'\n');
        let call = Call {
            key_hash: Sha256::digest(format!("{who}\n{key}")).into(),
            call_hash: self.vault.sign(PURPOSE, &message),
            owner: RequestId::new().0,
            is_known: who != ANONYMOUS,
        };
        match self.begin(&call, &message).await? {
            Begun::Mine => {}
            Begun::Theirs(Standing::Other, _) => return Ok(other_call().into_response()),
            Begun::Theirs(Standing::Answered, sealed) => return self.replay(&call, &sealed),
            Begun::Theirs(..) => return Ok(in_flight().into_response()),
        }
        let request = Request::from_parts(parts, Body::from(body));
        let work = self.work(call, frame, request, next).in_current_span();
        tokio::spawn(work).await.map_err(|_| AppError::broken("a call with a key broke"))?
    }

    /// Two people may choose the same key. A token that is none is nobody's, as is the lack of one.
    async fn caller(&self, headers: &HeaderMap, session: Option<&Session>) -> Result<String, AppError> {
        if headers.contains_key(header::AUTHORIZATION) {
            let Some(token) = bearer::token(headers) else { return Ok(ANONYMOUS.to_owned()) };
            let owner = bearer::token_owner(&self.db, token, self.clock.now()).await?;
            return Ok(owner.map_or(ANONYMOUS.to_owned(), |owner| owner.user.to_string()));
        }
        let known = match session {
            Some(session) => SessionUser::read(session).await?,
            None => None,
        };
        Ok(known.map_or(ANONYMOUS.to_owned(), |known| known.user.to_string()))
    }

    async fn begin(&self, call: &Call, message: &[u8]) -> Result<Begun, AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let begun = match store::insert(&mut tx, call, now + LOCK, now, now + KEEP).await? {
            None => Begun::Mine,
            Some(row) => {
                let is_same = self.vault.verify(PURPOSE, message, &row.call_hash);
                match row.standing(is_same, now) {
                    Standing::Free => {
                        store::take_over(&mut tx, call, now + LOCK, now, now + KEEP).await?;
                        Begun::Mine
                    }
                    standing => Begun::Theirs(standing, row.answer.unwrap_or_default()),
                }
            }
        };
        tx.commit().await?;
        Ok(begun)
    }

    async fn work(
        self,
        call: Call,
        frame: Frame,
        request: Request,
        next: Next,
    ) -> Result<Response, AppError> {
        let response = match tokio::time::timeout(LONGEST_CALL, next.run(request)).await {
            // Put into words here, so that what is kept is what was told.
            Ok(response) => problem::render(&frame, None, response),
            Err(_) => Problem::of_status(StatusCode::SERVICE_UNAVAILABLE).into_response(),
        };
        if !is_kept(response.status(), call.is_known) || is_told_once(&response) {
            self.let_go(&call).await;
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let Ok(body) = axum::body::to_bytes(body, MOST_KEPT).await else {
            self.let_go(&call).await;
            return Err(AppError::broken("an answer that is too long to keep"));
        };
        self.keep(&call, parts.status, &parts.headers, &body).await?;
        Ok(Response::from_parts(parts, Body::from(body)))
    }

    async fn keep(
        &self,
        call: &Call,
        status: StatusCode,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<(), AppError> {
        let told = HEADERS.iter().filter_map(|name| {
            Some((name.as_str().to_owned(), headers.get(name)?.to_str().ok()?.to_owned()))
        });
        let kept = Kept { status: status.as_u16(), headers: told.collect(), body: body.to_vec() };
        let plain = Zeroizing::new(serde_json::to_vec(&kept)?);
        let sealed = self.vault.seal(&purpose(call), &plain);
        let sealed = sealed.map_err(|error| AppError::broken(error.to_string()))?;
        let mut tx = self.db.begin(System).await?;
        store::finish(&mut tx, call, &sealed).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The answer is no last word: the same call may be made again at once. Failing that, its lock runs out.
    async fn let_go(&self, call: &Call) {
        let gone = async {
            let mut tx = self.db.begin(System).await?;
            store::delete(&mut tx, call).await?;
            tx.commit().await
        };
        if let Err(error) = gone.await {
            tracing::warn!(%error, "a key of a failed call stays until its lock runs out");
        }
    }

    fn replay(&self, call: &Call, sealed: &[u8]) -> Result<Response, AppError> {
        let plain = self.vault.open(&purpose(call), sealed);
        let plain = plain.map_err(|error| AppError::broken(format!("a kept answer: {error}")))?;
        let kept: Kept = serde_json::from_slice(&plain)?;
        let status = StatusCode::from_u16(kept.status).map_err(|_| AppError::broken("a kept status"))?;
        let mut response = (status, Body::from(kept.body)).into_response();
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_TYPE);
        for (name, value) in kept.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
        problem::leave_alone(&mut response);
        Ok(response)
    }
}

const ANONYMOUS: &str = "anonymous";

/// An answer, as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Bound to the key: copied to another row it does not open there.
fn purpose(call: &Call) -> String {
    format!("{PURPOSE}:{}", hex::encode(call.key_hash))
}

/// Our own failures, limits and the lack of a proof or a right are no last word: a code shown again opens what was refused. Strangers are kept only what was done for them: their
/// refusals cost nothing to repeat, and would fill the table.
fn is_kept(status: StatusCode, is_known: bool) -> bool {
    let passing = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status.is_success() || (is_known && status.is_client_error() && !passing.contains(&status))
}

/// What a handler itself wants nobody to store is not stored here either. (What stands on problems is there for caches.)
fn is_told_once(response: &Response) -> bool {
    let caching = response.headers().get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok());
    response.status().is_success() && caching.is_some_and(|caching| caching.contains("no-store"))
}

fn other_call() -> Problem {
    Problem::refusal(
        StatusCode::UNPROCESSABLE_ENTITY,
        &Refusal {
            code: "idempotency_key_reused",
            title: "This key was used for another call",
            detail: "Nothing was done. Draw a new key for each call; repeat one only with the same method, address and body."
                .to_owned(),
        },
    )
}

fn in_flight() -> Problem {
    Problem::refusal(
        StatusCode::CONFLICT,
        &Refusal {
            code: "call_in_flight",
            title: "This call is being worked on",
            detail: "The same call came before and has no answer yet. Ask again in a moment.".to_owned(),
        },
    )
    .retry_after(1)
}

/// Forgets what is older than a day. Run now and then by the worker.
pub async fn sweep(tx: &mut Tx<System>, now: Timestamp) -> Result<(), AppError> {
    Ok(store::delete_expired(tx, now).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(KEY, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn a_key_is_one_header_of_visible_ascii() {
        let long = "k".repeat(LONGEST_KEY);
        for good in ["k", "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"", long.as_str()] {
            assert_eq!(read_key(&headers(&[good])).unwrap().as_deref(), Some(good));
        }
        assert_eq!(read_key(&headers(&[])).unwrap(), None);
        let longer = "k".repeat(LONGEST_KEY + 1);
        for bad in [&[""][..], &["a b"], &["ä"], &[&longer], &["a", "a"]] {
            assert_eq!(read_key(&headers(bad)).unwrap_err().code, "bad_idempotency_key", "{bad:?}");
        }
    }

    #[test]
    fn what_stands_under_a_key_decides_what_becomes_of_the_call() {
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let second = SignedDuration::from_secs(1);
        let row = |answered: bool, locked_for: SignedDuration, kept_for: SignedDuration| Row {
            call_hash: Vec::new(),
            answer: answered.then(Vec::new),
            locked_until: now + locked_for,
            expires_at: now + kept_for,
        };
        let cases = [
            (row(true, LOCK, KEEP), true, Standing::Answered),
            (row(true, -LOCK, KEEP), true, Standing::Answered),
            (row(true, LOCK, KEEP), false, Standing::Other),
            (row(false, second, KEEP), true, Standing::Running),
            (row(false, SignedDuration::ZERO, KEEP), true, Standing::Free),
            (row(false, SignedDuration::ZERO, KEEP), false, Standing::Other),
            (row(true, LOCK, SignedDuration::ZERO), true, Standing::Free),
            (row(true, LOCK, SignedDuration::ZERO), false, Standing::Free),
        ];
        for (place, (row, is_same, standing)) in cases.into_iter().enumerate() {
            assert_eq!(row.standing(is_same, now), standing, "case {place}");
        }
    }

    #[test]
    fn only_last_words_are_kept_and_of_strangers_only_what_was_done() {
        for (status, known, stranger) in [
            (200, true, true),
            (201, true, true),
            (204, true, true),
            (409, true, false),
            (422, true, false),
            (401, false, false),
            (403, false, false),
            (429, false, false),
            (500, false, false),
            (503, false, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!((is_kept(status, true), is_kept(status, false)), (known, stranger), "{status}");
        }
    }
}
