//! Days on which something around us goes wrong: mail, clocks, secrets, deploys. Bookings go on, and a person hears of it.

use jetbridge::sandbox::{
    mailbox::{Fault, Stage},
    stripe::Mode,
};
use jiff::SignedDuration;

use crate::helpers::{
    app::{ALICE, NEXT_SECRET, TestApp},
    page::Page,
    post::Post,
    story::GOOD_CARD,
};

async fn post(app: &TestApp, body: &str, signature: &str) -> Page {
    let guest = app.guest();
    guest.set_header("stripe-signature", signature);
    guest.post("/webhooks/stripe", "application/json", body.to_owned()).await
}

#[tokio::test]
async fn u22_mail_that_fails_leaves_the_booking_alone_and_calls_a_person_after_six_hours() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    for _ in 0..40 {
        app.mailbox.fault(Stage::Rcpt, Fault::Answer(451));
    }
    let reference = app.confirmed(&alice).await;
    app.guest().post_form("/reset", &[("email", ALICE)]).await.redirect();
    app.run_jobs().await;
    assert!(app.mailbox.list().is_empty());
    alice.get(&format!("/bookings/{reference}")).await.expect(200).says("Booking confirmed");
    app.advance(SignedDuration::from_mins(5 * 60 + 50)).await;
    app.sweep().await;
    let late = "select split_part(detail, ':', 1) from attention_items where kind = 'mail_late' order by 1";
    let of_bookings = |kinds: Vec<String>| kinds.into_iter().filter(|kind| kind != "password_reset").count();
    assert_eq!(of_bookings(app.texts(late).await), 0, "six hours are not over");
    app.advance(SignedDuration::from_mins(15)).await;
    app.sweep().await;
    // Every kind of mail, whoever it is to. The link of the last is worth nothing by now, and that is told as well.
    assert_eq!(app.texts(late).await, ["booking_confirmation", "password_reset", "payment_receipt"]);
    let agent = app.staff("agent").await;
    let queue = agent.get("/admin/attention").await.expect(200);
    assert_eq!(queue.count("form[action$='/act']"), 3);
    for _ in 0..24 {
        app.advance(SignedDuration::from_mins(80)).await;
    }
    let sent =
        app.texts("select kind from mails where state = 'sent' and booking_id is not null order by 1").await;
    assert_eq!(sent, ["booking_confirmation", "payment_receipt"]);
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    app.finish().await;
}

#[tokio::test]
async fn u25_a_clock_that_is_wrong_calls_a_person_and_the_poller_keeps_bookings_flowing() {
    for minutes in [6, -6] {
        let app = TestApp::start().await;
        app.stripe.set_delivery(Mode::Held);
        let (_, reference, session) = app.at_stripe("Duarte").await;
        app.stripe.pay(&session.id, GOOD_CARD).unwrap();
        let events: Vec<String> = app.stripe.held().into_iter().map(|event| event.id).collect();
        app.clock.advance(SignedDuration::from_mins(minutes));
        let signed: Vec<_> = events.iter().filter_map(|event| app.stripe.signed(event)).collect();
        app.clock.advance(SignedDuration::from_mins(-minutes));
        for event in &events {
            app.stripe.discard(event);
        }
        for (body, signature) in &signed {
            post(&app, body, signature).await.expect(422).says("too old");
        }
        assert_eq!(app.attention().await, ["clock_skew"], "once for all of them");
        assert_eq!(app.count("stripe_events").await, 0);
        app.advance(SignedDuration::from_mins(3)).await;
        for event in app.stripe.held() {
            app.stripe.discard(&event.id);
        }
        app.run_jobs().await;
        assert_eq!(app.state(&reference).await.booking, "confirmed");
        assert!(app.mails().await.contains(&"staff_alarm".to_owned()));
        app.finish().await;
    }
}

#[tokio::test]
async fn u25_an_old_time_that_nobody_signed_calls_nobody() {
    let app = TestApp::start().await;
    let signature = app.stripe.sign("{}");
    let (_, mac) = signature.split_once(",v1=").unwrap();
    post(&app, "{}", &format!("t=1,v1={mac}")).await.expect(422);
    assert!(app.attention().await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn u26_while_the_webhook_secret_is_rotated_both_are_taken() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    for secret in [None, Some(NEXT_SECRET)] {
        if let Some(secret) = secret {
            app.stripe.set_webhook_secret(secret);
        }
        let reference = app.draft(&alice).await;
        let session = app.press_pay(&alice, &reference).await;
        app.stripe.pay(&session.id, GOOD_CARD).unwrap();
        app.settle().await;
        assert_eq!(app.state(&reference).await.booking, "confirmed");
        let applied = app.count("stripe_events where state = 'applied'").await;
        assert!(applied > 0, "by webhook, not by the poller");
        app.execute("truncate stripe_events").await;
    }
    // A third is nobody's.
    app.stripe.set_webhook_secret("whsec_foreign");
    let signature = app.stripe.sign("{}");
    post(&app, "{}", &signature).await.expect(422);
    assert_eq!(app.count("stripe_events").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn u28_a_checkout_that_began_in_one_process_ends_in_another() {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Duarte").await;
    // The old one is gone: browser, webhooks and jobs meet the new one, which knows nothing but the rows.
    let new = app.twin().await;
    let worker = app.worker_mailing(Post::default());
    app.stripe.set_webhook_url(new.url.join("/webhooks/stripe").unwrap());
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.stripe.settled().await;
    let alice = new.browser(&alice);
    let page = alice.get(&format!("/bookings/{reference}/return")).await.expect(200);
    assert!(page.body.contains(&reference));
    for _ in 0..5 {
        worker.run_due().await.unwrap();
        app.stripe.settled().await;
    }
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    assert_eq!(app.count("timetable.orders").await, 1);
    alice.get(&format!("/bookings/{reference}")).await.expect(200).says("Booking confirmed");
    app.run_jobs().await;
    drop(new);
    app.finish().await;
}
