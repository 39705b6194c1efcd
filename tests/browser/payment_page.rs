//! The sandbox's payment page in a real browser, in every state that a traveller can meet.

use jetbridge::{
    clock::Clock,
    ids::{AttemptId, BookingId, BookingReference},
    money::{Currency, Money},
    payments::{NewSession, Payments, StripeSettings},
    sandbox::stripe::{Handle, Settings},
};
use jiff::SignedDuration;

use crate::{
    access,
    helpers::app::START,
    webdriver::{Driver, JavaScript},
};

const PAY: &str = "form button";

async fn try_card(driver: &Driver, number: &str) {
    driver.fill("#number", number).await;
    driver.click(PAY).await;
}

#[tokio::test]
#[ignore = "needs Chromium: bin/test runs it"]
async fn the_payment_page_is_accessible_in_every_state_and_leads_back_to_the_shop() {
    let clock = Clock::manual(START.parse().unwrap());
    let stripe = Handle::start(Settings { clock: clock.clone(), port: 0, state_file: None }).await.unwrap();
    let settings = StripeSettings {
        secret_key: stripe.secret_key(),
        api_url: Some(stripe.base_url().parse().unwrap()),
        webhook_secrets: vec![stripe.webhook_secret()],
    };
    let payments = Payments::new(&settings, clock.clone()).unwrap();
    let new = NewSession {
        attempt: AttemptId::new(),
        booking: BookingId::new(),
        reference: BookingReference::random(),
        amount: Money::new(41_260, Currency::Eur),
        quote_hash: "a".repeat(64),
        title: "Lisbon to New York, 12 Mar".into(),
        email: "alice@example.com".into(),
        success_url: format!("{}/pay/nowhere?session={{CHECKOUT_SESSION_ID}}", stripe.base_url()),
        cancel_url: format!("{}/pay/nowhere", stripe.base_url()),
        expires_at: clock.now() + SignedDuration::from_mins(45),
        idempotency_key: "one".into(),
    };
    let session = payments.open_session(&new).await.unwrap();
    let url = session.url.unwrap();

    let driver = Driver::start(JavaScript::On).await;
    driver.open(&url).await;
    access::check(&driver, "pay").await;
    try_card(&driver, "4242").await;
    assert!(driver.has("#number[aria-invalid=true]").await);
    access::check(&driver, "pay-typo").await;
    try_card(&driver, "4000 0000 0000 0002").await;
    assert!(driver.text("[role=alert]").await.contains("Nothing was charged"));
    access::check(&driver, "pay-declined").await;
    try_card(&driver, "4000 0025 0000 3155").await;
    driver.wait_for_address("/authenticate").await;
    access::check(&driver, "pay-challenge").await;
    driver.click("button[value=pass]").await;
    driver.wait_for_address(&format!("/pay/nowhere?session={}", session.id)).await;
    access::check(&driver, "pay-unknown").await;
    driver.open(&url).await;
    assert_eq!(driver.text("h1").await, "This payment is done");
    access::check(&driver, "pay-done").await;
    driver.quit().await;
}
