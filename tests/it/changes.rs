//! What airlines change after the tickets were issued: told once, to everybody whom it concerns, and shown from then on.

use jetbridge::supplier::timetable::Change;
use jiff::SignedDuration;

use crate::helpers::{
    app::TestApp,
    browser::Browser,
    receiver::Receiver,
    story::{GOOD_CARD, SEARCH},
};

/// There and back.
const RETURN: &str = "/flights?trip=return&from=LIS&to=LHR&leave=2026-12-14&back=2026-12-20&adults=1&children=0&infants=0&cabin=economy";

async fn confirmed_for(app: &TestApp, alice: &Browser, family_name: &str) -> String {
    confirmed_of(app, alice, SEARCH, family_name).await
}

async fn confirmed_of(app: &TestApp, alice: &Browser, search: &str, family_name: &str) -> String {
    let reference = app.draft_of(alice, search, family_name).await;
    let session = app.press_pay(alice, &reference).await;
    app.stripe.pay(&session.id, GOOD_CARD).expect("pays");
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    reference
}

/// The worker's rounds, and what they leave to do.
async fn look(app: &TestApp) {
    app.sweep().await;
    app.advance(SignedDuration::from_mins(1)).await;
}

async fn calendar(alice: &Browser, reference: &str) -> String {
    alice.get(&format!("/bookings/{reference}/calendar.ics")).await.expect(200).body
}

fn sequence(calendar: &str) -> u32 {
    let line = calendar.lines().find_map(|line| line.strip_prefix("SEQUENCE:")).expect("a sequence");
    line.trim().parse().expect("a number")
}

fn starts(calendar: &str) -> String {
    calendar.lines().filter(|line| line.starts_with("DTSTART;TZID")).collect()
}

#[tokio::test]
async fn new_times_are_told_by_letter_page_calendar_webhook_and_to_staff_and_once() {
    let app = TestApp::start().await;
    let receiver = Receiver::start().await;
    let carol = app.carol().await;
    carol.post_form("/admin/hooks", &[("url", &receiver.url)]).await.redirect();
    let alice = app.alice().await;
    let reference = confirmed_for(&app, &alice, "Rescheduled").await;
    let before = calendar(&alice, &reference).await;
    receiver.forget();
    look(&app).await;

    assert_eq!(app.state(&reference).await.supplier, "changed_by_airline");
    let mail = app.mailbox.list().into_iter().find(|mail| mail.subject.contains("has changed your flights"));
    let mail = mail.expect("a letter");
    let text = mail.text.clone().expect("a text");
    assert!(
        text.contains("Until now:") && text.contains("New:") && text.contains("What you can do:"),
        "{text}"
    );
    let names: Vec<String> = mail.attachments.iter().map(|file| file.name.clone()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let after = calendar(&alice, &reference).await;
    assert_eq!(sequence(&after), sequence(&before) + 1);
    assert_ne!(starts(&after), starts(&before));
    assert!(after.contains("STATUS:CONFIRMED"));
    alice.get(&format!("/bookings/{reference}")).await.expect(200).says("Airline changed the times");
    assert_eq!(receiver.kinds(), ["booking.changed"]);
    assert_eq!(receiver.calls()[0].json()["data"]["change"]["kind"], "rescheduled");
    assert_eq!(app.attention().await, ["airline_change"]);

    // Looked at again the next day, and the day after: nothing new.
    for _ in 0..2 {
        app.advance(SignedDuration::from_hours(25)).await;
        look(&app).await;
    }
    assert_eq!(app.count("outbox where kind = 'check_flights'").await, 3);
    assert_eq!(app.mails().await.iter().filter(|kind| *kind == "airline_change").count(), 1);
    assert_eq!(receiver.calls().len(), 1);
    // What was accepted is still what was accepted.
    let kept = "bookings where quote -> 'slices' <> airline_change -> 'flights' -> 'rescheduled' and quote_hash <> ''";
    assert_eq!(app.count(kept).await, 1);

    // Another change of the same flights is another letter.
    app.supplier().set_change(Some(Change::Later(120)));
    app.advance(SignedDuration::from_hours(25)).await;
    look(&app).await;
    assert_eq!(app.mails().await.iter().filter(|kind| *kind == "airline_change").count(), 2);
    let alice = app.sign_in(crate::helpers::app::ALICE).await;
    assert_eq!(sequence(&calendar(&alice, &reference).await), sequence(&before) + 2);
    app.finish().await;
}

#[tokio::test]
async fn flights_that_are_not_flown_are_struck_from_the_calendar_and_nobody_travels_with_the_paper() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = confirmed_for(&app, &alice, "Flightcancelled").await;
    look(&app).await;
    let mail =
        app.mailbox.list().into_iter().find(|mail| mail.subject.contains("has cancelled your flights"));
    assert!(mail.expect("a letter").text.expect("a text").contains("Not flown:"));
    let calendar = calendar(&alice, &reference).await;
    assert!(calendar.contains("STATUS:CANCELLED") && !calendar.contains("STATUS:CONFIRMED"));
    let paper = alice.get(&format!("/bookings/{reference}/itinerary")).await.expect(200);
    paper.says("Not valid for travel. The airline does not fly these flights.");
    let page = alice.get(&format!("/bookings/{reference}")).await.expect(200);
    page.says("Airline cancelled your flights");
    assert_eq!(app.attention().await, ["airline_change"]);
    // The money is a person's matter: nothing is cancelled or refunded by itself.
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    app.finish().await;
}

