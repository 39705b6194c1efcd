//! The life of an account by its pages: what a mail asks for, and where a person is signed in.

use jiff::SignedDuration;

use crate::helpers::{
    app::{ALICE, BOB, PASSWORD, TestApp},
    browser::Browser,
    page::Page,
};

const NEW_PASSWORD: &str = "copper lantern orchard nine";
const NEW_ADDRESS: &str = "alice.new@example.com";

impl TestApp {
    /// Sends what is owed, and finds the newest mail to this address with a link below `path`.
    pub async fn mailed_link(&self, to: &str, path: &str) -> String {
        self.run_jobs().await;
        let start = self.url.join(path).expect("a URL").to_string();
        let mut mails = self.mailbox.list();
        mails.sort_by_key(|mail| mail.id);
        let texts = mails
            .iter()
            .rev()
            .filter(|mail| mail.envelope.to == [to])
            .filter_map(|mail| mail.text.as_deref());
        let mut links = texts.flat_map(str::split_whitespace).filter(|word| word.starts_with(&start));
        let link = links.next().unwrap_or_else(|| panic!("no mail to {to} has a link to {path}"));
        link.trim_end_matches('.').trim_start_matches(self.url.as_str().trim_end_matches('/')).to_owned()
    }

    async fn mails_to(&self, to: &str) -> Vec<String> {
        self.run_jobs().await;
        let mut mails = self.mailbox.list();
        mails.sort_by_key(|mail| mail.id);
        mails.into_iter().filter(|mail| mail.envelope.to == [to]).map(|mail| mail.subject).collect()
    }
}

pub async fn fill(browser: &Browser, address: &str, form: &str, typed: &[(&str, &str)]) -> Page {
    let page = browser.get(address).await.expect(200);
    browser.submit(&page, form, typed).await
}

async fn log_in(browser: &Browser, email: &str, password: &str) -> Page {
    fill(browser, "/login", "form[action='/login']", &[("email", email), ("password", password)]).await
}

#[tokio::test]
async fn a_sign_up_ends_on_the_same_page_for_every_address_and_its_mail_proves_the_address() {
    let app = TestApp::start().await;
    let mut shown = Vec::new();
    for browser in [app.guest(), app.guest()] {
        let typed = [("name", "Alice Archer"), ("email", ALICE), ("password", PASSWORD)];
        let sent = fill(&browser, "/signup?next=%2Foffers%2Fx", "form[action='/signup']", &typed).await;
        let page = browser.follow(sent).await.expect(200);
        shown.push(page.words());
    }
    assert_eq!(shown[0], shown[1]);
    assert!(shown[0].starts_with("We have sent you a mail"), "{}", shown[0]);
    let link = app.mailed_link(ALICE, "/verify/").await;

    // Whoever opens the link, program or person, has proven nothing yet.
    let alice = app.guest();
    let login = alice.open(&link).await.expect(200);
    login.says("Sign in first, then confirm the address");
    let signed_in =
        alice.submit(&login, "form[action='/login']", &[("email", ALICE), ("password", PASSWORD)]).await;
    let page = alice.follow(signed_in).await.expect(200);
    page.says("One click").says(ALICE);
    assert_eq!(app.count("auth.users where email_verified_at is not null").await, 0);
    assert_eq!(page.header("cache-control"), Some("private, no-store"));
    let done = alice.submit(&page, "main form", &[]).await;
    let account = alice.follow(done).await.expect(200);
    account.says("Your address is verified").says("verified on 23 Nov 2026");

    // Once only, and the page says what to do next. Pressed twice, it did what was wanted.
    let used = app.guest().get(&link).await.expect(410);
    used.says("This link does nothing any more")
        .says("If you have confirmed the address with it, all is well");
    let pressed = app.guest().post_form(&link, &[]).await.expect(410);
    assert_eq!(pressed.attr("main a.btn", "href"), "/login?next=%2Faccount");
    let again = alice.submit(&page, "main form", &[]).await;
    alice.follow(again).await.expect(200).says("verified already");
    alice.open(&link).await.expect(200).says("verified already");
    app.finish().await;
}

