//! A quote: how long it holds, whose it is, who may confirm it, and how often.

use jiff::SignedDuration;

use super::{FORM, TICK, Ticketed, euros, has_fee};
use crate::helpers::{
    app::{ALICE, TestApp},
    story::state,
};

#[tokio::test]
async fn a_lapsed_quote_does_nothing_and_a_new_one_is_shown() {
    let booked = Ticketed::new(has_fee).await;
    let quote = booked.quote().await;
    booked.app.advance(SignedDuration::from_mins(30)).await;
    let again = booked.confirm(&quote).await.expect(409);
    again.says("Nothing was cancelled").says("valid until 10:00 Lisbon time");
    booked.app.settle().await;
    assert_eq!(booked.state().await.booking, "confirmed");
    assert_eq!(booked.app.count("cancel_quotes").await, 1, "the lapsed one is forgotten");
    // Neither an invented quote nor none at all is taken.
    for quote in ["01900000-0000-7000-8000-000000000000", "nonsense", ""] {
        let form = [("quote", quote), ("understood", "yes")];
        booked.alice.post_form(&booked.address(), &form).await.expect(409);
    }
    assert_eq!(booked.state().await.booking, "confirmed");
    booked.app.finish().await;
}

#[tokio::test]
async fn looking_again_shows_the_same_quote_and_confirming_again_replays() {
    let booked = Ticketed::new(has_fee).await;
    let (first, second) = (booked.quote().await, booked.quote().await);
    assert_eq!(first.attr("input[name=quote]", "value"), second.attr("input[name=quote]", "value"));
    booked.confirm(&first).await.redirect();
    booked.confirm(&second).await.redirect();
    booked.app.settle().await;
    booked.confirm(&first).await.redirect();
    booked.app.settle().await;
    assert_eq!(booked.refunds().await.len(), 1);
    assert_eq!(booked.mails().await, ["booking_cancelled", "refund_paid"]);
    assert_eq!(booked.app.count("booking_events where kind = 'cancel_accepted'").await, 1);
    assert_eq!(
        booked.alice.get(&booked.address()).await.redirect(),
        format!("/bookings/{}", booked.reference)
    );
    booked.app.finish().await;
}

#[tokio::test]
async fn two_tabs_at_once_cancel_once() {
    let booked = Ticketed::new(has_fee).await;
    let tab = booked.app.sign_in(ALICE).await;
    let (mine, other) = (booked.quote().await, tab.get(&booked.address()).await.expect(200));
    let (one, two) = tokio::join!(booked.confirm(&mine), tab.submit(&other, FORM, &TICK));
    one.redirect();
    two.redirect();
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelled", "cancelled", &["captured"]));
    assert_eq!(booked.refunds().await, [format!("{} cancelled succeeded", booked.back())]);
    booked.books_are_closed(booked.fee, booked.fee).await;
    booked.app.finish().await;
}

#[tokio::test]
async fn somebody_elses_booking_is_not_there_whatever_is_known_of_it() {
    let booked = Ticketed::new(has_fee).await;
    let quote = booked.quote().await.attr("input[name=quote]", "value");
    let form = [("quote", quote.as_str()), ("understood", "yes")];
    let bob = booked.app.bob().await;
    bob.get(&booked.address()).await.expect(404);
    bob.post_form(&booked.address(), &form).await.expect(404);
    bob.post_form(&booked.address(), &[("ask", "yes")]).await.expect(404);
    booked.app.guest().post_form(&booked.address(), &form).await.expect(401);
    // Nor does a quote of one booking cancel another.
    let his = booked.app.confirmed(&bob).await;
    bob.post_form(&format!("/bookings/{his}/cancel"), &form).await.expect(409);
    booked.app.settle().await;
    assert_eq!(booked.state().await.booking, "confirmed");
    assert_eq!(booked.app.state(&his).await.booking, "confirmed");
    booked.app.finish().await;
}

#[tokio::test]
async fn a_guest_cancels_by_the_booking_link() {
    let app = TestApp::start().await;
    let dora = app.guest();
    let reference = app.confirmed(&dora).await;
    let page = dora.get(&format!("/bookings/{reference}")).await.expect(200);
    let quote = dora.get(&page.attr("a[href$='/cancel']", "href")).await.expect(200);
    dora.submit(&quote, FORM, &TICK).await.redirect();
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "cancelled");
    dora.get(&format!("/bookings/{reference}")).await.expect(200).says("Airline cancelled the tickets");
    app.finish().await;
}

