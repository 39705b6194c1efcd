//! Passports: asked for where the airline needs them, kept sealed, shown to nobody in full, gone when the journey is over.

use sqlx::{Connection, Row};

use crate::helpers::{app::TestApp, browser::Browser, page::Page, story};

/// One adult from Lisbon to New York, three weeks ahead: the airline asks for passports.
const SEARCH: &str =
    "/flights?trip=oneway&from=LIS&to=JFK&leave=2026-12-14&adults=1&children=0&infants=0&cabin=economy";
const NUMBER: &str = "CA123442";

fn passport<'a>(number: &'a str) -> Vec<(&'a str, &'a str)> {
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

async fn form_of(app: &TestApp, browser: &Browser, search: &str) -> (String, Page) {
    let _ = app;
    let found = browser.get(search).await.expect(200);
    let offer = browser.get(&found.attr("a[href^='/offers/']", "href")).await.expect(200);
    let draft = browser.submit(&offer, "form[action='/bookings']", &[]).await.redirect();
    let reference = draft.trim_start_matches("/bookings/").split('/').next().unwrap().to_owned();
    (reference, browser.get(&draft).await.expect(200))
}

/// A draft to New York whose passport has this number.
async fn draft(app: &TestApp, browser: &Browser, number: &str) -> String {
    let (reference, form) = form_of(app, browser, SEARCH).await;
    browser.submit(&form, "form[action$='/passengers']", &passport(number)).await.redirect();
    reference
}

async fn confirmed(app: &TestApp, browser: &Browser) -> String {
    let reference = draft(app, browser, NUMBER).await;
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
    let (_, near) = form_of(&app, &alice, story::SEARCH).await;
    assert!(!near.has("[name=p1_passport]"));
    let (_, far) = form_of(&app, &alice, SEARCH).await;
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
    let (reference, form) = form_of(&app, &alice, SEARCH).await;
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
    let refused = draft(&app, &alice, "refused 99").await;
    let session = app.press_pay(&alice, &refused).await;
    app.stripe.pay(&session.id, story::GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&refused).await.booking, "failed");

    // A booking whose document is gone asks for it before it takes money.
    let bare = draft(&app, &alice, NUMBER).await;
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
    let reference = draft(&app, &alice, NUMBER).await;
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
