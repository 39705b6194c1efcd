//! A form whose session ended while it was filled in: nothing of it is lost, and nobody else sees it.

use crate::{
    account_pages::fill,
    helpers::app::{ALICE, BOB, PASSWORD, TestApp},
    saved_travellers::tomasz,
    sessions::soon,
};

#[tokio::test]
async fn a_session_that_ends_over_the_passenger_form_loses_nothing_of_it() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let address = format!("/bookings/{reference}/passengers");
    let form = "form[action$='/passengers']";
    let page = alice.get(&address).await.expect(200);
    app.sign_in(ALICE).await.post_form("/account/devices", &[]).await.redirect();
    soon("the browser is out", async || alice.get("/account").await.status == 303).await;
    let evil = "Zo\"e <b>";
    let typed = [("p1_given", evil), ("phone", "+351 911"), ("p1_passport_number", "C01X00T47")];
    let login = alice.submit(&page, form, &typed).await.expect(401);
    login.says("nothing of it is lost");
    assert!(!login.body.contains("C01X00T47") && !login.body.contains("e <b>"));
    // A typo in the password keeps it too.
    let login = alice
        .submit(&login, "form[action='/login']", &[("email", ALICE), ("password", "wrong one here")])
        .await;
    let login = login.expect(422);
    let back =
        alice.submit(&login, "form[action='/login']", &[("email", ALICE), ("password", PASSWORD)]).await;
    assert_eq!(back.redirect(), address);
    let page = alice.get(&address).await.expect(200);
    page.says("as you left it");
    assert_eq!(page.value(form, "p1_given"), evil);
    assert_eq!(page.value(form, "phone"), "+351 911");
    // Once: after that the page shows what is kept.
    assert_ne!(alice.get(&address).await.expect(200).value(form, "p1_given"), evil);
    app.finish().await;
}

#[tokio::test]
async fn a_kept_form_is_shown_at_its_own_address_only_and_a_huge_one_is_not_kept() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let bob = app.bob().await;
    let his = app.draft(&bob).await;
    let theirs = format!("/bookings/{reference}/passengers");
    let kept = [("p1_given", "Zoe")];
    let login = app.guest().post_form(&theirs, &kept).await.expect(401);
    let visitor = app.guest();
    let back =
        visitor.submit(&login, "form[action='/login']", &[("email", BOB), ("password", PASSWORD)]).await;
    visitor.get(&back.redirect()).await.expect(404);
    assert!(!visitor.get(&format!("/bookings/{his}/passengers")).await.expect(200).body.contains("Zoe"));
    let huge = "x".repeat(20_000);
    let page = app.guest().post_form(&theirs, &[("p1_given", &huge)]).await.expect(401);
    assert!(!page.body.contains("xxxx"));
    page.says("Sign in");
    app.finish().await;
}

#[tokio::test]
async fn a_session_that_ends_over_a_form_of_the_account_loses_nothing_of_it() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    fill(&alice, "/account/travellers", "form[action='/account/travellers']", &tomasz()).await.redirect();
    let saved = alice.get("/account/travellers").await.attr(".queue a", "href");
    let elsewhere = app.sign_in(ALICE).await;
    let changed = [("given_names", "Wilhelmina"), ("family_name", "O\u{2019}Neill-Ng"), ("day", "9")];
    let cases = [
        (
            "/account/profile",
            "form[action='/account/profile']",
            [("name", "Wilhelmina \"W\" <b>"), ("phone", "+351 9"), ("day", "9")],
        ),
        ("/account/travellers", "form[action='/account/travellers']", changed),
        (saved.as_str(), "main form", changed),
    ];
    for (address, form, typed) in cases {
        let browser = app.sign_in(ALICE).await;
        let page = browser.get(address).await.expect(200);
        elsewhere.post_form("/account/devices", &[]).await.redirect();
        soon("the browser is out", async || browser.get("/account").await.status == 303).await;
        let login = browser.submit(&page, form, &typed).await.expect(401);
        login.says("what you typed comes back");
        let who = [("email", ALICE), ("password", PASSWORD)];
        let back = browser.submit(&login, "form[action='/login']", &who).await;
        assert_eq!(back.redirect(), address);
        let page = browser.follow(back).await.expect(200);
        page.says("Your form is as you left it");
        for (name, value) in typed {
            assert_eq!(page.value(form, name), value, "{address}: {name}");
        }
        // Once.
        assert!(!browser.get(address).await.expect(200).body.contains("Wilhelmina"), "{address}");
    }
    app.finish().await;
}

#[tokio::test]
async fn what_one_has_typed_into_a_form_of_the_account_is_never_shown_to_another() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.bob().await;
    let page = alice.get("/account/profile").await.expect(200);
    let typed = [("name", "Wilhelmina"), ("day", "9")];
    alice.post_form("/logout", &[]).await.redirect();
    // Alice's tab is still open, and bob signs in where it leads.
    let login = alice.submit(&page, "form[action='/account/profile']", &typed).await.expect(401);
    let who = [("email", BOB), ("password", PASSWORD)];
    let back = alice.submit(&login, "form[action='/login']", &who).await;
    assert_eq!(app.count("tower_sessions.session where position('kept_form'::bytea in data) > 0").await, 0);
    assert!(!alice.follow(back).await.expect(200).body.contains("Wilhelmina"));
    // Nothing typed is nothing kept, and a form without a mark is nobody's.
    let guest = app.guest();
    guest.post_form("/account/profile", &[("name", "")]).await.expect(401);
    let login = guest.post_form("/account/profile", &typed).await.expect(401);
    let back = guest.submit(&login, "form[action='/login']", &who).await;
    assert!(!guest.follow(back).await.expect(200).body.contains("Wilhelmina"));
    app.finish().await;
}
