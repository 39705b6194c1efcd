//! Ways to become somebody else, or to stay so: each was thought of by somebody who looked for them. Mallory has an
//! account of her own, knows a password, or signs up with an address that is not hers.

use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{
    app::{ALICE, BOB, PASSWORD, TestApp},
    browser::Browser,
    page::Page,
    story,
};

const MALLORY: &str = "mallory@example.com";
/// Whose address Mallory writes down; also the contact of what guests book in these tests.
const VICTOR: &str = "maria@example.com";
const NEW_PASSWORD: &str = "cobalt fjord umbrella nine";

impl TestApp {
    async fn user_id(&self, email: &str) -> String {
        self.texts(&format!("select id::text from auth.users where email = '{email}'")).await.remove(0)
    }

    /// The path of the newest link in a mail to this address.
    async fn link_to(&self, to: &str, path: &str) -> String {
        self.run_jobs().await;
        let mut mails = self.mailbox.list();
        mails.sort_by_key(|mail| mail.id);
        let texts =
            mails.into_iter().rev().filter(|mail| mail.envelope.to == [to]).filter_map(|mail| mail.text);
        let words: Vec<String> =
            texts.flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
        let link = words.iter().find_map(|word| Some(word.split_once(path)?.1.to_owned()));
        format!("{path}{}", link.unwrap_or_else(|| panic!("no mail to {to} has a link to {path}")))
    }

    /// Signs up, and the mail that asks whether the address is theirs goes out.
    async fn sign_up_as(&self, email: &str) -> Browser {
        let form = [("name", "Mallory"), ("email", email), ("password", PASSWORD)];
        self.guest().post_form("/signup", &form).await.redirect();
        self.run_jobs().await;
        self.sign_in(email).await
    }

    async fn program_of(&self, email: &str) -> Browser {
        let program = self.guest();
        let tokens = post(&program, "/api/auth/login", json!({ "email": email, "password": PASSWORD })).await;
        let tokens = tokens.expect(200).json();
        program.set_header("authorization", &format!("Bearer {}", tokens["access_token"].as_str().unwrap()));
        program
    }
}

async fn post(program: &Browser, path: &str, body: Value) -> Page {
    program.call(Method::POST, path, "application/json", body.to_string()).await
}

fn token_of(link: &str) -> &str {
    link.rsplit('/').next().unwrap()
}

