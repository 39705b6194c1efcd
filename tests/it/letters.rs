//! Letters that something causes: a hold that nearly runs out, a refund on its way, a second factor, claimed bookings, and
//! money that needs a person.

use jetbridge::{
    accounts::second_factor,
    sandbox::{
        mailbox::Mail,
        stripe::{Fault, Mode},
    },
};
use jiff::SignedDuration;

use crate::helpers::{
    app::{ALICE, TestApp},
    story::{DECLINED_CARD, GOOD_CARD},
};

/// The text of the newest mail, on one line.
fn newest(app: &TestApp) -> (Mail, String) {
    let mail = app.mailbox.list().into_iter().next().expect("a mail");
    let text = mail.text.clone().expect("a text");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('\u{a0}', " ");
    (mail, text)
}

#[tokio::test]
async fn somebody_who_has_not_paid_is_reminded_once_before_the_seats_go() {
    let app = TestApp::start().await;
    let (_alice, reference, session) = app.at_stripe("Duarte").await;
    let _declined = app.stripe.pay(&session.id, DECLINED_CARD);
    app.advance(SignedDuration::from_mins(24)).await;
    assert!(app.mails().await.is_empty());

    app.advance(SignedDuration::from_mins(1)).await;
    let (mail, text) = newest(&app);
    assert_eq!(
        mail.subject,
        format!("Not paid yet: booking {reference} is held until 23 Nov 2026, 09:45 (Lisbon time)")
    );
    assert!(text.contains("nobody has paid for them, and nothing was charged"), "{text}");
    assert!(text.contains(&format!("/bookings/{reference}")), "{text}");

    app.advance(SignedDuration::from_mins(30)).await;
    assert_eq!(app.mails().await, ["hold_lapsing", "hold_expired"]);
    app.settle().await;
    app.finish().await;
}

#[tokio::test]
async fn whoever_has_paid_or_given_up_is_not_reminded() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    let dropped = app.draft(&alice).await;
    app.press_pay(&alice, &dropped).await;
    let back = alice.get(&format!("/bookings/{dropped}/cancelled")).await.expect(200);
    alice.submit(&back, "form[action$='/drop']", &[]).await.redirect();
    app.settle().await;
    app.advance(SignedDuration::from_mins(40)).await;
    assert_eq!(app.mails().await, ["booking_confirmation", "payment_receipt"]);
    app.finish().await;
}

#[tokio::test]
async fn nobody_is_told_that_they_have_not_paid_while_stripe_is_silent() {
    let app = TestApp::start().await;
    let (_alice, reference, session) = app.at_stripe("Duarte").await;
    // Paid, and no event of it arrives: only asking would tell.
    app.stripe.set_delivery(Mode::Held);
    app.stripe.pay(&session.id, GOOD_CARD).expect("pays");
    app.stripe.outage(Some(Fault::Status(500)));
    app.advance(SignedDuration::from_mins(26)).await;
    assert!(app.mails().await.is_empty());
    app.stripe.outage(None);
    app.advance(SignedDuration::from_mins(3)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    assert_eq!(app.mails().await, ["booking_confirmation", "payment_receipt"]);
    app.finish().await;
}

#[tokio::test]
async fn the_agency_hears_once_of_money_that_needs_a_person() {
    let app = TestApp::start_with(&[("STAFF_EMAIL", "till@example.com")]).await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    let other = app.confirmed(&app.bob().await).await;
    let told = || {
        let all = app.mailbox.list().into_iter();
        all.filter(|mail| mail.envelope.to == ["till@example.com"]).collect::<Vec<_>>()
    };
    let give_all_back = async |of: &str| {
        let intent = app
            .texts(&format!(
                "select a.payment_intent_id from attempts a join bookings b on b.id = a.booking_id where b.booking_reference = '{of}'"
            ))
            .await;
        app.stripe.refund_in_dashboard(&intent[0], None).unwrap();
        app.settle().await;
    };
    give_all_back(&reference).await;
    app.advance(SignedDuration::from_secs(59)).await;
    assert!(told().is_empty(), "what comes together is told together");

    app.advance(SignedDuration::from_secs(1)).await;
    let mail = told().pop().expect("a mail");
    assert!(mail.subject.starts_with("Money at risk: "), "{}", mail.subject);
    let text = mail.text.expect("a text");
    assert!(
        text.contains("Refunded ticket live, since")
            && text.contains(&reference)
            && text.contains("/admin/attention"),
        "{reference} {text:?}"
    );
    for private in ["Duarte", "Maria", "maria@example.com"] {
        assert!(!text.contains(private), "{text}");
    }
    // The same finding at the next round is no second mail.
    give_all_back(&other).await;
    app.advance(SignedDuration::from_mins(5)).await;
    assert_eq!(told().len(), 2, "another finding is another mail");
    app.sweep().await;
    app.advance(SignedDuration::from_mins(5)).await;
    assert_eq!(told().len(), 2, "the same one at the next round is none");
    app.finish().await;
}

#[tokio::test]
async fn a_second_factor_that_comes_changes_or_goes_is_told_to_the_account() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.told_second_factor(&alice).await;
    app.run_jobs().await;
    let (mail, text) = newest(&app);
    assert_eq!((mail.subject.as_str(), mail.envelope.to[0].as_str()), ("A second factor was set up", ALICE));
    assert!(text.contains("On 23 Nov 2026, 09:00 UTC an authenticator app was set up"), "{text}");

    app.clock.advance(SignedDuration::from_secs(60));
    app.told_second_factor(&alice).await;
    app.run_jobs().await;
    assert_eq!(newest(&app).0.subject, "Your second factor was replaced");

    second_factor::reset(&app.db, ALICE, app.now()).await.unwrap();
    app.run_jobs().await;
    let (mail, text) = newest(&app);
    assert_eq!(mail.subject, "Your second factor was removed");
    assert!(text.contains("If it was not you: Somebody who knows your password did it."), "{text}");
    app.finish().await;
}
