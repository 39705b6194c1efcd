//! Refunds that Stripe could not pay, or has not paid yet: paid by hand with what proves it, once, and closed for good; and
//! told to whoever waits with the reason that Stripe gives.

use jetbridge::sandbox::stripe::{Endpoint, Fault};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    attention::open_item,
    helpers::{
        api::{code, pointers, post},
        app::{PASSWORD, TestApp},
        authenticator::Authenticator,
        browser::Browser,
        page::Page,
        story::{GOOD_CARD, euros},
    },
};

const FORM: &str = "form[action$='/payout']";
const PROOF: &str = "FT26327-0041";
const PAID: [(&str, &str); 3] = [("way", "bank_transfer"), ("paid_on", "2026-11-23"), ("proof", PROOF)];

pub struct Desk {
    pub app: TestApp,
    alice: Browser,
    pub finance: Browser,
    phone: Authenticator,
    reference: String,
    refund: String,
    /// At Stripe.
    stripe_refund: String,
    /// In cents.
    amount: i64,
}

impl Desk {
    /// Alice was charged at once and got no ticket: her money is on its way back. Somebody of finance has just shown a code.
    async fn refunding() -> Self {
        Self::with(TestApp::start().await).await
    }

    pub async fn with(app: TestApp) -> Self {
        let alice = app.alice().await;
        let reference = app.draft_for(&alice, "Soldout").await;
        let session = app.press_pay(&alice, &reference).await;
        app.stripe.tamper_session(&session.id, |session| session.capture_method = "automatic".to_owned());
        app.stripe.pay(&session.id, GOOD_CARD).unwrap();
        app.settle().await;
        let refund = app.texts("select id::text from refunds").await.remove(0);
        let stripe_refund = app.stripe.refunds()[0].id.clone();
        let finance = app.staff("finance").await;
        let phone = app.second_factor(&finance).await;
        Self { app, alice, finance, phone, reference, refund, stripe_refund, amount: session.amount }
    }

    /// And the bank has sent it back.
    pub async fn failed() -> Self {
        let desk = Self::refunding().await;
        desk.app.stripe.settle_refund(&desk.stripe_refund, "failed").unwrap();
        desk.app.settle().await;
        assert_eq!(desk.app.attention().await, ["refund_failed"]);
        desk
    }

    pub fn address(&self) -> String {
        format!("/admin/bookings/{}/refunds/{}/payout", self.reference, self.refund)
    }

    async fn record(&self, fields: &[(&str, &str)]) -> Page {
        self.finance.post_form(&self.address(), fields).await
    }

    pub async fn state(&self) -> String {
        self.app.texts(&format!("select state from refunds where id = '{}'", self.refund)).await.remove(0)
    }

    async fn booking(&self, staff: bool) -> Value {
        match staff {
            true => self.finance.get(&format!("/api/admin/bookings/{}", self.reference)).await,
            false => self.alice.get(&format!("/api/bookings/{}", self.reference)).await,
        }
        .expect(200)
        .json()
    }

    async fn books(&self) -> Vec<String> {
        self.app.balances().await
    }
}

