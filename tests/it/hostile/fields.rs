//! Each field alone is filled with each hostile input, the others as a person would fill them.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use url::Url;

use super::inputs::inputs;
use crate::{
    attention::{Frozen, wrong_hash},
    documents,
    helpers::{
        app::{ALICE, PASSWORD, TestApp},
        browser::Browser,
        page::{Page, Submission},
        story::{SEARCH, passenger},
    },
    payouts,
};

/// A page with a form, and what an honest person writes into it.
struct Target {
    /// Where the form stands.
    page: String,
    /// End of the form's own address, as the route table writes it.
    action: &'static str,
    honest: Vec<(&'static str, String)>,
}

fn target(page: &str, action: &'static str, honest: &[(&'static str, &str)]) -> Target {
    let honest = honest.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Target { page: page.to_owned(), action, honest }
}

/// Ends of the addresses of every form that has fields; the last test holds them against the route table.
const ATTACKED: [&str; 35] = [
    "/flights",
    "/bookings",
    "/passengers",
    "/pay",
    "/cancel",
    "/find",
    "/signup",
    "/login",
    "/reset",
    "/reauthenticate",
    "/account/second-factor/setup",
    "/account/second-factor/remove",
    "/account/second-factor/codes",
    "/account/export",
    "/account/profile",
    "/account/travellers",
    "/account/password",
    "/account/email",
    "/account/delete",
    "/admin/bookings",
    "/admin/mails",
    "/refund",
    "/admin/staff",
    "/login/code",
    "/account/travellers/{id}",
    "/admin/staff/{id}/role",
    "/admin/attention/{id}/resolve",
    "/refund/confirm",
    "/payout",
    "/documents/reveal",
    "/admin/hooks",
    "/admin/hooks/{id}/replay",
    "/admin/attention/{id}/accept",
    "/admin/attention/{id}/give-back",
    "/demo/console",
];

/// What was attacked: "POST /login email".
type Tried = BTreeSet<String>;

async fn attack(app: &TestApp, browser: &Browser, target: &Target) -> Tried {
    let page = browser.open(&target.page).await.expect(200);
    attack_here(app, browser, &page, target).await
}

async fn attack_here(app: &TestApp, browser: &Browser, page: &Page, target: &Target) -> Tried {
    assert!(ATTACKED.contains(&target.action), "{} is not on the list", target.action);
    let (n, form) = find(page, target);
    let action = page.url.join(&form.action).expect("an address");
    let mut tried = Tried::new();
    let names = page.names_of(n);
    let unknown = target.honest.iter().find(|(name, _)| !names.iter().any(|known| known == name));
    assert!(unknown.is_none(), "{} has no field {unknown:?}: {names:?}", target.page);
    for field in names {
        for (name, input) in inputs() {
            let mut fields: Vec<(String, String)> = form.fields.clone();
            for (honest, value) in &target.honest {
                fields.retain(|(key, _)| key != honest);
                fields.push(((*honest).to_owned(), value.clone()));
            }
            fields.retain(|(key, _)| *key != field);
            fields.push((field.clone(), input.clone()));
            let answer = send(app, browser, &form.method, &action, &fields).await;
            let about = format!("{} {} with {name} in {field}", form.method, action.path());
            unharmed(&answer, &about);
            if answer.status == 422 {
                nothing_lost(&answer, target, &fields, &field, &about);
            } else if answer.status.is_redirection() {
                let next = answer.url.join(&answer.location()).expect("an address");
                if next.origin() == app.url.origin() {
                    unharmed(&browser.open(next.as_str()).await, &about);
                }
            }
        }
        tried.insert(format!("{} {} {field}", form.method.to_uppercase(), target.action));
    }
    assert!(!tried.is_empty(), "{} has no fields", target.page);
    tried
}

/// Whether `path` ends in `end`, where `{…}` stands for anything.
fn fits(path: &str, end: &str) -> bool {
    let mut segments = path.rsplit('/');
    let mut wanted = end.trim_start_matches('/').rsplit('/');
    wanted.all(|wanted| segments.next().is_some_and(|segment| wanted.starts_with('{') || wanted == segment))
}

