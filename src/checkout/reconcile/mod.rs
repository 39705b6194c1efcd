//! Stripe's own books: events that no webhook brought are read from its list, and every night the ledger is held against
//! the lines of the balance. What differs is named by booking, and a person is called.

pub mod store;

use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};

use crate::{
    checkout::{Checkout, ledger, upstream},
    db::System,
    error::AppError,
    outbox::{self, Attention},
    payments::{Event, Movement, probe},
};
use store::{Drift, List};

/// What Stripe writes down late is seen by reading the last of it again; what is here already stays as it is.
const OVERLAP: SignedDuration = SignedDuration::from_mins(15);
/// A webhook that is on its way this long does not come by itself any more.
const WEBHOOK_LATE: SignedDuration = SignedDuration::from_mins(15);
/// When the nights' work is done, UTC.
const AT_NIGHT: i8 = 2;
/// What has just moved may be in one of the books only.
const STILL_MOVING: SignedDuration = SignedDuration::from_hours(1);
/// Lines that are no payment of anybody's: what goes to the bank, and what Stripe takes for itself.
const NOT_OF_BOOKINGS: [&str; 6] =
    ["payout", "payout_cancel", "payout_failure", "stripe_fee", "topup", "reserve_transaction"];

impl Checkout {
    /// Takes in what happened at Stripe since the last look and came by no webhook, under the inbox's own rule: once.
    pub async fn read_missed_events(&self) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let since = store::claim(&mut tx, List::Events, now, now).await?;
        tx.commit().await?;
        let Some(since) = since else { return Ok(()) };
        let kinds: Vec<&str> = probe::EVENTS.into_iter().collect();
        let events = self.payments.events(&kinds, since - OVERLAP).await.map_err(|error| upstream(&error))?;
        let mut missed: Vec<&Event> = Vec::new();
        for event in &events {
            if self.receive(event.clone()).await? {
                missed.push(event);
            }
        }
        let late = missed.iter().filter(|event| now.duration_since(event.created) >= WEBHOOK_LATE).count();
        let mut tx = self.db.begin(System).await?;
        if late > 0 {
            let detail =
                format!("{late} events came by asking and not by webhook: see its address, secret and clock");
            outbox::raise(&mut tx, Attention::WebhookSilent, "stripe", None, &detail, now).await?;
        }
        // By Stripe's clock, and never back.
        let seen_until = events.iter().map(|event| event.created).max().unwrap_or(since);
        store::complete(&mut tx, List::Events, now, seen_until).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Every night: all lines of Stripe's balance into our rows, their fees into the ledger, and both books side by side.
    pub async fn reconcile(&self) -> Result<(), AppError> {
        let now = self.clock.now();
        let night = last_night(now)?;
        let mut tx = self.db.begin(System).await?;
        if !store::has_read_events(&mut tx, night).await? {
            // After an outage, say. Events that cannot be read call somebody by themselves.
            return Ok(());
        }
        let since = store::claim(&mut tx, List::Movements, now, night).await?;
        tx.commit().await?;
        let Some(since) = since else { return Ok(()) };
        let movements = self.payments.movements(since - OVERLAP).await.map_err(|error| upstream(&error))?;
        let settled_before = night - STILL_MOVING;
        self.take_in_movements(&movements, settled_before).await?;
        let mut tx = self.db.begin(System).await?;
        for drift in store::drifts(&mut tx, settled_before).await? {
            let (kind, subject) = (Attention::LedgerDrift, drift.booking.to_string());
            outbox::raise_unless_resolved(&mut tx, kind, &subject, Some(drift.booking), &told(&drift), now)
                .await?;
        }
        let seen_until = movements.iter().map(|movement| movement.created).max().unwrap_or(since);
        store::complete(&mut tx, List::Movements, now, seen_until).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn take_in_movements(
        &self,
        movements: &[Movement],
        settled_before: Timestamp,
    ) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        for movement in movements {
            store::take_in(&mut tx, movement, now).await?;
        }
        store::match_again(&mut tx).await?;
        for fee in store::unposted_fees(&mut tx).await? {
            let amount = (fee.minor, fee.currency.as_str());
            ledger::post_fee(&mut tx, fee.booking, &fee.movement, amount, now).await?;
        }
        let not_of_bookings = NOT_OF_BOOKINGS.map(str::to_owned);
        for line in store::strangers(&mut tx, &not_of_bookings, settled_before).await? {
            let detail = format!(
                "Stripe has moved {} {} for {}, which is nothing of ours",
                line.minor, line.currency, line.source
            );
            outbox::raise_unless_resolved(&mut tx, Attention::LedgerDrift, &line.id, None, &detail, now)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// The last time that it was two o'clock in the morning.
fn last_night(now: Timestamp) -> Result<Timestamp, AppError> {
    let broken = |error: jiff::Error| AppError::broken(error.to_string());
    let here = now.to_zoned(TimeZone::UTC);
    let today = here.date().at(AT_NIGHT, 0, 0, 0).to_zoned(TimeZone::UTC).map_err(broken)?;
    let night = if today.timestamp() <= now { today } else { today.checked_sub(1.day()).map_err(broken)? };
    Ok(night.timestamp())
}

/// Every cent of it, object by object.
fn told(drift: &Drift) -> String {
    let parts = drift.parts.iter().map(|part| {
        let by = part.stripe_minor.saturating_sub(part.books_minor);
        let what = if part.named.is_empty() { "not in Stripe" } else { part.named.as_str() };
        format!(
            "{what}: {} in Stripe, {} in our books, {by:+} apart ({}, smallest units)",
            part.stripe_minor, part.books_minor, part.currency
        )
    });
    parts.collect::<Vec<String>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_begins_at_two_and_lasts_until_the_next() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let night = at("2026-11-23T02:00:00Z");
        for now in ["2026-11-23T02:00:00Z", "2026-11-23T11:30:00Z", "2026-11-24T01:59:59Z"] {
            assert_eq!(last_night(at(now)).unwrap(), night, "{now}");
        }
        assert_eq!(last_night(at("2026-11-24T02:00:00Z")).unwrap(), at("2026-11-24T02:00:00Z"));
    }
}
