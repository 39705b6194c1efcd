//! What somebody had typed into a form when their session was over by then. It travels along on the way through signing
//! in, inside the sign-in form, then waits in the new session until its page is opened again, and is filled in there.
//!
//! Only our own pages can send the sign-in form (`security::csrf`), so nobody else can put words into this. It counts for
//! the one address that it was typed at, and that page asks as ever whose booking it is.

use serde::{Deserialize, Serialize};
use tower_sessions::Session;
use url::form_urlencoded;

use crate::error::AppError;

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

    pub async fn keep(self, session: &Session) -> Result<(), AppError> {
        session.insert(SESSION_FORM, self).await.map_err(broken)
    }

    /// What was typed at this address, once. What waits for another address is given up.
    pub async fn take(session: &Session, path: &str) -> Result<Option<Vec<(String, String)>>, AppError> {
        let kept: Option<Self> = session.get(SESSION_FORM).await.map_err(broken)?;
        if kept.is_some() {
            session.remove_value(SESSION_FORM).await.map_err(broken)?;
        }
        Ok(kept.filter(|kept| kept.path == path).map(|kept| kept.fields))
    }
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
