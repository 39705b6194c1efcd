//! What the browser session remembers of a signed-in person: one value under one key. Anonymous visitors have no
//! session row, and reading this for them asks the database nothing.

use serde::{Deserialize, Serialize};
use tower_sessions::Session;

use crate::{error::AppError, ids::UserId};

pub const SESSION_USER: &str = "user";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionUser {
    pub user: UserId,
    pub email: String,
    /// The staff role at sign-in, as its database word. Rights are checked where they are used; this shows links.
    pub staff: Option<String>,
}

impl SessionUser {
    pub async fn read(session: &Session) -> Result<Option<Self>, AppError> {
        session
            .get(SESSION_USER)
            .await
            .map_err(|error| AppError::broken(format!("session cannot be read: {error}")))
    }

    pub async fn write(&self, session: &Session) -> Result<(), AppError> {
        session
            .insert(SESSION_USER, self)
            .await
            .map_err(|error| AppError::broken(format!("session cannot be written: {error}")))
    }
}
