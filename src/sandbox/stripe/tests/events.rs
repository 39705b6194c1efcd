//! Webhooks: what is signed, what is believed, and how it travels.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, http::HeaderMap, http::StatusCode, routing::post};
use secrecy::SecretString;

use super::*;
use crate::payments::EventError;

type Webhook = (Vec<u8>, String);

/// A shop's webhook endpoint that keeps what it gets.
#[derive(Clone, Default)]
struct Inbox {
    got: Arc<Mutex<Vec<Webhook>>>,
    refusals: Arc<Mutex<u32>>,
}

impl Inbox {
    async fn listen(&self) -> String {
        let inbox = self.clone();
        let take = move |headers: HeaderMap, body: Bytes| async move {
            let mut refusals = inbox.refusals.lock().unwrap();
            if *refusals > 0 {
                *refusals -= 1;
                return StatusCode::INTERNAL_SERVER_ERROR;
            }
            let signature = headers["stripe-signature"].to_str().unwrap().to_owned();
            inbox.got.lock().unwrap().push((body.to_vec(), signature));
            StatusCode::OK
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhooks/stripe", listener.local_addr().unwrap());
        let app = Router::new().route("/webhooks/stripe", post(take));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        url
    }

    fn taken(&self) -> Vec<Webhook> {
        self.got.lock().unwrap().clone()
    }
}

/// One of each event that the sandbox can send.
async fn everything(world: &World) {
    let session = world.payments.open_session(&world.session("a")).await.unwrap();
    world.stripe.pay(&session.id, DECLINED).unwrap();
    world.stripe.pay(&session.id, SECURE).unwrap();
    world.stripe.authenticate(&session.id, true).unwrap();
    let intent = world.stripe.session(&session.id).unwrap().payment_intent.unwrap();
    world.payments.capture(&intent, Money::new(41_260, Currency::Eur), "c").await.unwrap();
    let refund = world.payments.refund(&world.refund_of(&intent, 100, "f")).await.unwrap();
    world.stripe.settle_refund(&refund.id, "pending").unwrap();
    world.stripe.settle_refund(&refund.id, "failed").unwrap();
    let (_, released) = world.authorised().await;
    world.payments.release(&released, "r").await.unwrap();
    let lapsing = world.payments.open_session(&world.session("l")).await.unwrap();
    world.stripe.pay(&lapsing.id, GOOD).unwrap();
    world.stripe.lapse(&world.stripe.session(&lapsing.id).unwrap().payment_intent.unwrap());
    let expired = world.payments.open_session(&world.session("e")).await.unwrap();
    world.payments.expire_session(&expired.id, "x").await.unwrap();
}

#[tokio::test]
async fn every_kind_of_event_is_readable_and_says_whom_it_concerns() {
    let world = World::start().await;
    everything(&world).await;
    let events = world.stripe.events();
    let kinds: std::collections::BTreeSet<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    let expected = [
        "charge.captured",
        "charge.expired",
        "charge.failed",
        "charge.refunded",
        "charge.succeeded",
        "checkout.session.completed",
        "checkout.session.expired",
        "payment_intent.amount_capturable_updated",
        "payment_intent.canceled",
        "payment_intent.created",
        "payment_intent.payment_failed",
        "payment_intent.requires_action",
        "payment_intent.succeeded",
        "refund.created",
        "refund.failed",
        "refund.updated",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
    for event in events {
        let (body, signature) = world.stripe.signed(&event.id).unwrap();
        let read = world.payments.read_event(body.as_bytes(), Some(&signature)).unwrap();
        assert!(read.readable, "{}", event.kind);
        assert_eq!((read.id, read.kind.as_str(), read.livemode), (event.id, event.kind.as_str(), false));
        assert_eq!(read.created.as_second(), event.created);
        assert_eq!(read.attempt.is_some(), !event.kind.starts_with("refund."), "{}", event.kind);
        assert_eq!(read.session.is_some(), event.kind.starts_with("checkout."), "{}", event.kind);
        assert_eq!(read.payment_intent.is_some(), event.kind != "checkout.session.expired", "{}", event.kind);
    }
}

#[tokio::test]
async fn only_fresh_signatures_by_one_of_our_secrets_count() {
    let world = World::start().await;
    world.authorised().await;
    let event = world.stripe.events().remove(0).id;
    let (body, good) = world.stripe.signed(&event).unwrap();
    let read = |body: &str, signature: Option<&str>| {
        world.payments.read_event(body.as_bytes(), signature).map(|event| event.id)
    };
    let stamp = world.clock.now().as_second();
    let mac = good.split_once("v1=").unwrap().1;
    assert_eq!(read(&body, Some(&good)), Ok(event.clone()));
    assert_eq!(
        read(&body, Some(&format!("t={stamp},v1={},v1={mac},v0=x", "0".repeat(64)))),
        Ok(event.clone())
    );
    assert_eq!(read(&body, None), Err(EventError::NoSignature));
    assert_eq!(read(&body.replace("41260", "1"), Some(&good)), Err(EventError::BadSignature));
    assert_eq!(read(&format!("{body} "), Some(&good)), Err(EventError::BadSignature));
    for crooked in [
        String::new(),
        "x".into(),
        "t=,v1=".into(),
        format!("t={stamp}"),
        format!("v1={mac}"),
        format!("t={stamp},v1=zz"),
        format!("t={stamp},v0={mac}"),
        format!("t={},v1={mac}", stamp + 1),
        format!("t=99999999999999999999,v1={mac}"),
        format!("t={},v1={mac}", i64::MIN),
    ] {
        assert_eq!(read(&body, Some(&crooked)), Err(EventError::BadSignature), "{crooked}");
    }
    assert_eq!(world.payments.read_event(b"\xff\xfe", Some(&good)), Err(EventError::Malformed));

    world.clock.advance(SignedDuration::from_secs(300));
    assert_eq!(read(&body, Some(&good)), Ok(event.clone()), "five minutes are allowed");
    world.clock.advance(SignedDuration::from_secs(1));
    assert!(matches!(read(&body, Some(&good)), Err(EventError::TooOld { .. })));

    world.stripe.set_webhook_secret("whsec_foreign");
    let (body, foreign) = world.stripe.signed(&event).unwrap();
    assert_eq!(read(&body, Some(&foreign)), Err(EventError::BadSignature));
}

#[tokio::test]
async fn while_a_secret_is_rotated_both_are_accepted() {
    let world = World::start().await;
    world.authorised().await;
    let event = world.stripe.events().remove(0).id;
    let old = world.stripe.signed(&event).unwrap();
    let settings = StripeSettings {
        secret_key: world.stripe.secret_key(),
        api_url: None,
        webhook_secrets: vec![world.stripe.webhook_secret(), SecretString::from("whsec_new")],
    };
    let payments = Payments::new(&settings, world.clock.clone()).unwrap();
    world.stripe.set_webhook_secret("whsec_new");
    let new = world.stripe.signed(&event).unwrap();
    for (body, signature) in [old, new] {
        assert_eq!(payments.read_event(body.as_bytes(), Some(&signature)).unwrap().id, event);
    }
}

#[tokio::test]
async fn a_known_event_in_an_unknown_form_is_kept_and_an_unknown_kind_is_fine() {
    let world = World::start().await;
    let read = |body: &str| {
        let signature = world.stripe.sign(body);
        world.payments.read_event(body.as_bytes(), Some(&signature))
    };
    let envelope = |kind: &str| {
        format!(
            r#"{{"id":"evt_1","object":"event","type":"{kind}","created":1700000000,"livemode":true,
                "pending_webhooks":1,"data":{{"object":{{"object":"payment_intent","id":"pi_1"}}}}}}"#
        )
    };
    let odd = read(&envelope("payment_intent.succeeded")).unwrap();
    assert_eq!((odd.readable, odd.id.as_str(), odd.livemode), (false, "evt_1", true));
    assert_eq!((odd.created.as_second(), odd.payment_intent.as_deref()), (1_700_000_000, Some("pi_1")));
    let new = read(&envelope("moon.landed")).unwrap();
    assert_eq!((new.readable, new.kind.as_str()), (true, "moon.landed"));
    // Signed, so it is Stripe's word, whatever it says: kept under a name of our own, the same for the same words.
    for nonsense in
        ["", "{}", "[]", "null", "\"x\"", r#"{"id":1,"type":"a"}"#, r#"{"id":"e","type":"t","created":"x"}"#]
    {
        let kept = read(nonsense).unwrap();
        assert!(!kept.readable && kept.id.starts_with("evt_nameless_"), "{nonsense}: {kept:?}");
        assert_eq!(read(nonsense), Ok(kept), "{nonsense}");
    }
    let mode = r#""livemode":true,"#;
    for missing in [r#""id":"evt_1","#, r#""type":"moon.landed","#, r#""created":1700000000,"#, mode] {
        let kept = read(&envelope("moon.landed").replace(missing, "")).unwrap();
        assert_eq!((kept.readable, kept.kind.as_str()), (false, "nameless"), "{missing}");
        assert_eq!(kept.livemode, missing != mode, "{missing}");
    }
    let nul = read(&envelope("moon.landed").replace("pi_1", "pi\\u0000")).unwrap();
    assert_eq!((nul.readable, nul.payment_intent.as_deref()), (true, Some("pi\u{fffd}")));
}

#[tokio::test]
async fn events_go_out_signed_and_are_tried_again_until_taken() {
    let world = World::start().await;
    let inbox = Inbox::default();
    *inbox.refusals.lock().unwrap() = 1;
    world.stripe.set_webhook_url(inbox.listen().await);
    world.stripe.set_delivery(Mode::Auto);
    world.authorised().await;
    world.stripe.settled().await;
    let taken = inbox.taken();
    assert_eq!(taken.len(), world.stripe.events().len());
    for (body, signature) in taken {
        assert!(world.payments.read_event(&body, Some(&signature)).unwrap().readable);
    }
}

#[tokio::test]
async fn held_events_are_delivered_doubled_reordered_dropped_and_tampered_by_hand() {
    let world = World::start().await;
    let inbox = Inbox::default();
    world.stripe.set_webhook_url(inbox.listen().await);
    world.authorised().await;
    let held = world.stripe.held();
    assert_eq!(inbox.taken().len(), 0);
    let last = held.last().unwrap();
    for _ in 0..3 {
        assert_eq!(world.stripe.deliver(&last.id).await, Some(200));
    }
    world.stripe.discard(&held[0].id);
    assert_eq!(world.stripe.held().len(), held.len() - 2);
    assert!(world.stripe.deliver_held().await.iter().all(|status| *status == Some(200)));
    assert_eq!(inbox.taken().len(), 3 + held.len() - 2);
    world.stripe.deliver_tampered(&last.id, |event| event["livemode"] = true.into()).await;
    let (body, signature) = inbox.taken().pop().unwrap();
    assert_eq!(world.payments.read_event(&body, Some(&signature)), Err(EventError::BadSignature));
    assert_eq!(world.stripe.deliver("evt_unknown").await, None);
}
