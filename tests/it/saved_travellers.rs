//! What a person keeps with us: a profile, and the travellers that they book for.

use crate::{
    account_pages::fill,
    helpers::{app::TestApp, story},
};

#[tokio::test]
async fn a_profile_is_kept_and_filled_in_and_what_is_wrong_stays_typed() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let form = "form[action='/account/profile']";
    let good = [
        ("name", "Alice Archer"),
        ("phone", "+44 20 7946 0000"),
        ("day", "29"),
        ("month", "2"),
        ("year", "1988"),
        ("nationality", "GB"),
    ];
    for (field, value, shown_at) in [
        ("name", "", "name"),
        ("name", "A\u{202e}B", "name"),
        ("phone", "call me", "phone"),
        ("year", "1989", "day"),
        ("year", "2027", "day"),
        ("day", "", "day"),
        ("nationality", "XX", "nationality"),
    ] {
        let mut typed = good.to_vec();
        typed.retain(|(name, _)| *name != field);
        typed.push((field, value));
        let page = fill(&alice, "/account/profile", form, &typed).await.expect(422);
        assert!(page.has(".errors a"), "{field}: no summary");
        page.field_error(shown_at);
        if field != "name" {
            assert_eq!(page.value(form, "name"), "Alice Archer");
        }
    }
    let done = fill(&alice, "/account/profile", form, &good).await;
    let account = alice.follow(done).await.expect(200);
    account.says("Alice Archer").says("+44 20 7946 0000").says("29 Feb 1988").says("United Kingdom");
    let page = alice.get("/account/profile").await.expect(200);
    assert_eq!(page.value(form, "nationality"), "GB");
    assert_eq!(page.value(form, "month"), "2");
    // All but the name may be taken away again.
    let bare =
        [("name", "Alice"), ("phone", ""), ("day", ""), ("month", ""), ("year", ""), ("nationality", "")];
    let done = fill(&alice, "/account/profile", form, &bare).await;
    alice.follow(done).await.expect(200).says("not told");
    app.finish().await;
}

fn tom() -> [(&'static str, &'static str); 6] {
    [
        ("given_names", "Tom"),
        ("family_name", "Archer"),
        ("day", "3"),
        ("month", "5"),
        ("year", "2018"),
        ("sex", "m"),
    ]
}

#[tokio::test]
async fn travellers_are_saved_changed_and_removed_and_nobody_elses_are_touched() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.alice().await, app.bob().await);
    let add = "form[action='/account/travellers']";
    let page = fill(&alice, "/account/travellers", add, &[("given_names", "T0m"), ("family_name", "")]).await;
    let page = page.expect(422);
    page.field_error("given_names");
    page.field_error("family_name");
    assert_eq!(page.value(add, "given_names"), "T0m");
    let done = fill(&alice, "/account/travellers", add, &tom()).await;
    let list = alice.follow(done).await.expect(200);
    list.says("Tom Archer").says("born 3 May 2018");
    let his = list.attr("a[href^='/account/travellers/']", "href");

    // Bob finds nothing there, and changes nothing.
    bob.get(&his).await.expect(404);
    bob.post_form(&his, &tom()).await.expect(404);
    bob.post_form(&his, &[("given_names", ""), ("family_name", "")]).await.expect(404);
    bob.post_form(&format!("{his}/remove"), &[]).await.expect(404);
    assert!(!bob.get("/account/travellers").await.expect(200).body.contains("Tom"));

    let change = alice.get(&his).await.expect(200);
    assert_eq!(change.value("main form", "family_name"), "Archer");
    alice.submit(&change, "main form", &[("year", "2999")]).await.expect(422).field_error("day");
    let done = alice.submit(&change, "main form", &[("given_names", "Thomas")]).await;
    let list = alice.follow(done).await.expect(200);
    list.says("Thomas Archer");
    alice.get("/account").await.expect(200).says("Thomas Archer");
    let remove = format!("form[action='{his}/remove']");
    let gone = alice.submit(&list, &remove, &[]).await;
    alice.follow(gone).await.expect(200).says("None yet");
    alice.submit(&list, &remove, &[]).await.expect(404);
    app.finish().await;
}

pub fn tomasz() -> [(&'static str, &'static str); 6] {
    [
        ("given_names", "Tomasz"),
        ("family_name", "Nowak"),
        ("day", "3"),
        ("month", "5"),
        ("year", "2018"),
        ("sex", "m"),
    ]
}

#[tokio::test]
async fn the_form_of_a_traveller_that_is_sent_twice_saves_one() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let typed = tomasz();
    tokio::join!(
        alice.post_form("/account/travellers", &typed),
        alice.post_form("/account/travellers", &typed),
        alice.post_form("/account/travellers", &typed),
    );
    assert_eq!(app.count("saved_travellers").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn a_list_of_travellers_has_an_end() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    for n in 0..40 {
        let name = "A".repeat(n + 1);
        let mut one = tom();
        one[0].1 = &name;
        alice.post_form("/account/travellers", &one).await.redirect();
    }
    alice.post_form("/account/travellers", &tom()).await.expect(422).says("This list is full");
    assert_eq!(app.count("saved_travellers").await, 40);
    app.finish().await;
}

#[tokio::test]
async fn a_saved_traveller_fills_a_passenger_and_passengers_can_be_saved() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.alice().await, app.bob().await);
    alice
        .post_form(
            "/account/travellers",
            &[
                ("given_names", "Maria"),
                ("family_name", "Duarte"),
                ("day", "4"),
                ("month", "12"),
                ("year", "1986"),
                ("sex", "f"),
            ],
        )
        .await
        .redirect();
    let reference = app.draft(&alice).await;
    let address = format!("/bookings/{reference}/passengers");
    let form = "form[action$='/passengers']";
    let page = alice.get(&address).await.expect(200);
    let id = page.attrs("select[name=p1_saved] option[value]:not([value=''])", "value").remove(0);
    let typed = [("p1_given", "Somebody"), ("p1_saved", id.as_str()), ("phone", "+44 1")];
    let filled = alice.submit(&page, "button[name=fill][value='1']", &typed).await.expect(200);
    for (field, value) in
        [("p1_given", "Maria"), ("p1_family", "Duarte"), ("p1_day", "4"), ("p1_sex", "f"), ("phone", "+44 1")]
    {
        assert_eq!(filled.value(form, field), value);
    }
    // Bob has a booking of his own, but not this traveller.
    let his = app.draft(&bob).await;
    bob.post_form(&format!("/bookings/{his}/passengers"), &[("fill", "1"), ("p1_saved", &id)])
        .await
        .expect(404);
    assert!(!bob.get(&format!("/bookings/{his}/passengers")).await.expect(200).body.contains("p1_saved"));

    // Enter in a field presses the first button: without a choice that one only means the form.
    let typed = [&story::passenger("Archer")[..], &[("fill", "1"), ("save_travellers", "1")]].concat();
    for _ in 0..2 {
        alice.post_form(&address, &typed).await.redirect();
    }
    let saved = app
        .texts("select given_names || ' ' || family_name from saved_travellers order by created_at, id")
        .await;
    assert_eq!(saved, ["Maria Duarte", "Maria Inês Archer"]);
    app.finish().await;
}
