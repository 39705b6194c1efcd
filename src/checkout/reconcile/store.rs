//! SQL of Stripe's books.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;

use crate::{
    db::{System, Tx},
    ids::BookingId,
    payments::Movement,
};

/// The pace of reading. One that has come to nothing is made again after this; until then it is somebody's who is at it.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    Events,
    Movements,
}

impl List {
    const fn code(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Movements => "movements",
        }
    }
}

/// What differs between the books, of one booking.
#[derive(Debug, PartialEq, Eq)]
pub struct Drift {
    pub booking: BookingId,
    pub parts: Vec<Part>,
}

/// Of one payment, refund or dispute.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// By Stripe's names; empty where it has none.
    pub named: String,
    pub stripe_minor: i64,
    pub books_minor: i64,
    pub currency: String,
}

pub struct Fee {
    pub movement: String,
    pub booking: BookingId,
    pub minor: i64,
    /// The account's: whatever the bank behind it is, not only what is sold here.
    pub currency: String,
}

pub struct Stranger {
    pub id: String,
    pub source: String,
    pub minor: i64,
    pub currency: String,
}

/// Since when to read, if it is this process's turn: no reading that came to its end has begun since `not_since`, and nobody
/// has begun one just now. The first begins before the first attempt, since no money can have moved earlier. What a clock
/// that ran ahead wrote down counts for nothing.
pub async fn claim(
    tx: &mut Tx<System>,
    list: List,
    now: Timestamp,
    not_since: Timestamp,
) -> Result<Option<Timestamp>, sqlx::Error> {
    let since = sqlx::query_scalar!(
        r#"insert into stripe_readings as r (what, seen_until, read_at)
           values ($1, coalesce((select min(created_at) from attempts), $2), $2)
           on conflict (what) do update set read_at = $2
            where (r.read_at <= $3 or r.read_at > $2) and (r.complete_at is null or r.complete_at < $4 or r.complete_at > $2)
           returning seen_until as "seen_until: jiff_sqlx::Timestamp""#,
        list.code(),
        now.to_sqlx() as _,
        (now - AGAIN_AFTER).to_sqlx() as _,
        not_since.to_sqlx() as _,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(since.map(jiff_sqlx::Timestamp::to_jiff))
}

/// The reading that began at `begun_at` is through, and the youngest it found is of `until`.
pub async fn complete(
    tx: &mut Tx<System>,
    list: List,
    begun_at: Timestamp,
    until: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update stripe_readings
            set seen_until = greatest(seen_until, $2), complete_at = $3 where what = $1",
        list.code(),
        until.to_sqlx() as _,
        begun_at.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Is everything here that Stripe's list of events had by `at`?
pub async fn has_read_events(tx: &mut Tx<System>, at: Timestamp) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (select from stripe_readings where what = $1 and complete_at >= $2) as "read!""#,
        List::Events.code(),
        at.to_sqlx() as _,
    )
    .fetch_one(&mut **tx)
    .await
}

