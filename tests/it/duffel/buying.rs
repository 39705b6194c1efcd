//! The way from search to ticket, and back.

use jetbridge::{itinerary::Contact, supplier::OrderRequest};
use jiff::SignedDuration;
use serde_json::json;

use super::{paid, start};
use crate::helpers::story::state;
use crate::helpers::{
    duffel::{Fault, fare},
    story::SEARCH,
};

const TICK: [(&str, &str); 1] = [("understood", "yes")];

#[tokio::test]
async fn space_is_held_while_the_traveller_pays_and_paid_for_afterwards() {
    let (app, duffel) = start().await;
    let (alice, reference, session) = paid(&app).await;
    assert_eq!(session.amount, 12_050);
    // Space first, under our booking's name, and no payment.
    let held = duffel.calls("order");
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].body["data"]["type"], "hold");
    assert_eq!(held[0].body["data"]["metadata"]["booking_reference"], reference);
    assert!(held[0].body["data"]["payments"].is_null() && duffel.calls("pay").is_empty());
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    let payment = &duffel.calls("pay")[0].body["data"];
    assert_eq!(payment["payment"], json!({ "type": "balance", "amount": "120.50", "currency": "EUR" }));
    assert_eq!(duffel.orders().len(), 1);
    let page = alice.get(&format!("/bookings/{reference}")).await.expect(200);
    page.says("RZPNX8").says("125 2106 312 810").says("1 checked bag");
    app.finish().await;
}

#[tokio::test]
async fn where_no_space_is_held_the_offer_is_bought_at_once_and_fetched_before() {
    let (app, duffel) = start().await;
    duffel.shelve(&[fare("118", "Basic", "120.50", false)]);
    let (_, reference, _) = paid(&app).await;
    assert!(duffel.calls("order").is_empty(), "nothing is ordered before it is paid for");
    let looked = duffel.calls("offer").len();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    assert!(duffel.calls("offer").len() > looked);
    let order = &duffel.calls("order")[0].body["data"];
    assert_eq!(order["type"], "instant");
    assert_eq!(order["payments"][0]["amount"], "120.50");
    let person = &order["passengers"][0];
    assert_eq!(
        (&person["phone_number"], &person["title"], &person["gender"]),
        (&json!("+351900000000"), &json!("ms"), &json!("f"))
    );
    app.finish().await;
}

#[tokio::test]
async fn a_price_that_rose_after_paying_is_never_charged() {
    let (app, duffel) = start().await;
    duffel.shelve(&[fare("118", "Basic", "120.50", false)]);
    let (_, reference, _) = paid(&app).await;
    duffel.reprice("120.51");
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("failed", "refused", &["released"]));
    assert!(duffel.orders().is_empty());
    app.finish().await;
}

#[tokio::test]
async fn an_offer_whose_time_is_over_is_found_again_at_its_price() {
    let (app, duffel) = start().await;
    duffel.shelve(&[fare("118", "Basic", "120.50", false)]);
    let (_, reference, _) = paid(&app).await;
    app.clock.advance(SignedDuration::from_mins(25));
    duffel.withdraw();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    app.finish().await;
}

/// Many airlines name no fares, so that all are "Standard": what comes back when it is cancelled tells them apart.
#[tokio::test]
async fn a_lapsed_offer_is_never_replaced_by_a_fare_under_other_conditions() {
    let named = |brand: &str, total: &str| {
        let mut fare = fare("118", brand, total, false);
        fare["slices"][0]["fare_brand_name"] = json!(null);
        fare
    };
    let dearer_to_change = || {
        let mut fare = named("Flex", "290.00");
        fare["conditions"]["change_before_departure"]["penalty_amount"] = json!("50.00");
        fare
    };
    // What there is when the chosen one has lapsed, and what is bought of it.
    let cases = [
        (vec![named("Basic", "240.00")], None),
        (vec![named("Basic", "240.00"), named("Flex", "300.01")], None),
        (vec![dearer_to_change()], None),
        (vec![named("Basic", "240.00"), named("Flex", "300.00")], Some("300.00")),
        (vec![named("Basic", "240.00"), named("Flex", "260.00"), named("Flex", "255.00")], Some("255.00")),
    ];
    for (shelf, bought) in cases {
        let (app, duffel) = start().await;
        duffel.shelve(&[named("Flex", "300.00")]);
        let (_, reference, _) = paid(&app).await;
        duffel.shelve(&shelf);
        app.clock.advance(SignedDuration::from_mins(25));
        duffel.withdraw();
        app.settle().await;
        let orders: Vec<_> = duffel.orders().iter().map(|order| order["total_amount"].clone()).collect();
        assert_eq!(orders, bought.map(|total| json!(total)).into_iter().collect::<Vec<_>>(), "{shelf:?}");
        let left = if bought.is_some() {
            state("confirmed", "ordered", &["captured"])
        } else {
            state("failed", "refused", &["released"])
        };
        assert_eq!(app.state(&reference).await, left, "{shelf:?}");
        app.finish().await;
    }
}

