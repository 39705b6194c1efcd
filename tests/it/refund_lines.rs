//! Money that goes back by passenger and line: what is offered, what is refused, and what everybody reads of it.

use serde_json::{Value, json};

use super::helpers::{
    api::{pointers, post},
    app::TestApp,
    browser::Browser,
    page::Page,
    story::{GOOD_CARD, SEARCH, euros},
};

const STEP_1: &str = "form[action$='/refund']";
const STEP_2: &str = "form[action$='/refund/confirm']";

struct Till {
    app: TestApp,
    alice: Browser,
    finance: Browser,
    reference: String,
}

/// Two adults and an infant, named by their places.
async fn confirmed_family(app: &TestApp, browser: &Browser) -> String {
    let search = SEARCH.replace("adults=1&children=0&infants=0", "adults=2&children=0&infants=1");
    let found = browser.get(&search).await.expect(200);
    let offer = browser.get(&found.attr("a[href^='/offers/']", "href")).await.expect(200);
    let to = browser.submit(&offer, "form[action='/bookings']", &[]).await.redirect();
    let page = browser.get(&to).await.expect(200);
    let mut fields =
        vec![("email".to_owned(), "maria@example.com"), ("phone".to_owned(), "+351 900 000 000")];
    for (n, given, year) in [(1, "Maria", "1986"), (2, "João", "1984"), (3, "Tomás", "2026")] {
        let parts = [
            ("given", given),
            ("family", "Novak"),
            ("day", "1"),
            ("month", "2"),
            ("year", year),
            ("sex", "x"),
        ];
        fields.extend(parts.map(|(part, value)| (format!("p{n}_{part}"), value)));
    }
    let typed: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let review = browser.submit(&page, "form#who", &typed).await.redirect();
    let reference = review.trim_start_matches("/bookings/").split('/').next().unwrap().to_owned();
    let session = app.press_pay(browser, &reference).await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    reference
}

impl Till {
    async fn open() -> Self {
        let app = TestApp::start().await;
        let alice = app.alice().await;
        let reference = confirmed_family(&app, &alice).await;
        let finance = app.staff("finance").await;
        app.second_factor(&finance).await;
        Self { app, alice, finance, reference }
    }

    fn address(&self) -> String {
        format!("/admin/bookings/{}/refund", self.reference)
    }

    /// The page with all lines.
    async fn lines(&self) -> Page {
        let page = self.finance.get(&self.address()).await.expect(200);
        let form = [("how", "lines"), ("amount", ""), ("reason", "airline_refund"), ("note", "")];
        self.finance.submit(&page, STEP_1, &form).await.expect(200)
    }

    async fn choose(&self, typed: &[(&str, &str)]) -> Page {
        self.finance.submit(&self.lines().await, STEP_1, typed).await
    }

    async fn refund(&self, typed: &[(&str, &str)]) {
        let review = self.choose(typed).await.expect(200);
        self.finance.submit(&review, STEP_2, &[]).await.redirect();
    }

    async fn parts(&self) -> Vec<String> {
        self.app
            .texts("select concat_ws(' ', passenger, item, l.amount_minor) from refund_lines l join refunds r on r.id = refund_id order by created_at, refund_id, passenger, item")
            .await
    }

    /// What a line costs, in cents.
    async fn price(&self, passenger: u8, item: &str) -> i64 {
        let api = format!("/api/admin/bookings/{}", self.reference);
        let booking: Value = self.finance.get(&api).await.expect(200).json();
        let lines = booking["price_lines"].as_array().unwrap().clone();
        let line = lines.iter().find(|line| line["passenger"] == passenger && line["item"] == item);
        line.unwrap()["amount"]["minor"].as_i64().unwrap()
    }
}

