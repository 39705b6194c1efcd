//! The mail pages of demo mode in a real browser, with the framed preview.

use jetbridge::{
    ids::MailId,
    mailer::{MailSettings, Mailer, OutgoingMail},
};

use crate::{
    access,
    helpers::app::TestApp,
    webdriver::{Driver, JavaScript},
};

#[tokio::test]
#[ignore = "needs Chromium: bin/test runs it"]
async fn the_mail_pages_are_accessible_and_frame_the_mail() {
    let app = TestApp::start().await;
    let settings = MailSettings {
        smtp_url: app.mailbox.smtp_url().into(),
        from: "Jetbridge <hello@jetbridge.example>".into(),
    };
    let mail = OutgoingMail {
        id: MailId::new(),
        to: "alice@example.com".into(),
        subject: "Confirmed: K7WQ4M, Lisbon to New York, 22 December 2026".into(),
        text: "Your booking: http://127.0.0.1/bookings/K7WQ4M".into(),
        html: "<!doctype html><html lang=\"en\"><head><title>Confirmed</title></head><body><main><h1>You fly</h1></main></body></html>"
            .into(),
        attachments: Vec::new(),
    };
    Mailer::new(&settings, app.clock.clone()).unwrap().send(&mail).await.unwrap();
    let driver = Driver::start(JavaScript::On).await;
    driver.open(app.url.join("/demo/mail").unwrap().as_str()).await;
    access::check(&driver, "demo-mails").await;
    driver.click("main li a").await;
    driver.wait_for_address("/demo/mail/").await;
    assert_eq!(driver.text("h1").await, mail.subject);
    assert!(driver.has("iframe[sandbox]").await);
    access::check(&driver, "demo-mail").await;
    driver.quit().await;
    app.finish().await;
}
