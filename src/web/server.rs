//! HTTP/1.1 over TCP. As `axum::serve`, but nobody is waited for who never finishes asking or never takes the answer, and
//! nobody takes all the room there is.

use std::{convert::Infallible, pin::pin, time::Duration};

use axum::{
    Router,
    http::{HeaderValue, Request, header::CONNECTION},
    response::Response,
    serve::Listener,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;

use crate::web::{
    client::Peer,
    crowd::{Crowd, Place},
    wire::Wire,
};

/// How long the head of a request may take, and a connection may stay open without one.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long nothing of an answer may be taken.
const ANSWER_TIME: Duration = Duration::from_secs(20);
/// A head that is longer is refused (431): no browser sends half of it.
const HEAD_LIMIT: usize = 64 * 1024;

/// How a server leaves.
#[derive(Clone, Copy, Debug)]
pub struct Parting {
    /// For so long it goes on answering after it was told to stop, each answer the last on its connection: whoever sends
    /// visitors here hears of it a moment later, and must find nobody's door shut.
    pub notice: Duration,
    /// Then no new connections, and requests in flight may take so long.
    pub grace: Duration,
}

/// Serves until `stop`, and leaves as `parting` says.
pub async fn serve(
    mut listener: TcpListener,
    router: Router,
    crowd: Crowd,
    stop: CancellationToken,
    parting: Parting,
) {
    let connections = TaskTracker::new();
    let closed = CancellationToken::new();
    let mut noticed = pin!(async {
        stop.cancelled().await;
        tokio::time::sleep(parting.notice).await;
    });
    loop {
        let next = async {
            // Room first: whoever finds none waits in the kernel's queue until somebody leaves.
            let room = crowd.room().await;
            let (stream, peer) = Listener::accept(&mut listener).await;
            (stream, peer.ip(), room)
        };
        let (stream, peer, room) = tokio::select! {
            came = next => came,
            () = noticed.as_mut() => break,
        };
        // One address that has its share already is hung up on.
        if let Some(place) = crowd.enter(peer, room) {
            connections.spawn(answer(
                stream,
                Peer(peer),
                place,
                router.clone(),
                [stop.clone(), closed.clone()],
            ));
        }
    }
    drop(listener);
    closed.cancel();
    connections.close();
    if tokio::time::timeout(parting.grace, connections.wait()).await.is_err() {
        tracing::warn!(left = connections.len(), "requests were still in flight at the end");
    }
}

/// Each request is told who is at the other end. Once we are to `stop`, nobody is kept on a connection that is about to go.
async fn answer(
    stream: TcpStream,
    peer: Peer,
    _place: Place,
    router: Router,
    [stop, closed]: [CancellationToken; 2],
) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_header_size(HEAD_LIMIT);
    let (router, stop) = (&router, &stop);
    let service = service_fn(move |mut request: Request<Incoming>| async move {
        request.extensions_mut().insert(peer);
        let mut response = router.clone().call(request).await?;
        if stop.is_cancelled() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok::<Response, Infallible>(response)
    });
    let connection = builder.serve_connection(TokioIo::new(Wire::new(stream, ANSWER_TIME)), service);
    let mut connection = pin!(connection);
    // How a connection ends is the visitor's affair: nobody is left to be told.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = closed.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
