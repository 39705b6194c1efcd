//! A booking made without an account becomes part of one: by the proof that the contact address is the account's, or by
//! the link that this browser holds. From then on signing in is the only way in.

use jiff::Timestamp;
use serde_json::json;

use crate::{
    accounts,
    bookings::{Actor, Bookings, claim_store, links, store},
    db::{System, Traveller, Tx},
    error::{AppError, Refusal},
    ids::{BookingId, BookingReference, TokenHash, UserId},
    outbox::{self, About, MailKind},
};

/// What an account could add. Whoever has not proven that the address is theirs is told nothing of what was booked with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimable {
    Unproven,
    Bookings(i64),
}

impl Bookings {
    pub async fn claimable(&self, user: UserId) -> Result<Claimable, AppError> {
        let mut tx = self.db.begin(Traveller::Account(user)).await?;
        Ok(claim_store::claimable(&mut tx).await?)
    }

    /// Adds every booking whose contact is the account's proven address, and says which.
    pub async fn claim_by_address(&self, user: UserId) -> Result<Vec<BookingReference>, AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        // The address stays what it is until the end of this transaction.
        let email = accounts::proven_email(&mut tx, user).await?.ok_or_else(unproven)?;
        let bookings = claim_store::lock_by_contact(&mut tx, &email).await?;
        take_over(&mut tx, user, bookings.iter().map(|(id, _)| *id).collect(), now).await?;
        tx.commit().await?;
        references(bookings)
    }

    /// Adds the one booking that the link opens. `false`: it opens none, or somebody was quicker.
    pub async fn claim_by_link(
        &self,
        user: UserId,
        link: TokenHash,
        reference: &BookingReference,
    ) -> Result<bool, AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let booking = claim_store::lock_by_link(&mut tx, link, reference).await?;
        take_over(&mut tx, user, booking.into_iter().collect(), now).await?;
        tx.commit().await?;
        Ok(booking.is_some())
    }

    /// Adds what a guest has booked in this browser under the address that the account has proven: nobody needs to be asked
    /// whose that is. Called wherever the account meets these links, so that signing in is enough.
    pub async fn adopt(&self, user: UserId, links: &[TokenHash]) -> Result<Vec<BookingReference>, AppError> {
        if links.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let Some(email) = accounts::proven_email(&mut tx, user).await? else { return Ok(Vec::new()) };
        let bookings = claim_store::lock_by_links_and_contact(&mut tx, links, &email).await?;
        take_over(&mut tx, user, bookings.iter().map(|(id, _)| *id).collect(), now).await?;
        tx.commit().await?;
        references(bookings)
    }
}

fn references(bookings: Vec<(BookingId, String)>) -> Result<Vec<BookingReference>, AppError> {
    let references = bookings.into_iter().map(|(_, reference)| reference.parse());
    references.collect::<Result<_, _>>().map_err(|_| AppError::broken("a reference of another form"))
}

/// The bookings are locked and belong to nobody.
async fn take_over(
    tx: &mut Tx<System>,
    user: UserId,
    bookings: Vec<BookingId>,
    now: Timestamp,
) -> Result<(), AppError> {
    if bookings.is_empty() {
        return Ok(());
    }
    claim_store::set_user(tx, &bookings, user).await?;
    links::revoke(tx, &bookings).await?;
    for booking in bookings {
        store::record(tx, booking, "claimed", Actor::Traveller(Some(user)), &json!({}), now).await?;
    }
    if let Some(email) = accounts::present_email(tx, user).await? {
        let cause = format!("{user}:{}", now.as_microsecond());
        outbox::owe_mail(tx, MailKind::BookingsClaimed, About::User(user), &email, &cause, now).await?;
    }
    Ok(())
}

fn unproven() -> AppError {
    AppError::Refused(Refusal {
        code: "address_not_verified",
        title: "Verify your address first",
        detail: "Bookings made without an account are added once you have shown that the address is yours: open the \
                 link that we mailed to it. Nothing was changed."
            .to_owned(),
    })
}
