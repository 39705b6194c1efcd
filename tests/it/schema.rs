//! The database defends itself: each rule is tried by breaking it, in the role that would have to.

use sqlx::{Connection, Executor, PgConnection, Row};

use crate::helpers::cluster::Database;

const ALICE: &str = "00000000-0000-7000-8000-00000000000a";
const BOB: &str = "00000000-0000-7000-8000-00000000000b";
const HERS: &str = "00000000-0000-7000-8000-0000000000a1";
const HIS: &str = "00000000-0000-7000-8000-0000000000b1";
const TABLES: [&str; 11] = [
    "profiles",
    "bookings",
    "passengers",
    "booking_events",
    "attempts",
    "refunds",
    "ledger_transactions",
    "ledger_entries",
    "stripe_events",
    "outbox",
    "mails",
];

/// Two travellers with a booking each, and everything that can hang from one.
const CAST: &str = r#"
insert into auth.users (id, email, password_hash) values
    ('00000000-0000-7000-8000-00000000000a', 'alice@example.com', '$argon2id$a'),
    ('00000000-0000-7000-8000-00000000000b', 'bob@example.com', '$argon2id$b');
insert into profiles (user_id, full_name) values
    ('00000000-0000-7000-8000-00000000000a', 'Alice'), ('00000000-0000-7000-8000-00000000000b', 'Bob');
insert into bookings (id, booking_reference, user_id, quote, quote_hash, amount_minor, currency, origin, destination, departs_at, supplier) values
    ('00000000-0000-7000-8000-0000000000a1', 'AAAAAA', '00000000-0000-7000-8000-00000000000a', '{}', repeat('a', 64), 10000, 'EUR', 'LIS', 'JFK', '2027-01-01', 'timetable'),
    ('00000000-0000-7000-8000-0000000000b1', 'CCCCCC', '00000000-0000-7000-8000-00000000000b', '{}', repeat('b', 64), 20000, 'EUR', 'LIS', 'JFK', '2027-01-01', 'timetable');
insert into passengers (id, booking_id, position, kind, given_names, family_name, born_on, sex)
    select gen_random_uuid(), id, 1, 'adult', 'A', 'B', '1990-01-01', 'x' from bookings;
insert into booking_events (booking_id, kind, actor) select id, 'started', 'traveller' from bookings;
insert into attempts (id, booking_id, amount_minor, currency, quote_hash, livemode, session_expires_at)
    select id, id, amount_minor, currency, quote_hash, false, '2027-01-01' from bookings;
update attempts set state = 'captured', captured_minor = amount_minor, checkout_session_id = 'cs_' || right(id::text, 2);
insert into refunds (id, booking_id, attempt_id, amount_minor, currency, reason) select id, booking_id, id, 100, currency, 'test' from attempts;
insert into ledger_transactions (posting_key, kind, booking_id) select 'capture:' || id, 'capture', id from bookings;
insert into ledger_entries (transaction_id, account, amount_minor, currency)
    select id, 'stripe_clearing', 100, 'EUR' from ledger_transactions union all select id, 'customer_deposits', -100, 'EUR' from ledger_transactions;
insert into stripe_events (id, kind, livemode, created, payload) values ('evt_1', 'charge.refunded', false, '2027-01-01', '{}');
insert into outbox (kind, subject, due_at) values ('capture', 'x', '2027-01-01');
insert into mails (id, booking_id, kind, once_key, to_address) select id, id, 'confirmation', id::text, 'x@example.com' from bookings;
insert into attention_items (kind, subject, booking_id, detail) select 'late', id::text, id, '' from bookings;
"#;

/// Takes away what a state needs beside its name, to put rows into any state. The lists of names stay.
const LOOSEN: &str = r"
do $$
declare
    rule record;
begin
    for rule in select conrelid::regclass as at, conname from pg_constraint
                 where contype = 'c' and connamespace = 'public'::regnamespace and conname !~ '_known$'
                   and conrelid::regclass::text in ('bookings', 'attempts', 'refunds') loop
        execute format('alter table %s drop constraint %I', rule.at, rule.conname);
    end loop;
