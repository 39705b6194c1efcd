//! Money that staff give back: what moves, what is refused, and what two people at once come to.

use jetbridge::{
    money::{Currency, Money},
    payments::{NewRefund, Payments, StripeSettings},
    sandbox::stripe::{Endpoint, Fault},
};
use jiff::SignedDuration;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};

use super::helpers::{
    app::{PASSWORD, TestApp},
    authenticator::Authenticator,
    browser::Browser,
    page::Page,
    story::{GOOD_CARD, euros},
};

const STEP_1: &str = "form[action$='/refund']";
const STEP_2: &str = "form[action$='/refund/confirm']";

struct Till {
    app: TestApp,
    alice: Browser,
    finance: Browser,
    phone: Authenticator,
    reference: String,
    /// What alice paid, in cents.
    paid: i64,
}

impl Till {
    /// Alice has paid and has tickets; somebody of finance has just shown a code.
    async fn open() -> Self {
        let app = TestApp::start().await;
        let alice = app.alice().await;
        let reference = app.confirmed(&alice).await;
        let finance = app.staff("finance").await;
        let phone = app.second_factor(&finance).await;
        let paid = app.texts("select captured_minor::text from attempts").await[0].parse().unwrap();
        Self { app, alice, finance, phone, reference, paid }
    }

    fn address(&self) -> String {
        format!("/admin/bookings/{}/refund", self.reference)
    }

    async fn step_1(&self) -> Page {
        self.finance.get(&self.address()).await.expect(200)
    }

    /// Up to the page that asks for the decision.
    async fn review(&self, how: &str, amount: &str) -> Page {
        let page = self.step_1().await;
        let form = [("how", how), ("amount", amount), ("reason", "goodwill"), ("note", "a long wait")];
        self.finance.submit(&page, STEP_1, &form).await
    }

    async fn refund(&self, how: &str, amount: &str) {
        let review = self.review(how, amount).await.expect(200);
        self.finance.submit(&review, STEP_2, &[]).await.redirect();
    }

    /// The texts of the mails with this subject.
    fn letters(&self, subject: &str) -> Vec<String> {
        let mails = self.app.mailbox.list();
        let about = mails.into_iter().filter(|mail| mail.subject.contains(subject));
        about.filter_map(|mail| mail.text).collect()
    }

    async fn refunds(&self) -> Vec<String> {
        self.app.texts("select amount_minor || ' ' || state from refunds order by created_at, id").await
    }
}

#[tokio::test]
async fn u16_while_a_bank_only_asks_money_can_go_back_and_not_when_it_is_in_earnest() {
    let till = Till::open().await;
    let intent = till.app.stripe.intents().remove(0);
    let inquiry = till.app.stripe.inquire(&intent.id).unwrap();
    till.app.settle().await;
    till.refund("amount", "50").await;
    till.app.settle().await;
    assert_eq!(till.app.stripe.refunds().iter().map(|refund| refund.amount).collect::<Vec<_>>(), [5_000]);
    assert_eq!(till.app.texts("select state from refunds").await, ["succeeded"]);
    till.app.stripe.escalate_inquiry(&inquiry).unwrap();
    till.app.settle().await;
    till.step_1().await.says("This booking is in dispute");
    till.app.finish().await;
}

