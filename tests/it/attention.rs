//! What needs a person: each next step does what it says, once, in somebody's name, and never around the books.

use jetbridge::sandbox::stripe::{Fault, Intent, Mode, Session};
use jetbridge::supplier::timetable::Fault as SupplierFault;
use jiff::SignedDuration;

use crate::helpers::{
    app::TestApp,
    browser::Browser,
    page::Page,
    story::{GOOD_CARD, euros},
};

pub const WHY: [(&str, &str); 1] = [("reason", "Looked at it in Stripe")];

pub async fn open_item(app: &TestApp, kind: &str) -> String {
    let open = format!(
        "select '/admin/attention/' || id from attention_items where kind = '{kind}' and resolved_at is null"
    );
    app.texts(&open).await.pop().unwrap_or_else(|| panic!("no open item of kind {kind}"))
}

async fn raise(app: &TestApp, kind: &str, subject: &str, detail: &str) -> String {
    let item = format!(
        "insert into attention_items (kind, subject, detail) values ('{kind}', '{subject}', '{detail}')"
    );
    app.execute(&item).await;
    open_item(app, kind).await
}

async fn audited(app: &TestApp) -> Vec<String> {
    app.texts("select action from audit_log order by id").await
}

async fn resolutions(app: &TestApp) -> Vec<String> {
    app.texts(
        "select u.email || ': ' || i.resolved_reason from attention_items i join auth.users u on u.id = i.resolved_by
          order by i.resolved_at, i.id",
    )
    .await
}

#[tokio::test]
async fn a_dead_job_runs_again_by_one_button_and_once_for_two() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    let attempt = app.texts("select id::text from attempts").await.remove(0);
    app.execute(&format!(
        "insert into outbox (kind, subject, state, due_at, tries, last_error, finished_at)
         values ('check_attempt', '{attempt}', 'dead', now(), 85, 'Stripe was away', now())"
    ))
    .await;
    let item = raise(&app, "job_dead", &format!("check_attempt:{attempt}"), "Stripe was away").await;
    let agent = app.staff("agent").await;
    let queue = agent.get("/admin/attention").await.expect(200);
    // What it is about is found, and how much hangs on it.
    queue.says(&reference).says("EUR");
    let act = format!("{item}/act");
    let viewer = app.staff("viewer").await;
    assert!(!viewer.get("/admin/attention").await.expect(200).has("form[action$='/act']"));
    viewer.post_form(&act, &[]).await.expect(403);
    alice.post_form(&act, &[]).await.expect(403);
    let (one, other) = tokio::join!(agent.post_form(&act, &[]), agent.post_form(&act, &[]));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409]);
    assert_eq!(app.count("outbox where kind = 'check_attempt' and state = 'ready'").await, 1);
    assert_eq!(app.count("outbox where state = 'dead'").await, 0);
    agent.get(&format!("{item}?done=ran")).await.expect(200).says("It runs again").says("agent@example.com");
    agent.post_form(&act, &[]).await.expect(409).says("Somebody has resolved this already");
    app.run_jobs().await;
    assert_eq!(resolutions(&app).await, ["agent@example.com: Gave the job all its tries again."]);
    assert_eq!(audited(&app).await, ["next_step_taken"]);
    app.finish().await;
}

#[tokio::test]
async fn a_button_whose_time_is_over_does_nothing_and_says_so() {
    let app = TestApp::start().await;
    let agent = app.staff("agent").await;
    // Nobody knows such a job, such a mail, such a booking.
    let none = "00000000-0000-7000-8000-000000000000";
    for (kind, subject, status) in [
        ("job_dead", "x".to_owned(), 409),
        ("job_dead", format!("check_attempt:{none}"), 409),
        ("mail_late", none.to_owned(), 404),
        ("mail_late", "x".to_owned(), 404),
        ("event_unmatched", "evt_never".to_owned(), 404),
        ("supplier_unknown", none.to_owned(), 404),
        ("payment_contradiction", "x".to_owned(), 404),
        ("dispute", none.to_owned(), 409),
        ("payment_quarantined", none.to_owned(), 409),
        ("of_a_newer_version", "x".to_owned(), 409),
    ] {
        let item = raise(&app, kind, &subject, "x").await;
        agent.post_form(&format!("{item}/act"), &[]).await.expect(status);
        agent.get(&item).await.expect(200);
        app.execute("delete from attention_items").await;
    }
    agent.get("/admin/attention").await.expect(200).says("Nothing needs a person");
    assert!(audited(&app).await.is_empty());
    agent.post_form("/admin/attention/0/act", &[]).await.expect(404);
    app.finish().await;
}

