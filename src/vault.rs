//! The agency's keys: what is kept sealed in the database, and what we sign ourselves. Whoever has a copy of the database
//! but not the keys can neither read the one nor forge the other.

use std::{fmt, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf, hmac,
};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};

use crate::ids;

/// Sealed bytes: length of the key's name, name, nonce, ciphertext with tag.
const LONGEST_NAME: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error("sealed with a key that is not among ENCRYPTION_KEYS")]
    UnknownKey,
    /// Changed since it was sealed, or sealed for something else.
    #[error("sealed data does not open")]
    Broken,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("needs at least one key")]
    None,
    #[error("has a key that is not name:base64, with a name of up to 32 small letters, digits and hyphens")]
    Form,
    #[error("has a key that is not 32 bytes long")]
    Length,
    #[error("has two keys of one name")]
    Twice,
}

struct Key {
    name: String,
    seal: LessSafeKey,
    sign: hmac::Key,
}

/// The first key seals and signs; all of them open and verify, so that an old key may go once nothing is left of it.
#[derive(Clone)]
pub struct Vault(Arc<Vec<Key>>);

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.name)).finish()
    }
}

/// One of the rows that a key has sealed, by which the key can be tried.
pub struct Sample {
    /// Name of the key.
    pub key: String,
    /// How many rows it has sealed.
    pub rows: i64,
    pub purpose: String,
    pub sealed: Vec<u8>,
}

/// A new key in the form of the configuration.
pub fn new_key(name: &str) -> SecretString {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    ids::random_bytes(&mut *bytes);
    SecretString::from(format!("{name}:{}", BASE64_STANDARD.encode(*bytes)))
}

impl Vault {
    /// `name:base64`, several with commas between.
    pub fn new(keys: &SecretString) -> Result<Self, KeyError> {
        let listed = keys.expose_secret().split(',').map(str::trim).filter(|key| !key.is_empty());
        let keys: Vec<Key> = listed.map(Key::read).collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(KeyError::None);
        }
        let is_twice = |(n, key): (usize, &Key)| keys.iter().take(n).any(|earlier| earlier.name == key.name);
        if keys.iter().enumerate().any(is_twice) {
            return Err(KeyError::Twice);
        }
        Ok(Self(Arc::new(keys)))
    }

    /// `purpose` is what it is and whose it is: sealed bytes copied to another row do not open there.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let key = self.0.first().ok_or(VaultError::UnknownKey)?;
        let mut nonce = [0_u8; NONCE_LEN];
        ids::random_bytes(&mut nonce);
        let mut sealed = plain.to_vec();
        key.seal
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(purpose.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| VaultError::Broken)?;
        let length = u8::try_from(key.name.len()).map_err(|_| VaultError::Broken)?;
        Ok([&[length], key.name.as_bytes(), &nonce, &sealed].concat())
    }

    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (name, rest) = split_name(sealed).ok_or(VaultError::Broken)?;
        let key = self.0.iter().find(|key| key.name.as_bytes() == name).ok_or(VaultError::UnknownKey)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(VaultError::Broken)?;
        let mut buffer = Zeroizing::new(body.to_vec());
        let plain = key
            .seal
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(purpose.as_bytes()), &mut buffer)
            .map_err(|_| VaultError::Broken)?
            .len();
        buffer.truncate(plain);
        Ok(buffer)
    }

    /// Sealed with the newest key: nothing to renew.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        split_name(sealed)
            .zip(self.0.first())
            .is_some_and(|((name, _), newest)| newest.name.as_bytes() == name)
    }

    /// Opens with whatever key fits and seals with the newest: how an old key becomes unneeded.
    pub fn renew(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.seal(purpose, &self.open(purpose, sealed)?)
    }

    /// The name of the key that seals, as it stands at the beginning of what it has sealed.
    pub fn newest(&self) -> &str {
        self.0.first().map_or("", |key| &key.name)
    }

    pub fn sign(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        self.0.first().map_or([0; 32], |key| key.sign(purpose, message))
    }

    pub fn verify(&self, purpose: &str, message: &[u8], signature: &[u8]) -> bool {
        self.0.iter().any(|key| hmac::verify(&key.sign, &signed(purpose, message), signature).is_ok())
    }
}

