//! The demo supplier against its books: seats are never sold twice, whatever happens at once, and every answer can be
//! asked for again.

use jetbridge::{
    ids::{BookingId, BookingReference},
    itinerary::{
        Cabin, Contact, Document, DocumentNumber, Offer, OfferId, Party, Passenger, PassengerKind,
        SearchQuery, Sex, SliceQuery,
    },
    supplier::{
        CancelRequest, HoldId, HoldRequest, OrderRequest, Supplier, SupplierError,
        timetable::{Fault, Timetable},
    },
};
use jiff::{SignedDuration, civil};

use crate::helpers::app::TestApp;

fn supplier(app: &TestApp) -> Timetable {
    Timetable::new(app.db.clone(), app.clock.clone())
}

fn leg(from: &str, to: &str, date: civil::Date) -> SliceQuery {
    SliceQuery { from: from.parse().unwrap(), to: to.parse().unwrap(), date }
}

fn query(slices: &[(&str, &str, civil::Date)]) -> SearchQuery {
    SearchQuery {
        slices: slices.iter().map(|(from, to, date)| leg(from, to, *date)).collect(),
        party: Party::new(1, 0, 0).unwrap(),
        cabin: Cabin::Economy,
    }
}

const DAY: civil::Date = civil::date(2027, 2, 12);

async fn an_offer(supplier: &Timetable) -> Offer {
    let offers = supplier.search(&query(&[("LIS", "NYC", DAY)])).await.unwrap();
    offers.into_iter().find(|offer| offer.slices[0].stops() == 1).expect("a way with a change")
}

fn hold(app: &TestApp, booking: BookingId, offer: &Offer) -> HoldRequest {
    let made = order(booking, offer, "Duarte");
    HoldRequest {
        booking,
        reference: made.reference,
        offer: offer.clone(),
        passengers: made.passengers,
        contact: made.contact,
        until: app.now() + SignedDuration::from_mins(20),
    }
}

fn order(booking: BookingId, offer: &Offer, family_name: &str) -> OrderRequest {
    let passenger = |kind| Passenger {
        kind,
        given_names: "Ana".into(),
        family_name: family_name.into(),
        born_on: civil::date(1990, 1, 1),
        sex: Sex::F,
    };
    OrderRequest {
        booking,
        reference: BookingReference::random(),
        offer: offer.clone(),
        hold: None,
        passengers: offer.party.kinds().map(passenger).collect(),
        documents: offer
            .party
            .kinds()
            .filter(|_| offer.documents.is_asked())
            .map(|_| passport("CA123442"))
            .collect(),
        contact: Contact { email: "ana@example.com".into(), phone: "+351 210 000 000".into() },
    }
}

fn passport(number: &str) -> Document {
    let number = DocumentNumber::parse(number).unwrap();
    Document { number, country: "PT".into(), expires_on: civil::date(2031, 4, 30) }
}

