//! Sessions and devices: how long they last, and that their end counts in every process at once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jetbridge::{
    accounts::devices,
    error::AppError,
    ids::{DeviceId, UserId},
    web::{scopes::Scopes, session_cache::Sessions},
};
use jiff::SignedDuration;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection};
use tower_sessions::{Session, SessionStore, cookie::time::OffsetDateTime, session::Record};

use crate::helpers::{
    app::{ALICE, BOB, CAROL, PASSWORD, TestApp},
    browser::Browser,
};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const SECOND: SignedDuration = SignedDuration::from_secs(1);
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

/// The longest that an ended session may still be served anywhere.
const AT_ONCE: Duration = Duration::from_secs(1);

async fn is_in(browser: &Browser) -> bool {
    browser.get("/account").await.status == 200
}

/// Asks again until it is so, for no longer than a second.
pub async fn soon(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < AT_ONCE, "{what}: not within a second");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The process keeps this session: a page asks the database nothing for it.
///
/// A connection on its way back to the pool is nobody's for a moment: where no new one can be made, a page may have to wait.
async fn is_kept(app: &TestApp, browser: &Browser) -> bool {
    soon("a page", async || is_in(browser).await).await;
    app.statements.take();
    soon("the same page", async || is_in(browser).await).await;
    !app.statements.take().iter().any(|statement| statement.contains("tower_sessions"))
}

async fn user(app: &TestApp, email: &str) -> UserId {
    let id = app.texts(&format!("select id::text from auth.users where email = '{email}'")).await;
    id[0].parse().unwrap()
}

async fn only_device(app: &TestApp, email: &str) -> DeviceId {
    let all = devices::list(&app.db, user(app, email).await).await.unwrap();
    assert_eq!(all.len(), 1);
    all[0].id
}

#[tokio::test]
async fn whichever_process_ends_a_session_both_refuse_it_within_a_second() {
    let app = TestApp::start().await;
    let twin = app.twin().await;
    app.alice().await;
    let everywhere = "/logout/everywhere";
    for (here, way) in [(true, "/logout"), (false, "/logout"), (true, everywhere), (false, everywhere)] {
        let alice = app.sign_in(ALICE).await;
        let at_twin = twin.browser(&alice);
        for browser in [&alice, &at_twin] {
            soon("the session is kept", async || is_kept(&app, browser).await).await;
        }
        let (ends, hears) = if here { (&alice, &at_twin) } else { (&at_twin, &alice) };
        // A copy of the cookie, which the sign-out does not take out of the thief's hands.
        let thief = ends.copy();
        ends.post_form(way, &[]).await.redirect();
        assert!(!is_in(&thief).await, "{way}: the process itself must know at once");
        soon("the other process hears of it", async || !is_in(hears).await).await;
    }
    drop(twin);
    app.finish().await;
}

#[tokio::test]
async fn a_device_that_is_ended_from_another_is_out_in_both_processes_within_a_second() {
    let app = TestApp::start().await;
    let twin = app.twin().await;
    let lost = app.alice().await;
    let device = only_device(&app, ALICE).await;
    let hers = app.sign_in(ALICE).await;
    let lost_at_twin = twin.browser(&lost);
    for browser in [&lost, &lost_at_twin, &hers] {
        soon("the session is kept", async || is_kept(&app, browser).await).await;
    }
    devices::end(&app.db, user(&app, ALICE).await, device).await.unwrap();
    soon("here", async || !is_in(&lost).await).await;
    soon("there", async || !is_in(&lost_at_twin).await).await;
    assert!(is_in(&hers).await, "the other device stays");
    // Whoever looks after the site may end all at once.
    let all = "truncate tower_sessions.session, auth.devices, auth.token_families, auth.tokens";
    assert!(include_str!("../../DEPLOYMENT.md").contains(all));
    app.execute(all).await;
    soon("all are out", async || !is_in(&hers).await).await;
    drop(twin);
    app.finish().await;
}

