//! The demo's levers: for staff of a demo, and nowhere else. Each does what its words say.

use jiff::SignedDuration;

use crate::{
    helpers::{
        app::{REHEARSAL, TestApp},
        browser::Browser,
        page::Page,
        story::GOOD_CARD,
    },
    payouts::Desk,
};

async fn put(staff: &Browser, lever: &str, to: &str) {
    let page = staff.get("/demo/console").await.expect(200);
    let form = format!("form:has(select[name='{lever}'])");
    let done = staff.submit(&page, &form, &[(lever, to)]).await.redirect();
    staff.get(&done).await.expect(200).says("it counts from now on");
}

fn chosen(page: &Page, lever: &str) -> String {
    page.attr(&format!("select[name='{lever}'] option[selected]"), "value")
}

#[tokio::test]
async fn the_console_is_for_staff_of_a_demo_and_does_not_exist_elsewhere() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    alice.get("/demo/console").await.expect(403);
    alice.post_form("/demo/console", &[("clock", "day")]).await.expect(403);
    app.guest().post_form("/demo/console", &[("clock", "day")]).await.expect(401);
    assert_eq!(app.now().to_string(), "2026-11-23T09:00:00Z");
    let viewer = app.staff("viewer").await;
    let page = viewer.get("/demo/console").await.expect(200);
    page.says("23 Nov 2026, 09:00:00 UTC").says("holds lapse");
    assert!(viewer.get("/admin/bookings").await.has("header a[href='/demo/console']"));
    for nonsense in
        [vec![], vec![("clock", "back")], vec![("lever", "x")], vec![("clock", "day"), ("order", "refused")]]
    {
        viewer.post_form("/demo/console", &nonsense).await.expect(422);
    }
    assert_eq!(app.now().to_string(), "2026-11-23T09:00:00Z");
    app.finish().await;

    let app = TestApp::start_with(&REHEARSAL).await;
    let owner = app.staff("owner").await;
    for browser in [&app.guest(), &owner] {
        browser.get("/demo/console").await.expect(404);
        browser.post_form("/demo/console", &[("clock", "day")]).await.expect(404);
    }
    app.finish().await;
}

#[tokio::test]
async fn refunds_wait_until_they_are_let_go() {
    let app = TestApp::start().await;
    let viewer = app.staff("viewer").await;
    put(&viewer, "refunds", "charge_pending").await;
    let desk = Desk::with(app).await;
    assert_eq!(desk.state().await, "pending");
    put(&viewer, "refunds", "paid").await;
    desk.app.settle().await;
    assert_eq!(desk.state().await, "succeeded");
    desk.app.finish().await;
}

#[tokio::test]
async fn the_clock_moves_and_what_became_due_is_done() {
    let app = TestApp::start().await;
    let (_, reference, _) = app.at_stripe("Duarte").await;
    let viewer = app.staff("viewer").await;
    let before = app.now();
    let page = viewer.get("/demo/console").await.expect(200);
    viewer.submit(&page, "form:has(select[name='clock'])", &[("clock", "hour")]).await.redirect();
    assert_eq!(app.now(), before + SignedDuration::from_hours(1));
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "expired");
    app.finish().await;
}

#[tokio::test]
async fn stripe_fails_once_or_until_it_is_put_back() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let viewer = app.staff("viewer").await;
    put(&viewer, "stripe", "down").await;
    assert_eq!(chosen(&viewer.get("/demo/console").await, "stripe"), "down");
    let reference = app.draft(&alice).await;
    app.submit_pay(&alice, &reference).await.expect(503);
    put(&viewer, "stripe", "up").await;
    put(&viewer, "once", "capture_lost").await;
    put(&viewer, "events", "held").await;
    let session = app.press_pay(&alice, &reference).await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    app.run_jobs().await;
    assert_eq!(app.state(&reference).await.booking, "held");
    put(&viewer, "events", "come").await;
    app.settle().await;
    app.advance(SignedDuration::from_mins(1)).await;
    app.settle().await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    assert_eq!(app.state(&reference).await.attempts, ["captured"]);
    app.finish().await;
}

#[tokio::test]
async fn airlines_refuse_and_sell_again() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let viewer = app.staff("viewer").await;
    for (to, state) in [("refused", "failed"), ("sold_out", "failed"), ("fine", "confirmed")] {
        put(&viewer, "order", to).await;
        let reference = app.draft(&alice).await;
        let session = app.press_pay(&alice, &reference).await;
        app.stripe.pay(&session.id, GOOD_CARD).unwrap();
        app.settle().await;
        assert_eq!(app.state(&reference).await.booking, state, "{to}");
    }
    put(&viewer, "hold", "sold_out").await;
    let reference = app.draft(&alice).await;
    app.submit_pay(&alice, &reference).await.expect(409);
    put(&viewer, "hold", "fine").await;
    put(&viewer, "search", "down").await;
    put(&viewer, "price", "up").await;
    put(&viewer, "change", "gone").await;
    put(&viewer, "cancel", "refused").await;
    let page = viewer.get("/demo/console").await.expect(200);
    assert_eq!(page.texts("h2 small").len(), 4, "what is not as it should be is marked");
    app.finish().await;
}
