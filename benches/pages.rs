//! What pages cost, in counters that do not depend on the machine: `cargo bench --bench pages`. Walks the traveller's way
//! through the real application on a real PostgreSQL and prints SQL statements and bytes per page.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may panic")]

#[path = "../tests/it/helpers/mod.rs"]
mod helpers;

use helpers::{
    app::TestApp,
    browser::Browser,
    story::{GOOD_CARD, SEARCH, passenger},
};

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
}
