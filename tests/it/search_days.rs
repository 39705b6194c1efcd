//! What days cost: the strip above a list, the month, and the days near a search that found nothing. Each price is held
//! against the list that its link opens.

use jiff::civil::Date;

use crate::helpers::{api::pointers, app::TestApp, page::Page};

const ONE_WAY: &str =
    "trip=oneway&from=LIS&to=JFK&leave=2027-03-12&adults=1&children=0&infants=0&cabin=economy";
const RETURN: &str = "trip=return&from=LIS&to=LON&leave=2027-03-12&back=2027-03-19&adults=1&children=0&infants=0&cabin=economy";
/// Children and infants pay parts of a fare and not all taxes, and not every flight has the cabin.
const PARTY: &str =
    "trip=oneway&from=LIS&to=JFK&leave=2027-03-12&adults=2&children=1&infants=1&cabin=business";

fn digits(text: &str) -> i64 {
    text.chars().filter(char::is_ascii_digit).collect::<String>().parse().expect("a number")
}

/// The lowest total of a list in whole units, never less than it is.
async fn lowest_of_list(app: &TestApp, address: &str) -> i64 {
    let separator = if address.contains('?') { '&' } else { '?' };
    let list = app.get(&format!("{address}{separator}sort=cheapest")).await.expect(200);
    let cents = digits(&list.texts("article.offer .price b")[0]);
    (cents + 99) / 100
}

#[tokio::test]
async fn the_strip_tells_what_the_lists_of_its_days_hold() {
    let app = TestApp::start().await;
    for search in [ONE_WAY, RETURN, PARTY] {
        let list = app.get(&format!("/flights?{search}")).await.expect(200);
        assert_eq!(list.count(".strip > li"), 7);
        assert!(list.text(".strip [aria-current=date] .day").ends_with("12 Mar"));
        let told: Vec<i64> = list.texts(".strip a b").iter().map(|price| digits(price)).collect();
        let links = list.attrs(".strip a", "href");
        assert_eq!(told.len(), 7, "flights leave every day");
        for (price, link) in told.iter().zip(&links) {
            assert_eq!(*price, lowest_of_list(&app, link).await, "{link}");
        }
        let lowest = told.iter().position(|price| price == told.iter().min().unwrap()).unwrap();
        assert!(list.texts(".strip > li")[lowest].ends_with("lowest"), "marked in words too");
    }
    // A return moves as a whole.
    let list = app.get(&format!("/flights?{RETURN}")).await;
    assert!(list.attrs(".strip a", "href")[0].contains("leave=2027-03-09&back=2027-03-16"));
    list.says("7 nights").says("1 adult");
    app.finish().await;
}

