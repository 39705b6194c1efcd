//! Too often is too often over any number of processes; whoever is told to wait is told how long; nobody can keep somebody
//! else out; and one who knocks hard does not slow down those who only look.

use std::{
    cell::Cell,
    net::{IpAddr, Ipv4Addr},
    rc::Rc,
};

use jetbridge::limits::{Limits, Rule, Subject};
use jiff::SignedDuration;

use crate::helpers::{
    app::{ALICE, PASSWORD, REHEARSAL, TestApp},
    browser::Browser,
    page::Page,
    story::SEARCH,
};

const BEHIND_A_PROXY: [(&str, &str); 1] = [("TRUSTED_PROXY_HOPS", "1")];
const WRONG: &str = "a wrong guess of mine";

fn process(app: &TestApp) -> Limits {
    Limits::new(app.db.clone(), app.clock.clone(), app.vault.clone())
}

fn network(last: u8) -> Subject {
    Subject::network(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)))
}

/// Somebody at 192.0.2.`last`, as our proxy passes them on.
fn at(app: &TestApp, last: u8) -> Browser {
    let browser = app.guest();
    browser.set_header("x-forwarded-for", &format!("192.0.2.{last}"));
    browser
}

async fn log_in(browser: &Browser, email: &str, password: &str) -> Page {
    browser.post_form("/login", &[("email", email), ("password", password)]).await
}

/// How many seconds the page says to wait.
#[track_caller]
fn wait_of(page: &Page) -> i64 {
    assert_eq!(page.status, 429);
    page.header("retry-after").unwrap().parse().unwrap()
}

/// Takes as many as there are, by several processes at once.
async fn take_all(processes: &[Limits], rule: Rule, subject: &Subject) -> u32 {
    let take_alone = async |limits: &Limits| {
        let mut taken = 0;
        while limits.take(rule, subject).await.is_ok() {
            taken += 1;
        }
        taken
    };
    match processes {
        [one] => take_alone(one).await,
        [one, two] => {
            let (a, b) = tokio::join!(take_alone(one), take_alone(two));
            a + b
        }
        _ => panic!("one or two"),
    }
}

#[tokio::test]
async fn two_processes_together_never_allow_more_than_the_limit() {
    let app = TestApp::start().await;
    for rule in [Rule::SearchAddress, Rule::SignInAddress] {
        let processes = [process(&app), process(&app)];
        let limit = rule.limit();
        assert_eq!(take_all(&processes, rule, &network(1)).await, limit.burst, "{rule:?}");
        // Another network has its own.
        processes[0].take(rule, &network(2)).await.unwrap();
        // One comes back in each interval, for both together.
        let some = SignedDuration::try_from(limit.every * 7).unwrap();
        app.clock.advance(some);
        assert_eq!(take_all(&processes, rule, &network(1)).await, 7, "{rule:?}");
        // However long nobody asks, no more than a bucket.
        app.clock.advance(SignedDuration::from_hours(24));
        assert_eq!(take_all(&processes, rule, &network(1)).await, limit.burst, "{rule:?}");
    }
    app.finish().await;
}

#[tokio::test]
async fn every_rule_holds_what_its_figures_say_and_tells_a_wait_that_suffices() {
    let app = TestApp::start().await;
    for rule in Rule::ALL {
        let limits = [process(&app)];
        let before = take_all(&limits, rule, &network(1)).await;
        assert_eq!(before, rule.limit().burst, "{rule:?}");
        let error = limits[0].take(rule, &network(1)).await.unwrap_err();
        let jetbridge::error::AppError::TooMany(told) = error else { panic!("{rule:?}: {error}") };
        app.clock.advance(SignedDuration::from_secs(told.retry_after_seconds.into()));
        limits[0].take(rule, &network(1)).await.unwrap();
    }
    app.finish().await;
}

