//! Alice, bob and carol at every address: what is alice's is hers alone, what is the staff's is the staff's, and a guest is
//! asked who they are. A new address without a line here fails the first test.

use std::collections::BTreeSet;

use crate::helpers::{app::TestApp, browser::Browser, page::Page};

/// Who may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    Everybody,
    /// Who is signed in, each seeing their own.
    SignedIn,
    /// Whose booking it is.
    Owner,
    Staff,
    /// Proves itself by a signature.
    Stripe,
}

const GET: bool = false;
const POST: bool = true;

const ADDRESSES: [(&str, bool, For); 33] = [
    ("/", GET, For::Everybody),
    ("/airports", GET, For::Everybody),
    ("/flights", GET, For::Everybody),
    ("/offers/{id}", GET, For::Everybody),
    ("/signup", GET, For::Everybody),
    ("/signup", POST, For::Everybody),
    ("/login", GET, For::Everybody),
    ("/login", POST, For::Everybody),
    ("/logout", POST, For::Everybody),
    ("/healthz", GET, For::Everybody),
    ("/readyz", GET, For::Everybody),
    ("/static/{file}", GET, For::Everybody),
    ("/demo/mail", GET, For::Everybody),
    ("/demo/mail/{id}", GET, For::Everybody),
    ("/demo/mail/{id}/html", GET, For::Everybody),
    ("/account", GET, For::SignedIn),
    ("/bookings", GET, For::SignedIn),
    // A guest who has chosen is asked to sign in and comes back to the offer.
    ("/bookings", POST, For::Everybody),
    ("/bookings/{reference}", GET, For::Owner),
    ("/bookings/{reference}/passengers", GET, For::Owner),
    ("/bookings/{reference}/passengers", POST, For::Owner),
    ("/bookings/{reference}/review", GET, For::Owner),
    ("/bookings/{reference}/pay", POST, For::Owner),
    ("/bookings/{reference}/return", GET, For::Owner),
    ("/bookings/{reference}/cancelled", GET, For::Owner),
    ("/bookings/{reference}/drop", POST, For::Owner),
    // Somebody reloads the address of a form: it leads to the page with the form.
    ("/bookings/{reference}/pay", GET, For::Everybody),
    ("/bookings/{reference}/drop", GET, For::Everybody),
    ("/admin/bookings", GET, For::Staff),
    ("/admin/bookings/{reference}", GET, For::Staff),
    ("/webhooks/stripe", POST, For::Stripe),
    ("/api/payment/webhook", POST, For::Stripe),
    ("/admin", GET, For::Everybody),
];

async fn visit(browser: &Browser, address: &str, post: bool) -> Page {
    if post { browser.post_form(address, &[("quote_hash", "x")]).await } else { browser.get(address).await }
}

fn of(kind: For) -> impl Iterator<Item = (&'static str, bool)> {
    ADDRESSES.into_iter().filter(move |(_, _, who)| *who == kind).map(|(address, post, _)| (address, post))
}

#[test]
fn every_address_of_the_site_is_tried_here() {
    let app = include_str!("../../src/app.rs");
    let routes: BTreeSet<&str> =
        app.split(".route(").skip(1).filter_map(|rest| rest.split('"').nth(1)).collect();
    let tried: BTreeSet<&str> = ADDRESSES.iter().map(|(address, ..)| *address).collect();
    let untried: Vec<&&str> = routes.difference(&tried).collect();
    assert!(untried.is_empty(), "nobody tries {untried:?}");
    assert!(routes.len() > 10, "the route table was not found");
}

#[tokio::test]
async fn bob_and_even_staff_find_nothing_where_alices_booking_is() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let (draft, confirmed) = (app.draft(&alice).await, app.confirmed(&alice).await);
    let before = (app.state(&draft).await, app.state(&confirmed).await);
    let rows = "select format('%s %s', given_names, updated_at) from passengers order by id";
    let passengers = app.texts(rows).await;
    for stranger in [app.bob().await, app.carol().await] {
        for (address, post) in of(For::Owner) {
            for reference in [&draft, &confirmed, &"ACDEFG".to_owned()] {
                let page = visit(&stranger, &address.replace("{reference}", reference), post).await;
                assert_eq!(page.status, 404, "{address}");
                assert!(!page.body.contains("Duarte"), "{address} tells who flies");
            }
        }
    }
    assert_eq!((app.state(&draft).await, app.state(&confirmed).await), before);
    assert_eq!(app.texts(rows).await, passengers);
    app.finish().await;
}

#[tokio::test]
async fn a_foreign_booking_and_one_that_never_was_look_the_same() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let draft = app.draft(&alice).await;
    let bob = app.bob().await;
    for (address, post) in of(For::Owner).filter(|(_, post)| !post) {
        let foreign = visit(&bob, &address.replace("{reference}", &draft), post).await;
        let missing = visit(&bob, &address.replace("{reference}", "ACDEFG"), post).await;
        let told = |page: &Page| page.words().replace(page.header("x-request-id").unwrap(), "");
        assert_eq!((foreign.status, told(&foreign)), (missing.status, told(&missing)), "{address}");
    }
    app.finish().await;
}

#[tokio::test]
async fn alice_gets_into_every_page_of_her_booking() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    for reference in [app.draft(&alice).await, app.confirmed(&alice).await] {
        for (address, post) in of(For::Owner).filter(|(_, post)| !post) {
            let page = visit(&alice, &address.replace("{reference}", &reference), post).await;
            let page = alice.follow(page).await;
            assert_eq!(page.status, 200, "{address}");
            assert!(page.body.contains(&reference), "{address} does not name the booking");
        }
        let spoken = format!("{} {}", &reference[..3], reference[3..].to_lowercase());
        alice.get(&format!("/bookings/{}", spoken.replace(' ', "%20"))).await.expect(200);
    }
    alice.get("/bookings").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_guest_is_asked_to_sign_in_and_comes_back_to_the_page() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let draft = app.draft(&alice).await;
    for kind in [For::SignedIn, For::Owner, For::Staff] {
        for (address, post) in of(kind) {
            let address = address.replace("{reference}", &draft);
            let page = visit(&app.guest(), &address, post).await;
            if post {
                assert_eq!(page.status, 401, "{address}");
            } else {
                let next: String = url::form_urlencoded::byte_serialize(address.as_bytes()).collect();
                assert_eq!(page.redirect(), format!("/login?next={next}"), "{address}");
            }
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn staff_pages_are_for_staff() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let booking = app.confirmed(&alice).await;
    let carol = app.carol().await;
    for (address, post) in of(For::Staff) {
        let address = address.replace("{reference}", &booking);
        assert_eq!(visit(&alice, &address, post).await.status, 403, "{address}");
        visit(&carol, &address, post).await.expect(200);
    }
    // Personal data is masked even there.
    let page = carol.get(&format!("/admin/bookings/{booking}")).await.expect(200);
    assert!(!page.body.contains("Maria Inês") && !page.body.contains("1986"), "a passenger is not masked");
    carol.get("/admin/bookings/ACDEFG").await.expect(404);
    carol.get("/admin/bookings/nonsense").await.expect(404);
    app.finish().await;
}
