//! The staff's mail log: what was sent, what waits, what a mail said, and sending one again.

use jetbridge::sandbox::mailbox::{Fault, Stage};
use jiff::SignedDuration;

use crate::helpers::{
    app::{ALICE, TestApp},
    browser::Browser,
    page::Page,
};

const NEW_CONTACT: &str = "new.contact@example.com";

async fn mail_of(app: &TestApp, kind: &str) -> String {
    let query = format!("select id::text from mails where kind = '{kind}' order by created_at desc, id desc");
    app.texts(&query).await.remove(0)
}

async fn open(browser: &Browser, id: &str) -> Page {
    browser.get(&format!("/admin/mails/{id}")).await.expect(200)
}

fn rows(page: &Page) -> Vec<String> {
    page.texts("main tbody tr")
}

#[tokio::test]
async fn the_log_lists_by_state_kind_and_booking_and_says_when_the_next_try_is() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.alice().await, app.bob().await);
    let first = app.confirmed(&alice).await;
    let second = app.confirmed(&bob).await;
    app.guest().post_form("/reset", &[("email", ALICE)]).await;
    app.mailbox.fault(Stage::Rcpt, Fault::Answer(451));
    app.run_jobs().await;
    let carol = app.carol().await;
    let list = async |query: &str| carol.get(&format!("/admin/mails{query}")).await.expect(200);

    let all = list("").await;
    assert_eq!(rows(&all).len(), 5);
    assert!(
        !all.text("main").contains(ALICE) && !all.text("main").contains("maria@"),
        "addresses are masked"
    );
    let waiting = list("?state=queued").await;
    let [line] = rows(&waiting).try_into().unwrap();
    for part in ["Password reset", "Queued", "1 try", "next 23 Nov 09:00", "a***@example.com", "451"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert_eq!(rows(&list("?state=dead").await).len(), 0);
    assert_eq!(rows(&list("?kind=booking_confirmation").await).len(), 2);
    let of_first = list(&format!("?booking={}", first.to_lowercase())).await;
    assert!(rows(&of_first).len() == 2 && !of_first.text("main").contains(&second));
    assert_eq!(rows(&list(&format!("?booking={second}&kind=payment_receipt&state=sent")).await).len(), 1);
    for nonsense in ["state=lost", "kind=x", "booking=1", "state=%00", "kind='--"] {
        carol.get(&format!("/admin/mails?{nonsense}")).await.expect(422);
    }
    let booking = carol.get(&format!("/admin/bookings/{first}")).await.expect(200);
    let mail = booking.attr("a[href^='/admin/mails/']", "href");
    carol.get(&mail).await.expect(200).says(&first);
    carol.get(&booking.attr("a[href^='/admin/mails?']", "href")).await.expect(200).says(&first);
    app.advance(SignedDuration::from_secs(15)).await;
    app.finish().await;
}

#[tokio::test]
async fn pages_by_key_show_each_mail_once_forwards_and_back() {
    let app = TestApp::start().await;
    app.alice().await;
    app.execute(
        "insert into mails (id, user_id, kind, once_key, to_address, state, created_at)
         select gen_random_uuid(), id, 'password_changed', 'x:' || n, 'alice@example.com', 'dead',
                timestamptz '2026-11-22' - make_interval(secs => n / 3) from auth.users, generate_series(1, 120) n",
    )
    .await;
    let carol = app.carol().await;
    let (mut seen, mut address) = (Vec::new(), "/admin/mails?state=dead".to_owned());
    let last = loop {
        let page = carol.get(&address).await.expect(200);
        seen.extend(page.attrs("tbody a[href^='/admin/mails/']", "href"));
        match page.attrs("nav.pager a", "href").into_iter().find(|href| href.contains("older=")) {
            Some(next) => address = next,
            None => break page,
        }
    };
    assert_eq!(seen.len(), 120);
    let newer = last.attrs("nav.pager a", "href").into_iter().find(|href| href.contains("newer=")).unwrap();
    let back = carol.get(&newer).await.expect(200);
    assert_eq!(back.attrs("tbody a[href^='/admin/mails/']", "href"), seen[50..100]);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 120);
    app.finish().await;
}

