//! Booking without an account: the whole way, and that the link to one booking opens that one and nothing else.

use jiff::SignedDuration;
use reqwest::Method;
use sqlx::{Connection, Executor};

use crate::helpers::{
    app::TestApp,
    browser::Browser,
    page::Page,
    story::{SEARCH, passenger},
};

/// What [`passenger`] writes as the contact.
pub const CONTACT: &str = "maria@example.com";

/// The secret addresses that our mails carry, oldest first.
pub fn mailed_links(app: &TestApp) -> Vec<String> {
    let mut mails = app.mailbox.list();
    mails.sort_by_key(|mail| mail.envelope.received);
    let link = |text: String| {
        text.lines().find_map(|line| line.split_once("/booking-link/").map(|(_, token)| token.to_owned()))
    };
    mails
        .into_iter()
        .filter_map(|mail| mail.text.and_then(link))
        .map(|token| format!("/booking-link/{token}"))
        .collect()
}

pub async fn find(browser: &Browser, reference: &str, family: &str, email: &str) -> Page {
    let page = browser.get("/find").await.expect(200);
    let typed = [("reference", reference), ("family", family), ("email", email)];
    browser.submit(&page, "form[action='/find']", &typed).await
}

/// As a guest who has nothing here: pages ask for a sign-in, forms are refused.
pub async fn is_shut(browser: &Browser, reference: &str) {
    let page = format!("/bookings/{reference}");
    let login = browser.get(&page).await.redirect();
    assert_eq!(login, format!("/login?next=%2Fbookings%2F{reference}"));
    browser.post_form(&format!("{page}/drop"), &[]).await.expect(401);
}

#[tokio::test]
async fn a_guest_books_pays_and_travels_without_an_account() {
    let app = TestApp::start().await;
    let (dora, reference) = app.dora().await;
    let review = dora.get(&format!("/bookings/{reference}/review")).await.expect(200);
    review.says("Maria Inês Duarte");
    let session = app.press_pay(&dora, &reference).await;
    let waiting = dora.get(&format!("/bookings/{reference}/cancelled")).await.expect(200);
    waiting.says("You have not paid");
    app.stripe.pay(&session.id, crate::helpers::story::GOOD_CARD).expect("pays");
    let back = dora.get(&format!("/bookings/{reference}/return")).await;
    dora.follow(back).await.expect(200);
    app.settle().await;
    let page = dora.get(&format!("/bookings/{reference}")).await.expect(200);
    page.says("Maria Inês").says("Tickets issued");
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    assert_eq!(app.count("bookings where user_id is null").await, 1);
    assert_eq!(app.count("auth.users").await, 0);
    assert_eq!(
        app.texts(
            "select coalesce(actor_id::text, '') from booking_events where actor = 'traveller' group by 1"
        )
        .await,
        [""]
    );
    app.finish().await;
}

#[tokio::test]
async fn a_guest_gives_a_draft_up() {
    let app = TestApp::start().await;
    let (dora, reference) = app.dora().await;
    let page = dora.get(&format!("/bookings/{reference}")).await.expect(200);
    let page = dora.submit(&page, "form[action$='/drop']", &[]).await;
    dora.follow(page).await.expect(200);
    assert_eq!(app.state(&reference).await.booking, "cancelled");
    app.finish().await;
}

