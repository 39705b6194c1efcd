//! Passports: asked for where the airline needs them, kept sealed, shown to nobody in full, gone when the journey is over.

use std::sync::Arc;

use jetbridge::{
    accounts::second_factor,
    bookings::{Bookings, documents},
    ids::PassengerId,
    supplier::timetable::Timetable,
    vault::{self, Vault},
};
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{Connection, Row};

use crate::helpers::{app::TestApp, browser::Browser, page::Page, story};

/// One adult from Lisbon to New York, three weeks ahead: the airline asks for passports.
pub const SEARCH: &str =
    "/flights?trip=oneway&from=LIS&to=JFK&leave=2026-12-14&adults=1&children=0&infants=0&cabin=economy";
pub const NUMBER: &str = "CA123442";

pub fn passport(number: &str) -> Vec<(&str, &str)> {
    let mut typed = story::passenger("Duarte").to_vec();
    typed.extend([
        ("p1_passport", number),
        ("p1_country", "PT"),
        ("p1_expires_day", "30"),
        ("p1_expires_month", "4"),
        ("p1_expires_year", "2031"),
    ]);
    typed
}

pub async fn form_of(browser: &Browser, search: &str) -> (String, Page) {
    let found = browser.get(search).await.expect(200);
    let offer = browser.get(&found.attr("a[href^='/offers/']", "href")).await.expect(200);
    let draft = browser.submit(&offer, "form[action='/bookings']", &[]).await.redirect();
    let reference = draft.trim_start_matches("/bookings/").split('/').next().unwrap().to_owned();
    (reference, browser.get(&draft).await.expect(200))
}

/// A draft to New York whose passport has this number.
async fn draft(browser: &Browser, number: &str) -> String {
    let (reference, form) = form_of(browser, SEARCH).await;
    browser.submit(&form, "form[action$='/passengers']", &passport(number)).await.redirect();
    reference
}

pub async fn confirmed(app: &TestApp, browser: &Browser) -> String {
    let reference = draft(browser, NUMBER).await;
    let session = app.press_pay(browser, &reference).await;
    app.stripe.pay(&session.id, story::GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    reference
}

#[tokio::test]
async fn the_form_asks_for_passports_across_the_ocean_and_not_within_europe() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let (_, near) = form_of(&alice, story::SEARCH).await;
    assert!(!near.has("[name=p1_passport]"));
    let (_, far) = form_of(&alice, SEARCH).await;
    assert!(
        far.has("[name=p1_passport]") && far.has("[name=p1_country]") && far.has("[name=p1_expires_year]")
    );
    let unasked = alice.submit(&far, "form[action$='/passengers']", &story::passenger("Duarte")).await;
    let page = unasked.expect(422);
    assert_eq!(page.field_error("p1_passport"), "Write the passport number");
    assert_eq!(page.field_error("p1_country"), "Choose the country that issued the passport");
    assert!(page.has("#p1_expires-error"));
    assert_eq!(app.count("travel_documents").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_number_typed_beside_a_slip_is_kept_in_the_form_and_a_saved_one_never_comes_back() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let (reference, form) = form_of(&alice, SEARCH).await;
    let mut slip = passport(" ca 123 442 ");
    slip.push(("phone", "call me"));
    let page = alice.submit(&form, "form[action$='/passengers']", &slip).await.expect(422);
    assert_eq!(page.value("form[action$='/passengers']", "p1_passport"), " ca 123 442 ");
    assert_eq!(page.header("cache-control"), Some("private, no-store"));
    alice.submit(&page, "form[action$='/passengers']", &passport("ca 123 442")).await.redirect();

    let address = format!("/bookings/{reference}/passengers");
    let again = alice.get(&address).await.expect(200);
    again.says("Saved, ends in 42. Leave empty to keep it");
    assert_eq!(again.value("form[action$='/passengers']", "p1_passport"), "");
    assert!(!again.body.contains(NUMBER));
    // Left empty it stays, with another date beside it.
    alice.submit(&again, "form[action$='/passengers']", &[("p1_expires_year", "2033")]).await.redirect();
    for page in ["/review", ""] {
        let page = alice.get(&format!("/bookings/{reference}{page}")).await.expect(200);
        page.says("passport ends in 42, PT, valid to 2033");
        assert!(!page.body.contains(NUMBER));
    }
    // Under another name it is somebody else's.
    let other = [("p1_given", "João"), ("p1_expires_year", "2033")];
    let page = alice.submit(&again, "form[action$='/passengers']", &other).await.expect(422);
    assert!(page.field_error("p1_passport").contains("Write the passport number again"));
    app.finish().await;
}

#[tokio::test]
async fn the_airline_gets_the_passport_and_without_one_nobody_pays() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = confirmed(&app, &alice).await;
    alice.get(&format!("/bookings/{reference}")).await.expect(200).says("Passport ends in 42");

    // The airline looks at the number itself: this one it refuses.
    let refused = draft(&alice, "refused 99").await;
    let session = app.press_pay(&alice, &refused).await;
    app.stripe.pay(&session.id, story::GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&refused).await.booking, "failed");

    // A booking whose document is gone asks for it before it takes money.
    let bare = draft(&alice, NUMBER).await;
    let booking = format!("(select id from bookings where booking_reference = '{bare}')");
    app.execute(&format!("delete from travel_documents where booking_id = {booking}")).await;
    let review = alice.get(&format!("/bookings/{bare}/review")).await;
    assert_eq!(review.redirect(), format!("/bookings/{bare}/passengers"));
    app.finish().await;
}

