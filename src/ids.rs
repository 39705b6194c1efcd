//! Typed identifiers and secrets: the only source of randomness and of new UUIDs.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use rand::{Rng, RngExt};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type, ToSchema,
        )]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Time-ordered (version 7), so new rows land at the end of their index.
            #[expect(clippy::disallowed_methods, reason = "this is the one home of new UUIDs")]
            #[allow(clippy::new_without_default)]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}

uuid_ids! {
    UserId,
    BookingId,
    PassengerId,
    /// One CheckoutSession of a booking. It travels to Stripe as `client_reference_id`.
    AttemptId,
    RefundId,
    /// A payment that a bank takes back.
    DisputeId,
    /// What cancelling a booking would give back, as it was shown.
    CancelQuoteId,
    MailId,
    /// One signed-in browser.
    DeviceId,
    /// All API tokens that grew from one sign-in.
    FamilyId,
    /// Somebody whom a traveller often books for.
    TravellerId,
    /// Somebody's wish to find a booking again.
    FindId,
    /// Names one HTTP request in logs, errors and answers (see [`RequestId::random`]).
    RequestId,
    /// An address of the agency's own systems that is told what happens.
    HookEndpointId,
    /// One thing that happened, the same for every endpoint and every try.
    HookEventId,
    /// One event on its way to one endpoint.
    HookDeliveryId,
}

impl RequestId {
    /// Version 4, from our own generator: it is in no table whose order would count, and a new one of version 7 asks the
    /// kernel for random bytes, which takes as long as several layers of a request.
    #[expect(clippy::disallowed_methods, reason = "this is the one home of randomness")]
    pub fn random() -> Self {
        Self(uuid::Builder::from_random_bytes(rand::rng().random()).into_uuid())
    }
}

/// A secret that opens something: sent once, kept by its hash only.
#[derive(Clone, Debug)]
pub struct Token(SecretString);

/// What the database knows of a [`Token`]. Without a salt: 256 random bits are in no dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TokenHash(pub [u8; 32]);

impl Token {
    /// 32 bytes in base64.
    const LENGTH: usize = 43;

    #[expect(clippy::disallowed_methods, reason = "this is the one home of randomness")]
    pub fn random() -> Self {
        let mut bytes = [0_u8; 32];
        rand::rng().fill_bytes(&mut bytes);
        Self::from_bytes(bytes)
    }

    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(SecretString::from(URL_SAFE_NO_PAD.encode(bytes)))
    }

    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.expose())
    }
}

impl TokenHash {
    /// Of whatever somebody presents: anything that is no token has a hash that nobody knows.
    pub fn of(presented: &str) -> Self {
        Self(Sha256::digest(presented.as_bytes()).into())
    }

    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What stands where a token stood.
const HIDDEN: &str = "(hidden)";

/// The text without its tokens: every run of characters that is as long as a [`Token`] and made of the same letters.
pub fn hide_tokens(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_of_token) {
        let (before, run) = rest.split_at(start);
        let (run, after) = run.split_at(run.find(|c| !is_of_token(c)).unwrap_or(run.len()));
        shown.push_str(before);
        shown.push_str(if run.len() == Token::LENGTH { HIDDEN } else { run });
        rest = after;
    }
    shown.push_str(rest);
    shown
}

fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

/// Fills `buffer` with random bytes.
#[expect(clippy::disallowed_methods, reason = "this is the one home of randomness")]
pub fn random_bytes(buffer: &mut [u8]) {
    rand::rng().fill_bytes(buffer);
}

/// Six characters without look-alikes (no 0/O, 1/I/L, 2/Z, 5/S, 8/B, U/V): said on the phone, typed from paper.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
pub struct BookingReference(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a booking reference has six letters and digits")]
pub struct NotAReference;

impl BookingReference {
    pub const ALPHABET: &[u8; 23] = b"ACDEFGHJKMNPQRTWXY34679";
    pub const LENGTH: usize = 6;

    pub fn random() -> Self {
        Self(random_text(Self::ALPHABET, Self::LENGTH))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BookingReference {
    type Err = NotAReference;

    /// Accepts what a person types: any case, spaces and hyphens between.
    fn from_str(text: &str) -> Result<Self, NotAReference> {
        if text.len() > 40 {
            return Err(NotAReference);
        }
        let code: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let known = |b: u8| Self::ALPHABET.contains(&b);
        if code.len() == Self::LENGTH && code.bytes().all(known) {
            Ok(Self(code))
        } else {
            Err(NotAReference)
        }
    }
}

impl TryFrom<String> for BookingReference {
    type Error = NotAReference;
    fn try_from(text: String) -> Result<Self, NotAReference> {
        text.parse()
    }
}

impl From<BookingReference> for String {
    fn from(reference: BookingReference) -> String {
        reference.0
    }
}

impl fmt::Display for BookingReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `length` characters drawn evenly from `alphabet`.
#[expect(clippy::disallowed_methods, reason = "this is the one home of randomness")]
pub fn random_text(alphabet: &[u8], length: usize) -> String {
    let mut rng = rand::rng();
    (0..length).map(|_| char::from(alphabet[rng.random_range(0..alphabet.len())])).collect()
}

/// 256 bits in base64: what a page lets run.
pub fn random_nonce() -> String {
    let mut bytes = [0_u8; 32];
    random_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// 256 bits as lower-case hex: generated passwords, signing secrets.
#[expect(clippy::disallowed_methods, reason = "this is the one home of randomness")]
pub fn random_secret() -> String {
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_reference_reads_back_as_itself() {
        for _ in 0..1_000 {
            let reference = BookingReference::random();
            assert_eq!(reference.as_str().parse(), Ok(reference.clone()));
        }
    }

    #[test]
    fn a_hidden_token_leaves_the_text_around_it() {
        let token = Token::random();
        let link = |token: &str| format!("Open http://a.example/reset/{token}.\nÉté <a href='/x/{token}'>");
        assert_eq!(hide_tokens(&link(token.expose())), link("(hidden)"));
        for text in
            ["", "é", "pi_3Pq", &"a".repeat(42), &"a".repeat(44), "0198b2c4-0000-7000-8000-000000000000"]
        {
            assert_eq!(hide_tokens(text), text);
        }
        assert_eq!(hide_tokens(&"a".repeat(43)), "(hidden)");
    }

    #[test]
    fn a_token_is_fit_for_an_address_is_never_shown_and_is_known_by_its_hash() {
        let token = Token::random();
        assert_eq!(token.expose().len(), 43);
        assert!(token.expose().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_eq!(TokenHash::of(token.expose()), token.hash());
        assert_ne!(Token::random().hash(), token.hash());
        assert!(!format!("{token:?}").contains(token.expose()));
    }

    #[test]
    fn a_reference_typed_by_a_person_is_understood() {
        assert_eq!("k7w q4m".parse::<BookingReference>().unwrap().as_str(), "K7WQ4M");
        assert_eq!("K7W-Q4M".parse::<BookingReference>().unwrap().as_str(), "K7WQ4M");
    }

    #[test]
    fn look_alikes_wrong_lengths_and_other_scripts_are_refused() {
        for text in ["", "K7WQ4", "K7WQ4MM", "O7WQ4M", "K1WQ4M", "К7WQ4M", "K7WQ4\0", "'; --"] {
            assert_eq!(text.parse::<BookingReference>(), Err(NotAReference), "{text:?}");
        }
    }
}
