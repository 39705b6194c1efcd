//! The life of an account through the feature's face: each method once as it should go, and then by those who come late,
//! twice, at once, or for somebody else.

use jetbridge::{
    accounts::{Profile, Purpose, SavedTraveller, User},
    error::AppError,
    ids::{TokenHash, TravellerId, UserId},
    itinerary::Sex,
};
use jiff::{SignedDuration, civil::date};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::helpers::app::{ALICE, BOB, PASSWORD, TestApp};

const NEW: &str = "another cabinet ozone lattice";
const ELSEWHERE: &str = "alice@elsewhere.example";

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

fn code_of(error: &AppError) -> &str {
    match error {
        AppError::Gone(refusal) | AppError::Conflict(refusal) | AppError::Refused(refusal) => refusal.code,
        AppError::Invalid(errors) => errors.iter().next().map_or("", |(field, _)| field),
        AppError::NotFound => "not_found",
        AppError::TooMany(_) => "too_many",
        other => panic!("{other:?}"),
    }
}

async fn user_of(app: &TestApp, email: &str) -> UserId {
    let id = app.texts(&format!("select id::text from auth.users where email = '{email}'")).await;
    id[0].parse().unwrap()
}

/// Runs what is owed and takes the token from the newest mail of this purpose.
async fn token_for(app: &TestApp, purpose: Purpose, to: &str) -> String {
    app.run_jobs().await;
    let start = format!("{}{}/", app.config.link(""), purpose.path());
    let mails = app.mailbox.list().into_iter().filter(|mail| mail.envelope.to == [to]);
    let found = mails.filter_map(|mail| {
        let text = mail.text.unwrap_or_default();
        let rest = text.split(&start).nth(1)?;
        Some((mail.id.0, rest.split_whitespace().next()?.to_owned()))
    });
    found.max_by_key(|(id, _)| *id).expect("a mail with a link").1
}

/// What asks who asks goes by the API.
async fn post(app: &TestApp, path: &str, body: Value) {
    let page = app.guest().call(Method::POST, path, "application/json", body.to_string()).await;
    page.expect(202);
}

async fn sign_up(app: &TestApp, name: &str, email: &str, password: &str) {
    post(app, "/api/auth/signup", json!({ "name": name, "email": email, "password": password })).await;
}

async fn request_reset(app: &TestApp, email: &str) {
    post(app, "/api/auth/password-reset", json!({ "email": email })).await;
}

async fn ask_for_reset(app: &TestApp, email: &str) -> String {
    request_reset(app, email).await;
    token_for(app, Purpose::PasswordReset, email).await
}

async fn signs_in(app: &TestApp, email: &str, password: &str) -> bool {
    let page = app.guest().post_form("/login", &[("email", email), ("password", password)]).await;
    page.status == 303
}

#[tokio::test]
async fn a_sign_up_mails_a_link_that_proves_the_address_once() {
    let app = TestApp::start().await;
    sign_up(&app, "Alice Archer", ALICE, PASSWORD).await;
    let id = user_of(&app, ALICE).await;
    assert!(!app.accounts.user(id).await.unwrap().is_verified());
    let token = token_for(&app, Purpose::VerifyEmail, ALICE).await;
    let user = app.accounts.verify_email(id, &token).await.unwrap();
    assert_eq!((user.id, user.email_verified_at), (id, Some(app.now())));
    assert_eq!(code_of(&app.accounts.verify_email(id, &token).await.unwrap_err()), "link_is_dead");
    // There is nothing left to prove.
    app.clock.advance(SignedDuration::from_hours(1));
    app.accounts.request_verification(id).await.unwrap();
    assert_eq!(app.mails().await, ["verify_email"]);
    app.finish().await;
}

#[tokio::test]
async fn a_link_to_verify_lives_a_day_and_another_may_be_asked_for_in_a_minute() {
    let app = TestApp::start().await;
    app.alice().await;
    let id = user_of(&app, ALICE).await;
    app.accounts.request_verification(id).await.unwrap();
    assert_eq!(code_of(&app.accounts.request_verification(id).await.unwrap_err()), "too_many");
    let first = token_for(&app, Purpose::VerifyEmail, ALICE).await;
    app.clock.advance(SignedDuration::from_hours(24));
    assert_eq!(code_of(&app.accounts.verify_email(id, &first).await.unwrap_err()), "link_is_dead");
    app.accounts.request_verification(id).await.unwrap();
    let second = token_for(&app, Purpose::VerifyEmail, ALICE).await;
    app.clock.advance(SignedDuration::from_hours(24) - SignedDuration::from_secs(1));
    app.accounts.verify_email(id, &second).await.unwrap();
    app.finish().await;
}

