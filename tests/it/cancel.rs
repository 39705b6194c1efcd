//! Cancelling a ticketed booking: exactly what was quoted, only once the airline has cancelled, and once. Every story ends
//! with all invariants holding.

use jetbridge::{
    ids::BookingId,
    itinerary::{Cabin, Condition, Offer, Party, SearchQuery, SliceQuery},
    sandbox::stripe::{Endpoint, Fault as StripeFault},
    supplier::{
        CancelRequest, Supplier,
        timetable::{Fault, Timetable},
    },
};
use jiff::{SignedDuration, civil};

use super::helpers::{
    app::{ALICE, TestApp},
    browser::Browser,
    page::Page,
    story::{GOOD_CARD, State, passenger},
};

const FORM: &str = "form[action$='/cancel']";
const TICK: [(&str, &str); 1] = [("understood", "yes")];

fn state(booking: &str, supplier: &str, attempts: &[&str]) -> State {
    State {
        booking: booking.to_owned(),
        supplier: supplier.to_owned(),
        attempts: attempts.iter().map(|&attempt| attempt.to_owned()).collect(),
    }
}

fn timetable(app: &TestApp) -> Timetable {
    Timetable::new(app.db.clone(), app.clock.clone())
}

/// An offer three weeks ahead whose refund condition is the wanted one, without a change of planes if there is one.
async fn an_offer(app: &TestApp, wanted: fn(&Condition) -> bool) -> Offer {
    let supplier = timetable(app);
    let mut with_changes = None;
    for to in ["LHR", "MAD", "OPO", "FNC", "CDG", "BCN", "AGP", "BHX"] {
        let date = civil::date(2026, 12, 14);
        let slices = vec![SliceQuery { from: "LIS".parse().unwrap(), to: to.parse().unwrap(), date }];
        let query = SearchQuery { slices, party: Party::new(1, 0, 0).unwrap(), cabin: Cabin::Economy };
        for offer in supplier.search(&query).await.unwrap() {
            let fares = supplier.fares(&offer.id).await.unwrap_or_default();
            let Some(fare) = fares.into_iter().find(|offer| wanted(&offer.fare.conditions.refund)) else {
                continue;
            };
            if fare.segments().count() == 1 {
                return fare;
            }
            with_changes = with_changes.or(Some(fare));
        }
    }
    with_changes.expect("such a fare from Lisbon")
}

fn is_free(condition: &Condition) -> bool {
    *condition == Condition::Free
}

fn has_fee(condition: &Condition) -> bool {
    matches!(condition, Condition::Fee(_))
}

fn is_nothing(condition: &Condition) -> bool {
    *condition == Condition::No
}

fn is_unknown(condition: &Condition) -> bool {
    *condition == Condition::Unknown
}

/// A booking with tickets, and what it is about.
struct Ticketed {
    app: TestApp,
    alice: Browser,
    reference: String,
    /// In cents.
    paid: i64,
    /// What the fare keeps when it is cancelled, in cents.
    fee: i64,
}

impl Ticketed {
    async fn new(wanted: fn(&Condition) -> bool) -> Self {
        Self::of(TestApp::start().await, wanted, "Duarte").await
    }

    async fn of(app: TestApp, wanted: fn(&Condition) -> bool, family_name: &str) -> Self {
        let ticketed = Self::at_stripe(app, wanted, family_name).await;
        ticketed.app.settle().await;
        let state = ticketed.app.state(&ticketed.reference).await;
        assert_eq!(state, self::state("confirmed", "ordered", &["captured"]));
        ticketed
    }

    /// Paid with a good card, and nothing of what follows has run yet.
    async fn at_stripe(app: TestApp, wanted: fn(&Condition) -> bool, family_name: &str) -> Self {
        let alice = app.alice().await;
        let (reference, paid, fee) = Self::draft(&app, &alice, wanted, family_name).await;
        let session = app.press_pay(&alice, &reference).await;
        app.stripe.pay(&session.id, GOOD_CARD).unwrap();
        Self { app, alice, reference, paid, fee }
    }

