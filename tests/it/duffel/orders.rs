//! U9, U11, U24: whatever becomes of the answer to an order, there is one order or none, and the money follows.

use jetbridge::{
    ids::BookingId,
    outbox::{Claim, Job},
};
use jiff::SignedDuration;

use super::{paid, start};
use crate::helpers::story::state;
use crate::helpers::{
    app::TestApp,
    duffel::{Duffel, Fault, fare},
    page::Page,
};

/// Instant orders: one call buys.
async fn instant() -> (TestApp, Duffel, String) {
    let (app, duffel) = start().await;
    duffel.shelve(&[fare("118", "Basic", "120.50", false)]);
    let (_, reference, _) = paid(&app).await;
    (app, duffel, reference)
}

/// Half a minute, as often as it takes.
async fn wait(app: &TestApp, minutes: i64) {
    for _ in 0..minutes * 2 {
        app.advance(SignedDuration::from_secs(30)).await;
    }
    app.settle().await;
}

/// A worker that hung, and the one that took its job.
#[tokio::test]
async fn of_two_workers_who_have_read_the_same_book_one_asks() {
    let (app, duffel, reference) = instant().await;
    duffel.next("order", &[Fault::Says(503, "service_unavailable")]);
    app.settle().await;
    app.clock.advance(SignedDuration::from_mins(11));
    let id: BookingId = app.texts("select id::text from bookings").await[0].parse().unwrap();
    let claim = Claim { id: 1, job: Job::OrderAtSupplier(id), tries: 1, pushed_at: app.now() };
    let bookings = app.worker().bookings;
    let (one, other) =
        tokio::join!(bookings.order_at_supplier(id, &claim), bookings.order_at_supplier(id, &claim));
    one.and(other).unwrap();
    assert_eq!((duffel.calls("order").len(), duffel.orders().len()), (2, 1), "the refused one, and one more");
    wait(&app, 1).await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    assert_eq!(duffel.orders().len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_and_the_order_is_never_made_twice() {
    for fault in [Fault::HangAfter, Fault::GarbageAfter, Fault::CutAfter, Fault::WrongShapeAfter] {
        let (app, duffel, reference) = instant().await;
        duffel.next("order", &[fault]);
        app.settle().await;
        assert_eq!(
            app.state(&reference).await,
            state("ticketing", "order_unknown", &["authorised"]),
            "{fault:?}"
        );
        wait(&app, 1).await;
        assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]), "{fault:?}");
        assert_eq!((duffel.calls("order").len(), duffel.orders().len()), (1, 1), "{fault:?}");
        app.finish().await;
    }
}

#[tokio::test]
async fn an_answer_that_never_came_and_no_order_in_the_list_is_asked_again_only_after_ten_minutes() {
    for fault in [Fault::Hang, Fault::Says(504, "gateway_timeout")] {
        let (app, duffel, reference) = instant().await;
        duffel.next("order", &[fault]);
        app.settle().await;
        wait(&app, 9).await;
        assert_eq!(duffel.calls("order").len(), 1, "{fault:?}");
        wait(&app, 2).await;
        assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]), "{fault:?}");
        assert_eq!((duffel.calls("order").len(), duffel.orders().len()), (2, 1), "{fault:?}");
        app.finish().await;
    }
}

#[tokio::test]
async fn after_a_500_or_502_nobody_asks_again_a_person_is_called_and_then_the_money_goes_back() {
    for status in [500, 502] {
        let (app, duffel, reference) = instant().await;
        duffel.next("order", &[Fault::Says(status, "internal_server_error")]);
        app.settle().await;
        wait(&app, 16).await;
        assert_eq!(app.state(&reference).await, state("ticketing", "order_unknown", &["authorised"]));
        assert_eq!(app.attention().await, ["supplier_unknown"]);
        let detail = app.texts("select detail from attention_items").await;
        assert!(detail[0].contains("FZW0H3HdJwKk5HMAAKxB"), "{detail:?}");
        wait(&app, 16).await;
        assert_eq!(app.state(&reference).await, state("failed", "refused", &["released"]));
        assert_eq!(duffel.calls("order").len(), 1);
        app.finish().await;
    }
}

#[tokio::test]
async fn not_now_is_asked_again_and_nothing_is_lost() {
    for (status, code) in
        [(503, "service_unavailable"), (429, "rate_limit_exceeded"), (422, "insufficient_balance")]
    {
        let (app, duffel, reference) = instant().await;
        duffel.next("order", &[Fault::Says(status, code)]);
        app.settle().await;
        assert_eq!(app.state(&reference).await, state("ticketing", "ordering", &["authorised"]), "{code}");
        wait(&app, 1).await;
        assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]), "{code}");
        assert_eq!(duffel.orders().len(), 1);
        app.finish().await;
    }
}