/// A line that is here already stays as it is.
pub async fn take_in(tx: &mut Tx<System>, line: &Movement, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into stripe_movements (id, kind, source, payment_intent, attempt_id, amount_minor, currency, fee_minor,
                                       fee_currency, moved_at, taken_in_at)
         values ($1, $2, $3, $4, (select id from attempts where payment_intent_id = $4), $5, $6, $7, $8, $9, $10)
         on conflict (id) do nothing",
        line.id,
        line.kind,
        line.source,
        line.payment_intent,
        line.amount_minor,
        line.currency,
        line.fee_minor,
        line.fee_currency,
        line.created.to_sqlx() as _,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Whose intent was not known yet.
pub async fn match_again(tx: &mut Tx<System>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update stripe_movements m set attempt_id = a.id
           from attempts a where m.attempt_id is null and a.payment_intent_id = m.payment_intent"
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn unposted_fees(tx: &mut Tx<System>) -> Result<Vec<Fee>, sqlx::Error> {
    sqlx::query_as!(
        Fee,
        r#"select m.id as movement, m.fee_minor as minor, m.fee_currency as currency, a.booking_id as "booking: BookingId"
             from stripe_movements m join attempts a on a.id = m.attempt_id
            where m.fee_minor <> 0
              and not exists (select from ledger_transactions t where t.posting_key = 'stripe_fee:' || m.id)
            order by m.moved_at, m.id"#
    )
    .fetch_all(&mut **tx)
    .await
}

/// Money that moved for nothing of ours, as far as everything is applied that was heard of it.
pub async fn strangers(
    tx: &mut Tx<System>,
    but: &[String],
    settled_before: Timestamp,
) -> Result<Vec<Stranger>, sqlx::Error> {
    sqlx::query_as!(
        Stranger,
        r#"select id, coalesce(source, kind) as "source!", amount_minor as minor, currency from stripe_movements
            where attempt_id is null and kind <> all($1) and moved_at < $2
              and not exists (select from stripe_events e
                               where e.settled_at is null and e.state = 'received' and e.names_payment_intent = payment_intent)
            order by moved_at, id"#,
        but,
        settled_before.to_sqlx() as _,
    )
    .fetch_all(&mut **tx)
    .await
}

/// The books side by side, by booking and by what moved the money. What has moved since `settled_before`, is still on its way
/// to a bank, or is about a payment of which an event is still to be applied, is not compared yet.
pub async fn drifts(tx: &mut Tx<System>, settled_before: Timestamp) -> Result<Vec<Drift>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"with stripe as (
               select a.booking_id,
                      coalesce((select r.id::text from refunds r where r.stripe_refund_id = m.source),
                               (select d.id::text from disputes d where d.stripe_dispute_id = m.source),
                               a.id::text) as subject,
                      m.currency, sum(m.amount_minor) as minor, max(m.moved_at) as last_at,
                      string_agg(distinct m.source, ' ') as named
                 from stripe_movements m join attempts a on a.id = m.attempt_id
                group by 1, 2, 3),
           books as (
               select t.booking_id, split_part(t.posting_key, ':', 2) as subject, e.currency, sum(e.amount_minor) as minor,
                      max(t.at) as last_at
                 from ledger_transactions t join ledger_entries e on e.transaction_id = t.id
                where e.account = 'stripe_clearing' and t.kind <> 'stripe_fee'
                group by 1, 2, 3)
           select coalesce(s.booking_id, b.booking_id) as "booking_id!: BookingId", coalesce(s.currency, b.currency) as "currency!",
                  coalesce(s.minor, 0)::bigint as "stripe!", coalesce(b.minor, 0)::bigint as "books!",
                  coalesce(s.named, '') as "named!"
             from stripe s full join books b
               on b.booking_id = s.booking_id and b.subject = s.subject and b.currency = s.currency
            where coalesce(s.minor, 0) <> coalesce(b.minor, 0)
              and greatest(s.last_at, b.last_at) < $1
              and not exists (select from refunds r where r.id::text = s.subject
                                and r.state in ('requested', 'submitted', 'submit_unknown', 'pending'))
              and not exists (select from stripe_events e join attempts a on a.id = e.names_attempt
                                  or a.payment_intent_id = e.names_payment_intent or a.checkout_session_id = e.names_session
                               where e.settled_at is null and e.state = 'received'
                                 and a.booking_id = coalesce(s.booking_id, b.booking_id))
            order by 1, s.subject, b.subject"#,
        settled_before.to_sqlx() as _,
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut drifts: Vec<Drift> = Vec::new();
    for row in rows {
        let part = Part {
            named: row.named,
            stripe_minor: row.stripe,
            books_minor: row.books,
            currency: row.currency,
        };
        match drifts.last_mut().filter(|drift| drift.booking == row.booking_id) {
            Some(drift) => drift.parts.push(part),
            None => drifts.push(Drift { booking: row.booking_id, parts: vec![part] }),
        }
    }
    Ok(drifts)
}
