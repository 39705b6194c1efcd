//! The staff's list: filter, search, pages by key.

use jiff::SignedDuration;

use crate::helpers::{app::TestApp, page::Page};

fn references(page: &Page) -> Vec<String> {
    page.texts("main tbody th[scope=row]")
}

#[tokio::test]
async fn staff_filter_by_state_and_search_by_reference_and_address() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.alice().await, app.bob().await);
    let draft = app.draft(&alice).await;
    app.clock.advance(SignedDuration::from_mins(1));
    let confirmed = app.confirmed(&bob).await;
    let carol = app.carol().await;
    let list =
        async |query: &str| references(&carol.get(&format!("/admin/bookings{query}")).await.expect(200));
    assert_eq!(list("").await, [confirmed.as_str(), draft.as_str()]);
    assert_eq!(list("?state=confirmed").await, [confirmed.as_str()]);
    assert_eq!(list("?state=failed").await, Vec::<String>::new());
    assert_eq!(list(&format!("?q={}", draft.to_lowercase())).await, [draft.as_str()]);
    assert_eq!(list("?q=MARIA%40EXAMPLE.COM").await.len(), 2);
    assert_eq!(list("?q=nobody%40example.com").await, Vec::<String>::new());
    assert_eq!(list(&format!("?q={draft}&state=confirmed")).await, Vec::<String>::new());
    app.finish().await;
}

#[tokio::test]
async fn nonsense_in_the_filter_is_an_error_or_the_newest_never_a_500() {
    let app = TestApp::start().await;
    let carol = app.carol().await;
    let long = "x".repeat(5_000);
    for query in [
        "state=roof",
        "q=%00",
        "q=%25%25",
        "q='--",
        "older=x",
        "newer=2027",
        "older=0_0",
        &format!("q={long}"),
    ] {
        let page = carol.get(&format!("/admin/bookings?{query}")).await;
        assert!(page.status == 200 || page.status == 422, "{query}: {}", page.status);
    }
    app.finish().await;
}

#[tokio::test]
async fn pages_by_key_show_each_booking_once_forwards_and_back() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.draft(&alice).await;
    // Many at the very same instant: the key must still tell them apart.
    app.execute(
        "insert into bookings (id, booking_reference, user_id, quote, quote_hash, amount_minor, currency, origin, destination, departs_at, supplier, created_at)
         select gen_random_uuid(), translate(lpad(n::text, 6, '0'), '012589', 'ACDEFG'), user_id, quote, quote_hash, amount_minor, currency, origin, destination,
                departs_at, supplier, case when n % 2 = 0 then created_at else created_at - make_interval(secs => n) end
           from bookings, generate_series(1, 120) n",
    )
    .await;
    let carol = app.carol().await;
    let (mut seen, mut address, mut last) = (Vec::new(), "/admin/bookings".to_owned(), None);
    loop {
        let page = carol.get(&address).await.expect(200);
        seen.extend(references(&page));
        let older = page.attrs("nav.pager a", "href").into_iter().find(|href| href.contains("older="));
        last = Some((last.map_or(0, |(n, _)| n) + 1, page));
        match older {
            Some(next) => address = next,
            None => break,
        }
    }
    let all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((all, seen.len()), (121, 121));
    let (pages, page) = last.unwrap();
    assert!(pages > 2);
    let newer = page.attrs("nav.pager a", "href").into_iter().find(|href| href.contains("newer=")).unwrap();
    assert!(!references(&carol.get(&newer).await.expect(200)).is_empty());
    app.finish().await;
}
