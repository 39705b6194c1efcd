//! The life of an account by its pages: what a mail asks for, what a person keeps with us, where they are signed in.

use crate::sessions::soon;
use jiff::SignedDuration;

use crate::helpers::{
    app::{ALICE, BOB, PASSWORD, TestApp},
    browser::Browser,
    page::Page,
    story,
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

async fn fill(browser: &Browser, address: &str, form: &str, typed: &[(&str, &str)]) -> Page {
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
async fn a_profile_is_kept_and_filled_in_and_what_is_wrong_stays_typed() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let form = "form[action='/account/profile']";
    let good = [
        ("name", "Alice Archer"),
        ("phone", "+44 20 7946 0000"),
        ("day", "29"),
        ("month", "2"),
        ("year", "1988"),
        ("nationality", "GB"),
    ];
    for (field, value, shown_at) in [
        ("name", "", "name"),
        ("name", "A\u{202e}B", "name"),
        ("phone", "call me", "phone"),
        ("year", "1989", "day"),
        ("year", "2027", "day"),
        ("day", "", "day"),
        ("nationality", "XX", "nationality"),
    ] {
        let mut typed = good.to_vec();
        typed.retain(|(name, _)| *name != field);
        typed.push((field, value));
        let page = fill(&alice, "/account/profile", form, &typed).await.expect(422);
        assert!(page.has(".errors a"), "{field}: no summary");
        page.field_error(shown_at);
        if field != "name" {
            assert_eq!(page.value(form, "name"), "Alice Archer");
        }
    }
    let done = fill(&alice, "/account/profile", form, &good).await;
    let account = alice.follow(done).await.expect(200);
    account.says("Alice Archer").says("+44 20 7946 0000").says("29 Feb 1988").says("United Kingdom");
    let page = alice.get("/account/profile").await.expect(200);
    assert_eq!(page.value(form, "nationality"), "GB");
    assert_eq!(page.value(form, "month"), "2");
    // All but the name may be taken away again.
    let bare =
        [("name", "Alice"), ("phone", ""), ("day", ""), ("month", ""), ("year", ""), ("nationality", "")];
    let done = fill(&alice, "/account/profile", form, &bare).await;
    alice.follow(done).await.expect(200).says("not told");
    app.finish().await;
}

fn tom() -> [(&'static str, &'static str); 6] {
    [
        ("given_names", "Tom"),
        ("family_name", "Archer"),
        ("day", "3"),
        ("month", "5"),
        ("year", "2018"),
        ("sex", "m"),
    ]
}

#[tokio::test]
async fn travellers_are_saved_changed_and_removed_and_nobody_elses_are_touched() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.alice().await, app.bob().await);
    let add = "form[action='/account/travellers']";
    let page = fill(&alice, "/account/travellers", add, &[("given_names", "T0m"), ("family_name", "")]).await;
    let page = page.expect(422);
    page.field_error("given_names");
    page.field_error("family_name");
    assert_eq!(page.value(add, "given_names"), "T0m");
    let done = fill(&alice, "/account/travellers", add, &tom()).await;
    let list = alice.follow(done).await.expect(200);
    list.says("Tom Archer").says("born 3 May 2018");
    let his = list.attr("a[href^='/account/travellers/']", "href");

    // Bob finds nothing there, and changes nothing.
    bob.get(&his).await.expect(404);
    bob.post_form(&his, &tom()).await.expect(404);
    bob.post_form(&his, &[("given_names", ""), ("family_name", "")]).await.expect(404);
    bob.post_form(&format!("{his}/remove"), &[]).await.expect(404);
    assert!(!bob.get("/account/travellers").await.expect(200).body.contains("Tom"));

    let change = alice.get(&his).await.expect(200);
    assert_eq!(change.value("main form", "family_name"), "Archer");
    alice.submit(&change, "main form", &[("year", "2999")]).await.expect(422).field_error("day");
    let done = alice.submit(&change, "main form", &[("given_names", "Thomas")]).await;
    let list = alice.follow(done).await.expect(200);
    list.says("Thomas Archer");
    alice.get("/account").await.expect(200).says("Thomas Archer");
    let remove = format!("form[action='{his}/remove']");
    let gone = alice.submit(&list, &remove, &[]).await;
    alice.follow(gone).await.expect(200).says("None yet");
    alice.submit(&list, &remove, &[]).await.expect(404);
    app.finish().await;
}