#[tokio::test]
async fn a_balance_that_stays_too_low_calls_a_person_and_then_the_money_goes_back() {
    let (app, duffel, reference) = instant().await;
    duffel.always("order", Some(Fault::Says(422, "insufficient_balance")));
    app.settle().await;
    wait(&app, 16).await;
    assert_eq!(app.attention().await, ["supplier_unknown"]);
    wait(&app, 31).await;
    assert_eq!(app.state(&reference).await, state("failed", "refused", &["released"]));
    app.finish().await;
}

#[tokio::test]
async fn a_definite_no_gives_the_money_back_at_once() {
    for (status, code) in [
        (422, "offer_no_longer_available"),
        (422, "offer_expired"),
        (422, "price_changed"),
        (422, "validation_required"),
        (502, "order_not_created"),
    ] {
        let (app, duffel, reference) = instant().await;
        duffel.next("order", &[Fault::Says(status, code)]);
        app.settle().await;
        assert_eq!(app.state(&reference).await, state("failed", "refused", &["released"]), "{code}");
        assert_eq!(duffel.calls("order").len(), 1, "{code}");
        app.finish().await;
    }
}

/// Duffel sells one offer of each search, and travellers who looked for the same see the same search.
#[tokio::test]
async fn of_two_who_chose_from_one_search_the_second_gets_the_same_fare_of_another() {
    let (app, duffel) = start().await;
    duffel.shelve(&[fare("118", "Basic", "120.50", false)]);
    let (_, first, _) = paid(&app).await;
    let (_, second, _) = paid(&app).await;
    assert_eq!(duffel.calls("search").len(), 1);
    app.settle().await;
    wait(&app, 1).await;
    for reference in [first, second] {
        assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    }
    assert_eq!((duffel.calls("search").len(), duffel.calls("order").len(), duffel.orders().len()), (2, 3, 2));
    assert!(app.attention().await.is_empty());
    app.finish().await;
}

/// It may be ours: a person is called, nothing is bought beside it, and the money does not wait for ever.
#[tokio::test]
async fn an_offer_that_is_sold_when_it_is_asked_for_again_is_for_a_person_and_then_the_money_goes_back() {
    let (app, duffel, reference) = instant().await;
    duffel.next("order", &[Fault::Hang, Fault::Says(422, "offer_request_already_booked")]);
    app.settle().await;
    wait(&app, 16).await;
    assert_eq!(app.state(&reference).await, state("ticketing", "order_unknown", &["authorised"]));
    assert_eq!(app.attention().await, ["supplier_unknown"]);
    wait(&app, 26).await;
    assert_eq!(app.state(&reference).await, state("failed", "refused", &["released"]));
    assert_eq!((duffel.calls("order").len(), duffel.orders().len()), (2, 0));
    app.finish().await;
}

async fn tell(app: &TestApp, (signature, body): (String, String)) -> Page {
    let duffel = app.guest();
    duffel.set_header("x-duffel-signature", &signature);
    duffel.post_from_elsewhere_raw("/webhooks/duffel", "application/json", body).await
}

#[tokio::test]
async fn an_order_that_is_accepted_waits_for_its_event_however_long_that_takes() {
    let (app, duffel, reference) = instant().await;
    duffel.next("order", &[Fault::Accepts]);
    app.settle().await;
    wait(&app, 14).await;
    assert_eq!(app.state(&reference).await, state("ticketing", "order_unknown", &["authorised"]));
    assert_eq!(duffel.calls("order").len(), 1);
    let order = duffel.make_accepted();
    tell(&app, duffel.event("wev_1", "order.created", order)).await.expect(200);
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    assert_eq!(duffel.calls("order").len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn an_accepted_order_that_fails_gives_the_money_back() {
    let (app, duffel, reference) = instant().await;
    duffel.next("order", &[Fault::Accepts]);
    app.settle().await;
    let metadata = duffel.calls("order")[0].body["data"]["metadata"].clone();
    let object = serde_json::json!({ "metadata": metadata });
    tell(&app, duffel.event("wev_1", "order.creation_failed", object)).await.expect(200);
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("failed", "refused", &["released"]));
    assert_eq!(duffel.calls("order").len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn a_payment_for_held_space_whose_answer_is_lost_is_looked_up() {
    for fault in [Fault::HangAfter, Fault::CutAfter, Fault::GarbageAfter] {
        let (app, duffel) = start().await;
        let (_, reference, _) = paid(&app).await;
        duffel.next("pay", &[fault]);
        app.settle().await;
        wait(&app, 1).await;
        assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]), "{fault:?}");
        assert_eq!((duffel.calls("pay").len(), duffel.orders().len()), (1, 1), "{fault:?}");
        app.finish().await;
    }
}

#[tokio::test]
async fn orders_of_others_in_duffels_list_are_nobodys_and_every_page_of_it_is_read() {
    let (app, duffel, first) = instant().await;
    app.settle().await;
    let (_, second, _) = paid(&app).await;
    duffel.next("order", &[Fault::HangAfter]);
    app.settle().await;
    wait(&app, 1).await;
    for reference in [first, second] {
        assert_eq!(app.state(&reference).await.booking, "confirmed");
    }
    let ids = app.texts("select supplier_order_id from bookings order by 1").await;
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
    app.finish().await;
}
