//! schemathesis over every operation of the API: made-up calls, right and wrong, by guests, programs and browsers. It finds no
//! 500, and no answer that the document does not tell of. `bin/test` brings the tools and runs it; the stand-alone way is
//! `cargo test --test it -- --ignored probe`.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::{
    process::{Child, Command},
    time::{Instant, MissedTickBehavior, interval, timeout_at},
};

use crate::helpers::app::{ALICE, BOB, PASSWORD, TestApp};

/// Every way in together.
const AT_MOST: Duration = Duration::from_secs(420);

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn tool(name: &str) -> Command {
    let path = root().join("target/api-tools/bin").join(name);
    assert!(path.exists(), "{} is missing: bin/test makes it", path.display());
    let mut command = Command::new(path);
    command.kill_on_drop(true).stdin(Stdio::null()).env("NO_COLOR", "1").env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

async fn run(mut child: Child, until: Instant) -> bool {
    let ended = timeout_at(until, child.wait()).await.expect("it takes longer than it may");
    ended.expect("it can be waited for").success()
}

/// Lets nobody run into a limit: limits have tests of their own, and here they would hide the rest.
async fn without_limits<T>(app: &TestApp, work: impl Future<Output = T>) -> T {
    let mut rounds = interval(Duration::from_millis(250));
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let lifting = async {
        loop {
            rounds.tick().await;
            // Row by row: a truncate would wait for the calls under way, and they for it.
            app.execute("delete from rate_limits").await;
            app.execute("delete from sign_in_delays").await;
            app.clock.advance(SignedDuration::from_secs(1));
        }
    };
    tokio::select! {
        done = work => done,
        () = lifting => unreachable!("it is never done"),
    }
}

/// Somebody who calls: who they are to us, how they show it, and which part of the API they are let loose on.
struct Caller<'a> {
    who: &'static str,
    way: &'static str,
    email: &'static str,
    more: Option<(&'static str, &'a str)>,
    args: &'a [&'a str],
}

impl Caller<'_> {
    /// The name of the caller if something was found. What the probe says goes into a file, for two speak at once.
    async fn probe(&self, app: &TestApp, until: Instant) -> Option<&'static str> {
        let known = things(app, self.email).await;
        let url = app.url.join("/api/openapi.json").expect("a URL");
        let said = root().join(format!("target/probe-{}.log", self.who.replace(' ', "-")));
        let file = File::create(&said).expect("a file");
        let probe = tool("st")
            .args(["--config-file", "schemathesis.toml", "run", url.as_str(), "--no-color"])
            .args(self.args)
            .current_dir(root().join("tests/api"))
            .envs([("PROBE_URL", app.url.as_str()), ("PROBE_AS", self.way), ("PROBE_EMAIL", self.email)])
            .envs([("PROBE_PASSWORD", PASSWORD), ("PROBE_KNOWN", &known.to_string())])
            .envs(self.more)
            .stdout(file.try_clone().expect("the same file"))
            .stderr(file)
            .spawn()
            .expect("it starts");
        let is_well = run(probe, until).await;
        println!("== as {}\n{}", self.who, fs::read_to_string(said).expect("readable"));
        (!is_well).then_some(self.who)
    }
}

/// What addresses may name: things of this person's.
async fn things(app: &TestApp, email: &str) -> Value {
    let own = format!("user_id = (select id from auth.users where email = '{email}')");
    json!({
        "/bookings/": app.texts("select booking_reference from bookings order by created_at").await,
        "/travellers/": app.texts(&format!("select id::text from saved_travellers where {own}")).await,
    })
}

#[tokio::test]
#[ignore = "wants schemathesis, which bin/test brings"]
async fn schemathesis_finds_no_failure_of_ours_and_no_answer_that_is_not_documented() {
    let app = TestApp::start().await;
    let saved = [
        ("given_names", "Tom"),
        ("family_name", "Archer"),
        ("day", "3"),
        ("month", "5"),
        ("year", "2018"),
        ("sex", "m"),
    ];
    for browser in [app.alice().await, app.bob().await] {
        browser.post_form("/account/travellers", &saved).await.redirect();
        app.draft(&browser).await;
        app.confirmed(&browser).await;
    }
    let document = app.guest().get("/api/openapi.json").await.expect(200).body;
    let written = root().join("target/openapi.json");
    std::fs::write(&written, document).expect("written");
    let until = Instant::now() + AT_MOST;
    let valid =
        tool("openapi-spec-validator").args(["--schema", "3.1"]).arg(&written).spawn().expect("it starts");
    assert!(run(valid, until).await, "the document breaks the schema of OpenAPI 3.1");

    // Somebody who has just shown a code, so that refunds are reached. Signing out would end the way in.
    let finance = app.staff("finance").await;
    app.second_factor(&finance).await;
    let session = finance.cookie("session").expect("a session");
    let of_staff = ["--include-path-regex", "^/api/admin/"];
    // What a guest is refused is known by now: this is about who is known and may not.
    let of_others =
        ["--exclude-path-regex", "^/api/(openapi|docs|airports|flights)", "--phases", "examples,fuzzing"];
    let session = Some(("PROBE_SESSION", session.as_str()));
    let reader = Some(("PROBE_SCOPE", "account:read"));
    let caller = |who, way, email, more, args| Caller { who, way, email, more, args };
    let staff = caller("staff", "cookie", ALICE, session, &of_staff);
    let guest = caller("guest", "guest", ALICE, None, &[]);
    let browser = caller("a browser", "cookie", BOB, None, &[]);
    let program = caller("a program", "bearer", ALICE, None, &[]);
    let reader = caller("a program that may only read itself", "bearer", ALICE, reader, &of_others);
    // One core thinks calls up, another answers them: two callers at once keep both busy.
    let probes = async {
        let staff = staff.probe(&app, until).await;
        let first = tokio::join!(guest.probe(&app, until), browser.probe(&app, until));
        let second = tokio::join!(program.probe(&app, until), reader.probe(&app, until));
        [staff, first.0, first.1, second.0, second.1]
    };
    let failed: Vec<&str> = without_limits(&app, probes).await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "schemathesis found something: see above, as {failed:?}");
    app.abandon_jobs();
    app.finish().await;
}
