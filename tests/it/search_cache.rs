//! The search cache: one question for however many ask it at once, here and in another process; late answers behind the page;
//! never an offer past its time.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jetbridge::{
    db::Db,
    ids::BookingId,
    itinerary::{Cabin, Offer, OfferId, Party, SearchQuery, SliceQuery},
    search::cache::{Answer, Cache, NoAnswer},
    supplier::{
        CancelRequest, Cancellation, Found, Hold, HoldId, HoldRequest, Order, OrderRequest, Supplier,
        SupplierError, timetable::Timetable,
    },
};
use jiff::{SignedDuration, civil};
use tokio::sync::Semaphore;

use crate::helpers::{app::TestApp, story::SEARCH};

/// A supplier that answers only when it is let, and counts how often it is asked.
struct Slow {
    offers: Mutex<Vec<Offer>>,
    asked: AtomicUsize,
    answers: Semaphore,
    is_down: Mutex<bool>,
}

impl Slow {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn let_answer(&self, times: usize) {
        self.answers.add_permits(times);
    }
}

#[async_trait]
impl Supplier for Slow {
    fn name(&self) -> &'static str {
        "timetable"
    }

    async fn search(&self, query: &SearchQuery) -> Result<Vec<Offer>, SupplierError> {
        Ok(self.look(query).await?.offers)
    }

    async fn look(&self, _: &SearchQuery) -> Result<Found, SupplierError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.answers.acquire().await.unwrap().forget();
        if *self.is_down.lock().unwrap() {
            return Err(SupplierError::Unavailable("down".to_owned()));
        }
        Ok(Found { offers: self.offers.lock().unwrap().clone(), left_out: 3, ..Found::default() })
    }

    async fn fares(&self, _: &OfferId) -> Result<Vec<Offer>, SupplierError> {
        Err(SupplierError::Gone)
    }

    async fn reprice(&self, _: &Offer) -> Result<Offer, SupplierError> {
        Err(SupplierError::Gone)
    }

    async fn hold(&self, _: &HoldRequest) -> Result<Hold, SupplierError> {
        Err(SupplierError::Gone)
    }

    async fn release(&self, _: &HoldId) -> Result<(), SupplierError> {
        Ok(())
    }

    async fn order(&self, _: &OrderRequest) -> Result<Order, SupplierError> {
        Err(SupplierError::Gone)
    }

    async fn find_order(&self, _: BookingId) -> Result<Option<Order>, SupplierError> {
        Ok(None)
    }

    async fn cancel(&self, _: &CancelRequest) -> Result<Cancellation, SupplierError> {
        Err(SupplierError::Gone)
    }

    async fn find_cancellation(&self, _: BookingId) -> Result<Option<Cancellation>, SupplierError> {
        Ok(None)
    }
}

fn query() -> SearchQuery {
    SearchQuery {
        slices: vec![SliceQuery {
            from: "LIS".parse().unwrap(),
            to: "LHR".parse().unwrap(),
            date: civil::date(2026, 12, 14),
        }],
        party: Party::new(1, 0, 0).unwrap(),
        cabin: Cabin::Economy,
    }
}

/// The supplier, and two processes that ask it.
async fn world(app: &TestApp, patience: Duration) -> (Arc<Slow>, Cache, Cache) {
    let timetable = Timetable::new(app.db.clone(), app.clock.clone());
    let offers = timetable.search(&query()).await.unwrap();
    let slow = Arc::new(Slow {
        offers: Mutex::new(offers),
        asked: AtomicUsize::new(0),
        answers: Semaphore::new(0),
        is_down: Mutex::new(false),
    });
    let other: Db = app.another_pool().await;
    let process = |db: Db| Cache::new(db, app.clock.clone(), slow.clone(), patience);
    let (one, two) = (process(app.db.clone()), process(other));
    (slow, one, two)
}

const LONG: Duration = Duration::from_secs(20);

fn looking(cache: &Cache, times: usize) -> Vec<tokio::task::JoinHandle<Result<Arc<Answer>, NoAnswer>>> {
    let look = |_| {
        let cache = cache.clone();
        tokio::spawn(async move { cache.look(&query()).await })
    };
    (0..times).map(look).collect()
}