    /// Ready to be paid: its reference, its total, and what its fare would keep.
    async fn draft(
        app: &TestApp,
        alice: &Browser,
        wanted: fn(&Condition) -> bool,
        family_name: &str,
    ) -> (String, i64, i64) {
        let offer = an_offer(app, wanted).await;
        let page = alice.get(&format!("/offers/{}", offer.id.0)).await.expect(200);
        let draft = alice.submit(&page, "form[action='/bookings']", &[("offer", &offer.id.0)]).await;
        let passengers = alice.get(&draft.redirect()).await.expect(200);
        let saved = alice.submit(&passengers, "form[action$='/passengers']", &passenger(family_name)).await;
        let review = saved.redirect();
        let reference = review.trim_start_matches("/bookings/").split('/').next().unwrap().to_owned();
        let fee = match offer.fare.conditions.refund {
            Condition::Fee(fee) => fee.minor.min(offer.total.minor),
            Condition::No => offer.total.minor,
            Condition::Free | Condition::Unknown => 0,
        };
        (reference, offer.total.minor, fee)
    }

    fn address(&self) -> String {
        format!("/bookings/{}/cancel", self.reference)
    }

    fn back(&self) -> i64 {
        self.paid - self.fee
    }

    async fn quote(&self) -> Page {
        self.alice.get(&self.address()).await.expect(200)
    }

    async fn confirm(&self, quote: &Page) -> Page {
        self.alice.submit(quote, FORM, &TICK).await
    }

    /// Quote, tick, confirm: up to the airline's answer.
    async fn cancel(&self) {
        let quote = self.quote().await;
        assert_eq!(self.confirm(&quote).await.redirect(), format!("/bookings/{}", self.reference));
    }

    async fn page(&self) -> Page {
        self.alice.get(&format!("/bookings/{}", self.reference)).await.expect(200)
    }

    async fn state(&self) -> State {
        self.app.state(&self.reference).await
    }

    async fn refunds(&self) -> Vec<String> {
        self.app
            .texts(
                "select amount_minor || ' ' || reason || ' ' || state from refunds order by created_at, id",
            )
            .await
    }

    async fn balance(&self, account: &str) -> i64 {
        let query = format!(
            "select coalesce(sum(amount_minor), 0)::text from ledger_entries where account = '{account}'"
        );
        self.app.texts(&query).await[0].parse().unwrap()
    }

    /// Stripe holds what was kept, the supplier gets what the fare keeps, and nothing lies about.
    async fn books_are_closed(&self, kept: i64, suppliers: i64) {
        assert_eq!(self.balance("stripe_clearing").await, kept);
        assert_eq!(self.balance("supplier_payable").await, -suppliers);
        assert_eq!(self.balance("agency_revenue").await, suppliers - kept);
        assert_eq!(self.balance("customer_deposits").await, 0);
        assert_eq!(self.balance("refunds_payable").await, 0);
    }

    async fn mails(&self) -> Vec<String> {
        let mails = self.app.mails().await;
        assert_eq!(mails[..2], ["booking_confirmation", "payment_receipt"]);
        mails[2..].to_vec()
    }

    async fn seats_sold(&self) -> i64 {
        self.app.texts("select coalesce(sum(sold), 0)::text from timetable.inventory").await[0]
            .parse()
            .unwrap()
    }

    async fn booking(&self) -> BookingId {
        let id = format!("select id::text from bookings where booking_reference = '{}'", self.reference);
        self.app.texts(&id).await[0].parse().unwrap()
    }

    async fn attention(&self, kind: &str) {
        let statement = format!(
            "insert into attention_items (kind, subject, booking_id, detail) select '{kind}', 'x', id, 'x' from bookings"
        );
        self.app.execute(&statement).await;
    }
}

fn euros(cents: i64) -> String {
    let (whole, rest) = (cents / 100, cents % 100);
    match whole {
        1_000.. => format!("EUR {},{:03}.{rest:02}", whole / 1_000, whole % 1_000),
        _ => format!("EUR {whole}.{rest:02}"),
    }
}

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