#[tokio::test]
async fn a_part_goes_back_and_everybody_concerned_hears_of_it() {
    let till = Till::open().await;
    let review = till.review("part", "20.00").await.expect(200);
    review
        .says("EUR 20.00")
        .says("Visa ending 4242")
        .says("Goodwill: a long wait")
        .says(&euros(till.paid - 2_000));
    assert!(!review.words().contains("can still be flown"));
    assert!(till.refunds().await.is_empty(), "nothing moves before the decision");
    till.finance.submit(&review, STEP_2, &[]).await.redirect();
    till.app.settle().await;
    assert_eq!(till.refunds().await, ["2000 succeeded"]);
    assert_eq!(
        till.app.balances().await,
        [
            "agency_revenue 2000 EUR".to_owned(),
            format!("stripe_clearing {} EUR", till.paid - 2_000),
            format!("supplier_payable -{} EUR", till.paid),
        ]
    );
    let told = ["booking_confirmation", "payment_receipt", "money_returned", "refund_paid"];
    assert_eq!(till.app.mails().await, told);
    assert_eq!(till.letters("Refunded: EUR 20.00 for booking").len(), 1);
    assert_eq!(till.letters("EUR 20.00 goes back to you").len(), 1);
    assert!(till.app.attention().await.is_empty());
    let told =
        "select concat_ws(' ', action, data->>'amount_minor', data->>'reason', data->>'note') from audit_log";
    assert_eq!(till.app.texts(told).await, ["refund_requested 2000 goodwill a long wait"]);
    let events = "select actor from booking_events where kind = 'refund_requested'";
    assert_eq!(till.app.texts(events).await, ["staff"]);
    let page = till.alice.get(&format!("/bookings/{}", till.reference)).await.expect(200);
    page.says("Refund granted").says("EUR 20.00").says("Refunded");
    till.app.finish().await;
}

#[tokio::test]
async fn all_of_it_warns_of_the_live_ticket_and_calls_a_person() {
    let till = Till::open().await;
    till.refund("part", "1").await;
    till.app.settle().await;
    let review = till.review("all", "").await.expect(200);
    review.says("The tickets can still be flown").says(&euros(till.paid - 100));
    till.finance.submit(&review, STEP_2, &[]).await.redirect();
    till.app.settle().await;
    assert_eq!(till.app.attention().await, ["refunded_ticket_live"]);
    assert_eq!(till.app.state(&till.reference).await.booking, "confirmed");
    till.step_1().await.says("Nothing can be refunded here now").says("All of it has gone back");
    let letters = till.letters(&format!("EUR {} goes back to you", euros(till.paid - 100)));
    assert!(
        letters[0]
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .contains("all that you paid has gone back")
    );
    till.app.finish().await;
}

#[tokio::test]
async fn u13_a_question_that_arrives_after_somebody_else_has_put_it_again_pays_no_part_twice() {
    let till = Till::open().await;
    till.app.stripe.fault(Endpoint::CreateRefund, Fault::TimeoutBefore);
    till.refund("part", "20.00").await;
    till.app.settle().await;
    till.app.advance(SignedDuration::from_mins(5)).await;
    till.app.settle().await;
    assert_eq!(till.refunds().await, ["2000 succeeded"]);

    // Nobody knows where the first question was all the time: a worker that hung with it, or the network. Here it comes.
    let asked = till.app.stripe.calls();
    let first = asked.iter().find(|call| call.endpoint == Endpoint::CreateRefund).unwrap();
    let settings = StripeSettings {
        secret_key: till.app.stripe.secret_key(),
        api_url: Some(till.app.stripe.base_url().parse().unwrap()),
        webhook_secrets: Vec::new(),
    };
    let made = till.app.texts("select concat_ws(' ', id, booking_id) from refunds").await.remove(0);
    let (refund, booking) = made.split_once(' ').unwrap();
    let late = NewRefund {
        refund: refund.parse().unwrap(),
        booking: booking.parse().unwrap(),
        payment_intent: till.app.stripe.intents()[0].id.clone(),
        amount: Money::new(2_000, Currency::Eur),
        idempotency_key: first.idempotency_key.clone().unwrap(),
    };
    let payments = Payments::new(&settings, till.app.clock.clone()).unwrap();
    payments.refund(&late).await.expect("the answer of then");
    till.app.settle().await;
    assert_eq!(till.app.stripe.refunds().len(), 1);
    till.app.finish().await;
}