/// The connections by which processes hear of changes.
const LISTENERS: &str =
    "from pg_stat_activity where application_name = 'jetbridge listener' and datname = current_database()";

async fn deafen(sql: &mut PgConnection) {
    let ended: Vec<bool> = sqlx::query_scalar(&format!("select pg_terminate_backend(pid) {LISTENERS}"))
        .fetch_all(&mut *sql)
        .await
        .unwrap();
    assert!(!ended.is_empty(), "nobody listens");
    soon("they are gone", async || {
        let left: i64 =
            sqlx::query_scalar(&format!("select count(*) {LISTENERS}")).fetch_one(&mut *sql).await.unwrap();
        left == 0
    })
    .await;
}

#[tokio::test]
async fn a_process_that_cannot_hear_asks_for_every_session_and_starts_afresh_when_it_can() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.alice().await, app.bob().await);
    for browser in [&alice, &bob] {
        soon("the session is kept", async || is_kept(&app, browser).await).await;
    }
    let mut sql = app.sql().await;
    // Nobody new gets in, so it stays deaf; connections that stand are not touched.
    let shut = |open: bool| {
        format!("update pg_database set datallowconn = {open} where datname = current_database()")
    };
    sqlx::raw_sql(&shut(false)).execute(&mut sql).await.unwrap();
    deafen(&mut sql).await;
    // Ended while nobody hears it.
    let end = "delete from auth.devices where user_id = (select id from auth.users where email = 'alice@example.com')";
    sqlx::raw_sql(end).execute(&mut sql).await.unwrap();
    soon("alice is out all the same", async || !is_in(&alice).await).await;
    for _ in 0..3 {
        assert!(!is_kept(&app, &bob).await, "kept, although no change would be heard");
    }
    sqlx::raw_sql(&shut(true)).execute(&mut sql).await.unwrap();
    soon("it hears again", async || is_kept(&app, &bob).await).await;
    assert!(!is_in(&alice).await);
    sql.close().await.unwrap();
    app.finish().await;
}

#[tokio::test]
async fn a_connection_that_dies_without_a_word_is_noticed_within_a_second() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    soon("the session is kept", async || is_kept(&app, &alice).await).await;
    let pid = app.texts(&format!("select pid::text {LISTENERS}")).await.remove(0);
    // It neither answers nor hangs up, as after a cable was cut.
    let send = |signal| kill(Pid::from_raw(pid.parse().unwrap()), signal).unwrap();
    send(Signal::SIGSTOP);
    app.execute("delete from auth.devices").await;
    soon("she is out all the same", async || !is_in(&alice).await).await;
    send(Signal::SIGCONT);
    app.finish().await;
}

#[tokio::test]
async fn what_the_database_tells_of_a_session_is_no_key_to_it() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let id = alice.cookie("session").unwrap();
    let mut ear = app.db.listen("session_changed").await.unwrap();
    alice.post_form("/logout", &[]).await.redirect();
    assert_eq!(ear.next().await.unwrap(), hex::encode(Sha256::digest(&id)));
    drop(ear);
    app.finish().await;
}

#[tokio::test]
async fn a_request_under_way_does_not_bring_an_ended_session_back() {
    let app = TestApp::start().await;
    let store = app.db.session_store();
    let expiry_date = OffsetDateTime::UNIX_EPOCH + tower_sessions::cookie::time::Duration::days(365 * 200);
    let mut record = Record { id: Default::default(), data: Default::default(), expiry_date };
    store.create(&mut record).await.unwrap();
    assert!(store.load(&record.id).await.unwrap().is_some());
    store.delete(&record.id).await.unwrap();
    store.save(&record).await.unwrap();
    assert_eq!(store.load(&record.id).await.unwrap(), None);
    app.finish().await;
}