#[tokio::test]
async fn money_comes_back_where_the_passport_is_gone_before_the_ticket() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = draft(&alice, NUMBER).await;
    let session = app.press_pay(&alice, &reference).await;
    app.execute("delete from travel_documents").await;
    app.stripe.pay(&session.id, story::GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "failed");
    assert_eq!(app.balances().await, Vec::<String>::new());
    app.finish().await;
}

#[tokio::test]
async fn the_number_is_nowhere_in_the_database_in_clear() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    confirmed(&app, &alice).await;
    let mut sql = app.sql().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c
          where c.relkind in ('r', 'p', 'm') and c.relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema')",
    )
    .fetch_all(&mut sql)
    .await
    .unwrap();
    assert!(tables.iter().any(|table| table == "travel_documents"), "{tables:?}");
    let mut rows = 0;
    for table in tables {
        // A row as text shows bytes in hexadecimal, as a dump does.
        let found = sqlx::query(&format!("select t::text from {table} t")).fetch_all(&mut sql).await.unwrap();
        for row in found {
            let text: String = row.get(0);
            rows += 1;
            for form in [NUMBER.to_owned(), hex::encode(NUMBER), "123442".to_owned(), hex::encode("123442")] {
                assert!(!text.to_uppercase().contains(&form.to_uppercase()), "{table}: {text}");
            }
        }
    }
    assert!(rows > 10);
    sql.close().await.unwrap();
    app.finish().await;
}

async fn rows(app: &TestApp) -> i64 {
    app.count("travel_documents").await
}

/// Runs statements as a database role in one transaction, which is undone; the last one's rows count.
async fn try_as(app: &TestApp, role: &str, user: &str, statements: &[&str]) -> Result<u64, String> {
    let mut sql = app.sql().await;
    let mut tx = sql.begin().await.unwrap();
    let begin =
        format!("select set_config('role', '{role}', true), set_config('app.user_id', '{user}', true)");
    sqlx::query(&begin).execute(&mut *tx).await.unwrap();
    let mut outcome = Ok(0);
    for statement in statements {
        outcome = sqlx::query(statement).execute(&mut *tx).await.map(|done| done.rows_affected());
        if outcome.is_err() {
            break;
        }
    }
    tx.rollback().await.unwrap();
    sql.close().await.unwrap();
    outcome.map_err(|error| error.to_string())
}

async fn user(app: &TestApp, email: &str) -> String {
    app.texts(&format!("select id::text from auth.users where email = '{email}'")).await.remove(0)
}

