//! JSON that programs send. What does not fit is told by a pointer to its place, and never repeated: it may be a password.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use crate::{
    error::{AppError, FieldErrors},
    web::problem::Problem,
};

/// The body of a call.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        if !has_media_type(request.headers(), |kind| kind == "application/json" || kind.ends_with("+json")) {
            let mut problem = Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            "Send it as application/json.".clone_into(&mut problem.detail);
            return Err(problem.into_response());
        }
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|error| Problem::of_status(error.status()).into_response())?;
        read(&body).map(Self).map_err(IntoResponse::into_response)
    }
}

/// Whether the body says to be of a kind. Media types are the same in capitals (RFC 9110, 8.3.1).
pub fn has_media_type(headers: &HeaderMap, is_wanted: impl Fn(&str) -> bool) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    is_wanted(&kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

#[derive(Debug)]
enum Fault {
    NotJson,
    Misfit(FieldErrors),
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        match self {
            Self::NotJson => {
                let mut problem = Problem::of_status(StatusCode::BAD_REQUEST);
                problem.code = "not_json";
                "The body is no JSON".clone_into(&mut problem.title);
                problem.into_response()
            }
            Self::Misfit(errors) => AppError::Invalid(errors).into_response(),
        }
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        if !error.inner().is_data() {
            return Fault::NotJson;
        }
        let (part, detail) = in_words(&error.inner().to_string());
        let mut steps: Vec<String> = error.path().iter().filter_map(step).collect();
        // An unknown member is part of the path already, a missing one is not.
        if let Some(part) = part.filter(|part| steps.last() != Some(part)) {
            steps.push(part);
        }
        Fault::Misfit(FieldErrors::one(place(&steps), detail))
    })?;
    deserializer.end().map_err(|_| Fault::NotJson)?;
    // To serde a list may stand for an object, its members in their order. To us it is none.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Fault::Misfit(FieldErrors::one("", in_words("").1)));
    }
    Ok(value)
}

/// As fields are named elsewhere: with dots between. Members whose own name has a dot or a slash are named by a pointer.
pub fn place(steps: &[String]) -> String {
    if steps.iter().all(|step| !step.contains(['.', '/', '~'])) {
        return steps.join(".");
    }
    steps.iter().map(|step| format!("/{}", escaped(step))).collect()
}

/// As a part of a pointer (RFC 6901, 3).
fn escaped(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

fn step(segment: &Segment) -> Option<String> {
    match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { variant } => Some(variant.clone()),
        Segment::Unknown => None,
    }
}

/// Which member a message of serde names, and what to do about it. The message itself may hold a secret.
fn in_words(message: &str) -> (Option<String>, &'static str) {
    let named = |start: &str| {
        let rest = message.strip_prefix(start)?;
        rest.split('`').next().map(str::to_owned)
    };
    if let Some(part) = named("missing field `") {
        return (Some(part), "This is missing");
    }
    if let Some(part) = named("unknown field `") {
        return (Some(part), "Nothing of this name is known here");
    }
    if let Some(part) = named("duplicate field `") {
        return (Some(part), "This is there twice");
    }
    (None, "This is not of the kind that it should be")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only read from JSON")]
    struct Person {
        name: String,
        #[serde(default)]
        ages: Vec<u8>,
    }

    fn misfit(body: &str) -> (String, String) {
        match read::<Person>(body.as_bytes()) {
            Err(Fault::Misfit(errors)) => {
                let (field, detail) = errors.iter().next().unwrap();
                (field.to_owned(), detail.to_owned())
            }
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_place_and_not_repeated() {
        let cases = [
            (r#"{}"#, "name"),
            (r#"{"name": "A", "age": 3}"#, "age"),
            (r#"{"name": "A", "name": "B"}"#, "name"),
            (r#"{"name": 31415926}"#, "name"),
            (r#"{"name": "A", "ages": [1, 2, 314]}"#, "ages.2"),
            (r#"{"name": "A", "ages": "secret"}"#, "ages"),
            (r#"{"name": "A", "a.b/~c": 1}"#, "/a.b~1~0c"),
            (r"[]", ""),
            (r#""secret""#, ""),
        ];
        for (body, place) in cases {
            let (field, detail) = misfit(body);
            assert_eq!(field, place, "{body}");
            assert!(!detail.contains("314") && !detail.contains("secret"), "{detail}");
        }
    }

    #[test]
    fn a_list_is_no_object_even_if_its_members_would_do() {
        for body in [r#"["A", [1]]"#, r#" ["A"]"#] {
            assert_eq!(misfit(body).0, "", "{body}");
        }
    }

    #[test]
    fn half_of_json_and_more_than_one_are_no_json() {
        for body in ["", "{", r#"{"name": "A"} x"#, "name=A", "\u{feff}{}", "nul"] {
            assert!(matches!(read::<Person>(body.as_bytes()), Err(Fault::NotJson)), "{body:?}");
        }
        let deep = "[".repeat(100_000);
        assert!(matches!(read::<serde_json::Value>(deep.as_bytes()), Err(Fault::NotJson)));
    }

    #[test]
    fn a_media_type_is_the_same_in_capitals_and_with_parameters() {
        let is_json = |kind: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(kind).unwrap());
            has_media_type(&headers, |kind| kind == "application/json")
        };
        assert!(is_json("application/json") && is_json("Application/JSON; charset=utf-8"));
        assert!(!is_json("text/json") && !is_json("application/jsonp") && !is_json(""));
    }
}
