//! A real Chromium books a flight, once with and once without JavaScript, and every page on the way is held against the
//! accessibility rules at the width of a phone and of a desk, light and dark. `bin/test` runs these; a plain `cargo test`
//! shows them as ignored, because they need Chromium, ChromeDriver and axe-core.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod demo_mail;
#[path = "../it/helpers/mod.rs"]
mod helpers;
mod payment_page;
mod suggest;
mod walk;
mod webdriver;

use helpers::app::{CAROL, PASSWORD, TestApp};
use walk::Walk;
use webdriver::{Driver, JavaScript};

#[tokio::test]
#[ignore = "needs Chromium: bin/test runs it"]
async fn a_flight_is_booked_with_javascript_and_every_page_on_the_way_is_accessible() {
    let app = TestApp::start().await;
    let driver = Driver::start(JavaScript::On).await;
    let walk = Walk { app: &app, driver: &driver, looks_closely: true };
    walk.look_for_nonsense().await;
    walk.book().await;
    walk.see_what_is_left().await;
    driver.quit().await;
    app.finish().await;
}

#[tokio::test]
#[ignore = "needs Chromium: bin/test runs it"]
async fn a_flight_is_booked_without_javascript() {
    let app = TestApp::start().await;
    let driver = Driver::start(JavaScript::Off).await;
    driver.open(app.url.as_str()).await;
    assert!(!walk::runs_scripts(&driver, &app).await, "JavaScript is on");
    let walk = Walk { app: &app, driver: &driver, looks_closely: false };
    walk.look_for_nonsense().await;
    walk.book_as_a_guest().await;
    driver.quit().await;
    app.finish().await;
}

#[tokio::test]
#[ignore = "needs Chromium: bin/test runs it"]
async fn the_pages_of_staff_and_of_errors_are_accessible() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    let draft = app.draft(&alice).await;
    app.carol().await;
    let driver = Driver::start(JavaScript::On).await;
    let walk = Walk { app: &app, driver: &driver, looks_closely: true };

    walk.open("/nothing").await;
    walk.see("error-404", "nothing at this address").await;
    walk.open("/admin/bookings").await;
    driver.fill("#email", CAROL).await;
    driver.fill("#password", PASSWORD).await;
    driver.click("form[action='/login'] .btn").await;
    driver.wait_for("table.rows").await;
    walk.see("staff-bookings", "").await;
    driver.click("main table a").await;
    driver.wait_for("#ledger-h").await;
    walk.see("staff-booking", "").await;
    for path in ["/admin/attention", "/admin/audit", "/admin/staff"] {
        walk.open(path).await;
        walk.see(path.trim_start_matches('/').replace('/', "-").as_str(), "").await;
    }
    walk.open(&format!("/bookings/{draft}")).await;
    walk.see("error-foreign", "nothing at this address").await;
    driver.quit().await;
    app.finish().await;
}
