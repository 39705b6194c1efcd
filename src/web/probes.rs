//! What whoever runs the process asks of it: whether it lives, and whether to send people here.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tokio_util::sync::CancellationToken;

use crate::db::Db;

/// The process answers. A restart would mend nothing that this does not notice.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether this process has been told to stop.
#[derive(Clone, Debug, Default)]
pub struct Stopping(pub CancellationToken);

/// Requests can be served: the database answers and has this version's tables, and nobody has told us to stop.
pub async fn readyz(State(db): State<Db>, State(Stopping(stop)): State<Stopping>) -> Response {
    if stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    let ready = async {
        db.ping().await?;
        db.is_migrated().await
    };
    match ready.await {
        Ok(true) => "ready\n".into_response(),
        Ok(false) => (StatusCode::SERVICE_UNAVAILABLE, "not migrated\n").into_response(),
        Err(error) => {
            tracing::error!(%error, "the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "no database\n").into_response()
        }
    }
}
