//! A real Chromium books a flight, once with and once without JavaScript, and every page on the way is held against the
//! accessibility rules at the width of a phone and of a desk, light and dark. `bin/test` runs these; a plain `cargo test`
//! shows them as ignored, because they need Chromium, ChromeDriver and axe-core.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
#[path = "../it/helpers/mod.rs"]
mod helpers;
mod payment_page;
mod webdriver;

use helpers::app::TestApp;
use webdriver::{Driver, JavaScript};

#[tokio::test]
#[ignore = "needs Chromium: bin/test runs it"]
async fn an_error_page_is_accessible() {
    let app = TestApp::start().await;
    let driver = Driver::start(JavaScript::On).await;
    driver.open(app.url.join("/nothing").unwrap().as_str()).await;
    access::check(&driver, "404").await;
    driver.quit().await;
    app.finish().await;
}
