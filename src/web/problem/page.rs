//! The page of whatever went wrong: what happened, whether money moved, and what to do next.

use askama::Template;
use axum::{
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{Problem, causes, login_address, shows_cause};
use crate::web::{chrome::Chrome, components::words, frame::Frame};

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    chrome: Chrome,
    problem: &'a Problem,
    request: String,
    /// Whether money moved: said on every page, whatever the error.
    money: Money,
    next: Next,
    /// How long to wait before trying again.
    wait: Option<String>,
    cause: Option<String>,
}

struct Money {
    fact: &'static str,
    why: &'static str,
}

struct Next {
    label: &'static str,
    href: String,
}

pub fn as_page(frame: &Frame, chrome: Chrome, problem: &Problem) -> Response {
    let page = ErrorPage {
        chrome,
        problem,
        request: frame.request.to_string(),
        money: money(frame, problem),
        next: what_next(frame, problem.status, problem.code),
        wait: problem.retry_after_seconds.map(words::wait),
        cause: problem.cause.as_deref().filter(|_| shows_cause(frame, problem)).map(causes),
    };
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    let body = page.render().unwrap_or_else(|error| {
        tracing::error!(%error, "the error page itself failed");
        format!("<!doctype html><title>{0}</title><p>Request {1}", problem.status, frame.request)
    });
    (problem.status, [(header::CONTENT_TYPE, html)], body).into_response()
}

fn money(frame: &Frame, problem: &Problem) -> Money {
    if !frame.path.starts_with("/bookings/") {
        return Money { fact: "None moved.", why: "Nothing on this page can charge you." };
    }
    if problem.status.is_server_error() && problem.code == "unavailable" {
        return Money {
            fact: "You are charged only for confirmed seats.",
            why: "What you have paid is not lost. As soon as the site is back we go on with it by ourselves: the seats are confirmed, or the money goes back, and a mail tells you which. You need not pay again.",
        };
    }
    if matches!(frame.method, Method::GET | Method::HEAD) {
        return Money { fact: "None moved.", why: "Looking at a booking never charges you." };
    }
    // Who is refused because of a payment must not read that there is none.
    if ["being_paid", "passengers_fixed"].contains(&problem.code) {
        return Money {
            fact: "This form moved none.",
            why: "A payment that was made, or is being made, stands as the booking shows it. You cannot pay twice for one booking.",
        };
    }
    if problem.status.is_client_error() {
        return Money { fact: "None moved.", why: "The request was refused before anything was done." };
    }
    Money {
        fact: "You are charged only for confirmed seats.",
        why: "The booking itself shows where its money is. You cannot pay twice for one booking.",
    }
}

fn what_next(frame: &Frame, status: StatusCode, code: &str) -> Next {
    let booking = frame.path.strip_prefix("/bookings/").and_then(|rest| rest.split('/').next());
    match (status, booking) {
        (StatusCode::UNAUTHORIZED, _) => Next { label: "Sign in", href: login_address(&frame.return_to) },
        (StatusCode::NOT_FOUND, None) if frame.path.starts_with("/admin/") => {
            Next { label: "All bookings", href: "/admin/bookings".to_owned() }
        }
        (StatusCode::CONFLICT, None) if frame.path.starts_with("/admin/bookings/") => {
            let reference = frame.path.split('/').nth(3).unwrap_or_default();
            Next { label: "Open the booking", href: format!("/admin/bookings/{reference}") }
        }
        (StatusCode::CONFLICT, None) if frame.path.starts_with("/admin/attention/") => {
            let item: Vec<&str> = frame.path.split('/').take(4).collect();
            Next { label: "Open the item", href: item.join("/") }
        }
        (StatusCode::FORBIDDEN, _) if code == "second_factor_missing" => {
            Next { label: "Set up a second factor", href: "/account/second-factor".to_owned() }
        }
        (StatusCode::GONE, None) => match frame.path.split('/').nth(1) {
            Some("reset") => Next { label: "Ask for a new link", href: "/reset".to_owned() },
            Some("email") => Next { label: "Ask for a new link", href: "/account/email".to_owned() },
            Some("verify") => Next { label: "Go to your account", href: "/account".to_owned() },
            _ => Next { label: "Search for flights", href: "/".to_owned() },
        },
        (StatusCode::FORBIDDEN, _) if code == "role_may_not" => {
            Next { label: "All bookings", href: "/admin/bookings".to_owned() }
        }
        (StatusCode::NOT_FOUND | StatusCode::FORBIDDEN, Some(_)) => {
            Next { label: "Your bookings", href: "/bookings".to_owned() }
        }
        // These seats are gone, whatever the booking still says.
        (StatusCode::CONFLICT, Some(_)) if code == "seats_gone" => {
            Next { label: "Search for flights", href: "/".to_owned() }
        }
        (_, Some(reference)) if !reference.is_empty() => {
            Next { label: "Open the booking", href: format!("/bookings/{reference}") }
        }
        (status, _) if status.is_server_error() && frame.method == Method::GET => {
            Next { label: "Try again", href: frame.return_to.clone() }
        }
        (StatusCode::FORBIDDEN, _) => Next { label: "Go to the first page", href: "/".to_owned() },
        _ => Next { label: "Search for flights", href: "/".to_owned() },
    }
}
