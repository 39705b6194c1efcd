//! Browsers that an account was signed in with before. Such a browser carries a signed cookie and is slowed down for its
//! own wrong passwords only: whoever guesses at the account from elsewhere cannot keep its owner out. The mark is good for
//! the password that it was given for: with another one everybody is a stranger again, whoever knew the old one too.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};

use crate::{
    ids::{TokenHash, UserId, random_bytes},
    vault::Vault,
};

/// How long a browser stays known after the last sign-in.
pub const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(24 * 180);
/// Accounts that one browser is known to: a family's. Beyond these the one that signed in longest ago is forgotten.
const MOST: usize = 4;
const PURPOSE: &str = "known-device";
/// Random id, seconds since 1970, signature.
const LENGTH: usize = 16 + 8 + 32;

/// What the cookie says, unproven: the latest first.
#[derive(Clone, Debug, Default)]
pub struct KnownBrowser(Vec<Mark>);

/// An account, with the password of this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub user: UserId,
    /// SHA-256 of the password's hash.
    pub password: TokenHash,
}

/// One account's mark. Whose it is stands nowhere: only the signature tells, to whoever asks about that account.
#[derive(Clone, Copy, Debug)]
struct Mark {
    id: [u8; 16],
    since: [u8; 8],
    signature: [u8; 32],
}

impl KnownBrowser {
    /// Nonsense is nothing.
    pub fn read(cookie: &str) -> Self {
        Self(cookie.split('.').take(MOST).filter_map(Mark::read).collect())
    }

    pub fn write(&self) -> String {
        self.0.iter().map(Mark::write).collect::<Vec<_>>().join(".")
    }

    /// The id under which this browser is known to the account.
    pub fn id(&self, vault: &Vault, account: Known, now: Timestamp) -> Option<[u8; 16]> {
        self.0.iter().find(|mark| mark.is_of(vault, account, now)).map(|mark| mark.id)
    }

    /// Known from now on, under the id that it has already if it has one.
    #[must_use]
    pub fn with(&self, vault: &Vault, account: Known, now: Timestamp) -> Self {
        let id = self.id(vault, account, now).unwrap_or_else(|| {
            let mut id = [0; 16];
            random_bytes(&mut id);
            id
        });
        let since = now.as_second().to_be_bytes();
        let signature = vault.sign(PURPOSE, &message(account, &id, &since));
        let others = self.0.iter().filter(|mark| !mark.is_of(vault, account, now)).copied();
        Self(std::iter::once(Mark { id, since, signature }).chain(others).take(MOST).collect())
    }
}

impl Mark {
    fn read(text: &str) -> Option<Self> {
        let bytes: [u8; LENGTH] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (id, rest) = bytes.split_first_chunk()?;
        let (since, signature) = rest.split_first_chunk()?;
        Some(Self { id: *id, since: *since, signature: signature.try_into().ok()? })
    }

    fn write(&self) -> String {
        URL_SAFE_NO_PAD.encode([&self.id[..], &self.since, &self.signature].concat())
    }

    fn is_of(&self, vault: &Vault, account: Known, now: Timestamp) -> bool {
        let since = Timestamp::from_second(i64::from_be_bytes(self.since));
        let is_recent = since.is_ok_and(|since| now.duration_since(since) < KNOWN_FOR);
        is_recent && vault.verify(PURPOSE, &message(account, &self.id, &self.since), &self.signature)
    }
}

/// All four of fixed length, so no two of them make the same bytes.
fn message(account: Known, id: &[u8; 16], since: &[u8; 8]) -> Vec<u8> {
    [account.user.0.as_bytes(), account.password.as_bytes(), &id[..], since].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(name: &str) -> Vault {
        Vault::new(&crate::vault::new_key(name)).unwrap()
    }

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn somebody() -> Known {
        Known { user: UserId::new(), password: TokenHash::of("the hash of a password") }
    }

    #[test]
    fn a_mark_is_good_for_the_password_that_it_was_given_for() {
        let (vault, alice) = (vault("k"), somebody());
        let known = KnownBrowser::default().with(&vault, alice, now());
        let changed = Known { password: TokenHash::of("another"), ..alice };
        assert!(known.id(&vault, alice, now()).is_some());
        assert_eq!(known.id(&vault, changed, now()), None);
    }

    #[test]
    fn a_browser_is_known_to_the_account_that_signed_in_with_it_for_half_a_year() {
        let (vault, alice, bob) = (vault("k"), somebody(), somebody());
        let cookie = KnownBrowser::default().with(&vault, alice, now()).write();
        let known = KnownBrowser::read(&cookie);
        let id = known.id(&vault, alice, now()).unwrap();
        assert_eq!(known.id(&vault, bob, now()), None);
        assert_eq!(known.id(&vault, alice, now() + KNOWN_FOR), None);
        // Signing in again makes it last longer under the same id.
        let later = now() + KNOWN_FOR - SignedDuration::from_secs(1);
        let again = known.with(&vault, alice, later);
        assert_eq!(again.id(&vault, alice, now() + KNOWN_FOR), Some(id));
        assert_eq!(again.0.len(), 1);
    }

    #[test]
    fn what_we_have_not_signed_is_worth_nothing() {
        let (ours, alice) = (vault("k"), somebody());
        let good = KnownBrowser::default().with(&ours, alice, now()).write();
        let foreign = KnownBrowser::default().with(&vault("other"), alice, now()).write();
        let changed = good.replacen(&good[..1], if good.starts_with('A') { "B" } else { "A" }, 1);
        let half = &good[..good.len() / 2];
        for cookie in [
            "",
            ".",
            "....",
            "x",
            "%00",
            "ä",
            &foreign,
            &changed,
            half,
            &format!("{good}A"),
            &"A".repeat(9_000),
        ] {
            assert_eq!(KnownBrowser::read(cookie).id(&ours, alice, now()), None, "{cookie}");
        }
    }

    #[test]
    fn a_family_shares_a_browser_and_the_cookie_stays_short() {
        let vault = vault("k");
        let people: Vec<Known> = (0..6).map(|_| somebody()).collect();
        let cookie = people.iter().fold(String::new(), |cookie, user| {
            KnownBrowser::read(&cookie).with(&vault, *user, now()).write()
        });
        assert!(cookie.len() < 400, "{}", cookie.len());
        let known = KnownBrowser::read(&cookie);
        let knows: Vec<bool> = people.iter().map(|user| known.id(&vault, *user, now()).is_some()).collect();
        assert_eq!(knows, [false, false, true, true, true, true]);
    }
}
