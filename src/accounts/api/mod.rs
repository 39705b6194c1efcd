//! `/api/auth`: the life of an account for programs. The same rules as the pages, and the same silence about who has an
//! account.

pub mod account;
pub mod people;
pub mod sign_in;

use axum::{Json as Answer, http::StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{accounts::password, error::FieldErrors};

/// Taken, and what comes of it comes by mail. It says the same whoever asks about whomever.
#[derive(Serialize, ToSchema)]
pub struct Taken {
    /// For people.
    detail: &'static str,
}

const fn taken(detail: &'static str) -> (StatusCode, Answer<Taken>) {
    (StatusCode::ACCEPTED, Answer(Taken { detail }))
}

/// A password that is there and no longer than we hash.
pub fn check_password(errors: &mut FieldErrors, field: &str, given: &SecretString) {
    match given.expose_secret().len() {
        0 => errors.add(field, "Write a password"),
        1..=password::LONGEST => {}
        _ => errors.add(field, format!("At most {} bytes", password::LONGEST)),
    }
}

/// A password that may become one: as long as one has to be. Its strength is weighed later, where there is time for it.
fn check_new_password(errors: &mut FieldErrors, field: &str, given: &SecretString) {
    check_password(errors, field, given);
    if given.expose_secret().chars().count() < password::SHORTEST {
        errors.add(field, password::too_short());
    }
}

/// A token that was mailed. Whether it still opens something is another question.
fn check_mailed(errors: &mut FieldErrors, token: &str) {
    if token.is_empty() {
        errors.add("token", "Send the last part of the link that was mailed");
    }
}

/// What was found first stays first: one message for each field.
fn and(mut errors: FieldErrors, more: &FieldErrors) -> FieldErrors {
    for (field, message) in more.iter() {
        errors.add(field, message);
    }
    errors
}
