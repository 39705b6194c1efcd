//! The promise: charged only when ticketed, and only what was accepted. Each story ends with all invariants holding.
//! U numbers are the ugly cases that the design names.

use jetbridge::sandbox::stripe::{Endpoint, Fault, Mode};
use jiff::SignedDuration;

use super::helpers::{
    app::{ALICE, TestApp},
    story::{DECLINED_CARD, GOOD_CARD, State},
};

fn state(booking: &str, supplier: &str, attempts: &[&str]) -> State {
    State {
        booking: booking.to_owned(),
        supplier: supplier.to_owned(),
        attempts: attempts.iter().map(|&attempt| attempt.to_owned()).collect(),
    }
}

fn endpoints(app: &TestApp) -> Vec<Endpoint> {
    app.stripe.calls().iter().map(|call| call.endpoint).collect()
}

#[tokio::test]
async fn a_card_is_charged_after_the_tickets_are_issued_and_exactly_the_accepted_total() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    assert_eq!(app.state(&reference).await, state("draft", "none", &[]));

    let session = app.press_pay(&alice, &reference).await;
    assert_eq!(app.state(&reference).await, state("held", "none", &["open"]));

    app.stripe.set_delivery(Mode::Held);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.stripe.deliver_held().await;
    assert!(!endpoints(&app).contains(&Endpoint::Capture), "nothing is charged before the tickets");
    assert!(app.balances().await.is_empty(), "set aside is nobody's money yet");

    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    let intent = &app.stripe.intents()[0];
    assert_eq!((intent.status.as_str(), intent.received), ("succeeded", session.amount));
    let amount = session.amount;
    assert_eq!(
        app.balances().await,
        [format!("stripe_clearing {amount} EUR"), format!("supplier_payable -{amount} EUR")]
    );
    assert_eq!(app.mails().await, ["booking_confirmation", "payment_receipt"]);
    app.finish().await;
}

#[tokio::test]
async fn a_declined_card_can_be_followed_by_a_good_one() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.pay(&session.id, DECLINED_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("held", "none", &["open"]));

    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    app.finish().await;
}

#[tokio::test]
async fn u2_the_same_event_fifty_times_at_once_has_one_effect() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.set_delivery(Mode::Held);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    let events: Vec<String> = app.stripe.held().iter().map(|event| event.id.clone()).collect();

    for event in &events {
        let mut deliveries = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (stripe, event) = (app.stripe.clone(), event.clone());
            deliveries.spawn(async move { stripe.deliver(&event).await });
        }
        assert!(deliveries.join_all().await.iter().all(|status| *status == Some(200)));
    }
    assert_eq!(app.count("stripe_events").await, i64::try_from(events.len()).unwrap());
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    assert_eq!(app.mails().await, ["booking_confirmation", "payment_receipt"]);
    assert_eq!(app.count("timetable.orders").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn u3_a_webhook_that_comes_before_the_session_id_was_saved_is_understood() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    app.stripe.fault(Endpoint::CreateSession, Fault::TimeoutAfter);
    app.submit_pay(&alice, &reference).await.expect(503);
    assert_eq!(app.state(&reference).await, state("held", "none", &["create_unknown"]));

    let session = &app.stripe.sessions()[0];
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    app.finish().await;
}

#[tokio::test]
async fn u4_without_any_webhook_the_return_page_finishes_the_booking() {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.set_delivery(Mode::Held);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    for event in app.stripe.held() {
        app.stripe.discard(&event.id);
    }
    alice.get(&format!("/bookings/{reference}/return")).await.expect(200).says("Booking your seats");
    assert_eq!(app.state(&reference).await, state("ticketing", "none", &["authorised"]));
    app.run_jobs().await;
    let done = alice.get(&format!("/bookings/{reference}/return")).await.redirect();
    assert_eq!(done, format!("/bookings/{reference}"));
    assert_eq!(app.count("stripe_events").await, 0);
    for event in app.stripe.held() {
        app.stripe.discard(&event.id);
    }
    app.finish().await;
}

