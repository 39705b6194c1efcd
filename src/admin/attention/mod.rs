//! What needs a person: money at risk first, one next step each, resolved with a reason under one's own name.

mod acts;
mod ways;

pub use acts::{Act, act};
pub use ways::{Way, next_step, way};

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::json;

use crate::{
    audit,
    clock::Clock,
    db::{Db, Staff, System, Tx},
    error::{AppError, Refusal},
    ids::{AttemptId, BookingId, UserId},
};

/// Items of one list. More at once than these is a matter for more people, not for a longer page.
const MOST: i64 = 200;
const TRAVELLER_WAITS: [&str; 6] =
    ["supplier_unknown", "mail_late", "mail_server", "cancel_asked", "cancel_refused", "airline_change"];
const CAN_WAIT: [&str; 8] = [
    "job_dead",
    "illegal_step",
    "event_unmatched",
    "sealed_unreadable",
    "round_late",
    "hook_dead",
    "hook_paused",
    "webhook_silent",
];

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
        if TRAVELLER_WAITS.contains(&kind) {
            Self::TravellerWaits
        } else if CAN_WAIT.contains(&kind) {
            Self::CanWait
        } else {
            Self::MoneyAtRisk
        }
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
    /// Where it is about a booking: how that stands by now.
    pub booking_state: Option<String>,
    /// What is at stake: the refund, the payment, or what the booking is worth.
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

#[derive(Debug)]
pub struct Queue {
    /// Open ones: the most pressing first, and of those the oldest. Resolved ones: the last first.
    pub items: Vec<Item>,
    /// How many there are, those that are not shown with them.
    pub count: usize,
}

/// As the system: staff know each other by address, and only the system reads those.
pub async fn list(db: &Db, open: bool) -> Result<Queue, AppError> {
    let mut tx = db.begin(System).await?;
    let items = read(&mut tx, &Wanted { open: Some(open), most: Some(MOST), ..Wanted::default() }).await?;
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from attention_items where (resolved_at is null) = $1"#,
        open
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(Queue { items, count: usize::try_from(count).unwrap_or_default() })
}

pub async fn item(db: &Db, id: i64) -> Result<Item, AppError> {
    let mut tx = db.begin(System).await?;
    let wanted = Wanted { id: Some(id), ..Wanted::default() };
    read(&mut tx, &wanted).await?.pop().ok_or(AppError::NotFound)
}

/// The payment that an open item asks to be decided about.
pub async fn frozen_attempt(db: &Db, id: i64) -> Result<AttemptId, AppError> {
    let item = item(db, id).await?;
    if item.resolved.is_some() {
        return Err(resolved_already());
    }
    let is_frozen = item.kind == "payment_quarantined";
    item.subject.parse().ok().filter(|_| is_frozen).ok_or(AppError::NotFound)
}

/// What money needs a person for, the oldest first: all of it, for whatever is left out here nobody is told of.
pub async fn money_at_risk(tx: &mut Tx<System>) -> Result<Vec<Item>, AppError> {
    read(tx, &Wanted { open: Some(true), only_money: true, ..Wanted::default() }).await
}

#[derive(Default)]
struct Wanted {
    id: Option<i64>,
    open: Option<bool>,
    only_money: bool,
    most: Option<i64>,
}

async fn read(tx: &mut Tx<System>, wanted: &Wanted) -> Result<Vec<Item>, AppError> {
    let [waits, can_wait] =
        [&TRAVELLER_WAITS[..], &CAN_WAIT[..]].map(|kinds| kinds.iter().map(ToString::to_string));
    let (waits, can_wait): (Vec<String>, Vec<String>) = (waits.collect(), can_wait.collect());
    let rows = sqlx::query!(
        r#"select i.id, i.kind, i.subject, i.detail, i.raised_at as "raised_at: jiff_sqlx::Timestamp",
                  i.resolved_at as "resolved_at: jiff_sqlx::Timestamp", i.resolved_reason,
                  u.email::text as "resolver?", b.booking_reference as "booking_reference?",
                  b.booking_status as "booking_status?",
                  coalesce(r.amount_minor, q.kept_minor, a.amount_minor, b.amount_minor) as amount_minor,
                  coalesce(r.currency, a.currency, b.currency) as currency
             from attention_items i
             cross join lateral (
                 select case when i.resolved_at is not null then 0 when i.kind = any($5) then 1 when i.kind = any($6) then 2
                             else 0 end as place) urgency
             cross join lateral (
                 select case when i.kind = 'job_dead' then split_part(i.subject, ':', 2) else i.subject end as named) n
             cross join lateral (
                 select case when n.named ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then n.named::uuid end as id) s
             left join refunds r on r.id = s.id
             left join attempts a on a.id = s.id
             left join mails m on m.id = s.id
             left join bookings b on b.id = coalesce(i.booking_id, r.booking_id, a.booking_id, m.booking_id, s.id)
             -- Of cancelled tickets, nothing is at stake but what was kept.
             left join cancel_quotes q on q.booking_id = b.id and q.accepted_at is not null and q.done_at is not null
                                      and i.kind in ('authorisation_lost', 'capture_failed', 'tickets_lost')
             left join auth.users u on u.id = i.resolved_by
            where ($1::bigint is null or i.id = $1) and ($2::boolean is null or (i.resolved_at is null) = $2)
              and (not $3 or urgency.place = 0)
            order by i.resolved_at desc nulls last, urgency.place, i.raised_at, i.id limit $4"#,
        wanted.id,
        wanted.open,
        wanted.only_money,
        wanted.most,
        &waits,
        &can_wait,
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
            booking_state: row.booking_status,
            amount: row.amount_minor.zip(row.currency),
            resolved: row.resolved_at.map(|at| Resolved {
                at: at.to_jiff(),
                by: row.resolver,
                reason: row.resolved_reason,
            }),
        })
        .collect())
}

/// Somebody has taken care of it, and says how. It does nothing else, so what is frozen is not resolved this way.
pub async fn resolve(db: &Db, clock: &Clock, staff: UserId, id: i64, reason: &str) -> Result<(), AppError> {
    let now = clock.now();
    let mut tx = db.begin(Staff(staff)).await?;
    let item = sqlx::query!(
        r#"select i.kind, i.booking_id as "booking_id: BookingId",
                  exists (select from attempts a
                           where i.kind = 'payment_quarantined' and i.resolved_at is null and a.id::text = i.subject
                             and a.quarantined is not null and a.given_back_at is null) as "is_frozen!"
             from attention_items i where i.id = $1"#,
        id
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(AppError::NotFound)?;
    if item.is_frozen {
        return Err(AppError::Conflict(Refusal {
            code: "still_frozen",
            title: "Decide about the money first",
            detail: "The booking stands still until somebody accepts this payment or gives it back. Nothing was resolved."
                .to_owned(),
        }));
    }
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
        return Err(resolved_already());
    }
    let data = json!({ "kind": item.kind, "reason": reason });
    let action = audit::Action::AttentionResolved;
    audit::record(&mut tx, action, item.booking_id, &id.to_string(), &data, now).await?;
    tx.commit().await?;
    Ok(())
}

fn resolved_already() -> AppError {
    AppError::Conflict(Refusal {
        code: "resolved_already",
        title: "Somebody has resolved this already",
        detail: "Your reason was not kept. The item shows who it was and what they did.".to_owned(),
    })
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
