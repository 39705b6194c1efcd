//! The inbox of Stripe's events as staff see it, and applying one again.

use jetbridge::sandbox::stripe::{Mode, Session};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::helpers::{app::TestApp, page::Page, story::GOOD_CARD};

fn ids(page: &Page) -> Vec<String> {
    page.attrs("tbody a[href^='/admin/events/']", "href")
}

/// As Stripe would send it.
async fn send(app: &TestApp, id: &str, kind: &str, object: Value) {
    let body = json!({
        "id": id, "object": "event", "type": kind, "livemode": false, "created": app.now().as_second(),
        "api_version": "2026-09-30.endive", "pending_webhooks": 1, "data": { "object": object },
    })
    .to_string();
    let guest = app.guest();
    guest.set_header("stripe-signature", &app.stripe.sign(&body));
    guest.post("/webhooks/stripe", "application/json", body).await.expect(200);
}

/// The first event of a payment, as if it were about somebody else's.
async fn send_as_anothers(app: &TestApp, id: &str, session: &Session) {
    let event = app.stripe.held()[0].id.clone();
    let (body, _) = app.stripe.signed(&event).unwrap();
    let attempt = app.texts("select id::text from attempts").await.remove(0);
    let body = body
        .replace(&attempt, "01900000-0000-7000-8000-000000000000")
        .replace(&session.id, "cs_test_somebodyelse")
        .replace(&app.stripe.intents()[0].id, "pi_somebodyelse")
        .replace(&event, id);
    let guest = app.guest();
    guest.set_header("stripe-signature", &app.stripe.sign(&body));
    guest.post("/webhooks/stripe", "application/json", body).await.expect(200);
    for event in app.stripe.held() {
        app.stripe.discard(&event.id);
    }
}

async fn state_of(app: &TestApp, id: &str) -> String {
    app.texts(&format!("select state from stripe_events where id = '{id}'")).await.remove(0)
}

#[tokio::test]
async fn the_inbox_lists_by_state_and_type_and_pages_by_key() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    app.execute(
        "insert into stripe_events (id, kind, livemode, created, received_at, payload, state, settled_at)
         select 'evt_old_' || n, 'customer.created', false, '2026-11-01', '2026-11-01'::timestamptz + n * interval '1 second',
                '{}', 'ignored', '2026-11-01' from generate_series(1, 120) n",
    )
    .await;
    let viewer = app.staff("viewer").await;
    let mut seen = Vec::new();
    let mut address = "/admin/events?kind=customer.".to_owned();
    loop {
        let page = viewer.get(&address).await.expect(200);
        seen.extend(ids(&page));
        if !page.has("a[rel=next]") {
            break;
        }
        address = page.attr("a[rel=next]", "href");
    }
    assert_eq!(seen.len(), 120);
    assert_eq!(seen[0], "/admin/events/evt_old_120");
    let applied = viewer.get("/admin/events?state=applied").await.expect(200);
    applied.says("checkout.session.completed").says(&reference);
    assert!(!applied.says("Applied").has("a[href*='evt_old_']"));
    viewer.get("/admin/events?state=parked").await.expect(200).says("No events found");
    for nonsense in ["state=lost", "kind=%27%20or%201=1"] {
        viewer.get(&format!("/admin/events?{nonsense}")).await.expect(422);
    }
    viewer.get("/admin/events?older=nonsense").await.expect(200);
    for nothing in ["evt_never", "x", "%27"] {
        viewer.get(&format!("/admin/events/{nothing}")).await.expect(404);
    }
    app.finish().await;
}

#[tokio::test]
async fn an_event_is_shown_without_people_and_without_what_its_links_open() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    let viewer = app.staff("viewer").await;
    for link in ids(&viewer.get("/admin/events").await.expect(200)) {
        let page = viewer.get(&link).await.expect(200);
        for secret in ["maria@example.com", "Maria", "Duarte", "client_secret\": \"pi_", "/pay/cs_"] {
            assert!(!page.body.contains(secret), "{link}: {secret}");
        }
        page.says(&reference).says("•••");
        assert!(!page.has("form[action$='/replay']"));
        viewer.post_form(&format!("{link}/replay"), &[]).await.expect(403);
    }
    app.finish().await;
}