#[tokio::test]
async fn the_airline_is_asked_again_at_once_and_the_answer_is_taken_in() {
    let app = TestApp::start().await;
    app.supplier().set_order_fault(Some(SupplierFault::Unavailable));
    let (_, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.settle().await;
    app.advance(SignedDuration::from_mins(16)).await;
    app.settle().await;
    let item = open_item(&app, "supplier_unknown").await;
    app.supplier().set_order_fault(None);
    let agent = app.staff("agent").await;
    for _ in 0..2 {
        // As often as somebody likes: it is one job, and one order.
        agent.post_form(&format!("{item}/act"), &[]).await.redirect();
    }
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    assert_eq!(app.count("timetable.orders").await, 1);
    // The answer is there, so nobody has to say that it is.
    agent.get("/admin/attention").await.expect(200).says("Nothing needs a person");
    agent.get(&item).await.expect(200).says("answer is known");
    agent.post_form(&format!("{item}/act"), &[]).await.expect(409);
    agent.post_form(&format!("{item}/resolve"), &WHY).await.expect(409);
    app.finish().await;
}

#[tokio::test]
async fn a_dead_letter_and_a_late_one_are_sent_by_their_button() {
    use jetbridge::sandbox::mailbox::{Fault, Stage};
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.mailbox.fault(Stage::Rcpt, Fault::Answer(550));
    app.confirmed(&alice).await;
    let before = app.mailbox.list().len();
    let agent = app.staff("agent").await;
    let item = open_item(&app, "mail_late").await;
    let act = format!("{item}/act");
    let (one, other) = tokio::join!(agent.post_form(&act, &[]), agent.post_form(&act, &[]));
    assert_eq!([one.status, other.status].iter().filter(|status| **status == 303).count(), 1);
    app.run_jobs().await;
    assert_eq!(app.mailbox.list().len(), before + 1);
    assert_eq!(audited(&app).await, ["mail_sent_again", "next_step_taken"]);
    app.finish().await;
}

#[tokio::test]
async fn an_invariant_is_asked_again_and_closed_only_when_it_holds() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    app.execute("update bookings set supplier_total_minor = supplier_total_minor").await;
    let booking = app.texts("select id::text from bookings").await.remove(0);
    let broken = "I4 confirmed means ordered, and authorised or captured, or to be paid again by a time, or written off";
    let item = raise(&app, "invariant_broken", &booking, broken).await;
    let agent = app.staff("agent").await;
    // The item itself would count as a person who knows of it.
    app.execute("alter table bookings disable trigger user; update bookings set secured_by = null, booking_status = 'draft'; update attention_items set booking_id = null").await;
    app.execute("alter table bookings drop constraint bookings_paid_states_are_secured; update bookings set booking_status = 'confirmed'").await;
    agent.post_form(&format!("{item}/act"), &[]).await.expect(409).says("It still does not hold");
    app.execute("update bookings set secured_by = (select id from attempts)").await;
    agent.post_form(&format!("{item}/act"), &[]).await.redirect();
    assert_eq!(resolutions(&app).await, ["agent@example.com: Asked the books: it holds again."]);
    app.finish().await;
}

/// A payment that does not fit, the booking that waits for it, and somebody who may decide.
pub struct Frozen {
    pub app: TestApp,
    alice: Browser,
    pub finance: Browser,
    reference: String,
    session: Session,
    intent: String,
    pub item: String,
}

impl Frozen {
    /// Paid by card, and something about it is wrong.
    pub async fn by(change: fn(&mut Intent)) -> Self {
        Self::paid("manual", change).await
    }

    pub async fn paid(capture_method: &str, change: fn(&mut Intent)) -> Self {
        Self::for_less(0, capture_method, change).await
    }

