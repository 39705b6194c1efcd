//! Finding a booking again, without an oracle. The page only writes down what was typed; a job looks, and what it finds
//! goes to the address on file and to nobody else. So the page's answer is the same whatever there is: six characters
//! can be tried, but never confirmed.

use jiff::{SignedDuration, Timestamp};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::{
    bookings::{Booking, Bookings, find_store, store},
    db::{System, Tx},
    error::AppError,
    ids::{BookingReference, FindId},
    itinerary::Contact,
    outbox::{self, About, Job, MailKind, Outcome},
    personal::personal,
};

/// So many mails for one booking within an hour; whoever asks more often finds the last one in the mailbox.
const MOST_MAILS: i64 = 3;
/// A job looks within seconds, or within a day of bad luck.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
const PER: SignedDuration = SignedDuration::from_hours(1);

/// What somebody knows of the booking.
#[derive(Clone)]
pub struct Wanted {
    pub reference: BookingReference,
    /// Of any passenger.
    pub family_name: String,
    pub email: String,
}

personal!(Wanted { reference });

impl Bookings {
    pub async fn ask_to_find(&self, wanted: &Wanted) -> Result<(), AppError> {
        let (id, now) = (FindId::new(), self.clock.now());
        let mut tx = self.db.begin(System).await?;
        find_store::insert(&mut tx, id, wanted, now).await?;
        outbox::push(&mut tx, &Job::FindBooking(id), now, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The job: if the three belong together, the contact gets a link.
    pub async fn find(&self, id: FindId) -> Result<Outcome, AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let Some(wanted) = find_store::take(&mut tx, id).await? else { return Ok(Outcome::Done) };
        if let Some((booking, contact)) = found(&mut tx, &wanted).await?
            && booking.link_until(now).is_some()
            && find_store::mails_since(&mut tx, booking.id, now - PER).await? < MOST_MAILS
        {
            let about = About::Booking(booking.id);
            outbox::owe_mail(&mut tx, MailKind::BookingLink, about, &contact.email, &id.to_string(), now)
                .await?;
        }
        tx.commit().await?;
        Ok(Outcome::Done)
    }
}

/// What was typed is forgotten, even where its job never came to an end.
pub async fn sweep(tx: &mut Tx<System>, now: Timestamp) -> Result<(), AppError> {
    Ok(find_store::delete_before(tx, now - KEPT).await?)
}

/// Locked, so that many who ask at once are counted one after the other.
async fn found(tx: &mut Tx<System>, wanted: &Wanted) -> Result<Option<(Booking, Contact)>, AppError> {
    let Some(booking) = store::find(tx, &wanted.reference).await? else { return Ok(None) };
    let booking = store::lock(tx, booking.id).await?;
    let Some(contact) = booking.contact.clone() else { return Ok(None) };
    let name = folded(&wanted.family_name);
    let passengers = store::passengers(tx, booking.id).await?;
    let is_aboard = passengers.iter().any(|(passenger, _)| folded(&passenger.family_name) == name);
    let fits = is_aboard && contact.email.eq_ignore_ascii_case(&wanted.email);
    Ok(fits.then_some((booking, contact)))
}

/// A name without what people type differently: accents, case, spaces, hyphens, apostrophes.
fn folded(name: &str) -> String {
    name.nfd().filter(|c| !is_combining_mark(*c) && c.is_alphabetic()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_without_its_accents_but_not_by_a_part_of_it() {
        for typed in
            ["Conceição Núñez", "conceicao nunez", "CONCEIÇÃO-NÚÑEZ", "Conceic\u{327}a\u{303}o Nunez"]
        {
            assert_eq!(folded(typed), "conceicaonunez", "{typed}");
        }
        assert_eq!(folded("O’Neil"), folded("O'neil"));
        assert_ne!(folded("Nunez"), folded("Conceição Núñez"));
        assert_eq!(folded("Иванов"), "иванов");
        assert_ne!(folded("Іванов"), folded("Иванов"));
    }
}
