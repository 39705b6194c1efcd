//! Everybody of the cast at every address, against the written table in `cast.txt`: what is alice's is hers alone, what is
//! the staff's is the staff's, and a guest is asked who they are. A new route needs a line there, and if its address has
//! a parameter, a line in [`World::values`] that says which of alice's things it names.

use std::collections::{BTreeMap, BTreeSet};

use jetbridge::web::scopes::Scopes;
use jiff::SignedDuration;
use reqwest::Method;

use crate::helpers::{
    app::{self, TestApp},
    browser::Browser,
    page::Page,
    story::SEARCH,
};

const ROUTES: &str = include_str!("../../src/app/routes.rs");
const TABLE: &str = include_str!("cast.txt");
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// What a request may leave behind even where nobody is let in: that somebody was there, and is counted.
const FOOTPRINTS: [&str; 4] =
    ["tower_sessions.session", "auth.devices", "public.rate_limits", "public.sign_in_delays"];

const UNKNOWN_ID: &str = "00000000-0000-7000-8000-000000000000";

/// One line of the table.
struct Line {
    method: &'static str,
    address: &'static str,
    cells: Vec<(&'static str, &'static str)>,
}

fn table() -> Vec<Line> {
    let mut lines = TABLE.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let mut words = lines.next().expect("a heading").split_whitespace();
    assert_eq!((words.next(), words.next()), (Some("method"), Some("address")));
    let cast: Vec<&str> = words.collect();
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let (method, address) = (words.next().expect("a method"), words.next().expect("an address"));
            let cells: Vec<_> = cast.iter().copied().zip(words.by_ref()).collect();
            assert!(cells.len() == cast.len() && words.next().is_none(), "not one cell for each: {line}");
            Line { method, address, cells }
        })
        .collect()
}

/// Method and address of each route in app/routes.rs.
pub fn routes() -> BTreeSet<(&'static str, &'static str)> {
    let mut found = BTreeSet::new();
    for call in ROUTES.split(".route(").skip(1).map(within_parentheses) {
        let address = call.split('"').nth(1).expect("an address");
        let mut methods = methods_of(call);
        if methods.is_empty() {
            // The methods stand in a function of their own.
            let name = call.rsplit(',').find(|part| part.contains("()")).unwrap_or(call).trim();
            let body = ROUTES.split(&format!("fn {}", name.trim_end_matches(','))).nth(1);
            methods = methods_of(body.unwrap_or_default().split("\n}").next().unwrap_or_default());
        }
        assert!(!methods.is_empty(), "by which method is {address} reached?");
        found.extend(methods.into_iter().map(|method| (method, address)));
    }
    found
}

fn methods_of(code: &str) -> Vec<&'static str> {
    let calls = |method: &str| {
        let word = format!("{}(", method.to_lowercase());
        code.match_indices(&word)
            .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    METHODS.into_iter().filter(|method| calls(method)).collect()
}

fn within_parentheses(code: &'static str) -> &'static str {
    let mut depth = 1;
    for (at, c) in code.char_indices() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if depth == 0 {
            return &code[..at];
        }
    }
    code
}

#[test]
fn every_route_has_a_line_and_every_line_a_route() {
    let (routes, mut lines) = (routes(), BTreeSet::new());
    assert!(routes.len() > 20, "the route table was not found");
    for other in [".nest(", ".route_service(", " any("] {
        assert!(!ROUTES.contains(other), "routes added by {other} are not seen here");
    }
    for part in ROUTES.split(".merge(").skip(1).filter_map(|rest| rest.split("()").next()) {
        assert!(ROUTES.contains(&format!("\nfn {part}() -> Router")), "{part} stands somewhere else");
    }
    for line in table() {
        assert!(
            lines.insert((line.method, line.address)),
            "{} {} stands there twice",
            line.method,
            line.address
        );
    }
    let missing: Vec<_> = routes.difference(&lines).collect();
    assert!(missing.is_empty(), "tests/it/cast.txt says nothing about {missing:#?}");
    let gone: Vec<_> = lines.difference(&routes).collect();
    assert!(gone.is_empty(), "tests/it/cast.txt speaks of routes that are no more: {gone:#?}");
}