    /// So much less had been accepted than what Stripe has.
    async fn for_less(cents: i64, capture_method: &str, change: fn(&mut Intent)) -> Self {
        let app = TestApp::start().await;
        let (alice, reference, session) = app.at_stripe("Duarte").await;
        app.stripe.set_delivery(Mode::Held);
        let method = capture_method.to_owned();
        app.stripe.tamper_session(&session.id, |session| session.capture_method = method);
        app.stripe.pay(&session.id, GOOD_CARD).unwrap();
        let intent = app.stripe.intents()[0].id.clone();
        app.stripe.tamper_intent(&intent, change);
        app.execute(&format!("update attempts set amount_minor = amount_minor - {cents}")).await;
        app.settle().await;
        let item = open_item(&app, "payment_quarantined").await;
        let finance = app.staff("finance").await;
        app.second_factor(&finance).await;
        Self { app, alice, finance, reference, session, intent, item }
    }

    /// Somebody mends the metadata in Stripe's dashboard.
    pub async fn mend_hash(&self) {
        let hash = self.app.texts("select quote_hash from attempts").await.remove(0);
        self.app.stripe.tamper_intent(&self.intent, |intent| {
            intent.metadata.insert("quote_hash".to_owned(), hash);
        });
    }

    async fn page(&self) -> Page {
        self.finance.get(&self.item).await.expect(200)
    }

    async fn decide(&self, what: &str) -> Page {
        self.finance.post_form(&format!("{}/{what}", self.item), &WHY).await
    }

    /// On the page, and by the API.
    async fn tells(&self, headline: &str, next: &str) -> Page {
        let page = self.alice.get(&format!("/bookings/{}", self.reference)).await.expect(200);
        page.says(headline);
        let told = self.alice.get(&format!("/api/bookings/{}", self.reference)).await.expect(200).json();
        assert_eq!(told["headline"].as_str().unwrap_or_default().replace('\u{a0}', " "), headline);
        assert_eq!(told["next"], next);
        page
    }

    async fn states(&self) -> (String, Vec<String>) {
        let state = self.app.state(&self.reference).await;
        (state.booking, state.attempts)
    }

    async fn is_frozen(&self) -> bool {
        self.app.count("attempts where quarantined is not null").await > 0
    }
}

