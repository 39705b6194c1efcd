//! The list: what its filters promise and keep, its order, its pages; journeys of several flights; what a browser remembers;
//! and offers that are gone.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::helpers::{app::TestApp, page::Page};

const SEARCH: &str =
    "/flights?trip=oneway&from=LIS&to=JFK&leave=2027-03-12&adults=1&children=0&infants=0&cabin=economy";
const RETURN: &str = "/flights?trip=return&from=LIS&to=NYC&leave=2027-03-12&back=2027-03-19&adults=2&children=1&infants=1&cabin=economy";

/// "none set, 20 of 60 shown".
fn found(page: &Page) -> usize {
    let told = page.text(".filters summary span");
    told.rsplit(", ").next().unwrap().split(' ').next().unwrap().parse().expect(&told)
}

fn offers(page: &Page) -> Vec<String> {
    page.attrs("article.offer a[href^='/offers/']", "href")
}

fn totals(page: &Page) -> Vec<i64> {
    let digits =
        |text: String| text.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
    page.texts("article.offer .price b").into_iter().map(digits).collect()
}

/// Name, value and promised count of each choice: "Direct only (9)".
fn choices(page: &Page) -> Vec<(String, String, usize)> {
    let inputs = ".filters fieldset label:has(input)";
    let words = page.texts(inputs);
    let of = |attribute| page.attrs(".filters fieldset label input", attribute);
    let all = of("name").into_iter().zip(of("value")).zip(words);
    all.filter_map(|((name, value), words)| {
        let count = words.rsplit_once('(')?.1.trim_end_matches(')').parse().ok()?;
        Some((name, value, count))
    })
    .collect()
}

