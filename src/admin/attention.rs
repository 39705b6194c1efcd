//! What needs a person: money at risk first, one next step each, resolved with a reason under one's own name.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::json;

use crate::{
    audit,
    clock::Clock,
    db::{Db, Staff, System, Tx},
    error::{AppError, Refusal},
    ids::{BookingId, UserId},
};

/// Items of one list. More at once than these is a matter for more people, not for a longer page.
const MOST: i64 = 200;

/// How much it presses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    MoneyAtRisk,
    TravellerWaits,
    CanWait,
}

impl Urgency {
    pub const ALL: [Self; 3] = [Self::MoneyAtRisk, Self::TravellerWaits, Self::CanWait];

    pub const fn in_words(self) -> &'static str {
        match self {
            Self::MoneyAtRisk => "Money at risk",
            Self::TravellerWaits => "Traveller waits",
            Self::CanWait => "Can wait",
        }
    }

    /// A kind that a newer version raised is taken for the worst.
    pub fn of(kind: &str) -> Self {
        match kind {
            "supplier_unknown" | "mail_late" | "mail_server" | "cancel_asked" | "cancel_refused"
            | "airline_change" => Self::TravellerWaits,
            "job_dead" | "illegal_step" | "event_unmatched" | "sealed_unreadable" | "round_late"
            | "hook_dead" | "hook_paused" | "webhook_silent" => Self::CanWait,
            _ => Self::MoneyAtRisk,
        }
    }
}

/// The one thing to do next.
pub fn next_step(kind: &str) -> &'static str {
    match kind {
        "payment_quarantined" => "Compare the payment in Stripe with what was accepted.",
        "payment_contradiction" => "Look the payment up in Stripe and see which of the two is true.",
        "event_unmatched" => "Find out in Stripe what this event is about.",
        "event_unreadable" => "Read the event in Stripe and see whether anything was missed.",
        "supplier_unknown" => "Ask the supplier whether there are tickets.",
        "ticket_without_booking" => "Void the tickets at the supplier before its window closes.",
        "authorisation_lost" | "capture_failed" => {
            "Agree on another way to pay, or void the tickets at the supplier."
        }
        "refund_failed" => "Pay the traveller another way, or refund again.",
        "refund_unsent" => {
            "See whether Stripe is down or our key is wrong. The refund is asked for again every hour."
        }
        "refund_not_ours" => {
            "Ask who refunded in Stripe's dashboard, and whether the ticket is to be cancelled."
        }
        "refunded_ticket_live" => "Cancel the tickets at the supplier, unless they are meant to be a gift.",
        "dispute" | "dispute_due" => "Answer the bank in Stripe's dashboard before its deadline.",
        "tickets_lost" => "Ask the supplier to waive what it keeps for tickets that nobody flies.",
        "ledger_drift" => "Look the named payments up in Stripe, and find out why our books differ.",
        "webhook_silent" => {
            "Run jetbridge doctor: the webhook's address, its secret or the clock is wrong. Until then events come by asking."
        }
        "cancel_asked" => {
            "Ask the airline what it gives back, tell the traveller, and cancel if they still want it."
        }
        "cancel_refused" => "Find out from the airline why, and tell the traveller what can be done.",
        "cancel_credit" => "Ask the supplier why it gives less for the tickets than their fare says.",
        "job_dead" => "Read its last error on the booking, mend the cause, and run it again.",
        "mail_late" => "Read its error, check the address with the traveller, and send it again.",
        "mail_server" => {
            "Mend SMTP_URL, MAIL_FROM or the account at the mail server. Nothing is lost: all mail waits."
        }
        "sealed_unreadable" => "Put the missing key back among ENCRYPTION_KEYS.",
        "round_late" => "Read why in the log, and mend it: what is to be forgotten stays until then.",
        "airline_change" => {
            "The traveller has been told. Where flights are cancelled, ask the airline for others or for the money; where some are flown no more or others instead, see that the tickets are good for what is left; where times are new, wait for the answer."
        }
        "hook_dead" => "Read under Webhooks why, mend the receiving system, and send it again.",
        "hook_paused" => "Mend the receiving system, then resume it under Webhooks and send what it missed.",
        "invariant_broken" => "Stop refunding by hand, and find out what moved.",
        _ => "Open the booking and see how it stands.",
    }
}

#[derive(Debug)]
pub struct Item {
    pub id: i64,
    pub kind: String,
    /// Id of what it is about.
    pub subject: String,
    pub detail: String,
    pub raised_at: Timestamp,
    pub reference: Option<String>,
    /// What the booking is worth.
    pub amount: Option<(i64, String)>,
    pub resolved: Option<Resolved>,
}

