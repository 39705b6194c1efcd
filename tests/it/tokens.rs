//! API tokens: how long they last, what a thief gains by one, and whom a handler of the API lets in.

use axum::{
    Router,
    body::Body,
    extract::FromRef,
    http::{Request, StatusCode, header},
    response::Response,
    routing::get,
};
use jetbridge::{
    accounts::{
        devices,
        tokens::{self, Issued},
    },
    clock::Clock,
    db::{Db, System, Traveller},
    error::AppError,
    ids::UserId,
    web::{
        principal::ApiUser,
        scopes::{AccountRead, AccountWrite, BookingsRead, BookingsWrite, InScope, Scope, Scopes},
        session_cache::Sessions,
    },
};
use jiff::SignedDuration;
use tower::ServiceExt;
use tower_sessions::SessionManagerLayer;

use crate::helpers::{
    app::{ALICE, BOB, PASSWORD, TestApp},
    browser::Browser,
};

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

async fn user(app: &TestApp, email: &str) -> UserId {
    let id = app.texts(&format!("select id::text from auth.users where email = '{email}'")).await;
    id[0].parse().unwrap()
}

/// Alice's program has signed in.
async fn issued(app: &TestApp) -> Issued {
    app.alice().await;
    app.issue(user(app, ALICE).await, Scopes::ALL).await.unwrap()
}

async fn refresh(app: &TestApp, issued: &Issued) -> Option<Issued> {
    tokens::refresh(&app.db, &app.clock, issued.refresh.expose()).await.unwrap()
}

async fn is_good(app: &TestApp, issued: &Issued) -> bool {
    tokens::who(&app.db, &app.clock, issued.access.expose()).await.unwrap().is_some()
}

#[tokio::test]
async fn a_token_speaks_for_its_user_within_its_scopes() {
    let app = TestApp::start().await;
    app.alice().await;
    let alice = user(&app, ALICE).await;
    let scopes: Scopes = "bookings:read".parse().unwrap();
    let issued = app.issue(alice, scopes).await.unwrap();
    assert_eq!((issued.expires_in, issued.scopes), (900, scopes));
    let who = async |token: &str| tokens::who(&app.db, &app.clock, token).await.unwrap();
    assert_eq!(who(issued.access.expose()).await, Some((alice, scopes)));
    // The other token of the pair, and what is no token at all.
    for wrong in [issued.refresh.expose(), "", "x", "'; --", &"A".repeat(43), &"A".repeat(10_000)] {
        assert_eq!(who(wrong).await, None, "{wrong:.50}");
    }
    assert!(tokens::refresh(&app.db, &app.clock, issued.access.expose()).await.unwrap().is_none());
    assert!(is_good(&app, &issued).await, "an access token is no refresh token, and that is all");
    app.finish().await;
}

#[tokio::test]
async fn the_database_knows_tokens_by_their_hash_only() {
    let app = TestApp::start().await;
    let issued = issued(&app).await;
    let rows = app.texts("select t::text || f::text from auth.tokens t, auth.token_families f").await;
    assert_eq!(rows.len(), 2);
    for token in [&issued.access, &issued.refresh] {
        assert!(rows.iter().all(|row| !row.contains(token.expose())));
        assert!(rows.iter().any(|row| row.contains(&hex::encode(token.hash().as_bytes()))));
        assert!(!format!("{issued:?}").contains(token.expose()), "shown by Debug");
    }
    app.finish().await;
}

#[tokio::test]
async fn an_access_token_lasts_a_quarter_of_an_hour() {
    let app = TestApp::start().await;
    let issued = issued(&app).await;
    app.clock.advance(SignedDuration::from_mins(15) - SECOND);
    assert!(is_good(&app, &issued).await);
    app.clock.advance(SECOND);
    assert!(!is_good(&app, &issued).await);
    assert!(is_good(&app, &refresh(&app, &issued).await.unwrap()).await);
    app.finish().await;
}

#[tokio::test]
async fn a_program_that_rests_for_a_month_signs_in_again() {
    let app = TestApp::start().await;
    let first = issued(&app).await;
    app.clock.advance(DAY * 30 - SECOND);
    let second = refresh(&app, &first).await.unwrap();
    app.clock.advance(DAY * 30);
    assert!(refresh(&app, &second).await.is_none());
    app.finish().await;
}

