//! A program that calls the API, and what it reads in the answers.

use reqwest::Method;
use serde_json::{Value, json};

use super::{app::TestApp, browser::Browser, page::Page};

pub async fn call(program: &Browser, method: Method, path: &str, body: Value) -> Page {
    program.call(method, path, "application/json", body.to_string()).await
}

pub async fn post(program: &Browser, path: &str, body: Value) -> Page {
    call(program, Method::POST, path, body).await
}

pub async fn patch(program: &Browser, path: &str, body: Value) -> Page {
    call(program, Method::PATCH, path, body).await
}

/// A program that has signed in, and its tokens.
pub async fn program(app: &TestApp, email: &str, password: &str) -> (Browser, Value) {
    signed_in(app, json!({ "email": email, "password": password })).await
}

/// A program that may do no more than this.
pub async fn program_with(app: &TestApp, email: &str, scope: &str) -> Browser {
    signed_in(app, json!({ "email": email, "password": super::app::PASSWORD, "scope": scope })).await.0
}

async fn signed_in(app: &TestApp, login: Value) -> (Browser, Value) {
    let program = app.guest();
    let tokens = post(&program, "/api/auth/login", login).await.expect(200).json();
    program.set_header(
        "authorization",
        &format!("Bearer {}", tokens["access_token"].as_str().expect("a token")),
    );
    (program, tokens)
}

/// The places that a problem names.
pub fn pointers(page: &Page) -> Vec<String> {
    let body = page.json();
    let errors = body["errors"].as_array().expect("errors");
    errors.iter().map(|error| error["pointer"].as_str().expect("a pointer").to_owned()).collect()
}

/// What every refusal of the API has in common, and its code.
#[track_caller]
pub fn code(page: &Page) -> String {
    let body = page.json();
    assert_eq!(page.header("content-type"), Some("application/problem+json"), "{}", page.body);
    assert_eq!(body["status"], page.status.as_u16());
    assert_eq!(body["request_id"].as_str(), page.header("x-request-id"));
    assert!(body["title"].is_string() && body["detail"].is_string() && body["errors"].is_array());
    body["code"].as_str().expect("a code").to_owned()
}
