//! What PostgreSQL itself refuses, whoever asks: changed history, unbalanced books, moves that no machine knows.

use sqlx::{Connection, Executor, PgConnection, Row};

use super::{ALICE, HERS, LOOSEN, Schema};

#[tokio::test]
async fn history_refuses_update_delete_and_truncate_even_from_the_owner() {
    let mut schema = Schema::with_cast().await;
    for table in ["booking_events", "ledger_transactions", "ledger_entries"] {
        let column = if table == "ledger_entries" { "currency" } else { "kind" };
        let statements = [
            format!("update {table} set {column} = {column}"),
            format!("delete from {table}"),
            format!("truncate {table} cascade"),
        ];
        for sql in statements {
            Schema::refused(schema.try_as("postgres", None, &sql).await, "append-only", &sql);
        }
    }
    schema.end().await;
}

#[tokio::test]
async fn a_ledger_transaction_that_does_not_balance_is_refused_at_commit() {
    let mut schema = Schema::with_cast().await;
    let entry = |account: &str, amount: i64, currency: &str| format!("('{account}', {amount}, '{currency}')");
    let post = |entries: &[String]| {
        format!(
            "with t as (insert into ledger_transactions (posting_key, kind, booking_id) values ('x:1', 'x', '{HERS}') returning id)
             insert into ledger_entries (transaction_id, account, amount_minor, currency)
             select t.id, e.account, e.amount::bigint, e.currency from t, (values {}) as e(account, amount, currency)",
            entries.join(", ")
        )
    };
    let unbalanced = [
        vec![entry("stripe_clearing", 100, "EUR"), entry("customer_deposits", -99, "EUR")],
        vec![entry("stripe_clearing", 100, "EUR"), entry("customer_deposits", -100, "USD")],
    ];
    for entries in &unbalanced {
        let sql = post(entries);
        Schema::refused(schema.try_as("jetbridge_system", None, &sql).await, "does not balance", &sql);
    }
    let one_sided = post(&[entry("stripe_clearing", 100, "EUR")]);
    Schema::refused(schema.try_as("jetbridge_system", None, &one_sided).await, "no two sides", &one_sided);
    let alone = format!(
        "insert into ledger_transactions (posting_key, kind, booking_id) values ('x:1', 'x', '{HERS}')"
    );
    Schema::refused(schema.try_as("jetbridge_system", None, &alone).await, "no two sides", &alone);
    let good = post(&[
        entry("stripe_clearing", 100, "EUR"),
        entry("customer_deposits", -60, "EUR"),
        entry("agency_revenue", -40, "EUR"),
    ]);
    assert_eq!(schema.try_as("jetbridge_system", None, &good).await, Ok(3));
    schema.end().await;
}

#[tokio::test]
async fn refunds_never_add_up_to_more_than_was_captured() {
    let mut schema = Schema::with_cast().await;
    let refund = |amount: i64| {
        format!(
            "insert into refunds (id, booking_id, attempt_id, amount_minor, currency, reason)
             values (gen_random_uuid(), '{HERS}', '{HERS}', {amount}, 'EUR', 'test')"
        )
    };
    // 10,000 captured, 100 on its way back already.
    assert_eq!(schema.try_as("jetbridge_system", None, &refund(9_900)).await, Ok(1));
    Schema::refused(schema.try_as("jetbridge_system", None, &refund(9_901)).await, "exceed", "9,901");
    let more = format!("update refunds set amount_minor = 10001 where attempt_id = '{HERS}'");
    Schema::refused(schema.try_as("jetbridge_system", None, &more).await, "exceed", &more);
    schema.end().await;
}

#[tokio::test]
async fn two_refunds_at_once_queue_up_and_the_second_is_refused() {
    let schema = Schema::with_cast().await;
    let (mut one, mut two) = (schema.database.superuser().await, schema.database.superuser().await);
    let sql = format!(
        "insert into refunds (id, booking_id, attempt_id, amount_minor, currency, reason)
         values (gen_random_uuid(), '{HERS}', '{HERS}', 9900, 'EUR', 'test')"
    );
    one.execute("begin").await.unwrap();
    one.execute(sql.as_str()).await.unwrap();
    let second = async { two.execute(sql.as_str()).await.map_err(|error| error.to_string()) };
    let first = async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        one.execute("commit").await
    };
    let (second, first) = tokio::join!(second, first);
    first.unwrap();
    assert!(second.unwrap_err().contains("exceed"));
    one.close().await.unwrap();
    two.close().await.unwrap();
    schema.end().await;
}

