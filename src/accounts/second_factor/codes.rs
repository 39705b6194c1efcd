//! Codes as they are made, shown and typed. No database, no web.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use secrecy::{SecretString, zeroize::Zeroizing};
use totp_rs::{Algorithm, Builder, Totp};

use crate::{
    accounts::second_factor::{LONGEST_CODE, RECOVERY_CODES},
    error::AppError,
    ids::{self, BookingReference, UserId},
    vault::Vault,
};

/// 160 bits, as RFC 4226 recommends.
const SECRET_LENGTH: usize = 20;
const STEP_SECONDS: u64 = 30;
/// One step before and after: phones are a little early or late.
const SKEW: u16 = 1;
/// Five groups of five from 23 characters are 113 bits: enough for a hash without a salt.
const GROUP: usize = 5;
const GROUPS: usize = 5;
/// How long a secret waits on its page for the first code.
const SETUP_LIFE: SignedDuration = SignedDuration::from_mins(30);

/// A code as somebody typed it.
#[derive(Clone, Debug)]
pub enum TypedCode {
    /// Six digits.
    App(String),
    Recovery(SecretString),
}

impl TypedCode {
    /// Accepts spaces and hyphens between, and recovery codes in small letters.
    pub fn read(typed: &str) -> Option<Self> {
        if typed.len() > LONGEST_CODE {
            return None;
        }
        let plain: String = typed
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| c.to_ascii_uppercase())
            .collect();
        if plain.len() == 6 && plain.bytes().all(|b| b.is_ascii_digit()) {
            return Some(Self::App(plain));
        }
        let is_recovery =
            plain.len() == GROUP * GROUPS && plain.bytes().all(|b| BookingReference::ALPHABET.contains(&b));
        is_recovery.then(|| Self::Recovery(SecretString::from(plain)))
    }
}

/// "K7WQ4-ACDEF-GHJKM-NPQRT-WXY34".
pub fn recovery_codes() -> Vec<SecretString> {
    let group = || ids::random_text(BookingReference::ALPHABET, GROUP);
    let code = || SecretString::from([(); GROUPS].map(|()| group()).join("-"));
    std::iter::repeat_with(code).take(RECOVERY_CODES).collect()
}

/// A secret on its way into an app. It travels in the form, sealed: only a code that proves it makes a row.
pub struct Setup {
    secret: Zeroizing<Vec<u8>>,
    sealed: String,
    link: SecretString,
    typing: SecretString,
}

impl Setup {
    pub(super) fn new(
        vault: &Vault,
        issuer: &str,
        user: UserId,
        email: &str,
        now: Timestamp,
    ) -> Result<Self, AppError> {
        let mut secret = Zeroizing::new(vec![0_u8; SECRET_LENGTH]);
        ids::random_bytes(&mut secret);
        let mut plain = Zeroizing::new(now.as_second().to_be_bytes().to_vec());
        plain.extend_from_slice(&secret);
        let sealed = vault.seal(&purpose(user), &plain);
        let sealed = sealed.map_err(|error| AppError::broken(format!("a setup: {error}")))?;
        Self::of(secret, BASE64_URL_SAFE_NO_PAD.encode(sealed), issuer, email)
    }

    pub(super) fn open(
        vault: &Vault,
        issuer: &str,
        user: UserId,
        email: &str,
        sealed: &str,
        now: Timestamp,
    ) -> Result<Option<Self>, AppError> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(sealed).unwrap_or_default();
        let Ok(plain) = vault.open(&purpose(user), &bytes) else { return Ok(None) };
        let Some((made, secret)) = plain.split_first_chunk::<8>() else { return Ok(None) };
        let age = now.as_second().saturating_sub(i64::from_be_bytes(*made));
        if !(0..=SETUP_LIFE.as_secs()).contains(&age) {
            return Ok(None);
        }
        Self::of(Zeroizing::new(secret.to_vec()), sealed.to_owned(), issuer, email).map(Some)
    }

    fn of(secret: Zeroizing<Vec<u8>>, sealed: String, issuer: &str, email: &str) -> Result<Self, AppError> {
        let totp = totp(&secret, issuer, email)?;
        let link = totp.to_url().map_err(|error| AppError::broken(format!("a setup: {error}")))?;
        let typing = in_fours(&totp.secret().to_base32());
        Ok(Self { secret, sealed, link: link.into(), typing: typing.into() })
    }

    pub(super) fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// For the form that the first code comes back with.
    pub fn sealed(&self) -> &str {
        &self.sealed
    }

    /// What the app reads from the QR code.
    pub const fn link(&self) -> &SecretString {
        &self.link
    }

    /// For typing by hand, in groups of four.
    pub const fn typing(&self) -> &SecretString {
        &self.typing
    }
}