/// What the mails say that money goes back.
fn returned_letters(app: &TestApp) -> Vec<String> {
    let mails = app.mailbox.list().into_iter().filter(|mail| mail.subject.contains("goes back to you"));
    mails
        .filter_map(|mail| mail.text)
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

pub fn wrong_hash(intent: &mut Intent) {
    intent.metadata.insert("quote_hash".to_owned(), "0".repeat(64));
}

#[tokio::test]
async fn u19_a_frozen_payment_that_was_mended_is_accepted_and_the_booking_goes_on() {
    let frozen = Frozen::by(wrong_hash).await;
    let app = &frozen.app;
    // While it differs nobody can accept it, whatever they say.
    let page = frozen.page().await;
    page.says("Quote").says("000000000000").says("is set aside on the card");
    assert!(!page.has("button[formaction$='/accept']") && page.has("button[formaction$='/give-back']"));
    frozen.decide("accept").await.expect(409).says("Stripe's facts do not fit");
    frozen.finance.post_form(&format!("{}/resolve", frozen.item), &WHY).await.expect(409);
    frozen.finance.post_form(&format!("{}/act", frozen.item), &[]).await.expect(409);
    assert!(frozen.is_frozen().await);
    frozen.mend_hash().await;
    let page = frozen.page().await;
    for reason in ["", " ", "a\0b"] {
        let again = frozen.finance.post_form(&format!("{}/accept", frozen.item), &[("reason", reason)]).await;
        assert!(!again.expect(422).field_error("reason").is_empty());
    }
    frozen.finance.submit(&page, "form[action$='/accept']", &WHY).await.redirect();
    app.settle().await;
    assert_eq!(frozen.states().await, ("confirmed".to_owned(), vec!["captured".to_owned()]));
    assert_eq!(
        app.texts("select captured_minor::text from attempts").await,
        [frozen.session.amount.to_string()]
    );
    assert!(app.attention().await.is_empty());
    assert_eq!(resolutions(app).await, ["finance@example.com: Looked at it in Stripe"]);
    assert_eq!(audited(app).await, ["payment_accepted"]);
    frozen.alice.get(&format!("/bookings/{}", frozen.reference)).await.expect(200).says("Payment checked");
    frozen.decide("accept").await.expect(409);
    frozen.decide("give-back").await.expect(409);
    frozen.app.finish().await;
}

#[tokio::test]
async fn u19_a_frozen_payment_that_goes_back_is_released_and_the_seats_can_be_paid_anew() {
    type Change = (&'static str, fn(&mut Intent));
    let changes: [Change; 4] = [
        ("amount", |intent| intent.amount += 1),
        ("currency", |intent| intent.currency = "usd".to_owned()),
        ("livemode", |intent| intent.livemode = true),
        ("quote_hash", wrong_hash),
    ];
    for (why, change) in changes {
        let frozen = Frozen::by(change).await;
        let app = &frozen.app;
        frozen.decide("give-back").await.redirect();
        app.settle().await;
        assert_eq!(frozen.states().await, ("held".to_owned(), vec!["released".to_owned()]), "{why}");
        assert_eq!(app.stripe.intents()[0].status, "canceled", "{why}");
        assert!(!frozen.is_frozen().await && app.attention().await.is_empty(), "{why}");
        assert!(app.balances().await.is_empty(), "{why}");
        // A late word of Stripe's about it freezes nothing again.
        for event in app.stripe.events() {
            app.stripe.deliver(&event.id).await;
        }
        app.settle().await;
        assert!(!frozen.is_frozen().await && app.attention().await.is_empty(), "{why}");
        // What stood at Stripe is told, whatever had been accepted.
        let stood = match why {
            "amount" => format!("EUR {}", euros(frozen.session.amount + 1)),
            "currency" => format!("USD {}", euros(frozen.session.amount)),
            _ => format!("EUR {}", euros(frozen.session.amount)),
        };
        let told = returned_letters(app);
        assert_eq!(told.len(), 1, "{why}");
        assert!(told[0].contains(&format!("{stood} total was set aside")), "{why}: {}", told[0]);
        let page = frozen.alice.get(&format!("/bookings/{}", frozen.reference)).await.expect(200);
        page.says("Payment goes back");
        // The seats are still held, so they can be paid: once more, and as always.
        let again = app.press_pay(&frozen.alice, &frozen.reference).await;
        app.stripe.set_delivery(Mode::Auto);
        app.stripe.pay(&again.id, GOOD_CARD).unwrap();
        app.settle().await;
        assert_eq!(app.state(&frozen.reference).await.booking, "confirmed", "{why}");
        frozen.app.finish().await;
    }
}

#[tokio::test]
async fn u19_money_in_a_currency_that_nobody_sells_here_is_frozen_and_closed_once_it_is_sent_back_at_stripe()
{
    let frozen = Frozen::by(|intent| intent.currency = "sek".to_owned()).await;
    let app = &frozen.app;
    assert!(frozen.is_frozen().await);
    frozen.page().await.says("Stripe has it in SEK").says("dashboard first");
    frozen.decide("accept").await.expect(409).says("not one that is sold here");
    app.stripe.lapse(&frozen.intent);
    frozen.decide("give-back").await.redirect();
    app.settle().await;
    assert_eq!(frozen.states().await.0, "held");
    assert!(!frozen.is_frozen().await && app.attention().await.is_empty());
    // The seats are still held: they can be paid anew.
    let again = app.press_pay(&frozen.alice, &frozen.reference).await;
    app.stripe.set_delivery(Mode::Auto);
    app.stripe.pay(&again.id, GOOD_CARD).unwrap();
    app.settle().await;
    assert_eq!(app.state(&frozen.reference).await.booking, "confirmed");
    frozen.app.finish().await;
}

#[tokio::test]
async fn u19_taken_money_that_fits_our_books_leaves_suspense_and_is_refunded() {
    let frozen = Frozen::paid("automatic", wrong_hash).await;
    let app = &frozen.app;
    let amount = frozen.session.amount;
    assert_eq!(
        app.balances().await,
        [format!("stripe_clearing {amount} EUR"), format!("suspense -{amount} EUR")]
    );
    frozen.page().await.says("was taken");
    frozen.decide("give-back").await.redirect();
    app.settle().await;
    assert_eq!(
        app.texts("select state || ' ' || amount_minor from refunds").await,
        [format!("succeeded {amount}")]
    );
    assert_eq!(app.stripe.refunds().len(), 1);
    assert!(app.balances().await.is_empty(), "nothing is left anywhere");
    assert_eq!(frozen.states().await, ("held".to_owned(), vec!["captured".to_owned()]));
    assert!(app.mails().await.contains(&"money_returned".to_owned()));
    // Nobody books, and the seats can be paid anew.
    frozen.tells(&format!("EUR {} went back to you", euros(amount)), "pay").await;
    // Nobody pays anew: the seats go back in their time all the same.
    app.advance(SignedDuration::from_hours(1)).await;
    app.settle().await;
    assert_eq!(frozen.states().await, ("expired".to_owned(), vec!["captured".to_owned()]));
    assert_eq!(app.texts("select held::text from timetable.inventory").await, ["0"]);
    frozen.app.finish().await;
}

#[tokio::test]
async fn u19_taken_money_that_fits_is_accepted_out_of_suspense_into_the_ticket() {
    let frozen = Frozen::paid("automatic", wrong_hash).await;
    let app = &frozen.app;
    frozen.mend_hash().await;
    frozen.decide("accept").await.redirect();
    app.settle().await;
    assert_eq!(frozen.states().await, ("confirmed".to_owned(), vec!["captured".to_owned()]));
    let amount = frozen.session.amount;
    assert_eq!(
        app.balances().await,
        [format!("stripe_clearing {amount} EUR"), format!("supplier_payable -{amount} EUR")]
    );
    frozen.app.finish().await;
}

#[tokio::test]
async fn u19_money_of_which_some_went_back_meanwhile_buys_nothing_and_the_rest_follows() {
    let frozen = Frozen::paid("automatic", wrong_hash).await;
    let (app, amount) = (&frozen.app, frozen.session.amount);
    app.stripe.set_delivery(Mode::Auto);
    app.stripe.refund_in_dashboard(&frozen.intent, Some(700)).unwrap();
    app.settle().await;
    assert_eq!(app.attention().await, ["payment_quarantined", "refund_not_ours"]);
    frozen.mend_hash().await;
    assert!(!frozen.page().await.has("button[formaction$='/accept']"));
    frozen.decide("accept").await.expect(409).says("not all there any more");
    frozen.decide("give-back").await.redirect();
    app.settle().await;
    assert_eq!(
        app.texts("select concat_ws(' ', origin, amount_minor, state) from refunds order by id").await,
        ["dashboard 700 succeeded".to_owned(), format!("ours {} succeeded", amount - 700)]
    );
    assert!(app.balances().await.is_empty(), "nothing is left anywhere");
    assert_eq!(app.attention().await, [""; 0]);
    let said = app.texts("select resolved_reason from attention_items where resolved_by is null").await;
    assert_eq!(said, ["Taken into our books by now"]);
    frozen
        .finance
        .get("/admin/attention?show=resolved")
        .await
        .expect(200)
        .says("Taken into our books by now");
    frozen.app.finish().await;
}

#[tokio::test]
async fn u19_money_that_a_bank_took_back_meanwhile_is_neither_accepted_nor_owed_again() {
    let frozen = Frozen::paid("automatic", wrong_hash).await;
    let app = &frozen.app;
    app.stripe.set_delivery(Mode::Auto);
    let dispute = app.stripe.dispute(&frozen.intent, None).unwrap();
    app.settle().await;
    frozen.mend_hash().await;
    frozen.decide("accept").await.expect(409).says("not all there any more");
    app.stripe.close_dispute(&dispute, false).unwrap();
    app.settle().await;
    frozen.decide("give-back").await.redirect();
    app.settle().await;
    assert_eq!(app.count("refunds").await, 0, "the bank has paid it back");
    assert!(app.balances().await.is_empty(), "nothing is left anywhere");
    frozen.app.finish().await;
}

#[tokio::test]
async fn u19_taken_money_that_our_books_cannot_hold_is_refunded_at_stripe_and_closed_here() {
    let frozen = Frozen::for_less(100, "automatic", |_| {}).await;
    let app = &frozen.app;
    let taken = frozen.session.amount;
    assert_eq!(
        app.balances().await,
        [format!("stripe_clearing {taken} EUR"), format!("suspense -{taken} EUR")]
    );
    frozen.page().await.says("Refund it in Stripe's dashboard first");
    frozen.decide("give-back").await.expect(409).says("Refund all of it there");
    app.stripe.refund_in_dashboard(&frozen.intent, None).unwrap();
    app.settle().await;
    frozen.decide("give-back").await.redirect();
    app.settle().await;
    assert!(app.balances().await.is_empty(), "nothing is left anywhere");
    assert!(!frozen.is_frozen().await);
    assert_eq!(frozen.states().await, ("held".to_owned(), vec!["released".to_owned()]));
    let told = returned_letters(app);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains(&format!("EUR {} total was charged", euros(taken))), "{}", told[0]);
    let page = frozen.tells(&format!("EUR {} went back to you", euros(taken)), "pay").await;
    page.says("Our payment desk refunded all of it");
    assert!(!page.words().contains("Reserved amount released"), "{}", page.words());
    frozen.app.finish().await;
}

#[tokio::test]
async fn of_two_who_decide_at_once_one_does() {
    let frozen = Frozen::by(wrong_hash).await;
    let app = &frozen.app;
    frozen.mend_hash().await;
    let owner = app.staff("owner").await;
    app.second_factor(&owner).await;
    let accept = format!("{}/accept", frozen.item);
    let back = format!("{}/give-back", frozen.item);
    let (one, other) = tokio::join!(frozen.finance.post_form(&accept, &WHY), owner.post_form(&back, &WHY));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409]);
    app.settle().await;
    let (booking, attempts) = frozen.states().await;
    let came_to = (booking.as_str(), attempts[0].as_str());
    let expected = if one.status == 303 { ("confirmed", "captured") } else { ("held", "released") };
    assert_eq!(came_to, expected);
    assert_eq!(audited(app).await.len(), 1);
    frozen.app.finish().await;
}

