//! Mail on its way out, through the real worker to a real server: by TLS and STARTTLS, with a login, and against everything
//! that a server can do to it. Nothing is lost, nothing is told twice, and a person hears of what does not go out.

use std::{collections::BTreeSet, time::Duration};

use jetbridge::{
    db::System,
    ids::{MailId, UserId},
    outbox::{self, About, MailKind},
    sandbox::mailbox::{Fault, Stage},
};
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::helpers::{
    app::{ALICE, TestApp},
    post::{Certificate, Post},
};

const USER: &str = "resend";
const PASSWORD: &str = "re_p@ss:w/é %";
/// As it stands in the URL.
const LOGIN: &str = "resend:re_p%40ss%3Aw%2F%C3%A9%20%25";

fn tls() -> String {
    format!("smtps://{LOGIN}@localhost:{{port}}")
}

fn starttls() -> String {
    format!("smtp://{LOGIN}@localhost:{{port}}?tls=required")
}

/// Owes alice one mail that nothing can overtake.
async fn owe(app: &TestApp) -> MailId {
    if app.count("auth.users").await == 0 {
        app.alice().await;
    }
    let user: UserId = app.texts("select id::text from auth.users").await.remove(0).parse().unwrap();
    let cause = MailId::new().to_string();
    let mut tx = app.db.begin(System).await.unwrap();
    let kind = MailKind::PasswordChanged;
    outbox::owe_mail(&mut tx, kind, About::User(user), ALICE, &cause, app.now()).await.unwrap();
    tx.commit().await.unwrap();
    let key = format!("password_changed:{cause}");
    app.texts(&format!("select id::text from mails where once_key = '{key}'"))
        .await
        .remove(0)
        .parse()
        .unwrap()
}

async fn state(app: &TestApp, id: MailId) -> String {
    app.texts(&format!("select state from mails where id = '{id}'")).await.remove(0)
}

async fn last_error(app: &TestApp, id: MailId) -> String {
    app.texts(&format!("select coalesce(last_error, '') from mails where id = '{id}'")).await.remove(0)
}

async fn alarms(app: &TestApp) -> Vec<String> {
    app.texts("select kind || ': ' || detail from attention_items order by id").await
}

/// How long until the next try.
async fn wait_of(app: &TestApp) -> SignedDuration {
    let due = app.texts("select due_at::text from outbox where state = 'ready'").await.remove(0);
    let due: jiff::Timestamp = due.replace(' ', "T").parse().unwrap();
    due.duration_since(app.now())
}

#[tokio::test]
async fn mail_is_handed_in_by_tls_and_starttls_with_either_login() {
    let certificate = Certificate::of("localhost");
    let trusted = || Post::default().believing(&certificate).for_user(USER, PASSWORD);
    for (name, post) in [
        ("TLS, PLAIN", trusted().tls(&certificate).at(&tls())),
        ("TLS, LOGIN", trusted().tls(&certificate).at(&tls()).by_mechanism("LOGIN")),
        ("STARTTLS, PLAIN", trusted().starttls(&certificate).at(&starttls())),
        ("STARTTLS, LOGIN", trusted().starttls(&certificate).at(&starttls()).by_mechanism("LOGIN")),
        (
            "loopback",
            Post::default().for_user(USER, PASSWORD).at(&format!("smtp://{LOGIN}@127.0.0.1:{{port}}")),
        ),
    ] {
        let app = TestApp::start_mailing(post).await;
        let mails = [owe(&app).await, owe(&app).await];
        app.run_jobs().await;
        for mail in mails {
            assert_eq!(
                (state(&app, mail).await.as_str(), last_error(&app, mail).await.as_str()),
                ("sent", ""),
                "{name}"
            );
        }
        assert_eq!(app.mailbox.list().len(), 2, "{name}");
        app.finish().await;
    }
}

