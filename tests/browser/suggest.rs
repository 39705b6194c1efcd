//! Places as they are typed: what the list offers, by keyboard and by mouse.

use std::time::{Duration, Instant};

use crate::{
    access,
    helpers::app::TestApp,
    webdriver::{Driver, JavaScript, PATIENCE},
};

const DOWN: &str = "\u{e015}";
const UP: &str = "\u{e013}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

async fn value(driver: &Driver, field: &str) -> String {
    let script = format!("return document.querySelector('{field}').value");
    driver.run(&script).await.as_str().unwrap().to_owned()
}

async fn until(driver: &Driver, script: &str) {
    let end = Instant::now() + PATIENCE;
    while driver.run(script).await != true {
        assert!(Instant::now() < end, "never: {script}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
#[ignore = "needs Chromium: bin/test runs it"]
async fn places_are_suggested_as_they_are_typed_and_taken_by_keyboard_or_mouse() {
    let app = TestApp::start().await;
    let driver = Driver::start(JavaScript::On).await;
    driver.open(app.url.as_str()).await;
    driver.wait_for("#from[role=combobox][aria-expanded=false]").await;

    driver.fill("#from", "lond").await;
    driver.wait_for("#from[aria-expanded=true]").await;
    assert!(driver.text("#from-list li").await.starts_with("London, all airports LON"));
    until(&driver, "return document.querySelector('#from-list ~ [role=status]').textContent == '8 places'")
        .await;
    access::check(&driver, "home-suggestions").await;
    // Nothing is taken that was not pointed at, and the arrows go round.
    assert!(!driver.has("#from[aria-activedescendant]").await);
    driver.press("#from", UP).await;
    driver.wait_for("#from[aria-activedescendant=from-list-7]").await;
    driver.press("#from", DOWN).await;
    driver.wait_for("#from-list-0[aria-selected=true]").await;
    driver.press("#from", ENTER).await;
    driver.wait_for("#from[aria-expanded=false]").await;
    assert_eq!(value(&driver, "#from").await, "London, all airports LON");
    assert!(driver.has("#from:focus").await);

    driver.fill("#to", "new york").await;
    driver.wait_for("#to[aria-expanded=true]").await;
    driver.press("#to", ESCAPE).await;
    driver.wait_for("#to[aria-expanded=false]").await;
    assert_eq!(value(&driver, "#to").await, "new york");
    driver.press("#to", DOWN).await;
    driver.wait_for("#to[aria-expanded=true]").await;
    driver.click("#to-list-1").await;
    driver.wait_for("#to[aria-expanded=false]").await;
    assert_eq!(value(&driver, "#to").await, "New York JFK");

    driver.fill("#to", "qqqq").await;
    until(
        &driver,
        "return document.querySelector('#to-list ~ [role=status]').textContent == 'No place found'",
    )
    .await;
    assert!(driver.has("#to-list[hidden]").await);
    // Out of the field, the list is gone, and the form sends what stands in it.
    driver.fill("#to", "JFK").await;
    driver.click(".plate .btn").await;
    driver.wait_for_address("/flights?").await;
    driver.quit().await;
    app.finish().await;
}