#[tokio::test]
async fn u12_a_refund_that_the_bank_sent_back_is_paid_by_hand_and_closed_everywhere() {
    let desk = Desk::failed().await;
    let (app, amount) = (&desk.app, desk.amount);
    let item = desk.finance.get(&open_item(app, "refund_failed").await).await.expect(200);
    assert!(item.has(&format!("a[href='{}']", desk.address())));
    let booking = format!("/admin/bookings/{}", desk.reference);
    let page = desk.finance.get(&booking).await.expect(200);
    page.says("Failed: lost or stolen card");
    assert!(page.has(&format!("a[href='{}']", desk.address())));
    let page = desk.finance.get(&desk.address()).await.expect(200);
    page.says(&format!("EUR {} paid by hand", euros(amount))).says("lost or stolen card");
    let done = desk.finance.submit(&page, FORM, &PAID).await.redirect();
    assert_eq!(done, format!("{booking}?done=paid_by_hand"));
    app.settle().await;

    // The books: our bank paid it, and Stripe still has the money that it did not send.
    assert_eq!(desk.state().await, "paid_by_hand");
    assert_eq!(
        desk.books().await,
        [format!("agency_bank -{amount} EUR"), format!("stripe_clearing {amount} EUR")]
    );
    assert!(app.attention().await.is_empty());
    let resolved = "select resolved_reason from attention_items where resolved_by is not null";
    let paid = format!("by bank transfer on 23 Nov 2026, reference {PROOF}");
    assert_eq!(app.texts(resolved).await, [format!("Paid by hand: {paid}")]);
    let audited = "select concat_ws(' ', action, data->>'way', data->>'proof') from audit_log order by id";
    let expected = [format!("refund_paid_by_hand bank_transfer {PROOF}"), "attention_resolved".to_owned()];
    assert_eq!(app.texts(audited).await, expected);

    // Whoever is on the desk sees it, and cannot pay it once more.
    desk.finance.get(&done).await.expect(200).says("Recorded as paid by hand").says(&format!("Paid {paid}"));
    let again = desk.finance.get(&format!("{booking}/refund")).await.expect(200);
    assert!(!again.has("form[action$='/refund']"));
    again.says("All of it has gone back");
    let page = desk.finance.get(&desk.address()).await.expect(200);
    page.says("This refund is recorded as paid already").says(&paid);
    assert!(!page.has(FORM));

    // The traveller reads it, on the page, by mail and in the export.
    let hers = format!("/bookings/{}", desk.reference);
    desk.alice.get(&hers).await.expect(200).says("went back to you").says(&format!("Paid {paid}."));
    assert_eq!(app.mails().await, ["not_ticketed", "refund_paid", "refund_failed", "refund_paid_by_hand"]);
    let mail = app.mailbox.list().remove(0);
    let subject = format!("Paid to you by bank transfer: EUR {}, booking {}", euros(amount), desk.reference);
    assert_eq!(mail.subject, subject);
    let text = mail.text.unwrap();
    assert!(text.contains("on 23 November 2026") && text.contains(PROOF), "{text}");
    let told = json!({ "way": "bank_transfer", "paid_on": "2026-11-23", "proof": PROOF });
    for staff in [true, false] {
        let refund = desk.booking(staff).await["refunds"][0].clone();
        assert_eq!((&refund["state"], &refund["paid_by_hand"]), (&json!("paid_by_hand"), &told), "{staff}");
    }
    let export = desk.alice.post_form("/account/export", &[("password", PASSWORD)]).await.expect(200).json();
    assert_eq!(export["bookings"][0]["refunds"][0]["paid_by_hand"], told);

    // Stripe's word once more, the rounds and the nightly look into Stripe's books change nothing.
    app.stripe.settle_refund(&desk.stripe_refund, "failed").unwrap();
    app.settle().await;
    for _ in 0..2 {
        app.advance(SignedDuration::from_hours(24)).await;
        app.settle().await;
        app.sweep().await;
        app.settle().await;
    }
    assert_eq!((desk.state().await.as_str(), app.count("refunds").await), ("paid_by_hand", 1));
    assert!(app.attention().await.is_empty(), "{:?}", app.attention().await);
    desk.app.finish().await;
}

#[tokio::test]
async fn of_two_who_record_it_at_once_one_does_and_the_other_is_told_what_stands() {
    let desk = Desk::failed().await;
    let owner = desk.app.staff("owner").await;
    desk.app.second_factor(&owner).await;
    let (address, theirs) =
        (desk.address(), [("way", "cash"), ("paid_on", "2026-11-23"), ("proof", "receipt 7")]);
    let (one, two) = tokio::join!(desk.record(&PAID), owner.post_form(&address, &theirs));
    let (late, winner, mine) = match (one.status.as_u16(), two.status.as_u16()) {
        (303, 409) => (two, &desk.finance, PAID),
        (409, 303) => (one, &owner, theirs),
        both => panic!("{both:?}"),
    };
    late.says(&format!("EUR {} was paid", euros(desk.amount)))
        .says(&format!("reference {}", mine[2].1))
        .says("EUR 0.00 is left")
        .says("anything sent after that is not kept");
    // Pressed twice it is the same word; another word is none.
    winner.post_form(&address, &mine).await.redirect();
    winner.post_form(&address, &[mine[0], mine[1], ("proof", "another")]).await.expect(409);
    desk.app.settle().await;
    assert_eq!(desk.app.texts("select proof from refund_payouts").await, [mine[2].1]);
    assert_eq!(desk.app.count("mails where kind = 'refund_paid_by_hand'").await, 1);
    assert_eq!(desk.app.count("audit_log where action = 'refund_paid_by_hand'").await, 1);
    desk.app.finish().await;
}

