//! Signing up, in and out, by the pages.

use crate::helpers::{
    app::{ALICE, PASSWORD, TestApp},
    browser::Browser,
    page::Page,
};

async fn sign_up(browser: &Browser, email: &str, password: &str) -> Page {
    let page = browser.get("/signup").await.expect(200);
    let typed = [("name", "Alice Archer"), ("email", email), ("password", password)];
    browser.submit(&page, "form[action='/signup']", &typed).await
}

async fn log_in(browser: &Browser, email: &str, password: &str) -> Page {
    let page = browser.get("/login").await.expect(200);
    browser.submit(&page, "form[action='/login']", &[("email", email), ("password", password)]).await
}

#[tokio::test]
async fn a_traveller_signs_up_signs_in_is_greeted_and_signs_out() {
    let app = TestApp::start().await;
    let alice = app.guest();
    let next = sign_up(&alice, "Alice@Example.com", PASSWORD).await.redirect();
    assert_eq!(next, "/signup/sent?next=%2Fbookings");
    alice.get(&next).await.expect(200).says("We have sent you a mail");
    log_in(&alice, ALICE, PASSWORD).await.redirect();
    let account = alice.get("/account").await.expect(200);
    account.says("Alice Archer").says("Alice@example.com");
    alice.submit(&account, "form[action='/logout']", &[]).await.redirect();
    assert_eq!(alice.get("/account").await.redirect(), "/login?next=%2Faccount");
    app.run_jobs().await;
    assert_eq!(app.mails().await, ["verify_email"]);
    app.finish().await;
}

#[tokio::test]
async fn passwords_are_kept_as_argon2id_at_no_less_than_the_recommended_cost() {
    let app = TestApp::start().await;
    app.alice().await;
    let hash: String = sqlx::query_scalar("select password_hash from auth.users")
        .fetch_one(&mut app.sql().await)
        .await
        .unwrap();
    let cost: Vec<u32> =
        hash.split('$').nth(3).unwrap().split(',').map(|p| p[2..].parse().unwrap()).collect();
    assert!(hash.starts_with("$argon2id$v=19$"), "{hash}");
    assert!(cost[0] >= 19 * 1024 && cost[1] >= 2, "{hash}");
    assert!(!hash.contains("plover"));
    app.finish().await;
}

#[tokio::test]
async fn the_session_is_new_at_sign_in_and_dead_after_sign_out() {
    let app = TestApp::start().await;
    app.alice().await;
    let alice = app.guest();
    // Somebody planted a session id in this browser.
    alice.set_cookie("session", "AAAAAAAAAAAAAAAAAAAAAA");
    log_in(&alice, ALICE, PASSWORD).await.redirect();
    let first = alice.cookie("session").unwrap();
    assert_ne!(first, "AAAAAAAAAAAAAAAAAAAAAA");
    let planted = app.guest();
    planted.set_cookie("session", "AAAAAAAAAAAAAAAAAAAAAA");
    planted.get("/account").await.redirect();
    // Whoever copied the cookie has nothing after the sign-out.
    let thief = app.guest();
    thief.set_cookie("session", &first);
    thief.get("/account").await.expect(200);
    alice.post_form("/logout", &[]).await.redirect();
    thief.get("/account").await.redirect();
    app.finish().await;
}

