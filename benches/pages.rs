//! What pages cost, in counters that do not depend on the machine: `cargo bench --bench pages`. Walks the traveller's way
//! through the real application on a real PostgreSQL and prints SQL statements and bytes per page. At the end a page of
//! search from the cache, with all layers around it, beside a page of the same bytes from axum and askama alone, in turns:
//! the ratio is what counts. Neither is compressed in the first two rounds; in the third the bare page has the layer as well.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may panic")]

#[path = "../tests/it/helpers/mod.rs"]
mod helpers;

use std::{sync::Arc, time::Duration};

use askama::Template;
use axum::{Router, response::Html, routing::get};
use helpers::{
    app::TestApp,
    browser::Browser,
    story::{GOOD_CARD, SEARCH, passenger},
};
use nix::time::{ClockId, clock_gettime};
use tokio::net::TcpListener;
use tower_http::compression::CompressionLayer;
use url::Url;

/// Turns of each of the two pages, and requests in a turn.
const TURNS: usize = 8;
const REQUESTS: usize = 200;
/// At once.
const VISITORS: usize = 8;

#[derive(Template)]
#[template(source = "{% for line in lines %}{{ line }}\n{% endfor %}", ext = "html", escape = "none")]
struct BarePage<'a> {
    lines: &'a [String],
}

/// The least that a page of these bytes costs.
async fn bare(body: &str, is_compressed: bool) -> Url {
    let lines: Arc<[String]> = body.lines().map(str::to_owned).collect();
    let page = move || {
        let lines = Arc::clone(&lines);
        async move { Html(BarePage { lines: &lines }.render().unwrap()) }
    };
    let router = Router::new().route("/", get(page));
    let router = if is_compressed { router.layer(CompressionLayer::new()) } else { router };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// Who asks.
#[derive(Clone, Copy)]
struct Visitors {
    name: &'static str,
    /// Each request from another network, which has to be counted in PostgreSQL first.
    are_new: bool,
    take: Option<&'static str>,
}

const VISITORS_OF: [Visitors; 3] = [
    Visitors { name: "who has searched before", are_new: false, take: None },
    Visitors { name: "from a network never seen", are_new: true, take: None },
    Visitors { name: "who has searched before, compressed", are_new: false, take: Some("br, gzip") },
];

impl Visitors {
    fn address(self, nth: usize, request: usize) -> String {
        let host = if self.are_new { request % 250 } else { request % VISITORS };
        format!("198.51.{nth}.{host}")
    }
}

/// Asks from a thread of its own, so that this thread's time is the server's alone. How long this thread worked for it.
async fn turn(http: &reqwest::Client, url: &Url, visitors: Visitors, nth: usize) -> Duration {
    let (http, url) = (http.clone(), url.clone());
    let (done, finished) = tokio::sync::oneshot::channel();
    let began = on_cpu();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let all = (0..VISITORS).map(|visitor| {
                let (http, url) = (http.clone(), url.clone());
                tokio::spawn(async move {
                    for request in (visitor..REQUESTS).step_by(VISITORS) {
                        let asked = http.get(url.clone());
                        let asked = asked.header("x-forwarded-for", visitors.address(nth, request));
                        let asked = match visitors.take {
                            Some(take) => asked.header("accept-encoding", take),
                            None => asked,
                        };
                        let answer = asked.send().await.unwrap();
                        assert_eq!(answer.status(), 200, "{url}");
                        assert_eq!(
                            answer.headers().contains_key("content-encoding"),
                            visitors.take.is_some()
                        );
                        answer.bytes().await.unwrap();
                    }
                })
            });
            for visitor in all.collect::<Vec<_>>() {
                visitor.await.unwrap();
            }
        });
        done.send(()).unwrap();
    });
    finished.await.unwrap();
    on_cpu() - began
}

