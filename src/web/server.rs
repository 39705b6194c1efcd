//! HTTP/1.1 over TCP. As `axum::serve`, but a visitor who never finishes asking is not waited for.

use std::{pin::pin, time::Duration};

use axum::{Router, serve::Listener};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long the head of a request may take, and a connection may stay open without one.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// Serves until `stop`, then lets requests in flight finish for as long as `grace`.
pub async fn serve(mut listener: TcpListener, router: Router, stop: CancellationToken, grace: Duration) {
    let connections = TaskTracker::new();
    loop {
        let (stream, _) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            () = stop.cancelled() => break,
        };
        connections.spawn(answer(stream, router.clone(), stop.clone()));
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(grace, connections.wait()).await.is_err() {
        tracing::warn!(left = connections.len(), "requests were still in flight at the end");
    }
}

async fn answer(stream: TcpStream, router: Router, stop: CancellationToken) {
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    // How a connection ends is the visitor's affair: nobody is left to be told.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
