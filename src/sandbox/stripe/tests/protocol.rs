//! Keys, versions, bad requests, lost answers, and the state on disk.

use std::time::Duration;

use secrecy::SecretString;

use super::*;
use crate::sandbox::stripe::{Endpoint, Fault};

fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

/// The least that Stripe wants for a session.
const LEAST: &str = "mode=payment&success_url=http://s.example/&cancel_url=http://s.example/c\
    &line_items[0][quantity]=1&line_items[0][price_data][currency]=eur\
    &line_items[0][price_data][unit_amount]=5000&line_items[0][price_data][product_data][name]=Flight";

impl World {
    async fn post(&self, path: &str, body: &str, key: Option<&str>) -> (u16, serde_json::Value, bool) {
        use secrecy::ExposeSecret;
        let mut request = http()
            .post(format!("{}/v1/{path}", self.stripe.base_url()))
            .header("authorization", format!("Bearer {}", self.stripe.secret_key().expose_secret()))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.to_owned());
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let replayed = answer.headers().contains_key("idempotent-replayed");
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap(), replayed)
    }
}

#[tokio::test]
async fn the_same_key_and_body_get_the_same_answer_and_another_body_is_refused() {
    let world = World::start().await;
    let new = world.session("k1");
    let first = world.payments.open_session(&new).await.unwrap();
    let again = world.payments.open_session(&new).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(world.stripe.sessions().len(), 1);
    let other = NewSession { amount: Money::new(1_000, Currency::Eur), ..new };
    assert_eq!(code(world.payments.open_session(&other).await.unwrap_err()), "idempotency_error");
    assert_eq!(world.stripe.sessions().len(), 1);
}

#[tokio::test]
async fn a_replay_says_so_and_does_not_move_with_the_object() {
    let world = World::start().await;
    let (status, session, replayed) = world.post("checkout/sessions", LEAST, Some("k")).await;
    assert_eq!((status, replayed), (200, false), "{session}");
    let id = session["id"].as_str().unwrap().to_owned();
    world.post(&format!("checkout/sessions/{id}/expire"), "", None).await;
    let (status, again, replayed) = world.post("checkout/sessions", LEAST, Some("k")).await;
    assert_eq!((status, replayed), (200, true));
    assert_eq!(again, session, "the answer of then, still open");
}

#[tokio::test]
async fn a_refusal_by_the_deed_is_remembered_and_one_of_the_parameters_is_not() {
    let world = World::start().await;
    let (_, intent) = world.authorised().await;
    let eur = |minor| Money::new(minor, Currency::Eur);
    world.payments.release(&intent, "r1").await.unwrap();
    let path = format!("payment_intents/{intent}/capture");
    let (status, _, replayed) = world.post(&path, "amount_to_capture=41260", Some("c1")).await;
    assert_eq!((status, replayed), (400, false));
    let (status, _, replayed) = world.post(&path, "amount_to_capture=41260", Some("c1")).await;
    assert_eq!((status, replayed), (400, true));
    assert!(world.payments.capture(&intent, eur(41_260), "c2").await.is_err());

    let (status, _, _) = world.post("checkout/sessions", "mode=payment", Some("k9")).await;
    assert_eq!(status, 400);
    let (status, _, replayed) = world.post("checkout/sessions", LEAST, Some("k9")).await;
    assert_eq!((status, replayed), (200, false), "nothing was done, so the key is still free");
}

