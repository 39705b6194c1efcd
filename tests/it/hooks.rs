//! Outgoing webhooks: told once, signed, tried until they arrive, and never sent inside.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::SignedDuration;
use sha2::Sha256;

use crate::helpers::{
    app::{CAROL, TestApp},
    browser::Browser,
    page::Page,
    receiver::{Call, Manner, Receiver},
};

const THREE_DAYS: SignedDuration = SignedDuration::from_hours(72);

/// As a developer of the receiver would write it, from the page about it.
fn verifies(secret: &str, call: &Call) -> bool {
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").expect("a prefix")).expect("base64");
    let signed = format!("{}.{}.{}", call.header("webhook-id"), call.header("webhook-timestamp"), call.body);
    call.header("webhook-signature").split(' ').filter_map(|part| part.strip_prefix("v1,")).any(|signature| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
        mac.update(signed.as_bytes());
        mac.verify_slice(&BASE64_STANDARD.decode(signature).unwrap_or_default()).is_ok()
    })
}

/// The page of a new endpoint.
async fn add(carol: &Browser, receiver: &Receiver) -> String {
    carol.post_form("/admin/hooks", &[("url", &receiver.url), ("note", "Accounting")]).await.redirect()
}

async fn press(carol: &Browser, endpoint: &str, button: &str) -> Page {
    carol.post_form(&format!("{endpoint}/{button}"), &[]).await
}

async fn secret_of(carol: &Browser, endpoint: &str) -> String {
    press(carol, endpoint, "secret").await.expect(200).text("main pre").trim().to_owned()
}

async fn states(app: &TestApp) -> Vec<String> {
    app.texts("select d.state from hook_deliveries d join hook_events e on e.id = d.event_id order by e.happened_at, e.id").await
}

async fn answers(app: &TestApp) -> Vec<String> {
    app.texts("select coalesce(status_code::text, error, 'none') from hook_tries order by id").await
}

#[tokio::test]
async fn a_booking_is_told_once_in_order_signed_and_without_a_word_about_people() {
    let app = TestApp::start().await;
    let carol = app.carol().await;
    let receiver = Receiver::start().await;
    let endpoint = add(&carol, &receiver).await;
    let secret = secret_of(&carol, &endpoint).await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;

    let calls = receiver.calls();
    let mut kinds = receiver.kinds();
    kinds.sort();
    assert_eq!(kinds, ["booking.confirmed", "payment.captured"]);
    for call in &calls {
        assert!(verifies(&secret, call), "{call:?}");
        assert_eq!(call.path, "/hooks?key=k");
        assert_eq!(call.header("content-type"), "application/json");
        assert_eq!(call.json()["id"], call.header("webhook-id"));
        assert_eq!(call.json()["data"]["booking"]["reference"], reference.as_str());
        let words = call.body.to_lowercase();
        for personal in ["duarte", "maria", "example.com", "+351", "1986-12-04", "alice"] {
            assert!(!words.contains(personal), "{personal}: {words}");
        }
        let mut other = call.clone();
        other.body.push(' ');
        assert!(!verifies(&secret, &other));
    }
    let confirmed = calls.iter().find(|call| call.kind() == "booking.confirmed").unwrap().json();
    let booking = &confirmed["data"]["booking"];
    assert_eq!((booking["status"].as_str(), booking["origin"].as_str()), (Some("confirmed"), Some("LIS")));
    assert!(booking["amount_minor"].as_i64().unwrap() > 0 && booking["currency"] == "EUR");
    assert!(booking["pnr"].is_null());
    let captured = calls.iter().find(|call| call.kind() == "payment.captured").unwrap().json();
    assert_eq!(captured["data"]["payment"]["amount_minor"], booking["amount_minor"]);
    // Stripe's events come again; the facts do not.
    app.settle().await;
    assert_eq!(receiver.calls().len(), 2);
    let log = carol.get(&endpoint).await.expect(200);
    assert_eq!(log.texts("tbody tr").len(), 2);
    log.says("204").says(&reference);
    app.finish().await;
}

