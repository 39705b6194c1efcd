//! Killed while it tells the agency's own systems.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use jetbridge::{
    clock::Clock,
    courier::{Courier, Own},
    db::Db,
    hooks::{Hooks, NewEndpoint},
    vault::Vault,
};
use url::Url;

use super::{Commit, all_at_once, at_rest, insert, kill, kill_now, minutes_pass, update};
use crate::helpers::{
    browser::Browser,
    cluster::Database,
    receiver::{Call, Manner, Receiver},
    site::{self, KEY, Process, Site, until},
};

#[derive(Clone, Copy, Debug)]
enum Step {
    Before(Commit),
    /// The receiver has the call and says nothing yet.
    Unanswered,
}

impl Step {
    /// How often the receiver hears of it: once more, where it had heard of it and nobody had written so.
    fn heard(self) -> usize {
        match self {
            Self::Before(Commit { table: "hook_deliveries", deed: "update", .. }) | Self::Unanswered => 2,
            Self::Before(_) => 1,
        }
    }
}

const STEPS: [Step; 5] = [
    Step::Before(insert("hook_deliveries")),
    Step::Before(insert("hook_tries")),
    Step::Unanswered,
    Step::Before(update("hook_deliveries", "new.state = 'delivered' and old.state <> 'delivered'")),
    Step::Before(update(
        "outbox",
        "new.kind = 'serve_endpoint' and new.state = 'done' and old.state <> 'done'",
    )),
];

#[tokio::test]
async fn killed_while_it_tells_the_agency_it_tells_at_least_once_and_always_under_one_id() {
    all_at_once("while the agency is told", STEPS, killed).await;
}

/// Of the demo, for no other mode calls anybody on this machine. It believes that the receiver is its own page.
struct Demo {
    world: Site,
    dir: PathBuf,
    receiver: Receiver,
}

impl Demo {
    async fn on(database: &Database) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("jetbridge-told-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self {
            world: Site::on(database.options()).await,
            dir: std::env::temp_dir().join(name),
            receiver: Receiver::start().await,
        }
    }

    fn address(&self) -> Url {
        self.receiver.url.parse().unwrap()
    }

    async fn start(&self) -> Process {
        let mut command = Command::new(site::program());
        command.env("JETBRIDGE_MODE", "demo").env("DATA_DIR", &self.dir);
        command.env("BASE_URL", self.address().origin().ascii_serialization());
        for foreign in [
            "STRIPE_SECRET_KEY",
            "STRIPE_WEBHOOK_SECRETS",
            "STRIPE_API_URL",
            "SMTP_URL",
            "JETBRIDGE_ALLOW_TEST_MODE",
        ] {
            command.env_remove(foreign);
        }
        self.world.start_as(command).await
    }

    fn browser(&self, process: &Process) -> Browser {
        let browser = Browser::new(&process.url());
        browser.set_header("host", self.address().authority());
        browser
    }

    /// An endpoint of the receiver's, as its page would make it.
    async fn listen(&self, database: &Database) {
        let by = site::texts(database, "select id::text from auth.users order by created_at limit 1").await;
        let hooks = Hooks {
            db: Db::connect(database.options(), 1).await.unwrap(),
            clock: Clock::system(),
            courier: Courier::new(Own::Nothing).unwrap(),
            vault: Vault::new(&KEY.into()).unwrap(),
            staff: "staff@example.com".to_owned(),
        };
        let new = NewEndpoint { url: self.address(), note: String::new() };
        hooks.add(by[0].parse().unwrap(), &new).await.unwrap();
        hooks.db.close().await;
    }

    /// Without what the demo's Stripe sends to the same address.
    fn heard(&self) -> Vec<Call> {
        self.receiver.calls().into_iter().filter(|call| !call.header("webhook-id").is_empty()).collect()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Somebody presses "Pay" and then gives the booking up.
async fn killed(step: Step) {
    let database = Database::fresh().await;
    let demo = Demo::on(&database).await;
    let mut first = demo.start().await;
    demo.listen(&database).await;
    let dora = demo.browser(&first);
    let reference = site::draft(&dora).await;
    site::press_pay(&dora, &reference).await;
    let gate = match step {
        Step::Before(commit) => Some(commit.gate(&database).await),
        Step::Unanswered => None,
    };
    if gate.is_none() {
        demo.receiver.always(Some(Manner::Hang));
    }
    dora.post_form(&format!("/bookings/{reference}/drop"), &[]).await.redirect();
    match gate {
        Some(gate) => kill(&mut first, gate, &database).await,
        None => {
            while demo.heard().is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            kill_now(&mut first).await;
        }
    }
    demo.receiver.always(None);
    minutes_pass(&database).await;

    let second = demo.start().await;
    until(&database, "hook_deliveries where state = 'delivered'", 1).await;
    at_rest(&database).await;
    let heard = demo.heard();
    assert_eq!(heard.len(), step.heard(), "{step:?}: {heard:#?}");
    let told: BTreeSet<_> =
        heard.iter().map(|call| (call.header("webhook-id"), call.body.as_str())).collect();
    assert_eq!(told.len(), 1, "{step:?}: {told:?}");
    assert_eq!(heard[0].kind(), "booking.cancelled");
    let events = site::texts(&database, "select id::text from hook_events").await;
    assert_eq!(events, [heard[0].header("webhook-id")], "{step:?}");
    assert_eq!(site::texts(&database, "select state from hook_deliveries").await, ["delivered"], "{step:?}");
    demo.world.holds().await;
    second.end().await;
    database.drop().await;
}