#[tokio::test]
async fn who_reads_a_letter_is_written_down_and_its_secret_links_are_hidden() {
    let app = TestApp::start().await;
    let (dora, _) = app.dora().await;
    app.confirmed(&dora).await;
    app.guest()
        .post_form(
            "/signup",
            &[("name", "Eve"), ("email", "eve@example.com"), ("password", "plover cabinet tundra seven")],
        )
        .await;
    app.guest().post_form("/reset", &[("email", "eve@example.com")]).await;
    app.run_jobs().await;
    let agent = app.staff("agent").await;
    for (kind, says) in [
        ("booking_confirmation", "/booking-link/"),
        ("verify_email", "/verify/"),
        ("password_reset", "/reset/"),
    ] {
        let id = mail_of(&app, kind).await;
        let page = open(&agent, &id).await;
        let html = agent.get(&page.attr("iframe", "src")).await.expect(200);
        let sent = app
            .mailbox
            .list()
            .into_iter()
            .find(|mail| mail.message_id.as_deref() == Some(&format!("{id}@jetbridge.example")))
            .unwrap();
        page.says(&sent.subject).says(&format!("<{id}@jetbridge.example>"));
        let text = sent.text.unwrap();
        let (before, rest) = text.split_once(says).unwrap();
        let token: String =
            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
        assert_eq!(token.len(), 43, "{kind}: {token}");
        for shown in [&page, &html] {
            assert!(!shown.body.contains(&token), "{kind}: the token is shown");
            assert!(shown.body.contains(&format!("{says}(hidden)")), "{kind}");
        }
        assert!(before.len() > 20);
        assert_eq!(
            app.count(&format!("mail_copies where body_text like '%{token}%' or body_html like '%{token}%'"))
                .await,
            0
        );
        let policy = html.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("sandbox; default-src 'none'") && policy.contains("frame-ancestors 'self'")
        );
        assert!(!policy.contains("allow-") && !policy.contains("script-src"));
        assert_eq!(page.attr("iframe", "sandbox"), "");
    }
    assert_eq!(
        app.texts("select a.action || ' ' || m.kind from audit_log a join mails m on m.id::text = a.subject order by a.id").await,
        ["mail_read booking_confirmation", "mail_read verify_email", "mail_read password_reset"]
    );
    // A viewer sees how it stands, and nothing is read.
    let viewer = app.staff("viewer").await;
    let page = open(&viewer, &mail_of(&app, "booking_confirmation").await).await;
    assert!(!page.has("iframe") && !page.has("pre") && !page.has("form[action$='/resend']"));
    assert_eq!(app.count("audit_log").await, 3);
    app.finish().await;
}

#[tokio::test]
async fn a_mail_sent_again_is_a_new_one_to_the_present_contact_and_names_the_first() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    let before = app.mailbox.list().len();
    app.execute(&format!("update bookings set contact_email = '{NEW_CONTACT}'")).await;
    app.clock.advance(SignedDuration::from_hours(24));
    let finance = app.staff("finance").await;
    let first = mail_of(&app, "payment_receipt").await;
    let page = open(&finance, &first).await;
    page.says("n***@example.com");
    let sent = finance.submit(&page, "form[action$='/resend']", &[]).await.redirect();
    let again = mail_of(&app, "payment_receipt").await;
    assert_eq!(sent, format!("/admin/mails/{again}?done=resent"));
    assert!(finance.get(&sent).await.expect(200).text(".note[role=status]").starts_with("Sent again"));
    assert_ne!(again, first);
    // Two who press it at once, and one who presses it twice, send one.
    finance.post_form(&format!("/admin/mails/{first}/resend"), &[]).await.expect(409);
    finance.post_form(&format!("/admin/mails/{again}/resend"), &[]).await.expect(409);
    app.run_jobs().await;

    let received = app.mailbox.list();
    assert_eq!(received.len(), before + 1);
    assert_eq!(received[0].envelope.to, [NEW_CONTACT]);
    assert_eq!(received[0].message_id, Some(format!("{again}@jetbridge.example")));
    let old =
        received.iter().find(|mail| mail.message_id == Some(format!("{first}@jetbridge.example"))).unwrap();
    assert_eq!(received[0].subject, old.subject);
    let date = |mail: &jetbridge::sandbox::mailbox::Mail| mail.text.clone().unwrap().contains("23 Nov 2026");
    assert!(date(old) && date(&received[0]), "the money moved on the day when it moved");

    open(&finance, &again).await.says("Repeats").says("Sent");
    open(&finance, &first).await.says("Repetition 1");
    finance
        .get(&format!("/admin/mails?booking={reference}"))
        .await
        .expect(200)
        .says("Payment receipt, again");
    assert_eq!(
        app.texts("select action || ' ' || (data->>'first') from audit_log where action = 'mail_sent_again'")
            .await,
        [format!("mail_sent_again {first}")]
    );
    // A repetition of the repetition repeats the first.
    let page = open(&finance, &again).await;
    finance.submit(&page, "form[action$='/resend']", &[]).await.redirect();
    app.run_jobs().await;
    assert_eq!(app.count(&format!("mails where resent_of = '{first}'")).await, 2);
    app.finish().await;
}

