//! The airline does not do what it said.

use jetbridge::sandbox::stripe::{Endpoint, Fault};
use jiff::SignedDuration;

use crate::helpers::{
    app::TestApp,
    browser::Browser,
    story::{GOOD_CARD, state},
};

#[tokio::test]
async fn u8_sold_out_after_paying_releases_the_money_and_says_so() {
    for (name, reason) in [("Soldout", "sold_out"), ("Refused", "refused")] {
        let app = TestApp::start().await;
        let (_, reference, session) = app.at_stripe(name).await;
        app.stripe.pay(&session.id, GOOD_CARD).unwrap();
        app.settle().await;
        assert_eq!(app.state(&reference).await, state("failed", "refused", &["released"]));
        assert_eq!(app.texts("select ended_reason from bookings").await, [reason]);
        let intent = &app.stripe.intents()[0];
        assert_eq!((intent.status.as_str(), intent.received), ("canceled", 0));
        assert_eq!(app.mails().await, ["not_ticketed"]);
        assert!(app.balances().await.is_empty());
        app.finish().await;
    }
}

#[tokio::test]
async fn u9_a_supplier_that_times_out_is_asked_what_became_of_it_and_never_blindly_again() {
    for name in ["Timeoutafter", "Timeoutbefore"] {
        let app = TestApp::start().await;
        let (_, reference, session) = app.at_stripe(name).await;
        app.stripe.pay(&session.id, GOOD_CARD).unwrap();
        app.settle().await;
        assert_eq!(app.state(&reference).await, state("ticketing", "order_unknown", &["authorised"]));
        app.advance(SignedDuration::from_secs(30)).await;
        app.settle().await;
        assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]), "{name}");
        assert_eq!(app.count("timetable.orders").await, 1);
        app.finish().await;
    }
}

#[tokio::test]
async fn u9_after_fifteen_minutes_of_silence_a_person_is_called_and_the_order_is_still_not_sent_twice() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Timeoutafter").await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    // From now on it does not even say what became of it.
    app.execute("alter table timetable.orders rename to silent").await;
    for minutes in [1, 7, 6] {
        app.advance(SignedDuration::from_mins(minutes)).await;
        app.settle().await;
        assert_eq!(app.state(&reference).await, state("ticketing", "order_unknown", &["authorised"]));
        assert!(app.attention().await.is_empty());
    }
    app.advance(SignedDuration::from_mins(1)).await;
    app.settle().await;
    assert_eq!(app.attention().await, ["supplier_unknown"]);
    // However long it lasts: nothing is charged and nothing is given up, for there may be tickets.
    app.advance(SignedDuration::from_hours(5)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("ticketing", "order_unknown", &["authorised"]));
    app.execute("alter table timetable.silent rename to orders").await;
    app.advance(SignedDuration::from_mins(1)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    assert_eq!(app.count("timetable.orders").await, 1);
    assert!(app.attention().await.is_empty(), "it came right without anybody");
    app.finish().await;
}

/// Paid, and what the airline has made is not what was asked for.
async fn made_otherwise(change: &str) -> (TestApp, Browser, String) {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Timeoutafter").await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    app.execute(&format!("update timetable.orders set {change}")).await;
    app.advance(SignedDuration::from_secs(30)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("ticketing", "order_unknown", &["authorised"]));
    (app, alice, reference)
}