#[tokio::test]
async fn every_end_of_a_booking_and_of_its_money_is_told() {
    let app = TestApp::start().await;
    let carol = app.carol().await;
    let receiver = Receiver::start().await;
    add(&carol, &receiver).await;
    let alice = app.alice().await;
    // Nobody pays, somebody gives it up, and the last seat goes to somebody else.
    let lapsed = app.draft(&alice).await;
    app.press_pay(&alice, &lapsed).await;
    app.advance(SignedDuration::from_hours(2)).await;
    app.settle().await;
    assert_eq!(receiver.kinds(), ["booking.expired"]);
    receiver.forget();
    let sold_out = app.draft_for(&alice, "Soldout").await;
    let session = app.press_pay(&alice, &sold_out).await;
    app.stripe.tamper_session(&session.id, |session| session.capture_method = "automatic".to_owned());
    app.stripe.pay(&session.id, crate::helpers::story::GOOD_CARD).unwrap();
    app.settle().await;
    app.advance(SignedDuration::from_hours(2)).await;
    app.settle().await;
    let mut kinds = receiver.kinds();
    kinds.sort();
    assert_eq!(kinds, ["booking.failed", "payment.captured", "refund.succeeded"]);
    let failed = receiver.calls().into_iter().find(|call| call.kind() == "booking.failed").unwrap().json();
    assert_eq!(failed["data"]["booking"]["reason"], "sold_out");
    let refund = receiver.calls().into_iter().find(|call| call.kind() == "refund.succeeded").unwrap().json();
    assert_eq!(refund["data"]["booking"]["reference"], sold_out.as_str());
    assert_eq!(refund["data"]["refund"]["currency"], "EUR");
    app.finish().await;
}

