//! `/api/airports`, `/api/flights` and `/api/offers`: the same answers as the pages of these names, for programs.

use jetbridge::limits::Rule;
use jiff::SignedDuration;
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use crate::helpers::{
    api::{code, pointers},
    app::TestApp,
    page::Page,
    story::SEARCH,
};

const GOOD: [(&str, &str); 9] = [
    ("trip", "return"),
    ("from", "Lisbon"),
    ("to", "JFK"),
    ("leave", "2027-03-12"),
    ("back", "2027-03-26"),
    ("adults", "2"),
    ("children", "1"),
    ("infants", "1"),
    ("cabin", "economy"),
];

fn flights(changes: &[(&str, &str)]) -> String {
    let mut query = Serializer::new(String::new());
    for (name, value) in GOOD {
        let changed = changes.iter().find(|(field, _)| *field == name).map_or(value, |(_, value)| value);
        query.append_pair(name, changed);
    }
    for (name, value) in changes.iter().filter(|(name, _)| !GOOD.iter().any(|(known, _)| known == name)) {
        query.append_pair(name, value);
    }
    format!("/api/flights?{}", query.finish())
}

fn totals(page: &Page) -> Vec<i64> {
    let items = page.json()["items"].as_array().expect("items").clone();
    items.iter().map(|offer| offer["total"]["minor"].as_i64().expect("a total")).collect()
}

#[tokio::test]
async fn airports_are_found_as_on_the_page() {
    let app = TestApp::start().await;
    for (typed, first) in [("lisbon", "LIS"), ("lhr", "LHR"), ("london", "LON"), ("S%C3%A3o%20Paulo", "SAO")]
    {
        let found = app.get(&format!("/api/airports?q={typed}")).await.expect(200);
        assert_eq!(found.json()["items"][0]["code"], first, "{typed}");
    }
    let london = app.get("/api/airports?q=london").await.json()["items"][0].clone();
    assert_eq!((london["kind"].as_str(), london["country"].as_str()), (Some("city"), Some("GB")));
    assert!(london["airports"].as_array().unwrap().contains(&json!("LHR")), "{london}");
    assert_eq!(app.get("/api/airports?q=zzzzzz").await.expect(200).json(), json!({ "items": [] }));
    app.statements.take();
    app.get("/api/airports?q=par").await.expect(200);
    assert_eq!(app.statements.take(), Vec::<String>::new());
    app.finish().await;
}

#[tokio::test]
async fn a_query_that_does_not_fit_is_told_whole_by_the_names_of_its_parts() {
    let app = TestApp::start().await;
    let long = format!("/api/airports?q={}", "x".repeat(3_000));
    for (address, told) in [
        ("/api/airports", &["/q"][..]),
        ("/api/airports?q=%20", &["/q"]),
        ("/api/airports?q=%00", &["/q"]),
        ("/api/airports?q=a&q=b&Q=c", &["/q", "/Q"]),
        (&long, &["/q"]),
        ("/api/flights", &["/from", "/to", "/leave"]),
        (
            "/api/flights?from=LIS&to=LIS&leave=x&adults=0&sort=best&stops=2&page=0",
            &["/to", "/leave", "/adults", "/sort", "/stops", "/page"],
        ),
        (&flights(&[("infant", "1")]), &["/infant"]),
        (&flights(&[("cabin", "roof"), ("trip", "circle")]), &["/cabin", "/trip"]),
        (&flights(&[("page", "99999999999999999999")]), &["/page"]),
    ] {
        let answer = app.get(address).await.expect(422);
        assert_eq!(
            (code(&answer).as_str(), pointers(&answer)),
            ("invalid", told.iter().map(|s| (*s).to_owned()).collect()),
            "{address:.80}"
        );
    }
    // A place that means several names them all.
    let answer = app.get(&flights(&[("from", "san jose")])).await.expect(422);
    let detail = answer.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("SJC") && detail.contains("SJO"), "{detail}");
    app.finish().await;
}

#[tokio::test]
async fn flights_are_those_of_the_page_in_its_order_page_by_page() {
    let app = TestApp::start().await;
    for sort in ["balance", "cheapest", "shortest", "first"] {
        let (mut address, mut all) = (flights(&[("sort", sort)]), Vec::new());
        let mut page_address = address.replace("/api/", "/");
        let mut on_pages = Vec::new();
        loop {
            let page = app.get(&page_address).await.expect(200);
            on_pages.extend(page.attrs("article.offer a[href^='/offers/']", "href"));
            let answer = app.get(&address).await.expect(200).json();
            let ids = answer["items"].as_array().unwrap().iter();
            all.extend(ids.map(|offer| format!("/offers/{}", offer["id"].as_str().unwrap())));
            let Some(next) = answer["next"].as_str() else {
                assert_eq!(answer["found"], all.len());
                break;
            };
            address = next.to_owned();
            page_address = next.replace("/api/", "/");
        }
        assert!(all.len() > 5, "{sort}: {}", all.len());
        assert_eq!(all, on_pages, "{sort}");
    }
    let cheapest = totals(&app.get(&flights(&[("sort", "cheapest")])).await);
    assert!(cheapest.is_sorted());
    let direct = app.get(&flights(&[("stops", "0")])).await.expect(200).json();
    let direct = direct["items"].as_array().unwrap();
    assert!(
        direct.iter().flat_map(|offer| offer["slices"].as_array().unwrap()).all(|slice| slice["stops"] == 0)
    );
    assert_eq!(app.get(&flights(&[("page", "10000")])).await.expect(200).json()["items"], json!([]));
    app.finish().await;
}

