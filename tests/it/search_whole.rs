//! Lists are whole: whatever is filtered, sorted and counted is judged over every combination of every way there is, not over
//! the few that happened to be kept.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde_json::Value;

use crate::helpers::{app::TestApp, page::Page};

const RETURN: &str = "trip=return&from=LON&to=NYC&leave=2027-01-15&back=2027-01-22";
const OUT: &str = "trip=oneway&from=LON&to=NYC&leave=2027-01-15";
const BACK: &str = "trip=oneway&from=NYC&to=LON&leave=2027-01-22";

/// However busy the machine: what comes too late for one page is there for the next.
async fn api(app: &TestApp, query: &str) -> Value {
    loop {
        let answer = app.get(&format!("/api/flights?{query}")).await;
        if answer.status != 503 {
            return answer.expect(200).json();
        }
    }
}

/// "12 of 60 shown".
fn shown(page: &Page) -> String {
    page.text(".filters summary span").rsplit(", ").next().unwrap_or_default().replace(" shown", "")
}

fn flights(offer: &Value, slice: usize) -> String {
    let segments = offer["slices"][slice]["segments"].as_array().expect("segments");
    segments.iter().map(|segment| format!("{}{} ", segment["carrier"]["code"], segment["number"])).collect()
}

#[tokio::test]
async fn a_return_has_every_way_there_with_every_way_back() {
    let app = TestApp::start().await;
    let direct = |query: &str| format!("{query}&stops=0");
    let (out, back, both) = tokio::join!(api(&app, OUT), api(&app, BACK), api(&app, RETURN));
    let all = |answer: &Value| answer["all"].as_u64().expect("a number");
    assert_eq!(all(&both), all(&out) * all(&back));
    assert!(all(&both) > 500, "{}", all(&both));
    let (out, back) = (api(&app, &direct(OUT)).await, api(&app, &direct(BACK)).await);
    let both = api(&app, &direct(RETURN)).await;
    assert_eq!(
        both["found"].as_u64(),
        Some(out["found"].as_u64().unwrap() * back["found"].as_u64().unwrap())
    );
    // Of one airline both ways, and in the evening both ways: what there is one by one, there is together.
    let airline = out["items"][0]["slices"][0]["segments"][0]["carrier"]["code"].as_str().unwrap();
    for (there, home, together) in [
        (
            format!("&stops=0&airline={airline}"),
            format!("&stops=0&airline={airline}"),
            format!("&stops=0&airline={airline}"),
        ),
        ("&dep=1-evening".to_owned(), "&dep=1-evening".to_owned(), "&dep=1-evening,2-evening".to_owned()),
    ] {
        let (there, home) =
            (api(&app, &format!("{OUT}{there}")).await, api(&app, &format!("{BACK}{home}")).await);
        let both = api(&app, &format!("{RETURN}{together}")).await;
        let expected = there["found"].as_u64().unwrap() * home["found"].as_u64().unwrap();
        assert!(expected > 0, "{together}: {there}");
        assert_eq!(both["found"].as_u64(), Some(expected), "{together}");
    }
    app.finish().await;
}

#[tokio::test]
async fn each_order_begins_with_what_is_first_of_all() {
    let app = TestApp::start().await;
    let (mut least, mut first) = (Vec::new(), Vec::new());
    for query in [OUT, BACK] {
        let one = api(&app, &format!("{query}&sort=co2")).await;
        least.push(one["items"][0]["co2_grams"].as_u64().unwrap());
        first.push(api(&app, &format!("{query}&sort=first")).await["items"][0].clone());
    }
    let both = api(&app, &format!("{RETURN}&sort=co2")).await;
    assert_eq!(both["items"][0]["co2_grams"].as_u64(), Some(least.iter().sum()));
    let both = api(&app, &format!("{RETURN}&sort=first")).await;
    let leaves = |offer: &Value| offer["slices"][0]["segments"][0]["departs"].clone();
    assert_eq!(leaves(&both["items"][0]), leaves(&first[0]));
    // An offer of the list is one that can be opened, at the total that the list says.
    for offer in both["items"].as_array().unwrap().iter().take(3) {
        let open =
            app.get(&format!("/api/offers/{}", offer["id"].as_str().unwrap())).await.expect(200).json();
        assert_eq!(open["offer"], *offer);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_busy_day_lists_every_direct_flight() {
    let app = TestApp::start().await;
    let list = api(&app, "trip=oneway&from=NYC&to=CHI&leave=2027-04-05&stops=0").await;
    let found = list["found"].as_u64().unwrap();
    assert!(found > 60, "{found}");
    let mut seen = BTreeSet::new();
    for page in 1..=found.div_ceil(20) {
        let page =
            api(&app, &format!("trip=oneway&from=NYC&to=CHI&leave=2027-04-05&stops=0&page={page}")).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|offer| flights(offer, 0)));
    }
    assert_eq!(seen.len() as u64, found);
    app.finish().await;
}