#[tokio::test]
async fn the_strip_says_what_is_not_sold_and_keeps_the_view() {
    let app = TestApp::start().await;
    let today = "trip=oneway&from=LIS&to=LHR&leave=2026-11-24&cabin=economy&sort=cheapest&stops=1&airline=0T";
    let list = app.get(&format!("/flights?{today}")).await.expect(200);
    let days = list.texts(".strip > li");
    assert!(days[0].contains("not sold") && days[0].starts_with('–'), "{days:?}");
    for link in list.attrs(".strip a", "href") {
        assert!(link.ends_with("&sort=cheapest&stops=1&airline=0T"), "{link}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_month_tells_each_day_and_leads_to_it_and_to_the_months_beside() {
    let app = TestApp::start().await;
    let page = app.get(&format!("/flights/calendar?{RETURN}")).await.expect(200);
    assert_eq!((page.h1().as_str(), page.count(".month time")), ("March 2027", 31));
    assert_eq!(page.attr(".month [aria-current=date] time", "datetime"), "2027-03-12");
    let (days, links) = (page.texts(".month a b"), page.attrs(".month a", "href"));
    assert_eq!(days.len(), 31);
    for place in [0, 11, 20, 30] {
        assert_eq!(digits(&days[place]), lowest_of_list(&app, &links[place]).await, "{}", links[place]);
    }
    page.says("back after 7 nights").says("Cheapest:");
    for (rel, month) in [("prev", "February 2027"), ("next", "April 2027")] {
        let link = page.attr(&format!(".pager a[rel={rel}]"), "href");
        assert_eq!(app.get(&link).await.expect(200).h1(), month);
    }
    // Another length of stay, without JavaScript.
    let longer = app.guest().submit(&page, "form[action='/flights/calendar']", &[("nights", "14")]).await;
    let longer = longer.expect(200);
    longer.says("back after 14 nights");
    assert!(longer.attrs(".month a", "href")[0].contains("leave=2027-03-01&back=2027-03-15"));
    app.finish().await;
}

#[tokio::test]
async fn the_first_and_the_last_month_end_where_airlines_sell() {
    let app = TestApp::start().await;
    let first = app.get(&format!("/flights/calendar?{ONE_WAY}&month=2026-11")).await.expect(200);
    assert!(!first.has(".pager a[rel=prev]"));
    assert!(
        first.texts(".month td").iter().any(|day| day == "22 not sold"),
        "{:?}",
        first.texts(".month td")
    );
    let last = app.get(&format!("/flights/calendar?{ONE_WAY}&month=2027-10")).await.expect(200);
    assert!(!last.has(".pager a[rel=next]"));
    let sold = last.count(".month a");
    assert!((10..31).contains(&sold), "{sold}");
    app.finish().await;
}

#[tokio::test]
async fn a_month_that_is_asked_for_wrongly_is_shown_with_what_is_wrong() {
    let app = TestApp::start().await;
    for (wrong, field) in [
        ("month=2026-10", "month"),
        ("month=2027-13", "month"),
        ("month=%ff", "month"),
        ("month=2027-03&month=2027-04", "month"),
        ("nights=many", "nights"),
        ("nights=91", "nights"),
        ("nights=1&nights=2", "nights"),
    ] {
        let page = app.get(&format!("/flights/calendar?{RETURN}&{wrong}")).await.expect(422);
        assert!(page.has(&format!(".errors a[href='#{field}']")), "{wrong}");
        assert!(page.has(&format!("#{field}")) && page.count(".month a") == 31, "{wrong}");
    }
    let page = app.get(&format!("/flights/calendar?{RETURN}&nights=many")).await;
    assert!(!page.field_error("nights").is_empty());
    assert_eq!(page.value("form[action='/flights/calendar']", "nights"), "many");
    let page = app.get(&format!("/flights/calendar?{ONE_WAY}&nights=7")).await.expect(422);
    assert!(!page.field_error("nights").is_empty());
    let mended = app.guest().submit(&page, "form[action='/flights/calendar']", &[("nights", "")]).await;
    assert!(!mended.expect(200).has("#nights"));
    let page = app.get("/flights/calendar?from=LIS&to=LIS").await.expect(422);
    assert!(!page.field_error("to").is_empty());
    app.get("/flights/calendar?trip=multi&from=LIS&to=JFK&leave=2027-03-12").await.expect(422);
    app.finish().await;
}

#[tokio::test]
async fn the_month_is_the_same_for_programs() {
    let app = TestApp::start().await;
    let page = app.get(&format!("/flights/calendar?{RETURN}")).await.expect(200);
    let told = app.get(&format!("/api/flights/calendar?{RETURN}")).await.expect(200).json();
    assert_eq!((told["month"].as_str(), told["nights"].as_i64()), (Some("2027-03"), Some(7)));
    assert_eq!(told["source"], "supplier");
    let days = told["days"].as_array().unwrap();
    let totals: Vec<i64> =
        days.iter().map(|day| (day["total"]["minor"].as_i64().unwrap() + 99) / 100).collect();
    let shown: Vec<i64> = page.texts(".month a b").iter().map(|price| digits(price)).collect();
    assert_eq!(totals, shown);
    for day in days {
        let date = |name: &str| day[name].as_str().unwrap().parse::<Date>().unwrap();
        assert_eq!((date("back") - date("leave")).get_days(), 7);
    }
    for (query, told) in [
        (format!("{RETURN}&month=2026-10&nights=x"), &["/month", "/nights"][..]),
        (format!("{RETURN}&month=2027-03&month=2027-04"), &["/month"]),
        ("from=LIS".to_owned(), &["/to", "/leave"]),
        (format!("{RETURN}&sort=cheapest"), &["/sort"]),
        (format!("{ONE_WAY}&nights=7"), &["/nights"]),
    ] {
        let answer = app.get(&format!("/api/flights/calendar?{query}")).await.expect(422);
        assert_eq!(pointers(&answer), told, "{query}");
    }
    app.supplier().set_search_down(true);
    app.get(&format!("/api/flights/calendar?{ONE_WAY}")).await.expect(503);
    app.get(&format!("/flights/calendar?{ONE_WAY}")).await.expect(503);
    app.finish().await;
}

#[tokio::test]
async fn prices_of_days_are_asked_for_once_in_ten_minutes() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let address = format!("/flights/calendar?{ONE_WAY}");
    guest.get(&address).await.expect(200);
    app.statements.take();
    guest.get(&address).await.expect(200);
    let again = app.statements.take();
    app.clock.advance(jiff::SignedDuration::from_mins(11));
    guest.get(&address).await.expect(200);
    let later = app.statements.take();
    assert!(later.len() > again.len(), "{later:#?}");
    app.finish().await;
}

/// Nothing flies so short a way, but from elsewhere and to elsewhere something does.
async fn nothing(app: &TestApp) -> Page {
    app.get("/flights?trip=oneway&from=LGW&to=LTN&leave=2027-03-12&cabin=economy").await
}

#[tokio::test]
async fn nothing_found_names_only_what_was_asked_for_and_is_there() {
    let app = TestApp::start().await;
    let page = nothing(&app).await;
    if page.count("article.offer") > 0 {
        panic!("something flies from Gatwick to Luton: take other airports");
    }
    page.says("Nothing on this day");
    for link in page.attrs("main .stack a[href^='/flights']", "href") {
        let there = app.get(&link).await.expect(200);
        assert!(there.count("article.offer") > 0, "{link} leads to nothing");
    }
    app.finish().await;
}