fn find(page: &Page, target: &Target) -> (usize, Submission) {
    let forms = || page.forms().into_iter().enumerate();
    let path = |form: &Submission| page.url.join(&form.action).expect("an address").path().to_owned();
    let exact = forms().find(|(_, form)| path(form) == target.action);
    let found = exact.or_else(|| forms().find(|(_, form)| fits(&path(form), target.action)));
    found.unwrap_or_else(|| panic!("{} has no form {}", page.url, target.action))
}

/// Whoever tries so much is told to wait. The clock is ours.
async fn send(
    app: &TestApp,
    browser: &Browser,
    method: &str,
    action: &Url,
    fields: &[(String, String)],
) -> Page {
    for _ in 0..5 {
        let pairs: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let answer = if method == "post" {
            browser.post_form(action.as_str(), &pairs).await
        } else {
            let mut address = action.clone();
            address.query_pairs_mut().clear().extend_pairs(&pairs);
            // Longer than any server takes; the rest is the business of the tests of heads.
            if address.as_str().len() > 8_000 {
                address
                    .query_pairs_mut()
                    .clear()
                    .extend_pairs(pairs.iter().map(|(k, v)| (*k, v.chars().take(300).collect::<String>())));
            }
            browser.get(address.as_str()).await
        };
        let Some(wait) = answer.header("retry-after").filter(|_| answer.status == 429) else { return answer };
        app.clock.advance(SignedDuration::from_secs(wait.parse().expect("seconds")));
    }
    panic!("{action} says 429 for ever");
}

#[track_caller]
fn unharmed(answer: &Page, about: &str) {
    assert!(!answer.status.is_server_error(), "{about}: {}", answer.status);
    assert!(answer.header("x-injected").is_none(), "{about}: a header came through");
    assert!(answer.header("location").is_none_or(|to| !to.contains("evil.example")), "{about}: led astray");
    if answer.is_html() {
        // As a browser reads it, not as it is written: what counts is whether something came alive.
        for live in [
            "[onerror]",
            "[onload]",
            "[onfocus]",
            "img[src=x]",
            "svg[onload]",
            "script:not([src]):not([nonce])",
        ] {
            assert!(!answer.has(live), "{about}: {live} came alive");
        }
        assert!(
            !answer.attrs("a[href], form[action]", "href").iter().any(|to| to.starts_with("javascript:"))
        );
    }
}

/// A 422 says what is wrong, and the form still holds what was typed; secrets never come back.
#[track_caller]
fn nothing_lost(answer: &Page, target: &Target, sent: &[(String, String)], attacked: &str, about: &str) {
    // What no browser sends (a choice that is not on the list) may be answered outside the form.
    let forms = answer.forms();
    let path = |form: &Submission| answer.url.join(&form.action).expect("an address").path().to_owned();
    let Some(form) = forms.iter().find(|form| fits(&path(form), target.action)) else {
        assert!(answer.has("main h1") && answer.has("main a[href]"), "{about}: leads nowhere");
        return;
    };
    assert!(
        answer.has("[aria-invalid=true]") || answer.has(".err") || answer.has("[role=alert]"),
        "{about}: says nothing beside a field"
    );
    let attacked_keeps = |value: &str| value.chars().count() <= 100 && !value.chars().any(char::is_control);
    for (name, value) in sent.iter().filter(|(name, value)| name != attacked || attacked_keeps(value)) {
        // A code is spent by being tried.
        let is_secret = answer.has(&format!(
            "input[type=password][name='{name}'],
             input[autocomplete='one-time-code'][name='{name}']"
        ));
        let kept = form.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        if is_secret {
            assert!(kept.is_none_or(str::is_empty), "{about}: the secret {name} came back");
        } else if let Some(kept) = kept {
            // What is not on the list or no date cannot be shown in such a field, and what is hidden nobody typed.
            let is_choice = answer.has(&format!(
                "select[name='{name}'], input[type=radio][name='{name}'], input[type=hidden][name='{name}'],
                 input[type=date][name='{name}'], input[type=number][name='{name}']"
            ));
            let is_same = kept.trim() == value.trim() || (name == attacked && is_choice);
            assert!(is_same, "{about}: {name} was {value:?} and is {kept:?}");
        }
    }
}

