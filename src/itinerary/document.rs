//! Travel documents: whether an airline has to pass them on, and the document itself, whose number no log ever sees.

use std::fmt;

use jiff::civil;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// Whether the airline needs the passports before it issues tickets. It is no term of the price, so it is no part of what
/// a traveller accepts: [`super::Offer::accepted_hash`] does not cover it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentRule {
    /// Also every quote from before documents were asked for.
    #[default]
    NotAsked,
    Asked,
}

impl DocumentRule {
    pub const fn is_asked(self) -> bool {
        matches!(self, Self::Asked)
    }
}

/// The number of a passport, in capital letters and digits. Redacted in Debug, wiped from memory when dropped.
#[derive(Clone)]
pub struct DocumentNumber(SecretString);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a document number has 5 to 20 letters and digits")]
pub struct NotADocumentNumber;

impl DocumentNumber {
    pub const LONGEST: usize = 20;
    const SHORTEST: usize = 5;

    /// Spaces are for reading only and are left out.
    pub fn parse(text: &str) -> Result<Self, NotADocumentNumber> {
        let mut plain = String::with_capacity(Self::LONGEST);
        for letter in text.chars().filter(|letter| !letter.is_whitespace()) {
            // Checked before it grows: a string that moves leaves a copy behind.
            if plain.len() == Self::LONGEST || !letter.is_ascii_alphanumeric() {
                return Err(NotADocumentNumber);
            }
            plain.push(letter.to_ascii_uppercase());
        }
        if plain.len() < Self::SHORTEST {
            Err(NotADocumentNumber)
        } else {
            Ok(Self(SecretString::from(plain)))
        }
    }

    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Enough for its owner to tell which it is, and for nobody else to use it.
    pub fn last_two(&self) -> &str {
        let text = self.expose();
        text.get(text.len().saturating_sub(2)..).unwrap_or_default()
    }
}

impl fmt::Debug for DocumentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl PartialEq for DocumentNumber {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for DocumentNumber {}

/// A passport as the airline needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub number: DocumentNumber,
    /// Who issued it, ISO 3166-1 alpha-2.
    pub country: String,
    pub expires_on: civil::Date,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (typed, kept) in [
            ("ca 123 456", "CA123456"),
            ("X12345678", "X12345678"),
            (" 12345 ", "12345"),
            (&"9".repeat(20), &"9".repeat(20)),
        ] {
            assert_eq!(DocumentNumber::parse(typed).unwrap().expose(), kept);
        }
        for typed in
            ["", "   ", "1234", "12-345", "CA12345Ö", "С12345", "12345\0", "<b>12345", &"9".repeat(21)]
        {
            assert_eq!(DocumentNumber::parse(typed), Err(NotADocumentNumber), "{typed:?}");
        }
    }

    #[test]
    fn only_its_end_is_ever_shown() {
        let number = DocumentNumber::parse("CA123442").unwrap();
        assert_eq!(number.last_two(), "42");
        let document = Document { number, country: "PT".to_owned(), expires_on: civil::date(2031, 4, 30) };
        let shown = format!("{document:?}");
        assert!(shown.contains("[REDACTED]") && !shown.contains("1234"), "{shown}");
    }

    #[test]
    fn a_quote_from_before_the_rule_asks_for_nothing() {
        assert_eq!(DocumentRule::default(), DocumentRule::NotAsked);
        assert_eq!(serde_json::to_string(&DocumentRule::Asked).unwrap(), "\"asked\"");
    }
}