/// Name, value and promised count of each choice: "Direct only (9)".
fn promises(page: &Page) -> BTreeMap<(String, String), usize> {
    let words = page.texts(".filters fieldset label:has(input)");
    let of = |attribute| page.attrs(".filters fieldset label input", attribute);
    let all = of("name").into_iter().zip(of("value")).zip(words);
    all.filter_map(|(field, words)| {
        Some((field, words.rsplit_once('(')?.1.trim_end_matches(')').parse().ok()?))
    })
    .collect()
}

#[tokio::test]
async fn with_any_filter_set_each_choice_promises_what_it_would_show_beside_it() {
    let app = TestApp::start().await;
    let search = "/flights?trip=return&from=LIS&to=NYC&leave=2027-03-12&back=2027-03-19";
    for set in ["stops=1", "dep=2-evening", "bag=1", "max=900", "via=KEF"] {
        let list = app.get(&format!("{search}&{set}")).await.expect(200);
        let promises = promises(&list);
        assert!(promises.len() > 12, "{set}: {promises:?}");
        // One of each field that is not the one that is set.
        let mut tried = BTreeSet::new();
        let (own, _) = set.split_once('=').unwrap();
        for ((name, value), count) in &promises {
            if name == own || value.is_empty() || !tried.insert(name.clone()) {
                continue;
            }
            let page = app.get(&format!("{search}&{set}&{name}={value}")).await.expect(200);
            assert_eq!(
                shown(&page).split(' ').next(),
                Some(count.to_string().as_str()),
                "{set} with {name}={value}"
            );
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn of_a_journey_with_too_many_combinations_the_list_says_that_it_has_the_first_of_them() {
    let app = TestApp::start().await;
    let search = "trip=multi&from=LON&to=NYC&leave=2027-01-15&from2=NYC&to2=CHI&leave2=2027-01-18&from3=CHI&to3=LON&leave3=2027-01-22";
    let page = app.get(&format!("/flights?{search}")).await.expect(200);
    let told = page.text(".filters summary span");
    assert!(told.contains("the first 500 of ") && told.ends_with(" that fit"), "{told}");
    let answer = api(&app, search).await;
    assert_eq!(answer["found"], 500);
    assert!(
        answer["fitting"].as_u64().unwrap() > 10_000 && answer["all"] == answer["fitting"],
        "{}",
        answer["all"]
    );
    // Few fit, and they are found among all.
    let few = api(&app, &format!("{search}&stops=0&dep=1-evening,2-morning,3-evening")).await;
    assert!(few["found"].as_u64().unwrap() > 0);
    for offer in few["items"].as_array().unwrap() {
        for slice in offer["slices"].as_array().unwrap() {
            assert_eq!(slice["segments"].as_array().unwrap().len(), 1);
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn an_offer_is_valid_until_its_last_call_and_then_gone_with_others_beside_it() {
    let app = TestApp::start().await;
    // Of today's and tomorrow's flights the one that leaves first.
    let today = app.now().strftime("%Y-%m-%d").to_string();
    let list = api(&app, &format!("trip=oneway&from=LHR&to=SIN&leave={today}&sort=first")).await;
    let offer = &list["items"][0];
    let id = offer["id"].as_str().expect("something leaves today");
    let at = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let leaves = at(&offer["slices"][0]["segments"][0]["departs"]["at"]);
    let last_call = leaves - SignedDuration::from_hours(2);
    app.clock.advance(last_call.duration_since(app.now()) - SignedDuration::from_mins(10));
    let now = app.get(&format!("/api/offers/{id}")).await;
    let id = match now.status.as_u16() {
        200 => id.to_owned(),
        _ => now.expect(410).json()["about"]["offer"]["id"].as_str().unwrap().to_owned(),
    };
    let open = app.get(&format!("/api/offers/{id}")).await.expect(200).json();
    assert_eq!(at(&open["offer"]["expires_at"]), last_call);
    app.clock.advance(SignedDuration::from_mins(11));
    for hours in [0, 30] {
        app.clock.advance(SignedDuration::from_hours(hours));
        let page = app.get(&format!("/offers/{id}")).await.expect(410);
        page.says("no longer sold").says("London to Singapore").says("1 adult, Economy");
        assert!(page.count("article.offer") > 0, "others are named");
        let told = app.get(&format!("/api/offers/{id}")).await.expect(410).json();
        assert_eq!((&told["code"], &told["about"]["was"]), (&"offer_closed".into(), &open["offer"]["total"]));
        let close = told["about"]["close"].as_array().unwrap();
        app.get(&format!("/offers/{}", close[0]["id"].as_str().unwrap())).await.expect(200);
    }
    app.finish().await;
}
