//! A host's proxy in front of the real program: what it serves is asked for by the site's own name.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{self, Body},
    extract::{Request, State},
    http::{HeaderValue, Response, StatusCode, header},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use super::site::{HOST, Process};

/// Passes requests on to whichever process it was told last, over connections that it keeps, as a host's proxy does.
#[derive(Clone)]
pub struct Proxy {
    http: reqwest::Client,
    to: Arc<Mutex<SocketAddr>>,
    failures: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub async fn start(to: SocketAddr) -> (Self, Url, DropGuard) {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let to = Arc::new(Mutex::new(to));
        let proxy = Self { http: http.build().expect("a proxy"), to, failures: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a proxy");
        let url = format!("http://{}/", listener.local_addr().expect("a proxy")).parse().expect("a proxy");
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let router = Router::new().fallback(pass_on).with_state(proxy.clone());
        tokio::spawn(async move {
            axum::serve(listener, router).with_graceful_shutdown(stopped.cancelled_owned()).await
        });
        (proxy, url, stop.drop_guard())
    }

    pub fn lead_to(&self, process: &Process) {
        *self.to.lock().expect("no panic") = process.address();
    }

    pub fn failures(&self) -> Vec<String> {
        self.failures.lock().expect("no panic").clone()
    }

    fn lost(&self, what: &str, error: &reqwest::Error) -> Response<Body> {
        self.failures.lock().expect("no panic").push(format!("{what}: {error:?}"));
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::BAD_GATEWAY;
        answer
    }
}

async fn pass_on(State(proxy): State<Proxy>, request: Request) -> Response<Body> {
    let to = *proxy.to.lock().expect("no panic");
    let (mut head, content) = request.into_parts();
    let content = body::to_bytes(content, usize::MAX).await.expect("a proxy");
    let what = format!("{} {}", head.method, head.uri);
    head.headers.remove(header::CONNECTION);
    head.headers.insert(header::HOST, HeaderValue::from_static(HOST));
    head.headers.insert("x-forwarded-for", HeaderValue::from_static("203.0.113.7"));
    let request = proxy.http.request(head.method, format!("http://{to}{}", head.uri));
    let answer = match request.headers(head.headers).body(content).send().await {
        Ok(answer) => answer,
        Err(error) => return proxy.lost(&what, &error),
    };
    let (status, headers) = (answer.status(), answer.headers().clone());
    let content = match answer.bytes().await {
        Ok(content) => content,
        Err(error) => return proxy.lost(&what, &error),
    };
    let mut answer = Response::new(Body::from(content));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    for gone in [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH] {
        answer.headers_mut().remove(gone);
    }
    answer
}