/// The app with everybody signed in, and things of alice's for addresses to name.
struct World {
    app: TestApp,
    cast: BTreeMap<&'static str, Browser>,
    offer: String,
    bookings: Vec<String>,
    mail: String,
    /// In the staff's log.
    letter: String,
    style: String,
    attention: String,
    event: String,
    endpoint: String,
    delivery: String,
    /// Somebody of staff who is not of the cast.
    colleague: String,
    travellers: Vec<String>,
    devices: Vec<String>,
    programs: Vec<String>,
}

impl World {
    async fn new() -> Self {
        // Where every address is visited, none may need a second connection for itself.
        let app = TestApp::on_one_connection().await;
        let alice = app.alice().await;
        let offer = alice.get(SEARCH).await.attr("a[href^='/offers/']", "href");
        let bookings = vec![app.draft(&alice).await, app.confirmed(&alice).await];
        let mail = alice.get("/demo/mail").await.attr("a[href^='/demo/mail/']", "href");
        let sent = "select id::text from mails where state = 'sent' and booking_id is not null limit 1";
        let letter = app.texts(sent).await.remove(0);
        let style = alice.get("/").await.attr("link[rel=stylesheet]", "href");
        let saved = [
            ("given_names", "Tom"),
            ("family_name", "Archer"),
            ("day", "3"),
            ("month", "5"),
            ("year", "2018"),
            ("sex", "m"),
        ];
        // Two of what an address takes away: the page's and the API's.
        for given_names in ["Tom", "Tim"] {
            let mut saved = saved;
            saved[0].1 = given_names;
            alice.post_form("/account/travellers", &saved).await.redirect();
        }
        app.sign_in(app::ALICE).await;
        let travellers = app.texts("select id::text from saved_travellers").await;
        let devices = app.texts("select id::text from auth.devices").await;
        for _ in 0..2 {
            let id = app.texts("select id::text from auth.users").await.remove(0);
            app.issue(id.parse().unwrap(), Scopes::ALL).await.unwrap();
        }
        let programs = app.texts("select id::text from auth.token_families").await;
        app.bob().await;
        let hook = [("url", "https://hooks.example.com/")];
        let endpoint = last_part(&app.carol().await.post_form("/admin/hooks", &hook).await.redirect());
        // What is for the owners of addresses alone is looked at as well.
        app.prove_address(app::ALICE).await;
        app.prove_address(app::BOB).await;
        let item = "insert into attention_items (kind, subject, detail) values ('job_dead', 'x', 'x')";
        app.execute(item).await;
        let attention = app.texts("select id::text from attention_items").await.remove(0);
        let event = app.texts("select id from stripe_events limit 1").await.remove(0);
        app.execute(
            "insert into hook_events (id, kind, once_key, data, happened_at)
                 values (gen_random_uuid(), 'ping', 'ping:x', '{}', '2026-11-23');
             insert into hook_deliveries (id, endpoint_id, event_id, state, created_at, queued_at)
                 select gen_random_uuid(), h.id, e.id, 'held', '2026-11-23', '2026-11-23' from hook_endpoints h, hook_events e",
        )
        .await;
        let delivery = app.texts("select id::text from hook_deliveries").await.remove(0);
        let carol = format!("select id::text from auth.users where email = '{}'", app::CAROL);
        let colleague = app.texts(&carol).await.remove(0);
        let mut world = Self {
            app,
            cast: BTreeMap::new(),
            offer: last_part(&offer),
            bookings,
            mail: last_part(&mail),
            letter,
            style: last_part(&style),
            attention,
            event,
            endpoint,
            delivery,
            colleague,
            travellers,
            devices,
            programs,
        };
        for (who, _) in &table()[0].cells {
            let browser = world.arrive(who).await;
            world.cast.insert(who, browser);
        }
        world
    }

    /// A new browser of theirs.
    async fn arrive(&self, who: &str) -> Browser {
        match who {
            "guest" => self.app.guest(),
            "dora" => self.app.dora().await.0,
            "alice" => self.app.sign_in(app::ALICE).await,
            "bob" => self.app.sign_in(app::BOB).await,
            role => self.app.staff(role).await,
        }
    }

