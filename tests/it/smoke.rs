//! `jetbridge smoke`: the real program against a site that is well, and against one with each fault in it. It must find the
//! fault, say at which step, and end with 1.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use jetbridge::sandbox::{
    mailbox::{self, Stage},
    stripe::Fault,
};
use tokio::process::Command;

use crate::helpers::app::{REHEARSAL, TestApp};

struct Said {
    code: Option<i32>,
    text: String,
}

impl Said {
    #[track_caller]
    fn expect(&self, state: &str, step: &str, says: &str) {
        let line = self
            .text
            .lines()
            .find(|line| line.starts_with(state) && line.contains(step) && line.contains(says));
        assert!(line.is_some(), "no line: {state} {step} {says}\n{}", self.text);
    }

    #[track_caller]
    fn fails_at(&self, step: &str, says: &str) {
        self.expect("FAILED", step, says);
        assert!(self.text.trim_end().ends_with(&format!("FAILED at: {step}")), "{}", self.text);
        assert_eq!(self.code, Some(1), "{}", self.text);
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jetbridge"));
    command.env_clear().stdin(Stdio::null()).kill_on_drop(true);
    for name in ["PATH", "HOME", "PG_BIN_DIR", "TMPDIR", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

async fn smoke(url: &str, more: &[&str], token: Option<&str>) -> Said {
    let mut command = program();
    command.args(["smoke", "--base-url", url]).args(more);
    if let Some(token) = token {
        command.env("METRICS_TOKEN", token);
    }
    let output = command.output().await.unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Said { code: output.status.code(), text: String::from_utf8(output.stdout).unwrap() }
}

/// The same against the test's own app, whose worker runs beside it.
async fn smoke_app(app: &TestApp, patience: &str) -> Said {
    let work = async {
        loop {
            app.stripe.settled().await;
            app.run_jobs().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let arguments = ["--patience", patience];
    tokio::select! {
        said = smoke(app.url.as_str(), &arguments, None) => said,
        () = work => unreachable!("it works for ever"),
    }
}

/// A demo as it is started by hand, with its log in a file.
struct Demo {
    dir: PathBuf,
    child: Child,
    url: String,
}

const TOKEN: &str = "a-token-of-the-smoke-test-only";

impl Demo {
    fn start(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("jetbridge-smoke-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        // The data directory is entered by another user than this one.
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let mut command = program().into_std();
        command.env("DATA_DIR", dir.join("data")).env("PORT", "0").env("LOG_FORMAT", "json");
        command.env("METRICS_TOKEN", TOKEN).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut welcome = String::new();
        while !welcome.contains("Ctrl-C") {
            assert!(output.read_line(&mut welcome).unwrap() > 0, "it ended: {welcome}");
        }
        let url = welcome.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        Self { dir, child, url }
    }

    fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    fn signal(&self, pid: i32, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.signal(self.child.id().cast_signed(), nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn postmaster(data: &Path) -> i32 {
    let mut open = vec![data.to_owned()];
    while let Some(dir) = open.pop() {
        if let Ok(text) = std::fs::read_to_string(dir.join("postmaster.pid")) {
            return text.lines().next().unwrap().parse().unwrap();
        }
        open.extend(
            std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path()).filter(|path| path.is_dir()),
        );
    }
    panic!("no PostgreSQL under {}", data.display())
}

#[tokio::test]
async fn a_demo_is_well_from_its_health_to_its_log_until_its_database_stops() {
    let demo = Demo::start("well");
    let log = demo.log().to_str().unwrap().to_owned();
    let said = smoke(&demo.url, &["--log-file", &log], Some(TOKEN)).await;
    assert_eq!(said.code, Some(0), "{}", said.text);
    for step in [
        "health",
        "security headers",
        "sign up",
        "search",
        "offer",
        "booking",
        "payment",
        "ticket",
        "mail",
        "figures",
        "log",
        "clean-up",
    ] {
        said.expect("ok", step, "");
    }
    said.expect("ok", "clean-up", "Smoketest");
    assert!(said.text.contains("All went well."));

    // A log that leaves requests out, or tells who travels.
    let other = demo.dir.join("other");
    std::fs::write(&other, "{}\n").unwrap();
    let said = smoke(&demo.url, &["--log-file", other.to_str().unwrap()], None).await;
    said.fails_at("log", "are not in the log");
    std::fs::write(&other, "{\"name\": \"Smoketest\"}\n").unwrap();
    let said = smoke(&demo.url, &["--log-file", other.to_str().unwrap()], None).await;
    said.fails_at("log", "a passenger's name of this journey stands in the log");
    smoke(&demo.url, &[], Some("another-token-than-the-site-has")).await.fails_at("figures", "401");

    let postgres = postmaster(&demo.dir.join("data"));
    demo.signal(postgres, nix::sys::signal::Signal::SIGQUIT);
    tokio::time::sleep(Duration::from_millis(500)).await;
    smoke(&demo.url, &[], None).await.fails_at("health", "/readyz answers 503");
}

#[tokio::test]
async fn stripe_being_down_fails_the_payment_and_leaves_nothing_behind() {
    let app = TestApp::start().await;
    app.stripe.outage(Some(Fault::Status(503)));
    let said = smoke_app(&app, "2").await;
    said.fails_at("payment", "");
    said.expect("ok", "booking", "");
    app.stripe.outage(None);
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn events_that_never_arrive_and_a_worker_that_does_not_run_fail_the_ticket() {
    let app = TestApp::start().await;
    let said = smoke(app.url.as_str(), &["--patience", "1"], None).await;
    said.fails_at("ticket", "is the worker running?");
    said.expect("ok", "clean-up", "left: account smoke-");
    app.settle().await;
    app.finish().await;
}

#[tokio::test]
async fn a_mail_server_that_refuses_fails_the_mail() {
    let app = TestApp::start().await;
    for _ in 0..200 {
        app.mailbox.fault(Stage::Mail, mailbox::Fault::Answer(451));
    }
    smoke_app(&app, "3").await.fails_at("mail", "no mail about");
    app.abandon_jobs();
    app.finish().await;
}

/// A site whose database refuses to write to this table.
async fn without(table: &str) -> TestApp {
    let app = TestApp::start().await;
    app.execute(
        "create function broken() returns trigger language plpgsql as $$ begin raise exception 'x'; end $$",
    )
    .await;
    app.execute(&format!(
        "create trigger broken before insert on {table} for each row execute function broken()"
    ))
    .await;
    app
}

#[tokio::test]
async fn each_thing_that_cannot_be_written_fails_its_step_and_the_account_is_deleted() {
    let steps = [
        ("auth.users", "sign up", "nothing was made"),
        ("flight_search_claims", "search", "the account is deleted"),
        ("bookings", "booking", "the account is deleted"),
        ("passengers", "booking", "the account is deleted"),
    ];
    for (table, step, left) in steps {
        let app = without(table).await;
        let said = smoke_app(&app, "2").await;
        said.fails_at(step, "500");
        said.expect(if left == "nothing was made" { "skipped" } else { "ok" }, "clean-up", left);
        app.abandon_jobs();
        app.finish().await;
    }
}

#[tokio::test]
async fn a_site_that_could_take_real_money_is_not_pressed_to() {
    // A site behind https, whose pages do not say that it is a demo.
    let app = TestApp::start_with(&REHEARSAL).await;
    // By an address that is not its own.
    smoke(app.url.as_str(), &[], None).await.fails_at("security headers", "421");
    app.finish().await;
}

#[tokio::test]
async fn another_site_or_nobody_at_all_is_no_jetbridge() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    smoke(&format!("http://127.0.0.1:{port}"), &[], None).await.fails_at("health", "refused");

    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", other.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in other.incoming().flatten() {
            let _ = stream.read(&mut [0; 2048]);
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
        }
    });
    smoke(&url, &[], None).await.fails_at("health", "is this another site?");
    let said = smoke(&url, &["--email", "nonsense"], None).await;
    assert_eq!(said.code, Some(1));
    said.expect("FAILED", "start", "no address");
}