#[tokio::test]
async fn an_airline_that_refuses_leaves_tickets_and_money_as_they_were() {
    let booked = Ticketed::of(TestApp::start().await, has_fee, "Cancelrefused").await;
    let quote = booked.quote().await;
    booked.confirm(&quote).await.redirect();
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("confirmed", "ordered", &["captured"]));
    assert!(booked.refunds().await.is_empty());
    assert_eq!(booked.seats_sold().await, 1);
    assert_eq!(booked.app.attention().await, ["cancel_refused"]);
    assert_eq!(booked.mails().await, ["cancellation_refused"]);
    booked.page().await.says("Airline did not cancel").says("You fly on");
    // The refused word is not taken again; a new quote may be.
    let again = booked.confirm(&quote).await.expect(409);
    booked.app.supplier().set_cancel_fault(Some(Fault::TimeoutAfter));
    booked.confirm(&again).await.redirect();
    booked.app.settle().await;
    booked.app.advance(SignedDuration::from_secs(30)).await;
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelled", "cancelled", &["captured"]));
    booked.books_are_closed(booked.fee, booked.fee).await;
    booked.app.finish().await;
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_before_the_question_is_put_again() {
    for name in ["Canceltimeoutbefore", "Canceltimeoutafter"] {
        let booked = Ticketed::of(TestApp::start().await, has_fee, name).await;
        booked.cancel().await;
        booked.app.settle().await;
        assert_eq!(booked.state().await, state("cancelling", "cancelling", &["captured"]), "{name}");
        assert!(booked.refunds().await.is_empty(), "{name}: nothing is taken for granted");
        assert_eq!(booked.mails().await, ["cancellation_started"], "{name}");
        booked.app.advance(SignedDuration::from_secs(30)).await;
        booked.app.settle().await;
        assert_eq!(booked.state().await, state("cancelled", "cancelled", &["captured"]), "{name}");
        assert_eq!(booked.seats_sold().await, 0, "{name}");
        booked.books_are_closed(booked.fee, booked.fee).await;
        assert_eq!(
            booked.mails().await,
            ["cancellation_started", "booking_cancelled", "refund_paid"],
            "{name}"
        );
        booked.app.finish().await;
    }
}

#[tokio::test]
async fn killed_between_the_airlines_yes_and_our_commit_it_is_found_again() {
    let booked = Ticketed::new(has_fee).await;
    booked.cancel().await;
    // As a process that had asked, was answered, and died.
    let order = booked.app.texts("select supplier_order_id from bookings").await.remove(0);
    let request =
        CancelRequest { booking: booked.booking().await, order, idempotency_key: "cancel:x".to_owned() };
    timetable(&booked.app).cancel(&request).await.unwrap();
    let asked = format!("update cancel_quotes set asked_at = '{}'", booked.app.now());
    booked.app.execute(&asked).await;
    // Were the question put again, it would be answered with a no.
    booked.app.supplier().set_cancel_fault(Some(Fault::Refused));
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelled", "cancelled", &["captured"]));
    assert_eq!(booked.seats_sold().await, 0);
    booked.books_are_closed(booked.fee, booked.fee).await;
    booked.app.finish().await;
}

#[tokio::test]
async fn a_late_airline_calls_a_person_and_is_waited_for() {
    let booked = Ticketed::of(TestApp::start().await, has_fee, "Canceldown").await;
    booked.cancel().await;
    booked.app.settle().await;
    assert!(booked.app.attention().await.is_empty());
    booked.app.advance(SignedDuration::from_mins(16)).await;
    booked.app.settle().await;
    assert_eq!(booked.app.attention().await, ["supplier_unknown"]);
    booked.app.advance(SignedDuration::from_hours(5)).await;
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelling", "cancelling", &["captured"]));
    assert!(booked.refunds().await.is_empty());
    // The airline does it by hand, on the phone.
    let by_hand = "with gone as (delete from timetable.order_lines returning *)
        update timetable.inventory i set sold = sold - gone.seats from gone
         where (i.carrier, i.number, i.departs_on, i.cabin) = (gone.carrier, gone.number, gone.departs_on, gone.cabin);
        update timetable.orders set cancelled_at = now(), credit_minor = ";
    booked.app.execute(&format!("{by_hand} {}", booked.back())).await;
    booked.app.advance(SignedDuration::from_mins(6)).await;
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelled", "cancelled", &["captured"]));
    booked.books_are_closed(booked.fee, booked.fee).await;
    booked.app.finish().await;
}

#[tokio::test]
async fn a_supplier_that_gives_less_than_its_fare_says_is_our_loss_and_calls_a_person() {
    let booked = Ticketed::new(is_free).await;
    booked.cancel().await;
    let statement = format!(
        "delete from timetable.order_lines; update timetable.inventory set sold = 0;
         update timetable.orders set cancelled_at = now(), credit_minor = {}",
        booked.paid - 1_000
    );
    booked.app.execute(&statement).await;
    booked.app.settle().await;
    assert_eq!(booked.refunds().await, [format!("{} cancelled succeeded", booked.paid)], "as was quoted");
    booked.books_are_closed(0, 1_000).await;
    assert_eq!(booked.app.attention().await, ["cancel_credit"]);
    booked.app.finish().await;
}

/// Tickets, and a charge that Stripe has refused for now: the money is only set aside.
async fn uncharged(wanted: fn(&Condition) -> bool) -> Ticketed {
    let booked = Ticketed::at_stripe(TestApp::start().await, wanted, "Duarte").await;
    booked.app.stripe.fault(Endpoint::Capture, StripeFault::Status(402));
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("confirmed", "ordered", &["authorised"]));
    assert_eq!(booked.app.attention().await, ["capture_failed"]);
    booked
}