    /// What an address names, in turn: everything of alice's that fits, and then something that never was.
    fn values(&self, address: &str) -> (Vec<String>, &'static str) {
        let one = |value: &String| vec![value.clone()];
        match address.split('/').nth(1).unwrap_or_default() {
            "offers" => (one(&self.offer), "nonsense"),
            "bookings" | "admin" | "api" if address.contains("{reference}") => {
                (self.bookings.clone(), "ACDEFG")
            }
            "booking-link" => (vec!["A".repeat(43)], "nonsense"),
            "admin" if address.contains("/attention/") => (one(&self.attention), "0"),
            "admin" if address.contains("/events/") => (one(&self.event), "evt_nothing"),
            "admin" if address.contains("/hooks/deliveries/") => (one(&self.delivery), UNKNOWN_ID),
            "admin" if address.contains("/hooks/") => (one(&self.endpoint), UNKNOWN_ID),
            "admin" if address.contains("/mails/") => (one(&self.letter), UNKNOWN_ID),
            "admin" if address.contains("/staff/") => (one(&self.colleague), "nonsense"),
            "demo" if address.contains("/letters/") => (vec!["refund_paid".to_owned()], "nonsense"),
            "demo" => (one(&self.mail), UNKNOWN_ID),
            "verify" | "reset" | "email" => (vec!["A".repeat(43)], "nonsense"),
            "account" if address.contains("/travellers/") => (one(&self.travellers[0]), UNKNOWN_ID),
            "account" if address.contains("/programs/") => (one(&self.programs[0]), UNKNOWN_ID),
            "account" => (one(&self.devices[0]), UNKNOWN_ID),
            "api" if address.contains("/offers/") => (one(&self.offer), "nonsense"),
            "api" if address.contains("/travellers/") => (one(&self.travellers[1]), UNKNOWN_ID),
            "api" if address.contains("/programs/") => (one(&self.programs[1]), UNKNOWN_ID),
            "api" => (one(&self.devices[1]), UNKNOWN_ID),
            "static" => (one(&self.style), "nothing.css"),
            _ => panic!("say here which of alice's things {address} names"),
        }
    }

    fn targets(&self, address: &str) -> Vec<String> {
        if !address.contains('{') {
            return vec![match address {
                "/flights" => SEARCH.to_owned(),
                "/api/flights" => format!("/api{SEARCH}"),
                "/flights/calendar" => SEARCH.replace("/flights?", "/flights/calendar?"),
                "/flights/matrix" => returning("/flights/matrix?"),
                "/api/flights/matrix" => format!("/api{}", returning("/flights/matrix?")),
                "/api/flights/calendar" => {
                    format!("/api{}", SEARCH.replace("/flights?", "/flights/calendar?"))
                }
                "/api/airports" => "/api/airports?q=lis".to_owned(),
                _ => address.to_owned(),
            }];
        }
        self.values(address).0.iter().map(|value| filled(address, value)).collect()
    }

    fn browser(&self, who: &str) -> &Browser {
        &self.cast[who]
    }

    /// What a request did that it should not have, told for a person.
    async fn fault(&self, who: &str, line: &Line, target: &str, expected: &str) -> Option<String> {
        let browser = self.browser(who);
        let page = visit(browser, line.method, target).await;
        let told =
            || format!("{who}: {} {target}: {expected} is expected, but it is {}", line.method, gist(&page));
        let status = page.status.as_u16();
        let fits = match expected {
            "ask" if line.method == "GET" => leads_to_login(&page, target),
            "ask" => status == 401,
            "on" => page.status == 303 && !leads_to_login(&page, target),
            "in" if line.method == "GET" => {
                if leads_to_login(&page, target) {
                    return Some(told());
                }
                let shown = browser.follow(page).await;
                return (shown.status != 200).then(|| format!("{who}: GET {target}: {}", gist(&shown)));
            }
            "in" => is_an_answer(&page),
            number => number == status.to_string(),
        };
        (!fits).then(told)
    }

    /// Signs them in again if that request has signed them out.
    async fn come_back(&mut self, who: &'static str) {
        let was_signed_in = !matches!(who, "guest" | "dora");
        if was_signed_in && self.browser(who).get("/account").await.status.is_redirection() {
            let browser = self.arrive(who).await;
            self.cast.insert(who, browser);
        }
    }