#[tokio::test]
async fn of_several_flights_the_one_that_is_not_flown_is_named_and_struck_and_the_others_stand() {
    let app = TestApp::start().await;
    let receiver = Receiver::start().await;
    let carol = app.carol().await;
    carol.post_form("/admin/hooks", &[("url", &receiver.url)]).await.redirect();
    let alice = app.alice().await;
    let reference = confirmed_of(&app, &alice, RETURN, "Lastcancelled").await;
    let before = calendar(&alice, &reference).await;
    let entries = before.matches("BEGIN:VEVENT").count();
    assert!(entries >= 2 && !before.contains("STATUS:CANCELLED"));
    receiver.forget();
    look(&app).await;

    let mail = app.mailbox.list().into_iter().find(|mail| mail.subject.contains("has changed your flights"));
    let text = mail.expect("a letter").text.expect("a text");
    assert_eq!((text.matches("Not flown:").count(), text.matches("New:").count()), (1, 0), "{text}");
    let after = calendar(&alice, &reference).await;
    assert_eq!(after.matches("BEGIN:VEVENT").count(), entries);
    assert_eq!(after.matches("STATUS:CANCELLED").count(), 1);
    assert_eq!(after.matches("STATUS:CONFIRMED").count(), entries - 1);
    // Each entry is the one that it was.
    let ids = |calendar: &str| -> Vec<String> {
        calendar.lines().filter(|line| line.starts_with("UID:")).map(str::to_owned).collect()
    };
    assert_eq!(ids(&after), ids(&before));
    let page = alice.get(&format!("/bookings/{reference}")).await.expect(200);
    page.says("Airline changed your flights");
    let paper = alice.get(&format!("/bookings/{reference}/itinerary")).await.expect(200);
    assert!(!paper.body.contains("Not valid for travel"));
    carol.get(&format!("/admin/bookings/{reference}")).await.expect(200);
    assert_eq!(receiver.calls()[0].json()["data"]["change"]["kind"], "replaced");
    assert_eq!(app.attention().await, ["airline_change"]);
    app.finish().await;
}

#[tokio::test]
async fn flights_are_not_asked_for_when_nobody_is_to_fly_them_and_a_silent_supplier_is_asked_again() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.draft(&alice).await;
    look(&app).await;
    assert_eq!(app.count("outbox where kind = 'check_flights'").await, 0);
    let reference = app.confirmed(&alice).await;
    app.supplier().set_search_down(true);
    app.supplier().set_change(Some(Change::Cancelled));
    look(&app).await;
    assert_eq!(app.state(&reference).await.supplier, "ordered");
    app.supplier().set_search_down(false);
    app.advance(SignedDuration::from_mins(2)).await;
    assert_eq!(app.state(&reference).await.supplier, "changed_by_airline");
    // Gone by: nobody is told of what was.
    app.advance(SignedDuration::from_hours(24 * 60)).await;
    look(&app).await;
    assert_eq!(app.count("outbox where kind = 'check_flights' and state = 'ready'").await, 0);
    assert_eq!(app.mails().await.iter().filter(|kind| *kind == "airline_change").count(), 1);
    app.finish().await;
}
