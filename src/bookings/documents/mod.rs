//! Passports of a booking: sealed before they reach the database, opened for the airline and for a member of the agency who
//! says why, and deleted when the journey is over or never happens.

pub mod store;

use jiff::{SignedDuration, Timestamp, ToSpan, civil, tz::TimeZone};
use secrecy::zeroize::Zeroizing;

use crate::{
    bookings::Given,
    db::{System, Traveller, Tx},
    error::AppError,
    ids::{BookingId, PassengerId},
    itinerary::{Document, DocumentNumber, Passenger},
    outbox::{self, Attention},
    vault::{Sample, Vault, VaultError},
};

/// Rows that one round renews at most; the next round goes on.
const BATCH: i64 = 200;

/// What may be shown of a passport: never the number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentNote {
    pub passenger: PassengerId,
    pub last_two: String,
    /// Who issued it, ISO 3166-1 alpha-2.
    pub country: String,
    pub expires_on: civil::Date,
}

impl DocumentNote {
    /// "passport ends in 42, PT, valid to 2031".
    pub fn in_words(&self) -> String {
        format!("passport ends in {}, {}, valid to {}", self.last_two, self.country, self.expires_on.year())
    }
}

/// What the form says of a passport. Without a number, the one that is kept stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenDocument {
    pub number: Option<DocumentNumber>,
    pub country: String,
    pub expires_on: civil::Date,
}

/// A passport belongs to a person: under another name or birth date a kept number is somebody else's.
pub fn is_same_person(one: &Passenger, other: &Passenger) -> bool {
    (&one.given_names, &one.family_name, one.born_on)
        == (&other.given_names, &other.family_name, other.born_on)
}

/// Bound to the passenger: copied to another row it does not open there.
fn purpose(passenger: PassengerId) -> String {
    format!("passport:{passenger}")
}

/// One sealed passport of each key, to try the key by.
pub async fn samples(tx: &mut Tx<System>) -> Result<Vec<Sample>, sqlx::Error> {
    let rows = store::samples(tx).await?.into_iter();
    Ok(rows
        .map(|(key, rows, passenger, sealed)| Sample { key, rows, purpose: purpose(passenger), sealed })
        .collect())
}

/// All numbers are sealed at one length, so that the sealed bytes do not tell how long they are.
fn seal(vault: &Vault, passenger: PassengerId, number: &DocumentNumber) -> Result<Vec<u8>, AppError> {
    let mut plain = Zeroizing::new([b' '; DocumentNumber::LONGEST]);
    for (place, byte) in plain.iter_mut().zip(number.expose().bytes()) {
        *place = byte;
    }
    vault.seal(&purpose(passenger), &*plain).map_err(|error| AppError::broken(error.to_string()))
}

pub fn open(vault: &Vault, passenger: PassengerId, sealed: &[u8]) -> Result<DocumentNumber, VaultError> {
    let plain = vault.open(&purpose(passenger), sealed)?;
    let text = std::str::from_utf8(&plain).map_err(|_| VaultError::Broken)?;
    DocumentNumber::parse(text).map_err(|_| VaultError::Broken)
}

/// The passengers of a booking, as they are and as they were.
pub struct Party {
    pub booking: BookingId,
    pub ids: Vec<PassengerId>,
    pub before: Vec<(Passenger, Option<String>)>,
    pub travel_ends: civil::Date,
}

/// Keeps what the form gives. A number that is not given again stays only with the person it was given for.
pub async fn keep(
    tx: &mut Tx<Traveller>,
    vault: &Vault,
    party: &Party,
    given: &Given,
    now: Timestamp,
) -> Result<(), AppError> {
    for (at, (&passenger, document)) in party.ids.iter().zip(&given.documents).enumerate() {
        let (before, after) = (party.before.get(at), given.passengers.get(at));
        let is_same = before.zip(after).is_some_and(|((before, _), after)| is_same_person(before, after));
        match &document.number {
            Some(number) => {
                let sealed = seal(vault, passenger, number)?;
                let last_two = number.last_two();
                let row = store::NewRow { booking: party.booking, passenger, sealed: &sealed, last_two };
                store::put(tx, &row, document, party.travel_ends, now).await?;
            }
            None if is_same => store::mend(tx, passenger, document).await?,
            None => store::delete(tx, passenger).await?,
        }
    }
    Ok(())
}