#[tokio::test]
async fn only_who_may_move_money_decides_and_only_after_a_fresh_proof() {
    let frozen = Frozen::by(wrong_hash).await;
    let app = &frozen.app;
    for role in ["viewer", "agent"] {
        let browser = app.staff(role).await;
        app.second_factor(&browser).await;
        for what in ["accept", "give-back"] {
            let address = format!("{}/{what}", frozen.item);
            frozen.alice.post_form(&address, &WHY).await.expect(403);
            browser
                .post_form(&address, &WHY)
                .await
                .expect(403)
                .says("Only finance and owner may refund money");
            let page = browser.get(&frozen.item).await.expect(200);
            assert!(!page.has("button[formaction]"), "{role}");
        }
    }
    app.clock.advance(SignedDuration::from_mins(5));
    let to = frozen.decide("give-back").await.redirect();
    assert!(to.starts_with("/reauthenticate?next="), "{to}");
    assert!(frozen.is_frozen().await && audited(app).await.is_empty());
    app.settle().await;
    frozen.app.finish().await;
}

#[tokio::test]
async fn a_silent_stripe_decides_nothing_and_a_booking_that_lives_on_the_money_keeps_it() {
    let frozen = Frozen::by(wrong_hash).await;
    let app = &frozen.app;
    app.stripe.outage(Some(Fault::TimeoutBefore));
    frozen.page().await.says("Stripe does not answer just now");
    frozen.decide("give-back").await.expect(503);
    app.stripe.outage(None);
    assert!(frozen.is_frozen().await);
    // Quarantined only after the tickets: the money stays with them.
    app.stripe.set_delivery(Mode::Auto);
    let bob = app.bob().await;
    app.confirmed(&bob).await;
    app.execute(
        "update attempts set quarantined = 'livemode' where state = 'captured';
         insert into attention_items (kind, subject, detail)
             select 'payment_quarantined', id::text, 'x' from attempts where state = 'captured'",
    )
    .await;
    let item = open_item(app, "payment_quarantined").await;
    let back = frozen.finance.post_form(&format!("{item}/give-back"), &WHY).await;
    back.expect(409).says("The booking lives on this payment");
    frozen.finance.post_form(&format!("{item}/accept"), &WHY).await.redirect();
    app.settle().await;
    assert_eq!(app.count("attempts where state = 'captured' and quarantined is null").await, 1);
    frozen.decide("give-back").await.redirect();
    app.settle().await;
    frozen.app.finish().await;
}
