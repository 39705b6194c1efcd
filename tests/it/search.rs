//! Looking for flights: the first page, the airport finder, the list, one offer.

use jiff::SignedDuration;
use url::form_urlencoded::Serializer;

use crate::helpers::{app::TestApp, page::Page};

const GOOD: [(&str, &str); 9] = [
    ("trip", "return"),
    ("from", "Lisbon"),
    ("to", "JFK"),
    ("leave", "2027-03-12"),
    ("back", "2027-03-26"),
    ("adults", "1"),
    ("children", "0"),
    ("infants", "0"),
    ("cabin", "economy"),
];

/// The address of a search that differs from [`GOOD`] in these fields.
fn flights(changes: &[(&str, &str)]) -> String {
    let mut address = Serializer::new("/flights?".to_owned());
    for (name, value) in GOOD {
        let changed = changes.iter().find(|(field, _)| *field == name).map_or(value, |(_, value)| value);
        address.append_pair(name, changed);
    }
    for (name, value) in changes.iter().filter(|(name, _)| !GOOD.iter().any(|(known, _)| known == name)) {
        address.append_pair(name, value);
    }
    address.finish().replace("?&", "?")
}

/// The totals of the list, in minor units, as they stand.
fn totals(page: &Page) -> Vec<i64> {
    let digits =
        |text: String| text.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
    page.texts("article.offer .price b").into_iter().map(digits).collect()
}

