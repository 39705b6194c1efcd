//! The program as a person starts it: with nothing set, twice, killed, misconfigured.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A demo with a data directory of its own.
struct Demo {
    dir: PathBuf,
}

struct Running {
    child: Child,
    url: String,
    welcome: String,
}

impl Demo {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("jetbridge-demo-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        Self { dir }
    }

    fn command(&self) -> Command {
        let mut command = program();
        command.env("DATA_DIR", &self.dir).env("PORT", "0");
        command
    }

    fn start(&self) -> Running {
        let mut child = self.command().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut welcome = String::new();
        while !welcome.contains("Ctrl-C") {
            let read = output.read_line(&mut welcome).unwrap();
            assert!(read > 0, "it ended before it welcomed anybody: {welcome}");
        }
        let url = welcome.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        Running { child, url, welcome }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Running {
    async fn get(&self, path: &str) -> u16 {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        http.get(format!("{}{path}", self.url.trim_end_matches('/'))).send().await.unwrap().status().as_u16()
    }

    fn address(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches('/')
    }

    /// Sends the signal and waits for the end.
    fn end(mut self, signal: Signal) -> std::process::ExitStatus {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            if Instant::now() > limit {
                self.child.kill().unwrap();
                panic!("it does not stop at {signal}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The program, with nothing of this process's environment but what finds PostgreSQL.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jetbridge"));
    command.env_clear().stdin(Stdio::null());
    for name in ["PATH", "HOME", "PG_BIN_DIR", "TMPDIR", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn said(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

#[tokio::test]
async fn with_nothing_set_it_serves_a_demo_says_where_and_keeps_its_data() {
    let demo = Demo::new("keeps");
    let running = demo.start();
    for said in ["demo/mail", "admin/bookings", "staff@jetbridge.example", "4242"] {
        assert!(running.welcome.contains(said), "{}", running.welcome);
    }
    assert_eq!(running.get("/").await, 200);
    assert_eq!(running.get("/readyz").await, 200);
    assert_eq!(running.get("/static/nothing.css").await, 404);
    let password = |text: &str| {
        text.split("staff@jetbridge.example").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
    };
    let first = password(&running.welcome);
    assert!(running.end(Signal::SIGINT).success());

    let again = demo.start();
    assert_eq!(password(&again.welcome), first);
    assert_eq!(again.get("/").await, 200);
    assert!(again.end(Signal::SIGTERM).success());
}

#[tokio::test]
async fn being_killed_blocks_nothing() {
    let demo = Demo::new("killed");
    let running = demo.start();
    running.end(Signal::SIGKILL);
    let again = demo.start();
    assert_eq!(again.get("/readyz").await, 200);
    assert!(again.end(Signal::SIGINT).success());
}

#[tokio::test]
async fn nobody_reading_what_it_says_is_no_reason_to_fall_or_to_stay() {
    let demo = Demo::new("unread");
    let port = free_port();
    let mut command = demo.command();
    command.env("PORT", port.to_string()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    let running = Running { child, url: format!("http://127.0.0.1:{port}/"), welcome: String::new() };
    let limit = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < limit, "it does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(running.get("/readyz").await, 200);
    assert!(running.end(Signal::SIGTERM).success());
}

#[tokio::test]
async fn a_second_signal_does_not_wait_for_a_visitor() {
    let demo = Demo::new("impatient");
    let running = demo.start();
    let mut visitor = std::net::TcpStream::connect(running.address()).unwrap();
    let half = "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf";
    visitor.write_all(half.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    kill(Pid::from_raw(running.child.id().cast_signed()), Signal::SIGTERM).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let begin = Instant::now();
    assert!(!running.end(Signal::SIGTERM).success());
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    assert!(demo.start().end(Signal::SIGINT).success());
}

#[tokio::test]
async fn half_a_question_does_not_hold_up_the_end() {
    let demo = Demo::new("half");
    let running = demo.start();
    let mut visitor = std::net::TcpStream::connect(running.address()).unwrap();
    visitor.write_all(b"GET / HTTP/1.1\r\nHost: local").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let begin = Instant::now();
    assert!(running.end(Signal::SIGTERM).success());
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn one_directory_serves_one_demo_but_commands_work_beside_it() {
    let demo = Demo::new("shared");
    let running = demo.start();
    let (code, text) = said(&mut demo.command());
    assert!(code == Some(1) && text.contains("another Jetbridge uses this directory"), "{text}");
    assert_eq!(said(demo.command().arg("migrate")).0, Some(0));
    assert_eq!(running.get("/readyz").await, 200);
    running.end(Signal::SIGKILL);
    assert!(demo.start().end(Signal::SIGINT).success());
}

#[test]
fn staff_are_made_and_migrations_run_from_the_command_line() {
    let demo = Demo::new("staff");
    let (code, text) = said(demo.command().arg("migrate"));
    assert_eq!(code, Some(0), "{text}");
    let staff = ["create-staff", "--email", "carol@example.com", "--role", "finance"];
    let (code, text) = said(demo.command().args(staff));
    assert!(code == Some(0) && text.contains("carol@example.com can sign in as finance"), "{text}");
    let (code, text) =
        said(demo.command().args(["create-staff", "--email", "carol@example.com", "--role", "king"]));
    assert!(code == Some(2) && text.contains("viewer, agent, finance, owner"), "{text}");
    let (code, text) = said(demo.command().args(["create-staff", "--email", "nobody", "--role", "viewer"]));
    assert_eq!(code, Some(1), "{text}");
}

#[test]
fn help_tells_a_stranger_what_there_is() {
    let (code, text) = said(program().arg("--help"));
    assert_eq!(code, Some(0));
    for word in ["serve", "migrate", "create-staff", "demo", "DEPLOYMENT.md"] {
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn production_refuses_to_start_with_sandbox_parts_or_without_keys() {
    let production = || {
        let mut command = program();
        command.env("JETBRIDGE_MODE", "production");
        command
    };
    let (code, text) = said(&mut production());
    assert_eq!(code, Some(78));
    for name in [
        "DATABASE_URL",
        "BASE_URL",
        "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRETS",
        "SMTP_URL",
        "MAIL_FROM",
        "SUPPLIER",
    ] {
        assert!(text.contains(name), "does not name {name}: {text}");
    }
    let (code, text) =
        said(production().env("STRIPE_SECRET_KEY", "sk_test_secret123").env("SUPPLIER", "timetable"));
    assert_eq!(code, Some(78));
    assert!(text.contains("test-mode key") && text.contains("invented"), "{text}");
    assert!(!text.contains("secret123"), "a secret was printed: {text}");
    let (code, text) = said(program().env("JETBRIDGE_MODE", "prod"));
    assert!(code == Some(78) && text.contains("JETBRIDGE_MODE"), "{text}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let demo = Demo::new("taken");
    let mut child =
        demo.command().env("PORT", &port).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(text.contains(&port), "{text}");
}