#[tokio::test]
async fn a_door_that_does_not_open_loses_no_mail_and_calls_a_person_once() {
    let (good, expired) = (Certificate::of("localhost"), Certificate::expired("localhost"));
    let elsewhere = Certificate::of("mail.example.com");
    let known = || Post::default().for_user(USER, PASSWORD);
    let wrong = "smtps://resend:wombat-ladder@localhost:{port}";
    for (what, told, post) in [
        ("nobody signed it", "UnknownIssuer", known().tls(&good).at(&tls())),
        ("another's name", "valid for name", known().tls(&elsewhere).believing(&elsewhere).at(&tls())),
        ("too old", "xpired", known().tls(&expired).believing(&expired).at(&tls())),
        ("nobody signed it, STARTTLS", "UnknownIssuer", known().starttls(&good).at(&starttls())),
        ("no STARTTLS", "STARTTLS", known().at(&starttls())),
        ("wrong password", "535", known().tls(&good).believing(&good).at(wrong)),
        ("wrong password, LOGIN", "535", known().tls(&good).believing(&good).at(wrong).by_mechanism("LOGIN")),
        ("no login", "530", known().tls(&good).believing(&good).at("smtps://localhost:{port}")),
        (
            "a login unknown to us",
            "login",
            known().tls(&good).believing(&good).at(&tls()).by_mechanism("GSSAPI"),
        ),
        ("no AUTH at all", "login", Post::default().tls(&good).believing(&good).at(&tls())),
    ] {
        let door = post.door.clone();
        let app = TestApp::start_mailing(post).await;
        let mails = [owe(&app).await, owe(&app).await];
        app.run_jobs().await;
        assert!(app.mailbox.list().is_empty(), "{what}");
        for mail in mails {
            assert_eq!(state(&app, mail).await, "queued", "{what}");
            let error = last_error(&app, mail).await;
            assert!(error.contains(told), "{what}: {error}");
        }
        let alarms = alarms(&app).await;
        let [alarm] = alarms.as_slice() else { panic!("{what}: {alarms:?}") };
        assert!(alarm.starts_with("mail_server: ") && alarm.contains(told), "{what}: {alarm}");
        let said = format!(
            "{alarm} {} {:?}",
            last_error(&app, mails[0]).await,
            app.texts("select last_error from outbox where last_error is not null").await
        );
        for secret in ["re_p", "wombat", "cmVz", "d29tYmF0"] {
            assert!(!said.contains(secret), "{what}: {said}");
        }

        // Somebody mends the settings, and the same mails go out.
        let way = match door.login {
            Some(_) if told != "STARTTLS" => known().tls(&good),
            _ => Post::default(),
        };
        if matches!(what, "wrong password" | "wrong password, LOGIN" | "no login") {
            app.clock.advance(SignedDuration::from_mins(1));
            let mended = app.worker_mailing(way.believing(&good).at(&tls()));
            mended.run_due().await.unwrap();
            assert_eq!(app.mailbox.list().len(), 2, "{what}");
        }
        app.abandon_jobs();
        app.finish().await;
    }
}

