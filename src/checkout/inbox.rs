//! The inbox of Stripe's events: each lands once, points at an attempt, and is settled, parked or shown to a person.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{
    bookings::{self, Actor, told},
    checkout::{Attempt, Checkout, facts::Facts, store, truth},
    db::{System, Tx},
    error::AppError,
    outbox::{self, Attention, FactKind, Outcome},
};

/// As long as Stripe itself goes on delivering.
const PARK_FOR: SignedDuration = SignedDuration::from_hours(72);
const PARK_LOOK_EVERY: SignedDuration = SignedDuration::from_mins(30);

impl Checkout {
    /// Signed by Stripe, but at a time that is not ours. An old delivery that somebody sends again looks the same, and calls a
    /// person as well. Bookings go on: the poller needs no clock but our own.
    pub async fn note_clock_skew(&self, signed_at: i64) -> Result<(), AppError> {
        let now = self.clock.now();
        let stripes =
            Timestamp::from_second(signed_at).map_or_else(|_| "no time".to_owned(), |at| at.to_string());
        let detail =
            format!("Stripe signed at {stripes}, and our clock said {now}: its webhooks are refused");
        let mut tx = self.db.begin(System).await?;
        outbox::raise(&mut tx, Attention::ClockSkew, "stripe", None, &detail, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// What one event of the inbox asks for.
    pub async fn apply_event(&self, id: &str) -> Result<Outcome, AppError> {
        let mut tx = self.db.begin(System).await?;
        let Some(event) = store::inbox_event(&mut tx, id).await? else { return Ok(Outcome::Done) };
        let names = (event.names_session.as_deref(), event.names_payment_intent.as_deref());
        let attempt = store::attempt_named(&mut tx, event.names_attempt, names.0, names.1).await?;
        drop(tx);
        let now = self.clock.now();
        let Some(attempt) = attempt else { return self.park(id, &event, now).await };
        if event.livemode != attempt.livemode {
            let mut tx = self.db.begin(System).await?;
            bookings::store::lock(&mut tx, attempt.booking).await?;
            let attempt = store::lock_attempt(&mut tx, attempt.id).await?;
            truth::quarantine(&mut tx, &attempt, &Facts::default(), "livemode", now).await?;
            store::set_event_state(&mut tx, id, "applied", Some(attempt.id), Some(now)).await?;
            tx.commit().await?;
            return Ok(Outcome::Done);
        }
        self.apply_remote_truth(attempt.id, names.0, Actor::Stripe).await?;
        // By now it knows its payment, although this event may be the first that we hear of it.
        let attempt = self.attempt(attempt.id).await?;
        if event.kind.starts_with("refund.") || event.kind.starts_with("charge.refund") {
            self.apply_refunds(&attempt).await?;
        }
        let is_dispute = event.kind.starts_with("charge.dispute.");
        let is_known = match event.object.as_deref().filter(|_| is_dispute) {
            Some(dispute) => self.apply_dispute(&attempt, dispute).await?,
            None => false,
        };
        let mut tx = self.db.begin(System).await?;
        if is_dispute {
            if !is_known {
                let (kind, detail) = (Attention::Dispute, format!("{}: see Stripe's dashboard", event.kind));
                let subject = attempt.id.to_string();
                outbox::raise(&mut tx, kind, &subject, Some(attempt.booking), &detail, now).await?;
            }
            tell_of_dispute(&mut tx, &attempt, &event.kind, id, now).await?;
        }
        // An event that we could not read stays for a person, although its object has been looked at.
        let settled = (event.state != "unreadable").then_some(now);
        let state = if settled.is_some() { "applied" } else { "unreadable" };
        store::set_event_state(&mut tx, id, state, Some(attempt.id), settled).await?;
        tx.commit().await?;
        Ok(Outcome::Done)
    }

    /// Not ours, or not yet: an object of a kind that we act upon is looked for again, for as long as Stripe would retry.
    async fn park(&self, id: &str, event: &store::InboxEvent, now: Timestamp) -> Result<Outcome, AppError> {
        let mut tx = self.db.begin(System).await?;
        let concerns_money = ["checkout.session.", "payment_intent.", "charge.", "refund."]
            .iter()
            .any(|family| event.kind.starts_with(family));
        let age = now.duration_since(event.received_at.to_jiff());
        let outcome = if event.state == "unreadable" {
            Outcome::Done
        } else if !concerns_money {
            store::set_event_state(&mut tx, id, "ignored", None, Some(now)).await?;
            Outcome::Done
        } else if age >= PARK_FOR {
            store::set_event_state(&mut tx, id, "abandoned", None, Some(now)).await?;
            let detail = format!("{} is about nothing of ours", event.kind);
            outbox::raise(&mut tx, Attention::EventUnmatched, id, None, &detail, now).await?;
            Outcome::Done
        } else {
            store::set_event_state(&mut tx, id, "parked", None, None).await?;
            Outcome::Again(now + PARK_LOOK_EVERY)
        };
        tx.commit().await?;
        Ok(outcome)
    }
}

/// Stripe tells more of a dispute than that it began and ended; its dashboard has the rest.
async fn tell_of_dispute(
    tx: &mut Tx<System>,
    attempt: &Attempt,
    kind: &str,
    event: &str,
    now: Timestamp,
) -> Result<(), AppError> {
    let kind = match kind {
        "charge.dispute.created" => FactKind::DisputeOpened,
        "charge.dispute.closed" => FactKind::DisputeClosed,
        _ => return Ok(()),
    };
    let Some(booking) = bookings::store::find_by_id(tx, attempt.booking).await? else { return Ok(()) };
    let data = json!({
        "booking": told::name_of(&booking),
        "payment": { "id": attempt.id },
        "stripe_event": event,
    });
    outbox::tell(tx, kind, attempt.booking, event, &data, now).await?;
    Ok(())
}
