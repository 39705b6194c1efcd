//! One connection for everybody: what one request leaves on it would be the next one's. So nothing may be left, whatever
//! becomes of the request.

use std::time::Duration;

use jetbridge::db::{Db, Guest, System, Traveller};
use sqlx::{Connection, Executor, Row};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::yield_now,
    time::timeout,
};

use crate::helpers::{
    app::{self, TestApp},
    browser::Browser,
    story::GOOD_CARD,
};

/// Nobody's settings are on the connection: neither outside of transactions nor in the next one.
async fn assert_clean(db: &Db, after: &str) {
    // Reads as the login; any of our roles is refused this.
    assert!(db.is_migrated().await.unwrap_or_else(|error| panic!("{after}: {error}")), "{after}");
    assert!(db.login_rights().await.unwrap().can_switch, "{after}: another role is left");
    let mut tx = db.begin(Guest).await.unwrap();
    let who = "select current_user::text, coalesce(current_setting('app.user_id', true), ''),
                      coalesce(current_setting('app.link', true), '')";
    let inside = tx.fetch_one(who).await.unwrap();
    // What the connection itself has shows once the transaction is gone.
    let outside = sqlx::raw_sql(&format!("commit; {who}")).fetch_one(&mut *tx).await.unwrap();
    drop(tx);
    let words = |row: &sqlx::postgres::PgRow| [0, 1, 2].map(|at| row.get::<String, _>(at));
    assert_eq!(words(&inside), ["jetbridge_guest", "", ""], "{after}");
    assert_eq!(words(&outside), ["jetbridge", "", ""], "{after}");
}

/// Somebody with a booking, and how many times its reference may be seen.
struct Person {
    browser: Browser,
    reference: String,
}

struct Scene {
    app: TestApp,
    alice: Person,
    bob: Person,
    dora: Person,
    carol: Browser,
}

impl Scene {
    async fn new() -> Self {
        let app = TestApp::on_one_connection().await;
        let (alice, bob, carol) = (app.alice().await, app.bob().await, app.carol().await);
        let hers = app.confirmed(&alice).await;
        let his = app.confirmed(&bob).await;
        let (dora, doras) = app.dora().await;
        Self {
            alice: Person { browser: alice, reference: hers },
            bob: Person { browser: bob, reference: his },
            dora: Person { browser: dora, reference: doras },
            carol,
            app,
        }
    }

    async fn traveller(&self, who: &Person, other: &Person) {
        let list = who.browser.get("/bookings").await.expect(200);
        assert!(list.body.contains(&who.reference), "their own booking is not listed");
        for foreign in [&self.alice, &self.bob, &self.dora] {
            let is_listed = list.body.contains(&foreign.reference);
            assert_eq!(is_listed, foreign.reference == who.reference, "another's booking is listed");
        }
        who.browser.get(&format!("/bookings/{}", who.reference)).await.expect(200);
        who.browser.get(&format!("/bookings/{}", other.reference)).await.expect(404);
        who.browser.get(&format!("/bookings/{}", self.dora.reference)).await.expect(404);
    }

    async fn guest(&self) {
        let guest = self.app.guest();
        guest.get("/bookings").await.expect(303);
        guest.get(&format!("/bookings/{}", self.alice.reference)).await.expect(303);
        guest.get("/readyz").await.expect(200);
    }

    async fn link_holder(&self) {
        let dora = &self.dora.browser;
        dora.open(&format!("/bookings/{}", self.dora.reference)).await.expect(200);
        dora.get(&format!("/bookings/{}", self.alice.reference)).await.expect(303);
        dora.get(&format!("/bookings/{}", self.bob.reference)).await.expect(303);
    }

    async fn staff(&self) {
        let list = self.carol.get("/admin/bookings").await.expect(200);
        for person in [&self.alice, &self.bob, &self.dora] {
            assert!(list.body.contains(&person.reference), "staff see all bookings");
        }
    }
}