#[tokio::test]
async fn unknown_missing_and_crooked_parameters_are_refused_by_name() {
    let world = World::start().await;
    let soon = world.clock.now().as_second() + 29 * 60;
    let late = world.clock.now().as_second() + 25 * 3_600;
    let table = [
        (format!("{LEAST}&payment_method_types[0]=card"), "parameter_unknown", "payment_method_types[0]"),
        (format!("{LEAST}&metadata[a][b]=1"), "parameter_unknown", "metadata[a][b]"),
        (LEAST.replace("mode=payment", "mode=party"), "", "mode"),
        (LEAST.replace("http://s.example/&", "s.example&"), "url_invalid", "success_url"),
        (LEAST.replace("&cancel_url=http://s.example/c", ""), "parameter_missing", "cancel_url"),
        (
            LEAST.replace("=Flight", "="),
            "parameter_invalid_empty",
            "line_items[0][price_data][product_data][name]",
        ),
        (
            LEAST.replace("5000", "50.5"),
            "parameter_invalid_integer",
            "line_items[0][price_data][unit_amount]",
        ),
        (LEAST.replace("5000", "49"), "amount_too_small", "line_items[0][price_data][unit_amount]"),
        (
            LEAST.replace("5000", "9223372036854775807"),
            "amount_too_large",
            "line_items[0][price_data][unit_amount]",
        ),
        (LEAST.replace("eur", "xxx"), "", "currency"),
        (format!("{LEAST}&expires_at={soon}"), "", "expires_at"),
        (format!("{LEAST}&expires_at={late}"), "", "expires_at"),
        (format!("{LEAST}&customer_email=nobody"), "email_invalid", "customer_email"),
        (
            format!("{LEAST}&client_reference_id={}", "x".repeat(201)),
            "parameter_invalid_string",
            "client_reference_id",
        ),
        (format!("{LEAST}&expand[]=customer"), "", "expand"),
    ];
    for (body, code, param) in table {
        let (status, answer, _) = world.post("checkout/sessions", &body, None).await;
        assert_eq!(status, 400, "{body}: {answer}");
        assert_eq!(answer["error"]["param"], param, "{answer}");
        assert_eq!(answer["error"]["code"].as_str().unwrap_or_default(), code, "{answer}");
        assert_eq!(answer["error"]["type"], "invalid_request_error");
    }
    assert!(world.stripe.sessions().is_empty());
}

#[tokio::test]
async fn a_wrong_key_another_version_and_an_unknown_path_are_refused() {
    let world = World::start().await;
    let settings = StripeSettings {
        secret_key: SecretString::from("sk_test_wrong"),
        api_url: Some(world.stripe.base_url().parse().unwrap()),
        webhook_secrets: vec![],
    };
    let stranger = Payments::new(&settings, world.clock.clone()).unwrap();
    assert!(matches!(stranger.payment_intent("pi_1").await, Err(PaymentError::Setup(_))));
    assert!(matches!(world.payments.payment_intent("pi_1").await, Err(PaymentError::NotFound)));
    assert!(matches!(world.payments.session("cs_1").await, Err(PaymentError::NotFound)));
    let (status, _, _) = world.post("charges", "", None).await;
    assert_eq!(status, 404);
    let old = http().get(format!("{}/v1/events", world.stripe.base_url())).send().await.unwrap();
    assert_eq!(old.status(), 401);
}

#[tokio::test]
async fn an_empty_webhook_secret_is_never_accepted() {
    let world = World::start().await;
    let settings = StripeSettings {
        secret_key: world.stripe.secret_key(),
        api_url: None,
        webhook_secrets: vec![SecretString::from(" ")],
    };
    assert!(matches!(Payments::new(&settings, world.clock.clone()), Err(PaymentError::Setup(_))));
}

#[tokio::test]
async fn a_lost_answer_is_told_from_a_no_and_the_same_key_finds_out() {
    let world = World::start().await;
    let (_, intent) = world.authorised().await;
    let amount = Money::new(41_260, Currency::Eur);
    for fault in
        [Fault::TimeoutBefore, Fault::Status(500), Fault::Status(503), Fault::Status(429), Fault::Status(409)]
    {
        world.stripe.fault(Endpoint::Capture, fault);
        let lost = world.payments.capture(&intent, amount, "c1").await.unwrap_err();
        // A failure that Stripe has told is told from silence: the same key may be told it again.
        let is_told = matches!(lost, PaymentError::Failed(_));
        assert!(is_told || matches!(lost, PaymentError::Unanswered(_)), "{fault:?}: {lost:?}");
        assert_eq!(is_told, matches!(fault, Fault::Status(500 | 503)), "{fault:?}: {lost:?}");
        assert_eq!(world.stripe.intent(&intent).unwrap().received, 0, "{fault:?}");
    }
    world.stripe.fault(Endpoint::Capture, Fault::TimeoutAfter);
    let lost = world.payments.capture(&intent, amount, "c1").await.unwrap_err();
    assert!(matches!(lost, PaymentError::Unanswered(_)), "{lost:?}");
    assert_eq!(world.stripe.intent(&intent).unwrap().received, 41_260, "it was done all the same");
    assert_eq!(world.payments.capture(&intent, amount, "c1").await.unwrap().received, 41_260);
    let captured = world.stripe.events().iter().filter(|e| e.kind == "payment_intent.succeeded").count();
    assert_eq!(captured, 1);
}