#[tokio::test]
async fn a_guest_with_the_link_gives_a_passport_as_a_traveller_does() {
    let app = TestApp::start().await;
    let dora = app.guest();
    let reference = draft(&dora, NUMBER).await;
    let form = dora.get(&format!("/bookings/{reference}/passengers")).await.expect(200);
    form.says("Saved, ends in 42");
    assert!(!form.body.contains(NUMBER));
    dora.submit(&form, "form[action$='/passengers']", &[]).await.redirect();
    assert_eq!(rows(&app).await, 1);
    app.guest().get(&format!("/bookings/{reference}/passengers")).await.redirect();
    app.finish().await;
}

#[tokio::test]
async fn staff_see_a_passport_masked_and_in_full_only_for_a_reason_that_is_written_down() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = confirmed(&app, &alice).await;
    let page = format!("/admin/bookings/{reference}");
    let reveal = format!("{page}/documents/reveal");
    let agent = app.staff("agent").await;
    let masked = agent.get(&page).await.expect(200);
    masked.says("passport ends in 42, PT, valid to 2031");
    assert!(!masked.body.contains(NUMBER));

    for reason in ["", "curious"] {
        let page = agent.post_form(&reveal, &[("reason", reason)]).await.expect(422);
        assert!(!page.field_error("reason").is_empty() && !page.body.contains(NUMBER));
    }
    assert_eq!(app.count("audit_log").await, 0);

    let shown =
        agent.submit(&masked, "form[action$='/reveal']", &[("reason", "airline_asks")]).await.expect(200);
    shown.says(NUMBER).says("The airline asks for it").says("M*** Duarte");
    assert_eq!(shown.header("cache-control"), Some("private, no-store"));
    let written = "select concat_ws(' ', u.email, a.action, b.booking_reference, a.data ->> 'reason', p.position)
                     from audit_log a join auth.users u on u.id = a.actor_id join bookings b on b.id = a.booking_id
                     join passengers p on p.id::text = a.subject";
    assert_eq!(
        app.texts(written).await,
        [format!("agent@example.com document_revealed {reference} airline_asks 1")]
    );
    // The address of the button shows nothing by itself.
    assert!(agent.get(&reveal).await.redirect().starts_with(&page));
    assert!(!agent.get(&page).await.expect(200).body.contains(NUMBER));
    app.finish().await;
}

#[tokio::test]
async fn viewers_and_finance_never_see_a_number_and_leave_no_trace_of_having_seen_one() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = confirmed(&app, &alice).await;
    let page = format!("/admin/bookings/{reference}");
    for role in ["viewer", "finance"] {
        let staff = app.staff(role).await;
        let masked = staff.get(&page).await.expect(200);
        masked.says("passport ends in 42");
        assert!(!masked.has("form[action$='/reveal']"), "{role} is offered what they may not");
        let refused =
            staff.post_form(&format!("{page}/documents/reveal"), &[("reason", "airline_asks")]).await;
        assert!(!refused.expect(403).body.contains(NUMBER));
    }
    assert_eq!(app.count("audit_log").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn nothing_is_revealed_when_it_cannot_be_written_down() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = confirmed(&app, &alice).await;
    let carol = app.carol().await;
    app.execute("alter table audit_log add constraint shut check (action <> 'document_revealed') not valid")
        .await;
    let reveal = format!("/admin/bookings/{reference}/documents/reveal");
    let page = carol.post_form(&reveal, &[("reason", "airline_asks")]).await.expect(500);
    assert!(!page.body.contains(NUMBER));
    app.finish().await;
}

