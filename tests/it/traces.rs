//! Spans as an OpenTelemetry collector receives them: from the app itself and from the real program at its end.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use jetbridge::{
    config::LogFormat,
    logging,
    traces::{TraceSettings, Traces},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::helpers::app::{ALICE, TestApp};

/// Keeps what is posted to it. Protocol buffers keep text as it is, so that names can be looked for.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Posted>>>);

/// The head of a request, and its body.
type Posted = (String, Vec<u8>);

impl Collector {
    fn start(status: u16) -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self::default();
        let kept = collector.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let mut stream = stream;
                    loop {
                        let mut head = String::new();
                        while !head.ends_with("\r\n\r\n") {
                            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                                return;
                            }
                        }
                        let length = head.to_lowercase().split("content-length: ").nth(1).unwrap().to_owned();
                        let mut body = vec![0; length.lines().next().unwrap().trim().parse().unwrap()];
                        reader.read_exact(&mut body).unwrap();
                        kept.0.lock().unwrap().push((head, body));
                        let _ = write!(stream, "HTTP/1.1 {status} As told\r\nContent-Length: 0\r\n\r\n");
                    }
                });
            }
        });
        (collector, url)
    }

    fn heads(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(head, _)| head.clone()).collect()
    }

    fn has(&self, text: &str) -> bool {
        let kept = self.0.lock().unwrap();
        kept.iter().any(|(_, body)| body.windows(text.len()).any(|part| part == text.as_bytes()))
    }
}

fn settings(url: &str) -> TraceSettings {
    TraceSettings {
        endpoint: url.parse().unwrap(),
        headers: Some("x-key=hunter2, x-other=1".into()),
        service: "fly-shop".to_owned(),
    }
}

#[tokio::test]
async fn requests_jobs_and_calls_are_told_by_their_patterns_and_nobody_who_travels_is() {
    let (collector, url) = Collector::start(200);
    let app = TestApp::start().await;
    let traces = Traces::start(&settings(&url)).unwrap();
    let subscriber = logging::subscriber_beside(
        traces.layer(),
        LogFormat::Json,
        "trace,lettre=trace",
        false,
        std::io::sink,
    );
    let listening = tracing::subscriber::set_default(subscriber.unwrap());
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    let page = alice.get(&format!("/bookings/{reference}")).await.expect(200);
    let request = page.header("x-request-id").unwrap().to_owned();
    alice.get("/nothing/maria@example.com?q=Duarte").await.expect(404);
    drop(listening);
    traces.finish().await;

    assert!(collector.heads()[0].starts_with("POST /v1/traces "), "{:?}", collector.heads());
    let head = collector.heads()[0].to_lowercase();
    assert!(head.contains("application/x-protobuf") && head.contains("x-key: hunter2"), "{head}");
    let told = [
        "fly-shop",
        "GET /bookings/{reference}",
        "GET none",
        "http.route",
        "http.response.status_code",
        "job send_mail",
        "job order_at_supplier",
        "stripe capture",
        "smtp send",
        "supplier search",
        &request,
    ];
    for name in told {
        assert!(collector.has(name), "no span tells of {name}");
    }
    for secret in
        [ALICE, "maria@example.com", "Duarte", reference.as_str(), "select ", "code.", "thread", "answered"]
    {
        assert!(!collector.has(secret), "{secret} was told");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_collector_that_fails_or_is_away_keeps_nobody_waiting() {
    let (_, failing) = Collector::start(500);
    for url in [failing.as_str(), "http://127.0.0.1:1"] {
        let app = TestApp::start().await;
        let traces = Traces::start(&settings(url)).unwrap();
        let subscriber =
            logging::subscriber_beside(traces.layer(), LogFormat::Text, "info", false, std::io::sink);
        let listening = tracing::subscriber::set_default(subscriber.unwrap());
        app.get("/").await.expect(200);
        drop(listening);
        let began = Instant::now();
        traces.finish().await;
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        app.finish().await;
    }
}

#[tokio::test]
async fn the_program_delivers_its_last_spans_before_it_ends() {
    let (collector, url) = Collector::start(200);
    let dir = std::env::temp_dir().join(format!("jetbridge-traces-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let mut command = Command::new(env!("CARGO_BIN_EXE_jetbridge"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["PATH", "HOME", "PG_BIN_DIR", "TMPDIR", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("DATA_DIR", &dir).env("PORT", "0").env("OTEL_EXPORTER_OTLP_ENDPOINT", &url);
    let mut child = command.spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut welcome = String::new();
    while !welcome.contains("Ctrl-C") {
        assert!(output.read_line(&mut welcome).unwrap() > 0, "it ended: {welcome}");
    }
    let site = welcome.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.get(format!("{site}login")).send().await.unwrap();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert!(child.wait().unwrap().success());
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.lines().any(|line| line.contains("request{id=") && line.contains("answered")), "{log}");
    assert!(collector.has("GET /login") && collector.has("jetbridge"), "{:?}", collector.heads());
    let _ = std::fs::remove_dir_all(&dir);
}
