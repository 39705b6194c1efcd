//! Every parameter of every address of the search, wrong in every way: a page that says so beside the field and keeps the
//! rest, and for programs the same by name. Nothing is a 500, and nothing wrong is taken for right.

use jiff::SignedDuration;
use url::form_urlencoded::Serializer;

use crate::helpers::{api::pointers, app::TestApp, browser::Browser, page::Page};

const SEARCH: [(&str, &str); 9] = [
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
const VIEW: [(&str, &str); 15] = [
    ("sort", "cheapest"),
    ("stops", "1"),
    ("airline", "0T"),
    ("alliance", "Tradewinds"),
    ("via", "MAD"),
    ("dep", "1-morning"),
    ("arr", "2-evening"),
    ("start", "1-LIS"),
    ("end", "2-LIS"),
    ("hours", "40"),
    ("max", "9000"),
    ("bag", "1"),
    ("refund", "1"),
    ("change", "1"),
    ("page", "1"),
];
const MONTH: [(&str, &str); 2] = [("month", "2027-03"), ("nights", "7")];
const LISTS: [&str; 7] = ["airline", "alliance", "via", "dep", "arr", "start", "end"];

/// Ways in which a value is no value of any field, as they stand in an address.
fn nonsense() -> Vec<(&'static str, String)> {
    let huge = "x".repeat(6_000);
    [
        ("bytes that are no text", "%ff%fe"),
        ("a half of a letter", "%c3"),
        ("a surrogate", "%ed%a0%80"),
        ("NUL", "a%00b"),
        ("a line end", "%0d%0aX-Injected:%20yes"),
        ("right to left", "%e2%80%aeSIL"),
        ("markup", "%3Cscript%3Ealert(1)%3C/script%3E"),
        ("SQL", "'%20or%201=1%20--"),
        ("an emoji", "%f0%9f%9b%ab"),
        ("digits of another script", "%d9%a1"),
        ("below nought", "-1"),
        ("far too large", "99999999999999999999999"),
        ("an exponent", "1e9"),
        ("a fraction", "1.5"),
        ("a path", "../../etc/passwd"),
        ("huge", huge.as_str()),
    ]
    .into_iter()
    .map(|(name, value)| (name, value.to_owned()))
    .collect()
}

fn address(path: &str, fields: &[(&str, &str)]) -> String {
    format!("{path}?{}", Serializer::new(String::new()).extend_pairs(fields).finish())
}

/// The same fields without one, and that one as it stands.
fn with_raw(path: &str, fields: &[(&str, &str)], name: &str, raw: &str) -> String {
    let others: Vec<_> = fields.iter().copied().filter(|(field, _)| *field != name).collect();
    format!("{}&{name}={raw}", address(path, &others))
}

/// Whoever tries so much is told to wait. The clock is ours.
async fn get(app: &TestApp, guest: &Browser, address: &str) -> Page {
    for _ in 0..5 {
        let answer = guest.get(address).await;
        let Some(wait) = answer.header("retry-after").filter(|_| answer.status == 429) else { return answer };
        app.clock.advance(SignedDuration::from_secs(wait.parse().expect("seconds")));
    }
    panic!("429 for ever");
}

/// The page names the field in its summary, says why beside it where it is shown, and keeps what else was typed.
#[track_caller]
fn told_and_kept(page: &Page, field: &str, fields: &[(&str, &str)], about: &str) {
    assert_eq!(page.status.as_u16(), 422, "{about}");
    assert!(page.header("x-injected").is_none(), "{about}");
    assert!(page.text("title").starts_with("Error"), "{about}");
    // A wrong number of children may make the whole party wrong.
    let named = page.attrs(".errors a", "href");
    assert!(named.contains(&format!("#{field}")), "{about}: {named:?}");
    for anchor in named {
        assert!(page.has(&anchor), "{about}: nothing is at {anchor}");
    }
    let form = page.forms().into_iter().find(|form| form.action.starts_with("/flights")).expect(about);
    for (name, value) in fields.iter().filter(|(name, _)| *name != field && *name != "trip") {
        let kept = form.fields.iter().filter(|(known, _)| known == name);
        let kept: Vec<&str> = kept.map(|(_, value)| value.as_str()).collect();
        // What belongs to another form of this page is not in this one.
        assert!(kept.is_empty() || kept.contains(value), "{about}: {name} was {value} and is {kept:?}");
    }
}

#[tokio::test]
async fn every_field_of_a_search_is_checked_in_every_way() {
    let app = TestApp::start().await;
    let guest = app.guest();
    for (field, good) in SEARCH {
        for (name, raw) in nonsense() {
            let page = get(&app, &guest, &with_raw("/flights", &SEARCH, field, &raw)).await;
            told_and_kept(&page, field, &SEARCH, &format!("{name} in {field}"));
        }
        let twice = format!("{}&{field}={good}", address("/flights", &SEARCH));
        told_and_kept(&get(&app, &guest, &twice).await, field, &SEARCH, &format!("{field} twice"));
        let without: Vec<_> = SEARCH.into_iter().filter(|(name, _)| *name != field).collect();
        let page = get(&app, &guest, &address("/flights", &without)).await;
        match field {
            "from" | "to" | "leave" | "back" => told_and_kept(&page, field, &without, &format!("no {field}")),
            // These have a value that most people mean; but an infant needs an adult's lap.
            _ => assert_eq!(page.status.as_u16(), 200, "no {field}"),
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn what_is_wrong_stays_in_its_field_whatever_the_field_is() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let several: Vec<_> = SEARCH
        .into_iter()
        .map(|(name, value)| if name == "trip" { (name, "multi") } else { (name, value) })
        .chain([("from2", "JFK"), ("to2", "SFO"), ("leave2", "2027-03-16")])
        .collect();
    let one_way: Vec<_> = SEARCH
        .into_iter()
        .filter(|(name, _)| *name != "back")
        .map(|(name, value)| if name == "trip" { (name, "oneway") } else { (name, value) })
        .collect();
    let wrong = [
        ("from", "Lodnon"),
        ("to", "<QQQ>"),
        ("leave", "12/03/2027"),
        ("leave", "2027-02-29"),
        ("leave", "2026-11-01"),
        ("back", "next week"),
        ("adults", "10"),
        ("adults", "two"),
        ("children", "-1"),
        ("infants", "5"),
        ("cabin", "cargo"),
        ("cabin", "\"><b>"),
        ("leave2", "tomorrow"),
        ("to2", "Atlantis"),
    ];
    for fields in [&SEARCH[..], &several, &one_way] {
        for (field, value) in wrong.iter().filter(|(field, _)| fields.iter().any(|(name, _)| name == field)) {
            if *field == "back" && fields.iter().any(|(_, value)| *value == "multi") {
                continue;
            }
            let mut sent: Vec<_> = fields.iter().copied().filter(|(name, _)| name != field).collect();
            sent.push((field, value));
            let page = get(&app, &guest, &address("/flights", &sent)).await;
            told_and_kept(&page, field, fields, &format!("{field}={value}"));
            assert_eq!(page.value("form[action='/flights']", field), *value, "{field}");
            assert!(!page.field_error(field).is_empty());
        }
    }
    // A kind of journey has no field that could keep it: the message does.
    let page = get(&app, &guest, &with_raw("/flights", &SEARCH, "trip", "circle")).await.expect(422);
    page.says("“circle” is no kind of journey");
    app.finish().await;
}

#[tokio::test]
async fn what_a_list_cannot_do_is_said_and_not_passed_over() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let one_way = "from=LIS&to=JFK&leave=2027-03-12";
    for (asked, field) in [
        ("dep=2-morning", "dep"),
        ("arr=1-evening,3-evening", "arr"),
        ("start=2-JFK", "start"),
        ("end=6-JFK", "end"),
    ] {
        let page = get(&app, &guest, &format!("/flights?{one_way}&{asked}")).await.expect(422);
        assert!(page.attrs(".errors a", "href").contains(&format!("#{field}")), "{asked}");
        page.says("This journey has one flight");
        assert!(page.count("article.offer") > 0, "the list stands there without it");
        let told = get(&app, &guest, &format!("/api/flights?{one_way}&{asked}")).await.expect(422);
        assert_eq!(pointers(&told), [format!("/{field}")]);
    }
    // A choice that is none cannot stay chosen: the message keeps it.
    for (field, value) in [("sort", "dearest"), ("stops", "7"), ("airline", "QQQQ"), ("refund", "maybe")] {
        let page = get(&app, &guest, &format!("/flights?{one_way}&{field}={value}")).await.expect(422);
        page.says(&format!("“{value}” does not fit."));
    }
    get(&app, &guest, &format!("/flights?{one_way}&back=2027-03-20&dep=2-morning")).await.expect(200);
    // Lists grow shorter: a page that is not there any more is no mistake of whoever kept its address.
    let page = get(&app, &guest, &format!("/flights?{one_way}&page=99")).await.expect(200);
    page.says("There is no page 99").says("This is it");
    // Links get decorated on their way; what is nobody's field changes nothing.
    let plain = get(&app, &guest, &format!("/flights?{one_way}")).await.expect(200);
    let decorated =
        get(&app, &guest, &format!("/flights?{one_way}&utm_source=mail&gclid=x&utm_source=y")).await;
    assert_eq!(decorated.expect(200).texts("article.offer .price"), plain.texts("article.offer .price"));
    app.finish().await;
}

#[tokio::test]
async fn every_field_of_a_view_is_checked_in_every_way() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let all: Vec<_> = SEARCH.into_iter().chain(VIEW).collect();
    for (field, good) in VIEW {
        // One at a time: together they would leave nothing.
        let fields: Vec<_> = SEARCH.into_iter().chain([(field, good)]).collect();
        for (name, raw) in nonsense() {
            let page = get(&app, &guest, &with_raw("/flights", &fields, field, &raw)).await;
            told_and_kept(&page, field, &fields, &format!("{name} in {field}"));
        }
        let twice = format!("{}&{field}={good}", address("/flights", &fields));
        let page = get(&app, &guest, &twice).await;
        if LISTS.contains(&field) {
            assert_eq!(page.status.as_u16(), 200, "{field} is a list");
        } else {
            told_and_kept(&page, field, &fields, &format!("{field} twice"));
        }
    }
    assert_eq!(get(&app, &guest, &address("/flights", &all)).await.status.as_u16(), 200);
    app.finish().await;
}

#[tokio::test]
async fn every_field_of_a_month_is_checked_in_every_way() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let all: Vec<_> = SEARCH.into_iter().chain(MONTH).collect();
    for (field, good) in SEARCH.into_iter().chain(MONTH) {
        for (name, raw) in nonsense() {
            let page = get(&app, &guest, &with_raw("/flights/calendar", &all, field, &raw)).await;
            told_and_kept(&page, field, &SEARCH, &format!("{name} in {field}"));
        }
        let twice = format!("{}&{field}={good}", address("/flights/calendar", &all));
        told_and_kept(&get(&app, &guest, &twice).await, field, &SEARCH, &format!("{field} twice"));
    }
    app.finish().await;
}