async fn until_asked(slow: &Slow, times: usize) {
    while slow.asked() < times {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn twenty_visitors_of_two_processes_ask_once() {
    let app = TestApp::start().await;
    let (slow, one, two) = world(&app, LONG).await;
    let mut waiting = looking(&one, 10);
    waiting.extend(looking(&two, 10));
    until_asked(&slow, 1).await;
    slow.let_answer(1);
    for visitor in waiting {
        let answer = visitor.await.unwrap().unwrap();
        assert!(!answer.offers.is_empty());
        assert_eq!(answer.left_out, 3);
    }
    assert_eq!(slow.asked(), 1);
    assert_eq!(app.count("flight_search_claims").await, 0);
    // In memory: nobody asks PostgreSQL either.
    app.statements.take();
    one.look(&query()).await.unwrap();
    assert!(app.statements.take().is_empty());
    app.finish().await;
}

#[tokio::test]
async fn after_its_fresh_minutes_an_answer_is_served_while_it_is_asked_for_anew() {
    let app = TestApp::start().await;
    let (slow, one, two) = world(&app, LONG).await;
    slow.let_answer(1);
    let first = one.look(&query()).await.unwrap();
    app.clock.advance(SignedDuration::from_mins(11));
    // At once, although the supplier does not answer yet.
    for _ in 0..5 {
        assert_eq!(one.look(&query()).await.unwrap().asked_at, first.asked_at);
    }
    until_asked(&slow, 2).await;
    slow.let_answer(1);
    while one.look(&query()).await.unwrap().asked_at == first.asked_at {
        tokio::task::yield_now().await;
    }
    assert_eq!(slow.asked(), 2);
    // Memory has it a moment before the table; the other process finds it there.
    app.until_count("flight_search_claims", 0).await;
    assert_eq!(two.look(&query()).await.unwrap().asked_at, app.now());
    assert_eq!(slow.asked(), 2);
    app.finish().await;
}

#[tokio::test]
async fn no_offer_is_served_past_its_time_and_the_sweep_takes_what_is_over() {
    let app = TestApp::start().await;
    let (slow, one, _) = world(&app, LONG).await;
    let soon = app.now() + SignedDuration::from_mins(5);
    slow.offers.lock().unwrap()[0].expires_at = soon;
    slow.let_answer(1);
    let first = one.look(&query()).await.unwrap();
    assert_eq!((first.expires_at, first.fresh_until), (soon, soon));
    app.clock.advance(SignedDuration::from_mins(5));
    slow.let_answer(1);
    let second = one.look(&query()).await.unwrap();
    assert_eq!(slow.asked(), 2);
    assert!(second.offers.iter().all(|offer| offer.expires_at > app.now()));
    app.clock.advance(SignedDuration::from_hours(1));
    app.execute("insert into flight_search_claims values (sha256('left'), '2026-11-23')").await;
    app.sweep().await;
    assert_eq!(app.count("flight_searches").await + app.count("flight_search_claims").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_supplier_that_takes_too_long_is_named_in_time_and_its_answer_is_there_for_the_next() {
    let app = TestApp::start().await;
    let (slow, one, _) = world(&app, Duration::from_millis(50)).await;
    let error = one.look(&query()).await.unwrap_err();
    assert!(matches!(error, NoAnswer::Late), "{error:?}");
    slow.let_answer(1);
    while one.look(&query()).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(slow.asked(), 1);
    app.finish().await;
}

#[tokio::test]
async fn a_failure_is_told_to_all_who_wait_is_kept_by_nobody_and_leaves_no_claim() {
    let app = TestApp::start().await;
    let (slow, one, _) = world(&app, LONG).await;
    *slow.is_down.lock().unwrap() = true;
    // Whoever comes after the failure asks for themselves, so each may need an answer.
    slow.let_answer(5);
    for visitor in looking(&one, 5) {
        assert!(matches!(visitor.await.unwrap(), Err(NoAnswer::Silent(_))));
    }
    let asked = slow.asked();
    assert!((1..=5).contains(&asked), "asked {asked} times");
    slow.answers.forget_permits(5);
    assert_eq!(app.count("flight_searches").await + app.count("flight_search_claims").await, 0);
    *slow.is_down.lock().unwrap() = false;
    slow.let_answer(1);
    one.look(&query()).await.unwrap();
    app.finish().await;
}

#[tokio::test]
async fn a_process_that_died_while_it_asked_holds_nobody_up_for_long() {
    let app = TestApp::start().await;
    let (slow, one, two) = world(&app, LONG).await;
    let waiting = looking(&one, 1);
    until_asked(&slow, 1).await;
    let other = looking(&two, 1);
    app.until_count("flight_search_claims", 1).await;
    app.clock.advance(SignedDuration::from_secs(31));
    until_asked(&slow, 2).await;
    slow.let_answer(2);
    for visitor in waiting.into_iter().chain(other) {
        visitor.await.unwrap().unwrap();
    }
    assert_eq!((slow.asked(), app.count("flight_search_claims").await), (2, 0));
    app.finish().await;
}

#[tokio::test]
async fn what_another_version_kept_in_another_shape_is_as_good_as_not_kept() {
    let app = TestApp::start().await;
    app.get(SEARCH).await.expect(200);
    app.execute("update flight_searches set results = '[{\"id\": \"other\"}]'").await;
    let twin = app.twin().await;
    let visitor = twin.browser(&app.guest());
    visitor.get(SEARCH).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_page_that_another_process_has_asked_for_is_one_statement_with_its_strip() {
    let app = TestApp::start().await;
    let first = app.get(SEARCH).await.expect(200);
    let twin = app.twin().await;
    let visitor = twin.browser(&app.guest());
    // A process that has not counted this visitor yet fetches the allowance first.
    visitor.get(&SEARCH.replace("/flights?", "/flights/calendar?")).await.expect(200);
    app.statements.take();
    let second = visitor.get(SEARCH).await.expect(200);
    let statements = app.statements.take();
    assert_eq!(statements.len(), 1, "{statements:#?}");
    assert_eq!(second.count(".strip a b"), 7);
    assert_eq!(second.texts(".strip li"), first.texts(".strip li"));
    assert_eq!(second.count("article.offer"), first.count("article.offer"));
    // From then on it is in memory.
    visitor.get(SEARCH).await.expect(200);
    assert_eq!(app.statements.take(), Vec::<String>::new());
    app.finish().await;
}

#[tokio::test]
async fn days_that_an_older_version_left_beside_a_newer_answer_are_not_shown_as_its_own() {
    let app = TestApp::start().await;
    app.get(SEARCH).await.expect(200);
    app.execute("update flight_searches set created_at = created_at + interval '1 second'").await;
    let twin = app.twin().await;
    let page = twin.browser(&app.guest()).get(SEARCH).await.expect(200);
    page.says("From searches of the last minutes");
    assert_eq!((page.count(".strip > li"), page.count(".strip b[aria-hidden]")), (7, 6));
    app.finish().await;
}