#[tokio::test]
async fn the_first_page_costs_an_anonymous_visitor_no_statement_and_no_session() {
    let app = TestApp::start().await;
    app.statements.take();
    let page = app.get("/").await.expect(200);
    assert_eq!(app.statements.take(), Vec::<String>::new());
    assert!(page.header("set-cookie").is_none());
    assert_eq!(app.count("tower_sessions.session").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn the_first_page_fits_into_the_first_packets() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let page = guest.get("/").await.expect(200);
    let styles = page.attrs("link[rel=stylesheet]", "href");
    guest.set_header("accept-encoding", "br");
    let mut critical = guest.get("/").await.expect(200).weight;
    for style in &styles {
        let style = guest.get(style).await.expect(200);
        assert!(style.header("cache-control").unwrap().contains("immutable"));
        critical += style.weight;
    }
    assert!(critical <= 13_000, "{critical} bytes");
    app.finish().await;
}

#[tokio::test]
async fn nonsense_in_a_search_is_a_message_beside_its_field_and_the_rest_is_kept() {
    let app = TestApp::start().await;
    let long = "x".repeat(3_000);
    let cases = [
        ("from", "", "from"),
        ("from", "Atlantis", "from"),
        ("from", "XQZ", "from"),
        ("from", long.as_str(), "from"),
        ("from", "\u{0}", "from"),
        ("from", "<script>alert(1)</script>", "from"),
        ("from", "' or 1=1 --", "from"),
        ("to", "LIS", "to"),
        ("to", "lisbon", "to"),
        ("leave", "", "leave"),
        ("leave", "tomorrow", "leave"),
        ("leave", "2027-02-30", "leave"),
        ("leave", "2026-11-22", "leave"),
        ("leave", "2028-01-01", "leave"),
        ("leave", "-9999-01-01", "leave"),
        ("back", "2027-03-11", "back"),
        ("back", "", "back"),
        ("adults", "0", "adults"),
        ("adults", "10", "adults"),
        ("adults", "-1", "adults"),
        ("adults", "many", "adults"),
        ("adults", "99999999999999999999", "adults"),
        ("infants", "2", "infants"),
        ("children", "9", "adults"),
        ("cabin", "roof", "cabin"),
    ];
    for (field, value, blamed) in cases {
        let page = app.get(&flights(&[(field, value)])).await.expect(422);
        assert!(!page.field_error(blamed).is_empty());
        assert!(page.text("title").starts_with("Error"), "{field} = {value:?}");
        assert!(
            page.has(&format!(".errors a[href='#{blamed}']")),
            "{field} = {value:?} is not in the summary"
        );
        let kept = GOOD.iter().filter(|(name, _)| *name != field && *name != "trip");
        for (name, typed) in kept {
            assert_eq!(
                page.value("form[action='/flights']", name),
                *typed,
                "{field} = {value:?} lost {name}"
            );
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn an_empty_search_asks_for_what_is_missing() {
    let app = TestApp::start().await;
    let page = app.get("/flights").await.expect(422);
    for field in ["from", "to", "leave"] {
        page.field_error(field);
    }
    for (name, usual) in [("adults", "1"), ("children", "0"), ("infants", "0"), ("cabin", "economy")] {
        assert_eq!(page.value("form[action='/flights']", name), usual);
    }
    let page = app.get(&flights(&[("trip", "circle")])).await.expect(422);
    assert!(page.text(".errors a[href='#trip']").starts_with("Kind of journey"));
    app.get("/flights?from=%ff%fe&to=LIS").await.expect(422);
    app.get(&format!("/flights?from={}", "x".repeat(30_000))).await;
    app.finish().await;
}

#[tokio::test]
async fn a_place_that_means_several_is_asked_about_and_each_choice_leads_on() {
    let app = TestApp::start().await;
    let page = app.get(&flights(&[("from", "San Jose")])).await.expect(422);
    let choices = page.attrs("main section ul a", "href");
    assert!(choices.len() >= 2, "{choices:?}");
    let chosen = app.get(&choices[0]).await;
    assert!(chosen.status == 200, "a choice leads to {}", chosen.status);
    app.finish().await;
}

#[tokio::test]
async fn airports_are_found_by_city_name_and_code_in_any_spelling() {
    let app = TestApp::start().await;
    let cases = [
        ("lisbon", "LIS"),
        ("LIS", "LIS"),
        ("São Paulo", "GRU"),
        ("sao paulo", "GRU"),
        ("heathrow", "LHR"),
        ("london", "LON"),
    ];
    for (typed, code) in cases {
        let typed: String = url::form_urlencoded::byte_serialize(typed.as_bytes()).collect();
        let page = app.get(&format!("/airports?q={typed}")).await.expect(200);
        assert!(page.texts("main tbody th").iter().any(|place| place.contains(code)), "{typed}");
    }
    app.get("/airports?q=zzzzzzz").await.expect(200).says("Nothing found");
    app.get("/airports").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn the_list_is_complete_sorted_and_says_what_it_costs_in_all() {
    let app = TestApp::start().await;
    let usual = app.get(&flights(&[])).await.expect(200);
    assert!(usual.count("article.offer") > 0);
    for price in usual.texts("article.offer .price") {
        assert!(price.contains("total") && price.starts_with(|c: char| c.is_ascii_uppercase()), "{price}");
    }
    let cheapest = totals(&app.get(&flights(&[("sort", "cheapest")])).await.expect(200));
    assert!(cheapest.is_sorted() && !cheapest.is_empty(), "{cheapest:?}");
    let direct = app.get(&flights(&[("stops", "0")])).await.expect(200);
    for way in direct.texts("article.offer .slice-via") {
        assert!(way.to_lowercase().contains("direct"), "{way}");
    }
    // What does not fit the view is told, and the list shown as usual.
    let wrong = app.get(&flights(&[("sort", "random"), ("stops", "x"), ("page", "-7")])).await.expect(422);
    assert_eq!((totals(&wrong), wrong.count(".errors li")), (totals(&usual), 3));
    app.finish().await;
}

#[tokio::test]
async fn the_same_search_again_asks_postgres_nothing_here_and_once_in_another_process() {
    let app = TestApp::start().await;
    let first = app.get(&flights(&[])).await.expect(200);
    assert_eq!(app.count("flight_searches").await, 1);
    app.statements.take();
    let again = app.get(&flights(&[("from", " LIS "), ("to", "jfk")])).await.expect(200);
    assert_eq!(app.statements.take(), Vec::<String>::new());
    assert_eq!(totals(&first), totals(&again));
    let twin = app.twin().await;
    let elsewhere = twin.browser(&app.guest());
    app.statements.take();
    assert_eq!(totals(&first), totals(&elsewhere.get(&flights(&[])).await.expect(200)));
    let statements = app.statements.take();
    let asked = |beginning: &str| statements.iter().filter(|one| one.starts_with(beginning)).count();
    let (looks, claims) = (asked("select key, case when"), asked("insert into flight_search_claims"));
    assert_eq!((looks, claims), (1, 0), "{statements:#?}");
    drop(twin);
    assert_eq!(app.count("flight_searches").await, 1);
    app.clock.advance(SignedDuration::from_mins(11));
    app.get(&flights(&[])).await.expect(200);
    assert_eq!(app.count("flight_searches where expires_at > created_at").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn parties_and_cabins_of_every_kind_are_answered() {
    let app = TestApp::start().await;
    for cabin in ["economy", "premium_economy", "business", "first"] {
        app.get(&flights(&[("cabin", cabin)])).await.expect(200);
    }
    let parties = [("9", "0", "0"), ("1", "8", "0"), ("4", "1", "4"), ("2", "0", "1")];
    for (adults, children, infants) in parties {
        let party = [("adults", adults), ("children", children), ("infants", infants)];
        app.get(&flights(&party)).await.expect(200);
    }
    app.finish().await;
}

#[tokio::test]
async fn an_offer_shows_its_fares_and_an_old_one_says_so_with_todays_price() {
    let app = TestApp::start().await;
    let list = app.get(&flights(&[])).await.expect(200);
    let address = list.attr("article.offer a.btn", "href");
    let offer = app.get(&address).await.expect(200);
    assert!(offer.count("input[name=offer]") >= 1);
    assert_eq!(offer.count("input[name=offer][checked]"), 1);
    offer.says("Conditions").says("total");
    app.clock.advance(SignedDuration::from_hours(2));
    let old = app.get(&address).await.expect(410);
    let fresh = old.attr("main a[href^='/offers/']", "href");
    app.get(&fresh).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn an_offer_that_never_was_is_a_404() {
    let app = TestApp::start().await;
    let long = "x".repeat(5_000);
    for id in ["x", "%00", "..%2f..", "%F0%9F%9B%AB", "'%20or%201=1", long.as_str()] {
        let page = app.get(&format!("/offers/{id}")).await;
        assert_eq!(page.status, 404, "{id}");
    }
    app.finish().await;
}
