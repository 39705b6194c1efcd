//! The traveller's way as verbs: each goes through the pages as a person would, and returns what the next step needs.

use jetbridge::{sandbox::stripe::Session, supplier::timetable::Switches};
use sqlx::{Connection, Row};

use super::{app::TestApp, browser::Browser, page::Page};

pub const GOOD_CARD: &str = "4242 4242 4242 4242";
pub const DECLINED_CARD: &str = "4000 0000 0000 0002";

/// One adult from Lisbon to London, three weeks ahead.
pub const SEARCH: &str =
    "/flights?trip=oneway&from=LIS&to=LHR&leave=2026-12-14&adults=1&children=0&infants=0&cabin=economy";

/// "20.00", as amounts are typed.
pub fn euros(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// What the database says of a booking.
#[derive(Debug, PartialEq, Eq)]
pub struct State {
    pub booking: String,
    pub supplier: String,
    /// Of all attempts, oldest first.
    pub attempts: Vec<String>,
}

pub fn state(booking: &str, supplier: &str, attempts: &[&str]) -> State {
    State {
        booking: booking.to_owned(),
        supplier: supplier.to_owned(),
        attempts: attempts.iter().map(|&attempt| attempt.to_owned()).collect(),
    }
}

impl TestApp {
    /// Searches, takes the first offer and names the passenger: a draft that is ready to be paid.
    pub async fn draft(&self, browser: &Browser) -> String {
        self.draft_for(browser, "Duarte").await
    }

    /// The timetable supplier has failures for certain family names.
    pub async fn draft_for(&self, browser: &Browser, family_name: &str) -> String {
        self.draft_of(browser, SEARCH, family_name).await
    }

    /// The first offer that a search finds.
    pub async fn draft_of(&self, browser: &Browser, search: &str, family_name: &str) -> String {
        let found = browser.get(search).await.expect(200);
        let offer = browser.get(&found.attr("a[href^='/offers/']", "href")).await.expect(200);
        let draft = browser.submit(&offer, "form[action='/bookings']", &[]).await;
        let passengers = browser.get(&draft.redirect()).await.expect(200);
        let saved = browser.submit(&passengers, "form[action$='/passengers']", &passenger(family_name)).await;
        let review = saved.redirect();
        review.trim_start_matches("/bookings/").split('/').next().expect("a reference").to_owned()
    }

    /// Presses pay and lands on Stripe's page.
    pub async fn press_pay(&self, browser: &Browser, reference: &str) -> Session {
        let to = self.submit_pay(browser, reference).await.redirect();
        let session = to.rsplit('/').next().expect("a session id");
        self.stripe.session(session).unwrap_or_else(|| panic!("{to} is no session"))
    }

    /// Alice has chosen, named the passenger and pressed pay: she stands on Stripe's page.
    pub async fn at_stripe(&self, family_name: &str) -> (Browser, String, Session) {
        let alice = self.alice().await;
        let reference = self.draft_for(&alice, family_name).await;
        let session = self.press_pay(&alice, &reference).await;
        (alice, reference, session)
    }

    pub async fn submit_pay(&self, browser: &Browser, reference: &str) -> Page {
        let review = browser.get(&format!("/bookings/{reference}/review")).await.expect(200);
        browser.submit(&review, "form[action$='/pay']", &[]).await
    }

    /// Draft, pay, tickets, charge, mail: everything has happened.
    pub async fn confirmed(&self, browser: &Browser) -> String {
        let reference = self.draft(browser).await;
        let session = self.press_pay(browser, &reference).await;
        self.stripe.pay(&session.id, GOOD_CARD).expect("pays");
        self.settle().await;
        assert_eq!(self.state(&reference).await.booking, "confirmed");
        reference
    }

    /// Delivers what Stripe has to say and runs what follows, until nothing is left to do now.
    pub async fn settle(&self) {
        for _ in 0..20 {
            self.stripe.settled().await;
            self.stripe.deliver_held().await;
            if self.run_jobs().await == 0 && self.stripe.held().is_empty() {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    pub async fn state(&self, reference: &str) -> State {
        let mut sql = self.sql().await;
        let row = sqlx::query(
            "select b.booking_status, b.supplier_status,
                    array(select a.state from attempts a where a.booking_id = b.id order by a.created_at, a.id) as attempts
               from bookings b where b.booking_reference = $1",
        )
        .bind(reference)
        .fetch_one(&mut sql)
        .await
        .expect("the booking");
        sql.close().await.expect("closes");
        State { booking: row.get(0), supplier: row.get(1), attempts: row.get(2) }
    }

    /// One text per row.
    pub async fn texts(&self, query: &str) -> Vec<String> {
        let mut sql = self.sql().await;
        let found = sqlx::query_scalar(query).fetch_all(&mut sql).await;
        sql.close().await.expect("closes");
        found.unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    /// Balance per account, as "account amount currency"; accounts at zero are left out.
    pub async fn balances(&self) -> Vec<String> {
        self.texts(
            "select concat_ws(' ', account, sum(amount_minor), currency) from ledger_entries
              group by account, currency having sum(amount_minor) <> 0 order by 1",
        )
        .await
    }

    pub async fn mails(&self) -> Vec<String> {
        self.texts("select kind from mails order by created_at, id").await
    }

    pub async fn attention(&self) -> Vec<String> {
        self.texts("select kind from attention_items where resolved_at is null order by id").await
    }

    /// How the supplier behaves from now on.
    pub fn supplier(&self) -> &Switches {
        &self.switches
    }
}

pub fn passenger(family_name: &str) -> [(&str, &str); 8] {
    [
        ("p1_given", "Maria Inês"),
        ("p1_family", family_name),
        ("p1_day", "4"),
        ("p1_month", "12"),
        ("p1_year", "1986"),
        ("p1_sex", "f"),
        ("email", "maria@example.com"),
        ("phone", "+351 900 000 000"),
    ]
}
