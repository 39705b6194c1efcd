//! How long a job stays with a worker that says nothing any more. Whoever is alive renews its lease; whoever was killed is
//! followed by another when it has run out.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;

use super::Claim;
use crate::db::{System, Tx};

/// A traveller who has paid waits as long as this when a process is killed, and clocks of two machines may differ by
/// almost as much: then the job is taken from a living worker, which is fenced (`db::fence`).
pub(super) const LEASE: SignedDuration = SignedDuration::from_secs(30);
/// How often it is renewed: three of the news may be lost.
pub const BEAT: Duration = Duration::from_secs(7);

/// The worker is alive and at it. `false`: the job is no longer its own.
pub async fn renew(tx: &mut Tx<System>, claim: &Claim, now: Timestamp) -> Result<bool, sqlx::Error> {
    sqlx::query!(
        "update outbox set lease_until = greatest(lease_until, $3)
          where id = $1 and state = 'running' and tries = $2",
        claim.id,
        claim.tries,
        (now + LEASE).to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(|done| done.rows_affected() == 1)
}
