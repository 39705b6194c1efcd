//! `/api/admin`: what staff see and give back by their own browsers, by the rules and masks of the pages. A token is never staff.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{
    api::{call, code, pointers, post, program},
    app::{ALICE, PASSWORD, TestApp},
    authenticator::Authenticator,
    browser::Browser,
    page::Page,
};

struct Till {
    app: TestApp,
    finance: Browser,
    phone: Authenticator,
    address: String,
    reference: String,
    paid: i64,
}

impl Till {
    /// Alice has tickets; somebody of finance has just shown a code.
    async fn open() -> Self {
        let app = TestApp::start().await;
        let reference = app.confirmed(&app.alice().await).await;
        let finance = app.staff("finance").await;
        let phone = app.second_factor(&finance).await;
        let paid = app.texts("select captured_minor::text from attempts").await[0].parse().unwrap();
        Self { app, finance, phone, address: format!("/api/admin/bookings/{reference}"), reference, paid }
    }

    async fn booking(&self) -> Value {
        self.finance.get(&self.address).await.expect(200).json()
    }

    async fn asked(&self, amount: i64) -> Value {
        json!({
            "attempt": self.booking().await["attempts"][0]["id"],
            "amount": { "minor": amount, "currency": "EUR" },
            "reason": "goodwill",
            "note": "a long wait",
        })
    }

    async fn quote(&self, amount: i64) -> Value {
        let asked = self.asked(amount).await;
        post(&self.finance, &format!("{}/refund-quote", self.address), asked).await.expect(200).json()
    }

    async fn decide(&self, decision: &Value) -> Page {
        post(&self.finance, &format!("{}/refunds", self.address), decision.clone()).await
    }

    async fn refunds(&self) -> Vec<String> {
        self.app.texts("select amount_minor || ' ' || state from refunds order by created_at, id").await
    }
}

fn decision(quote: &Value) -> Value {
    let sum = |name: &str| json!({ "minor": quote[name]["minor"], "currency": quote[name]["currency"] });
    json!({
        "id": quote["id"],
        "attempt": quote["attempt"],
        "amount": sum("amount"),
        "left": sum("left"),
        "reason": quote["reason"],
        "note": quote["note"],
    })
}

#[tokio::test]
async fn a_refund_is_quoted_decided_once_and_written_down_as_from_the_page() {
    let till = Till::open().await;
    let quote = till.quote(2_000).await;
    assert_eq!(
        (quote["left"]["minor"].as_i64(), quote["card"].as_str()),
        (Some(till.paid), Some("visa 4242"))
    );
    assert_eq!(quote["left_after"]["minor"], till.paid - 2_000);
    assert_eq!((&quote["leaves_live_ticket"], &quote["tells_traveller"]), (&json!(false), &json!(true)));
    assert!(till.refunds().await.is_empty(), "nothing moves before the decision");

    let good = decision(&quote);
    let (one, two, three) = tokio::join!(till.decide(&good), till.decide(&good), till.decide(&good));
    for made in [one, two, three] {
        let made = made.expect(201);
        assert_eq!(made.header("location"), Some(till.address.as_str()));
        assert_eq!(made.json()["id"], quote["id"]);
    }
    till.app.settle().await;
    assert_eq!(till.refunds().await, ["2000 succeeded"]);
    let told =
        "select concat_ws(' ', action, data->>'amount_minor', data->>'reason', data->>'note') from audit_log";
    assert_eq!(till.app.texts(told).await, ["refund_requested 2000 goodwill a long wait"]);
    assert!(till.app.mails().await.contains(&"money_returned".to_owned()));
    let booking = till.booking().await;
    assert_eq!(booking["attempts"][0]["left"]["minor"], till.paid - 2_000);
    assert_eq!(
        (&booking["refunds"][0]["id"], &booking["refunds"][0]["state"]),
        (&quote["id"], &json!("succeeded"))
    );

    // The id again with other figures, and the old figures under another id, are nothing.
    let mut other = good.clone();
    other["amount"]["minor"] = 1.into();
    assert_eq!(code(&till.decide(&other).await.expect(409)), "figures_changed");
    other["id"] = json!("01900000-0000-7000-8000-000000000000");
    assert_eq!(code(&till.decide(&other).await.expect(409)), "figures_changed");
    // All that is left is quoted with its warning.
    let mut all = till.asked(0).await;
    all.as_object_mut().unwrap().remove("amount");
    let all = post(&till.finance, &format!("{}/refund-quote", till.address), all).await.expect(200).json();
    assert_eq!((&all["left_after"]["minor"], &all["leaves_live_ticket"]), (&json!(0), &json!(true)));
    till.decide(&decision(&all)).await.expect(201);
    till.app.settle().await;
    let gone = post(&till.finance, &format!("{}/refund-quote", till.address), till.asked(1).await).await;
    assert_eq!(code(&gone.expect(409)), "nothing_left");
    till.app.finish().await;
}