#[tokio::test]
async fn the_same_decision_sent_again_and_again_is_one_refund() {
    let till = Till::open().await;
    let review = till.review("part", "20").await.expect(200);
    let send = || till.finance.submit(&review, STEP_2, &[]);
    let three = tokio::join!(send(), send(), send());
    for page in [three.0, three.1, three.2] {
        page.redirect();
    }
    till.app.settle().await;
    send().await.redirect();
    // The same decision with another amount is none.
    let other = till.finance.submit(&review, STEP_2, &[("amount", "30.00")]).await;
    other.expect(409).says("figures have changed");
    till.app.settle().await;
    assert_eq!(till.refunds().await, ["2000 succeeded"]);
    assert_eq!(till.app.stripe.refunds().len(), 1);
    assert_eq!(till.app.count("audit_log").await, 1);
    till.app.finish().await;
}

#[tokio::test]
async fn u15_of_two_staff_at_once_one_refunds_and_the_other_sees_the_present_figures() {
    let till = Till::open().await;
    let owner = till.app.staff("owner").await;
    till.app.second_factor(&owner).await;
    let one = till.review("all", "").await.expect(200);
    let page = owner.get(&till.address()).await.expect(200);
    let form = [("how", "part"), ("amount", "25.50"), ("reason", "schedule_change"), ("note", "")];
    let two = owner.submit(&page, STEP_1, &form).await.expect(200);
    let (one, two) = tokio::join!(till.finance.submit(&one, STEP_2, &[]), owner.submit(&two, STEP_2, &[]));
    let late = match (one.status.as_u16(), two.status.as_u16()) {
        (303, 409) => two,
        (409, 303) => one,
        both => panic!("{both:?}"),
    };
    let refunded: i64 = till.app.texts("select amount_minor::text from refunds").await[0].parse().unwrap();
    late.says(&format!("EUR {} is left", euros(till.paid - refunded))).says("This refund was not made");
    assert!(late.has(&format!("a[href='/admin/bookings/{}']", till.reference)));
    till.app.settle().await;
    assert_eq!(till.app.count("refunds").await, 1);
    till.app.finish().await;
}

#[tokio::test]
async fn amounts_that_are_none_or_too_much_are_told_beside_the_field() {
    let till = Till::open().await;
    let too_much = euros(till.paid + 1);
    for amount in [
        "",
        " ",
        "0",
        "0.00",
        "-5",
        "+5",
        "1e3",
        "1,000.00",
        "20,50",
        "20.505",
        "NaN",
        "٢٠",
        "'; --",
        "0x10",
        "99999999999999999999999",
        "9223372036854775807",
        &too_much,
        &"9".repeat(20_000),
    ] {
        let page = till.review("part", amount).await.expect(422);
        assert!(!page.field_error("amount").is_empty(), "{amount}");
    }
    let page = till.step_1().await;
    for (field, value) in
        [("reason", "because"), ("reason", ""), ("note", "a\0b"), ("note", &"x".repeat(301))]
    {
        let mut form = vec![("how", "part"), ("amount", "5"), ("reason", "goodwill"), ("note", "")];
        form.retain(|(name, _)| *name != field);
        form.push((field, value));
        let page = till.finance.submit(&page, STEP_1, &form).await.expect(422);
        assert!(!page.field_error(field).is_empty(), "{field} {value}");
        assert_eq!(page.value(STEP_1, "amount"), "5", "what was typed is kept");
    }
    let other = [("how", "part"), ("amount", "5"), ("reason", "other"), ("note", "")];
    till.finance.submit(&page, STEP_1, &other).await.expect(422).field_error("note");
    // Whoever writes their own decision is held to the same figures.
    let review = till.review("part", "5").await.expect(200);
    for (field, value, status) in [
        ("amount", too_much.as_str(), 422),
        ("amount", "0", 422),
        ("amount", "x", 422),
        ("seen_left", "1.00", 409),
        ("seen_left", "x", 422),
        ("attempt", "00000000-0000-7000-8000-000000000000", 422),
        ("refund", "x", 422),
        ("reason", "x", 422),
    ] {
        till.finance.submit(&review, STEP_2, &[(field, value)]).await.expect(status);
    }
    assert_eq!(till.app.count("refunds").await, 0);
    assert_eq!(till.app.count("audit_log").await, 0);
    till.app.finish().await;
}

