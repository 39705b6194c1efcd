//! Any bytes as the body of a form: read, checked, never a panic. What passes the rules keeps them.

#![no_main]

use axum::{
    body::Body,
    extract::{FromRequest, Request},
};
use jetbridge::{
    bookings::passengers::PassengerForm,
    error::FieldErrors,
    itinerary::PassengerKind,
    web::form::{self, Form},
};
use jiff::civil::date;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
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
    let kinds = [PassengerKind::Adult, PassengerKind::Infant];
    if let Ok((people, _)) = form.check(&kinds, date(2027, 3, 27), date(2026, 11, 22)) {
        assert_eq!(people.len(), 2);
        assert!(people.iter().all(|person| person.given_names.chars().count() <= 60));
    }
});