#[tokio::test]
async fn what_says_nothing_any_more_is_swept_out_and_no_address_is_ever_kept() {
    let app = TestApp::start_with(&BEHIND_A_PROXY).await;
    app.alice().await;
    log_in(&at(&app, 77), ALICE, WRONG).await.expect(422);
    at(&app, 77).get(SEARCH).await.expect(200);
    assert!(app.count("rate_limits").await >= 2 && app.count("sign_in_delays").await == 1);
    let kept = app
        .texts("select rate_limits::text || encode(subject, 'escape') from rate_limits union all select sign_in_delays::text || encode(subject, 'escape') from sign_in_delays")
        .await
        .join("\n");
    for clear in ["192.0.2.77", "192.0.2", "alice", "example.com"] {
        assert!(!kept.contains(clear), "{clear}");
    }
    app.sweep().await;
    assert!(app.count("sign_in_delays").await == 1, "swept while it still counts");
    app.clock.advance(SignedDuration::from_hours(25));
    app.sweep().await;
    assert_eq!((app.count("rate_limits").await, app.count("sign_in_delays").await), (0, 0));
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn whoever_searches_too_much_is_told_to_wait_and_others_are_not() {
    let app = TestApp::start_with(&BEHIND_A_PROXY).await;
    let (greedy, other) = (at(&app, 1), at(&app, 2));
    take_all(&[process(&app)], Rule::SearchAddress, &network(1)).await;
    let page = greedy.get(SEARCH).await;
    let wait = wait_of(&page);
    page.says("Too many searches came from your network").says("Wait");
    assert!(!page.body.contains("192.0.2.1"));
    // What the visitor writes in front of our proxy's entry changes nothing.
    greedy.set_header("x-forwarded-for", "192.0.2.2, 192.0.2.1");
    wait_of(&greedy.get(SEARCH).await);
    other.get(SEARCH).await.expect(200);
    // Who is signed in is not held to what others behind the same address do.
    app.alice().await;
    let alice = at(&app, 1);
    log_in(&alice, ALICE, PASSWORD).await.redirect();
    alice.get(SEARCH).await.expect(200);
    app.clock.advance(SignedDuration::from_secs(wait));
    at(&app, 1).get(SEARCH).await.expect(200);
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn bookings_are_limited_by_network_and_by_account() {
    let app = TestApp::start_with(&BEHIND_A_PROXY).await;
    app.alice().await;
    let alice = at(&app, 1);
    log_in(&alice, ALICE, PASSWORD).await.redirect();
    let offer = alice.get(SEARCH).await.expect(200).attr("a[href^='/offers/']", "href");
    let offer = [("offer", offer.trim_start_matches("/offers/"))];
    take_all(&[process(&app)], Rule::BookingAddress, &network(2)).await;
    wait_of(&at(&app, 2).post_form("/bookings", &offer).await);
    alice.post_form("/bookings", &offer).await.redirect();
    let user = app.texts("select id::text from auth.users").await[0].parse().unwrap();
    take_all(&[process(&app)], Rule::BookingAccount, &Subject::user(user)).await;
    wait_of(&alice.post_form("/bookings", &offer).await);
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn unsigned_webhooks_are_limited_and_signed_ones_never() {
    let app = TestApp::start().await;
    let body = r#"{"id":"evt_1","object":"event","type":"jetbridge.unknown","created":1795424400,"livemode":false,
        "api_version":"2026-09-30.endive","pending_webhooks":1,"request":null,
        "data":{"object":{"object":"customer","id":"cus_1"}}}"#;
    let post = async |signature: &str| {
        let stripe = app.guest();
        stripe.set_header("stripe-signature", signature);
        stripe.post_from_elsewhere_raw("/webhooks/stripe", "application/json", body.to_owned()).await
    };
    take_all(&[process(&app)], Rule::WebhookBadSignature, &Subject::network(IpAddr::V4(Ipv4Addr::LOCALHOST)))
        .await;
    let refused = post("t=1,v1=00").await.expect(429);
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"webhook\";q=60;w=60"));
    assert!(refused.header("ratelimit").unwrap().starts_with("\"webhook\";r=0;t="));
    post(&app.stripe.sign(body)).await.expect(200);
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn wrong_passwords_from_unknown_browsers_wait_twice_as_long_each_time_for_any_address() {
    let app = TestApp::start().await;
    app.alice().await;
    let mut told = Vec::new();
    for email in [ALICE, "nobody@example.com"] {
        for _ in 0..5 {
            log_in(&app.guest(), email, WRONG).await.expect(422);
        }
        let mut waits = Vec::new();
        for _ in 0..12 {
            // Even the right password has to wait, or waiting would say that it was right.
            let refused = log_in(&app.guest(), email, PASSWORD).await;
            refused.says("several tries with a wrong password");
            let wait = wait_of(&refused);
            waits.push(wait);
            app.clock.advance(SignedDuration::from_secs(wait) - SignedDuration::from_micros(1));
            assert_eq!(log_in(&app.guest(), email, PASSWORD).await.status, 429);
            app.clock.advance(SignedDuration::from_micros(1));
            log_in(&app.guest(), email, WRONG).await.expect(422);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        told.push(waits);
    }
    assert_eq!(told[0], told[1]);
    // A day without tries, and it is forgotten.
    app.clock.advance(SignedDuration::from_hours(24));
    for _ in 0..5 {
        log_in(&app.guest(), ALICE, WRONG).await.expect(422);
    }
    assert_eq!(log_in(&app.guest(), ALICE, WRONG).await.status, 429);
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn whoever_guesses_at_an_account_cannot_keep_its_owner_out() {
    let app = TestApp::start().await;
    app.alice().await;
    let at_home = app.guest();
    log_in(&at_home, ALICE, PASSWORD).await.redirect();
    at_home.post_form("/logout", &[]).await.redirect();
    let attacker = app.guest();
    for round in 0..8 {
        // The attacker takes every free try and every try that becomes free.
        let mut page = log_in(&attacker, ALICE, WRONG).await;
        while page.status != 429 {
            page = log_in(&attacker, ALICE, WRONG).await;
        }
        let wait = wait_of(&page);
        // The owner is in at once, in the browser that knows them, on either process.
        let twin = app.twin().await;
        log_in(&at_home, ALICE, PASSWORD).await.redirect();
        at_home.get("/account").await.expect(200);
        log_in(&twin.browser(&at_home), ALICE, PASSWORD).await.redirect();
        // And that gives the attacker nothing back.
        assert_eq!(wait_of(&log_in(&attacker, ALICE, WRONG).await), wait, "round {round}");
        app.clock.advance(SignedDuration::from_secs(wait));
    }
    // The known browser is slowed down by its own guesses only, whoever sits there now.
    for _ in 0..5 {
        log_in(&at_home, ALICE, WRONG).await.expect(422);
    }
    assert_eq!(wait_of(&log_in(&at_home, ALICE, PASSWORD).await), 1);
    app.clock.advance(SignedDuration::from_secs(1));
    log_in(&at_home, ALICE, PASSWORD).await.redirect();
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn the_cookie_of_a_known_browser_opens_nothing_and_is_worth_nothing_elsewhere() {
    let app = TestApp::start().await;
    app.alice().await;
    app.bob().await;
    let alice = app.guest();
    let page = log_in(&alice, ALICE, PASSWORD).await;
    let cookie = page.set_cookie("known");
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=15552000"] {
        assert!(cookie.contains(part), "{cookie} lacks {part}");
    }
    let value = alice.cookie("known").unwrap();
    // Alone it signs nobody in.
    let copy = app.guest();
    copy.set_cookie("known", &value);
    copy.get("/account").await.redirect();
    // Bob is as unknown to it as to any browser, and forged ones are as unknown as none.
    let bob = crate::helpers::app::BOB;
    for _ in 0..5 {
        log_in(&copy, bob, WRONG).await.expect(422);
    }
    assert_eq!(log_in(&app.guest(), bob, WRONG).await.status, 429);
    for forged in ["", "x", "%00", "....", &value[1..], &value.to_lowercase(), &"A".repeat(5_000)] {
        let browser = app.guest();
        browser.set_cookie("known", forged);
        assert_eq!(log_in(&browser, bob, WRONG).await.status, 429, "{forged}");
    }
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn many_guesses_at_once_get_no_further_than_many_in_a_row() {
    let app = TestApp::start().await;
    let twin = app.twin().await;
    let guess = async |number: usize| {
        let browser = app.guest();
        let browser = if number.is_multiple_of(2) { browser } else { twin.browser(&browser) };
        log_in(&browser, "nobody@example.com", WRONG).await.status.as_u16()
    };
    let mut answers = Vec::new();
    for chunk in 0..4 {
        let (a, b, c, d) =
            tokio::join!(guess(4 * chunk), guess(4 * chunk + 1), guess(4 * chunk + 2), guess(4 * chunk + 3));
        answers.extend([a, b, c, d]);
    }
    assert_eq!(answers.iter().filter(|status| **status == 422).count(), 5, "{answers:?}");
    app.finish().await;
}

#[tokio::test]
async fn an_office_that_signs_in_rightly_is_never_told_to_wait_and_one_that_guesses_is() {
    let app = TestApp::start_with(&BEHIND_A_PROXY).await;
    app.alice().await;
    let limits = [process(&app)];
    // All but one are used up by guesses.
    for _ in 1..Rule::SignInAddress.limit().burst {
        limits[0].take(Rule::SignInAddress, &network(1)).await.unwrap();
    }
    for _ in 0..3 {
        log_in(&at(&app, 1), ALICE, PASSWORD).await.redirect();
    }
    log_in(&at(&app, 1), ALICE, WRONG).await.expect(422);
    let refused = log_in(&at(&app, 1), ALICE, PASSWORD).await;
    wait_of(&refused);
    refused.says("Too many failed sign-ins came from your network");
    log_in(&at(&app, 2), ALICE, PASSWORD).await.redirect();
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn where_nobody_can_count_nobody_signs_in_but_people_may_go_on_searching() {
    let app = TestApp::start_with(&REHEARSAL).await;
    app.alice().await;
    for table in ["rate_limits", "sign_in_delays"] {
        app.execute(&format!("alter table {table} rename to gone_missing")).await;
        let page = log_in(&app.guest(), ALICE, PASSWORD).await.expect(503);
        assert!(page.has("main h1") && !page.words().contains(table), "{table}");
        app.guest().get(SEARCH).await.expect(200);
        app.execute(&format!("alter table gone_missing rename to {table}")).await;
    }
    log_in(&app.guest(), ALICE, PASSWORD).await.redirect();
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn a_crowd_at_the_door_is_turned_away_and_does_not_slow_down_those_who_look() {
    let app = Rc::new(TestApp::start_with(&BEHIND_A_PROXY).await);
    let queue = std::thread::available_parallelism().unwrap().get() * 17;
    app.get(SEARCH).await.expect(200);
    let (stop, turned_away, checked) = (Cell::new(false), Cell::new(0_usize), Cell::new(0_usize));
    let knock = async |number: usize| {
        let browser = at(&app, u8::try_from(number % 200).unwrap());
        let mut tries = 0;
        while !stop.get() {
            tries += 1;
            let page = log_in(&browser, &format!("n{number}.{tries}@example.com"), WRONG).await;
            match page.status.as_u16() {
                422 => checked.set(checked.get() + 1),
                503 => {
                    assert!(page.header("retry-after").is_some() && page.has("main h1"));
                    turned_away.set(turned_away.get() + 1);
                }
                429 => stop.set(true),
                other => panic!("{other}"),
            }
        }
    };
    let look = async || {
        while turned_away.get() == 0 {
            tokio::task::yield_now().await;
        }
        let looker = at(&app, 250);
        let mut overtaken = Vec::new();
        for _ in 0..5 {
            let before = checked.get();
            looker.get(SEARCH).await.expect(200);
            overtaken.push(checked.get() - before);
        }
        stop.set(true);
        overtaken
    };
    let crowd = async {
        let mut knocks: Vec<_> = (0..queue + 30).map(|number| Box::pin(knock(number))).collect();
        std::future::poll_fn(|cx| {
            knocks.retain_mut(|one| one.as_mut().poll(cx).is_pending());
            if knocks.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    };
    let ((), mut overtaken) = tokio::join!(crowd, look());
    overtaken.sort_unstable();
    // A search that had to stand in the queue would see all of it pass by.
    assert!(overtaken[2] < queue, "sign-ins that were checked during each search: {overtaken:?} of {queue}");
    Rc::into_inner(app).unwrap().finish().await;
}