#[tokio::test]
async fn the_form_of_a_traveller_that_is_sent_twice_saves_one() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let typed = [
        ("given_names", "Tomasz"),
        ("family_name", "Nowak"),
        ("day", "3"),
        ("month", "5"),
        ("year", "2018"),
        ("sex", "m"),
    ];
    tokio::join!(
        alice.post_form("/account/travellers", &typed),
        alice.post_form("/account/travellers", &typed),
        alice.post_form("/account/travellers", &typed),
    );
    assert_eq!(app.count("saved_travellers").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn a_list_of_travellers_has_an_end() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    for n in 0..40 {
        let name = "A".repeat(n + 1);
        let mut one = tom();
        one[0].1 = &name;
        alice.post_form("/account/travellers", &one).await.redirect();
    }
    alice.post_form("/account/travellers", &tom()).await.expect(422).says("This list is full");
    assert_eq!(app.count("saved_travellers").await, 40);
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

#[tokio::test]
async fn a_saved_traveller_fills_a_passenger_and_passengers_can_be_saved() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.alice().await, app.bob().await);
    alice
        .post_form(
            "/account/travellers",
            &[
                ("given_names", "Maria"),
                ("family_name", "Duarte"),
                ("day", "4"),
                ("month", "12"),
                ("year", "1986"),
                ("sex", "f"),
            ],
        )
        .await
        .redirect();
    let reference = app.draft(&alice).await;
    let address = format!("/bookings/{reference}/passengers");
    let form = "form[action$='/passengers']";
    let page = alice.get(&address).await.expect(200);
    let id = page.attrs("select[name=p1_saved] option[value]:not([value=''])", "value").remove(0);
    let typed = [("p1_given", "Somebody"), ("p1_saved", id.as_str()), ("phone", "+44 1")];
    let filled = alice.submit(&page, "button[name=fill][value='1']", &typed).await.expect(200);
    for (field, value) in
        [("p1_given", "Maria"), ("p1_family", "Duarte"), ("p1_day", "4"), ("p1_sex", "f"), ("phone", "+44 1")]
    {
        assert_eq!(filled.value(form, field), value);
    }
    // Bob has a booking of his own, but not this traveller.
    let his = app.draft(&bob).await;
    bob.post_form(&format!("/bookings/{his}/passengers"), &[("fill", "1"), ("p1_saved", &id)])
        .await
        .expect(404);
    assert!(!bob.get(&format!("/bookings/{his}/passengers")).await.expect(200).body.contains("p1_saved"));

    // Enter in a field presses the first button: without a choice that one only means the form.
    let typed = [&story::passenger("Archer")[..], &[("fill", "1"), ("save_travellers", "1")]].concat();
    for _ in 0..2 {
        alice.post_form(&address, &typed).await.redirect();
    }
    let saved = app
        .texts("select given_names || ' ' || family_name from saved_travellers order by created_at, id")
        .await;
    assert_eq!(saved, ["Maria Duarte", "Maria Inês Archer"]);
    app.finish().await;
}

#[tokio::test]
async fn a_session_that_ends_over_the_passenger_form_loses_nothing_of_it() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let address = format!("/bookings/{reference}/passengers");
    let form = "form[action$='/passengers']";
    let page = alice.get(&address).await.expect(200);
    app.sign_in(ALICE).await.post_form("/account/devices", &[]).await.redirect();
    soon("the browser is out", async || alice.get("/account").await.status == 303).await;
    let evil = "Zo\"e <b>";
    let typed = [("p1_given", evil), ("phone", "+351 911"), ("p1_passport_number", "C01X00T47")];
    let login = alice.submit(&page, form, &typed).await.expect(401);
    login.says("nothing of it is lost");
    assert!(!login.body.contains("C01X00T47") && !login.body.contains("e <b>"));
    // A typo in the password keeps it too.
    let login = alice
        .submit(&login, "form[action='/login']", &[("email", ALICE), ("password", "wrong one here")])
        .await;
    let login = login.expect(422);
    let back =
        alice.submit(&login, "form[action='/login']", &[("email", ALICE), ("password", PASSWORD)]).await;
    assert_eq!(back.redirect(), address);
    let page = alice.get(&address).await.expect(200);
    page.says("as you left it");
    assert_eq!(page.value(form, "p1_given"), evil);
    assert_eq!(page.value(form, "phone"), "+351 911");
    // Once: after that the page shows what is kept.
    assert_ne!(alice.get(&address).await.expect(200).value(form, "p1_given"), evil);
    app.finish().await;
}