#[tokio::test]
async fn whatever_a_receiver_does_the_event_is_kept_and_arrives_in_the_end() {
    let app = TestApp::start().await;
    let carol = app.carol().await;
    let receiver = Receiver::start().await;
    let endpoint = add(&carol, &receiver).await;
    let manners = [
        Manner::Answer(500),
        Manner::Drop,
        Manner::Redirect,
        Manner::Nonsense,
        Manner::EndlessHead,
        Manner::Answer(404),
    ];
    receiver.next(&manners);
    press(&carol, &endpoint, "test").await.redirect();
    app.run_jobs().await;
    for _ in 0..manners.len() {
        assert_eq!(states(&app).await, ["queued"]);
        app.advance(SignedDuration::from_mins(30)).await;
    }
    assert_eq!(states(&app).await, ["delivered"]);
    let broken = "the connection broke before there was an answer";
    assert_eq!(answers(&app).await, ["500", broken, "302", broken, broken, "404", "204"]);
    let ids: std::collections::BTreeSet<String> =
        receiver.calls().iter().map(|call| call.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 1, "every try has the same id");
    let bodies: std::collections::BTreeSet<String> =
        receiver.calls().into_iter().map(|call| call.body).collect();
    assert_eq!(bodies.len(), 1);
    // What a receiver says after its first line is its own affair.
    receiver.next(&[Manner::SlowBody, Manner::HugeBody]);
    let carol = app.sign_in(CAROL).await;
    for _ in 0..2 {
        press(&carol, &endpoint, "test").await.redirect();
        app.run_jobs().await;
    }
    assert_eq!(states(&app).await, ["delivered"; 3]);
    assert!(app.attention().await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn a_receiver_that_hangs_keeps_nobody_else_waiting() {
    let app = TestApp::start().await;
    let carol = app.carol().await;
    let (slow, quick) = (Receiver::start().await, Receiver::start().await);
    slow.always(Some(Manner::Hang));
    let slow_one = add(&carol, &slow).await;
    let quick_one = add(&carol, &quick).await;
    press(&carol, &slow_one, "test").await.redirect();
    // A worker that runs as it does in production.
    let stop = tokio_util::sync::CancellationToken::new();
    let worker = tokio::spawn(app.worker().run(stop.clone()));
    slow.called().await;
    for _ in 0..5 {
        press(&carol, &slow_one, "test").await.redirect();
        press(&carol, &quick_one, "test").await.redirect();
    }
    let soon = tokio::time::timeout(std::time::Duration::from_secs(8), async {
        while quick.calls().len() < 5 {
            tokio::task::yield_now().await;
        }
    });
    soon.await.expect("the quick one has all of its events before the slow one has timed out");
    assert_eq!(slow.calls().len(), 1, "one at a time");
    stop.cancel();
    worker.await.unwrap();
    assert_eq!(
        answers(&app).await.iter().filter(|answer| *answer == "no answer within 10 seconds").count(),
        1
    );
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn a_worker_that_dies_in_the_middle_is_followed_by_the_next_and_the_id_stays() {
    let app = TestApp::start().await;
    let carol = app.carol().await;
    let receiver = Receiver::start().await;
    let endpoint = add(&carol, &receiver).await;
    receiver.next(&[Manner::Hang]);
    press(&carol, &endpoint, "test").await.redirect();
    let worker = app.worker();
    let killed = tokio::spawn(async move { worker.run_due().await });
    receiver.called().await;
    killed.abort();
    let _ = killed.await;
    app.advance(SignedDuration::from_mins(4)).await;
    assert_eq!(states(&app).await, ["delivered"]);
    let calls = receiver.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].header("webhook-id"), calls[1].header("webhook-id"));
    assert_eq!(answers(&app).await, ["none", "204"]);
    let page = carol.get(&endpoint).await.expect(200);
    carol.get(&page.attr("tbody a", "href")).await.expect(200).says("we stopped in the middle of it");
    app.finish().await;
}

#[tokio::test]
async fn after_three_days_it_is_given_up_and_where_nothing_arrived_nothing_more_is_sent() {
    let app = TestApp::start().await;
    let carol = app.carol().await;
    let receiver = Receiver::start().await;
    let endpoint = add(&carol, &receiver).await;
    receiver.always(Some(Manner::Answer(503)));
    press(&carol, &endpoint, "test").await.redirect();
    app.run_jobs().await;
    for _ in 0..71 {
        app.advance(SignedDuration::from_hours(1)).await;
    }
    assert_eq!(states(&app).await, ["queued"], "nearly three days");
    app.advance(SignedDuration::from_hours(1)).await;
    assert_eq!(states(&app).await, ["dead"]);
    assert!((15..40).contains(&receiver.calls().len()), "{} tries", receiver.calls().len());
    assert_eq!(app.attention().await, ["hook_dead", "hook_paused"]);
    app.advance(SignedDuration::from_mins(5)).await;
    let mail =
        app.mailbox.list().into_iter().find(|mail| mail.subject.contains("127.0.0.1")).expect("a mail");
    assert_eq!(mail.subject, "Webhooks to 127.0.0.1 are paused");
    let carol = app.sign_in(CAROL).await;
    let page = carol.get(&endpoint).await.expect(200);
    page.says("Paused: nothing arrived for three days");
    assert_eq!(page.texts("tbody tr").len(), 1);

    // What happens while it is paused is held, and goes when somebody wants it.
    app.confirmed(&app.alice().await).await;
    receiver.always(None);
    receiver.forget();
    press(&carol, &endpoint, "test").await.expect(409);
    carol.post_form(&format!("{endpoint}/replay"), &[("since", "2026-11-01")]).await.expect(409);
    press(&carol, &endpoint, "resume").await.redirect();
    app.run_jobs().await;
    assert!(receiver.calls().is_empty());
    carol.post_form(&format!("{endpoint}/replay"), &[("since", "whenever")]).await.expect(422);
    carol.post_form(&format!("{endpoint}/replay"), &[("since", "2026-11-01")]).await.redirect();
    app.run_jobs().await;
    let mut kinds = receiver.kinds();
    kinds.sort();
    assert_eq!(kinds, ["booking.confirmed", "payment.captured", "ping"]);
    assert_eq!(states(&app).await, ["delivered"; 3]);
    app.finish().await;
}

#[tokio::test]
async fn one_event_that_is_never_taken_is_given_up_without_stopping_the_others() {
    let app = TestApp::start().await;
    let carol = app.carol().await;
    let receiver = Receiver::start().await;
    let endpoint = add(&carol, &receiver).await;
    receiver.always(Some(Manner::Answer(500)));
    press(&carol, &endpoint, "test").await.redirect();
    app.run_jobs().await;
    app.advance(THREE_DAYS - SignedDuration::from_mins(1)).await;
    receiver.next(&[Manner::Answer(200)]);
    let carol = app.sign_in(CAROL).await;
    press(&carol, &endpoint, "test").await.redirect();
    app.advance(SignedDuration::from_secs(50)).await;
    app.advance(SignedDuration::from_mins(2)).await;
    assert_eq!(app.attention().await, ["hook_dead"]);
    carol.get(&endpoint).await.expect(200).says("Failing");
    assert!(!app.mails().await.contains(&"hook_paused".to_owned()));
    app.finish().await;
}

#[tokio::test]
async fn who_answers_410_is_left_alone_at_once() {
    let app = TestApp::start().await;
    let carol = app.carol().await;
    let receiver = Receiver::start().await;
    let endpoint = add(&carol, &receiver).await;
    receiver.next(&[Manner::Answer(410)]);
    press(&carol, &endpoint, "test").await.redirect();
    app.run_jobs().await;
    assert_eq!(states(&app).await, ["held"]);
    assert_eq!(app.attention().await, ["hook_paused"]);
    carol.get(&endpoint).await.expect(200).says("it answered 410 Gone");
    app.advance(SignedDuration::from_mins(5)).await;
    assert_eq!(receiver.calls().len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn a_new_secret_signs_beside_the_old_one_for_a_day() {
    let app = TestApp::start().await;
    let carol = app.carol().await;
    let receiver = Receiver::start().await;
    let endpoint = add(&carol, &receiver).await;
    let old = secret_of(&carol, &endpoint).await;
    press(&carol, &endpoint, "rotate").await.redirect();
    let new = secret_of(&carol, &endpoint).await;
    assert_ne!(old, new);
    press(&carol, &endpoint, "test").await.redirect();
    app.run_jobs().await;
    let call = receiver.calls().remove(0);
    assert!(verifies(&old, &call) && verifies(&new, &call));
    assert_eq!(call.header("webhook-signature").split(' ').count(), 2);
    app.advance(SignedDuration::from_hours(25)).await;
    app.sweep().await;
    assert_eq!(app.count("hook_endpoints where old_secret is not null").await, 0);
    let carol = app.sign_in(CAROL).await;
    press(&carol, &endpoint, "test").await.redirect();
    app.run_jobs().await;
    let call = receiver.calls().remove(1);
    assert!(!verifies(&old, &call) && verifies(&new, &call));
    // Neither stands in the database as it is, and every look is written down.
    for secret in [old, new] {
        let bytes = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let bytes: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            app.count(&format!("hook_endpoints where encode(secret, 'hex') like '%{bytes}%'")).await,
            0
        );
    }
    let actions = app.texts("select action from audit_log order by id").await;
    let wanted = [
        "hook_added",
        "hook_secret_shown",
        "hook_secret_rotated",
        "hook_secret_shown",
        "hook_tested",
        "hook_tested",
    ];
    assert_eq!(actions, wanted);
    app.finish().await;
}

#[tokio::test]
async fn a_delivery_can_be_looked_up_and_sent_again_under_its_id() {
    let app = TestApp::start().await;
    let carol = app.carol().await;
    let receiver = Receiver::start().await;
    let endpoint = add(&carol, &receiver).await;
    press(&carol, &endpoint, "test").await.redirect();
    app.run_jobs().await;
    let delivery = carol.get(&endpoint).await.expect(200).attr("tbody a", "href");
    let page = carol.get(&delivery).await.expect(200);
    page.says("\"type\": \"ping\"").says("204");
    assert_eq!(page.texts("tbody tr").len(), 1);
    press(&carol, &delivery, "replay").await.redirect();
    app.run_jobs().await;
    let calls = receiver.calls();
    assert_eq!((calls.len(), calls[0].body == calls[1].body), (2, true));
    assert_eq!(carol.get(&delivery).await.expect(200).texts("tbody tr").len(), 2);
    let filtered = async |state: &str| {
        carol.get(&format!("{endpoint}?state={state}")).await.expect(200).texts("tbody tr").len()
    };
    assert_eq!((filtered("delivered").await, filtered("dead").await, filtered("nonsense").await), (1, 0, 1));
    // Nobody but owners.
    app.staff("finance").await.get(&endpoint).await.expect(403);
    press(&carol, &endpoint, "delete").await.redirect();
    carol.get(&endpoint).await.expect(404);
    carol.get(&delivery).await.expect(404);
    app.advance(SignedDuration::from_hours(24 * 31)).await;
    app.sweep().await;
    assert_eq!(app.count("hook_events").await, 0, "what nobody can look up is forgotten");
    app.finish().await;
}

#[tokio::test]
async fn an_address_inside_is_refused_when_it_is_typed_and_when_it_is_called() {
    let app = TestApp::start().await;
    let carol = app.carol().await;
    for url in [
        "http://example.com/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:10.0.0.1]/",
        "https://user:pass@example.com/",
        "https://example.com/#x",
        "https://db.internal/",
        "ftp://example.com/",
        "nonsense",
    ] {
        let page = carol.post_form("/admin/hooks", &[("url", url)]).await.expect(422);
        assert_eq!(page.attr("input[name=url]", "value"), url, "what was typed is kept");
    }
    assert_eq!(app.count("hook_endpoints").await, 0);
    // A row from a time with looser rules.
    let receiver = Receiver::start().await;
    let endpoint = add(&carol, &receiver).await;
    app.execute("update hook_endpoints set url = 'https://10.0.0.1/hooks'").await;
    press(&carol, &endpoint, "test").await.redirect();
    app.run_jobs().await;
    assert_eq!(answers(&app).await, ["the address may no longer be called"]);
    app.finish().await;
}

#[tokio::test]
async fn where_nobody_listens_nothing_is_written_down() {
    let app = TestApp::start().await;
    app.confirmed(&app.alice().await).await;
    assert_eq!(app.count("hook_events").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn the_demo_shows_what_arrives_at_its_own_page() {
    let app = TestApp::start().await;
    let carol = app.carol().await;
    let own = app.url.join("/demo/hooks").unwrap();
    carol.get("/admin/hooks").await.expect(200).says(own.as_str());
    let endpoint = carol.post_form("/admin/hooks", &[("url", own.as_str())]).await.redirect();
    press(&carol, &endpoint, "test").await.redirect();
    app.run_jobs().await;
    app.get("/demo/hooks").await.expect(200).says("ping").says("webhook-signature");
    app.finish().await;
}