#[derive(Debug)]
pub struct Resolved {
    pub at: Timestamp,
    /// Nobody, where an older version resolved it.
    pub by: Option<String>,
    pub reason: Option<String>,
}

/// Open ones: the most pressing first, and of those the oldest. Resolved ones: the last first.
pub async fn list(db: &Db, open: bool) -> Result<Vec<Item>, AppError> {
    let mut items = read(db, None, Some(open)).await?;
    if open {
        items.sort_by_key(|item| (Urgency::of(&item.kind), item.raised_at, item.id));
    }
    Ok(items)
}

pub async fn item(db: &Db, id: i64) -> Result<Item, AppError> {
    read(db, Some(id), None).await?.pop().ok_or(AppError::NotFound)
}

/// What money needs a person for, the oldest first.
pub async fn money_at_risk(tx: &mut Tx<System>) -> Result<Vec<Item>, AppError> {
    let mut items = read_with(tx, None, Some(true)).await?;
    items.retain(|item| Urgency::of(&item.kind) == Urgency::MoneyAtRisk);
    items.sort_by_key(|item| (item.raised_at, item.id));
    Ok(items)
}

/// As the system: staff know each other by address, and only the system reads those.
async fn read(db: &Db, id: Option<i64>, open: Option<bool>) -> Result<Vec<Item>, AppError> {
    let mut tx = db.begin(System).await?;
    read_with(&mut tx, id, open).await
}

async fn read_with(tx: &mut Tx<System>, id: Option<i64>, open: Option<bool>) -> Result<Vec<Item>, AppError> {
    let rows = sqlx::query!(
        r#"select i.id, i.kind, i.subject, i.detail, i.raised_at as "raised_at: jiff_sqlx::Timestamp",
                  i.resolved_at as "resolved_at: jiff_sqlx::Timestamp", i.resolved_reason,
                  u.email::text as "resolver?", b.booking_reference as "booking_reference?",
                  b.amount_minor as "amount_minor?", b.currency as "currency?"
             from attention_items i
             left join bookings b on b.id = i.booking_id
             left join auth.users u on u.id = i.resolved_by
            where ($1::bigint is null or i.id = $1) and ($2::boolean is null or (i.resolved_at is null) = $2)
            order by i.resolved_at desc nulls last, i.raised_at, i.id limit $3"#,
        id,
        open,
        MOST,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Item {
            id: row.id,
            kind: row.kind,
            subject: row.subject,
            detail: row.detail,
            raised_at: row.raised_at.to_jiff(),
            reference: row.booking_reference,
            amount: row.amount_minor.zip(row.currency),
            resolved: row.resolved_at.map(|at| Resolved {
                at: at.to_jiff(),
                by: row.resolver,
                reason: row.resolved_reason,
            }),
        })
        .collect())
}

/// Somebody has taken care of it, and says how. It does nothing else: what was frozen stays frozen.
pub async fn resolve(db: &Db, clock: &Clock, staff: UserId, id: i64, reason: &str) -> Result<(), AppError> {
    let now = clock.now();
    let mut tx = db.begin(Staff(staff)).await?;
    let item = sqlx::query!(
        r#"select kind, booking_id as "booking_id: BookingId" from attention_items where id = $1"#,
        id
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(AppError::NotFound)?;
    let resolved = sqlx::query!(
        "update attention_items set resolved_at = $2, resolved_by = $3, resolved_reason = $4
          where id = $1 and resolved_at is null",
        id,
        now.to_sqlx() as _,
        staff.0,
        reason,
    )
    .execute(&mut *tx)
    .await?;
    if resolved.rows_affected() == 0 {
        return Err(AppError::Conflict(Refusal {
            code: "resolved_already",
            title: "Somebody has resolved this already",
            detail: "Your reason was not kept. The item shows who it was and what they did.".to_owned(),
        }));
    }
    let data = json!({ "kind": item.kind, "reason": reason });
    let action = audit::Action::AttentionResolved;
    audit::record(&mut tx, action, item.booking_id, &id.to_string(), &data, now).await?;
    tx.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_comes_first_and_what_is_not_known_is_taken_for_money() {
        assert!(Urgency::MoneyAtRisk < Urgency::TravellerWaits && Urgency::TravellerWaits < Urgency::CanWait);
        assert_eq!(Urgency::of("dispute"), Urgency::MoneyAtRisk);
        assert_eq!(Urgency::of("supplier_unknown"), Urgency::TravellerWaits);
        assert_eq!(Urgency::of("of_a_newer_version"), Urgency::MoneyAtRisk);
    }
}