#[tokio::test]
async fn the_forms_of_the_search_take_anything() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let search = [("from", "Lisbon"), ("to", "London"), ("leave", "2026-12-14"), ("adults", "1")];
    attack(&app, &guest, &target("/", "/flights", &search)).await;
    app.finish().await;
}

#[tokio::test]
async fn signing_up_and_in_takes_anything() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let person = [("name", "Maria Duarte"), ("email", "maria@example.com"), ("password", PASSWORD)];
    attack(&app, &guest, &target("/signup", "/signup", &person)).await;
    let login = [("email", ALICE), ("password", "not the right one at all")];
    attack(&app, &guest, &target("/login", "/login", &login)).await;
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn the_passenger_form_takes_anything() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let page = format!("/bookings/{reference}/passengers");
    attack(&app, &alice, &target(&page, "/passengers", &passenger("Duarte"))).await;
    assert_eq!(app.state(&reference).await.booking, "draft");
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn the_passport_fields_take_anything() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let (reference, _) = documents::form_of(&alice, documents::SEARCH).await;
    let page = format!("/bookings/{reference}/passengers");
    let tried = attack(&app, &alice, &target(&page, "/passengers", &documents::passport("CA123442"))).await;
    assert!(tried.iter().any(|field| field.ends_with("p1_passport")), "{tried:?}");
    assert_eq!(app.state(&reference).await.booking, "draft");
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn the_review_takes_anything_and_charges_nobody() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    attack(&app, &alice, &target(&format!("/bookings/{reference}/review"), "/pay", &[])).await;
    assert_eq!(app.state(&reference).await.booking, "draft");
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn the_cancellation_takes_anything_and_cancels_nothing() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    attack(&app, &alice, &target(&format!("/bookings/{reference}/cancel"), "/cancel", &[])).await;
    assert_eq!(app.state(&reference).await.booking, "confirmed");
    app.finish().await;
}

