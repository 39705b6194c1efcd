//! The booking links that a browser holds, in its session: a guest who books has a session row for them, other anonymous
//! visitors have none. Hashes only: the secret itself stays in the mail that carried it.

use serde::{Deserialize, Serialize};
use tower_sessions::Session;

use crate::{
    error::AppError,
    ids::{BookingReference, TokenHash},
};

pub const SESSION_LINKS: &str = "links";
/// More bookings than this in one browser: the link that came first gives way. Its booking is still found by `/find`.
const MOST: usize = 20;

/// In the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLinks(Vec<(BookingReference, TokenHash)>);

impl HeldLinks {
    /// What another version has written is no link.
    pub async fn read(session: &Session) -> Result<Self, AppError> {
        let value = session.get_value(SESSION_LINKS).await.map_err(broken)?;
        Ok(value.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default())
    }

    /// Holding one more is a change of privilege, so the session gets a new id.
    pub async fn hold(
        session: &Session,
        reference: BookingReference,
        link: TokenHash,
    ) -> Result<(), AppError> {
        let mut links = Self::read(session).await?;
        if links.of(&reference) == Some(link) {
            return Ok(());
        }
        links.add(reference, link);
        session.cycle_id().await.map_err(broken)?;
        session.insert(SESSION_LINKS, &links).await.map_err(broken)?;
        if session.save().await.is_ok() {
            return Ok(());
        }
        // Whoever was signed in here was signed out meanwhile, and their session takes no new id. The links need nobody.
        session.flush().await.map_err(broken)?;
        session.insert(SESSION_LINKS, &links).await.map_err(broken)
    }

    pub async fn let_go(session: &Session, references: &[BookingReference]) -> Result<(), AppError> {
        let mut links = Self::read(session).await?;
        links.0.retain(|(held, _)| !references.contains(held));
        session.insert(SESSION_LINKS, links).await.map_err(broken)
    }

    pub fn of(&self, reference: &BookingReference) -> Option<TokenHash> {
        self.0.iter().find(|(held, _)| held == reference).map(|(_, link)| *link)
    }

    /// The newest first.
    pub fn references(&self) -> impl Iterator<Item = &BookingReference> {
        self.0.iter().rev().map(|(reference, _)| reference)
    }

    fn add(&mut self, reference: BookingReference, link: TokenHash) {
        self.0.retain(|(held, _)| *held != reference);
        self.0.push((reference, link));
        let over = self.0.len().saturating_sub(MOST);
        self.0.drain(..over);
    }
}

fn broken(error: tower_sessions::session::Error) -> AppError {
    AppError::broken(format!("links of the session: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_holds_twenty_links_one_for_each_booking_and_the_first_gives_way() {
        let mut links = HeldLinks::default();
        let references: Vec<BookingReference> = (0..21).map(|_| BookingReference::random()).collect();
        for (n, reference) in references.iter().enumerate() {
            links.add(reference.clone(), TokenHash::of(&n.to_string()));
        }
        assert_eq!(links.of(&references[0]), None);
        assert_eq!(links.of(&references[1]), Some(TokenHash::of("1")));
        links.add(references[1].clone(), TokenHash::of("again"));
        assert_eq!(links.of(&references[1]), Some(TokenHash::of("again")));
        assert_eq!(links.references().next(), Some(&references[1]));
        assert_eq!(links.references().count(), MOST);
    }
}
