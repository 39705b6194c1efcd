//! Taking one's data along, and leaving.

use jetbridge::{
    error::AppError,
    sandbox::mailbox::{Fault, Stage},
};
use jiff::SignedDuration;
use serde_json::Value;
use sqlx::{Connection, Row};

use crate::helpers::{
    app::{ALICE, BOB, CAROL, PASSWORD, TestApp},
    browser::Browser,
    page::Page,
    story::GOOD_CARD,
};

/// The journey of the story is over the day after.
const AFTER_THE_JOURNEY: SignedDuration = SignedDuration::from_hours(24 * 40);

const PROFILE: [(&str, &str); 6] = [
    ("name", "Alessandra Archer"),
    ("phone", "+44 20 7946 0000"),
    ("day", "29"),
    ("month", "2"),
    ("year", "1988"),
    ("nationality", "GB"),
];
const TRAVELLER: [(&str, &str); 6] = [
    ("given_names", "Tomasz"),
    ("family_name", "Wiśniewski"),
    ("day", "3"),
    ("month", "5"),
    ("year", "2018"),
    ("sex", "m"),
];

/// Somebody with everything that an account can have.
async fn alice_with_everything(app: &TestApp) -> (Browser, String) {
    let alice = app.alice().await;
    alice.post_form("/account/profile", &PROFILE).await.redirect();
    alice.post_form("/account/travellers", &TRAVELLER).await.redirect();
    let reference = app.confirmed(&alice).await;
    (alice, reference)
}

async fn delete(browser: &Browser, password: &str) -> Page {
    let page = browser.get("/account/delete").await.expect(200);
    browser.submit(&page, "form[action='/account/delete']", &[("password", password)]).await
}

async fn ask_for_export(browser: &Browser, password: &str) -> Page {
    let page = browser.get("/account/export").await.expect(200);
    browser.submit(&page, "form[action='/account/export']", &[("password", password)]).await
}

async fn export(browser: &Browser) -> Value {
    ask_for_export(browser, PASSWORD).await.expect(200).json()
}

/// Every value of every column of every table, as text, with where it stands.
async fn everything(app: &TestApp) -> Vec<(String, String)> {
    let columns = app
        .texts(
            "select format('select %L as place, %s as value from %I.%I where %I is not null',
                           table_schema || '.' || table_name || '.' || column_name,
                           case when data_type = 'bytea' then format('encode(%I, ''escape'')', column_name)
                                else format('%I::text', column_name) end,
                           table_schema, table_name, column_name)
               from information_schema.columns
              where table_schema not in ('pg_catalog', 'information_schema')",
        )
        .await;
    let mut sql = app.sql().await;
    let mut found = Vec::new();
    for column in columns {
        for row in sqlx::query(&column).fetch_all(&mut sql).await.expect("a column") {
            found.push((row.get(0), row.get(1)));
        }
    }
    sql.close().await.expect("closes");
    found
}