#[tokio::test]
async fn the_price_before_paying_is_that_of_the_moment_and_a_higher_one_is_asked_for_first() {
    let (app, duffel) = start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    duffel.reprice("130.50");
    app.submit_pay(&alice, &reference).await.expect(409).says("New total: EUR 130.50");
    assert!(duffel.calls("order").is_empty());
    app.finish().await;
}

#[tokio::test]
async fn other_fares_of_the_same_flights_stand_beside_the_chosen_one_and_can_be_taken() {
    let (app, _duffel) = start().await;
    let guest = app.guest();
    let found = guest.get(SEARCH).await.expect(200);
    assert_eq!(found.count("a[href^='/offers/']"), 1, "one for each way to travel");
    let offer = guest.get(&found.attr("a[href^='/offers/']", "href")).await.expect(200);
    let fares = offer.attrs("input[name='offer']", "value");
    assert_eq!(fares.len(), 2);
    offer.says("Basic").says("Flex").says("180.50");
    let flex = guest.get(&format!("/offers/{}", fares[1])).await.expect(200);
    assert_eq!(flex.attrs("input[name='offer']", "value").len(), 2);
    app.finish().await;
}

#[tokio::test]
async fn a_list_judges_every_fare_of_the_same_flights_not_only_the_lowest() {
    let (app, duffel) = start().await;
    let guest = app.guest();
    let all = guest.get(SEARCH).await.expect(200);
    all.says("120.50").says("No");
    let refundable = guest.get(&format!("{SEARCH}&refund=1")).await.expect(200);
    refundable.says("180.50").says("Yes, less EUR");
    assert_eq!((refundable.count("article.offer"), duffel.calls("search").len()), (1, 1));
    let flex = guest.get(&refundable.attr("article.offer a[href^='/offers/']", "href")).await.expect(200);
    assert_eq!(flex.attrs("input[name='offer']", "value").len(), 2, "the lower fare stands beside it");
    assert_eq!(flex.attrs("input[name='offer'][checked]", "value").len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn an_offer_that_has_lapsed_tells_what_it_was_and_the_difference() {
    let (app, duffel) = start().await;
    let guest = app.guest();
    let found = guest.get(SEARCH).await.expect(200);
    let address = found.attr("a[href^='/offers/']", "href");
    duffel.shelve(&[fare("118", "Basic", "130.75", true), fare("118", "Flex", "180.50", true)]);
    app.advance(SignedDuration::from_mins(25)).await;
    for forgotten in [false, true] {
        if forgotten {
            duffel.withdraw();
        }
        let page = guest.get(&address).await.expect(410);
        page.says("went up by").says("10.25").says("120.50").says("130.75");
        let told = guest.get(&format!("/api{address}")).await.expect(410).json();
        assert_eq!(
            (&told["code"], &told["about"]["was"]["amount"]),
            (&json!("offer_expired"), &json!("120.50"))
        );
    }
    // The flights at another fare only: this offer is gone, and others stand there instead.
    duffel.shelve(&[fare("118", "Flex", "180.50", true)]);
    guest.get(&address).await.expect(410).says("Sold out").says("120.50");
    app.finish().await;
}

#[tokio::test]
async fn a_family_sees_one_price_for_all_because_the_airline_tells_no_other() {
    let (app, _duffel) = start().await;
    let guest = app.guest();
    let family = SEARCH.replace("adults=1&children=0", "adults=2&children=1");
    let found = guest.get(&family).await.expect(200);
    let offer = guest.get(&found.attr("a[href^='/offers/']", "href")).await.expect(200);
    offer.says("2 adults and 1 child").says("120.50");
    app.finish().await;
}

#[tokio::test]
async fn cancelling_asks_for_a_quote_confirms_it_and_gives_back_what_the_fare_promises() {
    let (app, duffel) = start().await;
    duffel.shelve(&[fare("118", "Flex", "180.50", true)]);
    let (alice, reference, _) = paid(&app).await;
    app.settle().await;
    let address = format!("/bookings/{reference}/cancel");
    let quote = alice.get(&address).await.expect(200);
    quote.says("160.50");
    alice.submit(&quote, "form[action$='/cancel']", &TICK).await.redirect();
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "cancelled");
    assert_eq!((duffel.calls("quote").len(), duffel.calls("cancel").len()), (1, 1));
    assert_eq!(app.texts("select amount_minor::text from refunds").await, ["16050"]);
    app.finish().await;
}

/// A worker that hung since before the first answer puts its question after everything is over.
#[tokio::test]
async fn an_order_that_was_cancelled_is_the_answer_for_ever_and_nothing_is_bought_again() {
    let (app, duffel) = start().await;
    duffel.shelve(&[fare("118", "Flex", "180.50", true)]);
    let (alice, reference, _) = paid(&app).await;
    app.settle().await;
    let quote = alice.get(&format!("/bookings/{reference}/cancel")).await.expect(200);
    alice.submit(&quote, "form[action$='/cancel']", &TICK).await.redirect();
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "cancelled");
    let row = app
        .texts("select id || ' ' || supplier_order_id || ' ' || quote::text from bookings")
        .await
        .remove(0);
    let [booking, order, offer] = row.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
    let request = OrderRequest {
        booking: booking.parse().unwrap(),
        reference: reference.parse().unwrap(),
        offer: serde_json::from_str(offer).unwrap(),
        hold: None,
        passengers: Vec::new(),
        documents: Vec::new(),
        contact: Contact { email: "maria@example.com".to_owned(), phone: "+351900000000".to_owned() },
    };
    let answer = app.worker().bookings.supplier.order(&request).await.unwrap();
    assert_eq!(answer.id, order);
    assert_eq!((duffel.orders().len(), duffel.calls("pay").len()), (1, 1));
    app.finish().await;
}