#[tokio::test]
async fn get_user_by_token_finds_the_owner_for_the_purpose_and_uses_nothing_up() {
    let app = TestApp::start().await;
    app.alice().await;
    let token = ask_for_reset(&app, ALICE).await;
    let found = |token: String, purpose| {
        let accounts = app.accounts.clone();
        async move { accounts.get_user_by_token(&token, purpose).await.unwrap().map(|user: User| user.email) }
    };
    for _ in 0..2 {
        assert_eq!(found(token.clone(), Purpose::PasswordReset).await.as_deref(), Some(ALICE));
    }
    for other in [Purpose::VerifyEmail, Purpose::EmailChange] {
        assert_eq!(found(token.clone(), other).await, None, "{other:?}");
    }
    let hash = app.texts("select encode(token_hash, 'hex') from auth.mail_tokens").await.remove(0);
    let wrong = ["", "x", &hash, &token.to_uppercase(), &format!("{token} "), &"A".repeat(100_000), "'; --"];
    for wrong in wrong {
        assert_eq!(found((*wrong).to_owned(), Purpose::PasswordReset).await, None);
    }
    app.finish().await;
}

#[tokio::test]
async fn the_database_knows_a_link_by_its_hash_alone() {
    let app = TestApp::start().await;
    app.alice().await;
    let token = ask_for_reset(&app, ALICE).await;
    let kept = app.texts("select encode(token_hash, 'hex') from auth.mail_tokens").await;
    assert_eq!(kept, [hex::encode(TokenHash::of(&token).as_bytes())]);
    let everywhere = "select row_to_json(m)::text from mails m union all select row_to_json(t)::text from auth.mail_tokens t
                      union all select row_to_json(o)::text from outbox o";
    assert!(app.texts(everywhere).await.iter().all(|row| !row.contains(&token)));
    app.finish().await;
}

#[tokio::test]
async fn a_mail_that_is_sent_again_has_the_same_link() {
    let app = TestApp::start().await;
    app.alice().await;
    let first = ask_for_reset(&app, ALICE).await;
    app.execute(
        "update mails set state = 'queued', sent_at = null where kind = 'password_reset';
         update outbox set state = 'ready', finished_at = null where kind = 'send_mail'",
    )
    .await;
    assert_eq!(token_for(&app, Purpose::PasswordReset, ALICE).await, first);
    assert_eq!(app.count("auth.mail_tokens").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn a_reset_changes_the_password_ends_every_sign_in_proves_the_address_and_says_so() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.alice().await, app.bob().await);
    let phone = app.sign_in(ALICE).await;
    let id = user_of(&app, ALICE).await;
    let scopes = "account:read".parse().unwrap();
    let tokens = app.issue(id, scopes).await.unwrap();
    let token = ask_for_reset(&app, ALICE).await;
    app.clock.advance(SignedDuration::from_secs(1));
    let user = app.accounts.reset_password(&token, secret(NEW)).await.unwrap().user;
    assert!(user.is_verified() && user.password_changed_at == Some(app.now()));
    assert!(!signs_in(&app, ALICE, PASSWORD).await && signs_in(&app, ALICE, NEW).await);
    for browser in [&alice, &phone] {
        browser.get("/account").await.redirect();
    }
    bob.get("/account").await.expect(200);
    let dead = jetbridge::accounts::tokens::refresh(&app.db, &app.clock, tokens.refresh.expose()).await;
    assert!(dead.unwrap().is_none());
    let owner = jetbridge::accounts::tokens::who(&app.db, &app.clock, tokens.access.expose()).await.unwrap();
    assert_eq!(owner, None);
    app.run_jobs().await;
    assert_eq!(app.mails().await, ["password_reset", "password_changed"]);
    app.finish().await;
}

