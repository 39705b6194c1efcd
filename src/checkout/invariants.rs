//! What must hold whatever happened, as questions to the database. Each answers with the offending rows; none is good.
//! Tests ask after every money story, the worker asks every minute.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;

use crate::{
    db::{System, Tx},
    outbox::Attention,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    pub invariant: &'static str,
    /// Id of the offending row.
    pub subject: String,
}

/// Nothing waits for a supplier longer than this without a person knowing.
const SUPPLIER_LIMIT: SignedDuration = SignedDuration::from_mins(60);

// Whom a person has been called for is not called for again. Only for the matter itself: who looks at a mail that is late does
// not look at the money.

/// Tickets stand without money behind them.
const WITHOUT_MONEY: [Attention; 6] = [
    Attention::AuthorisationLost,
    Attention::CaptureFailed,
    Attention::PaymentContradiction,
    Attention::PaymentQuarantined,
    Attention::CancelRefused,
    Attention::IllegalStep,
];
/// Money stays that should go back.
const MONEY_WAITS: [Attention; 9] = [
    Attention::RefundFailed,
    Attention::RefundUnsent,
    Attention::RefundNotOurs,
    Attention::PaymentContradiction,
    Attention::PaymentQuarantined,
    Attention::Dispute,
    Attention::CancelCredit,
    Attention::TicketsLost,
    Attention::IllegalStep,
];
/// The airline has not said how it stands.
const AIRLINE_WAITS: [Attention; 4] = [
    Attention::SupplierUnknown,
    Attention::CancelRefused,
    Attention::PaymentQuarantined,
    Attention::IllegalStep,
];

fn codes(kinds: &[Attention]) -> Vec<String> {
    kinds.iter().map(|kind| kind.code().to_owned()).collect()
}

/// The numbers of all of them, by which they are counted.
pub const CODES: [&str; 14] =
    ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I11", "I12", "I13", "I14"];

impl Breach {
    /// The number that its name begins with.
    pub fn code(&self) -> &'static str {
        self.invariant.split(' ').next().unwrap_or_default()
    }
}

macro_rules! ask {
    ($tx:expr, $breaches:expr, $name:literal, $sql:literal $(, $arg:expr)*) => {
        for subject in sqlx::query_scalar!($sql $(, $arg)*).fetch_all(&mut **$tx).await? {
            $breaches.push(Breach { invariant: $name, subject });
        }
    };
}

pub async fn breaches(tx: &mut Tx<System>, now: Timestamp) -> Result<Vec<Breach>, sqlx::Error> {
    let mut found = Vec::new();
    ledger(tx, &mut found).await?;
    bookings(tx, &mut found, now).await?;
    cancelled(tx, &mut found).await?;
    once(tx, &mut found).await?;
    Ok(found)
}

