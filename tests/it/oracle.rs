//! Nobody learns from us whether an address has an account or a booking exists: not by the words, not by the status, not
//! by the work that is done, and not by the time that it takes.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use jiff::SignedDuration;

use crate::helpers::{
    app::{ALICE, PASSWORD, TestApp},
    page::Page,
};

const WRONG: &str = "a wrong guess of mine";
/// Pairs of requests in one round of the clock.
const PAIRS: usize = 40;
/// Standard deviations. By chance a round is beyond it once in 15,000, and two rounds have to be.
const BEYOND: f64 = 4.0;

/// A question to the site about something that exists, or about something that does not.
type Ask<'a> = dyn Fn(bool, usize) -> Pin<Box<dyn Future<Output = Page> + 'a>> + 'a;

/// Long enough for every limit and delay to be as if nothing had happened.
fn rest(app: &TestApp) {
    app.clock.advance(SignedDuration::from_hours(25));
}

async fn timed(ask: &Ask<'_>, exists: bool, number: usize) -> Duration {
    let begin = Instant::now();
    ask(exists, number).await;
    begin.elapsed()
}

/// Wilcoxon's signed-rank test over pairs asked one right after the other, in turns: how many standard deviations the
/// "exists" side is off. A busy machine slows down both sides of a pair, and one slow answer counts as one rank.
async fn off_by(app: &TestApp, ask: &Ask<'_>) -> f64 {
    let mut differences = Vec::new();
    for pair in 0..PAIRS {
        let first = pair % 2 == 0;
        rest(app);
        let one = timed(ask, first, pair).await.as_secs_f64();
        let other = timed(ask, !first, pair).await.as_secs_f64();
        differences.push(if first { one - other } else { other - one });
    }
    signed_rank(&mut differences)
}

fn signed_rank(differences: &mut [f64]) -> f64 {
    differences.sort_unstable_by(|a, b| a.abs().total_cmp(&b.abs()));
    let ranks = (1_u32..).map(f64::from);
    let above: f64 =
        ranks.zip(&*differences).filter(|(_, difference)| **difference > 0.0).map(|(rank, _)| rank).sum();
    let n = f64::from(u32::try_from(differences.len()).unwrap());
    (above - n * (n + 1.0) / 4.0) / (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt()
}

async fn time_tells(app: &TestApp, what: &str, ask: &Ask<'_>) -> bool {
    let first = off_by(app, ask).await;
    println!("{what}: {first:.1}");
    if first.abs() < BEYOND {
        return false;
    }
    let second = off_by(app, ask).await;
    println!("{what}, once more: {second:.1}");
    second.abs() >= BEYOND && first.signum() == second.signum()
}

fn log_in<'a>(app: &'a TestApp) -> impl Fn(bool, usize) -> Pin<Box<dyn Future<Output = Page> + 'a>> + 'a {
    move |exists, _| {
        Box::pin(async move {
            let email = if exists { ALICE } else { "nobody@example.com" };
            app.guest().post_form("/login", &[("email", email), ("password", WRONG)]).await.expect(422)
        })
    }
}

fn sign_up<'a>(app: &'a TestApp) -> impl Fn(bool, usize) -> Pin<Box<dyn Future<Output = Page> + 'a>> + 'a {
    move |exists, number| {
        Box::pin(async move {
            let email = if exists {
                ALICE.to_owned()
            } else {
                format!("new.{number}.{}@example.com", app.now().as_second())
            };
            let form = [("name", "Test Traveller"), ("email", email.as_str()), ("password", PASSWORD)];
            app.guest().post_form("/signup", &form).await.expect(303)
        })
    }
}

fn reset<'a>(app: &'a TestApp) -> impl Fn(bool, usize) -> Pin<Box<dyn Future<Output = Page> + 'a>> + 'a {
    move |exists, _| {
        Box::pin(async move {
            let email = if exists { ALICE } else { "nobody@example.com" };
            app.guest().post_form("/reset", &[("email", email)]).await.expect(303)
        })
    }
}

