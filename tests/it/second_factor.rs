//! The second factor: what opens, what does not, and for how long.

use jetbridge::accounts::second_factor;
use jiff::SignedDuration;

use super::helpers::{
    app::{ALICE, BOB, PASSWORD, TestApp},
    authenticator::Authenticator,
    browser::Browser,
    page::Page,
};
use crate::sessions::soon;

/// Shows the password in a new browser, and stands before the question for the code.
async fn half_way(app: &TestApp) -> Browser {
    let browser = app.guest();
    let form = [("email", ALICE), ("password", PASSWORD), ("next", "/account/devices?from=x")];
    assert_eq!(browser.post_form("/login", &form).await.redirect(), "/login/code");
    browser
}

async fn type_code(browser: &Browser, code: &str) -> Page {
    browser.post_form("/login/code", &[("code", code)]).await
}

async fn is_signed_in(browser: &Browser) -> bool {
    browser.get("/account").await.status == 200
}

#[tokio::test]
async fn after_the_setup_a_password_alone_opens_nothing_and_the_code_opens() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let elsewhere = app.sign_in(ALICE).await;
    alice.get("/account/second-factor").await.expect(200).says("authenticator app");
    let phone = app.second_factor(&alice).await;
    assert!(is_signed_in(&alice).await);
    assert!(!is_signed_in(&elsewhere).await, "a browser from before is still signed in");
    let browser = half_way(&app).await;
    assert!(!is_signed_in(&browser).await, "half-way is not signed in");
    let page = browser.get("/login/code").await.expect(200);
    let before = browser.cookie("session");
    let code = app.fresh_code(&phone);
    let to = browser.submit(&page, "main form", &[("code", &code)]).await.redirect();
    assert_eq!(to, "/account/devices?from=x");
    assert!(is_signed_in(&browser).await);
    assert_ne!(browser.cookie("session"), before, "the session keeps its id");
    app.finish().await;
}

#[tokio::test]
async fn a_setup_counts_only_after_a_right_code_and_for_its_own_account() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.alice().await, app.bob().await);
    for email in [ALICE, BOB] {
        app.prove_address(email).await;
    }
    let setup = alice.get("/account/second-factor/setup").await.expect(200);
    assert!(setup.has("svg.qr"));
    let phone = Authenticator::reading(&setup);
    let wrong = phone.wrong_code(app.now());
    let page = alice.submit(&setup, "main form", &[("code", &wrong)]).await.expect(422);
    assert!(page.field_error("code").contains("not right"));
    assert_eq!(page.text(".secret"), setup.text(".secret"), "the form shows another secret");
    assert!(!page.body.contains(&wrong), "a typed code comes back");
    assert_eq!(app.count("auth.second_factors").await, 0);
    // Somebody else's sealed secret is worth nothing, and an old one neither.
    let sealed = setup.value("main form", "setup");
    let code = phone.code(app.now());
    let stolen = [("setup", sealed.as_str()), ("code", code.as_str())];
    assert_eq!(
        bob.post_form("/account/second-factor/setup", &stolen).await.redirect(),
        "/account/second-factor/setup"
    );
    for nonsense in ["", "x", "%00", &"A".repeat(5_000)] {
        let form = [("setup", nonsense), ("code", code.as_str())];
        bob.post_form("/account/second-factor/setup", &form).await.redirect();
    }
    assert_eq!(app.count("auth.second_factors").await, 0);
    alice.submit(&page, "main form", &[("code", &code)]).await.redirect();
    // What lies in the database makes no codes.
    let stored = app.texts("select encode(secret, 'base64') || user_id::text from auth.second_factors").await;
    assert_eq!(stored.len(), 1);
    let plain = setup.text(".secret").replace(' ', "");
    assert!(!stored[0].contains(&plain));
    assert_eq!(app.count("auth.recovery_codes where length(hash) = 32").await, 10);
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn a_code_opens_once_and_only_within_a_step_of_its_time() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let phone = app.second_factor(&alice).await;
    // The code that proved the setup is used up.
    let page = type_code(&half_way(&app).await, &phone.code(app.now())).await.expect(422);
    assert!(page.field_error("code").contains("used before"));
    app.clock.advance(SignedDuration::from_mins(10));
    for (seconds, opens) in [(-60, false), (60, false), (-30, true), (0, true), (30, true)] {
        let code = phone.code(app.now() + SignedDuration::from_secs(seconds));
        let browser = half_way(&app).await;
        let page = type_code(&browser, &code).await;
        assert_eq!(page.status.is_redirection(), opens, "{seconds}");
        assert_eq!(is_signed_in(&browser).await, opens, "{seconds}");
        if opens {
            let again = type_code(&half_way(&app).await, &code).await.expect(422);
            assert!(again.field_error("code").contains("used before"), "{seconds}");
        }
    }
    // An older one than the last is not taken either.
    type_code(&half_way(&app).await, &phone.code(app.now())).await.expect(422);
    app.finish().await;
}