async fn ledger(tx: &mut Tx<System>, found: &mut Vec<Breach>) -> Result<(), sqlx::Error> {
    ask!(
        tx,
        found,
        "I1 each ledger transaction sums to zero per currency",
        r#"select transaction_id::text as "subject!" from ledger_entries
            group by transaction_id, currency having sum(amount_minor) <> 0"#
    );
    ask!(
        tx,
        found,
        "I2 at most one captured, unrefunded attempt per booking",
        r#"select a.booking_id::text as "subject!" from attempts a
            where a.captured_minor > (select coalesce(sum(r.amount_minor), 0) from refunds r
                                       where r.attempt_id = a.id and r.state <> 'failed')
                                   + (select coalesce(sum(d.amount_minor), 0) from disputes d
                                       where d.attempt_id = a.id and d.state = 'lost' and not d.is_inquiry)
            group by a.booking_id having count(*) > 1"#
    );
    ask!(
        tx,
        found,
        "I3 captured less refunded and lost is deposits, supplier and revenue less loss",
        r#"select b.id::text as "subject!" from bookings b
            where (select coalesce(sum(a.captured_minor), 0) from attempts a where a.booking_id = b.id)
                - (select coalesce(sum(r.amount_minor), 0) from refunds r where r.booking_id = b.id and r.state <> 'failed')
                - (select coalesce(sum(d.amount_minor), 0) from disputes d
                    where d.booking_id = b.id and d.state = 'lost' and not d.is_inquiry)
               <> (select coalesce(-sum(e.amount_minor), 0)
                     from ledger_transactions t join ledger_entries e on e.transaction_id = t.id
                    where t.booking_id = b.id
                      and e.account in ('customer_deposits', 'supplier_payable', 'agency_revenue', 'loss'))"#
    );
    ask!(
        tx,
        found,
        "I3 no traveller owes us a deposit",
        r#"select t.booking_id::text as "subject!"
             from ledger_transactions t join ledger_entries e on e.transaction_id = t.id
            where e.account = 'customer_deposits' group by t.booking_id, e.currency having sum(e.amount_minor) > 0"#
    );
    ask!(
        tx,
        found,
        "I6 refunds never exceed what was captured",
        r#"select a.id::text as "subject!" from attempts a
            where a.captured_minor < (select coalesce(sum(r.amount_minor), 0) from refunds r
                                       where r.attempt_id = a.id and r.state <> 'failed')"#
    );
    ask!(
        tx,
        found,
        "I6 of no line of a price goes back more than it cost",
        r#"select concat_ws(' ', p.booking_id, p.passenger, p.item) as "subject!" from price_lines p
            where p.amount_minor < (select coalesce(sum(l.amount_minor), 0)
                                      from refund_lines l join refunds r on r.id = l.refund_id
                                     where l.booking_id = p.booking_id and l.passenger = p.passenger
                                       and l.item = p.item and r.state <> 'failed')"#
    );
    Ok(())
}

async fn bookings(tx: &mut Tx<System>, found: &mut Vec<Breach>, now: Timestamp) -> Result<(), sqlx::Error> {
    ask!(
        tx,
        found,
        "I4 confirmed means ordered, and authorised or captured, or to be paid again by a time, or written off",
        r#"select b.id::text as "subject!" from bookings b
            where b.booking_status = 'confirmed'
              and (b.supplier_status not in ('ordered', 'changed_by_airline')
                   or not (exists (select from attempts a
                                    where a.id = b.secured_by and a.state in ('authorised', 'captured'))
                           or (b.pay_by is not null
                               and exists (select from outbox o
                                            where o.kind = 'cancel_unpaid' and o.subject = b.id::text
                                              and o.state in ('ready', 'running')))
                           or exists (select from ledger_transactions t
                                       where t.posting_key = 'tickets_lost:' || b.id)))
              and not exists (select from attention_items i
                               where i.booking_id = b.id and i.resolved_at is null and i.kind = any($1))"#,
        &codes(&WITHOUT_MONEY)
    );
    ask!(
        tx,
        found,
        "I5 ended without a ticket keeps no money, unless a job or a person is at it",
        r#"select b.id::text as "subject!" from bookings b
            where b.booking_status in ('cancelled', 'expired', 'failed')
              and (exists (select from attempts a where a.booking_id = b.id and a.state = 'authorised')
                   or (select coalesce(sum(e.amount_minor), 0)
                         from ledger_transactions t join ledger_entries e on e.transaction_id = t.id
                        where t.booking_id = b.id and e.account = 'customer_deposits') <> 0)
              and not exists (select from outbox o
                               where o.kind = 'return_money' and o.subject = b.id::text
                                 and o.state in ('ready', 'running'))
              and not exists (select from attention_items i
                               where i.booking_id = b.id and i.resolved_at is null and i.kind = any($1))"#,
        &codes(&MONEY_WAITS)
    );
    ask!(
        tx,
        found,
        "I7 seats held and sold fit into the aircraft",
        r#"select concat_ws(' ', carrier, number, departs_on, cabin) as "subject!" from timetable.inventory
            where held + sold > capacity"#
    );
    ask!(
        tx,
        found,
        "I9 no charge exceeds the accepted quote",
        r#"select a.id::text as "subject!" from attempts a where a.captured_minor > a.amount_minor"#
    );
    ask!(
        tx,
        found,
        "I10 nothing stays in ticketing or cancelling for an hour without a person knowing",
        r#"select b.id::text as "subject!" from bookings b
            where b.booking_status in ('ticketing', 'cancelling')
              and (select max(e.at) from booking_events e where e.booking_id = b.id and e.kind = b.booking_status) < $1
              and not exists (select from attention_items i
                               where i.booking_id = b.id and i.resolved_at is null and i.kind = any($2))"#,
        (now - SUPPLIER_LIMIT).to_sqlx() as _,
        &codes(&AIRLINE_WAITS)
    );
    Ok(())
}