#[tokio::test]
async fn each_filter_shows_as_many_offers_as_it_promised() {
    let app = TestApp::start().await;
    let guest = app.guest();
    for search in [SEARCH, RETURN] {
        let list = guest.get(search).await.expect(200);
        let choices = choices(&list);
        let names: BTreeSet<&str> = choices.iter().map(|(name, ..)| name.as_str()).collect();
        for name in ["stops", "airline", "alliance", "via", "dep", "arr", "bag", "refund", "change"] {
            assert!(names.contains(name), "{search}: nothing to choose for {name}: {names:?}");
        }
        for (name, value, count) in &choices {
            let shown = guest.submit(&list, ".filters form", &[(name, value)]).await.expect(200);
            assert_eq!(found(&shown), *count, "{name}={value} of {search}");
            let checked = format!(".filters input[name={name}][value='{value}'][checked]");
            assert!(shown.has(&checked), "{name}={value} is not shown as chosen");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_city_of_several_airports_lets_the_traveller_choose_among_them() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let list = guest.get(&RETURN.replace("to=NYC", "to=LON")).await.expect(200);
    let choices = choices(&list);
    let of = |name: &str, slice: &str| -> Vec<&(String, String, usize)> {
        let is_it = |(known, value, _): &&(String, String, usize)| known == name && value.starts_with(slice);
        choices.iter().filter(is_it).collect()
    };
    // Lisbon has one airport: there is nothing to choose.
    assert!(of("start", "1-").is_empty() && of("end", "2-").is_empty());
    let (landing, leaving) = (of("end", "1-"), of("start", "2-"));
    assert!(landing.len() > 1 && leaving.len() > 1, "{choices:?}");
    for (name, value, count) in landing.iter().chain(&leaving) {
        let shown = guest.submit(&list, ".filters form", &[(name, value)]).await.expect(200);
        assert_eq!(found(&shown), *count, "{name}={value}");
        let code = value.split_once('-').unwrap().1;
        let cards = shown.texts("article.offer");
        assert!(!cards.is_empty() && cards.iter().all(|card| card.contains(code)), "{value}");
    }
    // Both ends at once: no more than either.
    let (lands, leaves) = (landing[0], leaving[0]);
    let both =
        guest.submit(&list, ".filters form", &[("end", &lands.1), ("start", &leaves.1)]).await.expect(200);
    assert!(found(&both) <= lands.2.min(leaves.2));
    // A choice that leaves nothing is told with what would leave something.
    guest.get(&format!("{SEARCH}&end=1-LHR")).await.expect(200).says("Nothing fits all of these filters");
    app.finish().await;
}

#[tokio::test]
async fn filters_keep_what_they_say_and_a_bag_costs_what_the_offer_says() {
    let app = TestApp::start().await;
    let all = app.get(SEARCH).await.expect(200);
    let bags = app.get(&format!("{SEARCH}&bag=1&sort=cheapest")).await.expect(200);
    assert_eq!(found(&bags), found(&all), "each flight has a fare with a bag");
    for facts in bags.texts("article.offer .facts .has") {
        assert!(!facts.starts_with("Cabin bag 7") && !facts.starts_with("Cabin bag 10"), "{facts}");
    }
    assert!(totals(&bags)[0] > *totals(&all).iter().min().unwrap());
    let offer = app.get(&offers(&bags)[0]).await.expect(200);
    let chosen = offer.text(".fare:has(input[checked])");
    assert!(chosen.contains("checked bag") && !chosen.contains("No checked bag"), "{chosen}");
    let most = totals(&all).iter().min().unwrap() / 100 + 100;
    let cheap = app.get(&format!("{SEARCH}&max={most}")).await.expect(200);
    assert!(totals(&cheap).iter().all(|total| *total <= most * 100) && found(&cheap) < found(&all));
    let quick = app.get(&format!("{SEARCH}&hours=11&sort=shortest")).await.expect(200);
    for way in quick.texts("article.offer .slice-via") {
        let hours: u32 = way.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
        assert!(hours < 11 || way.starts_with("11\u{a0}h\u{a0}00") || way.starts_with("11 h 00"), "{way}");
    }
    let api = app.get(&format!("/api{SEARCH}&bag=1&sort=cheapest")).await.expect(200).json();
    assert_eq!(
        (api["found"].as_u64(), api["all"].as_u64()),
        (Some(found(&bags) as u64), Some(found(&all) as u64))
    );
    assert!(api["items"][0]["fare"]["checked_bags"].as_u64() >= Some(1));
    let first =
        app.get(&format!("/api/offers/{}", api["items"][0]["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(
        first.json()["offer"],
        api["items"][0],
        "the list says what the offer says, to the fare basis"
    );
    app.finish().await;
}

#[tokio::test]
async fn pages_never_overlap_and_keep_order_and_filters() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let search = format!("{RETURN}&sort=co2&stops=1&dep=1-morning,1-afternoon,1-evening");
    let mut page = guest.get(&search).await.expect(200);
    let (all, mut seen) = (found(&page), Vec::new());
    loop {
        seen.extend(offers(&page));
        assert_eq!(page.attr(".sorts a[aria-current]", "href").matches("sort=co2").count(), 1);
        assert!(
            page.attr("link[rel=canonical]", "href").contains("&sort=co2&stops=1&dep=1-morning,1-afternoon")
        );
        if !page.has(".pager a[rel=next]") {
            break;
        }
        page = guest.get(&page.attr(".pager a[rel=next]", "href")).await.expect(200);
    }
    assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (all, all));
    assert!(all > 20, "{all}");
    page.says("Why this order").says("By the CO₂");
    app.finish().await;
}

#[tokio::test]
async fn filters_that_nothing_fits_say_what_each_of_them_leaves_out() {
    let app = TestApp::start().await;
    let page = app.get(&format!("{SEARCH}&stops=0&max=1&airline=ZZ")).await.expect(200);
    page.says("Nothing fits all of these filters");
    assert!(page.has(".strip") && page.count("article.offer") == 0);
    let clear = page.attr(".filters .acts a", "href");
    let all = found(&app.get(SEARCH).await.expect(200));
    assert_eq!(found(&app.get(&clear).await.expect(200)), all);
    let only = app.get(&format!("{SEARCH}&max=1&stops=1")).await.expect(200);
    let links = only.attrs("main .stack a", "href");
    let words = only.texts("main .stack a");
    assert!(words[0].starts_with("Without “Highest total: 1”: "), "{words:?}");
    let promised: usize = words[0].rsplit(": ").next().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert_eq!(found(&app.get(&links[0]).await.expect(200)), promised);
    app.finish().await;
}

#[tokio::test]
async fn a_wrong_filter_stands_beside_its_field_over_the_list_without_it() {
    let app = TestApp::start().await;
    let all = app.get(SEARCH).await.expect(200);
    for (field, value) in [
        ("max", "cheap"),
        ("hours", "0"),
        ("stops", "3"),
        ("dep", "noon"),
        ("bag", "yes"),
        ("airline", "TAP"),
    ] {
        let page = app.get(&format!("{SEARCH}&{field}={value}")).await.expect(422);
        assert!(!page.field_error(field).is_empty());
        assert!(page.has(&format!(".errors a[href='#{field}']")) && page.has(".filters[open]"), "{field}");
        assert_eq!(found(&page), found(&all), "{field}");
        if ["max", "hours"].contains(&field) {
            assert_eq!(page.value(".filters form", field), value);
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_journey_of_several_flights_is_built_searched_and_booked_without_script() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let home = guest.get("/?trip=multi").await.expect(200);
    let first = [("from", "Lisbon"), ("to", "JFK"), ("leave", "2027-03-12"), ("to2", "SFO")];
    let three = guest.submit(&home, "button[value=more]", &first).await.expect(200);
    assert!(three.has("input[name=to3]") && !three.has("input[name=to4]"));
    assert_eq!(three.value("form[action='/flights']", "from3"), "SFO", "from where the flight before lands");
    let four = guest.submit(&three, "button[value=more]", &[]).await.expect(200);
    let again = guest.submit(&four, "button[value=less]", &[]).await.expect(200);
    assert!(again.has("input[name=to3]") && !again.has("input[name=to4]"));
    let missing = guest.submit(&again, "form[action='/flights']", &[]).await.expect(422);
    for field in ["from2", "leave2", "to3", "leave3"] {
        assert!(!missing.field_error(field).is_empty());
    }
    let rest = [
        ("from2", "JFK"),
        ("leave2", "2027-03-15"),
        ("to3", "LIS"),
        ("leave3", "2027-03-20"),
        ("adults", "2"),
    ];
    let list = guest.submit(&missing, "form[action='/flights']", &rest).await.expect(200);
    assert_eq!(list.h1(), "Lisbon, New York, San Francisco, Lisbon");
    assert!(list.count("article.offer") > 5 && !list.has(".strip"));
    list.says("one flight at a time");
    let months = list.attrs("a[href^='/flights/calendar?trip=oneway']", "href");
    assert_eq!(months.len(), 3);
    assert_eq!(guest.get(&months[2]).await.expect(200).h1(), "March 2027");
    for offer in 1..=3 {
        assert_eq!(list.count(&format!("article.offer:nth-of-type({offer}) .slice")), 3);
    }
    let offer = guest.get(&offers(&list)[0]).await.expect(200);
    assert_eq!(offer.count("ol.legs"), 3);
    let back = guest.get(&offer.attr(".head a[href^='/flights']", "href")).await.expect(200);
    assert_eq!(back.h1(), list.h1());
    let draft = guest.submit(&offer, "form[action='/bookings']", &[]).await;
    let passengers = guest.get(&draft.redirect()).await.expect(200);
    passengers.says("Lisbon");
    let six = "/flights?trip=multi&from=LIS&to=MAD&leave=2027-03-01&from2=MAD&to2=CDG&leave2=2027-03-02&from3=CDG&to3=LHR\
               &leave3=2027-03-03&from4=LHR&to4=AMS&leave4=2027-03-04&from5=AMS&to5=FRA&leave5=2027-03-05&from6=FRA&to6=LIS&leave6=2027-03-06";
    let list = guest.get(six).await.expect(200);
    assert_eq!(list.count("article.offer:nth-of-type(1) .slice"), 6);
    guest.get(&offers(&list)[0]).await.expect(200);
    guest
        .get(&format!("{six}&from7=LIS&to7=OPO&leave7=2027-03-07"))
        .await
        .expect(422)
        .says("At most 6 flights");
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn a_browser_remembers_its_last_searches_until_told_to_forget() {
    let app = TestApp::start().await;
    let guest = app.guest();
    assert!(!guest.get("/").await.expect(200).has("#again-h"));
    let first = guest.get(SEARCH).await.expect(200);
    let line = first.set_cookie("searches").to_owned();
    for word in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(line.contains(word), "{line}");
    }
    assert!(
        !guest.get(SEARCH).await.expect(200).headers.contains_key("set-cookie"),
        "nothing new, nothing set"
    );
    guest.get(RETURN).await.expect(200);
    guest.get("/flights?from=LIS&to=LIS").await.expect(422);
    let home = guest.get("/").await.expect(200);
    assert_eq!(
        home.texts("section[aria-labelledby=again-h] li a"),
        ["Lisbon to New York", "Lisbon to New York"]
    );
    let links = home.attrs("section[aria-labelledby=again-h] li a", "href");
    assert!(links[0].contains("trip=return") && links[1].contains("trip=oneway"), "{links:?}");
    assert_eq!(guest.get(&links[1]).await.expect(200).h1(), "Lisbon to New York");
    let forgotten = guest.submit(&home, "form[action='/searches/forget']", &[]).await;
    assert_eq!(forgotten.redirect(), "/");
    assert!(!guest.get("/").await.expect(200).has("#again-h"));
    app.finish().await;
}

#[tokio::test]
async fn an_offer_that_has_lapsed_or_is_sold_out_names_the_closest_ones_and_what_they_cost_more() {
    let app = TestApp::start().await;
    let list = app.get(&format!("{SEARCH}&stops=0")).await.expect(200);
    let flight = list.text("article.offer .slice-by");
    let address = offers(&list)[0].clone();
    // The last two words are the flight: "Tejo Airlines 0T 118".
    let words: Vec<&str> = flight.split_whitespace().collect();
    let number = words[words.len() - 2..].concat();
    app.supplier().set_sold_out(&number, true);
    let gone = app.get(&address).await.expect(410);
    gone.says("Sold out").says("no money moved");
    assert_eq!(gone.count("article.offer"), 3);
    for close in offers(&gone) {
        app.get(&close).await.expect(200);
    }
    for why in gone.texts("article.offer .offer-why p") {
        assert!(why.contains("your offer"), "{why}");
    }
    app.supplier().set_sold_out(&number, false);
    app.clock.advance(SignedDuration::from_mins(40));
    let lapsed = app.get(&address).await.expect(410);
    lapsed.says("This price has lapsed").says("Close to it");
    assert_eq!(lapsed.count("article.offer"), 3);
    assert!(!offers(&lapsed).contains(&address));
    // Where nobody answers, what is known is told.
    app.supplier().set_search_down(true);
    app.get(&address).await.expect(503);
    app.finish().await;
}