#[tokio::test]
async fn a_tax_of_one_and_a_part_of_the_others_fare_go_back_and_everybody_reads_whose_they_are() {
    let till = Till::open().await;
    let tax = till.price(1, "tax_1").await;
    let lines = till.lines().await;
    lines.says("M*** Novak").says("J*** Novak").says("T*** Novak");
    let review = till.choose(&[("p1_tax_1", &euros(tax)), ("p2_fare", "20.00")]).await.expect(200);
    review.says(&format!("Refund EUR {}?", euros(tax + 2_000))).says("J*** Novak: Fare, EUR 20.00");
    assert_eq!(till.app.count("refunds").await, 0, "nothing moves before the decision");
    till.finance.submit(&review, STEP_2, &[]).await.redirect();
    // The same decision once more is no second refund; with another line it is none at all.
    till.finance.submit(&review, STEP_2, &[]).await.redirect();
    till.finance
        .submit(&review, STEP_2, &[("p1_tax_1", "0.01"), ("p2_fare", &euros(tax + 1_999))])
        .await
        .expect(409);
    till.app.settle().await;
    assert_eq!(till.parts().await, [format!("1 tax_1 {tax}"), "2 fare 2000".to_owned()]);
    let refunds = till.app.texts("select amount_minor || ' ' || state from refunds").await;
    assert_eq!(refunds, [format!("{} succeeded", tax + 2_000)]);

    let mails = till.app.mailbox.list();
    let letter = mails.iter().find(|mail| mail.subject.contains("goes back to you")).unwrap();
    let text = letter.text.as_deref().unwrap().replace('\u{a0}', " ");
    assert!(text.contains("Maria Novak") && text.contains("Fare: EUR 20.00"), "{text}");
    assert!(!text.contains("Tomás"), "nothing of his went back: {text}");
    let page = till.finance.get(&format!("/admin/bookings/{}", till.reference)).await.expect(200);
    page.says("J*** Novak: fare EUR 20.00");
    till.alice.get(&format!("/bookings/{}", till.reference)).await.expect(200).says("Refund granted");
    let audited =
        "select jsonb_array_length(data->'lines')::text from audit_log where action = 'refund_requested'";
    assert_eq!(till.app.texts(audited).await, ["2"]);

    // What is left of each line is known next time.
    let fare = till.price(2, "fare").await;
    let lines = till.lines().await;
    lines.says("all of it has gone back").says(&format!(
        "EUR {} of EUR {} left",
        euros(fare - 2_000),
        euros(fare)
    ));
    assert!(!lines.has("[name=p1_tax_1]"));
    till.app.finish().await;
}

#[tokio::test]
async fn one_traveller_goes_back_whole_and_the_others_stay_paid() {
    let till = Till::open().await;
    let lines = till.lines().await;
    assert!(lines.count("input[type=checkbox][name$=_all]") >= 2);
    till.refund(&[("p2_all", "1")]).await;
    till.app.settle().await;
    let whole = "select (sum(p.amount_minor) = (select amount_minor from refunds))::text from price_lines p where passenger = 2";
    assert_eq!(till.app.texts(whole).await, ["true"]);
    assert!(till.parts().await.iter().all(|part| part.starts_with("2 ")));
    // All lines of everybody are the total, cent by cent.
    let total = "select (sum(p.amount_minor) = (select amount_minor from bookings))::text from price_lines p";
    assert_eq!(till.app.texts(total).await, ["true"]);
    assert!(!till.lines().await.has("[name=p2_all]"));
    till.app.finish().await;
}

#[tokio::test]
async fn more_than_is_left_of_a_line_is_told_beside_it_and_nothing_typed_is_lost() {
    let till = Till::open().await;
    let fare = till.price(1, "fare").await;
    for (typed, wrong) in [
        (vec![("p1_fare", "x")], "p1_fare"),
        (vec![("p1_fare", "-1")], "p1_fare"),
        (vec![("p1_fare", "99999999999999999999")], "p1_fare"),
        (vec![("p2_fare", "1.005"), ("p1_fare", "1.00")], "p2_fare"),
        (vec![("p1_all", "1"), ("p1_fare", "1.00")], "p1_fare"),
    ] {
        let page = till.choose(&typed).await.expect(422);
        assert!(!page.field_error(wrong).is_empty(), "{typed:?}");
        if !typed.iter().any(|(name, _)| *name == "p1_all") {
            assert_eq!(page.value(STEP_1, typed[0].0), typed[0].1);
        }
    }
    let too_much = euros(fare + 1);
    let page = till.choose(&[("p1_fare", &too_much)]).await.expect(422);
    assert!(page.field_error("p1_fare").contains(&format!("At most EUR {}", euros(fare))));
    page.says(&format!("M*** Novak, Fare: At most EUR {}", euros(fare)));
    till.choose(&[]).await.expect(422).says("Choose a passenger or type an amount beside a line");
    till.choose(&[("p1_fare", "0")]).await.expect(422).says("Choose a passenger");
    // Whoever writes their own decision is held to the same lines.
    let review = till.choose(&[("p1_fare", "5.00")]).await.expect(200);
    for (field, value) in [
        ("p1_fare", too_much.as_str()),
        ("p1_fare", "4.00"),
        ("p1_fare", "0"),
        ("amount", "4.00"),
        ("p2_fare", "1.00"),
    ] {
        till.finance.submit(&review, STEP_2, &[(field, value)]).await.expect(422);
    }
    assert_eq!(till.app.count("refunds").await, 0);
    assert_eq!(till.app.count("price_lines").await, 0);
    till.app.finish().await;
}

