//! What somebody had typed into a form when their session was over by then. It travels along on the way through signing
//! in, inside the sign-in form, then waits in the new session until its page is opened again, and is filled in there.
//!
//! Only our own pages can send the sign-in form (`security::csrf`), so nobody else can put words into this. It counts for
//! the one address that it was typed at, and that page asks as ever whose booking it is. It waits for an hour at most and
//! sealed, for it names passengers, and the next sign-in in that browser takes its place.
//!
//! A form about the account itself stands at the same address for everybody. It carries a mark of whose it was, and whoever
//! signs in with another account never sees it.

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use url::form_urlencoded;

use crate::{
    clock::Clock,
    error::AppError,
    ids::UserId,
    vault::Vault,
    web::waiting::{KEPT_FORM, Waiting},
};

const PURPOSE: &str = "kept-form";
/// The field with the mark.
pub const WHOSE: &str = "whose";
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
        let something = fields.iter().any(|(name, value)| name != WHOSE && !value.trim().is_empty());
        (something && bytes <= MOST_BYTES).then(|| Self { path: path.to_owned(), fields })
    }

    /// From the sign-in form. `path`: where that form leads.
    pub fn sent(path: &str, text: &str) -> Option<Self> {
        if text.len() > 3 * MOST_BYTES {
            return None;
        }
        Self::new(path, form_urlencoded::parse(text.as_bytes()).into_owned())
    }

    fn whose(&self) -> Option<&str> {
        self.fields.iter().find(|(name, _)| name == WHOSE).map(|(_, mark)| mark.as_str())
    }

    /// For the sign-in form.
    pub fn to_text(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.fields).finish()
    }
}

/// A form's fields, as they travel.
pub fn fields<T: Serialize>(form: &T) -> Vec<(String, String)> {
    let Ok(Value::Object(fields)) = serde_json::to_value(form) else { return Vec::new() };
    let text = |(name, value)| match value {
        Value::String(text) => Some((name, text)),
        _ => None,
    };
    fields.into_iter().filter_map(text).collect()
}

/// The form that has come back; what did not travel is as in an empty one. Of a name that came twice the first counts.
pub fn form<T: DeserializeOwned + Default>(fields: Vec<(String, String)>) -> T {
    let fields = fields.into_iter().rev().map(|(name, value)| (name, Value::String(value)));
    serde_json::from_value(Value::Object(fields.collect())).unwrap_or_default()
}

/// Where the form of this session waits.
#[derive(Clone, Debug)]
pub struct KeptForms(Waiting);

impl KeptForms {
    /// For whoever has just signed in, in place of whatever waited before; nothing takes that away too.
    pub async fn keep(&self, form: Option<KeptForm>, user: UserId) -> Result<(), AppError> {
        let is_theirs = |form: &KeptForm| form.whose().is_none_or(|mark| mark == self.mark(user));
        match form.filter(is_theirs) {
            Some(form) => self.0.put(KEPT_FORM, PURPOSE, &form).await,
            None => self.0.forget(KEPT_FORM).await,
        }
    }

    /// Names the account in a form of its own, and tells nothing of it.
    pub fn mark(&self, user: UserId) -> String {
        URL_SAFE.encode(&self.0.vault().sign(PURPOSE, user.0.as_bytes())[..16])
    }

    /// As [`Self::take`], for a form that must be of this account.
    pub async fn take_of(&self, path: &str, user: UserId) -> Result<Option<Vec<(String, String)>>, AppError> {
        let mark = self.mark(user);
        let is_theirs = |(name, value): &(String, String)| name == WHOSE && *value == mark;
        Ok(self.take(path).await?.filter(|fields| fields.iter().any(is_theirs)))
    }

    /// What was typed at this address, once. What waits for another address is given up.
    pub async fn take(&self, path: &str) -> Result<Option<Vec<(String, String)>>, AppError> {
        let kept: Option<KeptForm> = self.0.take(KEPT_FORM, PURPOSE).await?;
        Ok(kept.filter(|kept| kept.path == path).map(|kept| kept.fields))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for KeptForms
where
    Vault: FromRef<S>,
    Clock: FromRef<S>,
{
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AppError> {
        Waiting::from_request_parts(parts, state).await.map(Self)
    }
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