async fn places_of(app: &TestApp, words: &[&str]) -> Vec<String> {
    let all = everything(app).await;
    let names = |value: &str| words.iter().any(|word| value.to_lowercase().contains(&word.to_lowercase()));
    let mut places: Vec<String> =
        all.into_iter().filter(|(_, value)| names(value)).map(|(place, _)| place).collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// What leads to alice: she typed all of it.
const TRACES: [&str; 10] = [
    ALICE,
    "maria@example.com",
    "Alessandra",
    "Archer",
    "+44 20 7946",
    "+351 900 000 000",
    "Maria Inês",
    "Duarte",
    "Tomasz",
    "Wiśniewski",
];

#[tokio::test]
async fn the_export_is_one_file_with_everything_and_nobody_elses_anything() {
    let app = TestApp::start().await;
    let (alice, reference) = alice_with_everything(&app).await;
    let bob = app.bob().await;
    app.draft_for(&bob, "Bobson").await;

    // Not for whoever finds the screen unlocked.
    for wrong in ["", "not my password"] {
        let page = ask_for_export(&alice, wrong).await.expect(422);
        assert!(page.header("content-disposition").is_none() && !page.body.contains("Archer"));
        page.field_error("password");
    }
    let page = ask_for_export(&alice, PASSWORD).await.expect(200);
    assert_eq!(
        page.header("content-disposition"),
        Some("attachment; filename=\"jetbridge-2026-11-23.json\"")
    );
    assert_eq!(page.header("cache-control"), Some("private, no-store"));
    assert_eq!(page.header("content-type"), Some("application/json"));
    assert!(!page.body.contains("Bobson") && !page.body.contains(BOB));
    for internal in ["argon2", "cs_", "pi_", "re_", "evt_", "hash", "token", "session"] {
        assert!(!page.body.contains(internal), "the export holds {internal}");
    }

    let all = page.json();
    let fields: Vec<&String> = all.as_object().unwrap().keys().collect();
    let shape = [
        "format",
        "exported_at",
        "account",
        "profile",
        "saved_travellers",
        "bookings",
        "mails",
        "devices",
        "programs",
    ];
    assert!(shape.iter().all(|field| fields.iter().any(|known| known == field)), "{fields:?}");
    assert_eq!(fields.len(), shape.len());
    assert_eq!(all["format"], "jetbridge-export/1");
    assert_eq!(all["account"]["email"], ALICE);
    assert_eq!(all["profile"]["name"], "Alessandra Archer");
    assert_eq!(all["profile"]["born_on"], "1988-02-29");
    assert_eq!(all["profile"]["nationality"], "GB");
    assert_eq!(all["saved_travellers"][0]["family_name"], "Wiśniewski");
    let booking = &all["bookings"][0];
    assert_eq!((&booking["reference"], &booking["status"]), (&reference.into(), &"confirmed".into()));
    assert_eq!(booking["flights"][0]["from"], "LIS");
    assert_eq!(booking["passengers"][0]["given_names"], "Maria Inês");
    assert_eq!(booking["passengers"][0]["ticket_number"].as_str().unwrap().len(), 13);
    assert_eq!(booking["contact_email"], "maria@example.com");
    assert_eq!(booking["payments"][0]["charged_minor"], booking["total_minor"]);
    assert_eq!(booking["payments"][0]["card_last4"], "4242");
    assert!(booking["events"].as_array().unwrap().iter().any(|event| event["kind"] == "confirmed"));
    let mails: Vec<&str> =
        all["mails"].as_array().unwrap().iter().map(|mail| mail["kind"].as_str().unwrap()).collect();
    assert!(mails.contains(&"booking_confirmation") && mails.contains(&"payment_receipt"), "{mails:?}");
    assert_eq!(all["devices"].as_array().unwrap().len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn an_empty_account_has_an_export_too() {
    let app = TestApp::start().await;
    let all = export(&app.alice().await).await;
    assert_eq!(all["bookings"], serde_json::json!([]));
    assert_eq!(all["profile"]["born_on"], Value::Null);
    app.finish().await;
}

#[tokio::test]
async fn who_has_left_is_found_nowhere_and_the_books_still_balance() {
    let app = TestApp::start().await;
    let (alice, reference) = alice_with_everything(&app).await;
    let draft = app.draft(&alice).await;
    app.clock.advance(AFTER_THE_JOURNEY);
    app.settle().await;
    // The first session is too old by now.
    let alice = app.sign_in(ALICE).await;
    let ledger = app.balances().await;
    assert!(places_of(&app, &TRACES).await.len() > 5, "the search finds nothing in the first place");

    let done = delete(&alice, PASSWORD).await;
    assert_eq!(done.redirect(), "/account/deleted");
    alice.follow(done).await.expect(200).says("Your account is deleted");
    alice.get("/account").await.redirect();

    // Until it is sent, the last mail alone knows where to go.
    assert_eq!(places_of(&app, &TRACES).await, ["public.mails.to_address"]);
    assert_eq!(app.texts("select to_address from mails where state = 'queued'").await, [ALICE]);
    app.run_jobs().await;
    let mail = app
        .mailbox
        .list()
        .into_iter()
        .find(|mail| mail.envelope.to == [ALICE] && mail.subject.contains("deleted"));
    assert!(mail.is_some(), "the last mail did not go out");
    assert_eq!(places_of(&app, &TRACES).await, Vec::<String>::new());

    assert_eq!(app.balances().await, ledger);
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    assert!(["cancelled", "expired"].contains(&app.state(&draft).await.booking.as_str()));
    let passengers = app
        .texts("select concat_ws(' ', given_names, family_name, born_on) from passengers order by created_at limit 1")
        .await;
    assert_eq!(passengers, ["Deleted Passenger 1 1986-01-01"]);
    let users = app.texts("select email::text from auth.users").await;
    assert!(users[0].starts_with("deleted-") && users[0].ends_with("@deleted.invalid"), "{users:?}");
    for table in ["auth.devices", "auth.token_families", "auth.mail_tokens", "saved_travellers"] {
        assert_eq!(app.count(table).await, 0, "{table}");
    }
    // Staff still find what was sold, without the people.
    let carol = app.carol().await;
    carol.get(&format!("/admin/bookings/{reference}")).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_last_mail_that_cannot_be_delivered_forgets_its_address_as_well() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    delete(&alice, PASSWORD).await.redirect();
    app.mailbox.fault(Stage::Rcpt, Fault::Answer(550));
    app.run_jobs().await;
    assert_eq!(app.texts("select state from mails order by created_at desc limit 1").await, ["dead"]);
    assert_eq!(places_of(&app, &[ALICE]).await, Vec::<String>::new());
    app.finish().await;
}

#[tokio::test]
async fn who_has_left_cannot_come_back_but_may_begin_anew() {
    let app = TestApp::start().await;
    let (alice, phone) = (app.alice().await, app.sign_in(ALICE).await);
    delete(&alice, PASSWORD).await.redirect();
    phone.get("/account").await.redirect();
    let log_in = async |email: &str| {
        let page = app.guest().post_form("/login", &[("email", email), ("password", PASSWORD)]).await;
        page.status.as_u16()
    };
    assert_eq!(log_in(ALICE).await, 422);
    let gone = app.texts("select email::text from auth.users").await.remove(0);
    assert_eq!(log_in(&gone).await, 422);
    // A mail is owed to nobody who has left.
    app.run_jobs().await;
    let mails = app.count("mails").await;
    for email in [ALICE, &gone] {
        app.guest().post_form("/reset", &[("email", email)]).await.redirect();
    }
    app.run_jobs().await;
    assert_eq!(app.count("mails").await, mails);

    let again = app.alice().await;
    assert_eq!(app.count("auth.users").await, 2);
    let all = export(&again).await;
    assert_eq!(
        (&all["bookings"], all["profile"]["name"].as_str()),
        (&serde_json::json!([]), Some("Test Traveller"))
    );
    app.finish().await;
}

#[tokio::test]
async fn the_password_is_asked_for_and_a_wrong_one_changes_nothing() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    for wrong in ["", "wrong password here", "x".repeat(5_000).as_str()] {
        delete(&alice, wrong).await.expect(422).field_error("password");
    }
    alice.post_form("/account/delete", &[]).await.expect(422);
    alice.post_from_elsewhere("/account/delete", &[("password", PASSWORD)]).await.expect(403);
    assert_eq!(app.count("auth.users where deleted_at is null").await, 1);
    alice.get("/account").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn twice_at_once_is_once() {
    let app = TestApp::start().await;
    let (alice, phone) = (app.alice().await, app.sign_in(ALICE).await);
    let (first, second) = tokio::join!(
        alice.post_form("/account/delete", &[("password", PASSWORD)]),
        phone.post_form("/account/delete", &[("password", PASSWORD)]),
    );
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert!(matches!(statuses, [303, 401 | 303]), "{statuses:?}");
    app.run_jobs().await;
    assert_eq!(app.count("mails where kind = 'account_deleted'").await, 1);
    alice.post_form("/account/delete", &[("password", PASSWORD)]).await.expect(401);
    app.finish().await;
}

#[tokio::test]
async fn what_was_on_its_way_into_the_account_meanwhile_is_refused_by_the_database() {
    let app = TestApp::start().await;
    let (alice, reference) = alice_with_everything(&app).await;
    drop(alice);
    app.clock.advance(AFTER_THE_JOURNEY);
    app.settle().await;
    delete(&app.sign_in(ALICE).await, PASSWORD).await.redirect();
    app.run_jobs().await;
    let mut sql = app.sql().await;
    for late in [
        "insert into saved_travellers (id, user_id, given_names, family_name, born_on, sex)
         select gen_random_uuid(), id, 'A', 'B', '1990-01-01', 'x' from auth.users",
        "update profiles set full_name = 'Alice'",
        "insert into bookings (id, booking_reference, user_id, quote, quote_hash, amount_minor, currency, origin, destination, departs_at, supplier)
         select gen_random_uuid(), 'AAAAAA', user_id, quote, quote_hash, amount_minor, currency, origin, destination, departs_at, supplier from bookings limit 1",
        "insert into auth.token_families (id, user_id, scopes, created_at, expires_at)
         select gen_random_uuid(), id, array['account:read'], now(), now() + interval '1 day' from auth.users",
    ] {
        let refused = sqlx::raw_sql(late).execute(&mut sql).await.unwrap_err();
        assert!(refused.to_string().contains("is deleted"), "{late}: {refused}");
        // Not a failure of ours, but somebody who is not signed in any more.
        assert!(matches!(AppError::from(refused), AppError::Unauthenticated), "{late}");
    }
    sql.close().await.unwrap();
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    app.finish().await;
}

/// What is open, made so behind everybody's back, and what the page says of it. The booking is confirmed, charged, and its
/// journey is over.
const OPEN: [(&str, &str); 9] = [
    (
        "update bookings set booking_status = 'held', hold_id = 'x', hold_expires_at = '2027-06-01'",
        "seats are held",
    ),
    ("update bookings set booking_status = 'ticketing'", "is issuing your tickets"),
    ("update bookings set booking_status = 'cancelling'", "is cancelling your tickets"),
    (
        "update bookings set supplier_status = 'order_unknown', booking_status = 'failed'",
        "is issuing your tickets",
    ),
    ("update attempts set state = 'authorised', captured_minor = 0", "a payment is on its way"),
    ("update attempts set state = 'open', captured_minor = 0", "a payment is on its way"),
    (
        "insert into refunds (id, booking_id, attempt_id, amount_minor, currency, reason)
         select gen_random_uuid(), booking_id, id, 1, currency, 'test' from attempts",
        "a refund is on its way",
    ),
    (
        "insert into attention_items (kind, subject, booking_id, detail) select 'dispute', id::text, id, '' from bookings",
        "one of us has to look",
    ),
    (
        "update bookings set quote = jsonb_set(quote, '{slices,-1,-1,arrives}',
             '{\"at\": \"2027-06-01T12:00:00Z\", \"local\": \"2027-06-01T13:00:00\"}')",
        "you travel until Tue 1 Jun 2027",
    ),
];

#[tokio::test]
async fn nobody_leaves_while_something_is_open_and_the_page_says_what() {
    let app = TestApp::start().await;
    let (alice, reference) = alice_with_everything(&app).await;
    drop(alice);
    app.clock.advance(AFTER_THE_JOURNEY);
    app.settle().await;
    let alice = app.sign_in(ALICE).await;
    let (bookings, attempts) =
        ("create table b as select * from bookings", "create table a as select * from attempts");
    app.execute(&format!("{bookings}; {attempts}")).await;
    for (opens, says) in OPEN {
        app.execute(&format!("set session_replication_role = replica; {opens}")).await;
        let page = alice.get("/account/delete").await.expect(200);
        page.says(&reference).says(says);
        assert!(!page.has("form[action='/account/delete']"), "{says}: the button is offered");
        let refused = alice.post_form("/account/delete", &[("password", PASSWORD)]).await.expect(409);
        refused.says(&reference).says(says).says("Nothing was deleted");
        assert_eq!(app.count("auth.users where deleted_at is null").await, 1, "{says}");
        app.execute(
            "set session_replication_role = replica;
             delete from refunds; delete from attention_items;
             delete from bookings; insert into bookings select * from b;
             delete from attempts; insert into attempts select * from a",
        )
        .await;
    }
    app.execute("drop table a; drop table b").await;
    delete(&alice, PASSWORD).await.redirect();
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn a_real_booking_holds_its_traveller_from_the_first_step_to_the_last_day() {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Duarte").await;
    alice.get("/account/delete").await.expect(200).says("seats are held for you");
    app.stripe.pay(&session.id, GOOD_CARD).expect("pays");
    app.settle().await;
    let page = alice.get("/account/delete").await.expect(200);
    page.says(&reference).says("you travel until Mon 14 Dec 2026");
    app.finish().await;
}

#[tokio::test]
async fn staff_are_removed_by_an_owner_first() {
    let app = TestApp::start().await;
    let carol = app.carol().await;
    carol.get("/account/delete").await.expect(200).says("An owner removes you");
    carol
        .post_form("/account/delete", &[("password", PASSWORD)])
        .await
        .expect(409)
        .says("Nothing was deleted");
    assert_eq!(app.count(&format!("auth.users where email = '{CAROL}'")).await, 1);
    app.finish().await;
}

#[tokio::test]
async fn bobs_data_is_as_it_was_when_alice_has_left() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.alice().await, app.bob().await);
    bob.post_form("/account/profile", &PROFILE).await.redirect();
    bob.post_form("/account/travellers", &TRAVELLER).await.redirect();
    app.confirmed(&bob).await;
    let before = export(&bob).await;
    delete(&alice, PASSWORD).await.redirect();
    app.run_jobs().await;
    assert_eq!(export(&bob).await, before);
    app.finish().await;
}

#[tokio::test]
async fn stripes_events_are_kept_without_the_people_in_them() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    assert!(app.count("stripe_events").await > 0);
    let payloads = app.texts("select payload::text from stripe_events").await.concat();
    assert!(!payloads.contains('@'), "an address is in an event");
    app.finish().await;
}

#[tokio::test]
async fn the_export_asks_those_who_have_a_second_factor_for_a_code_besides() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let phone = app.second_factor(&alice).await;
    app.clock.advance(SignedDuration::from_mins(6));
    for page in [
        alice.get("/account/export").await,
        alice.post_form("/account/export", &[("password", PASSWORD)]).await,
    ] {
        assert!(page.redirect().starts_with("/reauthenticate?next="));
    }
    let code = app.fresh_code(&phone);
    alice.post_form("/reauthenticate", &[("code", &code), ("next", "/account/export")]).await.redirect();
    ask_for_export(&alice, "not my password").await.expect(422);
    assert_eq!(export(&alice).await["account"]["email"], ALICE);
    app.finish().await;
}