#[tokio::test]
async fn only_a_guest_who_books_gets_a_session() {
    let app = TestApp::start().await;
    let guest = app.guest();
    for address in ["/", SEARCH, "/login", "/find", "/bookings"] {
        guest.get(address).await;
    }
    assert_eq!(guest.cookie("session"), None);
    assert_eq!(app.count("tower_sessions.session").await, 0);
    app.dora().await;
    assert_eq!(app.count("tower_sessions.session").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn another_browser_and_another_booking_stay_shut() {
    let app = TestApp::start().await;
    let (dora, hers) = app.dora().await;
    let (erik, his) = app.dora().await;
    let alice = app.alice().await;
    let alices = app.draft(&alice).await;
    for reference in [his.as_str(), alices.as_str(), "ACDEFG"] {
        is_shut(&dora, reference).await;
    }
    is_shut(&erik, &hers).await;
    is_shut(&app.guest(), &hers).await;
    alice.get(&format!("/bookings/{hers}")).await.expect(404);
    for page in ["/bookings", "/account"] {
        assert!(dora.get(page).await.redirect().starts_with("/login?next="), "{page}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_browser_holds_two_bookings_and_of_twenty_one_the_first_gives_way() {
    let app = TestApp::start().await;
    let dora = app.guest();
    let first = app.draft(&dora).await;
    let second = app.draft(&dora).await;
    for reference in [&first, &second] {
        dora.get(&format!("/bookings/{reference}")).await.expect(200).says(reference);
    }
    let found = dora.get(SEARCH).await.expect(200);
    let offer = dora.get(&found.attr("a[href^='/offers/']", "href")).await.expect(200);
    for _ in 0..19 {
        dora.submit(&offer, "form[action='/bookings']", &[]).await.redirect();
    }
    is_shut(&dora, &first).await;
    dora.get(&format!("/bookings/{second}")).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_link_dies_with_its_row_and_then_the_browser_is_a_guest_again() {
    let app = TestApp::start().await;
    let (dora, reference) = app.dora().await;
    app.execute("delete from booking_links").await;
    is_shut(&dora, &reference).await;
    app.finish().await;
}

#[tokio::test]
async fn links_expire_thirty_days_after_the_journey_or_after_the_booking_came_to_nothing() {
    let app = TestApp::start().await;
    let dora = app.guest();
    let flown = app.confirmed(&dora).await;
    let dropped = app.draft(&dora).await;
    dora.post_form(&format!("/bookings/{dropped}/drop"), &[]).await.redirect();
    let open = async |reference: &str| dora.get(&format!("/bookings/{reference}")).await.status == 200;
    app.sweep().await;
    app.clock.advance(jiff::SignedDuration::from_hours(24 * 29));
    app.sweep().await;
    assert!(open(&flown).await && open(&dropped).await);
    app.clock.advance(jiff::SignedDuration::from_hours(25));
    app.sweep().await;
    assert!(open(&flown).await && !open(&dropped).await);
    let until = "select format('%s', extract(epoch from max(expires_at))::bigint) from booking_links";
    let until: i64 = app.texts(until).await[0].parse().unwrap();
    app.clock.advance(jiff::SignedDuration::from_secs(until - app.now().as_second() - 1));
    app.sweep().await;
    assert_eq!(app.count("booking_links where mail_id is null").await, 1);
    app.clock.advance(jiff::SignedDuration::from_secs(1));
    app.sweep().await;
    assert_eq!(app.count("booking_links").await, 0);
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn in_the_database_too_a_link_opens_one_booking_and_no_link_opens_none() {
    let app = TestApp::start().await;
    let (_, hers) = app.dora().await;
    app.dora().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    let mut sql = app.sql().await;
    let own = format!(
        "select encode(l.token_hash, 'hex') from booking_links l join bookings b on b.id = l.booking_id where b.booking_reference = '{hers}'"
    );
    let own = app.texts(&own).await.remove(0);
    let unknown = "ab".repeat(32);
    let tables = ["bookings", "passengers", "booking_events"];
    for (link, seen) in [(own.as_str(), true), (unknown.as_str(), false), ("", false), ("00", false)] {
        let mut tx = sql.begin().await.unwrap();
        tx.execute(
            format!(
                "select set_config('role', 'jetbridge_guest', true), set_config('app.link', '{link}', true)"
            )
            .as_str(),
        )
        .await
        .unwrap();
        for table in tables {
            let key = if table == "bookings" { "id" } else { "booking_id" };
            let ids: Vec<uuid::Uuid> = sqlx::query_scalar(&format!("select distinct {key} from {table}"))
                .fetch_all(&mut *tx)
                .await
                .unwrap();
            assert_eq!(ids.len(), usize::from(seen), "{table} with {link:?}");
        }
        for write in [
            "update bookings set contact_email = 'mallory@example.com'",
            "update passengers set given_names = 'Mallory'",
            "delete from passengers",
        ] {
            let done = tx.execute(write).await.unwrap().rows_affected();
            assert_eq!(done, u64::from(seen), "{write} with {link:?}");
        }
        tx.rollback().await.unwrap();
    }
    sql.close().await.unwrap();
    app.finish().await;
}

#[tokio::test]
async fn the_holder_of_a_link_may_change_no_more_than_a_traveller() {
    let app = TestApp::start().await;
    app.dora().await;
    let link = app.texts("select encode(token_hash, 'hex') from booking_links").await.remove(0);
    let mut sql = app.sql().await;
    for statement in [
        "update bookings set booking_status = 'held'",
        "update bookings set amount_minor = 1",
        "update bookings set user_id = gen_random_uuid()",
        "update passengers set ticket_number = '1234567890123'",
        "update passengers set booking_id = booking_id",
        "insert into bookings select * from bookings",
        "insert into booking_events (booking_id, kind, actor) select id, 'x', 'system' from bookings",
        "delete from bookings",
        "select * from booking_links",
        "select * from booking_finds",
        "select * from profiles",
        "select * from auth.users",
        "select * from mails",
    ] {
        let mut tx = sql.begin().await.unwrap();
        let begin = format!(
            "select set_config('role', 'jetbridge_guest', true), set_config('app.link', '{link}', true)"
        );
        tx.execute(begin.as_str()).await.unwrap();
        let error = tx.execute(statement).await.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{statement}: {error}");
        tx.rollback().await.unwrap();
    }
    // Garbage in the setting is no key either: it opens nothing, whatever PostgreSQL says to it.
    for garbage in ["zz", "'; --", "0"] {
        let mut tx = sql.begin().await.unwrap();
        sqlx::query("select set_config('role', 'jetbridge_guest', true), set_config('app.link', $1, true)")
            .bind(garbage)
            .execute(&mut *tx)
            .await
            .unwrap();
        let found = sqlx::query("select 1 from bookings").fetch_all(&mut *tx).await;
        assert!(found.map_or(true, |rows| rows.is_empty()), "{garbage}");
        tx.rollback().await.unwrap();
    }
    sql.close().await.unwrap();
    app.finish().await;
}

#[tokio::test]
async fn a_bad_form_of_a_guest_keeps_what_was_typed_and_a_good_one_is_saved() {
    let app = TestApp::start().await;
    let (dora, reference) = app.dora().await;
    let address = format!("/bookings/{reference}/passengers");
    let mut typed = passenger("Novak").to_vec();
    typed.push(("p1_given", ""));
    typed.remove(0);
    let page = dora.post_form(&address, &typed).await.expect(422);
    page.says("You book without an account.");
    assert_eq!(page.value("form#who", "p1_family"), "Novak");
    dora.post_form(&address, &passenger("Novak")).await.redirect();
    assert_eq!(app.texts("select family_name from passengers").await, ["Novak"]);
    app.finish().await;
}

#[tokio::test]
async fn the_mails_of_a_guest_carry_a_link_that_opens_the_booking_in_any_browser() {
    let app = TestApp::start().await;
    let dora = app.guest();
    let reference = app.confirmed(&dora).await;
    let links = mailed_links(&app);
    assert_eq!(links.len(), 2, "confirmation and receipt");
    for link in links {
        let phone = app.guest();
        let page = phone.get(&link).await;
        assert_eq!(page.redirect(), format!("/bookings/{reference}"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        assert!(page.header("cache-control").unwrap().contains("no-store"));
        phone.get(&page.location()).await.expect(200).says("Maria Inês");
        // Once more is no harm, and this browser still opens nothing else.
        assert_eq!(phone.get(&link).await.redirect(), format!("/bookings/{reference}"));
        is_shut(&phone, "ACDEFG").await;
        let held = phone.get("/find").await.expect(200).texts("main li");
        assert_eq!(held, [reference.as_str()]);
    }
    app.finish().await;
}

#[tokio::test]
async fn the_mails_of_an_account_carry_no_link_that_opens_anything() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    assert_eq!(mailed_links(&app), Vec::<String>::new());
    assert_eq!(app.count("booking_links").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_link_is_kept_by_its_hash_only() {
    let app = TestApp::start().await;
    let dora = app.guest();
    app.confirmed(&dora).await;
    let link = mailed_links(&app).remove(0);
    app.guest().get(&link).await.redirect();
    let token = link.trim_start_matches("/booking-link/");
    let tables = app
        .texts("select format('%I.%I', schemaname, tablename) from pg_tables where schemaname !~ '^(pg_|information_schema)'")
        .await;
    for table in tables {
        let found = app.count(&format!("{table} t where strpos(t::text, '{token}') > 0")).await;
        assert_eq!(found, 0, "{table}");
    }
    let hex = hex::encode(token);
    assert_eq!(
        app.count(&format!("tower_sessions.session where strpos(encode(data, 'hex'), '{hex}') > 0")).await,
        0
    );
    app.finish().await;
}

#[tokio::test]
async fn looking_at_a_link_without_opening_it_changes_nothing() {
    let app = TestApp::start().await;
    let dora = app.guest();
    app.confirmed(&dora).await;
    let link = mailed_links(&app).remove(0);
    let sessions = app.count("tower_sessions.session").await;
    let scanner = app.guest();
    let page = scanner.request(Method::HEAD, &link).await;
    assert_eq!((page.status.as_u16(), page.header("set-cookie")), (303, None));
    let prefetching = app.guest();
    prefetching.set_header("sec-purpose", "prefetch;prerender");
    let page = prefetching.get(&link).await;
    assert_eq!((page.status.as_u16(), page.header("set-cookie")), (204, None));
    assert_eq!(app.count("tower_sessions.session").await, sessions);
    app.finish().await;
}

#[tokio::test]
async fn a_dead_link_says_so_and_unknown_revoked_and_expired_ones_look_the_same() {
    let app = TestApp::start().await;
    let dora = app.guest();
    app.confirmed(&dora).await;
    let link = mailed_links(&app).remove(0);
    let told = |page: Page| (page.status.as_u16(), page.words());
    let unknown = told(app.get(&format!("/booking-link/{}", "A".repeat(43))).await);
    assert_eq!(unknown.0, 404);
    assert!(unknown.1.contains("This link opens nothing any more"));
    for nonsense in ["x", "%00", "..%2f", &"x".repeat(3_000)] {
        assert_eq!(told(app.get(&format!("/booking-link/{nonsense}")).await), unknown, "{nonsense}");
    }
    app.execute(
        "update booking_links set created_at = created_at - interval '1 year', expires_at = '2026-11-24'",
    )
    .await;
    app.clock.advance(SignedDuration::from_hours(24));
    app.sweep().await;
    assert_eq!(told(app.get(&link).await), unknown);
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn a_link_gives_the_browser_a_new_session_and_keeps_who_is_signed_in() {
    let app = TestApp::start().await;
    let dora = app.guest();
    let reference = app.confirmed(&dora).await;
    let link = mailed_links(&app).remove(0);
    let alice = app.alice().await;
    let before = alice.cookie("session").unwrap();
    alice.get(&link).await.redirect();
    assert_ne!(alice.cookie("session").unwrap(), before);
    alice.get("/account").await.expect(200);
    alice.get(&format!("/bookings/{reference}")).await.expect(200).says("not in your account");
    // Whoever copied the cookie that she had before has not got the link.
    let thief = app.guest();
    thief.set_cookie("session", &before);
    assert_ne!(thief.get(&format!("/bookings/{reference}")).await.status, 200);
    app.finish().await;
}

#[tokio::test]
async fn a_new_contact_address_ends_the_links_that_were_mailed_to_the_old_one() {
    let app = TestApp::start().await;
    let (dora, reference) = app.dora().await;
    find(&dora, &reference, "Duarte", CONTACT).await.redirect();
    app.run_jobs().await;
    let link = mailed_links(&app).remove(0);
    app.guest().get(&link).await.redirect();
    let mut typed = passenger("Duarte").to_vec();
    typed.retain(|(name, _)| *name != "email");
    typed.push(("email", "inês.typed.it.wrong@example.com"));
    dora.post_form(&format!("/bookings/{reference}/passengers"), &typed).await.expect(422);
    app.guest().get(&link).await.redirect();
    typed.pop();
    typed.push(("email", "ines@example.com"));
    dora.post_form(&format!("/bookings/{reference}/passengers"), &typed).await.redirect();
    app.guest().get(&link).await.expect(404);
    dora.get(&format!("/bookings/{reference}")).await.expect(200);
    app.finish().await;
}