/// Leaves so many seats on each flight of the offer.
async fn leave_seats(app: &TestApp, supplier: &Timetable, offer: &Offer, seats: i32) {
    let booking = BookingId::new();
    let held = supplier.hold(&hold(app, booking, offer)).await.unwrap();
    supplier.release(&held.id).await.unwrap();
    let mut sql = app.sql().await;
    sqlx::query("update timetable.inventory set capacity = held + sold + $1")
        .bind(seats)
        .execute(&mut sql)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_search_answers_with_priced_itineraries_for_the_next_330_days() {
    let app = TestApp::start().await;
    let supplier = supplier(&app);
    let one_way = supplier.search(&query(&[("LIS", "NYC", DAY)])).await.unwrap();
    assert!(one_way.len() > 10 && one_way.len() <= 60, "{}", one_way.len());
    assert!(one_way.iter().any(|offer| offer.slices[0].stops() == 0));
    assert!(one_way.iter().any(|offer| offer.slices[0].stops() == 1));
    let back = query(&[("LIS", "LON", DAY), ("LON", "LIS", civil::date(2027, 2, 15))]);
    let returns = supplier.search(&back).await.unwrap();
    assert!(returns.len() > 20 && returns.len() <= 60, "{}", returns.len());
    for offer in one_way.iter().chain(&returns) {
        assert_eq!(offer.total, offer.sum_of_prices(offer.total.currency).unwrap());
        assert_eq!(offer.expires_at, app.now() + SignedDuration::from_mins(30));
        assert_eq!(offer.slices[0].first().departs.local.date(), DAY);
    }
    for offer in &returns {
        assert!(offer.slices[0].last().arrives.at < offer.slices[1].first().departs.at);
    }
    let same_day = supplier.search(&query(&[("LIS", "OPO", DAY), ("OPO", "LIS", DAY)])).await.unwrap();
    assert!(!same_day.is_empty());
    for date in [civil::date(2026, 11, 21), civil::date(2027, 12, 1)] {
        assert!(supplier.search(&query(&[("LIS", "NYC", date)])).await.unwrap().is_empty(), "{date}");
    }
    let last = civil::date(2027, 10, 19);
    assert!(!supplier.search(&query(&[("LIS", "NYC", last)])).await.unwrap().is_empty());
    let today = supplier.search(&query(&[("LIS", "LON", civil::date(2026, 11, 23))])).await.unwrap();
    let soonest = today.iter().map(|offer| offer.slices[0].first().departs.at).min().unwrap();
    assert!(soonest >= app.now() + SignedDuration::from_hours(2));
    app.finish().await;
}

#[tokio::test]
async fn the_last_seats_are_held_once_however_many_ask_at_the_same_time() {
    let app = TestApp::start().await;
    let timetable = supplier(&app);
    let offer = an_offer(&timetable).await;
    leave_seats(&app, &timetable, &offer, 5).await;
    let asking = (0..24).map(|_| {
        let timetable = supplier(&app);
        let request = hold(&app, BookingId::new(), &offer);
        tokio::spawn(async move { timetable.hold(&request).await })
    });
    let mut held = 0;
    for answer in asking.collect::<Vec<_>>() {
        match answer.await.unwrap() {
            Ok(_) => held += 1,
            Err(SupplierError::SoldOut) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(held, 5);
    assert_eq!(app.count("timetable.inventory where held = 5 and sold = 0").await, 2);
    let offered = timetable.search(&query(&[("LIS", "NYC", DAY)])).await.unwrap();
    assert!(offered.iter().all(|other| other.slices != offer.slices));
    app.finish().await;
}

#[tokio::test]
async fn bookings_that_cross_each_other_never_wait_in_a_ring() {
    let app = TestApp::start().await;
    let timetable = supplier(&app);
    let there = timetable
        .search(&query(&[("LIS", "OPO", DAY), ("OPO", "LIS", civil::date(2027, 2, 13))]))
        .await
        .unwrap();
    let bookings: Vec<BookingId> = (0..6).map(|_| BookingId::new()).collect();
    let mut running = Vec::new();
    for round in 0..8 {
        for (nth, booking) in bookings.iter().enumerate() {
            let timetable = supplier(&app);
            let request = hold(&app, *booking, &there[(round * 7 + nth * 3) % there.len()]);
            running.push(tokio::spawn(async move { timetable.hold(&request).await.map(drop) }));
        }
        app.clock.advance(SignedDuration::from_secs(20));
    }
    for answer in running {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(app.count("timetable.holds").await, 6);
    let mut sql = app.sql().await;
    let astray: i64 = sqlx::query_scalar(
        "select count(*) from timetable.inventory i where held <> (select coalesce(sum(seats), 0) from timetable.hold_lines l
          where (l.carrier, l.number, l.departs_on, l.cabin) = (i.carrier, i.number, i.departs_on, i.cabin))",
    )
    .fetch_one(&mut sql)
    .await
    .unwrap();
    assert_eq!(astray, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_hold_is_renewed_exchanged_released_and_lapses_by_itself() {
    let app = TestApp::start().await;
    let supplier = supplier(&app);
    let offer = an_offer(&supplier).await;
    leave_seats(&app, &supplier, &offer, 1).await;
    let booking = BookingId::new();
    let first = supplier.hold(&hold(&app, booking, &offer)).await.unwrap();
    app.clock.advance(SignedDuration::from_mins(5));
    let again = supplier.hold(&hold(&app, booking, &offer)).await.unwrap();
    assert_eq!(first.id, again.id);
    assert_eq!(again.expires_at, first.expires_at + SignedDuration::from_mins(5));
    assert_eq!(app.count("timetable.inventory where held = 1").await, 2);

    let other = BookingId::new();
    assert!(matches!(supplier.hold(&hold(&app, other, &offer)).await, Err(SupplierError::SoldOut)));
    app.clock.advance(SignedDuration::from_mins(20));
    // Nobody released it: its time is simply over.
    supplier.hold(&hold(&app, other, &offer)).await.unwrap();
    assert_eq!(app.count("timetable.holds").await, 1);

    let elsewhere = supplier.search(&query(&[("OPO", "LON", DAY)])).await.unwrap().remove(0);
    supplier.hold(&hold(&app, other, &elsewhere)).await.unwrap();
    let flights = elsewhere.segments().count() as i64;
    assert_eq!(app.count("timetable.inventory where held = 1").await, flights);
    let hold_id = HoldId(other.to_string());
    for _ in 0..2 {
        supplier.release(&hold_id).await.unwrap();
    }
    for id in [HoldId(String::new()), HoldId("'; --".into()), HoldId(BookingId::new().to_string())] {
        supplier.release(&id).await.unwrap();
    }
    assert_eq!(app.count("timetable.inventory where held <> 0").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_booking_is_ordered_once_however_often_and_however_simultaneously_it_is_asked() {
    let app = TestApp::start().await;
    let timetable = supplier(&app);
    let offer = an_offer(&timetable).await;
    let booking = BookingId::new();
    timetable.hold(&hold(&app, booking, &offer)).await.unwrap();
    let asking = (0..10).map(|_| {
        let timetable = supplier(&app);
        let request = order(booking, &offer, "Silva");
        tokio::spawn(async move { timetable.order(&request).await })
    });
    let mut made = Vec::new();
    for answer in asking.collect::<Vec<_>>() {
        made.push(answer.await.unwrap().unwrap());
    }
    assert!(made.windows(2).all(|pair| pair[0] == pair[1]));
    let order = &made[0];
    assert_eq!(timetable.find_order(booking).await.unwrap().as_ref(), Some(order));
    assert_eq!(order.total, offer.total);
    assert_eq!(order.pnr.len(), 6);
    assert!(
        order.tickets.iter().all(|ticket| ticket.len() == 13 && ticket.bytes().all(|b| b.is_ascii_digit()))
    );
    assert_eq!(app.count("timetable.inventory where sold = 1 and held = 0").await, 2);
    assert_eq!(app.count("timetable.holds").await, 0);
    assert_eq!(timetable.find_order(BookingId::new()).await.unwrap(), None);
    app.finish().await;
}

/// A worker that hung since before the first answer puts its question after everything is over.
#[tokio::test]
async fn an_order_that_was_cancelled_is_the_answer_for_ever_and_nothing_is_bought_again() {
    let app = TestApp::start().await;
    let supplier = supplier(&app);
    let request = order(BookingId::new(), &an_offer(&supplier).await, "Duarte");
    let made = supplier.order(&request).await.unwrap();
    let cancel = CancelRequest {
        booking: request.booking,
        order: made.id.clone(),
        idempotency_key: "cancel".to_owned(),
    };
    let cancelled = supplier.cancel(&cancel).await.unwrap();
    assert_eq!(supplier.order(&request).await.unwrap(), made);
    assert_eq!(supplier.find_cancellation(request.booking).await.unwrap(), Some(cancelled));
    assert_eq!(app.texts("select sum(sold)::text from timetable.inventory").await, ["0"]);
    app.finish().await;
}

#[tokio::test]
async fn a_price_stands_for_its_half_hour_and_while_seats_are_held() {
    let app = TestApp::start().await;
    let supplier = supplier(&app);
    // The list tells the other fares with each offer; a fare alone does not.
    let offer = Offer { other_fares: Vec::new(), ..an_offer(&supplier).await };
    let families = supplier.fares(&offer.id).await.unwrap();
    assert_eq!(families.len(), 3);
    assert_eq!(families[0], offer);
    app.clock.advance(SignedDuration::from_mins(29));
    assert_eq!(supplier.reprice(&offer).await.unwrap(), offer);
    let booking = BookingId::new();
    supplier.hold(&hold(&app, booking, &offer)).await.unwrap();
    app.clock.advance(SignedDuration::from_mins(2));
    let Err(SupplierError::Expired(fresh)) = supplier.fares(&offer.id).await else {
        panic!("it has expired")
    };
    assert_eq!(fresh.slices.len(), offer.slices.len());
    assert!(fresh.expires_at > app.now());
    assert!(matches!(
        supplier.hold(&hold(&app, BookingId::new(), &offer)).await,
        Err(SupplierError::Expired(_))
    ));
    // Its own hold still lives, so its own price does.
    supplier.hold(&hold(&app, booking, &offer)).await.unwrap();
    supplier.switches().set_price_up(15);
    assert_eq!(supplier.order(&order(booking, &offer, "Silva")).await.unwrap().total, offer.total);

    let other = supplier.search(&query(&[("OPO", "LON", DAY)])).await.unwrap().remove(0);
    let other = Offer { other_fares: Vec::new(), ..other };
    supplier.switches().set_price_up(40);
    let dearer = supplier.reprice(&other).await.unwrap();
    assert!(dearer.total.minor > other.total.minor && dearer.slices == other.slices);
    assert_eq!(supplier.reprice(&dearer).await.unwrap(), dearer);
    app.clock.advance(SignedDuration::from_mins(31));
    let late = supplier.order(&order(BookingId::new(), &other, "Silva")).await;
    assert!(matches!(late, Err(SupplierError::PriceUp(now)) if now.total.minor > other.total.minor));
    app.finish().await;
}

#[tokio::test]
async fn ids_that_were_never_offered_and_flights_that_have_left_are_gone() {
    let app = TestApp::start().await;
    let supplier = supplier(&app);
    let offer = an_offer(&supplier).await;
    let long = "t1.".repeat(4_000);
    for id in ["", "t1", "../../etc/passwd", "\0", "t1.69.00.100.0.3A100-20000-0.0000000000", long.as_str()] {
        assert!(matches!(supplier.fares(&OfferId(id.into())).await, Err(SupplierError::Gone)), "{id:.30}");
    }
    app.clock.advance(SignedDuration::from_hours(24 * 100));
    assert!(matches!(supplier.fares(&offer.id).await, Err(SupplierError::Gone)));
    assert!(matches!(supplier.reprice(&offer).await, Err(SupplierError::Gone)));
    assert!(matches!(supplier.hold(&hold(&app, BookingId::new(), &offer)).await, Err(SupplierError::Gone)));
    app.finish().await;
}

#[tokio::test]
async fn magic_names_and_switches_fail_as_they_say() {
    let app = TestApp::start().await;
    let supplier = supplier(&app);
    let offer = an_offer(&supplier).await;
    let ask = async |booking, name| supplier.order(&order(booking, &offer, name)).await;
    assert!(matches!(order_fails(ask(BookingId::new(), "Soldout").await), SupplierError::SoldOut));
    assert!(matches!(order_fails(ask(BookingId::new(), "REFUSED").await), SupplierError::Refused(_)));
    assert!(matches!(order_fails(ask(BookingId::new(), "Down").await), SupplierError::Unavailable(_)));
    let up = order_fails(ask(BookingId::new(), "Priceup").await);
    assert!(matches!(up, SupplierError::PriceUp(dearer) if dearer.total.minor > offer.total.minor));
    assert_eq!(app.count("timetable.orders").await, 0);

    let before = BookingId::new();
    assert!(matches!(order_fails(ask(before, "Timeoutbefore").await), SupplierError::OutcomeUnknown(_)));
    assert_eq!(supplier.find_order(before).await.unwrap(), None);
    ask(before, "Timeoutbefore").await.unwrap();
    let after = BookingId::new();
    assert!(matches!(order_fails(ask(after, "Timeoutafter").await), SupplierError::OutcomeUnknown(_)));
    let made = supplier.find_order(after).await.unwrap().expect("it was made");
    assert_eq!(ask(after, "Timeoutafter").await.unwrap(), made);
    assert_eq!(app.count("timetable.orders").await, 2);

    let switches = supplier.switches();
    switches.set_order_fault(Some(Fault::Refused));
    assert!(matches!(order_fails(ask(BookingId::new(), "Silva").await), SupplierError::Refused(_)));
    switches.set_order_fault(None);
    let flight = offer.slices[0].first().flight();
    switches.set_sold_out(&flight, true);
    assert!(matches!(order_fails(ask(BookingId::new(), "Silva").await), SupplierError::SoldOut));
    assert!(matches!(supplier.reprice(&offer).await, Err(SupplierError::SoldOut)));
    let found = supplier.search(&query(&[("LIS", "NYC", DAY)])).await.unwrap();
    assert!(found.iter().all(|offer| offer.segments().all(|segment| segment.flight() != flight)));
    switches.set_sold_out(&flight, false);
    let mut wrong = order(BookingId::new(), &offer, "Silva");
    wrong.passengers[0].kind = PassengerKind::Child;
    assert!(matches!(order_fails(supplier.order(&wrong).await), SupplierError::Refused(_)));
    switches.set_search_down(true);
    assert!(matches!(supplier.fares(&offer.id).await, Err(SupplierError::Unavailable(_))));
    app.finish().await;
}

fn order_fails<T: std::fmt::Debug>(answer: Result<T, SupplierError>) -> SupplierError {
    answer.expect_err("an order that fails")
}