end
$$;";

struct Schema {
    database: Database,
    login: PgConnection,
}

impl Schema {
    async fn with_cast() -> Self {
        let database = Database::fresh().await;
        let mut login = database.superuser().await;
        login.execute(CAST).await.expect("the cast");
        Self { database, login }
    }

    /// Runs one statement as a role, in a transaction that is rolled back afterwards; returns how many rows it touched.
    async fn try_as(&mut self, role: &str, user: Option<&str>, sql: &str) -> Result<u64, String> {
        let mut tx = self.login.begin().await.unwrap();
        let begin = format!(
            "select set_config('role', '{role}', true), set_config('app.user_id', '{}', true)",
            user.unwrap_or_default()
        );
        tx.execute(begin.as_str()).await.unwrap();
        let done = match tx.execute(sql).await {
            // Constraints that wait for the commit are asked now.
            Ok(done) => tx.execute("set constraints all immediate").await.map(|_| done.rows_affected()),
            Err(error) => Err(error),
        };
        tx.rollback().await.unwrap();
        done.map_err(|error| error.to_string())
    }

    #[track_caller]
    fn refused(outcome: Result<u64, String>, because: &str, sql: &str) {
        match outcome {
            Ok(rows) => panic!("was allowed, {rows} rows: {sql}"),
            Err(error) => assert!(error.contains(because), "refused, but by {error:?}: {sql}"),
        }
    }

    async fn end(self) {
        self.login.close().await.unwrap();
        self.database.drop().await;
    }
}

#[tokio::test]
async fn every_table_enables_and_forces_row_level_security() {
    let schema = Schema::with_cast().await;
    let mut login = schema.database.superuser().await;
    let naked: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c
          where c.relkind in ('r', 'p') and c.relnamespace::regnamespace::text in ('public', 'auth', 'timetable')
            and c.relname <> '_sqlx_migrations' and not (c.relrowsecurity and c.relforcerowsecurity)",
    )
    .fetch_all(&mut login)
    .await
    .unwrap();
    assert_eq!(naked, Vec::<String>::new());
    login.close().await.unwrap();
    schema.end().await;
}

#[tokio::test]
async fn no_role_of_ours_bypasses_row_level_security_or_owns_a_table() {
    let schema = Schema::with_cast().await;
    let mut login = schema.database.superuser().await;
    let strong: Vec<String> = sqlx::query_scalar(
        "select rolname::text from pg_roles where rolname like 'jetbridge\\_%' and (rolsuper or rolbypassrls or rolcanlogin or rolcreaterole)
         union all
         select tablename::text from pg_tables where tableowner like 'jetbridge\\_%'",
    )
    .fetch_all(&mut login)
    .await
    .unwrap();
    assert_eq!(strong, Vec::<String>::new());
    login.close().await.unwrap();
    schema.end().await;
}

#[tokio::test]
async fn a_traveller_without_a_user_and_a_guest_see_nothing() {
    let mut schema = Schema::with_cast().await;
    for table in TABLES {
        let sql = format!("select 1 from {table}");
        // Either the role may not read the table at all, or no policy matches.
        for role in ["jetbridge_traveller", "jetbridge_guest"] {
            assert!(matches!(schema.try_as(role, None, &sql).await, Ok(0) | Err(_)), "{role} reads {table}");
        }
        let after_another = "select set_config('app.user_id', '', true)";
        schema.login.execute(after_another).await.unwrap();
        assert!(
            matches!(schema.try_as("jetbridge_traveller", Some(""), &sql).await, Ok(0) | Err(_)),
            "{table}"
        );
    }
    Schema::refused(
        schema.try_as("jetbridge_guest", None, "select * from auth.users").await,
        "permission denied",
        "users",
    );
    schema.end().await;
}

