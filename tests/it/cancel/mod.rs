//! Cancelling a ticketed booking: exactly what was quoted, only once the airline has cancelled, and once. Every story ends
//! with all invariants holding.

mod afterwards;
mod airline;
mod fares;
mod quotes;
mod uncharged;

use jetbridge::{
    ids::BookingId,
    itinerary::{Cabin, Condition, Offer, Party, SearchQuery, SliceQuery},
    supplier::{Supplier, timetable::Timetable},
};
use jiff::civil;

use crate::helpers::{
    app::TestApp,
    browser::Browser,
    page::Page,
    story::{GOOD_CARD, State, passenger, state},
};

const FORM: &str = "form[action$='/cancel']";
const TICK: [(&str, &str); 1] = [("understood", "yes")];

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

    /// On the page, and by the API.
    async fn tells(&self, headline: &str) {
        self.page().await.says(headline);
        let told = self.alice.get(&format!("/api/bookings/{}", self.reference)).await.expect(200).json();
        assert_eq!(told["headline"].as_str().unwrap_or_default().replace('\u{a0}', " "), headline);
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
