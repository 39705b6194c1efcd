//! Each pair of dates around a return: what it costs is what the list that it opens has as its lowest, and what cannot be had
//! says why.

use jiff::{SignedDuration, civil::Date};
use serde_json::Value;

use crate::helpers::{api::pointers, app::TestApp, page::Page};

const RETURN: &str = "trip=return&from=LIS&to=LON&leave=2027-03-12&back=2027-03-19&adults=1&children=0&infants=0&cabin=economy";
const THERE_AND_BACK: &str = "trip=return&from=LIS&to=OPO&leave=2027-03-12&back=2027-03-13&adults=2&children=1&infants=1&cabin=economy";

fn digits(text: &str) -> i64 {
    text.chars().filter(char::is_ascii_digit).collect::<String>().parse().expect("a number")
}

/// What the cells with a price say, and where they lead.
fn priced(page: &Page) -> Vec<(i64, String)> {
    let told = page.texts(".pairs td[data-heat] b").into_iter().map(|price| digits(&price));
    told.zip(page.attrs(".pairs td[data-heat] a", "href")).collect()
}

/// The lowest total of a list in whole units, never less than it is.
async fn lowest_of_list(app: &TestApp, address: &str) -> i64 {
    let list = app.get(&format!("{address}&sort=cheapest")).await.expect(200);
    (digits(&list.texts("article.offer .price b")[0]) + 99) / 100
}

