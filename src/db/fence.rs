//! What keeps a worker that lost its job from writing. It may have stood still for minutes, in the middle of anything, and
//! wake up to believe that the job is still its own.

use sqlx::PgConnection;

tokio::task_local! {
    static HELD: Held;
}

/// A job in a worker's hands: its number, and which run of it this is. Whoever takes it over counts one further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub job: i64,
    pub run: i32,
}

/// Does a job's work. Every transaction of the system that begins in it is fenced.
pub async fn holding<F: Future>(held: Held, work: F) -> F::Output {
    HELD.scope(held, work).await
}

/// Refuses a transaction of work whose job is somebody else's by now. One that passes keeps the job where it is until its
/// end: taking over skips a locked row. The worker's own news of the job (its lease, its outcome) get by.
pub(super) async fn pass(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let Ok(Held { job, run }) = HELD.try_with(|held| *held) else { return Ok(()) };
    let is_held = sqlx::query_scalar!(
        "select true from outbox where id = $1 and tries = $2 and state = 'running' for key share",
        job,
        run,
    )
    .fetch_optional(connection)
    .await?
    .is_some();
    if is_held { Ok(()) } else { Err(sqlx::Error::Protocol("another worker has this job by now".to_owned())) }
}