async fn cancelled(tx: &mut Tx<System>, found: &mut Vec<Breach>) -> Result<(), sqlx::Error> {
    ask!(
        tx,
        found,
        "I12 tickets are cancelled by the supplier, and by a quote that was accepted",
        r#"select b.id::text as "subject!" from bookings b
            where b.booking_status = 'cancelled' and b.secured_by is not null
              and (b.supplier_status <> 'cancelled'
                   or not exists (select from cancel_quotes q where q.booking_id = b.id and q.done_at is not null))"#
    );
    ask!(
        tx,
        found,
        "I13 a cancelled booking keeps no more than was quoted, unless a job or a person is at it",
        r#"select b.id::text as "subject!" from bookings b
             join cancel_quotes q on q.booking_id = b.id and q.done_at is not null
             join attempts a on a.id = q.attempt_id
            where a.captured_minor - (select coalesce(sum(r.amount_minor), 0) from refunds r
                                       where r.attempt_id = a.id and r.state <> 'failed')
                                   - (select coalesce(sum(d.amount_minor), 0) from disputes d
                                       where d.attempt_id = a.id and d.state = 'lost' and not d.is_inquiry) > q.kept_minor
              and not exists (select from outbox o
                               where o.kind = 'return_money' and o.subject = b.id::text
                                 and o.state in ('ready', 'running'))
              and not exists (select from attention_items i
                               where i.booking_id = b.id and i.resolved_at is null and i.kind = any($1))"#,
        &codes(&MONEY_WAITS)
    );
    Ok(())
}

async fn once(tx: &mut Tx<System>, found: &mut Vec<Breach>) -> Result<(), sqlx::Error> {
    ask!(
        tx,
        found,
        "I8 one confirmation mail per confirmation",
        r#"select b.id::text as "subject!" from bookings b
            where b.booking_status = 'confirmed'
              and (select count(*) from mails m
                    where m.booking_id = b.id and m.kind = 'booking_confirmation' and m.resent_of is null) <> 1"#
    );
    ask!(
        tx,
        found,
        "I11 a booking of an account is opened by no link",
        r#"select b.id::text as "subject!" from bookings b join booking_links l on l.booking_id = b.id
            where b.user_id is not null"#
    );
    ask!(
        tx,
        found,
        "I8 an attempt is charged once in the ledger",
        r#"select a.id::text as "subject!" from attempts a
            where a.captured_minor > 0
              and (select count(*) from ledger_transactions t where t.posting_key = 'captured:' || a.id) <> 1"#
    );
    ask!(
        tx,
        found,
        "I14 what was paid by hand is proven, and stands in the ledger as paid",
        r#"select r.id::text as "subject!" from refunds r
            where (r.state = 'paid_by_hand')
                  <> exists (select from refund_payouts p where p.refund_id = r.id)
               or (r.state = 'paid_by_hand')
                  <> exists (select from ledger_transactions t join ledger_entries e on e.transaction_id = t.id
                              where t.posting_key = 'refund_paid_by_hand:' || r.id
                                and e.account = 'agency_bank' and e.amount_minor = -r.amount_minor)"#
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_invariant_has_its_number_among_the_codes() {
        let own = include_str!("invariants.rs").split("#[cfg(test)]").next().unwrap();
        let asked: BTreeSet<&str> =
            own.split("found,\n        \"").skip(1).map(|rest| rest.split(' ').next().unwrap()).collect();
        assert_eq!(asked, CODES.into_iter().collect());
    }
}
