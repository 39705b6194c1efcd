//! Who may do what among staff, and who may change that.

use jetbridge::web::{powers::Power, principal::StaffRole};

use super::helpers::{
    app::{ALICE, BOB, PASSWORD, TestApp},
    browser::Browser,
};

async fn id_of(app: &TestApp, email: &str) -> String {
    app.texts(&format!("select id::text from auth.users where email = '{email}'")).await.remove(0)
}

async fn role_of(app: &TestApp, email: &str) -> Option<String> {
    let query = format!("select coalesce(staff_role, '') from auth.users where email = '{email}'");
    Some(app.texts(&query).await.remove(0)).filter(|role| !role.is_empty())
}

#[tokio::test]
async fn each_page_and_action_opens_for_the_roles_that_have_its_power() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    app.execute("insert into attention_items (kind, subject, detail) values ('job_dead', 'x', 'x')").await;
    let item = app.texts("select id::text from attention_items").await.remove(0);
    let mail = app.texts("select id::text from mails where state = 'sent' limit 1").await.remove(0);
    let alices = id_of(&app, ALICE).await;
    let doors = [
        (Power::SeeBookings, "GET", "/admin/bookings".to_owned()),
        (Power::SeeBookings, "GET", format!("/admin/bookings/{reference}")),
        (Power::SeeBookings, "GET", "/admin/attention".to_owned()),
        (Power::SeeBookings, "GET", format!("/admin/attention/{item}")),
        (Power::ResolveAttention, "POST", format!("/admin/attention/{item}/resolve")),
        (Power::SeeBookings, "GET", "/admin/mails".to_owned()),
        (Power::SeeBookings, "GET", format!("/admin/mails/{mail}")),
        (Power::SendMailAgain, "GET", format!("/admin/mails/{mail}/html")),
        (Power::SendMailAgain, "POST", format!("/admin/mails/{mail}/resend")),
        (Power::RefundMoney, "GET", format!("/admin/bookings/{reference}/refund")),
        (Power::RefundMoney, "POST", format!("/admin/bookings/{reference}/refund")),
        (Power::RefundMoney, "POST", format!("/admin/bookings/{reference}/refund/confirm")),
        (Power::RefundMoney, "GET", format!("/admin/bookings/{reference}/refunds/{item}/payout")),
        (Power::RefundMoney, "POST", format!("/admin/bookings/{reference}/refunds/{item}/payout")),
        (Power::ManageStaff, "GET", "/admin/staff".to_owned()),
        (Power::ManageStaff, "POST", "/admin/staff".to_owned()),
        (Power::ManageStaff, "GET", format!("/admin/staff/{alices}")),
        (Power::ManageStaff, "POST", format!("/admin/staff/{alices}/role")),
        (Power::ManageStaff, "POST", format!("/admin/staff/{alices}/remove")),
        (Power::SeeAudit, "GET", "/admin/audit".to_owned()),
    ];
    for role in StaffRole::ALL {
        let browser = app.staff(role.code()).await;
        app.second_factor(&browser).await;
        for (power, method, address) in &doors {
            let page = match *method {
                "GET" => browser.get(address).await,
                _ => browser.post_form(address, &[]).await,
            };
            let opens = page.status != 403;
            assert_eq!(opens, role.may(*power), "{role} {method} {address}: {}", page.status);
            if !opens {
                page.says(&format!("You are {role}"));
            }
        }
        let page = browser.get(&format!("/admin/bookings/{reference}")).await.expect(200);
        assert_eq!(page.has("a[href$='/refund']"), role.may(Power::RefundMoney), "{role}");
        assert_eq!(page.has("header a[href='/admin/staff']"), role.may(Power::ManageStaff), "{role}");
        assert_eq!(page.has("header a[href='/admin/audit']"), role.may(Power::SeeAudit), "{role}");
        let page = browser.get(&format!("/admin/attention/{item}")).await.expect(200);
        assert_eq!(page.has("form[action$='/resolve']"), role.may(Power::ResolveAttention), "{role}");
        let page = browser.get(&format!("/admin/mails/{mail}")).await.expect(200);
        assert_eq!(page.has("iframe") && page.has("pre"), role.may(Power::SendMailAgain), "{role}");
        app.run_jobs().await;
        let page = browser.get(&format!("/admin/mails/{mail}")).await.expect(200);
        assert_eq!(page.has("form[action$='/resend']"), role.may(Power::SendMailAgain), "{role}");
    }
    app.finish().await;
}