#[tokio::test]
async fn a_traveller_who_stays_away_for_a_fortnight_signs_in_again() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.clock.advance(DAY * 14 - SECOND);
    assert!(is_in(&alice).await);
    app.clock.advance(DAY * 14 - SECOND);
    assert!(is_in(&alice).await, "the fortnight begins anew with each visit");
    app.clock.advance(DAY * 14);
    let page = alice.get("/account").await;
    assert_eq!(page.redirect(), "/login?next=%2Faccount");
    assert_eq!(alice.cookie("session"), None, "the cookie goes with the session");
    assert_eq!(app.count("tower_sessions.session").await, 0);
    assert_eq!(app.count("auth.devices").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_traveller_who_comes_daily_signs_in_again_after_ninety_days() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    for _ in 0..9 {
        assert!(is_in(&alice).await);
        app.clock.advance(DAY * 10 - SECOND);
    }
    assert!(is_in(&alice).await);
    app.clock.advance(SECOND * 9);
    assert!(!is_in(&alice).await);
    app.finish().await;
}

#[tokio::test]
async fn staff_sign_in_again_after_half_an_hour_of_silence_and_after_a_shift() {
    let app = TestApp::start().await;
    let carol = app.carol().await;
    let minute = SignedDuration::from_mins(1);
    for _ in 0..24 {
        assert_eq!(carol.get("/admin/bookings").await.status, 200);
        app.clock.advance(minute * 29);
    }
    assert!(is_in(&carol).await);
    app.clock.advance(minute * 24 - SECOND);
    assert!(is_in(&carol).await, "11 hours, 59 minutes, 59 seconds");
    app.clock.advance(SECOND);
    assert!(!is_in(&carol).await);
    let carol = app.sign_in(CAROL).await;
    app.clock.advance(minute * 30);
    carol.get("/admin/bookings").await.redirect();
    app.finish().await;
}