#[tokio::test]
async fn u4_without_webhook_and_return_page_the_poller_finishes_the_booking() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.set_delivery(Mode::Held);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.advance(SignedDuration::from_mins(3)).await;
    app.run_jobs().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    // The events arrive after all, days late and in the wrong order: nothing moves.
    app.advance(SignedDuration::from_hours(48)).await;
    let late: Vec<String> = app.stripe.held().iter().rev().map(|event| event.id.clone()).collect();
    for event in late {
        assert_eq!(app.stripe.deliver(&event).await, Some(200));
    }
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    app.finish().await;
}

#[tokio::test]
async fn u5_a_closed_tab_is_finished_by_the_webhook_and_told_by_mail() {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Duarte").await;
    drop(alice);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    let mail = app.mailbox.list().into_iter().find(|mail| mail.subject.contains(&reference)).expect("a mail");
    let text = mail.text.expect("a text part");
    assert!(text.contains(&format!("{}bookings/{reference}", app.url)), "{text}");
    app.finish().await;
}

#[tokio::test]
async fn u1_paid_in_time_but_heard_of_only_when_the_hold_lapses_is_still_ticketed() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.set_delivery(Mode::Held);
    app.advance(SignedDuration::from_mins(30)).await;
    app.stripe.outage(Some(Fault::TimeoutBefore));
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.advance(SignedDuration::from_mins(20)).await;
    app.run_jobs().await;
    assert_eq!(
        app.state(&reference).await,
        state("held", "none", &["open"]),
        "Stripe has not said that it is over"
    );

    app.stripe.outage(None);
    app.advance(SignedDuration::from_mins(10)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    app.finish().await;
}

#[tokio::test]
async fn u1_paid_after_the_booking_was_dropped_is_released_and_told() {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Duarte").await;
    alice.post_form(&format!("/bookings/{reference}/drop"), &[]).await.redirect();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("cancelled", "none", &["expired"]));

    // Stripe would not take this payment any more; a race on its side might.
    app.stripe.tamper_session(&session.id, |session| session.status = "open".to_owned());
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("cancelled", "none", &["released"]));
    assert_eq!(app.stripe.intents()[0].status, "canceled");
    assert_eq!(app.mails().await, ["money_returned"]);
    app.finish().await;
}

#[tokio::test]
async fn u1_paid_after_the_hold_had_lapsed_gets_the_seats_if_they_are_still_there() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.advance(SignedDuration::from_mins(50)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("expired", "none", &["expired"]));

    app.stripe.tamper_session(&session.id, |session| {
        session.status = "open".to_owned();
        session.expires_at += 3_600;
    });
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    app.finish().await;
}

#[tokio::test]
async fn a_hold_that_nobody_pays_lapses_and_gives_the_seats_back() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    app.press_pay(&alice, &reference).await;
    assert_eq!(app.texts("select held::text from timetable.inventory").await, ["1"]);
    app.advance(SignedDuration::from_mins(50)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("expired", "none", &["expired"]));
    assert_eq!(app.texts("select held::text from timetable.inventory").await, ["0"]);
    assert_eq!(app.mails().await, ["hold_expired"]);
    alice.get(&format!("/bookings/{reference}")).await.expect(200).says("Nothing was charged");
    app.finish().await;
}

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
        let books = match lost {
            0 => Vec::new(),
            lost => vec![format!("loss {lost} EUR"), format!("supplier_payable -{lost} EUR")],
        };
        assert_eq!(app.balances().await, books);
        let told: &[&str] =
            if lost == 0 { &["ticket_without_booking"] } else { &["ticket_without_booking", "tickets_lost"] };
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
async fn u17_a_second_attempt_that_is_paid_too_is_released_and_the_booking_is_untouched() {
    let app = TestApp::start().await;
    let (alice, reference, first) = app.at_stripe("Duarte").await;
    app.advance(SignedDuration::from_mins(36)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("held", "none", &["expired"]));
    let second = app.press_pay(&alice, &reference).await;
    app.stripe.pay(&second.id, GOOD_CARD).unwrap();
    app.settle().await;
    app.stripe.tamper_session(&first.id, |session| {
        session.status = "open".to_owned();
        session.expires_at += 7_200;
    });
    app.stripe.pay(&first.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["released", "captured"]));
    let told = ["hold_lapsing", "booking_confirmation", "payment_receipt", "money_returned"];
    assert_eq!(app.mails().await, told);
    app.finish().await;
}