    /// Everything in the database but the footprints.
    async fn everything(&self) -> BTreeMap<String, String> {
        let tables = self
            .app
            .texts("select schemaname || '.' || tablename from pg_tables where schemaname !~ '^(pg_|information_schema)'")
            .await;
        let mut all = BTreeMap::new();
        for table in tables.into_iter().filter(|table| !FOOTPRINTS.contains(&table.as_str())) {
            let rows =
                format!("select coalesce(string_agg(t::text, E'\\n' order by t::text), '') from {table} t");
            all.insert(table, self.app.texts(&rows).await.remove(0));
        }
        all
    }
}

async fn visit(browser: &Browser, method: &str, target: &str) -> Page {
    match method {
        "GET" => browser.get(target).await,
        "POST" if target.starts_with("/api/") => browser.post(target, "application/json", "{}").await,
        "POST" => browser.post_form(target, &[("quote_hash", "x")]).await,
        other if target.starts_with("/api/") => {
            let method = other.parse::<Method>().expect("a method");
            browser.call(method, target, "application/json", "{}".to_owned()).await
        }
        other => browser.request(other.parse::<Method>().expect("a method"), target).await,
    }
}

fn leads_to_login(page: &Page, target: &str) -> bool {
    let next: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
    page.status == 303 && page.location() == format!("/login?next={next}")
}

/// About what was sent, not about who sent it.
fn is_an_answer(page: &Page) -> bool {
    let asks = page.header("location").is_some_and(|to| to.starts_with("/login?"));
    !asks && matches!(page.status.as_u16(), 200..400 | 400 | 409 | 410 | 413 | 415 | 422)
}

/// The cast's search as a return, on another page.
fn returning(page: &str) -> String {
    SEARCH.replace("/flights?", page).replace("trip=oneway", "trip=return&back=2026-12-20")
}

fn filled(address: &str, value: &str) -> String {
    // The role is asked for before the refund, and nobody here may go further.
    let address = &address.replace("{refund}", UNKNOWN_ID);
    let (before, rest) = address.split_once('{').expect("a parameter");
    let after = rest.split_once('}').expect("its end").1;
    assert!(!after.contains('{'), "{address}: two parameters need a rule here");
    format!("{before}{value}{after}")
}