async fn beside_a_bare_page() {
    let app = TestApp::start_with(&[("TRUSTED_PROXY_HOPS", "1")]).await;
    let list = app.get(SEARCH).await;
    let page = app.url.join(SEARCH).unwrap();
    // A client keeps its connections, so it may not outlive the runtime of its turn.
    let client = || reqwest::Client::builder().no_proxy().build().unwrap();
    for (round, visitors) in VISITORS_OF.into_iter().enumerate() {
        let bare = bare(&list.body, visitors.take.is_some()).await;
        let [mut ours, mut least] = [Duration::ZERO; 2];
        for nth in 0..TURNS {
            // Networks of this round; the first turn makes their acquaintance, where that is not what is measured.
            let network = if visitors.are_new { 100 + nth } else { round };
            let ask = async |url: &Url| turn(&client(), url, visitors, network).await;
            let (page, bare) = (ask(&page).await, ask(&bare).await);
            if nth > 0 {
                (ours, least) = (ours + page, least + bare);
            }
        }
        let requests = ((TURNS - 1) * REQUESTS) as f64;
        let per_second = |time: Duration| requests / time.as_secs_f64();
        println!(
            "a visitor {}: search from the cache {:.0}/s of a core, a bare page of the same bytes {:.0}/s: throughput × {:.2}",
            visitors.name,
            per_second(ours),
            per_second(least),
            least.as_secs_f64() / ours.as_secs_f64()
        );
    }
    app.finish().await;
}

/// Time that this thread had a core, whatever else the machine does.
fn on_cpu() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
    Duration::new(time.tv_sec().try_into().unwrap(), time.tv_nsec().try_into().unwrap())
}

struct Meter<'a> {
    app: &'a TestApp,
    browser: Browser,
}

impl Meter<'_> {
    async fn get(&self, name: &str, path: &str) -> helpers::page::Page {
        self.app.statements.take();
        let page = self.browser.get(path).await;
        let statements = self.app.statements.take().len();
        println!("{name:<34} {:>3} {statements:>4} {:>8}", page.status.as_u16(), page.body.len());
        page
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let app = TestApp::start().await;
    println!("{:<34} {:>3} {:>4} {:>8}", "page", "", "SQL", "bytes");
    let guest = Meter { app: &app, browser: app.guest() };
    guest.get("home, nobody signed in", "/").await;
    guest.get("search, asked for the first time", SEARCH).await;
    let flights = guest.get("search, from the cache", SEARCH).await;
    let twin = app.twin().await;
    let other = Meter { app: &app, browser: twin.browser(&app.guest()) };
    other.get("search, kept by another process", SEARCH).await;
    let offer = flights.attr("a[href^='/offers/']", "href");
    guest.get("offer", &offer).await;
    guest.get("log-in", "/login").await;

    let alice = Meter { app: &app, browser: app.alice().await };
    alice.get("home, signed in", "/").await;
    let page = alice.browser.get(&offer).await;
    let to = alice.browser.submit(&page, "form[action='/bookings']", &[]).await.redirect();
    let form = alice.get("passengers", &to).await;
    let to =
        alice.browser.submit(&form, "form[action$='/passengers']", &passenger("Duarte")).await.redirect();
    let review = alice.get("review", &to).await;
    app.statements.take();
    let pay = alice.browser.submit(&review, "form[action$='/pay']", &[]).await;
    println!(
        "{:<34} {:>3} {:>4}",
        "pay (price, hold, session)",
        pay.status.as_u16(),
        app.statements.take().len()
    );
    let session = pay.redirect().rsplit('/').next().unwrap().to_owned();
    app.stripe.pay(&session, GOOD_CARD).unwrap();
    app.stripe.settled().await;
    app.statements.take();
    app.settle().await;
    println!("{:<34} {:>3} {:>4}", "all jobs of a booking", "", app.statements.take().len());
    let booking = to.trim_end_matches("/review").to_owned();
    alice.get("booking", &booking).await;
    alice.get("bookings", "/bookings").await;

    let carol = Meter { app: &app, browser: app.carol().await };
    carol.get("staff: bookings", "/admin/bookings").await;
    carol.get("staff: booking", &format!("/admin{booking}")).await;
    app.finish().await;
    beside_a_bare_page().await;
}
