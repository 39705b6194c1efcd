//! What somebody had typed into a form when their session was over by then. It travels along on the way through signing
//! in, inside the sign-in form, then waits in the new session until its page is opened again, and is filled in there.
//!
//! Only our own pages can send the sign-in form (`security::csrf`), so nobody else can put words into this. It counts for
//! the one address that it was typed at, and that page asks as ever whose booking it is. It waits for an hour at most and
//! sealed, for it names passengers, and the next sign-in in that browser takes its place.

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tower_sessions::Session;
use url::form_urlencoded;

use crate::{clock::Clock, error::AppError, vault::Vault};

const PURPOSE: &str = "kept-form";
/// Time to find a password, or to set a new one.
const LIFE: SignedDuration = SignedDuration::from_hours(1);
const SESSION_FORM: &str = "kept_form";
/// Nine passengers need a tenth of it.
const MOST_BYTES: usize = 16 * 1024;
/// Parts of names of fields that are typed again rather than carried about.
const NEVER: [&str; 6] = ["password", "passport", "document", "country", "expires", "code"];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptForm {
    /// Where it was typed, and where its page is.
    path: String,
    fields: Vec<(String, String)>,
}

impl KeptForm {
    /// `None`: nothing to keep, or more than we carry.
    pub fn new(path: &str, fields: impl IntoIterator<Item = (String, String)>) -> Option<Self> {
        let may_travel = |name: &str| !NEVER.iter().any(|part| name.to_ascii_lowercase().contains(part));
        let fields: Vec<_> = fields.into_iter().filter(|(name, _)| may_travel(name)).collect();
        let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        let something = fields.iter().any(|(_, value)| !value.trim().is_empty());
        (something && bytes <= MOST_BYTES).then(|| Self { path: path.to_owned(), fields })
    }

    /// From the sign-in form. `path`: where that form leads.
    pub fn sent(path: &str, text: &str) -> Option<Self> {
        if text.len() > 3 * MOST_BYTES {
            return None;
        }
        Self::new(path, form_urlencoded::parse(text.as_bytes()).into_owned())
    }

    /// For the sign-in form.
    pub fn to_text(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.fields).finish()
    }
}

/// Where the form of this session waits.
#[derive(Clone, Debug)]
pub struct KeptForms {
    session: Session,
    vault: Vault,
    clock: Clock,
}

/// As it lies in the session.
#[derive(Debug, Serialize, Deserialize)]
struct Sealed {
    /// In base64.
    form: String,
    since: Timestamp,
}

impl KeptForms {
    /// In place of whatever waited before; nothing takes that away too.
    pub async fn keep(&self, form: Option<KeptForm>) -> Result<(), AppError> {
        let Some(form) = form else { return forget(&self.session).await };
        let sealed = self.vault.seal(PURPOSE, &serde_json::to_vec(&form)?);
        let sealed = sealed.map_err(|error| AppError::broken(format!("a form to keep: {error}")))?;
        let sealed = Sealed { form: BASE64.encode(sealed), since: self.clock.now() };
        self.session.insert(SESSION_FORM, sealed).await.map_err(broken)
    }

    /// What was typed at this address, once. What waits for another address is given up.
    pub async fn take(&self, path: &str) -> Result<Option<Vec<(String, String)>>, AppError> {
        let kept = self.session.get_value(SESSION_FORM).await.map_err(broken)?;
        forget(&self.session).await?;
        let kept =
            kept.and_then(|value| serde_json::from_value(value).ok()).and_then(|kept| self.open(&kept));
        Ok(kept.filter(|kept| kept.path == path).map(|kept| kept.fields))
    }

    /// What an earlier version has kept, or another key has sealed, is nothing.
    fn open(&self, kept: &Sealed) -> Option<KeptForm> {
        let sealed = BASE64.decode(&kept.form).ok().filter(|_| !is_old(kept.since, self.clock.now()))?;
        serde_json::from_slice(&self.vault.open(PURPOSE, &sealed).ok()?).ok()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for KeptForms
where
    Vault: FromRef<S>,
    Clock: FromRef<S>,
{
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AppError> {
        let session = parts
            .extensions
            .get::<Session>()
            .cloned()
            .ok_or_else(|| AppError::broken("the route stands outside the session layer"))?;
        Ok(Self { session, vault: Vault::from_ref(state), clock: Clock::from_ref(state) })
    }
}

/// Before every handler: what nobody came back for is dropped.
pub async fn drop_old(session: &Session, now: Timestamp) -> Result<(), AppError> {
    let Some(kept) = session.get_value(SESSION_FORM).await.map_err(broken)? else { return Ok(()) };
    let is_fresh = serde_json::from_value(kept).is_ok_and(|kept: Sealed| !is_old(kept.since, now));
    if is_fresh { Ok(()) } else { forget(session).await }
}

async fn forget(session: &Session) -> Result<(), AppError> {
    if session.get_value(SESSION_FORM).await.map_err(broken)?.is_some() {
        session.remove_value(SESSION_FORM).await.map_err(broken)?;
    }
    Ok(())
}

fn is_old(since: Timestamp, now: Timestamp) -> bool {
    now.duration_since(since) >= LIFE
}

fn broken(error: tower_sessions::session::Error) -> AppError {
    AppError::broken(format!("form kept in the session: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_form_survives_the_way_through_another() {
        let typed = pairs(&[("p1_given", "Maria \"Inês\" <b>&=+%"), ("phone", "+351 900"), ("p1_sex", "")]);
        let kept = KeptForm::new("/a", typed).unwrap();
        assert_eq!(KeptForm::sent("/a", &kept.to_text()), Some(kept));
    }

    #[test]
    fn secrets_do_not_travel() {
        let typed = pairs(&[
            ("p1_given", "Maria"),
            ("password", "plover"),
            ("p1_passport_number", "C012"),
            ("p1_Document", "C012"),
            ("code", "123456"),
        ]);
        assert_eq!(KeptForm::new("/a", typed).unwrap().to_text(), "p1_given=Maria");
    }

    #[test]
    fn nothing_and_too_much_are_not_kept() {
        assert_eq!(KeptForm::new("/a", pairs(&[("a", " "), ("b", "")])), None);
        assert_eq!(KeptForm::new("/a", pairs(&[("a", &"x".repeat(MOST_BYTES))])), None);
        assert_eq!(KeptForm::sent("/a", &format!("a={}", "%20x".repeat(MOST_BYTES))), None);
        assert_eq!(KeptForm::sent("/a", ""), None);
    }
}
