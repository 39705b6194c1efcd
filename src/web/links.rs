//! The booking links that a browser holds, in its session: a guest who books has a session row for them, other anonymous
//! visitors have none. Hashes only: the secret itself stays in the mail that carried it.
//!
//! What a guest has begun in a browser is the browser's: signing in and out again must not lose a booking that nobody else
//! knows of. So those links outlive whoever signs in beside them. But a browser may be shared. The first account that signs
//! in beside a link is taken for the guest's own, and every other account neither sees the booking nor can add it. With
//! nobody signed in the browser has them again: whoever sits there could have them before as well, and can make the browser
//! forget them on `/find`. A link that comes while somebody is signed in is theirs and goes when they go.

use serde::{Deserialize, Serialize};
use tower_sessions::Session;

use crate::{
    error::AppError,
    ids::{BookingReference, TokenHash, UserId},
    web::session::{self, SessionUser},
};

pub const SESSION_LINKS: &str = "links";
/// More bookings than this in one browser: the link that came first gives way. Its booking is still found by `/find`.
const MOST: usize = 20;

/// Those that whoever is here now may use, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldLinks(Vec<Held>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored")]
struct Held {
    reference: BookingReference,
    link: TokenHash,
    whose: Whose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Whose {
    /// The browser's, and nobody has signed in beside it.
    Browser,
    /// The browser's, and this account has signed in beside it.
    BrowserAnd(UserId),
    /// Of this account's time in the browser.
    Account(UserId),
}

/// As it lies in the session. The version before this one wrote pairs.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Pair(BookingReference, TokenHash),
    Held { reference: BookingReference, link: TokenHash, whose: Whose },
}

impl From<Stored> for Held {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Pair(reference, link) => Self { reference, link, whose: Whose::Browser },
            Stored::Held { reference, link, whose } => Self { reference, link, whose },
        }
    }
}

impl Held {
    const fn is_the_browsers(&self) -> bool {
        matches!(self.whose, Whose::Browser | Whose::BrowserAnd(_))
    }

    fn is_seen_by(&self, who: Option<UserId>) -> bool {
        match (self.whose, who) {
            (Whose::Browser | Whose::BrowserAnd(_), None) | (Whose::Browser, Some(_)) => true,
            (Whose::BrowserAnd(owner) | Whose::Account(owner), who) => who == Some(owner),
        }
    }
}

impl HeldLinks {
    pub async fn read(session: &Session) -> Result<Self, AppError> {
        let who = present(session).await?;
        let mut links = Self::all(session).await?;
        links.0.retain(|held| held.is_seen_by(who));
        Ok(links)
    }

    /// What another version has written is no link.
    async fn all(session: &Session) -> Result<Self, AppError> {
        let value = session.get_value(SESSION_LINKS).await.map_err(session::broken)?;
        Ok(Self(value.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()))
    }

    async fn write(&self, session: &Session) -> Result<(), AppError> {
        session.insert(SESSION_LINKS, &self.0).await.map_err(session::broken)
    }

    /// Holding one more is a change of privilege, so the session gets a new id.
    pub async fn hold(
        session: &Session,
        reference: BookingReference,
        link: TokenHash,
    ) -> Result<(), AppError> {
        let who = present(session).await?;
        if Self::read(session).await?.of(&reference) == Some(link) {
            return Ok(());
        }
        let mut links = Self::all(session).await?;
        links.add(reference.clone(), link, who);
        session.cycle_id().await.map_err(session::broken)?;
        links.write(session).await?;
        if session.save().await.is_ok() {
            return Ok(());
        }
        // Whoever was signed in here was signed out meanwhile, and their session takes no new id. The links need nobody.
        session.flush().await.map_err(session::broken)?;
        links.0.retain(Held::is_the_browsers);
        links.add(reference, link, None);
        links.write(session).await
    }

    pub async fn let_go(session: &Session, references: &[BookingReference]) -> Result<(), AppError> {
        let mut links = Self::all(session).await?;
        links.0.retain(|held| !references.contains(&held.reference));
        links.write(session).await
    }

