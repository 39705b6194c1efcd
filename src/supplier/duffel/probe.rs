//! What `jetbridge doctor` asks of Duffel: whether it knows our token.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::{
    client::{Client, Trouble},
    guard::Errand,
};
use crate::clock::Clock;

const PATIENCE: Duration = Duration::from_secs(8);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Answer,
    /// 401 or 403.
    WrongToken,
    /// In words that hold no secret.
    Trouble(String),
}

/// Reads one airline: nothing is made, and every token may.
pub async fn probe(token: &SecretString, url: Option<&Url>, clock: Clock) -> Heard {
    let client = match Client::new(token.clone(), url, clock) {
        Ok(client) => client,
        Err(error) => return Heard::Trouble(error.to_string()),
    };
    let answer = client.get::<Vec<Value>>("probe", "/air/airlines?limit=1", Errand::Buying, PATIENCE).await;
    match answer {
        Ok(_) => Heard::Answer,
        Err(Trouble::NotNow(words)) if words.contains("says 401") || words.contains("says 403") => {
            Heard::WrongToken
        }
        Err(trouble) => Heard::Trouble(trouble.to_string()),
    }
}