#[tokio::test]
async fn only_who_may_refund_and_has_just_shown_a_code_records_it() {
    let desk = Desk::failed().await;
    for role in ["viewer", "agent"] {
        let browser = desk.app.staff(role).await;
        desk.app.second_factor(&browser).await;
        browser.get(&desk.address()).await.expect(403);
        browser
            .post_form(&desk.address(), &PAID)
            .await
            .expect(403)
            .says("Only finance and owner may refund money");
        let page = browser.get(&format!("/admin/bookings/{}", desk.reference)).await.expect(200);
        assert!(!page.has("a[href$='/payout']"), "{role}");
    }
    desk.alice.post_form(&desk.address(), &PAID).await.expect(403);
    desk.app.staff("owner").await.post_form(&desk.address(), &PAID).await.expect(403).says("second factor");
    // An old proof is asked for again, and what was sent meanwhile is not done.
    desk.app.clock.advance(SignedDuration::from_mins(5));
    // As every browser does.
    desk.finance.set_header("referer", desk.app.url.join(&desk.address()).unwrap().as_str());
    let to = desk.record(&PAID).await.redirect();
    assert!(to.starts_with("/reauthenticate?next=") && to.ends_with("%2Fpayout%3Fdone%3Dagain"), "{to}");
    desk.finance.post_form("/reauthenticate", &[("password", PASSWORD)]).await.expect(422);
    let form = desk.finance.get(&to).await.expect(200);
    let proof = [("code", desk.phone.code(desk.app.now()))];
    let proof: Vec<(&str, &str)> = proof.iter().map(|(name, code)| (*name, code.as_str())).collect();
    let page = desk.finance.submit(&form, "main form", &proof).await;
    let page = desk.finance.follow(page).await.expect(200);
    page.says("Nothing was done yet");
    assert_eq!(desk.app.count("refund_payouts").await, 0);
    desk.finance.submit(&page, FORM, &PAID).await.redirect();
    desk.app.settle().await;
    assert_eq!(desk.state().await, "paid_by_hand");
    desk.app.finish().await;
}

#[tokio::test]
async fn what_has_not_failed_or_is_not_of_this_booking_is_not_paid_by_hand() {
    let desk = Desk::refunding().await;
    let page = desk.finance.get(&desk.address()).await.expect(200);
    assert!(!page.has(FORM));
    page.says("This refund has not failed").says("Stripe has paid it");
    desk.record(&PAID).await.expect(409).says("Nothing was recorded");
    // Of another booking, and of none.
    let other = desk.app.draft(&desk.alice).await;
    for address in [
        format!("/admin/bookings/{other}/refunds/{}/payout", desk.refund),
        format!("/admin/bookings/{}/refunds/01900000-0000-7000-8000-000000000000/payout", desk.reference),
        format!("/admin/bookings/{}/refunds/nonsense/payout", desk.reference),
        format!("/admin/bookings/ACDEFG/refunds/{}/payout", desk.refund),
    ] {
        desk.finance.get(&address).await.expect(404);
        desk.finance.post_form(&address, &PAID).await.expect(404);
        post(&desk.finance, &format!("/api{address}"), json!({})).await.expect(404);
    }
    assert_eq!((desk.state().await.as_str(), desk.app.count("refund_payouts").await), ("succeeded", 0));
    desk.app.finish().await;
}

#[tokio::test]
async fn a_refund_that_stripe_may_still_send_or_that_went_another_way_is_not_paid_by_hand() {
    let app = TestApp::start().await;
    app.stripe.make_refunds_wait(Some("insufficient_funds")).unwrap();
    let desk = Desk::with(app).await;
    desk.record(&PAID).await.expect(409).says("Stripe may still pay it");
    desk.app.stripe.settle_refund(&desk.stripe_refund, "failed").unwrap();
    desk.app.stripe.make_refunds_wait(None).unwrap();
    desk.app.settle().await;
    // Somebody refunds again instead: now it is on its way by the card.
    let address = format!("/admin/bookings/{}/refund", desk.reference);
    let page = desk.finance.get(&address).await.expect(200);
    let why = [("how", "all"), ("reason", "goodwill"), ("note", "")];
    let review = desk.finance.submit(&page, "form[action$='/refund']", &why).await.expect(200);
    desk.finance.submit(&review, "form[action$='/refund/confirm']", &[]).await.redirect();
    desk.record(&PAID).await.expect(409).says("All of it has gone back").says("Nothing was recorded");
    desk.app.settle().await;
    assert!(desk.books().await.is_empty());
    assert_eq!(desk.state().await, "failed");
    desk.app.finish().await;
}

