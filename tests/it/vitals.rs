//! `/metrics`: for whom, what stands in it, and that the alert rules and the dashboard ask for nothing that is not there.

use std::{collections::BTreeSet, fs, path::Path};

use jetbridge::{meters, sandbox::stripe::Fault};
use jiff::SignedDuration;

use crate::helpers::{
    app::{ALICE, TestApp},
    browser::Browser,
    story::SEARCH,
};

const TOKEN: &str = "a-token-of-this-test-and-no-other";

async fn watched() -> (TestApp, Browser) {
    let app = TestApp::start_with(&[("METRICS_TOKEN", TOKEN)]).await;
    let prometheus = app.guest();
    prometheus.set_header("authorization", &format!("Bearer {TOKEN}"));
    (app, prometheus)
}

/// The figures as they are now, past the time for which the last reading counts as fresh.
async fn figures(app: &TestApp, prometheus: &Browser) -> String {
    app.clock.advance(SignedDuration::from_secs(6));
    let page = prometheus.get("/metrics").await.expect(200);
    assert!(page.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    page.body
}

/// The value of the series whose line begins so.
#[track_caller]
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(series) && line[series.len()..].starts_with(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}")).rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn only_the_token_opens_it_and_without_one_it_does_not_exist() {
    let (app, prometheus) = watched().await;
    prometheus.get("/metrics").await.expect(200).says("jetbridge_build_info");
    let wrong = ["", "Bearer", "Bearer ", "Basic x", "Bearer a-token-of-this-test-and-no-othe", "Bearer x"];
    for header in wrong {
        let somebody = app.guest();
        somebody.set_header("authorization", header);
        let page = somebody.get("/metrics").await.expect(401);
        assert_eq!(page.header("www-authenticate"), Some("Bearer"), "{header}");
        assert!(!page.body.contains("jetbridge_"), "{header}");
    }
    // Nor by being somebody.
    app.carol().await.get("/metrics").await.expect(401);
    app.finish().await;

    let unwatched = TestApp::start().await;
    let somebody = unwatched.guest();
    somebody.set_header("authorization", &format!("Bearer {TOKEN}"));
    somebody.get("/metrics").await.expect(404);
    unwatched.finish().await;
}