#[tokio::test]
async fn everybody_at_once_through_one_connection_sees_exactly_what_is_theirs() {
    let scene = Scene::new().await;
    let app = &scene.app;
    for round in 0..4 {
        let paid = app.draft(&scene.bob.browser).await;
        let session = app.press_pay(&scene.bob.browser, &paid).await;
        app.stripe.pay(&session.id, GOOD_CARD).expect("pays");
        // Webhooks come in and jobs run between the others' requests.
        tokio::join!(
            scene.traveller(&scene.alice, &scene.bob),
            scene.guest(),
            app.settle(),
            scene.traveller(&scene.bob, &scene.alice),
            scene.staff(),
            scene.link_holder(),
            scene.traveller(&scene.alice, &scene.bob),
            scene.guest(),
        );
        app.settle().await;
        assert_eq!(app.state(&paid).await.booking, "confirmed", "round {round}");
        assert_clean(&app.db, "a round of requests").await;
    }
    scene.app.finish().await;
}

#[tokio::test]
async fn a_begin_that_is_given_up_at_any_moment_gives_the_connection_back_clean() {
    let app = TestApp::on_one_connection().await;
    app.alice().await;
    let alice = app.texts(&format!("select id::text from auth.users where email = '{}'", app::ALICE)).await;
    let traveller = Traveller::Account(alice[0].parse().unwrap());
    let mut begun = 0;
    for cut in 0..300_u64 {
        match timeout(Duration::from_micros(cut * 5), app.db.begin(traveller)).await {
            Ok(tx) => {
                drop(tx.unwrap());
                begun += 1;
            }
            Err(_) => assert_clean(&app.db, &format!("given up after {} µs", cut * 5)).await,
        }
    }
    assert!(begun > 0, "none was ever begun");
    app.finish().await;
}

