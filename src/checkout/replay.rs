//! An event of the inbox, dealt with once more because a person says so. It goes the way of every event: its object is
//! fetched afresh and moves what is ours forward or not at all.

use jiff::Timestamp;

use crate::{
    db::{System, Tx},
    error::AppError,
    outbox::{self, Job},
};

/// Whatever had become of it. It stands there as if it had just come: parked is only what has been looked for and not found.
/// One that could not be read has now been looked at by a person, and is judged by what it names.
pub async fn replay(tx: &mut Tx<System>, id: &str, now: Timestamp) -> Result<(), AppError> {
    let reopened = sqlx::query!(
        "update stripe_events set state = 'received', settled_at = null where id = $1 returning id",
        id
    )
    .fetch_optional(&mut **tx)
    .await?;
    reopened.ok_or(AppError::NotFound)?;
    outbox::push(tx, &Job::ApplyEvent(id.to_owned()), now, now).await?;
    Ok(())
}
