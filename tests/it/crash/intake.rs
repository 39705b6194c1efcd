//! Killed while it takes in what Stripe tells.

use jetbridge::sandbox::stripe::Mode;

use super::{Commit, all_at_once, insert, kill, minutes_pass, paid::bought_once, update};
use crate::helpers::{
    cluster::Database,
    proxy::Proxy,
    site::{self, Site, browser, until},
    story::GOOD_CARD,
};

#[derive(Clone, Copy, Debug)]
struct Step {
    before: Commit,
    /// Whether Stripe has heard that its event is with us.
    is_taken: bool,
}

const STEPS: [Step; 4] = [
    Step { before: insert("stripe_events"), is_taken: false },
    Step {
        before: update(
            "outbox",
            "new.kind = 'apply_event' and new.state = 'running' and old.state = 'ready'",
        ),
        is_taken: true,
    },
    // What it tells has been asked for and is written down.
    Step {
        before: update("stripe_events", "new.state = 'applied' and old.state <> 'applied'"),
        is_taken: true,
    },
    Step {
        before: update("outbox", "new.kind = 'apply_event' and new.state = 'done' and old.state <> 'done'"),
        is_taken: true,
    },
];

#[tokio::test]
async fn killed_while_it_takes_in_an_event_of_stripe_it_neither_loses_nor_doubles_it() {
    all_at_once("while an event of Stripe is taken in", STEPS, killed).await;
}

async fn killed(step: Step) {
    let database = Database::fresh().await;
    let world = Site::on(database.options()).await;
    let stripe = &world.outside.stripe;
    stripe.set_delivery(Mode::Held);
    let mut first = world.start().await;
    let (proxy, front, _stop) = Proxy::start(first.address()).await;
    stripe.set_webhook_url(front.join("/webhooks/stripe").unwrap());
    let dora = browser(&first.url());
    let reference = site::draft(&dora).await;
    let session = site::press_pay(&dora, &reference).await;
    let gate = step.before.gate(&database).await;
    stripe.pay(&session, GOOD_CARD).unwrap();
    let is_it = |kind: &str| kind == "checkout.session.completed";
    let event = stripe.held().into_iter().find(|event| is_it(&event.kind)).unwrap().id;
    let answer = tokio::task::spawn_local({
        let (stripe, event) = (stripe.clone(), event.clone());
        async move { stripe.deliver(&event).await }
    });
    kill(&mut first, gate, &database).await;
    let is_taken = answer.await.unwrap() == Some(200);
    assert_eq!(is_taken, step.is_taken, "{step:?}");
    minutes_pass(&database).await;

    let second = world.start().await;
    proxy.lead_to(&second);
    if !is_taken {
        // What was not taken Stripe brings again.
        assert_eq!(stripe.deliver(&event).await, Some(200), "{step:?}");
    }
    bought_once(&world, &database, step.before).await;
    // Once more, with everything that has happened since.
    assert_eq!(stripe.deliver(&event).await, Some(200), "{step:?}");
    for status in stripe.deliver_held().await {
        assert_eq!(status, Some(200), "{step:?}");
    }
    let all = stripe.events().len().try_into().unwrap();
    until(&database, "stripe_events where settled_at is not null", all).await;
    let states =
        site::texts(&database, &format!("select state from stripe_events where id = '{event}'")).await;
    assert_eq!(states, ["applied"], "{step:?}");
    bought_once(&world, &database, step.before).await;
    second.end().await;
    database.drop().await;
}
