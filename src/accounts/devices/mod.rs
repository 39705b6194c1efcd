//! The browsers in which somebody is signed in, and the end of each. A session begins in `web::session`; it ends here when
//! its owner says so from another one. Other people's devices are out of reach: row-level security shows none of them.

mod store;

use jiff::Timestamp;

use crate::{
    accounts::tokens,
    db::{Db, Traveller, Tx},
    error::AppError,
    ids::{DeviceId, UserId},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub id: DeviceId,
    /// "Firefox on Linux".
    pub user_agent: String,
    pub signed_in_at: Timestamp,
    /// To within some minutes.
    pub seen_at: Timestamp,
}

/// The last used first.
pub async fn list(db: &Db, user: UserId) -> Result<Vec<Device>, AppError> {
    let mut tx = db.begin(Traveller::Account(user)).await?;
    store::list(&mut tx).await
}

/// Signs one browser out. One that is not there, or not theirs, is not found.
pub async fn end(db: &Db, user: UserId, device: DeviceId) -> Result<(), AppError> {
    let mut tx = db.begin(Traveller::Account(user)).await?;
    if !store::end(&mut tx, device).await? {
        return Err(AppError::NotFound);
    }
    tx.commit().await?;
    tracing::info!(%user, %device, "a device was signed out");
    Ok(())
}

/// Signs out every browser but `keep`, and every program.
pub async fn end_all(db: &Db, user: UserId, keep: Option<DeviceId>) -> Result<(), AppError> {
    let mut tx = db.begin(Traveller::Account(user)).await?;
    end_everything(&mut tx, user, keep).await?;
    tx.commit().await?;
    Ok(())
}

/// For whatever makes what was proved before worth nothing: a new password, another role, the end of the account. In the
/// transaction that does it, so that no session outlives it.
pub async fn end_everything<P>(tx: &mut Tx<P>, user: UserId, keep: Option<DeviceId>) -> Result<(), AppError> {
    let devices = store::end_others(tx, user, keep).await?;
    let programs = tokens::end_families(tx, user).await?;
    tracing::info!(%user, devices, programs, "signed out");
    Ok(())
}