#[tokio::test]
async fn what_does_not_fit_is_told_all_at_once_and_moves_nothing() {
    let till = Till::open().await;
    let (ask, decide) = (format!("{}/refund-quote", till.address), format!("{}/refunds", till.address));
    let attempt = till.booking().await["attempts"][0]["id"].clone();
    let sum = |minor: Value, currency: &str| json!({ "minor": minor, "currency": currency });
    let asked = |amount: Value| json!({ "attempt": attempt, "reason": "goodwill", "amount": amount });
    for (path, body, told) in [
        (&ask, json!({}), vec!["/attempt", "/reason"]),
        (
            &ask,
            json!({ "attempt": "01900000-0000-7000-8000-000000000000", "reason": "other" }),
            vec!["/attempt", "/note"],
        ),
        (&ask, json!({ "attempt": "x" }), vec!["/attempt"]),
        (&ask, asked(sum(json!(0), "EUR")), vec!["/amount"]),
        (&ask, asked(sum(json!(-5), "EUR")), vec!["/amount"]),
        (&ask, asked(sum(json!(till.paid + 1), "EUR")), vec!["/amount"]),
        (&ask, asked(sum(json!(5), "JPY")), vec!["/amount"]),
        (&ask, asked(sum(json!(5), "XXX")), vec!["/amount/currency"]),
        (&ask, asked(sum(json!(1.5), "EUR")), vec!["/amount/minor"]),
        (&ask, asked(json!({ "minor": i128::from(i64::MAX) + 1, "currency": "EUR" })), vec!["/amount/minor"]),
        (&decide, json!({}), vec!["/id", "/attempt", "/amount", "/left", "/reason"]),
        (&decide, json!({ "force": true }), vec!["/force"]),
    ] {
        let refused = post(&till.finance, path, body.clone()).await.expect(422);
        assert_eq!(pointers(&refused), told, "{body}");
    }
    // A decision nobody was quoted is held to the same amounts.
    for amount in [0, -1, till.paid + 1, i64::MAX] {
        let mut forged = decision(&till.quote(1).await);
        forged["amount"]["minor"] = amount.into();
        assert_eq!(pointers(&till.decide(&forged).await.expect(422)), ["/amount"], "{amount}");
    }
    assert!(till.refunds().await.is_empty());
    till.app.finish().await;
}

