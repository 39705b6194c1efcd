//! As much of the W3C WebDriver protocol as the walks need, spoken to Debian's chromedriver. A crate for it would bring
//! forty others along.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How long a page may take to become what it has to be, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum JavaScript {
    On,
    Off,
}

pub struct Driver {
    http: reqwest::Client,
    session: String,
    server: Child,
    profile: PathBuf,
}

impl Driver {
    pub async fn start(javascript: JavaScript) -> Self {
        let (server, port) = start_server();
        let http =
            reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().expect("a client");
        let profile = std::env::temp_dir().join(format!("jetbridge-browser-{}-{port}", std::process::id()));
        let mut driver = Self { http, session: format!("http://127.0.0.1:{port}"), server, profile };
        let answer = driver
            .post("/session", json!({ "capabilities": { "alwaysMatch": driver.wishes(javascript) } }))
            .await;
        let id = answer["sessionId"].as_str().expect("a session").to_owned();
        driver.session = format!("{}/session/{id}", driver.session);
        driver
    }

    fn wishes(&self, javascript: JavaScript) -> Value {
        let profile = format!("--user-data-dir={}", self.profile.display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            &profile,
        ];
        // 2 is "block", as a person sets it in the browser's own settings.
        let prefs = match javascript {
            JavaScript::On => json!({}),
            JavaScript::Off => json!({ "profile.managed_default_content_settings.javascript": 2 }),
        };
        let mut options = json!({ "args": arguments, "prefs": prefs });
        if let Some(binary) = chromium() {
            options["binary"] = json!(binary);
        }
        json!({ "goog:chromeOptions": options, "timeouts": { "pageLoad": 30_000, "script": 30_000 } })
    }

    pub async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    pub async fn url(&self) -> String {
        self.get("/url").await.as_str().expect("an address").to_owned()
    }

    /// The visible words of the first match.
    pub async fn text(&self, css: &str) -> String {
        let text = self.on(css, "text", None).await;
        text.as_str().expect("text").to_owned()
    }

    pub async fn has(&self, css: &str) -> bool {
        let found = self.post("/elements", json!({ "using": "css selector", "value": css })).await;
        found.as_array().is_some_and(|list| !list.is_empty())
    }

    pub async fn click(&self, css: &str) {
        self.on(css, "click", Some(json!({}))).await;
    }

    /// Replaces what stands in a field by these keys.
    pub async fn fill(&self, css: &str, text: &str) {
        self.on(css, "clear", Some(json!({}))).await;
        self.on(css, "value", Some(json!({ "text": text }))).await;
    }

    /// Presses a key on top of what stands in a field.
    pub async fn press(&self, css: &str, key: &str) {
        self.on(css, "value", Some(json!({ "text": key }))).await;
    }

    /// Does something with the first match, as soon as there is one. A page that is just being replaced takes its elements
    /// with it: then the next one is asked.
    async fn on(&self, css: &str, deed: &str, body: Option<Value>) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.ask("/element", Some(json!({ "using": "css selector", "value": css }))).await;
            let done = match found {
                Ok(element) => {
                    let element = element[ELEMENT].as_str().expect("an element").to_owned();
                    self.ask(&format!("/element/{element}/{deed}"), body.clone()).await
                }
                Err(error) => Err(error),
            };
            match done {
                Ok(value) => return value,
                Err(error) if Instant::now() > end => {
                    panic!("{deed} {css} at {}: {error}", self.url().await)
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    pub async fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// The script ends by calling its last argument.
    pub async fn run_async(&self, script: &str) -> Value {
        self.post("/execute/async", json!({ "script": script, "args": [] })).await
    }

    /// Waits until this stands on the page.
    pub async fn wait_for(&self, css: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.has(css).await {
            assert!(Instant::now() < end, "{css} does not come up at {}", self.url().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the address contains this.
    pub async fn wait_for_address(&self, part: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.url().await.contains(part) {
            assert!(
                Instant::now() < end,
                "still at {}, not at …{part}…: {}",
                self.url().await,
                self.text("body").await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A screen of this width, and the visitor's choice of light or dark.
    pub async fn look(&self, width: u32, scheme: &str) {
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// A picture of the whole page.
    pub async fn picture(&self, path: &Path) {
        let shot = self
            .devtools("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true }))
            .await;
        let data = shot["data"].as_str().expect("a picture");
        let bytes = BASE64_STANDARD.decode(data).expect("base64");
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(path, bytes).expect("a file");
    }

    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    pub async fn quit(self) {
        let _ = self.http.delete(&self.session).send().await;
    }

    async fn get(&self, path: &str) -> Value {
        self.insist(path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.insist(path, Some(body)).await
    }

    /// A page that is just being replaced answers nothing: then the next one is asked.
    async fn insist(&self, path: &str, body: Option<Value>) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.ask(path, body.clone()).await {
                Ok(value) => return value,
                Err(error) => assert!(Instant::now() < end, "{path}: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn ask(&self, path: &str, body: Option<Value>) -> Result<Value, String> {
        let url = format!("{}{path}", self.session);
        let request = match body {
            Some(body) => {
                self.http.post(url).header("content-type", "application/json").body(body.to_string())
            }
            None => self.http.get(url),
        };
        let response = request.send().await.expect("chromedriver answers");
        let ok = response.status().is_success();
        let text = response.text().await.expect("chromedriver answers");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        if ok { Ok(value["value"].clone()) } else { Err(value["value"]["message"].to_string()) }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        // The browser ends when its driver does, but not at once, and writes until then.
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(50));
            let _ = std::fs::remove_dir_all(&self.profile);
        }
    }
}

fn start_server() -> (Child, u16) {
    let program = std::env::var("CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".to_owned());
    let mut server = Command::new(&program)
        .args(["--port=0", "--log-level=WARNING"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{program} does not start ({error}): install Chromium and ChromeDriver")
        });
    let output = BufReader::new(server.stdout.take().expect("its output"));
    let port = output.lines().map_while(Result::ok).find_map(|line| {
        let port = line.strip_prefix("ChromeDriver was started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    (server, port.expect("chromedriver names its port"))
}

/// `None`: where chromedriver itself looks.
fn chromium() -> Option<String> {
    let told = std::env::var("CHROMIUM").ok();
    let usual = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    told.or_else(|| usual.iter().find(|path| Path::new(path).exists()).map(|path| (*path).to_owned()))
}