#[tokio::test]
async fn before_the_charge_everything_is_released_and_nothing_refunded() {
    let booked = uncharged(is_free).await;
    let quote = booked.quote().await;
    quote.says("You would not be charged").says("Your bank has set aside");
    booked.confirm(&quote).await.redirect();
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelled", "cancelled", &["released"]));
    assert!(booked.refunds().await.is_empty() && booked.app.balances().await.is_empty());
    booked.page().await.says("was released");
    assert_eq!(booked.app.mails().await, ["booking_confirmation", "booking_cancelled"]);
    booked.app.finish().await;
}

#[tokio::test]
async fn before_the_charge_only_what_is_kept_is_charged() {
    let booked = uncharged(has_fee).await;
    let quote = booked.quote().await;
    quote.says(&format!("You would be charged {} instead of {}", euros(booked.fee), euros(booked.paid)));
    booked.confirm(&quote).await.redirect();
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelled", "cancelled", &["captured"]));
    assert_eq!(booked.app.stripe.intents()[0].received, booked.fee);
    assert!(booked.refunds().await.is_empty());
    booked.books_are_closed(booked.fee, booked.fee).await;
    booked.page().await.says("was released").says(&format!("{} of it is charged", euros(booked.fee)));
    booked.app.finish().await;
}

#[tokio::test]
async fn before_the_charge_a_fare_that_gives_nothing_back_is_charged_in_full() {
    let booked = uncharged(is_nothing).await;
    booked.cancel().await;
    booked.app.settle().await;
    assert_eq!(booked.app.stripe.intents()[0].received, booked.paid);
    booked.books_are_closed(booked.paid, booked.paid).await;
    booked.app.finish().await;
}

#[tokio::test]
async fn a_charge_that_crosses_the_cancellation_is_refunded_as_quoted() {
    for wanted in [is_free, has_fee] {
        let booked = uncharged(wanted).await;
        booked.cancel().await;
        // Asked for before, and done by Stripe only now.
        let intent = booked.app.stripe.intents()[0].id.clone();
        booked.app.stripe.capture_in_dashboard(&intent).unwrap();
        booked.app.settle().await;
        assert_eq!(booked.state().await, state("cancelled", "cancelled", &["captured"]));
        assert_eq!(booked.refunds().await, [format!("{} cancelled succeeded", booked.back())]);
        booked.books_are_closed(booked.fee, booked.fee).await;
        booked.app.finish().await;
    }
}

#[tokio::test]
async fn stripes_silence_at_the_release_or_the_charge_is_settled_by_asking() {
    for wanted in [is_free, has_fee] {
        for fault in [StripeFault::TimeoutBefore, StripeFault::TimeoutAfter, StripeFault::Status(500)] {
            let booked = uncharged(wanted).await;
            booked.cancel().await;
            let endpoint = if booked.fee > 0 { Endpoint::Capture } else { Endpoint::Cancel };
            booked.app.stripe.fault(endpoint, fault);
            booked.app.settle().await;
            booked.app.advance(SignedDuration::from_mins(10)).await;
            booked.app.settle().await;
            let attempt = if booked.fee > 0 { "captured" } else { "released" };
            assert_eq!(booked.state().await, state("cancelled", "cancelled", &[attempt]), "{fault:?}");
            booked.books_are_closed(booked.fee, booked.fee).await;
            booked.app.finish().await;
        }
    }
}

#[tokio::test]
async fn what_stripe_neither_takes_nor_releases_calls_a_person_and_is_tried_again() {
    let booked = uncharged(has_fee).await;
    booked.app.execute("delete from attention_items").await;
    booked.cancel().await;
    booked.app.stripe.fault(Endpoint::Capture, StripeFault::Status(402));
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelled", "cancelled", &["authorised"]));
    assert_eq!(booked.app.attention().await, ["capture_failed"]);
    booked.page().await.says("is being released");
    booked.app.advance(SignedDuration::from_mins(61)).await;
    booked.app.settle().await;
    booked.books_are_closed(booked.fee, booked.fee).await;
    booked.app.finish().await;
}

