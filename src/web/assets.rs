//! The files of `static/`, compiled in and served under names that contain their content's hash: a browser keeps one
//! for a year, and a change shows at once because its name is new.

use axum::{
    extract::Path,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/static"]
struct Static;

/// The address of a file in `static/`, for templates: "app.css" → "/static/app.5f2c….css".
pub fn asset(name: &str) -> String {
    let Some(file) = Static::get(name) else {
        tracing::error!(name, "a page names a file that static/ does not have");
        return format!("/static/{name}");
    };
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    format!("/static/{stem}.{}.{extension}", hash(&file))
}

fn hash(file: &EmbeddedFile) -> String {
    hex::encode(&file.metadata.sha256_hash()[..8])
}

/// GET /static/{file}
pub async fn serve(Path(file): Path<String>) -> Response {
    let Some((name, wanted)) = split(&file) else { return StatusCode::NOT_FOUND.into_response() };
    let Some(found) = Static::get(&name) else { return StatusCode::NOT_FOUND.into_response() };
    // During a rolling deploy a page of the other version may ask for a name that this one does not know: it gets
    // what there is, but must not keep it under the wrong name.
    let cache = if hash(&found) == wanted { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type(&name))),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
    ];
    (headers, found.data).into_response()
}

/// "app.5f2c….css" → ("app.css", "5f2c…").
fn split(file: &str) -> Option<(String, String)> {
    let (rest, extension) = file.rsplit_once('.')?;
    let (stem, hash) = rest.rsplit_once('.')?;
    Some((format!("{stem}.{extension}"), hash.to_owned()))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        // The only one of ours: which pages a browser may fetch while a link is being pressed.
        Some("json") => "application/speculationrules+json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_carries_the_hash_of_the_content_and_reads_back() {
        let url = asset("app.css");
        let file = url.strip_prefix("/static/").unwrap();
        let (name, wanted) = split(file).unwrap();
        assert_eq!(name, "app.css");
        assert_eq!(wanted.len(), 16);
    }

    #[tokio::test]
    async fn the_present_name_is_kept_for_a_year_and_a_stale_one_is_not() {
        let file = asset("app.css").replace("/static/", "");
        let fresh = serve(Path(file)).await;
        assert_eq!(fresh.status(), StatusCode::OK);
        assert_eq!(fresh.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        let stale = serve(Path("app.0123456789abcdef.css".to_owned())).await;
        assert_eq!(stale.headers()[header::CACHE_CONTROL], "no-cache");
    }

    #[tokio::test]
    async fn names_that_are_not_ours_are_not_found() {
        for file in ["", "app.css", "../Cargo.0.toml", "app.1.exe", ".", "..", "a.b.c.d"] {
            assert_eq!(serve(Path(file.to_owned())).await.status(), StatusCode::NOT_FOUND, "{file:?}");
        }
    }

    #[test]
    fn the_script_stays_small_enough_to_be_a_comfort() {
        assert!(Static::get("app.js").unwrap().data.len() <= 6 * 1024);
    }
}