fn last_part(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

fn gist(page: &Page) -> String {
    let to = page.header("location").map(|to| format!(" to {to}")).unwrap_or_default();
    format!("{}{to}", page.status)
}

/// Without what differs from request to request.
fn without_chance(page: &Page) -> String {
    let mut body = page.body.clone();
    if let Some(id) = page.header("x-request-id") {
        body = body.replace(id, "");
    }
    for nonce in page.attrs("[nonce]", "nonce") {
        body = body.replace(&nonce, "");
    }
    body
}

#[tokio::test]
async fn everybody_gets_in_exactly_where_the_table_says() {
    let mut world = World::new().await;
    let mut faults = Vec::new();
    let lines = table();
    // First all that are turned away: whatever they asked for, nothing has changed.
    let before = world.everything().await;
    for line in &lines {
        for (who, expected) in line.cells.iter().filter(|(_, expected)| *expected != "in") {
            for target in world.targets(line.address) {
                faults.extend(world.fault(who, line, &target, expected).await);
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    let after = world.everything().await;
    let changed: Vec<_> = before.iter().filter(|(table, rows)| after[*table] != **rows).collect();
    assert!(changed.is_empty(), "somebody was turned away and still changed {changed:#?}");
    // Then all readers, and at last what may change things: first where one thing is named, while it is still there.
    for (reads, names) in [(true, true), (true, false), (false, true), (false, false)] {
        let of_this_kind =
            |line: &&Line| (line.method == "GET") == reads && line.address.contains('{') == names;
        for line in lines.iter().filter(of_this_kind) {
            if !reads {
                // A page and the API share their limits, which have tests of their own.
                world.app.execute("truncate rate_limits, sign_in_delays").await;
                world.app.clock.advance(SignedDuration::from_mins(1));
            }
            for (who, expected) in line.cells.iter().filter(|(_, expected)| *expected == "in") {
                if !reads {
                    // Signed out by what came before, or away for too long meanwhile.
                    world.come_back(who).await;
                }
                for target in world.targets(line.address) {
                    faults.extend(world.fault(who, line, &target, expected).await);
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    world.app.abandon_jobs();
    world.app.finish().await;
}

#[tokio::test]
async fn what_is_not_yours_and_what_never_was_answer_word_for_word_alike() {
    let world = World::new().await;
    let mut compared = 0;
    for line in table().iter().filter(|line| line.address.contains('{')) {
        for (who, _) in line.cells.iter().filter(|(_, expected)| *expected == "404") {
            let (values, never) = world.values(line.address);
            let browser = world.browser(who);
            let missing = filled(line.address, never);
            let missing_page = visit(browser, line.method, &missing).await;
            for value in values {
                let foreign = filled(line.address, &value);
                let page = visit(browser, line.method, &foreign).await;
                assert_eq!(page.status, missing_page.status, "{who}: {} {foreign}", line.method);
                // What was typed into the address may come back; whose it is may not.
                let told = |page: &Page, value: &str| without_chance(page).replace(value, "");
                assert_eq!(
                    told(&page, &value),
                    told(&missing_page, never),
                    "{who}: {} {foreign}",
                    line.method
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 50, "only {compared} answers were compared");
    world.app.finish().await;
}

#[tokio::test]
async fn no_address_takes_a_method_that_the_table_does_not_name() {
    let world = World::new().await;
    let known = routes();
    let addresses: BTreeSet<&str> = known.iter().map(|(_, address)| *address).collect();
    for address in addresses {
        let target = world.targets(address).remove(0);
        for method in METHODS.into_iter().filter(|method| !known.contains(&(*method, address))) {
            for who in ["guest", "alice", "owner"] {
                let page = visit(world.browser(who), method, &target).await;
                assert_eq!(page.status, 405, "{who}: {method} {target}");
            }
        }
    }
    world.app.finish().await;
}

#[tokio::test]
async fn dora_sees_the_booking_that_she_made_without_an_account_on_each_of_its_pages() {
    let world = World::new().await;
    let dora = world.app.guest();
    for reference in [world.app.draft(&dora).await, world.app.confirmed(&dora).await] {
        for line in
            table().iter().filter(|line| line.method == "GET" && line.address.starts_with("/bookings/{"))
        {
            let page = dora.open(&filled(line.address, &reference)).await.expect(200);
            assert!(page.body.contains(&reference), "{} does not name the booking", line.address);
        }
        for line in table().iter().filter(|line| line.address.starts_with("/bookings/{")) {
            for (who, expected) in line.cells.iter().filter(|(who, _)| !matches!(*who, "dora" | "alice")) {
                let page = visit(world.browser(who), line.method, &filled(line.address, &reference)).await;
                let asked = page.status == 401 || leads_to_login(&page, page.url.path());
                let fits = match *expected {
                    "ask" => asked,
                    "404" => page.status == 404,
                    _ => true,
                };
                assert!(fits, "{who}: {} {}: {}", line.method, line.address, gist(&page));
            }
        }
    }
    world.app.finish().await;
}

#[tokio::test]
async fn alice_sees_her_booking_on_each_of_its_pages_and_staff_see_it_masked() {
    let world = World::new().await;
    for line in table().iter().filter(|line| line.method == "GET" && line.address.starts_with("/bookings/{"))
    {
        for reference in &world.bookings {
            let alice = world.browser("alice");
            let page = alice.open(&filled(line.address, reference)).await.expect(200);
            assert!(page.body.contains(reference), "{} does not name the booking", line.address);
        }
    }
    for reference in &world.bookings {
        let spoken = format!("{}%20{}", &reference[..3], reference[3..].to_lowercase());
        world.browser("alice").get(&format!("/bookings/{spoken}")).await.expect(200);
        for role in ["viewer", "agent", "finance", "owner"] {
            let page = world.browser(role).get(&format!("/admin/bookings/{reference}")).await.expect(200);
            assert!(
                !page.body.contains("Maria Inês") && !page.body.contains("1986"),
                "{role} sees a passenger"
            );
        }
    }
    for never in ["ACDEFG", "nonsense"] {
        world.browser("owner").get(&format!("/admin/bookings/{never}")).await.expect(404);
    }
    world.app.finish().await;
}