#[tokio::test]
async fn a_refund_that_failed_gave_nothing_of_its_lines_back() {
    let till = Till::open().await;
    till.app.stripe.fault(
        jetbridge::sandbox::stripe::Endpoint::CreateRefund,
        jetbridge::sandbox::stripe::Fault::Status(402),
    );
    till.refund(&[("p1_all", "1")]).await;
    till.app.settle().await;
    assert_eq!(till.app.texts("select state from refunds").await, ["failed"]);
    till.refund(&[("p1_all", "1")]).await;
    till.app.settle().await;
    assert_eq!(
        till.app.texts("select state from refunds order by created_at, id").await,
        ["failed", "succeeded"]
    );
    till.app.finish().await;
}

#[tokio::test]
async fn programs_of_staff_quote_and_decide_by_line_as_the_page_does() {
    let till = Till::open().await;
    let api = format!("/api/admin/bookings/{}", till.reference);
    let booking: Value = till.finance.get(&api).await.expect(200).json();
    let line = |passenger: u8, item: &str, minor: i64| json!({ "passenger": passenger, "item": item, "amount": { "minor": minor, "currency": "EUR" } });
    let asked = |lines: Vec<Value>| json!({ "attempt": booking["attempts"][0]["id"], "lines": lines, "reason": "airline_refund" });
    let quote_at = format!("{api}/refund-quote");
    let wrong = [
        (line(1, "tip", 100), "/lines/0/item"),
        (line(9, "fare", 100), "/lines"),
        (line(1, "tax_99", 100), "/lines"),
        (line(1, "fare", 0), "/lines"),
        (line(1, "fare", -5), "/lines"),
        (line(1, "fare", 99_999_999), "/lines"),
        (json!({ "passenger": 1, "item": "fare", "amount": { "minor": 100, "currency": "JPY" } }), "/lines"),
    ];
    for (line, pointer) in wrong {
        let refused = post(&till.finance, &quote_at, asked(vec![line.clone()])).await.expect(422);
        let told = pointers(&refused);
        assert!(told.iter().any(|told| told == pointer || told == "/amount"), "{line}: {told:?}");
    }
    let twice = asked(vec![line(1, "fare", 100), line(1, "fare", 100)]);
    post(&till.finance, &quote_at, twice).await.expect(422);
    let quote: Value =
        post(&till.finance, &quote_at, asked(vec![line(1, "fare", 700), line(2, "tax_1", 50)]))
            .await
            .expect(200)
            .json();
    assert_eq!((&quote["amount"]["minor"], quote["lines"].as_array().unwrap().len()), (&json!(750), 2));
    let sum = |of: &Value| json!({ "minor": of["minor"], "currency": of["currency"] });
    let decision = json!({
        "id": quote["id"], "attempt": quote["attempt"], "amount": sum(&quote["amount"]), "left": sum(&quote["left"]),
        "lines": [line(1, "fare", 700), line(2, "tax_1", 50)], "reason": quote["reason"],
    });
    let refunds_at = format!("{api}/refunds");
    for _ in 0..2 {
        post(&till.finance, &refunds_at, decision.clone()).await.expect(201);
    }
    till.app.settle().await;
    assert_eq!(till.parts().await, ["1 fare 700", "2 tax_1 50"]);
    let booking: Value = till.finance.get(&api).await.expect(200).json();
    assert_eq!(booking["refunds"][0]["lines"].as_array().unwrap().len(), 2);
    till.app.finish().await;
}

#[tokio::test]
async fn only_the_money_behind_tickets_goes_back_by_line() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft_for(&alice, "Soldout").await;
    let finance = app.staff("finance").await;
    app.second_factor(&finance).await;
    let page = finance.get(&format!("/admin/bookings/{reference}/refund")).await.expect(200);
    assert!(!page.has("input[value=lines]"));
    app.finish().await;
}