#[tokio::test]
async fn an_offer_says_everything_that_its_page_says() {
    let app = TestApp::start().await;
    let found = app.get(&flights(&[])).await.expect(200).json();
    assert_eq!(found["search"]["slices"][1], json!({ "from": "JFK", "to": "LIS", "date": "2027-03-26" }));
    assert_eq!(found["search"]["party"], json!({ "adults": 2, "children": 1, "infants": 1 }));
    let id = found["items"][0]["id"].as_str().unwrap();
    let answer = app.get(&format!("/api/offers/{id}")).await.expect(200).json();
    let offer = &answer["offer"];
    assert_eq!((offer["id"].as_str(), &offer["total"]), (Some(id), &found["items"][0]["total"]));
    let sum: i64 =
        offer["prices"].as_array().unwrap().iter().map(|price| price["all"]["minor"].as_i64().unwrap()).sum();
    assert_eq!(offer["total"]["minor"], sum);
    let page = app.get(&format!("/offers/{id}")).await.expect(200);
    assert!(page.words().replace(',', "").contains(offer["total"]["amount"].as_str().unwrap()));
    let brands: Vec<&str> = answer["fares"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fare| fare["fare"]["brand"].as_str().unwrap())
        .collect();
    assert!(brands.len() > 1 && brands.iter().all(|brand| page.words().contains(brand)), "{brands:?}");
    let other: Vec<&Value> =
        answer["fares"].as_array().unwrap().iter().filter(|fare| fare["id"] != id).collect();
    app.get(&format!("/api/offers/{}", other[0]["id"].as_str().unwrap())).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn an_offer_past_its_time_is_gone_and_names_the_same_flights_of_today() {
    let app = TestApp::start().await;
    let found = app.get(&format!("/api{SEARCH}")).await.expect(200).json();
    let offer = &found["items"][0];
    let address = format!("/api/offers/{}", offer["id"].as_str().unwrap());
    app.clock.advance(SignedDuration::from_mins(31));
    let gone = app.get(&address).await.expect(410);
    assert_eq!(code(&gone), "offer_expired");
    let told = gone.json();
    assert_eq!(told["about"]["was"], offer["total"]);
    let (was, minor) =
        (offer["total"]["minor"].as_i64().unwrap(), |of: &Value| of["minor"].as_i64().unwrap());
    assert_eq!(minor(&told["about"]["more"]), minor(&told["about"]["offer"]["total"]) - was);
    let close = told["about"]["close"].as_array().unwrap();
    assert_eq!(close.len(), 3);
    for other in close {
        assert_eq!(minor(&other["more"]), minor(&other["total"]) - was);
        assert!(other["later_minutes"].is_i64() && other["id"] != told["about"]["offer"]["id"], "{other}");
        app.get(&format!("/api/offers/{}", other["id"].as_str().unwrap())).await.expect(200);
    }
    let fresh =
        app.get(&format!("/api/offers/{}", told["about"]["offer"]["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(fresh.json()["offer"]["total"], told["about"]["offer"]["total"]);
    for never in ["nonsense", "..%2f..", "%00", &"x".repeat(3_000)] {
        assert_eq!(code(&app.get(&format!("/api/offers/{never}")).await.expect(404)), "not_found");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_silent_supplier_is_told_and_searching_very_often_has_to_wait() {
    let app = TestApp::start().await;
    app.supplier().set_search_down(true);
    let silent = app.get(&format!("/api{SEARCH}")).await.expect(503);
    assert_eq!(code(&silent), "upstream_unavailable");
    app.supplier().set_search_down(false);
    // The bucket is empty for an hour; what the process took in advance is soon spent.
    app.execute("update rate_limits set spent_to = '2026-11-23T10:00:00Z' where rule = 'search'").await;
    let mut last = app.get(&format!("/api{SEARCH}")).await;
    for _ in 0..Rule::SearchAddress.limit().block {
        last = app.get(&format!("/api{SEARCH}")).await;
    }
    let last = last.expect(429);
    assert_eq!(code(&last), "too_many_requests");
    assert!(
        last.header("retry-after").is_some()
            && last.header("ratelimit-policy").unwrap().starts_with("\"search\"")
    );
    app.finish().await;
}