/// Told apart on purpose: the password of the one is too long to be checked.
fn careless<'a>(app: &'a TestApp) -> impl Fn(bool, usize) -> Pin<Box<dyn Future<Output = Page> + 'a>> + 'a {
    move |exists, _| {
        Box::pin(async move {
            let password = if exists { WRONG.to_owned() } else { "x".repeat(2_000) };
            app.guest().post_form("/login", &[("email", ALICE), ("password", &password)]).await.expect(422)
        })
    }
}

fn find<'a>(
    app: &'a TestApp,
    reference: &'a str,
) -> impl Fn(bool, usize) -> Pin<Box<dyn Future<Output = Page> + 'a>> + 'a {
    move |exists, _| {
        Box::pin(async move {
            let reference = if exists { reference } else { "ACDEFG" };
            let form = [("reference", reference), ("family", "Duarte"), ("email", ALICE)];
            app.guest().post_form("/find", &form).await.expect(303)
        })
    }
}

/// Without what differs from request to request anyhow.
fn told(page: &Page) -> (u16, String, Vec<String>) {
    let body = match page.header("content-type") {
        Some(kind) if kind.starts_with("text/html") => page.words(),
        _ => page.body.clone(),
    };
    let body = body.replace(page.header("x-request-id").unwrap(), "");
    let mut names: Vec<String> = page.headers.keys().map(ToString::to_string).collect();
    names.push(page.header("location").unwrap_or_default().to_owned());
    (page.status.as_u16(), body, names)
}

async fn work_of(app: &TestApp, ask: &Ask<'_>, exists: bool) -> ((u16, String, Vec<String>), usize, usize) {
    rest(app);
    // The first time prepares statements.
    ask(exists, 1_000).await;
    rest(app);
    app.statements.take_all();
    let page = ask(exists, 1_001).await;
    let (statements, hashes) = app.statements.take_all();
    (told(&page), statements.len(), hashes)
}

#[tokio::test]
async fn the_same_words_and_the_same_work_whether_or_not_it_exists() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    {
        let (log_in, sign_up) = (log_in(&app), sign_up(&app));
        let (reset, find) = (reset(&app), find(&app, &reference));
        let asks: [(&str, &Ask<'_>, usize); 4] =
            [("log in", &log_in, 1), ("sign up", &sign_up, 1), ("reset", &reset, 0), ("find", &find, 0)];
        for (what, ask, hashes) in asks {
            let (known, unknown) = (work_of(&app, ask, true).await, work_of(&app, ask, false).await);
            assert_eq!(known.2, hashes, "{what}");
            assert!(known.1 > 0, "{what} asks the database nothing");
            // The address that was typed stays in the form.
            let masked = |(told, statements, hashes): ((u16, String, Vec<String>), usize, usize)| {
                (
                    (told.0, told.1.replace(ALICE, "").replace("nobody@example.com", ""), told.2),
                    statements,
                    hashes,
                )
            };
            assert_eq!(masked(known), masked(unknown), "{what}");
        }
        let slip = careless(&app);
        assert_ne!(
            work_of(&app, &slip, true).await.2,
            work_of(&app, &slip, false).await.2,
            "nothing is counted"
        );
    }
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn the_time_that_it_takes_tells_nothing() {
    let app = TestApp::start().await;
    app.alice().await;
    assert!(!time_tells(&app, "log in", &log_in(&app)).await);
    assert!(!time_tells(&app, "sign up", &sign_up(&app)).await);
    // What skips the hash is found out: this clock can tell.
    assert!(time_tells(&app, "careless", &careless(&app)).await);
    app.abandon_jobs();
    app.finish().await;
}

#[test]
fn the_signed_rank_knows_one_side_from_both() {
    let mut even: Vec<f64> =
        (1..=40).map(|n| if n % 2 == 0 { f64::from(n) } else { -f64::from(n) }).collect();
    assert!(signed_rank(&mut even).abs() < 1.0);
    let mut slower: Vec<f64> = (1..=40).map(f64::from).collect();
    assert!(signed_rank(&mut slower) > BEYOND);
    // One outlier is one rank.
    even[0] = 1e9;
    assert!(signed_rank(&mut even).abs() < 1.5);
}