#[tokio::test]
async fn what_is_slipped_in_before_the_encryption_is_not_taken_for_the_servers_word() {
    let certificate = Certificate::of("localhost");
    let post = Post::default().believing(&certificate).for_user(USER, PASSWORD).starttls(&certificate);
    let app = TestApp::start_mailing(post.at(&starttls())).await;
    for (fault, told) in [
        (Fault::SlipIn, "TLS"),
        (Fault::Answer(454), "454"),
        (Fault::Answer(501), "501"),
        (Fault::Drop, "on STARTTLS"),
    ] {
        let before = app.mailbox.list().len();
        let mail = owe(&app).await;
        app.mailbox.fault(Stage::Noop, Fault::Drop);
        app.mailbox.fault(Stage::StartTls, fault);
        app.run_jobs().await;
        assert_eq!(
            (state(&app, mail).await.as_str(), app.mailbox.list().len()),
            ("queued", before),
            "{fault:?}"
        );
        assert!(last_error(&app, mail).await.contains(told), "{fault:?}: {}", last_error(&app, mail).await);
        app.advance(SignedDuration::from_secs(15)).await;
        assert_eq!(state(&app, mail).await, "sent", "{fault:?}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_fault_that_passes_costs_time_and_no_mail() {
    let app = TestApp::start_mailing(Post::default().patient_for(Duration::from_millis(300))).await;
    let stages = [Stage::Connect, Stage::Hello, Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Body];
    let faults = [
        Fault::Answer(421),
        Fault::Answer(450),
        Fault::Answer(452),
        Fault::Drop,
        Fault::Hang(Duration::from_secs(20)),
    ];
    for stage in stages {
        for fault in faults {
            let before = app.mailbox.list().len();
            let mail = owe(&app).await;
            // The connection of the last mail is gone, so that this one begins anew.
            app.mailbox.fault(Stage::Noop, Fault::Drop);
            app.mailbox.fault(stage, fault);
            app.run_jobs().await;
            assert_eq!(state(&app, mail).await, "queued", "{stage:?} {fault:?}");
            assert!(!last_error(&app, mail).await.is_empty(), "{stage:?} {fault:?}");
            assert_eq!(app.mailbox.list().len(), before, "{stage:?} {fault:?}");
            assert_eq!(app.run_jobs().await, 0, "not again at once");
            app.advance(SignedDuration::from_secs(15)).await;
            assert_eq!(state(&app, mail).await, "sent", "{stage:?} {fault:?}");
            assert_eq!(last_error(&app, mail).await, "");
            assert_eq!(app.mailbox.list().len(), before + 1, "{stage:?} {fault:?}");
        }
    }
    assert!(alarms(&app).await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn what_the_server_will_never_take_is_a_dead_letter_at_once() {
    let app = TestApp::start().await;
    for (n, stage) in [Stage::Rcpt, Stage::Data, Stage::Body].into_iter().enumerate() {
        let mail = owe(&app).await;
        app.mailbox.fault(stage, Fault::Answer(554));
        app.run_jobs().await;
        assert_eq!(state(&app, mail).await, "dead", "{stage:?}");
        assert!(last_error(&app, mail).await.contains("554"), "{stage:?}");
        let alarms = alarms(&app).await;
        assert_eq!(alarms.len(), n + 1, "{stage:?}");
        assert_eq!(
            alarms[n],
            "mail_late: password_changed: the mail server refuses it; it is not tried again"
        );
    }
    assert!(app.mailbox.list().is_empty());
    app.finish().await;
}

#[tokio::test]
async fn a_server_that_refuses_us_before_it_knows_for_whom_the_mail_is_loses_none() {
    let app = TestApp::start().await;
    for stage in [Stage::Connect, Stage::Hello, Stage::Mail] {
        let mail = owe(&app).await;
        app.mailbox.fault(Stage::Noop, Fault::Drop);
        app.mailbox.fault(stage, Fault::Answer(550));
        app.run_jobs().await;
        assert_eq!(state(&app, mail).await, "queued", "{stage:?}");
        app.advance(SignedDuration::from_secs(15)).await;
        assert_eq!(state(&app, mail).await, "sent", "{stage:?}");
    }
    assert_eq!(alarms(&app).await.len(), 1, "one closed door, one item");
    app.finish().await;
}

#[tokio::test]
async fn whatever_breaks_around_the_yes_repeats_the_same_message_id() {
    let app = TestApp::start().await;
    let mail = owe(&app).await;
    // The server has it, and we never hear so.
    app.mailbox.fault(Stage::Body, Fault::KeepThenDrop);
    app.run_jobs().await;
    assert_eq!(state(&app, mail).await, "queued");
    // It says yes, and our process dies before it can write that down: the job's lease runs out.
    app.advance(SignedDuration::from_secs(15)).await;
    assert_eq!(state(&app, mail).await, "sent");
    app.execute(
        "update mails set state = 'queued', sent_at = null;
         update outbox set state = 'running', finished_at = null, lease_until = due_at + interval '30 seconds'
          where kind = 'send_mail'",
    )
    .await;
    app.advance(SignedDuration::from_mins(4)).await;
    assert_eq!(state(&app, mail).await, "sent");
    let ids: Vec<_> = app.mailbox.list().into_iter().map(|mail| mail.message_id.unwrap()).collect();
    assert_eq!(ids, vec![format!("{mail}@jetbridge.example"); 3], "three copies of one mail");
    app.finish().await;
}

#[tokio::test]
async fn tries_are_spaced_wider_and_wider_and_apart_from_each_other() {
    let app = TestApp::start_mailing(Post::default().at("smtp://127.0.0.1:1")).await;
    owe(&app).await;
    let mut waits = Vec::new();
    for _ in 0..12 {
        app.run_jobs().await;
        let wait = wait_of(&app).await;
        waits.push(wait.as_secs());
        app.clock.advance(wait);
    }
    for (tried, wait) in waits.iter().enumerate() {
        let least = (10 << tried).min(3600);
        assert!((least..=least * 5 / 4).contains(wait), "{waits:?}");
    }
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn after_six_hours_a_person_hears_of_a_mail_of_any_kind_whatever_keeps_it() {
    let app = TestApp::start().await;
    app.alice().await;
    for kind in MailKind::ALL {
        app.execute(&format!(
            "insert into mails (id, user_id, kind, once_key, to_address, created_at)
             select gen_random_uuid(), id, '{kind}', '{kind}:x', 'alice@example.com', '{now}' from auth.users",
            kind = kind.code(),
            now = app.now(),
        ))
        .await;
    }
    app.clock.advance(SignedDuration::from_mins(359));
    app.sweep().await;
    assert!(alarms(&app).await.is_empty());
    app.clock.advance(SignedDuration::from_mins(1));
    app.sweep().await;
    let told: BTreeSet<String> = alarms(&app).await.into_iter().collect();
    let wanted = MailKind::ALL
        .map(|kind| format!("mail_late: {}: not delivered for 6 hours; tries go on", kind.code()));
    assert_eq!(told, BTreeSet::from(wanted));
    // Once is enough: who has resolved it is not asked again every minute.
    app.execute("update attention_items set resolved_at = now()").await;
    app.sweep().await;
    assert_eq!(alarms(&app).await.len(), MailKind::ALL.len());
    app.finish().await;
}

#[tokio::test]
async fn a_server_that_is_away_for_days_ends_in_dead_letters_and_never_in_a_dead_job() {
    let app = TestApp::start_mailing(Post::default().at("smtp://127.0.0.1:1")).await;
    // As many as there are places in the backoff's spread, nearly.
    let mut mails = Vec::new();
    for _ in 0..20 {
        mails.push(owe(&app).await);
    }
    for hour in 0..80 {
        app.advance(SignedDuration::from_mins(60)).await;
        let waiting = app.count("mails where state = 'queued'").await;
        assert!(hour >= 71 || waiting == 20, "{waiting} wait after {hour} hours");
    }
    for mail in mails {
        assert_eq!(state(&app, mail).await, "dead");
        assert!(last_error(&app, mail).await.contains("on connecting"));
    }
    let told: BTreeSet<String> = alarms(&app).await.into_iter().collect();
    let expected = "mail_late: password_changed: not delivered within 72 hours; it is not tried again";
    assert_eq!(told, BTreeSet::from([expected.to_owned()]));
    assert_eq!(app.count("attention_items").await, 20);
    app.finish().await;
}

#[tokio::test]
async fn a_link_that_opens_nothing_any_more_is_not_sent_and_a_person_hears_that_it_never_was() {
    let app = TestApp::start().await;
    app.alice().await;
    app.guest().post_form("/reset", &[("email", ALICE)]).await;
    app.mailbox.fault(Stage::Rcpt, Fault::Answer(451));
    app.run_jobs().await;
    app.advance(SignedDuration::from_mins(30)).await;
    assert!(app.mailbox.list().is_empty());
    assert_eq!(
        alarms(&app).await,
        ["mail_late: password_reset: not delivered within 30 minutes; it is not tried again"]
    );
    let error = app.texts("select last_error from mails where state = 'dead'").await.remove(0);
    assert!(error.contains("451") && !error.contains('@'), "{error}");
    app.finish().await;
}

#[tokio::test]
async fn a_mail_server_that_hangs_holds_up_mail_and_nothing_else() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    for _ in 0..8 {
        owe(&app).await;
        app.mailbox.fault(Stage::Connect, Fault::Hang(Duration::from_secs(60)));
    }
    let stop = CancellationToken::new();
    let worker = tokio::spawn(app.worker_mailing(Post::default()).run(stop.clone()));
    // Every lane of the mail hangs, and then somebody pays.
    app.stripe.pay(&session.id, "4242 4242 4242 4242").unwrap();
    let confirmed = async {
        while app.state(&reference).await.booking != "confirmed" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), confirmed).await.expect("mail held up the tickets");
    assert!(app.mailbox.list().is_empty());
    stop.cancel();
    worker.abort();
    app.abandon_jobs();
    app.finish().await;
}
