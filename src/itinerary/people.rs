//! Who travels: the party that is priced, and the passengers by name. Whatever is personal stays out of Debug, because what
//! is printed there ends in logs and in the words of panics.

use jiff::civil;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::personal::personal;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PassengerKind {
    Adult,
    Child,
    Infant,
}

impl PassengerKind {
    pub const ALL: [Self; 3] = [Self::Adult, Self::Child, Self::Infant];

    pub const fn code(self) -> &'static str {
        match self {
            Self::Adult => "adult",
            Self::Child => "child",
            Self::Infant => "infant",
        }
    }

    /// Whole years of age on the last day of travel.
    pub const fn ages(self) -> std::ops::RangeInclusive<i16> {
        match self {
            Self::Adult => 12..=120,
            Self::Child => 2..=11,
            Self::Infant => 0..=1,
        }
    }
}

/// Who travels. Infants sit on an adult's lap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "PartyParts", into = "PartyParts")]
pub struct Party {
    adults: u8,
    children: u8,
    infants: u8,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct PartyParts {
    adults: u8,
    children: u8,
    infants: u8,
}

#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PartyError {
    #[error("at least one adult must travel")]
    NoAdult,
    #[error("at most nine passengers in one booking")]
    TooMany,
    #[error("each infant needs an adult's lap")]
    InfantsWithoutAdults,
}

impl Party {
    pub const LARGEST: u8 = 9;

    pub fn new(adults: u8, children: u8, infants: u8) -> Result<Self, PartyError> {
        let all = u16::from(adults) + u16::from(children) + u16::from(infants);
        if all > u16::from(Self::LARGEST) {
            Err(PartyError::TooMany)
        } else if adults == 0 {
            Err(PartyError::NoAdult)
        } else if infants > adults {
            Err(PartyError::InfantsWithoutAdults)
        } else {
            Ok(Self { adults, children, infants })
        }
    }

    pub const fn count(self, kind: PassengerKind) -> u8 {
        match kind {
            PassengerKind::Adult => self.adults,
            PassengerKind::Child => self.children,
            PassengerKind::Infant => self.infants,
        }
    }

    pub const fn seats(self) -> u8 {
        self.adults + self.children
    }

    /// Adults first, then children, then infants: the order of passenger forms and tickets.
    pub fn kinds(self) -> impl Iterator<Item = PassengerKind> {
        PassengerKind::ALL
            .into_iter()
            .flat_map(move |kind| std::iter::repeat_n(kind, usize::from(self.count(kind))))
    }

    /// "2 adults and 1 child".
    pub fn in_words(self) -> String {
        let part = |count: u8, one: &str, many: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {many}")),
        };
        let parts: Vec<String> = [
            part(self.adults, "adult", "adults"),
            part(self.children, "child", "children"),
            part(self.infants, "infant", "infants"),
        ]
        .into_iter()
        .flatten()
        .collect();
        match parts.as_slice() {
            [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
            _ => parts.concat(),
        }
    }
}

impl TryFrom<PartyParts> for Party {
    type Error = PartyError;
    fn try_from(parts: PartyParts) -> Result<Self, PartyError> {
        Self::new(parts.adults, parts.children, parts.infants)
    }
}

impl From<Party> for PartyParts {
    fn from(party: Party) -> Self {
        Self { adults: party.adults, children: party.children, infants: party.infants }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    F,
    M,
    X,
}

impl Sex {
    pub const ALL: [Self; 3] = [Self::F, Self::M, Self::X];

    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sex| sex.code() == code)
    }

    pub const fn code(self) -> &'static str {
        match self {
            Self::F => "f",
            Self::M => "m",
            Self::X => "x",
        }
    }
}

/// A person as the airline needs them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passenger {
    pub kind: PassengerKind,
    pub given_names: String,
    pub family_name: String,
    pub born_on: civil::Date,
    pub sex: Sex,
}

personal!(Passenger { kind });

impl Passenger {
    pub fn full_name(&self) -> String {
        format!("{} {}", self.given_names, self.family_name)
    }
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    pub email: String,
    pub phone: String,
}

personal!(Contact {});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_tells_nothing_personal() {
        let passenger = Passenger {
            kind: PassengerKind::Adult,
            given_names: "Maria".to_owned(),
            family_name: "Duarte".to_owned(),
            born_on: civil::date(1986, 12, 4),
            sex: Sex::F,
        };
        assert_eq!(format!("{passenger:?}"), "Passenger { kind: Adult, .. }");
        let contact = Contact { email: "maria@example.com".to_owned(), phone: "+351 900".to_owned() };
        assert_eq!(format!("{contact:?}"), "Contact { .. }");
    }
}