#[tokio::test]
async fn a_kept_form_is_shown_at_its_own_address_only_and_a_huge_one_is_not_kept() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let bob = app.bob().await;
    let his = app.draft(&bob).await;
    let theirs = format!("/bookings/{reference}/passengers");
    let kept = [("p1_given", "Zoe")];
    let login = app.guest().post_form(&theirs, &kept).await.expect(401);
    let visitor = app.guest();
    let back =
        visitor.submit(&login, "form[action='/login']", &[("email", BOB), ("password", PASSWORD)]).await;
    visitor.get(&back.redirect()).await.expect(404);
    assert!(!visitor.get(&format!("/bookings/{his}/passengers")).await.expect(200).body.contains("Zoe"));
    let huge = "x".repeat(20_000);
    let page = app.guest().post_form(&theirs, &[("p1_given", &huge)]).await.expect(401);
    assert!(!page.body.contains("xxxx"));
    page.says("Sign in");
    app.finish().await;
}

#[tokio::test]
async fn a_session_that_ends_over_a_form_of_the_account_loses_nothing_of_it() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let typed = [
        ("given_names", "Tomasz"),
        ("family_name", "Nowak"),
        ("day", "3"),
        ("month", "5"),
        ("year", "2018"),
        ("sex", "m"),
    ];
    fill(&alice, "/account/travellers", "form[action='/account/travellers']", &typed).await.redirect();
    let saved = alice.get("/account/travellers").await.attr(".queue a", "href");
    let elsewhere = app.sign_in(ALICE).await;
    let changed = [("given_names", "Wilhelmina"), ("family_name", "O\u{2019}Neill-Ng"), ("day", "9")];
    let cases = [
        (
            "/account/profile",
            "form[action='/account/profile']",
            [("name", "Wilhelmina \"W\" <b>"), ("phone", "+351 9"), ("day", "9")],
        ),
        ("/account/travellers", "form[action='/account/travellers']", changed),
        (saved.as_str(), "main form", changed),
    ];
    for (address, form, typed) in cases {
        let browser = app.sign_in(ALICE).await;
        let page = browser.get(address).await.expect(200);
        elsewhere.post_form("/account/devices", &[]).await.redirect();
        soon("the browser is out", async || browser.get("/account").await.status == 303).await;
        let login = browser.submit(&page, form, &typed).await.expect(401);
        login.says("what you typed comes back");
        let who = [("email", ALICE), ("password", PASSWORD)];
        let back = browser.submit(&login, "form[action='/login']", &who).await;
        assert_eq!(back.redirect(), address);
        let page = browser.follow(back).await.expect(200);
        page.says("Your form is as you left it");
        for (name, value) in typed {
            assert_eq!(page.value(form, name), value, "{address}: {name}");
        }
        // Once.
        assert!(!browser.get(address).await.expect(200).body.contains("Wilhelmina"), "{address}");
    }
    app.finish().await;
}

#[tokio::test]
async fn what_one_has_typed_into_a_form_of_the_account_is_never_shown_to_another() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.bob().await;
    let page = alice.get("/account/profile").await.expect(200);
    let typed = [("name", "Wilhelmina"), ("day", "9")];
    alice.post_form("/logout", &[]).await.redirect();
    // Alice's tab is still open, and bob signs in where it leads.
    let login = alice.submit(&page, "form[action='/account/profile']", &typed).await.expect(401);
    let who = [("email", BOB), ("password", PASSWORD)];
    let back = alice.submit(&login, "form[action='/login']", &who).await;
    assert_eq!(app.count("tower_sessions.session where position('kept_form'::bytea in data) > 0").await, 0);
    assert!(!alice.follow(back).await.expect(200).body.contains("Wilhelmina"));
    // Nothing typed is nothing kept, and a form without a mark is nobody's.
    let guest = app.guest();
    guest.post_form("/account/profile", &[("name", "")]).await.expect(401);
    let login = guest.post_form("/account/profile", &typed).await.expect(401);
    let back = guest.submit(&login, "form[action='/login']", &who).await;
    assert!(!guest.follow(back).await.expect(200).body.contains("Wilhelmina"));
    app.finish().await;
}