#[tokio::test]
async fn a_refund_is_paid_by_hand_with_its_proof_or_not_at_all() {
    let mut schema = Schema::with_cast().await;
    let close = format!("update refunds set state = 'paid_by_hand' where booking_id = '{HERS}';");
    let fail = format!("update refunds set state = 'failed' where booking_id = '{HERS}';");
    let prove = format!(
        "insert into refund_payouts (refund_id, way, paid_on, proof, recorded_by, recorded_at)
         select id, 'cash', '2027-01-01', 'receipt 7', '{ALICE}', '2027-01-01' from refunds where booking_id = '{HERS}';"
    );
    let mut tried = async |sql: &str| schema.try_as("jetbridge_system", None, sql).await;
    assert!(tried(&format!("{fail}{prove}{close}")).await.is_ok());
    for (sql, because) in [
        (format!("{fail}{close}"), "has its proof, or neither"),
        (format!("{fail}{prove}"), "has its proof, or neither"),
        (format!("{prove}{close}"), "cannot go from"),
        (format!("{fail}{close}{prove}{fail}"), "cannot go from"),
        (format!("{fail}{close}{prove}update refund_payouts set proof = 'x';"), "permission denied"),
        (format!("{fail}{close}{prove}delete from refund_payouts;"), "permission denied"),
        (format!("{fail}{close}{}", prove.replace("receipt 7", "")), "refund_payouts_proof_form"),
        (format!("{fail}{close}{}", prove.replace("'cash'", "'gold'")), "refund_payouts_way_known"),
        // What went back another way meanwhile.
        (
            format!(
                "{fail}insert into refunds (id, booking_id, attempt_id, amount_minor, currency, reason)
                 select gen_random_uuid(), id, id, 9901, 'EUR', 'test' from bookings where id = '{HERS}';{prove}{close}"
            ),
            "exceed",
        ),
    ] {
        Schema::refused(tried(&sql).await, because, &sql);
    }
    schema.end().await;
}

#[tokio::test]
async fn the_guard_refuses_every_move_that_is_not_listed() {
    let mut schema = Schema::with_cast().await;
    let machines = [
        ("booking", "bookings", "booking_status"),
        ("supplier", "bookings", "supplier_status"),
        ("attempt", "attempts", "state"),
        ("refund", "refunds", "state"),
        ("dispute", "disputes", "state"),
    ];
    for (machine, table, column) in machines {
        let states = states(&mut schema.login, table, column).await;
        let listed: Vec<(String, String)> =
            sqlx::query("select from_state, to_state from booking_transitions where machine = $1")
                .bind(machine)
                .fetch_all(&mut schema.login)
                .await
                .unwrap()
                .iter()
                .map(|row| (row.get(0), row.get(1)))
                .collect();
        assert!(states.len() > 3 && !listed.is_empty(), "{machine}");
        for from in &states {
            for to in &states {
                let allowed = from == to || listed.contains(&(from.clone(), to.clone()));
                let moved = try_move(&mut schema.login, table, column, from, to).await;
                let guarded = moved.as_ref().is_err_and(|error| error.contains("cannot go from"));
                assert_eq!(!guarded, allowed, "{machine}: {from} to {to}: {moved:?}");
            }
        }
    }
    schema.end().await;
}

/// The states that the column's CHECK knows.
async fn states(login: &mut PgConnection, table: &str, column: &str) -> Vec<String> {
    let rule: String =
        sqlx::query_scalar("select pg_get_constraintdef(oid) from pg_constraint where conname = $1")
            .bind(format!("{table}_{column}_known"))
            .fetch_one(login)
            .await
            .unwrap();
    rule.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

async fn try_move(
    login: &mut PgConnection,
    table: &str,
    column: &str,
    from: &str,
    to: &str,
) -> Result<(), String> {
    let mut tx = login.begin().await.unwrap();
    // Put into the first state with the triggers off, then moved as the application would.
    let place = format!(
        "set local session_replication_role = replica; {LOOSEN}
         update {table} set {column} = '{from}';
         set local session_replication_role = origin"
    );
    tx.execute(place.as_str()).await.unwrap();
    let moved = tx.execute(format!("update {table} set {column} = '{to}'").as_str()).await;
    tx.rollback().await.unwrap();
    moved.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn names_are_fixed_once_money_is_on_its_way() {
    let mut schema = Schema::with_cast().await;
    schema.login.execute(LOOSEN).await.unwrap();
    schema.login.execute("alter table bookings disable trigger user").await.unwrap();
    schema.login.execute("update bookings set booking_status = 'ticketing'").await.unwrap();
    let rename = "update passengers set family_name = 'Other'";
    Schema::refused(schema.try_as("jetbridge_traveller", Some(ALICE), rename).await, "are fixed", rename);
    let remove = "delete from passengers";
    Schema::refused(schema.try_as("jetbridge_traveller", Some(ALICE), remove).await, "are fixed", remove);
    schema.end().await;
}
