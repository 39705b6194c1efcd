//! Killed between "the tickets are gone" and "the money is back".

use std::collections::BTreeSet;

use jetbridge::sandbox::stripe::{Endpoint, Fault, Mode};

use super::{Commit, all_at_once, at_rest, insert, kill, minutes_pass, update};
use crate::helpers::{
    cluster::Database,
    proxy::Proxy,
    site::{self, Site, browser, until},
    story::GOOD_CARD,
};

#[derive(Clone, Copy, Debug)]
struct Step {
    before: Commit,
    /// How Stripe takes the first question.
    stripe: Option<Fault>,
    /// How many refunds Stripe can have made when the end comes.
    made: &'static [usize],
}

const NO_ANSWER: &str = "new.state = 'submit_unknown' and old.state <> 'submit_unknown'";

const STEPS: [Step; 7] = [
    // The promise itself, and then all of it but that its job is done: the refund's own job may be faster.
    Step { before: insert("refunds"), stripe: None, made: &[0] },
    Step {
        before: update("outbox", "new.kind = 'return_money' and new.state = 'done' and old.state <> 'done'"),
        stripe: None,
        made: &[0, 1],
    },
    // Promised; nobody has asked Stripe.
    Step {
        before: update(
            "outbox",
            "new.kind = 'submit_refund' and new.state = 'running' and old.state = 'ready'",
        ),
        stripe: None,
        made: &[0],
    },
    // Asked, and nobody knows what came of it: nothing, or the refund.
    Step { before: update("refunds", NO_ANSWER), stripe: Some(Fault::TimeoutBefore), made: &[0] },
    Step { before: update("refunds", NO_ANSWER), stripe: Some(Fault::TimeoutAfter), made: &[1] },
    // Stripe has said yes.
    Step {
        before: update("refunds", "new.state = 'succeeded' and old.state <> 'succeeded'"),
        stripe: None,
        made: &[1],
    },
    Step {
        before: update("outbox", "new.kind = 'submit_refund' and new.state = 'done' and old.state <> 'done'"),
        stripe: None,
        made: &[1],
    },
];

#[tokio::test]
async fn killed_before_any_commit_on_the_way_of_a_refund_it_pays_back_exactly_once() {
    all_at_once("on the way of a refund", STEPS, killed).await;
}

/// Charged at once, and then the last seats are gone.
async fn killed(step: Step) {
    let database = Database::fresh().await;
    let world = Site::on(database.options()).await;
    let stripe = &world.outside.stripe;
    // What is not written down stays so: no webhook tells of it meanwhile.
    stripe.set_delivery(Mode::Held);
    let mut first = world.start().await;
    let (proxy, front, _stop) = Proxy::start(first.address()).await;
    stripe.set_webhook_url(front.join("/webhooks/stripe").unwrap());
    let dora = browser(&first.url());
    let reference = site::draft_for(&dora, "Soldout").await;
    let session = site::press_pay(&dora, &reference).await;
    stripe.tamper_session(&session, |session| session.capture_method = "automatic".to_owned());
    let gate = step.before.gate(&database).await;
    if let Some(fault) = step.stripe {
        stripe.fault(Endpoint::CreateRefund, fault);
    }
    stripe.pay(&session, GOOD_CARD).unwrap();
    // Back from Stripe's page: that is how we hear of it.
    dora.get(&format!("/bookings/{reference}/return")).await;
    kill(&mut first, gate, &database).await;
    let made = stripe.refunds().len();
    assert!(step.made.contains(&made), "{step:?}: {made}");
    minutes_pass(&database).await;

    let second = world.start().await;
    proxy.lead_to(&second);
    until(&database, "refunds where state = 'succeeded'", 1).await;
    at_rest(&database).await;
    // All that Stripe has had to tell comes late, and changes nothing.
    for status in stripe.deliver_held().await {
        assert_eq!(status, Some(200), "{step:?}");
    }
    at_rest(&database).await;
    paid_back_once(&world, &database, step).await;
    second.end().await;
    database.drop().await;
}

async fn paid_back_once(world: &Site, database: &Database, step: Step) {
    let stripe = &world.outside.stripe;
    let (intents, refunds) = (stripe.intents(), stripe.refunds());
    assert!(intents.len() == 1 && intents[0].received == intents[0].amount, "{step:?}: {intents:#?}");
    assert!(refunds.len() == 1 && refunds[0].status == "succeeded", "{step:?}: {refunds:#?}");
    assert_eq!(refunds[0].amount, intents[0].amount, "{step:?}");
    let asked = stripe.calls().into_iter().filter(|call| call.endpoint == Endpoint::CreateRefund);
    let keys: BTreeSet<_> = asked.map(|call| call.idempotency_key).collect();
    assert_eq!(keys.len(), 1, "{step:?}: one question, however often it was put: {keys:?}");
    let ours = site::texts(database, "select concat_ws(' ', state, amount_minor) from refunds").await;
    assert_eq!(ours, [format!("succeeded {}", intents[0].amount)], "{step:?}");
    let ended = site::texts(database, "select booking_status from bookings").await;
    assert_eq!(ended, ["failed"], "{step:?}");
    let owed = site::texts(database, "select kind from mails order by 1").await;
    assert_eq!(owed, ["not_ticketed", "refund_paid"], "{step:?}");
    world.holds().await;
}