#[tokio::test]
async fn a_link_that_proves_nothing_any_more_says_so_to_strangers_in_one_way_and_sends_its_owner_another() {
    let app = TestApp::start().await;
    let alice = app.guest();
    alice.post_form("/signup", &[("name", "A"), ("email", ALICE), ("password", PASSWORD)]).await.redirect();
    let old = app.mailed_link(ALICE, "/verify/").await;
    app.clock.advance(SignedDuration::from_hours(25));
    log_in(&alice, ALICE, PASSWORD).await.redirect();
    let bob = app.guest();
    bob.post_form("/signup", &[("name", "B"), ("email", BOB), ("password", PASSWORD)]).await.redirect();
    log_in(&bob, BOB, PASSWORD).await.redirect();
    let used = app.mailed_link(BOB, "/verify/").await;
    let page = bob.get(&used).await.expect(200);
    bob.submit(&page, "main form", &[]).await.redirect();
    // Expired, used, never ours: a stranger is told the same.
    let never = format!("/verify/{}", "A".repeat(43));
    let mut told = Vec::new();
    for link in [&old, &used, &never] {
        told.push(app.guest().get(link).await.expect(410).words());
        told.push(app.guest().post_form(link, &[]).await.expect(410).words());
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    // Its owner gets another one at once.
    let page = alice.get(&old).await.expect(410);
    page.says("is not confirmed yet").says(ALICE);
    let sent = alice.submit(&page, "form[action='/account/verification']", &[]).await;
    alice.follow(sent).await.expect(200).says("The link is on its way");
    let new = app.mailed_link(ALICE, "/verify/").await;
    let page = alice.get(&new).await.expect(200);
    let done = alice.submit(&page, "main form", &[]).await;
    alice.follow(done).await.expect(200).says("Your address is verified");
    app.finish().await;
}

#[tokio::test]
async fn an_account_that_is_not_verified_says_so_and_sends_the_link_again_but_not_at_once() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.execute("update auth.users set email_verified_at = null").await;
    app.clock.advance(SignedDuration::from_mins(2));
    let page = alice.get("/account").await.expect(200);
    page.says("Your address is not verified yet");
    let again = "form[action='/account/verification']";
    let sent = alice.submit(&page, again, &[]).await;
    alice.follow(sent).await.expect(200).says("The link is on its way");
    let link = app.mailed_link(ALICE, "/verify/").await;
    alice.submit(&page, again, &[]).await.expect(429);
    // Signed in, the way leads straight back to the account.
    let verify = alice.get(&link).await.expect(200);
    let done = alice.submit(&verify, "main form", &[]).await;
    let account = alice.follow(done).await.expect(200);
    assert_eq!(account.url.path(), "/account");
    assert!(!account.has(again) && account.words().contains("verified on"));
    app.finish().await;
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_by_mail_and_everybody_is_signed_out() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let mut told = Vec::new();
    for email in [ALICE, "nobody@example.com"] {
        let browser = app.guest();
        let sent = fill(&browser, "/reset", "form[action='/reset']", &[("email", email)]).await;
        told.push(browser.follow(sent).await.expect(200).words());
    }
    assert_eq!(told[0], told[1], "the page tells who has an account");
    let link = app.mailed_link(ALICE, "/reset/").await;
    assert!(app.mails_to("nobody@example.com").await.is_empty());

    let browser = app.guest();
    let page = browser.get(&link).await.expect(200);
    assert!(!page.body.contains(ALICE), "the page tells whose link it is");
    assert_eq!(page.attr("input[name=password]", "autocomplete"), "new-password");
    for weak in ["", "short", "password1234", PASSWORD] {
        let again = browser.submit(&page, "main form", &[("password", weak)]).await.expect(422);
        again.field_error("password");
        assert!(weak.is_empty() || !again.body.contains(weak), "a password comes back");
    }
    let done = browser.submit(&page, "main form", &[("password", NEW_PASSWORD)]).await;
    browser.follow(done).await.expect(200).says("Every device was signed out");
    alice.get("/account").await.redirect();
    log_in(&browser, ALICE, PASSWORD).await.expect(422);
    log_in(&browser, ALICE, NEW_PASSWORD).await.redirect();
    assert!(app.mails_to(ALICE).await.iter().any(|subject| subject.contains("password")));

    let dead = app.guest().get(&link).await.expect(410);
    assert_eq!(dead.attr("main a.btn", "href"), "/reset");
    app.finish().await;
}