/// The step whose code this is, within a minute and a half around `now`.
pub(super) fn step_of(secret: &[u8], code: &str, now: Timestamp) -> Result<Option<i64>, AppError> {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let step = totp(secret, "", "")?.check(code, seconds);
    Ok(step.and_then(|step| i64::try_from(step).ok()))
}

fn totp(secret: &[u8], issuer: &str, email: &str) -> Result<Totp, AppError> {
    // A colon parts issuer and account in the link. Neither a site's name nor an address needs one.
    let without_colons = |text: &str| text.replace(':', " ").trim().to_owned();
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(SKEW)
        .with_step_duration(STEP_SECONDS)
        .with_secret(secret.to_vec())
        .with_account_name(without_colons(email))
        .with_issuer(Some(without_colons(issuer)).filter(|issuer| !issuer.is_empty()))
        .build()
        .map_err(|error| AppError::broken(format!("a second factor: {error}")))
}

fn in_fours(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

fn purpose(user: UserId) -> String {
    format!("second-factor-setup:{user}")
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::vault;

    /// RFC 6238, appendix B: SHA-1 over the ASCII text "12345678901234567890", cut to six digits.
    const RFC_SECRET: &[u8] = b"12345678901234567890";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_codes_of_the_standard_are_right_for_their_step_and_one_beside() {
        for (second, code) in
            [(1_111_111_109, "081804"), (1_234_567_890, "005924"), (2_000_000_000, "279037")]
        {
            let step = second / 30;
            for late in [-30, 0, 30] {
                assert_eq!(step_of(RFC_SECRET, code, at(second + late)).unwrap(), Some(step), "{second}");
            }
            for late in [-60, 60, 3_600] {
                assert_eq!(step_of(RFC_SECRET, code, at(second + late)).unwrap(), None, "{second}");
            }
        }
    }

    #[test]
    fn what_is_typed_is_an_app_code_a_recovery_code_or_nothing() {
        let kind = |typed: &str| match TypedCode::read(typed) {
            Some(TypedCode::App(code)) => code,
            Some(TypedCode::Recovery(code)) => code.expose_secret().to_owned(),
            None => String::new(),
        };
        assert_eq!(kind(" 123 456 "), "123456");
        assert_eq!(kind("000-000"), "000000");
        assert_eq!(kind("k7wq4 acdef-GHJKM npqrt WXY34"), "K7WQ4ACDEFGHJKMNPQRTWXY34");
        for none in [
            "",
            "12345",
            "1234567",
            "١٢٣٤٥٦",
            "12345a",
            "K7WQ4-ACDEF",
            "K7WQ4-ACDEF-GHJKM-NPQRT-WXY30",
            &"1".repeat(500),
        ] {
            assert_eq!(kind(none), "", "{none}");
        }
    }

    #[test]
    fn a_setup_reads_back_for_its_own_user_and_within_its_time() {
        let vault = Vault::new(&vault::new_key("test")).unwrap();
        let (maria, joao) = (UserId::new(), UserId::new());
        let start = at(1_800_000_000);
        let setup = Setup::new(&vault, "Jet: bridge", maria, "maria@example.com", start).unwrap();
        let open = |user, sealed: &str, now| {
            Setup::open(&vault, "Jet: bridge", user, "maria@example.com", sealed, now).unwrap()
        };
        let again = open(maria, setup.sealed(), start + SETUP_LIFE).unwrap();
        assert_eq!(again.secret(), setup.secret());
        assert_eq!(again.link().expose_secret(), setup.link().expose_secret());
        assert!(
            setup
                .link()
                .expose_secret()
                .starts_with("otpauth://totp/Jet%20%20bridge:maria%40example.com?secret=")
        );
        assert_eq!(setup.typing().expose_secret().len(), 32 + 7);
        assert!(open(joao, setup.sealed(), start).is_none());
        assert!(open(maria, setup.sealed(), start + SETUP_LIFE + SignedDuration::from_secs(1)).is_none());
        for nonsense in ["", "x", "%%%", &setup.sealed()[1..]] {
            assert!(open(maria, nonsense, start).is_none(), "{nonsense}");
        }
    }
}
