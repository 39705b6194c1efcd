//! Where a search finds nothing: other days, other places and other cabins, each asked for just now. Every link is followed: what
//! it leads to has offers, at the total that was told.

use serde_json::Value;

use crate::helpers::{app::TestApp, page::Page};

/// An island and a city, with a flight on some days of the week.
const HERE: &str = "KUG";
const THERE: &str = "BNE";

fn digits(text: &str) -> i64 {
    text.chars().filter(char::is_ascii_digit).collect::<String>().parse().expect("a number")
}

/// The days of March, and whether anything is for sale.
async fn days(app: &TestApp, from: &str, to: &str) -> Vec<(String, bool)> {
    let month = app.get(&format!("/api/flights/calendar?from={from}&to={to}&leave=2027-03-12")).await;
    let month = month.expect(200).json();
    let day = |day: &Value| (day["leave"].as_str().expect("a day").to_owned(), !day["total"].is_null());
    month["days"].as_array().expect("days").iter().map(day).collect()
}

/// Every link, with its words and the total beside it, leads to a list whose lowest total is that.
async fn follow(app: &TestApp, page: &Page) -> Vec<(String, String)> {
    page.expect_nothing();
    let links = page.attrs("section.sec li a[href^='/flights']", "href");
    let words = page.texts("section.sec li a[href^='/flights']");
    let totals = page.texts("section.sec li:has(a[href^='/flights']) .muted");
    assert_eq!((links.len(), totals.len()), (words.len(), words.len()), "each has its total");
    for (link, total) in links.iter().zip(&totals) {
        let list = app.get(&format!("{link}&sort=cheapest")).await.expect(200);
        let lowest = list.texts("article.offer .price b").first().map(|price| digits(price));
        assert_eq!(lowest, Some(digits(total)), "{link}");
    }
    words.into_iter().zip(links).collect()
}

trait ExpectNothing {
    fn expect_nothing(&self);
}

impl ExpectNothing for Page {
    fn expect_nothing(&self) {
        assert_eq!((self.status.as_u16(), self.count("article.offer")), (200, 0));
        assert!(self.text("h1").starts_with("Nothing on "), "{}", self.text("h1"));
    }
}

#[tokio::test]
async fn one_way_leads_to_the_nearest_days_first() {
    let app = TestApp::start().await;
    let days = days(&app, HERE, THERE).await;
    let at = (10..20).find(|at| !days[*at].1).expect("a day without");
    let page = app.get(&format!("/flights?from={HERE}&to={THERE}&leave={}", days[at].0)).await;
    let found = follow(&app, &page).await;
    let nearest = (1..10).find(|by| days[at - by].1 || days[at + by].1).expect("a day with");
    let word = if nearest == 1 { "1 day ".to_owned() } else { format!("{nearest} days ") };
    assert!(found[0].0.starts_with(&word), "{found:?}");
    app.finish().await;
}

#[tokio::test]
async fn a_return_may_move_one_date_alone_and_keep_the_other() {
    let app = TestApp::start().await;
    let (out, back) = (days(&app, HERE, THERE).await, days(&app, THERE, HERE).await);
    let (lacks, has) = ((8..14).find(|at| !out[*at].1), (18..26).find(|at| back[*at].1));
    let (leave, home) = (&out[lacks.expect("a day without")].0, &back[has.expect("a day with")].0);
    let page = app.get(&format!("/flights?from={HERE}&to={THERE}&leave={leave}&back={home}")).await;
    let found = follow(&app, &page).await;
    let alone: Vec<_> = found.iter().filter(|(words, _)| words.starts_with("Out ")).collect();
    assert!(!alone.is_empty(), "{found:?}");
    assert!(alone.iter().all(|(_, link)| link.contains(&format!("&back={home}&"))), "{alone:?}");
    assert!(found.iter().all(|(words, _)| !words.starts_with("Back ")), "the way out would still lack");

    // The way back lacks.
    let (has, lacks) = ((4..12).find(|at| out[*at].1), (18..26).find(|at| !back[*at].1));
    let (leave, home) = (&out[has.expect("a day with")].0, &back[lacks.expect("a day without")].0);
    let page = app.get(&format!("/flights?from={HERE}&to={THERE}&leave={leave}&back={home}")).await;
    let found = follow(&app, &page).await;
    let alone: Vec<_> = found.iter().filter(|(words, _)| words.starts_with("Back ")).collect();
    assert!(!alone.is_empty(), "{found:?}");
    assert!(alone.iter().all(|(_, link)| link.contains(&format!("&leave={leave}&"))), "{alone:?}");
    app.finish().await;
}

#[tokio::test]
async fn of_several_flights_the_one_that_lacks_is_named_and_whole_journeys_are_offered() {
    let app = TestApp::start().await;
    let out = days(&app, HERE, THERE).await;
    let leave = &out[(8..14).find(|at| !out[*at].1).expect("a day without")].0;
    let onward = "from2=BNE&to2=SYD&leave2=2027-03-22";
    let page = app.get(&format!("/flights?trip=multi&from={HERE}&to={THERE}&leave={leave}&{onward}")).await;
    page.says("Flight 1, ").says(": nothing on ");
    let found = follow(&app, &page).await;
    assert!(found.iter().any(|(words, _)| words.starts_with("Flight 1, ")), "{found:?}");
    let days: Vec<_> = found.iter().filter(|(words, _)| words.contains(" day")).collect();
    assert!(!days.is_empty() && days.iter().all(|(_, link)| link.contains("leave2=2027-03-22")), "{found:?}");
    app.finish().await;
}

#[tokio::test]
async fn several_flights_of_one_day_that_do_not_follow_one_another_are_told_apart_from_none() {
    let app = TestApp::start().await;
    let day = "2027-03-12";
    let page = app
        .get(&format!("/flights?trip=multi&from=LIS&to=SYD&leave={day}&from2=SYD&to2=AKL&leave2={day}"))
        .await;
    page.says("Each flight alone has seats on its day");
    let found = follow(&app, &page).await;
    assert!(found.iter().any(|(words, _)| words.starts_with("Flight 2, ")), "{found:?}");
    app.finish().await;
}

#[tokio::test]
async fn a_party_that_fits_no_cabin_of_this_name_is_led_to_another() {
    let app = TestApp::start().await;
    // Nine in first: no aircraft of this world has so many seats there.
    let page = app.get("/flights?from=LIS&to=JFK&leave=2027-03-12&adults=9&cabin=first").await;
    if page.count("article.offer") == 0 {
        let found = follow(&app, &page).await;
        assert!(found.iter().any(|(words, _)| words == "Economy"), "{found:?}");
    }
    app.finish().await;
}