impl Key {
    fn read(text: &str) -> Result<Self, KeyError> {
        let (name, encoded) = text.split_once(':').ok_or(KeyError::Form)?;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=LONGEST_NAME).contains(&name.len()) || !name.bytes().all(plain) {
            return Err(KeyError::Form);
        }
        let secret = Zeroizing::new(BASE64_STANDARD.decode(encoded).map_err(|_| KeyError::Form)?);
        if secret.len() != 32 {
            return Err(KeyError::Length);
        }
        // Two keys from one, so that what is signed says nothing about what is sealed.
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"jetbridge").extract(&secret);
        let part = |label: &'static [u8]| {
            let mut bytes = Zeroizing::new([0_u8; 32]);
            let labels = [label];
            let filled =
                root.expand(&labels, hkdf::HKDF_SHA256).and_then(|derived| derived.fill(&mut *bytes));
            filled.map(|()| bytes).map_err(|_| KeyError::Length)
        };
        let seal = UnboundKey::new(&AES_256_GCM, &*part(b"seal")?).map_err(|_| KeyError::Length)?;
        Ok(Self {
            name: name.to_owned(),
            seal: LessSafeKey::new(seal),
            sign: hmac::Key::new(hmac::HMAC_SHA256, &*part(b"sign")?),
        })
    }

    fn sign(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hmac::sign(&self.sign, &signed(purpose, message)).as_ref());
        bytes
    }
}

/// No purpose contains the separator, so no two pairs make the same bytes.
fn signed(purpose: &str, message: &[u8]) -> Vec<u8> {
    [purpose.as_bytes(), b"\0", message].concat()
}

fn split_name(sealed: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = sealed.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(keys: &[&SecretString]) -> Vault {
        let listed: Vec<&str> = keys.iter().map(|key| key.expose_secret()).collect();
        Vault::new(&SecretString::from(listed.join(","))).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_for_its_own_purpose_only() {
        let key = new_key("a");
        let vault = vault(&[&key]);
        let sealed = vault.seal("passport:1", b"X123").unwrap();
        assert_eq!(vault.open("passport:1", &sealed).unwrap().as_slice(), b"X123");
        assert_eq!(vault.open("passport:2", &sealed).unwrap_err(), VaultError::Broken);
        assert_ne!(vault.seal("passport:1", b"X123").unwrap(), sealed);
        assert!(!sealed.windows(4).any(|part| part == b"X123"));
    }

    #[test]
    fn any_changed_byte_and_any_cut_is_noticed() {
        let vault = vault(&[&new_key("a")]);
        let sealed = vault.seal("p", b"secret").unwrap();
        for n in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[n] ^= 1;
            assert!(vault.open("p", &changed).is_err(), "byte {n}");
            assert!(vault.open("p", &sealed[..n]).is_err(), "cut at {n}");
        }
    }

    #[test]
    fn an_old_key_still_opens_until_it_is_taken_away() {
        let (old, new) = (new_key("k1"), new_key("k2"));
        let before = vault(&[&old]);
        let sealed = before.seal("p", b"secret").unwrap();
        let signature = before.sign("p", b"message");
        let during = vault(&[&new, &old]);
        assert!(!during.is_current(&sealed));
        assert_eq!(during.newest(), "k2");
        let renewed = during.renew("p", &sealed).unwrap();
        assert!(during.is_current(&renewed) && during.verify("p", b"message", &signature));
        let after = vault(&[&new]);
        assert_eq!(after.open("p", &renewed).unwrap().as_slice(), b"secret");
        assert_eq!(after.open("p", &sealed).unwrap_err(), VaultError::UnknownKey);
        assert!(!after.verify("p", b"message", &signature));
    }

    #[test]
    fn a_signature_holds_for_its_purpose_and_message_only() {
        let vault = vault(&[&new_key("a")]);
        let signature = vault.sign("device", b"alice");
        assert!(vault.verify("device", b"alice", &signature));
        assert!(!vault.verify("device", b"bob", &signature));
        assert!(!vault.verify("mail-token", b"alice", &signature));
        assert!(!vault.verify("device", b"alice", &[]));
    }

    #[test]
    fn keys_of_another_form_are_refused_and_none_shows_in_debug() {
        let key = new_key("a");
        let read = |text: &str| Vault::new(&SecretString::from(text.to_owned())).map(drop);
        assert_eq!(read(""), Err(KeyError::None));
        assert_eq!(read("secret"), Err(KeyError::Form));
        assert_eq!(read("A:AAAA"), Err(KeyError::Form));
        assert_eq!(read("a:not base64"), Err(KeyError::Form));
        assert_eq!(read("a:AAAA"), Err(KeyError::Length));
        assert_eq!(read(&[key.expose_secret(), key.expose_secret()].join(",")), Err(KeyError::Twice));
        assert_eq!(format!("{:?}", vault(&[&key])), "[\"a\"]");
    }
}