#[tokio::test]
async fn the_offer_form_takes_anything() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let found = alice.get(SEARCH).await.expect(200);
    let offer = found.attr("a[href^='/offers/']", "href");
    attack(&app, &alice, &target(&offer, "/bookings", &[])).await;
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn finding_a_booking_and_a_forgotten_password_take_anything() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let find = [("reference", "K7WQ4M"), ("family", "Duarte"), ("email", "maria@example.com")];
    attack(&app, &guest, &target("/find", "/find", &find)).await;
    attack(&app, &guest, &target("/reset", "/reset", &[("email", "nobody@example.com")])).await;
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn the_forms_of_an_account_take_anything() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let person = [
        ("name", "Maria Duarte"),
        ("phone", "+351 900 000 000"),
        ("day", "4"),
        ("month", "12"),
        ("year", "1986"),
    ];
    attack(&app, &alice, &target("/account/profile", "/account/profile", &person)).await;
    let friend = [
        ("given_names", "João"),
        ("family_name", "Duarte"),
        ("sex", "m"),
        ("day", "4"),
        ("month", "12"),
        ("year", "1986"),
    ];
    attack(&app, &alice, &target("/account/travellers", "/account/travellers", &friend)).await;
    let known = alice
        .submit(&alice.get("/account/travellers").await, "form[action='/account/travellers']", &friend)
        .await;
    let list = alice.follow(known).await.expect(200);
    let edit = list.attr("a[href^='/account/travellers/']", "href");
    attack(&app, &alice, &target(&edit, "/account/travellers/{id}", &friend)).await;
    let wrong = "not the right one at all";
    for (page, with) in [
        ("/account/password", [("current_password", wrong), ("password", "cobalt fjord umbrella nine")]),
        ("/account/email", [("email", "new@example.com"), ("password", wrong)]),
        ("/account/delete", [("password", wrong), ("password", wrong)]),
        ("/account/export", [("password", wrong), ("password", wrong)]),
        ("/reauthenticate", [("password", wrong), ("next", "/account")]),
    ] {
        attack(&app, &alice, &target(page, page, &with)).await;
    }
    alice.get("/account").await.expect(200);
    assert_eq!(app.count("auth.users where email = 'alice@example.com' and deleted_at is null").await, 1);
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn the_forms_of_a_second_factor_take_anything() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let setup = "/account/second-factor/setup";
    app.prove_address(ALICE).await;
    attack(&app, &alice, &target(setup, setup, &[("code", "000000")])).await;
    app.second_factor(&alice).await;
    let page = "/account/second-factor";
    let wrong = [("password", "not the right one at all"), ("code", "000000")];
    attack(&app, &alice, &target(page, "/account/second-factor/remove", &wrong)).await;
    let codes = app.texts("select encode(hash, 'hex') from auth.recovery_codes order by 1").await;
    attack(&app, &alice, &target(page, "/account/second-factor/codes", &[("of", "0")])).await;
    assert_eq!(app.texts("select encode(hash, 'hex') from auth.recovery_codes order by 1").await, codes);
    assert_eq!(app.count("auth.second_factors").await, 1);
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn no_code_but_the_right_one_lets_anybody_in() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    app.second_factor(&alice).await;
    for (name, input) in inputs() {
        // Each with a sign-in of its own: five wrong codes end one.
        let (browser, code) = (app.sign_in(ALICE).await, [("code", input.as_str())]);
        let page = browser.open("/login/code").await.expect(200);
        let action = page.url.join("/login/code").expect("an address");
        let fields: Vec<(String, String)> = code.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let answer = send(&app, &browser, "post", &action, &fields).await;
        let about = format!("POST /login/code with {name}");
        unharmed(&answer, &about);
        assert!(answer.status.is_client_error(), "{about}: {}", answer.status);
        if answer.status == 422 {
            nothing_lost(&answer, &target("", "/login/code", &[]), &fields, "code", &about);
        }
        browser.get("/account").await.redirect();
    }
    app.abandon_jobs();
    app.finish().await;
}

#[tokio::test]
async fn the_forms_of_staff_take_anything_and_refund_what_was_confirmed_only() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = documents::confirmed(&app, &alice).await;
    let carol = app.carol().await;
    app.second_factor(&carol).await;
    attack(&app, &carol, &target("/admin/bookings", "/admin/bookings", &[])).await;
    attack(&app, &carol, &target("/admin/mails", "/admin/mails", &[])).await;
    attack(&app, &carol, &target("/admin/staff", "/admin/staff", &[("email", "nobody@example.com")])).await;
    let refund = format!("/admin/bookings/{reference}/refund");
    let part = [("how", "part"), ("amount", "1.00"), ("reason", "goodwill"), ("note", "a long wait")];
    attack(&app, &carol, &target(&refund, "/refund", &part)).await;
    let order = carol.submit(&carol.get(&refund).await, "form[action$='/refund']", &part).await.expect(200);
    attack_here(&app, &carol, &order, &target(&refund, "/refund/confirm", &[("seen_left", "0.01")])).await;
    assert_eq!(app.count("refunds").await, 0);
    let booking = format!("/admin/bookings/{reference}");
    attack(&app, &carol, &target(&booking, "/documents/reveal", &[])).await;
    app.finish().await;
}

#[tokio::test]
async fn roles_and_reasons_take_anything() {
    let app = TestApp::start().await;
    let owner = app.carol().await;
    app.second_factor(&owner).await;
    app.staff("viewer").await;
    let viewer = app.texts("select id::text from auth.users where staff_role = 'viewer'").await.remove(0);
    let page = format!("/admin/staff/{viewer}");
    attack(&app, &owner, &target(&page, "/admin/staff/{id}/role", &[("role", "viewer")])).await;
    app.execute("insert into attention_items (kind, subject, detail) values ('job_dead', 'x', 'x')").await;
    let item = app.texts("select id::text from attention_items").await.remove(0);
    let page = format!("/admin/attention/{item}");
    attack(&app, &owner, &target(&page, "/admin/attention/{id}/resolve", &[])).await;
    let url = [("url", "https://agency.example/hooks")];
    attack(&app, &owner, &target("/admin/hooks", "/admin/hooks", &url)).await;
    let endpoint = app.texts("select id::text from hook_endpoints limit 1").await.remove(0);
    let page = format!("/admin/hooks/{endpoint}");
    attack(&app, &owner, &target(&page, "/admin/hooks/{id}/replay", &[])).await;
    app.finish().await;
}