#[tokio::test]
async fn u18_a_late_failure_of_an_old_attempt_touches_that_attempt_only() {
    let app = TestApp::start().await;
    let (alice, reference, first) = app.at_stripe("Duarte").await;
    app.stripe.set_delivery(Mode::Held);
    app.stripe.pay(&first.id, DECLINED_CARD).unwrap();
    let declined: Vec<String> = app.stripe.held().iter().map(|event| event.id.clone()).collect();
    app.advance(SignedDuration::from_mins(36)).await;
    app.run_jobs().await;
    let second = app.press_pay(&alice, &reference).await;
    app.stripe.pay(&second.id, GOOD_CARD).unwrap();
    app.run_jobs().await;
    alice.get(&format!("/bookings/{reference}/return")).await;
    app.run_jobs().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["expired", "captured"]));
    for event in declined {
        assert_eq!(app.stripe.deliver(&event).await, Some(200));
    }
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["expired", "captured"]));
    app.finish().await;
}

#[tokio::test]
async fn u19_a_payment_that_differs_from_what_was_accepted_is_quarantined_and_fulfils_nothing() {
    type Change = fn(&mut jetbridge::sandbox::stripe::Intent);
    let changes: [(&str, Change); 5] = [
        ("amount", |intent| intent.amount += 1),
        ("currency", |intent| intent.currency = "usd".to_owned()),
        ("livemode", |intent| intent.livemode = true),
        ("quote_hash", |intent| {
            intent.metadata.insert("quote_hash".to_owned(), "0".repeat(64));
        }),
        ("reference", |intent| {
            intent.metadata.insert("booking_reference".to_owned(), "AAAAAA".to_owned());
        }),
    ];
    for (why, change) in changes {
        let app = TestApp::start().await;
        let (_, reference, session) = app.at_stripe("Duarte").await;
        app.stripe.set_delivery(Mode::Held);
        app.stripe.pay(&session.id, GOOD_CARD).unwrap();
        let intent = app.stripe.intents()[0].id.clone();
        app.stripe.tamper_intent(&intent, change);
        app.settle().await;
        assert_eq!(app.state(&reference).await, state("held", "none", &["open"]), "{why}");
        assert_eq!(app.texts("select quarantined from attempts").await, [why]);
        assert_eq!(app.attention().await, ["payment_quarantined"]);
        assert_eq!(app.count("timetable.orders").await, 0);
        assert!(!endpoints(&app).contains(&Endpoint::Capture));

        // Until a person has looked, the booking is frozen: it neither lapses nor can be paid or dropped.
        app.advance(SignedDuration::from_mins(50)).await;
        app.settle().await;
        assert_eq!(app.state(&reference).await, state("held", "none", &["open"]), "{why}");
        let alice = app.sign_in(ALICE).await;
        app.submit_pay(&alice, &reference).await.redirect();
        assert_eq!(app.count("attempts").await, 1, "{why}");
        alice.post_form(&format!("/bookings/{reference}/drop"), &[]).await.expect(409);
        app.finish().await;
    }
}

