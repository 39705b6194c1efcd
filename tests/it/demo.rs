//! The mail page of demo mode shows what was really sent, and trusts none of it.

use jetbridge::{
    ids::MailId,
    mailer::{MailSettings, Mailer, OutgoingMail},
};

use crate::helpers::{
    app::{REHEARSAL, TestApp},
    browser::Browser,
    page::Page,
};

async fn send(app: &TestApp, subject: &str, text: &str, html: &str) {
    let settings = MailSettings {
        smtp_url: app.mailbox.smtp_url().into(),
        from: "Jetbridge <hello@jetbridge.example>".into(),
    };
    let mail = OutgoingMail {
        id: MailId::new(),
        to: "alice@example.com".into(),
        subject: subject.into(),
        text: text.into(),
        html: html.into(),
        attachments: Vec::new(),
    };
    Mailer::new(&settings, app.clock.clone()).unwrap().send(&mail).await.unwrap();
}

/// The mail's own document. It is not a page of ours, so it is fetched as from elsewhere, where our rules are not held.
async fn preview(app: &TestApp, path: &str) -> Page {
    let elsewhere = Browser::new(&"http://elsewhere.example/".parse().unwrap());
    elsewhere.get(app.url.join(&format!("{path}/html")).unwrap().as_str()).await.expect(200)
}

#[tokio::test]
async fn a_sent_mail_is_listed_and_shown_as_text_and_as_html() {
    let app = TestApp::start().await;
    assert!(app.get("/demo/mail").await.expect(200).body.contains("No mail yet"));
    send(
        &app,
        "Booked: K7WQ4M",
        "Your booking: http://127.0.0.1/bookings/K7WQ4M",
        "<html><head></head><body><b>Booked</b></body></html>",
    )
    .await;
    let list = app.get("/demo/mail").await.expect(200);
    assert!(list.body.contains("Booked: K7WQ4M") && list.body.contains("alice@example.com"));
    let path = format!("/demo/mail/{}", app.mailbox.list()[0].id);
    assert!(list.has(&format!("a[href='{path}']")));
    let mail = app.get(&path).await.expect(200);
    assert!(mail.has("a[href='http://127.0.0.1/bookings/K7WQ4M']"));
    assert!(mail.has(&format!("iframe[sandbox][title][src='{path}/html']")));
    assert!(mail.header("content-security-policy").unwrap().contains("frame-src 'self'"));
    let preview = preview(&app, &path).await;
    assert!(preview.body.contains("<b>Booked</b>"));
    app.finish().await;
}

#[tokio::test]
async fn a_hostile_mail_runs_nothing_and_reaches_nobody() {
    let app = TestApp::start().await;
    send(&app, "<script>alert(1)</script>", "</pre><script>alert(2)</script>", "<script>alert(3)</script>")
        .await;
    let path = format!("/demo/mail/{}", app.mailbox.list()[0].id);
    for page in [app.get("/demo/mail").await.expect(200), app.get(&path).await.expect(200)] {
        assert!(!page.body.contains("<script>alert"), "{}", page.url);
    }
    let preview = preview(&app, &path).await;
    let policy = preview.header("content-security-policy").unwrap();
    assert!(policy.starts_with("sandbox ") && policy.contains("default-src 'none'"), "{policy}");
    assert!(!policy.contains("allow-scripts") && !policy.contains("allow-same-origin"), "{policy}");
    app.finish().await;
}

#[tokio::test]
async fn a_mail_that_is_not_there_is_a_404() {
    let app = TestApp::start().await;
    for id in ["x", "..%2f..%2fetc%2fpasswd", &MailId::new().to_string()] {
        app.get(&format!("/demo/mail/{id}")).await.expect(404);
        app.get(&format!("/demo/mail/{id}/html")).await.expect(404);
    }
    app.finish().await;
}

#[tokio::test]
async fn every_letter_that_there_is_can_be_looked_at_in_a_demo_and_nowhere_else() {
    let app = TestApp::start().await;
    let list = app.get("/demo/letters").await.expect(200);
    let letters = list.texts("main li p");
    assert!(letters.len() > 30, "{letters:?}");
    for name in &letters {
        let page = app.get(&format!("/demo/letters/{name}")).await.expect(200);
        assert!(page.has(&format!("iframe[sandbox][src='/demo/letters/{name}/html']")));
        assert!(!page.text("pre.mail").is_empty());
    }
    let document = preview(&app, &format!("/demo/letters/{}", letters[0])).await;
    assert!(document.header("content-security-policy").unwrap().starts_with("sandbox "));
    assert!(document.body.contains("K7WQ4M"));
    app.finish().await;

    let app = TestApp::start_with(&REHEARSAL).await;
    for address in ["/demo/letters", "/demo/letters/refund_paid", "/demo/letters/refund_paid/html"] {
        app.get(address).await.expect(404);
    }
    app.finish().await;
}
