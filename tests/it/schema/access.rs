//! Who may see and change what: each rule is tried by breaking it, in the role that would have to.

use sqlx::{Connection, Executor};

use super::{ALICE, BOB, HERS, HIS, Schema, TABLES};

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
    for table in ["bookings", "passengers", "booking_events", "attempts", "refunds", "mails", "profiles"] {
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
    for table in
        ["ledger_transactions", "ledger_entries", "stripe_events", "outbox", "attention_items", "auth.users"]
    {
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
async fn nobody_deletes_a_booking_and_staff_write_nothing_but_their_own_marks() {
    let mut schema = Schema::with_cast().await;
    for role in ["jetbridge_guest", "jetbridge_traveller", "jetbridge_staff", "jetbridge_system"] {
        for table in ["bookings", "attempts", "refunds", "mails", "profiles"] {
            let sql = format!("delete from {table}");
            Schema::refused(schema.try_as(role, Some(ALICE), &sql).await, "permission denied", &sql);
        }
    }
    let writes: Vec<String> = sqlx::query_scalar(
        "select distinct format('%s %s', privilege_type, table_name) from information_schema.role_column_grants
          where grantee = 'jetbridge_staff' and privilege_type <> 'SELECT' order by 1",
    )
    .fetch_all(&mut schema.login)
    .await
    .unwrap();
    // Both under their own name only.
    assert_eq!(writes, ["INSERT audit_log", "UPDATE attention_items"]);
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
