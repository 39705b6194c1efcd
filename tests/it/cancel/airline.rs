//! The airline refuses, is late, loses its answer, or gives less than its fare says.

use jetbridge::supplier::{CancelRequest, Supplier, timetable::Fault};
use jiff::SignedDuration;

use super::{Ticketed, has_fee, is_free, timetable};
use crate::helpers::{app::TestApp, story::state};

#[tokio::test]
async fn an_airline_that_refuses_leaves_tickets_and_money_as_they_were() {
    let booked = Ticketed::of(TestApp::start().await, has_fee, "Cancelrefused").await;
    let quote = booked.quote().await;
    booked.confirm(&quote).await.redirect();
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("confirmed", "ordered", &["captured"]));
    assert!(booked.refunds().await.is_empty());
    assert_eq!(booked.seats_sold().await, 1);
    assert_eq!(booked.app.attention().await, ["cancel_refused"]);
    assert_eq!(booked.mails().await, ["cancellation_refused"]);
    booked.page().await.says("Airline did not cancel").says("You fly on");
    // The refused word is not taken again; a new quote may be.
    let again = booked.confirm(&quote).await.expect(409);
    booked.app.supplier().set_cancel_fault(Some(Fault::TimeoutAfter));
    booked.confirm(&again).await.redirect();
    booked.app.settle().await;
    booked.app.advance(SignedDuration::from_secs(30)).await;
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelled", "cancelled", &["captured"]));
    booked.books_are_closed(booked.fee, booked.fee).await;
    booked.app.finish().await;
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_before_the_question_is_put_again() {
    for name in ["Canceltimeoutbefore", "Canceltimeoutafter"] {
        let booked = Ticketed::of(TestApp::start().await, has_fee, name).await;
        booked.cancel().await;
        booked.app.settle().await;
        assert_eq!(booked.state().await, state("cancelling", "cancelling", &["captured"]), "{name}");
        assert!(booked.refunds().await.is_empty(), "{name}: nothing is taken for granted");
        assert_eq!(booked.mails().await, ["cancellation_started"], "{name}");
        booked.app.advance(SignedDuration::from_secs(30)).await;
        booked.app.settle().await;
        assert_eq!(booked.state().await, state("cancelled", "cancelled", &["captured"]), "{name}");
        assert_eq!(booked.seats_sold().await, 0, "{name}");
        booked.books_are_closed(booked.fee, booked.fee).await;
        assert_eq!(
            booked.mails().await,
            ["cancellation_started", "booking_cancelled", "refund_paid"],
            "{name}"
        );
        booked.app.finish().await;
    }
}

#[tokio::test]
async fn killed_between_the_airlines_yes_and_our_commit_it_is_found_again() {
    let booked = Ticketed::new(has_fee).await;
    booked.cancel().await;
    // As a process that had asked, was answered, and died.
    let order = booked.app.texts("select supplier_order_id from bookings").await.remove(0);
    let request =
        CancelRequest { booking: booked.booking().await, order, idempotency_key: "cancel:x".to_owned() };
    timetable(&booked.app).cancel(&request).await.unwrap();
    let asked = format!("update cancel_quotes set asked_at = '{}'", booked.app.now());
    booked.app.execute(&asked).await;
    // Were the question put again, it would be answered with a no.
    booked.app.supplier().set_cancel_fault(Some(Fault::Refused));
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelled", "cancelled", &["captured"]));
    assert_eq!(booked.seats_sold().await, 0);
    booked.books_are_closed(booked.fee, booked.fee).await;
    booked.app.finish().await;
}

#[tokio::test]
async fn a_late_airline_calls_a_person_and_is_waited_for() {
    let booked = Ticketed::of(TestApp::start().await, has_fee, "Canceldown").await;
    booked.cancel().await;
    booked.app.settle().await;
    assert!(booked.app.attention().await.is_empty());
    booked.app.advance(SignedDuration::from_mins(16)).await;
    booked.app.settle().await;
    assert_eq!(booked.app.attention().await, ["supplier_unknown"]);
    booked.app.advance(SignedDuration::from_hours(5)).await;
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelling", "cancelling", &["captured"]));
    assert!(booked.refunds().await.is_empty());
    // The airline does it by hand, on the phone.
    let by_hand = "with gone as (delete from timetable.order_lines returning *)
        update timetable.inventory i set sold = sold - gone.seats from gone
         where (i.carrier, i.number, i.departs_on, i.cabin) = (gone.carrier, gone.number, gone.departs_on, gone.cabin);
        update timetable.orders set cancelled_at = now(), credit_minor = ";
    booked.app.execute(&format!("{by_hand} {}", booked.back())).await;
    booked.app.advance(SignedDuration::from_mins(6)).await;
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelled", "cancelled", &["captured"]));
    booked.books_are_closed(booked.fee, booked.fee).await;
    booked.app.finish().await;
}

#[tokio::test]
async fn a_supplier_that_gives_less_than_its_fare_says_is_our_loss_and_calls_a_person() {
    let booked = Ticketed::new(is_free).await;
    booked.cancel().await;
    let statement = format!(
        "delete from timetable.order_lines; update timetable.inventory set sold = 0;
         update timetable.orders set cancelled_at = now(), credit_minor = {}",
        booked.paid - 1_000
    );
    booked.app.execute(&statement).await;
    booked.app.settle().await;
    assert_eq!(booked.refunds().await, [format!("{} cancelled succeeded", booked.paid)], "as was quoted");
    booked.books_are_closed(0, 1_000).await;
    assert_eq!(booked.app.attention().await, ["cancel_credit"]);
    booked.app.finish().await;
}
