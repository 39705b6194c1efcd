//! What people do to each other through us: keep an owner out, fill a stranger's mailbox, wear a machine down with right
//! passwords. And what those see who come too often: their own form again, with how long to wait.

use jiff::SignedDuration;
use serde_json::json;

use crate::helpers::{
    app::{ALICE, BOB, PASSWORD, TestApp},
    browser::Browser,
    page::Page,
};

const BEHIND_A_PROXY: [(&str, &str); 1] = [("TRUSTED_PROXY_HOPS", "1")];
const WRONG: &str = "a wrong guess of mine";
const STRANGER: &str = "victor@example.net";

/// Somebody at this address, as our proxy passes them on.
fn at(app: &TestApp, address: &str) -> Browser {
    let browser = app.guest();
    browser.set_header("x-forwarded-for", address);
    browser
}

async fn log_in(browser: &Browser, email: &str, password: &str) -> Page {
    browser.post_form("/login", &[("email", email), ("password", password)]).await
}

async fn program_signs_in(app: &TestApp, address: &str) -> u16 {
    let body = json!({ "email": ALICE, "password": PASSWORD }).to_string();
    at(app, address).post("/api/auth/login", "application/json", body).await.status.as_u16()
}

#[track_caller]
fn wait_of(page: &Page) -> i64 {
    assert_eq!(page.status, 429, "{}", page.words());
    page.header("retry-after").unwrap().parse().unwrap()
}

