//! Search under failure: an honest page in time, and never a 500.

use serde_json::{Value, json};

use super::start;
use crate::helpers::{
    duffel::{Fault, fare},
    story::SEARCH,
};

#[tokio::test]
async fn whatever_duffel_answers_the_page_says_what_that_means() {
    let faults = [
        Fault::Says(400, "bad_request"),
        Fault::Says(401, "access_token_not_found"),
        Fault::Says(403, "forbidden"),
        Fault::Says(404, "not_found"),
        Fault::Says(422, "validation_required"),
        Fault::Says(429, "rate_limit_exceeded"),
        Fault::Says(500, "internal_server_error"),
        Fault::Says(502, "airline_internal"),
        Fault::Says(503, "service_unavailable"),
        Fault::Says(504, "gateway_timeout"),
        Fault::GarbageAfter,
        Fault::CutAfter,
        Fault::WrongShapeAfter,
    ];
    for fault in faults {
        let (app, duffel) = start().await;
        duffel.always("search", Some(fault));
        let page = app.get(SEARCH).await.expect(503);
        assert!(page.header("retry-after").is_some(), "{fault:?}");
        page.says("The airline system does not answer").says("This says nothing about whether there are any");
        // What was asked stays: the same again, or something else.
        assert_eq!(
            (page.attr("a.btn", "href").as_str(), page.has("a[href^='/?trip=oneway']")),
            (SEARCH, true)
        );
        assert_eq!(app.count("flight_searches").await, 0, "{fault:?}");
        duffel.always("search", None);
        if fault != Fault::Says(429, "rate_limit_exceeded") {
            app.get(SEARCH).await.expect(200);
        }
        app.finish().await;
    }
}

#[tokio::test]
async fn a_moment_of_silence_is_asked_again_by_itself() {
    let (app, duffel) = start().await;
    duffel.next("search", &[Fault::Says(503, "service_unavailable"), Fault::CutAfter]);
    app.get(SEARCH).await.expect(200);
    assert_eq!(duffel.calls("search").len(), 3);
    app.finish().await;
}

