//! Passports in full, for a member of the agency who says why. Each look is in the audit log before the number is read.

use jiff::{Timestamp, civil};
use serde_json::json;

use crate::{
    admin::mask_name,
    audit::{self, Action},
    bookings::{documents, store},
    db::{Db, Staff, System},
    error::{AppError, Refusal},
    ids::{BookingId, BookingReference, PassengerId, UserId},
    itinerary::DocumentNumber,
    vault::{Vault, VaultError},
};

/// Why somebody has to see the number itself. A short list, so that the log can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    TravellerAsks,
    AirlineAsks,
    AuthorityAsks,
}

impl Reason {
    pub const ALL: [Self; 3] = [Self::TravellerAsks, Self::AirlineAsks, Self::AuthorityAsks];

    pub const fn code(self) -> &'static str {
        match self {
            Self::TravellerAsks => "traveller_asks",
            Self::AirlineAsks => "airline_asks",
            Self::AuthorityAsks => "authority_asks",
        }
    }

    pub const fn in_words(self) -> &'static str {
        match self {
            Self::TravellerAsks => "The traveller asks us to check it",
            Self::AirlineAsks => "The airline asks for it",
            Self::AuthorityAsks => "An authority asks for it",
        }
    }

    pub fn read(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// One passenger's passport.
#[derive(Debug)]
pub struct Revealed {
    /// Masked: the number is what was asked for.
    pub passenger: String,
    pub number: Result<DocumentNumber, VaultError>,
    pub country: String,
    pub expires_on: civil::Date,
}

/// Audit rows and reading are one transaction: where the one fails, the other never happened. The database sees to it as
/// well: it hands out only what this transaction has written down.
pub async fn reveal(
    db: &Db,
    vault: &Vault,
    staff: UserId,
    reference: &BookingReference,
    reason: Reason,
    now: Timestamp,
) -> Result<Vec<Revealed>, AppError> {
    let mut tx = db.begin(Staff(staff)).await?;
    let booking = store::find(&mut tx, reference).await?.ok_or(AppError::NotFound)?.id;
    let people = store::passengers(&mut tx, booking).await?;
    let notes = documents::store::notes(&mut tx, booking).await?;
    if notes.iter().flatten().count() == 0 {
        return Err(nothing_kept());
    }
    for note in notes.iter().flatten() {
        let (subject, data) = (note.passenger.to_string(), json!({ "reason": reason.code() }));
        audit::record(&mut tx, Action::DocumentRevealed, Some(booking), &subject, &data, now).await?;
    }
    let sealed = documents::store::revealed(&mut tx, booking).await?;
    tx.commit().await?;
    let mut revealed = Vec::new();
    for ((person, _), note) in people.into_iter().zip(notes) {
        let Some(note) = note else { continue };
        let Some((_, sealed)) = sealed.iter().find(|(passenger, _)| *passenger == note.passenger) else {
            continue;
        };
        let number = documents::open(vault, note.passenger, sealed);
        if let Err(error) = &number {
            tell_a_person(db, note.passenger, booking, *error, now).await?;
        }
        revealed.push(Revealed {
            passenger: mask_name(&person.given_names, &person.family_name),
            number,
            country: note.country,
            expires_on: note.expires_on,
        });
    }
    Ok(revealed)
}

async fn tell_a_person(
    db: &Db,
    passenger: PassengerId,
    booking: BookingId,
    error: VaultError,
    now: Timestamp,
) -> Result<(), AppError> {
    let mut tx = db.begin(System).await?;
    documents::raise_unreadable(&mut tx, passenger, booking, error, now).await?;
    tx.commit().await?;
    Ok(())
}

fn nothing_kept() -> AppError {
    AppError::Conflict(Refusal {
        code: "no_documents",
        title: "No passports are kept for this booking",
        detail:
            "They were not asked for, or are deleted already. Nothing was shown and nothing written down."
                .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_reads_back_and_others_are_none() {
        for reason in Reason::ALL {
            assert_eq!(Reason::read(reason.code()), Some(reason));
        }
        assert_eq!(Reason::read("curious"), None);
    }
}