#[tokio::test]
async fn the_database_gives_sealed_numbers_to_nobody_who_has_not_signed_for_them() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = confirmed(&app, &alice).await;
    let open = draft(&alice, NUMBER).await;
    app.bob().await;
    app.staff("agent").await;
    app.staff("owner").await;
    let (hers, his) = (user(&app, "alice@example.com").await, user(&app, "bob@example.com").await);
    let (agent, owner) = (user(&app, "agent@example.com").await, user(&app, "owner@example.com").await);
    let id = |reference: &str| format!("(select id from bookings where booking_reference = '{reference}')");
    let booking =
        app.texts(&format!("select id::text from bookings where id = {}", id(&reference))).await.remove(0);

    for (role, who) in
        [("jetbridge_traveller", &hers), ("jetbridge_guest", &his), ("jetbridge_staff", &agent)]
    {
        let refused = try_as(&app, role, who, &["select sealed from travel_documents"]).await.unwrap_err();
        assert!(refused.contains("permission denied"), "{role}: {refused}");
    }
    let masked = "select last_two from travel_documents";
    assert_eq!(try_as(&app, "jetbridge_traveller", &hers, &[masked]).await, Ok(2));
    assert_eq!(try_as(&app, "jetbridge_traveller", &his, &[masked]).await, Ok(0));
    assert_eq!(try_as(&app, "jetbridge_guest", "", &[masked]).await, Ok(0));
    assert_eq!(try_as(&app, "jetbridge_staff", &agent, &[masked]).await, Ok(2));

    // Staff get the sealed bytes for an audit row of this transaction, in their own name, about that passenger.
    let ask = format!("select * from reveal_documents('{booking}')");
    let sign = |who: &str| {
        format!(
            "insert into audit_log (actor_id, action, booking_id, subject)
             select '{who}', 'document_revealed', booking_id, id::text from passengers where booking_id = '{booking}'"
        )
    };
    assert_eq!(try_as(&app, "jetbridge_staff", &agent, &[&ask]).await, Ok(0));
    assert_eq!(try_as(&app, "jetbridge_staff", &agent, &[&sign(&agent), &ask]).await, Ok(1));
    assert!(try_as(&app, "jetbridge_staff", &agent, &[&sign(&owner), &ask]).await.is_err());
    app.execute(&sign(&agent)).await;
    assert_eq!(
        try_as(&app, "jetbridge_staff", &agent, &[&ask]).await,
        Ok(0),
        "yesterday's row opens nothing"
    );
    for role in ["jetbridge_traveller", "jetbridge_guest"] {
        assert!(
            try_as(&app, role, &hers, &[&ask]).await.unwrap_err().contains("permission denied"),
            "{role}"
        );
    }

    // Nobody hangs a document on somebody else's passenger, and after the sale nobody changes one.
    let hang = format!(
        "insert into travel_documents (passenger_id, booking_id, sealed, last_two, country, expires_on, travel_ends)
         select id, booking_id, repeat('a', 50)::bytea, '00', 'XX', '2031-01-01', '2027-01-01'
           from passengers where booking_id = {}",
        id(&open)
    );
    assert_eq!(try_as(&app, "jetbridge_traveller", &his, &[&hang]).await, Ok(0));
    let change = "update travel_documents set country = 'XX'";
    assert!(try_as(&app, "jetbridge_traveller", &hers, &[change]).await.unwrap_err().contains("are fixed"));
    app.finish().await;
}

