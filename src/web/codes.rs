//! What a program is told when something goes wrong: the members of a problem (RFC 9457), and every code that one can carry,
//! each with what to do about it. Codes are promises: they may be added to, never changed.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::ids::RequestId;

pub const PROBLEM_JSON: &str = "application/problem+json";

/// What went wrong, as RFC 9457 has it.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// Always `about:blank`: the code says more.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    pub kind: &'a str,
    /// In a few words, for people.
    pub title: &'a str,
    /// The HTTP status once more.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What happened, and what to do, for people.
    pub detail: &'a str,
    /// For programs: stable, and one of a documented list.
    pub code: &'a str,
    /// What does not fit, all at once. Empty unless the code is `invalid`.
    pub errors: Vec<ErrorAt<'a>>,
    /// Names this request in our logs. The same as the header `x-request-id`.
    #[schema(value_type = uuid::Uuid)]
    pub request_id: RequestId,
    /// Facts to go on with, for codes whose meaning says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    pub about: Option<&'a Value>,
    /// What broke, in development only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cause: Option<String>,
}

/// One thing that does not fit.
#[derive(Serialize, ToSchema)]
pub struct ErrorAt<'a> {
    /// Where it stands in the body (RFC 6901); in a question, `/` and the parameter's name.
    #[schema(example = "/email", max_length = 400)]
    pub pointer: String,
    /// What to do about it.
    pub detail: &'a str,
}

/// What a program is told where a person would be told of a form or a page: the title, and the detail of whoever has none
/// of their own.
pub fn words_for_programs(code: &str) -> Option<(&'static str, &'static str)> {
    Some(match code {
        "too_large" => (
            "The body is too large",
            "It is longer than we read, and nothing was done with it. Send less at once.",
        ),
        "uri_too_long" => ("The address is too long", "Ask for less at once."),
        "unsupported_media_type" => ("We cannot read that kind of content", "Send it as application/json."),
        "unprocessable" => (
            "The body does not fit",
            "A part of it is missing or is there twice. The documentation of this call names its parts.",
        ),
        "method_not_allowed" => {
            ("This address does not take that method", "The header Allow names those that it takes.")
        }
        "forbidden" => ("This is not for your account", "You are signed in, but this call is for others."),
        "invalid" => (
            "What you sent does not fit",
            "Each place that does not fit is named in errors. Correct it and send the call again.",
        ),
        _ => return None,
    })
}

/// One way in which a call can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    pub status: u16,
    pub name: &'static str,
    /// What it means and what to do.
    pub meaning: &'static str,
    pub at: At,
}

/// Where it can come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Any call at all.
    Every,
    /// Calls of one kind: with a body, with a token, that change something.
    Kind,
    /// Some operations, which name it.
    Some,
}

impl Code {
    pub fn named(name: &str) -> Option<&'static Self> {
        CODES.iter().find(|code| code.name == name)
    }
}