#[tokio::test]
async fn programs_are_told_the_same_by_name() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let with_view: Vec<_> = SEARCH.into_iter().chain(VIEW).collect();
    let with_month: Vec<_> = SEARCH.into_iter().chain(MONTH).collect();
    for (path, fields) in [("/api/flights", &with_view), ("/api/flights/calendar", &with_month)] {
        for (field, good) in fields {
            for (name, raw) in nonsense() {
                let answer = get(&app, &guest, &with_raw(path, fields, field, &raw)).await;
                assert_eq!(answer.status.as_u16(), 422, "{path}: {name} in {field}");
                assert!(pointers(&answer).contains(&format!("/{field}")), "{path}: {name} in {field}");
            }
            let twice = format!("{}&{field}={good}", address(path, fields));
            let answer = get(&app, &guest, &twice).await.expect(422);
            assert_eq!(pointers(&answer), [format!("/{field}")]);
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn what_only_looks_right_is_refused_where_it_is_wrong() {
    let app = TestApp::start().await;
    let guest = app.guest();
    type Change = &'static [(&'static str, &'static str)];
    let cases: [(Change, &str); 22] = [
        (&[("adults", "9"), ("children", "1"), ("infants", "0")], "adults"),
        (&[("adults", "10"), ("children", "0"), ("infants", "0")], "adults"),
        (&[("adults", "0")], "adults"),
        (&[("adults", "1"), ("infants", "2")], "infants"),
        (&[("leave", "2027-12-28"), ("back", "2028-01-04")], "leave"),
        (&[("back", "2028-01-04")], "back"),
        (&[("leave", "2026-11-22")], "leave"),
        (&[("leave", "2027-02-29")], "leave"),
        (&[("leave", "2027-04-31")], "leave"),
        (&[("leave", "2027-3-12")], "leave"),
        (&[("leave", "12.03.2027")], "leave"),
        // Between two and three in the morning there is no half past one in Lisbon that day, and no time in a date at all.
        (&[("leave", "2027-03-28T01:30")], "leave"),
        (&[("leave", "2027-03-28T01:30[Europe/Lisbon]")], "leave"),
        (&[("leave", "+002027-03-12")], "leave"),
        (&[("from", "QQQ")], "from"),
        (&[("to", "LIS")], "to"),
        (&[("from", "LGW"), ("to", "London")], "to"),
        (&[("from", "San Jose")], "from"),
        (&[("trip", "multi")], "from2"),
        (&[("trip", "multi"), ("from2", "JFK"), ("to2", "SFO"), ("leave2", "2027-03-11")], "leave2"),
        (&[("trip", "multi"), ("from2", "JFK"), ("to2", "JFK"), ("leave2", "2027-03-13")], "to2"),
        (&[("trip", "multi"), ("from7", "JFK")], "trip"),
    ];
    for (changes, blamed) in cases {
        let mut fields: Vec<_> =
            SEARCH.into_iter().filter(|(name, _)| changes.iter().all(|(change, _)| change != name)).collect();
        fields.extend(changes.iter().copied());
        let page = get(&app, &guest, &address("/flights", &fields)).await;
        told_and_kept(&page, blamed, &[], &format!("{changes:?}"));
        let api = get(&app, &guest, &address("/api/flights", &fields)).await.expect(422);
        let blamed = if blamed == "trip" { "/from7" } else { &format!("/{blamed}") };
        assert!(pointers(&api).iter().any(|pointer| pointer == blamed), "{changes:?}: {:?}", pointers(&api));
    }
    // The day on which the clock goes forward, and a leap day that there is, are days like any other.
    get(&app, &guest, &with_raw("/flights", &SEARCH[..], "leave", "2027-03-14")).await.expect(200);
    app.clock.advance(SignedDuration::from_hours(24 * 220));
    let leap = "/flights?from=LIS&to=JFK&leave=2028-02-29";
    get(&app, &guest, leap).await.expect(200);
    get(&app, &guest, &leap.replace("2028-02-29", "2028-02-30")).await.expect(422);
    app.finish().await;
}

#[tokio::test]
async fn the_other_addresses_of_the_search_take_anything_too() {
    let app = TestApp::start().await;
    let guest = app.guest();
    for (name, raw) in nonsense() {
        let home = get(
            &app,
            &guest,
            &format!("/?from={raw}&trip={raw}&leave={raw}&adults={raw}&flights={raw}&to2={raw}"),
        )
        .await;
        assert_eq!(home.status.as_u16(), 200, "{name}: the first page is filled in, not judged");
        for path in ["/airports?q=", "/offers/", "/api/offers/"] {
            let answer = get(&app, &guest, &format!("{path}{raw}")).await;
            assert!(!answer.status.is_server_error(), "{path} with {name}: {}", answer.status);
            assert!(
                answer.header("x-injected").is_none() && !answer.has("script:not([src])"),
                "{path} {name}"
            );
        }
    }
    let twice = get(&app, &guest, "/?from=LIS&from=OPO").await.expect(422);
    assert!(twice.field_error("from").contains("twice"));
    assert_eq!(twice.value("form[action='/flights']", "from"), "LIS");
    app.finish().await;
}