#[tokio::test]
async fn every_pair_tells_what_its_list_holds_and_is_one_link_from_the_strip() {
    let app = TestApp::start().await;
    let list = app.get(&format!("/flights?{RETURN}")).await.expect(200);
    let link = list.attr("a[href^='/flights/matrix?']", "href");
    let page = app.get(&link).await.expect(200);
    assert_eq!((page.count(".pairs thead th[scope=col]"), page.count(".pairs tbody th[scope=row]")), (8, 7));
    let pairs = priced(&page);
    assert_eq!(pairs.len(), 49, "flights leave every day, and the shortest stay is a night");
    let own = page.attr(".pairs [aria-current=date]", "href");
    assert!(own.contains("leave=2027-03-12&back=2027-03-19"), "{own}");
    assert!(pairs[6].1.contains("leave=2027-03-15&back=2027-03-16"), "days of leaving stand across");
    // The corners, the middle and some between.
    for place in [0, 6, 10, 17, 24, 38, 42, 48] {
        let (price, link) = &pairs[place];
        assert_eq!(*price, lowest_of_list(&app, link).await, "{link}");
    }
    let lowest = pairs.iter().map(|(price, _)| *price).min().unwrap();
    let cheapest = page.attr(".prose a[href*='leave=']", "href");
    assert_eq!(lowest_of_list(&app, &cheapest).await, lowest, "told in words too");
    assert!(page.count(".pairs em") > 0);
    app.get(&page.attr("a[href^='/flights/calendar?']", "href")).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_short_stay_has_pairs_that_are_no_journey_and_others_that_need_two_fitting_flights() {
    let app = TestApp::start().await;
    let page = app.get(&format!("/flights/matrix?{THERE_AND_BACK}")).await.expect(200);
    let empty: Vec<String> =
        page.texts(".pairs td").into_iter().filter(|cell| cell.contains("back before")).collect();
    // Of the days from the 9th to the 15th and from the 10th to the 16th: five rows begin too late for one day more each.
    assert_eq!(empty.len(), 15, "{empty:?}");
    assert_eq!(page.count(".pairs td > span a"), 0);
    page.says("you would be back before you leave");
    let pairs = priced(&page);
    let date = |link: &str, name: &str| {
        let value = link.split(&format!("{name}=")).nth(1).expect(link);
        value[..10].parse::<Date>().expect(link)
    };
    // On one day the way back must leave after the way there has landed.
    let mut same_day = 0;
    for (price, link) in pairs.iter().filter(|(_, link)| date(link, "leave") == date(link, "back")) {
        assert_eq!(*price, lowest_of_list(&app, link).await, "{link}");
        same_day += 1;
    }
    assert!(same_day > 2, "{same_day}");
    app.finish().await;
}

#[tokio::test]
async fn seats_that_others_have_bought_are_in_no_pair() {
    let app = TestApp::start().await;
    let first = app.get(&format!("/flights/matrix?{RETURN}")).await.expect(200);
    let list = app.get(&format!("/api/flights?{RETURN}&sort=cheapest")).await.expect(200).json();
    for segment in list["items"][0]["slices"][0]["segments"].as_array().expect("segments") {
        let text = |name: &str| segment.pointer(name).and_then(Value::as_str).expect(name).to_owned();
        let day = text("/departs/local")[..10].to_owned();
        app.execute(&format!(
            "insert into timetable.inventory (carrier, number, departs_on, cabin, capacity, sold)
             values ('{}', {}, '{day}', 'economy', 50, 50)",
            text("/carrier/code"),
            segment["number"].as_str().map_or_else(|| segment["number"].to_string(), str::to_owned),
        ))
        .await;
    }
    app.clock.advance(SignedDuration::from_mins(30));
    let page = app.get(&format!("/flights/matrix?{RETURN}")).await.expect(200);
    let (before, after) = (priced(&first), priced(&page));
    let own = |all: &[(i64, String)]| all[24].0;
    assert!(own(&after) > own(&before), "{} and {}", own(&before), own(&after));
    for place in [3, 24, 45] {
        let (price, link) = &after[place];
        assert_eq!(*price, lowest_of_list(&app, link).await, "{link}");
    }
    app.finish().await;
}

#[tokio::test]
async fn pairs_end_where_airlines_sell() {
    let app = TestApp::start().await;
    let early = RETURN.replace("2027-03-12", "2026-11-24").replace("2027-03-19", "2026-11-25");
    let page = app.get(&format!("/flights/matrix?{early}")).await.expect(200);
    let cells = page.texts(".pairs td");
    assert!(cells.iter().any(|cell| cell.contains("not sold")), "{cells:?}");
    for link in page.attrs(".pairs a", "href") {
        app.get(&link).await.expect(200);
    }
    app.finish().await;
}

#[tokio::test]
async fn programs_are_told_the_same_pairs() {
    let app = TestApp::start().await;
    for query in [RETURN, THERE_AND_BACK] {
        let page = app.get(&format!("/flights/matrix?{query}")).await.expect(200);
        let told = app.get(&format!("/api/flights/matrix?{query}")).await.expect(200).json();
        assert_eq!(told["source"], "supplier");
        let pairs = told["pairs"].as_array().expect("pairs");
        assert!(pairs.iter().all(|pair| pair["leave"].as_str() <= pair["back"].as_str()));
        let minor = pairs.iter().filter_map(|pair| pair["total"]["minor"].as_i64());
        let totals: Vec<i64> = minor.map(|minor| (minor + 99) / 100).collect();
        assert_eq!(totals, priced(&page).into_iter().map(|(price, _)| price).collect::<Vec<_>>());
    }
    app.finish().await;
}

#[tokio::test]
async fn what_has_no_pairs_is_told_beside_its_field() {
    let app = TestApp::start().await;
    let with = |name: &str, value: &str| {
        let fields = RETURN.split('&').filter(|field| !field.starts_with(&format!("{name}=")));
        format!("{}&{name}={value}", fields.collect::<Vec<_>>().join("&"))
    };
    for (name, value) in [
        ("trip", "oneway"),
        ("trip", "multi"),
        ("trip", "circle"),
        ("from", "%ff"),
        ("to", "LIS"),
        ("leave", "2026-02-29"),
        ("back", ""),
        ("back", "2027-03-11"),
        ("adults", "10"),
        ("infants", "2"),
        ("cabin", "roof"),
        ("leave", "2027-03-12&leave=2027-03-12"),
    ] {
        let query = with(name, value);
        let page = app.get(&format!("/flights/matrix?{query}")).await.expect(422);
        assert!(page.has(&format!(".errors a[href='#{name}']")), "{name}={value}");
        let told = app.get(&format!("/api/flights/matrix?{query}")).await.expect(422);
        assert!(pointers(&told).contains(&format!("/{name}")), "{name}={value}: {:?}", pointers(&told));
    }
    app.get(&format!("/api/flights/matrix?{RETURN}&month=2027-03")).await.expect(422);
    app.supplier().set_search_down(true);
    for path in ["", "/api"] {
        app.get(&format!("{path}/flights/matrix?{RETURN}")).await.expect(503);
    }
    app.finish().await;
}