#[tokio::test]
async fn a_session_whose_answer_was_lost_is_found_by_its_key() {
    let world = World::start().await;
    let new = world.session("k1");
    world.stripe.fault(Endpoint::CreateSession, Fault::TimeoutAfter);
    assert!(matches!(world.payments.open_session(&new).await, Err(PaymentError::Unanswered(_))));
    let found = world.payments.open_session(&new).await.unwrap();
    assert_eq!(found.attempt, Some(new.attempt));
    assert_eq!(world.stripe.sessions().len(), 1);
}

#[tokio::test]
async fn a_sticky_500_comes_back_under_its_key_and_not_under_another() {
    let world = World::start().await;
    let new = world.session("k1");
    world.stripe.fault(Endpoint::CreateSession, Fault::StickyStatus(500));
    for _ in 0..2 {
        assert!(matches!(world.payments.open_session(&new).await, Err(PaymentError::Failed(_))));
    }
    world.payments.open_session(&NewSession { idempotency_key: "k2".into(), ..new }).await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_being_worked_on_is_no_answer() {
    let world = World::start().await;
    let new = world.session("k1");
    world.stripe.fault(Endpoint::CreateSession, Fault::Slow(Duration::from_millis(300)));
    let (first, second) = tokio::join!(world.payments.open_session(&new), world.payments.open_session(&new));
    let answers = [first, second];
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    assert!(answers.iter().any(|answer| matches!(answer, Err(PaymentError::Unanswered(_)))), "{answers:?}");
    assert_eq!(world.stripe.sessions().len(), 1);
}

#[tokio::test]
async fn an_outage_lasts_until_it_is_lifted_and_a_dead_host_is_no_answer() {
    let world = World::start().await;
    world.stripe.outage(Some(Fault::Status(503)));
    for _ in 0..3 {
        let answer = world.payments.open_session(&world.session("k1")).await;
        assert!(matches!(answer, Err(PaymentError::Failed(_))));
    }
    world.stripe.outage(None);
    world.payments.open_session(&world.session("k1")).await.unwrap();

    let settings = StripeSettings {
        secret_key: world.stripe.secret_key(),
        api_url: Some("http://127.0.0.1:1".parse().unwrap()),
        webhook_secrets: vec![],
    };
    let nobody = Payments::new(&settings, world.clock.clone()).unwrap();
    assert!(matches!(nobody.session("cs_1").await, Err(PaymentError::Unanswered(_))));
}

#[tokio::test]
async fn the_state_survives_a_restart_and_a_broken_file_is_an_error() {
    let directory = std::env::temp_dir().join(format!("jetbridge-sandbox-{}", crate::ids::random_secret()));
    std::fs::create_dir(&directory).unwrap();
    let file = directory.join("stripe.json");
    let clock = Clock::manual("2026-11-22T12:00:00Z".parse().unwrap());
    let start = || Handle::start(Settings { clock: clock.clone(), port: 0, state_file: Some(file.clone()) });

    let stripe = start().await.unwrap();
    let world = World { payments: client(&stripe, &clock), clock: clock.clone(), stripe };
    let (session, intent) = world.authorised().await;
    drop(world);

    let stripe = start().await.unwrap();
    let payments = client(&stripe, &clock);
    assert_eq!(payments.session(&session).await.unwrap().payment_intent.unwrap().id, intent);
    assert!(stripe.events().iter().any(|event| event.kind == "checkout.session.completed"));
    drop(stripe);

    std::fs::write(&file, "{\"sessions\":").unwrap();
    let broken = start().await.err().unwrap().to_string();
    assert!(broken.contains("is not the sandbox's state"), "{broken}");
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn a_taken_port_does_not_keep_the_sandbox_from_starting() {
    let world = World::start().await;
    let port = world.stripe.base_url().rsplit(':').next().unwrap().parse().unwrap();
    let second =
        Handle::start(Settings { clock: world.clock.clone(), port, state_file: None }).await.unwrap();
    assert_ne!(second.base_url(), world.stripe.base_url());
}