#[tokio::test]
async fn passports_go_so_many_days_after_the_journey_and_not_a_day_before() {
    let app = TestApp::start_with(&[("DOCUMENT_RETENTION_DAYS", "3")]).await;
    let alice = app.alice().await;
    confirmed(&app, &alice).await;
    assert_eq!(app.texts("select travel_ends::text from travel_documents").await, ["2026-12-14"]);
    // From 23 November to 17 December, 09:00.
    app.advance(SignedDuration::from_hours(24 * 24)).await;
    app.sweep().await;
    assert_eq!(rows(&app).await, 1);
    app.advance(SignedDuration::from_hours(28)).await;
    app.sweep().await;
    assert_eq!(rows(&app).await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_booking_that_ends_without_a_ticket_keeps_no_passport() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let dropped = draft(&alice, NUMBER).await;
    assert_eq!(rows(&app).await, 1);
    alice.post_form(&format!("/bookings/{dropped}/drop"), &[]).await.redirect();
    assert_eq!(rows(&app).await, 0, "dropped");

    let refused = draft(&alice, "REFUSED99").await;
    let session = app.press_pay(&alice, &refused).await;
    app.stripe.pay(&session.id, story::GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!((app.state(&refused).await.booking.as_str(), rows(&app).await), ("failed", 0));

    let lapsed = draft(&alice, NUMBER).await;
    app.advance(SignedDuration::from_hours(25)).await;
    assert_eq!((app.state(&lapsed).await.booking.as_str(), rows(&app).await), ("expired", 0));
    app.finish().await;
}

/// A process beside the app's, on the same database, with these keys.
fn beside(app: &TestApp, keys: &[&SecretString]) -> Bookings {
    Bookings {
        db: app.db.clone(),
        clock: app.clock.clone(),
        supplier: Arc::new(Timetable::new(app.db.clone(), app.clock.clone())),
        vault: vault_of(keys),
        keep_documents_days: 30,
    }
}

fn vault_of(keys: &[&SecretString]) -> Vault {
    let listed: Vec<&str> = keys.iter().map(|key| key.expose_secret()).collect();
    Vault::new(&SecretString::from(listed.join(","))).unwrap()
}

async fn sealed_with(app: &TestApp) -> Vec<String> {
    app.texts("select sealed_with from travel_documents").await
}

#[tokio::test]
async fn a_key_is_changed_without_losing_a_number() {
    let (old, new) = (vault::new_key("k1"), vault::new_key("k2"));
    let app = TestApp::start_with(&[("ENCRYPTION_KEYS", old.expose_secret())]).await;
    let alice = app.alice().await;
    draft(&alice, NUMBER).await;
    assert_eq!(sealed_with(&app).await, ["k1"]);
    let secret = b"a secret of 20 bytes".as_slice();
    let hers = user(&app, "alice@example.com").await;
    let purpose = format!("second-factor:{hers}");
    let mut sql = app.sql().await;
    sqlx::query("insert into auth.second_factors (user_id, secret, confirmed_at, last_step) values ($1::uuid, $2, now(), 0)")
        .bind(&hers)
        .bind(vault_of(&[&old]).seal(&purpose, secret).unwrap())
        .execute(&mut sql)
        .await
        .unwrap();

    // Both keys, the new one first: everything is sealed again.
    let during = beside(&app, &[&new, &old]);
    during.sweep_documents().await.unwrap();
    second_factor::renew_sealed(&app.db, &during.vault, app.now()).await.unwrap();
    assert_eq!(sealed_with(&app).await, ["k2"]);

    // The old key is taken away: the new one alone opens all of it.
    let after = vault_of(&[&new]);
    let row =
        sqlx::query("select passenger_id, sealed from travel_documents").fetch_one(&mut sql).await.unwrap();
    let (passenger, sealed): (uuid::Uuid, Vec<u8>) = (row.get(0), row.get(1));
    assert_eq!(documents::open(&after, PassengerId(passenger), &sealed).unwrap().expose(), NUMBER);
    let kept: Vec<u8> =
        sqlx::query_scalar("select secret from auth.second_factors").fetch_one(&mut sql).await.unwrap();
    assert_eq!(after.open(&purpose, &kept).unwrap().as_slice(), secret);
    assert!(vault_of(&[&old]).open(&purpose, &kept).is_err());
    sql.close().await.unwrap();
    assert_eq!(app.attention().await, Vec::<String>::new());
    app.finish().await;
}

#[tokio::test]
async fn a_number_that_no_key_opens_breaks_nothing_and_calls_a_person_once() {
    let (old, new) = (vault::new_key("k1"), vault::new_key("k2"));
    let app = TestApp::start_with(&[("ENCRYPTION_KEYS", old.expose_secret())]).await;
    let alice = app.alice().await;
    let reference = draft(&alice, NUMBER).await;
    let session = app.press_pay(&alice, &reference).await;
    // Somebody elsewhere has the new key already, which this process does not know.
    beside(&app, &[&new, &old]).sweep_documents().await.unwrap();
    let carol = app.carol().await;
    let reveal = format!("/admin/bookings/{reference}/documents/reveal");
    for _ in 0..2 {
        app.sweep().await;
        let page = carol.post_form(&reveal, &[("reason", "airline_asks")]).await.expect(200);
        page.says("The number cannot be read");
        alice.get(&format!("/bookings/{reference}/passengers")).await.expect(200).says("ends in 42");
    }
    assert_eq!(app.attention().await, ["sealed_unreadable"]);

    // Paid meanwhile: the order waits for the key, then goes out.
    app.stripe.pay(&session.id, story::GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "ticketing");
    app.execute("update attention_items set resolved_at = now()").await;
    beside(&app, &[&old, &new]).sweep_documents().await.unwrap();
    app.advance(SignedDuration::from_secs(30)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    app.finish().await;
}
