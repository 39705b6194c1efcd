//! What a ticket allows, and what it costs.

use serde::{Deserialize, Serialize};

use super::{Offer, OfferId, PassengerKind};
use crate::money::{Money, MoneyError};

/// What may be done with a ticket. A supplier that does not say is kept apart from one that says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    Free,
    Fee(Money),
    No,
    Unknown,
}

/// What comes back of an offer's total before departure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComesBack {
    InFull,
    /// This fee is kept back for each passenger.
    Less(Money),
    /// The fees take all of it.
    FeeTakesAll(Money),
    No,
    Unknown,
}

impl Offer {
    pub fn comes_back(&self) -> ComesBack {
        let people = i64::try_from(self.party.kinds().count()).unwrap_or(i64::MAX);
        match self.fare.conditions.refund {
            Condition::Free => ComesBack::InFull,
            Condition::Fee(fee) if fee.currency != self.total.currency => ComesBack::Unknown,
            Condition::Fee(fee) if fee.minor.saturating_mul(people) < self.total.minor => {
                ComesBack::Less(fee)
            }
            Condition::Fee(fee) => ComesBack::FeeTakesAll(fee),
            Condition::No => ComesBack::No,
            Condition::Unknown => ComesBack::Unknown,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// Before departure, per passenger.
    pub change: Condition,
    pub refund: Condition,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fare {
    /// Fare family: "Light", "Classic", "Flex".
    pub brand: String,
    /// 0 where the supplier tells no weights, neither of this bag nor of checked ones.
    pub cabin_bag_kg: u8,
    /// Checked bags per seat, 23 kg each where weights are told at all.
    pub checked_bags: u8,
    pub conditions: Conditions,
}

impl Fare {
    pub const fn tells_weights(&self) -> bool {
        self.cabin_bag_kg > 0
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tax {
    pub code: String,
    pub name: String,
    pub amount: Money,
}

/// The price of one passenger of a kind, and how many of them there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassengerPrice {
    pub kind: PassengerKind,
    pub count: u8,
    pub fare: Money,
    pub taxes: Vec<Tax>,
    /// The supplier tells one price for everybody together: then this is the only line, and its count is 1.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole_party: bool,
}

/// Another fare family of an offer's flights, with all that differs from the offer's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherFare {
    pub id: OfferId,
    pub fare: Fare,
    /// One for each segment.
    pub fare_bases: Vec<String>,
    pub prices: Vec<PassengerPrice>,
    pub total: Money,
}

impl PassengerPrice {
    pub fn taxes_each(&self) -> Result<Money, MoneyError> {
        Money::sum(self.fare.currency, self.taxes.iter().map(|tax| tax.amount))
    }

    pub fn each(&self) -> Result<Money, MoneyError> {
        self.fare.checked_add(self.taxes_each()?)
    }

    pub fn all(&self) -> Result<Money, MoneyError> {
        self.each()?.checked_mul(i64::from(self.count))
    }
}
