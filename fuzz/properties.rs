//! What must hold of any bytes that a stranger sends: shared by the fuzz targets beside it and, over random bytes on a
//! stable compiler, by `tests/it/hostile/bytes.rs`, so that neither outlives the code it asks.

use std::sync::LazyLock;

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderName, HeaderValue, header},
};
use axum_extra::extract::cookie::CookieJar;
use jetbridge::{
    accounts::pages::safe_next,
    airports::Airports,
    bookings::passengers::{PassengerForm, Wanted},
    error::FieldErrors,
    ids::{TokenHash, UserId},
    itinerary::{DocumentRule, PassengerKind},
    limits::{Known, KnownBrowser},
    search::{
        form::SearchForm,
        month::Month,
        pairs::{Pairs, Standing},
        recent::Recent,
        sent::Sent,
        view::{View, ViewForm},
    },
    vault::{Vault, new_key},
    web::{
        bearer, client,
        form::{self, Form},
        kept::KeptForm,
        user_agent,
    },
};
use jiff::{Timestamp, civil::date};

static VAULT: LazyLock<Vault> = LazyLock::new(|| Vault::new(&new_key("fuzz")).expect("a key"));

/// Any bytes as the body of a form: read, checked, never a panic. What passes the rules keeps them.
pub fn form_body(bytes: &[u8]) {
    let request = Request::post("/")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(bytes.to_vec()))
        .expect("a request");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let read = runtime.block_on(Form::<Vec<(String, String)>>::from_request(request, &()));
    let Ok(Form(pairs)) = read else { return };
    for (_, value) in &pairs {
        let mut errors = FieldErrors::default();
        if let Some(text) = form::text(&mut errors, "field", value, 60, "Write it") {
            assert!(!text.is_empty() && text.chars().count() <= 60 && !text.chars().any(char::is_control));
        }
        if let Some(email) = form::email(&mut errors, "email", value) {
            assert!(email.is_ascii() && email.len() <= 254 && !email.contains(char::is_whitespace));
            assert_eq!(email.matches('@').count(), 1);
        }
        if let Some(phone) = form::phone(&mut errors, "phone", value) {
            assert!(phone.is_ascii() && phone.len() <= 30);
        }
        let _ = form::date_of_parts(&mut errors, "born", [value, value, value]);
        let _ = value.parse::<jetbridge::ids::BookingReference>();
    }
    let form = PassengerForm::new(pairs);
    let wanted = Wanted {
        kinds: vec![PassengerKind::Adult, PassengerKind::Infant],
        last_day: date(2027, 3, 27),
        today: date(2026, 11, 22),
        documents: DocumentRule::Asked,
        kept: vec![None, None],
    };
    if let Ok(given) = form.check(&wanted) {
        assert_eq!((given.passengers.len(), given.documents.len()), (2, 2));
        assert!(given.passengers.iter().all(|person| person.given_names.chars().count() <= 60));
    }
}

/// Any bytes as the head of a request: cookies, addresses that proxies name, tokens, the name of a browser.
pub fn request_head(bytes: &[u8]) {
    let lines: Vec<HeaderValue> =
        bytes.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let mut headers = HeaderMap::new();
    for name in [header::COOKIE, header::AUTHORIZATION, HeaderName::from_static("x-forwarded-for")] {
        for value in &lines {
            headers.append(name.clone(), value.clone());
        }
    }
    for cookie in CookieJar::from_headers(&headers).iter() {
        let known = KnownBrowser::read(cookie.value());
        // Nobody but us can write one that counts.
        let account = Known { user: UserId::new(), password: TokenHash::of("another") };
        assert_eq!(known.id(&VAULT, account, Timestamp::UNIX_EPOCH), None);
        let (once, twice) = (known.write(), KnownBrowser::read(&known.write()).write());
        assert_eq!(once, twice);
    }
    if let Some(token) = bearer::token(&headers) {
        let _ = TokenHash::of(token);
    }
    for hops in 0..4 {
        let _ = client::seen_by_proxies(&headers, hops);
    }
    let Ok(text) = str::from_utf8(bytes) else { return };
    assert!(user_agent::in_words(text).len() < 100);
    let home = url::Url::parse("https://jetbridge.example/login").expect("an address");
    let there = home.join(&safe_next(text)).expect("an address");
    assert_eq!(there.origin(), home.origin());
    let _ = KeptForm::sent("/bookings/K7WQ4M/passengers", text);
}

/// Any bytes as the query of a search: read, checked, never a panic. What is understood has one address, which means the same
/// again, and no address of ours holds anything that is not printable ASCII.
pub fn search_query(bytes: &[u8]) {
    let airports = Airports::world();
    let now: Timestamp = "2026-11-22T12:00:00Z".parse().expect("a time");
    let text = String::from_utf8_lossy(bytes);
    let sent = Sent::read(&text);
    let mut errors = FieldErrors::default();
    let form = SearchForm::read(&sent, &mut errors).with_defaults();
    let view = View::read(&ViewForm::read(&sent, &mut errors), &mut errors);
    let address = view.address(&form);
    assert!(address.bytes().all(|byte| byte.is_ascii_graphic()), "{address}");
    let again = Sent::read(address.split_once('?').expect("a query").1);
    let mut none = FieldErrors::default();
    assert_eq!(View::read(&ViewForm::read(&again, &mut none), &mut none), view);
    assert!(none.is_empty());
    if let Ok(query) = form.check(airports, now) {
        assert!((1..=6).contains(&query.slices.len()) && query.party.seats() > 0);
        assert!(query.slices.windows(2).all(|pair| pair[0].date <= pair[1].date));
        let short = SearchForm::in_short(&query, airports);
        assert_eq!(short.check(airports, now).as_ref(), Ok(&query));
        let month = sent.one(&mut errors, "month");
        let nights = sent.one(&mut errors, "nights");
        let month = Month::read(&mut errors, (&month, &nights), &query, date(2026, 11, 22));
        assert!((28..=31).contains(&month.days()));
        if let Some(pairs) = Pairs::of(&query, date(2026, 11, 22)) {
            let (leave, back) = pairs.dates((3, -3));
            let is_backwards = pairs.standing((3, -3)) == Standing::BackBeforeLeaving;
            assert_eq!(is_backwards, back < leave);
        }
        let kept = Recent::default().with(&query).write(airports);
        assert_eq!(Recent::read(&kept, airports, now).searches(), [query]);
    }
    let known = Recent::read(&text, airports, now);
    assert_eq!(Recent::read(&known.write(airports), airports, now), known);
}