#[tokio::test]
async fn a_cancellation_whose_answer_is_lost_is_looked_up_and_a_voucher_is_no_money() {
    let (app, duffel) = start().await;
    duffel.shelve(&[fare("118", "Flex", "180.50", true)]);
    let (alice, reference, _) = paid(&app).await;
    app.settle().await;
    let address = format!("/bookings/{reference}/cancel");
    duffel.next("cancel", &[Fault::GarbageAfter]);
    let quote = alice.get(&address).await.expect(200);
    alice.submit(&quote, "form[action$='/cancel']", &TICK).await.redirect();
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "cancelling");
    app.advance(SignedDuration::from_secs(30)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "cancelled");
    assert_eq!(duffel.calls("cancel").len(), 1);
    app.finish().await;

    let (app, duffel) = start().await;
    duffel.shelve(&[fare("118", "Flex", "180.50", true)]);
    duffel.refund_to("voucher");
    let (alice, reference, _) = paid(&app).await;
    app.settle().await;
    let quote = alice.get(&format!("/bookings/{reference}/cancel")).await.expect(200);
    alice.submit(&quote, "form[action$='/cancel']", &TICK).await.redirect();
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    assert_eq!(app.attention().await, ["cancel_refused"]);
    assert!(duffel.calls("cancel").is_empty());
    app.finish().await;
}

#[tokio::test]
async fn space_is_given_back_when_nobody_pays() {
    let (app, duffel) = start().await;
    let (_, reference, _) = app.at_stripe("Duarte").await;
    app.advance(SignedDuration::from_mins(46)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "expired");
    assert_eq!(duffel.calls("cancel").len(), 1);
    assert!(!duffel.orders()[0]["cancelled_at"].is_null());
    app.finish().await;
}