#[tokio::test]
async fn u20_stripe_down_at_session_creation_charges_nothing_keeps_the_hold_and_says_so() {
    for fault in [Fault::Status(500), Fault::StickyStatus(500), Fault::Status(429), Fault::TimeoutBefore] {
        let app = TestApp::start().await;
        let alice = app.alice().await;
        let reference = app.draft(&alice).await;
        app.stripe.fault(Endpoint::CreateSession, fault);
        let page = app.submit_pay(&alice, &reference).await.expect(503);
        page.says("Nothing was charged");
        assert_eq!(app.state(&reference).await.booking, "held", "{fault:?}");

        app.advance(SignedDuration::from_mins(3)).await;
        let session = app.press_pay(&alice, &reference).await;
        app.stripe.pay(&session.id, GOOD_CARD).unwrap();
        app.settle().await;
        assert_eq!(app.state(&reference).await.booking, "confirmed", "{fault:?}");
        app.advance(SignedDuration::from_mins(60)).await;
        app.settle().await;
        app.finish().await;
    }
}

#[tokio::test]
async fn u23_a_database_that_fails_between_stripes_success_and_our_commit_loses_nothing() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.set_delivery(Mode::Held);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    let event = app.stripe.held()[0].id.clone();

    app.execute("alter table stripe_events add constraint broken check (false) not valid").await;
    assert_eq!(app.stripe.deliver(&event).await, Some(500), "Stripe must know that we do not have it");
    app.execute("alter table stripe_events drop constraint broken").await;
    assert_eq!(app.stripe.deliver(&event).await, Some(200));
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
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
async fn a_capture_whose_answer_is_lost_charges_once() {
    for fault in [Fault::TimeoutBefore, Fault::TimeoutAfter, Fault::Status(500), Fault::StickyStatus(500)] {
        let app = TestApp::start().await;
        let (_, reference, session) = app.at_stripe("Duarte").await;
        app.stripe.fault(Endpoint::Capture, fault);
        app.stripe.pay(&session.id, GOOD_CARD).unwrap();
        app.settle().await;
        app.advance(SignedDuration::from_mins(5)).await;
        app.settle().await;
        assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]), "{fault:?}");
        assert_eq!(app.stripe.intents()[0].received, session.amount);
        app.finish().await;
    }
}

#[tokio::test]
async fn a_release_whose_answer_is_lost_happens_once() {
    for fault in [Fault::TimeoutBefore, Fault::TimeoutAfter, Fault::StickyStatus(500)] {
        let app = TestApp::start().await;
        let (_, reference, session) = app.at_stripe("Soldout").await;
        app.stripe.fault(Endpoint::Cancel, fault);
        app.stripe.pay(&session.id, GOOD_CARD).unwrap();
        app.settle().await;
        app.advance(SignedDuration::from_mins(5)).await;
        app.settle().await;
        assert_eq!(app.state(&reference).await, state("failed", "refused", &["released"]), "{fault:?}");
        app.finish().await;
    }
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
async fn a_completed_session_whose_payment_is_still_to_be_made_elsewhere_is_on_its_way_and_not_failed() {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.set_delivery(Mode::Held);
    // A voucher: the page is done, the money is still to come.
    app.stripe.pay(&session.id, "4000 0025 0000 3155").unwrap();
    app.stripe.tamper_session(&session.id, |session| session.status = "complete".to_owned());
    alice.get(&format!("/bookings/{reference}/return")).await.expect(200);
    assert_eq!(app.stripe.intents()[0].status, "requires_action");
    assert_eq!(app.state(&reference).await, state("held", "none", &["processing"]));
    app.stripe.tamper_session(&session.id, |session| session.status = "open".to_owned());
    app.stripe.authenticate(&session.id, true).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    app.finish().await;
}

#[tokio::test]
async fn pay_pressed_twice_at_once_opens_one_session() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let (one, two) = tokio::join!(app.submit_pay(&alice, &reference), app.submit_pay(&alice, &reference));
    let led: Vec<String> =
        [one, two].iter().filter(|page| page.status == 303).map(|page| page.location()).collect();
    assert!(!led.is_empty());
    assert!(led.iter().all(|to| *to == led[0]), "{led:?}");
    assert_eq!(app.count("attempts").await, 1);
    assert_eq!(app.stripe.sessions().len(), 1);
    app.stripe.pay(&app.stripe.sessions()[0].id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    app.finish().await;
}

#[tokio::test]
async fn u6_a_price_that_went_up_before_paying_must_be_accepted_first() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    app.supplier().set_price_up(10);
    app.submit_pay(&alice, &reference).await.expect(409);
    assert_eq!(app.count("attempts").await, 0);
    let review = alice.get(&format!("/bookings/{reference}/review")).await.expect(200);
    let unticked = alice.submit(&review, "form[action$='/pay']", &[]).await.expect(422);
    assert!(unticked.has("[name=accept][aria-invalid=true]"));
    let to = alice.submit(&review, "form[action$='/pay']", &[("accept", "yes")]).await.redirect();
    let session = app.stripe.session(to.rsplit('/').next().unwrap()).unwrap();
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    assert_eq!(app.texts("select amount_minor::text from bookings").await, [session.amount.to_string()]);
    app.finish().await;
}