#[tokio::test]
async fn the_cookie_lasts_as_long_as_the_session_may_be_idle() {
    let app = TestApp::start().await;
    app.alice().await;
    app.carol().await;
    for (email, seconds) in [(ALICE, 14 * 24 * 3600), (CAROL, 30 * 60)] {
        let page = app.guest().post_form("/login", &[("email", email), ("password", PASSWORD)]).await;
        let cookie = page.set_cookie("session");
        assert!(
            cookie.contains(&format!("Max-Age={seconds};"))
                || cookie.ends_with(&format!("Max-Age={seconds}")),
            "{cookie}"
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn a_visit_is_written_down_once_in_five_minutes_and_for_staff_once_a_minute() {
    let app = TestApp::start().await;
    app.alice().await;
    app.carol().await;
    for (email, minutes) in [(ALICE, 5), (CAROL, 1)] {
        let browser = app.sign_in(email).await;
        let seen = format!(
            "select extract(epoch from max(d.seen_at))::bigint::text from auth.devices d join auth.users u on u.id = d.user_id where u.email = '{email}'"
        );
        let first = app.texts(&seen).await;
        app.clock.advance(SignedDuration::from_mins(minutes) - SECOND);
        assert!(is_in(&browser).await);
        assert_eq!(app.texts(&seen).await, first);
        app.clock.advance(SECOND);
        assert!(is_in(&browser).await);
        let second = app.texts(&seen).await;
        let since = second[0].parse::<i64>().unwrap() - first[0].parse::<i64>().unwrap();
        assert_eq!(since, minutes * 60, "{email}");
        soon("and then no more", async || is_kept(&app, &browser).await).await;
        assert_eq!(app.texts(&seen).await, second);
    }
    app.finish().await;
}

#[tokio::test]
async fn each_browser_is_a_device_in_words_of_its_owner_and_of_nobody_else() {
    let app = TestApp::start().await;
    app.alice().await;
    let browser = app.guest();
    browser.set_header("user-agent", FIREFOX);
    app.clock.advance(SECOND);
    browser.post_form("/login", &[("email", ALICE), ("password", PASSWORD)]).await.redirect();
    app.bob().await;
    let (alice, bob) = (user(&app, ALICE).await, user(&app, BOB).await);
    let hers = devices::list(&app.db, alice).await.unwrap();
    let words: Vec<&str> = hers.iter().map(|device| device.user_agent.as_str()).collect();
    assert_eq!(words, ["Firefox on Linux", "An unknown browser"]);
    assert_eq!(hers[0].signed_in_at, app.now());
    let his = devices::list(&app.db, bob).await.unwrap();
    assert_eq!(his.len(), 1);
    // Bob names hers, and there is no such thing for him.
    assert!(matches!(devices::end(&app.db, bob, hers[0].id).await, Err(AppError::NotFound)));
    devices::end_all(&app.db, bob, Some(his[0].id)).await.unwrap();
    assert!(is_in(&browser).await);
    devices::end_all(&app.db, alice, Some(hers[0].id)).await.unwrap();
    assert!(is_in(&browser).await);
    assert_eq!(devices::list(&app.db, alice).await.unwrap(), hers[..1]);
    devices::end_all(&app.db, alice, None).await.unwrap();
    soon("all of hers are out", async || !is_in(&browser).await).await;
    assert_eq!(devices::list(&app.db, bob).await.unwrap(), his);
    app.finish().await;
}

#[tokio::test]
async fn a_sign_out_takes_the_device_and_leaves_the_others() {
    let app = TestApp::start().await;
    let (one, other) = (app.alice().await, app.sign_in(ALICE).await);
    one.post_form("/logout", &[]).await.redirect();
    assert_eq!(app.count("auth.devices").await, 1);
    assert!(is_in(&other).await);
    assert!(!is_in(&one).await);
    app.finish().await;
}

#[tokio::test]
async fn an_id_that_the_browser_chose_is_never_taken_on() {
    let app = TestApp::start().await;
    app.alice().await;
    let chosen = "CCCCCCCCCCCCCCCCCCCCCA";
    let victim = app.guest();
    victim.set_cookie("session", chosen);
    for address in ["/", "/login", "/account"] {
        victim.get(address).await;
        victim.set_cookie("session", chosen);
    }
    victim.post_form("/login", &[("email", ALICE), ("password", PASSWORD)]).await.redirect();
    assert!(is_in(&victim).await);
    assert_eq!(app.count(&format!("tower_sessions.session where id = '{chosen}'")).await, 0);
    // Nor one that was the site's own before the sign-in.
    let (dora, _) = app.dora().await;
    let before = dora.cookie("session").unwrap();
    dora.post_form("/login", &[("email", ALICE), ("password", PASSWORD)]).await.redirect();
    assert_ne!(dora.cookie("session").unwrap(), before);
    assert_eq!(app.count(&format!("tower_sessions.session where id = '{before}'")).await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_password_that_is_changed_while_it_is_checked_signs_nobody_in() {
    let app = TestApp::start().await;
    app.alice().await;
    let browser = app.guest();
    let form = [("email", ALICE), ("password", PASSWORD)];
    // The new one is there already, but nobody sees it before it is committed.
    let mut sql = app.sql().await;
    let change = "begin; update auth.users set password_hash = password_hash || 'A'";
    sqlx::raw_sql(change).execute(&mut sql).await.unwrap();
    let sign_in = async { browser.post_form("/login", &form).await };
    let commit = async {
        app.until_somebody_waits().await;
        sqlx::raw_sql("commit").execute(&mut sql).await.unwrap();
    };
    let (page, ()) = tokio::join!(sign_in, commit);
    page.expect(401);
    assert!(!is_in(&browser).await);
    assert_eq!(app.count("auth.devices").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn whoever_signs_in_after_another_finds_nothing_of_theirs() {
    let app = TestApp::start().await;
    let browser = app.alice().await;
    app.bob().await;
    let alices = browser.cookie("session").unwrap();
    browser.post_form("/login", &[("email", BOB), ("password", PASSWORD)]).await.redirect();
    browser.get("/account").await.expect(200).says(BOB);
    let thief = app.guest();
    thief.set_cookie("session", &alices);
    assert!(!is_in(&thief).await);
    assert_eq!(devices::list(&app.db, user(&app, ALICE).await).await.unwrap(), []);
    app.finish().await;
}

#[tokio::test]
async fn a_renewed_session_keeps_its_device_and_one_that_was_ended_meanwhile_is_not_renewed() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let device = only_device(&app, ALICE).await;
    let store = Arc::new(Sessions::new(app.db.clone()));
    let id = alice.cookie("session").unwrap().parse().unwrap();
    let session = Session::new(Some(id), Arc::clone(&store), None);
    session.cycle_id().await.unwrap();
    session.save().await.unwrap();
    assert!(!is_in(&alice).await, "the id before opens nothing");
    let renewed = app.guest();
    renewed.set_cookie("session", &session.id().unwrap().to_string());
    assert!(is_in(&renewed).await);
    assert_eq!(only_device(&app, ALICE).await, device);
    // A request is in the middle of renewing when the owner ends the device.
    let thiefs = Session::new(session.id(), store, None);
    assert!(thiefs.get_value("user").await.unwrap().is_some());
    devices::end(&app.db, user(&app, ALICE).await, device).await.unwrap();
    thiefs.cycle_id().await.unwrap();
    assert!(thiefs.save().await.is_err());
    assert_eq!(app.count("tower_sessions.session").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn devices_whose_session_ran_out_are_swept_away() {
    let app = TestApp::start().await;
    app.alice().await;
    app.execute("update tower_sessions.session set expiry_date = now() - interval '1 second'").await;
    tower_sessions::ExpiredDeletion::delete_expired(&app.db.session_store()).await.unwrap();
    app.sweep().await;
    assert_eq!(app.count("auth.devices").await, 1, "it might be changing its id");
    app.clock.advance(SignedDuration::from_hours(2));
    app.sweep().await;
    assert_eq!(app.count("auth.devices").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn the_statement_for_one_person_in_the_papers_signs_them_out_everywhere_and_nobody_else() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.alice().await, app.bob().await);
    let id = user(&app, ALICE).await;
    app.issue(id, Scopes::ALL).await.unwrap();
    let paper = include_str!("../../DEPLOYMENT.md");
    let statement = paper.split("To sign out one person").nth(1).unwrap().split("```").nth(1).unwrap();
    app.execute(&statement.trim_start_matches("sql").replace('…', ALICE)).await;
    soon("alice is out", async || !is_in(&alice).await).await;
    assert_eq!(app.count("auth.token_families").await, 0);
    assert!(is_in(&bob).await);
    app.finish().await;
}

#[tokio::test]
async fn who_has_become_staff_since_they_signed_in_signs_in_again_first() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.execute("update auth.users set staff_role = 'owner'").await;
    alice.get("/admin/bookings").await.expect(403);
    app.sign_in(ALICE).await.get("/admin/bookings").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn another_role_or_password_by_the_command_line_signs_out_and_the_same_again_does_not() {
    let app = TestApp::start().await;
    let carol = app.carol().await;
    let again = app.carol().await;
    assert!(is_in(&carol).await && is_in(&again).await);
    let passwords = jetbridge::accounts::Passwords::new().unwrap();
    let make = async |password: &str, role: &str| {
        jetbridge::accounts::make_staff(&app.db, &app.clock, &passwords, CAROL, password.into(), role)
            .await
            .unwrap();
    };
    make(PASSWORD, "viewer").await;
    soon("another role", async || !is_in(&carol).await && !is_in(&again).await).await;
    let carol = app.sign_in(CAROL).await;
    make("another long good password 9", "viewer").await;
    soon("another password", async || !is_in(&carol).await).await;
    app.finish().await;
}