#[tokio::test]
async fn nobody_becomes_staff_by_an_address_that_they_have_not_proven() {
    let app = TestApp::start().await;
    let owner = app.staff("owner").await;
    app.sign_up_as("newhire@agency.example").await;
    let list = owner.get("/admin/staff").await.expect(200);
    let typed = [("email", "newhire@agency.example"), ("role", "finance")];
    let page = owner.submit(&list, "form[action='/admin/staff']", &typed).await.expect(422);
    assert!(page.field_error("email").contains("not confirmed"), "{}", page.field_error("email"));
    // Nor an account that is deleted, should its address ever be typed.
    let bob = app.bob().await;
    let bobs = app.user_id(BOB).await;
    bob.post_form("/account/delete", &[("password", PASSWORD)]).await.redirect();
    let gone = format!("deleted-{bobs}@deleted.invalid");
    let page =
        owner.submit(&list, "form[action='/admin/staff']", &[("email", &gone), ("role", "owner")]).await;
    assert!(page.expect(422).field_error("email").contains("No account"));
    assert_eq!(app.count("auth.users where staff_role is not null").await, 1);
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn an_owner_who_is_none_any_more_adds_nobody() {
    let app = TestApp::start().await;
    let owner = app.staff("owner").await;
    app.bob().await;
    app.prove_address(BOB).await;
    let id = app.user_id("owner@example.com").await;
    // Between the check of the role and the deed.
    let mut sql = app.sql().await;
    let lock = format!("begin; update auth.users set staff_role = 'agent' where id = '{id}'");
    sqlx::raw_sql(&lock).execute(&mut sql).await.unwrap();
    let add = async { owner.post_form("/admin/staff", &[("email", BOB), ("role", "owner")]).await };
    let demote = async {
        app.until_somebody_waits().await;
        sqlx::raw_sql("commit").execute(&mut sql).await.unwrap();
    };
    let (page, ()) = tokio::join!(add, demote);
    page.expect(403);
    assert_eq!(app.count("auth.users where staff_role = 'owner'").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_link_that_proves_an_address_counts_only_for_whoever_is_signed_in_to_its_account() {
    let app = TestApp::start().await;
    // Victor booked as a guest. Mallory signs up with his address, and he presses the button in a genuine mail.
    app.dora().await;
    let mallory = app.sign_up_as(VICTOR).await;
    let link = app.link_to(VICTOR, "/verify/").await;
    let victor = app.guest();
    let page = victor.open(&link).await.expect(200);
    assert_eq!(page.url.path(), "/login");
    victor.post_form(&link, &[]).await.expect(401);
    post(&victor, "/api/auth/verify", json!({ "token": token_of(&link) })).await.expect(401);
    // He has an account of his own under another address, and is told what is the matter.
    let other = app.alice().await;
    other.get(&link).await.expect(403).says("another account");
    other.post_form(&link, &[]).await.expect(403);
    let program = app.program_of(ALICE).await;
    let page = post(&program, "/api/auth/verify", json!({ "token": token_of(&link) })).await.expect(403);
    assert_eq!(page.json()["code"], "link_of_another_account");
    assert_eq!(app.count("auth.users where email_verified_at is not null").await, 0);
    mallory.post_form("/bookings/claim", &[]).await.expect(422);
    assert_eq!(app.count("bookings where user_id is not null").await, 0);
    // Signing in leads back to the link.
    let signed_in = [("email", VICTOR), ("password", PASSWORD)];
    let page = victor.open(&link).await;
    let back = victor.submit(&page, "form[action='/login']", &signed_in).await;
    let page = victor.follow(back).await.expect(200);
    assert_eq!(page.url.path(), link);
    victor.submit(&page, "main form", &[]).await.redirect();
    assert_eq!(app.count("auth.users where email_verified_at is not null").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn a_new_address_counts_only_once_the_account_itself_uses_the_link() {
    let app = TestApp::start().await;
    let mallory = app.sign_up_as(MALLORY).await;
    let typed = [("email", VICTOR), ("password", PASSWORD)];
    mallory.post_form("/account/email", &typed).await.redirect();
    let link = app.link_to(VICTOR, "/email/").await;
    let victor = app.guest();
    assert_eq!(victor.open(&link).await.expect(200).url.path(), "/login");
    victor.post_form(&link, &[]).await.expect(401);
    post(&victor, "/api/auth/email/confirm", json!({ "token": token_of(&link) })).await.expect(401);
    let other = app.alice().await;
    other.get(&link).await.expect(403).says("another account");
    other.post_form(&link, &[]).await.expect(403);
    post(&other, "/api/auth/email/confirm", json!({ "token": token_of(&link) })).await.expect(403);
    assert_eq!(app.count(&format!("auth.users where email = '{VICTOR}'")).await, 0);
    let program = app.program_of(MALLORY).await;
    post(&program, "/api/auth/email/confirm", json!({ "token": token_of(&link) })).await.expect(204);
    assert_eq!(app.count(&format!("auth.users where email = '{VICTOR}'")).await, 1);
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn a_second_factor_is_set_up_only_by_whoever_has_proven_the_address() {
    let app = TestApp::start().await;
    let mallory = app.sign_up_as(VICTOR).await;
    let page = mallory.get("/account/second-factor").await.expect(200);
    assert!(!page.has("a[href='/account/second-factor/setup']"));
    let page = mallory.get("/account/second-factor/setup").await.expect(422);
    page.says("Confirm your address first");
    let form = [("setup", "x"), ("code", "123456")];
    mallory.post_form("/account/second-factor/setup", &form).await.redirect();
    assert_eq!(app.count("auth.second_factors").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn the_first_proof_of_an_address_by_a_new_password_leaves_nothing_of_whoever_was_there_before() {
    let app = TestApp::start().await;
    let mallory = app.sign_up_as(VICTOR).await;
    let profile = [("name", "Mallory"), ("phone", "+351 900 000 001"), ("nationality", "PT")];
    mallory.post_form("/account/profile", &profile).await.redirect();
    let friend = [
        ("given_names", "Mallory"),
        ("family_name", "Mallet"),
        ("day", "1"),
        ("month", "2"),
        ("year", "1990"),
        ("sex", "f"),
    ];
    mallory.post_form("/account/travellers", &friend).await.redirect();
    app.program_of(VICTOR).await;
    // From a time in which an unproven address could have one.
    app.execute(
        "insert into auth.second_factors (user_id, secret, confirmed_at, last_step)
         select id, repeat('x', 40)::bytea, '2026-11-23', 1 from auth.users",
    )
    .await;
    let victor = app.guest();
    victor.post_form("/reset", &[("email", VICTOR)]).await.redirect();
    let link = app.link_to(VICTOR, "/reset/").await;
    let done = victor.post_form(&link, &[("password", NEW_PASSWORD)]).await;
    victor.follow(done).await.expect(200).says("first proof");
    let signed_in = victor.post_form("/login", &[("email", VICTOR), ("password", NEW_PASSWORD)]).await;
    assert_eq!(signed_in.redirect(), "/bookings", "a code is asked for that only Mallory has");
    let left = app
        .texts(
            "select concat_ws('|', full_name, phone, nationality, (select count(*) from saved_travellers),
                    (select count(*) from auth.second_factors), (select count(*) from auth.token_families))
               from profiles",
        )
        .await;
    assert_eq!(left, ["||0|0|0"]);
    // What its owner has added since stays when they forget their password once more.
    victor.post_form("/account/profile", &[("name", "Victor")]).await.redirect();
    app.clock.advance(jiff::SignedDuration::from_mins(2));
    victor.post_form("/reset", &[("email", VICTOR)]).await.redirect();
    let link = app.link_to(VICTOR, "/reset/").await;
    let done = app.guest().post_form(&link, &[("password", PASSWORD)]).await;
    assert!(!app.guest().follow(done).await.expect(200).words().contains("first proof"));
    assert_eq!(app.texts("select full_name from profiles").await, ["Victor"]);
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn a_new_password_is_no_proof_for_what_asks_for_a_code() {
    let app = TestApp::start().await;
    let finance = app.staff("finance").await;
    let phone = app.second_factor(&finance).await;
    app.clock.advance(jiff::SignedDuration::from_mins(6));
    // Whoever sits down at the open screen and knows the password.
    let change = [("current_password", PASSWORD), ("password", NEW_PASSWORD)];
    finance.post_form("/account/password", &change).await.redirect();
    for grave in ["/account/second-factor/setup"] {
        assert!(finance.get(grave).await.redirect().starts_with("/reauthenticate"), "{grave}");
    }
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    let refund = format!("/admin/bookings/{reference}/refund");
    assert!(finance.get(&refund).await.redirect().starts_with("/reauthenticate"));
    // A code is.
    let code = app.fresh_code(&phone);
    finance.post_form("/reauthenticate", &[("code", &code), ("next", &refund)]).await.redirect();
    finance.get(&refund).await.expect(200);
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn a_second_factor_ends_the_programs_that_came_in_without_it() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let program = app.program_of(ALICE).await;
    program.get("/api/auth/me").await.expect(200);
    app.second_factor(&alice).await;
    program.get("/api/auth/me").await.expect(401);
    alice.get("/account").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn programs_are_listed_beside_the_browsers_and_ended_by_their_owner_alone() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.alice().await, app.bob().await);
    let (first, second) = (app.program_of(ALICE).await, app.program_of(ALICE).await);
    let page = alice.get("/account/devices").await.expect(200);
    page.says("Programs");
    let ends = "form[action^='/account/programs/']";
    assert_eq!(page.texts(ends).len(), 2);
    let end = page.attr(ends, "action");
    bob.post_form(&end, &[]).await.expect(404);
    let page = alice.submit(&page, ends, &[]).await;
    alice.follow(page).await.expect(200).says("That program is signed out");
    let mut alive = 0;
    for program in [&first, &second] {
        alive += u8::from(program.get("/api/auth/me").await.status == 200);
    }
    assert_eq!(alive, 1);

    // The same for programs themselves.
    let list = alice.get("/api/auth/programs").await.expect(200).json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let path = format!("/api/auth/programs/{}", list["items"][0]["id"].as_str().unwrap());
    bob.request(Method::DELETE, &path).await.expect(404);
    alice.request(Method::DELETE, &path).await.expect(204);
    assert_eq!(app.count("auth.token_families").await, 0);
    // "Everywhere else" means programs as well.
    app.program_of(ALICE).await;
    let page = alice.get("/account/devices").await.expect(200);
    alice.submit(&page, "form[action='/account/devices']", &[]).await.redirect();
    assert_eq!(app.count("auth.token_families").await, 0);
    alice.get("/account").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn signing_in_with_a_second_factor_keeps_what_a_guest_has_booked_in_this_browser() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let phone = app.second_factor(&alice).await;
    let (dora, draft) = app.dora().await;
    let form = [("email", ALICE), ("password", PASSWORD)];
    assert_eq!(dora.post_form("/login", &form).await.redirect(), "/login/code");
    dora.get(&format!("/bookings/{draft}/review")).await.expect(200);
    let code = app.fresh_code(&phone);
    dora.post_form("/login/code", &[("code", &code)]).await.redirect();
    dora.get("/account").await.expect(200);
    dora.get(&format!("/bookings/{draft}/review")).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn the_command_line_leaves_no_old_way_into_a_member_of_staff() {
    let app = TestApp::start().await;
    let mallory = app.sign_up_as("newhire@agency.example").await;
    app.execute(
        "insert into auth.second_factors (user_id, secret, confirmed_at, last_step)
         select id, repeat('x', 40)::bytea, '2026-11-23', 1 from auth.users",
    )
    .await;
    mallory.post_form("/reset", &[("email", "newhire@agency.example")]).await.redirect();
    let link = app.link_to("newhire@agency.example", "/reset/").await;
    app.clock.advance(jiff::SignedDuration::from_secs(1));
    app.make_staff("newhire@agency.example", NEW_PASSWORD, "agent").await;
    assert_eq!(app.count("auth.second_factors").await, 0);
    assert_eq!(app.count("auth.users where password_changed_at is not null").await, 1);
    mallory.get("/account").await.redirect();
    // A link that she had mailed to herself before opens nothing.
    app.guest().post_form(&link, &[("password", PASSWORD)]).await.expect(410);
    app.finish().await;
}

#[tokio::test]
async fn what_is_grave_asks_those_who_have_a_second_factor_for_a_code() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let phone = app.second_factor(&alice).await;
    app.clock.advance(jiff::SignedDuration::from_mins(6));
    let program = app.guest();
    let code = app.fresh_code(&phone);
    let ask = json!({ "email": ALICE, "password": PASSWORD, "code": code });
    let tokens = post(&program, "/api/auth/login", ask).await.expect(200).json();
    program.set_header("authorization", &format!("Bearer {}", tokens["access_token"].as_str().unwrap()));
    for page in ["/account/email", "/account/delete"] {
        assert!(alice.get(page).await.redirect().starts_with("/reauthenticate?next="), "{page}");
        let form = [("email", "alice@elsewhere.example"), ("password", PASSWORD)];
        assert!(alice.post_form(page, &form).await.redirect().starts_with("/reauthenticate"), "{page}");
    }
    let ask = json!({ "email": "alice@elsewhere.example", "password": PASSWORD });
    let refused = post(&program, "/api/auth/email", ask).await.expect(403);
    assert_eq!(refused.json()["code"], "second_factor_required");
    assert_eq!(app.count("mails where kind = 'email_change'").await, 0);
    assert_eq!(app.count("auth.users where deleted_at is not null").await, 0);

    let code = app.fresh_code(&phone);
    let ask = json!({ "email": "alice@elsewhere.example", "password": PASSWORD, "code": code });
    post(&program, "/api/auth/email", ask).await.expect(202);
    let code = app.fresh_code(&phone);
    let to = [("code", code.as_str()), ("next", "/account/delete")];
    assert_eq!(alice.post_form("/reauthenticate", &to).await.redirect(), "/account/delete");
    alice.post_form("/account/delete", &[("password", PASSWORD)]).await.redirect();
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn a_passport_is_shown_only_to_staff_who_have_just_proved_who_they_are() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = crate::documents::confirmed(&app, &alice).await;
    let agent = app.staff("agent").await;
    let page = format!("/admin/bookings/{reference}");
    app.clock.advance(jiff::SignedDuration::from_mins(6));
    let shown = agent.get(&page).await.expect(200);
    let asked = agent.submit(&shown, "form[action$='/reveal']", &[("reason", "airline_asks")]).await;
    assert!(asked.redirect().starts_with("/reauthenticate"));
    assert_eq!(app.count("audit_log where action = 'document_revealed'").await, 0);
    agent.post_form("/reauthenticate", &[("password", PASSWORD)]).await.redirect();
    agent.submit(&shown, "form[action$='/reveal']", &[("reason", "airline_asks")]).await.expect(200);
    app.settle().await;
    app.finish().await;
}

#[tokio::test]
async fn a_mark_of_a_known_browser_ends_with_the_password_and_is_given_only_after_the_code() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.second_factor(&alice).await;
    let half = app.guest();
    half.post_form("/login", &[("email", ALICE), ("password", PASSWORD)]).await.redirect();
    assert_eq!(half.cookie("known"), None, "a password alone makes a browser known");
    // Whoever had the password keeps a mark; when it changes, the mark is worth nothing.
    app.bob().await;
    let known = app.sign_in(BOB).await;
    let bob = known.copy();
    let change = [("current_password", PASSWORD), ("password", NEW_PASSWORD)];
    known.post_form("/account/password", &change).await.redirect();
    let stranger = app.guest();
    for _ in 0..5 {
        stranger.post_form("/login", &[("email", BOB), ("password", "not this one here")]).await.expect(422);
    }
    // The known browser of before stands in the same queue as every stranger.
    bob.post_form("/login", &[("email", BOB), ("password", "not this one here")]).await.expect(429);
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn a_copy_of_the_session_table_opens_no_session() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let (dora, _) = app.dora().await;
    for browser in [&alice, &dora] {
        let id = browser.cookie("session").unwrap();
        let raw = id.parse::<tower_sessions::session::Id>().unwrap().0.to_be_bytes();
        let hex = hex::encode(raw);
        let rows =
            format!("tower_sessions.session where id = '{id}' or position('\\x{hex}'::bytea in data) > 0");
        assert_eq!(app.count(&rows).await, 0, "an id lies in the table in clear");
    }
    assert_eq!(app.count("tower_sessions.session where id ~ '^[0-9a-f]{64}$'").await, 2);
    let key = app.texts("select session_id from auth.devices").await.remove(0);
    let thief = app.guest();
    for stolen in [key.as_str(), &key[..22]] {
        thief.set_cookie("session", stolen);
        thief.get("/account").await.redirect();
    }
    app.finish().await;
}

#[tokio::test]
async fn what_was_typed_waits_for_its_owner_an_hour_and_not_in_clear() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.bob().await;
    let draft = app.draft(&alice).await;
    let path = format!("/bookings/{draft}/passengers");
    let interrupted = async |browser: &Browser, email: &str| {
        let mut typed = story::passenger("Duarte").to_vec();
        typed[0].1 = "Wilhelmina";
        let login = browser.post_form(&path, &typed).await.expect(401);
        let form = [("email", email), ("password", PASSWORD)];
        browser.submit(&login, "form[action='/login']", &form).await.redirect();
    };
    let first = app.guest();
    interrupted(&first, ALICE).await;
    let clear = format!("tower_sessions.session where position('{}'::bytea in data) > 0", "Wilhelmina");
    assert_eq!(app.count(&clear).await, 0, "a passenger's name lies in a session in clear");
    assert_eq!(
        first.get(&path).await.expect(200).value("form[action$='/passengers']", "p1_given"),
        "Wilhelmina"
    );

    // Too late.
    let late = app.guest();
    interrupted(&late, ALICE).await;
    app.clock.advance(jiff::SignedDuration::from_mins(60));
    assert_eq!(
        late.get(&path).await.expect(200).value("form[action$='/passengers']", "p1_given"),
        "Maria Inês"
    );
    assert_eq!(app.count("tower_sessions.session where position('kept_form'::bytea in data) > 0").await, 0);

    // Somebody else's turn: what the one before had typed is gone.
    alice.post_form("/reauthenticate", &[("password", PASSWORD)]).await.redirect();
    app.second_factor(&alice).await;
    let shared = app.guest();
    interrupted(&shared, ALICE).await;
    shared.post_form("/login", &[("email", BOB), ("password", PASSWORD)]).await.redirect();
    assert_eq!(app.count("tower_sessions.session where position('kept_form'::bytea in data) > 0").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn nobody_finds_out_an_address_letter_by_letter() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let viewer = app.staff("viewer").await;
    let found = async |typed: &str| {
        let page = viewer.get(&format!("/admin/bookings?q={typed}")).await.expect(200);
        page.words().contains(&reference)
    };
    assert!(found("maria%40example.com").await && found("MARIA%40example.com").await);
    assert!(found(&reference).await);
    for guess in ["mar", "maria", "maria%40", "maria%40example.co", "aria%40example.com"] {
        assert!(!found(guess).await, "{guess}");
    }
    app.finish().await;
}
