//! A whole booking with everything around it, and what the log says of it: which request, which job, which id, and nothing of
//! whoever travels.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use jetbridge::{
    config::LogFormat,
    logging,
    sandbox::mailbox::{Fault, Stage},
};
use secrecy::ExposeSecret;
use tracing::subscriber::DefaultGuard;

use crate::{
    documents::{NUMBER, SEARCH, passport},
    helpers::{
        app::{ALICE, PASSWORD, TestApp},
        browser::Browser,
        story::{DECLINED_CARD, GOOD_CARD},
    },
};

const WRONG_PASSWORD: &str = "wombat ladder sulphur nine";
const ADDRESS: &str = "203.0.113.77";
const BODY: &str = "a body that nobody may repeat";

/// Everything that is logged on this thread, where a test has all of its app.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn listen(format: LogFormat, filter: &str) -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = logging::subscriber(format, filter, false, move || writer.clone()).unwrap();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the journey leaves behind: what no log may say, and what it must.
struct Traces {
    secrets: Vec<String>,
    ids: Vec<String>,
}

async fn journey(app: &TestApp) -> Traces {
    let alice = app.alice().await;
    let stranger = app.guest();
    stranger.set_header("x-forwarded-for", ADDRESS);
    stranger.post_form("/login", &[("email", ALICE), ("password", WRONG_PASSWORD)]).await.expect(422);

    let reference = choose(&alice, "call me").await;
    pay(app, &alice, &reference, &[DECLINED_CARD, GOOD_CARD]).await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");

    // Without an account, and with a mail server that says whom it does not know.
    let dora = app.guest();
    dora.set_header("x-forwarded-for", ADDRESS);
    let hers = choose(&dora, "").await;
    app.mailbox.fault(Stage::Rcpt, Fault::Answer(550));
    pay(app, &dora, &hers, &[GOOD_CARD]).await;
    let find = [("reference", reference.as_str()), ("family", "Duarte"), ("email", "maria@example.com")];
    stranger.post_form("/find", &find).await;
    app.run_jobs().await;

    let tokens = program(app).await;
    let carol = app.carol().await;
    carol.get("/admin/bookings?q=maria%40example.com").await.expect(200);
    let page = carol.get(&format!("/admin/bookings/{reference}")).await.expect(200);
    let shown = carol.submit(&page, "form[action$='/reveal']", &[("reason", "airline_asks")]).await;
    shown.expect(200).says(NUMBER);

    break_things(app, &stranger, &reference).await;
    let asked = stranger.get("/").await.header("x-request-id").unwrap().to_owned();
    let cookies = [&alice, &dora, &carol].map(|browser| browser.cookie("session").unwrap());
    alice.post_form("/logout", &[]).await.redirect();
    let mut ids = app.texts("select id::text from mails where state = 'dead'").await;
    assert!(!ids.is_empty(), "no mail was refused");
    ids.push(asked);
    let mut secrets = secrets(app, &cookies);
    secrets.extend(tokens);
    Traces { secrets, ids }
}

/// Alice's program signs in, asks, renews, and asks once more with what is used up. Its tokens.
async fn program(app: &TestApp) -> Vec<String> {
    let program = app.guest();
    let post = async |path: &str, body: serde_json::Value| {
        program.post(path, "application/json", body.to_string()).await
    };
    let login = serde_json::json!({ "email": ALICE, "password": PASSWORD });
    let first = post("/api/auth/login", login).await.expect(200).json();
    let word = |tokens: &serde_json::Value, name: &str| tokens[name].as_str().unwrap().to_owned();
    let refresh = serde_json::json!({ "refresh_token": word(&first, "refresh_token") });
    let second = post("/api/auth/refresh", refresh.clone()).await.expect(200).json();
    program.set_header("authorization", &format!("Bearer {}", word(&second, "access_token")));
    program.get("/api/auth/me").await.expect(200);
    post("/api/auth/refresh", refresh).await.expect(401);
    program.get("/api/auth/me").await.expect(401);
    let names = ["access_token", "refresh_token"];
    [first, second].iter().flat_map(|tokens| names.map(|name| word(tokens, name))).collect()
}

/// To the review of a booking that asks for passports; with a slip first, if there is one to make.
async fn choose(browser: &Browser, slip: &str) -> String {
    let found = browser.get(SEARCH).await.expect(200);
    let offer = browser.get(&found.attr("a[href^='/offers/']", "href")).await.expect(200);
    let form = browser.submit(&offer, "form[action='/bookings']", &[]).await.redirect();
    let page = browser.get(&form).await.expect(200);
    let mut typed = passport(NUMBER);
    if !slip.is_empty() {
        let wrong = [typed.as_slice(), &[("phone", slip)]].concat();
        browser.submit(&page, "form[action$='/passengers']", &wrong).await.expect(422);
    }
    typed.push(("phone", "+351 900 000 000"));
    browser.submit(&page, "form[action$='/passengers']", &typed).await.redirect();
    form.trim_start_matches("/bookings/").split('/').next().unwrap().to_owned()
}