/// By status, in the order in which a call meets them.
pub const CODES: &[Code] = &[
    code(400, "not_json", At::Kind, "The body is no JSON, or there is something behind it."),
    code(
        400,
        "bad_idempotency_key",
        At::Kind,
        "Idempotency-Key is one header of 1 to 255 visible ASCII characters.",
    ),
    code(
        401,
        "unauthenticated",
        At::Kind,
        "There is no token and no session, or it has ended. Refresh the token or sign in.",
    ),
    code(
        401,
        "wrong_credentials",
        At::Some,
        "Address and password do not belong together, or there is no such account.",
    ),
    code(
        401,
        "refresh_token_dead",
        At::Some,
        "The refresh token was used already, is too old, or was never ours. If it was used twice, every token of that sign-in has ended. Sign in again.",
    ),
    code(
        403,
        "insufficient_scope",
        At::Kind,
        "The token lacks a scope, which WWW-Authenticate names. Sign in again and ask for it.",
    ),
    code(
        403,
        "foreign_origin",
        At::Kind,
        "A browser sent this from another site's page. Programs that are no browser never see it.",
    ),
    code(
        403,
        "second_factor_required",
        At::Some,
        "The account has a second factor. Send its present code, or a recovery code, as `code`.",
    ),
    code(
        403,
        "link_of_another_account",
        At::Some,
        "The mailed token is for another account than the caller's. Sign in to that one.",
    ),
    code(403, "forbidden", At::Some, "You are signed in, but this is for members of the agency."),
    code(403, "role_may_not", At::Some, "Your role in the agency may not do this. An owner can change it."),
    code(
        403,
        "no_tokens_here",
        At::Some,
        "A token is never staff. Call from the browser in which you are signed in, without Authorization.",
    ),
    code(
        403,
        "second_factor_missing",
        At::Some,
        "Money moves only by somebody who has a second factor. Set one up on the site.",
    ),
    code(
        403,
        "proof_too_old",
        At::Some,
        "The code was shown more than five minutes ago. Open /reauthenticate, then call again.",
    ),
    code(404, "not_found", At::Kind, "There is no such thing, or it is somebody else's. Both look the same."),
    code(
        405,
        "method_not_allowed",
        At::Every,
        "The address does not take this method. Allow says which it takes.",
    ),
    code(
        406,
        "not_acceptable",
        At::Every,
        "Accept excludes what this address answers: application/json, and of the page text/html. Nothing was done.",
    ),
    code(
        408,
        "request_timeout",
        At::Every,
        "The request did not arrive in time. Nothing was done: send it again.",
    ),
    code(
        409,
        "password_changed_meanwhile",
        At::Some,
        "The password was changed by another call in between. Nothing was done by this one.",
    ),
    code(
        409,
        "email_taken",
        At::Some,
        "The new address has got an account of its own since. Nothing was changed.",
    ),
    code(
        409,
        "bookings_open",
        At::Some,
        "The account has bookings that are not over. `about.open` has each with its `reference` and `why`: held, ticketing, cancelling, payment, refund, money, attention or travel. Nothing was deleted.",
    ),
    code(
        409,
        "staff_account",
        At::Some,
        "The account belongs to a member of the agency. An owner takes the role away first. Nothing was deleted.",
    ),
    code(
        409,
        "passengers_fixed",
        At::Some,
        "The booking is paid or has ended, so its names can no longer be changed here. Nothing was changed.",
    ),
    code(
        409,
        "being_paid",
        At::Some,
        "Somebody is paying, or Stripe has not confirmed that nobody is, so names and contact cannot change just now. Nothing was changed. If nothing comes of the payment, change them then.",
    ),
    code(
        409,
        "passengers_missing",
        At::Some,
        "Who travels, where to write or a passport is still missing. Write it first (PATCH).",
    ),
    code(
        409,
        "price_changed",
        At::Some,
        "What would be paid is not what was accepted. `about.quote`, where there is one, is what would be. Look at the booking again.",
    ),
    code(
        409,
        "nothing_to_pay",
        At::Some,
        "It is paid, it has ended, or a payment is on its way. The booking says which.",
    ),
    code(
        409,
        "seats_gone",
        At::Some,
        "The last seats of these flights went to someone else. Nothing was charged.",
    ),
    code(409, "flights_gone", At::Some, "The airline no longer sells these flights. Nothing was charged."),
    code(
        409,
        "quote_needed",
        At::Some,
        "It has tickets, so it is cancelled by a quote. `about.quote` is the present one: send its id as `quote`. Nothing was cancelled.",
    ),
    code(
        409,
        "quote_changed",
        At::Some,
        "The quote that was sent has lapsed, was never ours, or says something else by now. `about.quote` is what holds. Nothing was cancelled.",
    ),
    code(
        409,
        "airline_decides",
        At::Some,
        "The fare does not say what comes back, so a person has to ask the airline. The booking's page has a button for that. Nothing was cancelled.",
    ),
    code(
        409,
        "not_paid",
        At::Some,
        "The booking is not paid, so there is no quote. DELETE without one gives it up.",
    ),
    code(
        409,
        "being_booked",
        At::Some,
        "The airline is booking the seats at this moment. Ask again in a few minutes.",
    ),
    code(
        409,
        "cancelling",
        At::Some,
        "The airline has been asked to cancel already. The booking tells how it stands.",
    ),
    code(409, "ended", At::Some, "The booking has ended. It tells what became of the money."),
    code(409, "departed", At::Some, "The first flight has left, so it is not cancelled here any more."),
    code(
        409,
        "disputed",
        At::Some,
        "The bank is looking at the payment and decides first. Nothing was changed.",
    ),
    code(
        409,
        "payment_checked",
        At::Some,
        "A person is looking at the payment. That has to be settled first. The tickets stay good.",
    ),
    code(
        409,
        "cannot_drop",
        At::Some,
        "A payment is on its way, so it cannot be given up. The booking says what became of it.",
    ),
    code(
        409,
        "call_in_flight",
        At::Kind,
        "The same call with this Idempotency-Key is being worked on. Ask again after Retry-After.",
    ),
    code(
        409,
        "figures_changed",
        At::Some,
        "Another sum is left of this payment than was seen, or the id stands for another refund. Nothing was refunded: ask for a new quote.",
    ),
    code(
        409,
        "quarantined",
        At::Some,
        "Stripe's facts about a payment do not fit what was accepted. That has to be settled first.",
    ),
    code(
        409,
        "refunded_elsewhere",
        At::Some,
        "More money went back in Stripe's dashboard than our books had left. That has to be settled first.",
    ),
    code(
        409,
        "not_captured",
        At::Some,
        "Nothing was charged there. Money that is only set aside is released.",
    ),
    code(409, "nothing_left", At::Some, "All of this payment has gone back."),
    code(
        409,
        "not_failed",
        At::Some,
        "Stripe has paid this refund or still may, so it is not paid by hand. Wait until it has arrived or failed.",
    ),
    code(
        409,
        "not_owed",
        At::Some,
        "What failed has gone back another way since. Nothing was recorded: look at the booking.",
    ),
    code(
        409,
        "paid_already",
        At::Some,
        "Somebody has recorded this refund as paid by hand; `detail` says how. What was sent was not kept.",
    ),
    code(
        409,
        "in_flight",
        At::Some,
        "The airline is being asked at this moment. Wait for what becomes of the tickets.",
    ),
    code(409, "returning", At::Some, "This money goes back by itself."),
    code(
        410,
        "link_is_dead",
        At::Some,
        "The mailed token was used, is too old, or a newer one took its place. Ask for a new one.",
    ),
    code(
        410,
        "offer_closed",
        At::Some,
        "The flights have left, or leave too soon to be booked. `about.close` are others at about that time, or on the next days.",
    ),
    code(
        410,
        "offer_expired",
        At::Some,
        "Prices are kept for 30 minutes. `about.offer` is the same flights at today's price, `about.was` what they cost, `about.more` the difference; `about.close` are other flights at about that time, each with its own difference.",
    ),
    code(
        410,
        "offer_gone",
        At::Some,
        "There is no such offer, or its flights are no longer sold. Search again.",
    ),
    code(
        410,
        "sold_out",
        At::Some,
        "Somebody took the last seats of this offer. Search again, or take one of `about.close`, where that is told.",
    ),
    code(413, "too_large", At::Every, "The body is longer than 64 KiB. Not a byte of it was used."),
    code(415, "unsupported_media_type", At::Kind, "Send the body as application/json."),
    code(
        421,
        "misdirected",
        At::Every,
        "The request named another host than this site. Use the address under `servers`.",
    ),
    code(
        422,
        "invalid",
        At::Kind,
        "Some of what was sent does not fit. `errors` has all of it, each with a pointer to its place.",
    ),
    code(
        422,
        "idempotency_key_reused",
        At::Kind,
        "The Idempotency-Key was used for a call of another method, address or body. Nothing was done: draw a new key.",
    ),
    code(422, "too_many_travellers", At::Some, "The list of travellers is full. Remove one first."),
    code(422, "bad_signature", At::Some, "The signature is missing, foreign or too old."),
    code(
        429,
        "too_many_requests",
        At::Some,
        "A limit is reached. Retry-After says for how long, RateLimit and RateLimit-Policy say which.",
    ),
    code(
        500,
        "internal",
        At::Every,
        "Something broke on our side. Tell us the request id. Before you repeat a call that changes something, look whether it did.",
    ),
    code(
        503,
        "unavailable",
        At::Every,
        "Something we depend on did not answer in time. Try again in a minute.",
    ),
    code(
        503,
        "upstream_unavailable",
        At::Some,
        "The airline's or the payment system does not answer. The detail says what that means. Try again in a minute.",
    ),
    code(
        503,
        "busy",
        At::Some,
        "More people sign in at this moment than we can check at once. Nothing was done: wait for Retry-After.",
    ),
];

const fn code(status: u16, name: &'static str, at: At, meaning: &'static str) -> Code {
    Code { status, name, meaning, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_there_once_in_the_order_of_statuses_and_in_the_shape_of_a_code() {
        assert!(CODES.is_sorted_by_key(|code| code.status));
        for code in CODES {
            assert_eq!(Code::named(code.name), Some(code), "{} stands there twice", code.name);
            assert!(code.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", code.name);
            assert!(code.meaning.ends_with('.'), "{}", code.name);
        }
    }
}