#[tokio::test]
async fn requests_are_counted_by_the_pattern_of_their_route_and_never_by_what_they_name() {
    let (app, prometheus) = watched().await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    alice.get(&format!("/bookings/{reference}")).await.expect(200);
    alice.get("/nothing/at/all").await.expect(404);
    let text = figures(&app, &prometheus).await;
    let count = "jetbridge_http_request_seconds_count";
    assert!(
        value(&text, &format!(r#"{count}{{method="GET",route="/bookings/{{reference}}",status="2xx"}}"#))
            >= 1.0
    );
    assert!(value(&text, &format!(r#"{count}{{method="GET",route="none",status="4xx"}}"#)) >= 1.0);
    for secret in [reference.as_str(), ALICE, "Duarte", "/nothing", "LIS"] {
        assert!(!text.contains(secret), "{secret} is in the figures");
    }
    // So many series that a small Prometheus does not notice.
    assert!(text.lines().count() < 2_000, "{}", text.lines().count());
    app.finish().await;
}

#[tokio::test]
async fn statements_are_counted_as_many_as_postgresql_is_asked() {
    let (app, prometheus) = watched().await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    let carol = app.carol().await;
    let pages = [
        (&alice, SEARCH.to_owned(), "/flights"),
        (&alice, "/bookings".to_owned(), "/bookings"),
        (&alice, format!("/bookings/{reference}"), "/bookings/{reference}"),
        (&alice, "/account".to_owned(), "/account"),
        (&carol, "/admin/bookings".to_owned(), "/admin/bookings"),
        (&carol, format!("/admin/bookings/{reference}"), "/admin/bookings/{reference}"),
        (&carol, "/admin/attention".to_owned(), "/admin/attention"),
    ];
    for (browser, address, route) in pages {
        let sum = format!(r#"jetbridge_http_request_statements_sum{{route="{route}"}}"#);
        browser.get(&address).await.expect(200);
        let before = value(&figures(&app, &prometheus).await, &sum);
        app.statements.take();
        browser.get(&address).await.expect(200);
        let asked = app.statements.take();
        let counted = value(&figures(&app, &prometheus).await, &sum) - before;
        assert!((counted - asked.len() as f64).abs() < 0.5, "{route}: {counted} counted, {asked:#?}");
    }
    app.settle().await;
    app.finish().await;
}

#[tokio::test]
async fn what_the_database_holds_is_told_by_kind_and_state_and_what_is_gone_is_zero() {
    let (app, prometheus) = watched().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    app.execute("insert into attention_items (kind, subject, detail) values ('dispute', 'x', 'x')").await;
    app.execute("insert into outbox (kind, subject, state, due_at, finished_at) values ('send_mail', 'x', 'dead', now(), now())")
        .await;
    let text = figures(&app, &prometheus).await;
    assert_eq!(value(&text, "jetbridge_database_up"), 1.0);
    assert_eq!(value(&text, r#"jetbridge_bookings{status="confirmed"}"#), 1.0);
    assert_eq!(value(&text, r#"jetbridge_attempts{state="captured"}"#), 1.0);
    assert_eq!(value(&text, r#"jetbridge_attention_open{kind="dispute"}"#), 1.0);
    assert_eq!(value(&text, r#"jetbridge_outbox_jobs{kind="send_mail",state="dead"}"#), 1.0);
    assert!(value(&text, r#"jetbridge_mails{state="sent"}"#) >= 1.0);
    let ledger: Vec<f64> = text
        .lines()
        .filter(|line| line.starts_with("jetbridge_ledger_balance_minor{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert!(ledger.len() >= 2 && ledger.iter().sum::<f64>() == 0.0, "{ledger:?}");
    assert!(ledger.iter().any(|balance| *balance > 0.0));

    app.execute("delete from attention_items").await;
    app.execute("delete from outbox where subject = 'x'").await;
    let text = figures(&app, &prometheus).await;
    assert_eq!(value(&text, r#"jetbridge_attention_open{kind="dispute"}"#), 0.0);
    assert_eq!(value(&text, r#"jetbridge_outbox_jobs{kind="send_mail",state="dead"}"#), 0.0);
    app.finish().await;
}

#[tokio::test]
async fn jobs_searches_sessions_calls_and_broken_invariants_are_counted() {
    let (app, prometheus) = watched().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    alice.get(SEARCH).await.expect(200);
    app.stripe.outage(Some(Fault::Status(503)));
    app.submit_pay(&alice, &reference).await;
    app.stripe.outage(None);
    app.sweep().await;
    let text = figures(&app, &prometheus).await;
    assert!(value(&text, r#"jetbridge_searches_total{cache="miss"}"#) >= 1.0);
    assert!(value(&text, r#"jetbridge_searches_total{cache="hit"}"#) >= 1.0);
    assert!(value(&text, r#"jetbridge_session_loads_total{cache="hit"}"#) >= 1.0);
    let call = r#"jetbridge_call_seconds_count{service="stripe",call="open_session",outcome="error"}"#;
    assert!(value(&text, call) >= 1.0);
    let swept = value(&text, r#"jetbridge_sweep_success_timestamp_seconds{round="invariants"}"#);
    assert!((app.now().as_second() as f64 - swept).abs() < 60.0);
    for code in jetbridge::checkout::invariants::CODES {
        assert_eq!(value(&text, &format!(r#"jetbridge_invariant_breaches{{invariant="{code}"}}"#)), 0.0);
    }
    app.confirmed(&app.bob().await).await;
    let text = figures(&app, &prometheus).await;
    assert!(value(&text, r#"jetbridge_job_seconds_count{kind="capture_money",outcome="done"}"#) >= 1.0);

    // A seat too many is sold.
    let oversold = app.texts("select conname::text from pg_constraint where conrelid = 'timetable.inventory'::regclass and contype = 'c'").await;
    for constraint in oversold {
        app.execute(&format!("alter table timetable.inventory drop constraint {constraint}")).await;
    }
    app.execute("update timetable.inventory set sold = capacity + 1 where ctid = (select min(ctid) from timetable.inventory)").await;
    app.sweep().await;
    let text = figures(&app, &prometheus).await;
    assert_eq!(value(&text, r#"jetbridge_invariant_breaches{invariant="I7"}"#), 1.0);
    app.execute("update timetable.inventory set sold = 1 where sold > capacity; delete from attention_items")
        .await;
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn without_the_database_the_process_still_tells_what_it_knows() {
    let (app, prometheus) = watched().await;
    figures(&app, &prometheus).await;
    app.execute("revoke select on attempts from jetbridge_system").await;
    let text = figures(&app, &prometheus).await;
    assert_eq!(value(&text, "jetbridge_database_up"), 0.0);
    assert!(text.contains("jetbridge_http_request_seconds_count"));
    app.execute("grant select on attempts to jetbridge_system").await;
    assert_eq!(value(&figures(&app, &prometheus).await, "jetbridge_database_up"), 1.0);
    app.finish().await;
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The names in an expression, without what Prometheus appends to those of histograms.
fn names(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("jetbridge_"))
        .map(|word| {
            let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
            histogram.unwrap_or(word).to_owned()
        })
        .collect()
}

#[tokio::test]
async fn every_figure_that_the_alerts_and_the_dashboard_ask_for_is_exported_and_the_other_way_round() {
    let (app, prometheus) = watched().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    alice.get(SEARCH).await.expect(200);
    app.execute(
        "insert into attention_items (kind, subject, detail) values ('dispute', 'x', 'x');
         insert into outbox (kind, subject, due_at) values ('send_mail', '00000000-0000-7000-8000-000000000000', now() + interval '9 years');
         insert into refunds (id, booking_id, attempt_id, amount_minor, currency, reason)
         select gen_random_uuid(), booking_id, id, 1, currency, 'x' from attempts",
    )
    .await;
    app.sweep().await;
    let exported = names(&figures(&app, &prometheus).await);
    app.execute("delete from attention_items; delete from outbox where due_at > now() + interval '8 years'")
        .await;
    app.execute("alter table refunds disable trigger user; delete from refunds").await;
    let all: BTreeSet<String> = meters::ALL.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(exported, all, "meters::ALL and what is exported");

    let dashboard: serde_json::Value = serde_json::from_str(&read("ops/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let shown: BTreeSet<String> =
        targets.flat_map(|target| names(target["expr"].as_str().unwrap())).collect();
    let alarmed = names(&read("ops/alerts.yml"));
    for asked in [&shown, &alarmed] {
        assert!(asked.len() > 10, "{asked:?}");
        let unknown: Vec<_> = asked.difference(&all).collect();
        assert!(unknown.is_empty(), "nobody exports {unknown:?}");
    }
    let unseen: Vec<_> = all.difference(&shown).collect();
    assert!(unseen.is_empty(), "no panel shows {unseen:?}");
    app.finish().await;
}

/// Enough of YAML for a file in which every rule is written in the same way. `promtool check rules` says the rest.
#[test]
fn every_alert_has_a_name_of_its_own_an_expression_a_severity_and_a_sentence() {
    let text = read("ops/alerts.yml");
    let rules: Vec<&str> = text.split("      - alert: ").skip(1).collect();
    assert!(rules.len() > 10);
    let mut seen = BTreeSet::new();
    for rule in rules {
        let name = rule.lines().next().unwrap();
        assert!(name.starts_with("Jetbridge") && seen.insert(name), "{name}");
        for part in ["\n        expr: ", "\n        labels: {severity: ", "\n          summary: \""] {
            assert_eq!(rule.matches(part).count(), 1, "{name}: {part}");
        }
        let severity = rule.split("severity: ").nth(1).unwrap().split('}').next().unwrap();
        assert!(matches!(severity, "page" | "ticket"), "{name}: {severity}");
        let expression = rule.split("expr:").nth(1).unwrap().split("labels:").next().unwrap();
        let balanced = |open, close| expression.matches(open).count() == expression.matches(close).count();
        assert!(balanced('(', ')') && balanced('{', '}') && balanced('[', ']'), "{name}");
    }
}
