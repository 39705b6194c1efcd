//! Standard Webhooks (standardwebhooks.com, v1): what a receiver needs to know that a message is ours, whole and fresh. Pure.

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::header::{HeaderName, HeaderValue};
use jiff::Timestamp;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};

use crate::ids::{self, HookEventId};

/// What a secret begins with wherever it is shown, so that people and scanners know it.
pub const PREFIX: &str = "whsec_";

/// Signs for one endpoint.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub fn random() -> Self {
        let mut bytes = Zeroizing::new(vec![0_u8; 32]);
        ids::random_bytes(&mut bytes);
        Self(bytes)
    }

    pub const fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As the receiver gets it.
    pub fn shown(&self) -> SecretString {
        SecretString::from(format!("{PREFIX}{}", BASE64_STANDARD.encode(&*self.0)))
    }

    /// `None`: it is no secret of ours.
    pub fn read(shown: &SecretString) -> Option<Self> {
        let encoded = shown.expose_secret().strip_prefix(PREFIX)?;
        BASE64_STANDARD.decode(encoded).ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// `v1,base64` over id, time and body.
    pub fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let tag = hmac::sign(&key, format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", BASE64_STANDARD.encode(tag.as_ref()))
    }
}

/// What goes with a message. While a secret is being replaced both sign.
pub fn headers(
    id: HookEventId,
    secrets: &[Secret],
    body: &str,
    now: Timestamp,
) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let (id, seconds) = (id.to_string(), now.as_second());
    let signatures: Vec<String> = secrets.iter().map(|secret| secret.sign(&id, seconds, body)).collect();
    let header = |name: &'static str, value: &str| {
        Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
    };
    Some(vec![
        header("content-type", "application/json")?,
        header("webhook-id", &id)?,
        header("webhook-timestamp", &seconds.to_string())?,
        header("webhook-signature", &signatures.join(" "))?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_published_standard() {
        // Worked out with Python's hmac, hashlib and base64 from these three and this secret.
        let secret = Secret::read(&SecretString::from("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="));
        let signature =
            secret.unwrap().sign("019aafd1-3c00-7c4e-9d6b-2f6f7b0f5a11", 1_763_888_400, r#"{"type":"ping"}"#);
        assert_eq!(signature, "v1,1OTKOrt3K15wq2OCVKjBNX/a4a4Lr192ilqQLF6XXTA=");
    }

    #[test]
    fn a_secret_reads_back_and_none_is_like_another() {
        let secret = Secret::random();
        assert_eq!(secret.as_bytes().len(), 32);
        assert_eq!(Secret::read(&secret.shown()).unwrap().as_bytes(), secret.as_bytes());
        assert_ne!(Secret::random().as_bytes(), secret.as_bytes());
        assert!(Secret::read(&SecretString::from("MDEy")).is_none());
    }

    #[test]
    fn while_a_secret_is_replaced_both_sign() {
        let (new, old) = (Secret::random(), Secret::random());
        let (id, now) = (HookEventId::new(), Timestamp::UNIX_EPOCH);
        let headers = headers(id, &[new.clone(), old.clone()], "{}", now).unwrap();
        let signatures = headers[3].1.to_str().unwrap();
        let wanted = [new, old].map(|secret| secret.sign(&id.to_string(), 0, "{}"));
        assert_eq!(signatures, wanted.join(" "));
    }
}
