//! Lists that are kept as they were written out: what anybody gets of them is what would be written for them now, with
//! nothing in it that belongs to somebody else.

use jiff::SignedDuration;

use crate::helpers::{
    app::{ALICE, BOB, CAROL, TestApp},
    browser::Browser,
    page::Page,
    story::SEARCH,
};

/// Each answer has a nonce of its own, which is the one that its policy lets run.
fn nonce(page: &Page) -> String {
    let nonce = page.attr("script[nonce]", "nonce");
    assert!(page.header("content-security-policy").unwrap().contains(&format!("'nonce-{nonce}'")));
    assert_eq!(page.body.matches(&nonce).count(), 1);
    nonce
}

fn without_nonce(page: &Page) -> String {
    page.body.replace(&nonce(page), "")
}

fn multi() -> String {
    "/flights?trip=multi&from=LIS&to=LHR&leave=2026-12-14&from2=LHR&to2=CDG&leave2=2026-12-18&adults=1"
        .to_owned()
}

#[tokio::test]
async fn a_list_from_the_shelf_is_the_one_that_would_be_written_now() {
    let app = TestApp::start().await;
    let visitors = [app.guest(), app.alice().await, app.carol().await];
    let lists = [
        SEARCH.to_owned(),
        format!("{SEARCH}&stops=0"),
        format!("{SEARCH}&sort=cheapest&page=2"),
        SEARCH.replace("LHR", "london"),
        multi(),
    ];
    // What is asked of the supplier is asked before, so that all see the same moment.
    for list in &lists {
        app.get(list).await;
    }
    // Another process has the same answers, and writes each list out when it is first asked for it.
    let twin = app.twin().await;
    let mut seen = Vec::new();
    for list in &lists {
        for visitor in &visitors {
            let anew = twin.browser(visitor).get(list).await;
            let first = visitor.get(list).await;
            let again = visitor.get(list).await;
            assert_eq!(again.status, anew.status, "{list}");
            assert_eq!(without_nonce(&again), without_nonce(&anew), "{list}");
            assert_eq!(without_nonce(&again), without_nonce(&first), "{list}");
            seen.extend([nonce(&anew), nonce(&first), nonce(&again)]);
        }
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all, "a nonce was told twice");
    drop(twin);
    app.finish().await;
}

#[tokio::test]
async fn a_list_from_the_shelf_knows_nothing_of_whoever_saw_it_before() {
    let app = TestApp::start().await;
    let (alice, bob, carol, guest) = (app.alice().await, app.bob().await, app.carol().await, app.guest());
    let is = async |browser: &Browser| {
        let page = browser.get(SEARCH).await.expect(200);
        for address in [ALICE, BOB, CAROL] {
            assert!(!page.body.contains(address), "{address}");
        }
        let links = [page.has("form[action='/logout']"), page.has("header a[href='/admin/bookings']")];
        (links, page.has("header a[href='/login']"))
    };
    // In every order, so that each finds what another has left.
    for _ in 0..2 {
        assert_eq!(is(&carol).await, ([true, true], false));
        assert_eq!(is(&guest).await, ([false, false], true));
        assert_eq!(is(&alice).await, ([true, false], false));
        assert_eq!(is(&bob).await, ([true, false], false));
    }
    // Each browser remembers its own searches, and one that knows the search already is told nothing new.
    let other = app.guest();
    assert!(other.get(SEARCH).await.header("set-cookie").unwrap().starts_with("searches="));
    assert!(other.get(SEARCH).await.header("set-cookie").is_none());
    other.get(&multi()).await.expect(200);
    other.get(SEARCH).await.expect(200);
    let known = other.cookie("searches").unwrap();
    let known: Vec<&str> = known.split("%7C").collect();
    assert!(known.len() == 2 && known[0].contains("oneway") && known[1].contains("multi"), "{known:?}");
    // Whoever signs out is nobody at once.
    let page = alice.get(SEARCH).await;
    alice.submit(&page, "form[action='/logout']", &[]).await;
    assert_eq!(is(&alice).await, ([false, false], true));
    app.finish().await;
}

#[tokio::test]
async fn the_age_of_a_price_moves_on_and_an_answer_that_is_over_is_asked_for_anew() {
    let app = TestApp::start().await;
    let ages = async || {
        let page = app.get(SEARCH).await.expect(200);
        let said = page.words().replace('\u{a0}', " ");
        let told = ["seen just now", "seen 1 min ago", "seen 2 min ago"];
        told.into_iter().filter(|age| said.contains(age)).collect::<Vec<_>>()
    };
    assert_eq!(ages().await, ["seen just now"]);
    assert_eq!(ages().await, ["seen just now"]);
    app.clock.advance(SignedDuration::from_secs(59));
    assert_eq!(ages().await, ["seen just now"]);
    app.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(ages().await, ["seen 1 min ago"]);
    app.clock.advance(SignedDuration::from_secs(59));
    assert_eq!(ages().await, ["seen 1 min ago"]);
    app.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(ages().await, ["seen 2 min ago"]);
    let before = app.get(SEARCH).await.attrs("article.offer a[href^='/offers/']", "href");
    app.clock.advance(SignedDuration::from_mins(30));
    let after = app.get(SEARCH).await;
    after.says("seen just now");
    let after = after.attrs("article.offer a[href^='/offers/']", "href");
    assert!(!after.is_empty() && after.iter().all(|offer| !before.contains(offer)), "{after:?}");
    app.finish().await;
}

#[tokio::test]
async fn a_list_does_not_outlive_its_answer_whatever_becomes_of_the_supplier() {
    let app = TestApp::start().await;
    let before = app.get(SEARCH).await.expect(200).attrs("article.offer a[href^='/offers/']", "href");
    app.switches.set_search_down(true);
    let again = app.get(SEARCH).await.expect(200).attrs("article.offer a[href^='/offers/']", "href");
    assert_eq!(again, before);
    app.clock.advance(SignedDuration::from_mins(21));
    let page = app.get(SEARCH).await;
    assert_eq!(page.count("article.offer"), 0, "offers are shown past the life of their answer");
    app.finish().await;
}

#[tokio::test]
async fn a_list_from_the_shelf_counts_against_the_visitors_limit_as_any_other() {
    let app = TestApp::start().await;
    let visitor = app.guest();
    let mut refused = 0;
    for _ in 0..310 {
        let page = visitor.get(SEARCH).await;
        if page.status == 429 {
            refused += 1;
            break;
        }
        page.expect(200);
    }
    assert_eq!(refused, 1);
    app.finish().await;
}