#[tokio::test]
async fn after_five_silences_duffel_is_left_alone_for_half_a_minute() {
    let (app, duffel) = start().await;
    duffel.always("search", Some(Fault::Says(503, "service_unavailable")));
    for _ in 0..4 {
        app.get(SEARCH).await.expect(503);
    }
    assert_eq!(duffel.calls("search").len(), 5, "the sixth is not put");
    duffel.always("search", None);
    app.get(SEARCH).await.expect(503);
    app.advance(jiff::SignedDuration::from_secs(30)).await;
    app.get(SEARCH).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_search_that_takes_too_long_is_a_page_in_time_with_what_is_known() {
    let (app, duffel) = start().await;
    let day = |day: &str| SEARCH.replace("2026-12-14", day);
    app.get(SEARCH).await.expect(200);
    duffel.always("search", Some(Fault::Hang));
    let (late, other) = (day("2026-12-15"), format!("/api{}", day("2026-12-16")));
    let guest = app.guest();
    let (page, program) = tokio::join!(app.get(&late), guest.get(&other));
    let page = page.expect(503);
    page.says("The airline system has not answered yet").says("look again in a few seconds");
    assert_eq!(page.header("retry-after"), Some("5"));
    assert_eq!(page.attr("a.btn", "href"), day("2026-12-15"));
    // Yesterday's neighbour was searched for: its price stands there.
    page.says("What we know all the same").says("121");
    assert_eq!(program.expect(503).json()["code"], "upstream_unavailable");
    assert_eq!(app.count("flight_searches").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn pairs_of_dates_show_what_searches_have_seen_and_ask_duffel_nothing() {
    let (app, duffel) = start().await;
    let query = SEARCH
        .replace("trip=oneway", "trip=return")
        .replace("leave=2026-12-14", "leave=2026-12-14&back=2026-12-20");
    app.get(&query).await;
    let asked = duffel.calls("search").len();
    let page = app.get(&query.replace("/flights?", "/flights/matrix?")).await.expect(200);
    page.says("does not tell the prices of pairs").says("we do not guess");
    assert_eq!((page.count(".pairs td"), page.count(".pairs td a")), (50, 49), "each pair may be asked for");
    assert!(page.texts(".pairs td em").iter().filter(|told| *told == "no data").count() >= 48);
    let told =
        app.get(&format!("/api{}", query.replace("/flights?", "/flights/matrix?"))).await.expect(200).json();
    assert_eq!((told["source"].as_str(), told["pairs"].as_array().unwrap().len()), (Some("searches"), 49));
    assert_eq!(duffel.calls("search").len(), asked);
    app.finish().await;
}

#[tokio::test]
async fn a_kept_search_is_one_statement_in_this_process_and_in_another() {
    let (app, duffel) = start().await;
    let guest = app.guest();
    guest.get(&SEARCH.replace("2026-12-14", "2026-12-15")).await.expect(200);
    guest.get(SEARCH).await.expect(200);
    let twin = app.twin().await;
    for visitor in [&guest, &twin.browser(&app.guest())] {
        // A process that has not counted this visitor yet fetches the allowance first.
        visitor.get(&SEARCH.replace("/flights?", "/flights/calendar?")).await.expect(200);
        app.statements.take();
        let page = visitor.get(SEARCH).await.expect(200);
        let statements = app.statements.take();
        assert_eq!(statements.len(), 1, "{statements:#?}");
        assert_eq!(
            page.count(".strip b:not([aria-hidden])"),
            2,
            "its own day, and the next, which was searched for"
        );
    }
    assert_eq!(duffel.calls("search").len(), 2);
    app.finish().await;
}

#[tokio::test]
async fn nothing_found_is_no_failure() {
    let (app, duffel) = start().await;
    duffel.shelve(&[]);
    app.get(SEARCH).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn what_cannot_be_shown_is_left_out_and_the_rest_is_shown() {
    let (app, duffel) = start().await;
    let with = |pointer: &str, value: Value| {
        let mut offer = fare("200", "Basic", "99.00", true);
        *offer.pointer_mut(pointer).unwrap() = value;
        offer
    };
    duffel.shelve(&[
        fare("118", "Basic", "120.50", true),
        with("/total_currency", json!("AUD")),
        with("/slices/0/segments/0/departing_at", json!(7)),
        with("/slices/0/segments", json!([])),
        json!({}),
    ]);
    let page = app.get(SEARCH).await.expect(200);
    assert_eq!(page.count("a[href^='/offers/']"), 1);
    page.says("4 offers could not be shown");
    let told = app.get(&format!("/api{SEARCH}")).await.expect(200).json();
    assert_eq!((&told["all"], &told["left_out"]), (&json!(1), &json!(4)));
    duffel.shelve(&[with("/total_currency", json!("AUD"))]);
    let other_day = SEARCH.replace("2026-12-14", "2026-12-15");
    app.get(&other_day).await.expect(503);
    app.finish().await;
}

#[tokio::test]
async fn an_offer_page_survives_every_answer_too() {
    let (app, duffel) = start().await;
    let guest = app.guest();
    let found = guest.get(SEARCH).await.expect(200);
    let address = found.attr("a[href^='/offers/']", "href");
    for (fault, status) in [
        // The process remembers what it was, so it can be looked for again.
        (Fault::Says(404, "not_found"), 410),
        (Fault::Says(500, "internal_server_error"), 503),
        (Fault::Says(503, "service_unavailable"), 503),
        (Fault::GarbageAfter, 503),
        (Fault::WrongShapeAfter, 503),
    ] {
        duffel.always("offer", Some(fault));
        let answer = guest.get(&address).await;
        assert_eq!(answer.status.as_u16(), status, "{fault:?}");
        // Nobody waits for the breaker here.
        duffel.always("offer", None);
        app.advance(jiff::SignedDuration::from_secs(31)).await;
        guest.get(&address).await.expect(200);
    }
    for nonsense in ["off_", "off_x~off_y~off_z~off_1~off_2~off_3", "off_a~", "off_a~ord_b", "tt-1"] {
        guest.get(&format!("/offers/{nonsense}")).await.expect(404);
    }
    app.finish().await;
}
