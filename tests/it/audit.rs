//! The audit log: what stands in it, who reads it, and how one finds something.

use super::helpers::app::TestApp;

#[tokio::test]
async fn it_is_found_by_actor_and_booking_and_read_page_by_page() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let (owner, agent) = (app.staff("owner").await, app.staff("agent").await);
    app.execute(
        "insert into audit_log (at, actor_id, action, booking_id, subject, data)
         select '2026-11-20', u.id, 'attention_resolved', case when n % 2 = 0 then b.id end, n::text,
                jsonb_build_object('kind', 'job_dead', 'reason', '<b>' || n)
           from auth.users u, bookings b, generate_series(1, 60) n where u.staff_role is not null",
    )
    .await;
    let (mut seen, mut address) = (0, "/admin/audit".to_owned());
    loop {
        let page = owner.get(&address).await.expect(200);
        seen += page.count("main tbody tr");
        match page.attrs("nav.pager a", "href").pop() {
            Some(older) => address = older,
            None => break,
        }
    }
    assert_eq!(seen, 120);
    let page = owner.get("/admin/audit?actor=AGENT%40example.com").await.expect(200);
    assert_eq!(page.count("main tbody tr"), 50);
    assert!(!page.words().contains("owner@example.com"));
    assert!(page.attr("nav.pager a", "href").contains("actor=AGENT"));
    let spoken = reference.to_lowercase();
    let page =
        owner.get(&format!("/admin/audit?booking={spoken}&actor=agent%40example.com")).await.expect(200);
    assert_eq!(page.count("main tbody tr"), 30);
    page.says("<b>60");
    for nobody in ["actor=nobody%40example.com", "booking=ACDEFG"] {
        owner.get(&format!("/admin/audit?{nobody}")).await.expect(200).says("Nothing is written down");
    }
    let page = owner.get(&format!("/admin/bookings/{reference}")).await.expect(200);
    assert!(page.has(&format!("a[href='/admin/audit?booking={reference}']")));
    agent.get("/admin/audit").await.expect(403).says("Only finance and owner may read the audit log");
    app.finish().await;
}

#[tokio::test]
async fn nonsense_in_its_filter_is_an_error_or_the_newest_never_a_500() {
    let app = TestApp::start().await;
    let owner = app.staff("owner").await;
    let long = "x".repeat(5_000);
    for query in [
        "actor=%00",
        "actor='--",
        "booking=nonsense",
        "booking=%00",
        "older=x",
        "older=-1",
        "older=99999999999999999999",
        "older=0",
        &format!("actor={long}"),
        &format!("booking={long}"),
    ] {
        let page = owner.get(&format!("/admin/audit?{query}")).await;
        assert!(page.status == 200 || page.status == 422, "{query}: {}", page.status);
    }
    app.finish().await;
}

#[tokio::test]
async fn nobody_writes_in_it_under_another_name_or_changes_what_it_says() {
    let app = TestApp::start().await;
    app.staff("owner").await;
    app.staff("agent").await;
    app.execute("insert into audit_log (actor_id, action, subject) select id, 'x', 'x' from auth.users")
        .await;
    app.execute("insert into attention_items (kind, subject, detail) values ('job_dead', 'x', 'x')").await;
    let as_agent =
        "set role jetbridge_staff; select set_config('app.user_id', (select id::text from ids), false);";
    app.execute(
        "create table ids as select id from auth.users where email = 'agent@example.com';
         create table others as select id from auth.users where email = 'owner@example.com';
         grant select on ids, others to jetbridge_staff",
    )
    .await;
    let refused = async |statement: &str| {
        let mut sql = app.sql().await;
        let script = format!("{as_agent} {statement}");
        let done = sqlx::raw_sql(&script).execute(&mut sql).await;
        done.map(|_| ()).expect_err(statement).to_string()
    };
    for (statement, because) in [
        (
            "insert into audit_log (actor_id, action, subject) select id, 'x', 'x' from others",
            "row-level security",
        ),
        ("update audit_log set subject = 'y'", "permission denied"),
        ("delete from audit_log", "permission denied"),
        (
            "update attention_items set resolved_at = now(), resolved_by = (select id from others), resolved_reason = 'x'",
            "row-level security",
        ),
        ("update attention_items set detail = 'nothing'", "permission denied"),
    ] {
        let told = refused(statement).await;
        assert!(told.contains(because), "{statement}: {told}");
    }
    app.execute("drop table ids, others").await;
    app.finish().await;
}
