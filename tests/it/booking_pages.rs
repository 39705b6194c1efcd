//! What the pages between the last look and the ticket say, in the moments that a traveller fears.

use jetbridge::sandbox::stripe::{Endpoint, Fault};

use crate::helpers::{app::TestApp, story::GOOD_CARD};

#[tokio::test]
async fn the_button_says_the_total_and_the_obligation_and_the_page_says_who_sells() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let review = alice.get(&format!("/bookings/{reference}/review")).await.expect(200);
    let total = review.text(".total .price").replace(' ', "\u{a0}");
    let amount = total.split("\u{a0}total").next().expect("an amount");
    assert_eq!(
        review.text("button[form=pay]"),
        format!("Pay {} — with obligation to pay", amount.replace('\u{a0}', " "))
    );
    review.says("There is no 14-day right of withdrawal").says("sells this booking").says("born 4 Dec 1986");
    app.finish().await;
}

#[tokio::test]
async fn a_silent_stripe_charges_nothing_says_so_and_its_page_has_the_way_to_try_again() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    app.stripe.outage(Some(Fault::Status(500)));
    let silent = app.submit_pay(&alice, &reference).await.expect(503);
    assert_eq!(silent.h1(), "Nothing was charged");
    assert_eq!(silent.header("retry-after"), Some("20"));
    silent.says("Your seats are held until 09:45 Lisbon time").says("You cannot pay twice for one booking");

    let page = alice.get(&format!("/bookings/{reference}")).await.expect(200);
    assert_eq!(page.h1(), "You have not paid");
    page.says("Stripe has not answered. Nothing was charged.");

    app.stripe.outage(None);
    let to = alice.submit(&silent, "form[action$='/pay']", &[]).await.redirect();
    assert!(to.starts_with(app.stripe.base_url()), "{to}");
    app.settle().await;
    app.finish().await;
}

#[tokio::test]
async fn a_price_that_went_up_is_shown_beside_the_old_one_and_needs_its_own_tick() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    app.supplier().set_price_up(10);

    let raised = app.submit_pay(&alice, &reference).await.expect(409);
    raised.says("The price went up by").says("Nothing has been charged");
    assert!(!raised.has(".errors"), "nobody has done anything wrong yet");

    let unticked = alice.submit(&raised, "form[action$='/pay']", &[]).await.expect(422);
    assert!(unticked.field_error("accept").starts_with("Tick that you accept the new total"));
    assert_eq!(unticked.attr(".errors a", "href"), "#accept");
    assert_eq!(app.stripe.sessions().len(), 0, "nothing to pay before the tick");

    let ticked = alice.submit(&unticked, "form[action$='/pay']", &[("accept", "yes")]).await;
    assert!(ticked.redirect().starts_with(app.stripe.base_url()));
    alice.get(&format!("/bookings/{reference}")).await.expect(200).says("Price went up");
    app.settle().await;
    app.finish().await;
}

#[tokio::test]
async fn a_page_that_is_no_longer_the_offer_is_shown_again_instead_of_paid() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let review = alice.get(&format!("/bookings/{reference}/review")).await.expect(200);
    let again =
        alice.submit(&review, "form[action$='/pay']", &[("quote_hash", "of another day")]).await.expect(409);
    again.says("This offer has changed since you looked at it").says("Nothing has been charged");
    assert_eq!(app.stripe.sessions().len(), 0);
    assert_eq!(
        alice.get(&format!("/bookings/{reference}/pay")).await.redirect(),
        format!("/bookings/{reference}/review")
    );
    app.finish().await;
}

#[tokio::test]
async fn the_return_page_looks_again_ever_more_slowly_and_then_promises_a_mail() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let session = app.press_pay(&alice, &reference).await;
    app.stripe.pay(&session.id, GOOD_CARD).expect("pays");

    for (n, seconds) in [3, 5, 10, 20].into_iter().enumerate() {
        let waiting = alice.get(&format!("/bookings/{reference}/return?n={n}")).await.expect(200);
        assert_eq!(waiting.h1(), "Authorised. Booking your seats.");
        let refresh = format!(
            r#"<meta http-equiv="refresh" content="{seconds}; url=/bookings/{reference}/return?n={}">"#,
            n + 1
        );
        assert!(waiting.body.contains(&format!("<noscript>{refresh}</noscript>")), "{refresh}");
        assert!(!waiting.has(".btn:not(.plain)"), "nothing to press that might pay twice");
    }
    let last = alice.get(&format!("/bookings/{reference}/return?n=4")).await.expect(200);
    assert!(!last.body.contains("http-equiv=\"refresh\""));
    last.says("we e-mail maria@example.com as soon as it is decided").says("all of your EUR");

    app.settle().await;
    let done = alice.get(&format!("/bookings/{reference}/return")).await.redirect();
    let booking = alice.get(&done).await.expect(200);
    assert_eq!(booking.h1(), "You fly on 14 December 2026");
    assert_eq!(booking.text(".ticket .ref"), reference);
    booking.says("Your card was charged").says("Airline reference");
    app.finish().await;
}

#[tokio::test]
async fn a_return_page_that_cannot_ask_never_claims_that_nobody_has_paid() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let session = app.press_pay(&alice, &reference).await;
    app.stripe.pay(&session.id, GOOD_CARD).expect("pays");
    app.stripe.fault(Endpoint::ReadSession, Fault::Status(500));
    let unsure = alice.get(&format!("/bookings/{reference}/return")).await.expect(200);
    assert_eq!(unsure.h1(), "We could not ask Stripe yet");
    assert!(!unsure.words().contains("You have not paid"), "{}", unsure.words());
    app.settle().await;
    app.finish().await;
}

#[tokio::test]
async fn turning_back_from_stripe_offers_to_pay_change_or_give_up() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    app.press_pay(&alice, &reference).await;
    let back = alice.get(&format!("/bookings/{reference}/cancelled")).await.expect(200);
    assert_eq!(back.h1(), "You have not paid");
    back.says("Nothing was charged. Your seats are held until 09:45 Lisbon time.");
    let dropped = alice.submit(&back, "form[action$='/drop']", &[]).await.redirect();
    let booking = alice.get(&dropped).await.expect(200);
    assert_eq!(booking.h1(), "You gave this booking up");
    booking.says("Nothing was charged");
    app.settle().await;
    app.finish().await;
}

#[tokio::test]
async fn whoever_turned_back_but_had_paid_after_all_sees_that() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let session = app.press_pay(&alice, &reference).await;
    app.stripe.pay(&session.id, GOOD_CARD).expect("pays");
    let page = alice.get(&format!("/bookings/{reference}/cancelled")).await.expect(200);
    assert_eq!(page.h1(), "Authorised. Booking your seats.");
    app.settle().await;
    app.finish().await;
}

#[tokio::test]
async fn older_bookings_are_a_page_away_and_none_is_shown_twice() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    for _ in 0..21 {
        app.clock.advance(jiff::SignedDuration::from_secs(1));
        app.draft(&alice).await;
    }
    let first = alice.get("/bookings").await.expect(200);
    assert_eq!(first.count("tbody tr"), 20);
    let older = alice.get(&first.attr("nav.pager a[rel=next]", "href")).await.expect(200);
    assert_eq!(older.count("tbody tr"), 1);
    assert_eq!(older.attr("nav.pager a[rel=prev]", "href"), "/bookings");
    let ours: Vec<String> = [first.texts("tbody th"), older.texts("tbody th")].concat();
    let mut once = ours.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), ours.len(), "no booking is shown twice");
    alice.get("/bookings?before=yesterday").await.expect(404);
    app.finish().await;
}