#[tokio::test]
async fn only_a_role_that_may_with_a_fresh_code_in_its_own_browser_gives_money_back() {
    let till = Till::open().await;
    let good = decision(&till.quote(100).await);
    let (ask, decide) = (format!("{}/refund-quote", till.address), format!("{}/refunds", till.address));
    let refused = async |who: &Browser, expected: u16| {
        let mut codes = Vec::new();
        for path in [&ask, &decide] {
            codes.push(code(&post(who, path, good.clone()).await.expect(expected)));
        }
        codes.dedup();
        codes.join(" ")
    };
    for role in ["viewer", "agent"] {
        assert_eq!(refused(&till.app.staff(role).await, 403).await, "role_may_not");
    }
    let owner = till.app.staff("owner").await;
    assert_eq!(refused(&owner, 403).await, "second_factor_missing");
    assert_eq!(refused(&till.app.sign_in(ALICE).await, 403).await, "forbidden");
    assert_eq!(refused(&till.app.guest(), 401).await, "unauthenticated");
    // A token, even of somebody who is staff, and even beside their cookie.
    let (token, _) = program(&till.app, ALICE, PASSWORD).await;
    assert_eq!(refused(&token, 403).await, "no_tokens_here");
    let beside = till.finance.copy();
    beside.set_header("authorization", "Bearer x");
    assert_eq!(refused(&beside, 403).await, "no_tokens_here");
    for path in ["/api/admin/bookings", till.address.as_str()] {
        assert_eq!(code(&token.get(path).await.expect(403)), "no_tokens_here");
        assert_eq!(code(&beside.get(path).await.expect(403)), "no_tokens_here");
    }
    // From somebody else's page.
    let foreign = till.finance.copy();
    foreign.set_header("sec-fetch-site", "cross-site");
    foreign.set_header("origin", "https://elsewhere.example");
    assert_eq!(
        code(&call(&foreign, Method::POST, &decide, good.clone()).await.expect(403)),
        "foreign_origin"
    );
    // Five minutes later the code counts no more, and with a new one it does, for the same call with the same key.
    till.app.clock.advance(SignedDuration::from_mins(5));
    till.finance.set_header("idempotency-key", "decision-1");
    let late = till.decide(&good).await.expect(403);
    assert_eq!(code(&late), "proof_too_old");
    assert!(till.refunds().await.is_empty());
    let page = till.finance.open("/reauthenticate").await.expect(200);
    let form = [("code", till.app.fresh_code(&till.phone))];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    till.finance.submit(&page, "main form", &form).await.redirect();
    till.decide(&good).await.expect(201);
    till.app.settle().await;
    assert_eq!(till.refunds().await, ["100 succeeded"]);
    till.app.finish().await;
}

#[tokio::test]
async fn staff_find_bookings_as_on_the_page_and_see_them_masked() {
    let till = Till::open().await;
    let alice = till.app.sign_in(ALICE).await;
    let mut made = vec![till.reference.clone()];
    for _ in 0..3 {
        till.app.clock.advance(SignedDuration::from_secs(1));
        made.insert(0, till.app.draft(&alice).await);
    }
    let viewer = till.app.staff("viewer").await;
    let list = async |query: &str| viewer.get(&format!("/api/admin/bookings{query}")).await.expect(200);
    let references = |page: &Page| -> Vec<String> {
        let items = page.json()["items"].as_array().expect("items").clone();
        items.iter().map(|line| line["reference"].as_str().expect("a reference").to_owned()).collect()
    };
    assert_eq!(references(&list("").await), made);
    assert_eq!(references(&list("?state=confirmed").await), [till.reference.as_str()]);
    assert_eq!(
        references(&list(&format!("?q={}", till.reference.to_lowercase())).await),
        [till.reference.as_str()]
    );
    assert_eq!(references(&list("?q=MARIA@example.com").await), made);
    // Addresses come out masked, so nobody reads them letter by letter.
    assert!(references(&list("?q=maria@").await).is_empty());
    assert!(references(&list("?q=%27%20or%201%3D1").await).is_empty());
    for (query, told) in [
        ("?state=paid&q=ab&cursor=x", vec!["/state", "/q", "/cursor"]),
        ("?cursor=99999999999999999999_0", vec!["/cursor"]),
        ("?cursor=1_00000000000000000000000000000000%27", vec!["/cursor"]),
        ("?limit=1000", vec!["/limit"]),
    ] {
        let refused = viewer.get(&format!("/api/admin/bookings{query}")).await.expect(422);
        assert_eq!(pointers(&refused), told, "{query}");
    }
    let one = viewer.get(&till.address).await.expect(200);
    for page in [&list("").await, &one] {
        for secret in ["Maria Inês", "maria@example.com", "900 000 000", "1986"] {
            assert!(!page.body.contains(secret), "{secret} is told");
        }
    }
    assert_eq!(
        (one.json()["passengers"][0]["name"].as_str(), one.json()["email"].as_str()),
        (Some("M*** Duarte"), Some("m***@example.com"))
    );
    for missing in ["ACDEFG", "nonsense", "%00"] {
        assert_eq!(
            code(&viewer.get(&format!("/api/admin/bookings/{missing}")).await.expect(404)),
            "not_found"
        );
    }
    till.app.finish().await;
}

