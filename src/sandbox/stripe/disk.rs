//! In demo mode the pretended Stripe remembers: one JSON file, replaced whole.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::account::Account;

#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error(
        "{} is not the sandbox's state ({error}). Move it away to start with an empty sandbox; bookings paid in it stay as they are.",
        path.display()
    )]
    Corrupt { path: PathBuf, error: serde_json::Error },
}

/// No file is an empty account; a broken one is an error, because forgetting payments would be worse.
pub fn load(path: &Path) -> Result<Account, DiskError> {
    match fs::read(path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map_err(|error| DiskError::Corrupt { path: path.into(), error })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Account::default()),
        Err(error) => Err(DiskError::Io { path: path.into(), error }),
    }
}

/// Written beside and renamed over: a reader sees the old state or the new one, never half of it.
pub fn save(path: &Path, account: &Account) -> Result<(), DiskError> {
    let io = |error| DiskError::Io { path: path.into(), error };
    let text = serde_json::to_vec(account).map_err(|error| io(error.into()))?;
    let beside = path.with_extension("new");
    fs::write(&beside, text).map_err(io)?;
    fs::rename(&beside, path).map_err(io)
}
