//! The invariants of money notice what they are for: each is broken behind everybody's back, once, and mended again.

use crate::helpers::app::TestApp;

/// Name, what breaks it, what mends it. The booking is confirmed and charged.
const CASES: [(&str, &str, &str); 17] = [
    (
        "I1",
        "update ledger_entries set amount_minor = amount_minor + 1 where id = (select min(id) from ledger_entries)",
        "update ledger_entries set amount_minor = amount_minor - 1 where id = (select min(id) from ledger_entries)",
    ),
    (
        "I2",
        "insert into attempts (id, booking_id, state, amount_minor, currency, quote_hash, livemode, checkout_session_id, session_expires_at, captured_minor)
         select gen_random_uuid(), booking_id, state, amount_minor, currency, quote_hash, livemode, 'cs_second', session_expires_at, captured_minor from attempts",
        "delete from attempts where checkout_session_id = 'cs_second'",
    ),
    (
        "I3",
        "update attempts set captured_minor = captured_minor - 1",
        "update attempts set captured_minor = amount_minor",
    ),
    (
        "I4",
        "update attempts set state = 'released', captured_minor = 0",
        "update attempts set state = 'captured', captured_minor = amount_minor",
    ),
    (
        "I5",
        "alter table bookings drop constraint bookings_confirmed_is_ordered;
         update bookings set booking_status = 'failed';
         update attempts set state = 'authorised', captured_minor = 0",
        "update bookings set booking_status = 'confirmed';
         update attempts set state = 'captured', captured_minor = amount_minor",
    ),
    (
        "I6",
        "insert into refunds (id, booking_id, attempt_id, amount_minor, currency, reason)
         select gen_random_uuid(), booking_id, id, captured_minor + 1, currency, 'test' from attempts",
        "delete from refunds",
    ),
    (
        "I7",
        "alter table timetable.inventory drop constraint inventory_never_oversold;
         update timetable.inventory set capacity = 0",
        "update timetable.inventory set capacity = 300",
    ),
    (
        "I8",
        "delete from mails where kind = 'booking_confirmation'",
        "insert into mails (id, booking_id, kind, once_key, to_address) select gen_random_uuid(), id, 'booking_confirmation', 'again', 'a@b.c' from bookings",
    ),
    (
        "I8",
        "insert into mails (id, booking_id, kind, once_key, to_address) select gen_random_uuid(), id, 'booking_confirmation', 'twice', 'a@b.c' from bookings",
        "delete from mails where once_key = 'twice'",
    ),
    (
        "I8",
        "update ledger_transactions set posting_key = 'lost:' || posting_key where posting_key like 'captured:%'",
        "update ledger_transactions set posting_key = substr(posting_key, 6) where posting_key like 'lost:%'",
    ),
    (
        "I9",
        "alter table attempts drop constraint attempts_captured_range; update attempts set captured_minor = amount_minor + 1",
        "update attempts set captured_minor = amount_minor",
    ),
    (
        "I10",
        "update bookings set booking_status = 'ticketing'; update booking_events set at = at - interval '2 hours'",
        "update bookings set booking_status = 'confirmed'",
    ),
    (
        "I10",
        "update bookings set booking_status = 'cancelling';
         insert into booking_events (booking_id, at, kind, actor) select id, created_at - interval '2 hours', 'cancelling', 'system' from bookings",
        "update bookings set booking_status = 'confirmed'",
    ),
    (
        "I12",
        "update bookings set booking_status = 'cancelled'",
        "update bookings set booking_status = 'confirmed'",
    ),
    (
        "I13",
        "update bookings set booking_status = 'cancelled', supplier_status = 'cancelled';
         insert into cancel_quotes (id, booking_id, attempt_id, terms, charged, paid_minor, returned_minor, kept_minor, back_minor,
                                    currency, hash, made_at, expires_at, accepted_at, asked_at, done_at, credit_minor)
         select a.id, a.booking_id, a.id, 'free', true, a.captured_minor, 0, 0, a.captured_minor, a.currency, repeat('0', 64),
                '2026-11-23', '2026-11-24', '2026-11-23', '2026-11-23', '2026-11-23', 0 from attempts a",
        "delete from cancel_quotes; update bookings set booking_status = 'confirmed', supplier_status = 'ordered'",
    ),
    (
        "I14",
        "insert into refunds (id, booking_id, attempt_id, state, amount_minor, currency, reason)
         select gen_random_uuid(), booking_id, id, 'paid_by_hand', 1, currency, 'test' from attempts",
        "delete from refunds",
    ),
    (
        "I14",
        "insert into refunds (id, booking_id, attempt_id, state, amount_minor, currency, reason)
         select id, booking_id, id, 'failed', 1, currency, 'test' from attempts;
         insert into refund_payouts (refund_id, way, paid_on, proof, recorded_by, recorded_at)
         select a.id, 'cash', '2026-11-23', 'receipt 7', b.user_id, '2026-11-23'
           from attempts a join bookings b on b.id = a.booking_id",
        "delete from refund_payouts; delete from refunds",
    ),
];

#[tokio::test]
async fn each_invariant_notices_its_breach() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    assert_eq!(app.breaches().await, []);
    for (name, breaks, mends) in CASES {
        // As a replica, PostgreSQL's own guards look away.
        app.execute(&format!("set session_replication_role = replica; {breaks}")).await;
        let found: Vec<&str> = app.breaches().await.into_iter().map(|breach| breach.invariant).collect();
        assert!(
            found.iter().any(|breach| breach.starts_with(&format!("{name} "))),
            "{name}: {breaks}: {found:?}"
        );
        app.execute(&format!("set session_replication_role = replica; {mends}")).await;
        assert_eq!(app.breaches().await, [], "after mending {name}");
    }
    app.finish().await;
}

#[tokio::test]
async fn who_was_called_for_something_else_is_called_for_the_money_too() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    // Each with what somebody may be called for that is the matter itself.
    let excused = [
        ("I4", "authorisation_lost"),
        ("I5", "refund_failed"),
        ("I10", "supplier_unknown"),
        ("I13", "refund_unsent"),
    ];
    for (name, itself) in excused {
        let (_, breaks, mends) = CASES.iter().find(|(number, ..)| *number == name).unwrap();
        app.execute(&format!("set session_replication_role = replica; {breaks}")).await;
        for (kind, is_found) in [("mail_late", true), ("airline_change", true), (itself, false)] {
            app.execute(&format!(
                "insert into attention_items (kind, subject, booking_id, detail, raised_at)
                 select '{kind}', id::text, id, 'test', '2026-11-23' from bookings"
            ))
            .await;
            let found = app.breaches().await.iter().any(|breach| breach.code() == name);
            assert_eq!(found, is_found, "{name} beside {kind}");
        }
        app.execute(&format!("set session_replication_role = replica; delete from attention_items; {mends}"))
            .await;
    }
    app.finish().await;
}

#[tokio::test]
async fn the_worker_tells_a_person_about_a_breach() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    let (_, breaks, mends) = CASES[0];
    app.execute(&format!("set session_replication_role = replica; {breaks}")).await;
    app.sweep().await;
    app.sweep().await;
    assert_eq!(app.attention().await, ["invariant_broken"]);
    app.execute(&format!("set session_replication_role = replica; {mends}")).await;
    app.finish().await;
}