#[tokio::test]
async fn alice_sees_her_rows_and_none_of_bobs() {
    let mut schema = Schema::with_cast().await;
    for table in ["bookings", "passengers", "booking_events", "attempts", "refunds", "profiles"] {
        let all = format!("select 1 from {table}");
        assert_eq!(schema.try_as("jetbridge_traveller", Some(ALICE), &all).await, Ok(1), "{table}");
        assert_eq!(schema.try_as("jetbridge_staff", Some(BOB), &all).await, Ok(2), "{table}");
        let key = if table == "profiles" {
            "user_id"
        } else if table == "bookings" {
            "id"
        } else {
            "booking_id"
        };
        let whose = if table == "profiles" { BOB } else { HIS };
        let his = format!("select 1 from {table} where {key} = '{whose}'");
        assert_eq!(schema.try_as("jetbridge_traveller", Some(ALICE), &his).await, Ok(0), "{table}");
    }
    for table in [
        "ledger_transactions",
        "ledger_entries",
        "stripe_events",
        "outbox",
        "mails",
        "attention_items",
        "auth.users",
    ] {
        let sql = format!("select 1 from {table}");
        Schema::refused(
            schema.try_as("jetbridge_traveller", Some(ALICE), &sql).await,
            "permission denied",
            &sql,
        );
    }
    schema.end().await;
}

#[tokio::test]
async fn alice_cannot_change_anything_of_bobs() {
    let mut schema = Schema::with_cast().await;
    let no_rows = [
        format!("update bookings set contact_email = 'a@b.c' where id = '{HIS}'"),
        format!("update passengers set given_names = 'Mallory' where booking_id = '{HIS}'"),
        format!("delete from passengers where booking_id = '{HIS}'"),
        format!("update profiles set full_name = 'Mallory' where user_id = '{BOB}'"),
    ];
    for sql in &no_rows {
        assert_eq!(schema.try_as("jetbridge_traveller", Some(ALICE), sql).await, Ok(0), "{sql}");
    }
    let inserts = [
        (
            "row-level security",
            format!("insert into profiles (user_id) values ('{BOB}')"),
        ),
        // The guard asks for the booking's state before the policy speaks, and for alice there is no such booking.
        (
            "passengers of a <NULL> booking",
            format!(
                "insert into passengers (id, booking_id, position, kind, given_names, family_name, born_on, sex)
                 values (gen_random_uuid(), '{HIS}', 2, 'adult', 'M', 'M', '1990-01-01', 'x')"
            ),
        ),
        (
            "row-level security",
            format!(
            "insert into bookings (id, booking_reference, user_id, quote, quote_hash, amount_minor, currency, origin, destination, departs_at, supplier)
             values (gen_random_uuid(), 'DDDDDD', '{BOB}', '{{}}', repeat('a', 64), 1, 'EUR', 'LIS', 'JFK', '2027-01-01', 'timetable')"
            ),
        ),
    ];
    for (because, sql) in &inserts {
        Schema::refused(schema.try_as("jetbridge_traveller", Some(ALICE), sql).await, because, sql);
    }
    schema.end().await;
}

#[tokio::test]
async fn a_traveller_cannot_set_a_status_an_amount_or_an_owner_even_on_their_own() {
    let mut schema = Schema::with_cast().await;
    let columns = [
        "booking_status = 'confirmed'",
        "supplier_status = 'ordered'",
        "amount_minor = 1",
        "currency = 'JPY'",
        "quote = '{}'",
        "quote_hash = repeat('c', 64)",
        "pnr = 'ABCDEF'",
        "hold_id = 'x'",
        "user_id = null",
        "booking_reference = 'DDDDDD'",
        "terms_accepted_at = '2027-01-01'",
    ];
    for column in columns {
        let sql = format!("update bookings set {column} where id = '{HERS}'");
        Schema::refused(
            schema.try_as("jetbridge_traveller", Some(ALICE), &sql).await,
            "permission denied",
            &sql,
        );
    }
    for sql in [
        "update attempts set captured_minor = 0",
        "update refunds set amount_minor = 100000",
        "insert into refunds select * from refunds",
        "update passengers set ticket_number = '1234567890123'",
        "update profiles set user_id = user_id",
        "insert into booking_events (booking_id, kind, actor) select id, 'x', 'system' from bookings",
    ] {
        Schema::refused(
            schema.try_as("jetbridge_traveller", Some(ALICE), sql).await,
            "permission denied",
            sql,
        );
    }
    let mend = format!("update bookings set contact_email = 'new@example.com' where id = '{HERS}'");
    assert_eq!(schema.try_as("jetbridge_traveller", Some(ALICE), &mend).await, Ok(1));
    schema.end().await;
}