#[tokio::test]
async fn decisions_about_money_take_any_reason() {
    let frozen = Frozen::by(wrong_hash).await;
    attack(&frozen.app, &frozen.finance, &target(&frozen.item, "/admin/attention/{id}/give-back", &[])).await;
    frozen.app.settle().await;
    frozen.app.finish().await;

    let frozen = Frozen::by(wrong_hash).await;
    frozen.mend_hash().await;
    attack(&frozen.app, &frozen.finance, &target(&frozen.item, "/admin/attention/{id}/accept", &[])).await;
    frozen.app.settle().await;
    frozen.app.finish().await;
}

#[tokio::test]
async fn a_payment_by_hand_takes_any_proof() {
    let desk = payouts::Desk::failed().await;
    let honest = [("way", "cash"), ("paid_on", "2026-11-23"), ("proof", "receipt 7")];
    attack(&desk.app, &desk.finance, &target(&desk.address(), "/payout", &honest)).await;
    desk.app.settle().await;
    assert_eq!(desk.app.count("refund_payouts").await, 1);
    desk.app.finish().await;
}

#[tokio::test]
async fn the_levers_of_the_demo_take_anything_and_move_by_what_they_offer_only() {
    let app = TestApp::start().await;
    let viewer = app.staff("viewer").await;
    attack(&app, &viewer, &target("/demo/console", "/demo/console", &[])).await;
    assert_eq!(app.now().to_string(), "2026-11-23T09:00:00Z");
    app.finish().await;
}

#[test]
fn every_form_that_changes_something_is_attacked_or_has_no_fields() {
    /// Buttons alone, or JSON with tests of its own.
    const WITHOUT_FIELDS: [&str; 31] = [
        "/searches/forget",
        "/bookings/claim",
        "/bookings/{reference}/drop",
        "/logout",
        "/logout/everywhere",
        "/verify/{token}",
        "/email/{token}",
        "/account/verification",
        "/account/travellers/{id}/remove",
        "/account/devices",
        "/account/second-factor/codes/kept",
        "/account/email/again",
        "/account/email/withdraw",
        "/account/devices/{id}/end",
        "/account/programs/{id}/end",
        "/admin/staff/{id}/remove",
        "/admin/attention/{id}/act",
        "/admin/bookings/{reference}/evidence",
        "/admin/events/{id}/replay",
        "/admin/mails/{id}/resend",
        "/admin/hooks/deliveries/{id}/replay",
        "/admin/hooks/{id}/delete",
        "/admin/hooks/{id}/pause",
        "/admin/hooks/{id}/resume",
        "/admin/hooks/{id}/rotate",
        "/admin/hooks/{id}/secret",
        "/admin/hooks/{id}/test",
        "/demo/hooks",
        // The password of the sign-up form, asked once and then gone with its link.
        "/reset/{token}",
        "/webhooks/stripe",
        "/api/payment/webhook",
    ];
    let routes = include_str!("../../../src/app/routes.rs");
    let posts: BTreeSet<&str> = routes
        .split(".route(")
        .skip(1)
        .filter(|route| route.split("\n}\n").next().is_some_and(|route| route.contains("post(")))
        .filter_map(|route| route.split('"').nth(1))
        .filter(|route| !route.starts_with("/api/"))
        .collect();
    let is_known =
        |route: &&str| WITHOUT_FIELDS.contains(route) || ATTACKED.iter().any(|end| route.ends_with(end));
    let untried: Vec<&str> = posts.iter().filter(|route| !is_known(route)).copied().collect();
    assert!(posts.len() > 20 && untried.is_empty(), "nobody attacks {untried:?}");
}
