//! What all answers of the API have in common: a caller who takes nothing of their kind is told so before anything is done
//! (406), what a caller has read before is not sent again (ETag, 304), and what is left of a limit is told.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use crate::{
    error::AppError,
    limits::spent::{self, Left},
    web::problem::Problem,
};

const JSON: &[&str] = &["application/json", "application/problem+json"];
/// For people: a page.
const DOCS: &str = "/api/docs";
/// The longest list is far below this.
const LONGEST: usize = 4 * 1024 * 1024;

/// Around every route of the API, and no other: what is nowhere is told as such, whatever the caller takes.
pub async fn negotiate(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_page = path == DOCS;
    let kinds = if is_page { &["text/html"][..] } else { JSON };
    if !takes(request.headers(), kinds) {
        return Problem::of_status(StatusCode::NOT_ACCEPTABLE).into_response();
    }
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = next.run(request).await;
    if !reads || is_page || response.status() != StatusCode::OK {
        return response;
    }
    // Two people who share a browser are two callers.
    response.headers_mut().append(header::VARY, HeaderValue::from_static("authorization, cookie"));
    tagged(known.as_ref(), response).await.unwrap_or_else(AppError::into_response)
}

async fn tagged(known: Option<&HeaderValue>, response: Response) -> Result<Response, AppError> {
    let (mut parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, LONGEST).await;
    let body = body.map_err(|error| AppError::broken(format!("an answer to be tagged: {error}")))?;
    // Weak: a compressed copy says the same, and one that is not byte for byte the same must not claim so.
    let tag = format!("W/\"{}\"", hex::encode(&Sha256::digest(&body)[..16]));
    let is_known = known.is_some_and(|known| names(known, &tag));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, tag);
    }
    if is_known {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Ok(Response::from_parts(parts, Body::empty()));
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// Compared weakly (RFC 9110, 13.1.2). A list that cannot be read names nothing.
fn names(known: &HeaderValue, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let all = known.to_str().unwrap_or_default();
    all.trim() == "*" || all.split(',').any(|one| opaque(one) == opaque(tag))
}

/// Nothing said is anything. Of several ranges that fit, the one that says most counts, and with a quality of nought it refuses
/// (RFC 9110, 12.5.1). What cannot be read says nothing.
fn takes(headers: &HeaderMap, kinds: &[&str]) -> bool {
    let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let ranges: Vec<Range> = lines.flat_map(|line| line.split(',')).filter_map(Range::read).collect();
    let is_taken = |kind: &&str| {
        let fitting = ranges.iter().filter(|range| range.fits(kind));
        fitting.max_by_key(|range| range.says()).is_some_and(|range| !range.is_refused)
    };
    ranges.is_empty() || kinds.iter().any(is_taken)
}

struct Range {
    main: String,
    sub: String,
    is_refused: bool,
}

impl Range {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
        let kind = parts.next()?;
        let (main, sub) = kind.split_once('/')?;
        let quality = parts.find_map(|part| part.strip_prefix("q=")?.trim().parse::<f32>().ok());
        Some(Self {
            main: main.to_owned(),
            sub: sub.to_owned(),
            is_refused: quality.is_some_and(|quality| quality <= 0.0),
        })
    }

    fn fits(&self, kind: &str) -> bool {
        let (main, sub) = kind.split_once('/').unwrap_or((kind, ""));
        match (self.main.as_str(), self.sub.as_str()) {
            ("*", "*") => true,
            (own, "*") => own == main,
            (own, own_sub) => own == main && own_sub == sub,
        }
    }

    /// How much: anything, any of a kind, one kind.
    fn says(&self) -> u8 {
        u8::from(self.main != "*") + u8::from(self.sub != "*")
    }
}

/// Says what was counted for a call, as drafted by the IETF (draft-ietf-httpapi-ratelimit-headers). A refusal says by itself
/// which limit was reached. Inside of what repeats an answer: the figures belong to the moment.
pub async fn tell_limits(request: Request, next: Next) -> Response {
    let (mut response, spent) = spent::counted(next.run(request)).await;
    if !spent.is_empty() && response.status() != StatusCode::TOO_MANY_REQUESTS {
        add_limits(&spent, &mut response);
    }
    response
}

fn add_limits(spent: &[Left], response: &mut Response) {
    let list = |one: fn(&Left) -> String| spent.iter().map(one).collect::<Vec<_>>().join(", ");
    let policies = list(|left| left.quota.policy());
    let rest = list(|left| left.quota.left(left.tokens, left.next_in_seconds));
    for (name, value) in [("ratelimit-policy", policies), ("ratelimit", rest)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn whoever_takes_json_in_any_way_gets_it() {
        for good in [
            &[][..],
            &[""],
            &[" , ,"],
            &["*/*"],
            &["application/json"],
            &["Application/JSON; charset=utf-8"],
            &["application/problem+json"],
            &["text/html, application/*;q=0.1"],
            &["text/html", "application/json;q=0.5"],
            &["text/html,application/xhtml+xml,*/*;q=0.8"],
            // What says most counts.
            &["*/*;q=0, application/json"],
            &["application/*;q=0, application/json;q=0.001"],
            &["application/json;q=nonsense"],
            &["ä"],
            &["json, ;q=1"],
        ] {
            assert!(takes(&accept(good), JSON), "{good:?}");
        }
        for bad in [
            &["text/html"][..],
            &["application/json;q=0"],
            &["*/*; q=0.0"],
            &["image/*, text/csv"],
            &["*/json"],
            &["application/hal+json"],
            &["application/json;q=0, application/problem+json;q=0, */*"],
            &[";q=1, text/plain"],
        ] {
            assert!(!takes(&accept(bad), JSON), "{bad:?}");
        }
        assert!(takes(&accept(&[&"a/b,".repeat(5_000), "*/*"]), JSON));
        assert!(!takes(&accept(&[&"a/b,".repeat(5_000)]), JSON));
    }

    #[test]
    fn a_tag_is_known_weakly_among_others_and_by_a_star() {
        let known = |value: &str| names(&HeaderValue::from_str(value).unwrap(), "W/\"ab\"");
        assert!(known("W/\"ab\"") && known("\"ab\"") && known("\"x\", W/\"ab\"") && known("*"));
        assert!(!known("") && !known("\"a\"") && !known("ab") && !known("W/\"abc\""));
    }
}