#[tokio::test]
async fn nobody_deletes_a_booking_and_staff_only_read() {
    let mut schema = Schema::with_cast().await;
    for role in ["jetbridge_guest", "jetbridge_traveller", "jetbridge_staff", "jetbridge_system"] {
        for table in ["bookings", "attempts", "refunds", "mails", "profiles"] {
            let sql = format!("delete from {table}");
            Schema::refused(schema.try_as(role, Some(ALICE), &sql).await, "permission denied", &sql);
        }
    }
    let writes: Vec<String> = sqlx::query_scalar(
        "select distinct format('%s %s', privilege_type, table_name) from information_schema.role_column_grants
          where grantee = 'jetbridge_staff' and privilege_type <> 'SELECT'",
    )
    .fetch_all(&mut schema.login)
    .await
    .unwrap();
    assert_eq!(writes, Vec::<String>::new());
    schema.end().await;
}

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
async fn the_guard_refuses_every_move_that_is_not_listed() {
    let mut schema = Schema::with_cast().await;
    let machines = [
        ("booking", "bookings", "booking_status"),
        ("supplier", "bookings", "supplier_status"),
        ("attempt", "attempts", "state"),
        ("refund", "refunds", "state"),
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
        assert!(states.len() > 5 && !listed.is_empty(), "{machine}");
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

#[tokio::test]
async fn what_has_a_form_is_held_to_it() {
    let mut schema = Schema::with_cast().await;
    let bad = [
        ("update bookings set booking_reference = 'O0O0O0'", "bookings_booking_reference_form"),
        ("update bookings set booking_reference = 'AAAAAA'", "bookings_booking_reference_unique"),
        ("update bookings set amount_minor = 0", "bookings_amount_positive"),
        ("update bookings set amount_minor = -1", "bookings_amount_positive"),
        ("update bookings set currency = 'eur'", "bookings_currency_form"),
        ("update bookings set quote_hash = 'x'", "bookings_quote_hash_form"),
        ("update bookings set origin = 'lis'", "bookings_origin_form"),
        ("update bookings set contact_email = 'nobody'", "bookings_contact_email_form"),
        ("update bookings set hold_id = 'x'", "bookings_hold_is_whole"),
        ("update bookings set booking_status = 'held'", "bookings_held_has_hold"),
        ("update passengers set position = 10", "passengers_position_range"),
        ("update passengers set given_names = ''", "passengers_given_names_length"),
        ("update attempts set captured_minor = amount_minor + 1", "attempts_captured_range"),
        ("update auth.users set password_hash = 'plain'", "users_password_hash_form"),
        ("update auth.users set email = 'ALICE@example.com'", "users_email_unique"),
        (
            "insert into flight_searches (key, params, results, expires_at) values ('\\x00', '{}', '[]', '2100-01-01')",
            "flight_searches_key_is_sha256",
        ),
        (
            "insert into flight_searches (key, params, results, expires_at) values (sha256('x'), '[]', '[]', '2100-01-01')",
            "flight_searches_params_form",
        ),
        (
            "insert into stripe_events (id, kind, livemode, created, payload) values ('x', 'x', false, now(), '{}')",
            "stripe_events_id_form",
        ),
        ("insert into stripe_events select * from stripe_events", "stripe_events_pkey"),
    ];
    for (sql, constraint) in bad {
        Schema::refused(schema.try_as("postgres", None, sql).await, constraint, sql);
    }
    schema.end().await;
}

#[tokio::test]
async fn guests_reach_one_login_through_its_function_and_sign_up_once() {
    let mut schema = Schema::with_cast().await;
    let find = "select * from auth.find_login('ALICE@example.com')";
    assert_eq!(schema.try_as("jetbridge_guest", None, find).await, Ok(1));
    Schema::refused(schema.try_as("jetbridge_traveller", Some(ALICE), find).await, "permission denied", find);
    let again = "select 1 where auth.sign_up(gen_random_uuid(), 'Alice@Example.com', '$argon2id$x', 'x')";
    assert_eq!(schema.try_as("jetbridge_guest", None, again).await, Ok(0));
    let new = "select 1 where auth.sign_up(gen_random_uuid(), 'dora@example.com', '$argon2id$x', 'Dora')";
    assert_eq!(schema.try_as("jetbridge_guest", None, new).await, Ok(1));
    schema.end().await;
}

#[tokio::test]
async fn expired_searches_go_and_the_others_stay() {
    let mut schema = Schema::with_cast().await;
    schema
        .login
        .execute(
            "insert into flight_searches (key, params, results, created_at, expires_at) values
                (sha256('old'), '{}', '[]', '2026-01-01', '2026-01-02'), (sha256('new'), '{}', '[]', '2026-01-01', '2026-01-03')",
        )
        .await
        .unwrap();
    let gone: i64 = sqlx::query_scalar("select delete_expired_searches('2026-01-02')")
        .fetch_one(&mut schema.login)
        .await
        .unwrap();
    assert_eq!(gone, 1);
    schema.end().await;
}

#[tokio::test]
async fn every_table_and_function_of_ours_says_what_it_is_for() {
    let mut schema = Schema::with_cast().await;
    let silent: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c
          where c.relkind = 'r' and c.relname <> '_sqlx_migrations' and obj_description(c.oid, 'pg_class') is null
            and c.relnamespace::regnamespace::text in ('public', 'auth', 'timetable', 'tower_sessions')
         union all
         select p.oid::regprocedure::text from pg_proc p
          where obj_description(p.oid, 'pg_proc') is null and p.pronamespace::regnamespace::text in ('public', 'auth', 'timetable')
            and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')",
    )
    .fetch_all(&mut schema.login)
    .await
    .unwrap();
    assert_eq!(silent, Vec::<String>::new());
    schema.end().await;
}

#[tokio::test]
async fn no_index_repeats_another_and_every_foreign_key_of_a_booking_has_one() {
    let mut schema = Schema::with_cast().await;
    let twins: Vec<String> = sqlx::query_scalar(
        "select a.indexrelid::regclass::text from pg_index a join pg_index b
             on a.indrelid = b.indrelid and a.indexrelid <> b.indexrelid
            and a.indkey::text = b.indkey::text and a.indpred is not distinct from b.indpred
            and a.indexprs is not distinct from b.indexprs
          where a.indrelid::regclass::text !~ '^pg_' and a.indrelid > 16384",
    )
    .fetch_all(&mut schema.login)
    .await
    .unwrap();
    assert_eq!(twins, Vec::<String>::new());
    let bare: Vec<String> = sqlx::query_scalar(
        "select format('%s.%s', c.conrelid::regclass, a.attname)
           from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
          where c.contype = 'f'
            and not exists (select from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1])",
    )
    .fetch_all(&mut schema.login)
    .await
    .unwrap();
    assert_eq!(bare, Vec::<String>::new());
    schema.end().await;
}

#[tokio::test]
async fn migrations_run_twice_and_in_two_databases_at_once() {
    let (one, two) = tokio::join!(Database::empty(), Database::empty());
    let connect = |options| jetbridge::db::Db::connect(options, 2);
    let (first, second) = tokio::join!(connect(one.options()), connect(two.options()));
    let (first, second) = (first.unwrap(), second.unwrap());
    let (a, b) = tokio::join!(first.migrate(), second.migrate());
    a.unwrap();
    b.unwrap();
    first.migrate().await.unwrap();
    assert!(first.is_migrated().await.unwrap());
    first.close().await;
    second.close().await;
    one.drop().await;
    two.drop().await;
}
