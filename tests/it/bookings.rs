//! From an offer to a booking that can be paid: the draft, its passengers, the list.

use crate::helpers::{app::TestApp, story::passenger};

#[tokio::test]
async fn an_offer_that_is_nonsense_gone_or_missing_makes_no_booking() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let long = "x".repeat(5_000);
    for offer in ["", "nonsense", "../logout", "%00", "a b", "<script>", long.as_str()] {
        let page = alice.post_form("/bookings", &[("offer", offer)]).await;
        let page = alice.follow(page).await;
        assert!(page.status.is_client_error(), "{offer:?}: {}", page.status);
    }
    alice.post_form("/bookings", &[]).await.expect(422);
    assert_eq!(app.count("bookings").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn an_offer_that_lapsed_while_choosing_is_told_and_makes_no_booking() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let found = alice.get(crate::helpers::story::SEARCH).await.expect(200);
    let offer = alice.get(&found.attr("a[href^='/offers/']", "href")).await.expect(200);
    app.clock.advance(jiff::SignedDuration::from_hours(3));
    let page = alice.submit(&offer, "form[action='/bookings']", &[]).await;
    let page = alice.follow(page).await;
    assert_eq!(page.status, 410);
    assert_eq!(app.count("bookings").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_guest_who_has_chosen_may_sign_in_and_is_back_at_the_booking() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let found = guest.get(crate::helpers::story::SEARCH).await.expect(200);
    let offer = guest.get(&found.attr("a[href^='/offers/']", "href")).await.expect(200);
    let draft = guest.submit(&offer, "form[action='/bookings']", &[]).await.redirect();
    let page = guest.get(&draft).await.expect(200);
    page.says("You book without an account.");
    let login = guest.get(&page.attr("main a[href^='/login']", "href")).await.expect(200);
    assert_eq!(login.value("form[action='/login']", "next"), draft);
    app.finish().await;
}

#[tokio::test]
async fn a_bad_passenger_form_says_why_and_keeps_what_was_typed() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let address = format!("/bookings/{reference}/passengers");
    let long = "x".repeat(10_000);
    let cases = [
        ("p1_given", ""),
        ("p1_given", "R2D2"),
        ("p1_given", "<b>Maria</b>"),
        ("p1_given", "Mar\u{0}ia"),
        ("p1_given", long.as_str()),
        ("p1_family", "   "),
        ("p1_family", "'; drop table passengers; --"),
        ("p1_sex", "y"),
        ("p1_day", "31"),
        ("p1_month", "13"),
        ("p1_year", "0"),
        ("p1_year", "2030"),
        ("p1_year", "2024"),
        ("p1_year", "1700"),
        ("p1_year", "99999999999999999999"),
        ("email", "maria"),
        ("email", "a@b.c\r\nBcc: everybody@example.com"),
        ("phone", "call me"),
        ("phone", long.as_str()),
    ];
    let months_end = |field: &str| field == "p1_day";
    for (field, value) in cases {
        let mut typed = passenger("Duarte").to_vec();
        typed.retain(|(name, _)| *name != field && !(months_end(field) && *name == "p1_month"));
        typed.push((field, value));
        if months_end(field) {
            typed.push(("p1_month", "2"));
        }
        let page = alice.post_form(&address, &typed).await.expect(422);
        assert!(page.text("title").starts_with("Error"), "{field} = {value:?}");
        assert!(page.has(".errors a[href^='#']") && page.has(".err"), "{field} = {value:?}");
        for (name, kept) in typed.iter().filter(|(name, _)| *name != field) {
            let now = page.submission("form#who").fields.into_iter().find(|(known, _)| known == name);
            assert_eq!(
                now.map(|(_, value)| value).as_deref(),
                Some(*kept),
                "{field} = {value:?} lost {name}"
            );
        }
    }
    alice.post_form(&address, &[]).await.expect(422);
    assert_eq!(app.texts("select family_name from passengers").await, ["Duarte"]);
    app.finish().await;
}