#[tokio::test]
async fn u7_a_price_that_goes_up_after_paying_is_never_charged() {
    let app = TestApp::start().await;
    let (_, reference, session) = app.at_stripe("Priceup").await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("failed", "refused", &["released"]));
    assert_eq!(app.texts("select ended_reason from bookings").await, ["price_up"]);
    assert!(app.balances().await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn what_is_held_is_what_is_ordered_although_the_offer_lapsed_before_paying() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    app.advance(SignedDuration::from_mins(35)).await;
    let session = app.press_pay(&alice, &reference).await;
    app.supplier().set_price_up(10);
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
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

#[tokio::test]
async fn a_price_that_goes_up_while_the_payment_page_is_open_changes_nothing() {
    let app = TestApp::start().await;
    let (alice, reference, session) = app.at_stripe("Duarte").await;
    app.supplier().set_price_up(10);
    let again = app.press_pay(&alice, &reference).await;
    assert_eq!((again.id.as_str(), again.amount), (session.id.as_str(), session.amount));
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    assert_eq!(app.texts("select amount_minor::text from bookings").await, [session.amount.to_string()]);
    app.finish().await;
}

#[tokio::test]
async fn u16_a_dispute_calls_a_person() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    let intent = app.stripe.intents()[0].id.clone();
    let body = serde_json::json!({
        "id": "evt_dispute", "object": "event", "type": "charge.dispute.created", "livemode": false,
        "created": app.now().as_second(), "api_version": "2026-09-30.endive", "pending_webhooks": 1,
        "data": { "object": { "id": "dp_1", "object": "dispute", "payment_intent": intent } },
    })
    .to_string();
    let guest = app.guest();
    guest.set_header("stripe-signature", &app.stripe.sign(&body));
    guest.post("/webhooks/stripe", "application/json", body).await.expect(200);
    app.settle().await;
    assert!(app.attention().await.contains(&"dispute".to_owned()));
    app.finish().await;
}

#[tokio::test]
async fn an_event_about_nothing_of_ours_is_parked_for_three_days_and_then_shown_to_staff() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    app.stripe.set_delivery(Mode::Held);
    let session = app.press_pay(&alice, &reference).await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    let event = app.stripe.held()[0].id.clone();
    let (body, _) = app.stripe.signed(&event).unwrap();
    let attempt = app.texts("select id::text from attempts").await.remove(0);
    let body = body
        .replace(&attempt, "01900000-0000-7000-8000-000000000000")
        .replace(&session.id, "cs_test_somebodyelse")
        .replace(&app.stripe.intents()[0].id, "pi_somebodyelse")
        .replace(&event, "evt_somebodyelse");
    let guest = app.guest();
    guest.set_header("stripe-signature", &app.stripe.sign(&body));
    guest.post("/webhooks/stripe", "application/json", body).await.expect(200);
    app.settle().await;
    let of_it = "select state from stripe_events where id = 'evt_somebodyelse'";
    assert_eq!(app.texts(of_it).await, ["parked"]);
    app.advance(SignedDuration::from_hours(73)).await;
    app.settle().await;
    assert_eq!(app.texts(of_it).await, ["abandoned"]);
    assert_eq!(app.attention().await, ["event_unmatched"]);
    app.finish().await;
}