#[tokio::test]
async fn the_cookie_is_for_this_site_and_not_for_scripts() {
    let app = TestApp::start().await;
    app.alice().await;
    let page = log_in(&app.guest(), ALICE, PASSWORD).await;
    let cookie = page.set_cookie("session").to_owned();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="] {
        assert!(cookie.contains(part), "{cookie} lacks {part}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    app.finish().await;
}

#[tokio::test]
async fn a_cookie_that_means_nothing_is_a_guest() {
    let app = TestApp::start().await;
    for value in ["x", "AAAAAAAAAAAAAAAAAAAAAA", "%00", "'; drop table bookings; --", &"A".repeat(5_000)] {
        let browser = app.guest();
        browser.set_cookie("session", value);
        browser.get("/login").await.expect(200);
        browser.get("/account").await.redirect();
    }
    app.finish().await;
}

#[tokio::test]
async fn a_bad_sign_up_says_why_beside_the_field_and_keeps_the_rest() {
    let app = TestApp::start().await;
    let good = [("name", "Alice Archer"), ("email", ALICE), ("password", PASSWORD)];
    let long = "x".repeat(300);
    let cases = [
        ("name", ""),
        ("name", "   "),
        ("name", long.as_str()),
        ("name", "Al\u{0}ice"),
        ("name", "Al\u{7}ice"),
        ("email", ""),
        ("email", "alice"),
        ("email", "alice@"),
        ("email", "@example.com"),
        ("email", "a b@example.com"),
        ("email", "alice@example.com\r\nBcc: all@example.com"),
        ("password", ""),
        ("password", "short"),
        ("password", "password1234"),
        ("password", "Alice Archer"),
        ("password", "aaaaaaaaaaaaaaaaaaaa"),
    ];
    for (field, value) in cases {
        let typed: Vec<(&str, &str)> =
            good.iter().map(|(k, v)| if *k == field { (*k, value) } else { (*k, *v) }).collect();
        let page = app.guest().post_form("/signup", &typed).await.expect(422);
        assert!(!page.field_error(field).is_empty());
        assert!(page.text("title").starts_with("Error"), "{field} = {value:?}");
        assert!(page.has(&format!(".errors a[href='#{field}']")), "{field} is not in the summary");
        for (other, kept) in good.iter().filter(|(other, _)| *other != field && *other != "password") {
            assert_eq!(page.value("form[action='/signup']", other), *kept);
        }
        assert_eq!(page.value("form[action='/signup']", "password"), "", "a password is never sent back");
    }
    assert_eq!(app.count("auth.users").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn an_address_with_an_account_looks_like_one_without() {
    let app = TestApp::start().await;
    app.alice().await;
    let taken = sign_up(&app.guest(), ALICE, "another long good password 9").await;
    let free = sign_up(&app.guest(), "nobody@example.com", "another long good password 9").await;
    assert_eq!((taken.status, taken.location()), (free.status, free.location()));
    // And it changed nothing: the first password is still the one.
    log_in(&app.guest(), ALICE, "another long good password 9").await.expect(422);
    log_in(&app.guest(), ALICE, PASSWORD).await.redirect();

    let wrong = log_in(&app.guest(), ALICE, "not her password").await.expect(422);
    let unknown = log_in(&app.guest(), "stranger@example.com", "not her password").await.expect(422);
    assert_eq!(wrong.words(), unknown.words());
    // The difference is in the mail.
    app.run_jobs().await;
    assert_eq!(app.mails().await, ["account_exists", "verify_email"]);
    app.finish().await;
}

#[tokio::test]
async fn signing_in_leads_back_to_the_page_but_never_to_another_site() {
    let app = TestApp::start().await;
    app.alice().await;
    let cases = [
        ("/account", "/account"),
        ("/flights?from=LIS&to=LON", "/flights?from=LIS&to=LON"),
        ("//evil.example", "/bookings"),
        ("/\\evil.example", "/bookings"),
        ("https://evil.example", "/bookings"),
        ("javascript:alert(1)", "/bookings"),
        ("/\t/evil.example", "/bookings"),
        ("", "/bookings"),
    ];
    for (asked, leads_to) in cases {
        let browser = app.guest();
        let address = url::form_urlencoded::byte_serialize(asked.as_bytes()).collect::<String>();
        let page = browser.get(&format!("/login?next={address}")).await.expect(200);
        let typed = [("email", ALICE), ("password", PASSWORD)];
        assert_eq!(
            browser.submit(&page, "form[action='/login']", &typed).await.redirect(),
            leads_to,
            "{asked:?}"
        );
        let forged = [("email", ALICE), ("password", PASSWORD), ("next", asked)];
        assert_eq!(app.guest().post_form("/login", &forged).await.redirect(), leads_to, "{asked:?}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_form_on_another_site_is_refused_and_does_nothing() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let page = alice.post_from_elsewhere("/logout", &[]).await.expect(403);
    page.says("did not come from our pages");
    alice.get("/account").await.expect(200);
    let form = [("name", "Eve"), ("email", "eve@example.com"), ("password", PASSWORD)];
    app.guest().post_from_elsewhere("/signup", &form).await.expect(403);
    app.guest().post_from_elsewhere("/login", &[("email", ALICE), ("password", PASSWORD)]).await.expect(403);
    assert_eq!(app.count("auth.users").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn what_is_no_form_is_refused_in_the_frame() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let form = "application/x-www-form-urlencoded";
    guest.post("/login", "application/json", "{}").await.expect(415);
    guest.post("/login", form, "x".repeat(100_000)).await.expect(413);
    guest.post("/login", form, "email=a&email=b&password=c").await.expect(422);
    guest.post("/login", form, "email=a").await.expect(422);
    guest.post("/login", form, "").await.expect(422);
    let page = guest.post("/login", form, vec![b'e', b'm', b'a', b'i', b'l', b'=', 0xff, 0xfe]).await;
    assert!(page.status.is_client_error(), "{}", page.status);
    let page = guest.post("/login", form, "email=%ff%fe&password=%00").await;
    assert!(page.status.is_client_error(), "{}", page.status);
    app.finish().await;
}

#[tokio::test]
async fn staff_pages_are_closed_to_travellers_and_open_to_staff_until_the_role_is_taken_away() {
    let app = TestApp::start().await;
    app.guest().get("/admin/bookings").await.redirect();
    let refused = app.alice().await.get("/admin/bookings").await.expect(403);
    assert!(refused.has("header a[href='/bookings']") && !refused.has("body.staff"), "in the staff's frame");
    let carol = app.carol().await;
    carol.get("/admin/bookings").await.expect(200);
    sqlx::query("update auth.users set staff_role = null").execute(&mut app.sql().await).await.unwrap();
    carol.get("/admin/bookings").await.expect(403);
    app.finish().await;
}