#[tokio::test]
async fn passengers_can_be_changed_until_money_is_on_its_way_and_not_after() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let draft = app.draft(&alice).await;
    let address = format!("/bookings/{draft}/passengers");
    alice.post_form(&address, &passenger("Novak")).await.redirect();
    assert_eq!(app.texts("select family_name from passengers").await, ["Novak"]);
    let confirmed = app.confirmed(&alice).await;
    let address = format!("/bookings/{confirmed}/passengers");
    let page = alice.post_form(&address, &passenger("Mallory")).await;
    assert!(page.status == 303 || page.status.is_client_error(), "{}", page.status);
    assert_eq!(app.count("passengers where family_name = 'Mallory'").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_family_of_every_kind_is_asked_for_each_passenger() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let search = crate::helpers::story::SEARCH
        .replace("adults=1&children=0&infants=0", "adults=2&children=1&infants=1");
    let found = alice.get(&search).await.expect(200);
    let offer = alice.get(&found.attr("a[href^='/offers/']", "href")).await.expect(200);
    let to = alice.submit(&offer, "form[action='/bookings']", &[]).await.redirect();
    let page = alice.get(&to).await.expect(200);
    assert_eq!(page.count("input[name$=_given]"), 4);
    let years = ["1986", "1984", "2019", "2026"];
    let mut fields = Vec::new();
    for (n, year) in (1..).zip(years) {
        for (part, value) in [
            ("given", "Maria"),
            ("family", "Novak"),
            ("day", "1"),
            ("month", "2"),
            ("year", year),
            ("sex", "x"),
        ] {
            fields.push((format!("p{n}_{part}"), value));
        }
    }
    fields.push(("email".to_owned(), "maria@example.com"));
    fields.push(("phone".to_owned(), "+351 900 000 000"));
    let typed: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    alice.submit(&page, "form#who", &typed).await.redirect();
    assert_eq!(
        app.texts("select kind from passengers order by position").await,
        ["adult", "adult", "child", "infant"]
    );
    app.finish().await;
}

#[tokio::test]
async fn the_list_shows_only_my_bookings_newest_first() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.alice().await, app.bob().await);
    alice.get("/bookings").await.expect(200).says("none in your account yet");
    let first = app.draft(&alice).await;
    app.clock.advance(jiff::SignedDuration::from_mins(1));
    let second = app.draft(&alice).await;
    let his = app.draft(&bob).await;
    let shown = alice.get("/bookings").await.expect(200).texts("main tbody th");
    assert_eq!(shown, [second, first]);
    assert_eq!(bob.get("/bookings").await.expect(200).texts("main tbody th"), [his]);
    app.finish().await;
}

#[tokio::test]
async fn a_reference_that_cannot_be_one_is_a_404() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    for reference in ["x", "AAAAAAA", "%00", "..", "K1WQ4M", "'--", "%F0%9F%9B%AB"] {
        let page = alice.get(&format!("/bookings/{reference}")).await;
        let page = alice.follow(page).await;
        assert!(page.status == 404 || reference == "..", "{reference}: {}", page.status);
    }
    app.finish().await;
}

#[tokio::test]
async fn passengers_saved_six_times_at_once_are_saved_once() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let address = format!("/bookings/{reference}/passengers");
    let fields = passenger("Duarte");
    let save = || alice.post_form(&address, &fields);
    let pages = tokio::join!(save(), save(), save(), save(), save(), save());
    for page in [pages.0, pages.1, pages.2, pages.3, pages.4, pages.5] {
        page.expect(303);
    }
    assert_eq!(app.count("passengers").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn a_page_key_from_before_all_calendars_is_no_page() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let nobody = "00000000-0000-0000-0000-000000000000";
    alice.get(&format!("/bookings?before=-377705023201000000.{nobody}")).await.expect(404);
    let carol = app.carol().await;
    for key in ["older", "newer"] {
        let page = carol.get(&format!("/admin/bookings?{key}=-214000000000000000_{nobody}")).await;
        assert!(page.status.as_u16() < 500, "{key}");
    }
    app.finish().await;
}