#[tokio::test]
async fn links_that_open_nothing_look_the_same_whoever_made_them() {
    let app = TestApp::start().await;
    app.alice().await;
    fill(&app.guest(), "/reset", "form[action='/reset']", &[("email", ALICE)]).await.redirect();
    let reset = app.mailed_link(ALICE, "/reset/").await;
    let token = reset.rsplit('/').next().unwrap().to_owned();
    let never = "A".repeat(43);
    app.clock.advance(SignedDuration::from_mins(31));
    let mut shown = Vec::new();
    for token in [token.as_str(), never.as_str(), "x", "%00", "..%2f..", "'; drop table users; --"] {
        for place in ["reset", "verify", "email"] {
            // A link of one kind is none of another.
            let page = app.guest().get(&format!("/{place}/{token}")).await.expect(410);
            assert_eq!(page.header("cache-control"), Some("private, no-store"));
            app.guest()
                .post_form(&format!("/{place}/{token}"), &[("password", NEW_PASSWORD)])
                .await
                .expect(410);
            if place == "reset" {
                shown.push(page.words().replace(page.header("x-request-id").unwrap(), ""));
            }
        }
    }
    shown.dedup();
    assert_eq!(shown.len(), 1, "{shown:?}");
    app.finish().await;
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_the_old_one_and_only_this_browser_stays() {
    let app = TestApp::start().await;
    let (alice, phone) = (app.alice().await, app.sign_in(ALICE).await);
    let form = "form[action='/account/password']";
    for (current, new, field) in [
        ("wrong password here", NEW_PASSWORD, "current_password"),
        ("", NEW_PASSWORD, "current_password"),
        (PASSWORD, "short", "password"),
        (PASSWORD, "password1234", "password"),
        (PASSWORD, ALICE, "password"),
        (PASSWORD, PASSWORD, "password"),
    ] {
        let typed = [("current_password", current), ("password", new)];
        let page = fill(&alice, "/account/password", form, &typed).await.expect(422);
        page.field_error(field);
        assert!(
            page.text("title").starts_with("Error: ")
                && page.attrs("input[type=password]", "value").is_empty()
        );
    }
    let before = alice.cookie("session");
    let typed = [("current_password", PASSWORD), ("password", NEW_PASSWORD)];
    let done = fill(&alice, "/account/password", form, &typed).await;
    alice.follow(done).await.expect(200).says("Your password is changed");
    assert_ne!(alice.cookie("session"), before);
    phone.get("/account").await.redirect();
    log_in(&app.guest(), ALICE, PASSWORD).await.expect(422);
    log_in(&app.guest(), ALICE, NEW_PASSWORD).await.redirect();
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn another_address_counts_once_its_own_mail_was_read_and_both_are_told() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let form = "form[action='/account/email']";
    for (email, password, field) in [
        ("nonsense", PASSWORD, "email"),
        (ALICE, PASSWORD, "email"),
        (NEW_ADDRESS, "wrong one here", "password"),
    ] {
        let page = fill(&alice, "/account/email", form, &[("email", email), ("password", password)])
            .await
            .expect(422);
        page.field_error(field);
        assert_eq!(page.value(form, "email"), email);
    }
    let typed = [("email", NEW_ADDRESS), ("password", PASSWORD)];
    let asked = fill(&alice, "/account/email", form, &typed).await;
    alice.follow(asked).await.expect(200).says("One more step").says(ALICE);
    let link = app.mailed_link(NEW_ADDRESS, "/email/").await;
    // Opening is not using.
    alice.get(&link).await.expect(200);
    log_in(&app.guest(), ALICE, PASSWORD).await.redirect();
    let confirm = alice.get(&link).await.expect(200);
    let done = alice.submit(&confirm, "main form", &[]).await;
    let account = alice.follow(done).await.expect(200);
    account.says(NEW_ADDRESS);
    assert!(!account.words().contains(&format!("{ALICE} ")), "the old address is still shown");
    log_in(&app.guest(), ALICE, PASSWORD).await.expect(422);
    log_in(&app.guest(), NEW_ADDRESS, PASSWORD).await.redirect();
    assert!(!app.mails_to(ALICE).await.is_empty() && app.mails_to(NEW_ADDRESS).await.len() == 2);
    alice.get(&link).await.expect(410);
    app.finish().await;
}

#[tokio::test]
async fn an_address_that_waits_for_its_proof_is_shown_sent_again_within_limits_and_taken_back() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let asks = async || {
        let typed = [("email", NEW_ADDRESS), ("password", PASSWORD)];
        fill(&alice, "/account/email", "form[action='/account/email']", &typed).await.redirect();
    };
    let again = "form[action='/account/email/again']";
    assert!(!alice.get("/account").await.expect(200).has(again));
    asks().await;
    let page = alice.get("/account").await.expect(200);
    page.says("Waiting for you to confirm your new address")
        .says(NEW_ADDRESS)
        .says("until 24 Nov, 09:00 UTC");
    assert!(!app.bob().await.get("/account").await.expect(200).body.contains(NEW_ADDRESS));
    let first = app.mailed_link(NEW_ADDRESS, "/email/").await;

    // Sent again: only the newest link works, and not as often as somebody likes.
    app.clock.advance(SignedDuration::from_mins(2));
    let sent = alice.submit(&page, again, &[]).await;
    let page = alice.follow(sent).await.expect(200);
    page.says("The link is on its way again").says("until 24 Nov, 09:02 UTC");
    let second = app.mailed_link(NEW_ADDRESS, "/email/").await;
    assert_ne!(first, second);
    alice.get(&first).await.expect(410);
    alice.get(&second).await.expect(200);
    alice.submit(&page, again, &[]).await.redirect();
    let refused = alice.submit(&page, again, &[]).await.expect(429);
    refused.says("Try again in").says("Waiting for you to confirm");
    let newest = app.mailed_link(NEW_ADDRESS, "/email/").await;

    // Taken back, and the link opens nothing; twice does no harm.
    app.clock.advance(SignedDuration::from_secs(1));
    for _ in 0..2 {
        let back = alice.post_form("/account/email/withdraw", &[]).await;
        let page = alice.follow(back).await.expect(200);
        assert!(page.says("Taken back").words().contains(ALICE) && !page.has(again));
    }
    alice.get(&newest).await.expect(410);
    alice.post_form(&newest, &[]).await.expect(410);
    assert_eq!(alice.post_form("/account/email/again", &[]).await.redirect(), "/account");

    // What is asked for after that counts, until it is confirmed or its day is over.
    app.clock.advance(SignedDuration::from_hours(2));
    asks().await;
    let link = app.mailed_link(NEW_ADDRESS, "/email/").await;
    app.clock.advance(SignedDuration::from_hours(24));
    assert!(!alice.get("/account").await.expect(200).has(again));
    alice.get(&link).await.expect(410);
    asks().await;
    let link = app.mailed_link(NEW_ADDRESS, "/email/").await;
    let page = alice.get(&link).await.expect(200);
    let done = alice.submit(&page, "main form", &[]).await;
    let page = alice.follow(done).await.expect(200);
    assert!(page.words().contains(NEW_ADDRESS) && !page.has(again));
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn a_mail_that_was_not_sent_yet_when_its_wish_is_taken_back_is_not_sent_at_all() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let typed = [("email", NEW_ADDRESS), ("password", PASSWORD)];
    fill(&alice, "/account/email", "form[action='/account/email']", &typed).await.redirect();
    alice.post_form("/account/email/withdraw", &[]).await.redirect();
    app.run_jobs().await;
    assert!(app.mails_to(NEW_ADDRESS).await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn an_address_of_somebody_else_is_found_out_by_nobody() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.bob().await;
    let mut told = Vec::new();
    for email in [BOB, "free@example.com"] {
        let typed = [("email", email), ("password", PASSWORD)];
        let done = fill(&alice, "/account/email", "form[action='/account/email']", &typed).await;
        told.push((done.status, done.redirect()));
        app.run_jobs().await;
        app.clock.advance(SignedDuration::from_mins(1));
    }
    assert_eq!(told[0], told[1]);
    app.finish().await;
}

#[tokio::test]
async fn devices_are_listed_and_ended_one_by_one_or_all_but_this() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let (phone, tablet, bob) = (app.guest(), app.guest(), app.bob().await);
    phone.set_header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
    for browser in [&phone, &tablet] {
        log_in(browser, ALICE, PASSWORD).await.redirect();
    }
    let page = alice.get("/account/devices").await.expect(200);
    page.says("Firefox on Linux").says("This browser").says("signed in 23 Nov 2026, 09:00 UTC");
    assert_eq!(page.count("form[action$='/end']"), 2);
    assert!(page.texts("form[action$='/end']").iter().all(|text| text.starts_with("Sign out")));

    // Bob can end none of them.
    for action in page.attrs("form[action$='/end']", "action") {
        bob.post_form(&action, &[]).await.expect(404);
    }
    phone.get("/account").await.expect(200);
    let firefox = phone.get("/account/devices").await.expect(200);
    let own = firefox.attrs("form[action$='/end']", "action");
    let of_alice = page.attrs("form[action$='/end']", "action");
    let phones = of_alice.iter().find(|action| !own.contains(action)).expect("the phone");
    let ended = alice.post_form(phones, &[]).await;
    alice.follow(ended).await.expect(200).says("That device is signed out");
    phone.get("/account").await.redirect();
    alice.post_form(phones, &[]).await.expect(404);

    let page = alice.get("/account/devices").await.expect(200);
    let ended = alice.submit(&page, "form[action='/account/devices']", &[]).await;
    let page = alice.follow(ended).await.expect(200);
    page.says("Signed out everywhere else");
    assert!(!page.has("form[action='/account/devices']"), "there is nothing else to end");
    tablet.get("/account").await.redirect();
    alice.get("/account").await.expect(200);
    bob.get("/account").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn passwords_can_be_typed_in_plain_sight_without_script_and_never_come_back() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    fill(&app.guest(), "/reset", "form[action='/reset']", &[("email", ALICE)]).await.redirect();
    let reset = app.mailed_link(ALICE, "/reset/").await;
    let guest = app.guest();
    for (browser, address, typed) in [
        (&guest, "/login", vec![("email", ALICE), ("password", NEW_PASSWORD)]),
        (&guest, "/signup", vec![("name", "A B"), ("email", "new@example.com"), ("password", NEW_PASSWORD)]),
        (&guest, reset.as_str(), vec![("password", NEW_PASSWORD)]),
        (&alice, "/account/password", vec![("current_password", PASSWORD), ("password", NEW_PASSWORD)]),
        (&alice, "/account/email", vec![("email", NEW_ADDRESS), ("password", PASSWORD)]),
        (&alice, "/account/delete", vec![("password", PASSWORD)]),
    ] {
        let page = browser.get(address).await.expect(200);
        // Enter presses the first button of a form, and that must not be this one.
        let buttons = page.texts("main form:has([data-reveal]) button");
        assert_eq!((buttons.len(), buttons[1].as_str()), (2, "Show the password"), "{address}");
        for field in page.attrs("input[type=password]", "autocomplete") {
            assert!(["current-password", "new-password"].contains(&field.as_str()), "{address}: {field}");
        }
        let shown = browser.submit(&page, "[data-reveal]", &typed).await.expect(200);
        assert_eq!(shown.count("input[type=password]"), 0, "{address}");
        for (name, value) in typed {
            if name.contains("password") {
                assert_eq!(shown.attr(&format!("input[name={name}]"), "type"), "text");
                assert!(!shown.body.contains(value), "{address} sends a password back");
            } else {
                assert_eq!(shown.value("form:has([data-reveal])", name), value, "{address}");
            }
        }
        let hidden = browser.submit(&shown, "[data-reveal]", &[]).await.expect(200);
        assert!(hidden.has("input[type=password]"), "{address}");
    }
    assert_eq!(app.count("auth.users").await, 1, "the button did something");
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn programs_find_what_every_site_has() {
    let app = TestApp::start().await;
    assert_eq!(app.get("/.well-known/change-password").await.redirect(), "/account/password");
    let page = app.get("/.well-known/security.txt").await.expect(200);
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
    assert!(
        page.body.contains(&format!("Contact: mailto:{}\n", app.config.site.seller_email)),
        "{}",
        page.body
    );
    assert!(page.body.contains("Expires: 2027-05-22T09:00:00Z\n"), "{}", page.body);
    app.finish().await;
}