#[tokio::test]
async fn a_part_that_failed_and_went_back_with_another_refund_is_not_owed_any_more() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    let finance = app.staff("finance").await;
    app.second_factor(&finance).await;
    let refund = async |amount: &str| {
        let page = finance.get(&format!("/admin/bookings/{reference}/refund")).await.expect(200);
        let form = [("how", "part"), ("amount", amount), ("reason", "goodwill"), ("note", "")];
        let review = finance.submit(&page, "form[action$='/refund']", &form).await.expect(200);
        finance.submit(&review, "form[action$='/refund/confirm']", &[]).await.redirect();
        app.settle().await;
    };
    app.stripe.fault(Endpoint::CreateRefund, Fault::Status(402));
    refund("20").await;
    let failed = app.texts("select id::text from refunds where state = 'failed'").await.remove(0);
    let address = format!("/admin/bookings/{reference}/refunds/{failed}/payout");
    assert!(finance.get(&address).await.expect(200).has(FORM));
    refund("50").await;
    let page = finance.post_form(&address, &PAID).await.expect(409);
    page.says("What failed has gone back another way since").says("Nothing was recorded");
    assert_eq!(app.count("refund_payouts").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn of_a_refund_that_failed_and_that_the_dashboard_has_sent_in_part_the_desk_says_what_is_still_owed() {
    let desk = Desk::failed().await;
    let intent = desk.app.stripe.intents()[0].id.clone();
    desk.app.stripe.refund_in_dashboard(&intent, Some(700)).unwrap();
    desk.app.settle().await;
    let page = desk.record(&PAID).await.expect(409);
    let owed = format!("EUR {} can still be owed", euros(desk.amount - 700));
    page.says("Not all of this is owed any more").says(&owed).says("Nothing was recorded");
    assert!(!page.has(FORM));
    // By the way that it names.
    let address = format!("/admin/bookings/{}/refund", desk.reference);
    let page = desk.finance.get(&address).await.expect(200);
    let why = [("how", "all"), ("reason", "goodwill"), ("note", "")];
    let review = desk.finance.submit(&page, "form[action$='/refund']", &why).await.expect(200);
    desk.finance.submit(&review, "form[action$='/refund/confirm']", &[]).await.redirect();
    desk.app.settle().await;
    desk.record(&PAID).await.expect(409).says("All of it has gone back");
    assert!(desk.books().await.is_empty());
    desk.app.finish().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_beside_the_field_and_what_was_typed_is_kept() {
    let desk = Desk::failed().await;
    let long = "x".repeat(201);
    let markup = "<script>alert(1)</script>\"'";
    for (field, typed) in [
        ("proof", ""),
        ("proof", "  "),
        ("proof", long.as_str()),
        ("proof", "a\u{202e}b"),
        ("proof", "a\nb"),
        ("way", ""),
        ("way", "gold"),
        ("paid_on", ""),
        ("paid_on", "23.11.2026"),
        ("paid_on", "2026-02-30"),
        // To come, and long before anybody had asked.
        ("paid_on", "2026-11-24"),
        ("paid_on", "2026-11-20"),
    ] {
        let mut fields = vec![("way", "cash"), ("paid_on", "2026-11-23"), ("proof", markup)];
        fields.retain(|(name, _)| *name != field);
        fields.push((field, typed));
        let page = desk.record(&fields).await.expect(422);
        if field == "way" {
            page.says("Choose how it was paid");
        } else {
            assert!(!page.field_error(field).is_empty(), "{field} {typed:?}");
            assert_eq!(page.value(FORM, "way"), "cash", "{field} {typed:?}");
        }
        if field != "proof" {
            assert_eq!(page.value(FORM, "proof"), markup, "{field} {typed:?}");
        }
        assert_eq!(desk.state().await, "failed", "{field} {typed:?}");
    }
    // Hostile, but a text like any other.
    desk.record(&[("way", "other"), ("paid_on", "2026-11-23"), ("proof", markup)]).await.redirect();
    desk.app.settle().await;
    let page = desk.alice.get(&format!("/bookings/{}", desk.reference)).await.expect(200);
    page.says(&format!("another way than by card on 23 Nov 2026, reference {markup}"));
    desk.app.finish().await;
}

#[tokio::test]
async fn programs_of_staff_record_it_by_the_same_rules() {
    let desk = Desk::failed().await;
    let address = format!("/api{}", desk.address());
    let wrong = json!({ "way": "gold", "paid_on": "tomorrow" });
    let refused = post(&desk.finance, &address, wrong).await.expect(422);
    assert_eq!(pointers(&refused), ["/way", "/paid_on", "/proof"]);
    let paid = json!({ "way": "cash", "paid_on": "2026-11-23", "proof": "receipt 7" });
    let made = post(&desk.finance, &address, paid.clone()).await.expect(201);
    assert_eq!(made.header("location"), Some(format!("/api/admin/bookings/{}", desk.reference).as_str()));
    assert_eq!(
        (&made.json()["paid_by_hand"], made.json()["amount"]["minor"].as_i64()),
        (&paid, Some(desk.amount))
    );
    post(&desk.finance, &address, paid.clone()).await.expect(201);
    let mut other = paid;
    other["proof"] = json!("receipt 8");
    assert_eq!(code(&post(&desk.finance, &address, other).await.expect(409)), "paid_already");
    desk.app.settle().await;
    assert_eq!(desk.app.count("mails where kind = 'refund_paid_by_hand'").await, 1);
    desk.app.finish().await;
}

#[tokio::test]
async fn u12_a_refund_that_waits_is_shown_with_its_reason_to_both() {
    let app = TestApp::start().await;
    app.stripe.make_refunds_wait(Some("insufficient_funds")).unwrap();
    let desk = Desk::with(app).await;
    let (hers, ours) =
        (format!("/bookings/{}", desk.reference), format!("/admin/bookings/{}", desk.reference));
    assert_eq!(desk.state().await, "pending");
    desk.finance.get(&ours).await.expect(200).says("Stripe waits: insufficient funds");
    let balance =
        "The bank has not taken it yet: our account at the payment service has to be filled up first";
    desk.alice.get(&hers).await.expect(200).says("You get back").says(balance);
    for staff in [true, false] {
        assert_eq!(
            desk.booking(staff).await["refunds"][0]["pending_reason"],
            "insufficient_funds",
            "{staff}"
        );
    }
    // Another reason is news, the same one is none.
    for _ in 0..2 {
        desk.app.stripe.settle_refund_for(&desk.stripe_refund, "pending", "charge_pending").unwrap();
        desk.app.settle().await;
    }
    desk.finance.get(&ours).await.expect(200).says("Stripe waits: charge pending");
    desk.alice.get(&hers).await.expect(200).says("your payment has to be settled there first");
    assert_eq!(desk.app.count("booking_events where kind = 'refund_pending'").await, 2);
    assert!(desk.app.attention().await.is_empty());

    desk.app.stripe.make_refunds_wait(None).unwrap();
    desk.app.settle().await;
    assert!(desk.books().await.is_empty());
    let page = desk.alice.get(&hers).await.expect(200);
    page.says("went back to you");
    for staff in [true, false] {
        assert_eq!(desk.booking(staff).await["refunds"][0]["pending_reason"], Value::Null, "{staff}");
    }
    desk.app.finish().await;
}

#[tokio::test]
async fn what_a_person_is_paying_by_hand_is_promised_to_nobody_else() {
    let desk = Desk::failed().await;
    // Another payment of the booking comes, and sends somebody to look after all its money.
    desk.app
        .execute(&format!(
            "insert into outbox (kind, subject, due_at, created_at)
             select 'return_money', id::text, '{now}', '{now}' from bookings",
            now = desk.app.now()
        ))
        .await;
    desk.app.settle().await;
    assert_eq!(desk.app.texts("select state from refunds").await, ["failed"]);
    desk.finance.post_form(&desk.address(), &PAID).await.redirect();
    desk.app.settle().await;
    assert_eq!(desk.app.texts("select state from refunds").await, ["paid_by_hand"]);
    desk.app.finish().await;
}
