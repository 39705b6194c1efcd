//! The invariants of money, as SQL. Each query returns what breaks it, so a failing test shows the rows.

use sqlx::{PgConnection, Row};

pub struct Invariant {
    pub name: &'static str,
    pub broken: &'static str,
}

pub const ALL: [Invariant; 10] = [
    Invariant {
        name: "I1 each ledger transaction sums to zero per currency",
        broken: "select format('transaction %s: %s %s', transaction_id, sum(amount_minor), currency)
                   from ledger_entries group by transaction_id, currency having sum(amount_minor) <> 0",
    },
    Invariant {
        name: "I2 at most one captured, unrefunded attempt per booking",
        broken: "select format('booking %s: %s attempts', a.booking_id, count(*))
                   from attempts a
                  where a.captured_minor > (select coalesce(sum(r.amount_minor), 0) from refunds r
                                             where r.attempt_id = a.id and r.state <> 'failed')
                  group by a.booking_id having count(*) > 1",
    },
    Invariant {
        name: "I3 captured less refunded is what the ledger says we hold for the booking",
        // Credits are negative. A refund under way still lies in refunds_payable; quarantined money in suspense.
        broken: "with money as (
                     select b.id,
                            (select coalesce(sum(a.captured_minor), 0) from attempts a where a.booking_id = b.id)
                          - (select coalesce(sum(r.amount_minor), 0) from refunds r where r.booking_id = b.id and r.state = 'succeeded') as kept,
                            (select coalesce(-sum(e.amount_minor), 0)
                               from ledger_transactions t join ledger_entries e on e.transaction_id = t.id
                              where t.booking_id = b.id
                                and e.account in ('customer_deposits', 'supplier_payable', 'agency_revenue', 'refunds_payable', 'suspense')) as booked
                       from bookings b)
                 select format('booking %s: kept %s, booked %s', id, kept, booked) from money where kept <> booked",
    },
    Invariant {
        name: "I4 confirmed means ordered at the supplier, and the money authorised or captured",
        broken: "select format('booking %s: supplier %s', b.id, b.supplier_status)
                   from bookings b
                  where b.booking_status = 'confirmed'
                    and (b.supplier_status not in ('ordered', 'changed_by_airline')
                         or not exists (select from attempts a where a.booking_id = b.id and a.state in ('authorised', 'captured')))",
    },
    Invariant {
        name: "I5 ended without a ticket means nothing kept and nothing authorised, or an open job that sees to it",
        broken: "select format('booking %s is %s', b.id, b.booking_status)
                   from bookings b
                  where b.booking_status in ('expired', 'failed', 'cancelled')
                    and b.supplier_status not in ('ordered', 'changed_by_airline')
                    and ((select coalesce(sum(e.amount_minor), 0)
                            from ledger_transactions t join ledger_entries e on e.transaction_id = t.id
                           where t.booking_id = b.id and e.account = 'customer_deposits') <> 0
                         or exists (select from attempts a where a.booking_id = b.id and a.state = 'authorised' and a.quarantined is null))
                    and not exists (
                        select from outbox o
                         where o.state in ('ready', 'running')
                           and (o.subject = b.id::text
                                or o.subject in (select a.id::text from attempts a where a.booking_id = b.id)
                                or o.subject in (select r.id::text from refunds r where r.booking_id = b.id)))",
    },
    Invariant {
        name: "I6 refunds never exceed what was captured",
        broken: "select format('attempt %s: %s of %s', a.id, sum(r.amount_minor), a.captured_minor)
                   from attempts a join refunds r on r.attempt_id = a.id and r.state <> 'failed'
                  group by a.id having sum(r.amount_minor) > a.captured_minor",
    },
    Invariant {
        name: "I8 one confirmation, one mail about it",
        broken: "select format('booking %s: %s mails of %s', m.booking_id, count(*), m.kind)
                   from mails m join bookings b on b.id = m.booking_id
                  group by m.booking_id, m.kind having count(*) > 1
                  union all
                 select format('booking %s was confirmed %s times', e.booking_id, count(*))
                   from booking_events e where e.kind = 'confirmed' group by e.booking_id having count(*) > 1",
    },
    Invariant {
        name: "I8 an event is settled once, and nothing verified is left without a state",
        broken: "select format('event %s is %s', id, state) from stripe_events
                  where (state in ('applied', 'ignored', 'abandoned')) <> (settled_at is not null)",
    },
    Invariant {
        name: "I9 nobody is charged more than they accepted",
        broken: "select format('attempt %s: %s %s against %s %s', a.id, a.captured_minor, a.currency, b.amount_minor, b.currency)
                   from attempts a join bookings b on b.id = a.booking_id
                  where a.captured_minor > 0
                    and (a.captured_minor > a.amount_minor
                         or (b.booking_status = 'confirmed' and a.captured_minor > b.amount_minor
                             and not exists (select from refunds r where r.attempt_id = a.id and r.state <> 'failed'))
                         or a.currency <> b.currency)",
    },
    Invariant {
        name: "I10 nothing stays in ticketing over an hour without somebody being told",
        broken: "select format('booking %s', b.id)
                   from bookings b
                  where b.booking_status = 'ticketing'
                    and (select max(e.at) from booking_events e where e.booking_id = b.id) < $1 - interval '60 minutes'
                    and not exists (select from attention_items i where i.booking_id = b.id and i.resolved_at is null)",
    },
];

/// Every invariant that does not hold, with its rows.
pub async fn broken(connection: &mut PgConnection, now: jiff::Timestamp) -> Vec<String> {
    let now = jiff_sqlx::ToSqlx::to_sqlx(now);
    let mut faults = Vec::new();
    for invariant in &ALL {
        let mut query = sqlx::query(invariant.broken);
        if invariant.broken.contains("$1") {
            query = query.bind(now);
        }
        let rows = query.fetch_all(&mut *connection).await;
        let rows = rows.unwrap_or_else(|error| panic!("{}: {error}", invariant.name));
        faults.extend(rows.iter().map(|row| format!("{}: {}", invariant.name, row.get::<String, _>(0))));
    }
    faults
}