#[tokio::test]
async fn what_cannot_be_cancelled_is_refused_with_words() {
    let mut booked = Ticketed::new(has_fee).await;
    let quote = booked.quote().await;
    for (kind, words) in [
        ("dispute", "Your bank is looking at this payment"),
        ("refund_not_ours", "A person is looking at this payment"),
    ] {
        booked.attention(kind).await;
        booked.quote().await.says(words);
        booked.confirm(&quote).await.expect(409).says(words).says("Nothing was changed");
        booked.app.execute("delete from attention_items").await;
    }
    booked.app.execute("update attempts set quarantined = 'amount'").await;
    booked.quote().await.says("A person is looking at this payment");
    booked.app.execute("update attempts set quarantined = null").await;

    // What is not paid has its own way out.
    let draft = booked.app.draft(&booked.alice).await;
    let address = format!("/bookings/{draft}/cancel");
    assert_eq!(booked.alice.get(&address).await.redirect(), format!("/bookings/{draft}"));
    booked.alice.post_form(&address, &TICK).await.expect(409).says("There is nothing to cancel");
    booked.alice.post_form(&address, &[("ask", "yes")]).await.expect(409);
    booked.alice.post_form(&format!("/bookings/{draft}/drop"), &[]).await.redirect();
    booked.app.settle().await;
    booked.alice.post_form(&address, &TICK).await.expect(409).says("This booking has ended");

    booked.app.advance(SignedDuration::from_hours(24 * 22)).await;
    booked.alice = booked.app.sign_in(ALICE).await;
    booked.quote().await.says("The first flight has left");
    booked.confirm(&quote).await.expect(409).says("The first flight has left");
    assert!(!booked.page().await.has("a[href$='/cancel']"));
    booked.app.settle().await;
    assert_eq!(booked.state().await.booking, "confirmed");

    booked.app.finish().await;
}

#[tokio::test]
async fn money_that_staff_gave_back_meanwhile_changes_the_quote_and_is_never_paid_twice() {
    let booked = Ticketed::new(has_fee).await;
    let quote = booked.quote().await;
    let finance = booked.app.staff("finance").await;
    booked.app.second_factor(&finance).await;
    let desk = format!("/admin/bookings/{}/refund", booked.reference);
    let page = finance.get(&desk).await.expect(200);
    let form = [("how", "part"), ("amount", "5.00"), ("reason", "goodwill"), ("note", "")];
    let review = finance.submit(&page, "form[action$='/refund']", &form).await.expect(200);
    finance.submit(&review, "form[action$='/refund/confirm']", &[]).await.redirect();
    let again = booked.confirm(&quote).await.expect(409);
    again.says("Went back to you before").says(&format!("You would get back {}", euros(booked.back() - 500)));
    booked.confirm(&again).await.redirect();
    // Nobody refunds beside it now.
    finance.get(&desk).await.expect(200).says("The airline is being asked");
    booked.app.settle().await;
    assert_eq!(
        booked.refunds().await,
        ["500 goodwill succeeded".to_owned(), format!("{} cancelled succeeded", booked.back() - 500)]
    );
    booked.books_are_closed(booked.fee, booked.fee).await;
    // Of what was kept staff may still give something back.
    let page = finance.get(&desk).await.expect(200);
    let form = [("how", "part"), ("amount", "1.00"), ("reason", "goodwill"), ("note", "")];
    let review = finance.submit(&page, "form[action$='/refund']", &form).await.expect(200);
    finance.submit(&review, "form[action$='/refund/confirm']", &[]).await.redirect();
    booked.app.settle().await;
    booked.books_are_closed(booked.fee - 100, booked.fee).await;
    let letters = booked.app.mailbox.list();
    let texts: Vec<&str> = letters
        .iter()
        .filter(|mail| mail.subject.contains("EUR 1.00"))
        .filter_map(|mail| mail.text.as_deref())
        .collect();
    assert!(texts.iter().any(|text| text.contains("Your booking stays cancelled")), "{texts:?}");
    booked.app.finish().await;
}