#[tokio::test]
async fn a_recovery_code_opens_once_and_says_how_many_are_left() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let phone = app.second_factor(&alice).await;
    let typed = phone.recovery_codes[3].to_lowercase().replace('-', " ");
    let browser = half_way(&app).await;
    let page = type_code(&browser, &typed).await;
    let page = browser.follow(page).await.expect(200);
    page.says("9 of 10").says("recovery code");
    assert!(page.has("a[href='/account/devices?from=x']"));
    type_code(&half_way(&app).await, &phone.recovery_codes[3]).await.expect(422);
    // New ones end the old ones.
    let page = browser.get("/account/second-factor").await.expect(200);
    let done = browser.submit(&page, "form[action$='/codes']", &[]).await;
    let shown = browser.follow(done).await.expect(200);
    let new = shown.texts(".codes li");
    assert_eq!(new.len(), 10);
    assert!(shown.attr("a[download]", "href").contains(&new[9]));
    type_code(&half_way(&app).await, &phone.recovery_codes[0]).await.expect(422);
    type_code(&half_way(&app).await, &new[0]).await.redirect();
    app.finish().await;
}

#[tokio::test]
async fn after_five_wrong_codes_the_password_is_asked_for_again_and_soon_the_next_try_waits() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let phone = app.second_factor(&alice).await;
    app.clock.advance(SignedDuration::from_secs(30));
    let wrong = phone.wrong_code(app.now());
    let browser = half_way(&app).await;
    for _ in 0..4 {
        type_code(&browser, &wrong).await.expect(422);
    }
    type_code(&browser, &wrong).await.expect(422).says("last try");
    assert_eq!(type_code(&browser, &phone.code(app.now())).await.redirect(), "/login");
    // The count stays with the account: a new sign-in does not begin anew.
    let browser = half_way(&app).await;
    type_code(&browser, &wrong).await.expect(422);
    let page = type_code(&browser, &phone.code(app.now())).await.expect(422);
    assert!(page.field_error("code").contains("Wait 30 seconds"), "{}", page.field_error("code"));
    // Nobody guesses a recovery code, so that nobody is shut out by wrong ones.
    let browser = half_way(&app).await;
    type_code(&browser, &phone.recovery_codes[0]).await.redirect();
    let code = app.fresh_code(&phone);
    type_code(&half_way(&app).await, &code).await.redirect();
    // A right one forgets them all.
    type_code(&half_way(&app).await, &wrong).await.expect(422);
    let code = app.fresh_code(&phone);
    type_code(&half_way(&app).await, &code).await.redirect();
    app.finish().await;
}

#[tokio::test]
async fn many_guesses_at_once_get_no_further_than_many_in_a_row() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let phone = app.second_factor(&alice).await;
    app.clock.advance(SignedDuration::from_secs(30));
    let wrong = phone.wrong_code(app.now());
    let mut browsers = Vec::new();
    for _ in 0..8 {
        browsers.push(half_way(&app).await);
    }
    let guess = |at: usize| type_code(&browsers[at], &wrong);
    tokio::join!(guess(0), guess(1), guess(2), guess(3), guess(4), guess(5), guess(6), guess(7));
    assert_eq!(app.texts("select wrong_tries::text from auth.second_factors").await, ["6"]);
    let page = type_code(&browsers[0], &phone.code(app.now())).await.expect(422);
    assert!(page.field_error("code").contains("Wait"));
    // The same right code in two browsers at once lets one of them in.
    app.clock.advance(SignedDuration::from_mins(2));
    let (one, two) = (half_way(&app).await, half_way(&app).await);
    let code = phone.code(app.now());
    let both = tokio::join!(type_code(&one, &code), type_code(&two, &code));
    let let_in = [both.0, both.1].iter().filter(|page| page.status.is_redirection()).count();
    assert_eq!(let_in, 1);
    app.finish().await;
}