#[tokio::test]
async fn an_owner_adds_changes_and_removes_and_it_counts_at_once() {
    let app = TestApp::start().await;
    let owner = app.staff("owner").await;
    let bob = app.bob().await;
    app.prove_address(BOB).await;
    bob.get("/admin/bookings").await.expect(403);
    let list = owner.get("/admin/staff").await.expect(200);
    let add = "form[action='/admin/staff']";
    let page =
        owner.submit(&list, add, &[("email", "nobody@example.com"), ("role", "agent")]).await.expect(422);
    assert!(page.field_error("email").contains("No account"));
    for (email, role) in [("", "agent"), ("bob", "agent"), (BOB, "boss"), (BOB, "")] {
        owner.submit(&list, add, &[("email", email), ("role", role)]).await.expect(422);
    }
    let done = owner.submit(&list, add, &[("email", "BOB@example.com"), ("role", "agent")]).await;
    assert!(owner.follow(done).await.expect(200).text(".note[role=status]").starts_with("Added"));
    let again = owner.submit(&list, add, &[("email", BOB), ("role", "owner")]).await.expect(422);
    assert!(again.field_error("email").contains("already"));
    assert_eq!(role_of(&app, BOB).await.as_deref(), Some("agent"));
    // The session from before is gone: the new one knows the role.
    assert!(bob.get("/account").await.status.is_redirection());
    let bob = app.sign_in(BOB).await;
    bob.get("/admin/bookings").await.expect(200);
    let bobs = format!("/admin/staff/{}", id_of(&app, BOB).await);
    let page = owner.get(&bobs).await.expect(200);
    let done = owner.submit(&page, "form[action$='/role']", &[("role", "viewer")]).await;
    assert!(owner.follow(done).await.expect(200).text(".note[role=status]").contains("The role is changed"));
    assert!(bob.get("/admin/bookings").await.redirect().starts_with("/login"));
    assert_eq!(role_of(&app, BOB).await.as_deref(), Some("viewer"));
    owner.submit(&page, "form[action$='/role']", &[("role", "boss")]).await.expect(422);
    let done = owner.submit(&page, "form[action$='/remove']", &[]).await;
    assert!(owner.follow(done).await.expect(200).text(".note[role=status]").contains("Removed from staff"));
    assert_eq!(role_of(&app, BOB).await, None);
    // What is said comes from a list of ours, never from the address.
    for address in ["/admin/staff", "/admin/staff?done=you+are+rich", "/admin/staff?done="] {
        let page = owner.get(address).await.expect(200);
        assert!(!page.has(".note") && !page.body.contains("rich"), "{address}");
    }
    app.sign_in(BOB).await.get("/admin/bookings").await.expect(403);
    owner.get(&bobs).await.expect(404);
    owner.get("/admin/staff/nonsense").await.expect(404);
    assert_eq!(
        app.texts("select action from audit_log order by id").await,
        ["staff_added", "role_changed", "staff_removed"]
    );
    app.finish().await;
}