async fn pay(app: &TestApp, browser: &Browser, reference: &str, cards: &[&str]) {
    let session = app.press_pay(browser, reference).await;
    for card in cards {
        app.stripe.pay(&session.id, card).unwrap();
    }
    app.settle().await;
    browser.get(&format!("/bookings/{reference}/return")).await;
}

/// What goes wrong is told at more length than what goes well.
async fn break_things(app: &TestApp, stranger: &Browser, reference: &str) {
    let body = format!("{{\"{BODY}\": \"maria@example.com\"}}");
    stranger.post_from_elsewhere_raw("/webhooks/stripe", "application/json", body.clone()).await;
    let signature = app.stripe.sign(&body);
    let signed = app.guest();
    signed.set_header("stripe-signature", &signature);
    signed.post_from_elsewhere_raw("/webhooks/stripe", "application/json", body.clone()).await;
    stranger.post("/bookings", "application/json", body).await;
    stranger.get("/nothing/maria@example.com?name=Duarte").await.expect(404);
    stranger.get("/booking-link/not-the-secret-of-anybody").await;
    stranger
        .post_form(
            "/signup",
            &[("name", "Duarte"), ("email", "maria@example.com"), ("password", WRONG_PASSWORD)],
        )
        .await;
    stranger.post_form("/reset", &[("email", ALICE)]).await;
    app.settle().await;
    let mails = app.mailbox.list();
    let text = mails.iter().find_map(|mail| mail.text.as_ref().filter(|text| text.contains("/reset/")));
    let link = text.and_then(|text| text.split_whitespace().find(|word| word.contains("/reset/"))).unwrap();
    let page = stranger.get(url::Url::parse(link).unwrap().path()).await.expect(200);
    stranger.submit(&page, "main form", &[("password", "short")]).await.expect(422);
    // Even where the database itself refuses the row that holds it all.
    app.execute("alter table bookings add constraint shut check (contact_phone !~ '1$') not valid").await;
    let fresh = app.sign_in(ALICE).await;
    let draft = choose(&fresh, "").await;
    let form = fresh.get(&format!("/bookings/{draft}/passengers")).await.expect(200);
    fresh.submit(&form, "form[action$='/passengers']", &[("phone", "+351 900 000 001")]).await.expect(500);
    let _ = reference;
    app.sweep().await;
}

fn secrets(app: &TestApp, cookies: &[String]) -> Vec<String> {
    let mut secrets: Vec<String> = [
        ALICE,
        "maria@example.com",
        "carol@example.com",
        "Test Traveller",
        "Maria Inês",
        "Duarte",
        "900 000 00",
        "1986-12-04",
        NUMBER,
        PASSWORD,
        WRONG_PASSWORD,
        GOOD_CARD,
        DECLINED_CARD,
        ADDRESS,
        BODY,
        "p1_given=",
        "not-the-secret-of-anybody",
    ]
    .map(str::to_owned)
    .to_vec();
    secrets.extend([GOOD_CARD, DECLINED_CARD].map(|card| card.replace(' ', "")));
    secrets.extend([PASSWORD, WRONG_PASSWORD, "Maria Inês", ALICE, "maria@example.com"].map(encoded));
    secrets.push(app.stripe.secret_key().expose_secret().to_owned());
    secrets.push(app.stripe.webhook_secret().expose_secret().to_owned());
    secrets.extend(cookies.iter().cloned());
    let before = secrets.len();
    for mail in app.mailbox.list() {
        let text = mail.text.unwrap_or_default();
        let long = text.split(|c: char| c.is_whitespace() || c == '/').filter(|word| word.len() >= 40);
        secrets.extend(long.map(str::to_owned));
    }
    assert!(secrets.len() > before, "no mail carried a token");
    secrets
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn nothing_personal_is_logged(format: LogFormat, filter: &str) {
    let app = TestApp::start_with(&[("TRUSTED_PROXY_HOPS", "1")]).await;
    let (log, listening) = Log::listen(format, filter);
    let traces = journey(&app).await;
    drop(listening);
    let text = log.text();
    let told: Vec<String> = traces
        .secrets
        .iter()
        .filter_map(|secret| {
            text.lines().find(|line| line.contains(secret.as_str())).map(|line| format!("{secret}: {line}"))
        })
        .collect();
    assert!(told.is_empty(), "{told:#?}");
    for id in &traces.ids {
        assert!(text.contains(id.as_str()), "nothing tells of {id}");
    }
    assert!(text.contains("/bookings/{reference}/passengers") && text.contains("answered"));
    app.abandon_jobs();
    app.execute("delete from attention_items").await;
    app.finish().await;
}

#[tokio::test]
async fn a_whole_booking_leaves_ids_and_no_person_in_the_log_for_people() {
    nothing_personal_is_logged(LogFormat::Text, "warn,jetbridge=trace").await;
}

#[tokio::test]
async fn a_whole_booking_leaves_ids_and_no_person_in_the_log_for_machines() {
    nothing_personal_is_logged(LogFormat::Json, "warn,jetbridge=trace").await;
}

#[tokio::test]
async fn even_with_everything_at_trace_no_library_tells_who_travels() {
    nothing_personal_is_logged(LogFormat::Text, "trace,lettre=trace").await;
}
