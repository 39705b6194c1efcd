//! One question for all figures. What it scans grows with the books, so it has two seconds and no more.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::Series;
use crate::{
    db::{Db, System},
    meters,
};

pub(super) async fn gauges(db: &Db, now: Timestamp) -> Result<Vec<(Series, f64)>, sqlx::Error> {
    let mut tx = db.begin(System).await?;
    sqlx::query!("set local statement_timeout = '2s'").execute(&mut *tx).await?;
    let rows = sqlx::query!(
        r#"select name as "name!", one as "one!", two as "two!", value as "value!" from (
            select 'jetbridge_outbox_jobs' as name, kind as one, state as two, count(*)::float8 as value
              from outbox where state <> 'done' group by kind, state
            union all
            select 'jetbridge_outbox_overdue_seconds', kind, '',
                   greatest(0, extract(epoch from $1 - min(due_at)))::float8
              from outbox where state in ('ready', 'running') group by kind
            union all
            select 'jetbridge_bookings', booking_status, '', count(*)::float8 from bookings group by booking_status
            union all
            select 'jetbridge_attempts', state, '', count(*)::float8 from attempts group by state
            union all
            select 'jetbridge_refunds', state, '', count(*)::float8 from refunds group by state
            union all
            select 'jetbridge_mails', state, '', count(*)::float8 from mails group by state
            union all
            select 'jetbridge_mail_oldest_queued_seconds', '', '',
                   greatest(0, coalesce(extract(epoch from $1 - min(created_at)), 0))::float8
              from mails where state = 'queued'
            union all
            select 'jetbridge_attention_open', kind, '', count(*)::float8
              from attention_items where resolved_at is null group by kind
            union all
            select 'jetbridge_stripe_events_unsettled', '', '', count(*)::float8
              from stripe_events where settled_at is null
            union all
            select 'jetbridge_ledger_balance_minor', account, currency, sum(amount_minor)::float8
              from ledger_entries group by account, currency
        ) as figures (name, one, two, value)"#,
        now.to_sqlx() as _,
    )
    .fetch_all(&mut *tx)
    .await?;
    let known = |name: &str| meters::ALL.into_iter().map(|(known, ..)| known).find(|known| *known == name);
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((Series { name: known(&row.name)?, one: row.one, two: row.two }, row.value)))
        .collect())
}