#[tokio::test]
async fn a_program_in_daily_use_signs_in_again_after_ninety_days_and_no_token_lasts_longer() {
    let app = TestApp::start().await;
    let mut last = issued(&app).await;
    for _ in 0..3 {
        app.clock.advance(DAY * 29);
        last = refresh(&app, &last).await.unwrap();
    }
    app.clock.advance(DAY * 3 - SECOND * 60);
    last = refresh(&app, &last).await.unwrap();
    assert_eq!(last.expires_in, 60);
    app.clock.advance(SECOND * 60);
    assert!(!is_good(&app, &last).await);
    assert!(refresh(&app, &last).await.is_none());
    app.finish().await;
}

#[tokio::test]
async fn a_refresh_gives_a_new_pair_and_keeps_the_scopes() {
    let app = TestApp::start().await;
    app.alice().await;
    let scopes: Scopes = "account:read".parse().unwrap();
    let first = app.issue(user(&app, ALICE).await, scopes).await.unwrap();
    let second = refresh(&app, &first).await.unwrap();
    assert_eq!(second.scopes, scopes);
    assert_ne!(first.access.expose(), second.access.expose());
    assert_ne!(first.refresh.expose(), second.refresh.expose());
    assert!(is_good(&app, &second).await);
    app.finish().await;
}

#[tokio::test]
async fn a_sign_in_that_a_new_password_overtook_gets_no_tokens() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let id = user(&app, ALICE).await;
    let checked = app.password_of(id).await;
    let page = alice.get("/account/password").await.expect(200);
    let change = [("current_password", PASSWORD), ("password", "cobalt fjord umbrella nine")];
    alice.submit(&page, "main form", &change).await.redirect();
    // At the same instant of every clock.
    let program = "curl".to_owned();
    let late = tokens::Newcomer { user: id, scopes: Scopes::ALL, password: checked, program };
    let late = tokens::issue(&app.db, &app.clock, late).await;
    assert!(matches!(late, Err(AppError::Unauthenticated)), "{late:?}");
    assert_eq!(app.count("auth.token_families").await, 0);
    app.issue(id, Scopes::ALL).await.unwrap();
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn a_thief_who_refreshes_after_the_owner_ends_the_family() {
    let app = TestApp::start().await;
    let stolen = issued(&app).await;
    let owners = refresh(&app, &stolen).await.unwrap();
    assert!(refresh(&app, &stolen).await.is_none());
    for token in [&stolen, &owners] {
        assert!(!is_good(&app, token).await);
        assert!(refresh(&app, token).await.is_none());
    }
    app.finish().await;
}

