//! Bookings without an account. A link opens one booking; whoever made it holds one in the browser, and our mails carry
//! others.

use jiff::{Timestamp, tz::TimeZone};

use crate::{
    bookings::{Actor, Booking, Bookings, Draft, links, store},
    db::{System, Traveller},
    error::AppError,
    ids::{BookingReference, Token, TokenHash},
    itinerary::{Offer, OfferId},
};

impl Bookings {
    /// As [`Bookings::start_draft`], for somebody without an account: the draft and the link that opens it.
    pub async fn start_guest_draft(&self, id: &OfferId) -> Result<(BookingReference, TokenHash), AppError> {
        let offer = self.sellable_offer(id).await?;
        let now = self.clock.now();
        let expires_at = link_until(&offer, now).ok_or_else(|| AppError::broken("an offer in the past"))?;
        let hash = Token::random().hash();
        loop {
            let draft = Draft::new(None, self.supplier.name(), offer.clone(), now);
            let mut tx = self.db.begin(System).await?;
            match store::insert_draft(&mut tx, &draft).await {
                Ok(()) => {}
                Err(error) if is_reference_taken(&error) => continue,
                Err(error) => return Err(error),
            }
            let link = links::Link { hash, booking: draft.id, mail: None, expires_at };
            links::insert(&mut tx, &link, now).await?;
            draft.open(&mut tx, Actor::Traveller(None)).await?;
            tx.commit().await?;
            return Ok((draft.reference, hash));
        }
    }

    pub async fn opens(&self, link: TokenHash, reference: &BookingReference) -> Result<bool, AppError> {
        let mut tx = self.db.begin(Traveller::Link(link)).await?;
        Ok(links::opens(&mut tx, reference).await?)
    }

    /// The booking behind a link. `None`: unknown, expired and revoked ones look the same.
    pub async fn opened_by(&self, link: TokenHash) -> Result<Option<BookingReference>, AppError> {
        let mut tx = self.db.begin(Traveller::Link(link)).await?;
        let reference = links::opened(&mut tx).await?;
        reference
            .map(|text| text.parse().map_err(|_| AppError::broken("a booking reference of another form")))
            .transpose()
    }
}

impl Booking {
    /// Until when a link made now is good. `None`: that time is over.
    pub fn link_until(&self, now: Timestamp) -> Option<Timestamp> {
        let until = link_until(&self.offer, now)?;
        Some(if self.state.has_ended() { until.min(now + links::AFTERLIFE) } else { until })
    }
}

/// One in 148 million: draw another.
pub(super) fn is_reference_taken(error: &AppError) -> bool {
    error.constraint() == Some("bookings_booking_reference_unique")
}

/// The end of the last day of travel, wherever that is on earth, and some weeks.
fn link_until(offer: &Offer, now: Timestamp) -> Option<Timestamp> {
    let last = offer.slices.last()?.last().arrives.local.date();
    let over = last.checked_add(jiff::Span::new().days(2)).ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(over.timestamp() + links::AFTERLIFE).filter(|until| *until > now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::components::samples::plain;

    #[test]
    fn a_link_outlives_the_journey_by_thirty_days_and_is_not_made_after_that() {
        let offer = plain();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let last = offer.slices.last().unwrap().last().arrives.local.date();
        let until = link_until(&offer, at("2026-11-22T12:00:00Z")).unwrap();
        let days = until.to_zoned(TimeZone::UTC).date().since(last).unwrap().get_days();
        assert_eq!(days, 32);
        assert_eq!(link_until(&offer, until), None);
    }
}