#[tokio::test]
async fn a_request_that_is_cut_off_at_any_moment_leaves_nothing_of_its_sender() {
    let scene = Scene::new().await;
    let app = &scene.app;
    let address = app.url.socket_addrs(|| None).unwrap()[0];
    let session = scene.alice.browser.cookie("session").unwrap();
    let host = app.url.authority();
    let ask = async |path: &str| {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {host}\r\ncookie: session={session}\r\nconnection: close\r\n\r\n"
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
    };
    let pages = ["/bookings".to_owned(), format!("/bookings/{}", scene.alice.reference)];
    // After some turns of the others. Time would be no measure on a busy machine.
    for turns in 0..20 {
        let patience = async {
            for _ in 0..turns {
                yield_now().await;
            }
        };
        // Dropped half-way, the stream closes and the server drops what it was doing.
        tokio::select! { biased; () = ask(&pages[turns % 2]) => {} () = patience => {} }
        assert_clean(&app.db, &format!("hung up after {turns} turns")).await;
        scene.traveller(&scene.bob, &scene.alice).await;
    }
    // And for certain in the middle of a statement.
    for path in pages.iter().cycle().take(4) {
        let mut lock = app.sql().await;
        lock.execute("begin; lock table bookings in access exclusive mode").await.unwrap();
        let is_waiting = async {
            while app
                .count("pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
                .await
                == 0
            {
                yield_now().await;
            }
        };
        tokio::select! { () = ask(path) => panic!("{path} has not waited") , () = is_waiting => {} }
        lock.execute("rollback").await.unwrap();
        assert_clean(&app.db, "hung up in a statement").await;
        scene.traveller(&scene.bob, &scene.alice).await;
    }
    scene.app.finish().await;
}

#[tokio::test]
async fn a_transaction_that_is_dropped_panics_fails_or_times_out_is_as_if_it_had_never_been() {
    let scene = Scene::new().await;
    let app = &scene.app;
    let alice = app.texts(&format!("select id::text from auth.users where email = '{}'", app::ALICE)).await;
    let traveller = Traveller::Account(alice[0].parse().unwrap());
    let change = "update profiles set full_name = 'Mallory'";
    let unchanged = async |after: &str| {
        assert_clean(&app.db, after).await;
        assert_eq!(app.count("profiles where full_name = 'Mallory'").await, 0, "{after}");
    };

    let mut tx = app.db.begin(traveller).await.unwrap();
    tx.execute(change).await.unwrap();
    drop(tx);
    unchanged("a drop without commit").await;

    let db = app.db.clone();
    let panicking = tokio::spawn(async move {
        let mut tx = db.begin(traveller).await.unwrap();
        tx.execute(change).await.unwrap();
        panic!("in the middle of it");
    });
    assert!(panicking.await.unwrap_err().is_panic());
    unchanged("a panic").await;

    let mut tx = app.db.begin(traveller).await.unwrap();
    tx.execute(change).await.unwrap();
    tx.execute("select 1 / 0").await.unwrap_err();
    tx.execute("select 1").await.unwrap_err();
    drop(tx);
    unchanged("an error inside").await;

    // Committed all the same, a failed transaction is rolled back.
    let mut tx = app.db.begin(traveller).await.unwrap();
    tx.execute(change).await.unwrap();
    tx.execute("select 1 / 0").await.unwrap_err();
    drop(tx.commit().await);
    unchanged("a commit after an error").await;

    let mut tx = app.db.begin(traveller).await.unwrap();
    tx.execute(change).await.unwrap();
    tx.execute("set local statement_timeout = 1").await.unwrap();
    let late = tx.execute("select pg_sleep(10)").await.unwrap_err();
    assert!(late.to_string().contains("statement timeout"), "{late}");
    drop(tx);
    unchanged("a statement that took too long").await;

    // The query is under way when whoever asked goes.
    let mut tx = app.db.begin(System).await.unwrap();
    tx.execute("update profiles set full_name = 'Mallory'").await.unwrap();
    assert!(timeout(Duration::from_millis(5), tx.execute("select pg_sleep(0.05)")).await.is_err());
    drop(tx);
    unchanged("a query that nobody waited for").await;
    scene.app.finish().await;
}

#[tokio::test]
async fn a_page_that_fails_inside_its_transaction_leaves_nothing_to_the_next() {
    let scene = Scene::new().await;
    let app = &scene.app;
    let draft = app.draft(&scene.alice.browser).await;
    app.execute(
        "create function break_it() returns trigger language plpgsql as 'begin raise exception ''broken''; end';
         create trigger break_it before insert or update or delete on passengers for each statement execute function break_it()",
    )
    .await;
    let page = scene.alice.browser.get(&format!("/bookings/{draft}/passengers")).await.expect(200);
    for _ in 0..3 {
        let failed = scene.alice.browser.submit(&page, "form[action$='/passengers']", &[]).await;
        assert!(failed.status.is_server_error(), "{}", failed.status);
        assert_clean(&app.db, "a page that failed").await;
        scene.traveller(&scene.bob, &scene.alice).await;
        scene.guest().await;
    }
    app.execute("drop trigger break_it on passengers; drop function break_it()").await;
    let saved = scene.alice.browser.submit(&page, "form[action$='/passengers']", &[]).await;
    saved.redirect();
    scene.app.finish().await;
}

#[tokio::test]
async fn a_connection_that_the_database_ends_is_replaced() {
    let scene = Scene::new().await;
    let app = &scene.app;
    let mut sql = app.sql().await;
    for _ in 0..3 {
        sql.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity
              where datname = current_database() and pid <> pg_backend_pid()",
        )
        .await
        .unwrap();
        // The first to come may find it broken.
        drop(scene.alice.browser.get("/bookings").await);
        scene.traveller(&scene.alice, &scene.bob).await;
        assert_clean(&app.db, "a lost connection").await;
    }
    sql.close().await.unwrap();
    scene.app.finish().await;
}