#[tokio::test]
async fn a_refused_cancellation_charges_what_had_waited_for_the_answer() {
    let booked = uncharged(has_fee).await;
    booked.app.supplier().set_cancel_fault(Some(Fault::Refused));
    booked.cancel().await;
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("confirmed", "ordered", &["captured"]));
    assert_eq!(booked.app.stripe.intents()[0].received, booked.paid);
    assert_eq!(
        booked.app.balances().await,
        [format!("stripe_clearing {} EUR", booked.paid), format!("supplier_payable -{} EUR", booked.paid)]
    );
    booked.app.finish().await;
}

#[tokio::test]
async fn a_dispute_that_comes_in_between_freezes_the_refund_until_it_is_settled() {
    let booked = Ticketed::new(has_fee).await;
    booked.cancel().await;
    booked.attention("dispute").await;
    booked.app.settle().await;
    assert_eq!(booked.state().await, state("cancelled", "cancelled", &["captured"]));
    assert!(booked.refunds().await.is_empty(), "it could be paid twice");
    let page = booked.page().await;
    page.says("the card’s issuer has taken it back from us").says("Nothing more is paid until then");
    assert!(!page.words().contains("on its way back"), "{}", page.words());
    let viewer = booked.app.staff("viewer").await;
    let record = format!("/admin/bookings/{}", booked.reference);
    viewer.get(&record).await.expect(200).says("Cancellation").says("In dispute").says("We owe it");
    booked.app.execute("update attention_items set resolved_at = now()").await;
    booked.app.advance(SignedDuration::from_mins(61)).await;
    booked.app.settle().await;
    assert_eq!(booked.refunds().await, [format!("{} cancelled succeeded", booked.back())]);
    booked.books_are_closed(booked.fee, booked.fee).await;
    booked.page().await.says("went back to where you paid from");
    let viewer = booked.app.sign_in("viewer@example.com").await;
    viewer.get(&record).await.expect(200).says("Accepted 23 Nov 09:").says("Succeeded Refund of");
    booked.app.finish().await;
}

#[tokio::test]
async fn u17_a_second_payment_after_the_cancellation_goes_back_in_full_and_what_was_kept_stays() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let (reference, paid, fee) = Ticketed::draft(&app, &alice, has_fee, "Duarte").await;
    let first = app.press_pay(&alice, &reference).await;
    app.advance(SignedDuration::from_mins(36)).await;
    app.settle().await;
    let second = app.press_pay(&alice, &reference).await;
    app.stripe.pay(&second.id, GOOD_CARD).unwrap();
    app.settle().await;
    let booked = Ticketed { app, alice, reference, paid, fee };
    booked.cancel().await;
    booked.app.settle().await;
    assert_eq!(booked.refunds().await.len(), 1);
    booked.app.stripe.tamper_session(&first.id, |session| {
        session.status = "open".to_owned();
        session.expires_at += 7_200;
        session.capture_method = "automatic".to_owned();
    });
    booked.app.stripe.pay(&first.id, GOOD_CARD).unwrap();
    booked.app.settle().await;
    assert_eq!(
        booked.refunds().await,
        [format!("{} cancelled succeeded", booked.back()), format!("{paid} not_needed succeeded")]
    );
    booked.books_are_closed(booked.fee, booked.fee).await;
    booked.page().await.says("A second payment");
    booked.app.finish().await;
}

#[tokio::test]
async fn u12_u13_the_refund_of_a_cancellation_takes_the_road_of_all_refunds() {
    let booked = Ticketed::new(has_fee).await;
    booked.app.stripe.fault(Endpoint::CreateRefund, StripeFault::TimeoutBefore);
    booked.cancel().await;
    booked.app.settle().await;
    assert_eq!(booked.refunds().await, [format!("{} cancelled submit_unknown", booked.back())]);
    booked.page().await.says("is on its way back");
    booked.app.advance(SignedDuration::from_mins(5)).await;
    booked.app.settle().await;
    let refund = booked.app.stripe.refunds()[0].id.clone();
    booked.app.stripe.settle_refund(&refund, "failed").unwrap();
    booked.app.settle().await;
    assert_eq!(booked.app.attention().await, ["refund_failed"]);
    booked.page().await.says("a person looks after it");
    assert_eq!(booked.balance("customer_deposits").await, -booked.back());
    booked.app.finish().await;
}

#[tokio::test]
async fn staff_see_what_was_accepted_and_what_became_of_it() {
    let booked = Ticketed::new(has_fee).await;
    booked.cancel().await;
    booked.app.settle().await;
    let viewer = booked.app.staff("viewer").await;
    let page = viewer.get(&format!("/admin/bookings/{}", booked.reference)).await.expect(200);
    page.says("Cancel accepted").says("Cancelled").says(&euros(booked.back()));
    booked.app.finish().await;
}
