//! The database defends itself. Here: the scene for all of its tests, and what holds for the schema as a whole.

mod access;
mod guards;
mod lines;

use sqlx::{Connection, Executor, PgConnection};

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
insert into disputes (id, booking_id, attempt_id, stripe_dispute_id, is_inquiry, amount_minor, currency, reason, opened_at)
    select id, booking_id, id, 'dp_' || right(id::text, 2), true, 100, currency, 'test', '2027-01-01' from attempts;
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
                   and conrelid::regclass::text in ('bookings', 'attempts', 'refunds', 'disputes') loop
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