#[tokio::test]
async fn money_of_another_booking_is_out_of_reach() {
    let till = Till::open().await;
    let bob = till.app.bob().await;
    let his = till.app.confirmed(&bob).await;
    let review = till.review("part", "5").await.expect(200);
    let elsewhere = review.submission(STEP_2);
    let fields: Vec<(&str, &str)> =
        elsewhere.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    till.finance.post_form(&format!("/admin/bookings/{his}/refund/confirm"), &fields).await.expect(422);
    for reference in ["ACDEFG", "nonsense"] {
        let address = format!("/admin/bookings/{reference}/refund");
        till.finance.get(&address).await.expect(404);
        till.finance.post_form(&format!("{address}/confirm"), &fields).await.expect(404);
    }
    assert_eq!(till.app.count("refunds").await, 0);
    till.app.finish().await;
}

#[tokio::test]
async fn what_is_not_charged_frozen_in_dispute_or_refunded_elsewhere_is_refused_with_its_reason() {
    let scenes = [
        ("update attempts set quarantined = 'amount'", "in quarantine"),
        (
            "insert into attention_items (kind, subject, booking_id, detail) select 'dispute', 'x', id, 'x' from bookings",
            "in dispute",
        ),
        (
            "insert into attention_items (kind, subject, booking_id, detail) select 'refund_not_ours', 'x', id, 'x' from bookings",
            "Stripe's dashboard",
        ),
        (
            "insert into outbox (kind, subject, due_at) select 'return_money', id::text, '2030-01-01' from bookings",
            "goes back by itself",
        ),
    ];
    for (scene, why) in scenes {
        let till = Till::open().await;
        let review = till.review("part", "5").await.expect(200);
        till.app.execute(scene).await;
        till.step_1().await.says("Nothing can be refunded here now").says(why);
        // Also for somebody who stood before the decision already.
        till.finance.submit(&review, STEP_2, &[]).await.expect(409).says("Nothing was refunded");
        assert_eq!(till.app.count("refunds").await, 0, "{why}");
        till.app.finish().await;
    }
}

#[tokio::test]
async fn before_the_charge_and_while_the_airline_is_asked_there_is_nothing_to_refund() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let finance = app.staff("finance").await;
    app.second_factor(&finance).await;
    let draft = app.draft(&alice).await;
    let page = finance.get(&format!("/admin/bookings/{draft}/refund")).await.expect(200);
    page.says("Nobody has paid for this booking");
    let (reference, session) = {
        let reference = app.draft_for(&alice, "Timeoutbefore").await;
        let session = app.press_pay(&alice, &reference).await;
        (reference, session)
    };
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    let page = finance.get(&format!("/admin/bookings/{reference}/refund")).await.expect(200);
    page.says("Nothing was charged there");
    app.advance(SignedDuration::from_secs(30)).await;
    app.settle().await;
    app.finish().await;
}

#[tokio::test]
async fn a_refund_that_fails_is_owed_and_can_be_granted_again() {
    let till = Till::open().await;
    till.app.stripe.fault(Endpoint::CreateRefund, Fault::Status(402));
    till.refund("part", "20").await;
    till.app.settle().await;
    assert_eq!(till.refunds().await, ["2000 failed"]);
    assert_eq!(till.app.attention().await, ["refund_failed"]);
    let balances = till.app.balances().await;
    assert!(balances.contains(&"customer_deposits -2000 EUR".to_owned()), "{balances:?}");
    // First from what is owed already, then from what is ours.
    till.refund("part", "30").await;
    till.app.settle().await;
    assert_eq!(till.refunds().await, ["2000 failed", "3000 succeeded"]);
    assert_eq!(
        till.app.balances().await,
        [
            "agency_revenue 3000 EUR".to_owned(),
            format!("stripe_clearing {} EUR", till.paid - 3_000),
            format!("supplier_payable -{} EUR", till.paid),
        ]
    );
    till.app.finish().await;
}

