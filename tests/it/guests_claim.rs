//! How a booking that was made without an account comes to one, and to which.

use jiff::SignedDuration;

use crate::{
    guests::{CONTACT, find, is_shut, mailed_links},
    helpers::{
        app::{ALICE, BOB, PASSWORD, TestApp},
        browser::Browser,
        page::Page,
    },
};

async fn prove_address(app: &TestApp, email: &str) {
    app.execute(&format!(
        "update auth.users set email_verified_at = '{}' where email = '{email}'",
        app.now()
    ))
    .await;
}

async fn press_claim(browser: &Browser) -> Page {
    let list = browser.get("/bookings").await.expect(200);
    let page = browser.submit(&list, "form[action='/bookings/claim']", &[]).await;
    browser.follow(page).await
}

/// Alice's address is the contact of bookings that were made without an account.
async fn maria(app: &TestApp) -> Browser {
    let maria = app.traveller(CONTACT).await;
    prove_address(app, CONTACT).await;
    maria
}

#[tokio::test]
async fn who_has_proven_the_address_adds_all_bookings_that_were_made_under_it() {
    let app = TestApp::start().await;
    let dora = app.guest();
    let flown = app.confirmed(&dora).await;
    let draft = app.draft(&dora).await;
    app.execute(&format!(
        "update bookings set contact_email = 'MARIA@example.com' where booking_reference = '{draft}'"
    ))
    .await;
    let links = mailed_links(&app);
    let maria = maria(&app).await;
    maria.get(&format!("/bookings/{flown}")).await.expect(404);
    maria.get("/bookings").await.expect(200).says("2 bookings made without an account under your address");
    let list = press_claim(&maria).await;
    assert_eq!(list.texts("main tbody th"), [draft.as_str(), flown.as_str()]);
    assert!(!list.has("form[action='/bookings/claim']"));
    maria.get(&format!("/bookings/{flown}")).await.expect(200).says("Added to your account");
    // Signing in is the only way in now.
    is_shut(&dora, &flown).await;
    for link in links {
        app.guest().get(&link).await.expect(404);
    }
    assert_eq!(app.count("booking_links").await, 0);
    let events = "select concat(kind, ' ', (actor_id = (select id from auth.users))::text) from booking_events where kind = 'claimed'";
    assert_eq!(app.texts(events).await, ["claimed true", "claimed true"]);
    // Once more is no harm.
    maria.post_form("/bookings/claim", &[]).await.redirect();
    assert_eq!(app.count("booking_events where kind = 'claimed'").await, 2);
    app.run_jobs().await;
    let mail = app.mailbox.list().remove(0);
    assert_eq!(
        (mail.envelope.to[0].as_str(), mail.subject.as_str()),
        (CONTACT, "2 bookings are in your account now")
    );
    let text = mail.text.unwrap();
    assert!(text.contains(&flown) && text.contains(&draft) && !text.contains("/booking-link/"), "{text}");
    assert_eq!(app.count("mails where kind = 'bookings_claimed'").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn an_address_that_is_not_proven_learns_and_gets_nothing() {
    let app = TestApp::start().await;
    let (_, reference) = app.dora().await;
    let somebody = app.traveller(CONTACT).await;
    let told = async |browser: &Browser| browser.get("/bookings").await.expect(200).words();
    let with_bookings = told(&somebody).await;
    assert!(with_bookings.contains("Verify your address"), "{with_bookings}");
    assert_eq!(with_bookings, told(&app.bob().await).await, "nobody else's bookings are told of");
    let page = somebody.post_form("/bookings/claim", &[]).await.expect(422);
    page.says("Verify your address first");
    somebody.get(&format!("/bookings/{reference}")).await.expect(404);
    assert_eq!(app.count("bookings where user_id is not null").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn only_the_present_address_counts() {
    let app = TestApp::start().await;
    let (_, reference) = app.dora().await;
    let maria = maria(&app).await;
    app.execute(&format!("update auth.users set email = 'new@example.com' where email = '{CONTACT}'")).await;
    assert!(!maria.get("/bookings").await.expect(200).has("form[action='/bookings/claim']"));
    maria.post_form("/bookings/claim", &[]).await.redirect();
    maria.get(&format!("/bookings/{reference}")).await.expect(404);
    app.execute("update auth.users set email_verified_at = null").await;
    maria.post_form("/bookings/claim", &[]).await.expect(422);
    app.execute(&format!("update auth.users set email = '{CONTACT}', email_verified_at = '2026-11-23'"))
        .await;
    press_claim(&maria).await.expect(200).says(&reference);
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn nothing_of_an_account_is_ever_taken_by_another() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    // The contact of alice's booking is maria's address, but the booking is alice's.
    let reference = app.draft(&alice).await;
    let maria = maria(&app).await;
    assert!(!maria.get("/bookings").await.expect(200).has("form[action='/bookings/claim']"));
    maria.post_form("/bookings/claim", &[]).await.redirect();
    maria.post_form("/bookings/claim", &[("reference", &reference)]).await.expect(404);
    alice.get(&format!("/bookings/{reference}")).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn whoever_signs_in_with_a_link_in_this_browser_adds_that_one_booking() {
    let app = TestApp::start().await;
    let (dora, reference) = app.dora().await;
    let other = app.draft(&dora).await;
    app.bob().await;
    let page = dora.get(&format!("/bookings/{reference}")).await.expect(200);
    let login = dora.get(&page.attr("main a[href^='/login']", "href")).await.expect(200);
    let typed = [("email", BOB), ("password", PASSWORD)];
    let back = dora.submit(&login, "form[action='/login']", &typed).await.redirect();
    assert_eq!(back, format!("/bookings/{reference}"));
    let page = dora.get(&back).await.expect(200);
    let added = dora.submit(&page, "form[action='/bookings/claim']", &[]).await;
    let page = dora.follow(added).await.expect(200);
    assert!(!page.has("form[action='/bookings/claim']"));
    assert_eq!(dora.get("/bookings").await.texts("main tbody th"), [reference.as_str()]);
    // The other one is still opened by its link, and pressing again changes nothing.
    dora.get(&format!("/bookings/{other}")).await.expect(200).says("not in your account");
    dora.post_form("/bookings/claim", &[("reference", &reference)]).await.expect(404);
    for nonsense in ["ACDEFG", "nonsense", "'; --", "\u{0}"] {
        dora.post_form("/bookings/claim", &[("reference", nonsense)]).await.expect(404);
    }
    dora.get(&format!("/bookings/{reference}")).await.expect(200);
    app.sign_in(BOB).await.get(&format!("/bookings/{reference}")).await.expect(200);
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn of_two_who_add_the_same_booking_at_once_one_has_it() {
    let app = TestApp::start().await;
    let dora = app.guest();
    let reference = app.confirmed(&dora).await;
    let link = mailed_links(&app).remove(0);
    let (alice, bob) = (app.alice().await, app.bob().await);
    let maria = maria(&app).await;
    for browser in [&alice, &bob] {
        browser.get(&link).await.redirect();
    }
    let one = [("reference", reference.as_str())];
    tokio::join!(
        alice.post_form("/bookings/claim", &one),
        bob.post_form("/bookings/claim", &one),
        maria.post_form("/bookings/claim", &[]),
    );
    let mut owners = 0;
    for browser in [&alice, &bob, &maria] {
        let page = browser.get(&format!("/bookings/{reference}")).await;
        assert!(page.status == 200 || page.status == 404, "{}", page.status);
        owners += i32::from(page.status == 200);
    }
    assert_eq!(owners, 1);
    assert_eq!(app.count("booking_events where kind = 'claimed'").await, 1);
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn a_mail_that_was_waiting_while_the_booking_was_added_carries_no_link() {
    let app = TestApp::start().await;
    let (_, reference) = app.dora().await;
    find(&app.guest(), &reference, "Duarte", CONTACT).await.redirect();
    let maria = maria(&app).await;
    press_claim(&maria).await.expect(200);
    app.run_jobs().await;
    let texts: Vec<String> = app.mailbox.list().into_iter().filter_map(|mail| mail.text).collect();
    assert!(texts.iter().any(|text| text.contains(&reference) && text.contains("Sign in with that account")));
    assert_eq!(app.count("booking_links").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_browser_forgets_its_bookings_when_it_is_told_to() {
    let app = TestApp::start().await;
    let (dora, reference) = app.dora().await;
    let copied = app.guest();
    copied.set_cookie("session", &dora.cookie("session").unwrap());
    copied.get(&format!("/bookings/{reference}")).await.expect(200);
    let page = dora.get("/find").await.expect(200);
    dora.submit(&page, "main form[action='/logout']", &[]).await.redirect();
    is_shut(&dora, &reference).await;
    is_shut(&copied, &reference).await;
    assert!(!dora.get("/find").await.expect(200).has("main li"));
    app.finish().await;
}

#[tokio::test]
async fn what_a_guest_has_begun_outlives_somebody_signing_in_and_out_again() {
    let app = TestApp::start().await;
    let (dora, draft) = app.dora().await;
    app.bob().await;
    let review = format!("/bookings/{draft}/review");
    let log_in = [("email", BOB), ("password", PASSWORD)];
    // Signed out by pressing the button, by the time, and by somebody else signing in.
    dora.post_form("/login", &log_in).await.redirect();
    dora.get(&review).await.expect(200);
    let before = dora.cookie("session");
    dora.post_form("/logout", &[]).await.redirect();
    assert_ne!(dora.cookie("session"), before);
    dora.get("/account").await.redirect();
    dora.get(&review).await.expect(200);
    dora.get("/find").await.expect(200).says(&draft);
    dora.post_form("/login", &log_in).await.redirect();
    app.clock.advance(SignedDuration::from_hours(24 * 14));
    dora.get("/account").await.redirect();
    dora.get("/find").await.expect(200).says(&draft);
    // The guest may still make the browser forget.
    let page = dora.get("/find").await.expect(200);
    dora.submit(&page, "main form[action='/logout']", &[]).await.redirect();
    is_shut(&dora, &draft).await;
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn the_bookings_of_a_guest_are_shown_to_the_first_who_signs_in_beside_them_and_to_no_other_account() {
    let app = TestApp::start().await;
    let (browser, draft) = app.dora().await;
    let (alice, _) = (app.alice().await, app.bob().await);
    let sign_in = async |email| {
        browser.post_form("/login", &[("email", email), ("password", PASSWORD)]).await.redirect();
    };
    let own = format!("/bookings/{draft}");
    sign_in(ALICE).await;
    browser.get(&own).await.expect(200).says("not in your account");
    // What comes to alice while she is signed in is hers alone.
    let hers = app.confirmed(&app.guest()).await;
    browser.get(&mailed_links(&app).remove(0)).await.redirect();
    browser.get(&format!("/bookings/{hers}")).await.expect(200);
    browser.post_form("/logout", &[]).await.redirect();
    browser.get(&own).await.expect(200);
    is_shut(&browser, &hers).await;

    sign_in(BOB).await;
    browser.get(&own).await.expect(404);
    browser.get(&format!("{own}/review")).await.expect(404);
    browser.post_form("/bookings/claim", &[("reference", &draft)]).await.expect(404);
    assert!(!browser.get("/find").await.expect(200).body.contains(&draft));
    assert!(!browser.get("/bookings").await.expect(200).body.contains(&draft));
    // Without signing out first: the next one takes his place.
    sign_in(ALICE).await;
    browser.get(&own).await.expect(200);
    alice.get(&own).await.expect(404);
    app.finish().await;
}

#[tokio::test]
async fn signing_in_takes_along_what_was_booked_in_this_browser_under_the_proven_address() {
    let app = TestApp::start().await;
    let (dora, draft) = app.dora().await;
    let other = app.draft(&dora).await;
    app.execute(&format!(
        "update bookings set contact_email = 'somebody@example.com' where booking_reference = '{other}'"
    ))
    .await;
    app.traveller(CONTACT).await;
    let log_in = [("email", CONTACT), ("password", PASSWORD)];
    // Not while nobody has proven that the address is theirs.
    dora.post_form("/login", &log_in).await.redirect();
    assert!(dora.get("/bookings").await.expect(200).texts("main tbody th").is_empty());
    dora.post_form("/logout", &[]).await.redirect();
    prove_address(&app, CONTACT).await;
    dora.post_form("/login", &log_in).await.redirect();
    assert_eq!(dora.get("/bookings").await.expect(200).texts("main tbody th"), [draft.as_str()]);
    dora.get(&format!("/bookings/{other}")).await.expect(200).says("not in your account");
    // From now on the account is the only way in, and the other one is still the browser's.
    dora.post_form("/logout", &[]).await.redirect();
    is_shut(&dora, &draft).await;
    dora.get(&format!("/bookings/{other}")).await.expect(200);
    app.run_jobs().await;
    app.finish().await;
}