/// The passports of an order, in the passengers' order.
pub enum ForOrder {
    All(Vec<Document>),
    /// Somebody's was never given, or is deleted.
    Missing,
    /// The keys of this process do not open it.
    Unreadable,
}

pub async fn for_order(
    tx: &mut Tx<System>,
    vault: &Vault,
    booking: BookingId,
    now: Timestamp,
) -> Result<ForOrder, AppError> {
    let mut documents = Vec::new();
    for row in store::sealed(tx, booking).await? {
        let Some(row) = row else { return Ok(ForOrder::Missing) };
        match open(vault, row.passenger, &row.sealed) {
            Ok(number) => {
                documents.push(Document { number, country: row.country, expires_on: row.expires_on });
            }
            Err(error) => {
                raise_unreadable(tx, row.passenger, booking, error, now).await?;
                return Ok(ForOrder::Unreadable);
            }
        }
    }
    Ok(ForOrder::All(documents))
}

/// Once per passenger until somebody has resolved it.
pub async fn raise_unreadable(
    tx: &mut Tx<System>,
    passenger: PassengerId,
    booking: BookingId,
    error: VaultError,
    now: Timestamp,
) -> Result<(), AppError> {
    let detail = format!("a passport cannot be opened: {error}");
    let subject = passenger.to_string();
    outbox::raise(tx, Attention::SealedUnreadable, &subject, Some(booking), &detail, now).await?;
    Ok(())
}

/// Deletes what is not needed any more: journeys that ended `keep_days` ago, and bookings that ended without one.
pub async fn forget_old(tx: &mut Tx<System>, keep_days: u16, now: Timestamp) -> Result<u64, AppError> {
    // The last day ends up to half a day later somewhere west of here.
    let today = (now - SignedDuration::from_hours(12)).to_zoned(TimeZone::UTC).date();
    let ended_before = today.saturating_sub(i32::from(keep_days).days());
    Ok(store::delete_old(tx, ended_before).await?)
}

/// Seals again, with the newest key, what an older one has sealed. What no key opens is told to a person and left alone.
pub async fn renew(tx: &mut Tx<System>, vault: &Vault, now: Timestamp) -> Result<(), AppError> {
    let stale = store::stale(tx, vault.newest(), BATCH).await?;
    if stale.is_empty() {
        return Ok(());
    }
    let mut renewed = 0;
    for row in stale {
        match vault.renew(&purpose(row.passenger), &row.sealed) {
            Ok(sealed) => renewed += store::reseal(tx, &row, &sealed).await?,
            Err(error) => raise_unreadable(tx, row.passenger, row.booking, error, now).await?,
        }
    }
    let left = store::count_stale(tx, vault.newest()).await?;
    tracing::info!(key = vault.newest(), renewed, left, "passports sealed again");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault;

    #[test]
    fn a_number_opens_for_its_passenger_alone_and_all_are_sealed_at_one_length() {
        let vault = Vault::new(&vault::new_key("a")).unwrap();
        let (maria, joao) = (PassengerId::new(), PassengerId::new());
        let sealed = |text: &str| seal(&vault, maria, &DocumentNumber::parse(text).unwrap()).unwrap();
        assert_eq!(open(&vault, maria, &sealed("CA123442")).unwrap().expose(), "CA123442");
        assert_eq!(open(&vault, joao, &sealed("CA123442")), Err(VaultError::Broken));
        assert_eq!(sealed("12345").len(), sealed("12345678901234567890").len());
    }

    #[test]
    fn the_note_shows_the_end_of_the_number_and_the_year() {
        let note = DocumentNote {
            passenger: PassengerId::new(),
            last_two: "42".to_owned(),
            country: "PT".to_owned(),
            expires_on: civil::date(2031, 4, 30),
        };
        assert_eq!(note.in_words(), "passport ends in 42, PT, valid to 2031");
    }
}
