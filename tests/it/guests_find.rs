//! Finding a booking without an account: who knows enough gets a mail, and nobody learns anything.

use jiff::SignedDuration;

use crate::{
    guests::{CONTACT, find, mailed_links},
    helpers::{app::TestApp, page::Page},
};

#[tokio::test]
async fn a_booking_is_found_by_what_its_traveller_knows_and_the_way_goes_to_the_contact() {
    let app = TestApp::start().await;
    let (_, reference) = app.dora().await;
    let spoken = format!("{} {}", reference[..3].to_lowercase(), &reference[3..]);
    let phone = app.guest();
    let sent = find(&phone, &spoken, "DUARTE", "Maria@Example.com").await;
    phone
        .follow(sent)
        .await
        .expect(200)
        .says("If these belong together, we have sent the link to that address");
    assert_eq!(phone.cookie("session"), None, "looking makes no session");
    app.run_jobs().await;
    let mail = app.mailbox.list().remove(0);
    assert_eq!(mail.envelope.to, [CONTACT]);
    phone.get(&mailed_links(&app)[0]).await.redirect();
    phone.get(&format!("/bookings/{reference}")).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn finding_is_no_oracle() {
    let app = TestApp::start().await;
    let (_, reference) = app.dora().await;
    let alice = app.alice().await;
    let alices = app.draft(&alice).await;
    let cases = [
        (reference.as_str(), "Duarte", CONTACT),
        (alices.as_str(), "Duarte", CONTACT),
        ("ACDEFG", "Duarte", CONTACT),
        (reference.as_str(), "Novak", CONTACT),
        (reference.as_str(), "Duart", CONTACT),
        (reference.as_str(), "Duarte", "mallory@example.com"),
        (alices.as_str(), "Duarte", "alice@example.com"),
    ];
    let mut answers = std::collections::BTreeSet::new();
    for (reference, family, email) in cases {
        let guest = app.guest();
        guest.get("/find").await;
        app.statements.take();
        let fields = [("reference", reference), ("family", family), ("email", email)];
        let page = guest.post_form("/find", &fields).await;
        let statements = app.statements.take();
        let headers = format!("{:?} {:?}", page.header("location"), page.header("set-cookie"));
        let shown =
            guest.follow(Page::new(page.status, page.headers.clone(), page.url.clone(), b"")).await.words();
        answers.insert((page.status.as_u16(), page.body.clone(), headers, shown, statements));
    }
    assert_eq!(answers.len(), 1, "{answers:#?}");
    // The mails go out later, to the contacts of the two that fit and to nobody else.
    app.run_jobs().await;
    let to: Vec<_> = app.mailbox.list().into_iter().flat_map(|mail| mail.envelope.to).collect();
    assert_eq!(to, [CONTACT, CONTACT]);
    assert_eq!(app.count("booking_finds").await, 0, "nothing of what was typed is kept");
    app.finish().await;
}

#[tokio::test]
async fn an_account_is_told_to_sign_in_and_gets_no_link() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    find(&app.guest(), &reference, "Duarte", CONTACT).await.redirect();
    app.run_jobs().await;
    let mail = app.mailbox.list().remove(0);
    assert!(mail.text.unwrap().contains("Sign in with that account"));
    assert_eq!(app.count("booking_links").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_booking_is_mailed_about_three_times_an_hour_however_often_somebody_asks() {
    let app = TestApp::start().await;
    let (_, reference) = app.dora().await;
    for _ in 0..6 {
        find(&app.guest(), &reference, "Duarte", CONTACT).await.redirect();
    }
    app.run_jobs().await;
    assert_eq!(app.mailbox.list().len(), 3);
    app.clock.advance(SignedDuration::from_mins(61));
    find(&app.guest(), &reference, "Duarte", CONTACT).await.redirect();
    app.run_jobs().await;
    assert_eq!(app.mailbox.list().len(), 4);
    app.finish().await;
}

#[tokio::test]
async fn what_cannot_be_a_booking_is_told_beside_its_field_and_the_rest_is_kept() {
    let app = TestApp::start().await;
    let good = [("reference", "K7WQ4M"), ("family", "Duarte"), ("email", CONTACT)];
    let long = "x".repeat(5_000);
    let cases = [
        ("reference", ""),
        ("reference", "O0O0O0"),
        ("reference", "K7WQ4"),
        ("reference", "К7WQ4M"),
        ("reference", "'; drop table bookings; --"),
        ("reference", "K7WQ4M\u{0}"),
        ("reference", long.as_str()),
        ("family", ""),
        ("family", "   "),
        ("family", "Du\u{0}arte"),
        ("family", "Du\u{202e}arte"),
        ("family", long.as_str()),
        ("email", ""),
        ("email", "maria"),
        ("email", "maria@example.com\r\nBcc: all@example.com"),
        ("email", "märia@example.com"),
        ("email", long.as_str()),
    ];
    for (field, value) in cases {
        let typed: Vec<(&str, &str)> =
            good.iter().map(|(k, v)| if *k == field { (*k, value) } else { (*k, *v) }).collect();
        let page = app.guest().post_form("/find", &typed).await.expect(422);
        assert!(!page.field_error(field).is_empty(), "{field} = {value:?}");
        assert!(page.has(&format!(".errors a[href='#{field}']")), "{field} is not in the summary");
        for (other, kept) in good.iter().filter(|(other, _)| *other != field) {
            assert_eq!(page.value("form[action='/find']", other), *kept, "{field} = {value:?}");
        }
    }
    app.guest().post_form("/find", &[]).await.expect(422);
    for harmless in ["<script>alert(1)</script>", "Müller-Lüdenscheidt", "O’Neil", "山田", "محمد"] {
        app.guest()
            .post_form("/find", &[("reference", "K7WQ4M"), ("family", harmless), ("email", CONTACT)])
            .await
            .redirect();
    }
    app.guest().post_from_elsewhere("/find", &good).await.expect(403);
    app.run_jobs().await;
    assert_eq!(app.mailbox.list().len(), 0);
    app.finish().await;
}

#[tokio::test]
async fn the_login_page_leads_to_finding_a_booking() {
    let app = TestApp::start().await;
    let login = app.get("/login?next=%2Fbookings%2FK7WQ4M").await.expect(200);
    login.says("Booked without an account?");
    app.get(&login.attr("main a[href='/find']", "href")).await.expect(200);
    app.finish().await;
}