#[tokio::test]
async fn a_long_list_goes_on_by_its_cursor_to_the_end_and_by_an_index() {
    let app = TestApp::start().await;
    let reference = app.draft(&app.alice().await).await;
    // Ten thousand of hers, some made in the same moment.
    app.execute(&format!(
        "insert into bookings select (jsonb_populate_record(b, jsonb_build_object(
                'id', gen_random_uuid(),
                'booking_reference', (select string_agg(substr('ACDEFGHJKMNPQRTWXY34679', 1 + (n / (23 ^ p)::int) % 23, 1), '' order by p) from generate_series(0, 5) p),
                'created_at', b.created_at - (n / 3) * interval '1 minute'))).*
           from bookings b, generate_series(1, 10000) n where b.booking_reference = '{reference}'"
    ))
    .await;
    app.execute("analyze bookings").await;
    let viewer = app.staff("viewer").await;
    let (mut seen, mut next) = (std::collections::BTreeSet::new(), String::new());
    let mut pages = 0;
    loop {
        let page = viewer.get(&format!("/api/admin/bookings{next}")).await.expect(200).json();
        for line in page["items"].as_array().unwrap() {
            assert!(seen.insert(line["reference"].as_str().unwrap().to_owned()), "told twice");
        }
        pages += 1;
        match page["next"].as_str() {
            Some(cursor) => next = format!("?cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!((seen.len(), pages), (10_001, 201));
    // The traveller's own list as well, deep inside.
    let (alice, _) = program(&app, ALICE, PASSWORD).await;
    let mut cursor = String::new();
    for _ in 0..20 {
        let page = alice.get(&format!("/api/bookings?limit=100{cursor}")).await.expect(200).json();
        assert_eq!(page["items"].as_array().unwrap().len(), 100);
        cursor = format!("&cursor={}", page["next"].as_str().unwrap());
    }
    let page = "select id from bookings where (created_at, id) < (now() - interval '1000 minutes', gen_random_uuid())
                 order by created_at desc, id desc limit 50";
    let plan = app.texts(&format!("explain {page}")).await.join("\n");
    assert!(plan.contains("Index Cond") && !plan.contains("Sort"), "{plan}");
    // The very statement of the traveller's list, with a plan that knows no values.
    let source = include_str!("../../src/bookings/store.rs").split("fn list_own").nth(1).expect("it");
    let own = source.split("r#\"").nth(1).and_then(|rest| rest.split("\"#").next()).expect("a statement");
    let mut sql = app.sql().await;
    let setup = format!(
        "set plan_cache_mode = force_generic_plan;
         select set_config('app.user_id', (select id::text from auth.users where email = '{ALICE}'), false);
         prepare own(timestamptz, uuid, bigint) as {own}"
    );
    sqlx::raw_sql(&setup).execute(&mut sql).await.expect("prepared");
    let plan: Vec<String> =
        sqlx::query_scalar("explain execute own(now() - interval '1000 minutes', gen_random_uuid(), 20)")
            .fetch_all(&mut sql)
            .await
            .expect("a plan");
    let plan = plan.join("\n");
    let begins = plan.lines().find(|line| line.contains("Index Cond")).unwrap_or_default();
    assert!(begins.contains("ROW(created_at, id)") && !plan.contains("Sort"), "{plan}");
    app.abandon_jobs();
    app.finish().await;
}