#[tokio::test]
async fn guesses_from_elsewhere_never_make_the_owner_wait_at_a_new_device_or_in_a_program() {
    let app = TestApp::start_with(&BEHIND_A_PROXY).await;
    app.alice().await;
    // One network guesses until it has to wait for a quarter of an hour.
    let attacker = at(&app, "192.0.2.1");
    let mut waits = Vec::new();
    while waits.last() != Some(&900) {
        let page = log_in(&attacker, ALICE, WRONG).await;
        if page.status == 429 {
            waits.push(wait_of(&page));
            app.clock.advance(SignedDuration::from_secs(wait_of(&page)));
        }
    }
    log_in(&attacker, ALICE, WRONG).await.expect(422);
    assert!(wait_of(&log_in(&attacker, ALICE, WRONG).await) > 800);
    log_in(&at(&app, "192.0.2.2"), ALICE, PASSWORD).await.redirect();
    assert_eq!(program_signs_in(&app, "192.0.2.3").await, 200);
    // Many networks guess together: each has its first tries, then all of them share a wait of seconds.
    for host in 10..25 {
        for _ in 0..3 {
            log_in(&at(&app, &format!("192.0.2.{host}")), ALICE, WRONG).await.expect(422);
        }
    }
    let mut waiting = 0;
    for host in 10..25 {
        let page = log_in(&at(&app, &format!("192.0.2.{host}")), ALICE, WRONG).await;
        if page.status == 429 {
            assert!((1..=8).contains(&wait_of(&page)), "{}", page.words());
            waiting += 1;
        }
    }
    assert!(waiting >= 5, "{waiting}");
    for host in 30..36 {
        log_in(&at(&app, &format!("192.0.2.{host}")), ALICE, PASSWORD).await.redirect();
        assert_eq!(program_signs_in(&app, &format!("192.0.2.{host}")).await, 200);
    }
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn a_new_password_by_mail_ends_the_waits_of_its_owner_in_every_network() {
    let app = TestApp::start_with(&BEHIND_A_PROXY).await;
    app.alice().await;
    for address in ["192.0.2.1", "192.0.2.2"] {
        while log_in(&at(&app, address), ALICE, WRONG).await.status != 429 {}
    }
    let phone = at(&app, "192.0.2.1");
    phone.post_form("/reset", &[("email", ALICE)]).await.redirect();
    let link = app.mailed_link(ALICE, "/reset/").await;
    let new = "ozone lattice cabinet plover";
    phone.post_form(&link, &[("password", new)]).await.redirect();
    for address in ["192.0.2.1", "192.0.2.2"] {
        log_in(&at(&app, address), ALICE, new).await.redirect();
    }
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn whoever_owns_a_whole_48_of_ipv6_guesses_no_more_than_anybody_and_others_do_not_notice() {
    let app = TestApp::start_with(&BEHIND_A_PROXY).await;
    app.alice().await;
    // At one address: every /64 of a /48 is the same guesser.
    let mut answers = Vec::new();
    for net in 0..8 {
        answers
            .push(log_in(&at(&app, &format!("2001:db8:1:{net:x}::1")), ALICE, WRONG).await.status.as_u16());
    }
    assert_eq!(answers, [422, 422, 422, 422, 422, 429, 429, 429]);
    // At everything else: some times what one /64 may, and no more.
    let mut taken = 0;
    'all: for net in 0..200 {
        for email in 0..3 {
            let reset = [("email", format!("n{net}.{email}@example.com"))];
            let reset = [("email", reset[0].1.as_str())];
            let page = at(&app, &format!("2001:db8:2:{net:x}::1")).post_form("/reset", &reset).await;
            if page.status == 429 {
                break 'all;
            }
            taken += 1;
        }
    }
    assert!((30..=300).contains(&taken), "{taken}");
    at(&app, "2001:db8:3::1").post_form("/reset", &[("email", ALICE)]).await.redirect();
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn right_passwords_are_counted_too_and_whoever_types_them_without_end_has_to_wait() {
    let app = TestApp::start_with(&BEHIND_A_PROXY).await;
    app.alice().await;
    app.bob().await;
    let script = at(&app, "192.0.2.1");
    let mut signed_in = 0;
    let page = loop {
        let page = log_in(&at(&app, "192.0.2.1"), ALICE, PASSWORD).await;
        if page.status != 303 || signed_in > 200 {
            break page;
        }
        signed_in += 1;
    };
    assert!((50..=200).contains(&signed_in), "{signed_in}");
    wait_of(&page);
    // Not for others behind the same address, nor for the same account elsewhere.
    log_in(&script, BOB, PASSWORD).await.redirect();
    let alice = at(&app, "192.0.2.2");
    log_in(&alice, ALICE, PASSWORD).await.redirect();
    // Inside of a session it is the same.
    let mut proved = 0;
    loop {
        let page = alice.post_form("/reauthenticate", &[("password", PASSWORD)]).await;
        if page.status != 303 || proved > 200 {
            wait_of(&page);
            break;
        }
        proved += 1;
    }
    assert!((20..=200).contains(&proved), "{proved}");
    // However often somebody signs in, no table grows without end.
    assert!(app.count("auth.devices").await <= 52, "{}", app.count("auth.devices").await);
    assert_eq!(app.count("auth.devices").await, app.count("tower_sessions.session").await);
    app.finish().await;
}

#[tokio::test]
async fn the_programs_of_an_account_are_fifty_and_the_one_that_signed_in_first_gives_way() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.execute(
        "insert into auth.token_families (id, user_id, scopes, created_at, expires_at)
         select gen_random_uuid(), u.id, array['account:read'], '2026-11-01'::timestamptz + n * interval '1 hour', '2100-01-01'
           from auth.users u, generate_series(1, 60) as n",
    )
    .await;
    assert_eq!(app.count("auth.token_families").await, 50);
    assert_eq!(app.count("auth.token_families where created_at < '2026-11-01 11:00Z'").await, 0);
    alice.get("/account").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_reset_link_is_no_machine_for_hashing() {
    let app = TestApp::start().await;
    app.alice().await;
    app.guest().post_form("/reset", &[("email", ALICE)]).await.redirect();
    let link = app.mailed_link(ALICE, "/reset/").await;
    let browser = app.guest();
    app.statements.take_all();
    browser.post_form(&link, &[("password", "password12")]).await.expect(422).field_error("password");
    assert_eq!(app.statements.take_all().1, 0, "a weak password is hashed");
    let mut tries = 0;
    let page = loop {
        let page = browser.post_form(&link, &[("password", PASSWORD)]).await;
        if page.status != 422 || tries > 50 {
            break page;
        }
        page.field_error("password");
        tries += 1;
    };
    assert!((3..=50).contains(&tries), "{tries}");
    let wait = wait_of(&page);
    page.says("Choose a new password");
    app.clock.advance(SignedDuration::from_secs(wait));
    browser.post_form(&link, &[("password", "ozone lattice cabinet plover")]).await.redirect();
    app.run_jobs().await;
    app.finish().await;
}

/// So many mails of this kind stand for this address.
async fn owed(app: &TestApp, kind: &str, to: &str) -> i64 {
    app.count(&format!("mails where kind = '{kind}' and to_address = '{to}'")).await
}

#[tokio::test]
async fn an_account_cannot_fill_the_mailbox_of_a_stranger() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let change = async |to: &str| {
        app.clock.advance(SignedDuration::from_secs(1));
        alice.post_form("/account/email", &[("email", to), ("password", PASSWORD)]).await
    };
    for hour in 0..8 {
        for _ in 0..4 {
            change(STRANGER).await;
        }
        app.clock.advance(SignedDuration::from_hours(1));
        assert!(hour > 0 || owed(&app, "email_change", STRANGER).await <= 3);
    }
    let to_stranger = owed(&app, "email_change", STRANGER).await;
    assert!((3..=12).contains(&to_stranger), "{to_stranger}");
    // Nor those of many strangers, nor their own by new passwords.
    app.clock.advance(SignedDuration::from_hours(48));
    for host in 0..30 {
        change(&format!("n{host}@example.net")).await;
    }
    let to_many = app.count("mails where kind = 'email_change' and to_address like 'n%@example.net'").await;
    assert!((3..=10).contains(&to_many), "{to_many}");
    let refused = change("last@example.net").await;
    wait_of(&refused);
    assert_eq!(refused.value("form[action='/account/email']", "email"), "last@example.net");
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn bookings_that_nobody_pays_for_do_not_fill_the_mailbox_that_somebody_typed() {
    let app = TestApp::start().await;
    for _ in 0..7 {
        let (dora, reference) = app.dora().await;
        app.press_pay(&dora, &reference).await;
    }
    app.run_jobs().await;
    for _ in 0..20 {
        app.clock.advance(SignedDuration::from_mins(5));
        app.settle().await;
    }
    assert_eq!(app.count("bookings where booking_status = 'expired'").await, 7);
    assert_eq!(owed(&app, "hold_expired", "maria@example.com").await, 5);
    app.finish().await;
}

#[tokio::test]
async fn many_wishes_for_a_link_at_once_are_one_mail() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.execute("update auth.users set email_verified_at = null").await;
    let twin = app.twin().await;
    let elsewhere = twin.browser(&alice);
    let ask = async |browser: &Browser| browser.post_form("/account/verification", &[]).await.status.as_u16();
    let mut answers = Vec::new();
    for _ in 0..4 {
        let (a, b, c, d) = tokio::join!(ask(&alice), ask(&elsewhere), ask(&alice), ask(&elsewhere));
        answers.extend([a, b, c, d]);
    }
    assert_eq!(answers.iter().filter(|status| **status == 303).count(), 1, "{answers:?}");
    assert_eq!(owed(&app, "verify_email", ALICE).await, 1);
    // All day long: some, and not one a minute.
    for _ in 0..200 {
        app.clock.advance(SignedDuration::from_secs(61));
        ask(&alice).await;
    }
    let sent = owed(&app, "verify_email", ALICE).await;
    assert!((3..=15).contains(&sent), "{sent}");
    drop(twin);
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn whoever_is_told_to_wait_sees_their_form_again_with_the_address_and_never_the_password() {
    let app = TestApp::start().await;
    app.alice().await;
    let browser = app.guest();
    let login = loop {
        let page = log_in(&browser, ALICE, WRONG).await;
        if page.status == 429 {
            break page;
        }
    };
    assert_eq!(login.value("form[action='/login']", "email"), ALICE);
    login.says("several tries with a wrong password").says("Try again in 1 second");
    assert!(login.has("[role=alert]") && login.has("main h1"));
    assert!(!login.body.contains(WRONG) && !login.words().contains("Search for flights"));
    let mut told = Vec::new();
    for email in [ALICE, "nobody@example.com"] {
        let reset = loop {
            let page = browser.post_form("/reset", &[("email", email)]).await;
            if page.status == 429 {
                break page;
            }
        };
        assert_eq!(reset.value("form[action='/reset']", "email"), email);
        reset.says("Try again in");
        assert!(!reset.words().contains("We have sent"), "{}", reset.words());
        told.push(reset.words().replace(email, ""));
    }
    assert_eq!(told[0], told[1]);
    let form = [("name", "Nobody"), ("email", "nobody@example.com"), ("password", PASSWORD)];
    let signup = loop {
        let page = browser.post_form("/signup", &form).await;
        if page.status == 429 {
            break page;
        }
    };
    assert_eq!(signup.value("form[action='/signup']", "email"), "nobody@example.com");
    assert_eq!(signup.value("form[action='/signup']", "name"), "Nobody");
    assert!(!signup.body.contains(PASSWORD));
    let alice = app.sign_in_later(ALICE).await;
    app.execute("update auth.users set email_verified_at = null").await;
    alice.post_form("/account/verification", &[]).await.redirect();
    let account = alice.post_form("/account/verification", &[]).await.expect(429);
    account.says("Try again in").says("Your account");
    assert!(!account.words().contains("Search for flights"));
    app.abandon_jobs();
    app.finish().await;
}

impl TestApp {
    /// After everything that was typed wrong before is forgotten.
    async fn sign_in_later(&self, email: &str) -> Browser {
        self.clock.advance(SignedDuration::from_hours(25));
        self.sign_in(email).await
    }
}

#[tokio::test]
async fn tries_to_find_a_booking_do_not_shut_out_its_guest() {
    let app = TestApp::start_with(&BEHIND_A_PROXY).await;
    let (_, reference) = app.dora().await;
    for host in 1..=5 {
        for guess in 0..6 {
            let email = format!("guess{guess}@example.com");
            let typed = [("reference", reference.as_str()), ("family", "Duarte"), ("email", email.as_str())];
            at(&app, &format!("192.0.2.{host}")).post_form("/find", &typed).await.redirect();
        }
    }
    let typed = [("reference", reference.as_str()), ("family", "Duarte"), ("email", "maria@example.com")];
    at(&app, "192.0.2.77").post_form("/find", &typed).await.redirect();
    app.run_jobs().await;
    assert_eq!(app.mailbox.list().len(), 1);
    // The same three again and again: the form comes back.
    let page = loop {
        let page = at(&app, "192.0.2.78").post_form("/find", &typed).await;
        if page.status == 429 {
            break page;
        }
    };
    assert_eq!(page.value("form[action='/find']", "email"), "maria@example.com");
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn a_booking_link_ends_at_its_hour_whether_or_not_the_worker_has_come() {
    let app = TestApp::start().await;
    let (dora, reference) = app.dora().await;
    let page = format!("/bookings/{reference}");
    dora.get(&page).await.expect(200);
    app.execute(
        "update booking_links set expires_at = '2026-11-23 09:00:30Z', created_at = '2026-11-23 08:00Z'",
    )
    .await;
    app.clock.advance(SignedDuration::from_secs(29));
    dora.get(&page).await.expect(200);
    app.clock.advance(SignedDuration::from_secs(1));
    dora.get(&page).await.redirect();
    assert_eq!(app.count("booking_links").await, 1, "not swept yet");
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn a_round_that_fails_holds_up_no_other_and_is_told_to_a_person_after_a_day() {
    let app = TestApp::start().await;
    app.dora().await;
    app.sweep().await;
    app.execute("update booking_links set expires_at = created_at + interval '1 second'").await;
    app.execute("alter table auth.tokens rename to gone_missing").await;
    app.clock.advance(SignedDuration::from_hours(23));
    app.try_to_sweep().await;
    assert_eq!(app.count("booking_links").await, 0, "the links wait for the tokens");
    assert_eq!(app.attention().await, Vec::<String>::new());
    app.clock.advance(SignedDuration::from_hours(2));
    app.try_to_sweep().await;
    assert_eq!(app.attention().await, ["round_late"]);
    app.execute("alter table auth.gone_missing rename to tokens").await;
    app.sweep().await;
    assert_eq!(app.texts("select subject from attention_items").await, ["tokens"]);
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn what_was_typed_to_find_a_booking_is_forgotten_even_if_its_job_died() {
    let app = TestApp::start().await;
    let typed = [("reference", "K7WQ4M"), ("family", "Duarte"), ("email", ALICE)];
    app.guest().post_form("/find", &typed).await.redirect();
    app.execute("update outbox set state = 'dead', finished_at = now()").await;
    app.clock.advance(SignedDuration::from_hours(23));
    app.sweep().await;
    assert_eq!(app.count("booking_finds").await, 1);
    app.clock.advance(SignedDuration::from_hours(2));
    app.sweep().await;
    assert_eq!(app.count("booking_finds").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_booking_link_opens_also_where_somebody_was_signed_out_a_moment_ago() {
    let app = TestApp::start().await;
    let (_, reference) = app.dora().await;
    let typed = [("reference", reference.as_str()), ("family", "Duarte"), ("email", "maria@example.com")];
    app.guest().post_form("/find", &typed).await.redirect();
    let link = app.mailed_link("maria@example.com", "/booking-link/").await;
    let alice = app.alice().await;
    // As this process still sees it: the device is gone, the session is about to follow.
    app.execute("alter table auth.devices disable trigger devices_end_session; delete from auth.devices")
        .await;
    let to = alice.get(&link).await.redirect();
    alice.get(&to).await.expect(200).says(&reference);
    alice.get("/account").await.redirect();
    app.finish().await;
}

#[tokio::test]
async fn wrong_recovery_codes_never_make_the_app_wait_and_a_right_one_ends_the_wait() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let phone = app.second_factor(&alice).await;
    let half_way = async || {
        let browser = app.guest();
        log_in(&browser, ALICE, PASSWORD).await.redirect();
        browser
    };
    let like_one: String =
        phone.recovery_codes[0].chars().map(|c| if c == '-' { '-' } else { 'A' }).collect();
    for _ in 0..12 {
        half_way().await.post_form("/login/code", &[("code", &like_one)]).await.expect(422);
    }
    let code = app.fresh_code(&phone);
    half_way().await.post_form("/login/code", &[("code", &code)]).await.redirect();
    // Wrong codes of the app do; a recovery code that opens ends that.
    for _ in 0..8 {
        let wrong = phone.wrong_code(app.now());
        half_way().await.post_form("/login/code", &[("code", &wrong)]).await.expect(422);
    }
    let browser = half_way().await;
    let page = browser.post_form("/login/code", &[("code", &phone.wrong_code(app.now()))]).await.expect(422);
    assert!(page.field_error("code").contains("Too many wrong codes"), "{}", page.words());
    browser.post_form("/login/code", &[("code", &phone.recovery_codes[1])]).await.redirect();
    let code = app.fresh_code(&phone);
    half_way().await.post_form("/login/code", &[("code", &code)]).await.redirect();
    app.abandon_jobs();
    app.finish().await;
}