#[tokio::test]
async fn u4_an_event_that_was_parked_too_early_is_applied_by_replay_and_moves_things_once() {
    let app = TestApp::start().await;
    app.stripe.set_delivery(Mode::Held);
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    send_as_anothers(&app, "evt_early", &session).await;
    app.run_jobs().await;
    assert_eq!(state_of(&app, "evt_early").await, "parked");
    let agent = app.staff("agent").await;
    agent
        .get("/admin/events/evt_early")
        .await
        .expect(200)
        .says("It is looked for again for 3 days")
        .says("Next look");
    // By now it is known whose it is.
    app.execute(&format!("update stripe_events set names_session = '{}' where id = 'evt_early'", session.id))
        .await;
    let page = agent.get("/admin/events/evt_early").await.expect(200);
    let to = agent.submit(&page, "form[action$='/replay']", &[]).await.redirect();
    let page = agent.get(&to).await.expect(200);
    page.says("It is applied again").says("is dealt with in a moment");
    assert!(!page.words().contains("looked for again for 3 days"), "nobody has looked since");
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    assert_eq!(state_of(&app, "evt_early").await, "applied");
    // Again and again changes nothing any more.
    for _ in 0..3 {
        agent.post_form("/admin/events/evt_early/replay", &[]).await.redirect();
    }
    let balances = app.balances().await;
    app.settle().await;
    assert_eq!(app.balances().await, balances);
    assert_eq!(app.count("timetable.orders").await, 1);
    assert_eq!(app.texts("select distinct action from audit_log").await, ["event_replayed"]);
    assert_eq!(app.count("audit_log where subject = 'evt_early'").await, 4);
    app.finish().await;
}

#[tokio::test]
async fn an_event_that_fits_nothing_for_three_days_calls_a_person_and_replay_closes_the_item() {
    let app = TestApp::start().await;
    app.stripe.set_delivery(Mode::Held);
    let (_, _, session) = app.at_stripe("Duarte").await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    send_as_anothers(&app, "evt_nobodys", &session).await;
    app.run_jobs().await;
    assert_eq!(state_of(&app, "evt_nobodys").await, "parked");
    app.advance(SignedDuration::from_hours(73)).await;
    assert_eq!(state_of(&app, "evt_nobodys").await, "abandoned");
    assert_eq!(app.attention().await, ["event_unmatched"]);
    let agent = app.staff("agent").await;
    let queue = agent.get("/admin/attention").await.expect(200);
    let page = agent.get(&queue.attr("a[href^='/admin/events/']", "href")).await.expect(200);
    page.says("This event needs a person");
    agent.submit(&page, "form[action$='/replay']", &[]).await.redirect();
    assert!(app.attention().await.is_empty());
    // It still fits nothing: the next one hears of it.
    app.run_jobs().await;
    assert_eq!(app.attention().await, ["event_unmatched"]);
    app.finish().await;
}

#[tokio::test]
async fn an_authentic_event_in_an_unknown_form_is_kept_and_calls_a_person() {
    let app = TestApp::start().await;
    // A refund without its amount: Stripe's signature is good, its form is not what we know.
    send(&app, "evt_odd", "refund.updated", json!({ "object": "refund", "id": "re_1", "status": 17 })).await;
    app.run_jobs().await;
    assert_eq!(state_of(&app, "evt_odd").await, "unreadable");
    assert_eq!(app.attention().await, ["event_unreadable"]);
    let agent = app.staff("agent").await;
    let page = agent.get("/admin/events?state=unreadable").await.expect(200);
    let page = agent.get(&ids(&page)[0]).await.expect(200);
    page.says("its form is not known").says("This event needs a person");
    let item = page.attr("a[href^='/admin/attention/']", "href");
    agent.post_form(&format!("{item}/act"), &[]).await.redirect();
    app.run_jobs().await;
    // A person has looked: from now on it is an event like any other.
    assert_eq!(state_of(&app, "evt_odd").await, "parked");
    assert!(app.attention().await.is_empty());
    app.finish().await;
}