#[tokio::test]
async fn half_way_ends_after_five_minutes_and_with_a_new_password() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let phone = app.second_factor(&alice).await;
    let browser = half_way(&app).await;
    app.clock.advance(SignedDuration::from_mins(5));
    assert_eq!(type_code(&browser, &phone.code(app.now())).await.redirect(), "/login");
    assert_eq!(browser.get("/login/code").await.redirect(), "/login");
    let browser = half_way(&app).await;
    app.execute("update auth.users set password_hash = password_hash || 'A'").await;
    let code = app.fresh_code(&phone);
    assert_eq!(type_code(&browser, &code).await.redirect(), "/login");
    assert!(!is_signed_in(&browser).await);
    app.finish().await;
}

#[tokio::test]
async fn a_replaced_app_opens_nothing_any_more() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let old = app.second_factor(&alice).await;
    let new = app.second_factor(&alice).await;
    app.clock.advance(SignedDuration::from_mins(2));
    type_code(&half_way(&app).await, &old.code(app.now())).await.expect(422);
    type_code(&half_way(&app).await, &old.recovery_codes[0]).await.expect(422);
    type_code(&half_way(&app).await, &new.code(app.now())).await.redirect();
    assert_eq!(app.count("auth.second_factors").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn only_password_and_code_together_remove_it() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let phone = app.second_factor(&alice).await;
    let remove = "form[action$='/remove']";
    let code = app.fresh_code(&phone);
    let page = alice.get("/account/second-factor").await.expect(200);
    let wrong = [("password", "not the password at all"), ("code", &*code)];
    let page = alice.submit(&page, remove, &wrong).await.expect(422);
    assert!(!page.field_error("password").is_empty());
    let wrong = phone.wrong_code(app.now());
    let page = alice.submit(&page, remove, &[("password", PASSWORD), ("code", &wrong)]).await.expect(422);
    assert!(!page.field_error("code").is_empty());
    // The right code was not spent on the wrong password.
    alice.submit(&page, remove, &[("password", PASSWORD), ("code", &code)]).await.redirect();
    alice.get("/account/second-factor").await.expect(200).says("Off");
    assert_eq!(app.count("auth.recovery_codes").await, 0);
    assert!(is_signed_in(&app.sign_in(ALICE).await).await);
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn what_is_grave_asks_again_after_five_minutes_and_comes_back_only_to_pages_of_ours() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.clock.advance(SignedDuration::from_mins(5));
    let setup = "/account/second-factor/setup";
    let to = alice.get(setup).await.redirect();
    assert_eq!(to, "/reauthenticate?next=%2Faccount%2Fsecond-factor%2Fsetup");
    let page = alice.get(&to).await.expect(200);
    let again =
        alice.submit(&page, "main form", &[("password", "not the password at all")]).await.expect(422);
    assert!(!again.field_error("password").is_empty());
    assert_eq!(alice.submit(&again, "main form", &[("password", PASSWORD)]).await.redirect(), setup);
    let phone = app.second_factor(&alice).await;
    // From now on a password is not enough.
    app.clock.advance(SignedDuration::from_mins(5));
    let page = alice.open(setup).await.expect(200);
    alice.submit(&page, "main form", &[("password", PASSWORD)]).await.expect(422);
    let code = phone.code(app.now());
    assert_eq!(alice.submit(&page, "main form", &[("code", &code)]).await.redirect(), setup);
    for evil in ["//evil.example", "https://evil.example/", "/\\evil.example", "/reauthenticate"] {
        let code = app.fresh_code(&phone);
        let form = [("next", evil), ("code", code.as_str())];
        assert_eq!(alice.post_form("/reauthenticate", &form).await.redirect(), "/bookings", "{evil}");
    }
    app.finish().await;
}