#[tokio::test]
async fn a_link_for_a_new_password_works_once_for_half_an_hour_and_only_the_newest() {
    let app = TestApp::start().await;
    app.alice().await;
    let old = ask_for_reset(&app, ALICE).await;
    app.clock.advance(SignedDuration::from_secs(1));
    let newest = ask_for_reset(&app, ALICE).await;
    let refused = |error: AppError| assert_eq!(code_of(&error), "link_is_dead");
    refused(app.accounts.reset_password(&old, secret(NEW)).await.unwrap_err());
    app.clock.advance(SignedDuration::from_mins(30) - SignedDuration::from_secs(1));
    app.accounts.reset_password(&newest, secret(NEW)).await.unwrap();
    refused(app.accounts.reset_password(&newest, secret("a third lattice of ozone")).await.unwrap_err());
    app.clock.advance(SignedDuration::from_secs(1));
    let late = ask_for_reset(&app, ALICE).await;
    app.clock.advance(SignedDuration::from_mins(30));
    refused(app.accounts.reset_password(&late, secret(PASSWORD)).await.unwrap_err());
    assert!(signs_in(&app, ALICE, NEW).await);
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn a_password_that_will_not_do_leaves_the_link_as_it_is() {
    let app = TestApp::start().await;
    app.alice().await;
    let token = ask_for_reset(&app, ALICE).await;
    for weak in ["short", "password1234", "alice@example.com", PASSWORD] {
        let error = app.accounts.reset_password(&token, secret(weak)).await.unwrap_err();
        assert_eq!(code_of(&error), "password", "{weak}");
    }
    app.accounts.reset_password(&token, secret(NEW)).await.unwrap();
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn of_many_who_come_with_one_link_at_once_one_gets_through() {
    let app = TestApp::start().await;
    app.alice().await;
    let id = user_of(&app, ALICE).await;
    let token = ask_for_reset(&app, ALICE).await;
    let passwords = ["plover one ozone lattice", "plover two ozone lattice", "plover three ozone lattice"];
    let reset = |password| app.accounts.reset_password(&token, secret(password));
    let (one, two, three) = tokio::join!(reset(passwords[0]), reset(passwords[1]), reset(passwords[2]));
    let through: Vec<&str> = passwords
        .into_iter()
        .zip([one, two, three])
        .filter(|(_, done)| done.is_ok())
        .map(|(p, _)| p)
        .collect();
    assert_eq!(through.len(), 1);
    assert!(signs_in(&app, ALICE, through[0]).await);
    app.run_jobs().await;
    assert_eq!(app.mails().await, ["password_reset", "password_changed"]);

    app.execute("update auth.users set email_verified_at = null").await;
    app.clock.advance(SignedDuration::from_mins(2));
    app.accounts.request_verification(id).await.unwrap();
    let token = token_for(&app, Purpose::VerifyEmail, ALICE).await;
    let (one, two) =
        tokio::join!(app.accounts.verify_email(id, &token), app.accounts.verify_email(id, &token));
    assert_eq!([one, two].iter().filter(|done| done.is_ok()).count(), 1);
    app.finish().await;
}

#[tokio::test]
async fn nobody_gets_a_mail_for_an_address_without_an_account() {
    let app = TestApp::start().await;
    app.alice().await;
    request_reset(&app, ALICE).await;
    request_reset(&app, "stranger@example.com").await;
    app.run_jobs().await;
    assert_eq!(app.mails().await, ["password_reset"]);
    assert!(app.mailbox.list().iter().all(|mail| mail.envelope.to == [ALICE]));
    app.finish().await;
}

#[tokio::test]
async fn who_has_an_account_already_is_told_so_once_an_hour() {
    let app = TestApp::start().await;
    app.alice().await;
    let again = || async {
        app.clock.advance(SignedDuration::from_secs(1));
        sign_up(&app, "Mallory", ALICE, NEW).await;
        app.run_jobs().await;
        app.mailbox.list().len()
    };
    assert_eq!([again().await, again().await, again().await], [1, 1, 1]);
    app.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(again().await, 2);
    let mail = app.mailbox.list().remove(0);
    assert!(!mail.text.unwrap().contains("Mallory"), "whoever signs up does not write our mails");
    assert!(signs_in(&app, ALICE, PASSWORD).await && !signs_in(&app, ALICE, NEW).await);
    app.finish().await;
}

#[tokio::test]
async fn two_who_sign_up_with_one_address_at_once_make_one_account() {
    let app = TestApp::start().await;
    let new = || sign_up(&app, "Alice", ALICE, PASSWORD);
    tokio::join!(new(), new(), new());
    assert_eq!((app.count("auth.users").await, app.count("profiles").await), (1, 1));
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn a_new_password_needs_the_old_one_keeps_this_browser_and_ends_the_others() {
    let app = TestApp::start().await;
    let (here, there) = (app.alice().await, app.sign_in(ALICE).await);
    let id = user_of(&app, ALICE).await;
    let devices = jetbridge::accounts::devices::list(&app.db, id).await.unwrap();
    // The sessions are of one instant; the id tells which came first.
    let keep = devices.iter().map(|device| device.id).min().unwrap();
    let change = |old: &'static str, new: &'static str| {
        app.accounts.change_password(id, secret(old), secret(new), Some(keep))
    };
    assert_eq!(code_of(&change("not my password", NEW).await.unwrap_err()), "current_password");
    assert_eq!(code_of(&change(PASSWORD, PASSWORD).await.unwrap_err()), "password");
    assert_eq!(code_of(&change(PASSWORD, "too short").await.unwrap_err()), "password");
    here.get("/account").await.expect(200);
    there.get("/account").await.expect(200);
    change(PASSWORD, NEW).await.unwrap();
    here.get("/account").await.expect(200);
    there.get("/account").await.redirect();
    assert!(!signs_in(&app, ALICE, PASSWORD).await && signs_in(&app, ALICE, NEW).await);
    app.run_jobs().await;
    assert_eq!(app.mails().await, ["password_changed"]);
    app.finish().await;
}

#[tokio::test]
async fn of_two_new_passwords_at_once_one_counts() {
    let app = TestApp::start().await;
    app.alice().await;
    let id = user_of(&app, ALICE).await;
    let change = |new| app.accounts.change_password(id, secret(PASSWORD), secret(new), None);
    let (one, two) = tokio::join!(change(NEW), change("a third lattice of ozone"));
    assert_eq!([&one, &two].iter().filter(|done| done.is_ok()).count(), 1, "{one:?} {two:?}");
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn another_address_is_asked_the_present_one_told_and_both_hear_of_the_change() {
    let app = TestApp::start().await;
    app.alice().await;
    let id = user_of(&app, ALICE).await;
    let ask = |password, to| app.accounts.request_email_change(id, secret(password), to);
    assert_eq!(code_of(&ask("not my password", ELSEWHERE).await.unwrap_err()), "password");
    assert_eq!(code_of(&ask(PASSWORD, "ALICE@example.com").await.unwrap_err()), "email");
    ask(PASSWORD, ELSEWHERE).await.unwrap();
    let token = token_for(&app, Purpose::EmailChange, ELSEWHERE).await;
    assert_eq!(app.accounts.user(id).await.unwrap().email, ALICE, "nothing has changed yet");
    app.clock.advance(SignedDuration::from_mins(1));
    let user = app.accounts.confirm_email_change(id, &token).await.unwrap();
    assert_eq!((user.email.as_str(), user.is_verified()), (ELSEWHERE, true));
    assert_eq!(code_of(&app.accounts.confirm_email_change(id, &token).await.unwrap_err()), "link_is_dead");
    assert!(signs_in(&app, ELSEWHERE, PASSWORD).await && !signs_in(&app, ALICE, PASSWORD).await);
    app.run_jobs().await;
    let mut told: Vec<(String, String)> =
        app.mailbox.list().into_iter().map(|mail| (mail.envelope.to[0].clone(), mail.subject)).collect();
    told.sort();
    let expected = [
        (ELSEWHERE, "Confirm your new e-mail address"),
        (ELSEWHERE, "The e-mail address of your account was changed"),
        (ALICE, "Another e-mail address was asked for"),
        (ALICE, "The e-mail address of your account was changed"),
    ];
    assert_eq!(told, expected.map(|(to, subject)| (to.to_owned(), subject.to_owned())));
    app.finish().await;
}

#[tokio::test]
async fn an_address_that_somebody_has_is_refused_to_its_reader_and_to_nobody_before() {
    let app = TestApp::start().await;
    app.alice().await;
    app.bob().await;
    let id = user_of(&app, ALICE).await;
    // The same silence as for a free one.
    app.accounts.request_email_change(id, secret(PASSWORD), BOB).await.unwrap();
    let token = token_for(&app, Purpose::EmailChange, BOB).await;
    assert_eq!(code_of(&app.accounts.confirm_email_change(id, &token).await.unwrap_err()), "email_taken");
    assert_eq!(app.accounts.user(id).await.unwrap().email, ALICE);
    app.finish().await;
}

#[tokio::test]
async fn a_new_password_or_another_address_kills_the_links_that_came_before() {
    let app = TestApp::start().await;
    app.alice().await;
    let id = user_of(&app, ALICE).await;
    let second = SignedDuration::from_secs(1);
    // A thief who knew the password has asked for another address; its mail has not even gone out.
    app.accounts.request_email_change(id, secret(PASSWORD), ELSEWHERE).await.unwrap();
    let thiefs = token_for(&app, Purpose::EmailChange, ELSEWHERE).await;
    app.clock.advance(second);
    app.accounts.request_email_change(id, secret(PASSWORD), "thief@elsewhere.example").await.unwrap();
    app.clock.advance(second);
    app.accounts.change_password(id, secret(PASSWORD), secret(NEW), None).await.unwrap();
    let mails = app.mailbox.list().len();
    app.run_jobs().await;
    let late = app.mailbox.list().into_iter().skip(mails);
    assert!(late.into_iter().all(|mail| mail.envelope.to != ["thief@elsewhere.example"]));
    assert_eq!(code_of(&app.accounts.confirm_email_change(id, &thiefs).await.unwrap_err()), "link_is_dead");
    // Whoever reads the old mailbox gets nowhere once the address is another.
    app.clock.advance(second);
    let reset = ask_for_reset(&app, ALICE).await;
    app.accounts.request_email_change(id, secret(NEW), ELSEWHERE).await.unwrap();
    let change = token_for(&app, Purpose::EmailChange, ELSEWHERE).await;
    app.accounts.confirm_email_change(id, &change).await.unwrap();
    assert_eq!(
        code_of(&app.accounts.reset_password(&reset, secret(PASSWORD)).await.unwrap_err()),
        "link_is_dead"
    );
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn a_profile_is_its_owners() {
    let app = TestApp::start().await;
    app.alice().await;
    app.bob().await;
    let (alice, bob) = (user_of(&app, ALICE).await, user_of(&app, BOB).await);
    let profile = Profile {
        name: "Alice Archer".to_owned(),
        phone: "+351 900 000 000".to_owned(),
        born_on: Some(date(1986, 12, 4)),
        nationality: Some("AD".to_owned()),
    };
    app.accounts.update_profile(alice, &profile).await.unwrap();
    assert_eq!(app.accounts.profile(alice).await.unwrap(), profile);
    assert_eq!(app.accounts.profile(bob).await.unwrap().name, "Test Traveller");
    app.finish().await;
}

#[tokio::test]
async fn saved_travellers_are_kept_changed_and_forgotten_by_their_owner_alone() {
    let app = TestApp::start().await;
    app.alice().await;
    app.bob().await;
    let (alice, bob) = (user_of(&app, ALICE).await, user_of(&app, BOB).await);
    let tomas = SavedTraveller {
        given_names: "Tomás".to_owned(),
        family_name: "Duarte".to_owned(),
        born_on: date(2025, 3, 1),
        sex: Sex::M,
    };
    let accounts = &app.accounts;
    let id = accounts.save_traveller(alice, None, &tomas).await.unwrap();
    let grown = SavedTraveller { given_names: "Tomás João".to_owned(), ..tomas.clone() };
    assert_eq!(accounts.save_traveller(alice, Some(id), &grown).await.unwrap(), id);
    assert_eq!(accounts.saved_travellers(alice).await.unwrap(), [(id, grown.clone())]);
    assert_eq!(accounts.saved_travellers(bob).await.unwrap(), []);
    for (who, id) in [(bob, id), (alice, TravellerId::new())] {
        assert_eq!(code_of(&accounts.save_traveller(who, Some(id), &tomas).await.unwrap_err()), "not_found");
        assert_eq!(code_of(&accounts.forget_traveller(who, id).await.unwrap_err()), "not_found");
    }
    assert_eq!(accounts.saved_travellers(alice).await.unwrap(), [(id, grown)]);
    accounts.forget_traveller(alice, id).await.unwrap();
    assert_eq!(accounts.saved_travellers(alice).await.unwrap(), []);
    let nth = |n: usize| SavedTraveller { given_names: "a".repeat(n), ..tomas.clone() };
    for n in 1..=40 {
        accounts.save_traveller(alice, None, &nth(n)).await.unwrap();
    }
    let known = accounts.save_traveller(alice, None, &nth(40)).await;
    assert!(known.is_ok(), "who is saved already takes no place: {known:?}");
    assert_eq!(
        code_of(&accounts.save_traveller(alice, None, &nth(41)).await.unwrap_err()),
        "too_many_travellers"
    );
    app.finish().await;
}

#[tokio::test]
async fn links_that_opened_nothing_for_long_are_forgotten() {
    let app = TestApp::start().await;
    app.alice().await;
    ask_for_reset(&app, ALICE).await;
    app.sweep().await;
    assert_eq!(app.count("auth.mail_tokens").await, 1);
    app.clock.advance(SignedDuration::from_hours(24 * 40));
    app.sweep().await;
    assert_eq!(app.count("auth.mail_tokens").await, 0);
    app.finish().await;
}