#[tokio::test]
async fn a_thief_who_refreshes_before_the_owner_is_out_when_the_owner_comes() {
    let app = TestApp::start().await;
    let stolen = issued(&app).await;
    let thiefs = refresh(&app, &stolen).await.unwrap();
    let thiefs = refresh(&app, &thiefs).await.unwrap();
    assert!(is_good(&app, &thiefs).await);
    // Even days later the owner's use of the first token tells.
    app.clock.advance(DAY * 7);
    app.sweep().await;
    assert!(refresh(&app, &stolen).await.is_none());
    assert!(!is_good(&app, &thiefs).await);
    assert!(refresh(&app, &thiefs).await.is_none());
    assert_eq!(app.count("auth.tokens").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn of_two_refreshes_at_once_one_wins_and_the_family_ends_all_the_same() {
    let app = TestApp::start().await;
    let alice = issued(&app).await;
    let other = app.issue(user(&app, ALICE).await, Scopes::ALL).await.unwrap();
    for _ in 0..10 {
        let issued = app.issue(user(&app, ALICE).await, Scopes::ALL).await.unwrap();
        let results = tokio::join!(refresh(&app, &issued), refresh(&app, &issued), refresh(&app, &issued));
        let won: Vec<Issued> = [results.0, results.1, results.2].into_iter().flatten().collect();
        assert_eq!(won.len(), 1);
        assert!(!is_good(&app, &won[0]).await, "the second use was a second use");
        assert!(refresh(&app, &won[0]).await.is_none());
    }
    for bystander in [&alice, &other] {
        assert!(is_good(&app, bystander).await, "another family of hers has nothing to do with it");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_refresh_and_the_end_of_all_sign_ins_at_once_leave_nothing_behind() {
    let app = TestApp::start().await;
    app.alice().await;
    let alice = user(&app, ALICE).await;
    for _ in 0..10 {
        let issued = app.issue(alice, Scopes::ALL).await.unwrap();
        let (refreshed, ended) = tokio::join!(refresh(&app, &issued), devices::end_all(&app.db, alice, None));
        ended.unwrap();
        if let Some(refreshed) = refreshed {
            assert!(!is_good(&app, &refreshed).await);
        }
        assert_eq!(app.count("auth.tokens").await, 0);
    }
    app.finish().await;
}

#[tokio::test]
async fn revoking_either_token_ends_both_and_an_unknown_one_is_no_news() {
    let app = TestApp::start().await;
    for by_refresh in [true, false] {
        let issued = issued(&app).await;
        let token = if by_refresh { &issued.refresh } else { &issued.access };
        tokens::revoke(&app.db, "unknown").await.unwrap();
        assert!(is_good(&app, &issued).await);
        tokens::revoke(&app.db, token.expose()).await.unwrap();
        assert!(!is_good(&app, &issued).await);
        assert!(refresh(&app, &issued).await.is_none());
    }
    app.finish().await;
}

#[tokio::test]
async fn a_sign_out_everywhere_ends_programs_too_and_nobody_elses() {
    let app = TestApp::start().await;
    let alices = issued(&app).await;
    app.bob().await;
    let bobs = app.issue(user(&app, BOB).await, Scopes::ALL).await.unwrap();
    app.sign_in(ALICE).await.post_form("/logout/everywhere", &[]).await.redirect();
    assert!(!is_good(&app, &alices).await);
    assert!(refresh(&app, &alices).await.is_none());
    assert!(is_good(&app, &bobs).await);
    app.finish().await;
}

#[tokio::test]
async fn a_traveller_ends_their_own_families_only_and_the_system_whose_it_names() {
    let app = TestApp::start().await;
    let alices = issued(&app).await;
    app.bob().await;
    let (alice, bob) = (user(&app, ALICE).await, user(&app, BOB).await);
    let bobs = app.issue(bob, Scopes::ALL).await.unwrap();
    let mut tx = app.db.begin(Traveller::Account(bob)).await.unwrap();
    assert_eq!(tokens::end_families(&mut tx, alice).await.unwrap(), 0);
    tx.commit().await.unwrap();
    assert!(is_good(&app, &alices).await);
    let mut tx = app.db.begin(System).await.unwrap();
    assert_eq!(tokens::end_families(&mut tx, alice).await.unwrap(), 1);
    tx.commit().await.unwrap();
    assert!(!is_good(&app, &alices).await);
    assert!(is_good(&app, &bobs).await);
    app.finish().await;
}

#[tokio::test]
async fn expired_tokens_are_swept_away_and_used_ones_stay_as_long_as_they_could_be_misused() {
    let app = TestApp::start().await;
    let first = issued(&app).await;
    refresh(&app, &first).await.unwrap();
    app.clock.advance(SignedDuration::from_mins(15));
    app.sweep().await;
    assert_eq!(app.texts("select kind from auth.tokens").await, ["refresh", "refresh"]);
    app.clock.advance(DAY * 30);
    app.sweep().await;
    assert_eq!(app.count("auth.tokens").await + app.count("auth.token_families").await, 0);
    app.finish().await;
}

/// Handlers of every scope, as the API has them, and one where no token counts.
#[derive(Clone)]
struct Api(Db, Clock);

impl FromRef<Api> for Db {
    fn from_ref(api: &Api) -> Self {
        api.0.clone()
    }
}

impl FromRef<Api> for Clock {
    fn from_ref(api: &Api) -> Self {
        api.1.clone()
    }
}

async fn who<S: InScope>(user: ApiUser<S>) -> String {
    user.user.to_string()
}

const ADDRESSES: [(&str, Scope); 4] = [
    ("/api/account", Scope::AccountRead),
    ("/api/account/change", Scope::AccountWrite),
    ("/api/bookings", Scope::BookingsRead),
    ("/api/bookings/change", Scope::BookingsWrite),
];

impl Api {
    async fn get(&self, address: &str, headers: &[(&str, &str)]) -> Response {
        let sessions = SessionManagerLayer::new(Sessions::new(self.0.clone())).with_name("session");
        let router = Router::new()
            .route("/api/account", get(who::<AccountRead>))
            .route("/api/account/change", get(who::<AccountWrite>))
            .route("/api/bookings", get(who::<BookingsRead>))
            .route("/api/bookings/change", get(who::<BookingsWrite>))
            .route("/elsewhere", get(who::<AccountRead>))
            .layer(sessions)
            .with_state(self.clone());
        let mut request = Request::get(address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn with_token(&self, address: &str, token: &str) -> Response {
        self.get(address, &[("authorization", &format!("Bearer {token}"))]).await
    }
}

fn challenge(response: &Response) -> &str {
    response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap()
}

fn cookie_of(browser: &Browser) -> String {
    format!("session={}", browser.cookie("session").unwrap())
}

#[tokio::test]
async fn each_address_of_the_api_takes_a_token_of_its_scope_and_of_no_other() {
    let app = TestApp::start().await;
    app.alice().await;
    let (api, alice) = (Api(app.db.clone(), app.clock.clone()), user(&app, ALICE).await);
    for scope in Scope::ALL {
        let scopes = Scopes::of([scope]).unwrap();
        let issued = app.issue(alice, scopes).await.unwrap();
        for (address, needed) in ADDRESSES {
            let response = api.with_token(address, issued.access.expose()).await;
            if needed == scope {
                assert_eq!(response.status(), StatusCode::OK, "{scope:?} at {address}");
                continue;
            }
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{scope:?} at {address}");
            let code = needed.code();
            let expected = format!(r#"Bearer realm="api", error="insufficient_scope", scope="{code}""#);
            assert_eq!(challenge(&response), expected);
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_bad_token_is_told_apart_from_none_and_neither_gets_in() {
    let app = TestApp::start().await;
    let issued = issued(&app).await;
    let api = Api(app.db.clone(), app.clock.clone());
    let none = api.get("/api/account", &[]).await;
    assert_eq!((none.status(), challenge(&none)), (StatusCode::UNAUTHORIZED, r#"Bearer realm="api""#));
    let invalid = r#"Bearer realm="api", error="invalid_token""#;
    for token in ["x", issued.refresh.expose(), ""] {
        let response = api.with_token("/api/account", token).await;
        assert_eq!(
            (response.status(), challenge(&response)),
            (StatusCode::UNAUTHORIZED, invalid),
            "{token:?}"
        );
    }
    app.clock.advance(SignedDuration::from_mins(15));
    let late = api.with_token("/api/account", issued.access.expose()).await;
    assert_eq!((late.status(), challenge(&late)), (StatusCode::UNAUTHORIZED, invalid));
    let basic = api.get("/api/account", &[("authorization", "Basic YWxpY2U6eA==")]).await;
    assert_eq!((basic.status(), challenge(&basic)), (StatusCode::UNAUTHORIZED, r#"Bearer realm="api""#));
    app.finish().await;
}

#[tokio::test]
async fn a_cookie_gets_in_alone_and_counts_for_nothing_beside_a_token() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let bob = app.bob().await;
    let api = Api(app.db.clone(), app.clock.clone());
    let cookie = cookie_of(&alice);
    for (address, _) in ADDRESSES {
        assert_eq!(api.get(address, &[("cookie", &cookie)]).await.status(), StatusCode::OK);
    }
    let bobs = app.issue(user(&app, BOB).await, Scopes::ALL).await.unwrap();
    let bearer = format!("Bearer {}", bobs.access.expose());
    let both = api.get("/api/account", &[("cookie", &cookie), ("authorization", &bearer)]).await;
    let body = axum::body::to_bytes(both.into_body(), 1_000).await.unwrap();
    assert_eq!(body, user(&app, BOB).await.to_string());
    for bad in ["Bearer x", "Basic eDp5", "Bearer", ""] {
        let response = api.get("/api/account", &[("cookie", &cookie), ("authorization", bad)]).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{bad:?} fell back to the cookie");
    }
    drop(bob);
    app.finish().await;
}

#[tokio::test]
async fn a_token_opens_no_page_and_nothing_of_the_staffs() {
    let app = TestApp::start().await;
    app.carol().await;
    let api = Api(app.db.clone(), app.clock.clone());
    let carol = user(&app, crate::helpers::app::CAROL).await;
    let issued = app.issue(carol, Scopes::ALL).await.unwrap();
    let response = api.with_token("/elsewhere", issued.access.expose()).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    // On the real site, page by page.
    let program = app.guest();
    program.set_header("authorization", &format!("Bearer {}", issued.access.expose()));
    for address in ["/account", "/bookings", "/admin/bookings"] {
        assert!(program.get(address).await.redirect().starts_with("/login?next="), "{address}");
    }
    app.finish().await;
}