#[tokio::test]
async fn many_who_press_send_again_at_once_send_one_mail() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    let first = mail_of(&app, "booking_confirmation").await;
    let agent = app.staff("agent").await;
    let address = format!("/admin/mails/{first}/resend");
    let press = || agent.post_form(&address, &[]);
    let answers = tokio::join!(press(), press(), press(), press());
    let mut statuses = [answers.0, answers.1, answers.2, answers.3].map(|page| page.status.as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409, 409, 409]);
    app.run_jobs().await;
    assert_eq!(app.count("mails where resent_of is not null and state = 'sent'").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn a_confirmation_of_what_is_no_more_is_not_sent_again_as_if_it_were() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    let first = mail_of(&app, "booking_confirmation").await;
    let agent = app.staff("agent").await;
    app.execute("set session_replication_role = replica; update bookings set booking_status = 'cancelled'")
        .await;
    let before = app.mailbox.list().len();
    let page = open(&agent, &first).await;
    let again = agent.submit(&page, "form[action$='/resend']", &[]).await.redirect();
    app.run_jobs().await;
    assert_eq!(app.mailbox.list().len(), before);
    agent.get(&again).await.expect(200).says("overtaken");
    app.execute("set session_replication_role = replica; update bookings set booking_status = 'confirmed'")
        .await;
    app.finish().await;
}

#[tokio::test]
async fn mails_about_an_account_and_those_without_a_contact_go_nowhere() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    app.guest().post_form("/reset", &[("email", ALICE)]).await;
    app.run_jobs().await;
    let agent = app.staff("agent").await;
    let reset = mail_of(&app, "password_reset").await;
    let page = open(&agent, &reset).await;
    assert!(!page.has("form[action$='/resend']"));
    page.says("between the site and one person");
    agent.post_form(&format!("/admin/mails/{reset}/resend"), &[]).await.expect(409).says("Nothing was sent");
    app.execute("update bookings set contact_email = null").await;
    let receipt = mail_of(&app, "payment_receipt").await;
    open(&agent, &receipt).await.says("no contact address");
    agent.post_form(&format!("/admin/mails/{receipt}/resend"), &[]).await.expect(409);
    let mails = app.count("mails where resent_of is not null").await;
    assert_eq!(mails, 0);
    app.finish().await;
}

#[tokio::test]
async fn the_next_step_of_a_dead_letter_leads_to_it_and_from_there_it_is_sent_again() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.mailbox.fault(Stage::Rcpt, Fault::Answer(550));
    app.confirmed(&alice).await;
    let agent = app.staff("agent").await;
    let queue = agent.get("/admin/attention").await.expect(200);
    let way = queue.attr("a[href^='/admin/mails/']", "href");
    let item = agent.get(&queue.attr("a[href^='/admin/attention/']", "href")).await.expect(200);
    assert_eq!(item.attr("main a[href^='/admin/mails/']", "href"), way);
    let mail = agent.get(&way).await.expect(200);
    mail.says("Dead").says("550").says("This mail needs a person");
    let before = app.mailbox.list().len();
    agent.submit(&mail, "form[action$='/resend']", &[]).await.redirect();
    app.run_jobs().await;
    assert_eq!(app.mailbox.list().len(), before + 1);
    app.finish().await;
}

#[tokio::test]
async fn what_a_mail_said_is_forgotten_after_thirty_days() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.confirmed(&alice).await;
    assert_eq!(app.count("mail_copies").await, 2);
    app.clock.advance(SignedDuration::from_hours(24 * 30));
    app.sweep().await;
    assert_eq!(app.count("mail_copies").await, 2);
    app.clock.advance(SignedDuration::from_mins(1));
    app.sweep().await;
    assert_eq!(app.count("mail_copies").await, 0);
    let agent = app.staff("agent").await;
    let id = mail_of(&app, "payment_receipt").await;
    let page = open(&agent, &id).await;
    page.says("is not kept");
    assert!(!page.has("iframe"));
    agent.get(&format!("/admin/mails/{id}/html")).await.expect(404);
    assert_eq!(app.count("audit_log").await, 0, "there was nothing to read");
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn staff_see_that_a_booking_was_made_without_an_account_and_admin_leads_to_the_list() {
    let app = TestApp::start().await;
    let (_, hers) = app.dora().await;
    let alice = app.alice().await;
    let with_account = app.draft(&alice).await;
    let carol = app.carol().await;
    carol.get(&format!("/admin/bookings/{hers}")).await.expect(200).says("Made without an account");
    let page = carol.get(&format!("/admin/bookings/{with_account}")).await.expect(200);
    assert!(!page.text("main").contains("without an account"));
    assert_eq!(carol.get("/admin").await.redirect(), "/admin/bookings");
    app.finish().await;
}
