//! What each kind of fare gives back, and the agency's own window.

use jiff::SignedDuration;

use super::{FORM, Ticketed, euros, has_fee, is_free, is_nothing, is_unknown};
use crate::helpers::{app::TestApp, story::state};

#[tokio::test]
async fn a_fare_with_a_fee_gives_back_the_rest_and_the_airline_keeps_its_fee() {
    let booked = Ticketed::new(has_fee).await;
    let page = booked.page().await;
    let quote = booked.alice.get(&page.attr("a[href$='/cancel']", "href")).await.expect(200);
    quote
        .says(&format!("You would get back {}", euros(booked.back())))
        .says("Visa ending 4242, the card you paid with")
        .says("valid until 09:30 Lisbon time")
        .says("Nothing has been cancelled");
    assert_eq!(booked.state().await, state("confirmed", "ordered", &["captured"]), "looking does nothing");
    assert_eq!(booked.seats_sold().await, 1);

    booked.confirm(&quote).await.redirect();
    assert_eq!(booked.state().await, state("cancelling", "cancelling", &["captured"]));
    let page = booked.page().await;
    page.says("Your tickets stay good until it has answered").says(&euros(booked.back()));
    assert!(!page.has("a[href$='/cancel']"));
    assert!(booked.refunds().await.is_empty(), "no money moves before the airline has cancelled");

    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelled", "cancelled", &["captured"]));
    assert_eq!(booked.refunds().await, [format!("{} cancelled succeeded", booked.back())]);
    assert_eq!(booked.app.stripe.refunds()[0].amount, booked.back());
    booked.books_are_closed(booked.fee, booked.fee).await;
    assert_eq!(booked.seats_sold().await, 0, "the seats are for sale again");
    assert_eq!(booked.mails().await, ["booking_cancelled", "refund_paid"]);
    let letter = booked.app.mailbox.list().into_iter().find(|mail| mail.subject.contains("is cancelled"));
    let text = letter.expect("a letter").text.unwrap().replace(['\n', '\u{a0}'], " ");
    assert!(text.contains(&euros(booked.back())) && text.contains(&euros(booked.fee)), "{text}");
    let page = booked.page().await;
    page.says(&format!("{} went back to you", euros(booked.back())))
        .says(&format!("{} was kept, as you accepted", euros(booked.fee)))
        .says("Airline cancelled the tickets")
        .says("Refunded");
    assert!(booked.app.attention().await.is_empty());
    booked.app.finish().await;
}

#[tokio::test]
async fn a_free_fare_gives_everything_back_and_leaves_nothing_in_the_books() {
    let booked = Ticketed::new(is_free).await;
    booked.cancel().await;
    booked.app.settle().await;
    assert_eq!(booked.refunds().await, [format!("{} cancelled succeeded", booked.paid)]);
    assert!(booked.app.balances().await.is_empty());
    booked.app.finish().await;
}

#[tokio::test]
async fn a_fare_that_gives_nothing_back_is_cancelled_only_by_somebody_who_understands_that() {
    let booked = Ticketed::new(is_nothing).await;
    let quote = booked.quote().await;
    quote
        .says("Nothing would come back")
        .says("I understand that nothing comes back")
        .says("Cancel without a refund");
    let again = booked.alice.submit(&quote, FORM, &[]).await.expect(422);
    again.says("Tick this first. Nothing was cancelled");
    assert!(again.has("#understood[aria-invalid='true']"));
    assert_eq!(booked.state().await.booking, "confirmed");

    booked.confirm(&again).await.redirect();
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelled", "cancelled", &["captured"]));
    assert!(booked.refunds().await.is_empty());
    booked.books_are_closed(booked.paid, booked.paid).await;
    assert_eq!(booked.seats_sold().await, 0);
    booked.page().await.says("no money comes back");
    booked.app.finish().await;
}

#[tokio::test]
async fn where_only_the_airline_knows_a_person_is_asked_and_nothing_is_cancelled() {
    let booked = Ticketed::new(is_unknown).await;
    let page = booked.quote().await;
    page.says("What comes back is unknown").says("we do not guess");
    for _ in 0..2 {
        booked.alice.submit(&page, FORM, &[]).await.redirect();
    }
    booked.quote().await.says("We are asking the airline");
    assert_eq!(booked.app.attention().await, ["cancel_asked"]);
    assert_eq!(booked.app.count("booking_events where kind = 'cancel_asked'").await, 1);
    assert_eq!(booked.app.count("cancel_quotes").await, 0);
    booked.page().await.says("You asked what comes back");
    // Whoever sends a quote instead gets none: there is none to take.
    let form = [("quote", "01900000-0000-7000-8000-000000000000"), ("understood", "yes")];
    booked.alice.post_form(&booked.address(), &form).await.expect(409);
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("confirmed", "ordered", &["captured"]));
    booked.app.finish().await;
}

#[tokio::test]
async fn inside_the_agencys_window_everything_comes_back_and_the_fee_is_the_agencys() {
    for wanted in [has_fee, is_nothing, is_unknown] {
        let app = TestApp::start_with(&[("FREE_CANCEL_HOURS", "24"), ("FREE_CANCEL_DAYS_AHEAD", "7")]).await;
        let booked = Ticketed::of(app, wanted, "Duarte").await;
        let quote = booked.quote().await;
        quote.says("within 24 hours of booking and at least 7 days before the flight");
        booked.confirm(&quote).await.redirect();
        booked.app.settle().await;
        assert_eq!(booked.refunds().await, [format!("{} cancelled succeeded", booked.paid)]);
        // The demo's airlines give a half back where their fare says nothing.
        let airlines = if booked.fee > 0 { booked.fee } else { booked.paid - booked.paid / 2 };
        booked.books_are_closed(0, airlines).await;
        assert!(booked.app.attention().await.is_empty(), "the agency has promised it knowingly");
        booked.app.finish().await;
    }
}

#[tokio::test]
async fn a_day_later_the_agencys_window_is_closed_and_the_old_quote_with_it() {
    let app = TestApp::start_with(&[("FREE_CANCEL_HOURS", "24")]).await;
    let booked = Ticketed::of(app, has_fee, "Duarte").await;
    booked.app.advance(SignedDuration::from_mins(24 * 60 - 10)).await;
    let quote = booked.quote().await;
    quote.says(&format!("You would get back {}", euros(booked.paid)));
    booked.app.advance(SignedDuration::from_mins(10)).await;
    let again = booked.confirm(&quote).await.expect(409);
    again.says("Here is a new quote").says(&format!("You would get back {}", euros(booked.back())));
    assert_eq!(booked.state().await.booking, "confirmed");
    booked.confirm(&again).await.redirect();
    booked.app.settle().await;
    booked.books_are_closed(booked.fee, booked.fee).await;
    booked.app.finish().await;
}