    /// Somebody signs in beside them.
    pub(super) async fn meet(session: &Session, user: UserId) -> Result<(), AppError> {
        let mut links = Self::all(session).await?;
        if links.0.iter().any(|held| held.whose == Whose::Browser) {
            links.0.iter_mut().filter(|held| held.whose == Whose::Browser).for_each(|held| {
                held.whose = Whose::BrowserAnd(user);
            });
            links.write(session).await?;
        }
        Ok(())
    }

    /// Ends the session with all that was in it but what is the browser's.
    pub(super) async fn keep_alone(session: &Session) -> Result<(), AppError> {
        let mut links = Self::all(session).await?;
        links.0.retain(Held::is_the_browsers);
        if links.0.is_empty() {
            return session.flush().await.map_err(session::broken);
        }
        session.clear().await;
        links.write(session).await?;
        // Whoever knew the id of before has nothing.
        session.cycle_id().await.map_err(session::broken)
    }

    pub fn of(&self, reference: &BookingReference) -> Option<TokenHash> {
        self.0.iter().find(|held| held.reference == *reference).map(|held| held.link)
    }

    /// Of bookings that a guest began in this browser, rather than links that came to whoever is signed in.
    pub fn of_the_browser(&self) -> impl Iterator<Item = (&BookingReference, TokenHash)> {
        self.0.iter().filter(|held| held.is_the_browsers()).map(|held| (&held.reference, held.link))
    }

    /// The newest first.
    pub fn references(&self) -> impl Iterator<Item = &BookingReference> {
        self.0.iter().rev().map(|held| &held.reference)
    }

    /// In place of another link to the same booking, whose fate it shares.
    fn add(&mut self, reference: BookingReference, link: TokenHash, who: Option<UserId>) {
        let is_same = |held: &Held| held.reference == reference && held.is_seen_by(who);
        let before = self.0.iter().find(|held| is_same(held)).map(|held| held.whose);
        self.0.retain(|held| !is_same(held));
        let whose = before.unwrap_or(who.map_or(Whose::Browser, Whose::Account));
        self.0.push(Held { reference, link, whose });
        let over = self.0.len().saturating_sub(MOST);
        self.0.drain(..over);
    }
}

async fn present(session: &Session) -> Result<Option<UserId>, AppError> {
    Ok(SessionUser::read(session).await?.map(|known| known.user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_holds_twenty_links_one_for_each_booking_and_the_first_gives_way() {
        let mut links = HeldLinks::default();
        let references: Vec<BookingReference> = (0..21).map(|_| BookingReference::random()).collect();
        for (n, reference) in references.iter().enumerate() {
            links.add(reference.clone(), TokenHash::of(&n.to_string()), None);
        }
        assert_eq!(links.of(&references[0]), None);
        assert_eq!(links.of(&references[1]), Some(TokenHash::of("1")));
        links.add(references[1].clone(), TokenHash::of("again"), None);
        assert_eq!(links.of(&references[1]), Some(TokenHash::of("again")));
        assert_eq!(links.references().next(), Some(&references[1]));
        assert_eq!(links.references().count(), MOST);
    }

    #[test]
    fn what_a_guest_began_is_seen_by_the_first_account_beside_it_by_no_other_and_again_by_the_browser() {
        let (alice, bob) = (UserId::new(), UserId::new());
        let seen = |whose: Whose| {
            let held = Held { reference: BookingReference::random(), link: TokenHash::of("x"), whose };
            [None, Some(alice), Some(bob)].map(|who| held.is_seen_by(who))
        };
        assert_eq!(seen(Whose::Browser), [true, true, true]);
        assert_eq!(seen(Whose::BrowserAnd(alice)), [true, true, false]);
        assert_eq!(seen(Whose::Account(alice)), [false, true, false]);
    }

    #[test]
    fn pairs_of_the_version_before_are_the_browsers() {
        let (reference, link) = (BookingReference::random(), TokenHash::of("x"));
        let read = |value| serde_json::from_value::<Vec<Held>>(value).unwrap();
        let old = read(serde_json::json!([[reference, link]]));
        assert_eq!(old, [Held { reference, link, whose: Whose::Browser }]);
        assert_eq!(read(serde_json::to_value(&old).unwrap()), old);
    }
}
