//! Passwords: what is strong enough, and Argon2id behind a gate. One hash takes 19 MiB and a core for some 15 ms, so a
//! crowd at the door must queue, and a longer queue than we can serve is turned away.

use std::{sync::Arc, thread};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    sync::Semaphore,
    task::{JoinError, spawn_blocking},
};
use zxcvbn::{Score, zxcvbn};

use crate::{error::AppError, ids};

pub const SHORTEST: usize = 10;
/// In bytes: Argon2 would take more, but nobody types it.
pub const LONGEST: usize = 1024;

pub fn too_short() -> String {
    format!("At least {SHORTEST} characters. Four plain words are fine")
}

/// How many may wait for each core. At 15 ms each the last of them waits a quarter of a second.
const QUEUE_PER_CORE: usize = 16;
/// OWASP's minimum for Argon2id: memory in KiB, passes, lanes.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

const BUSY: AppError = AppError::Busy { retry_after_seconds: 2 };

#[derive(Clone)]
pub struct Passwords {
    cores: usize,
    places: usize,
    working: Arc<Semaphore>,
    inside: Arc<Semaphore>,
    /// A hash that no password fits, checked where there is no account.
    nobody: Arc<str>,
}

impl Passwords {
    pub fn new() -> Result<Self, AppError> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let places = cores * (QUEUE_PER_CORE + 1);
        Ok(Self {
            cores,
            places,
            working: Arc::new(Semaphore::new(cores)),
            inside: Arc::new(Semaphore::new(places)),
            nobody: hash(&ids::random_secret())?.into(),
        })
    }

    /// The hash, or advice where the password is too easy to guess. `about`: what a guesser knows of the person.
    pub async fn hash_if_strong(
        &self,
        password: SecretString,
        about: Vec<String>,
    ) -> Result<Result<String, String>, AppError> {
        self.work(move || match weakness(password.expose_secret(), &about) {
            Some(advice) => Ok(Err(advice)),
            None => hash(password.expose_secret()).map(Ok),
        })
        .await
    }

    /// Advice where a password is too easy to guess. It hashes nothing, but it thinks, so it stands in the same queue.
    pub async fn weakness_of(
        &self,
        password: SecretString,
        about: Vec<String>,
    ) -> Result<Option<String>, AppError> {
        self.queue(move || Ok(weakness(password.expose_secret(), &about))).await
    }

    /// A hash for an account that nobody may sign in to any more.
    pub fn unusable(&self) -> &str {
        &self.nobody
    }

    /// Whether there is room in the queue: whoever finds none is turned away before anything is done for them.
    pub fn has_room(&self) -> Result<(), AppError> {
        if self.inside.available_permits() == 0 { Err(BUSY) } else { Ok(()) }
    }

    /// How many passwords are being worked on, and how many wait.
    pub fn crowd(&self) -> (usize, usize) {
        let inside = self.places.saturating_sub(self.inside.available_permits());
        let working = self.cores.saturating_sub(self.working.available_permits());
        (working, inside.saturating_sub(working))
    }

    /// False as well, after the same work, where there is no hash.
    pub async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<bool, AppError> {
        let nobody = Arc::clone(&self.nobody);
        self.work(move || {
            let is_known = hash.is_some();
            let text = hash.as_deref().unwrap_or(&nobody);
            let parsed =
                PasswordHash::new(text).map_err(|_| AppError::broken("a stored password hash is broken"))?;
            let fits = hasher()?.verify_password(password.expose_secret().as_bytes(), &parsed).is_ok();
            Ok(fits && is_known)
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, AppError> + Send + 'static,
    ) -> Result<T, AppError> {
        tracing::debug!("a password is hashed");
        self.queue(job).await
    }

    async fn queue<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, AppError> + Send + 'static,
    ) -> Result<T, AppError> {
        let Ok(_place) = Arc::clone(&self.inside).try_acquire_owned() else {
            return Err(BUSY);
        };
        let permit = Arc::clone(&self.working).acquire_owned().await;
        let done = spawn_blocking(move || {
            // Held until the work is done, also when the visitor has gone.
            let _permit = permit;
            job()
        });
        done.await.map_err(|error: JoinError| AppError::broken(format!("password work: {error}")))?
    }
}

fn hasher() -> Result<Argon2<'static>, AppError> {
    let (memory, passes, lanes) = COST;
    let params =
        Params::new(memory, passes, lanes, None).map_err(|error| AppError::broken(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &str) -> Result<String, AppError> {
    let hash = hasher()?.hash_password(password.as_bytes());
    Ok(hash.map_err(|error| AppError::broken(error.to_string()))?.to_string())
}

/// Why a password will not do, in words that help to find a better one.
pub fn weakness(password: &str, about: &[String]) -> Option<String> {
    if password.chars().count() < SHORTEST {
        return Some(too_short());
    }
    if password.len() > LONGEST {
        return Some(format!("At most {LONGEST} bytes"));
    }
    // The address in parts too: "maria.duarte@…" must not make "mariaduarte" strong.
    let mut known: Vec<&str> =
        about.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric())).collect();
    known.extend(about.iter().map(String::as_str));
    known.push("jetbridge");
    let guess = zxcvbn(password, &known);
    if guess.score() >= Score::Three {
        return None;
    }
    let mut advice = "Too easy to guess.".to_owned();
    if let Some(feedback) = guess.feedback() {
        if let Some(warning) = feedback.warning() {
            advice.push_str(&format!(" {warning}"));
        }
        for suggestion in feedback.suggestions().iter().take(1) {
            advice.push_str(&format!(" {suggestion}"));
        }
    }
    Some(advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strong_passwords_pass_and_weak_ones_get_advice() {
        let about = ["Maria Duarte".to_owned(), "maria.duarte@example.com".to_owned()];
        for strong in ["plover cabinet ozone lattice", "xK9#mQ2$vL7!", "сорока кабинет озон решётка"]
        {
            assert_eq!(weakness(strong, &about), None, "{strong}");
        }
        for weak in [
            "",
            "short",
            "password12",
            "aaaaaaaaaaaaaaaa",
            "qwertyuiop",
            "mariaduarte",
            "jetbridge1",
            "1234567890",
        ] {
            assert!(weakness(weak, &about).is_some(), "{weak}");
        }
        assert!(weakness(&"plover cabinet ozone ".repeat(60), &about).is_some());
    }

    #[tokio::test]
    async fn a_hash_fits_its_own_password_only_and_nothing_fits_nobody() {
        let passwords = Passwords::new().unwrap();
        let secret = || SecretString::from("plover cabinet ozone lattice");
        let hash = passwords.hash_if_strong(secret(), Vec::new()).await.unwrap().unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(passwords.verify(secret(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("plover cabinet ozone lattices".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify(secret(), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_longer_queue_than_we_can_serve_is_turned_away() {
        let passwords = Passwords::new().unwrap();
        let all = u32::try_from(passwords.inside.available_permits()).unwrap();
        let _crowd = passwords.inside.acquire_many(all).await.unwrap();
        let answer = passwords.verify("plover cabinet ozone lattice".into(), None).await;
        assert!(matches!(answer, Err(AppError::Busy { .. })));
    }
}