#[tokio::test]
async fn an_order_that_comes_right_in_time_is_taken() {
    let (app, _, reference) = made_otherwise("tickets = '{1234567890123,1234567890124}'").await;
    app.advance(SignedDuration::from_mins(16)).await;
    app.settle().await;
    assert_eq!(app.attention().await, ["supplier_unknown"]);
    app.execute("update timetable.orders set tickets = '{1234567890123}'").await;
    app.advance(SignedDuration::from_mins(1)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    assert!(app.attention().await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn an_order_that_stays_other_than_what_was_accepted_is_given_back_and_so_is_the_money() {
    for change in ["total_minor = total_minor + 1", "tickets = '{1234567890123,1234567890124}'"] {
        let (app, alice, reference) = made_otherwise(change).await;
        app.advance(SignedDuration::from_mins(46)).await;
        app.settle().await;
        assert_eq!(app.state(&reference).await, state("failed", "refused", &["released"]), "{change}");
        assert_eq!(app.texts("select ended_reason from bookings").await, ["not_as_asked"]);
        assert_eq!(app.stripe.intents()[0].received, 0);
        assert_eq!(app.count("timetable.orders where cancelled_at is not null").await, 1, "{change}");
        let lost: i64 = app.texts("select (total_minor - credit_minor)::text from timetable.orders").await[0]
            .parse()
            .unwrap();
        assert_eq!(app.balances().await, written_off(lost), "{change}");
        assert!(app.mails().await.contains(&"not_ticketed".to_owned()));
        let page = alice.get(&format!("/bookings/{reference}")).await.expect(200);
        page.says("something other than what you had accepted");
        app.finish().await;
    }
}

/// What an airline's machinery does after it has said no: tickets for the booking, of this price.
async fn issue_late(app: &TestApp, on_cancel: &str) {
    app.execute(&format!(
        "insert into timetable.orders (booking_id, id, booking_reference, pnr, tickets, total_minor, currency, offer_id,
                                       created_at, on_cancel)
         select id, 'tt_' || id, booking_reference, 'LATE42', '{{1234567890123}}', amount_minor, currency, quote ->> 'id',
                '2026-11-23', {on_cancel} from bookings"
    ))
    .await;
}

/// The books over tickets of which the airline keeps so much.
fn written_off(lost: i64) -> Vec<String> {
    match lost {
        0 => Vec::new(),
        lost => vec![format!("loss {lost} EUR"), format!("supplier_payable -{lost} EUR")],
    }
}

#[tokio::test]
async fn u10_tickets_that_come_after_the_money_went_back_are_voided_or_written_off() {
    for (on_cancel, is_refused) in [("null", false), ("'refused'", true)] {
        let app = TestApp::start().await;
        let (_, reference, session) = app.at_stripe("Refused").await;
        app.stripe.pay(&session.id, GOOD_CARD).unwrap();
        app.settle().await;
        assert_eq!(app.state(&reference).await, state("failed", "refused", &["released"]));
        issue_late(&app, on_cancel).await;
        app.advance(SignedDuration::from_mins(16)).await;
        app.settle().await;
        let total: i64 =
            app.texts("select total_minor::text from timetable.orders").await[0].parse().unwrap();
        let credit = app.texts("select coalesce(credit_minor, 0)::text from timetable.orders").await;
        let lost = total - credit[0].parse::<i64>().unwrap();
        let voided = app.count("timetable.orders where cancelled_at is not null").await;
        assert_eq!(voided, i64::from(!is_refused));
        let books = written_off(lost);
        assert_eq!(app.balances().await, books);
        let mut told = Vec::new();
        told.extend(is_refused.then_some("ticket_without_booking"));
        told.extend((lost > 0).then_some("tickets_lost"));
        assert_eq!(app.attention().await, told);
        assert_eq!(app.state(&reference).await, state("failed", "refused", &["released"]));
        for _ in 0..3 {
            app.advance(SignedDuration::from_hours(12)).await;
            app.settle().await;
        }
        assert_eq!(app.balances().await, books, "once");
        app.finish().await;
    }
}

#[tokio::test]
async fn u11_a_supplier_that_stays_down_raises_a_person_and_then_the_money_goes_back() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Down").await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("ticketing", "ordering", &["authorised"]));
    app.advance(SignedDuration::from_mins(16)).await;
    app.settle().await;
    assert_eq!(app.attention().await, ["supplier_unknown"]);
    app.advance(SignedDuration::from_mins(31)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("failed", "refused", &["released"]));
    app.finish().await;
}

#[tokio::test]
async fn u24_tickets_whose_number_we_failed_to_write_down_are_found_again_and_not_bought_twice() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.execute("alter table bookings add constraint broken check (pnr is null) not valid").await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("ticketing", "ordering", &["authorised"]));
    assert_eq!(app.count("timetable.orders").await, 1);

    app.execute("alter table bookings drop constraint broken").await;
    app.advance(SignedDuration::from_mins(2)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    assert_eq!(app.count("timetable.orders").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn u27_an_authorisation_lost_after_ticketing_calls_a_person() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.outage(None);
    app.stripe.fault(Endpoint::Capture, Fault::TimeoutBefore);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    let intent = app.stripe.intents()[0].id.clone();
    app.stripe.lapse(&intent);
    app.advance(SignedDuration::from_mins(5)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["released"]));
    assert_eq!(app.attention().await, ["authorisation_lost"]);
    app.finish().await;
}

#[tokio::test]
async fn no_ticket_is_bought_once_the_bank_has_taken_its_authorisation_back() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Down").await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("ticketing", "ordering", &["authorised"]));
    app.stripe.lapse(&app.stripe.intents()[0].id);
    app.settle().await;
    app.advance(SignedDuration::from_mins(1)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("failed", "refused", &["released"]));
    assert_eq!(app.texts("select ended_reason from bookings").await, ["authorisation_lost"]);
    assert_eq!(app.count("timetable.orders").await, 0);
    app.finish().await;
}