#[tokio::test]
async fn who_has_lost_everything_is_let_in_by_an_operator_and_signed_out_everywhere() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    assert_eq!(second_factor::reset(&app.db, ALICE, app.now()).await.unwrap(), None, "there is none yet");
    app.second_factor(&alice).await;
    assert_eq!(second_factor::reset(&app.db, "nobody@example.com", app.now()).await.unwrap(), None);
    assert!(second_factor::reset(&app.db, "ALICE@example.com", app.now()).await.unwrap().is_some());
    soon("the browser is out", async || !is_signed_in(&alice).await).await;
    assert!(is_signed_in(&app.sign_in(ALICE).await).await, "the password is enough again");
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn loading_the_page_with_recovery_codes_again_shows_the_same_codes_and_they_work() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.prove_address(ALICE).await;
    let setup = alice.open("/account/second-factor/setup").await.expect(200);
    let code = Authenticator::reading(&setup).code(app.now());
    let page = alice.submit(&setup, "main form", &[("code", &code)]).await;
    assert_eq!(page.redirect(), "/account/second-factor/codes");
    let shown = alice.get("/account/second-factor/codes").await.expect(200).texts(".codes li");
    assert_eq!(shown.len(), 10);
    // Loaded again, and the form sent again by going back.
    assert_eq!(alice.get("/account/second-factor/codes").await.texts(".codes li"), shown);
    assert_eq!(
        alice.submit(&setup, "main form", &[("code", &code)]).await.redirect(),
        "/account/second-factor/codes"
    );
    assert_eq!(alice.get("/account/second-factor/codes").await.texts(".codes li"), shown);
    // New ones for whoever asks, once for each time that they ask.
    let page = alice.get("/account/second-factor").await.expect(200);
    for _ in 0..2 {
        alice.submit(&page, "form[action$='/codes']", &[]).await.redirect();
    }
    let new = alice.get("/account/second-factor/codes").await.expect(200);
    let second = new.texts(".codes li");
    assert!(second.len() == 10 && second != shown);
    alice.submit(&page, "form[action$='/codes']", &[]).await.redirect();
    assert_eq!(alice.get("/account/second-factor/codes").await.texts(".codes li"), second);
    type_code(&half_way(&app).await, &shown[0]).await.expect(422);
    type_code(&half_way(&app).await, &second[0]).await.redirect();
    // Kept, and not shown again: nor to somebody who goes back.
    let kept = alice.submit(&new, "form[action$='/kept']", &[]).await;
    alice.follow(kept).await.expect(200).says("not shown again");
    let page = alice.get("/account/second-factor/codes").await.expect(200);
    assert!(page.texts(".codes li").is_empty());
    page.says("They were shown when they were made").says("9 of 10");
    let done = alice.submit(&page, "form[action$='/codes']", &[]).await;
    assert_eq!(alice.follow(done).await.texts(".codes li").len(), 10);
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn recovery_codes_wait_sealed_for_a_quarter_of_an_hour_and_only_while_they_are_the_newest() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let phone = app.second_factor(&alice).await;
    let rows = app.texts("select encode(data, 'escape') from tower_sessions.session").await;
    for code in &phone.recovery_codes {
        assert!(rows.iter().all(|row| !row.contains(code.as_str())), "a code lies in the session in plain");
    }
    // Made anew in another browser: what waits in this one would open nothing.
    let elsewhere = half_way(&app).await;
    let code = app.fresh_code(&phone);
    type_code(&elsewhere, &code).await.redirect();
    let page = elsewhere.get("/account/second-factor").await.expect(200);
    let done = elsewhere.submit(&page, "form[action$='/codes']", &[]).await;
    assert_eq!(elsewhere.follow(done).await.texts(".codes li").len(), 10);
    assert!(alice.get("/account/second-factor/codes").await.expect(200).texts(".codes li").is_empty());
    app.clock.advance(SignedDuration::from_mins(15));
    let code = app.fresh_code(&phone);
    elsewhere.post_form("/reauthenticate", &[("code", &code)]).await.redirect();
    let page = elsewhere.get("/account/second-factor/codes").await.expect(200);
    assert!(page.texts(".codes li").is_empty());
    app.finish().await;
}