#[tokio::test]
async fn nobody_changes_their_own_role_and_the_agency_keeps_an_owner() {
    let app = TestApp::start().await;
    let owner = app.staff("owner").await;
    let own = format!("/admin/staff/{}", id_of(&app, "owner@example.com").await);
    owner.get(&own).await.expect(200).says("This is you");
    for (action, form) in [("role", vec![("role", "viewer")]), ("remove", vec![])] {
        let page = owner.post_form(&format!("{own}/{action}"), &form).await.expect(409);
        page.says("Nobody changes their own role");
    }
    // Two owners who would remove each other at the same moment: one of them stays.
    let carol = app.carol().await;
    let carols = format!("/admin/staff/{}", id_of(&app, "carol@example.com").await);
    let (one, two) =
        tokio::join!(async { owner.post_form(&format!("{carols}/remove"), &[]).await.status }, async {
            carol.post_form(&format!("{own}/remove"), &[]).await.status
        },);
    assert!(one.is_redirection() != two.is_redirection(), "{one} {two}");
    assert_eq!(app.count("auth.users where staff_role = 'owner'").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn to_change_who_is_staff_takes_a_fresh_proof() {
    let app = TestApp::start().await;
    let owner = app.staff("owner").await;
    app.bob().await;
    app.prove_address(BOB).await;
    app.clock.advance(jiff::SignedDuration::from_mins(6));
    let add = [("email", BOB), ("role", "owner")];
    owner.set_header("referer", app.url.join("/admin/staff?done=role").unwrap().as_str());
    let asked = owner.post_form("/admin/staff", &add).await;
    assert_eq!(asked.redirect(), "/reauthenticate?next=%2Fadmin%2Fstaff%3Fdone%3Dagain");
    assert_eq!(role_of(&app, BOB).await, None);
    let question = owner.follow(asked).await.expect(200);
    let back = owner.submit(&question, "main form", &[("password", PASSWORD)]).await;
    owner.follow(back).await.expect(200).says("Nothing was done yet");
    owner.post_form("/admin/staff", &add).await.redirect();
    assert_eq!(role_of(&app, BOB).await.as_deref(), Some("owner"));
    app.finish().await;
}

async fn references(browser: &Browser, address: &str) -> Vec<String> {
    browser.get(address).await.expect(200).texts(".queue .badge")
}

#[tokio::test]
async fn a_flood_of_other_items_hides_no_money_and_silences_no_alarm() {
    let app = TestApp::start().await;
    app.execute(
        "insert into attention_items (kind, subject, detail, raised_at)
         select 'event_unmatched', 'evt_' || n, 'x', '2026-11-20'::timestamptz from generate_series(1, 250) n
         union all select 'ledger_drift', 'txn_' || n, 'x', '2026-11-21'::timestamptz from generate_series(1, 205) n",
    )
    .await;
    let alarms = "mails where kind = 'staff_alarm'";
    for (n, subject) in ["one", "two"].into_iter().enumerate() {
        app.execute(&format!(
            "insert into attention_items (kind, subject, detail) values ('of_a_newer_version', '{subject}', 'x');
             insert into outbox (kind, subject, due_at) values ('sound_alarm', 'attention', now() - interval '1 year')"
        ))
        .await;
        app.settle().await;
        assert_eq!(app.count(alarms).await, i64::try_from(n).unwrap() + 1, "an alarm for each");
    }
    let page = app.staff("agent").await.get("/admin/attention").await.expect(200);
    page.says("457 need a person").says("257 more are not shown");
    assert!(page.texts(".queue .badge").iter().all(|kind| kind == "Ledger drift"), "money first");
    app.finish().await;
}

#[tokio::test]
async fn money_at_risk_stands_first_and_what_is_resolved_says_by_whom_and_how() {
    let app = TestApp::start().await;
    app.execute(
        "insert into attention_items (kind, subject, detail, raised_at) values
            ('job_dead', '1', 'a', '2026-11-20'), ('supplier_unknown', '2', 'b', '2026-11-21'),
            ('capture_failed', '3', 'c', '2026-11-22'), ('of_a_newer_version', '4', 'd', '2026-11-19')",
    )
    .await;
    let agent = app.staff("agent").await;
    let kinds = ["Of a newer version", "Capture failed", "Supplier unknown", "Job dead"];
    assert_eq!(references(&agent, "/admin/attention").await, kinds);
    let item = agent.get("/admin/attention").await.attr(".queue a.btn", "href");
    let page = agent.get(&item).await.expect(200);
    for reason in ["", "  ", "a\0b", &"x".repeat(501)] {
        let page = agent.submit(&page, "main form", &[("reason", reason)]).await.expect(422);
        assert!(!page.field_error("reason").is_empty());
    }
    agent.submit(&page, "main form", &[("reason", "Asked the <supplier>")]).await.redirect();
    let done = agent.get(&item).await.expect(200);
    done.says("agent@example.com: Asked the <supplier>");
    assert!(!done.has("form[action$='/resolve']"));
    let late = agent.submit(&page, "main form", &[("reason", "me too")]).await.expect(409);
    late.says("Somebody has resolved this already");
    assert_eq!(references(&agent, "/admin/attention").await.len(), 3);
    assert_eq!(references(&agent, "/admin/attention?show=resolved").await, kinds[..1]);
    for nothing in ["0", "-1", "x", "99999999999999999999"] {
        agent.get(&format!("/admin/attention/{nothing}")).await.expect(404);
    }
    assert_eq!(app.texts("select data->>'reason' from audit_log").await, ["Asked the <supplier>"]);
    app.finish().await;
}