#[tokio::test]
async fn money_moves_only_by_power_second_factor_and_a_fresh_proof() {
    let till = Till::open().await;
    let review = till.review("part", "5").await.expect(200);
    let fields = review.submission(STEP_2).fields;
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let confirm = format!("{}/confirm", till.address());
    let steps = async |browser: &Browser, status: u16| {
        browser.get(&till.address()).await.expect(status);
        browser.post_form(&till.address(), &fields).await.expect(status);
        browser.post_form(&confirm, &fields).await.expect(status)
    };
    for role in ["viewer", "agent"] {
        let browser = till.app.staff(role).await;
        till.app.second_factor(&browser).await;
        steps(&browser, 403).await.says("Only finance and owner may refund money");
    }
    steps(&till.alice, 403).await;
    // A second factor is missing, and the page says where to get one.
    let owner = till.app.staff("owner").await;
    let page = steps(&owner, 403).await;
    assert!(page.has("a[href='/account/second-factor']"));
    owner.get("/admin/bookings").await.expect(200).says("You cannot refund money yet");
    // An old proof is asked for again.
    till.app.clock.advance(SignedDuration::from_mins(5));
    let to = till.finance.get(&till.address()).await.redirect();
    assert!(to.starts_with("/reauthenticate?next=%2Fadmin%2Fbookings%2F"), "{to}");
    let to = till.finance.post_form(&confirm, &fields).await.redirect();
    assert!(to.starts_with("/reauthenticate?next=") && to.ends_with("%2Frefund%3Finterrupted%3D1"), "{to}");
    till.finance.post_form("/reauthenticate", &[("password", PASSWORD)]).await.expect(422);
    assert_eq!(till.app.count("refunds").await, 0);
    let code = till.phone.code(till.app.now());
    till.finance.post_form("/reauthenticate", &[("code", &code)]).await.redirect();
    till.finance.submit(&review, STEP_2, &[]).await.redirect();
    // A role that is taken away counts before the page is reloaded.
    let review = till.review("part", "5").await.expect(200);
    till.app.execute("update auth.users set staff_role = 'agent' where email = 'finance@example.com'").await;
    till.finance.submit(&review, STEP_2, &[]).await.expect(403);
    till.app.settle().await;
    assert_eq!(till.refunds().await, ["500 succeeded"]);
    till.app.finish().await;
}

#[tokio::test]
async fn whatever_amounts_are_asked_for_in_a_row_never_more_goes_back_than_was_paid() {
    let till = Till::open().await;
    let mut runner = TestRunner::new(Config::default());
    let wishes = prop::collection::vec(1..=till.paid / 2, 8..14).new_tree(&mut runner).unwrap().current();
    let mut left = till.paid;
    for (place, wish) in wishes.iter().enumerate() {
        if place % 3 == 2 {
            till.app.stripe.fault(Endpoint::CreateRefund, Fault::Status(402));
        }
        let page = till.step_1().await;
        if !page.has(STEP_1) {
            break;
        }
        let review = till.review("part", &euros(*wish)).await;
        assert_eq!(review.status.as_u16(), if *wish <= left { 200 } else { 422 }, "{wishes:?} at {place}");
        if review.status == 200 {
            till.finance.submit(&review, STEP_2, &[]).await.redirect();
            till.app.settle().await;
        }
        let back = "select coalesce(sum(amount_minor), 0)::text from refunds where state <> 'failed'";
        left = till.paid - till.app.texts(back).await[0].parse::<i64>().unwrap();
        assert!(left >= 0, "{wishes:?} at {place}");
        assert!(till.app.breaches().await.is_empty(), "{wishes:?} at {place}");
    }
    let at_stripe: i64 = till
        .app
        .stripe
        .refunds()
        .iter()
        .filter(|refund| refund.status != "failed")
        .map(|refund| refund.amount)
        .sum();
    assert_eq!(at_stripe, till.paid - left, "{wishes:?}");
    till.app.finish().await;
}
