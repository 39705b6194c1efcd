//! Which host a request may name.

use axum::{
    extract::Request,
    http::{Method, StatusCode, header, uri::Authority},
    response::{IntoResponse, Redirect, Response},
};

use crate::{
    config::{Config, Mode},
    web::problem::Problem,
};

/// What whoever names another host is told. We answer only to our own name: another site's name may be made to lead here
/// (DNS rebinding), and then its pages would be of the same origin as ours. Probes ask by whatever address they have.
///
/// A demo is reached as localhost and as 127.0.0.1, but a cookie belongs to one of them: whoever comes by the other name
/// is sent to the one that links and payment pages lead back to.
pub fn turned_away(config: &Config, request: &Request) -> Option<Response> {
    let uri = request.uri();
    if matches!(uri.path(), "/healthz" | "/readyz" | "/metrics") {
        return None;
    }
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    // Nearly everybody, letter by letter.
    if host == Some(config.base_url.authority()) && uri.host().is_none() {
        return None;
    }
    let host = host.and_then(host_name).unwrap_or_default();
    // A whole URL in the request line would speak louder than Host.
    let named_otherwise = uri.host().is_some_and(|named| !named.eq_ignore_ascii_case(&host));
    if named_otherwise || !is_ours(config, &host) {
        return Some(Problem::of_status(StatusCode::MISDIRECTED_REQUEST).into_response());
    }
    let is_page = matches!(*request.method(), Method::GET | Method::HEAD);
    if config.mode == Mode::Demo && is_page && host == "localhost" && !is_base(config, &host) {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        return Some(Redirect::to(&config.link(path)).into_response());
    }
    None
}

/// The name without its port, in lower case.
fn host_name(host: &str) -> Option<String> {
    host.parse::<Authority>().ok().map(|authority| authority.host().to_ascii_lowercase())
}

fn is_base(config: &Config, host: &str) -> bool {
    config.base_url.host_str() == Some(host)
}

fn is_ours(config: &Config, host: &str) -> bool {
    let is_loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    is_base(config, host) || (config.mode == Mode::Demo && is_loopback)
}
